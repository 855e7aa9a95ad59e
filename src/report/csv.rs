//! CSV: the fields of the JSON objects as columns, with a header line.
//!
//! A nested name joins with `_` (`response_time_ms_avg`), an absent value is an empty field, and the open-ended
//! counts are one column each (`codes`: `200:59 503:1`). Quoting is RFC 4180's; lines end in LF. Control
//! characters in texts become U+FFFD, so that one record is one line.

use std::fmt::Display;
use std::io;

use csv::WriterBuilder;
use serde::Serialize;

use crate::alert::kept::telling::Heard;
use crate::alert::{AlertRecord, AlertState};
use crate::model::text::clean;

use super::objects::alert::AlertObject;
use super::objects::{SampleObject, StatsObject};
use super::{Period, SampleRecord, StatsRecord, Stored, time, wording};

/// Initial capacity of a row, bytes.
const ROW: usize = 512;

const SAMPLES: &str = "event,time,site,seq,up,cause,detail,status,resolve_us,connect_us,tls_us,processing_us,\
                       transfer_us,ttfb_us,total_us,late_us,skipped,bytes,redirects,http,address,masked";
const STATS: &str = "event,time,site,state,since,until,availability,coverage,checks,up,down,\
                     response_time_ms_avg,response_time_ms_max,response_time_ms_p50,response_time_ms_p90,\
                     response_time_ms_p95,response_time_ms_p99,ttfb_ms_avg,ttfb_ms_max,ttfb_ms_p50,ttfb_ms_p90,\
                     ttfb_ms_p95,ttfb_ms_p99,phases_ms_resolve,phases_ms_connect,phases_ms_tls,\
                     phases_ms_processing,phases_ms_transfer,codes,causes,exact,longest_outage_ms,data_since,maintenance_ms";
const ALERTS: &str = "event,time,site,state,availability,threshold,window,since,downtime_ms,message,\
                      incident,rule,severity,told";

/// The header of [`sample`] lines.
///
/// # Errors
/// The writer's.
pub fn sample_header(out: &mut impl io::Write) -> io::Result<()> {
    wording::line(out, SAMPLES)
}

/// One check.
///
/// # Errors
/// The writer's.
pub fn sample(out: &mut impl io::Write, record: &SampleRecord<'_>) -> io::Result<()> {
    let (site, detail) = (clean(record.site), record.detail.map(clean));
    // An absent one has its column, too.
    let object = SampleObject::of(&SampleRecord { site: &site, detail: detail.as_deref(), masked: None, ..*record });
    row(out, (object, record.masked))
}

/// The header of [`stats`] lines.
///
/// # Errors
/// The writer's.
pub fn stats_header(out: &mut impl io::Write) -> io::Result<()> {
    wording::line(out, STATS)
}

/// The figures of one site over one period. Without a period it is that of the window's timeframe.
///
/// # Errors
/// The writer's.
pub fn stats(out: &mut impl io::Write, record: &StatsRecord<'_>) -> io::Result<()> {
    let summary = record.summary;
    let window = Period { since: summary.timeframe.cutoff(summary.as_of), until: summary.as_of };
    let window = Stored { period: window, is_exact: true, longest_outage: None, begins: None, left_out: None };
    let object = StatsObject::of(&StatsRecord { stored: Some(record.stored.unwrap_or(window)), ..*record });
    let stored =
        object.stored.map(|stored| (stored.exact, stored.longest_outage_ms, stored.data_since, stored.maintenance_ms));
    row(
        out,
        (
            (object.event, object.time, clean(object.site), object.state, object.since, object.until),
            (object.availability, object.coverage, object.checks, object.up, object.down),
            (object.response_time_ms, object.ttfb_ms, object.phases_ms),
            counts(object.codes.0.iter().map(|&(status, count)| (status.get(), count))),
            counts(object.causes.0.iter().map(|&(cause, count)| (cause.name(), count))),
            stored,
        ),
    )
}

