//! The keys of this dashboard: the table of keys, and what the user changed of it.
//!
//! Keys that the user gives an action replace all those that it has in the table, on every page. Ctrl-C and Ctrl-Z are not
//! in here: they always work.

use std::borrow::Cow;

use crate::tui::input::key::Key;
use crate::tui::keymap::{Action, KeyBinding, TABLE, Travel, at};
use crate::tui::page::Page;

use super::actions::name_of;
use super::key_name::shown;

/// Most keys in the label of a line.
const LABEL_MAX: usize = 4;

/// Lines of the table whose labels name the keys of other actions, too: all of them, in their order.
const TOGETHER: &[(Action, &[Action])] = &[
    (Action::Rows(1), &[Action::Rows(1), Action::Rows(-1)]),
    (Action::Pages(1), &[Action::Pages(1), Action::HalfPages(1)]),
    (Action::First, &[Action::First, Action::Last]),
    (Action::ScrollAlerts(1), &[Action::ScrollAlerts(1), Action::ScrollAlerts(-1)]),
    (Action::OtherSite(-1), &[Action::OtherSite(-1), Action::OtherSite(1)]),
    (Action::ZoomIn, &[Action::ZoomIn, Action::ZoomOut]),
    (Action::Earlier, &[Action::Earlier, Action::Later, Action::Now]),
    (
        Action::Time(Travel::Earlier),
        &[Action::Time(Travel::Earlier), Action::Time(Travel::Later), Action::Time(Travel::Present)],
    ),
    (Action::Time(Travel::Finer), &[Action::Time(Travel::Finer), Action::Time(Travel::Coarser)]),
    (
        Action::Time(Travel::OtherAlert(-1)),
        &[Action::Time(Travel::OtherAlert(-1)), Action::Time(Travel::OtherAlert(1))],
    ),
    (Action::OtherView(1), &[Action::OtherView(1), Action::View(0), Action::View(1)]),
    (Action::NewestAlert, &[Action::Alerts, Action::NewestAlert]),
    (Action::CheckNow, &[Action::CheckNow, Action::Pause]),
    (Action::Acknowledge, &[Action::Acknowledge, Action::Silence]),
    (Action::Copy, &[Action::Copy, Action::CopyError]),
    (Action::TuneValue(1), &[Action::TuneValue(-1), Action::TuneValue(1)]),
    (Action::ToggleTheme, &[Action::ToggleTheme, Action::ToggleBell]),
];

/// The keys of the dashboard; the default is the table of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keymap {
    changed: Vec<(&'static str, Vec<Key>)>,
}

/// A key that does two things on one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyConflict {
    /// The key.
    pub key: Key,
    /// The names of the two actions, in the order of the table.
    pub names: [&'static str; 2],
}

impl Keymap {
    /// The table with other keys for the actions of these names.
    #[must_use]
    pub fn new(changed: Vec<(&'static str, Vec<Key>)>) -> Self {
        Self { changed }
    }

    fn changed(&self, action: Action) -> Option<&[Key]> {
        let name = name_of(action)?;
        self.changed.iter().find(|(changed, _)| *changed == name).map(|(_, keys)| &**keys)
    }

    fn keys<'a>(&'a self, binding: &'a KeyBinding) -> &'a [Key] {
        self.changed(binding.action).unwrap_or(binding.keys)
    }

    /// What `key` does on `page`.
    pub(crate) fn action(&self, key: &Key, page: Page) -> Option<Action> {
        at(page).find(|binding| self.keys(binding).contains(key)).map(|binding| binding.action)
    }

    /// The first key of `action`, as it is shown; empty if it has none.
    pub(crate) fn key(&self, action: Action) -> Cow<'static, str> {
        let keys = TABLE.iter().find(|binding| binding.action == action).map_or(&[][..], |binding| self.keys(binding));
        keys.first().map_or(Cow::Borrowed(""), shown)
    }

