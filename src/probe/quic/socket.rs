//! The UDP socket of one QUIC connection.
//!
//! The socket is connected: only so does the system report that the server's port is closed (ICMP), and nobody else's datagrams
//! arrive. QUIC itself has to ignore such reports (RFC 9000 §21.1.1.2), so they are kept here, and to quinn the datagram is lost.
//!
//! Bounds: the server may send as much around the content as over TLS ([`Budget`]); then nothing more is read.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::{Interest, ReadBuf};
use tokio::net::UdpSocket;

use crate::model::lock::lock;
use crate::probe::io::budget::{Budget, HeadTooLarge};

#[derive(Debug)]
pub(super) struct Socket {
    io: UdpSocket,
    server: SocketAddr,
    budget: Arc<Budget>,
    /// Whether any datagram has come, from any of the servers that are tried.
    heard: Arc<AtomicBool>,
    /// The first error of the system.
    fault: Mutex<Option<io::Error>>,
}

impl Socket {
    /// A socket to `server`; the first datagram that comes is noted in `heard`.
    pub(super) async fn connect(server: SocketAddr, heard: Arc<AtomicBool>) -> io::Result<Arc<Self>> {
        let any = match server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let io = UdpSocket::bind(any).await?;
        io.connect(server).await?;
        Ok(Arc::new(Self { io, server, budget: Arc::default(), heard, fault: Mutex::default() }))
    }

    /// The bytes that the server may still send.
    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Notes an error that the system reports between two datagrams. Reading does not wake up for it.
    pub(super) async fn watch(self: Arc<Self>) {
        if self.io.ready(Interest::ERROR).await.is_ok()
            && let Ok(Some(error)) = self.io.take_error()
        {
            self.fail(error);
        }
    }

    /// The first error since the last call.
    pub(super) fn take_fault(&self) -> Option<io::Error> {
        lock(&self.fault).take()
    }

    fn fail(&self, error: io::Error) {
        lock(&self.fault).get_or_insert(error);
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.io.try_send(transmit.contents) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Err(error) => self.fail(error),
            Ok(_) => {}
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) else { return Poll::Ready(Ok(0)) };
        loop {
            if self.budget.wire() == 0 {
                self.fail(io::Error::other(HeadTooLarge));
                return Poll::Pending;
            }
            let mut read = ReadBuf::new(buffer);
            match ready!(self.io.poll_recv(cx, &mut read)) {
                Ok(()) => {
                    let len = read.filled().len();
                    self.heard.store(true, Ordering::Relaxed);
                    self.budget.take_wire(len);
                    *meta = RecvMeta { addr: self.server, len, stride: len, ecn: None, dst_ip: None };
                    return Poll::Ready(Ok(1));
                }
                Err(error) => self.fail(error),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }
}

#[derive(Debug)]
struct Writable(Arc<Socket>);

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.io.poll_send_ready(cx)
    }
}
