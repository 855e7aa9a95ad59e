//! Options for ad hoc URLs: what is sent, what is refused, what is not shown.

use crate::support::program::{Folder, Running};
use crate::support::tls::Leaf;
use crate::support::{Behaviour, Server, Step};

/// Runs `check` or `run` with `arguments`, of which a `+` stands for a blank.
fn ended(folder: &Folder, arguments: &str, code: i32) -> (String, String) {
    let mut command = folder.command("");
    command.args(arguments.split_whitespace().map(|word| word.replace('+', " ")));
    let ended = Running::start(command).end().with(code);
    (ended.stdout, ended.stderr)
}

#[test]
fn a_request_is_made_as_the_options_say() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::empty();
    folder.write("ping.json", "{\"ping\":true}\n");
    let url = server.url("/health");
    ended(&folder, &format!("check {url} -d @ping.json -H X-Key:+S3CRET --header accept:text/plain --http 1.1 -4"), 0);
    ended(&folder, &format!("check -X DELETE {url}"), 0);
    ended(&folder, &format!("--headless --for 1500ms --interval 500ms --timeout 300ms {url}"), 0);
    let requests = server.requests();
    let (first, second) = (&requests[0], &requests[1]);
    assert_eq!((&*first.method, &*first.body), ("POST", &b"{\"ping\":true}\n"[..]));
    assert_eq!((first.header("x-key"), first.header("accept")), (Some("S3CRET"), Some("text/plain")));
    assert_eq!((&*second.method, &*second.body), ("DELETE", &b""[..]));
    assert!(requests.len() >= 4, "one every 10 s by default: {}", requests.len());
    ended(&folder, &format!("check -6 {url}"), 1);
}

#[test]
fn a_certificate_that_nobody_trusts_is_accepted_on_request() {
    let server = Server::start(Behaviour::ok().over_tls(Leaf::naming(&["127.0.0.1"]).self_signed()));
    let folder = Folder::empty();
    let url = server.url("/").replace("http://", "https://");
    ended(&folder, &format!("check {url}"), 1);
    ended(&folder, &format!("check -k {url}"), 0);
}

#[test]
fn wrong_options_are_refused_with_what_to_write() {
    let folder = Folder::with("sites: [{ name: api, url: 'http://127.0.0.1:9/' }]");
    for (arguments, told) in [
        ("check a.example --timeout 3", "lacks its unit"),
        ("a.example --interval 1ms", "between 100ms and 7d"),
        ("check a.example --http 4", "auto, 1.1, 2, 3"),
        ("check a.example -X get", "GET"),
        ("check a.example -H Authorization:", "'Authorization: value'"),
        ("check a.example -H Bearer+S3CRET", "'Name: value'"),
        ("check a.example -H A:1 -H a:S3CRET", "twice"),
        ("check http://ada:S3CRET@a.example -H Authorization:+S3CRET", "keep one of them"),
        ("check a.example -d @gone", "cannot read gone"),
        ("check a.example -4 -6", "cannot be used with"),
        ("check api --timeout 3s", "--timeout is for URLs; \"api\" is a site of sites.yaml"),
        ("--interval 3s", "--interval is for URLs; the settings of sites are in sites.yaml"),
        ("--interval 3s check", "comes before `check`"),
    ] {
        let (stdout, stderr) = ended(&folder, arguments, 2);
        assert!(stderr.contains(told) && stdout.is_empty(), "{arguments}: {stderr}");
        assert!(!stderr.contains("S3CRET"), "{arguments}: {stderr}");
    }
}

/// A server that repeats what it was told, in every place that `check -v` shows.
#[test]
fn what_was_typed_as_a_secret_is_not_shown() {
    let server = Server::start(Behaviour::answering(|request| {
        let (key, body) = (request.header("x-key").unwrap_or_default(), String::from_utf8_lossy(&request.body));
        let answer =
            format!("HTTP/1.1 500 Said {key}\r\nX-Said: {key}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        vec![Step::send(answer)]
    }));
    let folder = Folder::empty();
    let url = server.url("/");
    let headless = "--headless --for 800ms --format json --events sample";
    for (arguments, code) in [("check -v", 1), ("check --format json", 1), (headless, 0)] {
        let (stdout, stderr) = ended(&folder, &format!("{arguments} {url} -H X-Key:+K3Y-S3CRET -d B0DY-S3CRET"), code);
        assert!(stdout.contains("***") && !(stdout + &stderr).contains("S3CRET"), "{arguments}");
    }
}
