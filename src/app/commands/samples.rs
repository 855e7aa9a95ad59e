//! `webmon samples` and `webmon alerts`: what the store holds of a period. Reads beside a running monitor.

use std::io::{self};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::AlertRecord;
use crate::app::cli::args::{CommonArgs, HistoryArgs, PeriodArgs, TableFormat};
use crate::app::cli::selection::{load, nearest};
use crate::app::cli::stdout::print;
use crate::app::cli::time_range::instant;
use crate::app::cli::zone;
use crate::app::clock;
use crate::app::exit::{Ending, Failure, complain, store_failure};
use crate::config::{self, Config};
use crate::model::text::redact::redacted;
use crate::model::time::duration;
use crate::model::{SiteId, Timestamp, figures};
use crate::report::{Period, SampleRecord, csv, json, table};
use crate::stats::Cadence;
use crate::store::{Archive, Query, StoredSite};

/// What `samples` shows when no period is named.
const SAMPLES_BACK: Duration = Duration::from_hours(1);

/// Prints the samples of a period.
///
/// # Errors
/// [`Failure`]: usage, or the store.
pub fn samples(args: &HistoryArgs, common: &CommonArgs) -> Result<Ending, Failure> {
    let past = StoredPeriod::open(&args.period, common, Some(SAMPLES_BACK))?;
    let zone = past.zone.clone();
    print(|out| match args.format {
        TableFormat::Table => {
            let mut table = None;
            past.visit(|_, record| {
                if let Some(table) = &table {
                    return table::Samples::row(table, out, record);
                }
                let since = past.period.since.max(record.sample.at);
                let shown = Period { since, until: past.period.until.min(past.now).max(since) };
                let begun = table.insert(table::Samples::new(past.names(), zone.clone(), shown));
                begun.header(out)?;
                begun.row(out, record)
            })?;
            if table.is_some() {
                Ok(())
            } else {
                table::nothing(out, &zone, &args.period.sites, past.period, past.begins()?)
            }
        }
        TableFormat::Json => past.visit(|_, record| json::sample(out, record)),
        TableFormat::Csv => {
            csv::sample_header(out)?;
            past.visit(|_, record| csv::sample(out, record))
        }
    })?;
    Ok(Ending::Done)
}

/// Prints the alerts of a period.
///
/// # Errors
/// [`Failure`]: usage, or the store.
pub fn alerts(args: &HistoryArgs, common: &CommonArgs) -> Result<Ending, Failure> {
    let past = StoredPeriod::open(&args.period, common, None)?;
    let alerts = past.archive.alerts(&past.query()).map_err(|error| store_failure(&error))?;
    print(|out| match args.format {
        TableFormat::Table => table::alerts(out, &past.zone, &alerts),
        TableFormat::Json => alerts.iter().try_for_each(|alert: &AlertRecord| json::alert(out, alert)),
        TableFormat::Csv => {
            csv::alert_header(out)?;
            alerts.iter().try_for_each(|alert| csv::alert(out, alert))
        }
    })?;
    Ok(Ending::Done)
}

/// A period of a store.
pub struct StoredPeriod {
    /// The store.
    pub archive: Archive,
    /// The chosen sites, in the order of the file, then those that are no longer in it.
    pub sites: Vec<StoredSite>,
    /// What was asked for; without `--until` it has no end.
    pub period: Period,
    /// Whether the period was counted back from now.
    pub back_from_now: bool,
    /// The zone in which times are told.
    pub zone: TimeZone,
    /// The time.
    pub now: Timestamp,
    config: Option<Config>,
}

impl StoredPeriod {
    /// Opens the store and works out the period: unless told otherwise it begins `back` before its end, or with the
    /// store.
    ///
    /// # Errors
    /// [`Failure`]: an unknown site, a time that cannot be read, or the store.
    pub fn open(args: &PeriodArgs, common: &CommonArgs, back: Option<Duration>) -> Result<Self, Failure> {
        let zone = zone::local_or_complain();
        let now = clock::wall();
        let read = |text: &String| instant(text, now, &zone).map_err(|text| Failure::Usage(format!("webmon: {text}")));
        let since = args.since.as_ref().map(read).transpose()?;
        let until = args.until.as_ref().map(read).transpose()?.unwrap_or(Timestamp::MAX);
        let since = since.unwrap_or_else(|| back.map_or(Timestamp::ZERO, |back| now.min(until).before(back)));
        if since >= until {
            return Err(Failure::Usage("webmon: --since must be before --until".to_owned()));
        }
        // Usage is judged before the store.
        let config = configuration(common)?;
        let path = store_path(common, config.as_ref());
        let archive = Archive::open(&path).map_err(|error| store_failure(&error))?;
        let stored = archive.sites().map_err(|error| store_failure(&error))?;
        let sites = choose(stored, config.as_ref(), &args.sites, &path)?;
        let back_from_now =
            args.until.is_none() && args.since.as_ref().map_or(back.is_some(), |since| duration::parse(since).is_ok());
        Ok(Self { archive, sites, period: Period { since, until }, back_from_now, zone, now, config })
    }

