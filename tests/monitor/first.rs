//! The first check of a process measures the site, not the process's own initialization.

use crate::support::program::{Folder, json};
use crate::support::tls::{Authority, Leaf};
use crate::support::{Behaviour, Server};

/// Attempts before a figure of a busy machine counts as a failure.
const TRIES: usize = 5;

/// The time in TLS of the first check, and of the slowest of the others, µs.
type Times = (u64, u64);

fn is_like_the_others((first, others): Times) -> bool {
    first <= 3 * others + 10_000
}

/// One process without the delay is enough: initialization would delay the first check in all of them.
fn at_last(what: &str, measure: impl Fn() -> Times) {
    let seen: Vec<Times> = (0..TRIES).map(|_| measure()).take_while(|times| !is_like_the_others(*times)).collect();
    assert!(seen.len() < TRIES, "{what}: µs of the first handshake and of the slowest other one: {seen:?}");
}

/// AWS-LC needs up to 180 ms for its first random byte, and a handshake of this server a few.
#[test]
fn the_first_handshake_of_a_process_costs_what_the_others_cost() {
    let authority = Authority::new();
    let server = Server::start(Behaviour::ok().over_tls(authority.issue(&Leaf::naming(&["127.0.0.1"]))));
    let folder = Folder::empty();
    folder.write("ca.pem", &authority.root_pem());
    let defaults = "defaults: { interval: 300ms, timeout: 300ms, tls: { ca_file: ca.pem } }";
    folder.write("sites.yaml", &format!("{defaults}\nsites:\n  - {{ name: a, url: '{}' }}\n", server.url("/")));
    let tls = |lines: &str| -> Vec<u64> {
        lines.lines().map(|line| json(line)["tls_us"].as_u64().unwrap_or_else(|| panic!("{line}"))).collect()
    };
    let times = |tls: &[u64]| (tls[0], *tls[1..].iter().max().unwrap());
    at_last("run", || {
        let mut monitor = folder.start("run --no-store --headless --format json --events sample");
        let lines = monitor.until(|lines| lines.len() >= 5);
        times(&tls(&lines[..5].join("\n")))
    });
}
