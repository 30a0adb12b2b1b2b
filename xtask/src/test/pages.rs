//! Whether an API server takes all YAML that people are shown.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::kubectl::Kubectl;
use crate::pages::markdown::Fence;
use crate::pages::{self, fences};
use crate::{command, workspace};

/// One place with YAML, and the objects in it.
struct Shown {
    place: String,
    objects: Vec<Value>,
}

/// Lets the API server look at every fence of every page, and at every file of `examples`, without keeping anything but their namespaces and
/// our kinds.
///
/// # Errors
/// With all that it refuses, and where it stands.
pub fn try_all(kubectl: &Kubectl) -> Result<()> {
    let definitions = workspace::root().join("deploy/crd/k8supdater.dev.yaml");
    command::output(kubectl.command("apply --server-side -f").arg(&definitions))?;
    command::output(kubectl.command("wait --for=condition=Established --timeout=60s -f").arg(&definitions))?;
    let mut shown = on_pages()?;
    shown.extend(in_examples()?);
    let objects = || shown.iter().flat_map(|shown| &shown.objects);
    let namespaces: BTreeSet<&str> = objects().filter_map(|object| object["metadata"]["namespace"].as_str()).collect();
    for name in namespaces {
        kubectl.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))?;
    }
    let mut refused = Vec::new();
    for Shown { place, objects } in &shown {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        if let Err(err) = kubectl.try_to_apply(&list) {
            refused.push(format!("{place}: {err:#}"));
        }
    }
    println!("{} objects in {} places", objects().count(), shown.len());
    if refused.is_empty() { Ok(()) } else { bail!("the API server refuses:\n{}", refused.join("\n")) }
}

fn on_pages() -> Result<Vec<Shown>> {
    let mut shown = Vec::new();
    for (path, page) in pages::read()? {
        for fence in &page.fences {
            let place = format!("{}:{}", path.display(), fence.line);
            let objects = fences::objects(fence).context(place.clone())?;
            if !objects.is_empty() {
                shown.push(Shown { place, objects });
            }
        }
    }
    Ok(shown)
}

fn in_examples() -> Result<Vec<Shown>> {
    let mut shown = Vec::new();
    let mut directories = vec![workspace::root().join("examples")];
    while let Some(directory) = directories.pop() {
        let context = || format!("cannot read {}", directory.display());
        for entry in fs::read_dir(&directory).with_context(context)? {
            let path: PathBuf = entry.with_context(context)?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let place = workspace::shown(&path);
                let fence = Fence { line: 1, words: vec!["yaml".to_owned()], text };
                shown.push(Shown { objects: fences::objects(&fence).context(place.clone())?, place });
            }
        }
    }
    Ok(shown)
}
