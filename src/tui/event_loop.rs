//! The loop of the dashboard, on a thread of its own: keys in, screens out.
//!
//! It wakes at least ten times per second and draws at most as often, and only if something has to be shown: figures, a
//! state, an alert, a key, the size, or the next second of the clock. A slow frame delays nothing but the next one. Any
//! failure of the terminal ends the loop.

use std::io;
use std::time::Duration;

use ratatui::layout::Size;

use crate::model::{SiteIndex, Timestamp};
use crate::tui::settings::Settings;
use crate::tui::source::{Fixed, Source};
use crate::tui::terminal::console::{Console, TerminalEffects};

use super::input::key::Key;
use super::inputs::Inputs;
use super::page::ExitRequest;
use super::screen::view;
use super::source_cache::SourceCache;
use super::state::UiState;
use super::terminal::job_control::JobControl;
use super::terminal::session::{TerminalSession, is_panicked};

const TICK: Duration = Duration::from_millis(100);

/// Time between two looks for the overview of the past, which is there in some milliseconds.
const AWAITED: Duration = Duration::from_millis(10);

/// Why the dashboard ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The user left.
    Quit,
    /// The user left and keeps the last screen, which is this text.
    QuitKeepScreen(String),
    /// The user left by Ctrl-C.
    Interrupt,
    /// By [`JobControl::stop`].
    Stopped,
    /// The terminal vanished.
    TerminalGone,
    /// Another thread panicked and restored the terminal for its message.
    Panicked,
}

/// Shows the dashboard on the terminal of this process until the user leaves or `job` stops it, then restores the terminal.
///
/// # Errors
/// The terminal cannot be set up.
pub fn run(source: &impl Source, settings: Settings, fixed: &Fixed, job: &JobControl) -> io::Result<Ended> {
    // The theme decides about colours; crossterm's own reading of NO_COLOR would overrule `--color always`.
    crossterm::style::force_color_output(true);
    let mut session = TerminalSession::enter(settings.asks_background)?;
    let ended = drive(source, UiState::new(&settings), fixed, &mut session, job);
    if ended.is_ok() {
        session.await_answer();
    }
    Ok(match ended {
        Ok(ended) => ended,
        Err(_) if is_panicked() => Ended::Panicked,
        Err(_) => Ended::TerminalGone,
    })
}

fn drive(
    source: &impl Source,
    mut state: UiState,
    fixed: &Fixed,
    console: &mut impl Console,
    job: &JobControl,
) -> io::Result<Ended> {
    let mut cache = SourceCache::from(source);
    let mut keys = Vec::new();
    let mut size = Size::ZERO;
    let mut drawn: Option<Timestamp> = None;
    let mut dirty = true;
    let mut continued = job.continued();
    loop {
        if job.is_stopped() {
            return Ok(Ended::Stopped);
        }
        let (suspend, resume) = (job.take_suspend(), job.continued() != continued);
        if suspend || resume {
            (if suspend { console.suspend(job) } else { console.resume(job) })?;
            continued = job.continued();
            dirty = true;
            // A stop may have been asked for meanwhile, without the terminal.
            continue;
        }
        let measured = console.size()?;
        dirty |= cache.refresh(source) || measured != size || !keys.is_empty();
        size = measured;
        let inputs = cache.inputs(fixed);
        state.follow_sites(&inputs);
        dirty |= state.play(&inputs);
        for key in keys.drain(..) {
            match press(source, &mut state, &key, &inputs, size) {
                None => {}
                Some(ExitRequest::Plain) => return Ok(Ended::Quit),
                Some(ExitRequest::Interrupt) => return Ok(Ended::Interrupt),
                Some(ExitRequest::Suspend) => job.suspend(),
                Some(ExitRequest::KeepScreen) => return Ok(Ended::QuitKeepScreen(view(&inputs, &state, size).text())),
            }
        }
        cache.turn_to(source, state.instant());
        // A clock that was set back must not stop the drawing.
        let pause =
            drawn.filter(|at| *at <= cache.now).map_or(Duration::ZERO, |at| TICK.saturating_sub(cache.now.since(at)));
        let mut timeout = TICK.min(to_next_second(cache.now));
        let is_ready = console.is_ready()?;
        if cache.awaits_past() {
            timeout = timeout.min(AWAITED);
        } else if dirty && !pause.is_zero() {
            timeout = pause;
        } else if dirty && is_ready {
            let inputs = cache.inputs(fixed);
            let bell = state.settle(&inputs, size);
            let opened = state.opened(&inputs);
            // The tables may be frozen, so their indices mean nothing to the cache.
            let slot = |site: Option<usize>| state.tables(&inputs).sites.get(site?).map(|site| site.slot);
            let (charted, focus) = (slot(state.charted(&inputs, size)), slot(state.focus(&inputs)));
            let request = state.history_request(&inputs, size);
            let (usual, incident) = (state.usual_request(&inputs, size), state.incident_request(&inputs));
            cache.set_focus(source, (focus, charted), request);
            cache.ask_for_usual(source, usual);
            cache.ask_for_incident(source, incident);
            cache.ask_for_trial(source, state.trial_request());
            let inputs = cache.inputs(fixed);
            let notification = state.take_notification(inputs.clock());
            let copied = state.take_copied().map(|copied| {
                if copied.way.wants_tmux() {
                    source.load_tmux(copied.text.clone());
                }
                copied.way.encode(&copied.text)
            });
            let effects = TerminalEffects { bell, notification, copied, links: state.links, mouse: state.mouse };
            console.draw(&view(&inputs, &state, size), state.theme, &effects)?;
            cache.set_visible(source, opened.map_or_else(|| state.visible(size), |site| vec![SiteIndex::new(site)]));
            drawn = Some(cache.now);
            dirty = false;
        }
        console.wait(timeout, &mut keys)?;
    }
}

