//! The monitor's side of the folder of orders: looks once a second, obeys, waits for the commit, answers, removes the file.
//!
//! Invariants: an order is obeyed once, wherever a crash falls: the note that it was obeyed is in the commit of what it did, and
//! goes only after the file. While the store cannot save, an order has its effect and its file stays. A file that is no order
//! is refused with a warning, once.
//! Bounds: [`A_LOOK`] orders in one look, [`WARNED_MAX`] names that are not warned of again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::alerts::book::AlertBook;
use crate::app::clock::Clock;
use crate::app::status::health_meter::StoreStatus;
use crate::app::storage::task::blocking;
use crate::model::Timestamp;
use crate::model::text::{clean_line, shown_path};

use super::file_format::{Answer, decode};
use super::folder::{OrderFolder, Scan};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// The most orders in one look.
const A_LOOK: usize = 50;

/// The most names that are remembered because they were warned of.
const WARNED_MAX: usize = 1_000;

/// The most bytes of a file's name in a warning.
const SHOWN_MAX: usize = 80;

/// No command waits for the answer to an order that is so old.
const UNHEARD: Duration = Duration::from_secs(10);

/// See the module.
pub struct Inbox {
    folder: OrderFolder,
    book: Arc<AlertBook>,
    /// Orders that were obeyed and whose files still exist.
    under_way: BTreeMap<Arc<str>, UnderWay>,
    /// Names that were warned of.
    warned: BTreeSet<String>,
    /// Why the folder could not be read at the last look.
    fault: Option<String>,
    /// Whether the notes of an earlier run were compared with the folder.
    is_tidy: bool,
}

struct UnderWay {
    ticket: u64,
    answer: Answer,
    is_answered: bool,
}

impl Inbox {
    /// The inbox of `folder`; `book` obeys.
    #[must_use]
    pub fn new(folder: OrderFolder, book: Arc<AlertBook>) -> Self {
        let (under_way, warned) = (BTreeMap::new(), BTreeSet::new());
        Self { folder, book, under_way, warned, fault: None, is_tidy: false }
    }

