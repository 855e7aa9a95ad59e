//! Certificate paths: the dates of the path that verified, and the failures of one that did not.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::support::tls::{Authority, Identity, Leaf};
use crate::support::{Behaviour, Server};
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, SignatureScheme};
use webmon::model::{Cause, CertificateFault, ClientIdentity, Observation, Site, TlsFiles, TlsRules};
use webmon::probe::{HttpProber, Prober as _, ProberOptions};

#[allow(clippy::disallowed_methods, reason = "a real clock for real sockets; no test compares its times")]
fn clock() -> Instant {
    Instant::now()
}

async fn probed(identity: Identity, root: Option<Vec<u8>>, rules: TlsRules) -> Observation {
    let server = Server::start(Behaviour::ok().over_tls(identity));
    let options =
        ProberOptions { has_route: |_| true, extra_roots: root.into_iter().collect(), ..ProberOptions::default() };
    let prober = HttpProber::with(&options, clock).unwrap();
    let site = Site { tls: rules, ..Site::new("site", server.url("/").parse().unwrap()) };
    let first = prober.probe(&site).await;
    // Cached or not, the result is the same.
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
    // A wrong host says nothing about dates.
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
        (-100, -10, Cause::TlsExpired, -10, "TLS: the root a test's root expired 1"),
        (10, 100, Cause::TlsNotYetValid, 99, "TLS: the root a test's root becomes valid in "),
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
    let twenty: Vec<String> = (1..=20).map(|number| format!("n{number}.test")).collect();
    let twenty: Vec<&str> = twenty.iter().map(String::as_str).collect();
    for (names, called, sentence) in [
        (&twenty[..], "", "certificate is for n1.test and 19 more, not for 127.0.0.1"),
        (&["other.test"][..], "", "certificate is for other.test, not for 127.0.0.1"),
        (&["a.test", "b.test", "c.test"], "", "certificate is for a.test and 2 more, not for 127.0.0.1"),
        (&[], "cn.test", "no subject alternative name for 127.0.0.1, and its common name cn.test does not count"),
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
    for (identity, sentence) in [
        (None, "TLS: the server requires a client certificate, but the site has none ("),
        (stranger(), "TLS: the server refused the client certificate ("),
    ] {
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

/// What clients see is the path that stays valid longest, in whatever order its editions come.
#[tokio::test]
async fn of_two_editions_the_one_that_ends_later_counts() {
    let (ours, other) = (Authority::within(-100, 1_000), Authority::called("another"));
    let (short, long) = (ours.intermediate_again(-100, 3, None), ours.intermediate_again(-100, 200, None));
    let crossed = ours.intermediate_again(-100, 150, Some(&other));
    let named = |name: &str| Leaf::naming(&[name]).expiring_in(std::time::Duration::from_hours(24 * 300 + 1));
    let insecure = || TlsRules { insecure: true, ..TlsRules::default() };
    let (all, none) = (vec![ours.root(), other.root()], Vec::new());
    for (what, above, leaf, roots, rules, cause, days) in [
        ("the short one first", [&short, &long], named("127.0.0.1"), &all, None, Cause::Ok, 199),
        ("the long one first", [&long, &short], named("127.0.0.1"), &all, None, Cause::Ok, 199),
        ("by another root", [&short, &crossed], named("127.0.0.1"), &all, None, Cause::Ok, 149),
        ("for another host", [&short, &long], named("other.test"), &all, None, Cause::TlsWrongHost, 199),
        ("without a root", [&short, &long], named("127.0.0.1"), &none, Some(insecure()), Cause::Ok, 199),
    ] {
        let files = TlsFiles { roots: Arc::new(roots.clone()), identity: None };
        let rules = TlsRules { files: Some(Arc::new(files)), ..rules.unwrap_or_default() };
        let seen = probed(ours.issue_with(&leaf, &above.map(Clone::clone)), None, rules).await;
        assert_eq!((seen.cause, days_left(&seen).abs_diff(days) <= 1), (cause, true), "{what}: {seen:?}");
    }
}

#[tokio::test]
async fn the_dates_of_a_root_that_was_sent_along_do_not_matter() {
    use CertificateFault::{Expired, Untrusted};
    for (begin, end) in [(-900, -100), (100, 900)] {
        let authority = Authority::within(begin, end);
        let leaf = leaf();
        let sent = authority.issue(&leaf).sending_along(&[authority.root()]);
        let seen = probed(sent, None, TlsRules::default()).await;
        let faults = seen.certificate.as_ref().unwrap().faults.clone();
        assert_eq!((seen.cause, faults, days_left(&seen)), (Cause::TlsUntrusted, vec![Untrusted], 300), "{seen:?}");
        assert!(seen.detail.contains("no trusted root vouches for"), "{seen:?}");
        // The leaf's own dates do.
        let sent = authority.issue(&leaf.expired()).sending_along(&[authority.root()]);
        let seen = probed(sent, None, TlsRules::default()).await;
        let faults = seen.certificate.as_ref().unwrap().faults.clone();
        assert_eq!((seen.cause, faults), (Cause::TlsExpired, vec![Expired, Untrusted]), "{seen:?}");
    }
    // An intermediate that the path needs is another matter.
    let authority = Authority::within(-100, 1_000);
    let old = authority.intermediate_again(-900, -100, None);
    let sent = authority.issue_with(&leaf(), &[old, authority.root()]);
    let seen = probed(sent, Some(authority.root()), TlsRules::default()).await;
    assert_eq!(seen.cause, Cause::TlsExpired, "{seen:?}");
    assert!(seen.detail.contains("an intermediate certificate expired 10"), "{seen:?}");
}

#[tokio::test]
async fn a_certificate_that_is_not_for_servers_says_so() {
    let (good, clients) = (Authority::new(), Authority::of_clients());
    let pinned = leaf().for_clients().self_signed();
    let own = pinned.to_client().0.remove(0);
    for (identity, root, sentence) in [
        (
            good.issue(&leaf().for_clients()),
            good.root(),
            "TLS: the certificate is refused: it is not a server certificate: its extended key usage (clientAuth) lacks serverAuth",
        ),
        (
            clients.issue(&leaf()),
            clients.root(),
            "TLS: the certificate is refused: the intermediate a test's intermediate cannot issue server certificates: its extended key \
             usage (clientAuth) lacks serverAuth",
        ),
        (
            pinned,
            own,
            "TLS: the certificate is refused: it is not a server certificate: its extended key usage lacks serverAuth",
        ),
    ] {
        let seen = probed(identity, Some(root), TlsRules::default()).await;
        assert_eq!((seen.cause, seen.detail.as_str()), (Cause::TlsError, sentence));
        assert_eq!(seen.certificate.unwrap().faults, [CertificateFault::Invalid]);
    }
}

#[tokio::test]
async fn a_key_that_proves_nothing_is_a_fault() {
    let authority = Authority::new();
    let (rsa, ecdsa) = (SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256);
    for version in [&TLS12, &TLS13] {
        for (identity, sentence) in [
            (
                authority.issue_rsa(&leaf(), 1_024).forging(rsa, version),
                "its RSA key of 1024 bits is too short; webmon accepts 2048 and more",
            ),
            (
                authority.issue_rsa(&leaf(), 16_384).forging(rsa, version),
                "its RSA key of 16384 bits is too long; webmon verifies at most 8192",
            ),
            (
                authority.issue(&leaf()).forging(ecdsa, version),
                "the server signed the handshake with another key than the certificate's",
            ),
            (authority.issue(&leaf()).forging(rsa, version), "webmon does not verify keys of its type or curve"),
        ] {
            for insecure in [false, true] {
                let rules = TlsRules { insecure, ..TlsRules::default() };
                let seen = probed(identity.clone(), Some(authority.root()), rules).await;
                let cause = if insecure { Cause::Ok } else { Cause::TlsError };
                let detail =
                    if insecure { String::new() } else { format!("TLS: the certificate is refused: {sentence}") };
                assert_eq!((seen.cause, &*seen.detail), (cause, &*detail), "{version:?}");
                assert_eq!(seen.certificate.unwrap().faults, [CertificateFault::Invalid], "{version:?}");
            }
        }
    }
}

/// Everything that rustls' client takes from a server under this version.
#[tokio::test]
async fn insecure_takes_any_signature() {
    let unknown = Authority::called("unknown");
    let rules = || TlsRules { insecure: true, ..TlsRules::default() };
    let new = [0x0809, 0x080a, 0x080b, 0x081a, 0x081b, 0x081c, 0x0904, 0x0905, 0x0906].map(SignatureScheme::from);
    let both = [SignatureScheme::ED448, SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256];
    let cases = both.map(|scheme| (scheme, &TLS12)).into_iter().chain(both.map(|scheme| (scheme, &TLS13)));
    for (scheme, version) in cases.chain(new.map(|scheme| (scheme, &TLS13))) {
        let seen = probed(unknown.issue(&leaf()).forging(scheme, version), None, rules()).await;
        assert_eq!(seen.cause, Cause::Ok, "{scheme:?} under {version:?}: {seen:?}");
        // Where signatures count, none of these passes.
        let seen = probed(unknown.issue(&leaf()).forging(scheme, version), Some(unknown.root()), TlsRules::default());
        assert_ne!(seen.await.cause, Cause::Ok, "{scheme:?} under {version:?}");
    }
}

#[tokio::test]
async fn a_server_that_wants_p521_is_offered_it() {
    let authority = Authority::new();
    for insecure in [false, true] {
        let identity = authority.issue(&leaf()).speaking_tls12().for_clients_with(NamedGroup::secp521r1);
        let seen = probed(identity, Some(authority.root()), TlsRules { insecure, ..TlsRules::default() }).await;
        assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
    }
}