/// Alerts with a header, each with the outlets that have heard of it: `ops=TIME mail=`, without a time while the message waits.
/// If an alert rests on several locations, there is a column for them: `2/3 (fra1, nyc1)`.
///
/// # Errors
/// The writer's.
pub fn alerts<'a>(
    out: &mut impl io::Write,
    alerts: &'a [AlertRecord],
    told: impl Fn(&'a AlertRecord) -> &'a [Heard],
) -> io::Result<()> {
    let has_locations = alerts.iter().any(|alert| alert.locations.is_some());
    let header = if has_locations { format!("{ALERTS},locations") } else { ALERTS.to_owned() };
    wording::line(out, &header)?;
    alerts.iter().try_for_each(|record| alert(out, record, told(record), has_locations))
}

fn alert(out: &mut impl io::Write, alert: &AlertRecord, told: &[Heard], has_locations: bool) -> io::Result<()> {
    let object = AlertObject::of(alert);
    let (site, message) = (clean(object.site), object.message.map(clean));
    let heard = |(outlet, at): &Heard| format!("{}={}", clean(outlet), at.map(time::utc).unwrap_or_default());
    let told = told.iter().map(heard).collect::<Vec<_>>().join(" ");
    let object = AlertObject { site: &site, message: message.as_deref(), locations: None, ..object };
    if !has_locations {
        return row(out, (object, told));
    }
    let is_good = matches!(alert.state, AlertState::Up | AlertState::Cleared);
    let locations = alert.locations.as_ref().map(|locations| wording::locations(locations, is_good, true));
    row(out, (object, told, locations))
}

fn counts(counts: impl Iterator<Item = (impl Display, u64)>) -> String {
    counts.map(|(name, count)| format!("{name}:{count}")).collect::<Vec<_>>().join(" ")
}

