//! Options of a site: expectations, kept connections, address families, the system's resolver, certificate files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::dns::{Answer, NameServer};
use crate::support::tls::{Authority, Identity, Leaf};
use crate::support::{Behaviour, Server, Step, redirect, response};
use regex::bytes::Regex;
use webmon::model::{
    BodyExpectations, Cause, ClientIdentity, Expect, Expected, Family, Flags, Observation, Phase, Resolver, Site,
    TlsFiles, TlsRules,
};
use webmon::probe::{HttpProber, Prober, ProberOptions};

#[allow(clippy::disallowed_methods, reason = "probes of real sockets take real time")]
fn clock() -> Instant {
    Instant::now()
}

fn site(url: &str) -> Site {
    Site { max_body: 64 * 1024, ..Site::new("site", url.parse().expect("a URL")) }
}

fn online() -> ProberOptions {
    ProberOptions { has_route: |_| true, ..ProberOptions::default() }
}

fn prober(options: &ProberOptions) -> HttpProber {
    HttpProber::with(options, clock).expect("these options are good")
}

/// The phases that took place, by their first letters; T is the transfer.
fn phases(seen: &Observation) -> String {
    let letters = Phase::ALL.into_iter().zip("rctpT".chars());
    letters.filter(|&(phase, _)| seen.phases.get(phase).is_some()).map(|(_, letter)| letter).collect()
}

fn expected<T>(what: T) -> Expected<T> {
    Expected { what, shown: "…".to_owned() }
}

