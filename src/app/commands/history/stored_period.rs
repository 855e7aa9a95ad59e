//! The store, the sites and the period of a reading command.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::network::Mask;
use crate::alert::{AlertRecord, RuleKind};
use crate::app::cli::args::{CommonArgs, PeriodArgs};
use crate::app::cli::selection::{load_for_reading, needed_for_store, unknown_site};
use crate::app::cli::time_range::{back, instant};
use crate::app::cli::zone;
use crate::app::clock;
use crate::app::exit::{CommandError, complain};
use crate::app::locations::groups::{Group, Rules, groups};
use crate::config::{Config, ConfigError};
use crate::model::{SiteId, Timestamp, figures};
use crate::report::{Period, SampleRecord};
use crate::stats::Cadence;
use crate::store::{Archive, Origins, Query, StoreError, StoredSite};

/// A period of a store.
pub struct StoredPeriod {
    pub archive: Archive,
    /// The chosen sites, in the order of the file, then those that are not in it.
    pub sites: Vec<StoredSite>,
    /// The requested period; without `--until` it has no end.
    pub period: Period,
    /// Whether its start is a duration back from now.
    pub back_from_now: bool,
    /// The zone of shown times.
    pub zone: TimeZone,
    /// The current time.
    pub now: Timestamp,
    /// In the store of a hub, unless locations are named: the chosen sites over their locations, by name.
    pub groups: Vec<Group>,
    /// Where the sites of other webmons come from, in the store of a hub.
    pub origins: Origins,
    /// The locations that are named.
    locations: Vec<String>,
    /// Whether sites are named.
    is_choice: bool,
    config: Option<Config>,
}

impl StoredPeriod {
    /// Opens the store and determines the period. By default it begins `default` before its end, or with the store.
    ///
    /// # Errors
    /// [`CommandError`]: an unknown site, a time that cannot be read, or the store.
    pub fn open(args: &PeriodArgs, common: &CommonArgs, default: Option<Duration>) -> Result<Self, CommandError> {
        let zone = zone::local_or_complain();
        let now = clock::wall();
        let read = |text: &String| instant(text, now, &zone).map_err(CommandError::Usage);
        let since = args.since.as_ref().map(read).transpose()?;
        let until = args.until.as_ref().map(read).transpose()?.unwrap_or(Timestamp::MAX);
        let since = since.unwrap_or_else(|| default.map_or(Timestamp::ZERO, |back| now.min(until).before(back)));
        if since >= until {
            return Err(CommandError::Usage("--since must be before --until".to_owned()));
        }
        // Wrong usage is reported before a faulty store.
        let mut config = configuration(common)?;
        if let Some(config) = &mut config {
            config.settle_windows(&zone, now);
        }
        let path = store_path(common, config.as_ref());
        let archive = Archive::open(&path)?;
        let origins = archive.origins()?;
        let stored = at_locations(&archive, &origins, &args.locations, &path)?;
        let all = if args.locations.is_empty() {
            groups(&stored, &origins, &config.as_ref().map(Rules::of).unwrap_or_default())
        } else {
            Vec::new()
        };
        let wanted = args.wanted();
        let sites = choose(stored, config.as_ref(), &at_all_locations(&wanted, &all), &path)?;
        let is_wanted = |group: &Group| wanted.is_empty() || wanted.iter().any(|name| **name == *group.name);
        let groups = all.into_iter().filter(is_wanted).collect();
        let back_from_now =
            args.until.is_none() && args.since.as_ref().map_or(default.is_some(), |since| back(since).is_some());
        Ok(Self {
            archive,
            sites,
            period: Period { since, until },
            back_from_now,
            zone,
            now,
            groups,
            origins,
            locations: args.locations.clone(),
            is_choice: !wanted.is_empty(),
            config,
        })
    }

    /// The alerts of the period about the chosen sites, and about the chosen locations unless sites are named.
    ///
    /// # Errors
    /// The store's.
    pub fn alerts(&self) -> Result<Vec<AlertRecord>, StoreError> {
        let mut query = self.query();
        // Alerts about locations are stored as those about webmon itself.
        query.sites.get_or_insert_default().push(SiteId::OWN);
        let mut alerts = self.archive.alerts(&query)?;
        let is_wanted =
            |location: &str| self.locations.is_empty() || self.locations.iter().any(|name| name == location);
        alerts.retain(|alert| {
            !alert.rule.is_own() || alert.rule == RuleKind::Location && !self.is_choice && is_wanted(&alert.site)
        });
        Ok(alerts)
    }

