//! Response bodies: compressed, in other charsets, streamed, and slow to search.

use std::cell::Cell;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Behaviour, Server, Step, response};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use regex::bytes::Regex;
use webmon::model::expect::{JsonExpectation, JsonWish};
use webmon::model::{BodyExpectations, Cause, Expect, Expected, Observation, Site};
use webmon::probe::{HttpProber, Prober, ProberOptions};

#[allow(clippy::disallowed_methods, reason = "probes of real sockets take real time")]
fn clock() -> Instant {
    Instant::now()
}

fn prober() -> Arc<HttpProber> {
    Arc::new(HttpProber::with(&ProberOptions { has_route: |_| true, ..ProberOptions::default() }, clock).unwrap())
}

fn contains(part: &str) -> Expect {
    let part = Expected { what: part.to_owned(), shown: part.to_owned() };
    BodyExpectations { contains: vec![part], ..BodyExpectations::default() }.into()
}

fn matches(pattern: &str) -> Expect {
    let pattern = Expected { what: Regex::new(pattern).unwrap(), shown: pattern.to_owned() };
    BodyExpectations { regex: Some(pattern), ..BodyExpectations::default() }.into()
}

fn site(server: &Server, path: &str, expect: Expect) -> Site {
    Site {
        expect,
        timeout: Duration::from_mins(1),
        max_body: 16 << 20,
        ..Site::new(path, server.url(path).parse().unwrap())
    }
}

/// An answer with `headers` and `body`.
fn answer(headers: &str, body: &[u8]) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    vec![Step::send([head.as_bytes(), body].concat())]
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn outcome(seen: &Observation) -> (Cause, &str) {
    (seen.cause, seen.detail.as_str())
}

