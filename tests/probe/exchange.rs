//! Probes of scripted servers: the cause of each fault, the time of each phase.
//!
//! Lower bounds of times are exact, since a script that waits 60 ms cannot answer sooner; upper bounds are generous,
//! since a busy machine may be slow. No test needs a network.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::delays;
use crate::support::dns::{Answer, NameServer};
use crate::support::ports::{Blackhole, closed_port};
use crate::support::tls::{Authority, Identity, Leaf};
use crate::support::{Behaviour, Server, Step, redirect, response};
use tokio::task::JoinSet;
use webmon::model::{
    BodyExpectations, Cause, CertificateFault, Expected, Flags, Http, Micros, Observation, Phase, Resolver, Secret,
    Site, Status, Timestamp, TlsRules, text,
};
use webmon::probe::{HttpProber, Prober, ProberOptions};

#[allow(clippy::disallowed_methods, reason = "probes of real sockets take real time")]
fn clock() -> Instant {
    Instant::now()
}

/// A site with time enough for a busy machine.
fn site(url: &str) -> Site {
    Site { max_body: 64 * 1024, ..Site::new("site", url.parse().expect("a URL")) }
}

/// A site for servers that never come to an end.
fn impatient(url: &str) -> Site {
    Site { timeout: Duration::from_millis(500), ..site(url) }
}

/// Pretends that this machine has a network.
fn online() -> ProberOptions {
    ProberOptions { has_route: |_| true, ..ProberOptions::default() }
}

fn prober(options: &ProberOptions) -> HttpProber {
    HttpProber::with(options, clock).expect("these options are good")
}

async fn probe(site: &Site) -> Observation {
    prober(&online()).probe(site).await
}

fn status(seen: &Observation) -> Option<u16> {
    seen.status.map(Status::get)
}

/// The phases that took place, by their first letters; T is the transfer.
fn phases(seen: &Observation) -> String {
    let letters = Phase::ALL.into_iter().zip("rctpT".chars());
    letters.filter(|&(phase, _)| seen.phases.get(phase).is_some()).map(|(_, letter)| letter).collect()
}

fn millis(seen: &Observation, phase: Phase) -> u32 {
    seen.phases.get(phase).map_or(0, Micros::get) / 1_000
}

/// What holds for every observation, whatever was probed.
fn assert_sound(seen: &Observation, case: &str) {
    assert!(seen.detail.len() <= text::DETAIL_MAX && !seen.detail.chars().any(text::is_harmful), "{case}: {seen:?}");
    assert_eq!(seen.detail.is_empty(), seen.cause == Cause::Ok, "{case}: {seen:?}");
    assert_eq!(seen.status.is_some(), seen.http != Http::None, "{case}: {seen:?}");
}

/// One row: the server's script and the expected observation.
struct Row {
    case: &'static str,
    script: Vec<Step>,
    cause: Cause,
    status: Option<u16>,
    phases: &'static str,
    detail: &'static str,
}

fn row(
    case: &'static str,
    script: Vec<Step>,
    outcome: (Cause, Option<u16>, &'static str),
    detail: &'static str,
) -> Row {
    Row { case, script, cause: outcome.0, status: outcome.1, phases: outcome.2, detail }
}

fn sends(case: &'static str, bytes: impl Into<Vec<u8>>, outcome: (Cause, Option<u16>), detail: &'static str) -> Row {
    let phases = if outcome.1.is_some() { "cpT" } else { "cp" };
    row(case, vec![Step::send(bytes), Step::Close], (outcome.0, outcome.1, phases), detail)
}

async fn check(rows: Vec<Row>, make: impl Fn(&str) -> Site) {
    let prober = prober(&online());
    for row in rows {
        let server = Server::start(Behaviour::always(row.script));
        let seen = prober.probe(&make(&server.url("/"))).await;
        assert_eq!((seen.cause, status(&seen)), (row.cause, row.status), "{}: {seen:?}", row.case);
        assert_eq!(phases(&seen), row.phases, "{}: {seen:?}", row.case);
        assert!(seen.detail.contains(row.detail), "{}: {seen:?}", row.case);
        assert_sound(&seen, row.case);
    }
}

const UP: (Cause, Option<u16>) = (Cause::Ok, Some(200));
const BAD: (Cause, Option<u16>) = (Cause::BadResponse, None);

/// A head of `bytes`, before a body that the end of the connection ends.
fn head_of(bytes: usize) -> String {
    let head = "HTTP/1.1 200 OK\r\nX: \r\n\r\n";
    head.replace("X: ", &format!("X: {}", "y".repeat(bytes - head.len())))
}

#[tokio::test]
async fn answers_that_are_odd_but_whole_are_up() {
    let headers = |count| "X-Header: y\r\n".repeat(count);
    let with = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 2\r\n\r\nok");
    let chunked = |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let provisional = |count| format!("{}{}", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count), response(200, "ok"));
    check(
        vec![
            sends("plain", response(200, "ok"), UP, ""),
            sends("no body", "HTTP/1.1 204 No Content\r\n\r\n", (Cause::Ok, Some(204)), ""),
            sends("HTTP/1.0, ended by closing", "HTTP/1.0 200 OK\r\n\r\nsome body", UP, ""),
            sends("HTTP/1.1, ended by closing", "HTTP/1.1 200 OK\r\n\r\nsome body", UP, ""),
            sends("bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", UP, ""),
            sends("folded header", with("X-Long: a\r\n b\r\n"), UP, ""),
            sends("the same length twice", with("Content-Length: 2\r\n"), UP, ""),
            sends("a space before the colon", with("X-A : b\r\nX-B\t : c\r\n"), UP, ""),
            sends("a length with a space before the colon", with("").replace("th:", "th :"), UP, ""),
            sends(
                "names that are none",
                with("Foo Bar: x\r\nX[1]: 2\r\nX@Y: 1\r\nX-\u{e9}: 1\r\n: x\r\nX\r\n"),
                UP,
                "",
            ),
            sends("control characters in a value", with("Set-Cookie: visid=a\x01b\r\nX: a\x7fb\r\n"), UP, ""),
            sends("bare carriage returns", with("X: a\rb\r\nY\r: c\r\n"), UP, ""),
            sends("every line end is CR CR LF", with("X: a\r\n").replace("\r\n", "\r\r\n"), UP, ""),
            sends("a folded line first", with(" x\r\nX: y\r\n\tz\x01\r\n"), UP, ""),
            sends("more than its length", with("").replace("ok", "okokok"), UP, ""),
            sends(
                "bytes above ASCII in a header",
                [b"HTTP/1.1 200 OK\r\nX: \xff\xfe\r\n", &b"Content-Length: 0\r\n\r\n"[..]].concat(),
                UP,
                "",
            ),
            sends("100 KiB of header", with(&format!("X: {}\r\n", "y".repeat(100 * 1024))), UP, ""),
            sends("256 KiB of head", head_of(256 * 1024), UP, ""),
            sends("256 KiB of head, then a body", head_of(256 * 1024) + "some body", UP, ""),
            sends("500 headers", with(&headers(500)), UP, ""),
            sends("chunked", chunked("2\r\nok\r\n0\r\n\r\n"), UP, ""),
            sends("chunked by an old server", chunked("2\r\nok\r\n0\r\n\r\n").replace("/1.1", "/1.0"), UP, ""),
            sends(
                "chunked, and a length",
                with("Transfer-Encoding: chunked\r\n").replace("ok", "2\r\nok\r\n0\r\n\r\n"),
                UP,
                "",
            ),
            sends("trailers", chunked("2\r\nok\r\n0\r\nX: y\r\n\r\n"), UP, ""),
            sends(
                "trailers that are none",
                chunked("2\r\nok\r\n0\r\nFoo Bar: x\r\nX-\u{e9} : \x01\r\nno colon\r\n\r\n"),
                UP,
                "",
            ),
            sends("many trailers", chunked(&format!("2\r\nok\r\n0\r\n{}\r\n", headers(10_000))), UP, ""),
            sends("chunks with more than a size", chunked("2 ;a=b\r\nok\r\n0  \r\n\r\n"), UP, ""),
            sends("chunks with bare line feeds", chunked("2\nok\n0;x\nX: y\n\n"), UP, ""),
            sends("blanks around the status", with("").replace("200", "  200  "), UP, ""),
            sends("a protocol in lower case", with("").replace("HTTP", "http"), UP, ""),
            sends("a status without words", with("").replace(" OK", ""), UP, ""),
            sends("a status and words in one", with("").replace(" OK", "-OK"), UP, ""),
            sends("an escape sequence for words", with("").replace("OK", "\x1b[2J"), UP, ""),
            sends("the version of another connection", with("").replace("/1.1", "/2"), UP, ""),
            sends("a provisional answer first", provisional(1), UP, ""),
            sends("200 provisional answers first", provisional(200), UP, ""),
        ],
        site,
    )
    .await;
}

