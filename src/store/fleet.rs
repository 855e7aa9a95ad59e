//! A store in a fleet: its own number, and what a hub's store knows of the sites of others.
//!
//! Invariants: a site of another store keeps its number here for ever, whatever it is called there; its name here is unique and
//! begins with its location.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::model::{SiteId, StoreId, Timestamp};

use super::archive::Archive;
use super::error::{StoreError, guard};
use super::read::view::{self, View};
use super::tables::hub::gathered::{self, Origin, Origins, StreamPosition};
use super::tables::hub::seen::{self, BlindTimes, SeenHour};
use super::tables::record::{self, Registered, SiteRecord};
use super::writable::Store;

use redb::ReadableDatabase as _;

impl Store {
    /// The random number of this store; `fresh` if it has none yet.
    ///
    /// # Errors
    /// Those of the database.
    pub fn id(&self, fresh: StoreId) -> Result<StoreId, StoreError> {
        match self.look(gathered::store_id)? {
            Some(id) => Ok(id),
            None => self.change(|transaction| gathered::write_store_id(transaction, fresh)).map(|()| fresh),
        }
    }

    /// The origins of the sites of others.
    ///
    /// # Errors
    /// Those of the database.
    fn origins(&self) -> Result<Origins, StoreError> {
        self.look(gathered::origins)
    }

    /// The origins of the sites of others, and the number of the next sample of each.
    ///
    /// # Errors
    /// Those of the database.
    pub fn gathered(&self) -> Result<(Origins, HashMap<SiteId, u64>), StoreError> {
        self.look(|transaction| {
            let (origins, view) = (gathered::origins(transaction)?, View::new(transaction)?);
            let next = origins.keys().map(|&site| Ok((site, view.newest(site)?.0)));
            let next = next.collect::<Result<_, redb::Error>>()?;
            Ok((origins, next))
        })
    }

    /// How far the stream of this name was read.
    ///
    /// # Errors
    /// Those of the database.
    pub fn position(&self, stream: &str) -> Result<Option<StreamPosition>, StoreError> {
        self.look(|transaction| gathered::position(transaction, stream))
    }

    /// Finds or makes a site for each of `origins`, in their order, and follows their descriptions and names. The name here is
    /// `location/name`, with the number of the store if another store of that location has a site of that name.
    ///
    /// # Errors
    /// Those of the database.
    pub fn adopt(&self, origins: &[Origin], now: Timestamp) -> Result<Vec<Registered>, StoreError> {
        let known: HashMap<_, SiteId> =
            self.origins()?.into_iter().map(|(id, origin)| (identity(&origin), id)).collect();
        let sites = self.look(view::sites)?;
        let adopted: HashSet<SiteId> =
            origins.iter().filter_map(|origin| known.get(&identity(origin)).copied()).collect();
        let others = sites.iter().filter(|(id, _)| !adopted.contains(id));
        let mut taken: HashSet<Arc<str>> = others.map(|(_, site)| Arc::clone(&site.name)).collect();
        let name_before =
            |origin: &Origin| known.get(&identity(origin)).and_then(|id| sites.get(id)).map(|site| &*site.name);
        let mut order: Vec<usize> = (0..origins.len()).collect();
        // Those that need no other name choose first.
        order.sort_by_key(|&index| name_before(&origins[index]) != Some(&plain_name(&origins[index])));
        let mut names = vec![Arc::default(); origins.len()];
        for index in order {
            names[index] = name_here(&origins[index], &taken);
            taken.insert(Arc::clone(&names[index]));
        }
        let mut renamed = Vec::new();
        for (origin, name) in origins.iter().zip(&names) {
            let Some(id) = known.get(&identity(origin)) else { continue };
            let before = sites.get(id);
            if before.is_none_or(|site| site.name != *name) {
                let known_since = before.map_or(now, |site| site.known_since);
                renamed.push((id.0, SiteRecord { name: Arc::clone(name), known_since }));
            }
        }
        if !renamed.is_empty() {
            self.change(|transaction| record::insert_sites(transaction, &renamed))?;
        }
        let registered = self.register(&names, now)?;
        self.change(|transaction| {
            let rows = registered.iter().map(|site| site.id).zip(origins);
            gathered::write_origins(transaction, rows)
        })?;
        Ok(registered)
    }
}

impl Archive {
    /// The origins of the sites of others; none in a store that is no hub's.
    ///
    /// # Errors
    /// Those of the database.
    pub fn origins(&self) -> Result<Origins, StoreError> {
        guard(|| gathered::origins(&self.database().begin_read()?)).map_err(|error| self.failed(error))
    }

