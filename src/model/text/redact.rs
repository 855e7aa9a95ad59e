//! Finds the secret bytes of a URL, also of a text that cannot be parsed as one.
//!
//! Secret are userinfo, the values of query and fragment, and a port that is no number. In a text that cannot be parsed, a
//! password may hold any character, so everything from the scheme (or the start) to the last `@` is secret.
//! Bounds: a path is not secret, and neither is `user:12/x@host`, which is a URL with a port, unless an error quotes it.

use std::ops::Range;

use url::Url;

/// Characters that may surround a URL in a file or an argument.
const AROUND: [char; 5] = [' ', '\t', '\n', '"', '\''];

/// The secret byte ranges of `text`, in order and without overlaps; they may be empty.
#[must_use]
pub fn url_secrets(text: &str) -> Vec<Range<usize>> {
    let start = text.len() - text.trim_start_matches(AROUND).len();
    let end = text.trim_end_matches(AROUND).len().max(start);
    let url = &text[start..end];
    let scheme = scheme_end(url);
    let authority = start + scheme.unwrap_or(0);
    // After a slip at its beginning it is still meant as one.
    let is_url = scheme.is_some() || url.contains("://");
    let rest = &text[authority..end];
    let authority_end = authority + rest.find(['/', '\\', '?', '#', ' ', '"', '\'']).unwrap_or(rest.len());
    let parsed = Url::parse(url).ok().filter(|url| scheme.is_some() && url.host_str().is_some());
    let mut secrets = Vec::new();
    let mut from = authority;
    match text[authority..end].rfind('@') {
        Some(last) if parsed.as_ref().is_none_or(|url| may_hide_userinfo(url, &text[authority..authority_end])) => {
            secrets.push(authority..authority + last);
            from = authority + last + 1;
        }
        None if scheme.is_some() && parsed.is_none() => secrets.extend(odd_port(text, authority..authority_end)),
        _ => {}
    }
    let Some(query) = text[from..end].find(['?', '#']).filter(|_| is_url) else { return secrets };
    let mut from = from + query;
    while let Some(equals) = text[from..end].find('=') {
        let value = from + equals + 1;
        let value_end = text[value..end].find(['&', '#', ';', '"', '\'', ' ']).map_or(end, |at| value + at);
        secrets.push(value..value_end);
        from = value_end;
    }
    secrets
}

/// `text` with `***` for each of its secrets.
#[must_use]
pub fn redacted(text: &str) -> String {
    starred(text, &url_secrets(text))
}

/// Replaces the userinfo of URLs that `url` contains from the byte `path` on with `***`: `http://h/http://***@other/`, also
/// percent-encoded. Any other URL stays as it is, because sites are named by their URLs.
#[must_use]
pub fn redacted_within(url: &str, path: usize) -> String {
    starred(url, &inner_userinfo(url, path))
}

/// `text` with `***` for each of the ranges `secrets`, which are in order.
fn starred(text: &str, secrets: &[Range<usize>]) -> String {
    let (mut shown, mut from) = (String::with_capacity(text.len()), 0);
    for secret in secrets.iter().filter(|range| !range.is_empty()) {
        shown.push_str(&text[from..secret.start]);
        shown.push_str("***");
        from = secret.end;
    }
    shown.push_str(&text[from..]);
    shown
}

/// The userinfo of every URL that `url` contains from the byte `from` on. It follows a scheme or two slashes and ends at an
/// `@` before the next slash, or at a later `@` if the port is no number: `user:pass/word@h`. Cost: a bounded number of
/// looks per byte, because a server chooses the URL of a redirect.
fn inner_userinfo(url: &str, from: usize) -> Vec<Range<usize>> {
    if !url.contains('@') && !url.contains("%40") {
        return Vec::new();
    }
    // Each replacement is as long as the original, so that offsets are valid in both.
    let plain = url.to_ascii_lowercase().replace('\\', "/").replace("%2f%2f", "//////");
    let plain = plain.replace("%2f", "/--").replace("%3a", ":::").replace("%40", "@@@");
    let newest = plain.rfind('@');
    let (mut secrets, mut from) = (Vec::new(), from);
    while let Some(slash) = first_of_url(&plain, from) {
        let start = plain.len() - plain[slash..].trim_start_matches('/').len();
        let end = plain[start..].find(['/', '?', '#']).map_or(plain.len(), |at| start + at);
        let odd_port = plain[start..end].split_once(':').is_some_and(|(_, port)| {
            let port = port.trim_start_matches(':');
            !port.is_empty() && !port.bytes().all(|byte| byte.is_ascii_digit())
        });
        let own = plain[start..end].rfind('@').map(|at| start + at);
        let last = own.or_else(|| newest.filter(|&at| odd_port && at > start));
        // Everything before the next slash has been searched.
        from = end;
        if let Some(last) = last {
            // (An encoded `@` has three bytes.)
            let userinfo = plain[start..=last].trim_end_matches('@');
            // After two slashes alone it may be a package and its version: `//vue@3`.
            if !userinfo.is_empty() && (plain[..slash].ends_with(':') || userinfo.contains(':')) {
                secrets.push(start..start + userinfo.len());
            }
            from = last + 1;
        }
    }
    secrets
}

/// The slash after `from` at which a URL may begin: it follows a colon, or another slash follows it.
fn first_of_url(plain: &str, from: usize) -> Option<usize> {
    let slashes = plain[from..].match_indices('/').map(|(at, _)| from + at);
    slashes.into_iter().find(|&at| (at > from && plain[..at].ends_with(':')) || plain[at + 1..].starts_with('/'))
}

