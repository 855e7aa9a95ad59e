//! Line protocol: `measurement,tag=value field=1i,other="text" 1700000000000000000`.
//!
//! [`series`] escapes the part before the fields once per series. Where the servers differ, a line holds only what all of them
//! read alike: a control character would split a line or be refused (VictoriaMetrics drops such a point silently), so it
//! becomes U+FFFD; backslashes at the end of a tag are cut; empty tags and numbers that are not finite are left out; integers
//! are signed, because InfluxDB 1 knows no others.
//!
//! Invariants: a line has at least one field, its time, and one `\n`, at its end. Bounds: [`TAG_MAX`] bytes of a tag and
//! [`TEXT_MAX`] of a text before escaping; counts above `i64::MAX` become that. Source: the line protocol reference of InfluxDB
//! 2, and the servers of `tests/influx.rs`.

use std::io::Write as _;

/// Bytes of a tag's value.
pub const TAG_MAX: usize = 256;

/// Bytes of a text.
pub const TEXT_MAX: usize = 1_024;

/// The part of a line before its fields: `measurement` and the tags that have a value, which should be sorted by name. The
/// measurement and the names of tags are not escaped.
#[must_use]
pub fn series(measurement: &'static str, tags: &[(&'static str, &str)]) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    key.extend_from_slice(measurement.as_bytes());
    for (name, value) in tags {
        let value = capped(value, TAG_MAX).trim_end_matches('\\');
        if value.is_empty() {
            continue;
        }
        key.push(b',');
        key.extend_from_slice(name.as_bytes());
        key.push(b'=');
        put_text(&mut key, value, |c| matches!(c, ',' | '=' | ' '));
    }
    key
}

/// Builds one line in a buffer.
pub struct LineBuilder<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    /// Separates the next field from what is before it.
    before: u8,
}

impl<'a> LineBuilder<'a> {
    /// Starts a line of this series at the end of `out`.
    pub fn begin(out: &'a mut Vec<u8>, series: &[u8]) -> Self {
        let start = out.len();
        out.extend_from_slice(series);
        Self { out, start, before: b' ' }
    }

