//! A cheap loopback server for measuring clients, which can log the time of each request.
//!
//! It runs in one thread of the bench, so the figures of the client, another process, exclude it. `/` answers at once,
//! `/hostile/N` misbehaves in the Nth way. If a request asks to close the connection, the server closes first.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// Number of ways to misbehave.
pub const HOSTILE: usize = 10;
/// The kinds of HTTP/2 floods.
pub const FLOODS: [&str; 7] = [
    "settings",
    "pings",
    "continuations",
    "provisional heads",
    "pings in the body",
    "data of no byte",
    "data of one byte",
];

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    asked: AtomicU64,
    /// Path and time of each request, if logged.
    arrivals: Mutex<Option<Vec<(String, Instant)>>>,
}

impl Server {
    /// Listens on a free port of every loopback address, over TLS with `tls`; logs arrivals with `log`.
    pub fn start(tls: Option<Arc<rustls::ServerConfig>>, log: bool) -> Self {
        let listener = StdListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port is free");
        listener.set_nonblocking(true).expect("it can");
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listener.local_addr().expect("bound").port());
        let shared = Arc::new(Log { arrivals: Mutex::new(log.then(Vec::new)), ..Log::default() });
        let log = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(accept(listener, tls.map(TlsAcceptor::from), log));
        });
        Self { address, log: shared }
    }

    /// Number of requests so far.
    pub fn asked(&self) -> u64 {
        self.log.asked.load(Ordering::Relaxed)
    }

    /// Takes the arrivals logged so far.
    pub fn take_arrivals(&self) -> Vec<(String, Instant)> {
        self.log.arrivals.lock().expect("no panics").as_mut().map(std::mem::take).unwrap_or_default()
    }
}

async fn accept(listener: StdListener, tls: Option<TlsAcceptor>, log: Arc<Log>) {
    let listener = TcpListener::from_std(listener).expect("it listens");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, log) = (tls.clone(), Arc::clone(&log));
        tokio::spawn(async move {
            drop(stream.set_nodelay(true));
            match tls {
                None => drop(serve(stream, &log).await),
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        drop(serve(stream, &log).await);
                    }
                }
            }
        });
    }
}

#[allow(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, log: &Log) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        log.asked.fetch_add(1, Ordering::Relaxed);
        let text = String::from_utf8_lossy(&head);
        let path = text.split(' ').nth(1).unwrap_or_default();
        if let Some(arrivals) = log.arrivals.lock().expect("no panics").as_mut() {
            arrivals.push((path.to_owned(), Instant::now()));
        }
        if let Some(way) = path.strip_prefix("/hostile/").and_then(|way| way.parse::<usize>().ok()) {
            return misbehave(stream, way % HOSTILE).await;
        }
        stream.write_all(OK).await?;
        if text.contains("onnection: close") {
            return stream.shutdown().await;
        }
    }
}

/// Starts a server that floods each connection with kind `way` of [`FLOODS`], over HTTP/2 without TLS.
pub fn flooding(way: usize) -> SocketAddr {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.set_nonblocking(true).expect("it can");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("it listens");
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                tokio::spawn(async move { drop(flood(stream, way).await) });
            }
        });
    });
    address
}

async fn flood(mut stream: TcpStream, way: usize) -> std::io::Result<()> {
    let head = |status: &[u8]| frame(1, 4, 1, status);
    let (first, flood) = match way {
        0 => (Vec::new(), frame(4, 0, 0, &[])),
        1 => (Vec::new(), frame(6, 0, 0, b"12345678")),
        2 => (frame(1, 0, 1, b"\x88"), frame(9, 0, 1, &[])),
        3 => (Vec::new(), head(b"\x08\x03103")),
        4 => (head(b"\x88"), frame(6, 0, 0, b"12345678")),
        5 => (head(b"\x88"), frame(0, 0, 1, &[])),
        _ => (head(b"\x88"), frame(0, 0, 1, b"x")),
    };
    // Preface, settings and head make up the request, in one packet or two.
    let mut asked = Vec::new();
    while asked.len() < 64 {
        if stream.read_buf(&mut asked).await? == 0 {
            return Ok(());
        }
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    stream.write_all(&[frame(4, 0, 0, &[]), first].concat()).await?;
    let flood = flood.repeat(5_000);
    loop {
        stream.write_all(&flood).await?;
    }
}

/// An HTTP/2 frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("payloads here are short");
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

async fn misbehave(mut stream: impl AsyncRead + AsyncWrite + Unpin, way: usize) -> std::io::Result<()> {
    let body = "HTTP/1.1 200 OK\r\n\r\n";
    let (first, flood): (String, Vec<u8>) = match way {
        0 => (String::new(), b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(200)),
        1 => (body.to_owned(), vec![b'x'; 64 * 1024]),
        2 => ("HTTP/1.1 200 OK\r\n".to_owned(), b"X: y\r\n".repeat(500)),
        3 => ("HTTP/1.1 200 OK\r\nX: ".to_owned(), vec![b'y'; 16 * 1024]),
        4 => ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), b"1\r\nx\r\n".repeat(1_000)),
        5 => ("garbage\r\n\r\n".to_owned(), Vec::new()),
        6 => ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_owned(), Vec::new()),
        7 => (format!("HTTP/1.1 302 Found\r\nLocation: /hostile/7{}\r\n\r\n", "?".repeat(9)), Vec::new()),
        8 => {
            // One byte at a time until the client closes.
            for byte in body.bytes().cycle() {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            return Ok(());
        }
        _ => {
            // Never answers.
            let mut unused = [0; 64];
            while stream.read(&mut unused).await? > 0 {}
            return Ok(());
        }
    };
    stream.write_all(first.as_bytes()).await?;
    while !flood.is_empty() {
        stream.write_all(&flood).await?;
    }
    stream.shutdown().await
}
