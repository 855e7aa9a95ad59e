//! What each answer of a service, or its absence, comes to; and that no secret is in anything that is said about it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use webmon::model::{ClientIdentity, SecretUrl};
use webmon::notify::{FailureKind, NotifyError, Outlet, OutletTls, SendFailure, Sender, Service};

use crate::fixtures::{Case, MARK, NOW, envelope, news, outlet, sender, services};
use crate::support::tls::{Authority, Leaf};
use crate::support::{Behaviour, Server, Step, ports, redirect, response};

/// A whole answer with a header.
fn with_header(status: u16, header: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    vec![Step::send(format!("HTTP/1.1 {status} Scripted\r\n{header}\r\nContent-Length: {length}\r\n\r\n{body}"))]
}

/// An endless body.
fn endless(status: u16) -> Vec<Step> {
    vec![Step::send(format!("HTTP/1.1 {status} Scripted\r\n\r\n")), Step::Flood(vec![b'x'; 4_096])]
}

/// Every failure, with its kind, its wait in ms, and a part of its reason.
fn failures() -> Vec<(Behaviour, FailureKind, Option<u128>, &'static str)> {
    use FailureKind::{Broken, Gone, Transient};
    let answer = |status, body: &str| Behaviour::always(vec![Step::send(response(status, body))]);
    let scripted = |steps: Vec<Step>| Behaviour::always(steps);
    let page = with_header(502, "Content-Type: text/html", "<html><title>Bad Gateway</title>nginx</html>");
    vec![
        (answer(400, r#"{"message":"Invalid Form Body"}"#), Broken, None, "400 Bad Request: Invalid Form Body"),
        (answer(401, "invalid_token"), Broken, None, "401 Unauthorized: invalid_token"),
        (answer(404, "no_service"), Broken, None, "404 Not Found: no_service"),
        (answer(408, ""), Transient, None, "408 Request Timeout"),
        (answer(410, "channel_is_archived"), Gone, None, "410 Gone: channel_is_archived"),
        (answer(429, ""), Transient, None, "429 Too Many Requests"),
        (scripted(with_header(429, "Retry-After: 7", "")), Transient, Some(7_000), "429"),
        (scripted(with_header(429, "Retry-After: Sun, 22 Nov 2026 09:00:20 GMT", "")), Transient, Some(19_876), "429"),
        (answer(429, r#"{"retry_after":2.5}"#), Transient, Some(2_500), "429"),
        (
            answer(429, r#"{"ok":false,"description":"Too Many","parameters":{"retry_after":5}}"#),
            Transient,
            Some(5_000),
            "Too Many",
        ),
        (answer(429, r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}"#), Transient, Some(1_500), "429"),
        (scripted(with_header(503, "Retry-After: 999999", "")), Transient, Some(3_600_000), "503 Service Unavailable"),
        (
            answer(500, "oops\u{1b}[2J\nsecond line"),
            Transient,
            None,
            "500 Internal Server Error: oops\u{fffd}[2J second line",
        ),
        (scripted(page), Transient, None, "502 Bad Gateway"),
        (scripted(endless(500)), Transient, None, "500 Internal Server Error: xxxx"),
        (
            scripted(vec![Step::send(redirect(302, "/elsewhere"))]),
            Broken,
            None,
            "302 Found: redirects are not followed",
        ),
        (Behaviour::ok().at_accept(vec![Step::Reset]), Transient, None, "onnection"),
        (scripted(vec![Step::Reset]), Transient, None, "connection reset"),
        (scripted(vec![Step::Close]), Transient, None, "connection closed"),
        (scripted(vec![Step::send("garbage\r\n\r\n"), Step::Close]), Transient, None, "HTTP"),
        (
            scripted(vec![
                Step::send("HTTP/1.1 103 Early\r\n\r\n"),
                Step::Flood(b"HTTP/1.1 103 Early\r\n\r\n".to_vec()),
            ]),
            Transient,
            None,
            "256 KiB",
        ),
    ]
}

fn hook(url: &str) -> Service {
    let url = SecretUrl::new(url.parse().unwrap());
    Service::Webhook { url, headers: Vec::new(), body: None }
}

async fn fail(sender: &mut Sender) -> SendFailure {
    sender.send(&envelope(vec![news(Case::Down, "")]), NOW).await.unwrap_err()
}

#[tokio::test]
async fn each_failure_has_its_kind_its_wait_and_its_words() {
    for (behaviour, kind, wait, part) in failures() {
        let server = Server::start(behaviour);
        let failure = fail(&mut sender(hook(&server.url("/in")))).await;
        assert!(failure.reason.contains(part), "{part}: {failure:?}");
        let asked = failure.retry_after.map(|wait| wait.as_millis());
        assert_eq!((failure.kind, asked), (kind, wait), "{failure:?}");
        // A connection that is reset at once may be gone before it was made.
        let is_gone = part == "onnection" && failure.reason.starts_with("cannot connect");
        assert_eq!(failure.is_unsent, is_gone, "{failure:?}");
        assert!(failure.reason.len() <= 300 && !failure.reason.contains(char::is_control), "{failure:?}");
    }
}

/// Before there is a connection nothing can have arrived; what was written into one may have.
#[tokio::test]
async fn what_was_not_sent_for_certain_is_told_from_what_may_have_arrived() {
    let nobody = ports::closed_port();
    for scheme in ["http", "https"] {
        let failure = fail(&mut sender(hook(&format!("{scheme}://{nobody}/in")))).await;
        assert!(failure.is_unsent && failure.kind == FailureKind::Transient, "{scheme}: {failure:?}");
    }
    let untrusted = Server::start(Behaviour::ok().over_tls(Authority::new().issue(&Leaf::naming(&["127.0.0.1"]))));
    let failure = fail(&mut secured(&untrusted, OutletTls::default())).await;
    assert!(failure.is_unsent && failure.kind == FailureKind::Broken, "{failure:?}");
    assert_eq!(untrusted.requests().len(), 0);
}

/// A request that went out on a kept connection and is repeated may have arrived, though the repeat finds nobody.
#[tokio::test]
async fn a_repeat_that_finds_nobody_does_not_unsend_what_went_before() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        for answer in [response(200, "ok"), String::new()] {
            let mut request = [0; 8_192];
            let read = stream.read(&mut request).unwrap();
            assert!(read > 0, "each request comes on the first connection");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let url = SecretUrl::new(format!("http://{address}").parse().unwrap());
    let mut sender = sender(Service::Alertmanager { url });
    sender.send(&envelope(vec![news(Case::Down, "")]), NOW).await.unwrap();
    let failure = fail(&mut sender).await;
    server.join().unwrap();
    assert!(failure.reason.contains("cannot connect") && !failure.is_unsent, "{failure:?}");
}

#[tokio::test]
async fn success_is_any_2xx_whatever_follows() {
    let answers = [
        vec![Step::send(response(200, "ok"))],
        vec![Step::send(response(202, ""))],
        vec![Step::send("HTTP/1.1 204 No Content\r\n\r\n")],
        vec![Step::send(response(200, "{\"garbage"))],
        endless(200),
        vec![Step::send("HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\ncut"), Step::Close],
    ];
    for (answer, status) in
        answers.into_iter().zip(["200 OK", "202 Accepted", "204 No Content", "200 OK", "200 OK", "201 Created"])
    {
        let server = Server::start(Behaviour::always(answer));
        let delivered = sender(hook(&server.url("/in"))).send(&envelope(vec![news(Case::Down, "")]), NOW).await;
        assert_eq!(delivered.unwrap().status, status);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_service_that_hangs_is_given_half_a_minute() {
    let server = Arc::new(Server::start(Behaviour::always(vec![Step::Hang])));
    let url = server.url("/in");
    let sent = tokio::spawn(async move { fail(&mut sender(hook(&url))).await });
    // The server is on a thread of its own, so this waits for it in real time.
    while server.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(29)).await;
    tokio::task::yield_now().await;
    assert!(!sent.is_finished(), "it is given the whole time");
    tokio::time::advance(Duration::from_secs(2)).await;
    let failure = sent.await.unwrap();
    assert_eq!((failure.kind, failure.reason.as_str()), (FailureKind::Transient, "no answer within 30 s"));
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_no_message_and_doubles_none() {
    let server = Server::start(Behaviour::always(vec![Step::send(response(200, "ok")), Step::Close]));
    let mut sender = sender(hook(&server.url("/in")));
    for ended in 1..=3 {
        sender.send(&envelope(vec![news(Case::Down, "")]), NOW).await.unwrap();
        while server.closed() < ended {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!((server.requests().len(), server.accepted()), (3, 3));

    let kept = Server::start(Behaviour::ok());
    let mut sender = crate::fixtures::sender(hook(&kept.url("/in")));
    for _ in 0..3 {
        sender.send(&envelope(vec![news(Case::Down, "")]), NOW).await.unwrap();
    }
    assert_eq!((kept.requests().len(), kept.accepted()), (3, 1));
}

fn secured(server: &Server, tls: OutletTls) -> Sender {
    let outlet = Outlet { tls, ..outlet(hook(&server.url("/in"))) };
    Sender::new(Arc::new(outlet), TimeZone::UTC).unwrap()
}

#[tokio::test]
async fn a_server_is_verified_unless_the_outlet_says_otherwise() {
    let authority = Authority::new();
    let leaf = Leaf::naming(&["127.0.0.1"]);
    let server = Server::start(Behaviour::ok().over_tls(authority.issue(&leaf)));
    let failure = fail(&mut secured(&server, OutletTls::default())).await;
    assert_eq!(failure.kind, FailureKind::Broken);
    assert!(failure.reason.contains("certificate"), "{failure:?}");

    let news = envelope(vec![news(Case::Down, "")]);
    let trusting = OutletTls { roots: Arc::new(vec![authority.root()]), ..OutletTls::default() };
    assert!(secured(&server, trusting.clone()).send(&news, NOW).await.is_ok());
    assert!(secured(&server, OutletTls { insecure: true, ..OutletTls::default() }).send(&news, NOW).await.is_ok());

    // The certificate of a server that signed itself is its own root.
    let itself = leaf.self_signed();
    let pinned = Server::start(Behaviour::ok().over_tls(itself.clone()));
    assert_eq!(fail(&mut secured(&pinned, trusting)).await.kind, FailureKind::Broken);
    let (chain, _) = itself.to_client();
    let pinning = OutletTls { roots: Arc::new(chain), ..OutletTls::default() };
    assert!(secured(&pinned, pinning).send(&news, NOW).await.is_ok());

    let expired = Server::start(Behaviour::ok().over_tls(authority.issue(&leaf.expired())));
    let failure =
        fail(&mut secured(&expired, OutletTls { roots: Arc::new(vec![authority.root()]), ..OutletTls::default() }))
            .await;
    assert_eq!(failure.kind, FailureKind::Broken);
    assert!(failure.reason.contains("expired"), "{failure:?}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let (authority, clients) = (Authority::new(), Authority::of_clients());
    let server = authority.issue(&Leaf::naming(&["127.0.0.1"])).asking_clients(&clients);
    let server = Server::start(Behaviour::ok().over_tls(server));
    let roots = Arc::new(vec![authority.root()]);
    let without = OutletTls { roots: Arc::clone(&roots), ..OutletTls::default() };
    let failure = fail(&mut secured(&server, without)).await;
    assert!(failure.reason.contains("client certificate"), "{failure:?}");

    let (chain, key) = clients.issue(&Leaf::naming(&["webmon.test"]).for_clients()).to_client();
    let identity = Some(Arc::new(ClientIdentity { chain, key }));
    let with = OutletTls { roots, identity, ..OutletTls::default() };
    assert!(secured(&server, with).send(&envelope(vec![news(Case::Down, "")]), NOW).await.is_ok());
}

/// Reads `CONNECT` at the beginning of a connection and opens the tunnel: the rest of the connection is the server's.
fn proxying(answer: &str) -> Behaviour {
    let whole = |heard: &[u8]| heard.ends_with(b"\r\n\r\n");
    Behaviour::ok().at_accept(vec![Step::Hear(whole), Step::send(answer)])
}

#[tokio::test]
async fn a_proxy_opens_a_tunnel_or_says_why_not() {
    let through = |proxy: &Server| {
        let proxy = format!("http://ada:{MARK}-proxy@{}", proxy.address());
        let service = hook("http://service.invalid/in");
        Outlet { proxy: Some(SecretUrl::new(proxy.parse().unwrap())), ..outlet(service) }
    };
    let open = Server::start(proxying("HTTP/1.1 200 Connection established\r\n\r\n"));
    let mut sender = Sender::new(Arc::new(through(&open)), TimeZone::UTC).unwrap();
    sender.send(&envelope(vec![news(Case::Down, "")]), NOW).await.unwrap();
    let requests = open.requests();
    assert_eq!((requests[0].target.as_str(), requests[0].header("host")), ("/in", Some("service.invalid")));
    assert_eq!(requests[0].header("proxy-authorization"), None, "the server must not see it");

    for (answer, kind, part) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", FailureKind::Broken, "user and a password"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", FailureKind::Broken, "the proxy refuses the connection: 403 Forbidden"),
        ("HTTP/1.1 503 no c4n4ry-proxy\r\n\r\n", FailureKind::Transient, "the proxy cannot connect: 503 no ***"),
    ] {
        let closed = Server::start(proxying(answer));
        let failure = fail(&mut Sender::new(Arc::new(through(&closed)), TimeZone::UTC).unwrap()).await;
        assert_eq!(failure.kind, kind, "{failure:?}");
        assert!(failure.reason.contains(part) && failure.is_unsent, "{failure:?}");
    }
    let wrong = Outlet {
        proxy: Some(SecretUrl::new("socks5://127.0.0.1:1".parse().unwrap())),
        ..outlet(hook("http://a.test/"))
    };
    assert!(matches!(Sender::new(Arc::new(wrong), TimeZone::UTC), Err(NotifyError::Setup(_))));
}

/// Over every service and every failure: a server that echoes all that it was sent, too.
#[tokio::test]
async fn no_secret_is_in_anything_that_is_said() {
    let echo = Behaviour::answering(|request| {
        let headers: Vec<_> = request.headers.iter().map(|(_, value)| value.as_str()).collect();
        let body = String::from_utf8_lossy(&request.body);
        vec![Step::send(response(400, &format!("{} {} {body}", request.target, headers.join(" "))))]
    });
    let mut behaviours: Vec<Behaviour> = failures().into_iter().map(|(behaviour, ..)| behaviour).collect();
    behaviours.push(echo);
    behaviours.push(Behaviour::ok().over_tls(Authority::new().issue(&Leaf::naming(&["127.0.0.1"]))));
    let mut bases = Vec::new();
    for behaviour in behaviours {
        let server = Server::start(behaviour);
        bases.push((server.url(""), Some(server)));
    }
    bases.push((format!("http://{}", ports::closed_port()), None));
    for (base, server) in &bases {
        let base = base.replace("://", &format!("://ada:{MARK}-password@"));
        for service in services(&base) {
            let name = service.name();
            let outlet = outlet(service);
            let mut sender = Sender::new(Arc::new(outlet.clone()), TimeZone::UTC).unwrap();
            let told = envelope(vec![news(Case::Down, "")]);
            let failure = sender.send(&told, NOW).await.unwrap_err();
            let preview = sender.preview(&told, NOW);
            let said = format!("{failure:?} {preview:?} {sender:?} {outlet:?}");
            assert!(!said.contains(MARK), "{name} at {:?}: {said}", server.as_ref().map(Server::accepted));
        }
    }
}

#[test]
fn a_preview_shows_all_but_the_secrets() {
    for service in services("https://service.example:8443") {
        let name = service.name();
        let preview = sender(service).preview(&envelope(vec![news(Case::Down, "")]), NOW);
        assert_eq!(preview.url, "https://service.example:8443/***");
        assert_eq!(preview.method, if name == "matrix" { "PUT" } else { "POST" });
        assert!(preview.body.to_string().contains("Website api is down"), "{name}: {preview:?}");
        let secret = preview.headers.iter().filter(|(_, value)| value == "***").count();
        assert_eq!(secret, usize::from(["ntfy", "gotify", "matrix", "webhook"].contains(&name)), "{name}: {preview:?}");
    }
}
