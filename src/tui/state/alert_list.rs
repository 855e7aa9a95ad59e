//! The alerts in reading order: open ones first, the newest first in both parts, each burst folded into one entry.
//!
//! A burst is a run of more than [`FOLD_OVER`] alerts of one state within [`BURST`] of the first of them: a fault of a
//! network is one line, not two hundred. Runs are cut from the oldest alert on, so that a new alert does not change past
//! ones. Cost: O(alerts).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{AlertRecord, AlertState};
use crate::model::Timestamp;

/// A run of up to this many alerts is listed one by one.
const FOLD_OVER: usize = 5;
const BURST: Duration = Duration::from_secs(10);

/// The identity of a burst: the time of its first alert and their state.
pub type AlertBurst = (Timestamp, AlertState);

/// An entry of a list of alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertEntry {
    One {
        /// Index into the alerts.
        alert: usize,
        /// It is the newest alert of its site and rule, and opened an incident.
        open: bool,
    },
    Burst {
        id: AlertBurst,
        /// Indices into the alerts, newest first.
        members: Vec<usize>,
        /// All of them are open; those of the same burst that are not form another entry.
        open: bool,
        /// An entry for each member follows.
        unfolded: bool,
    },
}

impl AlertEntry {
    /// The index of the newest alert in it.
    pub fn newest(&self) -> usize {
        match self {
            Self::One { alert, .. } => *alert,
            Self::Burst { members, .. } => members[0],
        }
    }

