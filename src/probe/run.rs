//! Runs one probe, from the first lookup to the judgement.
//!
//! One deadline covers the exchange, waiting for permits included; when it passes, the future of the exchange is dropped, and
//! the state beside it tells which phase was slow. Bodies of redirects are not read. Whatever the probe found out by then
//! counts. If webmon itself did not run meanwhile ([`super::pulse`]), nothing can be said about the site.
//!
//! Invariant: no observation has a total above the timeout and [`OVER_MAX`].

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::HeaderMap;
use tokio::time::timeout_at;
use url::Url;

use crate::model::{
    Cause, Certificate, Flags, Hop, Http, Micros, Observation, Phase, Phases, Protocol, Proxy, Site, Timestamp, figures,
};

use super::body::received::BodyRead;
use super::body::stream::{Live, StatusLine};
use super::body::{charset, excerpt};
use super::evidence;
use super::expectations::{WholeResponse, judge, judge_content};
use super::failure::Failure;
use super::http::exchange::ResponseHead;
use super::http::pool::{Peer, Purpose};
use super::http::redirect::RedirectChain;
use super::http::request::Request;
use super::http::unexpected_header;
use super::proxy::unreached;
use super::pulse::Absence;
use super::stopwatch::{Stopwatch, Waiting};
use super::tcp::connect::offline;
use super::tls::crypto::provider;
use super::tls::seed;
use super::transport::Transport;

/// How far a total may exceed the timeout: a timer that fires a little late.
const OVER_MAX: Duration = Duration::from_millis(100);

/// How long a server has to end a connection that is not needed any more.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// Longest excerpt of a body in the evidence, bytes.
const EXCERPT_MAX: usize = 2 << 10;

/// Probes `site` once.
pub(super) async fn run(transport: &Transport, site: &Site) -> Observation {
    if needs_random(site) {
        seed::ready(provider).await;
    }
    let deadline = (transport.clock)() + site.timeout;
    let mut run = ProbeRun::new(transport, site);
    let listener = transport.pulse.listen();
    let outcome = {
        // Pinned here, because a future that is passed on is stored twice.
        let probe = std::pin::pin!(timeout_at(deadline.into(), run.probe()));
        listener.run_with(probe).await
    };
    let absence = listener.absence();
    let outcome = match outcome {
        _ if !absence.stopped.is_zero() => Err(Failure::new(Cause::Local, "")),
        Ok(outcome) => outcome,
        Err(_) => {
            let failure = run.out_of_time();
            Err(match run.unreached {
                Some(proxy) => unreached(proxy, &failure),
                None => failure,
            })
        }
    };
    let mut seen = listener.run_with(Box::pin(run.finish(outcome, deadline))).await;
    seen.domain = site.domain.as_ref().and_then(|_| transport.domains.of(&site.name));
    // Time lost while judging the body is not part of the exchange, but a stop has cut it short.
    exclude_own_time(seen, Absence { stopped: listener.absence().stopped, ..absence }, site)
}

/// Whether a probe of `site` needs random numbers from its beginning: for TLS, or the key of a WebSocket.
pub(super) fn needs_random(site: &Site) -> bool {
    site.url.expose().scheme() == "https" || site.protocol == Protocol::WebSocket
}

/// Makes `seen` local if it is about webmon: the process was stopped meanwhile, or lost so much time that a late answer says
/// nothing about `site`, or the probe outlasted its timeout.
fn exclude_own_time(mut seen: Observation, absence: Absence, site: &Site) -> Observation {
    let total = seen.phases.total().as_duration();
    let over = total.saturating_sub(site.timeout);
    let is_in_doubt = match seen.cause {
        // The site had less than half of its time.
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
        format!("webmon noticed the end of the check {} too late", figures::duration(over))
    } else {
        return seen;
    };
    (seen.cause, seen.detail) = (Cause::Local, detail);
    (seen.phases, seen.status, seen.bytes, seen.evidence) = (Phases::NONE, None, 0, None);
    seen
}

/// The status of the final answer if the protocol has one, or why there is none.
pub(super) type Outcome = Result<Option<StatusLine>, Failure>;

