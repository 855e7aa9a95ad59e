//! The store, opened for writing: sites and their numbers, replay, alerts.
//!
//! Invariants: at most one [`Store`] of a file exists in the whole system (the file is locked); opening seals what an
//! unclean stop left in the journal, so a start reads blocks only. A damaged file is moved aside, never deleted, and
//! only after its lock was taken. Sites are identified by name: the order of sites.yaml does not matter.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, WriteTransaction};

use crate::model::{Sample, SiteId, Timestamp};
use crate::store::read::export_start;
use crate::store::tables::record::Registered;

use super::error::{self, StoreError, guard};
use super::file::lock::LockHandle;
use super::file::open::{self, Options};
use super::file::path_check::{self, Identity};
use super::file::{aside, new_file, opening_mark};
use super::limits::Keep;
use super::maintain::clock_trust::{self, ClockTrust};
use super::maintain::seal::{self, Sealed, Sealing};
use super::maintain::space::SpaceUsage;
use super::read::export_start::Start;
use super::read::figures::{self, Figures};
use super::read::samples::{self, Passed, StoredSample};
use super::read::view::{self, Query, View};
use super::tables::export_cursor::{self, Progress};
use super::tables::journal::Journal;
use super::tables::record::{self, SiteRecord};
use super::tables::schema;
use super::tables::writer_signature::{self, Signature};

/// Longest wait of a commit for another process to release the header.
const WRITER_PATIENCE: Duration = Duration::from_secs(4);

/// The reason for not opening a file again.
const ENDED: &str = "opening it ended webmon the last time";

/// Opens the database again.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, StoreError> + Send>;

/// The file of all samples and alerts, opened for writing.
pub struct Store {
    path: PathBuf,
    opener: Opener,
    pub(super) database: Option<Database>,
    /// The opened file; `None`: it is in no folder.
    pub(super) identity: Option<Identity>,
    /// The signature of this writer, if any.
    pub(super) signed: Option<Signature>,
    pub(super) keep: Keep,
    /// The last count of the pages in use, while it is valid.
    pub(super) room: Option<SpaceUsage>,
    /// Trust in the clock.
    pub(super) trust: ClockTrust,
    /// No hour that ends after it is rolled up by sealing.
    pub(super) decided: Timestamp,
    /// The part of the journal read for figures.
    tail: Mutex<Arc<Journal>>,
    /// Handle to the open file, and how to wait for a lock on it.
    link: LockHandle,
    pause: fn(Duration),
}

/// An opened store, and notices for the user.
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Complete sentences: a file moved aside, damaged records.
    pub notices: Vec<String>,
}

impl Store {
    /// Opens the store at `path`, or makes one. A damaged file is moved aside, with a notice.
    ///
    /// # Errors
    /// The file is locked by another process (after [`Options::lock_patience`]), foreign, of a newer version, no file,
    /// another user's, or the system refuses. In each case it is as it was.
    pub fn open(path: &Path, options: &Options, now: Timestamp) -> Result<Opened, StoreError> {
        let path = &*path_check::resolved(path)?;
        let mut notices = Vec::new();
        let mut ended = opening_mark::ended_a_process(path);
        loop {
            let opened = if std::mem::take(&mut ended) {
                Err(StoreError::Damaged { path: path.to_owned(), reason: ENDED.to_owned() })
            } else {
                opening_mark::watched(path, || Self::open_existing(path, options))
            };
            match opened {
                Err(StoreError::Missing { .. }) => open::create(path)?,
                Err(StoreError::Empty { .. }) => new_file::fill(path)?,
                Err(StoreError::Damaged { reason, .. }) if notices.is_empty() => {
                    let moved = aside::move_aside(path, now)?;
                    let (path, aside) = (path.display(), moved.display());
                    notices.push(format!("{path} is damaged ({reason}): moved to {aside}, starting a new store"));
                }
                Err(error) => return Err(error),
                Ok((mut store, sealed)) => {
                    let newest = store.look(clock_trust::newest)?;
                    store.trust = ClockTrust::since(newest);
                    notices.extend(path_check::secure(path));
                    notices.extend(sealed.notice());
                    return Ok(Opened { store, notices });
                }
            }
        }
    }

    /// Opens the store at `path`, which exists, and seals it.
    pub(super) fn open_existing(path: &Path, options: &Options) -> Result<(Self, Sealed), StoreError> {
        // Open for reading first: a foreign file or one of a newer version must not change by a byte. Other problems
        // recur when the file is opened, and locked, for writing.
        let unclean = match open::open_read_only(path) {
            Err(StoreError::Damaged { .. } | StoreError::Locked { .. } | StoreError::LockHeld { .. }) | Ok(None) => {
                true
            }
            Ok(Some(_)) => false,
            Err(error) => return Err(error),
        };
        let database = open::open(path, &Options { verify: unclean, ..options.clone() })?;
        if let Err(error) = guard(|| schema::upgrade(&database)) {
            error::let_go(database);
            return Err(StoreError::of(path, error));
        }
        let reopened = path.to_owned();
        let at_once = Options { lock_patience: Duration::ZERO, ..options.clone() };
        let mut store = Self::new(path.to_owned(), Box::new(move || open::open(&reopened, &at_once)), database)
            .keeping(options.keep);
        store.identity = Identity::at(path);
        store.link = options.link.clone();
        store.link.set_patience(WRITER_PATIENCE);
        store.pause = options.pause;
        let sealed = store.seal()?;
        Ok((store, sealed))
    }