    pub(super) fn query(&self) -> Query {
        let Period { since, until } = self.period;
        Query { sites: Some(self.sites.iter().map(|site| site.id).collect::<Vec<SiteId>>()), since, until }
    }

    /// Refuses a store that has no locations.
    pub(super) fn require_hub(&self) -> Result<(), CommandError> {
        let path = self.archive.path().display();
        if self.origins.is_empty() { Err(CommandError::Usage(no_hub(&path))) } else { Ok(()) }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(|site| &*site.name)
    }

    /// The configuration.
    ///
    /// # Errors
    /// [`CommandError::Config`]: why there is none.
    pub fn config_or_faults(&self, common: &CommonArgs) -> Result<&Config, CommandError> {
        match &self.config {
            Some(config) => Ok(config),
            None => Err(read(common).map_or_else(CommandError::from, |_| {
                CommandError::Usage(format!("{} has changed; try again", common.config.display()))
            })),
        }
    }

    /// The configuration, if there is a sound one.
    #[must_use]
    pub const fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    /// The interval and the timeout of a site of the file.
    #[must_use]
    pub fn cadence(&self, name: &str) -> Option<Cadence> {
        let mut sites = self.config.iter().flat_map(|config| config.sites.iter().chain(&config.disabled));
        let site = &sites.find(|watched| *watched.site.name == *name)?.site;
        Some(Cadence { interval: site.interval, timeout: site.timeout })
    }

    /// The interval and the timeout of a stored site: where it is checked, as its location says.
    #[must_use]
    pub fn cadence_of(&self, site: &StoredSite) -> Option<Cadence> {
        let there = self.origins.get(&site.id);
        let there = there.map(|origin| Cadence { interval: origin.interval, timeout: origin.timeout });
        there.or_else(|| self.cadence(&site.name))
    }

    /// The group of a site of the file.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&str> {
        let mut sites = self.config.iter().flat_map(|config| config.sites.iter().chain(&config.disabled));
        sites.find(|watched| *watched.site.name == *name)?.group.as_deref()
    }

    /// Calls `each` with every sample of the period, in the order of time. Warns on stderr about damage and gaps.
    ///
    /// # Errors
    /// The store's, and those of `each`.
    pub fn visit(&self, mut each: impl FnMut(SiteId, &SampleRecord<'_>) -> io::Result<()>) -> io::Result<()> {
        let outages = self.archive.outages().map_err(io::Error::other)?;
        let masks: HashMap<SiteId, Mask> = self.sites.iter().map(|site| (site.id, outages.of(site.id))).collect();
        // A site of a location may be called otherwise here.
        let names: HashMap<SiteId, &str> = self.sites.iter().map(|site| (site.id, &*site.name)).collect();
        let passed = self.archive.samples(&self.query(), |stored| {
            let mask = masks.get(&stored.site).filter(|mask| !mask.is_empty());
            let record = SampleRecord {
                site: names.get(&stored.site).copied().unwrap_or(stored.name),
                seq: Some(stored.seq),
                sample: &stored.sample,
                detail: stored.detail,
                address: stored.address,
                masked: Some(mask.is_some_and(|mask| mask.covers(&stored.sample.packed()))),
            };
            each(stored.site, &record)
        });
        let passed = passed.map_err(io::Error::other)??;
        if passed.damaged > 0 {
            complain(format_args!("warning: skipped {} damaged blocks", passed.damaged));
        }
        if passed.missing > 0 {
            let (samples, are) = if passed.missing == 1 { ("sample", "is") } else { ("samples", "are") };
            let count = figures::count(passed.missing);
            complain(format_args!(
                "warning: {count} {samples} {are} missing, lost before saving or hidden by damage: `webmon db check` lists them"
            ));
        }
        Ok(())
    }

    /// The time of the oldest sample; none in an empty store.
    ///
    /// # Errors
    /// The store's.
    pub fn begins(&self) -> io::Result<Option<Timestamp>> {
        let all = Query { since: Timestamp::ZERO, until: Timestamp::MAX, ..self.query() };
        let mut first = None;
        let stopped = self.archive.samples(&all, |stored| {
            first = Some(stored.sample.at);
            Err(())
        });
        let _stopped = stopped.map_err(io::Error::other)?;
        Ok(first)
    }
}

