//! Measures a backtest: a month of checks of one site every 10 s, under one set of rules and under the grid of `--suggest`.
//!
//! Budget: 5 s of CPU for a month of 10 sites, 500 ms for each, of which the judging may take 100 ms. The naive way counts
//! each window anew for each check and knows neither coverage nor holes. Lines that begin with "best" give nanoseconds per
//! sample; for the grid, per sample and set of rules.

mod best;
mod weather;

use std::hint::black_box;
use std::time::Duration;

use best::best;
use webmon::alert::Policies;
use webmon::backtest::{SiteRun, suggest};
use webmon::model::{Outcome, Sample, Timestamp};

const INTERVAL: Duration = Duration::from_secs(10);
const CHECKS: u64 = 30 * 8_640;
const START: Timestamp = Timestamp::from_secs(1_790_000_000);
/// An outage that should be found.
const LEAST: Duration = Duration::from_mins(2);

fn month() -> Vec<Sample> {
    let at = |i: u64| START.after(Duration::from_secs(10 * i));
    (0..CHECKS).map(|i| weather::sample(1, i, at(i))).collect()
}

/// The number of alerts under `rules`.
fn run(samples: &[Sample], rules: &[Policies]) -> usize {
    let mut run = SiteRun::new(rules, INTERVAL, LEAST, START);
    for sample in samples {
        run.take(sample);
    }
    let until = samples.last().map_or(START, |sample| sample.at);
    run.finish(until).verdicts.iter().map(Vec::len).sum()
}

/// The same with a count of the whole window at each check, for the default rule.
fn naive(samples: &[Sample]) -> usize {
    let (rule, mut is_down, mut alerts) = (Policies::default().availability, false, 0);
    for last in 0..samples.len() {
        let since = samples[last].at.before(rule.window);
        let window = samples[..=last].iter().rev().take_while(|sample| since < sample.at);
        let (up, checks) = window
            .fold((0u64, 0u64), |(up, checks), sample| (up + u64::from(sample.outcome() == Outcome::Up), checks + 1));
        let breached = up * 1_000_000 <= u64::from(rule.threshold.ppm()) * checks;
        alerts += usize::from(breached != is_down);
        is_down = breached;
    }
    alerts
}

fn main() {
    let samples = month();
    let rules = [Policies::default()];
    println!("{CHECKS} checks; {} alerts, {} by the naive way", run(&samples, &rules), naive(&samples));
    best("backtest, one set of rules", (7, CHECKS), || {
        black_box(run(&samples, &rules));
    });
    best("backtest, the naive way", (7, CHECKS), || {
        black_box(naive(&samples));
    });
    let grid = suggest::candidates(&Policies::default(), INTERVAL);
    println!("{} sets of rules in the grid", grid.len());
    best("backtest, the grid of --suggest", (3, CHECKS * grid.len() as u64), || {
        black_box(run(&samples, &grid));
    });
}
