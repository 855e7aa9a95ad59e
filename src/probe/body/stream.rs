//! Judges bodies that may not end: event streams, and bodies without a length.
//!
//! What is meant to be endless (`text/event-stream`, `multipart/x-mixed-replace`) is read until every expectation is met for
//! certain: a text was found, a match needs no end. Any other body without a length is a page until its time is up; if it met
//! every expectation by then, it is a stream. In both cases the transfer ends with the deciding byte, and the connection is not
//! reused. A body with a length must arrive whole, and one that breaks off is a failure. Where something must not be in the body,
//! or the body is read as JSON, its end has to be seen, so no part of it decides.
//!
//! Coded or non-UTF-8 bodies are read anew with each piece, so only their beginning is read before the time is up.
//! Bounds: on the network thread 4 Mi bytes times states of the pattern, some ms at worst, and 1 MiB decoded at once.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::model::{BODY_KEPT_MAX, BodyExpectations, Cause, Status};
use crate::probe::failure::Failure;

use super::charset::{Charset, decode};
use super::content_coding::{Coding, End, unpack_up_to};
use super::interrupt::{at_once, pause};
use super::matcher::Patterns;
use super::pattern_search::PatternSearch;
use super::received::BodyRead;
use super::text_search::{TextFound, TextSearch};
use super::worker::{JobResult, Workers};

/// Media types without an end.
const ENDLESS: [&str; 2] = ["text/event-stream", "multipart/x-mixed-replace"];
/// Bytes times states that are searched on the network thread.
const WORK: usize = 4 << 20;
/// Bytes that are decoded on the network thread.
const DECODED_MAX: usize = 1 << 20;
/// The cost of reading anew, in bytes.
const BEGINNING: usize = 4 << 10;
const ARRIVALS_MAX: usize = 1_024;

/// The status of an answer and its reason phrase.
pub(crate) type StatusLine = (Status, Cow<'static, str>);

/// A body without a length while it arrives.
pub(crate) struct Live {
    status_line: StatusLine,
    clock: fn() -> Instant,
    /// The length of the body, and since when.
    arrivals: Vec<(usize, Instant)>,
    early: EarlyVerdict,
}

/// Tells whether the beginning of a body decides, whatever follows.
pub(crate) struct EarlyVerdict {
    /// Of the bytes as they are; none if only the whole is judged.
    search: Option<Search>,
    reading: Reading,
    work: usize,
}

/// The expectations, and how to decode the body.
#[derive(Clone)]
struct Reading {
    codings: Vec<Coding>,
    charset: Option<String>,
    expected: Arc<BodyExpectations>,
    patterns: Arc<Patterns>,
}

/// A search for what is expected.
struct Search {
    /// Those that are not found yet.
    contains: Vec<TextSearch>,
    /// None once found.
    matches: Option<PatternSearch>,
    /// The end of what was found so far.
    decided_at: usize,
}

/// How a search continues.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Decided,
    /// There is more to search.
    Search,
    /// Nothing more has arrived.
    Await,
}

impl Live {
    /// Reads `body`, of which only the head has arrived.
    pub(crate) fn new(
        status_line: StatusLine,
        body: &BodyRead,
        expected: &Arc<BodyExpectations>,
        patterns: &Arc<Patterns>,
        clock: fn() -> Instant,
    ) -> Result<Self, Failure> {
        let is_endless = body.kind.as_deref().is_some_and(|kind| ENDLESS.contains(&kind));
        let early = EarlyVerdict::new(body, expected, patterns, is_endless)?;
        Ok(Self { status_line, clock, arrivals: Vec::new(), early })
    }

    /// Takes the whole `body` so far. Returns now if it decides the verdict.
    pub(crate) fn received(&mut self, body: &[u8]) -> Option<Instant> {
        let now = (self.clock)();
        if self.arrivals.len() == ARRIVALS_MAX {
            // Of two arrivals the later one stands for both.
            let mut is_dropped = false;
            self.arrivals.retain(|_| {
                is_dropped = !is_dropped;
                !is_dropped
            });
        }
        self.arrivals.push((body.len(), now));
        self.early.is_decided_by(body).then_some(now)
    }

