//! One line under the header, shown only when webmon itself has a problem or there is something to report.
//!
//! The worst problem comes first, then the narration of a demonstration, then what the sites that are down have in common, then a new
//! notice, then those of the start.

use std::time::Duration;

use crate::model::{
    ClosedProxy, ExportHealth, ExportState, OutletHealth, StoreHealth, Timestamp, Watched, Watching, figures,
};
use crate::stats::Answer;
use crate::tui::inputs::Inputs;
use crate::tui::past_words;
use crate::tui::style::line::{Line, cut, safe};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;

use super::overview_facts::OverviewFacts;
use super::overview_facts::correlation::{Correlation, Trait};
use super::timers::Timers;

/// A tenth of the shortest interval that the configuration allows.
const LATE_MIN: Duration = Duration::from_millis(10);

/// Locations without a vote that are named.
const VOICELESS: usize = 3;

/// The banner in at most `cells`, if there is one.
pub fn line(inputs: &Inputs, timers: &Timers, facts: &OverviewFacts, cells: usize) -> Option<Line> {
    if inputs.past.is_some() {
        let remark = past_words::remark(inputs).map(|text| (Role::Warning, format!("? {text}")));
        let shared = || Some((Role::Fault, format!("▼ {}", common(inputs, facts.correlation.as_ref()?))));
        return remark.or_else(shared).map(|(role, text)| Line::of(role, cut(&text, cells)));
    }
    let narration = inputs.health.narration.as_ref();
    let (role, text) = own_outage(inputs)
        .or_else(|| problem(inputs, timers).map(|text| format!("! {text}")))
        .map(|text| (Role::Warning, text))
        .or_else(|| Some((Role::Strong, format!(" demo: {}", narration?))))
        .or_else(|| Some((Role::Fault, format!("▼ {}", common(inputs, facts.correlation.as_ref()?)))))
        .or_else(|| Some((Role::Warning, format!("! {}", notice(inputs, timers)?))))?;
    Some(Line::of(role, cut(&text, cells)))
}

pub fn is_shown(inputs: &Inputs, timers: &Timers, facts: &OverviewFacts) -> bool {
    line(inputs, timers, facts, 0).is_some()
}

/// This machine has a network, as far as the kernel knows, but no host answers.
fn own_outage(inputs: &Inputs) -> Option<String> {
    let outage = inputs.health.own_outage.filter(|_| inputs.health.offline_since.is_none())?;
    let since = moment(inputs, outage.since);
    Some(format!("? OFFLINE since {since} · none of {} hosts answers · alerts held", outage.hosts))
}

fn problem(inputs: &Inputs, timers: &Timers) -> Option<String> {
    let health = inputs.health;
    if let Some(watching) = &health.watching {
        return unwatchable(inputs, watching).or_else(|| blocked(inputs)).or_else(|| voiceless(inputs));
    }
    if let Some(since) = health.offline_since {
        let since = moment(inputs, since);
        return Some(format!("offline: no route since {since}; checks are not counted, no alerts are sent"));
    }
    if let Some(ClosedProxy { since, sites, reason }) = &health.closed_proxy {
        let plural = if *sites == 1 { "" } else { "s" };
        let since = moment(inputs, *since);
        return Some(format!("{reason}; {sites} site{plural} not checked since {since}, no alerts are sent for them"));
    }
    if let StoreHealth::NotSaving { since, reason } = &health.store {
        let since = moment(inputs, *since);
        return Some(format!("not saving since {since}: {reason}; this period will be missing from the history"));
    }
    if let [failing, others @ ..] = &health.failing_outlets[..] {
        let OutletHealth { key, since, reason, waiting } = failing;
        let since = moment(inputs, *since);
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        let messages = if *waiting == 1 { "1 message waits".to_owned() } else { format!("{waiting} messages wait") };
        return Some(format!("cannot notify {key}{more} since {since}: {reason}; {messages}"));
    }
    if let Some(blocked) = blocked(inputs) {
        return Some(blocked);
    }
    if let Some(lost) = timers.lost_samples(inputs.now) {
        return Some(format!("{} samples lost so far: this machine cannot keep up", figures::count(lost)));
    }
    if !health.stopped.is_zero() {
        let stopped = figures::duration(health.stopped);
        return Some(format!("webmon was stopped for {stopped}; checks missed meanwhile are not counted"));
    }
    // Every key looks here, so the sites count only once checks are late.
    let shortest_interval = || inputs.snapshot.sites.iter().map(|site| site.interval).min().unwrap_or(Duration::MAX);
    if health.late > LATE_MIN && health.late > shortest_interval() / 10 {
        let late = figures::duration(health.late);
        return Some(format!("checks start up to {late} late: this machine cannot keep up"));
    }
    None
}

