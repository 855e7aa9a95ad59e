//! Output to the terminal that does not block: bytes that it does not take yet wait, in their order.
//!
//! A terminal can stop reading: a lost network, a frozen emulator, XOFF. A blocking write would then hold up keys, signals
//! and the end of the program. So this opens the terminal once more in non-blocking mode: the mode belongs to the open file,
//! and the one that the shell shares keeps its own.
//!
//! Bounds: one frame waits, because no other is made meanwhile. A terminal that cannot be opened again (of another user)
//! blocks a write; the end of the program does not wait for that either.

use std::fs::File;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// The pause before another try to write.
const RETRY: Duration = Duration::from_millis(5);
/// Retries for a frame, and for the last bytes before the terminal is restored.
const FRAME_RETRIES: u32 = 10;
const LAST_RETRIES: u32 = 60;
/// Ends the sequence that a terminal is in the middle of (ECMA-48, CAN).
const CANCEL: u8 = 0x18;

#[derive(Debug)]
pub struct TerminalOutput {
    /// The terminal in non-blocking mode.
    own: Option<File>,
    waiting: Vec<u8>,
}

impl TerminalOutput {
    pub const fn closed() -> Self {
        Self { own: None, waiting: Vec::new() }
    }

    /// Opens the terminal of stdout once more, if that is possible.
    pub fn open(&mut self) {
        if self.own.is_none() {
            self.own = reopened();
        }
        self.waiting.clear();
    }

    /// Sends `bytes` after those that wait; some may have to wait longer.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.waiting.extend_from_slice(bytes);
        self.push(FRAME_RETRIES).map(drop)
    }

    /// Sends what waits. Returns whether the terminal has taken everything.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn flush(&mut self) -> io::Result<bool> {
        self.push(0)
    }

    /// Sends the last `bytes`. If the terminal does not read, they replace what waits in it, so that its modes are right when
    /// it reads again.
    pub fn send_last(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        if matches!(self.push(LAST_RETRIES), Ok(false)) {
            #[cfg(unix)]
            if let Some(own) = &self.own {
                let _gone = rustix::termios::tcflush(own, rustix::termios::QueueSelector::OFlush);
            }
            self.waiting = [&[CANCEL], bytes].concat();
            let _unread = self.push(0);
        }
        self.waiting.clear();
    }

    /// Sends what waits with so many retries. Returns whether that was all.
    fn push(&mut self, mut retries: u32) -> io::Result<bool> {
        let Some(own) = &mut self.own else {
            let mut stdout = io::stdout().lock();
            let sent = stdout.write_all(&self.waiting).and_then(|()| stdout.flush());
            self.waiting.clear();
            return sent.map(|()| true);
        };
        let mut sent = 0;
        while sent < self.waiting.len() {
            match own.write(&self.waiting[sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => sent += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if retries == 0 {
                        break;
                    }
                    retries -= 1;
                    thread::sleep(RETRY);
                }
                Err(error) => return Err(error),
            }
        }
        self.waiting.drain(..sent);
        Ok(self.waiting.is_empty())
    }
}

#[cfg(unix)]
fn reopened() -> Option<File> {
    use std::io::IsTerminal as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;

    if !io::stdout().is_terminal() {
        return None;
    }
    let path = if cfg!(target_os = "linux") { "/proc/self/fd/1" } else { "/dev/tty" };
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let own = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(path).ok()?;
    own.is_terminal().then_some(own)
}

#[cfg(not(unix))]
const fn reopened() -> Option<File> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// A pipe as a terminal that does not read.
    fn full_pipe() -> (std::io::PipeReader, TerminalOutput) {
        let (reader, writer) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        (reader, TerminalOutput { own: Some(File::from(std::os::fd::OwnedFd::from(writer))), waiting: Vec::new() })
    }

    #[test]
    fn what_a_terminal_does_not_take_goes_first() {
        let (mut reader, mut output) = full_pipe();
        let frame = vec![b'a'; 1 << 20];
        output.send(&frame).unwrap();
        assert!(!output.flush().unwrap());
        let mut read = Vec::new();
        while read.len() < frame.len() {
            output.flush().unwrap();
            let mut some = vec![0; 1 << 16];
            let length = reader.read(&mut some).unwrap();
            read.extend_from_slice(&some[..length]);
        }
        output.send(b"b").unwrap();
        drop(output);
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, [&frame[..], b"b"].concat());
    }

    /// A terminal that does not read, and the side of its emulator.
    fn terminal() -> (File, TerminalOutput) {
        let emulator = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&emulator).unwrap();
        unlockpt(&emulator).unwrap();
        let path = ptsname(&emulator, Vec::new()).unwrap().into_string().unwrap();
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let own = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(path).unwrap();
        (emulator.into(), TerminalOutput { own: Some(own), waiting: Vec::new() })
    }

    #[test]
    fn the_last_bytes_reach_a_terminal_that_reads_again() {
        let (mut emulator, mut output) = terminal();
        output.send(&vec![b'a'; 1 << 20]).unwrap();
        assert!(!output.flush().unwrap());
        output.send_last(b"bye");
        drop(output);
        let mut read = Vec::new();
        // Linux reports the end of a terminal as an error.
        let _end = emulator.read_to_end(&mut read);
        let last = String::from_utf8_lossy(&read[read.len().saturating_sub(20)..]).into_owned();
        assert!(read.ends_with(b"\x18bye") && read.len() < 1 << 20, "{} bytes, {last:?}", read.len());
    }
}
