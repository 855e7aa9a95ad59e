//! Shows a hub until something ends it: as lines, or on a dashboard.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::cli::args::{CommonArgs, Event};
use crate::app::cli::fleet::hub::HubArgs;
use crate::app::cli::terminal;
use crate::app::clock::Clock;
use crate::app::dashboard::{self, memory};
use crate::app::exit::{CommandError, Ending, NO_THREAD, complain_in_time};
use crate::app::fleet::hub::Hub;
use crate::app::headless::line_writer::Lines;
use crate::app::headless::{self, Headless, Style};
use crate::app::session::runtime::{MainRuntime, Screen, elapsed};
use crate::app::stream;
use crate::config::Config;
use crate::model::StoreHealth;
use crate::store::Flushed;

use super::desk::{Announcer, Desk};
use super::look::Looking;
use super::serving::Serving;

/// Time between two looks at the store.
const LOOK: Duration = Duration::from_secs(1);

/// How long messages under way may take at the end.
const LAST_MESSAGES: Duration = Duration::from_secs(2);

/// A hub that gathers, and what shows it.
pub(super) struct Shown {
    pub(super) hub: Hub,
    pub(super) looking: Looking,
    pub(super) desk: Desk,
    pub(super) serving: Serving,
    pub(super) path: PathBuf,
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) zone: TimeZone,
    /// Sentences of the start.
    pub(super) notices: Vec<String>,
}

impl Shown {
    /// Prints lines.
    pub(super) fn lines(self, mut runtime: MainRuntime, args: &HubArgs) -> Result<Ending, CommandError> {
        let closed = CancellationToken::new();
        let note = headless::note(args.format, self.zone.clone(), self.clock.clone());
        let out = stream::stdout().context("cannot write to stdout")?;
        let (lines, writer) = Lines::to(out, note, closed.clone()).context(NO_THREAD)?;
        let is_ascii = terminal::of_stdout().is_ascii;
        let style = Style { format: args.format, events: vec![Event::Stats, Event::Alert], is_ascii };
        let mut headless = Headless::new(style, lines, self.zone.clone(), None);
        headless.begin(self.config.sites.len(), Some(&self.path));
        if let Some(url) = self.serving.url() {
            headless.listening(url, self.clock.now());
        }
        let (duration, shut) = (args.duration, closed.clone());
        let shown = async move {
            tokio::select! {
                () = shut.cancelled() => {}
                () = elapsed(duration) => {}
            }
            Ending::Done
        };
        let ended = self.gather(&mut runtime, shown, Some(headless));
        let ended = runtime.await_reader(ended, &closed);
        if closed.is_cancelled()
            && let Some(unsaid) = writer.join()
        {
            complain_in_time(format_args!("warning: {unsaid}"));
        }
        runtime.leave();
        ended
    }

    /// Shows a dashboard.
    pub(super) fn dashboard(
        self,
        mut runtime: MainRuntime,
        args: &HubArgs,
        common: &CommonArgs,
    ) -> Result<Ending, CommandError> {
        let memory = memory::place(|name| std::env::var_os(name));
        let remembered = memory.as_deref().map(memory::read).unwrap_or_default();
        let (path, notices) = (self.path.clone(), self.notices.clone());
        let url = self.serving.url().map(str::to_owned);
        let screen = Screen {
            monitor: self.looking.face(),
            clock: self.clock.clone(),
            history: Some(path.clone()),
            config_path: Some(&*common.config),
            store_path: Some(&path),
            listen: url.as_deref(),
            zone: self.zone.clone(),
            settings: dashboard::settings(Some(&self.config), common.color, remembered),
            memory,
            notices: &notices,
        };
        let duration = args.duration;
        let ending = runtime.show(screen, |runtime, shown| {
            let shown = async move {
                tokio::select! {
                    ending = shown => ending,
                    () = elapsed(duration) => Ending::Done,
                }
            };
            self.gather(runtime, shown, None)
        });
        runtime.leave();
        ending
    }

    /// Shows what is gathered until `shown` ends or a signal comes; then ends the desk, and the hub after it, which keeps what that
    /// has done.
    fn gather(
        self,
        runtime: &mut MainRuntime,
        shown: impl Future<Output = Ending>,
        headless: Option<Headless>,
    ) -> Result<Ending, CommandError> {
        let Self { mut hub, looking, desk, mut serving, clock, notices, .. } = self;
        for notice in notices {
            looking.follower().tell(notice);
        }
        let stop = CancellationToken::new();
        let (announcer, work) = desk.staffed(&looking.face().board, stop.clone());
        let reports = serving.reports(stop.clone());
        let mut work = Box::pin(async move {
            let (unsent, ()) = tokio::join!(work, reports);
            unsent
        });
        let ending = {
            let looking = watch(&mut hub, (looking, &serving), (announcer, headless), &clock);
            runtime.attend(async { _ = tokio::join!(looking, &mut work) }, shown)
        };
        stop.cancel();
        let unsent = std::cell::Cell::new(None);
        runtime.attend(async { unsent.set(work.await) }, async {
            tokio::time::sleep(LAST_MESSAGES).await;
            Ending::Done
        });
        runtime.unsaid = runtime.unsaid.take().or(unsent.take());
        saved(&hub.end()).map(|()| ending)
    }
}

/// Looks once a second, for ever.
async fn watch(
    hub: &mut Hub,
    (mut looking, serving): (Looking, &Serving),
    (mut announcer, mut headless): (Announcer, Option<Headless>),
    clock: &Clock,
) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        announcer.take(&mut hub.part);
        let progress = hub.progress.borrow_and_update().clone();
        let notices = std::iter::from_fn(|| hub.notices.try_recv().ok()).collect();
        let (members, is_linked) = (hub.members.borrow().clone(), *hub.is_linked.borrow());
        looking.look((&progress, members, is_linked), notices, &announcer, headless.as_mut()).await;
        serving.note_look(clock);
    }
}

/// Samples that the last commit could not save come again, but the user who ended the hub should know.
fn saved(last: &Flushed) -> Result<(), CommandError> {
    match &last.health {
        StoreHealth::NotSaving { .. } => Err(CommandError::StoreFault(last.notices.join("; "))),
        _ => Ok(()),
    }
}
