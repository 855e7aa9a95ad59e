//! One record of the log, as text or JSON.
//!
//! Both forms hold the time, the level, the topic, the message, and its fields by name. A record is one line.
//! Bounds: a message of [`MESSAGE_MAX`] bytes, texts in fields of [`TEXT_MAX`].

use std::borrow::Cow;
use std::io;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::model::Timestamp;
use crate::model::text::clean_line;

use super::{json, time, wording};

/// Longest message of a record, bytes.
pub const MESSAGE_MAX: usize = 2_048;
/// Longest text in a field of a record, bytes.
pub const TEXT_MAX: usize = 1_024;

/// A record of the log.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its time.
    pub at: Timestamp,
    /// Its level: `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'a str,
    /// Its topic.
    pub about: &'a str,
    /// Its message.
    pub message: &'a str,
    /// Its fields.
    pub fields: &'a [(&'static str, Field)],
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// A text of any length and content.
    Text(String),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
}

/// As text: `2026-11-22T09:00:13.123456Z info site: api failing: 503 (site=api)`.
///
/// # Errors
/// The writer's.
pub fn text(out: &mut impl io::Write, record: &Record<'_>) -> io::Result<()> {
    let Record { at, level, about, .. } = record;
    let (time, message) = (time::utc(*at), clean_line(record.message, MESSAGE_MAX));
    let fields: Vec<String> = record.fields.iter().map(|(name, field)| format!("{name}={}", field.word())).collect();
    let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(" ")) };
    wording::line(out, &format!("{time} {level} {about}: {message}{fields}"))
}

/// As one `log` object, its fields beside `level`, `about` and `message`.
///
/// # Errors
/// The writer's.
pub fn object(out: &mut impl io::Write, record: &Record<'_>) -> io::Result<()> {
    json::line(out, record)
}

impl Field {
    /// The field as one word, quoted if necessary.
    fn word(&self) -> Cow<'static, str> {
        match self {
            Self::Text(text) => {
                let text = clean_line(text, TEXT_MAX);
                let is_word = !text.is_empty() && !text.contains([' ', '"', '=', '(', ')', '\\']);
                if is_word { text.into() } else { format!("{text:?}").into() }
            }
            Self::Number(number) => number.to_string().into(),
            Self::Flag(flag) => if *flag { "yes" } else { "no" }.into(),
        }
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(&clean_line(text, TEXT_MAX)),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
        }
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5 + self.fields.len()))?;
        map.serialize_entry("event", "log")?;
        map.serialize_entry("time", &time::utc(self.at))?;
        map.serialize_entry("level", self.level)?;
        map.serialize_entry("about", self.about)?;
        map.serialize_entry("message", &clean_line(self.message, MESSAGE_MAX))?;
        for (name, field) in self.fields {
            map.serialize_entry(name, field)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::text::is_harmful;

    type Form = fn(&mut Vec<u8>, &Record<'_>) -> io::Result<()>;

    fn written(form: Form, message: &str, fields: &[(&'static str, Field)]) -> String {
        let at = Timestamp::from_micros(1_795_338_000_123_456);
        let mut out = Vec::new();
        form(&mut out, &Record { at, level: "info", about: "site", message, fields }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn both_forms_tell_the_same() {
        let fields = [
            ("site", Field::Text("api".to_owned())),
            ("detail", Field::Text("503 \"Out\" of\norder".to_owned())),
            ("total_us", Field::Number(5_530)),
            ("up", Field::Flag(false)),
        ];
        assert_eq!(
            written(text, "api failing: 503", &fields),
            "2026-11-22T09:00:00.123456Z info site: api failing: 503 \
             (site=api detail=\"503 \\\"Out\\\" of order\" total_us=5530 up=no)\n"
        );
        assert_eq!(
            written(object, "api failing: 503", &fields),
            "{\"event\":\"log\",\"time\":\"2026-11-22T09:00:00.123456Z\",\"level\":\"info\",\"about\":\"site\",\
             \"message\":\"api failing: 503\",\"site\":\"api\",\"detail\":\"503 \\\"Out\\\" of order\",\
             \"total_us\":5530,\"up\":false}\n"
        );
        assert_eq!(written(text, "started", &[]), "2026-11-22T09:00:00.123456Z info site: started\n");
    }

    proptest! {
        #[test]
        fn a_record_is_one_harmless_line_of_bounded_length(message in ".{0,5000}", value in ".{0,5000}") {
            for form in [text as Form, object] {
                let line = written(form, &message, &[("value", Field::Text(value.clone()))]);
                let line = line.strip_suffix('\n').unwrap();
                prop_assert!(!line.contains(is_harmful), "{line:?}");
                // A quote takes two bytes.
                prop_assert!(line.len() <= 2 * (MESSAGE_MAX + TEXT_MAX) + 200, "{}", line.len());
            }
        }
    }
}
