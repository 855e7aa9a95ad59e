//! Samples for the tests of this room, and a run as a whole.

use super::*;
use crate::alert::{AlertState, Rule, Threshold};
use crate::model::{Cause, Flags, Http, Micros, Phase, Phases};

pub(super) fn slow_sample(at: u64, cause: Cause, flags: Flags, took_ms: u32) -> Packed {
    plain(at, cause, flags, took_ms).packed()
}

pub(super) fn sample_with(at: u64, cause: Cause, flags: Flags) -> Packed {
    slow_sample(at, cause, flags, 5)
}

pub(super) fn sample(at: u64, cause: Cause) -> Packed {
    sample_with(at, cause, Flags::none())
}

fn plain(at: u64, cause: Cause, flags: Flags, took_ms: u32) -> Sample {
    Sample {
        at: Timestamp::from_secs(at),
        phases: Phases::NONE.with(Phase::Processing, Micros::new(took_ms * 1_000)),
        cause,
        status: None,
        http: Http::None,
        flags,
        bytes: 0,
        redirects: 0,
        late: Micros::ZERO,
        skipped: 0,
    }
}

#[test]
fn two_sets_of_rules_differ_as_a_count_by_hand_says() {
    let interval = Duration::from_secs(10);
    let strict = Rule { threshold: Threshold::from_ppm(950_000).unwrap(), ..Rule::default() };
    let rules = [Policies::default(), Policies { availability: strict, ..Policies::default() }];
    let mut run = SiteRun::new(&rules, interval, Duration::from_mins(2), Timestamp::from_secs(10_000));
    // One failed check at 11,000 s; 3 minutes of failures from 12,000 s on.
    for at in (9_000..14_000).step_by(10) {
        let failed = at == 11_000 || (12_000..12_180).contains(&at);
        run.take(&plain(at, if failed { Cause::DnsTimeout } else { Cause::Ok }, Flags::none(), 5));
    }
    let course = run.finish(Timestamp::from_secs(14_000));
    assert_eq!((course.checks, course.first), (400, Some(Timestamp::from_secs(10_000))));
    let outage = Outage { since: Timestamp::from_secs(12_000), until: Timestamp::from_secs(12_180) };
    assert_eq!(course.outages, [outage]);

    let [lax, strict] = [&course.verdicts[0], &course.verdicts[1]].map(|verdicts| incidents(verdicts));
    let secs = |known: &Incident| (known.opened.as_micros() / 1_000_000, known.closed.unwrap().as_micros() / 1_000_000);
    // 9 of 12 good is below 80 %, so at the third failure; 10 of 12 is above, so when two failures are left in the window.
    assert_eq!(lax.iter().map(secs).collect::<Vec<_>>(), [(12_020, 12_270)]);
    assert_eq!(strict.iter().map(secs).collect::<Vec<_>>(), [(11_000, 11_120), (12_000, 12_290)]);
    assert_eq!(lax[0].cause, Some(Cause::DnsTimeout));
    assert_eq!(Overlap::of(&lax, &strict), Overlap { only_a: 0, only_b: 1, both: 1 });
    let (a, b) = (Score::of(&lax, &course.outages), Score::of(&strict, &course.outages));
    assert_eq!(
        (a.longest(), a.short, b.longest(), b.short),
        (Some(Duration::from_secs(20)), 0, Some(Duration::ZERO), 1)
    );
    assert_eq!(course.verdicts[0][0].transition.state, AlertState::Down);
}
