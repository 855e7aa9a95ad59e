//! HTTP/3: the cause of each fault, its phases, and a check against a real server.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Response};
use webmon::model::{
    BodyExpectations, Cause, CertificateFault, ConnectTo, Expect, Expected, Http, HttpOffer, Observation, Phase, Pin,
    RedirectBody, Secret, Site, Status, StatusSet, TlsFiles, TlsRules, TlsVersion,
};
use webmon::probe::Prober as _;

use crate::support::http3::{self, DATA, GOAWAY, HEADERS, Http3Server, Step, empty_frame, frame, head};
use crate::support::tls::{Authority, Identity, Leaf};
use crate::ways::prober;

fn site(url: &str) -> Site {
    let site = Site::new("site", url.parse().unwrap());
    Site { http: HttpOffer::V3, max_body: 64 * 1024, timeout: Duration::from_secs(20), ..site }
}

/// A site with so little time that a server which hangs uses it up.
fn hasty(url: &str) -> Site {
    Site { timeout: Duration::from_millis(700), ..site(url) }
}

fn leaf() -> Leaf {
    Leaf::naming(&["127.0.0.1", "localhost"])
}

fn outcome(seen: &Observation) -> (Cause, Option<u16>) {
    (seen.cause, seen.status.map(Status::get))
}

fn answer(status: u16, body: &'static str) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap()
}

fn redirect(status: u16, to: &str) -> Response<Bytes> {
    Response::builder().status(status).header("location", to).body(Bytes::new()).unwrap()
}

/// Answers each path in its own way.
fn shop(request: &Request<Bytes>) -> Response<Bytes> {
    match request.uri().path() {
        "/" => answer(200, "ok"),
        "/missing" => answer(404, "gone"),
        "/moved" => redirect(302, "/"),
        "/unencrypted" => redirect(302, "http://127.0.0.1:9/"),
        "/login" if request.headers().get("cookie").is_some_and(|cookie| cookie == "sid=1") => answer(200, "welcome"),
        "/login" => {
            let mut answer = redirect(302, "/login");
            answer.headers_mut().insert("set-cookie", "sid=1; Path=/".parse().unwrap());
            answer
        }
        "/echo" => Response::new(request.body().clone()),
        "/long" => Response::new(vec![b'x'; 200_000].into()),
        "/headers" => {
            let many = (0..513).fold(Response::builder(), |answer, n| answer.header(format!("x-{n}"), "1"));
            many.body(Bytes::new()).unwrap()
        }
        path => panic!("nobody asks for {path}"),
    }
}

#[tokio::test]
async fn an_answer_is_judged_as_over_tcp() {
    let authority = Authority::new();
    let server = Http3Server::answering(&authority.issue(&leaf()), shop);
    let prober = prober(&authority);
    let contains = |what: &str| Expected { what: what.to_owned(), shown: what.to_owned() };
    let body = |what: &str| {
        let body = BodyExpectations { contains: vec![contains(what)], ..BodyExpectations::default() };
        Expect { body: Arc::new(body), ..Expect::default() }
    };
    let of_404 = Expect { status: StatusSet::from_ranges(vec![(404, 404)]), ..Expect::default() };
    for (path, expect, expected, bytes) in [
        ("/", Expect::default(), (Cause::Ok, Some(200)), 2),
        ("/", body("ok"), (Cause::Ok, Some(200)), 2),
        ("/", body("other"), (Cause::Body, Some(200)), 2),
        ("/missing", Expect::default(), (Cause::Status, Some(404)), 4),
        ("/missing", of_404, (Cause::Ok, Some(404)), 4),
        ("/moved", Expect::default(), (Cause::Ok, Some(200)), 2),
        ("/login", body("welcome"), (Cause::Ok, Some(200)), 7),
        ("/long", Expect::default(), (Cause::Ok, Some(200)), 65_536),
        ("/headers", Expect::default(), (Cause::BadResponse, None), 0),
    ] {
        let seen = prober.probe(&Site { expect, ..site(&server.url(path)) }).await;
        assert_eq!((outcome(&seen), seen.bytes), (expected, bytes), "{path}: {seen:?}");
        assert_eq!(seen.http, if seen.status.is_some() { Http::V3 } else { Http::None }, "{path}: {seen:?}");
        let spent = [Phase::Connect, Phase::Tls, Phase::Processing].map(|phase| seen.phases.get(phase).is_some());
        assert_eq!(spent, [false, true, true], "{path}: QUIC connects and shakes hands at once");
        assert_eq!((seen.address, seen.tls), (Some(server.address()), Some(TlsVersion::V13)), "{path}");
        assert!(seen.certificate.is_some_and(|certificate| certificate.faults.is_empty()), "{path}");
    }
    let seen = prober.probe(&site(&server.url("/unencrypted"))).await;
    assert_eq!(seen.cause, Cause::Redirect, "{seen:?}");
    assert!(seen.detail.contains("HTTP/3") && seen.hops.is_empty(), "{seen:?}");
}