#[tokio::test]
async fn an_answer_has_to_meet_every_expectation() {
    let halves = || vec![Step::send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall "), Step::wait_ms(30)];
    let whole = [halves(), vec![Step::send("well")]].concat();
    let contains = |text: &str| -> Expect {
        let contains = vec![expected(text.to_owned())];
        BodyExpectations { contains, ..BodyExpectations::default() }.into()
    };
    let matches = |text| -> Expect {
        let regex = Some(expected(Regex::new(text).unwrap()));
        BodyExpectations { regex, ..BodyExpectations::default() }.into()
    };
    let within = |millis| Expect { max_response_time: Some(Duration::from_millis(millis)), ..Expect::default() };
    let prober = prober(&online());
    for (script, expect, max_body, cause) in [
        (whole.clone(), contains("l w"), 1024, Cause::Ok),
        (whole.clone(), contains("l w"), 6, Cause::Ok),
        (whole.clone(), contains("well"), 6, Cause::Body),
        (whole.clone(), matches("^all.*l$"), 1024, Cause::Ok),
        (whole.clone(), matches("^well"), 1024, Cause::Body),
        (whole.clone(), within(20), 1024, Cause::Slow),
        (whole.clone(), within(9_000), 1024, Cause::Ok),
        // The first cause in the order of judgement is the one.
        (halves(), contains("never"), 1024, Cause::Truncated),
        (vec![Step::wait_ms(30), Step::send(response(500, "no"))], within(20), 1024, Cause::Status),
        (whole, Expect { body: contains("never").body, ..within(20) }, 1024, Cause::Body),
    ] {
        let script = [script, vec![Step::Close]].concat();
        let server = Server::start(Behaviour::always(script));
        let seen = prober.probe(&Site { expect: expect.clone(), max_body, ..site(&server.url("/")) }).await;
        assert_eq!(seen.cause, cause, "{expect:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_serves_the_next_check() {
    let authority = Authority::new();
    let prober = prober(&ProberOptions { extra_roots: vec![authority.root()], ..online() });
    let identity = authority.issue(&Leaf::naming(&["127.0.0.1"]));
    for (behaviour, first) in [(Behaviour::ok(), "cpT"), (Behaviour::ok().over_tls(identity), "ctpT")] {
        let server = Server::start(behaviour);
        let site = Site { keep_alive: true, ..site(&server.url("/")) };
        for check in 0..4 {
            let seen = prober.probe(&site).await;
            assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
            assert_eq!(phases(&seen), if check == 0 { first } else { "pT" }, "{seen:?}");
            assert_eq!(seen.flags.has(Flags::REUSED), check > 0);
            assert_eq!((seen.address, seen.certificate.is_some()), (Some(server.address()), first == "ctpT"));
        }
        assert_eq!(server.accepted(), 1);
        assert!(server.requests().iter().all(|request| request.header("connection").is_none()));
    }
}

#[tokio::test]
async fn a_stale_connection_is_replaced_in_silence() {
    // Each connection answers once and then ends, at once or at the next request.
    for (case, ending, method, cause) in [
        ("closed while idle", vec![Step::Close], "GET", Cause::Ok),
        ("closed while idle", vec![Step::Close], "POST", Cause::Ok),
        ("reset while idle", vec![Step::Reset], "GET", Cause::Ok),
        ("reset while idle", vec![Step::Reset], "POST", Cause::Ok),
    ] {
        let server = Server::start(Behaviour::always([vec![Step::send(response(200, "ok"))], ending].concat()));
        let site = Site { keep_alive: true, method: method.to_owned(), ..site(&server.url("/")) };
        let prober = prober(&online());
        for check in 1..=3 {
            let seen = prober.probe(&site).await;
            assert_eq!((seen.cause, phases(&seen).as_str()), (cause, "cpT"), "{case}: {seen:?}");
            assert!(!seen.flags.has(Flags::REUSED), "{case}: {seen:?}");
            // The end has to be sent, and to arrive, before the next check.
            while server.closed() < check && server.open() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(server.accepted(), 3, "{case}");
    }
}

/// How much later than it is [`later`] reads.
static LATER_SECS: AtomicU64 = AtomicU64::new(0);

fn later() -> Instant {
    clock() + Duration::from_secs(LATER_SECS.load(Ordering::Relaxed))
}

#[tokio::test]
async fn the_connection_of_a_site_that_is_checked_no_more_is_closed() {
    let prober = HttpProber::with(&online(), later).expect("these options are good");
    let (gone, stays) = (Server::start(Behaviour::ok()), Server::start(Behaviour::ok()));
    let minute = Duration::from_mins(1);
    let kept = |name: &str, server: &Server| {
        let site = Site::new(name, server.url("/").parse().expect("a URL"));
        Site { keep_alive: true, interval: minute, timeout: minute, ..site }
    };
    assert_eq!(prober.probe(&kept("gone", &gone)).await.cause, Cause::Ok);
    // Two intervals and a timeout are not over, then they are.
    for (secs, open) in [(0, 1), (100, 1), (250, 0)] {
        LATER_SECS.store(secs, Ordering::Relaxed);
        assert_eq!(prober.probe(&kept("stays", &stays)).await.cause, Cause::Ok);
        let enough = clock() + minute;
        while gone.open() != open && clock() < enough {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!((gone.open(), stays.open()), (open, 1), "after {secs} s");
    }
}

/// A server closes an idle connection while the next request is on its way.
#[tokio::test]
async fn a_timeout_of_an_idle_connection_is_not_the_answer_of_the_next_check() {
    for (method, outcomes) in [("GET", [Cause::Ok, Cause::Ok]), ("POST", [Cause::Ok, Cause::Status])] {
        let seen_before = std::sync::Mutex::new(std::collections::HashSet::new());
        let server = Server::start(Behaviour::answering(move |request| {
            let is_first = seen_before.lock().unwrap().insert(request.connection);
            vec![Step::send(response(if is_first { 200 } else { 408 }, "ok"))]
        }));
        let site = Site { keep_alive: true, method: method.to_owned(), ..site(&server.url("/")) };
        let prober = prober(&online());
        for cause in outcomes {
            let seen = prober.probe(&site).await;
            assert_eq!(seen.cause, cause, "{method}: {seen:?}");
            assert_eq!(phases(&seen), if cause == Cause::Ok { "cpT" } else { "pT" }, "{method}: {seen:?}");
        }
    }
    // Over a fresh connection it is an answer like any other.
    let server = Server::start(Behaviour::always(vec![Step::send(response(408, "no"))]));
    let site = Site { keep_alive: true, ..site(&server.url("/")) };
    assert_eq!(prober(&online()).probe(&site).await.cause, Cause::Status);
    assert_eq!(server.accepted(), 1);
}

/// A server ends an idle connection while the next request is on its way: it may have read it, and says nothing.
#[tokio::test]
async fn a_kept_connection_that_ends_without_a_word_was_stale_for_any_method() {
    for (method, ending) in [
        ("GET", Step::Close),
        ("POST", Step::Close),
        ("GET", Step::Reset),
        ("POST", Step::Reset),
        ("PATCH", Step::Reset),
    ] {
        let what = format!("{method} {ending:?}");
        let server = Server::start(second_request(vec![ending]));
        let site = Site { keep_alive: true, method: method.to_owned(), ..site(&server.url("/")) };
        let prober = prober(&online());
        for check in 0..3 {
            let seen = prober.probe(&site).await;
            assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::Ok, "cpT"), "{what} {check}: {seen:?}");
        }
        assert_eq!((server.requests().len(), server.accepted()), (5, 3), "{what}");
    }
    // Over a fresh connection it is an outage.
    let server = Server::start(Behaviour::always(vec![Step::Close]));
    let site = Site { keep_alive: true, method: "POST".to_owned(), ..site(&server.url("/")) };
    assert_eq!(prober(&online()).probe(&site).await.cause, Cause::Closed);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_request_that_was_being_answered_is_not_repeated() {
    for method in ["GET", "POST"] {
        let server = Server::start(second_request(vec![Step::send("HTTP/1.1 200"), Step::Close]));
        let site = Site { keep_alive: true, method: method.to_owned(), ..site(&server.url("/")) };
        let prober = prober(&online());
        for cause in [Cause::Ok, Cause::Closed] {
            let seen = prober.probe(&site).await;
            assert_eq!(seen.cause, cause, "{method}: {seen:?}");
        }
        assert_eq!(server.requests().len(), 2);
    }
}

/// A server that answers the first request over each connection, and then does this.
fn second_request(then: Vec<Step>) -> Behaviour {
    let seen_before = std::sync::Mutex::new(std::collections::HashSet::new());
    Behaviour::answering(move |request| {
        if seen_before.lock().unwrap().insert(request.connection) {
            return vec![Step::send(response(200, "ok"))];
        }
        then.clone()
    })
}

#[tokio::test]
async fn a_connection_with_an_unread_rest_or_another_purpose_is_not_used_again() {
    let server = Server::start(Behaviour::always(vec![Step::send(response(200, &"x".repeat(2_000)))]));
    let prober = prober(&online());
    let capped = Site { keep_alive: true, max_body: 1_000, ..site(&server.url("/")) };
    for _ in 0..2 {
        assert_eq!(phases(&prober.probe(&capped).await), "cpT");
    }
    let whole = Site { max_body: 4_000, ..capped };
    assert_eq!(phases(&prober.probe(&whole).await), "cpT");
    assert_eq!(phases(&prober.probe(&whole).await), "pT");
    let other = Site { family: Family::V4, ..whole };
    assert_eq!(phases(&prober.probe(&other).await), "cpT");
}

#[tokio::test]
async fn checks_of_one_site_that_overlap_do_not_share_a_connection() {
    let server = Server::start(Behaviour::always(vec![Step::wait_ms(50), Step::send(response(200, "ok"))]));
    let prober = Arc::new(prober(&online()));
    let site = Site { keep_alive: true, ..site(&server.url("/")) };
    assert_eq!(phases(&prober.probe(&site).await), "cpT");
    let (one, other) = tokio::join!(prober.probe(&site), prober.probe(&site));
    let mut both = [phases(&one), phases(&other)];
    both.sort();
    assert_eq!(both, ["cpT", "pT"]);
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn only_addresses_of_the_family_are_looked_up_and_used() {
    let server = Server::start(Behaviour::ok());
    let names = NameServer::start(|name| match name {
        "four.test" => {
            Answer::PerFamily(Box::new(Answer::Addresses(vec!["127.0.0.1".parse().unwrap()])), Box::new(Answer::NoData))
        }
        _ => Answer::Addresses(vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]),
    });
    let options = ProberOptions { resolver: Resolver::Servers(vec![names.address()]), ..online() };
    let prober = prober(&options);
    for (host, family, cause, questions) in [
        ("both.test", Family::V4, Cause::Ok, 1),
        ("four.test", Family::V6, Cause::DnsNotFound, 1),
        ("four.test", Family::V4, Cause::Ok, 1),
        ("127.0.0.1", Family::V6, Cause::DnsNotFound, 0),
        ("127.0.0.1", Family::V4, Cause::Ok, 0),
        ("localhost", Family::V4, Cause::Ok, 0),
    ] {
        let before = names.asked().len();
        let seen = prober.probe(&Site { family, ..site(&server.url_at(host, "/")) }).await;
        assert_eq!(seen.cause, cause, "{host} {family:?}: {seen:?}");
        assert_eq!(names.asked().len() - before, questions, "{host} {family:?}");
    }
}

#[tokio::test]
async fn the_systems_resolver_knows_this_machine() {
    let server = Server::start(Behaviour::ok());
    let prober = prober(&ProberOptions { resolver: Resolver::System, ..online() });
    let seen = prober.probe(&site(&server.url_at("localhost", "/"))).await;
    assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
    let Ok(own) = std::fs::read_to_string("/etc/hostname") else { return };
    let own = own.trim();
    let in_hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    if !in_hosts.split_whitespace().any(|word| word == own) {
        return;
    }
    let seen = prober.probe(&Site { family: Family::V4, ..site(&server.url_at(own, "/")) }).await;
    // The name may stand for an address at which this server does not listen; it was found in any case.
    assert!(seen.phases.get(Phase::Resolve).is_some() && seen.phases.get(Phase::Connect).is_some(), "{seen:?}");
}

#[tokio::test]
async fn a_site_brings_its_own_roots_and_its_own_certificate() {
    let (servers, clients) = (Authority::new(), Authority::called("clients"));
    let identity = servers.issue(&Leaf::naming(&["127.0.0.1"])).asking_clients(&clients);
    let server = Server::start(Behaviour::ok().over_tls(identity));
    let (chain, key) = clients.issue(&Leaf::naming(&["a client"])).to_client();
    let (_, other_key) = clients.issue(&Leaf::naming(&["another"])).to_client();
    let rules = |roots: Vec<Vec<u8>>, identity: Option<ClientIdentity>| {
        let files = Some(Arc::new(TlsFiles { roots: Arc::new(roots), identity: identity.map(Arc::new) }));
        TlsRules { files, ..TlsRules::default() }
    };
    let ours = || Some(ClientIdentity { chain: chain.clone(), key: key.clone() });
    let prober = prober(&online());
    for (tls, cause) in [
        (TlsRules::default(), Cause::TlsUntrusted),
        (rules(vec![servers.root()], None), Cause::TlsError),
        (rules(Vec::new(), ours()), Cause::TlsUntrusted),
        (rules(vec![servers.root()], ours()), Cause::Ok),
    ] {
        let site = Site { tls, ..site(&server.url("/")) };
        prober.learn(&site).unwrap();
        let seen = prober.probe(&site).await;
        assert_eq!(seen.cause, cause, "{seen:?}");
    }
    let mixed = Some(ClientIdentity { chain: chain.clone(), key: other_key });
    let site = Site { tls: rules(Vec::new(), mixed), ..site(&server.url("/")) };
    assert!(prober.learn(&site).unwrap_err().to_string().contains("client_key"));
}

/// `openssl req -x509` marks a certificate as an authority's; naming it as a root means just this certificate.
#[tokio::test]
async fn a_servers_own_certificate_is_a_root_as_good_as_any() {
    let leaf = || Leaf::naming(&["127.0.0.1"]).of_an_authority();
    let elsewhere = || Leaf::naming(&["other.test"]).of_an_authority();
    let (good, other) = (leaf().self_signed(), leaf().self_signed());
    let itself = |identity: Identity| (identity.clone(), identity);
    let prober = prober(&online());
    for (case, (identity, root), cause, faults) in [
        ("itself", itself(good.clone()), Cause::Ok, 0),
        ("no authority", itself(Leaf::naming(&["127.0.0.1"]).self_signed()), Cause::Ok, 0),
        ("signed by somebody unknown", itself(Authority::new().issue(&leaf())), Cause::Ok, 0),
        ("another one", (good, other), Cause::TlsUntrusted, 1),
        ("expired", itself(leaf().expired().self_signed()), Cause::TlsExpired, 1),
        ("not yet valid", itself(leaf().not_yet_valid().self_signed()), Cause::TlsNotYetValid, 1),
        ("for another host", itself(elsewhere().self_signed()), Cause::TlsWrongHost, 1),
        ("expired, for another host", itself(elsewhere().expired().self_signed()), Cause::TlsExpired, 2),
    ] {
        let root = root.to_client().0.swap_remove(0);
        let files = Some(Arc::new(TlsFiles { roots: Arc::new(vec![root]), identity: None }));
        let server = Server::start(Behaviour::ok().over_tls(identity));
        let site = Site { tls: TlsRules { files, ..TlsRules::default() }, ..site(&server.url("/")) };
        let seen = prober.probe(&site).await;
        let found = seen.certificate.as_ref().map(|certificate| certificate.faults.len());
        assert_eq!((seen.cause, found), (cause, Some(faults)), "{case}: {seen:?}");
    }
}

#[tokio::test]
async fn a_certificate_is_worth_a_warning_as_early_as_the_site_says() {
    let authority = Authority::new();
    let prober = prober(&ProberOptions { extra_roots: vec![authority.root()], ..online() });
    let days = |days: u64| Duration::from_hours(24 * days);
    let leaf = Leaf::naming(&["127.0.0.1"]).expiring_in(days(10));
    let server = Server::start(Behaviour::ok().over_tls(authority.issue(&leaf)));
    for (warn, flagged) in [(days(5), false), (days(11), true)] {
        let tls = TlsRules { warn, ..TlsRules::default() };
        let seen = prober.probe(&Site { tls, ..site(&server.url("/")) }).await;
        assert_eq!((seen.cause, seen.flags.has(Flags::CERTIFICATE)), (Cause::Ok, flagged), "{seen:?}");
    }
}

#[tokio::test]
async fn a_secret_in_a_path_is_not_in_what_is_told_of_a_redirect() {
    let server = Server::start(Behaviour::answering(|request| {
        let target = format!("{}x", request.target);
        vec![Step::send(redirect(302, &target))]
    }));
    let url = server.url("/s3cret");
    let shown = url.replace("s3cret", "***");
    let seen = prober(&online()).probe(&Site { shown: shown.into(), max_redirects: 3, ..site(&url) }).await;
    assert_eq!((seen.cause, seen.hops.len()), (Cause::Redirect, 3), "{seen:?}");
    assert!(!format!("{} {:?}", seen.detail, seen.hops).contains("s3cret"), "{seen:?}");
}

/// A redirect to another origin must neither extend `insecure` to it nor show it the client certificate.
#[tokio::test]
async fn insecure_and_the_clients_certificate_are_for_the_sites_own_origin() {
    let (servers, clients) = (Authority::new(), Authority::called("clients"));
    let leaf = || Leaf::naming(&["127.0.0.1"]);
    let doubtful = Server::start(Behaviour::ok().over_tls(leaf().self_signed()));
    let strict = Server::start(Behaviour::ok().over_tls(servers.issue(&leaf()).asking_clients(&clients)));
    let asking12 = servers.issue(&leaf()).asking_clients(&clients).speaking_tls12();
    let strict12 = Server::start(Behaviour::ok().over_tls(asking12));
    let (chain, key) = clients.issue(&Leaf::naming(&["a client"])).to_client();
    let identity = Some(Arc::new(ClientIdentity { chain, key }));
    let files = |identity| Some(Arc::new(TlsFiles { roots: Arc::new(vec![servers.root()]), identity }));
    let insecure = TlsRules { insecure: true, files: files(None), ..TlsRules::default() };
    let known = TlsRules { files: files(identity), ..TlsRules::default() };
    let unknown = TlsRules { files: files(None), ..TlsRules::default() };
    let prober = prober(&online());
    let leading_to = |target: &str, over_tls: bool| {
        let behaviour = Behaviour::always(vec![Step::send(redirect(302, target))]);
        Server::start(if over_tls { behaviour.over_tls(servers.issue(&leaf())) } else { behaviour })
    };
    for (case, tls, server, over_tls, cause, detail) in [
        ("asked itself", &insecure, &doubtful, None, Cause::Ok, ""),
        ("from http to https", &insecure, &doubtful, Some(false), Cause::Ok, ""),
        (
            "another port",
            &insecure,
            &doubtful,
            Some(true),
            Cause::TlsUntrusted,
            "`insecure` is only for the site's own origin",
        ),
        ("asked itself", &known, &strict, None, Cause::Ok, ""),
        ("from http to https", &known, &strict, Some(false), Cause::Ok, ""),
        (
            "another port",
            &known,
            &strict,
            Some(true),
            Cause::TlsError,
            "requires a client certificate; `client_cert` is only for the site's own origin",
        ),
        ("another port", &unknown, &strict, Some(true), Cause::TlsError, "but the site has none"),
        (
            "another port",
            &known,
            &strict12,
            Some(true),
            Cause::TlsError,
            "`client_cert` is only for the site's own origin",
        ),
    ] {
        let target = server.url("/");
        let first = over_tls.map(|over_tls| leading_to(&target, over_tls));
        let url = first.as_ref().map_or(target, |first| first.url("/"));
        let seen = prober.probe(&Site { tls: tls.clone(), ..site(&url) }).await;
        assert_eq!(seen.cause, cause, "{case}: {seen:?}");
        assert!(seen.detail.contains(detail), "{case}: {seen:?}");
    }
}
