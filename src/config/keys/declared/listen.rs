//! The keys of `listen` and of `metrics`.

use super::{DeclaredKey, ValueForm, key};

/// Names that it may answer to, at most.
const HOSTS_MAX: usize = 100;

pub(crate) static LISTEN: &[DeclaredKey] = &[
    key("address", ValueForm::Text, "where it listens: IP:PORT or unix:PATH; without it only with --listen")
        .such_as("127.0.0.1:9115"),
    key("hosts", ValueForm::Names(HOSTS_MAX), "the names it answers to, besides localhost and its own address")
        .such_as("[status.example.org]"),
    key("token", ValueForm::Text, "what a client must present, as Bearer or as the password of Basic")
        .such_as("\"${WEBMON_TOKEN}\"")
        .secret(),
    key(
        "public",
        ValueForm::Choices(&["page", "badge", "metrics", "api"], 0),
        "what needs no token; default: all on loopback without a token, else nothing",
    )
    .such_as("[page, badge]"),
    key("tls", ValueForm::Section(TLS), "serve HTTPS with this certificate"),
];

static TLS: &[DeclaredKey] = &[
    key("cert", ValueForm::Path, "the certificate and its issuers, PEM; read again when it changes")
        .such_as("cert.pem"),
    key("key", ValueForm::Path, "its private key, unless it is in the same file").such_as("key.pem"),
];

pub(crate) static METRICS: &[DeclaredKey] =
    &[key("quantiles", ValueForm::Boolean, "also webmon's own p50, p95 and p99 of ten minutes").or("false")];
