//! One entry of `sites`, and the keys that `defaults` shares with it.
//!
//! The idea: a mapping is read into a [`Layer`] in which everything is optional; a site's layer over the layer of
//! `defaults` over the built-in values gives the [`Site`]. A new key is a field of the layer and a line in
//! [`Layer::read`], [`Layer::over`] and [`Entry::meaning`]. Sections (`expect`, `tls`, `alert`) inherit key by key,
//! headers by name.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Rule, Threshold};
use crate::model::{Secret, Site, StatusSet};

use super::address::Address;
use super::fault::Fault;
use super::mask;
use super::read::{Keys, Reader};
use super::value;
use super::yaml::{Kind, NodeId};

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(7 * 24);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(10);
const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);
const MAX_BODY: RangeInclusive<u64> = 1..=1 << 30;
const MAX_REDIRECTS: RangeInclusive<u32> = 0..=31;
const MIN_SAMPLES: RangeInclusive<u32> = 1..=1_000_000;
const HEADERS_MAX: usize = 100;

/// Ten seconds: what a site has when nothing says otherwise, for both its interval and its timeout.
const TEN_SECONDS: Duration = Duration::from_secs(10);

/// The keys of a rule, in `alerting` and in a site's `alert`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RuleLayer {
    threshold: Option<Threshold>,
    window: Option<Duration>,
    min_samples: Option<u32>,
}

impl RuleLayer {
    pub(super) fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self {
            threshold: keys.value("threshold", value::percentage),
            window: keys.value("window", |text| value::duration_in(text, &WINDOW)),
            min_samples: keys.value("min_samples", |text| value::number_in(text, &MIN_SAMPLES)),
        }
    }

    fn over(self, below: Self) -> Self {
        Self {
            threshold: self.threshold.or(below.threshold),
            window: self.window.or(below.window),
            min_samples: self.min_samples.or(below.min_samples),
        }
    }

    fn rule(self) -> Rule {
        let default = Rule::default();
        Rule {
            threshold: self.threshold.unwrap_or(default.threshold),
            window: self.window.unwrap_or(default.window),
            min_samples: self.min_samples.unwrap_or(default.min_samples),
        }
    }
}

/// One header as written; without a value it removes the one below.
#[derive(Clone, Debug)]
struct Header {
    name: String,
    value: Option<Secret>,
}

/// A credential that stands in the file itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) span: Range<usize>,
    pub(super) what: String,
}

/// Every site key but name and url, each if it was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    method: Option<String>,
    headers: Vec<Header>,
    body: Option<Secret>,
    status: Option<StatusSet>,
    max_redirects: Option<u32>,
    max_body: Option<u64>,
    insecure: Option<bool>,
    rule: RuleLayer,
    group: Option<String>,
    enabled: Option<bool>,
    pub(super) literals: Vec<Literal>,
}

impl Layer {
    pub(super) fn read(keys: &mut Keys<'_, '_>) -> Self {
        let mut layer = Self {
            interval: keys.value("interval", |text| value::duration_in(text, &INTERVAL)),
            timeout: keys.value("timeout", |text| value::duration_in(text, &TIMEOUT)),
            method: keys.value("method", value::method),
            body: keys.value("body", |text| Ok(Secret::new(text))),
            max_redirects: keys.value("max_redirects", |text| value::number_in(text, &MAX_REDIRECTS)),
            max_body: keys.value("max_body", |text| value::size_in(text, &MAX_BODY)),
            group: keys.value("group", value::name),
            enabled: keys.value("enabled", value::boolean),
            ..Self::default()
        };
        if let Some(id) = keys.take("headers") {
            layer.read_headers(keys.reader(), id);
        }
        let mut expect = keys.section("expect");
        layer.status = expect.take("status").and_then(|id| status(expect.reader(), id));
        expect.finish();
        let mut tls = keys.section("tls");
        layer.insecure = tls.value("insecure", value::boolean);
        tls.finish();
        let mut alert = keys.section("alert");
        layer.rule = RuleLayer::read(&mut alert);
        alert.finish();
        layer
    }

    fn read_headers(&mut self, reader: &Reader<'_>, id: NodeId) {
        let entries = reader.keys(id).map_or_else(Vec::new, Keys::into_entries);
        if entries.len() > HEADERS_MAX {
            reader.fault_at(id, format!("{} headers are too many; there can be {HEADERS_MAX}", entries.len()));
            return;
        }
        for entry in entries {
            let name = match value::header_name(entry.name) {
                Ok(name) => name,
                Err(message) => {
                    reader.fault_at(entry.key, message);
                    continue;
                }
            };
            if self.headers.iter().any(|header| header.name.eq_ignore_ascii_case(&name)) {
                reader.fault_at(entry.key, format!("the header {name} is written twice; case makes no difference"));
                continue;
            }
            if reader.is_null(entry.value) {
                self.headers.push(Header { name, value: None });
            } else if let Some(text) = reader.text(entry.value) {
                if let Err(message) = value::header_value(&text.value) {
                    reader.fault(text.fault(message));
                }
                if text.masked.is_none() && mask::is_sensitive(&name.to_ascii_lowercase()) {
                    self.literals.push(Literal { span: text.span, what: format!("the header {name}") });
                }
                self.headers.push(Header { name, value: Some(Secret::new(text.value)) });
            }
        }
    }

