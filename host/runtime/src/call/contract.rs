//! What the WIT promises about answers and types cannot say: counts and sizes. Every answer passes through here.

use k8supdater_core::image::Digest;
use k8supdater_core::version::Version;

use super::error::CallError;
use crate::wit::exchange::{Action, Error};
use crate::wit::{notifier, registry, version_parser};

/// Most actions of a step.
const MOST_ACTIONS: usize = 16;
/// Most bytes of a state.
const LARGEST_STATE: usize = 1024 * 1024;
/// Most bytes of a checkpoint.
const LARGEST_CHECKPOINT: usize = 64 * 1024;
/// Most images of a tag: the official images with the most platforms have some twenty, attestations left out.
const MOST_IMAGES: usize = 64;
/// Most characters of an operating system, an architecture, or a variant of one.
const LONGEST_PLATFORM: usize = 64;
/// Most bytes of a source: as many as a link may have.
const LONGEST_SOURCE: usize = 2048;
/// Most levels of a version.
const MOST_LEVELS: usize = 16;
/// Most bytes of a tail.
const LONGEST_TAIL: usize = 256;
/// Characters of a plugin's message that are kept: it goes into status and logs.
const LONGEST_MESSAGE: usize = 1024;

/// A step of a registry plugin that keeps to the contract.
///
/// # Errors
/// [`CallError::ContractBroken`].
pub(super) fn registry(answer: Result<registry::Step, Error>) -> Result<Result<registry::Step, Error>, CallError> {
    let step = match answer {
        Ok(step) => step,
        Err(error) => return Ok(Err(shorten_error(error))),
    };
    check_step(&step.actions, &step.state)?;
    at_most("bytes of checkpoint", step.checkpoint.as_ref().map_or(0, Vec::len), LARGEST_CHECKPOINT)?;
    step.tags.iter().try_for_each(check_tag)?;
    Ok(Ok(step))
}

/// A step of a notifier that keeps to the contract.
///
/// # Errors
/// [`CallError::ContractBroken`].
pub(super) fn notifier(answer: Result<notifier::Step, Error>) -> Result<Result<notifier::Step, Error>, CallError> {
    let step = match answer {
        Ok(step) => step,
        Err(error) => return Ok(Err(shorten_error(error))),
    };
    check_step(&step.actions, &step.state)?;
    Ok(Ok(step))
}

/// The versions of `count` tags.
///
/// # Errors
/// [`CallError::ContractBroken`] if they are more or fewer, or one of them is out of bounds.
pub(super) fn versions(
    answer: Result<Vec<Option<version_parser::Version>>, String>,
    count: usize,
) -> Result<Result<Vec<Option<Version>>, String>, CallError> {
    let versions = match answer {
        Ok(versions) => versions,
        Err(message) => return Ok(Err(shorten(message))),
    };
    if versions.len() != count {
        return Err(CallError::broken(format!("it answered {count} tags with {} versions", versions.len())));
    }
    let convert = |version: Option<version_parser::Version>| version.map(convert).transpose();
    versions.into_iter().map(convert).collect::<Result<_, _>>().map(Ok)
}

fn convert(version: version_parser::Version) -> Result<Version, CallError> {
    let version_parser::Version { epoch, levels, tail, prerelease, flavor } = version;
    at_most("levels of a version", levels.len(), MOST_LEVELS)?;
    at_most("bytes of tail of a version", tail.len(), LONGEST_TAIL)?;
    Ok(Version { epoch, levels, tail, prerelease, flavor })
}

fn check_step(actions: &[Action], state: &[u8]) -> Result<(), CallError> {
    at_most("actions in one step", actions.len(), MOST_ACTIONS)?;
    at_most("bytes of state", state.len(), LARGEST_STATE)
}

