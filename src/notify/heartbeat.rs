//! The signal to a dead man's switch: the only one that can tell that webmon itself is dead.
//!
//! A request every minute says that all is well; silence, or where the service knows it an explicit failure, says that it is
//! not. Source: `healthchecks.io/docs/signaling_failures` for the address of a failure.
//!
//! Invariants: no error holds the URL.

use crate::http::{Client, Method, Outgoing, RequestError, SetupError, Terms, reason_phrase};
use crate::model::{KnownSecrets, SecretUrl};

use super::answer::masked;

/// The service that takes `…/fail`.
const KNOWS_FAILURES: &str = "hc-ping.com";

/// See the module.
pub struct Heartbeat {
    client: Client,
    well: Outgoing,
    unwell: Option<Outgoing>,
    secrets: KnownSecrets,
    has_failed: bool,
}

impl Heartbeat {
    /// The heartbeat that asks `url`.
    ///
    /// # Errors
    /// [`SetupError`]: a retry would not help.
    pub fn new(url: &SecretUrl, terms: &Terms) -> Result<Self, SetupError> {
        let url = url.expose();
        let get = |url| Outgoing::new(Method::GET, url, [], Vec::new());
        let repeatable = |request: Outgoing| Outgoing { is_repeatable: true, ..request };
        let mut failing = url.clone();
        if let Ok(mut path) = failing.path_segments_mut() {
            path.pop_if_empty().push("fail");
        }
        let knows_failures = url.host_str() == Some(KNOWS_FAILURES);
        let unwell = if knows_failures { Some(repeatable(get(&failing)?)) } else { None };
        let secrets = [url.as_str(), url.path(), url.path().trim_matches('/'), url.query().unwrap_or_default()];
        let secrets = KnownSecrets::new(secrets.into_iter().chain(url.password()));
        let (client, well) = (Client::new(url, terms)?, repeatable(get(url)?));
        Ok(Self { client, well, unwell, secrets, has_failed: false })
    }

    /// Signals that all is well, or that it is not, the latter once. Returns whether a request was made.
    ///
    /// # Errors
    /// Why the signal did not arrive, in one clean line.
    pub async fn beat(&mut self, is_well: bool) -> Result<bool, String> {
        let request = match (is_well, &self.unwell) {
            (true, _) => &self.well,
            (false, Some(unwell)) if !self.has_failed => unwell,
            (false, _) => return Ok(false),
        };
        let reply = self.client.send(request).await.map_err(RequestError::into_reason);
        let reply = reply.map_err(|reason| masked(&reason, &self.secrets))?;
        if !(200..300).contains(&reply.status) {
            return Err(format!("{} {}", reply.status, reason_phrase(reply.status).unwrap_or_default())
                .trim_end()
                .to_owned());
        }
        self.has_failed = !is_well;
        Ok(true)
    }
}
