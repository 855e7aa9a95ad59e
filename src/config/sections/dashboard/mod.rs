//! The section `dashboard`: how the dashboard looks, and its keys, columns and views.

mod keys;

use std::time::Duration;

use crate::config::keys::declared::{DeclaredKey, ValueForm};
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::ConfigReader;
use crate::config::keys::value::{self, set};
use crate::config::syntax::fault::Fault;
use crate::config::syntax::tree::{Kind, NodeId};
use crate::model::{Timeframe, View};
use crate::tui::arrangement::Arrangement;
use crate::tui::arrangement::column::{CHOICES, Column};
use crate::tui::arrangement::sort::SortKey;

/// The colours of the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Theme {
    /// By the terminal's background.
    #[default]
    Auto,
    /// For a dark background.
    Dark,
    /// For a light background.
    Light,
}

/// The characters that the dashboard draws with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Symbols {
    /// Unicode if the terminal's locale has it.
    #[default]
    Auto,
    /// ASCII only.
    Ascii,
}

/// Appearance and sound of the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dashboard {
    /// The colours.
    pub theme: Theme,
    /// The characters.
    pub symbols: Symbols,
    /// Whether an alert rings the terminal's bell.
    pub bell: bool,
    /// Whether an alert becomes a desktop notification, where the terminal can show one.
    pub notify: bool,
    /// The initial order of the rows.
    pub sort: SortKey,
    /// Its keys and columns.
    pub arrangement: Arrangement,
}

impl Default for Dashboard {
    fn default() -> Self {
        Self {
            theme: Theme::Auto,
            symbols: Symbols::Auto,
            bell: true,
            notify: true,
            sort: SortKey::State,
            arrangement: Arrangement::default(),
        }
    }
}

impl Dashboard {
    /// Whether `other` differs in its keys and columns at most, which a running dashboard follows.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        *self == Self { arrangement: self.arrangement.clone(), ..other.clone() }
    }

    pub(crate) fn read(keys: &mut Keys<'_, '_>) -> Self {
        let mut dashboard = Self::default();
        set(&mut dashboard.theme, keys.choice("theme", [Theme::Auto, Theme::Dark, Theme::Light]));
        set(&mut dashboard.symbols, keys.choice("symbols", [Symbols::Auto, Symbols::Ascii]));
        set(&mut dashboard.bell, keys.boolean("bell"));
        set(&mut dashboard.notify, keys.choice("notify", [true, false]));
        set(&mut dashboard.sort, keys.choice("sort", SortKey::ALL));
        dashboard.arrangement = Arrangement { keys: keys::keys(keys), columns: columns(keys) };
        dashboard
    }
}

/// The columns under `dashboard`; none without the key.
fn columns(keys: &mut Keys<'_, '_>) -> Vec<Column> {
    let reader = keys.reader();
    let ValueForm::Choices(words, least) = *keys.form("columns") else {
        unreachable!("columns are declared as choices")
    };
    let Some(id) = keys.take("columns") else { return Vec::new() };
    let Kind::List(items) = reader.kind(id) else {
        reader.fault_at(id, "write a list of columns: [avail, p95, codes, bar]");
        return Vec::new();
    };
    if items.len() < least {
        reader.fault_at(id, "write at least one column, or omit `columns` for those that the width has room for");
    }
    let mut columns = Vec::new();
    for &item in items {
        let Some(at) = reader.parsed(item, |text| value::choice(text, words)) else { continue };
        let (name, column) = CHOICES[at];
        if columns.contains(&column) {
            reader.fault_at(item, format!("the column {name} appears twice"));
        } else {
            columns.push(column);
        }
    }
    columns
}

/// The views without configuration: 10 min every 10 s, and 1 h every minute.
#[must_use]
pub fn default_views() -> Vec<View> {
    let view = |timeframe, refresh| View { timeframe: Timeframe::new(timeframe), refresh };
    vec![view(Duration::from_mins(10), Duration::from_secs(10)), view(Duration::from_hours(1), Duration::from_mins(1))]
}

/// The views under `dashboard`.
pub(crate) fn views(keys: &mut Keys<'_, '_>) -> Vec<View> {
    let reader = keys.reader();
    let ValueForm::List(declared, number) = keys.form("views") else { unreachable!("views are declared as a list") };
    let Some((id, items)) = keys.take("views").and_then(|id| Some((id, reader.list(id)?))) else {
        return default_views();
    };
    if !number.contains(&items.len()) {
        let (low, high) = (number.start(), number.end());
        reader.fault_at(id, format!("write {low} to {high} views, or omit `views` for the defaults"));
    }
    items.iter().filter_map(|&item| view(reader, item, declared)).collect()
}

fn view(reader: &ConfigReader<'_>, id: NodeId, declared: &'static [DeclaredKey]) -> Option<View> {
    let mut keys = Keys::of(reader, id, declared)?;
    for name in ["timeframe", "refresh"] {
        if keys.place(name).is_none() {
            let example = "example: { timeframe: 10m, refresh: 10s }";
            reader.fault(Fault::new(reader.span(id), format!("this view has no `{name}`")).hint(example));
        }
    }
    let (timeframe, refresh) = (keys.duration("timeframe"), keys.duration("refresh"));
    keys.finish();
    Some(View { timeframe: Timeframe::new(timeframe?), refresh: refresh? })
}
