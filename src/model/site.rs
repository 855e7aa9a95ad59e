//! A website to watch and what is expected of it: the validated form of one entry of sites.yaml.
//!
//! Invariants, held by `config`: the name is unique and free of control characters; the URL is http or
//! https with a host and without userinfo (that became an Authorization header); the interval is within
//! 100 ms to 7 days, the timeout within 10 ms to 10 minutes.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{Secret, Status};

/// The stable number of a site in one store: re-ordering sites.yaml keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub u32);

/// What to probe, how often, and what counts as right.
#[derive(Clone, Debug)]
pub struct Site {
    /// Unique among the sites; shown everywhere.
    pub name: Arc<str>,
    /// The first address to ask.
    pub url: Url,
    /// Time between due checks.
    pub interval: Duration,
    /// For a whole probe, redirects and body included.
    pub timeout: Duration,
    /// The request's method.
    pub method: String,
    /// Header names and values besides the ones that webmon sets.
    pub headers: Vec<(String, Secret)>,
    /// The request's body.
    pub body: Option<Secret>,
    /// The statuses that count as right.
    pub expect_status: StatusSet,
    /// Redirects to follow at most; 0 does not follow.
    pub max_redirects: u8,
    /// Bytes of body to read at most.
    pub max_body: u64,
    /// Accept any certificate.
    pub insecure: bool,
}

impl Site {
    /// Probes of this site that may be in flight at once: ⌈timeout / interval⌉ + 1.
    #[must_use]
    pub fn in_flight_limit(&self) -> usize {
        let limit = self.timeout.as_micros().div_ceil(self.interval.as_micros().max(1)) + 1;
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// The URL with userinfo and the values of its query as `***`.
    #[must_use]
    pub fn url_shown(&self) -> String {
        shown_url(&self.url)
    }
}

/// `url` as it may be printed: userinfo and the values of the query are `***`.
#[must_use]
pub fn shown_url(url: &Url) -> String {
    let mut shown = url.clone();
    if !shown.username().is_empty() || shown.password().is_some() {
        // Setting userinfo fails only for URLs without a host, which have none to hide.
        let hidden = shown.set_username("***").and_then(|()| shown.set_password(None));
        debug_assert!(hidden.is_ok(), "a URL with userinfo has a host");
    }
    if url.query().is_some() {
        let keys: Vec<String> = url.query_pairs().map(|(key, _)| key.into_owned()).collect();
        let stars: Vec<String> = keys.into_iter().map(|key| format!("{key}=***")).collect();
        shown.set_query(Some(&stars.join("&")));
    }
    super::text::clean(shown.as_str())
}

/// A set of status codes, as inclusive ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet(Vec<(u16, u16)>);

impl Default for StatusSet {
    /// 200 to 299.
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

impl StatusSet {
    /// The union of inclusive ranges.
    #[must_use]
    pub fn from_ranges(ranges: Vec<(u16, u16)>) -> Self {
        Self(ranges)
    }

    /// Whether `status` is in the set.
    #[must_use]
    pub fn contains(&self, status: Status) -> bool {
        self.0.iter().any(|&(low, high)| (low..=high).contains(&status.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_in_flight_rounds_up_and_adds_one() {
        for (timeout, interval, limit) in [(10, 10, 2), (10, 3, 5), (1, 60, 2), (10, 5, 3)] {
            let site = site(timeout, interval);
            assert_eq!(site.in_flight_limit(), limit, "{timeout} s / {interval} s");
        }
    }

    #[test]
    fn a_shown_url_hides_userinfo_and_query_values() {
        for (url, shown) in [
            ("https://ada:pw@example.com/x", "https://***@example.com/x"),
            ("https://example.com/x?token=abc&q=1", "https://example.com/x?token=***&q=***"),
            ("http://example.com/", "http://example.com/"),
        ] {
            assert_eq!(shown_url(&Url::parse(url).unwrap()), shown);
        }
    }

    #[test]
    fn status_sets_hold_their_ranges() {
        let set = StatusSet::from_ranges(vec![(200, 200), (301, 308)]);
        for (code, held) in [(200, true), (201, false), (301, true), (308, true), (309, false)] {
            assert_eq!(set.contains(Status::new(code).unwrap()), held, "{code}");
        }
    }

    fn site(timeout: u64, interval: u64) -> Site {
        Site {
            name: "a".into(),
            url: Url::parse("http://a/").unwrap(),
            interval: Duration::from_secs(interval),
            timeout: Duration::from_secs(timeout),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: None,
            expect_status: StatusSet::default(),
            max_redirects: 10,
            max_body: 1 << 20,
            insecure: false,
        }
    }
}
