//! Finds the secrets in the text of a configuration, so that messages mask them.
//!
//! A secret is recognized by its position, not by its look: values of keys about credentials, everything under `headers` and
//! `body`, userinfo and query values of URLs, defaults of expressions. The rest of a `${…}` stays readable, because it only names
//! a secret. In a text that is not YAML, only the keys of the line and of the lines above are known.

use std::collections::HashSet;
use std::ops::Range;

use crate::config::keys::declared;
use crate::config::syntax::quote::{PEM, Position, WORDS, is_sensitive, misplaced};
use crate::config::syntax::tree::{Kind, NodeId, Tree};
use crate::config::syntax::variables;
use crate::model::text::redact::url_secrets;

/// Authentication schemes, which are not secret.
const SCHEMES: [&str; 4] = ["Basic", "Bearer", "Digest", "Token"];

/// Lines above a broken one that are searched for its keys.
const LINES_ABOVE_MAX: usize = 100;

/// Levels below a secret key that are searched for its values.
const DEPTH_MAX: usize = 3;

/// Byte ranges to show as stars.
#[derive(Debug, Default)]
pub(crate) struct Redactor(Vec<Range<usize>>);

impl Redactor {
    /// The secrets of a document; `hidden` are the values of secret and of unknown keys.
    pub(crate) fn of_tree(tree: &Tree<'_>, text: &str, hidden: &[NodeId]) -> Self {
        let (mut secrets, mut seen) = (Self::default(), HashSet::new());
        for (key, value) in tree.pairs() {
            let key = tree.text(key).unwrap_or_default().to_ascii_lowercase();
            if key.starts_with("header") || ["body", "form"].contains(&key.as_str()) || is_secret(&key) {
                secrets.add_values(tree, value, text, 0, &mut seen);
            }
        }
        for (key, _) in tree.pairs() {
            secrets.add_misplaced(text, tree.span(key), Position::Key);
        }
        for &id in hidden {
            secrets.add_values(tree, id, text, 0, &mut seen);
        }
        for (_, span) in tree.scalars() {
            secrets.add_misplaced(text, span.clone(), Position::Value);
            secrets.add_url(text, span);
        }
        secrets.add_defaults(text, 0..text.len());
        secrets.sorted()
    }

    /// The secrets in the line at `at` of a text without a tree, by the keys of this line and of those above.
    pub(crate) fn of_line(text: &str, at: usize) -> Self {
        let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
        let end = text[at..].find('\n').map_or(text.len(), |found| at + found);
        let mut secrets = Self::default();
        let line = text[start..end].to_ascii_lowercase();
        for word in WORDS.into_iter().chain(["header", "body"]) {
            let value = line.find(word).and_then(|at| line[at..].find([':', ' ']).map(|colon| at + colon + 1));
            if let Some(value) = value {
                secrets.add_literal(text, start + value..end);
            }
        }
        let key = line.trim_start_matches([' ', '-', '\t', '{']).split(':').next().unwrap_or_default().trim_end();
        for name in declared::secret_keys().chain(["heartbeat", "form"]) {
            // As a key, also in braces.
            let mut keys = line.match_indices(name).map(|(at, _)| at + name.len());
            if let Some(value) = keys.find(|&end| line[end..].trim_start_matches(['"', '\'', ' ']).starts_with(':')) {
                secrets.add_literal(text, start + value + 1..end);
            }
        }
        if let Some(colon) = line.find(": ").filter(|_| key != "<<" && !declared::is_key(key)) {
            secrets.add_literal(text, start + colon + 1..end);
        }
        if let Some(is_mapping) = below_a_secret_key(&text[..start], indent(&line)) {
            let value = if is_mapping { line.find([':', ' ']).map_or(0, |colon| colon + 1) } else { 0 };
            secrets.add_literal(text, start + value..end);
        }
        secrets.add_misplaced(text, start..end, Position::Value);
        secrets.add_pem_above(text, start..end);
        secrets.add_url(text, start + url_start(&text[start..end])..end);
        secrets.add_defaults(text, start..end);
        secrets.sorted()
    }

    /// Whether the byte `at` is part of a secret.
    pub(crate) fn hide(&self, at: usize) -> bool {
        let after = self.0.partition_point(|range| range.start <= at);
        after.checked_sub(1).is_some_and(|last| at < self.0[last].end)
    }

    /// Adds every value at `id` and below, but no key. `seen` are the finished positions with their depths, so that nested
    /// aliases cost nothing.
    fn add_values(
        &mut self,
        tree: &Tree<'_>,
        id: NodeId,
        text: &str,
        depth: usize,
        seen: &mut HashSet<(usize, usize)>,
    ) {
        let below: Vec<NodeId> = match tree.kind(id) {
            Kind::Scalar { .. } => return self.add_literal(text, tree.span(id)),
            Kind::List(items) => items.clone(),
            Kind::Map(pairs) => pairs.iter().map(|&(_, value)| value).collect(),
        };
        if depth < DEPTH_MAX && seen.insert((tree.span(id).start, depth)) {
            for id in below {
                self.add_values(tree, id, text, depth + 1, seen);
            }
        }
    }

