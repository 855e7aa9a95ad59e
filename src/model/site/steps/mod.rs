//! The steps of a journey: requests in a row, of which later ones send what earlier answers contained.
//!
//! A step is complete: what sites.yaml does not write in it, it has from its site. For its turn it becomes a [`Site`] of its own
//! ([`Step::site`]), so that hops, redirects and expectations are those of any site. Invariants (`config` holds them): a journey has
//! 1 to [`STEPS_MAX`] steps with different names; a template names only values that an earlier step takes; no place is in the
//! host of a URL. Taken values are secrets of the running check.

pub mod template;

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::bytes::Regex;
use serde_json_path::JsonPath;
use url::{Url, form_urlencoded};

use crate::model::{Expect, Expected, KnownSecrets, Secret, SecretUrl, StepResult};

use super::{RedirectBody, Redirects, Site};
use template::Template;

/// Most steps of a site.
pub const STEPS_MAX: usize = 32;
/// Longest taken value, bytes.
pub const TAKEN_MAX: usize = 4 << 10;
/// Longest URL of a step, bytes: as for redirects.
const URL_MAX: usize = 16 << 10;
/// What a taken value becomes in a URL, but for letters and digits (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One request of a journey, with the redirects that follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Unique within its site.
    pub name: Arc<str>,
    /// The URL, without userinfo and fragment.
    pub url: Template,
    /// The network interface of a link-local address.
    pub zone: Option<Arc<str>>,
    /// The printable URL, with `***` for taken values as well.
    pub shown: Arc<str>,
    /// The request's method.
    pub method: String,
    /// The request's headers, those of its site among them.
    pub headers: Vec<(String, Template)>,
    /// The request's body.
    pub body: Option<StepBody>,
    /// Which answers are successful; `max_response_time` is for this step.
    pub expect: Expect,
    /// Redirects to follow at most.
    pub max_redirects: u8,
    /// Where redirects may lead.
    pub redirects: Redirects,
    /// Where a redirect may take the request's body.
    pub redirect_body: RedirectBody,
    /// Bytes of body to read at most.
    pub max_body: u64,
    /// The values that it takes from its final answer.
    pub takes: Vec<Take>,
}

/// The body of a step's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepBody {
    /// A text.
    Text(Template),
    /// The fields of a form, sent as `application/x-www-form-urlencoded`.
    Form(Vec<(String, Template)>),
}

/// A value that a step takes from its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Take {
    /// Its name in templates.
    pub name: Arc<str>,
    /// Where it is.
    pub from: TakeFrom,
}

/// Where a taken value is.
#[derive(Clone, Debug, PartialEq)]
pub enum TakeFrom {
    /// In the body: what the group of this regex matches first, or the whole match without a group.
    Body(Expected<Regex>),
    /// In the body, read as JSON: the text, number or boolean at this place.
    Json {
        /// The place as it is written.
        path: String,
        /// The place, if it is a query; otherwise it is a JSON Pointer.
        query: Option<JsonPath>,
    },
    /// In the first header of this name, which is in lower case.
    Header(String),
}

impl TakeFrom {
    /// Whether the body has to be read.
    #[must_use]
    pub const fn is_body(&self) -> bool {
        !matches!(self, Self::Header(_))
    }
}

/// The values that the steps of a running check took so far. Of those with one name, the last one counts.
#[derive(Clone, Debug, Default)]
pub struct Taken(Vec<(Arc<str>, Secret)>);

impl Taken {
    /// Adds a value.
    pub fn insert(&mut self, name: Arc<str>, value: String) {
        self.0.push((name, Secret::new(value)));
    }

    /// These values and `known`, in every way in which requests send them.
    #[must_use]
    pub fn secrets(&self, known: &KnownSecrets) -> KnownSecrets {
        let sent: Vec<String> = self.0.iter().flat_map(|(_, value)| as_sent(value.expose())).collect();
        KnownSecrets::new(known.iter().chain(sent.iter().map(String::as_str)))
    }

    fn value(&self, name: &Arc<str>) -> &str {
        self.0.iter().rev().find(|(taken, _)| taken == name).map_or("", |(_, value)| value.expose())
    }
}

/// The texts by which requests send `value`: as it is, in a URL, in a form.
#[must_use]
pub fn as_sent(value: &str) -> [String; 3] {
    [value.to_owned(), in_url(value).into_owned(), form_urlencoded::byte_serialize(value.as_bytes()).collect()]
}

