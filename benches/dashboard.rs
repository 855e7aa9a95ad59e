//! Measures the CPU of the dashboard when idle and in a storm of resizes: `cargo bench --bench dashboard [-- PART …]`.
//!
//! The whole program runs in a pseudo-terminal over 100 sites every 10 s, which a thread of this bench serves. CPU is
//! that of each thread by Linux' scheduler (`/proc/PID/task/*/schedstat`), so other jobs affect it only through the
//! caches.
//!
//! | part | what | budget |
//! |---|---|---|
//! | `idle` | 120×40, no input, 20 s | the whole monitor, probing and storage included, ≤ 1 % of a core |
//! | `storm` | 40 sizes a second from 20×5 to 220×60, 10 s | – |
//!
//! Set `WEBMON_BIN` to measure another build. Linux only.
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]
#![allow(clippy::cast_precision_loss, reason = "printed figures")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionbio;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const SITES: usize = 100;
/// After this time every view has figures.
const WARM_UP: Duration = Duration::from_secs(12);
/// Keeps the pseudo-terminal from becoming the controlling terminal of the bench.
const NOCTTY: i32 = OpenptFlags::NOCTTY.bits().cast_signed();

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|one| one == part);
    if is_wanted("idle") {
        let mut dashboard = Dashboard::start();
        dashboard.measure("idle", Duration::from_secs(20), |_, _| ());
    }
    if is_wanted("storm") {
        let mut dashboard = Dashboard::start();
        dashboard.measure("storm", Duration::from_secs(10), |dashboard, turn| {
            let turn = u16::try_from(turn % 10_000).expect("below 10,000");
            dashboard.resize(20 + turn * 37 % 201, 5 + turn * 23 % 56);
        });
    }
}

/// The program in its pseudo-terminal.
struct Dashboard {
    ours: File,
    child: Child,
    /// Keeps sites.yaml and the store until the drop.
    _folder: tempfile::TempDir,
}

impl Dashboard {
    fn start() -> Self {
        let server = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = server.local_addr().expect("it is bound").port();
        std::thread::spawn(move || server.incoming().flatten().for_each(answer));
        let mut yaml = "defaults: { interval: 10s, timeout: 5s }\nsites:\n".to_owned();
        for site in 0..SITES {
            writeln!(yaml, "- {{ name: site-{site:03}, url: 'http://127.0.0.1:{port}/{site}' }}").expect("a String");
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::write(folder.path().join("sites.yaml"), yaml).expect("it can be written");
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("there are terminals");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
        ioctl_fionbio(&ours, true).expect("it can");
        let path = ptsname(&ours, Vec::new()).expect("it has a name").into_string().expect("of letters");
        let theirs = OpenOptions::new().read(true).write(true).custom_flags(NOCTTY).open(path).expect("it is there");
        let program: OsString = std::env::var_os("WEBMON_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_webmon").into());
        let stream = || theirs.try_clone().expect("a descriptor is free");
        let mut command = Command::new(program);
        command.current_dir(folder.path()).env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        let child = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().expect("it can be started");
        let mut dashboard = Self { ours: ours.into(), child, _folder: folder };
        dashboard.resize(120, 40);
        dashboard.read_for(WARM_UP, |_, _| ());
        dashboard
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.ours, size).expect("it is a terminal");
    }

    /// Reads the output for `length` and calls `each` 40 times a second with the number of the call; returns the bytes
    /// read.
    fn read_for(&mut self, length: Duration, mut each: impl FnMut(&Self, usize)) -> usize {
        let begin = Instant::now();
        let (mut bytes, mut turn, mut buffer) = (0, 0, vec![0; 65_536]);
        while begin.elapsed() < length {
            each(self, turn);
            turn += 1;
            while let Ok(count @ 1..) = self.ours.read(&mut buffer) {
                bytes += count;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        bytes
    }

    fn measure(&mut self, part: &str, length: Duration, each: impl FnMut(&Self, usize)) {
        let (before, begin) = (self.threads(), Instant::now());
        let bytes = self.read_for(length, each);
        let seconds = begin.elapsed().as_secs_f64();
        let mut all = 0.0;
        let mut shares = String::new();
        for (thread, spent) in self.threads() {
            let share = (spent - before.get(&thread).copied().unwrap_or(0)) as f64 / 1e7 / seconds;
            all += share;
            if share >= 0.005 {
                write!(shares, ", {} {share:.2} %", thread.1).expect("a String");
            }
        }
        println!("{part}: {all:.2} % of a core{shares}; {:.1} kB/s drawn", bytes as f64 / 1e3 / seconds);
    }

    /// CPU time of every thread so far, ns, by thread id and name.
    fn threads(&self) -> BTreeMap<(String, String), u64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it is running");
        let of = |task: fs::DirEntry| {
            let read = |name: &str| fs::read_to_string(task.path().join(name)).ok();
            let spent = read("schedstat")?.split_whitespace().next()?.parse().ok()?;
            Some(((task.file_name().to_string_lossy().into_owned(), read("comm")?.trim().to_owned()), spent))
        };
        tasks.flatten().filter_map(of).collect()
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Answers any request.
fn answer(mut stream: TcpStream) {
    // Errors mean that the client has closed the connection.
    drop(stream.read(&mut [0; 4_096]));
    drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"));
}
