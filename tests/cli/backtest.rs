//! `webmon backtest`: the alerts that a monitor recorded, found again in what it stored.

use std::sync::Arc;
use std::time::Duration;

use crate::support::program::Folder;
use serde_json::Value;
use webmon::alert::{Alert, AlertRecord};
use webmon::engine::{Engine, SiteInput};
use webmon::model::{Cause, Micros, Observation, Phase, SiteSlot, Timeframe, Timestamp, View};
use webmon::ring::Producer;
use webmon::stats::Cadence;
use webmon::store::{Options, Store, Writer};

/// 14 November 2023, 22:13:20 UTC.
const START: Timestamp = Timestamp::from_secs(1_700_000_000);
const INTERVAL: Duration = Duration::from_secs(10);
const CHECKS: u64 = 1_500;

const FILE: &str = "sites:\n\
                    - { name: api, url: 'http://localhost:1/', interval: 10s, timeout: 5s }\n\
                    - { name: blog, url: 'http://localhost:1/', interval: 10s, timeout: 5s }\n";

/// Whether check `number` of `site` fails: now and then alone, and for a while every 200 checks.
fn fails(site: usize, number: u64) -> bool {
    let number = number + 37 * site as u64;
    number.is_multiple_of(7) && !number.is_multiple_of(3) || (100..100 + 4 * (number / 200)).contains(&(number % 200))
}

/// Four hours of two sites, stored with the alerts that an engine found meanwhile.
fn recorded(folder: &Folder) -> Vec<Alert> {
    let names: [Arc<str>; 2] = ["api".into(), "blog".into()];
    let store = Store::open(&folder.path("webmon.redb"), &Options::default(), START).unwrap().store;
    let sites = store.register(&names, START).unwrap();
    let mut producers: Vec<Producer> = sites.iter().map(|_| Producer::new(2_000, 0)).collect();
    let readers = sites.iter().zip(&producers).map(|(site, producer)| (site.id, producer.ring().reader_at_head()));
    let mut writer = Writer::new(store, readers.collect()).unwrap();
    let cadence = Cadence { interval: INTERVAL, timeout: INTERVAL / 2 };
    let input = |(number, producer): (usize, &Producer)| {
        SiteInput::new(SiteSlot::new(number), Arc::clone(&names[number]), cadence, producer.ring())
    };
    let view = View { timeframe: Timeframe::new(Duration::from_mins(10)), refresh: INTERVAL };
    let mut engine = Engine::new(vec![view], producers.iter().enumerate().map(input).collect(), START);
    let mut alerts = Vec::new();
    for number in 0..CHECKS {
        // Not in step with the engine, and never at once.
        let due = START.after(INTERVAL * u32::try_from(number).unwrap());
        for (site, producer) in producers.iter_mut().enumerate() {
            let mut observation = Observation::failed(if fails(site, number) { Cause::Status } else { Cause::Ok }, "");
            observation.phases.add(Phase::Processing, Micros::new(20_000));
            let at = due.after(Duration::from_micros(137 * (number % 1_000) + 50_000 * (site as u64 + 1)));
            producer.push(observation.sample(at, Micros::ZERO, 0));
        }
        for quarter in 1..=4 {
            alerts.extend(engine.step(due.after(Duration::from_millis(250 * quarter))).alerts);
        }
    }
    for alert in &alerts {
        let site = sites.iter().zip(&names).find(|(_, name)| **name == alert.site).unwrap().0.id;
        writer.note_alert(site, AlertRecord { facts: alert.clone(), message: String::new() });
    }
    let end = START.after(INTERVAL * u32::try_from(CHECKS).unwrap());
    assert_eq!(writer.flush(end).committed, 2 * CHECKS);
    assert_eq!(writer.close(end).notices, Vec::<String>::new());
    alerts
}

const PERIOD: &str = "--since 2023-11-14T22:00:00Z --until 2023-11-15T03:00:00Z";

fn of<'v>(lines: &'v [Value], event: &str) -> Vec<&'v Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

