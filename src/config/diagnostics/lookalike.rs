//! Warns of characters that look like others or are invisible, in names, groups, host names and values.
//!
//! Names and hosts are compared byte by byte, so a no-break space, a dash for a hyphen, a Cyrillic `а` in a Latin word, a
//! typographic quotation mark, or letters in another normal form (UAX #15) mislead. The characters are those of
//! [`TABLE`](crate::config::syntax::characters::TABLE). Letters of other scripts count only in words with Latin ones.

use std::collections::HashMap;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::config::syntax::characters::{Kind, code, find, has_latin, is_script, kind};
use crate::config::syntax::tree::Tree;

use super::warning::Warnings;

/// Places of a file that are reported.
const PLACES_MAX: usize = 100;

/// `warnings`, and those about the values of `tree`, which was parsed from `text`.
pub(crate) fn with_lookalikes(mut warnings: Warnings, tree: &Tree<'_>, text: &str) -> Warnings {
    let scalars = tree.scalars().filter_map(|(_, span)| Some((span.start, text.get(span)?)));
    // As written: an escape is deliberate.
    let odd = scalars.filter(|(_, written)| !written.is_ascii());
    let found = odd.flat_map(|(start, written)| {
        in_value(written).into_iter().chain(in_host(written)).map(move |(at, message)| (start, start + at, message))
    });
    for (start, at, (c, message)) in found.take(PLACES_MAX) {
        if !warnings.mentions(start, &code(c)) {
            warnings.place(at, message);
        }
    }
    warnings
}

type Oddity = (usize, (char, String));

/// An invisible character in a value as written, or typographic quotation marks around it.
fn in_value(written: &str) -> Option<Oddity> {
    let is_quote = |c: Option<char>| c.and_then(kind) == Some(Kind::Quote);
    let trimmed = written.trim_end();
    let is_quoted = is_quote(trimmed.chars().next()) && is_quote(trimmed.chars().next_back());
    let (at, c, kind) = find(written, |kind| kind == Kind::Invisible || is_quoted && kind == Kind::Quote)?;
    Some((at, (c, format!("this value contains {}, which {}", code(c), kind.trouble()))))
}

/// A dash in the host of a URL, or a letter of another script in a label with Latin ones.
fn in_host(written: &str) -> Option<Oddity> {
    let start = written.find("://")? + 3;
    let authority = written[start..].split(['/', '\\', '?', '#', '"', '\'']).next()?;
    let start = start + authority.rfind('@').map_or(0, |at| at + 1);
    let host = authority.rsplit('@').next()?;
    let mut at = start;
    for label in host.split('.') {
        let is_mixed = has_latin(label);
        let odd = find(label, |kind| kind == Kind::Dash || is_mixed && is_script(kind));
        if let Some((within, c, kind)) = odd {
            let mixes = if is_script(kind) { " among Latin ones" } else { "" };
            return Some((
                at + within,
                (c, format!("the host name contains {}, which {}{mixes}", code(c), kind.trouble())),
            ));
        }
        at += label.len() + 1;
    }
    None
}

/// Earlier names, by their appearance.
#[derive(Default)]
pub(crate) struct SeenNames(HashMap<String, String>);

impl SeenNames {
    /// A warning about `name` after the earlier ones, as the end of a sentence, if there is one.
    pub(crate) fn oddity(&mut self, name: &str) -> Option<String> {
        // Such a name appears as it is written, and has nothing odd.
        let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic());
        if is_plain && self.0.get(name).is_some_and(|before| before == name) {
            return None;
        }
        let shown = if is_plain { name.to_owned() } else { appearance(name) };
        let before = self.0.entry(shown).or_insert_with(|| name.to_owned());
        if is_plain && before == name {
            return None;
        }
        if before != name {
            let (place, one, other) = difference(before, name);
            return Some(format!("looks like {before:?}: character {place} is {one} there and {other} here"));
        }
        // The dashes of a URL that serves as a name are reported as its host's.
        let is_url = name.contains("://");
        let is_odd = |kind| matches!(kind, Kind::Space | Kind::Invisible) || kind == Kind::Dash && !is_url;
        if let Some((_, c, kind)) = find(&without_spaced_dashes(name), is_odd) {
            return Some(format!("contains {}, which {}", code(c), kind.trouble()));
        }
        (!is_nfc(name))
            .then(|| "is not in the normal form (NFC) that keyboards type: --site will not find it".to_owned())
    }
}

/// `name` without dashes between spaces: in "Shop – Berlin" they are not meant as hyphens.
fn without_spaced_dashes(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let is_spaced = |at: usize| at > 0 && chars[at - 1] == ' ' && chars.get(at + 1) == Some(&' ');
    let kept = chars.iter().enumerate().filter(|&(at, &c)| kind(c) != Some(Kind::Dash) || !is_spaced(at));
    kept.map(|(_, c)| c).collect()
}

