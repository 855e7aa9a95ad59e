//! The headers of the last answer, as evidence for `check -v`.
//!
//! Keys are shown as `***`: values of headers with a telling name, userinfo and query of URLs, what follows `Bearer` and the
//! like, and the secrets of the site. Bounds: 64 headers, 512 bytes of each, 8 KiB of all.

use hyper::header::HeaderMap;
use url::Url;

use crate::model::text::clean_line;
use crate::model::{Evidence, Site};

const HEADERS_MAX: usize = 64;
const ONE_MAX: usize = 512;
const ALL_MAX: usize = 8 << 10;
/// Headers with one of these in their name carry keys.
const SECRET: [&str; 9] =
    ["cookie", "auth", "token", "secret", "key", "password", "session", "credential", "signature"];
/// Names of challenges, which are not secret.
const CHALLENGES: [&str; 2] = ["www-authenticate", "proxy-authenticate"];
/// A key follows these words.
const SCHEMES: [&str; 3] = ["bearer", "basic", "token"];
/// Characters around a URL in a value.
const AROUND: [char; 6] = ['<', '>', '"', '\'', ',', ';'];

/// The `headers` of an answer from `url` to a probe of `site`.
pub(super) fn of(site: &Site, url: &Url, headers: &HeaderMap) -> Evidence {
    let (mut shown, mut room) = (Vec::new(), ALL_MAX);
    for (name, value) in headers.iter().take(HEADERS_MAX) {
        let name = clean_line(name.as_str(), ONE_MAX);
        let value = shown_value(site, &name, value.as_bytes());
        let Some(rest) = room.checked_sub(name.len() + value.len()) else { break };
        room = rest;
        shown.push((name, value));
    }
    Evidence { url: site.shown_target(url), more_headers: headers.len() - shown.len(), headers: shown, body: None }
}

/// The value of the header `name`, clean, with `***` for keys.
pub(super) fn shown_value(site: &Site, name: &str, value: &[u8]) -> String {
    let is_challenge = CHALLENGES.contains(&name);
    if !is_challenge && SECRET.iter().any(|part| name.contains(part)) {
        return "***".to_owned();
    }
    // Before and after white space is folded and the text is cut: a secret may contain blanks, or cross the cut.
    let value = clean_line(&site.secrets.hidden_in(&String::from_utf8_lossy(value)), usize::MAX);
    let mut words: Vec<String> = Vec::new();
    let mut is_key = false;
    for word in value.split(' ') {
        words.push(if is_key { "***".to_owned() } else { without_keys(word) });
        is_key = !is_challenge && SCHEMES.contains(&word.to_ascii_lowercase().as_str());
    }
    clean_line(&site.secrets.hidden_in(&words.join(" ")), ONE_MAX)
}

/// `word`, with `***` for the userinfo of URLs in it and for what follows their `?` or `#`.
fn without_keys(word: &str) -> String {
    word.split_inclusive(AROUND)
        .map(|part| {
            let (part, end) = match part.chars().next_back() {
                Some(end) if AROUND.contains(&end) => part.split_at(part.len() - end.len_utf8()),
                _ => (part, ""),
            };
            url_without_keys(part) + end
        })
        .collect()
}

fn url_without_keys(part: &str) -> String {
    // `url=/x?y`, as in a Refresh.
    let begins = part.find("//").or_else(|| part.find('/')).or_else(|| part.find('?'));
    let Some(begins) = begins else { return part.to_owned() };
    let (before, address) = part.split_at(begins);
    let (path, query) = match address.find(['?', '#']) {
        Some(at) if at + 1 < address.len() => (&address[..at], Some(&address[at..=at])),
        _ => (address, None),
    };
    let path = match path.strip_prefix("//").and_then(|rest| rest.split_once('@')) {
        Some((userinfo, host)) if !userinfo.contains('/') => format!("//***@{host}"),
        _ => path.to_owned(),
    };
    format!("{before}{path}{}", query.map_or_else(String::new, |mark| format!("{mark}***")))
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::model::KnownSecrets;
    use crate::model::text::is_harmful;

    fn site() -> Site {
        let secrets = KnownSecrets::new(["hunter2 and more", "hunter2"]);
        Site { secrets, ..Site::new("a", "http://a.test/".parse().unwrap()) }
    }

    fn evidence(headers: &[(&str, &[u8])]) -> Evidence {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value).unwrap()));
        of(&site(), &"http://a.test/x?t=hunter2".parse().unwrap(), &headers.collect())
    }

    #[test]
    fn what_serves_as_a_key_is_not_shown() {
        for (name, value, shown) in [
            ("server", "nginx", "nginx"),
            ("set-cookie", "sid=1; Path=/", "***"),
            ("x-api-key", "1", "***"),
            ("authorization", "Basic abc", "***"),
            ("x-amz-security-token", "abc", "***"),
            ("x-echo", "Authorization: Bearer abc rest", "Authorization: Bearer *** rest"),
            ("www-authenticate", "Basic realm=\"shop\"", "Basic realm=\"shop\""),
            ("x-echo", "got hunter2 and\tmore", "got *** and more"),
            ("x-echo", "got hunter2 and more", "got ***"),
            ("location", "https://ada:pw@a.test/x?token=abc", "https://***@a.test/x?***"),
            ("location", "/x?token=abc", "/x?***"),
            ("location", "?token=abc", "?***"),
            ("location", "/cb#access_token=abc", "/cb#***"),
            ("location", "//ada@a.test/@b", "//***@a.test/@b"),
            ("refresh", "5; url=/x?token=abc", "5; url=/x?***"),
            (
                "link",
                "</next?t=abc>; rel=next, <https://a.test/?t=abc>; rel=x",
                "</next?***>; rel=next, <https://a.test/?***>; rel=x",
            ),
            ("content-type", "text/html; charset=utf-8", "text/html; charset=utf-8"),
            ("date", "Sat, 28 Nov 2026 10:00:00 GMT", "Sat, 28 Nov 2026 10:00:00 GMT"),
        ] {
            assert_eq!(evidence(&[(name, value.as_bytes())]).headers, [(name.to_owned(), shown.to_owned())]);
        }
        assert_eq!(evidence(&[]).url, "http://a.test/x?t=***");
    }

    #[test]
    fn headers_are_bounded_and_clean() {
        let many: Vec<(&str, &[u8])> = vec![("x-many", b"1"); 100];
        let shown = evidence(&many);
        assert_eq!((shown.headers.len(), shown.more_headers), (64, 36));
        let long = vec![b'x'; 100_000];
        let shown = evidence(&vec![("x-long", long.as_slice()); 40]);
        assert!(shown.headers.iter().all(|(_, value)| value.len() <= 512 && value.ends_with('…')));
        assert_eq!(shown.headers.len() + shown.more_headers, 40);
        assert_eq!(shown.headers.len(), 8 * 1024 / 518);
        let odd = evidence(&[("x-odd", "\u{9b}31m\u{202e}caf\u{e9} ".as_bytes()), ("x-latin", b"caf\xe9")]);
        assert_eq!(odd.headers[1].1, "caf\u{fffd}");
        assert!(!odd.headers[0].1.chars().any(is_harmful), "{odd:?}");
        // A secret across the cut.
        let mut cut = vec![b'x'; ONE_MAX - 5];
        cut.extend_from_slice(b"hunter2 and more");
        assert!(!evidence(&[("x-cut", &cut)]).headers[0].1.contains("hunt"));
    }
}
