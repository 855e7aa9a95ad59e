//! The monitor survives a hostile environment: full disks, stopped readers, orphaned children, signals during the start.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::support;
use crate::support::program::{Folder, PATIENCE, Running, now};
use crate::support::{Behaviour, Server, Step, response};
use rustix::process::{Pid, Signal};

fn server() -> Server {
    Server::start(Behaviour::answering(|_| vec![Step::send(response(200, "ok"))]))
}

fn watching(server: &Server, more: &str) -> Folder {
    Folder::with(&format!(
        "defaults: {{ interval: 200ms, timeout: 10s }}\nsites: [{{ name: api, url: '{}' }}]\n{more}",
        server.url("/")
    ))
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// Waits until `is_so`.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = now();
    while !is_so() {
        assert!(now() - start < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A line of `/proc/PID/status`.
fn status(pid: Pid, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
}

#[test]
fn a_full_disk_under_stdout_or_stderr_does_not_end_the_monitor() {
    let server = server();
    for format in ["text", "json --events sample,stats"] {
        let folder = watching(&server, "");
        let arguments = format!("--headless --format {format}");
        let running = Running::start_into(folder.command(&arguments), full());
        until("checks are stored", || folder.run("samples --format json").stdout.lines().count() > 2);
        let ended = running.end_by(Signal::TERM).with(143);
        assert!(ended.stderr.contains("stdout cannot be written: No space left on device"), "{}", ended.stderr);
        let told = "lines are missing on stdout: No space left on device";
        assert!(ended.stderr.contains(told), "{}", ended.stderr);

        let mut running = Running::start_complaining_into(folder.command(&format!("-vv {arguments}")), full());
        running.until(|lines| lines.iter().any(|line| line.contains("the log cannot be written: No space left")));
        running.end_by(Signal::TERM).with(143);
    }
    let folder = watching(&server, "");
    let before = server.accepted();
    let running = Running::start_into(folder.command("--headless --format json --events sample"), full());
    until("a site is checked", || server.accepted() > before + 3);
    running.end_by(Signal::TERM).with(143);
}

#[test]
fn what_prints_and_ends_says_that_the_disk_is_full() {
    let folder = Folder::with("sites: [{ name: a, url: 'http://127.0.0.1:1/', timeout: 1s }]\n");
    folder.run("--headless --for 300ms").with(0);
    for arguments in [
        "samples --format json",
        "stats",
        "alerts --format csv",
        "schema",
        "man",
        "completions bash",
        "validate",
        "db info",
        "db check",
        "check",
        "init -c another.yaml",
        "--help",
        "--version",
        "check --help",
    ] {
        let ended = Running::start_into(folder.command(arguments), full()).end().with(2);
        assert!(ended.stderr.contains("cannot write to stdout: No space left"), "{arguments}: {}", ended.stderr);
    }
}

#[test]
fn children_that_nobody_waits_for_are_reaped_and_those_of_hooks_keep_their_status() {
    let server = Server::start(Behaviour::answering(|_| vec![Step::send(response(503, "out of order"))]));
    let folder = watching(&server, "alerting: { window: 1s, exec: [sh, -c, 'echo gone wrong >&2; exit 7'] }\n");
    // A shell that executes webmon leaves its children to it.
    let mut shell = std::process::Command::new("/bin/sh");
    let script =
        format!("for i in 1 2 3; do sleep 0.$i & done; exec {} --headless --no-store", env!("CARGO_BIN_EXE_webmon"));
    shell.args(["-c", &script]).current_dir(folder.path("")).env("TZ", "UTC").stdin(std::process::Stdio::null());
    let mut running = Running::start(shell);
    running.until(|lines| lines.iter().any(|line| line.contains("sh failed (exit status: 7): gone wrong")));
    let parent = running.pid();
    let own = parent.as_raw_nonzero().to_string();
    let children = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let pids = all.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        pids.filter(|pid| status(*pid, "PPid").is_some_and(|parent| parent == own)).count()
    };
    until("all children are gone", || children() == 0);
    running.end_by(Signal::TERM).with(143);
}

#[test]
fn a_signal_during_the_start_ends_it_at_once() {
    let server = server();
    let folder = watching(&server, "");
    let mut first = folder.start("--headless");
    first.until(|lines| !lines.is_empty());
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        // It waits some seconds for the lock of the store and then reports it.
        let second = folder.start("--headless");
        let caught = |set: &str| u64::from_str_radix(set, 16).is_ok_and(|set| set >> (signal.as_raw() - 1) & 1 == 1);
        until("signals are caught", || status(second.pid(), "SigCgt").is_some_and(|set| caught(&set)));
        let ended = second.end_by(signal).with(code);
        assert_eq!(ended.stderr, "", "{signal:?}");
    }
    first.end_by(Signal::TERM).with(143);
}

#[test]
fn validate_and_the_test_of_alerts_name_what_keeps_a_hook_from_being_run() {
    let folder = Folder::with(
        "sites: [{ name: a, url: 'http://127.0.0.1:1/' }]\nalerting: { exec: [./notify.sh], window: 5m }\n",
    );
    for (script, expected) in [
        ("#!/bin/sh\r\nexit 0\r\n", "asks for the interpreter \"/bin/sh\\r\": it has Windows line endings"),
        ("#!/opt/nowhere/bash\n", "asks for the interpreter \"/opt/nowhere/bash\", which is not there"),
        ("#!/usr/bin/env webmon-nowhere\n", "asks for the interpreter \"webmon-nowhere\", which is not in PATH"),
    ] {
        folder.write("notify.sh", script);
        fs::set_permissions(folder.path("notify.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        let with_path = |arguments: &str| {
            let mut command = folder.command(arguments);
            command.env("PATH", "/usr/bin:/bin");
            Running::start(command).end()
        };
        let validated = with_path("validate").with(0).stderr;
        assert!(validated.contains(expected), "{script:?}: {validated}");
        let tested = with_path("alerts --test");
        assert!(tested.code != Some(0) && tested.stderr.contains(expected), "{script:?}: {}", tested.stderr);
    }
}

#[test]
fn init_leaves_no_half_a_file_where_the_disk_is_full() {
    let folder = Folder::empty();
    // A limit to the size of files is an error of the write, as a full disk is.
    let mut shell = std::process::Command::new("/bin/sh");
    shell
        .args(["-c", &format!("ulimit -f 1; exec {} init", env!("CARGO_BIN_EXE_webmon"))])
        .current_dir(folder.path(""));
    let ended = Running::start(shell).end().with(2);
    assert!(ended.stderr.contains("cannot write sites.yaml"), "{}", ended.stderr);
    assert_eq!(folder.files(), [""; 0]);
}

#[test]
fn lines_resume_as_whole_objects_when_a_file_may_grow_again() {
    let server = server();
    let folder = watching(&server, "");
    let path = folder.path("lines.json");
    // Two blocks of 512 bytes are all that the file may hold at first.
    let mut shell = std::process::Command::new("/bin/sh");
    let script = format!(
        "ulimit -S -f 2; exec {} --headless --no-store --format json --events sample",
        env!("CARGO_BIN_EXE_webmon")
    );
    shell.args(["-c", &script]).current_dir(folder.path("")).env("TZ", "UTC").stdin(std::process::Stdio::null());
    let out = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let running = Running::start_into(shell, out);
    let read = || {
        let mut text = String::new();
        File::open(&path).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    until("the file is full", || read().len() == 1_024);
    let before = server.accepted();
    until("checks go on", || server.accepted() > before + 5);
    let limit = rustix::process::Rlimit { current: None, maximum: None };
    rustix::process::prlimit(Some(running.pid()), rustix::process::Resource::Fsize, limit).unwrap();
    until("a note of what is missing", || read().contains("were dropped: File too large"));
    let length = read().len();
    until("lines after it", || read().len() > length);
    running.end_by(Signal::TERM).with(143);
    let text = read();
    for line in text.lines() {
        support::program::json(line);
    }
}

#[test]
fn a_check_during_which_the_process_was_stopped_says_nothing_of_the_site() {
    /// Longer than any stop that webmon overlooks, and far shorter than the timeout.
    const STOP: Duration = Duration::from_millis(1_500);
    // A response or the end of the connection waits in the socket; either would be measured with the stop in it.
    for answers in [true, false] {
        let ((sender, held), (ask, asked)) = (channel::<()>(), channel());
        let held = Mutex::new(held);
        let server = Server::start(Behaviour::answering(move |_| {
            ask.send(()).unwrap();
            let _released = held.lock().unwrap().recv();
            if answers { vec![Step::send(response(200, "ok"))] } else { vec![Step::Close] }
        }));
        // Dropped before the server, which waits for it.
        let release = sender;
        let folder =
            Folder::with(&format!("sites: [{{ name: api, url: '{}', timeout: 5m, interval: 1h }}]", server.url("/")));
        let mut running = folder.start("--headless --no-store --format json --events sample");
        asked.recv_timeout(PATIENCE).unwrap();
        running.signal(Signal::STOP);
        let stopped = now();
        until("it is stopped", || status(running.pid(), "State").is_some_and(|state| state.starts_with('T')));
        until("it was stopped for long enough", || now() - stopped > STOP);
        drop(release);
        running.signal(Signal::CONT);
        let lines = running.until(|lines| lines.iter().any(|line| line.contains("\"sample\"")));
        let sample =
            lines.iter().map(|line| support::program::json(line)).find(|line| line["event"] == "sample").unwrap();
        assert_eq!(sample["cause"], "local", "{sample}");
        assert!(sample["detail"].as_str().unwrap().starts_with("webmon did not run for "), "{sample}");
        assert_eq!((&sample["total_us"], &sample["ttfb_us"]), (&0.into(), &serde_json::Value::Null), "{sample}");
        running.end_by(Signal::TERM).with(143);
    }
}
