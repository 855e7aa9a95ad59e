//! `webmon run`: selects the sites, opens the store, restores its state, and starts a session.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use anyhow::Context as _;

use crate::app::cli::args::{CommonArgs, RunArgs};
use crate::app::cli::progress;
#[cfg(feature = "nats")]
use crate::app::cli::selection::choose;
use crate::app::cli::selection::{Selection, select};
use crate::app::clock::{self, AHEAD_MAX, Clock};
use crate::app::exit::{CommandError, Ending, NO_THREAD};
#[cfg(feature = "influx")]
use crate::app::export;
#[cfg(feature = "nats")]
use crate::app::fleet::location::{self, LocationPlan};
use crate::app::monitor::OpenStore;
use crate::app::reload::Origin;
#[cfg(feature = "nats")]
use crate::app::reload::sites;
use crate::app::session::runtime::MainRuntime;
use crate::app::session::{Session, SessionOptions, is_headless};
#[cfg(feature = "nats")]
use crate::app::share::Share;
use crate::app::storage::restore::{fits, remember};
use crate::app::web::{self, Web};
use crate::app::{log, prober, publish};
use crate::config::{Config, Storage};
use crate::model::Timestamp;
use crate::store::{Archive, Keep, Opened, Options, Store, StoreError};

/// How long a headless monitor waits for its predecessor to end. With a dashboard the error appears at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// The default of `storage.flush`.
const FLUSH: Duration = Duration::from_secs(1);

/// Monitors the sites until something ends it.
///
/// # Errors
/// [`CommandError`]: usage, configuration, the store, or the system.
pub fn run(args: &RunArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let log = log::LogOptions::read(common.verbose)?;
    // First, so that a hang-up during the start is not lost.
    let runtime = MainRuntime::new()?;
    // Before the file is read, so that a later change is noticed.
    let origin = Origin::of(&common.config, &args.sites);
    #[cfg_attr(not(feature = "nats"), allow(unused_mut, reason = "only a fleet takes sites away"))]
    let mut selection = select(&common.config, &args.sites, &args.ad_hoc)?;
    fits(&selection.config)?;
    let store_path = store_path(args, common, &selection);
    #[cfg(feature = "influx")]
    let wanted = export::wanted(&args.export, &selection.config, store_path.is_some())?;
    #[cfg(not(feature = "nats"))]
    if args.fleet.fleet.is_some() {
        return Err(CommandError::Usage(format!("--fleet: {}", crate::app::cli::fleet::MISSING)));
    }
    #[cfg(feature = "nats")]
    let located = location::wanted(&args.fleet, &selection.config, store_path.is_some())?;
    let reloads = !selection.all_names.is_empty();
    #[cfg(feature = "nats")]
    let (share, elsewhere) = shared(located.as_ref(), store_path.as_deref(), (args, common), &mut selection)?;
    #[cfg(feature = "nats")]
    let origin = origin.sharing(share.clone());
    let origin = origin.naming(&selection.config.files);
    let Selection { config, all_names, ad_hoc } = selection;
    let listen = web::wanted(args.output.listen.as_ref(), &config.listen)?;
    // Before the store is read, so that it can say that webmon is starting.
    let web = listen.map(|address| Web::open(&address, &config)).transpose()?;
    let ((newest, store), prober) = beside(
        || {
            let patience = if is_headless(&args.output) { PATIENCE } else { Duration::ZERO };
            let opened = |path| open(path, config.storage.as_ref(), patience);
            let opened = store_path.as_deref().map(opened).transpose()?;
            remembered(opened, &config, &all_names)
        },
        || prober::prober(&config),
    )?;
    let clock = Clock::start(newest);
    let mut notices = Vec::new();
    // They are about missing roots of this machine, which only https needs.
    if config.sites.iter().any(|watched| watched.site.is_https()) {
        notices.extend(prober.notices().iter().cloned());
    }
    notices.extend(store.iter().flat_map(|kept| kept.memory.notices.clone()));
    #[cfg(feature = "influx")]
    let export = match (wanted, &store) {
        (Some(wanted), Some(kept)) => Some(wanted.begin(&kept.store, &config, clock.now())?),
        _ => None,
    };
    #[cfg(feature = "influx")]
    notices.extend(export.iter().flat_map(|export| export.notices.clone()));
    #[cfg(feature = "nats")]
    let location = match (located, share, &store) {
        (Some(located), Some(share), Some(kept)) => Some(located.begin(&kept.store, share, &common.config)?),
        _ => None,
    };
    #[cfg(feature = "nats")]
    notices.extend(elsewhere);
    notices.extend(unexported(&config, store.is_some()));
    notices.extend(publish::unpublished(&config).filter(|_| store.is_none()));
    let options = SessionOptions {
        store,
        notices,
        config_path: (!ad_hoc).then_some(&*common.config),
        origin: reloads.then_some(origin),
        store_path,
        narrator: None,
        web,
        #[cfg(feature = "influx")]
        export,
        #[cfg(feature = "nats")]
        location,
    };
    Session::new(&args.output, common.color, log, config, prober, clock, options).run(runtime)
}

