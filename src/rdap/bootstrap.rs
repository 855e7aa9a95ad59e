//! The list of registries (RFC 9224): which server knows the domains under which top-level domain.
//!
//! Cost: the whole list is kept, about 100 KiB of IANA's.

use std::collections::HashMap;

use serde_json::Value;
use url::Url;

/// See the module.
#[derive(Debug)]
pub(super) struct Bootstrap(HashMap<String, Url>);

impl Bootstrap {
    /// Reads `bytes`, a JSON document. Servers without TLS are left out unless `allows_http`. None if it lists no registry.
    pub(super) fn parse(bytes: &[u8], allows_http: bool) -> Option<Self> {
        let document: Value = serde_json::from_slice(bytes).ok()?;
        let mut servers = HashMap::new();
        for service in document.get("services")?.as_array()? {
            let list = |at| service.get(at).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let Some(server) = server(list(1), allows_http) else { continue };
            for domain in list(0) {
                servers.insert(domain.trim_matches('.').to_ascii_lowercase(), server.clone());
            }
        }
        (!servers.is_empty()).then_some(Self(servers))
    }

    /// The server for `host`, and the domain under which it knows names: the longest that is listed.
    pub(super) fn server_of<'h>(&self, host: &'h str) -> Option<(&Url, &'h str)> {
        parents(host).find_map(|domain| self.0.get(domain).map(|server| (server, domain)))
    }
}

/// Of several servers that with TLS.
fn server<'s>(urls: impl Iterator<Item = &'s str>, allows_http: bool) -> Option<Url> {
    let mut urls: Vec<Url> = urls.filter_map(|url| Url::parse(url).ok()).collect();
    urls.retain(|url| url.has_host() && (url.scheme() == "https" || allows_http && url.scheme() == "http"));
    urls.sort_by_key(|url| url.scheme() != "https");
    urls.into_iter().next()
}

/// The domains that `host` is a part of, the longest first.
pub(super) fn parents(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(host.split_once('.'), |(_, parent)| parent.split_once('.')).map(|(_, parent)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIST: &str = r#"{ "version": "1.0", "services": [
        [["com", "Net"], ["http://plain.test/", "https://rdap.verisign.test/com/v1/"]],
        [["uk"], ["https://rdap.nominet.test/uk/"]],
        [["co.uk"], ["https://rdap.co.test"]],
        [["test"], ["http://plain.test/"]],
        [["bad"], ["file:///etc/passwd", 7, "mailto:a@b"]],
        ["odd"], 7, [[1], []]
    ] }"#;

    #[test]
    fn the_longest_listed_parent_counts_and_tls_comes_first() {
        let list = Bootstrap::parse(LIST.as_bytes(), false).unwrap();
        for (host, server) in [
            ("www.example.com", Some(("https://rdap.verisign.test/com/v1/", "com"))),
            ("example.net", Some(("https://rdap.verisign.test/com/v1/", "net"))),
            ("a.example.co.uk", Some(("https://rdap.co.test/", "co.uk"))),
            ("co.uk", Some(("https://rdap.nominet.test/uk/", "uk"))),
            ("com", None),
            ("a.test", None),
            ("a.bad", None),
            ("a.unlisted", None),
            ("", None),
        ] {
            let found = list.server_of(host).map(|(server, domain)| (server.as_str(), domain));
            assert_eq!(found, server, "{host}");
        }
        let plain = Bootstrap::parse(LIST.as_bytes(), true).unwrap();
        assert_eq!(plain.server_of("a.test").unwrap().0.as_str(), "http://plain.test/");
    }

    #[test]
    fn what_lists_no_registry_is_no_list() {
        for text in ["", "{}", "[]", "null", r#"{"services":[]}"#, r#"{"services":{}}"#, "<html>", &"[".repeat(1_000)] {
            assert!(Bootstrap::parse(text.as_bytes(), true).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic(services in super::super::registration::tests::json(), host in "[a-z.]{0,20}") {
            let text = serde_json::json!({ "services": services }).to_string();
            if let Some(list) = Bootstrap::parse(text.as_bytes(), true) {
                let _listed_or_not = list.server_of(&host);
            }
        }
    }
}
