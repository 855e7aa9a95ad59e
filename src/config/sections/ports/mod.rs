//! Judges what stands beside a URL by its scheme: a key that does nothing there is a fault.
//!
//! Only what is written at the site counts. A key of `defaults` is for all sites, and those without a use for it ignore it.

use crate::config::keys::declared::{UNUSED, UPGRADED, UPGRADING, UnusedKey};
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::ConfigReader;
use crate::config::syntax::tree::{Kind, NodeId};
use crate::model::protocol::{Protocol, Scheme};
use crate::model::{HttpOffer, Site};

/// Headers that only the handshake of a WebSocket may write.
const OF_HANDSHAKE: [&str; 6] = [
    "connection",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-version",
    "upgrade",
];

/// The keys of a site that do not go with every scheme.
pub(crate) struct WrittenKeys {
    unused: Vec<(&'static UnusedKey, NodeId)>,
    /// The value of `http`, if it is not for a WebSocket.
    http: Option<NodeId>,
    headers: Vec<(String, NodeId)>,
}

impl WrittenKeys {
    /// Those in `keys`, which remain to be read.
    pub(crate) fn of(keys: &Keys<'_, '_>) -> Self {
        let reader = keys.reader();
        let place = |key: &'static UnusedKey| match key.path {
            [name] => keys.key(name),
            [section, name] => {
                members(reader, keys.place(section)).find(|(member, _)| member == name).map(|(_, id)| id)
            }
            _ => None,
        };
        let unused = UNUSED.iter().filter_map(|key| Some((key, place(key)?))).collect();
        let is_upgrading = |text: &str| text.contains("${") || UPGRADING.contains(&text.trim());
        let http = keys.place("http").filter(|id| match reader.kind(*id) {
            Kind::Scalar { text, .. } => !is_upgrading(text),
            _ => false,
        });
        let headers = members(reader, keys.place("headers")).filter(|(name, _)| is_of_handshake(name)).collect();
        Self { unused, http, headers }
    }

    /// Reports those that do nothing beside a URL with `scheme`.
    pub(crate) fn judge(&self, reader: &ConfigReader<'_>, scheme: Scheme) {
        for (key, id) in self.unused.iter().filter(|(key, _)| key.schemes.contains(&scheme.name)) {
            reader.fault_at(*id, useless(&key.path.join("."), scheme));
        }
        if !UPGRADED.contains(&scheme.name) {
            return;
        }
        if let Some(id) = self.http {
            let name = scheme.name;
            reader.fault_at(id, format!("{name} is spoken over HTTP/1.1 only; write {}", UPGRADING.join(" or ")));
        }
        for (name, id) in &self.headers {
            reader.fault_at(*id, format!("webmon writes the header {name} of a WebSocket itself; remove it"));
        }
    }
}

/// Why a typed URL with `scheme` does not go with the settings of `site`, if one of them does nothing there.
pub(crate) fn typed(site: &Site, scheme: Scheme) -> Result<(), String> {
    let given = [
        ("body", "--body", site.body.is_some()),
        ("method", "--method", site.method != "GET"),
        ("headers", "--header", !site.headers.is_empty()),
        ("http", "--http", site.http != HttpOffer::Auto),
        ("tls", "--insecure", site.tls.insecure),
    ];
    let is_useless = |name: &str| UNUSED.iter().any(|key| key.path == [name] && key.schemes.contains(&scheme.name));
    if let Some((_, option, _)) = given.iter().find(|(name, _, is_given)| *is_given && is_useless(name)) {
        return Err(useless(option, scheme));
    }
    if !UPGRADED.contains(&scheme.name) {
        return Ok(());
    }
    if !matches!(site.http, HttpOffer::Auto | HttpOffer::V11) {
        return Err(useless("--http", scheme));
    }
    match site.headers.iter().find(|(name, _)| is_of_handshake(name)) {
        Some((name, _)) => Err(format!("webmon writes the header {name} of a WebSocket itself")),
        None => Ok(()),
    }
}

fn useless(key: &str, scheme: Scheme) -> String {
    let Scheme { name, protocol, is_encrypted } = scheme;
    let why = match (key, protocol) {
        ("send", _) => "the body of a request is `body`",
        ("tls" | "--insecure", _) if !is_encrypted => "there is no TLS",
        ("keep_alive", _) => "each check has its own connection",
        (_, Protocol::WebSocket) => "its handshake is a GET over HTTP/1.1 that only 101 accepts",
        _ => "no HTTP is spoken there",
    };
    let key = if key.starts_with('-') { key.to_owned() } else { format!("`{key}`") };
    format!("{key} has no use with {name}: {why}")
}

fn is_of_handshake(name: &str) -> bool {
    OF_HANDSHAKE.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The keys in the mapping `id`, and where they stand; without merged ones.
fn members(reader: &ConfigReader<'_>, id: Option<NodeId>) -> impl Iterator<Item = (String, NodeId)> {
    let pairs = match id.map(|id| reader.kind(id)) {
        Some(Kind::Map(pairs)) => pairs.as_slice(),
        _ => &[],
    };
    pairs.iter().filter_map(|&(key, _)| match reader.kind(key) {
        Kind::Scalar { text, .. } => Some((text.clone().into_owned(), key)),
        _ => None,
    })
}
