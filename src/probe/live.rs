//! Bodies that may not end: streams of events, and whatever is sent without a length for as long as a client listens.
//!
//! What is meant to be endless (`text/event-stream`, `multipart/x-mixed-replace`) is read until every expectation is met
//! and nothing that follows can change that: a text that was found, a match that needs no end. Anything else
//! without a length is a page until its time is up, with the figures of one; if it met every expectation by then, it is a
//! stream as well. Either way the transfer ends with the deciding byte, and the connection serves no other check. A body that
//! says how long it is has to come whole, and so has one that breaks off.
//!
//! Only what came as it is can be decided early: not what is packed, nor what needs another charset. Limits: on the network
//! thread 4 Mi of bytes times states of the pattern, some ms at worst; the rest waits for the end of the time.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hyper::header::HeaderMap;
use memchr::memmem::Finder;

use super::HttpProber;
use super::aside::Verdict;
use super::charset;
use super::failure::Failure;
use super::look::Patterns;
use super::pause::pause;
use super::scan::Scan;
use crate::model::{Cause, Expect, Site, Status};

/// Types of bodies that have no end.
const ENDLESS: [&str; 2] = ["text/event-stream", "multipart/x-mixed-replace"];
/// Bytes times states that are looked at on the network thread.
const WORK: usize = 4 << 20;
/// Bytes that are searched for a text at once.
const PIECE: usize = 1 << 20;
/// Moments of arrival that are kept.
const ARRIVALS_MAX: usize = 1_024;

/// A body without a length, while it comes.
pub(super) struct Live {
    /// The answer that it belongs to.
    answered: (Status, Cow<'static, str>),
    clock: fn() -> Instant,
    /// How much there was, and when.
    arrivals: Vec<(usize, Instant)>,
    /// For what is endless: what is still to be found.
    search: Option<Search>,
    work: usize,
}

/// What is still to be found.
struct Search {
    /// And from where on it is looked for.
    contains: Option<(Finder<'static>, usize)>,
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
    /// A body of which `headers` have come.
    pub(super) fn new(
        answered: (Status, Cow<'static, str>),
        headers: &HeaderMap,
        prober: &HttpProber,
        expect: &Expect,
    ) -> Result<Self, Failure> {
        let is_endless = charset::kind(headers).is_some_and(|kind| ENDLESS.contains(&kind.as_str()));
        let search = if is_endless { Some(Search::of(expect, &prober.patterns)?) } else { None };
        Ok(Self { answered, clock: prober.clock, arrivals: Vec::new(), search, work: WORK })
    }

    /// More came: this is all of it. The moment at which it came if everything is decided with it.
    pub(super) fn came(&mut self, body: &[u8]) -> Option<Instant> {
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
        while self.work > 0 {
            let before = search.cost();
            match search.step(body) {
                Next::Decided => return Some(now),
                Next::Await => return None,
                Next::Look => self.work = self.work.saturating_sub(search.cost().abs_diff(before).max(1)),
            }
        }
        // Too much for this thread.
        self.search = None;
        None
    }

    /// Since when `body`, all that came in time, meets what `site` expects, if it does; and the answer it belongs to.
    pub(super) async fn decided(
        self,
        prober: &HttpProber,
        site: &Site,
        body: Vec<u8>,
    ) -> Option<(Instant, (Status, Cow<'static, str>))> {
        let decided_at = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&decided_at);
        let (expect, patterns) = (site.expect.clone(), Arc::clone(&prober.patterns));
        let search = async move { search_all(Search::of(&expect, &patterns)?, &body, &told).await };
        prober.aside.run(&site.name, search).await.ok()?;
        let decided_at = decided_at.load(Ordering::Relaxed);
        let (_, at) = self.arrivals.iter().find(|(bytes, _)| *bytes >= decided_at)?;
        Some((*at, self.answered))
    }
}

async fn search_all(mut search: Search, body: &[u8], decided_at: &AtomicUsize) -> Verdict {
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
        let contains = expect.body_contains.as_ref().map(|part| (Finder::new(&part.what).into_owned(), 0));
        let matches = match &expect.body_regex {
            Some(regex) => Some(Scan::new(patterns.of(&regex.what)?)),
            None => None,
        };
        Ok(Self { contains, matches, decided_at: 0 })
    }

    /// What has been done, in bytes times states.
    fn cost(&self) -> usize {
        self.matches.as_ref().map_or(0, Scan::cost)
    }

    /// Looks at some more of `body`, which begins with all it was given before.
    fn step(&mut self, body: &[u8]) -> Next {
        let mut next = Next::Await;
        if let Some((finder, from)) = &mut self.contains {
            let longest = finder.needle().len();
            let until = body.len().min(*from + PIECE + longest);
            if let Some(at) = finder.find(&body[*from..until]) {
                self.decided_at = self.decided_at.max(*from + at + longest);
                self.contains = None;
            } else {
                *from = (until + 1).saturating_sub(longest).max(*from);
                next = if until < body.len() { Next::Look } else { next };
            }
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
        let body = "x".repeat(3 * PIECE) + "done";
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
