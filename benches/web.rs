//! Measures what is served by HTTP: `cargo bench --bench web`.
//!
//! Budgets: 20 ms of CPU to draw the status page of 1,000 sites and 150 kB compressed (beside the naive way, a shape a day); 300 ms of
//! CPU for `/metrics` of 10,000 sites (beside the naive way, a map of labels a series, and the library way, `prometheus-client`).
//! The figures of the page are read from a store of 90 days, which takes half a minute to write: `-- read`.

#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

#[path = "best/mod.rs"]
mod best;
#[path = "past_days/mod.rs"]
mod past_days;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::tz::TimeZone;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode as encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use webmon::app::pages::{self, Memory, PageSite, Past, Rules, Setting};
use webmon::engine::SiteState;
use webmon::model::{PageTerms, Timestamp};
use webmon::serve::metrics::{Chunks, Exposition, ProgramReading, Scrape, SiteReading, SiteSums};
use webmon::serve::page::model::{Day, Figures, Frame, Group, SiteLine, StatusPage};
use webmon::serve::page::{self, Links};
use webmon::stats::{Availability, Cadence, Counts, Latency};
use webmon::store::Archive;

const SITES: usize = 1_000;
const SCRAPED: usize = 10_000;
const DAYS: u64 = 90;
const NOW: Timestamp = Timestamp::from_secs(1_795_311_000);

fn name(site: usize) -> Arc<str> {
    format!("service {site:05}").into()
}

fn compressed(text: &str) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).map_or(0, |bytes| bytes.len())
}

fn read(folder: &Path) {
    let path = std::env::var_os("WEBMON_QUARTER").map_or_else(|| folder.join("quarter.redb"), Into::into);
    let interval = Duration::from_mins(10);
    if !path.exists() {
        let begin = Instant::now();
        let names: Vec<Arc<str>> = (0..SITES).map(name).collect();
        past_days::write(&path, &names, (DAYS, NOW), interval);
        println!("wrote {DAYS} days of {SITES} sites in {:?}", begin.elapsed());
    }
    let sites: Vec<PageSite> = (0..SITES).map(|site| watched(site, interval)).collect();
    let terms = PageTerms::default();
    for (zone, what) in [(TimeZone::UTC, "UTC"), (TimeZone::fixed(jiff::tz::offset(5)), "+05")] {
        let setting = Setting { terms: &terms, zone: &zone, as_of: NOW };
        let archive = Archive::open(&path).expect("it was closed cleanly");
        let past = || Past::of(&archive, &Rules::default(), NOW).expect("it is sound");
        best::best(&format!("read the status page, {what}, a site"), (3, SITES as u64), || {
            black_box(pages::status(&past(), &setting, &sites).expect("it is sound"));
        });
        let memory = Memory::default();
        best::best(&format!("read it again, {what}, a site"), (5, SITES as u64), || {
            let past = past().remembering(&memory);
            black_box(pages::status(&past, &setting, &sites).expect("it is sound"));
        });
        let day = Duration::from_hours(24);
        best::best(&format!("read the page of a site, {what}"), (10, 1), || {
            black_box(pages::site(&past(), &setting, &sites[7], day).expect("it is sound"));
        });
    }
}

fn watched(site: usize, interval: Duration) -> PageSite {
    PageSite {
        name: name(site),
        group: Some(format!("group {}", site % 20).into()),
        url: "https://example.org/".into(),
        cadence: Cadence { interval, timeout: Duration::from_secs(10) },
        slo: None,
        maintenance: Arc::default(),
        state: if site.is_multiple_of(90) { SiteState::Down } else { SiteState::Up },
        since: None,
        last: None,
        certificate: None,
        domain: None,
        over: None,
    }
}

fn day(site: u64, back: u64) -> Day {
    let from = NOW.before(Duration::from_hours(24 * (back + 1)));
    let failed = if (site * 31 + back * 17).is_multiple_of(29) { site % 500 + 1 } else { 0 };
    Day { from, until: from.after(Duration::from_hours(24)), figures: figures(8_640 - failed, 8_640) }
}

fn figures(up: u64, checks: u64) -> Figures {
    let response =
        Latency { count: up, avg: 40_000.0, max: 1_200_000, p50: 40_000, p90: 60_000, p95: 68_000, p99: 104_000 };
    let counts = Counts { up, down: checks - up, ..Counts::default() };
    let (availability, response) = (counts.availability(), Some(response));
    Figures { availability, coverage: Some(0.99), counts, down_for: None, response }
}

fn drawn() {
    let mut groups: Vec<Group> = (0..20)
        .map(|group| Group { name: Some(format!("group {group}").into()), note: None, sites: Vec::new() })
        .collect();
    for site in 0..SITES {
        let days = (0..DAYS).rev().map(|back| day(site as u64, back)).collect();
        let state = if site.is_multiple_of(90) { SiteState::Down } else { SiteState::Up };
        let figures = figures(777_000, 777_600);
        let line =
            SiteLine { name: name(site), url: None, note: None, state, days, figures, hour: Vec::new(), votes: None };
        groups[site % 20].sites.push(line);
    }
    let frame = Frame { title: "Status".into(), as_of: NOW, zone: TimeZone::UTC, version: "0.1.0" };
    let all = StatusPage { frame, groups, incidents: Vec::new(), more_incidents: 0 };
    let html = page::status(&all, Links::Served);
    let naive = naive_page(&all);
    println!("the page: {} bytes, {} compressed", html.len(), compressed(&html));
    println!("a shape a day: {} bytes, {} compressed", naive.len(), compressed(&naive));
    best::best("draw the page, a site", (50, SITES as u64), || {
        black_box(page::status(black_box(&all), Links::Served));
    });
    best::best("draw a shape a day, a site", (50, SITES as u64), || {
        black_box(naive_page(black_box(&all)));
    });
    best::best("compress the page, a site", (20, SITES as u64), || {
        black_box(compressed(black_box(&html)));
    });
}