#[tokio::test]
async fn an_unexpected_status_is_down_with_its_own_words() {
    check(
        vec![
            sends("404", "HTTP/1.1 404 Not Found\r\n\r\n", (Cause::Status, Some(404)), "404 Not Found"),
            sends("304", "HTTP/1.1 304 Not Modified\r\n\r\n", (Cause::Status, Some(304)), "304 Not Modified"),
            sends("503", "HTTP/1.1 503 \r\n\r\n", (Cause::Status, Some(503)), "503 Service Unavailable"),
            sends("words with an escape", "HTTP/1.1 500 \x1b[2J\r\n\r\n", (Cause::Status, Some(500)), "500 [2J"),
            sends("own words", "HTTP/1.1 500 Out of tea\r\n\r\n", (Cause::Status, Some(500)), "500 Out of tea"),
            sends("999", "HTTP/1.1 999 Request denied\r\n\r\n", (Cause::Status, Some(999)), "999 Request denied"),
            sends(
                "no ASCII",
                "HTTP/1.1 500 a\u{202e}b\r\n\r\n",
                (Cause::Status, Some(500)),
                "500 Internal Server Error",
            ),
        ],
        site,
    )
    .await;
}

#[tokio::test]
async fn what_is_not_http_is_a_bad_response() {
    let head = |line: &str| format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\nok");
    let headers = "X-Header: y\r\n".repeat(600);
    let bad_chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n";
    check(
        vec![
            sends("text", "hello, who is there?\r\n\r\n", BAD, "not HTTP"),
            sends("bytes", vec![0, 1, 2, 3, 0xff, 0xfe, 0xfd, 0, 0, 0], BAD, "not HTTP"),
            sends("HTTP/0.9", "<html>old</html>", BAD, "not HTTP"),
            sends("no status", "HTTP/1.1\r\n\r\n", BAD, "not HTTP"),
            sends("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", BAD, "not HTTP"),
            sends("a status that is none", "HTTP/1.1 abc OK\r\n\r\n", BAD, "not HTTP"),
            sends("NUL in a header", head("X: a\0b"), BAD, "not HTTP"),
            sends("NUL in the words", "HTTP/1.1 200 O\0K\r\n\r\n", BAD, "not HTTP"),
            sends("a minor version that is none", "HTTP/1.2 200 OK\r\n\r\n", BAD, "not HTTP"),
            sends("a length with a sign", head("Content-Length: +2"), BAD, "length"),
            sends("a length with a unit", head("Content-Length: 2 bytes"), BAD, "length"),
            sends("a length with a control character", head("Content-Length: 2\x01"), BAD, "Content-Length header"),
            sends("a length with a space in its name", head("Content Length: 2"), BAD, "Content-Length header"),
            sends("a coding with an odd name", head("Transfer-Encoding\x0b: chunked"), BAD, "Transfer-Encoding header"),
            sends("two lengths in one", head("Content-Length: 2, 3"), BAD, "length"),
            sends("two lengths", head("Content-Length: 2\r\nContent-Length: 3"), BAD, "length"),
            sends("a negative length", head("Content-Length: -2"), BAD, "length"),
            sends("a huge length", head("Content-Length: 99999999999999999999"), BAD, "length"),
            sends("600 headers", head(&headers), BAD, "too large"),
            sends("a byte more than 256 KiB of head", head_of(256 * 1024 + 1), BAD, "no complete head within 256 KiB"),
            sends("a bad chunk", bad_chunk, (Cause::BadResponse, Some(200)), "not HTTP"),
        ],
        site,
    )
    .await;
}

#[tokio::test]
async fn broken_connections_say_how_and_where() {
    let half = || Step::send("HTTP/1.1 200 OK\r\nContent-Le");
    let begun = || Step::send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome of it");
    let chunk = || Step::send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    // The pause lets what was sent arrive before the reset discards it.
    let reset = |step: Step| vec![step, Step::wait_ms(50), Step::Reset];
    let closed = (Cause::Closed, None, "cp");
    let truncated = (Cause::Truncated, Some(200), "cpT");
    let gone = |phases, status| (Cause::Reset, status, phases);
    check(
        vec![
            row("closed after the request", vec![Step::Close], closed, "closed before the answer"),
            row("closed within the head", vec![half(), Step::Close], closed, "closed before the answer"),
            row("closed within the body", vec![begun(), Step::Close], truncated, "after 10 bytes"),
            row("closed between chunks", vec![chunk(), Step::Close], truncated, "after 5 bytes"),
            row("reset after the request", vec![Step::Reset], gone("cp", None), "reset before the answer"),
            row("reset within the head", reset(half()), gone("cp", None), "reset before the answer"),
            row("reset within the body", reset(begun()), gone("cpT", Some(200)), "reset during the body"),
        ],
        site,
    )
    .await;
}

#[tokio::test]
async fn a_timeout_belongs_to_the_phase_that_hung() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    let slow = Duration::from_millis(40);
    let response_timeout = (Cause::ResponseTimeout, None, "cp");
    let transfer_timeout = (Cause::TransferTimeout, Some(200), "cpT");
    check(
        vec![
            row("no answer", vec![Step::Hang], response_timeout, "timed out in processing after 500 ms"),
            row("half a head", vec![Step::send("HTTP/1.1 2"), Step::Hang], response_timeout, "in processing"),
            row("a dripping head", vec![Step::Drip(head.into(), slow)], response_timeout, "in processing"),
            row("no body", vec![Step::send(head), Step::Hang], transfer_timeout, "timed out in transfer after 500 ms"),
            row(
                "a dripping body",
                vec![Step::send(head), Step::Drip(vec![b'x'; 100], slow)],
                transfer_timeout,
                "in transfer",
            ),
        ],
        impatient,
    )
    .await;
    let hole = Blackhole::start();
    let seen = probe(&impatient(&hole.url("/"))).await;
    assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::ConnectTimeout, "c"), "{seen:?}");
    assert!(millis(&seen, Phase::Connect) >= 500, "{seen:?}");
    assert!(seen.address.is_some());
}

#[tokio::test]
async fn servers_without_end_are_bounded() {
    let flood = |bytes: &str| vec![Step::Flood(bytes.into())];
    let after = |head: &str, bytes: &str| vec![Step::send(head), Step::Flood(bytes.into())];
    let bad = (Cause::BadResponse, None, "cp");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let rows = vec![
        row("provisional answers", flood("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"), bad, "256 KiB"),
        row("one long header", after("HTTP/1.1 200 OK\r\nX: ", &"y".repeat(1024)), bad, "256 KiB"),
        row("headers", after("HTTP/1.1 200 OK\r\n", "X: y\r\n"), bad, ""),
        row("a status line", flood("HTTP/1.1 "), bad, ""),
        row("a body", after("HTTP/1.1 200 OK\r\n\r\n", &"y".repeat(4096)), (Cause::Ok, Some(200), "cpT"), ""),
        row("chunks", after(chunked, "2\r\nok\r\n"), (Cause::Ok, Some(200), "cpT"), ""),
    ];
    // Without a bound each of them would run until its timeout and report that.
    check(rows, site).await;
}

