//! `${VAR}`, `${VAR:-default}` and `${file:PATH}` in a value, after parsing, so that no content of a variable can
//! change the structure of the file.
//!
//! `$$` is a `$`; any other `$` stays. The default is taken when the variable is unset or empty. A file's last line
//! feed is cut. Limits: a file of at most 64 KiB. A fault names the variable or the file, never its content.

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use super::Env;

/// Longest file that is taken in, bytes.
const FILE_MAX: u64 = 64 << 10;

/// Where expressions take their content from.
pub(super) struct Scope<'a> {
    /// The variables; none when contents do not matter: only the syntax is checked then.
    pub(super) env: Option<&'a Env<'a>>,
    /// The folder to which paths are relative.
    pub(super) base_dir: &'a Path,
}

/// An expression that has no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// Which of the text's expressions it is, from 0.
    pub(super) index: usize,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// The byte ranges of the expressions in `text`, an unclosed one up to its end.
pub(super) fn expressions(text: &str) -> impl Iterator<Item = Range<usize>> {
    Pieces { text, at: 0 }.filter_map(|piece| match piece {
        Piece::Expression { span, .. } => Some(span),
        Piece::Literal(_) => None,
    })
}

impl Scope<'_> {
    /// `text` with its expressions replaced by their content.
    ///
    /// # Errors
    /// Every expression that has none.
    pub(super) fn expand(&self, text: &str) -> Result<String, Vec<Failed>> {
        let (mut expanded, mut failed, mut index) = (String::with_capacity(text.len()), Vec::new(), 0);
        for piece in (Pieces { text, at: 0 }) {
            match piece {
                Piece::Literal(literal) => expanded.push_str(literal),
                Piece::Expression { inner, .. } => {
                    match self.content(inner) {
                        Ok(content) => expanded.push_str(&content),
                        Err((message, hint)) => failed.push(Failed { index, message, hint }),
                    }
                    index += 1;
                }
            }
        }
        if failed.is_empty() { Ok(expanded) } else { Err(failed) }
    }

    /// What stands for the expression of this inside; none is one that is not closed.
    fn content(&self, inner: Option<&str>) -> Result<String, (String, Option<String>)> {
        let dollar = || Some("a literal $ is written $$".to_owned());
        let Some(inner) = inner else {
            return Err(("this `${` is never closed".to_owned(), dollar()));
        };
        if let Some(path) = inner.strip_prefix("file:") {
            return self.file(path).map_err(|message| (message, None));
        }
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        if !is_name(name) {
            // A default may be a secret.
            let shown = if default.is_some() { format!("{name}:-***") } else { inner.to_owned() };
            let message =
                format!("`${{{shown}}}` is no expression; there are ${{VAR}}, ${{VAR:-default}}, ${{file:PATH}}");
            return Err((message, dollar()));
        }
        let Some(env) = self.env else {
            return Ok(String::new());
        };
        match (env(name), default) {
            (Some(value), None) => Ok(value),
            (Some(value), Some(_)) if !value.is_empty() => Ok(value),
            (_, Some(default)) => Ok(default.to_owned()),
            (None, None) => {
                let hint =
                    format!("export it, write ${{{name}:-none}}, or check the rest with: webmon validate --no-env");
                Err((format!("environment variable {name} is not set"), Some(hint)))
            }
        }
    }

    fn file(&self, path: &str) -> Result<String, String> {
        let mut content = String::new();
        if self.env.is_none() {
            return Ok(content);
        }
        File::open(self.base_dir.join(path))
            .and_then(|file| file.take(FILE_MAX + 1).read_to_string(&mut content))
            .map_err(|error| format!("cannot read the file {path}: {error}"))?;
        if content.len() as u64 > FILE_MAX {
            return Err(format!("the file {path} is longer than 64 KiB"));
        }
        let end = content.strip_suffix('\n').map_or(content.len(), |cut| cut.strip_suffix('\r').unwrap_or(cut).len());
        content.truncate(end);
        Ok(content)
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

enum Piece<'a> {
    Literal(&'a str),
    /// `inner` is what stands between the braces; none when they are not closed.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("s3cret".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${TOKEN}".to_owned()),
            _ => None,
        }
    }

    fn expand(text: &str) -> Result<String, Vec<Failed>> {
        Scope { env: Some(&env), base_dir: Path::new(".") }.expand(text)
    }

    #[test]
    fn expressions_are_replaced_once_and_other_dollars_stay() {
        for (text, expanded) in [
            ("Bearer ${TOKEN}", "Bearer s3cret"),
            ("${TOKEN}${TOKEN}", "s3crets3cret"),
            ("${NONE:-other}", "other"),
            ("${EMPTY:-other}", "other"),
            ("<${EMPTY}>", "<>"),
            ("${NONE:-}", ""),
            ("${NESTED}", "${TOKEN}"),
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
    fn every_expression_without_content_is_told_of() {
        let failed = expand("${A} ${TOKEN} ${b-c} ${file:/nowhere/at/all} ${open").unwrap_err();
        let told: Vec<(usize, &str)> = failed.iter().map(|f| (f.index, f.message.as_str())).collect();
        assert_eq!(told.len(), 4);
        assert_eq!(told[0], (0, "environment variable A is not set"));
        assert!(told[1].0 == 2 && told[1].1.starts_with("`${b-c}` is no expression"), "{told:?}");
        assert!(told[2].0 == 3 && told[2].1.starts_with("cannot read the file /nowhere/at/all: "), "{told:?}");
        assert_eq!(told[3], (4, "this `${` is never closed"));
    }

    #[test]
    fn a_file_gives_its_content_without_the_last_line_feed() {
        let dir = tempfile::tempdir().unwrap();
        let scope = Scope { env: Some(&env), base_dir: dir.path() };
        for (content, expanded) in [("a b\n", "a b"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("", "")] {
            std::fs::write(dir.path().join("token"), content).unwrap();
            assert_eq!(scope.expand("<${file:token}>").unwrap(), format!("<{expanded}>"));
        }
        std::fs::write(dir.path().join("token"), "x".repeat(70_000)).unwrap();
        assert!(scope.expand("${file:token}").unwrap_err()[0].message.ends_with("is longer than 64 KiB"));
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
