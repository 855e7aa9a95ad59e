//! Whether and how the registration of a site's domain is watched: the section `domain` of a site.

use std::time::Duration;

use url::{Host, Url};

use crate::model::{Site, is_localhost};

/// Where registries are listed: the bootstrap file of IANA (RFC 9224).
const BOOTSTRAP: &str = "https://data.iana.org/rdap/dns.json";

/// How to watch a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainTerms {
    /// Warn this long before the registration ends.
    pub warn: Duration,
    /// The list of registries, http or https.
    pub bootstrap: Url,
}

impl Default for DomainTerms {
    /// 30 days ahead, by the list of IANA.
    fn default() -> Self {
        let bootstrap = Url::parse(BOOTSTRAP).expect("this is a URL");
        Self { warn: Duration::from_hours(30 * 24), bootstrap }
    }
}

impl Site {
    /// Its host, if that may be a part of a registered domain: a name of at least two labels.
    #[must_use]
    pub fn registrable_host(&self) -> Option<&str> {
        let Some(Host::Domain(name)) = self.url.expose().host() else { return None };
        let name = name.trim_end_matches('.');
        (name.contains('.') && !is_localhost(name)).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_with_a_dot_may_be_registered() {
        for (url, host) in [
            ("https://www.Example.com./x", Some("www.example.com")),
            ("https://bücher.example", Some("xn--bcher-kva.example")),
            ("https://192.0.2.10/", None),
            ("https://[2001:db8::1]/", None),
            ("http://intranet/", None),
            ("http://a.localhost/", None),
        ] {
            let site = Site::new("a", Url::parse(url).unwrap());
            assert_eq!(site.registrable_host(), host, "{url}");
        }
    }
}
