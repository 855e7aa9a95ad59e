//! Reads the stored past for the dashboard, on a thread of its own.
//!
//! Idea: the newest wish counts. A reading looks now and then whether there is a newer one and is given up for it, so a
//! held key reads one stretch, not all that it passed. The file is opened for each reading, beside its writer. Limits: one
//! reading at a time, one result kept. The thread ends with the dashboard.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Timestamp;
use crate::store::{Archive, Query, StoreError};
use crate::ui::{Gather, Past, Wanted};

/// Samples between two looks at the wishes.
const LOOK_EVERY: u64 = 4_096;

/// A handle to the reader.
pub struct Library {
    wishes: Sender<Wanted>,
    read: Arc<Mutex<Option<Arc<Past>>>>,
}

impl Library {
    /// Starts a reader of the store at `path`.
    ///
    /// # Errors
    /// The system's, if it has no thread to give.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let (wishes, wanted) = channel();
        let read = Arc::new(Mutex::new(None));
        let shelf = Arc::clone(&read);
        std::thread::Builder::new().name("webmon-past".to_owned()).spawn(move || {
            let mut next = wanted.recv().ok();
            while let Some(wish) = newest(next.take(), &wanted) {
                match reading(&path, &wish, &wanted) {
                    ControlFlow::Continue(past) => {
                        // A plain mutex: held for a move of a pointer.
                        *shelf.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(past));
                        next = wanted.recv().ok();
                    }
                    ControlFlow::Break(newer) => next = Some(newer),
                }
            }
        })?;
        Ok(Self { wishes, read })
    }

    /// Wishes for this, in place of anything before.
    pub fn wish(&self, wanted: Wanted) {
        // The reader panicked: what was read last stays.
        let _unheard = self.wishes.send(wanted);
    }

    /// What was read last.
    #[must_use]
    pub fn read(&self) -> Option<Arc<Past>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn newest(wish: Option<Wanted>, wanted: &Receiver<Wanted>) -> Option<Wanted> {
    wanted.try_iter().last().or(wish)
}

/// What the store holds of `wish`, or a newer wish that came meanwhile.
fn reading(path: &Path, wish: &Wanted, wanted: &Receiver<Wanted>) -> ControlFlow<Wanted, Past> {
    match gathered(path, wish, wanted) {
        Ok(flow) => flow,
        Err(error) => {
            let mut past = Gather::new(wish.clone()).finish(None, |_, _| false);
            past.trouble = Some(error.reason());
            ControlFlow::Continue(past)
        }
    }
}

fn gathered(path: &Path, wish: &Wanted, wanted: &Receiver<Wanted>) -> Result<ControlFlow<Wanted, Past>, StoreError> {
    let archive = Archive::open(path)?;
    let mut gather = Gather::new(wish.clone());
    let Some(site) = archive.named(&wish.site)? else {
        return Ok(ControlFlow::Continue(gather.finish(None, |_, _| false)));
    };
    let begins = first(&archive, &Query { sites: Some(vec![site]), ..Query::ALL })?;
    let query = Query { sites: Some(vec![site]), since: gather.from(), until: wish.until.after(LAST) };
    let mut count = 0;
    let passed = archive.samples(&query, |stored| {
        gather.admit(&stored.sample);
        count += 1;
        let newer = if count % LOOK_EVERY == 0 { newest(None, wanted) } else { None };
        newer.map_or(Ok(()), Err)
    })?;
    if let Err(newer) = passed {
        return Ok(ControlFlow::Break(newer));
    }
    let others = |since, until| first(&archive, &Query { sites: None, since, until }).is_ok_and(|at| at.is_some());
    Ok(ControlFlow::Continue(gather.finish(begins, others)))
}

/// A query ends before its end; a stretch does not.
const LAST: std::time::Duration = std::time::Duration::from_micros(1);

