//! The keys, the actions of the mouse and the answers of the terminal that the dashboard knows.

/// A key, or what else comes in between keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A character.
    Char(char),
    /// A letter with Ctrl, in lower case.
    Ctrl(char),
    /// Return.
    Enter,
    /// Escape.
    Esc,
    /// Tab.
    Tab,
    /// Shift and Tab.
    BackTab,
    /// Backspace.
    Backspace,
    /// Cursor up.
    Up,
    /// Cursor down.
    Down,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
    /// A pasted text, control characters included.
    Paste(String),
    /// The terminal's answer about its background.
    Background {
        /// Whether it is a light one.
        is_light: bool,
    },
    /// A click or a turn of the wheel at this column and row, counted from 0.
    Mouse(Mouse, u16, u16),
}

/// An action of the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mouse {
    /// The left button was pressed.
    Click,
    /// The wheel was turned away from the user.
    WheelUp,
    /// The wheel was turned towards the user.
    WheelDown,
}
