//! `webmon stats`: statistics of any stored period, from daily and hourly totals and, at its edges, raw samples.
//!
//! Coverage includes time without samples at the end of the period. On a terminal, a long read shows its progress.

use std::io;
use std::time::Duration;

use crate::app::cli::args::{CommonArgs, StatsArgs, StatsFormat};
use crate::app::cli::progress::ProgressLine;
use crate::app::cli::stdout::print;
use crate::app::exit::{CommandError, Ending, complain};
use crate::model::text::shown_path;
use crate::model::{SiteId, Timestamp, figures};
use crate::report::{Period, StatsRecord, Stored, csv, hlog, json, table};
use crate::stats::{Gap, Summary};
use crate::store::{Figures, Query, StoreError};

use super::stored_period::StoredPeriod;

/// The period without `--since`.
const BACK: Duration = Duration::from_hours(24);

/// Sites per transaction: between two, the database may reuse pages that were replaced.
const AT_ONCE: usize = 64;

/// A longer period has an interval log of days, a shorter one of hours.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// The figures of one site that has samples in the period.
struct SiteStats<'a> {
    id: SiteId,
    site: &'a str,
    /// When its first check in the period was due.
    first: Timestamp,
    summary: Summary,
    stored: Stored,
    holes: Vec<Gap>,
    more_holes: u64,
}

/// Prints the statistics of a period.
///
/// # Errors
/// [`CommandError`]: usage, or the store.
pub fn stats(args: &StatsArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let past = StoredPeriod::open(&args.period, common, Some(BACK))?;
    let period = Period { until: past.period.until.min(past.now), ..past.period };
    let sites = read(&past, period)?;
    let records = sites.iter().map(|SiteStats { site, summary, stored, .. }| StatsRecord {
        site,
        state: None,
        summary,
        stored: Some(*stored),
    });
    print(|out| match args.format {
        StatsFormat::Table if sites.is_empty() => {
            table::nothing(out, &past.zone, &args.period.sites, period, past.begins()?)
        }
        StatsFormat::Table => {
            let records: Vec<StatsRecord<'_>> = records.collect();
            let store = shown_path(past.archive.path());
            let heading = table::Heading { period, back_from_now: past.back_from_now, store: &store };
            table::stats(out, &past.zone, &heading, &records)?;
            table::begins(out, &past.zone, &records)?;
            for SiteStats { site, holes, more_holes, .. } in &sites {
                for &Gap { since, until } in holes {
                    table::hole(out, &past.zone, site, Period { since, until }, period)?;
                }
                if *more_holes > 0 {
                    table::more_holes(out, site, *more_holes)?;
                }
            }
            Ok(())
        }
        StatsFormat::Json => records.into_iter().try_for_each(|record| json::stats(out, &record)),
        StatsFormat::Csv => {
            csv::stats_header(out)?;
            records.into_iter().try_for_each(|record| csv::stats(out, &record))
        }
        StatsFormat::Hlog => interval_log(out, &past, period, &sites),
    })?;
    Ok(Ending::Done)
}

/// Prints the response times of each hour of `period`, or of each day of a long one, by time.
fn interval_log(
    out: &mut impl io::Write,
    past: &StoredPeriod,
    period: Period,
    sites: &[SiteStats<'_>],
) -> io::Result<()> {
    let first = sites.iter().map(|site| site.first).min().unwrap_or(period.until);
    let intervals: Vec<Period> = intervals(period).filter(|interval| interval.until > first).collect();
    hlog::header(out, intervals.first().map_or(period.since, |interval| interval.since))?;
    for interval in intervals {
        for sites in sites.chunks(AT_ONCE) {
            let all = figures(past, sites.iter().map(|site| site.id), interval).map_err(io::Error::other)?;
            for (site, figures) in sites.iter().zip(all) {
                hlog::interval(out, site.site, interval, &figures.stretch.rollup.response)?;
            }
        }
    }
    Ok(())
}

/// The hours or days of `period`, in UTC as the store sums them up, the first and the last one cut to the period.
fn intervals(period: Period) -> impl Iterator<Item = Period> {
    let length = if period.until.since(period.since) > WEEK { 24 * 3_600_000_000 } else { 3_600_000_000 };
    let end = move |since: Timestamp| Timestamp::from_micros((since.as_micros() / length + 1) * length);
    let starts = std::iter::successors(Some(period.since), move |since| Some(end(*since)));
    let interval = move |since| Period { since, until: period.until.min(end(since)) };
    starts.take_while(move |since| *since < period.until).map(interval)
}

fn figures(
    past: &StoredPeriod,
    sites: impl Iterator<Item = SiteId>,
    period: Period,
) -> Result<Vec<Figures>, StoreError> {
    past.archive.figures(&Query { sites: Some(sites.collect()), since: period.since, until: period.until }, None)
}

/// The figures of each chosen site that has a sample in the period.
fn read(past: &StoredPeriod, period: Period) -> Result<Vec<SiteStats<'_>>, CommandError> {
    let mut found = Vec::new();
    let (mut damaged, mut gaps, mut rounded) = (0, 0, 0);
    let mut shown = ProgressLine::on_terminal();
    for (done, sites) in past.sites.chunks(AT_ONCE).enumerate() {
        if past.sites.len() > AT_ONCE {
            shown.say(format_args!("reading site {} of {}", done * AT_ONCE, past.sites.len()));
        }
        let all = figures(past, sites.iter().map(|site| site.id), period)?;
        for (site, figures) in sites.iter().zip(all) {
            damaged += figures.damaged;
            gaps += u64::from(figures.has_gap);
            rounded += u64::from(figures.stretch.last_at.is_none() && !figures.is_exact);
            found.extend(site_stats(past, period, &site.name, figures));
        }
    }
    drop(shown);
    if damaged > 0 {
        complain(format_args!("warning: skipped {damaged} damaged records"));
    }
    if rounded > 0 {
        let sites = figures::plural(rounded, "site");
        complain(format_args!(
            "warning: only hourly or daily totals are left of {rounded} {sites}, and none of them is in this period: choose a longer one"
        ));
    }
    if gaps > 0 {
        let sites = figures::plural(gaps, "site");
        complain(format_args!(
            "warning: samples of {gaps} {sites} are missing, lost before saving or hidden by damage: `webmon db check` lists them"
        ));
    }
    Ok(found)
}

/// Summarizes `figures` without keeping their histograms, which take 24 KiB per site; `None` without samples.
fn site_stats<'a>(past: &StoredPeriod, period: Period, site: &'a str, figures: Figures) -> Option<SiteStats<'a>> {
    let Figures { site: id, mut stretch, begins, is_exact, .. } = figures;
    let first = stretch.oldest.filter(|_| stretch.last_at.is_some())?.due;
    let cadence = past.cadence(site);
    if let Some(cadence) = cadence {
        stretch.end(period.until, cadence);
    }
    Some(SiteStats {
        id,
        site,
        first,
        summary: stretch.summary((period.since, period.until), cadence, begins),
        stored: Stored {
            period,
            is_exact,
            longest_outage: stretch.outages.longest,
            begins: stretch.begins(period.since, cadence, begins),
        },
        holes: stretch.holes_since(period.since),
        more_holes: stretch.holes.more,
    })
}
