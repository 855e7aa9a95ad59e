//! Servers on loopback for integration tests: scripted byte by byte, with a log of their requests.
//!
//! ```no_run
//! mod support;
//! use support::{Behaviour, Server, Step, response};
//!
//! let server = Server::start(Behaviour::answering(|request| match request.target.as_str() {
//!     "/slow" => vec![Step::wait_ms(200), Step::send(response(200, "late"))],
//!     _ => vec![Step::send(response(200, "ok"))],
//! }));
//! // … probe server.url("/slow") …
//! assert_eq!(server.requests()[0].target, "/slow");
//! ```
//!
//! A server listens on a free port of 127.0.0.1 and has its own thread and runtime, so it also serves a paused or blocked
//! test and a spawned binary. It sends the bytes of the script, uncorrected, and stops when it is dropped. Certificates
//! are in [`tls`], name servers in [`dns`].
#![allow(dead_code, reason = "each test binary uses its own part of this module")]
#![allow(unreachable_pub, reason = "shared by several test binaries")]
#![allow(clippy::unwrap_used, reason = "a server that cannot be set up ends its test")]
#![allow(clippy::cast_possible_truncation, reason = "lengths in scripts are small")]
#![allow(clippy::disallowed_methods, reason = "servers of tests live in real time; what they log is compared with it")]

#[cfg(unix)]
pub mod canary;
pub mod delays;
pub mod dns;
pub mod http2;
#[cfg(feature = "http3")]
pub mod http3;
mod line;
pub mod ports;
#[cfg(unix)]
pub mod program;
pub mod proxy;
pub mod tls;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use line::Line;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// What a server does next on a connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Does nothing for a while.
    Wait(Duration),
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes one by one, with a pause before each.
    Drip(Vec<u8>, Duration),
    /// Sends these bytes over and over until the client is gone.
    Flood(Vec<u8>),
    /// Reads until all that came is enough, or the client is gone.
    Hear(fn(&[u8]) -> bool),
    /// Does nothing until the client is gone.
    Hang,
    /// Ends its side of the connection in order (over TLS with `close_notify`), then waits for the client to leave.
    Close,
    /// Ends its side of the TCP connection without a word of TLS, then waits for the client to leave.
    Cut,
    /// Resets the connection.
    Reset,
}

impl Step {
    /// [`Step::Send`] of anything that has bytes.
    pub fn send(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Send(bytes.into())
    }

    /// [`Step::Wait`] of milliseconds.
    pub fn wait_ms(millis: u64) -> Self {
        Self::Wait(Duration::from_millis(millis))
    }
}

/// A whole answer with a body and its length.
pub fn response(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A redirect with an empty body.
pub fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Scripted\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

/// A request as a server received it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target as sent: `/path?query`.
    pub target: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as long as its Content-Length says.
    pub body: Vec<u8>,
    /// Which connection it came over, counted from 1.
    pub connection: usize,
    /// When its head and body had come.
    pub at: SystemTime,
    /// When the answer's script was done, if it has been.
    pub answered: Option<SystemTime>,
}

impl Request {
    /// The value of header `name` (lower case), if it was sent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

type Answer = dyn Fn(&Request) -> Vec<Step> + Send + Sync;

/// What a server does with each connection.
#[derive(Clone)]
pub struct Behaviour {
    at_accept: Arc<dyn Fn() -> Vec<Step> + Send + Sync>,
    identity: Option<tls::Identity>,
    answer: Arc<Answer>,
}

impl Behaviour {
    /// Reads requests and answers each by the script that `answer` gives. After a script without an end of its own,
    /// the connection is closed if the client asked for that, else kept for the next request.
    pub fn answering(answer: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self { at_accept: Arc::new(Vec::new), identity: None, answer: Arc::new(answer) }
    }

    /// Answers each request by the same script.
    pub fn always(script: Vec<Step>) -> Self {
        Self::answering(move |_| script.clone())
    }

    /// Answers 200 and a short body.
    pub fn ok() -> Self {
        Self::always(vec![Step::send(response(200, "ok"))])
    }

