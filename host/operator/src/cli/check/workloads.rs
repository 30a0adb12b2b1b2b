//! Which images the workloads in a manifest run, and where they are written. Pure.

use std::ops::Range;

use granit_parser::ScalarStyle;
use thiserror::Error;

use super::yaml::{self, Document, Found, YamlError};
use crate::api::versioning_handler::VersioningHandler;
use crate::workload::containers::List;

/// What a file holds that is of interest here.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    /// In the order of the file.
    pub workloads: Vec<Workload>,
    /// In the order of the file.
    pub handlers: Vec<VersioningHandler>,
    /// What could not be understood, although the file as a whole could.
    pub problems: Vec<String>,
}

/// An object that runs containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Workload {
    /// `Deployment` …
    pub kind: String,
    /// If the file says so.
    pub namespace: Option<String>,
    /// Empty if the file does not say.
    pub name: String,
    /// Those with an image, init containers first, and last volumes of which no container has the name.
    pub containers: Vec<ContainerImage>,
}

/// The image of one container, or of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContainerImage {
    /// Name of the container or volume.
    pub container: String,
    /// Which of the pod's lists it is in.
    pub list: List,
    /// Its image, as written.
    pub image: String,
    /// The line in which it is written, from 1.
    pub line: usize,
    /// How it is written.
    pub spot: Spot,
}

/// How an image is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// As a scalar that can be replaced.
    Scalar {
        /// The bytes of the text, between the quotes if there are any.
        text: Range<usize>,
        /// The anchor on it, if others refer to that.
        anchor: Option<Anchor>,
    },
    /// As an alias of a scalar.
    Alias {
        /// Number of its anchor, and of the document that it is in.
        anchor: (usize, usize),
    },
    /// In a way that is not touched.
    Fixed(Fixed),
}

/// An anchor that is referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    /// Number of the document, and of the anchor in it.
    pub id: (usize, usize),
    /// How often it is referred to.
    pub references: usize,
}

/// Why an image is not touched, although it could be updated.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum Fixed {
    /// It is a block scalar, or goes over several lines, or is spelt with escapes.
    #[error("it is not written as one piece of text on one line")]
    Style,
    /// It belongs to more places than this one.
    #[error("it is part of something with an anchor, which is used at other places, too")]
    Shared,
    /// It is an alias, and what it stands for does not get the same update.
    #[error("it is an alias, and not all that share its anchor are images that get the same update")]
    Alias,
}

/// The kinds that run containers, the group that they are in, and the way to their pod spec.
const KINDS: [(&str, &str, &[&str]); 7] = [
    ("Pod", "", &["spec"]),
    ("Deployment", "apps", &["spec", "template", "spec"]),
    ("StatefulSet", "apps", &["spec", "template", "spec"]),
    ("DaemonSet", "apps", &["spec", "template", "spec"]),
    ("ReplicaSet", "apps", &["spec", "template", "spec"]),
    ("Job", "batch", &["spec", "template", "spec"]),
    ("CronJob", "batch", &["spec", "jobTemplate", "spec", "template", "spec"]),
];

/// The workloads and handlers in `text`.
///
/// # Errors
/// [`YamlError`] if it is no YAML, or an object in it says something twice.
pub(super) fn read(text: &str) -> Result<Manifest, YamlError> {
    let mut manifest = Manifest::default();
    for (number, document) in yaml::parse(text)?.iter().enumerate() {
        let root = document.found();
        let source = Source { number, text, document };
        if document.text(root, &["kind"])?.is_some_and(|kind| kind.ends_with("List"))
            && let Some(items) = document.get(root, "items")?
        {
            for item in document.items(items) {
                source.read(item, None, &mut manifest)?;
            }
        } else {
            source.read(root, Some(document.range.clone()), &mut manifest)?;
        }
    }
    Ok(manifest)
}

/// A document, and what it is written in.
struct Source<'a> {
    number: usize,
    text: &'a str,
    document: &'a Document,
}

