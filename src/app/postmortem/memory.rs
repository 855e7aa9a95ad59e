//! Gathers what the memory of a monitor knows about an incident, where no store can be read.
//!
//! Invariants: reasons and addresses of failures are not in memory, nor who was told; the note of the report says so.

use std::sync::Arc;

use crate::alert::incident::past::PastIncident;
use crate::engine::{Board, SiteSnapshot};
use crate::model::{Certificate, Outcome, Sample, Timestamp};
use crate::report::postmortem::{Check, Companion, Postmortem};
use crate::stats::{Answer, PeriodFigures};

use super::around::Around;
use super::{Known, empty, spans, stretch};

/// Gathers what `board` holds at `as_of` about `incident`; `note` says why there is no more.
pub fn recalled(board: &Board, incident: PastIncident, note: &str, as_of: Timestamp) -> Postmortem {
    let sites = board.snapshot().sites;
    let own = sites.iter().find(|site| site.name == incident.opening.site);
    let mut report = empty(incident, own.map(|site| Known::from(&**site)).unwrap_or_default(), as_of);
    report.note = Some(note.to_owned());
    let Some(own) = own else { return report };
    let mut samples = Vec::new();
    kept(board, own, &mut samples);
    let mut around = Around::new(&report, 1);
    let mut change = around.change();
    let (since, until) = around.span();
    for sample in samples.iter().filter(|sample| since <= sample.at && sample.at < until) {
        change.admit(sample);
        around.admit(check(sample));
    }
    around.fill(&mut report);
    report.changed = Some(change);
    for (place, (since, until)) in spans(&report).into_iter().enumerate() {
        let mut figures = PeriodFigures::default();
        let inside = samples.iter().filter(|sample| since <= sample.at && sample.at < until);
        inside.for_each(|sample| figures.admit(sample, None));
        report.stretches[place] = stretch((since, until), &figures.summary((since, until), None, None));
    }
    if let Some(first) = report.first.as_ref().map(|first| first.at) {
        report.company = company(board, &sites, own, first);
    }
    report
}

fn kept(board: &Board, site: &SiteSnapshot, samples: &mut Vec<Sample>) {
    samples.clear();
    if let Some(ring) = board.ring(site.slot) {
        ring.reader_at_oldest().drain(samples);
    }
}

fn check(sample: &Sample) -> Check {
    Check {
        at: sample.at,
        location: None,
        answer: Answer::of(sample.cause, sample.status),
        is_down: sample.outcome() == Outcome::Down,
        took: sample.phases.total(),
        detail: None,
        address: None,
    }
}

fn certificate(site: &SiteSnapshot) -> Option<&Certificate> {
    site.last.as_ref()?.observation.as_ref()?.certificate.as_deref()
}

/// The other sites with a failed check around `first`, and how many others were checked then.
fn company(
    board: &Board,
    sites: &[Arc<SiteSnapshot>],
    own: &SiteSnapshot,
    first: Timestamp,
) -> (Vec<Companion>, usize) {
    let (since, until) = (first.before(Postmortem::SAME_TIME), first.after(Postmortem::SAME_TIME));
    let (mut samples, mut company, mut watched) = (Vec::new(), Vec::new(), 0);
    for site in sites.iter().filter(|site| site.slot != own.slot) {
        kept(board, site, &mut samples);
        let mut then = samples.iter().filter(|sample| since <= sample.at && sample.at < until).peekable();
        watched += usize::from(then.peek().is_some());
        if let Some(failed) = then.find(|sample| sample.outcome() == Outcome::Down) {
            let has_same_certificate = certificate(own).is_some() && certificate(own) == certificate(site);
            let (site, group) = (Arc::clone(&site.name), site.group.clone());
            company.push(Companion { site, group, check: check(failed), has_same_certificate });
        }
    }
    company.sort_by(|one, other| one.site.cmp(&other.site));
    (company, watched)
}