/// Does what `key` asks for, and passes on what that sets and commands.
fn press(source: &impl Source, state: &mut UiState, key: &Key, inputs: &Inputs, size: Size) -> Option<ExitRequest> {
    let remembered = state.preferences;
    let exit = state.act(key, inputs, size);
    if state.preferences != remembered {
        source.remember(state.preferences);
    }
    for command in state.take_commands() {
        source.send_command(command);
    }
    exit
}

/// The clock in the header changes on the second, not somewhere in the tick after it.
const fn to_next_second(now: Timestamp) -> Duration {
    const SECOND: u64 = 1_000_000;
    Duration::from_micros(SECOND - now.as_micros() % SECOND)
}

#[cfg(test)]
mod tests {
    use super::super::render::Screen;
    use super::super::style::theme::Theme;
    use crate::alert::AlertRecord;
    use crate::engine::snapshot::Snapshot;
    use crate::model::command::{ManualCheck, SiteCommand};
    use crate::model::{Health, Sample, SiteSlot};
    use std::cell::{Cell, RefCell};
    use std::sync::Arc;

    use super::*;
    use crate::alert::incident::list::IncidentList;
    use crate::tui::arrangement::Arrangement;
    use crate::tui::settings::preferences::Preferences;
    use crate::tui::tests::fixtures;

    /// Time passes as the console waits; versions are scripted.
    struct Scripted {
        now: Cell<Timestamp>,
        version_every: Duration,
        stop_at: Timestamp,
        size: Size,
        /// After so many milliseconds the site at this index leaves the file.
        leaves: Option<(u64, usize)>,
        commands: RefCell<Vec<SiteCommand>>,
        remembered: Cell<usize>,
    }

    impl Scripted {
        fn elapsed(&self) -> u64 {
            u64::try_from(self.now.get().since(fixtures::now()).as_millis()).unwrap()
        }
    }

