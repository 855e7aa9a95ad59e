//! What a sender is given, and what it would send.

use serde_json::Value;

use crate::alert::News;
use crate::http::SetupError;

/// What one row of the outbox, or several, say to an outlet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The random name of this webmon.
    pub agent: String,
    /// The number of the row, or of the set of rows; repeats have the same, and nothing else has it.
    pub row: u64,
    /// The incident, unique; of several the first.
    pub incident: u64,
    /// The events, at least one. Outlets that keep incidents take one; an Alertmanager takes any number.
    pub news: Vec<News>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Whether a former attempt may have arrived.
    pub perhaps_repeat: bool,
}

/// What would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// `POST`, `PUT`, or `SMTP`.
    pub method: String,
    /// The address, secrets in it as ***.
    pub url: String,
    /// Names and values, secret ones as ***.
    pub headers: Vec<(String, String)>,
    /// The body, secret members as ***; a string is sent as text.
    pub body: Value,
}

impl Preview {
    /// It as one line of JSON, for the outlet `name`.
    #[must_use]
    pub fn json(&self, name: &str) -> String {
        let headers: serde_json::Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let Self { method, url, body, .. } = self;
        serde_json::json!({
            "event": "request", "outlet": name, "method": method, "url": url, "headers": headers, "body": body,
        })
        .to_string()
    }
}

/// Why an outlet cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// The server cannot be reached as configured.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// An address is not one.
    #[error("{0:?} is not an e-mail address")]
    Address(String),
    /// The feature is missing.
    #[error("this webmon was built without e-mail; build it with the feature `mail`")]
    NoMail,
}
