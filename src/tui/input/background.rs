//! The terminal's answer to the question for the colour of its background (xterm's ctlseqs, OSC 11).

/// The question.
pub const QUESTION: &[u8] = b"\x1b]11;?\x07";

/// The beginning of the answer.
const ANSWER: &[u8] = b"\x1b]11;rgb";

/// Whether `answer`, without its end, names a light colour: `ESC ]11;rgb:ffff/ffff/ffff`, with one to four digits each. None if
/// it is another answer.
#[must_use]
pub fn is_light(answer: &[u8]) -> Option<bool> {
    let colour = answer.strip_prefix(ANSWER)?;
    let colour = colour.strip_prefix(b"a").unwrap_or(colour).strip_prefix(b":")?;
    let mut parts = std::str::from_utf8(colour).ok()?.split('/').map(share);
    let (red, green, blue) = (parts.next()??, parts.next()??, parts.next()??);
    // The weights of ITU-R BT.601.
    Some(0.299 * red + 0.587 * green + 0.114 * blue > 0.5)
}

/// A part of a colour, 0 to 1: as many hexadecimal digits as the terminal likes.
fn share(digits: &str) -> Option<f64> {
    let is_short = (1..=4).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let value = u16::from_str_radix(digits, 16).ok().filter(|_| is_short)?;
    Some(f64::from(value) / f64::from((1_u32 << (4 * digits.len())) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_are_light_or_dark_in_any_depth() {
        for (colour, light) in [
            ("rgb:0000/0000/0000", Some(false)),
            ("rgb:ffff/ffff/ffff", Some(true)),
            ("rgb:fd/f6/e3", Some(true)),
            ("rgb:0/2b/36", Some(false)),
            ("rgba:ffff/ffff/ffff/8000", Some(true)),
            // Blue is dark, green is light.
            ("rgb:0000/0000/ffff", Some(false)),
            ("rgb:0000/ffff/0000", Some(true)),
            ("rgb:ffff/ffff", None),
            ("rgb:fffff/0/0", None),
            ("rgb:+f/0/0", None),
            ("rgb:/0/0", None),
            ("?", None),
        ] {
            assert_eq!(is_light(format!("\x1b]11;{colour}").as_bytes()), light, "{colour}");
        }
        assert_eq!(is_light(b"\x1b]10;rgb:ffff/ffff/ffff"), None, "that is the foreground");
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let [light, dark] = [b"ffff", b"0000"].map(|part| [ANSWER, b":", &part[..], b"/", part, b"/", part].concat());
            let answer = is_light(&[ANSWER, &bytes].concat());
            prop_assert!(answer.is_none() || answer == is_light(&light) || answer == is_light(&dark));
        }
    }
}
