//! Addresses of mailboxes.

use std::fmt;

use lettre::Address;

/// Most bytes of an address (RFC 5321 section 4.5.3.1.3, without the brackets).
const MOST_BYTES: usize = 254;

/// A plain address: `ops@example.com`, without a name, quotes or comments.
///
/// It has nothing in it but ASCII letters, digits and the few signs that need no quoting, so that it can stand in any header and command
/// as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAddress(Address);

impl MailAddress {
    /// The address that `text` spells; none if it spells no plain one.
    pub fn parse(text: &str) -> Option<Self> {
        let (user, domain) = text.split_once('@')?;
        let is_plain = text.len() <= MOST_BYTES
            && is_dotted(user, |byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
            && is_dotted(domain, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
        // What is left to lettre are the lengths of the parts.
        is_plain.then(|| Address::new(user, domain).ok().map(Self)).flatten()
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    pub(super) fn as_lettre(&self) -> &Address {
        &self.0
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether `text` is made of words with dots between them.
fn is_dotted(text: &str, is_allowed: impl Fn(u8) -> bool) -> bool {
    text.split('.').all(|word| !word.is_empty() && word.bytes().all(&is_allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_addresses() {
        let check = |text: &str, expected: bool| {
            let parsed = MailAddress::parse(text);
            assert_eq!(parsed.is_some(), expected, "{text:?}");
            assert!(parsed.is_none_or(|parsed| parsed.to_string() == text));
        };
        check("ops@example.com", true);
        check("first.last+k8s@sub.example.com", true);
        check("root@localhost", true);
        check("ops@xn--bcher-kva.example", true);
        check("", false);
        check("ops", false);
        check("@example.com", false);
        check("ops@", false);
        check("a@b@example.com", false);
        check("Ops <ops@example.com>", false);
        check("\"o p s\"@example.com", false);
        check("ops@example.com, dev@example.com", false);
        check("ops @example.com", false);
        check("ops@example..com", false);
        check(".ops@example.com", false);
        check("ops@exa_mple.com", false);
        check("ops@bücher.example", false);
        check("öps@example.com", false);
        check("ops@example.com\r\nBcc: eve@example.com", false);
        check("ops@example.com\n", false);
        check("ops\0@example.com", false);
        check(&format!("{}@example.com", "o".repeat(65)), false);
        check(&format!("ops@{}com", "a.".repeat(130)), false);
    }
}
