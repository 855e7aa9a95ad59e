//! `webmon stats`: the figures of any stored period, computed from its raw samples.
//!
//! One pass: each sample goes into its site's rollup, and a sample that follows a hole tells where the hole was. Time at
//! the end of the period in which nothing came is part of the coverage like any other.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;

use crate::model::{Flags, Sample, SiteId, Timeframe, Timestamp};
use crate::report::{Period, StatsRecord, csv, json, table};
use crate::stats::{Cadence, Rollup, Summary, Unmade};

use super::cli::{CommonArgs, HistoryArgs, TableFormat};
use super::exit::{Ending, Failure};
use super::history::{Past, print};

/// What is shown when no period is named.
const BACK: Duration = Duration::from_hours(24);

/// Prints the figures of a period.
///
/// # Errors
/// [`Failure`]: usage, or the store.
pub fn stats(args: &HistoryArgs, common: &CommonArgs) -> Result<Ending, Failure> {
    let past = Past::open(args, common, Some(BACK))?;
    let period = Period { until: past.period.until.min(past.now), ..past.period };
    let mut spans: HashMap<SiteId, Span> = HashMap::new();
    let visited = past.visit(|site, record| {
        spans.entry(site).or_default().admit(record.sample);
        Ok(())
    });
    visited.context("cannot read the store")?;
    let sites: Vec<(&str, Span)> = past
        .sites
        .iter()
        .filter_map(|site| Some((&*site.name, spans.remove(&site.id)?.ended(past.cadence(&site.name), period))))
        .collect();
    let summaries: Vec<(&str, Summary)> =
        sites.iter().map(|(name, span)| (*name, span.summary(past.cadence(name), period))).collect();
    let records: Vec<StatsRecord<'_>> = summaries
        .iter()
        .map(|(site, summary)| StatsRecord { site, state: None, summary, period: Some(period) })
        .collect();
    print(|out| match args.format {
        TableFormat::Table if records.is_empty() => table::nothing(out, &past.zone, period, past.begins()?),
        TableFormat::Table => {
            let store = past.archive.path().display().to_string();
            let heading = table::Heading { period, back_from_now: past.back_from_now, store: &store };
            table::stats(out, &past.zone, &heading, &records)?;
            for (name, span) in &sites {
                for hole in &span.holes {
                    table::hole(out, &past.zone, name, *hole, period)?;
                }
                if span.more_holes > 0 {
                    writeln!(out, "  {name}: {} more holes", span.more_holes)?;
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

/// Holes that are listed, a site.
const HOLES: usize = 5;

/// The samples of one site, summed up.
#[derive(Default)]
struct Span {
    rollup: Rollup,
    oldest: Option<Sample>,
    newest_due: Option<Timestamp>,
    last_at: Option<Timestamp>,
    holes: Vec<Period>,
    more_holes: usize,
}

impl Span {
    fn admit(&mut self, sample: &Sample) {
        if let Some(last) = self.last_at.filter(|_| sample.flags.has(Flags::AFTER_HOLE)) {
            self.note_hole(Period { since: last, until: sample.started() });
        }
        self.rollup.admit(sample);
        self.oldest.get_or_insert(*sample);
        self.newest_due = self.newest_due.max(Some(Cadence::due(sample)));
        self.last_at = Some(sample.at);
    }

    /// The same with the hole at its end, if there is one.
    fn ended(mut self, cadence: Option<Cadence>, period: Period) -> Self {
        let silent = |last: &Timestamp| cadence.is_some_and(|cadence| period.until.since(*last) > cadence.silence());
        if let Some(since) = self.last_at.filter(silent) {
            self.note_hole(Period { since, until: period.until });
        }
        self
    }

    fn note_hole(&mut self, hole: Period) {
        if self.holes.len() < HOLES {
            self.holes.push(hole);
        } else {
            self.more_holes += 1;
        }
    }

    fn summary(&self, cadence: Option<Cadence>, period: Period) -> Summary {
        let span = (period.since, period.until);
        let unmade =
            cadence.map_or(Unmade::default(), |cadence| cadence.unmade(span, self.oldest.as_ref(), self.newest_due));
        self.rollup.summary(period.until, Timeframe::new(period.until.since(period.since)), unmade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Micros, Observation, Phase};

    const CADENCE: Cadence = Cadence { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn sample(secs: u64, skipped: u32) -> Sample {
        let mut observation = Observation::failed(Cause::Ok, "");
        observation.phases.add(Phase::Connect, Micros::new(1_000));
        let mut sample = observation.sample(at(secs), Micros::ZERO, skipped);
        if skipped > 2 {
            sample.flags = sample.flags.with(Flags::AFTER_HOLE);
        }
        sample
    }

    #[test]
    fn a_stop_and_the_silence_since_the_end_lower_the_coverage_and_are_listed() {
        let mut span = Span::default();
        for secs in [1_000, 1_010, 1_020] {
            span.admit(&sample(secs, 0));
        }
        span.admit(&sample(1_120, 9));
        let period = Period { since: at(990), until: at(1_235) };
        let span = span.ended(Some(CADENCE), period);
        assert_eq!(span.holes.len(), 2);
        assert_eq!(span.holes[0].since, at(1_020));
        assert_eq!(span.holes[1], Period { since: at(1_120), until: at(1_235) });
        let summary = span.summary(Some(CADENCE), period);
        // 4 checks were made, 9 skipped, and 10 have not come since.
        assert_eq!(summary.coverage, Some(4.0 / 23.0));
    }
}
