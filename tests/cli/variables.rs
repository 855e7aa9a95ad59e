//! Commands that read what a monitor stored expand sites.yaml as the monitor does, and can do without its secrets.

use std::fs;

use webmon::model::Timestamp;
use webmon::store::{Options, Store};

use crate::support::ports::closed_port;
use crate::support::program::{Ended, Folder, Running};

const NOW: Timestamp = Timestamp::from_secs(1_795_341_600);

/// A site of which everything comes from variables, and an older store where `storage.path` has its default.
fn folder() -> (Folder, Vec<u8>) {
    let folder = Folder::with(&format!(
        "storage: {{ path: \"${{DATA:-d}}/k.redb\" }}\n\
         page: {{ title: \"${{TITLE:-Ours}}\" }}\n\
         report: {{ out: \"${{OUT:-public}}\" }}\n\
         alerting: {{ window: 1s, slo: \"${{SLO:-99.9%}}\" }}\n\
         defaults: {{ headers: {{ Authorization: \"Bearer ${{TOKEN}}\" }} }}\n\
         sites:\n\
         - name: \"${{WHO:-me}}-api\"\n\
         \x20 url: http://{}/\n\
         \x20 group: \"${{GRP:-shop}}\"\n\
         \x20 interval: \"${{IV:-100ms}}\"\n\
         \x20 timeout: \"${{IV:-100ms}}\"\n",
        closed_port()
    ));
    let older = Store::open(&folder.path("webmon.redb"), &Options::default(), NOW).unwrap().store;
    older.register(&["me-api".into(), "us-api".into()], NOW).unwrap();
    drop(older);
    let older = fs::read(folder.path("webmon.redb")).unwrap();
    (folder, older)
}

fn webmon(folder: &Folder, variables: &[(&str, &str)], arguments: &str) -> Ended {
    let mut command = folder.command(arguments);
    command.envs(variables.iter().copied());
    Running::start(command).end()
}

#[test]
fn readers_expand_as_the_monitor_does_and_need_no_secret() {
    let set = [("DATA", "e"), ("TITLE", "Theirs"), ("OUT", "pages"), ("WHO", "us"), ("GRP", "web"), ("IV", "200ms")];
    for (variables, store, site, group, pages, title) in [
        (&[][..], "d/k.redb", "me-api", "shop", "public", "Ours"),
        (&set[..], "e/k.redb", "us-api", "web", "pages", "Theirs"),
    ] {
        let (folder, older) = folder();
        fs::create_dir(folder.path(&store[..1])).unwrap();
        let with_secret = [variables, &[("TOKEN", "t0ken-canary")]].concat();
        webmon(&folder, &with_secret, "--headless --for 1s").with(0);
        let read = |arguments: &str| {
            let ended = webmon(&folder, variables, arguments);
            assert!(!ended.stdout.contains("t0ken-canary"), "{arguments}: {}", ended.stdout);
            ended.quietly()
        };

        let stats = read("stats --format json").json();
        assert_eq!((stats.len(), stats[0]["site"].as_str()), (1, Some(site)), "{stats:?}");
        assert!(stats[0]["checks"].as_u64().is_some_and(|checks| checks > 0), "{stats:?}");
        assert!(read("stats --slo").stdout.contains(site));
        assert!(read("samples --format csv").stdout.contains(site));
        let why = read("why").stdout;
        assert!(why.contains(site), "{why}");
        let waits = read(&format!("silence group:{group} 1h")).stdout;
        assert!(waits.starts_with(&format!("no monitor writes {store} now: ")), "{waits}");
        assert_eq!(read("report").stdout, format!("wrote {pages}\n"));
        let page = fs::read_to_string(folder.path(pages).join("index.html")).unwrap();
        assert!(page.contains(title) && page.contains(site), "{page}");
        let backtest = read("backtest --since 1h").stdout;
        assert!(backtest.contains(site), "{backtest}");
        let forgotten = read(&format!("db forget {site} --yes")).stdout;
        assert!(forgotten.starts_with(&format!("{store}: deleted \"{site}\"")), "{forgotten}");
        assert_eq!(fs::read(folder.path("webmon.redb")).unwrap(), older, "nobody asked for it");
    }
}

#[test]
fn without_the_variable_of_its_path_no_other_store_is_taken() {
    let (folder, older) = folder();
    let text = fs::read_to_string(folder.path("sites.yaml")).unwrap();
    folder.write("sites.yaml", &text.replace("${DATA:-d}", "${DATA}"));
    for arguments in
        ["stats", "samples", "alerts", "why", "ack", "silence me-api 1h", "report", "db info", "db forget me-api --yes"]
    {
        let refused = webmon(&folder, &[], arguments).with(2);
        assert_eq!(refused.stdout, "", "{arguments}");
        let expected = "error: environment variable DATA is not set\n  sites.yaml:1:19\n";
        assert!(refused.stderr.starts_with(expected), "{arguments}: {}", refused.stderr);
        assert!(refused.stderr.contains("--store FILE") && !refused.stderr.contains("TOKEN"), "{}", refused.stderr);
    }
    assert_eq!(fs::read(folder.path("webmon.redb")).unwrap(), older);
    webmon(&folder, &[], "db info --store webmon.redb").quietly();
    let missing = webmon(&folder, &[("DATA", "d")], "stats").with(3).stderr;
    assert!(missing.contains("d/k.redb"), "{missing}");
}

#[test]
fn what_changes_without_its_variable_is_told() {
    let (folder, _) = folder();
    let text = fs::read_to_string(folder.path("sites.yaml")).unwrap();
    let text = text.replace("${DATA:-d}/k.redb", "webmon.redb").replace("${WHO:-me}", "${WHO}");
    folder.write("sites.yaml", &text);
    let told = webmon(&folder, &[], "why").with(0).stderr;
    assert_eq!(told, "warning: sites.yaml:7:9: environment variable WHO is not set, so this site is left out\n");
    webmon(&folder, &[("WHO", "me")], "why").quietly();
}
