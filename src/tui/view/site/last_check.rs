//! The last check of a site with its certificate, and its alerts.

use crate::alert::AlertState;
use crate::engine::snapshot::SiteSnapshot;
use crate::model::{Cause, Place, figures};
use crate::stats::change::ChangeGather;
use crate::tui::state::site_list::{certificate_days, warned_days};
use crate::tui::style::click::Click;
use crate::tui::style::line::{Line, safe, wrap};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::view::alerts;
use crate::tui::view::frame::Frame;
use crate::tui::view::table::rows::note;

use super::chart::Chart;
use super::rule;

const ALERTS_MAX: usize = 40;
const LABEL: usize = 10;

pub fn last_check(frame: &Frame, site: &SiteSnapshot, cells: usize) -> Vec<Line> {
    let mut title = Line::of(Role::Strong, "Last check");
    if site.place == Place::Everywhere {
        let text = "each location has its own: open one of them for its texts and its certificate";
        let mut lines = vec![rule(title, "", cells)];
        lines.extend(wrapped(Role::Plain, text, cells));
        return lines;
    }
    if frame.state.chart.until().is_some() {
        // Not that of the period which is shown beside it.
        title.push(Role::Plain, " · now");
    }
    let Some(last) = &site.last else {
        return vec![rule(title, "", cells), Line::of(Role::Plain, " none yet")];
    };
    let sample = &last.sample;
    title.push(Role::Plain, format!(" · {}", frame.moment(sample.at)));
    if sample.cause != Cause::Ok {
        title.push(Role::Fault, format!(" · {}", sample.cause.name()));
    }
    let check = format!("check #{}", figures::count(last.seq));
    let mut lines = vec![rule(title, &check, cells)];
    let mut first = Vec::new();
    if sample.cause != Cause::Ok {
        first.push(note(frame, site));
    }
    if sample.cause != Cause::Status {
        first.extend(sample.status.map(|status| format!("status {}", status.get())));
    }
    first.push(figures::time(f64::from(sample.total().get())));
    first.push(figures::bytes(u64::from(sample.bytes)));
    if sample.redirects > 0 {
        let redirects = u64::from(sample.redirects);
        first.push(format!("{redirects} {}", figures::plural(redirects, "redirect")));
    }
    lines.extend(wrapped(Role::Plain, &first.join(" · "), cells));
    let mut second = Vec::new();
    if let Some(address) = last.observation.as_ref().and_then(|observation| observation.address) {
        second.push(address.to_string());
    }
    second.extend(sample.http.name().map(|http| format!("HTTP/{http}")));
    if sample.cause != Cause::Ok {
        second.extend(site.last_up.map(|at| format!("last up {}", frame.moment(at))));
    }
    if !second.is_empty() {
        lines.extend(wrapped(Role::Plain, &second.join(" · "), cells));
    }
    lines.extend(certificate(frame, site, cells));
    lines.extend(domain(frame, site, cells));
    lines
}

/// What changed when the open incident began, while the chart shows what is now.
pub fn changed(frame: &Frame, site: &SiteSnapshot) -> Vec<Line> {
    // What changed at one location may not have at another.
    let is_of_one = site.place != Place::Everywhere;
    let Some(incident) = site.incident.filter(|_| is_of_one && frame.state.chart.until().is_none()) else {
        return Vec::new();
    };
    let from = incident.since.before(site.policies.availability.window);
    let mut gather = ChangeGather::new(from, frame.inputs.now);
    frame.inputs.samples.iter().for_each(|sample| gather.admit(sample));
    let Some(sentence) = gather.sentence(frame.inputs.zone) else { return Vec::new() };
    let mut line = Line::of(Role::Strong, " changed");
    line.pad_to(LABEL);
    let mut lines = Vec::new();
    for text in wrap(&sentence, frame.width().saturating_sub(LABEL), 0) {
        line.pad_to(LABEL);
        line.push(Role::Plain, text);
        lines.push(std::mem::take(&mut line));
    }
    lines
}

