//! Repair: a new store from the readable rows of a damaged one.
//!
//! Damage hits pages, so the rows of a page are lost while those before and after it are not. Each table is read from
//! its front up to the damage and from its end back to it, tables of pairs site by site, including texts of failures
//! that a monitor set aside. The new file then takes the place of the old one, which keeps another name and is never
//! deleted. Rows have checksums, so readers skip one that was damaged itself.
//!
//! Invariants: the path always holds the old file or the new one, whole (see [`aside::exchange`]); a file that can be
//! opened for writing stays locked until the new one is in place.

use std::path::{Path, PathBuf};

use redb::{Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};

use crate::model::Timestamp;
use crate::store::error::{self, StoreError, guard};
use crate::store::file::aside;
use crate::store::file::open::{self, Options};
use crate::store::file::path_check::{self, Identity};
use crate::store::tables::{schema, writer_signature};
use crate::store::writable::Store;

/// The result of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The path of the old file.
    pub aside: PathBuf,
    /// The tables of which something could not be read.
    pub damaged: Vec<&'static str>,
}

impl Store {
    /// Replaces the store at `path` by one made from its readable rows, and keeps the old file under another name.
    ///
    /// # Errors
    /// There is none, it is in use, foreign, newer or damaged beyond reading, another file took its place meanwhile, it
    /// is mounted by itself, or the system refuses. The old file is at `path` then, and nothing new beside it.
    pub fn repair(path: &Path, options: &Options, now: Timestamp) -> Result<Repaired, StoreError> {
        let path = &*path_check::resolved(path)?;
        let identity = Identity::at(path);
        let source = DamagedStore::open(path, options)?;
        let fresh = open::beside(path, ".repaired");
        let repaired = source.salvaged(path, &fresh).and_then(|damaged| {
            // One that can only be read is not locked.
            if Identity::at(path) != identity {
                return Err(StoreError::Moved { path: path.to_owned() });
            }
            Ok(Repaired { aside: aside::exchange(path, &fresh, now)?, damaged })
        });
        if repaired.is_err() {
            drop(std::fs::remove_file(&fresh));
        }
        error::let_go(source);
        repaired
    }
}

/// The damaged store.
enum DamagedStore {
    /// Locked against every other writer.
    Locked(Database),
    /// Damaged so that it cannot be opened for writing, nor by any other writer.
    ReadOnly(ReadOnlyDatabase),
}

impl DamagedStore {
    fn open(path: &Path, options: &Options) -> Result<Self, StoreError> {
        match open::open(path, options) {
            Ok(database) => Ok(Self::Locked(database)),
            Err(StoreError::Damaged { .. }) => open::open_unrepaired(path).map(Self::ReadOnly),
            Err(error) => Err(error),
        }
    }

    /// Makes the file `fresh` from the readable rows; returns the damaged tables.
    fn salvaged(&self, path: &Path, fresh: &Path) -> Result<Vec<&'static str>, StoreError> {
        let begun = guard(|| {
            Ok(match self {
                Self::Locked(database) => database.begin_read()?,
                Self::ReadOnly(database) => database.begin_read()?,
            })
        });
        let from = begun.map_err(|error| StoreError::of(path, error))?;
        let mut damaged = Vec::new();
        let made = open::create_with(fresh, true, |to| {
            damaged = salvage(&from, to)?;
            Ok(())
        })?;
        if !made || damaged.contains(&"sites") {
            let reason = "not even the names of its sites can be read".to_owned();
            return Err(StoreError::Damaged { path: path.to_owned(), reason });
        }
        Ok(damaged)
    }
}

type Pairs<'a> = TableDefinition<'a, (u32, u64), &'static [u8]>;

