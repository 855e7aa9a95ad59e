//! Bytes from the terminal, read by a thread of their own, and the keys in them.
//!
//! The thread blocks in `read` and ends when the terminal does (end of file or an error), which its channel tells the
//! loop at once. It lives until then or until the process ends: a blocked `read` cannot be called back. Bound: 64
//! pieces of at most 1 KiB wait; beyond that the terminal's own buffer fills.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::key::{Key, Parser};

const PIECES: usize = 64;
const PIECE: usize = 1024;
/// How long an escape waits for the rest of its sequence, for slow lines.
const SILENCE: Duration = Duration::from_millis(30);
/// How often a terminal in non-blocking mode is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// The keyboard.
pub struct Input {
    pieces: Receiver<Vec<u8>>,
    parser: Parser,
}

impl Input {
    /// Starts reading: standard input if it is a terminal, else the controlling terminal.
    ///
    /// # Errors
    /// There is no terminal, or no thread.
    pub fn open() -> io::Result<Self> {
        if io::stdin().is_terminal() {
            Self::start(|sender| pump(io::stdin().lock(), &sender))
        } else {
            let tty = File::open("/dev/tty")?;
            Self::start(|sender| pump(tty, &sender))
        }
    }

    fn start(read: impl FnOnce(SyncSender<Vec<u8>>) + Send + 'static) -> io::Result<Self> {
        let (sender, pieces) = sync_channel(PIECES);
        thread::Builder::new().name("keys".to_owned()).spawn(move || read(sender))?;
        Ok(Self { pieces, parser: Parser::default() })
    }

    /// Waits for keys, at most `timeout`, and appends them.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn wait(&mut self, timeout: Duration, keys: &mut Vec<Key>) -> io::Result<()> {
        let timeout = if self.parser.is_open() { timeout.min(SILENCE) } else { timeout };
        match self.pieces.recv_timeout(timeout) {
            Ok(piece) => {
                self.parser.feed(&piece, keys);
                while let Ok(piece) = self.pieces.try_recv() {
                    self.parser.feed(&piece, keys);
                }
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => {
                self.parser.settle(keys);
                Ok(())
            }
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn pump(mut terminal: impl Read, sender: &SyncSender<Vec<u8>>) {
    fail_behind();
    let mut buffer = [0; PIECE];
    let mut failed = false;
    loop {
        match terminal.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => {
                failed = false;
                if sender.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Another program put the terminal into non-blocking mode.
                thread::sleep(PAUSE);
            }
            // Another job has the terminal.
            Err(_) if !is_foreground() => thread::sleep(PAUSE),
            // It may have had it until a moment ago: a second failure is the terminal's own.
            Err(_) if !std::mem::replace(&mut failed, true) => {}
            Err(_) => return,
        }
    }
}

/// Makes a read in the background an error. By default it stops the whole process, also one that is about to end.
fn fail_behind() {
    #[cfg(unix)]
    {
        use nix::sys::signal::{SigSet, Signal};
        let mut set = SigSet::empty();
        set.add(Signal::SIGTTIN);
        // Where it cannot be blocked, it does what it does by default.
        let _as_it_was = set.thread_block();
    }
}

/// Whether the terminal is this job's now; also where there is no control of jobs.
#[cfg(unix)]
pub fn is_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdout()).map_or(true, |group| group == rustix::process::getpgrp())
}

#[cfg(not(unix))]
pub const fn is_foreground() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn what_is_read_becomes_keys_and_the_end_of_the_terminal_is_an_error() {
        let mut input = Input::start(|sender| pump(&b"j\x1b[A"[..], &sender)).unwrap();
        let mut keys = Vec::new();
        while keys.len() < 2 {
            input.wait(LONG, &mut keys).unwrap();
        }
        assert_eq!(keys, [Key::Char('j'), Key::Up]);
        assert_eq!(input.wait(LONG, &mut keys).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    /// A read in the background fails, and before that is looked at this is the job in the foreground again.
    #[test]
    fn a_terminal_that_fails_once_is_read_on() {
        struct Failing(Vec<io::Result<&'static [u8]>>);
        impl Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let bytes = if self.0.is_empty() { &[][..] } else { self.0.remove(0)? };
                buffer[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
        }
        let broken = || Err(io::Error::from_raw_os_error(5));
        for (reads, expected) in [
            (vec![broken(), Ok(&b"j"[..]), broken(), Ok(b"k")], &[Key::Char('j'), Key::Char('k')][..]),
            (vec![Ok(b"j"), broken(), broken(), Ok(b"k")], &[Key::Char('j')]),
        ] {
            let mut input = Input::start(|sender| pump(Failing(reads), &sender)).unwrap();
            let mut keys = Vec::new();
            while input.wait(LONG, &mut keys).is_ok() {}
            assert_eq!(keys, expected);
        }
    }

    #[test]
    fn a_failing_terminal_is_gone() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("EIO"))
            }
        }
        let mut input = Input::start(|sender| pump(Broken, &sender)).unwrap();
        assert!(input.wait(LONG, &mut Vec::new()).is_err());
    }
}
