//! The vectors and examples of the reference, the laws, and random cases against its literal port.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::model::{self, Past, Votes, at};
use super::*;
use crate::model::Outcome;
use crate::stats::Availability;

const SECOND: u64 = 1_000_000;

fn votes(text: &str) -> Vec<Option<Vote>> {
    let vote = |letter| match letter {
        'u' => Some(Vote::Up),
        'd' => Some(Vote::Down),
        '-' => None,
        _ => panic!("{letter} is no vote"),
    };
    text.chars().map(vote).collect()
}

fn verdict(votes: &[Option<Vote>], rule: &QuorumRule) -> Verdict {
    let tally: Tally = votes.iter().copied().flatten().collect();
    tally.verdict(rule, u32::try_from(votes.len()).unwrap())
}

fn rule(quorum: &str) -> QuorumRule {
    QuorumRule { quorum: quorum.parse().unwrap(), ..QuorumRule::default() }
}

#[test]
fn the_vectors_of_the_reference_hold() {
    for (letters, quorum, expected) in [
        ("uuu", "majority", Verdict::Up),
        ("duu", "majority", Verdict::Partial),
        ("ddu", "majority", Verdict::Down),
        ("ddd", "majority", Verdict::Down),
        ("d--", "majority", Verdict::Unknown),
        ("u--", "majority", Verdict::Up),
        ("---", "majority", Verdict::Unknown),
        ("dd-", "majority", Verdict::Down),
        ("du-", "majority", Verdict::Partial),
        ("d", "majority", Verdict::Down),
        ("du", "majority", Verdict::Partial),
        ("dd", "majority", Verdict::Down),
        ("d-", "majority", Verdict::Unknown),
        ("dduu", "majority", Verdict::Partial),
        ("ddduu", "majority", Verdict::Down),
        ("dduuu", "2", Verdict::Down),
        ("duuuu", "2", Verdict::Partial),
        ("d----", "2", Verdict::Unknown),
        ("dd-", "3", Verdict::Down),
        ("ddddu", "all", Verdict::Partial),
        ("ddddd", "all", Verdict::Down),
        ("duuuu", "any", Verdict::Down),
        ("dddddddduu", "82%", Verdict::Partial),
        ("dddddddddu", "82%", Verdict::Down),
        ("dduu", "50%", Verdict::Down),
        ("d---", "any", Verdict::Unknown),
    ] {
        assert_eq!(verdict(&votes(letters), &rule(quorum)), expected, "{letters}, {quorum}");
    }
}

#[test]
fn fewer_votes_than_the_minimum_decide_nothing_but_up() {
    for (letters, min_locations, expected) in [
        ("dd-", Some(3), Verdict::Unknown),
        ("ddd", Some(3), Verdict::Down),
        ("du-", Some(3), Verdict::Unknown),
        ("u--", Some(3), Verdict::Up),
        ("d--", Some(1), Verdict::Down),
        ("d--", Some(0), Verdict::Down),
        ("---", Some(0), Verdict::Unknown),
    ] {
        let rule = QuorumRule { min_locations, ..QuorumRule::default() };
        assert_eq!(verdict(&votes(letters), &rule), expected, "{letters}, at least {min_locations:?}");
    }
}

fn any_votes() -> impl Strategy<Value = Vec<Option<Vote>>> {
    let vote = prop_oneof![Just(None), Just(Some(Vote::Up)), Just(Some(Vote::Down)), Just(Some(Vote::Down))];
    prop::collection::vec(vote, 0..12)
}