impl Source<'_> {
    fn read(&self, object: Found<'_>, range: Option<Range<usize>>, into: &mut Manifest) -> Result<(), YamlError> {
        let Some(kind) = self.document.text(object, &["kind"])? else { return Ok(()) };
        let Some(api_version) = self.document.text(object, &["apiVersion"])? else { return Ok(()) };
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        if (kind, group) == ("VersioningHandler", "k8supdater.dev") {
            match self.handler(object, range) {
                Ok(handler) => into.handlers.push(handler),
                Err(message) => into.problems.push(format!("line {}: {message}", object.node.line)),
            }
            return Ok(());
        }
        // Where Deployments and DaemonSets came from; nobody serves it any more, but files last longer.
        let group = if group == "extensions" { "apps" } else { group };
        let known = KINDS.iter().find(|(name, home, _)| (*name, *home) == (kind, group));
        let Some((_, _, way)) = known else { return Ok(()) };
        let mut containers: Vec<ContainerImage> = Vec::new();
        if let Some(pod) = self.document.walk(object, way)? {
            for list in [List::InitContainers, List::Containers, List::Volumes] {
                if let Some(items) = self.document.get(pod, list.field())? {
                    for container in self.document.items(items) {
                        let found = self.container(container, list)?;
                        let is_known = |name: &str| containers.iter().any(|known| known.container == name);
                        containers.extend(found.filter(|it| list != List::Volumes || !is_known(&it.container)));
                    }
                }
            }
        }
        let text = |key: &str| self.document.text(object, &["metadata", key]);
        into.workloads.push(Workload {
            kind: kind.to_owned(),
            namespace: text("namespace")?.map(str::to_owned),
            name: text("name")?.unwrap_or_default().to_owned(),
            containers,
        });
        Ok(())
    }

    /// The image of a container; none if it has none, as in patches.
    fn container(&self, container: Found<'_>, list: List) -> Result<Option<ContainerImage>, YamlError> {
        let Some(found) = self.document.walk(container, list.image())? else { return Ok(None) };
        let name = self.document.text(container, &["name"])?.unwrap_or_default().to_owned();
        let line = found.alias.unwrap_or(found.node).line;
        let (image, spot) = match &found.node.value {
            yaml::Value::Scalar(text, _) if text.is_empty() => return Ok(None),
            yaml::Value::Scalar(text, style) => (text.clone(), self.spot(found, text, *style)),
            // `image: {{ .Values.image }}` is a mapping in a mapping.
            yaml::Value::Sequence(_) | yaml::Value::Mapping(_) | yaml::Value::Alias(_) => {
                let written = self.text.get(found.node.span.clone()).unwrap_or_default();
                (written.trim_end().to_owned(), Spot::Fixed(Fixed::Style))
            }
        };
        Ok(Some(ContainerImage { container: name, list, image, line, spot }))
    }

    fn spot(&self, found: Found<'_>, text: &str, style: ScalarStyle) -> Spot {
        let anchor = (self.number, found.node.anchor);
        if found.is_shared {
            return Spot::Fixed(Fixed::Shared);
        }
        if found.alias.is_some() {
            return Spot::Alias { anchor };
        }
        let Range { start, end } = found.node.span;
        let inner = match style {
            ScalarStyle::Plain => start..end,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => start.saturating_add(1)..end.saturating_sub(1),
            ScalarStyle::Literal | ScalarStyle::Folded => return Spot::Fixed(Fixed::Style),
        };
        if self.text.get(inner.clone()) != Some(text) {
            return Spot::Fixed(Fixed::Style);
        }
        let references = self.document.references(found.node.anchor);
        let anchor = (references > 0).then_some(Anchor { id: anchor, references });
        Spot::Scalar { text: inner, anchor }
    }

    /// A VersioningHandler, read as the API server reads it. One in a list has no text of its own, and is not looked at.
    fn handler(&self, object: Found<'_>, range: Option<Range<usize>>) -> Result<VersioningHandler, String> {
        let Some(text) = range.and_then(|range| self.text.get(range)) else {
            return Err("a VersioningHandler in a List is not looked at; make it a document of its own".to_owned());
        };
        let name = self.document.text(object, &["metadata", "name"]).ok().flatten().unwrap_or_default();
        serde_yaml_ng::from_str(text).map_err(|err| format!("VersioningHandler {name} is not valid: {err}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "kind/name container image" for each container, with how it is written.
    fn check(text: &str, expected: &[&str]) {
        let manifest = read(text).unwrap();
        let mut found = Vec::new();
        for workload in &manifest.workloads {
            for image in &workload.containers {
                let spot = match &image.spot {
                    Spot::Scalar { text: range, anchor } => {
                        assert_eq!(&text[range.clone()], image.image);
                        if anchor.is_some() { "anchor" } else { "scalar" }
                    }
                    Spot::Alias { .. } => "alias",
                    Spot::Fixed(Fixed::Style) => "style",
                    Spot::Fixed(Fixed::Shared) => "shared",
                    Spot::Fixed(Fixed::Alias) => unreachable!("only found out later"),
                };
                let Workload { kind, name, .. } = workload;
                found.push(format!("{kind}/{name} {} {} {spot} {}", image.container, image.image, image.line));
            }
        }
        assert_eq!(found, expected, "{text}");
        assert_eq!(manifest.problems, Vec::<String>::new());
    }

    #[test]
    fn every_kind_has_its_pod_somewhere() {
        let pod = "containers: [{name: c, image: a:1}], initContainers: [{name: i, image: b:1}]";
        let check = |kind: &str, version: &str, way: &[&str]| {
            let mut spec = format!("{{{pod}}}");
            for key in way.iter().rev() {
                spec = format!("{{{key}: {spec}}}");
            }
            let text = format!("kind: {kind}\napiVersion: {version}\nmetadata: {{name: n}}\nspec: {spec}\n");
            check(&text, &[&format!("{kind}/n i b:1 scalar 4"), &format!("{kind}/n c a:1 scalar 4")]);
        };
        check("Pod", "v1", &[]);
        for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"] {
            check(kind, "apps/v1", &["template", "spec"]);
        }
        check("Deployment", "extensions/v1beta1", &["template", "spec"]);
        check("Job", "batch/v1", &["template", "spec"]);
        check("CronJob", "batch/v1", &["jobTemplate", "spec", "template", "spec"]);
    }

    #[test]
    fn volumes_with_an_image_are_found_unless_a_container_has_their_name() {
        let volumes = "{name: c, image: {reference: x:1}}, {name: d, emptyDir: {}}, {name: v, image: {reference: v:1}}";
        let pod = format!("containers: [{{name: c, image: a:1}}], volumes: [{volumes}]");
        check(
            &format!("kind: Pod\napiVersion: v1\nspec: {{{pod}}}\n"),
            &["Pod/ c a:1 scalar 3", "Pod/ v v:1 scalar 3"],
        );
    }

    #[test]
    fn what_is_no_workload_is_passed_over() {
        check(
            "kind: Deployment\napiVersion: example.com/v1\nspec: {template: {spec: {containers: [{image: a:1}]}}}\n",
            &[],
        );
        check("kind: Pod\nspec: {containers: [{image: a:1}]}\n", &[]);
        check("image: {repository: a, tag: 1}\n", &[]);
        check("- a\n- b\n", &[]);
        check("just text\n", &[]);
        check(
            "kind: Pod\napiVersion: v1\nspec: {containers: [{name: c}, {image: ''}, text], initContainers: 1}\n",
            &[],
        );
    }

    #[test]
    fn lists_and_several_documents_are_read_in_order() {
        let pod = |name: &str| {
            format!(
                "{{kind: Pod, apiVersion: v1, metadata: {{name: {name}}}, spec: {{containers: [{{name: c, image: a:1}}]}}}}"
            )
        };
        let text = format!("kind: List\napiVersion: v1\nitems:\n- {}\n- {}\n---\n{}\n", pod("x"), pod("y"), pod("z"));
        check(&text, &["Pod/x c a:1 scalar 4", "Pod/y c a:1 scalar 5", "Pod/z c a:1 scalar 7"]);
    }

    #[test]
    fn what_cannot_be_replaced_is_told_from_what_can() {
        let check = |containers: &str, expected: &[&str]| {
            check(
                &format!("kind: Pod\napiVersion: v1\nmetadata: {{name: p}}\nspec:\n  containers:\n{containers}"),
                expected,
            );
        };
        check("  - image: >-\n      a:1\n    name: c\n", &["Pod/p c a:1 style 7"]);
        check("  - image: \"a\\x3a1\"\n", &["Pod/p  a:1 style 6"]);
        check("  - image: a\n      b\n", &["Pod/p  a b style 6"]);
        check("  - image: &i a:1\n  - image: *i\n", &["Pod/p  a:1 anchor 6", "Pod/p  a:1 alias 7"]);
        check("  - image: &i a:1\n", &["Pod/p  a:1 scalar 6"]);
        check("  - &c {image: a:1}\n  - *c\n", &["Pod/p  a:1 shared 6", "Pod/p  a:1 shared 6"]);
        check("  - &c {image: a:1}\n  - <<: *c\n    name: d\n", &["Pod/p  a:1 shared 6", "Pod/p d a:1 shared 6"]);
        check("  - image: {{ .Values.image }}\n", &["Pod/p  {{ .Values.image }} style 6"]);
    }

    #[test]
    fn handlers_are_read_as_the_api_server_reads_them() {
        let handler =
            "apiVersion: k8supdater.dev/v1\nkind: VersioningHandler\nmetadata: {name: h}\nspec:\n  deployment: web\n";
        let manifest =
            read(&format!("a: b\n---\n{handler}  containerregistry: oci\n  frontier: 2\n---\n{handler}  x: y\n"))
                .unwrap();
        assert_eq!(manifest.handlers.len(), 1);
        assert_eq!(manifest.handlers[0].spec.frontier, Some(2));
        assert_eq!(manifest.problems.len(), 1);
        assert!(manifest.problems[0].contains("VersioningHandler h is not valid: "), "{:?}", manifest.problems);
    }
}
