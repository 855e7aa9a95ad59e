//! Of several hubs, the one that delivers alerts: the holder of a key that the server forgets after 30 s.
//!
//! The holder renews the key by its revision every few seconds; the others read it, and one of them gets it once it is gone. Invariants: a
//! hub that does not learn of another holder goes on delivering, since a message that comes twice is better than none; a hub that
//! starts waits until it knows, at most [`PATIENCE`].

use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::stream::DirectGetErrorKind;
use async_nats::{HeaderMap, header};
use serde_json::{Value, json};

use crate::model::{Location, Moment, Timestamp};

use super::connection::Link;
use super::subjects::{LEASE_BUCKET, LEASE_KEY, bucket_stream, kv};

/// How long a hub that starts waits for the server before it delivers all the same.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Longest wait for an answer of the server.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Whether a hub delivers alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Leading {
    /// It does not know yet.
    #[default]
    Undecided,
    /// It does.
    Leads,
    /// This one does.
    Follows(Location),
}

/// What the server says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// The key has this revision now.
    Written(u64),
    /// Another one has written it.
    Conflict,
    /// The key, as it is: its revision and its holder, if that can be read.
    Held(u64, Option<Location>),
    /// There is no key.
    Free,
    /// Nothing, or that it cannot.
    Nothing,
}

/// What to ask the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// Write the key, if this is its revision; 0: if there is none.
    Write(u64),
    Read,
}

/// See the module.
#[derive(Debug)]
pub struct Lease {
    own: Location,
    /// By the steady clock.
    began: Timestamp,
    /// The revision under which this hub holds it.
    held: Option<u64>,
    leading: Leading,
    /// Whether another hub has the name of this one.
    is_shared: bool,
}

impl Lease {
    /// That of the hub `own`, which starts at `now`, by the steady clock.
    #[must_use]
    pub const fn new(own: Location, now: Timestamp) -> Self {
        Self { own, began: now, held: None, leading: Leading::Undecided, is_shared: false }
    }

    /// Renews it, or tries to get it, at `now`. Returns whether this hub delivers.
    pub async fn keep(&mut self, link: &Link, now: Moment) -> Leading {
        let mut request = Some(self.begin());
        while let Some(next) = request {
            let said = tokio::time::timeout(ANSWER_MAX, self.ask(link, next, now.wall)).await;
            request = self.heard(next, said.unwrap_or(Said::Nothing));
        }
        self.leading(now.steady)
    }

    /// Whether this hub delivers, as far as it is known at `now`, by the steady clock.
    #[must_use]
    pub fn leading(&mut self, now: Timestamp) -> Leading {
        if self.leading == Leading::Undecided && PATIENCE <= now.since(self.began) {
            self.leading = Leading::Leads;
        }
        self.leading.clone()
    }

    /// Whether another hub has the name of this one.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.is_shared
    }

    const fn begin(&self) -> Request {
        match self.held {
            Some(revision) => Request::Write(revision),
            None => Request::Read,
        }
    }

    /// Follows the answer to `request`. Returns the next request, if one is due at once.
    fn heard(&mut self, request: Request, said: Said) -> Option<Request> {
        match said {
            Said::Written(revision) => {
                self.held = Some(revision);
                self.leading = Leading::Leads;
                None
            }
            // One that lost it looks who has it; one that tried to get it does so at the next turn.
            Said::Conflict => (self.held.take().is_some() && request != Request::Read).then(|| {
                self.is_shared = false;
                Request::Read
            }),
            Said::Free => Some(Request::Write(0)),
            Said::Held(revision, Some(holder)) if holder == self.own => {
                // After a restart it is still held; otherwise there are two of this name.
                self.is_shared = self.leading != Leading::Undecided;
                Some(Request::Write(revision))
            }
            Said::Held(_, Some(holder)) => {
                self.leading = Leading::Follows(holder);
                None
            }
            Said::Held(revision, None) => Some(Request::Write(revision)),
            Said::Nothing => None,
        }
    }

    async fn ask(&self, link: &Link, request: Request, now: Timestamp) -> Said {
        let subject = kv(LEASE_BUCKET, LEASE_KEY);
        match request {
            Request::Write(revision) => {
                let mut headers = HeaderMap::new();
                headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string().as_str());
                let value = json!({"hub": self.own.name(), "at": now.as_micros()}).to_string();
                let written =
                    async { link.jetstream.publish_with_headers(subject, headers, value.into()).await?.await };
                match written.await {
                    Ok(ack) => Said::Written(ack.sequence),
                    Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Said::Conflict,
                    Err(_) => Said::Nothing,
                }
            }
            Request::Read => {
                let Ok(stream) = link.jetstream.get_stream_no_info(bucket_stream(LEASE_BUCKET)).await else {
                    return Said::Nothing;
                };
                match stream.direct_get_last_for_subject(subject).await {
                    Ok(message) => Said::Held(message.sequence, holder(&message.payload)),
                    Err(error) if error.kind() == DirectGetErrorKind::NotFound => Said::Free,
                    Err(_) => Said::Nothing,
                }
            }
        }
    }
}

