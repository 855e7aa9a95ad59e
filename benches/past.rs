//! Measures a move of the time cursor: `cargo bench --bench past [-- SECONDS]`.
//!
//! Budget: 50 ms a move, over 300 sites and 30 days, for the default views. A store of checks every SECONDS (60 by default; 10 takes
//! 1.5 GB and some minutes to write) is written first; `WEBMON_PAST` names a file to keep it in. A cold move finds nothing that was
//! read before by the reader; the pages of the file are in the system's cache, unless it has dropped them. The first figure of
//! each kind is the fastest, which other jobs disturb least.

#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

#[path = "past_days/mod.rs"]
mod past_days;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use webmon::alert::incident::list::IncidentList;
use webmon::app::dashboard::past::PastLibrary;
use webmon::engine::{Engine, SiteFacts, SiteInput};
use webmon::model::{SiteSlot, Timeframe, Timestamp, View};
use webmon::ring::Producer;
use webmon::stats::Cadence;
use webmon::tui::{PastOverview, PastRequest};

const SITES: usize = 300;
const DAYS: u64 = 30;
const NOW: Timestamp = Timestamp::from_secs(1_795_311_000);
const MINUTE: Duration = Duration::from_mins(1);

fn name(site: usize) -> Arc<str> {
    format!("service {site:03}").into()
}

fn facts(interval: Duration) -> Vec<Arc<SiteFacts>> {
    let producer = Producer::new(8, 0);
    let cadence = Cadence { interval, timeout: Duration::from_secs(10) };
    let input = |site| SiteInput::new(SiteSlot::new(site), name(site), cadence, producer.ring());
    let engine = Engine::new(Vec::new(), (0..SITES).map(input).collect(), NOW);
    engine.board().snapshot().sites.iter().map(|site| Arc::clone(&site.facts)).collect()
}

struct Bench {
    library: PastLibrary,
    sites: Vec<Arc<SiteFacts>>,
    views: Vec<View>,
}

impl Bench {
    fn go(&mut self, at: Timestamp) -> (PastOverview, Duration) {
        let request = PastRequest {
            number: 1,
            at,
            sites: self.sites.clone(),
            views: self.views.clone(),
            alerts: Arc::default(),
            incidents: Arc::new(IncidentList::default()),
        };
        let begin = Instant::now();
        let ControlFlow::Continue(past) = self.library.read(&request, || None) else {
            unreachable!("nothing newer is asked for")
        };
        let took = begin.elapsed();
        assert!(past.trouble.is_none() && !past.is_blank(), "{:?}", past.trouble);
        (past, took)
    }

    /// Ten first moves to about `at`, each of a reader that knows nothing; then 240 steps from there, of one reader.
    fn measure(&mut self, what: &str, path: &Path, at: Timestamp, step: impl Fn(Timestamp) -> Timestamp) {
        let mut cold: Vec<Duration> = (0..10)
            .map(|turn| {
                self.library = PastLibrary::new(path.to_owned());
                self.go(at.before(MINUTE * turn)).1
            })
            .collect();
        cold.sort_unstable();
        let (mut place, mut moves) = (at, Vec::new());
        for _ in 0..240 {
            place = step(place);
            moves.push(self.go(place).1);
        }
        moves.sort_unstable();
        let kept = self.library.kept();
        println!(
            "{what:<34} first: {:>8.1?}, median {:>8.1?}   steps: {:>8.1?}, median {:>8.1?}, 95 % {:>8.1?}, longest {:>8.1?}   \
             {kept} checks kept",
            cold[0], cold[5], moves[0], moves[120], moves[228], moves[239]
        );
    }
}

fn main() {
    let seconds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(60);
    let interval = Duration::from_secs(seconds);
    let folder = tempfile::tempdir().expect("a folder");
    let path = std::env::var_os("WEBMON_PAST").map_or_else(|| folder.path().join("past.redb"), Into::into);
    if !path.exists() {
        let begin = Instant::now();
        let names: Vec<Arc<str>> = (0..SITES).map(name).collect();
        past_days::write(&path, &names, (DAYS, NOW), interval);
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        println!("wrote {DAYS} days of {SITES} sites every {seconds} s in {:?}, {bytes} bytes", begin.elapsed());
    }
    let view = |mins| View { timeframe: Timeframe::new(Duration::from_mins(mins)), refresh: MINUTE };
    let mut bench =
        Bench { library: PastLibrary::new(path.clone()), sites: facts(interval), views: vec![view(10), view(60)] };
    let ago = |days: u64| NOW.before(Duration::from_hours(24 * days)).before(Duration::from_mins(2));
    let back = |by: Duration| move |at: Timestamp| at.before(by);
    for days in [0, 29] {
        bench.measure(&format!("{days} days ago, by 1 s"), &path, ago(days), back(Duration::from_secs(1)));
    }
    bench.measure("0 days ago, by 1 min", &path, ago(0), back(MINUTE));
    bench.measure("28 days ago, by 1 min", &path, ago(28), back(MINUTE));
    bench.measure("29 days ago, forward by 1 min", &path, ago(29), |at| at.after(MINUTE));
    bench.measure("0 days ago, by 1 h (each is cold)", &path, ago(0), back(Duration::from_hours(1)));
    bench.views.push(view(24 * 60));
    bench.measure("a view of 24 h as well, by 1 min", &path, ago(7), back(MINUTE));
}
