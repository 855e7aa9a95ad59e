//! `webmon stats`: the figures of any stored period, from its days, its hours and, at its edges, raw samples.
//!
//! Time at the end of the period in which nothing came is part of the coverage like any other. A long reading shows how
//! far it has come, on a terminal.

use std::time::Duration;

use crate::app::cli::args::{CommonArgs, HistoryArgs, TableFormat};
use crate::app::cli::progress::ProgressLine;
use crate::app::cli::stdout::print;
use crate::app::exit::{Ending, Failure, complain, store_failure};
use crate::model::SiteId;
use crate::model::text::shown_path;
use crate::report::{Period, StatsRecord, Stored, csv, json, table};
use crate::stats::Summary;
use crate::store::{Figures, Query};

use super::samples::StoredPeriod;

/// What is shown when no period is named.
const BACK: Duration = Duration::from_hours(24);

/// Sites that are read at once: a reading of so many takes a moment, and then the file's pages may move on.
const AT_ONCE: usize = 64;

/// Prints the figures of a period.
///
/// # Errors
/// [`Failure`]: usage, or the store.
pub fn stats(args: &HistoryArgs, common: &CommonArgs) -> Result<Ending, Failure> {
    let past = StoredPeriod::open(args, common, Some(BACK))?;
    let period = Period { until: past.period.until.min(past.now), ..past.period };
    let sites = figures(&past, period)?;
    let summaries: Vec<(&str, Stored, Summary)> = sites
        .iter()
        .map(|(name, figures)| {
            let stretch = &figures.stretch;
            let stored = Stored {
                period,
                is_exact: figures.is_exact,
                longest_outage: stretch.outages.longest,
                begins: stretch.begins(period.since, past.cadence(name), figures.begins),
            };
            let summary = stretch.summary((period.since, period.until), past.cadence(name), figures.begins);
            (*name, stored, summary)
        })
        .collect();
    let records: Vec<StatsRecord<'_>> = summaries
        .iter()
        .map(|(site, stored, summary)| StatsRecord { site, state: None, summary, stored: Some(*stored) })
        .collect();
    print(|out| match args.format {
        TableFormat::Table if records.is_empty() => {
            table::nothing(out, &past.zone, &args.sites, period, past.begins()?)
        }
        TableFormat::Table => {
            let store = shown_path(past.archive.path());
            let heading = table::Heading { period, back_from_now: past.back_from_now, store: &store };
            table::stats(out, &past.zone, &heading, &records)?;
            table::begins(out, &past.zone, &records)?;
            for (name, figures) in &sites {
                for hole in figures.stretch.holes_since(period.since) {
                    let hole = Period { since: hole.since, until: hole.until };
                    table::hole(out, &past.zone, name, hole, period)?;
                }
                if figures.stretch.holes.more > 0 {
                    table::more_holes(out, name, figures.stretch.holes.more)?;
                }
            }
            Ok(())
        }
        TableFormat::Json => records.iter().try_for_each(|record| json::stats(out, record)),
        TableFormat::Csv => {
            csv::stats_header(out)?;
            records.iter().try_for_each(|record| csv::stats(out, record))
        }
    })?;
    Ok(Ending::Done)
}

/// The figures of each chosen site that has a sample in the period, with its name.
fn figures(past: &StoredPeriod, period: Period) -> Result<Vec<(&str, Figures)>, Failure> {
    let mut found = Vec::new();
    let (mut damaged, mut gaps, mut rounded) = (0, 0, 0);
    let mut shown = ProgressLine::on_terminal();
    for (done, sites) in past.sites.chunks(AT_ONCE).enumerate() {
        if past.sites.len() > AT_ONCE {
            shown.say(format_args!("reading site {} of {}", done * AT_ONCE, past.sites.len()));
        }
        let ids: Vec<SiteId> = sites.iter().map(|site| site.id).collect();
        let query = Query { sites: Some(ids), since: period.since, until: period.until };
        let all = past.archive.figures(&query, None).map_err(|error| store_failure(&error))?;
        for (site, mut figures) in sites.iter().zip(all) {
            damaged += figures.damaged;
            gaps += u64::from(figures.has_gap);
            if figures.stretch.last_at.is_some() {
                if let Some(cadence) = past.cadence(&site.name) {
                    figures.stretch.end(period.until, cadence);
                }
                found.push((&*site.name, figures));
            } else {
                rounded += u64::from(!figures.is_exact);
            }
        }
    }
    drop(shown);
    if damaged > 0 {
        complain(format_args!("warning: {damaged} damaged records were left out"));
    }
    if rounded > 0 {
        let sites = if rounded == 1 { "site" } else { "sites" };
        complain(format_args!(
            "warning: of {rounded} {sites} only the sums of hours or days are kept, and too little of one is in this period: ask for a longer one"
        ));
    }
    if gaps > 0 {
        let sites = if gaps == 1 { "site" } else { "sites" };
        complain(format_args!(
            "warning: samples of {gaps} {sites} are missing, lost before saving or hidden by damage: `webmon db check` tells which"
        ));
    }
    Ok(found)
}
