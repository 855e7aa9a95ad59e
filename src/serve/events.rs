//! `/api/v1/events`: what happens, as server-sent events, to all listeners.
//!
//! Invariants: a listener that reads gets every event of its sites in order; one that does not read delays nobody, and is told how
//! many it missed before the next one that it gets. Nothing is made without a listener.
//! Bounds: [`LISTENERS_MAX`] listeners; for each `QUEUE` chunks of about `CHUNK` bytes wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::model::lock::lock;

use super::route::Selection;

/// Listeners at once.
pub const LISTENERS_MAX: usize = 16;

/// Chunks that wait for one listener.
const QUEUE: usize = 64;

/// A chunk is sent once it is so long, bytes.
const CHUNK: usize = 32 << 10;

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// `sample`, `stats` or `alert`.
    pub kind: &'static str,
    /// The site that it is about.
    pub site: &'a str,
    /// Its group.
    pub group: Option<&'a str>,
    /// Its object: one line of JSON, with or without a line feed.
    pub line: &'a [u8],
}

struct Listener {
    chunks: mpsc::Sender<Bytes>,
    selection: Selection,
    /// Events that did not fit and are not told yet.
    lost: u64,
}

/// See the module.
#[derive(Default)]
pub struct Feed {
    listeners: Mutex<Vec<Listener>>,
    is_wanted: Arc<AtomicBool>,
}

impl Feed {
    /// Whether anybody listens; shared with what makes the events.
    #[must_use]
    pub fn is_wanted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_wanted)
    }

    /// A new listener to the events of `selection`; `None` if there are too many.
    pub fn join(&self, selection: Selection) -> Option<mpsc::Receiver<Bytes>> {
        let mut listeners = lock(&self.listeners);
        listeners.retain(|listener| !listener.chunks.is_closed());
        if listeners.len() >= LISTENERS_MAX {
            return None;
        }
        let (chunks, receiver) = mpsc::channel(QUEUE);
        listeners.push(Listener { chunks, selection, lost: 0 });
        self.is_wanted.store(true, Ordering::Release);
        Some(receiver)
    }

    /// Sends `events`, in their order, to who listens to them. `lost` writes the object that tells a number of lost ones.
    pub fn publish(&self, events: &[Event<'_>], lost: impl Fn(u64) -> Vec<u8>) {
        let mut listeners = lock(&self.listeners);
        listeners.retain_mut(|listener| listener.send(events, &lost));
        self.is_wanted.store(!listeners.is_empty(), Ordering::Release);
    }

    /// Sends a comment, by which a client that is gone is found.
    pub fn beat(&self) {
        let mut listeners = lock(&self.listeners);
        listeners.retain(|listener| {
            !matches!(listener.chunks.try_send(Bytes::from_static(b":\n\n")), Err(TrySendError::Closed(_)))
        });
        self.is_wanted.store(!listeners.is_empty(), Ordering::Release);
    }
}

impl Listener {
    /// Returns whether it is still there.
    fn send(&mut self, events: &[Event<'_>], lost: &impl Fn(u64) -> Vec<u8>) -> bool {
        let Self { chunks, selection, lost: missed } = self;
        let mine = events.iter().filter(|event| selection.holds(event.site, event.group));
        let (mut chunk, mut count) = (Vec::new(), 0);
        let mut mine = mine.peekable();
        while let Some(event) = mine.next() {
            put(&mut chunk, event.kind, event.line);
            count += 1;
            if (chunk.len() >= CHUNK || mine.peek().is_none())
                && !send_chunk((chunks, missed), std::mem::take(&mut chunk), std::mem::take(&mut count), lost)
            {
                return false;
            }
        }
        !chunks.is_closed()
    }
}

/// Sends `chunk` of `count` events, after those that were `missed`. Returns whether anybody is there.
fn send_chunk(
    (chunks, missed): (&mpsc::Sender<Bytes>, &mut u64),
    mut chunk: Vec<u8>,
    count: u64,
    lost: &impl Fn(u64) -> Vec<u8>,
) -> bool {
    if *missed > 0 {
        let mut told = Vec::new();
        put(&mut told, "lost", &lost(*missed));
        told.append(&mut chunk);
        chunk = told;
    }
    match chunks.try_send(Bytes::from(chunk)) {
        Ok(()) => *missed = 0,
        Err(TrySendError::Full(_)) => *missed += count,
        Err(TrySendError::Closed(_)) => return false,
    }
    true
}

/// One event as text/event-stream writes it.
fn put(out: &mut Vec<u8>, kind: &str, line: &[u8]) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    out.extend_from_slice(line.trim_ascii_end());
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(count: u64) -> Vec<u8> {
        format!("{{\"count\":{count}}}\n").into_bytes()
    }

