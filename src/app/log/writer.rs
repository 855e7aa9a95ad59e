//! Passes records through a bounded queue to a thread that writes them.
//!
//! Invariants: only that thread waits for a disk or for a reader of stderr. Records that do not fit into the queue or cannot be
//! written are counted, and their number is written before the next record. The first write error is reported, once.
//! Bounds: [`QUEUED_MAX`] records. Why this is no crate: `docs/decisions/0012-log.md`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::model::Timestamp;
use crate::report::log_line::Record;

use super::about;

/// Records that may wait to be written.
pub const QUEUED_MAX: usize = 4_096;
/// How long the end of the program waits for queued records.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// Formats a record as one line.
pub type LineFormatter = fn(&mut Vec<u8>, &Record<'_>) -> io::Result<()>;
/// Writes one line.
pub type LineSink = Box<dyn FnMut(&[u8]) -> io::Result<()> + Send>;

/// The writing end of the queue.
pub struct LogWriter {
    pub sink: LineSink,
    /// Receives the first write error, as a sentence.
    pub report: Box<dyn FnMut(String) + Send>,
    pub formatter: LineFormatter,
}

enum Item {
    Line(Timestamp, Vec<u8>),
    /// Answered once everything before it is written.
    Flush(SyncSender<()>),
}

/// The sending end of the queue.
#[derive(Clone)]
pub struct LogQueue {
    items: SyncSender<Item>,
    lost: Arc<AtomicU64>,
    formatter: LineFormatter,
}

impl LogQueue {
    /// Starts the thread of `writer`.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread.
    pub fn open(writer: LogWriter) -> io::Result<Self> {
        let (items, received) = sync_channel(QUEUED_MAX);
        let queue = Self { items, lost: Arc::default(), formatter: writer.formatter };
        let lost = Arc::clone(&queue.lost);
        std::thread::Builder::new().name("webmon-log".to_owned()).spawn(move || writer.run(&received, &lost))?;
        Ok(queue)
    }

    /// Queues `record`, or counts it as lost if the queue is full. Never blocks.
    pub fn put(&self, record: &Record<'_>) {
        if self.items.try_send(Item::Line(record.at, formatted(self.formatter, record))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything queued so far is written, at most [`FLUSH_MAX`].
    pub fn flush(&self) {
        let (flushed, wait) = sync_channel(1);
        // A full queue means that the sink is stuck, so waiting would not help.
        if self.items.try_send(Item::Flush(flushed)).is_ok() {
            let _in_time = wait.recv_timeout(FLUSH_MAX);
        }
    }
}

impl LogWriter {
    fn run(mut self, items: &Receiver<Item>, lost: &AtomicU64) {
        let mut is_reported = false;
        for item in items {
            let (at, line) = match item {
                Item::Line(at, line) => (at, line),
                Item::Flush(flushed) => {
                    // The receiver is gone if it waited too long.
                    let _received = flushed.send(());
                    continue;
                }
            };
            let mut missing = lost.swap(0, Ordering::Relaxed);
            if let Err(error) = self.write(at, &line, &mut missing) {
                lost.fetch_add(missing + 1, Ordering::Relaxed);
                if !std::mem::replace(&mut is_reported, true) {
                    (self.report)(format!("the log cannot be written: {error}"));
                }
            }
        }
    }

    /// Writes `line`, after a record about the `missing` ones before it; `missing` is 0 once that record is written.
    fn write(&mut self, at: Timestamp, line: &[u8], missing: &mut u64) -> io::Result<()> {
        if *missing > 0 {
            let message = format!("{missing} records are missing here: they could not be written");
            let about = about::of(about::LOG).unwrap_or_default();
            let record = Record { at, level: "warn", about, message: &message, fields: &[] };
            (self.sink)(&formatted(self.formatter, &record))?;
            *missing = 0;
        }
        (self.sink)(line)
    }
}

fn formatted(formatter: LineFormatter, record: &Record<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(256);
    formatter(&mut line, record).expect("writing to a Vec cannot fail");
    line
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::report::log_line::text;

    fn put(queue: &LogQueue, message: &str) {
        queue.put(&Record { at: Timestamp::ZERO, level: "info", about: "webmon", message, fields: &[] });
    }

    /// Waits without a limit.
    fn flush(queue: &LogQueue) {
        let (flushed, wait) = sync_channel(1);
        queue.items.send(Item::Flush(flushed)).unwrap();
        wait.recv().unwrap();
    }

    fn messages(written: &[u8]) -> Vec<String> {
        let text = String::from_utf8(written.to_vec()).unwrap();
        text.lines().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
    }

    #[test]
    fn records_that_cannot_be_written_are_counted_and_reported_once() {
        let (reports, reported) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&written);
        let mut results = [true, false, false, false, true, true].into_iter();
        let sink = move |line: &[u8]| {
            if results.next() == Some(false) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            kept.lock().unwrap().extend_from_slice(line);
            Ok(())
        };
        let report = move |notice| reports.send(notice).unwrap();
        let queue =
            LogQueue::open(LogWriter { sink: Box::new(sink), report: Box::new(report), formatter: text }).unwrap();
        for message in ["one", "two", "three", "four", "five"] {
            put(&queue, message);
        }
        flush(&queue);
        let expected = ["one", "3 records are missing here: they could not be written", "five"];
        assert_eq!(messages(&written.lock().unwrap()), expected);
        drop(queue);
        assert_eq!(reported.iter().collect::<Vec<_>>(), ["the log cannot be written: no storage space"]);
    }

    #[test]
    fn a_stuck_sink_never_blocks_the_caller() {
        let (release, released) = channel::<()>();
        let written = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&written);
        let sink = move |line: &[u8]| {
            // Returns at once after the sender is dropped.
            let _dropped = released.recv();
            kept.lock().unwrap().extend_from_slice(line);
            Ok(())
        };
        let queue =
            LogQueue::open(LogWriter { sink: Box::new(sink), report: Box::new(|_| ()), formatter: text }).unwrap();
        // The thread may hold one record besides the queued ones.
        for _ in 0..QUEUED_MAX + 1 + 7 {
            put(&queue, "again");
        }
        let missing = queue.lost.load(Ordering::Relaxed);
        assert!((7..=8).contains(&missing), "{missing}");
        drop(release);
        flush(&queue);
        put(&queue, "last");
        flush(&queue);
        let written = messages(&written.lock().unwrap());
        assert!(written.iter().any(|line| line.starts_with(&format!("{missing} records are missing"))));
        assert_eq!(written.iter().filter(|line| *line == "again").count() as u64, (QUEUED_MAX + 8) as u64 - missing);
        assert_eq!(written.last().map(String::as_str), Some("last"));
    }
}
