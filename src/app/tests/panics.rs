//! A panic in any thread, under the dashboard and in a real terminal: the terminal is given back first, then the message
//! appears on it, and the program ends with 101.
//!
//! This test program starts itself again, with a pseudo-terminal in place of its three streams. The child plays the whole
//! stage, as `run` does, and one of its threads panics as soon as it is told to: the control loop through its narrator,
//! or a thread that no other one waits for. Nothing is built into webmon for this.
#![allow(clippy::unwrap_used, reason = "a test file: what cannot be had ends the test")]

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::io::ioctl_fionbio;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::app::cli::args::{ColorChoice, LineFormat, OutputArgs};
use crate::app::clock::Clock;
use crate::app::exit::Ending;
use crate::app::monitor::control::health::Narrator;
use crate::app::session::runtime::MainRuntime;
use crate::app::session::{Session, SessionOptions};
use crate::app::{log, prober};
use crate::model::Timestamp;
use crate::panic_hook;

/// Which thread of the child is to panic.
const WHICH: &str = "WEBMON_TEST_PANIC";
/// The file that tells it to do so now.
const NOW: &str = "WEBMON_TEST_PANIC_NOW";

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";

/// `O_NOCTTY` of Linux: the test program must not get this terminal as its own.
const NOCTTY: i32 = OpenptFlags::NOCTTY.bits().cast_signed();
const POLL: Duration = Duration::from_millis(5);
/// Looks until a child is given up that hangs: far more than a busy machine needs.
const LOOKS: u32 = 12_000;

fn is_time() -> bool {
    std::env::var_os(NOW).is_some_and(|path| PathBuf::from(path).exists())
}

/// One word: blanks between words are not drawn.
fn quiet(_: Duration) -> String {
    "narrating".to_owned()
}

fn faulty(elapsed: Duration) -> String {
    assert!(!is_time(), "a fault of the control loop");
    quiet(elapsed)
}

/// What cannot be cleaned up after a panic.
struct Clumsy;

impl Drop for Clumsy {
    fn drop(&mut self) {
        panic!("a fault while cleaning up");
    }
}

#[test]
#[ignore = "not a test: what the others start in a terminal"]
fn child() {
    let which = std::env::var(WHICH).expect("started by the test");
    // No program listens there.
    let config = super::monitor::parsed("sites: [{ name: api, url: 'http://127.0.0.1:9/' }]");
    let prober = prober::prober(&config).expect("it has no files");
    let output =
        OutputArgs { headless: false, format: LineFormat::Text, events: Vec::new(), listen: None, duration: None };
    if which == "double" {
        std::thread::spawn(|| {
            while !is_time() {
                std::thread::sleep(POLL);
            }
            drop(panic_hook::catch(|| {
                let _clumsy = Clumsy;
                panic!("a fault that is caught");
            }));
        });
    }
    let narrator: Narrator = if which == "control" { faulty } else { quiet };
    if which == "other" {
        std::thread::spawn(|| {
            while !is_time() {
                std::thread::sleep(POLL);
            }
            // The fault of a database that a caller waits for is nothing that the dashboard hears of.
            drop(panic_hook::catch(|| panic!("a fault that is caught")));
            panic!("a fault of another thread");
        });
    }
    let (log, clock) = (log::LogOptions::default(), Clock::start(Timestamp::ZERO));
    let options = SessionOptions { narrator: Some(narrator), ..SessionOptions::default() };
    let session = Session::new(&output, ColorChoice::Auto, log, config, prober, clock, options);
    let runtime = MainRuntime::new().unwrap_or_else(|error| panic!("{error}"));
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| session.run(runtime)));
    // A panic that comes through `main` is code 101 by Rust's own rule.
    let code = played.map_or(101, |ended| ended.map_or(99, Ending::code));
    std::process::exit(code.into());
}

/// The child in its terminal.
struct Playing {
    ours: File,
    theirs: File,
    child: Child,
    printed: Vec<u8>,
    before: String,
}

