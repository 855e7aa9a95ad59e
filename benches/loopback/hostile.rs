//! Measures the cost of hostile sites and their effect on others.
//!
//! The hostile servers run as a separate process at the lowest priority (`nice`). Otherwise the bench would measure how
//! fast this machine fills its own sockets.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::Process;
use crate::server::{FLOODS, HOSTILE, Server, flooding};
use crate::{Folder, scale, spread};

/// The argument that turns this bench into the hostile servers.
pub const MISBEHAVE: &str = "misbehave";
const SITES: usize = 200;
const BAD_SITES: usize = 30;
const SECONDS: u64 = 20;

/// Prints the errors of the gaps between checks of healthy sites: without hostile sites, beside another webmon that has
/// them, and with hostile sites in the same configuration.
pub fn neighbours() {
    for (name, hostile, is_hammered) in [
        ("no hostile servers", 0, false),
        ("hostile sites of another webmon", 0, true),
        ("hostile sites", BAD_SITES, false),
    ] {
        let healthy = Server::start(None, true);
        let bad = HostileServers::start();
        let other = is_hammered.then(|| {
            let folder = Folder::with(&sites(BAD_SITES, BAD_SITES, healthy.address, bad.address));
            let process = Process::webmon(&folder.config(), SECONDS + 20);
            (folder, process)
        });
        let folder = Folder::with(&sites(SITES, hostile, healthy.address, bad.address));
        let process = Process::webmon(&folder.config(), SECONDS + 10);
        std::thread::sleep(Duration::from_secs(4));
        drop(healthy.take_arrivals());
        let cpu = process.cpu();
        std::thread::sleep(Duration::from_secs(SECONDS));
        let cpu = process.cpu().saturating_sub(cpu).as_secs_f64() / SECONDS as f64 * 100.0;
        let mut errors = gap_errors(healthy.take_arrivals());
        drop(other);
        let mut checks = scale::checks(&folder, SECONDS);
        println!("hostile: {name}: gap errors of healthy sites {}", spread(&mut errors));
        println!("hostile: {name}: lateness of all starts {}", spread(&mut checks.late));
        println!("hostile: {name}: connect of successful checks {}; {cpu:.1} % of a core", spread(&mut checks.connect));
    }
}

/// `count` sites, the first `hostile` of them on the hostile server.
fn sites(count: usize, hostile: usize, healthy: SocketAddr, bad: SocketAddr) -> String {
    let mut config = "defaults: { interval: 1s, timeout: 800ms }\nsites:\n".to_owned();
    for site in 0..count {
        let url = if site < hostile {
            format!("http://{bad}/hostile/{}", site % HOSTILE)
        } else {
            format!("http://{healthy}/{site}")
        };
        writeln!(config, "- {{ name: s{site}, url: '{url}' }}").expect("a String");
    }
    config
}

/// By how much the gaps between requests to one path differ from a second, ms.
fn gap_errors(arrivals: Vec<(String, Instant)>) -> Vec<f64> {
    let mut last: HashMap<String, Instant> = HashMap::new();
    let gaps = arrivals.into_iter().filter_map(|(path, at)| Some(at - last.insert(path, at)?));
    gaps.map(|gap| (gap.as_secs_f64() - 1.0).abs() * 1e3).collect()
}

/// The process of the hostile servers, killed on drop.
struct HostileServers {
    process: Child,
    address: SocketAddr,
}

impl HostileServers {
    fn start() -> Self {
        let program = std::env::current_exe().expect("it runs");
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(program).arg(MISBEHAVE).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it can be started");
        let mut address = String::new();
        let output = process.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut address).expect("it prints its address");
        Self { process, address: address.trim().parse().expect("an address") }
    }
}

impl Drop for HostileServers {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Runs the hostile servers until killed.
pub fn misbehave() {
    let server = Server::start(None, false);
    println!("{}", server.address);
    loop {
        std::thread::park();
    }
}

/// Prints the CPU that webmon spends on one hostile site, for each kind.
pub fn alone() {
    let server = Server::start(None, false);
    for way in 0..HOSTILE {
        cost(&format!("HTTP/1.1, way {way}"), &format!("{{ url: 'http://{}/hostile/{way}' }}", server.address));
    }
    for (way, kind) in FLOODS.iter().enumerate() {
        cost(&format!("HTTP/2, {kind}"), &format!("{{ url: 'http://{}/', http: 2 }}", flooding(way)));
    }
}

fn cost(kind: &str, site: &str) {
    const SECONDS: u64 = 4;
    let folder = Folder::with(&format!("defaults: {{ interval: 1s, timeout: 800ms }}\nsites:\n- {site}\n"));
    let process = Process::webmon(&folder.config(), SECONDS + 5);
    std::thread::sleep(Duration::from_millis(1_500));
    let cpu = process.cpu();
    std::thread::sleep(Duration::from_secs(SECONDS));
    let cpu = process.cpu().saturating_sub(cpu).as_secs_f64() / SECONDS as f64 * 100.0;
    println!("floods: {kind}: {cpu:.1} % of a core");
}
