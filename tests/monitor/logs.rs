//! The log of a headless monitor: on stderr, silent by default, never blocking. `tests/cli/secrets.rs` searches it for
//! secrets; `tests/monitor/terminal.rs` covers its file.

use crate::support::program::{Ended, Folder, Running, json};
use crate::support::{Behaviour, Server, Step, response};
use rustix::process::Signal;
use serde_json::Value;

/// One site that is up and one that is not, with a rule of so few checks that webmon warns about it.
fn folder(server: &Server) -> Folder {
    Folder::with(&format!(
        "defaults: {{ interval: 300ms, timeout: 10s }}\nsites:\n- {{ name: api, url: '{}' }}\n\
         - {{ name: broken, url: '{}' }}\nalerting: {{ window: 1s, min_samples: 3 }}\n",
        server.url("/"),
        server.url("/broken")
    ))
}

fn server() -> Server {
    Server::start(Behaviour::answering(|request| {
        let (code, body) = if request.target.contains("broken") { (503, "out") } else { (200, "ok") };
        vec![Step::send(response(code, body))]
    }))
}

/// Runs until the broken site was announced, and ends it.
fn watched(server: &Server, arguments: &str, filter: &str) -> Ended {
    let folder = folder(server);
    let mut command = folder.command(arguments);
    if !filter.is_empty() {
        command.env("WEBMON_LOG", filter);
    }
    let mut monitor = Running::start(command);
    monitor.until(|lines| lines.iter().any(|line| line.contains(" is down. availability=")));
    monitor.end_by(Signal::TERM).with(143)
}

/// The part of a line of text behind its time.
fn behind_time(line: &str) -> &str {
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.len() == 27 && time.ends_with('Z'), "{line}");
    rest
}

#[test]
fn nothing_is_logged_unless_somebody_asks() {
    let server = server();
    for filter in ["", " ", "off", "error"] {
        assert_eq!(watched(&server, "--headless", filter).stderr, "", "{filter}");
    }
}

#[test]
fn people_read_lines_and_scripts_read_objects_of_the_same() {
    let server = server();
    let quiet = watched(&server, "--headless", "");
    let text = watched(&server, "--headless -v", "");
    assert!(!text.stdout.contains("webmon/") && !text.stdout.contains(" info "), "{}", text.stdout);
    assert_eq!(quiet.stdout.lines().next(), text.stdout.lines().next());
    let lines: Vec<&str> = text.stderr.lines().map(behind_time).collect();
    assert!(lines[0].starts_with("info webmon: started (version="), "{lines:?}");
    assert!(lines[0].ends_with(" sites=2 config=sites.yaml store=webmon.redb)"), "{lines:?}");
    assert_eq!(lines.last().copied(), Some("info webmon: ended (code=143)"));
    let has = |part: &str| assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:?}");
    has("info site: broken ");
    has("info alert: Website broken is down. availability=0");
    has("warn webmon: ");
    assert!(!lines.iter().any(|line| line.starts_with("debug") || line.starts_with("trace")), "{lines:?}");

    let objects = watched(&server, "--headless --format json --events sample,alert -v", "");
    assert!(objects.json().iter().all(|object| object["event"] != "log"));
    let objects: Vec<Value> = objects.stderr.lines().map(json).collect();
    assert!(objects.iter().all(|object| object["event"] == "log" && object["time"].as_str().unwrap().len() == 27));
    assert_eq!((&objects[0]["about"], &objects[0]["message"]), (&"webmon".into(), &"started".into()));
    assert_eq!(objects[0]["sites"], 2);
    let alert = objects.iter().find(|object| object["about"] == "alert").unwrap();
    assert_eq!((&alert["level"], &alert["state"]), (&"info".into(), &"down".into()));
}

#[test]
fn every_check_can_be_followed_and_topics_can_be_chosen() {
    let server = server();
    let ended = watched(&server, "--headless", "off,probe=trace");
    let lines: Vec<&str> = ended.stderr.lines().map(behind_time).collect();
    assert!(lines.iter().all(|line| line.contains(" probe: ")), "{lines:?}");
    let has = |parts: &[&str]| {
        assert!(lines.iter().any(|line| parts.iter().all(|part| line.contains(part))), "{parts:?}: {lines:?}");
    };
    has(&["debug probe: api ok (site=api seq=", " cause=ok status=200 total_us="]);
    has(&["debug probe: broken status (", " cause=status status=503 ", " detail=\"503"]);
    has(&["trace probe: api phases (", " connect_us=", " processing_us=", " address=127.0.0.1:"]);
    // The command line takes precedence over the environment.
    let ended = watched(&server, "--headless -vv", "off");
    assert!(ended.stderr.contains(" debug probe: ") && ended.stderr.contains(" debug store: committed"), "{ended:?}");
    assert!(!ended.stderr.contains(" trace "), "{ended:?}");
}

#[test]
fn a_filter_that_is_none_is_refused_before_anything_starts() {
    let folder = Folder::with("sites: ['http://127.0.0.1:1']\n");
    for (filter, part) in
        [("inof", "did you mean `info`?"), ("hyper=trace", "\"hyper\" is not a topic; topics are exec, ")]
    {
        for arguments in ["--headless --for 1s", "demo --headless --for 1s"] {
            let mut command = folder.command(arguments);
            command.env("WEBMON_LOG", filter);
            let ended = Running::start(command).end().with(2);
            assert!(ended.stderr.starts_with("webmon: WEBMON_LOG: ") && ended.stderr.contains(part), "{ended:?}");
            assert_eq!((ended.stdout.as_str(), ended.stderr.lines().count()), ("", 1), "{ended:?}");
        }
    }
    assert_eq!(folder.files(), ["sites.yaml"]);
}

#[test]
fn a_reader_of_the_log_that_stops_or_leaves_costs_nothing_but_the_log() {
    let server = server();
    let site = |number| format!("- {{ name: s{number}, url: '{}' }}\n", server.url("/"));
    let sites: String = (0..20).map(site).collect();
    let folder = Folder::with(&format!("defaults: {{ interval: 100ms }}\nsites:\n{sites}"));
    let start = |stderr| {
        let command = folder.command("--headless --format json --events sample -vvv");
        Running::start_complaining_into(command, stderr)
    };
    // A pipe of 64 KiB holds the records of fewer checks.
    let (stopped, writer) = std::io::pipe().unwrap();
    let mut monitor = start(writer);
    monitor.until(|lines| lines.len() > 500);
    assert!(monitor.end_by(Signal::TERM).with(143).json().iter().all(|object| object["event"] != "log"));
    drop(stopped);
    let (left, writer) = std::io::pipe().unwrap();
    drop(left);
    let mut monitor = start(writer);
    let told = |line: &str| line.contains("the log cannot be written: Broken pipe");
    let lines = monitor.until(|lines| lines.iter().any(|line| told(line))).len();
    monitor.until(|more| more.len() > lines + 100);
    let ended = monitor.end_by(Signal::TERM).with(143);
    assert_eq!(ended.stdout.lines().filter(|line| told(line)).count(), 1);
}
