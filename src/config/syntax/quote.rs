//! What of a text may be quoted in a message: secrets that stand in a wrong place become `***`.

use crate::model::text::redact::redacted;

pub(crate) const WORDS: [&str; 10] =
    ["authorization", "cookie", "token", "secret", "password", "passwd", "apikey", "api-key", "api_key", "credential"];

/// How a key or a certificate begins (RFC 7468).
pub(crate) const PEM: &str = "-----begin";

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// It is a key, or the name of a header.
    Key,
    /// It is a value.
    Value,
}

/// A key or the name of a header as a message may quote it: what is secret in it as `***`.
pub(crate) fn quotable_key(text: &str) -> String {
    quotable(text, Position::Key)
}

/// `message` about the value `text`. It may quote any part of it, so one that quotes nothing secret takes its place where
/// something secret is in the value.
pub(crate) fn told(message: String, text: &str) -> String {
    let quoted = quotable(text, Position::Value);
    if quoted == text { message } else { format!("{quoted:?} is not valid here") }
}

pub(crate) fn quotable(text: &str, place: Position) -> String {
    match misplaced(text, place).filter(|&from| from < text.len()) {
        Some(from) => format!("{}***", redacted(&text[..from])),
        None => redacted(text),
    }
}

/// Where in `text` something secret begins that does not belong there: what follows `-----BEGIN`, a word such as `token:`
/// or `Bearer`, or in a key any colon or equals sign.
pub(crate) fn misplaced(text: &str, place: Position) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    // The query of a URL has its own masking, which leaves its keys.
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
    // The colon of a URL is none of a header.
    let sign = text.find([':', '=']).filter(|&at| place == Position::Key && !text[at..].starts_with("://"));
    let from = pem.into_iter().chain(assigned).chain(bearer).chain(sign.map(|at| at + 1)).min()?;
    Some(from + text[from..].len() - text[from..].trim_start().len())
}

/// Whether a key or a header of this name, in lower case, speaks of credentials.
pub(crate) fn is_sensitive(name: &str) -> bool {
    WORDS.iter().any(|word| name.contains(word))
}
