//! `locations` of a site: all, so many, or a list of names.

use std::sync::Arc;

use crate::config::keys::declared::ValueForm;
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::ConfigReader;
use crate::config::keys::value::{number_in, set};
use crate::config::syntax::tree::{Kind, NodeId};
use crate::model::{Assignment, LOCATION_MAX, Location};

/// Replaces what is written in `keys`. Returns whether it is right.
pub(super) fn read(keys: &mut Keys<'_, '_>, assignment: &mut Assignment) -> bool {
    let ValueForm::Locations(most) = *keys.form("locations") else { unreachable!("locations have their own form") };
    let reader = keys.reader();
    let Some(id) = keys.take("locations").filter(|&id| !reader.is_null(id)) else { return true };
    let written = match reader.kind(id) {
        Kind::List(items) => named(reader, id, items, most),
        _ => reader.parsed(id, |text| counted(text.trim(), most)),
    };
    let is_right = written.is_some();
    set(assignment, written);
    is_right
}

fn counted(text: &str, most: u32) -> Result<Assignment, String> {
    if text == "all" {
        return Ok(Assignment::All);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return number_in(text, &(1..=most)).map(Assignment::Number);
    }
    Err(format!("{text:?} is neither all nor a number of locations; write names as a list, such as [fra1, nyc1]"))
}

fn named(reader: &ConfigReader<'_>, id: NodeId, items: &[NodeId], most: u32) -> Option<Assignment> {
    if items.is_empty() || items.len() > most as usize {
        reader.fault_at(id, format!("write 1 to {most} locations, or all"));
        return None;
    }
    let mut names: Vec<Location> = Vec::with_capacity(items.len());
    for &item in items {
        let Some(name) = reader.parsed(item, name) else { continue };
        if names.contains(&name) {
            reader.fault_at(item, format!("the location {name} is listed twice"));
        } else {
            names.push(name);
        }
    }
    names.sort_unstable();
    // All faults of a list are said at once.
    (names.len() == items.len()).then(|| Assignment::Named(Arc::from(names)))
}

fn name(text: &str) -> Result<Location, String> {
    let text = text.trim();
    Location::new(text).ok_or_else(|| {
        format!("{text:?} is not the name of a location: 1 to {LOCATION_MAX} small letters, digits and -")
    })
}
