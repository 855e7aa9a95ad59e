//! `webmon db`: rename, forget, backup and repair.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use webmon::model::{Cause, Http, Micros, Sample, Status, Timestamp};
use webmon::ring::Producer;
use webmon::store::{Archive, Options, Query, Store, Writer};

use crate::support::program::Folder;

const NOW: Timestamp = Timestamp::from_secs(1_795_341_600);

fn sample(index: u64) -> Sample {
    Sample {
        status: Status::new(200),
        http: Http::V11,
        bytes: 5_000,
        late: Micros::new(70),
        ..Sample::bare(Timestamp::from_secs(1_795_255_200 + 10 * index), Cause::Ok)
    }
}

/// A folder with a store of 500 samples each of "api" and "shop".
fn stored() -> Folder {
    let folder = Folder::with("sites: [{ name: api, url: 'http://127.0.0.1:1' }]\n");
    let store = Store::open(&folder.path("webmon.redb"), &Options::default(), NOW).unwrap().store;
    let names: Vec<Arc<str>> = ["api", "shop"].into_iter().map(Arc::from).collect();
    let known = store.register(&names, NOW).unwrap();
    let mut producers: Vec<Producer> = known.iter().map(|_| Producer::new(1_000, 0)).collect();
    let readers = known.iter().zip(&producers).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
    let writer = Writer::new(store, readers.collect()).unwrap();
    for index in 0..500 {
        for producer in &mut producers {
            producer.push(sample(index));
        }
    }
    assert!(writer.close(NOW).notices.is_empty());
    folder
}

/// The `seq` of all samples of all sites.
fn samples(folder: &Folder, name: &str) -> u64 {
    let archive = Archive::open(&folder.path(name)).unwrap();
    let passed = archive.samples(&Query::ALL, |_| Ok::<(), ()>(())).unwrap().unwrap();
    assert_eq!((passed.damaged, passed.missing), (0, 0));
    passed.samples
}

#[test]
fn a_site_gets_another_name_or_is_forgotten_and_slips_change_nothing() {
    let folder = stored();
    for (slip, said) in [
        ("db rename shp web", "did you mean \"shop\"?"),
        ("db rename api shop", "has a site named \"shop\" already"),
        ("db rename api a\u{202e}b", "contains U+202E, a control character"),
        ("db forget nobody --yes", "no site named \"nobody\""),
        ("db forget shop", "repeat the command with --yes"),
    ] {
        let ended = folder.run(slip).with(2);
        assert!(ended.stderr.contains(said), "{slip}: {}", ended.stderr);
        assert_eq!(samples(&folder, "webmon.redb"), 1_000, "{slip}");
    }
    folder.run("db rename shop web").quietly();
    folder.run("db forget shop --yes").with(2);
    assert_eq!(samples(&folder, "webmon.redb"), 1_000);
    folder.run("db check").quietly();
    folder.run("db forget web --yes").quietly();
    assert_eq!(samples(&folder, "webmon.redb"), 500);
    folder.run("db check").quietly();
}

/// `webmon db` does not change the store of a running monitor.
#[test]
fn beside_a_monitor_nothing_is_renamed_forgotten_or_repaired() {
    let folder = stored();
    let monitor = Store::open(&folder.path("webmon.redb"), &Options::default(), NOW).unwrap();
    let files = folder.files();
    for refused in ["db rename shop web", "db forget shop --yes", "db repair"] {
        let ended = folder.run(refused).with(3);
        assert!(ended.stderr.contains("webmon.redb"), "{refused}: {}", ended.stderr);
        assert_eq!(folder.files(), files, "{refused}");
    }
    drop(monitor);
    assert_eq!(samples(&folder, "webmon.redb"), 1_000);
}

#[test]
fn the_backup_of_the_second_night_replaces_the_first_and_nothing_else() {
    let folder = stored();
    folder.run("db backup copy.redb").quietly();
    let first = std::fs::read(folder.path("copy.redb")).unwrap();
    let ended = folder.run("db backup copy.redb").with(3);
    assert!(ended.stderr.contains("exists already") && ended.stderr.contains("--replace"), "{}", ended.stderr);
    assert_eq!(std::fs::read(folder.path("copy.redb")).unwrap(), first);
    folder.run("db forget shop --yes").quietly();
    folder.run("db backup copy.redb --replace").quietly();
    assert_eq!((samples(&folder, "copy.redb"), samples(&folder, "webmon.redb")), (500, 500));
    // The store of another monitor looks like an older copy and is none.
    let other = Store::open(&folder.path("other.redb"), &Options::default(), NOW).unwrap();
    let ended = folder.run("db backup other.redb --replace").with(3);
    assert!(ended.stderr.contains("other.redb is in use by another webmon"), "{}", ended.stderr);
    drop(other);
    folder.write("letter.txt", "not a store");
    for target in ["letter.txt", "webmon.redb", "sites.yaml"] {
        let before = std::fs::read(folder.path(target)).unwrap();
        folder.run(&format!("db backup {target} --replace")).with(3);
        assert_eq!(std::fs::read(folder.path(target)).unwrap(), before, "{target}");
    }
}

