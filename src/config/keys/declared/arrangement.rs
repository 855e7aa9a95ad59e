//! The keys and columns of the dashboard, by the names that it gives them.

use crate::tui::arrangement::actions::NAMED;
use crate::tui::arrangement::column::CHOICES;

use super::{DeclaredKey, ValueForm, key};

/// Most keys of an action.
pub(crate) const KEYS_MAX: usize = 4;

pub(crate) static ACTIONS: &[DeclaredKey] = &actions();

pub(crate) static COLUMNS: &[&str] = &columns();

const fn actions() -> [DeclaredKey; NAMED.len()] {
    let mut declared = [const { key("", ValueForm::Names(KEYS_MAX), "") }; NAMED.len()];
    let mut at = 0;
    while at < declared.len() {
        declared[at] = key(NAMED[at].name, ValueForm::Names(KEYS_MAX), NAMED[at].doc);
        at += 1;
    }
    declared
}

const fn columns() -> [&'static str; CHOICES.len()] {
    let mut names = [""; CHOICES.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = CHOICES[at].0;
        at += 1;
    }
    names
}
