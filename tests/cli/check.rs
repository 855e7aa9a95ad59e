//! The output of `webmon check`: order of the sites, warnings, the width of a terminal, headers and bodies.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::support::ports::closed_port;
use crate::support::program::{Folder, Running};
use crate::support::tls::{Authority, Leaf};
use crate::support::{Behaviour, Server, Step, redirect, response};
use webmon::model::text::is_harmful;

/// A server that answers once the sender is dropped.
fn held() -> (Server, Sender<()>) {
    let (release, held) = channel::<()>();
    let held = Mutex::new(held);
    let server = Server::start(Behaviour::answering(move |_| {
        let _released = held.lock().unwrap().recv();
        vec![Step::send(response(200, "ok"))]
    }));
    (server, release)
}

/// `sites` by name and URL, in this order.
fn sites(sites: &[(&str, String)]) -> Folder {
    let mut yaml = "defaults: { timeout: 1m, interval: 2m }\nalerting: { window: 1h }\nsites:\n".to_owned();
    for (name, url) in sites {
        writeln!(yaml, "- {{ name: '{name}', url: '{url}' }}").unwrap();
    }
    Folder::with(&yaml)
}

#[test]
fn each_site_is_shown_as_its_answer_comes() {
    for many in [1, 4] {
        let (free, (slow, release)) = (Server::start(Behaviour::ok()), held());
        let mut all = vec![("slow", slow.url("/"))];
        let names: Vec<String> = (0..many).map(|number| format!("quick {number}")).collect();
        all.extend(names.iter().map(|name| (name.as_str(), free.url("/"))));
        let folder = sites(&all);
        let mut running = folder.start("check");
        let heads = |lines: &[String]| lines.iter().filter(|line| line.starts_with('●')).count();
        let before = running.until(|lines| heads(lines) == many);
        assert!(before.iter().all(|line| !line.contains("slow")), "{before:?}");
        drop(release);
        let ended = running.end().with(0);
        assert_eq!(ended.stderr, "");
        assert!(ended.stdout.contains("● slow     up    200   "), "{}", ended.stdout);
        let last = format!("\n{} sites are up\n", many + 1);
        assert!(ended.stdout.ends_with(&last), "{}", ended.stdout);
    }
}

#[test]
fn json_keeps_the_order_of_the_file_and_waits_for_no_more_than_that() {
    let (free, (slow, release)) = (Server::start(Behaviour::ok()), held());
    let folder = sites(&[("first", free.url("/")), ("slow", slow.url("/")), ("last", free.url("/"))]);
    let mut running = folder.start("check --format json -v");
    let before = running.until(|lines| !lines.is_empty() && free.requests().len() == 2);
    assert!(before.len() == 1 && before[0].contains("\"site\":\"first\""), "{before:?}");
    drop(release);
    let json = running.end().with(0).json();
    let names: Vec<&str> = json.iter().map(|object| object["site"].as_str().unwrap()).collect();
    assert_eq!(names, ["first", "slow", "last"]);
    assert!(json.iter().all(|object| object["event"] == "sample" && object.get("evidence").is_none()));
}

