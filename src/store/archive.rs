//! Read access to the store from another process, beside its writer or without one.
//!
//! Invariants: reading never moves, creates or loses anything. A file that was left unclean (its writer was killed) is
//! repaired once if it is writable, otherwise read as it is. No transaction outlives a call, a step of
//! [`Archive::samples`], or a [`Moment`].

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redb::{Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase};

use crate::alert::AlertRecord;
use crate::alert::kept::incident::{Incident, Silence};
use crate::model::{Certificate, FailedAnswer, SiteId, Timestamp};
use crate::store::read::export_start;

use super::admin::backup;
use super::error::{StoreError, guard};
use super::file::open::{self, Options};
use super::file::path_check;
use super::read::export_reader::{ExportBatch, ExportReader};
use super::read::failures::{self, StoredFailure};
use super::read::figures::Figures;
use super::read::moment::Moment;
use super::read::rolled::{self, RolledSite};
use super::read::samples::{self, Passed, StoredSample};
use super::read::view::{self, Query, StoredSite, View};
use super::tables::blind::Outages;
use super::tables::export_cursor::StoredSink;
use super::tables::outbox::Kept;
use super::tables::{certificate, evidence};
use super::verify::{self, Contents, Verification};

/// The store, opened for reading.
pub struct Archive {
    path: PathBuf,
    database: ReadOnlyDatabase,
}

