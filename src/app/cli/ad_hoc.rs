//! The options for ad hoc URLs: some keys of a site, for URLs that are in no file.
//!
//! Invariants: no message quotes a header's value or a body. Bounds: a body of [`BODY_MAX`] bytes.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use clap::Args;

use crate::app::exit::CommandError;
use crate::config::typed::{self, TypedSettings};
use crate::model::text::shown_path;
use crate::model::{Family, HttpOffer, Secret};

/// Largest body, bytes.
const BODY_MAX: u64 = 8 << 20;

/// The heading of these options in the help.
const HEADING: &str = "Options for URLs (sites have them in the file)";

/// How ad hoc URLs are checked.
#[derive(Clone, Debug, Default, Args)]
pub struct AdHocArgs {
    /// How often to check [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = typed::interval, help_heading = HEADING)]
    pub interval: Option<Duration>,
    /// Limit of a whole check, including redirects and body [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = typed::timeout, help_heading = HEADING)]
    pub timeout: Option<Duration>,
    /// Send this header (repeatable)
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", help_heading = HEADING)]
    pub headers: Vec<String>,
    /// The method [default: GET, with a body POST]
    #[arg(short = 'X', long, value_name = "METHOD", value_parser = typed::method, help_heading = HEADING)]
    pub method: Option<String>,
    /// Send this body, or the content of a file: @FILE, or @- for stdin
    #[arg(short = 'd', long, alias = "data", value_name = "TEXT|@FILE", help_heading = HEADING)]
    pub body: Option<String>,
    /// Accept any certificate of the URL's own origin
    #[arg(short = 'k', long, help_heading = HEADING)]
    pub insecure: bool,
    /// The version of HTTP: auto, 1.1, 2 or 3 [default: auto]
    #[arg(long, value_name = "VERSION", value_parser = typed::http, help_heading = HEADING)]
    pub http: Option<HttpOffer>,
    /// Only IPv4
    #[arg(short = '4', long, conflicts_with = "ipv6", help_heading = HEADING)]
    pub ipv4: bool,
    /// Only IPv6
    #[arg(short = '6', long, help_heading = HEADING)]
    pub ipv6: bool,
}

impl AdHocArgs {
    /// The given options, as they are written.
    #[must_use]
    pub fn given(&self) -> Vec<&'static str> {
        let given = [
            ("--interval", self.interval.is_some()),
            ("--timeout", self.timeout.is_some()),
            ("--header", !self.headers.is_empty()),
            ("--method", self.method.is_some()),
            ("--body", self.body.is_some()),
            ("--insecure", self.insecure),
            ("--http", self.http.is_some()),
            ("--ipv4", self.ipv4),
            ("--ipv6", self.ipv6),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }

    /// The settings for the URLs. Reads the file of the body.
    ///
    /// # Errors
    /// [`CommandError::Usage`]: a header or a body that cannot be sent.
    pub fn settings(&self) -> Result<TypedSettings, CommandError> {
        let mut settings = TypedSettings {
            interval: self.interval,
            timeout: self.timeout,
            method: self.method.clone(),
            headers: Vec::new(),
            body: self.body.as_deref().map(body).transpose()?,
            insecure: self.insecure,
            http: self.http,
            family: match (self.ipv4, self.ipv6) {
                (true, _) => Some(Family::V4),
                (_, true) => Some(Family::V6),
                _ => None,
            },
        };
        for text in &self.headers {
            let added = typed::header(text).and_then(|header| settings.add_header(header));
            added.map_err(|message| CommandError::Usage(format!("--header: {message}")))?;
        }
        Ok(settings)
    }
}

/// The body that `text` stands for: itself, or after an @ the content of a file, as it is.
fn body(text: &str) -> Result<Secret, CommandError> {
    let Some(path) = text.strip_prefix('@') else { return Ok(Secret::new(text.to_owned())) };
    let read = if path == "-" { content(io::stdin()) } else { File::open(path).and_then(content) };
    let name = if path == "-" { "stdin".to_owned() } else { shown_path(path.as_ref()) };
    let read = read.map_err(|error| CommandError::Usage(format!("--body: cannot read {name}: {error}")))?;
    let refused = |message: &str| CommandError::Usage(format!("--body: {name} {message}"));
    if read.len() as u64 > BODY_MAX {
        return Err(refused("is longer than 8 MiB"));
    }
    String::from_utf8(read).map(Secret::new).map_err(|_| refused("is not UTF-8, which a body must be"))
}

/// Reads `from` up to one byte more than a body may have.
fn content(from: impl Read) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    from.take(BODY_MAX + 1).read_to_end(&mut read)?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(of: &AdHocArgs) -> Result<TypedSettings, String> {
        of.settings().map_err(|error| error.to_string())
    }

    #[test]
    fn a_body_is_a_text_or_the_content_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let of = |body: String| settings(&AdHocArgs { body: Some(body), ..AdHocArgs::default() });
        let sent = |body: String| of(body).unwrap().body.unwrap().expose().to_owned();
        std::fs::write(path("body"), "{\r\n}\n").unwrap();
        std::fs::write(path("latin"), b"\xff").unwrap();
        assert_eq!(sent("a=1".to_owned()), "a=1");
        assert_eq!(sent(format!("@{}", path("body").display())), "{\r\n}\n", "as it is, unlike curl's -d");
        assert!(of(format!("@{}", path("latin").display())).unwrap_err().contains("latin is not UTF-8"));
        assert!(of(format!("@{}", path("gone").display())).unwrap_err().contains("gone: "));
    }

    #[test]
    fn a_wrong_header_is_named_by_its_option_without_its_value() {
        let of = |headers: &[&str]| {
            let headers = headers.iter().map(|&text| text.to_owned()).collect();
            settings(&AdHocArgs { headers, ..AdHocArgs::default() })
        };
        assert_eq!(of(&["A: 1", "B: 2"]).unwrap().headers.len(), 2);
        for headers in [&["Bearer S3CRET"][..], &["A: 1", "a: S3CRET"], &["A B: S3CRET"]] {
            let error = of(headers).unwrap_err();
            assert!(error.starts_with("--header: ") && !error.contains("S3CRET"), "{error}");
        }
    }

    #[test]
    fn all_given_options_are_named() {
        assert!(AdHocArgs::default().given().is_empty());
        let given = AdHocArgs { ipv6: true, headers: vec![String::new()], ..AdHocArgs::default() };
        assert_eq!(given.given(), ["--header", "--ipv6"]);
        assert_eq!(settings(&AdHocArgs { ipv6: true, ..AdHocArgs::default() }).unwrap().family, Some(Family::V6));
    }
}
