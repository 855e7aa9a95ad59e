//! Samples for the tests of this room, and a run as a whole.

use super::*;
use crate::alert::incident::terms::LedgerTerms;
use crate::alert::{AlertState, Calm, Rule, Threshold};
use crate::model::{Cause, Flags, Micros, Phase, Phases};

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
        phases: Phases::NONE.with(Phase::Processing, Micros::new(took_ms * 1_000)),
        flags,
        ..Sample::bare(Timestamp::from_secs(at), cause)
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

/// Whether a check fails.
type Fails = Box<dyn Fn(u64) -> bool>;

/// A day's messages about sites that fail now and then, as an outlet with the default calm and one without it get them.
/// `cargo test --lib messages_a_day -- --nocapture` prints the table.
#[test]
fn messages_a_day_of_six_kinds_of_site() {
    const DAYS: u64 = 20;
    const CHECKS: u64 = DAYS * 8_640;
    let random = |i: u64, n: u64| {
        let mut bits = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % n
    };
    let one_in = |n: u64| -> Fails { Box::new(move |i| random(i, n) == 0) };
    // Seconds into a period, and how many of them are bad.
    let bad = |period: u64, secs: u64| -> Fails { Box::new(move |i| i * 10 % period < secs) };
    let kinds: [(&str, Fails, u64, u64); 6] = [
        // At least this many without calm, at most this many with it.
        ("2 % of checks fail", one_in(50), 1, 20),
        ("5 % of checks fail", one_in(20), 40, 40),
        ("10 % of checks fail", one_in(10), 200, 8),
        ("20 % of checks fail", one_in(5), 500, 4),
        ("1 min bad of 15", bad(900, 60), 90, 20),
        ("30 s bad of each hour", bad(3_600, 30), 40, 4),
    ];
    let rules = [Policies::default()];
    let interval = Duration::from_secs(10);
    let (start, end) = (Timestamp::from_secs(1_000_000), Timestamp::from_secs(1_000_000 + CHECKS * 10));
    for (name, fails, without_min, with_max) in kinds {
        let mut run = SiteRun::new(&rules, interval, Duration::from_mins(2), start);
        for i in 0..CHECKS {
            let cause = if fails(i) { Cause::Status } else { Cause::Ok };
            run.take(&plain(1_000_000 + i * 10, cause, Flags::none(), 5));
        }
        let verdicts = run.finish(end).verdicts.remove(0);
        let sites = [Judged { site: "a".into(), policies: rules[0], verdicts }];
        let messages = |calm| {
            let terms = LedgerTerms { calm, ..LedgerTerms::default() };
            told(&sites, (terms, &[]), Duration::ZERO, (start, end)).of_sites.values().sum::<usize>() as u64
        };
        let (without, with) = (messages(None), messages(Some(Calm::default())));
        println!(
            "{name:<22} {:>6}.{} without calm {:>4}.{} with",
            without / DAYS,
            without * 10 / DAYS % 10,
            with / DAYS,
            with * 10 / DAYS % 10
        );
        assert!(without_min * DAYS <= without, "{name}: {without} in {DAYS} days without calm");
        assert!(with <= with_max * DAYS, "{name}: {with} in {DAYS} days with it");
        assert!(with <= without, "{name}: {with} of {without}");
    }
}
