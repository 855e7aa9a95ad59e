//! Backup into a new file, and compaction.
//!
//! A backup copies every row unchanged. Blocks, nearly all of a store, do not change once they are full, so they are
//! copied in read transactions of [`PART`] rows: a stopped backup holds few old pages in the store. The last
//! transaction copies the rest and, for each site, the blocks from the last copied one on, and removes those that were
//! trimmed in the meantime; so the copy is the store as of that transaction while the monitor keeps writing. The file
//! is made under a temporary name, synced and then linked to its own, or renamed over an older backup on request, so a
//! partial copy never appears. Compaction moves pages in durable transactions of the database; stopped at any moment,
//! it leaves a whole store.
//!
//! Bounds: a copy commits every [`BATCH`] bytes.

use std::ops::Bound;
use std::path::Path;

use redb::{Database, ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition};

use crate::store::error::{StoreError, guard};
use crate::store::file::open::{self, Options};
use crate::store::file::path_check;
use crate::store::tables::{schema, writer_signature};
use crate::store::writable::Store;

/// Bytes that one transaction of a copy writes.
const BATCH: usize = 32 << 20;

/// Blocks that are copied in one look: 4 MiB. More than one, for each look begins with the last block of the one
/// before.
const PART: usize = if cfg!(test) { 3 } else { 1_024 };

/// Sites whose newest blocks are copied in one transaction.
const SITES: usize = 256;

/// The result of a compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of the file on its disk before.
    pub before: u64,
    /// And after.
    pub after: u64,
}

impl Store {
    /// Seals the store at `path` and gives back the room that it does not use.
    ///
    /// # Errors
    /// There is none, it is in use, foreign, newer or damaged, or the system refuses. It is whole in each case.
    pub fn compact(path: &Path, options: &Options) -> Result<Compacted, StoreError> {
        let path = &*path_check::resolved(path)?;
        let before = open::bytes(path);
        let (mut store, _) = Self::open_existing(path, options)?;
        if let Some(database) = &mut store.database {
            guard(|| {
                while database.compact()? {}
                Ok(())
            })
            .map_err(|error| StoreError::of(path, error))?;
        }
        store.close()?;
        Ok(Compacted { before, after: open::bytes(path) })
    }
}

/// Begins a look at the store that is copied.
pub type Begin<'a> = &'a dyn Fn() -> Result<ReadTransaction, redb::Error>;

