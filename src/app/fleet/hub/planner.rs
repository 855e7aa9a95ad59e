//! Says which locations share what only some of them check, and says it to each of them.
//!
//! Every hub follows who is heard; the one that leads writes it down, and all of them judge by what is written. Invariants: nothing
//! is written before every location had time to be heard, and never a list without a location, so that no site is left to none; what was
//! written is written again after each connection and now and then, since a server can lose it. All times are of the steady clock.

use std::time::Duration;

use tokio::sync::watch;

use crate::fleet::gather::Report;
use crate::fleet::subjects::{HUB_USER, assignment_key};
use crate::model::{Location, Members, Membership, Timestamp};

/// How often the same is written again.
const AGAIN: Duration = Duration::from_mins(1);

/// A hub that did not look for so long, because its machine slept, could not hear anyone either.
const ASLEEP: Duration = Duration::from_secs(15);

/// See the module.
pub(super) struct Planner {
    membership: Membership,
    /// What is written.
    members: watch::Sender<Option<Members>>,
    /// Whether a hub has said before what is to hold.
    has_heard: bool,
    /// When it was last written here, and to how many locations.
    written: Option<(Timestamp, usize)>,
    looked: Timestamp,
}

impl Planner {
    /// Begins at `now`; a location is silent after `silent_after`.
    pub(super) fn new(silent_after: Duration, now: Timestamp) -> (Self, watch::Receiver<Option<Members>>) {
        let (members, seen) = watch::channel(None);
        let membership = Membership::new(silent_after, now);
        (Self { membership, members, has_heard: false, written: None, looked: now }, seen)
    }

    /// The keys by which hubs tell each other.
    pub(super) fn key() -> String {
        assignment_key(&Location::new(HUB_USER).expect("it is a valid name"))
    }

    /// The locations that share what only some of them check, once a hub has said it.
    pub(super) fn members(&self) -> Option<Members> {
        self.members.borrow().clone()
    }

    /// There is a connection since `now`.
    pub(super) fn connected(&mut self, now: Timestamp) {
        self.membership.hear_none(now);
        (self.looked, self.written) = (now, None);
    }

    /// Hears what is written, by this hub or another one.
    pub(super) fn hear(&mut self, value: &[u8]) {
        let Some(heard) = Members::decode(value) else { return };
        if !std::mem::replace(&mut self.has_heard, true) {
            self.membership.resume(heard.names());
        }
        if self.members.borrow().as_ref().is_none_or(|known| known.revision < heard.revision) {
            self.members.send_replace(Some(heard));
        }
    }

    /// Follows `reports` at `now`. Returns what this hub has to write now, if it `leads`: the values by their keys.
    pub(super) fn step(&mut self, reports: &[Report], leads: bool, now: Timestamp) -> Vec<(String, Vec<u8>)> {
        if now.since(self.looked) > ASLEEP {
            self.membership.hear_none(now);
        }
        self.looked = now;
        self.membership.look(reports.iter().map(|report| (&report.location, report.heard)), now);
        if !leads || !self.membership.is_settled(now) {
            self.written = None;
            return Vec::new();
        }
        let known = self.members();
        let revision = known.as_ref().map_or(0, |known| known.revision + 1).max(now.as_micros());
        let Some(next) = Members::new(revision, self.membership.members()) else { return Vec::new() };
        let is_new = known.as_ref().is_none_or(|known| known.names() != next.names());
        let is_due = self.written.is_none_or(|(at, count)| AGAIN <= now.since(at) || count != reports.len());
        if !is_new && !is_due {
            return Vec::new();
        }
        self.written = Some((now, reports.len()));
        let members = known.filter(|_| !is_new).unwrap_or(next);
        let value = members.encode();
        self.has_heard = true;
        self.members.send_replace(Some(members));
        let keys = reports.iter().map(|report| assignment_key(&report.location));
        keys.chain([Self::key()]).map(|key| (key, value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, heard: Option<u64>) -> Report {
        Report::plain(name, heard.map(Timestamp::from_secs))
    }

    /// What is written at `now` after looks each second, with the keys.
    fn written(planner: &mut Planner, (from, until): (u64, u64), heard: &[&str], leads: bool) -> Vec<String> {
        let mut all = Vec::new();
        for second in from..until {
            let reports: Vec<Report> = ["a", "b"]
                .iter()
                .map(|name| report(name, if heard.contains(name) { Some(second) } else { Some(from - 1) }))
                .collect();
            for (key, value) in planner.step(&reports, leads, Timestamp::from_secs(second)) {
                let members = Members::decode(&value).unwrap();
                let names: Vec<&str> = members.names().iter().map(Location::name).collect();
                all.push(format!("{second} {key} {}", names.join(" ")));
            }
        }
        all
    }

    #[test]
    fn the_hub_that_leads_writes_who_is_there_once_all_had_time_to_be_heard() {
        let start = Timestamp::from_secs(1_000);
        let (mut planner, seen) = Planner::new(Duration::from_secs(30), start);
        planner.connected(start);
        let first = written(&mut planner, (1_000, 1_032), &["a", "b"], true);
        assert_eq!(first, ["1031 assignment.a a b", "1031 assignment.b a b", "1031 assignment.hub a b"]);
        assert_eq!(written(&mut planner, (1_032, 1_091), &["a", "b"], true), Vec::<String>::new());
        assert_eq!(written(&mut planner, (1_091, 1_092), &["a", "b"], true).len(), 3, "again after a minute");
        let revision = seen.borrow().clone().unwrap().revision;
        // One falls silent.
        let moved = written(&mut planner, (1_092, 1_130), &["a"], true);
        assert_eq!(moved, ["1122 assignment.a a", "1122 assignment.b a", "1122 assignment.hub a"]);
        assert!(seen.borrow().clone().unwrap().revision > revision);
        // All of them do: better the last members than none.
        assert!(written(&mut planner, (1_130, 1_170), &[], true).iter().all(|line| line.ends_with(" a")));
    }

    #[test]
    fn a_hub_that_does_not_lead_writes_nothing_and_follows() {
        let start = Timestamp::from_secs(1_000);
        let (mut planner, seen) = Planner::new(Duration::from_secs(30), start);
        planner.connected(start);
        let other = Members::new(5, vec![Location::new("b").unwrap()]).unwrap();
        planner.hear(&other.encode());
        assert_eq!(written(&mut planner, (1_000, 1_100), &["a", "b"], false), Vec::<String>::new());
        assert_eq!(seen.borrow().as_ref(), Some(&other));
        planner.hear(b"garbage");
        planner.hear(&Members::new(4, vec![Location::new("a").unwrap()]).unwrap().encode());
        assert_eq!(seen.borrow().as_ref(), Some(&other), "an older one is passed over");
        // It takes over: a was away when it began, and waits for its turn.
        assert!(written(&mut planner, (1_100, 1_102), &["a", "b"], true).iter().all(|line| line.ends_with(" b")));
        let turn = written(&mut planner, (1_102, 1_640), &["a", "b"], true);
        assert!(turn.iter().any(|line| line.ends_with(" a b")), "{turn:?}");
    }
}
