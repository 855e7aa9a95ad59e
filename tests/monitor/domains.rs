//! The registration of a site's domain, asked of a scripted registry: a warning, never down.

use std::net::Ipv4Addr;

use crate::support::dns::{Answer, NameServer};
use crate::support::program::{Folder, json};
use crate::support::{Behaviour, Request, Server, Step, response};

/// A list of registries and the registry of `test`, which knows `shop.test` until `expires`.
fn registry(expires: &'static str) -> Server {
    Server::start(Behaviour::answering(move |request: &Request| {
        let host = request.header("host").unwrap();
        let text = match &*request.target {
            "/dns.json" => response(200, &format!(r#"{{"services":[[["test"],["http://{host}/"]]]}}"#)),
            "/domain/shop.test" => {
                let event = format!(r#"{{"eventAction":"expiration","eventDate":"{expires}"}}"#);
                response(200, &format!(r#"{{"events":[{event}]}}"#))
            }
            _ => response(404, "{}"),
        };
        vec![Step::send(text)]
    }))
}

/// Two sites of one domain, and one of which nothing is known.
fn folder(web: &Server, names: &NameServer, registry: &Server) -> Folder {
    Folder::with(&format!(
        "dns: {{ resolver: ['{}'] }}\ndefaults: {{ interval: 500ms, domain: {{ bootstrap: '{}' }} }}\nsites:\n  - {{ name: www, \
         url: '{}' }}\n  - {{ name: api, url: '{}' }}\n  - {{ name: gone, url: '{}' }}\n  - {{ name: off, url: '{}', domain: off }}\n",
        names.address(),
        registry.url("/dns.json"),
        web.url_at("www.shop.test", "/"),
        web.url_at("api.shop.test", "/"),
        web.url_at("www.gone.test", "/"),
        web.url_at("www.shop.test", "/"),
    ))
}

fn names() -> NameServer {
    NameServer::start(|_| Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]))
}

#[test]
fn check_shows_it_beside_the_certificate() {
    let (web, names, registry) = (Server::start(Behaviour::ok()), names(), registry("2096-01-22T09:00:00Z"));
    let folder = folder(&web, &names, &registry);
    let objects = folder.run("check --format json").with(0).json();
    let domain = |at: usize| (&objects[at]["domain"]["name"], &objects[at]["domain"]["expires"]);
    for at in [0, 1] {
        assert_eq!(domain(at), (&"shop.test".into(), &"2096-01-22T09:00:00.000000Z".into()));
        assert!(objects[at]["domain"]["days_left"].as_i64().unwrap() > 20_000);
    }
    assert_eq!(domain(2), (&"www.gone.test".into(), &serde_json::Value::Null));
    assert!(objects[2]["domain"]["days_left"].is_null() && objects[3]["domain"].is_null());
    let text = folder.run("check -v").with(0).stdout;
    assert_eq!(text.matches("\n  domain shop.test · ").count(), 2, "{text}");
    assert!(text.contains("\n  domain www.gone.test · expiry not known\n"), "{text}");
    let before = registry.requests().len();
    folder.run("check").with(0);
    assert_eq!(registry.requests().len(), before, "what is not shown is not asked for");
}

#[test]
fn one_that_ends_soon_is_a_warning_and_no_downtime() {
    let (web, names, registry) = (Server::start(Behaviour::ok()), names(), registry("2001-01-22T09:00:00Z"));
    let folder = folder(&web, &names, &registry);
    let mut monitor = folder.start("run --no-store --headless --format json --events sample");
    let is_warning = |line: &String| line.contains(r#""about":"domain""#);
    monitor.until(|lines| lines.iter().any(is_warning));
    // The next questions are about the other hosts; both sites of the domain are checked often meanwhile.
    let count =
        |registry: &Server| registry.requests().iter().filter(|request| request.target.contains("gone")).count();
    let lines = monitor.until(|_| count(&registry) >= 2);
    let warnings: Vec<_> = lines.iter().filter(|line| is_warning(line)).map(|line| json(line)).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(
        (&warnings[0]["about"], &warnings[0]["message"]),
        (&"domain".into(), &"the domain shop.test has expired".into())
    );
    let samples = lines.iter().map(|line| json(line)).filter(|line| line["event"] == "sample");
    assert!(samples.into_iter().all(|sample| sample["up"] == true), "{lines:?}");
    let strict = folder.run("check --fail-on-warning -v");
    assert!(strict.stdout.contains("  warning: the domain shop.test has expired\n"), "{}", strict.stdout);
    strict.with(1);
}
