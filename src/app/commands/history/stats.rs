//! `webmon stats`: statistics of any stored period, from daily and hourly totals and, at its edges, raw samples.
//! `--but-maintenance` leaves the times of maintenance out. The store of a hub has a row a site over its locations.
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
use crate::app::locations::figures::{Past, SeenPeriod, show};
use crate::app::objectives::remaining::{Coarse, Remaining, remaining, undivided};
use crate::app::objectives::standing::Maintained;
use crate::model::text::shown_path;
use crate::model::{SiteId, Timestamp, figures};
use crate::report::comparison::{self, ComparedSite};
use crate::report::{Period, StatsRecord, Stored, csv, hlog, json, notes, table};
use crate::stats::{Cadence, Gap, Summary};
use crate::store::{Moment, Query, StoreError};

use super::slo::slo;
use super::stored_period::StoredPeriod;
use super::subjects::{Subject, subjects};

/// The period without `--since`.
const BACK: Duration = Duration::from_hours(24);

/// Sites per transaction: between two, the database may reuse pages that were replaced.
const AT_ONCE: usize = 64;

/// A longer period has an interval log of days, a shorter one of hours.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// The figures of one site that has samples in the period.
struct SiteStats<'a> {
    subject: &'a Subject<'a>,
    site: &'a str,
    /// When its first check in the period was due.
    first: Timestamp,
    summary: Summary,
    stored: Stored,
    holes: Vec<Gap>,
    more_holes: u64,
    left_out: LeftOut,
}

