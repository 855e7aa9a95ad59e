//! The request of each service, as its documentation asks for it.
//!
//! Bodies are built as values and written by `serde_json`, so no name or answer can break them. Where a service has plain
//! text, texts are plain; elsewhere they are escaped for its markup. Sources: the documentation named in each file.
//!
//! Invariants: a message keeps to every length that its service documents.

mod alertmanager;
mod discord;
mod gotify;
mod matrix;
mod mattermost;
mod ntfy;
mod pagerduty;
mod pushover;
mod slack;
mod teams;
mod telegram;
mod webhook;

use serde_json::Value;
use url::Url;

use crate::alert::News;
use crate::http::Method;
use crate::model::text::clean;
use crate::model::{Secret, SecretUrl, Timestamp};

use super::message::{Message, Tone};
use super::outlet::Service;

/// What a request is made of.
#[derive(Clone, Copy)]
pub(super) struct Notice<'a> {
    /// The events, at least one.
    pub(super) news: &'a [News],
    /// The message about them.
    pub(super) message: &'a Message,
    /// The name of this webmon.
    pub(super) agent: &'a str,
    /// The row of the outbox.
    pub(super) row: u64,
    /// The incident.
    pub(super) incident: u64,
    /// The present.
    pub(super) now: Timestamp,
}

/// A request for a service.
pub(super) struct Post {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<Header>,
    pub(super) body: Body,
    /// The members of the body that are secret, as JSON pointers.
    pub(super) secret_members: &'static [&'static str],
    /// Whether the service recognises a repeat.
    pub(super) is_repeatable: bool,
}

/// One header.
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: Secret,
    /// Whether it is never shown.
    pub(super) is_secret: bool,
}

/// What a request carries.
pub(super) enum Body {
    Json(Value),
    Text(String),
}

impl Notice<'_> {
    /// The same for a repeated notice, other for any other.
    fn row_key(&self) -> String {
        format!("webmon-{}-{}", self.agent, self.row)
    }

    /// The same for all notices about one incident.
    fn incident_key(&self) -> String {
        format!("webmon/{}/{}", self.agent, self.incident)
    }

    /// The printable URL of the site, if the notice is about one that a browser opens; services refuse others as links.
    fn link(&self) -> Option<String> {
        match self.news {
            [one] if ["http://", "https://"].iter().any(|web| one.context.url.starts_with(web)) => {
                Some(clean(&one.context.url))
            }
            _ => None,
        }
    }
}

impl Post {
    fn json(url: Url, body: Value) -> Self {
        let content_type = Header::open("Content-Type", "application/json");
        Self {
            method: Method::POST,
            url,
            headers: vec![content_type],
            body: Body::Json(body),
            secret_members: &[],
            is_repeatable: false,
        }
    }

    fn bearer(mut self, token: &Secret) -> Self {
        self.headers.push(Header::secret("Authorization", format!("Bearer {}", token.expose())));
        self
    }
}

impl Header {
    fn open(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: Secret::new(value), is_secret: false }
    }

    pub(super) fn secret(name: &str, value: String) -> Self {
        Self { name: name.to_owned(), value: Secret::new(value), is_secret: true }
    }
}

/// The request that tells `service` of `notice`.
///
/// # Errors
/// Why an own body cannot be rendered.
pub(super) fn request(service: &Service, notice: &Notice<'_>) -> Result<Post, String> {
    Ok(match service {
        Service::Slack { url } => slack::request(notice, url),
        Service::Discord { url } => discord::request(notice, url),
        Service::Teams { url } => teams::request(notice, url),
        Service::Mattermost { url } => mattermost::request(notice, url),
        Service::Telegram { chat, token, server } => telegram::request(notice, chat, token, server),
        Service::Ntfy { topic, token, server } => ntfy::request(notice, topic, token.as_ref(), server),
        Service::Gotify { server, token } => gotify::request(notice, server, token),
        Service::Pushover { user, token, server } => pushover::request(notice, user, token, server),
        Service::Matrix { room, server, token } => matrix::request(notice, room, server, token),
        Service::Pagerduty { key, server } => pagerduty::request(notice, key, server),
        Service::Alertmanager { url } => alertmanager::request(notice, url),
        Service::Webhook { url, headers, body } => webhook::request(notice, url, headers, body.as_ref())?,
        Service::Email { .. } => return Err("e-mail has no request".to_owned()),
    })
}

/// `url` with `segments` after its path, each percent-encoded as one segment.
fn below(url: &SecretUrl, segments: &[&str]) -> Url {
    let mut url = url.expose().clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// The hexadecimal colour of a tone.
const fn color(tone: Tone) -> &'static str {
    match tone {
        Tone::Down => "#d93025",
        Tone::Warn => "#f29900",
        Tone::Up => "#188038",
    }
}
