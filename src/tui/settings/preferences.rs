//! What a dashboard remembers for the next one: the theme, the order and the mouse, as the user last set them by key.
//!
//! As text it is a line for each: `theme light`, `sort p95 reversed`, `mouse off`. A text is untrusted: lines that say nothing
//! are passed over.

use std::fmt;

use crate::tui::arrangement::sort::{Sort, SortKey};
use crate::tui::style::theme::Scheme;

/// What the user set by key; none where that never happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// The colours.
    pub scheme: Option<Scheme>,
    /// The order of the rows.
    pub sort: Option<Sort>,
    /// Whether the dashboard gets clicks and the wheel.
    pub mouse: Option<bool>,
}

impl Preferences {
    /// Reads what an earlier dashboard remembered.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut read = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match *words {
                ["theme", "dark"] => read.scheme = Some(Scheme::Dark),
                ["theme", "light"] => read.scheme = Some(Scheme::Light),
                ["sort", name] => read.sort = sort(name, false).or(read.sort),
                ["sort", name, "reversed"] => read.sort = sort(name, true).or(read.sort),
                ["mouse", "on"] => read.mouse = Some(true),
                ["mouse", "off"] => read.mouse = Some(false),
                _ => {}
            }
        }
        read
    }
}

fn sort(name: &str, reversed: bool) -> Option<Sort> {
    let key = SortKey::ALL.into_iter().find(|key| key.name() == name)?;
    Some(Sort { key, reversed })
}

impl fmt::Display for Preferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Some(Scheme::Dark) => writeln!(f, "theme dark")?,
            Some(Scheme::Light) => writeln!(f, "theme light")?,
            None => {}
        }
        if let Some(sort) = self.sort {
            writeln!(f, "sort {}{}", sort.key.name(), if sort.reversed { " reversed" } else { "" })?;
        }
        match self.mouse {
            Some(true) => writeln!(f, "mouse on"),
            Some(false) => writeln!(f, "mouse off"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_that_say_nothing_are_passed_over() {
        let read =
            Preferences::parse("theme blue\nsort p95 reversed\n\u{1b}[2J\nsort p96\nmouse\nmouse off now\ntheme light");
        let sort = Some(Sort { key: SortKey::P95, reversed: true });
        assert_eq!(read, Preferences { scheme: Some(Scheme::Light), sort, mouse: None });
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(light: Option<bool>, key in prop::option::of(0usize..11), reversed: bool, mouse: Option<bool>) {
            let scheme = light.map(|light| if light { Scheme::Light } else { Scheme::Dark });
            let sort = key.map(|key| Sort { key: SortKey::ALL[key], reversed });
            let written = Preferences { scheme, sort, mouse };
            prop_assert_eq!(Preferences::parse(&written.to_string()), written);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            prop_assert!(Preferences::parse(&text).to_string().len() < 60);
        }
    }
}
