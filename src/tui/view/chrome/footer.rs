//! The last line: the keys of this page, or the text that the user types.

use std::borrow::Cow;

use crate::model::figures;
use crate::tui::keymap::{self, Action, Hint, KeyBinding};
use crate::tui::page::{InputMode, Page};
use crate::tui::state::site_list::SORT_KEYS;
use crate::tui::style::click::Click;
use crate::tui::style::line::{Line, safe, width};
use crate::tui::style::role::Role;
use crate::tui::view::frame::Frame;

use super::past;

/// The footer; `more`: the page has more lines below.
pub fn footer(frame: &Frame, more: bool) -> Line {
    match frame.state.nav.mode {
        InputMode::Keys => keys(frame, more),
        InputMode::Filter => filter(frame),
        InputMode::Sort => sort_keys(frame),
    }
}

/// A key, or a pair of them, and what it does here.
struct ShownKey {
    label: Cow<'static, str>,
    /// What a click on a key of the label does, in their order.
    actions: Vec<Action>,
    word: &'static str,
    /// Where there is little room, those of a higher rank go first; 0 always stays.
    rank: u8,
}

fn keys(frame: &Frame, more: bool) -> Line {
    let page = frame.state.nav.page();
    let is_reading = page == Page::Site && frame.state.chart.has_cursor();
    let is_past = page == Page::Overview && frame.inputs.past.is_some();
    let word = |binding: &KeyBinding, word: &'static str| match binding.action {
        Action::PreviousIncident if frame.plan.below > 0 => "whole screen",
        Action::Earlier if is_reading => "cells",
        _ => word,
    };
    let back = match page {
        Page::Overview if is_past => None,
        Page::Overview if frame.state.sites.filter().is_blank() => None,
        Page::Overview => Some("clear"),
        Page::Site if is_reading => Some("cursor off"),
        Page::Alerts | Page::Incident | Page::Site | Page::Tuning | Page::Help => Some("back"),
    };
    let always = |action: Action, word: &'static str| ShownKey {
        label: frame.key(action),
        actions: vec![action],
        word,
        rank: 0,
    };
    let back = back.map(|word| always(Action::Back, word));
    let below = more.then(|| always(Action::Rows(1), "more"));
    let shown = |binding: &KeyBinding, hint: Hint| {
        let keys = &frame.inputs.arrangement.keys;
        let label = keys.label(binding, hint.label);
        let actions = label.split(' ').map(|key| keys.named_action(binding, key)).collect();
        ShownKey { label, actions, word: word(binding, hint.word), rank: hint.rank }
    };
    let travelling = is_past.then(|| past::hints(frame)).into_iter().flatten();
    let of_past = travelling.filter_map(|(action, hint)| {
        let binding = keymap::at(page).find(|binding| binding.action == action)?;
        Some(shown(binding, hint))
    });
    let of_page = keymap::at(page)
        .filter(|binding| page != Page::Help && frame.takes(binding.action))
        .filter(|_| !is_past)
        .filter_map(|binding| Some((binding, binding.hint?)))
        .filter(|(binding, _)| binding.action != Action::OtherView(1) || frame.tables.views.len() > 1)
        .filter(|(binding, _)| binding.action != Action::ToggleLocations || frame.state.sites.facts.locations)
        .map(|(binding, hint)| shown(binding, hint));
    let mut hints: Vec<ShownKey> =
        back.into_iter().chain(below).chain(of_past).chain(of_page).filter(|hint| !hint.label.is_empty()).collect();
    loop {
        let mut line = Line::default();
        for hint in &hints {
            line.push(Role::Plain, if line.width() == 0 { " " } else { "  " });
            let keys = hint.label.split(' ').zip(&hint.actions);
            for (i, (key, action)) in keys.enumerate() {
                line.push(Role::Plain, if i == 0 { "" } else { " " });
                line.button(Role::Key, key.to_owned(), Click::Press(*action));
            }
            if let Some(first) = hint.actions.first() {
                line.button(Role::Plain, format!(" {}", hint.word), Click::Press(*first));
            }
        }
        let least = hints.iter().map(|hint| hint.rank).max().unwrap_or(0);
        if line.width() <= frame.width() || least == 0 {
            return line;
        }
        hints.retain(|hint| hint.rank < least);
    }
}

fn filter(frame: &Frame) -> Line {
    let state = frame.state;
    let (found, all, text) = match state.nav.page() {
        Page::Alerts => (state.alerts.page().list.count, frame.inputs.alerts.len(), state.alerts.filter()),
        _ => (state.sites.len(), state.sites.facts.sites, &*state.sites.filter().text),
    };
    let (found, all) = (figures::count(found as u64), figures::count(all as u64));
    let mut help = format!("{found} of {all} match · Enter keep · Esc clear");
    if frame.width() <= help.len() + 20 {
        help.clear();
    }
    let room = frame.width().saturating_sub(help.len() + 5);
    let text = safe(text);
    // The user looks at the end of what is typed.
    let shown = text.char_indices().map(|(at, _)| &text[at..]).find(|end| width(end) <= room);
    let mut line = Line::of(Role::Key, "/ ");
    line.push(Role::Plain, shown.unwrap_or_default().to_owned());
    line.push(Role::Plain, "▏");
    line.pad_to(frame.width().saturating_sub(width(&help)));
    line.push(Role::Dim, help);
    line
}

fn sort_keys(frame: &Frame) -> Line {
    let with = |name: &'static str, gap: &'static str| {
        let mut line = Line::of(Role::Plain, name);
        for (key, letter) in SORT_KEYS {
            line.push(Role::Plain, gap);
            line.button(Role::Key, letter.to_string(), Click::Sort(key));
            line.button(Role::Plain, format!(" {}", key.name()), Click::Sort(key));
        }
        line
    };
    let wide = with("sort:", "  ");
    if wide.width() <= frame.width() { wide } else { with("by:", " ") }
}
