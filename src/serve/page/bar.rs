//! The bar of a site's days, and the line of its past hour.
//!
//! One dashed stroke draws all green columns, and the rest is painted over it, so that a quiet site costs little. Red rises from below
//! with the cube root of the share of failed checks, or of the time down, at least 4 px: ten seconds show, and do not paint the day.
//! Time without checks is grey, neither green nor red.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::model::figures;

use super::model::{Day, Frame};
use super::words;

/// A day's place and the part of it that is painted, px.
const STEP: usize = 3;
const COLUMN: usize = 2;
/// The height of a bar, px.
const HEIGHT: u32 = 24;
/// The least red of a day with a failed check, px.
const RED_LEAST: u32 = 4;
/// From this share on, a day counts as watched.
const WATCHED: f64 = 0.95;

/// The bar of `days`.
pub(super) fn days(frame: &Frame, days: &[Day]) -> Markup {
    let (width, mut red, mut grey) = (days.len() * STEP, String::new(), String::new());
    let (mut bad, mut unseen, mut dotted) = (0, 0, String::new());
    for (place, day) in days.iter().enumerate() {
        let x = place * STEP;
        if day.figures.availability.is_none() {
            unseen += 1;
            write!(dotted, "M{x} 12h{STEP}").expect("a string takes any text");
            continue;
        }
        let missing = missing_height(day);
        if missing > 0 {
            write!(grey, "M{x} 0h{COLUMN}v{missing}h-{COLUMN}z").expect("a string takes any text");
        }
        let height = red_height(day);
        if height > 0 {
            bad += 1;
            write!(red, "M{x} {}h{COLUMN}v{height}h-{COLUMN}z", HEIGHT - height).expect("a string takes any text");
        }
    }
    let calm = days.len() - bad - unseen;
    let is_over = days.iter().any(|day| day.figures.down_for.is_some());
    let (one, several) = if is_over { ("an outage", "outages") } else { ("a failed check", "failed checks") };
    let mut label = format!("{} days: {calm} without {one}, {bad} with {several}", days.len());
    if unseen > 0 {
        write!(label, ", {unseen} not watched").expect("a string takes any text");
    }
    html! {
        svg role="img" aria-label=(label) width=(width) height=(HEIGHT) viewBox=(format!("0 0 {width} {HEIGHT}"))
            preserveAspectRatio="none" {
            path class="g" d=(format!("M0 12H{width}")) {}
            @if !dotted.is_empty() {
                path class="b" d=(dotted) {}
                path class="k" d=(dotted.replace(" 12h", " 23h")) {}
            }
            @if !grey.is_empty() { path class="fw" d=(grey) {} }
            @if !red.is_empty() { path class="fd" d=(red) {} }
            @for (place, day) in days.iter().enumerate().filter(|(_, day)| red_height(day) > 0) {
                rect class="t" x=(place * STEP) width=(STEP) height=(HEIGHT) { title { (told(frame, day)) } }
            }
        }
    }
}

/// How much of a day's column is red, px.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the height")]
pub(super) fn red_height(day: &Day) -> u32 {
    let Some(availability) = day.figures.availability.filter(|availability| availability.up < availability.checks)
    else {
        return 0;
    };
    let height = f64::from(HEIGHT) * (1.0 - availability.ratio()).cbrt();
    // One that had a successful check is not all red.
    (height.round() as u32).clamp(RED_LEAST, HEIGHT - u32::from(availability.up > 0))
}

/// How much of a day's column is grey for want of checks, px.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the height")]
pub(super) fn missing_height(day: &Day) -> u32 {
    let watched = day.figures.coverage.unwrap_or(1.0);
    if watched >= WATCHED {
        return 0;
    }
    let red = red_height(day);
    let height = (f64::from(HEIGHT) * (1.0 - watched)).round() as u32;
    height.min(HEIGHT - red)
}

fn told(frame: &Frame, day: &Day) -> String {
    let mut text = format!("{}: {}", day.from.format(&frame.zone, "%Y-%m-%d"), words::availability(&day.figures));
    let down = if let Some(time) = day.figures.down_for {
        write!(text, ", down for {}", words::lasted(time))
    } else {
        let failed = day.figures.counts.down;
        write!(text, ", {} {} failed", figures::count(failed), figures::plural(failed, "check"))
    };
    down.expect("a string takes any text");
    if let Some(coverage) = day.figures.coverage.filter(|coverage| *coverage < WATCHED) {
        write!(text, ", {} watched", figures::whole_percent(coverage)).expect("a string takes any text");
    }
    text
}

/// The line of the medians of the past hour.
pub(super) fn hour(medians: &[Option<u32>]) -> Markup {
    const WIDTH: usize = 100;
    const LOW: u64 = 20;
    let Some(most) = medians.iter().flatten().max() else {
        return html! { span class="m" { "no answer" } };
    };
    let points = || medians.iter().enumerate().filter_map(|(place, median)| Some((place, median.as_ref()?)));
    // A site that is checked every few minutes has no gap between two checks.
    let usual = points().zip(points().skip(1)).map(|((one, _), (next, _))| next - one).min().unwrap_or(1);
    let (mut path, mut before, last) = (String::new(), None, medians.len().saturating_sub(1).max(1));
    for (place, median) in points() {
        let is_on = before.is_some_and(|before| place - before <= 2 * usual);
        let (x, y) = (place * WIDTH / last, 1 + LOW - LOW * u64::from(*median) / u64::from(*most).max(1));
        // A single minute between gaps shows as a dot.
        let (command, dot) = if is_on { ("L", "") } else { ("M", "h1") };
        write!(path, "{command}{x} {y}{dot}").expect("a string takes any text");
        before = Some(place);
    }
    let label = format!("Medians of the past hour, at most {}", figures::time(f64::from(*most)));
    html! {
        svg role="img" aria-label=(label) width=(WIDTH) height="22" viewBox="0 0 100 22" { path class="l" d=(path) {} }
    }
}
