//! What is known of a connection: whether it stands, and what the server said last.
//!
//! Invariant: every text is one clean line, whatever the server sent.

use async_nats::{ClientError, Event, ServerError};

use crate::model::Timestamp;
use crate::model::text::{DETAIL_MAX, clean_line};

/// Whether there is a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// There is.
    #[default]
    Connected,
    /// There is none; the client keeps trying.
    Lost {
        /// Since when.
        since: Timestamp,
    },
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// Whether there is a connection.
    pub standing: Standing,
    /// What the server refused last over this connection, such as a publication without permission; or, without a connection,
    /// why the last attempt failed.
    pub refusal: Option<String>,
    /// The server is about to stop; another one of its cluster will be found.
    pub is_leaving: bool,
    /// How often a subscription could not keep up, so that messages were dropped here.
    pub slow: u64,
}

impl LinkState {
    /// Notes `event`. `refused` tells why the last chain of certificates was refused, if it was. Returns whether anything changed.
    pub(super) fn note(
        &mut self,
        event: Event,
        now: impl Fn() -> Timestamp,
        refused: impl FnOnce() -> Option<String>,
    ) -> bool {
        let before = self.clone();
        match event {
            Event::Connected => *self = Self { slow: self.slow, ..Self::default() },
            Event::Disconnected | Event::Closed => {
                if self.standing == Standing::Connected {
                    self.standing = Standing::Lost { since: now() };
                }
            }
            Event::LameDuckMode => self.is_leaving = true,
            Event::SlowConsumer(_) | Event::ServerError(ServerError::SlowConsumer(_)) => self.slow += 1,
            Event::ServerError(ServerError::AuthorizationViolation) => {
                self.refusal = Some("the server does not know this webmon any more".to_owned());
            }
            Event::ServerError(ServerError::Other(text)) => self.refusal = Some(clean_line(&text, DETAIL_MAX)),
            Event::ClientError(error) => self.refusal = refused().or_else(|| attempt(&error)).or(self.refusal.take()),
            Event::Draining => {}
        }
        *self != before
    }
}

/// Why an attempt to connect again failed, as far as the client tells.
fn attempt(error: &ClientError) -> Option<String> {
    let ClientError::Other(kind) = error else { return None };
    let words = match kind.as_str() {
        "IO error" => "the server cannot be reached",
        "DNS error" => "the server's name has no address",
        "TLS error" => "the TLS handshake failed",
        "timed out" => "the server does not answer",
        "authorization violation" => "the server does not know this webmon",
        other => return Some(clean_line(other, DETAIL_MAX)),
    };
    Some(words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_what_happens() {
        let mut state = LinkState::default();
        let mut at = 0;
        let mut note = |state: &mut LinkState, event: Event, refused: Option<&str>| {
            at += 1;
            let now = move || Timestamp::from_secs(at);
            state.note(event, now, || refused.map(str::to_owned))
        };
        let said = |text: &str| Event::ServerError(ServerError::Other(text.to_owned()));
        assert!(!note(&mut state, Event::Connected, None));
        assert!(note(&mut state, said("Permissions Violation for Publish to \"a\x1b[2J\""), None));
        assert_eq!(state.refusal.as_deref(), Some("Permissions Violation for Publish to \"a\u{fffd}[2J\""));
        assert!(note(&mut state, Event::LameDuckMode, None));
        assert!(note(&mut state, Event::SlowConsumer(7), None));
        assert!(note(&mut state, Event::Disconnected, None));
        assert!(!note(&mut state, Event::Disconnected, None), "the first loss counts");
        assert!(note(&mut state, Event::ClientError(ClientError::Other("IO error".to_owned())), None));
        assert_eq!(state.refusal.as_deref(), Some("the server cannot be reached"));
        assert!(note(&mut state, Event::ClientError(ClientError::Other("IO error".to_owned())), Some("expired")));
        let lost = Standing::Lost { since: Timestamp::from_secs(5) };
        let refusal = Some("expired".to_owned());
        assert_eq!(state, LinkState { standing: lost, refusal, is_leaving: true, slow: 1 });
        assert!(note(&mut state, Event::Connected, None));
        assert_eq!(state, LinkState { slow: 1, ..LinkState::default() });
    }
}
