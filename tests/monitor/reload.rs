//! Reloading sites.yaml, by SIGHUP and when the file changes, and what the service manager receives.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;

use crate::support;
use crate::support::program::{Folder, Running, json};
use crate::support::{Behaviour, Server};
use rustix::process::Signal;
use serde_json::Value;

const RUN: &str = "--headless --format json --events sample,alert";

/// A file of these sites, ten checks a second each.
fn file(server: &Server, names: &[&str]) -> String {
    let site = |name: &&str| format!("- {{ name: {name}, url: '{}' }}\n", server.url(&format!("/{name}")));
    let sites: String = names.iter().map(site).collect();
    format!("defaults: {{ interval: 100ms, timeout: 100ms }}\nsites:\n{sites}alerting: {{ window: 1s }}\n")
}

/// Replaces sites.yaml atomically.
fn replace(folder: &Folder, text: &str) {
    folder.write("sites.new", text);
    fs::rename(folder.path("sites.new"), folder.path("sites.yaml")).unwrap();
}

fn samples(lines: &[String]) -> BTreeMap<String, Vec<u64>> {
    let mut samples = BTreeMap::<String, Vec<u64>>::new();
    for line in lines.iter().map(|line| json(line)).filter(|line| line["event"] == "sample") {
        let site = line["site"].as_str().unwrap().to_owned();
        samples.entry(site).or_default().push(line["seq"].as_u64().unwrap());
    }
    samples
}

fn count(lines: &[String], site: &str) -> usize {
    samples(lines).get(site).map_or(0, Vec::len)
}

/// Waits for a warning that holds `text`, and returns the whole of it.
fn warned(monitor: &mut Running, text: &str) -> String {
    let found = |lines: &[String]| {
        let told = lines.iter().map(|line| json(line)).filter(|line| line["event"] == "warning");
        told.filter_map(|line| line["message"].as_str().map(str::to_owned)).find(|message| message.contains(text))
    };
    let lines = monitor.until(|lines| found(lines).is_some());
    found(&lines).unwrap()
}

#[test]
fn a_changed_file_is_taken_a_broken_one_is_told_and_no_sample_is_lost() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&file(&server, &["stays", "goes", "moves"]));
    let mut monitor = folder.start(RUN);
    monitor.until(|lines| count(lines, "stays") > 3 && count(lines, "goes") > 3 && count(lines, "moves") > 3);

    // By SIGHUP.
    let other = file(&server, &["comes", "stays", "moves"]).replace("/moves", "/elsewhere");
    replace(&folder, &other);
    monitor.signal(Signal::HUP);
    assert_eq!(warned(&mut monitor, "1 site added"), "reloaded sites.yaml: 1 site added, 1 removed, 1 changed");
    monitor.until(|lines| count(lines, "comes") > 3);
    assert!(server.requests().iter().any(|request| request.target == "/elsewhere"));

    // An invalid file: reported once; everything keeps running.
    replace(&folder, &other.replace("window", "windou"));
    let refused = warned(&mut monitor, "reload refused");
    assert!(
        refused.starts_with("reload refused: sites.yaml:6:13 unknown key `windou`, did you mean `window`?"),
        "{refused}"
    );
    assert!(refused.contains("; keeping the 3 sites loaded at "), "{refused}");
    let before = count(&monitor.lines(), "stays");
    monitor.until(|lines| count(lines, "stays") > before + 3);

    // Without a signal: a valid file, reported although nothing changed, and then a different one.
    replace(&folder, &other);
    assert_eq!(warned(&mut monitor, "nothing changed"), "reloaded sites.yaml: nothing changed");
    replace(&folder, &file(&server, &["comes", "stays"]));
    assert_eq!(warned(&mut monitor, "0 sites added"), "reloaded sites.yaml: 0 sites added, 1 removed, 0 changed");
    let before = count(&monitor.lines(), "comes");
    monitor.until(|lines| count(lines, "comes") > before + 3);
    let ended = monitor.end_by(Signal::TERM).with(143);
    assert_eq!(ended.stderr, "");

    let lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    let live = samples(&lines);
    let stored = folder.run("samples --format json").quietly().stdout;
    let stored = samples(&stored.lines().map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(live, stored, "what was said live is what is remembered");
    for (site, seqs) in live {
        assert!(seqs.iter().copied().eq(0..seqs.len() as u64), "{site}: {seqs:?}");
    }
    let refusals = lines.iter().filter(|line| line.contains("reload refused")).count();
    assert_eq!(refusals, 1, "a broken file is told once");
}

