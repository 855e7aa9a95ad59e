//! Incidents and silences as users order them: the lists of `webmon ack` and `webmon silence`, and lines of a monitor.

use std::io;

use jiff::tz::TimeZone;

use crate::alert::incident::list::{IncidentList, ListedIncident};
use crate::alert::incident::order::{OrderChange, OrderEvent};
use crate::alert::kept::incident::Silence;
use crate::model::Timestamp;
use crate::model::text::clean;

use crate::report::lines::Columns;
use crate::report::lines::fitted::{Shape, aligned};
use crate::report::{csv, json, time, wording};

/// The columns of incidents, and of silences.
const INCIDENTS_TABLE: Shape<'_> = Shape { lefts: &[1, 2, 3, 5, 6], drops: &[4, 5], cuts: &[6, 1], marked: None };
const SILENCES_TABLE: Shape<'_> = Shape { lefts: &[1, 2, 3, 4, 5, 6], drops: &[2, 5, 4], cuts: &[6, 1], marked: None };

/// `event: incident` of a monitor: a change by an order.
#[derive(serde::Serialize)]
struct OrderObject<'a> {
    event: &'static str,
    time: String,
    action: &'static str,
    site: Option<&'a str>,
    incident: Option<u64>,
    rule: Option<&'static str>,
    silence: Option<u64>,
    sites: Option<Vec<String>>,
    until: Option<String>,
    maintenance: Option<bool>,
    by: &'a str,
    text: Option<&'a str>,
}

/// `event: incident` of a list: an open one.
#[derive(serde::Serialize)]
struct IncidentObject<'a> {
    event: &'static str,
    time: String,
    action: &'static str,
    site: &'a str,
    incident: u64,
    rule: &'static str,
    relapses: u32,
    silence: Option<u64>,
    acknowledged: Option<String>,
    by: Option<&'a str>,
    text: Option<&'a str>,
}

/// `event: silence`.
#[derive(serde::Serialize)]
struct SilenceObject<'a, S> {
    event: &'static str,
    time: String,
    silence: u64,
    sites: S,
    until: String,
    maintenance: bool,
    by: &'a str,
    text: Option<&'a str>,
}

const INCIDENTS: &str = "event,time,action,site,incident,rule,relapses,silence,acknowledged,by,text";
const SILENCES: &str = "event,time,silence,sites,until,maintenance,by,text";

fn words(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// One change by an order, at its time.
///
/// # Errors
/// The writer's.
pub fn order_json(out: &mut impl io::Write, event: &OrderEvent) -> io::Result<()> {
    let ordered = &event.ordered;
    let mut object = OrderObject {
        event: "incident",
        time: time::utc(ordered.at),
        action: event.change.name(),
        site: None,
        incident: None,
        rule: None,
        silence: None,
        sites: None,
        until: None,
        maintenance: None,
        by: &ordered.by,
        text: words(&ordered.text),
    };
    match &event.change {
        OrderChange::Acknowledged(number, site, rule) | OrderChange::Withdrawn(number, site, rule) => {
            (object.incident, object.site, object.rule) = (Some(*number), Some(&**site), Some(rule.name()));
        }
        OrderChange::Silenced { number, sites, until, is_maintenance } => {
            (object.silence, object.sites) = (Some(*number), Some(sites.words()));
            (object.until, object.maintenance) = (Some(time::utc(*until)), Some(*is_maintenance));
        }
        OrderChange::SilenceEnded { number, sites } => {
            (object.silence, object.sites) = (Some(*number), Some(sites.words()));
        }
    }
    json::line(out, &object)
}

/// The same as a line: `10:00:13 incident 12 of api acknowledged by ada: on it`.
///
/// # Errors
/// The writer's.
pub fn order_text(out: &mut impl io::Write, zone: &TimeZone, event: &OrderEvent) -> io::Result<()> {
    let at = time::clock(event.ordered.at, zone);
    wording::line(out, &format!("{at} {}", order_sentence(event, zone)))
}

/// The same as a sentence.
#[must_use]
pub fn order_sentence(event: &OrderEvent, zone: &TimeZone) -> String {
    let by = &event.ordered.by;
    let what = match &event.change {
        OrderChange::Acknowledged(number, site, _) => format!("incident {number} of {site} acknowledged by {by}"),
        OrderChange::Withdrawn(number, site, _) => {
            format!("acknowledgement of incident {number} of {site} withdrawn by {by}")
        }
        OrderChange::Silenced { number, sites, until, is_maintenance } => {
            let kind = if *is_maintenance { "maintenance" } else { "silence" };
            let (sites, until) = (sites.words().join(" "), time::second(*until, zone));
            format!("{kind} {number} of {sites} until {until} begun by {by}")
        }
        OrderChange::SilenceEnded { number, sites } => {
            format!("silence {number} of {} ended by {by}", sites.words().join(" "))
        }
    };
    let text = words(&event.ordered.text).map_or_else(String::new, |text| format!(": {text}"));
    clean(&format!("{what}{text}"))
}

fn incident_object<'a>(list: &IncidentList, incident: &'a ListedIncident, now: Timestamp) -> IncidentObject<'a> {
    let ack = incident.ack.as_ref();
    IncidentObject {
        event: "incident",
        time: time::utc(incident.opened),
        action: "open",
        site: &incident.site,
        incident: incident.number,
        rule: incident.rule.name(),
        relapses: incident.relapses,
        silence: list.silence(&incident.site, incident.group.as_deref(), now).map(|silence| silence.number),
        acknowledged: ack.map(|ack| time::utc(ack.at)),
        by: ack.map(|ack| &*ack.by),
        text: ack.and_then(|ack| words(&ack.text)),
    }
}

