//! The pages in a real browser: nothing that axe-core objects to, valid HTML, no request but the page, no message, no sideways
//! scroll; light and dark, wide and narrow.
//!
//! Needs Chromium, Node.js, and axe-core, puppeteer-core and html-validate in `target/npm`, where `.ci/run` installs them. Without
//! them the test says so and passes. It leaves pictures in `target/pictures`; `docs/pictures` has copies of some.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use webmon::alert::{Policies, Rule};
use webmon::model::{Cause, Timestamp};

use crate::client::Served;
use crate::past::{self, PastSite};
use crate::support::program::{Folder, wall};
use crate::support::{Behaviour, Server, ports};

const SITES: [PastSite; 6] = [
    PastSite {
        name: "api",
        median: 40.0,
        days: 90,
        outages: &[(1, 30, Cause::Status), (26, 2, Cause::Status), (400, 9, Cause::ConnectRefused)],
    },
    PastSite { name: "<b>docs</b> & \"co\"", median: 90.0, days: 90, outages: &[(800, 1, Cause::ResponseTimeout)] },
    PastSite { name: "shop checkout", median: 90.0, days: 90, outages: &[(1_300, 30, Cause::TlsError)] },
    PastSite { name: "status", median: 8.0, days: 90, outages: &[] },
    PastSite { name: "blog", median: 90.0, days: 90, outages: &[(200, 4, Cause::DnsNotFound)] },
    PastSite { name: "legacy", median: 300.0, days: 70, outages: &[(3, 1, Cause::Status)] },
];

const INTERVAL: Duration = Duration::from_mins(5);

fn folder(up: &Server) -> Folder {
    let (url, nowhere) = (up.url("/"), ports::closed_port());
    let group = |name: &str| match name {
        "api" | "<b>docs</b> & \"co\"" => ", group: shop",
        "shop checkout" | "status" => ", group: www",
        _ => "",
    };
    let mut yaml = String::from(
        "defaults: { interval: 5m, timeout: 2s }\nalerting: { window: 10m }\npage: { title: Status of example.org }\nsites:\n",
    );
    for site in &SITES {
        let url = if site.name == "api" { format!("http://{nowhere}/") } else { url.clone() };
        let slo = if site.name == "blog" { ", alert: { slo: { target: 99.9% } }" } else { "" };
        yaml.push_str(&format!("- {{ name: '{}', url: '{url}'{}{slo} }}\n", site.name, group(site.name)));
    }
    let folder = Folder::with(&yaml);
    let policies =
        Policies { availability: Rule { window: Duration::from_mins(10), ..Rule::default() }, ..Policies::default() };
    let now = Timestamp::ZERO.after(wall().duration_since(UNIX_EPOCH).unwrap());
    past::write(&folder.path("webmon.redb"), &SITES, (INTERVAL, &policies), now);
    folder
}

/// Where `.ci/run` installs packages of npm; `None`, said aloud, if something that the test needs is missing.
fn modules() -> Option<PathBuf> {
    let modules = std::env::var_os("WEBMON_NPM")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/npm/node_modules"), PathBuf::from);
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if has("node") && Path::new("/usr/bin/chromium").exists() && modules.join("axe-core").exists() {
        return Some(modules);
    }
    println!("skipped: Chromium, Node.js, or axe-core in {} is not installed (see .ci/run)", modules.display());
    None
}

fn judge(modules: &Path, pictures: &Path, pages: &[String]) -> Vec<Value> {
    std::fs::create_dir_all(pictures).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web/browser.mjs");
    let output = Command::new("node").arg(script).arg(modules).arg(pictures).args(pages).output().unwrap();
    let (said, complaint) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{said}{complaint}");
    said.lines().map(crate::support::program::json).collect()
}

#[test]
fn the_pages_are_faultless_in_a_browser() {
    let Some(modules) = modules() else { return };
    let up = Server::start(Behaviour::ok());
    let folder = folder(&up);
    let web = Served::start(&folder, "");
    let site = |name: &str| format!("http://{}/site/{}", web.address, utf8_percent_encode(name, NON_ALPHANUMERIC));
    let mut pages = vec![format!("http://{}/", web.address), site("api"), site(SITES[1].name), site("blog")];
    web.until("/", |reply| reply.status == 200);
    folder.run("report --out public").with(0);
    folder.run("report --out one.html").with(0);
    pages.push(format!("file://{}", folder.path("public/index.html").display()));
    pages.push(format!("file://{}", folder.path("one.html").display()));
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pictures");
    let judged = judge(&modules, &pictures, &pages);
    assert_eq!(judged.len(), pages.len() * 5);
    for page in judged {
        for fault in ["violations", "others", "said", "invalid"] {
            assert!(page.get(fault).is_none_or(|faults| *faults == serde_json::json!([])), "{fault}: {page:#}");
        }
        if page.get("theme").is_some() {
            assert!(page["sideways"] == false && page["styled"] == true, "{page:#}");
        }
    }
}
