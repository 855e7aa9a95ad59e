//! What a person can do: one table makes the matching of keys, the footer and the help.
//!
//! A row says which keys do what on which screens. Nothing is in the table that does not work.

use super::input::key::Key;
use super::page::Page;

/// Something that a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// One page up.
    PageUp,
    /// One page down.
    PageDown,
    /// Half a page up.
    HalfUp,
    /// Half a page down.
    HalfDown,
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// The alerts region one up.
    AlertsUp,
    /// The alerts region one down.
    AlertsDown,
    /// The selected site in full.
    Open,
    /// The site before this one in the list.
    PreviousSite,
    /// The site after this one in the list.
    NextSite,
    /// Half a screen back in time.
    Earlier,
    /// Half a screen on in time.
    Later,
    /// Back to now.
    Now,
    /// To the incident before.
    Incident,
    /// Response times drawn logarithmically, on and off.
    Logarithm,
    /// A shorter span of the chart.
    ZoomIn,
    /// A longer span of the chart.
    ZoomOut,
    /// The next view, where they do not fit together.
    NextView,
    /// The view of the digit that was pressed.
    View,
    /// Type a filter.
    Filter,
    /// Only what is not up, on and off.
    NotUp,
    /// Choose an order.
    Sort,
    /// Fold the sites by group, on and off.
    Fold,
    /// Hold the figures, on and off.
    Freeze,
    /// Check the site now.
    Recheck,
    /// Leave the site alone for a while.
    Pause,
    /// All alerts.
    Alerts,
    /// To the newest alert.
    Newest,
    /// The next theme.
    Theme,
    /// The bell on and off.
    Mute,
    /// The mouse ours or the terminal's.
    Mouse,
    /// The help on and off.
    Help,
    /// Back, or clear the filter.
    Back,
    /// Leave.
    Quit,
    /// Leave, and print the last screen.
    QuitKeepScreen,
    /// Stop the process until the shell continues it.
    Rest,
}

impl Action {
    /// Whether it is asked of the monitor itself, so that somebody who only looks on cannot.
    #[must_use]
    pub const fn is_asked(self) -> bool {
        matches!(self, Self::Recheck | Self::Pause)
    }
}

/// A part of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Getting around.
    Move,
    /// Seeing more or less.
    Look,
    /// Having an effect beyond the screen.
    Act,
    /// The program itself.
    Screen,
    /// Ending.
    Leave,
}

impl Section {
    /// All, in the order of the help.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Move, "Move"),
        (Self::Look, "Look"),
        (Self::Act, "Act"),
        (Self::Screen, "Screen"),
        (Self::Leave, "Leave"),
    ];
}

/// A word in the footer: the label of the key, the word, and its rank; higher ranks go first when it is narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The key as it is labelled.
    pub label: &'static str,
    /// What it does.
    pub word: &'static str,
    /// 0 always stays.
    pub rank: u8,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct KeyBinding {
    /// What is done.
    pub action: Action,
    /// By which keys.
    pub keys: &'static [Key],
    /// Where.
    pub places: &'static [Page],
    /// What the footer says of it.
    pub hint: Option<Hint>,
    /// What the help says of it: section, label of the keys, words. Rows without are told by their neighbour.
    pub help: Option<(Section, &'static str, &'static str)>,
}

const SCREENS: &[Page] = &[Page::Overview, Page::Alerts, Page::Site];
const EVERYWHERE: &[Page] = &[Page::Overview, Page::Alerts, Page::Site, Page::Help];
const OVERVIEW: &[Page] = &[Page::Overview];
const ALERTS: &[Page] = &[Page::Alerts];
const SITE: &[Page] = &[Page::Site];
const LISTS: &[Page] = &[Page::Overview, Page::Alerts, Page::Help];
const TABLES: &[Page] = &[Page::Overview, Page::Site];

const fn row(action: Action, keys: &'static [Key], places: &'static [Page]) -> KeyBinding {
    KeyBinding { action, keys, places, hint: None, help: None }
}

impl KeyBinding {
    const fn hint(mut self, label: &'static str, word: &'static str, rank: u8) -> Self {
        self.hint = Some(Hint { label, word, rank });
        self
    }

    const fn help(mut self, section: Section, label: &'static str, words: &'static str) -> Self {
        self.help = Some((section, label, words));
        self
    }
}

