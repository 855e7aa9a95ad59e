//! The lists of the API are the objects that the commands print.

use crate::client::Served;
use crate::support::program::{Folder, json};
use crate::support::{Behaviour, Server, Step, response};
use rustix::process::Signal;
use serde_json::Value;

fn folder(server: &Server) -> Folder {
    let (up, down) = (server.url("/up"), server.url("/down"));
    Folder::with(&format!(
        "alerting: {{ window: 1s }}\nsites:\n- {{ name: up, url: '{up}', interval: 100ms, timeout: 2s, group: g }}\n\
         - {{ name: down, url: '{down}', interval: 100ms, timeout: 2s }}\n"
    ))
}

fn server() -> Server {
    Server::start(Behaviour::answering(|request| {
        vec![Step::send(response(if request.target == "/up" { 200 } else { 503 }, "ok"))]
    }))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(json).collect()
}

/// The objects of a list in pages of at most `limit`, following the links.
fn paged(web: &mut Served, list: &str, limit: usize) -> Vec<Value> {
    let mut objects = Vec::new();
    let mut next = Some(format!("/api/v1/{list}&limit={limit}"));
    while let Some(path) = next {
        let page = web.get(&path);
        let shown = page.json().as_array().unwrap().clone();
        assert!(shown.len() <= limit && !shown.is_empty(), "{path}");
        objects.extend(shown);
        next = page.headers.get("link").map(|link| {
            link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap().to_owned()
        });
    }
    objects
}

#[test]
fn lists_equal_what_the_commands_print() {
    let server = server();
    let folder = folder(&server);
    let mut web = Served::start(&folder, "");
    web.running.until(|lines| lines.iter().any(|line| line.starts_with("Website down is down.")));
    // The samples up to a time are settled once a later one is stored.
    web.until("/api/v1/alerts", |reply| reply.json().as_array().unwrap().len() == 1);
    let last = web.until("/api/v1/samples?limit=10000&site=down", |reply| reply.json().as_array().unwrap().len() > 20);
    let samples = last.json();
    let until = samples.as_array().unwrap().last().unwrap()["time"].as_str().unwrap().to_owned();
    let since = samples[3]["time"].as_str().unwrap();
    for (path, command) in [
        (format!("samples?since={since}&until={until}"), format!("samples --since {since} --until {until}")),
        (
            format!("samples?since={since}&until={until}&site=up"),
            format!("samples --since {since} --until {until} --site up"),
        ),
        (format!("stats?since={since}&until={until}"), format!("stats --since {since} --until {until}")),
        (
            format!("stats?since={since}&until={until}&group=g"),
            format!("stats --since {since} --until {until} --site up"),
        ),
        (format!("alerts?until={until}"), format!("alerts --until {until}")),
    ] {
        let listed = web.get(&format!("/api/v1/{path}"));
        let printed = lines(&folder.run(&format!("{command} --format json")).with(0).stdout);
        assert_eq!(listed.json(), Value::Array(printed), "{path}");
    }
    // In pages, following the links.
    let samples = paged(&mut web, &format!("samples?since={since}&until={until}"), 7);
    assert_eq!(samples, lines(&folder.run(&format!("samples --since {since} --until {until} --format json")).stdout));
    let figures = paged(&mut web, &format!("stats?since={since}&until={until}"), 1);
    assert_eq!(figures, lines(&folder.run(&format!("stats --since {since} --until {until} --format json")).stdout));
    let by_site = |site: &Value| site["site"].as_str().unwrap().to_owned();
    assert_eq!(paged(&mut web, "sites?", 1).iter().map(by_site).collect::<Vec<_>>(), ["up", "down"]);
    for path in ["sites?after=nobody", "samples?after=up", "alerts?after=up"] {
        assert_eq!(web.get(&format!("/api/v1/{path}")).status, 400, "{path}");
    }
    let sites = web.get("/api/v1/sites").json();
    let states: Vec<(&str, &str)> = sites
        .as_array()
        .unwrap()
        .iter()
        .map(|site| (site["site"].as_str().unwrap(), site["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [("up", "up"), ("down", "down")]);
    for path in ["samples?site=nobody", "stats?site=nobody", "sites?site=nobody"] {
        assert_eq!(web.get(&format!("/api/v1/{path}")).status, 404, "{path}");
    }
    let odd = web.get("/api/v1/samples?since=soon");
    assert_eq!(odd.status, 400);
    assert!(odd.text().contains("`since`") && odd.text().contains("a duration back from now"), "{}", odd.text());
    assert_eq!(web.get("/api/v1/samples?since=1h&until=2h").status, 400);
    web.running.end_by(Signal::TERM).with(143);
}
