//! The keys under `fleet`.

use super::{DAY, DeclaredKey, HOUR, ValueForm, key, seconds};

/// Most servers of a fleet.
const SERVERS_MAX: usize = 16;

pub(super) static FLEET: &[DeclaredKey] = &[
    key(
        "server",
        ValueForm::Servers(SERVERS_MAX),
        "the NATS server, or a list of the servers of its cluster; nats:// is for this machine only",
    )
    .such_as("tls://nats.example.com:4222")
    .required(),
    key("location", ValueForm::Text, "where this webmon is: a-z, 0-9 and -; default: this machine's name")
        .such_as("fra1"),
    key(
        "certs",
        ValueForm::Path,
        "a folder with ca.pem, and <name>.pem and <name>.key of the location, of `hub` or of `watch`",
    )
    .such_as("fleet"),
    key("client_cert", ValueForm::Path, "or one certificate for this webmon, PEM ...").such_as("fra1.pem"),
    key("client_key", ValueForm::Path, "... its private key, unless it is in the same file ...").such_as("fra1.key"),
    key("ca_file", ValueForm::Path, "... and the trusted roots besides the system's, PEM").such_as("ca.pem"),
    key("user", ValueForm::Text, "instead of a certificate: a user ..."),
    key("password", ValueForm::Text, "... with this password, such as \"${NATS_PASSWORD}\""),
    key("token", ValueForm::Text, "or a token").such_as("\"${NATS_TOKEN}\""),
    key("stream", ValueForm::Text, "the stream that carries the checks").or("WEBMON").such_as("CHECKS"),
    key(
        "alone",
        ValueForm::Or("never", &seconds(10, DAY)),
        "a location that is out of touch with every hub for so long alerts by itself",
    )
    .or("5m")
    .such_as("10m"),
    key("max_pairs", ValueForm::Whole(1..=1_000_000), "a hub takes at most so many pairs of a site and a location")
        .or("30000")
        .such_as("50000"),
    key("silent_after", seconds(10, HOUR), "a hub that has not heard a location for so long counts it as silent")
        .or("30s")
        .such_as("1m"),
];
