//! The help: the keys of the screen below it, made from the table of actions, and what every mark means.

use crate::engine::snapshot::SiteState;
use crate::model::{StoreHealth, figures};
use crate::tui::keymap::{self, Section};
use crate::tui::page::Page;
use crate::tui::style::line::{Line, cut, safe};
use crate::tui::style::role::{Cell, Role};
use crate::tui::view::frame::Frame;

/// No help is longer than this.
pub const LINES_MAX: usize = 60;
const TWO_COLUMNS: usize = 76;
const LABEL: usize = 8;
const KEYS: usize = 13;

/// The overlay: `height` lines with its title.
pub fn lines(frame: &Frame, height: usize) -> Vec<Line> {
    let keys = keys(frame);
    let marks = marks(frame);
    let mut body = Vec::new();
    if frame.width() >= TWO_COLUMNS {
        let second = 40.max(frame.width() / 3);
        for i in 0..keys.len().max(marks.len()) {
            let mut line = keys.get(i).cloned().unwrap_or_default();
            line.pad_to(second);
            line.extend(marks.get(i).cloned().unwrap_or_default());
            body.push(line);
        }
    } else {
        body.extend(keys);
        body.extend(marks);
    }
    body.extend(about(frame));
    let room = height.saturating_sub(1);
    let top = frame.state.help_top.min(body.len().saturating_sub(room));
    let more = body.len() > top + room;
    let mut lines = vec![title(frame, more)];
    lines.extend(body.into_iter().skip(top).take(room));
    lines.resize(height, Line::default());
    lines
}

fn title(frame: &Frame, more: bool) -> Line {
    let place = match frame.state.under_help {
        Page::Alerts => "alerts",
        Page::Site => "site",
        Page::Overview | Page::Help => "overview",
    };
    let mut line = Line::of(Role::Dim, "── ");
    line.push(Role::Strong, "Help");
    line.push(Role::Plain, format!(" · {place} "));
    let right = if more { " j more · Esc closes " } else { " Esc closes " };
    line.rule_to(frame.width().saturating_sub(crate::tui::style::line::width(right) + 4));
    line.push(Role::Plain, right);
    line.rule_to(frame.width());
    line
}

fn keys(frame: &Frame) -> Vec<Line> {
    let mut lines = Vec::new();
    for (section, name) in Section::ALL {
        let rows = keymap::at(frame.state.under_help).filter_map(|entry| {
            let (of, label, words) = entry.help?;
            let off = entry.action.is_asked() && frame.looks_on();
            Some((of, label, if off { "off: looking on" } else { words }))
        });
        let rows = rows.filter(|help| help.0 == section);
        for (i, (_, label, words)) in rows.enumerate() {
            let mut line = Line::of(Role::Plain, " ");
            line.push(Role::Strong, if i == 0 { name } else { "" });
            line.pad_to(1 + LABEL);
            line.push(Role::Key, label);
            line.pad_to(1 + LABEL + KEYS);
            line.push(Role::Plain, words);
            lines.push(line);
        }
    }
    lines
}

fn marks(frame: &Frame) -> Vec<Line> {
    use SiteState::{Down, Failing, New, Paused, Recovering, Unknown, Up};
    let mut lines = Vec::new();
    let mut add = |name: &'static str, parts: Vec<(Role, &'static str, &'static str)>| {
        let mut line = Line::of(Role::Strong, name);
        line.pad_to(LABEL);
        for (role, mark, words) in parts {
            line.push(role, mark);
            line.push(Role::Plain, if mark.is_empty() { words.to_owned() } else { format!(" {words}") });
            line.pad_to(LABEL + (line.width().saturating_sub(LABEL) / 12 + 1) * 12);
        }
        lines.push(line);
    };
    let mark = |state: SiteState, word: &'static str| {
        let (role, mark) = frame.mark(state);
        (role, mark, word)
    };
    let beat = |cell: Cell, words: &'static str| (Role::Beat(cell), frame.state.symbols.beat(cell), words);
    add("Marks", vec![mark(Down, "DOWN"), mark(Recovering, "recovering")]);
    add("", vec![mark(Failing, "failing"), mark(Unknown, "unknown")]);
    add("", vec![mark(Up, "up"), mark(Paused, "paused")]);
    add("", vec![mark(New, "new")]);
    add("Bar", vec![beat(Cell::Good, "all up"), beat(Cell::Some, "some failed")]);
    add("", vec![beat(Cell::Bad, "down"), (Role::Plain, "", "(blank) no check")]);
    for (name, words) in [
        ("AVAIL", "~ not all observed  ≈ by hours"),
        ("CODES", "counts; words: no usable answer"),
        ("Times", "of right answers, slow ones too"),
        ("TTFB", "time to first byte"),
        ("Filter", "parts of name or URL, group:x,"),
        ("", "down failing up unknown cert;"),
        ("", "!word: all but these"),
    ] {
        add(name, vec![(Role::Plain, "", words)]);
    }
    lines
}

fn about(frame: &Frame) -> Vec<Line> {
    let about = frame.inputs.about;
    let mut parts = Vec::new();
    if let Some(config) = &about.config {
        parts.push(format!("{} ({} sites)", safe(config), frame.inputs.snapshot.sites.len()));
    }
    if let Some(store) = &about.store {
        let bytes = match frame.inputs.health.store {
            StoreHealth::Ok { bytes } => format!(" {}", figures::bytes(bytes)),
            StoreHealth::Off | StoreHealth::NotSaving { .. } => String::new(),
        };
        parts.push(format!("{}{bytes}", safe(store)));
    }
    parts.push(format!("webmon {}", safe(&about.version)));
    let joined = parts.join("   ");
    if crate::tui::style::line::width(&joined) < frame.width() {
        vec![Line::of(Role::Dim, format!(" {joined}"))]
    } else {
        parts.iter().map(|part| Line::of(Role::Dim, cut(&format!(" {part}"), frame.width()))).collect()
    }
}
