//! An open WebSocket: sends a text, receives a message, closes.
//!
//! Pings are answered, unasked pongs ignored. Bounds: what the server sends besides the message, control frames and headers of
//! frames, is 256 KiB and a quarter of the message, by the [`Budget`] of the connection; the caller bounds the time.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::coop::consume_budget;

use crate::model::text::clean_line;
use crate::model::{Cause, Secret};
use crate::probe::body::received::BodyRead;
use crate::probe::failure::{Failure, broken_connection};
use crate::probe::io::budget::Budget;

use super::frame::{Decoder, Event, Sent, encode};
use super::handshake::random;

const PIECE: usize = 8 << 10;
/// Normal closure.
const NORMAL: u16 = 1000;
/// Longest reason of a server that is told, bytes.
const REASON_MAX: usize = 120;

pub(crate) struct Session<S> {
    stream: S,
    budget: Arc<Budget>,
    decoder: Decoder,
    /// What has come and is not decoded yet.
    read: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Over `stream`, which keeps to `budget`; keeps the first `max` bytes of a message.
    pub(crate) fn new(stream: S, budget: Arc<Budget>, max: u64) -> Self {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Self { stream, budget, decoder: Decoder::new(max), read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: &Secret) -> Result<(), Failure> {
        self.write(Sent::Text, text.expose().as_bytes()).await.map_err(|error| explain(&error, &self.budget))
    }

    /// Receives the first message into `into`, which is right also if this fails or is dropped half way.
    pub(crate) async fn receive(&mut self, into: &mut BodyRead) -> Result<(), Failure> {
        loop {
            match self.event(into).await? {
                Event::Message { is_text, is_cut } => {
                    into.kept = self.decoder.take_message();
                    into.is_capped = is_cut;
                    into.charset = is_text.then(|| "utf-8".to_owned());
                    return Ok(());
                }
                Event::Ping(payload) => {
                    self.write(Sent::Pong, &payload).await.map_err(|error| explain(&error, &self.budget))?;
                }
                Event::Close { code, reason } => return Err(closed(code, &reason)),
            }
        }
    }

    /// Says good-bye, and waits for the server to do so: it then ends the connection first, and takes nothing for an error.
    pub(crate) async fn close(mut self) {
        if self.write(Sent::Close, &NORMAL.to_be_bytes()).await.is_err() {
            return;
        }
        let mut rest = BodyRead::default();
        while let Ok(event) = self.event(&mut rest).await {
            // Messages that crossed with the close are of no interest.
            self.decoder.take_message();
            if matches!(event, Event::Close { .. } | Event::Message { is_cut: true, .. }) {
                break;
            }
        }
        // Only a courtesy.
        let _ended = self.stream.shutdown().await.is_ok();
    }

    async fn event(&mut self, into: &mut BodyRead) -> Result<Event, Failure> {
        loop {
            let mut rest = self.read.as_slice();
            let before = self.decoder.message().len();
            let event = self.decoder.next(&mut rest);
            let left = rest.len();
            self.read.drain(..self.read.len() - left);
            let message = self.decoder.message().len();
            self.budget.earn(message.saturating_sub(before) as u64);
            into.bytes = message as u64;
            let event = event
                .map_err(|malformed| Failure::new(Cause::BadResponse, format!("not a valid WebSocket: {malformed}")))?;
            if let Some(event) = event {
                return Ok(event);
            }
            self.fill().await.map_err(|error| explain(&error, &self.budget))?;
        }
    }

    /// Reads some more.
    async fn fill(&mut self) -> io::Result<()> {
        // A piece of one byte costs as much as one of thousands.
        consume_budget().await;
        self.read.reserve(PIECE);
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn write(&mut self, kind: Sent, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&encode(kind, payload, random())).await?;
        self.stream.flush().await
    }
}

fn explain(error: &io::Error, budget: &Budget) -> Failure {
    if budget.is_spent() {
        return Failure::new(Cause::BadResponse, "the server sends too much besides a message");
    }
    let failure = || Failure::new(Cause::Closed, format!("connection broken before a message ({error})"));
    broken_connection(error, "before a message").unwrap_or_else(failure)
}

fn closed(code: Option<u16>, reason: &str) -> Failure {
    let code = code.map_or_else(|| "without a code".to_owned(), |code| format!("with code {code}"));
    let reason = clean_line(reason, REASON_MAX);
    let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
    Failure::new(Cause::Closed, format!("the server closed the WebSocket before a message, {code}{reason}"))
}
