//! The request of every service: method, path, headers, and a body that its schema and its documented lengths allow.

use serde_json::{Value, json};
use webmon::alert::{News, NewsKind};
use webmon::model::{Secret, SecretUrl};
use webmon::notify::{Envelope, OutletClass, Service};

use crate::fixtures::{CASES, Case, MARK, NOW, envelope, nasty, news, sender, services};
use crate::support::{Behaviour, Request, Server};

const SCHEMAS: [(&str, &str); 12] = [
    ("slack", include_str!("slack.json")),
    ("discord", include_str!("discord.json")),
    ("teams", include_str!("teams.json")),
    ("mattermost", include_str!("mattermost.json")),
    ("telegram", include_str!("telegram.json")),
    ("ntfy", include_str!("ntfy.json")),
    ("gotify", include_str!("gotify.json")),
    ("pushover", include_str!("pushover.json")),
    ("matrix", include_str!("matrix.json")),
    ("pagerduty", include_str!("pagerduty.json")),
    ("alertmanager", include_str!("alertmanager.json")),
    ("webhook", include_str!("webhook.json")),
];

/// Sends each of `envelopes` to `service`; what the server received.
async fn sent(server: &Server, service: &Service, envelopes: &[Envelope]) -> Vec<Request> {
    let before = server.requests().len();
    let mut sender = sender(service.clone());
    for envelope in envelopes {
        let delivered = sender.send(envelope, NOW).await.unwrap();
        assert_eq!(delivered.status, "200 OK");
    }
    server.requests().split_off(before)
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn faults(schema: &str, body: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    validator.iter_errors(body).map(|error| format!("{} at {}", error, error.instance_path())).collect()
}

/// Every text in `value`.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The lengths that are not counted in characters, and the texts that must have no power.
fn check_beyond_schema(service: &str, request: &Request, body: &Value) {
    let raw = String::from_utf8(request.body.clone()).unwrap();
    let control =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // Names in labels and in data are the identity of what they name.
    let is_raw = ["alertmanager", "webhook"].contains(&service);
    for text in texts(body).into_iter().filter(|_| !is_raw) {
        assert!(!text.contains(control), "{service}: {text:?}");
    }
    match service {
        "slack" => {
            let text = body["text"].as_str().unwrap();
            assert!(!text.contains(['<', '>']), "{text}");
        }
        "discord" => {
            let embed = &body["embeds"][0];
            let sum: usize = texts(embed).iter().map(|text| utf16(text)).sum();
            assert!(sum <= 6_000 && utf16(embed["title"].as_str().unwrap()) <= 256, "{sum}");
        }
        "teams" => assert!(raw.len() <= 28_000 && !raw.contains("]("), "{}", raw.len()),
        "mattermost" => {
            let attachment = &body["attachments"][0];
            for title in [&attachment["title"], &attachment["fallback"]] {
                assert!(!title.as_str().unwrap().replace("@\u{200b}", "").contains('@'), "{title}");
            }
            let coded = |text: &str| text.starts_with('`') && text.ends_with('`') && text.matches('`').count() == 2;
            let fields = attachment["fields"].as_array().unwrap();
            assert!(fields.iter().all(|field| coded(field["value"].as_str().unwrap())));
            assert!(attachment["text"].as_str().unwrap().lines().all(coded));
        }
        "telegram" => assert!(utf16(body["text"].as_str().unwrap()) <= 4_096),
        "ntfy" => assert!(body["message"].as_str().unwrap().len() <= 3_900),
        "matrix" => {
            assert!(raw.len() < 60_000, "{}", raw.len());
            let mut html = body["formatted_body"].as_str().unwrap().to_owned();
            for tag in ["<strong>", "</strong>", "<em>", "</em>", "<br>"] {
                html = html.replace(tag, "");
            }
            assert!(!html.contains(['<', '>', '"']), "{html}");
        }
        _ => {}
    }
}

#[tokio::test]
async fn every_request_keeps_to_the_schema_of_its_service() {
    let server = Server::start(Behaviour::ok());
    for service in services(&server.url("")) {
        let name = service.name();
        let (_, schema) = SCHEMAS.iter().find(|(of, _)| *of == name).unwrap();
        let mut envelopes = Vec::new();
        for nasty in nasty() {
            envelopes.extend(CASES.map(|case| envelope(vec![news(case, &nasty)])));
            if service.class() == OutletClass::Chat {
                let group = (0..40).map(|index| news(CASES[index % 3], &format!("{index}{nasty}")));
                envelopes.push(envelope(group.collect()));
            }
        }
        let requests = sent(&server, &service, &envelopes).await;
        assert_eq!(requests.len(), envelopes.len());
        for request in &requests {
            let body = body(request);
            let faults = faults(schema, &body);
            assert!(faults.is_empty(), "{name}: {faults:?}\n{body:#}");
            check_beyond_schema(name, request, &body);
        }
    }
}

#[tokio::test]
async fn each_service_is_asked_where_and_how_it_documents() {
    let server = Server::start(Behaviour::ok());
    let bearer = |name: &str| format!("Bearer {MARK}-{name}");
    for service in services(&server.url("")) {
        let name = service.name();
        let requests = sent(&server, &service, &[envelope(vec![news(Case::Down, "")])]).await;
        let [request] = requests.as_slice() else { panic!("{name}: {requests:?}") };
        let (method, target, header) = match name {
            "discord" => ("POST", format!("/services/T0/{MARK}-discord?wait=true"), None),
            "teams" => ("POST", format!("/workflows/1?sig={MARK}-teams"), None),
            "telegram" => ("POST", format!("/bot{MARK}-telegram/sendMessage"), None),
            "ntfy" => ("POST", "/".to_owned(), Some(("authorization", bearer("ntfy")))),
            "gotify" => ("POST", "/push/message".to_owned(), Some(("x-gotify-key", format!("{MARK}-gotify")))),
            "pushover" => ("POST", "/1/messages.json".to_owned(), None),
            "matrix" => {
                let room = "/_matrix/client/v3/rooms/!room%2F1:example.org/send/m.room.message";
                ("PUT", format!("{room}/webmon-7f3ac19d2b0e4c55-412"), Some(("authorization", bearer("matrix"))))
            }
            "pagerduty" => ("POST", "/v2/enqueue".to_owned(), None),
            "alertmanager" => ("POST", "/alerts/api/v2/alerts".to_owned(), None),
            "webhook" => ("POST", format!("/services/T0/{MARK}-webhook"), Some(("authorization", bearer("bearer")))),
            _ => ("POST", format!("/services/T0/{MARK}-{name}"), None),
        };
        assert_eq!((request.method.as_str(), request.target.as_str()), (method, target.as_str()), "{name}");
        if let Some((header, value)) = header {
            assert_eq!(request.header(header), Some(value.as_str()), "{name}");
        }
        let kind = if name == "webhook" { "application/cloudevents+json; charset=utf-8" } else { "application/json" };
        assert_eq!(request.header("content-type"), Some(kind), "{name}");
        assert!(request.header("user-agent").unwrap().starts_with("webmon/"));
    }
}

#[tokio::test]
async fn an_incident_has_one_key_and_a_row_another() {
    let server = Server::start(Behaviour::ok());
    let services = services(&server.url(""));
    let of = |name: &str| services.iter().find(|service| service.name() == name).unwrap();
    let acknowledged = News { kind: NewsKind::Acknowledged, ..news(Case::Down, "") };
    let ended = News { kind: NewsKind::Ended, ..news(Case::Up, "") };
    let events = [news(Case::Down, ""), news(Case::Down, ""), acknowledged, news(Case::Up, ""), ended];
    let envelopes = events.map(|news| envelope(vec![news]));

    let requests = sent(&server, of("pagerduty"), &envelopes).await;
    let actions = ["trigger", "trigger", "acknowledge", "resolve", "resolve"];
    for (request, action) in requests.iter().zip(actions) {
        let body = body(request);
        assert_eq!(body["event_action"], action);
        assert_eq!(body["dedup_key"], "webmon/7f3ac19d2b0e4c55/17");
        assert_eq!(body.get("payload").is_some(), action == "trigger");
    }

    let mut row = envelopes[0].clone();
    row.row = 413;
    let requests = sent(&server, of("webhook"), &[envelopes[0].clone(), envelopes[0].clone(), row]).await;
    let keys: Vec<_> = requests.iter().map(|request| request.header("idempotency-key").unwrap()).collect();
    assert_eq!(keys, ["webmon-7f3ac19d2b0e4c55-412", "webmon-7f3ac19d2b0e4c55-412", "webmon-7f3ac19d2b0e4c55-413"]);
    let event = body(&requests[0]);
    assert_eq!((&event["id"], &event["type"]), (&json!(keys[0]), &json!("webmon.alert.down")));
    let data = &event["data"];
    assert_eq!((&data["event"], &data["site"], &data["state"]), (&json!("alert"), &json!("api"), &json!("down")));
    assert_eq!((&data["cause"], &data["status"], &data["incident"]), (&json!("status"), &json!(503), &json!(17)));
}

#[tokio::test]
async fn an_alertmanager_gets_the_whole_list_with_its_ends() {
    let server = Server::start(Behaviour::ok());
    let services = services(&server.url(""));
    let alertmanager = services.iter().find(|service| service.name() == "alertmanager").unwrap();
    let list = envelope(vec![news(Case::Down, ""), news(Case::Up, "2")]);
    let requests = sent(&server, alertmanager, &[list]).await;
    let body = body(&requests[0]);
    assert_eq!(body[0]["endsAt"], "2026-11-22T09:15:00.123456Z", "it fires for a quarter of an hour");
    assert_eq!(
        (&body[1]["startsAt"], &body[1]["endsAt"]),
        (&json!("2026-11-22T08:56:35.123456Z"), &json!("2026-11-22T09:00:00.123456Z"))
    );
    let labels = |index: usize, name: &str| body[index]["labels"][name].clone();
    assert_eq!((labels(0, "site"), labels(1, "site")), (json!("api"), json!("api2")));
    assert_eq!(labels(0, "severity"), labels(1, "severity"), "labels are the identity of an alert");
}

#[tokio::test]
async fn a_body_of_ones_own_is_json_whatever_its_texts_hold() {
    let server = Server::start(Behaviour::ok());
    let own = |body: Value| Service::Webhook {
        url: SecretUrl::new(server.url("/own").parse().unwrap()),
        headers: vec![("Content-Type".to_owned(), Secret::new("application/vnd.own+json"))],
        body: Some(body),
    };
    let template =
        json!({ "t": "<{{ title }}>", "n": "{{ count }}", "of": ["{{ site }}", "{{ sites }}"], "s": "{{ status }}" });
    for nasty in nasty() {
        let requests = sent(&server, &own(template.clone()), &[envelope(vec![news(Case::Down, &nasty)])]).await;
        let body = body(&requests[0]);
        assert!(body["t"].as_str().unwrap().starts_with("<Website api"));
        assert_eq!((&body["n"], &body["s"]), (&json!(1), &json!(503)));
        assert!(body["of"][1][0].as_str().unwrap().starts_with("api"));
        assert_eq!(requests[0].header("content-type"), Some("application/vnd.own+json"));
    }
    let text = Service::Webhook {
        url: SecretUrl::new(server.url("/text").parse().unwrap()),
        headers: Vec::new(),
        body: Some("{{ severity|upper }}: {{ site }} {{ detail }}".into()),
    };
    let requests = sent(&server, &text, &[envelope(vec![news(Case::Down, "")])]).await;
    assert_eq!(requests[0].body, b"CRITICAL: api 503 Service Unavailable");
    assert_eq!(requests[0].header("content-type"), Some("text/plain; charset=utf-8"));
}
