//! Reads where objectives stand for the dashboard. The file is opened for each read, beside its writer.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::alert::kept::incident::Silence;
use crate::alert::objective::{ObjectiveFigures, SiteObjective};
use crate::app::locations::Gathered;
use crate::app::locations::figures::Past;
use crate::app::locations::groups::Rules;
use crate::app::objectives::standing::{Maintained, Objective, standing};
use crate::app::objectives::together::standing_together;
use crate::engine::SiteSnapshot;
use crate::model::{Place, Timestamp};
use crate::stats::Cadence;
use crate::store::{Archive, Moment, StoreError};

use super::reader_thread::ReaderThread;

/// A reader of the objectives of sites as of an instant, exclusive.
pub type ObjectiveReader = ReaderThread<(Vec<Arc<SiteSnapshot>>, Timestamp), Arc<[SiteObjective]>>;

/// Starts a reader of the store at `path`; sites over locations are down as `rules` say.
///
/// # Errors
/// The system refuses a thread.
pub fn open(path: PathBuf, rules: Rules) -> io::Result<ObjectiveReader> {
    ReaderThread::open("webmon-slo", Arc::from([]), move |(sites, until): (Vec<_>, _), _| {
        ControlFlow::Continue(objectives(&path, &rules, &sites, until).into())
    })
}

/// The objectives of those of `sites` that have one, read by this thread.
#[must_use]
pub fn objectives(path: &Path, rules: &Rules, sites: &[Arc<SiteSnapshot>], until: Timestamp) -> Vec<SiteObjective> {
    let read = |archive: Archive| {
        let silences = archive.kept()?.silences;
        Ok(Opened { gathered: Gathered::of(&archive, rules)?, moment: archive.moment()?, silences, archive })
    };
    let opened = Archive::open(path).and_then(read);
    let mut found = Vec::new();
    for site in sites {
        let Some(rule) = site.policies.slo else { continue };
        let figures = match &opened {
            Ok(opened) => one(opened, site, until),
            Err(error) => Err(error.reason().into()),
        };
        found.push(SiteObjective { site: Arc::clone(&site.name), rule, figures });
    }
    found
}

/// A store as of one moment.
struct Opened {
    archive: Archive,
    gathered: Gathered,
    moment: Moment,
    silences: Vec<Silence>,
}

fn one(store: &Opened, site: &SiteSnapshot, until: Timestamp) -> Result<ObjectiveFigures, Arc<str>> {
    let Opened { archive, gathered, moment, silences } = store;
    let Some(rule) = site.policies.slo else { return Err("no objective".into()) };
    let reason = |error: StoreError| Arc::<str>::from(error.reason());
    let Some(id) = archive.named(&site.name).map_err(reason)? else { return Err("nothing is stored yet".into()) };
    let maintained = Maintained { windows: &site.maintenance, silences };
    let cadence = Cadence { interval: site.interval, timeout: site.timeout };
    let objective = Objective { id, site: &site.name, group: site.group.as_deref(), rule, cadence };
    if let Some(group) = gathered.named(&site.name).filter(|_| site.place == Place::Everywhere) {
        let past = Past::new(archive, moment, &gathered.blind, until);
        return standing_together((moment, &past), (group, &objective), &maintained, until).map_err(reason);
    }
    let figures = standing(moment, &objective, &maintained, until).map_err(reason)?;
    figures.map_err(|_| "maintenance begins or ends where no single checks are kept".into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alert::{Policies, SloRule, Threshold};
    use crate::app::tests::hub_store::{HubStore, at, config};
    use crate::engine::{Engine, SiteInput};
    use crate::model::{Cause, Micros, Observation, SiteSlot};
    use crate::ring::Producer;
    use crate::store::{Options, Store, Writer};

    const START: Timestamp = Timestamp::from_secs(1_795_255_200);
    const INTERVAL: Duration = Duration::from_secs(10);

    /// The dashboard shows what `webmon stats --slo` prints of the same instant: both come from [`standing`].
    #[test]
    fn the_figures_are_those_of_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let store = Store::open(&path, &Options::default(), START).unwrap().store;
        let id = store.register(&["api".into()], START).unwrap()[0].id;
        let mut producer = Producer::new(2_000, 0);
        let mut writer = Writer::new(store, vec![(id, producer.ring().reader_at_head())]).unwrap();
        for tick in 0..1_080 {
            let cause = if tick % 100 == 3 { Cause::Reset } else { Cause::Ok };
            producer.push(Observation::failed(cause, "").sample(START.after(INTERVAL * tick), Micros::ZERO, 0));
        }
        let until = START.after(INTERVAL * 1_080);
        writer.flush(until);

        let rule = SloRule { target: Threshold::from_ppm(990_000).unwrap(), period: Duration::from_hours(24) };
        let cadence = Cadence { interval: INTERVAL, timeout: INTERVAL / 2 };
        let input = |(slot, name)| SiteInput {
            policies: Policies { slo: (name != "blog").then_some(rule), ..Policies::default() },
            ..SiteInput::new(SiteSlot(slot), name, cadence, producer.ring())
        };
        let inputs = [(0, "api"), (1, "blog"), (2, "new")].map(input).into();
        let sites = Engine::new(Vec::new(), inputs, until).board().snapshot().sites;

        let archive = Archive::open(&path).unwrap();
        let objective = Objective { id, site: "api", group: None, rule, cadence };
        let maintained = Maintained { windows: &[], silences: &[] };
        let expected = standing(&archive.moment().unwrap(), &objective, &maintained, until).unwrap().unwrap();
        assert_eq!((expected.standing.tally.checks, expected.standing.tally.failed), (1_080, 11));

        let reader = open(path, Rules::default()).unwrap();
        reader.request((sites.clone(), until));
        let found = loop {
            let found = reader.read();
            if !found.is_empty() {
                break found;
            }
            std::thread::yield_now();
        };
        let names: Vec<&str> = found.iter().map(|known| &*known.site).collect();
        assert_eq!(names, ["api", "new"]);
        assert_eq!(found[0].figures, Ok(expected));
        assert_eq!(found[1].figures, Err("nothing is stored yet".into()));
        let gone = objectives(&folder.path().join("none.redb"), &Rules::default(), &sites, until);
        assert!(gone.iter().all(|known| known.figures.is_err()) && gone.len() == 2);
    }

    #[test]
    fn over_locations_the_budget_is_time() {
        let hub = HubStore::worked_example();
        let rule = SloRule { target: Threshold::from_ppm(900_000).unwrap(), period: Duration::from_hours(24) };
        let cadence = Cadence { interval: INTERVAL, timeout: INTERVAL / 2 };
        let facts = SiteInput {
            policies: Policies { slo: Some(rule), ..Policies::default() },
            place: Place::Everywhere,
            ..SiteInput::new(SiteSlot(0), "api", cadence, Producer::new(10, 0).ring())
        };
        let sites = Engine::new(Vec::new(), vec![facts], at(600)).board().snapshot().sites;
        let found = objectives(&hub.path, &Rules::of(&config()), &sites, at(600)).pop().unwrap().figures.unwrap();
        assert_eq!((found.standing.left().as_secs(), found.checks().failed), (13, 110));
    }
}
