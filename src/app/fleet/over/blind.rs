//! When which location was blind, as far back as views reach.
//!
//! Times are of the hub's clock. Bounds: [`SPANS_MAX`] spans of a location; beyond them the oldest are forgotten.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::model::{Location, Timestamp};
use crate::store::{BlindTimes, SeenNews};

/// More than one a minute for a month.
const SPANS_MAX: usize = 50_000;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct BlindSpans {
    /// Each in the order of time; the last one ends at [`Timestamp::MAX`] while it lasts.
    spans: BlindTimes,
}

impl BlindSpans {
    /// Those of an earlier run, which ended by `now`. Returns what has changed thereby.
    pub(super) fn restored(times: BlindTimes, now: Timestamp) -> (Self, Vec<SeenNews>) {
        let mut spans = Self { spans: times };
        let news = spans.note(std::iter::empty(), now);
        (spans, news)
    }

    /// The locations in `blind` are blind at `now`, the others are not. Returns what has changed thereby.
    pub(super) fn note<'l>(
        &mut self,
        blind: impl Iterator<Item = (&'l Location, Timestamp)>,
        now: Timestamp,
    ) -> Vec<SeenNews> {
        let mut news = Vec::new();
        let blind: BTreeMap<&Location, Timestamp> = blind.collect();
        for (location, spans) in &mut self.spans {
            if let Some(last) = spans.last_mut().filter(|last| last.end == Timestamp::MAX)
                && !blind.contains_key(location)
            {
                last.end = now.max(last.start);
                news.push(SeenNews::Blind(location.clone(), last.clone()));
            }
        }
        for (location, since) in blind {
            let spans = self.spans.entry(location.clone()).or_default();
            if spans.last().is_none_or(|last| last.end < Timestamp::MAX) {
                spans.push(since..Timestamp::MAX);
                news.push(SeenNews::Blind(location.clone(), since..Timestamp::MAX));
                let more = spans.len().saturating_sub(SPANS_MAX);
                spans.drain(..more);
            }
        }
        news
    }

    /// Forgets what ended before `horizon`.
    pub(super) fn forget(&mut self, horizon: Timestamp) {
        self.spans.retain(|_, spans| {
            spans.retain(|span| horizon <= span.end);
            !spans.is_empty()
        });
    }

    /// When `location` was blind.
    pub(super) fn of(&self, location: &Location) -> Vec<Range<Timestamp>> {
        self.spans.get(location).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_lasts_from_the_look_that_found_it_to_the_one_that_did_not() {
        let [a, b] = ["a", "b"].map(|name| Location::new(name).unwrap());
        let at = Timestamp::from_secs;
        let mut spans = BlindSpans::default();
        let begun = spans.note([(&a, at(10))].into_iter(), at(10));
        assert_eq!(begun, [SeenNews::Blind(a.clone(), at(10)..Timestamp::MAX)]);
        assert!(spans.note([(&a, at(10))].into_iter(), at(11)).is_empty(), "what lasts is no news");
        spans.note([(&a, at(10)), (&b, at(20))].into_iter(), at(20));
        let ended = spans.note([(&b, at(20))].into_iter(), at(30));
        assert_eq!(ended, [SeenNews::Blind(a.clone(), at(10)..at(30))]);
        assert_eq!(spans.of(&b), [at(20)..Timestamp::MAX]);
        spans.note([(&a, at(40)), (&b, at(20))].into_iter(), at(40));
        assert_eq!(spans.of(&a), [at(10)..at(30), at(40)..Timestamp::MAX]);
        spans.forget(at(31));
        assert_eq!((spans.of(&a), spans.of(&b).len()), (vec![at(40)..Timestamp::MAX], 1));
        // After a restart no location is blind until that is found again.
        let (restored, news) = BlindSpans::restored(spans.spans, at(50));
        assert_eq!((restored.of(&a), news.len()), (vec![at(40)..at(50)], 2));
    }
}
