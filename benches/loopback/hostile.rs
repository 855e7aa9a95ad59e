//! Hostile sites: what they cost, and what their neighbours notice of them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::child::Process;
use crate::server::{FLOODS, HOSTILE, Server, flooding};
use crate::{Folder, scale, spread};

const SITES: usize = 200;
const SECONDS: u64 = 20;

/// Gaps between the checks of healthy sites, beside hostile ones and without them.
pub fn neighbours() {
    for hostile in [0, 30] {
        let (healthy, bad) = (Server::start(None, true), Server::start(None, false));
        let mut config = "defaults: { interval: 1s, timeout: 800ms }\nsites:\n".to_owned();
        for site in 0..SITES {
            let url = if site < hostile {
                format!("http://{}/hostile/{}", bad.address, site % HOSTILE)
            } else {
                format!("http://{}/{site}", healthy.address)
            };
            writeln!(config, "- {{ name: s{site}, url: '{url}' }}").expect("a String");
        }
        let folder = Folder::with(&config);
        let process = Process::webmon(&folder.config(), SECONDS + 10);
        std::thread::sleep(Duration::from_secs(4));
        drop(healthy.take_arrivals());
        let cpu = process.cpu();
        std::thread::sleep(Duration::from_secs(SECONDS));
        let cpu = process.cpu().saturating_sub(cpu).as_secs_f64() / SECONDS as f64 * 100.0;
        let mut errors = gap_errors(healthy.take_arrivals());
        let (mut late, _) = scale::lateness(&folder, SECONDS);
        println!(
            "hostile: {hostile} hostile of {SITES}: gap errors of the others {}; lateness of all starts {}; {cpu:.1} % of a core",
            spread(&mut errors),
            spread(&mut late)
        );
    }
}

/// By how much two requests to one path were more or less than a second apart, ms.
fn gap_errors(arrivals: Vec<(String, Instant)>) -> Vec<f64> {
    let mut last: HashMap<String, Instant> = HashMap::new();
    let gaps = arrivals.into_iter().filter_map(|(path, at)| Some(at - last.insert(path, at)?));
    gaps.map(|gap| (gap.as_secs_f64() - 1.0).abs() * 1e3).collect()
}

/// The CPU that one hostile site takes from webmon, of each kind.
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
    const SECONDS: u64 = 5;
    let folder = Folder::with(&format!("defaults: {{ interval: 1s, timeout: 800ms }}\nsites:\n- {site}\n"));
    let process = Process::webmon(&folder.config(), SECONDS + 5);
    std::thread::sleep(Duration::from_millis(1_500));
    let cpu = process.cpu();
    std::thread::sleep(Duration::from_secs(SECONDS));
    let cpu = process.cpu().saturating_sub(cpu).as_secs_f64() / SECONDS as f64 * 100.0;
    println!("floods: {kind}: {cpu:.1} % of a core");
}
