//! The terms of a handshake: what the site's `tls` grants this server, and which versions of HTTP it is offered.
//!
//! `insecure`, the client certificate, the pins and `server_name` are for the site's own origin: a redirect must neither lead to an unverified server
//! nor send the certificate to another server. The own origin is the scheme, host and port of the site's URL; for http, its
//! host over https is own as well, on any port. Roots of `ca_file` count everywhere: they trust no server unverified.
//!
//! A server that chooses HTTP/2 in the handshake and then requires HTTP/1.1 (RFC 9113 §7, `HTTP_1_1_REQUIRED`) is offered
//! only that for a day. Bounds: 4,096 origins; one more discards all, which costs each of them one more round.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use url::{Origin, Url};

use crate::model::lock::lock;
use crate::model::{Cause, HttpOffer, Pin, Protocol, Site};
use crate::probe::failure::Failure;

use super::chain::presented::PresentedChain;
use super::chain::public_keys::unpinned;
use super::client_auth::ClientCertRequest;

const ORIGINS_MAX: usize = 4_096;
const HTTP1_ONLY_FOR: Duration = Duration::from_hours(24);

#[derive(Clone, Copy)]
pub(crate) struct TlsTerms<'a> {
    pub(crate) site: &'a Site,
    pub(crate) offer: HttpOffer,
    pub(crate) is_own: bool,
}

impl<'a> TlsTerms<'a> {
    /// The terms of `site` for the server of `url`.
    pub(crate) fn new(site: &'a Site, url: &Url, offer: HttpOffer) -> Self {
        Self { site, offer, is_own: is_own(site.home(), url) }
    }

    /// Whether any certificate is accepted.
    pub(crate) fn is_insecure(self) -> bool {
        self.site.tls.insecure && self.is_own
    }

    /// The protocols to offer; none where HTTP is not spoken.
    pub(crate) fn alpn_protocols(self) -> Vec<Vec<u8>> {
        let protocols: &[&[u8]] = match self.offer {
            _ if self.site.protocol == Protocol::Bare => &[],
            HttpOffer::Auto => &[b"h2", b"http/1.1"],
            HttpOffer::V11 => &[b"http/1.1"],
            HttpOffer::V2 => &[b"h2"],
            HttpOffer::V3 => &[b"h3"],
        };
        protocols.iter().map(|protocol| protocol.to_vec()).collect()
    }

    /// The public keys of which one is required; none: any.
    pub(crate) fn pins(self) -> &'a [Pin] {
        if self.is_own { &self.site.tls.pins } else { &[] }
    }

    /// The name to ask for and to verify, unless it is the host of the URL.
    pub(crate) fn server_name(self) -> Option<&'a str> {
        self.site.tls.server_name.as_deref().filter(|_| self.is_own)
    }

    /// The failure of a server that `presented` none of the required public keys.
    pub(crate) fn pinned(self, presented: Option<&PresentedChain>) -> Option<Failure> {
        let shown = presented.map(|presented| &*presented.keys).unwrap_or_default();
        unpinned(self.pins(), shown)
    }

    /// What a request for a client certificate is if there is none to send.
    pub(crate) fn unanswered(self) -> ClientCertRequest {
        let has_identity = self.site.tls.files.as_ref().is_some_and(|files| files.identity.is_some());
        if has_identity && !self.is_own { ClientCertRequest::Withheld } else { ClientCertRequest::NotConfigured }
    }

    /// `failure` of the handshake, with the reason why `insecure` did not help.
    pub(crate) fn explain(self, failure: Failure) -> Failure {
        use Cause::{TlsExpired, TlsNotYetValid, TlsUntrusted, TlsWrongHost};
        let is_refused = matches!(failure.cause, TlsExpired | TlsNotYetValid | TlsUntrusted | TlsWrongHost);
        if self.is_own || !self.site.tls.insecure || !is_refused {
            return failure;
        }
        Failure::new(failure.cause, format!("{}; `insecure` is only for the site's own origin", failure.detail))
    }
}

/// Whether `url` is on the origin of the site at `home`, or on its host over https where `home` is http.
fn is_own(home: &Url, url: &Url) -> bool {
    let host = |url: &Url| url.host_str().map(|host| host.trim_end_matches('.').to_owned());
    let is_upgrade = home.scheme() == "http" && url.scheme() == "https";
    let is_same_place = home.scheme() == url.scheme() && home.port_or_known_default() == url.port_or_known_default();
    (is_upgrade || is_same_place) && host(home) == host(url)
}

