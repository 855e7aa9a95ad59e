//! The figures of the status page for machines.

use serde_json::{Value, json};

use crate::model::figures;
use crate::report::utc;

use super::model::{SiteLine, StatusPage};

/// The figures of `page` as one JSON object.
#[must_use]
pub fn summary(page: &StatusPage) -> String {
    let sites: Vec<Value> =
        page.groups.iter().flat_map(|group| group.sites.iter().map(|site| of(site, group.name.as_deref()))).collect();
    let whole = json!({ "title": &*page.frame.title, "as_of": utc(page.frame.as_of), "sites": sites });
    format!("{whole:#}\n")
}

fn of(site: &SiteLine, group: Option<&str>) -> Value {
    let figures = &site.figures;
    let response = figures.response.as_ref();
    json!({
        "site": &*site.name,
        "group": group,
        "note": site.note.as_deref(),
        "state": site.state.name(),
        "days": site.days.len(),
        "availability": figures.availability.map(|availability| figures::four_decimals(availability.ratio())),
        "up": figures.counts.up,
        "checks": figures.counts.checks(),
        "coverage": figures.coverage,
        "p50_us": response.map(|times| times.p50),
        "p95_us": response.map(|times| times.p95),
        "p99_us": response.map(|times| times.p99),
        "max_us": response.map(|times| times.max),
    })
}
