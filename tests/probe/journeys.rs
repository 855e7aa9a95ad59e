//! Journeys: a login with a form, a cookie and a token in it; a token endpoint; one deadline over all.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::tls::{Authority, Leaf};
use crate::support::{Behaviour, Request, Server, Step, redirect, response};
use proptest::prelude::*;
use webmon::config;
use webmon::model::{Cause, Flags, Micros, Observation, Phase, Site, Status};
use webmon::probe::{HttpProber, Prober, ProberOptions};

const CSRF: &str = "cs/rf+t0ken=&'é";
const PASSWORD: &str = "p{ss w0rd&+é";
const SESSION: &str = "s3ss10n-1d";
const TOKEN: &str = "eyJ-t0ken.1";

#[allow(clippy::disallowed_methods, reason = "probes of real sockets take real time")]
fn clock() -> Instant {
    Instant::now()
}

fn prober() -> HttpProber {
    let options = ProberOptions { has_route: |_| true, all_evidence: true, ..ProberOptions::default() };
    HttpProber::with(&options, clock).expect("these options are good")
}

/// The only site of a file, with `SHOP` for the server.
fn site(shop: &Server, text: &str) -> Site {
    let text = text.replace("SHOP", &shop.url(""));
    let env = |name: &str| (name == "PW").then(|| PASSWORD.to_owned());
    let config = config::parse(&text, "sites.yaml", Path::new("/etc"), &env).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.warnings, [""; 0], "{text}");
    Site::clone(&config.sites[0].site)
}

/// A shop whose account is shown to whoever signed in with the form's token, the password and the cookie of the form.
fn shop() -> Server {
    Server::start(Behaviour::answering(|request| vec![Step::send(shop_answers(request))]))
}

