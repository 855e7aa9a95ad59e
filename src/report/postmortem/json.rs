//! A postmortem as one line of JSON.

use std::io;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::alert::kept::telling::Heard;
use crate::model::text::{clean, clean_line};
use crate::model::{FailedAnswer, Status};
use crate::report::objects::alert::LocationsObject;
use crate::report::{utc, wording};

use super::{Check, Companion, Postmortem, Stretch, Witness};

/// Longest text of others, bytes.
const TEXT_MAX: usize = 300;

#[derive(Serialize)]
struct PostmortemObject<'a> {
    event: &'static str,
    time: String,
    site: &'a str,
    group: Option<&'a str>,
    url: Option<&'a str>,
    incident: Option<u64>,
    rule: &'static str,
    alert: String,
    ended: Option<String>,
    duration_ms: u64,
    message: &'a str,
    first_failed: Option<CheckObject>,
    last_failed: Option<CheckObject>,
    before: Option<StretchObject>,
    during: Option<StretchObject>,
    after: Option<StretchObject>,
    start: Vec<CheckObject>,
    end: Vec<CheckObject>,
    others_checked: usize,
    others_failed: Vec<CompanionObject<'a>>,
    told_start: Vec<HeardObject<'a>>,
    told_end: Vec<HeardObject<'a>>,
    changed: Option<String>,
    answered: Option<AnsweredObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locations: Option<LocationsObject<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seen: Vec<WitnessObject<'a>>,
}

#[derive(Serialize)]
struct WitnessObject<'a> {
    location: &'a str,
    first_failed: Option<CheckObject>,
    before: Option<StretchObject>,
    during: Option<StretchObject>,
    after: Option<StretchObject>,
}

#[derive(Serialize)]
struct AnsweredObject {
    time: String,
    cause: &'static str,
    status: Option<u16>,
    http: Option<&'static str>,
    url: String,
    headers: Vec<[String; 2]>,
    more_headers: usize,
    body: Option<String>,
}

#[derive(Serialize)]
struct CheckObject {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    up: bool,
    answer: String,
    total_us: u32,
    detail: Option<String>,
    address: Option<String>,
}

#[derive(Serialize)]
struct StretchObject {
    since: String,
    until: String,
    p50_us: Option<u32>,
    answers: Vec<AnswerObject>,
}

#[derive(Serialize)]
struct AnswerObject {
    answer: String,
    checks: u64,
}

#[derive(Serialize)]
struct CompanionObject<'a> {
    site: &'a str,
    group: Option<&'a str>,
    check: CheckObject,
    same_certificate: bool,
}

#[derive(Serialize)]
struct HeardObject<'a> {
    outlet: &'a str,
    time: Option<String>,
}

/// Prints `report`.
///
/// # Errors
/// The writer's.
pub fn json(out: &mut impl io::Write, report: &Postmortem) -> io::Result<()> {
    let [before, during, after] = &report.stretches;
    let [start, end] = &report.around;
    let (others, checked) = &report.company;
    let object = PostmortemObject {
        event: "incident_report",
        time: utc(report.as_of),
        site: &report.opening.site,
        group: report.group.as_deref(),
        url: report.url.as_deref(),
        incident: report.opening.incident,
        rule: report.opening.rule.name(),
        alert: utc(report.opening.at),
        ended: report.closing.as_ref().map(|closing| utc(closing.at)),
        duration_ms: u64::try_from(report.until().since(report.opening.since).as_millis()).unwrap_or(u64::MAX),
        message: &report.opening.message,
        first_failed: report.first.as_ref().map(check),
        last_failed: report.last.as_ref().map(check),
        before: before.as_ref().map(stretch),
        during: during.as_ref().map(stretch),
        after: after.as_ref().map(stretch),
        start: start.iter().map(check).collect(),
        end: end.iter().map(check).collect(),
        others_checked: *checked,
        others_failed: others.iter().map(companion).collect(),
        told_start: report.told[0].iter().map(heard).collect(),
        told_end: report.told[1].iter().map(heard).collect(),
        changed: report.change(&TimeZone::UTC),
        answered: report.answered.as_ref().map(answered),
        locations: report.opening.locations.as_ref().map(LocationsObject::of),
        seen: report.witnesses.iter().map(witness).collect(),
    };
    serde_json::to_writer(&mut *out, &object)?;
    out.write_all(b"\n")
}

fn answered(answer: &FailedAnswer) -> AnsweredObject {
    let FailedAnswer { at, cause, status, http, evidence } = answer;
    AnsweredObject {
        time: utc(*at),
        cause: cause.name(),
        status: status.map(Status::get),
        http: http.name(),
        url: clean(&evidence.url),
        headers: evidence.headers.iter().map(|(name, value)| [clean(name), clean(value)]).collect(),
        more_headers: evidence.more_headers,
        body: evidence.body.as_ref().map(|body| body.lines().map(clean).collect::<Vec<_>>().join("\n")),
    }
}

fn check(check: &Check) -> CheckObject {
    CheckObject {
        time: utc(check.at),
        location: check.location.as_ref().map(ToString::to_string),
        up: !check.is_down,
        answer: wording::answer(check.answer),
        total_us: check.took.get(),
        detail: check.detail.as_ref().map(|detail| clean_line(detail, TEXT_MAX)),
        address: check.address.map(|address| address.to_string()),
    }
}

fn stretch(stretch: &Stretch) -> StretchObject {
    let answer =
        |&(answer, checks): &(crate::stats::Answer, u64)| AnswerObject { answer: wording::answer(answer), checks };
    StretchObject {
        since: utc(stretch.since),
        until: utc(stretch.until),
        p50_us: stretch.p50,
        answers: stretch.answers.iter().map(answer).collect(),
    }
}

fn witness(witness: &Witness) -> WitnessObject<'_> {
    let [before, during, after] = &witness.stretches;
    WitnessObject {
        location: witness.location.name(),
        first_failed: witness.first.as_ref().map(check),
        before: before.as_ref().map(stretch),
        during: during.as_ref().map(stretch),
        after: after.as_ref().map(stretch),
    }
}

fn companion(other: &Companion) -> CompanionObject<'_> {
    CompanionObject {
        site: &other.site,
        group: other.group.as_deref(),
        check: check(&other.check),
        same_certificate: other.has_same_certificate,
    }
}

fn heard((outlet, at): &Heard) -> HeardObject<'_> {
    HeardObject { outlet, time: at.map(utc) }
}
