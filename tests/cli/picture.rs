//! `webmon watch --picture` writes any page of a dashboard over a store as SVG, without a terminal.

use crate::support::program::Folder;
use crate::support::{Behaviour, Server, Step, response};

/// A folder whose store has a few checks of two sites.
fn stored() -> Folder {
    let server = Server::start(Behaviour::answering(|request| match request.target.as_str() {
        "/broken" => vec![Step::send(response(503, "out of order"))],
        _ => vec![Step::send(response(200, "ok"))],
    }));
    let folder = Folder::with(&format!(
        "defaults: {{ interval: 200ms, timeout: 200ms }}\n\
         sites: [{{ name: api, url: '{}' }}, {{ name: broken, url: '{}' }}]\n\
         alerting: {{ window: 1s }}\n\
         dashboard: {{ keys: {{ sort: o, groups: s }} }}\n",
        server.url("/"),
        server.url("/broken"),
    ));
    folder.run("--headless --for 1500ms").with(0);
    folder
}

#[test]
fn any_page_becomes_a_picture_with_the_keys_of_the_file() {
    let folder = stored();
    let drawn = |options: &str| {
        folder.run(&format!("watch --picture p.svg {options}")).quietly();
        std::fs::read_to_string(folder.path("p.svg")).unwrap().replace('\u{a0}', " ")
    };
    let overview = drawn("");
    assert!(overview.starts_with("<svg ") && overview.ends_with("</svg>\n"));
    for words in ["webmon watch", ">o<", "503×", "200×"] {
        assert!(overview.contains(words), "{words}: {overview}");
    }
    let site = drawn("--site broken --size 100x40");
    assert!(site.contains("‹ overview") && site.contains("Response time") && site.contains("503"), "{site}");
    assert!(site.contains(&format!("width=\"{}\"", 100 * 9 + 24)), "{site}");
    let large = drawn("--size 200x60");
    assert!(large.contains("Response time") && !large.contains("no checks in this period"), "{large}");
    let incident = drawn("--page incident");
    assert!(incident.contains("What happened") && incident.contains("broken"), "{incident}");
    let before = drawn("--until 2020-01-01T00:00");
    assert!(before.contains("PAST") && before.contains("not watched yet"), "{before}");
    let ahead = drawn("--until 2099-01-01");
    assert!(!ahead.contains("PAST") && !ahead.contains("not watched yet") && ahead.contains("503×"), "{ahead}");
    assert!(drawn("--page alerts").contains("newest first"));
    assert!(drawn("--page help").contains("sort the sites"));
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let folder = stored();
    for (arguments, code, told) in [
        ("watch --picture p.svg --site brokn", 2, "no site named \"brokn\" in webmon.redb; did you mean \"broken\"?"),
        ("watch --picture none/p.svg", 2, "cannot write none/p.svg"),
        ("watch --picture p.svg --size 9x9", 2, "is not a size such as 120x40: 20 to 500 columns, 5 to 300 rows"),
        ("watch --site api", 2, "--picture"),
        ("watch --picture p.svg --until noon", 2, "noon"),
        ("watch --picture p.svg --page help --until 1h", 2, "--until goes with the overview and the alerts only"),
        ("watch --picture p.svg --store none.redb", 3, "none.redb"),
    ] {
        let ended = folder.run(arguments).with(code);
        assert!(ended.stderr.contains(told), "{arguments}: {}", ended.stderr);
    }
    assert!(!folder.files().contains(&"p.svg".to_owned()));
}
