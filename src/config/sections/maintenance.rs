//! The list `alerting.maintenance`: windows by the clock of a zone in which outlets are not notified of a site.

use jiff::tz::TimeZone;

use crate::alert::maintenance::{Days, Maintenance, MaintenanceError, Schedule, clock_time, moment};
use crate::config::keys::declared::ValueForm;
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, Scalar};
use crate::config::syntax::fault::Fault;
use crate::config::syntax::tree::NodeId;
use crate::model::{Timestamp, text};

use super::notes::Notes;

/// Longest reason, bytes.
const REASON_MAX: usize = 500;
const EXAMPLE: &str = "example: { every: sun, from: \"02:00\", to: \"04:30\" }";

/// The windows under `maintenance`; the zone of one without is unknown, until the program says which is the machine's.
pub(super) fn read(keys: &mut Keys<'_, '_>, notes: &mut Notes) -> Vec<Maintenance> {
    let reader = keys.reader();
    let ValueForm::List(declared, number) = keys.form("maintenance") else { unreachable!("it is declared as a list") };
    let Some(id) = keys.take("maintenance").filter(|&id| !reader.is_null(id)) else { return Vec::new() };
    let items = reader.list(id).unwrap_or_default();
    if !number.contains(&items.len()) {
        reader.fault_at(id, format!("write at most {} windows", number.end()));
        return Vec::new();
    }
    items.iter().filter_map(|&item| window(reader, item, Keys::of(reader, item, declared)?, notes)).collect()
}

fn window(reader: &ConfigReader<'_>, id: NodeId, mut keys: Keys<'_, '_>, notes: &mut Notes) -> Option<Maintenance> {
    for name in ["from", "to"] {
        if keys.place(name).is_none() {
            reader.fault(Fault::new(reader.span(id), format!("this window has no `{name}`")).hint(EXAMPLE));
        }
    }
    let is_weekly = keys.place("every").is_some();
    let every = keys.names("every");
    let ends = ["from", "to"].map(|name| keys.take(name).and_then(|id| reader.text(id)));
    let zone_at = keys.place("zone");
    let zone = keys.value("zone", zone);
    let sites = notes.sites(&mut keys);
    let reason = keys.value("reason", reason);
    keys.finish();
    let [from, to] = ends;
    let schedule = if is_weekly { weekly(reader, every, &from?, &to?) } else { once(reader, &from?, &to?) }?;
    let zone = match (zone_at, zone) {
        (Some(_), zone) => zone?,
        (None, _) => TimeZone::unknown(),
    };
    let window = Maintenance { schedule, zone, sites, reason: reason.map(Into::into) };
    // Since the beginning of time, so that a window of the past is none of the faults.
    if window.never_comes(Timestamp::from_micros(0)) {
        reader.fault_at(id, "this window never comes: the zone's clock skips it");
        return None;
    }
    Some(window)
}

fn weekly(reader: &ConfigReader<'_>, every: Option<Vec<Scalar>>, from: &Scalar, to: &Scalar) -> Option<Schedule> {
    let clock = |text: &Scalar| {
        let time = clock_time(text.value.trim()).map_err(|error| reader.fault(text.fault(error.to_string())));
        time.ok()
    };
    let (from, to) = (clock(from), clock(to));
    let words = every?;
    let days = Days::of(words.iter().map(|word| word.value.trim())).map_err(|error| {
        // The first word that is wrong by itself, or else the list.
        let wrong = words.iter().find(|word| Days::of([word.value.trim()]).is_err());
        if let Some(word) = wrong {
            reader.fault(word.fault(error.to_string()));
        }
    });
    Some(Schedule::Every { days: days.ok()?, from: from?, to: to? })
}

fn once(reader: &ConfigReader<'_>, from: &Scalar, to: &Scalar) -> Option<Schedule> {
    let moment = |text: &Scalar| {
        let fault = |error: MaintenanceError| {
            let is_clock = clock_time(text.value.trim()).is_ok();
            let hint = if is_clock { "; or name the days under `every`" } else { "" };
            reader.fault(text.fault(format!("{error}{hint}")));
        };
        moment(text.value.trim()).map_err(fault).ok()
    };
    let (start, end) = (moment(from), moment(to));
    let schedule = Schedule::once(start?, end?);
    schedule.map_err(|error| reader.fault(to.fault(error.to_string()))).ok()
}

fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text.trim()).map_err(|_| {
        let text = text.trim();
        format!("{text:?} is not a time zone; write one of the IANA names, such as Europe/Berlin or UTC")
    })
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > REASON_MAX || text.chars().any(text::is_harmful) {
        return Err(format!("a reason has at most {REASON_MAX} bytes and no control characters"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    /// A window without a zone is by this machine's clock; each site knows the windows that concern it; and a window that is
    /// over is warned of, one that will come is not.
    #[test]
    fn windows_are_settled_by_the_zone_and_the_time_of_this_machine() {
        let text = "
            defaults: { interval: 10s, timeout: 5s }
            sites:
              - { name: api, url: 'http://a.example/', group: shop }
              - { name: blog, url: 'http://b.example/' }
              - { name: off, url: 'http://c.example/', group: shop, enabled: false }
            alerting:
              maintenance:
                - { every: day, from: '03:00', to: '04:00' }
                - { every: day, from: '03:00', to: '04:00', zone: Asia/Tokyo, sites: ['group:shop'] }
                - { from: 2026-11-20T00:00, to: 2026-11-22T01:30 }
                - { from: 2026-11-20T00:00, to: 2026-11-22T03:00, sites: [blog] }";
        let settled = |zone: &str| {
            let mut config =
                parse(text, "sites.yaml", Path::new("."), &|_| None).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(config.warnings, Vec::<String>::new());
            // 02:00 in Berlin, 01:00 in UTC.
            config.settle_windows(&TimeZone::get(zone).unwrap(), Timestamp::from_secs(1_795_309_200));
            config
        };
        let config = settled("Europe/Berlin");
        let zones: Vec<_> = config.alerting.maintenance.iter().map(|window| window.zone.iana_name()).collect();
        let berlin = Some("Europe/Berlin");
        assert_eq!(zones, [berlin, Some("Asia/Tokyo"), berlin, berlin]);
        let all = config.sites.iter().chain(&config.disabled);
        let known = all.map(|watched| (&*watched.site.name, watched.maintenance.len())).collect::<Vec<_>>();
        assert_eq!(known, [("api", 3), ("blog", 3), ("off", 3)]);
        assert_eq!(config.sites[1].maintenance[2], config.alerting.maintenance[3], "of the settled ones");
        let over = "alerting.maintenance: the window from 2026-11-20T00:00:00 to 2026-11-22T01:30:00 is over";
        assert_eq!(config.warnings, [over]);
        // By another clock none is over yet.
        assert_eq!(settled("UTC").warnings, Vec::<String>::new());
    }
}
