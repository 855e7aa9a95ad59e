//! Runs a journey: the steps of a site in turn, as one check.
//!
//! Each step is probed as a site of its own, with the cookies and the taken values of those before it. One deadline covers all
//! exchanges; judging a body, and taking values from it, takes none of the site's time. The first failure ends the journey, and
//! its detail begins with the name of the step. Phases, bytes and redirects are sums; status, protocol and address are those of
//! the last step that was made.
//!
//! Invariant: a taken value is in no text of the observation, in none of the ways in which requests send it.

mod take;

use std::time::{Duration, Instant};

use crate::model::text::{DETAIL_MAX, clean_line};
use crate::model::{Cause, Flags, Observation, Phase, Site, Step, StepResult, Taken, figures};

use super::failure::Failure;
use super::http::cookies::Jar;
use super::own_time::exclude_own_time;
use super::pulse::{Absence, PulseListener};
use super::run::{ProbeRun, keep_worse, ready};
use super::transport::Transport;
use take::{Answer, take};

/// Probes `site`, which has steps, once.
pub(super) async fn run(transport: &Transport, site: &Site) -> Observation {
    ready(site).await;
    let deadline = (transport.clock)() + site.timeout;
    let listener = transport.pulse.listen();
    let (taken, jar) = (Taken::default(), Some(Box::default()));
    let seen = Observation::failed(Cause::Ok, "");
    let mut journey = Journey { transport, site, listener, deadline, lost: Duration::ZERO, taken, jar, seen };
    for step in &*site.steps {
        journey.make(step).await;
        if journey.seen.cause != Cause::Ok {
            // Which step was slow has been judged.
            return journey.end(None);
        }
    }
    let total = journey.seen.phases.total().as_duration();
    let limit = site.expect.max_response_time;
    if let Some(limit) = limit.filter(|limit| total > *limit) {
        let (took, limit) = (figures::duration(total), figures::duration(limit));
        journey.fail(&Failure::new(Cause::Slow, format!("answered in {took}, slower than {limit}")));
    }
    journey.end(limit)
}

/// A running journey.
struct Journey<'a> {
    transport: &'a Transport,
    site: &'a Site,
    listener: PulseListener<'a>,
    deadline: Instant,
    /// Of the exchanges so far.
    lost: Duration,
    taken: Taken,
    jar: Option<Box<Jar>>,
    seen: Observation,
}

impl Journey<'_> {
    /// Makes `step`, and adds what came of it.
    async fn make(&mut self, step: &Step) {
        let clock = self.transport.clock;
        let refused = match step.site(self.site, &self.taken) {
            Ok(_) if clock() >= self.deadline => {
                let all = figures::duration(self.site.timeout);
                Failure::new(Cause::timeout_in(Phase::Processing), format!("no time was left of {all}"))
            }
            Ok(request) => {
                let seen = Box::pin(self.probe(step, &request)).await;
                return self.add(step, seen);
            }
            Err(why) => Failure::new(Cause::Body, format!("cannot be made: {why}")),
        };
        self.fail(&Failure::new(refused.cause, format!("{}: {}", step.title(), refused.detail)));
    }

    /// Probes `step`, which is `request` as a site.
    async fn probe(&mut self, step: &Step, request: &Site) -> Observation {
        let (transport, clock) = (self.transport, self.transport.clock);
        // Lives longer than the probe that borrows it.
        let hiding;
        let mut run = ProbeRun::new(transport, request, self.deadline);
        run.jar = self.jar.take();
        let before = self.listener.absence().lost;
        let outcome = run.exchange(&self.listener).await;
        self.lost += self.listener.absence().lost.saturating_sub(before);
        let exchanged = clock();
        let outcome = run.settle(outcome).await;
        let headers = run.answered.as_deref().filter(|_| outcome.is_ok());
        let answer = Answer { status: run.seen.status, headers, body: &run.body };
        let (values, took) = take(transport, step, request, answer).await;
        for (name, value) in values {
            self.taken.insert(name, value);
        }
        (run.took, self.jar) = (Some(Box::new(took)), run.jar.take());
        hiding = Site { secrets: self.taken.secrets(&request.secrets), ..request.clone() };
        run.site = &hiding;
        let mut seen = self.listener.run_with(Box::pin(run.judge(outcome))).await;
        self.deadline += clock().saturating_duration_since(exchanged);
        if seen.cause != Cause::Ok {
            seen.detail = clean_line(&format!("{}: {}", step.title(), seen.detail), DETAIL_MAX);
        }
        exclude_own_time(seen, self.absence(), request.timeout, request.expect.max_response_time)
    }

    /// Adds what was `seen` of `step`.
    fn add(&mut self, step: &Step, mut seen: Observation) {
        let mut all = std::mem::replace(&mut self.seen, Observation::failed(Cause::Ok, ""));
        let mut steps = all.steps.into_vec();
        steps.push(StepResult {
            step: step.name.to_string(),
            url: step.shown.to_string(),
            status: seen.status,
            phases: seen.phases,
            redirects: seen.hops.len(),
        });
        for phase in Phase::ALL {
            if let Some(spent) = seen.phases.get(phase) {
                all.phases.add(phase, spent);
            }
        }
        all.hops.append(&mut seen.hops);
        if let Some(shown) = seen.certificate.take() {
            keep_worse(&mut all.certificate, shown);
        }
        self.seen = Observation {
            phases: all.phases,
            flags: seen.flags.with(all.flags.without(Flags::REUSED)),
            bytes: all.bytes + seen.bytes,
            certificate: all.certificate,
            hops: all.hops,
            steps: steps.into(),
            ..seen
        };
    }

    fn fail(&mut self, failure: &Failure) {
        self.seen.cause = failure.cause;
        self.seen.detail = self.taken.secrets(&self.site.secrets).hidden_in(&failure.detail);
    }

    fn absence(&self) -> Absence {
        // Time lost while judging a body is not part of an exchange, but a stop has cut it short.
        Absence { stopped: self.listener.absence().stopped, lost: self.lost }
    }

    /// What came of all steps, of which `limit` is the longest response time.
    fn end(mut self, limit: Option<Duration>) -> Observation {
        // A later step may have taken what an earlier redirect shows.
        let secrets = self.taken.secrets(&self.site.secrets);
        for hop in &mut self.seen.hops {
            (hop.url, hop.location) = (secrets.hidden_in(&hop.url), secrets.hidden_in(&hop.location));
        }
        self.seen.domain = self.transport.domain_of(self.site);
        let absence = self.absence();
        exclude_own_time(self.seen, absence, self.site.timeout, limit)
    }
}
