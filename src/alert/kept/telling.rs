//! Which outlets have heard of an incident, and which will: for people who look at past alerts.
//!
//! An alert that opens an incident has the times of its first message, one that closes it those of its last; so a relapse,
//! which is not reported, shows when its incident was told.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::Alert;
use crate::model::Timestamp;

use super::row::{Row, Told};

/// An outlet, and when it heard; `None` while the message waits.
pub type Heard = (Arc<str>, Option<Timestamp>);

/// See the module.
#[derive(Debug, Default)]
pub struct Telling(HashMap<(u64, bool), Vec<Heard>>);

impl Telling {
    /// Of the messages that wait and of what outlets were told. Cost: O(n log n).
    #[must_use]
    pub fn new(rows: &[Row], told: &[((Arc<str>, u64), Told)]) -> Self {
        let mut all: HashMap<(u64, bool), Vec<Heard>> = HashMap::new();
        let mut add = |incident, opens, heard| all.entry((incident, opens)).or_default().push(heard);
        for ((outlet, incident), told) in told {
            add(*incident, true, (Arc::clone(outlet), Some(told.at)));
            if let Some(closed) = told.closed {
                add(*incident, false, (Arc::clone(outlet), Some(closed)));
            }
        }
        for row in rows {
            add(row.incident, row.news.alert.state.is_opening(), (Arc::clone(&row.outlet), None));
        }
        for heard in all.values_mut() {
            // What is known of an outlet comes before what it waits for: a reminder that waits is no news.
            heard.sort_by(|(one, at), (other, then)| one.cmp(other).then(then.is_some().cmp(&at.is_some())));
            heard.dedup_by(|(one, _), (other, _)| one == other);
        }
        Self(all)
    }

    /// The outlets that have heard of `alert`'s incident or will, by key.
    #[must_use]
    pub fn of(&self, alert: &Alert) -> &[Heard] {
        let key = alert.incident.map(|incident| (incident, alert.state.is_opening()));
        key.and_then(|key| self.0.get(&key)).map_or(&[], Vec::as_slice)
    }

    /// Whether there is nothing to say of any alert.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{AlertRecord, AlertState, News, NewsContext, NewsKind, Rule};

    fn alert(incident: u64, state: AlertState) -> Alert {
        let ended = Alert::ended("api".into(), &Rule::default(), Timestamp::ZERO, Timestamp::from_secs(1));
        Alert { state, incident: Some(incident), ..ended }
    }

    fn row(outlet: &str, facts: Alert) -> Row {
        let alert = AlertRecord { message: String::new(), facts };
        let incident = alert.incident.unwrap();
        let news = News { kind: NewsKind::Opened, alert, context: NewsContext::default() };
        let at = Timestamp::ZERO;
        Row {
            number: 1,
            outlet: outlet.into(),
            incident,
            made: at,
            due: at,
            attempts: 0,
            is_begun: false,
            set: None,
            news,
        }
    }

    #[test]
    fn each_end_of_an_incident_has_its_own_times() {
        let at = Timestamp::from_secs;
        let told = |outlet: &str, incident, closed| ((outlet.into(), incident), Told { at: at(5), closed });
        let told = [told("ops", 1, Some(at(9))), told("mail", 1, None), told("ops", 2, None)];
        let (down, up) = (alert(1, AlertState::Down), alert(1, AlertState::Up));
        // To ops a reminder waits, to mail the end.
        let telling = Telling::new(&[row("ops", down.clone()), row("mail", up.clone())], &told);
        assert_eq!(telling.of(&down), [("mail".into(), Some(at(5))), ("ops".into(), Some(at(5)))]);
        assert_eq!(telling.of(&up), [("mail".into(), None), ("ops".into(), Some(at(9)))]);
        assert_eq!(telling.of(&alert(2, AlertState::Up)), []);
        assert_eq!(telling.of(&Alert { incident: None, ..down }), []);
        assert!(!telling.is_empty() && Telling::default().is_empty());
    }
}
