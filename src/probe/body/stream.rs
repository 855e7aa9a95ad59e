//! Bodies that may not end: streams of events, and whatever is sent without a length for as long as a client listens.
//!
//! What is meant to be endless (`text/event-stream`, `multipart/x-mixed-replace`) is read until every expectation is met
//! and nothing that follows can change that: a text that was found, a match that needs no end. Anything else
//! without a length is a page until its time is up, with the figures of one; if it met every expectation by then, it is a
//! stream as well. Either way the transfer ends with the deciding byte, and the connection serves no other check. A body that
//! says how long it is has to come whole, and so has one that breaks off.
//!
//! What is packed, or written in another charset, is read anew with each piece that comes, and so only a beginning of it is
//! looked at before its time is up. Limits: on the network thread 4 Mi of bytes times states of the pattern, some ms at
//! worst, and 1 MiB unpacked at once; the rest waits for the end of the time.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hyper::header::HeaderMap;

use crate::model::{BODY_KEPT_MAX, Cause, Expect, Site, Status};
use crate::probe::HttpProber;
use crate::probe::failure::Failure;

use super::charset::{self, Charset, decode};
use super::content_coding::{Coding, End, unpack_up_to};
use super::interrupt::{at_once, pause};
use super::matcher::Patterns;
use super::pattern_search::Scan;
use super::received::BodyRead;
use super::text_search::{Sighting, Sought};
use super::worker::JobResult;

/// Types of bodies that have no end.
const ENDLESS: [&str; 2] = ["text/event-stream", "multipart/x-mixed-replace"];
/// Bytes times states that are looked at on the network thread.
const WORK: usize = 4 << 20;
/// Bytes that are unpacked on the network thread.
const UNPACKED: usize = 1 << 20;
/// What it takes to begin to read anew, as if it were bytes.
const BEGINNING: usize = 4 << 10;
/// Moments of arrival that are kept.
const ARRIVALS_MAX: usize = 1_024;

/// A body without a length, while it comes.
pub(crate) struct Live {
    /// The answer that it belongs to.
    answered: (Status, Cow<'static, str>),
    clock: fn() -> Instant,
    /// How much there was, and when.
    arrivals: Vec<(usize, Instant)>,
    /// For what is endless: what is still to be found in what came as it is.
    search: Option<Search>,
    /// How it is read.
    reading: Reading,
    work: usize,
}

/// What is expected of a body, and how to come by its text.
#[derive(Clone)]
struct Reading {
    codings: Vec<Coding>,
    charset: Option<String>,
    expect: Expect,
    patterns: Arc<Patterns>,
}

/// What is still to be found.
struct Search {
    /// The text.
    contains: Option<Sought>,
    matches: Option<Scan>,
    /// Bytes of the body that what was found so far takes.
    decided_at: usize,
}

/// How a search goes on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Decided,
    /// There is more to look at.
    Look,
    /// There is nothing more to look at yet.
    Await,
}

