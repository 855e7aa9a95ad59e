//! HTTP/2: the cause of each fault, retries, and the choice of the protocol in the handshake.
//!
//! Most servers here speak it with prior knowledge and without TLS, so that a script is just frames.

use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::support::delays;
use crate::support::dns::{Answer, NameServer};
use crate::support::http2::{self, END_STREAM, frame, goaway, ok_head, reset, settings};
use crate::support::tls::{Authority, Leaf};
use crate::support::{Behaviour, Server, Step, response};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::{http1 as http1_server, http2 as http2_server};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Runtime;
use webmon::model::{
    BodyExpectations, Cause, Expect, Expected, Flags, Http, HttpOffer, Observation, Phase, Resolver, Secret, Site,
    Status,
};
use webmon::probe::{HttpProber, Prober, ProberOptions};

#[allow(clippy::disallowed_methods, reason = "probes of real sockets take real time")]
fn clock() -> Instant {
    Instant::now()
}

fn site(url: &str, http: HttpOffer) -> Site {
    Site { http, max_body: 64 * 1024, ..Site::new("site", url.parse().expect("a URL")) }
}

fn prober(authority: Option<&Authority>) -> HttpProber {
    let extra_roots = authority.map(Authority::root).into_iter().collect();
    HttpProber::with(&ProberOptions { extra_roots, has_route: |_| true, ..ProberOptions::default() }, clock)
        .expect("good options")
}

fn outcome(seen: &Observation) -> (Cause, Option<u16>) {
    (seen.cause, seen.status.map(Status::get))
}

/// A server that plays `script` to each connection, whatever it is asked.
fn scripted(script: Vec<Step>) -> Server {
    Server::start(Behaviour::ok().at_accept([script, vec![Step::Hang]].concat()))
}

/// A 200 with a short body.
fn whole() -> Vec<u8> {
    [ok_head(1, 0), frame(http2::DATA, END_STREAM, 1, b"ok")].concat()
}

/// Waits for the request; a script must not end a stream before it begins.
fn after_request(frames: Vec<u8>) -> Vec<Step> {
    vec![Step::send(settings()), Step::Hear(http2::has_asked), Step::send(frames)]
}

