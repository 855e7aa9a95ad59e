//! Signs of life: alive is not ready.

use crate::client::Served;
use crate::support::program::{Folder, PATIENCE, now};
use crate::support::{Behaviour, Server};
use rustix::process::Signal;

fn folder(server: &Server) -> Folder {
    Folder::with(&format!("sites:\n- {{ name: a, url: '{}', interval: 200ms, timeout: 2s }}\n", server.url("/")))
}

#[test]
fn a_monitor_that_works_is_alive_and_ready() {
    let server = Server::start(Behaviour::ok());
    let served = Served::start(&folder(&server), "");
    served.until("/readyz", |reply| reply.status == 200);
    assert_eq!(served.get("/healthz").text(), "ok\n");
    served.running.end_by(Signal::TERM).with(143);
}

/// A store that cannot be written makes it unready, and is no reason to restart it.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_not_unhealthy() {
    let server = Server::start(Behaviour::ok());
    let folder = folder(&server);
    let mut command = folder.command("--headless --listen=127.0.0.1:0");
    // A write beyond this length fails, as on a full disk.
    command = {
        let program = command.get_program().to_owned();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 3000; exec \"$0\" \"$@\""]).arg(program);
        shell.args(command.get_args()).current_dir(folder.path(".")).env_clear().env("TZ", "UTC");
        shell
    };
    let served = Served::of(crate::support::program::Running::start(command));
    served.until("/readyz", |reply| reply.status == 200);
    // What grows the file: other names, on a monitor that goes on.
    let began = now();
    let mut yaml = String::from("defaults: { interval: 1s }\nsites:\n");
    for site in 0..3_000 {
        yaml.push_str(&format!("- {{ name: 'site {site} {}', url: '{}' }}\n", "x".repeat(200), server.url("/")));
    }
    folder.write("sites.yaml", &yaml);
    loop {
        let ready = served.get("/readyz");
        if ready.status == 503 {
            assert!(ready.text().starts_with("not saving: "), "{}", ready.text());
            break;
        }
        assert!(now() - began < PATIENCE, "it saves all the same");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let alive = served.get("/healthz");
    assert_eq!((alive.status, alive.text().as_str()), (200, "ok\n"));
}

/// The thread of the scheduler is stopped: the listener has a thread of its own, and says so.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_was_stopped_is_alive_again() {
    let server = Server::start(Behaviour::ok());
    let served = Served::start(&folder(&server), "");
    served.until("/readyz", |reply| reply.status == 200);
    served.running.signal(Signal::STOP);
    std::thread::sleep(std::time::Duration::from_millis(200));
    served.running.signal(Signal::CONT);
    served.until("/healthz", |reply| reply.status == 200);
}
