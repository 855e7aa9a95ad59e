//! What keys do to the time cursor.
//!
//! Freezing and travelling exclude each other: the past stands still by itself, so the first step back begins at the instant at which
//! the tables were frozen, and shows them unfrozen.

use std::time::Duration;

use crate::alert::AlertState;
use crate::model::Timestamp;
use crate::tui::inputs::Inputs;
use crate::tui::keymap::{Action, Travel};
use crate::tui::state::UiState;
use crate::tui::style::time_text;

/// What a key for the present does in the past.
const NOT_NOW: &str = "this is the past: End returns to now";

impl UiState {
    /// Moves the time cursor; `page` rows are on the screen.
    pub(crate) fn travel(&mut self, how: Travel, page: isize, inputs: &Inputs) {
        let is_now = self.time.at().is_none();
        match how {
            Travel::Present if is_now => self.scroll(isize::MAX, inputs),
            Travel::Play if is_now => self.scroll(page, inputs),
            _ if !inputs.has_history => self.timers.say("no store: nothing to go back to", inputs.now),
            Travel::Present => _ = self.leave_past(),
            Travel::Play => _ = self.time.toggle_play(inputs.clock()),
            Travel::Earlier => self.go_back(inputs),
            Travel::Later if is_now => self.timers.say("this is now", inputs.now),
            Travel::Later => self.time.later(self.step(inputs), inputs.clock()),
            Travel::Finer | Travel::Coarser => {
                self.time.turn_step(how == Travel::Finer, self.shown_timeframe(inputs));
                if is_now {
                    let step = time_text::span(self.step(inputs));
                    self.timers.say(format!("← → move by {step}"), inputs.now);
                }
            }
            Travel::OtherAlert(by) => self.go_to_alert(by, inputs),
        }
    }

    /// Goes back a step: from where it is, from the instant at which the tables were frozen, or from now.
    fn go_back(&mut self, inputs: &Inputs) {
        let from = self.sites.thaw().filter(|_| self.time.at().is_none()).unwrap_or(inputs.clock());
        let begins = inputs.past.and_then(|past| past.overview.store_begins());
        if !self.time.earlier(self.step(inputs), from, begins) {
            self.timers.say("nothing older is stored", inputs.now);
        }
    }

    /// Shows the page of a site, and everything else, up to now.
    pub(crate) fn go_live(&mut self) {
        self.chart.go_live();
        self.leave_past();
    }

    /// Lets the past go on by itself, while it plays. Returns whether there is another instant to show.
    pub(crate) fn play(&mut self, inputs: &Inputs) -> bool {
        self.time.is_playing() && self.time.play(self.step(inputs), inputs.clock())
    }

    /// Returns to now. Returns whether the past was shown.
    pub(crate) fn leave_past(&mut self) -> bool {
        self.time.leave()
    }

    /// Whether `action` is one for the present only; says so in the past.
    pub(crate) fn refuses(&mut self, action: Action, inputs: &Inputs) -> bool {
        let is_present = match action {
            Action::CheckNow | Action::Pause | Action::Acknowledge | Action::Silence | Action::Tune => true,
            Action::ToggleFreeze => {
                if self.time.at().is_some() {
                    self.timers.say("the past stands still: Space plays it, End returns to now", inputs.now);
                }
                return self.time.at().is_some();
            }
            _ => false,
        };
        let is_refused = is_present && self.time.at().is_some();
        if is_refused {
            self.timers.say(NOT_NOW, inputs.now);
        }
        is_refused
    }

    /// How far a key moves the time cursor.
    pub(crate) fn step(&self, inputs: &Inputs) -> Duration {
        self.time.step(self.shown_timeframe(inputs))
    }

    /// The timeframe of the view that is shown first.
    fn shown_timeframe(&self, inputs: &Inputs) -> Duration {
        let views = &self.tables(inputs).views;
        let shown = if self.sites.is_alone() { views.get(self.sites.view()) } else { None };
        shown.or(views.first()).map_or(Duration::ZERO, |view| view.timeframe.length())
    }

    /// Goes to the moment after the alert before the one shown, or after it, that opened an incident.
    fn go_to_alert(&mut self, by: isize, inputs: &Inputs) {
        let alerts = inputs.past.map_or(inputs.alerts, |past| past.alerts);
        let at = self.time.at().unwrap_or(inputs.clock());
        let opens = |state| matches!(state, AlertState::Down | AlertState::Breached);
        let moments = alerts.iter().filter(|alert| opens(alert.state)).map(|alert| moment_after(alert.at));
        let next = if by < 0 { moments.filter(|it| *it < at).max() } else { moments.filter(|it| *it > at).min() };
        match next {
            Some(next) => {
                self.sites.thaw();
                self.time.go(next, inputs.clock());
            }
            None if by > 0 && self.leave_past() => {}
            None => self.timers.say("no other alert is known", inputs.now),
        }
    }
}

/// The whole second after `at`.
fn moment_after(at: Timestamp) -> Timestamp {
    Timestamp::from_secs(at.as_micros() / 1_000_000 + 1)
}
