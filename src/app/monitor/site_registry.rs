//! Who is watched: the number and the ring of each site, by name, for those who look at a running monitor.
//!
//! A site keeps its number as long as it is watched, whatever its place in sites.yaml; numbers are never given twice. So
//! what is said by number (wishes, texts, checks by hand) means the same site before and after a change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ring::Ring;

/// What is known of a site.
#[derive(Clone, Debug)]
pub struct SiteEntry {
    /// Its number.
    pub slot: usize,
    /// Where its samples are.
    pub ring: Arc<Ring>,
}

/// See the module. A plain mutex: held for one look, a few times a second and by one reader.
#[derive(Debug, Default)]
pub struct SiteRegistry(Mutex<HashMap<Arc<str>, SiteEntry>>);

impl SiteRegistry {
    /// The site of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<SiteEntry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// These sites and no others from now on.
    pub fn replace(&self, entries: impl IntoIterator<Item = (Arc<str>, SiteEntry)>) {
        let entries = entries.into_iter().collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = entries;
    }
}
