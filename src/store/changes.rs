//! The samples and alerts that a store gained since a reader last looked, by their numbers; for a reader that follows a
//! writer.
//!
//! Invariants: one call reads one transaction, so samples, alerts and pauses belong together; the numbers of the
//! samples have no gap, and where records are damaged or trimmed, the run begins after them.
//! Cost: the journal (at most a quarter of an hour) and one lookup per site.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableDatabase};

use crate::alert::AlertRecord;
use crate::model::{Cause, Certificate, Sample, SiteId, Timestamp};

use super::archive::Archive;
use super::codec::block;
use super::error::{StoreError, guard};
use super::read::view::{self, View};
use super::tables::blind::Outages;
use super::tables::record::TextRecord;
use super::tables::writer_signature::{self, Signature};
use super::tables::{alert, certificate, schema};

/// The reason of a failure as it is stored, and the address that was tried.
pub type Why = (String, Option<SocketAddr>);

/// New samples of one site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// The number of the first; of the next one to come when there is none.
    pub first_seq: u64,
    /// In the order of their numbers.
    pub samples: Vec<Sample>,
    /// Of the last one, when it failed and its text was kept.
    pub why: Option<Why>,
    /// The certificate that the site last presented, if there are samples.
    pub certificate: Option<Arc<Certificate>>,
}

/// The result of one call.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// One per requested site, in that order.
    pub sites: Vec<Arrived>,
    /// New alerts, in the order in which they were found.
    pub alerts: Vec<AlertRecord>,
    /// The number after the newest alert.
    pub next_alert: u64,
    /// Until when sites are paused; also pauses that are over.
    pub pauses: Vec<(SiteId, Timestamp)>,
    /// The outages of the writer's own network.
    pub outages: Outages,
    /// The writer.
    pub signature: Option<Signature>,
}

impl Archive {
    /// The samples of each of `sites` from a number on, and the alerts from number `alert` on.
    ///
    /// # Errors
    /// Those of the database.
    pub fn news(&self, sites: &[(SiteId, u64)], alert: u64) -> Result<Changes, StoreError> {
        let look = || {
            let transaction = self.database().begin_read()?;
            let view = View::new(&transaction)?;
            let mut news = Changes {
                pauses: view::pauses(&transaction)?,
                signature: writer_signature::read(&transaction)?,
                ..Changes::default()
            };
            for &(site, from) in sites {
                news.sites.push(arrived(&transaction, &view, site, from)?);
            }
            show_certificates(&transaction, sites, &mut news.sites)?;
            (news.alerts, news.next_alert) = alerts(&transaction, alert)?;
            news.outages = view.outages;
            Ok::<_, redb::Error>(news)
        };
        guard(look).map_err(|error| self.failed(error))
    }

    /// The newest samples of each of `sites`, as far back as [`super::Store::replay`] goes.
    ///
    /// # Errors
    /// Those of the database.
    pub fn newest(&self, sites: &[(SiteId, Timestamp)]) -> Result<Vec<Arrived>, StoreError> {
        let look = || {
            let transaction = self.database().begin_read()?;
            let view = View::new(&transaction)?;
            let replayed = |&(site, since): &(SiteId, Timestamp)| {
                let mut arrived = Arrived::default();
                arrived.first_seq = view.replay(site, since, &mut arrived.samples)?;
                arrived.why = why(&transaction, site, &arrived)?;
                Ok(arrived)
            };
            let mut arrived = sites.iter().map(replayed).collect::<Result<Vec<Arrived>, redb::Error>>()?;
            show_certificates(&transaction, sites, &mut arrived)?;
            Ok(arrived)
        };
        guard(look).map_err(|error| self.failed(error))
    }
}

impl Archive {
    /// The number of the site of this name; none if it was never watched.
    ///
    /// # Errors
    /// Those of the database.
    pub fn named(&self, name: &str) -> Result<Option<SiteId>, StoreError> {
        let look = || view::sites(&self.database().begin_read()?);
        let sites = guard(look).map_err(|error| self.failed(error))?;
        Ok(sites.into_iter().find(|(_, site)| *site.name == *name).map(|(id, _)| id))
    }

