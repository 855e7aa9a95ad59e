//! One entry of `sites`, and the keys that `defaults` shares with it.
//!
//! [`SiteSettings`] begin with the built-in values; `defaults` and then the entry replace what they write. Sections (`expect`,
//! `tls`, `alert`) inherit key by key, headers by name. A new key is a line in [`declared`], a field of [`Site`] and a line in
//! [`SiteSettings::read`].

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::alert::maintenance::Maintenance;
use crate::alert::{Policies, Rule};
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, Scalar};
use crate::config::keys::value::set;
use crate::config::keys::{declared, value};
use crate::config::syntax::fault::Fault;
use crate::config::syntax::quote;
use crate::config::syntax::tree::{Kind, NodeId};
use crate::model::curl::BENIGN;
use crate::model::{
    EnvironmentProxies, Family, HttpOffer, KnownSecrets, Proxy, ProxyRule, Secret, SecretUrl, Site, http3,
};

use super::locations::LocationTerms;
use super::names::unique::{LEFT_OUT, SiteNames};
use super::names::{domain, records};
use super::notes::Notes;
use super::policies::AlertSettings;
use super::ports::{self, WrittenKeys};
use super::steps::Journey;
use super::steps::request::read_request;
use super::tls::TlsSources;
use super::url::{Address, SitePlace, TWO_CREDENTIALS, UNKNOWN};
use super::{headers, steps};

/// The meanings of the words of `http`, in their declared order.
pub(crate) const HTTP_OFFERS: [HttpOffer; 4] = [HttpOffer::Auto, HttpOffer::V11, HttpOffer::V2, HttpOffer::V3];

/// A site, the rules by which it is judged, and who is notified.
#[derive(Clone, Debug)]
pub struct ConfiguredSite {
    /// The site to probe.
    pub site: Arc<Site>,
    /// How it is judged.
    pub policies: Policies,
    /// The group that it is folded and filtered by.
    pub group: Option<Arc<str>>,
    /// Time to the first reminder of an open incident, 1 min to 24 h; each later one takes twice as long. `None`: no reminders.
    pub remind: Option<Duration>,
    /// The names of the outlets that hear of it; `None`: all.
    pub tell: Option<Arc<[Arc<str>]>>,
    /// The site that it depends on: while that one is down, no down of this one is told.
    pub parent: Option<Arc<str>>,
    /// Which locations check it, and how many must see it down.
    pub locations: LocationTerms,
    /// Its windows of maintenance, once those of the file are complete.
    pub maintenance: Arc<[Maintenance]>,
}

impl ConfiguredSite {
    /// When it counts as down.
    #[must_use]
    pub const fn rule(&self) -> &Rule {
        &self.policies.availability
    }

    /// Whether the same is said of it, and to the same outlets, as of `other`.
    #[must_use]
    pub fn is_judged_as(&self, other: &Self) -> bool {
        let of = |site: &Self| (site.policies, site.remind);
        of(self) == of(other)
            && (&self.tell, &self.parent, &self.locations) == (&other.tell, &other.parent, &other.locations)
            && self.maintenance == other.maintenance
    }
}

/// Every site key but name, url and parent, with what is inherited.
#[derive(Clone, Debug)]
pub(crate) struct SiteSettings {
    /// Its name and its URL are placeholders until [`Self::named`].
    pub(crate) site: Site,
    alert: AlertSettings,
    group: Option<Arc<str>>,
    note: Option<Arc<str>>,
    enabled: bool,
    tls: TlsSources,
    /// Sent to the server, which may send them back.
    secrets: Vec<String>,
}

impl SiteSettings {
    /// The built-in values, with these of `alert`.
    pub(crate) fn new(alert: AlertSettings) -> Self {
        let site = Site::new("", Url::parse("http://localhost").expect("this is a URL"));
        Self { site, alert, group: None, note: None, enabled: true, tls: TlsSources::default(), secrets: Vec::new() }
    }

