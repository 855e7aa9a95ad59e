//! `webmon stats`: statistics of any stored period, from daily and hourly totals and, at its edges, raw samples.
//! `--but-maintenance` leaves the times of maintenance out.
//!
//! Coverage includes time without samples at the end of the period. On a terminal, a long read shows its progress.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use crate::alert::kept::incident::Silence;
use crate::alert::maintenance::{LeftOut, Maintenance};
use crate::app::cli::args::{CommonArgs, StatsArgs, StatsFormat};
use crate::app::cli::progress::ProgressLine;
use crate::app::cli::stdout::print;
use crate::app::cli::terminal;
use crate::app::exit::{CommandError, Ending, complain};
use crate::app::objectives::remaining::{Coarse, Remaining, remaining, undivided};
use crate::app::objectives::standing::Maintained;
use crate::model::text::shown_path;
use crate::model::{SiteId, Timestamp, figures};
use crate::report::comparison::{self, ComparedSite};
use crate::report::{Period, StatsRecord, Stored, csv, hlog, json, notes, table};
use crate::stats::{Gap, Summary};
use crate::store::{Query, StoreError};

use super::slo::slo;
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
    left_out: LeftOut,
}

/// The maintenance to leave out, if any: windows of the file and silences of the store.
struct Maintenances {
    windows: Vec<Maintenance>,
    silences: Vec<Silence>,
}

impl Maintenances {
    /// Those that the command line asks for.
    fn asked(args: &StatsArgs, past: &StoredPeriod, common: &CommonArgs) -> Result<Self, CommandError> {
        if !args.but_maintenance {
            return Ok(Self { windows: Vec::new(), silences: Vec::new() });
        }
        let windows = past.config_or_faults(common)?.alerting.maintenance.clone();
        Ok(Self { windows, silences: past.archive.kept()?.silences })
    }

    /// What is left out of `period` for `site`.
    fn of(&self, past: &StoredPeriod, site: &str, period: Period) -> LeftOut {
        let maintained = Maintained { windows: &self.windows, silences: &self.silences };
        maintained.of((site, past.group(site)), (period.since, period.until))
    }
}

