//! The exporter and its client, step by step with given times, against servers that answer by script.

use std::collections::{BTreeSet, HashMap};
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::read::GzDecoder;
use influxdb_line_protocol::parse_lines;
use webmon::export::{Client, Exporter, Labels, compress};
use webmon::model::{
    Api, Cause, ExportState, ExportTarget, Http, Micros, Phase, Phases, Sample, Secret, Status, Timestamp,
};
use webmon::ring::Producer;
use webmon::store::{Archive, Options, Progress, Start, Store, Writer};

use crate::support::{Behaviour, Request, Server, Step, redirect, response};

/// Sun, 22 Nov 2026 10:00:00 GMT.
const NOW: Timestamp = Timestamp::from_secs(1_795_341_600);

/// A store of a few sites, and an exporter of it.
struct Rig {
    folder: tempfile::TempDir,
    writer: Writer,
    producers: Vec<Producer>,
    sink: ExportTarget,
    exporter: Exporter,
    client: Client,
    now: Timestamp,
    runtime: tokio::runtime::Runtime,
}

fn sample(site: usize, index: u64) -> Sample {
    Sample {
        phases: Phases::NONE.with(Phase::Connect, Micros::new(1_000 + u32::try_from(index % 97).unwrap())),
        status: Status::new(if index % 7 == 3 { 503 } else { 200 }),
        http: Http::V11,
        bytes: 5_000,
        late: Micros::new(70),
        ..Sample::bare(
            NOW.before(Duration::from_secs(1_000)).after(Duration::from_millis(100 * index + site as u64)),
            if index % 7 == 3 { Cause::Status } else { Cause::Ok },
        )
    }
}

impl Rig {
    /// Three sites with `count` samples each, exported from their beginning to `sink`.
    fn new(count: u64, sink: ExportTarget) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("webmon.redb"), &Options::default(), NOW).unwrap().store;
        let names: Vec<Arc<str>> = ["api", "bad, and spaced", "shop"].into_iter().map(Arc::from).collect();
        let known = store.register(&names, NOW).unwrap();
        let progress = store.sink(&Exporter::name(&sink), Start::All).unwrap();
        let producers: Vec<Producer> = known.iter().map(|_| Producer::new(10_000, 0)).collect();
        let readers = known.iter().zip(&producers).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
        let writer = Writer::new(store, readers.collect()).unwrap();
        let mut rig = Self {
            writer,
            producers,
            exporter: exporter(&sink, progress),
            client: Client::new(&sink).unwrap(),
            sink,
            now: NOW,
            folder,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        };
        rig.check(count);
        rig
    }

    /// `count` more samples of each site, committed.
    fn check(&mut self, count: u64) {
        for (site, producer) in self.producers.iter_mut().enumerate() {
            for index in producer.next_seq()..producer.next_seq() + count {
                producer.push(sample(site, index));
            }
        }
        assert_eq!(self.writer.flush(self.now).dropped, 0);
    }

    /// One request; the wait after it, none when there is nothing to send.
    #[allow(clippy::option_option, reason = "nothing to send, sent, to be waited for")]
    fn step(&mut self) -> Option<Option<Duration>> {
        let archive = Archive::open(&self.folder.path().join("webmon.redb")).unwrap();
        if !self.exporter.read(&archive, self.now).unwrap() {
            return None;
        }
        let lines = compress(self.exporter.request().unwrap());
        let reply = self.runtime.block_on(self.client.post(lines));
        Some(self.exporter.answered(reply, self.now))
    }

    /// Everything that there is, as long as nothing asks for a wait; the number of requests.
    fn run(&mut self) -> usize {
        let mut requests = 0;
        while let Some(wait) = self.step() {
            assert_eq!(wait, None, "{:?}", self.exporter.health());
            requests += 1;
            assert!(requests < 500, "it does not end");
        }
        requests
    }
}

fn exporter(sink: &ExportTarget, progress: Progress) -> Exporter {
    let groups = HashMap::from([("shop".into(), "front end".into())]);
    Exporter::new(sink, progress, Labels { agent: "tester".to_owned(), groups }, 7)
}

fn sink(server: &Server, api: Api) -> ExportTarget {
    ExportTarget::at(server.url("/").parse().unwrap(), api)
}

/// The lines of a request, which an independent parser can read.
fn lines(request: &Request) -> Vec<String> {
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    GzDecoder::new(&request.body[..]).read_to_string(&mut text).unwrap();
    for line in parse_lines(&text) {
        line.unwrap();
    }
    text.lines().map(str::to_owned).collect()
}