    fn query(&self) -> Query {
        let Period { since, until } = self.period;
        Query { sites: Some(self.sites.iter().map(|site| site.id).collect::<Vec<SiteId>>()), since, until }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(|site| &*site.name)
    }

    /// How often a site of the file is due, and how long a probe of it may take.
    #[must_use]
    pub fn cadence(&self, name: &str) -> Option<Cadence> {
        let mut sites = self.config.iter().flat_map(|config| config.sites.iter().chain(&config.disabled));
        let site = &sites.find(|watched| *watched.site.name == *name)?.site;
        Some(Cadence { interval: site.interval, timeout: site.timeout })
    }

    /// Hands every sample of the period to `each`, in the order of time. Damaged ones are left out and told on stderr.
    ///
    /// # Errors
    /// The store's, and those of `each`.
    pub fn visit(&self, mut each: impl FnMut(SiteId, &SampleRecord<'_>) -> io::Result<()>) -> io::Result<()> {
        let passed = self.archive.samples(&self.query(), |stored| {
            let record = SampleRecord {
                site: stored.name,
                seq: Some(stored.seq),
                sample: &stored.sample,
                detail: stored.detail,
                address: stored.address,
            };
            each(stored.site, &record)
        });
        let passed = passed.map_err(io::Error::other)??;
        if passed.damaged > 0 {
            complain(format_args!("warning: {} damaged blocks were left out", passed.damaged));
        }
        if passed.missing > 0 {
            let (samples, are) = if passed.missing == 1 { ("sample", "is") } else { ("samples", "are") };
            let count = figures::count(passed.missing);
            complain(format_args!(
                "warning: {count} {samples} {are} missing, lost before saving or hidden by damage: `webmon db check` tells which"
            ));
        }
        Ok(())
    }

    /// When the oldest sample was known; none in an empty store.
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

/// The configuration, if it is there: it names the store and orders the sites, and history can do without it.
fn configuration(common: &CommonArgs) -> Result<Option<Config>, Failure> {
    if !common.config.exists() && common.store.is_some() {
        return Ok(None);
    }
    match config::load_without_env(&common.config) {
        Ok(config) => Ok(Some(config)),
        Err(_) if common.store.is_some() => Ok(None),
        Err(_) => load(&common.config).map(Some),
    }
}

/// The store that the command line or the configuration names.
///
/// # Errors
/// [`Failure::Usage`]: the faults of a configuration that is needed for it.
pub fn configured_store(common: &CommonArgs) -> Result<PathBuf, Failure> {
    Ok(store_path(common, configuration(common)?.as_ref()))
}

/// The same, of a configuration that was read.
#[must_use]
pub fn store_path(common: &CommonArgs, config: Option<&Config>) -> PathBuf {
    let configured = config.and_then(|config| config.storage.as_ref()).map(|storage| storage.path.clone());
    common.store.clone().or(configured).unwrap_or_else(|| PathBuf::from("webmon.redb"))
}

fn choose(
    mut stored: Vec<StoredSite>,
    config: Option<&Config>,
    wanted: &[String],
    path: &Path,
) -> Result<Vec<StoredSite>, Failure> {
    let order: Vec<Arc<str>> = config
        .iter()
        .flat_map(|config| config.sites.iter().chain(&config.disabled))
        .map(|watched| Arc::clone(&watched.site.name))
        .collect();
    let place = |name: &str| order.iter().position(|known| **known == *name).unwrap_or(usize::MAX);
    stored.sort_by_key(|site| (place(&site.name), site.id));
    for name in wanted {
        if !stored.iter().any(|site| *site.name == **name) && place(name) == usize::MAX {
            let near = nearest(name, stored.iter().map(|site| &*site.name));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            return Err(Failure::Usage(format!(
                "webmon: no site named {:?} in {}{hint}",
                redacted(name),
                path.display()
            )));
        }
    }
    stored.retain(|site| wanted.is_empty() || wanted.iter().any(|name| **name == *site.name));
    Ok(stored)
}