    /// This where it says something, else `below`.
    fn over(self, below: &Self) -> Self {
        let mut headers = below.headers.clone();
        for header in self.headers {
            headers.retain(|kept| !kept.name.eq_ignore_ascii_case(&header.name));
            headers.push(header);
        }
        Self {
            interval: self.interval.or(below.interval),
            timeout: self.timeout.or(below.timeout),
            method: self.method.or_else(|| below.method.clone()),
            headers,
            body: self.body.or_else(|| below.body.clone()),
            status: self.status.or_else(|| below.status.clone()),
            max_redirects: self.max_redirects.or(below.max_redirects),
            max_body: self.max_body.or(below.max_body),
            insecure: self.insecure.or(below.insecure),
            rule: self.rule.over(below.rule),
            group: self.group.or_else(|| below.group.clone()),
            enabled: self.enabled.or(below.enabled),
            literals: self.literals,
        }
    }
}

/// One readable entry of `sites`.
pub(super) struct Entry {
    pub(super) name: String,
    /// Where its name stands, or else its URL.
    pub(super) span: Range<usize>,
    address: Address,
    layer: Layer,
}

/// What an entry means.
pub(super) struct Meaning {
    pub(super) site: Arc<Site>,
    pub(super) rule: Rule,
    pub(super) group: Option<Arc<str>>,
    pub(super) enabled: bool,
    pub(super) literals: Vec<Literal>,
}

impl Entry {
    /// The entry at `id`, a URL or a mapping; none when it cannot be told what to ask.
    pub(super) fn read(reader: &Reader<'_>, id: NodeId) -> Option<Self> {
        if reader.is_null(id) || matches!(reader.kind(id), Kind::List(_)) {
            reader.fault_at(id, "a site is a URL, or a mapping with a `url`");
            return None;
        }
        if matches!(reader.kind(id), Kind::Scalar { .. }) {
            return Self::new(reader, None, id, Layer::default());
        }
        let mut keys = reader.keys(id)?;
        let name = keys.take("name");
        let url = keys.take("url");
        let layer = Layer::read(&mut keys);
        keys.finish();
        let Some(url) = url else {
            reader.fault_at(id, "this site has no `url`");
            return None;
        };
        Self::new(reader, name, url, layer)
    }

    fn new(reader: &Reader<'_>, name: Option<NodeId>, url: NodeId, mut layer: Layer) -> Option<Self> {
        let named = name.map(|id| (reader.parsed(id, value::name), reader.span(id)));
        let text = reader.text(url)?;
        let address = Address::parse(&text.value).map_err(|message| reader.fault(text.fault(message))).ok()?;
        let authorized =
            layer.headers.iter().any(|h| h.value.is_some() && h.name.eq_ignore_ascii_case("authorization"));
        if address.authorization.is_some() && authorized {
            let message = "this URL holds credentials, and the site has an Authorization header; keep one of them";
            reader.fault(Fault::new(text.span.clone(), message));
        }
        if address.authorization.is_some() && text.masked.is_none() {
            layer.literals.push(Literal { span: text.span.clone(), what: "the password in the URL".to_owned() });
        }
        let (name, span) = if let Some((name, span)) = named {
            (name?, span)
        } else {
            // What a variable holds may be secret, so the name has stars in its place.
            let shown = match &text.masked {
                Some(masked) => Address::parse(masked).map(|address| address.shown),
                None => Ok(address.shown.clone()),
            };
            let Ok(name) = shown.and_then(|shown| value::name(&shown)) else {
                reader.fault(Fault::new(text.span, "this site needs a `name`; its URL cannot be one"));
                return None;
            };
            (name, text.span)
        };
        Some(Self { name, span, address, layer })
    }

    /// The site, over `defaults`; its rule over `alerting`.
    pub(super) fn meaning(self, defaults: &Layer, alerting: RuleLayer) -> Meaning {
        let mut layer = self.layer;
        if let Some(authorization) = self.address.authorization {
            layer.headers.push(Header { name: "Authorization".to_owned(), value: Some(authorization) });
        }
        let layer = layer.over(defaults);
        let site = Site {
            name: self.name.into(),
            url: self.address.url,
            interval: layer.interval.unwrap_or(TEN_SECONDS),
            timeout: layer.timeout.unwrap_or(TEN_SECONDS),
            method: layer.method.unwrap_or_else(|| "GET".to_owned()),
            headers: layer.headers.into_iter().filter_map(|header| Some((header.name, header.value?))).collect(),
            body: layer.body,
            expect_status: layer.status.unwrap_or_default(),
            max_redirects: layer.max_redirects.map_or(10, |n| u8::try_from(n).expect("at most 31")),
            max_body: layer.max_body.unwrap_or(1 << 20),
            insecure: layer.insecure.unwrap_or(false),
        };
        Meaning {
            site: Arc::new(site),
            rule: layer.rule.over(alerting).rule(),
            group: layer.group.map(Arc::from),
            enabled: layer.enabled.unwrap_or(true),
            literals: layer.literals,
        }
    }

    /// An entry for a URL that was typed, named by itself.
    ///
    /// # Errors
    /// Why it is no URL.
    pub(super) fn typed(text: &str) -> Result<Self, String> {
        let address = Address::parse_typed(text)?;
        let as_shown = text.contains("://") || address.shown.contains("***");
        let name = value::name(if as_shown { &address.shown } else { text })?;
        Ok(Self { name, span: 0..0, address, layer: Layer::default() })
    }
}

/// The status codes at `id`: one, a range, several with commas, or a list of these.
fn status(reader: &Reader<'_>, id: NodeId) -> Option<StatusSet> {
    let items = match reader.kind(id) {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(&id),
    };
    if items.is_empty() {
        reader.fault_at(id, "an empty list accepts no status; write for instance 200-299");
        return None;
    }
    let ranges: Vec<Option<_>> = items.iter().map(|&item| reader.parsed(item, value::status_ranges)).collect();
    Some(StatusSet::from_ranges(ranges.into_iter().collect::<Option<Vec<_>>>()?.concat()))
}
