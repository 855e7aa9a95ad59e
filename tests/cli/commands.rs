//! The command line: exit codes, what goes to stdout and stderr, and the messages for wrong usage.

use std::fmt::Write as _;
use std::time::Duration;

use crate::support;
use crate::support::ports::closed_port;
use crate::support::program::{Ended, Folder};
use crate::support::{Behaviour, Server, Step, response};
use serde_json::json;
use webmon::model::{Cause, Micros, Observation, Timestamp};
use webmon::ring::Producer;
use webmon::store::{Archive, Keep, Options, Query, Store, StoreError, Writer};

/// A site that is up and one that is not.
fn two_sites(server: &Server) -> String {
    format!(
        "defaults: {{ timeout: 10s }}\n\
         sites:\n\
         - {{ name: api, url: '{}' }}\n\
         - {{ name: broken, url: '{}' }}\n",
        server.url("/"),
        server.url("/broken"),
    )
}

/// The same with enough checks for a history within a second; webmon warns about the long timeout.
fn two_hasty_sites(server: &Server) -> String {
    let hasty = two_sites(server).replace("timeout: 10s", "interval: 300ms, timeout: 10s");
    hasty + "alerting: { window: 1500ms }\n"
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
    for (slip, meant) in [("chekc", "check"), ("chekc --config none.yaml", "check"), ("statss", "stats")] {
        let said = refused(&folder, slip);
        let word = slip.split(' ').next().unwrap();
        assert_eq!(said, format!("webmon: no command {word:?}; did you mean {meant:?}?\n"));
    }
}

#[test]
fn what_is_first_tried_works() {
    let server = server();
    let folder = Folder::with(&two_hasty_sites(&server));
    for (arguments, same) in [
        ("help", "--help"),
        ("help check", "check --help"),
        ("help db compact", "db compact --help"),
        ("db help compact", "db compact --help"),
    ] {
        assert_eq!(folder.run(arguments).quietly().stdout, folder.run(same).quietly().stdout, "{arguments}");
    }
    assert!(refused(&folder, "help chekc").contains("chekc"));
    folder.run("init other.yaml").quietly();
    let valid = folder.run("validate other.yaml").quietly().stdout;
    assert!(valid.starts_with("other.yaml: ok · 5 sites"), "{valid}");

    folder.run("--headless --for 1200ms").with(0);
    for command in ["stats", "samples", "alerts"] {
        let by_option = folder.run(&format!("{command} --site broken --format csv --until 9999-01-01")).with(0).stdout;
        let by_name = folder.run(&format!("{command} broken --format csv --until 9999-01-01")).with(0).stdout;
        let lines = |text: &str| text.lines().count();
        assert_eq!(lines(&by_name), lines(&by_option), "{command}");
        assert!(refused(&folder, &format!("{command} brokn")).contains("did you mean \"broken\"?"));
    }
    for since in ["00:00:01", "yesterday", "1w", "now"] {
        folder.run(&format!("samples --since {since}")).with(0);
    }
    let help = folder.run("run --help").quietly().stdout;
    assert!(help.contains("[default: stats,alert]"), "{help}");
    folder.run("--headless --events stats,alert --for 100ms").with(0);
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
    let long = folder.run("--version").quietly().stdout;
    let version = folder.run("-V").quietly().stdout;
    let manifest = include_str!("../../Cargo.toml");
    let features = manifest.split_once("\n[features]\n").unwrap().1.split_once("\n[").unwrap().0;
    let names = features.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let mut features: Vec<String> = names.filter(|name| *name != "default").map(str::to_owned).collect();
    features.sort_unstable();
    let (first, second) = long.trim_end().split_once('\n').unwrap();
    let listed: Vec<&str> = second.strip_prefix("features: ").unwrap().split(' ').collect();
    assert_eq!(first, version.trim_end());
    assert_eq!(listed.iter().map(|feature| &feature[1..]).collect::<Vec<_>>(), features);
    assert!(listed.contains(&if cfg!(feature = "influx") { "+influx" } else { "-influx" }), "{second}");
    let version = version.strip_prefix(concat!("webmon ", env!("CARGO_PKG_VERSION"))).unwrap().trim_end();
    // A release build says which commit it was built from.
    let commit = version.strip_prefix(" (").and_then(|commit| commit.strip_suffix(')'));
    assert!(version.is_empty() || commit.unwrap().bytes().all(|byte| byte.is_ascii_hexdigit()), "{version:?}");
}

