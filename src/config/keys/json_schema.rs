//! The JSON Schema of sites.yaml, printed from [`super::declared`], for editors and other checkers.
//!
//! A schema sees the types of YAML and the reader sees texts, so a form allows each type that its text can have: `2` and `"2"`,
//! `true` and `"true"`, and everywhere a text with `${…}`. Only the reader checks ranges of durations and sizes, unique names,
//! patterns and files. The draft is 7, which all editors know.

use serde_json::{Map, Value, json};

use super::declared::{DeclaredKey, FILE, SERVICES, ValueForm};
use super::schemes;
use super::value::UNITS;

/// The schema, as indented JSON without a line feed at the end.
#[must_use]
pub fn schema() -> String {
    let mut root = mapping(FILE, false);
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["title"] = json!("sites.yaml of webmon");
    root["definitions"] = json!({
        "expression": {
            "description": "a text with ${VAR}, ${VAR:-default} or ${file:PATH} in it",
            "type": "string",
            "pattern": r"\$\{",
        },
    });
    serde_json::to_string_pretty(&root).expect("a value is always JSON")
}

/// A mapping with these keys; `or_nothing` allows null instead.
fn mapping(keys: &[DeclaredKey], or_nothing: bool) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let mut mapping = json!({
        "type": if or_nothing { json!(["object", "null"]) } else { json!("object") },
        "properties": properties,
        // Keys that begin with x- are ignored; a merge may bring any key.
        "patternProperties": { "^x-": true, "^<<$": true },
        "additionalProperties": false,
    });
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    if !required.is_empty() {
        mapping["anyOf"] = json!([{ "required": required }, { "required": ["<<"] }]);
    }
    mapping
}

fn property(key: &DeclaredKey) -> Value {
    let mut property = form(&key.form);
    property["description"] = json!(key.doc);
    let typed = |text: &str| match &key.form {
        ValueForm::Boolean => json!(text == "true"),
        ValueForm::Whole(_) | ValueForm::Or(_, ValueForm::Whole(_)) => {
            text.parse::<u32>().map_or_else(|_| json!(text), |number| json!(number))
        }
        _ => json!(text),
    };
    // The members of collections have their own defaults and examples.
    if !matches!(
        key.form,
        ValueForm::List(..)
            | ValueForm::Section(_)
            | ValueForm::Choices(..)
            | ValueForm::Headers
            | ValueForm::HeaderWishes
            | ValueForm::JsonWishes
            | ValueForm::Records(_)
            | ValueForm::Texts(_)
            | ValueForm::Words(_)
            | ValueForm::Outlets(_)
            | ValueForm::Takes(_)
            | ValueForm::Or(_, ValueForm::Section(_))
    ) {
        if !key.default.is_empty() {
            property["default"] = typed(key.default);
        }
        if !key.example.is_empty() {
            property["examples"] = json!([typed(key.example.trim_matches(['\'', '"']))]);
        }
    }
    property
}