    /// A store over `database`, which is of our format; `opener` opens it again after a failure.
    pub(super) fn new(path: PathBuf, opener: Opener, database: Database) -> Self {
        let (database, keep) = (Some(database), Keep::default());
        let (link, pause) = (LockHandle::default(), std::thread::sleep as fn(Duration));
        Self {
            path,
            opener,
            database,
            identity: None,
            signed: None,
            keep,
            room: None,
            trust: ClockTrust::default(),
            decided: Timestamp::MAX,
            tail: Mutex::default(),
            link,
            pause,
        }
    }

    /// Sets the retention.
    pub(super) fn keeping(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// Finds or makes the stable number of each name, in the order of `names`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn register(&self, names: &[Arc<str>], now: Timestamp) -> Result<Vec<Registered>, StoreError> {
        let known = self.look(view::sites)?;
        let mut ids: HashMap<Arc<str>, (SiteId, Timestamp)> =
            known.iter().map(|(id, site)| (site.name.clone(), (*id, site.known_since))).collect();
        // A forged file can use the last number; then unused numbers follow from 0 on.
        let mut free = known.keys().map(|id| id.0).max().map_or(Some(0), |last| last.checked_add(1)).unwrap_or(0);
        let mut new = Vec::new();
        for name in names {
            ids.entry(name.clone()).or_insert_with(|| {
                while known.contains_key(&SiteId(free)) || SiteId(free) == SiteId::OWN {
                    free = free.wrapping_add(1);
                }
                let id = free;
                new.push((id, SiteRecord { name: name.clone(), known_since: now }));
                free = free.wrapping_add(1);
                (SiteId(id), now)
            });
        }
        if !new.is_empty() {
            self.change(|transaction| record::insert_sites(transaction, &new))?;
        }
        self.look(|transaction| {
            let view = View::new(transaction)?;
            let registered = |name: &Arc<str>| {
                let (id, known_since) = ids[name];
                let (next_seq, last_at) = view.newest(id)?;
                Ok(Registered { id, next_seq, last_at, known_since })
            };
            names.iter().map(registered).collect()
        })
    }

    /// Appends the newest samples of `site` to `out`, in order: as far back as they are at or after `since`, are
    /// numbered without a gap, and their times increase. Returns the number of the first, or of the next sample to
    /// come if there is none.
    ///
    /// # Errors
    /// Those of the database.
    pub fn replay(&self, site: SiteId, since: Timestamp, out: &mut Vec<Sample>) -> Result<u64, StoreError> {
        self.look(|transaction| View::new(transaction)?.replay(site, since, out))
    }

    /// Hands every sample that `query` asks for to `each`, by time and at equal times in the order of the query, until
    /// `each` fails. The samples of one site keep the order of their numbers, also where its clock was set back.
    ///
    /// # Errors
    /// Those of the database are the outer ones, that of `each` is the inner one.
    pub fn samples<E>(
        &self,
        query: &Query,
        each: impl FnMut(&StoredSample<'_>) -> Result<(), E>,
    ) -> Result<Result<Passed, E>, StoreError> {
        let database = self.opened()?;
        let begin = || -> Result<ReadTransaction, redb::Error> { Ok(database.begin_read()?) };
        samples::visit(query, begin, each).map_err(|error| self.failed(error))
    }

    /// The figures of each site that `query` names, as in [`super::Archive::figures`]. Reads only those journal entries
    /// that are new since the last call, so many calls cost little.
    ///
    /// # Errors
    /// Those of the database.
    pub fn figures(&self, query: &Query, cell: Option<Duration>) -> Result<Vec<Figures>, StoreError> {
        let mut kept = self.tail.lock().expect("a look that panics is caught within the lock");
        // Put back only when whole.
        let mut tail = Arc::try_unwrap(std::mem::take(&mut *kept)).unwrap_or_default();
        self.look(|transaction| {
            tail.catch_up(&transaction.open_table(schema::JOURNAL)?)?;
            *kept = Arc::new(tail);
            figures::figures(&View::with(transaction, Arc::clone(&kept))?, query, cell)
        })
    }

    /// The progress of the sink of this name; a new one begins at `start`, and that is saved.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sink(&self, name: &str, start: Start) -> Result<Progress, StoreError> {
        let mut known = self.look(export_cursor::all)?;
        if let Some(at) = known.iter().position(|progress| *progress.name == *name) {
            return Ok(known.swap_remove(at));
        }
        let number = known.iter().map(|progress| progress.sink + 1).max().unwrap_or(0);
        let progress = self.look(|transaction| export_start::begin(transaction, (number, name), start))?;
        self.change(|transaction| {
            export_cursor::shed(transaction, &known)?;
            export_cursor::write(transaction, &progress)
        })?;
        Ok(progress)
    }