/// Where the scheme of `url` ends, its colon and slashes included; none without one. One slash and backslashes count, since
/// URL parsers take them for two slashes.
fn scheme_end(url: &str) -> Option<usize> {
    let name = url.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'))?;
    let rest = url[name..].strip_prefix(':')?;
    let slashes = rest.len() - rest.trim_start_matches(['/', '\\']).len();
    (name > 0 && slashes > 0).then_some(name + 1 + slashes)
}

/// Whether an `@` of this URL may end a userinfo rather than belong to its path: it has one, or what was parsed as host and
/// port (`authority`) may be a name and a password that begins with digits.
fn may_hide_userinfo(url: &Url, authority: &str) -> bool {
    let has_userinfo = !url.username().is_empty() || url.password().is_some();
    let has_colon = authority.rsplit(']').next().is_some_and(|after| after.contains(':'));
    has_userinfo || has_colon || url.fragment().is_some_and(|fragment| fragment.contains('@'))
}

/// Text behind the colon of a host that is not a port.
fn odd_port(text: &str, authority: Range<usize>) -> Option<Range<usize>> {
    let host = &text[authority.clone()];
    let colon = host.find(':').filter(|_| !host.starts_with('['))?;
    let is_port = host[colon + 1..].bytes().all(|byte| byte.is_ascii_digit());
    (!is_port).then_some(authority.start + colon + 1..authority.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_meant_as_a_password_is_hidden() {
        for (text, shown) in [
            ("http://user:S3CRET@h/x", "http://***@h/x"),
            ("http://user:S3CRET#x@h", "http://***@h"),
            ("http://user:S3CRET/x@h", "http://***@h"),
            ("http://user:S3CRET?x@h", "http://***@h"),
            ("http://user:S3CRET x@h", "http://***@h"),
            ("http://user:S3@CRET@h:99999/", "http://***@h:99999/"),
            ("http://user:12#S3CRET@h/", "http://***@h/"),
            ("http://user:12/S3CRET@h/", "http://***@h/"),
            ("user:S3CRET@h/x", "***@h/x"),
            ("htps//user:S3CRET@h", "***@h"),
            ("https:/user:S3CRET@h", "https:/***@h"),
            ("https:\\\\user:S3CRET@h", "https:\\\\***@h"),
            ("  \"https://user:S3CRET@[::1\"", "  \"https://***@[::1\""),
            ("https://user:S3CRET", "https://user:***"),
            ("https://user:S3CRET/x", "https://user:***/x"),
            ("https://h/cb#access_token=S3CRET&state=S3CRET", "https://h/cb#access_token=***&state=***"),
            ("https://h/?token=S3CRET", "https://h/?token=***"),
            ("https://h:x/?token=S3CRET#t=S3CRET", "https://h:***/?token=***#t=***"),
            (":http://h/?token=S3CRET&a=b", ":http://h/?token=***&a=***"),
        ] {
            assert_eq!(redacted(text), shown, "{text}");
        }
    }

    #[test]
    fn userinfo_of_a_url_within_another_is_hidden_and_the_rest_stays() {
        for (text, shown) in [
            ("http://h/http://user:S3CRET@i/x", "http://h/http://***@i/x"),
            ("http://h/http:/user:S3CRET@i/", "http://h/http:/***@i/"),
            ("http://h/x//user:S3CRET@i/", "http://h/x//***@i/"),
            ("http://h/\\\\user:S3CRET@i/", "http://h/\\\\***@i/"),
            ("http://h/http://user:S3CRET/x@i/", "http://h/http://***@i/"),
            ("http://h/http%3A%2F%2Fuser%3AS3CRET%40i/", "http://h/http%3A%2F%2F***%40i/"),
            ("http://h/#http://user:S3CRET@i/", "http://h/#http://***@i/"),
            ("http://h/http://a:S3CRET@i/http://b:S3CRET@j/", "http://h/http://***@i/http://***@j/"),
        ] {
            assert_eq!(redacted_within(text, "http://h".len()), shown, "{text}");
        }
        // Many slashes cost no more than other text of their length.
        let long = format!("http://h/{}", "//a:b@".repeat(200_000));
        assert_eq!(redacted_within(&long, "http://h".len()).matches("***").count(), 200_000);
        let long = format!("http://h/{}", "//a".repeat(400_000));
        assert_eq!(redacted_within(&long, "http://h".len()), long);
        for text in [
            "http://h/",
            "http://h/npm:react@18/x",
            "http://h/@ada//x",
            "http://h/http://social.example:8080/@ada",
            "http://h/a%2Fb%40c:d@e",
            "http://h//vue@3/é",
            "http://h//",
        ] {
            assert_eq!(redacted_within(text, "http://h".len()), text);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "https://social.example/@ada",
            "https://h/a@b?to",
            "https://h:99999/",
            "https://[::1",
            "https://h:8080",
            "body with spaces and = signs? yes",
            "ops",
            "",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_password_before_an_at_sign_survives(
            scheme in prop::sample::select(vec!["", "http://", "https://", "https:/", "htp:", "x//", "ftp://"]),
            user in "[a-z]{0,3}", before in "[ -?A-Z\\[-~]{0,4}", after in "[ -~]{0,4}", rest in "[a-z]{1,4}(/[a-z]{0,3})?",
        ) {
            let text = format!("{scheme}{user}:{before}S3CRET{after}@{rest}");
            prop_assert!(!redacted(&text).contains("S3CRET"), "{} -> {}", text, redacted(&text));
        }

        #[test]
        fn ranges_lie_on_characters_in_order(text in "(https?:/{0,3})?[a:@?#&=/\\\\ \"é.]{0,20}|.*") {
            let mut from = 0;
            for range in url_secrets(&text) {
                prop_assert!(range.start >= from && range.end >= range.start && text.get(range.clone()).is_some());
                from = range.end;
            }
        }
    }
}
