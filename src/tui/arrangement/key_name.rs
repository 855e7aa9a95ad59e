//! How keys are written in sites.yaml, and how they are shown.

use std::borrow::Cow;

use crate::model::text::is_harmful;
use crate::model::text::suggest::near;
use crate::tui::input::key::Key;

/// Keys without a character of their own: as written, and as shown.
const NAMES: [(&str, Key, &str); 14] = [
    ("enter", Key::Enter, "Enter"),
    ("esc", Key::Esc, "Esc"),
    ("tab", Key::Tab, "Tab"),
    ("shift-tab", Key::BackTab, "Shift-Tab"),
    ("backspace", Key::Backspace, "Backspace"),
    ("space", Key::Char(' '), "Space"),
    ("up", Key::Up, "↑"),
    ("down", Key::Down, "↓"),
    ("left", Key::Left, "←"),
    ("right", Key::Right, "→"),
    ("page-up", Key::PageUp, "PgUp"),
    ("page-down", Key::PageDown, "PgDn"),
    ("home", Key::Home, "Home"),
    ("end", Key::End, "End"),
];

/// Reads a key: a character, a name, or `ctrl-` and a letter.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn parse(text: &str) -> Result<Key, String> {
    let mut characters = text.chars();
    if let (Some(one), None) = (characters.next(), characters.next()) {
        return if is_harmful(one) { Err("a control character is not a key".to_owned()) } else { Ok(Key::Char(one)) };
    }
    let lower = text.to_ascii_lowercase();
    if let Some((_, key, _)) = NAMES.iter().find(|(name, ..)| *name == lower) {
        return Ok(key.clone());
    }
    if let Some(letter) = lower.strip_prefix("ctrl-").and_then(single_letter) {
        return with_ctrl(letter);
    }
    let names = || NAMES.iter().map(|(name, ..)| *name);
    let hint = near(&lower, names()).map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
    let known = names().collect::<Vec<_>>().join(", ");
    Err(format!("{text:?} is not a key{hint}; write a character, ctrl-a to ctrl-y, or one of: {known}"))
}

fn single_letter(text: &str) -> Option<char> {
    let mut characters = text.chars();
    let letter = characters.next().filter(char::is_ascii_lowercase)?;
    characters.next().is_none().then_some(letter)
}

fn with_ctrl(letter: char) -> Result<Key, String> {
    // These are the same bytes on a terminal.
    let same = match letter {
        'c' => return Err("ctrl-c always leaves webmon; choose another key".to_owned()),
        'z' => return Err("ctrl-z always suspends webmon; choose another key".to_owned()),
        'i' => "tab",
        'j' | 'm' => "enter",
        'h' => "backspace",
        letter => return Ok(Key::Ctrl(letter)),
    };
    Err(format!("a terminal sends ctrl-{letter} as {same}; write {same}"))
}

/// The key as the screen shows it: `r`, `^D`, `PgDn`.
#[must_use]
pub fn shown(key: &Key) -> Cow<'static, str> {
    if let Some((.., shown)) = NAMES.iter().find(|(_, named, _)| named == key) {
        return Cow::Borrowed(shown);
    }
    match key {
        Key::Char(character) => Cow::Owned(character.to_string()),
        Key::Ctrl(letter) => Cow::Owned(format!("^{}", letter.to_ascii_uppercase())),
        _ => Cow::Borrowed(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_characters_names_and_ctrl_with_a_letter() {
        for (text, key, on_screen) in [
            ("r", Key::Char('r'), "r"),
            ("R", Key::Char('R'), "R"),
            (" ", Key::Char(' '), "Space"),
            ("é", Key::Char('é'), "é"),
            ("Space", Key::Char(' '), "Space"),
            ("page-down", Key::PageDown, "PgDn"),
            ("Ctrl-D", Key::Ctrl('d'), "^D"),
            ("left", Key::Left, "←"),
        ] {
            assert_eq!(parse(text).as_ref(), Ok(&key), "{text}");
            assert_eq!(shown(&key), on_screen);
        }
        for (text, told) in [
            ("ctrl-c", "always leaves"),
            ("ctrl-z", "always suspends"),
            ("ctrl-i", "write tab"),
            ("ctrl-m", "write enter"),
            ("ctrl-1", "is not a key"),
            ("spase", "did you mean space?"),
            ("\u{1b}", "control character"),
            ("", "is not a key"),
            ("rr", "write a character"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(told), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,12}") {
            drop(parse(&text));
        }
    }
}
