//! The terminal while the dashboard has it: raw mode, the alternate screen, a title; and as it was afterwards.
//!
//! It is given back exactly once, by whoever comes first: the end of the session, or a panic in any thread, whose
//! message then appears on the ordinary screen. One lock guards "it is ours" together with every write, so no frame
//! can land on a screen that was given back. A frame goes out as [`super::output`] has it: nothing here waits for a terminal
//! that does not read. A job in the background does not touch the terminal: it would be stopped for it.
//!
//! Sequences: `CSI 22;0t` and `CSI 23;0t` (xterm) keep and restore the title; terminals that do not know them ignore
//! them. The mouse is asked for presses and the wheel only, in SGR form (`CSI ?1000h`, `CSI ?1006h`; xterm). Colours are ratatui's; reading is [`crate::tui::input::reader`], because crossterm's reader spins for ever on a terminal
//! that has vanished (0.29: `read` of 0 bytes or `EIO` is not looked at) and blocks on half a sequence.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Rect, Size};
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::panic_hook;
use crate::tui::input::key::Key;
use crate::tui::input::reader::{Input, is_foreground};
use crate::tui::render::{Screen, render};
use crate::tui::style::theme::Theme;

use super::console::{Console, TerminalEffects};
use super::job_control::{JobControl, can_rest};
use super::output::Wire;

const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";

/// Between two looks whether the terminal is free, or another job has it, and how many there are of the first kind.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: u32 = 30;

/// The terminal, as long as it is ours, and the way to it.
struct OwnedTerminal {
    ours: bool,
    wire: Wire,
}

static HELD: Mutex<OwnedTerminal> = Mutex::new(OwnedTerminal { ours: false, wire: Wire::closed() });
static HOOK: Once = Once::new();
/// Whether a thread panicked since the first session began.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// The terminal of this process, as long as it lives.
pub struct TerminalSession {
    terminal: Terminal<CrosstermBackend<FrameWriter>>,
    size: Size,
    title: String,
    input: Input,
    mouse: bool,
}

impl TerminalSession {
    /// Takes the terminal.
    ///
    /// # Errors
    /// There is none, or it cannot be put into raw mode; then it is as it was.
    pub fn enter() -> io::Result<Self> {
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
            let terminal =
                Terminal::with_options(CrosstermBackend::new(FrameWriter::default()), TerminalOptions { viewport })?;
            Ok(Self { terminal, size, title: String::new(), input, mouse: false })
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
        self.input.wait(timeout, keys)
    }

    fn draw(&mut self, screen: &Screen, theme: Theme, beyond: TerminalEffects) -> io::Result<()> {
        let size = measure()?;
        if size != self.size {
            self.size = size;
            self.terminal.resize(area(size))?;
        }
        if beyond.bell {
            self.terminal.backend_mut().write_all(b"\x07")?;
        }
        if self.mouse != beyond.mouse {
            self.mouse = beyond.mouse;
            self.terminal.backend_mut().write_all(if beyond.mouse { MOUSE_ON } else { MOUSE_OFF })?;
        }
        if self.title != screen.title {
            self.title.clone_from(&screen.title);
            write!(self.terminal.backend_mut(), "\x1b]0;{}\x07", screen.title)?;
        }
        self.terminal.draw(|frame| render(screen, &theme, frame.area(), frame.buffer_mut()))?;
        if lock().ours { Ok(()) } else { Err(io::Error::other("the terminal was given back")) }
    }

    fn is_ready(&mut self) -> io::Result<bool> {
        lock().wire.is_clear()
    }

    fn rest(&mut self, orders: &JobControl) -> io::Result<()> {
        if !can_rest() {
            return Ok(());
        }
        restore();
        orders.stop_process();
        self.retake(orders)
    }

    fn take_again(&mut self, orders: &JobControl) -> io::Result<()> {
        // Whoever had it meanwhile may have changed its modes: they are set again from the beginning.
        restore();
        self.retake(orders)
    }
}

