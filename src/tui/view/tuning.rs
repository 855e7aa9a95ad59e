//! The page that tries another rule on the past of a site: three values, what they would have done, the line to paste.

use crate::alert::trial::{Trial, TrialCount, TrialIncident, TrialRequest};
use crate::alert::{Rule, Threshold};
use crate::model::time::duration;
use crate::model::{Cause, figures};
use crate::tui::style::line::{Line, cut, right, short_name};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::tuning::{Knob, Tuning};

use super::frame::Frame;
use super::site::rule as region;

/// Incidents that are listed at most.
pub const LISTED_MAX: usize = 500;

const LABEL: usize = 16;
const VALUE: usize = 10;
const DAY: u64 = 86_400;

/// The body: `height` lines of it, and whether there are more below.
pub fn lines(frame: &Frame, height: usize) -> (Vec<Line>, bool) {
    let Some(tuning) = &frame.state.tuning else { return (vec![Line::default(); height], false) };
    let request = tuning.request();
    let answer = frame.inputs.trial.filter(|answer| answer.request == request);
    let mut lines = values(frame, tuning);
    lines.push(Line::default());
    let mut list = Vec::new();
    match answer.map(|answer| &answer.trial) {
        _ if !frame.inputs.has_history => {
            lines.push(Line::of(Role::Warning, " no store is kept, so there is no past to try rules on"));
        }
        None => lines.push(Line::of(Role::Strong, " judging the stored checks …")),
        Some(Err(reason)) => {
            lines.push(Line::of(Role::Warning, cut(&format!(" nothing to try: {reason}"), frame.width())));
        }
        Some(Ok(trial)) => {
            lines.extend(outcome(frame, &request, trial));
            list = listed(frame, trial);
        }
    }
    lines.push(Line::default());
    lines.extend(paste(frame, &request));
    if !list.is_empty() {
        lines.push(region(Line::of(Role::Strong, "Alerts"), "newest first", frame.width()));
    }
    let room = height.saturating_sub(lines.len());
    let top = frame.state.nav.top().min(list.len().saturating_sub(room));
    let more = list.len() > top + room;
    lines.extend(list.into_iter().skip(top).take(room));
    lines.resize(height, Line::default());
    (lines, more)
}

/// The title and the three values.
fn values(frame: &Frame, tuning: &Tuning) -> Vec<Line> {
    let mut title = Line::of(Role::Strong, "Try a rule");
    title.push(Role::Plain, format!(" · {}", cut(short_name(&tuning.site), frame.width() / 2)));
    let mut head = Line::of(Role::Plain, " ".repeat(LABEL));
    head.push(Role::Plain, format!("{} {}", right("NOW", VALUE), right("THEN", VALUE)));
    let mut lines = vec![region(title, "changes nothing", frame.width()), head];
    for knob in Knob::ALL {
        let is_chosen = knob == tuning.knob;
        let (name, of): (&str, fn(&Rule) -> String) = match knob {
            Knob::Threshold => ("threshold", |rule| figures::exact_percent(rule.threshold.ppm())),
            Knob::Window => ("window", |rule| duration::format(rule.window)),
            Knob::Recover => ("recover", |rule| recover(rule.recover)),
        };
        let mark = if is_chosen { frame.symbols().pick("▸", ">") } else { " " };
        let mut line = Line::of(Role::Strong, format!(" {mark} "));
        line.push(if is_chosen { Role::Strong } else { Role::Plain }, name);
        line.pad_to(LABEL);
        line.push(Role::Plain, format!("{} ", right(&of(&tuning.current), VALUE)));
        let then = of(&tuning.tried);
        line.push(Role::Plain, " ".repeat(VALUE.saturating_sub(then.len())));
        line.push(if is_chosen { Role::Cursor } else { Role::Plain }, then);
        if tuning.current != tuning.tried && of(&tuning.current) != of(&tuning.tried) {
            line.push(Role::Mode, " changed");
        }
        lines.push(line);
    }
    lines
}

fn recover(threshold: Option<Threshold>) -> String {
    threshold.map_or_else(|| "off".to_owned(), |recover| figures::exact_percent(recover.ppm()))
}

/// How many alerts and messages there would have been.
fn outcome(frame: &Frame, request: &TrialRequest, trial: &Trial) -> Vec<Line> {
    let length = request.until.since(trial.since);
    let days = length.as_secs().max(1);
    let a_day = |count: TrialCount| {
        let milli = u64::try_from(count.messages).unwrap_or(u64::MAX).saturating_mul(1_000 * DAY) / days;
        figures::multiple(milli)
    };
    let row = |name: &str, now: String, then: String, rest: String| {
        let mut line = Line::of(Role::Plain, format!("   {name}"));
        line.pad_to(LABEL);
        line.push(Role::Plain, format!("{} {}", right(&now, VALUE), right(&then, VALUE)));
        line.push(Role::Plain, cut(&rest, frame.width().saturating_sub(line.width())));
        line
    };
    let kinds = |is_current, is_tried| {
        let is_kind = |known: &&TrialIncident| (known.is_current, known.is_tried) == (is_current, is_tried);
        trial.incidents.iter().filter(is_kind).count()
    };
    let (both, only_now, only_then) = (kinds(true, true), kinds(true, false), kinds(false, true));
    let (now, then) = (trial.current, trial.tried);
    let compared = format!("   only now {only_now} · only then {only_then} · both {both}");
    let mut lines = vec![
        row("alerts", now.incidents.to_string(), then.incidents.to_string(), compared),
        row("messages", now.messages.to_string(), then.messages.to_string(), String::new()),
        row("a day", a_day(now), a_day(then), String::new()),
    ];
    let checks = time_text::counted(trial.checks, "check");
    let span = duration::format_short(length);
    let mut text = format!("   {checks} of {span}, since {}", frame.moment(trial.since));
    let mut role = Role::Dim;
    if length.as_secs() < 7 * DAY {
        text.push_str(": too little history to rely on");
        role = Role::Warning;
    }
    lines.push(Line::of(role, cut(&text, frame.width())));
    lines
}

/// The line for sites.yaml.
fn paste(frame: &Frame, request: &TrialRequest) -> Vec<Line> {
    let mut line = Line::of(Role::Plain, " ");
    line.push(Role::Key, cut(&request.yaml(), frame.width().saturating_sub(1)));
    let hint = " for this site in sites.yaml; other keys of its alert stay";
    vec![line, Line::of(Role::Dim, cut(hint, frame.width()))]
}

/// The alerts, newest first: `−` only now, `+` only then, `=` both.
fn listed(frame: &Frame, trial: &Trial) -> Vec<Line> {
    let entry = |known: &TrialIncident| {
        let (role, mark, word) = match (known.is_current, known.is_tried) {
            (true, false) => (Role::Dim, "-", "only now"),
            (false, _) => (Role::Warning, "+", "only then"),
            (true, true) => (Role::Plain, "=", "both"),
        };
        let end = known.closed.map(|closed| duration::format_seconds(closed.since(known.opened)));
        let length = end.unwrap_or_else(|| "still open".to_owned());
        let cause = known.cause.map_or("", Cause::word);
        let text = format!(" {mark} {word:<9}  {:>14}  {length:<10}  {cause}", frame.moment(known.opened));
        Line::of(role, cut(&text, frame.width()))
    };
    trial.incidents.iter().rev().take(LISTED_MAX).map(entry).collect()
}
