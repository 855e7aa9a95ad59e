//! Measures what two network threads carry over TLS: 250 sites every 500 ms for each thread, with one thread and with two in turn.
//!
//! The server takes as much of this machine as webmon, so two threads cannot show their speed on two cores. What counts is
//! accounting: a thread carries as many checks as fit its core, so the busiest one bounds the rate. Each thread has as many
//! sites as the single one: checks that start together share a wake-up, and half as many would cost more each.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use crate::child::Process;
use crate::server::Server;
use crate::{Folder, tls};

const SITES_A_THREAD: usize = 250;
const SECONDS: u64 = 15;
const ROUNDS: usize = 3;

/// Prints what one thread and two threads would carry.
pub fn measure() {
    let mut ratios: Vec<f64> = (0..ROUNDS).map(|_| carried(2) / carried(1)).collect();
    ratios.sort_by(f64::total_cmp);
    println!("threads: two threads carry {:.2} times what one carries ({ratios:.2?})", ratios[ROUNDS / 2]);
}

/// Checks a second at which the busiest of so many threads would fill its core.
fn carried(threads: usize) -> f64 {
    let authority = tls::Authority::new();
    let server = Server::start(Some(authority.issue(&tls::Leaf::naming(&["localhost"])).server_config()), false);
    let mut config = format!(
        "network: {{ threads: {threads} }}\ndefaults: {{ interval: 500ms, timeout: 500ms, tls: {{ ca_file: ca.pem }} }}\nsites:\n"
    );
    for site in 0..threads * SITES_A_THREAD {
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
