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
