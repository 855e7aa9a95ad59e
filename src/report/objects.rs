//! The objects of the machine formats: fields in their public order, already rounded and named.
//!
//! [`super::json`] serializes them, [`super::csv`] writes the same fields as columns. Milliseconds have three decimals, shares
//! four; a share is 1.0 only without a failure and 0.0 only without a success. An absent value is `None` and becomes `null`.

use std::net::SocketAddr;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::alert::kept::telling::Heard;
use crate::alert::{AlertRecord, AlertState, News};
use crate::model::time::duration;
use crate::model::{Cause, Certificate, ExportHealth, Hop, Micros, Outcome, Phase, Phases, Status, Timestamp, figures};
use crate::stats::{Availability, Latency, Summary};

use super::{Period, SampleRecord, StatsRecord, time};

/// `event: sample`.
#[derive(serde::Serialize)]
pub(super) struct SampleObject<'a> {
    pub(super) event: &'static str,
    pub(super) time: String,
    pub(super) site: &'a str,
    pub(super) seq: Option<u64>,
    pub(super) up: Option<bool>,
    pub(super) cause: &'static str,
    pub(super) detail: Option<&'a str>,
    pub(super) status: Option<u16>,
    pub(super) resolve_us: Option<u32>,
    pub(super) connect_us: Option<u32>,
    pub(super) tls_us: Option<u32>,
    pub(super) processing_us: Option<u32>,
    pub(super) transfer_us: Option<u32>,
    pub(super) ttfb_us: Option<u32>,
    pub(super) total_us: u32,
    pub(super) late_us: Option<u32>,
    pub(super) skipped: u32,
    pub(super) bytes: u32,
    pub(super) redirects: u8,
    pub(super) http: Option<&'static str>,
    pub(super) address: Option<SocketAddr>,
}

impl<'a> SampleObject<'a> {
    pub(super) fn of(record: &SampleRecord<'a>) -> Self {
        let sample = record.sample;
        let phase = |phase| sample.phases.get(phase).map(Micros::get);
        Self {
            event: "sample",
            time: time::utc(sample.at),
            site: record.site,
            seq: record.seq,
            up: match sample.outcome() {
                Outcome::Up => Some(true),
                Outcome::Down => Some(false),
                Outcome::Unknown => None,
            },
            cause: sample.cause.name(),
            detail: record.detail.filter(|detail| !detail.is_empty()),
            status: sample.status.map(Status::get),
            resolve_us: phase(Phase::Resolve),
            connect_us: phase(Phase::Connect),
            tls_us: phase(Phase::Tls),
            processing_us: phase(Phase::Processing),
            transfer_us: phase(Phase::Transfer),
            ttfb_us: sample.ttfb().map(Micros::get),
            total_us: sample.total().get(),
            // A check outside the schedule was never due.
            late_us: record.seq.map(|_| sample.late.get()),
            skipped: sample.skipped,
            bytes: sample.bytes,
            redirects: sample.redirects,
            http: sample.http.name(),
            address: record.address,
        }
    }
}

/// A sample of `check`, with its certificate and redirects.
#[derive(serde::Serialize)]
pub(super) struct CheckObject<'a> {
    #[serde(flatten)]
    pub(super) sample: SampleObject<'a>,
    pub(super) certificate: Option<CertificateObject<'a>>,
    pub(super) hops: Vec<HopObject<'a>>,
}

#[derive(serde::Serialize)]
pub(super) struct CertificateObject<'a> {
    subject: &'a str,
    issuer: &'a str,
    not_after: String,
    days_left: i64,
    faults: Vec<&'static str>,
}

impl<'a> CertificateObject<'a> {
    pub(super) fn of(certificate: &'a Certificate, now: Timestamp) -> Self {
        Self {
            subject: &certificate.subject,
            issuer: &certificate.issuer,
            not_after: time::utc(certificate.not_after),
            days_left: certificate.days_left(now),
            faults: certificate.faults.iter().map(|fault| fault.name()).collect(),
        }
    }
}

#[derive(serde::Serialize)]
pub(super) struct HopObject<'a> {
    url: &'a str,
    location: &'a str,
    status: u16,
    total_us: u32,
}

impl<'a> HopObject<'a> {
    pub(super) fn of(hop: &'a Hop) -> Self {
        Self { url: &hop.url, location: &hop.location, status: hop.status.get(), total_us: hop.total.get() }
    }
}

