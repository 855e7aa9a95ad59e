//! Every key of sites.yaml, declared once: its name, its form, its default and its description.
//!
//! The reader takes limits, choices and "did you mean" from here; the JSON Schema and the file of `webmon init` are printed
//! from here. A new key is a line here and a line where its section is read; [`super::reader::Keys`] insists on both.
//!
//! Invariant, held by a test: writing a default means the same as writing nothing.

use std::ops::RangeInclusive;
use std::time::Duration;

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
    Url,
    /// The path of a file.
    Path,
    /// A status code, a range, several of these with commas, or a list of them.
    Status,
    /// A mapping from header names to values.
    Headers,
    /// A program and its arguments, at most this many.
    Words(usize),
    /// One of these words, or a list of at most this many addresses.
    NameServers(&'static [&'static str], usize),
    /// A list of URLs and of mappings with these keys.
    Sites(&'static [DeclaredKey]),
    /// A list of mappings with these keys, of this length.
    List(&'static [DeclaredKey], RangeInclusive<usize>),
    /// A mapping with these keys.
    Section(&'static [DeclaredKey]),
}

/// Whether `name` is a key of any mapping.
pub(crate) fn is_key(name: &str) -> bool {
    fn among(keys: &[DeclaredKey], name: &str) -> bool {
        keys.iter().any(|key| {
            key.name == name
                || match key.form {
                    ValueForm::Section(keys) | ValueForm::Sites(keys) | ValueForm::List(keys, _) => among(keys, name),
                    _ => false,
                }
        })
    }
    among(FILE, name)
}

const fn key(name: &'static str, form: ValueForm, doc: &'static str) -> DeclaredKey {
    DeclaredKey { name, form, default: "", example: "", doc, required: false }
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
    key("defaults", ValueForm::Section(DEFAULTS), "for all sites: every site key but name and url"),
    key("sites", ValueForm::Sites(SITE), "the websites to watch: URLs, or mappings with a `url`").required(),
    key("dashboard", ValueForm::Section(DASHBOARD), "how the dashboard looks"),
    key("alerting", ValueForm::Section(ALERTING), "when a site counts as down; a site's `alert` overrides it"),
    key("storage", ValueForm::Section(STORAGE), "where checks and alerts are stored, and for how long"),
    key("dns", ValueForm::Section(DNS), "how host names are resolved"),
    key("export", ValueForm::Section(EXPORT), "where every stored check is also sent"),
];

/// A site.
pub(crate) static SITE: &[DeclaredKey] = &[
    key("name", ValueForm::Text, "must be unique; default: the URL").such_as("api"),
    key("url", ValueForm::Url, "http or https; user:password@ becomes Basic auth")
        .such_as("https://api.example.com/health")
        .required(),
    key("interval", millis(100, 7 * DAY * 1_000), "how often to check").or("10s").such_as("5s"),
    key("timeout", millis(10, 10 * MINUTE * 1_000), "for the whole check, including redirects and body")
        .or("10s")
        .such_as("3s"),
    key("method", ValueForm::Text, "in upper case: GET, HEAD, POST").or("GET"),
    key("headers", ValueForm::Headers, "or ${VAR:-default}, ${file:PATH}; null removes a header of `defaults`")
        .such_as("{ Authorization: \"Bearer ${API_TOKEN}\" }"),
    key("body", ValueForm::Text, "the body of the request").such_as("'{\"ping\":true}'"),
    key("expect", ValueForm::Section(EXPECT), "what makes a check successful"),
    key("max_redirects", ValueForm::Whole(0..=31), "0: do not follow").or("10"),
    key(
        "redirects",
        ValueForm::Choice(&["any", "same-host", "none"]),
        "where they may lead; none evaluates the redirect itself",
    )
    .or("any"),
    key("redirect_body", ValueForm::Choice(&["same-host", "any"]), "where a 307 or 308 may resend the body")
        .or("same-host"),
    key("max_body", ValueForm::Size(1..=1 << 30), "read at most this much; a longer body is not a failure").or("1MiB"),
    key("http", ValueForm::Choice(&["auto", "1.1", "2"]), "the version of HTTP").or("auto"),
    key("ip", ValueForm::Choice(&["any", "4", "6"]), "the address family").or("any"),
    key("keep_alive", ValueForm::Boolean, "true: reuse the connection for the next check").or("false"),
    key("tls", ValueForm::Section(TLS), "certificates"),
    key("alert", ValueForm::Section(RULE), "overrides `alerting` below, key by key"),
    key("group", ValueForm::Text, "for folding and filtering: /group:shop").such_as("shop"),
    key("enabled", ValueForm::Boolean, "false: do not check it, but keep its history").or("true"),
];

/// The keys of `defaults`: all of a site but the first two.
static DEFAULTS: &[DeclaredKey] = SITE.split_at(2).1;

static EXPECT: &[DeclaredKey] = &[
    key("status", ValueForm::Status, "or \"200,204,301-308\", or a list").or("200-299"),
    key("body_contains", ValueForm::Text, "a text that the body must contain").such_as("\"ok\""),
    key("body_regex", ValueForm::Text, "a regular expression that the body must match").such_as("\"^\\\\{\""),
    key("max_response_time", millis(1, 10 * MINUTE * 1_000), "slower than this is down").such_as("2s"),
];

static TLS: &[DeclaredKey] = &[
    key("insecure", ValueForm::Boolean, "true: accept any certificate from the site's own origin").or("false"),
    key("ca_file", ValueForm::Path, "additional trusted roots, PEM").such_as("ca.pem"),
    key("client_cert", ValueForm::Path, "client certificate, PEM; never sent to another origin after a redirect")
        .such_as("c.pem"),
    key("client_key", ValueForm::Path, "its private key, unless it is in the same file").such_as("k.pem"),
    key("warn_days", ValueForm::Whole(0..=3_650), "warn this many days before the certificate expires").or("21"),
];

const RULE_KEYS: [DeclaredKey; 3] = [
    key("threshold", ValueForm::Percentage, "down when availability is at or below this ...").or("80%").such_as("95%"),
    key("window", seconds(1, HOUR), "... over this time").or("2m").such_as("5m"),
    key("min_samples", ValueForm::Whole(1..=1_000_000), "evaluate only with at least this many checks in the window")
        .or("1"),
];

static RULE: &[DeclaredKey] = &RULE_KEYS;

static ALERTING: &[DeclaredKey] = &{
    let [threshold, window, min_samples] = RULE_KEYS;
    let exec =
        key("exec", ValueForm::Words(65), "run once for all alerts of one moment, with their JSON lines on stdin");
    [threshold, window, min_samples, exec.such_as("[notify.sh, ops]")]
};

static DASHBOARD: &[DeclaredKey] = &[
    key("theme", ValueForm::Choice(&["auto", "dark", "light"]), "the colours").or("auto"),
    key("symbols", ValueForm::Choice(&["auto", "ascii"]), "the characters").or("auto"),
    key("bell", ValueForm::Boolean, "ring the terminal's bell on an alert").or("true"),
    key(
        "sort",
        ValueForm::Choice(&["state", "name", "avail", "avg", "p95", "max", "ttfb", "cert"]),
        "the initial order of the rows",
    )
    .or("state"),
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
mod tests {
    use super::*;
    use crate::config::parse;

    /// The configuration, as text, of a file that is `place` with `written` for `{}`.
    fn meaning(place: &str, written: &str) -> String {
        let text = place.replace("{}", written);
        let env = |_: &str| Some("value".to_owned());
        let config = parse(&text, "sites.yaml", std::path::Path::new("/etc"), &env);
        config.map_or_else(|error| panic!("{text}\n{error}"), |config| format!("{config:?}"))
    }

    fn each(place: &str, keys: &'static [DeclaredKey], test: &mut dyn FnMut(&str, &'static DeclaredKey)) {
        for key in keys {
            match &key.form {
                ValueForm::Section(inner) => {
                    // The required keys of a section join each of its other keys.
                    let needs = inner.iter().filter(|key| key.required);
                    let mut needs: Vec<String> = needs.map(|key| format!("{}: '{}'", key.name, key.example)).collect();
                    needs.push("{}".to_owned());
                    each(&place.replace("{}", &format!("{}: {{ {} }}", key.name, needs.join(", "))), inner, test);
                }
                _ if key.required => {}
                ValueForm::Sites(_) => {}
                _ => test(place, key),
            }
        }
    }

    const IN_FILE: &str = "{ sites: [https://a.example], {} }";
    const IN_SITE: &str = "sites: [{ url: https://a.example, {} }]";

    #[test]
    fn writing_a_default_changes_nothing() {
        let mut tried = 0;
        for (place, keys) in [(IN_FILE, FILE), (IN_SITE, DEFAULTS)] {
            each(place, keys, &mut |place, key| {
                if !key.default.is_empty() {
                    let nothing = meaning(&place.replace("{}", "x-nothing: here"), "");
                    assert_eq!(meaning(place, &format!("{}: {}", key.name, key.default)), nothing, "{}", key.name);
                    tried += 1;
                }
            });
        }
        assert!(tried > 30, "{tried}");
    }

    #[test]
    fn every_example_is_valid_and_changes_something() {
        let mut tried = 0;
        let mut test = |place: &str, key: &'static DeclaredKey| {
            // The files of the examples do not exist.
            if !matches!(key.form, ValueForm::Path) && !key.example.is_empty() {
                let nothing = meaning(&place.replace("{}", "x-nothing: here"), "");
                assert_ne!(meaning(place, &format!("{}: {}", key.name, key.example)), nothing, "{}", key.name);
                tried += 1;
            }
        };
        each(IN_FILE, FILE, &mut test);
        each(IN_SITE, DEFAULTS, &mut test);
        assert!(tried > 12, "{tried}");
    }

    #[test]
    fn declared_limits_hold_at_their_ends() {
        let refused = |place: &str, written: &str| {
            parse(&place.replace("{}", written), "sites.yaml", std::path::Path::new("/etc"), &|_| None).is_err()
        };
        let mut tried = 0;
        let mut test = |place: &str, key: &'static DeclaredKey| {
            let written = |value: String| format!("{}: {value}", key.name);
            let ends = match &key.form {
                ValueForm::Duration(range) => {
                    let text = |ms: u128| format!("{ms}ms");
                    let (low, high) = (range.start().as_millis(), range.end().as_millis());
                    [low.checked_sub(1), Some(low), Some(high), Some(high + 1)].map(|end| end.map(text))
                }
                ValueForm::Size(range) => {
                    let (low, high) = (*range.start(), *range.end());
                    [low.checked_sub(1), Some(low), Some(high), Some(high + 1)].map(|end| end.map(|n| format!("{n}B")))
                }
                ValueForm::Whole(range) => {
                    let (low, high) = (*range.start(), *range.end());
                    [low.checked_sub(1), Some(low), Some(high), Some(high + 1)].map(|end| end.map(|n| n.to_string()))
                }
                _ => return,
            };
            let [below, low, high, above] = ends.map(|end| end.map(written));
            for inside in [low, high].into_iter().flatten() {
                assert!(!refused(place, &inside), "{inside}");
            }
            for outside in [below, above].into_iter().flatten() {
                assert!(refused(place, &outside), "{outside}");
            }
            tried += 1;
        };
        each(IN_FILE, FILE, &mut test);
        each(IN_SITE, DEFAULTS, &mut test);
        assert!(tried > 15, "{tried}");
    }
}