#[test]
fn what_a_monitor_recorded_is_found_again_field_by_field() {
    let folder = Folder::with(FILE);
    let alerts = recorded(&folder);
    assert!(alerts.len() > 20, "only {} alerts", alerts.len());
    let lines = folder.run(&format!("backtest {PERIOD} --format json -v")).quietly().json();
    let found = of(&lines, "backtest_incident");

    let listed = folder.run(&format!("alerts {PERIOD} --format json")).quietly().json();
    let opened: Vec<&Value> = listed.iter().filter(|alert| alert["state"] == "down").collect();
    assert_eq!((found.len(), alerts.len()), (opened.len(), listed.len()));
    for (incident, down) in found.iter().zip(&opened) {
        assert_eq!((&incident["time"], &incident["site"]), (&down["time"], &down["site"]));
        assert_eq!(incident["rule"], "availability");
        let (failed, checks) = (incident["failed"].as_f64().unwrap(), incident["checks"].as_f64().unwrap());
        assert!((1.0 - failed / checks - down["availability"].as_f64().unwrap()).abs() < 1e-4, "{incident} {down}");
        let up =
            listed.iter().find(|up| up["state"] == "up" && up["site"] == down["site"] && up["since"] == down["time"]);
        assert_eq!(incident["until"], up.map_or(Value::Null, |up| up["time"].clone()), "{incident}");
        assert_eq!(incident["length_ms"], up.map_or(incident["length_ms"].clone(), |up| up["downtime_ms"].clone()));
    }
    let results = of(&lines, "backtest");
    let incidents: u64 = results.iter().map(|result| result["incidents"].as_u64().unwrap()).sum();
    assert_eq!((results.len(), incidents), (2, opened.len() as u64));
    assert!(results.iter().all(|result| result["checks"] == CHECKS && result["rules"] == "A"));
}

#[test]
fn other_rules_are_compared_and_the_table_shows_both() {
    let folder = Folder::with(FILE);
    recorded(&folder);
    let table = folder.run(&format!("backtest api {PERIOD} --set threshold=50% --set window=5m")).quietly().stdout;
    assert!(table.contains("A: sites.yaml · B: --set threshold=50% --set window=5m"), "{table}");
    assert!(table.contains("OUTAGES ≥ 2m") && table.contains("B: INCIDENTS") && table.contains("only A "), "{table}");
    assert!(!table.contains("blog"), "{table}");
    let lines = folder.run(&format!("backtest api {PERIOD} --set threshold=50% --format json")).quietly().json();
    let result = |rules: &str| of(&lines, "backtest").into_iter().find(|line| line["rules"] == rules).cloned().unwrap();
    let (a, b) = (result("A"), result("B"));
    assert!(b["incidents"].as_u64() < a["incidents"].as_u64(), "{a} {b}");
    assert_eq!(a["outages"], b["outages"]);
    let same = folder.run(&format!("backtest api {PERIOD} --rules sites.yaml")).quietly().stdout;
    assert!(same.contains("only A 0 · only B 0 · both "), "{same}");

    let csv = folder.run(&format!("backtest {PERIOD} --format csv")).quietly().stdout;
    assert_eq!((csv.lines().count(), csv.lines().next().map(|head| head.split(',').count())), (3, Some(15)));
    let short = folder.run(&format!("backtest api {PERIOD} --suggest")).quietly().stdout;
    assert!(short.contains("api: too little history for a suggestion"), "{short}");
}

#[test]
fn wrong_rules_and_sites_are_refused() {
    let folder = Folder::with(FILE);
    recorded(&folder);
    for (arguments, said) in [
        ("backtest apo", "api"),
        ("backtest --set threshold", "for instance threshold=90%"),
        ("backtest --set treshold=90%", "threshold"),
        ("backtest --set window=5parsecs", "window"),
        ("backtest --rules none.yaml", "none.yaml"),
    ] {
        let ended = folder.run(arguments);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{arguments}: {}", ended.stderr);
    }
}