/// As status pages are usually drawn.
fn naive_page(page: &StatusPage) -> String {
    let mut out = String::new();
    for site in page.groups.iter().flat_map(|group| &group.sites) {
        write!(out, "<tr><td>{}</td><th>{}</th><td><svg>", site.state.name(), site.name).expect("memory");
        for (place, day) in site.days.iter().enumerate() {
            let availability = day.figures.availability.map_or(0.0, Availability::ratio);
            let color = if availability < 1.0 { "red" } else { "green" };
            let date = day.from.format(&page.frame.zone, "%Y-%m-%d");
            write!(
                out,
                "<rect x=\"{}\" width=\"2\" height=\"24\" fill=\"{color}\"><title>{date}: {:.2} %</title></rect>",
                place * 3,
                availability * 100.0
            )
            .expect("memory");
        }
        out.push_str("</svg></td></tr>");
    }
    out
}

fn scraped() {
    let sites: Vec<SiteReading> = (0..SCRAPED).map(reading).collect();
    let program = ProgramReading::default();
    let scrape = Scrape { exposition: Exposition::Text, sites: sites.clone(), program, histogram: true };
    let scrape = Arc::new(scrape);
    let text: String = Chunks::new(Arc::clone(&scrape)).collect();
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    println!("/metrics: {} bytes, {} compressed, {series} series", text.len(), compressed(&text));
    best::best("encode /metrics, a site", (10, SCRAPED as u64), || {
        Chunks::new(Arc::clone(&scrape)).for_each(|chunk| drop(black_box(chunk)));
    });
    best::best("compress /metrics, a site", (5, SCRAPED as u64), || {
        black_box(compressed(black_box(&text)));
    });
    // Both others write no more than the counters of outcomes and buckets: 15 of the 28 series.
    best::best("encode 15 series by a map of labels each, a site", (5, SCRAPED as u64), || {
        black_box(naive_metrics(black_box(&sites)));
    });
    let registry = registry(&sites);
    best::best("encode 15 series by prometheus-client, a site", (5, SCRAPED as u64), || {
        let mut out = String::new();
        encode_registry(&mut out, &registry).expect("memory");
        black_box(out);
    });
}

fn reading(site: usize) -> SiteReading {
    let mut sums = SiteSums::NONE;
    for index in 0..500 {
        sums.add(&past_days::check(site as u64, index, NOW));
    }
    SiteReading {
        location: None,
        name: name(site),
        group: Some(format!("group {}", site % 20).into()),
        url: format!("https://service-{site}.example.org/health").into(),
        interval: Duration::from_secs(10),
        sums: Some(Arc::new(sums)),
        is_down: false,
        is_up: Some(true),
        last_check: Some(NOW),
        expires: Some(NOW),
        domain_expires: None,
        quantiles: None,
    }
}

fn counters(site: &SiteReading) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
    const ENDS: [&str; 12] = ["5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "+Inf"];
    let sums = site.sums.as_deref().cloned().unwrap_or_default();
    let outcomes = [("up", sums.up), ("down", sums.down), ("unknown", sums.unknown)];
    let outcomes = outcomes.map(|(outcome, count)| ("outcome", outcome, count)).into_iter();
    outcomes.chain(ENDS.into_iter().zip(sums.buckets).map(|(end, count)| ("le", end, count)))
}

fn naive_metrics(sites: &[SiteReading]) -> String {
    let mut out = String::new();
    for site in sites {
        for (key, value, count) in counters(site) {
            let mut labels = BTreeMap::from([("site", site.name.to_string()), (key, value.to_owned())]);
            labels.extend(site.group.as_ref().map(|group| ("group", group.to_string())));
            let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
            writeln!(out, "webmon_{key}{{{}}} {count}", labels.join(",")).expect("memory");
        }
    }
    out
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    site: String,
    group: String,
    kind: String,
}

fn registry(sites: &[SiteReading]) -> Registry {
    let mut registry = Registry::default();
    let family = Family::<Labels, Counter<u64, AtomicU64>>::default();
    for site in sites {
        for (_, value, count) in counters(site) {
            let group = site.group.as_deref().unwrap_or_default().to_owned();
            family.get_or_create(&Labels { site: site.name.to_string(), group, kind: value.to_owned() }).inc_by(count);
        }
    }
    registry.register("webmon_checks", "Checks.", family);
    registry
}

fn main() {
    let reads = std::env::args().any(|argument| argument == "read");
    drawn();
    scraped();
    if reads {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        read(folder.path());
    }
}
