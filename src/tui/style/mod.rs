//! The look of text: lines, roles, symbols, themes, and times in words.

pub(crate) mod click;
pub(crate) mod line;
pub(crate) mod role;
pub(crate) mod symbols;
pub(crate) mod theme;
pub(crate) mod time_text;
