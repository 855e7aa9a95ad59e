//! No output shows a secret: canaries stand wherever sites.yaml and the command line can hold a secret, and the tests search
//! everything that webmon prints. `tests/monitor/terminal.rs` covers the dashboard.

use crate::support::canary::{MARK, folder, server};
use crate::support::ports::closed_port;
use crate::support::program::{Ended, Folder, Running};
use crate::support::{Behaviour, Server, Step};
use base64::Engine as _;
use rustix::process::Signal;

/// The ways in which the mark can be written.
fn marks() -> Vec<String> {
    let basic = format!("ada:{MARK}-password");
    vec![MARK.to_owned(), MARK.to_uppercase(), base64::engine::general_purpose::STANDARD.encode(basic)]
}

#[track_caller]
fn silent(what: &str, text: &str) {
    for mark in marks() {
        assert!(!text.contains(&mark), "{what}: {text}");
    }
}

/// Runs the command and returns its output after a search for the mark.
#[track_caller]
fn runs(folder: &Folder, arguments: &str) -> Ended {
    let ended = folder.run(arguments);
    silent(arguments, &ended.stdout);
    silent(arguments, &ended.stderr);
    ended
}

#[test]
fn no_command_tells_a_secret_and_the_store_keeps_none() {
    let server = server();
    let folder = folder(&server);
    runs(&folder, "validate").with(0);
    runs(&folder, "validate --no-env").with(0);
    // `nowhere` is unknown, not down, where there is no network.
    let down = ["headers", "circle", "part", "pattern", "refused", "journey", "untaken"]
        .map(|site| format!("Website {site} is down."));
    let mut running = folder.start("--headless");
    running.until(|lines| down.iter().all(|message| lines.iter().any(|line| line.starts_with(message))));
    running.until(|_| std::fs::read_to_string(folder.path("told")).is_ok_and(|told| told.contains("\nWebsite ")));
    let ended = running.end_by(Signal::TERM).with(143);
    silent("alerting.exec", &std::fs::read_to_string(folder.path("told")).unwrap());
    silent("stdout", &ended.stdout);
    silent("stderr", &ended.stderr);
    // The server received them, and webmon judged the expectations.
    let sent: Vec<String> = server.requests().iter().map(|request| format!("{request:?}")).collect();
    for secret in ["password", "query", "bearer", "cookie", "env", "short-form", "default-header", "inherited", "trace"]
    {
        let secret = match secret {
            "password" => marks().remove(2),
            secret => format!("{MARK}-{secret}"),
        };
        assert!(sent.iter().any(|request| request.contains(&secret)), "{secret} was sent");
    }
    runs(&folder, "--headless --format json --events sample,stats,alert --for 1s").with(0);
    for arguments in ["--headless -vvv --for 2s", "--headless --format json -vvv --for 2s"] {
        let told = runs(&folder, arguments).with(0).stderr;
        assert!(told.contains("started"), "{arguments}: {told}");
    }
    if cfg!(feature = "influx") {
        runs(&folder, "--headless --export-influx --export-from all --for 1500ms").with(0);
        runs(&folder, &format!("--headless --export-influx=http://127.0.0.1:1/?token={MARK}")).with(2);
        runs(&folder, &format!("--headless --export-influx=http://ada:{MARK}@127.0.0.1:1/")).with(2);
    }
    for arguments in ["check", "check -v", "check --format json", "check headers"] {
        runs(&folder, arguments).with(1);
    }
    let told = runs(&folder, "check -v journey untaken").with(1).stdout;
    for part in ["status: step repeat: 503", "  | ***", "< x-echo: ", "nothing to take as csrf", "step repeat 503 "] {
        assert!(told.contains(part), "{part}: {told}");
    }
    for command in ["stats", "samples", "alerts"] {
        for format in ["table", "json", "csv"] {
            let told = runs(&folder, &format!("{command} --format {format}")).with(0).stdout;
            assert!(told.contains("circle"), "{command} {format}: {told}");
        }
    }
    for arguments in ["db info", "db check", "db backup copy.redb", "--help", "run --help", "man", "schema"] {
        runs(&folder, arguments).with(0);
    }
    for arguments in ["run nosuch", "samples --site nosuch", "--headless --store sites.yaml"] {
        assert!(runs(&folder, arguments).code >= Some(2), "{arguments}");
    }
    for file in ["webmon.redb", "copy.redb"] {
        let bytes = std::fs::read(folder.path(file)).unwrap();
        for mark in marks() {
            assert!(!bytes.windows(mark.len()).any(|window| window == mark.as_bytes()), "{file} holds {mark}");
        }
    }
}

