//! What users would have heard of: alerts through the ledger of incidents, and in groups.
//!
//! Invariants: the messages are those of [`Ledger`] over the same alerts. Bounds: linear in alerts and messages, and in the
//! seconds during which an incident is muted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Transition;
use crate::alert::incident::ledger::Ledger;
use crate::alert::incident::terms::{Emitted, LedgerTerms};
use crate::alert::kept::incident::Silence;
use crate::alert::{Alert, NewsContext, Policies};
use crate::model::Timestamp;

use super::Verdict;

/// The shortest pause between two messages of an outlet that groups.
const PAUSE: Duration = Duration::from_secs(30);

/// Messages of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Of each site, one by one.
    pub of_sites: BTreeMap<Arc<str>, usize>,
    /// Of all sites, in groups.
    pub in_groups: usize,
}

/// One site under one set of rules.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its name.
    pub site: Arc<str>,
    /// The rules of its verdicts.
    pub policies: Policies,
    /// In order.
    pub verdicts: Vec<Verdict>,
}

/// What would have been reported from `since` to `until`. Earlier verdicts count for calm and for what is still open, and
/// their messages do not; a message waits for others for `group`. Each of `silences` mutes from its beginning on.
#[must_use]
pub fn told(
    sites: &[Judged],
    (terms, silences): (LedgerTerms, &[Silence]),
    group: Duration,
    (since, until): (Timestamp, Timestamp),
) -> Told {
    let mut all: Vec<(&Judged, &Transition)> =
        sites.iter().flat_map(|site| site.verdicts.iter().map(move |verdict| (site, &verdict.transition))).collect();
    all.sort_by_key(|(_, transition)| transition.at);
    let mut ledger = Ledger::new(terms, Box::new(|_| String::new()));
    let (mut told, mut times) = (Told::default(), Vec::new());
    let mut take = |now: Timestamp, out: &mut Emitted| {
        out.changes.clear();
        for (_, news) in out.news.drain(..).filter(|_| since <= now && now < until) {
            *told.of_sites.entry(news.alert.facts.site).or_default() += 1;
            times.push(now);
        }
    };
    let mut silences: Vec<&Silence> = silences.iter().collect();
    silences.sort_by_key(|silence| silence.from);
    let mut silences = silences.into_iter().peekable();
    let (mut out, mut now) = (Emitted::default(), Timestamp::ZERO);
    for (site, transition) in all {
        while let Some(silence) = silences.next_if(|silence| silence.from <= transition.at) {
            pass(&mut ledger, (&mut now, silence.from), &mut out, &mut take);
            ledger.add_silence(silence.clone());
        }
        // Alerts of one instant are noted together: a site that recovers with its parent is not told of.
        if now < transition.at {
            pass(&mut ledger, (&mut now, transition.at), &mut out, &mut take);
        }
        let alert = Alert::new(Arc::clone(&site.site), &site.policies, transition);
        ledger.note(&alert, NewsContext::default(), transition.at, &mut out);
        take(transition.at, &mut out);
    }
    for silence in silences.filter(|silence| silence.from < until) {
        pass(&mut ledger, (&mut now, silence.from), &mut out, &mut take);
        ledger.add_silence(silence.clone());
    }
    pass(&mut ledger, (&mut now, until), &mut out, &mut take);
    told.in_groups = groups(&times, group);
    told
}

/// Lets time pass from `now` to `until`, from one due instant to the next.
fn pass(
    ledger: &mut Ledger,
    (now, until): (&mut Timestamp, Timestamp),
    out: &mut Emitted,
    take: &mut impl FnMut(Timestamp, &mut Emitted),
) {
    while ledger.due() <= until {
        *now = ledger.due().max(*now);
        ledger.step(*now, out);
        take(*now, out);
        // What is due at once, such as after a change, is looked at once.
        if ledger.due() <= *now {
            break;
        }
    }
    *now = until.max(*now);
}

