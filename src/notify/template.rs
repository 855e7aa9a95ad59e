//! The strings of own bodies, titles and texts: templates over a closed list of variables.
//!
//! A body is a value whose strings are templates, so whatever a site is called, the body stays the structure that the user
//! wrote; a template of a whole JSON text breaks at the first quote. Rendering is pure and never reads a file or a clock.
//!
//! Invariants: an unknown variable is an error, never an empty text. Bounds: 10,000 instructions per string.

use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value};

use crate::model::text::suggest::near;

/// The values of the variables.
pub type Variables = Map<String, Value>;

/// Instructions per string.
const FUEL: u64 = 10_000;

/// Functions that templates can call.
const FUNCTIONS: [&str; 3] = ["dict", "namespace", "range"];

/// Every variable with its meaning. A text that is unknown is empty, a number that is unknown is none.
pub const VARIABLES: [(&str, &str); 22] = [
    ("title", "the sentence of the alert, or of the group"),
    ("text", "the lines below the title, joined by line feeds"),
    ("message", "the sentence of the alert as `webmon alerts` lists it; of a group, one line per alert"),
    ("state", "down, up, breached, cleared or ended"),
    ("kind", "opened, closed, was, ended, reminder, acknowledged or withdrawn"),
    ("site", "the site's name; of a group, all names"),
    ("sites", "the names of all sites, a list"),
    ("count", "how many incidents the message is about"),
    ("url", "the site's URL, secrets in it as ***"),
    ("group", "the site's group"),
    (
        "rule",
        "availability, latency, certificate, slo_fast, slo_slow, network, store, lateness, outlet, partial or location",
    ),
    ("severity", "critical or warning"),
    ("incident", "the number of the incident"),
    ("time", "when the event happened, RFC 3339 in UTC"),
    ("since", "when the incident began, RFC 3339 in UTC"),
    ("downtime", "how long it lasted, such as 3m25s, once it is over"),
    ("availability", "the availability over the window of the rule, 0.0 to 1.0"),
    ("cause", "the cause of the last failure, such as connect_refused"),
    ("detail", "that failure in words"),
    ("status", "the HTTP status of that failure"),
    ("locations", "how many locations see it down, of how many, and some of them, such as 2/3 (fra1, nyc1)"),
    ("agent", "the random name of this webmon"),
];

