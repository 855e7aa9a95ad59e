//! The layout, enforced: which room may import which, the layers within each, and where a crate or a clock may appear.
//!
//! The sources are parsed with `syn`. Items under `#[cfg(test)]` are left out, so only shipped code counts; then every
//! path is collected, from `use` trees, expressions and macros, and resolved against the module it stands in. [`check`]
//! is one pure function from a path and a source to faults; its own cases are below, bad sources that must be caught and
//! good ones that must not. `cargo test --test layering -- --nocapture` prints the table of the rooms.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

mod graph;
mod source;

use graph::Graph;
use source::{Source, module_of};

/// What each room may import besides itself; `app` and `demo` may import everything.
const MAY_IMPORT: [(&str, &[&str]); 19] = [
    ("model", &[]),
    ("ring", &["model"]),
    ("stats", &["model"]),
    ("alert", &["model", "stats"]),
    ("config", &["model", "alert", "notify", "tui::arrangement", "tui::input"]),
    ("engine", &["model", "ring", "stats", "alert"]),
    ("probe", &["model"]),
    ("store", &["model", "stats", "ring", "alert"]),
    ("http", &["model", "probe"]),
    ("export", &["model", "alert", "probe", "http", "store"]),
    ("fleet", &["model", "probe", "store"]),
    ("rdap", &["model", "http"]),
    ("backtest", &["model", "stats", "alert"]),
    ("report", &["model", "stats", "alert", "backtest", "engine::snapshot"]),
    ("tui", &["model", "stats", "alert", "engine::snapshot"]),
    ("notify", &["model", "stats", "alert", "http", "report"]),
    ("serve", &["model", "stats", "alert", "report", "engine::snapshot"]),
    ("app", ALL),
    ("demo", ALL),
];

const ALL: &[&str] = &[
    "model", "ring", "stats", "alert", "config", "engine", "probe", "store", "http", "export", "report", "tui",
    "notify", "app", "backtest", "demo", "serve", "rdap", "fleet",
];

/// What `engine` re-exports from `engine::snapshot`: the same nouns under a shorter path.
const SNAPSHOT_NOUNS: [&str; 8] =
    ["LastCheck", "OpenIncident", "Row", "SiteFacts", "SiteSnapshot", "SiteState", "Snapshot", "ViewSnapshot"];

/// The only rooms in which a crate may appear. Crates that are not named here may appear anywhere.
const ONLY_IN: [(&str, &[&str]); 47] = [
    ("annotate_snippets", &["config"]),
    ("anyhow", &["app", "demo"]),
    ("arc_swap", &["engine"]),
    ("async_nats", &["fleet"]),
    ("clap", &["app"]),
    ("clap_complete", &["app"]),
    ("clap_mangen", &["app"]),
    ("cookie_store", &["probe"]),
    ("crc32c", &["store", "fleet"]),
    ("crossterm", &["tui"]),
    // In `app` this is the module of `report`.
    ("csv", &["report", "app"]),
    ("dns_lookup", &["probe"]),
    ("encoding_rs", &["probe"]),
    ("futures_util", &["fleet"]),
    ("flate2", &["probe", "export", "serve", "fleet"]),
    ("h2", &["probe"]),
    ("h3", &["probe"]),
    ("h3_quinn", &["probe"]),
    ("hdrhistogram", &["stats", "report"]),
    ("hickory_resolver", &["probe"]),
    ("http_body_util", &["probe", "http"]),
    ("hyper", &["probe", "http", "export", "serve"]),
    ("hyper_rustls", &["probe"]),
    ("hyper_util", &["probe", "serve"]),
    ("lettre", &["notify"]),
    ("loom", &["ring"]),
    ("maud", &["serve"]),
    ("minijinja", &["notify"]),
    ("quinn", &["probe"]),
    ("ratatui", &["tui"]),
    ("rcgen", &["demo", "fleet"]),
    ("redb", &["store"]),
    ("regex", &["model", "config", "probe"]),
    ("regex_automata", &["probe"]),
    ("rustls", &["probe", "http", "demo", "serve", "fleet"]),
    ("rustls_native_certs", &["probe"]),
    ("rustls_pki_types", &["config", "serve"]),
    ("serde", &["config", "report", "app"]),
    ("serde_json", &["model", "config", "probe", "report", "export", "notify", "serve", "app", "rdap", "fleet"]),
    ("serde_json_path", &["model", "config", "probe"]),
    ("serde_saphyr", &["config"]),
    ("tokio", &["probe", "http", "notify", "fleet", "rdap", "serve", "app", "demo"]),
    ("tokio_rustls", &["probe", "serve", "demo"]),
    ("tracing", &["app", "demo"]),
    ("tracing_subscriber", &["app"]),
    ("webpki", &["probe"]),
    ("zerocopy", &["ring"]),
];