/// When the first sample of `query` was known.
fn first(archive: &Archive, query: &Query) -> Result<Option<Timestamp>, StoreError> {
    let mut at = None;
    let _stopped = archive.samples(query, |stored| {
        at = Some(stored.sample.at);
        Err(())
    })?;
    Ok(at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Cause, Flags, Micros, Observation, SiteId};
    use crate::ring::Producer;
    use crate::stats::Cadence;
    use crate::store::{Options, Store, Writer};

    const START: Timestamp = Timestamp::from_secs(1_795_255_200);

    /// A store with two sites that are checked every 10 s: both until minute 10 and from minute 30 on; the second one
    /// also from minute 12 to minute 18, while the first was paused.
    fn stored(folder: &Path) -> (PathBuf, Writer) {
        let path = folder.join("webmon.redb");
        let store = Store::open(&path, &Options::default(), START).unwrap().store;
        let sites = store.register(&["api".into(), "docs".into()], START).unwrap();
        let mut producers = [0, 0].map(|seq| Producer::new(1_000, seq));
        let readers = sites.iter().zip(&producers).map(|(site, producer)| (site.id, producer.ring().reader_at_head()));
        let mut writer = Writer::new(store, readers.collect()).unwrap();
        for (site, minutes) in [(0, [0..10, 30..60]), (1, [0..18, 30..60])] {
            for minutes in minutes {
                for tick in minutes.start * 6..minutes.end * 6 {
                    let cause = if tick % 60 == 7 { Cause::Reset } else { Cause::Ok };
                    let at = START.after(Duration::from_secs(tick * 10 + 1));
                    let mut sample = Observation::failed(cause, "").sample(at, Micros::ZERO, 0);
                    if tick == 180 {
                        sample.flags = Flags::AFTER_HOLE;
                    }
                    producers[site].push(sample);
                }
            }
        }
        writer.flush(START);
        (path, writer)
    }

    fn wanted(site: &str, from: u64, until: u64) -> Wanted {
        Wanted {
            site: site.into(),
            cadence: Cadence { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) },
            span: Duration::from_mins(until - from),
            until: START.after(Duration::from_mins(until)),
            live: false,
            columns: 60,
        }
    }

    fn read(path: &Path, wish: &Wanted) -> Past {
        let (_wishes, none) = channel();
        let ControlFlow::Continue(past) = reading(path, wish, &none) else { panic!("nothing newer was wished for") };
        past
    }

    #[test]
    fn a_stretch_is_what_was_stored_of_it_with_its_holes_and_their_reasons() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _writer) = stored(folder.path());
        let past = read(&path, &wanted("api", 0, 40));
        // The last cell holds the end, so the first one begins a cell later than a stretch before it.
        assert_eq!((past.summary.counts.up, past.summary.counts.down), (114, 2));
        assert_eq!(past.series.cells.iter().map(|cell| cell.beat.up + cell.beat.down).max(), Some(4));
        assert_eq!(past.begins, Some(START.after(Duration::from_secs(1))));
        let minutes =
            |hole: &crate::ui::Hole| (hole.from.since(START).as_secs() / 60, hole.until.since(START).as_secs() / 60);
        assert_eq!(past.holes.iter().map(minutes).collect::<Vec<_>>(), [(9, 30)]);
        assert!(past.holes[0].others, "the other site was checked");
        let past = read(&path, &wanted("docs", 0, 40));
        assert!(!past.holes[0].others && minutes(&past.holes[0]) == (17, 30), "{:?}", past.holes);
        // A stretch that lies in the hole, and one before anything was stored.
        let past = read(&path, &wanted("api", 20, 28));
        assert_eq!((past.summary.counts.checks(), past.holes.len()), (0, 1));
        let mut early = wanted("api", 0, 1);
        early.until = START.before(Duration::from_hours(1));
        let past = read(&path, &early);
        assert_eq!((past.summary.counts.checks(), past.holes.len()), (0, 0));
        assert!(past.begins.is_some());
        assert_eq!(read(&path, &wanted("nobody", 0, 1)).begins, None);
    }

    #[test]
    fn a_newer_wish_counts_and_a_store_that_cannot_be_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _writer) = stored(folder.path());
        let (wishes, waiting) = channel();
        wishes.send(wanted("api", 1, 2)).unwrap();
        wishes.send(wanted("docs", 2, 3)).unwrap();
        assert_eq!(newest(Some(wanted("api", 0, 1)), &waiting), Some(wanted("docs", 2, 3)));
        let past = read(&folder.path().join("nothing.redb"), &wanted("api", 0, 40));
        assert_eq!(past.trouble.as_deref(), Some("the file is gone"));
        let library = Library::open(path).unwrap();
        library.wish(wanted("api", 0, 40));
        let past = loop {
            if let Some(past) = library.read() {
                break past;
            }
            std::thread::yield_now();
        };
        assert_eq!(past.wanted, wanted("api", 0, 40));
    }

    #[test]
    fn the_number_of_a_site_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _writer) = stored(folder.path());
        let archive = Archive::open(&path).unwrap();
        assert_eq!((archive.named("docs").unwrap(), archive.named("no").unwrap()), (Some(SiteId(1)), None));
    }
}
