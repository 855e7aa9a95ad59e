//! When which host is asked about.
//!
//! The first question comes [`FIRST`] after the start, and the others at least [`PACE`] after each other, so that neither a start
//! nor a restart of many sites is a burst at one registry; the hosts keep these distances from then on. What is known is asked for
//! again after a day. What cannot be known now is asked for after an hour, then after twice as long, up to a day.
//!
//! Pure: time is an argument. Bounds: 1,000 hosts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// From the start to the first question.
pub(super) const FIRST: Duration = Duration::from_secs(1);
/// Between two questions.
const PACE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_hours(24);
const RETRY: Duration = Duration::from_hours(1);
/// Hosts that are asked about in a day.
pub(super) const HOSTS_MAX: usize = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// In the order of the sites.
    hosts: Vec<Arc<str>>,
    turns: HashMap<Arc<str>, Turn>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    /// On the monotonic clock.
    due: Duration,
    /// Failures since the last answer.
    failures: u32,
}

impl Schedule {
    /// Asks about these hosts from `now` on. Those that were asked about already keep their turn. Returns how many are too many.
    pub(super) fn follow(&mut self, hosts: impl Iterator<Item = Arc<str>>, now: Duration) -> usize {
        let (mut all, mut more) = (Vec::new(), 0);
        let mut last = self.turns.values().map(|turn| turn.due).filter(|due| *due <= now + FIRST).max();
        let before = std::mem::take(&mut self.turns);
        for host in hosts {
            if self.turns.contains_key(&host) {
                continue;
            }
            if all.len() == HOSTS_MAX {
                more += 1;
                continue;
            }
            let turn = before.get(&host).copied().unwrap_or_else(|| {
                let due = last.map_or(now + FIRST, |last| (last + PACE).max(now + FIRST));
                last = Some(due);
                Turn { due, failures: 0 }
            });
            self.turns.insert(Arc::clone(&host), turn);
            all.push(host);
        }
        self.hosts = all;
        more
    }

    /// The host to ask about next, and when.
    pub(super) fn next(&self) -> Option<(Duration, &Arc<str>)> {
        let due = |host: &&Arc<str>| self.turns.get(*host).map_or(Duration::MAX, |turn| turn.due);
        self.hosts.iter().min_by_key(due).map(|host| (due(&host), host))
    }

    /// Notes at `now` that `host` was asked about, and whether there was an answer.
    pub(super) fn asked(&mut self, host: &str, now: Duration, is_answered: bool) {
        let Some(turn) = self.turns.get_mut(host) else { return };
        turn.failures = if is_answered { 0 } else { turn.failures.saturating_add(1) };
        let wait = match turn.failures {
            0 => AGAIN,
            failures => RETRY.saturating_mul(1 << (failures - 1).min(8)).min(AGAIN),
        };
        turn.due = now + wait;
        // A slow answer, or many failures at once, must not lead to a burst later.
        let earliest = now + PACE;
        self.turns.values_mut().filter(|turn| turn.due < earliest).for_each(|turn| turn.due = earliest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hosts(names: &[&str]) -> impl Iterator<Item = Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>().into_iter()
    }

    const HOUR: Duration = Duration::from_hours(1);

    /// Plays until `end`; `answers` says whether there is an answer about a host at a time. Returns the questions, in seconds.
    fn play(schedule: &mut Schedule, end: Duration, answers: impl Fn(&str, Duration) -> bool) -> Vec<(u64, String)> {
        let mut asked = Vec::new();
        while let Some((due, host)) = schedule.next().filter(|(due, _)| *due <= end) {
            let host = host.to_string();
            schedule.asked(&host, due, answers(&host, due));
            asked.push((due.as_secs(), host));
        }
        asked
    }

    #[test]
    fn each_host_is_asked_about_once_a_day_at_a_distance() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.follow(hosts(&["a", "b", "a", "c"]), Duration::ZERO), 0);
        let asked = play(&mut schedule, 25 * HOUR, |_, _| true);
        let day = 24 * 3_600;
        let expected = [(1, "a"), (3, "b"), (5, "c"), (1 + day, "a"), (3 + day, "b"), (5 + day, "c")];
        assert_eq!(asked, expected.map(|(at, host)| (at, host.to_owned())));
    }

    #[test]
    fn without_an_answer_it_is_asked_after_an_hour_and_then_ever_more_rarely() {
        let mut schedule = Schedule::default();
        schedule.follow(hosts(&["a"]), Duration::ZERO);
        let asked = play(&mut schedule, 90 * HOUR, |_, at| at > 80 * HOUR);
        let hours: Vec<u64> = asked.iter().map(|(at, _)| at / 3_600).collect();
        assert_eq!(hours, [0, 1, 3, 7, 15, 31, 55, 79]);
        let asked = play(&mut schedule, 200 * HOUR, |_, at| at > 80 * HOUR);
        let hours: Vec<u64> = asked.iter().map(|(at, _)| at / 3_600).collect();
        assert_eq!(hours, [103, 127, 151, 175, 199]);
    }

    #[test]
    fn another_file_keeps_the_turns_of_hosts_that_stay() {
        let mut schedule = Schedule::default();
        schedule.follow(hosts(&["a", "b"]), Duration::ZERO);
        play(&mut schedule, HOUR, |_, _| true);
        schedule.follow(hosts(&["c", "b"]), HOUR);
        let asked = play(&mut schedule, 26 * HOUR, |_, _| true);
        assert_eq!(asked.iter().map(|(_, host)| host.as_str()).collect::<Vec<_>>(), ["c", "b", "c"]);
        assert_eq!(asked[0].0, 3_601);
        schedule.follow(hosts(&[]), 26 * HOUR);
        assert!(schedule.next().is_none());
        let many = (0..HOSTS_MAX + 3).map(|at| Arc::from(format!("{at}.test")));
        assert_eq!(schedule.follow(many, 26 * HOUR), 3);
    }

    proptest! {
        /// Whatever is answered, and however late the questions are made.
        #[test]
        fn no_two_questions_are_close_together(count in 1usize..30, answers: u64, late in prop::collection::vec(0u64..100, 60)) {
            let mut schedule = Schedule::default();
            schedule.follow((0..count).map(|at| Arc::from(format!("{at}.test"))), Duration::ZERO);
            let (mut last, mut now) = (None, Duration::ZERO);
            for (at, late) in late.into_iter().enumerate() {
                let (due, host) = schedule.next().expect("hosts stay");
                now = now.max(due) + Duration::from_secs(late);
                prop_assert!(last.is_none_or(|last| due >= last + PACE), "{due:?} after {last:?}");
                let host = host.to_string();
                schedule.asked(&host, now, answers >> at & 1 == 1);
                last = Some(now);
            }
        }
    }
}
