//! One entry of `sites`, and the keys that `defaults` shares with it.
//!
//! The idea: a mapping is read into a [`Layer`] in which everything is optional; a site's layer over the layer of
//! `defaults` over the built-in values gives the [`Site`]. A new key is a line in [`declared`], a field of
//! the layer and a line in [`Layer::read`], [`Layer::over`] and [`SiteEntryDraft::meaning`]. Sections (`expect`, `tls`, `alert`) inherit key by key,
//! headers by name.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Rule, Threshold};
use crate::config::keys::reader::{ConfigReader, Keys};
use crate::config::keys::{declared, value};
use crate::config::syntax::fault::Fault;
use crate::config::syntax::quote;
use crate::config::syntax::tree::{Kind, NodeId};
use crate::model::{Family, HttpOffer, KnownSecrets, RedirectBody, Redirects, Secret, Site, shown_url};

use super::expect::ExpectLayer;
use super::tls::{TlsFileCache, TlsLayer};
use super::url::Address;

const MAX_BODY_DEFAULT: u64 = 1 << 20;
const HEADERS_MAX: usize = 100;

/// Headers whose values are no secrets when they stand in the file: to find them in an answer says nothing.
const BENIGN: [&str; 10] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-type",
    "host",
    "origin",
    "range",
    "referer",
    "user-agent",
];

/// Ten seconds: what a site has when nothing says otherwise, for both its interval and its timeout.
const TEN_SECONDS: Duration = Duration::from_secs(10);

/// The keys of a rule, in `alerting` and in a site's `alert`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RuleLayer {
    threshold: Option<Threshold>,
    window: Option<Duration>,
    min_samples: Option<u32>,
}

impl RuleLayer {
    pub(crate) fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self {
            threshold: keys.value("threshold", value::percentage),
            window: keys.duration("window"),
            min_samples: keys.whole("min_samples"),
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
pub(crate) struct Literal {
    pub(crate) span: Range<usize>,
    pub(crate) what: String,
}

/// Every site key but name and url, each if it was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    method: Option<String>,
    headers: Vec<Header>,
    body: Option<Secret>,
    expect: ExpectLayer,
    max_redirects: Option<u32>,
    redirects: Option<Redirects>,
    redirect_body: Option<RedirectBody>,
    max_body: Option<u64>,
    http: Option<HttpOffer>,
    family: Option<Family>,
    keep_alive: Option<bool>,
    tls: TlsLayer,
    rule: RuleLayer,
    group: Option<String>,
    enabled: Option<bool>,
    pub(crate) literals: Vec<Literal>,
    /// What a server is sent and may send back.
    secrets: Vec<String>,
}

impl Layer {
    pub(crate) fn read(keys: &mut Keys<'_, '_>) -> Self {
        let mut layer = Self {
            interval: keys.duration("interval"),
            timeout: keys.duration("timeout"),
            method: keys.value("method", value::method),
            max_redirects: keys.whole("max_redirects"),
            redirects: keys.choice("redirects", [Redirects::Any, Redirects::SameHost, Redirects::None]),
            redirect_body: keys.choice("redirect_body", [RedirectBody::SameHost, RedirectBody::Any]),
            max_body: keys.size("max_body"),
            group: keys.value("group", value::name),
            http: keys.choice("http", [HttpOffer::Auto, HttpOffer::V11, HttpOffer::V2]),
            family: keys.choice("ip", [Family::Any, Family::V4, Family::V6]),
            keep_alive: keys.boolean("keep_alive"),
            enabled: keys.boolean("enabled"),
            ..Self::default()
        };
        if let Some(text) = keys.take("body").and_then(|id| keys.reader().text(id)) {
            layer.secrets.extend(text.secrets);
            layer.secrets.push(text.value.clone());
            layer.body = Some(Secret::new(text.value));
        }
        if let Some(id) = keys.take("headers") {
            layer.read_headers(keys.reader(), id);
        }
        let mut expect = keys.section("expect");
        layer.expect = ExpectLayer::read(&mut expect);
        expect.finish();
        let mut tls = keys.section("tls");
        layer.tls = TlsLayer::read(&mut tls);
        tls.finish();
        let mut alert = keys.section("alert");
        layer.rule = RuleLayer::read(&mut alert);
        alert.finish();
        layer
    }

    fn read_headers(&mut self, reader: &ConfigReader<'_>, id: NodeId) {
        let entries = reader.keys(id, &[]).map_or_else(Vec::new, Keys::into_entries);
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
                if text.masked.is_none() && quote::is_sensitive(&name.to_ascii_lowercase()) {
                    self.literals.push(Literal { span: text.span, what: format!("the header {name}") });
                }
                if !BENIGN.iter().any(|benign| name.eq_ignore_ascii_case(benign)) {
                    self.secrets.extend(text.value.split_once(' ').map(|(_, after)| after.to_owned()));
                    self.secrets.push(text.value.clone());
                }
                self.secrets.extend(text.secrets);
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
            expect: self.expect.over(&below.expect),
            max_redirects: self.max_redirects.or(below.max_redirects),
            redirects: self.redirects.or(below.redirects),
            redirect_body: self.redirect_body.or(below.redirect_body),
            max_body: self.max_body.or(below.max_body),
            http: self.http.or(below.http),
            family: self.family.or(below.family),
            keep_alive: self.keep_alive.or(below.keep_alive),
            tls: self.tls.over(&below.tls),
            rule: self.rule.over(below.rule),
            group: self.group.or_else(|| below.group.clone()),
            enabled: self.enabled.or(below.enabled),
            literals: self.literals,
            secrets: self.secrets.into_iter().chain(below.secrets.iter().cloned()).collect(),
        }
    }
}

