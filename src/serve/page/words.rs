//! Words of the pages: percentages, times, durations, states.
//!
//! Invariants: text of others is one line, bounded, and without what could reach a terminal or turn the line around.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use hyper::StatusCode;
use maud::{Markup, html};

use crate::alert::RuleKind;
use crate::alert::quorum::{Verdict, Votes};
use crate::engine::SiteState;
use crate::model::text::clean_line;
use crate::model::{Cause, PageTerms, Timestamp, figures};
use crate::report::{minute, utc};
use crate::stats::Answer;

use super::model::{Figures, Frame, Incident};

/// Most characters of a name or a text of others.
const TEXT_MAX: usize = 200;

/// Below this share of watched time a figure is marked as rough.
const ROUGH: f64 = 0.95;

/// A name or a text of others.
pub(super) fn foreign(text: &str) -> String {
    clean_line(text, TEXT_MAX)
}

/// A note of the owner.
pub(super) fn note(text: &str) -> String {
    clean_line(text, PageTerms::NOTE_MAX)
}

/// `99.96%`, `~99.96%` where less than 95 % of the time was watched, `–` without a check.
pub(super) fn availability(figures: &Figures) -> String {
    let Some(availability) = figures.availability else { return "–".to_owned() };
    let mark = if figures.coverage.is_some_and(|coverage| coverage < ROUGH) { "~" } else { "" };
    format!("{mark}{}", figures::percent(availability.up, availability.checks))
}

/// `42.1 ms`; `–` without one.
pub(super) fn time(micros: Option<u32>) -> String {
    micros.map_or_else(|| "–".to_owned(), |micros| figures::time(f64::from(micros)))
}

/// `2d 3h`, `21m`, `40s`: two units at most, rounded down.
pub(super) fn lasted(duration: Duration) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let secs = duration.as_secs();
    let Some(first) = units.iter().position(|(_, length)| secs >= *length) else { return "0s".to_owned() };
    let (unit, length) = units[first];
    let mut text = format!("{}{unit}", secs / length);
    if let Some((next, short)) = units.get(first + 1).filter(|(_, short)| secs % length >= *short) {
        write!(text, " {}{next}", secs % length / short).expect("a string takes any text");
    }
    text
}

/// `down at 2 of 3 locations`: what the locations of a site say together.
pub(super) fn votes(votes: &Votes) -> String {
    let (up, down, all) = (votes.tally.up, votes.tally.down, votes.tally.votes());
    let locations = |count: u32| format!("{count} {}", figures::plural(u64::from(count), "location"));
    match votes.verdict {
        Verdict::Up if votes.assigned <= all => format!("up at {up} of {}", locations(all)),
        Verdict::Up => format!("up at {up} of {}; {} cannot tell", locations(all), votes.assigned - all),
        Verdict::Down | Verdict::Partial => format!("down at {down} of {}", locations(all)),
        Verdict::Unknown => format!("{all} of {} can tell", locations(votes.assigned)),
    }
}

/// The length of a period: `24 hours`, `7 days`.
pub(super) fn period(length: Duration) -> String {
    match length.as_secs() / 3_600 {
        hours @ ..48 => format!("{hours} {}", figures::plural(hours, "hour")),
        hours => format!("{} days", hours / 24),
    }
}

/// A time for eyes and for machines.
pub(super) fn at(frame: &Frame, at: Timestamp) -> Markup {
    html! { time datetime=(utc(at)) { (minute(at, &frame.zone)) } }
}

/// The name of the frame's zone.
pub(super) fn zone(frame: &Frame) -> String {
    let name = frame.zone.iana_name().filter(|name| !matches!(*name, "Etc/UTC" | "UTC" | ""));
    name.map_or_else(|| "UTC".to_owned(), str::to_owned)
}

/// What checks answered, with how many did.
pub(super) fn answers(answers: &[(Answer, u64)]) -> String {
    let words: Vec<String> =
        answers.iter().map(|(answer, count)| format!("{} ×{}", word(*answer), figures::count(*count))).collect();
    words.join(", ")
}

/// `503 Service Unavailable`, `refused`.
pub(super) fn word(answer: Answer) -> Cow<'static, str> {
    match answer {
        Answer::Code(status) => {
            let code = status.get();
            let phrase = StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason());
            phrase.map_or_else(|| code.to_string(), |phrase| format!("{code} {phrase}")).into()
        }
        Answer::Cause(Cause::Ok) => "up".into(),
        Answer::Cause(cause) => cause.word().into(),
    }
}

/// Why there was an incident.
pub(super) fn why(incident: &Incident) -> String {
    let why = match (&incident.text, incident.rule) {
        // The message says where it was seen.
        (Some(text), _) => return foreign(text),
        (None, RuleKind::Availability) if !incident.answers.is_empty() => answers(&incident.answers),
        (None, RuleKind::Availability) => "failed checks".to_owned(),
        (None, RuleKind::Latency) => "slow responses".to_owned(),
        (None, RuleKind::Certificate) => "the certificate ends soon".to_owned(),
        (None, RuleKind::SloFast | RuleKind::SloSlow) => "the error budget is spent too fast".to_owned(),
        (None, RuleKind::Partial) => "down for some".to_owned(),
        (None, _) => "reported by webmon".to_owned(),
    };
    match incident.locations {
        Some((down, votes)) if incident.failed_at.is_empty() => format!("{why}, seen from {down} of {votes} locations"),
        Some((down, votes)) => {
            let failed =
                incident.failed_at.iter().map(|(location, count)| format!("{location} ×{}", figures::count(*count)));
            let failed: Vec<String> = failed.collect();
            format!("{why}, seen from {down} of {votes} locations: {}", failed.join(", "))
        }
        None => why,
    }
}

/// The class that gives a state its colour.
pub(super) const fn class(state: SiteState) -> &'static str {
    match state {
        SiteState::Up => "up",
        SiteState::Down => "down",
        SiteState::Failing | SiteState::Recovering => "deg",
        SiteState::Unknown | SiteState::New | SiteState::Paused => "unk",
    }
}

/// A state as a shape and a word.
pub(super) fn state(state: SiteState) -> Markup {
    html! { span aria-hidden="true" { (state.mark()) } " " (state.name()) }
}
