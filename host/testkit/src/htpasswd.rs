//! Files with logins, as the web server Apache has them and others took them over.

/// Lowest cost that bcrypt has, so that a server on a busy machine answers at once. The passwords are those of tests.
const COST: u32 = 4;

/// A line of the one form that both the registry and the mail server take, whatever is in the password.
pub(crate) fn htpasswd(username: &str, password: &str) -> String {
    let hash = bcrypt::hash(password, COST).expect("the cost is one that bcrypt has");
    format!("{username}:{hash}\n")
}
