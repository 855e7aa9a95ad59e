//! One QUIC connection, from the first datagram to the last.
//!
//! Nothing runs beside the probe: quinn's tasks are polled here ([`super::tasks`]). When a line is dropped, even half way through
//! its handshake, the server is told at once, and the socket is closed: QUIC would keep it for three more round trips.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use h3::error::Code;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, ConnectError, Connection, ConnectionError, Endpoint, EndpointConfig, VarInt};
use tokio::runtime::Handle;

use super::errors;
use super::limits;
use super::socket::Socket;
use super::tasks::Tasks;

pub(super) struct Line {
    endpoint: Endpoint,
    tasks: Tasks,
    pub(super) socket: Arc<Socket>,
    /// The handshake has ended well.
    is_open: bool,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Unopened {
    /// Nothing answers at the address.
    Unreached(io::Error),
    /// The handshake failed.
    Refused(ConnectionError),
    /// TLS cannot ask for this name.
    Name,
    /// The configuration of TLS does not suit QUIC.
    Config(String),
}

impl Line {
    /// A line to `server`, over which nothing is sent yet.
    async fn new(server: SocketAddr, heard: Arc<AtomicBool>, clock: fn() -> Instant) -> io::Result<Self> {
        let (socket, mut tasks) = (Socket::connect(server, heard).await?, Tasks::default());
        tasks.push(Arc::clone(&socket).watch());
        let (abstract_socket, runtime) = (Arc::clone(&socket) as _, tasks.runtime(clock));
        let config = EndpointConfig::default();
        let endpoint = Endpoint::new_with_abstract_socket(config, None, abstract_socket, runtime)?;
        Ok(Self { endpoint, tasks, socket, is_open: false })
    }

    /// Shakes hands with `server`, of which TLS knows the `name`.
    pub(super) async fn open(
        server: SocketAddr,
        name: &str,
        tls: rustls::ClientConfig,
        heard: Arc<AtomicBool>,
        clock: fn() -> Instant,
    ) -> Result<(Self, Connection), Unopened> {
        let tls = QuicClientConfig::try_from(tls).map_err(|error| Unopened::Config(error.to_string()))?;
        let mut config = ClientConfig::new(Arc::new(tls));
        config.transport_config(limits::transport());
        let mut line = Self::new(server, heard, clock).await.map_err(Unopened::Unreached)?;
        let mut connecting = line.endpoint.connect_with(config, server, name).map_err(|error| match error {
            ConnectError::InvalidServerName(_) => Unopened::Name,
            error => Unopened::Config(error.to_string()),
        })?;
        let opened = line.run_with(&mut connecting).await.map_err(Unopened::Unreached)?;
        line.is_open = true;
        Ok((line, opened.map_err(Unopened::Refused)?))
    }

    /// Polls `work`, and what it waits for. Ready with the error if the system knows that no more can come. On an open line that is
    /// a closed port or a server that sends too much; anything else may pass, as over TCP.
    pub(super) fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        work: Pin<&mut impl Future<Output = T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = self.tasks.poll_with(cx, work) {
            return Poll::Ready(Ok(done));
        }
        let fault = self.socket.take_fault().filter(|fault| !self.is_open || errors::is_final(fault));
        fault.map_or(Poll::Pending, |fault| Poll::Ready(Err(fault)))
    }

    /// Awaits `work` while the line is driven.
    pub(super) async fn run_with<T>(&mut self, work: impl Future<Output = T>) -> io::Result<T> {
        let mut work = pin!(work);
        poll_fn(|cx| self.poll_with(cx, work.as_mut())).await
    }

    /// Says goodbye, once.
    pub(super) fn close(&mut self) {
        // Without a runtime no timer can be polled, and no task waits for the goodbye.
        if Handle::try_current().is_err() {
            return;
        }
        let no_error = VarInt::from_u64(Code::H3_NO_ERROR.value()).expect("it has nine bits");
        self.endpoint.close(no_error, b"");
        self.tasks.poll(&mut Context::from_waker(Waker::noop()));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.close();
    }
}
