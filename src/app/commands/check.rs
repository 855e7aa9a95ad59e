//! `webmon check`: probes the chosen sites once, concurrently, and shows the results. It does not touch the store.
//!
//! Text shows a site as soon as its probe finishes; JSON keeps the order of the file. The probes run on their own thread, so
//! that a terminal that stops reading does not slow them down. A closed pipe ends the report, but not the probes, because
//! the exit code covers all of them.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::app::cli::args::{CheckArgs, ColorChoice, CommonArgs, LineFormat};
use crate::app::cli::selection::select;
use crate::app::cli::stdout::print;
use crate::app::cli::{terminal, zone};
use crate::app::clock::{Clock, stopwatch};
use crate::app::domains::once::DomainsOnce;
use crate::app::exit::{CommandError, Ending, NO_THREAD, complain};
use crate::app::prober::{self, unless_suspended};
use crate::app::system::{limits, threads};
use crate::model::{DomainBook, Micros, Observation, Outcome, Sample, Site};
use crate::probe::{HttpProber, Prober};
use crate::report::check::{CheckReport, CheckStyle, Checked, warnings};
use crate::report::json;

/// The result of one site.
struct Landed {
    /// Index of the site in the file.
    number: usize,
    sample: Sample,
    observation: Observation,
}

/// Probes once.
///
/// # Errors
/// [`CommandError`]: usage, configuration, or the system.
pub fn check(args: &CheckArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let selection = select(&common.config, &args.sites, &args.ad_hoc)?;
    for warning in &selection.config.warnings {
        complain(format_args!("warning: {warning}"));
    }
    let zone = zone::local_or_complain();
    let sites: Vec<Arc<Site>> = selection.config.sites.iter().map(|watched| Arc::clone(&watched.site)).collect();
    let verbose = common.verbose > 0;
    let is_text = args.format == LineFormat::Text;
    let prober = prober::prober_with(&selection.config, verbose && is_text, DomainBook::default())?;
    // Registries are asked only if what they say is shown.
    let domains = (verbose || !is_text).then(|| DomainsOnce::new(stopwatch()));
    let landed = start(prober, sites.clone(), domains)?;

    let seen = common.color == ColorChoice::Always || io::stdout().is_terminal();
    let manner =
        CheckStyle { verbose, color: seen && common.color.on_terminal(), width: terminal::of_stdout().columns };
    let mut verdict = CheckResult::default();
    let mut arriving = landed.iter().inspect(|landed| verdict.note(&checked(&sites, landed)));
    print(|out| match args.format {
        LineFormat::Text => {
            let out = &mut terminal::text(out);
            let mut sheet = CheckReport::of(sites.iter().map(|site| &*site.name), manner);
            arriving.by_ref().try_for_each(|landed| {
                sheet.site(out, &zone, &checked(&sites, &landed))?;
                out.flush()
            })?;
            sheet.close(out)
        }
        LineFormat::Json => in_order(arriving.by_ref(), |landed| {
            json::check(out, &checked(&sites, landed))?;
            out.flush()
        }),
    })?;
    arriving.for_each(drop);
    Ok(verdict.ending(sites.len(), args.fail_on_warning))
}

fn checked<'a>(sites: &'a [Arc<Site>], landed: &'a Landed) -> Checked<'a> {
    let site = &sites[landed.number];
    Checked { site: &site.name, url: &site.shown, sample: landed.sample, observation: &landed.observation }
}

/// Calls `write` with all of `landed` in the order of the file, each as soon as possible.
fn in_order(landed: impl Iterator<Item = Landed>, mut write: impl FnMut(&Landed) -> io::Result<()>) -> io::Result<()> {
    let (mut early, mut next) = (BTreeMap::new(), 0);
    for landed in landed {
        early.insert(landed.number, landed);
        while let Some(landed) = early.remove(&next) {
            next += 1;
            write(&landed)?;
        }
    }
    // After a probe that panicked.
    early.values().try_for_each(write)
}

/// The results of all sites that decide the exit code.
#[derive(Clone, Copy, Debug, Default)]
struct CheckResult {
    sites: usize,
    down: bool,
    unknown: bool,
    warned: bool,
}

impl CheckResult {
    fn note(&mut self, one: &Checked<'_>) {
        self.sites += 1;
        match one.sample.outcome() {
            Outcome::Up => {}
            Outcome::Down => self.down = true,
            Outcome::Unknown => self.unknown = true,
        }
        self.warned |= !warnings(one).is_empty();
    }

    /// Down beats unknown, and so does a warning that counts: scripts need the certain result. `sites` is the number of
    /// sites.
    const fn ending(self, sites: usize, fail_on_warning: bool) -> Ending {
        if self.sites < sites {
            Ending::Panicked
        } else if self.down || self.warned && fail_on_warning {
            Ending::NotUp
        } else if self.unknown {
            Ending::Unjudged
        } else {
            Ending::Done
        }
    }
}

