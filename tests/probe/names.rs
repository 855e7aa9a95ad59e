//! Name resolution: the order of several name servers, failing servers, aliases, the cache.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::dns::{Answer, NameServer};
use crate::support::ports::closed_port;
use crate::support::{Behaviour, Server};
use tokio::task::JoinSet;
use url::Url;
use webmon::model::{Cause, Family, Observation, Phase, Resolver, Site};
use webmon::probe::{HttpProber, Prober, ProberOptions};

/// Waits of the prober are shorter than this, and those that must not happen are longer.
const PATIENCE: Duration = Duration::from_secs(20);

#[allow(clippy::disallowed_methods, reason = "probes of real sockets take real time")]
fn clock() -> Instant {
    Instant::now()
}

fn here() -> Answer {
    Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()])
}

/// An address without a listener.
fn elsewhere() -> Answer {
    Answer::Addresses(vec![Ipv4Addr::new(127, 0, 0, 2).into()])
}

fn prober(servers: &[&NameServer]) -> HttpProber {
    let resolver = Resolver::Servers(servers.iter().map(|server| server.address()).collect());
    let options = ProberOptions { resolver, has_route: |_| true, ..ProberOptions::default() };
    HttpProber::with(&options, clock).expect("these options are good")
}

fn site(server: &Server, host: &str) -> Site {
    let url = Url::parse(&server.url_at(host, "/")).expect("a URL");
    Site { timeout: PATIENCE, ..Site::new("names", url) }
}

/// The DNS has such names, and http needs no more.
#[tokio::test]
async fn a_name_that_cannot_be_verified_is_not_the_fault_of_its_site() {
    let (web, names) = (Server::start(Behaviour::ok()), NameServer::start(|_| here()));
    let prober = prober(&[&names]);
    for host in ["a-.test", "b.a-.test"] {
        let plain = site(&web, host);
        assert_eq!(prober.probe(&plain).await.cause, Cause::Ok, "{host}");
        let url = web.url_at(host, "/").replacen("http:", "https:", 1);
        let seen = prober.probe(&Site::new("names", url.parse().expect("a URL"))).await;
        assert_eq!(seen.cause, Cause::Local, "{host}: {seen:?}");
        assert!(seen.detail.contains(&format!("{host} is no name for TLS")), "{}", seen.detail);
    }
}

fn resolve(seen: &Observation) -> Duration {
    Duration::from_micros(seen.phases.get(Phase::Resolve).map_or(0, |time| time.get().into()))
}

