//! Judges a body as a JSON document: values at JSON Pointers (RFC 6901) and of `JSONPath` queries (RFC 9535).
//!
//! A text equals only a text, and numbers are equal by their value. A sentence has the place, what was expected and what came,
//! of that at most 80 bytes, with `***` for the secrets of the site.
//! Bounds: documents of 4 MiB, which take some 30 times as much memory while they are read, one at a time; 128 levels (of `serde_json`);
//! 10,000 values of a query.

mod lenient;

use std::sync::{Mutex, MutexGuard};

use serde_json::{Number, Value};
use serde_json_path::JsonPath;

use crate::model::KnownSecrets;
use crate::model::expect::{JsonExpectation, JsonWish};
use crate::model::lock::lock;
use crate::model::text::clean_line;

use lenient::readable;

/// Bytes of the longest document.
pub(crate) const DOCUMENT_MAX: usize = 4 << 20;
/// A longer one is read alone.
const LARGE: usize = 64 << 10;
static LARGE_DOCUMENT: Mutex<()> = Mutex::new(());
/// Values of a query that are looked at.
const VALUES_MAX: usize = 10_000;
/// Longest quote of a value and of its place, bytes.
const QUOTED_MAX: usize = 80;

/// Whether `document` is as expected; if not, why.
pub(crate) fn judge(
    document: &str,
    expectations: &[JsonExpectation],
    secrets: &KnownSecrets,
) -> Result<(), Unexpected> {
    let document = parsed(document).map_err(|error| Unexpected::NotJson(error.to_string()))?;
    let document = &document.value;
    let told = |text: &str| clean_line(&secrets.hidden_in(text), QUOTED_MAX);
    for JsonExpectation { path, query, wanted } in expectations {
        let but = match query {
            None => found_at(document, path, wanted, told),
            Some(query) => found_by(document, query, wanted, told),
        };
        let place = if path.is_empty() { "the document" } else { path };
        but.map_err(|but| Unexpected::Value(format!("{place} {but}, expected {wanted}")))?;
    }
    Ok(())
}

/// The text, number or boolean of `document` at `path`, or the first that `query` finds. If there is none, why; without any of the
/// document, which may hold secrets.
pub(crate) fn text_at(document: &str, path: &str, query: Option<&JsonPath>) -> Result<String, String> {
    let document = parsed(document).map_err(|error| format!("the body is not JSON: {error}"))?;
    let place = if path.is_empty() { "the document" } else { path };
    let (value, nothing) = match query {
        None => (document.value.pointer(path), "is missing"),
        Some(query) => (query.query(&document.value).first(), "finds nothing"),
    };
    match value {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Bool(on)) => Ok(on.to_string()),
        Some(Value::Null) => Err(format!("{place} is null")),
        Some(Value::Array(_)) => Err(format!("{place} is a list")),
        Some(Value::Object(_)) => Err(format!("{place} is an object")),
        None => Err(format!("{place} {nothing}")),
    }
}

/// A parsed document. Those of several hostile sites are not in memory together.
struct Document {
    value: Value,
    _one_at_a_time: Option<MutexGuard<'static, ()>>,
}

fn parsed(document: &str) -> Result<Document, serde_json::Error> {
    let one_at_a_time = (document.len() > LARGE).then(|| lock(&LARGE_DOCUMENT));
    let value = serde_json::from_str(document).or_else(|error| match readable(document) {
        // The place in the first error is that in the document.
        Some(document) => serde_json::from_str(&document).map_err(|_| error),
        None => Err(error),
    })?;
    Ok(Document { value, _one_at_a_time: one_at_a_time })
}

/// Why a document is not as expected.
pub(crate) enum Unexpected {
    /// It is none, for this reason.
    NotJson(String),
    /// A value of it is not; a sentence about it.
    Value(String),
}

fn found_at(document: &Value, path: &str, wanted: &JsonWish, told: impl Fn(&str) -> String) -> Result<(), String> {
    match (document.pointer(path), wanted) {
        (None, JsonWish::Absent) => Ok(()),
        (None, _) => Err("is missing".to_owned()),
        (Some(value), wanted) if is_met(value, wanted) => Ok(()),
        (Some(value), _) => Err(format!("is {}", told(&value.to_string()))),
    }
}

fn found_by(
    document: &Value,
    query: &JsonPath,
    wanted: &JsonWish,
    told: impl Fn(&str) -> String,
) -> Result<(), String> {
    let found = query.query_located(document);
    if found.len() > VALUES_MAX {
        return Err(format!("finds {} values, more than {VALUES_MAX}", found.len()));
    }
    if found.is_empty() {
        return if *wanted == JsonWish::Absent { Ok(()) } else { Err("finds nothing".to_owned()) };
    }
    match found.iter().find(|value| !is_met(value.node(), wanted)) {
        None => Ok(()),
        Some(value) => {
            Err(format!("finds {} at {}", told(&value.node().to_string()), told(&value.location().to_string())))
        }
    }
}