fn shop_answers(request: &Request) -> String {
    let (path, _) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let has_cookie =
        |pair: &str| request.header("cookie").is_some_and(|cookies| cookies.split("; ").any(|one| one == pair));
    match (request.method.as_str(), path) {
        ("GET", "/login") => {
            let body = format!("<form><input name=\"csrf\" value=\"{CSRF}\"><input name=\"user\"></form>");
            let length = body.len();
            format!(
                "HTTP/1.1 200 OK\r\nSet-Cookie: form=1; Path=/\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        }
        ("POST", "/session") => {
            let fields: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
            let is = |name: &str, value: &str| fields.iter().any(|field| field.0 == name && field.1 == value);
            let is_form = request.header("content-type") == Some("application/x-www-form-urlencoded");
            if is("user", "monitor") && is("password", PASSWORD) && is("csrf", CSRF) && is_form && has_cookie("form=1")
            {
                redirect(303, "/account").replace("Location", &format!("Set-Cookie: sid={SESSION}; Path=/\r\nLocation"))
            } else {
                let echo = String::from_utf8_lossy(&request.body).into_owned();
                response(200, &format!("wrong password: {echo} {fields:?}"))
            }
        }
        ("GET", "/account") if has_cookie(&format!("sid={SESSION}")) => response(200, "Hello, monitor"),
        ("GET", "/account") => redirect(302, "/login"),
        ("GET", "/maintenance") => response(200, "<h1>Back soon</h1>"),
        _ => response(404, "nothing here"),
    }
}

const LOGIN: &str = r#"
sites:
- name: login
  interval: 10s
  steps:
    - { name: form, url: SHOP/login, take: { csrf: { body_regex: 'name="csrf" value="([^"]+)"' } } }
    - { name: sign in, url: SHOP/session, form: { user: monitor, password: "${PW}", csrf: "{csrf}" }, max_redirects: 0, expect: { status: 303 } }
    - { name: account, url: SHOP/account, expect: { body_contains: "Hello, monitor" } }
"#;

/// The statuses of the steps that were made.
fn steps(seen: &Observation) -> Vec<(&str, Option<u16>)> {
    seen.steps.iter().map(|made| (made.step.as_str(), made.status.map(Status::get))).collect()
}

/// Everything that an observation can show.
fn shown(seen: &Observation) -> String {
    format!("{seen:?}")
}

#[track_caller]
fn keeps_secrets(seen: &Observation) {
    let shown = shown(seen);
    for secret in [CSRF, PASSWORD, TOKEN, "cs%2Frf%2Bt0ken", "p%7Bss+w0rd", "p%7Bss%20w0rd"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn whoever_signs_in_sees_the_account() {
    let shop = shop();
    let site = site(&shop, LOGIN);
    assert_eq!(*site.shown, shop.url("/login"));
    let prober = prober();
    for check in 1..=2 {
        let seen = prober.probe(&site).await;
        assert_eq!((seen.cause, seen.detail.as_str()), (Cause::Ok, ""), "{seen:?}");
        assert_eq!(steps(&seen), [("form", Some(200)), ("sign in", Some(303)), ("account", Some(200))]);
        assert_eq!((seen.status.map(Status::get), seen.address), (Some(200), Some(shop.address())));
        // Cookies are forgotten between two checks: the form is asked without one.
        let requests = shop.requests();
        assert_eq!(requests.len(), 3 * check);
        assert_eq!(requests[3 * (check - 1)].header("cookie"), None);
        let sid = format!("form=1; sid={SESSION}");
        assert_eq!(requests[3 * check - 1].header("cookie"), Some(sid.as_str()));
        keeps_secrets(&seen);
        // The sums are those of the steps.
        for phase in Phase::ALL {
            let parts = seen.steps.iter().filter_map(|made| made.phases.get(phase)).map(Micros::get);
            let sum = parts.clone().count().checked_sub(1).map(|_| parts.sum::<u32>());
            assert_eq!(seen.phases.get(phase).map(Micros::get), sum, "{phase:?}");
        }
        let body = "<form><input name=\"csrf\" value=\"\"><input name=\"user\"></form>".len() + CSRF.len();
        assert_eq!(seen.bytes, (body + "Hello, monitor".len()) as u64);
    }
}

#[tokio::test]
async fn the_example_of_the_guide_signs_in() {
    let shop = shop();
    let text = format!("sites:\n{}", guide()[0]).replace("https://shop.example", &shop.url(""));
    let env = |name: &str| (name == "SHOP_PASSWORD").then(|| PASSWORD.to_owned());
    let config = config::parse(&text, "sites.yaml", Path::new("/etc"), &env).unwrap_or_else(|error| panic!("{error}"));
    let seen = prober().probe(&config.sites[0].site).await;
    assert_eq!((seen.cause, seen.detail.as_str()), (Cause::Ok, ""), "{seen:?}");
    assert_eq!(steps(&seen), [("form", Some(200)), ("sign in", Some(303)), ("account", Some(200))]);
}

#[tokio::test]
async fn a_failed_step_is_named_and_later_ones_are_not_made() {
    let shop = shop();
    for (from, to, cause, detail, made) in [
        ("\"${PW}\"", "\"other than ${PW}\"", Cause::Status, "step sign in: expected 303, got 200 Scripted", 2),
        (
            "SHOP/login",
            "SHOP/maintenance",
            Cause::Body,
            "step form: nothing to take as csrf: the body does not match \"name=\\\"csrf\\\" value=\\\"([^\\\"]+)\\\"\"; it is 18 bytes",
            1,
        ),
        ("SHOP/login,", "SHOP/gone,", Cause::Status, "step form: 404 Scripted", 1),
        (
            "body_regex: 'name=\"csrf\" value=\"([^\"]+)\"'",
            "header: X-Csrf",
            Cause::Header,
            "step form: nothing to take as csrf: the header x-csrf is missing",
            1,
        ),
        (
            "body_regex: 'name=\"csrf\" value=\"([^\"]+)\"'",
            "json: /csrf",
            Cause::Body,
            "step form: nothing to take as csrf: the body is not JSON: expected value at line 1 column 1",
            1,
        ),
        ("SHOP/account", "'SHOP/account?x={csrf}'", Cause::Ok, "", 3),
        (
            "Hello, monitor",
            "Hello, {csrf}",
            Cause::Body,
            "step account: the body does not contain \"Hello, {csrf}\"; it is 14 bytes and begins \"Hello, monitor\"",
            3,
        ),
        ("name: account, ", "", Cause::Ok, "", 3),
    ] {
        let text = LOGIN.replace(from, to);
        assert_ne!(text, LOGIN, "{from}");
        let seen = prober().probe(&site(&shop, &text)).await;
        assert_eq!((seen.cause, seen.detail.as_str(), seen.steps.len()), (cause, detail, made), "{seen:?}");
        keeps_secrets(&seen);
        let statuses = seen.steps.last().and_then(|made| made.status);
        assert_eq!(seen.status, statuses);
    }
}

/// The server repeats the password and the token; both are stars in the evidence.
#[tokio::test]
async fn an_answer_that_repeats_what_it_was_sent_shows_no_secret() {
    let shop = shop();
    let text = LOGIN
        .replace("expect: { status: 303 }", "expect: { body_contains: welcome }")
        .replace("monitor, p", "nobody, p");
    let seen = prober().probe(&site(&shop, &text)).await;
    assert_eq!(seen.cause, Cause::Body, "{seen:?}");
    let body = seen.evidence.as_ref().and_then(|evidence| evidence.body.clone()).unwrap();
    assert!(body.starts_with("wrong password: ***"), "{body}");
    assert!(seen.detail.starts_with("step sign in: the body does not contain \"welcome\""), "{}", seen.detail);
    keeps_secrets(&seen);
}

/// A step that fails before it took its value shows no body in which the value may be.
#[tokio::test]
async fn what_was_not_taken_is_not_shown_either() {
    let body = format!("{{\"token\": \"{TOKEN}\", \"kind\": [1]}}");
    let server = Server::start(Behaviour::answering(move |request| {
        let status = request.target.trim_start_matches('/').parse().unwrap_or(200);
        let cut = request.target == "/cut";
        let length = body.len() + usize::from(cut);
        let head = format!(
            "HTTP/1.1 {status} Scripted\r\nX-Token: {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        let end = if cut { vec![Step::Close] } else { Vec::new() };
        [vec![Step::send(head + &body)], end].concat()
    }));
    for (path, take, cause, detail) in [
        ("200", "json: /access_token", Cause::Body, "step t: nothing to take as v: /access_token is missing"),
        ("200", "json: /kind", Cause::Body, "step t: nothing to take as v: /kind is a list"),
        ("200", "json: $.gone", Cause::Body, "step t: nothing to take as v: $.gone finds nothing"),
        (
            "200",
            "body_regex: 'x(y)'",
            Cause::Body,
            "step t: nothing to take as v: the body does not match \"x(y)\"; it is 37 bytes of application/json",
        ),
        ("201", "header: X-Gone", Cause::Header, "step t: nothing to take as v: the header x-gone is missing"),
        ("302", "json: /gone", Cause::Status, "step t: expected 200-299, got 302 Scripted"),
        ("cut", "json: /token", Cause::Truncated, "step t: connection closed after 37 bytes of body"),
    ] {
        let text = format!(
            "sites: [{{ name: a, steps: [{{ name: t, url: SHOP/{path}, take: {{ v: {{ {take} }} }} }}, {{ url: 'SHOP/{{v}}' }}] }}]"
        );
        let seen = prober().probe(&site(&server, &text)).await;
        assert_eq!(seen.cause, cause, "{seen:?}");
        if cause != Cause::Truncated {
            assert_eq!(seen.detail, detail);
        }
        // A header with a telling name is never shown.
        assert!(!shown(&seen).contains(TOKEN), "{path} {take}: {seen:?}");
    }
    // An error page is shown: it tells why there was no token.
    let text =
        "sites: [{ name: a, steps: [{ url: SHOP/401, take: { v: { json: /access_token } } }, { url: 'SHOP/{v}' }] }]";
    let seen = prober().probe(&site(&server, text)).await;
    assert_eq!((seen.cause, seen.detail.as_str()), (Cause::Status, "step 1: 401 Scripted"));
    assert!(seen.evidence.and_then(|evidence| evidence.body).is_some_and(|body| body.contains("\"kind\"")));
}

/// The parts of sites.yaml that the guide shows, in order.
fn guide() -> Vec<&'static str> {
    let section = include_str!("../../docs/guide.md").split("## Journeys").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

/// The second of them, for a server in place of its hosts.
fn orders(server: &Server) -> String {
    let text = format!("sites:\n{}", guide()[1]).replace("https://api.example", &server.url(""));
    text.replace("https://monitor:${CLIENT_SECRET}@id.example", &server.url("").replace("//", "//monitor:hunter2@"))
}

fn token_endpoint() -> Server {
    Server::start(Behaviour::answering(|request| {
        let authorization = request.header("authorization").unwrap_or_default();
        let answer = match request.target.as_str() {
            "/oauth2/token"
                if request.body == b"grant_type=client_credentials&scope=orders%3Aread"
                    && authorization == "Basic bW9uaXRvcjpodW50ZXIy" =>
            {
                response(200, &format!(r#"{{"access_token":"{TOKEN}","token_type":"Bearer","expires_in":300}}"#))
            }
            "/oauth2/token" => response(401, r#"{"error":"invalid_client"}"#),
            "/orders" if authorization == format!("Bearer {TOKEN}") => response(200, r#"{"orders":[]}"#),
            _ => response(403, &format!("what is {authorization}?")),
        };
        vec![Step::send(answer)]
    }))
}

#[tokio::test]
async fn a_token_of_oauth2_opens_the_api() {
    let server = token_endpoint();
    let seen = prober().probe(&site(&server, &orders(&server))).await;
    assert_eq!((seen.cause, seen.detail.as_str()), (Cause::Ok, ""), "{seen:?}");
    assert_eq!(steps(&seen), [("token", Some(200)), ("orders", Some(200))]);
    keeps_secrets(&seen);
    let seen = prober().probe(&site(&server, &orders(&server).replace("orders:read", "all"))).await;
    assert_eq!((seen.cause, seen.detail.as_str()), (Cause::Status, "step token: 401 Scripted"));
    let body = seen.evidence.and_then(|evidence| evidence.body);
    assert_eq!(body.as_deref(), Some(r#"{"error":"invalid_client"}"#));
    // The API repeats a token that it does not like.
    let seen = prober().probe(&site(&server, &orders(&server).replace("Bearer {token}", "Bearer x{token}"))).await;
    assert_eq!((seen.cause, seen.detail.as_str()), (Cause::Status, "step orders: 403 Scripted"));
    keeps_secrets(&seen);
}

#[tokio::test]
async fn one_deadline_covers_all_steps() {
    let server = Server::start(Behaviour::answering(|request| match request.target.as_str() {
        "/hang" => vec![Step::Hang],
        "/slow" => vec![Step::wait_ms(60), Step::send(response(200, "ok"))],
        _ => vec![Step::send(response(200, "ok"))],
    }));
    let text = "sites: [{ name: a, timeout: 300ms, interval: 1s, alert: { window: 10s }, steps: [{ url: SHOP/slow }, { name: second, url: SHOP/hang }, { url: SHOP/ }] }]";
    let seen = prober().probe(&site(&server, text)).await;
    assert_eq!(
        (seen.cause, seen.detail.as_str()),
        (Cause::ResponseTimeout, "step second: timed out in processing after 300 ms")
    );
    let total = seen.phases.total().as_duration();
    // Not above the timeout and the delay of a timer: otherwise it would say nothing of the site.
    assert!((Duration::from_millis(60)..=Duration::from_millis(400)).contains(&total), "{total:?}");
    assert_eq!(
        (steps(&seen), seen.status, seen.evidence.is_none()),
        (vec![("step 1", Some(200)), ("second", None)], None, true)
    );
    assert_eq!(server.requests().len(), 2);
}

/// A body without a length and without an end is read until the time is up, and the next step has none.
#[tokio::test]
async fn a_stream_leaves_no_time_for_later_steps() {
    let server = Server::start(Behaviour::always(vec![Step::send("HTTP/1.1 200 OK\r\n\r\nok"), Step::Hang]));
    let text = "sites: [{ name: a, timeout: 300ms, interval: 1s, alert: { window: 10s }, steps: [{ url: SHOP/, expect: { body_contains: ok } }, { url: SHOP/ }] }]";
    let seen = prober().probe(&site(&server, text)).await;
    assert_eq!((seen.cause, seen.detail.as_str()), (Cause::ResponseTimeout, "step 2: no time was left of 300 ms"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_limit_of_the_site_is_for_all_steps_and_one_of_a_step_for_itself() {
    let server = Server::start(Behaviour::answering(|_| vec![Step::wait_ms(60), Step::send(response(200, "ok"))]));
    let text = |site: &str, step: &str| {
        format!(
            "sites: [{{ name: a, expect: {{ {site} }}, steps: [{{ url: SHOP/1 }}, {{ url: SHOP/2, expect: {{ {step} }} }}] }}]"
        )
    };
    for (of_site, of_step, cause, detail) in [
        ("max_response_time: 100ms", "", Cause::Slow, "answered in "),
        ("", "max_response_time: 40ms", Cause::Slow, "step 2: answered in "),
        ("max_response_time: 9s", "max_response_time: 9s", Cause::Ok, ""),
    ] {
        let seen = prober().probe(&site(&server, &text(of_site, of_step))).await;
        assert_eq!(seen.cause, cause, "{seen:?}");
        assert!(seen.detail.starts_with(detail), "{}", seen.detail);
        assert!(seen.phases.total().as_duration() >= Duration::from_millis(120), "{seen:?}");
    }
}

#[tokio::test]
async fn redirects_belong_to_their_step_and_cookies_to_all() {
    let server = Server::start(Behaviour::answering(|request| {
        let answer = match request.target.as_str() {
            "/a" => redirect(302, "/b").replace("Location", "Set-Cookie: way=1; Path=/\r\nLocation"),
            "/b" => response(200, "there"),
            "/c" => redirect(307, "/d/s3cret-value"),
            _ => response(200, "value=s3cret-value;"),
        };
        vec![Step::send(answer)]
    }));
    let text = "sites: [{ name: a, keep_alive: true, steps: [{ name: one, url: SHOP/a }, { name: two, url: SHOP/c, method: POST, body: '{{x}}', take: { v: { body_regex: 'value=([^;]+)' } } }, { url: 'SHOP/e/{v}', headers: { X-V: '{v}' } }] }]";
    let site = site(&server, text);
    let prober = prober();
    for check in 0..2 {
        let seen = prober.probe(&site).await;
        assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
        let hops: Vec<(&str, &str)> = seen.hops.iter().map(|hop| (hop.url.as_str(), hop.location.as_str())).collect();
        let urls = ["/a", "/b", "/c", "/d/***"].map(|path| server.url(path));
        assert_eq!(hops, [(urls[0].as_str(), urls[1].as_str()), (&urls[2], &urls[3])]);
        assert_eq!(seen.steps.iter().map(|made| made.redirects).collect::<Vec<_>>(), [1, 1, 0]);
        assert_eq!(seen.steps[2].url, server.url("/e/***"));
        assert!(!shown(&seen).contains("s3cret-value"), "{seen:?}");
        assert!(seen.flags.has(Flags::REUSED), "the connection of one step serves the next");
        let requests = &server.requests()[5 * check..];
        let asked: Vec<String> = requests
            .iter()
            .map(|request| format!("{} {} {:?}", request.method, request.target, request.header("cookie")))
            .collect();
        assert_eq!(
            asked,
            [
                "GET /a None",
                "GET /b Some(\"way=1\")",
                "POST /c Some(\"way=1\")",
                "POST /d/s3cret-value Some(\"way=1\")",
                "GET /e/s3cret-value Some(\"way=1\")"
            ]
        );
        assert_eq!((requests[3].body.as_slice(), requests[4].header("x-v")), (&b"{x}"[..], Some("s3cret-value")));
    }
    assert!(server.accepted() < 10, "{} connections", server.accepted());
}

/// What `tls` and `connect_to` say is for the origin of the first step, from whichever step a request goes there.
#[tokio::test]
async fn the_origin_of_the_first_step_is_the_own_one() {
    let authority = Authority::new();
    let behaviour = || Behaviour::ok().over_tls(authority.issue(&Leaf::naming(&["127.0.0.1"])));
    let (own, other) = (Server::start(behaviour()), Server::start(behaviour()));
    let text = |second: &str| {
        format!(
            "sites: [{{ name: a, tls: {{ insecure: true }}, steps: [{{ url: SHOP/ }}, {{ name: b, url: {second} }}] }}]"
        )
    };
    let seen = prober().probe(&site(&own, &text("SHOP/b"))).await;
    assert_eq!((seen.cause, seen.certificate.is_some()), (Cause::Ok, true), "{seen:?}");
    let seen = prober().probe(&site(&own, &text(&other.url("/b")))).await;
    assert_eq!(seen.cause, Cause::TlsUntrusted, "{seen:?}");
    assert!(
        seen.detail.starts_with("step b: ") && seen.detail.ends_with("`insecure` is only for the site's own origin"),
        "{}",
        seen.detail
    );
    assert!(seen.certificate.is_some_and(|shown| !shown.faults.is_empty()));
}

/// A value that a server chooses cannot split a header, and the check says which step could not be made.
#[tokio::test]
async fn a_value_with_a_line_break_is_not_sent_in_a_header() {
    let server = Server::start(Behaviour::always(vec![Step::send(response(200, "v=<a\r\nX-Evil: 1>"))]));
    let text = "sites: [{ name: a, steps: [{ url: SHOP/, take: { v: { body_regex: '<([^>]*)>' } } }, { name: b, url: SHOP/, headers: { X-V: '{v}' } }] }]";
    let seen = prober().probe(&site(&server, text)).await;
    let detail = "step b: cannot be made: the header X-V would contain a control character or a line break";
    assert_eq!((seen.cause, seen.detail.as_str(), seen.steps.len()), (Cause::Body, detail, 1));
    assert_eq!(server.requests().len(), 1);
    let long = "x".repeat(5_000);
    let server = Server::start(Behaviour::always(vec![Step::send(response(200, &format!("<{long}>")))]));
    let seen = prober().probe(&site(&server, text)).await;
    assert_eq!(seen.detail, "step 1: nothing to take as v: it is 5,000 bytes long, more than 4,096");
}

/// Each check takes its own values, also while others run.
#[tokio::test]
async fn each_check_has_its_own_values() {
    let number = AtomicUsize::new(0);
    let server = Server::start(Behaviour::answering(move |request| {
        let body = match request.target.as_str() {
            "/new" => format!("id={:06};", number.fetch_add(1, Ordering::SeqCst)),
            target => format!("you are {target}"),
        };
        vec![Step::send(response(200, &body))]
    }));
    let text = "sites: [{ name: a, steps: [{ url: SHOP/new, take: { id: { body_regex: 'id=([0-9]+)' } } }, { url: 'SHOP/{id}' }] }]";
    let (prober, site) = (prober(), site(&server, text));
    let all = futures_of(&prober, &site, 8).await;
    assert!(all.iter().all(|seen| seen.cause == Cause::Ok), "{all:?}");
    let mut asked: Vec<String> =
        server.requests().into_iter().map(|request| request.target).filter(|target| target != "/new").collect();
    asked.sort();
    assert_eq!(asked, (0..8).map(|id| format!("/{id:06}")).collect::<Vec<_>>());
}

async fn futures_of(prober: &HttpProber, site: &Site, count: usize) -> Vec<Observation> {
    let mut all: Vec<_> = (0..count).map(|_| Box::pin(prober.probe(site))).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| match one.as_mut().poll(cx) {
            std::task::Poll::Ready(seen) => {
                done.push(seen);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever text a server gives, the next request carries it as it was, in each of the places.
    #[test]
    fn what_is_taken_arrives_as_it_was(value in "[ -;=-~éß日\u{1f600}]{1,40}") {
        prop_assume!(value.trim() == value);
        let body = format!("<{value}>");
        let server = Server::start(Behaviour::always(vec![Step::send(response(200, &body))]));
        let text = "sites: [{ name: a, steps: [{ url: SHOP/, take: { v: { body_regex: '<([^>]*)>' } } }, { url: 'SHOP/x?q={v}', headers: { X-V: '{v}' }, form: { f: '<{v}>' } }, { url: 'SHOP/y', method: PUT, body: '{{{v}}}' }] }]";
        prop_assume!(!value.contains('>'));
        let seen = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            prober().probe(&site(&server, text)).await
        });
        prop_assert_eq!(seen.cause, Cause::Ok, "{:?}", seen);
        let requests = server.requests();
        let query = requests[1].target.strip_prefix("/x?q=").unwrap();
        prop_assert_eq!(percent_decoded(query), value.clone());
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&requests[1].body).into_owned().collect();
        prop_assert_eq!(form, [("f".to_owned(), body)]);
        prop_assert_eq!(requests[1].method.as_str(), "POST");
        prop_assert_eq!(String::from_utf8(requests[2].body.clone()).unwrap(), format!("{{{value}}}"));
        if value.is_ascii() {
            prop_assert_eq!(requests[1].header("x-v"), Some(value.as_str()));
        }
    }
}

fn percent_decoded(text: &str) -> String {
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{text}");
    let url = url::Url::parse(&format!("http://a.test/?q={}", text.replace('+', "%2B"))).unwrap();
    url.query_pairs().next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}
