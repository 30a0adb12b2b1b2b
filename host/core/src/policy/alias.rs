//! Several names of one image, as far as the registry tells digests.

use std::cmp::Ordering;

use super::{Tagged, flavor, scheme};
use crate::version::Version;

/// Whether both tags are known to point at the same image.
pub(super) fn is_same_image(one: &Tagged, other: &Tagged) -> bool {
    one.digest.is_some() && one.digest == other.digest
}

/// The version that the image of the `current` tag really is: the greatest among those of its names; none if the tag is no version.
///
/// 1.25 that points at the same image as 1.25.5 is not older than 1.25.4, although its number is. Names of another flavor or scheme say
/// nothing about that.
pub(super) fn real_version<'a>(current: &'a Tagged, candidates: &'a [Tagged]) -> Option<&'a Version> {
    let now = current.version.as_ref()?;
    let names = candidates.iter().filter(|candidate| is_same_image(current, candidate));
    let versions = names.filter_map(|name| name.version.as_ref());
    let comparable =
        versions.filter(|version| flavor::is_same(&now.flavor, &version.flavor) && !scheme::is_other(now, version));
    Some(comparable.fold(
        now,
        |greatest, version| {
            if version.order(greatest) == Ordering::Greater { version } else { greatest }
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tag with these levels; the digest is the one that is called `name` in these tests, one hexadecimal digit, or unknown.
    fn tagged(levels: &[u64], flavor: &str, name: &str) -> Tagged {
        let version = Version { levels: levels.to_vec(), flavor: flavor.to_owned(), ..Version::default() };
        Tagged { digest: format!("sha256:{}", name.repeat(64)).parse().ok(), ..Tagged::new("tag", Some(version)) }
    }

    #[test]
    fn unknown_digests_make_no_same_image() {
        let check = |one: &str, other: &str, expected: bool| {
            assert_eq!(is_same_image(&tagged(&[1], "", one), &tagged(&[2], "", other)), expected, "{one} {other}");
        };
        check("a", "a", true);
        check("a", "b", false);
        check("a", "", false);
        check("", "a", false);
        check("", "", false);
    }

    #[test]
    fn an_image_is_the_greatest_of_its_versions() {
        let candidates = [
            tagged(&[1, 25, 4], "", "a"),
            tagged(&[1, 25, 5], "", "a"),
            tagged(&[1, 25], "", "a"),
            tagged(&[1, 25, 6], "", "b"),
            tagged(&[1, 25, 7], "", ""),
            tagged(&[1, 25, 8], "-alpine", "a"),
            tagged(&[2024, 1], "", "a"),
        ];
        let check = |current: &Tagged, expected: &[u64]| {
            let version = real_version(current, &candidates).unwrap();
            assert_eq!(version.levels, expected, "{current:?}");
        };
        check(&tagged(&[1, 25], "", "a"), &[1, 25, 5]);
        check(&tagged(&[1, 25], "", "b"), &[1, 25, 6]);
        check(&tagged(&[1, 25], "", "c"), &[1, 25]);
        check(&tagged(&[1, 25], "", ""), &[1, 25]);
        check(&tagged(&[1, 26], "", "a"), &[1, 26]);
        assert_eq!(real_version(&Tagged::new("latest", None), &candidates), None);
    }
}
