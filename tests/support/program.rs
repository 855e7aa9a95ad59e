//! The real binary, run in a folder of its own without this process's environment.
//!
//! Nothing here sleeps: each wait names its event and has a deadline that only a fault reaches.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Far more than anything takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(5);

/// A temporary folder in which webmon runs.
pub struct Folder(TempDir);

impl Folder {
    /// Without a file in it.
    pub fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With this sites.yaml.
    pub fn with(yaml: &str) -> Self {
        let folder = Self::empty();
        folder.write("sites.yaml", yaml);
        folder
    }

    /// The path of the file `name` in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the file `name`.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The names of the files in it, in order.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// webmon with `arguments` (words between blanks), to be started in the folder.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_webmon"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        command.env_clear().env("TZ", "UTC").stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &str) -> Ended {
        Running::start(self.command(arguments)).end()
    }

    /// Starts it.
    pub fn start(&self, arguments: &str) -> Running {
        Running::start(self.command(arguments))
    }
}

/// Another program, which ends when the test does.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; `None` when a signal killed it.
    pub code: Option<i32>,
    /// Everything it printed.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
    /// From the last call that waited or sent a signal to the exit.
    pub took: Duration,
}

impl Ended {
    /// Asserts the exit code; shows the output when it is another.
    #[track_caller]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Asserts exit code 0 and an empty stderr.
    #[track_caller]
    pub fn quietly(self) -> Self {
        assert_eq!(self.stderr, "");
        self.with(0)
    }

    /// The lines of stdout, each of which must be one JSON object.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(json).collect()
    }
}

/// The object of one line.
#[track_caller]
pub fn json(line: &str) -> Value {
    let value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    assert!(matches!(value, Value::Object(_)), "{line:?}");
    value
}

/// A program under way; it is killed when dropped.
pub struct Running {
    child: Child,
    stdout: Reading,
    stderr: Reading,
}

impl Running {
    /// Starts `command` with stdout and stderr read by threads.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Reading::from(child.stdout.take().unwrap());
        let stderr = Reading::from(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Starts `command` with this stdout; the caller has the other end.
    pub fn start_into(mut command: Command, stdout: impl Into<Stdio>) -> Self {
        let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Reading::from(child.stderr.take().unwrap());
        Self { child, stdout: Reading::from(std::io::empty()), stderr }
    }

    /// Starts `command` with this stderr; the caller has the other end.
    pub fn start_complaining_into(mut command: Command, stderr: impl Into<Stdio>) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let stdout = Reading::from(child.stdout.take().unwrap());
        Self { child, stdout, stderr: Reading::from(std::io::empty()) }
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The lines of stdout so far.
    pub fn lines(&self) -> Vec<String> {
        self.stdout.lines.lock().unwrap().clone()
    }

    /// Waits until the lines of stdout are enough, and returns them.
    #[track_caller]
    pub fn until(&mut self, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let start = now();
        loop {
            let lines = self.lines();
            if enough(&lines) {
                return lines;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                let stderr = self.stderr.lines.lock().unwrap().join("\n");
                panic!("ended too soon with {status}\nstdout: {}\nstderr: {stderr}", lines.join("\n"));
            }
            assert!(now() - start < PATIENCE, "still waiting, after\n{}", lines.join("\n"));
            std::thread::sleep(POLL);
        }
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Sends a signal and waits for the end.
    #[track_caller]
    pub fn end_by(self, signal: Signal) -> Ended {
        self.signal(signal);
        self.end()
    }

    /// Waits until it is gone, however it ends.
    #[track_caller]
    pub fn until_gone(&mut self) {
        exit_of(&mut self.child, PATIENCE);
    }

    /// Waits for the end.
    #[track_caller]
    pub fn end(self) -> Ended {
        self.end_within(PATIENCE)
    }

    /// Waits this long for the end.
    #[track_caller]
    pub fn end_within(mut self, patience: Duration) -> Ended {
        let (status, took) = exit_of(&mut self.child, patience);
        let stdout = self.stdout.finish();
        let stderr = self.stderr.finish();
        Ended { code: status.code(), stdout, stderr, took }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits for `child`, and says how long that took.
#[track_caller]
pub fn exit_of(child: &mut Child, patience: Duration) -> (std::process::ExitStatus, Duration) {
    let start = now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status, now() - start);
        }
        if now() - start > patience {
            drop(child.kill());
            panic!("it did not end");
        }
        std::thread::sleep(POLL);
    }
}

/// The time, for deadlines.
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day, for samples in a store.
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Everything of one stream, read by a thread as it comes.
struct Reading {
    lines: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Reading {
    fn from(stream: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let thread = std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                kept.lock().unwrap().push(line.unwrap());
            }
        });
        Self { lines, thread: Some(thread) }
    }

    fn finish(&mut self) -> String {
        self.thread.take().unwrap().join().unwrap();
        self.lines.lock().unwrap().iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}
