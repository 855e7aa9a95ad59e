//! Expands `${VAR}`, `${VAR:-default}` and `${file:PATH}` in values.
//!
//! Values are expanded after parsing, so a variable cannot change the structure of the file. `$$` is a `$`; any other `$` stays. The
//! default applies when the variable is unset or empty. The last line break of a variable or a file, as `echo` and editors write
//! it, is cut, and so is a byte order mark.
//!
//! Invariant: a fault names the variable or the file, never its content. Bounds: 64 KiB per file.

use std::ops::Range;
use std::path::Path;

use crate::config::files::file::Files;
use crate::model::text::clean;

use super::needed::Needed;

/// Longest file, bytes.
const FILE_MAX: u64 = 64 << 10;

/// The sources of expressions.
pub(crate) struct Substitutions<'a> {
    /// The variables; none if only the syntax is checked.
    pub(crate) env: Option<&'a Env<'a>>,
    /// The values that must have their content.
    pub(crate) needed: Needed,
    /// The folder to which paths are relative.
    pub(crate) base_dir: &'a Path,
    pub(crate) files: Files,
}

/// Whether `text` is a valid expression.
pub(crate) fn is_expression(text: &str) -> bool {
    let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| {
        inner.starts_with("file:") || is_name(inner.split_once(":-").map_or(inner, |(name, _)| name))
    })
}

impl<'a> Substitutions<'a> {
    pub(crate) fn new(env: Option<&'a Env<'a>>, base_dir: &'a Path) -> Self {
        Self { env, needed: Needed::All, base_dir, files: Files::default() }
    }

    /// The sources for a command that needs only these values.
    pub(crate) fn for_reading(env: &'a Env<'a>, needed: Needed, base_dir: &'a Path) -> Self {
        Self { needed, ..Self::new(Some(env), base_dir) }
    }
}

/// A text with its expressions replaced by their contents.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// Where the contents are in the text, in order.
    pub(crate) places: Vec<Range<usize>>,
}

/// An expression without content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// Its index among the expressions of the text.
    pub(crate) index: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Whether it is well written: only its variable or its file is missing here.
    pub(crate) is_missing: bool,
}

impl Failed {
    fn wrong(message: String, hint: Option<String>) -> Self {
        Self { index: 0, message, hint, is_missing: false }
    }

    fn missing(message: String, hint: Option<String>) -> Self {
        Self { index: 0, message, hint, is_missing: true }
    }
}

/// The byte ranges of the expressions in `text`, an unclosed one up to its end.
pub(crate) fn expressions(text: &str) -> impl Iterator<Item = Range<usize>> {
    Pieces { text, at: 0 }.filter_map(|piece| match piece {
        Piece::Expression { span, .. } => Some(span),
        Piece::Literal(_) => None,
    })
}

impl Substitutions<'_> {
    /// `text` with its expressions replaced by their content.
    ///
    /// # Errors
    /// Every expression without content.
    pub(crate) fn expand(&self, text: &str) -> Result<Expanded, Vec<Failed>> {
        let (mut expanded, mut failed, mut index) = (String::with_capacity(text.len()), Vec::new(), 0);
        let mut places = Vec::new();
        for piece in (Pieces { text, at: 0 }) {
            match piece {
                Piece::Literal(literal) => expanded.push_str(literal),
                Piece::Expression { inner, .. } => {
                    match self.content(inner) {
                        Ok(content) => {
                            places.push(expanded.len()..expanded.len() + content.len());
                            expanded.push_str(&content);
                        }
                        Err(why) => failed.push(Failed { index, ..why }),
                    }
                    index += 1;
                }
            }
        }
        if failed.is_empty() { Ok(Expanded { text: expanded, places }) } else { Err(failed) }
    }

    /// The content of the expression with this text in its braces, or without a closing brace.
    fn content(&self, inner: Option<&str>) -> Result<String, Failed> {
        let dollar = || Some("a literal $ is written $$".to_owned());
        let Some(inner) = inner else {
            return Err(Failed::wrong("this `${` is never closed".to_owned(), dollar()));
        };
        if let Some(path) = inner.strip_prefix("file:") {
            return self.file(path).map_err(|message| Failed::missing(message, None));
        }
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        if !is_name(name) {
            // A default may be a secret, and so may a text that is not meant as an expression.
            let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | ' ');
            let name = if name.chars().all(is_word) { name } else { "***" };
            let shown = if default.is_some() { format!("{name}:-***") } else { name.to_owned() };
            let message =
                format!("`${{{shown}}}` is not an expression; write ${{VAR}}, ${{VAR:-default}} or ${{file:PATH}}");
            return Err(Failed::wrong(message, dollar()));
        }
        let Some(env) = self.env else {
            return Ok(String::new());
        };
        let value = env(name).map(|value| without_line_break(&value).to_owned());
        match (value, default) {
            (Some(value), None) => Ok(value),
            (Some(value), Some(_)) if !value.is_empty() => Ok(value),
            (_, Some(default)) => Ok(default.to_owned()),
            (None, None) => {
                let hint = self.needed.advice(name);
                Err(Failed::missing(format!("environment variable {name} is not set"), Some(hint)))
            }
        }
    }

    fn file(&self, path: &str) -> Result<String, String> {
        if self.env.is_none() {
            return Ok(String::new());
        }
        let file = self.base_dir.join(path);
        if self.needed != Needed::All && file.exists() && !file.is_file() {
            // A FIFO can be read once, and is for the monitor.
            return Err(format!("the file {} is left to the monitor, since it is not a regular one", clean(path)));
        }
        let read = self.files.with(&file, FILE_MAX, |bytes| {
            let text = str::from_utf8(bytes).map_err(|_| ": it is not UTF-8 text".to_owned())?;
            Ok(without_line_break(text.strip_prefix('\u{feff}').unwrap_or(text)).to_owned())
        });
        read.and_then(|content| content).map_err(|why| {
            let path = clean(path);
            if why.starts_with(':') {
                format!("cannot read the file {path}{why}")
            } else {
                format!("the file {path}{why}")
            }
        })
    }
}

