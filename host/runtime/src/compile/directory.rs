//! The directory of the cache: who may have written in it, what its files say, and how large it gets.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash as _, Hasher};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::{Digest as _, Sha256};

use crate::digest::{Digest, Hex};

/// Name of the file with the key, where none is given.
const KEY_FILE: &str = "key";
/// Bytes of a key that is made here.
const KEY_SIZE: usize = 32;
/// Bytes that a given key may have.
const KEY_SIZES: std::ops::RangeInclusive<usize> = 16..=4096;
/// Bytes of the message authentication code, which come first in a file; the code follows.
const TAG_SIZE: usize = 32;
/// What is authenticated begins with this, so that the key proves nothing for any other use of it.
const PURPOSE: &[u8] = b"k8supdater compiled component 1\n";
/// Mode bits with which others could write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// What was found for a component.
pub(super) enum Found {
    Nothing,
    /// Written by somebody who has the key, for this component and this engine.
    Code(Vec<u8>),
    /// A file that is not believed; it is removed.
    Refused {
        why: String,
    },
}

/// A directory that belongs to this user, with a key.
pub(super) struct Directory {
    path: PathBuf,
    key: Vec<u8>,
    /// Hash of all that compiled code depends on: version, settings, processor features.
    engine: [u8; 32],
    /// Most bytes of all files.
    size: u64,
}

impl Directory {
    /// Makes the directory if need be, and the key.
    ///
    /// # Errors
    /// Why it cannot be used, as a sentence.
    pub(super) fn open(
        path: PathBuf,
        key_file: Option<&Path>,
        size: u64,
        engine: &wasmtime::Engine,
    ) -> Result<Self, String> {
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(err) if err.kind() != ErrorKind::AlreadyExists => {
                return Err(format!("cannot make the directory {}: {err}", path.display()));
            }
            _ => {}
        }
        check_owner(&path)?;
        let key = match key_file {
            Some(file) => given_key(file)?,
            None => own_key(&path)?,
        };
        let mut hasher = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { path, key, engine: hasher.0.finalize().into(), size })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The code for the component of that digest.
    pub(super) fn read(&self, digest: &Digest) -> Found {
        let path = self.file(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(err) if err.kind() == ErrorKind::NotFound => return Found::Nothing,
            Err(err) => return Found::Refused { why: format!("cannot open {}: {err}", path.display()) },
        };
        let code =
            read_bounded(&file, self.size).map_err(|err| err.to_string()).and_then(|bytes| self.verify(digest, bytes));
        match code {
            Ok(code) => {
                // The least recently used file goes first; a clock that cannot be set makes that the oldest one.
                let _ = file.set_modified(SystemTime::now());
                Found::Code(code)
            }
            Err(why) => {
                let _ = fs::remove_file(&path);
                Found::Refused { why: format!("{}: {why}", path.display()) }
            }
        }
    }

    fn verify(&self, digest: &Digest, mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let (tag, code) = bytes.split_at_checked(TAG_SIZE).ok_or("it is cut short")?;
        let mac = self.authenticate(digest, code)?;
        mac.verify_slice(tag).map_err(|_| "it was not written with this key, or has changed since")?;
        Ok(bytes.split_off(TAG_SIZE))
    }

    /// Keeps `code`, and removes what was used least recently if the directory becomes too large.
    ///
    /// # Errors
    /// What the system said, as a sentence.
    pub(super) fn write(&self, digest: &Digest, code: &[u8]) -> Result<(), String> {
        let size = u64::try_from(code.len() + TAG_SIZE).unwrap_or(u64::MAX);
        if size > self.size {
            return Err(format!("{size} bytes are more than the whole cache may have, which are {}", self.size));
        }
        let tag = self.authenticate(digest, code)?.finalize().into_bytes();
        let path = self.file(digest);
        write_new(&self.path, &[&tag, code], |new| fs::rename(new, &path))
            .map_err(|err| format!("cannot write {}: {err}", path.display()))?;
        self.shrink(&path).map_err(|err| format!("cannot tidy up {}: {err}", self.path.display()))
    }

    /// Everything before the code has a fixed length, so that no two files authenticate the same bytes.
    fn authenticate(&self, digest: &Digest, code: &[u8]) -> Result<Hmac<Sha256>, String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|err| err.to_string())?;
        mac.update(PURPOSE);
        mac.update(digest.as_bytes());
        mac.update(&self.engine);
        mac.update(code);
        Ok(mac)
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        let engine = Hex(self.engine.get(..8).unwrap_or_default());
        self.path.join(format!("{}-{engine}.code", Hex(digest.as_bytes())))
    }

    /// Removes files, the least recently used first, until all fit. `keep` stays: it is in use now.
    fn shrink(&self, keep: &Path) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_file() && entry.file_name() != KEY_FILE {
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if total <= self.size {
                break;
            }
            if path != keep {
                fs::remove_file(path)?;
                total = total.saturating_sub(size);
            }
        }
        Ok(())
    }
}

