//! The output that scripts rely on: names, order, units and nulls of the JSON lines, and the text lines.

use std::fmt::Write as _;

use crate::support::program::{Folder, json};
use crate::support::{Behaviour, Server, Step, response};
use regex::Regex;
use rustix::process::Signal;
use serde_json::Value;

const SAMPLE: &str = "event time site seq up cause detail status resolve_us connect_us tls_us processing_us transfer_us \
                      ttfb_us total_us late_us skipped bytes redirects http address";
const STATS: &str = "event time site state timeframe availability coverage checks up down response_time_ms ttfb_ms \
                     phases_ms codes causes";
const ALERT: &str = "event time site state availability threshold window since downtime_ms message";
const WARNING: &str = "event time about message";
const QUANTILES: &str = "avg max p50 p90 p95 p99";

/// Seconds, then exactly six decimals, in UTC.
const TIME: &str = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$";

fn server() -> Server {
    Server::start(Behaviour::answering(|request| match request.target.as_str() {
        "/broken" => vec![Step::send(response(503, "out of order"))],
        _ => vec![Step::send(response(200, "ok"))],
    }))
}

fn folder(server: &Server) -> Folder {
    Folder::with(&format!(
        "defaults: {{ interval: 200ms, timeout: 10s }}\n\
         sites: [{{ name: api, url: '{}' }}, {{ name: broken, url: '{}' }}]\n\
         alerting: {{ window: 1s }}\n\
         dashboard: {{ views: [{{ timeframe: 1m, refresh: 1s }}] }}\n",
        server.url("/"),
        server.url("/broken"),
    ))
}

fn is(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap().is_match(text)
}

/// Asserts that `line` holds the promised names in their order, at its first level.
#[track_caller]
fn has_in_order(line: &str, names: &str) {
    let object = json(line);
    let mut from = 0;
    for name in names.split_whitespace() {
        assert!(object.get(name).is_some(), "{name} is missing: {line}");
        let at = line[from..].find(&format!("\"{name}\":"));
        from += at.unwrap_or_else(|| panic!("{name} comes too early: {line}"));
    }
    assert!(is(TIME, object["time"].as_str().unwrap()), "{line}");
}

fn of<'a>(lines: &'a [String], event: &str) -> Vec<&'a String> {
    let found: Vec<&String> = lines.iter().filter(|line| json(line)["event"] == *event).collect();
    assert!(!found.is_empty(), "no {event} in {lines:?}");
    found
}

#[test]
fn json_has_the_promised_names_in_their_order() {
    let server = server();
    let folder = folder(&server);
    let mut running = folder.start("--headless --format json --events sample,stats,alert");
    running.until(|lines| {
        let has = |event: &str| lines.iter().any(|line| json(line)["event"] == *event);
        has("alert") && has("stats") && lines.len() > 12
    });
    let ended = running.end_by(Signal::TERM).with(143);
    let lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    for line in of(&lines, "sample") {
        has_in_order(line, SAMPLE);
        let sample = json(line);
        assert_eq!(sample["tls_us"], Value::Null, "{line}");
        let phases = ["resolve_us", "connect_us", "tls_us", "processing_us", "transfer_us"];
        let sum: u64 = phases.iter().filter_map(|phase| sample[phase].as_u64()).sum();
        assert_eq!(Some(sum), sample["total_us"].as_u64(), "{line}");
        let (cause, detail) =
            if sample["site"] == "api" { ("ok", Value::Null) } else { ("status", "503 Scripted".into()) };
        assert_eq!((&sample["cause"], &sample["detail"]), (&cause.into(), &detail), "{line}");
        assert!(is(r"^127\.0\.0\.1:\d+$", sample["address"].as_str().unwrap()), "{line}");
    }
    for line in of(&lines, "stats") {
        has_in_order(line, STATS);
        let stats = json(line);
        for times in ["response_time_ms", "ttfb_ms"] {
            let times = stats[times].as_object().unwrap();
            assert_eq!(times.len(), 6, "{line}");
            for name in QUANTILES.split_whitespace() {
                assert_eq!(times[name].is_null(), stats["up"] == 0, "{name} in {line}");
            }
        }
        assert_eq!((&stats["timeframe"], stats["site"] == "broken" && stats["up"] != 0), (&"1m".into(), false));
        assert_eq!(stats["checks"].as_u64(), Some(stats["up"].as_u64().unwrap() + stats["down"].as_u64().unwrap()));
        assert!(stats["codes"].is_object() && stats["causes"].is_object(), "{line}");
    }
    for line in of(&lines, "alert") {
        has_in_order(line, ALERT);
        let alert = json(line);
        assert_eq!(
            (&alert["site"], &alert["state"], &alert["window"]),
            (&"broken".into(), &"down".into(), &"1s".into())
        );
        assert_eq!((alert["threshold"].as_f64(), &alert["downtime_ms"]), (Some(0.8), &Value::Null));
        assert!(is(TIME, alert["since"].as_str().unwrap()), "{line}");
        let message = r"^Website broken is down\. availability=0\.00%, time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$";
        assert!(is(message, alert["message"].as_str().unwrap()), "{line}");
    }

    // The last figures of all views in the order of the file, and the time order of samples.
    let last: Vec<Value> = lines.iter().rev().take(2).map(|line| json(line)).collect();
    assert_eq!((&last[1]["site"], &last[0]["site"]), (&"api".into(), &"broken".into()));
    assert!(of(&lines, "sample").is_sorted_by_key(|line| json(line)["time"].as_str().unwrap().to_owned()));
}

