//! A postmortem in its three forms, also of hostile names and texts.

use crate::report::lines::{TerminalKind, TerminalText};
use crate::report::wording::cells;
use jiff::tz::TimeZone;

use super::*;
use crate::alert::AlertState;
use crate::alert::record::tests::record;
use crate::model::{Cause, Evidence, Http, Status};

const OPENED: Timestamp = Timestamp::from_secs(1_795_255_200);
const HOSTILE: &str = "<img src=x> [a](http://evil) `|` \u{1b}[31m\u{202e}# *b*";

fn at(secs: u64) -> Timestamp {
    OPENED.after(Duration::from_secs(secs)).before(Duration::from_mins(1))
}

fn check(secs: u64, status: u16, detail: Option<&str>) -> Check {
    Check {
        at: at(secs),
        location: None,
        answer: Answer::Code(Status::new(status).unwrap()),
        is_down: status >= 500,
        took: Micros::new(41_000),
        detail: detail.map(Arc::from),
        address: (status >= 500).then(|| "10.0.0.8:443".parse().unwrap()),
    }
}

fn stretch(since: u64, until: u64, answers: &[(u16, u64)]) -> Stretch {
    let answers = answers.iter().map(|(status, count)| (Answer::Code(Status::new(*status).unwrap()), *count)).collect();
    Stretch { since: at(since), until: at(until), answers, p50: Some(41_000) }
}

/// An incident of `site` that was over after 22 minutes.
pub fn report(site: &str, detail: &str) -> Postmortem {
    let mut opening = record(site, AlertState::Down, OPENED);
    opening.facts.incident = Some(17);
    opening.message = format!("Website {site} is down.");
    let mut closing = record(site, AlertState::Up, OPENED.after(Duration::from_mins(22)));
    closing.facts.incident = Some(17);
    let other = |site: &str, group: &str, status| Companion {
        site: site.into(),
        group: Some(group.into()),
        check: check(42, status, None),
        has_same_certificate: group == "shop",
    };
    let refused = Check { answer: Answer::Cause(Cause::ConnectRefused), address: None, ..check(43, 503, None) };
    Postmortem {
        opening,
        closing: Some(closing),
        as_of: OPENED.after(Duration::from_hours(1)),
        group: Some("shop".into()),
        url: Some("https://api.example.org/health".into()),
        stretches: [
            stretch(0, 40, &[(200, 60)]),
            stretch(40, 1_380, &[(503, 118), (200, 3)]),
            stretch(1_380, 1_980, &[(200, 60)]),
        ]
        .map(Some),
        first: Some(check(40, 503, Some(detail))),
        last: Some(check(1_370, 503, None)),
        answered: Some(FailedAnswer {
            at: at(40),
            cause: Cause::Status,
            status: Status::new(503),
            http: Http::V11,
            evidence: Evidence {
                url: "https://api.example.org/health".to_owned(),
                headers: vec![("server".to_owned(), "nginx".to_owned()), ("x-note".to_owned(), detail.to_owned())],
                more_headers: 2,
                body: Some(format!("<h1>503</h1>\n{detail}\n```\nend")),
            },
        }),
        around: [vec![check(30, 200, None), check(40, 503, Some(detail))], vec![check(1_380, 200, None)]],
        company: (
            vec![
                other("cart", "shop", 503),
                other("docs", "www", 503),
                Companion { check: refused, ..other("x", "www", 503) },
            ],
            9,
        ),
        witnesses: Vec::new(),
        told: [vec![("ops".into(), Some(OPENED)), ("mail".into(), None)], Vec::new()],
        changed: None,
        note: None,
    }
}

fn printed(form: impl Fn(&mut Vec<u8>, &Postmortem), report: &Postmortem) -> String {
    let mut out = Vec::new();
    form(&mut out, report);
    String::from_utf8(out).unwrap()
}

#[test]
fn it_says_how_many_locations_saw_it() {
    let mut seen = report("api", "bad gateway");
    let without = printed(|out, report| json(out, report).unwrap(), &seen);
    assert!(!without.contains("locations"), "{without}");
    let names = ["fra1", "nyc1"].map(|name| crate::model::Location::new(name).unwrap());
    seen.opening.facts.locations = Some(crate::alert::Locations::votes(3, 2, names));
    let plain = printed(|out, report| text(out, report, &TimeZone::UTC).unwrap(), &seen);
    assert!(plain.lines().any(|line| line.split_whitespace().eq("Locations 2/3 (fra1, nyc1)".split(' '))), "{plain}");
    let object = printed(|out, report| json(out, report).unwrap(), &seen);
    let expected = r#","locations":{"down":2,"votes":3,"names":["fra1","nyc1"]}}"#;
    assert!(object.trim_end().ends_with(expected), "{object}");
}

#[test]
fn it_says_what_happened_to_whom_and_who_was_told() {
    let plain = printed(|out, report| text(out, report, &TimeZone::UTC).unwrap(), &report("api", "bad gateway"));
    insta::assert_snapshot!(plain);
    let page = printed(|out, report| markdown(out, report, &TimeZone::UTC).unwrap(), &report("api", "bad gateway"));
    insta::assert_snapshot!(page);
}

#[test]
fn an_open_incident_has_no_end() {
    let mut report = report("api", "");
    (report.closing, report.stretches[2], report.around[1]) = (None, None, Vec::new());
    let plain = printed(|out, report| text(out, report, &TimeZone::UTC).unwrap(), &report);
    assert!(plain.starts_with("api has been down for 1h\n"), "{plain}");
    assert!(plain.contains("Ended") && plain.contains("not yet, as of 2026-11-21T11:00:00+00:00"), "{plain}");
    let object = printed(|out, report| json(out, report).unwrap(), &report);
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!((&object["ended"], &object["after"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!((&object["incident"], &object["others_checked"]), (&17.into(), &9.into()));
    assert_eq!(object["during"]["answers"][0]["checks"], 118);
}

#[test]
fn what_others_wrote_is_neither_markup_nor_obeyed_by_a_terminal() {
    let report = report("api", HOSTILE);
    let page = printed(|out, report| markdown(out, report, &TimeZone::UTC).unwrap(), &report);
    assert!(
        page.contains("&lt;img src=x>") && page.contains("\\[a\\](http://evil)") && page.contains("\\`\\|\\`"),
        "{page}"
    );
    for text in [page, printed(|out, report| text(out, report, &TimeZone::UTC).unwrap(), &report)] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
    let object = printed(|out, report| json(out, report).unwrap(), &report);
    assert!(!object.contains(['\u{1b}', '\u{202e}']) && object.lines().count() == 1, "{object}");
}

#[test]
fn in_a_terminal_no_line_is_wider_than_it() {
    let report = report("api", HOSTILE);
    for columns in [20, 60, 100] {
        let mut bytes = Vec::new();
        let kind = TerminalKind { columns: Some(columns), is_ascii: false };
        text(&mut TerminalText::new(&mut bytes, kind), &report, &TimeZone::UTC).unwrap();
        let shown = String::from_utf8(bytes).unwrap();
        assert!(shown.contains("Ended") && shown.lines().all(|line| cells(line) <= columns), "{columns}: {shown}");
    }
}
