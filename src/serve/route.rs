//! What a request asks for: its path and its parameters as a value, which is also the key of what is kept ready.
//!
//! Invariants: equal requests are equal values, whatever the order of their parameters; parameters that no path knows are ignored,
//! so they make no new value. Bounds: `NAMES_MAX` names a request, `TEXT_MAX` bytes each.

use hyper::Uri;
use hyper::header::{ACCEPT, HeaderMap};
use percent_encoding::percent_decode_str;

use crate::model::Part;

use super::metrics::Exposition;

/// Names in one request.
const NAMES_MAX: usize = 100;

/// Longest value of a parameter, bytes; a name of a site is shorter.
const TEXT_MAX: usize = 4_096;

/// Objects in one answer of the API.
pub const OBJECTS_MAX: usize = 10_000;

/// Longest time between two loads of a page, s.
const REFRESH_MAX: u32 = 86_400;

/// Which sites are asked for; all if both are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Their names, sorted.
    pub sites: Vec<String>,
    /// Their groups, sorted.
    pub groups: Vec<String>,
}

impl Selection {
    /// Whether it holds the site `name` of `group`.
    #[must_use]
    pub fn holds(&self, name: &str, group: Option<&str>) -> bool {
        let is_listed = |list: &[String], text: &str| list.binary_search_by(|listed| listed.as_str().cmp(text)).is_ok();
        (self.sites.is_empty() && self.groups.is_empty())
            || is_listed(&self.sites, name)
            || group.is_some_and(|group| is_listed(&self.groups, group))
    }
}

/// A list of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listing {
    /// The sites that are watched.
    Sites,
    /// Statistics of a stored period.
    Stats,
    /// Stored checks.
    Samples,
    /// Stored alerts.
    Alerts,
}

/// What a list of the API is made of. Times are as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListQuery {
    /// Which list.
    pub listing: Listing,
    /// The sites.
    pub selection: Selection,
    /// The start of the period.
    pub since: Option<String>,
    /// Its end.
    pub until: Option<String>,
    /// Begin after this site, of a list by site.
    pub after: Option<String>,
    /// Objects at most.
    pub limit: usize,
}

/// The form of a badge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadgeForm {
    /// A picture.
    Svg,
    /// The endpoint schema of shields.io.
    Json,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// The status page, as of a time.
    Page {
        /// The time, as it was written.
        as_of: Option<String>,
    },
    /// The page of a site.
    Site {
        /// Its name.
        name: String,
        /// The start of its period, as it was written.
        since: Option<String>,
        /// The time, as it was written.
        as_of: Option<String>,
    },
    /// A badge of a site.
    Badge {
        /// Its name.
        name: String,
        /// Its form.
        form: BadgeForm,
        /// The length of its period, as it was written.
        period: Option<String>,
    },
    /// Metrics.
    Metrics {
        /// The format.
        exposition: Exposition,
        /// The sites.
        selection: Selection,
        /// Whether response times come in buckets.
        histogram: bool,
    },
    /// The last check of a site, as `blackbox_exporter` would have made it.
    Probe {
        /// The name or the URL of the site.
        target: String,
        /// The format.
        exposition: Exposition,
    },
    /// The targets for the service discovery of Prometheus.
    Discovery,
    /// Whether webmon is alive.
    Alive,
    /// Whether it does its work.
    Ready,
    /// A list of the API.
    List(ListQuery),
    /// What happens from now on.
    Events(Selection),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What it asks for.
    pub route: Route,
    /// After how many seconds the client is to ask again.
    pub refresh: Option<u32>,
}

/// Why there is nothing to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// There is no such path.
    NotFound,
    /// The parameter of this name is not valid, in this part.
    Parameter(&'static str, Part),
}

impl Route {
    /// The part that it belongs to; signs of life belong to none.
    #[must_use]
    pub const fn part(&self) -> Option<Part> {
        match self {
            Self::Page { .. } | Self::Site { .. } => Some(Part::Page),
            Self::Badge { .. } => Some(Part::Badge),
            Self::Metrics { .. } | Self::Probe { .. } | Self::Discovery => Some(Part::Metrics),
            Self::List(_) | Self::Events(_) => Some(Part::Api),
            Self::Alive | Self::Ready => None,
        }
    }
}

impl Asked {
    /// What `uri` asks for, with these headers.
    ///
    /// # Errors
    /// There is no such path, or a parameter is not valid.
    pub fn parse(uri: &Uri, headers: &HeaderMap) -> Result<Self, RouteError> {
        let mut parameters = Parameters::of(uri.query().unwrap_or_default());
        let route = route(uri.path(), &mut parameters, headers)?;
        let mut refresh = None;
        if route.part() == Some(Part::Page) {
            refresh = parameters.number("refresh", (1, REFRESH_MAX), Part::Page)?;
        }
        Ok(Self { route, refresh })
    }
}