/// The hub that a value names.
fn holder(value: &[u8]) -> Option<Location> {
    let value: Value = serde_json::from_slice(value).ok()?;
    Location::new(value.get("hub")?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(name: &str) -> Location {
        Location::new(name).unwrap()
    }

    /// The key as a server keeps it: its holder and its revision.
    #[derive(Default)]
    struct Server {
        key: Option<(Location, u64)>,
        written: u64,
        is_away: bool,
    }

    impl Server {
        fn turn(&mut self, lease: &mut Lease, now: u64) -> Leading {
            let mut request = Some(lease.begin());
            for _ in 0..9 {
                let Some(next) = request else { return lease.leading(Timestamp::from_secs(now)) };
                let said = match (next, &self.key) {
                    _ if self.is_away => Said::Nothing,
                    (Request::Read, None) => Said::Free,
                    (Request::Read, Some((holder, revision))) => Said::Held(*revision, Some(holder.clone())),
                    (Request::Write(expected), key)
                        if key.as_ref().map_or(0, |(_, revision)| *revision) == expected =>
                    {
                        self.written += 1;
                        self.key = Some((lease.own.clone(), self.written));
                        Said::Written(self.written)
                    }
                    (Request::Write(_), _) => Said::Conflict,
                };
                request = lease.heard(next, said);
            }
            panic!("it asks for ever");
        }
    }

    #[test]
    fn one_leads_and_the_next_one_does_once_the_key_is_gone() {
        let mut server = Server::default();
        let [mut one, mut two] = ["one", "two"].map(|name| Lease::new(hub(name), Timestamp::ZERO));
        assert_eq!(server.turn(&mut one, 0), Leading::Leads);
        assert_eq!(server.turn(&mut two, 1), Leading::Follows(hub("one")));
        assert_eq!(server.turn(&mut one, 5), Leading::Leads);
        // One is cut off, and the server forgets the key.
        server.key = None;
        assert_eq!(server.turn(&mut two, 40), Leading::Leads);
        assert_eq!(server.turn(&mut one, 41), Leading::Follows(hub("two")), "as soon as it learns of it");
        assert!(!one.is_shared() && !two.is_shared());
        // It starts again within the 30 s, under the same name.
        let mut again = Lease::new(hub("two"), Timestamp::from_secs(50));
        assert_eq!(server.turn(&mut again, 50), Leading::Leads);
        assert!(!again.is_shared());
        // Two of one name.
        assert_eq!(server.turn(&mut two, 51), Leading::Leads);
        assert!(two.is_shared());
    }

    #[test]
    fn without_a_server_the_holder_goes_on_and_a_new_hub_waits_for_a_while() {
        let mut server = Server::default();
        let mut one = Lease::new(hub("one"), Timestamp::ZERO);
        assert_eq!(server.turn(&mut one, 0), Leading::Leads);
        server.is_away = true;
        assert_eq!(server.turn(&mut one, 1_000), Leading::Leads);
        let mut two = Lease::new(hub("two"), Timestamp::from_secs(1_000));
        assert_eq!(server.turn(&mut two, 1_029), Leading::Undecided);
        assert_eq!(server.turn(&mut two, 1_030), Leading::Leads);
        // One that waits for another hub never delivers of itself.
        server.is_away = false;
        assert_eq!(server.turn(&mut one, 1_031), Leading::Leads);
        assert_eq!(server.turn(&mut two, 1_032), Leading::Follows(hub("one")));
        server.is_away = true;
        assert_eq!(server.turn(&mut two, 9_000), Leading::Follows(hub("one")));
    }

    #[test]
    fn a_key_that_cannot_be_read_belongs_to_none() {
        for value in [&b""[..], b"{}", b"{\"hub\":\"A B\"}", b"{\"hub\":1}", &[0xff; 9]] {
            assert_eq!(holder(value), None);
        }
        let mut lease = Lease::new(hub("one"), Timestamp::ZERO);
        assert_eq!(lease.heard(Request::Read, Said::Held(7, None)), Some(Request::Write(7)));
    }
}
