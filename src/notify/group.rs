//! The message about several events at once: counts first, then what they have in common.
//!
//! `23 sites are down: api, blog, … (shop 20, blog 3). First 12:00:03. 14 of them at 203.0.113.7.` The last clause names an
//! address or a certificate that more than half of the sites share: in a storm that is the answer that people look for.
//!
//! Bounds: [`NAMES_MAX`] characters of names, [`GROUPS_MAX`] groups. Cost: linear in the events, but for one sort of their groups.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::alert::{News, NewsKind, RuleKind};
use crate::model::Cause;
use crate::model::time::duration::format_seconds;
use crate::report::clock;

use super::sentence::{self, rounded};

const NAMES_MAX: usize = 150;
const GROUPS_MAX: usize = 5;
const LINES_MAX: usize = 10;

/// Title, subject, lines and facts.
type Parts = (String, String, Vec<String>, Vec<(String, String)>);

/// Events that one sentence tells of, the most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Down,
    StillDown,
    Breached,
    StillBreached,
    Own,
    WasDown,
    Up,
    Cleared,
    Ended,
    Acknowledged,
}

/// The parts of the message about `news`.
pub(super) fn parts(news: &[News], zone: &TimeZone) -> Parts {
    let mut sections: BTreeMap<Section, Vec<&News>> = BTreeMap::new();
    for one in news {
        sections.entry(section(one)).or_default().push(one);
    }
    let told = |(section, members): (&Section, &Vec<&News>)| sentence(*section, members, zone);
    let title: Vec<String> = sections.iter().map(told).collect();
    let subject: Vec<String> = sections.iter().map(|(section, members)| head(*section, members)).collect();
    let ordered: Vec<&News> = sections.into_values().flatten().collect();
    (title.join(" "), subject.join(", "), lines(&ordered), facts(&ordered))
}

fn section(news: &News) -> Section {
    let is_availability = news.alert.rule == RuleKind::Availability;
    match news.kind {
        NewsKind::Acknowledged | NewsKind::Withdrawn => Section::Acknowledged,
        NewsKind::Ended => Section::Ended,
        _ if news.alert.rule.is_own() => Section::Own,
        NewsKind::Opened if is_availability => Section::Down,
        NewsKind::Opened => Section::Breached,
        NewsKind::Reminder if is_availability => Section::StillDown,
        NewsKind::Reminder => Section::StillBreached,
        NewsKind::Was if is_availability => Section::WasDown,
        NewsKind::Closed if is_availability => Section::Up,
        NewsKind::Was | NewsKind::Closed => Section::Cleared,
    }
}

/// `23 sites are down`.
fn head(section: Section, members: &[&News]) -> String {
    let count = members.len();
    let (one, many) = match section {
        Section::Down => ("site is down", "sites are down"),
        Section::StillDown => ("site is still down", "sites are still down"),
        Section::Breached => ("warning", "warnings"),
        Section::StillBreached => ("warning goes on", "warnings go on"),
        Section::Own => ("report about webmon", "reports about webmon"),
        Section::WasDown => ("site was down", "sites were down"),
        Section::Up => ("site is up", "sites are up"),
        Section::Cleared => ("warning is over", "warnings are over"),
        Section::Ended => ("incident ended with its site", "incidents ended with their sites"),
        Section::Acknowledged => ("acknowledgement", "acknowledgements"),
    };
    format!("{count} {}", if count == 1 { one } else { many })
}

fn sentence(section: Section, members: &[&News], zone: &TimeZone) -> String {
    if let [one] = members {
        return match one.kind {
            // Its public sentence has figures that take the place of the others.
            NewsKind::Opened | NewsKind::Closed if section != Section::Own => format!("{}.", sentence::subject(one)),
            _ => {
                let title = sentence::title(one, zone);
                if title.ends_with(['.', '!', '?']) { title } else { format!("{title}.") }
            }
        };
    }
    if section == Section::Own {
        // All have the same name; the lines say what they are about.
        return format!("{}.", head(section, members));
    }
    let (names, is_cut) = names(members);
    let groups = if is_cut { groups(members) } else { String::new() };
    let mut text = format!("{}: {names}{groups}.", head(section, members));
    if matches!(section, Section::Down | Section::Breached)
        && let Some(first) = members.iter().map(|news| news.alert.at).min()
    {
        text = format!("{text} First {}.", clock(first, zone));
    }
    if section == Section::Down
        && let Some(shared) = shared(members)
    {
        text = format!("{text} {shared}");
    }
    text
}

