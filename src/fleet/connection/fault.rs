//! Why no NATS server can be spoken to: what failed, where, and what to do, in one clean line.
//!
//! Errors are read by kind and not by text, as far as the client gives kinds. Invariant: no message shows a credential.

use std::error::Error as _;
use std::io::ErrorKind;

use async_nats::{ConnectError, ConnectErrorKind};

use crate::model::text::{DETAIL_MAX, clean_line};
use crate::model::{Cause, FleetLogin, FleetServer};
use crate::probe::bounded::{HandshakeRecord, TlsFault, io_error};

use super::{CONNECT_MAX, Role};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFault {
    /// What this machine has cannot be used: a file of a certificate, or all of TLS.
    #[error("{0}")]
    Setup(String),
    /// The server refuses this webmon, or this webmon the server. It stays so until a user changes the configuration of one of them.
    #[error("{0}")]
    Refused(String),
    /// The server cannot be reached, or does not answer. It may pass.
    #[error("{0}")]
    Unreached(String),
}

/// Why `servers` cannot be spoken to as `role` with `login`: `error` is what the last of them showed, `record` its handshake.
pub(super) fn explain(
    error: &ConnectError,
    servers: &[FleetServer],
    login: &FleetLogin,
    role: &Role,
    record: &HandshakeRecord,
) -> ConnectFault {
    let list = servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let many = if servers.len() > 1 { "any of " } else { "" };
    let line = |why: &str| clean_line(&format!("cannot connect to {many}{list}: {why}"), 2 * DETAIL_MAX);
    let refused = |why: &str| ConnectFault::Refused(line(why));
    let unreached = |why: &str| ConnectFault::Unreached(line(why));
    if error.kind() == ConnectErrorKind::AuthorizationViolation {
        return refused(&unknown(login, role));
    }
    if record.lacks_certificate() {
        return refused("the server requires a client certificate; write `certs`, or `client_cert`, under `fleet`");
    }
    if let Some(TlsFault { cause, reason, .. }) = error.source().and_then(|source| record.fault(source)) {
        return refused(&format!("{reason}{}", advice(cause, login)));
    }
    let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    match error.kind() {
        ConnectErrorKind::Dns => unreached(&format!("its name has no address ({words}); check `fleet.server`")),
        ConnectErrorKind::TimedOut => unreached(&format!(
            "no answer within {} s; does a firewall drop the connection, or something other than nats-server listen there?",
            CONNECT_MAX.as_secs()
        )),
        _ => match error.source().and_then(|source| io_error(source)).map(std::io::Error::kind) {
            Some(ErrorKind::ConnectionRefused) => {
                unreached("connection refused; is nats-server running, and listening on this port?")
            }
            Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof) => {
                unreached("the server closed the connection; its log says why")
            }
            Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) => refused("what answers there is no NATS server"),
            _ => unreached(&words),
        },
    }
}

/// What to do about a server with a certificate that fails by `cause`, as the end of a sentence.
const fn advice(cause: Cause, login: &FleetLogin) -> &'static str {
    match cause {
        Cause::TlsUntrusted if login.certs.is_some() => "; is the ca.pem in `fleet.certs` the one of this server?",
        Cause::TlsUntrusted => "; write the CA of the server as `ca_file`, or `certs`, under `fleet`",
        Cause::TlsWrongHost => "; `webmon fleet server-config --host` makes one for another name",
        Cause::TlsExpired => "; without server.pem and server.key, `webmon fleet server-config` makes new ones",
        _ => "",
    }
}

/// What to do about a server that does not know this webmon.
fn unknown(login: &FleetLogin, role: &Role) -> String {
    let name = role.name();
    if login.credential.is_some() {
        "the server does not accept this user or token; compare `fleet` with nats-server.conf".to_owned()
    } else if login.identity.is_some() {
        format!(
            "the server knows no user for this certificate, CN={name}; add it by `webmon fleet server-config {name}`"
        )
    } else {
        "the server requires a login; write `certs`, or `user` and `password`, or `token`, under `fleet`".to_owned()
    }
}
