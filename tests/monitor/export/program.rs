//! webmon with an export: its output, restarts after a kill and after a clean end, and what it leaves alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::time::Duration;

use flate2::read::GzDecoder;
use influxdb_line_protocol::{FieldValue, parse_lines};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::ports::closed_port;
use crate::support::program::{Folder, PATIENCE, Running, json, now};
use crate::support::tls::{Authority, Leaf};
use crate::support::{Behaviour, Request, Server, Step, response};

/// A site that is up, and a server for it.
fn site(interval: &str) -> (Server, String) {
    let server = Server::start(Behaviour::ok());
    let text = format!(
        "sites: [{{ name: api, url: '{}', interval: {interval}, timeout: 2s }}]\n\
         dashboard: {{ views: [{{ timeframe: 1m, refresh: 1s }}] }}\n",
        server.url("/")
    );
    (server, text)
}

/// A server that stores everything.
fn storing() -> Server {
    Server::start(Behaviour::always(vec![Step::send("HTTP/1.1 204 No Content\r\n\r\n")]))
}

/// The lines of a request.
fn lines(request: &Request) -> String {
    let mut text = String::new();
    GzDecoder::new(&request.body[..]).read_to_string(&mut text).unwrap();
    text
}

/// The checks that a server was sent, by site and number: the time of each.
fn received(server: &Server) -> BTreeMap<(String, u64), BTreeSet<i64>> {
    let mut points: BTreeMap<(String, u64), BTreeSet<i64>> = BTreeMap::new();
    for request in server.requests() {
        for line in parse_lines(&lines(&request)).map(|line| line.unwrap()) {
            if line.series.measurement != "webmon_check" {
                continue;
            }
            let site = line.tag_value("site").unwrap().to_string();
            let Some(FieldValue::I64(seq)) = line.field_value("seq") else { panic!("{line:?} has no number") };
            points.entry((site, seq.cast_unsigned())).or_default().insert(line.timestamp.unwrap());
        }
    }
    points
}

/// What is stored, by site and number: the time of each, in ns.
fn stored(folder: &Folder) -> BTreeMap<(String, u64), BTreeSet<i64>> {
    let samples = folder.run("samples --since 1h --format json").quietly().json();
    let point = |sample: &Value| {
        let at: jiff::Timestamp = sample["time"].as_str().unwrap().parse().unwrap();
        let key = (sample["site"].as_str().unwrap().to_owned(), sample["seq"].as_u64().unwrap());
        (key, BTreeSet::from([i64::try_from(at.as_nanosecond()).unwrap()]))
    };
    samples.iter().map(point).collect()
}

fn exports(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| json(line)).filter(|line| line["event"] == "export").collect()
}

