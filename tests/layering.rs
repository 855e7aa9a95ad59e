//! The plan of the house, held by a test: which room may import which, and where a crate or a clock may appear.
//!
//! The sources are read as text. Comments and literals are blanked first and items under `#[cfg(test)]` are left
//! out, so only shipped code counts and no sentence trips a rule; then every path is collected, from `use` trees
//! and from expressions, and resolved against the module it stands in. [`check`] is one pure function from a path
//! and a source to faults; its own cases are below, bad sources that must be caught and good ones that must not.
//!
//! Limits: names that a macro builds are not seen, and a local module of the same name as a crate counts as it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

/// What each room may import besides itself; `app` and `demo` may import everything.
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("model", &[]),
    ("ring", &["model"]),
    ("stats", &["model"]),
    ("alert", &["model", "stats"]),
    ("config", &["model", "alert"]),
    ("engine", &["model", "ring", "stats", "alert"]),
    ("probe", &["model"]),
    ("store", &["model", "stats", "ring", "alert"]),
    ("export", &["model", "alert", "store"]),
    ("report", &["model", "stats", "alert", "engine::snapshot"]),
    ("ui", &["model", "stats", "alert", "engine::snapshot"]),
    ("app", ALL),
    ("demo", ALL),
];

const ALL: &[&str] =
    &["model", "ring", "stats", "alert", "config", "engine", "probe", "store", "export", "report", "ui", "app", "demo"];

/// What `engine` re-exports from `engine::snapshot`: the same nouns under a shorter path.
const SNAPSHOT_NOUNS: [&str; 7] =
    ["LastCheck", "OpenIncident", "Row", "SiteSnapshot", "SiteState", "Snapshot", "ViewSnapshot"];

/// The only rooms in which a crate may appear. Crates that are not named here may appear anywhere.
const ONLY_IN: [(&str, &[&str]); 25] = [
    ("annotate_snippets", &["config"]),
    ("anyhow", &["app", "demo"]),
    ("arc_swap", &["engine"]),
    ("clap", &["app"]),
    ("clap_complete", &["app"]),
    ("clap_mangen", &["app"]),
    ("crc32c", &["store"]),
    ("crossterm", &["ui"]),
    ("hdrhistogram", &["stats", "store"]),
    ("hickory_resolver", &["probe", "export"]),
    ("http_body_util", &["probe", "export"]),
    ("hyper", &["probe", "export"]),
    ("hyper_rustls", &["probe", "export"]),
    ("hyper_util", &["probe", "export"]),
    ("loom", &["ring"]),
    ("ratatui", &["ui"]),
    ("redb", &["store"]),
    ("rustls", &["probe", "export"]),
    ("serde", &["config", "report"]),
    ("serde_json", &["report"]),
    ("serde_saphyr", &["config"]),
    ("tokio", &["probe", "export", "app", "demo"]),
    ("tokio_rustls", &["probe", "export"]),
    ("tracing", &["app", "demo"]),
    ("tracing_subscriber", &["app"]),
];

/// Types whose `now` reads a clock, and the one file that may.
const CLOCKS: [&str; 4] = ["SystemTime", "Instant", "Timestamp", "Zoned"];
const CLOCK_FILE: &str = "src/app/clock.rs";

/// Names that say nothing about what a module holds.
const EMPTY_NAMES: [&str; 12] = [
    "util", "utils", "helper", "helpers", "manager", "managers", "handler", "handlers", "data", "info", "misc",
    "common",
];

/// Most lines of shipped code and its comments in one file, and in `main.rs`.
const LINES_MAX: usize = 400;
const MAIN_LINES_MAX: usize = 40;

