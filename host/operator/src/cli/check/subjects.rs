//! Which images there are in files, which rules hold for each, and how new tags get into the files.

use std::sync::Arc;

use super::edit::{self, Plan};
use super::files::{self, SourceFile, Unreadable};
use super::finding::{Failure, Finding, Place, Row, Rules, Subject};
use super::workloads::{self, ContainerImage, Manifest, Workload};
use crate::api::versioning_handler::VersioningHandler;
use crate::api::workload::WorkloadRef;
use crate::config::Config;
use crate::failure::chain;
use crate::reconcile::validate::{self, Target, validate};
use crate::workload::containers::List;

/// Signs of a template in a text that should be an image.
const TEMPLATE_SIGNS: [&str; 3] = ["{{", "${", "$("];

/// The files, and what they hold.
pub(super) struct Sources {
    files: Vec<(SourceFile, Manifest)>,
    unreadable: Vec<Unreadable>,
    has_write_failed: bool,
}

impl Sources {
    /// Reads the manifests in `files`; what cannot be understood goes to the `unreadable`.
    pub(super) fn read(files: Vec<SourceFile>, unreadable: Vec<Unreadable>) -> Self {
        let mut sources = Self { files: Vec::new(), unreadable, has_write_failed: false };
        for file in files {
            match workloads::read(&file.text) {
                Ok(mut manifest) => {
                    let problems = manifest.problems.drain(..);
                    sources.unreadable.extend(problems.map(|why| Unreadable { name: file.name.clone(), why }));
                    sources.files.push((file, manifest));
                }
                Err(err) => {
                    sources
                        .unreadable
                        .push(Unreadable { name: file.name.clone(), why: format!("it is no YAML: {err}") });
                }
            }
        }
        sources
    }

    /// The `images` of the command line, by the rules of the `flags`, and then those of the files: by the rules of the VersioningHandler
    /// that names their workload, where there is one, else by those of the flags.
    ///
    /// Images with signs of a template in them are no subjects but unreadable.
    pub(super) fn subjects(&mut self, images: &[String], flags: &Arc<Rules>, config: &Config) -> Vec<Subject> {
        let handlers: Vec<Handler> = self
            .files
            .iter()
            .flat_map(|(_, manifest)| &manifest.handlers)
            .map(|handler| Handler::new(handler, config))
            .collect();
        let given = |image: &String| Subject { image: image.clone(), place: None, rules: Ok(Arc::clone(flags)) };
        let mut subjects: Vec<Subject> = images.iter().map(given).collect();
        for (file, manifest) in &self.files {
            for (workload, container) in containers(manifest) {
                if is_template(container) {
                    let (image, line) = (&container.image, container.line);
                    let why = format!("line {line}: the image {image:?} is a template, and cannot be checked");
                    self.unreadable.push(Unreadable { name: file.name.clone(), why });
                    continue;
                }
                let rules = match ruling(&handlers, workload).as_slice() {
                    [] => Ok(Arc::clone(flags)),
                    [handler] => handler.rules(container, flags),
                    several => Err(Finding::Failed(contradiction(several, workload))),
                };
                subjects.push(Subject {
                    image: container.image.clone(),
                    place: Some(Place {
                        file: file.name.clone(),
                        line: container.line,
                        kind: workload.kind.clone(),
                        namespace: workload.namespace.clone(),
                        name: workload.name.clone(),
                        container: container.container.clone(),
                    }),
                    rules,
                });
            }
        }
        subjects
    }

    /// Writes the updates among `rows`, which are those of [`subjects`](Self::subjects) in the same order, and notes with each what became
    /// of it. A file that cannot be written is as it was, and counts as unreadable.
    pub(super) fn write(&mut self, rows: &mut [Row]) {
        let mut left = rows.iter_mut().filter(|row| row.subject.place.is_some());
        for (file, manifest) in &self.files {
            let images: Vec<&ContainerImage> =
                containers(manifest).map(|(_, container)| container).filter(|image| !is_template(image)).collect();
            let mut rows: Vec<&mut Row> = left.by_ref().take(images.len()).collect();
            let updated = rows.iter().map(|row| row.finding.updated_image());
            let wanted: Vec<_> = images.into_iter().zip(updated).collect();
            let (edits, plans) = edit::plan(&wanted);
            let written = if edits.is_empty() {
                Ok(())
            } else {
                edit::apply(&file.text, &edits)
                    .map_err(|err| err.to_string())
                    .and_then(|text| files::write(file, &text).map_err(|err| chain(&err)))
            };
            if let Err(why) = &written {
                self.has_write_failed = true;
                self.unreadable.push(Unreadable { name: file.name.clone(), why: why.clone() });
            }
            for (row, plan) in rows.iter_mut().zip(plans) {
                row.written = Some(if written.is_ok() { plan } else { Plan::Keep });
            }
        }
    }

