//! The keys of a site, and of `defaults`.

use crate::model::steps::STEPS_MAX;

use super::expect::EXPECT;
use super::steps::STEP;
use super::{DAY, DeclaredKey, MINUTE, ValueForm, alerting, key, millis, names};

/// A site.
pub(crate) static SITE: &[DeclaredKey] = &[
    key("name", ValueForm::Text, "must be unique; default: the URL").such_as("api"),
    key("url", ValueForm::SiteUrl, "http, https, ws, wss (user:password@ becomes Basic auth), tls or tcp")
        .such_as("https://api.example.com/health"),
    key("steps", ValueForm::List(STEP, 1..=STEPS_MAX), "instead of `url`: requests in a row, one check"),
    key(
        "parent",
        ValueForm::Text,
        "the site that it depends on: while that one is down, outlets are not notified of this one",
    )
    .such_as("gateway"),
    key("interval", millis(100, 7 * DAY * 1_000), "how often to check").or("10s").such_as("5s"),
    key("timeout", millis(10, 10 * MINUTE * 1_000), "for the whole check, including redirects and body")
        .or("10s")
        .such_as("3s"),
    key("method", ValueForm::Text, "in upper case: GET, HEAD, POST").or("GET"),
    key("headers", ValueForm::Headers, "or ${VAR:-default}, ${file:PATH}; null removes a header of `defaults`")
        .such_as("{ Authorization: \"Bearer ${API_TOKEN}\" }"),
    key("body", ValueForm::Text, "the body of the request").such_as("'{\"ping\":true}'"),
    key("send", ValueForm::Text, "what ws, wss, tcp and tls send, as one message; the answer is the body")
        .such_as("'{\"op\":\"ping\"}'"),
    key("expect", ValueForm::Section(EXPECT), "what makes a check successful"),
    key("dns", ValueForm::Section(names::RECORDS_OF_NAME), "what the DNS must answer for the URL's host"),
    key(
        "domain",
        ValueForm::Or("off", &names::DOMAIN_FORM),
        "warn before the registration of its domain ends, which is asked of the registry (RDAP) once a day",
    )
    .such_as("{ warn_days: 30 }"),
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
    key("http", ValueForm::Choice(&["auto", "1.1", "2", "3"]), "the version of HTTP; 3 has to be built in").or("auto"),
    key("ip", ValueForm::Choice(&["any", "4", "6"]), "the address family").or("any"),
    key(
        "connect_to",
        ValueForm::Text,
        "where to connect instead of the URL's host: an address or a name, maybe with a port",
    )
    .such_as("203.0.113.7:8443"),
    key(
        "proxy",
        ValueForm::Proxy(&["none", "env"]),
        "http, https, socks5 or socks5h://user:password@host:port; env: by HTTPS_PROXY and so on",
    )
    .or("none")
    .such_as("http://proxy.example:3128")
    .secret(),
    key("keep_alive", ValueForm::Boolean, "true: reuse the connection for the next check").or("false"),
    key("tls", ValueForm::Section(TLS), "certificates"),
    key("alert", ValueForm::Section(alerting::RULE), "overrides `alerting` below, key by key"),
    key(
        "locations",
        ValueForm::Locations(alerting::LOCATIONS_MAX),
        "not in effect yet: who checks it: all, so many, or a list of names: [fra1, nyc1]",
    )
    .or("all")
    .such_as("3")
    .rare(),
    key("group", ValueForm::Text, "for folding and filtering: /group:shop").such_as("shop"),
    key("note", ValueForm::Text, "what the status page says about it").such_as("run by others"),
    key("enabled", ValueForm::Boolean, "false: do not check it, but keep its history").or("true"),
];

/// The keys of `defaults`: all of a site but the first four.
pub(super) static DEFAULTS: &[DeclaredKey] = SITE.split_at(4).1;

static TLS: &[DeclaredKey] = &[
    key("insecure", ValueForm::Boolean, "true: accept any certificate from the site's own origin").or("false"),
    key("ca_file", ValueForm::Path, "additional trusted roots, PEM").such_as("ca.pem"),
    key("client_cert", ValueForm::Path, "client certificate, PEM; never sent to another origin after a redirect")
        .such_as("c.pem"),
    key("client_key", ValueForm::Path, "its private key, unless it is in the same file").such_as("k.pem"),
    key("pin", ValueForm::Pins(20), "a public key that one certificate of the chain must have, or a list: one of them")
        .such_as("[sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]"),
    key("server_name", ValueForm::Text, "the name to ask for and to verify instead of the URL's host")
        .such_as("www.example.com"),
    key("warn_days", ValueForm::Whole(0..=3_650), "warn this many days before the certificate expires").or("21"),
];