#[test]
fn a_repair_keeps_what_can_be_read_and_the_old_file() {
    let folder = stored();
    let ended = folder.run("db repair").with(0);
    assert!(ended.stdout.contains("nothing was lost"), "{}", ended.stdout);
    assert_eq!(samples(&folder, "webmon.redb"), 1_000);
    assert!(folder.files().iter().any(|name| name.starts_with("webmon.redb.")), "{:?}", folder.files());
    folder.run("db check").quietly();
}

/// The median response time of each site of an interval log, over all its intervals, µs.
fn medians(log: &str) -> BTreeMap<String, u64> {
    let mut sites: BTreeMap<String, hdrhistogram::Histogram<u64>> = BTreeMap::new();
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        let LogEntry::Interval(interval) = entry.unwrap() else { continue };
        let bytes = base64::engine::general_purpose::STANDARD.decode(interval.encoded_histogram()).unwrap();
        let histogram: hdrhistogram::Histogram<u64> = Deserializer::new().deserialize(&mut &*bytes).unwrap();
        let all = sites.entry(interval.tag().unwrap().to_string()).or_insert_with(|| histogram.clone());
        if *all != histogram {
            all.add(histogram).unwrap();
        }
    }
    sites.into_iter().map(|(site, histogram)| (site, histogram.value_at_quantile(0.5))).collect()
}

/// `lines` without what later versions add: the time before the first sample, which 0.1.0 counted as covered, the rule of
/// an alert, maintenance that is left out, and what counts as unknown.
fn as_of_0_1_0(lines: &str) -> Vec<String> {
    let line = |line: &str| match serde_json::from_str::<serde_json::Value>(line) {
        Ok(serde_json::Value::Object(mut object)) => {
            let later = ["coverage", "data_since", "maintenance_ms", "incident", "rule", "severity"];
            object.retain(|key, _| !later.contains(&&**key));
            serde_json::to_string(&object).unwrap()
        }
        // The last column of samples.
        _ => [",masked", ",false"].iter().find_map(|last| line.strip_suffix(last)).unwrap_or(line).to_owned(),
    };
    lines.lines().map(line).collect()
}

/// The store of 0.1.0: two sites that answer, one of them with a phase of 503, and one that refuses connections, checked every
/// 100 ms across midnight (so that rows of hours and days were written), by
///
/// ```text
/// webmon --headless --for 26s    # 0.1.0, its clock set to 2026-11-20T23:59:46Z by an LD_PRELOAD of clock_gettime
/// webmon db compact
/// ```
///
/// against a loopback server; then `gzip -9n`. The files beside it are what 0.1.0 printed about it.
#[test]
fn a_store_of_version_0_1_0_opens_and_says_what_it_said() {
    use std::io::Read as _;
    let fixture = |name: &str| {
        let path = format!("{}/tests/fixtures/store-0.1.0/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    };
    let mut image = Vec::new();
    flate2::read::GzDecoder::new(&*fixture("store.gz")).read_to_end(&mut image).unwrap();
    let folder = Folder::empty();
    std::fs::write(folder.path("webmon.redb"), image).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path("webmon.redb"), private).unwrap();
    let period = "--store webmon.redb --since 2026-11-20T22:00:00Z --until 2026-11-21T02:00:00Z";
    let says_the_same = || {
        for (command, expected) in [
            (format!("stats {period} --format json"), "stats.json"),
            (format!("alerts {period} --format json"), "alerts.json"),
            (
                "samples --store webmon.redb --since 2026-11-20T23:59:59.5Z --until 2026-11-21T00:00:00.5Z --format csv"
                    .to_owned(),
                "samples.csv",
            ),
        ] {
            let said = folder.run(&command).quietly().stdout;
            let expected = String::from_utf8(fixture(expected)).unwrap();
            assert_eq!(as_of_0_1_0(&said), as_of_0_1_0(&expected), "{command}");
        }
    };
    says_the_same();
    let log = folder.run(&format!("stats {period} --format hlog")).quietly().stdout;
    assert_eq!(medians(&log), [("api".to_owned(), 2_303), ("shop".to_owned(), 2_543)].into());
    // Sites keep their numbers, and samples go on after the stored ones.
    let next = Timestamp::from_secs(1_795_255_200);
    let store = Store::open(&folder.path("webmon.redb"), &Options::default(), next).unwrap();
    assert_eq!(store.notices, Vec::<String>::new());
    let names: Vec<Arc<str>> = ["gone", "api", "new"].into_iter().map(Arc::from).collect();
    let known = store.store.register(&names, next).unwrap();
    assert_eq!(known.iter().map(|site| site.next_seq).collect::<Vec<_>>(), [261, 260, 0]);
    let mut producers: Vec<Producer> = known.iter().map(|site| Producer::new(1_000, site.next_seq)).collect();
    let readers = known.iter().zip(&producers).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
    let writer = Writer::new(store.store, readers.collect()).unwrap();
    for producer in &mut producers {
        (0..500).for_each(|index| _ = producer.push(sample(index)));
    }
    assert_eq!(writer.close(next).notices, Vec::<String>::new());
    says_the_same();
    assert_eq!(samples(&folder, "webmon.redb"), 781 + 3 * 500);
    folder.run("db check --store webmon.redb").quietly();
    folder.run("db compact --store webmon.redb").with(0);
    says_the_same();
}