fn route(path: &str, parameters: &mut Parameters, headers: &HeaderMap) -> Result<Route, RouteError> {
    let as_of = |parameters: &mut Parameters| parameters.text("as_of", Part::Page);
    let listing = match path {
        "/" => return Ok(Route::Page { as_of: as_of(parameters)? }),
        "/metrics" => {
            let histogram = parameters.number("histogram", (0, 1), Part::Metrics)? != Some(0);
            let selection = parameters.selection(Part::Metrics)?;
            return Ok(Route::Metrics { exposition: exposition(headers), selection, histogram });
        }
        "/probe" => {
            let target = parameters.text("target", Part::Metrics)?;
            let target = target.ok_or(RouteError::Parameter("target", Part::Metrics))?;
            return Ok(Route::Probe { target, exposition: exposition(headers) });
        }
        "/sd" => return Ok(Route::Discovery),
        "/healthz" => return Ok(Route::Alive),
        "/readyz" => return Ok(Route::Ready),
        "/api/v1/events" => return Ok(Route::Events(parameters.selection(Part::Api)?)),
        "/api/v1/sites" => Listing::Sites,
        "/api/v1/stats" => Listing::Stats,
        "/api/v1/samples" => Listing::Samples,
        "/api/v1/alerts" => Listing::Alerts,
        _ => return named(path, parameters),
    };
    let limit = parameters.number("limit", (1, u32::MAX), Part::Api)?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(OBJECTS_MAX).min(OBJECTS_MAX);
    Ok(Route::List(ListQuery {
        listing,
        selection: parameters.selection(Part::Api)?,
        since: parameters.text("since", Part::Api)?,
        until: parameters.text("until", Part::Api)?,
        after: parameters.text("after", Part::Api)?,
        limit,
    }))
}

/// A path that ends in the name of a site.
fn named(path: &str, parameters: &mut Parameters) -> Result<Route, RouteError> {
    let decoded = |name: &str| {
        let name =
            percent_decode_str(name).decode_utf8().ok().filter(|name| !name.is_empty() && name.len() <= TEXT_MAX);
        name.map(std::borrow::Cow::into_owned).ok_or(RouteError::NotFound)
    };
    if let Some(name) = path.strip_prefix("/site/") {
        let (since, as_of) = (parameters.text("since", Part::Page)?, parameters.text("as_of", Part::Page)?);
        return Ok(Route::Site { name: decoded(name)?, since, as_of });
    }
    let badge = path.strip_prefix("/badge/").ok_or(RouteError::NotFound)?;
    let svg = badge.strip_suffix(".svg").map(|name| (name, BadgeForm::Svg));
    let (name, form) =
        svg.or(badge.strip_suffix(".json").map(|name| (name, BadgeForm::Json))).ok_or(RouteError::NotFound)?;
    Ok(Route::Badge { name: decoded(name)?, form, period: parameters.text("period", Part::Badge)? })
}

/// The parameters of a query.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn of(query: &str) -> Self {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The last value of `name`.
    fn text(&self, name: &'static str, part: Part) -> Result<Option<String>, RouteError> {
        let value = self.0.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        match value {
            Some(value) if value.is_empty() || value.len() > TEXT_MAX => Err(RouteError::Parameter(name, part)),
            value => Ok(value),
        }
    }

    fn number(&self, name: &'static str, (low, high): (u32, u32), part: Part) -> Result<Option<u32>, RouteError> {
        let Some(text) = self.text(name, part)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (low..=high).contains(number));
        number.map(Some).ok_or(RouteError::Parameter(name, part))
    }

    fn selection(&self, part: Part) -> Result<Selection, RouteError> {
        let all = |name: &'static str| {
            let values = self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone());
            let mut values: Vec<String> = values.take(NAMES_MAX + 1).collect();
            if values.len() > NAMES_MAX || values.iter().any(|value| value.len() > TEXT_MAX) {
                return Err(RouteError::Parameter(name, part));
            }
            values.sort_unstable();
            values.dedup();
            Ok(values)
        };
        Ok(Selection { sites: all("site")?, groups: all("group")? })
    }
}

/// The format that a client prefers: OpenMetrics if it accepts that at least as gladly as text.
fn exposition(headers: &HeaderMap) -> Exposition {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut open, mut text) = (0, 0);
    for range in accepted.flat_map(|value| value.split(',')) {
        let (media, quality) = weighed(range);
        match media.as_str() {
            "application/openmetrics-text" => open = open.max(quality),
            "text/plain" | "text/*" => text = text.max(quality),
            _ => {}
        }
    }
    if open > 0 && open >= text { Exposition::OpenMetrics } else { Exposition::Text }
}

