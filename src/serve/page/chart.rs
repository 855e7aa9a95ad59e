//! The charts of a site: percentiles over time, how response times were spread, and their phases.
//!
//! Every chart stretches to the width of the page; its labels are text beside it, so they stay readable. A column without an answer is
//! a gap, never 0.

use std::fmt::Write as _;
use std::time::Duration;

use maud::{Markup, html};

use crate::model::{Phase, figures};

use super::model::{BANDS, Column, Frame, SitePage};

/// The height of a chart in its own units.
const HEIGHT: f64 = 100.0;

/// Shades of the heat map.
const SHADES: u32 = 5;

/// Labels below a chart.
const TICKS: usize = 5;

/// The least number at or above `value` with one digit, and half of it with at most two.
pub(super) fn round_up(value: f64) -> f64 {
    let mut power = 1.0;
    while power * 10.0 <= value {
        power *= 10.0;
    }
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|round| *round >= value)
        .unwrap_or(power * 10.0)
}

/// Percentiles over time.
pub(super) fn percentiles(page: &SitePage) -> Markup {
    let of = |pick: fn(&crate::stats::Latency) -> u32| -> Vec<Option<f64>> {
        let time = |column: &Column| column.figures.response.as_ref().map(|times| f64::from(pick(times)));
        page.columns.iter().map(time).collect()
    };
    let lines = [of(|times| times.p50), of(|times| times.p95), of(|times| times.p99)];
    let most = lines.iter().flatten().flatten().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return html! { p { "No answered check." } };
    }
    let top = round_up(most);
    let label = format!("Median, 95th and 99th percentile of response times, at most {}", figures::time(most));
    let drawing = html! {
        (svg(page, &label, &html! {
            path class="grid" d=(format!("M0 0H{0}M0 50H{0}M0 100H{0}", page.columns.len())) {}
            @for (line, class) in lines.iter().zip(["l", "l2", "l3"]) { path class=(class) d=(path(line, top)) {} }
        }))
    };
    let legend = ["median", "95th percentile", "99th percentile"].map(|name| (name.to_owned(), None));
    chart(page, &drawing, &[figures::time(top), figures::time(top / 2.0), "0".to_owned()], &line_legend(&legend))
}

fn line_legend(names: &[(String, Option<()>)]) -> Markup {
    html! {
        ul class="leg" {
            @for ((name, _), class) in names.iter().zip(["l", "l2", "l3"]) {
                li { svg width="24" height="8" aria-hidden="true" { path class=(class) d="M0 4h24" {} } (name) }
            }
        }
    }
}

/// A line through the middles of the columns that have a value.
fn path(values: &[Option<f64>], top: f64) -> String {
    let (mut path, mut is_on) = (String::new(), false);
    for (place, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_on = false;
            continue;
        };
        let y = HEIGHT - HEIGHT * value / top;
        if is_on {
            write!(path, "L{place}.5 {y:.1}").expect("a string takes any text");
        } else {
            // A lone column shows as a stroke.
            write!(path, "M{place} {y:.1}h.5").expect("a string takes any text");
        }
        is_on = true;
    }
    path
}

