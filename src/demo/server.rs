//! A simulated website: reads a request, asks the script, answers over HTTP/1.1, one request a connection.
//!
//! Limits: [`OPEN_MAX`] connections at once over all websites (others wait in the system's queue), [`HEAD_MAX`] bytes of
//! request, [`LIFE`] a connection. A client that breaks off is normal and nobody is told.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::script::{DemoSite, Reply, answer};

/// Connections that are open at once.
pub const OPEN_MAX: usize = 256;
const HEAD_MAX: usize = 16 << 10;
const LIFE: Duration = Duration::from_secs(10);
/// A rest after the system refused a connection, for want of descriptors for instance.
const REST: Duration = Duration::from_millis(50);

/// The time since the start.
pub type Elapsed = Arc<dyn Fn() -> Duration + Send + Sync>;

/// A website on its listener.
pub struct Website {
    /// Which one.
    pub place: DemoSite,
    /// What it shows in a handshake, if it speaks TLS.
    pub identity: Option<Arc<ServerConfig>>,
    /// The time since the start.
    pub elapsed: Elapsed,
    /// Requests so far.
    pub asked: AtomicU64,
}

impl Website {
    /// Serves what comes to `listener`, for ever.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, open: Arc<Semaphore>) {
        loop {
            let permit = Arc::clone(&open).acquire_owned().await.expect("this semaphore is never closed");
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(REST).await;
                continue;
            };
            let website = Arc::clone(&self);
            tokio::spawn(async move {
                // However a connection ends, its client has seen what it was to see.
                drop(tokio::time::timeout(LIFE, website.connection(stream)).await);
                drop(permit);
            });
        }
    }

    async fn connection(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        match &self.identity {
            Some(identity) => self.converse(TlsAcceptor::from(Arc::clone(identity)).accept(stream).await?).await,
            None => self.converse(stream).await,
        }
    }

    async fn converse(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let Some(path) = read_path(&mut stream).await? else { return Ok(()) };
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let text = match answer(self.place, &path, number, (self.elapsed)()) {
            Reply::Silence => None,
            Reply::Status(status, after) => Some((response(self.place, status, None), after)),
            Reply::Redirect(to, after) => Some((response(self.place, 302, Some(to)), after)),
        };
        if let Some((text, after)) = text {
            tokio::time::sleep(after).await;
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await?;
        }
        // The client is to close last, so that it learns of every byte.
        let mut rest = [0; 512];
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    }
}

/// The path of the request, once its whole head is there; none for what is no request.
async fn read_path(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() >= HEAD_MAX || stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let head = String::from_utf8_lossy(&head);
    Ok(head.split(' ').nth(1).map(str::to_owned))
}

fn response(place: DemoSite, status: u16, location: Option<&str>) -> String {
    let phrase = match status {
        200 => "OK",
        302 => "Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        _ => "Service Unavailable",
    };
    let body = format!("<!doctype html><title>{}</title><p>{status} {phrase}\n", place.name());
    let mut text = format!("HTTP/1.1 {status} {phrase}\r\nServer: webmon demo\r\nContent-Type: text/html\r\n");
    if let Some(location) = location {
        write!(text, "Location: {location}\r\n").expect("writing to a String cannot fail");
    }
    write!(text, "Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .expect("writing to a String cannot fail");
    text
}
