//! The dashboard in a real terminal: it appears, follows the size, and restores the terminal however it ends.
//!
//! Each case has its own pseudo-terminal and reads the other side. Only a process whose controlling terminal it is receives
//! the hang-up, and only a new process can acquire one: the test program starts itself again as [`launcher`], which
//! acquires the terminal and executes webmon.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::program::{Folder, PATIENCE, exit_of, now};
use crate::support::{Behaviour, Server, Step, canary, response};
use nix::sys::signal::SigSet;
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, WaitOptions, getpgrp, ioctl_tiocsctty, kill_process, setsid, waitpid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetpgrp, tcsetwinsize};

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const HIDE_CURSOR: &str = "\x1b[?25l";
const TERMINAL: &str = "WEBMON_TEST_TERMINAL";
/// Set: the launcher stays and is the shell of webmon.
const SHELL: &str = "WEBMON_TEST_SHELL";
/// Its value where the shell takes the terminal when webmon stops.
const TAKES: &str = "takes";
const POLL: Duration = Duration::from_millis(5);

#[test]
#[ignore = "not a test: what the others start, to become webmon in a terminal"]
fn launcher() {
    let path = std::env::var_os(TERMINAL).expect("started by the tests");
    setsid().unwrap();
    let open = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let terminal = open();
    ioctl_tiocsctty(&terminal).unwrap();
    let mut webmon = Command::new(env!("CARGO_BIN_EXE_webmon"));
    let arguments = std::env::var("WEBMON_TEST_ARGUMENTS").unwrap();
    webmon.args(arguments.split_whitespace()).env_remove(TERMINAL).env_remove("WEBMON_TEST_ARGUMENTS");
    if std::env::var_os(SHELL).is_some() {
        // As a shell: webmon is a job of its own, which has the terminal.
        webmon.env_remove(SHELL).process_group(0).stdin(open()).stdout(open()).stderr(open());
        let mut job = webmon.spawn().unwrap();
        let pid = Pid::from_child(&job);
        tcsetpgrp(&terminal, pid).unwrap();
        // Touching the terminal from the background would have stopped it.
        kill_process(pid, Signal::CONT).unwrap();
        std::fs::write("job.pid", pid.as_raw_nonzero().to_string()).unwrap();
        if std::env::var(SHELL).is_ok_and(|shell| shell == TAKES) {
            waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
            // A shell in the background may take the terminal only with this signal blocked.
            let mut set = SigSet::empty();
            set.add(nix::sys::signal::Signal::SIGTTOU);
            set.thread_block().unwrap();
            tcsetpgrp(&terminal, getpgrp()).unwrap();
            std::fs::write("taken", "").unwrap();
        }
        std::process::exit(job.wait().unwrap().code().unwrap_or(255));
    }
    let failed = webmon.stdin(open()).stdout(open()).stderr(terminal).exec();
    panic!("cannot start webmon: {failed}");
}

/// webmon in a terminal.
struct Terminal {
    /// Our side; the thread that reads has the other handle.
    ours: Option<File>,
    reading: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// The program's side, kept open so that its modes can be read after the end.
    theirs: File,
    child: Child,
    printed: Arc<Mutex<Vec<u8>>>,
    /// How much of it is of no interest any more.
    forgotten: usize,
    before: Termios,
}

impl Terminal {
    /// Starts webmon with `arguments` in `folder`, in a terminal of 100 columns and 30 rows.
    fn start(folder: &Folder, arguments: &str) -> Self {
        Self::start_with(folder, arguments, None)
    }

