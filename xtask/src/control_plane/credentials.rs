//! Who may talk to the API server, and how.
//!
//! The cluster lives for minutes and listens on the loopback interface only. Its users have random tokens, and its clients verify the
//! certificate that the API server signs for itself.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use crate::hex::hex;

/// A user of the API server with a token.
#[derive(Clone, Debug)]
pub struct User {
    name: &'static str,
    group: Option<&'static str>,
    token: String,
}

impl User {
    /// A user who may do everything.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn admin() -> Result<Self> {
        Ok(Self { name: "admin", group: Some("system:masters"), token: token()? })
    }

    /// A part of the control plane, with the role that the API server binds to its name
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/#core-component-roles>).
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn component(name: &'static str) -> Result<Self> {
        Ok(Self { name, group: None, token: token()? })
    }

    /// A line of the file for `--token-auth-file`
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file>).
    fn line(&self) -> String {
        format!("{},{name},{name},{:?}\n", self.token, self.group.unwrap_or_default(), name = self.name)
    }

    /// Writes a kubeconfig for this user.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_kubeconfig(&self, path: &Path, server: &str, authority: &Path) -> Result<()> {
        let name = "k8supdater";
        // JSON is YAML.
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority": authority}}],
            "users": [{"name": self.name, "user": {"token": self.token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": self.name}}],
            "current-context": name,
        });
        write_secret(path, &format!("{config:#}\n"))
    }
}

/// Writes the file for `--token-auth-file`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_tokens(path: &Path, users: &[&User]) -> Result<()> {
    write_secret(path, &users.iter().map(|user| user.line()).collect::<String>())
}

/// Writes a new key for the tokens of ServiceAccounts, as PEM.
///
/// It is an ECDSA key on P-256, for which 32 random bytes are enough: the structure of RFC 5915 may leave the public key out, and Go
/// computes it.
///
/// # Errors
/// When the file cannot be written.
pub fn write_service_account_key(path: &Path) -> Result<()> {
    // SEQUENCE { version 1, OCTET STRING private key, [0] { OID prime256v1 } }; only the 32 bytes between the two parts vary.
    const HEAD: [u8; 7] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
    const TAIL: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let mut secret: [u8; 32] = random()?;
    // Keeps the number between 1 and the order of the curve, which begins with 32 one bits.
    secret[0] = secret[0] & 0x7f | 0x40;
    let der: Vec<u8> = HEAD.into_iter().chain(secret).chain(TAIL).collect();
    write_secret(path, &format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", base64(&der)))
}

/// Writes a file that only its owner can read.
///
/// # Errors
/// When the file cannot be written.
pub fn write_secret(path: &Path, text: &str) -> Result<()> {
    let shown = || format!("cannot write {}", path.display());
    // The mode counts only when the file is created.
    if path.exists() {
        fs::remove_file(path).with_context(shown)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(shown)?;
    file.write_all(text.as_bytes()).with_context(shown)
}

fn token() -> Result<String> {
    Ok(hex(&random::<16>()?))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("cannot read random bytes from /dev/urandom")?;
    Ok(bytes)
}

/// Base64 of RFC 4648 section 4, on one line.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let index = word >> (18 - 6 * position) & 0x3f;
            text.push(if position > chunk.len() { '=' } else { char::from(ALPHABET[index as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_gives_the_test_vectors_of_rfc_4648() {
        for (plain, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), expected);
        }
    }

    #[test]
    fn a_token_line_names_user_and_group() {
        let user = User { name: "admin", group: Some("system:masters"), token: "t".to_owned() };
        assert_eq!(user.line(), "t,admin,admin,\"system:masters\"\n");
        let user = User { name: "system:kube-scheduler", group: None, token: "t".to_owned() };
        assert_eq!(user.line(), "t,system:kube-scheduler,system:kube-scheduler,\"\"\n");
    }

    #[test]
    fn secrets_are_for_their_owner_only_and_differ() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        write_service_account_key(&path).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        write_service_account_key(&path).unwrap();
        assert_ne!(first, fs::read_to_string(&path).unwrap());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
