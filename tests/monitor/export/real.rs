//! Everything that is stored arrives at real servers, through an outage in the middle, with every value; and the queries of
//! `docs/influx.md` say there what webmon itself says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::servers::{Kind, Real};
use crate::support::program::{Folder, PATIENCE, json, now};
use crate::support::{Behaviour, Server, Step, response};

/// What an exported field is called, and where `webmon samples` has it.
const FIELDS: [(&str, &str); 13] = [
    ("up", "up"),
    ("status", "status"),
    ("dns_us", "resolve_us"),
    ("connect_us", "connect_us"),
    ("tls_us", "tls_us"),
    ("processing_us", "processing_us"),
    ("body_us", "transfer_us"),
    ("ttfb_us", "ttfb_us"),
    ("total_us", "total_us"),
    ("bytes", "bytes"),
    ("redirects", "redirects"),
    ("late_us", "late_us"),
    ("seq", "seq"),
];

/// A folder with a few sites, and servers for them.
struct Watched {
    folder: Folder,
    _good: Server,
    _flaky: Server,
}

impl Watched {
    fn new(real: &Real) -> Self {
        let good = Server::start(Behaviour::ok());
        let flaky = Server::start(Behaviour::answering({
            let count = std::sync::atomic::AtomicUsize::new(0);
            move |_| {
                let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                vec![Step::send(response(if number % 4 == 1 { 503 } else { 200 }, "x"))]
            }
        }));
        let folder = Folder::with(&format!(
            "defaults: {{ interval: 100ms, timeout: 2s }}\n\
             sites:\n\
             - {{ name: 'good, = site', url: '{}', group: shop }}\n\
             - {{ name: flaky, url: '{}' }}\n\
             - {{ name: dead, url: 'http://{}/' }}\n\
             dashboard: {{ views: [{{ timeframe: 1m, refresh: 1s }}] }}\n\
             alerting: {{ window: 1s }}\n\
             export: {{ influx: {{ url: '{}', agent: tester }} }}\n",
            good.url("/"),
            flaky.url("/"),
            crate::support::ports::closed_port(),
            real.url(),
        ));
        Self { folder, _good: good, _flaky: flaky }
    }

    /// Runs webmon, with the server gone in the middle.
    fn run_through_an_outage(&self, real: &mut Real) {
        let mut webmon = self.folder.start("--headless --format json");
        webmon.until(|lines| exports(lines).iter().any(|export| count(export, "sent") > 30));
        real.stop();
        let down = webmon.until(|lines| exports(lines).iter().any(|export| export["state"] == "retrying"));
        let before = exports(&down).iter().map(|export| count(export, "sent")).max().unwrap();
        real.start_again();
        webmon.until(|lines| {
            exports(lines).last().is_some_and(|it| it["state"] == "ok" && count(it, "sent") > before + 30)
        });
        webmon.end_by(Signal::INT).with(130);
        // What did not arrive before the end arrives after the next start.
        for _ in 0..10 {
            let info = self.folder.run("db info").quietly().stdout;
            if info.contains(": 0 samples behind; ") && info.contains(" 0 refused, 0 samples skipped;") {
                return;
            }
            self.folder.run("--headless --for 3s").with(0);
        }
        panic!("it stays behind:\n{}", self.folder.run("db info").stdout);
    }

    /// What is stored, by site and number.
    fn stored(&self) -> BTreeMap<(String, u64), Value> {
        let samples = self.folder.run("samples --since 1h --format json").quietly().json();
        let key = |sample: &Value| (sample["site"].as_str().unwrap().to_owned(), count(sample, "seq"));
        samples.into_iter().map(|sample| (key(&sample), sample)).collect()
    }

    /// The stored alerts.
    fn alerts(&self) -> Vec<Value> {
        self.folder.run("alerts --format json").quietly().json()
    }
}

fn exports(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| json(line)).filter(|line| line["event"] == "export").collect()
}

fn count(object: &Value, key: &str) -> u64 {
    object[key].as_u64().unwrap_or_else(|| panic!("{key} of {object}"))
}

/// When the outcome was known, µs since 1970.
fn at(object: &Value) -> u64 {
    let time: jiff::Timestamp = object["time"].as_str().unwrap().parse().unwrap();
    time.as_microsecond().try_into().unwrap()
}

/// The number that a field has for a stored sample; none where it is left out.
fn number(sample: &Value, stored_as: &str) -> Option<u64> {
    match &sample[stored_as] {
        Value::Bool(up) => Some(u64::from(*up)),
        value => value.as_u64(),
    }
}