    /// The number of every site by its name, and when it was first watched, which tells it from one of another file.
    ///
    /// # Errors
    /// Those of the database.
    pub fn names(&self) -> Result<HashMap<Arc<str>, (SiteId, Timestamp)>, StoreError> {
        let look = || view::sites(&self.database().begin_read()?);
        let sites = guard(look).map_err(|error| self.failed(error))?;
        Ok(sites.into_iter().map(|(id, site)| (site.name, (id, site.known_since))).collect())
    }
}

/// Adds the certificates of those sites that have samples in `arrived`.
fn show_certificates<T>(
    transaction: &ReadTransaction,
    sites: &[(SiteId, T)],
    arrived: &mut [Arrived],
) -> Result<(), redb::Error> {
    let mut shown: HashMap<SiteId, Arc<Certificate>> =
        certificate::all(transaction)?.into_iter().map(|(site, shown)| (site, Arc::new(shown))).collect();
    for ((site, _), arrived) in sites.iter().zip(arrived).filter(|(_, arrived)| !arrived.samples.is_empty()) {
        arrived.certificate = shown.remove(site);
    }
    Ok(())
}

fn arrived(transaction: &ReadTransaction, view: &View, site: SiteId, from: u64) -> Result<Arrived, redb::Error> {
    let mut arrived = Arrived { first_seq: from, ..Arrived::default() };
    let sealed = view.sealed(site)?.next_seq;
    if from < sealed {
        let before = view.blocks.range((site.0, 0)..=(site.0, from))?.next_back();
        let first = before.transpose()?.map_or(0, |(key, _)| key.value().1);
        for row in view.blocks.range((site.0, first)..(site.0, sealed))? {
            let (key, bytes) = row?;
            let mut samples = Vec::new();
            if block::decode(key.value(), bytes.value(), &mut samples).is_ok() {
                // A block that was extended in the meantime holds samples that are also in the journal.
                let left = usize::try_from(sealed - key.value().1).unwrap_or(usize::MAX);
                samples.truncate(left);
                arrived.append(key.value().1, &samples);
            }
        }
    }
    for index in 0..view.tail.count(site) {
        let mut samples = Vec::new();
        if let Ok(first) = view.tail.decode(site, index, sealed, &mut samples) {
            arrived.append(first, &samples);
        }
    }
    arrived.why = why(transaction, site, &arrived)?;
    Ok(arrived)
}

impl Arrived {
    /// The number after the last sample.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.first_seq + self.samples.len() as u64
    }

    /// Appends the new ones of `samples`, whose first has number `first`; after a gap, they replace the others.
    fn append(&mut self, first: u64, samples: &[Sample]) {
        let known = usize::try_from(self.next_seq().saturating_sub(first)).unwrap_or(usize::MAX);
        let Some(new) = samples.get(known..).filter(|new| !new.is_empty()) else { return };
        if first > self.next_seq() {
            self.samples.clear();
            self.first_seq = first;
        }
        self.samples.extend_from_slice(new);
    }
}

/// Why the last of them failed.
fn why(transaction: &ReadTransaction, site: SiteId, arrived: &Arrived) -> Result<Option<Why>, redb::Error> {
    let Some(last) = arrived.samples.last().filter(|last| last.cause != Cause::Ok) else { return Ok(None) };
    debug_assert!(last.at > Timestamp::ZERO, "a stored sample has a time");
    let seq = arrived.next_seq() - 1;
    let failures = transaction.open_table(schema::FAILURES)?;
    let Some(row) = failures.range((site.0, 0)..=(site.0, seq))?.next_back() else { return Ok(None) };
    let (key, bytes) = row?;
    let text = TextRecord::decode(key.value(), bytes.value()).ok().filter(|text| text.last_seq >= seq);
    Ok(text.map(|text| (text.detail, text.address)))
}

/// The alerts from number `from` on, damaged ones left out, and the number after the newest.
fn alerts(transaction: &ReadTransaction, from: u64) -> Result<(Vec<AlertRecord>, u64), redb::Error> {
    let table = transaction.open_table(schema::ALERTS)?;
    let (mut alerts, mut next, mut names) = (Vec::new(), from, None);
    for row in table.range(from..)? {
        let (number, bytes) = row?;
        next = number.value() + 1;
        let sites = match &names {
            Some(sites) => sites,
            None => names.insert(view::sites(transaction)?),
        };
        let name = |id: SiteId| view::name_of(sites, id);
        alerts.extend(alert::decode_alert(bytes.value(), name).ok().map(|(_, alert)| alert));
    }
    Ok((alerts, next))
}
