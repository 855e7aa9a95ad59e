//! Every key of sites.yaml, declared once: its name, its form, its default and its description.
//!
//! The reader takes limits, choices and "did you mean" from here; the JSON Schema and the file of `webmon init` are printed
//! from here. A new key is a line here and a line where its section is read; `super::mapping::Keys` insists on both.
//!
//! Invariant, held by a test: writing a default means the same as writing nothing.

mod alerting;
mod arrangement;
mod expect;
mod fleet;
mod listen;
mod names;
mod outlet;
mod page;
mod site;
mod steps;
mod unused;

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::tui::arrangement::sort::SortKey;

pub(crate) use alerting::OUTLETS_MAX;
pub(crate) use outlet::{OUTLET, SERVICES};
pub(crate) use site::SITE;
pub(crate) use steps::{FIELDS_MAX, STEP, TAKE};
pub(crate) use unused::{UNUSED, UPGRADED, UPGRADING, UnusedKey};

/// A key of a mapping.
#[derive(Debug)]
pub(crate) struct DeclaredKey {
    pub(crate) name: &'static str,
    pub(crate) form: ValueForm,
    /// As it could be written; empty when no text means the default.
    pub(crate) default: &'static str,
    /// A value to show where the default shows too little; else empty.
    pub(crate) example: &'static str,
    /// Lower case, half a line.
    pub(crate) doc: &'static str,
    pub(crate) required: bool,
    /// Its value is a secret as a whole.
    pub(crate) is_secret: bool,
    /// A comment in the template in spite of its default.
    pub(crate) is_rare: bool,
}

