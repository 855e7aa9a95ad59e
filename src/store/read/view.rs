//! Basic reads, for the running writer and for readers beside it.
//!
//! Invariants: each function reads one transaction, so its result is consistent; a damaged record shortens or thins a
//! result but never makes it wrong.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable as _};

use crate::alert::kept::change::{ChangeKey, Record};
use crate::alert::kept::incident::{Incident, Silence};
use crate::alert::{Alert, AlertRecord, Reading, RuleKind};
use crate::model::{OWN_NAME, Sample, SiteId, Timestamp};
use crate::store::codec::block;
use crate::store::tables::alert::decode_alert;
use crate::store::tables::blind::Outages;
use crate::store::tables::journal::Journal;
use crate::store::tables::outbox::{self, Kept};
use crate::store::tables::record::{SealedRecord, SiteRecord};
use crate::store::tables::schema;
use crate::store::tables::sealed::{self, Rolled, read_sealed};

/// Which part of the store to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// These sites, whose order decides at equal times; `None`: all, by number.
    pub sites: Option<Vec<SiteId>>,
    /// From this time on.
    pub since: Timestamp,
    /// Before this time.
    pub until: Timestamp,
}

impl Query {
    /// Everything of every site.
    pub const ALL: Self = Self { sites: None, since: Timestamp::ZERO, until: Timestamp::MAX };

    /// Whether `at` lies in the range of time.
    #[must_use]
    pub fn covers(&self, at: Timestamp) -> bool {
        self.since <= at && (at < self.until || self.until == Timestamp::MAX)
    }
}

/// A stored site, whether monitored now or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSite {
    /// Its stable number.
    pub id: SiteId,
    /// Its name.
    pub name: Arc<str>,
    /// When it was first watched.
    pub known_since: Timestamp,
    /// The number after its newest sample.
    pub next_seq: u64,
    /// The time of its newest sample.
    pub last_at: Option<Timestamp>,
}

/// Sites and their records by number; a damaged one keeps its number and gets a name that says so.
pub type Sites = HashMap<SiteId, SiteRecord>;

/// Every site.
pub fn sites(transaction: &ReadTransaction) -> Result<Sites, redb::Error> {
    let mut sites = Sites::new();
    for row in transaction.open_table(schema::SITES)?.range::<u32>(..)? {
        let (key, bytes) = row?;
        let id = key.value();
        let damaged = |_| SiteRecord { name: format!("(damaged name {id})").into(), known_since: Timestamp::ZERO };
        sites.insert(SiteId(id), SiteRecord::decode((id, 0), bytes.value()).unwrap_or_else(damaged));
    }
    Ok(sites)
}

/// The tables that a reader of samples needs.
pub struct View {
    sealed: ReadOnlyTable<u32, &'static [u8]>,
    /// The blocks of every site.
    pub blocks: ReadOnlyTable<(u32, u64), &'static [u8]>,
    /// The rollups of hours of every site; `None` in a file of format 1.
    pub hours: Option<ReadOnlyTable<(u32, u64), &'static [u8]>>,
    /// The same for days.
    pub days: Option<ReadOnlyTable<(u32, u64), &'static [u8]>>,
    /// The journal.
    pub tail: Arc<Journal>,
    /// The outages of this machine's own network.
    pub outages: Outages,
}

impl Rolled for View {
    fn reach(&self, site: SiteId) -> Result<(u64, Timestamp), redb::Error> {
        self.hours.as_ref().map_or(Ok((0, Timestamp::ZERO)), |hours| sealed::reach(hours, site))
    }
}

impl View {
    /// The samples as `transaction` sees them.
    pub fn new(transaction: &ReadTransaction) -> Result<Self, redb::Error> {
        Self::with(transaction, Arc::new(Journal::load(&transaction.open_table(schema::JOURNAL)?)?))
    }

