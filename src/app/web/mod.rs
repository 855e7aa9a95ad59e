//! Serves the running monitor by HTTP, on a thread of its own.
//!
//! The socket is bound before anything starts, so a port in use is an error of the start; the thread starts with it, so what asks
//! whether webmon is ready hears so while the store is read.
//!
//! Invariants: nothing here makes a probe or a commit wait. Without a listener there is no thread, and nothing is counted.

mod hub;
mod lists;
mod pages;
mod pump;
mod source;
mod sums;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle as JoinHandleOfTask;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::Config;
use crate::model::{ListenAddress, ListenTarget, PageTerms};
use crate::serve::events::Feed;
use crate::serve::listener::{Bound, ServeTerms, Server, serve};

use super::clock::{self, Clock};
use super::exit::{CommandError, NO_THREAD};
use super::log::about;
use super::system::threads;
use pump::Pump;

pub use pump::EventSource;
pub use source::{MonitorSource, Running};

/// Time between two tries to sum up the store.
const AGAIN: Duration = Duration::from_millis(500);

/// The server counts new commits this often even without a request, so that no request has many to count.
const COUNTED_EVERY: Duration = Duration::from_mins(15);

/// Steps between two signs of life to who listens to events: 15 s.
const BEAT: u32 = 60;

/// A listener that runs.
pub struct Web {
    source: Arc<MonitorSource>,
    feed: Arc<Feed>,
    /// Takes what events are made of, once.
    events: Option<oneshot::Sender<(EventSource, Clock)>>,
    terms: WebTerms,
    url: String,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// What a reload changes for a running listener.
#[derive(Clone)]
pub struct WebTerms {
    serve: watch::Sender<Arc<ServeTerms>>,
    has_quantiles: Arc<AtomicBool>,
    page: watch::Sender<Arc<PageTerms>>,
}

impl WebTerms {
    /// Goes by `config` from now on. Returns a sentence for the user if it cannot.
    pub fn follow(&self, config: &Config) -> Option<String> {
        self.has_quantiles.store(config.quantiles, Ordering::Relaxed);
        self.page.send_replace(Arc::new(config.page.clone()));
        let before = Arc::clone(&self.serve.borrow());
        if before.access == config.listen.access {
            return None;
        }
        let access = config.listen.access.clone();
        let terms = access.check(&before.address).and_then(|()| ServeTerms::new(before.address.clone(), access));
        match terms {
            Ok(terms) => {
                self.serve.send_replace(Arc::new(terms));
                None
            }
            Err(message) => Some(format!("sites.yaml: the listener goes on as before: {message}")),
        }
    }
}

/// The address that is asked for, by `--listen` or else by the file.
///
/// # Errors
/// [`CommandError::Usage`]: it is not fit for what the file says about access.
pub fn wanted(
    argument: Option<&Option<ListenAddress>>,
    target: &ListenTarget,
) -> Result<Option<ListenAddress>, CommandError> {
    let address = match argument {
        None => target.address.clone(),
        Some(None) => Some(target.address.clone().unwrap_or_default()),
        Some(Some(address)) => Some(address.clone()),
    };
    if let Some(address) = &address {
        target.access.check(address).map_err(|message| CommandError::Usage(format!("--listen: {message}")))?;
    }
    Ok(address)
}

impl Web {
    /// Listens on `address` as `config` says.
    ///
    /// # Errors
    /// [`CommandError`]: the address cannot be bound, the certificate cannot be used, or the system refuses a thread.
    pub fn open(address: &ListenAddress, config: &Config) -> Result<Self, CommandError> {
        let bound = Bound::open(address).map_err(|error| {
            CommandError::Usage(format!("cannot listen on {address}: {error}; choose another with --listen=ADDRESS"))
        })?;
        let terms = ServeTerms::new(bound.address().clone(), config.listen.access.clone());
        let terms = terms.map_err(CommandError::Usage)?;
        let scheme = if terms.is_encrypted() { "https" } else { "http" };
        let url = match bound.address() {
            ListenAddress::Tcp(address) => format!("{scheme}://{address}/"),
            unix @ ListenAddress::Unix(_) => unix.to_string(),
        };
        let has_quantiles = Arc::new(AtomicBool::new(config.quantiles));
        let (page, of_page) = watch::channel(Arc::new(config.page.clone()));
        let source = Arc::new(MonitorSource::new(clock::stopwatch, Arc::clone(&has_quantiles), of_page));
        let (serve, receiver) = watch::channel(Arc::new(terms));
        let feed = Arc::new(Feed::default());
        let server = Arc::new(Server::new(Arc::clone(&source) as _, Arc::clone(&feed), receiver));
        let stop = CancellationToken::new();
        let (events, to_pump) = oneshot::channel();
        let work = (count(Arc::clone(&source)), publish(Arc::clone(&feed), to_pump));
        let thread = Some(start((bound, server), work, stop.clone()).context(NO_THREAD)?);
        let terms = WebTerms { serve, has_quantiles, page };
        Ok(Self { source, feed, events: Some(events), terms, url, stop, thread })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a reload changes.
    #[must_use]
    pub fn terms(&self) -> WebTerms {
        self.terms.clone()
    }

    /// Whether anybody listens to events.
    #[must_use]
    pub fn is_wanted(&self) -> Arc<AtomicBool> {
        self.feed.is_wanted()
    }

    /// Serves `running` from now on, and what happens from `events`.
    pub fn attach(&mut self, (running, events): (Running, Option<EventSource>)) {
        if let Some((to_pump, events)) = self.events.take().zip(events) {
            // A thread that is gone has no use for them.
            let _gone = to_pump.send((events, running.clock.clone()));
        }
        self.source.attach(running);
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic of the listener has been told, and is no reason to lose what the monitor does at its end.
            let _panicked = thread.join();
        }
    }
}

fn start(
    (bound, server): (Bound, Arc<Server>),
    (counting, publishing): (impl Future<Output = ()> + Send + 'static, impl Future<Output = ()> + Send + 'static),
    stop: CancellationToken,
) -> std::io::Result<JoinHandle<()>> {
    threads::spawn("webmon-web", move |runtime| {
        runtime.block_on(async {
            let tasks = [tokio::spawn(counting), tokio::spawn(publishing)];
            if let Err(error) = serve(bound, server, stop).await {
                warn!(target: about::LISTEN, %error, "the listener has ended");
            }
            tasks.iter().for_each(JoinHandleOfTask::abort);
        });
    })
}

/// Publishes events once the monitor has started.
async fn publish(feed: Arc<Feed>, to_pump: oneshot::Receiver<(EventSource, Clock)>) {
    let Ok((source, clock)) = to_pump.await else { return };
    let (mut pump, is_wanted) = (Pump::new(source), feed.is_wanted());
    let mut steps = tokio::time::interval(pump::STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beats = 0;
    loop {
        steps.tick().await;
        pump.step(&feed, is_wanted.load(Ordering::Acquire), clock.now());
        beats += 1;
        if beats % BEAT == 0 {
            feed.beat();
        }
    }
}

/// Sums up what is stored as soon as it can be read, and now and then what is new.
async fn count(source: Arc<MonitorSource>) {
    loop {
        let counting = Arc::clone(&source);
        let counted = tokio::task::spawn_blocking(move || counting.follow()).await;
        let is_counted = matches!(counted, Ok(Ok(())));
        tokio::time::sleep(if is_counted { COUNTED_EVERY } else { AGAIN }).await;
    }
}
