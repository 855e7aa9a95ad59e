//! The line that repeats a check, for a POSIX shell: of curl, of openssl for a port with TLS, of nc for one without.
//!
//! Invariant: as in [`curl`], what may be a secret is `***`. nc and openssl know HTTP proxies and, nc alone, SOCKS5; of a proxy that
//! cannot be told the line says nothing.

use url::{Host, Position};

use super::curl::{self, quoted};
use super::{ConnectTo, Family, Protocol, Proxy, ProxyKind, ProxyRule, Site};

/// The line for `site`, without an end of line.
#[must_use]
pub fn line(site: &Site) -> String {
    match site.protocol {
        Protocol::Http | Protocol::WebSocket => curl::line(site),
        Protocol::Bare if site.url.expose().scheme() == "https" => openssl(site),
        Protocol::Bare => nc(site),
    }
}

fn openssl(site: &Site) -> String {
    let (place, proxy) = (Place::of(site), proxy(site));
    let mut words = ["openssl", "s_client", "-connect", &place.target()].map(quoted).to_vec();
    let mut add = |words_of: &[&str]| words.extend(words_of.iter().map(|word| quoted(word)));
    match site.family {
        Family::Any => {}
        Family::V4 => add(&["-4"]),
        Family::V6 => add(&["-6"]),
    }
    let own = site.tls.server_name.as_deref().map(|name| site.secrets.hidden_in(name));
    let name = own.unwrap_or_else(|| place.named.clone());
    let is_address = matches!(Host::parse(&name), Ok(Host::Ipv4(_) | Host::Ipv6(_)));
    if is_address {
        add(&["-noservername"]);
    } else {
        add(&["-servername", &name]);
    }
    if !site.tls.insecure {
        let bare = name.trim_matches(['[', ']']);
        add(&["-verify_return_error", if is_address { "-verify_ip" } else { "-verify_hostname" }, bare]);
    }
    if let Some(files) = &site.tls.files {
        if !files.roots.is_empty() {
            add(&["-CAfile", "***"]);
        }
        if files.identity.is_some() {
            add(&["-cert", "***", "-key", "***"]);
        }
    }
    if let Some(proxy) = proxy.filter(|proxy| proxy.kind == ProxyKind::Http) {
        add(&["-proxy", &at(proxy)]);
    }
    // Without its end, openssl waits for more to send.
    words.join(" ") + " </dev/null"
}

fn nc(site: &Site) -> String {
    let (place, proxy) = (Place::of(site), proxy(site));
    let seconds = site.timeout.as_secs().max(1).to_string();
    // With -z it does not read.
    let manner = if site.awaits_message() { "-v" } else { "-vz" };
    let mut words = ["nc", manner, "-w", &seconds].map(quoted).to_vec();
    match site.family {
        Family::Any => {}
        Family::V4 => words.push("-4".to_owned()),
        Family::V6 => words.push("-6".to_owned()),
    }
    if let Some(proxy) = proxy {
        let kind = if proxy.kind == ProxyKind::Socks5 { "5" } else { "connect" };
        words.extend(["-X", kind, "-x", &at(proxy)].map(quoted));
    }
    words.extend([place.host.trim_matches(['[', ']']), &place.port].map(quoted));
    words.join(" ")
}

/// The proxy that is named for the site, if these programs can ask it.
fn proxy(site: &Site) -> Option<&Proxy> {
    match &site.proxy {
        ProxyRule::One(proxy) if proxy.kind != ProxyKind::Https => Some(proxy),
        _ => None,
    }
}

/// Host and port of `proxy`.
fn at(proxy: &Proxy) -> String {
    proxy.for_curl().rsplit(['/', '@']).next().unwrap_or_default().to_owned()
}

/// Where to connect.
struct Place {
    host: String,
    port: String,
    /// The host of the site's URL.
    named: String,
}

