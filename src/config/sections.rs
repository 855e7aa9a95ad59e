//! The sections beside `sites`: `dashboard`, `dns` and `storage`.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Timeframe, View, duration};

use super::fault::Fault;
use super::read::{Keys, Reader};
use super::value;
use super::yaml::{Kind, NodeId};

const TIMEFRAME: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(1);
const REFRESH: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);
const RETENTION: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(3_650 * 24);
const FLUSH: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(1);
const MAX_SIZE: RangeInclusive<u64> = 1 << 20..=1 << 50;
const VIEWS_MAX: usize = 16;
const NAME_SERVERS_MAX: usize = 8;

/// The colours of the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Theme {
    /// As the terminal's background asks for.
    #[default]
    Auto,
    /// For a dark background.
    Dark,
    /// For a light background.
    Light,
}

/// The characters that the dashboard draws with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Symbols {
    /// Unicode where the terminal's locale has it.
    #[default]
    Auto,
    /// ASCII only.
    Ascii,
}

/// What the rows of the dashboard are ordered by at its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    /// Worst state first.
    #[default]
    State,
    /// By name.
    Name,
    /// Lowest availability first.
    Availability,
    /// Longest average response time first.
    Average,
    /// Longest 95th percentile first.
    P95,
    /// Longest response time first.
    Max,
    /// Longest average time to first byte first.
    Ttfb,
    /// Certificate that expires first.
    Certificate,
}

/// How the dashboard looks and sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dashboard {
    /// The colours.
    pub theme: Theme,
    /// The characters.
    pub symbols: Symbols,
    /// Whether an alert rings the terminal's bell.
    pub bell: bool,
    /// The order of the rows at the start.
    pub sort: Sort,
}

impl Default for Dashboard {
    fn default() -> Self {
        Self { theme: Theme::Auto, symbols: Symbols::Auto, bell: true, sort: Sort::State }
    }
}

impl Dashboard {
    pub(super) fn read(keys: &mut Keys<'_, '_>) -> Self {
        let default = Self::default();
        let themes = [("auto", Theme::Auto), ("dark", Theme::Dark), ("light", Theme::Light)];
        let symbols = [("auto", Symbols::Auto), ("ascii", Symbols::Ascii)];
        let orders = [
            ("state", Sort::State),
            ("name", Sort::Name),
            ("avail", Sort::Availability),
            ("avg", Sort::Average),
            ("p95", Sort::P95),
            ("max", Sort::Max),
            ("ttfb", Sort::Ttfb),
            ("cert", Sort::Certificate),
        ];
        Self {
            theme: keys.value("theme", |text| value::choice(text, &themes)).unwrap_or(default.theme),
            symbols: keys.value("symbols", |text| value::choice(text, &symbols)).unwrap_or(default.symbols),
            bell: keys.value("bell", value::boolean).unwrap_or(default.bell),
            sort: keys.value("sort", |text| value::choice(text, &orders)).unwrap_or(default.sort),
        }
    }
}

/// The views that are there when none are configured: 10 min every 10 s, and 1 h every minute.
#[must_use]
pub fn default_views() -> Vec<View> {
    let view = |timeframe, refresh| View { timeframe: Timeframe::new(timeframe), refresh };
    vec![view(Duration::from_mins(10), Duration::from_secs(10)), view(Duration::from_hours(1), Duration::from_mins(1))]
}

/// The views under `dashboard`.
pub(super) fn views(keys: &mut Keys<'_, '_>) -> Vec<View> {
    let reader = keys.reader();
    let Some((id, items)) = keys.take("views").and_then(|id| Some((id, reader.list(id)?))) else {
        return default_views();
    };
    if items.is_empty() || items.len() > VIEWS_MAX {
        reader.fault_at(id, format!("there can be 1 to {VIEWS_MAX} views; leave `views` out for the default ones"));
    }
    items.iter().filter_map(|&item| view(reader, item)).collect()
}

