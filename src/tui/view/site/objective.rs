//! The panel of a site's objective: how much of the error budget is left, and how fast it is spent.
//!
//! The state has a shape and a word, so that it needs no colour.

use crate::alert::RuleKind;
use crate::alert::objective::{Burn, ObjectiveFigures};
use crate::engine::snapshot::{SiteSnapshot, SiteState};
use crate::model::figures;
use crate::model::time::duration;
use crate::tui::style::line::{Line, cut};
use crate::tui::style::role::Role;
use crate::tui::view::frame::Frame;

use super::rule;

/// Where the text after the state begins.
const LABEL: usize = 14;
const BAR_MAX: usize = 40;
const BAR_MIN: usize = 8;

/// The lines of the panel; none for a site without an objective.
pub fn lines(frame: &Frame, site: &SiteSnapshot) -> Vec<Line> {
    let Some(objective) = site.policies.slo else { return Vec::new() };
    let (target, over) = (figures::exact_percent(objective.target.ppm()), duration::format(objective.period));
    let mut title = Line::of(Role::Strong, "Objective");
    title.push(Role::Plain, format!(" · {target} over {over}"));
    let known = frame.inputs.objectives.iter().find(|known| known.site == site.name);
    let known = known.filter(|known| known.rule == objective);
    let said = |mark, word: &'static str, text: String| {
        let mut line = state(mark, frame, word);
        line.push(Role::Plain, cut(&text, frame.width().saturating_sub(line.width())));
        line
    };
    match known.map(|known| &known.figures) {
        _ if !frame.inputs.has_history => {
            let text = "the budget needs a store; webmon runs without one".to_owned();
            vec![rule(title, "", frame.width()), said(SiteState::Unknown, "unknown", text)]
        }
        None => vec![rule(title, "", frame.width()), said(SiteState::New, "reading", String::new())],
        Some(Err(reason)) => {
            vec![rule(title, "", frame.width()), said(SiteState::Unknown, "unknown", reason.to_string())]
        }
        Some(Ok(known)) => {
            let as_of = format!("as of {}", frame.moment(known.until));
            vec![
                rule(title, &as_of, frame.width()),
                budget(frame, site, known),
                burns(frame, known),
                covered(frame, known),
            ]
        }
    }
}

/// The mark and the word of a state.
fn state(mark: SiteState, frame: &Frame, word: &'static str) -> Line {
    let (role, mark) = frame.mark(mark);
    let mut line = Line::of(Role::Plain, " ");
    line.push(role, mark);
    line.push(Role::Plain, format!(" {word}"));
    line.pad_to(LABEL);
    line
}

/// `● on track   ██████░░ 49.85% left · 21m32s of 43m12s · 130 of 259 checks failed`
fn budget(frame: &Frame, site: &SiteSnapshot, known: &ObjectiveFigures) -> Line {
    let standing = &known.standing;
    let Some(left) = standing.left_ppm() else { return state(SiteState::New, frame, "no checks") };
    let is_alerted = site.breaches.iter().any(|breach| matches!(breach.rule, RuleKind::SloFast | RuleKind::SloSlow));
    let (mark, word) = match left {
        ..0 => (SiteState::Down, "missed"),
        _ if is_alerted => (SiteState::Failing, "alerted"),
        _ if standing.burns.iter().any(|burn| burn.is_burning) => (SiteState::Failing, "burning"),
        _ => (SiteState::Up, "on track"),
    };
    let mut line = state(mark, frame, word);
    let share = match left {
        0.. => format!(" {} left", figures::share(left)),
        _ => format!(" {} of the budget spent", figures::share(1_000_000_i64.saturating_sub(left))),
    };
    let (spent, budget) = (standing.left(), standing.budget());
    let time = format!(" · {} of {}", duration::format_seconds(spent), duration::format_seconds(budget));
    let allowed = figures::count(standing.budget_milli() / 1_000);
    let checks = match known.in_time {
        Some(_) => String::new(),
        None => format!(" · {} failed, {allowed} may", figures::count(standing.tally.failed)),
    };
    let room = frame.width().saturating_sub(line.width() + share.len() + 1);
    let bar = room.saturating_sub(time.len() + checks.len()).clamp(BAR_MIN.min(room), BAR_MAX);
    let full = u64::try_from(left).unwrap_or(0) * bar as u64;
    // A little that is left shows as a cell, and a little that is spent as an empty one.
    let full = usize::try_from(full.div_ceil(1_000_000)).unwrap_or(bar);
    let full = if left < 1_000_000 { full.min(bar.saturating_sub(1)).max(usize::from(left > 0)) } else { bar };
    line.push(frame.mark(mark).0, frame.symbols().pick("█", "#").repeat(full));
    line.push(Role::Dim, frame.symbols().pick("░", ".").repeat(bar - full.min(bar)));
    line.push(Role::Plain, share);
    for part in [time, checks] {
        if line.width() + part.len() <= frame.width() {
            line.push(Role::Plain, part);
        }
    }
    line
}

/// `1h 0.50/14.4`: the burn over each window, and the threshold of its rule.
fn burns(frame: &Frame, known: &ObjectiveFigures) -> Line {
    let mut line = Line::of(Role::Plain, " burn");
    line.pad_to(LABEL);
    for (place, burn) in known.standing.burns.iter().enumerate() {
        let Burn { window, rate_milli, threshold_milli, is_burning, .. } = *burn;
        let rate = rate_milli.map_or_else(|| "–".to_owned(), figures::multiple);
        let mark = if is_burning { "!" } else { "" };
        let text = format!("{} {mark}{rate}/{}", duration::format(window), figures::multiple(threshold_milli));
        let gap = if place == 0 { "" } else { "  " };
        if line.width() + gap.len() + text.chars().count() > frame.width() {
            break;
        }
        line.push(Role::Plain, gap);
        line.push(if is_burning { Role::Warning } else { Role::Plain }, text);
    }
    line
}

/// What the figures are of.
fn covered(frame: &Frame, known: &ObjectiveFigures) -> Line {
    let tally = known.standing.tally;
    let mark = if known.is_exact { "" } else { "≈" };
    let whole = match known.in_time {
        Some(_) => "the known time".to_owned(),
        None => format!("{} checks", figures::count(tally.checks)),
    };
    let mut parts =
        vec![format!("{mark}{} of {whole} up", figures::percent(tally.checks - tally.failed, tally.checks))];
    parts.extend(known.coverage.map(|coverage| format!("coverage {}", figures::whole_percent(coverage))));
    parts.extend(known.begins.map(|begins| format!("data since {}", frame.moment(begins))));
    if !known.left_out.is_zero() {
        parts.push(format!("without {} of maintenance", duration::format_seconds(known.left_out)));
    }
    let mut line = Line::of(Role::Plain, if known.in_time.is_some() { " time" } else { " checks" });
    line.pad_to(LABEL);
    line.push(Role::Plain, cut(&parts.join(" · "), frame.width().saturating_sub(LABEL)));
    line
}
