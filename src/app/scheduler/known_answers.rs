//! Which failed answers evidence is kept of.

use std::time::Duration;

use crate::model::Timestamp;
use crate::stats::Answer;

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
    pub(super) fn admit(&mut self, answer: Answer, at: Timestamp) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Status};

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