    /// The keys that the line of `binding` in the footer or in the help names: `usual`, unless the user changed one of them.
    /// Empty if the user took all of them away.
    pub(crate) fn label(&self, binding: &KeyBinding, usual: &'static str) -> Cow<'static, str> {
        let own = [binding.action];
        let together = TOGETHER.iter().find(|(of, _)| *of == binding.action).map_or(&own[..], |(_, all)| all);
        // A key of the footer may stand for its own action alone.
        let named = if usual.contains(' ') { together } else { &own };
        if named.iter().all(|action| self.changed(*action).is_none()) {
            return Cow::Borrowed(usual);
        }
        let keys: Vec<&[Key]> = named
            .iter()
            .filter_map(|action| TABLE.iter().find(|binding| binding.action == *action))
            .map(|binding| self.keys(binding))
            .collect();
        let longest = keys.iter().map(|keys| keys.len()).max().unwrap_or(0);
        let in_turn = (0..longest).flat_map(|at| keys.iter().filter_map(move |keys| keys.get(at)));
        in_turn.take(LABEL_MAX).map(shown).collect::<Vec<_>>().join(" ").into()
    }

    /// What the key does that is shown as `key` in the label of `binding`.
    pub(crate) fn named_action(&self, binding: &KeyBinding, key: &str) -> Action {
        let own = [binding.action];
        let together = TOGETHER.iter().find(|(of, _)| *of == binding.action).map_or(&own[..], |(_, all)| all);
        let has = |action: &&Action| {
            TABLE.iter().any(|row| row.action == **action && self.keys(row).iter().any(|it| shown(it) == key))
        };
        together.iter().find(has).copied().unwrap_or(binding.action)
    }

    /// Keys that do two things on a page, each once.
    #[must_use]
    pub fn conflicts(&self) -> Vec<KeyConflict> {
        let mut found: Vec<KeyConflict> = Vec::new();
        for page in [Page::Overview, Page::Alerts, Page::Incident, Page::Site, Page::Tuning, Page::Help] {
            let mut seen: Vec<(&Key, &'static str)> = Vec::new();
            for binding in at(page) {
                let Some(name) = name_of(binding.action) else { continue };
                for key in self.keys(binding) {
                    let other = seen.iter().find(|(known, other)| *known == key && *other != name);
                    let conflict = other.map(|(_, other)| KeyConflict { key: key.clone(), names: [*other, name] });
                    found.extend(conflict.filter(|conflict| !found.contains(conflict)));
                    seen.push((key, name));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_no_conflicts_and_names_itself() {
        let usual = Keymap::default();
        assert_eq!(usual.conflicts(), []);
        assert_eq!(usual.action(&Key::Char('s'), Page::Overview), Some(Action::Sort));
        assert_eq!(usual.key(Action::ToggleFreeze), "f");
    }

    #[test]
    fn new_keys_replace_those_of_the_table_on_every_page() {
        let keys = Keymap::new(vec![("sort", vec![Key::Char('f')]), ("freeze", vec![Key::Char('s'), Key::Ctrl('s')])]);
        assert_eq!(keys.conflicts(), []);
        assert_eq!(keys.action(&Key::Char('f'), Page::Overview), Some(Action::Sort));
        assert_eq!(keys.action(&Key::Char('s'), Page::Site), Some(Action::ToggleFreeze));
        assert_eq!(keys.action(&Key::Ctrl('s'), Page::Overview), Some(Action::ToggleFreeze));
        assert_eq!(keys.action(&Key::Ctrl('c'), Page::Overview), Keymap::default().action(&Key::Ctrl('c'), Page::Help));
    }

    #[test]
    fn a_key_of_another_action_is_a_conflict_only_where_both_hold() {
        let on_both = Keymap::new(vec![("sort", vec![Key::Char('f')])]);
        assert_eq!(on_both.conflicts(), [KeyConflict { key: Key::Char('f'), names: ["sort", "freeze"] }]);
        // The sites are sorted on the overview, and the report is opened from the page of a site.
        assert_eq!(Keymap::new(vec![("sort", vec![Key::Char('i')])]).conflicts(), []);
        assert_eq!(Keymap::new(vec![("back", vec![Key::Char('a')])]).conflicts().len(), 1);
    }

    #[test]
    fn labels_name_the_keys_that_hold() {
        let zoom = TABLE.iter().find(|binding| binding.action == Action::ZoomIn).unwrap();
        let label = |keys: &Keymap| keys.label(zoom, "+ -").into_owned();
        assert_eq!(label(&Keymap::default()), "+ -");
        assert_eq!(label(&Keymap::new(vec![("zoom-out", vec![Key::Char('<')])])), "+ < =");
        assert_eq!(label(&Keymap::new(vec![("zoom-in", vec![]), ("zoom-out", vec![])])), "");
        // Only its own key.
        let recheck = TABLE.iter().find(|binding| binding.action == Action::CheckNow).unwrap();
        assert_eq!(Keymap::new(vec![("pause", vec![Key::Char('P')])]).label(recheck, "r"), "r");
    }

    #[test]
    fn the_usual_labels_name_keys_of_their_lines() {
        for binding in TABLE {
            for usual in binding.hint.map(|hint| hint.label).into_iter().chain(binding.help.map(|help| help.label)) {
                let own = [binding.action];
                let named = TOGETHER.iter().find(|(of, _)| *of == binding.action).map_or(&own[..], |(_, all)| all);
                let keys: Vec<String> = TABLE
                    .iter()
                    .filter(|row| {
                        named.contains(&row.action)
                            || row.action == Action::Exit(crate::tui::page::ExitRequest::Interrupt)
                    })
                    .flat_map(|row| row.keys)
                    .map(|key| shown(key).into_owned())
                    .collect();
                for word in usual.split(' ').filter(|word| !["arrows", "1-9"].contains(word)) {
                    assert!(keys.iter().any(|key| key == word), "{word} of {usual:?}: {keys:?}");
                }
            }
        }
    }
}