    /// The same with a journal that was read already.
    pub fn with(transaction: &ReadTransaction, tail: Arc<Journal>) -> Result<Self, redb::Error> {
        Ok(Self {
            sealed: transaction.open_table(schema::SEALED)?,
            blocks: transaction.open_table(schema::BLOCKS)?,
            hours: schema::later_table(transaction, schema::HOURS)?,
            days: schema::later_table(transaction, schema::DAYS)?,
            tail,
            outages: Outages::new(transaction)?,
        })
    }

    /// How far `site` is sealed.
    pub fn sealed(&self, site: SiteId) -> Result<SealedRecord, redb::Error> {
        read_sealed(&self.sealed, &self.blocks, self, site)
    }

    /// The number after the newest sample of `site`, and the time of that one.
    pub fn newest(&self, site: SiteId) -> Result<(u64, Option<Timestamp>), redb::Error> {
        let sealed = self.sealed(site)?;
        let sealed_last = (sealed.next_seq > 0).then_some(sealed.last_at);
        let mut samples = Vec::new();
        for index in (0..self.tail.count(site)).rev() {
            if self.tail.decode(site, index, sealed.next_seq, &mut samples).is_ok()
                && let Some(last) = samples.last()
            {
                return Ok((self.tail.next_seq(site).unwrap_or(0).max(sealed.next_seq), Some(last.at)));
            }
        }
        Ok((self.tail.next_seq(site).unwrap_or(0).max(sealed.next_seq), sealed_last))
    }

    /// Appends the newest samples of `site` to `out`, as far back as they are at or after `since`, follow each other
    /// without a gap in their numbers, and their times increase; returns the number of the first, or the next one to
    /// come if there is none. Cost: one page a block that is reached.
    pub fn replay(&self, site: SiteId, since: Timestamp, out: &mut Vec<Sample>) -> Result<u64, redb::Error> {
        let sealed = self.sealed(site)?;
        let (next_seq, _) = self.newest(site)?;
        let mut newest_first = Vec::new();
        let mut suffix = Suffix { since, expected: next_seq, before: None };
        let mut open = true;
        for index in (0..self.tail.count(site)).rev() {
            let mut samples = Vec::new();
            let first = self.tail.decode(site, index, sealed.next_seq, &mut samples);
            open = open && first.is_ok_and(|first| suffix.take(first, &samples, &mut newest_first));
        }
        if open && suffix.expected == sealed.next_seq {
            for row in self.blocks.range(schema::whole(site.0))?.rev() {
                let (key, bytes) = row?;
                let mut samples = Vec::new();
                let sound = block::decode(key.value(), bytes.value(), &mut samples).is_ok();
                if !sound || !suffix.take(key.value().1, &samples, &mut newest_first) {
                    break;
                }
            }
        }
        out.extend(newest_first.iter().rev());
        Ok(next_seq - newest_first.len() as u64)
    }
}

/// The longest run of newest samples that may be shown again, gathered from the end.
struct Suffix {
    since: Timestamp,
    /// The number after the sample that is wanted next.
    expected: u64,
    /// Times must lie below this one.
    before: Option<Timestamp>,
}

impl Suffix {
    /// Takes from the end of `samples`, the first of which has number `first`; returns whether to continue before them.
    fn take(&mut self, first: u64, samples: &[Sample], newest_first: &mut Vec<Sample>) -> bool {
        if first.checked_add(samples.len() as u64) != Some(self.expected) {
            return false;
        }
        for sample in samples.iter().rev() {
            if sample.at < self.since || self.before.is_some_and(|before| sample.at >= before) {
                return false;
            }
            newest_first.push(*sample);
            self.before = Some(sample.at);
            self.expected -= 1;
        }
        true
    }
}

/// Every alert with its site, in the order in which they were found; damaged ones are left out.
fn all_alerts(transaction: &ReadTransaction) -> Result<Vec<(SiteId, AlertRecord)>, redb::Error> {
    let sites = sites(transaction)?;
    let name = |id: SiteId| name_of(&sites, id);
    let mut alerts = Vec::new();
    for row in transaction.open_table(schema::ALERTS)?.range::<u64>(..)? {
        let (_, bytes) = row?;
        alerts.extend(decode_alert(bytes.value(), name).ok());
    }
    Ok(alerts)
}

