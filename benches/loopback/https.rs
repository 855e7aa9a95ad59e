//! Measures 10,000 HTTPS sites every 10 s, and what their checks add to the time of a handshake.
//!
//! The server takes as much of this machine as webmon. So the yardstick is the same check alone: one site, ten times a second, on the
//! machine that is idle otherwise. What the handshakes of the many take beyond that is time that they waited for each other.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use crate::child::Process;
use crate::scale::checks;
use crate::server::Server;
use crate::{Folder, spread, tls};

const SITES: usize = 10_000;
const INTERVAL: Duration = Duration::from_secs(10);
const SECONDS: u64 = 60;

/// Prints lateness, completeness, CPU, memory and the phase *tls*, alone and of the many.
pub fn measure() {
    run("alone", 1, Duration::from_millis(100), 20);
    run("many", SITES, INTERVAL, SECONDS);
}

fn run(what: &str, sites: usize, interval: Duration, seconds: u64) {
    let authority = tls::Authority::new();
    let server = Server::start(Some(authority.issue(&tls::Leaf::naming(&["localhost"])).server_config()), false);
    // The server has one of the addresses of localhost.
    let mut config = format!(
        "defaults: {{ ip: 4, interval: {}ms, timeout: {}ms, tls: {{ ca_file: ca.pem }} }}\nsites:\n",
        interval.as_millis(),
        interval.min(Duration::from_secs(5)).as_millis()
    );
    for site in 0..sites {
        writeln!(config, "- {{ name: s{site}, url: 'https://localhost:{}/' }}", server.address.port())
            .expect("a String");
    }
    let folder = Folder::with(&config);
    fs::write(folder.0.path().join("ca.pem"), authority.root_pem()).expect("it can be written");
    let process = Process::webmon(&folder.config(), 600);
    while server.asked() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(interval + Duration::from_secs(5));
    let (cpu, asked, begin) = (process.cpu(), server.asked(), Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let (cpu, asked, spent) = (process.cpu().saturating_sub(cpu), server.asked() - asked, begin.elapsed());
    let due = spent.as_secs_f64() * sites as f64 / interval.as_secs_f64();
    let (memory, peak) = process.memory();
    println!(
        "https: {what}: {asked} checks made, {due:.0} due in {:.1} s; {:.0} µs of CPU per check; {memory} MiB (peak {peak})",
        spent.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / asked as f64
    );
    // Wait for the last flush.
    std::thread::sleep(Duration::from_secs(2));
    let mut checks = checks(&folder, seconds);
    drop(process);
    println!("https: {what}: tls {}", spread(&mut checks.tls));
    println!("https: {what}: connect {}", spread(&mut checks.connect));
    println!("https: {what}: lateness {}; {} skipped", spread(&mut checks.late), checks.skipped);
}
