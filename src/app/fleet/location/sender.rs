//! The loop of a location: does what [`Agent`] says, and tells it the outcome.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::clock::Clock;
use crate::fleet::agent::{Agent, Lane, Positions, RETRY_MAX, Reading, Step};
use crate::fleet::connection::{Link, Role, Standing, connect};
use crate::fleet::frame::RosterSite;
use crate::fleet::publication::{Hearing, Publication, Receipt};
use crate::model::lock::lock;
use crate::model::time::backoff::Backoff;
use crate::model::{
    Certificate, FleetHealth, FleetState, FleetTerms, Location, Moment, Notice, SiteId, StoreId, Timestamp,
};
use crate::store::{Archive, StoreError};

use super::left::LeftSites;
use super::obeyed::Obeyed;
use super::{LocationStart, Surroundings, describe, fresh_session, fresh_store};

/// Time between two looks at what waits while there is no server, and at the certificates.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The wait after the store could not be read.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// The longest wait, so that the reports of sites follow a clock that was set.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Trouble that lasts so long is reported.
const TOLD_AFTER: Duration = Duration::from_secs(5);

/// The other number of a store is looked for so often.
const REDRAW_LOOK: Duration = Duration::from_millis(200);

/// See the module. Times are of the steady clock.
pub(super) struct Sender {
    agent: Agent,
    reading: Reading,
    archive: Option<Archive>,
    path: PathBuf,
    terms: FleetTerms,
    location: Location,
    clock: Clock,
    around: Surroundings,
    obeyed: Obeyed,
    health: tokio::sync::watch::Sender<FleetHealth>,
    finish: CancellationToken,
    roster: Vec<RosterSite>,
    /// Whether the sites as they are were described.
    is_described: bool,
    /// Since when there is no connection, and why not.
    unconnected: Option<(Timestamp, Option<String>)>,
    /// How far the store was when nothing could be sent, and when that was.
    ends: Option<(Timestamp, Positions)>,
    certificates: BTreeMap<SiteId, Certificate>,
    certificates_due: Timestamp,
    left: LeftSites,
    /// Whether the user knows that something is wrong.
    is_told: bool,
    /// Samples that were acknowledged by then.
    sent_when_told: u64,
}

impl Sender {
    pub(super) fn new(start: LocationStart, clock: Clock, around: Surroundings, finish: CancellationToken) -> Self {
        let LocationStart { terms, location, id, path, share, config, health, .. } = start;
        let left = LeftSites::new(Arc::clone(&around.book), terms.alone);
        Self {
            agent: Agent::new(id, fresh_session()),
            reading: Reading::default(),
            archive: None,
            path,
            terms,
            location,
            unconnected: Some((clock.moment().steady, None)),
            clock,
            around,
            obeyed: Obeyed::new(share, config),
            health,
            finish,
            roster: Vec::new(),
            is_described: false,
            ends: None,
            certificates: BTreeMap::new(),
            certificates_due: Timestamp::ZERO,
            left,
            is_told: false,
            sent_when_told: 0,
        }
    }

