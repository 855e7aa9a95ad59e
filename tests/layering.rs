//! The plan of the house, held by a test: which room may import which, and where a crate or a clock may appear.
//!
//! The sources are read as text. Comments and literals are blanked first and items under `#[cfg(test)]` are left
//! out, so only shipped code counts and no sentence trips a rule; then every path is collected, from `use` trees
//! and from expressions, and resolved against the module it stands in. [`check`] is one pure function from a path
//! and a source to faults; its own cases are below, bad sources that must be caught and good ones that must not.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

#[path = "layering/source.rs"]
mod source;

use source::{Target, blanked, module_of, shipped, test_modules, tokens, used_paths};

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
    ("export", &["model", "alert", "probe", "store"]),
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
const ONLY_IN: [(&str, &[&str]); 38] = [
    ("annotate_snippets", &["config"]),
    ("anyhow", &["app", "demo"]),
    ("arc_swap", &["engine"]),
    ("aws_lc_rs", &["probe"]),
    ("clap", &["app"]),
    ("clap_complete", &["app"]),
    ("clap_mangen", &["app"]),
    ("cookie_store", &["probe"]),
    ("crc32c", &["store"]),
    ("crossterm", &["ui"]),
    ("dns_lookup", &["probe"]),
    ("encoding_rs", &["probe"]),
    ("flate2", &["probe", "export"]),
    ("h2", &["probe"]),
    ("hdrhistogram", &["stats", "store"]),
    ("hickory_resolver", &["probe", "export"]),
    ("http_body_util", &["probe", "export"]),
    ("hyper", &["probe", "export"]),
    ("hyper_rustls", &["probe", "export"]),
    ("hyper_util", &["probe", "export"]),
    ("loom", &["ring"]),
    ("ratatui", &["ui"]),
    ("rcgen", &["demo"]),
    ("redb", &["store"]),
    ("regex", &["model", "config", "probe"]),
    ("regex_automata", &["probe"]),
    ("rustls", &["probe", "export", "demo"]),
    ("rustls_native_certs", &["probe"]),
    ("rustls_pki_types", &["config"]),
    ("serde", &["config", "report"]),
    ("serde_json", &["config", "report", "export"]),
    ("serde_saphyr", &["config"]),
    ("tokio", &["probe", "export", "app", "demo"]),
    ("tokio_rustls", &["probe", "export", "demo"]),
    ("tracing", &["app", "demo"]),
    ("tracing_subscriber", &["app"]),
    ("webpki", &["probe"]),
    ("zerocopy", &["ring"]),
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
