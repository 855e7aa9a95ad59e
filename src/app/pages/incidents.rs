//! Incidents of a page, from stored alerts: what opened and what closed it is one, with what its checks answered.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::incident::past::{PastIncident, past_incidents};
use crate::alert::{AlertRecord, AlertState, Locations};
use crate::model::{Location, SiteId, Timestamp};
use crate::serve::page::model::Incident;
use crate::stats::{Answer, PeriodFigures};
use crate::store::{Query, StoreError};

use super::periods::Span;
use super::{PageSite, Past};

/// What failed checks answered, the most frequent first, and how many each location had.
type Failures = (Vec<(Answer, u64)>, Vec<(Location, u64)>);

/// Incidents that a page lists.
pub const LISTED_MAX: usize = 50;

/// The incidents of `sites` that were open within the period, the latest first, at most [`LISTED_MAX`], and how many more there were.
///
/// # Errors
/// Those of the database.
pub fn incidents(
    past: &Past<'_>,
    sites: &HashMap<Arc<str>, (SiteId, &PageSite)>,
    (since, until): (Timestamp, Timestamp),
    shows_errors: bool,
) -> Result<(Vec<Incident>, usize), StoreError> {
    let ids = sites.values().map(|(id, _)| *id).collect();
    let alerts = past.archive.alerts(&Query { sites: Some(ids), since: Timestamp::ZERO, until })?;
    let told = past_incidents(alerts.into_iter().filter(|alert| !alert.rule.is_own()).collect());
    let one = |PastIncident { opening: alert, closing }: PastIncident| {
        let text = Some(Arc::from(&*alert.message)).filter(|_| shows_errors && !alert.message.is_empty());
        let until = closing.map(|closing| closing.at);
        let site = Arc::clone(&alert.site);
        let locations = match alert.locations {
            Some(Locations::Votes { down, votes, .. }) => Some((down, votes)),
            Some(Locations::Alone(_)) | None => None,
        };
        let (answers, failed_at) = (Vec::new(), Vec::new());
        (Incident { site, rule: alert.rule, since: alert.at, until, answers, failed_at, text, locations }, alert)
    };
    let mut found: Vec<(Incident, AlertRecord)> = told.into_iter().map(one).collect();
    found.retain(|(incident, _)| incident.until.is_none_or(|end| end > since));
    found.sort_by(|(one, _), (other, _)| other.since.cmp(&one.since).then_with(|| one.site.cmp(&other.site)));
    let more = found.len().saturating_sub(LISTED_MAX);
    found.truncate(LISTED_MAX);
    for (incident, alert) in &mut found {
        let Some((_, site)) = sites.get(&incident.site) else { continue };
        if alert.state == AlertState::Down {
            // The checks that the rule judged are those of its window before.
            let span = (incident.since.before(alert.window), incident.until.unwrap_or(until));
            (incident.answers, incident.failed_at) = failures(past, site, span)?;
        }
    }
    Ok((found.into_iter().map(|(incident, _)| incident).collect(), more))
}

/// What failed checks of `site` answered in `span`, and how many of them each of its locations had, if it is one over them.
fn failures(past: &Past<'_>, site: &PageSite, span: Span) -> Result<Failures, StoreError> {
    let (mut all, mut failed_at) = (PeriodFigures::default(), Vec::new());
    let members = past.group(site).map_or(&[][..], |group| &group.members);
    for (id, _) in past.sources(site)? {
        let Some(own) = past.moment.sums(id, &[span])?.pop() else { continue };
        let location = members.iter().find(|member| member.id == id).map(|member| &member.location);
        if let (Some(location), failed @ 1..) = (location, own.rollup.totals.counts.down) {
            match failed_at.last_mut().filter(|(known, _)| known == location) {
                Some((_, sum)) => *sum += failed,
                None => failed_at.push((location.clone(), failed)),
            }
        }
        all.pool(&own);
    }
    Ok((all.summary(span, None, None).failures(), failed_at))
}
