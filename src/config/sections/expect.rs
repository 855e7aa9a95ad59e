//! The section `expect` of a site: what makes an answer successful.
//!
//! Bounds: a pattern of 4 KiB that compiles to 256 KiB; 50 places of a JSON document. Cost: matching is linear in the body (no backtracking), with at most
//! 1 MiB for the automaton.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, KeyEntry, QUOTED_MAX, Scalar};
use crate::config::keys::value::{self, set};
use crate::config::syntax::quote;
use crate::config::syntax::tree::{Kind, NodeId};
use crate::model::expect::{Comparison, HeaderExpectation, HeaderWish, JsonExpectation, JsonWish};
use crate::model::text::clean_line;
use crate::model::{Expect, Expected, StatusSet};

use super::headers;

const PATTERN_MAX: usize = 4 << 10;
const PROGRAM_MAX: usize = 256 << 10;
const AUTOMATON_MAX: usize = 1 << 20;
/// Places of a JSON document.
const PLACES_MAX: usize = 50;
/// Longest place, bytes.
const PLACE_MAX: usize = 500;
/// Values of which one is expected.
const VALUES_MAX: usize = 50;
/// Each `..` of a query may multiply its cost by the depth of the document.
const DESCENTS_MAX: usize = 2;

/// Replaces what is written in `keys`.
pub(crate) fn read(keys: &mut Keys<'_, '_>, expect: &mut Expect) {
    let reader = keys.reader();
    set(&mut expect.status, keys.take("status").and_then(|id| status(reader, id)));
    if let Some(id) = keys.take("headers") {
        header_wishes(reader, id, &mut expect.headers);
    }
    let mut texts =
        |name| keys.names(name).map(|texts| texts.into_iter().filter_map(|text| of(reader, text, part)).collect());
    let (contains, not_contains) = (texts("body_contains"), texts("body_not_contains"));
    let mut pattern = |name| keys.take(name).and_then(|id| of(reader, reader.text(id)?, |text| cached(reader, text)));
    let (regex, not_regex) = (pattern("body_regex"), pattern("body_not_regex"));
    let json = keys.take("json").map(|id| json_wishes(reader, id));
    if contains.is_some() || not_contains.is_some() || regex.is_some() || not_regex.is_some() || json.is_some() {
        let body = Arc::make_mut(&mut expect.body);
        set(&mut body.contains, contains);
        set(&mut body.not_contains, not_contains);
        set(&mut body.regex, regex.map(Some));
        set(&mut body.not_regex, not_regex.map(Some));
        set(&mut body.json, json);
    }
    set(&mut expect.max_response_time, keys.duration("max_response_time").map(Some));
}

/// Parses `text`, and keeps it as it may be shown.
pub(super) fn of<T>(
    reader: &ConfigReader<'_>,
    text: Scalar,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<Expected<T>> {
    match parse(&text.value) {
        Ok(what) => {
            let Scalar { value, masked, .. } = text;
            Some(Expected { what, shown: masked.unwrap_or(value) })
        }
        Err(message) => {
            reader.fault(text.fault(message));
            None
        }
    }
}

/// Replaces the `wishes` for headers that are written at `id`; null removes one.
fn header_wishes(reader: &ConfigReader<'_>, id: NodeId, wishes: &mut Vec<HeaderExpectation>) {
    for (name, value) in headers::read(reader, id) {
        let name = name.to_ascii_lowercase();
        let wanted = if reader.is_null(value) { None } else { header_wish(reader, value) };
        wishes.retain(|wish| wish.name != name);
        wishes.extend(wanted.map(|wanted| HeaderExpectation { name, wanted }));
    }
}

fn header_wish(reader: &ConfigReader<'_>, id: NodeId) -> Option<HeaderWish> {
    if let Kind::Map(_) = reader.kind(id) {
        return matching(reader, id).map(HeaderWish::Matches);
    }
    let text = reader.text(id)?;
    Some(match &*text.value {
        "present" => HeaderWish::Present,
        "absent" => HeaderWish::Absent,
        _ => HeaderWish::Like(of(reader, text, |text| Ok(text.to_owned()))?),
    })
}

/// The pattern of `{ regex: PATTERN }`.
fn matching(reader: &ConfigReader<'_>, id: NodeId) -> Option<Expected<Regex>> {
    let entries = reader.mapping(id)?;
    if let [KeyEntry { name: "regex", value, .. }] = entries.as_slice() {
        return of(reader, reader.text(*value)?, |text| cached(reader, text));
    }
    reader.fault_at(id, "write a value, or { regex: PATTERN }");
    None
}

/// The expectations of a JSON document at `id`.
fn json_wishes(reader: &ConfigReader<'_>, id: NodeId) -> Vec<JsonExpectation> {
    let entries = reader.mapping(id).unwrap_or_default();
    if entries.len() > PLACES_MAX {
        reader.fault_at(id, format!("{} places are too many; the limit is {PLACES_MAX}", entries.len()));
        return Vec::new();
    }
    let read = |entry: KeyEntry<'_>| {
        let query = match query(entry.name) {
            Ok(query) => Some(query),
            Err(message) => {
                reader.fault_at(entry.key, message);
                None
            }
        };
        let wanted = json_wish(reader, entry.value)?;
        Some(JsonExpectation { path: clean_line(entry.name, PLACE_MAX), query: query?, wanted })
    };
    entries.into_iter().filter_map(read).collect()
}

