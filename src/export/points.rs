//! The exported points: `webmon_check`, `webmon_alert` and `webmon_export`.
//!
//! The tags `agent`, `group`, `location`, `site` and `rule` are bounded by sites.yaml and the fleet. URLs, statuses, errors and addresses are not tags,
//! because each value of a tag is a series for ever, and URLs carry secrets. Counts and times are integers, so no field changes
//! its type; absent values are left out, never 0. The mean of `up` is the availability. `cause` is the stable number of
//! `cause_s`, for servers that keep no texts.
//!
//! Invariants: a check's time is when its outcome was known, so a point that is sent again is the same point; `seq` has no
//! gaps, per site for checks and over all sites for alerts. `docs/influx.md` lists the schema, [`SCHEMA`] is its version.

use std::time::Duration;

use crate::alert::{Alert, AlertState, Locations};
use crate::model::{Cause, Certificate, Flags, Http, Location, Micros, Outcome, Phase, Sample, Status, Timestamp};
use crate::store::PointCounts;

use super::line::{LineBuilder, series};

/// A new version is exported from the beginning.
pub const SCHEMA: u32 = 1;

/// The only rule so far.
const RULE: &str = "availability";

/// The series of the checks of a site; at a hub of one location.
#[must_use]
pub fn check_series(agent: &str, group: Option<&str>, (site, location): (&str, Option<&Location>)) -> Vec<u8> {
    let (group, location) = (group.unwrap_or_default(), location.map_or("", Location::name));
    series("webmon_check", &[("agent", agent), ("group", group), ("location", location), ("site", site)])
}

/// Appends the point of a sample and its sequence number to `out`; `series` is its [`check_series`], `shown` the latest
/// certificate of its site.
pub fn check(out: &mut Vec<u8>, series: &[u8], (seq, sample): (u64, &Sample), shown: Option<&Certificate>) {
    let mut line = LineBuilder::begin(out, series);
    let phase = |phase| sample.phases.get(phase).map(Micros::get);
    line.integer_if("up", up(sample.outcome()));
    line.integer_if("status", sample.status.map(Status::get));
    line.integer("cause", sample.cause.code().into());
    line.text("cause_s", sample.cause.name());
    line.integer_if("dns_us", phase(Phase::Resolve));
    line.integer_if("connect_us", phase(Phase::Connect));
    line.integer_if("tls_us", phase(Phase::Tls));
    line.integer_if("processing_us", phase(Phase::Processing));
    line.integer_if("body_us", phase(Phase::Transfer));
    line.integer_if("ttfb_us", sample.ttfb().map(Micros::get));
    line.integer("total_us", sample.total().get().into());
    line.integer("bytes", sample.bytes.into());
    line.integer("redirects", sample.redirects.into());
    line.integer_if("http", protocol(sample.http));
    line.signed_if("cert_expires_s", shown.and_then(|shown| expiry(shown, sample)));
    line.integer("late_us", sample.late.get().into());
    line.integer("skipped", sample.skipped.into());
    line.integer("seq", seq);
    line.end(nanos(sample.at));
}

/// Appends the point of alert `seq` to `out`.
pub fn alert(out: &mut Vec<u8>, agent: &str, seq: u64, alert: &Alert) {
    let series = series("webmon_alert", &[("agent", agent), ("rule", RULE), ("site", &alert.site)]);
    let mut line = LineBuilder::begin(out, &series);
    line.integer("state", state_code(alert.state));
    line.text("state_s", alert.state.name());
    if let Some(availability) = alert.availability {
        line.number("value", availability.ratio());
    }
    line.number("threshold", alert.threshold.ratio());
    line.integer("window_us", micros(alert.window));
    line.integer("since_ns", nanos(alert.since));
    line.integer_if("downtime_us", alert.downtime.map(micros));
    match &alert.locations {
        Some(Locations::Votes { down, votes, .. }) => line.text("locations", &format!("{down}/{votes}")),
        Some(Locations::Alone(location)) => line.text("locations", &format!("{location} alone")),
        None => {}
    }
    line.integer("seq", seq);
    line.end(nanos(alert.at));
}

/// Appends point `seq` about the export itself to `out`; it is `lag` behind at `now`.
pub fn health(out: &mut Vec<u8>, agent: &str, seq: u64, tally: &PointCounts, (now, lag): (Timestamp, Duration)) {
    let mut line = LineBuilder::begin(out, &series("webmon_export", &[("agent", agent)]));
    line.number("lag_s", lag.as_secs_f64());
    line.integer("sent", tally.sent);
    line.integer("rejected", tally.rejected);
    line.integer("skipped", tally.skipped);
    line.integer("seq", seq);
    line.end(nanos(now));
}

/// None when webmon could not probe.
const fn up(outcome: Outcome) -> Option<u8> {
    match outcome {
        Outcome::Up => Some(1),
        Outcome::Down => Some(0),
        Outcome::Unknown => None,
    }
}

/// Ten times the version: 10, 11, 20, 30.
const fn protocol(http: Http) -> Option<u8> {
    match http {
        Http::None => None,
        Http::V10 => Some(10),
        Http::V11 => Some(11),
        Http::V2 => Some(20),
        Http::V3 => Some(30),
    }
}

/// Whether the check used TLS.
pub fn is_over_tls(sample: &Sample) -> bool {
    sample.phases.get(Phase::Tls).is_some() || sample.flags.has(Flags::REUSED)
}

/// Seconds from a check until the certificate `shown` expires; none for a certificate from after the check.
fn expiry(shown: &Certificate, sample: &Sample) -> Option<i64> {
    let seconds = |at: Timestamp| (at.as_micros() / 1_000_000).cast_signed();
    let in_use = is_over_tls(sample) && (shown.not_before <= sample.at || sample.cause == Cause::TlsNotYetValid);
    in_use.then(|| seconds(shown.not_after) - seconds(sample.at))
}

