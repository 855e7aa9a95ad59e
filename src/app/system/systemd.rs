//! The service manager: the protocol of `sd_notify(3)`, one datagram per message.
//!
//! `NOTIFY_SOCKET` names a socket (a path, or on Linux `@` and an abstract name), and `WATCHDOG_USEC` the interval of keep-alive
//! messages. Only the control loop sends these, and not while a flush has been running for a minute, so the manager restarts a
//! monitor whose loop or disk hangs.
//!
//! Invariants: nothing blocks, and a message that cannot be sent is lost, as the protocol has it.
//! Bounds: a status of [`STATUS_MAX`] bytes, at most once a second.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{SiteState, Snapshot};

#[cfg(unix)]
use socket::Socket;

/// Longest status, bytes.
const STATUS_MAX: usize = 200;
/// Least time between two status messages.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// The connection to the service manager.
#[derive(Debug)]
pub struct Service {
    #[cfg(unix)]
    socket: Socket,
    /// Half of the watchdog interval.
    alive_every: Option<Duration>,
    alive_at: Option<Duration>,
    status: String,
    status_at: Option<Duration>,
}

impl Service {
    /// The manager that the environment names, if any.
    #[must_use]
    pub fn of_environment() -> Option<Self> {
        Self::named(&|name| std::env::var(name).ok(), std::process::id())
    }

    /// The manager that `variables` name for the process of this id.
    #[cfg(unix)]
    fn named(variables: &dyn Fn(&str) -> Option<String>, process: u32) -> Option<Self> {
        let socket = Socket::open(&variables("NOTIFY_SOCKET")?)?;
        let meant = variables("WATCHDOG_PID").is_none_or(|text| text.parse() == Ok(process));
        let micros = variables("WATCHDOG_USEC").and_then(|text| text.parse::<u64>().ok());
        let alive_every = micros.filter(|&micros| meant && micros > 0).map(|micros| Duration::from_micros(micros / 2));
        Some(Self { socket, alive_every, alive_at: None, status: String::new(), status_at: None })
    }

    #[cfg(not(unix))]
    fn named(_: &dyn Fn(&str) -> Option<String>, _: u32) -> Option<Self> {
        None
    }

    /// Reports a step of the control loop, `elapsed` after the start, with the status of `snapshot` and
    /// the names of failing outlets. The first step reports
    /// readiness. Without `is_alive` no keep-alive message is sent, because another part hangs.
    pub fn stepped(&mut self, elapsed: Duration, (snapshot, failing): (&Snapshot, &[Arc<str>]), is_alive: bool) {
        if self.alive_at.is_none() {
            self.send("READY=1");
        }
        let passed = |since: Option<Duration>, least| since.is_none_or(|at| elapsed.saturating_sub(at) >= least);
        if self.alive_at.is_none() || self.alive_every.is_some_and(|every| passed(self.alive_at, every)) {
            self.alive_at = Some(elapsed);
            if self.alive_every.is_some() && is_alive {
                self.send("WATCHDOG=1");
            }
        }
        if passed(self.status_at, STATUS_EVERY) {
            self.status_at = Some(elapsed);
            let status = status(snapshot, failing);
            if status != self.status {
                self.send(&format!("STATUS={status}"));
                self.status = status;
            }
        }
    }

    /// A reload begins; `now` is the time of the monotonic clock, if there is one.
    pub fn reloading(&self, now: Option<Duration>) {
        let now = now.map_or_else(String::new, |now| format!("\nMONOTONIC_USEC={}", now.as_micros()));
        self.send(&format!("RELOADING=1{now}"));
    }

    /// The reload is over.
    pub fn reloaded(&self) {
        self.send("READY=1");
    }

    /// The shutdown begins.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping");
    }

    #[cfg(unix)]
    fn send(&self, message: &str) {
        self.socket.send(message);
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self, reason = "there is nobody to tell")]
    fn send(&self, _: &str) {}
}

/// The number of sites in each state, and the outlets that cannot be notified.
fn status(snapshot: &Snapshot, failing: &[Arc<str>]) -> String {
    let states = [
        SiteState::Down,
        SiteState::Recovering,
        SiteState::Failing,
        SiteState::Unknown,
        SiteState::New,
        SiteState::Up,
        SiteState::Paused,
    ];
    let sites = &snapshot.sites;
    let counted = states.map(|state| (state, sites.iter().filter(|site| site.state == state).count()));
    let there = counted.iter().filter(|(_, count)| *count > 0);
    let parts: Vec<String> = there.map(|(state, count)| format!("{count} {}", state.name())).collect();
    let mut text = format!("{} sites: {}", sites.len(), parts.join(", "));
    if !failing.is_empty() {
        let _infallible = write!(text, "; cannot notify {}", failing.join(", "));
    }
    text.truncate(text.floor_char_boundary(STATUS_MAX));
    text
}

