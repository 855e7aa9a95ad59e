//! Ways to a site's server: pinned public keys, another name for TLS, another place to connect to.

use std::sync::Arc;
use std::time::Instant;

use rustls::SignatureScheme;
use rustls::version::{TLS12, TLS13};

use crate::support::tls::{Authority, Identity, Leaf};
use crate::support::{Behaviour, Server, Step, redirect};
use webmon::model::{Cause, ConnectTo, Family, Flags, Observation, Phase, Pin, Site, TlsRules};
use webmon::probe::{HttpProber, Prober as _, ProberOptions};

#[allow(clippy::disallowed_methods, reason = "a real clock for real sockets; no test compares its times")]
fn clock() -> Instant {
    Instant::now()
}

/// A prober that trusts `authority`, on a machine with a network.
pub(crate) fn prober(authority: &Authority) -> HttpProber {
    let extra_roots = vec![authority.root()];
    let options = ProberOptions { has_route: |_| true, extra_roots, ..ProberOptions::default() };
    HttpProber::with(&options, clock).unwrap()
}

fn site(url: &str) -> Site {
    Site::new("site", url.parse().unwrap())
}

fn leaf() -> Leaf {
    Leaf::naming(&["127.0.0.1"])
}

fn pins(identity: &Identity) -> Vec<Pin> {
    identity.pins().iter().map(|pin| Pin::parse(pin).unwrap()).collect()
}

fn pinned(pins: &[Pin]) -> TlsRules {
    TlsRules { pins: pins.to_vec(), ..TlsRules::default() }
}

const OTHER: Pin = Pin::new([7; 32]);

#[tokio::test]
async fn one_certificate_of_the_chain_has_a_pinned_key() {
    let authority = Authority::new();
    let identity = authority.issue(&leaf());
    let shown = pins(&identity);
    assert_eq!(shown.len(), 2);
    let server = Server::start(Behaviour::ok().over_tls(identity));
    let prober = prober(&authority);
    for (wanted, cause) in [
        (vec![], Cause::Ok),
        (vec![shown[0]], Cause::Ok),
        (vec![OTHER, shown[1]], Cause::Ok),
        (vec![OTHER], Cause::TlsPinned),
    ] {
        for insecure in [false, true] {
            let tls = TlsRules { insecure, ..pinned(&wanted) };
            let seen = prober.probe(&Site { tls, ..site(&server.url("/")) }).await;
            assert_eq!((seen.cause, seen.certificate.is_some()), (cause, true), "{wanted:?}: {seen:?}");
            let names_all = shown.iter().all(|pin| seen.detail.contains(&pin.to_string()));
            assert_eq!(names_all, cause == Cause::TlsPinned, "{seen:?}");
        }
    }
    // What no request was sent to.
    assert_eq!(server.requests().len(), 6);
}

/// The verdict about the certificate comes first; a pin makes no certificate trusted.
#[tokio::test]
async fn a_pin_adds_to_the_verdict_about_the_certificate() {
    let authority = Authority::new();
    let expired = authority.issue(&leaf().expired());
    let unknown = leaf().self_signed();
    for (identity, cause) in [(expired, Cause::TlsExpired), (unknown, Cause::TlsUntrusted)] {
        let own = pins(&identity);
        let server = Server::start(Behaviour::ok().over_tls(identity));
        let prober = prober(&authority);
        for (wanted, insecure, cause) in [
            (&own[..1], false, cause),
            (&[OTHER][..], false, cause),
            (&own[..1], true, Cause::Ok),
            (&[OTHER][..], true, Cause::TlsPinned),
        ] {
            let tls = TlsRules { insecure, ..pinned(wanted) };
            let seen: Observation = prober.probe(&Site { tls, ..site(&server.url("/")) }).await;
            assert_eq!(seen.cause, cause, "{wanted:?} {insecure}: {seen:?}");
        }
    }
}

