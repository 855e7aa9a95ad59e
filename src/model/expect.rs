//! What makes an answer successful: the section `expect` of a site, parsed.
//!
//! Invariants (`config` holds them): texts to find are not empty; names of headers are in lower case; a JSON Pointer is valid.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::Status;

/// The expectations of a successful answer, judged in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// The successful statuses.
    pub status: StatusSet,
    /// What headers must be.
    pub headers: Vec<HeaderExpectation>,
    /// What the body must be; shared with the search of each answer.
    pub body: Arc<BodyExpectations>,
    /// A longer response time fails the check.
    pub max_response_time: Option<Duration>,
}

impl From<BodyExpectations> for Expect {
    /// Of the body these, of everything else what is usual.
    fn from(body: BodyExpectations) -> Self {
        Self { body: Arc::new(body), ..Self::default() }
    }
}

impl Expect {
    /// Whether the body has to be kept and matched.
    #[must_use]
    pub fn asks_for_body(&self) -> bool {
        let BodyExpectations { contains, regex, .. } = &*self.body;
        !contains.is_empty() || regex.is_some() || self.body.needs_end()
    }
}

/// The expectations of a body, judged in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BodyExpectations {
    /// Texts that it must contain.
    pub contains: Vec<Expected<String>>,
    /// Texts that it must not contain.
    pub not_contains: Vec<Expected<String>>,
    /// A regex that must match somewhere in it.
    pub regex: Option<Expected<Regex>>,
    /// A regex that must match nowhere in it.
    pub not_regex: Option<Expected<Regex>>,
    /// What must be where in it, read as JSON.
    pub json: Vec<JsonExpectation>,
    /// Whether values are taken from it for later steps of a journey.
    pub is_taken_from: bool,
}

impl BodyExpectations {
    /// Whether only a body that has ended can meet them: what follows may be what must not be there.
    #[must_use]
    pub fn needs_end(&self) -> bool {
        self.is_taken_from || !self.not_contains.is_empty() || self.not_regex.is_some() || !self.json.is_empty()
    }
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

    /// The ranges, as they were given.
    #[must_use]
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// Whether an answer with `code` redirects, if it has a target.
    #[must_use]
    pub const fn is_redirect(code: u16) -> bool {
        matches!(code, 301 | 302 | 303 | 307 | 308)
    }

    /// The first range that holds nothing but redirects: a user who lists it wants to judge the redirect itself.
    #[must_use]
    pub fn names_redirect(&self) -> Option<(u16, u16)> {
        let of_redirects = |&(low, high): &(u16, u16)| low >= 300 && high <= 399 && (low..=high).any(Self::is_redirect);
        self.0.iter().copied().find(of_redirects)
    }

    /// Whether `status` is in the set.
    #[must_use]
    pub fn contains(&self, status: Status) -> bool {
        self.0.iter().any(|&(low, high)| (low..=high).contains(&status.get()))
    }
}

/// As it is written in sites.yaml: `200,301-308`.
impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (low, high)) in self.0.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            let end = if low == high { String::new() } else { format!("-{high}") };
            write!(f, "{comma}{low}{end}")?;
        }
        Ok(())
    }
}

/// An expectation and its printable form, which `Debug` prints.
#[derive(Clone)]
pub struct Expected<T> {
    /// What is expected.
    pub what: T,
    /// As written, with `***` for the values of variables.
    pub shown: String,
}

impl<T> fmt::Debug for Expected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expected").field(&self.shown).finish()
    }
}

impl PartialEq for Expected<String> {
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what
    }
}

impl PartialEq for Expected<Value> {
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what
    }
}

impl PartialEq for Expected<f64> {
    fn eq(&self, other: &Self) -> bool {
        self.what.total_cmp(&other.what).is_eq()
    }
}

impl PartialEq for Expected<Regex> {
    fn eq(&self, other: &Self) -> bool {
        self.what.as_str() == other.what.as_str()
    }
}

/// What a header must be. One that comes several times meets it by any of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderExpectation {
    /// Its name, in lower case.
    pub name: String,
    /// What it must be.
    pub wanted: HeaderWish,
}

/// What the value of a header must be.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderWish {
    /// Anything, but there.
    Present,
    /// Not there.
    Absent,
    /// This, where `*` is any text.
    Like(Expected<String>),
    /// This regex matches somewhere in it.
    Matches(Expected<Regex>),
}

impl fmt::Display for HeaderWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("present"),
            Self::Absent => f.write_str("absent"),
            Self::Like(text) => write!(f, "{:?}", text.shown),
            Self::Matches(regex) => write!(f, "a match of {:?}", regex.shown),
        }
    }
}

/// What must be at a place of a JSON document.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonExpectation {
    /// The place as it is written.
    pub path: String,
    /// The place, if it is a query (RFC 9535); otherwise it is a JSON Pointer (RFC 6901).
    pub query: Option<JsonPath>,
    /// What must be there.
    pub wanted: JsonWish,
}

/// What a value of a JSON document must be; of the values that a query finds, each, and there must be one.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonWish {
    /// Anything, but there.
    Present,
    /// Not there.
    Absent,
    /// One of these texts, numbers, booleans and nulls.
    OneOf(Vec<Expected<Value>>),
    /// A number that compares so.
    Compared(Comparison, Expected<f64>),
    /// A text in which this regex matches somewhere.
    Matches(Expected<Regex>),
}

impl fmt::Display for JsonWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("present"),
            Self::Absent => f.write_str("absent"),
            Self::OneOf(values) => {
                let shown: Vec<&str> = values.iter().map(|value| value.shown.as_str()).collect();
                f.write_str(&shown.join(" or "))
            }
            Self::Compared(comparison, number) => write!(f, "{} {}", comparison.sign(), number.shown),
            Self::Matches(regex) => write!(f, "a match of {:?}", regex.shown),
        }
    }
}

/// How a number compares to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// The comparison that `text` begins with, and the rest.
    #[must_use]
    pub fn leading(text: &str) -> Option<(Self, &str)> {
        // The longer signs first.
        let all = [Self::AtMost, Self::AtLeast, Self::Less, Self::Greater];
        all.into_iter().find_map(|comparison| Some((comparison, text.strip_prefix(comparison.sign())?)))
    }

    /// `<`, `<=`, `>`, `>=`.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// Whether `one` compares so to `other`.
    #[must_use]
    pub fn holds(self, one: f64, other: f64) -> bool {
        match self {
            Self::Less => one < other,
            Self::AtMost => one <= other,
            Self::Greater => one > other,
            Self::AtLeast => one >= other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_sets_hold_their_ranges() {
        let set = StatusSet::from_ranges(vec![(200, 200), (301, 308)]);
        for (code, held) in [(200, true), (201, false), (301, true), (308, true), (309, false)] {
            assert_eq!(set.contains(Status::new(code).unwrap()), held, "{code}");
        }
        assert_eq!((set.to_string().as_str(), set.names_redirect()), ("200,301-308", Some((301, 308))));
        assert_eq!(StatusSet::from_ranges(vec![(200, 399), (304, 304)]).names_redirect(), None);
    }
}
