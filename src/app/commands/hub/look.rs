//! One look of a hub at what it has gathered, once a second: the sites of the locations, their votes, and what is new of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::app::clock::Clock;
use crate::app::fleet::hub::Progress;
use crate::app::fleet::hub::news::LocationNews;
use crate::app::fleet::judging::Judging;
use crate::app::fleet::over::{Over, Shape};
use crate::app::follow::ReadOnlyMonitor;
use crate::app::headless::Headless;
use crate::app::locations::groups::Rules;
use crate::app::log::events;
use crate::app::monitor::MonitorHandle;
use crate::app::status::warnings::Warning;
use crate::app::storage::site_spec::SiteSpec;
use crate::app::storage::task::blocking;
use crate::config::Config;
use crate::fleet::gather::Report;
use crate::model::{Members, View};
use crate::store::Origin;

use super::desk::Announcer;
use super::{flush, gathered};

/// See the module.
pub(super) struct Looking {
    /// Away while it reads.
    follower: Option<ReadOnlyMonitor>,
    path: PathBuf,
    judging: Judging,
    /// The board that is shown. Away while it is made.
    over: Option<Over>,
    news: LocationNews,
    clock: Clock,
    views: Vec<View>,
    flush: Duration,
    /// When each site is down.
    rules: Rules,
    /// The revision of the sites that is shown, and who shares them.
    roster: (u64, Option<Members>),
}

/// The sites of the locations, as they are shown and judged.
pub(super) fn subjects(gathered: &[(Arc<str>, Origin)], members: Option<&Members>, judging: &Judging) -> Vec<SiteSpec> {
    let spec = |(name, origin): &(Arc<str>, Origin)| {
        let policies = judging.policies(&origin.name).unwrap_or_default();
        SiteSpec::of_origin(name, origin, policies)
    };
    gathered.iter().filter(|(_, origin)| judging.is_assigned(origin, members)).map(spec).collect()
}

impl Looking {
    /// Looks through `follower`, which shows the sites of the store at `path`.
    pub(super) fn new(
        (mut follower, path): (ReadOnlyMonitor, PathBuf),
        (judging, over): (Judging, Over),
        news: LocationNews,
        config: &Config,
        clock: Clock,
    ) -> Self {
        follower.stand_for(over.names());
        let (views, flush, rules) = (config.views.clone(), flush(config), Rules::of(config));
        let (follower, over, roster) = (Some(follower), Some(over), (0, None));
        Self { follower, path, judging, over, news, clock, views, flush, rules, roster }
    }

    /// The handle for a dashboard.
    pub(super) fn face(&self) -> MonitorHandle {
        let over = self.over.as_ref().expect("it is away only during a look");
        MonitorHandle { board: over.board(), seen: over.seen(), rules: self.rules.clone(), ..self.follower().face() }
    }

    /// What follows the store.
    pub(super) fn follower(&self) -> &ReadOnlyMonitor {
        self.follower.as_ref().expect("it reads only during a look")
    }

    /// Shows what the store has by now, publishes new alerts, and prints both to `headless`.
    pub(super) async fn look(
        &mut self,
        (progress, members, is_linked): (&Progress, Option<Members>, bool),
        notices: Vec<String>,
        announcer: &Announcer,
        headless: Option<&mut Headless>,
    ) {
        let (Some(mut follower), Some(mut over)) = (self.follower.take(), self.over.take()) else { return };
        let news = notices.into_iter().chain(self.news.of(&progress.reports));
        let said: Vec<Warning> = news.map(|message| Warning { about: "fleet", message }).collect();
        events::warnings(&said);
        for warning in &said {
            follower.tell(warning.message.clone());
        }
        let roster = (progress.roster, members);
        if roster != self.roster {
            // If the store cannot be read, the next look says so, and a later one tries again.
            if let Ok(gathered) = gathered(&self.path) {
                let subjects = subjects(&gathered, roster.1.as_ref(), &self.judging);
                let (views, flush) = (self.views.clone(), self.flush);
                let turned;
                (follower, turned) = blocking(move || {
                    let turned = follower.join(subjects, views, flush).is_ok();
                    (follower, turned)
                })
                .await;
                if turned {
                    self.judging.follow(&gathered, roster.1.as_ref(), &follower.face().board.snapshot());
                    self.roster = roster;
                }
            }
        }
        follower.gathered = Some(Arc::new(self.judging.attendance(&progress.reports, self.clock.moment())));
        follower.face().seen.send_replace(over.looked_at());
        let clocks = Report::clocks(&progress.reports);
        let step;
        (follower, step) = blocking(move || {
            let step = follower.look_by(&clocks);
            (follower, step)
        })
        .await;
        let face = follower.face();
        // The follower may have found that the clock was set.
        let moment = self.clock.moment();
        let now = moment.wall;
        if !is_linked {
            self.judging.hear_none(moment);
        }
        let alerts =
            self.judging.look(&face.board.snapshot(), &progress.reports, |name| follower.availability(name), moment);
        let (engine, shape) = (Arc::clone(&face.board), Shape::of(&progress.reports));
        over = blocking(move || {
            over.prepare(&engine, shape, now);
            over
        })
        .await;
        let step = over.look(&face.board, &self.judging, step, now);
        let board = over.board();
        let records = announcer.publish(&alerts, &board, now);
        if let Some(headless) = headless {
            let health = face.health.borrow().clone();
            headless.step((&step, &records), &board, (&health, &said, &[]), now);
        }
        (self.follower, self.over) = (Some(follower), Some(over));
    }
}
