//! The seam between the event loop and a terminal, for tests.

use std::io;
use std::time::Duration;

use ratatui::layout::Size;

use crate::tui::desktop::hyperlinks::Hyperlinks;
use crate::tui::input::key::Key;
use crate::tui::render::Screen;
use crate::tui::style::theme::Theme;
use crate::tui::terminal::job_control::JobControl;

/// A terminal, real or scripted by a test. Any error means that it is gone.
pub trait Console {
    fn size(&mut self) -> io::Result<Size>;
    /// Waits at most `timeout` for keys and appends them.
    fn wait(&mut self, timeout: Duration, keys: &mut Vec<Key>) -> io::Result<()>;
    /// Shows `screen` and applies the effects.
    fn draw(&mut self, screen: &Screen, theme: Theme, effects: &TerminalEffects) -> io::Result<()>;
    /// Restores the terminal, stops the process, and takes the terminal again when the process continues.
    fn suspend(&mut self, job: &JobControl) -> io::Result<()>;
    /// Takes the terminal again after another process stopped and continued this one.
    fn resume(&mut self, job: &JobControl) -> io::Result<()>;
    /// Whether the terminal has taken the last frame, so that there is room for the next.
    fn is_ready(&mut self) -> io::Result<bool>;
}

/// Effects on a terminal other than its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalEffects {
    /// Ring the bell once.
    pub bell: bool,
    /// The sequence of a notification.
    pub notification: Option<String>,
    /// The sequence that fills the clipboard.
    pub copied: Option<String>,
    /// Whether URLs are hyperlinks.
    pub links: Hyperlinks,
    /// Report the mouse. Without it the terminal selects text.
    pub mouse: bool,
}
