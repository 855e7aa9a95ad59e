//! `webmon backtest`: what the rules, and others, would have found in the stored checks, and reported.
//!
//! It reads single checks only, one site at a time, and judges them from some time before the period, so that windows and calm
//! are as they were. What is older than the single checks is refused, not estimated.

mod output;
mod rule_sets;
mod suggestions;

use std::sync::Arc;
use std::time::Duration;

use crate::alert::incident::terms::LedgerTerms;
use crate::alert::kept::incident::Silence;
use crate::alert::maintenance::LeftOut;
use crate::alert::{Calm, Policies};
use crate::app::alerts::outlets::ledger_terms;
use crate::app::cli::args::{BacktestArgs, CommonArgs, PeriodArgs};
use crate::app::cli::progress::ProgressLine;
use crate::app::cli::selection::load_for_reading;
use crate::app::cli::stdout::print;
use crate::app::exit::{CommandError, Ending, complain};
use crate::backtest::{Judged, SiteRun, Told, told};
use crate::config::{Config, ConfiguredSite, Needed};
use crate::model::{SiteId, Timestamp, figures};
use crate::report::{Period, minute};
use crate::store::Query;

use super::stored_period::StoredPeriod;
use output::Output;
use rule_sets::with_settings;
use suggestions::{Grid, History, Outcome};

/// The period without `--since`.
const BACK: Duration = Duration::from_hours(30 * 24);

/// What the rule of an objective looks back on.
const SLO_REACH: Duration = Duration::from_hours(3 * 24);

/// One site, and the rules to try.
struct Plan<'a> {
    id: SiteId,
    site: &'a ConfiguredSite,
    b: Option<Policies>,
}

/// Replays the period, and prints what came of it.
///
/// # Errors
/// [`CommandError`]: usage, the configuration, or the store.
pub fn backtest(args: &BacktestArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let period = PeriodArgs {
        sites: args.sites.clone(),
        since: args.since.clone(),
        until: args.until.clone(),
        ..PeriodArgs::default()
    };
    let past = StoredPeriod::open(&period, common, Some(BACK))?;
    let config = past.config_or_faults(common)?;
    let plans = plans(args, &past, config)?;
    let until = past.period.until.min(past.now);
    let mut period = Period { since: past.period.since, until };
    let kept = kept_since(&past, &plans)?;
    if let Some((kept, name)) = kept.filter(|(kept, _)| period.since < *kept) {
        if args.since.is_some() {
            let kept = minute(kept, &past.zone);
            let message = format!("single checks of {name} are stored since {kept} only; --since must not be earlier");
            return Err(CommandError::Usage(message));
        }
        period.since = kept;
    }
    let silences = past.archive.kept()?.silences;
    let mut outcomes = Vec::new();
    let mut shown = ProgressLine::on_terminal();
    for (done, plan) in plans.iter().enumerate() {
        shown.say(format_args!("judging site {} of {}", done + 1, plans.len()));
        outcomes.push(run(args, &past, config, (plan, &silences), period)?);
    }
    drop(shown);
    let terms = ledger_terms(config);
    let of_a = told_of(&outcomes, &plans, config, (&terms, &silences), period, |plan| Some(plan.site.policies), 0);
    let of_b = plans.iter().any(|plan| plan.b.is_some());
    let of_b = of_b.then(|| told_of(&outcomes, &plans, config, (&terms, &silences), period, |plan| plan.b, 1));
    let output = Output { args, common, zone: &past.zone, period, outcomes: &outcomes, told: (&of_a, of_b.as_ref()) };
    print(|out| output.print(out))?;
    Ok(Ending::Done)
}

/// The sites of the file that the store knows, with the rules to compare.
fn plans<'a>(args: &BacktestArgs, past: &StoredPeriod, config: &'a Config) -> Result<Vec<Plan<'a>>, CommandError> {
    let other = args.rules.as_deref().map(|rules| load_for_reading(rules, Needed::Nothing)).transpose()?;
    for absent in other.iter().flat_map(|other| &other.absent) {
        complain(format_args!("warning: {absent}"));
    }
    let mut plans = Vec::new();
    for stored in &past.sites {
        let Some(site) = config.sites.iter().find(|known| known.site.name == stored.name) else {
            complain(format_args!("warning: {} is not watched by the file, so it has no rules; left out", stored.name));
            continue;
        };
        let others =
            |config: &Config| config.sites.iter().find(|known| known.site.name == stored.name).map(|s| s.policies);
        let mut b = other.as_ref().and_then(others);
        if let (Some(path), None) = (&args.rules, b) {
            complain(format_args!("warning: {} is not in {}", stored.name, path.display()));
        }
        if !args.set.is_empty() {
            b = Some(with_settings(&b.unwrap_or(site.policies), site.site.interval, &args.set)?);
        }
        plans.push(Plan { id: stored.id, site, b });
    }
    Ok(plans)
}

