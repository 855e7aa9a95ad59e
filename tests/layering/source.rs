//! Reading Rust as far as the layering test needs it: what is shipped, and which paths it names.
//!
//! No parser: comments and literals are blanked, the rest is cut into words and signs, and brackets are matched.
//! That is enough because the sources compile. Limits: names that a macro builds are not seen, and a local module
//! of the same name as a crate counts as it.

/// The module of a file: `src/ui/screen.rs` is `ui::screen`.
pub fn module_of(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

/// `source` with comments and literals as blanks; every line stays where it is.
pub fn blanked(source: &str) -> Vec<char> {
    let chars: Vec<char> = source.chars().collect();
    let mut out = chars.clone();
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if let Some(end) = end {
            for c in &mut out[at..end] {
                if *c != '\n' {
                    *c = ' ';
                }
            }
        }
        at = end.unwrap_or(at + 1);
    }
    out
}

/// One past the end of the comment or literal that begins at `at`, if one does.
fn literal_end(chars: &[char], at: usize) -> Option<usize> {
    let is = |offset: usize, c: char| chars.get(at + offset) == Some(&c);
    let find = |from: usize, wanted: &[char]| {
        (from..chars.len()).find(|&i| chars[i..].starts_with(wanted)).map_or(chars.len(), |i| i + wanted.len())
    };
    match chars[at] {
        '/' if is(1, '/') => Some(find(at, &['\n']).saturating_sub(1).max(at + 2)),
        '/' if is(1, '*') => {
            let (mut depth, mut i) = (1, at + 2);
            while depth > 0 && i < chars.len() {
                match chars[i..] {
                    ['/', '*', ..] => (depth, i) = (depth + 1, i + 2),
                    ['*', '/', ..] => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
            }
            Some(i)
        }
        '"' => Some(quoted_end(chars, at + 1, '"')),
        // A quote with one character, or an escape, before the next quote is a character; else a lifetime.
        '\'' if is(1, '\\') || is(2, '\'') => Some(quoted_end(chars, at + 1, '\'')),
        'r' if at == 0 || !is_word(chars[at - 1]) || matches!(chars[at - 1], 'b' | 'c') => {
            let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
            let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            is(hashes + 1, '"').then(|| find(at + hashes + 2, &close))
        }
        _ => None,
    }
}

fn quoted_end(chars: &[char], from: usize, quote: char) -> usize {
    let mut i = from;
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A word, `::`, or any other single character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    text: String,
    line: usize,
}

pub fn tokens(chars: &[char]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let length = match chars[at] {
            c if is_word(c) => chars[at..].iter().take_while(|&&c| is_word(c)).count(),
            ':' if chars.get(at + 1) == Some(&':') => 2,
            _ => 1,
        };
        if chars[at] == '\n' {
            line += 1;
        } else if !chars[at].is_whitespace() {
            tokens.push(Token { text: chars[at..at + length].iter().collect(), line });
        }
        at += length;
    }
    tokens
}

/// The tokens that are not under `#[cfg(test)]`, and how many lines the others took.
pub fn shipped(tokens: &[Token]) -> (Vec<Token>, usize) {
    let (mut kept, mut test_lines, mut at) = (Vec::new(), 0, 0);
    while at < tokens.len() {
        let attribute = attribute_end(tokens, at);
        if attribute.is_some_and(|end| is_test_cfg(&tokens[at..end])) {
            let end = item_end(tokens, at);
            test_lines += tokens[end - 1].line - tokens[at].line + 1;
            at = end;
        } else {
            let end = attribute.unwrap_or(at + 1);
            kept.extend_from_slice(&tokens[at..end]);
            at = end;
        }
    }
    (kept, test_lines)
}

/// One past the `]` of an outer attribute at `at`.
fn attribute_end(tokens: &[Token], at: usize) -> Option<usize> {
    let begins = tokens[at].text == "#" && tokens.get(at + 1)?.text == "[";
    begins.then(|| group_end(tokens, at + 1))
}

/// `cfg(test)` or `cfg(all(…, test, …))`.
fn is_test_cfg(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().map(|token| token.text.as_str()).collect();
    match &words[2..words.len() - 1] {
        ["cfg", "(", "test", ")"] => true,
        ["cfg", "(", "all", "(", inner @ ..] => {
            let mut depth = 0;
            inner.iter().enumerate().any(|(i, word)| {
                depth += i32::from(*word == "(") - i32::from(*word == ")");
                depth == 0 && *word == "test" && matches!(inner.get(i + 1), Some(&("," | ")")))
            })
        }
        _ => false,
    }
}