impl Live {
    /// A body of which `headers` have come, and nothing else yet.
    pub(crate) fn new(
        answered: (Status, Cow<'static, str>),
        headers: &HeaderMap,
        body: &BodyRead,
        prober: &HttpProber,
        expect: &Expect,
    ) -> Result<Self, Failure> {
        let is_endless = charset::kind(headers).is_some_and(|kind| ENDLESS.contains(&kind.as_str()));
        let search = if is_endless { Some(Search::of(expect, &prober.patterns)?) } else { None };
        let (codings, charset) = (body.packing.codings.clone(), body.charset.clone());
        let reading = Reading { codings, charset, expect: expect.clone(), patterns: Arc::clone(&prober.patterns) };
        Ok(Self { answered, clock: prober.clock, arrivals: Vec::new(), search, reading, work: WORK })
    }

    /// More came: this is all of it. The moment at which it came if everything is decided with it.
    pub(crate) fn came(&mut self, body: &[u8]) -> Option<Instant> {
        let now = (self.clock)();
        if self.arrivals.len() == ARRIVALS_MAX {
            // The later one of two also holds for the earlier one.
            let mut dropped = false;
            self.arrivals.retain(|_| {
                dropped = !dropped;
                !dropped
            });
        }
        self.arrivals.push((body.len(), now));
        let search = self.search.as_mut()?;
        // What is packed says nothing.
        let mut next = if self.reading.codings.is_empty() { Next::Look } else { Next::Await };
        while next == Next::Look && self.work > 0 {
            let before = search.cost();
            next = search.step(body);
            self.work = self.work.saturating_sub(search.cost().abs_diff(before).max(1));
        }
        if next == Next::Await && self.reading.has_text_of_its_own(body) && self.work > 0 {
            let Ok((is_met, cost)) = at_once(self.reading.is_met(body, UNPACKED, self.work)) else { return None };
            self.work = self.work.saturating_sub(cost);
            next = if is_met { Next::Decided } else { next };
        }
        if self.work == 0 {
            // Too much for this thread.
            self.search = None;
        }
        (next == Next::Decided).then_some(now)
    }

    /// Since when `body`, all that came in time, meets what `site` expects, if it does; and the answer it belongs to.
    pub(crate) async fn decided(
        self,
        prober: &HttpProber,
        site: &Site,
        body: Vec<u8>,
    ) -> Option<(Instant, (Status, Cow<'static, str>))> {
        let decided_at = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&decided_at);
        let (reading, ends) = (self.reading.clone(), self.arrivals.iter().map(|(bytes, _)| *bytes).collect::<Vec<_>>());
        let search = async move {
            if reading.has_text_of_its_own(&body) {
                return reading.search_all(&body, &ends, &told).await;
            }
            search_all(Search::of(&reading.expect, &reading.patterns)?, &body, &told).await
        };
        prober.aside.run(&site.name, search).await.ok()?;
        let decided_at = decided_at.load(Ordering::Relaxed);
        let (_, at) = self.arrivals.iter().find(|(bytes, _)| *bytes >= decided_at)?;
        Some((*at, self.answered))
    }
}

impl Reading {
    /// Whether the text of `body` is another than its bytes.
    fn has_text_of_its_own(&self, body: &[u8]) -> bool {
        !self.codings.is_empty()
            || !matches!(Charset::of(body, self.charset.as_deref()), Charset::AsItIs(0) | Charset::Unknown(_))
    }

    /// Whether a body that begins with `body` meets what is expected, as far as `max` bytes of it and `work` can tell; and
    /// what that took.
    async fn is_met(&self, body: &[u8], max: usize, work: usize) -> Result<(bool, usize), Failure> {
        let (unpacked, mut cost);
        let plain = if self.codings.is_empty() {
            cost = BEGINNING;
            body
        } else {
            unpacked = unpack_up_to(body.to_vec(), &self.codings, max).await;
            cost = BEGINNING + unpacked.bytes.len();
            if let End::Broken(_) = unpacked.end {
                return Ok((false, cost));
            }
            &unpacked.bytes
        };
        let mut search = Search::of(&self.expect, &self.patterns)?;
        if search.finish(plain, work, &mut cost).await {
            return Ok((true, cost));
        }
        let decoded;
        let text = match Charset::of(plain, self.charset.as_deref()) {
            Charset::AsItIs(0) | Charset::Unknown(_) => return Ok((false, cost)),
            Charset::AsItIs(mark) => &plain[mark..],
            Charset::Of(encoding, mark) => {
                decoded = decode(&plain[mark..], encoding, true).await.0;
                decoded.as_bytes()
            }
        };
        cost += text.len();
        let mut rest = Search::of(&self.expect, &self.patterns)?;
        rest.contains = rest.contains.filter(|_| search.contains.is_some());
        rest.matches = rest.matches.filter(|_| search.matches.is_some());
        let is_met = rest.finish(text, work, &mut cost).await;
        Ok((is_met, cost))
    }