#[test]
fn a_slip_on_the_command_line_is_refused_with_what_was_meant() {
    let server = server();
    let folder = Folder::with(&two_hasty_sites(&server));
    folder.run("--headless --for 1200ms").with(0);
    for (arguments, told) in [
        ("--for 10", "lacks its unit"),
        ("--for never", "never"),
        ("--format xml", "possible values: text, json"),
        ("--events sample,nothing", "possible values: sample, stats, alert"),
        ("--intervall 10s", "--intervall"),
        ("samples --format text", "possible values: table, json, csv"),
        ("samples --for 10s", "--for"),
        ("--headless check", "comes before `check`"),
        ("run brokn", "did you mean \"broken\"?"),
        ("check brokn", "did you mean \"broken\"?"),
        ("samples --site brokn", "did you mean \"broken\"?"),
        ("alerts --site brokn", "did you mean \"broken\"?"),
        ("run zzzzzz", "no site named \"zzzzzz\" in sites.yaml\n"),
        ("check api ftp://127.0.0.1/", "ftp"),
        ("samplse", "did you mean \"samples\"?"),
        ("completions tcsh", "possible values: bash, elvish, fish, powershell, zsh"),
        ("validate --noenv", "--no-env"),
        ("samples --since someday", "cannot read the time \"someday\""),
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
    let colored = folder.run("check api --color always").quietly().stdout;
    assert!(colored.starts_with("\x1b[32m● api  up\x1b[0m  200"), "{colored:?}");
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
    // Each once: 2 alone, 2 of all, 1 elsewhere, 2 as JSON.
    assert_eq!(server.requests().len(), 7);
}

#[test]
fn history_is_told_by_site_and_period_in_three_forms() {
    let server = server();
    let folder = Folder::with(&two_hasty_sites(&server));
    folder.run("--headless --for 4s").with(0);
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

    // A period beside the one before it: from the middle on, and as long before.
    let compared = folder.run(&format!("stats --since {middle} --vs 1h --format json")).quietly().json();
    let stats = folder.run(&format!("stats --since {middle} --format json")).quietly().json();
    assert_eq!(compared.len(), 2);
    for (compared, stats) in compared.iter().zip(&stats) {
        assert_eq!((&compared["event"], &compared["site"]), (&json!("comparison"), &stats["site"]));
        assert_eq!(
            (&compared["availability"], &compared["before_availability"]),
            (&stats["availability"], &json!(null))
        );
        assert_eq!(compared["before_checks"], 0);
    }
    let table = folder.run("stats --vs 7d").quietly().stdout;
    assert!(table.contains("BEFORE") && table.contains(" beside "), "{table}");
    assert!(folder.run("stats --vs 0s").with(2).stderr.contains("write for instance --vs 7d"));

    let csv = folder.run("samples --format csv").quietly().stdout;
    let mut lines = csv.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut names: Vec<&str> = all[0].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_by_key(|name| columns.iter().position(|column| column == name));
    // An object says only that it is masked, a row also that it is not.
    names.push("masked");
    assert_eq!(columns, names, "the names are the same");
    assert_eq!(lines.count(), all.len());
    let table = folder.run("samples").quietly().stdout;
    assert_eq!(table.lines().count(), all.len() + 1);
    assert!(table.starts_with("TIME (+00:00)"), "{table}");

    let alerts = folder.run("alerts --format json").quietly().json();
    assert_eq!(alerts.len(), 1);
    let message = alerts[0]["message"].as_str().unwrap();
    assert!(message.starts_with("Website broken is down. availability=0.00%, time="), "{message}");
    assert!(message.ends_with("+00:00"), "{message}");
    let listed = folder.run("alerts").quietly().stdout;
    assert!(listed.starts_with("TIME (+00:00)") && listed.contains(message), "{listed}");
    assert_eq!(folder.run("alerts --format csv").quietly().stdout.lines().count(), 2);
    assert_eq!(folder.run("alerts --format json --until 1h").quietly().stdout, "");

    // A period without samples is an answer, not a failure.
    let nothing = folder.run("samples --since 2000-01-01 --until 2000-01-02").quietly().stdout;
    assert!(nothing.starts_with("no samples between 2000-01-01 00:00 and 2000-01-02 00:00 (+00:00)"), "{nothing}");
    assert_eq!(folder.run("samples --format json --since 2000-01-01 --until 2000-01-02").quietly().stdout, "");
    // An end without a beginning, and a beginning in the future.
    assert_eq!(folder.run("samples --format json --until 1d").quietly().stdout, "");
    let future = folder.run("samples --since 2100-01-01").quietly().stdout;
    assert!(future.starts_with("no samples since 2100-01-01 00:00 (+00:00)"), "{future}");
}

/// Twenty minutes of checks of which only the sum of their hour is left.
#[test]
fn a_period_too_short_for_what_is_left_of_it_is_told_and_is_no_riddle() {
    let folder = Folder::empty();
    let start = Timestamp::from_secs(1_795_255_200);
    let later = start.after(Duration::from_hours(72));
    let keep = Keep { retention: Some(Duration::from_hours(1)), ..Keep::default() };
    let options = Options { keep, ..Options::default() };
    let store = Store::open(&folder.path("w.redb"), &options, start).unwrap().store;
    let id = store.register(&["api".into()], start).unwrap()[0].id;
    let mut producer = Producer::new(1_000, 0);
    let mut writer = Writer::new(store, vec![(id, producer.ring().reader_at_head())]).unwrap();
    for index in 0..120 {
        let at = start.after(Duration::from_secs(10 * index));
        producer.push(Observation::failed(Cause::ConnectRefused, "").sample(at, Micros::new(0), 0));
    }
    assert_eq!(writer.flush(start).committed, 120);
    assert_eq!(writer.close(later).notices, Vec::<String>::new());

    let stats = "stats --store w.redb --format json --since 2026-11-21T10:00:00Z --until";
    let short = folder.run(&format!("{stats} 2026-11-21T10:20:00Z")).with(0);
    assert_eq!(short.stdout, "");
    let said = "warning: only hourly or daily totals are left of 1 site";
    assert!(short.stderr.contains(said) && short.stderr.contains("longer"), "{}", short.stderr);
    let whole = folder.run(&format!("{stats} 2026-11-21T11:00:00Z")).quietly().json();
    assert_eq!(whole[0]["checks"], 120);
}

/// Only commands that can do without a store suggest `--no-store`.
#[cfg(target_os = "linux")]
#[test]
fn a_place_that_takes_no_file_is_told_with_the_way_on_where_there_is_one() {
    let server = server();
    let folder = Folder::with(&two_hasty_sites(&server));
    folder.run("--headless --for 300ms").with(0);
    // No user can create a file here, not even the superuser.
    for (arguments, way_on) in
        [("--headless --for 300ms --store /proc/self/webmon.redb", true), ("db backup /proc/self/copy.redb", false)]
    {
        let Ended { code, stderr, .. } = folder.run(arguments);
        assert_eq!(code, Some(3), "{arguments}: {stderr}");
        assert!(stderr.contains("cannot create /proc/self/"), "{arguments}: {stderr}");
        assert_eq!(stderr.contains("--no-store runs without a store"), way_on, "{arguments}: {stderr}");
    }
}

/// redb panics on pages that it did not write; webmon reports that as damage, in one line.
#[test]
fn a_page_that_was_overwritten_is_told_as_damage_and_not_as_a_fault_of_the_program() {
    const PAGE: usize = 4096;
    let server = server();
    let folder = Folder::with(&two_hasty_sites(&server));
    folder.run("--headless --for 1s").with(0);
    let whole = std::fs::read(folder.path("webmon.redb")).unwrap();
    let damaged = folder.path("damaged.redb");
    let is_told = |page: &usize| {
        let mut bytes = whole.clone();
        bytes[page * PAGE..][..512].fill(0);
        std::fs::write(&damaged, &bytes).unwrap();
        let Ok(archive) = Archive::open(&damaged) else { return false };
        matches!(archive.samples(&Query::ALL, |_| Ok::<_, ()>(())), Err(StoreError::Damaged { .. }))
    };
    let page = (1..whole.len() / PAGE).find(is_told);
    assert!(page.is_some(), "no page of {} bytes is needed to read samples", whole.len());
    for arguments in
        ["samples", "samples --format json", "samples --format csv", "stats", "alerts", "db info", "db check"]
    {
        let Ended { code, stderr, .. } = folder.run(&format!("--store damaged.redb {arguments}"));
        assert!(
            code == Some(3) || code == Some(0) && !arguments.starts_with("samples"),
            "{arguments}: {code:?} {stderr}"
        );
        assert!(!stderr.contains("panicked"), "{arguments}: {stderr}");
        if code == Some(3) {
            assert!(stderr.starts_with("webmon: damaged.redb is damaged"), "{arguments}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "{arguments}: {stderr}");
        }
    }
}

#[test]
fn history_is_read_without_the_configuration_and_after_a_site_has_left_it() {
    let server = server();
    let folder = Folder::with(&two_hasty_sites(&server));
    folder.run("--headless --for 2s").with(0);
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
    let folder = Folder::with(&two_hasty_sites(&server));
    let text = folder.run("--for 4s").with(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "watching 2 sites, store webmon.redb");
    for part in [" api up\n", " broken failing: 503 Scripted\n", "\nWebsite broken is down. availability=0.00%"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    for view in ["10m", "1h"] {
        // A busy machine skips checks, and then the figures say that they cover fewer.
        for part in [format!(" api {view} up 100%"), format!(" broken {view} down 0%")] {
            assert!(lines.iter().any(|line| line.replace('~', "").contains(&part)), "{part:?} in {text}");
        }
    }
    let stats = folder.run("--format json --for 300ms").with(0).json();
    let stats: Vec<_> = stats.iter().filter(|line| line["event"] == "stats").collect();
    let heads: Vec<(&str, &str)> =
        stats.iter().map(|line| (line["site"].as_str().unwrap(), line["timeframe"].as_str().unwrap())).collect();
    // A refresh on the wall clock may fall into the run; the last figures follow it.
    assert_eq!(
        heads[heads.len() - 4..],
        [("api", "10m"), ("broken", "10m"), ("api", "1h"), ("broken", "1h")],
        "the last figures of a run"
    );
}

/// The program, started by a shell line in which `$0` is webmon.
#[track_caller]
fn by_shell(folder: &Folder, line: &str) -> Ended {
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", line, env!("CARGO_BIN_EXE_webmon")]).current_dir(folder.path("")).env_clear();
    support::program::Running::start(command).end()
}

#[test]
fn it_runs_where_little_is_given_and_says_when_that_is_too_little() {
    let server = server();
    let folder = Folder::with(&two_sites(&server));
    // Neither TERM nor HOME is set in any of these tests.
    let refused = by_shell(&folder, "ulimit -n 8; exec $0 --headless --for 1s").with(2);
    assert_eq!(refused.stdout, "");
    assert_eq!(
        refused.stderr,
        "webmon: the limit of open files is 8, and webmon needs 32; raise the limit: ulimit -n 1024\n"
    );
    assert_eq!(folder.files(), ["sites.yaml"]);
    by_shell(&folder, "ulimit -n 32; exec $0 --headless --for 300ms").with(0);
    // A soft limit is raised.
    by_shell(&folder, "ulimit -S -n 8; exec $0 --headless --for 300ms").with(0);
    assert!(by_shell(&folder, "exec $0 --headless --for 300ms <&-").with(0).stdout.starts_with("watching 2 sites"));
    by_shell(&folder, "exec $0 --headless --for 300ms <&- >&-").with(0);
    by_shell(&folder, "exec $0 check api <&- 2>&-").with(0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_working_folder_that_cannot_be_written_is_no_obstacle_when_the_store_is_elsewhere() {
    let server = server();
    let folder = Folder::with(&two_hasty_sites(&server));
    let (config, store) = (folder.path("sites.yaml"), folder.path("kept.redb"));
    let arguments = |command: &str| {
        let line = format!("--config {} --store {} {command}", config.display(), store.display());
        let mut command = folder.command(&line);
        command.current_dir("/proc");
        support::program::Running::start(command).end()
    };
    arguments("run --headless --for 2s").with(0);
    assert!(!arguments("samples --format json").quietly().json().is_empty());
}

#[test]
fn warnings_of_the_configuration_come_first_and_once() {
    let folder = Folder::with("sites: [{ name: a, url: 'http://127.0.0.1:1/', interval: 1m, timeout: 1s }]\n");
    let lines = |arguments: &str| folder.run(arguments).with(0).stdout;
    let text = lines("--headless --for 200ms --no-store");
    let told: Vec<&str> = text.lines().filter(|line| line.contains("alert window")).collect();
    assert!(told.len() == 1 && text.lines().nth(1) == Some(told[0]), "{text}");
    let json = folder.run("--headless --format json --for 2500ms --no-store").with(0).json();
    let told: Vec<_> = json.iter().filter(|line| line["event"] == "warning").collect();
    assert!(told.len() == 1 && json[0] == *told[0], "{json:?}");
    assert!(json[0]["message"].to_string().contains("alert window"), "{json:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn roots_that_a_machine_lacks_are_told_to_whom_needs_them() {
    let folder = Folder::empty();
    folder.write("no-roots.pem", "");
    std::fs::create_dir(folder.path("no-roots")).unwrap();
    for (scheme, warned) in [("http", false), ("https", true)] {
        folder.write("sites.yaml", &format!("sites: ['{scheme}://{}/']\n", closed_port()));
        let mut command = folder.command("--headless --for 200ms --no-store");
        command.env("SSL_CERT_FILE", folder.path("no-roots.pem")).env("SSL_CERT_DIR", folder.path("no-roots"));
        let text = support::program::Running::start(command).end().with(0).stdout;
        assert_eq!(text.contains("no trusted root certificates on this machine"), warned, "{text}");
    }
}

#[test]
fn validate_says_what_a_file_amounts_to_and_can_do_without_its_secrets() {
    let folder = Folder::with(
        "sites:\n- { name: a, url: 'https://a.example', timeout: 1s, headers: { Authorization: 'Bearer ${NO_SUCH}' } }\n",
    );
    assert!(refused(&folder, "validate").contains("environment variable NO_SUCH is not set"));
    let told = folder.run("validate --no-env").quietly().stdout;
    let expected = "sites.yaml: ok · 1 site · 0.1 checks/s · about 130 kB a day, 3.9 MB at 30d of retention, 3.5 MB of hours \
                    and days after 400d · values with ${…} were not checked\n";
    assert_eq!(told, expected);
    folder.write("sites.yaml", "defaults: { intervall: 1s }\nsites: ['https://${NO_SUCH}']\n");
    assert!(refused(&folder, "validate --no-env").contains("did you mean `interval`?"));
}

#[test]
fn what_others_read_is_printed_whole() {
    let folder = Folder::empty();
    let schema = folder.run("schema").quietly().stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["required"], json!(null), "sites can come from a merge");
    assert!(schema["properties"]["sites"]["items"].is_object());
    assert!(folder.run("man").quietly().stdout.contains(".SH NAME\nwebmon"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = folder.run(&format!("completions {shell}")).quietly().stdout;
        assert!(script.contains("validate") && script.contains("--no-env") | script.contains("no-env"), "{shell}");
    }
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn a_disabled_site_that_is_named_is_told_to_be_one() {
    let folder =
        Folder::with("sites: ['https://a.example', { name: old, url: 'https://b.example', enabled: false }]\n");
    for arguments in ["check old", "run old --headless"] {
        assert_eq!(
            refused(&folder, arguments),
            "webmon: the site \"old\" is disabled in sites.yaml; set enabled: true\n"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_a_network_judges_nobody() {
    use std::process::Command;
    // A namespace of its own has no route anywhere. Where none may be made, there is nothing to see.
    let isolated = || {
        let mut command = Command::new("unshare");
        command.arg("--map-root-user").arg("--net");
        command
    };
    if !isolated().arg("true").output().is_ok_and(|made| made.status.success()) {
        return;
    }
    let folder = Folder::empty();
    let mut command = isolated();
    command.arg(env!("CARGO_BIN_EXE_webmon")).args(["check", "https://192.0.2.1", "https://example.com"]);
    command.current_dir(folder.path("")).env("TZ", "UTC");
    let ended = support::program::Running::start(command).end().with(4);
    assert_eq!(ended.stdout.matches("no route to the network from this machine").count(), 2, "{}", ended.stdout);
    assert!(ended.stdout.ends_with("2 sites are unknown\n"), "{}", ended.stdout);
}

#[test]
fn usage_is_judged_before_the_store() {
    let folder = Folder::with("sites: ['https://a.example']\n");
    for slip in ["samples --since someday", "stats --until 2026-13-01", "alerts --since 1h --until 2h"] {
        refused(&folder, slip);
    }
    folder.run("samples --since 1h").with(3);
}

/// On the command line and in the file.
#[test]
fn a_report_has_a_title() {
    let folder = Folder::with("sites: ['https://a.example']\npage: { title: ' ' }\n");
    let why = "write a title, such as \"Status of example.org\"";
    assert!(refused(&folder, "validate").contains(why));
    for title in ["--title=", "--title=\u{a0}"] {
        let said = refused(&folder, &format!("report {title}"));
        assert!(said.contains("--title") && said.contains(why), "{said}");
    }
}

#[test]
fn whoever_stops_listening_is_no_reason_to_fail() {
    let folder = Folder::empty();
    folder.run("init").quietly();
    folder.write("wrong.yaml", "sites: nonsense");
    for (arguments, code) in
        [("validate", 0), ("init -c another.yaml", 0), ("-c wrong.yaml validate", 2), ("samples", 3), ("--nonsense", 2)]
    {
        // Both streams go to a pipe without a reader.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = folder.command(arguments);
        let status = command.stdout(writer.try_clone().unwrap()).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments}");
    }
}

/// A folder can have any name, and a terminal obeys what is in it.
#[test]
fn a_path_reaches_no_terminal_raw() {
    let server = server();
    let folder = Folder::with(&two_hasty_sites(&server).replace(", timeout: 10s", ", timeout: 300ms"));
    let odd = "\u{1b}]0;odd\u{7}\u{202e}.redb";
    let silent = |ended: &Ended| {
        for text in [&ended.stdout, &ended.stderr] {
            assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        }
    };
    let ran = |arguments: &str| {
        let mut command = folder.command(arguments);
        command.args(["--store", odd]);
        let ended = support::program::Running::start(command).end();
        silent(&ended);
        ended
    };
    ran("db info").with(3);
    ran("--headless --for 1s -v").with(0);
    for arguments in ["db info", "db check", "db compact", "stats", "samples", "stats --site nobody"] {
        ran(arguments);
    }
    ran("db backup copy.redb").with(0);
    let mut command = folder.command("validate");
    command.args(["--config", odd]);
    silent(&support::program::Running::start(command).end());
}

/// A configuration that exceeds the memory is refused with advice, before the system kills the start.
#[test]
fn more_checks_than_memory_holds_are_refused() {
    let folder = Folder::empty();
    let write = |number: usize| {
        let mut text = "defaults: { interval: 100ms, timeout: 10m }\nalerting: { window: 1h }\nsites:\n".to_owned();
        for site in 0..number {
            writeln!(text, "  - {{ name: s{site}, url: 'http://127.0.0.1:1' }}").unwrap();
        }
        folder.write("sites.yaml", &text);
    };
    write(50);
    folder.run("validate").with(0);
    write(3_000);
    for arguments in ["validate", "--headless --for 1s"] {
        let said = refused(&folder, arguments);
        assert!(said.contains("of memory, more than 4.3 GB: check less often"), "{said}");
    }
}

/// The error for a user without a thread left names the limit. The superuser has no such limit, so another user tries.
#[cfg(target_os = "linux")]
#[test]
fn a_system_without_a_thread_to_give_is_an_error_in_words() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;

    // A user without other processes.
    const NOBODY_ELSE: u32 = 64_999;
    let folder = tempfile::tempdir().unwrap();
    // A copy, because the folder of the original may be closed to other users.
    let program = folder.path().join("webmon");
    std::fs::copy(env!("CARGO_BIN_EXE_webmon"), &program).unwrap();
    std::fs::write(folder.path().join("sites.yaml"), "sites: [\"http://127.0.0.1:9/\"]").unwrap();
    for path in [folder.path(), &program] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    for arguments in ["run --headless --for 1s", "run --headless --for 1s --no-store", "check"] {
        let mut limited = std::process::Command::new("sh");
        // dash calls it -p.
        let script = format!("{{ ulimit -u 1 || ulimit -p 1; }} 2>/dev/null && exec ./webmon {arguments}");
        limited.args(["-c", &script]).current_dir(folder.path());
        let Ok(ended) = limited.uid(NOBODY_ELSE).output() else {
            println!("skipped: only root can start a program as another user");
            return;
        };
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains("cannot start a thread") && !said.contains("panicked"), "{arguments}: {said}");
        assert_eq!(ended.status.code(), Some(2), "{arguments}: {said}");
    }
}

#[cfg(not(feature = "nats"))]
#[test]
fn a_fleet_needs_a_webmon_that_was_built_for_it() {
    let folder = Folder::with("sites: ['http://a.test']\nfleet: { server: 'tls://a.test' }");
    assert!(folder.run("validate").with(0).stderr.is_empty());
    for arguments in
        ["fleet status", "fleet init", "fleet server-config a", "hub", "run --fleet", "--fleet=tls://a.test"]
    {
        let said = refused(&folder, arguments);
        assert!(said.contains("built without the feature `nats`"), "{arguments}: {said}");
    }
}