fn check_tag(tag: &registry::Tag) -> Result<(), CallError> {
    if let Some(digest) = &tag.digest {
        check_digest(&tag.name, digest)?;
    }
    at_most("images of a tag", tag.images.len(), MOST_IMAGES)?;
    for image in &tag.images {
        check_digest(&tag.name, &image.digest)?;
        check_platform(&tag.name, "operating system", &image.os)?;
        check_platform(&tag.name, "architecture", &image.architecture)?;
        if let Some(variant) = &image.variant {
            check_platform(&tag.name, "variant", variant)?;
        }
    }
    at_most("bytes of source of a tag", tag.source.as_ref().map_or(0, String::len), LONGEST_SOURCE)
}

fn check_digest(tag: &str, digest: &str) -> Result<(), CallError> {
    // The rest of the program knows longer ones too, which the WIT does not.
    if digest.starts_with("sha256:") && digest.parse::<Digest>().is_ok() {
        return Ok(());
    }
    let what = format!("it gave {digest:?} as a digest of the tag {tag:?}, expected sha256: and 64 hexadecimal digits");
    Err(CallError::broken(shorten(what)))
}

fn check_platform(tag: &str, what: &str, word: &str) -> Result<(), CallError> {
    let is_word = (1..=LONGEST_PLATFORM).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic());
    if is_word {
        return Ok(());
    }
    let what = format!(
        "it gave {word:?} as the {what} of an image of the tag {tag:?}, expected 1 to {LONGEST_PLATFORM} printable ASCII characters"
    );
    Err(CallError::broken(shorten(what)))
}

fn at_most(what: &str, found: usize, most: usize) -> Result<(), CallError> {
    if found > most {
        return Err(CallError::broken(format!("it gave {found} {what}, and {most} are allowed")));
    }
    Ok(())
}

fn shorten_error(error: Error) -> Error {
    match error {
        Error::Unavailable(message) => Error::Unavailable(shorten(message)),
        Error::InvalidSettings(message) => Error::InvalidSettings(shorten(message)),
        Error::InvalidReply(message) => Error::InvalidReply(shorten(message)),
        Error::Other(message) => Error::Other(shorten(message)),
        short @ (Error::NotFound
        | Error::Unauthorized
        | Error::CredentialsExpired
        | Error::RateLimited(_)
        | Error::Unsupported) => short,
    }
}

