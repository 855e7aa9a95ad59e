//! JSON lines: one object per line, keys in their public order, nothing else.
//!
//! Every object has `event` and `time`; an absent value is `null`. Beyond the rules of JSON, every character that a terminal or
//! a line splitter could obey (DEL, C1, bidi controls, U+2028) is written as `\uXXXX`: lossless for a parser, harmless on a
//! screen, and one line for every reader. Cost: one buffer per line.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::alert::kept::telling::Heard;
use crate::alert::network::NetworkChange;
use crate::alert::{AlertRecord, News};
use crate::engine::snapshot::{SiteSnapshot, Snapshot};
use crate::model::text::is_harmful;
use crate::model::{ExportHealth, FleetHealth, Observation, Timestamp};

use super::check::Checked;
use super::network::NetworkObject;
use super::objects::alert::{AlertObject, NewsObject, PastAlertObject, ToldObject};
use super::objects::check::{CertificateObject, CheckObject, DomainObject, HopObject, StepObject};
use super::objects::fleet::FleetObject;
use super::objects::{ExportObject, ListenObject, LostObject, SampleObject, SiteObject, StatsObject, WarningObject};
use super::{SampleRecord, StatsRecord, time};

/// One `sample` object.
///
/// # Errors
/// The writer's.
pub fn sample(out: &mut impl io::Write, record: &SampleRecord<'_>) -> io::Result<()> {
    line(out, &SampleObject::of(record))
}

/// One `site` object: what is watched, and its state at `at`.
///
/// # Errors
/// The writer's.
pub fn site(out: &mut impl io::Write, at: Timestamp, site: &SiteSnapshot) -> io::Result<()> {
    line(out, &SiteObject::of(at, site))
}

/// One `stats` object.
///
/// # Errors
/// The writer's.
pub fn stats(out: &mut impl io::Write, record: &StatsRecord<'_>) -> io::Result<()> {
    line(out, &StatsObject::of(record))
}

/// One `stats` object for each site of the view with index `view`, in the order of the file; none if there is no such view.
///
/// # Errors
/// The writer's.
pub fn refresh(out: &mut impl io::Write, snapshot: &Snapshot, view: usize) -> io::Result<()> {
    let rows = snapshot.views.get(view).map_or(&[][..], |view| &view.rows[..]);
    for (site, row) in snapshot.sites.iter().zip(rows) {
        let (state, votes) = (Some(site.state), site.votes);
        stats(out, &StatsRecord { site: &site.name, state, summary: &row.summary, stored: None, votes })?;
    }
    Ok(())
}

/// One `alert` object.
///
/// # Errors
/// The writer's.
pub fn alert(out: &mut impl io::Write, alert: &AlertRecord) -> io::Result<()> {
    line(out, &AlertObject::of(alert))
}

/// One `alert` object of the past, with the outlets that have heard of it, if there are any.
///
/// # Errors
/// The writer's.
pub fn past_alert(out: &mut impl io::Write, alert: &AlertRecord, told: &[Heard]) -> io::Result<()> {
    line(out, &PastAlertObject { alert: AlertObject::of(alert), told: ToldObject(told) })
}

/// One `alert` object with what is known beside the alert.
///
/// # Errors
/// The writer's.
pub fn news(out: &mut impl io::Write, news: &News) -> io::Result<()> {
    line(out, &NewsObject::of(news))
}

/// One `export` object: its progress at `now`.
///
/// # Errors
/// The writer's.
pub fn export(out: &mut impl io::Write, export: &ExportHealth, now: Timestamp) -> io::Result<()> {
    line(out, &ExportObject::of(export, now))
}

/// One `fleet` object: how what a location sends gets on at `now`.
///
/// # Errors
/// The writer's.
pub fn fleet(out: &mut impl io::Write, fleet: &FleetHealth, now: Timestamp) -> io::Result<()> {
    line(out, &FleetObject::of(fleet, now))
}