    /// Sends until it has to finish; then the rest, if there is a connection.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(fresh_session());
        let finish = self.finish.clone();
        // It is not known yet whether a hub is there.
        self.left.leave(self.clock.moment());
        self.around.book.judge_at(self.location.clone());
        loop {
            let clock = self.clock.clone();
            let role = Role::Location(self.location.clone());
            let connected = tokio::select! {
                biased;
                () = finish.cancelled() => return,
                connected = connect(&self.terms, &role, move || clock.now()) => connected,
            };
            let opened = match connected {
                Ok(link) => self.open(&link).await.map(|publication| (link, publication)),
                Err(fault) => Err(fault.to_string()),
            };
            match opened {
                // The client connects again by itself.
                Ok((link, publication)) => return self.session(&link, publication).await,
                Err(reason) => self.lost(Some(reason)),
            }
            self.look_back();
            self.tell();
            tokio::select! {
                () = finish.cancelled() => return,
                () = tokio::time::sleep(backoff.wait().min(RETRY_MAX)) => {}
            }
        }
    }

    /// Listens over `link`.
    async fn open(&mut self, link: &Link) -> Result<Publication, String> {
        self.obeyed.open(link, &self.location).await?;
        Publication::open(link, &self.location).await
    }

    async fn session(mut self, link: &Link, mut publication: Publication) {
        let mut state = link.state();
        let mut receipts: JoinSet<(u64, Receipt)> = JoinSet::new();
        self.found(link);
        loop {
            self.describe();
            self.tell();
            let now = self.clock.moment();
            match self.agent.step(now) {
                Step::Ask(store) => {
                    if let Err(reason) = publication.ask(link, store).await {
                        self.notice(&format!("the hubs cannot be asked: {reason}"));
                    }
                }
                Step::Look => match self.ends_now() {
                    Ok(ends) => self.agent.begin(&ends),
                    Err(error) => self.unreadable(&error).await,
                },
                Step::Read { lane, from } => self.read(lane, from).await,
                Step::Send(frame) => {
                    let number = frame.number;
                    match publication.publish(link, frame).await {
                        Ok(receipt) => drop(receipts.spawn(async move { (number, receipt.await) })),
                        Err(reason) => self.agent.refused(number, reason, now.steady),
                    }
                }
                Step::Report => self.report(now),
                Step::Redraw => {
                    if !self.redraw().await {
                        return;
                    }
                    self.found(link);
                }
                Step::Wait(until) => {
                    if !self.agent.has_more() {
                        self.archive = None;
                    }
                    if self.finish.is_cancelled() && (self.agent.is_done() || self.unconnected.is_some()) {
                        return;
                    }
                    let wait = until.since(now.steady).min(WAIT_MAX);
                    let finish = self.finish.clone();
                    tokio::select! {
                        biased;
                        () = finish.cancelled(), if !self.agent.is_finishing() => self.agent.finish(),
                        Ok(()) = state.changed() => {
                            let lost = state.borrow_and_update().standing != Standing::Connected;
                            let refusal = state.borrow().refusal.clone();
                            match (lost, self.unconnected.is_some()) {
                                (true, _) => self.lost(refusal),
                                (false, true) => self.found(link),
                                (false, false) => self.agent.explain(refusal),
                            }
                        }
                        Some(Ok((number, receipt))) = receipts.join_next() => {
                            let now = self.clock.moment().steady;
                            match receipt {
                                Ok(()) => self.agent.acknowledged(number, now),
                                Err(reason) => self.agent.refused(number, reason, now),
                            }
                        }
                        heard = publication.next() => self.hear(heard).await,
                        reason = self.obeyed.refused() => self.notice(&reason),
                        Ok(()) = self.around.sites.changed() => self.is_described = false,
                        () = tokio::time::sleep(wait) => self.look_back(),
                    }
                }
            }
        }
    }

    /// There is a connection.
    fn found(&mut self, link: &Link) {
        (self.unconnected, self.ends) = (None, None);
        self.obeyed.read(link);
        self.agent.connected(link.max_payload(), self.clock.moment().steady);
    }

    /// There is none.
    fn lost(&mut self, reason: Option<String>) {
        let since = self.unconnected.take().map_or_else(|| self.clock.moment().steady, |(since, _)| since);
        self.unconnected = Some((since, reason));
        self.agent.disconnected();
    }

    async fn hear(&mut self, heard: Hearing) {
        let now = self.clock.moment();
        match heard {
            Hearing::Word(hub, word) => {
                self.agent.heard(&hub, &word, now.steady);
                self.left.leave(now);
            }
            Hearing::Answer(have) => match self.ends_now() {
                Ok(ends) => {
                    let lacked = self.agent.lacked();
                    self.agent.answered(&have, &ends, now.steady);
                    if self.agent.lacked() > lacked {
                        // A hub that lacks samples lacks these, too.
                        (self.certificates, self.certificates_due) = (BTreeMap::new(), now.steady);
                    }
                }
                // It is asked again once it speaks.
                Err(error) => self.unreadable(&error).await,
            },
        }
    }

    /// Reads; rests after old samples for as long as it took, so that a new hub costs half a core at most.
    async fn read(&mut self, lane: Lane, from: Option<Positions>) {
        let began = self.clock.monotonic();
        if let Some(from) = from {
            self.reading.open(lane, &from);
        }
        let found = self.opened().and_then(|(reading, archive)| reading.read(lane, archive));
        match found {
            Ok(batch) => self.agent.take(lane, batch, self.clock.moment()),
            Err(error) => {
                self.agent.unread(lane);
                self.unreadable(&error).await;
            }
        }
        if lane == Lane::Back {
            tokio::time::sleep(self.clock.monotonic().saturating_sub(began)).await;
        }
    }

    fn opened(&mut self) -> Result<(&mut Reading, &Archive), StoreError> {
        let archive = match self.archive.take() {
            Some(archive) => archive,
            None => Archive::open(&self.path)?,
        };
        Ok((&mut self.reading, self.archive.insert(archive)))
    }

    fn ends_now(&mut self) -> Result<Positions, StoreError> {
        self.opened().and_then(|(_, archive)| Reading::ends(archive))
    }

    async fn unreadable(&mut self, error: &StoreError) {
        self.archive = None;
        if !self.is_told {
            self.is_told = true;
            self.notice(&format!("the store cannot be read: {error}"));
        }
        tokio::time::sleep(STORE_PAUSE).await;
    }

    /// Describes the sites, once they are all in the store.
    fn describe(&mut self) {
        if self.is_described {
            return;
        }
        let Ok(stored) = self.opened().and_then(|(_, archive)| archive.sites()) else {
            self.archive = None;
            return;
        };
        let (roster, is_whole) = describe::roster(&self.around.sites.borrow_and_update(), &stored);
        self.is_described = is_whole;
        if roster != self.roster {
            self.roster.clone_from(&roster);
            self.agent.watch(roster);
        }
    }

    fn report(&mut self, now: Moment) {
        let status = describe::status(&self.around.board.snapshot(), &self.around.health.borrow(), &self.roster);
        self.agent.status(status, now);
    }

    /// Looks how much waits while nothing can be sent, and at the certificates while something can.
    fn look_back(&mut self) {
        let moment = self.clock.moment();
        let now = moment.steady;
        if self.unconnected.is_some() {
            if self.ends.as_ref().is_none_or(|(at, _)| now.since(*at) >= LOOK_EVERY) {
                self.ends = self.ends_now().ok().map(|ends| (now, ends));
                self.archive = None;
            }
            return;
        }
        if now < self.certificates_due || !self.agent.is_done() {
            return;
        }
        self.certificates_due = now.after(LOOK_EVERY);
        let Ok(all) = self.opened().and_then(|(_, archive)| archive.certificates()) else { return };
        let mut new: Vec<(SiteId, Certificate)> = all;
        new.retain(|(site, certificate)| self.certificates.get(site) != Some(certificate));
        new.sort_by_key(|(site, _)| *site);
        if !new.is_empty() {
            self.certificates.extend(new.iter().cloned());
            self.agent.certificates(new, moment);
        }
    }

    /// Gives the store another number. Returns whether it has it; otherwise it is time to finish.
    async fn redraw(&mut self) -> bool {
        let id = fresh_store();
        self.notice(&format!(
            "a hub has newer samples of this store than the store itself: it is an older copy, and is sent as another one, {id}"
        ));
        lock(&self.around.entrance).note_store_id(id);
        while !self.opened().and_then(|(_, archive)| archive.id()).is_ok_and(|found| found == Some(id)) {
            self.archive = None;
            tokio::select! {
                () = self.finish.cancelled() => return false,
                () = tokio::time::sleep(REDRAW_LOOK) => {}
            }
        }
        self.begin_again(id);
        true
    }

    fn begin_again(&mut self, id: StoreId) {
        self.agent = Agent::new(id, fresh_session());
        self.agent.watch(self.roster.clone());
        self.certificates.clear();
    }

    /// Publishes the health, and tells the user when something goes wrong and when it is over.
    fn tell(&mut self) {
        let now = self.clock.moment();
        self.left.tell(now);
        let bad = self.unconnected.as_ref().or(self.agent.trouble());
        let told = bad.map(|(since, reason)| (now.on_wall(*since), reason.clone()));
        let since = bad.map(|(since, _)| *since);
        let state = match told {
            Some((since, reason)) if self.unconnected.is_some() => FleetState::Unconnected { since, reason },
            Some((since, reason)) => FleetState::Unanswered { since, reason },
            None => FleetState::Ok,
        };
        let health = FleetHealth {
            location: Arc::clone(&self.health.borrow().location),
            state,
            waiting: self.agent.waiting(self.ends.as_ref().map(|(_, ends)| ends)),
            lacked: self.agent.lacked(),
            sent: self.agent.sent(),
        };
        let is_bad = since.is_some_and(|since| now.steady.since(since) >= TOLD_AFTER);
        if is_bad && !self.is_told {
            (self.is_told, self.sent_when_told) = (true, health.sent);
            self.notice(&health.trouble(now.wall).unwrap_or_default());
        } else if since.is_none() && self.is_told && health.sent > self.sent_when_told {
            self.is_told = false;
            self.notice("the NATS server takes samples again");
        }
        self.health.send_if_modified(|before| {
            let is_other = *before != health;
            *before = health;
            is_other
        });
    }

    fn notice(&self, text: &str) {
        let text = text.to_owned();
        self.around.status.send_modify(|status| status.tell(Notice { about: "fleet", text }));
    }
}