/// Copies the readable rows; returns the damaged tables.
fn salvage(from: &ReadTransaction, to: &Database) -> Result<Vec<&'static str>, redb::Error> {
    let mut damaged = Vec::new();
    let mut note = |name: &'static str, is_whole: bool| {
        if !is_whole {
            damaged.push(name);
        }
    };
    note("meta", table(from, to, schema::META)?);
    let transaction = to.begin_write()?;
    writer_signature::sign_off(&transaction)?;
    transaction.commit()?;
    note("sites", table(from, to, schema::SITES)?);
    note("sealed", table(from, to, schema::SEALED)?);
    note("journal", table(from, to, schema::JOURNAL)?);
    let sites: Vec<u32> = to
        .begin_read()?
        .open_table(schema::SITES)?
        .range::<u32>(..)?
        .map(|row| Ok(row?.0.value()))
        .collect::<Result<_, redb::Error>>()?;
    for (name, definition) in [("blocks", schema::BLOCKS), ("hours", schema::HOURS), ("days", schema::DAYS)] {
        note(name, pairs(from, to, (definition, definition), &sites)?);
    }
    for (name, table) in [("failures", schema::FAILURES), ("evidence", schema::EVIDENCE)] {
        let mut is_whole = true;
        // The newest last, so that they replace older ones of the same number.
        for aside in schema::asides(table) {
            is_whole &= pairs(from, to, (TableDefinition::new(&aside), table), &sites)?;
        }
        note(name, pairs(from, to, (table, table), &sites)? && is_whole);
    }
    note("alerts", table(from, to, schema::ALERTS)?);
    note("certificates", table(from, to, schema::CERTIFICATES)?);
    note("outbox", table(from, to, schema::OUTBOX)?);
    note("blind", table(from, to, schema::BLIND)?);
    note("origins", table(from, to, schema::ORIGINS)?);
    note("positions", table(from, to, schema::POSITIONS)?);
    note("seen", table(from, to, schema::SEEN)?);
    note("sightless", table(from, to, schema::SIGHTLESS)?);
    note("sinks", table(from, to, schema::SINKS)?);
    note("cursors", table(from, to, schema::CURSORS)?);
    Ok(damaged)
}

/// Copies a table from both ends; returns whether all of it was readable.
fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
    from: &ReadTransaction,
    to: &Database,
    definition: TableDefinition<'_, K, V>,
) -> Result<bool, redb::Error> {
    let transaction = to.begin_write()?;
    let mut is_whole = true;
    {
        let mut copy = transaction.open_table(definition)?;
        for backwards in [false, true] {
            let read = guard(|| {
                let Some(rows) = schema::later_table(from, definition)? else { return Ok(()) };
                let mut rows = rows.iter()?;
                while let Some(row) = if backwards { rows.next_back() } else { rows.next() } {
                    let (key, value) = row?;
                    copy.insert(key.value(), value.value())?;
                }
                Ok(())
            });
            is_whole = read.is_ok();
            if is_whole {
                break;
            }
        }
    }
    transaction.commit()?;
    Ok(is_whole)
}

