//! The page of all sites.
//!
//! Bounds: above [`FOLDED`] sites groups are folded and past hours are left out, so that a thousand sites make about a megabyte.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::engine::SiteState;
use crate::model::figures::plural;

use super::document::{Glance, document, footer};
use super::links::Links;
use super::model::{Frame, Group, Incident, SiteLine, StatusPage};
use super::{bar, words};

/// Above so many sites groups are folded.
pub const FOLDED: usize = 200;

/// The status page.
#[must_use]
pub fn status(page: &StatusPage, links: Links) -> String {
    let (glance, verdict) = verdict(page);
    let title = words::foreign(&page.frame.title);
    document(
        &format!("{verdict} · {title}"),
        glance,
        &html! {
            main { (content(page, (glance, &verdict), links)) }
            (footer(&page.frame))
        },
    )
}

/// The status page without its frame.
pub(super) fn content(page: &StatusPage, (glance, verdict): (Glance, &str), links: Links) -> Markup {
    let count: usize = page.groups.iter().map(|group| group.sites.len()).sum();
    let is_named = page.groups.iter().any(|group| group.name.is_some());
    html! {
        h1 { (words::foreign(&page.frame.title)) }
        p class={ "say " (glance.class()) } { (verdict) }
        @if links == Links::Served {
            p class="m" {
                "As of " (words::at(&page.frame, page.frame.as_of)) ". "
                a href="/?refresh=30" { "Refresh every 30 s" }
            }
        }
        @if count == 0 { p { "Nothing is watched." } }
        @for group in page.groups.iter().filter(|group| !group.sites.is_empty()) {
            @let name = group.name.as_deref().map_or_else(|| "Others".to_owned(), words::foreign);
            @if count > FOLDED {
                details {
                    summary { (name) " · " (summed(group)) }
                    (note(group))
                    (sites(&page.frame, group, (false, &name), links))
                }
            } @else {
                @if is_named { h2 { (name) " " span class="m" { (summed(group)) } } }
                (note(group))
                (sites(&page.frame, group, (true, if is_named { &name } else { "All sites" }), links))
            }
        }
        (incidents(&page.frame, (&page.incidents, page.more_incidents), "Incidents of the past 14 days", Some(links)))
    }
}

fn note(group: &Group) -> Markup {
    html! { @if let Some(note) = &group.note { p class="m" { (words::note(note)) } } }
}

/// What the page says at a glance.
pub(super) fn verdict(page: &StatusPage) -> (Glance, String) {
    let states = || page.groups.iter().flat_map(|group| &group.sites).map(|site| site.state);
    let count = |wanted: &[SiteState]| states().filter(|state| wanted.contains(state)).count();
    let all = states().count();
    let sites = |count: usize| plural(count as u64, "site");
    let down = count(&[SiteState::Down, SiteState::Recovering]);
    let failing = count(&[SiteState::Failing]);
    let unknown = count(&[SiteState::Unknown, SiteState::New]);
    let paused = count(&[SiteState::Paused]);
    let are = |count: usize| if count == 1 { "is" } else { "are" };
    let (glance, mut verdict) = if down > 0 {
        (Glance::Bad, format!("▼ {down} of {all} {} {} down", sites(all), are(down)))
    } else if failing > 0 {
        let its = if failing == 1 { "its" } else { "their" };
        (Glance::Mixed, format!("▲ {failing} of {all} {} failed {its} last check", sites(all)))
    } else if unknown + paused >= all {
        return (Glance::Unknown, format!("? Nothing can be said of {all} {}", sites(all)));
    } else if unknown + paused > 0 {
        let up = all - unknown - paused;
        (Glance::Good, format!("● {up} of {all} {} {} up", sites(all), are(up)))
    } else {
        (Glance::Good, if all == 1 { "● The site is up".to_owned() } else { format!("● All {all} sites are up") })
    };
    if unknown > 0 {
        write!(verdict, "; {unknown} cannot be judged").expect("a string takes any text");
    }
    if paused > 0 {
        write!(verdict, "; {paused} {} paused", are(paused)).expect("a string takes any text");
    }
    (glance, verdict)
}