/// A secret manager replaces the file atomically and leaves sites.yaml alone. A file that is missing for a moment, or
/// holds what cannot be sent, changes nothing.
#[test]
fn a_secret_that_changes_in_its_file_is_taken_by_itself() {
    let site = Server::start(Behaviour::ok());
    let sink = Server::start(Behaviour::always(vec![support::Step::send("HTTP/1.1 204 No Content\r\n\r\n")]));
    let folder = Folder::empty();
    let put = |text: &str| {
        folder.write("token.new", text);
        fs::rename(folder.path("token.new"), folder.path("token")).unwrap();
    };
    put("one\n");
    folder.write(
        "sites.yaml",
        &format!(
            "sites: [{{ name: a, url: '{}', interval: 100ms, timeout: 100ms, headers: {{ X-Key: 'k ${{file:token}}' }} }}]\n\
             export: {{ influx: {{ url: '{}', token: '${{file:token}}' }} }}\n",
            site.url("/"),
            sink.url("")
        ),
    );
    let mut monitor = folder.start("--headless --format json --events sample,alert");
    let asked_with = |server: &Server, header: &str, value: &str| {
        server.requests().iter().any(|request| request.header(header) == Some(value))
    };
    monitor.until(|_| asked_with(&site, "x-key", "k one"));
    if cfg!(feature = "influx") {
        monitor.until(|_| asked_with(&sink, "authorization", "Token one"));
    }
    put("two\n");
    monitor.until(|_| asked_with(&site, "x-key", "k two"));
    if cfg!(feature = "influx") {
        monitor.until(|_| asked_with(&sink, "authorization", "Token two"));
    }
    fs::remove_file(folder.path("token")).unwrap();
    let refused = warned(&mut monitor, "cannot read the file token");
    assert!(refused.starts_with("reload refused: sites.yaml:1:"), "{refused}");
    put("three\n");
    monitor.until(|_| asked_with(&site, "x-key", "k three"));
    put("fo\nur\n");
    let refused = warned(&mut monitor, "not valid here");
    assert!(refused.contains("the expanded value is not valid here: it contains a line break"), "{refused}");
    monitor.end_by(Signal::TERM).with(143);
}

#[test]
fn without_a_file_there_is_nothing_to_read_again() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::empty();
    let mut monitor = folder.start(&format!("{} {RUN}", server.url("/")));
    monitor.until(|lines| !lines.is_empty());
    monitor.signal(Signal::HUP);
    assert_eq!(warned(&mut monitor, "SIGHUP"), "SIGHUP: there is no file to reload");
    monitor.end_by(Signal::INT).with(130);
}

#[test]
fn the_service_manager_hears_how_it_goes() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&file(&server, &["a", "b"]));
    let socket = UnixDatagram::bind(folder.path("notify")).unwrap();
    socket.set_read_timeout(Some(support::program::PATIENCE)).unwrap();
    let until = |wanted: &str| -> Vec<String> {
        let mut heard = Vec::new();
        while !heard.iter().any(|message: &String| message.starts_with(wanted)) {
            let mut bytes = [0; 1_024];
            let length = socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{error} after {heard:?}"));
            heard.push(String::from_utf8(bytes[..length].to_vec()).unwrap());
        }
        heard
    };
    let mut command = folder.command(RUN);
    command.env("NOTIFY_SOCKET", folder.path("notify")).env("WATCHDOG_USEC", "500000");
    let monitor = Running::start(command);
    assert_eq!(until("READY=1"), ["READY=1"]);
    until("WATCHDOG=1");
    until("STATUS=2 sites: 2 up");
    monitor.signal(Signal::HUP);
    until("RELOADING=1\nMONOTONIC_USEC=");
    until("READY=1");
    until("WATCHDOG=1");
    let value: Value = json(&monitor.lines()[0]);
    assert!(value["event"].is_string());
    monitor.signal(Signal::TERM);
    until("STOPPING=1");
    monitor.end().with(143);
}