/// Prints the statistics of a period.
///
/// # Errors
/// [`CommandError`]: usage, or the store.
pub fn stats(args: &StatsArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    if args.slo {
        return slo(args, common);
    }
    let past = StoredPeriod::open(&args.period, common, Some(BACK))?;
    let period = Period { until: past.period.until.min(past.now), ..past.period };
    let maintenances = Maintenances::asked(args, &past, common)?;
    if let Some(back) = args.vs {
        return compare(args, (&past, &maintenances), period, back);
    }
    let sites = read(&past, &maintenances, period)?;
    let length = |left_out: &LeftOut| left_out.length((period.since, period.until));
    let records = sites.iter().map(|SiteStats { site, summary, stored, left_out, .. }| StatsRecord {
        site,
        state: None,
        summary,
        stored: Some(Stored { left_out: args.but_maintenance.then(|| length(left_out)), ..*stored }),
    });
    print(|out| match args.format {
        StatsFormat::Table if sites.is_empty() => {
            notes::nothing(&mut terminal::text(out), &past.zone, &args.period.wanted(), period, past.begins()?)
        }
        StatsFormat::Table => {
            let out = &mut terminal::text(out);
            let records: Vec<StatsRecord<'_>> = records.collect();
            let store = shown_path(past.archive.path());
            let heading = table::Heading { period, back_from_now: past.back_from_now, store: &store };
            table::stats(out, &past.zone, &heading, &records)?;
            notes::begins(out, &past.zone, &records)?;
            let hole = |&Gap { since, until }: &Gap| Period { since, until };
            let all = sites.iter().flat_map(|of| of.holes.iter().map(|gap| (of.site, hole(gap))));
            notes::holes(out, &past.zone, &all.collect::<Vec<_>>(), period)?;
            notes::more_holes(out, &sites.iter().map(|of| (of.site, of.more_holes)).collect::<Vec<_>>())?;
            sites.iter().filter(|_| args.but_maintenance).try_for_each(|SiteStats { site, left_out, .. }| {
                notes::left_out(out, site, left_out.spans().len(), length(left_out))
            })
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

/// Prints the figures of `period` beside those of the same period, `back` earlier.
fn compare(
    args: &StatsArgs,
    (past, maintenances): (&StoredPeriod, &Maintenances),
    period: Period,
    back: Duration,
) -> Result<Ending, CommandError> {
    if args.format == StatsFormat::Hlog {
        return Err(CommandError::Usage("--vs has no interval log; write --format table, json or csv".to_owned()));
    }
    if back.is_zero() {
        return Err(CommandError::Usage(
            "--vs 0s compares a period with itself; write for instance --vs 7d".to_owned(),
        ));
    }
    let before = Period { since: period.since.before(back), until: period.until.before(back) };
    let (now, then) = (read(past, maintenances, period)?, read(past, maintenances, before)?);
    let of = |all: &'_ [SiteStats<'_>]| -> HashMap<SiteId, Summary> {
        all.iter().map(|site| (site.id, site.summary.clone())).collect()
    };
    let (now, then) = (of(&now), of(&then));
    let compared = past.sites.iter().filter_map(|site| {
        let (now, before) = (now.get(&site.id), then.get(&site.id));
        (now.is_some() || before.is_some()).then_some(ComparedSite { site: &site.name, now, before })
    });
    let (compared, periods): (Vec<ComparedSite<'_>>, _) = (compared.collect(), (period, before));
    print(|out| match args.format {
        StatsFormat::Json => compared.iter().try_for_each(|site| comparison::object(out, periods, site)),
        StatsFormat::Csv => {
            comparison::header(out)?;
            compared.iter().try_for_each(|site| comparison::record(out, periods, site))
        }
        StatsFormat::Table | StatsFormat::Hlog => {
            comparison::table(&mut terminal::text(out), &past.zone, periods, &compared)
        }
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
            let all = figures(past, sites.iter().map(|site| (site.id, site.site, &site.left_out)), interval);
            for (site, figures) in sites.iter().zip(all.map_err(io::Error::other)?) {
                let figures = figures.map_err(|coarse| io::Error::other(coarse.reason(&past.zone)))?;
                hlog::interval(out, site.site, interval, &figures.stretch().rollup.response)?;
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

/// The figures of each of `sites` without what is left out, as of one moment.
fn figures<'a>(
    past: &StoredPeriod,
    sites: impl Iterator<Item = (SiteId, &'a str, &'a LeftOut)>,
    period: Period,
) -> Result<Vec<Result<Remaining, Coarse>>, StoreError> {
    let sites: Vec<(SiteId, &str, &LeftOut)> = sites.collect();
    let moment = past.archive.moment()?;
    let span = (period.since, period.until);
    let of = |wanted: bool| sites.iter().filter(move |(.., left_out)| left_out.spans().is_empty() == wanted);
    let whole = of(true).map(|(id, ..)| *id).collect();
    let query = Query { sites: Some(whole), since: period.since, until: period.until };
    let mut whole = moment.figures(&query, None)?.into_iter();
    let one = |&(id, site, left_out): &(SiteId, &str, &LeftOut)| {
        let cadence = past.cadence(site);
        if !left_out.spans().is_empty() {
            return remaining(&moment, id, span, left_out, cadence);
        }
        let figures = whole.next().map(|figures| undivided(figures, span, cadence));
        Ok(Ok(figures.unwrap_or_default()))
    };
    sites.iter().map(one).collect()
}

/// The figures of each chosen site that has a sample in the period.
fn read<'a>(
    past: &'a StoredPeriod,
    maintenances: &Maintenances,
    period: Period,
) -> Result<Vec<SiteStats<'a>>, CommandError> {
    let mut found = Vec::new();
    let (mut damaged, mut gaps, mut rounded) = (0, 0, 0);
    let mut shown = ProgressLine::on_terminal();
    for (done, sites) in past.sites.chunks(AT_ONCE).enumerate() {
        if past.sites.len() > AT_ONCE {
            shown.say(format_args!("reading site {} of {}", done * AT_ONCE, past.sites.len()));
        }
        let left_out: Vec<LeftOut> = sites.iter().map(|site| maintenances.of(past, &site.name, period)).collect();
        let wanted = sites.iter().zip(&left_out).map(|(site, left_out)| (site.id, &*site.name, left_out));
        let all = figures(past, wanted, period)?;
        for ((site, figures), left_out) in sites.iter().zip(all).zip(left_out) {
            let figures = match figures {
                Ok(figures) => figures,
                Err(coarse) => {
                    complain(format_args!("warning: {}: {}", site.name, coarse.reason(&past.zone)));
                    continue;
                }
            };
            damaged += figures.damaged;
            gaps += u64::from(figures.has_gap);
            rounded += u64::from(figures.stretch().last_at.is_none() && !figures.is_exact);
            found.extend(site_stats(past, period, (site.id, &site.name), &figures, left_out));
        }
    }
    drop(shown);
    complain_of(damaged, gaps, rounded);
    Ok(found)
}

/// Says what the figures lack.
fn complain_of(damaged: u64, gaps: u64, rounded: u64) {
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
}

/// Summarizes `figures` without keeping their histograms, which take 24 KiB per site; `None` without samples.
fn site_stats<'a>(
    past: &StoredPeriod,
    period: Period,
    (id, site): (SiteId, &'a str),
    figures: &Remaining,
    left_out: LeftOut,
) -> Option<SiteStats<'a>> {
    let whole = figures.stretch();
    let first = whole.oldest.filter(|_| whole.last_at.is_some())?.due;
    let cadence = past.cadence(site);
    // After maintenance at the start of the period, the data begin late without a gap.
    let start = figures.spans.first().map_or(period.since, |span| span.0);
    Some(SiteStats {
        id,
        site,
        first,
        summary: figures.parts.summary((period.since, period.until)),
        stored: Stored {
            period,
            is_exact: figures.is_exact,
            longest_outage: whole.outages.longest,
            begins: whole.begins(start, cadence, figures.begins),
            left_out: None,
        },
        holes: whole.holes_since(period.since),
        more_holes: whole.holes.more,
        left_out,
    })
}
