//! Sites behind proxies: what the proxy sees, whose failure is whose, and that no password is told.

use std::sync::Arc;
use std::time::Duration;

use crate::support::proxy::{Proxy, Way};
use crate::support::tls::{Authority, Leaf};
use crate::support::{Behaviour, Server, Step, redirect};
use crate::ways::{phases, prober};
use webmon::model::{Cause, ConnectTo, EnvironmentProxies, Flags, KnownSecrets, Proxy as ProxyOfSite, ProxyRule, Site};
use webmon::probe::Prober as _;

pub(crate) fn through(url: &str, proxy: &str) -> Site {
    let proxy = ProxyRule::One(Arc::new(ProxyOfSite::parse(proxy).unwrap()));
    let secrets = proxy.secrets();
    let secrets = KnownSecrets::new(secrets.iter().map(String::as_str));
    Site { proxy, secrets, ..Site::new("site", url.parse().unwrap()) }
}

fn url(scheme: &str, proxy: &Proxy) -> String {
    format!("{scheme}://{}", proxy.address())
}

/// No name server knows `.test`: whatever is asked for, the proxy has to find it.
#[tokio::test]
async fn plain_and_secure_sites_go_through_a_tunnel() {
    let authority = Authority::new();
    let plain = Server::start(Behaviour::ok());
    let secure = Server::start(Behaviour::ok().over_tls(authority.issue(&Leaf::naming(&["shop.test"]))));
    let of_proxy = || authority.issue(&Leaf::naming(&["127.0.0.1"]));
    let prober = prober(&authority);
    for (site, server, target, took) in [
        ("http://shop.test/x", &plain, "shop.test:80", "cpT"),
        ("https://shop.test/x", &secure, "shop.test:443", "ctpT"),
        ("https://shop.test:8443/x", &secure, "shop.test:8443", "ctpT"),
    ] {
        let way = || Way::To(server.address());
        for (scheme, proxy) in [
            ("http", Proxy::http(way(), None).await),
            ("https", Proxy::http(way(), Some(of_proxy())).await),
            ("socks5", Proxy::socks5(0, way()).await),
            ("socks5h", Proxy::socks5(0, way()).await),
        ] {
            let seen = prober.probe(&through(site, &url(scheme, &proxy))).await;
            assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::Ok, took), "{scheme} {site}: {seen:?}");
            assert_eq!(seen.address, Some(proxy.address()));
            let asked = proxy.asked();
            let wanted = if scheme.starts_with("http") {
                format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
            } else {
                target.to_owned()
            };
            assert_eq!(asked, [wanted], "{scheme} {site}");
        }
    }
    assert!(
        plain.requests().iter().all(|request| request.target == "/x" && request.header("host") == Some("shop.test"))
    );
}

#[tokio::test]
async fn credentials_are_for_the_proxy_alone() {
    let authority = Authority::new();
    let server = Server::start(Behaviour::ok());
    let way = || Way::To(server.address());
    let (http, socks) = (Proxy::http(way(), None).await, Proxy::socks5(2, way()).await);
    let prober = prober(&authority);
    for (scheme, proxy, wanted) in [
        ("http", &http, "\r\nProxy-Authorization: Basic YWRhOmh1bnRlcjI=\r\n"),
        ("socks5", &socks, "ada:hunter2@2001:db8::7:80"),
    ] {
        let site = through("http://[2001:db8::7]/", &format!("{scheme}://ada:hunter2@{}", proxy.address()));
        let seen = prober.probe(&site).await;
        assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
        assert!(proxy.asked()[0].contains(wanted), "{:?}", proxy.asked());
        assert!(!format!("{site:?} {seen:?}").contains("hunter2"));
    }
    assert!(http.asked()[0].starts_with("CONNECT [2001:db8::7]:80 HTTP/1.1\r\n"));
    for request in server.requests() {
        assert!(request.headers.iter().all(|(name, value)| name != "proxy-authorization" && !value.contains("YWRh")));
    }
}