    /// Since when `body`, all that arrived in time, meets the expectations, if it does; and its status.
    pub(crate) async fn decide(
        self,
        workers: &Workers,
        site: &Arc<str>,
        body: Vec<u8>,
    ) -> Option<(Instant, StatusLine)> {
        let decided_at = Arc::new(AtomicUsize::new(0));
        let result = Arc::clone(&decided_at);
        let (reading, ends) = (self.early.reading, self.arrivals.iter().map(|(bytes, _)| *bytes).collect::<Vec<_>>());
        let search = async move {
            if reading.has_own_text(&body) {
                return reading.search_all(&body, &ends, &result).await;
            }
            search_all(Search::new(&reading.expected, &reading.patterns)?, &body, &result).await
        };
        workers.run(site, search).await.ok()?;
        let decided_at = decided_at.load(Ordering::Relaxed);
        let (_, at) = self.arrivals.iter().find(|(bytes, _)| *bytes >= decided_at)?;
        Some((*at, self.status_line))
    }
}

impl EarlyVerdict {
    /// Of `body`, of which only the head has arrived, if it has one; if not `is_possible`, only the whole decides.
    pub(crate) fn new(
        body: &BodyRead,
        expected: &Arc<BodyExpectations>,
        patterns: &Arc<Patterns>,
        is_possible: bool,
    ) -> Result<Self, Failure> {
        let (codings, charset) = (body.codings.known.clone(), body.charset.clone());
        let reading = Reading { codings, charset, expected: Arc::clone(expected), patterns: Arc::clone(patterns) };
        let search = if is_possible { Some(Search::new(expected, patterns)?) } else { None };
        Ok(Self { search, reading, work: WORK })
    }

    /// Whether `body`, all that has arrived so far, meets every expectation for good.
    pub(crate) fn is_decided_by(&mut self, body: &[u8]) -> bool {
        let Some(search) = &mut self.search else { return false };
        // Coded bytes say nothing.
        let mut next = if self.reading.codings.is_empty() { Next::Search } else { Next::Await };
        while next == Next::Search && self.work > 0 {
            let before = search.cost();
            next = search.step(body);
            self.work = self.work.saturating_sub(search.cost().abs_diff(before).max(1));
        }
        if next == Next::Await && self.reading.has_own_text(body) && self.work > 0 {
            let Ok((is_met, cost)) = at_once(self.reading.is_met(body, DECODED_MAX, self.work)) else { return false };
            self.work = self.work.saturating_sub(cost);
            next = if is_met { Next::Decided } else { next };
        }
        if self.work == 0 {
            // Too much for this thread.
            self.search = None;
        }
        next == Next::Decided
    }
}

impl Reading {
    /// Whether the text of `body` differs from its bytes.
    fn has_own_text(&self, body: &[u8]) -> bool {
        !self.codings.is_empty()
            || !matches!(Charset::of(body, self.charset.as_deref()), Charset::AsItIs(0) | Charset::Unknown(_))
    }