    /// Looks until `stop`; warnings go to `status`.
    pub async fn run(mut self, clock: Clock, status: watch::Sender<StoreStatus>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut commits = status.subscribe();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                // A commit ends what waits for it; the sender is here.
                Ok(()) = commits.changed(), if self.waits() => {}
            }
            commits.mark_unchanged();
            let now = clock.now();
            // The folder may be on a disk that does not answer.
            let warnings;
            (self, warnings) = blocking(move || {
                let warnings = self.look(now);
                (self, warnings)
            })
            .await;
            if !warnings.is_empty() {
                status.send_modify(|status| warnings.into_iter().for_each(|warning| status.tell(warning)));
            }
        }
    }

    /// Whether an order waits for a commit.
    fn waits(&self) -> bool {
        self.under_way.values().any(|order| !order.is_answered)
    }

    /// Obeys what is new and ends what was saved. Returns warnings.
    pub fn look(&mut self, now: Timestamp) -> Vec<String> {
        let mut warnings = Vec::new();
        match self.folder.scan(now) {
            Ok(scan) => {
                self.fault = None;
                self.take(&scan, now, &mut warnings);
            }
            Err(error) => {
                let fault = Some(error.to_string());
                if self.fault != fault {
                    let path = shown_path(self.folder.path());
                    warnings.push(format!("orders in {path} are not obeyed: {error}"));
                    self.fault = fault;
                }
            }
        }
        self.finish(&mut warnings);
        warnings
    }

    fn take(&mut self, scan: &Scan, now: Timestamp, warnings: &mut Vec<String>) {
        for name in &scan.strange {
            self.warn(name, || "it does not belong there".to_owned(), warnings);
        }
        if scan.is_cut {
            self.warn("…", || "there are too many files".to_owned(), warnings);
        }
        let known: BTreeSet<Arc<str>> = self.book.obeyed().into_iter().collect();
        let is_new = |name: &&Arc<str>| !self.under_way.contains_key(*name) && !self.warned.contains(&***name);
        let new: Vec<Arc<str>> = scan.orders.iter().filter(is_new).take(A_LOOK).cloned().collect();
        for name in new {
            if known.contains(&name) {
                // An earlier run obeyed it, and ended before the file was gone.
                let order = UnderWay { ticket: 0, answer: Answer::default(), is_answered: false };
                self.under_way.insert(name, order);
            } else {
                self.obey(&name, now, warnings);
            }
        }
        if !std::mem::replace(&mut self.is_tidy, true) && !scan.is_cut {
            // The file was removed; its note remained.
            known.iter().filter(|name| !scan.orders.contains(name)).for_each(|name| self.book.forget_order(name));
        }
    }

    fn obey(&mut self, name: &Arc<str>, now: Timestamp, warnings: &mut Vec<String>) {
        let is_final = |bytes: Vec<u8>| Answer::decode(&bytes).is_some_and(|answer| answer.is_saved);
        if self.folder.answer(name).is_some_and(is_final) {
            // Refused in a run that ended before the file was gone.
            return self.remove(name, warnings);
        }
        let bytes = match self.folder.read(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => return self.warn(name, || error.to_string(), warnings),
            Ok(bytes) => bytes,
        };
        let (order, ordered) = match decode(&bytes) {
            Ok(read) => read,
            Err(reason) => {
                self.warn(name, || reason.clone(), warnings);
                return self.refuse(name, reason, warnings);
            }
        };
        match self.book.obey(&order, &ordered, Some(name)) {
            Ok((obeyed, ticket)) => {
                let order = UnderWay { ticket, answer: Answer::of(&obeyed), is_answered: false };
                self.under_way.insert(Arc::clone(name), order);
            }
            Err(refusal) => {
                if now.since(ordered.at) >= UNHEARD {
                    let by = &ordered.by;
                    warnings.push(format!("an order of {by} that waited was refused: {refusal}"));
                }
                self.refuse(name, refusal.to_string(), warnings);
            }
        }
    }

    fn refuse(&mut self, name: &Arc<str>, reason: String, warnings: &mut Vec<String>) {
        // Without an answer the command says that there was none.
        let _unanswered = self.folder.put_answer(name, &Answer::refusing(reason).encode());
        self.remove(name, warnings);
    }

    fn remove(&mut self, name: &Arc<str>, warnings: &mut Vec<String>) {
        if let Err(error) = self.folder.remove(name) {
            self.warn(name, || format!("cannot remove it: {error}"), warnings);
        }
    }

    /// Answers the orders that are on the disk, and removes their files.
    fn finish(&mut self, warnings: &mut Vec<String>) {
        let mut over = Vec::new();
        for (name, order) in &mut self.under_way {
            let saved = self.book.is_saved(order.ticket);
            if saved == Some(false) {
                continue;
            }
            if !order.is_answered {
                order.answer.is_saved = saved == Some(true);
                let _unanswered = self.folder.put_answer(name, &order.answer.encode());
                order.is_answered = true;
            }
            if saved == Some(true) {
                over.push(Arc::clone(name));
            }
        }
        for name in over {
            match self.folder.remove(&name) {
                Ok(()) => {
                    self.under_way.remove(&name);
                    self.book.forget_order(&name);
                }
                Err(error) => self.warn(&name, || format!("cannot remove it: {error}"), warnings),
            }
        }
    }

    /// Warns of the file `name`, once.
    fn warn(&mut self, name: &str, reason: impl FnOnce() -> String, warnings: &mut Vec<String>) {
        if self.warned.len() < WARNED_MAX && self.warned.insert(name.to_owned()) {
            let (path, name) = (shown_path(self.folder.path()), clean_line(name, SHOWN_MAX));
            warnings.push(format!("{name} in {path} is refused: {}", reason()));
        }
    }
}
