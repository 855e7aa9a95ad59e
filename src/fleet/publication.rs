//! What a location publishes and hears: its frames, its questions to the hubs, their answers and their words.
//!
//! A word is heard by a plain subscription to the subject of its key, which needs no consumer on the server. Invariants: what arrives
//! and cannot be read counts as not heard; every reason is one clean line.

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::{HeaderMap, Subscriber, header};
use futures_util::StreamExt as _;

use crate::model::text::clean_line;
use crate::model::{Location, StoreId};

use super::agent::{DEADLINE, Outgoing};
use super::connection::Link;
use super::frame::{Have, have};
use super::gather::Word;
use super::{hub_word, subjects};

/// Longest reason of a server that is shown, bytes.
const REASON_MAX: usize = 200;

/// What a location hears.
#[derive(Debug)]
pub enum Hearing {
    /// A hub's answer.
    Answer(Have),
    /// What a hub has committed.
    Word(Location, Word),
}

/// What became of a frame: the reason, if the server gave one.
pub type Receipt = Result<(), Option<String>>;

/// See the module.
pub struct Publication {
    location: Location,
    inbox: String,
    answers: Subscriber,
    words: Subscriber,
}

impl Publication {
    /// Listens over `link` as `location`.
    ///
    /// # Errors
    /// Why that is not possible, as a sentence.
    pub async fn open(link: &Link, location: &Location) -> Result<Self, String> {
        let refused = |error: async_nats::SubscribeError| clean_line(&error.to_string(), REASON_MAX);
        let inbox = link.client.new_inbox();
        let answers = link.client.subscribe(inbox.clone()).await.map_err(refused)?;
        let key = format!("*.{location}");
        let words = link.client.subscribe(subjects::kv(subjects::HUB_BUCKET, &key)).await.map_err(refused)?;
        Ok(Self { location: location.clone(), inbox, answers, words })
    }

    /// Waits for what is heard next; never returns once the connection is closed for good. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Hearing {
        loop {
            tokio::select! {
                Some(answer) = self.answers.next() => {
                    // A server says so if no hub listens to questions; that is no answer.
                    if let Ok(have) = Have::decode(&answer.payload) {
                        return Hearing::Answer(have);
                    }
                }
                Some(word) = self.words.next() => {
                    let hub = subjects::speaker(&word.subject, &self.location);
                    if let Some((hub, word)) = hub.zip(hub_word::decode(&word.payload)) {
                        return Hearing::Word(hub, word);
                    }
                }
                else => std::future::pending().await,
            }
        }
    }

    /// Asks every hub what it has of `store`.
    ///
    /// # Errors
    /// Why that is not possible, as a sentence.
    pub async fn ask(&self, link: &Link, store: StoreId) -> Result<(), String> {
        let mut question = Vec::new();
        have::ask(store, &mut question);
        let asked = link.client.publish_with_reply(subjects::have(&self.location), self.inbox.clone(), question.into());
        asked.await.map_err(|error| clean_line(&error.to_string(), REASON_MAX))
    }

    /// Publishes `frame`; what it returns waits for what the server says to it.
    ///
    /// # Errors
    /// Why it could not be published.
    pub async fn publish(
        &self,
        link: &Link,
        frame: Outgoing,
    ) -> Result<impl Future<Output = Receipt> + Send + 'static, Option<String>> {
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MESSAGE_ID, frame.id.as_str());
        let subject = subjects::frames(&self.location);
        let published = link.jetstream.publish_with_headers(subject, headers, frame.bytes);
        // It waits while the connection is lost, and cannot wait for ever.
        let acknowledged = match tokio::time::timeout(DEADLINE, published).await {
            Ok(published) => published.map_err(|error| reason(&error))?.into_future(),
            Err(_) => return Err(None),
        };
        Ok(async move {
            match tokio::time::timeout(DEADLINE, acknowledged).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(reason(&error)),
                Err(_) => Err(None),
            }
        })
    }
}

/// Why a frame was refused; none if there was no answer.
fn reason(error: &PublishError) -> Option<String> {
    match error.kind() {
        PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => None,
        PublishErrorKind::StreamNotFound => {
            Some("the server has no stream for it: `webmon fleet init` makes one".to_owned())
        }
        _ => Some(clean_line(&error.to_string(), REASON_MAX)),
    }
}