/// Types whose `now` reads a clock, and the one file that may.
const CLOCKS: [&str; 4] = ["SystemTime", "Instant", "Timestamp", "Zoned"];
const CLOCK_FILE: &str = "src/app/clock.rs";

/// Names that do not describe the content of a module.
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

/// The entries of each room, its files and its folders, in layers from top to bottom: an entry may import what stands in a
/// lower layer.
const LAYERS: [(&str, &[&[&str]]); 15] = [
    (
        "model",
        &[
            &["health"],
            &["fleet", "web"],
            &["command", "site"],
            &["expect"],
            &["check", "export_target"],
            &["figures", "resolver", "site_numbers", "stops", "text", "time", "zone"],
            &["lock"],
        ],
    ),
    (
        "stats",
        &[
            &["series"],
            &["rollup"],
            &["window"],
            &["change", "totals"],
            &["coverage", "summary"],
            &["counts", "facts", "histogram"],
        ],
    ),
    (
        "config",
        &[
            &["diagnostics", "load", "parts", "typed"],
            &["excerpt", "sections"],
            &["keys"],
            &["error", "syntax"],
            &["files"],
        ],
    ),
    (
        "engine",
        &[
            &["clock_set", "clocks", "mask", "past", "reconfigure"],
            &["lanes"],
            &["tracker"],
            &["board", "state_machine"],
            &["step"],
            &["snapshot", "span"],
        ],
    ),
    (
        "probe",
        &[
            &["journey", "ports"],
            &["hop", "quic"],
            &["run"],
            &["bounded", "expectations", "own_time", "websocket"],
            &["transport"],
            &["dns", "http"],
            &["body", "tls"],
            &["options"],
            &["proxy", "tcp"],
            &["evidence", "failure", "io", "pulse", "stopwatch"],
            &["turn"],
        ],
    ),
    (
        "store",
        &[
            &["changes", "fleet"],
            &["archive"],
            &["admin", "lookups", "signing", "upkeep", "writer"],
            &["intake", "verify", "writable"],
            &["commit", "file", "maintain", "read"],
            &["tables"],
            &["codec", "error", "limits"],
        ],
    ),
    ("http", &[&["client"], &["endpoint"], &["tunnel"], &["error", "reply"]]),
    ("export", &[&["exporter"], &["client", "delivery", "points"], &["answer", "line"]]),
    (
        "fleet",
        &[
            &["publication"],
            &["agent", "hub_word"],
            &["gather", "hubs", "key_watch", "lease", "server", "stream", "subscription"],
            &["connection", "frame"],
            &["status", "subjects", "told"],
        ],
    ),
    ("rdap", &[&["directory"], &["bootstrap", "registration"]]),
    (
        "report",
        &[
            &["backtest", "comparison", "incidents", "log_line", "postmortem", "slo"],
            &["json"],
            &["check", "csv", "notes", "table"],
            &["hlog", "lines", "network", "objects", "run", "text"],
            &["time", "wording"],
        ],
    ),
    (
        "tui",
        &[
            &["event_loop", "svg", "update"],
            &["screen"],
            &["view"],
            &["source_cache", "state", "terminal"],
            &["incident_marks", "past_words", "render", "source"],
            &["settings"],
            &["desktop", "inputs"],
            &["style"],
            &["arrangement"],
            &["keymap"],
            &["input", "layout", "page", "past", "tuning"],
        ],
    ),
    (
        "notify",
        &[
            &["heartbeat", "sender"],
            &["mail", "preset"],
            &["fields"],
            &["message"],
            &["group"],
            &["sentence"],
            &["answer", "cut", "envelope", "outlet", "template"],
        ],
    ),
    (
        "serve",
        &[
            &["listener"],
            &["cache"],
            &["render"],
            &["answer", "blackbox", "events"],
            &["gate", "source"],
            &["health", "route"],
            &["badge", "metrics", "page"],
        ],
    ),
    (
        "app",
        &[
            &["commands"],
            &["onlooker", "session"],
            &["dashboard", "follow"],
            &["monitor"],
            &["export", "fleet", "orders", "reload"],
            &["domains", "headless", "network", "publish", "storage", "web"],
            &["alerts", "scheduler"],
            &["log", "share"],
            &["cli", "postmortem", "prober", "system"],
            &["exit", "pages"],
            &["clock", "objectives", "status", "stream"],
            &["locations"],
        ],
    ),
];

