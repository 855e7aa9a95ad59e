//! Writes lines to stdout on a thread of its own, so that neither a slow reader nor a full disk delays the monitor.
//!
//! Invariants: lines that do not fit the queue or cannot be written are dropped and counted, and a note with their number
//! precedes the next line; only a closed pipe ends the program, quietly. Bounds: [`WAITING_MAX`] bytes of chunks wait, with
//! their overhead.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::app::log::about;
use crate::app::stream::{Output, Stream, Unwritten, count};

/// Bytes that may wait for the reader of stdout.
const WAITING_MAX: usize = 16 << 20;
/// The memory of a chunk in addition to its bytes: its slot in the queue and the allocator's overhead.
const OVERHEAD: usize = 64;

/// Why lines are missing that did not fit the queue.
const UNREAD: &str = "stdout is not read fast enough";

/// Formats the line that reports missing lines: how many, and why.
pub type Note = Box<dyn FnMut(u64, &str) -> Vec<u8> + Send>;

/// Whole lines in the queue.
#[derive(Debug, Default)]
pub struct Chunk {
    /// How many lines are missing before these.
    missing: u64,
    /// The lines.
    pub bytes: Vec<u8>,
}

impl Chunk {
    fn cost(&self) -> usize {
        self.bytes.capacity() + OVERHEAD
    }
}

/// The sending side.
#[derive(Debug)]
pub struct Lines {
    sender: Sender<Chunk>,
    waiting: Arc<AtomicUsize>,
    dropped: u64,
}

/// The writing thread.
#[derive(Debug)]
pub struct LineWriter {
    thread: JoinHandle<Missing>,
}

/// Lines that were not written and are not yet reported.
#[derive(Debug, Default, PartialEq, Eq)]
struct Missing {
    lines: u64,
    why: String,
}

impl Missing {
    fn add(&mut self, lines: u64, why: impl Into<String>) {
        if lines > 0 {
            self.lines += lines;
            self.why = why.into();
        }
    }
}

impl Lines {
    /// Starts a thread that writes the lines to `out`, with a `note` where some are missing; it cancels `closed` when `out`
    /// is closed.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread.
    pub fn to(
        out: impl Output + Send + 'static,
        note: Note,
        closed: CancellationToken,
    ) -> io::Result<(Self, LineWriter)> {
        let (lines, receiver) = Self::channel();
        let waiting = Arc::clone(&lines.waiting);
        let thread = std::thread::Builder::new().name("webmon-out".to_owned()).spawn(move || {
            let missing = write_all(&mut Stream::to(out), &receiver, &waiting, note);
            closed.cancel();
            missing
        })?;
        Ok((lines, LineWriter { thread }))
    }

    /// Lines and the channel that they go to.
    #[must_use]
    pub fn channel() -> (Self, Receiver<Chunk>) {
        let (sender, receiver) = channel();
        (Self { sender, waiting: Arc::default(), dropped: 0 }, receiver)
    }

    /// Sends a chunk of whole lines, or as many of them as fit.
    pub fn send(&mut self, mut bytes: Vec<u8>) {
        let room = WAITING_MAX.saturating_sub(self.waiting.load(Ordering::Relaxed) + OVERHEAD);
        if bytes.capacity() > room {
            let fits = &bytes[..bytes.len().min(room)];
            let whole = memchr::memrchr(b'\n', fits).map_or(0, |at| at + 1);
            let left_out = count(&bytes[whole..]);
            bytes.truncate(whole);
            bytes.shrink_to_fit();
            self.hand_on(bytes);
            self.dropped += left_out;
        } else {
            self.hand_on(bytes);
        }
    }

    fn hand_on(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let chunk = Chunk { missing: std::mem::take(&mut self.dropped), bytes };
        self.waiting.fetch_add(chunk.cost(), Ordering::Relaxed);
        // The writer has ended: it has cancelled the token that ends the program.
        let _unread = self.sender.send(chunk);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if self.dropped > 0 {
            // The writer reports them at the end, unless it has ended.
            let chunk = Chunk { missing: self.dropped, bytes: Vec::new() };
            self.waiting.fetch_add(chunk.cost(), Ordering::Relaxed);
            let _unread = self.sender.send(chunk);
        }
    }
}