#[tokio::test]
async fn a_body_that_came_packed_unasked_is_unpacked_before_it_is_judged() {
    let plain = b"<h1>the shop is open</h1>";
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(plain).unwrap();
    let zlib = zlib.finish().unwrap();
    let server = Server::start(Behaviour::answering(move |request| match request.target.as_str() {
        "/gzip" => answer("Content-Encoding: gzip\r\n", &gzip(plain)),
        "/twice" => answer("Content-Encoding: deflate, x-gzip\r\n", &gzip(&zlib)),
        "/plain" => answer("Content-Encoding: gzip\r\n", plain),
        "/json" => answer("Content-Encoding: deflate\r\n", b"{\"shop\": \"open\"}"),
        "/transfer" => {
            let (head, body) = ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", gzip(plain));
            let size = format!("{:x}\r\n", body.len());
            vec![Step::send([head.as_bytes(), size.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat())]
        }
        "/none" => answer("Content-Encoding: none\r\n", plain),
        "/stored" => answer("Content-Encoding: aws-chunked,gzip\r\n", &gzip(plain)),
        "/charset" => answer("Content-Encoding: utf-8\r\n", plain),
        "/closed" => answer("Content-Encoding: utf-8\r\n", b"closed"),
        "/garbage" => answer("Content-Type: a/b\r\nContent-Encoding: deflate\r\n", b"\x07\x80\x81\x82\x83\x84\x85\x86"),
        "/broken" => {
            answer("Content-Type: a/b\r\nContent-Encoding: gzip\r\n", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff\xff")
        }
        _ => answer("Content-Encoding: br\r\n", b"\x0b\x02\x80open\x03"),
    }));
    let prober = prober();
    let bytes = gzip(plain).len() as u64;
    for (path, cause, detail) in [
        ("/gzip", Cause::Ok, ""),
        ("/twice", Cause::Ok, ""),
        ("/plain", Cause::Ok, ""),
        ("/json", Cause::Ok, ""),
        ("/transfer", Cause::Ok, ""),
        ("/none", Cause::Ok, ""),
        ("/stored", Cause::Ok, ""),
        ("/charset", Cause::Ok, ""),
        (
            "/closed",
            Cause::Body,
            "the body does not contain \"open\"; webmon does not know its \"Content-Encoding: utf-8\"; it is 6 bytes and \
             begins \"closed\"",
        ),
        (
            "/garbage",
            Cause::Body,
            "the body does not contain \"open\"; its header says deflate, but it is not; it is 8 bytes of a/b \
             and begins \"\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\"",
        ),
        ("/broken", Cause::Body, "the body is not valid gzip, as its header says; 13 bytes of a/b received"),
        ("/br", Cause::Body, "the body is compressed with br, which webmon does not read"),
    ] {
        let seen = prober.probe(&site(&server, path, contains("open"))).await;
        assert_eq!(outcome(&seen), (cause, detail), "{path}");
        if path == "/gzip" {
            assert_eq!(seen.bytes, bytes, "what came over the wire");
        }
        let unread = prober.probe(&site(&server, path, Expect::default())).await;
        assert_eq!(unread.cause, Cause::Ok, "{path}: nothing is expected of the body");
    }
    let cut = Site { max_body: bytes / 2, ..site(&server, "/gzip", contains("<h")) };
    assert_eq!(prober.probe(&cut).await.cause, Cause::Ok, "what could be unpacked");
}

#[tokio::test]
async fn a_body_is_read_in_its_charset() {
    let server = Server::start(Behaviour::answering(|request| match request.target.as_str() {
        "/latin" => answer("Content-Type: text/html; charset=ISO-8859-1\r\n", b"Gr\xfc\xdfe"),
        "/mark" => answer("", b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe"),
        "/utf16" => answer("", b"\xff\xfeG\0r\0\xfc\0\xdf\0e\0"),
        "/packed" => answer("Content-Encoding: gzip\r\n", &gzip(b"<meta charset=latin1>\nGr\xfc\xdfe")),
        _ => answer("Content-Type: text/plain; charset=x-odd\r\n", b"Gr\xfc\xdfe"),
    }));
    let prober = prober();
    for path in ["/latin", "/mark", "/utf16", "/packed"] {
        for expect in [contains("Grüße"), matches("(?m)^Grüße$")] {
            let seen = prober.probe(&site(&server, path, expect)).await;
            assert_eq!(outcome(&seen), (Cause::Ok, ""), "{path}");
        }
    }
    let seen = prober.probe(&site(&server, "/odd", contains("Grüße"))).await;
    let said = "the body does not contain \"Grüße\"; webmon does not know its charset \"x-odd\"; it is 5 bytes of \
                text/plain and begins \"Gr\u{fffd}\u{fffd}e\"";
    assert_eq!(outcome(&seen), (Cause::Body, said));
}

#[tokio::test]
async fn a_stream_is_read_until_it_is_decided() {
    let head = |kind: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let server = Server::start(Behaviour::answering(move |request| {
        let kind = if request.target == "/page" { "text/html" } else { "text/event-stream; charset=utf-8" };
        vec![Step::send(head(kind) + "4\r\ndata\r\n"), Step::wait_ms(20), Step::send("6\r\n: ok\n\n\r\n"), Step::Hang]
    }));
    let prober = prober();
    for keep_alive in [false, true] {
        for expect in [contains(": ok"), matches(r"(?m)^data: \w+$")] {
            let events = Site { keep_alive, ..site(&server, "/events", expect.clone()) };
            let seen = prober.probe(&events).await;
            assert_eq!(outcome(&seen), (Cause::Ok, ""), "{seen:?}");
            assert_eq!(seen.bytes, 10);
            if keep_alive {
                continue;
            }
            // Without the name of a stream, a body counts as one if it has not ended in time.
            let page = Site { timeout: Duration::from_secs(1), ..site(&server, "/page", expect) };
            let seen = prober.probe(&page).await;
            assert_eq!(outcome(&seen), (Cause::Ok, ""), "{seen:?}");
            assert!(seen.phases.total().as_duration() < page.timeout, "up to the deciding byte: {seen:?}");
        }
    }
    assert_eq!(server.accepted(), server.requests().len(), "no connection serves twice");
    for expect in [contains("not there"), matches("ok\n\n$"), Expect::default()] {
        let events = Site { timeout: Duration::from_millis(300), ..site(&server, "/events", expect) };
        assert_eq!(prober.probe(&events).await.cause, Cause::TransferTimeout);
    }
}

/// `text`, compressed by a server that flushes after each event and stays open.
fn flushed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.flush().unwrap();
    encoder.get_ref().clone()
}

#[tokio::test]
async fn a_stream_is_decided_in_its_text_also_where_that_is_packed_or_in_another_charset() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let server = Server::start(Behaviour::answering(move |request| {
        let (headers, body) = match request.target.trim_start_matches("/page") {
            "/gzip" => ("Content-Encoding: gzip\r\n", flushed("data: Grüße\n\n".as_bytes())),
            "/transfer" => ("Transfer-Encoding: gzip\r\n", flushed("data: Grüße\n\n".as_bytes())),
            "/latin" => ("Content-Type: text/event-stream; charset=latin1\r\n", b"data: Gr\xfc\xdfe\n\n".to_vec()),
            "/utf16" => ("Content-Type: text/event-stream; charset=utf-16le\r\n", utf16("data: Grüße\n\n")),
            "/mark" => ("", [&b"\xff\xfe"[..], &utf16("data: Grüße\n\n")].concat()),
            "/both" => ("Content-Encoding: gzip\r\n", flushed(&[&b"\xff\xfe"[..], &utf16("data: Grüße\n\n")].concat())),
            _ => ("Content-Encoding: deflate\r\n", "data: Grüße\n\n".as_bytes().to_vec()),
        };
        let kind = if request.target.starts_with("/page") { "text/html" } else { "text/event-stream" };
        let kind = if headers.contains("Content-Type") { String::new() } else { format!("Content-Type: {kind}\r\n") };
        // Without a length, in two pieces that end in the middle of a character.
        let (first, last) = body.split_at(body.len() - 9);
        let head = format!("HTTP/1.1 200 OK\r\n{kind}{headers}\r\n").into_bytes();
        vec![Step::send([&head, first].concat()), Step::wait_ms(20), Step::send(last), Step::Hang]
    }));
    let prober = prober();
    for path in ["/gzip", "/transfer", "/latin", "/utf16", "/mark", "/both", "/mislabelled"] {
        for expect in [contains("Grüße"), matches(r"(?m)^data: \w+$")] {
            let seen = prober.probe(&site(&server, path, expect.clone())).await;
            assert_eq!(outcome(&seen), (Cause::Ok, ""), "{path}: {seen:?}");
            if !matches!(path, "/gzip" | "/utf16") {
                continue;
            }
            let page = format!("/page{path}");
            let page = Site { timeout: Duration::from_secs(1), ..site(&server, &page, expect) };
            let seen = prober.probe(&page).await;
            assert_eq!(outcome(&seen), (Cause::Ok, ""), "/page{path}: {seen:?}");
            assert!(seen.phases.total().as_duration() < page.timeout, "up to the deciding byte: {seen:?}");
        }
    }
    for path in ["/gzip", "/utf16"] {
        let events = Site { timeout: Duration::from_millis(300), ..site(&server, path, contains("not there")) };
        assert_eq!(prober.probe(&events).await.cause, Cause::TransferTimeout, "{path}");
    }
}

/// Many times what the network thread searches: decided by what was unpacked when the time is up.
#[tokio::test]
async fn a_packed_stream_that_unpacks_to_much_is_decided_in_the_end() {
    let server = Server::start(Behaviour::answering(|_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n".to_owned();
        let packed = flushed(&[&vec![b'x'; 8 << 20][..], b"\ndata: ok\n\n"].concat());
        vec![Step::send([head.as_bytes(), &packed].concat()), Step::Hang]
    }));
    let events = Site { timeout: Duration::from_secs(5), ..site(&server, "/", contains("data: ok")) };
    let seen = prober().probe(&events).await;
    assert_eq!(outcome(&seen), (Cause::Ok, ""), "{seen:?}");
}