#[tokio::test]
async fn a_request_arrives_as_over_tcp() {
    let authority = Authority::new();
    let server = Http3Server::answering(&authority.issue(&leaf()), shop);
    // Longer than the window that the server grants at first.
    let long = "0123456789".repeat(200_000);
    let headers = ["X-Key", "Host", "Connection", "Transfer-Encoding"]
        .map(|name| (name.to_owned(), Secret::new(if name == "Host" { "shop.test" } else { "x" })));
    let site = Site {
        method: "POST".to_owned(),
        headers: headers.to_vec(),
        body: Some(Secret::new(long.clone())),
        redirect_body: RedirectBody::Any,
        max_body: 4 << 20,
        ..site(&server.url("/echo?q=1"))
    };
    let seen = prober(&authority).probe(&site).await;
    assert_eq!((outcome(&seen), seen.bytes), ((Cause::Ok, Some(200)), long.len() as u64), "{seen:?}");
    let requests = server.requests();
    let [request] = &*requests else { panic!("{requests:?}") };
    assert_eq!(request.uri().to_string(), "https://shop.test/echo?q=1");
    assert_eq!((request.method().as_str(), request.body().len()), ("POST", long.len()));
    let mut names: Vec<&str> = request.headers().keys().map(hyper::header::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "content-length", "user-agent", "x-key"]);
}

/// The head of a 200 with these fields more.
fn ok_head(fields: &[(&str, &str)]) -> Vec<u8> {
    head(&[&[(":status", "200")], fields].concat())
}

/// A case, what the server does, what comes of it, and a part of the sentence.
type Row = (&'static str, Vec<Step>, (Cause, Option<u16>), &'static str);

const UP: (Cause, Option<u16>) = (Cause::Ok, Some(200));
const BAD: (Cause, Option<u16>) = (Cause::BadResponse, None);

fn send(parts: &[Vec<u8>]) -> Step {
    Step::Send(parts.concat())
}

fn data(bytes: &[u8]) -> Vec<u8> {
    frame(DATA, bytes)
}

fn provisional() -> Vec<u8> {
    head(&[(":status", "103")])
}

/// `first`, and then a 200 with a short body.
fn before_a_whole_answer(first: Vec<Step>) -> Vec<Step> {
    [first, vec![send(&[ok_head(&[]), data(b"ok")]), Step::Finish]].concat()
}

/// The head of a 200 with these fields, a body of four bytes, and what comes then.
fn within_a_body(fields: &[(&str, &str)], then: Vec<Step>) -> Vec<Step> {
    [vec![send(&[ok_head(fields), data(b"some")]), Step::Settle], then].concat()
}

fn good_answers() -> Vec<Row> {
    let after = vec![Step::Settle, Step::Close(http3::NO_ERROR)];
    let parts = [ok_head(&[]), data(b""), data(b"o"), data(b""), data(b""), data(b"k")];
    vec![
        ("a whole answer", before_a_whole_answer(vec![]), UP, ""),
        ("no error after the answer", [before_a_whole_answer(vec![]), after].concat(), UP, ""),
        ("an answer without a body", vec![send(&[ok_head(&[])]), Step::Finish], UP, ""),
        ("a provisional head first", before_a_whole_answer(vec![Step::Send(provisional())]), UP, ""),
        ("an unknown frame first", before_a_whole_answer(vec![Step::Send(frame(0x21, b"grease"))]), UP, ""),
        ("GOAWAY after the request", before_a_whole_answer(vec![Step::Control(frame(GOAWAY, &[4]))]), UP, ""),
        ("empty frames of data", vec![send(&parts), Step::Finish], UP, ""),
        ("a length that is right", within_a_body(&[("content-length", "4")], vec![Step::Finish]), UP, ""),
        ("a body without end", vec![send(&[ok_head(&[])]), Step::Flood(data(&[b'x'; 1000]))], UP, ""),
    ]
}