impl LineWriter {
    /// Waits until all sent lines are written; the sender must be dropped first. Returns a sentence about missing lines.
    #[must_use]
    pub fn join(self) -> Option<String> {
        match self.thread.join() {
            Ok(Missing { lines: 0, .. }) => None,
            Ok(Missing { lines, why }) => Some(format!("the last {lines} lines are missing on stdout: {why}")),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Writes all chunks, or until the pipe is closed. Returns the lines that are still unreported.
fn write_all<W: Output>(
    stream: &mut Stream<W>,
    chunks: &Receiver<Chunk>,
    waiting: &AtomicUsize,
    mut note: Note,
) -> Missing {
    let (mut missing, mut fails) = (Missing::default(), false);
    while let Ok(chunk) = chunks.recv() {
        missing.add(chunk.missing, UNREAD);
        let written = match announce(stream, &mut missing, &mut note) {
            Ok(()) => stream.write(&chunk.bytes),
            Err(error) => Err(Unwritten { error, lines: count(&chunk.bytes) }),
        };
        waiting.fetch_sub(chunk.cost(), Ordering::Relaxed);
        match written {
            Ok(()) if std::mem::take(&mut fails) => info!(target: about::WEBMON, "stdout can be written again"),
            Ok(()) => {}
            Err(Unwritten { error, .. }) if error.kind() == io::ErrorKind::BrokenPipe => return Missing::default(),
            Err(Unwritten { error, lines }) => {
                if !std::mem::replace(&mut fails, true) {
                    error!(target: about::WEBMON, "stdout cannot be written: {error}; its lines are dropped until it can");
                }
                missing.add(lines, error.to_string());
            }
        }
    }
    let last = announce(stream, &mut missing, &mut note).and_then(|()| stream.write(b"").map_err(|last| last.error));
    match last {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            missing.add(u64::from(stream.is_torn()), error.to_string());
            missing
        }
        _ => Missing::default(),
    }
}

/// Writes a note about missing lines, if there are any.
fn announce<W: Output>(stream: &mut Stream<W>, missing: &mut Missing, note: &mut Note) -> io::Result<()> {
    if missing.lines == 0 {
        return Ok(());
    }
    let said = stream.write(&note(missing.lines, &missing.why));
    // The stream finishes a torn note later, so it must not be repeated.
    if said.as_ref().map_or_else(|unwritten| unwritten.lines == 0, |()| true) {
        *missing = Missing::default();
    }
    said.map_err(|unwritten| unwritten.error)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use super::*;

    /// What the test has to say about each write.
    type Script = Vec<Result<usize, io::ErrorKind>>;

    struct Scripted {
        answers: Script,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let answer = if self.answers.is_empty() { Ok(bytes.len()) } else { self.answers.remove(0) };
            let taken = answer.map_err(io::Error::from)?.min(bytes.len());
            self.written.lock().unwrap().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output for Scripted {}

    fn note() -> Note {
        Box::new(|lines, why| format!("note {lines} {why}\n").into_bytes())
    }

    /// What is written of `chunks`, what is missing in the end, and whether the program is to end before that.
    fn written(answers: Script, chunks: &[&str]) -> (String, Option<String>) {
        let (written, closed) = (Arc::default(), CancellationToken::new());
        let out = Scripted { answers, written: Arc::clone(&written) };
        let (mut lines, writer) = Lines::to(out, note(), closed.clone()).unwrap();
        for chunk in chunks {
            lines.send(chunk.as_bytes().to_vec());
        }
        drop(lines);
        let missing = writer.join();
        assert!(closed.is_cancelled());
        (String::from_utf8(written.lock().unwrap().clone()).unwrap(), missing)
    }

    #[test]
    fn what_a_full_disk_cost_is_told_when_there_is_room_again() {
        use io::ErrorKind::StorageFull;
        let chunks = ["a\nb\n", "c\n", "d\n"];
        let full = Err(StorageFull);
        for (answers, expected) in [
            (vec![full, full], "note 3 no storage space\nd\n"),
            // The first line was begun, and is finished before anything else.
            (vec![Ok(1), full, full], "a\nnote 2 no storage space\nd\n"),
            (vec![Ok(2), full, full], "a\nnote 2 no storage space\nd\n"),
            // So is a note.
            (vec![full, Ok(4), full, full], "note 2 no storage space\nnote 2 no storage space\n"),
        ] {
            let (text, missing) = written(answers.clone(), &chunks);
            assert_eq!(text, expected, "{answers:?}");
            assert_eq!(missing, None, "{answers:?}");
        }
        let (text, missing) = written(vec![full, full, full], &["a\n", "b\n"]);
        let told = "the last 2 lines are missing on stdout: no storage space";
        assert_eq!((text.as_str(), missing.as_deref()), ("", Some(told)));
        let (text, missing) = written(vec![Ok(1), full, full], &["a\n"]);
        assert_eq!((text.as_str(), missing.is_some()), ("a", true));
    }

    #[test]
    fn only_a_closed_pipe_ends_it_and_quietly() {
        assert_eq!(written(vec![Err(io::ErrorKind::BrokenPipe)], &["a\n"]), (String::new(), None));
        for kind in [
            io::ErrorKind::StorageFull,
            io::ErrorKind::QuotaExceeded,
            io::ErrorKind::FileTooLarge,
            io::ErrorKind::Other,
        ] {
            let (text, missing) = written(vec![Err(kind)], &["a\n", "b\n"]);
            assert!(text.starts_with("note 1 ") && text.ends_with("\nb\n") && missing.is_none(), "{kind}: {text}");
        }
        assert_eq!(written(vec![Err(io::ErrorKind::WouldBlock)], &["a\n"]), ("a\n".to_owned(), None));
    }

    #[test]
    fn what_waits_for_a_reader_is_bounded_in_bytes_and_what_did_not_fit_is_counted() {
        let (mut lines, receiver) = Lines::channel();
        let line = [vec![b'x'; 1_023], vec![b'\n']].concat();
        let mut sent = 0;
        while lines.dropped == 0 {
            lines.send(line.repeat(1_000));
            sent += 1_000;
        }
        let dropped = lines.dropped;
        let waiting: Vec<Chunk> = receiver.try_iter().collect();
        let bytes: usize = waiting.iter().map(Chunk::cost).sum();
        assert!(bytes <= WAITING_MAX && bytes > WAITING_MAX - 4_096, "{bytes}");
        assert_eq!(waiting.iter().map(|chunk| count(&chunk.bytes)).sum::<u64>() + dropped, sent);
        assert!(waiting.iter().all(|chunk| chunk.bytes.ends_with(b"\n") && chunk.missing == 0));
        lines.waiting.store(0, Ordering::Relaxed);
        lines.send(line.clone());
        lines.send(line);
        let after: Vec<u64> = receiver.try_iter().map(|chunk| chunk.missing).collect();
        assert_eq!(after, [dropped, 0]);

        // Many small chunks are bounded too, by what each of them costs.
        for _ in 0..WAITING_MAX / OVERHEAD {
            lines.send(b"\n".to_vec());
        }
        assert!(receiver.try_iter().count() < WAITING_MAX / OVERHEAD && lines.dropped > 0);
    }
}
