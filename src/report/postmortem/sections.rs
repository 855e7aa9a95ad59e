//! The content of a postmortem, as headings, facts and tables; its neighbours and the dashboard draw them.

use jiff::tz::TimeZone;

use crate::alert::kept::telling::Heard;
use crate::model::text::clean_line;
use crate::model::text::document::{Document, Row, Section, Table};
use crate::model::time::duration;
use crate::model::{FailedAnswer, Timestamp, figures};
use crate::report::{time, wording};

use super::{Check, Companion, Postmortem, Stretch, Witness, rule};

/// Longest text of a server or a file, bytes.
const TEXT_MAX: usize = 300;

/// Longest line of an answer, bytes.
const ANSWER_MAX: usize = 600;

/// Lines of a body.
const BODY_LINES: usize = 100;

/// Most names in a sentence.
const NAMED_MAX: usize = 12;

/// What there is to say about an incident.
#[must_use]
pub fn document(report: &Postmortem, zone: &TimeZone) -> Document {
    let all = [
        summary(report, zone),
        answers(report, zone),
        witnesses(report, zone),
        company(report),
        around(report, zone),
        told(report, zone),
        answered(report, zone),
    ];
    Document { title: title(report), sections: all.into_iter().filter(Section::is_filled).collect() }
}

/// `api was down for 22m20s`, `api has been down for 21m`.
fn title(report: &Postmortem) -> String {
    let site = clean_line(&report.opening.site, TEXT_MAX);
    let lasted = duration::format_seconds(report.until().since(report.opening.since));
    let is_availability = report.opening.rule == crate::alert::RuleKind::Availability;
    match (is_availability, &report.closing) {
        (true, Some(_)) => format!("{site} was down for {lasted}"),
        (true, None) => format!("{site} has been down for {lasted}"),
        (false, Some(_)) => format!("{site}: {} incident of {lasted}", rule(report.opening.rule)),
        (false, None) => format!("{site}: {} incident, open for {lasted}", rule(report.opening.rule)),
    }
}

fn summary(report: &Postmortem, zone: &TimeZone) -> Section {
    let mut facts = Vec::new();
    if let Some(number) = report.opening.incident {
        facts.push(("Incident", number.to_string()));
    }
    if let Some(url) = &report.url {
        facts.push(("URL", clean_line(url, TEXT_MAX)));
    }
    if let Some(group) = &report.group {
        facts.push(("Group", clean_line(group, TEXT_MAX)));
    }
    facts.push(("Rule", rule(report.opening.rule).to_owned()));
    if let Some(locations) = &report.opening.locations {
        facts.push(("Locations", wording::locations(locations, false, true)));
    }
    facts.push(("Alert", time::with_offset(report.opening.at, zone)));
    match &report.closing {
        Some(closing) => facts.push(("Ended", time::with_offset(closing.at, zone))),
        None => facts.push(("Ended", format!("not yet, as of {}", time::with_offset(report.as_of, zone)))),
    }
    for (name, check) in [("First failed check", &report.first), ("Last failed check", &report.last)] {
        facts.extend(check.as_ref().map(|check| (name, told_check(check, zone))));
    }
    facts.extend(report.change(zone).map(|sentence| ("What changed", sentence)));
    if !report.opening.message.is_empty() {
        facts.push(("Message", clean_line(&report.opening.message, 2 * TEXT_MAX)));
    }
    if let Some(note) = &report.note {
        facts.push(("Note", note.clone()));
    }
    Section { heading: "What happened", facts, table: None, quoted: Vec::new() }
}

/// `2026-11-28T03:15:10+00:00, 503: …`.
fn told_check(check: &Check, zone: &TimeZone) -> String {
    let mut text = format!("{}, {}", time::with_offset(check.at, zone), word(check));
    if let Some(location) = &check.location {
        text = format!("{text} at {location}");
    }
    if let Some(address) = check.address {
        text = format!("{text} from {address}");
    }
    match &check.detail {
        Some(detail) => format!("{text}: {}", clean_line(detail, TEXT_MAX)),
        None => text,
    }
}

fn word(check: &Check) -> String {
    wording::answer(check.answer)
}

fn answers(report: &Postmortem, zone: &TimeZone) -> Section {
    let beside = duration::format(Postmortem::BESIDE);
    let names = [format!("{beside} before"), "during".to_owned(), format!("{beside} after")];
    let row = |(name, stretch): (String, &Stretch)| {
        let count: u64 = stretch.answers.iter().map(|(_, count)| count).sum();
        let cells = vec![
            name,
            format!("{} – {}", time::clock(stretch.since, zone), time::clock(stretch.until, zone)),
            wording::grouped(count),
            stretch.p50.map_or_else(|| wording::NONE.to_owned(), |micros| figures::time(f64::from(micros))),
            wording::answers_worst_first(&stretch.answers),
        ];
        Row { cells, is_failure: false }
    };
    let known = names.into_iter().zip(&report.stretches);
    let rows = known.filter_map(|(name, stretch)| Some(row((name, stretch.as_ref()?)))).collect();
    let table = Table { heads: vec!["When", "Time", "Checks", "p50", "Answers"], rows };
    Section { heading: "Answers", facts: Vec::new(), table: Some(table), quoted: Vec::new() }
}