/// The oldest single check where older ones are gone, and its site: the latest of all sites.
fn kept_since<'a>(past: &StoredPeriod, plans: &[Plan<'a>]) -> Result<Option<(Timestamp, &'a str)>, CommandError> {
    let mut latest = None;
    for plan in plans {
        let all = Query { sites: Some(vec![plan.id]), since: Timestamp::ZERO, until: Timestamp::MAX };
        let mut first = None;
        let stopped = past.archive.samples(&all, |stored| {
            first = Some(stored.sample.at);
            Err(())
        })?;
        let (Some(first), Err(())) = (first, stopped) else { continue };
        let whole = past.archive.figures(&Query { until: first.after(Duration::from_micros(1)), ..all }, None)?;
        let begins = whole.first().and_then(|figures| figures.begins);
        // The oldest due time lies a check's length before the oldest sample.
        let is_gone = begins.is_some_and(|begins| begins < first.before(plan.site.site.interval.saturating_mul(2)));
        if is_gone {
            latest = latest.max(Some((first, &*plan.site.site.name)));
        }
    }
    Ok(latest)
}

/// The times of `silences` that count as maintenance of `site`.
fn left_out(silences: &[Silence], site: &ConfiguredSite) -> LeftOut {
    LeftOut::of((&site.site.name, site.group.as_deref()), (Timestamp::ZERO, Timestamp::MAX), &[], silences)
}

/// Judges one site.
fn run(
    args: &BacktestArgs,
    past: &StoredPeriod,
    config: &Config,
    (plan, silences): (&Plan<'_>, &[Silence]),
    period: Period,
) -> Result<Outcome, CommandError> {
    let (policies, interval) = (plan.site.policies, plan.site.site.interval);
    let mut rules = vec![policies];
    rules.extend(plan.b);
    let compared = rules.len();
    let grid = if args.suggest { Grid::new(&policies, interval) } else { Grid::default() };
    rules.extend(grid.rules());

    let reach = rules.iter().map(|rules| rules.reach(interval)).max().unwrap_or_default();
    let memory = config.alerting.calm.map_or(Duration::ZERO, Calm::memory);
    let slo = if rules.iter().any(|rules| rules.slo.is_some()) { SLO_REACH } else { Duration::ZERO };
    let before = reach.max(memory).max(slo).saturating_add(interval.saturating_mul(2));
    let mut run = SiteRun::new(&rules, interval, args.miss, period.since);
    run.leave_out(&plan.site.maintenance, left_out(silences, plan.site).spans());
    let query = Query { sites: Some(vec![plan.id]), since: period.since.before(before), until: period.until };
    // Outages of the monitor's own network, as it found them.
    let mask = past.archive.outages()?.of(plan.id);
    let passed = past.archive.samples(&query, |stored| {
        run.take(&mask.seen(&stored.sample));
        Ok::<(), ()>(())
    })?;
    let passed = passed.unwrap_or_default();
    let name = Arc::clone(&plan.site.site.name);
    if passed.damaged > 0 || passed.missing > 0 {
        let missing = figures::count(passed.missing);
        complain(format_args!("warning: {name}: {missing} samples are missing: `webmon db check` lists them"));
    }
    let mut course = run.finish(period.until);
    let rest = course.verdicts.split_off(compared);
    let history = History { site: &name, policies: &policies, period, course: &course, calm: config.alerting.calm };
    let (a, b) = (history.result(&course.verdicts[0]), course.verdicts.get(1).map(|verdicts| history.result(verdicts)));
    let suggested = if args.suggest { grid.proposals(&history, &rest, args.miss) } else { Vec::new() };
    Ok(Outcome { site: name, course, a, b, suggested })
}

/// The messages about all sites under the rule set of this number.
fn told_of(
    outcomes: &[Outcome],
    plans: &[Plan<'_>],
    config: &Config,
    (terms, silences): (&LedgerTerms, &[Silence]),
    period: Period,
    policies: impl Fn(&Plan<'_>) -> Option<Policies>,
    number: usize,
) -> Told {
    let judged = outcomes.iter().zip(plans).filter_map(|(outcome, plan)| {
        let verdicts = outcome.course.verdicts.get(number)?.clone();
        Some(Judged { site: Arc::clone(&outcome.site), policies: policies(plan)?, verdicts })
    });
    let judged: Vec<Judged> = judged.collect();
    told(&judged, (terms.clone(), silences), config.alerting.group, (period.since, period.until))
}