/// `text` without the line break at its end.
fn without_line_break(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |cut| cut.strip_suffix('\r').unwrap_or(cut))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

enum Piece<'a> {
    Literal(&'a str),
    /// `inner` is the text in the braces; none if they are not closed.
    Expression {
        span: Range<usize>,
        inner: Option<&'a str>,
    },
}

struct Pieces<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let (text, start) = (self.text, self.at);
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        if rest.starts_with("$$") {
            self.at = start + 2;
            return Some(Piece::Literal("$"));
        }
        if let Some(inner) = rest.strip_prefix("${") {
            let closed = inner.find('}');
            self.at = closed.map_or(text.len(), |end| start + 2 + end + 1);
            return Some(Piece::Expression { span: start..self.at, inner: closed.map(|end| &inner[..end]) });
        }
        let length = rest.char_indices().skip(1).find(|&(_, c)| c == '$').map_or(rest.len(), |(at, _)| at);
        self.at = start + length;
        Some(Piece::Literal(&rest[..length]))
    }
}

/// Looks up a variable; none if it is not set.
pub type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("s3cret".to_owned()),
            "EMPTY" => Some(String::new()),
            "LINE" => Some("\n".to_owned()),
            "NESTED" => Some("${TOKEN}".to_owned()),
            "ECHOED" => Some("s3cret\n".to_owned()),
            "WINDOWS" => Some("s3cret\r\n".to_owned()),
            "TWO_LINES" => Some("s3\ncret".to_owned()),
            _ => None,
        }
    }

    fn expand(text: &str) -> Result<String, Vec<Failed>> {
        Substitutions::new(Some(&env), Path::new(".")).expand(text).map(|expanded| expanded.text)
    }

    #[test]
    fn expressions_are_replaced_once_and_other_dollars_stay() {
        for (text, expanded) in [
            ("Bearer ${TOKEN}", "Bearer s3cret"),
            ("${TOKEN}${TOKEN}", "s3crets3cret"),
            ("${NONE:-other}", "other"),
            ("${EMPTY:-other}", "other"),
            ("${LINE:-other}", "other"),
            ("<${EMPTY}>", "<>"),
            ("${NONE:-}", ""),
            ("${NESTED}", "${TOKEN}"),
            ("<${ECHOED}>", "<s3cret>"),
            ("<${WINDOWS:-x}>", "<s3cret>"),
            ("<${TWO_LINES}>", "<s3\ncret>"),
            ("$${TOKEN}", "${TOKEN}"),
            ("$$$$", "$$"),
            ("^[0-9]+$", "^[0-9]+$"),
            ("$TOKEN €$5 ü$", "$TOKEN €$5 ü$"),
            ("", ""),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(expanded), "{text}");
        }
    }

    #[test]
    fn every_expression_without_content_is_reported() {
        let failed = expand("${A} ${TOKEN} ${b-c} ${file:/nowhere/at/all} ${open").unwrap_err();
        let reported: Vec<(usize, &str)> = failed.iter().map(|f| (f.index, f.message.as_str())).collect();
        assert_eq!(reported.len(), 4);
        assert_eq!(reported[0], (0, "environment variable A is not set"));
        assert!(reported[1].0 == 2 && reported[1].1.starts_with("`${b-c}` is not an expression"), "{reported:?}");
        assert!(
            reported[2].0 == 3 && reported[2].1.starts_with("cannot read the file /nowhere/at/all: "),
            "{reported:?}"
        );
        assert_eq!(reported[3], (4, "this `${` is never closed"));
        let odd = expand("pa${ss@word}x").unwrap_err().remove(0).message;
        assert!(odd.starts_with("`${***}` is not an expression"), "{odd}");
    }

    #[test]
    fn a_file_gives_its_text_without_the_last_line_break() {
        let dir = tempfile::tempdir().unwrap();
        let expand = |text: &str| Substitutions::new(Some(&env), dir.path()).expand(text).map(|expanded| expanded.text);
        for (content, expanded) in [("a b\n", "a b"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("\u{feff}a\n", "a"), ("", "")]
        {
            std::fs::write(dir.path().join("token"), content).unwrap();
            assert_eq!(expand("<${file:token}>").unwrap(), format!("<{expanded}>"));
        }
        std::fs::write(dir.path().join("token"), "x".repeat(70_000)).unwrap();
        assert!(expand("${file:token}").unwrap_err()[0].message.ends_with("is longer than 64 KiB"));
        std::fs::write(dir.path().join("token"), b"\xff\xfea\0").unwrap();
        let message = expand("${file:token}").unwrap_err().remove(0).message;
        assert_eq!(message, "cannot read the file token: it is not UTF-8 text");
    }

    proptest! {
        #[test]
        fn any_text_expands_or_tells_why(text in "[$a{}T:-]{0,12}|.*") {
            drop(expand(&text));
            for span in expressions(&text) {
                let found = &text[span];
                prop_assert!(found.starts_with("${"), "{}", found);
            }
        }
    }
}
