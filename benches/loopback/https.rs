//! Measures 10,000 HTTPS sites every 10 s and 100,000 every minute, and what their checks add to the time of a handshake.
//!
//! The server takes as much of this machine as webmon. So the yardstick is the same check alone: one site, ten times a second, on the
//! machine that is idle otherwise. What the handshakes of the many take beyond that is time that they waited: for each other, and for
//! the server, which the kernel often puts on the core of its client. With a core each only the former remains.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::Process;
use crate::scale::checks;
use crate::server::Server;
use crate::{Folder, spread, tls};

const SECONDS: u64 = 60;

/// As `taskset` counts them.
const ALL_CORES: &str = "0-1023";

/// So many sites over TLS, each checked after so many milliseconds.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    sites: usize,
    interval: u64,
    seconds: u64,
    /// Whether webmon and the server have a core of their own.
    is_apart: bool,
}

const ALONE: Load = Load { name: "alone", sites: 1, interval: 100, seconds: 20, is_apart: false };
const MANY: Load = Load { name: "many", sites: 10_000, interval: 10_000, seconds: SECONDS, is_apart: false };
const APART: Load = Load { name: "many, a core each", is_apart: true, ..MANY };
const LARGE: Load = Load { name: "100,000", sites: 100_000, interval: 60_000, ..MANY };

/// Prints lateness, completeness, CPU, memory and the phase *tls*, alone and of the many.
pub fn measure() {
    [ALONE, MANY, APART].into_iter().for_each(run);
}

/// Prints the same of 100,000 sites every minute.
pub fn large() {
    run(LARGE);
}

/// Binds this thread, and the threads and processes that it starts, to these cores.
fn bind(cores: &str) {
    let mut command = Command::new("taskset");
    command.args(["-pc", cores, &std::process::id().to_string()]);
    let status = command.stdout(Stdio::null()).status().expect("taskset, of util-linux, runs");
    assert!(status.success(), "there are cores {cores}");
}

fn run(Load { name, sites, interval, seconds, is_apart }: Load) {
    if is_apart {
        bind("1");
    }
    let authority = tls::Authority::new();
    let server = Server::start(Some(authority.issue(&tls::Leaf::naming(&["localhost"])).server_config()), false);
    // The server has one of the addresses of localhost.
    let mut config = format!(
        "defaults: {{ ip: 4, interval: {}ms, timeout: {}ms, tls: {{ ca_file: ca.pem }} }}\nsites:\n",
        interval,
        interval.min(5_000)
    );
    for site in 0..sites {
        writeln!(config, "- {{ name: s{site}, url: 'https://localhost:{}/' }}", server.address.port())
            .expect("a String");
    }
    let folder = Folder::with(&config);
    fs::write(folder.0.path().join("ca.pem"), authority.root_pem()).expect("it can be written");
    if is_apart {
        bind("0");
    }
    let process = Process::webmon(&folder.config(), 600);
    if is_apart {
        bind(ALL_CORES);
    }
    while server.asked() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(interval) + Duration::from_secs(5));
    let (cpu, asked, begin) = (process.cpu(), server.asked(), Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let (cpu, asked, spent) = (process.cpu().saturating_sub(cpu), server.asked() - asked, begin.elapsed());
    let due = spent.as_secs_f64() * sites as f64 * 1e3 / interval as f64;
    let (memory, peak) = process.memory();
    println!(
        "https: {name}: {asked} checks made, {due:.0} due in {:.1} s; {:.0} µs of CPU per check; {memory} MiB (peak {peak})",
        spent.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / asked as f64
    );
    // Wait for the last flush.
    std::thread::sleep(Duration::from_secs(2));
    let mut checks = checks(&folder, seconds);
    drop(process);
    println!("https: {name}: tls {}", spread(&mut checks.tls));
    println!("https: {name}: connect {}", spread(&mut checks.connect));
    println!("https: {name}: lateness {}; {} skipped", spread(&mut checks.late), checks.skipped);
}