    /// Files, and parts of files, that were passed over.
    pub(super) fn unreadable(&self) -> Vec<Unreadable> {
        self.unreadable.clone()
    }

    /// Whether a file could not be written.
    pub(super) fn has_write_failed(&self) -> bool {
        self.has_write_failed
    }

    /// Whether there are files, and no image in any of them.
    pub(super) fn is_without_images(&self) -> bool {
        !self.files.is_empty() && self.files.iter().all(|(_, manifest)| containers(manifest).next().is_none())
    }
}

fn containers(manifest: &Manifest) -> impl Iterator<Item = (&Workload, &ContainerImage)> {
    manifest
        .workloads
        .iter()
        .flat_map(|workload| workload.containers.iter().map(move |container| (workload, container)))
}

fn is_template(container: &ContainerImage) -> bool {
    TEMPLATE_SIGNS.iter().any(|sign| container.image.contains(sign))
}

/// The handlers that name `workload`. Those that name its namespace, too, know better than those that name none.
fn ruling<'a>(handlers: &'a [Handler], workload: &Workload) -> Vec<&'a Handler> {
    let naming: Vec<&Handler> = handlers.iter().filter(|handler| handler.is_for(workload)).collect();
    let exact: Vec<&Handler> =
        naming.iter().copied().filter(|handler| handler.namespace == workload.namespace).collect();
    if exact.is_empty() { naming } else { exact }
}

/// Why a workload that several handlers name cannot be judged: in the cluster each would act on it.
fn contradiction(handlers: &[&Handler], workload: &Workload) -> Failure {
    let names: Vec<String> = handlers.iter().map(|handler| handler.full_name()).collect();
    let (kind, name) = (&workload.kind, &workload.name);
    let is_one_namespace = handlers.iter().all(|handler| handler.namespace == workload.namespace);
    let remedy = if is_one_namespace { "leave one" } else { "leave one, or write the namespace into the workload" };
    let message =
        format!("{kind} {name} is named by {} VersioningHandlers, {}; {remedy}", handlers.len(), names.join(" and "));
    Failure { reason: "SeveralHandlers", message }
}

/// A VersioningHandler, as far as it matters without a cluster.
struct Handler {
    namespace: Option<String>,
    name: String,
    workload: Option<WorkloadRef>,
    target: Result<Target, Failure>,
}

impl Handler {
    fn new(handler: &VersioningHandler, config: &Config) -> Self {
        let invalid = |err| Failure { reason: "InvalidSpec", message: chain(&err) };
        Self {
            namespace: handler.metadata.namespace.clone(),
            name: handler.metadata.name.clone().unwrap_or_default(),
            workload: handler.spec.workload_ref(),
            target: validate(handler, config).map_err(invalid),
        }
    }

    fn full_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether it names `workload`. Files that are applied with `kubectl --namespace` name no namespace, which fits any.
    fn is_for(&self, workload: &Workload) -> bool {
        let is_in_reach = match (&self.namespace, &workload.namespace) {
            (Some(own), Some(other)) => own == other,
            (None, _) | (_, None) => true,
        };
        let is_named = |named: &WorkloadRef| workload.kind == named.kind.as_str() && workload.name == named.name;
        is_in_reach && self.workload.as_ref().is_some_and(is_named)
    }

