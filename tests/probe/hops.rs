//! The hops of one check: cookies, the body and its headers, and the bound of redirects.

use std::time::Instant;

use crate::support::{Behaviour, Request, Server, Step, redirect, response};
use webmon::model::{Cause, Observation, RedirectBody, Redirects, Secret, Site, Status};
use webmon::probe::{HttpProber, Prober, ProberOptions};

#[allow(clippy::disallowed_methods, reason = "probes of real sockets take real time")]
fn clock() -> Instant {
    Instant::now()
}

fn prober() -> HttpProber {
    HttpProber::with(&ProberOptions { has_route: |_| true, ..ProberOptions::default() }, clock).expect("good options")
}

fn site(url: &str) -> Site {
    Site::new("site", url.parse().expect("a URL"))
}

fn post(url: &str) -> Site {
    let headers = vec![("Content-Type".to_owned(), Secret::new("application/json"))];
    Site { method: "POST".to_owned(), headers, body: Some(Secret::new("{}")), ..site(url) }
}

fn outcome(seen: &Observation) -> (Cause, Option<u16>, usize) {
    (seen.cause, seen.status.map(Status::get), seen.hops.len())
}

fn setting(status: u16, location: &str, cookies: &[&str]) -> String {
    let lines = cookies.iter().fold(String::new(), |lines, cookie| lines + "Set-Cookie: " + cookie + "\r\n");
    redirect(status, location).replacen("\r\n", &format!("\r\n{lines}"), 1)
}

/// A server that accepts requests with its cookie and redirects all others to `/login`.
fn guarded() -> Server {
    Server::start(Behaviour::answering(|request: &Request| {
        let cookies = request.header("cookie").unwrap_or_default();
        let is_known = cookies.split("; ").any(|cookie| cookie == "session=1");
        let answer = match (request.target.as_str(), is_known) {
            ("/login", _) => setting(302, "/", &["session=1; Path=/; HttpOnly", "geo=de; Path=/"]),
            ("/self", false) => setting(302, "/self", &["session=1; Path=/"]),
            ("/form", false) => setting(303, "/home", &["session=1; Path=/"]),
            ("/forever", _) => setting(302, "/forever", &["unrelated=1; Path=/elsewhere"]),
            (_, true) => response(200, "welcome"),
            (_, false) => redirect(302, "/login"),
        };
        vec![Step::send(answer)]
    }))
}

#[tokio::test]
async fn cookies_set_on_the_way_are_sent_on_and_then_forgotten() {
    let server = guarded();
    let prober = prober();
    for (path, method, keep_alive, hops) in
        [("/", "GET", false, 2), ("/self", "GET", false, 1), ("/form", "POST", false, 1), ("/", "GET", true, 2)]
    {
        for check in 0..2 {
            let site = Site { method: method.to_owned(), keep_alive, ..site(&server.url(path)) };
            let before = server.requests().len();
            let seen = prober.probe(&site).await;
            assert_eq!(outcome(&seen), (Cause::Ok, Some(200), hops), "{path}, check {check}: {seen:?}");
            assert_eq!(server.requests()[before].header("cookie"), None, "{path}, check {check}");
        }
    }
}

#[tokio::test]
async fn cookies_of_the_site_go_first_and_a_loop_is_still_found() {
    let server = guarded();
    let own = Site { headers: vec![("Cookie".to_owned(), Secret::new("mine=2"))], ..site(&server.url("/")) };
    let seen = prober().probe(&own).await;
    assert_eq!(outcome(&seen), (Cause::Ok, Some(200), 2), "{seen:?}");
    let sent: Vec<_> = server.requests().iter().map(|request| request.header("cookie").map(str::to_owned)).collect();
    let all = "mine=2; geo=de; session=1";
    assert_eq!(sent, [Some("mine=2".to_owned()), Some("mine=2".to_owned()), Some(all.to_owned())]);
    let seen = prober().probe(&site(&server.url("/forever"))).await;
    assert_eq!(seen.cause, Cause::Redirect, "{seen:?}");
    assert!(seen.detail.starts_with("redirect loop"), "{seen:?}");
}

#[tokio::test]
async fn cookies_of_a_host_do_not_reach_another() {
    let there = Server::start(Behaviour::ok());
    let target = there.url_at("localhost", "/");
    let here = Server::start(Behaviour::answering(move |_| vec![Step::send(setting(302, &target, &["s=1"]))]));
    let seen = prober().probe(&site(&here.url("/"))).await;
    assert_eq!(outcome(&seen), (Cause::Ok, Some(200), 1), "{seen:?}");
    assert_eq!(there.requests()[0].header("cookie"), None);
}