#[tokio::test]
async fn every_fault_of_http2_has_its_cause() {
    const UP: (Cause, Option<u16>) = (Cause::Ok, Some(200));
    const BAD: (Cause, Option<u16>) = (Cause::BadResponse, None);
    let begun = || ok_head(1, 0);
    let data = |bytes: &[u8]| frame(http2::DATA, 0, 1, bytes);
    let provisional = frame(http2::HEADERS, http2::END_HEADERS, 1, b"\x08\x03103");
    let flood = |first: Vec<u8>, frame: Vec<u8>| [after_request(first), vec![Step::Flood(frame.repeat(50))]].concat();
    let continuation = [frame(http2::HEADERS, 0, 1, b"\x88"), frame(http2::CONTINUATION, 0, 1, b"")];
    let rows = vec![
        ("a whole answer", after_request(whole()), UP, ""),
        ("an answer without a body", after_request(ok_head(1, END_STREAM)), UP, ""),
        ("a provisional head first", after_request([provisional.clone(), whole()].concat()), UP, ""),
        ("no error after the answer", after_request([whole(), goaway(1, 0)].concat()), UP, ""),
        ("GOAWAY with an error", after_request(goaway(0, http2::ENHANCE_YOUR_CALM)), (Cause::Closed, None), "GOAWAY: "),
        ("RST_STREAM", after_request(reset(1, http2::CANCEL)), (Cause::Reset, None), "RST_STREAM: stream no longer"),
        ("a frame of a wrong size", after_request(frame(http2::SETTINGS, 0, 0, b"xyz")), BAD, "not HTTP/2"),
        ("data before a head", after_request(data(b"x")), BAD, "not HTTP/2"),
        ("HTTP/1.1", vec![Step::send(response(200, "ok"))], BAD, "not HTTP/2"),
        ("garbage", vec![Step::send(vec![0xff; 64])], BAD, "not HTTP/2"),
        ("closed at once", vec![Step::Close], (Cause::Closed, None), "closed before the answer"),
        (
            "reset at once",
            vec![Step::Hear(http2::has_asked), Step::Reset],
            (Cause::Reset, None),
            "reset before the answer",
        ),
        (
            "closed within the body",
            [after_request([begun(), data(b"some")].concat()), vec![Step::Close]].concat(),
            (Cause::Truncated, Some(200)),
            "after 4 bytes",
        ),
        (
            "reset within the body",
            after_request([ok_head(1, 0), data(b"some"), reset(1, http2::CANCEL)].concat()),
            (Cause::Reset, Some(200)),
            "during the body",
        ),
        ("a flood of settings", flood(Vec::new(), settings()), BAD, ""),
        ("a flood of pings", flood(Vec::new(), frame(http2::PING, 0, 0, b"12345678")), BAD, ""),
        ("a flood of resets", flood(Vec::new(), reset(1, http2::CANCEL)), (Cause::Reset, None), "RST_STREAM"),
        ("a flood of continuations", flood(continuation[0].clone(), continuation[1].clone()), BAD, ""),
        ("a flood of provisional heads", flood(Vec::new(), provisional), BAD, ""),
        (
            "a flood of pings in the body",
            flood(begun(), frame(http2::PING, 0, 0, b"12345678")),
            (Cause::BadResponse, Some(200)),
            "outside the body",
        ),
        ("a flood of empty data", flood(begun(), data(b"")), (Cause::BadResponse, Some(200)), ""),
        (
            "a flood of window updates",
            flood(begun(), frame(http2::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
            (Cause::BadResponse, Some(200)),
            "",
        ),
    ];
    let prober = prober(None);
    for (case, script, expected, detail) in rows {
        let server = scripted(script);
        let seen = prober.probe(&site(&server.url("/"), HttpOffer::V2)).await;
        assert_eq!(outcome(&seen), expected, "{case}: {seen:?}");
        assert!(seen.detail.contains(detail), "{case}: {seen:?}");
        assert_eq!(seen.http, if seen.status.is_some() { Http::V2 } else { Http::None }, "{case}");
    }
}

/// Which of the two bounds is met first depends on how much of the flood one read of the socket finds: a probe that
/// keeps up has read all it wanted to before the server is ahead by more than a window.
#[tokio::test]
async fn data_without_end_stops_at_the_window_or_at_the_bound_of_the_body() {
    let data = frame(http2::DATA, 0, 1, &[b'x'; 1000]);
    let server = scripted([after_request(ok_head(1, 0)), vec![Step::Flood(data.repeat(50))]].concat());
    let seen = prober(None).probe(&site(&server.url("/"), HttpOffer::V2)).await;
    match outcome(&seen) {
        (Cause::Ok, Some(200)) => assert_eq!(seen.bytes, 64 * 1024, "{seen:?}"),
        outcome => {
            assert_eq!(outcome, (Cause::BadResponse, Some(200)), "{seen:?}");
            assert!(seen.detail.contains("flow-control"), "{seen:?}");
            assert!(seen.bytes <= 64 * 1024, "{seen:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_stalls_runs_into_the_timeout_of_its_phase() {
    let prober = prober(None);
    for (case, script, cause) in [
        ("nothing at all", Vec::new(), Cause::ResponseTimeout),
        ("settings only", vec![Step::send(settings())], Cause::ResponseTimeout),
        (
            "no window for the request's body",
            vec![Step::send(http2::settings_without_window())],
            Cause::ResponseTimeout,
        ),
        ("no body", after_request(ok_head(1, 0)), Cause::TransferTimeout),
    ] {
        let server = scripted(script);
        let body = Some(Secret::new("ping"));
        let timeout = Duration::from_millis(500);
        let stalled = Site { timeout, body, method: "POST".to_owned(), ..site(&server.url("/"), HttpOffer::V2) };
        let seen = prober.probe(&stalled).await;
        assert_eq!(seen.cause, cause, "{case}: {seen:?}");
        assert!(seen.phases.total().get() >= 490_000, "{case}: {seen:?}");
    }
}

/// A server that refuses the first connections by `frames` and answers the others.
fn refusing(frames: Vec<u8>, times: usize) -> Server {
    let connections = AtomicUsize::new(0);
    Server::start(Behaviour::ok().choosing_at_accept(move || {
        let script = if connections.fetch_add(1, Ordering::SeqCst) < times {
            after_request(frames.clone())
        } else {
            after_request(whole())
        };
        [script, vec![Step::Hang]].concat()
    }))
}

#[tokio::test]
async fn a_request_that_was_not_looked_at_is_sent_once_more() {
    let prober = prober(None);
    let refusal = || reset(1, http2::REFUSED_STREAM);
    let farewell = || goaway(0, http2::NO_ERROR);
    for (frames, times, cause, connections) in [
        (refusal(), 1, Cause::Ok, 2),
        (farewell(), 1, Cause::Ok, 2),
        (refusal(), 9, Cause::Reset, 2),
        (farewell(), 9, Cause::Closed, 2),
        (reset(1, http2::CANCEL), 1, Cause::Reset, 1),
    ] {
        let server = refusing(frames, times);
        let post = Site { method: "POST".to_owned(), ..site(&server.url("/"), HttpOffer::V2) };
        let seen = prober.probe(&post).await;
        assert_eq!((seen.cause, server.accepted()), (cause, connections), "{seen:?}");
    }
}

type Reply = Pin<Box<dyn Future<Output = Result<Response<BoxBody<Bytes, hyper::Error>>, hyper::Error>> + Send>>;

/// A real server of hyper's over TLS, which begins each handshake `late` and answers by `reply`.
struct Real {
    late: Duration,
    reply: fn(Request<Incoming>) -> Reply,
    accepted: AtomicUsize,
}

impl Real {
    fn new(late: Duration, reply: fn(Request<Incoming>) -> Reply) -> Arc<Self> {
        Arc::new(Self { late, reply, accepted: AtomicUsize::new(0) })
    }

    /// Listens on a port of loopback, which is returned, under `name`.
    fn start(self: &Arc<Self>, authority: &Authority, name: &str, runtime: &Runtime) -> u16 {
        let identity = authority.issue(&Leaf::naming(&[name])).offering(&["h2"]);
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback works");
        listener.set_nonblocking(true).expect("loopback works");
        let port = listener.local_addr().expect("loopback works").port();
        let server = Arc::clone(self);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("loopback works");
            loop {
                let (stream, _) = listener.accept().await.expect("loopback works");
                server.accepted.fetch_add(1, Ordering::SeqCst);
                let acceptor = tokio_rustls::TlsAcceptor::from(identity.server_config());
                let (late, reply) = (server.late, server.reply);
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    let stream = TokioIo::new(acceptor.accept(stream).await.expect("loopback works"));
                    let connection = http2_server::Builder::new(TokioExecutor::new());
                    drop(connection.serve_connection(stream, service_fn(reply)).await);
                });
            }
        });
        port
    }
}

/// Answers with what was asked.
fn echo(request: Request<Incoming>) -> Reply {
    Box::pin(async move {
        let asked = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
        let body = request.into_body().collect().await?.to_bytes();
        let echo = Full::new(Bytes::from([asked.as_bytes(), b" ", &body].concat()));
        Ok(Response::new(echo.map_err(|never| match never {}).boxed()))
    })
}

/// Answers late, and sends the body later still.
fn delayed(_: Request<Incoming>) -> Reply {
    Box::pin(async {
        tokio::time::sleep(Duration::from_millis(delays::PROCESSING)).await;
        let wait = Box::pin(tokio::time::sleep(Duration::from_millis(delays::TRANSFER)));
        Ok(Response::new(LateBody { wait, sent: false }.boxed()))
    })
}

struct LateBody {
    wait: Pin<Box<tokio::time::Sleep>>,
    sent: bool,
}

impl Body for LateBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.sent {
            return Poll::Ready(None);
        }
        ready!(self.wait.as_mut().poll(cx));
        self.sent = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"late")))))
    }
}

