//! The section `report`: a running monitor writes its report and publishes it; whatever kills it, the report is whole.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::Value;
use webmon::alert::Policies;
use webmon::model::Timestamp;

use crate::crawl::{between, crawl, files};
use crate::past::{self, PastSite};
use crate::support::program::{Folder, PATIENCE, Running, json, now, wall};
use crate::support::{Behaviour, Server};

const RUN: &str = "--headless --format json --events alert";

/// What `then` is: it notes whether the report is whole, where it runs, and what it is told.
const THEN: &str = "#!/bin/sh
test -f \"$WEBMON_REPORT/summary.json\" && test -f \"$WEBMON_REPORT/index.html\" && test -f public/site/a.html || exit 9
grep -o '<title>.*</title>' public/index.html >> calls.new
cp calls.new calls
test ! -f fails || { echo 'no such bucket' >&2; exit 3; }
";

fn yaml(server: &Server, title: &str, report: &str) -> String {
    let site = |name: &str| format!("- {{ name: {name}, url: '{}', interval: 200ms, timeout: 2s }}\n", server.url("/"));
    format!("page: {{ title: {title} }}\nreport: {report}\nsites:\n{}{}", site("a"), site("b"))
}

fn warned(monitor: &mut Running, text: &str) -> Value {
    let is_it = |line: &String| {
        let line = json(line);
        (line["event"] == "warning" && line["message"].as_str().unwrap().contains(text)).then_some(line)
    };
    let lines = monitor.until(|lines| lines.iter().any(|line| is_it(line).is_some()));
    lines.iter().find_map(is_it).unwrap()
}