/// The query that `path` is, if it is no JSON Pointer.
pub(super) fn query(path: &str) -> Result<Option<JsonPath>, String> {
    if path.len() > PLACE_MAX {
        return Err(format!("this place is longer than {PLACE_MAX} bytes"));
    }
    if path.starts_with('$') {
        let query = JsonPath::parse(path).map_err(|error| {
            let why = clean_line(error.message(), QUOTED_MAX);
            format!("this is not a JSONPath: {why}, at character {}", path[..error.position()].chars().count() + 1)
        })?;
        if path.matches("..").count() > DESCENTS_MAX {
            return Err(format!("a JSONPath with more than {DESCENTS_MAX} `..` may take too long"));
        }
        return Ok(Some(query));
    }
    if !path.is_empty() && !path.starts_with('/') {
        let shown = clean_line(&quote::quotable_key(path), QUOTED_MAX);
        return Err(format!("a place begins with / (a JSON Pointer: /{shown}) or with $ (a JSONPath: $.{shown})"));
    }
    let is_escape = |rest: &str| rest.starts_with(['0', '1']);
    if path.split('~').skip(1).any(|rest| !is_escape(rest)) {
        return Err("in a JSON Pointer ~ is written ~0, and / in a name ~1".to_owned());
    }
    Ok(None)
}

fn json_wish(reader: &ConfigReader<'_>, id: NodeId) -> Option<JsonWish> {
    match reader.kind(id) {
        Kind::Map(_) => matching(reader, id).map(JsonWish::Matches),
        Kind::List(items) if items.is_empty() || items.len() > VALUES_MAX => {
            reader.fault_at(id, format!("write one to {VALUES_MAX} values, of which each match is one"));
            None
        }
        Kind::List(items) => {
            let values: Vec<Option<_>> = items.iter().map(|&item| json_value(reader, item)).collect();
            values.into_iter().collect::<Option<Vec<_>>>().map(JsonWish::OneOf)
        }
        Kind::Scalar { text, .. } => {
            let text = text.trim();
            if let Some((comparison, _)) = Comparison::leading(text) {
                let limit = of(reader, reader.text(id)?, |text| limit(comparison, text))?;
                let shown = limit.shown.trim().strip_prefix(comparison.sign()).unwrap_or_default().trim().to_owned();
                return Some(JsonWish::Compared(comparison, Expected { what: limit.what, shown }));
            }
            match text {
                "present" => Some(JsonWish::Present),
                "absent" => Some(JsonWish::Absent),
                _ => json_value(reader, id).map(|value| JsonWish::OneOf(vec![value])),
            }
        }
    }
}

/// The number behind `comparison`.
fn limit(comparison: Comparison, text: &str) -> Result<f64, String> {
    let rest = text.trim().strip_prefix(comparison.sign()).unwrap_or_default().trim();
    rest.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
        format!("a number follows `{}`; for a text that begins with it write {{ regex: PATTERN }}", comparison.sign())
    })
}

