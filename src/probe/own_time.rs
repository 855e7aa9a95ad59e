//! What of an observation is about webmon itself, and says nothing about the site.
//!
//! Invariant: no observation has a total above the timeout and [`OVER_MAX`].

use std::time::Duration;

use crate::model::{Cause, Observation, Phases, figures};

use super::pulse::Absence;

/// How far a total may exceed the timeout: a timer that fires a little late.
pub(super) const OVER_MAX: Duration = Duration::from_millis(100);

/// Makes `seen` local if it is about webmon: the process was stopped meanwhile, or lost so much time that a late answer, or one
/// slower than `limit`, says nothing about the site, or the probe outlasted its `timeout`.
pub(super) fn exclude_own_time(
    mut seen: Observation,
    absence: Absence,
    timeout: Duration,
    limit: Option<Duration>,
) -> Observation {
    let total = seen.phases.total().as_duration();
    let over = total.saturating_sub(timeout);
    let is_in_doubt = match seen.cause {
        // The site had less than half of its time.
        cause if cause.is_timeout() => absence.lost > timeout / 2,
        Cause::Slow => limit.is_some_and(|limit| total.saturating_sub(absence.lost) <= limit),
        _ => false,
    };
    let detail = if !absence.stopped.is_zero() {
        format!("webmon did not run for {} during the check", figures::duration(absence.stopped))
    } else if is_in_doubt {
        format!("this machine was too busy for {} of the check", figures::duration(absence.lost))
    } else if over > OVER_MAX {
        format!("webmon noticed the end of the check {} too late", figures::duration(over))
    } else {
        return seen;
    };
    (seen.cause, seen.detail) = (Cause::Local, detail);
    (seen.phases, seen.status, seen.bytes, seen.evidence) = (Phases::NONE, None, 0, None);
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Micros, Phase, Site};

    fn site(timeout: Duration) -> Site {
        let mut site = Site::new("a", "http://a.test/".parse().unwrap());
        (site.timeout, site.expect.max_response_time) = (timeout, Some(Duration::from_millis(500)));
        site
    }

    fn seen(cause: Cause, total: u32) -> Observation {
        let mut seen = Observation::failed(cause, "");
        seen.phases.add(Phase::Processing, Micros::new(total * 1_000));
        seen
    }

    /// For every cause and every reason for the time.
    #[test]
    fn no_total_is_above_the_timeout_and_what_is_ours_is_not_the_sites() {
        let site = site(Duration::from_secs(1));
        for cause in Cause::ALL.iter().copied() {
            for (total, stopped, is_own) in
                [(900, 0, false), (1_099, 0, false), (1_101, 0, true), (20_300, 0, true), (10, 2_500, true)]
            {
                let stopped = Duration::from_millis(stopped);
                let seen = exclude_own_time(
                    seen(cause, total),
                    Absence { stopped, lost: stopped },
                    site.timeout,
                    site.expect.max_response_time,
                );
                assert!(seen.phases.total().as_duration() <= site.timeout + OVER_MAX, "{cause:?}");
                assert_eq!(seen.cause, if is_own { Cause::Local } else { cause });
            }
        }
    }

    /// On a busy machine a check counts, unless the lost time may have made it fail.
    #[test]
    fn a_busy_machine_takes_no_answer_for_its_own_and_no_time_of_its_own_for_the_sites() {
        let site = site(Duration::from_secs(1));
        for (cause, total, lost, is_own) in [
            (Cause::Ok, 950, 940, false),
            (Cause::Status, 950, 940, false),
            (Cause::ConnectRefused, 950, 940, false),
            (Cause::ResponseTimeout, 1_000, 300, false),
            (Cause::ResponseTimeout, 1_000, 600, true),
            (Cause::DnsTimeout, 900, 600, true),
            (Cause::Slow, 800, 200, false),
            (Cause::Slow, 800, 310, true),
        ] {
            let absence = Absence { stopped: Duration::ZERO, lost: Duration::from_millis(lost) };
            let seen = exclude_own_time(seen(cause, total), absence, site.timeout, site.expect.max_response_time);
            assert_eq!(seen.cause, if is_own { Cause::Local } else { cause }, "{cause:?}, {lost} ms lost");
        }
    }
}
