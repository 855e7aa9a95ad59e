//! The terminal in use by the dashboard: raw mode, the alternate screen, a title; restored afterwards.
//!
//! Invariants: the terminal is restored exactly once, at the end of the session or by a panic in any thread, whose message
//! then appears on the ordinary screen. One lock guards ownership and every write, so no frame reaches a restored screen.
//! Nothing here waits for a terminal that does not read ([`super::output`]). A job in the background does not touch the
//! terminal, because the system would stop it.
//!
//! `CSI 22;0t` and `CSI 23;0t` (xterm) save and restore the title; other terminals ignore them. `CSI ?1000h` and
//! `CSI ?1006h` (xterm) report presses and the wheel in SGR form. [`crate::tui::input::reader`] reads keys, because the
//! reader of crossterm 0.29 spins on a terminal that has vanished (it ignores `EIO` and a `read` of 0 bytes) and blocks on
//! half a sequence.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, TryLockError};
use std::thread;
use std::time::Duration;

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, queue};
use ratatui::layout::{Rect, Size};
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::model::lock::lock;
use crate::panic_hook;
use crate::tui::desktop::hyperlinks::Hyperlinks;
use crate::tui::input::background::QUESTION;
use crate::tui::input::key::Key;
use crate::tui::input::reader::{Input, is_foreground};
use crate::tui::render::{Screen, links, render};
use crate::tui::style::theme::Theme;

use super::ansi::AnsiBackend;
use super::console::{Console, TerminalEffects};
use super::job_control::{JobControl, can_suspend};
use super::output::TerminalOutput;
use super::size::measure;

const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";

/// How often to check whether the lock is free or this is the job in the foreground, and how many times for the lock.
const POLL: Duration = Duration::from_millis(10);
const LOCK_POLLS: u32 = 30;
/// How often to look for an answer at the end.
const ANSWER_LOOKS: u32 = 10;

struct OwnedTerminal {
    /// The session has it.
    is_owned: bool,
    output: TerminalOutput,
}

// No state is half done under this lock, so a panic under it does no harm.
static TERMINAL: Mutex<OwnedTerminal> = Mutex::new(OwnedTerminal { is_owned: false, output: TerminalOutput::closed() });
static HOOK: Once = Once::new();
/// A thread has panicked since the first session began.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// The terminal of this process; restored on drop.
pub struct TerminalSession {
    terminal: Terminal<AnsiBackend<FrameWriter>>,
    size: Size,
    title: String,
    input: Input,
    mouse: bool,
    /// The terminal was asked for its background and has not answered.
    is_asked: bool,
}

impl TerminalSession {
    /// Takes the terminal, and asks it for its background if `asks`. Does not wait for the answer.
    ///
    /// # Errors
    /// There is none, or it cannot be set up; then it is unchanged.
    pub fn enter(asks: bool) -> io::Result<Self> {
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if panic_hook::is_caught() {
                    return;
                }
                PANICKED.store(true, Ordering::Relaxed);
                restore();
                next(panic);
            }));
        });
        let size = measure()?;
        take()?;
        let built = Input::open().and_then(|input| {
            let viewport = Viewport::Fixed(area(size));
            let terminal = Terminal::with_options(AnsiBackend::default(), TerminalOptions { viewport })?;
            if asks {
                FrameWriter(QUESTION.to_vec()).flush()?;
            }
            Ok(Self { terminal, size, title: String::new(), input, mouse: false, is_asked: asks })
        });
        if built.is_err() {
            restore();
        }
        built
    }
}

impl Console for TerminalSession {
    fn size(&mut self) -> io::Result<Size> {
        measure()
    }

    fn wait(&mut self, timeout: Duration, keys: &mut Vec<Key>) -> io::Result<()> {
        let before = keys.len();
        self.input.wait(timeout, keys)?;
        self.is_asked &= !keys[before..].iter().any(|key| matches!(key, Key::Background { .. }));
        Ok(())
    }

    fn draw(&mut self, screen: &Screen, theme: Theme, effects: &TerminalEffects) -> io::Result<()> {
        let size = measure()?;
        if size != self.size {
            self.size = size;
            self.terminal.resize(area(size))?;
        }
        if effects.bell {
            self.terminal.backend_mut().out.write_all(b"\x07")?;
        }
        for sequence in effects.notification.iter().chain(&effects.copied) {
            self.terminal.backend_mut().out.write_all(sequence.as_bytes())?;
        }
        if self.mouse != effects.mouse {
            self.mouse = effects.mouse;
            self.terminal.backend_mut().out.write_all(if effects.mouse { MOUSE_ON } else { MOUSE_OFF })?;
        }
        if self.title != screen.title {
            self.title.clone_from(&screen.title);
            write!(self.terminal.backend_mut().out, "\x1b]0;{}\x07", screen.title)?;
        }
        self.terminal.backend_mut().links =
            if effects.links == Hyperlinks::On { links(screen) } else { HashMap::new() };
        self.terminal.draw(|frame| render(screen, &theme, frame.area(), frame.buffer_mut()))?;
        if lock(&TERMINAL).is_owned { Ok(()) } else { Err(io::Error::other("the terminal was restored")) }
    }

