//! The section `alerting.notify`: outlets, each under a name.
//!
//! Invariants: names and keys of outlets are unique. Bounds: 100 outlets; names of 40 characters.

mod body;
mod fields;
mod service;
mod smtp;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Severity;
use crate::config::keys::declared::{OUTLET, OUTLETS_MAX, SERVICES, ValueForm};
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, KeyEntry};
use crate::config::syntax::fault::Fault;
use crate::config::syntax::quote::quotable_key;
use crate::model::text::is_harmful;
use crate::notify::{Outlet, OutletTls};

use super::notes::{ALL, Notes};
use super::tls::TlsSources;
use fields::Fields;

/// Longest name of an outlet, characters.
const NAME_MAX: usize = 40;

/// The outlets without faults, and the names of all.
pub(super) struct OutletsSection {
    pub(super) outlets: Vec<Arc<Outlet>>,
    pub(super) names: Vec<Arc<str>>,
}

/// The outlets under `notify`.
pub(super) fn read(keys: &mut Keys<'_, '_>, notes: &mut Notes) -> OutletsSection {
    let reader = keys.reader();
    let ValueForm::Outlets(declared) = *keys.form("notify") else { unreachable!("notify is declared as outlets") };
    let (mut outlets, mut names): (Vec<Arc<Outlet>>, Vec<Arc<str>>) = (Vec::new(), Vec::new());
    let Some(id) = keys.take("notify") else { return OutletsSection { outlets, names } };
    let entries = reader.mapping(id).unwrap_or_default();
    if entries.len() > OUTLETS_MAX {
        reader.fault_at(id, format!("{} outlets are too many; the limit is {OUTLETS_MAX}", entries.len()));
    }
    let mut seen = HashSet::new();
    for entry in entries.into_iter().take(OUTLETS_MAX) {
        names.push(entry.name.into());
        if let Err(message) = name(entry.name) {
            reader.fault_at(entry.key, message);
        }
        let Some(keys) = Keys::of(reader, entry.value, declared) else { continue };
        for outlet in outlet(reader, &entry, keys, notes) {
            if !seen.insert(Arc::clone(&outlet.key)) {
                let key = quotable_key(&outlet.key);
                reader.fault_at(entry.key, format!("two outlets would be named {key:?}; rename this one"));
            }
            outlets.push(Arc::new(outlet));
        }
    }
    OutletsSection { outlets, names }
}

/// Why `text` cannot name an outlet.
fn name(text: &str) -> Result<(), String> {
    let quoted = quotable_key(text);
    if text == ALL {
        return Err(format!("an outlet cannot be named `{ALL}`, which stands for all of them"));
    }
    if text.trim() != text || text.is_empty() || text.chars().count() > NAME_MAX {
        return Err(format!("{quoted:?} cannot name an outlet; write 1 to {NAME_MAX} characters"));
    }
    if text.contains('.') || text.chars().any(is_harmful) {
        return Err(format!("{quoted:?} cannot name an outlet; write letters, digits and dashes, without dots"));
    }
    Ok(())
}

/// The outlet of `entry`; of e-mail, one for each recipient.
fn outlet(reader: &ConfigReader<'_>, entry: &KeyEntry<'_>, mut keys: Keys<'_, '_>, notes: &mut Notes) -> Vec<Outlet> {
    let name = entry.name;
    let only = keys.choice("only", [Severity::Warning, Severity::Critical]).unwrap_or(Severity::Warning);
    let sites = notes.sites(&mut keys);
    let after = keys.duration("after").unwrap_or(Duration::ZERO);
    let (title, text) = (template_of(&mut keys, "title"), template_of(&mut keys, "text"));
    let mut sources = TlsSources::default();
    sources.read_files(&mut keys);
    let insecure_at = keys.place("insecure");
    let insecure = keys.boolean("insecure").unwrap_or(false);
    let proxy = keys.take("proxy").and_then(|id| reader.text(id));
    let proxy = proxy.and_then(|text| fields::proxy(reader, &text, name, notes));
    let written: Vec<_> = OUTLET[..SERVICES].iter().filter_map(|key| Some((key.name, keys.key(key.name)?))).collect();
    let mut fields = Fields::take(reader, &mut keys, name, insecure);
    let all_known = keys.finish();
    let services = || OUTLET[..SERVICES].iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
    let service = match written.as_slice() {
        [] => {
            if all_known {
                let fault = Fault::new(reader.span(entry.key), format!("the outlet {name:?} names no service"));
                reader.fault(fault.hint(format!("write one of {}", services())));
            }
            return Vec::new();
        }
        [(service, _)] => *service,
        [(one, _), (other, at), ..] => {
            let message = format!("an outlet has one service, and this one has `{one}` and `{other}`");
            reader.fault(Fault::new(reader.span(*at), message).hint("write an outlet for each"));
            return Vec::new();
        }
    };
    let made = service::read(&mut fields, service, notes);
    fields.finish(service);
    if let (Some(at), true) = (insecure_at, insecure) {
        let warning = format!("the outlet {name:?} sends to any server, whatever its certificate (insecure: true)");
        notes.warnings.push((reader.span(at).start, warning));
    }
    let tls = OutletTls { insecure, roots: sources.roots(), identity: sources.identity() };
    let outlet = |(suffix, service): (Option<String>, _)| Outlet {
        name: name.into(),
        key: suffix.map_or_else(|| name.into(), |suffix| format!("{name} {suffix}").into()),
        service,
        after,
        only,
        sites: sites.clone(),
        title: title.clone(),
        text: text.clone(),
        tls: tls.clone(),
        proxy: proxy.clone(),
    };
    made.into_iter().map(outlet).collect()
}

/// The template under `name`.
fn template_of(keys: &mut Keys<'_, '_>, name: &'static str) -> Option<String> {
    let reader = keys.reader();
    let text = keys.take(name).and_then(|id| reader.text(id))?;
    fields::checked(reader, text)
}
