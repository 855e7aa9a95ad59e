//! What the page of one site shows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::objective::ObjectiveFigures;
use crate::app::objectives::standing::{Maintained, Objective, standing};
use crate::app::objectives::together::standing_together;
use crate::model::SiteId;
use crate::serve::page::model::{BANDS, Column, Figures, SitePage};
use crate::stats::PeriodFigures;
use crate::store::StoreError;

use super::incidents::incidents;
use super::periods::{Span, columns, summed_up};
use super::{PageSite, Past, Setting, locations};

/// The periods of the table.
const PERIODS: [Duration; 4] = [
    Duration::from_hours(24),
    Duration::from_hours(7 * 24),
    Duration::from_hours(30 * 24),
    Duration::from_hours(90 * 24),
];

/// Columns of a chart.
const COLUMNS: u32 = 96;

/// The page of `site`, its charts over `span`.
///
/// # Errors
/// Those of the database.
pub fn site(past: &Past<'_>, setting: &Setting<'_>, site: &PageSite, span: Duration) -> Result<SitePage, StoreError> {
    let as_of = setting.as_of;
    let spans = columns(span, COLUMNS, as_of);
    let mut page = SitePage {
        frame: setting.frame(),
        name: Arc::clone(&site.name),
        group: site.group.clone(),
        url: setting.terms.shows_urls.then(|| Arc::clone(&site.url)),
        note: setting.terms.site_notes.get(&site.name).cloned(),
        state: site.state,
        since: site.since,
        last: site.last,
        periods: PERIODS.map(|period| (period, Figures::default())).to_vec(),
        span,
        columns: Vec::new(),
        bounds: [0; BANDS + 1],
        failures: Vec::new(),
        incidents: Vec::new(),
        more_incidents: 0,
        certificate: site.certificate.clone(),
        domain: site.domain.clone(),
        objective: None,
        locations: None,
    };
    if let Some(over) = &site.over {
        page.locations = Some(locations::table(past, over, as_of)?);
    }
    let Some(id) = past.archive.named(&site.name)? else { return Ok(page) };
    let periods = PERIODS.map(|period| (as_of.before(period), as_of));
    for ((_, figures), (_, summary)) in page.periods.iter_mut().zip(summed_up(past, site, &periods)?) {
        *figures = site.shown(&summary);
    }
    let sums = summed_up(past, site, &spans)?;
    let charted: Vec<Span> = spans.first().map(|first| (first.0, as_of)).into_iter().collect();
    let whole = summed_up(past, site, &charted)?.pop();
    page.failures = whole.as_ref().map(|(_, summary)| summary.failures()).unwrap_or_default();
    page.bounds = bounds(whole.as_ref().map(|(sums, _)| sums));
    page.columns = spans
        .iter()
        .zip(&sums)
        .map(|(&(from, until), (sums, summary))| Column {
            from,
            until,
            figures: site.shown(summary),
            bands: bands(sums, &page.bounds),
            phases: summary.phase_means,
        })
        .collect();
    let watched = HashMap::from([(Arc::clone(&site.name), (id, site))]);
    let longest = (as_of.before(PERIODS[PERIODS.len() - 1]), as_of);
    (page.incidents, page.more_incidents) = incidents(past, &watched, longest, setting.terms.shows_errors)?;
    page.objective = objective(past, setting, site, id)?;
    Ok(page)
}

fn objective(
    past: &Past<'_>,
    setting: &Setting<'_>,
    site: &PageSite,
    id: SiteId,
) -> Result<Option<Result<ObjectiveFigures, Arc<str>>>, StoreError> {
    let Some(rule) = site.slo else { return Ok(None) };
    let objective = Objective { id, site: &site.name, group: site.group.as_deref(), rule, cadence: site.cadence };
    let silences = past.archive.kept()?.silences;
    let maintained = Maintained { windows: &site.maintenance, silences: &silences };
    if let Some(group) = past.group(site) {
        let store = (&past.moment, &past.together());
        return Ok(Some(Ok(standing_together(store, (group, &objective), &maintained, setting.as_of)?)));
    }
    let figures = standing(&past.moment, &objective, &maintained, setting.as_of)?;
    Ok(Some(figures.map_err(|coarse| coarse.reason(setting.zone).into())))
}

/// The limits of bands that hold all response times of `whole`: round numbers, in equal steps of the logarithm between.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "between two response times"
)]
fn bounds(whole: Option<&PeriodFigures>) -> [u32; BANDS + 1] {
    let mut highest = whole.into_iter().flat_map(|sums| sums.rollup.response.buckets()).map(|(highest, _)| highest);
    let Some(first) = highest.next() else { return [0; BANDS + 1] };
    let (low, high) = (first, highest.last().unwrap_or(first));
    let (low, high) = (round(f64::from(low), false), round(f64::from(high), true));
    let step = (high / low).ln() / BANDS as f64;
    std::array::from_fn(|place| (low * (step * place as f64).exp()).round() as u32)
}

/// The next of 1, 2, 5 times a power of ten, up or down.
fn round(value: f64, up: bool) -> f64 {
    let power = 10f64.powf(value.max(1.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    if up {
        steps.into_iter().find(|step| *step > value).unwrap_or(power * 10.0)
    } else {
        steps.into_iter().rev().find(|step| *step <= value).unwrap_or(power)
    }
}

fn bands(sums: &PeriodFigures, bounds: &[u32; BANDS + 1]) -> [u32; BANDS] {
    let mut bands = [0; BANDS];
    for (highest, count) in sums.rollup.response.buckets() {
        let band = bounds[1..BANDS].partition_point(|bound| *bound <= highest);
        bands[band] += count;
    }
    bands
}
