//! The alerts sorted for reading: open ones first, newest first in both parts, storms folded into one entry.
//!
//! A storm is a run of more than [`FOLD_OVER`] alerts that say the same and come within [`STORM`] of the first of them:
//! one fault of a network is one line, not two hundred. Runs are cut from the oldest alert on, so an alert that comes
//! does not re-cut what is past. Made anew when there is a new alert, another filter, or one is unfolded: O(n).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{AlertRecord, AlertState};
use crate::model::Timestamp;

/// As many alerts of one run are still listed one by one.
const FOLD_OVER: usize = 5;
/// The length of a run.
const STORM: Duration = Duration::from_secs(10);

/// What names a storm: when its first alert came, and what it says.
pub type AlertBurst = (Timestamp, AlertState);

/// An entry of a list of alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertEntry {
    /// The alert of this index.
    One {
        /// Index into the alerts.
        alert: usize,
        /// Whether it is the newest of its site, and down.
        open: bool,
    },
    /// Many alerts in one line, and below it each of them if it is unfolded.
    Fold {
        /// Which storm.
        storm: AlertBurst,
        /// Indices into the alerts, newest first.
        members: Vec<usize>,
        /// Whether all of them are open; those of a storm that are not are another entry.
        open: bool,
        /// Whether its members follow.
        unfolded: bool,
    },
}

impl AlertEntry {
    /// The newest alert in it.
    pub fn newest(&self) -> usize {
        match self {
            Self::One { alert, .. } => *alert,
            Self::Fold { members, .. } => members[0],
        }
    }

    /// Whether it is open.
    pub const fn is_open(&self) -> bool {
        match self {
            Self::One { open, .. } | Self::Fold { open, .. } => *open,
        }
    }
}

/// A list of alerts as it is read.
#[derive(Clone, Debug, Default)]
pub struct AlertIndex {
    /// From top to bottom.
    pub listed: Vec<AlertEntry>,
    /// Alerts that are open.
    pub open: usize,
    /// Alerts that are listed, folded ones too.
    pub count: usize,
}

impl AlertIndex {
    /// The list of those of `alerts`, which are oldest first, that contain all words of `filter`.
    pub fn of(alerts: &[Arc<AlertRecord>], filter: &str, unfolded: &HashSet<AlertBurst>) -> Self {
        let storms = storms(alerts);
        let mut seen = HashSet::new();
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for (i, alert) in alerts.iter().enumerate().rev() {
            let open = seen.insert(&alert.site) && alert.state == AlertState::Down;
            if passes(alert, open, filter) {
                if open { opened.push(i) } else { closed.push(i) }
            }
        }
        let (open, count) = (opened.len(), opened.len() + closed.len());
        let mut listed = Vec::new();
        fold(&opened, true, &storms, unfolded, &mut listed);
        fold(&closed, false, &storms, unfolded, &mut listed);
        Self { listed, open, count }
    }
}

/// The storm that each alert belongs to.
fn storms(alerts: &[Arc<AlertRecord>]) -> Vec<AlertBurst> {
    let mut running: [Option<AlertBurst>; 3] = [None; 3];
    let storm = |alert: &Arc<AlertRecord>| {
        let run = &mut running[alert.state as usize];
        match *run {
            Some(storm) if alert.at.since(storm.0) <= STORM => storm,
            _ => *run.insert((alert.at, alert.state)),
        }
    };
    alerts.iter().map(storm).collect()
}

/// Lists `alerts`, newest first: those of one storm together, as one entry if they are many.
fn fold(
    alerts: &[usize],
    open: bool,
    storms: &[AlertBurst],
    unfolded: &HashSet<AlertBurst>,
    listed: &mut Vec<AlertEntry>,
) {
    let mut gathered = HashMap::<AlertBurst, Vec<usize>>::new();
    for &alert in alerts {
        gathered.entry(storms[alert]).or_default().push(alert);
    }
    gathered.retain(|_, members| members.len() > FOLD_OVER);
    let folded: HashSet<AlertBurst> = gathered.keys().copied().collect();
    for &alert in alerts {
        let storm = storms[alert];
        if !folded.contains(&storm) {
            listed.push(AlertEntry::One { alert, open });
        } else if let Some(members) = gathered.remove(&storm) {
            let unfolded = unfolded.contains(&storm);
            let below = if unfolded { members.clone() } else { Vec::new() };
            listed.push(AlertEntry::Fold { storm, members, open, unfolded });
            listed.extend(below.into_iter().map(|alert| AlertEntry::One { alert, open }));
        }
    }
}

/// Words are parts of the name or of the message; `down`, `up` and `open` are what they say; `!` negates.
fn passes(alert: &AlertRecord, open: bool, filter: &str) -> bool {
    filter.split_whitespace().all(|word| {
        let (word, wanted) = word.strip_prefix('!').map_or((word, true), |rest| (rest, false));
        let found = match word {
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
    use crate::tui::tests::fixtures;

    fn listed(alerts: &[Arc<AlertRecord>], filter: &str) -> Vec<usize> {
        AlertIndex::of(alerts, filter, &HashSet::new()).listed.iter().map(AlertEntry::newest).collect()
    }

    #[test]
    fn open_ones_come_first_and_then_the_newest() {
        let mut alerts = fixtures::five_sites().alerts;
        assert_eq!(listed(&alerts, ""), [2, 1, 0]);
        let mut news = (*alerts[1]).clone();
        news.facts.at = fixtures::now();
        alerts.push(Arc::new(news));
        let index = AlertIndex::of(&alerts, "", &HashSet::new());
        assert_eq!((listed(&alerts, ""), index.open, index.count), (vec![2, 3, 1, 0], 1, 4));
    }

    #[test]
    fn words_find_names_messages_and_what_is_said() {
        let alerts = fixtures::five_sites().alerts;
        for (filter, found) in [
            ("blog", vec![1, 0]),
            ("down", vec![2, 0]),
            ("!open", vec![1, 0]),
            ("BLOG", vec![]),
            ("83.33", vec![1]),
            ("blog !up", vec![0]),
        ] {
            assert_eq!(listed(&alerts, filter), found, "{filter}");
        }
    }

    #[test]
    fn a_storm_is_one_entry_and_unfolds() {
        let alerts = fixtures::storm(12).alerts;
        // Three of the fixture, then twelve downs and eight ups of them, each within ten seconds.
        let entries = |unfolded: &[AlertBurst]| AlertIndex::of(&alerts, "", &unfolded.iter().copied().collect()).listed;
        let kinds = |listed: &[AlertEntry]| -> Vec<(usize, bool)> {
            let size = |entry: &AlertEntry| match entry {
                AlertEntry::One { .. } => 1,
                AlertEntry::Fold { members, .. } => members.len(),
            };
            listed.iter().map(|entry| (size(entry), entry.is_open())).collect()
        };
        let open = |n: usize| vec![(1, true); n];
        let folded = entries(&[]);
        assert_eq!(kinds(&folded), [open(5), vec![(8, false), (8, false), (1, false), (1, false)]].concat());
        let AlertEntry::Fold { storm, .. } = folded[5].clone() else { panic!("the ups are a storm") };
        assert_eq!(entries(&[storm]).len(), folded.len() + 8);
        let all: usize = kinds(&folded).iter().map(|(size, _)| size).sum();
        assert_eq!(all, alerts.len(), "none is lost, none is listed twice");
    }
}
