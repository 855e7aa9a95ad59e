//! The objects of the machine formats: fields in their public order, already rounded and named.
//!
//! [`super::json`] serializes them, [`super::csv`] writes the same fields as columns. Milliseconds have three decimals, shares
//! four; a share is 1.0 only without a failure and 0.0 only without a success. An absent value is `None` and becomes `null`.

pub(in crate::report) mod alert;
pub(in crate::report) mod check;
pub(in crate::report) mod fleet;

use std::net::SocketAddr;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::alert::quorum::Votes;
use crate::engine::snapshot::SiteSnapshot;
use crate::model::{Cause, ExportHealth, Micros, Outcome, Phase, Phases, Status, Timestamp, figures};
use crate::stats::{Latency, Summary};

use super::{Period, SampleRecord, StatsRecord, time};

/// `event: sample`.
#[derive(serde::Serialize)]
pub(in crate::report) struct SampleObject<'a> {
    pub(in crate::report) event: &'static str,
    pub(in crate::report) time: String,
    pub(in crate::report) site: &'a str,
    pub(in crate::report) seq: Option<u64>,
    pub(in crate::report) up: Option<bool>,
    pub(in crate::report) cause: &'static str,
    pub(in crate::report) detail: Option<&'a str>,
    pub(in crate::report) status: Option<u16>,
    pub(in crate::report) resolve_us: Option<u32>,
    pub(in crate::report) connect_us: Option<u32>,
    pub(in crate::report) tls_us: Option<u32>,
    pub(in crate::report) processing_us: Option<u32>,
    pub(in crate::report) transfer_us: Option<u32>,
    pub(in crate::report) ttfb_us: Option<u32>,
    pub(in crate::report) total_us: u32,
    pub(in crate::report) late_us: Option<u32>,
    pub(in crate::report) skipped: u32,
    pub(in crate::report) bytes: u32,
    pub(in crate::report) redirects: u8,
    pub(in crate::report) http: Option<&'static str>,
    pub(in crate::report) address: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) masked: Option<bool>,
}

impl<'a> SampleObject<'a> {
    pub(in crate::report) fn of(record: &SampleRecord<'a>) -> Self {
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
            // Only what is masked says so, so that a stored line is the live one otherwise.
            masked: record.masked.filter(|is_masked| *is_masked),
        }
    }
}

/// `event: stats`; either `timeframe` or `since` and `until`.
#[derive(serde::Serialize)]
pub(in crate::report) struct StatsObject<'a> {
    pub(in crate::report) event: &'static str,
    pub(in crate::report) time: String,
    pub(in crate::report) site: &'a str,
    pub(in crate::report) state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) timeframe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) until: Option<String>,
    pub(in crate::report) availability: Option<f64>,
    pub(in crate::report) coverage: Option<f64>,
    pub(in crate::report) checks: u64,
    pub(in crate::report) up: u64,
    pub(in crate::report) down: u64,
    pub(in crate::report) response_time_ms: LatencyObject,
    pub(in crate::report) ttfb_ms: LatencyObject,
    pub(in crate::report) phases_ms: PhasesObject,
    pub(in crate::report) codes: Codes<'a>,
    pub(in crate::report) causes: Causes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) locations: Option<VotesObject>,
    #[serde(flatten)]
    pub(in crate::report) stored: Option<StoredObject>,
}

/// How the locations of a site voted.
#[derive(Clone, Copy, serde::Serialize)]
pub(in crate::report) struct VotesObject {
    verdict: &'static str,
    up: u32,
    down: u32,
    assigned: u32,
}

impl From<Votes> for VotesObject {
    fn from(votes: Votes) -> Self {
        let Votes { verdict, tally, assigned } = votes;
        Self { verdict: verdict.name(), up: tally.up, down: tally.down, assigned }
    }
}

/// The additional fields of a stored period.
#[derive(Clone, serde::Serialize)]
pub(in crate::report) struct StoredObject {
    pub(in crate::report) exact: bool,
    pub(in crate::report) longest_outage_ms: Option<u64>,
    pub(in crate::report) data_since: Option<String>,
    pub(in crate::report) maintenance_ms: Option<u64>,
}