fn is_met(value: &Value, wanted: &JsonWish) -> bool {
    match wanted {
        JsonWish::Present => true,
        JsonWish::Absent => false,
        JsonWish::OneOf(values) => values.iter().any(|wanted| is_same(value, &wanted.what)),
        JsonWish::Compared(comparison, limit) => {
            value.as_f64().is_some_and(|number| comparison.holds(number, limit.what))
        }
        JsonWish::Matches(regex) => value.as_str().is_some_and(|text| regex.what.is_match(text.as_bytes())),
    }
}

fn is_same(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Number(value), Value::Number(wanted)) => is_same_number(value, wanted),
        (value, wanted) => value == wanted,
    }
}

/// Whether they have the same value, however they are written. Whole numbers beyond 2^53 are no doubles.
fn is_same_number(one: &Number, other: &Number) -> bool {
    one == other || (one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64()
}

#[cfg(test)]
mod tests {
    use regex::bytes::Regex;
    use serde_json::json;

    use super::*;
    use crate::model::Expected;
    use crate::model::expect::Comparison;

    fn expected<T>(what: T, shown: &str) -> Expected<T> {
        Expected { what, shown: shown.to_owned() }
    }

    fn at(path: &str, wanted: JsonWish) -> JsonExpectation {
        let query = path.starts_with('$').then(|| JsonPath::parse(path).unwrap());
        JsonExpectation { path: path.to_owned(), query, wanted }
    }

    fn is(value: Value) -> JsonWish {
        let shown = value.to_string();
        JsonWish::OneOf(vec![expected(value, &shown)])
    }

    fn compared(comparison: Comparison, limit: f64) -> JsonWish {
        JsonWish::Compared(comparison, expected(limit, &limit.to_string()))
    }

    fn matches(regex: &str) -> JsonWish {
        JsonWish::Matches(expected(Regex::new(regex).unwrap(), regex))
    }

    /// The sentence about `document`; empty if it is as expected.
    fn said(document: &str, path: &str, wanted: JsonWish) -> String {
        match judge(document, &[at(path, wanted)], &KnownSecrets::new(["hunter2-long"])) {
            Ok(()) => String::new(),
            Err(Unexpected::NotJson(why)) => format!("not JSON: {why}"),
            Err(Unexpected::Value(what)) => what,
        }
    }

    const HEALTH: &str = r#"{ "status": "ok", "n": 1, "text": "1", "half": 0.5, "big": 9007199254740993, "none": null, "on": true,
        "list": [10, {"a": "b"}], "a/b": 2, "m~n": 3, "": 4, "ü日": "yes", "nested": {"deep": {"er": []}},
        "checks": [{"state": "up", "critical": true}, {"state": "down", "critical": false}, {"state": "up"}] }"#;

    #[test]
    fn a_value_is_as_expected_or_the_sentence_says_what_it_is() {
        for (path, wanted, sentence) in [
            ("/status", is(json!("ok")), ""),
            ("/status", is(json!("up")), "/status is \"ok\", expected \"up\""),
            ("/n", is(json!(1)), ""),
            ("/n", is(json!(1.0)), ""),
            ("/n", is(json!("1")), "/n is 1, expected \"1\""),
            ("/text", is(json!(1)), "/text is \"1\", expected 1"),
            ("/half", is(json!(0.5)), ""),
            ("/big", is(json!(9_007_199_254_740_993_u64)), ""),
            ("/big", is(json!(9_007_199_254_740_992_u64)), "/big is 9007199254740993, expected 9007199254740992"),
            ("/none", is(Value::Null), ""),
            ("/none", JsonWish::Present, ""),
            ("/none", JsonWish::Absent, "/none is null, expected absent"),
            ("/on", is(json!(true)), ""),
            ("/on", is(json!("true")), "/on is true, expected \"true\""),
            ("/list/0", is(json!(10)), ""),
            ("/list/1/a", is(json!("b")), ""),
            ("/list/2", JsonWish::Absent, ""),
            ("/list/00", JsonWish::Absent, ""),
            ("/list/-", JsonWish::Absent, ""),
            ("/list", is(json!("x")), "/list is [10,{\"a\":\"b\"}], expected \"x\""),
            ("/a~1b", is(json!(2)), ""),
            ("/m~0n", is(json!(3)), ""),
            ("/", is(json!(4)), ""),
            ("", JsonWish::Present, ""),
            ("/ü日", matches("^y"), ""),
            ("/nested/deep/er", JsonWish::Present, ""),
            ("/missing", JsonWish::Absent, ""),
            ("/missing", JsonWish::Present, "/missing is missing, expected present"),
            ("/status/deeper", is(json!(1)), "/status/deeper is missing, expected 1"),
            ("/n", compared(Comparison::Less, 2.0), ""),
            ("/n", compared(Comparison::Less, 1.0), "/n is 1, expected < 1"),
            ("/n", compared(Comparison::AtMost, 1.0), ""),
            ("/n", compared(Comparison::AtLeast, 1.0), ""),
            ("/n", compared(Comparison::Greater, 1.0), "/n is 1, expected > 1"),
            ("/text", compared(Comparison::Less, 2.0), "/text is \"1\", expected < 2"),
            ("/status", matches("^o"), ""),
            ("/status", matches("^k"), "/status is \"ok\", expected a match of \"^k\""),
            ("/n", matches("1"), "/n is 1, expected a match of \"1\""),
        ] {
            assert_eq!(said(HEALTH, path, wanted), sentence, "{path}");
        }
    }

    #[test]
    fn a_text_that_was_cut_and_a_number_too_large_leave_the_rest_readable() {
        let document = r#"{"s":"ok","t":"cut \ud83d","big":1e999,"face":"\ud83d\ude00"}"#;
        for (path, wanted, sentence) in [
            ("/s", is(json!("ok")), ""),
            ("/t", is(json!("cut \u{fffd}")), ""),
            ("/face", is(json!("😀")), ""),
            ("/big", compared(Comparison::Greater, 1e300), ""),
            ("/big", compared(Comparison::Less, 1.0), "/big is 1.7976931348623157e+308, expected < 1"),
        ] {
            assert_eq!(said(document, path, wanted), sentence, "{path}");
        }
        assert_eq!(text_at(document, "/s", None).as_deref(), Ok("ok"));
        assert_eq!(text_at(document, "/t", None).as_deref(), Ok("cut \u{fffd}"));
    }

    #[test]
    fn of_the_values_of_a_query_each_is_as_expected_and_there_is_one() {
        let one_of = |values: [&str; 2]| {
            JsonWish::OneOf(values.map(|value| expected(json!(value), &format!("{value:?}"))).to_vec())
        };
        for (path, wanted, sentence) in [
            ("$.checks[?@.critical==true].state", is(json!("up")), ""),
            ("$.checks[*].state", one_of(["up", "down"]), ""),
            (
                "$.checks[*].state",
                one_of(["up", "slow"]),
                "$.checks[*].state finds \"down\" at $['checks'][1]['state'], expected \"up\" or \"slow\"",
            ),
            ("$.checks[?@.state=='gone']", JsonWish::Absent, ""),
            ("$.checks[?@.state=='down']", JsonWish::Present, ""),
            ("$.gone", is(json!(1)), "$.gone finds nothing, expected 1"),
            ("$..er", JsonWish::Present, ""),
        ] {
            assert_eq!(said(HEALTH, path, wanted), sentence, "{path}");
        }
        let many = format!("[{}1]", "1,".repeat(VALUES_MAX));
        assert_eq!(said(&many, "$[*]", is(json!(1))), "$[*] finds 10001 values, more than 10000, expected 1");
    }

    #[test]
    fn a_text_a_number_or_a_boolean_can_be_taken() {
        for (path, value) in [
            ("/status", Ok("ok")),
            ("/big", Ok("9007199254740993")),
            ("/half", Ok("0.5")),
            ("/on", Ok("true")),
            ("/none", Err("/none is null")),
            ("/list", Err("/list is a list")),
            ("/nested", Err("/nested is an object")),
            ("/gone", Err("/gone is missing")),
            ("", Err("the document is an object")),
            ("$.checks[?@.critical==false].state", Ok("down")),
            ("$.checks[*].state", Ok("up")),
            ("$.gone", Err("$.gone finds nothing")),
        ] {
            let query = path.starts_with('$').then(|| JsonPath::parse(path).unwrap());
            let found = text_at(HEALTH, path, query.as_ref());
            assert_eq!(found.as_deref().map_err(String::as_str), value, "{path}");
        }
        let why = text_at("hunter2", "/a", None).unwrap_err();
        assert_eq!(why, "the body is not JSON: expected value at line 1 column 1");
    }

    #[test]
    fn what_is_no_json_is_told_and_so_is_no_secret() {
        for (document, why) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("<h1>", "expected value at line 1 column 1"),
            ("{} x", "trailing characters at line 1 column 4"),
            ("{\"a\":1", "EOF while parsing an object at line 1 column 6"),
            ("{'a':1}", "key must be a string at line 1 column 2"),
            ("[1e999", "number out of range at line 1 column 6"),
            (r#"["\ud83d""#, "unexpected end of hex escape at line 1 column 9"),
        ] {
            assert_eq!(said(document, "/a", JsonWish::Present), format!("not JSON: {why}"), "{document}");
        }
        let deep = "[".repeat(129) + &"]".repeat(129);
        assert!(said(&deep, "/0", JsonWish::Present).contains("recursion limit exceeded"));
        let deep = "[".repeat(127) + &"]".repeat(127);
        assert_eq!(said(&deep, "/0", JsonWish::Present), "");
        let secret = r#"{"key": "it is hunter2-long and \u001b[31m\n longer than anybody would read, so that is left out of it"}"#;
        let said = said(secret, "/key", is(json!("x")));
        assert!(said.starts_with("/key is \"it is *** and \\u001b[31m\\n longer than"), "{said}");
        assert!(said.len() < 130 && said.ends_with("…, expected \"x\""), "{said}");
    }
}
