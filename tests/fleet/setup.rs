//! The commands that set a server up: what they make, what they say the second time, and what they say when something is wrong.

use std::fs;

use webmon::fleet::connection::{ConnectFault, Role, Standing};
use webmon::fleet::status::HubStatus;
use webmon::fleet::subjects;
use webmon::model::{Location, Timestamp};

use crate::server::{Server, at, is_valid, program};
use crate::support::program::{Folder, PATIENCE, wall};

#[test]
fn a_server_takes_the_printed_configuration_also_with_a_location_that_came_later() {
    let Some(program) = program() else { return };
    let folder = Folder::empty();
    for (arguments, users) in [
        ("fleet server-config a --host nats.example.com --host 10.0.0.1", vec!["a", "hub", "watch"]),
        ("fleet server-config b --host 10.0.0.1 --stream CHECKS", vec!["a", "b", "hub", "watch"]),
    ] {
        let printed = folder.run(arguments).with(0);
        fs::write(folder.path("n.conf"), &printed.stdout).unwrap();
        let (is_valid, said) = is_valid(program, &folder.path("n.conf"));
        assert!(is_valid, "{said}");
        let named: Vec<&str> = printed
            .stdout
            .lines()
            .filter_map(|line| line.trim().strip_prefix("user: \"CN=")?.strip_suffix('"'))
            .collect();
        assert_eq!(named, users);
        assert!(
            printed.stderr.contains("tls://nats.example.com:4222") || printed.stderr.contains("tls://10.0.0.1:4222")
        );
        assert!(printed.stdout.contains("listen: \"0.0.0.0:4222\""));
    }
    let before = folder.files();
    let refused = folder.run("fleet server-config c --host other.example.com").with(2);
    assert!(refused.stderr.contains("not for other.example.com") && refused.stdout.is_empty(), "{}", refused.stderr);
    assert_eq!(folder.files(), before);
}

#[test]
fn init_makes_what_is_missing_and_tells_what_differs() {
    let Some(mut server) = Server::start() else { return };
    let made = server.webmon("fleet init").quietly().stdout;
    assert_eq!(made, "made WEBMON\nmade KV_WEBMON_HUB\nmade KV_WEBMON_PLAN\nmade KV_WEBMON_LEASE\n");
    let again = server.webmon("fleet init").quietly().stdout;
    assert_eq!(again, "the stream WEBMON and the buckets are there, nothing differs\n");
    let other = server.webmon("fleet init --max-bytes 512MiB").with(1).stdout;
    assert_eq!(
        other,
        "stream WEBMON: max_bytes is 1073741824 bytes, not 536870912 bytes: this much of the server's disk can be used\n"
    );
    // What was made survives the death of the server, but not that of its disk.
    server.kill();
    server.run();
    assert_eq!(server.webmon("fleet init").quietly().stdout, again);
    server.kill();
    server.wipe();
    server.run();
    assert_eq!(server.webmon("fleet init").quietly().stdout, made);
    // Another stream has the frames already.
    server.sites(", certs: fleet, stream: CHECKS");
    let overlap = server.webmon("fleet init --max-bytes 64MiB").with(1).stderr;
    assert!(overlap.contains("stream CHECKS: ") && overlap.contains("another stream takes the frames"), "{overlap}");
    // More than the server has room for.
    server.kill();
    server.wipe();
    server.run();
    let room = server.webmon("fleet init --max-bytes 4GiB").with(1).stderr;
    assert!(room.contains("insufficient storage") && room.contains("max_file_store"), "{room}");
}