#[tokio::test]
async fn what_a_proxy_says_is_told_apart_from_what_it_is() {
    let authority = Authority::new();
    let prober = prober(&authority);
    let http = |bytes: &'static [u8]| Proxy::http(Way::Say(bytes), None);
    let socks = |bytes: &'static [u8]| Proxy::socks5(0, Way::Say(bytes));
    for (scheme, proxy, cause, part) in [
        (
            "http",
            http(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await,
            Cause::Local,
            "requires a user and a",
        ),
        ("http", http(b"HTTP/1.0 401 Unauthorized\r\n\r\n").await, Cause::Local, "requires a user and a password"),
        (
            "http://ada:hunter2@",
            http(b"HTTP/1.1 407 No hunter2\r\n\r\n").await,
            Cause::Local,
            "refuses the user or the pass",
        ),
        ("http", http(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await, Cause::Proxy, "shop.test:80: 502 Bad Gateway"),
        ("http", http(b"HTTP/1.1 503 No \x1b[2J\r\n\r\n").await, Cause::Proxy, ": 503 No [2J"),
        ("http", http(b"HTTP/1.1 504 Gateway Timeout\r\nX: y\r\n\r\n").await, Cause::Proxy, ": 504 Gateway Timeout"),
        ("http", http(b"HTTP/1.1 403 Forbidden\r\n\r\n").await, Cause::Proxy, ": 403 Forbidden"),
        ("http", http(b"SSH-2.0-x\r\n\r\n").await, Cause::Local, "does not answer as an HTTP proxy"),
        (
            "http",
            Proxy::http(Way::Close, None).await,
            Cause::Proxy,
            "closed the connection when asked for shop.test:80",
        ),
        (
            "socks5",
            socks(b"\x05\x05\x00\x01").await,
            Cause::ConnectRefused,
            "shop.test:80: connection refused (SOCKS reply 5)",
        ),
        ("socks5", socks(b"\x05\x04\x00\x01").await, Cause::ConnectUnreachable, "host unreachable"),
        ("socks5", socks(b"\x05\x03\x00\x01").await, Cause::ConnectUnreachable, "network unreachable"),
        ("socks5", socks(b"\x05\x06\x00\x01").await, Cause::ConnectTimeout, "no answer from the host"),
        ("socks5", socks(b"\x05\x01\x00\x01").await, Cause::Proxy, "general failure"),
        ("socks5", socks(b"\x05\x63\x00\x01").await, Cause::Proxy, "unknown reply (SOCKS reply 99)"),
        ("socks5", socks(b"HTTP/1.1 400").await, Cause::Local, "does not answer as a SOCKS5 proxy"),
        ("socks5", Proxy::socks5(2, Way::Silence).await, Cause::Local, "requires a user and a password"),
        ("socks5://ada:wrong@", Proxy::socks5(2, Way::Silence).await, Cause::Local, "refuses the user or the password"),
        ("socks5://ada:hunter2@", Proxy::socks5(1, Way::Silence).await, Cause::Local, "takes no user and password"),
    ] {
        let proxy_url =
            if scheme.ends_with('@') { format!("{scheme}{}", proxy.address()) } else { url(scheme, &proxy) };
        let seen = prober.probe(&through("http://shop.test/", &proxy_url)).await;
        assert_eq!((seen.cause, seen.address), (cause, Some(proxy.address())), "{part}: {seen:?}");
        assert!(seen.detail.contains(part) && seen.detail.starts_with("the proxy 127.0.0.1:"), "{part}: {seen:?}");
        assert!(!seen.detail.contains("hunter2") && phases(&seen) == "c", "{seen:?}");
        assert_eq!(seen.is_proxy_closed, cause == Cause::Local, "{seen:?}");
    }
}

/// Our way out is closed, which says nothing about the site.
#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_not_the_sites_downtime() {
    let authority = Authority::new();
    let prober = prober(&authority);
    let gone = Proxy::socks5(0, Way::Silence).await.address().port();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let stranger = Proxy::http(Way::Silence, Some(Leaf::naming(&["127.0.0.1"]).self_signed())).await;
    let other_name = Proxy::http(Way::Silence, Some(authority.issue(&Leaf::naming(&["other.test"])))).await;
    for (proxy, part) in [
        (format!("http://ada:hunter2@{closed}"), "connection refused"),
        (format!("socks5://{closed}"), "connection refused"),
        (url("https", &stranger), "TLS: the certificate is self-signed"),
        (url("https", &other_name), "not for 127.0.0.1"),
        (format!("https://127.0.0.1:{gone}"), "TLS"),
    ] {
        for site in ["http://shop.test/", "https://shop.test/"] {
            let mut site = through(site, &proxy);
            // It is never for proxies.
            site.tls.insecure = true;
            let seen = prober.probe(&site).await;
            assert_eq!(seen.cause, Cause::Local, "{proxy}: {seen:?}");
            let beginning = "cannot reach the proxy 127.0.0.1:";
            assert!(seen.detail.starts_with(beginning) && seen.detail.contains(part), "{proxy}: {seen:?}");
            assert!(!seen.detail.contains("hunter2") && seen.certificate.is_none(), "{seen:?}");
            assert!(seen.is_proxy_closed, "{seen:?}");
        }
    }
}

/// Until the proxy has the question the silence is the proxy's; then it is that of the site.
#[tokio::test]
async fn silence_is_the_proxys_until_it_was_asked() {
    let authority = Authority::new();
    let prober = prober(&authority);
    let asked = Proxy::http(Way::Silence, None).await;
    // It accepts connections, and never says a word of TLS.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for (proxy, cause, part) in [
        (url("http", &asked), Cause::ConnectTimeout, "timed out in connect"),
        (format!("https://{}", mute.local_addr().unwrap()), Cause::Local, "cannot reach the proxy 127.0.0.1"),
    ] {
        let site = Site { timeout: Duration::from_millis(300), ..through("http://shop.test/", &proxy) };
        let seen = prober.probe(&site).await;
        assert_eq!((seen.cause, phases(&seen).as_str()), (cause, "c"), "{seen:?}");
        assert!(seen.detail.contains(part), "{seen:?}");
    }
}

