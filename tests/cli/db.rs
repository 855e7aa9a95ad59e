//! `webmon db`: rename, forget, backup and repair.

use std::sync::Arc;

use crate::support::program::Folder;
use webmon::model::{Cause, Flags, Http, Micros, Phases, Sample, Status, Timestamp};
use webmon::ring::Producer;
use webmon::store::{Archive, Options, Query, Store, Writer};

const NOW: Timestamp = Timestamp::from_secs(1_795_341_600);

fn sample(index: u64) -> Sample {
    Sample {
        at: Timestamp::from_secs(1_795_255_200 + 10 * index),
        phases: Phases::NONE,
        cause: Cause::Ok,
        status: Status::new(200),
        http: Http::V11,
        flags: Flags::none(),
        bytes: 5_000,
        redirects: 0,
        late: Micros::new(70),
        skipped: 0,
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
        ("db forget shop", "say it again with --yes"),
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
