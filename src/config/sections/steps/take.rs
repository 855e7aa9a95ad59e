//! The key `take` of a step: values of its answer for later steps.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::config::keys::declared::TAKE;
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, KeyEntry};
use crate::config::keys::value;
use crate::config::sections::expect::{cached, of, query};
use crate::config::sections::notes::Notes;
use crate::config::syntax::tree::NodeId;
use crate::model::steps::template::{NAME_MAX, is_name};
use crate::model::text::clean_line;
use crate::model::{Take, TakeFrom};

/// Values of one step.
const TAKES_MAX: usize = 20;
const ONE_PLACE: &str = "a value is taken from one place: body_regex, json or header";

/// The names of the values that the steps so far take.
#[derive(Default)]
pub(super) struct TakenNames {
    /// By name, the newest of several.
    newest: HashMap<Arc<str>, TakenName>,
    /// Those that no step used before another took their name.
    unused: Vec<(Range<usize>, Arc<str>)>,
}

struct TakenName {
    span: Range<usize>,
    is_used: bool,
}

impl TakenNames {
    /// Whether an earlier step takes `name`, which is used now.
    pub(super) fn uses(&mut self, name: &Arc<str>) -> bool {
        self.newest.get_mut(name).is_some_and(|taken| {
            taken.is_used = true;
            true
        })
    }

    /// All names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = self.newest.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// Reads the values of a step at `id`; later steps may use them.
    pub(super) fn read(&mut self, reader: &ConfigReader<'_>, id: NodeId) -> Vec<Take> {
        let entries = reader.mapping(id).unwrap_or_default();
        if entries.len() > TAKES_MAX {
            reader.fault_at(id, format!("{} values are too many; the limit is {TAKES_MAX} a step", entries.len()));
            return Vec::new();
        }
        entries.into_iter().filter_map(|entry| self.take(reader, entry)).collect()
    }

    fn take(&mut self, reader: &ConfigReader<'_>, entry: KeyEntry<'_>) -> Option<Take> {
        if !is_name(entry.name) {
            let message = format!("a name has letters, digits, _ and -, a letter first, and at most {NAME_MAX} bytes");
            reader.fault_at(entry.key, message);
            return None;
        }
        let name: Arc<str> = entry.name.into();
        let taken = TakenName { span: reader.span(entry.key), is_used: false };
        if let Some(before) = self.newest.insert(Arc::clone(&name), taken).filter(|before| !before.is_used) {
            self.unused.push((before.span, Arc::clone(&name)));
        }
        let mut keys = Keys::of(reader, entry.value, TAKE)?;
        let body = keys.take("body_regex").map(|id| {
            let regex = of(reader, reader.text(id)?, |text| {
                let regex = cached(reader, text)?;
                match regex.captures_len() - 1 {
                    0 | 1 => Ok(regex),
                    more => {
                        Err(format!("this regular expression has {more} groups, and a value is one; (?:…) is none"))
                    }
                }
            });
            regex.map(TakeFrom::Body)
        });
        let json = keys.take("json").map(|id| {
            let place = |text: &str| query(text).map(|query| (text.to_owned(), query));
            let (path, query) = reader.parsed(id, place)?;
            Some(TakeFrom::Json { path: clean_line(&path, usize::MAX), query })
        });
        let header = keys.take("header").map(|id| {
            let name = reader.parsed(id, value::header_name)?;
            Some(TakeFrom::Header(name.to_ascii_lowercase()))
        });
        if keys.finish() && [&body, &json, &header].into_iter().flatten().count() != 1 {
            reader.fault_at(entry.value, ONE_PLACE);
            return None;
        }
        Some(Take { name, from: body.or(json).or(header)?? })
    }

    /// Warns of values that nothing uses.
    pub(super) fn warn_of_unused(self, notes: &mut Notes) {
        let newest = self.newest.into_iter().filter(|(_, taken)| !taken.is_used);
        let mut unused: Vec<(usize, Arc<str>)> = newest.map(|(name, taken)| (taken.span.start, name)).collect();
        unused.extend(self.unused.into_iter().map(|(span, name)| (span.start, name)));
        unused.sort_unstable();
        let warning = |(at, name)| (at, format!("take.{name} has no effect: no later step uses {{{name}}}"));
        notes.warnings.extend(unused.into_iter().map(warning));
    }
}
