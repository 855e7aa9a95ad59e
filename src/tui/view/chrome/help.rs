//! The help: the keys of the page that it covers, from the table of keys, and the meaning of every mark.

use std::borrow::Cow;

use crate::engine::snapshot::SiteState;
use crate::model::{StoreHealth, figures};
use crate::tui::keymap::{self, Action};
use crate::tui::page::Page;
use crate::tui::style::click::Click;
use crate::tui::style::line::{Line, cut, width};
use crate::tui::style::role::{Cell, Role};
use crate::tui::view::frame::Frame;

/// No help is longer than this.
pub const LINES_MAX: usize = 60;
/// Least cells between two columns of the page.
const GAP: usize = 2;
const LABEL: usize = 8;
const MARK: usize = 14;
/// From this width on the words are whole sentences.
const WIDE: usize = 110;

/// What is explained: a sign, or a key.
enum Sign {
    Word(&'static str),
    Key(Action),
}

/// What a sign or a key means: in few words, and in a sentence.
const WORDS: [(Sign, &str, &str); 13] = [
    (Sign::Word("AVAIL"), "~ some checks are missing", "share of successful checks; ~ some checks are missing"),
    (Sign::Word(""), "≈ from hourly totals", "≈ computed from hourly totals"),
    (Sign::Word("COV"), "share of due checks made", "coverage: the share of due checks that were made"),
    (Sign::Word("CODES"), "checks by status or cause", "how many checks had each status or cause, failures first"),
    (Sign::Word("Times"), "successful checks, slow too", "response times of successful checks, slow ones included"),
    (Sign::Word("TTFB"), "time to first byte; MX: max", "time to the first byte of the response; MX: its maximum"),
    (Sign::Word("SINCE"), "time in this state", "how long the site has been in this state"),
    (
        Sign::Key(Action::Pause),
        "stops checks: 30 min, 2 h …",
        "stops the checks of a site: 30 min, 2 h, until resumed, off",
    ),
    (
        Sign::Key(Action::Silence),
        "no alerts: 1 h, 4 h, 08:00",
        "silences notifications only: 1 h, 4 h, until 08:00, off",
    ),
    (Sign::Key(Action::Acknowledge), "acknowledges, or withdraws", "acknowledges an incident; again withdraws it"),
    (Sign::Word("Names"), "✓ acked z silent ≋ relapses", "✓ acknowledged, z silenced, ≋3 three relapses"),
    (
        Sign::Word("Mouse"),
        "click: select; again: open",
        "a click selects, another opens; heads, tabs and keys work, too",
    ),
    (Sign::Word(""), "off: select text", "while it is off, the terminal selects text"),
];

/// What is explained at a hub.
const OF_HUB: [(Sign, &str, &str); 2] = [
    (Sign::Word("LOC"), "2/3: two of three votes", "2/3: of three locations that vote, two say what the mark says"),
    (Sign::Word(""), "say so; ?/3: too few vote", "?/3: of three locations, too few can vote"),
];

/// `height` lines with the title.
pub fn lines(frame: &Frame, height: usize) -> Vec<Line> {
    let mut body = keys(frame);
    let marks = marks(frame);
    let widest = |lines: &[Line]| lines.iter().map(Line::width).max().unwrap_or(0);
    let (left, right) = (widest(&body), widest(&marks));
    // Columns never touch: where there is no room for both, the second one follows below.
    if left + GAP + right <= frame.width() {
        let gap = (frame.width() - left - right).clamp(GAP, 2 * GAP);
        body.resize(body.len().max(marks.len()), Line::default());
        for (line, mark) in body.iter_mut().zip(marks) {
            line.pad_to(left + gap);
            line.extend(mark);
        }
    } else {
        body.push(Line::default());
        body.extend(marks.into_iter().map(|mark| {
            let mut line = Line::of(Role::Plain, " ");
            line.extend(mark);
            line
        }));
    }
    body.extend(about(frame));
    let room = height.saturating_sub(1);
    let top = frame.state.nav.top().min(body.len().saturating_sub(room));
    let mut lines = vec![title(frame, body.len() > top + room)];
    lines.extend(body.into_iter().skip(top).take(room));
    lines.resize(height, Line::default());
    lines
}

fn title(frame: &Frame, more: bool) -> Line {
    let page = match frame.state.nav.content() {
        Page::Alerts => "alerts",
        Page::Incident => "incident",
        Page::Site => "site",
        Page::Tuning => "try a rule",
        Page::Overview | Page::Help => "overview",
    };
    let mut line = Line::of(Role::Dim, "── ");
    line.push(Role::Strong, "Help");
    line.push(Role::Plain, format!(" · {page} "));
    let mut right = Line::of(Role::Plain, " ");
    if more {
        right.button(Role::Plain, format!("{} more", frame.key(Action::Rows(1))), Click::Press(Action::Rows(1)));
        right.push(Role::Plain, " · ");
    }
    right.button(Role::Plain, format!("{} closes ", frame.key(Action::Back)), Click::Press(Action::Back));
    line.rule_to(frame.width().saturating_sub(right.width() + 4));
    line.extend(right);
    line.rule_to(frame.width());
    line
}

fn keys(frame: &Frame) -> Vec<Line> {
    let mut section = "";
    let mut lines = Vec::new();
    let keys = &frame.inputs.arrangement.keys;
    let helps: Vec<_> = keymap::at(frame.state.nav.content())
        .filter(|binding| binding.action != Action::ToggleLocations || frame.state.sites.facts.locations)
        .filter_map(|binding| binding.help.map(|help| (binding, help, keys.label(binding, help.label))))
        .filter(|(.., label)| !label.is_empty())
        .collect();
    let widest = helps.iter().map(|(.., label)| width(label)).max().unwrap_or(0) + 1;
    for (binding, help, label) in helps {
        let is_off = !frame.takes(binding.action);
        let mut line = Line::of(Role::Plain, " ");
        line.push(Role::Strong, if help.section == section { "" } else { help.section });
        line.pad_to(1 + LABEL);
        line.push(Role::Key, label);
        line.pad_to(1 + LABEL + widest);
        line.push(Role::Plain, if is_off { "disabled: read-only" } else { help.words });
        lines.push(line);
        section = help.section;
    }
    lines
}

fn marks(frame: &Frame) -> Vec<Line> {
    use SiteState::{Down, Failing, New, Paused, Recovering, Unknown, Up};
    let mark = |state: SiteState, word: &'static str| (Role::State(state), frame.symbols().mark(state), word);
    let beat = |cell: Cell, words: &'static str| (Role::Beat(cell), frame.symbols().beat(cell), words);
    let words = |words: &'static str| (Role::Plain, "", words);
    let mut lines = Vec::new();
    let mut add = |name: &str, parts: &[(Role, &'static str, &'static str)]| {
        let mut line = Line::of(Role::Strong, name.to_owned());
        for (i, &(role, mark, words)) in parts.iter().enumerate() {
            line.pad_to(LABEL + i * MARK);
            line.push(role, mark);
            line.push(Role::Plain, if mark.is_empty() { "" } else { " " });
            line.push(Role::Plain, words);
        }
        lines.push(line);
    };
    add("Marks", &[mark(Down, "DOWN"), mark(Recovering, "recovering")]);
    add("", &[mark(Failing, "failing"), mark(Unknown, "unknown")]);
    add("", &[mark(Up, "up"), mark(Paused, "paused")]);
    add("", &[mark(New, "new")]);
    add("Bar", &[beat(Cell::Good, "all up"), beat(Cell::Some, "some failed")]);
    add("", &[beat(Cell::Poor, "most failed"), beat(Cell::Bad, "all failed")]);
    add("", &[words("(blank) no check")]);
    let filter: &[_] = match frame.state.nav.content() {
        Page::Alerts => &[
            (Sign::Word("Filter"), "part of a name or message,", "all words must match: part of a name or message,"),
            (Sign::Word(""), "open, down, up; !word not", "open, down, up; !word excludes"),
        ],
        Page::Incident | Page::Site | Page::Tuning => &[],
        Page::Overview | Page::Help => &[
            (Sign::Word("Filter"), "part of a name, URL, group", "all words must match: part of a name, URL or group,"),
            (Sign::Word(""), "group:NAME, a state, cert,", "group:NAME, a state (down, failing …), cert,"),
            (
                Sign::Word(""),
                "503, 5xx, timeout; !word not",
                "a status (503, 5xx), a cause (timeout, slow …); !word excludes",
            ),
        ],
    };
    let of_hub: &[_] = if frame.state.sites.facts.locations { &OF_HUB } else { &[] };
    for (sign, short, long) in WORDS.iter().chain(of_hub).chain(filter) {
        let name = match sign {
            Sign::Word(word) => Cow::Borrowed(*word),
            Sign::Key(action) => frame.key(*action),
        };
        add(&name, &[words(if frame.width() >= WIDE { long } else { short })]);
    }
    lines
}

fn about(frame: &Frame) -> Vec<Line> {
    let about = frame.inputs.about;
    let mut parts = Vec::new();
    if let Some(config) = &about.config {
        parts.push(format!(" {config} ({} sites)", frame.inputs.snapshot.subjects().count()));
    }
    if let Some(store) = &about.store {
        let bytes = match frame.inputs.health.store {
            StoreHealth::Ok { bytes } => format!(" {}", figures::bytes(bytes)),
            StoreHealth::Off | StoreHealth::NotSaving { .. } => String::new(),
        };
        parts.push(format!(" {store}{bytes}"));
    }
    parts.push(format!(" webmon {}", about.version));
    let joined = parts.join("  ");
    if width(&joined) <= frame.width() {
        parts = vec![joined];
    }
    parts.iter().map(|part| Line::of(Role::Dim, cut(part, frame.width()))).collect()
}
