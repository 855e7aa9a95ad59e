//! The time cursor of the dashboard beside `webmon stats --until`: the same figures.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::support::program::{Folder, json};
use webmon::alert::incident::list::IncidentList;
use webmon::app::dashboard::past::PastLibrary;
use webmon::engine::{Engine, SiteFacts, SiteInput};
use webmon::model::{Cause, Micros, Observation, Phase, SiteSlot, Status, Timeframe, Timestamp, View};
use webmon::report::{StatsRecord, json as written};
use webmon::ring::Producer;
use webmon::stats::Cadence;
use webmon::store::{Options, Store, Writer};
use webmon::tui::PastRequest;

/// 14 November 2023, 00:00 UTC.
const START: Timestamp = Timestamp::from_secs(1_699_920_000);
const NAMES: [&str; 2] = ["api", "blog"];
const SITES: &str = "defaults: { interval: 10s, timeout: 5s }\n\
    sites:\n\
    - { name: api, url: 'http://localhost:1/' }\n\
    - { name: blog, url: 'http://localhost:1/' }\n";

/// The figures that a line of `webmon stats` has.
const FIGURES: [&str; 11] = [
    "site",
    "availability",
    "coverage",
    "checks",
    "up",
    "down",
    "response_time_ms",
    "ttfb_ms",
    "phases_ms",
    "codes",
    "causes",
];

/// Five hours of two sites that are checked every 10 s; the second one begins after an hour.
fn recorded(folder: &Folder) {
    let store = Store::open(&folder.path("webmon.redb"), &Options::default(), START).unwrap().store;
    let sites = store.register(&NAMES.map(Arc::from), START).unwrap();
    let mut producers = NAMES.map(|_| Producer::new(2_000, 0));
    let readers = sites.iter().zip(&producers).map(|(site, producer)| (site.id, producer.ring().reader_at_head()));
    let mut writer = Writer::new(store, readers.collect()).unwrap();
    for check in 0..5 * 360_u32 {
        for (site, producer) in producers.iter_mut().enumerate() {
            if site == 1 && check < 360 {
                continue;
            }
            let is_failed = check % 100 < 7;
            let mut observation = Observation::failed(if is_failed { Cause::Status } else { Cause::Ok }, "");
            observation.status = Status::new(if is_failed { 503 } else { 200 });
            let spent = Micros::new(10_000 + check * 7_919 % 90_000);
            observation.phases = observation.phases.with(Phase::Processing, spent);
            let due = START.after(Duration::from_secs(u64::from(check) * 10));
            producer.push(observation.sample(due.after(spent.as_duration()), Micros::ZERO, 0));
        }
        if check % 90 == 89 {
            writer.flush(START.after(Duration::from_secs(u64::from(check) * 10 + 1)));
        }
    }
    assert_eq!(writer.close(START.after(Duration::from_hours(5))).notices, Vec::<String>::new());
}

fn facts() -> Vec<Arc<SiteFacts>> {
    let producer = Producer::new(8, 0);
    let cadence = Cadence { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };
    let input = |(slot, name)| SiteInput::new(SiteSlot::new(slot), name, cadence, producer.ring());
    let inputs = NAMES.into_iter().enumerate().map(input).collect();
    let engine = Engine::new(Vec::new(), inputs, START);
    engine.board().snapshot().sites.iter().map(|site| Arc::clone(&site.facts)).collect()
}

fn figures(object: &Value) -> Vec<Value> {
    FIGURES.iter().map(|key| object[key].clone()).collect()
}

#[test]
fn a_row_of_the_past_is_what_stats_prints_of_the_same_period() {
    let folder = Folder::empty();
    recorded(&folder);
    folder.write("sites.yaml", SITES);
    let mut library = PastLibrary::new(folder.path("webmon.redb"));
    let views = [(10, "10m"), (60, "1h"), (180, "3h")];
    for (hour, minute, second) in [(0, 50, 0), (1, 3, 20), (2, 0, 0), (4, 11, 7), (4, 59, 59)] {
        let at = START.after(Duration::from_secs(hour * 3_600 + minute * 60 + second));
        let view =
            |mins| View { timeframe: Timeframe::new(Duration::from_mins(mins)), refresh: Duration::from_mins(1) };
        let request = PastRequest {
            number: 1,
            at,
            sites: facts(),
            views: views.iter().map(|(mins, _)| view(*mins)).collect(),
            alerts: Arc::default(),
            incidents: Arc::new(IncidentList::default()),
        };
        let ControlFlow::Continue(past) = library.read(&request, || None) else { panic!("nothing newer is asked for") };
        for ((mins, name), shown) in views.iter().zip(&past.snapshot.views) {
            let since = at.before(Duration::from_mins(*mins)).instant();
            let command = format!("stats --format json --since {since} --until {}", at.instant());
            let printed = folder.run(&command).quietly().json();
            let rows = shown.rows.iter().zip(NAMES).filter(|(row, _)| row.summary.counts.checks() > 0);
            let shown: Vec<Value> = rows
                .map(|(row, site)| {
                    let mut line = Vec::new();
                    let record = StatsRecord { site, state: None, summary: &row.summary, stored: None, votes: None };
                    written::stats(&mut line, &record).unwrap();
                    json(&String::from_utf8(line).unwrap())
                })
                .collect();
            let both = [&printed, &shown].map(|objects| objects.iter().map(figures).collect::<Vec<_>>());
            assert!(!printed.is_empty());
            assert_eq!(both[0], both[1], "{name} until {}", at.instant());
        }
    }
}