#[test]
fn every_point_arrives_at_influxdb_1_through_an_outage() {
    let Some(mut real) = Real::start(Kind::Influx, "every_point_arrives_at_influxdb_1_through_an_outage") else {
        return;
    };
    let watched = Watched::new(&real);
    watched.run_through_an_outage(&mut real);
    let stored = watched.stored();
    let mut found = 0;
    for (tags, rows) in real.influxql("SELECT * FROM webmon_check GROUP BY site, agent, \"group\"") {
        let site = tags["site"].as_str().unwrap();
        assert_eq!((&tags["agent"], tags["group"] == "shop"), (&Value::from("tester"), site == "good, = site"));
        for row in rows {
            let sample = &stored[&(site.to_owned(), count(&row, "seq"))];
            assert_eq!(count(&row, "time"), at(sample) * 1_000, "{row} {sample}");
            assert_eq!(row["cause_s"], sample["cause"], "{row} {sample}");
            for (field, stored_as) in FIELDS {
                assert_eq!(
                    row.get(field).and_then(Value::as_u64),
                    number(sample, stored_as),
                    "{field}: {row} {sample}"
                );
            }
            found += 1;
        }
    }
    assert_eq!(found, stored.len(), "points and stored samples");
    let alerts = watched.alerts();
    let rows: Vec<Value> = real.influxql("SELECT * FROM webmon_alert").into_iter().flat_map(|(_, rows)| rows).collect();
    assert_eq!(rows.len(), alerts.len());
    for row in rows {
        let alert =
            alerts.iter().find(|alert| alert["site"] == row["site"] && at(alert) * 1_000 == count(&row, "time"));
        assert_eq!(alert.map(|alert| &alert["state"]), Some(&row["state_s"]), "{row}");
    }
    let own = real.influxql("SELECT * FROM webmon_export");
    assert!(!own.is_empty(), "the export tells of itself");
    assert_queries_in_influxql(&real, &stored);
    assert_dashboard(&real);
}

#[test]
fn every_point_arrives_at_victoria_metrics_through_an_outage() {
    let test = "every_point_arrives_at_victoria_metrics_through_an_outage";
    let Some(mut real) = Real::start(Kind::Victoria, test) else { return };
    let watched = Watched::new(&real);
    watched.run_through_an_outage(&mut real);
    let stored = watched.stored();
    let mut moments = BTreeSet::new();
    if !stored.iter().all(|((site, _), sample)| moments.insert((site, at(sample) / 1_000))) {
        println!("{test}: skipped, for two checks of a site ended within a millisecond, which are one point there");
        return;
    }
    for (field, stored_as) in FIELDS {
        let mut expected: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
        for ((site, _), sample) in &stored {
            let point = number(sample, stored_as).map(|value| (at(sample) / 1_000, value));
            expected.entry(site.clone()).or_default().extend(point);
        }
        expected.retain(|_, points| !points.is_empty());
        for points in expected.values_mut() {
            points.sort_unstable();
        }
        // It answers before everything can be read back.
        let began = now();
        let mut found = read_back(&real, field);
        while found != expected && now() - began < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
            found = read_back(&real, field);
        }
        assert_eq!(found, expected, "{field}");
    }
    assert_queries_in_metricsql(&real, &stored);
    let alerts: usize = real.exported("webmon_alert_state").iter().map(|(_, points)| points.len()).sum();
    assert_eq!(alerts, watched.alerts().len());
}

/// Every value of a field at VictoriaMetrics, by site: (ms, value).
fn read_back(real: &Real, field: &str) -> BTreeMap<String, Vec<(u64, u64)>> {
    let mut found: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for (labels, points) in real.exported(&format!("webmon_check_{field}")) {
        assert_eq!(labels["agent"], "tester");
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers below 2^53")]
        let points = points.into_iter().map(|(at, value)| (at, value as u64));
        found.entry(labels["site"].as_str().unwrap().to_owned()).or_default().extend(points);
    }
    for points in found.values_mut() {
        points.sort_unstable();
    }
    found
}

/// The queries of the documentation in this language: availability, 95th percentile, causes.
fn documented(language: &str) -> [String; 3] {
    let text = include_str!("../../../docs/influx.md");
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1).map(|block| block.split("```").next().unwrap().trim().to_owned());
    blocks.collect::<Vec<_>>().try_into().unwrap_or_else(|blocks| panic!("three queries in {language}: {blocks:?}"))
}

/// What webmon itself has stored of a site: the share of checks that were up, response times in order, causes.
#[derive(Default)]
struct Truth {
    up: Vec<u64>,
    right: Vec<u64>,
    all: Vec<u64>,
    causes: BTreeMap<String, usize>,
}

