//! Keeps connections of sites with `keep_alive` between two probes.
//!
//! A probe takes the connection out, so an overlapping probe opens a fresh one, and the last one that comes back stays. Nothing
//! polls an idle connection; the next probe finds out whether it is still open. A connection serves only the origin and the
//! settings that it was opened for. Bounds: one connection per site, until the site has not been probed for two intervals and
//! a timeout.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use url::{Origin, Url};

use crate::model::lock::lock;
use crate::model::{Certificate, ConnectTo, Family, HttpOffer, Proxy, Site, Timestamp, TlsRules, TlsVersion};

use super::connection::HttpConnection;

/// How often expired connections are discarded.
const SWEEP: Duration = Duration::from_mins(1);

/// The purpose for which a connection was opened.
#[derive(Debug)]
pub(crate) struct Purpose {
    origin: Origin,
    http: HttpOffer,
    family: Family,
    zone: Option<Arc<str>>,
    connect_to: Option<ConnectTo>,
    proxy: Option<Arc<Proxy>>,
    tls: TlsRules,
}

impl Purpose {
    /// Requests to `url` with the settings of `site`.
    pub(crate) fn new(site: &Site, url: &Url) -> Self {
        let (zone, connect_to, tls) = (site.zone.clone(), site.connect_to.clone(), site.tls.clone());
        let proxy = site.proxy.for_url(url).cloned();
        Self { origin: url.origin(), http: site.http, family: site.family, zone, connect_to, proxy, tls }
    }
}

impl PartialEq for Purpose {
    /// Files are the same only if they were read at once.
    fn eq(&self, other: &Self) -> bool {
        let files = |purpose: &Self| purpose.tls.files.as_ref().map(Arc::as_ptr);
        let tls = |purpose: &Self| (purpose.tls.insecure, files(purpose));
        let reached = |purpose: &Self| (purpose.http, purpose.family, tls(purpose));
        (&self.origin, &self.zone, &self.connect_to) == (&other.origin, &other.zone, &other.connect_to)
            && (reached(self), &self.proxy) == (reached(other), &other.proxy)
            && (&self.tls.pins, &self.tls.server_name) == (&other.tls.pins, &other.tls.server_name)
    }
}

/// A server's certificate and when it was presented.
#[derive(Clone, Debug)]
pub(crate) struct ShownCertificate {
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) at: Timestamp,
    /// The same moment.
    pub(crate) since: Instant,
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) tls: Option<TlsVersion>,
    pub(crate) certificate: Option<ShownCertificate>,
}

/// An idle connection.
pub(crate) struct PooledConnection {
    pub(crate) connection: HttpConnection,
    pub(crate) peer: Peer,
    purpose: Purpose,
    until: Instant,
}

#[derive(Default)]
pub(crate) struct Pool(Mutex<IdleConnections>);

#[derive(Default)]
struct IdleConnections {
    by_site: HashMap<Arc<str>, PooledConnection>,
    swept: Option<Instant>,
}

impl Pool {
    /// The connection of `site` that was opened for `purpose`, if there is one.
    pub(crate) fn take(&self, site: &Site, purpose: &Purpose) -> Option<PooledConnection> {
        let mut idle = lock(&self.0);
        if idle.by_site.get(&site.name)?.purpose != *purpose {
            return None;
        }
        idle.by_site.remove(&site.name)
    }

    /// Keeps `connection` for the next probe of `site`.
    pub(crate) fn put(&self, site: &Site, connection: HttpConnection, peer: Peer, purpose: Purpose, now: Instant) {
        let until = now + 2 * site.interval + site.timeout;
        let mut idle = lock(&self.0);
        idle.by_site.insert(Arc::clone(&site.name), PooledConnection { connection, peer, purpose, until });
        if idle.swept.is_none_or(|swept| now >= swept + SWEEP) {
            idle.swept = Some(now);
            idle.by_site.retain(|_, pooled| pooled.until > now);
        }
    }
}
