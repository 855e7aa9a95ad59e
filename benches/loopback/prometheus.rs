//! Measures the exporter together with Prometheus, which schedules its probes and stores the results, as webmon does.
//!
//! Prometheus scrapes two hundred targets every second through the exporter; a thousand overload two CPUs. It stores
//! into a temporary folder and evaluates no rules.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::Folder;
use crate::child::Process;
use crate::server::Server;

const PROGRAM: &str = "prometheus";
const LISTEN: &str = "127.0.0.1:19090";
const TARGETS: usize = 200;
const SECONDS: u64 = 20;

/// CPU per probe of `exporter`, which listens at `at`, and Prometheus together, µs; `None` without Prometheus.
pub fn measure(exporter: &Process, at: &str) -> Option<f64> {
    if Command::new(PROGRAM).arg("--version").output().is_err() {
        println!("blackbox: {PROGRAM} is not installed; skipped");
        return None;
    }
    let server = Server::start(None, false);
    let folder = Folder::with(&config(server.address, at));
    let mut command = Command::new(PROGRAM);
    let store = folder.config().with_file_name("tsdb");
    command.arg(format!("--config.file={}", folder.config().display()));
    command.arg(format!("--storage.tsdb.path={}", store.display()));
    command.args([&format!("--web.listen-address={LISTEN}"), "--log.level=error"]);
    let scheduler = Process::start(&mut command);
    std::thread::sleep(Duration::from_secs(10));
    let cpu = || (exporter.cpu(), scheduler.cpu());
    let (before, asked) = (cpu(), server.asked());
    std::thread::sleep(Duration::from_secs(SECONDS));
    let (after, asked) = (cpu(), server.asked() - asked);
    let a_probe = |spent: Duration| spent.as_secs_f64() * 1e6 / asked as f64;
    let (probing, scheduling) = (a_probe(after.0.saturating_sub(before.0)), a_probe(after.1.saturating_sub(before.1)));
    println!(
        "blackbox: {probing:.1} µs of CPU per probe of the exporter and {scheduling:.1} of Prometheus, which schedules it \
         ({asked} probes in {SECONDS} s)"
    );
    Some(probing + scheduling)
}

/// Targets differ in their path; Prometheus scrapes the exporter for each.
fn config(server: SocketAddr, exporter: &str) -> String {
    let mut config = "global: { scrape_interval: 1s, scrape_timeout: 1s }\n\
                      scrape_configs:\n\
                      - job_name: sites\n  \
                        metrics_path: /probe\n  \
                        params: { module: [plain] }\n  \
                        relabel_configs:\n  \
                        - { source_labels: [__address__], target_label: __param_target }\n  \
                        - { source_labels: [__param_target], target_label: instance }\n"
        .to_owned();
    writeln!(config, "  - {{ target_label: __address__, replacement: '{exporter}' }}").expect("a String");
    config.push_str("  static_configs:\n  - targets:\n");
    for site in 0..TARGETS {
        writeln!(config, "    - http://{server}/{site}").expect("a String");
    }
    config
}