    /// Replaces what is written in `keys`. Returns whether an Authorization header is among it.
    pub(crate) fn read(&mut self, keys: &mut Keys<'_, '_>, notes: &mut Notes) -> bool {
        let site = &mut self.site;
        set(&mut site.interval, keys.duration("interval"));
        set(&mut site.timeout, keys.duration("timeout"));
        read_request(keys, site);
        let version = keys.place("http");
        set(&mut site.http, keys.choice("http", HTTP_OFFERS));
        if let (HttpOffer::V3, Some(id), Some(missing)) = (site.http, version, http3::MISSING) {
            keys.reader().fault_at(id, missing);
        }
        set(&mut site.family, keys.choice("ip", [Family::Any, Family::V4, Family::V6]));
        set(&mut site.keep_alive, keys.boolean("keep_alive"));
        keys.section("dns", |keys| records::read(keys, &mut site.records, notes));
        domain::read(keys, &mut site.domain);
        let secrets = &mut self.secrets;
        keys.section("tls", |keys| self.tls.read(keys, &mut site.tls, secrets));
        set(&mut site.connect_to, keys.secret_value("connect_to", secrets, value::connect_to).map(Some));
        keys.section("alert", |keys| self.alert.read(keys, notes));
        self.alert.locations.read_assignment(keys);
        set(&mut self.group, keys.value("group", value::name).map(|group| Some(group.into())));
        set(&mut self.note, keys.value("note", value::note).map(|note| Some(note.into())));
        set(&mut self.enabled, keys.boolean("enabled"));
        if let Some(text) = keys.take("body").and_then(|id| keys.reader().text(id)) {
            self.secrets.extend(text.secrets);
            self.set_body(text.value);
        }
        if let Some(text) = keys.take("send").and_then(|id| keys.reader().text(id)) {
            self.secrets.extend(text.secrets);
            self.secrets.push(text.value.clone());
            self.site.send = Some(Secret::new(text.value));
        }
        if let Some(id) = keys.take("proxy") {
            self.read_proxy(keys.reader(), id, notes);
        }
        keys.take("headers").is_some_and(|id| self.read_headers(keys.reader(), id, notes))
    }

    fn read_proxy(&mut self, reader: &ConfigReader<'_>, id: NodeId, notes: &mut Notes) {
        let Some(text) = reader.text(id) else { return };
        match proxy_rule(reader, &text) {
            Ok(rule) => {
                if matches!(&rule, ProxyRule::One(proxy) if proxy.credentials.is_some()) {
                    notes.credential(&text, "the password of the proxy");
                }
                self.secrets.extend(rule.secrets());
                self.secrets.extend(text.secrets);
                self.site.proxy = rule;
            }
            Err(message) => reader.fault(text.fault(message)),
        }
    }

    fn read_headers(&mut self, reader: &ConfigReader<'_>, id: NodeId, notes: &mut Notes) -> bool {
        let mut is_authorized = false;
        for (name, value) in headers::read(reader, id) {
            if reader.is_null(value) {
                self.set_header(name, None);
            } else if let Some(text) = reader.text(value) {
                if let Err(message) = value::header_value(&text.value) {
                    reader.fault(text.fault(message));
                }
                if quote::is_sensitive(&name.to_ascii_lowercase()) {
                    notes.credential(&text, format!("the header {name}"));
                }
                self.secrets.extend(text.secrets);
                is_authorized |= headers::is_authorization(&name);
                self.set_header(name, Some(text.value));
            }
        }
        is_authorized
    }

    /// Replaces the header `name`, or removes it.
    pub(crate) fn set_header(&mut self, name: String, value: Option<String>) {
        if let Some(value) = &value
            && !BENIGN.iter().any(|benign| name.eq_ignore_ascii_case(benign))
        {
            self.secrets.extend(value.split_once(' ').map(|(_, after)| after.to_owned()));
            self.secrets.push(value.clone());
        }
        headers::set(&mut self.site.headers, name, value.map(Secret::new));
    }

    /// Replaces the body of the request.
    pub(crate) fn set_body(&mut self, body: String) {
        self.secrets.push(body.clone());
        self.site.body = Some(Secret::new(body));
    }

