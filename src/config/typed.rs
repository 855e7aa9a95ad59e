//! Settings of sites whose URLs are typed on the command line: the keys of a site, read by the rules of sites.yaml.
//!
//! Invariants: no error quotes the value of a header or a body. Bounds: those of the keys, `HEADERS_MAX` headers.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::model::{Family, HttpOffer, Secret, http3};

use super::keys::declared::{SITE, ValueForm};
use super::keys::value;
use super::sections::headers::HEADERS_MAX;
use super::sections::policies::AlertSettings;
use super::sections::site::{HTTP_OFFERS, SiteSettings};

/// The method of a request with a body, unless another one is named.
const METHOD_OF_BODY: &str = "POST";

/// What replaces the default settings of typed sites.
#[derive(Clone, Debug, Default)]
pub struct TypedSettings {
    /// Key `interval`.
    pub interval: Option<Duration>,
    /// Key `timeout`.
    pub timeout: Option<Duration>,
    /// Key `method`; with a body the default is POST.
    pub method: Option<String>,
    /// Key `headers`; names are unique, see [`header`].
    pub headers: Vec<(String, Secret)>,
    /// Key `body`.
    pub body: Option<Secret>,
    /// Key `tls.insecure`.
    pub insecure: bool,
    /// Key `http`.
    pub http: Option<HttpOffer>,
    /// Key `ip`.
    pub family: Option<Family>,
}

impl TypedSettings {
    /// The settings of each typed site.
    pub(super) fn over_defaults(&self) -> SiteSettings {
        let mut settings = SiteSettings::new(AlertSettings::default());
        let site = &mut settings.site;
        value::set(&mut site.interval, self.interval);
        value::set(&mut site.timeout, self.timeout);
        value::set(&mut site.http, self.http);
        value::set(&mut site.family, self.family);
        value::set(&mut site.tls.insecure, self.insecure.then_some(true));
        let of_body = self.body.as_ref().map(|_| METHOD_OF_BODY.to_owned());
        value::set(&mut site.method, self.method.clone().or(of_body));
        if let Some(body) = &self.body {
            settings.set_body(body.expose().to_owned());
        }
        for (name, value) in &self.headers {
            settings.set_header(name.clone(), Some(value.expose().to_owned()));
        }
        settings
    }

    /// Adds a header.
    ///
    /// # Errors
    /// The name is taken, or there are too many.
    pub fn add_header(&mut self, (name, value): (String, Secret)) -> Result<(), String> {
        if self.headers.iter().any(|(before, _)| before.eq_ignore_ascii_case(&name)) {
            return Err(format!("the header {name} appears twice; upper and lower case are the same"));
        }
        if self.headers.len() == HEADERS_MAX {
            return Err(format!("there are too many headers; the limit is {HEADERS_MAX}"));
        }
        self.headers.push((name, value));
        Ok(())
    }
}

/// Parses an interval, for instance `5s`.
///
/// # Errors
/// What is wrong, and the limits.
pub fn interval(text: &str) -> Result<Duration, String> {
    value::duration_in(text, durations("interval"))
}

/// Parses a timeout, for instance `800ms`.
///
/// # Errors
/// What is wrong, and the limits.
pub fn timeout(text: &str) -> Result<Duration, String> {
    value::duration_in(text, durations("timeout"))
}

/// Parses a method.
///
/// # Errors
/// What is wrong, and what to write.
pub fn method(text: &str) -> Result<String, String> {
    value::method(text)
}

/// Parses a version of HTTP: `auto`, `1.1`, `2` or `3`.
///
/// # Errors
/// What is wrong, and the accepted words; or that this program does not speak it.
pub fn http(text: &str) -> Result<HttpOffer, String> {
    let ValueForm::Choice(words) = form("http") else { unreachable!("http is declared as a choice") };
    match (HTTP_OFFERS[value::choice(text, words)?], http3::MISSING) {
        (HttpOffer::V3, Some(missing)) => Err(missing.to_owned()),
        (offer, _) => Ok(offer),
    }
}

/// Parses a header, `Name: value`.
///
/// # Errors
/// What is wrong, and what to write; without the value, which may be a secret.
pub fn header(text: &str) -> Result<(String, Secret), String> {
    let Some((name, value)) = text.split_once(':') else {
        return Err("a header is a name and a value in quotes, 'Name: value'; there is no colon".to_owned());
    };
    let name = value::header_name(name)?;
    let value = value.trim();
    if value.is_empty() {
        return Err(format!("the header {name} has no value; put both in quotes: '{name}: value'"));
    }
    value::header_value(value)?;
    Ok((name, Secret::new(value.to_owned())))
}