fn multi_threaded() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime can be made")
}

fn single_threaded() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

#[test]
fn each_phase_has_its_own_time_over_http2_as_well() {
    let names = NameServer::start(|_| {
        let address = Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
        Answer::After(Duration::from_millis(delays::RESOLVE), Box::new(address))
    });
    let (authority, serving) = (Authority::new(), multi_threaded());
    let port = Real::new(Duration::from_millis(delays::TLS), delayed).start(&authority, "phases.test", &serving);
    let resolver = Resolver::Servers(vec![names.address()]);
    let options = ProberOptions {
        resolver,
        extra_roots: vec![authority.root()],
        has_route: |_| true,
        ..ProberOptions::default()
    };
    let probing = single_threaded();
    let prober = HttpProber::with(&options, clock).expect("good options");
    let begin = clock();
    let seen = probing.block_on(prober.probe(&site(&format!("https://phases.test:{port}/"), HttpOffer::Auto)));
    let wall = clock() - begin;
    assert_eq!((seen.cause, seen.http, seen.bytes), (Cause::Ok, Http::V2, 4), "{seen:?}");
    delays::assert_delayed(&seen, wall);
    drop(probing);
    serving.shutdown_background();
}

#[test]
fn the_handshake_chooses_the_protocol_and_a_kept_connection_serves_many_checks() {
    let authority = Authority::new();
    let serving = multi_threaded();
    let server = Real::new(Duration::ZERO, echo);
    let url = format!("https://127.0.0.1:{}/path?q=1", server.start(&authority, "127.0.0.1", &serving));
    let prober = prober(Some(&authority));
    let body = Some(Secret::new("ping"));
    let expect = |part: &str| -> Expect {
        let contains = vec![Expected { what: part.to_owned(), shown: part.to_owned() }];
        BodyExpectations { contains, ..BodyExpectations::default() }.into()
    };
    let address = url.strip_prefix("https://").unwrap();
    let asked = expect(&format!("PUT https://{address} {{\"user-agent\""));
    let kept = Site { keep_alive: true, method: "PUT".to_owned(), body, expect: asked, ..site(&url, HttpOffer::Auto) };
    let probing = single_threaded();
    probing.block_on(async {
        for check in 0..5 {
            let seen = prober.probe(&kept).await;
            assert_eq!((seen.cause, seen.http), (Cause::Ok, Http::V2), "{seen:?}");
            assert_eq!(seen.flags.has(Flags::REUSED), check > 0, "{seen:?}");
            assert_eq!(seen.phases.get(Phase::Tls).is_some(), check == 0, "{seen:?}");
            assert!(seen.certificate.is_some() && seen.address.is_some(), "{seen:?}");
        }
        assert_eq!(server.accepted.load(Ordering::SeqCst), 1);
        let seen = prober.probe(&Site { max_body: 10, ..kept.clone() }).await;
        assert_eq!((seen.cause, seen.bytes, seen.flags.has(Flags::BODY_CAPPED)), (Cause::Body, 10, true), "{seen:?}");
        let seen = prober.probe(&site(&url, HttpOffer::V11)).await;
        assert_eq!(seen.cause, Cause::TlsError, "{seen:?}");
        assert!(seen.detail.contains("version of HTTP"), "{seen:?}");
    });
    drop(probing);
    serving.shutdown_background();
}

