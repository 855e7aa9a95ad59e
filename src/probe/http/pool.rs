//! Connections of sites with `keep_alive`, between two probes.
//!
//! One a site. It is taken out while a probe uses it, so a probe that overlaps another opens a fresh one, and the one
//! that comes back last stays. Nothing polls a kept connection; whether it still stands shows when it is taken
//! up. A connection serves only the origin and the rules that it was made for, so a changed configuration makes a fresh
//! one. Limit: one connection a site, forgotten when its site has not been probed for two intervals and a timeout.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use url::{Origin, Url};

use crate::model::{Certificate, Family, HttpOffer, Site, Timestamp, TlsFiles};

use super::connection::HttpConnection;

/// How often connections of sites that are gone are looked for.
const SWEEP: Duration = Duration::from_mins(1);

/// What a connection was made for.
#[derive(Debug)]
pub(crate) struct Purpose {
    origin: Origin,
    http: HttpOffer,
    family: Family,
    zone: Option<Arc<str>>,
    insecure: bool,
    files: Option<Arc<TlsFiles>>,
}

impl Purpose {
    /// Asking `url` by the rules of `site`.
    pub(crate) fn new(site: &Site, url: &Url) -> Self {
        let files = site.tls.files.clone();
        let (zone, insecure) = (site.zone.clone(), site.tls.insecure);
        Self { origin: url.origin(), http: site.http, family: site.family, zone, insecure, files }
    }

    fn is(&self, other: &Self) -> bool {
        let same_files = match (&self.files, &other.files) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        };
        (&self.origin, self.http, self.family, &self.zone, self.insecure)
            == (&other.origin, other.http, other.family, &other.zone, other.insecure)
            && same_files
    }
}

/// A certificate, and when it was shown.
pub(crate) type ShownCertificate = (Arc<Certificate>, Timestamp, Instant);

/// Facts of a connection that outlive one probe.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Where it goes.
    pub(crate) address: Option<SocketAddr>,
    /// What the server showed when it was made.
    pub(crate) certificate: Option<ShownCertificate>,
}

/// A connection that stands idle.
pub(crate) struct PooledConnection {
    /// The connection.
    pub(crate) link: HttpConnection,
    /// Its other end.
    pub(crate) peer: Peer,
    purpose: Purpose,
    until: Instant,
}

/// The connections. The lock is held for a look at the map, never across a wait.
pub(crate) struct Pool(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    /// By the name of their site.
    kept: HashMap<Arc<str>, PooledConnection>,
    swept: Option<Instant>,
}

impl Pool {
    /// No connections.
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    /// The connection of `site` that was made for `purpose`, if there is one.
    pub(crate) fn take(&self, site: &Site, purpose: &Purpose) -> Option<PooledConnection> {
        let mut idle = self.lock();
        if !idle.kept.get(&site.name)?.purpose.is(purpose) {
            return None;
        }
        idle.kept.remove(&site.name)
    }

    /// Keeps `link` for the next probe of `site`.
    pub(crate) fn put(&self, site: &Site, link: HttpConnection, peer: Peer, purpose: Purpose, now: Instant) {
        let until = now + 2 * site.interval + site.timeout;
        let mut idle = self.lock();
        idle.kept.insert(Arc::clone(&site.name), PooledConnection { link, peer, purpose, until });
        if idle.swept.is_none_or(|swept| now >= swept + SWEEP) {
            idle.swept = Some(now);
            idle.kept.retain(|_, kept| kept.until > now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
