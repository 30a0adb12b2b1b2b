//! The files that manifests are read from and written to.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The name that stands for standard input.
const STANDARD_INPUT: &str = "-";
/// The endings of files that are read in directories.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// A file as it was read.
#[derive(Clone, Debug)]
pub(super) struct SourceFile {
    /// As messages name it.
    pub name: String,
    /// Where it is; none for standard input.
    pub path: Option<PathBuf>,
    /// What was in it.
    pub text: String,
}

/// A file that could not be read or understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// As messages name it.
    pub name: String,
    /// Why.
    pub why: String,
}

/// Why a file was not written.
#[derive(Debug, Error)]
pub(super) enum WriteError {
    /// Somebody else was faster.
    #[error("{name} was changed since it was read, and is left as it is now; run the command again")]
    ChangedMeanwhile {
        /// As messages name it.
        name: String,
    },
    /// The system refused.
    #[error("cannot write {name}")]
    System {
        /// As messages name it.
        name: String,
        /// What it said.
        source: std::io::Error,
    },
}

/// Everything that `paths` name: files, directories with all that is below them, `-` for standard input. In the order of `paths`, and
/// within a directory by name; each file once.
///
/// In directories, files are read whose names end in `.yaml`, `.yml` or `.json`. What has a name with a dot first, and links to
/// directories, are passed over.
///
/// What cannot be read is told instead; the others go on.
pub(super) fn read(paths: &[PathBuf]) -> (Vec<SourceFile>, Vec<Unreadable>) {
    let (mut files, mut unreadable, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for path in paths {
        let mut found = Vec::new();
        if let Err(why) = find(path, &mut found) {
            unreadable.push(why);
        }
        for path in found {
            let is_standard_input = path.as_os_str() == STANDARD_INPUT;
            let place = if is_standard_input { path.clone() } else { path.canonicalize().unwrap_or(path.clone()) };
            if !seen.insert(place) {
                continue;
            }
            let name = if is_standard_input { "standard input".to_owned() } else { path.display().to_string() };
            match read_text(&path, is_standard_input) {
                Ok(text) => files.push(SourceFile { name, path: (!is_standard_input).then_some(path), text }),
                Err(why) => unreadable.push(Unreadable { name, why }),
            }
        }
    }
    (files, unreadable)
}

fn read_text(path: &Path, is_standard_input: bool) -> Result<String, String> {
    let mut bytes = Vec::new();
    if is_standard_input {
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(|err| err.to_string())?;
    } else {
        bytes = fs::read(path).map_err(|err| err.to_string())?;
    }
    String::from_utf8(bytes).map_err(|err| format!("it is not UTF-8 from byte {} on", err.utf8_error().valid_up_to()))
}

fn find(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), Unreadable> {
    if path.as_os_str() == STANDARD_INPUT || !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let unreadable = |err: std::io::Error| Unreadable { name: path.display().to_string(), why: err.to_string() };
    let entries = fs::read_dir(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_directory = path.is_dir();
        let has_ending = || path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
        if is_hidden || (is_directory && path.is_symlink()) || (!is_directory && !has_ending()) {
            continue;
        }
        find(&path, found)?;
    }
    Ok(())
}

/// Writes `text` in place of what was read from `file`.
///
/// The new file is complete before it takes the name of the old one, so nobody ever sees half of it. It has the same permissions, and the
/// same owner where this process may give files away; a link is followed, and goes on being one.
///
/// # Errors
/// See [`WriteError`]; the old file is then as it was.
pub(super) fn write(file: &SourceFile, text: &str) -> Result<(), WriteError> {
    let name = file.name.clone();
    let Some(path) = &file.path else { return Ok(()) };
    match fs::read(path) {
        Ok(bytes) if bytes == file.text.as_bytes() => {}
        Ok(_) => return Err(WriteError::ChangedMeanwhile { name }),
        Err(source) => return Err(WriteError::System { name, source }),
    }
    replace(path, text).map_err(|source| WriteError::System { name, source })
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let metadata = path.metadata()?;
    // Where the file may not be written, neither may it be replaced, although the directory would allow that.
    fs::OpenOptions::new().append(true).open(&path)?;
    let mut new = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    new.write_all(text.as_bytes())?;
    keep_owner(new.path(), &metadata);
    new.as_file().set_permissions(metadata.permissions())?;
    new.as_file().sync_all()?;
    new.persist(&path).map_err(|err| err.error)?;
    Ok(())
}

/// Gives the file at `path` the owner of the one that it replaces. Only some may do that, and the others lose nothing but a name.
fn keep_owner(path: &Path, metadata: &fs::Metadata) {
    use std::os::unix::fs::MetadataExt;
    let _ = std::os::unix::fs::chown(path, Some(metadata.uid()), Some(metadata.gid()));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(paths: &[PathBuf], root: &Path) -> Vec<String> {
        let relative = |name: &str| name.replace(&format!("{}/", root.display()), "");
        read(paths).0.iter().map(|file| relative(&file.name)).collect()
    }

    #[test]
    fn directories_are_read_in_order_and_each_file_once() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("b/.git")).unwrap();
        for name in ["b/z.yml", "a.yaml", "c.json", "notes.md", "b/.git/x.yaml", ".hidden.yaml", "template.tpl"] {
            fs::write(at(name), "a: b").unwrap();
        }
        symlink(directory.path(), at("b/loop")).unwrap();
        symlink(at("a.yaml"), at("b/link.yaml")).unwrap();
        assert_eq!(names(&[directory.path().to_owned()], directory.path()), ["a.yaml", "b/z.yml", "c.json"]);
        let explicit = [at("template.tpl"), at("a.yaml"), directory.path().to_owned()];
        assert_eq!(names(&explicit, directory.path()), ["template.tpl", "a.yaml", "b/z.yml", "c.json"]);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_the_others_go_on() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.yaml"), [b'a', 0xff]).unwrap();
        fs::write(directory.path().join("b.yaml"), "b: c").unwrap();
        let (files, unreadable) = read(&[directory.path().join("none.yaml"), directory.path().to_owned()]);
        assert_eq!(files.len(), 1);
        let whys: Vec<&str> = unreadable.iter().map(|unreadable| unreadable.why.as_str()).collect();
        assert!(whys[0].contains("No such file") && whys[1] == "it is not UTF-8 from byte 1 on", "{whys:?}");
    }

    #[test]
    fn a_file_is_replaced_through_its_link_with_its_permissions() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real.yaml"), directory.path().join("link.yaml"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real.yaml", &link).unwrap();
        let (files, _) = read(std::slice::from_ref(&link));
        write(&files[0], "new").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(link.is_symlink());
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_somebody_else_wrote_meanwhile_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.yaml");
        fs::write(&path, "old").unwrap();
        let (files, _) = read(std::slice::from_ref(&path));
        fs::write(&path, "theirs").unwrap();
        let err = write(&files[0], "ours").unwrap_err();
        assert!(matches!(err, WriteError::ChangedMeanwhile { .. }), "{err}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    }
}
