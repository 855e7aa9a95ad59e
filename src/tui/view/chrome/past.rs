//! What a screen says while it shows the past: which instant, how long ago, and how it moves.
//!
//! Invariant: it says so in words, without colour, at every width.

use crate::tui::keymap::{Action, Hint, Travel};
use crate::tui::page::ExitRequest;
use crate::tui::past_words::moment;
use crate::tui::style::line::Line;
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;

/// What stands right in the header, from the longest form to the shortest; none in the present.
pub fn tails(frame: &Frame) -> Option<Vec<Line>> {
    let Some(past) = frame.inputs.past else {
        // The first answer is still being read.
        let at = frame.state.instant()?;
        return Some(vec![Line::of(Role::Mode, format!("reading {}", moment(frame.inputs, at)))]);
    };
    let at = format!("PAST {}", moment(frame.inputs, past.overview.at));
    let ago = format!("{at} · {} ago", time_text::running(past.clock.since(past.overview.at)));
    let step = frame.state.step(frame.inputs);
    let how = if frame.state.time.is_playing() {
        format!("{} ×{}", frame.symbols().pick("▶", ">"), step.as_secs())
    } else {
        format!("step {}", time_text::span(step))
    };
    let forms = [format!("{ago} · {how} · End: now"), format!("{ago} · {how}"), ago, at];
    Some(forms.into_iter().map(|form| Line::of(Role::Mode, form)).collect())
}

/// The clock of a page: the time, or the instant of the past.
pub fn clock(frame: &Frame) -> Line {
    match frame.inputs.past {
        Some(past) => Line::of(Role::Mode, format!("PAST {}", moment(frame.inputs, past.overview.at))),
        None => Line::of(Role::Plain, frame.clock(frame.inputs.now)),
    }
}

/// The keys of the overview in the past, each with what it does.
pub fn hints(frame: &Frame) -> impl Iterator<Item = (Action, Hint)> {
    let play = if frame.state.time.is_playing() { "stop" } else { "play" };
    let has_views = frame.tables.views.len() > 1;
    let hints = [
        (Action::Time(Travel::Present), "End", "now", 0),
        (Action::Time(Travel::Earlier), "← →", "in time", 0),
        (Action::Time(Travel::Finer), "+ -", "step", 1),
        (Action::Time(Travel::Play), "Space", play, 1),
        (Action::Time(Travel::OtherAlert(-1)), "[ ]", "alert", 2),
        (Action::Open, "Enter", "site", 3),
        (Action::Filter, "/", "filter", 4),
        (Action::Sort, "s", "sort", 5),
        (Action::OtherView(1), "Tab", "view", 6),
        (Action::ToggleHelp, "?", "help", 0),
        (Action::Exit(ExitRequest::Plain), "q", "quit", 0),
    ];
    let shown = hints.into_iter().filter(move |(action, ..)| has_views || *action != Action::OtherView(1));
    shown.map(|(action, label, word, rank)| (action, Hint { label, word, rank }))
}
