//! Which outlets are known to fail.

use std::sync::Arc;

use super::Outbox;
use super::queue::Queue;

impl Outbox {
    /// Whether `outlet` may be known to fail: it is there, and something waits for it, or it said that it is gone.
    #[must_use]
    pub fn may_fail(&self, outlet: &str) -> bool {
        self.terms.contains_key(outlet) && self.queues.get(outlet).is_some_and(Queue::may_fail)
    }

    /// Forgets failures of outlets of which nothing is known any more: no message would show that they work again.
    pub fn settle(&mut self) {
        for (outlet, queue) in &mut self.queues {
            if !self.terms.contains_key(outlet) || !queue.may_fail() {
                queue.forget_failure();
            }
        }
    }

    /// Forgets how the former target of `outlet` failed.
    pub fn renew(&mut self, outlet: &str) {
        if let Some(queue) = self.queues.get_mut(outlet) {
            queue.forget_failure();
        }
    }

    /// Why `outlet` fails, in words.
    #[must_use]
    pub fn failure(&self, outlet: &str) -> Option<String> {
        self.queues.get(outlet)?.state().failing.map(|(_, reason)| reason)
    }

    /// The outlets to which at least so many `requests` with what waits have failed, also before the start.
    #[must_use]
    pub fn failed_before(&self, requests: u32) -> Vec<Arc<str>> {
        let attempts = |queue: &Queue| queue.rows().fold(0_u32, |sum, row| sum.saturating_add(row.attempts));
        let failed = self.queues.iter().filter(|(_, queue)| requests <= attempts(queue));
        failed.map(|(outlet, _)| Arc::clone(outlet)).collect()
    }
}