#[test]
fn a_reader_that_is_gone_ends_nothing_but_the_report() {
    let server = Server::start(Behaviour::ok());
    let down = format!("http://{}/", closed_port());
    for (other, code) in [(server.url("/"), 0), (down, 1)] {
        let folder = sites(&[("a", server.url("/")), ("b", other)]);
        for arguments in ["check", "check -v", "check --format json"] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let ended = Running::start_into(folder.command(arguments), writer).end().with(code);
            assert!(!ended.stderr.contains("pipe") && !ended.stderr.contains("panicked"), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_certificate_that_soon_expires_is_a_warning_that_can_fail_a_script() {
    let authority = Authority::new();
    let soon = Duration::from_hours(9 * 24 + 1);
    let leaf = Leaf::naming(&["127.0.0.1"]).called("shop").expiring_in(soon);
    let server = Server::start(Behaviour::ok().over_tls(authority.issue(&leaf)));
    let folder = Folder::empty();
    folder.write("ca.pem", &authority.root_pem());
    let yaml = |warn: u32| {
        let tls = format!("{{ ca_file: ca.pem, warn_days: {warn} }}");
        format!("sites: [{{ name: shop, url: '{}', timeout: 1m, interval: 2m, tls: {tls} }}]", server.url("/"))
    };
    folder.write("sites.yaml", &yaml(21));
    for (arguments, code) in [("check", 0), ("check --fail-on-warning", 1)] {
        let said = folder.run(arguments).with(code).stdout;
        assert!(said.starts_with("● "), "{said}");
        assert!(said.contains("\n  warning: the certificate of shop expires in 9 days\n"), "{said}");
        assert!(said.ends_with("\n1 site is up, 1 warning\n"), "{said}");
    }
    for (arguments, code) in [("check --format json", 0), ("check --format json --fail-on-warning", 1)] {
        let json = folder.run(arguments).with(code).json();
        assert_eq!((json.len(), json[0]["certificate"]["days_left"].as_i64()), (1, Some(9)));
        assert_eq!(json[0]["certificate"]["faults"], serde_json::json!(["expires_soon"]));
    }
    let colored = folder.run("check --color always").with(0).stdout;
    assert!(colored.starts_with("\x1b[33m● ") && colored.contains("\n\x1b[33m  warning: "), "{colored}");
    folder.write("sites.yaml", &yaml(3));
    let said = folder.run("check --fail-on-warning").with(0).stdout;
    assert!(!said.contains("warning"), "{said}");
}

#[cfg(target_os = "linux")]
mod terminal {
    use std::fs::{File, OpenOptions};
    use std::io::Read as _;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};
    use unicode_width::UnicodeWidthStr as _;

    use crate::support::program::{Folder, Running};

    /// What webmon prints in a terminal of so many columns.
    fn printed(folder: &Folder, arguments: &str, columns: u16, variable: Option<&str>) -> String {
        let variables: Vec<(&str, &str)> = variable.map(|columns| ("COLUMNS", columns)).into_iter().collect();
        shown(folder, arguments, columns, &[&[("NO_COLOR", "1"), ("LC_ALL", "C.UTF-8")][..], &variables].concat(), 1)
    }

    /// What webmon prints in a terminal of so many columns with these variables, before it ends with `code`.
    fn shown(folder: &Folder, arguments: &str, columns: u16, variables: &[(&str, &str)], code: i32) -> String {
        shown_with_errors(folder, arguments, columns, variables, code).0
    }

    /// The same, and what it prints on stderr, which is no terminal.
    fn shown_with_errors(
        folder: &Folder,
        arguments: &str,
        columns: u16,
        variables: &[(&str, &str)],
        code: i32,
    ) -> (String, String) {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        tcsetwinsize(&ours, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut command = folder.command(arguments);
        command.envs(variables.iter().copied());
        let running = Running::start_into(command, theirs);
        // It ends with an error once the last one has closed the other side.
        let (mut ours, mut text) = (File::from(ours), Vec::new());
        let _hung_up = ours.read_to_end(&mut text);
        let stderr = running.end().with(code).stderr;
        (String::from_utf8(text).unwrap().replace("\r\n", "\n"), stderr)
    }

    /// Tables drop and cut columns; what is piped is the same whatever the terminal is.
    #[test]
    fn tables_fit_the_terminal_and_stay_whole_in_a_pipe() {
        let server = super::talkative();
        let folder = Folder::with(&format!(
            "defaults: {{ interval: 500ms, timeout: 500ms, alert: {{ window: 1s }} }}\nsites:\n\
             - {{ name: 監視対象のとても長い名前のサイトです, url: '{}' }}\n- {{ name: b, url: 'http://127.0.0.1:1/' }}\n",
            server.url("/wrong")
        ));
        folder.run("--headless --for 2500ms").with(0);
        folder.run("silence b 2h -m a-rather-long-reason-for-a-silence-that-is-cut").with(0);
        let variables = [("NO_COLOR", "1"), ("LC_ALL", "C.UTF-8")];
        for command in ["stats", "samples", "alerts", "stats --slo", "ack", "silence", "backtest"] {
            let until =
                if ["stats", "samples", "alerts"].contains(&command) { " --until 9999-01-01 --since 1d" } else { "" };
            let arguments = format!("{command}{until}");
            let piped = folder.run(&arguments).with(0).stdout;
            for columns in [24, 60, 80, 200] {
                let text = shown(&folder, &arguments, columns, &variables, 0);
                for line in text.lines().filter(|line| !line.contains('\r')) {
                    assert!(line.width() <= usize::from(columns), "{command} at {columns}: {line:?}");
                }
            }
            let narrow = folder.command(&arguments).env("COLUMNS", "24").output().unwrap();
            let heads = |text: &str| text.lines().find(|line| line.contains("SITE")).map(str::to_owned);
            assert_eq!(heads(&String::from_utf8(narrow.stdout).unwrap()), heads(&piped), "{command}");
        }
        let text = shown(&folder, "stats", 80, &variables, 0);
        assert!(text.contains("P95") && text.contains("AVAIL") && !text.contains("TTFB"), "{text}");
    }

    #[test]
    fn a_terminal_without_unicode_or_without_colours_gets_neither() {
        let server = super::talkative();
        let folder = Folder::with(&format!("sites:\n- {{ name: a, url: '{}' }}\n", server.url("/")));
        let plain = shown(&folder, "check", 80, &[("TERM", "xterm"), ("LC_ALL", "C")], 0);
        assert!(plain.is_ascii() && plain.contains("\x1b[32m+ a  up") && plain.contains("pppp"), "{plain:?}");
        let dumb = shown(&folder, "check", 80, &[("TERM", "dumb"), ("LC_ALL", "C.UTF-8")], 0);
        assert!(dumb.contains("● a  up") && !dumb.contains('\x1b'), "{dumb:?}");
        // A dashboard needs a terminal that moves its cursor.
        for arguments in ["--no-store --for 300ms", "demo --for 300ms"] {
            let lines = shown(&folder, arguments, 80, &[("TERM", "dumb"), ("LC_ALL", "C")], 0);
            assert!(lines.starts_with("watching ") && lines.is_ascii() && !lines.contains('\x1b'), "{lines:?}");
        }
        let piped = folder.command("check").env("LC_ALL", "C").output().unwrap().stdout;
        assert!(String::from_utf8(piped).unwrap().starts_with("● a  up"), "scripts read the same everywhere");
    }

    #[test]
    fn a_second_dashboard_is_told_who_has_the_store_and_what_shows_it() {
        let server = super::talkative();
        let folder = Folder::with(&format!("sites:\n- {{ name: a, url: '{}' }}\n", server.url("/")));
        let mut monitor = folder.start("--headless");
        monitor.until(|lines| !lines.is_empty());
        let (_, stderr) = shown_with_errors(&folder, "", 80, &[("TERM", "xterm")], 3);
        let process = monitor.pid().as_raw_nonzero().to_string();
        for part in ["webmon.redb is in use by another webmon", &format!("(process {process})"), "`webmon watch`"] {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
        monitor.end_by(rustix::process::Signal::TERM).with(143);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_a_pipe_has_no_width() {
        let server = super::talkative();
        let long = format!("{}?{}", server.url("/wrong"), "very-long=value&".repeat(10));
        let wide = "監視対象のとても長い名前のサイト";
        let folder = Folder::with(&format!(
            "defaults: {{ timeout: 1m, interval: 2m, expect: {{ body_contains: 全部正常 }} }}\n\
             sites:\n- {{ name: {wide}, url: '{long}' }}\n- {{ name: b, url: '{long}' }}\n"
        ));
        for (columns, variable, width) in [(80, None, 80), (40, None, 40), (120, Some("60"), 60), (0, None, 80)] {
            let text = printed(&folder, "check -v", columns, variable);
            assert!(text.contains("2 sites are down") && text.contains(wide), "{text}");
            for line in text.lines() {
                assert!(line.width() <= width, "{} columns, not {width}: {line:?}", line.width());
            }
        }
        let piped = folder.run("check -v").with(1).stdout;
        let longest = piped.lines().map(str::len).max().unwrap();
        assert!(longest > 300 && piped.contains(&"very-long=***&".repeat(5)), "{longest} bytes in {piped}");
    }
}

/// A server that says a lot, also what it should not.
fn talkative() -> Server {
    Server::start(Behaviour::answering(|request| {
        let token = request.header("authorization").unwrap_or("none").to_owned();
        let path = request.target.split('?').next().unwrap();
        match path {
            "/go" => {
                vec![Step::send(redirect(302, "/wrong").replace("Content-Length", "X-Hop: first\r\nContent-Length"))]
            }
            "/many" => {
                let many = "X-Many: 1\r\n".repeat(200);
                vec![Step::send(
                    response(200, "all is well").replace("Content-Length", &format!("{many}Content-Length")),
                )]
            }
            path => {
                let body = format!("\x1b]0;owned\x07<h1>maintenance</h1>\n{token}\n{}", "filler ".repeat(400));
                let body = if request.method == "HEAD" { String::new() } else { body };
                let mut head =
                    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nSet-Cookie: sid=c00kie-canary; Path=/\r\n".to_vec();
                head.extend(format!("X-Path: {path}\r\nX-Echo: got {token} here\r\n").into_bytes());
                head.extend(b"X-Latin: caf\xe9\r\nX-Hostile: a\x1b[2Jb\xc2\x9bc\r\n");
                head.extend(format!("X-Long: {}\r\n", "x".repeat(100_000)).into_bytes());
                head.extend(format!("Content-Type: text/html\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes());
                vec![Step::send([head, body.into_bytes()].concat())]
            }
        }
    }))
}

/// The headers and the body in what was printed.
fn came(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("  < ") || line.starts_with("  | ")).collect()
}

#[test]
fn what_came_is_shown_clean_bounded_and_without_secrets() {
    let server = talkative();
    let folder = Folder::with(&format!(
        "sites:\n- {{ name: a, url: '{}', timeout: 1m, interval: 2m, expect: {{ body_contains: all is well }},\n    \
         headers: {{ Authorization: 'Bearer ${{TOKEN}}' }} }}\n",
        server.url("/wrong")
    ));
    let run = |arguments: &str| {
        let mut command = folder.command(arguments);
        command.env("TOKEN", "t0ken-canary");
        Running::start(command).end().with(1)
    };
    let quiet = run("check").stdout;
    assert!(came(&quiet).is_empty() && !quiet.contains("headers"), "{quiet}");
    let said = "bytes of text/html and begins \"\u{fffd}]0;owned\u{fffd}<h1>maintenance</h1> *** filler";
    assert!(
        quiet.contains("body: the body does not contain \"all is well\"; it is 2,") && quiet.contains(said),
        "{quiet}"
    );

    let ended = run("check -v");
    let text = ended.stdout;
    for canary in ["t0ken-canary", "c00kie-canary"] {
        assert!(!text.contains(canary) && !ended.stderr.contains(canary), "{canary} in {text}");
    }
    assert!(!text.chars().any(|c| c != '\n' && is_harmful(c)), "{text:?}");
    for line in ["  < server: nginx", "  < set-cookie: ***", "  < x-path: /wrong", "  < x-latin: caf\u{fffd}"] {
        assert!(text.lines().any(|shown| shown == line), "{line:?} in {text}");
    }
    assert!(text.contains("<h1>maintenance</h1>\n  | ***\n  | filler filler"), "{text}");
    let long = text.lines().find(|line| line.starts_with("  < x-long: ")).unwrap();
    assert!(long.len() < 600 && long.ends_with('…'), "{} bytes", long.len());
    let body: usize = text.lines().filter(|line| line.starts_with("  | ")).map(|line| line.len() - 3).sum();
    assert!((1_900..=2_060).contains(&body), "{body} bytes of the body");
}

#[test]
fn what_came_is_of_the_last_answer_and_nothing_came_without_one() {
    let server = talkative();
    let url = |path: &str| server.url(path);
    let expecting = |url: String, more: &str| {
        let expect = "expect: { body_contains: all is well }, timeout: 1m, interval: 2m";
        Folder::with(&format!("sites: [{{ name: a, url: '{url}', {expect}{more} }}]"))
    };

    let text = expecting(url("/go"), "").run("check -v").with(1).stdout;
    assert!(text.contains(&format!("\n  headers of {}\n", url("/wrong"))), "{text}");
    assert!(text.contains("  < x-path: /wrong\n") && !text.contains("x-hop"), "{text}");

    let text = expecting(url("/go"), ", max_redirects: 0, max_body: 1KiB").run("check -v").with(1).stdout;
    assert!(text.contains("\n  headers\n") && text.contains("  < x-hop: first\n"), "{text}");

    let head = expecting(url("/wrong"), ", method: HEAD").run("check -v").with(1).stdout;
    assert!(head.contains("the answer to a HEAD has none") && head.contains("  < server: nginx\n"), "{head}");
    assert!(!head.contains("start of the body"), "{head}");

    let many = expecting(url("/many"), "").run("check -v").with(0).stdout;
    assert_eq!(came(&many).len(), 64, "{many}");
    assert!(many.contains("\n  … 137 more headers\n") && !many.contains("  | "), "{many}");

    let none = expecting(format!("http://{}/", closed_port()), "").run("check -v").with(1).stdout;
    assert!(!none.contains("headers") && came(&none).is_empty(), "{none}");
}

#[test]
fn what_came_of_several_sites_stays_with_each() {
    let server = talkative();
    let names: Vec<String> = (0..12).map(|number| format!("site{number:02}")).collect();
    let all: Vec<(&str, String)> = names.iter().map(|name| (name.as_str(), server.url(&format!("/{name}")))).collect();
    let text = sites(&all).run("check -v").with(0).stdout;
    let blocks: Vec<&str> = text.split("● ").skip(1).collect();
    assert_eq!(blocks.len(), names.len(), "{text}");
    for block in blocks {
        let name = block.split_whitespace().next().unwrap();
        let paths: Vec<&str> = block.lines().filter(|line| line.starts_with("  < x-path: ")).collect();
        assert_eq!(paths, [format!("  < x-path: /{name}")], "{block}");
    }
}
