//! The table of characters that look like others or are invisible.

use std::ops::RangeInclusive;

/// The appearance of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A space other than the usual one.
    Space,
    /// Without width and meaning.
    Invisible,
    /// Joins its neighbours, as in emoji; invisible between other letters.
    Joiner,
    /// Varies the character before it, as in emoji.
    Variation,
    /// Looks like a hyphen.
    Dash,
    /// Looks like a quotation mark.
    Quote,
    /// A letter of another script, many of which look like Latin ones.
    Cyrillic,
    Greek,
}

#[rustfmt::skip]
pub(crate) const TABLE: &[(RangeInclusive<char>, Kind)] = &[
    ('\t'..='\r', Kind::Space), ('\u{85}'..='\u{85}', Kind::Space), ('\u{a0}'..='\u{a0}', Kind::Space),
    ('\u{1680}'..='\u{1680}', Kind::Space), ('\u{2000}'..='\u{200a}', Kind::Space), ('\u{2028}'..='\u{2029}', Kind::Space),
    ('\u{202f}'..='\u{202f}', Kind::Space), ('\u{205f}'..='\u{205f}', Kind::Space), ('\u{3000}'..='\u{3000}', Kind::Space),
    ('\u{ad}'..='\u{ad}', Kind::Invisible), ('\u{34f}'..='\u{34f}', Kind::Invisible),
    // The fillers of Hangul are letters by their category.
    ('\u{115f}'..='\u{1160}', Kind::Invisible), ('\u{3164}'..='\u{3164}', Kind::Invisible), ('\u{ffa0}'..='\u{ffa0}', Kind::Invisible),
    ('\u{180e}'..='\u{180e}', Kind::Invisible), ('\u{200b}'..='\u{200b}', Kind::Invisible),
    ('\u{2060}'..='\u{2064}', Kind::Invisible), ('\u{feff}'..='\u{feff}', Kind::Invisible),
    ('\u{200c}'..='\u{200d}', Kind::Joiner), ('\u{fe00}'..='\u{fe0f}', Kind::Variation),
    ('\u{2010}'..='\u{2015}', Kind::Dash), ('\u{2212}'..='\u{2212}', Kind::Dash),
    ('\u{ab}'..='\u{ab}', Kind::Quote), ('\u{bb}'..='\u{bb}', Kind::Quote), ('\u{2018}'..='\u{201f}', Kind::Quote),
    ('\u{2039}'..='\u{203a}', Kind::Quote), ('\u{ff02}'..='\u{ff02}', Kind::Quote), ('\u{ff07}'..='\u{ff07}', Kind::Quote),
    ('\u{370}'..='\u{3ff}', Kind::Greek), ('\u{1f00}'..='\u{1fff}', Kind::Greek),
    ('\u{400}'..='\u{52f}', Kind::Cyrillic), ('\u{1c80}'..='\u{1c8f}', Kind::Cyrillic), ('\u{a640}'..='\u{a69f}', Kind::Cyrillic),
];

pub(crate) fn kind(c: char) -> Option<Kind> {
    TABLE.iter().find(|(range, _)| range.contains(&c)).map(|&(_, kind)| kind)
}

impl Kind {
    /// The oddity, after "which".
    pub(crate) const fn trouble(self) -> &'static str {
        match self {
            Self::Space => "looks like a space but is not one",
            Self::Invisible | Self::Joiner | Self::Variation => "is invisible",
            Self::Dash => "looks like a hyphen but is not one",
            Self::Quote => "looks like a quotation mark but is not one: YAML keeps it in the value",
            Self::Cyrillic => "is a Cyrillic letter",
            Self::Greek => "is a Greek letter",
        }
    }
}

/// The first character of `text` that `is_wanted` accepts, with its byte index. A joiner is invisible only after ASCII.
pub(crate) fn find(text: &str, is_wanted: impl Fn(Kind) -> bool) -> Option<(usize, char, Kind)> {
    let mut before = 'a';
    text.char_indices().find_map(|(at, c)| {
        let neighbour = std::mem::replace(&mut before, c);
        match kind(c)? {
            Kind::Joiner if neighbour.is_ascii() => is_wanted(Kind::Invisible).then_some((at, c, Kind::Invisible)),
            kind => is_wanted(kind).then_some((at, c, kind)),
        }
    })
}

pub(crate) const fn is_script(kind: Kind) -> bool {
    matches!(kind, Kind::Cyrillic | Kind::Greek)
}

/// The oddity of an unknown `key`, as the end of a message; empty without one.
pub(crate) fn in_key(key: &str) -> String {
    let is_mixed = has_latin(key);
    find(key, |kind| is_mixed || !is_script(kind))
        .map_or_else(String::new, |(_, c, kind)| format!(" (it contains {}, which {})", code(c), kind.trouble()))
}

pub(crate) fn has_latin(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_alphabetic() || matches!(c, '\u{c0}'..='\u{24f}' if c.is_alphabetic()))
}

pub(crate) fn code(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}
