//! The page of one site.

use maud::{Markup, html};

use crate::model::{DomainExpiry, figures};

use super::document::{Glance, document, footer};
use super::links::{Links, anchor};
use super::model::{Locations, SitePage, StatusPage};
use super::status::{content, incidents, verdict};
use super::{chart, words};
use crate::alert::objective::ObjectiveFigures;
use crate::engine::SiteState;

/// The page of one site.
#[must_use]
pub fn site(page: &SitePage, links: Links) -> String {
    let title = format!("{} {} · {}", page.state.mark(), words::foreign(&page.name), words::foreign(&page.frame.title));
    document(
        &title,
        glance(page.state),
        &html! {
            nav { a href=(links.all()) { "All sites" } }
            main {
                h1 { (words::foreign(&page.name)) }
                (body(page))
            }
            (footer(&page.frame))
        },
    )
}

/// All pages in one file.
#[must_use]
pub fn whole(page: &StatusPage, sites: &[SitePage]) -> String {
    let (glance, verdict) = verdict(page);
    let title = words::foreign(&page.frame.title);
    document(
        &format!("{verdict} · {title}"),
        glance,
        &html! {
            main {
                (content(page, (glance, &verdict), Links::Within))
                h2 { "Each site" }
                div class="one" {
                    @for site in sites {
                        details id=(anchor(&site.name)) {
                            summary { (words::state(site.state)) " · " (words::foreign(&site.name)) }
                            (body(site))
                        }
                    }
                }
            }
            (footer(&page.frame))
        },
    )
}

const fn glance(state: SiteState) -> Glance {
    match state {
        SiteState::Up => Glance::Good,
        SiteState::Down | SiteState::Recovering => Glance::Bad,
        SiteState::Failing => Glance::Mixed,
        SiteState::Unknown | SiteState::New | SiteState::Paused => Glance::Unknown,
    }
}

fn body(page: &SitePage) -> Markup {
    let span = words::period(page.span);
    html! {
        p class={ "say " (words::class(page.state)) } { (standing(page)) }
        @if let Some(url) = &page.url { p class="m" { (words::foreign(url)) } }
        @if let Some(note) = &page.note { p class="m" { (words::note(note)) } }
        (periods(page))
        @if let Some(known) = &page.locations { (locations(page, known)) }
        h2 { "Response time, " (span) }
        (chart::percentiles(page))
        h2 { "Spread, " (span) }
        (chart::spread(page))
        h2 { "Phases, " (span) }
        (chart::phases(page))
        (failures(page, &span))
        (incidents(&page.frame, (&page.incidents, page.more_incidents), "Incidents", None))
        @if let Some(objective) = &page.objective { (budget(objective)) }
        @if let Some(certificate) = &page.certificate {
            h2 { "Certificate" }
            p {
                "Valid until " (words::at(&page.frame, certificate.not_after)) ": "
                (days(certificate.days_left(page.frame.as_of)))
            }
        }
        @if let Some(domain) = &page.domain { (registration(page, domain)) }
    }
}

/// When the registration of `domain` ends, if that is known.
fn registration(page: &SitePage, domain: &DomainExpiry) -> Markup {
    let ends = domain.expires.zip(domain.days_left(page.frame.as_of));
    html! {
        @if let Some((expires, left)) = ends {
            h2 { "Domain" }
            p { (domain.name) " is registered until " (words::at(&page.frame, expires)) ": " (days(left)) }
        }
    }
}

fn days(days: i64) -> String {
    match days {
        ..0 => "it has ended.".to_owned(),
        days => format!("{days} {} left.", figures::plural(days.unsigned_abs(), "day")),
    }
}

/// `● up since …`, `▼ down for 21m: 503`.
fn standing(page: &SitePage) -> Markup {
    let for_how_long = page.since.map(|since| words::lasted(page.frame.as_of.since(since)));
    html! {
        (words::state(page.state))
        @if let Some(time) = for_how_long { " for " (time) }
        @if let Some(last) = page.last.filter(|_| matches!(page.state, SiteState::Down | SiteState::Failing)) {
            ": " (words::word(last))
        }
    }
}