/// The server of the export rejects what it gets.
fn blocked(inputs: &Inputs) -> Option<String> {
    match &inputs.health.export {
        Some(ExportHealth { state: ExportState::Blocked, error: Some((_, reason)), .. }) => {
            Some(format!("export blocked: {reason}; all checks are kept and exported later"))
        }
        _ => None,
    }
}

/// Which locations of a hub have no vote: `no vote: fra1 silent since 20:58:10, nyc1 blind since 20:59:00`.
fn voiceless(inputs: &Inputs) -> Option<String> {
    let hub = inputs.health.hub.as_ref()?;
    let named = hub.voiceless().take(VOICELESS).map(|location| {
        let since = location.since.map_or_else(String::new, |since| format!(" since {}", moment(inputs, since)));
        format!("{} {}{since}", location.location, location.presence.name())
    });
    let mut named: Vec<String> = named.collect();
    let count = hub.voiceless().count();
    if count > named.len() {
        named.push(format!("and {} more", count - named.len()));
    }
    (count > 0).then(|| format!("no vote: {}", named.join(", ")))
}

/// `9 of 30 in sa-east, all refused, since 03:27:10`.
fn common(inputs: &Inputs, common: &Correlation) -> String {
    let Correlation { down, of, shared, answer, since } = common;
    let which = match shared {
        Trait::Group(group) => format!("{down} of {of} in {}", safe(group)),
        // How many others are there is not known: only failures come with an address.
        Trait::Address(address) => format!("{down} sites at {address}"),
        Trait::Answer => format!("{down} of {of} sites"),
    };
    let answer = match answer {
        Some(Answer::Code(status)) => format!(", all {}", status.get()),
        Some(Answer::Cause(cause)) => format!(", all {}", cause.word()),
        None => String::new(),
    };
    format!("{which}{answer}, since {}", moment(inputs, *since))
}

/// Why a read-only dashboard gets nothing new.
fn unwatchable(inputs: &Inputs, watching: &Watching) -> Option<String> {
    if let StoreHealth::NotSaving { since, reason } = &inputs.health.store {
        return Some(format!("cannot read the store since {}: {reason}", moment(inputs, *since)));
    }
    if let (Watched::Fleet, Some(fleet)) = (watching.of, &inputs.health.fleet) {
        return fleet.unheard(inputs.now);
    }
    if watching.alive {
        return None;
    }
    let process = match watching.process {
        Some(process) => format!("webmon (pid {process}) is no longer running"),
        None => "no webmon is writing to this store".to_owned(),
    };
    let newest = watching.stored.map_or_else(String::new, |at| format!("; last check at {}", moment(inputs, at)));
    Some(format!("{process}{newest}"))
}

/// The newest notice while it is new; in the first seconds those of the start.
fn notice(inputs: &Inputs, timers: &Timers) -> Option<String> {
    let notices = &inputs.health.notices;
    if timers.has_notice(inputs.now) {
        return notices.last().map(|notice| notice.text.clone());
    }
    let (first, others) = notices.split_first().filter(|_| timers.is_starting(inputs.now))?;
    let more = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
    Some(format!("{}{more}", first.text))
}

fn moment(inputs: &Inputs, at: Timestamp) -> String {
    time_text::moment(at, inputs.now, inputs.zone)
}