/// A body of tiny chunks ends long before `max_body`: its framing costs more than its content.
#[tokio::test]
async fn what_packs_a_body_is_bounded_too() {
    let chunked = |bytes: &[u8]| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Behaviour::always(vec![Step::send(head), Step::Flood(bytes.repeat(1_000))])
    };
    let identity = Authority::new().issue(&Leaf::naming(&["127.0.0.1"]));
    for (case, behaviour, least, most) in [
        ("one byte", chunked(b"1\r\nx\r\n"), 40_000, 64 * 1024),
        ("one byte over TLS", chunked(b"1\r\nx\r\n").over_tls(identity), 40_000, 64 * 1024),
        ("four bytes", chunked(b"4\r\nabcd\r\n"), 200_000, 300_000),
        ("thirty bytes", chunked(b"1e\r\n-abcdefghij-abcdefghij-abcdefg\r\n"), 1 << 20, 1 << 20),
    ] {
        let server = Server::start(behaviour);
        let mut site = Site { max_body: 1 << 20, timeout: Duration::from_mins(1), ..site(&server.url("/")) };
        site.tls.insecure = true;
        let seen = probe(&site).await;
        assert_eq!((seen.cause, seen.flags.has(Flags::BODY_CAPPED)), (Cause::Ok, true), "{case}: {seen:?}");
        assert!((least..=most).contains(&seen.bytes), "{case}: {seen:?}");
    }
}

/// All probes share a thread, so one poll of a probe must do little, however much its server has ready: a turn reads at
/// most 16 KiB, whatever it is, and takes 128 pieces of a body.
#[tokio::test]
async fn a_server_that_always_has_more_gets_one_turn_after_the_other() {
    const TURN: u64 = 16 * 1024;
    const PIECES: u64 = 128;
    let after = |head: &str, bytes: &str| vec![Step::send(head), Step::Flood(bytes.into())];
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (case, script, wire, pieces) in [
        ("a body", after("HTTP/1.1 200 OK\r\n\r\n", &"y".repeat(1 << 16)), 8 << 20, 512),
        ("chunks", after(chunked, &"1\r\nx\r\n".repeat(10_000)), 256 * 1024, 40_000),
        ("provisional heads", after("", &"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_000)), 256 * 1024, 0),
    ] {
        let server = Server::start(Behaviour::always(script));
        let site = Site { max_body: 8 << 20, timeout: Duration::from_mins(1), ..site(&server.url("/")) };
        let prober = prober(&online());
        let (mut probe, mut polls) = (Box::pin(prober.probe(&site)), 0);
        let seen = poll_fn(|cx| {
            polls += 1;
            probe.as_mut().poll(cx)
        })
        .await;
        assert!(matches!(seen.cause, Cause::Ok | Cause::BadResponse), "{case}: {seen:?}");
        assert!(polls >= (wire / TURN).max(pieces / PIECES), "{case}: {polls} polls for {wire} bytes");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_bound_and_the_rest_is_no_failure() {
    for (length, bound, bytes, capped) in [(10, 10, 10, false), (11, 10, 10, true), (5, 0, 0, true), (0, 0, 0, false)] {
        let server = Server::start(Behaviour::always(vec![Step::send(response(200, &"x".repeat(length)))]));
        let seen = probe(&Site { max_body: bound, ..site(&server.url("/")) }).await;
        assert_eq!((seen.cause, seen.bytes), (Cause::Ok, bytes), "{length} of {bound}: {seen:?}");
        assert_eq!(seen.flags.has(Flags::BODY_CAPPED), capped, "{length} of {bound}");
    }
}

/// A body counts as it came over the wire, and is unpacked only where something is expected of it. No server is asked for such
/// a body.
#[tokio::test]
async fn a_packed_body_counts_as_it_came() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b'x'; 1 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 4_096, "{} bytes", packed.len());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    let server = Server::start(Behaviour::always(vec![Step::send([head.as_bytes(), &packed].concat())]));
    let expecting = |part: &str| {
        let contains = vec![Expected { what: part.to_owned(), shown: part.to_owned() }];
        let expect = BodyExpectations { contains, ..BodyExpectations::default() }.into();
        Site { expect, ..site(&server.url("/")) }
    };
    for (site, cause) in
        [(site(&server.url("/")), Cause::Ok), (expecting("xxxx"), Cause::Ok), (expecting("y"), Cause::Body)]
    {
        let seen = probe(&site).await;
        assert_eq!((seen.cause, seen.bytes), (cause, packed.len() as u64), "{seen:?}");
        assert!(!seen.flags.has(Flags::BODY_CAPPED), "{seen:?}");
    }
    assert!(server.requests().iter().all(|request| request.header("accept-encoding").is_none()));
}

#[tokio::test]
async fn a_port_that_refuses_and_a_server_that_hangs_up_at_once() {
    let address = closed_port();
    let seen = probe(&site(&format!("http://{address}/"))).await;
    assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::ConnectRefused, "c"), "{seen:?}");
    assert_eq!((seen.detail.as_str(), seen.address), ("connection refused", Some(address)));
    for (step, cause) in [(Step::Close, Cause::Closed), (Step::Reset, Cause::Reset)] {
        let identity = Authority::new().issue(&Leaf::naming(&["127.0.0.1"]));
        for (behaviour, last) in [(Behaviour::ok(), "cp"), (Behaviour::ok().over_tls(identity), "ct")] {
            let server = Server::start(behaviour.at_accept(vec![step.clone()]));
            let seen = probe(&site(&server.url("/"))).await;
            assert_eq!(seen.cause, cause, "{step:?}: {seen:?}");
            // A reset can overtake the completion of the connection.
            assert!(phases(&seen) == last || (cause == Cause::Reset && phases(&seen) == "c"), "{step:?}: {seen:?}");
            assert_sound(&seen, "hang up");
        }
    }
}

