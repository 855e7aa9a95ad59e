//! Measures 10,000 sites every 10 s, and 100,000 every minute, over a store with an hour of samples, which fills rings and windows.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use webmon::model::{Cause, Http, Micros, Phase, Phases, Sample, Status, Timestamp};
use webmon::ring::Producer;
use webmon::store::{Options, Store, Writer};

use crate::child::{Process, program};
use crate::server::Server;
use crate::{Folder, spread};

const SECONDS: u64 = 60;

/// So many sites, each checked after so many seconds.
#[derive(Clone, Copy)]
pub struct Fleet {
    name: &'static str,
    sites: usize,
    interval: u64,
}

/// A thousand checks a second.
pub const SCALE: Fleet = Fleet { name: "scale", sites: 10_000, interval: 10 };
/// 1,667 checks a second.
pub const LARGE: Fleet = Fleet { name: "large", sites: 100_000, interval: 60 };

/// Prints the time from the start of the program to the first request, with a new store.
pub fn first() {
    const STARTS: usize = 11;
    for sites in [1, 1_000] {
        let mut millis: Vec<f64> = (0..STARTS)
            .map(|_| {
                let server = Server::start(None, true);
                let mut config = "defaults: { interval: 1s, timeout: 1s }\nsites:\n".to_owned();
                for site in 0..sites {
                    writeln!(config, "- {{ name: s{site}, url: 'http://{}/' }}", server.address).expect("a String");
                }
                let folder = Folder::with(&config);
                let begin = Instant::now();
                let _process = Process::webmon(&folder.config(), 5);
                let mut arrivals = Vec::new();
                while arrivals.is_empty() {
                    std::thread::sleep(Duration::from_millis(1));
                    arrivals = server.take_arrivals();
                }
                (arrivals[0].1 - begin).as_secs_f64() * 1e3
            })
            .collect();
        println!("first: {sites} sites: request of the first probe after {}", spread(&mut millis));
    }
}

/// Starts webmon and waits for its first request.
fn started(fleet: Fleet, (folder, server): (&Folder, &Server), what: &str) -> Process {
    let (begin, before) = (Instant::now(), server.asked());
    let process = Process::webmon(&folder.config(), 600);
    while server.asked() == before {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!(
        "{}: first probe {:.2} s after the start, {:.2} s of CPU, {what}",
        fleet.name,
        begin.elapsed().as_secs_f64(),
        process.cpu().as_secs_f64()
    );
    process
}

/// Prints lateness, completeness, CPU and memory.
pub fn measure(fleet: Fleet) {
    let Fleet { name, sites, interval } = fleet;
    let server = Server::start(None, false);
    let mut config = format!("defaults: {{ interval: {interval}s, timeout: 5s }}\nsites:\n");
    for site in 0..sites {
        let (host, port) = (1 + site % 64, server.address.port());
        writeln!(config, "- {{ name: s{site}, url: 'http://127.0.0.{host}:{port}/{site}', group: g{} }}", site % 100)
            .expect("a String");
    }
    let folder = Folder::with(&config);
    drop(started(fleet, (&folder, &server), "with a new store"));
    drop(std::fs::remove_file(folder.config().with_file_name("webmon.redb")));
    fill(&folder, fleet);
    let process = started(fleet, (&folder, &server), "with an hour to replay");
    // The first check of each site reports the checks missed while `fill` wrote the hour.
    std::thread::sleep(Duration::from_secs(interval + 5));
    let (stop, timer) = bare_timer();
    let (cpu, asked, begin) = (process.cpu(), server.asked(), Instant::now());
    std::thread::sleep(Duration::from_secs(SECONDS));
    let (cpu, asked, spent) =
        (process.cpu().saturating_sub(cpu), server.asked() - asked, begin.elapsed().as_secs_f64());
    stop.store(true, Ordering::Relaxed);
    let mut timer = timer.join().expect("the timer runs");
    let (memory, peak) = process.memory();
    let due = spent * sites as f64 / interval as f64;
    println!(
        "{name}: {asked} probes made, {due:.0} due in {spent:.1} s; {:.1} µs of CPU per probe; {memory} MiB (peak {peak} MiB)",
        cpu.as_secs_f64() * 1e6 / asked as f64
    );
    // Wait for the last flush.
    std::thread::sleep(Duration::from_secs(2));
    let mut checks = checks(&folder, SECONDS);
    drop(process);
    println!("{name}: lateness {}; {} skipped", spread(&mut checks.late), checks.skipped);
    println!("{name}: a bare timer thread beside it: {}", spread(&mut timer));
}

/// A thread that sleeps 5 ms at a time and collects how much longer it slept, ms.
fn bare_timer() -> (Arc<AtomicBool>, std::thread::JoinHandle<Vec<f64>>) {
    const NAP: Duration = Duration::from_millis(5);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let mut late = Vec::new();
        while !stopped.load(Ordering::Relaxed) {
            let begin = Instant::now();
            std::thread::sleep(NAP);
            late.push(begin.elapsed().saturating_sub(NAP).as_secs_f64() * 1e3);
        }
        late
    });
    (stop, thread)
}

