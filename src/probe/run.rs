//! One probe, from the first lookup to the judgement.
//!
//! The hops of a probe come one after the other over fresh connections; the phases of each add to the same
//! stopwatch. Bodies of redirects are not read. One deadline covers everything, permits included; when it
//! passes, the future of the probe is dropped where it stands, and the state beside it tells the phase that
//! hung. What the probe has learnt by then is kept.

use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use tokio::time::timeout_at;
use url::Position;

use super::certificate::Presented;
use super::connect::{connect, offline};
use super::exchange::{Answer, BodyRead, send};
use super::failure::Failure;
use super::judge::judge;
use super::redirect::Way;
use super::request::Request;
use super::stopwatch::Stopwatch;
use super::{HttpProber, Waiting};
use crate::model::{
    Cause, Certificate, Flags, Hop, Http, Micros, Observation, Phase, Site, Timestamp, figures, shown_url,
};

/// A certificate that expires within this time is worth a warning.
const EXPIRY_WARNING: Duration = Duration::from_hours(21 * 24);

/// Probes `site` once.
pub(super) async fn run(prober: &HttpProber, site: &Site) -> Observation {
    let deadline = (prober.clock)() + site.timeout;
    let mut run = Run {
        prober,
        site,
        watch: Stopwatch::new(prober.clock),
        waiting: None,
        body: BodyRead::default(),
        seen: Observation::failed(Cause::Ok, ""),
    };
    let outcome = timeout_at(deadline.into(), run.probe()).await;
    let outcome = outcome.unwrap_or_else(|_| Err(run.out_of_time()));
    run.finish(outcome)
}

/// A probe under way.
struct Run<'a> {
    prober: &'a HttpProber,
    site: &'a Site,
    watch: Stopwatch,
    waiting: Option<Waiting>,
    body: BodyRead,
    seen: Observation,
}

impl Run<'_> {
    async fn probe(&mut self) -> Result<(), Failure> {
        let mut request = Request::first(self.site)?;
        let mut way = Way::default();
        loop {
            let before = self.watch.phases().total();
            let answer = self.ask(&request).await?;
            let next = way.next(&request, answer.status, &answer.headers, self.site.max_redirects)?;
            let Some(next) = next else {
                self.watch.enter(Phase::Transfer);
                let (status, reason) = (answer.status, answer.reason.clone());
                answer.read_body(self.site.max_body, &mut self.body).await?;
                self.watch.stop();
                return judge(self.site, status, &reason);
            };
            self.watch.stop();
            let total = self.watch.phases().total().get() - before.get();
            let url = shown_url(&request.url);
            self.seen.hops.push(Hop { url, status: answer.status, total: Micros::new(total) });
            // What came is no longer the final answer, and that one may never come.
            (self.seen.status, self.seen.http) = (None, Http::None);
            request = next;
        }
    }

    /// One hop: everything up to the head of its answer.
    async fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let has_route = self.prober.has_route;
        let host = request.url.host().expect("a site and a followed redirect have a host");
        let port = request.url.port_or_known_default().expect("http and https have a port");
        let addresses = self.prober.resolve.addresses(&host, &mut self.watch, &mut self.waiting).await;
        let addresses = addresses.map_err(|failure| offline(&[], has_route).unwrap_or(failure))?;
        self.watch.enter(Phase::Connect);
        let tcp = connect(&addresses, port, &mut self.seen.address, has_route).await?;
        let uri = tls_uri(request)?;
        let shaken = self.prober.tls.handshake(tcp, uri, self.site.insecure, &mut self.watch, &mut self.waiting).await;
        if let Some(Presented { certificate: Some(certificate), at, .. }) = shaken.presented {
            self.keep(certificate, at);
        }
        let stream = shaken.stream?;
        self.watch.enter(Phase::Processing);
        let answer = send(stream, request).await?;
        self.seen.status = Some(answer.status);
        self.seen.http = answer.http;
        Ok(answer)
    }

    fn keep(&mut self, certificate: Arc<Certificate>, now: Timestamp) {
        if !certificate.faults.is_empty() || certificate.not_after < now.after(EXPIRY_WARNING) {
            self.seen.flags = self.seen.flags.with(Flags::CERTIFICATE);
        }
        self.seen.certificate = Some(certificate);
    }

    /// The failure of a probe whose deadline has passed.
    fn out_of_time(&self) -> Failure {
        let after = figures::duration(self.site.timeout);
        if let Some(waiting) = self.waiting {
            let for_what = match waiting {
                Waiting::Lookup => "one of the DNS lookups in flight to end",
                Waiting::Handshake => "one of the TLS handshakes in flight to end",
            };
            return Failure::new(Cause::Local, format!("waited {after} for {for_what}"));
        }
        let phase = self.watch.phase().expect("outside of waiting, time is always spent in a phase");
        let failure = Failure::new(Cause::timeout_in(phase), format!("timed out in {} after {after}", phase.name()));
        if phase != Phase::Resolve {
            return failure;
        }
        offline(&[], self.prober.has_route).unwrap_or_else(|| self.prober.resolve.silence(failure))
    }

    fn finish(mut self, outcome: Result<(), Failure>) -> Observation {
        self.watch.stop();
        self.seen.phases = self.watch.phases();
        self.seen.bytes = self.body.bytes;
        if self.body.capped {
            self.seen.flags = self.seen.flags.with(Flags::BODY_CAPPED);
        }
        if let Err(failure) = outcome {
            self.seen.cause = failure.cause;
            self.seen.detail = failure.detail;
        }
        self.seen
    }
}

/// Where the TLS of `request` goes: scheme and host, which is all that a handshake looks at.
fn tls_uri(request: &Request) -> Result<Uri, Failure> {
    Uri::try_from(&request.url[..Position::BeforePath])
        .map_err(|_| Failure::new(Cause::Local, "cannot send the request: HTTP forbids this host name"))
}