/// What each location saw.
fn witnesses(report: &Postmortem, zone: &TimeZone) -> Section {
    let row = |witness: &Witness| {
        let first = witness.first.as_ref();
        let mut cells = vec![
            witness.location.to_string(),
            first.map_or_else(|| wording::NONE.to_owned(), |first| time::clock(first.at, zone)),
        ];
        let answers = |stretch: &Option<Stretch>| match stretch {
            Some(stretch) if !stretch.answers.is_empty() => wording::answers_worst_first(&stretch.answers),
            _ => wording::NONE.to_owned(),
        };
        cells.extend(witness.stretches.iter().map(answers));
        Row { cells, is_failure: first.is_some() }
    };
    let rows = report.witnesses.iter().map(row).collect();
    let table = Table { heads: vec!["Location", "Failed from", "Before", "During", "After"], rows };
    Section { heading: "What its locations saw", facts: Vec::new(), table: Some(table), quoted: Vec::new() }
}

fn company(report: &Postmortem) -> Section {
    let (company, watched) = &report.company;
    let mut facts = Vec::new();
    if report.first.is_some() && *watched > 0 {
        let minute = duration::format(Postmortem::SAME_TIME);
        let count = company.len();
        let (sites, failed) = (wording::plural(*watched as u64, "other site"), wording::grouped(count as u64));
        facts.push(("Within", format!("{minute} of the first failed check, {failed} of {sites} failed, too")));
        let common = report.in_common();
        if !common.is_empty() {
            facts.push(("Of these", common.join(", ")));
        }
        if count > 0 {
            let one = |other: &Companion| format!("{} ({})", clean_line(&other.site, TEXT_MAX), word(&other.check));
            let mut sites: Vec<String> = company.iter().take(NAMED_MAX).map(one).collect();
            if count > NAMED_MAX {
                sites.push(format!("and {} more", count - NAMED_MAX));
            }
            facts.push(("Sites", sites.join(", ")));
        }
    }
    Section { heading: "Who else failed", facts, table: None, quoted: Vec::new() }
}

fn around(report: &Postmortem, zone: &TimeZone) -> Section {
    let has_locations = !report.witnesses.is_empty();
    let row = |check: &Check| {
        let detail = check.detail.as_ref().map_or_else(String::new, |detail| clean_line(detail, TEXT_MAX));
        let mut cells = vec![time::second(check.at, zone)];
        if has_locations {
            cells.push(check.location.as_ref().map_or_else(String::new, ToString::to_string));
        }
        cells.extend([
            if check.is_down { "failed" } else { "ok" }.to_owned(),
            word(check),
            figures::time(f64::from(check.took.get())),
            detail,
        ]);
        Row { cells, is_failure: check.is_down }
    };
    let [start, end] = &report.around;
    let mut rows: Vec<Row> = start.iter().map(row).collect();
    let mut heads = vec!["Time", "Result", "Answer", "Took", "Detail"];
    if has_locations {
        heads.insert(1, "Location");
    }
    if !end.is_empty() {
        let mut cells = vec![String::new(); heads.len()];
        cells[0].push('…');
        rows.push(Row { cells, is_failure: false });
        rows.extend(end.iter().map(row));
    }
    let table = Table { heads, rows };
    Section {
        heading: "Checks around its start and its end",
        facts: Vec::new(),
        table: Some(table),
        quoted: Vec::new(),
    }
}

fn told(report: &Postmortem, zone: &TimeZone) -> Section {
    let heard = |(outlet, at): &Heard| {
        let outlet = clean_line(outlet, TEXT_MAX);
        let time = |at: &Timestamp| time::second(*at, zone);
        at.as_ref().map_or_else(|| format!("{outlet} (waits)"), |at| format!("{outlet} ({})", time(at)))
    };
    let names = ["Start", "End"].into_iter().zip(&report.told).filter(|(_, told)| !told.is_empty());
    let facts = names.map(|(name, told)| (name, told.iter().map(heard).collect::<Vec<String>>().join(", ")));
    Section { heading: "Who was told", facts: facts.collect(), table: None, quoted: Vec::new() }
}

/// The answer that was kept, as it came.
fn answered(report: &Postmortem, zone: &TimeZone) -> Section {
    let (mut facts, mut quoted) = (Vec::new(), Vec::new());
    if let Some(FailedAnswer { at, cause, status, http, evidence }) = &report.answered {
        facts.push(("At", time::with_offset(*at, zone)));
        let status = status.map_or_else(|| cause.word().to_owned(), |status| status.get().to_string());
        facts
            .push(("Answer", http.name().map_or_else(|| status.clone(), |version| format!("HTTP/{version} {status}"))));
        facts.push(("URL", clean_line(&evidence.url, TEXT_MAX)));
        quoted.extend(evidence.headers.iter().map(|(name, value)| clean_line(&format!("{name}: {value}"), ANSWER_MAX)));
        if let more @ 1.. = evidence.more_headers {
            quoted.push(format!("… {}", wording::plural(more as u64, "more header")));
        }
        if let Some(body) = &evidence.body {
            if !quoted.is_empty() {
                quoted.push(String::new());
            }
            quoted.extend(body.lines().take(BODY_LINES).map(|line| clean_line(line, ANSWER_MAX)));
            if let more @ 1.. = body.lines().count().saturating_sub(BODY_LINES) {
                quoted.push(format!("… {}", wording::plural(more as u64, "more line")));
            }
        }
    }
    Section { heading: Section::ANSWERED, facts, table: None, quoted }
}