#[tokio::test]
async fn a_server_without_http2_is_asked_in_http1_or_not_at_all() {
    let authority = Authority::new();
    let prober = prober(Some(&authority));
    for (protocols, http, cause) in [
        (&["http/1.1"][..], HttpOffer::Auto, Cause::Ok),
        (&[], HttpOffer::Auto, Cause::Ok),
        (&[], HttpOffer::V2, Cause::TlsError),
        (&["http/1.1"], HttpOffer::V2, Cause::TlsError),
    ] {
        let identity = authority.issue(&Leaf::naming(&["127.0.0.1"])).offering(protocols);
        let server = Server::start(Behaviour::ok().over_tls(identity));
        let seen = prober.probe(&site(&server.url("/"), http)).await;
        assert_eq!(seen.cause, cause, "{protocols:?} {http:?}: {seen:?}");
    }
}

/// A server of both protocols over TLS that answers HTTP/2 by `frames`, and the other one well.
fn requiring_http1(authority: &Authority, protocols: &[&str], frames: Vec<u8>) -> Server {
    const MARK: &[u8; 8] = b"has come";
    let identity = authority.issue(&Leaf::naming(&["127.0.0.1"])).offering(protocols);
    // The preface of HTTP/2 is a request of the method PRI. A ping that came back shows that what was asked has come.
    Server::start(
        Behaviour::answering(move |request| match request.method.as_str() {
            "PRI" => vec![
                Step::send([settings(), frame(http2::PING, 0, 0, MARK)].concat()),
                Step::Hear(|heard| heard.windows(MARK.len()).any(|bytes| bytes == MARK)),
                Step::send(frames.clone()),
                Step::Hang,
            ],
            _ => vec![Step::send(response(200, "ok"))],
        })
        .over_tls(identity),
    )
}

