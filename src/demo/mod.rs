//! The websites of `webmon demo`: small servers on loopback, on their own thread, that follow a script.
//!
//! Only the websites are simulated. The monitor probes them over real sockets with the real prober, which also trusts the
//! authority of the demo. [`Demo::open`] binds the addresses first, so that a machine without loopback is known early;
//! [`Demo::config`] lists the sites; [`Demo::serve`] answers until its [`Serving`] is dropped. The site `closed` is a socket that
//! is bound and never listens: it refuses connections and keeps its port from other programs. Bounds: see `server`.

mod certificates;
mod script;
mod server;

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot};

use crate::config::{self, Config};
use crate::model::Timestamp;

use certificates::Authority;
pub use script::{DemoSite, ROUND, narration};
use server::{CONNECTIONS_MAX, Website};

const DAY: Duration = Duration::from_hours(24);
/// Time for a loopback connection.
const LOOPBACK_WAIT: Duration = Duration::from_secs(2);

/// Why the demo cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// No address can be bound.
    #[error("cannot listen on 127.0.0.1: {0}; the demo needs loopback, and nothing else of the network")]
    Listen(io::Error),
    /// Loopback connections fail.
    #[error("cannot connect to 127.0.0.1: {0}; the demo needs loopback, and nothing else of the network")]
    Connect(io::Error),
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}; please report this")]
    Certificate(#[from] rcgen::Error),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}; please report this")]
    Tls(#[from] rustls::Error),
    /// The folder of the store cannot be made.
    #[error("cannot make a folder in {}: {source}; set TMPDIR to another", .place.display())]
    Folder {
        /// The parent folder.
        place: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// Simulated websites that are bound and do not answer yet.
pub struct Demo {
    websites: Vec<(DemoSite, Option<Arc<ServerConfig>>, StdListener)>,
    closed: TcpSocket,
    root: Vec<u8>,
}

impl Demo {
    /// Binds the addresses and makes the certificates for a demo that starts at `now`.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub fn open(now: Timestamp) -> Result<Self, DemoError> {
        let authority = Authority::new()?;
        let mut websites = Vec::new();
        for place in DemoSite::ALL {
            // Half a day more, so that it has 6 days left for the next hours.
            let (ends, begins) = (now.after(6 * DAY + DAY / 2), now.before(60 * DAY));
            let identity = match place {
                DemoSite::Steady => Some(authority.identity("steady.demo", begins..ends)?),
                DemoSite::Expired => Some(authority.identity("expired.demo", begins..now.before(DAY))?),
                DemoSite::Closed => continue,
                _ => None,
            };
            let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(DemoError::Listen)?;
            listener.set_nonblocking(true).map_err(DemoError::Listen)?;
            websites.push((place, identity, listener));
        }
        let closed = TcpSocket::new_v4().map_err(DemoError::Listen)?;
        closed.bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(DemoError::Listen)?;
        let demo = Self { websites, closed, root: authority.root() };
        let first = demo.websites[0].2.local_addr().map_err(DemoError::Listen)?;
        StdStream::connect_timeout(&first, LOOPBACK_WAIT).map_err(DemoError::Connect)?;
        Ok(demo)
    }

    /// The certificate of the authority for the prober, DER.
    #[must_use]
    pub fn root(&self) -> Vec<u8> {
        self.root.clone()
    }

    /// The configuration of the monitor: checks every second, evaluated over 10 s, so that the user sees changes soon.
    ///
    /// # Errors
    /// [`DemoError::Listen`], if the system does not return a bound address.
    pub fn config(&self) -> Result<Config, DemoError> {
        let mut text = String::from(SETTINGS);
        for place in DemoSite::ALL {
            let (scheme, address) = self.address(place).map_err(DemoError::Listen)?;
            writeln!(text, "  - {{ name: {}, url: \"{scheme}://{address}/\" }}", place.name())
                .expect("writing to a String cannot fail");
        }
        Ok(config::parse(&text, "demo", Path::new(""), &|_| None).expect("a test validates these settings"))
    }

    fn address(&self, place: DemoSite) -> io::Result<(&'static str, SocketAddr)> {
        match self.websites.iter().find(|(of, ..)| *of == place) {
            Some((_, Some(_), listener)) => Ok(("https", listener.local_addr()?)),
            Some((_, None, listener)) => Ok(("http", listener.local_addr()?)),
            None => Ok(("http", self.closed.local_addr()?)),
        }
    }

    /// Answers from now on, on its own thread; `elapsed` is the time since the start.
    ///
    /// # Errors
    /// [`DemoError::Thread`], [`DemoError::Listen`].
    pub fn serve(self, elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Result<Serving, DemoError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(DemoError::Thread)?;
        let elapsed: server::Elapsed = Arc::new(elapsed);
        let open = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let entered = runtime.enter();
        for (place, identity, listener) in self.websites {
            let listener = TcpListener::from_std(listener).map_err(DemoError::Listen)?;
            let website = Website { place, identity, elapsed: Arc::clone(&elapsed), requests: AtomicU64::new(0) };
            runtime.spawn(Arc::new(website).serve(listener, Arc::clone(&open)));
        }
        drop(entered);
        let (stop, stopped) = oneshot::channel::<()>();
        let closed = self.closed;
        let thread = std::thread::Builder::new()
            .name("webmon-demo".to_owned())
            .spawn(move || {
                // Ends when the sender is dropped.
                drop(runtime.block_on(stopped));
                drop(closed);
            })
            .map_err(DemoError::Thread)?;
        Ok(Serving { stop: Some(stop), thread: Some(thread) })
    }
}

/// Websites that answer until this is dropped.
#[derive(Debug)]
pub struct Serving {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread is already on stderr.
            drop(thread.join());
        }
    }
}

const SETTINGS: &str = "
defaults: { interval: 1s, timeout: 1s }
alerting: { threshold: 80%, window: 10s }
dashboard:
  bell: false
  views: [{ timeframe: 1m, refresh: 2s }, { timeframe: 10m, refresh: 10s }]
sites:
";

#[cfg(test)]
mod tests;
