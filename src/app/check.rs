//! `webmon check`: probes the chosen sites once, side by side, and shows what happened. The store is left alone.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::model::{Micros, Observation, Outcome, Sample, Site};
use crate::probe::{HttpProber, Prober};
use crate::report::check::{Checked, Manner, check as write_check};
use crate::report::json;

use super::cli::{CheckArgs, ColorChoice, CommonArgs, LineFormat};
use super::clock::Clock;
use super::exit::{Ending, Failure, complain};
use super::history::print;
use super::limits;
use super::probing;
use super::select::select;
use super::threads;
use super::zone;

/// Probes once.
///
/// # Errors
/// [`Failure`]: usage, configuration, or the system.
pub fn check(args: &CheckArgs, common: &CommonArgs) -> Result<Ending, Failure> {
    let selection = select(&common.config, &args.sites)?;
    for warning in &selection.config.warnings {
        complain(format_args!("warning: {warning}"));
    }
    let sites: Vec<Arc<Site>> = selection.config.sites.iter().map(|watched| Arc::clone(&watched.site)).collect();
    let prober = Arc::new(probing::prober(&selection.config)?);
    let in_flight = limits::raise().in_flight;
    let runtime = threads::runtime(&mut Builder::new_current_thread()).context("cannot start a runtime")?;
    let results = runtime.block_on(probe_all(&prober, &sites, in_flight));
    runtime.shutdown_background();

    let zone = zone::local_or_complain();
    let checked: Vec<Checked<'_>> = sites
        .iter()
        .zip(&results)
        .map(|(site, (sample, observation))| Checked {
            site: &site.name,
            url: &site.shown,
            sample: *sample,
            observation,
        })
        .collect();
    let seen = common.color == ColorChoice::Always || io::stdout().is_terminal();
    let manner = Manner { verbose: common.verbose > 0, color: seen && common.color.on_terminal() };
    let mut out = Vec::new();
    match args.format {
        LineFormat::Text => write_check(&mut out, &zone, &checked, manner),
        LineFormat::Json => checked.iter().try_for_each(|one| json::check(&mut out, one)),
    }
    .context("cannot write")?;
    print(|stdout| stdout.write_all(&out))?;
    Ok(ending(results.iter().map(|(sample, _)| sample.outcome())))
}

/// Down beats unknown: a site that is certainly down is what a script has to hear of.
fn ending(outcomes: impl Iterator<Item = Outcome>) -> Ending {
    outcomes.fold(Ending::Done, |worst, outcome| match (worst, outcome) {
        (Ending::NotUp, _) | (_, Outcome::Down) => Ending::NotUp,
        (_, Outcome::Unknown) => Ending::Unjudged,
        (worst, Outcome::Up) => worst,
    })
}

async fn probe_all(prober: &Arc<HttpProber>, sites: &[Arc<Site>], in_flight: usize) -> Vec<(Sample, Observation)> {
    let clock = Clock::start(crate::model::Timestamp::ZERO);
    let permits = Arc::new(Semaphore::new(in_flight));
    let mut flights = JoinSet::new();
    for (index, site) in sites.iter().enumerate() {
        let (prober, site, clock) = (Arc::clone(prober), Arc::clone(site), clock.clone());
        let permits = Arc::clone(&permits);
        flights.spawn(async move {
            let _permit = permits.acquire().await.expect("the semaphore is never closed");
            let observation = prober.probe(&site).await;
            (index, observation.sample(clock.now(), Micros::ZERO, 0), observation)
        });
    }
    let mut landed = flights.join_all().await;
    landed.sort_by_key(|(index, ..)| *index);
    landed.into_iter().map(|(_, sample, observation)| (sample, observation)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_the_worst() {
        use Outcome::{Down, Unknown, Up};
        for (outcomes, expected) in [
            (&[Up, Up][..], Ending::Done),
            (&[Up, Unknown], Ending::Unjudged),
            (&[Unknown, Down, Up], Ending::NotUp),
            (&[Down, Unknown], Ending::NotUp),
        ] {
            assert_eq!(ending(outcomes.iter().copied()), expected, "{outcomes:?}");
        }
    }
}
