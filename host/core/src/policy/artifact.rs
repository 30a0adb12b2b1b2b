//! Tags that name something about an image: signatures, attestations, bills of materials.

/// The endings that cosign gives to what it stores beside an image
/// (<https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md#tag-based-discovery>).
const ENDINGS: [&str; 3] = [".sig", ".att", ".sbom"];

/// Whether no workload can want to run what `tag` names.
///
/// These are the tags that end as cosign's do, and those that are a digest: `sha256-` and 64 hexadecimal digits, which is also how
/// registries without a referrers API list what refers to a manifest
/// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema>).
pub(super) fn is_artifact(tag: &str) -> bool {
    ENDINGS.iter().any(|ending| tag.ends_with(ending)) || is_digest(tag)
}

/// Whether `tag` is `sha256-` and 64 hexadecimal digits, with or without an ending behind a dot.
fn is_digest(tag: &str) -> bool {
    let Some((hash, ending)) = tag.strip_prefix("sha256-").and_then(|rest| rest.split_at_checked(64)) else {
        return false;
    };
    hash.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        && (ending.is_empty() || ending.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_are_told_by_their_tags() {
        let check = |tag: &str, expected: bool| assert_eq!(is_artifact(tag), expected, "{tag}");
        let hash = "0123456789abcdef".repeat(4);
        check(&format!("sha256-{hash}"), true);
        check(&format!("sha256-{hash}.sig"), true);
        check(&format!("sha256-{hash}.att"), true);
        check(&format!("sha256-{hash}.sbom"), true);
        check(&format!("sha256-{hash}.cosign.bundle"), true);
        check("1.4.3.sig", true);
        check("1.4.3-alpine.att", true);
        check("v1.4.3.sbom", true);
        check("1.4.3", false);
        check("1.4.3-sig", false);
        check("1.4.3.signed", false);
        check("latest", false);
        check(&format!("sha256-{}", &hash[1..]), false);
        check(&format!("sha256-{hash}0"), false);
        check(&format!("sha256-{}", hash.to_uppercase()), false);
        check(&format!("sha512-{hash}"), false);
        check("sha256-", false);
        check(&format!("sha256-{}ä", &hash[1..]), false);
        check("", false);
    }
}
