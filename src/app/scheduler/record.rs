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

use super::{CheckTexts, RunningSite, TextQueue};

/// How long an answer must not have been seen before evidence of it is kept again.
const UNSEEN: Duration = Duration::from_mins(10);

/// Different answers of one site that evidence is kept of within [`UNSEEN`].
const ANSWERS_MAX: usize = 4;

/// The failed answers of one site that evidence was kept of lately: of an outage the first one of each kind is kept, and a site
/// that invents answers fills no disk.
#[derive(Debug, Default)]
pub(super) struct KnownAnswers(Vec<(Answer, Timestamp)>);

impl KnownAnswers {
    /// Whether to keep the evidence of a check that failed with `answer` at `at`.
    fn admit(&mut self, answer: Answer, at: Timestamp) -> bool {
        self.0.retain(|(_, seen)| at.since(*seen) < UNSEEN);
        if let Some((_, seen)) = self.0.iter_mut().find(|(known, _)| *known == answer) {
            *seen = at;
            return false;
        }
        let has_room = self.0.len() < ANSWERS_MAX;
        if has_room {
            self.0.push((answer, at));
        }
        has_room
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Status;

    #[test]
    fn evidence_is_kept_when_an_answer_is_new_and_of_few_answers_at_a_time() {
        let mut known = KnownAnswers::default();
        let mut admits = |status: u16, secs: u64| {
            known.admit(Answer::of(Cause::Status, Status::new(status)), Timestamp::from_secs(secs))
        };
        assert!(admits(502, 0));
        // As long as the outage lasts, and a while after it.
        assert!(!(1..2_000).any(|secs| admits(502, secs)));
        assert!(!admits(502, 2_598));
        assert!(admits(502, 2_598 + UNSEEN.as_secs()));
        let odd = (600..700).filter(|status| admits(*status, 10_000)).count();
        assert_eq!(odd, ANSWERS_MAX);
        assert!(admits(500, 10_000 + UNSEEN.as_secs()), "they are forgotten");
    }
}