/// A range of a header that weighs, lower case, and its weight in thousandths (RFC 9110, section 12.4.2).
pub fn weighed(range: &str) -> (String, u32) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let Some(weight) = weight else { return (name, 1_000) };
    let (whole, rest) = weight.split_once('.').unwrap_or((weight, ""));
    let is_sound = rest.len() <= 3 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths = match whole {
        "1" if is_sound => 1_000,
        "0" if is_sound => format!("{rest:0<3}").parse().unwrap_or(0),
        _ => 0,
    };
    (name, thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str, accept: &str) -> Result<Asked, RouteError> {
        let mut headers = HeaderMap::new();
        if !accept.is_empty() {
            headers.insert(ACCEPT, accept.parse().unwrap());
        }
        Asked::parse(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn paths_and_parameters_become_values() {
        let route = |uri: &str| parse(uri, "").unwrap().route;
        assert_eq!(
            parse("/?refresh=30&x=1", "").unwrap(),
            Asked { route: Route::Page { as_of: None }, refresh: Some(30) }
        );
        let name = "https://a.example/b".to_owned();
        assert_eq!(
            route("/site/https%3A%2F%2Fa.example%2Fb"),
            Route::Site { name: name.clone(), since: None, as_of: None }
        );
        let badge = |form| Route::Badge { name: "a.svg".into(), form, period: Some("30d".into()) };
        assert_eq!(route("/badge/a.svg.json?period=30d"), badge(BadgeForm::Json));
        assert_eq!(route("/badge/a.svg.svg?period=30d"), badge(BadgeForm::Svg));
        assert_eq!(route("/metrics?site=b&site=a&site=b&group=g"), route("/metrics?group=g&site=a&site=b"));
        assert_ne!(route("/metrics?histogram=0"), route("/metrics"));
        let Route::List(query) = route("/api/v1/samples?since=1h&limit=99999") else { panic!() };
        assert_eq!((query.listing, query.since.as_deref(), query.limit), (Listing::Samples, Some("1h"), OBJECTS_MAX));
        assert!(matches!(route("/probe?target=a"), Route::Probe { target, .. } if target == "a"));
    }

    #[test]
    fn what_is_not_valid_is_named() {
        for (uri, name) in [
            ("/?refresh=0", "refresh"),
            ("/?refresh=x", "refresh"),
            ("/metrics?histogram=2", "histogram"),
            ("/probe", "target"),
            ("/probe?target=", "target"),
            ("/api/v1/samples?limit=0", "limit"),
            ("/api/v1/stats?since=", "since"),
        ] {
            assert!(matches!(parse(uri, ""), Err(RouteError::Parameter(found, _)) if found == name), "{uri}");
        }
        for uri in
            ["/site/", "/badge/a", "/badge/.svg", "/api/v2/sites", "/Metrics", "/metrics/", "/site/%ff", "//metrics"]
        {
            assert_eq!(parse(uri, ""), Err(RouteError::NotFound), "{uri}");
        }
        let many = (0..=NAMES_MAX).map(|site| format!("&site={site}")).collect::<Vec<_>>().concat();
        assert!(parse(&format!("/metrics?{many}"), "").is_err());
    }

    #[test]
    fn a_selection_holds_names_and_groups() {
        let Route::Metrics { selection, .. } = parse("/metrics?site=b&site=a&group=g", "").unwrap().route else {
            panic!()
        };
        let held = [("a", None), ("b", Some("h")), ("c", Some("g")), ("c", Some("h")), ("c", None)];
        assert_eq!(held.map(|(name, group)| selection.holds(name, group)), [true, true, true, false, false]);
        assert!(Selection::default().holds("c", None));
    }

    #[test]
    fn the_format_is_what_the_client_prefers() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, open) in [
            (prometheus, true),
            ("", false),
            ("*/*", false),
            ("text/plain;version=0.0.4", false),
            ("application/openmetrics-text;q=0.2, text/plain;q=0.3", false),
            ("application/openmetrics-text;q=0", false),
            ("Application/OpenMetrics-Text; version=1.0.0", true),
            ("text/html, application/openmetrics-text;q=0.001", true),
        ] {
            let Route::Metrics { exposition, .. } = parse("/metrics", accept).unwrap().route else { panic!() };
            assert_eq!(exposition == Exposition::OpenMetrics, open, "{accept}");
        }
    }
}
