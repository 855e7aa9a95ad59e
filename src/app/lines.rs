//! Lines for stdout, written by a thread of their own: a reader that stops reading must not stop the monitor.
//!
//! Chunks of whole lines go through a bounded channel. A full channel drops the chunk and counts its lines, and
//! the first chunk that fits again is preceded by a note of how many are missing. A closed pipe ends the program
//! quietly.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

/// Chunks that may wait for the reader of stdout.
const WAITING: usize = 1_024;

/// The sending side.
#[derive(Debug)]
pub struct Lines {
    sender: SyncSender<Vec<u8>>,
    dropped: u64,
}

/// The writing side, until it is joined.
#[derive(Debug)]
pub struct LineWriter {
    thread: JoinHandle<io::Result<()>>,
}

impl Lines {
    /// Lines that a thread writes to `out`; when `out` is closed, `closed` is cancelled.
    ///
    /// # Errors
    /// The system's, if it has no thread to give.
    pub fn to(out: impl Write + Send + 'static, closed: CancellationToken) -> io::Result<(Self, LineWriter)> {
        let (lines, receiver) = Self::channel();
        let thread = std::thread::Builder::new().name("webmon-out".to_owned()).spawn(move || {
            let written = write_all(out, &receiver);
            closed.cancel();
            written
        })?;
        Ok((lines, LineWriter { thread }))
    }

    /// Lines that are read from a channel.
    #[must_use]
    pub fn channel() -> (Self, Receiver<Vec<u8>>) {
        let (sender, receiver) = sync_channel(WAITING);
        (Self { sender, dropped: 0 }, receiver)
    }

    /// Lines dropped since the last chunk that went through.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Hands on a chunk of whole lines.
    pub fn send(&mut self, chunk: Vec<u8>) {
        if chunk.is_empty() {
            return;
        }
        match self.sender.try_send(chunk) {
            Ok(()) => self.dropped = 0,
            Err(TrySendError::Full(chunk)) => {
                self.dropped += chunk.split(|&byte| byte == b'\n').count() as u64 - 1;
            }
            // Nobody reads any more: the writer has cancelled the token that ends the program.
            Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

impl LineWriter {
    /// Waits until everything sent is written; the sender has to be dropped first.
    ///
    /// # Errors
    /// The writer's own, but a closed pipe, which is a quiet end.
    pub fn join(self) -> io::Result<()> {
        match self.thread.join() {
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            Ok(_) => Ok(()),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn write_all(mut out: impl Write, chunks: &Receiver<Vec<u8>>) -> io::Result<()> {
    while let Ok(chunk) = chunks.recv() {
        out.write_all(&chunk)?;
        out.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_stops_costs_lines_and_they_are_counted() {
        let (mut lines, receiver) = Lines::channel();
        for _ in 0..WAITING {
            lines.send(b"a\n".to_vec());
        }
        lines.send(b"b\nc\n".to_vec());
        assert_eq!(lines.dropped(), 2);
        drop(receiver.recv().unwrap());
        lines.send(b"d\n".to_vec());
        assert_eq!(lines.dropped(), 0);
    }

    #[test]
    fn a_closed_pipe_is_a_quiet_end() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let closed = CancellationToken::new();
        let (mut lines, writer) = Lines::to(Closed, closed.clone()).unwrap();
        lines.send(b"a\n".to_vec());
        drop(lines);
        assert!(writer.join().is_ok());
        assert!(closed.is_cancelled());
    }
}
