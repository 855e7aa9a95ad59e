//! Ports of a website that serve no pages: WebSocket, and ports with and without TLS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::bytes::Regex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use webmon::model::expect::{JsonExpectation, JsonWish};
use webmon::model::{
    BodyExpectations, Cause, Expect, Expected, Flags, KnownSecrets, Observation, Phase, Pin, Proxy as SiteProxy,
    ProxyRule, Secret, Site, Status, TlsRules, TlsVersion,
};
use webmon::probe::{HttpProber, Prober as _, ProberOptions};

use crate::support::proxy::{Proxy, Way};
use crate::support::tls::{Authority, Identity, Leaf};
use crate::support::{Behaviour, Server, Step, redirect};

#[allow(clippy::disallowed_methods, reason = "a real clock for real sockets; no test compares its times")]
fn clock() -> Instant {
    Instant::now()
}

fn prober(authority: Option<&Authority>) -> HttpProber {
    let extra_roots = authority.iter().map(|authority| authority.root()).collect();
    let options = ProberOptions { has_route: |_| true, extra_roots, all_evidence: true, ..ProberOptions::default() };
    HttpProber::with(&options, clock).unwrap()
}

trait Line: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Line for T {}

/// What a server noted.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A server that does whatever `serve` does with each connection; it runs as long as the runtime of its test.
struct Port {
    address: SocketAddr,
    log: Log,
}