/// Like [`table`], from one table to another and site by site; a missing table is whole.
fn pairs(
    from: &ReadTransaction,
    to: &Database,
    (old, new): (Pairs<'_>, Pairs<'_>),
    sites: &[u32],
) -> Result<bool, redb::Error> {
    let mut is_whole = true;
    for &site in sites {
        let transaction = to.begin_write()?;
        {
            let mut copy = transaction.open_table(new)?;
            for backwards in [false, true] {
                let read = guard(|| {
                    let Some(rows) = schema::later_table(from, old)? else { return Ok(()) };
                    let mut rows = rows.range(schema::whole(site))?;
                    while let Some(row) = if backwards { rows.next_back() } else { rows.next() } {
                        let (key, value) = row?;
                        copy.insert(key.value(), value.value())?;
                    }
                    Ok(())
                });
                if read.is_ok() {
                    break;
                }
                is_whole = false;
            }
        }
        transaction.commit()?;
    }
    Ok(is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Observation, StoreHealth};
    use crate::ring::Producer;
    use crate::store::archive::Archive;
    use crate::store::read::view::Query;
    use crate::store::tests::samples::day;
    use crate::store::writer::Writer;

    /// The offsets of the pages that hold `needle`, also those that are not in use any more.
    fn pages_of(image: &[u8], needle: &[u8]) -> Vec<usize> {
        let holds = |page: &usize| {
            let bytes = &image[*page..image.len().min(page + 4_096)];
            bytes.windows(needle.len()).any(|at| at == needle)
        };
        let is_leaf = |page: &usize| image[*page] == 1;
        (0..image.len()).step_by(4_096).filter(is_leaf).filter(holds).collect()
    }

    #[test]
    fn a_damaged_page_of_texts_stops_no_commit_and_a_repair_makes_the_file_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let begin = |path: &Path| {
            let store = Store::open(path, &Options::default(), Timestamp::ZERO).unwrap().store;
            let site = store.register(&["api".into()], Timestamp::ZERO).unwrap()[0];
            let producer = Producer::new(1_000, site.next_seq);
            let writer = Writer::new(store, vec![(site.id, producer.ring().reader_at_head())]).unwrap();
            (writer, producer)
        };
        let mut samples = day(500);
        for sample in &mut samples {
            sample.cause = Cause::Reset;
        }
        let failed = |seq: u64| Observation::failed(Cause::Reset, format!("a text of its own {seq}"));
        let (mut writer, mut producer) = begin(&path);
        for sample in &samples[..400] {
            let seq = producer.push(*sample);
            writer.note_failure(0, seq, &failed(seq));
        }
        assert!(writer.close(samples[399].at).notices.is_empty());
        let image = std::fs::read(&path).unwrap();
        let mut put_aside = 0;
        for page in pages_of(&image, b"a text of its own") {
            let mut hostile = image.clone();
            // More rows than a page has; a page of another kind is found when the file is opened, at least by a debug
            // build.
            hostile[page + 2..page + 4].fill(0xff);
            std::fs::write(&path, &hostile).unwrap();
            // The page was of the texts once, and may be in no use now.
            let is_read = texts(&path).is_some();
            let (mut writer, mut producer) = begin(&path);
            let seq = producer.push(samples[400]);
            writer.note_failure(0, seq, &failed(seq));
            let first = writer.flush(samples[400].at);
            if !matches!(first.health, StoreHealth::Ok { .. }) {
                assert!(first.notices.iter().any(|notice| notice.contains("db repair")), "{first:?}");
                let second = writer.flush(samples[499].at);
                assert!(matches!(second.health, StoreHealth::Ok { .. }), "{second:?}");
                put_aside += 1;
            }
            drop(writer.close(samples[499].at));
            let made = Store::repair(&path, &Options::default(), Timestamp::from_secs(1)).unwrap();
            assert!(made.aside.exists() && !open::beside(&path, ".repaired").exists());
            let lost: &[&str] = if is_read { &[] } else { &["failures"] };
            assert_eq!(made.damaged, lost, "page {page}");
            let verdict = Archive::open(&path).unwrap().verify().unwrap();
            assert!(verdict.is_sound() && verdict.samples == 401, "{verdict:?}");
            let found = texts(&path).unwrap();
            assert!(found.contains(&400), "the newest: {found:?}");
            // Those of the other pages.
            assert!(if is_read { found.len() == 401 } else { (100..401).contains(&found.len()) }, "{}", found.len());
        }
        assert!(put_aside > 0, "no page was hit to which texts are added");
    }

    /// The numbers of the samples whose texts the store at `path` has; none if they cannot be read.
    fn texts(path: &Path) -> Option<Vec<u64>> {
        let mut found = Vec::new();
        let archive = Archive::open(path).unwrap();
        let passed = archive.samples(&Query::ALL, |stored| {
            found.extend(stored.detail.map(|_| stored.seq));
            Ok::<(), ()>(())
        });
        passed.ok().map(|_| found)
    }

    /// What a monitor put aside is sound as a whole here.
    #[test]
    fn texts_that_were_put_aside_come_back_and_a_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let mut store = Store::open(&path, &Options::default(), Timestamp::ZERO).unwrap().store;
        let site = store.register(&["api".into()], Timestamp::ZERO).unwrap()[0].id.0;
        let put = |store: &mut Store, name: &str, seq: u64, text: &[u8]| {
            let put = store.write(|transaction| {
                let table: Pairs<'_> = TableDefinition::new(name);
                transaction.open_table(table)?.insert((site, seq), text)?;
                Ok(())
            });
            put.unwrap();
        };
        put(&mut store, "failures damaged 0", 1, b"one");
        put(&mut store, "failures damaged 7", 2, b"two");
        put(&mut store, "failures damaged 7", 3, b"old");
        put(&mut store, "failures", 3, b"new");
        store.close().unwrap();
        let named = if cfg!(unix) { folder.path().join("link") } else { path.clone() };
        #[cfg(unix)]
        std::os::unix::fs::symlink(&path, &named).unwrap();
        Store::compact(&named, &Options::default()).unwrap();
        assert_eq!(Store::alone(&named, &Options::default()).unwrap().names().unwrap().len(), 1);
        let made = Store::repair(&named, &Options::default(), Timestamp::from_secs(1)).unwrap();
        assert_eq!(made.damaged, Vec::<&str>::new());
        assert!(cfg!(not(unix)) || std::fs::symlink_metadata(&named).unwrap().is_symlink(), "the link stays");
        let store = Store::alone(&path, &Options::default()).unwrap();
        let all = store.look(|transaction| {
            let failures = transaction.open_table(schema::FAILURES)?;
            failures
                .iter()?
                .map(|row| row.map(|(key, text)| (key.value().1, text.value().to_vec())))
                .collect::<Result<Vec<_>, _>>()
                .map_err(redb::Error::from)
        });
        let expected = [(1, "one"), (2, "two"), (3, "new")].map(|(seq, text)| (seq, text.as_bytes().to_vec()));
        assert_eq!(all.unwrap(), expected);
    }

    #[test]
    fn a_repair_of_a_store_in_use_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let store = Store::open(&path, &Options::default(), Timestamp::ZERO).unwrap().store;
        let at_once = Options { lock_patience: std::time::Duration::ZERO, ..Options::default() };
        let refused = Store::repair(&path, &at_once, Timestamp::ZERO).unwrap_err();
        assert!(matches!(refused, StoreError::Locked { .. }), "{refused:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        store.close().unwrap();
    }
}