    /// Writes an integer.
    pub fn integer(&mut self, name: &'static str, value: u64) {
        self.signed_if(name, Some(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    /// Writes an integer, if there is one.
    pub fn integer_if(&mut self, name: &'static str, value: Option<impl Into<u64>>) {
        if let Some(value) = value {
            self.integer(name, value.into());
        }
    }

    /// Writes a signed integer, if there is one.
    pub fn signed_if(&mut self, name: &'static str, value: Option<i64>) {
        if let Some(value) = value {
            self.name(name);
            write!(self.out, "{value}i").expect("writing to a Vec cannot fail");
        }
    }

    /// Writes a number, if it is finite.
    pub fn number(&mut self, name: &'static str, value: f64) {
        if value.is_finite() {
            self.name(name);
            write!(self.out, "{value}").expect("writing to a Vec cannot fail");
        }
    }

    /// Writes a text.
    pub fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        self.out.push(b'"');
        put_text(self.out, capped(value, TEXT_MAX), |c| matches!(c, '"' | '\\'));
        self.out.push(b'"');
    }

    /// Ends the line with its time, ns since 1970. Removes a line without a field and returns false.
    pub fn end(self, at_ns: u64) -> bool {
        if self.before == b' ' {
            self.out.truncate(self.start);
            return false;
        }
        writeln!(self.out, " {at_ns}").expect("writing to a Vec cannot fail");
        true
    }

    fn name(&mut self, name: &'static str) {
        self.out.push(self.before);
        self.before = b',';
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'=');
    }
}

/// The longest prefix of `text` of at most `max` bytes.
fn capped(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

fn put_text(out: &mut Vec<u8>, text: &str, is_special: fn(char) -> bool) {
    let mut buffer = [0; 4];
    for c in text.chars() {
        if is_special(c) {
            out.push(b'\\');
        }
        let c = if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use influxdb_line_protocol::{FieldValue, parse_lines};
    use proptest::prelude::*;

    /// The text that a parser should read: control characters replaced, at most `max` bytes.
    fn plain(text: &str, max: usize) -> String {
        let mut kept = String::new();
        for c in text.chars().take_while({
            let mut bytes = 0;
            move |c| {
                bytes += c.len_utf8();
                bytes <= max
            }
        }) {
            kept.push(if c.is_control() { '\u{fffd}' } else { c });
        }
        kept
    }

    #[derive(Clone, Debug)]
    enum Field {
        Integer(u64),
        Number(f64),
        Text(String),
    }

    fn fields() -> impl Strategy<Value = Field> {
        prop_oneof![
            any::<u64>().prop_map(Field::Integer),
            any::<f64>().prop_map(Field::Number),
            any_text().prop_map(Field::Text),
        ]
    }

    /// Texts with many special characters.
    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![".{0,40}", "[a, =\\\\\"\n\t\u{85}\u{7f}é]{0,24}", "\\PC{0,600}"]
    }

    proptest! {
        /// An independent parser reads back exactly what was written.
        #[test]
        fn lines_read_back_the_same(
            tags in prop::collection::vec(any_text(), 3),
            fields in prop::collection::vec(fields(), 0..4),
            at_ns in 0..i64::MAX.cast_unsigned(),
        ) {
            const TAGS: [&str; 3] = ["agent", "group", "site"];
            const FIELDS: [&str; 4] = ["a", "b_us", "c", "d"];
            // The parser takes two backslashes for one in a tag, which the servers do not; none of them needs escaping.
            let tags: Vec<String> = tags.iter().map(|tag| tag.replace('\\', "/")).collect();
            let named: Vec<(&str, &str)> = TAGS.into_iter().zip(tags.iter().map(String::as_str)).collect();
            let mut out = b"untouched\n".to_vec();
            let mut line = LineBuilder::begin(&mut out, &series("webmon_check", &named));
            for (name, field) in FIELDS.into_iter().zip(&fields) {
                match field {
                    Field::Integer(value) => line.integer(name, *value),
                    Field::Number(value) => line.number(name, *value),
                    Field::Text(value) => line.text(name, value),
                }
            }
            let written = line.end(at_ns);
            let out = String::from_utf8(out).unwrap();
            let out = out.strip_prefix("untouched\n").unwrap();
            let kept: Vec<(&str, &Field)> = FIELDS.into_iter().zip(&fields)
                .filter(|(_, field)| !matches!(field, Field::Number(value) if !value.is_finite())).collect();
            prop_assert_eq!(written, !kept.is_empty());
            if !written {
                prop_assert_eq!(out, "");
                return Ok(());
            }
            prop_assert_eq!(out.matches('\n').count(), 1);
            prop_assert!(out.ends_with('\n'));
            let parsed: Vec<_> = parse_lines(out).map(|line| line.unwrap()).collect();
            prop_assert_eq!(parsed.len(), 1);
            let parsed = &parsed[0];
            prop_assert_eq!(parsed.series.measurement.as_str(), "webmon_check");
            let read: Vec<(String, String)> = parsed.series.tag_set.iter().flatten()
                .map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let expected: Vec<(String, String)> = named.iter()
                .map(|(name, value)| ((*name).to_owned(), plain(value, TAG_MAX)))
                .filter(|(_, value)| !value.is_empty()).collect();
            prop_assert_eq!(read, expected);
            prop_assert_eq!(parsed.timestamp, Some(at_ns.cast_signed()));
            prop_assert_eq!(parsed.field_set.len(), kept.len());
            for ((name, value), (expected_name, field)) in parsed.field_set.iter().zip(kept) {
                prop_assert_eq!(name.as_str(), expected_name);
                let same = match (value, field) {
                    (FieldValue::I64(read), Field::Integer(value)) => {
                        read.cast_unsigned() == (*value).min(i64::MAX.cast_unsigned())
                    }
                    (FieldValue::F64(read), Field::Number(value)) => read.to_bits() == value.to_bits(),
                    (FieldValue::String(read), Field::Text(value)) => read.as_str() == plain(value, TEXT_MAX),
                    _ => false,
                };
                prop_assert!(same, "{:?} was read as {:?}", field, value);
            }
        }
    }

    #[test]
    fn tags_hold_only_what_all_servers_read_alike() {
        for (value, written) in [
            ("plain", ",site=plain"),
            ("a b,c=d", ",site=a\\ b\\,c\\=d"),
            ("ends in \\\\", ",site=ends\\ in\\ "),
            ("\\", ""),
            ("", ""),
            ("two\nlines\u{9b}", ",site=two\u{fffd}lines\u{fffd}"),
            ("in\\side", ",site=in\\side"),
        ] {
            assert_eq!(String::from_utf8(series("m", &[("site", value)])).unwrap(), format!("m{written}"), "{value:?}");
        }
    }

    #[test]
    fn a_line_is_to_the_letter() {
        let mut out = Vec::new();
        let mut line = LineBuilder::begin(&mut out, &series("webmon_check", &[("agent", "host"), ("site", "a b")]));
        line.integer("up", 1);
        line.integer_if("status", Some(200_u16));
        line.integer_if("tls_us", None::<u32>);
        line.number("value", 0.5);
        line.number("not", f64::NAN);
        line.text("cause_s", "say \"no\" \\ \n");
        assert!(line.end(1_795_255_200_123_456_000));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "webmon_check,agent=host,site=a\\ b up=1i,status=200i,value=0.5,cause_s=\"say \\\"no\\\" \\\\ \u{fffd}\" \
             1795255200123456000\n"
        );
    }
}