    impl Source for &Scripted {
        fn version(&self) -> u64 {
            let has_left = self.leaves.is_some_and(|(at, _)| self.elapsed() >= at);
            self.elapsed() / u64::try_from(self.version_every.as_millis()).unwrap() + u64::from(has_left)
        }
        fn snapshot(&self) -> Snapshot {
            let mut world = fixtures::five_sites();
            if let Some((_, place)) = self.leaves.filter(|(at, _)| self.elapsed() >= *at) {
                world.remove(place);
            }
            world.snapshot
        }
        fn alerts(&self) -> Arc<[Arc<AlertRecord>]> {
            thread_local!(static ALERTS: Arc<[Arc<AlertRecord>]> = fixtures::five_sites().alerts.into());
            ALERTS.with(Arc::clone)
        }
        fn incidents(&self) -> Arc<IncidentList> {
            thread_local!(static NONE: Arc<IncidentList> = Arc::default());
            NONE.with(Arc::clone)
        }
        fn health(&self) -> Arc<Health> {
            Arc::new(Health::default())
        }
        fn samples(&self, _: SiteSlot, samples: &mut Vec<Sample>) {
            samples.clone_from(&fixtures::five_sites().samples);
        }
        fn arrangement(&self) -> Arc<Arrangement> {
            thread_local!(static USUAL: Arc<Arrangement> = Arc::default());
            USUAL.with(Arc::clone)
        }
        fn manual_checks(&self) -> Arc<[ManualCheck]> {
            thread_local!(static NONE: Arc<[ManualCheck]> = Arc::default());
            NONE.with(Arc::clone)
        }
        fn remember(&self, preferences: Preferences) {
            self.remembered.set(self.remembered.get() + usize::from(preferences != Preferences::default()));
        }
        fn send_command(&self, command: SiteCommand) {
            self.commands.borrow_mut().push(command);
        }
        fn now(&self) -> Timestamp {
            self.now.get()
        }
    }