/// Writes the fields of `record`, nested ones in their order.
pub(super) fn row(out: &mut impl io::Write, record: impl Serialize) -> io::Result<()> {
    let mut writer = WriterBuilder::new().has_headers(false).buffer_capacity(ROW).from_writer(Vec::with_capacity(ROW));
    writer.serialize(record)?;
    out.write_all(&writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::alert::Locations;
    use crate::model::Location;
    use crate::stats::Outage;
    use serde_json::Value;

    use super::*;
    use crate::engine::snapshot::SiteState;
    use crate::model::text::is_harmful;
    use crate::report::json;
    use crate::report::tests::fixtures;
    use crate::report::tests::fixtures::{at, empty_summary, hostile, printed, summary};

    /// The fields of one RFC 4180 record.
    fn parse(record: &str) -> Vec<String> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(record.as_bytes());
        let records: Vec<Vec<String>> = reader.deserialize().map(Result::unwrap).collect();
        <[_; 1]>::try_from(records).map_or_else(|records| panic!("{records:?}"), |[fields]| fields)
    }

    /// The scalars of a JSON line as a CSV reader would see them, keyed by column.
    fn flat(line: &str) -> Vec<(String, String)> {
        let mut columns = Vec::new();
        for (key, value) in serde_json::from_str::<Value>(line).unwrap().as_object().unwrap() {
            match value {
                Value::Object(map) if key == "codes" || key == "causes" => {
                    let counts: Vec<String> = map.iter().map(|(name, count)| format!("{name}:{count}")).collect();
                    columns.push((key.clone(), counts.join(" ")));
                }
                Value::Object(map) => {
                    columns.extend(map.iter().map(|(part, value)| (format!("{key}_{part}"), scalar(value))));
                }
                value => columns.push((key.clone(), scalar(value))),
            }
        }
        columns.sort();
        columns
    }

    fn scalar(value: &Value) -> String {
        match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    fn columns(header: &str, record: &str) -> Vec<(String, String)> {
        let names = parse(header);
        let values = parse(record);
        assert_eq!(names.len(), values.len(), "{record}");
        let mut columns: Vec<_> = names.into_iter().zip(values).collect();
        columns.sort();
        columns
    }

    #[test]
    fn columns_have_the_names_and_values_of_the_json_objects() {
        let sample = fixtures::sample();
        let local = crate::model::Sample { cause: crate::model::Cause::Local, status: None, ..sample };
        for (sample, detail) in [(&sample, Some("503 \"busy\", later")), (&local, None)] {
            let address = Some("[::1]:8080".parse().unwrap());
            let record = SampleRecord { site: "api", seq: Some(7), sample, detail, address, masked: Some(true) };
            assert_eq!(
                columns(&printed(sample_header), &printed(|out| super::sample(out, &record))),
                flat(&printed(|out| json::sample(out, &record)))
            );
        }
        for (summary, left_out) in [(summary(), None), (empty_summary(), Some(Duration::from_mins(90)))] {
            let period = Period { since: at("2026-11-21T09:00:00Z"), until: at("2026-11-22T09:00:00Z") };
            let longest_outage =
                (summary.counts.down > 0).then_some(Outage { since: period.since, until: period.until });
            let stored = Some(Stored { period, is_exact: false, longest_outage, begins: None, left_out });
            let record =
                StatsRecord { site: "api", state: Some(SiteState::Up), summary: &summary, stored, votes: None };
            assert_eq!(
                columns(&printed(stats_header), &printed(|out| stats(out, &record))),
                flat(&printed(|out| json::stats(out, &record)))
            );
        }
        for alert in [fixtures::alert(), fixtures::ended()] {
            let mut json = flat(&printed(|out| json::alert(out, &alert)));
            json.push(("told".to_owned(), String::new()));
            json.sort();
            let printed = printed(|out| alerts(out, std::slice::from_ref(&alert), |_| &[]));
            let (header, row) = printed.split_once('\n').unwrap();
            assert_eq!(columns(header, row), json);
        }
    }

    #[test]
    fn a_view_is_written_with_the_bounds_of_its_window() {
        let summary = summary();
        let record = StatsRecord { site: "api", state: None, summary: &summary, stored: None, votes: None };
        assert_eq!(
            printed(|out| stats(out, &record)),
            "stats,2026-11-22T09:00:10.000000Z,api,,2026-11-22T08:50:10.000000Z,2026-11-22T09:00:10.000000Z,0.9833,\
             1.0,60,59,1,5.1,9.0,5.0,5.9,6.2,9.0,5.0,8.9,4.9,5.8,6.1,8.9,0.3,0.1,,5.0,0.1,200:59 503:1,status:1,true,,,\n"
        );
    }

    #[test]
    fn an_alert_is_quoted_because_its_message_has_commas() {
        let told = [("mail".into(), None), ("ops".into(), Some(at("2026-11-22T09:00:03Z")))];
        assert_eq!(
            printed(|out| alerts(out, &[fixtures::alert()], |_| &told)),
            "event,time,site,state,availability,threshold,window,since,downtime_ms,message,incident,rule,severity,told\n\
             alert,2026-11-22T09:00:00.250000Z,api,down,0.7917,0.8,2m,2026-11-22T09:00:00.250000Z,,\
             \"Website api is down. availability=79.17%, time=2026-11-22T10:00:00+01:00\",,availability,critical,\
             mail= ops=2026-11-22T09:00:03.000000Z\n"
        );
    }

    #[test]
    fn alerts_of_several_locations_have_a_column_more() {
        let mut seen = fixtures::alert();
        seen.facts.locations = Some(Locations::votes(3, 2, ["fra1", "nyc1"].map(|name| Location::new(name).unwrap())));
        let printed = printed(|out| alerts(out, &[fixtures::alert(), seen], |_| &[]));
        let ends: Vec<&str> =
            printed.lines().map(|line| line.rsplit_once("critical,").map_or(line, |(_, end)| end)).collect();
        assert!(ends[0].ends_with(",severity,told,locations"), "{}", ends[0]);
        assert_eq!(ends[1..], [",", ",\"2/3 (fra1, nyc1)\""]);
    }

    proptest! {
        #[test]
        fn any_text_reads_back_from_one_line(name in hostile(), detail in hostile()) {
            let sample = fixtures::sample();
            let record =
                SampleRecord { site: &name, seq: None, sample: &sample, detail: Some(&detail), address: None, masked: None };
            let line = printed(|out| super::sample(out, &record));
            let body = line.strip_suffix('\n').expect("a record ends");
            prop_assert!(!body.chars().any(is_harmful));
            let fields = parse(body);
            prop_assert_eq!(fields.len(), parse(SAMPLES).len());
            prop_assert_eq!(&fields[2], &clean(&name));
            prop_assert_eq!(&fields[6], &clean(&detail));
        }
    }
}