impl Step {
    /// The step as a site: the request with what was `taken` in its places, judged as the step says, reached as `journey` is.
    ///
    /// # Errors
    /// Why the request cannot be sent with these values. The message does not quote them.
    pub fn site(&self, journey: &Site, taken: &Taken) -> Result<Site, String> {
        let raw = |name: &Arc<str>| Cow::Borrowed(taken.value(name));
        let url = self.url.filled(|name| in_url(taken.value(name)));
        if url.len() > URL_MAX {
            return Err(format!("its URL would be longer than {} KiB", URL_MAX >> 10));
        }
        let url = Url::parse(&url).map_err(|error| format!("its URL is not valid with what was taken: {error}"))?;
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let filled = value.filled(raw);
            if filled.chars().any(|c| c.is_ascii_control() && c != '\t') {
                return Err(format!("the header {name} would contain a control character or a line break"));
            }
            headers.push((name.clone(), Secret::new(filled)));
        }
        let body = self.body.as_ref().map(|body| Secret::new(body.filled(taken)));
        let secrets = taken.secrets(&journey.secrets);
        // A text around a taken value may be a secret as well.
        let fields = self.values().filter(|value| value.names().next().is_some());
        let fields: Vec<String> = fields.flat_map(|value| as_sent(&value.filled(raw))).collect();
        let sent = fields.iter().map(String::as_str).chain(body.as_ref().map(Secret::expose));
        let secrets = KnownSecrets::new(secrets.iter().chain(sent));
        // They are about the first step's host.
        let has_its_host = url.host() == journey.url.expose().host();
        let records = if has_its_host { journey.records.clone() } else { Vec::new() };
        Ok(Site {
            records,
            url: SecretUrl::new(url),
            home: Some(journey.url.clone()),
            zone: self.zone.clone(),
            shown: Arc::clone(&self.shown),
            method: self.method.clone(),
            headers,
            body,
            expect: self.expect.clone(),
            max_redirects: self.max_redirects,
            redirects: self.redirects,
            redirect_body: self.redirect_body,
            max_body: self.max_body,
            secrets,
            steps: Arc::default(),
            ..journey.clone()
        })
    }

    /// The step as a site, with an `x` for each taken value: its settings, not its request.
    #[must_use]
    pub fn outline(&self, journey: &Site) -> Option<Site> {
        let names = self.names().map(|name| (Arc::clone(name), Secret::new("x")));
        self.site(journey, &Taken(names.collect())).ok()
    }

    /// Its name at the start of a sentence: `step sign in`.
    #[must_use]
    pub fn title(&self) -> Cow<'_, str> {
        StepResult::title(&self.name)
    }

    /// The names of the values that it sends.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        let text = match &self.body {
            Some(StepBody::Text(text)) => Some(text),
            _ => None,
        };
        self.values().chain([&self.url]).chain(text).flat_map(Template::names)
    }

    /// The values of its headers and of the fields of its form.
    fn values(&self) -> impl Iterator<Item = &Template> {
        let form = match &self.body {
            Some(StepBody::Form(fields)) => fields.as_slice(),
            _ => &[],
        };
        self.headers.iter().chain(form).map(|(_, value)| value)
    }

    /// Whether its request goes over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.begins_with("https:")
    }

    /// Adds a value to take.
    pub fn take(&mut self, name: Arc<str>, from: TakeFrom) {
        if from.is_body() {
            Arc::make_mut(&mut self.expect.body).is_taken_from = true;
        }
        self.takes.push(Take { name, from });
    }
}

impl StepBody {
    fn filled(&self, taken: &Taken) -> String {
        let raw = |name: &Arc<str>| Cow::Borrowed(taken.value(name));
        match self {
            Self::Text(text) => text.filled(raw),
            Self::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, value) in fields {
                    form.append_pair(name, &value.filled(raw));
                }
                form.finish()
            }
        }
    }
}