/// It may arrive before the request or after it.
#[tokio::test]
async fn a_server_that_speaks_first_is_heard_after_the_request() {
    let prober = prober(&online());
    let busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull";
    for (says, cause, code) in [("SSH-2.0-OpenSSH_9.6\r\n", Cause::BadResponse, None), (busy, Cause::Status, Some(503))]
    {
        let server = Server::start(Behaviour::ok().at_accept(vec![Step::send(says), Step::Hang]));
        for _ in 0..20 {
            let seen = prober.probe(&site(&server.url("/"))).await;
            assert_eq!((seen.cause, status(&seen)), (cause, code), "{says}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn the_request_is_what_the_site_asks_for() {
    let server = Server::start(Behaviour::ok());
    let plain = site(&server.url("/path?q=1#part"));
    let own = Site {
        method: "POST".to_owned(),
        headers: vec![("user-agent".to_owned(), Secret::new("me")), ("X-Key".to_owned(), Secret::new("k"))],
        body: Some(Secret::new("ping")),
        ..plain.clone()
    };
    assert_eq!(probe(&plain).await.cause, Cause::Ok);
    assert_eq!(probe(&own).await.cause, Cause::Ok);
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!((first.method.as_str(), first.target.as_str()), ("GET", "/path?q=1"));
    let agent = concat!("webmon/", env!("CARGO_PKG_VERSION"));
    let host = server.address().to_string();
    for (name, value) in [("user-agent", agent), ("accept", "*/*"), ("connection", "close"), ("host", host.as_str())] {
        assert_eq!(first.header(name), Some(value), "{name}");
    }
    assert_eq!((second.method.as_str(), second.body.as_slice()), ("POST", &b"ping"[..]));
    assert_eq!((second.header("user-agent"), second.header("x-key")), (Some("me"), Some("k")));
    assert_eq!(server.accepted(), 2, "a fresh connection for each probe");
}

/// Follows `/a` → `/b` → the end, and back and forth in other ways.
fn redirecting(other: Option<String>) -> Server {
    let other = other.unwrap_or_default();
    Server::start(Behaviour::answering(move |request| {
        let number = |prefix| request.target.strip_prefix(prefix).and_then(|n: &str| n.parse::<u32>().ok());
        let answer = match request.target.as_str() {
            "/a" => redirect(302, "/b"),
            "/b" => redirect(301, "end"),
            "/loop" => redirect(302, "/back"),
            "/back" => redirect(302, "/loop"),
            "/file" => redirect(302, "file:///etc/passwd"),
            "/nowhere" => "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "/bad" => redirect(302, "http://["),
            "/other" => redirect(302, &other),
            "/kept" => redirect(307, "/end"),
            "/changed" => redirect(303, "/end"),
            _ => match number("/chain/") {
                Some(left @ 1..) => redirect(302, &format!("/chain/{}", left - 1)),
                _ => response(200, "end"),
            },
        };
        let big = request.target == "/big";
        if big {
            return vec![Step::send("HTTP/1.1 302 Found\r\nLocation: /end\r\n\r\n"), Step::Flood(vec![b'x'; 4096])];
        }
        vec![Step::wait_ms(20), Step::send(answer)]
    }))
}

#[tokio::test]
async fn redirects_are_followed_within_bounds() {
    let server = redirecting(None);
    for (path, max, cause, status_is, hops, detail) in [
        ("/a", 10, Cause::Ok, 200, 2, ""),
        ("/a", 0, Cause::Status, 302, 0, "302"),
        ("/a", 1, Cause::Redirect, 301, 1, "more than 1 redirects"),
        ("/chain/10", 10, Cause::Ok, 200, 10, ""),
        ("/chain/11", 10, Cause::Redirect, 302, 10, "more than 10 redirects"),
        ("/loop", 10, Cause::Redirect, 302, 1, "redirect loop"),
        ("/file", 10, Cause::Redirect, 302, 0, "redirect to file:"),
        ("/bad", 10, Cause::Redirect, 302, 0, "an invalid URL"),
        ("/nowhere", 10, Cause::Status, 302, 0, "302"),
        ("/big", 10, Cause::Ok, 200, 1, ""),
    ] {
        let seen = probe(&Site { max_redirects: max, ..site(&server.url(path)) }).await;
        assert_eq!((seen.cause, status(&seen), seen.hops.len()), (cause, Some(status_is), hops), "{path}: {seen:?}");
        assert!(seen.detail.contains(detail), "{path}: {seen:?}");
        assert_sound(&seen, path);
    }
}

#[tokio::test]
async fn the_phases_of_hops_add_up() {
    let server = redirecting(None);
    let seen = probe(&site(&server.url("/a"))).await;
    // Three requests, each answered after 20 ms.
    assert!(millis(&seen, Phase::Processing) >= 60, "{seen:?}");
    assert_eq!(seen.hops.iter().map(|hop| hop.status.get()).collect::<Vec<_>>(), [302, 301]);
    assert_eq!(seen.hops.iter().map(|hop| hop.url.clone()).collect::<Vec<_>>(), [server.url("/a"), server.url("/b")]);
    let locations: Vec<_> = seen.hops.iter().map(|hop| hop.location.clone()).collect();
    assert_eq!(locations, [server.url("/b"), server.url("/end")]);
    assert!(seen.hops.iter().all(|hop| hop.total.get() >= 20_000 && hop.total < seen.phases.total()), "{seen:?}");
    assert_eq!((seen.bytes, server.accepted()), (3, 3));
}

#[tokio::test]
async fn a_target_that_fails_leaves_no_status_of_the_redirect() {
    let server = redirecting(Some(format!("http://{}/", closed_port())));
    let seen = probe(&site(&server.url("/other"))).await;
    assert_eq!((seen.cause, status(&seen), seen.http), (Cause::ConnectRefused, None, Http::None), "{seen:?}");
    assert_eq!((seen.hops.len(), phases(&seen).as_str()), (1, "cp"));
}

#[tokio::test]
async fn a_target_without_an_address_has_none_of_the_redirect() {
    let names = NameServer::start(|_| Answer::Code(3));
    let server = redirecting(Some("http://gone.example.test/".to_owned()));
    let options = ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() };
    let seen = prober(&options).probe(&site(&server.url("/other"))).await;
    assert_eq!((seen.cause, seen.address, seen.hops.len()), (Cause::DnsNotFound, None, 1), "{seen:?}");
}

#[tokio::test]
async fn secrets_do_not_leave_their_origin() {
    let there = Server::start(Behaviour::ok());
    let here = redirecting(Some(there.url("/landed")));
    let secrets = ["authorization", "cookie", "x-api-key"];
    let headers = secrets.map(|name| (name.to_owned(), Secret::new("secret"))).to_vec();
    let site = |path| Site { headers: headers.clone(), ..site(&here.url(path)) };
    assert_eq!(probe(&site("/a")).await.cause, Cause::Ok);
    assert_eq!(probe(&site("/other")).await.cause, Cause::Ok);
    for request in here.requests() {
        assert!(secrets.iter().all(|name| request.header(name) == Some("secret")), "{request:?}");
    }
    let landed = &there.requests()[0];
    assert!(secrets.iter().all(|name| landed.header(name).is_none()), "{landed:?}");
    assert_eq!(landed.header("host"), Some(there.address().to_string().as_str()));
}

#[tokio::test]
async fn a_method_and_its_body_change_as_the_status_says() {
    let server = redirecting(None);
    for (path, method, body) in [("/kept", "POST", "ping"), ("/changed", "GET", "")] {
        let before = server.requests().len();
        let post = Site { method: "POST".to_owned(), body: Some(Secret::new("ping")), ..site(&server.url(path)) };
        assert_eq!(probe(&post).await.cause, Cause::Ok, "{path}");
        let last = &server.requests()[before + 1];
        assert_eq!((last.method.as_str(), last.body.as_slice()), (method, body.as_bytes()), "{path}");
    }
}

#[tokio::test]
async fn each_phase_has_its_own_time() {
    let names = NameServer::start(|_| {
        let address = Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
        Answer::After(Duration::from_millis(delays::RESOLVE), Box::new(address))
    });
    let authority = Authority::new();
    let options = ProberOptions {
        resolver: Resolver::Servers(vec![names.address()]),
        extra_roots: vec![authority.root()],
        ..online()
    };
    let prober = prober(&options);
    let head = Step::send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    let answer = vec![Step::wait_ms(delays::PROCESSING), head, Step::wait_ms(delays::TRANSFER), Step::send("ok")];
    let server = Server::start(
        Behaviour::always(answer)
            .at_accept(vec![Step::wait_ms(delays::TLS)])
            .over_tls(authority.issue(&Leaf::naming(&["phases.test"]))),
    );
    let begin = clock();
    let seen = prober.probe(&site(&server.url_at("phases.test", "/"))).await;
    let wall = clock() - begin;
    assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::Ok, "rctpT"), "{seen:?}");
    delays::assert_delayed(&seen, wall);
}

