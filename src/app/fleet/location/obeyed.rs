//! What a location obeys of what the hubs wrote into the bucket of the plan: it keeps it in files, which the reload follows.
//!
//! Invariant: what cannot be read changes nothing; what the location obeyed last holds also without a server.

use std::path::PathBuf;

use crate::app::share::Share;
use crate::fleet::connection::Link;
use crate::fleet::key_watch::{KeyChange, KeyWatch};
use crate::fleet::subjects::{PLAN_BUCKET, SITES_KEY, assignment_key};
use crate::model::{Location, Members};

/// See the module.
pub(super) struct Obeyed {
    share: Share,
    /// The location's own sites.yaml.
    path: PathBuf,
    watch: Option<KeyWatch>,
}

impl Obeyed {
    pub(super) const fn new(share: Share, path: PathBuf) -> Self {
        Self { share, path, watch: None }
    }

    /// Listens over `link` as `location`.
    ///
    /// # Errors
    /// Why that is not possible, as a sentence.
    pub(super) async fn open(&mut self, link: &Link, location: &Location) -> Result<(), String> {
        self.watch = Some(KeyWatch::open(link, PLAN_BUCKET, &[assignment_key(location), SITES_KEY.to_owned()]).await?);
        Ok(())
    }

    /// Reads again what holds: there is a connection again.
    pub(super) fn read(&mut self, link: &Link) {
        if let Some(watch) = &mut self.watch {
            watch.read(link);
        }
    }

    /// Obeys until something cannot be obeyed; returns why, as a sentence. Nothing is lost if the wait is given up.
    pub(super) async fn refused(&mut self) -> String {
        loop {
            let Some(watch) = &mut self.watch else { return std::future::pending().await };
            let change = watch.next().await;
            if let Err(reason) = self.obey(change) {
                return reason;
            }
        }
    }

    fn obey(&self, (key, value): KeyChange) -> Result<(), String> {
        if key == 1 {
            return self.take_sites(value.as_deref());
        }
        // Without it, the last one holds.
        let Some(value) = value else { return Ok(()) };
        let members = Members::decode(&value).ok_or("the assignment of a hub cannot be read, and is not obeyed")?;
        let kept = self.share.keep_members(&members);
        kept.map(drop).map_err(|error| format!("the assignment of a hub cannot be kept, and is not obeyed: {error}"))
    }

    /// Takes pushed sites, or goes back to those of the file if there are none.
    fn take_sites(&self, pushed: Option<&[u8]>) -> Result<(), String> {
        match pushed {
            Some(pushed) => {
                let kept = self.share.keep_sites(&self.path, pushed);
                kept.map_err(|reason| format!("the pushed sites are refused, and nothing changes: {reason}"))
            }
            None => self.share.drop_sites().map_err(|error| format!("the pushed sites cannot be removed: {error}")),
        }
    }
}
