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
    Cause, Certificate, Flags, Hop, Http, Micros, Observation, Phase, Protocol, Proxy, Site, Timestamp, figures,
};

use super::body::received::BodyRead;
use super::body::stream::{Live, StatusLine};
use super::body::{charset, excerpt};
use super::evidence;
use super::expectations::{Took, WholeResponse, judge, judge_content};
use super::failure::Failure;
use super::http::cookies::Jar;
use super::http::exchange::ResponseHead;
use super::http::pool::{Peer, Purpose};
use super::http::redirect::RedirectChain;
use super::http::request::Request;
use super::http::unexpected_header;
use super::own_time::{OVER_MAX, exclude_own_time};
use super::proxy::unreached;
use super::pulse::{Absence, PulseListener};
use super::stopwatch::{Stopwatch, Waiting};
use super::tcp::connect::offline;
use super::tls::crypto::provider;
use super::tls::seed;
use super::transport::Transport;

/// How long a server has to end a connection that is not needed any more.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// Longest excerpt of a body in the evidence, bytes.
const EXCERPT_MAX: usize = 2 << 10;

/// Probes `site`, which has one request, once.
pub(super) async fn run(transport: &Transport, site: &Site) -> Observation {
    ready(site).await;
    let mut run = ProbeRun::new(transport, site, (transport.clock)() + site.timeout);
    let listener = transport.pulse.listen();
    let outcome = run.exchange(&listener).await;
    let absence = listener.absence();
    let mut seen = listener.run_with(Box::pin(run.finish(outcome))).await;
    seen.domain = transport.domain_of(site);
    // Time lost while judging the body is not part of the exchange, but a stop has cut it short.
    let absence = Absence { stopped: listener.absence().stopped, ..absence };
    exclude_own_time(seen, absence, site.timeout, site.expect.max_response_time)
}

/// Waits until a probe of `site` can begin.
pub(super) async fn ready(site: &Site) {
    if needs_random(site) {
        seed::ready(provider).await;
    }
}

/// Whether a probe of `site` needs random numbers from its beginning: for TLS, or the key of a WebSocket.
pub(super) fn needs_random(site: &Site) -> bool {
    site.is_https() || site.protocol == Protocol::WebSocket
}

/// Replaces `kept` by `shown` unless that is the better one: without faults, or with more time left.
pub(super) fn keep_worse(kept: &mut Option<Arc<Certificate>>, shown: Arc<Certificate>) {
    let urgency = |shown: &Certificate| (shown.faults.is_empty(), shown.not_after);
    if kept.as_ref().is_none_or(|before| urgency(&shown) <= urgency(before)) {
        *kept = Some(shown);
    }
}

/// The status of the final answer if the protocol has one, or why there is none.
pub(super) type Outcome = Result<Option<StatusLine>, Failure>;

/// What is left to do with a connection that is not needed any more.
pub(super) type Farewell = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A running probe.
pub(super) struct ProbeRun<'a> {
    pub(super) transport: &'a Transport,
    pub(super) site: &'a Site,
    deadline: Instant,
    pub(super) watch: Stopwatch,
    /// Boxed, because starting a probe moves its state several times.
    pub(super) seen: Box<Observation>,
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
    /// The cookies of the steps before, and then also of this one; none for the only request of a site, unless it is redirected.
    pub(super) jar: Option<Box<Jar>>,
    /// What a step took from the answer.
    pub(super) took: Option<Box<Took>>,
}

impl<'a> ProbeRun<'a> {
    /// A probe of `site` until `deadline`.
    pub(super) fn new(transport: &'a Transport, site: &'a Site, deadline: Instant) -> Self {
        let (watch, seen) = (Stopwatch::new(transport.clock), Box::new(Observation::failed(Cause::Ok, "")));
        let (peer, addresses, unreached, answered, redirected) = (None, None, None, None, None);
        let (body, heard, farewell, live, jar, took) = (BodyRead::default(), None, None, None, None, None);
        Self {
            transport,
            site,
            deadline,
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
            jar,
            took,
        }
    }
}