    /// Whether a body that begins with `body` meets the expectations, as far as `max` decoded bytes and `work` can tell; and the
    /// cost.
    async fn is_met(&self, body: &[u8], max: usize, work: usize) -> Result<(bool, usize), Failure> {
        let (decoded, mut cost);
        let plain = if self.codings.is_empty() {
            cost = BEGINNING;
            body
        } else {
            decoded = unpack_up_to(body.to_vec(), &self.codings, max).await;
            cost = BEGINNING + decoded.bytes.len();
            if let End::Broken(_) = decoded.end {
                return Ok((false, cost));
            }
            &decoded.bytes
        };
        let mut search = Search::new(&self.expected, &self.patterns)?;
        if search.finish(plain, work, &mut cost).await {
            return Ok((true, cost));
        }
        let utf8;
        let text = match Charset::of(plain, self.charset.as_deref()) {
            Charset::AsItIs(0) | Charset::Unknown(_) => return Ok((false, cost)),
            Charset::AsItIs(mark) => &plain[mark..],
            Charset::Of(encoding, mark) => {
                utf8 = decode(&plain[mark..], encoding, true).await.0;
                utf8.as_bytes()
            }
        };
        cost += text.len();
        let mut rest = Search::new(&self.expected, &self.patterns)?;
        rest.contains.retain(|text| search.contains.iter().any(|missing| missing.is_for(text)));
        rest.matches = rest.matches.filter(|_| search.matches.is_some());
        let is_met = rest.finish(text, work, &mut cost).await;
        Ok((is_met, cost))
    }

    /// Finds the shortest of the beginnings of `body` that end at `ends` which meets the expectations; longer ones do as well.
    async fn search_all(&self, body: &[u8], ends: &[usize], decided_at: &AtomicUsize) -> JobResult {
        let max = usize::try_from(BODY_KEPT_MAX).unwrap_or(usize::MAX);
        let (mut first, mut last) = (0, ends.len().saturating_sub(1));
        if !self.is_met(body, max, usize::MAX).await?.0 {
            return Err(Failure::new(Cause::Body, "not decided"));
        }
        while first < last {
            let middle = first.midpoint(last);
            if self.is_met(&body[..ends[middle].min(body.len())], max, usize::MAX).await?.0 {
                last = middle;
            } else {
                first = middle + 1;
            }
            pause().await;
        }
        decided_at.store(ends.get(first).copied().unwrap_or(body.len()), Ordering::Relaxed);
        Ok(())
    }
}

async fn search_all(mut search: Search, body: &[u8], decided_at: &AtomicUsize) -> JobResult {
    loop {
        match search.step(body) {
            Next::Decided => {
                decided_at.store(search.decided_at, Ordering::Relaxed);
                return Ok(());
            }
            Next::Await => return Err(Failure::new(Cause::Body, "not decided")),
            Next::Search => pause().await,
        }
    }
}

impl Search {
    fn new(expected: &BodyExpectations, patterns: &Patterns) -> Result<Self, Failure> {
        let contains = expected.contains.iter().map(|part| TextSearch::new(part.what.as_bytes())).collect();
        let matches = match &expected.regex {
            Some(regex) => Some(PatternSearch::new(patterns.get(&regex.what)?)),
            None => None,
        };
        Ok(Self { contains, matches, decided_at: 0 })
    }

    /// Whether `body` meets everything, as far as `work` can tell; adds to `cost`.
    async fn finish(&mut self, body: &[u8], work: usize, cost: &mut usize) -> bool {
        loop {
            let before = self.cost();
            let next = self.step(body);
            *cost = cost.saturating_add(self.cost().abs_diff(before).max(1));
            if next != Next::Search || *cost > work {
                return next == Next::Decided;
            }
            pause().await;
        }
    }

    /// The work so far, in bytes times states.
    fn cost(&self) -> usize {
        self.matches.as_ref().map_or(0, PatternSearch::cost)
    }

    /// Searches some more of `body`, which begins with the body of the step before.
    fn step(&mut self, body: &[u8]) -> Next {
        let mut next = Next::Await;
        self.contains.retain_mut(|search| {
            let found = search.step(body);
            match found {
                TextFound::EndsAt(end) => self.decided_at = self.decided_at.max(end),
                TextFound::More => next = Next::Search,
                TextFound::Missing => {}
            }
            !matches!(found, TextFound::EndsAt(_))
        });
        if let Some(search) = &mut self.matches {
            // The text after a match may matter, and an incomplete character says nothing.
            let whole = whole_characters(body);
            match search.step(whole, false) {
                Some(true) => {
                    self.decided_at = self.decided_at.max(search.at());
                    self.matches = None;
                }
                Some(false) => return Next::Await,
                None if search.at() < whole.len() => next = Next::Search,
                None => {}
            }
        }
        if self.contains.is_empty() && self.matches.is_none() { Next::Decided } else { next }
    }
}

