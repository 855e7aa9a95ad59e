//! The loop of the dashboard, on a thread of its own: keys in, screens out.
//!
//! It wakes at least ten times a second, and draws only when something has to be shown: figures, a state, alerts, a key,
//! the size, or the second on the clock; never more often than ten times a second. What a frame costs can delay nothing
//! but the next frame. A terminal that fails in any way ends it.

use std::io;
use std::time::Duration;

use ratatui::layout::Size;

use crate::model::{SiteIndex, Timestamp};
use crate::tui::settings::Settings;
use crate::tui::source::{Fixed, Source};
use crate::tui::terminal::console::{Console, TerminalEffects};

use super::page::ExitRequest;
use super::screen::view;
use super::source_cache::SourceCache;
use super::state::UiState;
use super::terminal::job_control::JobControl;
use super::terminal::session::{TerminalSession, is_panicked};

const TICK: Duration = Duration::from_millis(100);

/// Why the dashboard ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The person left.
    Quit,
    /// The person left and wants the last screen, which is this text, to stay.
    QuitKeepScreen(String),
    /// The person left by Ctrl-C.
    Interrupt,
    /// It was told to stop.
    Stopped,
    /// The terminal vanished.
    TerminalGone,
    /// Another thread panicked; the terminal was given back for its message.
    Panicked,
}

/// Shows the dashboard on this process's terminal until somebody leaves or `orders` say so. The terminal is as before
/// when this returns.
///
/// # Errors
/// The terminal could not be taken.
pub fn run(source: &impl Source, settings: Settings, fixed: &Fixed, orders: &JobControl) -> io::Result<Ended> {
    // The theme decides about colours; crossterm's own reading of NO_COLOR would overrule `--color always`.
    crossterm::style::force_color_output(true);
    let mut session = TerminalSession::enter()?;
    Ok(match drive(source, UiState::new(&settings), fixed, &mut session, orders) {
        Ended::TerminalGone if is_panicked() => Ended::Panicked,
        ended => ended,
    })
}

fn drive(
    source: &impl Source,
    mut state: UiState,
    fixed: &Fixed,
    console: &mut impl Console,
    orders: &JobControl,
) -> Ended {
    let mut taken = SourceCache::from(source);
    let mut keys = Vec::new();
    let mut size = Size::ZERO;
    let mut drawn: Option<Timestamp> = None;
    let mut dirty = true;
    let mut continued = orders.continued();
    loop {
        if orders.is_stop() {
            return Ended::Stopped;
        }
        let (rest, again) = (orders.take_rest(), orders.continued() != continued);
        if rest || again {
            let taken = if rest { console.rest(orders) } else { console.take_again(orders) };
            if taken.is_err() {
                return Ended::TerminalGone;
            }
            continued = orders.continued();
            dirty = true;
            // It may have been told to end meanwhile, without the terminal.
            continue;
        }
        let Ok(measured) = console.size() else { return Ended::TerminalGone };
        dirty |= taken.refresh(source) || measured != size || !keys.is_empty();
        size = measured;
        let inputs = taken.inputs(fixed);
        for key in keys.drain(..) {
            let leave = state.act(&key, &inputs, size);
            for wish in state.take_commands() {
                source.send_command(wish);
            }
            match leave {
                None => {}
                Some(ExitRequest::Plain) => return Ended::Quit,
                Some(ExitRequest::Interrupt) => return Ended::Interrupt,
                Some(ExitRequest::Rest) => orders.rest(),
                Some(ExitRequest::KeepScreen) => return Ended::QuitKeepScreen(view(&inputs, &state, size).text()),
            }
        }
        // A clock that went back must not stop the drawing.
        let rest =
            drawn.filter(|at| *at <= taken.now).map_or(Duration::ZERO, |at| TICK.saturating_sub(taken.now.since(at)));
        let mut timeout = TICK.min(to_next_second(taken.now));
        let Ok(is_ready) = console.is_ready() else { return Ended::TerminalGone };
        if dirty && rest.is_zero() && is_ready {
            let (opened, wanted) = (state.opened(&inputs), state.wanted(&inputs, size));
            let focus = state.focus(&inputs);
            taken.look_closer(source, (focus, opened), wanted);
            let inputs = taken.inputs(fixed);
            let beyond = TerminalEffects { bell: state.settle(&inputs, size), mouse: state.mouse };
            let screen = view(&inputs, &state, size);
            if console.draw(&screen, state.theme(), beyond).is_err() {
                return Ended::TerminalGone;
            }
            taken.tell_seen(source, opened.map_or_else(|| state.seen(size), |site| vec![SiteIndex::new(site)]));
            drawn = Some(taken.now);
            dirty = false;
        } else if dirty && !rest.is_zero() {
            timeout = rest;
        }
        if console.wait(timeout, &mut keys).is_err() {
            return Ended::TerminalGone;
        }
    }
}

/// The clock in the header changes on the second, not somewhere in the tick after it.
const fn to_next_second(now: Timestamp) -> Duration {
    const SECOND: u64 = 1_000_000;
    Duration::from_micros(SECOND - now.as_micros() % SECOND)
}

#[cfg(test)]
mod tests {
    use super::super::input::key::Key;
    use super::super::render::Screen;
    use super::super::style::theme::Theme;
    use crate::alert::AlertRecord;
    use crate::engine::snapshot::Snapshot;
    use crate::model::command::{ManualCheck, SiteCommand};
    use crate::model::{Health, Sample, SiteSlot};
    use std::cell::{Cell, RefCell};
    use std::sync::Arc;

