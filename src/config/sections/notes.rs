//! What sections leave for the end, when the whole file is known: credentials in the file itself, names of outlets, sites and
//! groups, and warnings.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::alert::SiteSelector;
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, Scalar};
use crate::config::keys::suggest;
use crate::model::RecordKind;

/// Known names that an unknown one is compared with.
const COMPARED_MAX: usize = 2_000;
/// The prefix of a group among the names of sites.
const GROUP: &str = "group:";
/// The word for all outlets, or all sites.
pub(crate) const ALL: &str = "all";

/// A credential that is written in the file itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) span: Range<usize>,
    pub(crate) what: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) literals: Vec<Literal>,
    /// Warnings, each with its byte of the file.
    pub(crate) warnings: Vec<(usize, String)>,
    /// Names of outlets.
    outlets: Vec<Scalar>,
    /// Names of sites and, with [`GROUP`], of groups.
    sites: Vec<Scalar>,
    /// Expected records that only a name server knows: the type, and its position.
    pub(crate) records: Vec<(RecordKind, Range<usize>)>,
}

impl Notes {
    /// Notes that `text` is `what`, a credential, unless it comes from an expression.
    pub(crate) fn credential(&mut self, text: &Scalar, what: impl Into<String>) {
        if text.masked.is_none() {
            self.literals.push(Literal { span: text.span.clone(), what: what.into() });
        }
    }

    /// Replaces `told` by the outlets under `tell`, if any are written; none stands for all.
    pub(crate) fn outlets(&mut self, keys: &mut Keys<'_, '_>, told: &mut Option<Arc<[Arc<str>]>>) {
        let Some(words) = keys.names("tell") else { return };
        if words.iter().any(|word| word.value.trim() == ALL) {
            *told = None;
        } else {
            *told = Some(words.iter().map(|word| word.value.trim().into()).collect());
            self.outlets.extend(words);
        }
    }

    /// The sites and groups under `sites`.
    pub(crate) fn sites(&mut self, keys: &mut Keys<'_, '_>) -> SiteSelector {
        let Some(words) = keys.names("sites") else { return SiteSelector::All };
        let selector = SiteSelector::of(words.iter().map(|word| word.value.trim()));
        if selector != SiteSelector::All {
            self.sites.extend(words);
        }
        selector
    }

    /// Faults every name that is not among the `outlets`, `sites` and `groups` of the file. Without `sites`, these are not known.
    pub(crate) fn check(
        &self,
        reader: &ConfigReader<'_>,
        outlets: &[Arc<str>],
        sites: Option<&(HashSet<&str>, HashSet<&str>)>,
    ) {
        for word in &self.outlets {
            let name = word.value.trim();
            if !outlets.iter().any(|outlet| **outlet == *name) {
                let none = if outlets.is_empty() { "; `alerting.notify` has none" } else { "" };
                let near = hint(name, outlets.iter().map(|outlet| &**outlet));
                reader.fault(word.fault(format!("there is no outlet {name:?} under `alerting.notify`{near}{none}")));
            }
        }
        let Some((names, groups)) = sites else { return };
        for word in &self.sites {
            let name = word.value.trim();
            let (what, among, name) = match name.strip_prefix(GROUP) {
                Some(group) => ("group", groups, group),
                None => ("site", names, SiteSelector::name_in(name)),
            };
            if !among.contains(name) {
                reader.fault(word.fault(unknown(what, name, among)));
            }
        }
    }
}

/// The message about a `name` that is not among the `known` ones.
pub(crate) fn unknown(what: &str, name: &str, known: &HashSet<&str>) -> String {
    // Sorted, so that the same file has the same message.
    let known: BTreeSet<&str> = known.iter().copied().collect();
    format!("there is no {what} {name:?}{}", hint(name, known.into_iter().take(COMPARED_MAX)))
}

fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    suggest::near(name, known).map_or_else(String::new, |near| format!("; did you mean {near:?}?"))
}