fn any_rule() -> impl Strategy<Value = QuorumRule> {
    let quorum = prop_oneof![
        Just(Quorum::Majority),
        (1u32..14).prop_map(Quorum::Number),
        (1u8..=100).prop_map(Quorum::Percent),
        Just(Quorum::Any),
        Just(Quorum::All),
    ];
    let rule = |(quorum, min_locations)| QuorumRule { quorum, min_locations, partial: false };
    (quorum, prop::option::of(1u32..6)).prop_map(rule)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_verdict_is_that_of_the_reference(votes in any_votes(), rule in any_rule(), assigned in 0u32..14) {
        let tally: Tally = votes.iter().copied().flatten().collect();
        let minimum = rule.min_locations.map(u64::from);
        let expected = model::verdict(&votes, rule.quorum, u64::from(assigned), minimum);
        prop_assert_eq!(tally.verdict(&rule, assigned), expected);
    }

    /// Symmetry: who says what makes no difference.
    #[test]
    fn the_order_of_the_locations_makes_no_difference(votes in any_votes(), rule in any_rule(), turn in 0usize..12) {
        let mut turned = votes.clone();
        turned.rotate_left(turn % votes.len().max(1));
        turned.reverse();
        prop_assert_eq!(verdict(&votes, &rule), verdict(&turned, &rule));
    }

    #[test]
    fn one_up_is_proof_while_nobody_says_down(votes in any_votes(), rule in any_rule()) {
        let is_up = votes.contains(&Some(Vote::Up)) && !votes.contains(&Some(Vote::Down));
        prop_assert_eq!(verdict(&votes, &rule) == Verdict::Up, is_up);
    }

    /// Monotony: a site that is down stays down when one more location sees it down, in place of up or of no vote.
    #[test]
    fn one_more_that_sees_it_down_never_helps_a_site(votes in any_votes(), rule in any_rule(), place in 0usize..12) {
        let place = place % votes.len().max(1);
        prop_assume!(!votes.is_empty());
        let mut worse = votes.clone();
        worse[place] = Some(Vote::Down);
        if verdict(&votes, &rule) == Verdict::Down {
            prop_assert_eq!(verdict(&worse, &rule), Verdict::Down);
        }
        if verdict(&worse, &rule) == Verdict::Up {
            prop_assert_eq!(verdict(&votes, &rule), Verdict::Up);
        }
    }

    /// A location that falls silent, is blind or new: its absence is at most what its vote for down would be, and alone it
    /// is nothing.
    #[test]
    fn a_missing_vote_never_counts_as_one_for_down(votes in any_votes(), rule in any_rule(), place in 0usize..12) {
        let place = place % votes.len().max(1);
        prop_assume!(!votes.is_empty());
        let mut absent = votes.clone();
        absent[place] = None;
        if !absent.contains(&Some(Vote::Down)) {
            prop_assert!(matches!(verdict(&absent, &rule), Verdict::Up | Verdict::Unknown));
        }
        // Where one that said down falls away, the others decide, of whom no more say down than before.
        if votes[place] == Some(Vote::Down) && verdict(&absent, &rule) == Verdict::Down {
            prop_assert_eq!(verdict(&votes, &rule), Verdict::Down);
        }
    }
}

/// `pattern` of one site: of each location in turn what it says.
fn site(host: u32, pattern: &str) -> Votes {
    let cast = votes(pattern).into_iter().zip(0u16..).filter_map(|(vote, location)| Some((location, vote?)));
    (host, cast.collect())
}

fn judge(blindness: &mut Blindness, sites: &[Votes]) -> Vec<(u16, bool, u32, u32)> {
    let mut changes = Vec::new();
    let ballots = |votes: &BTreeMap<u16, Vote>| -> Vec<Ballot> {
        votes.iter().map(|(location, vote)| Ballot { location: LocationSlot(*location), vote: *vote }).collect()
    };
    let sites: Vec<_> = sites.iter().map(|(host, votes)| (*host, ballots(votes))).collect();
    let ballots = sites.iter().map(|(host, ballots)| (*host, ballots.iter().copied()));
    blindness.judge(&ballots, &mut changes);
    changes.into_iter().map(|change| (change.location.0, change.is_blind, change.down, change.known)).collect()
}

fn sites(patterns: &[(usize, &str)]) -> Vec<Votes> {
    let repeated = patterns.iter().flat_map(|(times, pattern)| vec![*pattern; *times]);
    repeated.zip(0..).map(|(pattern, host)| site(host, pattern)).collect()
}

#[test]
fn a_location_that_alone_sees_half_of_the_sites_down_is_blind() {
    for (patterns, expected) in [
        (&[(8, "du"), (2, "uu")][..], &[(0, true, 8, 10)][..]),
        (&[(5, "du"), (5, "uu")], &[(0, true, 5, 10)]),
        (&[(4, "du"), (5, "uu")], &[]),
        (&[(1, "du"), (9, "uu")], &[]),
        (&[(2, "duu")], &[(0, true, 2, 2)]),
        // One site is its own affair, and what all see down is nobody's.
        (&[(1, "duu")], &[]),
        (&[(10, "ddd")], &[]),
        (&[(10, "ddu")], &[]),
        (&[(2, "duu"), (10, "ddd")], &[(0, true, 2, 2)]),
        // Alone, it has nobody to differ from.
        (&[(10, "d")], &[]),
        (&[(10, "d-")], &[]),
    ] {
        assert_eq!(judge(&mut Blindness::default(), &sites(patterns)), expected, "{patterns:?}");
    }
}

#[test]
fn sites_of_one_host_do_not_make_a_location_blind() {
    let mut all: Vec<Votes> = (0..10).map(|_| site(7, "duu")).collect();
    assert_eq!(judge(&mut Blindness::default(), &all), []);
    all.push(site(8, "duu"));
    assert_eq!(judge(&mut Blindness::default(), &all), [(0, true, 11, 11)]);
}