/// One line of bounded length: control characters become spaces, so that no plugin writes log lines of its own.
fn shorten(message: String) -> String {
    let is_fine = !message.chars().any(char::is_control) && message.len() <= LONGEST_MESSAGE;
    if is_fine {
        return message;
    }
    message.chars().take(LONGEST_MESSAGE).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(levels: usize, tail: usize) -> version_parser::Version {
        version_parser::Version {
            epoch: 1,
            levels: vec![1; levels],
            tail: vec![0; tail],
            prerelease: true,
            flavor: "-x".to_owned(),
        }
    }

    #[test]
    fn versions_are_as_many_as_tags_and_within_bounds() {
        let check = |given, count, expected: Result<usize, &str>| {
            let found = versions(Ok(given), count).map(|versions| versions.unwrap().len());
            assert_eq!(
                found.map_err(|err| err.to_string()),
                expected.map_err(|what| format!("it broke its contract: {what}"))
            );
        };
        check(vec![Some(version(16, 256)), None], 2, Ok(2));
        check(vec![], 0, Ok(0));
        check(vec![None], 2, Err("it answered 2 tags with 1 versions"));
        check(vec![None, None], 1, Err("it answered 1 tags with 2 versions"));
        check(vec![Some(version(17, 0))], 1, Err("it gave 17 levels of a version, and 16 are allowed"));
        check(vec![Some(version(1, 257))], 1, Err("it gave 257 bytes of tail of a version, and 256 are allowed"));
    }

    #[test]
    fn steps_are_within_bounds() {
        let action = || {
            Action::Mail(crate::wit::exchange::Mail {
                to: vec![],
                subject: String::new(),
                text: String::new(),
                html: None,
            })
        };
        let check = |actions: usize, state: usize, checkpoint: usize, expected: Result<(), &str>| {
            let step = registry::Step {
                tags: vec![],
                actions: (0..actions).map(|_| action()).collect(),
                state: vec![0; state],
                checkpoint: Some(vec![0; checkpoint]),
            };
            let found = registry(Ok(step)).map(drop).map_err(|err| err.to_string());
            assert_eq!(found, expected.map_err(|what| format!("it broke its contract: {what}")));
        };
        check(16, LARGEST_STATE, LARGEST_CHECKPOINT, Ok(()));
        check(17, 0, 0, Err("it gave 17 actions in one step, and 16 are allowed"));
        check(0, LARGEST_STATE + 1, 0, Err("it gave 1048577 bytes of state, and 1048576 are allowed"));
        check(0, 0, LARGEST_CHECKPOINT + 1, Err("it gave 65537 bytes of checkpoint, and 65536 are allowed"));
        let step = notifier::Step { actions: (0..17).map(|_| action()).collect(), state: vec![] };
        assert!(notifier(Ok(step)).is_err());
    }

    #[test]
    fn tags_and_their_images_are_what_they_claim_to_be() {
        let digest = || format!("sha256:{}", "0a".repeat(32));
        let check = |change: &dyn Fn(&mut registry::Tag), expected: Result<(), &str>| {
            let image = registry::Image {
                digest: digest(),
                os: "linux".to_owned(),
                architecture: "arm64".to_owned(),
                variant: Some("v8".to_owned()),
            };
            let mut tag = registry::Tag {
                name: "1.0".to_owned(),
                digest: Some(digest()),
                pushed: None,
                images: vec![image],
                source: None,
            };
            change(&mut tag);
            let step = registry::Step { tags: vec![tag], actions: vec![], state: vec![], checkpoint: None };
            let found = registry(Ok(step)).map(drop).map_err(|err| err.to_string());
            match expected {
                Ok(()) => assert_eq!(found, Ok(())),
                Err(text) => assert!(found.as_ref().is_err_and(|err| err.contains(text)), "{found:?} without {text:?}"),
            }
        };
        check(&|_| (), Ok(()));
        check(&|tag| tag.digest = None, Ok(()));
        check(&|tag| tag.images.clear(), Ok(()));
        check(&|tag| tag.images = vec![tag.images[0].clone(); 64], Ok(()));
        check(&|tag| tag.images[0].variant = None, Ok(()));
        check(&|tag| tag.images[0].os = "x".repeat(64), Ok(()));
        check(
            &|tag| tag.images = vec![tag.images[0].clone(); 65],
            Err("it gave 65 images of a tag, and 64 are allowed"),
        );
        check(&|tag| tag.source = Some("x".repeat(2048)), Ok(()));
        check(
            &|tag| tag.source = Some("x".repeat(2049)),
            Err("it gave 2049 bytes of source of a tag, and 2048 are allowed"),
        );
        for wrong in ["", "sha256:0a", "0a", &digest().to_uppercase()] {
            let expected = format!("it gave {wrong:?} as a digest of the tag \"1.0\", expected sha256: and 64");
            check(&|tag| tag.digest = Some(wrong.to_owned()), Err(&expected));
            check(&|tag| tag.images[0].digest = wrong.to_owned(), Err(&expected));
        }
        for wrong in ["", "lin ux", "linux\n", "línux", &"x".repeat(65)] {
            let expected = |what: &str| format!("it gave {wrong:?} as the {what} of an image of the tag \"1.0\"");
            check(&|tag| tag.images[0].os = wrong.to_owned(), Err(&expected("operating system")));
            check(&|tag| tag.images[0].architecture = wrong.to_owned(), Err(&expected("architecture")));
            check(&|tag| tag.images[0].variant = Some(wrong.to_owned()), Err(&expected("variant")));
        }
    }

    #[test]
    fn messages_are_one_short_line() {
        assert_eq!(shorten("a\nb\u{1b}[31m".to_owned()), "a b [31m");
        assert_eq!(shorten("ä".repeat(2_000)).chars().count(), LONGEST_MESSAGE);
        assert_eq!(shorten_error(Error::Other("x\ty".to_owned())), Error::Other("x y".to_owned()));
    }
}
