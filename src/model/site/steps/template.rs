//! A text with places for values that earlier steps took: `Bearer {token}`.
//!
//! `{{` and `}}` are braces. Invariants: `Debug` prints the names and none of the text, which may hold a secret; two texts beside
//! each other are one. Bounds: a name has at most [`NAME_MAX`] bytes.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Longest name of a taken value, bytes.
pub const NAME_MAX: usize = 40;

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Taken(Arc<str>),
}

impl Template {
    /// A template that is `text`, braces and all.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        let mut parts = Vec::new();
        add_text(&mut parts, &text.into());
        Self(parts)
    }

    /// Parses `text`; in the ranges `fixed`, which are in order, braces are braces.
    ///
    /// # Errors
    /// What is wrong with a brace. The message does not quote the text.
    pub fn parse(text: &str, fixed: &[Range<usize>]) -> Result<Self, String> {
        let is_fixed = |at: usize| fixed.iter().any(|range| range.contains(&at));
        let brace = |at: usize| text.as_bytes().get(at).copied().filter(|_| !is_fixed(at));
        let (mut parts, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let length = match (brace(at), brace(at + 1)) {
                (Some(b'{'), Some(b'{')) | (Some(b'}'), Some(b'}')) => {
                    add_text(&mut parts, &text[at..=at]);
                    2
                }
                (Some(b'{'), _) => {
                    let end = (at..text.len()).find(|&end| brace(end) == Some(b'}'));
                    let name = end.filter(|&end| !(at..end).any(is_fixed)).map(|end| &text[at + 1..end]);
                    let name = name.filter(|name| is_name(name));
                    let name = name.ok_or("after `{` comes a name and `}`, as in {token}; a brace is written {{")?;
                    parts.push(Part::Taken(name.into()));
                    name.len() + 2
                }
                (Some(b'}'), _) => return Err("this `}` closes nothing; a brace is written }}".to_owned()),
                _ => {
                    let is_plain = |&(next, _): &(usize, char)| !matches!(brace(at + next), Some(b'{' | b'}'));
                    let length: usize = text[at..].char_indices().take_while(is_plain).map(|(_, c)| c.len_utf8()).sum();
                    add_text(&mut parts, &text[at..at + length]);
                    length
                }
            };
            at += length;
        }
        Ok(Self(parts))
    }

    /// The template whose places are the `marks` in `text`, each with its name.
    #[must_use]
    pub fn marked(text: &str, marks: &[(String, Arc<str>)]) -> Self {
        let (mut parts, mut rest) = (Vec::new(), text);
        let first = |rest: &str| {
            let found = marks.iter().filter_map(|(mark, name)| Some((rest.find(mark)?, mark.len(), Arc::clone(name))));
            found.min_by_key(|(at, ..)| *at)
        };
        while let Some((at, length, name)) = first(rest) {
            add_text(&mut parts, &rest[..at]);
            parts.push(Part::Taken(name));
            rest = &rest[at + length..];
        }
        add_text(&mut parts, rest);
        Self(parts)
    }

    /// The names of the values, in their order; one may come twice.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().filter_map(|part| match part {
            Part::Taken(name) => Some(name),
            Part::Text(_) => None,
        })
    }

    /// Whether it begins with `text`.
    #[must_use]
    pub fn begins_with(&self, text: &str) -> bool {
        matches!(self.0.first(), Some(Part::Text(first)) if first.starts_with(text))
    }

    /// The text, with `value` of each name in its place.
    pub fn filled<'a>(&self, mut value: impl FnMut(&Arc<str>) -> Cow<'a, str>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Taken(name) => text.push_str(&value(name)),
            }
        }
        text
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")?;
        self.names().try_for_each(|name| write!(f, "{{{name}}}"))
    }
}

/// Whether a taken value can have this name: letters, digits, `_` and `-`, and no digit or `-` first.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.len() <= NAME_MAX
        && text.chars().all(is_part)
}

