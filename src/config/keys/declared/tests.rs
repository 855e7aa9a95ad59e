//! The laws of the declared keys: defaults, examples, limits.

use super::site::DEFAULTS;
use super::*;
use crate::config::parse;

/// The configuration, as text, of a file that is `place` with `written` for `{}`.
fn meaning(place: &str, written: &str) -> String {
    let text = place.replace("{}", written);
    let env = |_: &str| Some("some-value".to_owned());
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
            // The keys of a rule need its limit or its target beside them.
            ValueForm::Or(_, form) if !form.keys().is_empty() => {
                test(place, key);
                for inner in form.keys() {
                    let beside = match inner.name {
                        "over" => "target: 99.9%, ",
                        "window" | "min_samples" => "p50: 1s, ",
                        _ => "",
                    };
                    let place = place.replace("{}", &format!("{}: {{ {beside}{{}} }}", key.name));
                    if !inner.required {
                        test(&place, inner);
                    }
                }
            }
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
        // The files of the examples do not exist; `all` is what is told without `tell`; one of two percentiles is needed.
        let is_exempt = matches!(key.form, ValueForm::Path) || ["notify", "tell", "parent"].contains(&key.name);
        if !is_exempt && !key.example.is_empty() {
            let is_useless = UNUSED.iter().any(|unused| unused.path == [key.name] && unused.schemes.contains(&"https"));
            let place = &if is_useless { place.replace("https", "wss") } else { place.to_owned() };
            let place_of_nothing = place.replace("latency: { {} }", "x-nothing: here");
            let nothing = meaning(&place_of_nothing.replace("{}", "x-nothing: here"), "");
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
        let form = if let ValueForm::Or(_, form) = key.form { form } else { &key.form };
        let ends = match form {
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

#[test]
fn off_ends_what_is_inherited() {
    let place = "{ alerting: { recover: 90%, failures: 5, latency: { p95: 1s }, slo: 99%, remind: 1h }, \
                 sites: [{ url: 'https://a.example', alert: { {} } }] }";
    let site = |written: &str| {
        let text = place.replace("{}", written);
        let config = parse(&text, "sites.yaml", std::path::Path::new("/etc"), &|_| None);
        config.unwrap_or_else(|error| panic!("{error}")).sites.remove(0)
    };
    let off = alerting::RULE.iter().filter(|key| matches!(key.form, ValueForm::Or("off", _)));
    let off: Vec<String> = off.map(|key| format!("{}: off", key.name)).collect();
    assert_eq!(off.len(), 5);
    let (on, off) = (site(""), site(&off.join(", ")));
    assert!(on.rule().recover.is_some() && on.rule().failures.is_some() && on.remind.is_some());
    assert!(on.policies.latency.is_some() && on.policies.slo.is_some());
    assert_eq!((off.rule(), off.remind), (&crate::alert::Rule::default(), None));
    assert_eq!((off.policies.latency, off.policies.slo), (None, None));
}

/// For each key of an outlet, a value and what it needs beside it.
const OUTLETS: [(&str, &str, &str); 24] = [
    ("slack", "https://a.example/1", ""),
    ("discord", "https://a.example/1", ""),
    ("teams", "https://a.example/1", ""),
    ("mattermost", "https://a.example/1", ""),
    ("telegram", "-1001234567890", "token: t"),
    ("ntfy", "ops-7f3a", ""),
    ("gotify", "https://a.example/1", "token: t"),
    ("pushover", "user", "token: t"),
    ("matrix", "'!room:example.org'", "server: 'https://a.example', token: t"),
    ("pagerduty", "key", ""),
    ("alertmanager", "https://a.example/1", ""),
    ("webhook", "https://a.example/1", ""),
    ("email", "[ada@example.com, bob@example.com]", "from: webmon@example.com, smtp: 'smtp://127.0.0.1'"),
    ("token", "t", "ntfy: ops"),
    ("server", "https://b.example", "ntfy: ops"),
    ("headers", "{ A: b }", "webhook: 'https://a.example'"),
    ("body", "{ text: '{{ title }}' }", "webhook: 'https://a.example'"),
    ("title", "'{{ site }}'", "ntfy: ops"),
    ("text", "'{{ detail }}'", "ntfy: ops"),
    ("only", "critical", "ntfy: ops"),
    ("sites", "[s]", "ntfy: ops"),
    ("after", "10m", "ntfy: ops"),
    ("insecure", "true", "ntfy: ops"),
    ("proxy", "http://proxy.example:3128", "ntfy: ops"),
];

#[test]
fn every_key_of_an_outlet_is_read() {
    let outlets = |written: &str| {
        let text = format!(
            "sites: [{{ name: s, url: 'https://s.example' }}]\nalerting: {{ notify: {{ ops: {{ {written} }} }} }}"
        );
        let config = parse(&text, "sites.yaml", std::path::Path::new("/etc"), &|_| None);
        config.map(|config| config.alerting.outlets).map_err(|error| error.to_string())
    };
    for (name, value, beside) in OUTLETS {
        if name == "email" && cfg!(not(feature = "mail")) {
            let fault = outlets(&format!("{name}: {value}, {beside}")).unwrap_err();
            assert!(fault.contains("built without e-mail") && fault.contains("sites.yaml:2:"), "{fault}");
            continue;
        }
        let is_service = OUTLET[..SERVICES].iter().any(|key| key.name == name);
        let with = outlets(&format!("{name}: {value}, {beside}")).unwrap_or_else(|error| panic!("{error}"));
        if is_service {
            assert_eq!((with[0].service.name(), &*with[0].name), (name, "ops"));
            assert_eq!(with.len(), if name == "email" { 2 } else { 1 });
            assert!(outlets(beside).unwrap_err().contains("names no service"), "{name}");
        } else {
            assert_ne!(with, outlets(beside).unwrap(), "{name}");
        }
        // Each key that is needed beside it is missed.
        for missing in beside.split(", ").filter(|part| is_service && !part.is_empty()) {
            let rest: Vec<&str> = beside.split(", ").filter(|part| *part != missing).collect();
            let key = missing.split(':').next().unwrap();
            let fault = outlets(&format!("{name}: {value}, {}", rest.join(", "))).unwrap_err();
            assert!(fault.contains(&format!("has no `{key}`")), "{name}: {fault}");
        }
    }
    let tried = |key: &&DeclaredKey| OUTLETS.iter().any(|(name, ..)| *name == key.name);
    let left: Vec<&str> = OUTLET.iter().filter(|key| !tried(key)).map(|key| key.name).collect();
    assert_eq!(left, ["smtp", "from", "ca_file", "client_cert", "client_key"], "the others need files, or are needed");
    let after = |after: &str| outlets(&format!("ntfy: ops, after: {after}")).is_ok();
    assert!(after("0s") && after("24h") && !after("86400001ms"));
    assert_eq!(outlets("ntfy: ops, only: warning, sites: all, after: 0s, insecure: false"), outlets("ntfy: ops"));
}
