//! Notifications of the desktop, its clipboard and hyperlinks, by escape sequences of the terminal: they reach the user's own screen over ssh, too.
//!
//! Invariants: what a terminal reads is printable but for the sequence itself. Bounds: a notification each [`PAUSE`], with at
//! most [`SITES`] sites by name; what happens meanwhile is in the next one.

pub mod clipboard;
pub mod hyperlinks;
pub mod protocol;

use std::sync::Arc;
use std::time::Duration;

use crate::alert::{AlertRecord, AlertState};
use crate::model::Timestamp;

use super::style::line::cut;

/// The least time between two notifications.
const PAUSE: Duration = Duration::from_secs(5);

/// Alerts whose sites are named in one notification.
const SITES: usize = 5;

/// Longest title and longest text, in cells of a terminal.
const TITLE: usize = 80;
const TEXT: usize = 300;

/// What the desktop shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The incident, if it is about one: a later notification about it replaces this one.
    pub incident: Option<u64>,
    /// A few words.
    pub title: String,
    /// A sentence.
    pub text: String,
    /// Whether something began.
    pub is_urgent: bool,
}

/// The alerts that the desktop has not shown.
#[derive(Clone, Debug, Default)]
pub struct PendingNotification {
    alerts: Vec<Arc<AlertRecord>>,
    last: Option<Timestamp>,
}

impl PendingNotification {
    /// Adds alerts, the oldest first.
    pub fn add<'a>(&mut self, alerts: impl IntoIterator<Item = &'a Arc<AlertRecord>>) {
        self.alerts.extend(alerts.into_iter().filter(|alert| alert.state != AlertState::Ended).cloned());
    }

    /// The notification to show at `now`.
    pub fn take(&mut self, now: Timestamp) -> Option<Notification> {
        // A clock that was set back is no reason to wait.
        let is_early = self.last.is_some_and(|last| last <= now && now.since(last) < PAUSE);
        if self.alerts.is_empty() || is_early {
            return None;
        }
        self.last = Some(now);
        Some(notification(&std::mem::take(&mut self.alerts)))
    }
}

fn notification(alerts: &[Arc<AlertRecord>]) -> Notification {
    let is_urgent = alerts.iter().any(|alert| alert.state.is_opening());
    if let [alert] = alerts {
        let text = cut(&alert.message, TEXT);
        return Notification { incident: alert.incident, title: cut(&headline(alert), TITLE), text, is_urgent };
    }
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for name in alerts.iter().map(|alert| alert.state.name()) {
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let counts: Vec<String> = counts.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
    let mut lines: Vec<String> = alerts.iter().take(SITES).map(|alert| headline(alert)).collect();
    if alerts.len() > SITES {
        lines.push(format!("and {} more", alerts.len() - SITES));
    }
    let title = format!("{} alerts: {}", alerts.len(), counts.join(", "));
    Notification { incident: None, title: cut(&title, TITLE), text: cut(&lines.join(", "), TEXT), is_urgent }
}

/// `api is down`, `api: latency breached`.
fn headline(alert: &AlertRecord) -> String {
    match alert.state {
        AlertState::Down | AlertState::Up | AlertState::Ended => format!("{} is {}", alert.site, alert.state.name()),
        AlertState::Breached | AlertState::Cleared => {
            format!("{}: {} {}", alert.site, alert.rule.name(), alert.state.name())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Alert, Rule, RuleKind};

    const NOW: Timestamp = Timestamp::from_secs(1_795_340_000);

    fn alert(site: &str, state: AlertState) -> Arc<AlertRecord> {
        let facts = Alert { state, incident: Some(7), ..Alert::ended(site.into(), &Rule::default(), NOW, NOW) };
        Arc::new(AlertRecord { facts, message: format!("Website {site} is {}.", state.name()) })
    }

    #[test]
    fn one_alert_is_its_message_and_many_are_counted() {
        let mut pending = PendingNotification::default();
        assert_eq!(pending.take(NOW), None);
        pending.add(&[alert("api", AlertState::Down), alert("gone", AlertState::Ended)]);
        let one = Notification {
            incident: Some(7),
            title: "api is down".to_owned(),
            text: "Website api is down.".to_owned(),
            is_urgent: true,
        };
        assert_eq!(pending.take(NOW), Some(one));
        pending.add(&[alert("api", AlertState::Up)]);
        pending.add((0..6).map(|_| alert("blog", AlertState::Down)).collect::<Vec<_>>().iter());
        assert_eq!(pending.take(NOW.after(Duration::from_secs(4))), None, "too early");
        let many = pending.take(NOW.after(Duration::from_secs(5))).unwrap();
        assert_eq!((many.incident, &*many.title), (None, "7 alerts: 1 up, 6 down"));
        assert_eq!(many.text, "api is up, blog is down, blog is down, blog is down, blog is down, and 2 more");
        let mut latency = (*alert("api", AlertState::Cleared)).clone();
        latency.facts.rule = RuleKind::Latency;
        pending.add(&[Arc::new(latency)]);
        let cleared = pending.take(NOW).unwrap();
        assert_eq!((&*cleared.title, cleared.is_urgent), ("api: latency cleared", false));
    }

    #[test]
    fn a_name_is_printable_and_bounded() {
        let mut pending = PendingNotification::default();
        pending.add(&[alert(&format!("a\u{1b}]0;x\u{7}{}", "ü".repeat(2_000)), AlertState::Down)]);
        let shown = pending.take(NOW).unwrap();
        assert!(!shown.title.contains(char::is_control) && !shown.text.contains(char::is_control), "{shown:?}");
        assert!(shown.title.chars().count() <= TITLE && shown.text.chars().count() <= TEXT);
    }
}
