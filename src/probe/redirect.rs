//! Whether an answer leads to another request, and where.
//!
//! Followed are 301, 302, 303, 307 and 308 with a Location; one without is a plain answer. At most
//! `max_redirects` are followed, 0 follows none and takes the answer as it is. A target asked for before with
//! the same method is a loop (there are no cookies that could make it end), and a target that is not http or https
//! is refused without being asked, as is one that HTTP has no way to ask for. From https to http is followed; the hops show it.

use hyper::header::{HeaderMap, LOCATION};
use hyper::{Method, Uri};
use url::Url;

use super::failure::Failure;
use super::request::Request;
use crate::model::{Cause, Site, Status};

/// The way of one probe so far.
#[derive(Debug, Default)]
pub(super) struct Way {
    asked: Vec<(Method, Url)>,
}

impl Way {
    /// The request of `site` that an answer to `request` leads to, if it redirects.
    pub(super) fn next(
        &mut self,
        request: &Request,
        status: Status,
        headers: &HeaderMap,
        site: &Site,
    ) -> Result<Option<Request>, Failure> {
        if !matches!(status.get(), 301 | 302 | 303 | 307 | 308) || site.max_redirects == 0 {
            return Ok(None);
        }
        let Some(location) = headers.get(LOCATION) else { return Ok(None) };
        let refused = |detail: String| Failure::new(Cause::Redirect, detail);
        let target = std::str::from_utf8(location.as_bytes())
            .ok()
            .and_then(|location| request.url.join(location.trim()).ok())
            .ok_or_else(|| refused(format!("redirect to an address that is none (status {})", status.get())))?;
        let target = presentable(target)?;
        self.asked.push((request.method.clone(), without_fragment(request.url.clone())));
        if self.asked.len() > usize::from(site.max_redirects) {
            let (most, target) = (site.max_redirects, site.shown_target(&target));
            return Err(refused(format!("more than {most} redirects, the last one to {target}")));
        }
        let next = request.clone().follow(target, status.get());
        let asked_before = |(method, url): &(Method, Url)| *method == next.method && *url == next.url;
        if self.asked.iter().any(asked_before) {
            return Err(refused(format!("redirect loop, back to {}", site.shown_target(&next.url))));
        }
        Ok(Some(next))
    }
}

/// `target` without userinfo and fragment, if it is an address that webmon asks at all.
fn presentable(target: Url) -> Result<Url, Failure> {
    let scheme = target.scheme();
    if !matches!(scheme, "http" | "https") || !target.has_host() {
        return Err(Failure::new(Cause::Redirect, format!("redirect to {scheme}:, which is not followed")));
    }
    let mut target = without_fragment(target);
    let cleared = target.set_username("").and_then(|()| target.set_password(None));
    debug_assert!(cleared.is_ok(), "an http address has a host");
    if Uri::try_from(target.as_str()).is_err() {
        // Too long, or a host in characters that a name may have but an address may not.
        return Err(Failure::new(Cause::Redirect, "redirect to an address that HTTP cannot ask for"));
    }
    Ok(target)
}

fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn site(url: &str, max_redirects: u8) -> Site {
        Site { max_redirects, ..Site::new("a", Url::parse(url).unwrap()) }
    }

    fn location(value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(LOCATION, HeaderValue::from_bytes(value).unwrap())])
    }

    fn next(status: u16, headers: &HeaderMap, max: u8) -> Result<Option<String>, Failure> {
        let status = Status::new(status).unwrap();
        let site = site("http://a.test/x/y?q", max);
        let answer = Way::default().next(&Request::first(&site).unwrap(), status, headers, &site);
        answer.map(|request| request.map(|request| request.url.to_string()))
    }

    #[test]
    fn targets_are_resolved_and_cleared() {
        for (target, url) in [
            (&b"/z"[..], "http://a.test/z"),
            (b"z", "http://a.test/x/z"),
            (b"//b.test/z", "http://b.test/z"),
            (b"https://b.test", "https://b.test/"),
            (b"http://ada:pw@b.test/#top", "http://b.test/"),
            (b" ?r", "http://a.test/x/y?r"),
            ("/\u{fc}".as_bytes(), "http://a.test/%C3%BC"),
        ] {
            assert_eq!(next(302, &location(target), 10).unwrap().as_deref(), Some(url));
        }
    }

    #[test]
    fn plain_answers_lead_nowhere() {
        assert_eq!(next(302, &HeaderMap::new(), 10), Ok(None));
        assert_eq!(next(302, &location(b"/z"), 0), Ok(None));
        for status in [200, 201, 300, 304, 305, 306, 309, 404] {
            assert_eq!(next(status, &location(b"/z"), 10), Ok(None), "{status}");
        }
    }

    #[test]
    fn targets_that_are_not_followed_say_why() {
        for (target, part) in [
            (&b"file:///etc/passwd"[..], "redirect to file:"),
            (b"ftp://a.test/", "redirect to ftp:"),
            (b"javascript:alert(1)", "redirect to javascript:"),
            (b"http://", "an address that is none"),
            (b"http://a.test:99999/", "an address that is none"),
            (b"/\xff", "an address that is none"),
            (format!("/{}", "x".repeat(70_000)).as_bytes(), "an address that HTTP cannot ask for"),
            (b"https://{host}.test/", "an address that HTTP cannot ask for"),
            (b"/x/y?q", "redirect loop"),
            (b"/x/y?q#other", "redirect loop"),
        ] {
            let failure = next(302, &location(target), 10).unwrap_err();
            assert_eq!(failure.cause, Cause::Redirect);
            assert!(failure.detail.contains(part), "{}", failure.detail);
        }
    }

    #[test]
    fn the_last_redirect_allowed_is_followed_and_the_next_is_not() {
        let mut way = Way::default();
        let site = site("http://a.test/0", 3);
        let mut request = Request::first(&site).unwrap();
        let found = Status::new(302).unwrap();
        for hop in 1..=3 {
            request = way.next(&request, found, &location(format!("/{hop}").as_bytes()), &site).unwrap().unwrap();
        }
        let failure = way.next(&request, found, &location(b"/4"), &site).unwrap_err();
        assert!(failure.detail.contains("more than 3 redirects"), "{}", failure.detail);
    }
}
