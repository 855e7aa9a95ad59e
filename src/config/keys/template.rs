//! The commented sites.yaml of `webmon init`, printed from [`super::declared`].
//!
//! Keys that most users change are written with their defaults; the others are comments. Invariant, held by a test: the
//! sites.yaml in the repository is this file.

use std::fmt::Write as _;

use crate::model::time::duration;

use super::declared::{DeclaredKey, FILE, SITE, UNUSED, ValueForm};
use super::value::format_size;

/// The column of the comments behind keys, and behind keys that are comments themselves.
const COMMENTS_AT: usize = 33;
const EXAMPLE_COMMENTS_AT: usize = 54;

/// Public sites for a first look.
const FIRST_SITES: [(&str, &str); 5] = [
    ("Rust", "https://www.rust-lang.org"),
    ("Wikipedia", "https://www.wikipedia.org"),
    ("Debian", "https://www.debian.org"),
    ("Linux kernel", "https://www.kernel.org"),
    ("Example", "https://example.com"),
];

/// Sites with other schemes, and what is checked.
const OTHER_SITES: [(&str, &str); 3] = [
    (
        r#"{ name: live, url: wss://live.example/ws, send: '{"op":"ping"}', expect: { body_contains: pong } }"#,
        "a WebSocket, and its first message",
    ),
    ("{ name: turn, url: tls://turn.example:5349 }", "a port: the TLS handshake and the certificate"),
    (
        "{ name: mail, url: tcp://mail.example:25, expect: { body_contains: \"220 \" } }",
        "a port, and what it says first",
    ),
];

/// The text of the file.
#[must_use]
pub fn template() -> String {
    let mut page = Page::default();
    page.line("# The websites that webmon watches. Check changes with: webmon validate");
    page.line("# An editor that knows this file's JSON Schema completes and checks it: webmon schema");
    for key in FILE {
        page.line("");
        page.top(key);
    }
    page.text
}