/// Nobody but this user may be able to put files into the directory.
fn check_owner(path: &Path) -> Result<(), String> {
    let name = path.display();
    let metadata = fs::metadata(path).map_err(|err| format!("cannot look at the directory {name}: {err}"))?;
    let user = rustix::process::geteuid().as_raw();
    if !metadata.is_dir() {
        return Err(format!("{name} is not a directory"));
    }
    if metadata.uid() != user {
        let owner = metadata.uid();
        return Err(format!(
            "the directory {name} belongs to user {owner}, and this process runs as user {user}; name one inside of it"
        ));
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(format!("others than its owner can write into the directory {name}; run \"chmod go-w {name}\""));
    }
    Ok(())
}

fn given_key(file: &Path) -> Result<Vec<u8>, String> {
    let name = file.display();
    let longest = u64::try_from(*KEY_SIZES.end()).unwrap_or(u64::MAX);
    let key = File::open(file).and_then(|file| read_bounded(&file, longest));
    let key = key.map_err(|err| format!("cannot read the key of the cache from {name}: {err}"))?;
    if key.len() < *KEY_SIZES.start() {
        let (found, least) = (key.len(), KEY_SIZES.start());
        return Err(format!("the key of the cache in {name} has {found} bytes, and {least} are needed at least"));
    }
    Ok(key)
}

/// The key in the directory itself, made if there is none. It protects against everybody who cannot read it, which is everybody but this
/// user.
fn own_key(directory: &Path) -> Result<Vec<u8>, String> {
    let path = directory.join(KEY_FILE);
    let name = path.display();
    if !path.exists() {
        let mut key = [0; KEY_SIZE];
        SysRng.try_fill_bytes(&mut key).map_err(|err| format!("cannot make a key: {err}"))?;
        // Of two processes that come here at the same time, one links its key, and both read that one.
        match write_new(directory, &[&key], |new| fs::hard_link(new, &path)) {
            Err(err) if err.kind() != ErrorKind::AlreadyExists => return Err(format!("cannot write {name}: {err}")),
            _ => {}
        }
    }
    let open = OpenOptions::new().read(true).open(&path);
    let file = open.map_err(|err| format!("cannot read {name}: {err}"))?;
    let metadata = file.metadata().map_err(|err| format!("cannot look at {name}: {err}"))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
        return Err(format!("others can read the key in {name}; remove the whole directory, it will be made again"));
    }
    let key = read_bounded(&file, KEY_SIZE as u64).map_err(|err| format!("cannot read {name}: {err}"))?;
    if key.len() != KEY_SIZE {
        return Err(format!("{name} has {} bytes instead of {KEY_SIZE}; remove it, it will be made again", key.len()));
    }
    Ok(key)
}

/// Writes a file that only this user can read under a name that nobody uses, and hands it to `publish`; what is left under that name is
/// removed. Others see all of the file or nothing.
fn write_new(
    directory: &Path,
    parts: &[&[u8]],
    publish: impl FnOnce(&Path) -> std::io::Result<()>,
) -> std::io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("{}-{count}.new", std::process::id()));
    // Left behind by a process that had the same id and was killed.
    let _ = fs::remove_file(&path);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        parts.iter().try_for_each(|part| file.write_all(part))
    };
    let done = write().and_then(|()| publish(&path));
    let _ = fs::remove_file(&path);
    done
}

/// All of `file`, unless it has more than `most` bytes.
fn read_bounded(file: &File, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

/// A hasher whose result is the same in every process, which the standard library does not promise of its own.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not used: all 32 bytes are taken instead.
    fn finish(&self) -> u64 {
        0
    }
}