impl Playing {
    fn start(which: &str, now: &std::path::Path) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        tcsetwinsize(&ours, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        ioctl_fionbio(&ours, true).unwrap();
        let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = OpenOptions::new().read(true).write(true).custom_flags(NOCTTY).open(path).unwrap();
        let before = modes(&theirs);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "app::tests::panics::child", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env_clear().env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("TZ", "UTC");
        command.env(WHICH, which).env(NOW, now);
        let stream = || theirs.try_clone().unwrap();
        let child = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
        Self { ours: ours.into(), theirs, child, printed: Vec::new(), before }
    }

    /// What was printed up to now.
    fn printed(&mut self) -> String {
        let mut bytes = [0; 4096];
        while let Ok(count) = self.ours.read(&mut bytes) {
            self.printed.extend(&bytes[..count]);
        }
        String::from_utf8_lossy(&self.printed).into_owned()
    }

    #[track_caller]
    fn until(&mut self, what: &str, mut is_there: impl FnMut(&mut Self) -> bool) {
        for _ in 0..LOOKS {
            if is_there(self) {
                return;
            }
            std::thread::sleep(POLL);
        }
        panic!("no {what}: {:?}", self.printed());
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn modes(terminal: &File) -> String {
    let modes = tcgetattr(terminal).unwrap();
    format!("{:?} {:?} {:?}", modes.input_modes, modes.output_modes, modes.local_modes)
}

#[test]
fn a_panic_in_any_thread_gives_the_terminal_back_then_says_so_and_ends_the_program_with_101() {
    for (which, message) in [("control", "a fault of the control loop"), ("other", "a fault of another thread")] {
        let folder = tempfile::tempdir().unwrap();
        let now = folder.path().join("now");
        let mut playing = Playing::start(which, &now);
        playing.until("frame", |playing| playing.printed().contains("narrating"));
        assert_ne!(modes(&playing.theirs), playing.before, "the dashboard has the terminal");
        fs::write(&now, "").unwrap();
        playing.until("end", |playing| {
            playing.printed();
            playing.child.try_wait().unwrap().is_some()
        });
        let code = playing.child.wait().unwrap().code();
        let printed = playing.printed();
        assert_eq!(code, Some(101), "{which}: {printed:?}");
        assert_eq!(modes(&playing.theirs), playing.before, "{which}");
        let (dashboard, rest) = printed.split_once(LEAVE).unwrap_or_else(|| panic!("{which}: never left: {printed:?}"));
        assert_eq!(dashboard.matches(ENTER).count(), 1, "{which}");
        assert!(!printed.contains("a fault that is caught"), "{which}: {printed:?}");
        assert!(!dashboard.contains(message) && !rest.contains(ENTER), "{which}: {printed:?}");
        assert!(rest.contains(SHOW_CURSOR) && rest.matches(message).count() == 1, "{which}: {rest:?}");
        assert!(!rest.contains("webmon watched"), "{which}: no summary hides it: {rest:?}");
    }
}

/// Nothing can catch the second panic, so the process ends, but not before the terminal is given back.
#[test]
fn a_panic_while_cleaning_up_after_another_gives_the_terminal_back_first() {
    let folder = tempfile::tempdir().unwrap();
    let now = folder.path().join("now");
    let mut playing = Playing::start("double", &now);
    playing.until("frame", |playing| playing.printed().contains("narrating"));
    fs::write(&now, "").unwrap();
    playing.until("end", |playing| {
        playing.printed();
        playing.child.try_wait().unwrap().is_some()
    });
    let printed = playing.printed();
    // The dashboard, which sees the panic too, may end the program first.
    let code = playing.child.wait().unwrap().code();
    assert!(matches!(code, None | Some(101)), "{code:?}: {printed:?}");
    assert_eq!(modes(&playing.theirs), playing.before);
    let (_, rest) = printed.split_once(LEAVE).unwrap_or_else(|| panic!("never left: {printed:?}"));
    assert!(rest.contains("a fault while cleaning up") && rest.contains(SHOW_CURSOR), "{rest:?}");
}
