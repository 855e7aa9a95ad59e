//! The sections of sites.yaml; `dashboard`, `dns` and `storage` are read here.

pub(crate) mod alerting;
pub(crate) mod exec;
pub(crate) mod expect;
pub(crate) mod export;
pub(crate) mod headers;
mod maintenance;
pub(crate) mod notes;
mod notify;
pub(crate) mod parents;
pub(crate) mod policies;
pub(crate) mod site;
pub(crate) mod tls;
pub(crate) mod url;
pub(crate) mod web;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Resolver, SortKey, Timeframe, View};

use super::keys::declared::{DeclaredKey, ValueForm};
use super::keys::mapping::Keys;
use super::keys::reader::ConfigReader;
use super::keys::value::{self, set};
use super::syntax::fault::Fault;
use super::syntax::tree::{Kind, NodeId};

/// The colours of the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Theme {
    /// By the terminal's background.
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
    /// Unicode if the terminal's locale has it.
    #[default]
    Auto,
    /// ASCII only.
    Ascii,
}

/// Appearance and sound of the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dashboard {
    /// The colours.
    pub theme: Theme,
    /// The characters.
    pub symbols: Symbols,
    /// Whether an alert rings the terminal's bell.
    pub bell: bool,
    /// Whether an alert becomes a desktop notification, where the terminal can show one.
    pub notify: bool,
    /// The initial order of the rows.
    pub sort: SortKey,
}

impl Default for Dashboard {
    fn default() -> Self {
        Self { theme: Theme::Auto, symbols: Symbols::Auto, bell: true, notify: true, sort: SortKey::State }
    }
}

impl Dashboard {
    pub(super) fn read(keys: &mut Keys<'_, '_>) -> Self {
        let mut dashboard = Self::default();
        set(&mut dashboard.theme, keys.choice("theme", [Theme::Auto, Theme::Dark, Theme::Light]));
        set(&mut dashboard.symbols, keys.choice("symbols", [Symbols::Auto, Symbols::Ascii]));
        set(&mut dashboard.bell, keys.boolean("bell"));
        set(&mut dashboard.notify, keys.choice("notify", [true, false]));
        set(&mut dashboard.sort, keys.choice("sort", SortKey::ALL));
        dashboard
    }
}

/// The views without configuration: 10 min every 10 s, and 1 h every minute.
#[must_use]
pub fn default_views() -> Vec<View> {
    let view = |timeframe, refresh| View { timeframe: Timeframe::new(timeframe), refresh };
    vec![view(Duration::from_mins(10), Duration::from_secs(10)), view(Duration::from_hours(1), Duration::from_mins(1))]
}

/// The views under `dashboard`.
pub(super) fn views(keys: &mut Keys<'_, '_>) -> Vec<View> {
    let reader = keys.reader();
    let ValueForm::List(declared, number) = keys.form("views") else { unreachable!("views are declared as a list") };
    let Some((id, items)) = keys.take("views").and_then(|id| Some((id, reader.list(id)?))) else {
        return default_views();
    };
    if !number.contains(&items.len()) {
        let (low, high) = (number.start(), number.end());
        reader.fault_at(id, format!("write {low} to {high} views, or omit `views` for the defaults"));
    }
    items.iter().filter_map(|&item| view(reader, item, declared)).collect()
}

fn view(reader: &ConfigReader<'_>, id: NodeId, declared: &'static [DeclaredKey]) -> Option<View> {
    let mut keys = Keys::of(reader, id, declared)?;
    for name in ["timeframe", "refresh"] {
        if keys.place(name).is_none() {
            let example = "example: { timeframe: 10m, refresh: 10s }";
            reader.fault(Fault::new(reader.span(id), format!("this view has no `{name}`")).hint(example));
        }
    }
    let (timeframe, refresh) = (keys.duration("timeframe"), keys.duration("refresh"));
    keys.finish();
    Some(View { timeframe: Timeframe::new(timeframe?), refresh: refresh? })
}

/// The name servers under `dns`.
pub(super) fn resolver(keys: &mut Keys<'_, '_>) -> Resolver {
    let reader = keys.reader();
    let form = keys.form("resolver");
    let Some(id) = keys.take("resolver") else { return Resolver::Auto };
    let ValueForm::NameServers(words, most) = form else { unreachable!("the resolver is declared as name servers") };
    let Kind::List(items) = reader.kind(id) else {
        let chosen = reader.parsed(id, |text| {
            value::choice(text, words).map_err(|message| format!("{message}; or write a list of addresses: [1.1.1.1]"))
        });
        return match chosen.map(|at| words[at]) {
            Some("system") => Resolver::System,
            _ => Resolver::Auto,
        };
    };
    if items.is_empty() || items.len() > *most {
        reader.fault_at(id, format!("write 1 to {most} name servers, or auto"));
    }
    Resolver::Servers(items.iter().filter_map(|&item| reader.parsed(item, name_server)).collect())
}

fn name_server(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)).or_else(|_| text.parse::<SocketAddr>());
    address.map_err(|_| format!("{text:?} is not the address of a name server, such as 1.1.1.1 or [::1]:5353"))
}

/// Where samples are stored, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The file; a relative path starts at the configuration's folder.
    pub path: PathBuf,
    /// How long raw samples are kept.
    pub retention: Duration,
    /// How long alerts are kept; open incidents stay.
    pub alert_retention: Duration,
    /// Upper limit of the file, bytes.
    pub max_size: u64,
    /// Time between commits, 1 s to 1 min.
    pub flush: Duration,
}

impl Storage {
    /// A store at `path` with the default of every key.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self {
            path,
            retention: Duration::from_hours(30 * 24),
            alert_retention: Duration::from_hours(400 * 24),
            max_size: 2 << 30,
            flush: Duration::from_secs(1),
        }
    }

    /// The section, and the position of its `max_size`.
    pub(super) fn read(keys: &mut Keys<'_, '_>, base_dir: &Path) -> (Self, Option<NodeId>) {
        let path = keys.value("path", path).unwrap_or_else(|| "webmon.redb".to_owned());
        let mut storage = Self::at(base_dir.join(path));
        set(&mut storage.retention, keys.duration("retention"));
        set(&mut storage.alert_retention, keys.duration("alert_retention"));
        let max_size_at = keys.place("max_size");
        set(&mut storage.max_size, keys.size("max_size"));
        set(&mut storage.flush, keys.duration("flush"));
        (storage, max_size_at)
    }
}

fn path(text: &str) -> Result<String, String> {
    if text.is_empty() || text.ends_with(['/', '\0']) || text.contains('\0') {
        return Err(format!("{text:?} is not the path of a file"));
    }
    Ok(text.to_owned())
}
