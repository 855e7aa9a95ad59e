//! The figures of one site in a period without its maintenance.
//!
//! An edge of maintenance needs the single checks around it, unless it lies at the start of an hour. Where they are gone, the
//! figures are refused: a whole hour is neither in nor out. The ends of the period may be rounded, as they are otherwise.
//!
//! Bounds: keeps the figures of [`AT_ONCE`] parts at a time.

use jiff::tz::TimeZone;

use crate::alert::maintenance::{LeftOut, Span};
use crate::model::{SiteId, Timestamp};
use crate::report::minute;
use crate::stats::{Cadence, PeriodFigures, PeriodParts};
use crate::store::{Figures, Moment, StoreError};

/// Parts whose figures are in memory at once.
const AT_ONCE: usize = 64;

const HOUR: u64 = 3_600_000_000;
const DAY: u64 = 24 * HOUR;

/// What remains of a period.
#[derive(Clone, Debug, Default)]
pub struct Remaining {
    /// Its figures.
    pub parts: PeriodParts,
    /// The parts.
    pub spans: Vec<Span>,
    /// When the oldest stored check was due.
    pub begins: Option<Timestamp>,
    /// Whether the figures are exact to the sample: no end of the period was rounded.
    pub is_exact: bool,
    /// Damaged records, whose samples are missing.
    pub damaged: u64,
    /// Whether sample numbers are missing.
    pub has_gap: bool,
}

/// Why there are no figures: the single checks at an edge of maintenance in this part are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coarse {
    /// The part.
    pub part: Span,
}

impl Coarse {
    /// What to tell users.
    #[must_use]
    pub fn reason(self, zone: &TimeZone) -> String {
        let (since, until) = (minute(self.part.0, zone), minute(self.part.1, zone));
        format!(
            "no figures: maintenance begins or ends within an hour of which the single checks are gone, in {since} – {until}; \
             choose a later start, or keep single checks for longer (storage.retention)"
        )
    }
}

/// The figures of `site` in `period` without `left_out`.
///
/// # Errors
/// Those of the database are the outer ones.
pub fn remaining(
    moment: &Moment,
    site: SiteId,
    period: Span,
    left_out: &LeftOut,
    cadence: Option<Cadence>,
) -> Result<Result<Remaining, Coarse>, StoreError> {
    let mut all = Remaining { spans: left_out.rest(period), is_exact: true, ..Remaining::default() };
    for spans in all.spans.clone().chunks(AT_ONCE) {
        for (&span, figures) in spans.iter().zip(moment.parts(site, spans)?) {
            let figures = if figures.is_exact || figures.damaged > 0 {
                figures
            } else {
                match in_pieces(moment, site, span, period)? {
                    Ok(figures) => figures,
                    Err(coarse) => return Ok(Err(coarse)),
                }
            };
            all.is_exact &= figures.is_exact;
            all.damaged += figures.damaged;
            all.has_gap |= figures.has_gap;
            all.begins = figures.begins;
            all.parts.append(span, figures.stretch, cadence, figures.begins);
        }
    }
    Ok(Ok(all))
}

/// A part in pieces at whole hours and days, which tell rounding at an end of the period from rounding at maintenance.
fn in_pieces(moment: &Moment, site: SiteId, span: Span, period: Span) -> Result<Result<Figures, Coarse>, StoreError> {
    let pieces = pieces(span, period);
    let spans: Vec<Span> = pieces.iter().map(|(piece, _)| *piece).collect();
    let mut sum: Option<Figures> = None;
    for ((_, may_be_rounded), figures) in pieces.iter().zip(moment.parts(site, &spans)?) {
        if !figures.is_exact && !may_be_rounded {
            return Ok(Err(Coarse { part: span }));
        }
        match &mut sum {
            None => sum = Some(figures),
            Some(sum) => {
                sum.stretch.append(&figures.stretch);
                sum.is_exact &= figures.is_exact;
                sum.damaged += figures.damaged;
                sum.has_gap |= figures.has_gap;
            }
        }
    }
    Ok(sum.ok_or(Coarse { part: span }))
}

/// `span`, cut at the first whole hour and day after an end of `period`, and whether each piece only touches such an end.
fn pieces((since, until): Span, period: Span) -> Vec<(Span, bool)> {
    let at = Timestamp::from_micros;
    let (mut cuts, mut tail) = (vec![since], Vec::new());
    if since == period.0 {
        cuts.extend([HOUR, DAY].map(|length| at(since.as_micros().div_ceil(length) * length)));
    }
    if until == period.1 {
        tail.extend([DAY, HOUR].map(|length| at(until.as_micros() / length * length)));
    }
    // Before this, only the start of the period was cut off; after that, only its end.
    let head = cuts.last().copied().filter(|_| cuts.len() > 1).unwrap_or(Timestamp::ZERO);
    let rest = tail.first().copied().unwrap_or(Timestamp::MAX);
    cuts.extend(tail);
    cuts.push(until);
    cuts.retain(|cut| since <= *cut && *cut <= until);
    cuts.sort_unstable();
    cuts.dedup();
    let is_of_start = |to: Timestamp| to <= head && (to < until || until == period.1);
    let is_of_end = |from: Timestamp| rest <= from && (since < from || since == period.0);
    let piece = |pair: &[Timestamp]| ((pair[0], pair[1]), is_of_start(pair[1]) || is_of_end(pair[0]));
    cuts.windows(2).map(piece).collect()
}

/// The figures of a period of which nothing is left out.
#[must_use]
pub fn undivided(figures: Figures, period: Span, cadence: Option<Cadence>) -> Remaining {
    let Figures { stretch, begins, is_exact, damaged, has_gap, .. } = figures;
    let mut parts = PeriodParts::default();
    parts.append(period, stretch, cadence, begins);
    Remaining { parts, spans: vec![period], begins, is_exact, damaged, has_gap }
}

impl Remaining {
    /// With those of the same site at another location.
    #[must_use]
    pub fn pooled(mut self, other: &Self) -> Self {
        self.parts.pool(&other.parts);
        self.begins = [self.begins, other.begins].into_iter().flatten().min();
        self.is_exact &= other.is_exact;
        self.damaged += other.damaged;
        self.has_gap |= other.has_gap;
        self
    }

    /// All figures.
    #[must_use]
    pub const fn stretch(&self) -> &PeriodFigures {
        &self.parts.whole
    }
}