#[tokio::test]
async fn a_server_that_requires_http1_is_asked_in_it_from_then_on() {
    let authority = Authority::new();
    for (case, frames, cause) in [
        ("RST_STREAM", reset(1, http2::HTTP_1_1_REQUIRED), Cause::Reset),
        ("GOAWAY", goaway(0, http2::HTTP_1_1_REQUIRED), Cause::Closed),
        ("GOAWAY that names the request", goaway(1, http2::HTTP_1_1_REQUIRED), Cause::Closed),
    ] {
        for (method, keep_alive) in [("GET", false), ("POST", false), ("GET", true)] {
            let prober = prober(Some(&authority));
            let server = requiring_http1(&authority, &["h2", "http/1.1"], frames.clone());
            let method = method.to_owned();
            let auto = Site { method, keep_alive, ..site(&server.url("/"), HttpOffer::Auto) };
            for check in 1..=3 {
                let seen = prober.probe(&auto).await;
                assert_eq!(
                    (outcome(&seen), seen.http),
                    ((Cause::Ok, Some(200)), Http::V11),
                    "{case} {check}: {seen:?}"
                );
                let connections = if keep_alive { 2 } else { 1 + check };
                assert_eq!(server.accepted(), connections, "{case}, check {check}");
            }
            let seen = prober.probe(&Site { http: HttpOffer::V2, keep_alive: false, ..auto }).await;
            assert_eq!(outcome(&seen), (cause, None), "{case}: {seen:?}");
            assert!(seen.detail.contains("requires HTTP/1.1 (") && seen.detail.contains("`http: auto`"), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_requires_http1_and_does_not_speak_it_is_down_and_says_so() {
    let authority = Authority::new();
    let prober = prober(Some(&authority));
    let server = requiring_http1(&authority, &["h2"], reset(1, http2::HTTP_1_1_REQUIRED));
    for check in 1..=2 {
        let seen = prober.probe(&site(&server.url("/"), HttpOffer::Auto)).await;
        assert_eq!((seen.cause, server.accepted()), (Cause::TlsError, 2 * check), "{seen:?}");
        assert!(seen.detail.ends_with("after it required HTTP/1.1"), "{seen:?}");
    }
}

/// The server behind an address may be replaced by one that speaks nothing but HTTP/2.
#[tokio::test]
async fn what_an_origin_required_is_forgotten_when_it_no_longer_speaks_it() {
    let authority = Authority::new();
    let identity = |protocols| authority.issue(&Leaf::naming(&["127.0.0.1"])).offering(protocols).server_config();
    let (both, one) = (identity(&["h2", "http/1.1"]), identity(&["h2"]));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback works");
    let url = format!("https://{}/", listener.local_addr().expect("loopback works"));
    let serving = tokio::spawn(async move {
        for connection in 1.. {
            let (stream, _) = listener.accept().await.expect("loopback works");
            let config = if connection <= 2 { &both } else { &one };
            let accepted = tokio_rustls::TlsAcceptor::from(Arc::clone(config)).accept(stream).await;
            // The third client offers what that server does not speak.
            let Ok(stream) = accepted.map(TokioIo::new) else { continue };
            let http2 = http2_server::Builder::new(TokioExecutor::new());
            match connection {
                1 => drop(http2.serve_connection(stream, service_fn(require_http1)).await),
                2 => drop(http1_server::Builder::new().serve_connection(stream, service_fn(echo)).await),
                _ => drop(http2.serve_connection(stream, service_fn(echo)).await),
            }
        }
    });
    let prober = prober(Some(&authority));
    for http in [Http::V11, Http::V2] {
        let seen = prober.probe(&site(&url, HttpOffer::Auto)).await;
        assert_eq!((seen.cause, seen.http), (Cause::Ok, http), "{seen:?}");
    }
    serving.abort();
}

/// Ends the stream by `HTTP_1_1_REQUIRED`.
async fn require_http1(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, h2::Error> {
    Err(h2::Reason::HTTP_1_1_REQUIRED.into())
}