#[tokio::test]
async fn names_that_cannot_be_resolved_say_why() {
    let names = NameServer::start(|name| match name.split('.').next().unwrap_or_default() {
        "gone" => Answer::Code(3),
        "empty" => Answer::NoData,
        "failing" => Answer::Code(2),
        "refusing" => Answer::Code(5),
        "silent" => Answer::Silence,
        "wrong" => Answer::WrongId,
        "garbage" => Answer::Garbage,
        "truncated" => Answer::Truncated,
        "half" => Answer::PerFamily(Box::new(Answer::NoData), Box::new(Answer::Code(2))),
        _ => Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]),
    });
    let options = ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() };
    let offline = prober(&ProberOptions { has_route: |_| false, ..options.clone() });
    let online = prober(&options);
    for (name, cause, detail) in [
        ("gone", Cause::DnsNotFound, "NXDOMAIN"),
        ("empty", Cause::DnsNotFound, "no data"),
        ("failing", Cause::DnsError, "SERVFAIL"),
        ("refusing", Cause::DnsError, "REFUSED"),
        ("half", Cause::DnsError, "SERVFAIL"),
        ("silent", Cause::DnsTimeout, "timed out in resolve after 500 ms"),
        ("wrong", Cause::DnsTimeout, "timed out in resolve after 500 ms"),
        ("garbage", Cause::DnsTimeout, "timed out in resolve after 500 ms"),
        ("truncated", Cause::DnsError, "DNS: "),
    ] {
        let site = impatient(&format!("http://{name}.example.test/"));
        let seen = online.probe(&site).await;
        assert_eq!((seen.cause, phases(&seen).as_str()), (cause, "r"), "{name}: {seen:?}");
        assert!(seen.detail.contains(detail), "{name}: {seen:?}");
        // A name server on this machine that fails or says nothing may lack a network to ask; that there is no such name is said.
        let cause = if cause == Cause::DnsNotFound { cause } else { Cause::Local };
        let seen = offline.probe(&site).await;
        assert_eq!((seen.cause, phases(&seen).as_str()), (cause, "r"), "{name} offline: {seen:?}");
    }
    assert!(names.asked().iter().all(|name| name.ends_with(".example.test")), "no search list for full names");
}

#[tokio::test]
async fn without_a_name_server_a_lookup_fails_and_nothing_else() {
    // Nothing answers there, neither over UDP nor over TCP.
    let options = ProberOptions { resolver: Resolver::Servers(vec![closed_port()]), ..online() };
    let seen = prober(&options).probe(&impatient("http://a.example.test/")).await;
    assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::DnsError, "r"), "{seen:?}");
}

/// A name server has any name, and those of containers often have a `_` in them.
#[tokio::test]
async fn names_that_are_no_host_names_are_asked_for_all_the_same() {
    let names = NameServer::start(|_| Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]));
    let server = Server::start(Behaviour::ok());
    let prober = prober(&ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() });
    for host in ["my_shop.test", "_a.test", "a_.test", "a--b.test", "xn--bcher-kva.test", "1.2.3.test"] {
        let seen = prober.probe(&site(&server.url_at(host, "/"))).await;
        assert_eq!(seen.cause, Cause::Ok, "{host}: {seen:?}");
        assert_eq!(names.asked().last().map(String::as_str), Some(host));
    }
}

#[tokio::test]
async fn addresses_and_localhost_need_no_lookup() {
    let server = Server::start(Behaviour::ok());
    let options = ProberOptions {
        resolver: Resolver::Servers(vec![closed_port()]),
        has_route: |_| false,
        ..ProberOptions::default()
    };
    let prober = prober(&options);
    for host in ["127.0.0.1", "localhost", "a.localhost"] {
        let seen = prober.probe(&site(&server.url_at(host, "/"))).await;
        assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::Ok, "cpT"), "{host}: {seen:?}");
        assert_eq!(seen.address, Some(server.address()), "{host}");
    }
}

#[tokio::test]
async fn a_dead_first_address_gives_way_to_the_next() {
    let server = Server::start(Behaviour::ok());
    // Nothing listens on the second loopback address; that of IPv6 may not exist at all.
    let dead: [IpAddr; 2] = ["127.0.0.2".parse().unwrap(), "::1".parse().unwrap()];
    let names = NameServer::start(move |_| Answer::Addresses([&dead[..], &[Ipv4Addr::LOCALHOST.into()]].concat()));
    let options = ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() };
    let seen = prober(&options).probe(&site(&server.url_at("many.test", "/"))).await;
    assert_eq!((seen.cause, seen.address), (Cause::Ok, Some(server.address())), "{seen:?}");
}

/// The attempt delay of RFC 8305 §5: an address that does not answer has 250 ms before the next one is tried beside it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_swallows_connections_costs_a_quarter_of_a_second_not_the_timeout() {
    let server = Server::start(Behaviour::ok());
    let silent: IpAddr = "127.0.0.2".parse().unwrap();
    let _hole = Blackhole::start_at((silent, server.address().port()).into());
    let names = NameServer::start(move |_| Answer::Addresses(vec![silent, silent, Ipv4Addr::LOCALHOST.into()]));
    let options = ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() };
    let patient = Site { timeout: Duration::from_mins(1), ..site(&server.url_at("many.test", "/")) };
    let seen = prober(&options).probe(&patient).await;
    assert_eq!((seen.cause, seen.address), (Cause::Ok, Some(server.address())), "{seen:?}");
    assert!((500..60_000).contains(&millis(&seen, Phase::Connect)), "{seen:?}");
}

/// A lookup with a TTL of zero is repeated at the next check, which uses the new address.
#[tokio::test]
async fn a_name_that_moves_is_followed() {
    let server = Server::start(Behaviour::ok());
    let here = Arc::new(AtomicBool::new(true));
    let is_here = Arc::clone(&here);
    let names = NameServer::start(move |_| {
        let last = if is_here.load(Ordering::SeqCst) { 1 } else { 2 };
        Answer::Fleeting(vec![Ipv4Addr::new(127, 0, 0, last).into()])
    });
    let options = ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() };
    let (prober, site) = (prober(&options), impatient(&server.url_at("moving.test", "/")));
    for last in [1, 2, 1] {
        here.store(last == 1, Ordering::SeqCst);
        let seen = prober.probe(&site).await;
        // Nothing listens on the second loopback address.
        assert_eq!(seen.cause == Cause::Ok, last == 1, "{seen:?}");
        assert_eq!(seen.address.map(|address| address.ip()), Some(Ipv4Addr::new(127, 0, 0, last).into()), "{seen:?}");
    }
}

#[tokio::test]
async fn a_name_server_that_ignores_ipv6_costs_fifty_milliseconds_not_a_timeout() {
    let server = Server::start(Behaviour::ok());
    let names = NameServer::start(|_| {
        let v4 = Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
        Answer::PerFamily(Box::new(v4), Box::new(Answer::Silence))
    });
    let options = ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() };
    let seen = prober(&options).probe(&site(&server.url_at("half.test", "/"))).await;
    assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
    // Waiting for all tries to fail would take 6 s.
    assert!((50..5_000).contains(&millis(&seen, Phase::Resolve)), "{seen:?}");
}

#[tokio::test]
async fn addresses_of_ipv4_that_come_late_are_waited_for_since_those_of_ipv6_may_lead_nowhere() {
    let server = Server::start(Behaviour::ok());
    let names = NameServer::start(|_| {
        let v4 = Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
        let v6 = Answer::Addresses(vec!["::1".parse().unwrap()]);
        Answer::PerFamily(Box::new(Answer::After(Duration::from_millis(150), Box::new(v4))), Box::new(v6))
    });
    let options = ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() };
    let seen = prober(&options).probe(&site(&server.url_at("late.test", "/"))).await;
    assert_eq!((seen.cause, seen.address), (Cause::Ok, Some(server.address())), "{seen:?}");
    assert!(millis(&seen, Phase::Resolve) >= 149, "{seen:?}");
}

