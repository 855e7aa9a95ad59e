//! A program under measurement: a process with its CPU time and memory as Linux counts them.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The webmon to measure: this build's, or the one at `WEBMON_BIN`.
pub fn program() -> OsString {
    std::env::var_os("WEBMON_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_webmon").into())
}

/// A running process, killed on drop.
pub struct Process(Child);

impl Process {
    /// Starts `command` without output.
    pub fn start(command: &mut Command) -> Self {
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn();
        Self(started.expect("the program can be started"))
    }

    /// Starts `webmon run --headless` with `config` for `seconds`.
    pub fn webmon(config: &Path, seconds: u64) -> Self {
        let mut command = Command::new(program());
        Self::start(command.arg("run").arg("--headless").args(["--for", &format!("{seconds}s"), "-c"]).arg(config))
    }

    /// User and system time of all threads so far, in the kernel's units of 10 ms.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        ticks(after_name)
    }

    /// User and system time of each thread whose name begins so, in the order of their numbers.
    pub fn cpu_of(&self, thread: &str) -> Vec<Duration> {
        let mut found = Vec::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id())).into_iter().flatten().flatten() {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let (head, fields) = stat.rsplit_once(')').unwrap_or_default();
            if let Some((_, name)) = head.split_once('(').filter(|(_, name)| name.starts_with(thread)) {
                found.push((name.to_owned(), ticks(fields)));
            }
        }
        found.sort();
        found.into_iter().map(|(_, spent)| spent).collect()
    }

    /// Resident memory now and at its peak, MiB.
    pub fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        (field("VmRSS:").unwrap_or(0) / 1024, field("VmHWM:").unwrap_or(0) / 1024)
    }

    /// Number of open file descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0.id())).map_or(0, Iterator::count)
    }
}

/// User and system time in the fields of `/proc/…/stat` that follow the name.
fn ticks(fields: &str) -> Duration {
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
