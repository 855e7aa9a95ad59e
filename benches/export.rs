//! Measures how fast the exporter catches up: `cargo bench --bench export`, with VictoriaMetrics installed.
//!
//! Budget: at least 50,000 samples/s from a store of 200 sites and 600,000 samples into VictoriaMetrics on loopback,
//! with flat resident memory. The exporter runs as in the program: once without pauses, once with the pauses that limit
//! it to half a core.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use webmon::export::{Client, Exporter, Labels, compress};
use webmon::model::{Api, ExportTarget, Timestamp};
use webmon::ring::Producer;
use webmon::store::{Archive, Options, Start, Store, Writer};

#[path = "weather/mod.rs"]
mod weather;

const SITES: u64 = 200;
const SAMPLES: u64 = 3_000;
const INTERVAL: Duration = Duration::from_secs(10);
const PROGRAM: &str = "/usr/bin/victoria-metrics";

fn main() {
    if !Path::new(PROGRAM).exists() {
        println!("export: {PROGRAM} is not installed (apt-get install victoria-metrics): skipped");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("webmon.redb");
    fill(&path);
    let server = Victoria::start(&folder.path().join("victoria"));
    for (name, rests) in [("without pauses", false), ("with pauses", true)] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (took, low, high) = runtime.block_on(catch_up(&path, &server, name, rests));
        let total = SITES * SAMPLES;
        #[allow(clippy::cast_precision_loss, reason = "a rate")]
        let rate = total as f64 / took.as_secs_f64();
        println!(
            "export, catch-up {name}: {total} samples in {took:.2?}: {rate:.0} samples/s; RSS {low} to {high} KiB"
        );
    }
}

/// Writes and seals a store as the monitor does.
fn fill(path: &Path) {
    let now = Timestamp::ZERO.after(wall());
    let start = now.before(INTERVAL * u32::try_from(SAMPLES).expect("a few thousand"));
    let store = Store::open(path, &Options::default(), start).expect("an empty folder takes a store").store;
    let names: Vec<Arc<str>> = (0..SITES).map(|site| Arc::from(format!("site-{site}.example.com"))).collect();
    let known = store.register(&names, start).expect("a new store takes sites");
    let mut producers: Vec<Producer> = known.iter().map(|_| Producer::new(1_024, 0)).collect();
    let readers = known.iter().zip(&producers).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
    let mut writer = Writer::new(store, readers.collect()).expect("the store is open");
    for index in 0..SAMPLES {
        let at = start.after(INTERVAL * u32::try_from(index).expect("a few thousand"));
        for (site, producer) in (0..).zip(&mut producers) {
            producer.push(weather::sample(site, index, at.after(Duration::from_millis(7 * site))));
        }
        if index % 500 == 499 {
            assert_eq!(writer.flush(at).dropped, 0);
        }
    }
    assert!(writer.close(now).notices.is_empty());
}

fn wall() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// Exports the whole store; returns the time to the last acknowledgement and the least and the most resident memory,
/// KiB.
async fn catch_up(path: &Path, server: &Victoria, name: &str, rests: bool) -> (Duration, u64, u64) {
    let url = format!("http://{}/", server.address).parse().expect("an address is a URL");
    let sink = ExportTarget { bucket: name.to_owned(), ..ExportTarget::at(url, Api::V2) };
    let store = Store::open(path, &Options::default(), Timestamp::ZERO).expect("the store is there").store;
    let progress = store.sink(&Exporter::name(&sink), Start::All).expect("a new sink");
    let labels = Labels { agent: name.replace(' ', "-"), ..Labels::default() };
    let mut exporter = Exporter::new(&sink, progress, labels, 1);
    let mut client = Client::new(&sink).expect("plain HTTP");
    let archive = Archive::open(path).expect("a reader beside the writer");
    let (began, mut low, mut high) = (Instant::now(), u64::MAX, 0);
    let mut acknowledged = 0;
    loop {
        let working = Instant::now();
        let now = Timestamp::ZERO.after(wall());
        if !exporter.read(&archive, now).expect("the store can be read") {
            break;
        }
        let lines = compress(exporter.request().expect("a batch is in flight"));
        let effort = working.elapsed();
        let wait = exporter.answered(client.post(lines).await, now);
        assert_eq!(wait, None, "{:?}", exporter.health().error);
        acknowledged += exporter.take_progress().map_or(0, |progress| progress.cursors.len() as u64);
        // Memory counts once the first batches have filled the buffers.
        if acknowledged > SITES {
            let resident = resident();
            (low, high) = (low.min(resident), high.max(resident));
        }
        if rests {
            tokio::time::sleep(effort).await;
        }
    }
    let health = exporter.health();
    assert!(health.sent >= SITES * SAMPLES && health.rejected + health.skipped == 0, "{health:?}");
    (began.elapsed(), low, high)
}

/// Resident memory of this process, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

struct Victoria {
    child: Child,
    address: SocketAddr,
}

impl Victoria {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|port| port.local_addr());
        let address = port.expect("a free port");
        let mut command = Command::new(PROGRAM);
        command.arg(format!("-storageDataPath={}", folder.display())).arg(format!("-httpListenAddr={address}"));
        command.arg("-retentionPeriod=1").stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("it is installed");
        while TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, address }
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
