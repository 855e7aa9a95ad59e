//! What the JSON Schema says about the schemes of sites: which URLs there are, and which keys do nothing beside one.

use serde_json::{Map, Value, json};

use crate::model::protocol::{Protocol, SCHEMES};

use super::declared::{UNUSED, UPGRADED, UPGRADING};

/// A URL of the web.
fn web() -> Value {
    json!({ "type": "string", "pattern": r"^\s*[hH][tT][tT][pP][sS]?:" })
}

/// A URL of the web, or of a site.
pub(super) fn url(is_of_site: bool) -> Value {
    if !is_of_site {
        return web();
    }
    let bare = |protocol: Protocol| protocol == Protocol::Bare;
    let names = |is_bare: bool| {
        let schemes = SCHEMES.iter().filter(|scheme| bare(scheme.protocol) == is_bare);
        schemes.map(|scheme| any_case(scheme.name)).collect::<Vec<_>>().join("|")
    };
    json!({ "anyOf": [
        { "type": "string", "pattern": format!(r"^\s*({}):", names(false)) },
        { "type": "string", "pattern": format!(r"^\s*({})://[^/?#@\s]+:[0-9]+/?\s*$", names(true)) },
    ] })
}

/// `site`, the mapping of a site, without the keys that do nothing with the scheme of its URL.
pub(super) fn judged(mut site: Value) -> Value {
    site["allOf"] = SCHEMES.iter().map(|scheme| rule(scheme.name)).collect();
    site
}

/// What holds for sites whose URLs have the scheme `name`.
fn rule(name: &str) -> Value {
    let (mut keys, mut sections) = (Map::new(), Map::new());
    for unused in UNUSED.iter().filter(|unused| unused.schemes.contains(&name)) {
        match unused.path {
            [key] => drop(keys.insert((*key).to_owned(), json!(false))),
            [section, key] => {
                sections.entry(*section).or_insert_with(|| json!({ "properties": {} }))["properties"][*key] =
                    json!(false);
            }
            _ => {}
        }
    }
    if UPGRADED.contains(&name) {
        let numbers = UPGRADING.iter().filter_map(|word| word.parse::<f64>().ok());
        let words: Vec<Value> =
            UPGRADING.iter().map(|word| json!(word)).chain(numbers.map(|number| json!(number))).collect();
        keys.insert("http".to_owned(), json!({ "anyOf": [{ "enum": words }, { "$ref": "#/definitions/expression" }] }));
    }
    keys.extend(sections);
    json!({
        "if": {
            "properties": { "url": { "type": "string", "pattern": format!(r"^\s*{}:", any_case(name)) } },
            "required": ["url"],
        },
        "then": { "properties": keys },
    })
}

/// A pattern for `name` in any case.
fn any_case(name: &str) -> String {
    name.chars().flat_map(|c| ['[', c, c.to_ascii_uppercase(), ']']).collect()
}
