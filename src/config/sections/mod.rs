//! The sections of sites.yaml; `dns`, `network` and `storage` are read here.

pub(crate) mod alerting;
pub(crate) mod dashboard;
pub(crate) mod exec;
pub(crate) mod expect;
pub(crate) mod export;
pub(crate) mod fleet;
pub(crate) mod headers;
pub(crate) mod locations;
mod maintenance;
pub(crate) mod names;
pub(crate) mod notes;
mod notify;
pub(crate) mod parents;
pub(crate) mod policies;
mod ports;
pub(crate) mod site;
mod steps;
pub(crate) mod tls;
pub(crate) mod url;
pub(crate) mod web;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::Resolver;

use super::keys::declared::ValueForm;
use super::keys::mapping::Keys;
use super::keys::value::{self, set};
use super::syntax::tree::{Kind, NodeId};

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

/// The `threads` under `network`; none: by the number of cores.
pub(super) fn network_threads(keys: &mut Keys<'_, '_>) -> Option<NonZero<usize>> {
    let threads = if keys.take_word("threads", "auto") { None } else { keys.whole("threads") };
    threads.and_then(|threads| NonZero::new(usize::try_from(threads).ok()?))
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
        // Another path is another store, so a command that needs it does not take the default for what it cannot expand.
        let written = keys.reader().absences.reading_the_store(|| keys.value("path", path));
        let path = written.unwrap_or_else(|| "webmon.redb".to_owned());
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
