//! A compiler for the plugins' target.
//!
//! Three ways, the cheapest first: the compiler at hand has the target's standard library already; rustup fetches it; or Debian's
//! packages bring a compiler together with the sources of the standard library, which is then built along with the plugins.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command;

/// What plugins are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// How long rustup may try. The library has 20 MB; without a network rustup can spend minutes on attempts.
const PATIENCE: Duration = Duration::from_mins(2);

/// Debian's compiler, Cargo, and the sources of the standard library, in versions that are made for the web.
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// Where they put Cargo and the compiler.
const DEBIAN_PROGRAMS: &str = "/usr/bin";
/// A file of the sources, by which they are recognised.
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// A way to compile for [`TARGET`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WasmToolchain {
    /// The compiler that builds everything else.
    Current,
    /// Debian's compiler, which builds the standard library as well.
    Debian {
        /// The linker, whose file name must be `rust-lld`: that is how the compiler knows its flavor.
        linker: PathBuf,
    },
}

impl WasmToolchain {
    /// The first of the three ways that can be gone on this machine; tells what it installs.
    ///
    /// # Errors
    /// When none can; the message says what to install.
    pub fn find_or_install() -> Result<Self> {
        if has_target()? {
            return Ok(Self::Current);
        }
        if add_with_rustup()? && has_target()? {
            return Ok(Self::Current);
        }
        if !has_debian_compiler() {
            install_debian_compiler()?;
        }
        Ok(Self::Debian { linker: linker()? })
    }

    /// Cargo with what it takes to build for [`TARGET`], without a subcommand's further arguments.
    pub fn cargo(&self, subcommand: &str) -> Command {
        let mut command = match self {
            Self::Current => command::cargo(),
            Self::Debian { linker } => {
                let mut command = command::cargo_of(&Path::new(DEBIAN_PROGRAMS).join("cargo"));
                // `-Z` is for nightly compilers, and for those who know what they ask for.
                command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                command.env("PATH", path_with_first(DEBIAN_PROGRAMS));
                command
            }
        };
        command.args([subcommand, "--target", TARGET]);
        if let Self::Debian { .. } = self {
            command.args(["-Z", "build-std=std,panic_abort"]);
        }
        command
    }
}

/// Whether the compiler at hand has the standard library for [`TARGET`].
fn has_target() -> Result<bool> {
    let printed = command::output(command::rustc().args(["--print", "target-libdir", "--target", TARGET]))?;
    Ok(Path::new(printed.trim()).is_dir())
}

/// Lets rustup fetch the target; `false` when there is no rustup, or it cannot.
fn add_with_rustup() -> Result<bool> {
    let Some(rustup) = command::find("rustup") else { return Ok(false) };
    println!("rustup target add {TARGET}");
    let mut command = Command::new(rustup);
    command.args(["target", "add", TARGET]).current_dir(crate::workspace::root()).stdout(Stdio::null());
    let is_added = command::succeeds_within(&mut command, PATIENCE)?;
    if !is_added {
        println!("rustup cannot fetch the target here; using Debian's packages instead");
    }
    Ok(is_added)
}

fn has_debian_compiler() -> bool {
    let is_there = |program| command::is_executable(&Path::new(DEBIAN_PROGRAMS).join(program));
    is_there("cargo") && is_there("rustc") && Path::new(DEBIAN_SOURCES).is_file()
}

fn install_debian_compiler() -> Result<()> {
    let install = format!("apt-get install -y --no-install-recommends {}", PACKAGES.join(" "));
    let remedy = format!(
        "run `rustup target add {TARGET}`, or on Debian 12 or newer as root `apt-get update && {install}`, and try again"
    );
    if command::find("apt-get").is_none() {
        bail!("this compiler has no standard library for {TARGET}; {remedy}");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("this compiler has no standard library for {TARGET}, and only root may install one; {remedy}");
    }
    for arguments in ["apt-get update -q", &install] {
        println!("{arguments}");
        let mut words = arguments.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        command::run(&mut command).with_context(|| format!("no compiler for {TARGET}; {remedy}"))?;
    }
    if has_debian_compiler() {
        Ok(())
    } else {
        bail!("{} were installed, but {DEBIAN_SOURCES} or the compiler is missing; {remedy}", PACKAGES.join(", "))
    }
}

/// The linker that comes with the compiler at hand.
fn linker() -> Result<PathBuf> {
    let sysroot = command::output(command::rustc().args(["--print", "sysroot"]))?;
    let version = command::output(command::rustc().arg("-vV"))?;
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` does not name the host")?;
    let bundled = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin/rust-lld");
    match [Some(bundled.clone()), command::find("rust-lld")].into_iter().flatten().find(|path| path.exists()) {
        Some(path) => Ok(path),
        None => bail!("no linker for {TARGET}: there is neither {} nor rust-lld on PATH", bundled.display()),
    }
}

fn path_with_first(directory: &str) -> OsString {
    let mut path = OsString::from(directory);
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(toolchain: &WasmToolchain) -> Vec<String> {
        toolchain.cargo("build").get_args().map(|argument| argument.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn only_debians_compiler_builds_the_standard_library() {
        assert_eq!(arguments(&WasmToolchain::Current), ["build", "--target", TARGET]);
        let debian = WasmToolchain::Debian { linker: "/x/rust-lld".into() };
        assert_eq!(arguments(&debian), ["build", "--target", TARGET, "-Z", "build-std=std,panic_abort"]);
        assert_eq!(debian.cargo("build").get_program(), "/usr/bin/cargo");
    }
}