/// Anybody can show a certificate. With a pin its key has to be proven, also where no chain is verified.
#[tokio::test]
async fn a_pinned_key_is_one_that_the_server_has() {
    let authority = Authority::new();
    for version in [&TLS12, &TLS13] {
        for identity in [authority.issue(&leaf()), leaf().self_signed()] {
            let own = pins(&identity);
            let forging = identity.forging(SignatureScheme::ECDSA_NISTP256_SHA256, version);
            let server = Server::start(Behaviour::ok().over_tls(forging));
            let prober = prober(&authority);
            for (wanted, cause) in [(&[][..], Cause::Ok), (&own[..1], Cause::TlsError)] {
                let tls = TlsRules { insecure: true, ..pinned(wanted) };
                let seen = prober.probe(&Site { tls, ..site(&server.url("/")) }).await;
                assert_eq!(seen.cause, cause, "{wanted:?}: {seen:?}");
            }
        }
    }
}

#[tokio::test]
async fn pins_are_for_the_sites_own_origin() {
    let authority = Authority::new();
    let target = Server::start(Behaviour::ok().over_tls(authority.issue(&leaf())));
    let to_target = || Behaviour::always(vec![Step::send(redirect(302, &target.url("/")))]);
    let identity = authority.issue(&leaf());
    let first_pin = pins(&identity)[0];
    let over_tls = Server::start(to_target().over_tls(identity));
    let plain = Server::start(to_target());
    let prober = prober(&authority);
    for (case, url, pin, cause) in [
        ("the own server is pinned, the target is not", over_tls.url("/"), first_pin, Cause::Ok),
        ("the own server has another key", over_tls.url("/"), OTHER, Cause::TlsPinned),
        ("from http to https on the own host", plain.url("/"), OTHER, Cause::TlsPinned),
    ] {
        let seen = prober.probe(&Site { tls: pinned(&[pin]), ..site(&url) }).await;
        assert_eq!(seen.cause, cause, "{case}: {seen:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_serves_the_pins_that_it_was_opened_for() {
    let authority = Authority::new();
    let identity = authority.issue(&leaf());
    let own = pins(&identity)[0];
    let server = Server::start(Behaviour::ok().over_tls(identity));
    let prober = prober(&authority);
    for (wanted, cause, is_reused) in
        [(own, Cause::Ok, false), (own, Cause::Ok, true), (OTHER, Cause::TlsPinned, false), (own, Cause::Ok, true)]
    {
        let site = Site { keep_alive: true, tls: pinned(&[wanted]), ..site(&server.url("/")) };
        let seen = prober.probe(&site).await;
        assert_eq!((seen.cause, seen.flags.has(Flags::REUSED)), (cause, is_reused), "{wanted}: {seen:?}");
    }
}

#[tokio::test]
async fn another_name_is_asked_for_and_verified() {
    let authority = Authority::new();
    let named = || Leaf::naming(&["shop.test"]);
    let server = Server::start(Behaviour::ok().over_tls(authority.issue(&named())));
    let by_address = Server::start(Behaviour::ok().over_tls(authority.issue(&leaf())));
    let leading = Server::start(
        Behaviour::always(vec![Step::send(redirect(302, &by_address.url("/")))]).over_tls(authority.issue(&named())),
    );
    let prober = prober(&authority);
    let rules = |name: &str| TlsRules { server_name: Some(Arc::from(name)), ..TlsRules::default() };
    for (case, url, tls, cause, part) in [
        ("the host of the URL", server.url("/"), TlsRules::default(), Cause::TlsWrongHost, "not for 127.0.0.1"),
        ("the name", server.url("/"), rules("shop.test"), Cause::Ok, ""),
        ("another name", server.url("/"), rules("other.test"), Cause::TlsWrongHost, "not for other.test"),
        ("an address", by_address.url("/"), rules("127.0.0.1"), Cause::Ok, ""),
        ("an address of the new kind", by_address.url("/"), rules("[::1]"), Cause::TlsWrongHost, "not for ::1"),
        ("the own origin alone", leading.url("/"), rules("shop.test"), Cause::Ok, ""),
    ] {
        let seen = prober.probe(&Site { tls, ..site(&url) }).await;
        assert_eq!(seen.cause, cause, "{case}: {seen:?}");
        assert!(seen.detail.contains(part), "{case}: {seen:?}");
    }
    // The request itself names the host of the URL.
    let hosts: Vec<String> =
        server.requests().iter().filter_map(|request| request.header("host").map(Into::into)).collect();
    assert_eq!(hosts, [server.address().to_string()]);
}

fn to(server: &Server) -> Option<ConnectTo> {
    ConnectTo::parse(&server.address().to_string())
}

/// The phases that took place, by their first letters.
pub fn phases(seen: &Observation) -> String {
    let letters = Phase::ALL.into_iter().zip("rctpT".chars());
    letters.filter(|&(phase, _)| seen.phases.get(phase).is_some()).map(|(_, letter)| letter).collect()
}

/// No name server knows `.test`, so a name that is asked for would fail the check.
#[tokio::test]
async fn another_place_is_connected_to_under_the_name_of_the_url() {
    let authority = Authority::new();
    let plain = Server::start(Behaviour::ok());
    let secure = Server::start(Behaviour::ok().over_tls(authority.issue(&Leaf::naming(&["shop.test"]))));
    let prober = prober(&authority);
    for (url, server, cause, took) in [
        ("http://shop.test/x", &plain, Cause::Ok, "cpT"),
        ("https://shop.test/x", &secure, Cause::Ok, "ctpT"),
        ("https://other.test/x", &secure, Cause::TlsWrongHost, "ct"),
    ] {
        let seen = prober.probe(&Site { connect_to: to(server), ..site(url) }).await;
        assert_eq!((seen.cause, phases(&seen).as_str()), (cause, took), "{url}: {seen:?}");
        assert_eq!(seen.address, Some(server.address()), "{url}");
    }
    for server in [&plain, &secure] {
        let requests = server.requests();
        assert_eq!((requests.len(), requests[0].header("host")), (1, Some("shop.test")));
    }
    // A name is looked up, and the port is the URL's unless there is another one.
    let by_name = ConnectTo::parse("localhost");
    let url = format!("http://shop.test:{}/", plain.address().port());
    let seen = prober.probe(&Site { connect_to: by_name, family: Family::V4, ..site(&url) }).await;
    assert_eq!((seen.cause, seen.address), (Cause::Ok, Some(plain.address())), "{seen:?}");
}

#[tokio::test]
async fn another_place_is_for_the_sites_own_origin() {
    let authority = Authority::new();
    let target = Server::start(Behaviour::ok());
    let first = Server::start(Behaviour::answering({
        let target = target.url("/");
        move |request| match request.target.as_str() {
            "/" => vec![Step::send(redirect(302, "/again"))],
            _ => vec![Step::send(redirect(302, &target))],
        }
    }));
    let seen = prober(&authority).probe(&Site { connect_to: to(&first), ..site("http://shop.test/") }).await;
    assert_eq!((seen.cause, seen.hops.len(), seen.address), (Cause::Ok, 2, Some(target.address())), "{seen:?}");
    assert_eq!((first.requests().len(), target.requests().len()), (2, 1));
}

#[tokio::test]
async fn a_kept_connection_is_for_the_place_that_it_leads_to() {
    let authority = Authority::new();
    let (one, two) = (Server::start(Behaviour::ok()), Server::start(Behaviour::ok()));
    let prober = prober(&authority);
    for (server, is_reused) in [(&one, false), (&one, true), (&two, false), (&two, true), (&one, false)] {
        let site = Site { keep_alive: true, connect_to: to(server), ..site("http://shop.test/") };
        let seen = prober.probe(&site).await;
        assert_eq!((seen.cause, seen.flags.has(Flags::REUSED)), (Cause::Ok, is_reused), "{seen:?}");
        assert_eq!(seen.address, Some(server.address()));
    }
}
