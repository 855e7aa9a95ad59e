//! The last line: the keys of this screen, or what is being typed.

use crate::model::figures;
use crate::tui::keymap::{self, Hint};
use crate::tui::page::{Page, Typing};
use crate::tui::state::site_list::SORT_KEYS;
use crate::tui::style::line::{Line, cut};
use crate::tui::style::role::Role;
use crate::tui::view::frame::Frame;

/// The footer; `more`: the screen goes on below.
pub fn footer(frame: &Frame, more: bool) -> Line {
    match frame.state.typing {
        Typing::Keys => keys(frame, more),
        Typing::Filter => filter(frame),
        Typing::Sort => orders(frame),
    }
}

fn keys(frame: &Frame, more: bool) -> Line {
    let mut hints: Vec<Hint> = keymap::at(frame.state.place)
        .filter(|entry| !(entry.action.is_asked() && frame.looks_on()))
        .filter_map(|entry| entry.hint)
        .filter(|hint| hint.label != "Tab" || frame.plan.tabs || frame.state.place == Page::Site)
        .collect();
    if frame.state.place == Page::Help {
        hints.clear();
    }
    if let Some(enter) = hints.iter_mut().find(|hint| hint.label == "Enter" && frame.plan.below > 0) {
        enter.word = "whole screen";
    }
    let back = match frame.state.place {
        Page::Overview if frame.state.filter.is_blank() => None,
        Page::Overview => Some(Hint { label: "Esc", word: "clear", rank: 0 }),
        Page::Alerts | Page::Site | Page::Help => Some(Hint { label: "Esc", word: "back", rank: 0 }),
    };
    let below = more.then_some(Hint { label: "j", word: "more", rank: 0 });
    hints.splice(0..0, back.into_iter().chain(below));
    loop {
        let mut line = Line::default();
        for hint in &hints {
            line.push(Role::Plain, if line.width() == 0 { " " } else { "  " });
            line.push(Role::Key, hint.label);
            line.push(Role::Plain, format!(" {}", hint.word));
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
    let (matching, all, text) = match state.place {
        Page::Alerts => (state.found.count, frame.inputs.alerts.len(), &state.alerts_filter),
        _ => (state.order.len(), frame.tables.sites.len(), &state.filter.text),
    };
    let told =
        format!("{} of {} match · Enter keep · Esc clear", figures::count(matching as u64), figures::count(all as u64));
    let mut line = Line::of(Role::Key, "/ ");
    let told = if frame.width() > told.len() + 20 { told } else { String::new() };
    let room = frame.width().saturating_sub(told.len() + 5);
    let text = crate::tui::style::line::safe(text).into_owned();
    // The end of what is typed is where the eyes are.
    let mut from = 0;
    while crate::tui::style::line::width(&text[from..]) > room {
        from += text[from..].chars().next().map_or(1, char::len_utf8);
    }
    line.push(Role::Plain, cut(&text[from..], room));
    line.push(Role::Plain, "▏");
    line.pad_to(frame.width().saturating_sub(crate::tui::style::line::width(&told)));
    line.push(Role::Dim, told);
    line
}

fn orders(frame: &Frame) -> Line {
    let mut line = Line::of(Role::Plain, "sort:");
    for (_, letter, word) in SORT_KEYS {
        if line.width() + word.len() + 4 > frame.width() {
            break;
        }
        line.push(Role::Key, format!("  {letter}"));
        line.push(Role::Plain, format!(" {word}"));
    }
    line
}