#[tokio::test]
async fn the_first_name_server_that_knows_decides() {
    let web = Server::start(Behaviour::ok());
    let late = || Answer::After(Duration::from_millis(100), Box::new(here()));
    for (first, second, cause) in [
        (here(), Answer::Code(2), Cause::Ok),
        (here(), Answer::Code(5), Cause::Ok),
        (here(), Answer::Code(3), Cause::Ok),
        (here(), Answer::NoData, Cause::Ok),
        (here(), Answer::Silence, Cause::Ok),
        (here(), elsewhere(), Cause::Ok),
        (late(), Answer::Code(3), Cause::Ok),
        (Answer::Code(2), here(), Cause::Ok),
        (Answer::Code(5), here(), Cause::Ok),
        (Answer::Code(1), here(), Cause::Ok),
        (Answer::Code(4), here(), Cause::Ok),
        (Answer::Lame, here(), Cause::Ok),
        (Answer::Code(3), here(), Cause::DnsNotFound),
        (Answer::NoData, here(), Cause::DnsNotFound),
        (Answer::Code(2), Answer::Code(3), Cause::DnsNotFound),
        (Answer::Code(2), Answer::NoData, Cause::DnsNotFound),
        (Answer::Code(5), Answer::Code(2), Cause::DnsError),
    ] {
        let what = format!("{first:?}, {second:?}");
        let (first, second) = (NameServer::start(move |_| first.clone()), NameServer::start(move |_| second.clone()));
        let prober = prober(&[&first, &second]);
        for _ in 0..3 {
            let seen = prober.probe(&site(&web, "a.test")).await;
            assert_eq!(seen.cause, cause, "{what}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_silent_first_server_is_remembered_until_it_answers_again() {
    let web = Server::start(Behaviour::ok());
    let awake = Arc::new(AtomicBool::new(false));
    let is_awake = Arc::clone(&awake);
    let first =
        NameServer::start(move |_| if is_awake.load(Ordering::SeqCst) { Answer::Code(3) } else { Answer::Silence });
    let second = NameServer::start(|_| Answer::Fleeting(vec![Ipv4Addr::LOCALHOST.into()]));
    let prober = prober(&[&first, &second]);
    // The address of the second one counts after half a second, long before the first one is given up.
    let seen = prober.probe(&site(&web, "n0.test")).await;
    assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
    assert!(resolve(&seen) >= Duration::from_millis(499), "{seen:?}");
    // Until the question to the first one is over.
    tokio::time::timeout(PATIENCE, async {
        for n in 1.. {
            let seen = prober.probe(&site(&web, &format!("n{n}.test"))).await;
            assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
            if resolve(&seen) < Duration::from_millis(400) {
                break;
            }
        }
    })
    .await
    .expect("the silence is remembered");
    awake.store(true, Ordering::SeqCst);
    // It is asked each time, so its answer soon counts first again.
    tokio::time::timeout(PATIENCE, async {
        for n in 0.. {
            if prober.probe(&site(&web, &format!("m{n}.test"))).await.cause == Cause::DnsNotFound {
                break;
            }
        }
    })
    .await
    .expect("the first server decides again");
}

#[tokio::test]
async fn what_a_server_says_counts_when_those_before_it_are_silent() {
    let web = Server::start(Behaviour::ok());
    for (answer, cause) in [
        (Answer::Code(3), Cause::DnsNotFound),
        (Answer::NoData, Cause::DnsNotFound),
        (Answer::Code(2), Cause::DnsError),
    ] {
        let (first, second) = (NameServer::start(|_| Answer::Silence), NameServer::start(move |_| answer.clone()));
        let seen = prober(&[&first, &second]).probe(&site(&web, "a.test")).await;
        assert_eq!(seen.cause, cause, "{seen:?}");
    }
    // A failure does not wait for a silent server to the end either.
    let (first, second) = (NameServer::start(|_| Answer::Code(2)), NameServer::start(|_| Answer::Silence));
    let seen = prober(&[&first, &second]).probe(&site(&web, "a.test")).await;
    assert_eq!(seen.cause, Cause::DnsError, "{seen:?}");
}

#[tokio::test]
async fn each_family_has_its_own_order() {
    let web = Server::start(Behaviour::ok());
    let first = NameServer::start(|_| Answer::PerFamily(Box::new(Answer::Code(2)), Box::new(Answer::NoData)));
    let second = NameServer::start(|_| here());
    let prober = prober(&[&first, &second]);
    for family in [Family::Any, Family::V4] {
        let seen = prober.probe(&Site { family, ..site(&web, "a.test") }).await;
        assert_eq!(seen.cause, Cause::Ok, "{family:?}: {seen:?}");
    }
    let seen = prober.probe(&Site { family: Family::V6, ..site(&web, "a.test") }).await;
    assert_eq!(seen.cause, Cause::DnsNotFound, "{seen:?}");
}

#[tokio::test]
async fn a_server_without_edns_is_asked_without() {
    let web = Server::start(Behaviour::ok());
    for refusal in [Answer::Code(1), Answer::Code(4), Answer::Code(2), Answer::BadVersion, Answer::Silence] {
        let what = format!("{refusal:?}");
        let names = NameServer::start(move |_| Answer::ByEdns(Box::new(refusal.clone()), Box::new(here())));
        let prober = prober(&[&names]);
        let v4 = |host| Site { family: Family::V4, ..site(&web, host) };
        let seen = prober.probe(&v4("a.test")).await;
        assert_eq!(seen.cause, Cause::Ok, "{what}: {seen:?}");
        // From then on it is asked without EDNS.
        let seen = prober.probe(&v4("b.test")).await;
        let asked = names.asked().iter().filter(|name| *name == "b.test").count();
        assert_eq!((seen.cause, asked), (Cause::Ok, 1), "{what}: {seen:?}");
    }
}

#[tokio::test]
async fn checks_that_wait_for_a_lookup_take_its_answer_whatever_it_is() {
    let web = Server::start(Behaviour::ok());
    let fleeting = Answer::Fleeting(vec![Ipv4Addr::LOCALHOST.into()]);
    for (answer, cause) in
        [(fleeting, Cause::Ok), (Answer::Code(3), Cause::DnsNotFound), (Answer::Code(2), Cause::DnsError)]
    {
        // Longer than it takes to begin all checks.
        let slow = move |_: &str| Answer::After(Duration::from_millis(300), Box::new(answer.clone()));
        let names = NameServer::start(slow);
        let prober = Arc::new(prober(&[&names]));
        let mut running = JoinSet::new();
        for _ in 0..20 {
            let (prober, site) = (Arc::clone(&prober), site(&web, "a.test"));
            running.spawn(async move { prober.probe(&site).await });
        }
        let seen = running.join_all().await;
        assert!(seen.iter().all(|seen| seen.cause == cause), "{cause:?}: {seen:?}");
        // One lookup asks for both families, with and without EDNS.
        assert!(names.asked().len() <= 8, "{cause:?}: {:?}", names.asked());
    }
}

#[tokio::test]
async fn a_server_that_knows_edns_is_not_asked_twice_when_it_fails() {
    let web = Server::start(Behaviour::ok());
    for (code, questions) in [(2, 1), (1, 2)] {
        let names = NameServer::start(move |name| if name == "a.test" { here() } else { Answer::Code(code) });
        let prober = prober(&[&names]);
        let v4 = |host| Site { family: Family::V4, ..site(&web, host) };
        assert_eq!(prober.probe(&v4("a.test")).await.cause, Cause::Ok);
        assert_eq!(prober.probe(&v4("b.test")).await.cause, Cause::DnsError);
        assert_eq!(names.asked().iter().filter(|name| *name == "b.test").count(), questions, "code {code}");
    }
}

#[tokio::test]
async fn what_udp_cuts_off_comes_over_tcp() {
    let web = Server::start(Behaviour::ok());
    let many = || Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into(); 100]);
    let names = NameServer::start_with_tcp(move |name| match name {
        "many.test" => Answer::OverTcp(Box::new(many())),
        "other.test" => Answer::OverTcp(Box::new(Answer::OfAnotherName(vec![Ipv4Addr::LOCALHOST.into()]))),
        _ => Answer::OverTcp(Box::new(Answer::Code(3))),
    });
    let prober = prober(&[&names]);
    for (name, cause) in [("many.test", Cause::Ok), ("gone.test", Cause::DnsNotFound), ("other.test", Cause::DnsError)]
    {
        let seen = prober.probe(&site(&web, name)).await;
        assert_eq!(seen.cause, cause, "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn an_answer_from_elsewhere_or_to_another_question_is_none() {
    let web = Server::start(Behaviour::ok());
    let lie = vec![Ipv4Addr::new(127, 0, 0, 2).into()];
    for answer in
        [Answer::OfAnotherName(lie.clone()), Answer::FromElsewhere(Box::new(Answer::Addresses(lie))), Answer::WrongId]
    {
        let what = format!("{answer:?}");
        let (first, second) = (NameServer::start(move |_| answer.clone()), NameServer::start(|_| here()));
        let seen = prober(&[&first, &second]).probe(&site(&web, "a.test")).await;
        assert_eq!(seen.cause, Cause::Ok, "{what}: {seen:?}");
    }
}

#[tokio::test]
async fn aliases_are_followed_and_loops_named() {
    let web = Server::start(Behaviour::ok());
    let alias = |pairs: &[(&str, &str)]| {
        Answer::Aliases(pairs.iter().map(|(name, target)| ((*name).to_owned(), (*target).to_owned())).collect())
    };
    let names = NameServer::start(move |name| match name {
        // The whole loop in one answer, and one that takes a question for each step.
        "a.test" | "b.test" => alias(&[("a.test", "b.test"), ("b.test", "a.test")]),
        "c.test" => alias(&[("c.test", "d.test")]),
        "d.test" => alias(&[("d.test", "c.test")]),
        "self.test" => alias(&[("self.test", "self.test")]),
        "good.test" => alias(&[("good.test", "mid.test")]),
        "mid.test" => alias(&[("mid.test", "end.test")]),
        "end.test" => here(),
        "nowhere.test" => alias(&[("nowhere.test", "gone.test")]),
        "gone.test" => Answer::Code(3),
        other => {
            let at: usize = other.trim_start_matches('n').trim_end_matches(".test").parse().unwrap_or(0);
            alias(&[(other, &format!("n{}.test", at + 1))])
        }
    });
    let prober = prober(&[&names]);
    for (host, cause, told) in [
        ("good.test", Cause::Ok, ""),
        ("a.test", Cause::DnsNotFound, "DNS: CNAME loop: a.test -> b.test -> a.test"),
        ("c.test", Cause::DnsNotFound, "DNS: CNAME loop: c.test -> d.test -> c.test"),
        ("self.test", Cause::DnsNotFound, "DNS: CNAME loop: self.test -> self.test"),
        ("nowhere.test", Cause::DnsNotFound, "DNS: no such name (NXDOMAIN)"),
        ("n0.test", Cause::DnsNotFound, "DNS: CNAME chain of more than 16 names: n0.test -> n1.test"),
    ] {
        let seen = prober.probe(&site(&web, host)).await;
        assert_eq!(seen.cause, cause, "{host}: {seen:?}");
        assert!(seen.detail.starts_with(told), "{host}: {seen:?}");
    }
    assert!(names.asked().len() < 100, "a chain without end comes to one");
}

/// Closed ports appear in the failure of the lookup; a server behind them is asked long before.
#[tokio::test]
async fn a_server_that_is_not_there_gives_way_to_the_next() {
    let web = Server::start(Behaviour::ok());
    let names = NameServer::start(|_| here());
    let resolver = Resolver::Servers(vec![closed_port(), names.address()]);
    let options = ProberOptions { resolver, has_route: |_| true, ..ProberOptions::default() };
    let seen = HttpProber::with(&options, clock).unwrap().probe(&site(&web, "a.test")).await;
    assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
}

/// More addresses than are ever tried: the first eight of them count, each family its share.
#[tokio::test]
async fn of_many_addresses_those_that_are_tried_count() {
    let web = Server::start(Behaviour::ok());
    let dead = |last: u8| IpAddr::from([127, 0, 0, last]);
    let names = NameServer::start(move |name| {
        let good = if name.starts_with("in") { 3 } else { 50 };
        let all = (2..62).map(|at| if at == good { Ipv4Addr::LOCALHOST.into() } else { dead(at) });
        Answer::Addresses(all.collect())
    });
    let prober = prober(&[&names]);
    for (host, cause) in [("in.test", Cause::Ok), ("out.test", Cause::ConnectRefused)] {
        for _ in 0..2 {
            let seen = prober.probe(&site(&web, host)).await;
            assert_eq!(seen.cause, cause, "{host}: {seen:?}");
        }
    }
}
