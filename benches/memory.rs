//! Measures what the memory of a long run comes to: `cargo bench --bench memory`.
//!
//! Budgets: at 600 checks a second (60 sites every 100 ms, views of 10 s and 1 min) at most 64 MiB resident, and no growth
//! after the second sealing. Rings, statistics and store take six hours of samples as a monitor does, faster than they
//! would come: a step every 250 ms, a commit every second, a sealing every quarter of an hour. Linux only (`/proc`).

mod site_input;
mod weather;

use std::sync::Arc;
use std::time::Duration;

use site_input::site_input;
use webmon::alert::Policies;
use webmon::engine::Engine;
use webmon::model::{StoreHealth, Timeframe, Timestamp, View};
use webmon::ring::{Producer, capacity_for};
use webmon::store::{Options, Store, Writer};

const SITES: usize = 60;
const INTERVAL: Duration = Duration::from_millis(100);
/// What the rings hold: the window of the default rule, which is longer than the views.
const HORIZON: Duration = Duration::from_mins(10);
const STEPS_PER_SECOND: u64 = 4;
const HOURS: u64 = 6;
/// Time between two lines.
const LINE: u64 = 15 * 60;
/// After the second sealing.
const FULL: u64 = 31 * 60;

/// MiB that the system holds in memory for this process.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<f64>().ok().map(|kib| kib / 1_024.0)
}

struct Monitor {
    producers: Vec<Producer>,
    engine: Engine,
    writer: Writer,
    now: Timestamp,
    checks: u64,
}

impl Monitor {
    fn new(folder: &std::path::Path) -> Self {
        let now = Timestamp::from_secs(1_795_255_200);
        let store = Store::open(&folder.join("webmon.redb"), &Options::default(), now).expect("a new store").store;
        let names: Vec<Arc<str>> = (0..SITES).map(|site| format!("site {site}").into()).collect();
        let registered = store.register(&names, now).expect("a new store takes names");
        let producers: Vec<Producer> =
            names.iter().map(|_| Producer::new(capacity_for(HORIZON, INTERVAL, INTERVAL), 0)).collect();
        let inputs = producers.iter().enumerate();
        let inputs = inputs.map(|(site, producer)| site_input(site, producer, INTERVAL, Policies::default()));
        let view = |seconds| View {
            timeframe: Timeframe::new(Duration::from_secs(seconds)),
            refresh: Duration::from_secs(seconds / 6),
        };
        let engine = Engine::new(vec![view(10), view(60)], inputs.collect(), now);
        let readers = registered.iter().map(|site| site.id);
        let readers = readers.zip(producers.iter().map(|producer| producer.ring().reader_at_head()));
        let writer = Writer::new(store, readers.collect()).expect("the store is open");
        Self { producers, engine, writer, now, checks: 0 }
    }

    /// One second: ten checks of each site, four steps, one commit.
    fn second(&mut self) {
        let begin = self.now;
        for step in 0..STEPS_PER_SECOND {
            let (from, until) = (step * 10 / STEPS_PER_SECOND, (step + 1) * 10 / STEPS_PER_SECOND);
            for check in from..until {
                let at = begin.after(INTERVAL * u32::try_from(check).expect("ten"));
                for (site, producer) in self.producers.iter_mut().enumerate() {
                    producer.push(weather::sample(site as u64, self.checks, at));
                }
                self.checks += 1;
            }
            self.now = begin.after(Duration::from_millis((step + 1) * 1_000 / STEPS_PER_SECOND));
            self.engine.step(self.now);
        }
        assert!(matches!(self.writer.flush(self.now).health, StoreHealth::Ok { .. }));
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let Some(start) = resident() else { return println!("memory: /proc/self/status is not there") };
    let mut monitor = Monitor::new(folder.path());
    let (mut full, mut most) = (None, start);
    for second in 1..=HOURS * 3_600 {
        monitor.second();
        let Some(now) = resident() else { return };
        most = now.max(most);
        if second == FULL {
            full = Some(most);
        }
        if second % LINE == 0 {
            println!("memory: {:3} min {now:6.1} MiB, at most {most:.1}", second / 60);
        }
    }
    let full = full.unwrap_or(start);
    println!("memory: {start:.1} MiB at the start, {full:.1} after the second sealing, at most {most:.1} in {HOURS} h");
}