/// The open incidents as JSON lines.
///
/// # Errors
/// The writer's.
pub fn incidents_json(out: &mut impl io::Write, list: &IncidentList, now: Timestamp) -> io::Result<()> {
    list.incidents.iter().try_for_each(|incident| json::line(out, &incident_object(list, incident, now)))
}

/// The open incidents as CSV.
///
/// # Errors
/// The writer's.
pub fn incidents_csv(out: &mut impl io::Write, list: &IncidentList, now: Timestamp) -> io::Result<()> {
    wording::line(out, INCIDENTS)?;
    list.incidents.iter().try_for_each(|incident| {
        let object = incident_object(list, incident, now);
        let (site, by, text) = (clean(object.site), object.by.map(clean), object.text.map(clean));
        csv::row(out, IncidentObject { site: &site, by: by.as_deref(), text: text.as_deref(), ..object })
    })
}

/// An instant of a table whose head has the offset at `now`.
fn beside(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    format!("{}{}", time::second(at, zone), time::unlike(at, now, zone))
}

/// The open incidents as a table.
///
/// # Errors
/// The writer's.
pub fn incidents_table(out: &mut impl Columns, zone: &TimeZone, list: &IncidentList, now: Timestamp) -> io::Result<()> {
    if list.incidents.is_empty() {
        return wording::line(out, "no open incidents");
    }
    let shown = |at: Timestamp| beside(at, now, zone);
    let row = |incident: &ListedIncident| {
        let silence = list.silence(&incident.site, incident.group.as_deref(), now);
        let ack = incident.ack.as_ref().map(|ack| match words(&ack.text) {
            Some(text) => format!("{}: {text}", ack.by),
            None => ack.by.to_string(),
        });
        [
            incident.number.to_string(),
            incident.site.to_string(),
            incident.rule.name().to_owned(),
            shown(incident.opened),
            incident.relapses.to_string(),
            silence.map_or_else(String::new, |silence| shown(silence.until)),
            ack.unwrap_or_default(),
        ]
    };
    let rows: Vec<[String; 7]> = list.incidents.iter().map(row).collect();
    let since = format!("SINCE ({})", time::offset(now, zone));
    let heads = ["INCIDENT", "SITE", "RULE", &since, "RELAPSES", "SILENCED UNTIL", "ACKNOWLEDGED BY"];
    aligned(out, &heads, INCIDENTS_TABLE, &rows)
}