/// Writes all of `store`, at which `begin` looks, to a new file at `to`; with `replace`, in place of an older backup
/// there. `progress` receives the number of copied blocks and of all blocks.
pub fn copy(
    (store, begin): (&Path, Begin<'_>),
    (to, replace): (&Path, bool),
    progress: impl FnMut(u64, u64),
) -> Result<(), StoreError> {
    let exists = || StoreError::Exists { path: to.to_owned() };
    let there = std::fs::symlink_metadata(to).is_ok();
    if there && !replace {
        return Err(exists());
    }
    if there {
        open::replaceable(to, store).map_err(StoreError::of_target)?;
    }
    let mut damage = None;
    let made = open::create_with(to, replace, |database| {
        guard(|| fill(begin, database, progress)).inspect_err(|error| {
            // The copy is new, so damage is in the store.
            if let redb::Error::Corrupted(reason) = error {
                damage = Some(reason.clone());
            }
        })
    });
    match (made, damage) {
        (Err(_), Some(reason)) => Err(StoreError::Damaged { path: store.to_owned(), reason }),
        (Err(error), None) => Err(error.of_target()),
        (Ok(false), _) => Err(exists()),
        (Ok(true), _) => Ok(()),
    }
}

fn fill(begin: Begin<'_>, to: &Database, progress: impl FnMut(u64, u64)) -> Result<(), redb::Error> {
    blocks(begin, to, progress)?;
    let from = &begin()?;
    table(from, to, schema::META)?;
    // The copy has no writer.
    let transaction = to.begin_write()?;
    writer_signature::sign_off(&transaction)?;
    transaction.commit()?;
    table(from, to, schema::SITES)?;
    table(from, to, schema::SEALED)?;
    table(from, to, schema::JOURNAL)?;
    newest_blocks(from, to)?;
    table(from, to, schema::HOURS)?;
    table(from, to, schema::DAYS)?;
    table(from, to, schema::FAILURES)?;
    table(from, to, schema::ALERTS)?;
    table(from, to, schema::CERTIFICATES)?;
    table(from, to, schema::OUTBOX)?;
    table(from, to, schema::BLIND)?;
    table(from, to, schema::EVIDENCE)?;
    table(from, to, schema::ORIGINS)?;
    table(from, to, schema::POSITIONS)?;
    table(from, to, schema::SEEN)?;
    table(from, to, schema::SIGHTLESS)?;
    table(from, to, schema::SINKS)?;
    table(from, to, schema::CURSORS)
}

/// All blocks, some in each look.
fn blocks(begin: Begin<'_>, to: &Database, mut progress: impl FnMut(u64, u64)) -> Result<(), redb::Error> {
    let (mut after, mut copied) = (Bound::Unbounded, 0);
    loop {
        let from = begin()?.open_table(schema::BLOCKS)?;
        let all = from.len()?;
        let transaction = to.begin_write()?;
        let mut part = 0;
        {
            let mut copy = transaction.open_table(schema::BLOCKS)?;
            for row in from.range::<(u32, u64)>((after, Bound::Unbounded))?.take(PART) {
                let (key, bytes) = row?;
                copy.insert(key.value(), bytes.value())?;
                // The last block of a site may grow before the next transaction, so that begins with it.
                after = Bound::Included(key.value());
                part += 1;
            }
        }
        transaction.commit()?;
        copied += part as u64;
        progress(copied.min(all), all);
        if part < PART {
            return Ok(());
        }
    }
}

/// Brings the blocks of the copy to where `from` sees them.
fn newest_blocks(from: &ReadTransaction, to: &Database) -> Result<(), redb::Error> {
    let source = from.open_table(schema::BLOCKS)?;
    let sites: Vec<u32> = from
        .open_table(schema::SEALED)?
        .range::<u32>(..)?
        .map(|row| Ok(row?.0.value()))
        .collect::<Result<_, redb::Error>>()?;
    for some in sites.chunks(SITES) {
        let transaction = to.begin_write()?;
        {
            let mut copy = transaction.open_table(schema::BLOCKS)?;
            for &site in some {
                let first = source.range(schema::whole(site))?.next().transpose()?.map(|(key, _)| key.value());
                match first {
                    Some(first) => copy.retain_in((site, 0)..first, |_, _| false)?,
                    None => copy.retain_in(schema::whole(site), |_, _| false)?,
                }
                let last = copy.range(schema::whole(site))?.next_back().transpose()?.map(|(key, _)| key.value());
                for row in source.range(last.unwrap_or((site, 0))..=(site, u64::MAX))? {
                    let (key, bytes) = row?;
                    copy.insert(key.value(), bytes.value())?;
                }
            }
        }
        transaction.commit()?;
    }
    Ok(())
}

fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
    from: &ReadTransaction,
    to: &Database,
    definition: TableDefinition<'_, K, V>,
) -> Result<(), redb::Error> {
    // A file of an earlier version does not have all of them.
    let Some(rows) = schema::later_table(from, definition)? else { return Ok(()) };
    let mut rows = rows.iter()?.peekable();
    while rows.peek().is_some() {
        let transaction = to.begin_write()?;
        {
            let mut copy = transaction.open_table(definition)?;
            let mut written = 0;
            while written < BATCH
                && let Some(row) = rows.next()
            {
                let (key, bytes) = row?;
                written += V::as_bytes(&bytes.value()).as_ref().len();
                copy.insert(key.value(), bytes.value())?;
            }
        }
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Location, SiteId, StoreId, Timestamp};
    use crate::ring::Producer;
    use crate::store::archive::Archive;
    use crate::store::file::database;
    use crate::store::read::view::Query;
    use crate::store::tables::hub::gathered::{Origin, StreamPosition};
    use crate::store::tables::hub::seen::{SeenHour, SeenNews};
    use crate::store::tests::samples::day;
    use crate::store::writer::Writer;

    /// The store is sealed and grows between the transactions of one backup.
    #[test]
    fn a_backup_is_the_store_at_its_last_look_however_it_changed_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (path, to) = (folder.path().join("webmon.redb"), folder.path().join("copy.redb"));
        let store = Store::open(&path, &Options::default(), Timestamp::ZERO).unwrap().store;
        let site = store.register(&["api".into()], Timestamp::ZERO).unwrap()[0];
        let mut producer = Producer::new(10_000, 0);
        let mut writer = Writer::new(store, vec![(site.id, producer.ring().reader_at_head())]).unwrap();
        let samples = day(8_000);
        let mut push = |writer: &mut Writer, range: std::ops::Range<usize>| {
            for sample in &samples[range.clone()] {
                producer.push(*sample);
            }
            assert_eq!(writer.flush(samples[range.end - 1].at).committed, range.len() as u64);
        };
        push(&mut writer, 0..1_900);
        push(&mut writer, 1_900..2_000);
        let archive = Archive::open(&path).unwrap();
        let (looks, writer) = (std::cell::Cell::new(2_000), std::cell::RefCell::new(writer));
        let push = std::cell::RefCell::new(push);
        let begin = || -> Result<ReadTransaction, redb::Error> {
            use redb::ReadableDatabase as _;
            let from = looks.get();
            if from < 6_000 {
                looks.set(from + 500);
                push.borrow_mut()(&mut writer.borrow_mut(), from..from + 500);
            }
            Ok(archive.database().begin_read()?)
        };
        copy((&path, &begin), (&to, false), |_, _| ()).unwrap();
        assert!(matches!(copy((&path, &begin), (&to, false), |_, _| ()), Err(StoreError::Exists { .. })));
        let copied = Archive::open(&to).unwrap();
        assert!(copied.verify().unwrap().is_sound());
        let mut count = 0;
        let passed = copied.samples(&Query::ALL, |stored| {
            assert_eq!((stored.seq, stored.sample), (count as u64, samples[count]));
            count += 1;
            Ok::<(), ()>(())
        });
        assert_eq!(passed.unwrap().unwrap().damaged, 0);
        assert!(count > 2_500, "{count}");
    }

    /// Without them a copy would be no hub's store any more.
    #[test]
    fn a_backup_of_a_hub_knows_where_its_sites_come_from_and_what_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (path, to) = (folder.path().join("hub.redb"), folder.path().join("copy.redb"));
        let store = Store::open(&path, &Options::default(), Timestamp::ZERO).unwrap().store;
        let location = Location::new("fra1").unwrap();
        let origin = Origin {
            location: location.clone(),
            store: StoreId([7; 16]),
            site: SiteId(3),
            name: "api".into(),
            group: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            url: "http://a/".into(),
        };
        let site = store.adopt(std::slice::from_ref(&origin), Timestamp::ZERO).unwrap()[0].id;
        let mut writer = Writer::new(store, Vec::new()).unwrap();
        let position = StreamPosition { stream: "WEBMON".into(), created: Timestamp::from_secs(1), sequence: 9 };
        let (hour, span) = (SeenHour { locations: 1, ..SeenHour::default() }, Timestamp::ZERO..Timestamp::from_secs(5));
        {
            let intake = writer.entrance();
            let mut intake = intake.lock().unwrap();
            intake.take_seen(&SeenNews::Hour(site, 7, hour));
            intake.take_seen(&SeenNews::Blind(location.clone(), span.clone()));
            intake.take_position(position.clone());
        }
        writer.flush(Timestamp::ZERO);
        Archive::open(&path).unwrap().backup(&to, true).unwrap();
        let copy = Archive::open(&to).unwrap();
        assert_eq!(copy.origins().unwrap().into_iter().collect::<Vec<_>>(), [(site, origin)]);
        assert_eq!(copy.seen(site, 0..9).unwrap().into_iter().collect::<Vec<_>>(), [(7, hour)]);
        assert_eq!(copy.blind_times().unwrap().into_iter().collect::<Vec<_>>(), [(location, vec![span])]);
        drop(copy);
        let copy = Store::open(&to, &Options::default(), Timestamp::ZERO).unwrap().store;
        assert_eq!(copy.position("WEBMON").unwrap(), Some(position));
    }

    #[test]
    fn only_an_older_backup_is_replaced_and_what_a_killed_one_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, to) = (folder.path().join("webmon.redb"), folder.path().join("copy.redb"));
        Store::open(&path, &Options::default(), Timestamp::ZERO).unwrap().store.close().unwrap();
        let archive = Archive::open(&path).unwrap();
        let left = folder.path().join(format!("copy.redb.new-{}", u32::MAX));
        std::fs::write(&left, "half").unwrap();
        archive.backup(&to, true).unwrap();
        assert!(left.exists(), "a process of another container may be at it");
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        std::fs::File::options().write(true).open(&left).unwrap().set_modified(long_ago).unwrap();
        archive.backup(&to, true).unwrap();
        assert!(cfg!(not(target_os = "linux")) || !left.exists(), "what a killed backup left");
        archive.backup(&to, true).unwrap();
        assert!(Archive::open(&to).is_ok());
        let text = folder.path().join("notes.txt");
        std::fs::write(&text, "not a backup").unwrap();
        for refused in [&path, &text, &folder.path().to_owned()] {
            archive.backup(refused, true).unwrap_err();
        }
        assert_eq!(std::fs::read(&text).unwrap(), b"not a backup");
        let missing = archive.backup(&folder.path().join("no/such/copy.redb"), true).unwrap_err().to_string();
        assert!(missing.contains("there is no folder") && !missing.contains("--store"), "{missing}");
        assert!(matches!(archive.backup(&to, false), Err(StoreError::Exists { .. })));
    }

    /// Other programs use redb, too. A copy of a store in use was left unclean.
    #[test]
    fn a_database_of_another_program_is_not_replaced_but_an_unclean_store_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        Store::open(&at("webmon.redb"), &Options::default(), Timestamp::ZERO).unwrap().store.close().unwrap();
        let archive = Archive::open(&at("webmon.redb")).unwrap();
        let foreign = database::builder().create(at("music.redb")).unwrap();
        let change = foreign.begin_write().unwrap();
        change.open_table(TableDefinition::<u32, u32>::new("songs")).unwrap().insert(1, 2).unwrap();
        change.commit().unwrap();
        std::fs::copy(at("music.redb"), at("unclean.redb")).unwrap();
        drop(foreign);
        for name in ["music.redb", "unclean.redb"] {
            let before = std::fs::read(at(name)).unwrap();
            let refused = archive.backup(&at(name), true).unwrap_err();
            assert!(matches!(refused, StoreError::Target { .. }), "{name}: {refused}");
            assert!(refused.to_string().contains("not a webmon store"), "{name}: {refused}");
            assert!(std::fs::read(at(name)).unwrap() == before);
        }
        let other = Store::open(&at("other.redb"), &Options::default(), Timestamp::ZERO).unwrap().store;
        std::fs::copy(at("other.redb"), at("copy.redb")).unwrap();
        drop(other);
        archive.backup(&at("copy.redb"), true).unwrap();
        assert!(Archive::open(&at("copy.redb")).unwrap().verify().unwrap().is_sound());
    }
}
