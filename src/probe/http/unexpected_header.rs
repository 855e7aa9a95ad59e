//! Explains a header that is not as expected.
//!
//! A header that comes several times is as expected if one of its values is, and absent if it never comes. Values are compared
//! as they came, without blanks around them; names without case. Cost: linear in the values.

use hyper::header::HeaderMap;

use crate::model::expect::{HeaderExpectation, HeaderWish};
use crate::model::{Cause, Site};
use crate::probe::evidence::shown_value;
use crate::probe::failure::Failure;

/// Longest quote of a value, bytes.
const QUOTED_MAX: usize = 80;

/// The failure of an answer to a probe of `site` with `headers`, if one of them is not as expected.
pub(crate) fn unexpected(site: &Site, headers: &HeaderMap) -> Option<Failure> {
    site.expect.headers.iter().find_map(|HeaderExpectation { name, wanted }| {
        let values = || headers.get_all(name).iter();
        let mut texts = values().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let is_met = match wanted {
            HeaderWish::Present => texts.next().is_some(),
            HeaderWish::Absent => texts.next().is_none(),
            HeaderWish::Like(pattern) => texts.any(|text| is_like(&text, &pattern.what)),
            HeaderWish::Matches(regex) => values().any(|value| regex.what.is_match(value.as_bytes())),
        };
        if is_met {
            return None;
        }
        let got = values().next().map(|value| {
            let mut shown = shown_value(site, name, value.as_bytes());
            if shown.len() > QUOTED_MAX {
                shown.truncate(shown.floor_char_boundary(QUOTED_MAX - '…'.len_utf8()));
                shown.push('…');
            }
            format!("{shown:?}")
        });
        let got = got.unwrap_or_else(|| "missing".to_owned());
        Some(Failure::new(Cause::Header, format!("{name} is {got}, expected {wanted}")))
    })
}

/// Whether `text` is `pattern`, in which `*` is any text.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').map_or((None, rest), |(middle, end)| (Some(middle), end));
    // The first place for each part leaves the most room for the next.
    for part in middle.into_iter().flat_map(|middle| middle.split('*')) {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;
    use crate::model::{Expect, Expected, KnownSecrets};

    fn said(headers: &[(&str, &[u8])], name: &str, wanted: HeaderWish) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        let mut site = Site::new("a", "http://a.test/".parse().unwrap());
        site.secrets = KnownSecrets::new(["hunter2-long"]);
        site.expect =
            Expect { headers: vec![HeaderExpectation { name: name.to_owned(), wanted }], ..Expect::default() };
        unexpected(&site, &map).map_or_else(String::new, |failure| {
            assert_eq!(failure.cause, Cause::Header);
            failure.detail
        })
    }

    #[test]
    fn a_header_is_as_expected_or_the_sentence_says_what_it_is() {
        let like = |text: &str| HeaderWish::Like(Expected { what: text.to_owned(), shown: text.to_owned() });
        let matches =
            |text: &str| HeaderWish::Matches(Expected { what: Regex::new(text).unwrap(), shown: text.to_owned() });
        let sent: &[(&str, &[u8])] = &[
            ("content-type", b"application/json; charset=utf-8"),
            ("x-version", b"v2.7"),
            ("vary", b"accept"),
            ("vary", b"origin"),
            ("x-empty", b""),
            ("x-latin", b"caf\xe9"),
            ("set-cookie", b"id=7"),
            ("x-mine", b"it is hunter2-long"),
        ];
        for (name, wanted, sentence) in [
            ("content-type", like("application/json*"), ""),
            (
                "content-type",
                like("application/json"),
                "content-type is \"application/json; charset=utf-8\", expected \"application/json\"",
            ),
            ("content-type", like("*charset=utf-8"), ""),
            ("content-type", like("*json*utf-8"), ""),
            ("content-type", HeaderWish::Present, ""),
            ("x-version", matches(r"^v2\."), ""),
            ("x-version", matches("^v3"), "x-version is \"v2.7\", expected a match of \"^v3\""),
            ("vary", like("origin"), ""),
            ("vary", like("accept, origin"), "vary is \"accept\", expected \"accept, origin\""),
            ("x-empty", HeaderWish::Present, ""),
            ("x-empty", like("*"), ""),
            ("x-empty", like(""), ""),
            ("x-empty", HeaderWish::Absent, "x-empty is \"\", expected absent"),
            ("x-latin", matches(r"^caf(?-u:\xe9)$"), ""),
            ("x-latin", like("tea"), "x-latin is \"caf\u{fffd}\", expected \"tea\""),
            ("set-cookie", HeaderWish::Absent, "set-cookie is \"***\", expected absent"),
            ("x-mine", like("x"), "x-mine is \"it is ***\", expected \"x\""),
            ("gone", HeaderWish::Absent, ""),
            ("gone", HeaderWish::Present, "gone is missing, expected present"),
            ("gone", like("*"), "gone is missing, expected \"*\""),
        ] {
            assert_eq!(said(sent, name, wanted), sentence, "{name}");
        }
        let long = said(&[("x-long", &[b'x'; 500])], "x-long", HeaderWish::Absent);
        assert!(long.len() < 130 && long.ends_with("…\", expected absent"), "{long}");
    }

    proptest! {
        /// A pattern is the regex of its parts.
        #[test]
        fn a_star_is_any_text(text in "[ab]{0,8}", pattern in "[ab*]{0,6}") {
            let parts: Vec<String> = pattern.split('*').map(regex::escape).collect();
            let model = Regex::new(&format!("(?s)^{}$", parts.join(".*"))).unwrap();
            prop_assert_eq!(is_like(&text, &pattern), model.is_match(text.as_bytes()));
        }
    }
}