    fn start_with(folder: &Folder, arguments: &str, shell: Option<&str>) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        resize(&ours, 100, 30);
        let mut options = OpenOptions::new();
        let theirs = options.read(true).write(true).custom_flags(NOCTTY).open(&path).unwrap();
        let before = tcgetattr(&theirs).unwrap();
        ioctl_fionbio(&ours, true).unwrap();
        let ours = File::from(ours);
        let printed = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let reading = {
            let (reading, printed, stop) = (ours.try_clone().unwrap(), Arc::clone(&printed), Arc::clone(&stop));
            std::thread::spawn(move || collect(reading, &printed, &stop))
        };
        let mut launcher = Command::new(std::env::current_exe().unwrap());
        launcher.args(["--exact", "terminal::launcher", "--ignored", "--nocapture"]).current_dir(folder.path(""));
        launcher.env_clear().env("TZ", "UTC").env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        launcher.env("XDG_STATE_HOME", folder.path("state"));
        launcher.env(TERMINAL, &path).env("WEBMON_TEST_ARGUMENTS", arguments);
        if let Some(shell) = shell {
            launcher.env(SHELL, shell);
        }
        let child = launcher.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { ours: Some(ours), reading: Some(reading), stop, theirs, child, printed, forgotten: 0, before }
    }

    fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed.lock().unwrap()).into_owned()
    }

    /// Forgets what was printed, so that [`Self::until`] sees what comes.
    fn forget(&mut self) {
        self.forgotten = self.printed.lock().unwrap().len();
    }

    /// What was printed since.
    fn recent(&self) -> String {
        String::from_utf8_lossy(&self.printed.lock().unwrap()[self.forgotten..]).into_owned()
    }

    /// Waits until `text` was printed without the sequences between its words.
    #[track_caller]
    fn until(&mut self, text: &str) {
        let start = now();
        while !words(&self.recent()).contains(text) {
            assert!(self.child.try_wait().unwrap().is_none(), "ended before {text:?}: {:?}", self.printed());
            assert!(now() - start < PATIENCE, "no {text:?} in {:?}", words(&self.recent()));
            std::thread::sleep(POLL);
        }
    }

    /// Waits until the dashboard shows the results of both sites.
    #[track_caller]
    fn until_drawn(&mut self) {
        self.until("200×");
        self.until("503×");
    }

    fn press(&mut self, keys: &str) {
        self.ours.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn resize(&self, columns: u16, rows: u16) {
        resize(self.ours.as_ref().unwrap(), columns, rows);
    }

    /// Waits for the end, asserts that the terminal is as it was, and returns what stayed on it.
    #[track_caller]
    fn end(mut self, code: i32) -> String {
        let (status, took) = exit_of(&mut self.child, PATIENCE);
        assert_eq!(status.code(), Some(code), "{:?}", self.printed());
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert_eq!(modes(&tcgetattr(&self.theirs).unwrap()), modes(&self.before));
        self.await_all();
        let printed = self.printed();
        let (dashboard, rest) = printed.rsplit_once(LEAVE).unwrap_or_else(|| panic!("never left: {printed:?}"));
        assert_eq!(dashboard.matches(ENTER).count(), 1, "taken once");
        assert!(!dashboard.contains(LEAVE), "given back once");
        assert!(rest.rfind(HIDE_CURSOR).is_none() && rest.contains(SHOW_CURSOR), "{rest:?}");
        assert!(!printed.contains("Failed to show the cursor") && !printed.contains("panicked"), "{printed:?}");
        words(rest)
    }

    /// Waits until what was printed last has been read.
    #[track_caller]
    fn await_all(&mut self) {
        const END: &str = "<the end>";
        self.theirs.write_all(END.as_bytes()).unwrap();
        let start = now();
        while !self.printed().ends_with(END) {
            assert!(now() - start < PATIENCE, "{:?}", self.printed());
            std::thread::sleep(POLL);
        }
        let mut printed = self.printed.lock().unwrap();
        let length = printed.len() - END.len();
        printed.truncate(length);
    }

    /// Closes our side, as a terminal emulator does that is closed.
    fn hang_up(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reading) = self.reading.take() {
            reading.join().unwrap();
        }
        self.ours = None;
    }
}

