//! A picture of a dashboard in a file: what a monitor knows now, on any page.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::app::dashboard::past::PastLibrary;
use crate::app::dashboard::{history_reader, incident_reader, objective_reader, usual_reader};
use crate::app::exit::CommandError;
use crate::app::monitor::MonitorHandle;
use crate::model::Timestamp;
use crate::tui::{self, Fixed, Inputs, PastOverview, PastRequest, PicturePage};

/// Columns and rows of a picture, unless others are asked for.
pub const SIZE: (u16, u16) = (120, 30);

/// The content and size of a picture.
#[derive(Clone, Copy, Debug)]
pub struct PictureOrder {
    /// Which page.
    pub page: PicturePage,
    /// Its columns and rows.
    pub size: (u16, u16),
    /// The instant that an overview is shown of; `None` is now.
    pub until: Option<Timestamp>,
}

impl PictureOrder {
    /// `page` as it is now, in the usual size.
    #[must_use]
    pub const fn of(page: PicturePage) -> Self {
        Self { page, size: SIZE, until: None }
    }
}

/// Writes what `order` says of the dashboard of `face` at `now` to `file`; the past is read from `store`.
///
/// # Errors
/// The system refuses the file.
pub fn write(
    file: &Path,
    (face, now): (&MonitorHandle, Timestamp),
    fixed: &Fixed,
    store: Option<&Path>,
    order: PictureOrder,
) -> Result<(), CommandError> {
    let PictureOrder { page, size, until } = order;
    let snapshot = face.board.snapshot();
    let (alerts, incidents, health) = (face.alerts.list(), face.incidents.list(), Arc::clone(&face.health.borrow()));
    let arrangement = Arc::clone(&face.arrangement.borrow());
    let objectives = store.map(|store| objective_reader::objectives(store, &face.rules, &snapshot.sites, now));
    let objectives = objectives.unwrap_or_default();
    let inputs = Inputs {
        snapshot: &snapshot,
        samples: &[],
        has_history: store.is_some(),
        history: None,
        usual: None,
        incident: None,
        past: None,
        objectives: &objectives,
        trial: None,
        alerts: &alerts,
        incidents: &incidents,
        health: &health,
        manual_checks: &[],
        now,
        zone: &fixed.zone,
        about: &fixed.about,
        arrangement: &arrangement,
    };
    let overview = until.zip(store).map(|(at, store)| overview(store, at, face));
    let inputs = overview.as_ref().map_or(inputs, |overview| inputs.as_of(overview));
    let pose = tui::pose(&inputs, page, size);
    let mut samples = Vec::new();
    let charted = pose.charted(&inputs, size.into()).and_then(|index| snapshot.sites.get(index));
    if let Some(ring) = charted.and_then(|site| face.board.ring(site.slot)) {
        ring.reader_at_oldest().drain(&mut samples);
    }
    let inputs = Inputs { samples: &samples, ..inputs };
    let past =
        store.and_then(|store| Some(history_reader::read_now(store, &pose.history_request(&inputs, size.into())?)));
    let usual = store.and_then(|store| Some(usual_reader::usual(store, pose.usual_request(&inputs, size.into())?)));
    let incident =
        pose.incident_request(&inputs).map(|request| incident_reader::page(store, face, &fixed.zone, request));
    let inputs = Inputs { history: past.as_ref(), usual: usual.as_ref(), incident: incident.as_ref(), ..inputs };
    fs::write(file, tui::picture(&inputs, &pose, size)).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}

/// The overview of `face` as of `at`.
fn overview(store: &Path, at: Timestamp, face: &MonitorHandle) -> PastOverview {
    let snapshot = face.board.snapshot();
    let request = PastRequest {
        number: 1,
        at,
        sites: snapshot.sites.iter().map(|site| Arc::clone(&site.facts)).collect(),
        views: snapshot.views.iter().map(|view| view.view()).collect(),
        alerts: face.alerts.list(),
        incidents: face.incidents.list(),
    };
    match PastLibrary::new(store.to_owned()).read(&request, || None) {
        ControlFlow::Continue(overview) => overview,
        ControlFlow::Break(_) => unreachable!("no newer request comes"),
    }
}