#[tokio::test]
async fn redirects_go_through_the_proxy_and_connect_to_is_what_it_is_asked_for() {
    let authority = Authority::new();
    let server = Server::start(Behaviour::answering(|request| match request.header("host") {
        Some("shop.test") => vec![Step::send(redirect(302, "http://other.test:81/"))],
        _ => vec![Step::send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")],
    }));
    let proxy = Proxy::http(Way::To(server.address()), None).await;
    let connect_to = ConnectTo::parse("203.0.113.7:8443");
    let seen =
        prober(&authority).probe(&Site { connect_to, ..through("http://shop.test/", &url("http", &proxy)) }).await;
    assert_eq!((seen.cause, seen.hops.len()), (Cause::Ok, 1), "{seen:?}");
    let asked: Vec<String> = proxy.asked().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(asked, ["CONNECT 203.0.113.7:8443 HTTP/1.1", "CONNECT other.test:81 HTTP/1.1"]);
}

#[tokio::test]
async fn a_kept_connection_is_for_the_proxy_that_it_leads_through() {
    let authority = Authority::new();
    let server = Server::start(Behaviour::ok());
    let (one, two) =
        (Proxy::http(Way::To(server.address()), None).await, Proxy::socks5(0, Way::To(server.address())).await);
    let prober = prober(&authority);
    let (one, two) = (url("http", &one), url("socks5", &two));
    for (proxy, is_reused) in [(&one, false), (&one, true), (&two, false), (&two, true)] {
        let site = Site { keep_alive: true, ..through(&server.url("/"), proxy) };
        let seen = prober.probe(&site).await;
        assert_eq!((seen.cause, seen.flags.has(Flags::REUSED)), (Cause::Ok, is_reused), "{seen:?}");
    }
    let direct = Site { keep_alive: true, proxy: ProxyRule::None, ..through(&server.url("/"), &two) };
    let seen = prober.probe(&direct).await;
    assert_eq!((seen.flags.has(Flags::REUSED), seen.address), (false, Some(server.address())), "{seen:?}");
}

#[tokio::test]
async fn the_environment_decides_per_request() {
    let authority = Authority::new();
    let server = Server::start(Behaviour::answering(|request| match request.header("host") {
        Some("shop.test") => {
            let target = request.target.trim_start_matches('/').to_owned();
            vec![Step::send(redirect(302, &format!("http://{target}/")))]
        }
        _ => vec![Step::send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")],
    }));
    let proxy = Proxy::http(Way::To(server.address()), None).await;
    let address = url("http", &proxy);
    let env = move |name: &str| match name {
        "http_proxy" => Some(address.clone()),
        "NO_PROXY" => Some("127.0.0.0/8".to_owned()),
        _ => None,
    };
    let rule = ProxyRule::Environment(Arc::new(EnvironmentProxies::read(&env).unwrap()));
    let site = Site::new("site", format!("http://shop.test/{}", server.address()).parse().unwrap());
    let seen = prober(&authority).probe(&Site { proxy: rule, ..site }).await;
    assert_eq!((seen.cause, seen.address, proxy.asked().len()), (Cause::Ok, Some(server.address()), 1), "{seen:?}");
}