/// Reads what is printed until `stop`; never blocks, so that the terminal can be hung up.
fn collect(mut terminal: File, printed: &Mutex<Vec<u8>>, stop: &AtomicBool) {
    let mut bytes = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        match terminal.read(&mut bytes) {
            Ok(count) => printed.lock().unwrap().extend(&bytes[..count]),
            Err(_) => std::thread::sleep(POLL),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.hang_up();
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `O_NOCTTY` of Linux: the test program must not get this terminal as its own.
const NOCTTY: i32 = OpenptFlags::NOCTTY.bits().cast_signed();

fn resize(terminal: impl std::os::fd::AsFd, columns: u16, rows: u16) {
    tcsetwinsize(terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

/// What can be compared of a terminal's modes.
fn modes(termios: &Termios) -> String {
    let Termios { input_modes, output_modes, control_modes, local_modes, .. } = termios;
    assert!(local_modes.contains(LocalModes::ECHO | LocalModes::ICANON), "a terminal in its senses");
    format!("{input_modes:?} {output_modes:?} {control_modes:?} {local_modes:?}")
}

/// `printed` without control sequences; a jump of the cursor is a blank.
fn words(printed: &str) -> String {
    let mut words = String::new();
    let mut characters = printed.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' if characters.next_if_eq(&'[').is_some() => {
                if characters.by_ref().find(char::is_ascii_alphabetic) == Some('H') {
                    words.push(' ');
                }
            }
            '\x1b' if characters.next_if_eq(&']').is_some() => {
                characters.by_ref().find(|&c| c == '\x07');
            }
            '\x1b' => drop(characters.next()),
            '\r' => {}
            character => words.push(character),
        }
    }
    words
}

/// The texts that the clipboard got.
fn copied(printed: &str) -> Vec<String> {
    use base64::Engine as _;
    let sequences = printed.split("\x1b]52;c;").skip(1).filter_map(|rest| rest.split_once('\x07'));
    let decoded = sequences.map(|(text, _)| base64::engine::general_purpose::STANDARD.decode(text).unwrap());
    decoded.map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

fn two_sites() -> (Server, Folder) {
    let server = Server::start(Behaviour::answering(|request| match request.target.as_str() {
        "/broken" => vec![Step::send(response(503, "out of order"))],
        _ => vec![Step::send(response(200, "ok"))],
    }));
    let folder = Folder::with(&format!(
        "defaults: {{ interval: 400ms, timeout: 400ms }}\n\
         sites: [{{ name: api, url: '{}' }}, {{ name: broken, url: '{}' }}]\n\
         alerting: {{ window: 2s }}\n\
         dashboard: {{ views: [{{ timeframe: 1m, refresh: 1s }}, {{ timeframe: 10m, refresh: 2s }}] }}\n",
        server.url("/"),
        server.url("/broken"),
    ));
    (server, folder)
}

#[test]
fn q_gives_the_terminal_back_and_leaves_a_summary() {
    let (_server, folder) = two_sites();
    let mut terminal = Terminal::start(&folder, "");
    terminal.until_drawn();
    terminal.until("Website broken is down");
    terminal.press("?");
    terminal.until("Help");
    terminal.press("?q");
    // A busy machine skips checks, and then the figures say that they cover fewer.
    let left = terminal.end(0).replace('~', "");
    let lines: Vec<&str> = left.lines().collect();
    assert!(lines[0].starts_with("webmon watched 2 sites for ") && lines[0].ends_with("1 alert (open)"), "{left}");
    assert!(lines[1].contains("▼ broken") && lines[1].contains(" 0% ") && lines[1].contains("503×"), "{left}");
    assert!(lines[2].contains("1 other 100%") && lines[2].contains("kept in webmon.redb"), "{left}");
    assert_eq!(lines.len(), 3, "{left}");
    // Everything that was on the screen is remembered.
    let alerts = folder.run("alerts --format json").quietly().json();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
}

#[test]
fn the_terminal_is_asked_for_its_background_and_its_first_answer_decides() {
    const BLACK_ON_YELLOW: &str = "30;43";
    let (_server, folder) = two_sites();
    let mut terminal = Terminal::start(&folder, "");
    // Nobody waits for the answer.
    terminal.until_drawn();
    assert_eq!(terminal.printed().matches("\x1b]11;?\x07").count(), 1);
    terminal.forget();
    terminal.press("\x1b]11;rgb:fdfd/f6f6/e3e3\x1b\\?");
    terminal.until("Help");
    let is_light = |terminal: &Terminal| {
        let recent = terminal.recent();
        recent.contains(BLACK_ON_YELLOW) || (recent.contains("\x1b[30m") && recent.contains("\x1b[43m"))
    };
    assert!(is_light(&terminal), "{:?}", terminal.recent());
    // A late answer changes nothing, and the user's own choice is kept.
    terminal.press("?");
    terminal.press("\x1b]11;rgb:0000/0000/0000\x07t");
    terminal.until("theme for a dark background");
    terminal.press("q");
    terminal.end(0);
    let mut known = Terminal::start(&folder, "");
    known.until_drawn();
    assert!(!known.printed().contains("\x1b]11;?"), "the user has said it");
    known.press("q");
    known.end(0);
}

#[test]
fn what_is_set_by_key_is_there_again_at_the_next_start_and_a_demonstration_leaves_it_alone() {
    let (_server, folder) = two_sites();
    let mut terminal = Terminal::start(&folder, "");
    terminal.until_drawn();
    terminal.press("sn");
    terminal.until("sort name");
    terminal.press("m");
    let path = folder.path("state/webmon/dashboard");
    let (start, wanted) = (now(), "sort name\nmouse off\n");
    while std::fs::read_to_string(&path).ok().as_deref() != Some(wanted) {
        assert!(now() - start < PATIENCE, "{:?}", std::fs::read_to_string(&path));
        std::thread::sleep(POLL);
    }
    terminal.press("q");
    terminal.end(0);
    let mut again = Terminal::start(&folder, "--no-store");
    again.until("sort name");
    again.until_drawn();
    again.press("m");
    again.until("mouse on");
    again.press("q");
    again.end(0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), wanted, "without a store nothing is written");
    let mut demo = Terminal::start(&folder, "demo");
    demo.until("webmon DEMO");
    demo.press("m");
    demo.until("mouse off");
    demo.press("q");
    assert!(!demo.end(0).contains("sort name"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), wanted);
}

#[test]
fn the_dashboard_shows_no_secret_on_any_of_its_screens() {
    let server = canary::server();
    let folder = canary::folder(&server);
    let mut terminal = Terminal::start(&folder, "-vv");
    terminal.until_drawn();
    terminal.until("DOWN");
    terminal.press("?");
    terminal.until("Help");
    terminal.press("?");
    // Each site's own screen: its address, its last failure, its causes.
    terminal.press("g\r");
    for key in ["y]", "y]", "y]", "y]", "y]", "y]", "y]", "y]", "y]", "\x1b", "a"] {
        terminal.forget();
        terminal.press(key);
        let start = now();
        while terminal.recent().is_empty() && now() - start < PATIENCE {
            std::thread::sleep(POLL);
        }
    }
    terminal.press("q");
    let printed = Arc::clone(&terminal.printed);
    terminal.end(0);
    let printed = String::from_utf8_lossy(&printed.lock().unwrap()).into_owned();
    assert!(!words(&printed).contains(canary::MARK), "{printed:?}");
    let copied = copied(&printed);
    assert!(!copied.is_empty() && copied.iter().all(|text| text.starts_with("curl ")), "{copied:?}");
    assert!(!copied.iter().any(|text| text.contains(canary::MARK)), "{copied:?}");
    let log = std::fs::read_to_string(folder.path("webmon.redb.log")).unwrap();
    assert!(log.contains(" trace probe: circle phases ") && !log.contains(canary::MARK), "{log}");
}

#[test]
fn an_incident_and_a_check_are_copied_to_the_clipboard_of_the_terminal() {
    let (server, folder) = two_sites();
    let mut terminal = Terminal::start(&folder, "");
    terminal.until_drawn();
    terminal.until("Website broken is down");
    terminal.press("a\r");
    terminal.until("First failed check");
    terminal.press("y");
    terminal.until("as Markdown");
    terminal.press("\r");
    terminal.until("Figures");
    terminal.press("y");
    terminal.until("as a curl line");
    terminal.press("q");
    let printed = Arc::clone(&terminal.printed);
    terminal.end(0);
    let printed = String::from_utf8_lossy(&printed.lock().unwrap()).into_owned();
    assert!(!printed.contains("\x1b]8;"), "no hyperlinks for a terminal that is not known");
    let copied = copied(&printed);
    assert_eq!(copied.len(), 2, "{copied:?}");
    assert!(copied[0].starts_with("# broken has been down for ") && copied[0].contains("## Answers"), "{copied:?}");
    assert!(copied[1].starts_with("curl ") && copied[1].ends_with(&server.url("/broken")), "{copied:?}");
}

#[test]
fn what_happens_under_the_dashboard_is_in_a_file_beside_the_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_server, folder) = two_sites();
    for times in 1..=2 {
        let mut terminal = Terminal::start(&folder, "");
        terminal.until_drawn();
        terminal.until("Website broken is down");
        terminal.press("q");
        terminal.end(0);
        let path = folder.path("webmon.redb.log");
        let log = std::fs::read_to_string(&path).unwrap();
        let count = |part: &str| log.lines().filter(|line| line.contains(part)).count();
        assert_eq!(count(" info webmon: started (version="), times, "{log}");
        assert_eq!(count(" info webmon: ended (code=0)"), times, "{log}");
        assert_eq!(count(" info alert: Website broken is down."), 1, "{log}");
        assert!(count(" info site: broken ") >= 1 && count(" debug ") == 0, "{log}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn without_a_store_nothing_is_written() {
    let (server, folder) = two_sites();
    let before = folder.files();
    for arguments in ["--no-store".to_owned(), format!("-vvv {}", server.url("/"))] {
        let mut terminal = Terminal::start(&folder, &arguments);
        terminal.until("200×");
        terminal.press("q");
        terminal.end(0);
        assert_eq!(folder.files(), before, "{arguments}");
    }
}

#[test]
fn a_storm_of_sizes_is_followed_and_the_last_screen_can_stay() {
    let (_server, folder) = two_sites();
    let mut terminal = Terminal::start(&folder, "");
    terminal.until_drawn();
    for round in 0..6 {
        for (columns, rows) in [(1, 1), (300, 100), (0, 0), (20, 5), (80, 1), (2, 60), (65, 24), (400, 3)] {
            terminal.resize(columns, rows);
            // Wait for one frame of this size, whatever it shows.
            terminal.forget();
            let start = now();
            while round == 0 && terminal.recent().is_empty() && now() - start < Duration::from_millis(1200) {
                std::thread::sleep(POLL);
            }
        }
    }
    terminal.resize(90, 20);
    terminal.forget();
    terminal.until_drawn();
    terminal.press("Q");
    let left = terminal.end(0);
    let screen: Vec<&str> = left.lines().take(20).collect();
    assert!(screen[0].contains("webmon") && screen.iter().any(|line| line.contains("broken")), "{left}");
    assert!(screen.iter().all(|line| line.chars().count() <= 90), "{left}");
    assert!(left.contains("webmon watched 2 sites for "), "{left}");
}

#[test]
fn a_terminal_without_a_size_is_drawn_and_late_answers_are_no_keys() {
    let (_server, folder) = two_sites();
    let mut terminal = Terminal::start(&folder, "");
    terminal.until_drawn();
    terminal.resize(0, 0);
    terminal.forget();
    // The whole screen is drawn again, for 80 columns and 24 rows.
    terminal.until("q quit");
    assert!(terminal.recent().contains("\x1b[24;") && !terminal.recent().contains("\x1b[25;"), "{}", terminal.recent());
    assert!(!terminal.printed().contains("38;5;"), "colours are 30 to 37");
    terminal.forget();
    terminal.press("\x1bP>|tmux 3.3a\x1b\\\x1b]11;rgb:0000/0000/0000\x07?");
    terminal.until("Help");
    assert!(terminal.recent().contains("overview"), "an answer opened a page: {}", terminal.recent());
    terminal.press("\x1b[27;5;99~");
    terminal.end(130);
}

/// Waits until the process of this number is stopped.
#[track_caller]
fn until_stopped(pid: Pid) {
    let start = now();
    loop {
        let told = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
        if told.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')) {
            return;
        }
        assert!(now() - start < PATIENCE, "not stopped: {told}");
        std::thread::sleep(POLL);
    }
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_the_shell_gives_it_back() {
    let (_server, folder) = two_sites();
    let mut terminal = Terminal::start_with(&folder, "", Some("keeps"));
    terminal.until_drawn();
    let pid = std::fs::read_to_string(folder.path("job.pid")).unwrap();
    let job = Pid::from_raw(pid.parse().unwrap()).unwrap();
    for by_key in [true, false] {
        terminal.forget();
        if by_key {
            terminal.press("\x1a");
        } else {
            kill_process(job, Signal::TSTP).unwrap();
        }
        until_stopped(job);
        assert_eq!(modes(&tcgetattr(&terminal.theirs).unwrap()), modes(&terminal.before), "by key: {by_key}");
        let start = now();
        while !terminal.recent().contains(LEAVE) || !terminal.recent().contains(SHOW_CURSOR) {
            assert!(now() - start < PATIENCE, "{:?}", terminal.recent());
            std::thread::sleep(POLL);
        }
        terminal.forget();
        kill_process(job, Signal::CONT).unwrap();
        terminal.until_drawn();
        assert!(terminal.recent().contains(ENTER), "{:?}", terminal.recent());
    }
    // Stopped by SIGSTOP, which cannot be caught: it redraws everything.
    kill_process(job, Signal::STOP).unwrap();
    until_stopped(job);
    terminal.forget();
    kill_process(job, Signal::CONT).unwrap();
    terminal.until_drawn();
    terminal.press("q");
    let (status, _) = exit_of(&mut terminal.child, PATIENCE);
    assert_eq!(status.code(), Some(0), "{:?}", terminal.printed());
    assert_eq!(modes(&tcgetattr(&terminal.theirs).unwrap()), modes(&terminal.before));
}

#[test]
fn without_a_shell_ctrl_z_does_nothing_and_the_past_is_read_from_the_store() {
    let (_server, folder) = two_sites();
    let mut terminal = Terminal::start(&folder, "");
    terminal.until_drawn();
    terminal.press("\x1aG\r");
    terminal.until("Response time");
    // The data of a few seconds fill no longer span.
    terminal.until("[1 min]");
    terminal.press("---");
    terminal.until("[30 min]");
    terminal.until("history begins ");
    // Back to now, and out.
    terminal.press("\x1b[Fq");
    assert!(terminal.end(0).contains("webmon watched 2 sites for "));
}

#[test]
fn a_watcher_shows_what_another_stores_and_says_when_that_one_is_gone() {
    let (_server, folder) = two_sites();
    let headless = folder.start("--headless");
    let is_there = |folder: &Folder| folder.files().iter().any(|name| name == "webmon.redb");
    let start = now();
    while !is_there(&folder) {
        assert!(now() - start < PATIENCE, "no store");
        std::thread::sleep(POLL);
    }
    let [mut one, mut two] = [(); 2].map(|()| Terminal::start(&folder, "watch"));
    for watcher in [&mut one, &mut two] {
        watcher.until("webmon watch");
        watcher.until("watching pid ");
        watcher.until_drawn();
        watcher.until("Website broken is down");
        watcher.press("r");
        watcher.until("not available in read-only mode");
    }
    one.forget();
    let left = headless.end_by(Signal::TERM);
    assert_eq!(left.code, Some(143), "{}", left.stderr);
    one.until("no webmon is writing to this store");
    // Another monitor starts; the dashboard shows what it stores at once.
    one.forget();
    let again = folder.start("--headless");
    one.until("pid");
    assert_eq!(again.end_by(Signal::KILL).code, None);
    one.until("is no longer running");
    one.press("q");
    let left = one.end(0);
    assert!(left.contains("webmon watched 2 sites for ") && left.contains("1 alert (open)"), "{left}");
    two.signal(Signal::TERM);
    two.end(143);
}

#[test]
fn a_watcher_reads_a_changed_sites_yaml_and_says_why_it_does_not_take_one() {
    let (server, folder) = two_sites();
    let headless = folder.start("--headless");
    let start = now();
    while !folder.path("webmon.redb").exists() {
        assert!(now() - start < PATIENCE, "no store");
        std::thread::sleep(POLL);
    }
    let mut watcher = Terminal::start(&folder, "watch");
    watcher.until_drawn();
    let before = std::fs::read_to_string(folder.path("sites.yaml")).unwrap();
    let third = format!("sites: [{{ name: third, url: '{}' }}, ", server.url("/third"));
    folder.write("sites.yaml", &before.replace("sites: [", &third));
    watcher.until("reloaded sites.yaml: 3 sites");
    watcher.until("third");
    folder.write("sites.yaml", &before.replace("interval", "intervall"));
    // What comes before it on the line may be there already, and is then not drawn again.
    watcher.until("unknown key `intervall`");
    // The sites of before are still there and still followed.
    watcher.forget();
    watcher.resize(90, 25);
    watcher.until("third");
    watcher.press("q");
    let left = watcher.end(0);
    assert!(left.contains("webmon watched 3 sites for "), "{left}");
    assert_eq!(headless.end_by(Signal::TERM).code, Some(143));
}

#[test]
fn every_other_end_gives_the_terminal_back_too() {
    for (end, code) in [("^C", 130), ("TERM", 143), ("INT", 130), ("HUP", 129), ("--for", 0)] {
        let (_server, folder) = two_sites();
        let mut terminal = Terminal::start(&folder, if end == "--for" { "run --for 6s" } else { "run" });
        terminal.until_drawn();
        match end {
            "^C" => terminal.press("\x03"),
            "TERM" => terminal.signal(Signal::TERM),
            "INT" => terminal.signal(Signal::INT),
            "HUP" => terminal.signal(Signal::HUP),
            _ => {}
        }
        let left = terminal.end(code);
        assert!(left.contains("webmon watched 2 sites for ") && left.contains("kept in webmon.redb"), "{end}: {left}");
        let samples = folder.run("samples --format json").quietly().json();
        assert!(samples.len() >= 2, "{end}: {} samples", samples.len());
    }
}

#[test]
fn a_terminal_that_hangs_up_ends_the_program() {
    let (_server, folder) = two_sites();
    let mut terminal = Terminal::start(&folder, "");
    terminal.until_drawn();
    terminal.hang_up();
    let (status, took) = exit_of(&mut terminal.child, PATIENCE);
    assert_eq!(status.code(), Some(129));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(folder.run("samples --format json").quietly().json().len() >= 2);
}

/// Waits until the terminal, which has no reader any more, takes no further output.
fn until_full(terminal: &mut Terminal) {
    terminal.stop.store(true, Ordering::Relaxed);
    terminal.reading.take().unwrap().join().unwrap();
    let waiting = |terminal: &Terminal| rustix::io::ioctl_fionread(terminal.ours.as_ref().unwrap()).unwrap();
    let (mut last, mut same, start) = (0, 0, now());
    for step in 0_u16.. {
        // Each size forces a full redraw.
        terminal.resize(100 + step % 2, 30);
        std::thread::sleep(POLL * 20);
        let waits = waiting(terminal);
        same = if waits == last { same + 1 } else { 0 };
        last = waits;
        if waits > 0 && same == 10 {
            return;
        }
        assert!(now() - start < PATIENCE, "{waits} bytes wait");
    }
}

#[test]
fn a_terminal_that_stopped_reading_does_not_keep_the_program() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let (_server, folder) = two_sites();
        let mut terminal = Terminal::start(&folder, "");
        terminal.until_drawn();
        until_full(&mut terminal);
        terminal.signal(signal);
        let (status, _) = exit_of(&mut terminal.child, PATIENCE);
        assert_eq!(status.code(), Some(code), "{signal:?}");
        assert_eq!(modes(&tcgetattr(&terminal.theirs).unwrap()), modes(&terminal.before), "{signal:?}");
        let stored = folder.run("samples --format json").with(0).stdout;
        assert!(stored.lines().count() > 2, "{stored}");
    }
    // Keys are heard all the same.
    let (_server, folder) = two_sites();
    let mut terminal = Terminal::start(&folder, "");
    terminal.until_drawn();
    until_full(&mut terminal);
    terminal.press("q");
    let (status, _) = exit_of(&mut terminal.child, PATIENCE);
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_job_that_was_stopped_ends_in_the_background() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let (_server, folder) = two_sites();
        let mut terminal = Terminal::start_with(&folder, "", Some(TAKES));
        terminal.until_drawn();
        let pid = std::fs::read_to_string(folder.path("job.pid")).unwrap();
        let job = Pid::from_raw(pid.parse().unwrap()).unwrap();
        kill_process(job, Signal::TSTP).unwrap();
        until_stopped(job);
        // The shell takes the terminal, and then the job is ended: `kill %1`.
        let start = now();
        while !folder.path("taken").exists() {
            assert!(now() - start < PATIENCE);
            std::thread::sleep(POLL);
        }
        kill_process(job, signal).unwrap();
        kill_process(job, Signal::CONT).unwrap();
        let (status, _) = exit_of(&mut terminal.child, PATIENCE);
        assert_eq!(status.code(), Some(code), "{signal:?}: {:?}", terminal.printed());
    }
}