impl ProbeRun<'_> {
    /// Sends the request and follows its redirects until the deadline.
    pub(super) async fn exchange(&mut self, listener: &PulseListener<'_>) -> Outcome {
        let turns = self.watch.turns();
        let outcome = {
            // Pinned here, because a future that is passed on is stored twice.
            let probe = std::pin::pin!(timeout_at(self.deadline.into(), self.probe()));
            // The pulse wakes it as well, and has nothing to do with the site.
            listener.run_with(turns.take(probe)).await
        };
        match outcome {
            _ if !listener.absence().stopped.is_zero() => Err(Failure::new(Cause::Local, "")),
            Ok(outcome) => outcome,
            Err(_) => {
                let failure = self.out_of_time();
                Err(match self.unreached {
                    Some(proxy) => unreached(proxy, &failure),
                    None => failure,
                })
            }
        }
    }

    async fn probe(&mut self) -> Outcome {
        self.expect_records().await?;
        match self.site.protocol {
            Protocol::Http => self.request().await.map(Some),
            Protocol::WebSocket => Box::pin(self.open_websocket()).await.map(Some),
            Protocol::Bare => Box::pin(self.reach_port()).await.map(|()| None),
        }
    }

    async fn request(&mut self) -> Result<StatusLine, Failure> {
        let mut redirects = RedirectChain::with_cookies(self.jar.take());
        let mut request = redirects.begin(Request::first(self.site)?);
        loop {
            let before = self.watch.phases().total();
            let mut response = self.ask(&request).await?;
            let next = redirects.next(&request, response.status, &response.headers, self.site);
            self.watch.stop();
            let keep = if let Ok(None) = next { self.expect_body(&response)? } else { 0 };
            self.answered = Some(Box::new(std::mem::take(&mut response.headers)));
            let Some(next) = next? else {
                self.jar = redirects.end(&request, self.answered.as_deref());
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
        keep_worse(&mut self.seen.certificate, certificate);
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
        let Transport { resolver, has_route, .. } = self.transport;
        match resolver.explain_offline(timeout, *has_route) {
            timeout if timeout.cause == Cause::DnsTimeout => resolver.explain_silence(timeout),
            offline => offline,
        }
    }

    async fn finish(mut self, outcome: Outcome) -> Observation {
        let outcome = self.settle(outcome).await;
        self.judge(outcome).await
    }

    /// The outcome of an exchange that began with `outcome`, and its figures.
    pub(super) async fn settle(&mut self, outcome: Outcome) -> Outcome {
        if let Some(farewell) = self.farewell.take() {
            let end = self.deadline.min((self.transport.clock)() + FAREWELL_MAX);
            // The server may be in no hurry.
            let _said = timeout_at(end.into(), farewell).await.is_ok();
        }
        let outcome = match outcome {
            Err(failure) if failure.cause == Cause::TransferTimeout => self.decide(failure).await,
            outcome => outcome,
        };
        self.watch.stop_by(self.deadline + OVER_MAX);
        self.seen.phases = self.watch.phases();
        self.seen.bytes = self.body.bytes;
        if self.body.is_capped {
            self.seen.flags = self.seen.flags.with(Flags::BODY_CAPPED);
        }
        outcome
    }

    /// Judges the answer, and keeps evidence of a failure.
    pub(super) async fn judge(mut self, outcome: Outcome) -> Observation {
        let beginning = excerpt::beginning(&self.body);
        let outcome = match outcome {
            Ok(Some((status, reason))) => {
                let (body, total) = (std::mem::take(&mut self.body), self.seen.phases.total());
                let headers = self.answered.as_deref().expect("a status comes with headers");
                let untaken = self.took.as_mut().and_then(|took| took.failure.take());
                let taken = untaken.map_or(Ok(()), Err);
                let response = WholeResponse { status, reason: &reason, headers, taken, body, total };
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
        *self.seen
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
        let is_quotable = self.took.as_ref().is_none_or(|took| took.is_quotable);
        // What another protocol says is short, and nothing else tells what to expect of it.
        if failure.map_or(!is_http, |cause| cause != Cause::Slow) && is_quotable {
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
            let mut run = ProbeRun::new(&transport, &site, clock());
            run.seen.address = Some((address, 80).into());
            run.watch.enter(phase);
            assert_eq!(run.out_of_time().cause, cause, "{address:?} {phase:?}");
        }
    }
}
