//! Whole lines to stdout or stderr, which may be a full disk, a slow pipe or a terminal that hung up.
//!
//! A write that fails in the middle of a line leaves a torn one. [`Stream`] keeps the rest and writes it first the next time, so
//! that a reader of JSON lines never sees half an object. It has no buffer, because the buffer of `std` does not report how much
//! it wrote before an error.
//!
//! Invariants: output in non-blocking mode is retried until it accepts the line. A file that was truncated has lost the torn
//! line, so its rest is dropped.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// Time between two tries in non-blocking mode.
const PAUSE: Duration = Duration::from_millis(10);

/// An output that may be a file.
pub trait Output: Write {
    /// Its length, if it is a regular file.
    fn length(&self) -> Option<u64> {
        None
    }
}

#[cfg(unix)]
mod raw {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsFd;

    use super::Output;

    impl Output for File {
        fn length(&self) -> Option<u64> {
            self.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
        }
    }

    pub type Raw = File;

    fn raw(of: &impl AsFd) -> io::Result<Raw> {
        of.as_fd().try_clone_to_owned().map(File::from)
    }

    pub fn stdout() -> io::Result<Raw> {
        raw(&io::stdout())
    }

    pub fn stderr() -> io::Result<Raw> {
        raw(&io::stderr())
    }
}

#[cfg(not(unix))]
mod raw {
    use std::io::{self, Write};

    use super::Output;

    pub type Raw = Box<dyn Write + Send>;

    impl Output for Raw {}

    #[allow(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub fn stdout() -> io::Result<Raw> {
        Ok(Box::new(io::stdout()))
    }

    #[allow(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub fn stderr() -> io::Result<Raw> {
        Ok(Box::new(io::stderr()))
    }
}

pub use raw::Raw;

/// Standard output without a buffer.
///
/// # Errors
/// The system's.
pub fn stdout() -> io::Result<Raw> {
    raw::stdout()
}

/// Standard error without a buffer.
///
/// # Errors
/// The system's.
pub fn stderr() -> io::Result<Raw> {
    raw::stderr()
}

/// Lost lines.
#[derive(Debug)]
pub struct Unwritten {
    /// Why.
    pub error: io::Error,
    /// The number of lost lines, without a torn one.
    pub lines: u64,
}

/// Writes whole lines.
pub struct Stream<W> {
    out: W,
    /// The rest of the torn line.
    torn: Vec<u8>,
    /// The length of the file after its first part.
    left_at: Option<u64>,
}

impl<W: Output> Stream<W> {
    /// A stream to `out`.
    pub const fn to(out: W) -> Self {
        Self { out, torn: Vec::new(), left_at: None }
    }

    /// Writes `lines`, after the rest of a torn one.
    ///
    /// # Errors
    /// The lost lines.
    pub fn write(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        self.mend().map_err(|error| Unwritten { error, lines: count(lines) })?;
        let (written, outcome) = push(&mut self.out, lines);
        let Err(error) = outcome else { return Ok(()) };
        let rest = &lines[written..];
        let is_torn = lines[..written].last().is_some_and(|&byte| byte != b'\n');
        let torn =
            if is_torn { rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1) } else { 0 };
        self.torn.extend_from_slice(&rest[..torn]);
        self.left_at = self.out.length();
        Err(Unwritten { error, lines: count(&rest[torn..]) })
    }

    /// Whether the last line is torn.
    pub const fn is_torn(&self) -> bool {
        !self.torn.is_empty()
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.torn.is_empty() {
            return Ok(());
        }
        if let (Some(left_at), Some(length)) = (self.left_at, self.out.length())
            && length < left_at
        {
            self.torn.clear();
            return Ok(());
        }
        let (written, outcome) = push(&mut self.out, &self.torn);
        self.torn.drain(..written);
        self.left_at = self.out.length();
        outcome
    }
}

/// A writer that retries in non-blocking mode.
pub struct Patient<W>(pub W);

impl<W: Write> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The number of written bytes, and the error of the others.
fn push(out: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut out = Patient(out);
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, out.flush())
}

/// The number of lines.
pub fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with this much room; `busy` writes find it in non-blocking mode.
    #[derive(Default)]
    struct Disk {
        written: Vec<u8>,
        room: usize,
        busy: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.busy > 0 {
                self.busy -= 1;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output for Disk {
        fn length(&self) -> Option<u64> {
            Some(self.written.len() as u64)
        }
    }

    fn disk(room: usize) -> Stream<Disk> {
        Stream::to(Disk { room, ..Disk::default() })
    }

    #[test]
    fn a_torn_line_is_finished_before_the_next_one_begins() {
        for room in 0..12 {
            let mut stream = disk(room);
            let lost = stream.write(b"one\ntwo\nthree\n").unwrap_err().lines;
            assert_eq!(stream.write(b"four\n").unwrap_err().lines, 1, "{room}");
            stream.out.room = 100;
            stream.write(b"five\n").unwrap();
            let text = String::from_utf8(stream.out.written).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len() as u64, 3 - lost + 1, "{room}: {text}");
            assert!(lines.iter().all(|line| ["one", "two", "three", "five"].contains(line)), "{room}: {text}");
        }
    }

    #[test]
    fn the_rest_of_a_line_whose_beginning_was_cut_off_is_dropped() {
        let mut stream = disk(2);
        stream.write(b"one\n").unwrap_err();
        stream.out.written.clear();
        stream.out.room = 100;
        stream.write(b"two\n").unwrap();
        assert_eq!(stream.out.written, b"two\n");
    }

    #[test]
    fn output_in_non_blocking_mode_is_waited_for() {
        let mut stream = disk(100);
        stream.out.busy = 2;
        stream.write(b"one\n").unwrap();
        assert_eq!(stream.out.written, b"one\n");
    }
}
