//! One probe, from the first lookup to the judgement.
//!
//! The hops of a probe come one after the other; the phases of each add to the same stopwatch. Bodies of redirects are
//! not read. One deadline covers the exchange, permits included; when it passes, the future of the probe is dropped where
//! it stands, and the state beside it tells the phase that hung. What the probe has learnt by then is kept. Where
//! webmon did not run meanwhile ([`super::pulse`]), nothing can be said of the site.
//!
//! Invariant: no observation has a total above the timeout and [`OVER_MAX`].

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use crate::model::{
    Cause, Certificate, Flags, Hop, Http, Micros, Observation, Phase, Phases, Site, Status, Timestamp, figures,
};

use super::body::content_coding::Packing;
use super::body::received::BodyRead;
use super::body::stream::Live;
use super::body::{charset, excerpt};
use super::expectations::{Whole, judge};
use super::failure::Failure;
use super::http::exchange::ResponseHead;
use super::http::pool::{Peer, Purpose};
use super::http::redirect::Way;
use super::http::request::Request;
use super::pulse::Absence;
use super::stopwatch::{Stopwatch, Waiting};
use super::tcp::connect::offline;
use super::tls::crypto::provider;
use super::tls::seed;
use super::{HttpProber, evidence};

/// What a total may be above the timeout: a timer that fires a little late.
const OVER_MAX: Duration = Duration::from_millis(100);

/// Longest beginning of a body that is kept as evidence, bytes.
const EXCERPT_MAX: usize = 512;

/// Probes `site` once.
pub(super) async fn run(prober: &HttpProber, site: &Site) -> Observation {
    if site.url.expose().scheme() == "https" {
        seed::ready(provider).await;
    }
    let deadline = (prober.clock)() + site.timeout;
    let mut run = ProbeRun::new(prober, site);
    let ear = prober.pulse.hear();
    let outcome = {
        // Pinned here, because what is handed on is kept twice.
        let probe = std::pin::pin!(timeout_at(deadline.into(), run.probe()));
        ear.beside(probe).await
    };
    let absence = ear.heard();
    let outcome = match outcome {
        _ if !absence.stopped.is_zero() => Err(Failure::new(Cause::Local, "")),
        Ok(outcome) => outcome,
        Err(_) => Err(run.out_of_time()),
    };
    let seen = ear.beside(Box::pin(run.finish(outcome, deadline))).await;
    // What is lost while the body is looked at is no time of the exchange, but a stop has cut it short.
    own(seen, Absence { stopped: ear.heard().stopped, ..absence }, site)
}

/// `seen`, unless it is a figure of ourselves: the process was stopped meanwhile, or it lost so much time that a failure in
/// time says nothing of `site`, or the probe outlasted its timeout.
fn own(mut seen: Observation, absence: Absence, site: &Site) -> Observation {
    let total = seen.phases.total().as_duration();
    let over = total.saturating_sub(site.timeout);
    let is_in_doubt = match seen.cause {
        // It had less than half of its time.
        cause if cause.is_timeout() => absence.lost > site.timeout / 2,
        Cause::Slow => {
            let limit = site.expect.max_response_time.unwrap_or(Duration::MAX);
            total.saturating_sub(absence.lost) <= limit
        }
        _ => false,
    };
    let detail = if !absence.stopped.is_zero() {
        format!("webmon did not run for {} during the check", figures::duration(absence.stopped))
    } else if is_in_doubt {
        format!("this machine was too busy for {} of the check", figures::duration(absence.lost))
    } else if over > OVER_MAX {
        format!("webmon came {} too late to the end of the check", figures::duration(over))
    } else {
        return seen;
    };
    (seen.cause, seen.detail) = (Cause::Local, detail);
    (seen.phases, seen.status, seen.bytes) = (Phases::NONE, None, 0);
    seen
}

/// A probe under way.
pub(super) struct ProbeRun<'a> {
    pub(super) prober: &'a HttpProber,
    pub(super) site: &'a Site,
    pub(super) watch: Stopwatch,
    pub(super) waiting: Option<Waiting>,
    pub(super) seen: Observation,
    /// The other end of the present connection.
    pub(super) peer: Option<Peer>,
    body: BodyRead,
    /// The body, where it may not end.
    live: Option<Box<Live>>,
}

