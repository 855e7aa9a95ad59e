//! Runs the writer on a blocking thread, because a disk may not answer for minutes and no one can cancel the call.
//!
//! Meanwhile the caller can ask since when the writer is away and whether the file still makes progress. Invariants: the writer is
//! away at most once; its panic resumes in the task that awaits it.

use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Sleep;

use crate::model::Timestamp;
use crate::model::time::duration;
use crate::store::{Flushed, LockHandle, Writer};

use super::archive_views::ArchiveViews;
use super::request::{Others, RestoreRequest};
use super::restore::recall;

/// Why a flush does not return while no operation on the file ends.
pub const DEAD: &str = "the disk does not answer";

/// Why a flush does not return while operations on the file end.
const SLOW: &str = "the disk is slow";

/// See the module.
pub struct DiskThread {
    work: Work,
    link: LockHandle,
    /// Operations on the file that had ended at the last look.
    operations: u64,
    /// Of a flush that was reported: how long it took so far, and how many samples were lost meanwhile.
    reported: Option<(Duration, u64)>,
}

enum Work {
    Here(Box<DiskSide>),
    Away {
        began: (Timestamp, Duration),
        result: JoinHandle<(Box<DiskSide>, Flushed)>,
    },
    /// Makes the last commit since then, by both clocks.
    Closing {
        began: (Timestamp, Duration),
    },
    /// It ended.
    Over,
}

/// The state that moves to the disk thread and back.
struct DiskSide {
    writer: Writer,
    long_views: Option<ArchiveViews>,
}

impl DiskThread {
    /// Of `writer`, whose file is at the end of `link`, and the views that are read from its store.
    #[must_use]
    pub fn new(writer: Writer, long_views: Option<ArchiveViews>, link: LockHandle) -> Self {
        Self { work: Work::Here(Box::new(DiskSide { writer, long_views })), link, operations: 0, reported: None }
    }

    /// The counter of operations on the file.
    #[cfg(test)]
    pub const fn link(&self) -> &LockHandle {
        &self.link
    }

    /// Whether a flush has not returned.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(self.work, Work::Away { .. })
    }

    /// Sends the writer, which must be here, to commit the collected samples at `now`, which is `elapsed` after the start. It
    /// takes over changed long views and answers `ask` from the committed state.
    pub fn flush(&mut self, now: Timestamp, elapsed: Duration, others: Option<Others>, ask: Option<RestoreRequest>) {
        let Work::Here(mut desk) = std::mem::replace(&mut self.work, Work::Over) else { return };
        if let Some(Others(others)) = others {
            desk.long_views = others;
        }
        self.operations = self.link.operations();
        let result = tokio::task::spawn_blocking(move || {
            let flushed = desk.flush(now);
            if let Some(ask) = ask {
                let known = recall(desk.writer.store(), &ask.sites, now);
                // The one who asked has left when the program ends.
                let _unheard = ask.answer.send(known.map_err(|error| error.to_string()));
            }
            (desk, flushed)
        });
        self.work = Work::Away { began: (now, elapsed), result };
    }

    /// Waits for the flush that is under way; pends forever if there is none.
    pub async fn returned(&mut self) -> Flushed {
        match self.back().await {
            Some(flushed) => flushed,
            None => std::future::pending().await,
        }
    }

    /// Waits for the flush that is under way, if there is one.
    pub async fn back(&mut self) -> Option<Flushed> {
        let Work::Away { result, .. } = &mut self.work else { return None };
        match result.await {
            Ok((desk, flushed)) => {
                self.work = Work::Here(desk);
                Some(flushed)
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// When a flush began that takes longer than `patience`, by both clocks, and why it does not return. The time since the start
    /// is `elapsed`.
    pub fn look(&mut self, elapsed: Duration, patience: Duration) -> Option<(Timestamp, Duration, &'static str)> {
        let operations = self.link.operations();
        let is_dead = std::mem::replace(&mut self.operations, operations) == operations;
        let (Work::Away { began: (at, began), .. } | Work::Closing { began: (at, began) }) = &self.work else {
            return None;
        };
        let away = elapsed.saturating_sub(*began);
        if away < patience {
            return None;
        }
        let lost = self.reported.map_or(0, |(_, lost)| lost);
        self.reported = Some((away, lost));
        Some((*at, *began, if is_dead { DEAD } else { SLOW }))
    }

    /// Counts samples that were lost during a reported flush.
    pub fn lost(&mut self, samples: u64) {
        if let Some((_, lost)) = &mut self.reported {
            *lost += samples;
        }
    }

    /// The notice for the end of a reported flush.
    pub fn relief(&mut self) -> Option<String> {
        let (away, lost) = self.reported.take()?;
        let lost = match lost {
            0 => "nothing was lost".to_owned(),
            lost => format!("{lost} samples were lost meanwhile"),
        };
        Some(format!("a commit that took more than {} has ended; {lost}", duration::format_seconds(away)))
    }

    /// Waits for the flush that is under way, if there is one; returns false if it has not returned by `deadline`.
    pub async fn back_by(&mut self, deadline: Pin<&mut Sleep>, note: impl FnOnce(&mut Self, Flushed)) -> bool {
        tokio::select! {
            biased;
            flushed = self.back() => {
                if let Some(flushed) = flushed {
                    note(self, flushed);
                }
                true
            }
            () = deadline => false,
        }
    }

    /// Shortens the wait for locks from now on.
    pub fn hurry(&self) {
        self.link.hurry();
    }

    /// Sends the writer, which must be here, to its last commit at `now`, which is `elapsed` after the start. Returns `None` if it
    /// has not ended by `deadline`; [`DiskThread::look`] says why.
    pub async fn close(&mut self, now: Timestamp, elapsed: Duration, deadline: Pin<&mut Sleep>) -> Option<Flushed> {
        let Work::Here(desk) = std::mem::replace(&mut self.work, Work::Over) else { return None };
        self.work = Work::Closing { began: (now, elapsed) };
        self.operations = self.link.operations();
        let closed = tokio::task::spawn_blocking(move || desk.writer.close(now));
        tokio::select! {
            biased;
            closed = closed => match closed {
                Ok(flushed) => {
                    self.work = Work::Over;
                    Some(flushed)
                }
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            () = deadline => None,
        }
    }
}

impl DiskSide {
    fn flush(&mut self, now: Timestamp) -> Flushed {
        let flushed = self.writer.flush_collected(now);
        if let Some(long_views) = &mut self.long_views {
            let store = self.writer.store();
            long_views.step(now, |query, cell| store.figures(query, Some(cell)).ok());
        }
        flushed
    }
}