    struct Paper<'a> {
        source: &'a Scripted,
        keys: Vec<(u64, Key)>,
        frames: RefCell<Vec<Timestamp>>,
        job: &'a JobControl,
        suspended: Cell<usize>,
        gone_at: Option<Timestamp>,
    }

    impl Console for Paper<'_> {
        fn size(&mut self) -> io::Result<Size> {
            Ok(self.source.size)
        }
        fn wait(&mut self, timeout: Duration, keys: &mut Vec<Key>) -> io::Result<()> {
            let from = self.source.now.get();
            let key_at = self.keys.first().map(|(ms, _)| fixtures::now().after(Duration::from_millis(*ms)));
            let until = from.after(timeout);
            match key_at.filter(|at| *at <= until) {
                Some(at) => {
                    self.source.now.set(at.max(from));
                    keys.push(self.keys.remove(0).1);
                }
                None => self.source.now.set(until),
            }
            if self.source.now.get() >= self.source.stop_at {
                self.job.stop();
            }
            match self.gone_at {
                Some(at) if self.source.now.get() >= at => Err(io::Error::other("EIO")),
                _ => Ok(()),
            }
        }
        fn draw(&mut self, _: &Screen, _: Theme, _: &TerminalEffects) -> io::Result<()> {
            self.frames.borrow_mut().push(self.source.now.get());
            Ok(())
        }
        fn suspend(&mut self, job: &JobControl) -> io::Result<()> {
            self.suspended.set(self.suspended.get() + 1);
            job.note_continued();
            Ok(())
        }
        fn is_ready(&mut self) -> io::Result<bool> {
            Ok(true)
        }
        fn resume(&mut self, _: &JobControl) -> io::Result<()> {
            panic!("suspend has resumed already");
        }
    }

    fn scripted(version_every: Duration) -> Scripted {
        Scripted {
            now: Cell::new(fixtures::now()),
            version_every,
            stop_at: fixtures::now().after(Duration::from_secs(10)),
            size: Size { width: 80, height: 24 },
            leaves: None,
            commands: RefCell::default(),
            remembered: Cell::default(),
        }
    }

    fn play(version_every: Duration, keys: Vec<(u64, Key)>, gone_after: Option<u64>) -> (Ended, usize) {
        play_at(&scripted(version_every), keys, gone_after)
    }

    fn play_at(source: &Scripted, keys: Vec<(u64, Key)>, gone_after: Option<u64>) -> (Ended, usize) {
        let job = JobControl::default();
        let gone_at = gone_after.map(|ms| fixtures::now().after(Duration::from_millis(ms)));
        let suspends = keys.iter().filter(|(_, key)| *key == Key::Ctrl('z')).count();
        let asked = keys.iter().filter(|(_, key)| *key == Key::Char('r')).count();
        let set = keys.iter().filter(|(_, key)| matches!(key, Key::Char('t' | 'm'))).count();
        let (frames, suspended) = (RefCell::default(), Cell::new(0));
        let mut paper = Paper { source, keys, frames, job: &job, suspended, gone_at };
        let world = fixtures::five_sites();
        let fixed = Fixed { zone: world.zone, about: world.about };
        let ended = drive(&source, fixtures::state(), &fixed, &mut paper, &job).unwrap_or(Ended::TerminalGone);
        assert_eq!(source.commands.borrow().len(), asked, "each command is sent once");
        assert_eq!(source.remembered.get(), set, "what the user sets is remembered at once");
        assert_eq!(paper.suspended.get(), suspends, "each Ctrl-Z suspends once");
        let frames = paper.frames.into_inner();
        for pair in frames.windows(2) {
            assert!(pair[1].since(pair[0]) >= TICK, "two frames within {:?}", pair[1].since(pair[0]));
        }
        (ended, frames.len())
    }

    #[test]
    fn an_idle_dashboard_draws_once_per_second() {
        let (ended, frames) = play(Duration::from_hours(1), vec![], None);
        assert_eq!((ended, frames), (Ended::Stopped, 10));
    }

    #[test]
    fn at_most_ten_frames_per_second() {
        let (_, frames) = play(Duration::from_millis(1), vec![], None);
        assert!((90..=100).contains(&frames), "{frames}");
        let held = (0..500).map(|i| (i * 20, Key::Char('j'))).collect();
        let (_, frames) = play(Duration::from_hours(1), held, None);
        assert!((90..=101).contains(&frames), "{frames}");
    }

    #[test]
    fn a_command_is_sent_before_the_user_leaves() {
        let keys = vec![(500, Key::Char('r')), (510, Key::Char('r')), (510, Key::Char('q'))];
        assert_eq!(play(Duration::from_hours(1), keys, None).0, Ended::Quit);
    }

    /// A site that leaves the file while the user looks at it, with the tables frozen or not, on a screen with a chart and on one
    /// without.
    #[test]
    fn a_site_that_leaves_while_it_is_looked_at_does_not_end_the_dashboard() {
        let keys = |text: &[Key]| text.iter().zip(1..).map(|(key, at)| (100 * at, key.clone())).collect::<Vec<_>>();
        let looks = [
            keys(&[]),
            keys(&[Key::End]),
            keys(&[Key::End, Key::Enter]),
            keys(&[Key::End, Key::Char('f')]),
            keys(&[Key::End, Key::Char('f'), Key::Enter]),
        ];
        for size in [Size { width: 80, height: 24 }, Size { width: 200, height: 60 }] {
            for (look, place) in looks.iter().flat_map(|look| (0..5).map(move |place| (look, place))) {
                let source = Scripted { size, leaves: Some((1_000, place)), ..scripted(Duration::from_hours(1)) };
                let ended = play_at(&source, look.clone(), None).0;
                assert_eq!(ended, Ended::Stopped, "{look:?}, without {place}");
            }
        }
    }

    #[test]
    fn what_the_user_sets_is_remembered() {
        let keys = vec![(500, Key::Char('t')), (510, Key::Char('m')), (520, Key::Char('b')), (530, Key::Char('m'))];
        assert_eq!(play(Duration::from_hours(1), keys, None).0, Ended::Stopped);
    }

    #[test]
    fn it_ends_by_key_by_stop_and_with_its_terminal() {
        let hour = Duration::from_hours(1);
        assert_eq!(play(hour, vec![(500, Key::Char('q'))], None).0, Ended::Quit);
        assert_eq!(play(hour, vec![(500, Key::Char('/')), (600, Key::Ctrl('c'))], None).0, Ended::Interrupt);
        assert_eq!(play(hour, vec![], Some(700)).0, Ended::TerminalGone);
        let Ended::QuitKeepScreen(text) = play(hour, vec![(500, Key::Char('Q'))], None).0 else {
            panic!("Q keeps the screen")
        };
        assert!(text.contains("webmon  ▼ 1 DOWN") && text.lines().count() == 24, "{text}");
    }
}
