//! Names that a person cannot tell apart, or cannot type: a no-break space, a zero-width character, letters in another
//! normal form (UAX #15). Sites are known by the bytes of their names, so such names are warned about.
//!
//! Limit: letters of other scripts that look alike (a Cyrillic `а`) are not compared.

use std::collections::HashMap;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// Names that were seen, by what a person sees of them.
#[derive(Default)]
pub(super) struct Names(HashMap<String, String>);

impl Names {
    /// What is odd about `name` after those that came before, as the end of a sentence; none when nothing is.
    pub(super) fn oddity(&mut self, name: &str) -> Option<String> {
        let before = self.0.entry(seen(name)).or_insert_with(|| name.to_owned());
        if before != name {
            let (place, one, other) = difference(before, name);
            return Some(format!("looks like {before:?}: character {place} is {one} there and {other} here"));
        }
        if let Some(c) = name.chars().find(|&c| is_space(c) || is_invisible(c)) {
            let what = if is_space(c) { "looks like a space and is none" } else { "cannot be seen" };
            return Some(format!("holds {}, which {what}", code(c)));
        }
        (!is_nfc(name))
            .then(|| "is not in the normal form (NFC) in which keyboards type it: --site will not find it".to_owned())
    }
}

/// `name` as a person sees it.
fn seen(name: &str) -> String {
    let shown: String = name.nfkc().filter(|&c| !is_invisible(c) && !is_joiner(c)).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether `c` is a space that no space bar gives.
fn is_space(c: char) -> bool {
    c != ' ' && c.is_whitespace()
}

/// Whether `c` has no width and no meaning of its own in a name.
fn is_invisible(c: char) -> bool {
    // The fillers of Hangul are letters by their category.
    let is_filler = matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    is_filler || matches!(c, '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Whether `c` only joins or varies its neighbours, as in emoji.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// The first place, from 1, at which two names differ, and what stands there in each.
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

fn code(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_told_and_others_are_not() {
        let mut names = Names::default();
        for (name, told) in [
            ("shop a", None),
            ("shop\u{a0}a", Some("looks like \"shop a\": character 5 is U+0020 there and U+00A0 here")),
            ("shop\u{200b} a", Some("looks like \"shop a\": character 5 is U+0020 there and U+200B here")),
            ("shop  a", Some("looks like \"shop a\": character 6 is U+0061 there and U+0020 here")),
            ("Shop a", None),
            ("caf\u{e9}", None),
            ("cafe\u{301}", Some("looks like \"caf\u{e9}\": character 4 is U+00E9 there and U+0065 here")),
            ("o\u{308}l", Some("is not in the normal form (NFC)")),
            ("a\u{202f}b", Some("holds U+202F, which looks like a space and is none")),
            ("soft\u{ad}hyphen", Some("holds U+00AD, which cannot be seen")),
            ("caf\u{e9}\u{3164}", Some("looks like \"caf\u{e9}\"")),
            ("\u{ff41}pi", None),
            ("api", Some("looks like \"\u{ff41}pi\": character 1 is U+FF41 there and U+0061 here")),
            ("👩\u{200d}🚀 ❤\u{fe0f}", None),
            ("日本語", None),
        ] {
            let found = names.oddity(name);
            match told {
                None => assert_eq!(found, None, "{name}"),
                Some(part) => assert!(found.as_ref().is_some_and(|found| found.contains(part)), "{name}: {found:?}"),
            }
        }
    }
}
