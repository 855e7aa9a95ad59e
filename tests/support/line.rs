//! One connection of a scripted server, with or without TLS.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection, with or without TLS.
pub(super) enum Line {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Line {
    /// The TCP connection under it.
    pub(super) fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_mut().0,
        }
    }

    /// Sends all of `bytes` at once.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// False at the end.
    pub(super) async fn read_more(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        let count = match self {
            Self::Plain(stream) => stream.read_buf(into).await?,
            Self::Tls(stream) => stream.read_buf(into).await?,
        };
        Ok(count > 0)
    }

    /// Until the client is gone.
    pub(super) async fn read_to_end(&mut self) {
        let mut unused = Vec::new();
        while self.read_more(&mut unused).await.unwrap_or(false) {
            unused.clear();
        }
    }

    /// Ends our side in order.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
        }
    }
}