/// The names of the sites, as many as fit, and whether some were left out.
fn names(members: &[&News]) -> (String, bool) {
    let mut names = String::new();
    let mut length = 0;
    for news in members {
        let name = &news.alert.site;
        length += name.chars().count() + 2;
        if length > NAMES_MAX && !names.is_empty() {
            names.push_str(", …");
            return (names, true);
        }
        if !names.is_empty() {
            names.push_str(", ");
        }
        names.push_str(&super::cut::chars(name, NAMES_MAX));
    }
    (names, false)
}

/// ` (shop 20, blog 3)`; empty without groups.
fn groups(members: &[&News]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for group in members.iter().filter_map(|news| news.context.group.as_deref()) {
        *counts.entry(group).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by(|(one, few), (other, many)| many.cmp(few).then_with(|| one.cmp(other)));
    let more = if counts.len() > GROUPS_MAX { ", …" } else { "" };
    let shown: Vec<String> = counts
        .iter()
        .take(GROUPS_MAX)
        .map(|(group, count)| format!("{} {count}", super::cut::chars(group, 20)))
        .collect();
    if shown.is_empty() { String::new() } else { format!(" ({}{more})", shown.join(", ")) }
}

/// What more than half of the sites have in common.
fn shared(members: &[&News]) -> Option<String> {
    let address = most(members.iter().filter_map(|news| news.context.address).map(|address| address.to_string()));
    let certificate = || most(members.iter().filter_map(|news| news.context.certificate.clone()));
    let is_most = |(_, count): &(String, usize)| count * 2 > members.len();
    if let Some((address, count)) = address.filter(is_most) {
        return Some(format!("{count} of them at {address}."));
    }
    let (certificate, count) = certificate().filter(is_most)?;
    Some(format!("{count} of them with the certificate {}.", super::cut::chars(&certificate, 80)))
}

/// The most frequent of `values`, and how often it is among them.
fn most(values: impl Iterator<Item = String>) -> Option<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count)
}

fn lines(ordered: &[&News]) -> Vec<String> {
    let mut lines: Vec<String> = ordered.iter().map(|news| line(news)).collect();
    if lines.len() > LINES_MAX {
        let more = lines.len() - (LINES_MAX - 1);
        lines.truncate(LINES_MAX - 1);
        lines.push(format!("… and {more} more"));
    }
    lines
}

/// One event of several: `api: 503 Service Unavailable`, `blog: up after 3m12s`.
fn line(news: &News) -> String {
    let (site, rule) = (&news.alert.site, news.alert.rule);
    let lasted = news.alert.downtime.map(format_seconds);
    match (news.kind, rule, lasted) {
        (NewsKind::Closed, RuleKind::Availability, Some(lasted)) => format!("{site}: up after {lasted}"),
        (NewsKind::Was, RuleKind::Availability, Some(lasted)) => format!("{site}: was down for {lasted}"),
        (NewsKind::Opened, RuleKind::Availability, _) => {
            format!("{site}: {}", sentence::reason(news).unwrap_or_else(|| "down".to_owned()))
        }
        (NewsKind::Reminder, RuleKind::Availability, _) => {
            let lasts = news.context.open_for.map_or_else(String::new, |lasts| format!(" after {}", rounded(lasts)));
            let reason = sentence::reason(news).map_or_else(String::new, |reason| format!(": {reason}"));
            format!("{site}: still down{lasts}{reason}")
        }
        _ => sentence::subject(news),
    }
}

fn facts(ordered: &[&News]) -> Vec<(String, String)> {
    let mut causes: BTreeMap<Cause, usize> = BTreeMap::new();
    let failed = ordered.iter().filter(|news| matches!(news.kind, NewsKind::Opened | NewsKind::Reminder));
    for cause in failed.filter_map(|news| news.context.cause) {
        *causes.entry(cause).or_default() += 1;
    }
    let mut causes: Vec<(Cause, usize)> = causes.into_iter().collect();
    causes.sort_by(|(one, few), (other, many)| many.cmp(few).then_with(|| one.cmp(other)));
    let mut facts = vec![("incidents".to_owned(), ordered.len().to_string())];
    if !causes.is_empty() {
        let causes: Vec<String> = causes.iter().map(|(cause, count)| format!("{} ×{count}", cause.name())).collect();
        facts.push(("causes".to_owned(), causes.join(", ")));
    }
    facts
}