impl Place {
    fn of(site: &Site) -> Self {
        let url = site.url.expose();
        let named = &url[Position::BeforeHost..Position::AfterHost];
        // A host that came out of a variable is not to be seen.
        let is_shown = site.shown.split_once("://").is_some_and(|(_, rest)| rest.starts_with(named));
        let named = if is_shown { named.to_owned() } else { "***".to_owned() };
        let port = url.port_or_known_default().unwrap_or_default();
        let to = |to: &ConnectTo| (site.secrets.hidden_in(&to.host.to_string()), to.port.unwrap_or(port));
        let (host, port) = site.connect_to.as_ref().map_or_else(|| (named.clone(), port), to);
        Self { host, port: port.to_string(), named }
    }

    fn target(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use url::Url;

    use super::*;
    use crate::model::{KnownSecrets, Secret, TlsFiles, TlsRules};

    fn site(url: &str) -> Site {
        Site::new("a", Url::parse(url).unwrap())
    }

    #[test]
    fn a_port_is_reached_by_nc_or_openssl() {
        let proxied =
            |url: &str, proxy: &str| Site { proxy: ProxyRule::One(Proxy::parse(proxy).unwrap().into()), ..site(url) };
        let named = TlsRules { server_name: Some("b.test".into()), insecure: true, ..TlsRules::default() };
        let files = TlsFiles { roots: vec![vec![1]].into(), identity: None };
        for (site, shown) in [
            (site("tcp://mail.test:25"), "nc -vz -w 10 mail.test 25"),
            (
                Site {
                    send: Some(Secret::new("QUIT")),
                    timeout: Duration::from_millis(1_500),
                    ..site("tcp://[::1]:80")
                },
                "nc -v -w 1 ::1 80",
            ),
            (
                Site { connect_to: ConnectTo::parse("10.0.0.7:26"), family: Family::V4, ..site("tcp://mail.test:25") },
                "nc -vz -w 10 -4 10.0.0.7 26",
            ),
            (proxied("tcp://a.test:1", "socks5://ada:pw@p.test"), "nc -vz -w 10 -X 5 -x p.test:1080 a.test 1"),
            (proxied("tcp://a.test:1", "http://p.test:3128"), "nc -vz -w 10 -X connect -x p.test:3128 a.test 1"),
            (Site { shown: "tcp://***".into(), ..site("tcp://secret.test:25") }, "nc -vz -w 10 '***' 25"),
            (
                site("tls://turn.test:5349"),
                "openssl s_client -connect turn.test:5349 -servername turn.test -verify_return_error -verify_hostname turn.test \
                 </dev/null",
            ),
            (
                site("tls://127.0.0.1:443"),
                "openssl s_client -connect 127.0.0.1:443 -noservername -verify_return_error -verify_ip 127.0.0.1 </dev/null",
            ),
            (
                Site { tls: named, connect_to: ConnectTo::parse("10.0.0.7"), ..site("tls://a.test:993") },
                "openssl s_client -connect 10.0.0.7:993 -servername b.test </dev/null",
            ),
            (
                Site {
                    tls: TlsRules { files: Some(files.into()), insecure: true, ..TlsRules::default() },
                    family: Family::V6,
                    ..proxied("tls://[::1]:1", "http://p.test:3128")
                },
                "openssl s_client -connect '[::1]:1' -6 -noservername -CAfile '***' -proxy p.test:3128 </dev/null",
            ),
        ] {
            assert_eq!(line(&site), shown);
        }
    }

    #[test]
    fn a_websocket_is_asked_for_by_any_curl() {
        let live = Site { secrets: KnownSecrets::new(["s3cret-text"]), ..site("wss://live.test/ws?key=abc") };
        let said = line(&live);
        assert!(said.starts_with("curl -sSi --http1.1 --max-time 10 "), "{said}");
        for part in [
            "-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: ",
            " 'https://live.test/ws?key=***'",
        ] {
            assert!(said.contains(part), "{said}");
        }
        let elsewhere = Site { connect_to: ConnectTo::parse("10.0.0.7"), ..site("ws://live.test:81/ws") };
        let said = line(&elsewhere);
        assert!(
            said.contains("--connect-to live.test:81:10.0.0.7:81 ") && said.ends_with(" http://live.test:81/ws"),
            "{said}"
        );
    }
}
