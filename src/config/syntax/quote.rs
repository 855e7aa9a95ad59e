//! Quotes texts in messages, with misplaced secrets as `***`.

use crate::model::text::redact::redacted;

pub(crate) const WORDS: [&str; 10] =
    ["authorization", "cookie", "token", "secret", "password", "passwd", "apikey", "api-key", "api_key", "credential"];

/// The start of a PEM key or certificate (RFC 7468), in lower case.
pub(crate) const PEM: &str = "-----begin";

/// The position of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// A key, or the name of a header.
    Key,
    /// A value.
    Value,
}

/// A key or the name of a header with its secrets as `***`.
pub(crate) fn quotable_key(text: &str) -> String {
    quotable(text, Position::Key)
}

/// `message`, which may quote any part of the value `text`, or a generic one if the value contains a secret.
pub(crate) fn safe(message: String, text: &str) -> String {
    let quoted = quotable(text, Position::Value);
    if quoted == text { message } else { format!("{quoted:?} is not valid here") }
}

pub(crate) fn quotable(text: &str, place: Position) -> String {
    match misplaced(text, place).filter(|&from| from < text.len()) {
        Some(from) => format!("{}***", redacted(&text[..from])),
        None => redacted(text),
    }
}

/// The start of a misplaced secret in `text`: after `-----BEGIN`, after a word such as `token:` or `Bearer`, or in a key after any
/// colon or equals sign.
pub(crate) fn misplaced(text: &str, place: Position) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    // URLs are masked elsewhere, with the keys of their query visible.
    let is_url = lower.trim_start_matches(['"', '\'']).starts_with("http");
    let pem = lower.find(PEM).map(|at| at + PEM.len());
    let assigned = WORDS.iter().filter(|_| place == Position::Key || !is_url).filter_map(|word| {
        let after = lower.find(word)? + word.len();
        let sign = after + lower[after..].find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'))?;
        let gap = lower[sign..].len() - lower[sign..].trim_start_matches([' ', '"', '\'']).len();
        let is_sign = lower[sign + gap..].starts_with([':', '=']);
        (is_sign || place == Position::Key).then_some(sign + if is_sign { gap + 1 } else { 0 })
    });
    let bearer = lower.find("bearer ").map(|at| at + "bearer ".len());
    // The colon of a scheme does not end the name of a header.
    let sign = text.find([':', '=']).filter(|&at| place == Position::Key && !text[at..].starts_with("://"));
    let from = pem.into_iter().chain(assigned).chain(bearer).chain(sign.map(|at| at + 1)).min()?;
    Some(from + text[from..].len() - text[from..].trim_start().len())
}

/// Whether a key or a header of this name, in lower case, is about credentials.
pub(crate) fn is_sensitive(name: &str) -> bool {
    WORDS.iter().any(|word| name.contains(word))
}