/// `12 sites, 1 down`.
fn summed(group: &Group) -> String {
    let count = |state| group.sites.iter().filter(|site| site.state == state).count();
    let mut text = format!("{} {}", group.sites.len(), plural(group.sites.len() as u64, "site"));
    for state in [SiteState::Down, SiteState::Recovering, SiteState::Failing, SiteState::Unknown] {
        if count(state) > 0 {
            write!(text, ", {} {}", count(state), state.name()).expect("a string takes any text");
        }
    }
    text
}

fn sites(frame: &Frame, group: &Group, (has_hours, name): (bool, &str), links: Links) -> Markup {
    let days = group.sites.first().map_or(0, |site| site.days.len());
    html! {
        table class="f" aria-label=(name) {
            thead {
                tr {
                    th scope="col" class="c1" { "State" }
                    th scope="col" { "Site" }
                    th scope="col" class="c3" { "Past " (days) " days" }
                    th scope="col" class="n c4" { "Available" }
                    th scope="col" class="n c5" { "p50" }
                    th scope="col" class="n c6" { "p95" }
                    @if has_hours { th scope="col" class="c7" { "Past hour" } }
                }
            }
            tbody {
                @for site in &group.sites { (line(frame, site, has_hours, links)) }
            }
        }
    }
}

fn line(frame: &Frame, site: &SiteLine, has_hours: bool, links: Links) -> Markup {
    let response = site.figures.response.as_ref();
    html! {
        tr {
            td class={ "s " (words::class(site.state)) } { (words::state(site.state)) }
            th scope="row" {
                a href=(links.site(&site.name)) { (words::foreign(&site.name)) }
                @if let Some(votes) = &site.votes { br; span class="m" { (words::votes(votes)) } }
                @if let Some(url) = &site.url { br; span class="m" { (words::foreign(url)) } }
                @if let Some(note) = &site.note { br; span class="m" { (words::note(note)) } }
            }
            td class="bar" { (bar::days(frame, &site.days)) }
            td class="n av" {
                (words::availability(&site.figures))
                span class="w0" { " available, p95 " (words::time(response.map(|times| times.p95))) }
            }
            td class="n w" { (words::time(response.map(|times| times.p50))) }
            td class="n w" { (words::time(response.map(|times| times.p95))) }
            @if has_hours { td class="w" { (bar::hour(&site.hour)) } }
        }
    }
}

/// A table of incidents; with links, also of which site.
pub(super) fn incidents(
    frame: &Frame,
    (incidents, more): (&[Incident], usize),
    heading: &str,
    links: Option<Links>,
) -> Markup {
    html! {
        h2 { (heading) }
        @if incidents.is_empty() {
            p { "None." }
        } @else {
            table class="i" {
                thead {
                    tr {
                        @if links.is_some() { th scope="col" class="i1" { "Site" } }
                        th scope="col" class="i2" { "From" }
                        th scope="col" class="n i3" { "Lasted" }
                        th scope="col" { "Why" }
                    }
                }
                tbody {
                    @for incident in incidents {
                        tr {
                            @if let Some(links) = links {
                                th scope="row" {
                                    a href=(links.site(&incident.site)) { (words::foreign(&incident.site)) }
                                }
                            }
                            td { (words::at(frame, incident.since)) }
                            td class="n" {
                                @match incident.until {
                                    Some(until) => { (words::lasted(until.since(incident.since))) }
                                    None => { "still, " (words::lasted(frame.as_of.since(incident.since))) }
                                }
                            }
                            td { (words::why(incident)) }
                        }
                    }
                }
            }
            @if more > 0 { p class="m" { "and " (more) " more." } }
        }
    }
}
