//! Records on their way to whoever writes them: a bounded queue, and a thread at its end.
//!
//! The thread alone waits for a disk or for a reader of stderr. What did not fit, and what could not be written, is
//! counted; the count stands before the next record that is written. That nothing can be written is told once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::model::Timestamp;
use crate::report::log_line::Record;

use super::about;

/// Records that may wait to be written.
pub const WAITING: usize = 4_096;
/// How long an end waits for what is on its way.
const SETTLE: Duration = Duration::from_secs(2);

/// How a record becomes a line.
pub type LineFormatter = fn(&mut Vec<u8>, &Record<'_>) -> io::Result<()>;
/// What writes one line.
pub type LineSink = Box<dyn FnMut(&[u8]) -> io::Result<()> + Send>;

/// The end of the queue.
pub struct Writing {
    /// What writes.
    pub sink: LineSink,
    /// Who is told when it cannot.
    pub tell: Box<dyn FnMut(String) + Send>,
    /// The form of what the queue itself has to say.
    pub form: LineFormatter,
}

enum Item {
    Line(Timestamp, Vec<u8>),
    /// Everything before this is to be written; then its other end hears.
    Settle(SyncSender<()>),
}

/// The beginning of the queue.
#[derive(Clone)]
pub struct LogQueue {
    items: SyncSender<Item>,
    missing: Arc<AtomicU64>,
}

impl LogQueue {
    /// A queue with a thread at its end.
    ///
    /// # Errors
    /// The system's, if it has no thread to give.
    pub fn open(writing: Writing) -> io::Result<Self> {
        let (items, received) = sync_channel(WAITING);
        let missing = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&missing);
        std::thread::Builder::new().name("webmon-log".to_owned()).spawn(move || writing.run(&received, &counted))?;
        Ok(Self { items, missing })
    }

    /// Puts `record`, of this time, into the queue, or counts it.
    pub fn put(&self, at: Timestamp, form: LineFormatter, record: &Record<'_>) {
        let mut line = Vec::with_capacity(256);
        form(&mut line, record).expect("writing to a Vec cannot fail");
        if self.items.try_send(Item::Line(at, line)).is_err() {
            self.missing.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits a moment for everything that was put in to be written.
    pub fn settle(&self) {
        let (settled, heard) = sync_channel(1);
        // A full queue means that nobody writes: there is nothing to wait for.
        if self.items.try_send(Item::Settle(settled)).is_ok() {
            let _in_time = heard.recv_timeout(SETTLE);
        }
    }
}

impl Writing {
    fn run(mut self, items: &Receiver<Item>, missing: &AtomicU64) {
        let mut is_told = false;
        while let Ok(item) = items.recv() {
            let (at, line) = match item {
                Item::Line(at, line) => (at, line),
                Item::Settle(settled) => {
                    // Whoever waited may have gone.
                    let _unheard = settled.send(());
                    continue;
                }
            };
            let lost = missing.swap(0, Ordering::Relaxed);
            let written = self.note(at, lost).and_then(|()| {
                // The note was written: what it counts is not counted again.
                (self.sink)(&line).map_err(|error| (error, 1))
            });
            if let Err((error, lost)) = written {
                missing.fetch_add(lost, Ordering::Relaxed);
                if !std::mem::replace(&mut is_told, true) {
                    (self.tell)(format!("the log cannot be written: {error}"));
                }
            }
        }
    }

    /// Says that this many records are missing, if they are; with an error, how many are missing now.
    fn note(&mut self, at: Timestamp, lost: u64) -> Result<(), (io::Error, u64)> {
        if lost == 0 {
            return Ok(());
        }
        let message = format!("{lost} records are missing here: they could not be written");
        let about = about::of(about::LOG).unwrap_or_default();
        let mut line = Vec::new();
        (self.form)(&mut line, &Record { at, level: "warn", about, message: &message, fields: &[] })
            .expect("writing to a Vec cannot fail");
        (self.sink)(&line).map_err(|error| (error, lost + 1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::report::log_line::text;

    fn record(message: &str) -> Record<'_> {
        Record { at: Timestamp::ZERO, level: "info", about: "webmon", message, fields: &[] }
    }

    fn put(queue: &LogQueue, message: &str) {
        queue.put(Timestamp::ZERO, text, &record(message));
    }

    /// Waits for as long as it takes.
    fn settle(queue: &LogQueue) {
        let (settled, heard) = sync_channel(1);
        queue.items.send(Item::Settle(settled)).unwrap();
        heard.recv().unwrap();
    }

    /// The sentences of what was written.
    fn sentences(written: &[u8]) -> Vec<String> {
        let text = String::from_utf8(written.to_vec()).unwrap();
        text.lines().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_told_once() {
        let (told, heard) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&written);
        let mut answers = [true, false, false, false, true, true].into_iter();
        let sink = move |line: &[u8]| {
            if answers.next() == Some(false) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            kept.lock().unwrap().extend_from_slice(line);
            Ok(())
        };
        let tell = move |notice| told.send(notice).unwrap();
        let queue = LogQueue::open(Writing { sink: Box::new(sink), tell: Box::new(tell), form: text }).unwrap();
        for message in ["one", "two", "three", "four", "five"] {
            put(&queue, message);
        }
        settle(&queue);
        let expected = ["one", "3 records are missing here: they could not be written", "five"];
        assert_eq!(sentences(&written.lock().unwrap()), expected);
        drop(queue);
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["the log cannot be written: no storage space"]);
    }

    #[test]
    fn whoever_speaks_never_waits() {
        let (go_on, may_go_on) = channel::<()>();
        let written = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&written);
        let sink = move |line: &[u8]| {
            // Stands still until it may go on: for good, once the other end is gone.
            let _gone = may_go_on.recv();
            kept.lock().unwrap().extend_from_slice(line);
            Ok(())
        };
        let queue = LogQueue::open(Writing { sink: Box::new(sink), tell: Box::new(|_| ()), form: text }).unwrap();
        // One may be in the hands of the thread, and as many as fit wait.
        for _ in 0..WAITING + 1 + 7 {
            put(&queue, "again");
        }
        let missing = queue.missing.load(Ordering::Relaxed);
        assert!((7..=8).contains(&missing), "{missing}");
        drop(go_on);
        settle(&queue);
        put(&queue, "last");
        settle(&queue);
        let written = sentences(&written.lock().unwrap());
        assert!(written.iter().any(|line| line.starts_with(&format!("{missing} records are missing"))));
        assert_eq!(written.iter().filter(|line| *line == "again").count() as u64, (WAITING + 8) as u64 - missing);
        assert_eq!(written.last().map(String::as_str), Some("last"));
    }
}
