//! What is left of an objective's error budget, and how fast it is spent.
//!
//! The budget is the share of checks that may fail, 1 − target. Over checks that were made: budget = checks × (1 − target), and
//! a target is missed exactly when more than the budget is spent. Burn is the share of failed checks over a window in units of
//! the budget: at 1 the budget lasts for the period. The windows are the long ones of the burn rules, in whole minutes.
//!
//! Invariants: counts in, integers out; nothing is judged without checks.

use std::sync::Arc;
use std::time::Duration;

use crate::model::Timestamp;
use crate::model::time::duration::micros;

use super::SloRule;

const MILLION: u128 = 1_000_000;
const MINUTE: u64 = 60_000_000;

/// Two windows that must both burn, minutes, and the share of the budget that the long one may spend, per cent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) long: u64,
    pub(crate) short: u64,
    pub(crate) share: u64,
}

pub(crate) const FAST: [Pair; 2] = [Pair { long: 60, short: 5, share: 2 }, Pair { long: 360, short: 30, share: 5 }];
pub(crate) const SLOW: [Pair; 2] =
    [Pair { long: 1_440, short: 120, share: 10 }, Pair { long: 4_320, short: 360, share: 10 }];

const PAIRS: [Pair; 4] = [FAST[0], FAST[1], SLOW[0], SLOW[1]];

/// The windows whose burn is shown, the shortest first: 1 h, 6 h, 1 d, 3 d.
pub const BURN_WINDOWS: [Duration; 4] = [
    Duration::from_mins(FAST[0].long),
    Duration::from_mins(FAST[1].long),
    Duration::from_mins(SLOW[0].long),
    Duration::from_mins(SLOW[1].long),
];

/// Checks of a span; of a site over its locations the time that they know, and that in which they saw it down, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those with a known outcome.
    pub checks: u64,
    /// Those that failed.
    pub failed: u64,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { checks: self.checks + other.checks, failed: self.failed + other.failed }
    }
}

/// How fast the budget is spent over one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burn {
    /// The window.
    pub window: Duration,
    /// Its checks.
    pub tally: Tally,
    /// The burn in thousandths; `None` without checks.
    pub rate_milli: Option<u64>,
    /// The burn at which the window counts as burning, in thousandths.
    pub threshold_milli: u64,
    /// Whether it has come to that. A rule is breached only if its short window burns, too.
    pub is_burning: bool,
}

/// Where an objective stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The objective.
    pub rule: SloRule,
    /// The checks of its period.
    pub tally: Tally,
    /// How much of the period these checks stand for.
    pub watched: Duration,
    /// The burn over each of [`BURN_WINDOWS`].
    pub burns: [Burn; 4],
}

impl Standing {
    /// That of `rule` with these checks in its period and in each of [`BURN_WINDOWS`].
    #[must_use]
    pub fn new(rule: SloRule, tally: Tally, watched: Duration, windows: [Tally; 4]) -> Self {
        let burn = |place: usize| Burn {
            window: BURN_WINDOWS[place],
            tally: windows[place],
            rate_milli: rate_milli(rule, windows[place]),
            threshold_milli: threshold_milli(rule, PAIRS[place]),
            is_burning: BurnLimit::of(rule, PAIRS[place]).is_reached(windows[place]),
        };
        Self { rule, tally, watched, burns: [burn(0), burn(1), burn(2), burn(3)] }
    }

    /// Checks that may fail, in thousandths.
    #[must_use]
    pub fn budget_milli(&self) -> u64 {
        self.tally.checks.saturating_mul(budget_ppm(self.rule)) / 1_000
    }

    /// The time that the budget stands for.
    #[must_use]
    pub fn budget(&self) -> Duration {
        share_of(self.watched, u128::from(budget_ppm(self.rule)))
    }

    /// The spent share of the budget in parts per million, more than a million if the target was missed; `None` without checks.
    #[must_use]
    pub fn spent_ppm(&self) -> Option<u64> {
        let Tally { checks, failed } = self.tally;
        let whole = u128::from(checks) * u128::from(budget_ppm(self.rule));
        (checks > 0).then(|| u64::try_from(u128::from(failed) * MILLION * MILLION / whole).unwrap_or(u64::MAX))
    }

    /// The share of the budget that is left, in parts per million, below zero if the target was missed; `None` without checks.
    #[must_use]
    pub fn left_ppm(&self) -> Option<i64> {
        self.spent_ppm().map(|spent| 1_000_000 - i64::try_from(spent).unwrap_or(i64::MAX))
    }

    /// The time that is left of the budget; nothing once it is spent, and without checks.
    #[must_use]
    pub fn left(&self) -> Duration {
        let left = self.left_ppm().and_then(|left| u128::try_from(left).ok()).unwrap_or(0);
        share_of(self.budget(), left)
    }

    /// The checks that may still fail, in thousandths, below zero if the target was missed.
    #[must_use]
    pub fn left_milli(&self) -> i64 {
        let thousandths = |checks: u64| i64::try_from(checks).unwrap_or(i64::MAX);
        thousandths(self.budget_milli()) - thousandths(self.tally.failed).saturating_mul(1_000)
    }
}

/// Where an objective stands at the end of a period, and what its figures cover.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectiveFigures {
    /// The figures.
    pub standing: Standing,
    /// The first instant of the period.
    pub since: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
    /// The share of the due checks that were made, in `0.0..=1.0`; `None` before anything was due.
    pub coverage: Option<f64>,
    /// Whether the figures are exact: no end of the period was rounded.
    pub is_exact: bool,
    /// How much maintenance was left out.
    pub left_out: Duration,
    /// The first data, if the period begins earlier.
    pub begins: Option<Timestamp>,
    /// Of a site over its locations, whose tallies are times in µs: the checks of all of them.
    pub in_time: Option<Tally>,
}

