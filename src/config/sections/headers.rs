//! The key `headers` of a site or a webhook: a mapping from names to values.

use crate::config::keys::reader::ConfigReader;
use crate::config::keys::value;
use crate::config::syntax::tree::NodeId;

/// Most headers.
pub(crate) const HEADERS_MAX: usize = 100;

/// The valid names, each once whatever its case, and their values.
pub(crate) fn read(reader: &ConfigReader<'_>, id: NodeId) -> Vec<(String, NodeId)> {
    let entries = reader.mapping(id).unwrap_or_default();
    if entries.len() > HEADERS_MAX {
        reader.fault_at(id, format!("{} headers are too many; the limit is {HEADERS_MAX}", entries.len()));
        return Vec::new();
    }
    let mut headers: Vec<(String, NodeId)> = Vec::new();
    for entry in entries {
        match value::header_name(entry.name) {
            Err(message) => reader.fault_at(entry.key, message),
            Ok(name) if headers.iter().any(|(before, _)| before.eq_ignore_ascii_case(&name)) => {
                let message = format!("the header {name} appears twice; upper and lower case are the same");
                reader.fault_at(entry.key, message);
            }
            Ok(name) => headers.push((name, entry.value)),
        }
    }
    headers
}

/// Whether the header `name` holds credentials of HTTP authentication.
pub(crate) fn is_authorization(name: &str) -> bool {
    name.eq_ignore_ascii_case("authorization")
}

/// Replaces the header `name`, or removes it.
pub(crate) fn set<T>(headers: &mut Vec<(String, T)>, name: String, value: Option<T>) {
    headers.retain(|(before, _)| !before.eq_ignore_ascii_case(&name));
    headers.extend(value.map(|value| (name, value)));
}
