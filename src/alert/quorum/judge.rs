//! The judge of all sites over all locations: from votes to what is announced.
//!
//! ```text
//!               partial, if told                 down
//!   ┌──────┐ ────────────────────► ┌─────────┐ ───────► ┌──────┐
//!   │ well │ ◄──────────────────── │ partial │          │ down │ ◄─┐ unknown; partial, if told
//!   └──────┘          up           └─────────┘          └──────┘ ──┘
//!       ▲ └──────────────────────────────────────────────► │
//!       └──────────────────────────────────────────────────┘ up; partial, if not told
//! ```
//!
//! The caller casts what each location would say if it were not blind; the judge leaves out the blind. An incident of either
//! kind stays open while the verdict is unknown. A partial outage that becomes one ends silently, since the graver one is
//! announced.
//!
//! Invariants: pure; of a site at most one incident is open, and openings and closings alternate; what is announced depends
//! on the votes at each step, not on the order in which they were cast. Cost: a step without a change is constant, otherwise
//! some passes over all votes.

use std::collections::BTreeMap;

use crate::alert::{AlertState, Locations, RuleKind, Transition};
use crate::model::{Location, SiteSlot, Timestamp};
use crate::stats::Availability;

use super::{Ballot, Blindness, LocationSlot, QuorumRule, SightChange, Tally, Verdict, Vote, Votes};

/// What the judge has to know of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteTerms {
    /// When it is down.
    pub rule: QuorumRule,
    /// How many locations are to check it.
    pub assigned: u32,
    /// A number of its host, the same for all sites of a host.
    pub host: u32,
}

/// What one location says of a site, and on what grounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The location.
    pub location: LocationSlot,
    /// What it says, or would say if it were not blind.
    pub vote: Vote,
    /// Since when it says so, by its own clock.
    pub since: Timestamp,
    /// The availability that it judged; `None` without a check.
    pub judged: Option<Availability>,
}

/// An announcement about a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The site.
    pub site: SiteSlot,
    /// Of the rules `availability` and `partial`, with the votes that it rests on.
    pub transition: Transition,
}

/// What a step found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Of the sites, in the order of their slots.
    pub rulings: Vec<Ruling>,
    /// Of the locations, in the order of theirs.
    pub sights: Vec<SightChange>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct QuorumJudge {
    sites: BTreeMap<SiteSlot, Panel>,
    names: BTreeMap<LocationSlot, Location>,
    blindness: Blindness,
    /// Until then only a site on which all its locations vote can go down.
    settled: Timestamp,
    /// Whether they are awaited.
    is_settling: bool,
    /// Whether anything else changed since the last step.
    is_changed: bool,
}

/// The locations of one site.
#[derive(Clone, Debug)]
struct Panel {
    terms: SiteTerms,
    /// In the order of the locations.
    seats: Vec<Seat>,
    /// The votes at the last step, and what they say.
    tally: Tally,
    verdict: Verdict,
    /// The incident that is open, and since when.
    open: Option<(RuleKind, Timestamp)>,
}

impl QuorumJudge {
    /// Judges `site` from now on, or changes its terms.
    pub fn watch(&mut self, site: SiteSlot, terms: SiteTerms) {
        let fresh =
            || Panel { terms, seats: Vec::new(), tally: Tally::default(), verdict: Verdict::Unknown, open: None };
        self.sites.entry(site).or_insert_with(fresh).terms = terms;
        self.is_changed = true;
    }

    /// Takes over an incident that an earlier run left open. Returns whether it is of a rule that is judged here.
    pub fn reopen(&mut self, site: SiteSlot, rule: RuleKind, since: Timestamp) -> bool {
        let Some(panel) = self.sites.get_mut(&site) else { return false };
        let is_ours = matches!(rule, RuleKind::Availability | RuleKind::Partial);
        if is_ours {
            panel.open = Some((rule, since));
        }
        self.is_changed |= is_ours;
        is_ours
    }

    /// Judges `site` no longer: it was removed or disabled. Nothing is announced.
    pub fn forget(&mut self, site: SiteSlot) {
        self.sites.remove(&site);
        self.is_changed = true;
    }

    /// Names a location, before it votes.
    pub fn enter(&mut self, location: LocationSlot, name: Location) {
        self.names.insert(location, name);
    }

