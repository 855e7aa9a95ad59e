//! Takes the keys of a mapping.
//!
//! A section takes its keys from a [`Keys`], which knows their forms and limits from [`super::declared`]; keys that are left at
//! the end are unknown. Invariant, checked with debug assertions: the keys that are read are the declared ones.

use std::time::Duration;

use crate::config::syntax::tree::{Kind, NodeId};
use crate::config::syntax::{characters, quote};
use crate::model::text::clean_line;

use super::declared::{self, DeclaredKey, ValueForm};
use super::reader::{ConfigReader, KeyEntry, QUOTED_MAX, Scalar};
use super::{suggest, value};

/// The keys of one mapping, taken by name.
pub(crate) struct Keys<'r, 'a> {
    reader: &'r ConfigReader<'a>,
    declared: &'static [DeclaredKey],
    /// The number of declared keys that were read.
    read: usize,
    entries: Vec<KeyEntry<'a>>,
    taken: Vec<bool>,
    /// Whether these are the sections of the file.
    is_file: bool,
}

impl<'r, 'a> Keys<'r, 'a> {
    /// The keys of the mapping `id`, where the `declared` ones may be; null is an empty mapping.
    pub(crate) fn of(reader: &'r ConfigReader<'a>, id: NodeId, declared: &'static [DeclaredKey]) -> Option<Self> {
        let entries = reader.mapping(id)?;
        Some(Self { reader, declared, read: 0, taken: vec![false; entries.len()], entries, is_file: false })
    }

    /// The keys of the whole file.
    pub(crate) fn of_file(reader: &'r ConfigReader<'a>, root: NodeId) -> Option<Self> {
        Self::of(reader, root, declared::FILE).map(|keys| Self { is_file: true, ..keys })
    }

    pub(crate) fn reader(&self) -> &'r ConfigReader<'a> {
        self.reader
    }