    fn rules(&self, image: &ContainerImage, flags: &Rules) -> Result<Arc<Rules>, Finding> {
        let target = self.target.as_ref().map_err(|failure| Finding::Failed(failure.clone()))?;
        let name = &self.name;
        if target.is_suspended {
            return Err(Finding::Ignored(format!("VersioningHandler {name} is suspended")));
        }
        if !target.is_meant(image.list, &image.container) {
            let what = if image.list == List::Volumes { "volume" } else { "init container" };
            return Err(Finding::Ignored(format!("VersioningHandler {name} does not name this {what}")));
        }
        let Some(plan) = target.plan_of(&image.container) else {
            return Err(Finding::Ignored(format!("VersioningHandler {name} ignores this container")));
        };
        let validate::Plan { mut policy, registry, parser, latest, .. } = plan.clone();
        // Which nodes there are is known to the cluster, and here to whoever runs the command.
        policy.platforms.clone_from(&flags.policy.platforms);
        Ok(Arc::new(Rules { policy, registry, parser, latest }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8supdater_core::policy::moving::LatestPreference;
    use k8supdater_core::policy::{Frontier, Policy};

    use super::*;
    use crate::config::RawConfig;
    use crate::reconcile::validate::{Latest, PluginUse};

    fn flags() -> Arc<Rules> {
        let plugin = |name: &str| PluginUse { plugin: name.to_owned(), settings: BTreeMap::new() };
        let policy = Policy::new(Frontier::new(7).unwrap());
        let latest = Latest { preference: LatestPreference::Notify, follows_any: true };
        Arc::new(Rules { policy, registry: plugin("oci"), parser: plugin("pep440"), latest })
    }

    /// "container: plugin frontier" or the reason, for every image in a file.
    fn check(text: &str, expected: &[&str]) {
        let file = SourceFile { name: "x.yaml".to_owned(), path: None, text: text.to_owned() };
        let mut sources = Sources::read(vec![file], Vec::new());
        let subjects = sources.subjects(&[], &flags(), &RawConfig::default().check().unwrap());
        let mut found: Vec<String> = subjects
            .iter()
            .map(|subject| {
                let container = &subject.place.as_ref().unwrap().container;
                match &subject.rules {
                    Ok(rules) => format!("{container}: {} {}", rules.registry.plugin, rules.policy.frontier),
                    Err(Finding::Ignored(why)) => format!("{container}: {why}"),
                    Err(Finding::Failed(failure)) => format!("{container}: {}: {}", failure.reason, failure.message),
                    Err(other) => format!("{container}: {other:?}"),
                }
            })
            .collect();
        found.extend(sources.unreadable().into_iter().map(|unreadable| unreadable.why));
        assert_eq!(found, expected, "{text}");
    }

    fn deployment(metadata: &str, containers: &str) -> String {
        format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {metadata}\nspec: {{template: {{spec: {{containers: {containers}}}}}}}\n"
        )
    }

    fn handler(metadata: &str, spec: &str) -> String {
        format!(
            "---\napiVersion: k8supdater.dev/v1\nkind: VersioningHandler\nmetadata: {metadata}\nspec: {{deployment: web, containerregistry: gitlab{spec}}}\n"
        )
    }

    const TWO: &str = "[{name: a, image: x:1}, {name: b, image: y:1}]";

    #[test]
    fn a_handler_rules_over_the_deployment_that_it_names_and_flags_over_the_rest() {
        let web = deployment("{name: web}", TWO);
        check(&web, &["a: oci 7", "b: oci 7"]);
        let exceptions = ", frontier: 2, containers: [{name: a, frontier: 3}]";
        check(&format!("{web}{}", handler("{name: h}", exceptions)), &["a: gitlab 3", "b: gitlab 2"]);
        let other = deployment("{name: other}", TWO);
        check(&format!("{}{other}", handler("{name: h}", "")), &["a: oci 7", "b: oci 7"]);
        let ignoring = handler("{name: h}", ", frontier: 2, containers: [{name: a, ignore: true}]");
        check(&format!("{web}{ignoring}"), &["a: VersioningHandler h ignores this container", "b: gitlab 2"]);
        let suspended = handler("{name: h}", ", suspend: true");
        check(
            &format!("{web}{suspended}"),
            &["a: VersioningHandler h is suspended", "b: VersioningHandler h is suspended"],
        );
    }

    #[test]
    fn a_handler_that_names_a_kind_rules_over_that_kind_only() {
        let of_kind = |kind: &str| deployment("{name: web}", "[{name: a, image: x:1}]").replace("Deployment", kind);
        let naming = |workload: &str| handler("{name: h}", ", frontier: 2").replace("deployment: web", workload);
        let check = |kind: &str, workload: &str, expected: &str| {
            check(&(of_kind(kind) + &naming(workload)), &[expected]);
        };
        check("StatefulSet", "workload: {kind: StatefulSet, name: web}", "a: gitlab 2");
        check("Deployment", "workload: {kind: Deployment, name: web}", "a: gitlab 2");
        check("Deployment", "workload: {kind: StatefulSet, name: web}", "a: oci 7");
        check("StatefulSet", "deployment: web", "a: oci 7");
        check("StatefulSet", "workload: {kind: StatefulSet, name: db}", "a: oci 7");
    }

    #[test]
    fn init_containers_and_volumes_are_ruled_over_only_if_they_are_named() {
        let web = deployment("{name: web}", "[{name: a, image: x:1}], initContainers: [{name: i, image: y:1}]");
        let unnamed = "i: VersioningHandler h does not name this init container";
        check(&format!("{web}{}", handler("{name: h}", ", frontier: 2")), &[unnamed, "a: gitlab 2"]);
        let named = handler("{name: h}", ", frontier: 2, containers: [{name: i, frontier: 3}]");
        check(&format!("{web}{named}"), &["i: gitlab 3", "a: gitlab 2"]);
        check(&web, &["i: oci 7", "a: oci 7"]);
        let volumes = "[{name: a, image: x:1}], volumes: [{name: v, image: {reference: y:1}}]";
        let web = deployment("{name: web}", volumes);
        let unnamed = "v: VersioningHandler h does not name this volume";
        check(&format!("{web}{}", handler("{name: h}", ", frontier: 2")), &["a: gitlab 2", unnamed]);
        let named = handler("{name: h}", ", frontier: 2, containers: [{name: v, frontier: 3}]");
        check(&format!("{web}{named}"), &["a: gitlab 2", "v: gitlab 3"]);
    }

    #[test]
    fn namespaces_must_not_contradict_each_other() {
        let check = |deployed: &str, handling: &str, expected: &str| {
            let text = deployment(deployed, "[{name: a, image: x:1}]") + &handler(handling, ", frontier: 2");
            check(&text, &[expected]);
        };
        check("{name: web, namespace: n}", "{name: h, namespace: n}", "a: gitlab 2");
        check("{name: web}", "{name: h, namespace: n}", "a: gitlab 2");
        check("{name: web, namespace: n}", "{name: h}", "a: gitlab 2");
        check("{name: web, namespace: n}", "{name: h, namespace: m}", "a: oci 7");
    }

    #[test]
    fn two_handlers_of_one_deployment_are_told_and_none_of_them_wins() {
        let check = |deployed: &str, handling: &[&str], expected: &str| {
            let handlers: String = handling.iter().map(|metadata| handler(metadata, ", frontier: 2")).collect();
            let text = deployment(deployed, "[{name: a, image: x:1}]") + &handlers;
            check(&text, &[expected]);
        };
        let (one, two) = ("{name: h, namespace: n}", "{name: i, namespace: n}");
        let both = "a: SeveralHandlers: Deployment web is named by 2 VersioningHandlers";
        check("{name: web, namespace: n}", &[one, two], &format!("{both}, n/h and n/i; leave one"));
        let unknown = format!("{both}, n/h and n/i; leave one, or write the namespace into the workload");
        check("{name: web}", &[one, two], &unknown);
        check("{name: web}", &["{name: h}", "{name: i}"], &format!("{both}, h and i; leave one"));
        check("{name: web, namespace: n}", &[one, "{name: i}"], "a: gitlab 2");
        check("{name: web, namespace: n}", &[one, "{name: i, namespace: m}"], "a: gitlab 2");
    }

    #[test]
    fn templates_are_unreadable_not_wrong() {
        let text = deployment("{name: web}", "[{name: a, image: \"{{ .Values.image }}\"}, {name: b, image: x:1}]");
        check(&text, &["b: oci 7", "line 5: the image \"{{ .Values.image }}\" is a template, and cannot be checked"]);
        check(
            "a: {{ b }}-{{ c }}\n",
            &["it is no YAML: line 1, column 11: while parsing a block mapping, did not find expected key"],
        );
    }
}