/// A server's identity and the expected result: the cause, all faults, a part of the detail.
type Shown = (Identity, Cause, Vec<CertificateFault>, &'static str);

/// Probes a server for each, by the rules and without them.
async fn check_certificates(prober: &HttpProber, rows: Vec<Shown>) {
    for (identity, cause, faults, detail) in rows {
        let server = Server::start(Behaviour::ok().over_tls(identity));
        for insecure in [false, true] {
            let seen = prober
                .probe(&Site { tls: TlsRules { insecure, ..TlsRules::default() }, ..site(&server.url("/")) })
                .await;
            let certificate = seen.certificate.as_ref().expect("the server shows a certificate");
            assert_eq!(certificate.faults, faults, "{seen:?}");
            assert_eq!(seen.flags.has(Flags::CERTIFICATE), !faults.is_empty(), "{seen:?}");
            assert_eq!(seen.cause, if insecure { Cause::Ok } else { cause }, "{seen:?}");
            assert!(insecure || seen.detail.contains(detail), "{detail}: {seen:?}");
            assert_eq!(phases(&seen), if seen.cause == Cause::Ok { "ctpT" } else { "ct" }, "{seen:?}");
            assert_sound(&seen, detail);
        }
    }
}

#[tokio::test]
async fn every_fault_of_a_certificate_is_found() {
    use CertificateFault::{Expired, MissingIntermediate, NotYetValid, SelfSigned, Untrusted, WrongHost};
    let (ours, theirs, namesake) = (Authority::new(), Authority::called("their"), Authority::new());
    let leaf = || Leaf::naming(&["127.0.0.1"]);
    let wrong = || Leaf::naming(&["other.test"]).called("other");
    let prober = prober(&ProberOptions { extra_roots: vec![ours.root()], ..online() });
    let rows = vec![
        (ours.issue(&leaf()), Cause::Ok, vec![], ""),
        (ours.issue(&leaf().expired()), Cause::TlsExpired, vec![Expired], "TLS: the certificate expired "),
        (
            ours.issue(&leaf().not_yet_valid()),
            Cause::TlsNotYetValid,
            vec![NotYetValid],
            "TLS: the certificate becomes valid in ",
        ),
        (ours.issue(&wrong()), Cause::TlsWrongHost, vec![WrongHost], "TLS: the certificate is for other.test"),
        (leaf().self_signed(), Cause::TlsUntrusted, vec![SelfSigned], "TLS: the certificate is self-signed"),
        (
            theirs.issue(&leaf()),
            Cause::TlsUntrusted,
            vec![Untrusted],
            "TLS: no trusted root vouches for the certificate",
        ),
        (namesake.issue(&leaf()), Cause::TlsUntrusted, vec![Untrusted], "issued by a test's intermediate"),
        (
            ours.issue_incomplete(&leaf().naming_its_issuer()),
            Cause::TlsUntrusted,
            vec![MissingIntermediate],
            "does not send the intermediate certificate a test's intermediate",
        ),
        (ours.issue_incomplete(&leaf()), Cause::TlsUntrusted, vec![Untrusted], "no trusted root"),
        (ours.issue(&wrong().expired()), Cause::TlsExpired, vec![Expired, WrongHost], "is for other.test"),
        (wrong().expired().self_signed(), Cause::TlsExpired, vec![Expired, WrongHost, SelfSigned], "self-signed"),
        // These end before they begin.
        (
            ours.issue(&leaf().expired().not_yet_valid()),
            Cause::TlsExpired,
            vec![Expired, NotYetValid],
            "becomes valid in ",
        ),
        (
            leaf().expired().not_yet_valid().self_signed(),
            Cause::TlsExpired,
            vec![Expired, NotYetValid, SelfSigned],
            "self-signed",
        ),
        (theirs.issue(&leaf().expired()), Cause::TlsExpired, vec![Expired, Untrusted], "no trusted root"),
    ];
    check_certificates(&prober, rows).await;
}

#[tokio::test]
async fn what_is_wrong_above_a_certificate_is_told_with_what_is_wrong_in_it() {
    use CertificateFault::{Expired, Invalid, NotYetValid, SelfSigned, Untrusted, WrongHost};
    let leaf = || Leaf::naming(&["127.0.0.1"]);
    let wrong = || Leaf::naming(&["other.test"]).called("other");
    let (ours, past, future) = (Authority::new(), Authority::of_the_past(), Authority::of_the_future());
    let unknown = Authority::of_the_past();
    let extra_roots = vec![ours.root(), past.root(), future.root()];
    let prober = prober(&ProberOptions { extra_roots, ..online() });
    let rows = vec![
        (leaf().of_an_authority().self_signed(), Cause::TlsUntrusted, vec![SelfSigned], "certificate is self-signed"),
        (
            wrong().expired().of_an_authority().self_signed(),
            Cause::TlsExpired,
            vec![Expired, WrongHost, SelfSigned],
            "self-signed",
        ),
        (
            ours.issue(&leaf().of_an_authority()),
            Cause::TlsError,
            vec![Invalid],
            "the certificate is refused: it is a CA certificate (CA:TRUE)",
        ),
        (past.issue(&leaf()), Cause::TlsExpired, vec![Expired], "TLS: an intermediate certificate expired "),
        (past.issue(&wrong()), Cause::TlsExpired, vec![Expired, WrongHost], "is for other.test"),
        (past.issue(&leaf().expired()), Cause::TlsExpired, vec![Expired], "TLS: the certificate expired "),
        (unknown.issue(&leaf()), Cause::TlsExpired, vec![Expired, Untrusted], "an intermediate certificate expired "),
        (unknown.issue(&wrong()), Cause::TlsExpired, vec![Expired, WrongHost, Untrusted], "is for other.test"),
        (
            future.issue(&leaf()),
            Cause::TlsNotYetValid,
            vec![NotYetValid],
            "TLS: an intermediate certificate becomes valid in ",
        ),
    ];
    check_certificates(&prober, rows).await;
}

#[tokio::test]
async fn a_certificate_tells_who_it_is_for_and_until_when() {
    let authority = Authority::new();
    let prober = prober(&ProberOptions { extra_roots: vec![authority.root()], ..online() });
    let days = |days: u64| Duration::from_hours(24 * days);
    for (time, flagged) in [(days(10), true), (days(100), false)] {
        let leaf = Leaf::naming(&["127.0.0.1"]).called("sh\u{1b}ell").expiring_in(time);
        let server = Server::start(Behaviour::ok().over_tls(authority.issue(&leaf)));
        let seen = prober.probe(&site(&server.url("/"))).await;
        let certificate = seen.certificate.as_ref().expect("the server shows a certificate");
        assert_eq!((seen.cause, certificate.faults.len()), (Cause::Ok, 0), "{seen:?}");
        assert_eq!(
            (certificate.subject.as_str(), certificate.issuer.as_str()),
            ("sh\u{fffd}ell", "a test's intermediate")
        );
        assert_eq!(certificate.not_before, Timestamp::from_secs(1_577_836_800));
        assert_eq!(seen.flags.has(Flags::CERTIFICATE), flagged, "{seen:?}");
    }
}

/// The length of `bytes`, of which there are few.
fn short(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).expect("what scripts say in a handshake is short")
}

/// A record of TLS with one handshake message, the server's hello, that chooses `version` and an old cipher (RFC 5246
/// §7.4.1.3).
fn server_hello(version: [u8; 2]) -> Vec<u8> {
    const AES_128_CBC_SHA: [u8; 2] = [0, 0x2f];
    let hello = [&version[..], &[7; 32], &[0], &AES_128_CBC_SHA, &[0]].concat();
    let message = [&[2, 0, 0, short(&hello)], hello.as_slice()].concat();
    [&[22], &version[..], &[0, short(&message)], &message].concat()
}