    use super::*;
    use crate::tui::tests::fixtures;

    /// Time passes as the console waits; versions are scripted.
    struct Scripted {
        now: Cell<Timestamp>,
        version_every: Duration,
        stop_at: Timestamp,
        wished: RefCell<Vec<SiteCommand>>,
    }

    impl Source for &Scripted {
        fn version(&self) -> u64 {
            let elapsed = self.now.get().since(fixtures::now());
            u64::try_from(elapsed.as_millis() / self.version_every.as_millis()).unwrap()
        }
        fn snapshot(&self) -> Snapshot {
            fixtures::five_sites().snapshot
        }
        fn alerts(&self) -> Arc<[Arc<AlertRecord>]> {
            thread_local!(static ALERTS: Arc<[Arc<AlertRecord>]> = fixtures::five_sites().alerts.into());
            ALERTS.with(Arc::clone)
        }
        fn health(&self) -> Arc<Health> {
            Arc::new(Health::default())
        }
        fn samples(&self, _: SiteSlot, samples: &mut Vec<Sample>) {
            samples.clone_from(&fixtures::five_sites().samples);
        }
        fn rechecks(&self) -> Arc<[ManualCheck]> {
            thread_local!(static NONE: Arc<[ManualCheck]> = Arc::default());
            NONE.with(Arc::clone)
        }
        fn send_command(&self, wish: SiteCommand) {
            self.wished.borrow_mut().push(wish);
        }
        fn now(&self) -> Timestamp {
            self.now.get()
        }
    }

    struct Paper<'a> {
        source: &'a Scripted,
        keys: Vec<(u64, Key)>,
        frames: RefCell<Vec<Timestamp>>,
        orders: &'a JobControl,
        rests: Cell<usize>,
        gone_at: Option<Timestamp>,
    }

    impl Console for Paper<'_> {
        fn size(&mut self) -> io::Result<Size> {
            Ok(Size { width: 80, height: 24 })
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
                self.orders.stop();
            }
            match self.gone_at {
                Some(at) if self.source.now.get() >= at => Err(io::Error::other("EIO")),
                _ => Ok(()),
            }
        }
        fn draw(&mut self, _: &Screen, _: Theme, _: TerminalEffects) -> io::Result<()> {
            self.frames.borrow_mut().push(self.source.now.get());
            Ok(())
        }
        fn rest(&mut self, orders: &JobControl) -> io::Result<()> {
            self.rests.set(self.rests.get() + 1);
            orders.note_continued();
            Ok(())
        }
        fn is_ready(&mut self) -> io::Result<bool> {
            Ok(true)
        }
        fn take_again(&mut self, _: &JobControl) -> io::Result<()> {
            panic!("it was continued within a rest");
        }
    }

    fn play(version_every: Duration, keys: Vec<(u64, Key)>, gone_after: Option<u64>) -> (Ended, usize) {
        let orders = JobControl::default();
        let source = Scripted {
            now: Cell::new(fixtures::now()),
            version_every,
            stop_at: fixtures::now().after(Duration::from_secs(10)),
            wished: RefCell::default(),
        };
        let gone_at = gone_after.map(|ms| fixtures::now().after(Duration::from_millis(ms)));
        let rests = keys.iter().filter(|(_, key)| *key == Key::Ctrl('z')).count();
        let asked = keys.iter().filter(|(_, key)| *key == Key::Char('r')).count();
        let mut paper =
            Paper { source: &source, keys, frames: RefCell::default(), orders: &orders, rests: Cell::new(0), gone_at };
        let world = fixtures::five_sites();
        let fixed = Fixed { zone: world.zone, about: world.about };
        let ended = drive(&&source, fixtures::state(), &fixed, &mut paper, &orders);
        let wished = source.wished.borrow().len();
        assert_eq!(wished, asked, "each wish is passed on once");
        assert_eq!(paper.rests.get(), rests, "each rest is one");
        let frames = paper.frames.into_inner();
        for pair in frames.windows(2) {
            assert!(pair[1].since(pair[0]) >= TICK, "two frames within {:?}", pair[1].since(pair[0]));
        }
        (ended, frames.len())
    }

    #[test]
    fn an_idle_dashboard_draws_once_a_second() {
        let (ended, frames) = play(Duration::from_hours(1), vec![], None);
        assert_eq!((ended, frames), (Ended::Stopped, 10));
    }

    #[test]
    fn neither_a_stream_of_snapshots_nor_a_held_key_draws_more_than_ten_frames_a_second() {
        let (_, frames) = play(Duration::from_millis(1), vec![], None);
        assert!((90..=100).contains(&frames), "{frames}");
        let held = (0..500).map(|i| (i * 20, Key::Char('j'))).collect();
        let (_, frames) = play(Duration::from_hours(1), held, None);
        assert!((90..=101).contains(&frames), "{frames}");
    }

    #[test]
    fn a_wish_is_passed_on_before_anybody_can_leave() {
        let keys = vec![(500, Key::Char('r')), (510, Key::Char('r')), (510, Key::Char('q'))];
        assert_eq!(play(Duration::from_hours(1), keys, None).0, Ended::Quit);
    }

    #[test]
    fn it_ends_by_key_by_order_and_with_its_terminal() {
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