/// Origins whose servers required HTTP/1.1, and until when they are offered nothing else.
#[derive(Debug, Default)]
pub(crate) struct Http1OnlyOrigins(Mutex<HashMap<Origin, Instant>>);

impl Http1OnlyOrigins {
    /// The protocols to offer the server of `url` for `site`.
    pub(crate) fn offer(&self, site: &Site, url: &Url, now: Instant) -> HttpOffer {
        let mut origins = lock(&self.0);
        // Most machines meet none.
        if site.http != HttpOffer::Auto || origins.is_empty() {
            return site.http;
        }
        let origin = url.origin();
        match origins.get(&origin) {
            Some(&until) if now < until => HttpOffer::V11,
            Some(_) => {
                origins.remove(&origin);
                HttpOffer::Auto
            }
            None => HttpOffer::Auto,
        }
    }

    /// Remembers that the server of `url` requires HTTP/1.1.
    pub(crate) fn insert(&self, url: &Url, now: Instant) {
        let mut origins = lock(&self.0);
        if origins.len() >= ORIGINS_MAX {
            origins.clear();
        }
        origins.insert(url.origin(), now + HTTP1_ONLY_FOR);
    }

    /// Forgets the server of `url`, which may have been replaced.
    pub(crate) fn remove(&self, url: &Url) {
        lock(&self.0).remove(&url.origin());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn the_own_origin_is_scheme_host_and_port_or_the_same_host_over_https() {
        for (home, target, own) in [
            ("https://a.test/", "https://a.test/other?q", true),
            ("https://a.test/", "https://A.TEST:443/", true),
            ("https://a.test/", "https://a.test./", true),
            ("https://a.test/", "https://a.test:8443/", false),
            ("https://a.test/", "https://www.a.test/", false),
            ("https://a.test/", "https://a.test.evil.test/", false),
            ("https://a.test/", "http://a.test/", false),
            ("http://a.test/", "https://a.test/", true),
            ("http://a.test:8080/", "https://a.test:8443/", true),
            ("http://a.test/", "https://b.test/", false),
            ("http://a.test/", "http://a.test:8080/", false),
            ("https://[::1]/", "https://[0:0::1]:443/", true),
            ("https://127.0.0.1/", "https://127.0.0.2/", false),
        ] {
            assert_eq!(is_own(&url(home), &url(target)), own, "{home} → {target}");
        }
    }

    #[test]
    fn http1_is_offered_for_a_day_to_the_origin_that_required_it() {
        #[allow(clippy::disallowed_methods, reason = "any moment will do")]
        let now = Instant::now();
        let (known, required) = (Http1OnlyOrigins::default(), url("https://a.test/x"));
        let auto = Site::new("a", required.clone());
        assert_eq!(known.offer(&auto, &required, now), HttpOffer::Auto);
        known.insert(&required, now);
        for (http, target, after, offer) in [
            (HttpOffer::Auto, "https://a.test/y", Duration::ZERO, HttpOffer::V11),
            (HttpOffer::Auto, "https://a.test:444/", Duration::ZERO, HttpOffer::Auto),
            (HttpOffer::V2, "https://a.test/", Duration::ZERO, HttpOffer::V2),
            (HttpOffer::V11, "https://b.test/", Duration::ZERO, HttpOffer::V11),
            (HttpOffer::Auto, "https://a.test/", HTTP1_ONLY_FOR, HttpOffer::Auto),
        ] {
            let site = Site { http, ..auto.clone() };
            assert_eq!(known.offer(&site, &url(target), now + after), offer, "{http:?} {target} {after:?}");
        }
        known.insert(&required, now);
        known.remove(&url("https://a.test/elsewhere"));
        assert_eq!(known.offer(&auto, &required, now), HttpOffer::Auto);
    }

    #[test]
    fn origins_past_the_limit_are_forgotten() {
        #[allow(clippy::disallowed_methods, reason = "any moment will do")]
        let now = Instant::now();
        let known = Http1OnlyOrigins::default();
        for port in 1..=u16::try_from(ORIGINS_MAX + 1).unwrap() {
            known.insert(&url(&format!("https://a.test:{port}/")), now);
        }
        assert_eq!(lock(&known.0).len(), 1);
    }
}