/// Figures of stored checks.
pub struct Checks {
    /// Start minus due time of each, ms.
    pub late: Vec<f64>,
    /// Connect time of successful checks, ms.
    pub connect: Vec<f64>,
    /// Handshake time of successful checks, ms.
    pub tls: Vec<f64>,
    /// Due checks that never started.
    pub skipped: u64,
}

/// Reads the checks of the last `seconds` from the store.
pub fn checks(folder: &Folder, seconds: u64) -> Checks {
    let mut command = Command::new(program());
    command.args(["samples", "--since", &format!("{seconds}s"), "--format", "csv", "-c"]).arg(folder.config());
    let output = command.output().expect("webmon runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap_or_default();
    let column = |name: &str| head.iter().position(|column| *column == name).expect("a column of samples");
    let (late, connect, tls) = (column("late_us"), column("connect_us"), column("tls_us"));
    let (skipped, up) = (column("skipped"), column("up"));
    // Skips rows whose detail contains a comma; only failed checks have one.
    let rows: Vec<_> = lines.filter(|row| row.len() == head.len()).collect();
    let millis = |row: &Vec<&str>, column: usize| row[column].parse::<f64>().ok().map(|micros| micros / 1e3);
    let successful = || rows.iter().filter(|row| row[up] == "true");
    Checks {
        late: rows.iter().filter_map(|row| millis(row, late)).collect(),
        connect: successful().filter_map(|row| millis(row, connect)).collect(),
        tls: successful().filter_map(|row| millis(row, tls)).collect(),
        skipped: rows.iter().filter_map(|row| row[skipped].parse::<u64>().ok()).sum(),
    }
}

/// Writes an hour of samples up to now.
fn fill(folder: &Folder, Fleet { sites, interval, .. }: Fleet) {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let now = Timestamp::ZERO.after(since_epoch);
    let begin = now.before(Duration::from_hours(1));
    let path = folder.config().with_file_name("webmon.redb");
    let store = Store::open(&path, &Options::default(), begin).expect("a new store").store;
    let names: Vec<Arc<str>> = (0..sites).map(|site| format!("s{site}").into()).collect();
    let registered = store.register(&names, begin).expect("a new store takes names");
    let mut producers: Vec<Producer> = names.iter().map(|_| Producer::new(64, 0)).collect();
    let readers = producers.iter().map(|producer| producer.ring().reader_at_head());
    let mut writer =
        Writer::new(store, registered.iter().map(|site| site.id).zip(readers).collect()).expect("a writer");
    for check in 0..3_600 / interval {
        let at = begin.after(Duration::from_secs(check * interval));
        for (site, producer) in producers.iter_mut().enumerate() {
            let apart = Duration::from_micros(site as u64 * interval * 1_000_000 / sites as u64);
            producer.push(sample(at.after(apart), site as u64 * 7 + check));
        }
        if check % 20 == 19 {
            drop(writer.flush(at));
        }
    }
    drop(writer.close(now));
}

fn sample(at: Timestamp, noise: u64) -> Sample {
    let micros =
        |base: u32, part: u64| Micros::new(base + u32::try_from(noise * part % 97).expect("below 97") * base / 50);
    Sample {
        phases: Phases::NONE
            .with(Phase::Connect, micros(11_000, 3))
            .with(Phase::Processing, micros(38_000, 5))
            .with(Phase::Transfer, micros(600, 7)),
        status: Status::new(200),
        http: Http::V11,
        bytes: 2,
        late: Micros::new(200),
        ..Sample::bare(at, Cause::Ok)
    }
}
