//! A server as an address: TCP, direct or through a proxy, and TLS over it.
//!
//! Invariants: no error holds a URL or credentials. Bounds: [`CONNECT_MAX`] each for the connection and the handshake; a server's
//! bytes are read under the limits of a probe ([`crate::probe::bounded`]).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::model::{ClientIdentity, SecretUrl};
use crate::probe::bounded::{Allowance, TlsClient, paced};

use super::error::{RequestError, SetupError};
use super::tunnel::{self, Proxy};

/// Time for connecting, and for the TLS handshake.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How to reach a server and how to verify it.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Accept any certificate.
    pub insecure: bool,
    /// Trusted roots in addition to the platform's, DER.
    pub roots: Arc<Vec<Vec<u8>>>,
    /// The certificate for servers that ask for one.
    pub identity: Option<Arc<ClientIdentity>>,
    /// An HTTP proxy, reached by `http`, that opens a tunnel (CONNECT).
    pub proxy: Option<SecretUrl>,
}

/// See the module.
pub struct Endpoint {
    host: String,
    port: u16,
    tls: Option<(TlsClient, ServerName<'static>)>,
    proxy: Option<Proxy>,
}

impl Endpoint {
    /// The server at `port` of `host`, as a URL writes it, with TLS on these `terms` if `is_secure`.
    ///
    /// # Errors
    /// [`SetupError`]: a retry would not help.
    pub fn new(host: &str, port: u16, is_secure: bool, terms: &Terms) -> Result<Self, SetupError> {
        // Only a URL puts an IPv6 address into brackets.
        let plain = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let proxy = terms.proxy.as_ref().map(|proxy| Proxy::new(proxy.expose())).transpose()?;
        let tls = if is_secure {
            let name = ServerName::try_from(plain.clone()).map_err(|_| SetupError::Host { host: host.to_owned() })?;
            let tls = TlsClient::new(&terms.roots, terms.identity.as_deref(), terms.insecure);
            Some((tls.map_err(SetupError::Tls)?, name))
        } else {
            None
        };
        Ok(Self { host: plain, port, tls, proxy })
    }

    /// Whether its connections are secured.
    pub(super) const fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// A TCP connection, whose reads are bounded, and the address of the server; none through a proxy, which hides it.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn connect(
        &self,
    ) -> Result<(impl AsyncRead + AsyncWrite + Send + Sync + Unpin + use<>, Allowance, Option<IpAddr>), RequestError>
    {
        let tcp = timeout(CONNECT_MAX, tunnel::connect(&self.host, self.port, self.proxy.as_ref())).await;
        let tcp = tcp.unwrap_or_else(|_| Err(late()))?;
        let peer = tcp.peer_addr().ok().filter(|_| self.proxy.is_none()).map(|peer| peer.ip());
        let (line, allowance) = paced(tcp);
        Ok((line, allowance, peer))
    }

    /// TLS over `stream`.
    ///
    /// # Errors
    /// [`RequestError`].
    ///
    /// # Panics
    /// If the endpoint is not secure.
    pub async fn secure<S>(
        &self,
        stream: S,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Sync + Unpin + use<S>, RequestError>
    where
        S: AsyncRead + AsyncWrite + Send + Sync + Unpin,
    {
        let (tls, name) = self.tls.as_ref().expect("only secure endpoints are asked for TLS");
        let shaken = timeout(CONNECT_MAX, tls.shake(name.clone(), stream)).await.map_err(|_| late())?;
        shaken.map_err(|fault| {
            if fault.is_refusal {
                RequestError::Refused(fault.reason)
            } else {
                RequestError::Unreached(format!("cannot connect: {}", fault.reason))
            }
        })
    }
}

fn late() -> RequestError {
    RequestError::Unreached(format!("cannot connect within {} s", CONNECT_MAX.as_secs()))
}
