//! `webmon watch tls://…`: the dashboard of a fleet, or lines, from what its locations send; nothing is stored and nothing published.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use crate::app::cli::args::{CommonArgs, Event};
use crate::app::cli::stored::watch::WatchFleetArgs;
use crate::app::cli::terminal::{self, is_dumb};
use crate::app::cli::zone;
use crate::app::clock::Clock;
use crate::app::dashboard::{self, memory};
use crate::app::exit::{CommandError, Ending, NO_THREAD, complain_in_time};
use crate::app::fleet::sites::FleetSite;
use crate::app::headless::line_writer::Lines;
use crate::app::headless::{self, Headless, Style};
use crate::app::log::{self, LogTarget};
use crate::app::onlooker::{Onlooker, OnlookerPlan, Watcher};
use crate::app::session::runtime::{MainRuntime, Screen, elapsed};
use crate::app::stream;
use crate::config::{Config, Needed, default_views};
use crate::fleet::connection::{Role, prepared};
use crate::model::text::shown_path;
use crate::model::{FleetTerms, Timestamp};

use super::configuration_of;

/// Shows the fleet until something ends it.
///
/// # Errors
/// [`CommandError`]: the configuration, the files of certificates, or the system.
pub(super) fn watch(args: &WatchFleetArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let is_headless = args.headless || !io::stdout().is_terminal() || is_dumb();
    let log = log::LogOptions::read(common.verbose)?;
    // First, so that a hang-up during the start is not lost.
    let mut runtime = MainRuntime::new()?;
    let config = configuration(args, common)?;
    let terms = terms(args, config.as_ref(), &common.config)?;
    prepared(&terms, &Role::Watch).map_err(|fault| CommandError::Usage(fault.to_string()))?;
    let (clock, zone) = (Clock::start(Timestamp::ZERO), zone::local());
    let plan = OnlookerPlan {
        sites: config.as_ref().map(FleetSite::all).unwrap_or_default(),
        locations: args.location.clone(),
        views: config.as_ref().map_or_else(default_views, |config| config.views.clone()),
        arrangement: config.as_ref().map(|config| config.dashboard.arrangement.clone()).unwrap_or_default(),
        silent_after: terms.silent_after,
        max_pairs: usize::try_from(terms.max_pairs).unwrap_or(usize::MAX),
        zone: zone.clone(),
        clock: clock.clone(),
    };
    let watcher = Watcher::start(terms, args.location.clone(), clock.clone()).context(NO_THREAD)?;
    let mut onlooker = Onlooker::new(watcher, plan);
    for warning in zone::warning().iter().chain(config.iter().flat_map(|config| &config.absent)) {
        onlooker.keeping().send_modify(|keeping| keeping.tell(warning.clone()));
    }
    let place = LogTarget::of(is_headless.then_some(args.format), None);
    let _logging = log::begin(&log, place, &clock, onlooker.keeping()).context(NO_THREAD)?;
    let ended = if is_headless {
        lines(&mut runtime, &mut onlooker, args, (clock, zone))
    } else {
        let memory = memory::place(|name| std::env::var_os(name));
        let remembered = memory.as_deref().map(memory::read).unwrap_or_default();
        let screen = Screen {
            monitor: onlooker.face(),
            clock,
            history: None,
            config_path: config.is_some().then_some(&*common.config),
            store_path: None,
            listen: None,
            zone,
            settings: dashboard::settings(config.as_ref(), common.color, remembered),
            memory,
            notices: &[],
        };
        let duration = args.duration;
        runtime.show(screen, |runtime, shown| {
            let shown = async move {
                tokio::select! {
                    ending = shown => ending,
                    () = elapsed(duration) => Ending::Done,
                }
            };
            Ok(runtime.attend(onlooker.run(None), shown))
        })
    };
    onlooker.end();
    runtime.leave();
    ended
}

/// Prints lines.
fn lines(
    runtime: &mut MainRuntime,
    onlooker: &mut Onlooker,
    args: &WatchFleetArgs,
    (clock, zone): (Clock, TimeZone),
) -> Result<Ending, CommandError> {
    let closed = CancellationToken::new();
    let note = headless::note(args.format, zone.clone(), clock);
    let out = stream::stdout().context("cannot write to stdout")?;
    let (lines, writer) = Lines::to(out, note, closed.clone()).context(NO_THREAD)?;
    let is_ascii = terminal::of_stdout().is_ascii;
    let style = Style { format: args.format, events: vec![Event::Stats, Event::Alert], is_ascii };
    let headless = Headless::new(style, lines, zone, None);
    let (duration, shut) = (args.duration, closed.clone());
    let shown = async move {
        tokio::select! {
            () = shut.cancelled() => {}
            () = elapsed(duration) => {}
        }
        Ending::Done
    };
    let ended = runtime.attend(onlooker.run(Some(headless)), shown);
    let ended = runtime.await_reader(Ok(ended), &closed);
    if closed.is_cancelled()
        && let Some(unsaid) = writer.join()
    {
        complain_in_time(format_args!("warning: {unsaid}"));
    }
    ended
}

/// The configuration, even without its secrets; none if the server is named and there is no file.
fn configuration(args: &WatchFleetArgs, common: &CommonArgs) -> Result<Option<Config>, CommandError> {
    if args.server.is_some() && !Path::exists(&common.config) {
        return Ok(None);
    }
    configuration_of(common, Needed::Fleet).map(Some)
}

/// The servers, and how they know this webmon: by the section `fleet` of `config`, and by `args`, which come first.
fn terms(args: &WatchFleetArgs, config: Option<&Config>, path: &Path) -> Result<FleetTerms, CommandError> {
    let mut terms = match (&args.server, config.and_then(|config| config.fleet.clone())) {
        (Some(server), Some(section)) => FleetTerms { servers: vec![server.clone()], ..section },
        (Some(server), None) => FleetTerms::at(vec![server.clone()]),
        (None, Some(section)) => section,
        (None, None) => {
            let path = shown_path(path);
            return Err(CommandError::Usage(format!(
                "{path} has no section `fleet`, which says where the NATS server is: write `webmon watch tls://host:4222 --certs FOLDER`"
            )));
        }
    };
    if let Some(folder) = &args.certs {
        (terms.login.certs, terms.login.identity) = (Some(folder.clone()), None);
        terms.login.roots = std::sync::Arc::default();
    }
    Ok(terms)
}
