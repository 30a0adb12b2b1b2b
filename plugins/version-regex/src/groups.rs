//! What the named groups of an expression mean.

use std::collections::BTreeMap;

use k8supdater_plugin::version_parser::Version;

use crate::order::{self, Order};

/// Most levels, and most bytes of a tail, that the WIT allows.
const MOST_LEVELS: usize = 16;
const MOST_TAIL: usize = 256;

/// Which group of an expression is what. A group is named by its index.
pub(crate) struct Groups {
    levels: Levels,
    prerelease: Option<(usize, Order)>,
    tail: Option<(usize, Order)>,
    flavor: Option<usize>,
}

enum Levels {
    /// `level1`, `level2` …, at least one.
    Each(Vec<(usize, Order)>),
    /// `version`: numbers with dots between them.
    Dotted(usize),
}

impl Groups {
    /// # Errors
    /// A sentence for people: a name that means nothing, no levels, levels in two ways or with a gap, an order for a group that is not
    /// there or cannot have it.
    pub(crate) fn new<'a>(
        names: impl Iterator<Item = (usize, &'a str)>,
        orders: &BTreeMap<String, Order>,
    ) -> Result<Self, String> {
        let mut names: BTreeMap<&str, usize> = names.map(|(index, name)| (name, index)).collect();
        if let Some(name) = orders.keys().find(|name| !names.contains_key(name.as_str())) {
            return Err(format!("order names the group {name:?}, which the expression does not have"));
        }
        if let Some(name) = ["version", "flavor"].iter().find(|name| orders.contains_key(**name)) {
            return Err(format!("the group {name:?} has no order that could be chosen"));
        }
        let mut take = |name: &str, default| {
            let index = names.remove(name)?;
            Some((index, orders.get(name).copied().unwrap_or(default)))
        };
        let version = take("version", Order::Numeric).map(|(index, _)| index);
        let flavor = take("flavor", Order::Text).map(|(index, _)| index);
        let prerelease = take("prerelease", Order::Natural);
        let tail = take("tail", Order::Natural);
        let levels: Vec<_> = (1..=MOST_LEVELS).map(|number| take(&format!("level{number}"), Order::Numeric)).collect();
        if let Some(name) = names.keys().next() {
            return Err(format!(
                "unknown group {name:?}, expected one of: level1 … level{MOST_LEVELS}, version, prerelease, tail, flavor; \
                 write (?:…) for a group that needs no name"
            ));
        }
        Ok(Self { levels: Levels::new(version, &levels)?, prerelease, tail, flavor })
    }

    /// The version whose groups are what `text` says; none if there are no levels, a level is missing before another, or a value does not
    /// fit its order.
    pub(crate) fn version<'a>(&self, text: impl Fn(usize) -> Option<&'a str>) -> Option<Version> {
        let levels = match &self.levels {
            Levels::Dotted(group) => text(*group)?.split('.').map(order::number).collect::<Option<Vec<_>>>()?,
            Levels::Each(groups) => {
                let there = groups.iter().map_while(|(group, order)| Some((text(*group)?, *order)));
                let levels = there.map(|(text, order)| order::level(text, order)).collect::<Option<Vec<_>>>()?;
                let is_gap = groups.iter().skip(levels.len()).any(|(group, _)| text(*group).is_some());
                if is_gap || levels.is_empty() {
                    return None;
                }
                levels
            }
        };
        let value = |group: Option<(usize, Order)>| group.and_then(|(group, order)| Some((text(group)?, order)));
        let (prerelease, extra) = (value(self.prerelease), value(self.tail));
        // A pre-release comes before its release; something in `tail` comes after nothing.
        let mut tail = Vec::new();
        for (value, [with, without]) in [(prerelease, [0, 1]), (extra, [1, 0])] {
            tail.push(if value.is_some() { with } else { without });
            if let Some((text, order)) = value {
                order::push(&mut tail, text, order)?;
            }
        }
        (levels.len() <= MOST_LEVELS && tail.len() <= MOST_TAIL).then(|| Version {
            epoch: 0,
            levels,
            tail,
            prerelease: prerelease.is_some(),
            flavor: self.flavor.and_then(&text).unwrap_or_default().to_owned(),
        })
    }
}

impl Levels {
    /// `groups` holds `level1`, `level2` … in their places.
    fn new(version: Option<usize>, groups: &[Option<(usize, Order)>]) -> Result<Self, String> {
        let count = groups.iter().flatten().count();
        let levels: Vec<_> = groups.iter().map_while(|group| *group).collect();
        match version {
            Some(_) if count > 0 => Err("the expression has a group version and groups level1 …; it needs one or the other".to_owned()),
            Some(group) => Ok(Self::Dotted(group)),
            None if count == 0 => {
                Err("the expression has no group that says what the version is: name one \"version\", or some level1, level2 …; \
                     for example v?(?<version>[0-9.]+)(?<flavor>-.+)?"
                    .to_owned())
            }
            None if levels.len() < count => Err(format!("the expression has {count} levels, but no group level{}", levels.len() + 1)),
            None if levels.iter().any(|(_, order)| *order == Order::Natural) => {
                Err("levels cannot be ordered as \"natural\", expected one of: numeric, text".to_owned())
            }
            None => Ok(Self::Each(levels)),
        }
    }
}
