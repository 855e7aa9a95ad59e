//! `webmon stats --slo` and `--but-maintenance`: objectives and maintenance of a store.

use std::time::Duration;

use crate::support::program::Folder;
use webmon::model::{Cause, Micros, Observation, Timestamp};
use webmon::ring::Producer;
use webmon::store::{Options, Store, Writer};

/// 14 November 2023, 00:00 UTC.
const START: Timestamp = Timestamp::from_secs(1_699_920_000);

const SITES: &str = "defaults: { interval: 1m, timeout: 5s }\n\
    sites:\n\
    - { name: api, url: 'http://localhost:1/', alert: { slo: { target: 99%, over: 1d } } }\n\
    - { name: blog, url: 'http://localhost:1/' }\n";

const MAINTENANCE: &str =
    "alerting:\n  maintenance: [{ every: day, from: '03:00', to: '03:30', zone: UTC, sites: [api] }]\n";

/// A day of two sites that are checked each minute; from 03:00 on half an hour fails, and at 23:10 six minutes.
fn recorded(folder: &Folder) {
    let store = Store::open(&folder.path("webmon.redb"), &Options::default(), START).unwrap().store;
    let sites = store.register(&["api".into(), "blog".into()], START).unwrap();
    let mut producers = [Producer::new(2_000, 0), Producer::new(2_000, 0)];
    let readers = sites.iter().zip(&producers).map(|(site, producer)| (site.id, producer.ring().reader_at_head()));
    let mut writer = Writer::new(store, readers.collect()).unwrap();
    for minute in 0..24 * 60 {
        let is_failed = (180..210).contains(&minute) || (1_390..1_396).contains(&minute);
        for producer in &mut producers {
            let observation = Observation::failed(if is_failed { Cause::Status } else { Cause::Ok }, "");
            producer.push(observation.sample(START.after(Duration::from_secs(60 * minute)), Micros::ZERO, 0));
        }
    }
    let end = START.after(Duration::from_hours(24));
    assert_eq!(writer.flush(end).committed, 2_880);
    assert_eq!(writer.close(end).notices, Vec::<String>::new());
}

#[test]
fn a_budget_is_told_with_what_is_left_and_maintenance_is_out_of_it() {
    let folder = Folder::empty();
    recorded(&folder);
    folder.write("sites.yaml", SITES);
    let until = "--until 2023-11-15T00:00:00Z";
    let all = folder.run(&format!("stats --slo --format json {until}")).quietly().json();
    let [api, blog] = &all[..] else { panic!("{all:?}") };
    assert_eq!(
        (api["event"].as_str(), api["checks"].as_u64(), api["down"].as_u64()),
        (Some("slo"), Some(1_440), Some(36))
    );
    assert_eq!((api["budget_checks"].as_f64(), api["spent"].as_f64()), (Some(14.4), Some(2.5)));
    assert_eq!((api["left_ms"].as_u64(), api["maintenance_ms"].as_u64()), (Some(0), Some(0)));
    assert_eq!((api["burn_1h"].as_f64(), api["burn_6h"].as_f64()), (Some(10.0), Some(1.666)));
    assert!(blog["site"] == "blog" && blog["target"].is_null() && blog["spent"].is_null());

    folder.write("sites.yaml", &format!("{SITES}{MAINTENANCE}"));
    let all = folder.run(&format!("stats --slo --format json {until}")).quietly().json();
    let api = &all[0];
    assert_eq!((api["checks"].as_u64(), api["down"].as_u64()), (Some(1_410), Some(6)));
    assert_eq!((api["maintenance_ms"].as_u64(), api["budget_ms"].as_u64()), (Some(1_800_000), Some(846_000)));
    let table = folder.run(&format!("stats --slo {until}")).quietly().stdout;
    assert!(table.contains("api: 30m of maintenance left out"), "{table}");
    assert!(table.contains("without an objective: blog"), "{table}");
    let csv = folder.run(&format!("stats --slo --format csv {until}")).quietly().stdout;
    assert_eq!(csv.lines().count(), 3, "{csv}");
}

/// An objective has a period of its own, which the error says.
#[test]
fn a_begin_for_budgets_is_refused_with_the_way_on() {
    let folder = Folder::empty();
    recorded(&folder);
    folder.write("sites.yaml", SITES);
    let refused = folder.run("stats --slo --since 1h").with(2);
    let parts = ["looks back over the period of each objective", "over: 30d", "leave it out", "--until"];
    assert!(parts.iter().all(|part| refused.stderr.contains(part)), "{}", refused.stderr);
}

#[test]
fn statistics_leave_maintenance_out_on_request() {
    let folder = Folder::empty();
    recorded(&folder);
    folder.write("sites.yaml", &format!("{SITES}{MAINTENANCE}"));
    let period = "--since 2023-11-14T00:00:00Z --until 2023-11-15T00:00:00Z";
    let json = |options: &str| folder.run(&format!("stats {period} --format json {options}")).quietly().json();
    let down = |options: &str| json(options).iter().map(|site| site["down"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!((down(""), down("--but-maintenance")), (vec![36, 36], vec![6, 36]));
    let api = &json("--but-maintenance")[0];
    assert_eq!((api["checks"].as_u64(), api["coverage"].as_f64()), (Some(1_410), Some(1.0)));
    assert_eq!(api["longest_outage_ms"].as_u64(), Some(360_000));
    let left_out = |options: &str| json(options).iter().map(|site| site["maintenance_ms"].as_u64()).collect::<Vec<_>>();
    assert_eq!((left_out(""), left_out("--but-maintenance")), (vec![None, None], vec![Some(1_800_000), Some(0)]));
    let csv = folder.run(&format!("stats {period} --format csv --but-maintenance")).quietly().stdout;
    let last = |line: &str| line.rsplit(',').next().unwrap().to_owned();
    assert_eq!(csv.lines().map(last).collect::<Vec<_>>(), ["maintenance_ms", "1800000", "0"]);
    let table = folder.run(&format!("stats {period} --but-maintenance")).quietly().stdout;
    assert!(table.contains("api: 30m of maintenance left out (1 time)"), "{table}");
    assert!(table.contains("blog: no maintenance in this period"), "{table}");
    let log = folder.run(&format!("stats {period} --format hlog --but-maintenance")).quietly().stdout;
    assert!(log.contains("Tag=api"), "{log}");
}

#[test]
fn an_objective_has_its_own_period_and_needs_the_file() {
    let folder = Folder::empty();
    recorded(&folder);
    let refused = folder.run("stats --slo --since 1h --store webmon.redb").with(2);
    assert!(refused.stderr.contains("--since"), "{}", refused.stderr);
    folder.write("sites.yaml", SITES);
    assert!(folder.run("stats --slo --format hlog").with(2).stderr.contains("no response times"));
    let none = folder.run("stats --slo --site blog").quietly().stdout;
    assert!(none.contains("no site has an objective"), "{none}");
}