#[tokio::test]
async fn what_says_how_long_it_is_has_to_come_whole() {
    let server = Server::start(Behaviour::answering(|request| match request.target.as_str() {
        "/hangs" => vec![Step::send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), Step::Hang],
        _ => vec![Step::send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"), Step::Close],
    }));
    let prober = prober();
    for (path, cause) in [("/hangs", Cause::TransferTimeout), ("/breaks-off", Cause::Truncated)] {
        let site = Site { timeout: Duration::from_millis(500), ..site(&server, path, contains("ok")) };
        assert_eq!(prober.probe(&site).await.cause, cause, "{path}");
    }
}

/// Checks of other sites that have been made while a body was looked at.
static OTHERS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static USED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// A processor clock that stands still until three other checks are done and then counts 50 ms per turn, so that the speed of
/// the machine does not matter.
fn thread_time() -> Duration {
    if OTHERS.load(Ordering::Relaxed) >= 3 {
        USED.set(USED.get() + Duration::from_millis(50));
    }
    USED.get()
}

/// One thread runs everything, as in a monitor.
#[tokio::test]
async fn a_body_that_takes_long_to_match_holds_up_no_other_site() {
    let mut random = 1_u32;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        b"ok"[random as usize % 2]
    };
    let hot: Vec<u8> = std::iter::repeat_with(&mut next).take(1 << 20).collect();
    let server = Server::start(Behaviour::answering(move |request| match request.target.as_str() {
        "/hot" => answer("", &hot),
        _ => vec![Step::send(response(200, "ok"))],
    }));
    let options = ProberOptions { has_route: |_| true, thread_time: Some(thread_time), ..ProberOptions::default() };
    let prober = Arc::new(HttpProber::with(&options, clock).unwrap());
    let (first, second) = (Arc::clone(&prober), Arc::clone(&prober));
    let hot = site(&server, "/hot", matches("ok.{0,160}done"));
    let next = hot.clone();
    let mut running = tokio::spawn(async move { first.probe(&hot).await });
    while server.requests().iter().all(|request| request.answered.is_none() || request.target != "/hot") {
        tokio::task::yield_now().await;
    }
    // Of the same site, and overtaken by its first one.
    let waiting = tokio::spawn(async move { second.probe(&next).await });
    let quiet = site(&server, "/quiet", contains("ok"));
    let seen = loop {
        tokio::select! {
            seen = &mut running => break seen.unwrap(),
            seen = prober.probe(&quiet) => {
                assert_eq!(outcome(&seen), (Cause::Ok, ""));
                OTHERS.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    assert_eq!(outcome(&seen), (Cause::Body, "matching took longer than 1 s"));
    assert_eq!(outcome(&waiting.await.unwrap()), (Cause::Body, "matching took longer than 1 s"));
}

/// The next check uses the same connection, whatever surrounded the body.
#[tokio::test]
async fn a_connection_is_kept_after_a_body_in_odd_chunks() {
    let server = Server::start(Behaviour::answering(|_| {
        let head = "http/1.1  200\r\nTransfer-Encoding: chunked\r\n\r\n";
        vec![Step::send(format!("{head}2 ;x=y\r\nok\n0\r\nFoo Bar: x\r\nno colon\r\n\r\n"))]
    }));
    let prober = prober();
    let site = Site { keep_alive: true, ..site(&server, "/", matches("^ok$")) };
    for _ in 0..3 {
        let seen = prober.probe(&site).await;
        assert_eq!((outcome(&seen), seen.bytes), ((Cause::Ok, ""), 2), "{seen:?}");
    }
    assert_eq!(server.accepted(), 1);
}

/// What is dropped is bounded by what may pack a body, and the body that came is judged.
#[tokio::test]
async fn trailers_without_end_are_read_no_further() {
    let server = Server::start(Behaviour::answering(|_| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n";
        vec![Step::send(format!("{head}{}", "X: y\r\n".repeat(400_000)))]
    }));
    let seen = prober().probe(&site(&server, "/", matches("^ok$"))).await;
    assert_eq!(outcome(&seen), (Cause::Ok, ""), "{seen:?}");
}

/// The head and 2 KiB of the body of a failed answer are kept, without secrets; of a successful one nothing is.
#[tokio::test]
async fn a_failed_answer_leaves_evidence() {
    let long = format!("<h1>Bad\x1b[2J gateway</h1>\r\nkey-of-mine {}", "x".repeat(9_000));
    let sent = long.clone();
    let server = Server::start(Behaviour::answering(move |request| {
        let body = sent.as_bytes();
        match request.target.as_str() {
            "/good" => answer("", b"fine"),
            "/moved" => {
                vec![Step::send("HTTP/1.1 302 Found\r\nLocation: /bad\r\nX-Hop: 1\r\nContent-Length: 0\r\n\r\n")]
            }
            "/packed" => {
                let body = gzip(body);
                let head = "HTTP/1.1 502 Bad\r\nContent-Encoding: gzip\r\n";
                let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
                vec![Step::send([head.as_bytes(), &body].concat())]
            }
            "/picture" => vec![Step::send("HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\n\u{7f}\0\0\0")],
            "/nothing" => vec![Step::Close],
            _ => {
                let head = "HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nSet-Cookie: id=7\r\n";
                let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
                vec![Step::send([head.as_bytes(), body].concat())]
            }
        }
    }));
    let prober = prober();
    let probe = |path: &'static str, expect: Expect| {
        let (mut site, prober) = (site(&server, path, expect), Arc::clone(&prober));
        site.secrets = webmon::model::KnownSecrets::new(["key-of-mine"]);
        async move { prober.probe(&Arc::new(site)).await }
    };
    assert_eq!(probe("/good", Expect::default()).await.evidence, None);
    for path in ["/bad", "/moved"] {
        let seen = probe(path, Expect::default()).await;
        let evidence = seen.evidence.expect("an answer came");
        assert_eq!((seen.cause, &*evidence.url), (Cause::Status, &*server.url("/bad")), "{path}");
        let headers: Vec<_> = evidence.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(headers, [("server", "nginx"), ("set-cookie", "***"), ("content-length", "9038")]);
        let body = evidence.body.expect("it is text");
        assert!(body.starts_with("<h1>Bad\u{fffd}[2J gateway</h1>\n*** xxx"), "{body}");
        assert!((2_000..=2_048).contains(&body.len()) && body.ends_with('…'), "{}", body.len());
    }
    let packed = probe("/packed", Expect::default()).await.evidence.unwrap().body.unwrap();
    assert!(packed.contains("gateway</h1>\n*** xxx"), "{packed}");
    assert_eq!(probe("/picture", Expect::default()).await.evidence.unwrap().body, None);
    assert_eq!(probe("/nothing", Expect::default()).await.evidence, None);
    let wrong = probe("/good", contains("open")).await;
    assert_eq!(wrong.evidence.unwrap().body.as_deref(), Some("fine"));
    let slow = Expect { max_response_time: Some(Duration::from_nanos(1)), ..Expect::default() };
    let slow = probe("/good", slow).await;
    assert_eq!((slow.cause, slow.evidence.unwrap().body), (Cause::Slow, None), "its body was right");
}