fn in_url(value: &str) -> Cow<'_, str> {
    utf8_percent_encode(value, ENCODED).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text, &[]).unwrap()
    }

    fn step(url: &str) -> Step {
        Step {
            name: "sign in".into(),
            url: template(url),
            zone: None,
            shown: "http://a.test/***".into(),
            method: "POST".to_owned(),
            headers: Vec::new(),
            body: None,
            expect: Expect::default(),
            max_redirects: 0,
            redirects: Redirects::None,
            redirect_body: RedirectBody::default(),
            max_body: 1 << 10,
            takes: Vec::new(),
        }
    }

    fn journey() -> Site {
        Site::new("login", Url::parse("http://a.test/form").unwrap())
    }

    fn taken(value: &str) -> Taken {
        let mut taken = Taken::default();
        taken.insert("t".into(), value.to_owned());
        taken
    }

    #[test]
    fn a_value_stands_in_each_place_as_the_place_has_it() {
        let value = "a/b c+d=e&f?é\"";
        let headers = vec![("X-T".to_owned(), template("Bearer {t}"))];
        let fields = vec![("user name".to_owned(), template("me & you")), ("csrf".to_owned(), template("{t}"))];
        let form = Step { headers, body: Some(StepBody::Form(fields)), ..step("http://a.test/{t}/x?c={t}&d=1") };
        let site = form.site(&journey(), &taken(value)).unwrap();
        let encoded = "a%2Fb%20c%2Bd%3De%26f%3F%C3%A9%22";
        assert_eq!(site.url.expose().as_str(), format!("http://a.test/{encoded}/x?c={encoded}&d=1"));
        assert_eq!(site.headers[0].1.expose(), format!("Bearer {value}"));
        let body = site.body.as_ref().unwrap().expose();
        assert_eq!(body, "user+name=me+%26+you&csrf=a%2Fb+c%2Bd%3De%26f%3F%C3%A9%22");
        let read: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        assert_eq!(read[1], ("csrf".to_owned(), value.to_owned()));
        let text = Step { body: Some(StepBody::Text(template("{{\"t\":\"{t}\"}}"))), ..step("http://a.test/") };
        assert_eq!(text.site(&journey(), &taken("abc")).unwrap().body.unwrap().expose(), "{\"t\":\"abc\"}");
        assert_eq!(form.names().map(|name| &**name).collect::<Vec<_>>(), ["t"; 4]);
    }

    #[test]
    fn what_was_taken_is_a_secret_however_it_is_sent() {
        let value = "s3cret/va lue";
        let step = Step { body: Some(StepBody::Text(template("<{t}>"))), ..step("http://a.test/{t}") };
        let headers = vec![("X-T".to_owned(), template("hunter2 {t}"))];
        let step = Step { headers, ..step };
        let site = step.site(&journey(), &taken(value)).unwrap();
        for sent in [value, "s3cret%2Fva%20lue", "s3cret%2Fva+lue", "<s3cret/va lue>", "hunter2 s3cret/va lue"] {
            assert_eq!(site.secrets.hidden_in(&format!("no {sent} here")), "no *** here", "{sent}");
        }
        assert!(!format!("{site:?} {:?} {step:?}", taken(value)).contains("s3cret"));
        assert_eq!(
            (site.shown_target(site.url.expose()).as_str(), &*site.shown),
            ("http://a.test/***", "http://a.test/***")
        );
    }

    #[test]
    fn a_value_that_cannot_be_sent_is_not_sent() {
        let header = Step { headers: vec![("X-T".to_owned(), template("{t}"))], ..step("http://a.test/") };
        for value in ["a\r\nX-Other: b", "a\nb", "a\0b", "\u{7f}"] {
            let why = header.site(&journey(), &taken(value)).unwrap_err();
            assert_eq!(why, "the header X-T would contain a control character or a line break");
        }
        assert!(header.site(&journey(), &taken("a\tb é")).is_ok());
        let long = step("http://a.test/{t}");
        assert!(long.site(&journey(), &taken(&"x".repeat(TAKEN_MAX))).is_ok());
        let why = long.site(&journey(), &taken(&"/".repeat(6 << 10))).unwrap_err();
        assert_eq!(why, "its URL would be longer than 16 KiB");
        // It stays on its host, whatever was taken.
        for value in ["..", "//b.test/", "@b.test", "\\\\b.test", ":81"] {
            let site = long.site(&journey(), &taken(value)).unwrap();
            assert_eq!(site.url.expose().origin(), journey().url.expose().origin(), "{value}");
        }
    }

    #[test]
    fn a_step_is_reached_as_its_site_and_judged_by_itself() {
        let journey =
            Site { keep_alive: true, max_redirects: 9, steps: vec![step("http://b.test/")].into(), ..journey() };
        let site = journey.steps[0].site(&journey, &Taken::default()).unwrap();
        assert_eq!((site.keep_alive, site.max_redirects, site.steps.len()), (true, 0, 0));
        assert_eq!((site.home().as_str(), site.url.expose().as_str()), ("http://a.test/form", "http://b.test/"));
        let mut taking = step("https://a.test/");
        assert!(!taking.expect.asks_for_body() && taking.is_https());
        taking.take("t".into(), TakeFrom::Header("x-t".to_owned()));
        assert!(!taking.expect.asks_for_body());
        taking.take("u".into(), TakeFrom::Json { path: "/u".to_owned(), query: None });
        assert!(taking.expect.asks_for_body() && taking.expect.body.needs_end());
        assert!(taking.outline(&journey).is_some());
    }
}