impl Archive {
    /// Opens the store at `path`.
    ///
    /// # Errors
    /// There is none, it is foreign, newer or damaged, or the system refuses.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = &*path_check::resolved(path)?;
        let at_once = Options { lock_patience: Duration::ZERO, ..Options::default() };
        let repaired = || open::open(path, &at_once);
        Self::open_with(path, || open::open_read_only(path), repaired, || open::open_unrepaired(path))
    }

    /// Opens with `look`, after a repair if one is needed, or with `unrepaired` if it cannot be repaired.
    pub(super) fn open_with(
        path: &Path,
        look: impl Fn() -> Result<Option<ReadOnlyDatabase>, StoreError>,
        repaired: impl FnOnce() -> Result<Database, StoreError>,
        unrepaired: impl FnOnce() -> Result<ReadOnlyDatabase, StoreError>,
    ) -> Result<Self, StoreError> {
        let archive = |database| Self { path: path.to_owned(), database };
        if let Some(database) = look()? {
            return Ok(archive(database));
        }
        let closed = |database: Database| guard(|| Ok(database.close()?)).map_err(|error| StoreError::of(path, error));
        match repaired().and_then(closed) {
            // If it is in use, a writer has just started and repairs the file.
            Ok(()) | Err(StoreError::Locked { .. }) => {}
            // It is not writable, or the disk is full; its last commit is still readable.
            Err(refused @ (StoreError::Io { .. } | StoreError::Strange { .. })) => {
                return unrepaired().map(archive).map_err(|_| refused);
            }
            Err(error) => return Err(error),
        }
        look()?.map(archive).ok_or_else(|| StoreError::Locked { path: path.to_owned() })
    }

    /// Every stored site, by number.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sites(&self) -> Result<Vec<StoredSite>, StoreError> {
        let read = || {
            let transaction = self.database.begin_read()?;
            let view = View::new(&transaction)?;
            let mut sites = Vec::new();
            for (id, record) in view::sites(&transaction)? {
                let (next_seq, last_at) = view.newest(id)?;
                sites.push(StoredSite { id, name: record.name, known_since: record.known_since, next_seq, last_at });
            }
            sites.sort_by_key(|site| site.id);
            Ok::<_, redb::Error>(sites)
        };
        guard(read).map_err(|error| self.failed(error))
    }

    /// The outages of this machine's own network.
    ///
    /// # Errors
    /// Those of the database.
    pub fn outages(&self) -> Result<Outages, StoreError> {
        let read = || Outages::new(&self.database.begin_read()?);
        guard(read).map_err(|error| self.failed(error))
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
        let begin = || -> Result<ReadTransaction, redb::Error> { Ok(self.database.begin_read()?) };
        samples::visit(query, begin, each).map_err(|error| self.failed(error))
    }

    /// [`Moment::figures`] of now.
    ///
    /// # Errors
    /// Those of the database.
    pub fn figures(&self, query: &Query, cell: Option<Duration>) -> Result<Vec<Figures>, StoreError> {
        self.moment()?.figures(query, cell)
    }

    /// The store as of now, for several questions.
    ///
    /// # Errors
    /// Those of the database.
    pub fn moment(&self) -> Result<Moment, StoreError> {
        let read = || Moment::new(self.path.clone(), &self.database.begin_read()?);
        guard(read).map_err(|error| self.failed(error))
    }

    /// [`Moment::parts`] of now.
    ///
    /// # Errors
    /// Those of the database.
    pub fn parts(&self, site: SiteId, periods: &[(Timestamp, Timestamp)]) -> Result<Vec<Figures>, StoreError> {
        self.moment()?.parts(site, periods)
    }

    /// The sums of what is rolled up of at most `most` sites from number `from` on, by number.
    ///
    /// # Errors
    /// Those of the database.
    pub fn rolled(&self, from: SiteId, most: usize) -> Result<Vec<RolledSite>, StoreError> {
        guard(|| rolled::rolled(&self.database.begin_read()?, from, most)).map_err(|error| self.failed(error))
    }

    /// The alerts that `query` asks for, by time.
    ///
    /// # Errors
    /// Those of the database.
    pub fn alerts(&self, query: &Query) -> Result<Vec<AlertRecord>, StoreError> {
        let read = || view::alerts(&self.database.begin_read()?, query);
        guard(read).map_err(|error| self.failed(error))
    }

    /// The incidents, waiting messages, what outlets were told, and silences.
    ///
    /// # Errors
    /// Those of the database.
    pub fn kept(&self) -> Result<Kept, StoreError> {
        let read = || view::kept(&self.database.begin_read()?);
        guard(read).map_err(|error| self.failed(error))
    }

    /// The incidents, open or closed lately, and the silences, with past ones that count as maintenance.
    ///
    /// # Errors
    /// Those of the database.
    pub fn standing(&self) -> Result<(Vec<Incident>, Vec<Silence>), StoreError> {
        let read = || view::standing(&self.database.begin_read()?);
        guard(read).map_err(|error| self.failed(error))
    }

    /// Fills `found` with at most `most` samples and alerts that `follower` has not received yet.
    ///
    /// # Errors
    /// Those of the database; nothing is delivered twice.
    pub fn follow(&self, follower: &mut ExportReader, most: usize, found: &mut ExportBatch) -> Result<(), StoreError> {
        guard(|| follower.read(&self.database.begin_read()?, most, found)).map_err(|error| self.failed(error))
    }

    /// The certificate that each site last presented, by site.
    ///
    /// # Errors
    /// Those of the database.
    pub fn certificates(&self) -> Result<Vec<(SiteId, Certificate)>, StoreError> {
        guard(|| certificate::all(&self.database.begin_read()?)).map_err(|error| self.failed(error))
    }

    /// What `site` answered to checks that failed within `period`, oldest first; of those only that were kept
    /// (docs/store-format.md).
    ///
    /// # Errors
    /// Those of the database.
    pub fn evidence(&self, site: SiteId, period: &RangeInclusive<Timestamp>) -> Result<Vec<FailedAnswer>, StoreError> {
        guard(|| evidence::within(&self.database.begin_read()?, site, period)).map_err(|error| self.failed(error))
    }

    /// The texts of failed checks within these numbers of each site, as far as there are any, by site and in order.
    ///
    /// # Errors
    /// Those of the database.
    pub fn failures(&self, seqs: &BTreeMap<SiteId, RangeInclusive<u64>>) -> Result<Vec<StoredFailure>, StoreError> {
        guard(|| failures::within(&self.database.begin_read()?, seqs)).map_err(|error| self.failed(error))
    }

    /// Every sink that samples were exported to.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sinks(&self) -> Result<Vec<StoredSink>, StoreError> {
        guard(|| export_start::stored(&self.database.begin_read()?)).map_err(|error| self.failed(error))
    }

    /// Its contents.
    ///
    /// # Errors
    /// Those of the database.
    pub fn contents(&self) -> Result<Contents, StoreError> {
        let read = || verify::contents(&self.database.begin_read()?, open::bytes(&self.path));
        guard(read).map_err(|error| self.failed(error))
    }

    /// Reads every record and verifies its checksum, and that the numbers of each site have no gap.
    ///
    /// # Errors
    /// Those of the database; damaged records are none, they are in the verdict.
    pub fn verify(&self) -> Result<Verification, StoreError> {
        self.verify_with(|_, _| ())
    }

    /// Like [`Archive::verify`]; `progress` receives the numbers of blocks read and of all blocks.
    ///
    /// # Errors
    /// Those of [`Archive::verify`].
    pub fn verify_with(&self, progress: impl FnMut(u64, u64)) -> Result<Verification, StoreError> {
        let verify = || verify::verify_with(&self.database.begin_read()?, progress);
        let mut verdict = guard(verify).map_err(|error| self.failed(error))?;
        verdict.unusable = open::rehearse(&self.path)?;
        Ok(verdict)
    }

    /// Copies the store to a new file at `to`, or in place of an older copy there, and returns the bytes it takes.
    ///
    /// # Errors
    /// There is a file at `to` that is not to be replaced, it cannot be written, or those of the database.
    pub fn backup(&self, to: &Path, replace: bool) -> Result<u64, StoreError> {
        self.backup_with(to, replace, |_, _| ())
    }

    /// Like `backup`; `progress` receives the numbers of blocks copied and of all blocks.
    ///
    /// # Errors
    /// Those of [`Archive::backup`].
    pub fn backup_with(&self, to: &Path, replace: bool, progress: impl FnMut(u64, u64)) -> Result<u64, StoreError> {
        let begin = || -> Result<ReadTransaction, redb::Error> { Ok(self.database.begin_read()?) };
        backup::copy((&self.path, &begin), (to, replace), progress)?;
        Ok(open::bytes(to))
    }

    /// Whether a process has the store at `path` open for writing, by its lock; `None` if unknown. The number
    /// that a writer left in the store may be another process's by now, or one of another container.
    #[must_use]
    pub fn has_writer(path: &Path) -> Option<bool> {
        open::has_writer(&path_check::resolved(path).ok()?)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn database(&self) -> &ReadOnlyDatabase {
        &self.database
    }

    pub(super) fn failed<E: Into<redb::Error>>(&self, error: E) -> StoreError {
        StoreError::of(&self.path, error)
    }
}