fn periods(page: &SitePage) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "Period" }
                    th scope="col" class="n" { "Available" }
                    th scope="col" class="n" { "Watched" }
                    th scope="col" class="n hide" { "Checks" }
                    th scope="col" class="n" { "p50" }
                    th scope="col" class="n" { "p95" }
                    th scope="col" class="n hide" { "p99" }
                    th scope="col" class="n hide" { "max" }
                }
            }
            tbody {
                @for (period, figures) in &page.periods {
                    @let times = figures.response.as_ref();
                    tr {
                        th scope="row" { (words::period(*period)) }
                        td class="n" { (words::availability(figures)) }
                        td class="n" { (figures.coverage.map_or_else(|| "–".to_owned(), figures::whole_percent)) }
                        td class="n hide" { (figures.counts.checks()) }
                        td class="n" { (words::time(times.map(|times| times.p50))) }
                        td class="n" { (words::time(times.map(|times| times.p95))) }
                        td class="n hide" { (words::time(times.map(|times| times.p99))) }
                        td class="n hide" { (words::time(times.map(|times| times.max))) }
                    }
                }
            }
        }
    }
}

/// How each location sees the site, and what the figures above are of.
fn locations(page: &SitePage, locations: &Locations) -> Markup {
    html! {
        p class="m" {
            "Available is the share of the known time in which the locations saw it up together, and watched that of the time that they \
             know. Checks and response times are those of all locations."
        }
        h2 {
            "Locations, 24 hours"
            @if let Some(votes) = &locations.votes { " " span class="m" { (words::votes(votes)) } }
        }
        @if locations.lines.is_empty() {
            p { "No location has sent a check of it yet." }
        } @else {
            table {
                thead {
                    tr {
                        th scope="col" { "Location" }
                        th scope="col" { "State" }
                        th scope="col" class="n" { "Available" }
                        th scope="col" class="n hide" { "p50" }
                        th scope="col" class="n" { "p95" }
                        th scope="col" class="n hide" { "p99" }
                        th scope="col" class="hide" { "Last check" }
                    }
                }
                tbody {
                    @for line in &locations.lines {
                        @let times = line.figures.response.as_ref();
                        tr {
                            th scope="row" { (line.location) }
                            td class={ "s " (words::class(line.state)) } { (words::state(line.state)) }
                            td class="n" { (words::availability(&line.figures)) }
                            td class="n hide" { (words::time(times.map(|times| times.p50))) }
                            td class="n" { (words::time(times.map(|times| times.p95))) }
                            td class="n hide" { (words::time(times.map(|times| times.p99))) }
                            td class="hide" {
                                @match line.checked {
                                    Some(checked) => { (words::at(&page.frame, checked)) }
                                    None => { "none yet" }
                                }
                                @if let Some(last) = line.last { ": " (words::word(last)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn failures(page: &SitePage, span: &str) -> Markup {
    html! {
        h2 { "Failed checks, " (span) }
        @if page.failures.is_empty() {
            p { "None." }
        } @else {
            table class="j" {
                thead { tr { th scope="col" { "Answer" } th scope="col" class="n" { "Checks" } } }
                tbody {
                    @for (answer, count) in &page.failures {
                        tr { th scope="row" { (words::word(*answer)) } td class="n" { (figures::count(*count)) } }
                    }
                }
            }
        }
    }
}

fn budget(objective: &Result<ObjectiveFigures, std::sync::Arc<str>>) -> Markup {
    html! {
        h2 { "Error budget" }
        @match objective {
            Ok(figures) => {
                @let standing = &figures.standing;
                p {
                    "Of an objective of " (figures::exact_percent(standing.rule.target.ppm())) " over "
                    (words::period(standing.rule.period)) ", "
                    (standing.left_ppm().map_or_else(|| "nothing can be said".to_owned(), |left| format!("{} of the budget is left", figures::share(left))))
                    " (" (words::lasted(standing.left())) ")."
                }
            }
            Err(reason) => { p { (words::foreign(reason)) } }
        }
    }
}