/// Checks a body, or one text of it: its strings must render for a site that is down, one that is up, a group, and names full
/// of quotes.
///
/// # Errors
/// What is wrong, the text that it is wrong in, and the variable that was probably meant.
pub fn check(template: &Value) -> Result<(), String> {
    match template {
        Value::String(text) => check_text(text),
        Value::Array(values) => values.iter().try_for_each(check),
        Value::Object(members) => members.values().try_for_each(check),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// [`check`] for one text.
///
/// # Errors
/// As those of [`check`].
pub fn check_text(text: &str) -> Result<(), String> {
    let environment = environment();
    let template = environment.template_from_str(text).map_err(|error| explain(text, &error))?;
    let mut unknown: Vec<String> = template.undeclared_variables(false).into_iter().collect();
    unknown.retain(|name| !is_known(name));
    unknown.sort_unstable();
    if let Some(name) = unknown.first() {
        return Err(unknown_variable(text, name));
    }
    samples().iter().try_for_each(|variables| render_text(text, variables).map(drop))
}

/// The value that `template` gives with these `variables`. A string that is exactly one `{{ name }}` becomes the variable's
/// value, with its type.
///
/// # Errors
/// What is wrong, in one sentence.
pub fn render(template: &Value, variables: &Variables) -> Result<Value, String> {
    Ok(match template {
        Value::String(text) => match whole(text).and_then(|name| variables.get(name)) {
            Some(value) => value.clone(),
            None => Value::String(render_text(text, variables)?),
        },
        Value::Array(values) => {
            let values: Result<_, _> = values.iter().map(|value| render(value, variables)).collect();
            Value::Array(values?)
        }
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| Ok((key.clone(), render(value, variables)?)));
            Value::Object(members.collect::<Result<_, String>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => template.clone(),
    })
}

/// The text that the template `text` gives with these `variables`.
///
/// # Errors
/// What is wrong, in one sentence.
pub fn render_text(text: &str, variables: &Variables) -> Result<String, String> {
    let environment = environment();
    let template = environment.template_from_str(text).map_err(|error| explain(text, &error))?;
    template.render(Serde(variables)).map_err(|error| explain(text, &error))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(|out, state, value| {
        // An absent number leaves its place empty.
        if value.is_none() { Ok(()) } else { minijinja::escape_formatter(out, state, value) }
    });
    environment.remove_global("debug");
    environment
}

fn is_known(name: &str) -> bool {
    VARIABLES.iter().any(|(known, _)| *known == name) || FUNCTIONS.contains(&name)
}

/// The variable that `text` consists of.
fn whole(text: &str) -> Option<&str> {
    let name = text.strip_prefix("{{")?.strip_suffix("}}")?.trim();
    VARIABLES.iter().map(|(known, _)| *known).find(|known| *known == name)
}

fn unknown_variable(text: &str, name: &str) -> String {
    let known = || VARIABLES.iter().map(|(known, _)| *known);
    let hint = match near(name, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the variables are {}", known().collect::<Vec<_>>().join(", ")),
    };
    format!("unknown variable `{name}` in {text:?}; {hint}")
}

fn explain(text: &str, error: &minijinja::Error) -> String {
    let what = match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, _) => "a value is not there".to_owned(),
        (ErrorKind::OutOfFuel, _) => format!("it takes more than {FUEL} steps"),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    let line = error.line().filter(|_| text.contains('\n')).map(|line| format!(" (line {line} of it)"));
    format!("invalid template {text:?}: {what}{}", line.unwrap_or_default())
}

/// The variables of a site that is down, one that is up, a group, and a site whose name and answer are full of quotes.
fn samples() -> [Variables; 4] {
    const NASTY: &str = "\"q\" \\ '</b>' & {{ x }} {% if %} \u{fffd}\n\tüü";
    let down = variables("api", "down", "503 Service Unavailable");
    let mut up = variables("api", "up", "");
    let mut group = variables("api, blog", "down", "503 Service Unavailable");
    let set = |of: &mut Variables, name: &str, value: Value| drop(of.insert(name.to_owned(), value));
    set(&mut up, "downtime", "3m25s".into());
    for absent in ["status", "incident", "availability"] {
        set(&mut up, absent, Value::Null);
    }
    for absent in ["cause", "url", "group", "text"] {
        set(&mut up, absent, "".into());
    }
    set(&mut group, "count", 2.into());
    set(&mut group, "sites", vec!["api", "blog"].into());
    [down, up, group, variables(NASTY, "down", NASTY)]
}

fn variables(site: &str, state: &str, detail: &str) -> Variables {
    let title = format!("Website {site} is {state}. availability=75.00%, time=2026-11-22T10:00:00+01:00");
    let value = |name| match name {
        "title" | "message" => title.clone().into(),
        "text" | "detail" => detail.into(),
        "state" => state.into(),
        "kind" => "opened".into(),
        "site" => site.into(),
        "sites" => vec![site].into(),
        "count" => 1.into(),
        "url" => "https://api.example.com/health".into(),
        "group" => "shop".into(),
        "rule" => "availability".into(),
        "severity" => "critical".into(),
        "incident" => 17.into(),
        "time" | "since" => "2026-11-22T09:00:00.123456Z".into(),
        "availability" => 0.75.into(),
        "cause" => "status".into(),
        "status" => 503.into(),
        "agent" => "7f3ac19d2b0e4c55".into(),
        _ => Value::from(""),
    };
    VARIABLES.iter().map(|&(name, _)| (name.to_owned(), value(name))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wrong_template_is_refused_and_the_right_word_suggested() {
        for (text, parts) in [
            ("{{ titel }}", ["unknown variable `titel` in \"{{ titel }}\"", "did you mean `title`?"]),
            ("{% if state == 'up' %}{{ downtme }}{% endif %}", ["`downtme`", "did you mean `downtime`?"]),
            ("{{ hostname }}", ["`hostname`", "the variables are title, text, message, state"]),
            ("{{ title", ["invalid template \"{{ title\"", "syntax error"]),
            ("{{ title|uper }}", ["unknown filter", "uper"]),
            ("{{ site.name }}", ["invalid template", "a value is not there"]),
            ("a\n{{ availability + }}", ["syntax error", "(line 2 of it)"]),
            ("{{ status + 1 }}", ["invalid template", "invalid operation"]),
            (
                "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
                ["10000 steps", "invalid"],
            ),
            ("{{ debug() }}", ["`debug`", "the variables are"]),
            ("{% include 'x' %}", ["invalid template", "syntax error"]),
        ] {
            let error = check_text(text).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
            assert_eq!(check(&json!({ "a": ["b", { "c": text }] })), Err(error));
        }
    }

    #[test]
    fn right_templates_pass() {
        for text in [
            "",
            "plain, with { braces }",
            "{{ title }}",
            "{{ severity|upper }}: {{ site }} {{ detail|default('–', true) }}",
            "{% for site in sites %}{{ loop.index }}. {{ site }}\n{% endfor %}",
            "{{ 'page' if severity == 'critical' else 'mail' }} {{ (status or 0) + 1 }}",
            "{{ \"%.2f\"|format((availability or 0) * 100) }}",
        ] {
            assert_eq!(check_text(text), Ok(()), "{text}");
        }
        let every: Vec<String> = VARIABLES.iter().map(|(name, _)| format!("{{{{ {name} }}}}")).collect();
        assert_eq!(check(&json!({ "all": every, "n": 1, "none": null, "yes": true })), Ok(()));
    }

    #[test]
    fn one_name_alone_keeps_its_type_and_other_strings_are_text() {
        let [down, up, group, nasty] = samples();
        let body = json!({ "n": "{{ count }}", "of": "{{sites}}", "s": "{{ status }}", "t": "{{ status }}.", "k": 7 });
        assert_eq!(render(&body, &group).unwrap()["of"], json!(["api", "blog"]));
        assert_eq!(render(&body, &down).unwrap(), json!({ "n": 1, "of": ["api"], "s": 503, "t": "503.", "k": 7 }));
        assert_eq!(render(&body, &up).unwrap(), json!({ "n": 1, "of": ["api"], "s": null, "t": ".", "k": 7 }));
        // Neither the template nor JSON gives a name any power.
        let rendered = render(&json!({ "a": "<{{ site }}>", "{{ site }}": 1 }), &nasty).unwrap();
        let read: Value = serde_json::from_str(&rendered.to_string()).unwrap();
        assert_eq!(read["a"], format!("<{}>", nasty["site"].as_str().unwrap()));
        assert_eq!(read["{{ site }}"], 1);
    }
}
