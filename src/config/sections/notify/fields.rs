//! The keys of one outlet that depend on its service.

use crate::config::keys::declared::{OUTLET, SERVICES};
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, Scalar};
use crate::config::keys::value;
use crate::config::sections::notes::Notes;
use crate::config::sections::url::secret_url;
use crate::config::syntax::fault::Fault;
use crate::config::syntax::quote::safe;
use crate::config::syntax::tree::NodeId;
use crate::model::text::is_harmful;
use crate::model::{Secret, SecretUrl};
use crate::notify::template;

/// Keys beside those of the services.
const OTHERS: [&str; 6] = ["token", "server", "headers", "body", "smtp", "from"];
/// Longest value, bytes.
const VALUE_MAX: usize = 4 << 10;

/// The keys that the service has not asked for yet.
pub(super) struct Fields<'r, 'a> {
    pub(super) reader: &'r ConfigReader<'a>,
    /// The outlet's name.
    pub(super) outlet: &'r str,
    pub(super) insecure: bool,
    left: Vec<(&'static str, NodeId, NodeId)>,
    /// Where the service is named.
    at: Option<NodeId>,
}

impl<'r, 'a> Fields<'r, 'a> {
    pub(super) fn take(reader: &'r ConfigReader<'a>, keys: &mut Keys<'_, '_>, outlet: &'r str, insecure: bool) -> Self {
        let mut left = Vec::new();
        for name in OUTLET[..SERVICES].iter().map(|key| key.name).chain(OTHERS) {
            let key = keys.key(name);
            left.extend(keys.take(name).zip(key).map(|(value, key)| (name, key, value)));
        }
        let at = left.first().map(|(_, key, _)| *key);
        Self { reader, outlet, insecure, left, at }
    }

    /// The value of `name`, if it is written.
    pub(super) fn value(&mut self, name: &'static str) -> Option<NodeId> {
        let at = self.left.iter().position(|(left, ..)| *left == name)?;
        Some(self.left.remove(at).2)
    }

    /// The value of `name`, which `service` needs.
    pub(super) fn needed(&mut self, name: &'static str, example: &str) -> Option<NodeId> {
        let value = self.value(name);
        if value.is_none() {
            let span = self.at.map_or(0..0, |at| self.reader.span(at));
            let fault = Fault::new(span, format!("the outlet {:?} has no `{name}`", self.outlet));
            self.reader.fault(fault.hint(format!("example: {name}: {example}")));
        }
        value
    }

    /// A word of a service, as it is.
    pub(super) fn word(&mut self, id: Option<NodeId>) -> Option<Scalar> {
        let text = self.reader.text(id?)?;
        let message = if text.value.trim().is_empty() {
            "this value is empty".to_owned()
        } else if text.value.len() > VALUE_MAX {
            "this value is longer than 4 KiB".to_owned()
        } else if text.value.chars().any(|c| is_harmful(c) || c.is_whitespace()) {
            "this value contains whitespace or a control character".to_owned()
        } else {
            return Some(text);
        };
        self.reader.fault(text.fault(message));
        None
    }

    /// A secret word.
    pub(super) fn secret(&mut self, name: &'static str, id: Option<NodeId>, notes: &mut Notes) -> Option<Secret> {
        let text = self.word(id)?;
        notes.credential(&text, format!("the {name} of the outlet {:?}", self.outlet));
        Some(Secret::new(text.value))
    }

    pub(super) fn token(&mut self, example: &str, notes: &mut Notes) -> Option<Secret> {
        let id = self.needed("token", example);
        self.secret("token", id, notes)
    }

    /// A URL that is a secret as a whole.
    pub(super) fn url(&mut self, name: &'static str, notes: &mut Notes) -> Option<SecretUrl> {
        let text = self.value(name).and_then(|id| self.reader.text(id))?;
        let url = secret_url(self.reader, &text)?;
        notes.credential(&text, format!("the {name} URL of the outlet {:?}", self.outlet));
        Some(url)
    }

    /// A URL of which only a user and a password are secret.
    pub(super) fn open_url(&mut self, name: &'static str, id: Option<NodeId>, notes: &mut Notes) -> Option<SecretUrl> {
        let text = self.reader.text(id?)?;
        let url = secret_url(self.reader, &text)?;
        if url.expose().password().is_some() || !url.expose().username().is_empty() {
            notes.credential(&text, format!("the password in the {name} of the outlet {:?}", self.outlet));
        }
        Some(url)
    }

    /// The `server`, or this public one.
    pub(super) fn server_or(&mut self, public: &str, notes: &mut Notes) -> Option<SecretUrl> {
        match self.value("server") {
            Some(id) => self.open_url("server", Some(id), notes),
            None => Some(SecretUrl::new(public.parse().expect("the public servers have URLs"))),
        }
    }

    /// Faults the keys that this service has no use for.
    pub(super) fn finish(self, service: &str) {
        for (name, key, _) in self.left {
            self.reader.fault_at(key, format!("`{name}` has no meaning for {service}; remove it"));
        }
    }
}

/// The proxy `text` of an outlet.
pub(super) fn proxy(reader: &ConfigReader<'_>, text: &Scalar, outlet: &str, notes: &mut Notes) -> Option<SecretUrl> {
    let url = secret_url(reader, text)?;
    if url.expose().scheme() != "http" {
        reader.fault(text.fault("a proxy is http://host:port; it only sees the encrypted connection".to_owned()));
        return None;
    }
    if url.expose().password().is_some() {
        notes.credential(text, format!("the password of the proxy of the outlet {outlet:?}"));
    }
    Some(url)
}

/// Checks the value of a header.
pub(super) fn header_value(reader: &ConfigReader<'_>, text: &Scalar) -> bool {
    let checked = value::header_value(&text.value).map(drop);
    checked.map_err(|message| reader.fault(text.fault(message))).is_ok()
}

/// The template `text`, unless it is wrong.
pub(super) fn checked(reader: &ConfigReader<'_>, text: Scalar) -> Option<String> {
    // With stars in place of what may be secret, so that the message can be shown.
    if let Err(message) = template::check_text(text.masked.as_ref().unwrap_or(&text.value)) {
        reader.fault(Fault::new(text.span, safe(message, &text.value)));
        return None;
    }
    if let Err(message) = template::check_text(&text.value) {
        reader.fault(text.fault(message));
        return None;
    }
    Some(text.value)
}
