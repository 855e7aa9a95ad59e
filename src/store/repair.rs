//! A store made anew of what can still be read of a damaged one.
//!
//! Damage hits pages, and a page of rows is lost while those before and after it are not. So each table is read from its front
//! up to the damage and from its end back to it, tables of pairs site by site, and everything found goes into a new
//! file, which then takes the place of the old one; that is moved aside, never deleted. Rows have checksums of their own, so a
//! row that came over damaged is left out by whoever reads it. Invariant: the place of the store holds the old file or the
//! new one, whole.

use std::path::{Path, PathBuf};

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};

use crate::model::Timestamp;

use super::error::{StoreError, guard};
use super::file::{self, Options};
use super::opened::Store;
use super::{schema, signature};

/// What became of a damaged store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Where the old file is.
    pub aside: PathBuf,
    /// The tables of which something could not be read.
    pub damaged: Vec<&'static str>,
}

impl Store {
    /// Makes the store at `path` anew of what can be read of it, and moves the old file aside.
    ///
    /// # Errors
    /// There is none, it is in use, foreign, newer or damaged beyond reading, or the system refuses. It is as it was then.
    pub fn repair(path: &Path, options: &Options, now: Timestamp) -> Result<Repaired, StoreError> {
        // It stays locked by nobody else while it can be opened at all.
        let opened = match file::open(path, options) {
            Ok(database) => Some(database),
            Err(StoreError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        let unreadable = |reason: &str| StoreError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
        let mut damaged = Vec::new();
        let fresh = file::beside(path, ".repaired");
        let made = if let Some(database) = &opened {
            let from = guard(|| Ok(database.begin_read()?)).map_err(|error| StoreError::of(path, error))?;
            file::create_with(&fresh, true, |to| {
                damaged = salvage(&from, to)?;
                Ok(())
            })
        } else {
            let database = file::open_unrepaired(path)?;
            let from = guard(|| Ok(database.begin_read()?)).map_err(|error| StoreError::of(path, error))?;
            file::create_with(&fresh, true, |to| {
                damaged = salvage(&from, to)?;
                Ok(())
            })
        };
        let closed = guard(|| {
            drop(opened);
            Ok(())
        });
        drop(closed);
        if !made? || damaged.contains(&"sites") {
            drop(std::fs::remove_file(&fresh));
            return Err(unreadable("not even the names of its sites can be read"));
        }
        let aside = file::move_aside(path, now)?;
        std::fs::rename(&fresh, path).map_err(|source| StoreError::Io {
            path: path.to_owned(),
            doing: "put the repaired file in place of",
            source,
        })?;
        Ok(Repaired { aside, damaged })
    }
}

/// Copies what can be read; the tables of which something cannot.
fn salvage(from: &ReadTransaction, to: &Database) -> Result<Vec<&'static str>, redb::Error> {
    let mut damaged = Vec::new();
    let mut note = |name: &'static str, is_whole: bool| {
        if !is_whole {
            damaged.push(name);
        }
    };
    note("meta", table(from, to, schema::META)?);
    let transaction = to.begin_write()?;
    signature::sign_off(&transaction)?;
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
    for (name, definition) in
        [("blocks", schema::BLOCKS), ("hours", schema::HOURS), ("days", schema::DAYS), ("failures", schema::FAILURES)]
    {
        note(name, pairs(from, to, definition, &sites)?);
    }
    note("alerts", table(from, to, schema::ALERTS)?);
    note("certificates", table(from, to, schema::CERTIFICATES)?);
    note("sinks", table(from, to, schema::SINKS)?);
    note("cursors", table(from, to, schema::CURSORS)?);
    Ok(damaged)
}

/// Copies a table from both ends; whether all of it was read.
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

/// The same site by site.
fn pairs(
    from: &ReadTransaction,
    to: &Database,
    definition: TableDefinition<'_, (u32, u64), &'static [u8]>,
    sites: &[u32],
) -> Result<bool, redb::Error> {
    let mut is_whole = true;
    for &site in sites {
        let transaction = to.begin_write()?;
        {
            let mut copy = transaction.open_table(definition)?;
            for backwards in [false, true] {
                let read = guard(|| {
                    let Some(rows) = schema::later_table(from, definition)? else { return Ok(()) };
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
    use super::super::archive::Archive;
    use super::super::trial::day;
    use super::super::writer::Writer;
    use super::*;
    use crate::model::{Cause, Observation, StoreHealth};
    use crate::ring::Producer;

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
        let samples = day(200);
        let failed = |seq: u64| Observation::failed(Cause::Reset, format!("a text of its own {seq}"));
        let (mut writer, mut producer) = begin(&path);
        for sample in &samples[..100] {
            let seq = producer.push(*sample);
            writer.note_failure(0, seq, &failed(seq));
        }
        assert!(writer.close(samples[99].at).notices.is_empty());
        let image = std::fs::read(&path).unwrap();
        let mut repaired = 0;
        for page in pages_of(&image, b"a text of its own") {
            let mut hostile = image.clone();
            // More rows than a page has; a page of another kind is found when the file is opened, at least by a debug build.
            hostile[page + 2..page + 4].fill(0xff);
            std::fs::write(&path, &hostile).unwrap();
            // Damage elsewhere is another case: the page was of the texts once.
            let Ok(store) = Store::alone(&path, &Options::default()) else { continue };
            store.close().unwrap();
            let (mut writer, mut producer) = begin(&path);
            let seq = producer.push(samples[100]);
            writer.note_failure(0, seq, &failed(seq));
            let first = writer.flush(samples[100].at);
            if matches!(first.health, StoreHealth::Ok { .. }) {
                continue;
            }
            assert!(first.notices.iter().any(|notice| notice.contains("db repair")), "{first:?}");
            let second = writer.flush(samples[199].at);
            assert!(matches!(second.health, StoreHealth::Ok { .. }), "{second:?}");
            drop(writer.close(samples[199].at));
            let made = Store::repair(&path, &Options::default(), Timestamp::from_secs(1)).unwrap();
            assert!(made.aside.exists());
            let verdict = Archive::open(&path).unwrap().verify().unwrap();
            assert!(verdict.is_sound() && verdict.samples == 101, "{verdict:?}");
            repaired += 1;
        }
        assert!(repaired > 0, "no page of the texts was hit");
    }
}
