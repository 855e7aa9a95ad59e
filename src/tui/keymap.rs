//! The keys: one table makes their matching, the footer and the help; [`super::arrangement`] changes them.
//!
//! Invariant: a key does one thing on a page, and every row of the table does something.

use super::input::key::Key::{self, Char, Ctrl};
use super::page::{ExitRequest, Page};

/// What a key asks for. Numbers count rows, pages or views: negative ones go up, back or left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Rows(isize),
    Pages(isize),
    HalfPages(isize),
    First,
    Last,
    ScrollAlerts(isize),
    /// Open what is under the cursor.
    Open,
    OtherSite(isize),
    /// Move the chart half a screen back in time, or forward.
    Earlier,
    Later,
    Now,
    /// Move the time cursor of the overview.
    Time(Travel),
    /// Read one cell of the chart.
    ToggleCursor,
    PreviousIncident,
    ToggleLogScale,
    ZoomIn,
    ZoomOut,
    OtherView(isize),
    /// Show the view at this index.
    View(usize),
    Filter,
    ToggleNotUp,
    Sort,
    ToggleGroups,
    /// List the locations of a site below it.
    ToggleLocations,
    ToggleFreeze,
    /// Try another rule on the past of the site.
    Tune,
    TuneValue(isize),
    TuneReset,
    CheckNow,
    Pause,
    Acknowledge,
    Silence,
    Alerts,
    NewestAlert,
    /// Open the site of an alert or an incident.
    OpenSite,
    /// Open the newest incident of the site.
    OpenIncident,
    /// Show what the site answered to the first failed check of an incident, alone, or all of the incident again.
    Evidence,
    /// Copy an incident as Markdown, or the check of a site as a curl line.
    Copy,
    /// Copy the URL of the site and why its last check failed.
    CopyError,
    ToggleTheme,
    ToggleBell,
    ToggleMouse,
    ToggleHelp,
    /// Go back, or clear the filter.
    Back,
    Exit(ExitRequest),
}

/// What a key does to the time cursor of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Travel {
    /// Go a step back, or forward.
    Earlier,
    Later,
    /// Return to now; from there go to the last row.
    Present,
    /// Let the past go on by itself, or stop it; at now show the next page.
    Play,
    /// Take finer steps, or coarser ones.
    Finer,
    Coarser,
    /// Go to the alert before what is shown, or after it.
    OtherAlert(isize),
}

impl Action {
    /// Whether this is a command about checks, which a read-only dashboard cannot give.
    #[must_use]
    pub const fn is_command(self) -> bool {
        matches!(self, Self::CheckNow | Self::Pause)
    }

    /// Whether this is a command to the monitor, of which a dashboard that only looks at a fleet gives none.
    #[must_use]
    pub const fn is_order(self) -> bool {
        self.is_command() || matches!(self, Self::Acknowledge | Self::Silence)
    }
}

/// A key in the footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    pub label: &'static str,
    pub word: &'static str,
    /// Where there is little room, hints of a higher rank go first; 0 always stays.
    pub rank: u8,
}

/// A line of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelpLine {
    pub section: &'static str,
    pub label: &'static str,
    pub words: &'static str,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct KeyBinding {
    pub action: Action,
    pub keys: &'static [Key],
    pub pages: &'static [Page],
    pub hint: Option<Hint>,
    /// None where the line of another row names these keys, too.
    pub help: Option<HelpLine>,
}

const ALL: &[Page] = &[Page::Overview, Page::Alerts, Page::Incident, Page::Site, Page::Tuning, Page::Help];
const CONTENT: &[Page] = &[Page::Overview, Page::Alerts, Page::Incident, Page::Site];
const SCREENS: &[Page] = &[Page::Overview, Page::Alerts, Page::Incident, Page::Site, Page::Tuning];
const TUNING: &[Page] = &[Page::Tuning];
const LISTS: &[Page] = &[Page::Alerts, Page::Incident, Page::Help];
const SCROLLED: &[Page] = &[Page::Alerts, Page::Site, Page::Incident, Page::Tuning, Page::Help];
const TABLES: &[Page] = &[Page::Overview, Page::Site];
const OVERVIEW: &[Page] = &[Page::Overview];
const ALERTS: &[Page] = &[Page::Alerts];
const INCIDENT: &[Page] = &[Page::Incident];
const SITE: &[Page] = &[Page::Site];
const HELP: &[Page] = &[Page::Help];

const fn row(action: Action, keys: &'static [Key], pages: &'static [Page]) -> KeyBinding {
    KeyBinding { action, keys, pages, hint: None, help: None }
}

impl KeyBinding {
    const fn hint(mut self, label: &'static str, word: &'static str, rank: u8) -> Self {
        self.hint = Some(Hint { label, word, rank });
        self
    }