#[tokio::test]
async fn servers_that_do_not_speak_todays_tls_are_told_apart() {
    let alert = |number: u8| vec![21, 3, 1, 0, 2, 2, number];
    let prober = prober(&online());
    for (case, bytes, detail) in [
        ("TLS 1.0", server_hello([3, 1]), "the server speaks neither TLS 1.2 nor 1.3"),
        ("TLS 1.1", server_hello([3, 2]), "the server speaks neither TLS 1.2 nor 1.3"),
        ("SSL 3", server_hello([3, 0]), "the server speaks neither TLS 1.2 nor 1.3"),
        ("TLS 1.2 with a cipher that was not offered", server_hello([3, 3]), "SelectedUnofferedCipherSuite"),
        ("a version refused", alert(70), "it speaks neither TLS 1.2 nor 1.3"),
        ("a cipher refused", alert(40), "no protocol or cipher in common"),
        ("a name refused", alert(112), "it does not know this host name"),
        ("an internal error", alert(80), "it has an internal error"),
    ] {
        let server = Server::start(Behaviour::ok().at_accept(vec![Step::send(bytes), Step::Close]));
        let seen = prober.probe(&site(&server.url("/").replace("http://", "https://"))).await;
        assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::TlsError, "ct"), "{case}: {seen:?}");
        assert!(seen.detail.starts_with("TLS: ") && seen.detail.contains(detail), "{case}: {seen:?}");
        assert_sound(&seen, case);
    }
}

/// None of them comes to an end; each is given up long before the timeout.
#[tokio::test]
async fn handshakes_without_end_are_bounded() {
    let record = |kind: u8, content: &[u8]| [&[kind, 3, 3, 0, short(content)], content].concat();
    let prober = prober(&online());
    for (case, flood) in [
        ("warnings", record(21, &[1, 90])),
        ("changes of cipher", record(20, &[1])),
        ("records of nothing", record(22, &[])),
        ("a message without end", record(22, &[2, 0xff, 0xff, 0xff, 0, 0, 0, 0])),
        ("bytes", vec![0xff; 64]),
    ] {
        let server = Server::start(Behaviour::ok().at_accept(vec![Step::Flood(flood.repeat(100))]));
        let seen = prober.probe(&site(&server.url("/").replace("http://", "https://"))).await;
        assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::TlsError, "ct"), "{case}: {seen:?}");
        assert_sound(&seen, case);
    }
}

#[tokio::test]
async fn handshakes_that_fail_say_how() {
    let authority = Authority::new();
    let identity = || authority.issue(&Leaf::naming(&["127.0.0.1"]));
    let prober = prober(&ProberOptions { extra_roots: vec![authority.root()], ..online() });
    let over_tls = |url: String| url.replace("http://", "https://");
    let plain = Server::start(Behaviour::ok().at_accept(vec![Step::send("220 smtp ready\r\n"), Step::Hang]));
    let seen = prober.probe(&site(&over_tls(plain.url("/")))).await;
    assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::TlsError, "ct"), "{seen:?}");
    assert!(seen.detail.contains("does not speak TLS"), "{seen:?}");
    // A fatal alert, handshake_failure, as old servers send it.
    let alert = Server::start(Behaviour::ok().at_accept(vec![Step::send([21, 3, 3, 0, 2, 2, 40]), Step::Close]));
    let seen = prober.probe(&site(&over_tls(alert.url("/")))).await;
    assert_eq!(seen.cause, Cause::TlsError, "{seen:?}");
    assert!(seen.detail.contains("no protocol or cipher in common"), "{seen:?}");
    let stalled = Server::start(Behaviour::ok().at_accept(vec![Step::Hang]).over_tls(identity()));
    let seen = prober.probe(&impatient(&stalled.url("/"))).await;
    assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::TlsTimeout, "ct"), "{seen:?}");
    assert!(seen.phases.total().get() >= 500_000, "{seen:?}");
    assert_sound(&seen, "stalled");
}

#[tokio::test]
async fn an_end_without_close_notify_is_an_end() {
    let authority = Authority::new();
    let prober = prober(&ProberOptions { extra_roots: vec![authority.root()], ..online() });
    for (head, cause) in [
        ("HTTP/1.1 200 OK\r\n\r\nall of it", Cause::Ok),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nall of it", Cause::Truncated),
        ("HTTP/1.1 200", Cause::Closed),
    ] {
        let script = Behaviour::always(vec![Step::send(head), Step::Cut]);
        let server = Server::start(script.over_tls(authority.issue(&Leaf::naming(&["127.0.0.1"]))));
        let seen = prober.probe(&site(&server.url("/"))).await;
        assert_eq!(seen.cause, cause, "{head:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_site_reached_over_tls_may_send_to_plain_text() {
    let authority = Authority::new();
    let plain = Server::start(Behaviour::ok());
    let target = plain.url("/plain");
    let location = target.clone();
    let behaviour = Behaviour::answering(move |_| vec![Step::send(redirect(302, &target))]);
    let server = Server::start(behaviour.over_tls(authority.issue(&Leaf::naming(&["127.0.0.1"]))));
    let prober = prober(&ProberOptions { extra_roots: vec![authority.root()], ..online() });
    let seen = prober.probe(&site(&server.url("/"))).await;
    assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::Ok, "ctpT"), "{seen:?}");
    assert!(seen.hops[0].url.starts_with("https://") && seen.certificate.is_some(), "{seen:?}");
    assert!(seen.hops[0].location == location && seen.hops[0].leaves_encryption(), "{seen:?}");
}

#[tokio::test]
async fn of_several_certificates_the_first_to_expire_is_shown() {
    let authority = Authority::new();
    let days = |days: u64| Duration::from_hours(24 * days);
    let start = |expires, behaviour: Behaviour| {
        let leaf = Leaf::naming(&["127.0.0.1"]).called(&format!("{expires} days")).expiring_in(days(expires));
        Server::start(behaviour.over_tls(authority.issue(&leaf)))
    };
    let prober = prober(&ProberOptions { extra_roots: vec![authority.root()], ..online() });
    for (first, last, shown, flagged) in [(8, 80, "8 days", true), (80, 8, "8 days", true), (90, 80, "80 days", false)]
    {
        let landed = start(last, Behaviour::ok());
        let target = landed.url("/");
        let server = start(first, Behaviour::answering(move |_| vec![Step::send(redirect(302, &target))]));
        let tls = TlsRules { warn: days(21), ..TlsRules::default() };
        let seen = prober.probe(&Site { tls, ..site(&server.url("/")) }).await;
        let subject = seen.certificate.as_ref().map(|certificate| certificate.subject.as_str());
        assert_eq!((seen.cause, subject), (Cause::Ok, Some(shown)), "{seen:?}");
        assert_eq!(seen.flags.has(Flags::CERTIFICATE), flagged, "{seen:?}");
    }
}

/// Starts a probe of `site` beside this one.
fn start(running: &mut JoinSet<Observation>, prober: &Arc<HttpProber>, site: Site) {
    let prober = Arc::clone(prober);
    running.spawn(async move { prober.probe(&site).await });
}

/// 128 lookups whose names begin with `n`, of which the first is answered as `first` says, and 20 that come too late.
async fn more_lookups_than_may_be_in_flight(first: Answer) -> Vec<Observation> {
    let names = NameServer::start(move |name| if name.starts_with("n0.") { first.clone() } else { Answer::Silence });
    let prober = Arc::new(prober(&ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() }));
    let mut running = JoinSet::new();
    let patient = |url: &str, millis| Site { timeout: Duration::from_millis(millis), ..site(url) };
    for n in 0..128 {
        start(&mut running, &prober, patient(&format!("http://n{n}.example.test/"), 3_000));
    }
    for n in 0..20 {
        // The first in the queue gets the slot of the lookup that was answered, and keeps it.
        let timeout = if n == 0 { 3_000 } else { 2_000 };
        start(&mut running, &prober, patient(&format!("http://late{n}.example.test/"), timeout));
    }
    let seen = running.join_all().await;
    assert!(!names.asked().iter().any(|name| name.starts_with("late") && !name.starts_with("late0.")));
    seen
}

