//! Which certificates count: those of the path that verified, and what there is to say of one that did not.
#![allow(clippy::unwrap_used, reason = "a test file: what cannot be had ends the test")]

mod support;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use support::tls::{Authority, Identity, Leaf};
use support::{Behaviour, Server};
use webmon::model::{Cause, ClientIdentity, Observation, Site, TlsFiles, TlsRules};
use webmon::probe::{HttpProber, Options, Prober as _};

#[allow(clippy::disallowed_methods, reason = "a real clock for real sockets; no test compares its times")]
fn clock() -> Instant {
    Instant::now()
}

async fn probed(identity: Identity, root: Option<Vec<u8>>, rules: TlsRules) -> Observation {
    let server = Server::start(Behaviour::ok().over_tls(identity));
    let options = Options { has_route: |_| true, extra_roots: root.into_iter().collect(), ..Options::default() };
    let prober = HttpProber::with(&options, clock).unwrap();
    let site = Site { tls: rules, ..Site::new("site", server.url("/").parse().unwrap()) };
    let first = prober.probe(&site).await;
    // Remembered or not, it says the same.
    let second = prober.probe(&site).await;
    let said = |seen: &Observation| (seen.cause, seen.detail.clone(), seen.certificate.clone());
    assert_eq!(said(&first), said(&second));
    second
}

#[allow(clippy::disallowed_methods, reason = "certificates hold dates of the real calendar")]
/// Whole days until the certificate of `seen` ends.
fn days_left(seen: &Observation) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let end = seen.certificate.as_ref().unwrap().not_after.as_micros() / 1_000_000;
    (i64::try_from(end).unwrap() - i64::try_from(now).unwrap()).div_euclid(86_400)
}

fn leaf() -> Leaf {
    Leaf::naming(&["127.0.0.1"]).expiring_in(std::time::Duration::from_hours(24 * 300 + 1))
}

#[tokio::test]
async fn what_a_path_does_not_need_may_be_of_any_date() {
    let (ours, other) = (Authority::within(-100, 1_000), Authority::called("another"));
    let cross = ours.root_again(-900, -100, Some(&other));
    let twin = ours.root_again(-900, -100, None);
    let old = {
        let server = ours.issue(&Leaf::naming(&["127.0.0.1"]).expired());
        server.to_client().0.remove(0)
    };
    for (what, more) in [
        ("nothing more", vec![]),
        ("the root, cross-signed by one that has expired", vec![cross.clone()]),
        ("an expired edition of the root", vec![twin.clone()]),
        ("last year's leaf", vec![old.clone()]),
        ("a root of somebody else", vec![other.root()]),
        ("all of them", vec![old, cross, twin]),
    ] {
        let seen = probed(ours.issue(&leaf()).sending_along(&more), Some(ours.root()), TlsRules::default()).await;
        assert_eq!((seen.cause, days_left(&seen)), (Cause::Ok, 300), "{what}: {seen:?}");
    }
    // What is wrong with the host says nothing of dates.
    let wrong = ours.issue(&Leaf::naming(&["other.test"]).expiring_in(std::time::Duration::from_hours(24 * 300 + 1)));
    let twin = ours.root_again(-900, -100, None);
    let seen = probed(wrong.sending_along(&[twin]), Some(ours.root()), TlsRules::default()).await;
    assert_eq!((seen.cause, days_left(&seen)), (Cause::TlsWrongHost, 300), "{seen:?}");
}

#[tokio::test]
async fn the_root_of_the_store_has_dates_as_well() {
    for (begin, end, cause, days, sentence) in [
        (-100, 3, Cause::Ok, 2, ""),
        (-100, 100, Cause::Ok, 99, ""),
        (-100, -10, Cause::TlsExpired, -10, "TLS: the root a test's root expired 10 days ago"),
        (10, 100, Cause::TlsNotYetValid, 99, "TLS: the root a test's root is not valid for "),
    ] {
        let authority = Authority::within(begin, end);
        let seen = probed(authority.issue(&leaf()), Some(authority.root()), TlsRules::default()).await;
        assert_eq!((seen.cause, days_left(&seen).abs_diff(days) <= 1), (cause, true), "{begin} {end}: {seen:?}");
        assert!(seen.detail.starts_with(sentence), "{seen:?}");
    }
    // A newer edition beside an expired one is what counts.
    let authority = Authority::within(-100, -10);
    let rules = TlsRules {
        files: Some(Arc::new(TlsFiles {
            roots: Arc::new(vec![authority.root(), authority.root_again(-10, 200, None)]),
            identity: None,
        })),
        ..TlsRules::default()
    };
    let seen = probed(authority.issue(&leaf()), None, rules).await;
    assert_eq!((seen.cause, days_left(&seen).abs_diff(199) <= 1), (Cause::Ok, true), "{seen:?}");
}

#[tokio::test]
async fn a_wrong_host_says_what_came_and_what_was_wanted() {
    let authority = Authority::new();
    for (names, called, sentence) in [
        (&["other.test"][..], "", "certificate is for other.test, not for 127.0.0.1"),
        (&["a.test", "b.test", "c.test"], "", "certificate is for a.test and 2 more, not for 127.0.0.1"),
        (&[], "cn.test", "no subject alternative name); the common name cn.test does not count"),
    ] {
        let mut leaf = Leaf::naming(names);
        if !called.is_empty() {
            leaf = leaf.called(called);
        }
        let seen = probed(authority.issue(&leaf), Some(authority.root()), TlsRules::default()).await;
        assert_eq!(seen.cause, Cause::TlsWrongHost, "{seen:?}");
        assert!(seen.detail.contains(sentence), "{}", seen.detail);
    }
}

#[tokio::test]
async fn a_server_that_asks_who_we_are_is_no_server_of_other_ciphers() {
    let (servers, clients) = (Authority::new(), Authority::called("clients"));
    let (chain, key) = Authority::called("strangers").issue(&Leaf::naming(&["a client"])).to_client();
    let stranger = || Some(Arc::new(ClientIdentity { chain: chain.clone(), key: key.clone() }));
    for (identity, sentence) in [(None, "client certificate"), (stranger(), "the client certificate")] {
        for tls12 in [false, true] {
            let asking = servers.issue(&leaf()).asking_clients(&clients);
            let asking = if tls12 { asking.speaking_tls12() } else { asking };
            let files = TlsFiles { roots: Arc::new(vec![servers.root()]), identity: identity.clone() };
            let rules = TlsRules { files: Some(Arc::new(files)), ..TlsRules::default() };
            let seen = probed(asking, None, rules).await;
            assert_eq!(seen.cause, Cause::TlsError, "{seen:?}");
            assert!(seen.detail.contains(sentence), "{tls12}: {}", seen.detail);
        }
    }
}

/// iLO, iDRAC, printers and old appliances present such certificates.
#[tokio::test]
async fn insecure_takes_any_certificate() {
    let rules = TlsRules { insecure: true, ..TlsRules::default() };
    let unknown = Authority::within(-100, -10);
    for identity in [
        unknown.issue(&leaf().expired()),
        unknown.issue(&leaf().with_a_critical_extension()),
        leaf().self_signed(),
        unknown.issue(&leaf().with_a_critical_extension()).speaking_tls12(),
    ] {
        let seen = probed(identity, None, rules.clone()).await;
        assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
    }
}
