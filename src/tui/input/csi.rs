//! Keys and mouse reports in the form `CSI parameters letter`.
//!
//! Sources: xterm's ctlseqs and its `modifyOtherKeys`; "Comprehensive keyboard handling in terminals" of kitty (`CSI u`).
//! The Linux console and rxvt send other sequences for Home and End.

use super::key::{Key, Mouse};

const SHIFT: u16 = 1;
const CTRL: u16 = 4;
/// Alt, super, hyper and meta, to which nothing is bound.
const OTHERS: u16 = 2 | 8 | 16 | 32;
/// The type of an event that says that a key was released.
const RELEASE: u16 = 3;

/// The key of a sequence; none if it is unknown, or no key.
pub fn key(parameters: &[u8], last: u8) -> Option<Key> {
    if let (Some(report), b'M') = (parameters.strip_prefix(b"<"), last) {
        return mouse(report);
    }
    // Answers begin with a private mark, function keys of the Linux console with a second `[`.
    let text = std::str::from_utf8(parameters).ok().filter(|text| !text.starts_with(['<', '=', '>', '?', '[']))?;
    let mut fields = text.split(';');
    let first = fields.next()?;
    let (modifiers, event) = modifiers(fields.next().unwrap_or_default())?;
    if event == RELEASE {
        return None;
    }
    match (last, first) {
        (b'u', _) => coded(first, modifiers),
        (b'~', "27") => coded(fields.next()?, modifiers),
        (b'~', "1" | "7") => Some(Key::Home),
        (b'~', "4" | "8") => Some(Key::End),
        (b'~', "5") => Some(Key::PageUp),
        (b'~', "6") => Some(Key::PageDown),
        (b'Z', _) => Some(Key::BackTab),
        (_, "" | "1") => letter(last),
        _ => None,
    }
}

/// `modifiers` or `modifiers:event`, modifiers counted from 1; none pressed if it is empty.
fn modifiers(field: &str) -> Option<(u16, u16)> {
    let mut parts = field.split(':').map(|part| if part.is_empty() { Ok(1) } else { part.parse::<u16>() });
    let held = parts.next()?.ok()?.checked_sub(1)?;
    Some((held, parts.next().unwrap_or(Ok(1)).ok()?))
}

/// The key of `code` or `code:code with shift`, a Unicode code point or a number of kitty.
fn coded(field: &str, modifiers: u16) -> Option<Key> {
    if modifiers & OTHERS != 0 {
        return None;
    }
    let mut codes = field.split(':');
    let code = codes.next()?.parse::<u32>().ok()?;
    let is_shifted = modifiers & SHIFT != 0;
    let shifted = codes.next().and_then(|code| code.parse().ok()).filter(|_| is_shifted);
    match code {
        // On the keypad.
        57414 => return Some(Key::Enter),
        57417 => return Some(Key::Left),
        57418 => return Some(Key::Right),
        57419 => return Some(Key::Up),
        57420 => return Some(Key::Down),
        57421 => return Some(Key::PageUp),
        57422 => return Some(Key::PageDown),
        57423 => return Some(Key::Home),
        57424 => return Some(Key::End),
        // Locks, media keys and the modifiers themselves are in a private area of Unicode.
        0xe000..=0xf8ff => return None,
        _ => {}
    }
    match char::from_u32(shifted.unwrap_or(code))? {
        '\r' | '\n' => Some(Key::Enter),
        '\t' if is_shifted => Some(Key::BackTab),
        '\t' => Some(Key::Tab),
        '\x1b' => Some(Key::Esc),
        '\x08' | '\x7f' => Some(Key::Backspace),
        c if modifiers & CTRL != 0 => c.is_ascii_alphabetic().then(|| Key::Ctrl(c.to_ascii_lowercase())),
        c if c.is_control() => None,
        c if is_shifted => Some(Key::Char(c.to_ascii_uppercase())),
        c => Some(Key::Char(c)),
    }
}

/// `button;column;row`, both counted from 1. Modifier keys are ignored, motion and other buttons dropped.
fn mouse(report: &[u8]) -> Option<Key> {
    let mut numbers = std::str::from_utf8(report).ok()?.split(';').map(str::parse::<u16>);
    let (button, column, row) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    let what = match button & !0b1_1100 {
        0 => Mouse::Click,
        64 => Mouse::WheelUp,
        65 => Mouse::WheelDown,
        _ => return None,
    };
    Some(Key::Mouse(what, column.checked_sub(1)?, row.checked_sub(1)?))
}

/// The key of the letter that ends a sequence without a code.
pub const fn letter(last: u8) -> Option<Key> {
    match last {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'H' => Some(Key::Home),
        b'F' => Some(Key::End),
        b'M' => Some(Key::Enter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_modifiers_become_the_keys_of_a_plain_terminal() {
        for (sequence, expected) in [
            ("113u", Some(Key::Char('q'))),
            ("99;5u", Some(Key::Ctrl('c'))),
            ("99;5:1u", Some(Key::Ctrl('c'))),
            ("99;5:3u", None),
            ("27;5;99~", Some(Key::Ctrl('c'))),
            ("27;2;63~", Some(Key::Char('?'))),
            ("97:65;2u", Some(Key::Char('A'))),
            ("103;2u", Some(Key::Char('G'))),
            ("103;65u", Some(Key::Char('g'))),
            ("13u", Some(Key::Enter)),
            ("9;2u", Some(Key::BackTab)),
            ("27u", Some(Key::Esc)),
            ("127u", Some(Key::Backspace)),
            ("57414u", Some(Key::Enter)),
            ("57441u", None),
            ("113;3u", None),
            ("1;1:3A", None),
            ("1;5C", Some(Key::Right)),
            ("5;2~", Some(Key::PageUp)),
            ("?62;4c", None),
            ("27;5~", None),
            ("99999999999u", None),
            ("3~", None),
        ] {
            let (parameters, last) = sequence.as_bytes().split_at(sequence.len() - 1);
            assert_eq!(key(parameters, last[0]), expected, "{sequence}");
        }
    }
}