fn durations(key: &str) -> &'static RangeInclusive<Duration> {
    let ValueForm::Duration(range) = form(key) else { unreachable!("{key} is declared as a duration") };
    range
}

/// The declared form of a site's key.
fn form(key: &str) -> &'static ValueForm {
    &SITE.iter().find(|declared| declared.name == key).expect("the key is declared").form
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ad_hoc;

    #[test]
    fn values_have_the_limits_of_sites_yaml() {
        assert_eq!(interval("5s"), Ok(Duration::from_secs(5)));
        assert!(interval("50ms").unwrap_err().contains("between 100ms and 7d"));
        assert!(timeout("11m").unwrap_err().contains("between 10ms and 10m"));
        assert!(timeout("3").unwrap_err().contains("lacks its unit"));
        assert_eq!(
            [http("1.1"), http("2"), http("auto")],
            [Ok(HttpOffer::V11), Ok(HttpOffer::V2), Ok(HttpOffer::Auto)]
        );
        assert!(http("4").unwrap_err().contains("auto, 1.1, 2, 3"));
        assert_eq!(http("3"), http3::MISSING.map_or(Ok(HttpOffer::V3), |missing| Err(missing.to_owned())));
        assert!(method("get").unwrap_err().contains("GET"));
    }

    #[test]
    fn a_header_is_a_name_and_a_value_and_no_error_quotes_the_value() {
        let (name, value) = header("X-Key:  a: b ").unwrap();
        assert_eq!((&*name, value.expose()), ("X-Key", "a: b"));
        for (text, told) in [
            ("S3CRET", "'Name: value'"),
            ("Authorization:", "'Authorization: value'"),
            ("X Y: S3CRET", "is not a header name"),
            ("Content-Length: S3CRET", "itself"),
            ("X: S3\nCRET", "line break"),
        ] {
            let error = header(text).unwrap_err();
            assert!(error.contains(told) && !error.contains("S3"), "{text}: {error}");
        }
        let mut settings = TypedSettings::default();
        settings.add_header(header("X-Key: a").unwrap()).unwrap();
        assert!(settings.add_header(header("x-key: S3CRET").unwrap()).unwrap_err().contains("twice"));
    }

    #[test]
    fn typed_sites_have_the_typed_settings_and_headers_and_bodies_are_secrets() {
        let urls = ["https://a.example".to_owned(), "b.example".to_owned()];
        let settings = TypedSettings {
            interval: Some(Duration::from_secs(3)),
            timeout: Some(Duration::from_secs(2)),
            method: None,
            headers: vec![header("Authorization: Bearer S3CRET").unwrap()],
            body: Some(Secret::new("B0DY-TEXT".to_owned())),
            insecure: true,
            http: Some(HttpOffer::V11),
            family: Some(Family::V6),
        };
        let config = ad_hoc(&urls, &settings).unwrap();
        assert_eq!(config.sites.len(), 2);
        for site in config.sites.iter().map(|configured| &configured.site) {
            assert_eq!((site.interval.as_secs(), site.timeout.as_secs(), &*site.method), (3, 2, "POST"));
            assert_eq!((site.http, site.family, site.tls.insecure), (HttpOffer::V11, Family::V6, true));
            assert_eq!(site.body.as_ref().map(Secret::expose), Some("B0DY-TEXT"));
            assert_eq!(site.headers[0].1.expose(), "Bearer S3CRET");
            let secrets: Vec<&str> = site.secrets.iter().collect();
            assert!(
                ["B0DY-TEXT", "Bearer S3CRET", "S3CRET"].iter().all(|secret| secrets.contains(secret)),
                "{secrets:?}"
            );
        }
        let plain = ad_hoc(&urls, &TypedSettings { method: Some("PUT".to_owned()), ..settings.clone() }).unwrap();
        assert_eq!(plain.sites[0].site.method, "PUT");
        let twice = ad_hoc(&["https://ada:pw@a.example".to_owned()], &settings).unwrap_err().to_string();
        assert!(twice.contains("keep one of them") && !twice.contains("pw"), "{twice}");
    }
}