    /// Until then, only a site on which all its locations vote can go down: after a start and after an outage of the
    /// connection, votes come in one by one, and the first ones are no quorum.
    pub fn settle_until(&mut self, instant: Timestamp) {
        if self.settled != instant {
            (self.settled, self.is_settling) = (instant, true);
        }
    }

    /// What `seat.location` says of `site` from now on.
    pub fn cast(&mut self, site: SiteSlot, seat: Seat) {
        let Some(panel) = self.sites.get_mut(&site) else { return };
        match panel.seats.binary_search_by_key(&seat.location, |known| known.location) {
            Ok(place) => {
                self.is_changed |= panel.seats[place].vote != seat.vote;
                panel.seats[place] = seat;
            }
            Err(place) => {
                panel.seats.insert(place, seat);
                self.is_changed = true;
            }
        }
    }

    /// `location` has no vote on `site` any more, for another reason than that it is blind.
    pub fn withdraw(&mut self, site: SiteSlot, location: LocationSlot) {
        let Some(panel) = self.sites.get_mut(&site) else { return };
        let before = panel.seats.len();
        panel.seats.retain(|seat| seat.location != location);
        self.is_changed |= panel.seats.len() != before;
    }

    /// Judges at `now`, the clock of the hub, which every announcement carries.
    pub fn step(&mut self, now: Timestamp, found: &mut Found) {
        let (is_settled, is_changed) = (self.settled <= now, std::mem::take(&mut self.is_changed));
        let is_due = is_changed || self.is_settling && is_settled;
        if !is_due {
            return;
        }
        self.is_settling &= !is_settled;
        if is_changed {
            let ballots = self.sites.values().map(|panel| (panel.terms.host, panel.seats.iter().map(Seat::ballot)));
            self.blindness.judge(&ballots, &mut found.sights);
        }
        for (&site, panel) in &mut self.sites {
            let tally = panel.judge(&self.blindness);
            let is_trusted = is_settled || panel.terms.assigned <= tally.votes();
            let Some((superseded, next)) = panel.next(is_trusted) else { continue };
            let locations = Some(panel.locations(tally, &self.blindness, &self.names));
            let availability = panel.availability(&self.blindness);
            if let Some((rule, since)) = superseded {
                panel.open = None;
                let transition = Transition { locations: locations.clone(), ..Transition::ended(rule, since, now) };
                found.rulings.push(Ruling { site, transition });
            }
            if let Some((rule, state)) = next {
                let transition = Transition { availability, locations, ..panel.enact(rule, state, now) };
                found.rulings.push(Ruling { site, transition });
            }
        }
    }

    /// The verdict on `site` at the last step.
    #[must_use]
    pub fn verdict(&self, site: SiteSlot) -> Option<Verdict> {
        self.sites.get(&site).map(|panel| panel.verdict)
    }

    /// The votes on `site` at the last step.
    #[must_use]
    pub fn votes(&self, site: SiteSlot) -> Option<Votes> {
        let votes =
            |panel: &Panel| Votes { verdict: panel.verdict, tally: panel.tally, assigned: panel.terms.assigned };
        self.sites.get(&site).map(votes)
    }

    /// Who says what of `site`, in the order of the locations; those that are blind, too.
    #[must_use]
    pub fn seats(&self, site: SiteSlot) -> &[Seat] {
        self.sites.get(&site).map_or(&[], |panel| &panel.seats)
    }

    /// Whether `location` is blind.
    #[must_use]
    pub fn is_blind(&self, location: LocationSlot) -> bool {
        self.blindness.is_blind(location)
    }

    /// The open incident of `site`: of which rule, and since when.
    #[must_use]
    pub fn open(&self, site: SiteSlot) -> Option<(RuleKind, Timestamp)> {
        self.sites.get(&site).and_then(|panel| panel.open)
    }
}

impl Seat {
    const fn ballot(&self) -> Ballot {
        Ballot { location: self.location, vote: self.vote }
    }
}

/// The incident that ends silently, and what opens or closes with which state.
type Next = (Option<(RuleKind, Timestamp)>, Option<(RuleKind, AlertState)>);

