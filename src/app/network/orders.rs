//! Gives orders to all schedulers, and joins what they answer.
//!
//! Invariant: an answer comes only if every scheduler has carried out the order; a scheduler that has ended never answers.

use std::sync::Arc;

use tokio::sync::{Barrier, mpsc, oneshot};

use crate::app::clock::ClockSet;
use crate::app::scheduler::{Order, SetClock, SiteUpdate, SitesUpdated, UpdateSites};
use crate::model::SiteSlot;
use crate::ring::Ring;
use crate::tui::SiteCommand;

use super::share_of;

/// The way to the schedulers, in the order of their threads.
#[derive(Debug)]
pub struct NetworkOrders(Vec<mpsc::Sender<Order>>);

impl NetworkOrders {
    /// Orders by these senders.
    #[must_use]
    pub const fn new(schedulers: Vec<mpsc::Sender<Order>>) -> Self {
        Self(schedulers)
    }

    /// Passes on a user's command; false if a scheduler cannot take it. Those without the site ignore it.
    #[must_use]
    pub fn command(&self, command: SiteCommand) -> bool {
        // All or none: a scheduler that took it alone would disagree with the screen.
        let permits: Result<Vec<_>, _> = self.0.iter().map(mpsc::Sender::try_reserve).collect();
        permits.map(|permits| permits.into_iter().for_each(|permit| permit.send(Order::Site(command)))).is_ok()
    }

    /// Lets all schedulers count what was due during a suspend.
    pub async fn wake(&self) {
        for scheduler in &self.0 {
            // It may have ended.
            let _ended = scheduler.send(Order::Wake).await;
        }
    }

    /// Replaces the sites; none if a scheduler has ended.
    pub async fn update(&self, updates: Vec<SiteUpdate>) -> Option<SitesUpdated> {
        let mut shares: Vec<Vec<SiteUpdate>> = self.0.iter().map(|_| Vec::new()).collect();
        for update in updates {
            let site = match &update {
                SiteUpdate::Kept { site, .. } => site,
                SiteUpdate::New(new) => &new.site,
            };
            let share = share_of(&site.name, shares.len());
            shares[share].push(update);
        }
        let mut shares = shares.into_iter();
        let revise = |done| Order::Revise(UpdateSites { sites: shares.next().unwrap_or_default(), done });
        let mut all = SitesUpdated { moved: Vec::new(), left: Vec::new() };
        for updated in self.ask(revise).await? {
            all.moved.extend(updated.moved);
            all.left.extend(updated.left);
        }
        Some(all)
    }

    /// Lets all schedulers follow the system's clock at once; returns the sites with another ring, or none if a scheduler has
    /// ended.
    pub async fn set_clock(&self, set: ClockSet) -> Option<Vec<(SiteSlot, Arc<Ring>)>> {
        let meeting = Arc::new(Barrier::new(self.0.len()));
        let moved = self.ask(|done| Order::Set(SetClock { set, meeting: Arc::clone(&meeting), done })).await?;
        Some(moved.into_iter().flatten().collect())
    }

    /// Sends an order to each scheduler and waits for all answers.
    async fn ask<T>(&self, mut order: impl FnMut(oneshot::Sender<T>) -> Order) -> Option<Vec<T>> {
        let mut answers = Vec::with_capacity(self.0.len());
        for scheduler in &self.0 {
            let (done, answer) = oneshot::channel();
            scheduler.send(order(done)).await.ok()?;
            answers.push(answer);
        }
        let mut answered = Vec::with_capacity(answers.len());
        for answer in answers {
            answered.push(answer.await.ok()?);
        }
        Some(answered)
    }
}