/// The status of a whole answer, and what the server called it.
type Answered = (Status, Cow<'static, str>);

impl<'a> ProbeRun<'a> {
    fn new(prober: &'a HttpProber, site: &'a Site) -> Self {
        Self {
            prober,
            site,
            watch: Stopwatch::new(prober.clock),
            waiting: None,
            body: BodyRead::default(),
            seen: Observation::failed(Cause::Ok, ""),
            peer: None,
            live: None,
        }
    }
}

impl ProbeRun<'_> {
    async fn probe(&mut self) -> Result<Answered, Failure> {
        let mut request = Request::first(self.site)?;
        let mut way = Way::default();
        loop {
            let before = self.watch.phases().total();
            let mut answer = self.ask(&request).await?;
            if self.prober.evidence {
                self.seen.evidence = Some(Box::new(evidence::of(self.site, &request.url, &answer.headers)));
            }
            let next = way.next(&request, answer.status, &answer.headers, self.site)?;
            let Some(next) = next else {
                self.watch.stop();
                let keep = self.expect_body(&answer)?;
                self.watch.enter(Phase::Transfer);
                let (status, reason) = (answer.status, std::mem::take(&mut answer.reason));
                let link =
                    answer.read_body(self.site.body_max(), keep, &mut self.body, self.live.as_deref_mut()).await?;
                self.watch.stop_at(self.body.decided.unwrap_or_else(self.prober.clock));
                if let (true, Some(link), Some(peer)) = (self.site.keep_alive, link, self.peer.take()) {
                    let purpose = Purpose::new(self.site, &request.url);
                    self.prober.pool.put(self.site, link, peer, purpose, (self.prober.clock)());
                }
                return Ok((status, reason));
            };
            self.watch.stop();
            let total = self.watch.phases().total().get() - before.get();
            let [url, location] = [&request, &next].map(|asked| self.site.shown_target(&asked.url));
            self.seen.hops.push(Hop { url, location, status: answer.status, total: Micros::new(total) });
            // What came is no longer the final answer, and that one may never come.
            (self.seen.status, self.seen.http, self.seen.address, self.seen.evidence) = (None, Http::None, None, None);
            request = next;
        }
    }

    /// Prepares for the body of `answer`; whether it is to be kept.
    fn expect_body(&mut self, answer: &ResponseHead) -> Result<bool, Failure> {
        if !self.site.expect.asks_for_body() {
            return Ok(false);
        }
        self.body.packing = Packing::of(&answer.headers);
        self.body.charset = charset::declared(&answer.headers);
        self.body.kind = charset::kind(&answer.headers);
        if !answer.has_length() && self.body.packing.not_read.is_none() {
            let answered = (answer.status, answer.reason.clone());
            let live = Live::new(answered, &answer.headers, &self.body, self.prober, &self.site.expect)?;
            self.live = Some(Box::new(live));
        }
        Ok(true)
    }

    /// The answer, should its body have met every expectation in time although it did not end.
    async fn decided(&mut self, timeout: Failure) -> Result<Answered, Failure> {
        let now = (self.prober.clock)();
        let body = std::mem::take(&mut self.body.kept);
        let decided = match self.live.take() {
            Some(live) => live.decided(self.prober, self.site, body).await,
            None => None,
        };
        let Some((at, answered)) = decided else {
            self.watch.stop_at(now);
            return Err(timeout);
        };
        self.watch.stop_at(at);
        self.body.decided = Some(at);
        Ok(answered)
    }

    /// Keeps what a server showed, as it looks at `now`, unless an earlier one of this probe showed worse.
    pub(super) fn keep_certificate(&mut self, certificate: Arc<Certificate>, now: Timestamp) {
        if !certificate.faults.is_empty() || certificate.not_after < now.after(self.site.tls.warn) {
            self.seen.flags = self.seen.flags.with(Flags::CERTIFICATE);
        }
        let urgency = |shown: &Certificate| (shown.faults.is_empty(), shown.not_after);
        if self.seen.certificate.as_ref().is_none_or(|before| urgency(&certificate) <= urgency(before)) {
            self.seen.certificate = Some(certificate);
        }
    }

    /// The failure of a probe whose deadline has passed.
    fn out_of_time(&mut self) -> Failure {
        let now = (self.prober.clock)();
        let after = figures::duration(self.site.timeout);
        let timed_out = |phase: Phase, how: &str| {
            Failure::new(Cause::timeout_in(phase), format!("timed out in {} after {after}{how}", phase.name()))
        };
        match self.waiting {
            Some(Waiting::Lookup(since, answered)) if answered == self.prober.resolve.answered() => {
                self.watch.enter(Phase::Resolve);
                self.watch.book_measured(now.saturating_duration_since(since));
                self.of_names(timed_out(Phase::Resolve, ": none of the DNS lookups in flight gets an answer"))
            }
            Some(waiting) => {
                let for_what = match waiting {
                    Waiting::Lookup(..) => "one of the DNS lookups in flight to end",
                    Waiting::Handshake => "one of the TLS handshakes in flight to end",
                };
                Failure::new(Cause::Local, format!("waited {after} for {for_what}"))
            }
            None => match self.watch.phase().expect("outside of waiting, time is always spent in a phase") {
                Phase::Resolve => self.of_names(timed_out(Phase::Resolve, "")),
                phase => {
                    // When the network goes, the system does not say so to connections under way.
                    let address = self.seen.address.map(|address| address.ip());
                    offline(address.as_slice(), self.prober.has_route).unwrap_or_else(|| timed_out(phase, ""))
                }
            },
        }
    }

    /// What running out of time without an answer from a name server was.
    fn of_names(&self, timeout: Failure) -> Failure {
        offline(&[], self.prober.has_route).unwrap_or_else(|| self.prober.resolve.silence(timeout))
    }

    async fn finish(mut self, outcome: Result<Answered, Failure>, deadline: Instant) -> Observation {
        let outcome = match outcome {
            Err(failure) if failure.cause == Cause::TransferTimeout => self.decided(failure).await,
            outcome => outcome,
        };
        self.watch.stop_by(deadline + OVER_MAX);
        self.seen.phases = self.watch.phases();
        self.seen.bytes = self.body.bytes;
        if self.body.capped {
            self.seen.flags = self.seen.flags.with(Flags::BODY_CAPPED);
        }
        let outcome = match outcome {
            Ok((status, reason)) => {
                let (body, total) = (std::mem::take(&mut self.body), self.seen.phases.total());
                let beginning = self.seen.evidence.as_ref().map(|_| excerpt::beginning(&body));
                let verdict = judge(self.prober, self.site, Whole { status, reason: &reason, body, total }).await;
                if let (Err(Failure { cause: Cause::Body, .. }), Some(evidence), Some(beginning)) =
                    (&verdict, &mut self.seen.evidence, beginning)
                {
                    evidence.body = excerpt::of_body(&beginning, &self.site.secrets, EXCERPT_MAX);
                }
                verdict
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = outcome {
            self.seen.cause = failure.cause;
            self.seen.detail = self.site.secrets.hidden_in(&failure.detail);
        }
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ProberOptions;

    #[allow(clippy::disallowed_methods, reason = "no test looks at the time")]
    fn clock() -> Instant {
        Instant::now()
    }

    fn site(timeout: Duration) -> Site {
        let mut site = Site::new("a", "http://a.test/".parse().unwrap());
        (site.timeout, site.expect.max_response_time) = (timeout, Some(Duration::from_millis(500)));
        site
    }

    fn seen(cause: Cause, total: u32) -> Observation {
        let mut seen = Observation::failed(cause, "");
        seen.phases.add(Phase::Processing, Micros::new(total * 1_000));
        seen
    }

    /// Whatever the cause, and whichever way the time passed.
    #[test]
    fn no_total_is_above_the_timeout_and_what_is_ours_is_not_the_sites() {
        let site = site(Duration::from_secs(1));
        for cause in Cause::ALL.iter().copied() {
            for (total, stopped, is_own) in
                [(900, 0, false), (1_099, 0, false), (1_101, 0, true), (20_300, 0, true), (10, 2_500, true)]
            {
                let stopped = Duration::from_millis(stopped);
                let seen = own(seen(cause, total), Absence { stopped, lost: stopped }, &site);
                assert!(seen.phases.total().as_duration() <= site.timeout + OVER_MAX, "{cause:?}");
                assert_eq!(seen.cause, if is_own { Cause::Local } else { cause });
            }
        }
    }

    /// On a busy machine a check counts, unless the time that was lost may be what made it fail.
    #[test]
    fn a_busy_machine_takes_no_answer_for_its_own_and_no_time_of_its_own_for_the_sites() {
        let site = site(Duration::from_secs(1));
        for (cause, total, lost, is_own) in [
            (Cause::Ok, 950, 940, false),
            (Cause::Status, 950, 940, false),
            (Cause::ConnectRefused, 950, 940, false),
            (Cause::ResponseTimeout, 1_000, 300, false),
            (Cause::ResponseTimeout, 1_000, 600, true),
            (Cause::DnsTimeout, 900, 600, true),
            (Cause::Slow, 800, 200, false),
            (Cause::Slow, 800, 310, true),
        ] {
            let absence = Absence { stopped: Duration::ZERO, lost: Duration::from_millis(lost) };
            let seen = own(seen(cause, total), absence, &site);
            assert_eq!(seen.cause, if is_own { Cause::Local } else { cause }, "{cause:?}, {lost} ms lost");
        }
    }

    thread_local! {
        /// Whether this thread had drawn its first random byte when the clock was first read since it was set.
        static SEEDED: std::cell::Cell<Option<bool>> = const { std::cell::Cell::new(None) };
    }

    /// AWS-LC needs up to 180 ms for the first random byte of a process, which are no time of the site's.
    #[tokio::test]
    async fn the_clock_of_a_check_over_tls_starts_after_the_seeding() {
        #[allow(clippy::disallowed_methods, reason = "no test looks at the time")]
        let noting = || {
            SEEDED.set(SEEDED.get().or(Some(seed::is_drawn())));
            Instant::now()
        };
        let prober =
            HttpProber::with(&ProberOptions { has_route: |_| true, ..ProberOptions::default() }, noting).unwrap();
        SEEDED.set(None);
        let seen = run(&prober, &Site::new("a", "https://127.0.0.1:1/".parse().unwrap())).await;
        assert_eq!((seen.cause, SEEDED.get()), (Cause::ConnectRefused, Some(true)), "{seen:?}");
    }

    /// A network that goes while a check is under way leaves it in the phase it was in, without a word from the system.
    #[tokio::test]
    async fn a_check_that_hangs_says_nothing_of_the_site_when_the_network_is_gone() {
        for (has_route, address, phase, cause) in [
            ((|_| false) as fn(_) -> bool, [192, 0, 2, 1], Phase::Connect, Cause::Local),
            (|_| false, [192, 0, 2, 1], Phase::Tls, Cause::Local),
            (|_| false, [192, 0, 2, 1], Phase::Processing, Cause::Local),
            (|_| false, [192, 0, 2, 1], Phase::Transfer, Cause::Local),
            (|_| false, [127, 0, 0, 1], Phase::Processing, Cause::ResponseTimeout),
            (|_| true, [192, 0, 2, 1], Phase::Processing, Cause::ResponseTimeout),
            (|_| true, [192, 0, 2, 1], Phase::Connect, Cause::ConnectTimeout),
        ] {
            let prober = HttpProber::with(&ProberOptions { has_route, ..ProberOptions::default() }, clock).unwrap();
            let site = Site::new("a", "http://a.test/".parse().unwrap());
            let mut run = ProbeRun::new(&prober, &site);
            run.seen.address = Some((address, 80).into());
            run.watch.enter(phase);
            assert_eq!(run.out_of_time().cause, cause, "{address:?} {phase:?}");
        }
    }
}