impl Panel {
    /// Counts the votes and finds the verdict.
    fn judge(&mut self, blindness: &Blindness) -> Tally {
        let tally = blindness.tally(self.seats.iter().map(Seat::ballot));
        self.tally = tally;
        self.verdict = tally.verdict(&self.terms.rule, self.terms.assigned);
        tally
    }

    /// What the verdict changes. Without trust in it nothing opens.
    fn next(&self, is_trusted: bool) -> Option<Next> {
        let is_told = self.terms.rule.partial;
        let opening = |rule, state| is_trusted.then_some((rule, state));
        match (self.verdict, self.open) {
            (Verdict::Down, None) => Some((None, Some(opening(RuleKind::Availability, AlertState::Down)?))),
            (Verdict::Down, Some(partial @ (RuleKind::Partial, _))) => {
                Some((Some(partial), Some(opening(RuleKind::Availability, AlertState::Down)?)))
            }
            (Verdict::Up, Some((RuleKind::Partial, _))) => Some((None, Some((RuleKind::Partial, AlertState::Cleared)))),
            (Verdict::Up, Some(_)) => Some((None, Some((RuleKind::Availability, AlertState::Up)))),
            (_, Some(partial @ (RuleKind::Partial, _))) if !is_told => Some((Some(partial), None)),
            (Verdict::Partial, Some((RuleKind::Availability, _))) if !is_told => {
                Some((None, Some((RuleKind::Availability, AlertState::Up))))
            }
            (Verdict::Partial, None) if is_told => {
                Some((None, Some(opening(RuleKind::Partial, AlertState::Breached)?)))
            }
            _ => None,
        }
    }

    /// Opens or closes an incident of `rule`.
    fn enact(&mut self, rule: RuleKind, state: AlertState, at: Timestamp) -> Transition {
        let (since, downtime) = if state.is_opening() {
            self.open = Some((rule, at));
            (at, None)
        } else {
            let since = self.open.take().map_or(at, |(_, since)| since);
            (since, Some(at.since(since)))
        };
        Transition { rule, at, state, since, downtime, availability: None, reading: None, locations: None }
    }

    fn voters<'a>(&'a self, blindness: &'a Blindness) -> impl Iterator<Item = &'a Seat> {
        self.seats.iter().filter(|seat| !blindness.is_blind(seat.location))
    }

    /// Of all checks that the voters judged.
    fn availability(&self, blindness: &Blindness) -> Option<Availability> {
        let judged = self.voters(blindness).filter_map(|seat| seat.judged);
        let sum = |sum: Availability, next: Availability| Availability {
            up: sum.up + next.up,
            checks: sum.checks + next.checks,
        };
        judged.reduce(sum)
    }