#[test]
fn a_start_that_fails_leaves_the_terminal_alone() {
    let (_server, folder) = two_sites();
    folder.write("wrong.yaml", "sites:\n- { name: a, urll: 'http://127.0.0.1/' }\n");
    folder.write("foreign.redb", "not a store of ours, but somebody's file that is longer than nothing");
    for (arguments, code, told) in [
        ("-c wrong.yaml", 2, "wrong.yaml:2:14"),
        ("run nosuch", 2, "no site named"),
        ("--store foreign.redb", 3, "foreign.redb"),
    ] {
        let mut terminal = Terminal::start(&folder, arguments);
        let (status, _) = exit_of(&mut terminal.child, PATIENCE);
        terminal.await_all();
        let printed = terminal.printed();
        assert_eq!(status.code(), Some(code), "{arguments}: {printed:?}");
        assert!(words(&printed).contains(told), "{arguments}: {printed:?}");
        for sequence in [ENTER, LEAVE, HIDE_CURSOR, "\x1b[?2004h"] {
            assert!(!printed.contains(sequence), "{arguments}: {printed:?}");
        }
        assert_eq!(modes(&tcgetattr(&terminal.theirs).unwrap()), modes(&terminal.before), "{arguments}");
    }
}

#[test]
fn headless_in_a_terminal_is_plain_lines() {
    let (_server, folder) = two_sites();
    let mut terminal = Terminal::start(&folder, "--headless --for 1s");
    let (status, _) = exit_of(&mut terminal.child, PATIENCE);
    terminal.await_all();
    let printed = terminal.printed();
    assert_eq!(status.code(), Some(0), "{printed:?}");
    assert!(printed.starts_with("watching 2 sites") && !printed.contains('\x1b'), "{printed:?}");
}
