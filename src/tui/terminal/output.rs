//! The way to the terminal: bytes that may have to wait for it, in their order.
//!
//! **Idea.** A terminal can stop reading: its network is gone, its emulator stands still, somebody sent XOFF. A write to it
//! then returns late or never, and with it the keys, the signals and the end of the program would wait. So the terminal
//! is opened once more, in non-blocking mode: the mode belongs to the opening, and the one that the shell shares keeps
//! its own. What is not taken is kept and goes first.
//!
//! **Limits.** One frame waits, because none is made meanwhile. Where the terminal cannot be opened again (it is another
//! user's), a write blocks; the end of the program does not wait for that either.

use std::fs::File;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// Between two looks whether the terminal takes more.
const LOOK: Duration = Duration::from_millis(5);
/// Looks while a frame is sent, and while the terminal is given back.
const FRAME_LOOKS: u32 = 10;
const LEAVE_LOOKS: u32 = 60;
/// Ends the sequence that a terminal is in the middle of (ECMA-48, CAN).
const CANCEL: u8 = 0x18;

/// See the module.
#[derive(Debug)]
pub struct Wire {
    own: Option<File>,
    rest: Vec<u8>,
}

impl Wire {
    /// To no terminal of its own yet.
    pub const fn closed() -> Self {
        Self { own: None, rest: Vec::new() }
    }

    /// Opens the terminal that stdout is, if it can be.
    pub fn open(&mut self) {
        if self.own.is_none() {
            self.own = again();
        }
        self.rest.clear();
    }

    /// Sends `bytes` after what still waits; some of it may have to wait longer.
    ///
    /// # Errors
    /// The terminal's: it is gone.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.rest.extend_from_slice(bytes);
        self.push(FRAME_LOOKS).map(drop)
    }

    /// Whether the terminal has taken everything.
    ///
    /// # Errors
    /// The terminal's: it is gone.
    pub fn is_clear(&mut self) -> io::Result<bool> {
        self.push(0)
    }

    /// Sends the last `bytes`. A terminal that does not take them gets them in place of what waits in it, so that it is right
    /// when somebody reads it again.
    pub fn leave(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        if matches!(self.push(LEAVE_LOOKS), Ok(false)) {
            #[cfg(unix)]
            if let Some(own) = &self.own {
                let _gone = rustix::termios::tcflush(own, rustix::termios::QueueSelector::OFlush);
            }
            self.rest = [&[CANCEL], bytes].concat();
            let _unread = self.push(0);
        }
        self.rest.clear();
    }

    /// Sends what waits, and looks this often again; whether that was all.
    fn push(&mut self, mut looks: u32) -> io::Result<bool> {
        let Some(own) = &mut self.own else {
            let mut stdout = io::stdout().lock();
            let sent = stdout.write_all(&self.rest).and_then(|()| stdout.flush());
            self.rest.clear();
            return sent.map(|()| true);
        };
        let mut sent = 0;
        while sent < self.rest.len() {
            match own.write(&self.rest[sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => sent += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if looks == 0 {
                        break;
                    }
                    looks -= 1;
                    thread::sleep(LOOK);
                }
                Err(error) => return Err(error),
            }
        }
        self.rest.drain(..sent);
        Ok(self.rest.is_empty())
    }
}

#[cfg(unix)]
fn again() -> Option<File> {
    use std::io::IsTerminal as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;

    if !io::stdout().is_terminal() {
        return None;
    }
    let path = if cfg!(target_os = "linux") { "/proc/self/fd/1" } else { "/dev/tty" };
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let opened = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(path).ok()?;
    opened.is_terminal().then_some(opened)
}

#[cfg(not(unix))]
const fn again() -> Option<File> {
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

    /// A pipe stands for a terminal that does not read.
    fn unread() -> (std::io::PipeReader, Wire) {
        let (reader, writer) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        (reader, Wire { own: Some(File::from(std::os::fd::OwnedFd::from(writer))), rest: Vec::new() })
    }

    #[test]
    fn what_a_terminal_does_not_take_waits_and_goes_first() {
        let (mut reader, mut wire) = unread();
        let frame = vec![b'a'; 1 << 20];
        wire.send(&frame).unwrap();
        assert!(!wire.is_clear().unwrap());
        let mut read = Vec::new();
        while read.len() < frame.len() {
            wire.is_clear().unwrap();
            let mut some = vec![0; 1 << 16];
            let length = reader.read(&mut some).unwrap();
            read.extend_from_slice(&some[..length]);
        }
        wire.send(b"b").unwrap();
        drop(wire);
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, [&frame[..], b"b"].concat());
    }

    /// A terminal that does not read, and its emulator's side.
    fn terminal() -> (File, Wire) {
        let emulator = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&emulator).unwrap();
        unlockpt(&emulator).unwrap();
        let path = ptsname(&emulator, Vec::new()).unwrap().into_string().unwrap();
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let own = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(path).unwrap();
        (emulator.into(), Wire { own: Some(own), rest: Vec::new() })
    }

    #[test]
    fn leaving_a_terminal_that_does_not_read_ends_and_it_is_right_when_it_reads_again() {
        let (mut emulator, mut wire) = terminal();
        wire.send(&vec![b'a'; 1 << 20]).unwrap();
        assert!(!wire.is_clear().unwrap());
        wire.leave(b"bye");
        drop(wire);
        let mut read = Vec::new();
        // Linux has an error for the end of a terminal.
        let _end = emulator.read_to_end(&mut read);
        let last = String::from_utf8_lossy(&read[read.len().saturating_sub(20)..]).into_owned();
        assert!(read.ends_with(b"\x18bye") && read.len() < 1 << 20, "{} bytes, {last:?}", read.len());
    }
}