    const fn help(mut self, section: &'static str, label: &'static str, words: &'static str) -> Self {
        self.help = Some(HelpLine { section, label, words });
        self
    }
}

/// The table, in the order of the footer and of the help.
pub const TABLE: &[KeyBinding] = &[
    row(Action::Rows(1), &[Char('j'), Key::Down], ALL).help("Move", "j k arrows", "next, previous row"),
    row(Action::Rows(-1), &[Char('k'), Key::Up], ALL),
    row(Action::Pages(1), &[Key::PageDown, Ctrl('f')], ALL).help("Move", "PgDn ^D", "page, half a page"),
    row(Action::Pages(1), &[Char(' ')], SCROLLED),
    row(Action::Pages(-1), &[Key::PageUp, Ctrl('b')], ALL),
    row(Action::HalfPages(1), &[Ctrl('d')], ALL),
    row(Action::HalfPages(-1), &[Ctrl('u')], ALL),
    row(Action::First, &[Char('g'), Key::Home], ALL).help("Move", "g G Home", "first, last row"),
    row(Action::Last, &[Char('G')], ALL),
    row(Action::Last, &[Key::End], LISTS),
    row(Action::ScrollAlerts(1), &[Char('J')], OVERVIEW).help("Move", "J K", "scroll the alerts"),
    row(Action::ScrollAlerts(-1), &[Char('K')], OVERVIEW),
    row(Action::OtherSite(-1), &[Char('[')], SITE).hint("[ ]", "other site", 1).help(
        "Move",
        "[ ]",
        "previous, next site",
    ),
    row(Action::OtherSite(1), &[Char(']')], SITE),
    row(Action::Open, &[Key::Enter], OVERVIEW).hint("Enter", "site", 1).help("Look", "Enter", "open site or group"),
    row(Action::Open, &[Key::Enter], ALERTS).hint("Enter", "incident", 1).help("Look", "Enter", "open the incident"),
    row(Action::OpenSite, &[Char('o')], ALERTS).hint("o", "site", 2).help("Look", "o", "open the site"),
    row(Action::OpenSite, &[Key::Enter, Char('o')], INCIDENT).hint("Enter", "site", 1).help(
        "Look",
        "Enter o",
        "site at that time",
    ),
    row(Action::ZoomIn, &[Char('+'), Char('=')], SITE).hint("+ -", "zoom", 2).help("Look", "+ -", "zoom the chart"),
    row(Action::ZoomOut, &[Char('-')], SITE),
    row(Action::Earlier, &[Key::Left], SITE).hint("← →", "in time", 3).help("Look", "← → End", "earlier, later, now"),
    row(Action::Later, &[Key::Right], SITE),
    row(Action::Now, &[Key::End], SITE),
    row(Action::ToggleCursor, &[Char('c')], SITE).hint("c", "cell", 5).help("Look", "c", "read a cell: ← → Esc"),
    row(Action::PreviousIncident, &[Key::Enter], SITE).hint("Enter", "incident", 4).help(
        "Look",
        "Enter",
        "previous incident",
    ),
    row(Action::OpenIncident, &[Char('i')], SITE).hint("i", "report", 9).help("Look", "i", "report of an incident"),
    row(Action::Evidence, &[Char('v')], CONTENT).hint("v", "answer", 8).help("Look", "v", "what it answered"),
    row(Action::ToggleLogScale, &[Char('l')], SITE).hint("l", "log", 7).help("Look", "l", "logarithmic scale"),
    row(Action::Filter, &[Char('/')], OVERVIEW).hint("/", "filter", 1).help("Look", "/", "filter the sites"),
    row(Action::Filter, &[Char('/')], ALERTS).hint("/", "filter", 1).help("Look", "/", "filter the alerts"),
    row(Action::ToggleNotUp, &[Char('d')], OVERVIEW).hint("d", "not up", 5).help("Look", "d", "only sites not up"),
    row(Action::Sort, &[Char('s')], OVERVIEW).hint("s", "sort", 2).help("Look", "s", "sort the sites"),
    row(Action::ToggleGroups, &[Char('o')], OVERVIEW).hint("o", "groups", 6).help("Look", "o", "fold by group"),
    row(Action::ToggleLocations, &[Char('l')], OVERVIEW).hint("l", "locations", 3).help(
        "Look",
        "l",
        "locations of a site",
    ),
    row(Action::OtherView(1), &[Key::Tab], TABLES).hint("Tab", "view", 6).help(
        "Look",
        "Tab 1-9",
        "next view, one alone",
    ),
    row(Action::OtherView(-1), &[Key::BackTab], TABLES),
    row(Action::View(0), &[Char('1')], TABLES),
    row(Action::View(1), &[Char('2')], TABLES),
    row(Action::View(2), &[Char('3')], TABLES),
    row(Action::View(3), &[Char('4')], TABLES),
    row(Action::View(4), &[Char('5')], TABLES),
    row(Action::View(5), &[Char('6')], TABLES),
    row(Action::View(6), &[Char('7')], TABLES),
    row(Action::View(7), &[Char('8')], TABLES),
    row(Action::View(8), &[Char('9')], TABLES),
    row(Action::Alerts, &[Char('a')], TABLES).hint("a", "alerts", 3),
    row(Action::Alerts, &[Char('a')], INCIDENT).hint("a", "alerts", 3),
    row(Action::Alerts, &[Char('a')], ALERTS),
    row(Action::NewestAlert, &[Char('!')], CONTENT).help("Look", "a !", "alerts, newest alert"),
    row(Action::ToggleFreeze, &[Char('f')], TABLES).hint("f", "freeze", 4).help("Look", "f", "freeze the tables"),
    row(Action::Time(Travel::Earlier), &[Key::Left], OVERVIEW).hint("← →", "in time", 5).help(
        "Time",
        "← → End",
        "earlier, later, now",
    ),
    row(Action::Time(Travel::Later), &[Key::Right], OVERVIEW),
    row(Action::Time(Travel::Present), &[Key::End], OVERVIEW),
    row(Action::Time(Travel::Finer), &[Char('+'), Char('=')], OVERVIEW).help("Time", "+ -", "finer, coarser steps"),
    row(Action::Time(Travel::Coarser), &[Char('-')], OVERVIEW),
    row(Action::Time(Travel::Play), &[Char(' ')], OVERVIEW).help("Time", "Space", "play the past, stop"),
    row(Action::Time(Travel::OtherAlert(-1)), &[Char('[')], OVERVIEW).help("Time", "[ ]", "alert before, after"),
    row(Action::Time(Travel::OtherAlert(1)), &[Char(']')], OVERVIEW),
    row(Action::CheckNow, &[Char('r')], CONTENT).hint("r", "recheck", 4).help("Act", "r p", "check now, pause"),
    row(Action::Pause, &[Char('p')], CONTENT).hint("p", "pause", 6),
    row(Action::Silence, &[Char('z')], CONTENT).hint("z", "silence", 8),
    row(Action::Acknowledge, &[Char('x')], CONTENT).hint("x", "ack", 8).help("Act", "x z", "acknowledge, silence"),
    row(Action::Tune, &[Char('T')], TABLES).hint("T", "tune", 7).help("Act", "T", "try an alert rule"),
    row(Action::TuneValue(1), &[Key::Right, Char('+'), Char('=')], TUNING).hint("+ -", "change", 1).help(
        "Tune",
        "← → + -",
        "change the value",
    ),
    row(Action::TuneValue(-1), &[Key::Left, Char('-')], TUNING),
    row(Action::TuneReset, &[Char('0')], TUNING).hint("0", "reset", 2).help("Tune", "0", "the rule that holds"),
    row(Action::Copy, &[Char('y')], TABLES).hint("y", "copy", 9).help("Act", "y Y", "copy curl line, URL"),
    row(Action::CopyError, &[Char('Y')], TABLES),
    row(Action::Copy, &[Char('y')], INCIDENT).hint("y", "copy", 2).help("Act", "y", "copy it as Markdown"),
    row(Action::ToggleTheme, &[Char('t')], ALL).help("Screen", "t b", "theme, bell on/off"),
    row(Action::ToggleBell, &[Char('b')], ALL),
    row(Action::ToggleMouse, &[Char('m')], ALL).help("Screen", "m", "mouse on/off"),
    row(Action::Back, &[Key::Esc], ALL).help("Leave", "Esc", "back, clear filter"),
    row(Action::ToggleHelp, &[Char('?')], ALL).hint("?", "help", 0),
    row(Action::Exit(ExitRequest::Plain), &[Char('q')], HELP),
    row(Action::Exit(ExitRequest::Plain), &[Char('q')], SCREENS).hint("q", "quit", 0).help("Leave", "q ^C", "quit"),
    row(Action::Exit(ExitRequest::KeepScreen), &[Char('Q')], ALL).help("Leave", "Q", "quit, keep screen"),
    row(Action::Exit(ExitRequest::Interrupt), &[Ctrl('c')], ALL),
    row(Action::Exit(ExitRequest::Suspend), &[Ctrl('z')], ALL).help("Leave", "^Z", "suspend; fg resumes"),
];

/// The rows that hold on `page`.
pub fn at(page: Page) -> impl Iterator<Item = &'static KeyBinding> {
    TABLE.iter().filter(move |binding| binding.pages.contains(&page))
}
