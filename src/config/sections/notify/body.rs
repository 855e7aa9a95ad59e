//! The own body of a webhook: a YAML value whose texts are templates.
//!
//! Plain words have the types of YAML's core schema; what is quoted is text. Bounds: a thousand values, 16 deep, which an alias
//! bomb does not fit in.

use std::cell::Cell;

use serde_json::{Map, Number, Value};

use crate::config::keys::reader::ConfigReader;
use crate::config::syntax::tree::{Kind, NodeId};

use super::fields::checked;

const VALUES_MAX: usize = 1_000;
const DEPTH_MAX: usize = 16;

/// The value at `id`; none after a fault, or when contents do not matter.
pub(super) fn read(reader: &ConfigReader<'_>, id: NodeId) -> Option<Value> {
    let left = Cell::new(VALUES_MAX);
    let read = value(reader, id, DEPTH_MAX, &left);
    if left.get() == 0 {
        reader.fault_at(id, format!("a body has at most {VALUES_MAX} values, {DEPTH_MAX} deep"));
        return None;
    }
    read
}

/// The value at `id`. Too many or too deep: nothing is `left`.
fn value(reader: &ConfigReader<'_>, id: NodeId, depth: usize, left: &Cell<usize>) -> Option<Value> {
    left.set(if depth == 0 { 0 } else { left.get().saturating_sub(1) });
    if left.get() == 0 {
        return None;
    }
    match reader.kind(id) {
        Kind::Scalar { text, plain: true } if reader.is_null(id) || typed(text).is_some() => {
            Some(typed(text).unwrap_or(Value::Null))
        }
        Kind::Scalar { text, .. } if text.is_empty() => Some("".into()),
        Kind::Scalar { .. } => reader.text(id).and_then(|text| checked(reader, text)).map(Value::String),
        Kind::List(items) => {
            // All of them, so that every fault is told.
            let values: Vec<_> = items.iter().map(|&item| value(reader, item, depth - 1, left)).collect();
            values.into_iter().collect()
        }
        Kind::Map(_) => {
            let members = reader.mapping(id)?.into_iter();
            let members: Vec<_> = members
                .map(|entry| Some((entry.name.to_owned(), value(reader, entry.value, depth - 1, left)?)))
                .collect();
            members.into_iter().collect::<Option<Map<_, _>>>().map(Value::Object)
        }
    }
}

/// A plain word that is not text.
fn typed(text: &str) -> Option<Value> {
    match text {
        "true" => Some(true.into()),
        "false" => Some(false.into()),
        _ => text.parse::<Number>().ok().map(Value::Number),
    }
}
