//! The store as a file: foreign files, other processes, crashes and damage.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use webmon::model::{
    Cause, Certificate, Http, Micros, Observation, Phase, Phases, Sample, SiteId, Status, StoreHealth, Timestamp,
};
use webmon::ring::Producer;
use webmon::store::{Archive, Options, Query, Store, StoreError, StoredSample, Writer};

const NOW: Timestamp = Timestamp::from_secs(1_795_255_200);

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    (folder, path)
}

/// No waiting for locks.
fn at_once() -> Options {
    Options { lock_patience: Duration::ZERO, pause: |_| panic!("there is nothing to wait for"), ..Options::default() }
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, &at_once(), NOW).map(|opened| {
        assert_eq!(opened.notices, Vec::<String>::new());
        opened.store
    })
}

fn sample(index: u64) -> Sample {
    Sample {
        phases: Phases::NONE.with(Phase::Connect, Micros::new(1_000 + u32::try_from(index % 97).unwrap())),
        status: Status::new(200),
        http: Http::V11,
        bytes: 5_000,
        late: Micros::new(70),
        ..Sample::bare(Timestamp::from_secs(1_795_255_200 + 10 * index), Cause::Ok)
    }
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

/// A writer of one site, "api", and its ring.
fn writer(store: Store) -> (Writer, Producer) {
    let site = store.register(&names(&["api"]), NOW).unwrap()[0];
    let producer = Producer::new(100_000, site.next_seq);
    let writer = Writer::new(store, vec![(site.id, producer.ring().reader_at_head())]).unwrap();
    (writer, producer)
}

/// A closed store with `count` samples of "api".
fn filled(path: &Path, count: u64) {
    let (mut writer, mut producer) = writer(open(path).unwrap());
    (0..count).for_each(|index| _ = producer.push(sample(index)));
    assert_eq!(writer.flush(NOW).committed, count);
    assert!(writer.close(NOW).notices.is_empty());
}

fn count(archive: &Archive, query: &Query) -> u64 {
    let passed = archive.samples(query, |_| Ok::<(), ()>(())).unwrap().unwrap();
    assert_eq!((passed.damaged, passed.missing), (0, 0));
    passed.samples
}

fn message<T>(outcome: Result<T, StoreError>) -> String {
    outcome.err().expect("it is refused").to_string()
}

#[test]
fn a_new_store_is_private_and_leaves_nothing_beside_it() {
    let (folder, path) = folder();
    filled(&path, 3);
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["webmon.redb"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_leads_to_a_store_and_never_makes_or_changes_anything_else() {
    let (folder, path) = folder();
    let target = folder.path().join("precious");
    std::os::unix::fs::symlink(&target, &path).unwrap();
    assert!(matches!(open(&path), Err(StoreError::Symlink { .. })));
    assert!(message(open(&path)).contains("is a symbolic link"));
    assert!(!target.exists());
    fs::write(&target, "precious").unwrap();
    assert!(matches!(open(&path), Err(StoreError::Foreign { .. })));
    assert!(matches!(Archive::open(&path), Err(StoreError::Foreign { .. })));
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    // A store on another disk.
    fs::remove_file(&target).unwrap();
    filled(&target, 3);
    let (writer, _) = writer(open(&path).unwrap());
    assert!(writer.close(NOW).notices.is_empty());
    assert_eq!(count(&Archive::open(&path).unwrap(), &Query::ALL), 3);
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
}

/// A container may mount a single file: it exists, is empty, and cannot be replaced.
#[cfg(unix)]
#[test]
fn an_empty_file_becomes_a_store_in_its_place() {
    use std::os::unix::fs::MetadataExt as _;
    let (_folder, path) = folder();
    fs::write(&path, "").unwrap();
    let node = fs::metadata(&path).unwrap().ino();
    assert!(message(Archive::open(&path)).contains("is empty"));
    filled(&path, 3);
    assert_eq!(fs::metadata(&path).unwrap().ino(), node);
    assert_eq!(count(&Archive::open(&path).unwrap(), &Query::ALL), 3);
    // A crash while the file is filled leaves everything but the first bytes.
    let mut torn = fs::read(&path).unwrap();
    torn[..9].copy_from_slice(b"webmonnew");
    fs::write(&path, torn).unwrap();
    filled(&path, 5);
    assert_eq!(count(&Archive::open(&path).unwrap(), &Query::ALL), 5);
}

#[cfg(unix)]
#[test]
fn a_store_that_others_can_read_is_made_private_and_that_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = folder();
    filled(&path, 3);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    let opened = Store::open(&path, &at_once(), NOW).unwrap();
    assert!(opened.notices.iter().any(|notice| notice.contains("mode 0664")), "{:?}", opened.notices);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_path_that_cannot_hold_a_store_says_what_to_do() {
    let (folder, path) = folder();
    fs::create_dir(&path).unwrap();
    let said = message(open(&path));
    assert!(said.contains("is a folder") && said.contains("--store FILE"), "{said}");
    fs::write(folder.path().join("file"), "").unwrap();
    for below in ["file/webmon.redb", "no/such/folder/webmon.redb"] {
        let said = message(open(&folder.path().join(below)));
        assert!(said.contains("folder") && said.contains("--store FILE"), "{said}");
    }
}

#[test]
fn a_writer_is_known_by_its_lock_and_not_by_its_number() {
    let (_folder, path) = folder();
    assert_eq!(Archive::has_writer(&path), None, "there is no file");
    let mut store = open(&path).unwrap();
    store.sign(1, NOW).unwrap();
    assert_eq!(Archive::has_writer(&path), Some(true));
    let archive = Archive::open(&path).unwrap();
    // Killed, so it left no signature.
    let killed = path.with_extension("killed");
    fs::copy(&path, &killed).unwrap();
    assert_eq!(Archive::has_writer(&killed), Some(false));
    drop(store);
    assert_eq!(Archive::has_writer(&path), Some(false), "a reader is no writer");
    drop(archive);
}

#[test]
fn a_second_writer_is_refused_after_its_patience_and_named_the_file() {
    let (_folder, path) = folder();
    let first = open(&path).unwrap();
    thread_local!(static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) });
    let patient = Options {
        lock_patience: Duration::from_secs(5),
        pause: |pause| WAITED.with(|waited| waited.set(waited.get() + pause)),
        ..Options::default()
    };
    let refused = message(Store::open(&path, &patient, NOW));
    assert!(refused.contains("webmon.redb is in use by another webmon"), "{refused}");
    assert_eq!(WAITED.get(), Duration::from_secs(5));
    drop(first);
    open(&path).unwrap();
}

#[test]
fn a_lock_that_lingers_is_waited_for() {
    let (_folder, path) = folder();
    thread_local!(static FIRST: Cell<Option<Store>> = const { Cell::new(None) });
    FIRST.set(Some(open(&path).unwrap()));
    let patient = Options { pause: |_| drop(FIRST.take()), ..Options::default() };
    assert!(Store::open(&path, &patient, NOW).unwrap().notices.is_empty());
}

#[test]
fn foreign_files_are_refused_and_stay_as_they_are() {
    let (folder, path) = folder();
    let other = folder.path().join("other");
    let table: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("meta");
    let database = redb::Database::create(&other).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert(1, 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    for content in [b"sites:\n  - https://example.com\n".to_vec(), vec![0; 9_000], fs::read(&other).unwrap()] {
        fs::write(&path, &content).unwrap();
        assert!(matches!(open(&path), Err(StoreError::Foreign { .. })));
        assert!(matches!(Archive::open(&path), Err(StoreError::Foreign { .. })));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(open(&path), Err(StoreError::NotAFile { .. })));
}

#[test]
fn a_newer_store_is_refused_with_both_versions_and_stays_as_it_is() {
    let (_folder, path) = folder();
    filled(&path, 3);
    let meta: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("meta");
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(meta).unwrap().insert("webmon schema", 9).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let before = fs::read(&path).unwrap();
    for refused in [message(open(&path)), message(Archive::open(&path))] {
        assert!(refused.contains("format 9") && refused.contains("up to 5"), "{refused}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// A repair would write to the file, so webmon examines it first.
#[test]
fn a_newer_store_that_was_left_unclean_is_refused_and_stays_as_it_is() {
    let (folder, path) = folder();
    filled(&path, 3);
    let meta: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("meta");
    let builder = || {
        let mut builder = redb::Builder::new();
        builder.set_concurrency_mode(redb::ConcurrencyMode::SingleWriter);
        builder
    };
    let database = builder().open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(meta).unwrap().insert("webmon schema", 9).unwrap();
    transaction.commit().unwrap();
    // What a killed writer leaves: the file as it is while it is open.
    let killed = folder.path().join("killed.redb");
    fs::copy(&path, &killed).unwrap();
    drop(database);
    let before = fs::read(&killed).unwrap();
    assert!(matches!(builder().open_read_only(&killed), Err(redb::DatabaseError::RepairAborted)), "it is unclean");
    for refused in [message(open(&killed)), message(Archive::open(&killed))] {
        assert!(refused.contains("format 9") && refused.contains("up to 5"), "{refused}");
    }
    assert!(fs::read(&killed).unwrap() == before, "it was changed");
}

#[test]
fn damaged_files_are_moved_aside_by_the_writer_and_only_by_it() {
    let (folder, path) = folder();
    filled(&path, 20_000);
    let whole = fs::read(&path).unwrap();
    for length in [5, 100, 8_192, whole.len() / 2, whole.len() - 4_096] {
        let damaged = &whole[..length];
        fs::write(&path, damaged).unwrap();
        // A reader need not notice that free pages are missing, and half of a young file may be such; then it reads all.
        let mut read = 0;
        let all = |archive: Archive| {
            let each = |_: &StoredSample<'_>| {
                read += 1;
                Ok::<_, StoreError>(())
            };
            archive.samples(&Query::ALL, each).map(drop)
        };
        let seen = Archive::open(&path).and_then(all);
        match &seen {
            Err(StoreError::Damaged { .. }) => {}
            Ok(()) => assert!(read == 20_000 && length >= whole.len() / 2, "{length}: {read} samples"),
            Err(error) => panic!("{length}: {error}"),
        }
        assert_eq!(fs::read(&path).unwrap(), damaged);
        let opened = Store::open(&path, &at_once(), NOW).unwrap();
        assert_eq!(opened.notices.len(), 1);
        let aside = folder.path().join("webmon.redb.corrupt-20261121T100000Z");
        assert!(
            opened.notices[0].contains("is damaged") && opened.notices[0].contains(aside.to_str().unwrap()),
            "{}",
            opened.notices[0]
        );
        assert_eq!(fs::read(&aside).unwrap(), damaged);
        fs::remove_file(&aside).unwrap();
        // The new store works.
        let (mut writer, mut producer) = writer(opened.store);
        producer.push(sample(0));
        assert_eq!(writer.flush(NOW).committed, 1);
    }
    // Two in the same second do not overwrite each other.
    for _ in 0..2 {
        fs::write(&path, b"redb").unwrap();
        Store::open(&path, &at_once(), NOW).unwrap();
    }
    let aside =
        fs::read_dir(folder.path()).unwrap().filter(|entry| entry.as_ref().unwrap().file_name() != "webmon.redb");
    assert_eq!(aside.count(), 2);
}

#[test]
fn there_is_nothing_to_read_where_there_is_no_store() {
    let (folder, path) = folder();
    let missing = message(Archive::open(&path));
    assert!(missing.contains("no store at") && missing.contains("--store"), "{missing}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(matches!(open(&folder.path().join("no/such/webmon.redb")), Err(StoreError::Io { doing: "create", .. })));
}

#[test]
fn readers_follow_a_running_writer() {
    let (_folder, path) = folder();
    let (mut writer, mut producer) = writer(open(&path).unwrap());
    let archive = Archive::open(&path).unwrap();
    assert_eq!(count(&archive, &Query::ALL), 0);
    let mut now = NOW;
    for round in 1..=40 {
        (0..50).for_each(|index| _ = producer.push(sample((round - 1) * 50 + index)));
        now = now.after(Duration::from_mins(1));
        assert!(matches!(writer.flush(now).health, StoreHealth::Ok { bytes } if bytes > 0));
        assert_eq!(count(&archive, &Query::ALL), round * 50);
        assert_eq!(count(&Archive::open(&path).unwrap(), &Query::ALL), round * 50);
    }
    let last_hour = Query { since: sample(2_000 - 360).at, ..Query::ALL };
    assert_eq!(count(&archive, &last_hour), 360);
    let sites = archive.sites().unwrap();
    assert_eq!(
        (sites.len(), &*sites[0].name, sites[0].next_seq, sites[0].last_at),
        (1, "api", 2_000, Some(sample(1_999).at))
    );
}

#[test]
fn who_follows_by_numbers_misses_nothing_and_sees_nothing_twice() {
    let (folder, path) = folder();
    let mut store = open(&path).unwrap();
    store.sign(4_711, NOW).unwrap();
    let (mut writer, mut producer) = writer(store);
    let (mut seen, mut pushed, mut now) = (Vec::new(), 0, NOW);
    // Irregular steps between seals (every quarter of an hour), and reads that skip some of them.
    for round in 0..=60u64 {
        for _ in 0..round * 7 % 40 {
            let mut sample = sample(pushed);
            if pushed % 10 == 3 {
                sample.cause = Cause::Reset;
                let mut observation = Observation::failed(Cause::Reset, format!("reset {pushed}"));
                observation.address = Some(([127, 0, 0, 1], 80).into());
                writer.note_failure(0, pushed, &observation);
            }
            producer.push(sample);
            pushed += 1;
        }
        now = now.after(Duration::from_mins(round % 9));
        writer.flush(now);
        if round % 3 == 0 {
            let archive = Archive::open(&path).unwrap();
            let news = archive.news(&[(SiteId(0), seen.len() as u64), (SiteId(9), 5)], 0).unwrap();
            assert_eq!(news.signature.map(|signature| (signature.process, signature.since)), Some((4_711, NOW)));
            let arrived = &news.sites[0];
            assert_eq!(arrived.first_seq, seen.len() as u64);
            seen.extend_from_slice(&arrived.samples);
            assert_eq!(seen.len() as u64, pushed);
            let failed = seen.last().is_some_and(|last| last.cause == Cause::Reset) && !arrived.samples.is_empty();
            let text = format!("reset {}", pushed.saturating_sub(1));
            assert_eq!(arrived.why.as_ref().map(|why| why.0.as_str()), failed.then_some(text.as_str()));
            assert_eq!((news.sites[1].first_seq, news.sites[1].samples.len()), (5, 0), "a site that is not there");
            let newest = archive.newest(&[(SiteId(0), sample(pushed.saturating_sub(20)).at)]).unwrap();
            assert_eq!(newest[0].next_seq(), pushed);
            assert!(seen.ends_with(&newest[0].samples) && newest[0].samples.len() as u64 == pushed.min(20));
        }
    }
    assert!(seen.iter().map(|sample| sample.at).eq((0..pushed).map(|index| sample(index).at)));
    assert!(pushed > 1_000);
    let copy = folder.path().join("copy.redb");
    Archive::open(&path).unwrap().backup(&copy, false).unwrap();
    assert_eq!(Archive::open(&copy).unwrap().news(&[], 0).unwrap().signature, None, "nobody writes a copy");
    assert!(writer.close(now).notices.is_empty());
    assert_eq!(Archive::open(&path).unwrap().news(&[], 0).unwrap().signature, None, "a clean end is signed off");
}

#[test]
fn what_is_sealed_while_it_is_read_is_neither_missed_nor_doubled() {
    let (_folder, path) = folder();
    let (mut writer, mut producer) = writer(open(&path).unwrap());
    (0..3_000).for_each(|index| _ = producer.push(sample(index)));
    writer.flush(NOW);
    let archive = Archive::open(&path).unwrap();
    let mut next = 0;
    let mut now = NOW;
    let passed = archive.samples(&Query::ALL, |stored| {
        assert_eq!((stored.seq, stored.sample), (next, sample(next)));
        next += 1;
        if next % 500 == 0 {
            producer.push(sample(3_000 + next));
            now = now.after(Duration::from_hours(1));
            writer.flush(now);
        }
        Ok::<(), ()>(())
    });
    assert_eq!(passed.unwrap().unwrap().samples, 3_000);
}

#[test]
fn a_file_that_was_left_unclean_is_repaired_once_by_whoever_opens_it() {
    let (folder, path) = folder();
    let (mut writer, mut producer) = writer(open(&path).unwrap());
    (0..100).for_each(|index| _ = producer.push(sample(index)));
    writer.flush(NOW);
    // What a killed writer leaves: the file as it is in the middle of the run.
    let killed = folder.path().join("killed.redb");
    fs::copy(&path, &killed).unwrap();
    let left = fs::read(&killed).unwrap();
    assert_eq!(count(&Archive::open(&killed).unwrap(), &Query::ALL), 100);
    fs::write(&killed, left).unwrap();
    let store = open(&killed).unwrap();
    let mut replayed = Vec::new();
    assert_eq!(store.replay(SiteId(0), sample(40).at, &mut replayed).unwrap(), 40);
    assert_eq!(replayed, (40..100).map(sample).collect::<Vec<_>>());
    assert_eq!(store.register(&names(&["api"]), NOW).unwrap()[0].next_seq, 100);
}

#[test]
fn sites_keep_their_history_whatever_their_order() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    let first = store.register(&names(&["a", "b", "c"]), NOW).unwrap();
    let later = NOW.after(Duration::from_mins(1));
    let second = store.register(&names(&["c", "new", "a"]), later).unwrap();
    assert_eq!((second[0], second[2]), (first[2], first[0]));
    assert!(first.iter().all(|site| site.id != second[1].id));
    assert_eq!((second[1].known_since, second[0].known_since), (later, NOW));
    assert_eq!((second[1].next_seq, second[1].last_at), (0, None));
}

#[cfg(unix)]
#[test]
fn a_file_that_may_only_be_read_is_read_and_says_why_it_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder();
    filled(&path, 10);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(count(&Archive::open(&path).unwrap(), &Query::ALL), 10);
    // The superuser may write everything; then only the simulated disk of the store's unit tests refuses.
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        eprintln!("skipped: whoever runs this test may write to a file of mode 0400");
        return;
    }
    let refused = message(open(&path));
    assert!(refused.contains(&format!("cannot open {}", path.display())), "{refused}");
}

/// A folder in which no user can create a file, not even the superuser.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_takes_no_file_is_told_with_its_path() {
    let path = Path::new("/proc/self/webmon.redb");
    let refused = message(open(path));
    assert!(refused.contains("cannot create /proc/self/webmon.redb"), "{refused}");
}

/// A start with a month of a hundred sites in the file reads only the pages that hold the last hour.
#[test]
fn a_replay_reads_the_end_of_a_long_history() {
    let (_folder, path) = folder();
    filled(&path, 50_000);
    let store = open(&path).unwrap();
    let mut replayed = Vec::new();
    let first = store.replay(SiteId(0), sample(49_640).at, &mut replayed).unwrap();
    assert_eq!((first, replayed.len()), (49_640, 360));
    replayed.clear();
    assert_eq!(store.replay(SiteId(0), sample(60_000).at, &mut replayed).unwrap(), 50_000);
    assert_eq!(replayed, []);
}

#[test]
fn who_follows_a_writer_sees_what_the_certificate_of_each_new_check_says() {
    let (_folder, path) = folder();
    let (mut writer, mut producer) = writer(open(&path).unwrap());
    let shown = Certificate {
        subject: "api.example.com".to_owned(),
        issuer: "R11".to_owned(),
        not_before: NOW,
        not_after: NOW.after(Duration::from_hours(24 * 61)),
        faults: Vec::new(),
    };
    producer.push(sample(0));
    writer.flush(NOW);
    let archive = Archive::open(&path).unwrap();
    let look = |from| archive.news(&[(SiteId(0), from)], 0).unwrap().sites.remove(0).certificate;
    assert_eq!(look(0), None);
    let observed = Observation { certificate: Some(Arc::new(shown.clone())), ..Observation::failed(Cause::Ok, "") };
    writer.note_failure(0, producer.push(sample(1)), &observed);
    writer.flush(NOW);
    assert_eq!(look(1).as_deref(), Some(&shown));
    assert_eq!(archive.newest(&[(SiteId(0), NOW)]).unwrap()[0].certificate.as_deref(), Some(&shown));
    assert_eq!(look(2), None, "without a new check there is nothing to tell");
    assert_eq!(archive.certificates().unwrap(), [(SiteId(0), shown.clone())]);
    // A copy has it too.
    let copy = path.with_extension("copy");
    archive.backup(&copy, false).unwrap();
    assert_eq!(Archive::open(&copy).unwrap().certificates().unwrap(), [(SiteId(0), shown)]);
}

/// All figures of a store, as text.
fn everything(path: &Path) -> Vec<(u64, Sample, Option<String>)> {
    let mut all = Vec::new();
    let passed = Archive::open(path).unwrap().samples(&Query::ALL, |stored| {
        all.push((stored.seq, stored.sample, stored.detail.map(str::to_owned)));
        Ok::<(), ()>(())
    });
    let passed = passed.unwrap().unwrap();
    assert_eq!((passed.damaged, passed.missing), (0, 0));
    all
}

/// If the file of a running monitor is moved away, webmon reports it; samples wait and go to no other file.
#[cfg(unix)]
#[test]
fn a_file_that_is_taken_away_is_told_and_nothing_is_lost_when_it_comes_back() {
    type Change = fn(&Path, &Path);
    let away: Change = |path, aside| fs::rename(path, aside).unwrap();
    let replaced: Change = |path, aside| {
        fs::rename(path, aside).unwrap();
        drop(Store::open(path, &at_once(), NOW).unwrap());
    };
    for (case, take) in [("moved", away), ("replaced", replaced)] {
        let (folder, path) = folder();
        let aside = folder.path().join("aside.redb");
        let (mut writer, mut producer) = writer(open(&path).unwrap());
        (0..10).for_each(|index| _ = producer.push(sample(index)));
        assert_eq!(writer.flush(NOW).committed, 10, "{case}");
        take(&path, &aside);
        let mut now = NOW;
        for round in 1..4 {
            (10 * round..10 * (round + 1)).for_each(|index| _ = producer.push(sample(index)));
            now = now.after(Duration::from_mins(1));
            let flushed = writer.flush(now);
            assert_eq!((flushed.committed, flushed.dropped), (0, 0), "{case}");
            let StoreHealth::NotSaving { since, reason } = flushed.health else { panic!("{case}: it goes on") };
            assert_eq!(since, NOW.after(Duration::from_mins(1)), "{case}");
            assert!(reason.starts_with("the file was moved, deleted or replaced"), "{case}: {reason}");
        }
        if path.exists() {
            assert_eq!(count(&Archive::open(&path).unwrap(), &Query::ALL), 0, "{case}: another file is left alone");
        }
        fs::rename(&aside, &path).unwrap();
        let flushed = writer.flush(now.after(Duration::from_mins(1)));
        assert_eq!(flushed.committed, 30, "{case}");
        assert!(flushed.notices[0].contains("nothing was lost"), "{case}: {flushed:?}");
        assert_eq!(writer.close(now).notices, Vec::<String>::new(), "{case}");
        assert_eq!(count(&Archive::open(&path).unwrap(), &Query::ALL), 40, "{case}");
    }
}

/// The same if another program changes the file in place: webmon does not write to the result, and the samples wait.
#[test]
fn a_file_that_is_cut_or_overwritten_in_place_is_told_and_nothing_is_lost_when_its_contents_come_back() {
    fn cut(path: &Path, length: u64) {
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
    }
    type Change = fn(&Path, &Path);
    let changes: [(&str, Change); 6] = [
        ("emptied", |path, _| cut(path, 0)),
        ("its header is left", |path, _| cut(path, 8_192)),
        ("its last byte is missing", |path, _| cut(path, fs::metadata(path).unwrap().len() - 1)),
        ("another text", |path, _| fs::write(path, "no store").unwrap()),
        ("another store", |path, aside| {
            filled(aside, 100);
            fs::write(path, fs::read(aside).unwrap()).unwrap();
        }),
        ("zeros of the same length", |path, _| {
            let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
            fs::write(path, vec![0; length]).unwrap();
        }),
    ];
    for (case, change) in changes {
        let (folder, path) = folder();
        let (mut writer, mut producer) = writer(open(&path).unwrap());
        (0..10).for_each(|index| _ = producer.push(sample(index)));
        assert_eq!(writer.flush(NOW).committed, 10, "{case}");
        let original = fs::read(&path).unwrap();
        change(&path, &folder.path().join("aside.redb"));
        let other = fs::read(&path).unwrap();
        let mut now = NOW;
        for round in 1..4 {
            (10 * round..10 * (round + 1)).for_each(|index| _ = producer.push(sample(index)));
            // Also when it is time to seal.
            now = now.after(Duration::from_mins(20));
            let flushed = writer.flush(now);
            assert_eq!((flushed.committed, flushed.dropped), (0, 0), "{case}");
            let StoreHealth::NotSaving { since, reason } = flushed.health else { panic!("{case}: it goes on") };
            assert_eq!(since, NOW.after(Duration::from_mins(20)), "{case}");
            assert_eq!(reason, "the file was cut off or overwritten; start webmon again", "{case}");
        }
        assert!(fs::read(&path).unwrap() == other, "{case}: what is there now is left alone");
        fs::write(&path, &original).unwrap();
        let flushed = writer.flush(now.after(Duration::from_mins(1)));
        assert_eq!(flushed.committed, 30, "{case}");
        assert!(flushed.notices[0].contains("nothing was lost"), "{case}: {flushed:?}");

        (40..50).for_each(|index| _ = producer.push(sample(index)));
        change(&path, &folder.path().join("another.redb"));
        let other = fs::read(&path).unwrap();
        let last = writer.close(now);
        assert_eq!(last.dropped, 10, "{case}");
        assert!(last.notices[0].contains("10 samples could not be saved: the file was cut off"), "{case}: {last:?}");
        assert!(fs::read(&path).unwrap() == other, "{case}: also at the end");
    }
}

#[test]
fn an_end_without_new_samples_leaves_an_overwritten_file_alone() {
    let (folder, path) = folder();
    let mut store = open(&path).unwrap();
    store.sign(7, NOW).unwrap();
    let (mut writer, mut producer) = writer(store);
    producer.push(sample(0));
    assert_eq!(writer.flush(NOW).committed, 1);
    let other = folder.path().join("other.redb");
    filled(&other, 100);
    fs::write(&path, fs::read(&other).unwrap()).unwrap();
    let last = writer.close(NOW);
    assert!(matches!(last.health, StoreHealth::NotSaving { .. }), "{last:?}");
    assert!(last.notices[0].contains("cut off or overwritten"), "{last:?}");
    assert_eq!(everything(&path), everything(&other));
}

#[test]
fn what_the_database_says_of_its_own_code_is_not_shown() {
    let (_folder, path) = folder();
    filled(&path, 20_000);
    let whole = fs::read(&path).unwrap();
    // Everything behind the header, which has its own checksum, comes from another file.
    for fill in [0, 1, 0xff] {
        let mut bytes = whole.clone();
        bytes[4_096..].fill(fill);
        fs::write(&path, bytes).unwrap();
        let said = match Archive::open(&path) {
            Ok(archive) => message(archive.samples(&Query::ALL, |_| Ok::<(), ()>(()))),
            Err(error) => error.to_string(),
        };
        assert!(said.contains("is damaged (") && !said.contains("unreachable") && !said.contains("panick"), "{said}");
    }
}

#[test]
fn a_backup_is_the_store_at_one_moment_while_the_writer_goes_on() {
    let (folder, path) = folder();
    let (mut writer, mut producer) = writer(open(&path).unwrap());
    (0..3_000).for_each(|index| _ = producer.push(sample(index)));
    writer.flush(NOW);
    writer.flush(NOW.after(Duration::from_hours(1)));
    (3_000..3_100).for_each(|index| _ = producer.push(sample(index)));
    writer.flush(NOW.after(Duration::from_hours(1)));
    writer.note_pause(0, Some(Timestamp::from_secs(7)));
    writer.flush(NOW.after(Duration::from_hours(1)));
    let archive = Archive::open(&path).unwrap();
    let copy = folder.path().join("copy.redb");
    let mut told = Vec::new();
    assert!(archive.backup_with(&copy, false, |done, all| told.push((done, all))).unwrap() > 20_000);
    assert!(told.last().is_some_and(|(done, all)| done == all && *all > 3), "{told:?}");
    (3_100..3_200).for_each(|index| _ = producer.push(sample(index)));
    assert_eq!(writer.flush(NOW.after(Duration::from_hours(2))).committed, 100);
    assert_eq!(everything(&copy), everything(&path)[..3_100]);
    let verdict = Archive::open(&copy).unwrap().verify().unwrap();
    assert!(verdict.is_sound() && verdict.samples == 3_100, "{verdict:?}");
    // A second one does not overwrite the first; an existing file stays.
    let before = fs::read(&copy).unwrap();
    assert!(message(archive.backup(&copy, false)).contains("exists already"));
    assert_eq!(fs::read(&copy).unwrap(), before);
    let store = open(&copy).unwrap();
    assert_eq!(store.register(&names(&["api"]), NOW).unwrap()[0].next_seq, 3_100);
    assert_eq!(store.pauses().unwrap(), [(SiteId(0), Timestamp::from_secs(7))]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn compaction_gives_room_back_and_keeps_everything() {
    let (_folder, path) = folder();
    filled(&path, 50_000);
    let before = everything(&path);
    let compacted = Store::compact(&path, &at_once()).unwrap();
    assert!(compacted.after < compacted.before, "{compacted:?}");
    // Fifteen bytes per sample, plus the database's overhead.
    assert!(compacted.after < 1_000_000, "{compacted:?}");
    assert_eq!(everything(&path), before);
    let mut told = Vec::new();
    assert!(Archive::open(&path).unwrap().verify_with(|done, all| told.push((done, all))).unwrap().is_sound());
    assert!(told.len() > 2 && told.is_sorted() && told.iter().all(|(done, all)| done <= all), "{told:?}");
    let store = open(&path).unwrap();
    assert!(matches!(Store::compact(&path, &at_once()), Err(StoreError::Locked { .. })));
    drop(store);
}

/// A change of the table of blocks, given its keys.
type Damage = dyn Fn(&mut redb::Table<'_, (u32, u64), &'static [u8]>, Vec<(u32, u64)>);

fn change_blocks(path: &Path, change: &Damage) {
    let blocks: redb::TableDefinition<'_, (u32, u64), &[u8]> = redb::TableDefinition::new("blocks");
    let database = redb::Builder::new().set_concurrency_mode(redb::ConcurrencyMode::SingleWriter).open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(blocks).unwrap();
        let keys = redb::ReadableTable::iter(&table).unwrap().map(|row| row.unwrap().0.value()).collect();
        change(&mut table, keys);
    }
    transaction.commit().unwrap();
}

/// As when a flipped bit above them hides rows: they have no checksum that could fail.
#[test]
fn who_reads_samples_on_both_sides_of_missing_ones_is_told() {
    let (_folder, path) = folder();
    filled(&path, 5_000);
    change_blocks(&path, &|table, keys| _ = table.remove(keys[5]).unwrap());
    let archive = Archive::open(&path).unwrap();
    let gap = archive.verify().unwrap().gaps[0].clone();
    let read = |since, until| {
        let query = Query { sites: Some(vec![SiteId(0)]), since, until };
        let passed = archive.samples(&query, |_| Ok::<(), ()>(())).unwrap().unwrap();
        let figures = archive.figures(&query, None).unwrap().remove(0);
        assert_eq!((passed.damaged, figures.damaged), (0, 0));
        (passed.missing, figures.has_gap)
    };
    let missing = gap.next - gap.first;
    let (before, after) = (sample(gap.first - 3).at, sample(gap.next + 3).at);
    assert_eq!(read(before, after), (missing, true));
    assert_eq!(read(before, sample(gap.first).at), (0, false));
    // The sums of the hours have them still.
    assert_eq!(read(Timestamp::ZERO, Timestamp::MAX), (missing, false));
}

#[test]
fn a_check_names_damaged_blocks_and_missing_numbers() {
    let (_folder, path) = folder();
    filled(&path, 5_000);
    let change = |change: &Damage| change_blocks(&path, change);
    let verdict = Archive::open(&path).unwrap().verify().unwrap();
    assert!(verdict.is_sound() && verdict.samples == 5_000, "{verdict:?}");
    change(&|table, keys| {
        let mut bytes = redb::ReadableTable::get(table, keys[2]).unwrap().unwrap().value().to_vec();
        bytes[200] ^= 4;
        table.insert(keys[2], bytes.as_slice()).unwrap();
    });
    let verdict = Archive::open(&path).unwrap().verify().unwrap();
    assert_eq!((verdict.damaged.as_slice(), verdict.missing), ([("blocks", 1)].as_slice(), 0));
    // Without the first block nothing is missing, for the oldest go; without one in the middle, its numbers are.
    change(&|table, keys| {
        table.remove(keys[0]).unwrap();
        table.remove(keys[5]).unwrap();
    });
    let verdict = Archive::open(&path).unwrap().verify().unwrap();
    assert_eq!(verdict.gaps.len(), 1);
    assert_eq!(verdict.missing, verdict.gaps[0].next - verdict.gaps[0].first);
    assert_eq!(&*verdict.gaps[0].site, "api");
    let contents = Archive::open(&path).unwrap().contents().unwrap();
    assert_eq!((contents.sites, contents.journal, contents.range.unwrap().1), (1, 0, sample(4_999).at));
}