/// How response times were spread over time.
pub(super) fn spread(page: &SitePage) -> Markup {
    let most = page.columns.iter().flat_map(|column| column.bands).max().unwrap_or(0);
    if most == 0 {
        return html! { p { "No answered check." } };
    }
    let mut shades = vec![String::new(); SHADES as usize];
    for (place, column) in page.columns.iter().enumerate() {
        let all: u32 = column.bands.iter().sum();
        for (band, count) in column.bands.iter().enumerate().filter(|(_, count)| **count > 0) {
            let shade = (u64::from(*count) * u64::from(SHADES) / u64::from(all.max(1))).min(u64::from(SHADES) - 1);
            let path = &mut shades[usize::try_from(shade).unwrap_or(0)];
            write!(path, "M{place} {}h1v1h-1z", BANDS - 1 - band).expect("a string takes any text");
        }
    }
    let (low, high) = (page.bounds[0], page.bounds[BANDS]);
    let times = [high, page.bounds[BANDS / 2], low].map(|bound| figures::time(f64::from(bound)));
    let label = format!("How response times were spread, in {BANDS} bands from {} to {}", times[2], times[0]);
    let width = page.columns.len();
    let drawing = html! {
        svg role="img" aria-label=(label) viewBox=(format!("0 0 {width} {BANDS}")) preserveAspectRatio="none" {
            @for (shade, path) in shades.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
                path class="h" fill-opacity=(opacity(shade)) d=(path) {}
            }
        }
    };
    let legend = html! {
        ul class="leg" {
            @for (shade, words) in ["up to a fifth of a column's checks", "", "about half", "", "most"].iter().enumerate() {
                @if !words.is_empty() {
                    li {
                        svg width="12" height="12" aria-hidden="true" {
                            rect class="h" width="12" height="12" fill-opacity=(opacity(shade)) {}
                        }
                        (words)
                    }
                }
            }
        }
    };
    chart(page, &drawing, &times, &legend)
}

fn opacity(shade: usize) -> String {
    format!(".{}", (shade + 1) * 2).replace(".10", "1")
}

/// The mean of each phase over time, stacked.
pub(super) fn phases(page: &SitePage) -> Markup {
    let sum = |column: &Column| column.phases.iter().flatten().sum::<f64>();
    let most = page.columns.iter().map(sum).fold(0.0, f64::max);
    if most <= 0.0 {
        return html! { p { "No answered check." } };
    }
    let top = round_up(most);
    let mut paths = vec![String::new(); Phase::ALL.len()];
    for (place, column) in page.columns.iter().enumerate() {
        let mut below = 0.0;
        for (phase, mean) in column.phases.iter().enumerate() {
            let Some(mean) = mean.filter(|mean| *mean > 0.0) else { continue };
            let (y, height) = (HEIGHT - HEIGHT * (below + mean) / top, HEIGHT * mean / top);
            write!(paths[phase], "M{place} {y:.1}h1v{height:.1}h-1z").expect("a string takes any text");
            below += mean;
        }
    }
    let label = format!("Mean time of each phase, together at most {}", figures::time(most));
    let drawing = svg(
        page,
        &label,
        &html! {
            @for (number, path) in paths.iter().enumerate() { path class={ "p" (number) } d=(path) {} }
        },
    );
    let legend = html! {
        ul class="leg" {
            @for (number, phase) in Phase::ALL.iter().enumerate() {
                li {
                    svg width="12" height="12" aria-hidden="true" { rect class={ "p" (number) } width="12" height="12" {} }
                    (phase.name())
                }
            }
        }
    };
    chart(page, &drawing, &[figures::time(top), figures::time(top / 2.0), "0".to_owned()], &legend)
}

fn svg(page: &SitePage, label: &str, content: &Markup) -> Markup {
    html! {
        svg role="img" aria-label=(label) viewBox=(format!("0 0 {} 100", page.columns.len())) preserveAspectRatio="none" {
            (content)
        }
    }
}

/// A drawing with its labels: at the left from top to bottom, below from past to present.
fn chart(page: &SitePage, drawing: &Markup, labels: &[String], legend: &Markup) -> Markup {
    html! {
        figure {
            div class="chart" {
                div class="y" aria-hidden="true" { @for label in labels { span { (label) } } }
                (drawing)
                div class="x" aria-hidden="true" { @for tick in ticks(&page.frame, page) { span { (tick) } } }
            }
            (legend)
        }
    }
}

/// Times below a chart: hours of a short one, days of a long one.
fn ticks(frame: &Frame, page: &SitePage) -> Vec<String> {
    let format = if page.span <= Duration::from_hours(48) { "%H:%M" } else { "%b %d" };
    let last = page.columns.len().saturating_sub(1);
    let place = |tick: usize| tick * last / (TICKS - 1);
    let at = |tick: usize| page.columns.get(place(tick)).map(|column| column.from.format(&frame.zone, format));
    (0..TICKS - 1).filter_map(at).chain([page.frame.as_of.format(&frame.zone, format)]).collect()
}
