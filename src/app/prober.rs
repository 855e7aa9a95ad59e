//! Builds the prober for a configuration.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;
use crate::model::{Cause, DomainBook, Observation, Outcome, Phases};
use crate::probe::{HttpProber, ProbeError, ProberOptions};

use super::clock::{self, Clock};
use super::exit::CommandError;

/// A prober with the resolver of `config`, ready for its sites.
///
/// # Errors
/// [`CommandError::Usage`] for unusable certificate files of a site; else the system's.
pub fn prober(config: &Config) -> Result<HttpProber, CommandError> {
    prober_with(config, false, DomainBook::default())
}

/// [`prober`] with these `domains`, which keeps the response headers of successful checks, too, if `all_evidence`.
///
/// # Errors
/// As [`prober`].
pub fn prober_with(config: &Config, all_evidence: bool, domains: DomainBook) -> Result<HttpProber, CommandError> {
    let (resolver, thread_time) = (config.resolver.clone(), clock::THREAD_TIME);
    let options = ProberOptions { resolver, all_evidence, domains, thread_time, ..ProberOptions::default() };
    let prober = HttpProber::with(&options, clock::stopwatch).context("cannot set up probing")?;
    learn(&prober, config)?;
    Ok(prober)
}

/// A prober for `config`. With unchanged name servers it is the `known` one of `running`, whose caches it keeps.
///
/// # Errors
/// As [`prober`].
pub fn renew(running: &Config, config: &Config, known: &Arc<HttpProber>) -> Result<Arc<HttpProber>, CommandError> {
    if running.resolver != config.resolver {
        return prober_with(config, false, known.domains().clone()).map(Arc::new);
    }
    learn(known, config)?;
    Ok(Arc::clone(known))
}

fn learn(prober: &HttpProber, config: &Config) -> Result<(), CommandError> {
    for watched in &config.sites {
        prober.learn(&watched.site).map_err(|error| match error {
            ProbeError::Roots(_) | ProbeError::Identity(_) => {
                CommandError::Usage(format!("site {:?}: {error}", watched.site.name))
            }
            error => anyhow::Error::new(error).context("cannot set up probing").into(),
        })?;
    }
    Ok(())
}

/// `observation`, or [`Cause::Local`] if the machine was suspended during the probe. `asleep` is the absorbed suspend time at
/// its start.
pub fn unless_suspended(mut observation: Observation, clock: &Clock, asleep: Duration) -> Observation {
    if observation.cause.outcome() != Outcome::Unknown && clock.asleep() > asleep {
        observation.cause = Cause::Local;
        observation.detail = String::from("this machine was suspended during the check");
        (observation.phases, observation.status, observation.evidence) = (Phases::NONE, None, None);
    }
    observation
}
