//! Measures what two network threads carry over TLS: 500 sites every 500 ms, beside one thread with as many sites and with half as
//! many.
//!
//! The server takes as much of this machine as webmon, so two threads cannot show their speed on two cores. What counts is
//! accounting: a thread carries as many checks as fit its core, so the busiest one bounds the rate. The two comparisons
//! enclose the truth: with as many sites each of two threads has fewer checks to share a wake-up, so they cost more; with half as
//! many the single thread runs on a machine that is less busy, where a check costs more as well.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use crate::child::Process;
use crate::server::Server;
use crate::{Folder, tls};

const SITES: usize = 500;
const SECONDS: u64 = 15;
const ROUNDS: usize = 3;

/// Prints what one thread and two threads would carry.
pub fn measure() {
    let (mut as_many, mut half) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let two = carried(2, SITES);
        as_many.push(two / carried(1, SITES));
        half.push(two / carried(1, SITES / 2));
    }
    for (what, mut ratios) in [("as many sites", as_many), ("half as many", half)] {
        ratios.sort_by(f64::total_cmp);
        println!("threads: two carry {:.2} times what one with {what} carries ({ratios:.2?})", ratios[ROUNDS / 2]);
    }
}

/// Checks a second at which the busiest of so many threads would fill its core.
fn carried(threads: usize, sites: usize) -> f64 {
    let authority = tls::Authority::new();
    let server = Server::start(Some(authority.issue(&tls::Leaf::naming(&["localhost"])).server_config()), false);
    let mut config = format!(
        "network: {{ threads: {threads} }}\ndefaults: {{ ip: 4, interval: 500ms, timeout: 500ms, tls: {{ ca_file: ca.pem }} }}\nsites:\n"
    );
    for site in 0..sites {
        writeln!(config, "- {{ name: s{site}, url: 'https://localhost:{}/' }}", server.address.port())
            .expect("a String");
    }
    let folder = Folder::with(&config);
    fs::write(folder.0.path().join("ca.pem"), authority.root_pem()).expect("it can be written");
    let process = Process::webmon(&folder.config(), SECONDS + 10);
    std::thread::sleep(Duration::from_secs(5));
    let (before, asked, all) = (process.cpu_of("webmon-net"), server.asked(), process.cpu());
    std::thread::sleep(Duration::from_secs(SECONDS));
    let after = process.cpu_of("webmon-net");
    let (asked, all) = ((server.asked() - asked) as f64, process.cpu().saturating_sub(all));
    let busy: Vec<f64> =
        after.iter().zip(&before).map(|(after, before)| after.saturating_sub(*before).as_secs_f64()).collect();
    let busiest = busy.iter().copied().fold(0.0, f64::max);
    println!(
        "threads: {threads}: {asked:.0} checks, {:.0} µs of CPU a check in all, s of CPU per network thread {busy:.2?}: {:.0} checks/s fit",
        all.as_secs_f64() * 1e6 / asked,
        asked / busiest,
    );
    asked / busiest
}