    /// The URL at `id`.
    fn read_url(
        &mut self,
        reader: &ConfigReader<'_>,
        id: NodeId,
        is_authorized: bool,
        notes: &mut Notes,
    ) -> Option<SitePlace> {
        let expanded = reader.text(id).and_then(|text| {
            let address = Address::of_site(&text.value).map_err(|message| reader.fault(text.fault(message))).ok()?;
            Some((text, address))
        });
        let (text, address) = if let Some(expanded) = expanded {
            expanded
        } else {
            // A command that reads the file without its variables still knows the site: its name, its group, its interval.
            let text = reader.unexpanded(id)?;
            let address = Address::of_site(&text.value).or_else(|_| Address::parse(UNKNOWN)).ok()?;
            (text, address)
        };
        if address.authorization.is_some() && is_authorized {
            reader.fault(Fault::new(text.span.clone(), TWO_CREDENTIALS));
        }
        if address.authorization.is_some() {
            notes.credential(&text, "the password in the URL");
        }
        self.secrets.extend(text.secrets);
        // A variable may hold a secret, so the name has stars in its place.
        let named = match &text.masked {
            Some(masked) => Address::of_site(masked).map(|address| address.shown),
            None => Ok(address.shown.clone()),
        };
        let shown = address.shown_as(text.masked.as_deref());
        let urls = vec![(address.url.clone(), text.span.clone())];
        Some(SitePlace { span: text.span, urls, address, named, shown })
    }

    /// The steps at `id`.
    fn read_steps(&mut self, reader: &ConfigReader<'_>, id: NodeId, notes: &mut Notes) -> Option<SitePlace> {
        let Journey { steps, first, urls, secrets } = steps::read(reader, id, &self.site, notes)?;
        self.secrets.extend(secrets);
        self.site.steps = steps.into();
        let shown = self.site.steps[0].shown.to_string();
        Some(SitePlace { span: urls[0].1.clone(), urls, address: first, named: Ok(shown.clone()), shown })
    }

    /// The site of this name at `address`, which is printed as `shown`.
    fn named(mut self, name: String, span: Range<usize>, address: Address, shown: String) -> SiteEntryDraft {
        if let Some(authorization) = address.authorization {
            headers::set(&mut self.site.headers, "Authorization".to_owned(), Some(authorization));
        }
        let mut site = Site {
            name: name.into(),
            protocol: address.scheme.protocol,
            url: SecretUrl::new(address.url),
            zone: address.zone.map(Arc::from),
            shown: shown.into(),
            secrets: KnownSecrets::new(self.secrets.iter().chain(&address.secrets).map(String::as_str)),
            ..self.site
        };
        site.keep_to_protocol();
        let (policies, site) = (self.alert.policies(site.tls.warn), Arc::new(site));
        let AlertSettings { remind, tell, locations, .. } = self.alert;
        let configured = ConfiguredSite {
            site,
            policies,
            group: self.group,
            remind,
            tell,
            parent: None,
            locations,
            maintenance: Arc::default(),
        };
        SiteEntryDraft { span, configured, parent: None, note: self.note, enabled: self.enabled }
    }
}

/// What is written under `proxy`. No message quotes it.
fn proxy_rule(reader: &ConfigReader<'_>, text: &Scalar) -> Result<ProxyRule, String> {
    match text.value.trim() {
        "none" => Ok(ProxyRule::None),
        "env" => {
            // Nothing is probed then.
            let Some(env) = reader.scope().env.filter(|_| !reader.absences.is_lenient()) else {
                return Ok(ProxyRule::None);
            };
            EnvironmentProxies::read(env).map(|proxies| ProxyRule::Environment(Arc::new(proxies)))
        }
        url => {
            let proxy = Proxy::parse(url)?;
            let is_same = |masked: &str| Proxy::parse(masked).is_ok_and(|masked| masked.shown == proxy.shown);
            let is_shown = text.masked.as_deref().is_none_or(is_same);
            Ok(ProxyRule::One(Arc::new(if is_shown { proxy } else { proxy.hidden() })))
        }
    }
}

/// One readable entry of `sites`.
pub(crate) struct SiteEntryDraft {
    /// Its name in the file, or else its URL.
    pub(crate) span: Range<usize>,
    pub(crate) configured: ConfiguredSite,
    /// Its `parent` as written.
    pub(crate) parent: Option<Scalar>,
    /// What the status page says about it.
    pub(crate) note: Option<Arc<str>>,
    pub(crate) enabled: bool,
}

