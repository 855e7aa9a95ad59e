//! Incidents of the past, as stored alerts tell them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::{AlertRecord, RuleKind};

/// An incident: what opened it and what closed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastIncident {
    /// The alert that opened it.
    pub opening: AlertRecord,
    /// The alert that closed it; `None` while it is open.
    pub closing: Option<AlertRecord>,
}

/// The incidents of `alerts`, which are in the order of time, in the order in which they opened. A closing alert whose opening is
/// gone tells of none. Cost: O(n).
#[must_use]
pub fn past_incidents(alerts: Vec<AlertRecord>) -> Vec<PastIncident> {
    let mut found: Vec<PastIncident> = Vec::new();
    let mut open: HashMap<(Arc<str>, RuleKind), usize> = HashMap::new();
    for alert in alerts {
        let key = (Arc::clone(&alert.site), alert.rule);
        if !alert.state.is_opening() {
            if let Some(place) = open.remove(&key) {
                found[place].closing = Some(alert);
            }
            continue;
        }
        // The certificate rule announces an open incident again.
        if open.contains_key(&key) {
            continue;
        }
        open.insert(key, found.len());
        found.push(PastIncident { opening: alert, closing: None });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertState;
    use crate::alert::record::tests::record;
    use crate::model::Timestamp;

    #[test]
    fn an_opening_and_the_next_closing_of_its_site_and_rule_are_one() {
        let alert = |site, state, secs| record(site, state, Timestamp::from_secs(secs));
        let alerts = vec![
            alert("gone", AlertState::Up, 1),
            alert("a", AlertState::Down, 2),
            alert("b", AlertState::Down, 3),
            alert("a", AlertState::Up, 4),
            alert("a", AlertState::Down, 5),
        ];
        let found = past_incidents(alerts);
        let told: Vec<(&str, u64, Option<u64>)> = found
            .iter()
            .map(|PastIncident { opening, closing }| {
                let secs = |alert: &AlertRecord| alert.at.as_micros() / 1_000_000;
                (&*opening.site, secs(opening), closing.as_ref().map(secs))
            })
            .collect();
        assert_eq!(told, [("a", 2, Some(4)), ("b", 3, None), ("a", 5, None)]);
    }
}
