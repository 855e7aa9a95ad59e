//! What HTTP/3 asks of the rest of a site: TLS, a way without a proxy, a connection per check.

use url::Url;

use super::{HttpOffer, Protocol, Site};

/// Why this program cannot check over HTTP/3, if it cannot.
pub const MISSING: Option<&str> = if cfg!(feature = "http3") {
    None
} else {
    Some("this webmon was built without HTTP/3; build it with `--features http3`, or choose another version")
};

/// The keys that go against `http: 3` of `site` at `url`, where `protocol` is spoken, and what to do about each.
#[must_use]
pub fn conflicts(site: &Site, protocol: Protocol, url: &Url) -> Vec<(&'static str, &'static str)> {
    let conflicts = [
        (
            url.scheme() != "https",
            ("url", "HTTP/3 is always encrypted: `http: 3` needs an https URL; write https://, or `http: auto`"),
        ),
        (
            site.proxy.for_url(url).is_some(),
            ("proxy", "HTTP/3 goes through no proxy; write `proxy: none` here, or `http: auto`"),
        ),
        (
            site.keep_alive,
            ("keep_alive", "HTTP/3 makes a connection for each check; write `keep_alive: false` here, or `http: auto`"),
        ),
    ];
    // Ports and WebSockets ignore what `defaults` say of HTTP.
    let is_asked = site.http == HttpOffer::V3 && protocol == Protocol::Http;
    conflicts.into_iter().filter(|(is_one, _)| is_asked && *is_one).map(|(_, conflict)| conflict).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{EnvironmentProxies, Proxy, ProxyRule};

    #[test]
    fn http3_goes_with_https_without_proxy_and_with_a_connection_per_check() {
        let one = ProxyRule::One(Arc::new(Proxy::parse("http://proxy.test:3128").unwrap()));
        let no_proxy = |name: &str| match name {
            "https_proxy" => Some("http://proxy.test:3128".to_owned()),
            "no_proxy" => Some("a.test".to_owned()),
            _ => None,
        };
        let environment = ProxyRule::Environment(Arc::new(EnvironmentProxies::read(&no_proxy).unwrap()));
        for (url, proxy, keep_alive, keys) in [
            ("https://a.test/", ProxyRule::None, false, &[][..]),
            ("http://a.test/", ProxyRule::None, false, &["url"]),
            ("https://a.test/", one.clone(), false, &["proxy"]),
            ("https://a.test/", environment.clone(), false, &[]),
            ("https://b.test/", environment, false, &["proxy"]),
            ("http://a.test/", one, true, &["url", "proxy", "keep_alive"]),
        ] {
            let site = Site { http: HttpOffer::V3, proxy, keep_alive, ..Site::new("a", url.parse().unwrap()) };
            let found: Vec<_> =
                conflicts(&site, Protocol::Http, site.url.expose()).into_iter().map(|(key, _)| key).collect();
            assert_eq!(found, keys, "{url}");
            assert_eq!(conflicts(&site, Protocol::Bare, site.url.expose()), []);
            let other = Site { http: HttpOffer::Auto, ..site };
            assert_eq!(conflicts(&other, Protocol::Http, other.url.expose()), []);
        }
    }
}