    /// The value of the key `name`, which is read by this.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<NodeId> {
        self.read += 1;
        if self.is_file {
            self.reader.absences.begin(name);
        }
        let Some(at) = self.entries.iter().position(|entry| entry.name == name) else {
            debug_assert!(self.declared.iter().any(|key| key.name == name), "what is read is declared: {name}");
            return None;
        };
        self.taken[at] = true;
        if self.declared(name).is_secret {
            self.reader.hide(self.entries[at].value);
        }
        Some(self.entries[at].value)
    }

    /// Whether the key `name`, which is read by this, is not there: most keys are not, in each of many sites.
    fn is_absent(&mut self, name: &'static str) -> bool {
        self.place(name).is_none() && self.take(name).is_none()
    }

    /// The value of the key `name`, which remains to be read.
    pub(crate) fn place(&self, name: &'static str) -> Option<NodeId> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| entry.value)
    }

    /// The position of the key `name` itself.
    pub(crate) fn key(&self, name: &'static str) -> Option<NodeId> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| entry.key)
    }

    /// Takes the key `name` if it says `word`.
    pub(crate) fn take_word(&mut self, name: &'static str, word: &str) -> bool {
        let written = self.place(name).map(|id| self.reader.kind(id));
        let says_it = matches!(written, Some(Kind::Scalar { text, .. }) if text.trim() == word);
        if says_it {
            self.take(name);
        }
        says_it
    }

    /// Whether another key stands there that is probably `name`.
    pub(crate) fn is_misspelt(&self, name: &'static str) -> bool {
        let known = || self.declared.iter().map(|key| key.name);
        self.entries
            .iter()
            .zip(&self.taken)
            .any(|(entry, taken)| !taken && suggest::near(entry.name, known()) == Some(name))
    }

    /// The key `name`, parsed by `parse`.
    pub(crate) fn value<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let id = self.take(name)?;
        let word = if let ValueForm::Or(word, _) = self.declared(name).form { Some(word) } else { None };
        let or_word = |message: String| word.map_or(message.clone(), |word| format!("{message}; or write {word}"));
        self.reader.parsed(id, |text| parse(text).map_err(or_word))
    }

    /// The key `name`, parsed by `parse`; what expressions put into it joins `secrets`.
    pub(crate) fn secret_value<T>(
        &mut self,
        name: &'static str,
        secrets: &mut Vec<String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let id = self.take(name)?;
        let text = self.reader.text(id)?;
        let parsed = parse(&text.value).map_err(|message| self.reader.fault(text.fault(message))).ok();
        secrets.extend(text.secrets);
        parsed
    }

    /// The words under `name`, one or a list.
    pub(crate) fn names(&mut self, name: &'static str) -> Option<Vec<Scalar>> {
        if self.is_absent(name) {
            return None;
        }
        let (ValueForm::Names(most) | ValueForm::Pins(most) | ValueForm::Servers(most)) = *self.form(name) else {
            unreachable!("{name} is declared as names")
        };
        let (id, reader) = (self.take(name)?, self.reader);
        let Kind::List(items) = reader.kind(id) else { return Some(vec![reader.text(id)?]) };
        if items.len() > most {
            reader.fault_at(id, format!("{} names are too many; the limit is {most}", items.len()));
            return None;
        }
        items.iter().map(|&item| reader.text(item)).collect()
    }

    /// The duration `name`, within its limits.
    pub(crate) fn duration(&mut self, name: &'static str) -> Option<Duration> {
        if self.is_absent(name) {
            return None;
        }
        let ValueForm::Duration(range) = self.form(name) else { unreachable!("{name} is declared as a duration") };
        self.value(name, |text| value::duration_in(text, range))
    }

    /// The number of bytes `name`, within its limits.
    pub(crate) fn size(&mut self, name: &'static str) -> Option<u64> {
        if self.is_absent(name) {
            return None;
        }
        let ValueForm::Size(range) = self.form(name) else { unreachable!("{name} is declared as a size") };
        self.value(name, |text| value::size_in(text, range))
    }

    /// The whole number `name`, within its limits.
    pub(crate) fn whole(&mut self, name: &'static str) -> Option<u32> {
        if self.is_absent(name) {
            return None;
        }
        let ValueForm::Whole(range) = self.form(name) else { unreachable!("{name} is declared as a whole number") };
        self.value(name, |text| value::number_in(text, range))
    }

    /// The boolean `name`.
    pub(crate) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.value(name, value::boolean)
    }

    /// The meaning of the word under `name`; `meanings` are in the order of the declared words.
    pub(crate) fn choice<T: Copy, const N: usize>(&mut self, name: &'static str, meanings: [T; N]) -> Option<T> {
        if self.is_absent(name) {
            return None;
        }
        let ValueForm::Choice(words) = self.form(name) else { unreachable!("{name} is declared as a choice") };
        assert_eq!(words.len(), N, "each word of {name} has its meaning");
        self.value(name, |text| value::choice(text, words)).map(|at| meanings[at])
    }

    /// Passes the mapping under `name`, or an empty one, to `read` and returns its result.
    pub(crate) fn section<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        let ValueForm::Section(declared) = *self.form(name) else { unreachable!("{name} is declared as a section") };
        let reader = self.reader;
        let section = self.take(name).and_then(|id| Self::of(reader, id, declared));
        let empty = || Self { reader, declared, read: 0, entries: Vec::new(), taken: Vec::new(), is_file: false };
        let mut section = section.unwrap_or_else(empty);
        let made = read(&mut section);
        section.finish();
        made
    }

    /// The declared form of `name`, where it is not a word such as `off`.
    pub(crate) fn form(&self, name: &'static str) -> &'static ValueForm {
        match &self.declared(name).form {
            ValueForm::Or(_, form) => form,
            form => form,
        }
    }

    fn declared(&self, name: &str) -> &'static DeclaredKey {
        self.declared.iter().find(|key| key.name == name).expect("what is read is declared")
    }

    /// Notes the keys that were not taken, except `x-…`. Returns whether there are none.
    pub(crate) fn finish(self) -> bool {
        let mut all_known = true;
        debug_assert_eq!(self.read, self.declared.len(), "a key is declared, but not read: {:?}", self.declared);
        for (entry, taken) in self.entries.iter().zip(&self.taken).filter(|_| !self.reader.is_full()) {
            if !taken && !entry.name.starts_with("x-") {
                all_known = false;
                let near = suggest::near(entry.name, self.declared.iter().map(|key| key.name));
                if near.is_none_or(|near| quote::is_sensitive(near) || self.declared(near).is_secret) {
                    self.reader.hide(entry.value);
                }
                let sections = declared::sections_with(self.declared, entry.name);
                let hint = match near {
                    Some(near) => format!(", did you mean `{near}`?"),
                    None if sections.is_empty() => String::new(),
                    None => format!(": it belongs under `{}`", sections.join("` or `")),
                };
                let name = clean_line(&quote::quotable_key(entry.name), QUOTED_MAX);
                self.reader
                    .fault_at(entry.key, format!("unknown key `{name}`{hint}{}", characters::in_key(entry.name)));
            }
        }
        all_known
    }
}