/// One readable entry of `sites`.
pub(crate) struct SiteEntryDraft {
    pub(crate) name: String,
    /// Where its name stands, or else its URL.
    pub(crate) span: Range<usize>,
    address: Address,
    /// The address as it may be printed.
    shown: Arc<str>,
    layer: Layer,
}

/// What an entry means.
pub(crate) struct SiteMeaning {
    pub(crate) site: Arc<Site>,
    pub(crate) rule: Rule,
    pub(crate) group: Option<Arc<str>>,
    pub(crate) enabled: bool,
    pub(crate) literals: Vec<Literal>,
}

impl SiteEntryDraft {
    /// The entry at `id`, a URL or a mapping; none when it cannot be told what to ask.
    pub(crate) fn read(reader: &ConfigReader<'_>, id: NodeId) -> Option<Self> {
        if reader.is_null(id) || matches!(reader.kind(id), Kind::List(_)) {
            reader.fault_at(id, "a site is a URL, or a mapping with a `url`");
            return None;
        }
        if matches!(reader.kind(id), Kind::Scalar { .. }) {
            return Self::new(reader, None, id, Layer::default());
        }
        let mut keys = reader.keys(id, declared::SITE)?;
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

    fn new(reader: &ConfigReader<'_>, name: Option<NodeId>, url: NodeId, mut layer: Layer) -> Option<Self> {
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
        let shown = shown(&address, text.masked.as_deref()).into();
        layer.secrets.extend(address.secrets.iter().chain(&text.secrets).cloned());
        let (name, span) = if let Some((name, span)) = named {
            (name?, span)
        } else {
            // What a variable holds may be secret, so the name has stars in its place.
            let named = match &text.masked {
                Some(masked) => Address::parse(masked).map(|address| address.shown),
                None => Ok(address.shown.clone()),
            };
            let Ok(name) = named.and_then(|named| value::name(&named)) else {
                reader.fault(Fault::new(text.span, "this site needs a `name`; its URL cannot be one"));
                return None;
            };
            (name, text.span)
        };
        Some(Self { name, span, address, shown, layer })
    }

    /// The site, over `defaults`; its rule over `alerting`; contents of files are taken from `shared` or put there.
    pub(crate) fn meaning(self, defaults: &Layer, alerting: RuleLayer, shared: &mut TlsFileCache) -> SiteMeaning {
        let mut layer = self.layer;
        if let Some(authorization) = self.address.authorization {
            layer.headers.push(Header { name: "Authorization".to_owned(), value: Some(authorization) });
        }
        let layer = layer.over(defaults);
        let site = Site {
            zone: self.address.zone.map(Arc::from),
            shown: self.shown,
            interval: layer.interval.unwrap_or(TEN_SECONDS),
            timeout: layer.timeout.unwrap_or(TEN_SECONDS),
            method: layer.method.unwrap_or_else(|| "GET".to_owned()),
            headers: layer.headers.into_iter().filter_map(|header| Some((header.name, header.value?))).collect(),
            body: layer.body,
            expect: layer.expect.meaning(),
            redirects: layer.redirects.unwrap_or_default(),
            redirect_body: layer.redirect_body.unwrap_or_default(),
            max_redirects: layer.max_redirects.map_or(10, |n| u8::try_from(n).expect("at most 31")),
            max_body: layer.max_body.unwrap_or(MAX_BODY_DEFAULT),
            http: layer.http.unwrap_or_default(),
            family: layer.family.unwrap_or_default(),
            keep_alive: layer.keep_alive.unwrap_or(false),
            tls: layer.tls.meaning(shared),
            secrets: KnownSecrets::new(layer.secrets.iter().map(String::as_str)),
            ..Site::new(self.name, self.address.url)
        };
        SiteMeaning {
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
    pub(crate) fn typed(text: &str) -> Result<Self, String> {
        let address = Address::parse_typed(text)?;
        let as_shown = text.contains("://") || address.shown.contains("***");
        let name = value::name(if as_shown { &address.shown } else { text })?;
        let shown = shown_url(&address.url).into();
        let layer = Layer { secrets: address.secrets.clone(), ..Layer::default() };
        Ok(Self { name, span: 0..0, address, shown, layer })
    }
}

/// `address` as it may be printed; `masked` is its text with stars for what came out of variables.
fn shown(address: &Address, masked: Option<&str>) -> String {
    match masked.map(Address::parse) {
        None => shown_url(&address.url),
        Some(Ok(masked)) => shown_url(&masked.url),
        // Stars are no port, for instance.
        Some(Err(_)) => format!("{}://***", address.url.scheme()),
    }
}