/// Every outlet fails in a way of its own, and repeats its secret in the answer.
#[test]
fn no_outlet_tells_its_secret_however_it_fails() {
    let echo = |status: &str| {
        let body = format!("no such key {MARK}-key");
        vec![Step::send(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))]
    };
    let answers =
        [echo("401 Unauthorized"), echo("404 Not Found"), echo("503 Busy"), vec![Step::Reset], vec![Step::Close]];
    let servers: Vec<Server> = answers.into_iter().map(|steps| Server::start(Behaviour::always(steps))).collect();
    let [refusing, missing, busy, resetting, closing] = &servers[..] else { unreachable!() };
    let mail = if cfg!(feature = "mail") {
        format!(
            "    mail: {{ email: [ada@example.com], from: webmon@example.com, smtp: 'smtp+starttls://ada:{MARK}@127.0.0.1:{}' }}\n",
            closed_port().port()
        )
    } else {
        String::new()
    };
    let folder = Folder::with(&format!(
        "defaults: {{ interval: 100ms, timeout: 100ms }}\n\
         sites: [{{ name: api, url: 'http://{}/' }}]\n\
         alerting:\n  window: 1s\n  group: 0s\n  notify:\n\
         \x20   slack: {{ slack: '{}' }}\n\
         \x20   telegram: {{ telegram: '-1', token: {MARK}-key, server: '{}' }}\n\
         \x20   ntfy: {{ ntfy: {MARK}-topic, token: {MARK}-key, server: '{}' }}\n\
         \x20   pager: {{ pagerduty: {MARK}-key, server: '{}' }}\n\
         \x20   hook: {{ webhook: '{}', headers: {{ Authorization: 'Bearer {MARK}-key' }} }}\n\
         \x20   tunnel: {{ gotify: '{}', token: {MARK}-key, proxy: 'http://ada:{MARK}@127.0.0.1:1' }}\n{mail}",
        closed_port(),
        refusing.url(&format!("/{MARK}-key/hook")),
        missing.url(""),
        busy.url(""),
        resetting.url(""),
        closing.url(&format!("/{MARK}-key/hook?key={MARK}")),
        busy.url(""),
    ));
    runs(&folder, "validate").with(0);
    let mut running = folder.start("--headless --format json -vvv");
    let failing = ["slack", "telegram", "ntfy", "pager", "hook", "tunnel"];
    let warned = |lines: &[String], outlet: &str| {
        lines.iter().any(|line| line.contains("\"warning\"") && line.contains(&format!("\"{outlet}: ")))
    };
    let lines = running.until(|lines| failing.iter().all(|outlet| warned(lines, outlet)));
    assert!(lines.iter().any(|line| line.contains("503 Service Unavailable")), "{lines:?}");
    let ended = running.end_by(Signal::TERM).with(143);
    silent("stdout", &ended.stdout);
    silent("stderr", &ended.stderr);
    for arguments in ["alerts", "alerts --format json", "db info", "alerts --test --dry-run"] {
        runs(&folder, arguments).with(0);
    }
    let told = runs(&folder, "db info").stdout;
    assert!(told.contains("  outlet    slack: "), "{told}");
    runs(&folder, "alerts --test").with(1);
    let bytes = std::fs::read(folder.path("webmon.redb")).unwrap();
    assert!(!bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes()), "the store holds a secret");
}

#[test]
fn a_secret_that_was_typed_is_not_said_again() {
    let server = server();
    let folder = Folder::empty();
    let url = server.url(&format!("/broken?key={MARK}")).replace("http://", &format!("http://ada:{MARK}-password@"));
    runs(&folder, &format!("check {url}")).with(1);
    runs(&folder, &format!("check --format json {url}")).with(1);
    runs(&folder, &format!("--headless --for 1s {url}")).with(0);
    runs(&folder, &format!("run ftp://ada:{MARK}@127.0.0.1/?key={MARK}")).with(2);
    runs(&folder, &format!("check http://ada:{MARK}@127.0.0.1:99999/?key={MARK}")).with(2);
}

/// A password may contain characters that end an authority, and a mistyped URL still has a password.
#[test]
fn a_password_in_a_url_that_cannot_be_parsed_is_not_shown() {
    let folder = Folder::empty();
    for url in [
        "http://ada:PW#x@h/",
        "http://ada:PW/x@h/",
        "http://ada:PW?x@h/",
        "http://ada:PW x@h/",
        "http://ada:PW@h:99999/",
        "http://ada:PW",
        "https:/ada:PW@h:x",
        "htps//ada:PW@h",
        "ada:PW@h/",
        "https://h:x/#access_token=PW",
    ] {
        let url = url.replace("PW", MARK);
        for sites in [format!("- {{ name: a, url: '{url}' }}"), format!("- '{url}'"), format!("- {{ url: {url} ] ")] {
            folder.write("sites.yaml", &format!("sites:\n  {sites}\n"));
            runs(&folder, "validate").with(2);
            runs(&folder, "check").with(2);
        }
        for command in ["check", "run", "stats", "stats --site", "check --for", "db check"] {
            let mut command = folder.command(command);
            command.arg(&url);
            let ended = Running::start(command).end();
            silent(&url, &ended.stdout);
            silent(&url, &ended.stderr);
        }
    }
    for line in ["pasword: MARK", "tok: [MARK]", "authorisation: { a: Bearer MARK }", "body: 'a${MARK!}b'"] {
        let line = line.replace("MARK", MARK);
        for broken in ["", " \""] {
            let text = format!("sites:\n  - url: https://a.example\n    {line}{broken}\n");
            folder.write("sites.yaml", &text);
            runs(&folder, "validate").with(2);
        }
    }
}

