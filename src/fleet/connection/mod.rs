//! The connection of one program to the NATS servers of a fleet.
//!
//! Invariants: only servers of the configuration are spoken to, never those that a server names, so no other gets a credential;
//! a server of `tls://` gets nothing before its certificate was verified. After a loss the client connects again by itself, for
//! ever, after `reconnect_delay`. Bounds: `CONNECT_MAX` for each address of a server.

mod certs;
mod fault;
mod state;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr, jetstream};
use tokio::sync::watch;

use crate::fleet::subjects;
use crate::model::{FleetCredential, FleetTerms, Location, Timestamp};
use crate::probe::bounded::TlsClient;

pub use certs::CA_FILE;
pub use fault::ConnectFault;
pub use state::{LinkState, Standing};

/// Time for connecting to one address, with the handshakes of TLS and NATS.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Time between two pings. A server that leaves two of them unanswered counts as lost.
const PING_EVERY: Duration = Duration::from_secs(10);

/// The wait before the second attempt to reach a server that was lost; each later one takes twice as long ...
const RECONNECT_MIN: Duration = Duration::from_millis(500);

/// ... up to this, which is less than the time after which a hub counts a location as silent.
const RECONNECT_MAX: Duration = Duration::from_secs(10);

/// What this program is to the servers. They know it by the name of the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It checks sites from here.
    Location(Location),
    /// It gathers.
    Hub,
    /// It reads.
    Watch,
}

impl Role {
    /// Its name: of its certificate, of its user, of its inboxes.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Location(location) => location.name(),
            Self::Hub => subjects::HUB_USER,
            Self::Watch => subjects::WATCH_USER,
        }
    }
}

/// A connection; see the module. Dropping it and everything made of it closes it.
pub struct Link {
    /// The client, for plain publishing, subscriptions and requests.
    pub client: Client,
    /// The same for streams and buckets.
    pub jetstream: jetstream::Context,
    state: watch::Receiver<LinkState>,
}

impl Link {
    /// What is known of the connection, and each change of it.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// What the server refused over this connection, or else `error`, of which a refusal is the cause: a user without permission
    /// gets no answer.
    pub(super) fn reason(&self, error: &dyn std::fmt::Display) -> String {
        let refusal = self.state.borrow().refusal.clone();
        refusal.unwrap_or_else(|| match error.to_string() {
            late if late.contains("timed out") => "the server does not answer".to_owned(),
            other => other,
        })
    }

    /// The longest message that the server takes, bytes.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        self.client.server_info().max_payload
    }
}

/// Whether `role` can show itself to the servers of `terms`, without a connection.
///
/// # Errors
/// [`ConnectFault::Setup`]: which file is missing or cannot be used.
pub fn prepared(terms: &FleetTerms, role: &Role) -> Result<(), ConnectFault> {
    certs::complete(&terms.login, role).map(drop)
}

/// Connects to one of the servers of `terms` as `role`. `now` dates what happens to the connection.
///
/// # Errors
/// [`ConnectFault`]: why no server can be spoken to, as the last of them showed it.
pub async fn connect(
    terms: &FleetTerms,
    role: &Role,
    now: impl Fn() -> Timestamp + Send + Sync + 'static,
) -> Result<Link, ConnectFault> {
    let login = certs::complete(&terms.login, role)?;
    let setup = |reason: String| ConnectFault::Setup(format!("cannot set up TLS to the NATS server: {reason}"));
    let tls = TlsClient::new(&login.roots, login.identity.as_deref(), false).map_err(setup)?;
    let (config, record) = tls.lend().await;
    let record = Arc::new(record);
    let (state, seen) = watch::channel(LinkState::default());
    let heard = Arc::clone(&record);
    let mut options = ConnectOptions::new()
        .name(format!("webmon {}", role.name()))
        .custom_inbox_prefix(subjects::inbox(role.name()))
        .tls_client_config(config)
        .ignore_discovered_servers()
        .connection_timeout(CONNECT_MAX)
        .ping_interval(PING_EVERY)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            let refused = || heard.refused().map(|fault| fault.reason);
            state.send_if_modified(|state| state.note(event, &now, refused));
            std::future::ready(())
        });
    options = match &login.credential {
        None => options,
        Some(FleetCredential::User { name, password }) => {
            options.user_and_password(name.clone(), password.expose().to_owned())
        }
        Some(FleetCredential::Token(token)) => options.token(token.expose().to_owned()),
    };
    let servers: Result<Vec<ServerAddr>, _> = terms.servers.iter().map(|server| server.to_string().parse()).collect();
    let servers = servers.map_err(|error| ConnectFault::Setup(format!("this is not a NATS server: {error}")))?;
    let client = options.connect(servers).await;
    let client = client.map_err(|error| fault::explain(&error, &terms.servers, &login, role, &record))?;
    Ok(Link { jetstream: jetstream::new(client.clone()), client, state: seen })
}

/// The wait before attempt number `attempt` at a server. A random part of it keeps the locations of a fleet apart.
fn reconnect_delay(attempt: usize) -> Duration {
    let Some(doublings) = attempt.checked_sub(2) else { return Duration::ZERO };
    let wait = RECONNECT_MIN.saturating_mul(1 << doublings.min(16)).min(RECONNECT_MAX);
    // A hasher is the standard library's only source of random numbers.
    let percent = RandomState::new().hash_one(attempt) % 50;
    wait.mul_f64(1.0 - f64::from(u8::try_from(percent).unwrap_or_default()) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_double_and_stay_below_the_silence() {
        assert_eq!((reconnect_delay(0), reconnect_delay(1)), (Duration::ZERO, Duration::ZERO));
        for (attempt, at_most) in [(2, 500), (3, 1_000), (4, 2_000), (6, 8_000), (7, 10_000), (usize::MAX, 10_000)] {
            let (wait, at_most) = (reconnect_delay(attempt), Duration::from_millis(at_most));
            assert!((at_most / 2..=at_most).contains(&wait), "{attempt}: {wait:?}");
        }
    }
}