    /// Adds the default of every expression in `span`.
    fn add_defaults(&mut self, text: &str, span: Range<usize>) {
        for expression in variables::expressions(&text[span.clone()]) {
            let expression = span.start + expression.start..span.start + expression.end;
            if let Some(default) = text[expression.clone()].find(":-") {
                self.0.push(
                    expression.start + default + 2..expression.end - usize::from(text[expression].ends_with('}')),
                );
            }
        }
    }

    /// Adds `span` except its `${…}`; an invalid one may be part of a password.
    fn add_literal(&mut self, text: &str, span: Range<usize>) {
        let mut from = span.start;
        let expressions = variables::expressions(&text[span.clone()]);
        for expression in
            expressions.filter(|at| variables::is_expression(&text[span.start + at.start..span.start + at.end]))
        {
            self.add_words(text, from..span.start + expression.start);
            from = span.start + expression.end;
        }
        self.add_words(text, from..span.end);
    }

    /// Adds the words in `span` except authentication schemes.
    fn add_words(&mut self, text: &str, span: Range<usize>) {
        let mut from = span.start;
        for word in text[span].split_inclusive([' ', '\t', '\n', '"', '\'']) {
            let bare = word.trim_end_matches([' ', '\t', '\n', '"', '\'']);
            if !SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(bare)) {
                self.0.push(from..from + bare.len());
            }
            from += word.len();
        }
    }

    /// Adds a secret in `span` that belongs elsewhere: the value of a header, a private key.
    fn add_misplaced(&mut self, text: &str, span: Range<usize>, place: Position) {
        if let Some(from) = misplaced(&text[span.clone()], place) {
            self.add_literal(text, span.start + from..span.end);
        }
    }

    /// Adds the line at `span` if it is inside a key or a certificate that begins above.
    fn add_pem_above(&mut self, text: &str, span: Range<usize>) {
        let above = text[..span.start].lines().rev().take(LINES_ABOVE_MAX);
        let edge = above.map(str::to_ascii_lowercase).find(|line| line.contains("-----"));
        if edge.is_some_and(|line| line.contains(PEM) && !line.contains("-----end")) {
            self.0.push(span);
        }
    }

    /// Adds the secrets of a possible URL in `span`.
    fn add_url(&mut self, text: &str, span: Range<usize>) {
        for secret in url_secrets(&text[span.clone()]) {
            self.add_literal(text, span.start + secret.start..span.start + secret.end);
        }
    }

    /// Sorts and merges the ranges for [`Self::hide`].
    fn sorted(mut self) -> Self {
        self.0.sort_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<usize>> = Vec::new();
        for range in self.0 {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        Self(merged)
    }
}

/// Whether the value of the key of this name, in lower case, is a secret as a whole.
fn is_secret(key: &str) -> bool {
    is_sensitive(key) || declared::secret_keys().any(|secret| secret == key)
}

/// Whether a line with this indentation, after `above`, belongs to a key with secret values, and if so whether these have keys
/// themselves.
fn below_a_secret_key(above: &str, mut depth: usize) -> Option<bool> {
    for line in above.lines().rev().filter(|line| !line.trim().is_empty()).take(LINES_ABOVE_MAX) {
        if indent(line) >= depth {
            continue;
        }
        depth = indent(line);
        let key = line.trim_start_matches([' ', '-']).split(':').next().unwrap_or_default().to_ascii_lowercase();
        if key.starts_with("header") {
            return Some(true);
        }
        if key == "heartbeat" || key == "form" {
            return Some(true);
        }
        if key == "body" || is_secret(&key) {
            return Some(false);
        }
    }
    None
}

/// The start of a possible URL of a line: its scheme, or its value after `url:` or after another key.
fn url_start(line: &str) -> usize {
    let scheme = line.find("://").map(|at| {
        let name = line[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        name.len()
    });
    let value = |key: &str| line.find(key).map(|at| at + key.len());
    scheme.or_else(|| value("url:")).or_else(|| value(": ")).or_else(|| value("- ")).unwrap_or(0)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::syntax::quote::quotable;

    #[test]
    fn misplaced_secrets_are_quoted_with_stars() {
        for (text, place, quoted) in [
            ("Authorization: Bearer S3CRET", Position::Key, "Authorization: ***"),
            ("authorization=S3CRET", Position::Key, "authorization=***"),
            ("Authorization Bearer S3CRET", Position::Key, "Authorization ***"),
            ("X-Mine: S3CRET", Position::Key, "X-Mine: ***"),
            ("-----BEGIN PRIVATE KEY-----S3CRET", Position::Key, "-----BEGIN ***"),
            ("Authorization: Bearer S3CRET", Position::Value, "Authorization: ***"),
            ("Bearer S3CRET", Position::Value, "Bearer ***"),
            ("http://ada:S3CRET@h/", Position::Key, "http://***@h/"),
            ("intervall", Position::Key, "intervall"),
            ("A B", Position::Key, "A B"),
            ("tokens", Position::Key, "tokens"),
            ("10:30", Position::Value, "10:30"),
            ("Password reset", Position::Value, "Password reset"),
        ] {
            assert_eq!(quotable(text, place), quoted, "{text}");
        }
    }
}
