//! A nats-server on a free port, in a folder with sites.yaml; it ends with its test.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use webmon::fleet::connection::{ConnectFault, Link, Role, connect};
use webmon::model::{FleetServer, FleetTerms, Location, Timestamp};

use crate::support::program::{Ended, Folder, PATIENCE, now};

/// Where Debian puts it, which is on the path of root only.
const PROGRAMS: [&str; 2] = ["nats-server", "/usr/sbin/nats-server"];

/// The program, if it is installed; says so if not.
pub fn program() -> Option<&'static str> {
    let runs = |program: &&str| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    let found = PROGRAMS.into_iter().find(runs);
    if found.is_none() {
        println!("skipped: nats-server is not installed (apt-get install nats-server)");
    }
    found
}

/// See the module.
pub struct Server {
    folder: Folder,
    program: &'static str,
    port: u16,
    running: Option<Child>,
}

impl Server {
    /// One for the locations a and b; see [`Server::of`].
    pub fn start() -> Option<Self> {
        Self::of(&["a", "b"])
    }

    /// One for these locations, with their certificates; none where no nats-server is installed.
    pub fn of(locations: &[&str]) -> Option<Self> {
        let program = program()?;
        let folder = Folder::empty();
        let conf = folder.run(&format!("fleet server-config {}", locations.join(" "))).with(0).stdout;
        // Any free port, for the first start.
        fs::write(folder.path("nats.conf"), conf.replace(":4222\"", ":-1\"")).unwrap();
        let mut server = Self { folder, program, port: 0, running: None };
        server.run();
        let conf = fs::read_to_string(server.path("nats.conf")).unwrap();
        fs::write(server.path("nats.conf"), conf.replace(":-1\"", &format!(":{}\"", server.port))).unwrap();
        server.sites("");
        Some(server)
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("tls://127.0.0.1:{}", self.port)
    }

    /// The section `fleet` of sites.yaml for the webmon `name`, with these further keys.
    pub fn section(&self, name: &str, more: &str) -> String {
        let (port, certs) = (self.port, self.path("fleet"));
        format!("fleet: {{ server: 'tls://127.0.0.1:{port}', certs: '{}', location: {name}{more} }}\n", certs.display())
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// Writes sites.yaml; `more` are further keys of `fleet`, each with a comma before it. Without any, `certs` is there.
    pub fn sites(&self, more: &str) {
        let more = if more.is_empty() { ", certs: fleet" } else { more };
        let yaml = format!("sites: ['http://a.test']\nfleet: {{ server: 'tls://127.0.0.1:{}'{more} }}\n", self.port);
        self.folder.write("sites.yaml", &yaml);
    }

    /// Runs webmon in its folder.
    pub fn webmon(&self, arguments: &str) -> Ended {
        self.folder.run(arguments)
    }

    /// Starts it again, on the same port, as [`Server::kill`] left it.
    pub fn run(&mut self) {
        let log = self.path("nats.log");
        let mut command = Command::new(self.program);
        command.args(["-c", "nats.conf", "-l", "nats.log"]).current_dir(self.path(""));
        fs::write(&log, "").unwrap();
        self.running = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let began = now();
        self.port = loop {
            let text = fs::read_to_string(&log).unwrap();
            let is_ready = text.contains("Server is ready");
            let listens = text.lines().find_map(|line| line.split_once("Listening for client connections on "));
            if let (true, Some((_, address))) = (is_ready, listens) {
                break address.rsplit(':').next().unwrap().trim().parse().unwrap();
            }
            let ended = self.running.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && now() - began < PATIENCE, "nats-server does not start: {text}");
            std::thread::sleep(Duration::from_millis(10));
        };
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill().unwrap();
            running.wait().unwrap();
        }
    }

    /// Removes everything that it has stored; it must not run.
    pub fn wipe(&self) {
        assert!(self.running.is_none());
        fs::remove_dir_all(self.path("nats")).unwrap();
    }

    /// Gives it a disk of `megabytes`, empty; it must not run. None where that takes rights that the test has not.
    pub fn with_disk_of(&self, megabytes: u32) -> Option<SmallDisk> {
        assert!(self.running.is_none());
        let folder = self.path("nats");
        fs::create_dir_all(&folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).arg(&folder);
        let is_mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !is_mounted {
            println!("skipped: a small file system cannot be mounted (it takes root)");
        }
        is_mounted.then_some(SmallDisk { folder })
    }

    /// The terms of its fleet, with the certificates of its folder.
    pub fn terms(&self) -> FleetTerms {
        let server = FleetServer::parse(&format!("tls://127.0.0.1:{}", self.port)).unwrap();
        let mut terms = FleetTerms::at(vec![server]);
        terms.login.certs = Some(self.path("fleet"));
        terms
    }

    /// A connection as `role`.
    pub async fn link(&self, role: &Role) -> Result<Link, ConnectFault> {
        connect(&self.terms(), role, || Timestamp::ZERO).await
    }
}

/// A file system of memory, unmounted at the end.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Leaves no room.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.folder.join("filler")).unwrap();
        while file.write_all(&[0; 4_096]).is_ok() {}
    }

    /// Makes room again.
    pub fn clear(&self) {
        fs::remove_file(self.folder.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may have files open.
        drop(Command::new("umount").arg("-l").arg(&self.folder).status());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A location as a role.
pub fn at(name: &str) -> Role {
    Role::Location(Location::new(name).unwrap())
}

/// Whether nats-server takes the configuration in `file`, and what it says.
pub fn is_valid(program: &str, file: &Path) -> (bool, String) {
    let mut command = Command::new(program);
    let mut running =
        command.args(["-t", "-c"]).arg(file).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let said: Vec<String> = BufReader::new(running.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
    (running.wait().unwrap().success(), said.join("\n"))
}