impl Port {
    async fn start<W>(identity: Option<Identity>, serve: impl Fn(Box<dyn Line>, Log) -> W + Send + 'static) -> Self
    where
        W: Future<Output = Option<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, log) = (listener.local_addr().unwrap(), Log::default());
        let acceptor = identity.map(|identity| TlsAcceptor::from(identity.server_config()));
        let noted = log.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tcp.set_nodelay(true).unwrap();
                let line: Box<dyn Line> = match &acceptor {
                    None => Box::new(tcp),
                    Some(acceptor) => match acceptor.accept(tcp).await {
                        Ok(tls) => {
                            let alpn = tls.get_ref().1.alpn_protocol().map(String::from_utf8_lossy);
                            noted.note(format!("alpn {}", alpn.as_deref().unwrap_or("none")));
                            Box::new(tls)
                        }
                        Err(_) => continue,
                    },
                };
                tokio::spawn(serve(line, noted.clone()));
            }
        });
        Self { address, log }
    }

    /// A WebSocket, whose server then does `after`.
    async fn websocket<W>(
        identity: Option<Identity>,
        after: impl Fn(Box<dyn Line>, Log) -> W + Send + Sync + 'static,
    ) -> Self
    where
        W: Future<Output = Option<()>> + Send + 'static,
    {
        let after = Arc::new(after);
        Self::start(identity, move |mut line, log| {
            let after = Arc::clone(&after);
            async move {
                let head = head(&mut line).await?;
                let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap().to_owned();
                log.note(head);
                line.write_all(switch(&accept(&key)).as_bytes()).await.ok()?;
                after(line, log).await
            }
        })
        .await
    }

    /// Sends `said` at once, and then waits for the client to leave.
    async fn saying(identity: Option<Identity>, said: impl Into<Vec<u8>>) -> Self {
        let said = said.into();
        Self::start(identity, move |mut line, log| {
            let said = said.clone();
            async move {
                line.write_all(&said).await.ok()?;
                line.flush().await.ok()?;
                log.note(format!("end {:?}", line.read_to_end(&mut Vec::new()).await.map_err(|error| error.kind())));
                Some(())
            }
        })
        .await
    }

    fn site(&self, scheme: &str) -> Site {
        Site {
            timeout: Duration::from_secs(20),
            ..Site::new("site", format!("{scheme}://{}", self.address).parse().unwrap())
        }
    }

    /// What it noted, once that is so much.
    async fn noted(&self, count: usize) -> Vec<String> {
        loop {
            let all = self.log.all();
            if all.len() >= count {
                return all;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The head of a request, names in lower case.
async fn head(line: &mut Box<dyn Line>) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(line.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap().replace('\r', ""))
}

fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

fn switch(accept: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// A frame of a server with fewer than 126 bytes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(payload.len()).unwrap()], payload].concat()
}

/// The next frame of a client with fewer than 126 bytes: its first byte and its payload, which is masked.
async fn heard(line: &mut Box<dyn Line>) -> Option<(u8, Vec<u8>)> {
    let mut header = [0; 6];
    line.read_exact(&mut header).await.ok()?;
    assert!(header[1] & 0x80 != 0, "a client masks its frames");
    let mut payload = vec![0; usize::from(header[1] & 0x7f)];
    line.read_exact(&mut payload).await.ok()?;
    payload.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= header[2 + at % 4]);
    Some((header[0], payload))
}

/// Notes each frame of a client, and answers its close.
async fn until_closed(line: &mut Box<dyn Line>, log: &Log) -> Option<()> {
    loop {
        let (first, payload) = heard(line).await?;
        if first == 0x88 {
            log.note(format!("close {payload:?}"));
            line.write_all(&frame(0x88, &payload)).await.ok()?;
            return line.shutdown().await.ok();
        }
        log.note(format!("{first:x} {}", String::from_utf8_lossy(&payload)));
    }
}

fn text(what: &str) -> Expected<String> {
    Expected { what: what.to_owned(), shown: what.to_owned() }
}

fn containing(what: &str) -> Expect {
    BodyExpectations { contains: vec![text(what)], ..BodyExpectations::default() }.into()
}

/// The site with what it expects of a body; what its protocol makes of the rest stays.
fn expecting(mut site: Site, expect: Expect) -> Site {
    site.expect.body = expect.body;
    site
}

fn sending(site: Site, what: &str) -> Site {
    Site { send: Some(Secret::new(what)), ..site }
}

fn phases(seen: &Observation) -> [bool; 5] {
    Phase::ALL.map(|phase| seen.phases.get(phase).is_some())
}

const CLOSE_1000: &str = "close [3, 232]";

#[tokio::test]
async fn a_websocket_is_up_when_its_handshake_is_accepted() {
    let port = Port::websocket(None, |mut line, log| async move { until_closed(&mut line, &log).await }).await;
    let mut site = port.site("ws");
    site.headers =
        vec![("Origin".to_owned(), Secret::new("https://a.test")), ("Upgrade".to_owned(), Secret::new("h2c"))];
    let seen = prober(None).probe(&site).await;
    assert_eq!((seen.cause, seen.status.map(Status::get), seen.http.name()), (Cause::Ok, Some(101), Some("1.1")));
    assert_eq!((phases(&seen), seen.bytes), ([false, true, false, true, false], 0), "{seen:?}");
    let noted = port.noted(2).await;
    assert_eq!(noted[1], CLOSE_1000);
    for line in [
        "GET / HTTP/1.1\n",
        "upgrade: websocket\n",
        "connection: Upgrade\n",
        "sec-websocket-version: 13\n",
        "origin: https://a.test\n",
    ] {
        assert!(noted[0].contains(line), "{line} in {}", noted[0]);
    }
    assert!(!noted[0].contains("h2c") && !noted[0].contains("extensions"), "{}", noted[0]);
}

#[tokio::test]
async fn the_first_message_is_the_body_however_it_comes() {
    let authority = Authority::new();
    let identity = authority.issue(&Leaf::naming(&["127.0.0.1"])).offering(&["h2", "http/1.1"]);
    let port = Port::websocket(Some(identity), |mut line, log| async move {
        let (first, payload) = heard(&mut line).await?;
        log.note(format!("{first:x} {}", String::from_utf8_lossy(&payload)));
        let parts = [frame(0x01, b"{\"op\":"), frame(0x89, b"alive?"), frame(0x00, b""), frame(0x80, b"\"pong\"}")];
        for byte in parts.concat() {
            line.write_all(&[byte]).await.ok()?;
            line.flush().await.ok()?;
        }
        line.write_all(&frame(0x81, b"another one")).await.ok()?;
        until_closed(&mut line, &log).await
    })
    .await;
    let site = sending(port.site("wss"), "{\"op\":\"ping\"}");
    let pong = Expected { what: serde_json::json!("pong"), shown: "\"pong\"".to_owned() };
    let json = JsonExpectation { path: "/op".to_owned(), query: None, wanted: JsonWish::OneOf(vec![pong]) };
    let json: Expect = BodyExpectations { json: vec![json], ..BodyExpectations::default() }.into();
    for (expect, cause, detail) in [
        (Expect::default(), Cause::Ok, ""),
        (containing("pong"), Cause::Ok, ""),
        (json, Cause::Ok, ""),
        (
            containing("another"),
            Cause::Body,
            "the body does not contain \"another\"; it is 13 bytes and begins \"{\"op\":\"pong\"}\"",
        ),
    ] {
        let seen = prober(Some(&authority)).probe(&expecting(site.clone(), expect)).await;
        assert_eq!((seen.cause, seen.detail.as_str()), (cause, detail));
        assert_eq!((seen.bytes, seen.tls, phases(&seen)), (13, Some(TlsVersion::V13), [false, true, true, true, true]));
        assert!(seen.certificate.is_some() && seen.evidence.unwrap().body.unwrap().contains("pong"));
    }
    let noted = port.noted(20).await;
    assert_eq!((noted[0].as_str(), noted[2].as_str()), ("alpn http/1.1", "81 {\"op\":\"ping\"}"));
    assert_eq!((&*noted[3], &*noted[4]), ("8a alive?", CLOSE_1000), "a ping is answered, also within a message");
}

#[tokio::test]
async fn any_answer_but_101_is_judged_by_its_status() {
    for (answer, detail) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "expected 101, got 200 OK"),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "expected 101, got 302 Found"),
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "expected 101, got 401 Unauthorized"),
        ("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 5\r\n\r\nhttp!", "expected 101, got 426 Upgrade Required"),
        ("HTTP/1.1 503 Over\r\n\r\nwe are full", "expected 101, got 503 Over"),
    ] {
        let server = Server::start(Behaviour::always(vec![Step::send(answer), Step::Close]));
        let url = format!("ws://{}/", server.address());
        let seen = prober(None).probe(&sending(Site::new("site", url.parse().unwrap()), "ping")).await;
        assert_eq!((seen.cause, seen.detail.as_str()), (Cause::Status, detail));
        assert_eq!((server.requests().len(), seen.hops.len()), (1, 0), "no redirect is followed");
        assert_eq!(seen.evidence.unwrap().body.is_some(), !answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_to_another_handshake_is_none() {
    for (answer, cause, detail) in [
        (
            switch("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            Cause::BadResponse,
            "not a WebSocket: Sec-WebSocket-Accept does not belong to the key of the request",
        ),
        (
            "HTTP/1.1 101 Over\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_owned(),
            Cause::BadResponse,
            "not a WebSocket: the answer lacks Sec-WebSocket-Accept",
        ),
        (
            "HTTP/1.1 101\r\n\r\n".to_owned(),
            Cause::BadResponse,
            "not a WebSocket: the answer lacks \"Upgrade: websocket\"",
        ),
        ("SSH-2.0-x\r\n".to_owned(), Cause::BadResponse, ""),
        (String::new(), Cause::Closed, "connection closed before the answer"),
    ] {
        let server = Server::start(Behaviour::always(vec![Step::send(answer), Step::Close]));
        let seen = prober(None).probe(&Site::new("site", format!("ws://{}", server.address()).parse().unwrap())).await;
        assert_eq!(seen.cause, cause, "{seen:?}");
        assert!(seen.detail.starts_with(detail), "{}", seen.detail);
    }
}

#[tokio::test]
async fn hostile_frames_have_their_cause_and_their_sentence() {
    let long = [&[0x89, 126, 0, 126][..], &[0; 126]].concat();
    for (sent, cause, detail) in [
        (
            vec![0xc1, 0],
            Cause::BadResponse,
            "not a valid WebSocket: a frame has reserved bits set, without an extension",
        ),
        (vec![0x83, 0], Cause::BadResponse, "not a valid WebSocket: a frame has the unknown kind 0x3"),
        (vec![0x81, 0x82, 1, 2, 3, 4, 5, 6], Cause::BadResponse, "not a valid WebSocket: a frame is masked"),
        (vec![0x80, 0], Cause::BadResponse, "not a valid WebSocket: a frame continues no message"),
        (
            [frame(1, b"a"), frame(0x81, b"b")].concat(),
            Cause::BadResponse,
            "not a valid WebSocket: a message begins within",
        ),
        (long, Cause::BadResponse, "not a valid WebSocket: a control frame has 126 bytes; the limit is 125"),
        (vec![0x09, 0], Cause::BadResponse, "not a valid WebSocket: a control frame is fragmented"),
        (frame(0x81, b"\xff"), Cause::BadResponse, "not a valid WebSocket: a text message is not valid UTF-8"),
        ([&[0x82, 127][..], &[0xff; 8]].concat(), Cause::BadResponse, "not a valid WebSocket: the length of a frame"),
        (vec![0x82, 126, 0, 5], Cause::BadResponse, "not a valid WebSocket: the length of a frame"),
        (frame(0x88, &[3]), Cause::BadResponse, "not a valid WebSocket: a close frame has half a code"),
        (frame(0x88, b""), Cause::Closed, "the server closed the WebSocket before a message, without a code"),
        (
            frame(0x88, b"\x03\xf0go \x1b[2J away\n"),
            Cause::Closed,
            "the server closed the WebSocket before a message, with code 1008: go \u{fffd}[2J away",
        ),
        (Vec::new(), Cause::Closed, "connection closed before a message"),
        (vec![0x81, 5, b'a'], Cause::Closed, "connection closed before a message"),
        (frame(0x8a, b"").repeat(200_000), Cause::BadResponse, "the server sends too much besides a message"),
    ] {
        let port = Port::websocket(None, move |mut line, _| {
            let sent = sent.clone();
            async move {
                line.write_all(&sent).await.ok()?;
                line.shutdown().await.ok()?;
                line.read_to_end(&mut Vec::new()).await.ok().map(drop)
            }
        })
        .await;
        let seen = prober(None).probe(&expecting(port.site("ws"), containing("x"))).await;
        assert_eq!((seen.cause, seen.detail.starts_with(detail)), (cause, true), "{detail}: {seen:?}");
        assert!(seen.bytes <= 1 && phases(&seen)[4], "{seen:?}");
    }
}

#[tokio::test]
async fn of_a_message_without_end_max_body_is_judged() {
    let port = Port::websocket(None, |mut line, _| async move {
        line.write_all(&[0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0]).await.ok()?;
        loop {
            line.write_all("söme words ".repeat(100).as_bytes()).await.ok()?;
        }
    })
    .await;
    let site = Site { max_body: 3_000, ..port.site("ws") };
    let seen = prober(None).probe(&expecting(site.clone(), containing("words"))).await;
    assert_eq!((seen.cause, seen.bytes, seen.flags.has(Flags::BODY_CAPPED)), (Cause::Ok, 3_000, true), "{seen:?}");
    let seen = prober(None).probe(&expecting(site, containing("gone"))).await;
    assert_eq!(seen.cause, Cause::Body);
    assert!(seen.detail.starts_with("the body does not contain \"gone\" within 3,000 bytes"), "{}", seen.detail);
}

#[tokio::test]
async fn a_websocket_that_says_nothing_is_late_in_its_phase() {
    let silent =
        Port::websocket(None, |mut line, _| async move { line.read_to_end(&mut Vec::new()).await.ok().map(drop) });
    let silent = silent.await;
    let hung = Port::saying(None, "").await;
    for (port, cause) in [(&silent, Cause::TransferTimeout), (&hung, Cause::ResponseTimeout)] {
        let site = Site { timeout: Duration::from_secs(1), ..sending(port.site("ws"), "ping") };
        let seen = prober(None).probe(&site).await;
        assert_eq!((seen.cause, seen.bytes), (cause, 0), "{seen:?}");
    }
    // Without a message it is up; it need not say good-bye.
    let seen = prober(None).probe(&silent.site("ws")).await;
    assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
}

#[tokio::test]
async fn a_port_is_up_when_it_is_reached() {
    let port = Port::saying(None, "").await;
    let seen = prober(None).probe(&port.site("tcp")).await;
    assert_eq!((seen.cause, seen.status, seen.http.name()), (Cause::Ok, None, None));
    assert_eq!((phases(&seen), seen.bytes, seen.address), ([false, true, false, false, false], 0, Some(port.address)));
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let seen = prober(None).probe(&Site::new("site", format!("tcp://{closed}").parse().unwrap())).await;
    assert_eq!((seen.cause, phases(&seen)), (Cause::ConnectRefused, [false, true, false, false, false]));
}

#[tokio::test]
async fn a_banner_is_read_until_it_is_as_expected() {
    let regex = Regex::new("^220 .*ESMTP\r\n").unwrap();
    let regex = Expected { what: regex, shown: "^220".to_owned() };
    let greeting: Expect = BodyExpectations { regex: Some(regex), ..BodyExpectations::default() }.into();
    let port = Port::start(None, |mut line, log| async move {
        for byte in "220 mail.test ESMTP\r\n".bytes() {
            line.write_all(&[byte]).await.ok()?;
            tokio::task::yield_now().await;
        }
        let mut asked = [0; 6];
        line.read_exact(&mut asked).await.ok()?;
        log.note(String::from_utf8_lossy(&asked));
        line.write_all(b"221 bye\r\n").await.ok()
    })
    .await;
    for (site, bytes) in [
        (expecting(port.site("tcp"), containing("220 ")), 4..=21),
        (expecting(port.site("tcp"), greeting), 21..=21),
        (sending(port.site("tcp"), "QUIT\r\n"), 1..=21),
        (expecting(sending(port.site("tcp"), "QUIT\r\n"), containing("221 ")), 25..=30),
    ] {
        let seen = prober(None).probe(&site).await;
        assert_eq!((seen.cause, phases(&seen)), (Cause::Ok, [false, true, false, true, true]), "{seen:?}");
        assert!(bytes.contains(&seen.bytes), "{bytes:?}: {seen:?}");
        assert!(
            "220 mail.test ESMTP\r\n221 bye".starts_with(seen.evidence.unwrap().body.unwrap().lines().next().unwrap())
        );
    }
    assert!(port.noted(1).await.contains(&"QUIT\r\n".to_owned()));
}

#[tokio::test]
async fn what_a_port_says_or_not_has_its_cause() {
    let busy = "the body does not contain \"220 \"; it is 10 bytes and begins \"421 busy\"";
    for (says, ends, cause, detail) in [
        ("421 busy\r\n", true, Cause::Body, busy),
        ("421 busy\r\n", false, Cause::Body, busy),
        ("", true, Cause::Closed, "connection closed before the answer"),
        ("", false, Cause::ResponseTimeout, "timed out in processing after 1.00 s"),
    ] {
        let port = Port::start(None, move |mut line, _| async move {
            line.write_all(says.as_bytes()).await.ok()?;
            if ends {
                line.shutdown().await.ok()?;
            }
            line.read_to_end(&mut Vec::new()).await.ok().map(drop)
        })
        .await;
        let site = Site { timeout: Duration::from_secs(1), ..expecting(port.site("tcp"), containing("220 ")) };
        let seen = prober(None).probe(&site).await;
        assert_eq!((seen.cause, seen.detail.as_str(), seen.status), (cause, detail, None));
        assert_eq!((seen.bytes, phases(&seen)[4]), (says.len() as u64, !says.is_empty()));
    }
    // No end, and nothing of it is expected.
    let flood = Port::start(None, |mut line, _| async move {
        loop {
            line.write_all(b"no such word ").await.ok()?;
        }
    })
    .await;
    let site = Site { max_body: 100_000, ..expecting(flood.site("tcp"), containing("220 ")) };
    let seen = prober(None).probe(&site).await;
    assert_eq!((seen.cause, seen.bytes, seen.flags.has(Flags::BODY_CAPPED)), (Cause::Body, 100_000, true));
    assert!(seen.detail.starts_with("the body does not contain \"220 \" within 100k bytes"), "{}", seen.detail);
    // What is judged only at the end took as long as it came.
    let one = Expected { what: serde_json::json!(1), shown: "1".to_owned() };
    let query = Some(serde_json_path::JsonPath::parse("$.a").unwrap());
    let json = JsonExpectation { path: "$.a".to_owned(), query, wanted: JsonWish::OneOf(vec![one]) };
    let json = BodyExpectations { json: vec![json], ..BodyExpectations::default() };
    let port = Port::saying(None, "{\"a\": 1}").await;
    let timeout = Duration::from_secs(1);
    let seen = prober(None).probe(&Site { timeout, ..expecting(port.site("tcp"), json.into()) }).await;
    assert_eq!((seen.cause, seen.phases.total().as_duration() < timeout), (Cause::Ok, true), "{seen:?}");
    // Too slow.
    let port = Port::saying(None, "220 x").await;
    let mut site = expecting(port.site("tcp"), containing("220 "));
    site.expect.max_response_time = Some(Duration::ZERO);
    assert_eq!(prober(None).probe(&site).await.cause, Cause::Slow);
}

/// Its first words may be as expected, and those that come later not.
#[tokio::test]
async fn a_port_has_finished_when_it_closes_or_its_time_is_up() {
    let regex = |what: &str| Some(Expected { what: Regex::new(what).unwrap(), shown: what.to_owned() });
    let json = |path: &str| {
        let one = Expected { what: serde_json::json!(1), shown: "1".to_owned() };
        vec![JsonExpectation { path: path.to_owned(), query: None, wanted: JsonWish::OneOf(vec![one]) }]
    };
    let none = BodyExpectations::default;
    let not = |what: &str| BodyExpectations { not_contains: vec![text(what)], ..none() };
    let mixed = || BodyExpectations { contains: vec![text("+OK")], ..not("ERROR") };
    for (pieces, expected, cause, bytes) in [
        (["220 hi\r\n", "ERROR"], not("ERROR"), Cause::Body, 13),
        (["+OK ", "ERROR"], mixed(), Cause::Body, 9),
        (["+OK ", "fine"], mixed(), Cause::Ok, 8),
        (["x", "FATAL"], BodyExpectations { not_regex: regex("FATAL"), ..none() }, Cause::Body, 6),
        (["status: ok", "-ish"], BodyExpectations { regex: regex("ok$"), ..none() }, Cause::Body, 14),
        (["status: o", "k"], BodyExpectations { regex: regex("ok$"), ..none() }, Cause::Ok, 10),
        (["1", "23"], BodyExpectations { json: json(""), ..none() }, Cause::Body, 3),
        (["{\"a\":1", "}"], BodyExpectations { json: json("/a"), ..none() }, Cause::Ok, 7),
        // Nothing that follows matters.
        (["220 x", "ERROR"], BodyExpectations { contains: vec![text("220 x")], ..none() }, Cause::Ok, 5),
        (["220 x", "ERROR"], BodyExpectations { regex: regex(r"^220 \w"), ..none() }, Cause::Ok, 5),
    ] {
        let [first, second] = pieces.map(Step::send);
        let server = Server::start(Behaviour::always(vec![first, Step::wait_ms(200), second, Step::Close]));
        let site = Site::new("site", format!("tcp://{}", server.address()).parse().unwrap());
        let site = sending(expecting(site, expected.clone().into()), "GET / HTTP/1.1\r\n\r\n");
        let seen = prober(None).probe(&site).await;
        assert_eq!((seen.cause, seen.bytes), (cause, bytes), "{pieces:?} {expected:?}: {seen:?}");
    }
    // A banner, after which the server waits.
    let port = Port::saying(None, "SSH-2.0-x\r\n").await;
    let timeout = Duration::from_secs(1);
    let seen = prober(None).probe(&Site { timeout, ..expecting(port.site("tcp"), not("421").into()) }).await;
    assert_eq!((seen.cause, seen.phases.total().as_duration() < timeout), (Cause::Ok, true), "{seen:?}");
}

#[tokio::test]
async fn a_port_with_tls_shows_its_certificate() {
    let authority = Authority::new();
    let leaf = || Leaf::naming(&["127.0.0.1"]);
    let good = || authority.issue(&leaf()).offering(&["h2", "http/1.1"]);
    let pin = |pin: Pin| TlsRules { pins: vec![pin], ..TlsRules::default() };
    let own = Pin::parse(&good().pins()[1]).unwrap();
    for (identity, tls, cause) in [
        (good(), TlsRules::default(), Cause::Ok),
        (good(), pin(own), Cause::Ok),
        (good(), pin(Pin::new([7; 32])), Cause::TlsPinned),
        (authority.issue(&leaf().expired()), TlsRules::default(), Cause::TlsExpired),
        (authority.issue(&Leaf::naming(&["b.test"])), TlsRules::default(), Cause::TlsWrongHost),
        (
            authority.issue(&Leaf::naming(&["b.test"])),
            TlsRules { server_name: Some("b.test".into()), ..TlsRules::default() },
            Cause::Ok,
        ),
        (leaf().self_signed(), TlsRules::default(), Cause::TlsUntrusted),
        (leaf().self_signed(), TlsRules { insecure: true, ..TlsRules::default() }, Cause::Ok),
    ] {
        let port = Port::saying(Some(identity), "").await;
        let seen = prober(Some(&authority)).probe(&Site { tls, ..port.site("tls") }).await;
        assert_eq!((seen.cause, seen.status, seen.certificate.is_some()), (cause, None, true), "{seen:?}");
        assert_eq!(phases(&seen), [false, true, true, false, false]);
        if cause == Cause::Ok {
            assert_eq!(port.noted(2).await, ["alpn none", "end Ok(0)"], "the server sees an orderly end");
        }
    }
    let port = Port::saying(Some(good()), "* OK IMAP4rev1\r\n").await;
    let seen = prober(Some(&authority)).probe(&expecting(port.site("tls"), containing("* OK"))).await;
    assert_eq!((seen.cause, seen.bytes, phases(&seen)), (Cause::Ok, 16, [false, true, true, true, true]), "{seen:?}");
    // With TLS 1.3 a server says only afterwards that it requires a certificate.
    let port = Port::saying(Some(good().asking_clients(&Authority::called("clients"))), "* OK").await;
    let seen = prober(Some(&authority)).probe(&expecting(port.site("tls"), containing("* OK"))).await;
    assert_eq!(seen.cause, Cause::TlsError, "{seen:?}");
    assert!(seen.detail.starts_with("TLS: the server requires a client certificate"), "{}", seen.detail);
    // A server that knows no TLS.
    let plain = Port::saying(None, "220 mail.test ESMTP\r\n").await;
    let seen = prober(Some(&authority)).probe(&plain.site("tls")).await;
    assert_eq!((seen.cause, phases(&seen)), (Cause::TlsError, [false, true, true, false, false]), "{seen:?}");
}

#[tokio::test]
async fn other_ports_are_reached_through_proxies_too() {
    let authority = Authority::new();
    let identity = authority.issue(&Leaf::naming(&["live.test"]));
    let echo = |mut line: Box<dyn Line>, log: Log| async move {
        line.write_all(&frame(0x81, b"pong")).await.ok()?;
        until_closed(&mut line, &log).await
    };
    let (live, mail) = (Port::websocket(Some(identity), echo).await, Port::saying(None, "220 x").await);
    for (url, to, expect, asked) in [
        ("wss://live.test/ws", live.address, "pong", "live.test:443"),
        ("tcp://mail.test:25", mail.address, "220", "mail.test:25"),
    ] {
        let (http, socks) = (Proxy::http(Way::To(to), None).await, Proxy::socks5(0, Way::To(to)).await);
        for (kind, proxy) in [("http", &http), ("socks5", &socks)] {
            let rule = ProxyRule::One(SiteProxy::parse(&format!("{kind}://{}", proxy.address())).unwrap().into());
            let site = Site { proxy: rule, ..Site::new("site", url.parse().unwrap()) };
            let seen = prober(Some(&authority)).probe(&expecting(site, containing(expect))).await;
            assert_eq!((seen.cause, seen.address), (Cause::Ok, Some(proxy.address())), "{url} {kind}: {seen:?}");
            assert!(proxy.asked()[0].contains(asked), "{:?}", proxy.asked());
        }
    }
}

#[tokio::test]
async fn what_is_sent_is_a_secret_in_what_comes_back() {
    let port = Port::start(None, |mut line, _| async move {
        let mut said = [0; 17];
        line.read_exact(&mut said).await.ok()?;
        line.write_all(&[b"you said ", &said[..], b"\n\x1b[31mno"].concat()).await.ok()?;
        line.shutdown().await.ok()
    })
    .await;
    let mut site = sending(expecting(port.site("tcp"), containing("welcome")), "AUTH s3cret-token");
    site.secrets = KnownSecrets::new(["AUTH s3cret-token", "s3cret-token"]);
    let seen = prober(None).probe(&site).await;
    assert_eq!(seen.cause, Cause::Body);
    assert_eq!(
        seen.detail,
        "the body does not contain \"welcome\"; it is 34 bytes and begins \"you said *** \u{fffd}[31mno\""
    );
    let evidence = seen.evidence.unwrap();
    assert_eq!((evidence.url, evidence.headers.len()), (format!("tcp://{}", port.address), 0));
    assert_eq!(evidence.body.unwrap(), "you said ***\n\u{fffd}[31mno");
}

#[tokio::test]
async fn no_redirect_leads_to_another_protocol() {
    for scheme in ["ws", "wss", "tcp", "tls"] {
        let server =
            Server::start(Behaviour::always(vec![Step::send(redirect(302, &format!("{scheme}://127.0.0.1:1/")))]));
        let seen = prober(None).probe(&Site::new("site", server.url("/").parse().unwrap())).await;
        assert_eq!(seen.detail, format!("redirect to {scheme}:, which webmon does not follow"));
    }
}
