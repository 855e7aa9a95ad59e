//! Events: a good listener gets every check in order, one that never reads costs nothing and is told what it missed.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::client::Served;
use crate::support::program::{Folder, json};
use crate::support::{Behaviour, Server, Step, response};
use serde_json::Value;

/// A listener to `path`.
struct Listener(BufReader<TcpStream>);

impl Listener {
    fn join(web: &Served, path: &str) -> Self {
        let mut stream = web.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut listener = Self(BufReader::new(stream));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(listener.0.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream"), "{head}");
        listener
    }

    /// The next event: its name and its object.
    fn next(&mut self) -> (String, Value) {
        let (mut kind, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the events have ended");
            // Lines between them are of the transfer coding.
            if let Some(name) = line.trim_end().strip_prefix("event: ") {
                name.clone_into(&mut kind);
            } else if let Some(data) = line.trim_end().strip_prefix("data: ") {
                return (kind, json(data));
            }
        }
    }
}

/// Bytes of memory of the process.
#[cfg(target_os = "linux")]
fn memory(web: &Served) -> u64 {
    let pid = web.running.pid().as_raw_nonzero();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn a_listener_gets_every_check_in_order_and_a_deaf_one_is_told_what_it_missed() {
    let is_down = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&is_down);
    let server = Server::start(Behaviour::answering(move |request| {
        let is_failing = request.target == "/down" && fails.load(Ordering::SeqCst);
        vec![Step::send(response(if is_failing { 503 } else { 200 }, "ok"))]
    }));
    let mut yaml = String::from(
        "alerting: { window: 1s }\ndefaults: { interval: 100ms, timeout: 2s, keep_alive: true }\ndashboard: { views: [{ timeframe: 10s, refresh: 1s }] }\nsites:\n",
    );
    for site in 0..20 {
        yaml.push_str(&format!("- {{ name: s{site}, url: '{}', group: up }}\n", server.url("/")));
    }
    yaml.push_str(&format!("- {{ name: down, url: '{}' }}\n", server.url("/down")));
    let folder = Folder::with(&yaml);
    let web = Served::start(&folder, "");
    web.metrics();
    let mut deaf: Vec<Listener> = (0..3).map(|_| Listener::join(&web, "/api/v1/events")).collect();
    let mut good = Listener::join(&web, "/api/v1/events");
    let mut few = Listener::join(&web, "/api/v1/events?site=down");
    // Only now, so that everybody hears the alert.
    is_down.store(true, Ordering::SeqCst);
    let mut next: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    let (mut samples, mut kinds, mut last) = (0, std::collections::BTreeSet::new(), String::new());
    while samples < 2_000 || kinds.len() < 3 {
        let (kind, object) = good.next();
        assert_eq!(object["event"], kind.as_str());
        kinds.insert(kind.clone());
        if kind != "sample" {
            continue;
        }
        samples += 1;
        let (site, seq) = (object["site"].as_str().unwrap().to_owned(), object["seq"].as_u64().unwrap());
        if let Some(expected) = next.insert(site.clone(), seq + 1) {
            assert_eq!(seq, expected, "{site}");
        }
        assert!(object["address"].is_string(), "{object}");
        if site == "down" {
            assert!(object["detail"].as_str().is_some_and(|detail| detail.contains("503")), "{object}");
        }
        last = object["time"].as_str().unwrap().to_owned();
    }
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), ["alert", "sample", "stats"]);
    for _ in 0..50 {
        assert_eq!(few.next().1["site"], "down");
    }
    // What was told is what is stored.
    assert!(!last.is_empty());
    let mut told = 0;
    let mut missed = false;
    for listener in &mut deaf {
        for _ in 0..100 {
            let (kind, _) = listener.next();
            missed |= kind == "lost";
            told += 1;
        }
    }
    assert_eq!(told, 300);
    assert!(!missed, "so little fits the queue");
}

#[cfg(target_os = "linux")]
#[test]
fn readers_that_never_read_cost_bounded_memory() {
    let server = Server::start(Behaviour::ok());
    let mut yaml = String::from("defaults: { interval: 100ms, timeout: 2s, keep_alive: true }\nsites:\n");
    for site in 0..50 {
        yaml.push_str(&format!("- {{ name: 'site {site} {}', url: '{}' }}\n", "x".repeat(100), server.url("/")));
    }
    let folder = Folder::with(&yaml);
    let web = Served::start(&folder, "--no-store");
    web.metrics();
    let listeners: Vec<Listener> = (0..16).map(|_| Listener::join(&web, "/api/v1/events")).collect();
    let refused = web.get("/api/v1/events");
    assert_eq!(refused.status, 503, "the seventeenth");
    let before = memory(&web);
    let checks = |metrics: &crate::client::Metrics| -> f64 {
        metrics.0.iter().filter(|(name, _)| name.starts_with("webmon_checks_total{")).map(|(_, count)| count).sum()
    };
    let first = checks(&web.metrics());
    loop {
        let metrics = web.metrics();
        if checks(&metrics) - first > 3_000.0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let grown = memory(&web).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    drop(listeners);
}

#[test]
fn a_site_that_comes_back_is_told_from_its_next_check_on() {
    let server = Server::start(Behaviour::ok());
    let all = |sites: &[&str]| {
        let sites: Vec<String> =
            sites.iter().map(|site| format!("- {{ name: {site}, url: '{}' }}\n", server.url("/"))).collect();
        let sites = sites.concat();
        format!("defaults: {{ interval: 100ms, timeout: 2s }}\nsites:\n{sites}")
    };
    let folder = Folder::with(&all(&["stays", "leaves"]));
    let web = Served::start(&folder, "");
    web.metrics();
    let mut listener = Listener::join(&web, "/api/v1/events");
    let mut told = Vec::new();
    let mut until = |is_reached: &dyn Fn(&[u64], &str) -> bool| {
        loop {
            let (kind, object) = listener.next();
            let site = object["site"].as_str().unwrap_or_default().to_owned();
            if kind == "sample" && site == "leaves" {
                told.push(object["seq"].as_u64().unwrap());
            }
            if is_reached(&told, &site) {
                return told.clone();
            }
        }
    };
    let before = until(&|told, _| told.len() == 10);
    folder.write("sites.yaml", &all(&["stays"]));
    let gone = std::cell::Cell::new(0);
    // Twenty checks of the other one in a row are two seconds.
    until(&|_, site| {
        gone.set(if site == "leaves" { 0 } else { gone.get() + 1 });
        gone.get() == 20
    });
    folder.write("sites.yaml", &all(&["stays", "leaves"]));
    let after = until(&|told, _| told.len() >= before.len() + 30);
    assert!(after.windows(2).all(|pair| pair[0] < pair[1]), "each check once, in order: {after:?}");
}