fn faults_before_the_head() -> Vec<Row> {
    let closed = |steps: Vec<Step>, case, detail| (case, steps, (Cause::Closed, None), detail);
    let reset = |code, case, detail| (case, vec![Step::Reset(code)], (Cause::Reset, None), detail);
    let bad = |bytes: Vec<u8>, case, detail| (case, vec![Step::Send(bytes)], BAD, detail);
    let endless = |kind| Step::Send(empty_frame(kind, 1 << 29));
    let settings = |bytes: Vec<u8>| Step::Control(bytes);
    vec![
        reset(http3::INTERNAL_ERROR, "reset", "before the answer (H3_INTERNAL_ERROR)"),
        reset(http3::REQUEST_REJECTED, "refused twice", "H3_REQUEST_REJECTED"),
        reset(http3::VERSION_FALLBACK, "HTTP/1.1 required", "requires HTTP/1.1"),
        closed(vec![Step::Close(http3::NO_ERROR)], "closed", "connection closed before the answer"),
        closed(vec![Step::Close(http3::INTERNAL_ERROR)], "closed by an error", "(H3_INTERNAL_ERROR)"),
        closed(vec![Step::Finish], "the end at once", "ended the stream before the answer"),
        closed(vec![Step::Send(ok_head(&[])[..4].to_vec()), Step::Finish], "half a head", "before the answer"),
        bad(data(b"x"), "data before a head", "not HTTP/3"),
        bad(frame(HEADERS, &[0xff; 30]), "a head of garbage", "not HTTP/3"),
        bad(head(&[("a", "b")]), "a head without a status", "not HTTP/3"),
        bad(ok_head(&[("Server", "x")]), "a head in capitals", "not HTTP/3"),
        bad(ok_head(&[("content-length", "+2")]), "a length that is no number", "Content-Length"),
        bad(ok_head(&[("x", &"y".repeat(300_000))]), "a long head", "256 KiB"),
        ("a head that never ends", vec![endless(HEADERS), Step::Flood(vec![0; 1000])], BAD, "256 KiB"),
        ("a flood of provisional heads", vec![Step::Flood(provisional().repeat(50))], BAD, "256 KiB"),
        ("settings twice", vec![settings(frame(http3::SETTINGS, &[]))], BAD, "not HTTP/3"),
        (
            "a flood on the control stream",
            vec![settings(empty_frame(0x21, 1 << 29)), settings(vec![0; 100_000])],
            BAD,
            "not HTTP/3",
        ),
    ]
}

fn faults_within_the_body() -> Vec<Row> {
    let row = |case, steps, cause, detail| (case, steps, (cause, Some(200)), detail);
    let then = |step| within_a_body(&[], vec![step]);
    let of_length = |length| within_a_body(&[("content-length", length)], vec![Step::Finish]);
    let cut = [ok_head(&[]), empty_frame(DATA, 10), b"some".to_vec()];
    let empty = vec![send(&[ok_head(&[])]), Step::Flood(data(b"").repeat(500))];
    let unknown = then(Step::Flood(frame(0x21, &[0; 100]).repeat(20)));
    vec![
        row("reset", then(Step::Reset(http3::INTERNAL_ERROR)), Cause::Reset, "during the body (H3_INTERNAL_ERROR)"),
        row("closed", then(Step::Close(http3::NO_ERROR)), Cause::Truncated, "after 4 bytes"),
        row("closed by an error", then(Step::Close(http3::INTERNAL_ERROR)), Cause::Closed, "during the body"),
        row("a frame cut by the end", vec![send(&cut), Step::Finish], Cause::Truncated, "the body ended early"),
        row("shorter than its head says", of_length("9"), Cause::Truncated, "after 4 bytes"),
        row("longer than its head says", of_length("3"), Cause::BadResponse, "longer than its head says"),
        row("a flood of empty data", empty, Cause::BadResponse, "outside the body"),
        row("a flood of unknown frames", unknown, Cause::BadResponse, "outside the body"),
    ]
}

