//! The command line as people and scripts meet it: exit codes, what is said where, and what a slip is told.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test file: what cannot be had ends the test")]

mod support;

use serde_json::json;
use support::ports::closed_port;
use support::program::{Ended, Folder};
use support::{Behaviour, Server, Step, response};

/// A site that is up, one that is not, and enough checks for a history in a second.
fn two_sites(server: &Server) -> String {
    format!(
        "defaults: {{ interval: 300ms, timeout: 300ms }}\n\
         sites:\n\
         - {{ name: api, url: '{}' }}\n\
         - {{ name: broken, url: '{}' }}\n\
         alerting: {{ window: 1500ms }}\n",
        server.url("/"),
        server.url("/broken"),
    )
}

fn server() -> Server {
    Server::start(Behaviour::answering(|request| match request.target.as_str() {
        "/broken" => vec![Step::send(response(503, "out of order"))],
        _ => vec![Step::send(response(200, "ok"))],
    }))
}

/// Wrong usage: code 2, words on stderr, nothing on stdout, nothing written.
#[track_caller]
fn refused(folder: &Folder, arguments: &str) -> String {
    let before = folder.files();
    let Ended { code, stdout, stderr, .. } = folder.run(arguments);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments}: {stderr}");
    assert_eq!(folder.files(), before, "{arguments}: something was started");
    stderr
}

#[test]
fn an_empty_folder_is_told_the_way_on() {
    let folder = Folder::empty();
    for arguments in ["", "--headless", "run", "check", "validate", "samples", "alerts", "run api"] {
        let said = refused(&folder, arguments);
        let first = said.lines().next().unwrap();
        let place = folder.path("").canonicalize().unwrap();
        let expected = format!("webmon: no configuration: there is no sites.yaml in {}", place.display());
        assert_eq!(first.trim_end_matches('/'), expected, "{arguments}");
        for way in ["webmon run https://my.site", "webmon init", "webmon -c FILE", "WEBMON_CONFIG"] {
            assert!(said.contains(way), "{arguments}: {said}");
        }
    }
    assert!(refused(&folder, "-c else.yaml").contains("there is no else.yaml in"));
}

#[test]
fn init_writes_once_and_what_it_wrote_is_right() {
    let folder = Folder::empty();
    let wrote = folder.run("init").quietly();
    assert!(wrote.stdout.contains("sites.yaml"), "{}", wrote.stdout);
    assert_eq!(folder.files(), ["sites.yaml"]);
    let valid = folder.run("validate").quietly();
    assert!(valid.stdout.starts_with("sites.yaml: ok · 5 sites"), "{}", valid.stdout);

    folder.write("sites.yaml", "mine");
    assert!(refused(&folder, "init").contains("sites.yaml exists"));
    assert_eq!(std::fs::read_to_string(folder.path("sites.yaml")).unwrap(), "mine");
    folder.run("init -c second.yaml").quietly();
    folder.run("-c second.yaml validate").quietly();
}

