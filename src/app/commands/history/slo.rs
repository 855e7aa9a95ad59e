//! `webmon stats --slo`: what is left of the error budgets at one instant.

use std::collections::HashMap;

use crate::alert::objective::ObjectiveFigures;
use crate::app::cli::args::{CommonArgs, StatsArgs, StatsFormat};
use crate::app::cli::progress::ProgressLine;
use crate::app::cli::stdout::print;
use crate::app::cli::terminal;
use crate::app::exit::{CommandError, Ending, complain};
use crate::app::locations::figures::Past;
use crate::app::locations::groups::Group;
use crate::app::objectives::standing::{Maintained, Objective, standing};
use crate::app::objectives::together::standing_together;
use crate::config::{Config, ConfiguredSite};
use crate::model::Timestamp;
use crate::model::text::shown_path;
use crate::report::slo::{self as lines, SloRecord};
use crate::stats::Cadence;

use super::stored_period::StoredPeriod;

/// Sites that are read as of one moment.
const AT_ONCE: usize = 64;

/// Prints where the objectives of the file stand.
///
/// # Errors
/// [`CommandError`]: usage, the configuration, or the store.
pub fn slo(args: &StatsArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    if args.format == StatsFormat::Hlog {
        return Err(CommandError::Usage("--slo has no response times; write --format table, json or csv".to_owned()));
    }
    if args.period.since.is_some() {
        return Err(CommandError::Usage(
            "--slo looks back over the period of each objective (`alert: { slo: { target: 99.9%, over: 30d } }`), so --since \
             has no meaning; leave it out, and give the end with --until"
                .to_owned(),
        ));
    }
    let past = StoredPeriod::open(&args.period, common, None)?;
    let config = past.config_or_faults(common)?;
    let until: Timestamp = past.period.until.min(past.now);
    let found = read(&past, config, until)?;
    let records: Vec<SloRecord<'_>> = found
        .iter()
        .map(|(site, figures)| {
            let objective = match figures {
                None => lines::Objective::None,
                Some(Ok(figures)) => lines::Objective::Figures(figures),
                Some(Err(reason)) => lines::Objective::Untold(reason),
            };
            SloRecord { site, objective }
        })
        .collect();
    print(|out| match args.format {
        StatsFormat::Json => records.iter().try_for_each(|record| lines::json(out, until, record)),
        StatsFormat::Csv => {
            lines::csv_header(out)?;
            records.iter().try_for_each(|record| lines::csv(out, until, record))
        }
        StatsFormat::Table | StatsFormat::Hlog => {
            lines::table(&mut terminal::text(out), &past.zone, (until, &shown_path(past.archive.path())), &records)
        }
    })?;
    // A script that reads one of the formats learns from stderr why figures are missing.
    if args.format != StatsFormat::Table {
        let untold = found.iter().filter_map(|(site, figures)| Some((site, figures.as_ref()?.as_ref().err()?)));
        untold.for_each(|(site, reason)| complain(format_args!("warning: {site}: {reason}")));
    }
    Ok(Ending::Done)
}

/// Where the objective of each site stands, or why that cannot be told; `None` of one without.
type Found<'a> = Vec<(&'a str, Option<Result<ObjectiveFigures, String>>)>;

/// Those of the chosen sites, in their order.
fn read<'a>(past: &'a StoredPeriod, config: &Config, until: Timestamp) -> Result<Found<'a>, CommandError> {
    let silences = past.archive.kept()?.silences;
    let maintained = Maintained { windows: &config.alerting.maintenance, silences: &silences };
    let watched: HashMap<&str, &ConfiguredSite> =
        config.sites.iter().chain(&config.disabled).map(|watched| (&*watched.site.name, watched)).collect();
    let groups: HashMap<&str, &Group> = past.groups.iter().map(|group| (&*group.name, group)).collect();
    let blind = past.archive.blind_times()?;
    let mut found = Vec::new();
    let mut shown = ProgressLine::on_terminal();
    for (done, sites) in past.sites.chunks(AT_ONCE).enumerate() {
        shown.say(format_args!("reading site {} of {}", done * AT_ONCE + 1, past.sites.len()));
        let moment = past.archive.moment()?;
        let together = Past::new(&past.archive, &moment, &blind, past.now);
        for stored in sites {
            if !groups.is_empty() && past.origins.contains_key(&stored.id) {
                // The objective is that of the site over its locations.
                continue;
            }
            let Some((watched, rule)) = watched.get(&*stored.name).and_then(|site| Some((site, site.policies.slo?)))
            else {
                found.push((&*stored.name, None));
                continue;
            };
            let cadence = Cadence { interval: watched.site.interval, timeout: watched.site.timeout };
            let group = watched.group.as_deref();
            let objective = Objective { id: stored.id, site: &stored.name, group, rule, cadence };
            let figures = match groups.get(&*stored.name) {
                Some(group) => Ok(standing_together((&moment, &together), (group, &objective), &maintained, until)?),
                None => standing(&moment, &objective, &maintained, until)?.map_err(|coarse| coarse.reason(&past.zone)),
            };
            found.push((&*stored.name, Some(figures)));
        }
    }
    drop(shown);
    Ok(found)
}