    /// The same over TLS.
    #[must_use]
    pub fn over_tls(mut self, identity: tls::Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The same, but first these steps on the bare connection, before TLS or a request is read.
    #[must_use]
    pub fn at_accept(self, steps: Vec<Step>) -> Self {
        self.choosing_at_accept(move || steps.clone())
    }

    /// The same, but first what `choose` says, asked at each connection.
    #[must_use]
    pub fn choosing_at_accept(mut self, choose: impl Fn() -> Vec<Step> + Send + Sync + 'static) -> Self {
        self.at_accept = Arc::new(choose);
        self
    }
}

/// What a server has seen.
#[derive(Default)]
struct Log {
    requests: Mutex<Vec<Request>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    closed: AtomicUsize,
}

/// The backlog: more connections than any test opens while this thread gets no processor. Beyond it the kernel drops
/// connections that it has completed, and a client that waits for the server's first byte waits for ever.
const BACKLOG: u32 = 1_024;

/// A running server; it stops when dropped.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    log: Arc<Log>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server; it accepts connections when this returns.
    pub fn start(behaviour: Behaviour) -> Self {
        let scheme = if behaviour.identity.is_some() { "https" } else { "http" };
        let log = Arc::new(Log::default());
        let seen = Arc::clone(&log);
        let (stop, stopped) = oneshot::channel();
        let (listens, address) = std::sync::mpsc::channel();
        let thread = on_own_runtime(async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let listener = socket.listen(BACKLOG).unwrap();
            listens.send(listener.local_addr().unwrap()).unwrap();
            tokio::select! {
                () = accept(listener, behaviour, seen) => {}
                _ = stopped => {}
            }
        });
        let address = address.recv().unwrap();
        Self { address, scheme, log, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path` (with its slash) on it.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The URL of `path` under another host name, for name servers and certificates.
    pub fn url_at(&self, host: &str, path: &str) -> String {
        format!("{}://{host}:{}{path}", self.scheme, self.address.port())
    }

    /// The requests so far, in the order in which they were read.
    pub fn requests(&self) -> Vec<Request> {
        self.log.requests.lock().unwrap().clone()
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.log.accepted.load(Ordering::SeqCst)
    }

    /// Connections open now, as far as the server knows.
    pub fn open(&self) -> usize {
        self.log.open.load(Ordering::SeqCst)
    }

    /// Connections of which the server has ended its side in order.
    pub fn closed(&self) -> usize {
        self.log.closed.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The server's thread reports its panic on stderr; a second one here would hide the test's own.
            drop(thread.join());
        }
    }
}

fn on_own_runtime(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    // Both ends of every connection are in one process, and many tests run in it at once: 256 descriptors, the
    // usual soft limit of some systems, would be too few.
    drop(rlimit::increase_nofile_limit(u64::MAX));
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    })
}

async fn accept(listener: TcpListener, behaviour: Behaviour, log: Arc<Log>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let connection = log.accepted.fetch_add(1, Ordering::SeqCst) + 1;
        log.open.fetch_add(1, Ordering::SeqCst);
        let (behaviour, log) = (behaviour.clone(), Arc::clone(&log));
        tokio::spawn(async move {
            // A client that leaves in the middle is part of many tests.
            drop(serve(stream, &behaviour, &log, connection).await);
            log.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn serve(stream: TcpStream, behaviour: &Behaviour, log: &Log, connection: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut line = Line::Plain(stream);
    if play(&mut line, &(behaviour.at_accept)(), log).await? {
        return Ok(());
    }
    if let Some(identity) = &behaviour.identity {
        let Line::Plain(stream) = line else { unreachable!("TLS begins once") };
        line = Line::Tls(Box::new(TlsAcceptor::from(identity.server_config()).accept(stream).await?));
    }
    let mut unread = Vec::new();
    while let Some(request) = read_request(&mut line, &mut unread, connection).await? {
        let script = (behaviour.answer)(&request);
        let close = request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let index = {
            let mut requests = log.requests.lock().unwrap();
            requests.push(request);
            requests.len() - 1
        };
        let over = play(&mut line, &script, log).await?;
        log.requests.lock().unwrap()[index].answered = Some(SystemTime::now());
        if over {
            break;
        }
        if close {
            return play(&mut line, &[Step::Close], log).await.map(drop);
        }
    }
    Ok(())
}

/// Plays `script`; true when it ended the connection.
async fn play(line: &mut Line, script: &[Step], log: &Log) -> io::Result<bool> {
    for step in script {
        match step {
            Step::Wait(time) => tokio::time::sleep(*time).await,
            Step::Send(bytes) => line.write(bytes).await?,
            Step::Drip(bytes, pause) => {
                for byte in bytes {
                    tokio::time::sleep(*pause).await;
                    line.write(&[*byte]).await?;
                }
            }
            Step::Flood(bytes) => loop {
                line.write(bytes).await?;
            },
            Step::Hear(is_enough) => {
                let mut heard = Vec::new();
                while !is_enough(&heard) && line.read_more(&mut heard).await? {}
            }
            Step::Hang => {
                line.read_to_end().await;
                return Ok(true);
            }
            Step::Close => {
                line.close().await?;
                log.closed.fetch_add(1, Ordering::SeqCst);
                line.read_to_end().await;
                return Ok(true);
            }
            Step::Cut => {
                line.tcp().shutdown().await?;
                line.read_to_end().await;
                return Ok(true);
            }
            Step::Reset => {
                line.tcp().set_zero_linger()?;
                return Ok(true);
            }
        }
    }
    Ok(false)
}

async fn read_request(line: &mut Line, unread: &mut Vec<u8>, connection: usize) -> io::Result<Option<Request>> {
    const END: &[u8] = b"\r\n\r\n";
    let head_length = loop {
        if let Some(at) = unread.windows(END.len()).position(|window| window == END) {
            break at + END.len();
        }
        if !line.read_more(unread).await? {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&unread[..head_length]).into_owned();
    unread.drain(..head_length);
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let length: usize = length.unwrap_or(0);
    while unread.len() < length {
        if !line.read_more(unread).await? {
            return Ok(None);
        }
    }
    Ok(Some(Request {
        method: first.next().unwrap_or_default(),
        target: first.next().unwrap_or_default(),
        headers,
        body: unread.drain(..length).collect(),
        connection,
        at: SystemTime::now(),
        answered: None,
    }))
}
