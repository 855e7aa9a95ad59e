//! The store as of one moment, for a reader with several questions.
//!
//! Invariants: all answers are of one transaction. Cost: the journal is loaded once for all of them. Bounds: pages that the writer
//! frees meanwhile are not used again until it is dropped, so it is kept for seconds at most.

use std::path::PathBuf;
use std::time::Duration;

use redb::{ReadOnlyTable, ReadTransaction};

use crate::alert::network::Mask;
use crate::model::{SiteId, Timestamp};
use crate::stats::PeriodFigures;
use crate::store::error::{StoreError, guard};
use crate::store::tables::rollup::Grain;
use crate::store::tables::schema;

use super::checks::{self, StoredChecks};
use super::figures::{self, Figures, Foundation};
use super::view::{Query, View};
use super::walk::has_unrolled;

/// See the module.
pub struct Moment {
    path: PathBuf,
    view: View,
    failures: ReadOnlyTable<(u32, u64), &'static [u8]>,
}

/// How much of the past of a site is settled: figures of a period that ends there stay as they are, until the edition is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// A whole hour. All samples before it are in the rollups, and no others.
    pub until: Timestamp,
    /// Changes with whatever changes the past, and where it begins: removal, a clock set back, an outage of the own network found later.
    pub edition: Edition,
}

/// See [`Settled`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    setback: u64,
    oldest: (u64, Option<u64>),
    mask: Mask,
}

impl Moment {
    pub(crate) fn new(path: PathBuf, transaction: &ReadTransaction) -> Result<Self, redb::Error> {
        Ok(Self { path, view: View::new(transaction)?, failures: transaction.open_table(schema::FAILURES)? })
    }

    /// The single checks of `site` from the first of these times to before the second one. `before` are others of it that were
    /// read earlier, which saves looking for where its data begin.
    ///
    /// # Errors
    /// Those of the database.
    pub fn checks(
        &self,
        site: SiteId,
        period: (Timestamp, Timestamp),
        before: Option<&StoredChecks>,
    ) -> Result<StoredChecks, StoreError> {
        self.answer(|| checks::checks(&self.view, &self.failures, (site, before), period))
    }

    /// The outages of this machine's own network, as they concern `site`.
    #[must_use]
    pub fn mask(&self, site: SiteId) -> Mask {
        self.view.outages.of(site)
    }

    /// The figures of each site that `query` names, in its order; with a heartbeat of 60 cells up to its end if their length is given, in
    /// whole hours or shorter than one.
    ///
    /// # Errors
    /// Those of the database.
    pub fn figures(&self, query: &Query, cell: Option<Duration>) -> Result<Vec<Figures>, StoreError> {
        self.answer(|| figures::figures(&self.view, query, cell))
    }

    /// The figures of one site in each of these periods, without their ends.
    ///
    /// # Errors
    /// Those of the database.
    pub fn parts(&self, site: SiteId, periods: &[(Timestamp, Timestamp)]) -> Result<Vec<Figures>, StoreError> {
        self.answer(|| {
            let foundation = Foundation::of(&self.view, site, true)?;
            let part = |&period| figures::part(&self.view, &foundation, period, None);
            let mut parts = periods.iter().map(part).collect::<Result<Vec<Figures>, redb::Error>>()?;
            if let Some(first) = parts.first_mut() {
                // What is damaged in the journal is so for all periods, and counts once.
                first.damaged += self.view.tail.damaged;
            }
            Ok(parts)
        })
    }

    /// The sums of one site in each of these periods, without their ends and without where its data begin, which costs a block.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sums(&self, site: SiteId, periods: &[(Timestamp, Timestamp)]) -> Result<Vec<PeriodFigures>, StoreError> {
        self.answer(|| {
            let foundation = Foundation::of(&self.view, site, false)?;
            let sum = |&period| Ok(figures::part(&self.view, &foundation, period, None)?.stretch);
            periods.iter().map(sum).collect()
        })
    }

    /// How much of the past of `site` is settled; `None` if nothing is rolled up, or while samples that are not are older than that.
    ///
    /// # Errors
    /// Those of the database.
    pub fn settled(&self, site: SiteId) -> Result<Option<Settled>, StoreError> {
        self.answer(|| {
            let sealed = self.view.sealed(site)?;
            if sealed.rolled == 0 {
                return Ok(None);
            }
            let until = Grain::Hour.start(Grain::Hour.of(sealed.rolled_at) + 1);
            if has_unrolled(&self.view, (site, &sealed), until)? {
                return Ok(None);
            }
            let foundation = Foundation::of(&self.view, site, false)?;
            let hours = self.view.hours.as_ref();
            let first_hour =
                hours.map(|hours| hours.range(schema::whole(site.0))?.next().transpose()).transpose()?.flatten();
            let oldest = (foundation.first_raw, first_hour.map(|(key, _)| key.value().1));
            let edition = Edition { setback: sealed.setback, oldest, mask: self.view.outages.of(site) };
            Ok(Some(Settled { until, edition }))
        })
    }

    /// The number of the last sealed sample of `site` whose time is below one before it; 0 if no clock was set back.
    ///
    /// # Errors
    /// Those of the database.
    pub fn setback(&self, site: SiteId) -> Result<u64, StoreError> {
        self.answer(|| Ok(self.view.sealed(site)?.setback))
    }

    fn answer<T>(&self, read: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, StoreError> {
        guard(read).map_err(|error| StoreError::of(&self.path, error))
    }
}
