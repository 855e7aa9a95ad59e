//! Measures the cost and the punctuality of probes: `cargo bench --bench probe_cost [-- PART …]`.
//!
//! The whole program runs as a separate process with store and statistics on, against a server in this one:
//!
//! | part | what | budget |
//! |---|---|---|
//! | `plain` | 1,000 sites every second, each check on a new connection | CPU per probe ≤ 120 µs |
//! | `tls` | 250 sites over TLS (a handshake costs the server on the same machine as much) | CPU per probe ≤ 400 µs |
//! | `bare` | a minimal client, plain and over TLS: the lower bound | – |
//! | `rare` | 10 sites every second, plain, beside a minimal client at that rate | CPU per probe ≤ 312 µs |
//! | `kept` | as `plain`, with `keep_alive` | – |
//! | `first` | from the start to the first request, with 1 site and with 1,000 | ≤ 100 ms |
//! | `scale` | 10,000 sites every 10 s, over an hour of stored samples | every due probe made, p99 of lateness ≤ 10 ms above a bare timer's, ≤ 384 MiB |
//! | `https` | 10,000 sites every 10 s over TLS, beside one site alone | every due check made; *tls* of the many p99 ≤ 2 × p50 alone; CPU per check ≤ 300 µs |
//! | `https_large` | 100,000 sites every minute over TLS | every due check made, ≤ 1.5 GiB |
//! | `large` | 100,000 sites every minute, the same | every due probe made, first probe within 1 s, ≤ 1.5 GiB |
//! | `threads` | 500 sites over TLS every 500 ms by two network threads, beside one with as many and with half as many | two carry ≥ 1.9 times as much, by CPU time |
//! | `hostile` | 200 sites every second, 30 of them hostile or none | gap errors of the others: mean < 1 ms, p99 ≤ 10 ms worse |
//! | `floods` | one hostile site every second, each kind in turn | CPU < 10 % of a core |
//! | `phases` | each phase delayed by a known time | every phase within 2 ms |
//! | `blackbox` | 1,000 probes/s by prometheus-blackbox-exporter, then scheduled by Prometheus, if installed | webmon ≤ ¼ of its CPU, ≤ ⅛ of both |
//!
//! Absolute figures depend on the machine and on other jobs. Linux only (`/proc`).
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]
#![allow(clippy::cast_precision_loss, reason = "printed figures")]

#[path = "loopback/bare.rs"]
mod bare;
#[path = "loopback/blackbox.rs"]
mod blackbox;
#[path = "loopback/child.rs"]
mod child;
#[path = "loopback/hostile.rs"]
mod hostile;
#[path = "loopback/https.rs"]
mod https;
#[path = "loopback/phases.rs"]
mod phases;
#[path = "loopback/prometheus.rs"]
mod prometheus;
#[path = "loopback/scale.rs"]
mod scale;
#[path = "loopback/server.rs"]
mod server;
#[path = "loopback/threads.rs"]
mod threads;
#[allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "shared with tests"
)]
#[path = "../tests/support/tls.rs"]
mod tls;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use child::Process;
use server::Server;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    match wanted.as_slice() {
        [word, address, a_second, root @ ..] if word == bare::ASK => return bare::ask(address, a_second, root.first()),
        [word] if word == hostile::MISBEHAVE => return hostile::misbehave(),
        _ => {}
    }
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|one| one == part);
    let parts: [(&str, fn()); 15] = [
        ("phases", phases::measure),
        ("plain", || {
            cost(PLAIN);
        }),
        ("tls", || {
            cost(Load { name: "tls", a_second: 250, over_tls: true, ..PLAIN });
        }),
        ("rare", || {
            cost(Load { name: "rare", a_second: 10, seconds: 60, ..PLAIN });
            bare::ask_at(10, false, 60);
        }),
        ("bare", bare::measure),
        ("first", scale::first),
        ("kept", || {
            cost(Load { name: "kept", keep_alive: true, ..PLAIN });
        }),
        ("hostile", hostile::neighbours),
        ("floods", hostile::alone),
        ("scale", || scale::measure(scale::SCALE)),
        ("large", || scale::measure(scale::LARGE)),
        ("https", https::measure),
        ("https_large", https::large),
        ("threads", threads::measure),
        ("blackbox", || blackbox::compare(cost(PLAIN))),
    ];
    for (part, measure) in parts {
        if is_wanted(part) {
            measure();
        }
    }
}

/// A temporary folder with a sites.yaml.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::write(folder.path().join("sites.yaml"), config).expect("it can be written");
        Self(folder)
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("sites.yaml")
    }
}

/// Sites that are checked every second.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    a_second: u32,
    over_tls: bool,
    keep_alive: bool,
    seconds: u64,
}

const PLAIN: Load = Load { name: "plain", a_second: 1_000, over_tls: false, keep_alive: false, seconds: 20 };

/// Prints and returns the CPU per probe, µs.
fn cost(Load { name, a_second, over_tls, keep_alive, seconds }: Load) -> f64 {
    let authority = tls::Authority::new();
    let identity = over_tls.then(|| authority.issue(&tls::Leaf::naming(&["localhost"])).server_config());
    let server = Server::start(identity, false);
    // The server has one of the addresses of localhost.
    let mut config = format!("defaults: {{ interval: 1s, timeout: 1s, ip: 4, keep_alive: {keep_alive}");
    if over_tls {
        config.push_str(", tls: { ca_file: ca.pem }");
    }
    config.push_str(" }\nsites:\n");
    for site in 0..a_second {
        let host = if over_tls { "https://localhost".to_owned() } else { format!("http://127.0.0.{}", 1 + site % 16) };
        writeln!(config, "- {{ name: s{site}, url: '{host}:{}/' }}", server.address.port()).expect("a String");
    }
    let folder = Folder::with(&config);
    fs::write(folder.0.path().join("ca.pem"), authority.root_pem()).expect("it can be written");
    let process = Process::webmon(&folder.config(), seconds + 10);
    std::thread::sleep(Duration::from_secs(5));
    let (cpu, asked, begin) = (process.cpu(), server.asked(), Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let (cpu, asked, spent) = (process.cpu().saturating_sub(cpu), server.asked() - asked, begin.elapsed());
    let a_probe = cpu.as_secs_f64() * 1e6 / asked as f64;
    println!(
        "{name}: {a_probe:.1} µs of CPU per probe; {asked} probes in {:.1} s, {:.2} s of CPU, {} MiB, {} descriptors",
        spent.as_secs_f64(),
        cpu.as_secs_f64(),
        process.memory().0,
        process.descriptors(),
    );
    a_probe
}

/// Mean, percentiles and maximum of `millis`.
fn spread(millis: &mut [f64]) -> String {
    millis.sort_by(f64::total_cmp);
    let at = |part: usize| millis.get(millis.len() * part / 1_000).copied().unwrap_or(f64::NAN);
    let mean = millis.iter().sum::<f64>() / millis.len() as f64;
    let (p50, p90, p99, max) = (at(500), at(900), at(990), millis.last().copied().unwrap_or(f64::NAN));
    format!("mean {mean:.2} ms, p50 {p50:.2}, p90 {p90:.2}, p99 {p99:.2}, max {max:.1} ({} values)", millis.len())
}
