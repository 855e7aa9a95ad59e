//! What a hub gives to others: pages and metrics by HTTP, and the reports of sites.yaml. It is what `webmon run` gives, over all
//! locations.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::app::cli::fleet::hub::HubArgs;
use crate::app::clock::Clock;
use crate::app::exit::CommandError;
use crate::app::monitor::MonitorHandle;
use crate::app::publish::{Publisher, ReportPlan, ReportTask};
use crate::app::status::counters::SchedulerCounters;
use crate::app::status::health_meter::StoreStatus;
use crate::app::web::{self, EventSource, Running, Web};
use crate::config::Config;

/// See the module.
pub(super) struct Serving {
    web: Option<Web>,
    reports: Option<(ReportTask, Publisher)>,
    /// A hub has no scheduler; its looks count as steps of the engine.
    counters: Arc<SchedulerCounters>,
}

impl Serving {
    /// Listens, if `args` or the file asks for it.
    ///
    /// # Errors
    /// [`CommandError`]: the address, its certificate, or the system.
    pub(super) fn open(args: &HubArgs, config: &Config) -> Result<Self, CommandError> {
        let address = web::wanted(args.listen.as_ref(), &config.listen)?;
        let web = address.map(|address| Web::open(&address, config)).transpose()?;
        Ok(Self { web, reports: None, counters: Arc::default() })
    }

    /// Serves what `face` shows of the store at `path` from now on.
    pub(super) fn begin(
        &mut self,
        (config, face): (&Config, MonitorHandle),
        (clock, zone): (&Clock, &TimeZone),
        (path, status): (&Path, &watch::Sender<StoreStatus>),
    ) {
        let MonitorHandle { board, alerts, health, rules, .. } = face;
        if config.report.is_some() {
            // A changed sites.yaml is read at the next start, so the plan stays.
            let (_, plan) = watch::channel(ReportPlan::of(config));
            let task = ReportTask { plan, clock: clock.clone(), status: status.clone() };
            let publisher = Publisher {
                board: Arc::clone(&board),
                store: path.to_owned(),
                zone: zone.clone(),
                clock: clock.clone(),
                memory: Arc::default(),
                rules: rules.clone(),
            };
            self.reports = Some((task, publisher));
        }
        let Some(web) = &mut self.web else { return };
        // The texts of checks come with the samples that are stored, and not on their own.
        let (_, texts) = mpsc::channel(1);
        let events = EventSource { board: Arc::clone(&board), alerts, texts };
        let running = Running {
            board,
            health,
            counters: Arc::clone(&self.counters),
            status: status.subscribe(),
            started: clock.now(),
            clock: clock.clone(),
            store: Some(path.to_owned()),
            rules,
        };
        web.attach((running, Some(events)));
    }

    /// Where it listens.
    pub(super) fn url(&self) -> Option<&str> {
        self.web.as_ref().map(Web::url)
    }

    /// Counts a look at the store.
    pub(super) fn note_look(&self, clock: &Clock) {
        self.counters.note_step(clock.monotonic());
        if !self.counters.has_begun() {
            self.counters.note_due(1, 0);
        }
    }

    /// Writes the reports until `stop`.
    pub(super) fn reports(&mut self, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        let reports = self.reports.take();
        async move {
            match reports {
                Some((task, publisher)) => task.run(publisher, stop).await,
                None => stop.cancelled().await,
            }
        }
    }
}