#[test]
fn whoever_cannot_get_in_is_told_why() {
    let Some(server) = Server::start() else { return };
    let foreign = server.webmon("fleet server-config a --dir foreign").with(0);
    assert!(foreign.stderr.contains("made in foreign: ca.key, ca.pem"), "{}", foreign.stderr);
    for (fleet, code, reason) in [
        (", ca_file: fleet/ca.pem", 1, "the server requires a client certificate; write `certs`"),
        (", ca_file: fleet/ca.pem, token: hunter2-", 1, "the server requires a client certificate; write `certs`"),
        (", certs: foreign", 1, "no trusted root vouches for the certificate, issued by webmon fleet; is the ca.pem"),
        (
            ", ca_file: fleet/ca.pem, client_cert: foreign/a.pem, client_key: foreign/a.key",
            1,
            "the server refused the client certificate",
        ),
        (
            ", ca_file: fleet/ca.pem, client_cert: fleet/a.pem, client_key: fleet/b.key",
            2,
            "cannot use the client certificate",
        ),
        (", certs: nowhere", 2, "cannot use nowhere/ca.pem: No such file"),
        (
            ", certs: fleet, client_cert: fleet/a.pem, client_key: fleet/a.key",
            1,
            "Permissions Violation for Publish to \"$JS.API.STREAM.INFO.WEBMON\"; this takes the user of a hub",
        ),
    ] {
        server.sites(fleet);
        let told = server.webmon("fleet init").with(code).stderr;
        assert!(told.starts_with("webmon: ") && told.contains(reason), "{fleet}: {told}");
        assert!(told.lines().count() == 1 && !told.contains("hunter2"), "{fleet}: {told}");
    }
    // A certificate of the right authority, but of nobody that the configuration knows.
    server.webmon("fleet server-config c").with(0);
    server.sites(", ca_file: fleet/ca.pem, client_cert: fleet/c.pem, client_key: fleet/c.key");
    let told = server.webmon("fleet init").with(1).stderr;
    assert!(told.contains("knows no user for this certificate"), "{told}");
    server.sites("");
    let closed = fs::read_to_string(server.path("sites.yaml")).unwrap();
    let port = crate::support::ports::closed_port().port();
    let closed =
        closed.split_once("127.0.0.1:").unwrap().0.to_owned() + &format!("127.0.0.1:{port}', certs: fleet }}\n");
    fs::write(server.path("sites.yaml"), closed).unwrap();
    let told = server.webmon("fleet status").with(1).stderr;
    assert!(told.contains("connection refused; is nats-server running"), "{told}");
}

#[tokio::test]
async fn a_link_says_when_it_was_lost_and_comes_back() {
    let Some(mut server) = Server::start() else { return };
    let link = server.link(&Role::Hub).await.unwrap();
    let mut state = link.state();
    assert!(link.max_payload() >= 1 << 20);
    server.kill();
    let lost = tokio::time::timeout(PATIENCE, state.wait_for(|state| state.standing != Standing::Connected)).await;
    assert_eq!(lost.unwrap().unwrap().standing, Standing::Lost { since: Timestamp::ZERO });
    server.run();
    let back = tokio::time::timeout(PATIENCE, state.wait_for(|state| state.standing == Standing::Connected)).await;
    assert_eq!(back.unwrap().unwrap().refusal, None);
    let refused = server.link(&at("nobody")).await.err().unwrap();
    assert!(matches!(refused, ConnectFault::Setup(_)), "{refused}");
}

#[tokio::test]
async fn status_shows_what_the_hubs_said() {
    let Some(server) = Server::start() else { return };
    let missing = server.webmon("fleet status").with(1).stderr;
    assert!(missing.contains("`webmon fleet init` makes it"), "{missing}");
    server.webmon("fleet init").quietly();
    let nobody = server.webmon("fleet status").with(1).stdout;
    assert_eq!(nobody, "no hub has said anything yet; `webmon hub` starts one\n");
    let link = server.link(&Role::Hub).await.unwrap();
    let at = Timestamp::ZERO.after(wall().duration_since(std::time::UNIX_EPOCH).unwrap());
    let mut hub = HubStatus {
        hub: Location::new("hub1").unwrap(),
        version: "9.9.9".to_owned(),
        at,
        position: 7,
        behind: 0,
        pairs: 0,
        max_pairs: 30_000,
        delivers: true,
        follows: None,
        locations: Vec::new(),
        notices: Vec::new(),
    };
    let say = async |hub: &HubStatus| {
        let subject = subjects::kv(subjects::HUB_BUCKET, &subjects::status_key(&hub.hub));
        link.jetstream.publish(subject, hub.to_json().into()).await.unwrap().await.unwrap();
    };
    say(&hub).await;
    // Words to locations are not its status.
    let word = subjects::kv(subjects::HUB_BUCKET, &subjects::word_key(&hub.hub, &Location::new("a").unwrap()));
    link.jetstream.publish(word, "{}".into()).await.unwrap().await.unwrap();
    let well = server.webmon("fleet status").quietly().stdout;
    assert_eq!(
        well,
        "hub hub1: ok, delivers alerts; version 9.9.9, position 7, 0 messages to take, 0 of 30000 pairs\n"
    );
    hub.notices = vec!["fra1 is used by two programs".to_owned()];
    say(&hub).await;
    let told = server.webmon("fleet status --format json").with(1).json();
    assert_eq!(told[0]["well"], false);
    assert_eq!(told[0]["hubs"][0]["notices"][0], "fra1 is used by two programs");
}