/// An API under two names that records requests, and a server in front of it that redirects.
fn api(status: u16, host: &str) -> (Server, Server) {
    let api = Server::start(Behaviour::answering(|request: &Request| {
        let is_json = request.header("content-type") == Some("application/json");
        let right = request.method == "GET" && request.header("content-type").is_none() || is_json;
        vec![Step::send(response(if right { 200 } else { 415 }, ""))]
    }));
    let target = api.url_at(host, "/");
    let first = Server::start(Behaviour::answering(move |_| vec![Step::send(redirect(status, &target))]));
    (api, first)
}

#[tokio::test]
async fn a_body_goes_with_its_headers_or_not_at_all() {
    for (status, host, redirect_body, expected, body) in [
        (307, "127.0.0.1", RedirectBody::SameHost, (Cause::Ok, Some(200), 1), Some("{}")),
        (308, "127.0.0.1", RedirectBody::SameHost, (Cause::Ok, Some(200), 1), Some("{}")),
        (303, "localhost", RedirectBody::SameHost, (Cause::Ok, Some(200), 1), Some("")),
        (308, "localhost", RedirectBody::SameHost, (Cause::Redirect, Some(308), 0), None),
        (308, "localhost", RedirectBody::Any, (Cause::Ok, Some(200), 1), Some("{}")),
    ] {
        let (api, first) = api(status, host);
        let seen = prober().probe(&Site { redirect_body, ..post(&first.url("/")) }).await;
        assert_eq!(outcome(&seen), expected, "{status} {host}: {seen:?}");
        assert_eq!(seen.detail.contains("redirect_body: any"), expected.0 == Cause::Redirect, "{seen:?}");
        let got = api.requests().first().map(|request| String::from_utf8_lossy(&request.body).into_owned());
        assert_eq!(got.as_deref(), body, "{status} {host}");
    }
}

#[tokio::test]
async fn a_site_can_refuse_redirects_to_other_hosts() {
    for (redirects, host, expected) in [
        (Redirects::Any, "localhost", (Cause::Ok, Some(200), 1)),
        (Redirects::SameHost, "127.0.0.1", (Cause::Ok, Some(200), 1)),
        (Redirects::SameHost, "localhost", (Cause::Redirect, Some(302), 0)),
        (Redirects::None, "127.0.0.1", (Cause::Status, Some(302), 0)),
    ] {
        let (api, first) = api(302, host);
        let seen = prober().probe(&Site { redirects, ..site(&first.url("/")) }).await;
        assert_eq!(outcome(&seen), expected, "{redirects:?} {host}: {seen:?}");
        assert_eq!(api.accepted(), expected.2, "{redirects:?} {host}");
    }
}

#[tokio::test]
async fn a_post_without_a_body_tells_its_length() {
    let server = Server::start(Behaviour::answering(|request: &Request| {
        let status = if request.method == "GET" || request.header("content-length") == Some("0") { 200 } else { 411 };
        vec![Step::send(response(status, ""))]
    }));
    for method in ["POST", "PUT", "PATCH", "GET"] {
        let seen = prober().probe(&Site { method: method.to_owned(), ..site(&server.url("/")) }).await;
        assert_eq!(seen.cause, Cause::Ok, "{method}: {seen:?}");
    }
}

/// On loopback every number is a good zone, as on any address that needs none.
#[tokio::test]
async fn the_zone_of_an_address_is_not_sent() {
    let listener = match std::net::TcpListener::bind("[::1]:0") {
        Ok(listener) => listener,
        Err(error) => return println!("skipped: no IPv6 here: {error}"),
    };
    let address = listener.local_addr().expect("a bound socket has an address");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("one connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut stream, &mut byte).expect("a request");
            head.extend(byte);
        }
        std::io::Write::write_all(&mut stream, response(200, "ok").as_bytes()).expect("a reader");
        String::from_utf8_lossy(&head).into_owned()
    });
    let zoned = |zone: &str| Site { zone: Some(zone.into()), ..site(&format!("http://{address}/")) };
    let seen = prober().probe(&zoned("no-such-if0")).await;
    assert_eq!(outcome(&seen), (Cause::Local, None, 0), "{seen:?}");
    let seen = prober().probe(&zoned("1")).await;
    assert_eq!(outcome(&seen), (Cause::Ok, Some(200), 0), "{seen:?}");
    let head = server.join().expect("the server is done");
    assert!(head.contains(&format!("\r\nhost: {address}\r\n")), "{head}");
}
