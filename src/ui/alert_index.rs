//! The alerts sorted for reading: open ones first, newest first in both parts. Made anew when there is a new alert.

use std::collections::HashSet;
use std::sync::Arc;

use crate::alert::{Alert, AlertState};
use crate::model::Timestamp;

/// An order of alerts.
#[derive(Clone, Debug, Default)]
pub struct AlertIndex {
    /// Indices into the alerts.
    pub listed: Vec<usize>,
    /// How many of them are open: the newest of their site, and down.
    pub open: usize,
    newest: Option<Timestamp>,
}

impl AlertIndex {
    /// The order of `alerts`, which are oldest first. O(n).
    pub fn of(alerts: &[Arc<Alert>]) -> Self {
        let mut seen = HashSet::new();
        let (mut listed, mut closed) = (Vec::new(), Vec::new());
        for (i, alert) in alerts.iter().enumerate().rev() {
            let newest_of_its_site = seen.insert(&alert.site);
            let open = newest_of_its_site && alert.state == AlertState::Down;
            if open { listed.push(i) } else { closed.push(i) }
        }
        let open = listed.len();
        listed.append(&mut closed);
        Self { listed, open, newest: alerts.last().map(|alert| alert.at) }
    }

    /// Whether this is the order of these alerts. Alerts are only ever added, so their number and newest tell.
    pub fn is_of(&self, alerts: &[Arc<Alert>]) -> bool {
        self.listed.len() == alerts.len() && self.newest == alerts.last().map(|alert| alert.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixture;

    #[test]
    fn open_ones_come_first_and_then_the_newest() {
        let mut alerts = fixture::five_sites().alerts;
        assert_eq!(AlertIndex::of(&alerts).listed, [2, 1, 0]);
        let mut news = (*alerts[1]).clone();
        news.at = fixture::now();
        alerts.push(Arc::new(news));
        let index = AlertIndex::of(&alerts);
        assert_eq!((index.listed.as_slice(), index.open), (&[2, 3, 1, 0][..], 1));
        assert!(index.is_of(&alerts) && !index.is_of(&alerts[..3]));
    }
}