/// Runs `command` for short times until nothing is behind at the sink of `url`: on a busy machine the moment that an end
/// waits for the export may be too short, and the next start goes on.
fn settle(folder: &Folder, command: &str, url: &str) {
    for _ in 0..10 {
        let info = folder.run("db info").quietly().stdout;
        let line = info.lines().find(|line| line.contains(url)).unwrap_or_else(|| panic!("{url} is not in {info}"));
        if line.contains(": 0 samples behind; ") {
            return;
        }
        folder.run(&format!("{command} --for 2s")).with(0);
    }
    panic!("it stays behind: {}", folder.run("db info").stdout);
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let began = now();
    while !is_there() {
        assert!(now() - began < PATIENCE, "{what}: still waiting");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_cannot_be_exported_is_refused_before_anything_starts() {
    let (_server, text) = site("1s");
    let folder = Folder::with(&text);
    for (arguments, said) in [
        ("--no-store --export-influx=http://localhost:8086", "--no-store"),
        ("--export-influx", "--export-influx=URL"),
        ("--export-influx=http://ada:hunter2@localhost:8086", "INFLUX_TOKEN"),
        ("--export-influx=http://localhost:8086/write?db=a&p=hunter2", "credentials do not belong"),
        ("--export-influx=localhost", "URL"),
        ("--export-influx=http://localhost:8086 http://127.0.0.1:9/", "not stored"),
        ("--export-influx=http://localhost:8086 --export-from yesterday", "24h"),
    ] {
        let ended = folder.run(&format!("--headless --for 1s {arguments}")).with(2);
        assert!(ended.stderr.contains(said), "{arguments}: {}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2") || said == "24h", "{arguments}: {}", ended.stderr);
        assert_eq!((ended.stdout.as_str(), folder.files()), ("", vec!["sites.yaml".to_owned()]), "{arguments}");
    }
}

#[test]
fn every_check_is_exported_before_a_clean_end_and_the_flag_needs_no_section() {
    let (_server, text) = site("100ms");
    let (folder, influx) = (Folder::with(&text), storing());
    let flag = format!("--headless --format json --export-influx={}", influx.url("/write?db=mine"));
    let lines = folder.run(&format!("{flag} --for 3s")).quietly();
    let last = lines.json().into_iter().rfind(|line| line["event"] == "export").unwrap();
    assert_eq!((&last["state"], &last["error"]), (&Value::from("ok"), &Value::Null));
    assert_eq!(last["sink"], format!("{} v1 mine", influx.url("/")));
    settle(&folder, &flag, &influx.url("/"));
    assert_eq!(received(&influx), stored(&folder));
    assert!(received(&influx).len() > 3);
    // The next run continues where this one ended.
    let before = influx.requests().len();
    folder.run(&format!("{flag} --for 2s")).quietly();
    settle(&folder, &flag, &influx.url("/"));
    assert_eq!(received(&influx), stored(&folder));
    assert!(influx.requests().len() > before);
    // Another sink begins now, or with what there is.
    for (from, all) in [("", false), ("--export-from=all", true), ("--export-from=24h", true)] {
        let other = storing();
        let flag = format!("--headless --export-influx={} {from}", other.url("/"));
        folder.run(&format!("{flag} --for 2s")).with(0);
        settle(&folder, &flag, &other.url("/"));
        let (received, stored) = (received(&other), stored(&folder));
        assert_eq!(received.len() == stored.len(), all, "{from}: {} of {}", received.len(), stored.len());
        assert!(received.iter().all(|point| stored.get(point.0) == Some(point.1)), "{from}");
    }
}

#[test]
fn a_kill_between_the_acknowledgement_and_the_cursor_loses_nothing_and_invents_nothing() {
    let (_server, text) = site("100ms");
    let (folder, influx) = (Folder::with(&text), storing());
    let command = format!("--headless --export-influx={}", influx.url("/"));
    for _ in 0..4 {
        let before = influx.requests().len();
        let webmon = folder.start(&command);
        wait_for("a request", || influx.requests().len() > before);
        // Now it has its answer, or is about to have it, and the cursor waits for the next commit.
        drop(webmon.end_by(Signal::KILL));
    }
    folder.run(&format!("{command} --for 2s")).with(0);
    settle(&folder, &command, &influx.url("/"));
    let (received, stored) = (received(&influx), stored(&folder));
    assert_eq!(received, stored, "each stored check is one point, however often it was sent");
    assert!(stored.len() > 4, "{}", stored.len());
}

#[test]
fn a_token_reaches_the_server_and_nobody_else() {
    let (_server, text) = site("200ms");
    let refusing = Server::start(Behaviour::always(vec![Step::send(response(401, "{\"message\":\"unauthorized\"}"))]));
    let folder = Folder::with(&format!(
        "{text}export: {{ influx: {{ url: '{}', org: me, token: '${{file:token}}' }} }}\n",
        refusing.url("/")
    ));
    folder.write("token", "hunter2\n");
    let mut webmon = folder.start("-v --headless --format json --events sample,stats,alert");
    webmon.until(|lines| exports(lines).iter().any(|export| export["state"] == "blocked"));
    let ended = webmon.end_by(Signal::TERM).with(143);
    assert!(!ended.stdout.contains("hunter2") && !ended.stderr.contains("hunter2"), "{ended:?}");
    assert!(ended.stdout.contains("auth: the server does not accept the credentials"), "{}", ended.stdout);
    let requests = refusing.requests();
    assert_eq!(requests[0].header("authorization"), Some("Token hunter2"));
    assert!(requests.iter().all(|request| !request.target.contains("hunter2")));
    // Nothing is lost: with the right server, everything arrives.
    assert!(folder.run("db info").quietly().stdout.contains("0 points sent"));
    assert!(!std::fs::read(folder.path("webmon.redb")).unwrap().windows(7).any(|bytes| bytes == b"hunter2"));
}

#[test]
fn a_group_that_changes_is_told_from_the_reload_on() {
    let (_server, text) = site("100ms");
    let (folder, influx) = (Folder::empty(), storing());
    let write = |group: &str| {
        let grouped = text.replace("name: api,", &format!("name: api, group: {group},"));
        folder.write("sites.yaml", &grouped);
    };
    let has_come = |group: &str| {
        let tag = format!(",group={group},");
        influx.requests().iter().any(|request| lines(request).contains(&tag))
    };
    write("first");
    let webmon = folder.start(&format!("--headless --export-influx={}", influx.url("/")));
    wait_for("the first group", || has_come("first"));
    assert!(!has_come("second"));
    write("second");
    wait_for("the second group", || has_come("second"));
    webmon.end_by(Signal::TERM).with(143);
    // Each check is of one of them.
    assert!(received(&influx).values().all(|times| times.len() == 1));
}

#[test]
fn a_check_over_tls_tells_when_the_certificate_ends() {
    let identity = Authority::new().issue(&Leaf::naming(&["127.0.0.1"]).expiring_in(Duration::from_hours(48)));
    let (server, influx) = (Server::start(Behaviour::ok().over_tls(identity)), storing());
    let folder = Folder::with(&format!(
        "sites: [{{ name: api, url: '{}', interval: 200ms, timeout: 10s, tls: {{ insecure: true }} }}]\n",
        server.url("/")
    ));
    let webmon = folder.start(&format!("--headless --export-influx={}", influx.url("/")));
    let told = || {
        influx.requests().iter().find_map(|request| Some(lines(request).split_once("cert_expires_s=")?.1.to_owned()))
    };
    wait_for("the end of a certificate", || told().is_some());
    webmon.end_by(Signal::TERM).with(143);
    let seconds: u64 = told().unwrap().split('i').next().unwrap().parse().unwrap();
    assert!((47 * 3_600..=48 * 3_600).contains(&seconds), "{seconds}");
}

/// `SSL_CERT_FILE` sets the platform's roots here, as for an InfluxDB with a private certificate.
#[cfg(target_os = "linux")]
#[test]
fn over_https_it_speaks_to_whom_the_platform_trusts_and_to_nobody_else() {
    let (trusted, other) = (Authority::new(), Authority::called("another"));
    let storing = || Behaviour::always(vec![Step::send("HTTP/1.1 204 No Content\r\n\r\n")]);
    let influx = Server::start(storing().over_tls(trusted.issue(&Leaf::naming(&["127.0.0.1"]))));
    let misnamed = Server::start(storing().over_tls(trusted.issue(&Leaf::naming(&["another.example"]))));
    let (_server, text) = site("200ms");
    let folder = Folder::with(&text);
    folder.write("trusted.pem", &trusted.root_pem());
    folder.write("other.pem", &other.root_pem());
    let start = |server: &Server, roots: &str| {
        let arguments = format!("--headless --format json --export-from all --export-influx={}", server.url("/"));
        let mut command = folder.command(&arguments);
        command.env("SSL_CERT_FILE", folder.path(roots)).env("INFLUX_TOKEN", "hunter2");
        Running::start(command)
    };
    for (server, roots) in [(&influx, "other.pem"), (&misnamed, "trusted.pem")] {
        let mut webmon = start(server, roots);
        let failed = |export: &Value| export["state"] != "ok" && export["error"].to_string().contains("certificate");
        webmon.until(|lines| exports(lines).iter().any(failed));
        webmon.end_by(Signal::TERM).with(143);
        assert!(server.requests().is_empty(), "nothing is sent to a stranger, least of all the token");
    }
    let webmon = start(&influx, "trusted.pem");
    wait_for("a request", || !influx.requests().is_empty());
    webmon.end_by(Signal::TERM).with(143);
    assert_eq!(influx.requests()[0].header("authorization"), Some("Token hunter2"));
    let (received, stored) = (received(&influx), stored(&folder));
    assert!(!received.is_empty());
    assert!(received.iter().all(|point| stored.get(point.0) == Some(point.1)), "{received:?} of {stored:?}");
}

#[test]
fn an_end_does_not_wait_for_a_server_that_hangs() {
    let (_server, text) = site("200ms");
    let hanging = Server::start(Behaviour::always(vec![Step::Hang]));
    let folder = Folder::with(&text);
    let webmon = folder.start(&format!("--headless --export-influx={}", hanging.url("/")));
    wait_for("a request", || !hanging.requests().is_empty());
    let ended = webmon.end_by(Signal::INT).with(130);
    assert_eq!(ended.stderr, "");
    assert!(ended.took < Duration::from_secs(15), "{:?}", ended.took);
    folder.run("db check").quietly();
}

/// Several programs at the same time, so that a busy machine is as busy for each.
#[test]
fn probes_are_made_as_ever_while_an_export_hangs_or_finds_nobody() {
    let hanging = Server::start(Behaviour::always(vec![Step::Hang]));
    let exports = [String::new(), hanging.url("/"), format!("http://{}/", closed_port())];
    let watched: Vec<(Server, Folder)> = exports
        .iter()
        .map(|_| {
            let (server, text) = site("100ms");
            (server, Folder::with(&text))
        })
        .collect();
    let running: Vec<Running> = watched
        .iter()
        .zip(&exports)
        .map(|((_, folder), export)| {
            let flag = if export.is_empty() { String::new() } else { format!("--export-influx={export}") };
            folder.start(&format!("--headless --format json --events sample --for 5s {flag}"))
        })
        .collect();
    let figures: Vec<(usize, u64, u64)> = running
        .into_iter()
        .map(|webmon| {
            let lines = webmon.end().with(0).json();
            let samples: Vec<&Value> = lines.iter().filter(|line| line["event"] == "sample").collect();
            let median = |key: &str| {
                let mut values: Vec<u64> = samples.iter().map(|sample| sample[key].as_u64().unwrap()).collect();
                values.sort_unstable();
                values[values.len() / 2]
            };
            (samples.len(), median("late_us"), median("total_us"))
        })
        .collect();
    let (alone, beside) = (figures[0], &figures[1..]);
    assert!(!hanging.requests().is_empty(), "the export was tried");
    for (checks, late, total) in beside {
        assert!(*checks * 2 >= alone.0, "{figures:?}");
        // A wait for the server would show as seconds.
        assert!(*late < alone.1 + 500_000 && *total < alone.2 + 500_000, "{figures:?}");
    }
}
