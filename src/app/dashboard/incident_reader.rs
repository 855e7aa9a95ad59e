//! Reads what is known about an incident for the dashboard: from the store, opened for each read beside its writer, or from the
//! memory of the monitor where there is none. Document and Markdown are those of `webmon incident`.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::alert::AlertRecord;
use crate::alert::incident::page::{IncidentPage, IncidentRequest};
use crate::alert::incident::past::{PastIncident, past_incidents};
use crate::app::monitor::MonitorHandle;
use crate::app::postmortem::{Known, postmortem, recalled};
use crate::model::text::clean_line;
use crate::report::postmortem::{Postmortem, document, markdown};
use crate::store::{Archive, Query, StoreError};

use super::reader_thread::ReaderThread;

/// Longest reason of the store, bytes.
const REASON_MAX: usize = 200;

/// A reader of incidents.
pub type IncidentReader = ReaderThread<IncidentRequest, Option<Arc<IncidentPage>>>;

/// Starts a reader of `store`, if there is one, and of the memory of `monitor`; times are those of `zone`.
///
/// # Errors
/// The system refuses a thread.
pub fn open(store: Option<PathBuf>, monitor: MonitorHandle, zone: TimeZone) -> io::Result<IncidentReader> {
    ReaderThread::open("webmon-incident", None, move |request, _| {
        ControlFlow::Continue(Some(Arc::new(page(store.as_deref(), &monitor, &zone, request))))
    })
}

/// What is known about the incident of `request`, read by this thread.
pub fn page(store: Option<&Path>, monitor: &MonitorHandle, zone: &TimeZone, request: IncidentRequest) -> IncidentPage {
    let remembered = || {
        let alerts = monitor.alerts.list();
        found(alerts.iter().map(|alert| (**alert).clone()).collect(), &request).unwrap_or_else(|| alone(&request))
    };
    let recall = |note: &str| recalled(&monitor.board, remembered(), note, request.as_of);
    let report = match store.map(|path| stored(path, monitor, &request, &remembered)) {
        Some(Ok(report)) => report,
        Some(Err(error)) => {
            let reason = clean_line(&error.reason(), REASON_MAX);
            recall(&format!("the store cannot be read ({reason}): what is shown is from memory"))
        }
        None => recall("no store is kept: what is shown is from memory, without the reasons of failures"),
    };
    let mut page = Vec::new();
    // Writing to a Vec cannot fail.
    drop(markdown(&mut page, &report, zone));
    IncidentPage {
        number: report.opening.incident,
        document: document(&report, zone),
        markdown: String::from_utf8_lossy(&page).into(),
        request,
    }
}

fn stored(
    path: &Path,
    monitor: &MonitorHandle,
    request: &IncidentRequest,
    remembered: &impl Fn() -> PastIncident,
) -> Result<Postmortem, StoreError> {
    let archive = Archive::open(path)?;
    let incident = found(archive.alerts(&Query::ALL)?, request).unwrap_or_else(remembered);
    let snapshot = monitor.board.snapshot();
    let known: HashMap<Arc<str>, Known> =
        snapshot.sites.iter().map(|site| (Arc::clone(&site.name), Known::from(&**site))).collect();
    postmortem(&archive, (&archive.sites()?, &known), incident, request.as_of)
}

/// The incident that the alert of `request` is about, among `alerts`, oldest first.
fn found(alerts: Vec<AlertRecord>, request: &IncidentRequest) -> Option<PastIncident> {
    let alert = &request.alert;
    let is_it = |one: &PastIncident| {
        let same = one.opening.site == alert.site && one.opening.rule == alert.rule && one.opening.at <= alert.at;
        same && one.closing.as_ref().is_none_or(|closing| alert.at <= closing.at)
    };
    past_incidents(alerts).into_iter().rev().find(is_it)
}

/// The incident of an alert of which no other is known.
fn alone(request: &IncidentRequest) -> PastIncident {
    let alert = (*request.alert).clone();
    let closing = (!alert.state.is_opening()).then(|| alert.clone());
    let mut opening = alert;
    if closing.is_some() {
        opening.facts.at = opening.since;
    }
    PastIncident { opening, closing }
}
