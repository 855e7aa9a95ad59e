//! `webmon demo`: the real monitor over simulated websites, with its store in a folder that does not outlive it.
//!
//! Everything that can be refused (addresses, loopback, the folder) is asked for before anything is shown. Signals are
//! caught before the folder exists, so no ending leaves it behind but a kill that cannot be caught.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;

use crate::app::cli::args::{CommonArgs, DemoArgs, LineFormat};
use crate::app::cli::zone;
use crate::app::clock::{self, Clock};
use crate::app::exit::{Ending, Failure, print_in_time};
use crate::app::monitor::MonitorHandle;
use crate::app::session::{MainRuntime, Session, is_headless};
use crate::app::system::signals;
use crate::app::{dashboard, log};
use crate::demo::{Demo, DemoError, narration};
use crate::probe::{HttpProber, ProberOptions};
use crate::report::run::summary;
use crate::tui;

use super::run::{open, remembered};

/// How long a picture takes by itself: by then both views have figures and an incident is over.
const PICTURE_AFTER: Duration = Duration::from_mins(1);
/// Columns and rows of a picture.
const PICTURE_SIZE: (u16, u16) = (120, 30);

/// Shows the demonstration until something ends it.
///
/// # Errors
/// [`Failure`]: no loopback, no temporary folder, the store, or the system.
pub fn demo(args: &DemoArgs, common: &CommonArgs) -> Result<Ending, Failure> {
    let log = log::LogOptions::read(common.verbose)?;
    let demo = Demo::open(clock::wall()).map_err(|error| refused(&error))?;
    let config = demo.config().map_err(|error| refused(&error))?;
    let options = ProberOptions { extra_roots: vec![demo.root()], ..ProberOptions::default() };
    // Its notices are about roots of this machine, of which the demonstration needs none.
    let prober = HttpProber::with(&options, clock::stopwatch).context("cannot set up probing")?;
    let attentive = MainRuntime::new()?;
    // A signal must not leave the folder behind.
    signals::listen();
    let folder = tempfile::Builder::new().prefix("webmon-demo-").tempdir().map_err(|error| {
        let place = std::env::temp_dir();
        Failure::Usage(format!("demo: cannot make a folder in {}: {error}; set TMPDIR to another", place.display()))
    })?;
    let opened = open(&folder.path().join("demo.redb"), None)?;
    let names: Vec<Arc<str>> = config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect();
    let (newest, store) = remembered(Some(opened), &config, &names)?;
    let clock = Clock::start(newest);
    let elapsed = clock.clone();
    let serving = demo.serve(move || elapsed.monotonic()).map_err(|error| refused(&error))?;
    let stage = Session {
        output: &args.output,
        color: common.color,
        log,
        config,
        config_path: None,
        origin: None,
        store,
        store_path: None,
        prober: Arc::new(prober),
        clock,
        notices: zone::warning().into_iter().collect(),
        narrator: Some(narration),
        #[cfg(feature = "influx")]
        export: None,
    };
    let ending = match &args.picture {
        Some(file) => {
            let duration = args.output.duration.unwrap_or(PICTURE_AFTER);
            stage.play_unseen(attentive, duration, |face, zone| picture(file, face, zone))?
        }
        None => stage.play(attentive)?,
    };
    drop(serving);
    folder.close().context("cannot remove the demo's folder")?;
    if args.picture.is_none() && (!is_headless(&args.output) || args.output.format == LineFormat::Text) {
        last_words()?;
    }
    Ok(ending)
}

fn refused(error: &DemoError) -> Failure {
    Failure::Usage(error.to_string())
}

fn last_words() -> Result<(), Failure> {
    let mut out = Vec::new();
    summary::demo(&mut out).and_then(|()| print_in_time(out)).context("cannot write to stdout")?;
    Ok(())
}

/// Writes to `file` what the dashboard of `face` would show now.
fn picture(file: &Path, face: &MonitorHandle, zone: &TimeZone) -> Result<(), Failure> {
    let fixed = dashboard::fixed(None, None, zone.clone());
    let snapshot = face.board.snapshot();
    let (alerts, health) = (face.alerts.list(), Arc::clone(&face.health.borrow()));
    let inputs = tui::Inputs {
        snapshot: &snapshot,
        alerts: &alerts,
        health: &health,
        samples: &[],
        has_past: false,
        past: None,
        rechecks: &[],
        now: snapshot.at,
        zone,
        about: &fixed.about,
    };
    let svg = tui::picture(&inputs, PICTURE_SIZE);
    fs::write(file, svg).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}
