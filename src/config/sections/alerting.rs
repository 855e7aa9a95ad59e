//! The section `alerting`: what holds for the alerts of all sites, and whom to tell.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Calm;
use crate::alert::maintenance::Maintenance;
use crate::config::keys::declared::ValueForm;
use crate::config::keys::mapping::Keys;
use crate::config::keys::value::{duration_in, set};
use crate::config::syntax::fault::Fault;
use crate::model::SecretUrl;
use crate::notify::Outlet;

use super::notes::Notes;
use super::notify::OutletsSection;
use super::url::secret_url;
use super::{maintenance, notify};

/// What holds for the alerts of all sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerting {
    /// How long a message waits for others, 0 s to 5 min.
    pub group: Duration,
    /// The calm that must pass after a relapse before an incident closes; `None`: none.
    pub calm: Option<Calm>,
    /// Whether outages of webmon's own network are recognized.
    pub own_network: bool,
    /// Whether a silent or blind location is an alert.
    pub locations: bool,
    /// Whom webmon tells that it works.
    pub heartbeat: Option<Heartbeat>,
    /// Windows in which outlets get no messages, in the order of the file.
    pub maintenance: Vec<Maintenance>,
    /// The outlets, in the order of the file; their keys are unique.
    pub outlets: Vec<Arc<Outlet>>,
}

impl Default for Alerting {
    fn default() -> Self {
        Self {
            group: Duration::from_secs(10),
            calm: Some(Calm::default()),
            own_network: true,
            locations: true,
            heartbeat: None,
            maintenance: Vec::new(),
            outlets: Vec::new(),
        }
    }
}

/// A dead man's switch: its service notifies people when webmon no longer requests its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The URL to request.
    pub url: SecretUrl,
    /// Time between requests.
    pub every: Duration,
}

/// The section, and the names of its outlets, also of those with faults.
pub(crate) struct AlertingSection {
    pub(crate) alerting: Alerting,
    pub(crate) outlet_names: Vec<Arc<str>>,
}

impl AlertingSection {
    /// The keys that no site overrides, but `exec`.
    pub(crate) fn read(keys: &mut Keys<'_, '_>, notes: &mut Notes) -> Self {
        let mut alerting = Alerting::default();
        set(&mut alerting.group, keys.duration("group"));
        let ValueForm::Calm([low, high]) = *keys.form("calm") else { unreachable!("calm has its own form") };
        let limits = Duration::from_secs(low)..=Duration::from_secs(high);
        set(&mut alerting.calm, keys.value("calm", |text| calm(text, &limits)));
        set(&mut alerting.own_network, keys.choice("own_network", [true, false]));
        set(&mut alerting.locations, keys.boolean("locations"));
        alerting.heartbeat = heartbeat(keys, notes);
        alerting.maintenance = maintenance::read(keys, notes);
        let OutletsSection { outlets, names } = notify::read(keys, notes);
        alerting.outlets = outlets;
        Self { alerting, outlet_names: names }
    }
}

/// `a..b`, both within `limits`, or none for `off`.
fn calm(text: &str, limits: &RangeInclusive<Duration>) -> Result<Option<Calm>, String> {
    if text.trim() == "off" {
        return Ok(None);
    }
    let Some((least, most)) = text.split_once("..") else {
        return Err(format!("{text:?} is not a range of durations such as 5m..1h; or write off"));
    };
    let (least, most) = (duration_in(least, limits)?, duration_in(most, limits)?);
    if least > most {
        return Err(format!("the range {} starts above its end", text.trim()));
    }
    Ok(Some(Calm { least, most }))
}

fn heartbeat(keys: &mut Keys<'_, '_>, notes: &mut Notes) -> Option<Heartbeat> {
    let reader = keys.reader();
    let ValueForm::Section(declared) = *keys.form("heartbeat") else { unreachable!("it is declared as a section") };
    let id = keys.take("heartbeat").filter(|&id| !reader.is_null(id))?;
    let mut keys = Keys::of(reader, id, declared)?;
    let (url_at, every) = (keys.take("url"), keys.duration("every"));
    keys.finish();
    let Some(url_at) = url_at else {
        let fault = Fault::new(reader.span(id), "this heartbeat has no `url`");
        reader.fault(fault.hint("example: heartbeat: { url: \"${HC_URL}\", every: 1m }"));
        return None;
    };
    let text = reader.text(url_at)?;
    notes.credential(&text, "the URL of the heartbeat");
    let url = secret_url(reader, &text)?;
    Some(Heartbeat { url, every: every.unwrap_or(Duration::from_mins(1)) })
}