/// The share of a location, to which `selection` is cut; and sentences about what differs from the file.
#[cfg(feature = "nats")]
fn shared(
    located: Option<&LocationPlan>,
    store: Option<&Path>,
    (args, common): (&RunArgs, &CommonArgs),
    selection: &mut Selection,
) -> Result<(Option<Share>, Vec<String>), CommandError> {
    let Some((located, store)) = located.zip(store) else { return Ok((None, Vec::new())) };
    let (share, mut notices) = (located.share(store), Vec::new());
    if share.has_sites() {
        *selection = choose(&common.config, &args.sites, share.load(&common.config))?;
        fits(&selection.config)?;
        notices.push(format!("the sites are those of `webmon fleet push`, in {}", share.sites_path().display()));
    }
    let elsewhere = share.cut(selection);
    notices.extend((elsewhere > 0).then(|| format!("{} are checked at other locations", sites(elsewhere))));
    Ok((Some(share), notices))
}

/// The results of both, `second` on its own thread: the store waits for its disk while the root certificates are read.
/// Of two errors it returns that of `first`.
fn beside<A, B: Send>(
    first: impl FnOnce() -> Result<A, CommandError>,
    second: impl FnOnce() -> Result<B, CommandError> + Send,
) -> Result<(A, B), CommandError> {
    std::thread::scope(|scope| {
        let second = Builder::new().name("webmon-roots".to_owned()).spawn_scoped(scope, second);
        let second = second.context(NO_THREAD)?;
        let first = first();
        let second = second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((first?, second?))
    })
}

/// Why the `export` section has no effect, if so.
pub(super) fn unexported(config: &Config, has_store: bool) -> Option<String> {
    config.export.as_ref()?;
    if cfg!(not(feature = "influx")) {
        return Some("nothing is exported: this webmon was built without the feature `influx`".to_owned());
    }
    (!has_store).then(|| "nothing is exported, because nothing is stored".to_owned())
}

fn store_path(args: &RunArgs, common: &CommonArgs, selection: &Selection) -> Option<PathBuf> {
    if args.no_store || selection.ad_hoc {
        return None;
    }
    common.store.clone().or_else(|| selection.config.storage.as_ref().map(|storage| storage.path.clone()))
}

/// Opens the store at `path`, and waits as long as `patience` for another monitor to leave it.
///
/// # Errors
/// [`CommandError::StoreInUse`], [`CommandError::Store`].
pub fn open(path: &Path, storage: Option<&Storage>, patience: Duration) -> Result<Opened, CommandError> {
    if patience.is_zero() && Archive::has_writer(path) == Some(true) {
        return Err(CommandError::StoreInUse { path: path.to_owned(), process: writer(path) });
    }
    let keep = storage.map_or(Keep::default(), |storage| Keep {
        retention: Some(storage.retention),
        max_size: Some(storage.max_size),
        alert_retention: Some(storage.alert_retention),
    });
    let options = Options { keep, progress: progress::of_repair(), ..Options::default() };
    // A reader that repairs the store leaves it soon.
    let options = Options { lock_patience: options.lock_patience.max(patience), ..options };
    let now = clock::wall();
    let signed = Store::open(path, &options, now).and_then(|mut opened| {
        opened.store.sign(std::process::id(), now)?;
        Ok(opened)
    });
    signed.map_err(|error| match error {
        StoreError::Locked { path } => CommandError::StoreInUse { process: writer(&path), path },
        error => start_error(error),
    })
}

/// The process that signed the store at `path`, if it can be read.
fn writer(path: &Path) -> Option<u32> {
    let news = Archive::open(path).and_then(|archive| archive.news(&[], u64::MAX)).ok()?;
    news.signature.map(|signature| signature.process)
}

/// Restores the state in the store. Also returns the time of the newest plausible sample, before which the clock must not
/// start. `all_names` are all sites of the file, chosen or not.
///
/// # Errors
/// [`CommandError::Store`].
pub fn remembered(
    opened: Option<Opened>,
    config: &Config,
    all_names: &[Arc<str>],
) -> Result<(Timestamp, Option<OpenStore>), CommandError> {
    let Some(Opened { store, notices }) = opened else {
        return Ok((Timestamp::ZERO, None));
    };
    let wall = clock::wall();
    let remembered = remember(&store, config, all_names, wall);
    let mut memory = remembered.map_err(start_error)?;
    memory.notices.splice(0..0, notices);
    let newest = memory.registered.iter().filter_map(|registered| registered.last_at).max();
    let believable = newest.filter(|&newest| newest <= wall.after(AHEAD_MAX)).unwrap_or(Timestamp::ZERO);
    let flush = config.storage.as_ref().map_or(FLUSH, |storage| storage.flush);
    Ok((believable, Some(OpenStore { store, memory, flush })))
}

fn start_error(error: StoreError) -> CommandError {
    match error {
        StoreError::Io { .. } => CommandError::StoreRefused(error),
        _ => error.into(),
    }
}