/// The table.
pub const TABLE: &[KeyBinding] = &[
    row(Action::Down, &[Key::Char('j'), Key::Down], EVERYWHERE).help(Section::Move, "j k arrows", "row"),
    row(Action::Up, &[Key::Char('k'), Key::Up], EVERYWHERE),
    row(Action::PageDown, &[Key::PageDown, Key::Ctrl('f'), Key::Char(' ')], EVERYWHERE).help(
        Section::Move,
        "PgDn ^D",
        "page, half a page",
    ),
    row(Action::PageUp, &[Key::PageUp, Key::Ctrl('b')], EVERYWHERE),
    row(Action::HalfDown, &[Key::Ctrl('d')], EVERYWHERE),
    row(Action::HalfUp, &[Key::Ctrl('u')], EVERYWHERE),
    row(Action::First, &[Key::Char('g'), Key::Home], EVERYWHERE).help(Section::Move, "g G Home End", "first, last"),
    row(Action::Last, &[Key::Char('G')], EVERYWHERE),
    row(Action::Last, &[Key::End], LISTS),
    row(Action::AlertsDown, &[Key::Char('J')], OVERVIEW).help(Section::Move, "J K", "scroll the alerts"),
    row(Action::AlertsUp, &[Key::Char('K')], OVERVIEW),
    row(Action::Open, &[Key::Enter], OVERVIEW).hint("Enter", "site", 1).help(Section::Look, "Enter", "this site"),
    row(Action::Open, &[Key::Enter], ALERTS).hint("Enter", "open", 1).help(
        Section::Look,
        "Enter",
        "its site; a storm: all",
    ),
    row(Action::PreviousSite, &[Key::Char('[')], SITE).hint("[ ]", "other site", 1).help(
        Section::Move,
        "[ ]",
        "other site",
    ),
    row(Action::NextSite, &[Key::Char(']')], SITE),
    row(Action::ZoomIn, &[Key::Char('+'), Key::Char('=')], SITE).hint("+ -", "zoom", 2).help(
        Section::Look,
        "+ -",
        "zoom the chart",
    ),
    row(Action::ZoomOut, &[Key::Char('-')], SITE),
    row(Action::Earlier, &[Key::Left], SITE).hint("← →", "in time", 3).help(Section::Look, "← → End", "back, on, now"),
    row(Action::Later, &[Key::Right], SITE),
    row(Action::Now, &[Key::End], SITE),
    row(Action::Incident, &[Key::Enter], SITE).hint("Enter", "incident", 4).help(
        Section::Look,
        "Enter",
        "incident before",
    ),
    row(Action::Logarithm, &[Key::Char('l')], SITE).hint("l", "log", 7).help(Section::Look, "l", "log scale"),
    row(Action::Filter, &[Key::Char('/')], OVERVIEW).hint("/", "filter", 1).help(Section::Look, "/", "filter"),
    row(Action::Filter, &[Key::Char('/')], ALERTS).hint("/", "filter", 1).help(
        Section::Look,
        "/",
        "filter: open down up",
    ),
    row(Action::NotUp, &[Key::Char('d')], OVERVIEW).hint("d", "not up", 5).help(Section::Look, "d", "only not up"),
    row(Action::Sort, &[Key::Char('s')], OVERVIEW).hint("s", "sort", 2).help(Section::Look, "s", "sort"),
    row(Action::Fold, &[Key::Char('o')], OVERVIEW).hint("o", "groups", 6).help(Section::Look, "o", "fold by group"),
    row(Action::NextView, &[Key::Tab, Key::BackTab], TABLES).hint("Tab", "view", 6).help(
        Section::Look,
        "Tab 1-9",
        "view",
    ),
    row(
        Action::View,
        &[
            Key::Char('1'),
            Key::Char('2'),
            Key::Char('3'),
            Key::Char('4'),
            Key::Char('5'),
            Key::Char('6'),
            Key::Char('7'),
            Key::Char('8'),
            Key::Char('9'),
        ],
        TABLES,
    ),
    row(Action::Alerts, &[Key::Char('a')], ALERTS),
    row(Action::Alerts, &[Key::Char('a')], TABLES).hint("a", "alerts", 3),
    row(Action::Newest, &[Key::Char('!')], SCREENS).help(Section::Look, "a !", "alerts, newest"),
    row(Action::Freeze, &[Key::Char('f')], TABLES).hint("f", "freeze", 4).help(
        Section::Look,
        "f",
        "freeze the figures",
    ),
    row(Action::Recheck, &[Key::Char('r')], SCREENS).hint("r", "recheck", 4).help(Section::Act, "r", "check it now"),
    row(Action::Pause, &[Key::Char('p')], SCREENS).hint("p", "pause", 6).help(Section::Act, "p", "pause 30m, 2h, on"),
    row(Action::Theme, &[Key::Char('t')], EVERYWHERE).help(Section::Screen, "t b", "theme, bell on, off"),
    row(Action::Mute, &[Key::Char('b')], EVERYWHERE),
    row(Action::Mouse, &[Key::Char('m')], EVERYWHERE).help(Section::Screen, "m", "mouse; off: select text"),
    row(Action::Back, &[Key::Esc], EVERYWHERE).help(Section::Leave, "Esc", "back, clear filter"),
    row(Action::Help, &[Key::Char('?')], EVERYWHERE).hint("?", "help", 0),
    row(Action::Quit, &[Key::Char('q'), Key::Ctrl('c')], EVERYWHERE).hint("q", "quit", 0).help(
        Section::Leave,
        "q ^C Q",
        "quit; Q: keep screen",
    ),
    row(Action::QuitKeepScreen, &[Key::Char('Q')], EVERYWHERE),
    row(Action::Rest, &[Key::Ctrl('z')], EVERYWHERE).help(Section::Leave, "^Z", "to the shell; fg: back"),
];

/// The rows that hold at `place`.
pub fn at(place: Page) -> impl Iterator<Item = &'static KeyBinding> {
    TABLE.iter().filter(move |entry| entry.places.contains(&place))
}

/// What `key` does at `place`.
#[must_use]
pub fn of(key: &Key, place: Page) -> Option<Action> {
    at(place).find(|entry| entry.keys.contains(key)).map(|entry| entry.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_does_two_things_at_one_place() {
        for place in [Page::Overview, Page::Alerts, Page::Site, Page::Help] {
            let keys: Vec<&Key> = at(place).flat_map(|entry| entry.keys).collect();
            for (i, key) in keys.iter().enumerate() {
                assert!(!keys[..i].contains(key), "{key:?} twice at {place:?}");
            }
        }
    }

    #[test]
    fn every_hint_names_a_key_of_its_row() {
        for entry in TABLE {
            if let Some(hint) = entry.hint {
                let named = match hint.label {
                    "Tab" => Key::Tab,
                    "Enter" => Key::Enter,
                    "← →" => Key::Left,
                    label => Key::Char(label.chars().next().unwrap()),
                };
                assert!(entry.keys.contains(&named), "{hint:?}");
            }
        }
    }
}