/// `event: stats`; either `timeframe` or `since` and `until`.
#[derive(serde::Serialize)]
pub(super) struct StatsObject<'a> {
    pub(super) event: &'static str,
    pub(super) time: String,
    pub(super) site: &'a str,
    pub(super) state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeframe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
    pub(super) availability: Option<f64>,
    pub(super) coverage: Option<f64>,
    pub(super) checks: u64,
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) response_time_ms: LatencyObject,
    pub(super) ttfb_ms: LatencyObject,
    pub(super) phases_ms: PhasesObject,
    pub(super) codes: Codes<'a>,
    pub(super) causes: Causes<'a>,
    #[serde(flatten)]
    pub(super) stored: Option<StoredObject>,
}

/// The additional fields of a stored period.
#[derive(Clone, serde::Serialize)]
pub(super) struct StoredObject {
    pub(super) exact: bool,
    pub(super) longest_outage_ms: Option<u64>,
    pub(super) data_since: Option<String>,
}

impl<'a> StatsObject<'a> {
    pub(super) fn of(record: &StatsRecord<'a>) -> Self {
        let summary: &'a Summary = record.summary;
        let bound = |of: fn(&Period) -> Timestamp| record.stored.as_ref().map(|stored| time::utc(of(&stored.period)));
        Self {
            event: "stats",
            time: time::utc(summary.as_of),
            site: record.site,
            state: record.state.map(super::SiteState::name),
            timeframe: record.stored.is_none().then(|| summary.timeframe.to_string()),
            since: bound(|period| period.since),
            until: bound(|period| period.until),
            availability: summary
                .counts
                .availability()
                .map(|availability| figures::four_decimals(availability.ratio())),
            coverage: summary.coverage.map(figures::four_decimals),
            checks: summary.counts.checks(),
            up: summary.counts.up,
            down: summary.counts.down,
            response_time_ms: LatencyObject::of(summary.response.as_ref()),
            ttfb_ms: LatencyObject::of(summary.ttfb.as_ref()),
            phases_ms: PhasesObject::of(&summary.phase_means),
            codes: Codes(&summary.codes),
            causes: Causes(&summary.causes),
            stored: record.stored.map(|stored| StoredObject {
                exact: stored.is_exact,
                longest_outage_ms: stored.longest_outage.map(|outage| whole_millis(outage.length())),
                data_since: stored.begins.map(time::utc),
            }),
        }
    }
}

/// A distribution, ms.
#[derive(Clone, Copy, Default, serde::Serialize)]
pub(super) struct LatencyObject {
    pub(super) avg: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) p50: Option<f64>,
    pub(super) p90: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) p99: Option<f64>,
}

impl LatencyObject {
    fn of(latency: Option<&Latency>) -> Self {
        let Some(latency) = latency else { return Self::default() };
        let millis = |micros: u32| Some(millis(f64::from(micros)));
        Self {
            avg: Some(self::millis(latency.avg)),
            max: millis(latency.max),
            p50: millis(latency.p50),
            p90: millis(latency.p90),
            p95: millis(latency.p95),
            p99: millis(latency.p99),
        }
    }
}

/// Mean times of the phases, ms.
#[derive(Clone, Copy, serde::Serialize)]
pub(super) struct PhasesObject {
    pub(super) resolve: Option<f64>,
    pub(super) connect: Option<f64>,
    pub(super) tls: Option<f64>,
    pub(super) processing: Option<f64>,
    pub(super) transfer: Option<f64>,
}

impl PhasesObject {
    fn of(means: &[Option<f64>; Phase::ALL.len()]) -> Self {
        let [resolve, connect, tls, processing, transfer] = means.map(|mean| mean.map(millis));
        Self { resolve, connect, tls, processing, transfer }
    }
}

/// Counts by status, ascending.
pub(super) struct Codes<'a>(pub(super) &'a [(Status, u64)]);

impl Serialize for Codes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (status, count) in self.0 {
            map.serialize_entry(&status.get(), count)?;
        }
        map.end()
    }
}

/// Counts by cause, in the order of the closed list.
pub(super) struct Causes<'a>(pub(super) &'a [(Cause, u64)]);

impl Serialize for Causes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (cause, count) in self.0 {
            map.serialize_entry(cause.name(), count)?;
        }
        map.end()
    }
}