/// The name of a site in messages.
pub fn name_of(sites: &HashMap<SiteId, SiteRecord>, id: SiteId) -> Arc<str> {
    match sites.get(&id) {
        Some(site) => Arc::clone(&site.name),
        None if id == SiteId::OWN => OWN_NAME.into(),
        None => format!("(unknown site {})", id.0).into(),
    }
}

/// The incidents, waiting messages and silences.
pub fn kept(transaction: &ReadTransaction) -> Result<Kept, redb::Error> {
    let sites = sites(transaction)?;
    outbox::all(transaction, |id| name_of(&sites, id))
}

/// The incidents and silences alone, by number; damaged ones are left out.
pub fn standing(transaction: &ReadTransaction) -> Result<(Vec<Incident>, Vec<Silence>), redb::Error> {
    let (mut incidents, mut silences) = (Vec::new(), Vec::new());
    let Some(rows) = schema::later_table(transaction, schema::OUTBOX)? else { return Ok((incidents, silences)) };
    let sites = sites(transaction)?;
    for (kind, key) in [("incident", ChangeKey::Incident as fn(u64) -> ChangeKey), ("silence", ChangeKey::Silence)] {
        for row in rows.range((kind, 0)..=(kind, u64::MAX))? {
            let (place, bytes) = row?;
            match outbox::decode(&key(place.value().1), bytes.value(), |id| name_of(&sites, id)) {
                Ok(Record::Incident(incident)) => incidents.push(*incident),
                Ok(Record::Silence(silence)) => silences.push(silence),
                _ => {}
            }
        }
    }
    Ok((incidents, silences))
}

/// The alerts that `query` asks for, by time and then in the order in which they were found.
pub fn alerts(transaction: &ReadTransaction, query: &Query) -> Result<Vec<AlertRecord>, redb::Error> {
    let mut alerts = all_alerts(transaction)?;
    let wanted: Option<HashSet<SiteId>> = query.sites.as_ref().map(|sites| sites.iter().copied().collect());
    alerts.retain(|(site, alert)| wanted.as_ref().is_none_or(|wanted| wanted.contains(site)) && query.covers(alert.at));
    alerts.sort_by_key(|(_, alert)| alert.at);
    Ok(alerts.into_iter().map(|(_, alert)| alert).collect())
}

/// The ends of pauses.
pub fn pauses(transaction: &ReadTransaction) -> Result<Vec<(SiteId, Timestamp)>, redb::Error> {
    let mut pauses = Vec::new();
    for row in transaction.open_table(schema::META)?.iter()? {
        let (key, until) = row?;
        pauses.extend(schema::paused_site(key.value()).map(|site| (site, Timestamp::from_micros(until.value()))));
    }
    Ok(pauses)
}

/// The sites and rules whose newest alert opened an incident, and since when.
pub fn open_incidents(transaction: &ReadTransaction) -> Result<Vec<OpenIncident>, redb::Error> {
    let mut open = BTreeMap::new();
    for (site, alert) in all_alerts(transaction)? {
        let Alert { site: name, state, rule, since, incident: number, reading, .. } = alert.facts;
        // Of webmon itself, each location has an incident of its own, under its name.
        let key = (site, rule, Arc::clone(&name));
        if state.is_opening() {
            open.insert(key, OpenIncident { site, name, rule, since, number, reading });
        } else {
            open.remove(&key);
        }
    }
    Ok(open.into_values().collect())
}

/// An incident whose end is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenIncident {
    /// The site.
    pub site: SiteId,
    /// Its name.
    pub name: Arc<str>,
    /// The rule that was breached.
    pub rule: RuleKind,
    /// The time of the alert that opened it.
    pub since: Timestamp,
    /// Its number; `None` if an earlier version opened it.
    pub number: Option<u64>,
    /// What its last alert said, if its rule is not availability.
    pub reading: Option<Reading>,
}