/// Public: never changed.
const fn state_code(state: AlertState) -> u64 {
    match state {
        AlertState::Up | AlertState::Cleared => 0,
        AlertState::Down | AlertState::Breached => 1,
        AlertState::Ended => 2,
    }
}

fn nanos(at: Timestamp) -> u64 {
    at.as_micros() * 1_000
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Phases;
    use crate::report::tests::fixtures;
    use crate::stats::Availability;

    const AT: Timestamp = Timestamp::from_micros(1_795_255_200_123_456);

    fn sample() -> Sample {
        Sample { at: AT, ..fixtures::sample() }
    }

    #[test]
    fn a_check_is_the_schemas_to_the_letter() {
        let mut out = Vec::new();
        check(&mut out, &check_series("host", Some("shop"), ("my api", None)), (1_234, &sample()), None);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "webmon_check,agent=host,group=shop,site=my\\ api up=0i,status=503i,cause=20i,cause_s=\"status\",dns_us=310i,\
             connect_us=120i,processing_us=5020i,body_us=80i,ttfb_us=5450i,total_us=5530i,bytes=12i,redirects=0i,\
             http=11i,late_us=90i,skipped=0i,seq=1234i 1795255200123456000\n"
        );
    }

    #[test]
    fn a_check_of_a_location_has_its_name_as_a_tag_and_an_alert_says_where_it_was_seen() {
        let fra1 = Location::new("fra1").unwrap();
        let series = |site| String::from_utf8(check_series("hub1", Some("shop"), (site, Some(&fra1)))).unwrap();
        assert_eq!(series("api"), "webmon_check,agent=hub1,group=shop,location=fra1,site=api");
        for (locations, said) in [
            (Locations::votes(3, 2, [fra1.clone()]), "locations=\"2/3\""),
            (Locations::Alone(fra1.clone()), "locations=\"fra1 alone\""),
        ] {
            let mut out = Vec::new();
            alert(&mut out, "hub1", 7, &Alert { locations: Some(locations), ..fixtures::alert().facts });
            let line = String::from_utf8(out).unwrap();
            assert!(line.contains(said), "{line}");
        }
    }

    #[test]
    fn what_did_not_take_place_is_left_out_and_unknown_is_neither_up_nor_down() {
        let blind =
            Sample { phases: Phases::NONE, cause: Cause::Local, status: None, http: Http::None, bytes: 0, ..sample() };
        let mut out = Vec::new();
        check(&mut out, &check_series("host", None, ("a", None)), (0, &blind), None);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "webmon_check,agent=host,site=a cause=23i,cause_s=\"local\",total_us=0i,bytes=0i,redirects=0i,late_us=90i,\
             skipped=0i,seq=0i 1795255200123456000\n"
        );
    }

    #[test]
    fn a_check_over_tls_says_how_long_the_certificate_is_still_valid() {
        let tls = Sample { phases: sample().phases.with(Phase::Tls, Micros::new(9)), ..sample() };
        let early = Sample { cause: Cause::TlsNotYetValid, ..tls };
        let kept = Sample { flags: Flags::none().with(Flags::REUSED), ..sample() };
        let day = Duration::from_hours(24);
        let (past, future) = (AT.before(day), AT.after(day));
        for (sample, not_before, not_after, expected) in [
            (tls, past, future, Some("cert_expires_s=86400i,")),
            (tls, past, past, Some("cert_expires_s=-86400i,")),
            (kept, past, future, Some("cert_expires_s=86400i,")),
            // It was issued later than that.
            (tls, future, future, None),
            (early, future, future, Some("cert_expires_s=86400i,")),
            (sample(), past, future, None),
        ] {
            let (subject, issuer) = ("a".to_owned(), "b".to_owned());
            let shown = Certificate { subject, issuer, not_before, not_after, faults: Vec::new() };
            let mut out = Vec::new();
            check(&mut out, b"webmon_check", (0, &sample), Some(&shown));
            let line = String::from_utf8(out).unwrap();
            assert_eq!(line.contains("cert_expires_s"), expected.is_some(), "{line}");
            assert!(line.contains(expected.unwrap_or_default()), "{line}");
        }
    }

    #[test]
    fn alerts_and_the_export_itself_are_the_schemas_to_the_letter() {
        let availability = Some(Availability { up: 3, checks: 4 });
        let down = Alert { at: AT, since: AT, availability, ..fixtures::alert().facts };
        let mut out = Vec::new();
        alert(&mut out, "host", 7, &down);
        let ended =
            Alert { state: AlertState::Ended, availability: None, downtime: Some(Duration::from_secs(3)), ..down };
        alert(&mut out, "host", 8, &ended);
        let tally = PointCounts { sent: 5, rejected: 1, skipped: 2 };
        health(&mut out, "host", 3, &tally, (AT, Duration::from_millis(2_500)));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "webmon_alert,agent=host,rule=availability,site=api state=1i,state_s=\"down\",value=0.75,threshold=0.8,\
             window_us=120000000i,since_ns=1795255200123456000i,seq=7i 1795255200123456000\n\
             webmon_alert,agent=host,rule=availability,site=api state=2i,state_s=\"ended\",threshold=0.8,\
             window_us=120000000i,since_ns=1795255200123456000i,downtime_us=3000000i,seq=8i 1795255200123456000\n\
             webmon_export,agent=host lag_s=2.5,sent=5i,rejected=1i,skipped=2i,seq=3i 1795255200123456000\n"
        );
    }
}
