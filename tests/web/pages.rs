//! The pages of a running monitor, and `webmon report`: their figures are those of `webmon stats`, their links lead somewhere.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use webmon::alert::Policies;
use webmon::model::{Cause, Timestamp};

use crate::client::Served;
use crate::crawl::{between, crawl, files};
use crate::past::{self, PastSite};
use crate::support::program::{Folder, wall};
use crate::support::{Behaviour, Server};

const SITES: [PastSite; 3] = [
    PastSite {
        name: "api",
        median: 40.0,
        days: 90,
        outages: &[(30, 20, Cause::Status), (400, 2, Cause::ConnectRefused)],
    },
    PastSite { name: "<b>docs</b> & \"co\"", median: 90.0, days: 40, outages: &[(80, 1, Cause::ResponseTimeout)] },
    PastSite { name: "blog", median: 9.0, days: 3, outages: &[] },
];

const INTERVAL: Duration = Duration::from_mins(10);

/// A folder with a past that ends an hour ago, and that instant.
fn folder(server: &Server) -> (Folder, Timestamp) {
    let mut yaml = String::from("page: { notes: { shop: 'our <b>shop</b>' } }\n");
    yaml.push_str("defaults: { interval: 10m, timeout: 2s, note: 'run by <b>others</b>' }\nsites:\n");
    for site in &SITES {
        yaml.push_str(&format!("- {{ name: '{}', url: '{}', group: shop }}\n", site.name, server.url("/")));
    }
    let folder = Folder::with(&yaml);
    let hour = Duration::from_hours(1).as_secs();
    let now = Timestamp::from_secs(wall().duration_since(UNIX_EPOCH).unwrap().as_secs() / hour * hour - hour);
    past::write(&folder.path("webmon.redb"), &SITES, (INTERVAL, &Policies::default()), now);
    (folder, now)
}

#[test]
fn a_report_is_the_same_twice_its_figures_are_those_of_stats_and_its_links_lead_somewhere() {
    let server = Server::start(Behaviour::ok());
    let (folder, now) = folder(&server);
    let as_of = format!("{:.6}", now.instant());
    for out in ["one", "two", "two"] {
        folder.run(&format!("report --out {out} --as-of {as_of}")).with(0);
    }
    let (one, two) = (files(&folder.path("one")), files(&folder.path("two")));
    assert_eq!(one, two);
    assert_eq!(one.len(), 2 + 3 * SITES.len());

    let summary: Value =
        serde_json::from_slice(&one.iter().find(|(name, _)| name == "summary.json").unwrap().1).unwrap();
    // The last of the 90 days has begun, in UTC, and is not over.
    let today = (now.as_micros() - 1) / 86_400_000_000 * 86_400_000_000;
    let since = Timestamp::from_micros(today).before(Duration::from_hours(24 * 89)).instant();
    let stats = folder.run(&format!("stats --since {since} --until {as_of} --format json")).with(0).json();
    for site in summary["sites"].as_array().unwrap() {
        let of = stats.iter().find(|stats| stats["site"] == site["site"]).unwrap();
        for count in ["up", "checks"] {
            assert_eq!(site[count], of[count], "{count} of {site:#} and {of:#}");
        }
        for (ours, theirs) in [("p50_us", "p50"), ("p95_us", "p95"), ("p99_us", "p99"), ("max_us", "max")] {
            let theirs = of["response_time_ms"][theirs].as_f64().unwrap();
            assert!((site[ours].as_f64().unwrap() / 1e3 - theirs).abs() < 1e-6, "{ours} of {site:#} and {of:#}");
        }
    }

    assert_eq!(crawl(&one), 1 + SITES.len());
    let index = String::from_utf8(one.iter().find(|(name, _)| name == "index.html").unwrap().1.clone()).unwrap();
    assert!(index.contains("our &lt;b&gt;shop&lt;/b&gt;") && index.contains("run by &lt;b&gt;others&lt;/b&gt;"));
    let refused = folder.run("report --site nobody");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
}

#[test]
fn the_listener_shows_the_same_figures_and_a_policy_that_allows_only_its_style() {
    let server = Server::start(Behaviour::ok());
    let (folder, now) = folder(&server);
    let as_of = format!("{:.6}", now.instant());
    let web = Served::start(&folder, "");
    let page = web.until(&format!("/?as_of={as_of}"), |reply| reply.status == 200);
    let policy = &page.headers["content-security-policy"];
    let rest =
        ["default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"];
    assert!(rest.iter().all(|rule| policy.contains(rule)) && policy.contains("style-src 'sha256-"), "{policy}");
    assert!(page.text().contains("&lt;b&gt;docs&lt;/b&gt;") && !page.text().contains("<b>"));
    assert!(page.text().contains("our &lt;b&gt;shop&lt;/b&gt;"), "{}", page.text());

    let site = web.until(&format!("/site/api?as_of={as_of}"), |reply| reply.status == 200).text();
    assert!(site.contains("run by &lt;b&gt;others&lt;/b&gt;") && !site.contains("<b>"));
    let rows: Vec<Vec<&str>> =
        between(&site, "<tr>", "</tr>").iter().map(|row| between(row, "<td class=\"n hide\">", "<")).collect();
    let checks: Vec<&str> =
        rows.iter().filter_map(|row| row.first().copied()).filter(|cell| !cell.is_empty()).collect();
    for (days, shown) in [1, 7, 30, 90].iter().zip(&checks) {
        let since = format!("{:.6}", now.before(Duration::from_hours(24 * days)).instant());
        let stats =
            folder.run(&format!("stats --site api --since {since} --until {as_of} --format json")).with(0).json();
        assert_eq!(stats[0]["checks"].to_string(), **shown, "{days} days");
    }
    assert_eq!(checks.len(), 4, "{rows:?}");

    // Until its first check the site is new.
    web.until("/badge/api.json", |reply| reply.json()["message"].as_str().unwrap().starts_with("up 99."));
    assert!(web.get("/badge/api.svg").text().starts_with("<svg xmlns="));
    assert_eq!(web.get("/site/nobody").status, 404);
    assert_eq!(web.get("/?refresh=30").headers["refresh"], "30");
}