/// Waits until `then` noted a report of this title.
fn called(folder: &Path, title: &str) {
    let began = now();
    while !std::fs::read_to_string(folder.join("calls")).is_ok_and(|calls| calls.contains(title)) {
        assert!(now() - began < PATIENCE, "there is no report of {title} in {}", folder.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_running_monitor_writes_its_report_and_publishes_it() {
    let server = Server::start(Behaviour::ok());
    let report = |every: &str| format!("{{ out: public, every: {every}, then: [sh, then.sh] }}");
    let folder = Folder::empty();
    std::fs::create_dir(folder.path("conf")).unwrap();
    folder.write("conf/then.sh", THEN);
    folder.write("conf/sites.yaml", &yaml(&server, "first", &report("1m")));
    // The program runs in the folder of the file, wherever webmon runs.
    let inside = |name: &str| format!("conf/{name}");
    let mut monitor = folder.start(&format!("-c conf/sites.yaml {RUN}"));
    let conf = folder.path("conf");
    called(&conf, "first");
    assert_eq!(crawl(&files(&folder.path("conf/public"))), 3);

    // Another section takes effect, and so does a failure of its program, and its end.
    folder.write(&inside("fails"), "");
    folder.write(&inside("sites.yaml"), &yaml(&server, "second", &report("10s")));
    monitor.signal(Signal::HUP);
    let told = warned(&mut monitor, "report.then");
    assert_eq!(told["about"], "report");
    assert_eq!(told["message"], "report.then: sh failed (exit status: 3): no such bucket");
    called(&conf, "second");
    std::fs::remove_file(folder.path("conf/fails")).unwrap();
    folder.write(&inside("sites.yaml"), &yaml(&server, "third", &report("11s")));
    monitor.signal(Signal::HUP);
    warned(&mut monitor, "`report.then` works again");
    called(&conf, "third");

    // A place that is not its own is left alone.
    std::fs::create_dir(folder.path("conf/mine")).unwrap();
    folder.write(&inside("mine/thesis.txt"), "precious");
    folder.write(&inside("sites.yaml"), &yaml(&server, "fourth", "{ out: mine }"));
    monitor.signal(Signal::HUP);
    let told = warned(&mut monitor, "not written");
    assert!(told["message"].as_str().unwrap().contains("there are other files in it"), "{told}");

    let ended = monitor.end_by(Signal::TERM).with(143);
    assert_eq!(ended.stderr, "");
    assert_eq!(crawl(&files(&folder.path("conf/public"))), 3);
    assert_eq!(unfinished(&conf), None, "nothing unfinished is left");
}

/// The end of webmon does not wait for a program, and leaves none behind.
#[cfg(target_os = "linux")]
#[test]
fn what_publishes_ends_with_webmon() {
    let server = Server::start(Behaviour::ok());
    let then = "[sh, -c, 'echo $$$$ > new && mv new calls && exec sleep 1000']";
    let folder = Folder::with(&yaml(&server, "long", &format!("{{ out: public, then: {then} }}")));
    let monitor = folder.start(RUN);
    called(&folder.path(""), "");
    let pid = std::fs::read_to_string(folder.path("calls")).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(!state().is_empty(), "{pid} runs");
    let ended = monitor.end_by(Signal::TERM).with(143);
    assert_eq!(ended.stderr, "");
    let began = now();
    // A process that nobody has reaped yet is gone as well.
    while !state().is_empty() && !state().contains(") Z ") {
        assert!(now() - began < PATIENCE, "{pid} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(crawl(&files(&folder.path("public"))), 3);
}

#[test]
fn without_a_store_there_is_no_report_and_it_says_so() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&yaml(&server, "none", "{ out: public, every: 10s }"));
    let mut monitor = folder.start(&format!("{RUN} --no-store"));
    warned(&mut monitor, "no report is written, because nothing is stored");
    monitor.end_by(Signal::TERM).with(143);
}

const PAST: [PastSite; 6] = {
    const fn of(name: &'static str) -> PastSite {
        PastSite { name, median: 9.0, days: 9, outages: &[] }
    }
    [of("a"), of("b"), of("c"), of("d"), of("e"), of("f")]
};

/// A folder with a store of [`PAST`], whose file says that its report is `out`.
fn past(out: &str) -> Folder {
    let sites: String =
        PAST.each_ref().map(|site| format!("- {{ name: {}, url: 'http://127.0.0.1:1' }}\n", site.name)).concat();
    let folder = Folder::with(&format!("report: {{ out: {out} }}\nsites:\n{sites}"));
    let now = Timestamp::ZERO.after(wall().duration_since(UNIX_EPOCH).unwrap());
    let each = (Duration::from_mins(5), &Policies::default());
    past::write(&folder.path("webmon.redb"), &PAST, each, now);
    folder
}

#[test]
fn the_command_writes_to_the_place_of_the_file_unless_told_otherwise() {
    let folder = past("public/status.html");
    std::fs::create_dir(folder.path("public")).unwrap();
    assert_eq!(folder.run("report").quietly().stdout, "wrote public/status.html\n");
    assert_eq!(folder.run("report --out here").quietly().stdout, "wrote here\n");
    assert_eq!(crawl(&files(&folder.path("here"))), 1 + PAST.len());
}

/// The files that are in the folder that is being written beside the report, if there is one.
fn unfinished(folder: &Path) -> Option<usize> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let is_new = |name: &str| name.starts_with(".webmon-report-");
    let place = entries.map(|entry| entry.path()).find(|path| is_new(&path.file_name().unwrap().to_string_lossy()))?;
    Some(["", "site", "badge"].iter().filter_map(|part| std::fs::read_dir(place.join(part)).ok()).flatten().count())
}

/// However far a report had come when it was killed, the one before it is whole, or itself.
#[test]
fn a_report_that_is_killed_leaves_the_old_one_whole() {
    let folder = past("public");
    folder.run("report --title round-0").quietly();
    let root = folder.path("");
    let mut killed = 0;
    for round in 1..=24 {
        let mut running = folder.start(&format!("report --title round-{round}"));
        while !running.has_ended() {
            if unfinished(&root).is_some_and(|count| count >= round - 1) {
                running.signal(Signal::KILL);
                break;
            }
        }
        killed += usize::from(running.end().code.is_none());
        let found = files(&folder.path("public"));
        assert_eq!(crawl(&found), 1 + PAST.len(), "round {round}");
        let pages = found.iter().filter(|(name, _)| !name.starts_with("badge/") && name != "summary.json");
        let titles = pages.map(|(_, text)| {
            let title = between(std::str::from_utf8(text).unwrap(), "<title>", "</title>")[0];
            title.rsplit(' ').next().unwrap().to_owned()
        });
        let titles: std::collections::BTreeSet<String> = titles.collect();
        assert_eq!(titles.len(), 1, "of one report: {titles:?}");
        for left in folder.files().iter().filter(|name| name.starts_with(".webmon-report-")) {
            std::fs::remove_dir_all(folder.path(left)).unwrap();
        }
    }
    assert!(killed > 0, "none was killed while it was written");
}

/// Asserts that each link within `text` has its target, and that there are `links` of sites.
#[track_caller]
fn crawl_within(text: &str, sites: usize) {
    let targets: std::collections::BTreeSet<&str> = between(text, " id=\"", "\"").into_iter().collect();
    assert_eq!(targets.len(), between(text, " id=\"", "\"").len(), "each id is there once");
    let links: Vec<&str> = between(text, "<a href=\"", "\"");
    assert!(links.len() >= sites, "{} links", links.len());
    for link in links {
        let target = link.strip_prefix('#').unwrap_or_else(|| panic!("{link} leads out of the file"));
        assert!(targets.contains(target), "{link} leads nowhere");
    }
    assert_eq!(between(text, "<details id=\"", "\"").len(), sites, "one for each site");
}

/// An incident has links as well.
const OUTAGE: &[(u64, u64, webmon::model::Cause)] = &[(30, 20, webmon::model::Cause::Status)];

#[test]
fn every_link_within_one_file_has_its_target() {
    let names = ["api", "<b>docs</b> & \"co\"", "Shop Checkout", "日本", "a/b", "a b", "top", "site-x", "a/b?c#d"];
    let sites: String =
        names.map(|name| format!("- {{ name: '{name}', url: 'http://127.0.0.1:1', group: g }}\n")).concat();
    let folder = Folder::with(&format!("sites:\n{sites}"));
    let now = Timestamp::ZERO.after(wall().duration_since(UNIX_EPOCH).unwrap());
    let past = names.map(|name| PastSite { name, median: 9.0, days: 3, outages: OUTAGE });
    past::write(&folder.path("webmon.redb"), &past, (Duration::from_mins(5), &Policies::default()), now);
    folder.run("report --out all.html").quietly();
    let text = std::fs::read_to_string(folder.path("all.html")).unwrap();
    assert!(text.contains("Incidents of the past 14 days"));
    crawl_within(&text, names.len());
}

#[test]
fn an_empty_store_makes_a_report_that_says_so() {
    let folder =
        Folder::with("sites: [{ name: a, url: 'http://127.0.0.1:1' }, { name: b, url: 'http://127.0.0.1:1' }]");
    let store = webmon::store::Store::open(
        &folder.path("webmon.redb"),
        &webmon::store::Options::default(),
        Timestamp::from_secs(1),
    );
    drop(store.unwrap());
    folder.run("report --out public").quietly();
    folder.run("report --out all.html").quietly();
    let found = files(&folder.path("public"));
    assert_eq!(crawl(&found), 3);
    let summary: Value = serde_json::from_slice(&std::fs::read(folder.path("public/summary.json")).unwrap()).unwrap();
    for site in summary["sites"].as_array().unwrap() {
        assert_eq!(
            (&site["checks"], &site["coverage"], &site["p95_us"]),
            (&0.into(), &Value::Null, &Value::Null),
            "{site}"
        );
        assert_eq!(site["state"], "new");
    }
    let text = std::fs::read_to_string(folder.path("all.html")).unwrap();
    assert!(text.contains("Nothing can be said of 2 sites"), "{text}");
    crawl_within(&text, 2);
    let missing = Folder::with("sites: ['http://127.0.0.1:1']").run("report");
    assert_eq!(missing.code, Some(3), "{}", missing.stderr);
}

/// The store of 0.1.0 that `tests/cli/db.rs` describes.
#[test]
fn a_store_of_version_0_1_0_makes_a_report() {
    use std::io::Read as _;
    let image = std::fs::read(format!("{}/tests/fixtures/store-0.1.0/store.gz", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut store = Vec::new();
    flate2::read::GzDecoder::new(&*image).read_to_end(&mut store).unwrap();
    let site =
        |name: &str| format!("- {{ name: {name}, url: 'http://127.0.0.1:1', interval: 100ms, timeout: 100ms }}\n");
    let folder = Folder::with(&format!("sites:\n{}{}{}", site("api"), site("shop"), site("gone")));
    std::fs::write(folder.path("webmon.redb"), store).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path("webmon.redb"), private).unwrap();
    let as_of = "2026-11-21T00:00:12Z";
    for out in ["one", "two", "all.html"] {
        folder.run(&format!("report --out {out} --as-of {as_of} --since 2d")).quietly();
    }
    let found = files(&folder.path("one"));
    assert_eq!(crawl(&found), 4);
    assert_eq!(found, files(&folder.path("two")));
    crawl_within(&std::fs::read_to_string(folder.path("all.html")).unwrap(), 3);
    let stats =
        folder.run(&format!("stats --since 2026-11-20T00:00:00Z --until {as_of} --format json")).quietly().json();
    let summary: Value = serde_json::from_slice(&std::fs::read(folder.path("one/summary.json")).unwrap()).unwrap();
    for site in summary["sites"].as_array().unwrap() {
        let of = stats.iter().find(|stats| stats["site"] == site["site"]).unwrap();
        assert!(of["checks"].as_u64().unwrap() > 200, "{of}");
        for count in ["up", "checks"] {
            assert_eq!(site[count], of[count], "{count} of {site:#} and {of:#}");
        }
    }
}
