//! A simulated website: answers one HTTP/1.1 request per connection by the script.
//!
//! A client that disconnects early is normal and not reported. Bounds: [`CONNECTIONS_MAX`] connections over all websites (others
//! wait in the system's queue), [`HEAD_MAX`] bytes per request, [`CONNECTION_MAX`] per connection.

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

/// Open connections.
pub const CONNECTIONS_MAX: usize = 256;
const HEAD_MAX: usize = 16 << 10;
const CONNECTION_MAX: Duration = Duration::from_secs(10);
/// Pause after a failed accept, for instance without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The time since the start.
pub type Elapsed = Arc<dyn Fn() -> Duration + Send + Sync>;

/// A website on its listener.
pub struct Website {
    /// The site of the script.
    pub place: DemoSite,
    /// Present if it uses TLS.
    pub identity: Option<Arc<ServerConfig>>,
    /// The time since the start.
    pub elapsed: Elapsed,
    /// Requests so far.
    pub requests: AtomicU64,
}

impl Website {
    /// Serves the connections of `listener`, for ever.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, open: Arc<Semaphore>) {
        loop {
            let permit = Arc::clone(&open).acquire_owned().await.expect("this semaphore is never closed");
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let website = Arc::clone(&self);
            tokio::spawn(async move {
                // The client sees how a connection ends, so errors need no report.
                drop(tokio::time::timeout(CONNECTION_MAX, website.connection(stream)).await);
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
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
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
        // The client closes first, so that no byte is lost to a reset.
        let mut rest = [0; 512];
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    }
}

/// The path of the request, after its whole head; none for an incomplete or too long one.
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