/// What a server has stored: equal points are one.
#[derive(Clone, Default)]
struct Points(Arc<Mutex<BTreeSet<String>>>);

impl Points {
    fn take(&self, lines: impl IntoIterator<Item = String>) {
        // Points about the export itself are generated again.
        self.0.lock().unwrap().extend(lines.into_iter().filter(|line| !line.starts_with("webmon_export")));
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Answers as `answer` says, given the number of the request and its lines; without a word of it, 204 stores them.
fn influx(
    points: &Points,
    answer: impl Fn(usize, &Request, &[String]) -> Option<Vec<Step>> + Send + Sync + 'static,
) -> Server {
    let (points, count) = (points.clone(), Mutex::new(0));
    Server::start(Behaviour::answering(move |request| {
        let lines = lines(request);
        let number = {
            let mut count = count.lock().unwrap();
            *count += 1;
            *count - 1
        };
        answer(number, request, &lines).unwrap_or_else(|| {
            points.take(lines);
            stored()
        })
    }))
}

fn stored() -> Vec<Step> {
    vec![Step::send("HTTP/1.1 204 No Content\r\n\r\n")]
}

fn says(status: u16, headers: &str, body: &str) -> Vec<Step> {
    vec![Step::send(format!("HTTP/1.1 {status} Scripted\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()))]
}

#[test]
fn every_dialect_gets_its_address_and_its_credentials_and_nothing_secret_in_the_address() {
    for (api, authorization, target) in [
        (Api::V1, "Basic YWRhOnB3", "/write?db=webmon&precision=ns"),
        (Api::V2, "Token hunter2", "/api/v2/write?org=me&bucket=webmon&precision=ns"),
        (
            Api::V3,
            "Bearer hunter2",
            "/api/v3/write_lp?db=webmon&precision=nanosecond&accept_partial=true&no_sync=false",
        ),
    ] {
        let points = Points::default();
        let server = influx(&points, |_, _, _| None);
        let sink = ExportTarget {
            org: "me".to_owned(),
            authorization: Some(Secret::new(authorization)),
            ..sink(&server, api)
        };
        let mut rig = Rig::new(10, sink);
        assert_eq!(rig.run(), 1);
        let requests = server.requests();
        assert_eq!((requests[0].method.as_str(), requests[0].target.as_str()), ("POST", target));
        assert_eq!(requests[0].header("authorization"), Some(authorization));
        assert_eq!(requests[0].header("host").unwrap(), server.address().to_string());
        let host = points.0.lock().unwrap().iter().filter(|line| line.contains("group=front\\ end,site=shop ")).count();
        assert_eq!((points.count(), host), (30, 10));
        let health = rig.exporter.health();
        assert_eq!((health.state, health.sent, health.error, health.oldest), (ExportState::Ok, 31, None, None));
    }
}

/// How an export is after its first answer, and how long it waits.
struct Expected {
    state: ExportState,
    /// The wait in seconds; `None` to continue at once.
    wait: Option<(f64, f64)>,
    /// Part of the error.
    error: &'static str,
}

fn waits(state: ExportState, from: f64, to: f64, error: &'static str) -> Expected {
    Expected { state, wait: Some((from, to)), error }
}

#[test]
fn an_answer_that_is_no_yes_keeps_everything_until_the_next_try() {
    use ExportState::{Blocked, Retrying};
    let elsewhere = Server::start(Behaviour::ok());
    let moved = redirect(307, &elsewhere.url("/api/v2/write"));
    let cases: Vec<(Vec<Step>, Expected)> = vec![
        (vec![Step::send(moved)], waits(Blocked, 0.1, 1.0, "redirects are not followed")),
        (
            vec![Step::send(response(401, "{\"code\":\"unauthorized\",\"message\":\"no\"}"))],
            waits(Blocked, 0.1, 1.0, "auth: "),
        ),
        (vec![Step::send(response(403, ""))], waits(Blocked, 0.1, 1.0, "auth: ")),
        (
            vec![Step::send(response(404, "{\"error\":\"database not found: \\\"webmon\\\"\"}"))],
            waits(Blocked, 0.1, 1.0, "bucket \"webmon\" not found"),
        ),
        (vec![Step::send(response(405, ""))], waits(Blocked, 0.1, 1.0, "refused (status 405)")),
        (says(429, "Retry-After: 7\r\n", ""), waits(Retrying, 7.0, 7.0, "status 429")),
        (says(429, "Retry-After: Sun, 22 Nov 2026 10:00:20 GMT\r\n", ""), waits(Retrying, 20.0, 20.0, "status 429")),
        (says(503, "Retry-After: 86400\r\n", "later"), waits(Retrying, 600.0, 600.0, "status 503: later")),
        (says(503, "Retry-After: soon\r\n", ""), waits(Retrying, 10.0, 10.0, "status 503")),
        (says(503, "", ""), waits(Retrying, 0.1, 1.0, "status 503")),
        (vec![Step::send(response(500, "oops"))], waits(Retrying, 0.1, 1.0, "status 500: oops")),
        (vec![Step::send(response(502, ""))], waits(Retrying, 0.1, 1.0, "status 502")),
        (vec![Step::send(response(504, ""))], waits(Retrying, 0.1, 1.0, "status 504")),
        (vec![Step::Reset], waits(Retrying, 0.1, 1.0, "")),
        (vec![Step::Close], waits(Retrying, 0.1, 1.0, "")),
        (vec![Step::send("HTTP/1.1 204 No"), Step::Reset], waits(Retrying, 0.1, 1.0, "")),
        (vec![Step::send("nonsense\r\n\r\n"), Step::Close], waits(Retrying, 0.1, 1.0, "")),
    ];
    for (index, (script, expected)) in cases.into_iter().enumerate() {
        let points = Points::default();
        let server = influx(&points, move |number, _, _| (number == 0).then(|| script.clone()));
        let token = Some(Secret::new("Token hunter2"));
        let mut rig = Rig::new(20, ExportTarget { authorization: token, ..sink(&server, Api::V2) });
        let wait = rig.step().unwrap();
        let health = rig.exporter.health();
        let (at, error) = health.error.clone().unwrap_or_default();
        assert_eq!((health.state, health.sent, at), (expected.state, 0, NOW), "case {index}: {error}");
        assert!(error.contains(expected.error), "case {index}: {error}");
        assert!(!format!("{health:?}").contains("hunter2"), "{health:?}");
        let in_range = |(from, to): (f64, f64)| wait.is_some_and(|wait| (from..=to).contains(&wait.as_secs_f64()));
        assert!(expected.wait.is_some_and(in_range), "case {index}: {wait:?}");
        assert_eq!(rig.exporter.take_progress(), None, "nothing was acknowledged");
        assert!(health.lag(rig.now) > Duration::from_mins(15), "{health:?}");
        // All is well again: the same request goes through, and nothing is missing.
        rig.now = rig.now.after(Duration::from_secs(700));
        rig.run();
        let health = rig.exporter.health();
        assert_eq!((points.count(), health.state, health.rejected), (60, ExportState::Ok, 0), "case {index}");
        let requests = server.requests();
        assert_eq!(lines(&requests[0]), lines(&requests[1]), "it is sent again to the letter");
    }
    assert_eq!(elsewhere.accepted(), 0, "a redirect was followed");
}

#[test]
fn a_server_that_is_not_there_or_never_answers_costs_nothing_but_time() {
    let hanging = Server::start(Behaviour::always(vec![Step::Hang]));
    let refusing = format!("http://{}/", crate::support::ports::closed_port()).parse().unwrap();
    for sink in [sink(&hanging, Api::V2), ExportTarget::at(refusing, Api::V2)] {
        let mut rig = Rig::new(5, sink);
        // Time is not waited for: it passes as soon as nothing else happens.
        rig.runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let mut longest = Duration::ZERO;
        for _ in 0..12 {
            let wait = rig.step().unwrap().unwrap();
            longest = longest.max(wait);
            assert!(wait <= Duration::from_mins(1), "{wait:?}");
            rig.now = rig.now.after(wait);
            assert_eq!(rig.exporter.health().state, ExportState::Retrying);
        }
        assert!(longest > Duration::from_secs(8), "waits do not grow: {longest:?}");
        assert_eq!(rig.exporter.take_progress(), None);
    }
}

#[test]
fn lines_that_a_server_refuses_are_set_aside_and_all_others_arrive() {
    let is_bad = |line: &String| line.contains("site=bad");
    for api in [Api::V1, Api::V2, Api::V3] {
        let points = Points::default();
        let known = points.clone();
        let server = influx(&points, move |_, _, lines| {
            let bad: Vec<usize> = (0..lines.len()).filter(|&at| is_bad(&lines[at])).collect();
            let first = *bad.first()?;
            Some(match api {
                // Stores the good lines, and says 0 of those that it could not parse.
                Api::V1 => {
                    known.take(lines.iter().filter(|line| !is_bad(line)).cloned());
                    says(400, "", "{\"error\":\"partial write: unable to parse 'x' dropped=0\"}")
                }
                // Stores nothing.
                Api::V2 => says(400, "", "{\"code\":\"invalid\",\"message\":\"unable to parse 'x'\"}"),
                // Names the lines.
                Api::V3 => {
                    known.take(lines.iter().filter(|line| !is_bad(line)).cloned());
                    let fault = |at: &usize| {
                        format!("{{\"original_line\":\"x\",\"line_number\":{},\"error_message\":\"no\"}}", at + 1)
                    };
                    let faults: Vec<String> = bad.iter().map(fault).collect();
                    assert!(first < lines.len());
                    says(400, "", &format!("{{\"error\":\"partial write\",\"data\":[{}]}}", faults.join(",")))
                }
            })
        });
        let mut rig = Rig::new(20, sink(&server, api));
        let requests = rig.run();
        let health = rig.exporter.health();
        assert_eq!((points.count(), health.sent, health.rejected), (40, 41, 20), "{api:?}");
        assert_eq!((health.state, health.oldest), (ExportState::Ok, None));
        let (_, error) = health.error.unwrap();
        assert!(
            error.contains("points refused: status 400") && error.contains("site=bad\\,\\ and\\ spaced"),
            "{error}"
        );
        if api == Api::V3 {
            assert_eq!(requests, 2, "lines that are named need no search");
        }
        let progress = rig.exporter.take_progress().unwrap();
        assert_eq!((progress.cursors.values().sum::<u64>(), progress.tally.rejected), (60, 20));
    }
}

/// A proxy that answered 400 to everything for six seconds cost 302 of 650 samples.
#[test]
fn what_refuses_everything_for_a_while_costs_no_sample() {
    let page = "<html><head><title>400 Bad Request</title></head></html>";
    let cases = [
        says(400, "", ""),
        says(400, "", "upstream is not ready"),
        says(400, "Content-Type: text/html\r\n", page),
        says(400, "", "{\"error\":\"bad request\"}"),
        says(422, "", "{\"code\":\"invalid\",\"message\":\"no\"}"),
        says(413, "Content-Type: text/html\r\n", page),
        says(200, "Content-Type: text/html\r\n", page),
        says(200, "", "{\"error\":\"timeout\"}"),
        says(511, "Content-Type: text/html\r\n", page),
    ];
    for (index, script) in cases.into_iter().enumerate() {
        // From the start, and in the middle of things.
        for refused in [0..60, 1..60] {
            let points = Points::default();
            let (script, range) = (script.clone(), refused.clone());
            let server = influx(&points, move |number, _, _| range.contains(&number).then(|| script.clone()));
            let mut rig = Rig::new(50, sink(&server, Api::V2));
            let (mut requests, mut waits) = (0, 0);
            while let Some(wait) = rig.step() {
                requests += 1;
                assert!(requests < 150, "case {index}: it does not end");
                if let Some(wait) = wait {
                    waits += 1;
                    rig.now = rig.now.after(wait);
                    let health = rig.exporter.health();
                    assert_eq!((health.state, health.rejected), (ExportState::Blocked, 0), "case {index}");
                    assert!(health.error.is_some_and(|(_, said)| said.contains("status ")), "case {index}");
                }
                if requests == refused.start {
                    assert_eq!(rig.exporter.health().sent, 151);
                    rig.exporter.take_progress();
                    rig.check(50);
                }
                if refused.contains(&requests) {
                    assert_eq!(rig.exporter.take_progress(), None, "case {index}: the cursor moved");
                }
            }
            let expected = if refused.start == 0 { 150 } else { 300 };
            assert!(waits >= 3, "case {index}: {waits} waits");
            let health = rig.exporter.health();
            assert_eq!((points.count(), health.rejected, health.state), (expected, 0, ExportState::Ok), "case {index}");
            assert_eq!(rig.exporter.take_progress().unwrap().cursors.values().sum::<u64>(), expected as u64);
        }
    }
}

/// The export bounds responses as a probe does: an endless one counts as none.
#[test]
fn a_server_that_sends_without_end_is_cut_off() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (head, flood, part) in [
        ("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "no complete head within 256 KiB"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", "no complete head within 256 KiB"),
        ("HTTP/1.1 204 No Content\r\nA: ", "x", "no complete head within 256 KiB"),
        (chunked, "1\r\n{\r\n", "the answer is incomplete"),
        (chunked, "400\r\n", "the answer is incomplete"),
        ("HTTP/1.1 200 OK\r\n\r\n", "{\"error\":0}", "the answer is incomplete"),
        ("HTTP/1.1 500 No\r\n\r\n", "no ", "status 500: no no no"),
    ] {
        let points = Points::default();
        let script = vec![Step::send(head), Step::Flood(flood.as_bytes().repeat(8_192 / flood.len()))];
        let server = influx(&points, move |number, _, _| (number == 0).then(|| script.clone()));
        let mut rig = Rig::new(20, sink(&server, Api::V2));
        assert!(rig.step().unwrap().is_some(), "{head}{flood}");
        let health = rig.exporter.health();
        let (_, said) = health.error.unwrap_or_default();
        assert_eq!((health.state, health.sent), (ExportState::Retrying, 0), "{head}{flood}: {said}");
        assert!(said.contains(part), "{head}{flood}: {said}");
        rig.run();
        assert_eq!(points.count(), 60);
    }
}

#[test]
fn points_beyond_the_servers_retention_are_counted_without_a_search() {
    let points = Points::default();
    let server = influx(&points, |number, _, _| {
        let said = "{\"error\":\"partial write: points beyond retention policy dropped=60\"}";
        (number == 0).then(|| says(400, "", said))
    });
    let mut rig = Rig::new(20, sink(&server, Api::V1));
    assert_eq!(rig.run(), 1);
    let health = rig.exporter.health();
    assert_eq!((health.sent, health.rejected, health.state), (1, 60, ExportState::Ok));
    assert!(health.error.unwrap().1.contains("beyond retention policy"));
}

#[test]
fn requests_shrink_to_what_a_server_takes_and_stay_so() {
    let points = Points::default();
    let server = influx(&points, |_, _, lines| {
        (lines.len() > 30).then(|| says(413, "", "{\"error\":\"Request Entity Too Large\"}"))
    });
    let mut rig = Rig::new(100, sink(&server, Api::V2));
    rig.run();
    assert_eq!((points.count(), rig.exporter.health().rejected), (300, 0));
    let before = server.requests().len();
    rig.check(100);
    rig.run();
    assert_eq!(points.count(), 600);
    assert!(server.requests()[before..].iter().all(|request| lines(request).len() <= 30), "the size is forgotten");
}

#[test]
fn a_kept_connection_that_the_server_closed_is_no_failure() {
    let points = Points::default();
    let server = influx(&points, |_, _, _| None);
    let mut rig = Rig::new(5, sink(&server, Api::V2));
    rig.run();
    rig.check(5);
    rig.run();
    assert_eq!((server.accepted(), points.count()), (1, 30), "a connection is kept");

    let points = Points::default();
    let seen = points.clone();
    let server = influx(&points, move |_, _, lines| {
        seen.take(lines.to_vec());
        Some(vec![Step::send("HTTP/1.1 204 No Content\r\n\r\n"), Step::Close])
    });
    let mut rig = Rig::new(5, sink(&server, Api::V2));
    rig.run();
    rig.check(5);
    rig.run();
    assert_eq!((server.accepted(), points.count(), rig.exporter.health().error), (2, 30, None));
}

#[test]
fn a_crash_between_the_acknowledgement_and_the_cursor_sends_the_same_points_again() {
    let points = Points::default();
    let server = influx(&points, |_, _, _| None);
    let mut rig = Rig::new(50, sink(&server, Api::V2));
    rig.run();
    assert_eq!(points.count(), 150);
    // What was acknowledged never reached the store: a new program begins where the old one did.
    let known = rig.writer.store().sink(&Exporter::name(&rig.sink), Start::Now).unwrap();
    assert_eq!(known.cursors.values().sum::<u64>(), 0);
    rig.exporter = exporter(&rig.sink, known);
    rig.check(10);
    rig.run();
    assert_eq!(points.count(), 180, "150 of the 330 lines were sent twice and are the same points");
    // Once it is saved, nothing is sent again.
    rig.writer.note_progress(rig.exporter.take_progress().unwrap());
    rig.check(1);
    let known = rig.writer.store().sink(&Exporter::name(&rig.sink), Start::Now).unwrap();
    assert_eq!((known.cursors.values().sum::<u64>(), known.tally.sent), (180, 181));
    rig.exporter = exporter(&rig.sink, known);
    let before = server.requests().len();
    rig.run();
    let again: usize = server.requests()[before..].iter().map(|request| lines(request).len()).sum();
    assert_eq!((points.count(), again), (183, 4));
}