#[test]
fn stored_lines_are_live_ones_without_what_is_not_kept() {
    let server = server();
    let folder = folder(&server);
    let live = folder.run("--headless --format json --events sample --for 1500ms").with(0);
    let live: Vec<&str> = live.stdout.lines().filter(|line| json(line)["event"] == "sample").collect();
    let stored = folder.run("samples --format json").quietly().stdout;
    let stored: Vec<&str> = stored.lines().collect();
    assert_eq!(stored.len(), live.len());
    for line in &stored {
        has_in_order(line, SAMPLE);
    }
    for line in live {
        let mut expected = json(line);
        if expected["up"] == true {
            expected["detail"] = Value::Null;
            expected["address"] = Value::Null;
        }
        assert!(stored.iter().any(|line| json(line) == expected), "{expected}");
    }
    let stats = folder.run("stats --format json").quietly().stdout;
    for line in stats.lines() {
        let (names, _) = STATS.split_once(" timeframe").unwrap();
        has_in_order(line, &names.replace(" state", ""));
        let stats = json(line);
        assert!(is(TIME, stats["since"].as_str().unwrap()) && is(TIME, stats["until"].as_str().unwrap()), "{line}");
    }
    let check = folder.run("check --format json api").with(0).stdout;
    has_in_order(check.trim_end(), SAMPLE);
    let check = json(check.trim_end());
    assert!(check["seq"].is_null() && check["late_us"].is_null() && check["hops"].is_array(), "{check}");
    assert!(check["certificate"].is_null(), "{check}");
}

/// The output until it matches each of `patterns`, and at the end.
#[track_caller]
fn until_said(folder: &Folder, patterns: &[String]) -> String {
    let patterns: Vec<Regex> = patterns.iter().map(|pattern| Regex::new(pattern).unwrap()).collect();
    let mut running = folder.start("--headless --no-store");
    running.until(|lines| patterns.iter().all(|pattern| lines.iter().any(|line| pattern.is_match(line))));
    running.end_by(Signal::TERM).with(143).stdout
}

#[test]
fn text_has_a_line_a_site_up_to_twenty_and_one_for_all_above() {
    let server = server();
    let folder = folder(&server);
    let clock = r"\d\d:\d\d:\d\d";
    let time = r"\d+(\.\d+)?(ms|s)";
    until_said(
        &folder,
        &[
            "^watching 2 sites(, .*)?$".to_owned(),
            format!("^{clock} api up$"),
            // A change is told at once; the text of its check may come a moment later.
            format!("^{clock} broken failing: (503 Scripted|status 503)$"),
            "^Website broken is down\\. availability=0\\.00%, time=.*$".to_owned(),
            format!("^{clock} api 1m up ~?100% avg {time} max {time} p95 {time} ttfb .+(ms|s) 200×\\d+$"),
            format!("^{clock} broken 1m down ~?0% avg – max – p95 – ttfb – 503×\\d+$"),
        ],
    );

    let mut many =
        "defaults: { interval: 500ms, timeout: 10s }\ndashboard: { views: [{ timeframe: 1m, refresh: 1s }] }\n\
                    alerting: { window: 1m }\nsites:\n"
            .to_owned();
    for i in 0..21 {
        let path = if i == 20 { "/broken" } else { "/" };
        writeln!(many, "- {{ name: s{i}, url: '{}' }}", server.url(path)).unwrap();
    }
    let folder = Folder::with(&many);
    let text = until_said(&folder, &[format!(r"^{clock} 1m 21 sites 20 up 1 failing \d+\.\d checks/s")]);
    assert!(!text.contains(" s3 1m "), "{text}");
}

#[test]
fn csv_has_the_names_of_json_as_columns_and_empty_fields_for_nulls() {
    let server = server();
    let folder = folder(&server);
    folder.run("--headless --for 2s").with(0);
    for (command, names) in [("samples", SAMPLE), ("alerts", ALERT)] {
        let csv = folder.run(&format!("{command} --format csv")).quietly().stdout;
        let lines = folder.run(&format!("{command} --format json")).quietly().stdout;
        let mut rows = csv.lines();
        let header: Vec<&str> = rows.next().unwrap().split(',').collect();
        let promised: Vec<&str> = names.split_whitespace().collect();
        let places: Vec<_> = promised.iter().map(|name| header.iter().position(|column| column == name)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{command}: {header:?}");
        let at = |name: &str| header.iter().position(|column| *column == name).unwrap();
        for (row, line) in rows.zip(lines.lines()) {
            let (fields, object): (Vec<&str>, _) = (row.split(',').collect(), json(line));
            // Messages contain commas, so only the fields before them are compared by position.
            for name in ["event", "time", "site"] {
                assert_eq!(Some(fields[at(name)]), object[name].as_str(), "{row}\n{line}");
            }
        }
    }
    let csv = folder.run("samples --format csv --site api").quietly().stdout;
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let tls = header.iter().position(|column| *column == "tls_us").unwrap();
    assert!(csv.lines().skip(1).all(|row| row.split(',').nth(tls) == Some("")), "{csv}");
}

#[test]
fn a_warning_is_an_object_of_its_own() {
    let folder = Folder::with("sites: [{ name: a, url: 'http://127.0.0.1:1/', interval: 1m, timeout: 1s }]\n");
    let ended = folder.run("--headless --format json --events sample --for 300ms --no-store").with(0);
    let lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    for line in of(&lines, "warning") {
        has_in_order(line, WARNING);
    }
}