/// `event: alert`.
#[derive(serde::Serialize)]
pub(super) struct AlertObject<'a> {
    pub(super) event: &'static str,
    pub(super) time: String,
    pub(super) site: &'a str,
    pub(super) state: &'static str,
    pub(super) availability: Option<f64>,
    pub(super) threshold: f64,
    pub(super) window: String,
    pub(super) since: String,
    pub(super) downtime_ms: Option<u64>,
    pub(super) message: Option<&'a str>,
    pub(super) incident: Option<u64>,
    pub(super) rule: &'static str,
    pub(super) severity: &'static str,
}

impl<'a> AlertObject<'a> {
    pub(super) fn of(alert: &'a AlertRecord) -> Self {
        Self {
            event: "alert",
            time: time::utc(alert.at),
            site: &alert.site,
            state: alert.state.name(),
            availability: alert.availability.map(as_in_the_message),
            threshold: alert.threshold.ratio(),
            window: duration::format(alert.window),
            since: time::utc(alert.since),
            downtime_ms: alert.downtime.map(whole_millis),
            message: (alert.state != AlertState::Ended).then_some(&*alert.message),
            incident: alert.incident,
            rule: alert.rule.name(),
            severity: alert.rule.severity().name(),
        }
    }
}

/// An alert of the past, and which outlets have heard of it.
#[derive(serde::Serialize)]
pub(super) struct PastAlertObject<'a> {
    #[serde(flatten)]
    pub(super) alert: AlertObject<'a>,
    #[serde(skip_serializing_if = "ToldObject::is_empty")]
    pub(super) told: ToldObject<'a>,
}

/// The outlets that have heard, and when; null while the message waits.
pub(super) struct ToldObject<'a>(pub(super) &'a [Heard]);

impl ToldObject<'_> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for ToldObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(outlet, at)| (&**outlet, at.map(time::utc))))
    }
}

/// An alert as programs and webhooks get it: the alert, and what is known beside it.
#[derive(serde::Serialize)]
pub(super) struct NewsObject<'a> {
    #[serde(flatten)]
    alert: AlertObject<'a>,
    url: &'a str,
    group: Option<&'a str>,
    cause: Option<&'static str>,
    detail: Option<&'a str>,
    status: Option<u16>,
}

impl<'a> NewsObject<'a> {
    pub(super) fn of(news: &'a News) -> Self {
        let context = &news.context;
        Self {
            alert: AlertObject::of(&news.alert),
            url: &context.url,
            group: context.group.as_deref(),
            cause: context.cause.map(Cause::name),
            detail: Some(&*context.detail).filter(|detail| !detail.is_empty()),
            status: context.status.map(Status::get),
        }
    }
}

/// `event: export`.
#[derive(serde::Serialize)]
pub(super) struct ExportObject<'a> {
    event: &'static str,
    time: String,
    sink: &'a str,
    state: &'static str,
    lag_ms: u64,
    sent: u64,
    rejected: u64,
    skipped: u64,
    error: Option<&'a str>,
    error_time: Option<String>,
}

impl<'a> ExportObject<'a> {
    pub(super) fn of(export: &'a ExportHealth, now: Timestamp) -> Self {
        Self {
            event: "export",
            time: time::utc(now),
            sink: &export.sink,
            state: export.state.name(),
            lag_ms: u64::try_from(export.lag(now).as_millis()).unwrap_or(u64::MAX),
            sent: export.sent,
            rejected: export.rejected,
            skipped: export.skipped,
            error: export.error.as_ref().map(|(_, text)| text.as_str()),
            error_time: export.error.as_ref().map(|(at, _)| time::utc(*at)),
        }
    }
}

/// `event: warning`.
#[derive(serde::Serialize)]
pub(super) struct WarningObject<'a> {
    pub(super) event: &'static str,
    pub(super) time: String,
    pub(super) about: &'a str,
    pub(super) message: &'a str,
}

fn whole_millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

fn millis(micros: f64) -> f64 {
    micros.round() / 1e3
}

fn as_in_the_message(availability: Availability) -> f64 {
    f64::from(availability.basis_points()) / 1e4
}

/// The raw phases in the order of [`Phase::ALL`], µs; for tables.
pub(super) fn phase_micros(phases: &Phases) -> [Option<u32>; Phase::ALL.len()] {
    Phase::ALL.map(|phase| phases.get(phase).map(Micros::get))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_availability_of_an_alert_is_the_one_of_its_message() {
        for (up, checks, told) in [(19, 24, 0.7917), (23_999, 24_000, 0.9999), (1, 24_000, 0.0001)] {
            assert!((as_in_the_message(Availability { up, checks }) - told).abs() < 1e-12);
        }
    }
}
