//! The streams of a QUIC connection as h3 sees them, with a bound on the bytes of each.
//!
//! h3 keeps a frame until it is complete, however long it says it is. So what arrives is counted before h3 gets it: on the
//! request's stream by the [`Budget`] of the connection, on any other one, which carries settings alone, by one of its own. The
//! request's stream also loses its empty DATA frames ([`super::empty_data`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};

use crate::probe::io::budget::{Budget, HeadTooLarge};

use super::empty_data::WithoutEmptyData;

/// Bytes of one of the server's own streams.
const CONTROL_MAX: u64 = 64 * 1024;

type SendStream = h3_quinn::SendStream<Bytes>;
type BidiStream = h3_quinn::BidiStream<Bytes>;

/// Counts what arrives on a stream.
#[derive(Debug, Default)]
pub(super) struct Meter {
    budget: Arc<Budget>,
    has_ended: AtomicBool,
    is_cut: AtomicBool,
}

impl Meter {
    /// Counts by `budget`.
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, ..Self::default() }
    }

    fn of_control() -> Self {
        let meter = Self::default();
        meter.budget.give(CONTROL_MAX);
        meter
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether the server has said that nothing more comes.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Whether it said so within a frame.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }
}

/// A stream that a [`Meter`] counts.
pub(super) struct Metered<S> {
    stream: S,
    meter: Arc<Meter>,
    /// On the stream of a request.
    filter: Option<WithoutEmptyData>,
}

impl<S> Metered<S> {
    /// The stream of a request, counted by `meter`.
    fn of_request(stream: S, meter: &Arc<Meter>) -> Self {
        Self { stream, meter: Arc::clone(meter), filter: Some(WithoutEmptyData::default()) }
    }

    /// A stream of the server's own.
    fn of_server(stream: S) -> Self {
        Self { stream, meter: Arc::new(Meter::of_control()), filter: None }
    }
}

impl<S: quic::RecvStream<Buf = Bytes>> quic::RecvStream for Metered<S> {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        loop {
            if let Some(passed) = self.filter.as_mut().and_then(WithoutEmptyData::pop) {
                return Poll::Ready(Ok(Some(passed)));
            }
            if self.meter.has_ended() {
                return Poll::Ready(Ok(None));
            }
            if self.meter.budget.left() == 0 {
                return Poll::Ready(Err(StreamErrorIncoming::Unknown(Box::new(HeadTooLarge))));
            }
            let data = ready!(self.stream.poll_data(cx))?;
            match &data {
                Some(data) => self.meter.budget.take(data.len()),
                None => self.meter.has_ended.store(true, Ordering::Relaxed),
            }
            match (&mut self.filter, data) {
                (Some(filter), Some(data)) => filter.push(data),
                (Some(filter), None) => self.meter.is_cut.store(filter.finish(), Ordering::Relaxed),
                (None, data) => return Poll::Ready(Ok(data)),
            }
        }
    }

    fn stop_sending(&mut self, code: u64) {
        self.stream.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.stream.recv_id()
    }
}

impl quic::SendStream<Bytes> for Metered<BidiStream> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.stream.poll_ready(cx)
    }

    fn send_data<D: Into<WriteBuf<Bytes>>>(&mut self, data: D) -> Result<(), StreamErrorIncoming> {
        self.stream.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.stream.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.stream.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.stream.send_id()
    }
}

impl quic::BidiStream<Bytes> for Metered<BidiStream> {
    type SendStream = SendStream;
    type RecvStream = Metered<h3_quinn::RecvStream>;

    fn split(self) -> (SendStream, Self::RecvStream) {
        let (send, stream) = self.stream.split();
        (send, Metered { stream, meter: self.meter, filter: self.filter })
    }
}

/// A connection, or what opens its streams, on which each request's stream is counted by `meter`.
#[derive(Clone)]
pub(super) struct MeteredConnection<C> {
    pub(super) connection: C,
    pub(super) meter: Arc<Meter>,
}

impl<C> quic::OpenStreams<Bytes> for MeteredConnection<C>
where
    C: quic::OpenStreams<Bytes, BidiStream = BidiStream, SendStream = SendStream>,
{
    type BidiStream = Metered<BidiStream>;
    type SendStream = SendStream;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::BidiStream, StreamErrorIncoming>> {
        let stream = ready!(self.connection.poll_open_bidi(cx))?;
        Poll::Ready(Ok(Metered::of_request(stream, &self.meter)))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream, StreamErrorIncoming>> {
        self.connection.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.connection.close(code, reason);
    }
}

impl quic::Connection<Bytes> for MeteredConnection<h3_quinn::Connection> {
    type RecvStream = Metered<h3_quinn::RecvStream>;
    type OpenStreams = MeteredConnection<h3_quinn::OpenStreams>;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::RecvStream, ConnectionErrorIncoming>> {
        let stream = ready!(quic::Connection::<Bytes>::poll_accept_recv(&mut self.connection, cx))?;
        Poll::Ready(Ok(Metered::of_server(stream)))
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::BidiStream, ConnectionErrorIncoming>> {
        let stream = ready!(self.connection.poll_accept_bidi(cx))?;
        Poll::Ready(Ok(Metered::of_server(stream)))
    }

    fn opener(&self) -> Self::OpenStreams {
        let connection = quic::Connection::<Bytes>::opener(&self.connection);
        MeteredConnection { connection, meter: Arc::clone(&self.meter) }
    }
}