#[cfg(unix)]
mod socket {
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    /// A datagram socket, and the address of its peer.
    #[derive(Debug)]
    pub struct Socket {
        own: UnixDatagram,
        to: SocketAddr,
    }

    impl Socket {
        /// None for an unknown kind of address.
        pub fn open(address: &str) -> Option<Self> {
            let to = match address.strip_prefix('@') {
                Some(name) => abstract_address(name)?,
                None if address.starts_with('/') => SocketAddr::from_pathname(address).ok()?,
                None => return None,
            };
            let own = UnixDatagram::unbound().ok()?;
            own.set_nonblocking(true).ok()?;
            Some(Self { own, to })
        }

        pub fn send(&self, message: &str) {
            // The protocol has neither replies nor retries.
            let _lost = self.own.send_to_addr(message.as_bytes(), &self.to);
        }
    }

    #[cfg(target_os = "linux")]
    fn abstract_address(name: &str) -> Option<SocketAddr> {
        use std::os::linux::net::SocketAddrExt as _;
        SocketAddr::from_abstract_name(name).ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn abstract_address(_: &str) -> Option<SocketAddr> {
        None
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::engine::Engine;
    use crate::model::Timestamp;

    fn received(socket: &UnixDatagram) -> Vec<String> {
        let mut bytes = [0; 1_024];
        let next = || {
            let length = socket.recv(&mut bytes).ok()?;
            Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
        };
        std::iter::from_fn(next).collect()
    }

    fn listening() -> (tempfile::TempDir, String, UnixDatagram) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = path.to_str().unwrap().to_owned();
        (folder, address, socket)
    }

    #[test]
    fn the_manager_hears_of_the_start_of_life_and_of_the_end() {
        let (_folder, address, socket) = listening();
        let variables = |name: &str| match name {
            "NOTIFY_SOCKET" => Some(address.clone()),
            "WATCHDOG_USEC" => Some("4000000".to_owned()),
            "WATCHDOG_PID" => Some("17".to_owned()),
            _ => None,
        };
        let snapshot = Engine::new(Vec::new(), Vec::new(), Timestamp::ZERO).board().snapshot();
        let mut service = Service::named(&variables, 17).unwrap();
        service.stepped(Duration::ZERO, (&snapshot, &[]), true);
        assert_eq!(received(&socket), ["READY=1", "WATCHDOG=1", "STATUS=0 sites: "]);
        for (millis, expected) in [(250, vec![]), (1_999, vec![]), (2_000, vec!["WATCHDOG=1"]), (3_999, vec![])] {
            service.stepped(Duration::from_millis(millis), (&snapshot, &[]), true);
            assert_eq!(received(&socket), expected, "{millis} ms");
        }
        service.stepped(Duration::from_secs(6), (&snapshot, &[]), false);
        assert_eq!(received(&socket), Vec::<String>::new(), "something stands still");
        service.stepped(Duration::from_secs(8), (&snapshot, &[]), true);
        assert_eq!(received(&socket), ["WATCHDOG=1"]);
        service.stepped(Duration::from_secs(9), (&snapshot, &["ops".into(), "mail".into()]), true);
        assert_eq!(received(&socket), ["STATUS=0 sites: ; cannot notify ops, mail"]);
        service.reloading(Some(Duration::from_micros(123_456)));
        service.reloaded();
        service.stopping();
        let told = received(&socket);
        assert_eq!(told, ["RELOADING=1\nMONOTONIC_USEC=123456", "READY=1", "STOPPING=1\nSTATUS=stopping"]);

        // The watchdog of another process is not webmon's, and a manager that is gone needs no message.
        let mut other = Service::named(&variables, 18).unwrap();
        other.stepped(Duration::ZERO, (&snapshot, &[]), true);
        other.stepped(Duration::from_mins(1), (&snapshot, &[]), true);
        assert_eq!(received(&socket), ["READY=1", "STATUS=0 sites: "]);
        drop(socket);
        other.stopping();
    }

    #[test]
    fn without_a_manager_there_is_nobody_to_tell() {
        for address in [None, Some(""), Some("relative"), Some("vsock:2:1")] {
            let variables = |name: &str| address.filter(|_| name == "NOTIFY_SOCKET").map(str::to_owned);
            assert!(Service::named(&variables, 1).is_none(), "{address:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn abstract_addresses_are_understood() {
        use std::os::linux::net::SocketAddrExt as _;
        let name = format!("webmon-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let variables = |asked: &str| (asked == "NOTIFY_SOCKET").then(|| format!("@{name}"));
        Service::named(&variables, 1).unwrap().stopping();
        assert_eq!(received(&socket), ["STOPPING=1\nSTATUS=stopping"]);
    }
}
