//! The prober that a configuration asks for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;
use crate::model::{Cause, Observation, Outcome, Phases};
use crate::probe::{HttpProber, ProbeError, ProberOptions};

use super::clock::{self, Clock};
use super::exit::Failure;

/// A prober with the resolver of `config`, ready for its sites.
///
/// # Errors
/// [`Failure::Usage`] for a site whose certificate files cannot be used; else the system's.
pub fn prober(config: &Config) -> Result<HttpProber, Failure> {
    prober_with(config, false)
}

/// The same, which keeps what came with each answer if `evidence`.
///
/// # Errors
/// As [`prober`].
pub fn prober_with(config: &Config, evidence: bool) -> Result<HttpProber, Failure> {
    let resolver = config.resolver.clone();
    let options = ProberOptions { resolver, evidence, thread_time: clock::THREAD_TIME, ..ProberOptions::default() };
    let prober = HttpProber::with(&options, clock::stopwatch).context("cannot set up probing")?;
    learn(&prober, config)?;
    Ok(prober)
}

/// A prober for `config` that goes on with what the one for `running` knows, if it asks the same name servers.
///
/// # Errors
/// As [`prober`].
pub fn renew(running: &Config, config: &Config, known: &Arc<HttpProber>) -> Result<Arc<HttpProber>, Failure> {
    if running.resolver != config.resolver {
        return prober(config).map(Arc::new);
    }
    learn(known, config)?;
    Ok(Arc::clone(known))
}

fn learn(prober: &HttpProber, config: &Config) -> Result<(), Failure> {
    for watched in &config.sites {
        prober.learn(&watched.site).map_err(|error| match error {
            ProbeError::Roots(_) | ProbeError::Identity(_) => {
                Failure::Usage(format!("webmon: site {:?}: {error}", watched.site.name))
            }
            error => anyhow::Error::new(error).context("cannot set up probing").into(),
        })?;
    }
    Ok(())
}

/// `observation`, unless it is one of a suspend: `asleep` is what `clock` had absorbed when the probe began.
pub fn unless_suspended(mut observation: Observation, clock: &Clock, asleep: Duration) -> Observation {
    if observation.cause.outcome() != Outcome::Unknown && clock.asleep() > asleep {
        observation.cause = Cause::Local;
        observation.detail = String::from("this machine was suspended during the check");
        (observation.phases, observation.status) = (Phases::NONE, None);
    }
    observation
}
