//! `webmon demo`: the real monitor over simulated websites, with its store in a temporary folder.
//!
//! Everything that the system can refuse (addresses, loopback, the folder) is requested before anything is shown. Signals
//! are caught before the folder exists, so only SIGKILL leaves it behind.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::app::cli::args::{CommonArgs, DemoArgs, LineFormat};
use crate::app::cli::terminal;
use crate::app::clock::{self, Clock};
use crate::app::exit::{CommandError, Ending, print_in_time};
use crate::app::session::runtime::MainRuntime;
use crate::app::session::{Session, SessionOptions, is_headless};
use crate::app::system::signals;
use crate::app::web::{self, Web};
use crate::app::{dashboard, log};
use crate::demo::{Demo, DemoError, narration};
use crate::probe::{HttpProber, ProberOptions};
use crate::report::run::summary;
use crate::tui::PicturePage;

use super::picture;
use super::run::{open, remembered};

/// When a picture is taken by default: both views have figures then, and an incident is over.
const PICTURE_AFTER: Duration = Duration::from_mins(1);

/// Shows the demonstration until something ends it.
///
/// # Errors
/// [`CommandError`]: no loopback, no temporary folder, the store, or the system.
pub fn demo(args: &DemoArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let log = log::LogOptions::read(common.verbose)?;
    let demo = Demo::open(clock::wall())?;
    let config = demo.config()?;
    let listen = web::wanted(args.output.listen.as_ref(), &config.listen)?;
    let web = listen.map(|address| Web::open(&address, &config)).transpose()?;
    let options = ProberOptions { extra_roots: vec![demo.root()], ..ProberOptions::default() };
    // Its notices are about root certificates, of which the demonstration needs none.
    let prober = HttpProber::with(&options, clock::stopwatch).context("cannot set up probing")?;
    let runtime = MainRuntime::new()?;
    // A signal must not leave the folder behind.
    signals::listen();
    let folder = tempfile::Builder::new()
        .prefix("webmon-demo-")
        .tempdir()
        .map_err(|source| DemoError::Folder { place: std::env::temp_dir(), source })?;
    let opened = open(&folder.path().join("demo.redb"), None, Duration::ZERO)?;
    let names: Vec<Arc<str>> = config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect();
    let (newest, store) = remembered(Some(opened), &config, &names)?;
    let clock = Clock::start(newest);
    let elapsed = clock.clone();
    let serving = demo.serve(move || elapsed.monotonic())?;
    let options = SessionOptions { store, web, narrator: Some(narration), ..SessionOptions::default() };
    let session = Session::new(&args.output, common.color, log, config, prober, clock, options);
    let ending = match &args.picture {
        Some(file) => {
            let duration = args.output.duration.unwrap_or(PICTURE_AFTER);
            session.run_unseen(runtime, duration, |face, zone| {
                let fixed = dashboard::fixed(None, (None, None), zone.clone());
                let now = face.board.snapshot().at;
                picture::write(file, (face, now), &fixed, None, picture::PictureOrder::of(PicturePage::Overview))
            })?
        }
        None => session.run(runtime)?,
    };
    drop(serving);
    folder.close().context("cannot remove the demo's folder")?;
    // A terminal that hung up reads nothing more.
    if args.picture.is_none()
        && ending != Ending::Signal(signals::HANGUP)
        && (!is_headless(&args.output) || args.output.format == LineFormat::Text)
    {
        last_words()?;
    }
    Ok(ending)
}

fn last_words() -> Result<(), CommandError> {
    let mut bytes = Vec::new();
    let written = summary::demo(&mut terminal::text(&mut bytes));
    written.and_then(|()| print_in_time(bytes)).context("cannot write to stdout")?;
    Ok(())
}