/// Whether most of a section can stand there as it is.
fn has_defaults(keys: &[DeclaredKey]) -> bool {
    keys.len() > 1 && keys.iter().any(|key| !key.default.is_empty())
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{}", line.trim_end()).expect("writing to a String cannot fail");
    }

    /// Writes `left`, and `comment` at column `at`.
    fn commented(&mut self, left: &str, at: usize, comment: &str) {
        if comment.is_empty() {
            self.line(left);
        } else {
            self.line(&format!("{left:<width$} # {comment}", width = at - 1));
        }
    }

    /// Writes a top-level key and everything below it.
    fn top(&mut self, key: &DeclaredKey) {
        match &key.form {
            ValueForm::Sites(keys) => self.sites(keys),
            ValueForm::Section(_) if key.name == "defaults" => {
                self.commented("defaults:", COMMENTS_AT, key.doc);
                for key in SITE.iter().filter(|key| ["interval", "timeout"].contains(&key.name)) {
                    self.key("  ", key, key.default, COMMENTS_AT);
                }
            }
            // A section with a required key is written as a whole.
            ValueForm::Section(keys) if has_defaults(keys) && !keys.iter().any(|key| key.required) => {
                self.commented(&format!("{}:", key.name), COMMENTS_AT, key.doc);
                for key in *keys {
                    self.active("  ", key);
                }
            }
            _ => self.example("# ", key),
        }
    }

    fn sites(&mut self, keys: &[DeclaredKey]) {
        self.line("sites:");
        self.line("  # The short form is the URL alone:  - https://www.example.com");
        for (name, url) in FIRST_SITES {
            self.line(&format!("  - name: {name}\n    url: {url}"));
        }
        self.line("\n  # All keys of a site:");
        let is_useless = |key: &&DeclaredKey| {
            UNUSED.iter().any(|unused| unused.path == [key.name] && unused.schemes.contains(&"https"))
        };
        let (several, one): (Vec<&DeclaredKey>, _) = keys.iter().partition(|key| key.name == "steps");
        for (index, key) in one.into_iter().filter(|key| !is_useless(key)).enumerate() {
            self.example(if index == 0 { "  # - " } else { "  #   " }, key);
        }
        for (site, what) in OTHER_SITES {
            self.commented(&format!("  # - {site}"), EXAMPLE_COMMENTS_AT, what);
        }
        // A site has either a URL or these.
        for key in several {
            self.key("  # - ", key, "", EXAMPLE_COMMENTS_AT);
            self.steps(key.form.keys());
        }
    }

    /// Writes two steps as comments: one that takes values, and one that sends them.
    fn steps(&mut self, keys: &[DeclaredKey]) {
        let takes = |key: &&DeclaredKey| ["name", "url", "method", "body", "take"].contains(&key.name);
        let sends = |key: &&DeclaredKey| key.name == "url" || !takes(key);
        let (taking, sending) = (keys.iter().filter(takes), keys.iter().filter(sends));
        for keys in [taking.collect::<Vec<_>>(), sending.collect()] {
            for (index, key) in keys.into_iter().enumerate() {
                self.example(if index == 0 { "  #     - " } else { "  #       " }, key);
            }
        }
    }

    /// Writes a key with its default, or as a comment if it has none.
    fn active(&mut self, indent: &str, key: &DeclaredKey) {
        if key.default.is_empty() || key.is_rare {
            return self.inactive(indent, key);
        }
        let ValueForm::List(..) = key.form else {
            return self.key(indent, key, key.default, COMMENTS_AT);
        };
        self.commented(&format!("{indent}{}:", key.name), COMMENTS_AT, key.doc);
        for item in key.default.trim_matches(['[', ']']).split_inclusive('}') {
            self.line(&format!("{indent}  - {}", item.trim_start_matches([',', ' '])));
        }
    }

    /// Writes a key as a comment of one line, or of two for a mapping of mappings.
    fn inactive(&mut self, indent: &str, key: &DeclaredKey) {
        match &key.form {
            ValueForm::Section(_) if !key.example.is_empty() => {
                self.key(&format!("{indent}# "), key, key.example, COMMENTS_AT);
            }
            ValueForm::Section(keys) => {
                let members: Vec<String> = keys.iter().map(|key| format!("{}: {}", key.name, key.shown())).collect();
                self.key(&format!("{indent}# "), key, &format!("{{ {} }}", members.join(", ")), COMMENTS_AT);
            }
            ValueForm::List(keys, _) => {
                let members: Vec<String> = keys.iter().map(|key| format!("{}: {}", key.name, key.shown())).collect();
                self.key(&format!("{indent}# "), key, "", COMMENTS_AT);
                self.line(&format!("{indent}#   - {{ {} }}", members.join(", ")));
            }
            ValueForm::Outlets(_) => {
                self.key(&format!("{indent}# "), key, "", COMMENTS_AT);
                self.line(&format!("{indent}#   {}", key.example.trim_matches(['{', '}', ' ']).to_owned() + " }"));
            }
            _ => self.key(&format!("{indent}# "), key, key.shown(), COMMENTS_AT),
        }
    }

    /// Writes a key and everything below it as comments.
    fn example(&mut self, indent: &str, key: &DeclaredKey) {
        let ValueForm::Section(keys) = &key.form else {
            return self.key(indent, key, key.shown(), EXAMPLE_COMMENTS_AT);
        };
        if !key.example.is_empty() {
            return self.key(indent, key, key.example, EXAMPLE_COMMENTS_AT);
        }
        self.commented(&format!("{indent}{}:", key.name), EXAMPLE_COMMENTS_AT, key.doc);
        for inner in *keys {
            self.example(&format!("{indent}  "), inner);
        }
    }

    fn key(&mut self, indent: &str, key: &DeclaredKey, value: &str, comments_at: usize) {
        self.commented(&format!("{indent}{}: {value}", key.name), comments_at, &comment(key));
    }
}

/// The description of a key and its accepted values.
fn comment(key: &DeclaredKey) -> String {
    let can = match &key.form {
        ValueForm::Duration(range) => {
            format!("{} to {}", duration::format(*range.start()), duration::format(*range.end()))
        }
        ValueForm::Size(range) => format!("{} to {}", format_size(*range.start()), format_size(*range.end())),
        ValueForm::Choice(words) => words.join(", "),
        _ => return key.doc.to_owned(),
    };
    format!("{}: {can}", key.doc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_the_template() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/sites.yaml");
        if std::env::var_os("WEBMON_BLESS").is_some() {
            std::fs::write(path, template()).unwrap();
        }
        // A checkout may have other line endings.
        let shipped = std::fs::read_to_string(path).unwrap().replace('\r', "");
        assert_eq!(shipped, template(), "WEBMON_BLESS=1 updates it");
    }

    #[test]
    fn commented_keys_are_valid() {
        let site = template()
            .lines()
            .skip_while(|line| !line.contains("All keys of a site"))
            .skip(1)
            .map_while(|line| Some(format!("  {}\n", line.strip_prefix("  # ")?)))
            .collect::<String>();
        // Without an environment neither variables nor files are read.
        let scope = crate::config::Substitutions::new(None, std::path::Path::new("/etc"));
        let config = crate::config::validate(
            &format!("sites:\n  - {{ name: gateway, url: https://g.example }}\n{site}"),
            "sites.yaml",
            scope,
            false,
        );
        assert_eq!(config.unwrap_or_else(|error| panic!("{error}")).sites.len(), 3 + OTHER_SITES.len());
        assert!(site.lines().count() > 20, "{site}");
    }
}