impl SiteEntryDraft {
    /// The entry at `id`, a URL or a mapping, over `defaults`; none when its URL or its name cannot be read.
    pub(crate) fn read(
        reader: &ConfigReader<'_>,
        id: NodeId,
        defaults: &SiteSettings,
        (seen, notes): (&mut SiteNames, &mut Notes),
    ) -> Option<Self> {
        if reader.is_null(id) || matches!(reader.kind(id), Kind::List(_)) {
            reader.fault_at(id, "a site is a URL, or a mapping with a `url`");
            return None;
        }
        let mut settings = defaults.clone();
        let (mut name, mut url, mut steps, mut parent, mut is_authorized) = (None, Some(id), None, None, false);
        let (mut written, mut places) = (None, Vec::new());
        if matches!(reader.kind(id), Kind::Map(_)) {
            let mut keys = Keys::of(reader, id, declared::SITE)?;
            let steps_at = keys.key("steps");
            (name, url, steps) = (keys.take("name"), keys.take("url"), keys.take("steps"));
            parent = keys.take("parent").and_then(|id| reader.text(id));
            written = Some(WrittenKeys::of(&keys));
            let with_http3 = ["proxy", "keep_alive", "http"].into_iter();
            places.extend(with_http3.filter_map(|name| keys.key(name).map(|id| (name, reader.span(id)))));
            is_authorized = settings.read(&mut keys, notes);
            // An unknown key that is nearly `url` says it all.
            if url.is_none() && steps.is_none() && !keys.is_misspelt("url") && !keys.is_misspelt("steps") {
                reader.fault_at(id, "this site has no `url`");
            }
            if let (Some(_), Some(at)) = (url, steps_at) {
                reader.fault_at(at, "a site has either `url` or `steps`, whose URLs are their own; keep one of them");
            }
            keys.finish();
        }
        let named = name.map(|id| (reader.parsed(id, value::name), reader.span(id)));
        // A site whose URL is wrong has its name, too.
        let is_unique = named.as_ref().is_none_or(|written| seen.claim_written(reader, written));
        let place = match steps {
            Some(steps) => settings.read_steps(reader, steps, notes)?,
            None => settings.read_url(reader, url?, is_authorized, notes)?,
        };
        if let Some(written) = written {
            written.judge(reader, place.address.scheme);
        }
        for (url, span) in &place.urls {
            for (key, message) in http3::conflicts(&settings.site, place.address.scheme.protocol, url) {
                // What is inherited is said where the site asks for HTTP/3, or at its URL.
                let place = places.iter().find(|(name, _)| *name == key || key != "url" && *name == "http");
                reader.fault(Fault::new(place.map_or(span.clone(), |(_, span)| span.clone()), message));
            }
        }
        let (name, span) = if let Some((name, span)) = named {
            (name.filter(|_| is_unique)?, span)
        } else {
            let Ok(name) = place.named.and_then(|named| value::name(&named)) else {
                let at = place.span.start;
                reader.fault(Fault::new(place.span, "this site needs a `name`: its URL cannot serve as one"));
                reader.absences.tell(at, LEFT_OUT);
                return None;
            };
            let is_unique = seen.claim(reader, &name, &place.span);
            (Some(name).filter(|_| is_unique)?, place.span)
        };
        let mut entry = settings.named(name, span, place.address, place.shown);
        entry.configured.parent = parent.as_ref().map(|parent| parent.value.trim().into());
        entry.parent = parent;
        Some(entry)
    }

    /// An entry for a URL that was typed, with these settings and the URL as its name.
    ///
    /// # Errors
    /// Why it is not a URL, or does not go with the settings.
    pub(crate) fn typed(text: &str, settings: SiteSettings) -> Result<Self, String> {
        let address = Address::parse_typed(text)?;
        if address.authorization.is_some()
            && settings.site.headers.iter().any(|(name, _)| headers::is_authorization(name))
        {
            return Err(TWO_CREDENTIALS.to_owned());
        }
        ports::typed(&settings.site, address.scheme)?;
        if let Some((_, message)) = http3::conflicts(&settings.site, address.scheme.protocol, &address.url).first() {
            return Err((*message).to_owned());
        }
        let as_shown = text.contains("://") || address.shown.contains("***");
        let name = value::name(if as_shown { &address.shown } else { text })?;
        let shown = address.printed();
        Ok(settings.named(name, 0..0, address, shown))
    }
}