impl<'a> StatsObject<'a> {
    pub(in crate::report) fn of(record: &StatsRecord<'a>) -> Self {
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
            availability: summary.availability.map(|availability| figures::four_decimals(availability.ratio())),
            coverage: summary.coverage.map(figures::four_decimals),
            checks: summary.counts.checks(),
            up: summary.counts.up,
            down: summary.counts.down,
            response_time_ms: LatencyObject::of(summary.response.as_ref()),
            ttfb_ms: LatencyObject::of(summary.ttfb.as_ref()),
            phases_ms: PhasesObject::of(&summary.phase_means),
            codes: Codes(&summary.codes),
            causes: Causes(&summary.causes),
            locations: record.votes.map(VotesObject::from),
            stored: record.stored.map(|stored| StoredObject {
                exact: stored.is_exact,
                longest_outage_ms: stored.longest_outage.map(|outage| whole_millis(outage.length())),
                data_since: stored.begins.map(time::utc),
                maintenance_ms: stored.left_out.map(whole_millis),
            }),
        }
    }
}

/// A distribution, ms.
#[derive(Clone, Copy, Default, serde::Serialize)]
pub(in crate::report) struct LatencyObject {
    pub(in crate::report) avg: Option<f64>,
    pub(in crate::report) max: Option<f64>,
    pub(in crate::report) p50: Option<f64>,
    pub(in crate::report) p90: Option<f64>,
    pub(in crate::report) p95: Option<f64>,
    pub(in crate::report) p99: Option<f64>,
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
pub(in crate::report) struct PhasesObject {
    pub(in crate::report) resolve: Option<f64>,
    pub(in crate::report) connect: Option<f64>,
    pub(in crate::report) tls: Option<f64>,
    pub(in crate::report) processing: Option<f64>,
    pub(in crate::report) transfer: Option<f64>,
}

impl PhasesObject {
    fn of(means: &[Option<f64>; Phase::ALL.len()]) -> Self {
        let [resolve, connect, tls, processing, transfer] = means.map(|mean| mean.map(millis));
        Self { resolve, connect, tls, processing, transfer }
    }
}

/// Counts by status, ascending.
pub(in crate::report) struct Codes<'a>(pub(in crate::report) &'a [(Status, u64)]);

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
pub(in crate::report) struct Causes<'a>(pub(in crate::report) &'a [(Cause, u64)]);

impl Serialize for Causes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (cause, count) in self.0 {
            map.serialize_entry(cause.name(), count)?;
        }
        map.end()
    }
}

/// `event: export`.
#[derive(serde::Serialize)]
pub(in crate::report) struct ExportObject<'a> {
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
    pub(in crate::report) fn of(export: &'a ExportHealth, now: Timestamp) -> Self {
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

/// `event: site`.
#[derive(serde::Serialize)]
pub(in crate::report) struct SiteObject<'a> {
    event: &'static str,
    time: String,
    site: &'a str,
    group: Option<&'a str>,
    url: &'a str,
    interval_ms: u64,
    timeout_ms: u64,
    state: &'static str,
    since: String,
    last_check: Option<String>,
    last_up: Option<String>,
    paused_until: Option<String>,
}

impl<'a> SiteObject<'a> {
    pub(in crate::report) fn of(at: Timestamp, site: &'a SiteSnapshot) -> Self {
        Self {
            event: "site",
            time: time::utc(at),
            site: &site.name,
            group: site.group.as_deref(),
            url: &site.url,
            interval_ms: whole_millis(site.interval),
            timeout_ms: whole_millis(site.timeout),
            state: site.state.name(),
            since: time::utc(site.since),
            last_check: site.last.as_ref().map(|last| time::utc(last.sample.at)),
            last_up: site.last_up.map(time::utc),
            // A pause without an end has no time.
            paused_until: site.paused_until.filter(|until| *until < Timestamp::MAX).map(time::utc),
        }
    }
}

/// `event: lost`.
#[derive(serde::Serialize)]
pub(in crate::report) struct LostObject {
    pub(in crate::report) event: &'static str,
    pub(in crate::report) time: String,
    pub(in crate::report) count: u64,
}

/// `event: listen`.
#[derive(serde::Serialize)]
pub(in crate::report) struct ListenObject<'a> {
    pub(in crate::report) event: &'static str,
    pub(in crate::report) time: String,
    pub(in crate::report) url: &'a str,
}

/// `event: warning`.
#[derive(serde::Serialize)]
pub(in crate::report) struct WarningObject<'a> {
    pub(in crate::report) event: &'static str,
    pub(in crate::report) time: String,
    pub(in crate::report) about: &'a str,
    pub(in crate::report) message: &'a str,
}

fn whole_millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

fn millis(micros: f64) -> f64 {
    micros.round() / 1e3
}

/// The raw phases in the order of [`Phase::ALL`], µs; for tables.
pub(in crate::report) fn phase_micros(phases: &Phases) -> [Option<u32>; Phase::ALL.len()] {
    Phase::ALL.map(|phase| phases.get(phase).map(Micros::get))
}