    pub const fn is_open(&self) -> bool {
        match self {
            Self::One { open, .. } | Self::Burst { open, .. } => *open,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct AlertIndex {
    /// From top to bottom.
    pub listed: Vec<AlertEntry>,
    /// Open alerts.
    pub open: usize,
    /// All alerts in the list, folded ones too.
    pub count: usize,
}

impl AlertIndex {
    /// The list of those `alerts`, given oldest first, that match all words of `filter`.
    pub fn of(alerts: &[Arc<AlertRecord>], filter: &str, unfolded: &HashSet<AlertBurst>) -> Self {
        let bursts = bursts(alerts);
        let mut seen = HashSet::new();
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for (i, alert) in alerts.iter().enumerate().rev() {
            let open = seen.insert((&alert.site, alert.rule)) && alert.state.is_opening();
            if passes(alert, open, filter) {
                if open { opened.push(i) } else { closed.push(i) }
            }
        }
        let (open, count) = (opened.len(), opened.len() + closed.len());
        let mut listed = Vec::new();
        fold(&opened, true, &bursts, unfolded, &mut listed);
        fold(&closed, false, &bursts, unfolded, &mut listed);
        Self { listed, open, count }
    }
}

/// The burst of each alert.
fn bursts(alerts: &[Arc<AlertRecord>]) -> Vec<AlertBurst> {
    let mut running = HashMap::<AlertState, Timestamp>::new();
    let burst = |alert: &Arc<AlertRecord>| {
        let began = running.entry(alert.state).or_insert(alert.at);
        if alert.at.since(*began) > BURST {
            *began = alert.at;
        }
        (*began, alert.state)
    };
    alerts.iter().map(burst).collect()
}

/// Lists `alerts`, newest first: those of one burst as one entry, where the newest of them stands.
fn fold(
    alerts: &[usize],
    open: bool,
    bursts: &[AlertBurst],
    unfolded: &HashSet<AlertBurst>,
    listed: &mut Vec<AlertEntry>,
) {
    let mut gathered = HashMap::<AlertBurst, Vec<usize>>::new();
    for &alert in alerts {
        gathered.entry(bursts[alert]).or_default().push(alert);
    }
    gathered.retain(|_, members| members.len() > FOLD_OVER);
    let folded: HashSet<AlertBurst> = gathered.keys().copied().collect();
    for &alert in alerts {
        let id = bursts[alert];
        if !folded.contains(&id) {
            listed.push(AlertEntry::One { alert, open });
        } else if let Some(members) = gathered.remove(&id) {
            let unfolded = unfolded.contains(&id);
            let below = if unfolded { members.clone() } else { Vec::new() };
            listed.push(AlertEntry::Burst { id, members, open, unfolded });
            listed.extend(below.into_iter().map(|alert| AlertEntry::One { alert, open }));
        }
    }
}

/// A word is `open`, `down`, `up` in any case, or part of the name or the message; `!` negates it.
fn passes(alert: &AlertRecord, open: bool, filter: &str) -> bool {
    filter.split_whitespace().all(|word| {
        let (word, wanted) = word.strip_prefix('!').map_or((word, true), |rest| (rest, false));
        let found = match word.to_ascii_lowercase().as_str() {
            "" => return true,
            "open" => open,
            "down" => alert.state == AlertState::Down,
            "up" => alert.state == AlertState::Up,
            _ if word.chars().any(char::is_uppercase) => alert.site.contains(word) || alert.message.contains(word),
            _ => alert.site.to_lowercase().contains(word) || alert.message.to_lowercase().contains(word),
        };
        found == wanted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::RuleKind;
    use crate::tui::tests::fixtures;

    fn listed(alerts: &[Arc<AlertRecord>], filter: &str) -> Vec<usize> {
        AlertIndex::of(alerts, filter, &HashSet::new()).listed.iter().map(AlertEntry::newest).collect()
    }

    #[test]
    fn open_alerts_come_first_then_the_newest() {
        let mut alerts = fixtures::five_sites().alerts;
        assert_eq!(listed(&alerts, ""), [2, 1, 0]);
        let mut new = (*alerts[1]).clone();
        new.facts.at = fixtures::now();
        alerts.push(Arc::new(new));
        let index = AlertIndex::of(&alerts, "", &HashSet::new());
        assert_eq!((listed(&alerts, ""), index.open, index.count), (vec![2, 3, 1, 0], 1, 4));
    }

    #[test]
    fn words_find_names_messages_and_states() {
        let alerts = fixtures::five_sites().alerts;
        for (filter, found) in [
            ("blog", vec![1, 0]),
            ("down", vec![2, 0]),
            ("!open", vec![1, 0]),
            ("BLOG", vec![]),
            ("DOWN", vec![2, 0]),
            ("83.33", vec![1]),
            ("blog !up", vec![0]),
        ] {
            assert_eq!(listed(&alerts, filter), found, "{filter}");
        }
    }

    #[test]
    fn every_rule_of_a_site_has_an_incident_of_its_own() {
        let mut alerts = fixtures::five_sites().alerts;
        let of = |site: &str, state, secs| {
            let mut alert = (*fixtures::five_sites().alerts[0]).clone();
            (alert.facts.site, alert.facts.state, alert.facts.rule) = (site.into(), state, RuleKind::Latency);
            alert.facts.at = fixtures::now().after(Duration::from_secs(secs));
            Arc::new(alert)
        };
        alerts.extend([of("blog", AlertState::Breached, 1), of("docs", AlertState::Breached, 2)]);
        alerts.push(of("docs", AlertState::Cleared, 3));
        let index = AlertIndex::of(&alerts, "", &HashSet::new());
        assert_eq!((listed(&alerts, ""), index.open), (vec![3, 2, 5, 4, 1, 0], 2));
    }

    #[test]
    fn a_burst_is_one_entry_and_unfolds() {
        let alerts = fixtures::burst(12).alerts;
        // Three of the fixture, then twelve downs and eight ups of them, each within ten seconds.
        let entries = |unfolded: &[AlertBurst]| AlertIndex::of(&alerts, "", &unfolded.iter().copied().collect()).listed;
        let kinds = |listed: &[AlertEntry]| -> Vec<(usize, bool)> {
            let size = |entry: &AlertEntry| match entry {
                AlertEntry::One { .. } => 1,
                AlertEntry::Burst { members, .. } => members.len(),
            };
            listed.iter().map(|entry| (size(entry), entry.is_open())).collect()
        };
        let open = |n: usize| vec![(1, true); n];
        let folded = entries(&[]);
        assert_eq!(kinds(&folded), [open(5), vec![(8, false), (8, false), (1, false), (1, false)]].concat());
        let AlertEntry::Burst { id, .. } = folded[5].clone() else { panic!("the ups are a burst") };
        assert_eq!(entries(&[id]).len(), folded.len() + 8);
        let all: usize = kinds(&folded).iter().map(|(size, _)| size).sum();
        assert_eq!(all, alerts.len(), "each is listed once");
    }
}