/// Starts the probes; the results come in any order.
fn start(
    prober: HttpProber,
    sites: Vec<Arc<Site>>,
    domains: Option<DomainsOnce>,
) -> Result<mpsc::Receiver<Landed>, CommandError> {
    let in_flight = limits::raise().in_flight;
    let runtime = threads::runtime(&mut Builder::new_current_thread()).context("cannot start a runtime")?;
    // Bounded by the number of sites.
    let (done, landed) = mpsc::channel();
    let probers = (Arc::new(prober), domains.map(Arc::new));
    let network = move || probe_all(runtime, &probers, sites, in_flight, &done);
    thread::Builder::new().name("webmon-net".to_owned()).spawn(network).context(NO_THREAD)?;
    Ok(landed)
}

fn probe_all(
    runtime: Runtime,
    (prober, domains): &(Arc<HttpProber>, Option<Arc<DomainsOnce>>),
    sites: Vec<Arc<Site>>,
    in_flight: usize,
    done: &mpsc::Sender<Landed>,
) {
    runtime.block_on(async {
        let clock = Clock::start(crate::model::Timestamp::ZERO);
        let permits = Arc::new(Semaphore::new(in_flight));
        let mut flights = JoinSet::new();
        for (number, site) in sites.into_iter().enumerate() {
            let (prober, domains, clock) = (Arc::clone(prober), domains.clone(), clock.clone());
            let (permits, done) = (Arc::clone(&permits), done.clone());
            flights.spawn(async move {
                // The wait for a registry holds up no other site.
                let probing = async {
                    let _permit = permits.acquire().await.expect("the semaphore is never closed");
                    let _before = clock.absorb_suspend();
                    let asleep = clock.asleep();
                    let observation = prober.probe(&site).await;
                    let _meanwhile = clock.absorb_suspend();
                    (unless_suspended(observation, &clock, asleep), clock.now())
                };
                let asking = async {
                    match &domains {
                        Some(domains) => domains.of(&site, clock.now()).await,
                        None => None,
                    }
                };
                let ((mut observation, at), domain) = tokio::join!(probing, asking);
                observation.domain = domain;
                let sample = observation.sample(at, Micros::ZERO, 0);
                // The receiver is gone only during shutdown.
                let _unheard = done.send(Landed { number, sample, observation });
            });
        }
        // A probe that panicked has no result.
        while flights.join_next().await.is_some() {}
    });
    // A hanging name lookup must not keep the process.
    runtime.shutdown_background();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Certificate, Flags, Timestamp};

    fn landed(number: usize, observation: Observation) -> Landed {
        let sample = observation.sample(Timestamp::ZERO, Micros::ZERO, 0);
        Landed { number, sample, observation }
    }

    #[test]
    fn json_is_in_the_order_of_the_file_and_waits_for_no_more_than_that() {
        let (sender, receiver) = mpsc::channel();
        let mut numbers = Vec::new();
        let mut written = Vec::new();
        for number in [2, 0, 1, 3, 6, 5] {
            sender.send(landed(number, Observation::failed(Cause::Ok, ""))).unwrap();
        }
        drop(sender);
        let arriving = receiver.iter().inspect(|landed| numbers.push(landed.number));
        in_order(arriving, |landed| {
            written.push(landed.number);
            Ok(())
        })
        .unwrap();
        assert_eq!((numbers, written), (vec![2, 0, 1, 3, 6, 5], vec![0, 1, 2, 3, 5, 6]));
    }

    #[test]
    fn the_exit_code_tells_the_worst() {
        let of = |cause| Observation::failed(cause, "");
        let mut warned = of(Cause::Ok);
        warned.flags = warned.flags.with(Flags::CERTIFICATE);
        warned.certificate = Some(Arc::new(Certificate {
            subject: "a".to_owned(),
            issuer: "b".to_owned(),
            not_before: Timestamp::ZERO,
            not_after: Timestamp::ZERO,
            faults: Vec::new(),
        }));
        let (up, down, unknown) = (of(Cause::Ok), of(Cause::Status), of(Cause::Local));
        for (observations, plainly, strictly) in [
            (vec![&up, &up], Ending::Done, Ending::Done),
            (vec![&up, &unknown], Ending::Unjudged, Ending::Unjudged),
            (vec![&unknown, &down, &up], Ending::NotUp, Ending::NotUp),
            (vec![&down, &unknown], Ending::NotUp, Ending::NotUp),
            (vec![&up, &warned], Ending::Done, Ending::NotUp),
            (vec![&warned, &unknown], Ending::Unjudged, Ending::NotUp),
        ] {
            let mut verdict = CheckResult::default();
            for observation in &observations {
                let sample = observation.sample(Timestamp::ZERO, Micros::ZERO, 0);
                verdict.note(&Checked { site: "s", url: "u", sample, observation });
            }
            let endings = [false, true].map(|strict| verdict.ending(observations.len(), strict));
            assert_eq!(endings, [plainly, strictly], "{observations:?}");
            assert_eq!(verdict.ending(observations.len() + 1, true), Ending::Panicked);
        }
    }
}