impl TerminalSession {
    /// Takes the terminal, which is not ours just now, and shows everything anew; as soon as this is the job in the
    /// foreground, and not at all if the dashboard is to end before that.
    fn retake(&mut self, orders: &JobControl) -> io::Result<()> {
        while !is_foreground() {
            if orders.is_stop() {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        take()?;
        self.title.clear();
        self.mouse = false;
        // The alternate screen is blank, and so is now the frame before the next one. (`clear` would ask the terminal
        // where its cursor is, and wait for the answer.)
        self.terminal.swap_buffers();
        Ok(())
    }
}

impl Drop for TerminalSession {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether it was a panic that took the terminal from its session.
pub fn is_panicked() -> bool {
    PANICKED.load(Ordering::Relaxed)
}

/// Gives the terminal back, if it is ours. Any thread may call this at any time; only the first call does anything.
pub fn restore() {
    let Some(mut held) = lock_in_time() else {
        // A thread waits in a write for a terminal that does not read; the modes can be set all the same.
        drop(disable_raw_mode());
        return;
    };
    if !std::mem::take(&mut held.ours) {
        return;
    }
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail; a terminal that is gone needs nothing given back.
    drop(queue!(bytes, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show));
    bytes.extend(MOUSE_OFF);
    bytes.extend(b"\x1b[23;0t");
    if is_foreground() {
        held.wire.leave(&bytes);
        drop(disable_raw_mode());
    } else if can_write_behind() {
        // The shell has set the modes that it wants.
        held.wire.leave(&bytes);
    }
}

fn take() -> io::Result<()> {
    let mut held = lock();
    enable_raw_mode()?;
    held.ours = true;
    held.wire.open();
    drop(held);
    let mut bytes = b"\x1b[22;0t".to_vec();
    queue!(bytes, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    let taken = FrameWriter(bytes).flush();
    if taken.is_err() {
        restore();
    }
    taken
}

fn lock() -> MutexGuard<'static, OwnedTerminal> {
    // Nothing can be left half done under this lock, so a panic under it spoils nothing.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same, if it is free soon.
fn lock_in_time() -> Option<MutexGuard<'static, OwnedTerminal>> {
    for _ in 0..LOOKS {
        match HELD.try_lock() {
            Ok(held) => return Some(held),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(LOOK),
        }
    }
    None
}

/// Whether a job in the background may write (`stty -tostop`).
#[cfg(unix)]
fn can_write_behind() -> bool {
    use rustix::termios::{LocalModes, tcgetattr};
    tcgetattr(io::stdout()).is_ok_and(|modes| !modes.local_modes.contains(LocalModes::TOSTOP))
}

#[cfg(not(unix))]
const fn can_write_behind() -> bool {
    true
}

/// One call of the system, ten times a second: crossterm's own opens the terminal anew for it, and its `size` starts the
/// program tput when the terminal is gone.
#[cfg(unix)]
fn measure() -> io::Result<Size> {
    let size = rustix::termios::tcgetwinsize(io::stdout())?;
    Ok(Size { width: size.ws_col, height: size.ws_row })
}

#[cfg(not(unix))]
fn measure() -> io::Result<Size> {
    let size = crossterm::terminal::window_size()?;
    Ok(Size { width: size.columns, height: size.rows })
}

const fn area(size: Size) -> Rect {
    Rect { x: 0, y: 0, width: size.width, height: size.height }
}

/// Collects a frame and writes it in one piece, as long as the terminal is ours.
#[derive(Default)]
struct FrameWriter(Vec<u8>);

impl Write for FrameWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut held = lock();
        // Not ours is no error: ratatui prints one to stderr when its terminal is dropped. `draw` looks for itself.
        let sent = if held.ours { held.wire.send(&self.0) } else { Ok(()) };
        self.0.clear();
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_cannot_land_on_a_terminal_that_is_not_ours() {
        let mut frames = FrameWriter::default();
        frames.write_all(b"frame").unwrap();
        frames.flush().unwrap();
        assert!(frames.0.is_empty());
    }

    #[test]
    fn giving_back_what_is_not_ours_does_nothing() {
        restore();
        restore();
        assert!(!lock().ours);
    }
}
