//! The section `expect` of a site: what makes an answer successful.
//!
//! Bounds: a pattern of 4 KiB that compiles to 256 KiB. Cost: matching is linear in the body (no backtracking), with at most
//! 1 MiB for the automaton.

use regex::bytes::{Regex, RegexBuilder};

use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, Scalar};
use crate::config::keys::value::{self, set};
use crate::config::syntax::tree::{Kind, NodeId};
use crate::model::{Expect, Expected, StatusSet};

const PATTERN_MAX: usize = 4 << 10;
const PROGRAM_MAX: usize = 256 << 10;
const AUTOMATON_MAX: usize = 1 << 20;

/// Replaces what is written in `keys`.
pub(crate) fn read(keys: &mut Keys<'_, '_>, expect: &mut Expect) {
    let reader = keys.reader();
    set(&mut expect.status, keys.take("status").and_then(|id| status(reader, id)));
    let part = keys.take("body_contains").and_then(|id| expected(reader, id, part));
    set(&mut expect.body_contains, part.map(Some));
    let pattern = keys.take("body_regex").and_then(|id| expected(reader, id, |text| cached(reader, text)));
    set(&mut expect.body_regex, pattern.map(Some));
    set(&mut expect.max_response_time, keys.duration("max_response_time").map(Some));
}

/// Parses the text at `id`, and keeps it as it may be shown.
fn expected<T>(
    reader: &ConfigReader<'_>,
    id: NodeId,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<Expected<T>> {
    let text = reader.text(id)?;
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

fn part(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("every body contains an empty text; write the text that it must contain".to_owned());
    }
    Ok(text.to_owned())
}

/// The pattern `text`, compiled once for all sites.
fn cached(reader: &ConfigReader<'_>, text: &str) -> Result<Regex, String> {
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