/// The configuration, which names the store and orders the sites. With `--store` it is optional.
pub(crate) fn configuration(common: &CommonArgs) -> Result<Option<Config>, CommandError> {
    if !common.config.exists() && common.store.is_some() {
        return Ok(None);
    }
    match read(common) {
        Err(_) if common.store.is_some() => Ok(None),
        Err(faults) => Err(faults.into()),
        Ok(config) => {
            for absent in &config.absent {
                complain(format_args!("warning: {absent}"));
            }
            Ok(Some(config))
        }
    }
}

/// The configuration, with what the variables of this shell say.
fn read(common: &CommonArgs) -> Result<Config, ConfigError> {
    load_for_reading(&common.config, needed_for_store(common))
}

/// The store that the command line or the configuration names.
///
/// # Errors
/// [`CommandError::Config`]: the faults of a configuration that is needed for it.
pub fn configured_store(common: &CommonArgs) -> Result<PathBuf, CommandError> {
    Ok(store_path(common, configuration(common)?.as_ref()))
}

/// [`configured_store`] for a configuration that was read.
#[must_use]
pub fn store_path(common: &CommonArgs, config: Option<&Config>) -> PathBuf {
    let configured = config.and_then(|config| config.storage.as_ref()).map(|storage| storage.path.clone());
    common.store.clone().or(configured).unwrap_or_else(|| PathBuf::from("webmon.redb"))
}

/// The sites of a store; of a hub's store, if `locations` are named, those that these check. The sites of one location have
/// the names that they have there, which two stores of it may share.
fn at_locations(
    archive: &Archive,
    origins: &Origins,
    locations: &[String],
    path: &Path,
) -> Result<Vec<StoredSite>, CommandError> {
    let mut stored = archive.sites()?;
    if locations.is_empty() {
        return Ok(stored);
    }
    let known: BTreeSet<&str> = origins.values().map(|origin| origin.location.name()).collect();
    if let Some(unknown) = locations.iter().find(|name| !known.contains(name.as_str())) {
        let path = path.display();
        return Err(CommandError::Usage(if known.is_empty() {
            no_hub(&path)
        } else {
            let known: Vec<&str> = known.into_iter().collect();
            format!("there is no location {unknown:?} in {path}; there are: {}", known.join(", "))
        }));
    }
    let is_wanted = |name: &str| locations.iter().any(|wanted| wanted == name);
    stored.retain(|site| origins.get(&site.id).is_some_and(|origin| is_wanted(origin.location.name())));
    if locations.iter().all(|name| *name == locations[0]) {
        for site in &mut stored {
            site.name = Arc::clone(&origins[&site.id].name);
        }
    }
    Ok(stored)
}

/// What to say about a store without locations.
fn no_hub(path: &impl Display) -> String {
    format!("{path} is not the store of a hub, so it has no locations")
}

/// `wanted`, where the name of a site over its locations stands for its sites at all of them.
fn at_all_locations(wanted: &[String], groups: &[Group]) -> Vec<String> {
    let mut names = Vec::new();
    for name in wanted {
        let group = groups.iter().find(|group| *group.name == **name);
        names.extend(group.iter().flat_map(|group| &group.members).map(|member| member.name.to_string()));
        if group.is_none_or(|group| group.id.is_some()) {
            names.push(name.clone());
        }
    }
    names
}

pub(crate) fn choose(
    mut stored: Vec<StoredSite>,
    config: Option<&Config>,
    wanted: &[String],
    path: &Path,
) -> Result<Vec<StoredSite>, CommandError> {
    let order: Vec<Arc<str>> = config
        .iter()
        .flat_map(|config| config.sites.iter().chain(&config.disabled))
        .map(|watched| Arc::clone(&watched.site.name))
        .collect();
    let place = |name: &str| order.iter().position(|known| **known == *name).unwrap_or(usize::MAX);
    stored.sort_by_key(|site| (place(&site.name), site.id));
    for name in wanted {
        if !stored.iter().any(|site| *site.name == **name) && place(name) == usize::MAX {
            return Err(unknown_site(name, path, stored.iter().map(|site| &*site.name)));
        }
    }
    stored.retain(|site| wanted.is_empty() || wanted.iter().any(|name| **name == *site.name));
    Ok(stored)
}
