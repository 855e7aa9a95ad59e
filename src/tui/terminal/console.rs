//! What the event loop needs of a terminal, so that a test can take its place.

use std::io;
use std::time::Duration;

use ratatui::layout::Size;

use crate::tui::input::key::Key;
use crate::tui::render::Screen;
use crate::tui::style::theme::Theme;
use crate::tui::terminal::job_control::JobControl;

/// A terminal, or what stands for one in a test. Any error means that it is gone.
pub trait Console {
    /// Its size.
    fn size(&mut self) -> io::Result<Size>;
    /// Waits for keys, at most `timeout`, and appends them.
    fn wait(&mut self, timeout: Duration, keys: &mut Vec<Key>) -> io::Result<()>;
    /// Shows `screen`, and does what is beyond its cells.
    fn draw(&mut self, screen: &Screen, theme: Theme, beyond: TerminalEffects) -> io::Result<()>;
    /// Gives it back, stops the process, and takes it again when the process was continued.
    fn rest(&mut self, orders: &JobControl) -> io::Result<()>;
    /// Takes it again after the process was stopped and continued by somebody else.
    fn take_again(&mut self, orders: &JobControl) -> io::Result<()>;
    /// Whether what was shown last has arrived, so that there is room for more.
    fn is_ready(&mut self) -> io::Result<bool>;
}

/// What a terminal does besides showing cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalEffects {
    /// Rings the bell once.
    pub bell: bool,
    /// Reports the mouse; if not, the terminal's own selection of text works.
    pub mouse: bool,
}