/// What is left to do with a connection that is not needed any more.
pub(super) type Farewell = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A running probe.
pub(super) struct ProbeRun<'a> {
    pub(super) transport: &'a Transport,
    pub(super) site: &'a Site,
    pub(super) watch: Stopwatch,
    pub(super) seen: Observation,
    /// The other end of the present connection.
    pub(super) peer: Option<Peer>,
    /// The addresses of the site's own host, as they were judged.
    pub(super) addresses: Option<Arc<[IpAddr]>>,
    /// The proxy that is being reached, or refuses the check.
    pub(super) unreached: Option<&'a Proxy>,
    /// The headers of the last answer.
    pub(super) answered: Option<Box<HeaderMap>>,
    /// Where the last redirect led to.
    redirected: Option<Box<Url>>,
    pub(super) body: BodyRead,
    /// When the last of the body came, if its end is not to be seen.
    pub(super) heard: Option<Instant>,
    /// Ends the connection in order.
    pub(super) farewell: Option<Farewell>,
    /// Reads the body if it may not end.
    live: Option<Box<Live>>,
    /// Whether a server over QUIC has sent anything.
    #[cfg(feature = "http3")]
    pub(super) reached: Option<Arc<std::sync::atomic::AtomicBool>>,
}

impl<'a> ProbeRun<'a> {
    fn new(transport: &'a Transport, site: &'a Site) -> Self {
        let (watch, seen) = (Stopwatch::new(transport.clock), Observation::failed(Cause::Ok, ""));
        let (peer, addresses, unreached, answered, redirected) = (None, None, None, None, None);
        let (body, heard, farewell, live) = (BodyRead::default(), None, None, None);
        Self {
            transport,
            site,
            watch,
            seen,
            peer,
            addresses,
            unreached,
            answered,
            redirected,
            body,
            heard,
            farewell,
            live,
            #[cfg(feature = "http3")]
            reached: None,
        }
    }
}

