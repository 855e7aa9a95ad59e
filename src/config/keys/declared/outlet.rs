//! The keys of an outlet under `alerting.notify`.

use super::{DAY, DeclaredKey, ValueForm, key, seconds};

/// The keys that name a service, which come first; each outlet has one of them.
pub(crate) const SERVICES: usize = 13;

pub(crate) static OUTLET: &[DeclaredKey] = &[
    key("slack", ValueForm::Url, "an incoming webhook of Slack").secret(),
    key("discord", ValueForm::Url, "a webhook of Discord").secret(),
    key("teams", ValueForm::Url, "a workflow of Microsoft Teams").secret(),
    key("mattermost", ValueForm::Url, "an incoming webhook of Mattermost").secret(),
    key("telegram", ValueForm::Text, "the number or @name of a chat; with the `token` of a bot"),
    key("ntfy", ValueForm::Text, "a topic of ntfy; at `server`, with `token` if it needs one").secret(),
    key("gotify", ValueForm::Url, "a server of Gotify; with the `token` of an application").secret(),
    key("pushover", ValueForm::Text, "a user key of Pushover; with the `token` of an application").secret(),
    key("matrix", ValueForm::Text, "a room (!id:server); with the home `server` and an access `token`"),
    key("pagerduty", ValueForm::Text, "an integration key of PagerDuty (Events API v2)").secret(),
    key("alertmanager", ValueForm::Url, "the base URL of an Alertmanager").secret(),
    key("webhook", ValueForm::Url, "any other URL: POST of a CloudEvent, or of `body`").secret(),
    key("email", ValueForm::Names(50), "one address or several; with `smtp` and `from`"),
    key("token", ValueForm::Text, "of the bot, application or user").secret(),
    key("server", ValueForm::Url, "in place of the service's public server").secret(),
    key("headers", ValueForm::Headers, "for webhook: more headers"),
    key("body", ValueForm::Any, "for webhook: the body; its texts are templates, such as {{ title }}"),
    key("smtp", ValueForm::Text, "smtps://user:password@host, smtp+starttls://..., smtp://127.0.0.1").secret(),
    key("from", ValueForm::Text, "the sender of e-mail"),
    key("title", ValueForm::Text, "a template for the title"),
    key("text", ValueForm::Text, "a template for the text below it"),
    key("only", ValueForm::Choice(&["warning", "critical"]), "the least severity that it hears of").or("warning"),
    key("sites", ValueForm::Names(10_000), "the sites and groups (group:shop) that it hears of").or("all"),
    key("after", seconds(0, DAY), "hears of an incident only if it is open for so long and nobody acknowledged it")
        .or("0s"),
    key("ca_file", ValueForm::Path, "additional trusted roots, PEM"),
    key("insecure", ValueForm::Boolean, "true: accept any certificate, or e-mail without TLS").or("false"),
    key("client_cert", ValueForm::Path, "client certificate, PEM"),
    key("client_key", ValueForm::Path, "its private key, unless it is in the same file"),
    key("proxy", ValueForm::Url, "an HTTP proxy to connect through").secret(),
];
