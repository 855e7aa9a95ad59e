//! Reading a file that was left unclean, without repairing it.
//!
//! Beside a live writer, which leaves the file unclean all the time, the database reads the last safe commit. It
//! detects such a writer by its lock, while holding the lock on the header; this backend pretends that there is one, so
//! a dead writer's file is read the same way.
//!
//! Invariants: nothing is written, whatever the database requests.
//! Bounds: after a power loss the last commit may be torn; values have checksums of their own, and broken pages end as
//! damage.

use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{BackendError, StorageBackend};

/// The file as if its writer were alive.
#[derive(Debug)]
pub struct UnrepairedBackend<B> {
    file: B,
    /// Whether the header is locked; a query for a lock then asks whether the writer is alive.
    header_locked: AtomicBool,
}

impl<B> UnrepairedBackend<B> {
    /// Reads `file`.
    pub const fn new(file: B) -> Self {
        Self { file, header_locked: AtomicBool::new(false) }
    }
}

/// Locks of a file that no other process has: each is granted at once.
macro_rules! granted {
    () => {
        fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
            Ok(true)
        }

        fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
            Ok(true)
        }

        fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
            Ok(())
        }
    };
}

/// All locks of a file that only one process has: each is granted, and no other process holds one.
macro_rules! unshared {
    () => {
        $crate::store::file::unrepaired::granted!();

        fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
            Ok(())
        }

        fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
            Ok(())
        }

        fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
            Ok(false)
        }
    };
}
pub(crate) use {granted, unshared};

impl<B: StorageBackend> StorageBackend for UnrepairedBackend<B> {
    fn len(&self) -> Result<u64, io::Error> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.file.read(offset, out)
    }

    fn set_len(&self, _: u64) -> Result<(), io::Error> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, _: u64, _: &[u8]) -> Result<(), io::Error> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    granted!();

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        self.header_locked.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        self.header_locked.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(self.header_locked.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use redb::ReadableDatabase;

    use crate::model::{SiteId, Timestamp};
    use crate::ring::Producer;
    use crate::store::Options;
    use crate::store::file::open;
    use crate::store::read::view::{Query, View};
    use crate::store::tests::samples::day;
    use crate::store::writable::Store;
    use crate::store::writer::Writer;

    #[test]
    fn what_a_killed_writer_committed_is_seen_and_not_a_byte_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let store = Store::open(&path, &Options::default(), Timestamp::ZERO).unwrap().store;
        let site = store.register(&["api".into()], Timestamp::ZERO).unwrap()[0];
        let mut producer = Producer::new(1_000, 0);
        let mut writer = Writer::new(store, vec![(site.id, producer.ring().reader_at_head())]).unwrap();
        for (index, sample) in day(600).into_iter().enumerate() {
            producer.push(sample);
            if index % 100 == 99 {
                writer.flush(sample.at);
            }
        }
        let killed = folder.path().join("killed.redb");
        fs::copy(&path, &killed).unwrap();
        let before = fs::read(&killed).unwrap();
        assert!(open::open_read_only(&killed).unwrap().is_none(), "it is unclean");
        let database = open::open_unrepaired(&killed).unwrap();
        let view = View::new(&database.begin_read().unwrap()).unwrap();
        let query = Query { sites: Some(vec![SiteId(0)]), ..Query::ALL };
        let figures = crate::store::read::figures::figures(&view, &query, None).unwrap();
        assert_eq!(figures[0].stretch.rollup, day(600).iter().collect());
        drop(database);
        assert!(fs::read(&killed).unwrap() == before, "it was changed");
    }
}