    fn locations(&self, tally: Tally, blindness: &Blindness, names: &BTreeMap<LocationSlot, Location>) -> Locations {
        let down = self.voters(blindness).filter(|seat| seat.vote == Vote::Down);
        Locations::votes(tally.votes(), tally.down, down.filter_map(|seat| names.get(&seat.location).cloned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::model::{self, Votes};
    use super::super::{Quorum, QuorumRule};
    use super::*;

    const SITE: SiteSlot = SiteSlot(3);
    const NAMES: [&str; 5] = ["fra1", "nyc1", "sgp1", "ams1", "lon1"];

    fn at(step: u64) -> Timestamp {
        Timestamp::from_secs(1_000 + step)
    }

    fn judge(locations: u16) -> QuorumJudge {
        let mut judge = QuorumJudge::default();
        for location in 0..locations {
            judge.enter(LocationSlot(location), Location::new(NAMES[location as usize]).unwrap());
        }
        judge
    }

    fn terms(assigned: u32, partial: bool) -> SiteTerms {
        SiteTerms { rule: QuorumRule { partial, ..QuorumRule::default() }, assigned, host: 0 }
    }

    fn seat(location: u16, vote: Vote, judged: Option<(u64, u64)>) -> Seat {
        let judged = judged.map(|(up, checks)| Availability { up, checks });
        Seat { location: LocationSlot(location), vote, since: at(0), judged }
    }

    /// Casts `letters` for the locations in turn: `u`, `d`, and `-` for none.
    fn cast(judge: &mut QuorumJudge, site: SiteSlot, letters: &str) {
        for (location, letter) in (0u16..).zip(letters.chars()) {
            match letter {
                'u' => judge.cast(site, seat(location, Vote::Up, Some((9, 10)))),
                'd' => judge.cast(site, seat(location, Vote::Down, Some((2, 10)))),
                _ => judge.withdraw(site, LocationSlot(location)),
            }
        }
    }

    /// What `found` announces, in short.
    fn told(found: Found) -> String {
        let word = |Ruling { transition, .. }: Ruling| {
            let Transition { rule, state, locations, .. } = transition;
            let Some(Locations::Votes { down, votes, .. }) = locations else { panic!("{locations:?}") };
            format!("{} {} {down}/{votes}", rule.name(), state.name())
        };
        found.rulings.into_iter().map(word).collect::<Vec<_>>().join(", ")
    }

    fn check(partial: bool, steps: &[(&str, &str)]) {
        let mut judge = judge(5);
        judge.watch(SITE, terms(u32::try_from(steps[0].0.len()).unwrap(), partial));
        for (step, (letters, expected)) in (0u64..).zip(steps) {
            cast(&mut judge, SITE, letters);
            let mut found = Found::default();
            judge.step(at(step), &mut found);
            assert_eq!(told(found), *expected, "step {step}, {letters}");
        }
    }

    #[test]
    fn a_site_is_down_with_a_quorum_and_up_when_nobody_sees_it_down() {
        let steps = [
            ("uuu", ""),
            ("duu", ""),
            ("ddu", "availability down 2/3"),
            ("ddd", ""),
            ("d--", ""),
            ("---", ""),
            ("ud-", "availability up 1/2"),
            ("dd-", "availability down 2/2"),
            ("uu-", "availability up 0/2"),
        ];
        check(false, &steps);
    }

    #[test]
    fn an_incident_stays_open_while_nobody_knows() {
        check(
            false,
            &[("dd", "availability down 2/2"), ("d-", ""), ("--", ""), ("-d", ""), ("-u", "availability up 0/1")],
        );
        check(true, &[("du", "partial breached 1/2"), ("d-", ""), ("--", ""), ("u-", "partial cleared 0/1")]);
    }

    #[test]
    fn a_partial_outage_is_told_if_it_is_wanted() {
        let steps = [
            ("duu", "partial breached 1/3"),
            ("udu", ""),
            ("uuu", "partial cleared 0/3"),
            ("duu", "partial breached 1/3"),
            // The graver one takes its place, and lasts until no location sees the site down.
            ("ddu", "partial ended 2/3, availability down 2/3"),
            ("duu", ""),
            ("uuu", "availability up 0/3"),
        ];
        check(true, &steps);
    }

    #[test]
    fn what_is_no_longer_told_ends() {
        let mut judge = judge(3);
        judge.watch(SITE, terms(3, true));
        cast(&mut judge, SITE, "duu");
        let step = |judge: &mut QuorumJudge, at| {
            let mut found = Found::default();
            judge.step(at, &mut found);
            told(found)
        };
        assert_eq!(step(&mut judge, at(0)), "partial breached 1/3");
        judge.watch(SITE, terms(3, false));
        assert_eq!(step(&mut judge, at(1)), "partial ended 1/3");
        judge.forget(SITE);
        assert_eq!(step(&mut judge, at(2)), "");
        assert_eq!((judge.verdict(SITE), judge.seats(SITE)), (None, &[][..]));
    }

    #[test]
    fn an_announcement_has_the_figures_of_those_that_voted() {
        let mut judge = judge(5);
        judge.watch(SITE, terms(4, false));
        cast(&mut judge, SITE, "du-u");
        judge.cast(SITE, seat(0, Vote::Down, Some((1, 6))));
        judge.cast(SITE, seat(1, Vote::Down, Some((4, 6))));
        judge.cast(SITE, seat(3, Vote::Up, None));
        let mut found = Found::default();
        judge.step(at(0), &mut found);
        let names = ["fra1", "nyc1"].map(|name| Location::new(name).unwrap());
        let down = Transition {
            rule: RuleKind::Availability,
            at: at(0),
            state: AlertState::Down,
            since: at(0),
            downtime: None,
            availability: Some(Availability { up: 5, checks: 12 }),
            reading: None,
            locations: Some(Locations::votes(3, 2, names)),
        };
        assert_eq!(found.rulings, [Ruling { site: SITE, transition: down.clone() }]);
        assert_eq!(judge.open(SITE), Some((RuleKind::Availability, at(0))));
        assert_eq!(judge.verdict(SITE), Some(Verdict::Down));
        cast(&mut judge, SITE, "uu--");
        let mut found = Found::default();
        judge.step(at(310), &mut found);
        let up = Transition {
            at: at(310),
            state: AlertState::Up,
            downtime: Some(Duration::from_secs(310)),
            availability: Some(Availability { up: 18, checks: 20 }),
            locations: Some(Locations::votes(2, 0, [])),
            ..down
        };
        assert_eq!(found.rulings, [Ruling { site: SITE, transition: up }]);
    }

    #[test]
    fn an_incident_of_an_earlier_run_goes_on() {
        let mut judge = judge(2);
        judge.watch(SITE, terms(2, false));
        assert!(judge.reopen(SITE, RuleKind::Availability, at(0)));
        assert!(!judge.reopen(SITE, RuleKind::Latency, at(0)) && !judge.reopen(SiteSlot(9), RuleKind::Partial, at(0)));
        let mut found = Found::default();
        judge.step(at(5), &mut found);
        cast(&mut judge, SITE, "dd");
        judge.step(at(6), &mut found);
        assert_eq!(found, Found::default());
        cast(&mut judge, SITE, "uu");
        judge.step(at(7), &mut found);
        assert_eq!((found.rulings[0].transition.since, told(found)), (at(0), "availability up 0/2".to_owned()));
    }

    #[test]
    fn before_all_is_settled_only_all_locations_together_say_down() {
        let mut judge = judge(5);
        judge.watch(SITE, terms(3, true));
        judge.watch(SiteSlot(4), terms(2, true));
        judge.settle_until(at(30));
        let mut step = |second, letters| {
            for site in [SITE, SiteSlot(4)] {
                cast(&mut judge, site, letters);
            }
            let mut found = Found::default();
            judge.step(at(second), &mut found);
            told(found)
        };
        assert_eq!(step(1, "dd-"), "availability down 2/2", "of two assigned, both say so");
        assert_eq!(step(29, "dd-"), "");
        assert_eq!(step(30, "dd-"), "availability down 2/2", "time alone decides");
    }

    #[test]
    fn a_blind_location_has_no_vote_and_no_checks() {
        let mut judge = judge(3);
        for site in 0..4 {
            judge.watch(SiteSlot(site), SiteTerms { host: site, ..terms(3, true) });
            cast(&mut judge, SiteSlot(site), "duu");
        }
        let mut found = Found::default();
        judge.step(at(0), &mut found);
        let blind = SightChange { location: LocationSlot(0), is_blind: true, down: 4, known: 4 };
        assert_eq!(found, Found { rulings: Vec::new(), sights: vec![blind] });
        assert!(judge.is_blind(LocationSlot(0)));
        cast(&mut judge, SiteSlot(1), "ddu");
        let mut found = Found::default();
        judge.step(at(1), &mut found);
        let [Ruling { transition, .. }] = &found.rulings[..] else { panic!("{found:?}") };
        let name = Location::new("nyc1").unwrap();
        assert_eq!(
            (transition.rule, &transition.locations.as_ref()),
            (RuleKind::Partial, &Some(&Locations::votes(2, 1, [name])))
        );
    }

    /// What an incident should be of after `verdict`, written as a goal and not as steps.
    fn goal(verdict: Verdict, open: Option<RuleKind>, is_told: bool, is_trusted: bool) -> Option<RuleKind> {
        let keep = open.filter(|rule| is_told || *rule == RuleKind::Availability);
        let goal = match verdict {
            Verdict::Down => Some(RuleKind::Availability),
            Verdict::Partial if is_told => keep.or(Some(RuleKind::Partial)),
            Verdict::Up | Verdict::Partial => None,
            Verdict::Unknown => keep,
        };
        if goal.is_some() && goal != open && !is_trusted { open } else { goal }
    }

    fn any_rule() -> impl Strategy<Value = QuorumRule> {
        let quorum =
            prop_oneof![Just(Quorum::Majority), Just(Quorum::Any), Just(Quorum::All), Just(Quorum::Percent(60))];
        (quorum, prop::option::of(1u32..4), any::<bool>()).prop_map(|(quorum, min_locations, partial)| QuorumRule {
            quorum,
            min_locations,
            partial,
        })
    }

    type Step = Vec<(usize, u16, Option<(bool, u64)>)>;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn it_announces_what_the_reference_would(
            rules in prop::collection::vec((any_rule(), 0u32..3, 2u32..5), 1..5),
            steps in prop::collection::vec(
                prop::collection::vec((0usize..4, 0u16..4, prop::option::weighted(0.8, (any::<bool>(), 1u64..9))), 0..12), 1..12,
            ),
            settled in 0u64..4,
        ) {
            let steps: Vec<Step> = steps;
            let mut judge = judge(4);
            judge.settle_until(at(settled));
            let slots: Vec<SiteSlot> = (0..rules.len()).map(SiteSlot::new).collect();
            for (&site, &(rule, host, assigned)) in slots.iter().zip(&rules) {
                judge.watch(site, SiteTerms { rule, assigned, host });
            }
            let mut votes: Vec<Votes> = rules.iter().map(|(_, host, _)| (*host, BTreeMap::new())).collect();
            let mut judged: BTreeMap<(usize, u16), u64> = BTreeMap::new();
            let (mut blind, mut open, mut has_changed) = (BTreeSet::new(), vec![None; rules.len()], true);
            for (step, changes) in (0u64..).zip(&steps) {
                for &(site, location, vote) in changes.iter().filter(|(site, ..)| *site < rules.len()) {
                    if let Some((is_down, up)) = vote {
                        let vote = if is_down { Vote::Down } else { Vote::Up };
                        judge.cast(slots[site], seat(location, vote, Some((up, 10))));
                        has_changed |= votes[site].1.insert(location, vote) != Some(vote);
                        judged.insert((site, location), up);
                    } else {
                        judge.withdraw(slots[site], LocationSlot(location));
                        has_changed |= votes[site].1.remove(&location).is_some();
                    }
                }
                let mut found = Found::default();
                judge.step(at(step), &mut found);
                let mut again = Found::default();
                judge.step(at(step), &mut again);
                prop_assert_eq!(again, Found::default(), "nothing changed");
                if std::mem::take(&mut has_changed) {
                    blind = model::blind_after(&votes, 4, &blind);
                }
                for (site, &(rule, _, assigned)) in rules.iter().enumerate() {
                    let voters: Vec<(u16, Vote)> =
                        votes[site].1.iter().filter(|(at, _)| !blind.contains(at)).map(|(at, vote)| (*at, *vote)).collect();
                    let cast: Vec<_> = voters.iter().map(|(_, vote)| Some(*vote)).collect();
                    let minimum = rule.min_locations.map(u64::from);
                    let verdict = model::verdict(&cast, rule.quorum, u64::from(assigned), minimum);
                    let is_trusted = settled <= step || assigned as usize <= cast.len();
                    let goal = goal(verdict, open[site], rule.partial, is_trusted);
                    let rulings: Vec<&Transition> =
                        found.rulings.iter().filter(|ruling| ruling.site == slots[site]).map(|ruling| &ruling.transition).collect();
                    prop_assert_eq!(judge.verdict(slots[site]), Some(verdict));
                    prop_assert_eq!(judge.open(slots[site]).map(|(rule, _)| rule), goal);
                    let changes: Vec<_> = rulings.iter().map(|told| (told.rule, told.state.is_opening())).collect();
                    let closed = open[site].filter(|_| open[site] != goal).map(|rule| (rule, false));
                    let opened = goal.filter(|_| open[site] != goal).map(|rule| (rule, true));
                    prop_assert_eq!(changes, closed.into_iter().chain(opened).collect::<Vec<_>>());
                    for told in rulings.iter().filter(|told| told.state != AlertState::Ended) {
                        let up: u64 = voters.iter().map(|(location, _)| judged[&(site, *location)]).sum();
                        let checks = 10 * voters.len() as u64;
                        prop_assert_eq!(told.availability, Some(Availability { up, checks }));
                    }
                    open[site] = goal;
                }
            }
        }
    }
}
