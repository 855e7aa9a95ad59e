//! What outputs show about incidents beside their alerts: acknowledgements, relapses, silences.

use std::sync::Arc;

use crate::alert::RuleKind;
use crate::alert::kept::incident::{Ack, Incident, Silence};
use crate::model::Timestamp;

/// An open incident, as outputs show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedIncident {
    /// Its number.
    pub number: u64,
    /// Its site.
    pub site: Arc<str>,
    /// The group of its site.
    pub group: Option<Arc<str>>,
    /// Its rule.
    pub rule: RuleKind,
    /// When it opened.
    pub opened: Timestamp,
    /// The time of the newest alert of its rule.
    pub newest: Timestamp,
    /// How often its rule was breached again.
    pub relapses: u32,
    /// Its acknowledgement.
    pub ack: Option<Ack>,
}

/// The open incidents by site, and the silences by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentList {
    /// The open incidents, by site and rule.
    pub incidents: Vec<ListedIncident>,
    /// The silences, past windows of maintenance among them.
    pub silences: Vec<Silence>,
}

impl IncidentList {
    /// The list of the open ones of `incidents`, with `silences`.
    #[must_use]
    pub fn new<'a>(
        incidents: impl IntoIterator<Item = &'a Incident>,
        silences: impl IntoIterator<Item = &'a Silence>,
    ) -> Self {
        let shown = |incident: &Incident| ListedIncident {
            number: incident.number,
            site: Arc::clone(incident.site()),
            group: incident.context.group.clone(),
            rule: incident.rule(),
            opened: incident.opened(),
            newest: incident.newest.at,
            relapses: incident.relapses,
            ack: incident.ack.clone(),
        };
        let mut incidents: Vec<ListedIncident> =
            incidents.into_iter().filter(|incident| incident.is_open()).map(shown).collect();
        incidents.sort_by(|a, b| (&a.site, a.rule).cmp(&(&b.site, b.rule)));
        Self { incidents, silences: silences.into_iter().cloned().collect() }
    }

    /// The open incidents of `site`, by rule.
    #[must_use]
    pub fn of_site(&self, site: &str) -> &[ListedIncident] {
        let first = self.incidents.partition_point(|incident| *incident.site < *site);
        let rest = &self.incidents[first..];
        &rest[..rest.partition_point(|incident| *incident.site == *site)]
    }

    /// The open incident of this number.
    #[must_use]
    pub fn numbered(&self, number: u64) -> Option<&ListedIncident> {
        self.incidents.iter().find(|incident| incident.number == number)
    }

    /// The silences at `now`, by number.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &Silence> {
        self.silences.iter().filter(move |silence| silence.until > now)
    }

    /// The silence of the site of this name and group that ends last.
    #[must_use]
    pub fn silence(&self, site: &str, group: Option<&str>, now: Timestamp) -> Option<&Silence> {
        self.active(now).filter(|silence| silence.sites.selects(site, group)).max_by_key(|silence| silence.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Alert, Rule, SiteSelector};

    #[test]
    fn the_incidents_of_a_site_are_found_and_the_longest_silence_counts() {
        let at = Timestamp::from_secs;
        let incident = |number: u64, site: &str, rule: RuleKind| ListedIncident {
            number,
            site: site.into(),
            group: None,
            rule,
            opened: at(number),
            newest: at(number),
            relapses: 0,
            ack: None,
        };
        let mut list = IncidentList::default();
        let sites = ["a", "b", "b", "ba"];
        let rules = [RuleKind::Availability, RuleKind::Availability, RuleKind::Latency, RuleKind::Availability];
        list.incidents = (1..).zip(sites.into_iter().zip(rules)).map(|(n, (s, r))| incident(n, s, r)).collect();
        let numbers = |site: &str| list.of_site(site).iter().map(|found| found.number).collect::<Vec<_>>();
        assert_eq!(["a", "b", "ba", "", "c"].map(numbers), [vec![1], vec![2, 3], vec![4], vec![], vec![]]);
        assert_eq!(list.numbered(3).map(|found| &*found.site), Some("b"));
        let silence = |number, word, until| Silence {
            number,
            sites: SiteSelector::of([word]),
            from: at(1),
            until: at(until),
            by: "ada".into(),
            text: String::new(),
            is_maintenance: false,
        };
        list.silences = vec![silence(1, "a", 50), silence(2, "group:shop", 90), silence(3, "a", 70)];
        let found = |site, group, now| list.silence(site, group, at(now)).map(|silence| silence.number);
        assert_eq!(found("a", None, 10), Some(3));
        assert_eq!(found("a", Some("shop"), 10), Some(2));
        assert_eq!(found("a", None, 70), None, "its end is exclusive");
        assert_eq!(found("b", None, 10), None);
    }

    /// The opening of an incident stays its time, whatever its rule did since.
    #[test]
    fn only_open_incidents_are_listed() {
        let end = Alert::ended("api".into(), &Rule::default(), Timestamp::from_secs(5), Timestamp::from_secs(9));
        let mut ledger = crate::alert::incident::ledger::Ledger::new(
            crate::alert::incident::terms::LedgerTerms::default(),
            Box::new(|_| String::new()),
        );
        let mut out = crate::alert::incident::terms::Emitted::default();
        let mut down = end.clone();
        down.state = crate::alert::AlertState::Down;
        ledger.note(&down, crate::alert::NewsContext::default(), down.at, &mut out);
        assert_eq!(IncidentList::new(ledger.open_incidents(), []).incidents.len(), 1);
        let all: Vec<Incident> = ledger.open_incidents().cloned().collect();
        ledger.note(&end, crate::alert::NewsContext::default(), end.at, &mut out);
        let closed: Vec<Incident> = all.iter().filter_map(|old| ledger.incident(old.number)).cloned().collect();
        assert_eq!((closed.len(), IncidentList::new(&closed, []).incidents.len()), (1, 0));
    }
}
