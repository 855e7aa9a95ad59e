//! What some keys of a bucket say: as they are at each connection, and each change after that.
//!
//! A change is heard by a plain subscription to the subject of its key and a value is read by a direct get, so that the permissions of a
//! location suffice. Invariants: after a value, no older one of the same key is returned; a key that the server does not have is not
//! news, since a server can lose what it had, but one that was deleted is.

use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::{HeaderMap, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::SelectAll;
use tokio::task::JoinSet;

use crate::model::text::clean_line;

use super::connection::Link;
use super::subjects::{bucket_stream, kv};

/// Longest reason of a server that is shown, bytes.
const REASON_MAX: usize = 200;

/// Longest wait for one value.
const READ_MAX: Duration = Duration::from_secs(2);

/// The header that marks a key as deleted.
const OPERATION: &str = "KV-Operation";

/// A change: the place of the key in the list of keys, and its value, if it was not deleted.
pub type KeyChange = (usize, Option<Bytes>);

/// See the module.
pub struct KeyWatch {
    bucket: &'static str,
    subjects: Vec<String>,
    changes: SelectAll<Subscriber>,
    reads: JoinSet<Option<KeyChange>>,
    /// Which keys were heard since they were last read.
    heard: Vec<bool>,
}

impl KeyWatch {
    /// Listens to `keys` of `bucket`, and reads them.
    ///
    /// # Errors
    /// Why that is not possible, as a sentence.
    pub async fn open(link: &Link, bucket: &'static str, keys: &[String]) -> Result<Self, String> {
        let subjects: Vec<String> = keys.iter().map(|key| kv(bucket, key)).collect();
        let mut changes = SelectAll::new();
        for subject in &subjects {
            let heard = link.client.subscribe(subject.clone()).await;
            changes.push(heard.map_err(|error| clean_line(&error.to_string(), REASON_MAX))?);
        }
        let heard = vec![false; subjects.len()];
        let mut watch = Self { bucket, subjects, changes, reads: JoinSet::new(), heard };
        watch.read(link);
        Ok(watch)
    }

    /// Reads the keys again: after a connection was lost, what happened meanwhile was not heard.
    pub fn read(&mut self, link: &Link) {
        self.reads = JoinSet::new();
        self.heard.fill(false);
        for (index, subject) in self.subjects.iter().cloned().enumerate() {
            let (jetstream, bucket) = (link.jetstream.clone(), bucket_stream(self.bucket));
            self.reads.spawn(async move {
                let stream = jetstream.get_stream_no_info(bucket).await.ok()?;
                let StreamMessage { headers, payload, .. } = stream.direct_get_last_for_subject(subject).await.ok()?;
                Some((index, value(&headers, payload)))
            });
        }
    }

    /// Waits for the next change; for ever once the connection is closed for good. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> KeyChange {
        loop {
            tokio::select! {
                biased;
                Some(message) = self.changes.next() => {
                    let index = self.subjects.iter().position(|subject| *subject == *message.subject);
                    let Some(index) = index else { continue };
                    self.heard[index] = true;
                    return (index, value(&message.headers.unwrap_or_default(), message.payload));
                }
                Some(read) = self.reads.join_next() => {
                    let Ok(Some((index, value))) = read else { continue };
                    if !self.heard[index] {
                        return (index, value);
                    }
                }
                else => std::future::pending().await,
            }
        }
    }
}

/// What `key` of `bucket` says now, if there is a value.
pub async fn value_of(link: &Link, bucket: &str, key: &str) -> Option<Bytes> {
    let stream = link.jetstream.get_stream_no_info(bucket_stream(bucket)).await.ok()?;
    let read = tokio::time::timeout(READ_MAX, stream.direct_get_last_for_subject(kv(bucket, key))).await;
    let StreamMessage { headers, payload, .. } = read.ok()?.ok()?;
    value(&headers, payload)
}

/// Sets `key` of `bucket` to `value`, or deletes it.
///
/// # Errors
/// Why the server did not take it, in one clean line.
pub async fn put(link: &Link, bucket: &str, key: &str, value: Option<Vec<u8>>) -> Result<(), String> {
    let mut headers = HeaderMap::new();
    if value.is_none() {
        headers.insert(OPERATION, "DEL");
    }
    let written = async {
        link.jetstream.publish_with_headers(kv(bucket, key), headers, value.unwrap_or_default().into()).await?.await
    };
    let written = written.await.map(drop);
    written.map_err(|error| match error.kind() {
        PublishErrorKind::StreamNotFound => format!("there is no bucket {bucket} yet; `webmon fleet init` makes it"),
        _ => clean_line(&link.reason(&error), REASON_MAX),
    })
}

/// The value of a message, unless it says that the key was deleted.
fn value(headers: &HeaderMap, payload: Bytes) -> Option<Bytes> {
    headers.get(OPERATION).is_none().then_some(payload)
}