#[derive(Debug, PartialEq, Eq)]
struct Fault {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

#[test]
fn every_source_keeps_to_the_plan() {
    let files = sources(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(files.len() > 20, "only {} sources were found", files.len());
    let tests: BTreeSet<String> = files.iter().flat_map(|(path, source)| test_modules(path, source)).collect();
    let is_test =
        |path: &str| tests.iter().any(|stem| path == format!("{stem}.rs") || path.starts_with(&format!("{stem}/")));
    let faults: Vec<String> = files
        .iter()
        .flat_map(|(path, source)| if is_test(path) { check_form(path, source) } else { check(path, source) })
        .map(|fault| fault.to_string())
        .collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Every fault of one file; `path` is relative to the package.
fn check(path: &str, source: &str) -> Vec<Fault> {
    let mut faults = check_form(path, source);
    if !path.starts_with("src/") {
        return faults;
    }
    let (tokens, test_lines) = shipped(&tokens(&blanked(source)));
    let mut fault = |line, what: String| faults.push(Fault { path: path.to_owned(), line, what });

    let lines = source.lines().count() - test_lines;
    let most = if path == "src/main.rs" { MAIN_LINES_MAX } else { LINES_MAX };
    if lines > most {
        fault(most, format!("{lines} lines without tests, at most {most} are allowed"));
    }
    for used in used_paths(&tokens, &module_of(path)) {
        match &used.target {
            Target::Inside(inside) => check_edge(path, inside).into_iter().for_each(|what| fault(used.line, what)),
            Target::Outside(outside) => check_crate(path, outside).into_iter().for_each(|what| fault(used.line, what)),
        }
        let mut pairs = used.segments.iter().zip(used.segments.iter().skip(1));
        if path != CLOCK_FILE && pairs.any(|(of, now)| now == "now" && CLOCKS.contains(&of.as_str())) {
            fault(used.line, format!("reads a clock ({}); time is an argument", used.segments.join("::")));
        }
    }
    faults
}

/// What holds for test code and benchmarks too: the header and the name.
fn check_form(path: &str, source: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |what: String| faults.push(Fault { path: path.to_owned(), line: 1, what });
    if !source.starts_with("//!") {
        fault("does not open with a `//!` header".to_owned());
    }
    for name in path.trim_end_matches(".rs").split('/').filter(|name| EMPTY_NAMES.contains(name)) {
        fault(format!("`{name}` says nothing about what is in it"));
    }
    faults
}

fn check_edge(path: &str, inside: &[String]) -> Option<String> {
    let module = module_of(path);
    let (from, to) = (module.first()?, inside.first()?);
    if from == to || !ALL.contains(&to.as_str()) {
        return None;
    }
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(room, _)| room == from) else {
        return Some(format!("`{from}` is no room of the plan"));
    };
    let second = inside.get(1).map_or("", String::as_str);
    let is_snapshot = to == "engine" && (second == "snapshot" || SNAPSHOT_NOUNS.contains(&second));
    let is_allowed = allowed.iter().any(|&room| room == to || (room == "engine::snapshot" && is_snapshot));
    (!is_allowed).then(|| format!("`{from}` may not import `{}`", inside.join("::")))
}

fn check_crate(path: &str, outside: &str) -> Option<String> {
    let (_, rooms) = ONLY_IN.iter().find(|(name, _)| *name == outside)?;
    let module = module_of(path);
    // The binary is a part of the shell.
    let root = if path == "src/main.rs" { "app" } else { "the crate's root" };
    let from = module.first().map_or(root, String::as_str);
    (!rooms.contains(&from)).then(|| format!("`{outside}` appears in {from}, its place is {}", rooms.join(" and ")))
}

/// The module of a file: `src/ui/screen.rs` is `ui::screen`.
fn module_of(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

/// `source` with comments and literals as blanks; every line stays where it is.
fn blanked(source: &str) -> Vec<char> {
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
struct Token {
    text: String,
    line: usize,
}

fn tokens(chars: &[char]) -> Vec<Token> {
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
fn shipped(tokens: &[Token]) -> (Vec<Token>, usize) {
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
struct Used {
    line: usize,
    segments: Vec<String>,
    target: Target,
}

enum Target {
    /// Within the crate, from its root.
    Inside(Vec<String>),
    /// Another crate, or a name that is in scope.
    Outside(String),
}

/// Every path of two segments or more, and every single name that is imported.
fn used_paths(tokens: &[Token], module: &[String]) -> Vec<Used> {
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
fn test_modules(path: &str, source: &str) -> Vec<String> {
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

/// All Rust files of the package's own directories with their text, paths relative to `package`.
fn sources(package: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut left: Vec<_> = ["src", "benches", "tests"].map(|dir| package.join(dir)).into();
    while let Some(dir) = left.pop().filter(|_| files.len() < 10_000) {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.expect("the directory can be read").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(package).expect("it was found below the package");
                let name = relative.to_str().expect("our paths are UTF-8").replace('\\', "/");
                files.push((name, fs::read_to_string(&path).expect("a source can be read")));
            }
        }
    }
    files.sort();
    files
}

mod cases {
    //! The test, tested: sources that break one rule each, and sources that only look as if they did.

    use super::*;

    fn faults(path: &str, body: &str) -> Vec<String> {
        check(path, &format!("//! A file.\n{body}")).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn bad_sources_are_caught() {
        for (path, body, part) in [
            ("src/model/a.rs", "use crate::stats::Counts;", "`model` may not import `stats::Counts`"),
            ("src/probe/a.rs", "use crate::{model::Sample, store::Store};", "may not import `store::Store`"),
            (
                "src/stats/a.rs",
                "use crate::{\n  model::{self, Sample},\n  ring::{Reader as R, *},\n};",
                "`ring::Reader`",
            ),
            ("src/ui/a.rs", "fn f() { crate::report::text::start(); }", "may not import `report::text::start`"),
            ("src/ui/a.rs", "use crate::engine::Engine;", "may not import `engine::Engine`"),
            ("src/ui/a.rs", "use crate::engine;", "may not import `engine`"),
            ("src/store/a/b.rs", "use super::super::super::ui::Screen;", "`store` may not import `ui::Screen`"),
            ("src/store/mod.rs", "use super::app::run;", "may not import `app::run`"),
            ("src/store/mod.rs", "mod inner { use super::super::probe::Prober; }", "may not import `probe::Prober`"),
            ("src/alert/a.rs", "pub use crate::engine::*;", "may not import `engine::*`"),
            ("src/alert/a.rs", "macro_rules! m { () => { $crate::config::Config } }", "`config::Config`"),
            ("src/garage/mod.rs", "use crate::model::Sample;", "`garage` is no room"),
            ("src/engine/a.rs", "use redb::Database;", "`redb` appears in engine"),
            ("src/engine/a.rs", "fn f(x: &::hyper::Request<()>) {}", "`hyper` appears in engine"),
            ("src/store/a.rs", "use {std::fmt, tokio::task};", "`tokio` appears in store"),
            ("src/store/a.rs", "#[derive(serde::Serialize)] struct A;", "`serde` appears in store"),
            ("src/ui/a.rs", "use anyhow as oops;", "`anyhow` appears in ui"),
            ("src/model/a.rs", "#[cfg(webmon_loom)]\nuse loom::sync::Arc;", "`loom` appears in model"),
            ("src/engine/a.rs", "let t = std::time::Instant::now();", "reads a clock"),
            ("src/app/run.rs", "let t = jiff::Timestamp :: now();", "reads a clock"),
            ("src/app/run.rs", "let clock: fn() -> Instant = Instant::now;", "reads a clock"),
            ("src/ui/a.rs", "#[cfg(not(test))] fn f() { Zoned::now(); }", "reads a clock"),
            ("src/ui/a.rs", "#[cfg(any(test, windows))] fn f() { SystemTime::now(); }", "reads a clock"),
            ("src/ui/a.rs", "#[cfg(test)] mod t { fn a() {} }\nfn f() { SystemTime::now(); }", "reads a clock"),
            ("src/ui/a.rs", "fn f<'a>(c: &'a char) { if *c == '\"' { SystemTime::now(); } }", "reads a clock"),
            ("src/lib.rs", "use clap::Parser;", "`clap` appears in the crate's root"),
            ("src/ui/util.rs", "", "`util` says nothing"),
            ("src/ui/helpers/mod.rs", "", "`helpers` says nothing"),
            ("src/ui/a.rs", &"\n".repeat(400), "401 lines without tests"),
            ("src/main.rs", &"\n".repeat(40), "41 lines without tests"),
        ] {
            let found = faults(path, body);
            assert!(found.iter().any(|what| what.contains(part)), "{path}: {body:?} gave {found:?}");
        }
    }

    #[test]
    fn good_sources_pass() {
        for (path, body) in [
            ("src/ui/a.rs", "use crate::engine::snapshot::SiteState;\nuse crate::engine::{Row, Snapshot as S};"),
            ("src/ui/a.rs", "use super::theme::Theme;\nuse self::inner::X;\nuse crate::ui::{self, *};"),
            ("src/ui/a.rs", "// use crate::store::Store;\n/* Instant::now() /* redb::x */ hyper::y */"),
            (
                "src/ui/a.rs",
                "/// [`crate::store::Store`]\nfn f() { g(\"\\\"crate::store \", r#\"redb::\" SystemTime::now\"#, '\"'); }",
            ),
            ("src/ui/a.rs", "fn f<'a>(x: &'a str) -> bool { x == b\"redb::x\" && '\\'' != 'a' }"),
            ("src/ui/a.rs", "#[cfg(test)]\nmod tests {\n use crate::engine::Engine;\n fn f() { Instant::now(); }\n}"),
            (
                "src/ui/a.rs",
                "#[cfg(all(test, webmon_loom))]\nuse loom::model;\n#[cfg(test)]\nconst A: [u8; 2] = redb::B;",
            ),
            ("src/ui/a.rs", "struct A { #[cfg(test)] x: redb::Database, y: u8 }"),
            ("src/ui/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{}}}", "\n".repeat(900))),
            ("src/app/clock.rs", "pub fn now() -> Instant { Instant::now() }"),
            (
                "src/app/run.rs",
                "use crate::{ui, store::Store, demo};\nuse clap::Parser;\nfn f(n: Now) { clock.now(); n.now }",
            ),
            (
                "src/ring/mod.rs",
                "mod inner { use super::Slot; use super::super::model::Sample; }\nuse loom::sync::Arc;",
            ),
            ("src/report/a.rs", "use serde::Serialize;\nfn f() -> impl Sized + use<'_> { serde_json::json!() }"),
            ("src/lib.rs", "pub mod model;\npub use model::Sample;"),
            ("src/main.rs", "fn main() -> anyhow::Result<()> { webmon::app::main() }"),
            ("benches/ring.rs", "use std::time::Instant;\nfn f() { Instant::now(); hyper::x(); }"),
        ] {
            assert_eq!(faults(path, body), Vec::<String>::new(), "{path}: {body:?}");
        }
    }

    #[test]
    fn a_header_is_asked_of_every_file() {
        for path in ["src/ui/a.rs", "benches/ring.rs", "tests/cli.rs"] {
            assert_eq!(check(path, "use std::fmt;\n").len(), 1, "{path}");
        }
    }

    #[test]
    fn faults_name_their_line() {
        let faults = check("src/ui/a.rs", "//! A file.\n\n/* two\nlines */ use redb::Database;\n");
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn test_modules_in_files_of_their_own_are_found() {
        let source = "#[cfg(test)]\nmod tests;\nmod real;\n#[cfg(all(test, webmon_loom))]\nmod loom;\n";
        assert_eq!(test_modules("src/ring/mod.rs", source), ["src/ring/tests", "src/ring/loom"]);
        assert_eq!(test_modules("src/ring/reader.rs", source), ["src/ring/reader/tests", "src/ring/reader/loom"]);
    }
}