/// `text` in as many lines as it needs, a cell from the left.
fn wrapped(role: Role, text: &str, cells: usize) -> Vec<Line> {
    let texts = wrap(text, cells.saturating_sub(1), 0);
    texts.into_iter().map(|text| Line::of(role, format!(" {text}"))).collect()
}

/// `certificate of example.org · issuer R11 · 61 days (2027-01-22)`
fn certificate(frame: &Frame, site: &SiteSnapshot, cells: usize) -> Vec<Line> {
    let observation = site.last.as_ref().and_then(|last| last.observation.as_ref());
    let certificate = observation.and_then(|observation| observation.certificate.as_ref());
    let (Some(certificate), Some(days)) = (certificate, certificate_days(site, frame.inputs.now)) else {
        return Vec::new();
    };
    let until = time_text::date(certificate.not_after, frame.inputs.zone);
    let faults: Vec<&str> = certificate.faults.iter().map(|fault| fault.name()).collect();
    let left = if days < 0 { "expired".to_owned() } else { time_text::counted(days.unsigned_abs(), "day") };
    let (subject, issuer) = (safe(&certificate.subject), safe(&certificate.issuer));
    let mut text = format!("certificate of {subject} · issuer {issuer} · {left} ({until})");
    if !faults.is_empty() {
        text = format!("{text} · {}", faults.join(", ").replace('_', " "));
    }
    let warned = warned_days(site, frame.inputs.now).is_some() || !faults.is_empty();
    wrapped(if warned { Role::Warning } else { Role::Plain }, &text, cells)
}

/// `domain example.org · 61 days (2027-01-22)`
fn domain(frame: &Frame, site: &SiteSnapshot, cells: usize) -> Vec<Line> {
    let observation = site.last.as_ref().and_then(|last| last.observation.as_ref());
    let Some(domain) = observation.and_then(|observation| observation.domain.as_ref()) else { return Vec::new() };
    let now = frame.inputs.now;
    let left = match domain.expires.zip(domain.days_left(now)) {
        Some((expires, days)) => {
            let until = time_text::date(expires, frame.inputs.zone);
            let left = if days < 0 { "expired".to_owned() } else { time_text::counted(days.unsigned_abs(), "day") };
            format!("{left} ({until})")
        }
        None => "expiry not known".to_owned(),
    };
    let role = if domain.ends_soon(now) { Role::Warning } else { Role::Plain };
    wrapped(role, &format!("domain {} · {left}", safe(&domain.name)), cells)
}

/// The alerts of the site, newest first; beside a period in the past those of that period.
pub fn alerts_of(frame: &Frame, site: &SiteSnapshot, chart: &Chart) -> Vec<Line> {
    let is_past = frame.state.chart.until().is_some();
    let mut lines = Vec::new();
    let mut count = 0;
    let of_site = frame.inputs.alerts.iter().enumerate().rev().filter(|(_, alert)| alert.site == site.name);
    for (index, alert) in of_site.filter(|(_, alert)| !is_past || chart.holds(alert.at)) {
        count += 1;
        if count <= ALERTS_MAX {
            let is_open = !is_past && count == 1 && alert.state == AlertState::Down;
            let mut entry = alerts::entry(frame, alert, is_open);
            if frame.state.chart.jumped() == Some(alert.at)
                && let Some(first) = entry.first_mut()
            {
                *first = std::mem::take(first).with_cursor(frame.width());
            }
            lines.extend(entry.into_iter().map(|line| line.doing(Click::Recorded(index))));
        }
    }
    let mut title = Line::of(Role::Strong, "Alerts of this site");
    if is_past {
        title.push(Role::Plain, " · in this period");
    }
    let shown = if count > ALERTS_MAX { format!("the newest {ALERTS_MAX} of {count}") } else { String::new() };
    lines.insert(0, rule(title, &shown, frame.width()));
    if count == 0 {
        lines.push(Line::of(Role::Plain, if is_past { " none" } else { " none yet" }));
    }
    lines
}
