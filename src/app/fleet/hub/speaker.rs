//! Which of several hubs delivers alerts, and what people were told of: between the server and the desk of this hub.
//!
//! Invariant: only the hub that delivers writes what people were told of, each time it changes, and again after each connection.

use tokio::sync::watch;

use crate::fleet::connection::Link;
use crate::fleet::key_watch::value_of;
use crate::fleet::lease::{Leading, Lease};
use crate::fleet::subjects::{PLAN_BUCKET, TOLD_KEY, kv};
use crate::fleet::told::{self, ToldIncident};
use crate::model::{Location, Moment, Timestamp};

/// The desk's side of a [`Speaker`].
pub struct Part {
    /// Whether this hub delivers.
    pub leading: watch::Receiver<Leading>,
    /// What people were told of by the hub that does.
    pub told: watch::Receiver<Vec<ToldIncident>>,
    /// What people were told of by this one.
    pub telling: watch::Sender<Vec<ToldIncident>>,
}

/// See the module.
pub(super) struct Speaker {
    lease: Lease,
    leading: watch::Sender<Leading>,
    told: watch::Sender<Vec<ToldIncident>>,
    telling: watch::Receiver<Vec<ToldIncident>>,
}

impl Speaker {
    /// Begins at `now` for the hub `own`, by the steady clock.
    pub(super) fn new(own: Location, now: Timestamp) -> (Self, Part) {
        let (leading, leads) = watch::channel(Leading::Undecided);
        let (told, heard) = watch::channel(Vec::new());
        let (tell, telling) = watch::channel(Vec::new());
        (
            Self { lease: Lease::new(own, now), leading, told, telling },
            Part { leading: leads, told: heard, telling: tell },
        )
    }

    /// There is a connection: what people were told of is read before anything is decided.
    pub(super) async fn connected(&mut self, link: &Link) {
        if let Some(value) = value_of(link, PLAN_BUCKET, TOLD_KEY).await {
            self.hear(&value);
        }
        if self.leading() == Leading::Leads {
            self.say(link).await;
        }
    }

    /// Hears what a hub says that people were told of.
    pub(super) fn hear(&self, value: &[u8]) {
        self.told.send_replace(told::decode(value));
    }

    /// Renews the lease at `now`. Returns a sentence if it concerns the user.
    pub(super) async fn keep(&mut self, link: &Link, now: Moment) -> Option<String> {
        let was_shared = self.lease.is_shared();
        let leading = self.lease.keep(link, now).await;
        let before = self.leading.send_replace(leading.clone());
        if self.lease.is_shared() && !was_shared {
            return Some("two hubs have the name of this one: give one of them another `fleet.location`".to_owned());
        }
        match (before, leading) {
            (before, after) if before == after => None,
            (Leading::Follows(holder), Leading::Leads) => {
                Some(format!("this hub delivers alerts now, in place of {holder}"))
            }
            (_, Leading::Follows(holder)) => Some(format!("{holder} delivers alerts, and this hub stands by")),
            _ => None,
        }
    }

    /// Decides without a server, once it has been away for long enough at `now`, by the steady clock.
    pub(super) fn wait(&mut self, now: Timestamp) {
        let leading = self.lease.leading(now);
        self.leading.send_if_modified(|known| std::mem::replace(known, leading.clone()) != leading);
    }

    pub(super) fn leading(&self) -> Leading {
        self.leading.borrow().clone()
    }

    /// Waits until people were told of something else.
    pub(super) async fn has_told(&mut self) {
        if self.telling.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Writes what people were told of, if this hub delivers. A failure is repaired by the next time.
    pub(super) async fn say(&mut self, link: &Link) {
        if self.leading() != Leading::Leads {
            return;
        }
        let value = told::encode(&self.telling.borrow_and_update());
        let _repaired = link.client.publish(kv(PLAN_BUCKET, TOLD_KEY), value.into()).await;
    }
}