#[test]
fn help_names_every_command_and_each_has_its_own() {
    let folder = Folder::empty();
    let help = folder.run("--help").quietly().stdout;
    for command in ["run", "check", "samples", "alerts", "validate", "init"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{command}: {help}");
        assert!(folder.run(&format!("{command} --help")).quietly().stdout.contains("Usage: webmon"), "{command}");
    }
    assert_eq!(folder.run("--version").quietly().stdout, format!("webmon {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_slip_on_the_command_line_is_refused_with_what_was_meant() {
    let server = server();
    let folder = Folder::with(&two_sites(&server));
    folder.run("--headless --for 1200ms").with(0);
    for (arguments, told) in [
        ("--for 10", "lacks its unit"),
        ("--for never", "never"),
        ("--format xml", "possible values: text, json"),
        ("--events sample,nothing", "possible values: sample, stats, alert"),
        ("--intervall 10s", "--intervall"),
        ("samples --format text", "possible values: table, json, csv"),
        ("samples --for 10s", "--for"),
        ("--headless check", "stands before `check`"),
        ("run brokn", "did you mean \"broken\"?"),
        ("check brokn", "did you mean \"broken\"?"),
        ("samples --site brokn", "did you mean \"broken\"?"),
        ("alerts --site brokn", "did you mean \"broken\"?"),
        ("run zzzzzz", "no site named \"zzzzzz\" in sites.yaml\n"),
        ("check api ftp://127.0.0.1/", "ftp"),
        ("samplse", "did you mean \"samples\"?"),
        ("samples --since yesterday", "cannot read the time \"yesterday\""),
        ("samples --since 1m --until 2m", "--since must be before --until"),
        ("samples --since 2026-02-30", "2026-02-30"),
    ] {
        let said = refused(&folder, arguments);
        assert!(said.contains(told), "{arguments}: {said}");
    }
}

#[test]
fn faults_of_the_configuration_are_all_told_and_nothing_is_started() {
    let folder = Folder::with(
        "defaults: { intervall: 10s }\nsites:\n- { name: a, url: 'http://127.0.0.1/' }\n- { name: b, url: nonsense }\n",
    );
    for arguments in ["", "--headless --for 1s", "check", "validate", "run a"] {
        let said = refused(&folder, arguments);
        for part in ["did you mean `interval`?", "sites.yaml:1:13", "sites.yaml:4:19", "nothing was started"] {
            assert!(said.contains(part), "{arguments}: {part} in {said}");
        }
        assert_eq!(said.matches("error: ").count(), 2, "{said}");
    }
    assert_eq!(folder.files(), ["sites.yaml"]);
    folder.write("empty.yaml", "");
    refused(&folder, "-c empty.yaml --headless");
    // A folder where a file should be.
    std::fs::create_dir(folder.path("folder.yaml")).unwrap();
    assert!(refused(&folder, "-c folder.yaml --headless").contains("folder.yaml"));
}

#[test]
fn check_probes_once_judges_by_its_exit_code_and_keeps_nothing() {
    let server = server();
    let folder = Folder::with(&two_sites(&server));
    let up = folder.run("check api").quietly();
    assert!(up.stdout.contains("processing") && up.stdout.contains("HTTP/1.1"), "{}", up.stdout);
    assert!(!up.stdout.contains('\x1b'), "no colours in a pipe: {}", up.stdout);
    let down = folder.run("check").with(1);
    assert!(down.stdout.contains("1 of 2 sites is down") && down.stdout.contains("503"), "{}", down.stdout);
    assert_eq!(folder.run(&format!("check {}", server.url("/elsewhere"))).quietly().code, Some(0));
    folder.run(&format!("check http://{}/", closed_port())).with(1);

    let json = folder.run("check --format json broken api").with(1).json();
    assert_eq!(json.len(), 2);
    for (object, site, up, status) in [(&json[0], "api", true, 200), (&json[1], "broken", false, 503)] {
        assert_eq!(
            [&object["event"], &object["site"], &object["up"], &object["status"], &object["seq"], &object["late_us"]],
            [&json!("sample"), &json!(site), &json!(up), &json!(status), &json!(null), &json!(null)],
        );
        assert!(object.get("certificate").is_some() && object.get("hops").is_some(), "{object}");
    }
    assert_eq!(folder.files(), ["sites.yaml"]);
    // Once each: 1 alone, 2 of all, 1 elsewhere, 2 as JSON.
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn history_is_told_by_site_and_period_in_three_forms() {
    let server = server();
    let folder = Folder::with(&two_sites(&server));
    folder.run("--headless --for 2500ms").with(0);
    let all = folder.run("samples --format json").quietly().json();
    assert!(all.is_sorted_by_key(|sample| sample["time"].as_str().unwrap().to_owned()), "ordered by time");
    let middle = all[all.len() / 2]["time"].as_str().unwrap().to_owned();

    // A boundary belongs to the later part.
    let before = folder.run(&format!("samples --format json --since 1h --until {middle}")).quietly().json();
    let after = folder.run(&format!("samples --format json --since {middle}")).quietly().json();
    assert_eq!(after[0], all[all.len() / 2]);
    assert_eq!([before, after].concat(), all);
    let only = folder.run("samples --format json --site broken").quietly().json();
    assert!(!only.is_empty() && only.iter().all(|sample| sample["site"] == "broken"));
    let both = folder.run("samples --format json --site broken --site api").quietly().json();
    assert_eq!(both, all);

    let csv = folder.run("samples --format csv").quietly().stdout;
    let mut lines = csv.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut names: Vec<&str> = all[0].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_by_key(|name| columns.iter().position(|column| column == name));
    assert_eq!(columns, names, "the names are the same");
    assert_eq!(lines.count(), all.len());
    let table = folder.run("samples").quietly().stdout;
    assert_eq!(table.lines().count(), all.len() + 1);
    assert!(table.starts_with("TIME"), "{table}");

    let alerts = folder.run("alerts --format json").quietly().json();
    assert_eq!(alerts.len(), 1);
    let message = alerts[0]["message"].as_str().unwrap();
    assert!(message.starts_with("Website broken is down. availability=0.00%, time="), "{message}");
    assert!(message.ends_with("+00:00"), "{message}");
    assert!(folder.run("alerts").quietly().stdout.contains(message));
    assert_eq!(folder.run("alerts --format csv").quietly().stdout.lines().count(), 2);
    assert_eq!(folder.run("alerts --format json --until 1h").quietly().stdout, "");

    // A period without samples is an answer, not a failure.
    let nothing = folder.run("samples --since 2000-01-01 --until 2000-01-02").quietly().stdout;
    assert!(nothing.starts_with("no samples between 2000-01-01 00:00 and 2000-01-02 00:00"), "{nothing}");
    assert_eq!(folder.run("samples --format json --since 2000-01-01 --until 2000-01-02").quietly().stdout, "");
    // An end without a beginning, or a beginning in the future: neither is a riddle.
    assert_eq!(folder.run("samples --format json --until 1d").quietly().stdout, "");
    let future = folder.run("samples --since 2100-01-01").quietly().stdout;
    assert!(future.starts_with("no samples since 2100-01-01 00:00"), "{future}");
}

#[test]
fn history_is_read_without_the_configuration_and_after_a_site_has_left_it() {
    let server = server();
    let folder = Folder::with(&two_sites(&server));
    folder.run("--headless --for 1s").with(0);
    folder.write("sites.yaml", &format!("sites: [{{ name: api, url: '{}' }}]", server.url("/")));
    let all = folder.run("samples --format json").quietly().json();
    assert!(all.iter().any(|sample| sample["site"] == "broken"));
    assert!(!folder.run("samples --format json --site broken").quietly().stdout.is_empty());
    std::fs::remove_file(folder.path("sites.yaml")).unwrap();
    assert_eq!(folder.run("samples --format json --store webmon.redb").quietly().json(), all);
}

#[test]
fn the_configuration_is_named_by_the_environment_and_overruled_by_the_option() {
    let server = server();
    let folder = Folder::empty();
    folder.write("one.yaml", &two_sites(&server));
    folder.write("two.yaml", "sites: []");
    let named = |arguments: &str, file: &str| {
        let mut command = folder.command(arguments);
        command.env("WEBMON_CONFIG", file);
        support::program::Running::start(command).end()
    };
    assert!(named("validate", "one.yaml").quietly().stdout.starts_with("one.yaml: ok · 2 sites"));
    named("validate", "two.yaml").with(2);
    named("-c one.yaml validate", "two.yaml").quietly();
    // The store is beside its file, wherever webmon was started.
    std::fs::create_dir(folder.path("sub")).unwrap();
    std::fs::rename(folder.path("one.yaml"), folder.path("sub/one.yaml")).unwrap();
    folder.run("-c sub/one.yaml --headless --for 300ms").with(0);
    assert!(folder.path("sub/webmon.redb").exists());
    assert!(!folder.path("webmon.redb").exists());
}

#[test]
fn headless_text_is_for_people_and_chosen_by_itself() {
    let server = server();
    let folder = Folder::with(&two_sites(&server));
    let text = folder.run("--for 2500ms").with(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "watching 2 sites, store webmon.redb");
    for part in [" api up\n", " broken failing: 503 Scripted\n", "\nWebsite broken is down. availability=0.00%"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    for view in ["10m", "1h"] {
        assert!(lines.iter().any(|line| line.contains(&format!(" api {view} up 100%"))), "{text}");
        assert!(lines.iter().any(|line| line.contains(&format!(" broken {view} down 0%"))), "{text}");
    }
    let stats = folder.run("--format json --for 300ms").with(0).json();
    let stats: Vec<_> = stats.iter().filter(|line| line["event"] == "stats").collect();
    let heads: Vec<(&str, &str)> =
        stats.iter().map(|line| (line["site"].as_str().unwrap(), line["timeframe"].as_str().unwrap())).collect();
    assert_eq!(
        heads,
        [("api", "10m"), ("broken", "10m"), ("api", "1h"), ("broken", "1h")],
        "the last figures of a run"
    );
}

#[test]
fn whoever_stops_listening_is_no_reason_to_fail() {
    let folder = Folder::empty();
    folder.run("init").quietly();
    folder.write("wrong.yaml", "sites: nonsense");
    for (arguments, code) in
        [("validate", 0), ("init -c another.yaml", 0), ("-c wrong.yaml validate", 2), ("samples", 3), ("--nonsense", 2)]
    {
        // A pipe that nobody reads, for both streams.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = folder.command(arguments);
        let status = command.stdout(writer.try_clone().unwrap()).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments}");
    }
}