#[test]
fn a_blind_location_sees_again_below_a_quarter() {
    let mut blindness = Blindness::default();
    assert_eq!(judge(&mut blindness, &sites(&[(12, "duu")])), [(0, true, 12, 12)]);
    assert_eq!(judge(&mut blindness, &sites(&[(5, "duu"), (7, "uuu")])), []);
    assert_eq!(judge(&mut blindness, &sites(&[(3, "duu"), (9, "uuu")])), [], "a quarter is not below a quarter");
    assert!(blindness.is_blind(LocationSlot(0)) && !blindness.is_blind(LocationSlot(1)));
    assert_eq!(judge(&mut blindness, &sites(&[(2, "duu"), (10, "uuu")])), [(0, false, 2, 12)]);
    assert_eq!(judge(&mut blindness, &sites(&[(5, "duu"), (7, "uuu")])), [], "and is not blind again below a half");
}

#[test]
fn a_blind_location_is_no_witness_against_another() {
    let mut blindness = Blindness::default();
    // Each sees down what the other two see up.
    assert_eq!(judge(&mut blindness, &sites(&[(4, "duu"), (4, "udu")])), [(0, true, 4, 8), (1, true, 4, 8)]);
    assert_eq!(judge(&mut blindness, &sites(&[(8, "ddu")])), [], "the third is believed");
    let ballots = [(0, Vote::Down), (1, Vote::Down), (2, Vote::Up)];
    let ballots = ballots.map(|(location, vote)| Ballot { location: LocationSlot(location), vote });
    assert_eq!(blindness.tally(ballots), Tally { up: 1, down: 0 });
    // Where all see everything down, nobody is blind: the sites are down.
    assert_eq!(judge(&mut blindness, &sites(&[(8, "ddd")])), [(0, false, 0, 0), (1, false, 0, 0)]);
}

#[test]
fn a_second_location_that_fails_is_a_witness_for_the_first() {
    let mut blindness = Blindness::default();
    assert_eq!(judge(&mut blindness, &sites(&[(4, "duu")])), [(0, true, 4, 4)]);
    assert_eq!(judge(&mut blindness, &sites(&[(4, "ddu")])), [(0, false, 0, 0)]);
    assert_eq!(judge(&mut blindness, &sites(&[(4, "ddu")])), [], "two of three agree, whoever was first");
    assert_eq!(judge(&mut blindness, &sites(&[(4, "udu")])), [(1, true, 4, 4)]);
}

