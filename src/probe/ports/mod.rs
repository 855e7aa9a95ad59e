//! Probes what is no page: a WebSocket, and a port with or without TLS.
//!
//! Names, connections, proxies and TLS are those of any probe. A WebSocket is up when its handshake is accepted and its first
//! message is as expected, if one is awaited. A bare port is up when it is reached; if something is sent or expected, it is read
//! until what came is as expected whatever follows, because most servers wait for the client then. What came is judged as the body
//! of an answer. Where the end has to be seen (something must not be there, JSON, `ok$`), it is read until the server closes or
//! the time is up: no silence before that tells whether a server has finished, and a banner may come in pieces.
//!
//! Bounds: `max_body` bytes, 16 MiB at most. Judging what a bare port said so far has the bounds of [`EarlyVerdict`]; beyond them
//! only the whole is judged.

use std::io;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::coop::consume_budget;
use tokio_util::either::Either;

use crate::model::{BODY_KEPT_MAX, Cause, HttpOffer, Phase, Secret};

use super::body::excerpt;
use super::body::stream::{EarlyVerdict, StatusLine};
use super::expectations::judge_content;
use super::failure::{Failure, broken_connection, chain};
use super::hop::Dialed;
use super::io::budget::Budget;
use super::run::ProbeRun;
use super::tls::client_auth::ClientCertRequest;
use super::tls::errors::alert_words;
use super::tls::terms::TlsTerms;
use super::websocket::handshake::Handshake;
use super::websocket::session::Session;

/// Bytes of one read.
const PIECE: usize = 8 << 10;
/// The status of an answer that accepts a handshake.
const SWITCHED: u16 = 101;

impl ProbeRun<'_> {
    /// Shakes hands for a WebSocket, and exchanges a message over it if one is awaited.
    pub(super) async fn open_websocket(&mut self) -> Result<StatusLine, Failure> {
        let handshake = Handshake::with(self.site)?;
        let response = self.ask_fresh(&handshake.request, HttpOffer::V11).await.map_err(|none| none.failure)?;
        let mut response = self.received(response, false);
        let answered = (self.transport.clock)();
        let status_line = (response.status, std::mem::take(&mut response.reason));
        let headers = self.answered.insert(Box::new(std::mem::take(&mut response.headers)));
        let max = self.site.max_body.min(BODY_KEPT_MAX);
        if response.status.get() != SWITCHED {
            self.body.expect_coded(headers);
            self.watch.enter(Phase::Transfer);
            response.read_body(max, excerpt::BEGINNING, &mut self.body, None).await?;
            self.watch.stop();
            return Ok(status_line);
        }
        handshake.judge(headers)?;
        let not_switched = || Failure::new(Cause::Closed, "connection closed after the WebSocket handshake");
        let (stream, budget) = response.switch().await.ok_or_else(not_switched)?;
        self.watch.stop_at(answered);
        let mut session = Session::new(stream, budget, max);
        if self.site.awaits_message() {
            self.watch.enter(Phase::Transfer);
            if let Some(text) = &self.site.send {
                session.send(text).await?;
            }
            session.receive(&mut self.body).await?;
            self.watch.stop();
        }
        self.farewell = Some(Box::pin(session.close()));
        Ok(status_line)
    }

    /// Connects to a port, and reads what comes if that is asked for.
    pub(super) async fn reach_port(&mut self) -> Result<(), Failure> {
        let (site, url) = (self.site, self.site.url.expose());
        // Compiled before anything is measured.
        for regex in site.expect.body.regex.iter().chain(&site.expect.body.not_regex) {
            self.transport.patterns.get(&regex.what)?;
        }
        let Dialed { mut stream, budget, cert_request, .. } =
            self.dial(url, TlsTerms::new(site, url, site.http)).await?;
        self.watch.stop();
        if site.awaits_message() {
            self.converse(&mut stream, &budget, cert_request).await?;
        }
        if let Either::Right(mut secured) = stream {
            // Without a word of TLS the server might take it for a broken connection.
            self.farewell = Some(Box::pin(async move { drop(secured.shutdown().await) }));
        }
        Ok(())
    }

    /// Sends what is to be sent, and reads until what comes is as expected for good, or ends.
    async fn converse<S>(&mut self, stream: &mut S, budget: &Budget, asked: ClientCertRequest) -> Result<(), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.watch.enter(Phase::Processing);
        if let Some(text) = &self.site.send {
            say(stream, text).await.map_err(|error| explain(&error, "before the answer", asked))?;
        }
        let (mut piece, max) = (vec![0; PIECE], self.site.max_body.min(BODY_KEPT_MAX));
        let expected = &self.site.expect.body;
        let mut early = EarlyVerdict::new(&self.body, expected, &self.transport.patterns, !expected.needs_end())?;
        loop {
            // A piece of one byte costs as much as one of thousands.
            consume_budget().await;
            let is_first = self.body.bytes == 0;
            let when = if is_first { "before the answer" } else { "during the answer" };
            let count = match stream.read(&mut piece).await {
                Ok(count) => count,
                // Many servers just close, without TLS's `close_notify`.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Err(error) => return Err(explain(&error, when, asked)),
            };
            if count == 0 && is_first {
                return Err(explain(&io::ErrorKind::UnexpectedEof.into(), when, asked));
            }
            if count == 0 {
                self.watch.stop();
                return Ok(());
            }
            if is_first {
                self.watch.enter(Phase::Transfer);
            }
            budget.take(count);
            let now = (self.transport.clock)();
            self.heard = Some(now);
            let room = usize::try_from(max - self.body.bytes).unwrap_or(usize::MAX);
            self.body.kept.extend_from_slice(&piece[..count.min(room)]);
            (self.body.bytes, self.body.is_capped) = (self.body.kept.len() as u64, count > room);
            if early.is_decided_by(&self.body.kept) {
                self.body.decided = Some(now);
            }
            if self.body.decided.is_some() || self.body.is_capped {
                self.watch.stop_at(now);
                return Ok(());
            }
        }
    }

    /// Judges all that a port said until its time was up at `now`; the last of it was `heard` then.
    pub(super) async fn decide_heard(&mut self, heard: Instant, now: Instant) -> Result<(), Failure> {
        let verdict = judge_content(self.transport, self.site, self.body.clone(), self.watch.phases().total()).await;
        self.watch.stop_at(if verdict.is_ok() { heard } else { now });
        self.body.decided = Some(heard);
        verdict
    }
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), text: &Secret) -> io::Result<()> {
    stream.write_all(text.expose().as_bytes()).await?;
    stream.flush().await
}

fn explain(error: &io::Error, when: &str, asked: ClientCertRequest) -> Failure {
    // With TLS 1.3 a server refuses or misses a client certificate only now.
    if let Some(rustls::Error::AlertReceived(alert)) = chain(error).find_map(|error| error.downcast_ref()) {
        return Failure::new(Cause::TlsError, format!("TLS: {}", alert_words(*alert, asked)));
    }
    let broken = || Failure::new(Cause::Closed, format!("connection broken {when} ({error})"));
    broken_connection(error, when).unwrap_or_else(broken)
}