/// One `lost` object: how many events a listener missed.
///
/// # Errors
/// The writer's.
pub fn lost(out: &mut impl io::Write, at: Timestamp, count: u64) -> io::Result<()> {
    line(out, &LostObject { event: "lost", time: time::utc(at), count })
}

/// One `listen` object: where webmon serves by HTTP.
///
/// # Errors
/// The writer's.
pub fn listening(out: &mut impl io::Write, at: Timestamp, url: &str) -> io::Result<()> {
    line(out, &ListenObject { event: "listen", time: time::utc(at), url })
}

/// One `warning` object about a part of webmon.
///
/// # Errors
/// The writer's.
pub fn warning(out: &mut impl io::Write, at: Timestamp, about: &str, message: &str) -> io::Result<()> {
    line(out, &WarningObject { event: "warning", time: time::utc(at), about, message })
}

/// One `network` object.
///
/// # Errors
/// The writer's.
pub fn network(out: &mut impl io::Write, change: &NetworkChange) -> io::Result<()> {
    line(out, &NetworkObject::of(change))
}

/// One `sample` object of `webmon check`, with `certificate`, `domain`, `hops` and `steps`.
///
/// # Errors
/// The writer's.
pub fn check(out: &mut impl io::Write, checked: &Checked<'_>) -> io::Result<()> {
    let observation: &Observation = checked.observation;
    let record = SampleRecord {
        site: checked.site,
        seq: None,
        sample: &checked.sample,
        detail: Some(&observation.detail),
        address: observation.address,
        masked: None,
    };
    let certificate = observation.certificate.as_deref();
    line(
        out,
        &CheckObject {
            sample: SampleObject::of(&record),
            certificate: certificate.map(|shown| CertificateObject::of(shown, &checked.sample)),
            domain: observation.domain.as_deref().map(|domain| DomainObject::of(domain, checked.sample.at)),
            hops: observation.hops.iter().map(HopObject::of).collect(),
            steps: observation.steps.iter().map(StepObject::of).collect(),
        },
    )
}

/// `object` as one line.
pub(super) fn line(out: &mut impl io::Write, object: &impl Serialize) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(512);
    object.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Harmless))?;
    bytes.push(b'\n');
    out.write_all(&bytes)
}