    /// Handle to the open file, for a thread that waits for a commit.
    #[must_use]
    pub fn link(&self) -> LockHandle {
        self.link.clone()
    }

    /// Shortens later waits for a lock.
    pub(super) fn hurry(&self) {
        self.link.hurry();
    }

    /// Bytes that the file takes on its disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        open::bytes(&self.path)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `change` in one durable transaction, reopening the database if it was closed. Fails if the file is no
    /// longer in its place, or another process wrote to it in the meantime.
    pub(super) fn write<T>(
        &mut self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.reopen()?;
        self.change(change)
    }

    pub(super) fn reopen(&mut self) -> Result<(), StoreError> {
        if self.identity.is_some() && Identity::at(&self.path) != self.identity {
            return Err(StoreError::Moved { path: self.path.clone() });
        }
        self.look_after()?;
        if self.database.is_none() {
            self.database = Some((self.opener)()?);
            self.link.set_patience(WRITER_PATIENCE);
            self.recognise()?;
        }
        Ok(())
    }

    /// Fails if another program truncated or overwrote the file.
    fn look_after(&self) -> Result<(), StoreError> {
        if self.link.is_ours() { Ok(()) } else { Err(StoreError::Altered { path: self.path.clone() }) }
    }

    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let database = self.opened()?;
        self.look_after()?;
        // A commit that fails midway needs a repair; one that never began costs nothing.
        self.link.ready(self.pause).map_err(|held| StoreError::LockHeld {
            path: self.path.clone(),
            held,
            is_untouched: true,
        })?;
        let outcome = guard(|| {
            // Immediate durability, the database's default: a commit that returned is on the disk.
            let transaction = database.begin_write()?;
            let changed = change(&transaction)?;
            transaction.commit()?;
            Ok(changed)
        });
        outcome.map_err(|error| self.failed(error))
    }

    /// Moves the whole journal into blocks; nothing is written when it is empty.
    pub(super) fn seal(&mut self) -> Result<Sealed, StoreError> {
        let is_empty = |transaction: &ReadTransaction| Ok(transaction.open_table(schema::JOURNAL)?.first()?.is_none());
        if self.database.is_some() && self.look(is_empty)? {
            return Ok(Sealed::default());
        }
        let sealing = self.seal_most()?;
        self.write(|transaction| sealing.finish(transaction))
    }

    /// Moves all but the last part of the journal into blocks: nothing if it is short.
    pub(super) fn seal_most(&mut self) -> Result<Sealing, StoreError> {
        self.reopen()?;
        let decided = self.decided;
        let mut sealing = self.look(|transaction| Sealing::of(&transaction.open_table(schema::JOURNAL)?, decided))?;
        while let Some(end) = sealing.part(self.keep.step(seal::PART)) {
            self.change(|transaction| sealing.seal_before(transaction, end))?;
        }
        Ok(sealing)
    }

    /// Drops the database, after a failure: it refuses every write until it is opened again.
    pub(super) fn let_go(&mut self) {
        *self.tail.get_mut().expect("a look that panics is caught within the lock") = Arc::default();
        // Closing the database writes; it must not touch another program's data.
        let _ours = self.link.is_ours();
        error::let_go(self.database.take());
    }

    /// Closes the database, so that it is clean when it is opened next.
    pub(super) fn close(mut self) -> Result<(), StoreError> {
        if self.signed.is_some() {
            // The next reader notices a missing sign-off.
            let _unsigned = self.change(writer_signature::sign_off);
        }
        match self.database.take() {
            Some(database) => guard(|| Ok(database.close()?)).map_err(|error| self.failed(error)),
            None => Ok(()),
        }
    }

    /// Reads the committed data in one transaction.
    pub(super) fn look<T>(
        &self,
        look: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let database = self.opened()?;
        guard(|| look(&database.begin_read()?)).map_err(|error| self.failed(error))
    }

    fn opened(&self) -> Result<&Database, StoreError> {
        self.database.as_ref().ok_or_else(|| StoreError::Closed { path: self.path.clone() })
    }

    fn failed(&self, error: redb::Error) -> StoreError {
        // Report the cause, not the database's view of another program's pages.
        self.look_after().err().unwrap_or_else(|| StoreError::of(&self.path, error))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // A store that is dropped after an error may be damaged.
        error::let_go(self.database.take());
    }
}