/// The values that a key accepts.
#[derive(Debug)]
pub(crate) enum ValueForm {
    Duration(RangeInclusive<Duration>),
    /// Bytes.
    Size(RangeInclusive<u64>),
    Whole(RangeInclusive<u32>),
    Percentage,
    Boolean,
    /// One of these words.
    Choice(&'static [&'static str]),
    Text,
    /// A URL of the web.
    Url,
    /// A URL with any scheme of sites.
    SiteUrl,
    /// The path of a file.
    Path,
    /// A status code, a range, several of these with commas, or a list of them.
    Status,
    /// A mapping from header names to values.
    Headers,
    /// A mapping from header names to what is expected of them.
    HeaderWishes,
    /// What the records of one type must be, at most this many.
    Records(usize),
    /// A mapping from places of a JSON document to what is expected there.
    JsonWishes,
    /// A mapping from at most this many names to texts.
    Texts(usize),
    /// A program and its arguments, at most this many.
    Words(usize),
    /// One of these words, or a list of at most this many addresses.
    NameServers(&'static [&'static str], usize),
    /// Some of these words, at least so many, as a list.
    Choices(&'static [&'static str], usize),
    /// A word, or a list of at most this many.
    Names(usize),
    /// A pin of a public key, or a list of at most this many.
    Pins(usize),
    /// The URL of a NATS server, or a list of at most this many.
    Servers(usize),
    /// The URL of a proxy, or one of these words.
    Proxy(&'static [&'static str]),
    /// `majority`, `any`, `all`, a number of locations, or a whole percentage of them.
    Quorum,
    /// `all`, a number up to this, or a list of at most so many names of locations.
    Locations(u32),
    /// Two durations between these seconds, `5m..1h`, or `off`.
    Calm([u64; 2]),
    /// This word, or that.
    Or(&'static str, &'static Self),
    /// A mapping with these keys, or the value of the first of them alone.
    Shorthand(&'static [DeclaredKey]),
    /// A mapping from names to mappings with these keys.
    Outlets(&'static [DeclaredKey]),
    /// A mapping from names to mappings with one of these keys.
    Takes(&'static [DeclaredKey]),
    /// Any value.
    Any,
    /// A list of URLs and of mappings with these keys.
    Sites(&'static [DeclaredKey]),
    /// A list of mappings with these keys, of this length.
    List(&'static [DeclaredKey], RangeInclusive<usize>),
    /// A mapping with these keys.
    Section(&'static [DeclaredKey]),
}

impl ValueForm {
    /// The keys below it.
    pub(super) fn keys(&self) -> &'static [DeclaredKey] {
        match self {
            Self::Section(keys)
            | Self::Sites(keys)
            | Self::List(keys, _)
            | Self::Shorthand(keys)
            | Self::Outlets(keys)
            | Self::Takes(keys) => keys,
            Self::Or(_, form) => form.keys(),
            _ => &[],
        }
    }
}

/// The paths of the sections below `keys` that have a key `name`: those at the top, or else the deeper ones.
pub(super) fn sections_with(keys: &'static [DeclaredKey], name: &str) -> Vec<String> {
    let sections = || {
        keys.iter().filter_map(|section| match &section.form {
            ValueForm::Section(keys) | ValueForm::Or(_, ValueForm::Section(keys)) => Some((section.name, *keys)),
            _ => None,
        })
    };
    let has_it = |(_, keys): &(&str, &[DeclaredKey])| keys.iter().any(|key| key.name == name);
    let at_top: Vec<String> = sections().filter(has_it).map(|(section, _)| section.to_owned()).collect();
    if !at_top.is_empty() {
        return at_top;
    }
    let deeper = |(section, keys)| sections_with(keys, name).into_iter().map(move |path| format!("{section}.{path}"));
    sections().flat_map(deeper).collect()
}

/// Whether `name` is a key of any mapping.
pub(crate) fn is_key(name: &str) -> bool {
    fn among(keys: &[DeclaredKey], name: &str) -> bool {
        keys.iter().any(|key| key.name == name || among(key.form.keys(), name))
    }
    among(FILE, name)
}

/// The keys whose values are secrets as a whole wherever they stand, `token` aside.
pub(crate) fn secret_keys() -> impl Iterator<Item = &'static str> {
    // `url` and `server` are names of other keys too.
    let is_plain = |name: &&str| !["url", "server", "token"].contains(name);
    outlet::OUTLET.iter().filter(|key| key.is_secret).map(|key| key.name).filter(is_plain)
}

const fn key(name: &'static str, form: ValueForm, doc: &'static str) -> DeclaredKey {
    DeclaredKey { name, form, default: "", example: "", doc, required: false, is_secret: false, is_rare: false }
}

impl DeclaredKey {
    const fn or(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    const fn such_as(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    const fn rare(self) -> Self {
        Self { is_rare: true, ..self }
    }

    /// The value to show in a template.
    pub(crate) const fn shown(&self) -> &'static str {
        if self.example.is_empty() { self.default } else { self.example }
    }
}

const fn seconds(low: u64, high: u64) -> ValueForm {
    ValueForm::Duration(Duration::from_secs(low)..=Duration::from_secs(high))
}

const fn millis(low: u64, high: u64) -> ValueForm {
    ValueForm::Duration(Duration::from_millis(low)..=Duration::from_millis(high))
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The whole file.
pub(crate) static FILE: &[DeclaredKey] = &[
    key(
        "defaults",
        ValueForm::Section(site::DEFAULTS),
        "for all sites: every site key but name, url, steps and parent",
    ),
    key("sites", ValueForm::Sites(SITE), "the websites to watch: URLs, or mappings with a `url` or `steps`").required(),
    key("dashboard", ValueForm::Section(DASHBOARD), "how the dashboard looks"),
    key(
        "alerting",
        ValueForm::Section(alerting::ALERTING),
        "when a site counts as down, and who is told; a site's `alert` overrides it",
    ),
    key("storage", ValueForm::Section(STORAGE), "where checks and alerts are stored, and for how long"),
    key("dns", ValueForm::Section(DNS), "how host names are resolved"),
    key("network", ValueForm::Section(NETWORK), "the threads that check"),
    key("export", ValueForm::Section(EXPORT), "where every stored check is also sent"),
    key(
        "fleet",
        ValueForm::Section(fleet::FLEET),
        "several webmons as one, over a NATS server; webmon has to be built with the feature `nats`",
    ),
    key("listen", ValueForm::Section(listen::LISTEN), "where metrics, the status page and the API are served by HTTP"),
    key("page", ValueForm::Section(page::PAGE), "how the status page and `webmon report` look"),
    key(
        "report",
        ValueForm::Section(page::REPORT),
        "the status page as files, written again and again while webmon runs",
    ),
    key("metrics", ValueForm::Section(listen::METRICS), "what /metrics says besides counts and sums"),
];

static DASHBOARD: &[DeclaredKey] = &[
    key("theme", ValueForm::Choice(&["auto", "dark", "light"]), "the colours").or("auto"),
    key("symbols", ValueForm::Choice(&["auto", "ascii"]), "the characters").or("auto"),
    key("bell", ValueForm::Boolean, "ring the terminal's bell on an alert").or("true"),
    key("notify", ValueForm::Choice(&["auto", "off"]), "show alerts on the desktop, if the terminal can").or("auto"),
    key("sort", ValueForm::Choice(&SortKey::NAMES), "the initial order of the rows").or("state"),
    key(
        "keys",
        ValueForm::Section(arrangement::ACTIONS),
        "other keys for actions: one, or a list of up to 4; [] for none",
    )
    .such_as("{ sort: o, groups: s, silence: [Z, ctrl-s] }"),
    key(
        "columns",
        ValueForm::Choices(arrangement::COLUMNS, 1),
        "the columns after the name; default: those that the width has room for",
    )
    .such_as("[since, avail, p50, p95, codes, bar, note]"),
    key("views", ValueForm::List(VIEW, 1..=16), "the period each view covers, and how often it is updated")
        .or("[{ timeframe: 10m, refresh: 10s }, { timeframe: 1h, refresh: 1m }]"),
];

pub(crate) static VIEW: &[DeclaredKey] = &[
    key("timeframe", seconds(1, 400 * DAY), "the period it covers; more than an hour is read from the store")
        .such_as("10m")
        .required(),
    key("refresh", seconds(1, HOUR), "how often it is updated").such_as("10s").required(),
];

static STORAGE: &[DeclaredKey] = &[
    key("path", ValueForm::Path, "relative to this file").or("webmon.redb"),
    key("retention", seconds(1, 3_650 * DAY), "how long individual checks are kept").or("30d"),
    key("alert_retention", seconds(3_600, 3_650 * DAY), "how long alerts are kept; open incidents stay").or("400d"),
    key("max_size", ValueForm::Size(1 << 20..=1 << 50), "upper limit of the file").or("2GiB"),
    key("flush", seconds(1, MINUTE), "time between commits, if there is new data").or("1s"),
];

static DNS: &[DeclaredKey] = &[key(
    "resolver",
    ValueForm::NameServers(&["auto", "system"], 8),
    "system: use getaddrinfo; or a list of name servers: [1.1.1.1]",
)
.or("auto")];

/// Most network threads.
pub const THREADS_MAX: u32 = 64;

static NETWORK: &[DeclaredKey] = &[key(
    "threads",
    ValueForm::Or("auto", &ValueForm::Whole(1..=THREADS_MAX)),
    "auto: one for every two cores; each checks its own share of the sites",
)
.or("auto")
.such_as("2")];

static EXPORT: &[DeclaredKey] = &[key("influx", ValueForm::Section(INFLUX), "an InfluxDB or VictoriaMetrics server")];

static INFLUX: &[DeclaredKey] = &[
    key("url", ValueForm::Url, "the server's URL").such_as("http://localhost:8086").required(),
    key("api", ValueForm::Choice(&["v1", "v2", "v3"]), "the version of its API; VictoriaMetrics supports v2")
        .or("v2")
        .such_as("v3"),
    key("org", ValueForm::Text, "the organisation, for v2").such_as("me"),
    key("bucket", ValueForm::Text, "the bucket to write to").or("webmon").such_as("sites"),
    key("database", ValueForm::Text, "its name in v1 and v3").such_as("sites"),
    key("retention_policy", ValueForm::Text, "for v1, if not the default").such_as("autogen"),
    key("token", ValueForm::Text, "for v2 and v3").such_as("\"${INFLUX_TOKEN}\""),
    key("username", ValueForm::Text, "instead of a token, for v1").such_as("ada"),
    key("password", ValueForm::Text, "the password of that user, such as \"${INFLUX_PASSWORD}\""),
    key("agent", ValueForm::Text, "the tag `agent` of every point; default: this machine's name").such_as("probe-1"),
];

#[cfg(test)]
mod tests;
