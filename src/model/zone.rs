//! The zone of an IPv6 address in a URL: the interface that a link-local address is reached through.
//!
//! `http://[fe80::1%25eth0]/` (RFC 6874) and, as users type it, `http://[fe80::1%eth0]/`. The zone has a meaning on this
//! machine only, so it is sent to no server.

use std::ops::Range;

/// Longest zone, bytes; names of interfaces are shorter.
pub const ZONE_MAX: usize = 32;

/// Splits the zone off the IPv6 host of `url`: the URL without it, and the zone.
#[must_use]
pub fn split(url: &str) -> Option<(String, &str)> {
    let place = place(url)?;
    let zone = &url[place.start + 1..place.end];
    let zone = zone.strip_prefix("25").filter(|rest| !rest.is_empty()).unwrap_or(zone);
    Some((format!("{}{}", &url[..place.start], &url[place.end..]), zone))
}

/// Whether `zone` can be the name or the index of an interface.
#[must_use]
pub fn is_zone(zone: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !zone.is_empty() && zone.len() <= ZONE_MAX && zone.bytes().all(unreserved)
}

/// The start of the authority: after a leading `//` or the `//` of a scheme.
fn authority(url: &str) -> Option<usize> {
    if url.starts_with("//") {
        return Some(2);
    }
    let colon = url.find([':', '/', '?', '#']).filter(|&at| url[at..].starts_with("://"))?;
    Some(colon + "://".len())
}

/// The range from the `%` of a zone to its end.
fn place(url: &str) -> Option<Range<usize>> {
    let begin = authority(url)?;
    let end = url[begin..].find(['/', '?', '#', '\\']).map_or(url.len(), |at| begin + at);
    let host = url[begin..end].rfind('@').map_or(begin, |at| begin + at + 1);
    let inner = url[host..end].strip_prefix('[')?;
    let close = host + 1 + inner.find(']')?;
    let percent = host + 1 + url[host + 1..close].find('%')?;
    Some(percent..close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_taken_out_of_the_host_and_nowhere_else() {
        for (url, rest, zone) in [
            ("http://[fe80::1%25eth0]/x", "http://[fe80::1]/x", "eth0"),
            ("https://[fe80::1%eth0.100]:8443", "https://[fe80::1]:8443", "eth0.100"),
            ("http://u:p@[fe80::1%25br-lan]?q#f", "http://u:p@[fe80::1]?q#f", "br-lan"),
            ("http://[fe80::1%2525]/", "http://[fe80::1]/", "25"),
            ("http://[fe80::1%25]/", "http://[fe80::1]/", "25"),
            ("//[fe80::1%3]/", "//[fe80::1]/", "3"),
            ("http://[fe80::1%]/", "http://[fe80::1]/", ""),
        ] {
            assert_eq!(split(url), Some((rest.to_owned(), zone)), "{url}");
        }
        for url in [
            "/login?next=http://[fe80::1%25eth0]/",
            "login?next=//[fe80::1%25eth0]/",
            "#//[fe80::1%25eth0]/",
            "a//[fe80::1%25eth0]/",
            "mailto:a//[fe80::1%25eth0]/",
        ] {
            assert_eq!(split(url), None, "{url}");
        }
        for url in ["http://[::1]/[a%25b]", "http://a%25b/", "http://a/?[x%25y]", "/x", "", "http://[::1%25lo", "//["] {
            assert_eq!(split(url), None, "{url}");
        }
        for (zone, good) in
            [("eth0", true), ("3", true), ("wlan0.1-a_b~", true), ("", false), ("a b", false), ("ü", false)]
        {
            assert_eq!(is_zone(zone), good, "{zone}");
        }
    }
}
