//! `cargo xtask release`: what a release has to decide, so that `.github/workflows/release.yml` only carries it out.
//!
//! [`versions`] looks for the version in every place that has it; [`changelog`] reads `CHANGELOG.md`; [`plugins`] makes OCI artifacts of the
//! plugins.
//!
//! To release, give all of these places the next version (`cargo xtask release check` lists those that were forgotten), give the section in
//! `CHANGELOG.md` its date, and, when that is on main, push the tag, which is `v` and the version. The workflow does the rest.

pub mod changelog;
pub mod plugins;
pub mod versions;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::workspace;
use changelog::Section;

/// The version of everything: this package's is the workspace's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where releases are.
const REPOSITORY: &str = "https://github.com/k8supdater/k8supdater";

/// The operator's image, without a tag.
pub const IMAGE: &str = "ghcr.io/k8supdater/k8supdater";

/// The chart, without a tag.
const CHART: &str = "ghcr.io/k8supdater/charts/k8supdater";

/// Above the repositories of the plugins.
const PLUGINS: &str = "ghcr.io/k8supdater/plugins";

/// Parts of a release.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Release {
    /// Checks that everything has the same version, and that the changelog tells of it.
    Check {
        /// The tag that is released, such as v0.1.0. Without one the changelog may still leave the date open.
        tag: Option<String>,
    },
    /// Prints the text of a release: its part of the changelog, and how to install and verify it.
    Notes {
        /// The tag that is released.
        tag: String,
        /// Digest of the image that was pushed: sha256:….
        #[arg(long, value_name = "DIGEST", value_parser = digest)]
        image: String,
        /// Digest of the chart that was pushed.
        #[arg(long, value_name = "DIGEST", value_parser = digest)]
        chart: String,
    },
    /// Writes the shipped plugins as they go into a registry: NAME.wasm, and NAME.json, the configuration of the artifact.
    Plugins(plugins::Args),
}

/// `cargo xtask release`.
///
/// # Errors
/// When something is not ready to be released, or a file cannot be read or written.
pub fn run(release: &Release) -> Result<()> {
    match release {
        Release::Check { tag } => check(tag.as_deref()),
        Release::Notes { tag, image, chart } => {
            print!("{}", notes(&section(tag)?, image, chart));
            Ok(())
        }
        Release::Plugins(args) => plugins::run(args),
    }
}

/// Fails unless all of the tree is of one version, and the changelog has something to say about it: under its date, if there is a tag.
///
/// # Errors
/// With every place that is not as it should be.
pub fn check(tag: Option<&str>) -> Result<()> {
    let mut problems = versions::problems(VERSION)?;
    let section = match tag {
        Some(tag) => section(tag).map(drop),
        None => changelog_section().map(drop),
    };
    problems.extend(section.err().map(|err| format!("{err:#}")));
    if problems.is_empty() {
        println!("all is of version {VERSION}");
        Ok(())
    } else {
        bail!("this is not ready to be version {VERSION}:\n  {}", problems.join("\n  "))
    }
}

fn changelog() -> PathBuf {
    workspace::root().join("CHANGELOG.md")
}

fn changelog_section() -> Result<Section> {
    let path = changelog();
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    changelog::section(&text, VERSION)
}

/// What the changelog says about the version of `tag`.
fn section(tag: &str) -> Result<Section> {
    if tag.strip_prefix('v') != Some(VERSION) {
        bail!("the tag {tag} is not that of the workspace, v{VERSION}");
    }
    let section = changelog_section()?;
    match section.date {
        Some(_) => Ok(section),
        None => bail!("CHANGELOG.md: give the section of {VERSION} its date, as in `## [{VERSION}] - 2026-01-31`"),
    }
}

fn digest(text: &str) -> Result<String, String> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match text.strip_prefix("sha256:") {
        Some(digits) if digits.len() == 64 && digits.bytes().all(is_digit) => Ok(text.to_owned()),
        _ => Err("a digest is sha256: and 64 hexadecimal digits".to_owned()),
    }
}

fn notes(section: &Section, image: &str, chart: &str) -> String {
    let Section { body, .. } = section;
    format!(
        "{body}\n\n\
         ## Install\n\n\
         ```sh\n\
         kubectl apply --server-side -f {REPOSITORY}/releases/download/v{VERSION}/install.yaml\n\
         ```\n\n\
         or\n\n\
         ```sh\n\
         helm install k8supdater oci://{CHART} --version {VERSION} --namespace k8supdater --create-namespace\n\
         ```\n\n\
         | what | where |\n\
         |---|---|\n\
         | image, for linux/amd64 and linux/arm64 | `{IMAGE}:{VERSION}@{image}` |\n\
         | chart | `{CHART}:{VERSION}@{chart}` |\n\
         | plugins | `{PLUGINS}/NAME:{VERSION}` |\n\n\
         ## Verify\n\n\
         Image, chart and plugins are signed by the workflow that built them, without a key that anybody could lose \
         ([cosign](https://docs.sigstore.dev/cosign/verifying/verify/)):\n\n\
         ```sh\n\
         cosign verify {IMAGE}@{image} \\\n  \
           --certificate-identity {REPOSITORY}/.github/workflows/release.yml@refs/tags/v{VERSION} \\\n  \
           --certificate-oidc-issuer https://token.actions.githubusercontent.com\n\
         ```\n\n\
         The image has its list of parts (SBOM) and its provenance with it: `docker buildx imagetools inspect {IMAGE}@{image} --format \
         '{{{{json .SBOM}}}}'`, or `.Provenance`. For the files below:\n\n\
         ```sh\n\
         sha256sum --check --ignore-missing SHA256SUMS\n\
         gh attestation verify k8supdater-{VERSION}-linux-amd64.tar.gz --repo k8supdater/k8supdater\n\
         ```\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tag_of_the_workspace_is_released() {
        for tag in [VERSION, "v999.0.0", "", "V0.1.0", &format!("v{VERSION}-rc.1"), &format!("vv{VERSION}")] {
            let err = check(Some(tag)).unwrap_err().to_string();
            assert!(err.contains(&format!("the tag {tag} is not that of the workspace, v{VERSION}")), "{err}");
        }
    }

    #[test]
    fn a_digest_is_complete() {
        let digits = "0123456789abcdef".repeat(4);
        assert!(digest(&format!("sha256:{digits}")).is_ok());
        for text in
            [&digits, "sha256:", &format!("sha256:{}", &digits[1..]), &format!("sha256:{}", digits.to_uppercase())]
        {
            assert!(digest(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_text_of_a_release_has_what_changed_and_how_to_verify_it() {
        let section = Section { date: Some("2026-01-31".to_owned()), body: "### Added\n\n- Everything.".to_owned() };
        let text = notes(&section, "sha256:1", "sha256:2");
        assert!(text.starts_with("### Added\n\n- Everything.\n\n## Install\n"), "{text}");
        for expected in [
            &format!("{REPOSITORY}/releases/download/v{VERSION}/install.yaml\n"),
            &format!("helm install k8supdater oci://{CHART} --version {VERSION} "),
            &format!("| `{CHART}:{VERSION}@sha256:2` |"),
            &format!(
                "cosign verify {IMAGE}@sha256:1 \\\n  --certificate-identity {REPOSITORY}/.github/workflows/release.yml@refs/tags/v{VERSION} \\\n  \
                 --certificate-oidc-issuer https://token.actions.githubusercontent.com\n"
            ),
            "--format '{{json .SBOM}}'",
        ] {
            assert!(text.contains(expected), "{expected} is missing in {text}");
        }
    }
}
