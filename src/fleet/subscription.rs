//! What a hub or a watcher hears: the frames of the stream, in order and from where it was; and a hub, the questions of the locations.
//!
//! An ordered consumer acknowledges nothing: the position is the hub's own, on its disk. The client makes another one whenever the
//! server lost it, and goes on behind the last message, for ever; so the hub has to ask now and then whether it is still the same
//! stream ([`Subscription::is_same`]). Invariants: a position of another stream, or beyond the end of this one, counts as none.

use std::sync::Arc;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::stream::Stream;
use async_nats::{Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::model::text::clean_line;
use crate::model::{Location, Timestamp};
use crate::store::StreamPosition;

use super::connection::Link;
use super::subjects;

/// Longest reason of a server that is shown, characters.
const REASON_MAX: usize = 200;

/// What arrived.
#[derive(Debug)]
pub enum Arrival {
    /// A message of the stream.
    Frame {
        /// Who published it.
        location: Location,
        /// What.
        bytes: Bytes,
        /// Its number in the stream.
        sequence: u64,
        /// When the server received it, by its clock.
        published: Timestamp,
        /// How many wait behind it.
        waiting: u64,
    },
    /// A location asks what the hub has.
    Question {
        /// Who asks.
        location: Location,
        /// The question.
        bytes: Bytes,
        /// Where the answer goes.
        reply: Subject,
    },
}

/// See the module.
pub struct Subscription {
    stream: Stream,
    name: Arc<str>,
    created: Timestamp,
    /// The number of the last message.
    last: u64,
    waiting: u64,
    messages: pull::Ordered,
    /// Those of the locations, if this is a hub.
    questions: Option<Subscriber>,
}

impl Subscription {
    /// For a hub: reads the stream `name` on from `after`, and hears questions.
    ///
    /// # Errors
    /// Why it cannot be read, as a sentence.
    pub async fn open(link: &Link, name: &str, after: Option<&StreamPosition>) -> Result<Self, String> {
        let opened = Self::follow(link, name, (after, None)).await?;
        let questions = link.client.subscribe(subjects::all_have()).await;
        let questions = questions.map_err(|error| {
            let error = clean_line(&error.to_string(), REASON_MAX);
            format!("what locations ask of {name} cannot be read: {error}")
        })?;
        Ok(Self { questions: Some(questions), ..opened })
    }

    /// Reads the stream `name` on from `after`; where that does not hold, from the time `else_from` on, or from its beginning.
    ///
    /// # Errors
    /// Why it cannot be read, as a sentence.
    pub async fn follow(
        link: &Link,
        name: &str,
        (after, else_from): (Option<&StreamPosition>, Option<Timestamp>),
    ) -> Result<Self, String> {
        let refused = |error: &dyn std::fmt::Display| {
            format!("the stream {name} cannot be read: {}", clean_line(&link.reason(error), REASON_MAX))
        };
        let stream = link.jetstream.get_stream(name).await.map_err(|error| refused(&error))?;
        let info = stream.cached_info();
        let (created, end) = (timestamp(info.created.unix_timestamp_nanos()), info.state.last_sequence);
        let known = after.filter(|position| position.created == created && position.sequence <= end);
        let last = known.map_or(0, |position| position.sequence);
        let else_from = else_from.filter(|from| created < *from);
        let config = pull::OrderedConfig {
            filter_subject: subjects::all_frames(),
            deliver_policy: match (known, else_from) {
                (Some(position), _) => DeliverPolicy::ByStartSequence { start_sequence: position.sequence + 1 },
                (None, Some(from)) => DeliverPolicy::ByStartTime { start_time: info.created + from.since(created) },
                (None, None) => DeliverPolicy::All,
            },
            ..pull::OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| refused(&error))?;
        let waiting = consumer.cached_info().num_pending;
        let messages = consumer.messages().await.map_err(|error| refused(&error))?;
        Ok(Self { stream, name: name.into(), created, last, waiting, messages, questions: None })
    }

    /// Messages that waited when it was opened.
    #[must_use]
    pub const fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Waits for the next arrival. Nothing is lost if the wait is given up.
    ///
    /// # Errors
    /// Why nothing more can arrive, as a sentence.
    pub async fn next(&mut self) -> Result<Arrival, String> {
        loop {
            tokio::select! {
                biased;
                Some(question) = asked(&mut self.questions) => {
                    // Others may publish here only where a server guards nothing.
                    let (Some(location), Some(reply)) = (subjects::asker(&question.subject), question.reply) else { continue };
                    return Ok(Arrival::Question { location, bytes: question.payload, reply });
                }
                message = self.messages.next() => {
                    let message = message.ok_or("the server ended the reading of the stream")?;
                    let message = message.map_err(|error| clean_line(&error.to_string(), REASON_MAX))?;
                    let info = message.info().map_err(|error| clean_line(&error.to_string(), REASON_MAX))?;
                    let (sequence, waiting) = (info.stream_sequence, info.pending);
                    let published = timestamp(info.published.unix_timestamp_nanos());
                    self.last = sequence;
                    let Some(location) = subjects::sender(&message.subject) else { continue };
                    let bytes = message.message.payload;
                    return Ok(Arrival::Frame { location, bytes, sequence, published, waiting });
                }
            }
        }
    }

    /// Whether the stream is still the one that was opened, and holds everything that arrived; and how many messages it holds
    /// that have not arrived.
    ///
    /// # Errors
    /// Why the server does not say it, as a sentence.
    pub async fn is_same(&self) -> Result<(bool, u64), String> {
        let info = self.stream.get_info().await.map_err(|error| clean_line(&error.to_string(), REASON_MAX))?;
        let (created, end) = (timestamp(info.created.unix_timestamp_nanos()), info.state.last_sequence);
        Ok((created == self.created && self.last <= end, end.saturating_sub(self.last)))
    }

    /// The position behind message `sequence`.
    #[must_use]
    pub fn position(&self, sequence: u64) -> StreamPosition {
        StreamPosition { stream: Arc::clone(&self.name), created: self.created, sequence }
    }
}

/// The next question; none ever, where they are not heard.
async fn asked(questions: &mut Option<Subscriber>) -> Option<async_nats::Message> {
    match questions {
        Some(questions) => questions.next().await,
        None => std::future::pending().await,
    }
}

/// A time in ns since the epoch; those before it are the epoch.
fn timestamp(nanos: i128) -> Timestamp {
    Timestamp::from_micros(u64::try_from(nanos / 1_000).unwrap_or_default())
}
