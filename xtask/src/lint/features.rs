//! That the program and its tests are made of the same crates.
//!
//! Cargo compiles a crate once for every set of features, and with it all that lies above it. What only tests depend on may turn on a feature
//! of something far below, and then wasmtime, kube and the operator itself are compiled twice: for `cargo build`, and for `cargo test`. It costs
//! minutes, and nobody sees why.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::command;

/// Fails if a crate of the program has other features where tests are compiled, too.
///
/// # Errors
/// With the crates and their features.
pub fn check() -> Result<()> {
    let program = crates(&["--package", "k8supdater", "--edges", "normal,build"])?;
    let everything = crates(&["--workspace", "--edges", "normal,build,dev"])?;
    let others = others(&program, &everything);
    if others.is_empty() {
        return Ok(());
    }
    bail!(
        "tests turn on features of crates that the program has without them, so these and all above them are compiled twice:\n{}\n\
         turn the features on in the program's own dependencies, too, or off in those of the tests; `cargo tree -i CRATE -e features,dev` \
         shows who wants them",
        others.join("\n")
    )
}

/// Every crate that is compiled, with its features: `serde v1.0.228 default,derive,std`.
fn crates(arguments: &[&str]) -> Result<String> {
    let mut cargo = command::cargo();
    cargo
        .args(["tree", "--locked", "--quiet", "--prefix", "none", "--no-dedupe", "--format", "{p} {f}"])
        .args(arguments);
    command::output(&mut cargo)
}

/// The crates of the program that look different among `everything`, each with how it looks there.
fn others(program: &str, everything: &str) -> Vec<String> {
    let everything = lines(everything);
    let missing: BTreeSet<&str> = &lines(program) - &everything;
    let look = |missing: &&str| {
        let name = missing.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ");
        let instead = everything.iter().filter(|line| line.strip_prefix(&name).is_some_and(is_end_of_name));
        let instead: Vec<String> = instead.map(|line| format!("`{line}`")).collect();
        format!("  `{missing}` for the program, {} with tests", instead.join(" and "))
    };
    missing.iter().map(look).collect()
}

/// The lines of `text`, without the empty ones between packages.
fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

fn is_end_of_name(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &str, everything: &str, expected: &[&str]) {
        assert_eq!(others(program, everything), expected, "{program} in {everything}");
    }

    #[test]
    fn only_another_set_of_features_of_the_same_version_counts() {
        check("a v1.0.0 std\n\nb v2.0.0 \n", "a v1.0.0 std\nb v2.0.0\nc v3.0.0 default\n", &[]);
        // The same crate on both sides of a macro, once with and once without the feature.
        check("a v1.0.0 std", "a v1.0.0 \na v1.0.0 std", &[]);
        check(
            "a v1.0.0 std",
            "a v1.0.0 default,std\na v1.0.01 std\na v2.0.0 std",
            &["  `a v1.0.0 std` for the program, `a v1.0.0 default,std` with tests"],
        );
        check("a v1.0.0", "a v1.0.0 std", &["  `a v1.0.0` for the program, `a v1.0.0 std` with tests"]);
    }
}