#[test]
fn a_typed_url_with_one_slash_is_refused_and_a_fragment_shows_no_token() {
    let folder = Folder::empty();
    let typed = |options: &str, url: &str| {
        let mut command = folder.command(options);
        command.arg(url.replace("PW", MARK));
        let ended = Running::start(command).end();
        silent(url, &ended.stdout);
        silent(url, &ended.stderr);
        ended
    };
    for url in ["http:/ada:PW@127.0.0.1:1/", "HTTPS:\\\\ada:PW@127.0.0.1:1/", "http:///ada:PW@127.0.0.1:1/"] {
        for options in ["check", "run --headless --for 1s"] {
            let ended = typed(options, url);
            assert!(ended.stderr.contains("two slashes") || url.contains("///"), "{url}: {}", ended.stderr);
        }
    }
    for url in ["http://127.0.0.1:1/#access_token=PW", "http://127.0.0.1:1/#/in?a&token=PW&b"] {
        typed("check", url).with(1);
        typed("check --format json", url).with(1);
        let url = url.replace("PW", MARK);
        for site in [format!("'{url}'"), format!("{{ url: '{url}' }}")] {
            folder.write("sites.yaml", &format!("sites: [ {site} ]\n"));
            runs(&folder, "check -v").with(1);
            runs(&folder, "check --format json").with(1);
        }
    }
}

#[test]
fn a_url_within_a_url_shows_no_password() {
    let folder = Folder::empty();
    for url in ["http://127.0.0.1:1/http://ada:PW@h/", "http://127.0.0.1:1/http%3A%2F%2Fada%3APW%40h/"] {
        let url = url.replace("PW", MARK);
        runs(&folder, &format!("check {url}")).with(1);
        runs(&folder, &format!("check --format json {url}")).with(1);
        folder.write("sites.yaml", &format!("sites: [ '{url}' ]\n"));
        runs(&folder, "check -v").with(1);
    }
}

/// Misplaced secrets: a whole header as a key or a value, a private key instead of its file.
#[test]
fn a_secret_in_a_wrong_place_is_not_quoted() {
    let folder = Folder::empty();
    for line in [
        "headers: { 'Authorization: Bearer MARK': null }",
        "headers: { 'Authorization Bearer MARK': null }",
        "headers: { 'X-Mine: MARK': 1, 'X-Mine: MARK': 2 }",
        "'Authorization: Bearer MARK': 1",
        "'token=MARK': 1",
        "'http://ada:MARK@h/': 1",
        "'-----BEGIN PRIVATE KEY-----MARK': 1",
        "method: 'Authorization: Bearer MARK'",
        "timeout: Bearer MARK",
        "tls: { client_key: '-----BEGIN PRIVATE KEY-----MARK' }",
        "tls: { ca_file: '-----BEGIN PRIVATE KEY-----MARK' }",
        "tls: { client_key: '-----BEGIN PRIVATE KEY-----MARK }",
    ] {
        let line = line.replace("MARK", MARK);
        folder.write("sites.yaml", &format!("sites:\n  - url: http://127.0.0.1:1/\n    {line}\n"));
        runs(&folder, "validate").with(2);
        runs(&folder, "check").with(2);
    }
}

#[test]
fn no_fault_beside_a_secret_shows_it() {
    let server = server();
    let folder = folder(&server);
    let text = std::fs::read_to_string(folder.path("sites.yaml")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut refused = 0;
    for (at, line) in lines.iter().enumerate() {
        for slip in [
            line.replacen(':', "s:", 1),
            line.replacen(": ", " ", 1),
            line.replacen(": ", ": :", 1),
            line.replacen('{', "{{", 1),
            line.replacen('}', "", 1),
            line.replacen('\'', "", 1),
            line.replacen("}'", "'", 1),
            format!("{line} \""),
            format!("\t{line}"),
            format!("  {line}"),
            format!("{line}\n  - ["),
        ] {
            let mut lines: Vec<&str> = lines.clone();
            lines[at] = &slip;
            let parsed = webmon::config::parse(&lines.join("\n"), "sites.yaml", &folder.path(""), &|_| None);
            match parsed {
                Ok(config) => silent(&slip, &format!("{:?}", config.warnings)),
                Err(error) => {
                    silent(&slip, &error.to_string());
                    silent(&slip, &format!("{error:?}"));
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_panic_that_prints_a_configuration_prints_no_secret() {
    let server = server();
    let folder = folder(&server);
    let config = webmon::config::load(&folder.path("sites.yaml"), &|_| None).unwrap();
    silent("debug", &format!("{config:?}"));
    silent("debug", &format!("{config:#?}"));
    assert!(config.sites.iter().any(|watched| watched.site.url.expose().as_str().contains(MARK)), "they are in there");
}
