//! `webmon demo` needs no configuration and no network, shows failures and an alert, and leaves no file.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::program::{Folder, Running};
use rustix::process::Signal;
use serde_json::Value;

const SITES: [&str; 7] = ["closed", "detour", "expired", "flappy", "jittery", "moody", "steady"];

/// webmon with `arguments`, whose temporary files would stay in `folder`.
fn command(folder: &Folder, arguments: &str) -> Command {
    let mut command = folder.command(arguments);
    command.env("TMPDIR", folder.path(""));
    command
}

/// When the check of `sample` was due, µs since 1970, as far as its end tells.
fn due(sample: &Value) -> i64 {
    let time: jiff::Timestamp = sample["time"].as_str().unwrap().parse().unwrap();
    time.as_microsecond() - sample["total_us"].as_i64().unwrap() - sample["late_us"].as_i64().unwrap()
}

#[test]
fn without_a_file_every_site_is_checked_within_the_first_second_and_nothing_is_left_behind() {
    let folder = Folder::empty();
    let arguments = "demo --headless --format json --events sample,stats --for 3s";
    let events = Running::start(command(&folder, arguments)).end().quietly().json();
    let samples: Vec<_> = events.iter().filter(|event| event["event"] == "sample").collect();
    let names: BTreeSet<&str> = samples.iter().filter_map(|sample| sample["site"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(SITES));
    let due: Vec<i64> =
        SITES.iter().map(|site| due(samples.iter().find(|sample| sample["site"] == *site).unwrap())).collect();
    let spread = due.iter().max().unwrap() - due.iter().min().unwrap();
    // A second, plus what a busy machine adds between the end of a check and the reading of the clock.
    assert!(spread < 1_500_000, "first checks were due over {spread} µs");
    for sample in &samples {
        let cause = match sample["site"].as_str().unwrap() {
            "closed" => "connect_refused",
            "expired" => "tls_expired",
            _ => "ok",
        };
        assert_eq!(sample["cause"], cause, "{sample}");
    }
    assert!(events.iter().any(|event| event["event"] == "stats" && event["timeframe"] == "1m"));
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn an_alert_opens_when_the_window_is_full_and_ctrl_c_leaves_nothing_behind() {
    let folder = Folder::empty();
    let mut running = Running::start(command(&folder, "demo"));
    let lines = running.until(|lines| lines.iter().any(|line| line.starts_with("Website closed is down.")));
    assert_eq!(lines[0], "watching 7 sites, no store");
    assert_eq!(folder.files().len(), 1, "the store's folder, as long as it runs");
    let ended = running.end_by(Signal::INT).with(130);
    assert!(ended.stdout.ends_with("webmon run https://… watches a URL now.\n"), "{}", ended.stdout);
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn what_is_refused_is_said_before_anything_is_shown() {
    let folder = Folder::empty();
    let mut command = folder.command("demo");
    command.env("TMPDIR", folder.path("missing"));
    let ended = Running::start(command).end().with(2);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.starts_with("demo: cannot make a folder in "), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("set TMPDIR to another\n"), "{}", ended.stderr);
}
