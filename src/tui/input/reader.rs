//! Bytes from the terminal, read by a thread of their own, and the keys in them.
//!
//! The thread blocks in `read` until the terminal ends (end of file or an error) or the process does: a blocked `read`
//! cannot be cancelled. The end of its channel reaches the loop at once.
//!
//! Bounds: 64 chunks of at most 1 KiB wait; beyond that the terminal's own buffer fills.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::key::Key;
use super::parser::Parser;

const CHUNKS: usize = 64;
const CHUNK: usize = 1024;
/// How long an escape waits for the rest of its sequence on a slow line.
const SILENCE: Duration = Duration::from_millis(30);
/// How often to read again from a terminal that is in non-blocking mode or belongs to another job.
const RETRY: Duration = Duration::from_millis(50);

/// The keyboard and the mouse.
pub struct Input {
    chunks: Receiver<Vec<u8>>,
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
        let (sender, chunks) = sync_channel(CHUNKS);
        thread::Builder::new().name("keys".to_owned()).spawn(move || read(sender))?;
        Ok(Self { chunks, parser: Parser::default() })
    }

    /// Waits at most `timeout` for keys and appends them.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn wait(&mut self, timeout: Duration, keys: &mut Vec<Key>) -> io::Result<()> {
        let timeout = if self.parser.is_open() { timeout.min(SILENCE) } else { timeout };
        match self.chunks.recv_timeout(timeout) {
            Ok(chunk) => {
                self.parser.feed(&chunk, keys);
                while let Ok(chunk) = self.chunks.try_recv() {
                    self.parser.feed(&chunk, keys);
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
    fail_in_background();
    let mut buffer = [0; CHUNK];
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
                thread::sleep(RETRY);
            }
            // Another job has the terminal.
            Err(_) if !is_foreground() => thread::sleep(RETRY),
            // Another job may have had it until a moment ago: a second error is final.
            Err(_) if !std::mem::replace(&mut failed, true) => {}
            Err(_) => return,
        }
    }
}

/// Makes a read in the background an error. By default it stops the whole process, even one that is about to end.
fn fail_in_background() {
    #[cfg(unix)]
    {
        use nix::sys::signal::{SigSet, Signal};
        let mut set = SigSet::empty();
        set.add(Signal::SIGTTIN);
        // If that fails, the default remains.
        let _unblocked = set.thread_block();
    }
}

/// Whether this is the job in the foreground; true without job control.
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
    fn bytes_become_keys_and_the_end_is_an_error() {
        let mut input = Input::start(|sender| pump(&b"j\x1b[A"[..], &sender)).unwrap();
        let mut keys = Vec::new();
        while keys.len() < 2 {
            input.wait(LONG, &mut keys).unwrap();
        }
        assert_eq!(keys, [Key::Char('j'), Key::Up]);
        assert_eq!(input.wait(LONG, &mut keys).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    /// A read in the background fails, and this is the job in the foreground again before the error is examined.
    #[test]
    fn one_error_does_not_end_the_reader() {
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