/// How many messages an outlet gets that waits `group` for others, and [`PAUSE`] after each.
fn groups(times: &[Timestamp], group: Duration) -> usize {
    let (mut count, mut sent) = (0, None);
    for &at in times {
        // What became due before the last message went out was in it.
        if sent.is_some_and(|sent| at <= sent) {
            continue;
        }
        let earliest = sent.map_or(Timestamp::ZERO, |sent: Timestamp| sent.after(PAUSE));
        sent = Some(at.after(group).max(earliest));
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::incident::terms::SiteTerms;
    use crate::alert::maintenance::{Maintenance, Schedule, moment};
    use crate::alert::{AlertState, Calm, RuleKind, SiteSelector};
    use crate::backtest::score::tests::{at, verdict};
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    fn judged(site: &str, changes: &[(u64, AlertState)]) -> Judged {
        let verdict = |&(secs, state): &(u64, AlertState)| verdict(RuleKind::Availability, secs, state);
        Judged { site: site.into(), policies: Policies::default(), verdicts: changes.iter().map(verdict).collect() }
    }

    fn count(sites: &[Judged], terms: LedgerTerms) -> (Vec<usize>, usize) {
        let told = told(sites, (terms, &[]), Duration::from_secs(10), (at(0), at(1_000_000)));
        (told.of_sites.into_values().collect(), told.in_groups)
    }

    const DOWN: AlertState = AlertState::Down;
    const UP: AlertState = AlertState::Up;

    #[test]
    fn calm_parents_and_reminders_decide() {
        let fluttering: Vec<(u64, AlertState)> =
            (0..20).map(|n| (n * 60, if n % 2 == 0 { DOWN } else { UP })).collect();
        let sites = [judged("api", &fluttering)];
        assert_eq!(count(&sites, LedgerTerms::default()), (vec![20], 20));
        let calm = LedgerTerms { calm: Some(Calm::default()), ..LedgerTerms::default() };
        // The first incident closes at once; the second is open until the flutter has an end.
        assert_eq!(count(&sites, calm.clone()), (vec![4], 4));

        let child = SiteTerms { parent: Some("gateway".into()), ..SiteTerms::default() };
        let terms = LedgerTerms { sites: [("api".into(), child)].into(), ..calm.clone() };
        let sites = [judged("gateway", &[(5, DOWN), (500, UP)]), judged("api", &[(10, DOWN), (490, UP)])];
        assert_eq!(count(&sites, terms), (vec![2], 2), "the child is muted");
        assert_eq!(count(&sites, calm), (vec![2, 2], 2), "5 and 10 s, 490 and 500 s");

        let remind = SiteTerms { remind: Some(Duration::from_mins(1)), ..SiteTerms::default() };
        let terms = LedgerTerms { calm: None, sites: [("api".into(), remind)].into(), ..LedgerTerms::default() };
        let sites = [judged("api", &[(0, DOWN), (500, UP)])];
        assert_eq!(count(&sites, terms).0, [5], "down, at 60, 180 and 420 s, up");
    }

    /// What opens and closes while it is muted is no message; what is still open when that ends is told then.
    #[test]
    fn maintenance_and_silences_keep_back_openings() {
        let window = |from: &str, to: &str| {
            let schedule = Schedule::once(moment(from).unwrap(), moment(to).unwrap()).unwrap();
            Maintenance { schedule, zone: TimeZone::UTC, sites: SiteSelector::All, reason: None }
        };
        let silence = |from: u64, until: u64| Silence {
            number: from,
            sites: SiteSelector::of(["api"]),
            from: at(from),
            until: at(until),
            by: "ada".into(),
            text: String::new(),
            is_maintenance: false,
        };
        let hours = |from: u64, to: u64| [(3_600 * from, DOWN), (3_600 * to, UP)];
        let sites = [judged("api", &[hours(2, 3), hours(5, 9)].concat())];
        let of = |maintenance: Vec<Maintenance>, silences: &[Silence]| {
            let terms = LedgerTerms { maintenance, ..LedgerTerms::default() };
            let told = told(&sites, (terms, silences), Duration::ZERO, (at(0), at(100_000)));
            told.of_sites.values().sum::<usize>()
        };
        assert_eq!(of(vec![], &[]), 4);
        assert_eq!(of(vec![window("1970-01-01T01:00", "1970-01-01T06:00")], &[]), 2, "told at its end");
        assert_eq!(of(vec![window("1970-01-01T01:00", "1970-01-01T10:00")], &[]), 0);
        assert_eq!(of(vec![], &[silence(3_600, 21_600)]), 2);
        assert_eq!(of(vec![], &[silence(3_600, 14_400), silence(17_000, 36_000)]), 0);
        assert_eq!(of(vec![], &[silence(9_000, 36_000)]), 2, "one that begins later mutes nothing before");
    }

    #[test]
    fn messages_outside_the_period_are_not_counted() {
        let sites = [judged("api", &[(0, DOWN), (500, UP), (900, DOWN)])];
        let told = told(&sites, (LedgerTerms::default(), &[]), Duration::ZERO, (at(100), at(900)));
        assert_eq!(told.of_sites.into_values().collect::<Vec<_>>(), [1]);
    }

    proptest! {
        #[test]
        fn groups_are_those_of_a_walk_by_the_second(mut times in proptest::collection::vec(0u64..400, 0..40), group in 0u64..60) {
            times.sort_unstable();
            let (mut waiting, mut last, mut count) = (None, None, 0);
            for now in 0..1_000 {
                if times.contains(&now) && waiting.is_none() {
                    waiting = Some(now);
                }
                let may = last.is_none_or(|last| last + 30 <= now);
                if waiting.is_some_and(|first| first + group <= now) && may {
                    (waiting, last, count) = (None, Some(now), count + 1);
                }
            }
            let times: Vec<Timestamp> = times.into_iter().map(at).collect();
            prop_assert_eq!(groups(&times, Duration::from_secs(group)), count);
        }
    }
}