    fn is_ready(&mut self) -> io::Result<bool> {
        lock(&TERMINAL).output.flush()
    }

    fn suspend(&mut self, job: &JobControl) -> io::Result<()> {
        if !can_suspend() {
            return Ok(());
        }
        restore();
        job.stop_process();
        self.retake(job)
    }

    fn resume(&mut self, job: &JobControl) -> io::Result<()> {
        // Another job may have changed the modes meanwhile: all are set again.
        restore();
        self.retake(job)
    }
}

impl TerminalSession {
    /// Waits a little for an answer that is due, so that it is not typed into the shell that comes next.
    pub fn await_answer(&mut self) {
        let mut keys = Vec::new();
        for _ in 0..ANSWER_LOOKS {
            if !self.is_asked || self.wait(POLL, &mut keys).is_err() {
                return;
            }
        }
    }

    /// Takes the terminal again as soon as this is the job in the foreground, unless the dashboard is stopped before that.
    fn retake(&mut self, job: &JobControl) -> io::Result<()> {
        while !is_foreground() {
            if job.is_stopped() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        take()?;
        self.title.clear();
        self.mouse = false;
        // The alternate screen is blank, so the next frame has to be drawn in full. (`clear` would ask the terminal for its
        // cursor and wait for the answer.)
        self.terminal.swap_buffers();
        Ok(())
    }
}

impl Drop for TerminalSession {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether a panic has restored the terminal.
pub fn is_panicked() -> bool {
    PANICKED.load(Ordering::Relaxed)
}

/// Restores the terminal if the session has it. Any thread may call this at any time; only the first call does anything.
pub fn restore() {
    let Some(mut terminal) = lock_in_time() else {
        // A thread is stuck in a write to a terminal that does not read; the modes can be set all the same.
        drop(disable_raw_mode());
        return;
    };
    if !std::mem::take(&mut terminal.is_owned) {
        return;
    }
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail.
    drop(queue!(bytes, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show));
    bytes.extend(MOUSE_OFF);
    bytes.extend(b"\x1b[23;0t");
    if is_foreground() {
        terminal.output.send_last(&bytes);
        drop(disable_raw_mode());
    } else if can_write_in_background() {
        // The shell has set its own modes.
        terminal.output.send_last(&bytes);
    }
}

fn take() -> io::Result<()> {
    let mut terminal = lock(&TERMINAL);
    enable_raw_mode()?;
    terminal.is_owned = true;
    terminal.output.open();
    drop(terminal);
    let mut bytes = b"\x1b[22;0t".to_vec();
    queue!(bytes, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    let taken = FrameWriter(bytes).flush();
    if taken.is_err() {
        restore();
    }
    taken
}

/// The lock, if it becomes free soon.
fn lock_in_time() -> Option<MutexGuard<'static, OwnedTerminal>> {
    for _ in 0..LOCK_POLLS {
        match TERMINAL.try_lock() {
            Ok(terminal) => return Some(terminal),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(POLL),
        }
    }
    None
}

/// Whether a job in the background may write (`stty -tostop`).
#[cfg(unix)]
fn can_write_in_background() -> bool {
    use rustix::termios::{LocalModes, tcgetattr};
    tcgetattr(io::stdout()).is_ok_and(|modes| !modes.local_modes.contains(LocalModes::TOSTOP))
}

#[cfg(not(unix))]
const fn can_write_in_background() -> bool {
    true
}

const fn area(size: Size) -> Rect {
    Rect { x: 0, y: 0, width: size.width, height: size.height }
}

/// Collects a frame and writes it at once if the session has the terminal.
#[derive(Default)]
struct FrameWriter(Vec<u8>);

impl Write for FrameWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut terminal = lock(&TERMINAL);
        // A restored terminal is no error here, because ratatui prints errors of its drop to stderr; `draw` reports it.
        let sent = if terminal.is_owned { terminal.output.send(&self.0) } else { Ok(()) };
        self.0.clear();
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_frame_reaches_a_restored_terminal() {
        let mut frames = FrameWriter::default();
        frames.write_all(b"frame").unwrap();
        frames.flush().unwrap();
        assert!(frames.0.is_empty());
    }

    #[test]
    fn restoring_twice_does_nothing() {
        restore();
        restore();
        assert!(!lock(&TERMINAL).is_owned);
    }
}