    fn events<'a>(lines: &'a [String], site: &'a str) -> Vec<Event<'a>> {
        lines.iter().map(|line| Event { kind: "sample", site, group: Some("g"), line: line.as_bytes() }).collect()
    }

    /// The numbers of the events that `receiver` holds, and those that it is told were lost.
    fn received(receiver: &mut mpsc::Receiver<Bytes>) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        while let Ok(chunk) = receiver.try_recv() {
            all.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(all).unwrap();
        let event = |block: &str| {
            let (kind, data) = block.split_once("\ndata: ").unwrap();
            let number: String = data.chars().filter(char::is_ascii_digit).collect();
            (kind.strip_prefix("event: ").unwrap().to_owned(), number.parse().unwrap())
        };
        text.split_terminator("\n\n").filter(|block| *block != ":").map(event).collect()
    }

    #[test]
    fn who_reads_gets_everything_in_order_and_who_does_not_is_told_what_it_missed() {
        let feed = Feed::default();
        let mut good = feed.join(Selection::default()).unwrap();
        let mut bad = feed.join(Selection::default()).unwrap();
        let (mut next, mut seen) = (0u64, Vec::new());
        for _ in 0..100 {
            let lines: Vec<String> =
                (0..1_000).map(|n| format!("{{\"n\":{}}}{}\n", next + n, " ".repeat(80))).collect();
            next += 1_000;
            feed.publish(&events(&lines, "a"), lost);
            seen.extend(received(&mut good));
        }
        assert_eq!(seen, (0..next).map(|n| ("sample".to_owned(), n)).collect::<Vec<_>>());
        let late = received(&mut bad);
        let got = late.len() as u64;
        assert!(got < next && late.iter().enumerate().all(|(place, (_, n))| *n == place as u64));
        feed.publish(&events(&["{\"n\":7}".to_owned()], "a"), lost);
        assert_eq!(received(&mut bad), [("lost".to_owned(), next - got), ("sample".to_owned(), 7)]);
    }

    /// A thousand checks a second for ten minutes: what waits is bounded, and each event is there or counted.
    #[test]
    fn one_that_never_reads_holds_bounded_memory_and_every_event_is_there_or_lost() {
        const SECOND: u64 = 1_000;
        let feed = Feed::default();
        let mut deaf = feed.join(Selection::default()).unwrap();
        let (mut next, mut longest) = (0, 0);
        for _ in 0..600 {
            let lines: Vec<String> =
                (next..next + SECOND).map(|n| format!("{{\"n\":{n}}}{}\n", " x".repeat(150))).collect();
            longest = lines.iter().map(String::len).max().unwrap().max(longest);
            next += SECOND;
            feed.publish(&events(&lines, "a"), lost);
        }
        assert_eq!(deaf.len(), QUEUE, "the queue is full");
        let mut held = Vec::new();
        while let Ok(chunk) = deaf.try_recv() {
            held.push(chunk);
        }
        let bytes: usize = held.iter().map(Bytes::len).sum();
        // Around each line there is `event: sample\ndata: \n\n`.
        assert!(bytes <= QUEUE * (CHUNK + longest + 32), "{bytes} bytes wait");
        let got =
            held.iter().map(|chunk| chunk.windows(7).filter(|part| *part == b"\ndata: ").count() as u64).sum::<u64>();
        assert!(got > 0 && got < next, "{got} of {next}");
        feed.publish(&events(&["{\"n\":7}".to_owned()], "a"), lost);
        assert_eq!(received(&mut deaf), [("lost".to_owned(), next - got), ("sample".to_owned(), 7)]);
    }

    #[test]
    fn listeners_are_few_hear_of_their_sites_and_leave() {
        let feed = Feed::default();
        let is_wanted = feed.is_wanted();
        let only = Selection { sites: vec!["b".to_owned()], groups: Vec::new() };
        let mut receivers: Vec<_> = (0..LISTENERS_MAX).map(|_| feed.join(only.clone()).unwrap()).collect();
        assert!(feed.join(only.clone()).is_none() && is_wanted.load(Ordering::Acquire));
        feed.publish(&events(&["1".to_owned()], "a"), lost);
        feed.publish(&events(&["2".to_owned()], "b"), lost);
        assert_eq!(received(&mut receivers[0]), [("sample".to_owned(), 2)]);
        receivers.pop();
        assert!(feed.join(only).is_some(), "one has left");
        drop(receivers);
        feed.beat();
        assert!(!is_wanted.load(Ordering::Acquire));
    }
}
