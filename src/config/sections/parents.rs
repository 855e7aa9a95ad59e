//! The key `parent` of sites: names another site, and no site depends on itself.

use std::collections::{HashMap, HashSet};

use crate::config::keys::reader::{ConfigReader, Scalar};

use super::notes::unknown;
use super::site::SiteEntryDraft;

/// Most names of a circle that are printed.
const SHOWN_MAX: usize = 10;

/// Faults unknown parents and circles. `names` are all sites; none if some could not be read.
pub(crate) fn check(reader: &ConfigReader<'_>, entries: &[SiteEntryDraft], names: Option<&HashSet<&str>>) {
    let child = |entry: &'_ SiteEntryDraft| entry.parent.as_ref().map(|parent| parent.value.trim().to_owned());
    let mut parents: HashMap<&str, (String, &Scalar)> = HashMap::new();
    for entry in entries {
        if let (Some(name), Some(parent)) = (child(entry), &entry.parent) {
            if let Some(names) = names.filter(|names| !names.contains(name.as_str())) {
                reader.fault(parent.fault(unknown("site", &name, names)));
            }
            parents.entry(&entry.configured.site.name).or_insert((name, parent));
        }
    }
    // Each site has one parent at most, so a walk that comes back to its own way has found a circle.
    let mut done: HashSet<&str> = HashSet::new();
    for entry in entries {
        let mut way: Vec<&str> = Vec::new();
        let mut on_way: HashSet<&str> = HashSet::new();
        let mut at: &str = &entry.configured.site.name;
        while let Some((&name, (parent, _))) = parents.get_key_value(at) {
            if !on_way.insert(name) {
                let start = way.iter().position(|before| *before == name).unwrap_or_default();
                circle(reader, &way[start..], parents[way[start]].1);
                break;
            }
            if done.contains(name) {
                break;
            }
            way.push(name);
            at = parent;
        }
        done.extend(way);
    }
}

/// Faults the circle of `names` at the first one's `parent`.
fn circle(reader: &ConfigReader<'_>, names: &[&str], parent: &Scalar) {
    if names.len() == 1 {
        return reader.fault(parent.fault("a site cannot be its own parent".to_owned()));
    }
    let mut shown: Vec<String> = names.iter().take(SHOWN_MAX).map(|name| format!("{name:?}")).collect();
    shown.push(if names.len() > SHOWN_MAX { "…".to_owned() } else { format!("{:?}", names[0]) });
    reader.fault(parent.fault(format!("these sites depend on each other: {}", shown.join(" → "))));
}