fn form(written: &ValueForm) -> Value {
    match written {
        ValueForm::Duration(_) => or_expression(&pattern(r"^\s*([0-9]+(ms|s|m|h|d))+\s*$")),
        ValueForm::Size(_) => {
            let units: Vec<&str> = UNITS.iter().map(|(unit, _)| *unit).collect();
            or_expression(&pattern(&format!(r"^\s*[0-9]+\s*({})\s*$", units.join("|"))))
        }
        ValueForm::Whole(range) => json!({ "anyOf": [
            { "type": "integer", "minimum": range.start(), "maximum": range.end() },
            pattern(r"^\s*[0-9]+\s*$"),
            expression(),
        ] }),
        ValueForm::Percentage => or_expression(&pattern(r"^\s*[0-9]{1,3}(\.[0-9]{1,4})?\s*%\s*$")),
        ValueForm::Boolean => json!({ "anyOf": [{ "type": "boolean" }, { "enum": ["true", "false"] }, expression()] }),
        ValueForm::Choice(words) => or_expression(&choice(words)),
        ValueForm::Text => text(),
        ValueForm::Url | ValueForm::SiteUrl => or_expression(&schemes::url(matches!(written, ValueForm::SiteUrl))),
        ValueForm::Path => json!({ "type": "string", "minLength": 1 }),
        ValueForm::Status => status(),
        ValueForm::Headers => headers(),
        ValueForm::HeaderWishes => header_wishes(),
        ValueForm::JsonWishes => json_wishes(),
        ValueForm::Records(most) => records(*most),
        ValueForm::Texts(_) => json!({
            "type": ["object", "null"],
            "patternProperties": { "^<<$": true },
            "additionalProperties": text(),
        }),
        ValueForm::Words(most) => json!({ "type": "array", "items": text(), "minItems": 1, "maxItems": most }),
        ValueForm::NameServers(words, most) => json!({ "anyOf": [
            choice(words),
            expression(),
            { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": most },
        ] }),
        ValueForm::Choices(words, least) => json!({
            "type": "array",
            "items": { "anyOf": [choice(words), expression()] },
            "minItems": least,
        }),
        ValueForm::Names(most) => json!({ "anyOf": [
            text(),
            { "type": "array", "items": text(), "maxItems": most },
        ] }),
        ValueForm::Proxy(words) => proxy(words),
        ValueForm::Pins(most) => pins(*most),
        ValueForm::Quorum => quorum(),
        ValueForm::Locations(most) => locations(*most),
        ValueForm::Servers(most) => servers(*most),
        ValueForm::Calm(_) => calm(),
        ValueForm::Or(word, other) => json!({ "anyOf": [form(other), choice(&[word])] }),
        ValueForm::Shorthand(keys) => shorthand(keys),
        ValueForm::Outlets(keys) => outlets(keys),
        ValueForm::Takes(keys) => takes(keys),
        ValueForm::Any => json!({}),
        ValueForm::Sites(keys) => json!({
            "type": "array",
            "minItems": 1,
            "items": { "anyOf": [schemes::url(true), expression(), schemes::judged(site(keys))] },
        }),
        ValueForm::List(keys, number) => json!({
            "type": "array",
            "items": mapping(keys, false),
            "minItems": number.start(),
            "maxItems": number.end(),
        }),
        ValueForm::Section(keys) => mapping(keys, true),
    }
}

fn calm() -> Value {
    let one = "([0-9]+(ms|s|m|h|d))+";
    let range = pattern(&format!(r"^\s*{one}\s*\.\.\s*{one}\s*$"));
    json!({ "anyOf": [range, choice(&["off"]), expression()] })
}

fn quorum() -> Value {
    let share = pattern(r"^\s*[0-9]+%?\s*$");
    json!({ "anyOf": [choice(&["majority", "any", "all"]), { "type": "integer", "minimum": 1 }, share, expression()] })
}

fn locations(most: u32) -> Value {
    let name = json!({ "anyOf": [pattern("^[0-9a-z-]{1,32}$"), { "type": "integer", "minimum": 0 }, expression()] });
    json!({ "anyOf": [
        choice(&["all"]),
        { "type": "integer", "minimum": 1, "maximum": most },
        pattern(r"^\s*[0-9]+\s*$"),
        expression(),
        { "type": "array", "items": name, "minItems": 1, "maxItems": most, "uniqueItems": true },
    ] })
}

fn proxy(words: &[&str]) -> Value {
    let url = pattern(r"^\s*([hH][tT][tT][pP][sS]?|[sS][oO][cC][kK][sS]5[hH]?)://\S+\s*$");
    json!({ "anyOf": [choice(words), url, expression()] })
}

fn pins(most: usize) -> Value {
    let one = or_expression(&pattern(r"^\s*sha256/[0-9A-Za-z+/]{43}=\s*$"));
    json!({ "anyOf": [one, { "type": "array", "items": one, "maxItems": most }] })
}

fn servers(most: usize) -> Value {
    let one = or_expression(&pattern(r"^\s*([tT][lL][sS]|[nN][aA][tT][sS])://\S+\s*$"));
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": most }] })
}

fn shorthand(keys: &[DeclaredKey]) -> Value {
    // What a mapping leaves out may be inherited.
    let mut long = mapping(keys, true);
    if let Some(long) = long.as_object_mut() {
        long.remove("anyOf");
    }
    json!({ "anyOf": [form(&keys[0].form), long] })
}

/// Each outlet names its service.
fn outlets(keys: &[DeclaredKey]) -> Value {
    let mut outlet = mapping(keys, false);
    let services = keys[..SERVICES].iter().map(|key| json!({ "required": [key.name] }));
    outlet["anyOf"] = services.chain([json!({ "required": ["<<"] })]).collect();
    json!({
        "type": ["object", "null"],
        "patternProperties": { "^<<$": true },
        "propertyNames": { "pattern": "^[^.]{1,40}$" },
        "additionalProperties": outlet,
    })
}

/// A site has a URL or steps.
fn site(keys: &[DeclaredKey]) -> Value {
    let mut site = mapping(keys, false);
    site["anyOf"] = json!([{ "required": ["url"] }, { "required": ["steps"] }, { "required": ["<<"] }]);
    site["not"] = json!({ "required": ["url", "steps"] });
    site
}

/// Each value is taken from one place.
fn takes(keys: &[DeclaredKey]) -> Value {
    let mut take = mapping(keys, false);
    take["anyOf"] =
        keys.iter().map(|key| json!({ "required": [key.name] })).chain([json!({ "required": ["<<"] })]).collect();
    json!({
        "type": ["object", "null"],
        "patternProperties": { "^<<$": true },
        "propertyNames": { "pattern": "^(<<|[A-Za-z_][0-9A-Za-z_-]{0,39})$" },
        "additionalProperties": take,
    })
}

fn status() -> Value {
    let one = json!({ "anyOf": [
        { "type": "integer", "minimum": 100, "maximum": 999 },
        pattern(r"^\s*[1-9][0-9]{2}(\s*-\s*[1-9][0-9]{2})?(\s*,\s*[1-9][0-9]{2}(\s*-\s*[1-9][0-9]{2})?)*\s*$"),
        expression(),
    ] });
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}

/// A mapping from names of headers to their values.
fn headers() -> Value {
    json!({
        "type": ["object", "null"],
        "patternProperties": { "^<<$": true },
        "propertyNames": { "pattern": r"^[!#$%&'*+\-.^_`|~0-9A-Za-z<]+$" },
        "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
    })
}

/// A mapping from names of headers to what they must be.
fn header_wishes() -> Value {
    json!({
        "type": ["object", "null"],
        "patternProperties": { "^<<$": true },
        "propertyNames": { "pattern": r"^[!#$%&'*+\-.^_`|~0-9A-Za-z<]+$" },
        "additionalProperties": { "anyOf": [text(), { "type": "null" }, regex()] },
    })
}

/// A mapping from places of a JSON document to what must be there.
fn json_wishes() -> Value {
    let one = json!({ "type": ["string", "number", "boolean", "null"] });
    json!({
        "type": ["object", "null"],
        "patternProperties": { "^<<$": true },
        "propertyNames": { "pattern": r"^(<<|\$.*|(/([^~]|~[01])*)?)$" },
        "additionalProperties": { "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }, regex()] },
    })
}

/// Records of one type: all of them, one of them, or a word; null for records that must not exist.
fn records(most: usize) -> Value {
    let one = json!({ "type": "string", "minLength": 1 });
    json!({ "anyOf": [
        one,
        { "type": "null" },
        { "type": "array", "items": one, "minItems": 1, "maxItems": most },
        {
            "type": "object",
            "properties": { "contains": one },
            "required": ["contains"],
            "additionalProperties": false,
        },
    ] })
}

fn regex() -> Value {
    json!({
        "type": "object",
        "properties": { "regex": text() },
        "required": ["regex"],
        "additionalProperties": false,
    })
}

/// Any scalar: a name may look like a number, for instance.
fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

/// One of `words`, also as a number where YAML reads one, and `off` as the boolean that YAML 1.1 reads.
fn choice(words: &[&str]) -> Value {
    let numbers = words.iter().filter_map(|word| word.parse::<serde_json::Number>().ok());
    let off = words.contains(&"off").then_some(Value::Bool(false));
    let words = words.iter().map(|word| json!(word));
    json!({ "enum": words.chain(numbers.map(Value::Number)).chain(off).collect::<Vec<_>>() })
}

fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn expression() -> Value {
    json!({ "$ref": "#/definitions/expression" })
}

fn or_expression(value: &Value) -> Value {
    json!({ "anyOf": [value, expression()] })
}
