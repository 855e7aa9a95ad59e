//! The values that count as absent in a load that does not need the whole file ([`Needed`]).
//!
//! Invariants: a load that needs all has none; no message shows the content of a variable. Bounds: of those that the user hears of,
//! five are shown.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::config::syntax::needed::Needed;

/// Lines that are shown.
const SHOWN_MAX: usize = 5;

/// The consequence for most values.
pub(crate) const NOT_WRITTEN: &str = "this value counts as absent";

/// One value, by its position.
struct Absent {
    why: String,
    /// What follows from it, if the user hears of it. Most secrets change nothing in what a reading command prints.
    effect: Option<&'static str>,
}

/// See the module.
pub(crate) struct Absences {
    needed: Needed,
    /// The section of the file that is being read.
    section: Cell<&'static str>,
    /// Whether what is being read may be absent.
    is_lenient: Cell<bool>,
    values: RefCell<BTreeMap<usize, Absent>>,
    /// Where the values begin that were expanded while they might be absent.
    expanded: RefCell<HashSet<usize>>,
}

impl Absences {
    pub(crate) fn new(needed: Needed) -> Self {
        let is_lenient = Cell::new(needed != Needed::All);
        Self { needed, section: Cell::new(""), is_lenient, values: RefCell::default(), expanded: RefCell::default() }
    }

    /// Begins a section of the file.
    pub(crate) fn begin(&self, section: &'static str) {
        self.section.set(section);
        self.is_lenient.set(!self.needed.includes(section));
    }

    /// Whether what is being read may be absent.
    pub(crate) const fn is_lenient(&self) -> bool {
        self.is_lenient.get()
    }

    /// Whether the certificates that are named in this section are read.
    pub(crate) fn reads_certificates(&self) -> bool {
        self.needed.reads_certificates(self.section.get())
    }

    /// Does `read`, for the path of the store.
    pub(crate) fn reading_the_store<T>(&self, read: impl FnOnce() -> T) -> T {
        if self.needed.includes_store() {
            let before = self.is_lenient.replace(false);
            let made = read();
            self.is_lenient.set(before);
            return made;
        }
        // The path is not used, so the user hears nothing of it.
        let before = self.values.take();
        let made = read();
        self.values.replace(before);
        made
    }

    /// Notes that the value at the byte `at` is an expanded one, so that it may be wrong here and right for the monitor.
    pub(crate) fn expanded(&self, at: usize) {
        if self.is_lenient() {
            self.expanded.borrow_mut().insert(at);
        }
    }

    /// Whether what is wrong at the byte `at` is only wrong here.
    pub(crate) fn excuses(&self, at: usize) -> bool {
        self.is_lenient() && self.expanded.borrow().contains(&at)
    }

    /// Notes that the value at the byte `at` counts as absent.
    pub(crate) fn add(&self, at: usize, why: String) {
        let effect = self.needed.uses_secrets(self.section.get()).then_some(NOT_WRITTEN);
        self.values.borrow_mut().entry(at).or_insert(Absent { why, effect });
    }

    /// The user hears of the value at the byte `at` and of this effect, if it counts as absent.
    pub(crate) fn tell(&self, at: usize, effect: &'static str) {
        if let Some(absent) = self.values.borrow_mut().get_mut(&at) {
            absent.effect = Some(effect);
        }
    }

    /// Whether something counts as absent beside what is being read, which cannot be judged then.
    pub(crate) fn cast_doubt(&self) -> bool {
        self.is_lenient() && !self.values.borrow().is_empty()
    }

    /// What the user hears: one line for each reason, with its first place; `place` is how a byte of the file is shown.
    pub(crate) fn lines(&self, place: impl Fn(usize) -> String) -> Vec<String> {
        let values = self.values.borrow();
        let mut seen = BTreeSet::new();
        let told = values.iter().filter_map(|(at, absent)| Some((at, &*absent.why, absent.effect?)));
        let told: Vec<_> = told.filter(|(_, why, effect)| seen.insert((*why, *effect))).collect();
        let shown = told.iter().take(SHOWN_MAX);
        let mut lines: Vec<String> =
            shown.map(|(at, why, effect)| format!("{}: {why}, so {effect}", place(**at))).collect();
        if let more @ 1.. = told.len().saturating_sub(SHOWN_MAX) {
            let values = if more == 1 { "value counts" } else { "values count" };
            lines.push(format!("{more} more such {values} as absent"));
        }
        lines
    }
}