impl SiteStats<'_> {
    /// Takes over what its locations saw together.
    fn see(&mut self, seen: &SeenPeriod) {
        let SeenPeriod { sight, is_exact, .. } = seen;
        show(sight, &mut self.summary);
        self.stored.is_exact &= is_exact;
        self.stored.longest_outage = sight.outages.longest;
    }
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
    if args.each_location {
        past.require_hub()?;
    }
    let subjects = subjects(&past, args.each_location);
    if let Some(back) = args.vs {
        return compare(args, (&past, &subjects, &maintenances), period, back);
    }
    let sites = read((&past, &subjects), &maintenances, period)?;
    let length = |left_out: &LeftOut| left_out.length((period.since, period.until));
    let records = sites.iter().map(|SiteStats { site, summary, stored, left_out, .. }| StatsRecord {
        site,
        state: None,
        summary,
        stored: Some(Stored { left_out: args.but_maintenance.then(|| length(left_out)), ..*stored }),
        votes: None,
    });
    print(|out| match args.format {
        StatsFormat::Table if sites.is_empty() => {
            notes::nothing(&mut terminal::text(out), &past.zone, &args.period.wanted(), period, past.begins()?)
        }
        StatsFormat::Table => {
            let out = &mut terminal::text(out);
            let records: Vec<StatsRecord<'_>> = records.collect();
            let store = shown_path(past.archive.path());
            let (back_from_now, has_locations) = (past.back_from_now, !past.groups.is_empty());
            let heading = table::Heading { period, back_from_now, store: &store, has_locations };
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
    (past, subjects, maintenances): (&StoredPeriod, &[Subject<'_>], &Maintenances),
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
    let read = |period| read((past, subjects), maintenances, period);
    let (now, then) = (read(period)?, read(before)?);
    let of = |all: Vec<SiteStats<'_>>| -> HashMap<String, Summary> {
        all.into_iter().map(|site| (site.site.to_owned(), site.summary)).collect()
    };
    let (now, then) = (of(now), of(then));
    let compared = subjects.iter().filter_map(|subject| {
        let (now, before) = (now.get(subject.name), then.get(subject.name));
        (now.is_some() || before.is_some()).then_some(ComparedSite { site: subject.name, now, before })
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
            let moment = past.archive.moment().map_err(io::Error::other)?;
            let wanted = sites.iter().map(|site| (site.subject, &site.left_out));
            for (site, figures) in sites.iter().zip(figures(&moment, wanted, interval).map_err(io::Error::other)?) {
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

/// The figures of each of `subjects` without what is left out.
fn figures<'a>(
    moment: &Moment,
    subjects: impl Iterator<Item = (&'a Subject<'a>, &'a LeftOut)>,
    period: Period,
) -> Result<Vec<Result<Remaining, Coarse>>, StoreError> {
    let subjects: Vec<(&Subject<'_>, &LeftOut)> = subjects.collect();
    let span = (period.since, period.until);
    let of = |wanted: bool| subjects.iter().filter(move |(_, left_out)| left_out.spans().is_empty() == wanted);
    let whole = of(true).flat_map(|(subject, _)| &subject.sites).map(|(id, _)| *id).collect();
    let query = Query { sites: Some(whole), since: period.since, until: period.until };
    let mut whole = moment.figures(&query, None)?.into_iter();
    let mut one = |left_out: &LeftOut, (id, cadence): (SiteId, Option<Cadence>)| {
        if !left_out.spans().is_empty() {
            return remaining(moment, id, span, left_out, cadence);
        }
        let figures = whole.next().map(|figures| undivided(figures, span, cadence));
        Ok(Ok(figures.unwrap_or_default()))
    };
    let mut all = Vec::with_capacity(subjects.len());
    for (subject, left_out) in &subjects {
        let mut sites = subject.sites.iter();
        let mut sum = sites.next().map_or(Ok(Ok(Remaining::default())), |site| one(left_out, *site))?;
        for site in sites {
            sum = match (sum, one(left_out, *site)?) {
                (Ok(sum), Ok(next)) => Ok(sum.pooled(&next)),
                (Err(coarse), _) | (_, Err(coarse)) => Err(coarse),
            };
        }
        all.push(sum);
    }
    Ok(all)
}

/// The figures of each of `subjects` that has a sample in the period.
fn read<'a>(
    (past, subjects): (&StoredPeriod, &'a [Subject<'a>]),
    maintenances: &Maintenances,
    period: Period,
) -> Result<Vec<SiteStats<'a>>, CommandError> {
    let mut found = Vec::new();
    let (mut damaged, mut gaps, mut rounded) = (0, 0, 0);
    let mut shown = ProgressLine::on_terminal();
    let blind = past.archive.blind_times()?;
    for (done, sites) in subjects.chunks(AT_ONCE).enumerate() {
        if subjects.len() > AT_ONCE {
            shown.say(format_args!("reading site {} of {}", done * AT_ONCE, subjects.len()));
        }
        let left_out: Vec<LeftOut> = sites.iter().map(|site| maintenances.of(past, site.watched, period)).collect();
        let moment = past.archive.moment()?;
        let together = Past::new(&past.archive, &moment, &blind, past.now);
        let all = figures(&moment, sites.iter().zip(&left_out), period)?;
        for ((subject, figures), left_out) in sites.iter().zip(all).zip(left_out) {
            let figures = match figures {
                Ok(figures) => figures,
                Err(coarse) => {
                    complain(format_args!("warning: {}: {}", subject.name, coarse.reason(&past.zone)));
                    continue;
                }
            };
            damaged += figures.damaged;
            gaps += u64::from(figures.has_gap);
            rounded += u64::from(figures.stretch().last_at.is_none() && !figures.is_exact);
            let Some(mut stats) = site_stats(period, subject, &figures, left_out) else { continue };
            if let Some(group) = subject.group {
                stats.see(&together.parts((group, figures.begins), &figures.spans)?);
            }
            found.push(stats);
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
    period: Period,
    subject: &'a Subject<'a>,
    figures: &Remaining,
    left_out: LeftOut,
) -> Option<SiteStats<'a>> {
    let whole = figures.stretch();
    let first = whole.oldest.filter(|_| whole.last_at.is_some())?.due;
    let cadence = subject.sites.first().and_then(|(_, cadence)| *cadence);
    // After maintenance at the start of the period, the data begin late without a gap.
    let start = figures.spans.first().map_or(period.since, |span| span.0);
    Some(SiteStats {
        subject,
        site: subject.name,
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
