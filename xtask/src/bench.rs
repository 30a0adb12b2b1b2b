//! `cargo xtask bench`: how fast the parts are, and then the whole.
//!
//! The parts are criterion benches. The whole is the operator as it is shipped, on a control plane of its own.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::demo::cluster::{self, Cluster, NAMESPACE};
use crate::demo::story::{image_of, is_rolled_out};
use crate::operator::{self, Installation, Nodes, Operator, Profile};
use crate::{command, image, plugins, step, stop, workspace};

/// Name of the Deployment and of its repository.
const WORKLOAD: &str = "bench";

/// The shortest interval there is, so that what is measured is not mostly waiting.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many tags are pushed, one after the other.
const PUSHES: usize = 10;

/// How long each expected thing may take to happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// Between readiness and the look at the memory: until what the start has used is given back.
const SETTLING: Duration = Duration::from_secs(5);

/// `cargo xtask bench`. With arguments for criterion, such as a name, only the benches of the parts run.
///
/// # Errors
/// When something does not compile, or a bench fails.
pub fn run(args: &[OsString]) -> Result<()> {
    plugins::run()?;
    let mut metadata = command::cargo();
    let metadata = command::output(metadata.args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata = serde_json::from_str(&metadata).context("`cargo metadata` wrote no JSON")?;
    // All in one, or Cargo would choose other features for shared packages, and build the compiler of plugins twice.
    let mut cargo = command::cargo();
    cargo.arg("bench").env("K8SUPDATER_TEST_PLUGINS", workspace::packed_plugins());
    for (package, names) in benches(&metadata) {
        cargo.args(["--package", &package]);
        for name in names {
            // By name, for the harness of unit tests does not understand what criterion understands.
            cargo.args(["--bench", &name]);
        }
    }
    command::run(cargo.arg("--").args(args))?;
    if args.is_empty() { run_whole() } else { Ok(()) }
}

/// The packages of `cargo metadata` that have benches, with their names.
fn benches(metadata: &Value) -> Vec<(String, Vec<String>)> {
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = array(&metadata["packages"]).into_iter().map(|package| {
        let targets = array(&package["targets"]);
        let benches = targets.iter().filter(|target| array(&target["kind"]).iter().any(|kind| kind == "bench"));
        (text(&package["name"]), benches.map(|target| text(&target["name"])).collect::<Vec<_>>())
    });
    packages.filter(|(_, benches)| !benches.is_empty()).collect()
}

/// Measures the running operator, and prints a table: `cargo xtask bench --whole`.
///
/// # Errors
/// When something does not compile, or what is expected does not happen in time.
pub fn run_whole() -> Result<()> {
    plugins::run()?;
    let program = operator::build(Profile::Release)?;
    let size = program.metadata().with_context(|| format!("cannot read {}", program.display()))?.len();
    let cluster = Cluster::start()?;
    let kubectl = cluster.kubectl();
    let installation = Installation::from_deploy(kubectl, &program, Nodes::Simulated, cluster.directory())?;
    installation.grant_registry(cluster.registry())?;
    let start = || -> Result<(Operator, Duration)> {
        let mut operator = installation.start(&program)?;
        let took = operator.wait_until_ready()?;
        Ok((operator, took))
    };
    let (operator, cold) = start()?;
    let compiling = operator.peak()?;
    operator.stop()?;
    let (mut operator, warm) = start()?;
    stop::sleep(SETTLING)?;
    let idle = operator.resident()?;
    let mut delays = measure_delays(&cluster, &mut operator)?;
    let busy = operator.resident()?;
    operator.stop()?;
    delays.sort();
    let milliseconds = |duration: Duration| format!("{} ms", duration.as_millis());
    let mebibytes = |bytes: u64| format!("{} MiB", bytes / (1024 * 1024));
    println!("\nthe operator as it is shipped, with the shipped plugins, on a control plane on this machine");
    for (what, value) in [
        ("executable", mebibytes(size)),
        ("start to ready, compiling the plugins", milliseconds(cold)),
        ("start to ready, with compiled plugins", milliseconds(warm)),
        ("most memory while compiling them", mebibytes(compiling)),
        ("resident memory, idle", mebibytes(idle)),
        ("resident memory, after the updates below", mebibytes(busy)),
        (
            "tag pushed to image patched, interval 1 s: least",
            delays.first().copied().map_or_else(String::new, milliseconds),
        ),
        ("… median", delays.get(delays.len() / 2).copied().map_or_else(String::new, milliseconds)),
        ("… most", delays.last().copied().map_or_else(String::new, milliseconds)),
    ] {
        println!("{what:<50} {value:>10}");
    }
    println!("(a patch is seen by asking with kubectl, which takes about 60 ms)");
    Ok(())
}

/// Times from the end of a push to a Deployment that has the tag.
fn measure_delays(cluster: &Cluster, operator: &mut Operator) -> Result<Vec<Duration>> {
    let image = |tag: &str| format!("{}/{WORKLOAD}:{tag}", cluster.registry());
    let deployment = || cluster.kubectl().json(&format!("-n {NAMESPACE} get deployment {WORKLOAD}"));
    image::push(cluster.registry(), WORKLOAD, "1.0.0")?;
    cluster.create_deployment(WORKLOAD, &image("1.0.0"))?;
    cluster.kubectl().apply(&cluster::handler(WORKLOAD, INTERVAL))?;
    let mut delays = Vec::new();
    for number in 1..=PUSHES {
        wait_for(operator, "a finished rollout", || Ok(is_rolled_out(&deployment()?)))?;
        // Pushes must not keep step with the checks.
        stop::sleep(INTERVAL * 2 + Duration::from_millis(90) * u32::try_from(number)?)?;
        let tag = format!("1.0.{number}");
        image::push(cluster.registry(), WORKLOAD, &tag)?;
        let pushed = Instant::now();
        wait_for(operator, &tag, || Ok(image_of(&deployment()?) == Some(&image(&tag))))?;
        delays.push(pushed.elapsed());
    }
    Ok(delays)
}

fn wait_for(operator: &mut Operator, what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !is_so()? {
        operator.process().check()?;
        if started.elapsed() > PATIENCE {
            bail!("no {what} after {}: {}", step::seconds(PATIENCE), operator.process().failure("was to bring it"));
        }
        stop::sleep(Duration::from_millis(10))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_packages_with_benches_are_run() {
        let metadata = json!({"packages": [
            {"name": "a", "targets": [{"name": "a", "kind": ["lib"]}, {"name": "x", "kind": ["bench"]}, {"name": "y", "kind": ["bench"]}]},
            {"name": "b", "targets": [{"name": "b", "kind": ["lib"]}, {"name": "t", "kind": ["test"]}]},
        ]});
        assert_eq!(benches(&metadata), [("a".to_owned(), vec!["x".to_owned(), "y".to_owned()])]);
    }
}