    /// Which of the beginnings of `body` that end at `ends` is the first that meets what is expected: what one meets, any
    /// that is longer does as well.
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
            Next::Look => pause().await,
        }
    }
}

impl Search {
    fn of(expect: &Expect, patterns: &Patterns) -> Result<Self, Failure> {
        let contains = expect.body_contains.as_ref().map(|part| Sought::new(part.what.as_bytes()));
        let matches = match &expect.body_regex {
            Some(regex) => Some(Scan::new(patterns.of(&regex.what)?)),
            None => None,
        };
        Ok(Self { contains, matches, decided_at: 0 })
    }

    /// Whether `body` has everything, as far as `work` can tell; adds to `cost`.
    async fn finish(&mut self, body: &[u8], work: usize, cost: &mut usize) -> bool {
        loop {
            let before = self.cost();
            let next = self.step(body);
            *cost = cost.saturating_add(self.cost().abs_diff(before).max(1));
            if next != Next::Look || *cost > work {
                return next == Next::Decided;
            }
            pause().await;
        }
    }

    /// What has been done, in bytes times states.
    fn cost(&self) -> usize {
        self.matches.as_ref().map_or(0, Scan::cost)
    }

    /// Looks at some more of `body`, which begins with all it was given before.
    fn step(&mut self, body: &[u8]) -> Next {
        let mut next = Next::Await;
        match self.contains.as_mut().map(|sought| sought.step(body)) {
            Some(Sighting::EndsAt(end)) => {
                self.decided_at = self.decided_at.max(end);
                self.contains = None;
            }
            Some(Sighting::GoesOn) => next = Next::Look,
            Some(Sighting::Missing) | None => {}
        }
        if let Some(scan) = &mut self.matches {
            // What stands after a match may be asked about, and half a character says nothing.
            let whole = whole_characters(body);
            match scan.step(whole, false) {
                Some(true) => {
                    self.decided_at = self.decided_at.max(scan.at());
                    self.matches = None;
                }
                Some(false) => return Next::Await,
                None if scan.at() < whole.len() => next = Next::Look,
                None => {}
            }
        }
        if self.contains.is_none() && self.matches.is_none() { Next::Decided } else { next }
    }
}

/// `text` without a character at its end of which there may be more.
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
        let body_contains = contains.map(|what| Expected { what: what.to_owned(), shown: String::new() });
        let body_regex = pattern.map(|what| Expected { what: Regex::new(what).unwrap(), shown: String::new() });
        Search::of(&Expect { body_contains, body_regex, ..Expect::default() }, &Patterns::default()).unwrap()
    }

    /// After how many bytes, given one by one, it is decided, and by how many of them.
    fn decided(mut search: Search, body: &str) -> Option<(usize, usize)> {
        (0..=body.len()).find_map(|length| {
            loop {
                match search.step(&body.as_bytes()[..length]) {
                    Next::Decided => return Some((length, search.decided_at)),
                    Next::Await => return None,
                    Next::Look => {}
                }
            }
        })
    }

    #[test]
    fn a_stream_is_decided_when_nothing_that_follows_can_change_it() {
        for (contains, pattern, body, at) in [
            (Some("ok"), None, "data: ok\n\n", Some(8)),
            (Some("no"), None, "data: ok\n\n", None),
            (None, Some("data: .k"), "data: ok\n\n", Some(9)),
            (Some("ok"), Some("^d"), "data: ok\n\n", Some(8)),
            (Some("d"), Some("ok"), "data: ok\n\n", Some(9)),
            // Whether it ends here is not known.
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
            std::iter::repeat_with(|| search.step(body.as_bytes())).take_while(|next| *next == Next::Look).count();
        assert!(steps >= 2, "{steps}");
        assert_eq!((search.contains.is_none(), search.decided_at), (true, body.len()));
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