/// A silence as a JSON line.
///
/// # Errors
/// The writer's.
pub fn silence_json(out: &mut impl io::Write, silence: &Silence) -> io::Result<()> {
    json::line(out, &silence_object(silence, silence.sites.words(), &silence.by, words(&silence.text)))
}

fn silence_object<'a, S>(silence: &Silence, sites: S, by: &'a str, text: Option<&'a str>) -> SilenceObject<'a, S> {
    SilenceObject {
        event: "silence",
        time: time::utc(silence.from),
        silence: silence.number,
        sites,
        until: time::utc(silence.until),
        maintenance: silence.is_maintenance,
        by,
        text,
    }
}

/// Silences as CSV; several sites are one column.
///
/// # Errors
/// The writer's.
pub fn silences_csv<'a>(out: &mut impl io::Write, silences: impl Iterator<Item = &'a Silence>) -> io::Result<()> {
    wording::line(out, SILENCES)?;
    for silence in silences {
        let (by, text) = (clean(&silence.by), clean(&silence.text));
        csv::row(out, silence_object(silence, clean(&silence.sites.words().join(" ")), &by, words(&text)))?;
    }
    Ok(())
}

/// Silences as a table.
///
/// # Errors
/// The writer's.
pub fn silences_table<'a>(
    out: &mut impl Columns,
    zone: &TimeZone,
    silences: impl Iterator<Item = &'a Silence>,
    now: Timestamp,
) -> io::Result<()> {
    let shown = |at: Timestamp| beside(at, now, zone);
    let row = |silence: &Silence| {
        [
            silence.number.to_string(),
            silence.sites.words().join(" "),
            shown(silence.from),
            shown(silence.until),
            if silence.is_maintenance { "maintenance" } else { "silence" }.to_owned(),
            silence.by.to_string(),
            silence.text.clone(),
        ]
    };
    let rows: Vec<[String; 7]> = silences.map(row).collect();
    if rows.is_empty() {
        return wording::line(out, "no silences");
    }
    let since = format!("SINCE ({})", time::offset(now, zone));
    let heads = ["SILENCE", "SITES", &since, "UNTIL", "KIND", "BY", "TEXT"];
    aligned(out, &heads, SILENCES_TABLE, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{RuleKind, SiteSelector};
    use crate::report::tests::fixtures::{at, printed};

    /// Begun in summer time and listed in winter time, each instant has the offset that its clock had.
    #[test]
    fn an_instant_before_a_change_of_the_clock_has_its_own_offset() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let silence = |number, from: &str, until: &str| Silence {
            number,
            sites: SiteSelector::of(["api"]),
            from: at(from),
            until: at(until),
            by: "ada".into(),
            text: String::new(),
            is_maintenance: false,
        };
        let silences = [
            silence(1, "2026-10-25T00:30:00Z", "2026-10-25T12:00:00Z"),
            silence(2, "2026-10-25T01:30:00Z", "2026-10-25T12:00:00Z"),
        ];
        let now = at("2026-10-25T02:00:00Z");
        assert_eq!(
            printed(|out| silences_table(out, &berlin, silences.iter(), now)),
            "SILENCE  SITES  SINCE (+01:00)              UNTIL                KIND     BY   TEXT\n      \
             1  api    2026-10-25 02:30:00 +02:00  2026-10-25 13:00:00  silence  ada\n      \
             2  api    2026-10-25 02:30:00         2026-10-25 13:00:00  silence  ada\n"
        );
        let incident = ListedIncident {
            number: 7,
            site: "api".into(),
            group: None,
            rule: RuleKind::Availability,
            opened: at("2026-10-25T00:30:00Z"),
            newest: at("2026-10-25T00:30:00Z"),
            relapses: 0,
            ack: None,
        };
        let list = IncidentList { incidents: vec![incident], ..IncidentList::default() };
        let table = printed(|out| incidents_table(out, &berlin, &list, now));
        assert!(table.contains("SINCE (+01:00)") && table.contains("  2026-10-25 02:30:00 +02:00  "), "{table}");
    }
}
