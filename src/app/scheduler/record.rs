//! Records the outcome of a check: the only writer of a site's ring.
//!
//! Invariants: `at` strictly increases within a site; the texts of a check enter their queues before its sample is published,
//! so that a reader of the sample finds them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::app::log::events;
use crate::app::status::counters::SchedulerCounters;
use crate::model::{Cause, Flags, Micros, Observation, Outcome, Timestamp};
use crate::stats::Answer;

use super::sites::RunningSite;
use super::{CheckTexts, TextQueue};

impl RunningSite {
    /// Publishes the sample and the texts of a check that started `late`, and whose outcome was known at `at`.
    pub(super) fn record(
        &mut self,
        (at, late): (Timestamp, Duration),
        mut observation: Observation,
        (queues, counters): (&[TextQueue], &SchedulerCounters),
    ) {
        let at = self.last_at.map_or(at, |last| at.max(last.after(Duration::from_micros(1))));
        self.last_at = Some(at);
        let mut sample = observation.sample(at, Micros::from_duration(late), std::mem::take(&mut self.skipped));
        self.note_blindness(sample.outcome(), at);
        if std::mem::take(&mut self.after_hole) {
            sample.flags = sample.flags.with(Flags::AFTER_HOLE);
        }
        if observation.evidence.is_some()
            && !self.known_answers.admit(Answer::of(observation.cause, observation.status), at)
        {
            observation.evidence = None;
        }
        let shown = observation.certificate.clone().filter(|shown| self.certificate.as_ref() != Some(shown));
        let (site, seq) = (self.slot, self.producer.next_seq());
        let texts = CheckTexts { site, seq, at, observation: Arc::new(observation) };
        let wanted = |queue: &&TextQueue| {
            (!queue.failures_only || sample.cause != Cause::Ok || shown.is_some())
                && queue.is_wanted.as_ref().is_none_or(|is_wanted| is_wanted.load(Ordering::Acquire))
        };
        let lost = queues.iter().filter(wanted).filter(|queue| queue.sender.try_send(texts.clone()).is_err()).count();
        counters.lose_texts(lost as u64);
        if lost == 0 && shown.is_some() {
            self.certificate = shown;
        }
        events::check(&self.site.name, texts.seq, &sample, &texts.observation);
        self.producer.push(sample);
    }

    /// Counts due checks that are not made.
    pub(super) fn skip(&mut self, checks: u32, counters: &SchedulerCounters) {
        if checks > 0 {
            self.skipped = self.skipped.saturating_add(checks);
            counters.skip(checks);
        }
    }

    /// Notes a time without checks: more than two intervals are a hole, and failures before and after it are not judged
    /// together.
    pub(super) fn note_gap(&mut self, gap: Duration) {
        self.after_hole |= gap > 2 * self.site.interval;
    }

    /// The time in which this machine could not check is a gap.
    fn note_blindness(&mut self, outcome: Outcome, at: Timestamp) {
        if outcome == Outcome::Unknown {
            self.blind_since.get_or_insert(at);
        } else if let Some(since) = self.blind_since.take() {
            self.note_gap(at.since(since));
        }
    }
}