/// The votes on some sites: each its host, and a letter a location, of whom some see little.
fn any_sites(locations: usize) -> impl Strategy<Value = Vec<Votes>> {
    let vote = |(location, letter): (u16, u8)| {
        let vote = match letter {
            0 => return None,
            1 => Vote::Down,
            2..=6 if location % 2 == 0 => Vote::Down,
            _ => Vote::Up,
        };
        Some((location, vote))
    };
    let site = (0u32..4, prop::collection::vec(0u8..10, locations))
        .prop_map(move |(host, letters)| (host, (0u16..).zip(letters).filter_map(vote).collect()));
    prop::collection::vec(site, 0..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn blindness_is_that_of_the_reference_at_each_step(steps in prop::collection::vec(any_sites(4), 1..5)) {
        let (mut blindness, mut blind) = (Blindness::default(), BTreeSet::new());
        for sites in steps {
            let now = model::blind_after(&sites, 4, &blind);
            let changed: BTreeSet<u16> = judge(&mut blindness, &sites).into_iter().map(|(location, ..)| location).collect();
            prop_assert_eq!(&changed, &now.symmetric_difference(&blind).copied().collect());
            for location in 0..4 {
                prop_assert_eq!(blindness.is_blind(LocationSlot(location)), now.contains(&location));
            }
            blind = now;
        }
    }
}

fn swept(pasts: &[Past], (from, to): (u64, u64), rule: &QuorumRule) -> Seen {
    let track = |past: &Past| Track {
        samples: past.samples.clone().into_iter().map(|(sampled, outcome)| (at(sampled), outcome)),
        hold: Duration::from_micros(past.hold),
        blind: past.blind.iter().map(|&(from, to)| at(from)..at(to)).collect(),
    };
    seen(pasts.iter().map(track).collect(), at(from)..at(to), rule)
}

/// Checks of a site every `every` s from `first` s on, of which those with a number in `down` failed.
fn past(count: u64, every: u64, first: u64, hold: u64, down: std::ops::Range<u64>) -> Past {
    let outcome = |number| if down.contains(&number) { Outcome::Down } else { Outcome::Up };
    let samples = (0..count).map(|number| ((number * every + first) * SECOND, outcome(number))).collect();
    Past { samples, hold: hold * SECOND, blind: Vec::new() }
}

/// Ten minutes: one location sees the site down for 60 s, another for 50 s, a third checks once a minute and never does.
fn ten_minutes() -> [Past; 3] {
    [past(60, 10, 0, 20, 20..26), past(60, 10, 3, 20, 21..26), past(10, 60, 7, 70, 0..0)]
}

const TEN_MINUTES: (u64, u64) = (0, 600 * SECOND);

#[test]
fn ten_minutes_of_three_locations_are_counted_by_time_and_not_by_checks() {
    let pasts = ten_minutes();
    let rule = QuorumRule::default();
    let found = swept(&pasts, TEN_MINUTES, &rule);
    assert_eq!(found, Seen { up: 553 * SECOND, down: 47 * SECOND, unknown: 0 });
    assert_eq!(found.availability().map(Availability::basis_points), Some(9_217));
    assert_eq!(found.coverage().map(Availability::basis_points), Some(10_000));
    let ups: usize =
        pasts.iter().map(|past| past.samples.iter().filter(|(_, outcome)| *outcome == Outcome::Up).count()).sum();
    assert_eq!(ups * 10_000 / 130, 9_153, "pooling the checks would say something else");
    // Without the third, both have to see it down.
    assert_eq!(swept(&pasts[..2], TEN_MINUTES, &rule), Seen { up: 553 * SECOND, down: 47 * SECOND, unknown: 0 });
}

#[test]
fn what_nobody_can_know_is_neither_up_nor_down() {
    let [a, mut b, mut c] = ten_minutes();
    for (sampled, outcome) in &mut b.samples {
        if (200 * SECOND + 1..400 * SECOND).contains(sampled) {
            *outcome = Outcome::Unknown;
        }
    }
    c.samples.retain(|(sampled, _)| *sampled < 100 * SECOND);
    // `a` alone says down for 60 s: it is the only one left that can tell.
    let found = swept(&[a.clone(), b, c], TEN_MINUTES, &QuorumRule::default());
    assert_eq!(found.up + found.down + found.unknown, 600 * SECOND);
    assert_eq!((found.down, found.unknown), (0, 57 * SECOND), "the first 3 s `b` still shows its last check");
    let nothing = swept(&[], TEN_MINUTES, &QuorumRule::default());
    assert_eq!((nothing.unknown, nothing.availability()), (600 * SECOND, None));
    assert_eq!(nothing.coverage().map(Availability::basis_points), Some(0));
    assert_eq!(swept(&[a], (5, 5), &QuorumRule::default()).coverage(), None);
}

#[test]
fn one_location_without_failures_is_up_all_the_time() {
    let found = swept(&[past(60, 10, 0, 20, 0..0)], TEN_MINUTES, &QuorumRule::default());
    assert_eq!(found, Seen { up: 600 * SECOND, down: 0, unknown: 0 });
}

fn any_past() -> impl Strategy<Value = Past> {
    let outcome = prop_oneof![3 => Just(Outcome::Up), 3 => Just(Outcome::Down), 1 => Just(Outcome::Unknown)];
    let samples = prop::collection::vec((0u64..120, outcome), 0..14).prop_map(|mut samples| {
        samples.sort_by_key(|(sampled, _)| *sampled);
        samples
    });
    let blind = prop::collection::vec((0u64..120, 0u64..120), 0..3);
    (samples, 0u64..40, blind).prop_map(|(samples, hold, blind)| Past { samples, hold, blind })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn time_is_counted_as_by_the_reference(
        pasts in prop::collection::vec(any_past(), 0..5), period in (0u64..120, 0u64..120), rule in any_rule(),
    ) {
        let period = (period.0.min(period.1), period.0.max(period.1));
        let expected = model::seen(&pasts, period, rule.quorum, rule.min_locations.map(u64::from));
        prop_assert_eq!(swept(&pasts, period, &rule), expected);
        prop_assert_eq!(expected.up + expected.down + expected.unknown, period.1 - period.0);
    }

    /// Two halves of a period add up, and the locations may come in any order.
    #[test]
    fn a_period_is_the_sum_of_its_parts(pasts in prop::collection::vec(any_past(), 1..5), cut in 0u64..=120, rule in any_rule()) {
        let whole = swept(&pasts, (0, 120), &rule);
        let mut turned = pasts;
        turned.reverse();
        let parts = [(0, cut), (cut, 120)].map(|period| swept(&turned, period, &rule));
        prop_assert_eq!(whole.up, parts[0].up + parts[1].up);
        prop_assert_eq!(whole.down, parts[0].down + parts[1].down);
        prop_assert_eq!(whole.unknown, parts[0].unknown + parts[1].unknown);
    }
}