/// One past the item that the attribute at `at` belongs to: its `;`, its block, or the comma of a field.
fn item_end(tokens: &[Token], at: usize) -> usize {
    let mut i = at;
    while let Some(end) = tokens.get(i).and_then(|_| attribute_end(tokens, i)) {
        i = end;
    }
    let keywords = ["pub", "fn", "mod", "use", "impl", "struct", "enum", "const", "static", "type", "trait", "let"];
    let is_item = tokens.get(i).is_some_and(|token| keywords.contains(&token.text.as_str()));
    while let Some(token) = tokens.get(i) {
        match token.text.as_str() {
            ";" => return i + 1,
            "," if !is_item => return i + 1,
            "{" => return group_end(tokens, i),
            "}" => return i,
            "(" | "[" => i = group_end(tokens, i),
            _ => i += 1,
        }
    }
    i
}

/// One past the bracket that closes the one at `at`.
fn group_end(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    tokens.len()
}

/// A path as it is written, and what it leads to.
pub struct Used {
    /// Where it begins.
    pub line: usize,
    /// As it is written.
    pub segments: Vec<String>,
    /// What it leads to.
    pub target: Target,
}

pub enum Target {
    /// Within the crate, from its root.
    Inside(Vec<String>),
    /// Another crate, or a name that is in scope.
    Outside(String),
}

/// Every path of two segments or more, and every single name that is imported.
pub fn used_paths(tokens: &[Token], module: &[String]) -> Vec<Used> {
    let mut used = Vec::new();
    let mut inline: Vec<(usize, String)> = Vec::new();
    let (mut depth, mut at) = (0, 0);
    let text = |i: usize| tokens.get(i).map_or("", |token| token.text.as_str());
    while at < tokens.len() {
        let line = tokens[at].line;
        let scope: Vec<String> = module.iter().cloned().chain(inline.iter().map(|(_, name)| name.clone())).collect();
        let mut note = |segments: Vec<String>| {
            let target = resolved(&segments, &scope);
            used.push(Used { line, segments, target });
        };
        match text(at) {
            "use" if text(at + 1) != "<" => at = use_tree(tokens, at + 1, &[], &mut note),
            "mod" if text(at + 2) == "{" => {
                inline.push((depth, text(at + 1).to_owned()));
                at += 2;
            }
            "{" => (depth, at) = (depth + 1, at + 1),
            "}" => {
                depth = usize::saturating_sub(depth, 1);
                if inline.last().is_some_and(|&(opened, _)| opened == depth) {
                    inline.pop();
                }
                at += 1;
            }
            word if word.starts_with(is_word) && text(at + 1) == "::" => {
                let mut segments = vec![word.to_owned()];
                while text(at + 1) == "::" && text(at + 2).starts_with(is_word) {
                    segments.push(text(at + 2).to_owned());
                    at += 2;
                }
                at += 1;
                note(segments);
            }
            _ => at += 1,
        }
    }
    used
}

/// Reads one `use` tree from `at`, notes each of its leaves, and returns where it ends.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &[String], note: &mut impl FnMut(Vec<String>)) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => at += 1,
            "{" => {
                let end = group_end(tokens, at);
                at += 1;
                while at < end - 1 {
                    at = use_tree(tokens, at, &path, note);
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return end;
            }
            "as" => at += 2,
            word if word == "*" || word.starts_with(is_word) => {
                path.push(word.to_owned());
                at += 1;
            }
            _ => break,
        }
    }
    note(path);
    at
}

fn resolved(segments: &[String], scope: &[String]) -> Target {
    let first = segments.first().map_or("", String::as_str);
    if !["crate", "self", "super"].contains(&first) {
        return Target::Outside(first.to_owned());
    }
    let ups = segments.iter().take_while(|segment| *segment == "super" || *segment == "self");
    let (ups, skipped) = (ups.clone().filter(|segment| *segment == "super").count(), ups.count());
    let base = if first == "crate" { &[] } else { &scope[..scope.len().saturating_sub(ups)] };
    let rest = &segments[skipped.max(1)..];
    Target::Inside(base.iter().chain(rest).cloned().collect())
}

/// The paths, without `.rs`, of modules in files of their own that `source` declares under `#[cfg(test)]`.
pub fn test_modules(path: &str, source: &str) -> Vec<String> {
    let tokens = tokens(&blanked(source));
    let is_root = ["mod.rs", "lib.rs", "main.rs"].iter().any(|root| path.ends_with(&format!("/{root}")));
    let beside = if is_root { path.rsplit_once('/').map_or("", |(dir, _)| dir) } else { path.trim_end_matches(".rs") };
    let declared = |at: usize| {
        let end = attribute_end(&tokens, at).filter(|&end| is_test_cfg(&tokens[at..end]))?;
        let item: Vec<&str> = tokens[end..].iter().take(3).map(|token| token.text.as_str()).collect();
        matches!(item[..], ["mod", _, ";"]).then(|| format!("{beside}/{}", item[1]))
    };
    (0..tokens.len()).filter_map(declared).collect()
}