fn view(reader: &Reader<'_>, id: NodeId) -> Option<View> {
    let mut keys = reader.keys(id)?;
    let (timeframe_at, refresh_at) = (keys.take("timeframe"), keys.take("refresh"));
    keys.finish();
    for (name, at) in [("timeframe", timeframe_at), ("refresh", refresh_at)] {
        if at.is_none() {
            let example = "write for instance { timeframe: 10m, refresh: 10s }";
            reader.fault(Fault::new(reader.span(id), format!("this view has no `{name}`")).hint(example));
        }
    }
    let timeframe = timeframe_at.and_then(|id| reader.parsed(id, timeframe));
    let refresh = refresh_at.and_then(|id| reader.parsed(id, |text| value::duration_in(text, &REFRESH)));
    Some(View { timeframe: Timeframe::new(timeframe?), refresh: refresh? })
}

fn timeframe(text: &str) -> Result<Duration, String> {
    value::duration_in(text, &TIMEFRAME).map_err(|message| match duration::parse(text) {
        Ok(length) if length > *TIMEFRAME.end() => format!("{message}; longer timeframes come later"),
        _ => message,
    })
}

/// Who answers for names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resolver {
    /// The system's name servers, asked by webmon itself.
    #[default]
    Auto,
    /// The system's own lookup, getaddrinfo.
    System,
    /// These name servers, at least one.
    Servers(Vec<SocketAddr>),
}

/// The name servers under `dns`.
pub(super) fn resolver(keys: &mut Keys<'_, '_>) -> Resolver {
    let reader = keys.reader();
    let Some(id) = keys.take("resolver") else { return Resolver::Auto };
    let Kind::List(items) = reader.kind(id) else {
        let choices = [("auto", Resolver::Auto), ("system", Resolver::System)];
        let names = choices.each_ref().map(|(name, _)| (*name, *name));
        let chosen = reader.parsed(id, |text| {
            value::choice(text, &names).map_err(|message| format!("{message}; or a list of addresses: [1.1.1.1]"))
        });
        return choices.into_iter().find(|(name, _)| Some(*name) == chosen).map_or(Resolver::Auto, |(_, it)| it);
    };
    if items.is_empty() || items.len() > NAME_SERVERS_MAX {
        reader.fault_at(id, format!("there can be 1 to {NAME_SERVERS_MAX} name servers, or auto"));
    }
    Resolver::Servers(items.iter().filter_map(|&item| reader.parsed(item, name_server)).collect())
}

fn name_server(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)).or_else(|_| text.parse::<SocketAddr>());
    address.map_err(|_| format!("{text:?} is no address of a name server; write for instance 1.1.1.1 or [::1]:5353"))
}

/// Where samples are kept, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The file; relative paths were taken from the configuration's folder.
    pub path: PathBuf,
    /// How long raw samples are kept.
    pub retention: Duration,
    /// Bytes that the file may hold.
    pub max_size: u64,
    /// Time between commits, 1 s to 1 min.
    pub flush: Duration,
}

impl Storage {
    /// A store at `path`, for 30 days of raw samples or 2 GiB, committed every second.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path, retention: Duration::from_hours(30 * 24), max_size: 2 << 30, flush: Duration::from_secs(1) }
    }

    /// The section, and where its `max_size` stands.
    pub(super) fn read(keys: &mut Keys<'_, '_>, base_dir: &Path) -> (Self, Option<NodeId>) {
        let reader = keys.reader();
        let path = keys.value("path", path).unwrap_or_else(|| "webmon.redb".to_owned());
        let default = Self::at(base_dir.join(path));
        let retention = keys.value("retention", |text| value::duration_in(text, &RETENTION));
        let flush = keys.value("flush", |text| value::duration_in(text, &FLUSH));
        let max_size_at = keys.take("max_size");
        let max_size = max_size_at.and_then(|id| reader.parsed(id, |text| value::size_in(text, &MAX_SIZE)));
        let storage = Self {
            retention: retention.unwrap_or(default.retention),
            max_size: max_size.unwrap_or(default.max_size),
            flush: flush.unwrap_or(default.flush),
            path: default.path,
        };
        (storage, max_size_at)
    }
}

fn path(text: &str) -> Result<String, String> {
    if text.is_empty() || text.ends_with(['/', '\0']) || text.contains('\0') {
        return Err(format!("{text:?} is no path of a file"));
    }
    Ok(text.to_owned())
}