/// A text, a number, a boolean or null, as YAML tells them apart.
fn json_value(reader: &ConfigReader<'_>, id: NodeId) -> Option<Expected<Value>> {
    if reader.is_null(id) {
        return Some(Expected { what: Value::Null, shown: "null".to_owned() });
    }
    let is_plain = matches!(reader.kind(id), Kind::Scalar { plain: true, .. });
    let text = reader.text(id)?;
    let number = serde_json::from_str(&text.value).ok().filter(Value::is_number);
    let typed = match &*text.value {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => number,
    };
    let what = typed.filter(|_| is_plain).unwrap_or_else(|| Value::String(text.value.clone()));
    let shown = match (&text.masked, &what) {
        (Some(masked), Value::String(_)) => format!("{masked:?}"),
        (Some(masked), _) => masked.clone(),
        (None, what) => what.to_string(),
    };
    Some(Expected { what, shown })
}

fn part(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("every body contains an empty text; write at least one character".to_owned());
    }
    Ok(text.to_owned())
}

/// The pattern `text`, compiled once for all sites.
pub(super) fn cached(reader: &ConfigReader<'_>, text: &str) -> Result<Regex, String> {
    if let Some(known) = reader.cache.patterns.borrow().get(text) {
        return Ok(known.clone());
    }
    let made = pattern(text)?;
    reader.cache.patterns.borrow_mut().insert(text.to_owned(), made.clone());
    Ok(made)
}

fn pattern(text: &str) -> Result<Regex, String> {
    if text.len() > PATTERN_MAX {
        return Err("this regular expression is longer than 4 KiB".to_owned());
    }
    RegexBuilder::new(text).size_limit(PROGRAM_MAX).dfa_size_limit(AUTOMATON_MAX).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "this regular expression is too large; use fewer repetitions".to_owned(),
        // The crate draws the pattern with a marker over several lines; the last line has the reason.
        error => {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("this is not a regular expression: {why}")
        }
    })
}

/// The status codes at `id`: one, a range, several separated by commas, or a list of these.
fn status(reader: &ConfigReader<'_>, id: NodeId) -> Option<StatusSet> {
    let items = match reader.kind(id) {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(&id),
    };
    if items.is_empty() {
        reader.fault_at(id, "an empty list accepts no status; write a range such as 200-299");
        return None;
    }
    let ranges: Vec<Option<_>> = items.iter().map(|&item| reader.parsed(item, value::status_ranges)).collect();
    Some(StatusSet::from_ranges(ranges.into_iter().collect::<Option<Vec<_>>>()?.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_pointer_or_a_query() {
        for (path, is_query) in
            [("", false), ("/", false), ("/a~0b/~1", false), ("/0/ü", false), ("$", true), ("$.a[?@.b==1]..c", true)]
        {
            assert_eq!(query(path).map(|query| query.is_some()), Ok(is_query), "{path}");
        }
        for (path, part) in [
            ("a.b", "begins with / (a JSON Pointer: /a.b) or with $ (a JSONPath: $.a.b)"),
            ("/a~2", "~ is written ~0"),
            ("/a~", "~ is written ~0"),
            ("$.", "not a JSONPath"),
            ("$[?@.a", "not a JSONPath"),
            ("$..a..b..c", "more than 2 `..`"),
            (&format!("/{}", "x".repeat(500)), "longer than 500 bytes"),
        ] {
            let message = query(path).unwrap_err();
            assert!(message.contains(part) && !message.contains('\n'), "{path}: {message}");
        }
    }

    #[test]
    fn a_pattern_is_checked_and_bounded() {
        for text in ["^\\{", "(?i)ok", "", "a{100}"] {
            assert!(pattern(text).is_ok(), "{text}");
        }
        for (text, part) in [
            ("(", "unclosed group"),
            ("a{2,1}", "invalid repetition"),
            ("[z-a]", "invalid character class range"),
            ("(?:\\w{99}){99}", "too large"),
            (&"x".repeat(5_000), "longer than 4 KiB"),
        ] {
            let message = pattern(text).unwrap_err();
            assert!(message.contains(part) && !message.contains('\n'), "{text}: {message}");
        }
    }
}