/// `name` as it appears on a screen.
fn appearance(name: &str) -> String {
    let unseen = |c: &char| matches!(kind(*c), Some(Kind::Invisible | Kind::Joiner | Kind::Variation));
    let hyphened = |c: char| if kind(c) == Some(Kind::Dash) { '-' } else { c };
    let shown: String = name.nfkc().filter(|c| !unseen(c)).map(hyphened).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first position, from 1, at which two names differ, and the character of each.
fn difference(one: &str, other: &str) -> (usize, String, String) {
    let (mut one, mut other, mut place) = (one.chars(), other.chars(), 1);
    loop {
        match (one.next(), other.next()) {
            (Some(a), Some(b)) if a == b => place += 1,
            (a, b) => return (place, a.map_or_else(end, code), b.map_or_else(end, code)),
        }
    }
}

fn end() -> String {
    "the end".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::syntax::characters::in_key;

    #[test]
    fn names_that_look_alike_are_reported() {
        let mut names = SeenNames::default();
        for (name, message) in [
            ("shop a", None),
            ("shop\u{a0}a", Some("looks like \"shop a\": character 5 is U+0020 there and U+00A0 here")),
            ("shop\u{200b} a", Some("looks like \"shop a\": character 5 is U+0020 there and U+200B here")),
            ("shop  a", Some("looks like \"shop a\": character 6 is U+0061 there and U+0020 here")),
            ("Shop a", None),
            ("caf\u{e9}", None),
            ("cafe\u{301}", Some("looks like \"caf\u{e9}\": character 4 is U+00E9 there and U+0065 here")),
            ("o\u{308}l", Some("is not in the normal form (NFC)")),
            ("a\u{202f}b", Some("contains U+202F, which looks like a space but is not one")),
            ("soft\u{ad}hyphen", Some("contains U+00AD, which is invisible")),
            ("caf\u{e9}\u{3164}", Some("looks like \"caf\u{e9}\"")),
            ("\u{ff41}pi", None),
            ("api", Some("looks like \"\u{ff41}pi\": character 1 is U+FF41 there and U+0061 here")),
            ("👩\u{200d}🚀 ❤\u{fe0f}", None),
            ("日本語", None),
            ("web\u{2011}shop", Some("contains U+2011, which looks like a hyphen but is not one")),
            ("web-shop", Some("looks like \"web\u{2011}shop\": character 4 is U+2011 there and U+002D here")),
            ("Shop \u{2013} Berlin", None),
            ("5\u{2212}3", Some("contains U+2212, which looks like a hyphen")),
            ("zw\u{200d}j", Some("contains U+200D, which is invisible")),
            ("магазин", None),
        ] {
            let found = names.oddity(name);
            match message {
                None => assert_eq!(found, None, "{name}"),
                Some(part) => assert!(found.as_ref().is_some_and(|found| found.contains(part)), "{name}: {found:?}"),
            }
        }
    }

    #[test]
    fn hosts_with_mixed_scripts_or_dashes_are_reported() {
        for (url, message) in [
            ("https://p\u{430}ypal.example/", Some((9, "U+0430, which is a Cyrillic letter among Latin ones"))),
            ("\"https://u:p@www.g\u{3bf}o.example\"", Some((18, "U+03BF, which is a Greek letter among Latin ones"))),
            ("https://web\u{2010}shop.example", Some((11, "U+2010, which looks like a hyphen"))),
            ("https://a\u{2212}b:81/x", Some((9, "U+2212, which looks like a hyphen"))),
            ("https://\u{43c}\u{430}\u{433}.example/", None),
            ("https://b\u{fc}cher.example/\u{430}b\u{2013}c", None),
            ("https://user:p\u{2013}w@a.example/", None),
            ("no URL: p\u{430}y", None),
        ] {
            let found = in_host(url);
            match message {
                None => assert_eq!(found, None, "{url}"),
                Some((at, part)) => {
                    let (place, (_, text)) = found.unwrap();
                    assert!(place == at && text.contains(part), "{url}: {place} {text}");
                }
            }
        }
    }

    #[test]
    fn invisible_characters_and_typographic_quotes_are_reported_as_written() {
        for (written, message) in [
            ("\u{201c}ok\u{201d}", Some("contains U+201C, which looks like a quotation mark")),
            ("\u{ab}ok\u{bb}", Some("contains U+00AB")),
            ("\"\u{201c}ok\u{201d}\"", None),
            ("the dog\u{2019}s", None),
            ("o\u{feff}k", Some("contains U+FEFF, which is invisible")),
            ("\"o\u{200c}k\"", Some("contains U+200C, which is invisible")),
            ("\"o\\u200bk\"", None),
            ("👩\u{200d}🚀 ❤\u{fe0f}", None),
        ] {
            let found = in_value(written).map(|(_, (_, text))| text);
            match message {
                None => assert_eq!(found, None, "{written}"),
                Some(part) => assert!(found.as_ref().is_some_and(|found| found.contains(part)), "{written}: {found:?}"),
            }
        }
    }

    #[test]
    fn unknown_keys_name_the_odd_character() {
        assert_eq!(in_key("int\u{435}rval"), " (it contains U+0435, which is a Cyrillic letter)");
        assert_eq!(in_key("keep\u{2011}alive"), " (it contains U+2011, which looks like a hyphen but is not one)");
        assert_eq!(in_key("\u{201c}url\u{201d}").split_once(',').unwrap().0, " (it contains U+201C");
        assert_eq!((in_key("intervall"), in_key("\u{438}\u{43c}\u{44f}")), (String::new(), String::new()));
    }
}