/// Compact JSON in which harmful characters are escaped.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_harmful) {
            let (plain, tail) = rest.split_at(at);
            let harmful = tail.chars().next().expect("find returned the place of a character");
            // All harmful characters are in the basic plane: one unit, no surrogates.
            CompactFormatter.write_string_fragment(writer, plain)?;
            write!(writer, "\\u{:04x}", u32::from(harmful))?;
            rest = &tail[harmful.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::alert::quorum::{Tally, Verdict, Votes};
    use crate::engine::snapshot::SiteState;
    use crate::model::{
        Cause, Certificate, CertificateFault, DomainExpiry, ExportState, FleetState, Hop, Micros, Phases, StepResult,
    };
    use crate::report::tests::fixtures;
    use crate::report::tests::fixtures::{at, empty_summary, hostile, printed, status, summary};
    use crate::report::{Period, Stored};

    #[test]
    fn a_sample_is_the_contracts_to_the_letter() {
        let sample = fixtures::sample();
        let record = SampleRecord {
            site: "api",
            seq: Some(1_234),
            sample: &sample,
            detail: Some("503 Service Unavailable"),
            address: Some("127.0.0.1:8080".parse().unwrap()),
            masked: None,
        };
        assert_eq!(
            printed(|out| super::sample(out, &record)),
            concat!(
                r#"{"event":"sample","time":"2026-11-22T09:00:00.123456Z","site":"api","seq":1234,"up":false,"#,
                r#""cause":"status","detail":"503 Service Unavailable","status":503,"resolve_us":310,"#,
                r#""connect_us":120,"tls_us":null,"processing_us":5020,"transfer_us":80,"ttfb_us":5450,"#,
                r#""total_us":5530,"late_us":90,"skipped":0,"bytes":12,"redirects":0,"http":"1.1","#,
                r#""address":"127.0.0.1:8080"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn statistics_are_the_contracts_to_the_letter() {
        let summary = summary();
        let record =
            StatsRecord { site: "api", state: Some(SiteState::Failing), summary: &summary, stored: None, votes: None };
        assert_eq!(
            printed(|out| stats(out, &record)),
            concat!(
                r#"{"event":"stats","time":"2026-11-22T09:00:10.000000Z","site":"api","state":"failing","#,
                r#""timeframe":"10m","availability":0.9833,"coverage":1.0,"checks":60,"up":59,"down":1,"#,
                r#""response_time_ms":{"avg":5.1,"max":9.0,"p50":5.0,"p90":5.9,"p95":6.2,"p99":9.0},"#,
                r#""ttfb_ms":{"avg":5.0,"max":8.9,"p50":4.9,"p90":5.8,"p95":6.1,"p99":8.9},"#,
                r#""phases_ms":{"resolve":0.3,"connect":0.1,"tls":null,"processing":5.0,"transfer":0.1},"#,
                r#""codes":{"200":59,"503":1},"causes":{"status":1}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_site_over_its_locations_says_how_they_voted() {
        let (summary, tally) = (summary(), Tally { up: 2, down: 1 });
        let votes = Some(Votes { verdict: Verdict::Partial, tally, assigned: 3 });
        let state = Some(SiteState::Failing);
        let record = StatsRecord { site: "api", state, summary: &summary, stored: None, votes };
        let line = printed(|out| stats(out, &record));
        let end = r#","causes":{"status":1},"locations":{"verdict":"partial","up":2,"down":1,"assigned":3}}"#;
        assert_eq!(line.strip_suffix('\n').map(|line| line.ends_with(end)), Some(true), "{line}");
    }

    #[test]
    fn an_export_is_told_with_its_last_error() {
        let mut health = ExportHealth {
            sink: "http://localhost:8086/ v2 me/webmon".into(),
            oldest: Some(at("2026-11-22T09:00:00Z")),
            sent: 5_000,
            skipped: 3,
            ..ExportHealth::default()
        };
        let now = at("2026-11-22T09:00:03.25Z");
        assert_eq!(
            printed(|out| export(out, &health, now)),
            concat!(
                r#"{"event":"export","time":"2026-11-22T09:00:03.250000Z","sink":"http://localhost:8086/ v2 me/webmon","#,
                r#""state":"ok","lag_ms":3250,"sent":5000,"rejected":0,"skipped":3,"error":null,"error_time":null}"#,
                "\n"
            )
        );
        health.state = ExportState::Blocked;
        health.error = Some((at("2026-11-22T09:00:01Z"), "auth".to_owned()));
        health.oldest = None;
        let told = printed(|out| export(out, &health, now));
        assert!(told.contains(r#""state":"blocked","lag_ms":0,"#), "{told}");
        assert!(told.contains(r#""error":"auth","error_time":"2026-11-22T09:00:01.000000Z"}"#), "{told}");
    }

    #[test]
    fn a_location_tells_what_is_wrong_and_what_waits() {
        let since = at("2026-11-22T09:00:00Z");
        let state = FleetState::Unconnected { since, reason: Some("refused".to_owned()) };
        let health = FleetHealth { location: "fra1".into(), state, waiting: 7, lacked: 0, sent: 100 };
        assert_eq!(
            printed(|out| fleet(out, &health, at("2026-11-22T09:00:03Z"))),
            concat!(
                r#"{"event":"fleet","time":"2026-11-22T09:00:03.000000Z","location":"fra1","state":"no_server","#,
                r#""since":"2026-11-22T09:00:00.000000Z","error":"refused","waiting":7,"lacked":0,"sent":100}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_stored_period_has_bounds_in_place_of_a_timeframe_and_what_is_absent_is_null() {
        let summary = empty_summary();
        let period = Period { since: at("2026-11-21T09:00:10Z"), until: at("2026-11-22T09:00:10Z") };
        let stored = Some(Stored {
            period,
            is_exact: true,
            longest_outage: None,
            begins: Some(period.since),
            left_out: Some(Duration::from_millis(5_400_500)),
        });
        let record = StatsRecord { site: "old", state: None, summary: &summary, stored, votes: None };
        assert_eq!(
            printed(|out| stats(out, &record)),
            concat!(
                r#"{"event":"stats","time":"2026-11-22T09:00:10.000000Z","site":"old","state":null,"#,
                r#""since":"2026-11-21T09:00:10.000000Z","until":"2026-11-22T09:00:10.000000Z","#,
                r#""availability":null,"coverage":null,"checks":0,"up":0,"down":0,"#,
                r#""response_time_ms":{"avg":null,"max":null,"p50":null,"p90":null,"p95":null,"p99":null},"#,
                r#""ttfb_ms":{"avg":null,"max":null,"p50":null,"p90":null,"p95":null,"p99":null},"#,
                r#""phases_ms":{"resolve":null,"connect":null,"tls":null,"processing":null,"transfer":null},"#,
                r#""codes":{},"causes":{},"exact":true,"longest_outage_ms":null,"data_since":"2026-11-21T09:00:10.000000Z","#,
                r#""maintenance_ms":5400500}"#,
                "\n"
            )
        );
    }

    #[test]
    fn alerts_and_warnings_are_the_contracts_to_the_letter() {
        assert_eq!(
            printed(|out| alert(out, &fixtures::alert())),
            concat!(
                r#"{"event":"alert","time":"2026-11-22T09:00:00.250000Z","site":"api","state":"down","#,
                r#""availability":0.7917,"threshold":0.8,"window":"2m","since":"2026-11-22T09:00:00.250000Z","#,
                r#""downtime_ms":null,"#,
                r#""message":"Website api is down. availability=79.17%, time=2026-11-22T10:00:00+01:00","#,
                r#""incident":null,"rule":"availability","severity":"critical"}"#,
                "\n"
            )
        );
        assert_eq!(
            printed(|out| alert(out, &fixtures::ended())),
            concat!(
                r#"{"event":"alert","time":"2026-11-22T10:05:00.000000Z","site":"api","state":"ended","#,
                r#""availability":null,"threshold":0.8,"window":"2m","since":"2026-11-22T09:00:00.250000Z","#,
                r#""downtime_ms":3899000,"message":null,"#,
                r#""incident":null,"rule":"availability","severity":"critical"}"#,
                "\n"
            )
        );
        assert_eq!(
            printed(|out| warning(out, at("2026-11-22T09:00:03Z"), "store", "not saving since 10:00:03: disk full")),
            concat!(
                r#"{"event":"warning","time":"2026-11-22T09:00:03.000000Z","about":"store","#,
                r#""message":"not saving since 10:00:03: disk full"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_past_alert_says_which_outlets_have_heard() {
        let plain = printed(|out| alert(out, &fixtures::alert()));
        assert_eq!(printed(|out| past_alert(out, &fixtures::alert(), &[])), plain);
        let told = [("mail".into(), None), ("ops".into(), Some(at("2026-11-22T09:00:03Z")))];
        let with = plain.replace("}\n", ",\"told\":{\"mail\":null,\"ops\":\"2026-11-22T09:00:03.000000Z\"}}\n");
        assert_eq!(printed(|out| past_alert(out, &fixtures::alert(), &told)), with);
    }

    #[test]
    fn a_check_adds_certificate_hops_and_steps_and_has_no_number() {
        let mut observation = Observation::failed(Cause::TlsExpired, "certificate expired 2 days ago");
        observation.certificate = Some(Arc::new(Certificate {
            subject: "api.example.com".to_owned(),
            issuer: "R11".to_owned(),
            not_before: at("2026-08-22T00:00:00Z"),
            not_after: at("2026-11-20T12:00:00Z"),
            faults: vec![CertificateFault::Expired, CertificateFault::WrongHost],
        }));
        observation.domain = Some(Arc::new(DomainExpiry {
            name: "example.com".into(),
            expires: Some(at("2027-01-22T09:00:00Z")),
            warn: Duration::ZERO,
        }));
        let [url, location] = ["http://api.example.com/", "https://api.example.com/"].map(str::to_owned);
        observation.hops = vec![Hop { url, location, status: status(301), total: Micros::new(900) }];
        let phases = Phases::NONE.with(crate::model::Phase::Processing, Micros::new(1_200));
        let [made, failed] = [(Some(status(200)), phases), (None, Phases::NONE)].map(|(status, phases)| StepResult {
            step: "sign in".to_owned(),
            url: "https://api.example.com/***".to_owned(),
            status,
            phases,
            redirects: 1,
        });
        observation.steps = [made, failed].into();
        let sample = observation.sample(at("2026-11-22T09:00:00Z"), Micros::ZERO, 0);
        let checked = Checked { site: "api", url: "https://api.example.com/", sample, observation: &observation };
        assert_eq!(
            printed(|out| check(out, &checked)),
            concat!(
                r#"{"event":"sample","time":"2026-11-22T09:00:00.000000Z","site":"api","seq":null,"up":false,"#,
                r#""cause":"tls_expired","detail":"certificate expired 2 days ago","status":null,"#,
                r#""resolve_us":null,"connect_us":null,"tls_us":null,"processing_us":null,"transfer_us":null,"#,
                r#""ttfb_us":null,"total_us":0,"late_us":null,"skipped":0,"bytes":0,"redirects":1,"http":null,"#,
                r#""address":null,"certificate":{"subject":"api.example.com","issuer":"R11","#,
                r#""not_after":"2026-11-20T12:00:00.000000Z","days_left":-2,"faults":["expired","wrong_host"]},"#,
                r#""domain":{"name":"example.com","expires":"2027-01-22T09:00:00.000000Z","days_left":61},"#,
                r#""hops":[{"url":"http://api.example.com/","location":"https://api.example.com/","status":301,"#,
                r#""total_us":900}],"steps":[{"step":"sign in","url":"https://api.example.com/***","status":200,"#,
                r#""total_us":1200},{"step":"sign in","url":"https://api.example.com/***","status":null,"total_us":0}]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_local_sample_is_neither_up_nor_down() {
        let sample = crate::model::Sample { cause: Cause::Local, phases: Phases::NONE, ..fixtures::sample() };
        let record =
            SampleRecord { site: "a", seq: Some(0), sample: &sample, detail: Some(""), address: None, masked: None };
        let value: Value = serde_json::from_str(&printed(|out| super::sample(out, &record))).unwrap();
        assert_eq!((&value["up"], &value["cause"], &value["detail"]), (&Value::Null, &"local".into(), &Value::Null));
    }

    proptest! {
        #[test]
        fn any_text_is_one_valid_object_on_one_line(name in hostile(), detail in hostile()) {
            let sample = fixtures::sample();
            let record =
                SampleRecord { site: &name, seq: Some(1), sample: &sample, detail: Some(&detail), address: None, masked: None };
            let line = printed(|out| super::sample(out, &record));
            let body = line.strip_suffix('\n').expect("a line ends");
            prop_assert!(!body.chars().any(is_harmful), "{body:?}");
            let value: Value = serde_json::from_str(body).expect("valid JSON");
            prop_assert_eq!(value["site"].as_str(), Some(&*name));
            prop_assert_eq!(value["detail"].as_str().unwrap_or_default(), &*detail);
        }
    }
}