#[tokio::test]
async fn lookups_in_flight_are_bounded_and_waiting_for_one_is_no_outage() {
    let first = Answer::After(Duration::from_secs(1), Box::new(Answer::Code(3)));
    let seen = more_lookups_than_may_be_in_flight(first).await;
    let count = |cause| seen.iter().filter(|seen| seen.cause == cause).count();
    assert_eq!((count(Cause::DnsNotFound), count(Cause::DnsTimeout), count(Cause::Local)), (1, 128, 19));
    // Only the look at the cache counts as their time.
    let late = seen.iter().filter(|seen| seen.cause == Cause::Local);
    let spent: u32 = late.map(|seen| seen.phases.total().get()).sum();
    assert!(spent < 19 * 1_000_000, "waiting is on the clock: {spent} µs");
}

#[tokio::test]
async fn waiting_while_no_lookup_gets_an_answer_is_the_silence_of_the_name_servers() {
    let seen = more_lookups_than_may_be_in_flight(Answer::Silence).await;
    assert!(seen.iter().all(|seen| seen.cause == Cause::DnsTimeout), "{seen:?}");
    let waited: Vec<_> = seen.iter().filter(|seen| seen.detail.contains("none of the DNS lookups")).collect();
    // The first of them may get the slot of a lookup that gave up just before it does itself.
    assert!(waited.len() >= 19, "{waited:?}");
    assert!(waited.iter().all(|seen| millis(seen, Phase::Resolve) >= 1_900), "{waited:?}");
}

thread_local! {
    /// What the clock of a test is ahead.
    static AHEAD: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// A process that was stopped and resumes finds its timers long overdue.
#[tokio::test]
async fn a_check_during_which_webmon_did_not_run_says_nothing_of_the_site() {
    let server = Server::start(Behaviour::always(vec![Step::Hang]));
    for (stopped, cause) in [(0, Cause::ResponseTimeout), (60, Cause::Local)] {
        AHEAD.set(Duration::ZERO);
        let prober = HttpProber::with(&online(), || clock() + AHEAD.get()).expect("these options are good");
        let site = impatient(&server.url("/"));
        let mut probe = Box::pin(prober.probe(&site));
        let seen = poll_fn(|cx| {
            let seen = probe.as_mut().poll(cx);
            AHEAD.set(Duration::from_secs(stopped));
            seen
        })
        .await;
        assert_eq!(seen.cause, cause, "{seen:?}");
        assert_eq!(seen.detail.starts_with("webmon did not run for "), stopped > 0, "{seen:?}");
    }
}

#[tokio::test]
async fn names_that_nobody_answers_for_do_not_hold_up_the_others() {
    let server = Server::start(Behaviour::ok());
    let names = NameServer::start(|name| {
        if name.starts_with("drop") { Answer::Silence } else { Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]) }
    });
    let prober = Arc::new(prober(&ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() }));
    let drops = |running: &mut JoinSet<Observation>, timeout: u64| {
        for n in 0..150 {
            let url = format!("http://drop{n}.example.test/");
            start(running, &prober, Site { timeout: Duration::from_millis(timeout), ..site(&url) });
        }
    };
    let mut running = JoinSet::new();
    drops(&mut running, 500);
    let seen = running.join_all().await;
    assert!(seen.iter().all(|seen| matches!(seen.cause, Cause::DnsTimeout | Cause::Local)), "{seen:?}");
    let mut running = JoinSet::new();
    drops(&mut running, 10_000);
    tokio::task::yield_now().await;
    for n in 0..10 {
        let seen = prober.probe(&site(&server.url_at(&format!("ok{n}.example.test"), "/"))).await;
        assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
    }
    assert!(running.try_join_next().is_none(), "the others had to wait until a silent one gave up");
}

#[tokio::test]
async fn an_answer_is_remembered_while_it_is_good_and_shared_meanwhile() {
    let server = Server::start(Behaviour::ok());
    let names = NameServer::start(|_| {
        Answer::After(Duration::from_millis(30), Box::new(Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()])))
    });
    let prober = Arc::new(prober(&ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() }));
    let mut running = JoinSet::new();
    for _ in 0..5 {
        start(&mut running, &prober, site(&server.url_at("same.example.test", "/")));
    }
    let seen = running.join_all().await;
    assert!(seen.iter().all(|seen| seen.cause == Cause::Ok && millis(seen, Phase::Resolve) >= 30), "{seen:?}");
    let again = prober.probe(&site(&server.url_at("same.example.test", "/"))).await;
    assert_eq!((again.cause, phases(&again).as_str()), (Cause::Ok, "rcpT"));
    assert_eq!(names.asked().len(), 2, "once for each address family");
}

#[tokio::test]
async fn hostile_servers_do_not_disturb_their_neighbours() {
    let hostile = [
        vec![Step::Flood("HTTP/1.1 103 Early Hints\r\n\r\n".into())],
        vec![Step::send("HTTP/1.1 200 OK\r\n\r\n"), Step::Flood(vec![b'x'; 64 * 1024])],
        vec![Step::Drip(vec![b'x'; 1000], Duration::from_millis(1))],
        vec![Step::Hang],
        vec![Step::send("garbage\r\n\r\n")],
        vec![Step::Reset],
    ]
    .map(|script| Server::start(Behaviour::always(script)));
    let healthy = Server::start(Behaviour::ok());
    let prober = Arc::new(prober(&online()));
    let mut attacks = JoinSet::new();
    for server in &hostile {
        for _ in 0..4 {
            let (prober, site) = (Arc::clone(&prober), impatient(&server.url("/")));
            attacks.spawn(async move { prober.probe(&site).await });
        }
    }
    for _ in 0..20 {
        let seen = prober.probe(&site(&healthy.url("/"))).await;
        assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
    }
    let seen = attacks.join_all().await;
    // A busy machine may have had no time for those that hang.
    let is_busy = |seen: &Observation| seen.detail.contains("too busy") || seen.detail.contains("too late");
    assert!(seen.iter().all(|seen| seen.cause != Cause::Local || is_busy(seen)), "{seen:?}");
    assert_eq!(healthy.requests().len(), 20);
}

#[tokio::test]
async fn a_probe_that_is_over_leaves_no_connection() {
    let servers = [
        Server::start(Behaviour::always(vec![Step::Hang])),
        Server::start(Behaviour::always(vec![Step::send("HTTP/1.1 200 OK\r\n\r\n"), Step::Hang])),
    ];
    for server in &servers {
        assert!(matches!(
            probe(&impatient(&server.url("/"))).await.cause,
            Cause::ResponseTimeout | Cause::TransferTimeout
        ));
        // The server learns of the end from the kernel, a moment later.
        let begin = clock();
        while server.open() > 0 && clock() - begin < Duration::from_secs(10) {
            tokio::task::yield_now().await;
        }
        assert_eq!((server.open(), server.accepted()), (0, 1));
    }
}

#[tokio::test]
async fn a_probe_can_be_given_up_at_any_moment() {
    let server = Server::start(Behaviour::always(vec![Step::Hang]));
    let (prober, site) = (prober(&online()), site(&server.url("/")));
    let given_up = tokio::time::timeout(Duration::from_millis(50), prober.probe(&site)).await;
    assert!(given_up.is_err());
}
