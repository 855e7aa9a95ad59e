//! The help: the keys of the page that it covers, from the table of keys, and the meaning of every mark.

use crate::engine::snapshot::SiteState;
use crate::model::{StoreHealth, figures};
use crate::tui::keymap;
use crate::tui::page::Page;
use crate::tui::style::line::{Line, cut, width};
use crate::tui::style::role::{Cell, Role};
use crate::tui::view::frame::Frame;

/// No help is longer than this.
pub const LINES_MAX: usize = 60;
const TWO_COLUMNS: usize = 76;
/// Where the second column begins.
const SECOND: usize = 43;
const LABEL: usize = 8;
const KEYS: usize = 13;
const MARK: usize = 12;

const COLUMNS: [(&str, &str); 11] = [
    ("AVAIL", "~ some checks are missing"),
    ("", "≈ from hourly totals"),
    ("COV", "share of due checks made"),
    ("CODES", "count of each status or cause"),
    ("Times", "successful checks, slow too"),
    ("TTFB", "time to first byte; MX: max"),
    ("p", "stops checks: 30 min, 2 h, …"),
    ("z", "mutes only: 1 h, 4 h, 08:00"),
    ("x", "acknowledges, or withdraws"),
    ("Names", "✓ acked z muted ≋ relapses"),
    ("Mouse", "off lets you select text"),
];

/// `height` lines with the title.
pub fn lines(frame: &Frame, height: usize) -> Vec<Line> {
    let mut body = keys(frame);
    let marks = marks(frame);
    if frame.width() >= TWO_COLUMNS {
        body.resize(body.len().max(marks.len()), Line::default());
        for (line, mark) in body.iter_mut().zip(marks) {
            line.pad_to(SECOND);
            line.extend(mark);
        }
    } else {
        body.extend(marks);
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
        Page::Site => "site",
        Page::Tuning => "try a rule",
        Page::Overview | Page::Help => "overview",
    };
    let mut line = Line::of(Role::Dim, "── ");
    line.push(Role::Strong, "Help");
    line.push(Role::Plain, format!(" · {page} "));
    let right = if more { " j more · Esc closes " } else { " Esc closes " };
    line.rule_to(frame.width().saturating_sub(width(right) + 4));
    line.push(Role::Plain, right);
    line.rule_to(frame.width());
    line
}

fn keys(frame: &Frame) -> Vec<Line> {
    let mut section = "";
    let mut lines = Vec::new();
    for binding in keymap::at(frame.state.nav.content()) {
        let Some(help) = binding.help else { continue };
        let is_off = binding.action.is_command() && frame.is_read_only();
        let mut line = Line::of(Role::Plain, " ");
        line.push(Role::Strong, if help.section == section { "" } else { help.section });
        line.pad_to(1 + LABEL);
        line.push(Role::Key, help.label);
        line.pad_to(1 + LABEL + KEYS);
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
    let mut add = |name: &'static str, parts: &[(Role, &'static str, &'static str)]| {
        let mut line = Line::of(Role::Strong, name);
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
        Page::Alerts => &[("Filter", "part of a name or message,"), ("", "open, down, up;"), ("", "!word excludes")],
        Page::Site | Page::Tuning => &[],
        Page::Overview | Page::Help => {
            &[("Filter", "part of a name or URL,"), ("", "group:NAME, a state, cert;"), ("", "!word excludes")]
        }
    };
    for &(name, text) in COLUMNS.iter().chain(filter) {
        add(name, &[words(text)]);
    }
    lines
}

fn about(frame: &Frame) -> Vec<Line> {
    let about = frame.inputs.about;
    let mut parts = Vec::new();
    if let Some(config) = &about.config {
        parts.push(format!(" {config} ({} sites)", frame.inputs.snapshot.sites.len()));
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
