//! An outage of this machine's network, in a network namespace of the test with hosts at private addresses.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::program::{Folder, Running, json};
use crate::support::response;

/// Set in the process that serves all hosts.
const HOSTS: &str = "WEBMON_TEST_HOSTS";

/// Six hosts on the loopback interface, which answer as long as they have their addresses, and a way out that leads nowhere.
/// Orders come through a pipe.
const SCRIPT: &str = "
set -e
hosts() { for n in 1 2 3 4 5 6; do ip addr \"$1\" 10.0.$n.1/32 dev lo; done; }
ip link set lo up
ip link add out type veth peer name nowhere
ip addr add 192.168.99.1/24 dev out
ip link set out up
ip link set nowhere up
ip route add default via 192.168.99.2
hosts add
mkfifo orders
WEBMON_TEST_HOSTS=1 \"$TESTS\" own_network::hosts_of_the_namespace --exact --nocapture >/dev/null 2>&1 &
\"$WEBMON\" --headless --format json --events sample,alert --config webmon.yaml &
while read -r order < orders; do $order; done
";

/// Whether this machine lets a test make namespaces.
fn can_make_namespaces() -> bool {
    let probe = "ip link set lo up && ip link add out type veth peer name nowhere";
    let mut command = Command::new("unshare");
    command.args(["-rnpf", "sh", "-c", probe]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Not a test by itself: the hosts of the test below, which starts it.
#[test]
fn hosts_of_the_namespace() {
    if std::env::var_os(HOSTS).is_none() {
        return;
    }
    let listener = TcpListener::bind("0.0.0.0:8080").unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut request = [0; 4_096];
        // A client that goes away has its answer.
        let _asked = stream.read(&mut request);
        let _answered = stream.write_all(response(200, "ok").as_bytes());
    }
}

#[test]
fn a_lost_link_is_no_outage_of_sites() {
    if !can_make_namespaces() {
        eprintln!("SKIPPED: this machine allows no network namespaces");
        return;
    }
    let site = |number| format!("- {{ name: s{number}, url: 'http://10.0.{number}.1:8080/' }}\n");
    let sites: String = (1..=6).map(site).collect();
    let folder = Folder::empty();
    folder.write(
        "webmon.yaml",
        &format!("defaults: {{ interval: 500ms, timeout: 400ms }}\nalerting: {{ failures: 1 }}\nsites:\n{sites}"),
    );
    folder.write("script.sh", SCRIPT);
    let mut command = Command::new("unshare");
    command.args(["-rnpf", "--kill-child", "sh", "script.sh"]).current_dir(folder.path("")).stdin(Stdio::null());
    command.env("WEBMON", env!("CARGO_BIN_EXE_webmon")).env("TESTS", std::env::current_exe().unwrap());
    let mut monitor = Running::start(command);
    let objects = |lines: &[String]| lines.iter().map(|line| json(line)).collect::<Vec<Value>>();
    let answered = |objects: &[Value], site: usize| {
        objects.iter().filter(|object| object["site"] == format!("s{site}") && object["up"] == true).count()
    };
    let all_answer = |lines: &[String], least: usize| {
        let objects = objects(lines);
        (1..=6).all(|site| answered(&objects, site) >= least)
    };
    monitor.until(|lines| all_answer(lines, 2));
    fs::write(folder.path("orders"), "hosts del\n").unwrap();
    let is_network = |line: &String, state: &str| {
        line.contains(r#""event":"network""#) && line.contains(&format!(r#""state":"{state}""#))
    };
    let lines = monitor.until(|lines| lines.iter().any(|line| is_network(line, "offline")));
    let offline = json(lines.iter().find(|line| is_network(line, "offline")).unwrap());
    assert_eq!((&offline["hosts"], &offline["realm"]), (&6.into(), &"private".into()));
    fs::write(folder.path("orders"), "hosts add\n").unwrap();
    monitor.until(|lines| lines.iter().any(|line| is_network(line, "online")));
    let before = monitor.lines();
    let least = |site| answered(&objects(&before), site) + 1;
    let lines = monitor.until(|lines| (1..=6).all(|site| answered(&objects(lines), site) >= least(site)));
    let objects = objects(&lines);
    let failed = objects.iter().filter(|object| object["event"] == "sample" && object["up"] == false).count();
    assert!(failed >= 6, "every host was silent, and that is printed: {failed}");
    let alerts: Vec<&Value> = objects.iter().filter(|object| object["event"] == "alert").collect();
    assert_eq!(alerts, Vec::<&Value>::new(), "a failure a site is enough for its rule, and nobody is told");
    let states: Vec<&Value> =
        objects.iter().filter(|object| object["event"] == "network").map(|object| &object["state"]).collect();
    assert_eq!(states, ["offline", "online"]);
}