/// Most files in a folder, beside its `mod.rs`.
const FILES_MAX: usize = 12;

#[test]
fn every_source_keeps_to_the_plan() {
    let files = sources(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(files.len() > 20, "only {} sources were found", files.len());
    let tests = test_stems(&files);
    let faults: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| if is_test(&tests, path) { check_form(path, text) } else { check(path, text) })
        .map(|fault| fault.to_string())
        .collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn no_import_goes_in_a_circle() {
    let files = sources(Path::new(env!("CARGO_MANIFEST_DIR")));
    let tests = test_stems(&files);
    let shipped = files.iter().filter(|(path, _)| path.starts_with("src/") && !is_test(&tests, path));
    // The two roots only say which modules there are.
    let shipped = shipped.filter(|(path, _)| !["src/lib.rs", "src/main.rs"].contains(&path.as_str()));
    let read: Vec<(Vec<String>, Source)> = shipped.map(|(path, text)| (module_of(path), read(path, text))).collect();
    let graph = Graph::new(&read.iter().map(|(module, source)| (module.clone(), source)).collect());
    let rooms: Vec<&str> = MAY_IMPORT.iter().map(|(room, _)| *room).collect();
    println!("{}", graph.table(&rooms));

    let mut faults: Vec<String> =
        graph.file_cycles().iter().map(|circle| format!("files import each other: {circle:?}")).collect();
    for folder in graph.folders().iter().filter(|folder| !folder.is_empty()) {
        let arrows = graph.arrows(folder);
        for circle in graph.entries(folder).cycles {
            faults.push(format!("entries of {} import each other: {circle:?}", folder.join("::")));
            let within = arrows.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
            faults.extend(within.flat_map(|(_, files)| files).map(|files| format!("    {files}")));
        }
        let count = read.iter().filter(|(module, _)| module.split_last().is_some_and(|(_, parent)| parent == *folder));
        let is_file = |module: &[String]| files.iter().any(|(path, _)| *path == format!("src/{}.rs", module.join("/")));
        let count = count.filter(|(module, _)| is_file(module)).count();
        if count > FILES_MAX {
            faults.push(format!("{} has {count} files, at most {FILES_MAX} are allowed", folder.join("::")));
        }
    }
    faults.extend(LAYERS.iter().flat_map(|(room, layers)| misplaced(room, layers, &graph)));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The entries of `room` that stand in no layer or in one that is gone, and the imports that do not lead to a lower layer.
fn misplaced(room: &str, layers: &[&[&str]], graph: &Graph) -> Vec<String> {
    let layer = |entry: &str| layers.iter().position(|layer| layer.contains(&entry));
    let folder = [room.to_owned()];
    let known: BTreeSet<&str> = layers.iter().copied().flatten().copied().collect();
    let there = graph.names(&folder);
    let unplaced = there.iter().filter(|name| !known.contains(name.as_str()));
    let gone = known.iter().filter(|name| !there.contains(**name));
    let upwards = graph.arrows(&folder).into_iter().filter(|((from, to), _)| layer(from) >= layer(to));
    let mut faults: Vec<String> = unplaced.map(|name| format!("{room}::{name} stands in no layer")).collect();
    faults.extend(gone.map(|name| format!("{room}::{name} stands in a layer and is gone")));
    faults.extend(upwards.map(|((from, to), files)| format!("{room}: {from} is not above {to}: {files:?}")));
    faults
}

/// The paths, without `.rs`, of modules that are declared under `#[cfg(test)]`.
fn test_stems(files: &[(String, String)]) -> BTreeSet<String> {
    files
        .iter()
        .filter(|(path, _)| path.starts_with("src/"))
        .flat_map(|(path, text)| test_modules(path, text))
        .collect()
}

fn is_test(stems: &BTreeSet<String>, path: &str) -> bool {
    stems.iter().any(|stem| path == format!("{stem}.rs") || path.starts_with(&format!("{stem}/")))
}

/// The test modules that the file at `path` declares, as paths without `.rs`.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let is_root = ["mod.rs", "lib.rs", "main.rs"].iter().any(|root| path.ends_with(&format!("/{root}")));
    let beside = if is_root { path.rsplit_once('/').map_or("", |(dir, _)| dir) } else { path.trim_end_matches(".rs") };
    read(path, text).test_modules.iter().map(|name| format!("{beside}/{name}")).collect()
}

fn read(path: &str, text: &str) -> Source {
    Source::read(&module_of(path), text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every fault of one file; `path` is relative to the package.
fn check(path: &str, text: &str) -> Vec<Fault> {
    let mut faults = check_form(path, text);
    if !path.starts_with("src/") {
        return faults;
    }
    let source = read(path, text);
    let mut fault = |line, what: String| faults.push(Fault { path: path.to_owned(), line, what });

    let lines = text.lines().count() - source.test_lines;
    let most = if path == "src/main.rs" { MAIN_LINES_MAX } else { LINES_MAX };
    if lines > most {
        fault(most, format!("{lines} lines without tests, at most {most} are allowed"));
    }
    for used in &source.used {
        let (first, line) = (used.segments.first().map_or("", String::as_str), used.line);
        match &used.inside {
            Some(inside) => check_edge(path, inside).into_iter().for_each(|what| fault(line, what)),
            None => check_crate(path, first).into_iter().for_each(|what| fault(line, what)),
        }
        let mut pairs = used.segments.iter().zip(used.segments.iter().skip(1));
        if path != CLOCK_FILE && pairs.any(|(of, now)| now == "now" && CLOCKS.contains(&of.as_str())) {
            fault(line, format!("reads a clock ({}); time is an argument", used.segments.join("::")));
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
    let part = format!("{to}::{second}");
    let is_allowed =
        allowed.iter().any(|&room| room == to || room == part || (room == "engine::snapshot" && is_snapshot));
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
    //! Tests of the test: sources that break one rule each, and sources that only seem to.

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
            ("src/tui/a.rs", "fn f() { crate::report::text::start(); }", "may not import `report::text::start`"),
            ("src/tui/a.rs", "use crate::engine::Engine;", "may not import `engine::Engine`"),
            ("src/tui/a.rs", "use crate::engine;", "may not import `engine`"),
            ("src/config/a.rs", "use crate::tui::state::UiState;", "`config` may not import `tui::state::UiState`"),
            ("src/store/a/b.rs", "use super::super::super::tui::Screen;", "`store` may not import `tui::Screen`"),
            ("src/store/mod.rs", "use super::app::run;", "may not import `app::run`"),
            ("src/store/mod.rs", "mod inner { use super::super::probe::Prober; }", "may not import `probe::Prober`"),
            ("src/alert/a.rs", "pub use crate::engine::*;", "may not import `engine::*`"),
            ("src/alert/a.rs", "macro_rules! m { () => { $crate::config::Config } }", "`config::Config`"),
            ("src/garage/mod.rs", "use crate::model::Sample;", "`garage` is no room"),
            ("src/engine/a.rs", "use redb::Database;", "`redb` appears in engine"),
            ("src/engine/a.rs", "fn f(x: &::hyper::Request<()>) {}", "`hyper` appears in engine"),
            ("src/store/a.rs", "use {std::fmt, tokio::task};", "`tokio` appears in store"),
            ("src/store/a.rs", "#[derive(serde::Serialize)] struct A;", "`serde` appears in store"),
            ("src/tui/a.rs", "use anyhow as oops;", "`anyhow` appears in tui"),
            ("src/model/a.rs", "#[cfg(webmon_loom)]\nuse loom::sync::Arc;", "`loom` appears in model"),
            ("src/engine/a.rs", "fn f() { let t = std::time::Instant::now(); }", "reads a clock"),
            ("src/app/run.rs", "fn f() { let t = jiff::Timestamp :: now(); }", "reads a clock"),
            ("src/app/run.rs", "const CLOCK: fn() -> Instant = Instant::now;", "reads a clock"),
            ("src/tui/a.rs", "#[cfg(not(test))] fn f() { Zoned::now(); }", "reads a clock"),
            ("src/tui/a.rs", "#[cfg(any(test, windows))] fn f() { SystemTime::now(); }", "reads a clock"),
            ("src/tui/a.rs", "#[cfg(test)] mod t { fn a() {} }\nfn f() { SystemTime::now(); }", "reads a clock"),
            ("src/tui/a.rs", "fn f<'a>(c: &'a char) { if *c == '\"' { SystemTime::now(); } }", "reads a clock"),
            ("src/lib.rs", "use clap::Parser;", "`clap` appears in the crate's root"),
            ("src/tui/util.rs", "", "`util` says nothing"),
            ("src/tui/helpers/mod.rs", "", "`helpers` says nothing"),
            ("src/tui/a.rs", &"\n".repeat(400), "401 lines without tests"),
            ("src/main.rs", &"\n".repeat(40), "41 lines without tests"),
        ] {
            let found = faults(path, body);
            assert!(found.iter().any(|what| what.contains(part)), "{path}: {body:?} gave {found:?}");
        }
    }

    #[test]
    fn good_sources_pass() {
        for (path, body) in [
            ("src/tui/a.rs", "use crate::engine::snapshot::SiteState;\nuse crate::engine::{Row, Snapshot as S};"),
            ("src/tui/a.rs", "use super::theme::Theme;\nuse self::inner::X;\nuse crate::tui::{self, *};"),
            ("src/tui/a.rs", "// use crate::store::Store;\n/* Instant::now() /* redb::x */ hyper::y */"),
            (
                "src/tui/a.rs",
                "/// [`crate::store::Store`]\nfn f() { g(\"\\\"crate::store \", r#\"redb::\" SystemTime::now\"#, '\"'); }",
            ),
            ("src/tui/a.rs", "fn f<'a>(x: &'a str) -> bool { x == b\"redb::x\" && '\\'' != 'a' }"),
            ("src/tui/a.rs", "#[cfg(test)]\nmod tests {\n use crate::engine::Engine;\n fn f() { Instant::now(); }\n}"),
            (
                "src/tui/a.rs",
                "#[cfg(all(test, webmon_loom))]\nuse loom::model;\n#[cfg(test)]\nconst A: [u8; 2] = redb::B;",
            ),
            ("src/tui/a.rs", "struct A { #[cfg(test)] x: redb::Database, y: u8 }"),
            ("src/tui/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{}}}", "\n".repeat(900))),
            ("src/app/clock.rs", "pub fn now() -> Instant { Instant::now() }"),
            (
                "src/app/run.rs",
                "use crate::{tui, store::Store, demo};\nuse clap::Parser;\nfn f(n: Now) { clock.now(); n.now }",
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
        for path in ["src/tui/a.rs", "benches/ring.rs", "tests/cli.rs"] {
            assert_eq!(check(path, "use std::fmt;\n").len(), 1, "{path}");
        }
    }

    #[test]
    fn faults_name_their_line() {
        let faults = check("src/tui/a.rs", "//! A file.\n\n/* two\nlines */ use redb::Database;\n");
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn test_modules_in_files_of_their_own_are_found() {
        let source = "#[cfg(test)]\nmod tests;\nmod real;\n#[cfg(all(test, webmon_loom))]\nmod loom;\n";
        assert_eq!(test_modules("src/ring/mod.rs", source), ["src/ring/tests", "src/ring/loom"]);
        assert_eq!(test_modules("src/ring/reader.rs", source), ["src/ring/reader/tests", "src/ring/reader/loom"]);
    }

    /// The graph of these modules, each with its source.
    fn graph(sources: &[(&str, &str)]) -> Graph {
        let path = |module: &str| module.split("::").map(str::to_owned).collect::<Vec<_>>();
        let sources = sources
            .iter()
            .map(|(module, text)| (path(module), read(&format!("src/{}.rs", module.replace("::", "/")), text)));
        let sources: Vec<_> = sources.collect();
        Graph::new(&sources.iter().map(|(module, source)| (module.clone(), source)).collect())
    }

    #[test]
    fn circles_are_found_also_through_reexports() {
        let circle = graph(&[
            ("a", "mod b; mod c; pub use b::B;"),
            ("a::b", "use super::c::C; pub struct B;"),
            ("a::c", "pub struct C; fn f() { crate::a::B; }"),
        ]);
        assert_eq!(circle.file_cycles().len(), 1);
        let entries = circle.entries(&["a".to_owned()]);
        assert_eq!((entries.count, entries.arrows, entries.cycles.len()), (2, 2, 1));

        let folders = graph(&[
            ("a", "mod b; mod c;"),
            ("a::b::x", "use crate::a::c::z::Z;"),
            ("a::b::y", "pub struct Y;"),
            ("a::c::z", "use super::super::b::y::Y; pub struct Z;"),
        ]);
        assert_eq!((folders.file_cycles().len(), folders.entries(&["a".to_owned()]).cycles.len()), (0, 1));
    }

    #[test]
    fn a_parent_and_its_own_child_are_no_circle_and_tests_do_not_count() {
        let fine = graph(&[
            ("a", "mod b; use b::B; pub struct A;"),
            ("a::b", "use super::A; pub struct B;"),
            ("a::c", "#[cfg(test)] mod tests { use super::super::d::D; } pub struct C;"),
            ("a::d", "use super::c::C; pub struct D;"),
        ]);
        assert_eq!(fine.file_cycles(), Vec::<BTreeSet<String>>::new());
        assert_eq!(fine.entries(&["a".to_owned()]).chain, 2);
        let layers: &[&[&str]] = &[&["c"], &["b", "d"]];
        assert_eq!(misplaced("a", layers, &fine).len(), 1, "d imports c and does not stand above it");
    }
}