fn add_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(last)) => last.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(template: &Template) -> String {
        template.filled(|name| format!("<{name}>").into())
    }

    #[test]
    fn a_name_in_braces_is_a_place_and_two_braces_are_one() {
        for (text, fixed, meaning) in [
            ("Bearer {token}", None, Ok("Bearer <token>")),
            ("{a}{b-2}{_}", None, Ok("<a><b-2><_>")),
            ("{{a}} {{{a}}}", None, Ok("{a} {<a>}")),
            ("日{a}本", None, Ok("日<a>本")),
            ("", None, Ok("")),
            ("{a", None, Err("after `{`")),
            ("{", None, Err("after `{`")),
            ("{}", None, Err("after `{`")),
            ("{1a}", None, Err("after `{`")),
            ("{a b}", None, Err("after `{`")),
            ("{a{b}", None, Err("after `{`")),
            (r#"{"a":1}"#, None, Err("after `{`")),
            ("a}", None, Err("closes nothing")),
            ("a}}}", None, Err("closes nothing")),
            // What came out of a variable.
            ("p{w{a}", Some(0..3), Ok("p{w<a>")),
            ("{{x}}{a}", Some(0..5), Ok("{{x}}<a>")),
            ("{{", Some(1..2), Err("after `{`")),
            ("{a}", Some(1..2), Err("after `{`")),
        ] {
            let said = Template::parse(text, fixed.as_slice()).map(|template| filled(&template));
            match (said, meaning) {
                (Ok(said), Ok(meaning)) => assert_eq!(said, meaning, "{text}"),
                (Err(said), Err(part)) => assert!(said.contains(part), "{text}: {said}"),
                (said, _) => panic!("{text}: {said:?}"),
            }
        }
        let long = "n".repeat(NAME_MAX + 1);
        assert!(Template::parse(&format!("{{{long}}}"), &[]).is_err() && is_name(&long[1..]));
        let template = Template::parse("hunter2 {csrf} {id}", &[]).unwrap();
        assert_eq!(format!("{template:?}"), "***{csrf}{id}");
    }

    #[test]
    fn marks_are_places() {
        let marks = [("webmon0taken".to_owned(), "id".into()), ("webmon1taken".to_owned(), "csrf".into())];
        let template = Template::marked("http://a.test/webmon0taken?c=webmon1taken&d=webmon0taken", &marks);
        assert_eq!(filled(&template), "http://a.test/<id>?c=<csrf>&d=<id>");
        assert!(template.begins_with("http:") && !template.begins_with("https:"));
    }

    /// Parts of a text: literal ones, and names.
    fn parts() -> impl Strategy<Value = Vec<Result<String, String>>> {
        let literal = "[{}a-c$%é ]{0,6}".prop_map(Ok);
        let name = "[a-z_][a-z0-9_-]{0,3}".prop_map(Err);
        prop::collection::vec(prop_oneof![literal, name], 0..6)
    }

    fn model(parts: &[Result<String, String>]) -> String {
        parts.iter().map(|part| part.clone().unwrap_or_else(|name| format!("<{name}>"))).collect()
    }

    proptest! {
        /// Literal parts with doubled braces, and names in single ones, read back as they were.
        #[test]
        fn what_is_written_so_is_read_so(parts in parts()) {
            let write = |part: &Result<String, String>| match part {
                Ok(text) => text.replace('{', "{{").replace('}', "}}"),
                Err(name) => format!("{{{name}}}"),
            };
            let text: String = parts.iter().map(write).collect();
            let template = Template::parse(&text, &[]).unwrap();
            prop_assert_eq!(filled(&template), model(&parts));
            let names: Vec<String> = template.names().map(ToString::to_string).collect();
            prop_assert_eq!(names, parts.iter().filter_map(|part| part.clone().err()).collect::<Vec<_>>());
        }

        /// Braces of fixed parts are braces, whatever stands beside them.
        #[test]
        fn fixed_parts_are_literal(parts in parts()) {
            let (mut text, mut fixed) = (String::new(), Vec::new());
            for part in &parts {
                match part {
                    Ok(part) => {
                        fixed.push(text.len()..text.len() + part.len());
                        text.push_str(part);
                    }
                    Err(name) => text.extend(["{", name, "}"]),
                }
            }
            prop_assert_eq!(filled(&Template::parse(&text, &fixed).unwrap()), model(&parts));
        }

        #[test]
        fn no_text_is_parsed_wrongly(text in "[{}a-c $é]{0,12}", from in 0_usize..12, length in 0_usize..4) {
            if let Ok(template) = Template::parse(&text, std::slice::from_ref(&(from..from + length))) {
                // Nothing is lost but braces.
                let bare = |text: &str| text.replace(['{', '}', '<', '>'], "");
                prop_assert_eq!(bare(&filled(&template)), bare(&text));
            }
        }
    }
}