impl ObjectiveFigures {
    /// The checks of the period.
    #[must_use]
    pub fn checks(&self) -> Tally {
        self.in_time.unwrap_or(self.standing.tally)
    }
}

/// The objective of one site.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteObjective {
    /// The site.
    pub site: Arc<str>,
    /// Its objective.
    pub rule: SloRule,
    /// Where it stands, or why that cannot be told.
    pub figures: Result<ObjectiveFigures, Arc<str>>,
}

/// The start of the window of this length as of the last instant before `until`, in whole minutes.
#[must_use]
pub fn window_start(until: Timestamp, window: Duration) -> Timestamp {
    let newest = until.as_micros().saturating_sub(1) / MINUTE;
    Timestamp::from_micros((newest + 1) * MINUTE).before(window)
}

/// The share of checks that may fail, in parts per million; at least one, since a target is below 100 %.
pub(crate) fn budget_ppm(rule: SloRule) -> u64 {
    u64::from(1_000_000 - rule.target.ppm().min(999_999))
}

/// The burn of `tally`, in thousandths.
pub(crate) fn rate_milli(rule: SloRule, Tally { checks, failed }: Tally) -> Option<u64> {
    let rate = (u128::from(failed) * 1_000 * MILLION).checked_div(u128::from(checks) * u128::from(budget_ppm(rule)))?;
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

/// From which share of failed checks on a window of one pair burns: `checks` ÷ `failed` of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BurnLimit {
    failed: u64,
    checks: u64,
}

impl BurnLimit {
    /// Burn ≥ k, that is failed ÷ checks ÷ budget ≥ share × period ÷ long.
    #[inline]
    pub(crate) fn of(rule: SloRule, pair: Pair) -> Self {
        let budget = pair.share.saturating_mul(rule.period.as_secs()).saturating_mul(budget_ppm(rule));
        Self { failed: 100 * 60 * 1_000_000 * pair.long, checks: budget }
    }

    /// Whether a window with these checks burns; one without checks does not.
    #[inline]
    pub(crate) fn is_reached(self, Tally { checks, failed }: Tally) -> bool {
        checks > 0 && u128::from(failed) * u128::from(self.failed) >= u128::from(checks) * u128::from(self.checks)
    }
}

/// From this burn on a window of `pair` burns: share × period ÷ long, in thousandths, rounded up.
fn threshold_milli(rule: SloRule, pair: Pair) -> u64 {
    (pair.share * rule.period.as_secs() * 10).div_ceil(pair.long * 60)
}

fn share_of(whole: Duration, ppm: u128) -> Duration {
    let part = u128::from(micros(whole)) * ppm / MILLION;
    Duration::from_micros(u64::try_from(part).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Threshold;
    use proptest::prelude::*;

    fn rule(ppm: u32, days: u64) -> SloRule {
        SloRule { target: Threshold::from_ppm(ppm).unwrap(), period: Duration::from_hours(24 * days) }
    }

    #[test]
    fn a_month_of_three_nines_allows_43_minutes() {
        let tally = Tally { checks: 259_200, failed: 130 };
        let month = Duration::from_hours(720);
        let hour = Tally { checks: 360, failed: 6 };
        let standing = Standing::new(rule(999_000, 30), tally, month, [hour, hour, Tally::default(), tally]);
        assert_eq!((standing.budget_milli(), standing.budget()), (259_200, Duration::from_secs(43 * 60 + 12)));
        assert_eq!((standing.spent_ppm(), standing.left_ppm()), (Some(501_543), Some(498_457)));
        assert_eq!(standing.left().as_secs(), 1_292);
        assert_eq!(standing.left_milli(), 129_200);
        let shown = standing.burns.map(|burn| (burn.rate_milli, burn.threshold_milli, burn.is_burning));
        let expected = [
            (Some(16_666), 14_400, true),
            (Some(16_666), 6_000, true),
            (None, 3_000, false),
            (Some(501), 1_000, false),
        ];
        assert_eq!(shown, expected);
        let empty = Standing::new(rule(999_000, 30), Tally::default(), month, [Tally::default(); 4]);
        assert_eq!((empty.spent_ppm(), empty.left_ppm(), empty.left()), (None, None, Duration::ZERO));
    }

    #[test]
    fn windows_are_whole_minutes() {
        let at = Timestamp::from_secs(600_030);
        let hour = Duration::from_hours(1);
        assert_eq!(window_start(at, hour), Timestamp::from_secs(600_060 - 3_600));
        assert_eq!(window_start(Timestamp::from_secs(600_000), hour), Timestamp::from_secs(600_000 - 3_600));
    }

    proptest! {
        /// The budget is overspent exactly when the availability is below the target.
        #[test]
        fn a_spent_budget_is_a_missed_target(checks in 1u64..10_000_000, share in 0u64..=1_000_000, ppm in 1u32..1_000_000) {
            let failed = checks * share / 1_000_000;
            let rule = rule(ppm, 30);
            let standing = Standing::new(rule, Tally { checks, failed }, Duration::from_hours(720), [Tally::default(); 4]);
            let is_missed = u128::from(checks - failed) * MILLION < u128::from(checks) * u128::from(ppm);
            let is_overspent = u128::from(failed) * MILLION > u128::from(checks) * u128::from(budget_ppm(rule));
            prop_assert_eq!(is_missed, is_overspent);
            // A whole part per million is cut off at most.
            prop_assert!(standing.spent_ppm() <= Some(1_000_000) || is_missed);
            prop_assert!(!is_missed || standing.spent_ppm() >= Some(1_000_000));
            prop_assert!(standing.left() <= standing.budget());
        }
    }
}