impl ProbeRun<'_> {
    async fn probe(&mut self) -> Outcome {
        self.expect_records().await?;
        match self.site.protocol {
            Protocol::Http => self.request().await.map(Some),
            Protocol::WebSocket => Box::pin(self.open_websocket()).await.map(Some),
            Protocol::Bare => Box::pin(self.reach_port()).await.map(|()| None),
        }
    }

    async fn request(&mut self) -> Result<StatusLine, Failure> {
        let mut request = Request::first(self.site)?;
        let mut redirects = RedirectChain::default();
        loop {
            let before = self.watch.phases().total();
            let mut response = self.ask(&request).await?;
            let next = redirects.next(&request, response.status, &response.headers, self.site);
            self.watch.stop();
            let keep = if let Ok(None) = next { self.expect_body(&response)? } else { 0 };
            self.answered = Some(Box::new(std::mem::take(&mut response.headers)));
            let Some(next) = next? else {
                self.watch.enter(Phase::Transfer);
                let (status, reason) = (response.status, std::mem::take(&mut response.reason));
                let read = response.read_body(self.site.body_max(), keep, &mut self.body, self.live.as_deref_mut());
                let connection = read.await?;
                self.watch.stop_at(self.body.decided.unwrap_or_else(self.transport.clock));
                if let (true, Some(connection), Some(peer)) = (self.site.keep_alive, connection, self.peer.take()) {
                    let purpose = Purpose::new(self.site, &request.url);
                    self.transport.pool.put(self.site, connection, peer, purpose, (self.transport.clock)());
                }
                return Ok((status, reason));
            };
            let total = self.watch.phases().total().get() - before.get();
            let [url, location] = [&request, &next].map(|request| self.site.shown_target(&request.url));
            self.seen.hops.push(Hop { url, location, status: response.status, total: Micros::new(total) });
            // This was not the final answer, which may never come.
            (self.seen.status, self.seen.http, self.seen.address) = (None, Http::None, None);
            (self.seen.tls, self.answered, self.redirected) = (None, None, Some(Box::new(next.url.clone())));
            request = next;
        }
    }

    /// Prepares for the body of `response`; returns how many bytes of it to keep.
    fn expect_body(&mut self, response: &ResponseHead) -> Result<usize, Failure> {
        let asks_for_body = self.site.expect.asks_for_body();
        let is_right = self.site.expect.status.contains(response.status)
            && unexpected_header::unexpected(self.site, &response.headers).is_none();
        if is_right && !asks_for_body {
            return Ok(0);
        }
        self.body.expect_coded(&response.headers);
        if !asks_for_body {
            return Ok(excerpt::BEGINNING);
        }
        self.body.kind = charset::kind(&response.headers);
        let may_be_decided_early = !self.site.expect.body.needs_end() && self.body.codings.unsupported.is_none();
        if !response.has_length() && may_be_decided_early {
            let status_line = (response.status, response.reason.clone());
            let (expected, Transport { clock, .. }) = (&self.site.expect.body, self.transport);
            self.live = Some(Box::new(Live::new(status_line, &self.body, expected, &self.transport.patterns, *clock)?));
        }
        Ok(usize::MAX)
    }

    /// The final status, if the body met every expectation in time although it did not end; otherwise `timeout`.
    async fn decide(&mut self, timeout: Failure) -> Outcome {
        let now = (self.transport.clock)();
        if let Some(heard) = self.heard {
            return self.decide_heard(heard, now).await.map(|()| None);
        }
        let body = std::mem::take(&mut self.body.kept);
        let decided = match self.live.take() {
            Some(live) => live.decide(&self.transport.workers, &self.site.name, body).await,
            None => None,
        };
        let Some((at, status_line)) = decided else {
            self.watch.stop_at(now);
            return Err(timeout);
        };
        self.watch.stop_at(at);
        self.body.decided = Some(at);
        Ok(Some(status_line))
    }

    /// Keeps the certificate, as it is at `now`, unless an earlier hop presented a worse one.
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
        let now = (self.transport.clock)();
        let after = figures::duration(self.site.timeout);
        let timed_out = |phase: Phase, why: &str| {
            Failure::new(Cause::timeout_in(phase), format!("timed out in {} after {after}{why}", phase.name()))
        };
        let waited =
            |for_what: &str| Failure::new(Cause::Local, format!("waited {after} for {for_what} in flight to end"));
        match self.watch.waiting() {
            Some(Waiting::Lookup(since, answered)) if answered == self.transport.resolver.answered() => {
                self.watch.enter(Phase::Resolve);
                self.watch.book_measured(now.saturating_duration_since(since));
                self.explain_resolve(timed_out(Phase::Resolve, ": none of the DNS lookups in flight gets an answer"))
            }
            Some(Waiting::Lookup(..)) => waited("one of the DNS lookups"),
            Some(Waiting::Handshake) => waited("one of the TLS handshakes"),
            None => match self.watch.phase().expect("outside of waiting, time is always spent in a phase") {
                Phase::Resolve => self.explain_resolve(timed_out(Phase::Resolve, "")),
                phase => {
                    // The system does not tell open connections that the network is gone.
                    let address = self.seen.address.map(|address| address.ip());
                    let offline = offline(address.as_slice(), self.transport.has_route);
                    #[cfg(feature = "http3")]
                    let offline = offline.or_else(|| self.unheard(phase));
                    offline.unwrap_or_else(|| timed_out(phase, ""))
                }
            },
        }
    }

    /// The failure of a lookup that had no answer in time.
    fn explain_resolve(&self, timeout: Failure) -> Failure {
        offline(&[], self.transport.has_route).unwrap_or_else(|| self.transport.resolver.explain_silence(timeout))
    }

    async fn finish(mut self, outcome: Outcome, deadline: Instant) -> Observation {
        if let Some(farewell) = self.farewell.take() {
            let end = deadline.min((self.transport.clock)() + FAREWELL_MAX);
            // The server may be in no hurry.
            let _said = timeout_at(end.into(), farewell).await.is_ok();
        }
        let outcome = match outcome {
            Err(failure) if failure.cause == Cause::TransferTimeout => self.decide(failure).await,
            outcome => outcome,
        };
        self.watch.stop_by(deadline + OVER_MAX);
        self.seen.phases = self.watch.phases();
        self.seen.bytes = self.body.bytes;
        if self.body.is_capped {
            self.seen.flags = self.seen.flags.with(Flags::BODY_CAPPED);
        }
        let beginning = excerpt::beginning(&self.body);
        let outcome = match outcome {
            Ok(Some((status, reason))) => {
                let (body, total) = (std::mem::take(&mut self.body), self.seen.phases.total());
                let headers = self.answered.as_deref().expect("a status comes with headers");
                let response = WholeResponse { status, reason: &reason, headers, body, total };
                judge(self.transport, self.site, response).await
            }
            Ok(None) => {
                let (body, total) = (std::mem::take(&mut self.body), self.seen.phases.total());
                judge_content(self.transport, self.site, body, total).await
            }
            Err(failure) => Err(failure),
        };
        if self.transport.keeps_all_evidence || outcome.is_err() {
            self.keep_evidence(outcome.as_ref().err().map(|failure| failure.cause), &beginning);
        }
        if let Err(failure) = outcome {
            self.seen.cause = failure.cause;
            self.seen.is_proxy_closed = failure.cause == Cause::Local && self.unreached.is_some();
            self.seen.detail = self.site.secrets.hidden_in(&failure.detail);
        }
        self.seen
    }

    /// Keeps the head of the last answer, and the `beginning` of its body unless that was right.
    fn keep_evidence(&mut self, failure: Option<Cause>, beginning: &BodyRead) {
        let is_http = self.site.protocol == Protocol::Http;
        let headers = match self.answered.take() {
            Some(headers) => headers,
            None if !is_http && !beginning.kept.is_empty() => Box::default(),
            None => return,
        };
        let url = self.redirected.as_deref().unwrap_or_else(|| self.site.url.expose());
        let mut evidence = evidence::of(self.site, url, &headers);
        // What another protocol says is short, and nothing else tells what to expect of it.
        if failure.map_or(!is_http, |cause| cause != Cause::Slow) {
            evidence.body = excerpt::of_body(beginning, &self.site.secrets, EXCERPT_MAX);
        }
        self.seen.evidence = Some(Box::new(evidence));
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::probe::ProberOptions;

    #[allow(clippy::disallowed_methods, reason = "no test looks at the time")]
    fn clock() -> Instant {
        Instant::now()
    }

    fn transport(has_route: fn(IpAddr) -> bool, clock: fn() -> Instant) -> Transport {
        Transport::new(&ProberOptions { has_route, ..ProberOptions::default() }, clock, &mut Vec::new()).unwrap()
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

    /// For every cause and every reason for the time.
    #[test]
    fn no_total_is_above_the_timeout_and_what_is_ours_is_not_the_sites() {
        let site = site(Duration::from_secs(1));
        for cause in Cause::ALL.iter().copied() {
            for (total, stopped, is_own) in
                [(900, 0, false), (1_099, 0, false), (1_101, 0, true), (20_300, 0, true), (10, 2_500, true)]
            {
                let stopped = Duration::from_millis(stopped);
                let seen = exclude_own_time(seen(cause, total), Absence { stopped, lost: stopped }, &site);
                assert!(seen.phases.total().as_duration() <= site.timeout + OVER_MAX, "{cause:?}");
                assert_eq!(seen.cause, if is_own { Cause::Local } else { cause });
            }
        }
    }

    /// On a busy machine a check counts, unless the lost time may have made it fail.
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
            let seen = exclude_own_time(seen(cause, total), absence, &site);
            assert_eq!(seen.cause, if is_own { Cause::Local } else { cause }, "{cause:?}, {lost} ms lost");
        }
    }

    thread_local! {
        /// Whether this thread had drawn its first random byte when the clock was first read.
        static SEEDED: std::cell::Cell<Option<bool>> = const { std::cell::Cell::new(None) };
    }

    /// AWS-LC needs up to 180 ms for the first random byte of a process, which is not the site's time.
    #[tokio::test]
    async fn the_clock_of_a_check_over_tls_starts_after_the_seeding() {
        #[allow(clippy::disallowed_methods, reason = "no test looks at the time")]
        let noting = || {
            SEEDED.set(SEEDED.get().or(Some(seed::is_drawn())));
            Instant::now()
        };
        let transport = transport(|_| true, noting);
        SEEDED.set(None);
        let seen = run(&transport, &Site::new("a", "https://127.0.0.1:1/".parse().unwrap())).await;
        assert_eq!((seen.cause, SEEDED.get()), (Cause::ConnectRefused, Some(true)), "{seen:?}");
    }

    /// When the network goes during a check, the check stays in its phase, and the system reports nothing.
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
            let transport = transport(has_route, clock);
            let site = Site::new("a", "http://a.test/".parse().unwrap());
            let mut run = ProbeRun::new(&transport, &site);
            run.seen.address = Some((address, 80).into());
            run.watch.enter(phase);
            assert_eq!(run.out_of_time().cause, cause, "{address:?} {phase:?}");
        }
    }
}