    /// What the locations of `site` saw of it together in those of these hours since the epoch that are stored.
    ///
    /// # Errors
    /// Those of the database.
    pub fn seen(&self, site: SiteId, hours: Range<u64>) -> Result<BTreeMap<u64, SeenHour>, StoreError> {
        guard(|| seen::hours(&self.database().begin_read()?, site, hours)).map_err(|error| self.failed(error))
    }

    /// The newest of these hours.
    ///
    /// # Errors
    /// Those of the database.
    pub fn newest_seen(&self, site: SiteId) -> Result<Option<u64>, StoreError> {
        guard(|| seen::newest(&self.database().begin_read()?, site)).map_err(|error| self.failed(error))
    }

    /// When which location was blind.
    ///
    /// # Errors
    /// Those of the database.
    pub fn blind_times(&self) -> Result<BlindTimes, StoreError> {
        guard(|| seen::blind(&self.database().begin_read()?)).map_err(|error| self.failed(error))
    }

    /// The random number of the store, if it has one.
    ///
    /// # Errors
    /// Those of the database.
    pub fn id(&self) -> Result<Option<StoreId>, StoreError> {
        guard(|| gathered::store_id(&self.database().begin_read()?)).map_err(|error| self.failed(error))
    }
}

/// What names a site of another store for ever.
fn identity(origin: &Origin) -> (crate::model::Location, StoreId, SiteId) {
    (origin.location.clone(), origin.store, origin.site)
}

fn plain_name(origin: &Origin) -> String {
    format!("{}/{}", origin.location, origin.name)
}

fn name_here(origin: &Origin, taken: &HashSet<Arc<str>>) -> Arc<str> {
    let plain: Arc<str> = plain_name(origin).into();
    if !taken.contains(&plain) {
        return plain;
    }
    let mut name: Arc<str> = format!("{plain} ({})", origin.store).into();
    while taken.contains(&name) {
        // Only a store whose names are forged gets here.
        name = format!("{name} ({})", origin.site.0).into();
    }
    name
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Location;
    use crate::store::tests::simulated_disk::Disk;

    fn origin(location: &str, store: u8, site: u32, name: &str) -> Origin {
        Origin {
            location: Location::new(location).unwrap(),
            store: StoreId([store; 16]),
            site: SiteId(site),
            name: name.into(),
            group: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            url: "http://a/".into(),
        }
    }

    fn names(store: &Store) -> Vec<(SiteId, String)> {
        let mut names: Vec<_> = store.names().unwrap().into_iter().map(|(name, id)| (id, name.to_string())).collect();
        names.sort();
        names
    }

    #[test]
    fn a_store_keeps_its_number() {
        let store = Disk::default().store().unwrap();
        let [first, second] = [StoreId([1; 16]), StoreId([2; 16])];
        assert_eq!(store.id(first).unwrap(), first);
        assert_eq!(store.id(second).unwrap(), first);
    }

    #[test]
    fn sites_of_others_keep_their_numbers_and_follow_their_names() {
        let store = Disk::default().store().unwrap();
        let now = Timestamp::from_secs(1);
        let ids = |origins: &[Origin]| -> Vec<u32> {
            store.adopt(origins, now).unwrap().into_iter().map(|site| site.id.0).collect()
        };
        assert_eq!(ids(&[origin("fra1", 1, 0, "api"), origin("nyc1", 2, 0, "api")]), [0, 1]);
        // Known ones, in another order, beside the same site of another store of that location.
        assert_eq!(
            ids(&[origin("nyc1", 2, 0, "api"), origin("fra1", 9, 0, "api"), origin("fra1", 1, 0, "api")]),
            [1, 2, 0]
        );
        let other = format!("fra1/api ({})", StoreId([9; 16]));
        assert_eq!(
            names(&store),
            [(SiteId(0), "fra1/api".to_owned()), (SiteId(1), "nyc1/api".to_owned()), (SiteId(2), other)]
        );
        // Two sites exchange their names.
        assert_eq!(ids(&[origin("fra1", 1, 1, "web")]), [3]);
        assert_eq!(ids(&[origin("fra1", 1, 0, "web"), origin("fra1", 1, 1, "api")]), [0, 3]);
        assert_eq!(names(&store)[0], (SiteId(0), "fra1/web".to_owned()));
        assert_eq!(names(&store)[3], (SiteId(3), "fra1/api".to_owned()));
        let origins = store.origins().unwrap();
        assert_eq!(origins[&SiteId(3)], origin("fra1", 1, 1, "api"));
        assert_eq!(origins.len(), 4);
    }
}