impl Truth {
    fn of(stored: &BTreeMap<(String, u64), Value>) -> BTreeMap<String, Self> {
        let mut truths: BTreeMap<String, Self> = BTreeMap::new();
        for ((site, _), sample) in stored {
            let truth = truths.entry(site.clone()).or_default();
            let cause = sample["cause"].as_str().unwrap();
            truth.up.extend(number(sample, "up"));
            truth.all.push(count(sample, "total_us"));
            if ["ok", "slow"].contains(&cause) {
                truth.right.push(count(sample, "total_us"));
            }
            if cause != "ok" {
                *truth.causes.entry(cause.to_owned()).or_default() += 1;
            }
        }
        for truth in truths.values_mut() {
            truth.right.sort_unstable();
            truth.all.sort_unstable();
        }
        truths
    }

    #[allow(clippy::cast_precision_loss, reason = "a few hundred checks")]
    fn availability(&self) -> f64 {
        self.up.iter().sum::<u64>() as f64 / self.up.len() as f64
    }
}

/// Whether `value` is a 95th percentile of `values`, however ranks are rounded.
#[track_caller]
#[allow(clippy::cast_precision_loss, reason = "microseconds")]
fn assert_p95(value: f64, values: &[u64]) {
    let rank = values.len() * 95 / 100;
    let (low, high) = (values[rank.saturating_sub(2)] as f64, values[(rank + 1).min(values.len() - 1)] as f64);
    assert!((low..=high).contains(&value), "{value} is not in {low} to {high}");
}

fn assert_queries_in_influxql(real: &Real, stored: &BTreeMap<(String, u64), Value>) {
    let truths = Truth::of(stored);
    let [availability, p95, causes] = documented("influxql").map(|query| real.influxql(&query));
    let truth = |tags: &Value| &truths[tags["site"].as_str().unwrap()];
    assert_eq!(availability.len(), truths.len());
    for (tags, rows) in availability {
        assert!((rows[0]["mean"].as_f64().unwrap() - truth(&tags).availability()).abs() < 1e-9, "{tags} {rows:?}");
    }
    assert_eq!(p95.len(), truths.values().filter(|truth| !truth.right.is_empty()).count());
    for (tags, rows) in p95 {
        assert_p95(rows[0]["percentile"].as_f64().unwrap(), &truth(&tags).right);
    }
    let mut found: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for (tags, rows) in causes {
        for row in rows {
            let site = found.entry(tags["site"].as_str().unwrap().to_owned()).or_default();
            *site.entry(row["cause_s"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    let expected =
        truths.into_iter().map(|(site, truth)| (site, truth.causes)).filter(|(_, causes)| !causes.is_empty());
    assert_eq!(found, expected.collect());
}

fn assert_queries_in_metricsql(real: &Real, stored: &BTreeMap<(String, u64), Value>) {
    let truths = Truth::of(stored);
    let newest = stored.values().map(at).max().unwrap() / 1_000_000;
    let [availability, p95, causes] = documented("metricsql").map(|query| real.metricsql(&query, newest + 1));
    let truth = |labels: &Value| &truths[labels["site"].as_str().unwrap()];
    assert_eq!((availability.len(), p95.len()), (truths.len(), truths.len()));
    for (labels, value) in availability {
        assert!((value - truth(&labels).availability()).abs() < 1e-9, "{labels} {value}");
    }
    for (labels, value) in p95 {
        assert_p95(value, &truth(&labels).all);
    }
    // The documented query asks for three causes.
    let asked = ["connect_refused", "response_timeout", "status"];
    let mut expected: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (site, truth) in &truths {
        let causes = truth.causes.iter().filter(|(cause, _)| asked.contains(&cause.as_str()));
        expected.extend(causes.map(|(cause, count)| ((site.clone(), cause.clone()), *count)));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let found = causes.into_iter().map(|(labels, value)| {
        let text = |label: &str| labels[label].as_str().unwrap().to_owned();
        ((text("site"), text("cause")), value as usize)
    });
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
    assert!(expected.len() >= 2, "{expected:?}");
}

/// Every query of the dashboard that is shipped finds something.
fn assert_dashboard(real: &Real) {
    let dashboard: Value = serde_json::from_str(include_str!("../../../docs/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 5);
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["query"].as_str().unwrap();
            let query = query.replace("$timeFilter", "time > now() - 1h").replace("$__interval", "1m");
            let query = query.replace("$agent", ".*").replace("$site", ".*");
            assert!(!real.influxql(&query).is_empty(), "{}: {query}", panel["title"]);
        }
    }
}