/// `text` without an incomplete character at its end.
fn whole_characters(text: &[u8]) -> &[u8] {
    for back in 1..=text.len().min(3) {
        let first = text[text.len() - back];
        let length = match first {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x80..=0xbf => continue,
            _ => return text,
        };
        return if length > back { &text[..text.len() - back] } else { text };
    }
    text
}

#[cfg(test)]
mod tests {
    use regex::bytes::Regex;

    use super::*;
    use crate::model::Expected;

    fn search(contains: Option<&str>, pattern: Option<&str>) -> Search {
        let contains = contains.map(|what| Expected { what: what.to_owned(), shown: String::new() });
        let regex = pattern.map(|what| Expected { what: Regex::new(what).unwrap(), shown: String::new() });
        let contains = contains.into_iter().collect();
        let expected = BodyExpectations { contains, regex, ..BodyExpectations::default() };
        Search::new(&expected, &Patterns::default()).unwrap()
    }

    /// How many bytes, given one by one, decide the search, and the end of what it found.
    fn decided(mut search: Search, body: &str) -> Option<(usize, usize)> {
        (0..=body.len()).find_map(|length| {
            loop {
                match search.step(&body.as_bytes()[..length]) {
                    Next::Decided => return Some((length, search.decided_at)),
                    Next::Await => return None,
                    Next::Search => {}
                }
            }
        })
    }

    #[test]
    fn a_stream_is_decided_when_nothing_that_follows_can_change_it() {
        for (contains, pattern, body, at) in [
            (Some("ok"), None, "data: ok\n\n", Some(8)),
            (Some("no"), None, "data: ok\n\n", None),
            (None, Some("data: .k"), "data: ok\n\n", Some(8)),
            (Some("ok"), Some("^d"), "data: ok\n\n", Some(8)),
            (Some("d"), Some("ok"), "data: ok\n\n", Some(8)),
            (None, Some("(?m)^ok"), "data:\nok", Some(8)),
            (None, Some("(?Rm)^x"), "\r", None),
            (None, Some("ü"), "dü", Some(3)),
            // The body may not end here.
            (None, Some("ok$"), "data: ok", None),
            (None, Some(r"ok\z"), "data: ok\n", None),
            (None, Some(r"ok\b"), "data: ok", None),
            (None, Some(r"ok\b"), "data: ok\n", Some(9)),
            (None, Some("(?m)ok$"), "data: ok\n", Some(9)),
            (None, Some(r"ok\b"), "data: okü", None),
            (None, Some("^ok"), "data: ok\n", None),
        ] {
            let found = decided(search(contains, pattern), body);
            assert_eq!(found.map(|(length, _)| length), at, "{contains:?} {pattern:?} in {body:?}");
        }
    }

    #[test]
    fn a_text_is_found_across_the_pieces_in_which_it_comes() {
        let body = "x".repeat(3 << 20) + "done";
        let mut search = search(Some("done"), None);
        let steps =
            std::iter::repeat_with(|| search.step(body.as_bytes())).take_while(|next| *next == Next::Search).count();
        assert!(steps >= 2, "{steps}");
        assert_eq!((search.contains.is_empty(), search.decided_at), (true, body.len()));
    }

    #[test]
    fn half_a_character_waits_for_the_rest() {
        for (text, whole) in [("ok", 2), ("okü", 4), ("日", 3), ("", 0)] {
            assert_eq!(whole_characters(text.as_bytes()).len(), whole, "{text}");
        }
        assert_eq!(whole_characters(&"ok日".as_bytes()[..4]), b"ok");
        assert_eq!(whole_characters(&"ok😀".as_bytes()[..5]), b"ok");
        assert_eq!(whole_characters(b"\x80\x80\x80\x80"), b"\x80\x80\x80\x80");
    }
}
