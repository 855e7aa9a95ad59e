//! Inputs that the tests of several reports, and of the export, share: the contract's example site `api`.

use std::time::Duration;

use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;

use crate::alert::{Alert, AlertRecord, AlertState, RuleKind, Threshold};
use crate::model::{Cause, Http, Micros, Phase, Phases, Sample, Status, Timeframe, Timestamp};
use crate::stats::{Answer, Availability, Counts, Latency, Summary};

/// The instant of an RFC 3339 text.
pub(crate) fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().expect("tests write valid times");
    Timestamp::from_micros(u64::try_from(instant.as_microsecond()).expect("tests write times after 1970"))
}

/// One hour east of UTC.
pub(crate) fn zone() -> TimeZone {
    TimeZone::fixed(Offset::constant(1))
}

/// Texts as an enemy sends them: any characters, and often those that end lines, move cursors or close quotes.
pub(crate) fn hostile() -> impl Strategy<Value = String> {
    let sharp: Vec<char> =
        "\n\r\t\0\x08\x1b\x7f\u{85}\u{9b}\u{202e}\u{2028}\u{2066}\u{feff}\"',;\\{} ".chars().collect();
    let character = prop_oneof![any::<char>(), proptest::sample::select(sharp)];
    proptest::collection::vec(character, 0..24).prop_map(String::from_iter)
}

pub(crate) fn status(code: u16) -> Status {
    Status::new(code).expect("tests write valid statuses")
}

/// What `write` writes, as text.
pub(crate) fn printed(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("writing to a Vec cannot fail");
    String::from_utf8(out).expect("reports are UTF-8")
}

/// The sample of the contract's example.
pub fn sample() -> Sample {
    Sample {
        phases: Phases::NONE
            .with(Phase::Resolve, Micros::new(310))
            .with(Phase::Connect, Micros::new(120))
            .with(Phase::Processing, Micros::new(5_020))
            .with(Phase::Transfer, Micros::new(80)),
        status: Some(status(503)),
        http: Http::V11,
        bytes: 12,
        late: Micros::new(90),
        ..Sample::bare(at("2026-11-22T09:00:00.123456Z"), Cause::Status)
    }
}

/// The figures of the contract's example.
pub(crate) fn summary() -> Summary {
    Summary {
        as_of: at("2026-11-22T09:00:10Z"),
        timeframe: Timeframe::new(Duration::from_mins(10)),
        counts: Counts { up: 59, down: 1, unknown: 0, skipped: 0 },
        availability: Some(Availability { up: 59, checks: 60 }),
        coverage: Some(1.0),
        response: Some(Latency { count: 59, avg: 5_100.4, max: 9_000, p50: 5_000, p90: 5_900, p95: 6_200, p99: 9_000 }),
        ttfb: Some(Latency { count: 59, avg: 5_000.0, max: 8_900, p50: 4_900, p90: 5_800, p95: 6_100, p99: 8_900 }),
        phase_means: [Some(300.0), Some(100.0), None, Some(5_000.0), Some(100.0)],
        codes: vec![(status(200), 59), (status(503), 1)],
        causes: vec![(Cause::Status, 1)],
        answers: vec![(Answer::Code(status(503)), 1), (Answer::Code(status(200)), 59)],
    }
}

/// The figures of a window without a sample.
pub(crate) fn empty_summary() -> Summary {
    Summary {
        counts: Counts::default(),
        availability: None,
        coverage: None,
        response: None,
        ttfb: None,
        phase_means: [None; 5],
        codes: Vec::new(),
        causes: Vec::new(),
        answers: Vec::new(),
        ..summary()
    }
}

/// The alert of the contract's example.
pub fn alert() -> AlertRecord {
    let facts = Alert {
        at: at("2026-11-22T09:00:00.25Z"),
        site: "api".into(),
        state: AlertState::Down,
        rule: RuleKind::Availability,
        incident: None,
        reading: None,
        availability: Some(Availability { up: 19, checks: 24 }),
        threshold: Threshold::from_ppm(800_000).expect("80 % is a share"),
        window: Duration::from_mins(2),
        since: at("2026-11-22T09:00:00.25Z"),
        downtime: None,
        locations: None,
    };
    let message = "Website api is down. availability=79.17%, time=2026-11-22T10:00:00+01:00".to_owned();
    AlertRecord { facts, message }
}

/// How its incident ended because the site was taken out of the file.
pub(crate) fn ended() -> AlertRecord {
    let facts = Alert {
        at: at("2026-11-22T10:05:00Z"),
        state: AlertState::Ended,
        rule: RuleKind::Availability,
        incident: None,
        reading: None,
        availability: None,
        downtime: Some(Duration::from_secs(3_899)),
        ..alert().facts
    };
    AlertRecord { facts, message: String::new() }
}
