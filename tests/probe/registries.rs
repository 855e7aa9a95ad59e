//! RDAP against scripted registries: what they know, how a name is shortened, and what their odd answers come to.

use std::sync::Arc;

use crate::support::{Behaviour, Request, Server, Step, redirect, response};
use url::Url;
use webmon::model::Timestamp;
use webmon::rdap::{Directory, RdapError};

const NOW: Timestamp = Timestamp::from_secs(1_795_340_000);
const REGISTERED: &str =
    r#"{"ldhName":"IGNORED\u001b[2J","events":[{"eventAction":"expiration","eventDate":"2027-01-22T09:00:00Z"}]}"#;

/// What a registry answers for a name.
type Registry = fn(&str) -> Vec<Step>;

/// A list of registries at `/dns.json`, one for `example` and `co.example` at `/rdap/`, which answers by `registry`.
fn start(registry: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> Server {
    Server::start(Behaviour::answering(move |request: &Request| {
        if request.target == "/dns.json" {
            let host = request.header("host").unwrap();
            let list = format!(r#"{{"services":[[["example","co.example"],["http://{host}/rdap"]]]}}"#);
            return vec![Step::send(response(200, &list))];
        }
        registry(request.target.strip_prefix("/rdap/domain/").unwrap_or(&request.target))
    }))
}

fn known(name: &'static str) -> impl Fn(&str) -> Vec<Step> {
    move |asked| vec![Step::send(if asked == name { response(200, REGISTERED) } else { response(404, "{}") })]
}

async fn ask(directory: &mut Directory, server: &Server, host: &str) -> Result<Option<String>, RdapError> {
    let list = Url::parse(&server.url("/dns.json")).unwrap();
    let found = directory.registration(host, &list, NOW).await?;
    Ok(found.map(|found| {
        assert_eq!(found.expires, Timestamp::from_secs(1_800_608_400));
        found.name
    }))
}

fn asked(server: &Server) -> Vec<String> {
    let targets = server.requests().into_iter().map(|request| request.target);
    targets.map(|target| target.replace("/rdap/domain/", "")).collect()
}

#[tokio::test]
async fn a_name_is_shortened_until_its_registry_knows_it_and_never_to_a_bare_suffix() {
    for (registered, host, found, names) in [
        ("shop.example", "shop.example", Some("shop.example"), &["shop.example"][..]),
        (
            "shop.example",
            "a.www.shop.example",
            Some("shop.example"),
            &["a.www.shop.example", "www.shop.example", "shop.example"],
        ),
        (
            "shop.co.example",
            "www.shop.co.example",
            Some("shop.co.example"),
            &["www.shop.co.example", "shop.co.example"],
        ),
        ("none", "www.shop.co.example", None, &["www.shop.co.example", "shop.co.example"]),
        ("none", "shop.unlisted", None, &[]),
        ("none", "co.example", None, &["co.example"]),
        (
            "shop.example",
            "1.2.3.4.5.6.7.8.9.shop.example",
            Some("shop.example"),
            &[
                "4.5.6.7.8.9.shop.example",
                "5.6.7.8.9.shop.example",
                "6.7.8.9.shop.example",
                "7.8.9.shop.example",
                "8.9.shop.example",
                "9.shop.example",
                "shop.example",
            ],
        ),
    ] {
        let server = start(known(registered));
        assert_eq!(ask(&mut Directory::default(), &server, host).await, Ok(found.map(str::to_owned)), "{host}");
        let mut asked = asked(&server);
        assert_eq!(asked.remove(0), "/dns.json");
        let shown = asked.len().min(names.len());
        assert_eq!(asked[asked.len() - shown..], *names, "{host}");
        assert!(asked.len() <= 8, "{asked:?}");
    }
}

#[tokio::test]
async fn the_hosts_of_a_domain_ask_once_a_day() {
    let server = start(known("shop.example"));
    let mut directory = Directory::default();
    for host in ["shop.example", "www.shop.example", "api.shop.example"] {
        assert_eq!(ask(&mut directory, &server, host).await, Ok(Some("shop.example".to_owned())));
    }
    assert_eq!(asked(&server), ["/dns.json", "shop.example"]);
    let list = Url::parse(&server.url("/dns.json")).unwrap();
    let tomorrow = NOW.after(std::time::Duration::from_hours(24));
    directory.registration("shop.example", &list, tomorrow).await.unwrap();
    assert_eq!(asked(&server)[2..], ["/dns.json", "shop.example"]);
}

#[tokio::test]
async fn odd_answers_of_a_registry_are_no_registration_and_no_fault_of_the_domain() {
    let flood = || vec![Step::send("HTTP/1.1 200 OK\r\n\r\n["), Step::Flood("[7],".repeat(16 << 10).into())];
    for (what, registry, reason) in [
        ("no end", (|_| vec![Step::send(response(200, r#"{"events":[]}"#))]) as Registry, None),
        ("refused", |_| vec![Step::send(response(400, "no third level"))], None),
        ("garbage", |_| vec![Step::send(response(200, "<html>\x1b[2J"))], Some("its answer is not JSON")),
        ("busy", |_| vec![Step::send(response(429, "later"))], Some("429 Too Many Requests")),
        ("broken", |_| vec![Step::send(response(500, "\x1b[2J"))], Some("500 Internal Server Error")),
        ("closed", |_| vec![Step::Close], Some("closed")),
        ("a circle", |_| vec![Step::send(redirect(302, "/rdap/domain/shop.example"))], Some("more than 3 redirects")),
        ("a file", |_| vec![Step::send(redirect(302, "file:///etc/passwd"))], Some("not https")),
    ] {
        let server = start(registry);
        let found = ask(&mut Directory::default(), &server, "shop.example").await;
        match (found, reason) {
            (Ok(None), None) => {}
            (Err(error), Some(reason)) => {
                let text = error.to_string();
                assert!(text.contains(reason) && text.contains("registry of shop.example"), "{what}: {text}");
                assert!(!text.contains('\x1b') && !text.contains("passwd"), "{what}: {text}");
            }
            (found, _) => panic!("{what}: {found:?}"),
        }
    }
    let server = start(move |_| flood());
    let found = ask(&mut Directory::default(), &server, "shop.example").await;
    assert!(matches!(found, Err(RdapError::Registry { .. })), "{found:?}");
}

#[tokio::test]
async fn a_registry_may_redirect_to_another_one() {
    let other = Arc::new(start(known("shop.example")));
    let target = other.url("/rdap/domain/");
    let server = start(move |name| vec![Step::send(redirect(307, &format!("{target}{name}")))]);
    let found = ask(&mut Directory::default(), &server, "www.shop.example").await;
    assert_eq!(found, Ok(Some("shop.example".to_owned())));
    assert_eq!(asked(&other), ["www.shop.example", "shop.example"]);
}

#[tokio::test]
async fn without_a_list_nothing_is_known_and_it_is_asked_for_again() {
    for (answer, reason) in [
        (response(404, ""), "404 Not Found"),
        (response(200, "<html>"), "it lists no registry"),
        (response(200, r#"{"services":[]}"#), "it lists no registry"),
    ] {
        let server = Server::start(Behaviour::answering(move |_| vec![Step::send(answer.clone())]));
        let mut directory = Directory::default();
        for asked in 1..=2 {
            let error = ask(&mut directory, &server, "shop.example").await.unwrap_err();
            assert_eq!(error, RdapError::List(reason.to_owned()));
            assert_eq!(server.requests().len(), asked);
        }
    }
}

/// More than a list can have.
#[tokio::test]
async fn a_list_without_end_is_not_read_to_it() {
    let flood = || vec![Step::send("HTTP/1.1 200 OK\r\n\r\n[1,"), Step::Flood("2,".repeat(32 << 10).into())];
    let server = Server::start(Behaviour::answering(move |_| flood()));
    let error = ask(&mut Directory::default(), &server, "shop.example").await.unwrap_err();
    assert_eq!(error, RdapError::List("it is longer than 8 MiB".to_owned()));
}

/// In scripted time: whatever waits, waits no longer than this.
#[tokio::test(start_paused = true)]
async fn a_registry_that_hangs_is_not_waited_for() {
    let server = start(|_| vec![Step::Hang]);
    let error = ask(&mut Directory::default(), &server, "shop.example").await.unwrap_err().to_string();
    assert!(error.contains("within 10 s"), "{error}");
}
