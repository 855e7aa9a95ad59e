//! Reads the overview as of an instant for the dashboard. The file is opened for each read, beside its writer; the checks around the
//! instant are kept, so that the next step finds them.
//!
//! Invariant: the figures of a row are those of `webmon stats` of the same period. Bounds: a million checks are kept; of
//! the requests that arrive during a read only the newest counts, and at most two reads in turn are given up for one.

mod known;
mod overview;
mod pooled;

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use crate::alert::AlertRecord;
use crate::app::alerts::history::KEPT;
use crate::store::{Archive, Query, StoreError};
use crate::tui::{PastOverview, PastRequest};

use super::reader_thread::{ReaderThread, Waiting};
use known::KnownChecks;

/// Sites between two looks for a newer request.
const LOOK_EVERY: usize = 32;

/// Reads that are given up for a newer request, before one is finished all the same: a held key shows where it is.
const GIVEN_UP: u32 = 2;

/// A reader of the past.
pub type PastReader = ReaderThread<PastRequest, Option<Arc<PastOverview>>>;

/// Starts a reader of the store at `path`.
///
/// # Errors
/// The system refuses a thread.
pub fn open(path: PathBuf) -> io::Result<PastReader> {
    let mut library = PastLibrary::new(path);
    let mut given_up = 0;
    ReaderThread::open("webmon-rewind", None, move |request, waiting: &Waiting<PastRequest>| {
        let newer = || if given_up < GIVEN_UP { waiting.newest() } else { None };
        match library.read(&request, newer) {
            ControlFlow::Continue(past) => {
                given_up = 0;
                ControlFlow::Continue(Some(Arc::new(past)))
            }
            ControlFlow::Break(newer) => {
                given_up += 1;
                ControlFlow::Break(newer)
            }
        }
    })
}

/// What a reader keeps between two reads.
pub struct PastLibrary {
    path: PathBuf,
    known: KnownChecks,
    /// Only of a store that has more alerts than memory holds.
    alerts: Option<StoredAlerts>,
}

/// All stored alerts, and the newest one that was in memory when they were read.
type StoredAlerts = (Arc<AlertRecord>, Arc<[Arc<AlertRecord>]>);

impl PastLibrary {
    /// One of the store at `path`, with nothing read.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, known: KnownChecks::default(), alerts: None }
    }

    /// The overview for `request`, or the newer request that `newer` found meanwhile.
    pub fn read(
        &mut self,
        request: &PastRequest,
        newer: impl FnMut() -> Option<PastRequest>,
    ) -> ControlFlow<PastRequest, PastOverview> {
        self.gathered(request, newer)
            .unwrap_or_else(|error| ControlFlow::Continue(overview::unreadable(request, error.reason())))
    }

    fn gathered(
        &mut self,
        request: &PastRequest,
        mut newer: impl FnMut() -> Option<PastRequest>,
    ) -> Result<ControlFlow<PastRequest, PastOverview>, StoreError> {
        let archive = Archive::open(&self.path)?;
        self.known.turn_to(&archive, request)?;
        let alerts = alerts(&mut self.alerts, &archive, request)?;
        let moment = archive.moment()?;
        let mut made = overview::Builder::new(request, &alerts);
        for (place, site) in request.sites.iter().enumerate() {
            let found = self.known.of(&moment, site, request)?;
            made.add(&moment, site, &found)?;
            if place % LOOK_EVERY == LOOK_EVERY - 1
                && let Some(newer) = newer()
            {
                return Ok(ControlFlow::Break(newer));
            }
        }
        Ok(ControlFlow::Continue(made.finish()))
    }

    /// The checks that are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.known.kept()
    }
}

/// All alerts: those in memory unless the store has more.
fn alerts(
    known: &mut Option<StoredAlerts>,
    archive: &Archive,
    request: &PastRequest,
) -> Result<Arc<[Arc<AlertRecord>]>, StoreError> {
    let Some(newest) = request.alerts.last().filter(|_| request.alerts.len() >= KEPT) else {
        return Ok(Arc::clone(&request.alerts));
    };
    if let Some((_, all)) = known.as_ref().filter(|(then, _)| Arc::ptr_eq(then, newest)) {
        return Ok(Arc::clone(all));
    }
    let all: Arc<[Arc<AlertRecord>]> = archive.alerts(&Query::ALL)?.into_iter().map(Arc::new).collect();
    *known = Some((Arc::clone(newest), Arc::clone(&all)));
    Ok(all)
}

#[cfg(test)]
mod tests;
