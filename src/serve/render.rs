//! Makes the answer to a request from the source. It may read the store, so it runs on a blocking thread.

use hyper::StatusCode;

use crate::model::Timestamp;

use super::answer::{Answer, JSON};
use super::blackbox;
use super::metrics::Scrape;
use super::route::{BadgeForm, ListQuery, Listing, Route};
use super::source::{List, Missing, Rest, Source};

/// The answer to `route`.
#[must_use]
pub fn render(source: &dyn Source, route: &Route) -> Answer {
    made(source, route).unwrap_or_else(Answer::from)
}

fn made(source: &dyn Source, route: &Route) -> Result<Answer, Missing> {
    Ok(match route {
        Route::Metrics { exposition, selection, histogram } => {
            let (sites, program) = source.readings(selection)?;
            Answer::metrics(Scrape { exposition: *exposition, sites, program, histogram: *histogram })
        }
        Route::Probe { target, exposition } => {
            let board = source.board();
            let site = blackbox::find(&board.sites, target).ok_or(Missing::Unknown)?;
            let last = site.last.as_ref();
            let last = last.ok_or_else(|| Missing::Unavailable("this site was not checked yet".to_owned()))?;
            Answer::new(exposition.content_type(), blackbox::probe(*exposition, site, last))
        }
        Route::Discovery => Answer::new(JSON, blackbox::discovery(&source.board().sites)),
        Route::Alive => sign(source.vital_signs().ailment()),
        Route::Ready => sign(source.vital_signs().obstacle()),
        Route::List(query) => list(query, &source.list(query)?),
        Route::Page { as_of } => Answer::page(source.status_page(as_of.as_deref())?),
        Route::Site { name, since, as_of } => {
            Answer::page(source.site_page(name, since.as_deref(), as_of.as_deref())?)
        }
        Route::Badge { name, form, period } => {
            let text = source.badge(name, *form, period.as_deref())?;
            Answer::badge(if *form == BadgeForm::Svg { "image/svg+xml" } else { JSON }, text)
        }
        Route::Events(_) => return Err(Missing::Unknown),
    })
}

fn sign(fault: Option<String>) -> Answer {
    match fault {
        None => Answer::said(StatusCode::OK, "ok"),
        Some(why) => Answer::said(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

/// The objects of `list` as an array, with a link to what did not fit.
fn list(query: &ListQuery, list: &List) -> Answer {
    let mut body = Vec::with_capacity(list.lines.len() + 3);
    body.push(b'[');
    for line in list.lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        if body.len() > 1 {
            body.extend_from_slice(b",\n");
        }
        body.extend_from_slice(line);
    }
    body.extend_from_slice(b"]\n");
    let next = list.rest.as_ref().map(|rest| next(query, rest));
    Answer::new(JSON, body).linking(next.as_deref())
}

/// The path of the rest of the same list. Its times are instants even if those of `query` are counted back from now.
fn next(query: &ListQuery, rest: &Rest) -> String {
    let name = match query.listing {
        Listing::Sites => "sites",
        Listing::Stats => "stats",
        Listing::Samples => "samples",
        Listing::Alerts => "alerts",
    };
    let mut parameters = url::form_urlencoded::Serializer::new(String::new());
    for site in &query.selection.sites {
        parameters.append_pair("site", site);
    }
    for group in &query.selection.groups {
        parameters.append_pair("group", group);
    }
    if let Some(period) = rest.period {
        parameters.append_pair("since", &crate::report::utc(period.since));
        if period.until < Timestamp::MAX {
            parameters.append_pair("until", &crate::report::utc(period.until));
        }
    }
    if let Some(after) = &rest.after {
        parameters.append_pair("after", after);
    }
    parameters.append_pair("limit", &query.limit.to_string());
    format!("/api/v1/{name}?{}", parameters.finish())
}