/// A page that must not say something is judged at its end, also without a length; a stream has none.
#[tokio::test]
async fn what_must_not_be_there_needs_the_end_of_the_body() {
    let chunked = |body: &str, end: &str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}{:x}\r\n{body}\r\n{end}", body.len())
    };
    let server = Server::start(Behaviour::answering(move |request| match request.target.as_str() {
        "/good" => vec![Step::send(chunked(r#"{"state":"up"}"#, "0\r\n\r\n"))],
        "/bad" => vec![Step::send(chunked(r#"{"state":"error"}"#, "0\r\n\r\n"))],
        _ => vec![Step::send(chunked(r#"{"state":"up"}"#, "")), Step::Hang],
    }));
    let prober = prober();
    let part = Expected { what: "error".to_owned(), shown: "error".to_owned() };
    let not = || BodyExpectations { not_contains: vec![part.clone()], ..BodyExpectations::default() };
    let state = Expected { what: serde_json::json!("up"), shown: "\"up\"".to_owned() };
    let wanted = JsonWish::OneOf(vec![state]);
    let json = || {
        let json = vec![JsonExpectation { path: "/state".to_owned(), query: None, wanted: wanted.clone() }];
        BodyExpectations { json, ..BodyExpectations::default() }
    };
    for (path, expected, cause, detail) in [
        ("/good", not(), Cause::Ok, ""),
        ("/good", json(), Cause::Ok, ""),
        (
            "/bad",
            not(),
            Cause::Body,
            "the body contains \"error\", which it must not; it is 17 bytes of application/json",
        ),
        ("/bad", json(), Cause::Body, "/state is \"error\", expected \"up\""),
        ("/endless", not(), Cause::TransferTimeout, "timed out in transfer after 500 ms"),
        ("/endless", json(), Cause::TransferTimeout, "timed out in transfer after 500 ms"),
    ] {
        let mut site = site(&server, path, expected.into());
        if cause == Cause::TransferTimeout {
            site.timeout = Duration::from_millis(500);
        }
        let seen = prober.probe(&site).await;
        assert!(seen.cause == cause && seen.detail.starts_with(detail), "{path}: {seen:?}");
    }
}