#[tokio::test]
async fn every_fault_of_http3_has_its_cause() {
    let authority = Authority::new();
    let (identity, prober) = (authority.issue(&leaf()), prober(&authority));
    let rows = [good_answers(), faults_before_the_head(), faults_within_the_body()];
    for (case, script, expected, detail) in rows.concat() {
        let server = Http3Server::scripted(&identity, script);
        let seen = prober.probe(&site(&server.url("/"))).await;
        assert_eq!(outcome(&seen), expected, "{case}: {seen:?}");
        assert!(seen.detail.contains(detail), "{case}: {seen:?}");
        assert_eq!(server.accepted(), if case == "refused twice" { 2 } else { 1 }, "{case}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_uses_up_the_phase_it_is_in() {
    let authority = Authority::new();
    let (identity, prober) = (authority.issue(&leaf()), prober(&authority));
    let script = |steps: Vec<Step>| Http3Server::scripted(&identity, steps);
    for (steps, cause) in [
        (vec![], Cause::ResponseTimeout),
        (vec![Step::Send(head(&[(":status", "103")]))], Cause::ResponseTimeout),
        (vec![Step::Send(ok_head(&[]))], Cause::TransferTimeout),
        (vec![Step::Send([ok_head(&[]), empty_frame(DATA, 9), b"some".to_vec()].concat())], Cause::TransferTimeout),
    ] {
        let server = script(steps.clone());
        let seen = prober.probe(&hasty(&server.url("/"))).await;
        assert_eq!(seen.cause, cause, "{steps:?}: {seen:?}");
    }
    // A port that takes everything and says nothing, and one that says something else.
    for (says, cause) in [(None, Cause::ConnectTimeout), (Some(b"what?"), Cause::TlsTimeout)] {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let address = socket.local_addr().unwrap();
        if let Some(says) = says {
            let socket = Arc::clone(&socket);
            std::thread::spawn(move || {
                let (_, from) = socket.recv_from(&mut [0; 2_000]).unwrap();
                socket.send_to(says, from).unwrap();
            });
        }
        let seen = prober.probe(&hasty(&format!("https://{address}/"))).await;
        assert_eq!((seen.cause, seen.phases.get(Phase::Connect)), (cause, None), "{seen:?}");
        assert!(seen.phases.get(Phase::Tls).is_some(), "{seen:?}");
        drop(socket);
    }
}

/// A port that nobody has: of UDP, and one that only TCP listens on.
#[tokio::test]
async fn a_closed_port_refuses_at_once() {
    let authority = Authority::new();
    let tcp = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://localhost:{}/", tcp.local_addr().unwrap().port());
    for url in [url.replace("localhost", "127.0.0.1"), url] {
        // Less time than until the first datagram is sent again.
        let seen = prober(&authority).probe(&hasty(&url)).await;
        assert_eq!(outcome(&seen), (Cause::ConnectRefused, None), "{seen:?}");
        assert!(seen.detail.contains("UDP"), "{seen:?}");
        assert_eq!((seen.http, seen.phases.get(Phase::Connect)), (Http::None, None), "{seen:?}");
    }
}

/// `localhost` is `::1` first, where nobody listens.
#[tokio::test]
async fn addresses_take_turns() {
    let authority = Authority::new();
    let server = Http3Server::answering(&authority.issue(&leaf()), shop);
    let port = server.address().port();
    let named = site(&format!("https://localhost:{port}/"));
    let prober = prober(&authority);
    let elsewhere = Site {
        connect_to: Some(ConnectTo::parse(&format!("127.0.0.1:{port}")).unwrap()),
        ..site("https://localhost:9/")
    };
    for site in [named.clone(), elsewhere] {
        let seen = prober.probe(&site).await;
        assert_eq!((outcome(&seen), seen.address), ((Cause::Ok, Some(200)), Some(server.address())), "{seen:?}");
    }
    let seen = prober.probe(&Site { family: webmon::model::Family::V6, ..named }).await;
    assert!(matches!(seen.cause, Cause::ConnectRefused | Cause::ConnectUnreachable), "{seen:?}");
}

#[tokio::test]
async fn a_certificate_is_judged_as_over_tcp() {
    let (authority, other) = (Authority::new(), Authority::called("another"));
    let prober = prober(&authority);
    let good = authority.issue(&leaf());
    let pins: Vec<Pin> = good.pins().iter().map(|pin| Pin::parse(pin).unwrap()).collect();
    let wrong_host = authority.issue(&Leaf::naming(&["elsewhere.test"]));
    let plain = TlsRules::default;
    let insecure = || TlsRules { insecure: true, ..TlsRules::default() };
    let named = |name: &str| TlsRules { server_name: Some(name.into()), ..TlsRules::default() };
    let pinned = |pin: Pin| TlsRules { pins: vec![pin], ..TlsRules::default() };
    let with_root = |root: Vec<u8>| TlsRules {
        files: Some(Arc::new(TlsFiles { roots: Arc::new(vec![root]), identity: None })),
        ..TlsRules::default()
    };
    let untrusted = other.issue(&leaf());
    let rows: Vec<(&Identity, TlsRules, Cause, &[CertificateFault])> = vec![
        (&good, plain(), Cause::Ok, &[]),
        (&wrong_host, plain(), Cause::TlsWrongHost, &[CertificateFault::WrongHost]),
        (&wrong_host, named("elsewhere.test"), Cause::Ok, &[]),
        (&untrusted, plain(), Cause::TlsUntrusted, &[CertificateFault::Untrusted]),
        (&untrusted, with_root(other.root()), Cause::Ok, &[]),
        (&untrusted, insecure(), Cause::Ok, &[CertificateFault::Untrusted]),
        (&good, pinned(pins[1]), Cause::Ok, &[]),
        (&good, pinned(Pin::new([7; 32])), Cause::TlsPinned, &[]),
    ];
    for (identity, tls, cause, faults) in rows {
        let server = Http3Server::answering(identity, shop);
        let seen = prober.probe(&Site { tls, ..site(&server.url("/")) }).await;
        assert_eq!(seen.cause, cause, "{faults:?}: {seen:?}");
        assert_eq!(seen.certificate.map(|shown| shown.faults.clone()).as_deref(), Some(faults), "{cause:?}");
        assert_eq!(server.requests().len(), usize::from(cause == Cause::Ok), "{cause:?}");
    }
    for (leaf, cause) in [(leaf().expired(), Cause::TlsExpired), (leaf().not_yet_valid(), Cause::TlsNotYetValid)] {
        let server = Http3Server::answering(&authority.issue(&leaf), shop);
        let seen = prober.probe(&site(&server.url("/"))).await;
        assert_eq!(seen.cause, cause, "{seen:?}");
    }
}

#[tokio::test]
async fn a_server_of_another_protocol_or_for_clients_alone_refuses_by_name() {
    let (authority, clients) = (Authority::new(), Authority::called("the clients'"));
    let identity = authority.issue(&leaf());
    let prober = prober(&authority);
    let server = Http3Server::speaking(&identity, "doq");
    let seen = prober.probe(&site(&server.url("/"))).await;
    assert_eq!(seen.cause, Cause::TlsError, "{seen:?}");
    assert!(seen.detail.contains("does not support the requested version of HTTP"), "{seen:?}");
    let server = Http3Server::answering(&identity.asking_clients(&clients), shop);
    let seen = prober.probe(&site(&server.url("/"))).await;
    assert_eq!(seen.cause, Cause::TlsError, "{seen:?}");
    assert!(seen.detail.contains("requires a client certificate, but the site has none"), "{seen:?}");
    let (chain, key) = clients.issue(&Leaf::naming(&["client"]).for_clients()).to_client();
    let identity = webmon::model::ClientIdentity { chain, key };
    let files = TlsFiles { roots: Arc::default(), identity: Some(Arc::new(identity)) };
    let tls = TlsRules { files: Some(Arc::new(files)), ..TlsRules::default() };
    let seen = prober.probe(&Site { tls, ..site(&server.url("/")) }).await;
    assert_eq!(outcome(&seen), (Cause::Ok, Some(200)), "{seen:?}");
}

/// A stream of events is decided by what has come.
#[tokio::test]
async fn a_body_without_end_is_decided_early() {
    let authority = Authority::new();
    let event = [ok_head(&[("content-type", "text/event-stream")]), frame(DATA, b"data: pong\n\n")].concat();
    let server = Http3Server::scripted(&authority.issue(&leaf()), vec![Step::Send(event)]);
    let contains = vec![Expected { what: "pong".to_owned(), shown: "pong".to_owned() }];
    let body = Arc::new(BodyExpectations { contains, ..BodyExpectations::default() });
    let site = Site { expect: Expect { body, ..Expect::default() }, ..site(&server.url("/")) };
    let seen = prober(&authority).probe(&site).await;
    assert_eq!((outcome(&seen), seen.bytes), ((Cause::Ok, Some(200)), 12), "{seen:?}");
}

/// Nothing is left of a check: neither its socket nor a connection at the server.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_socket_outlives_its_check() {
    let authority = Authority::new();
    let server = Http3Server::scripted(&authority.issue(&leaf()), vec![Step::Send(ok_head(&[]))]);
    let prober = prober(&authority);
    let to_server = format!(":{:04X} ", server.address().port());
    let open = || {
        let sockets = std::fs::read_to_string("/proc/net/udp").unwrap();
        // The server's own socket has the port on its left.
        sockets
            .lines()
            .filter(|line| line.split_whitespace().nth(2).is_some_and(|to| to.ends_with(to_server.trim())))
            .count()
    };
    let seen = prober.probe(&hasty(&server.url("/"))).await;
    assert_eq!((seen.cause, open()), (Cause::TransferTimeout, 0), "{seen:?}");
    let site = site(&server.url("/"));
    let mut probe = Box::pin(prober.probe(&site));
    tokio::select! {
        biased;
        seen = &mut probe => panic!("{seen:?}"),
        () = tokio::time::sleep(Duration::from_millis(200)) => {}
    }
    assert_eq!(open(), 1, "it is in the middle of its check");
    drop(probe);
    assert_eq!(open(), 0);
}
