//! Reads the tree of a file: expands the expressions of its texts and merges its mappings.
//!
//! Faults are noted and reading continues; a fault that many sites merge is noted once. Own keys win over merged ones, earlier
//! merges over later ones.
//!
//! Bounds: merges 16 deep, and four million merged keys in all.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;

use crate::config::files::file::Named;
use crate::config::syntax::fault::{FAULTS_MAX, Fault};
use crate::config::syntax::quote;
use crate::config::syntax::tree::{Kind, NodeId, Tree};
use crate::config::syntax::variables::{self, Expanded, Failed, Substitutions};
use crate::model::text::{clean_line, is_harmful};

use super::absent::{Absences, NOT_WRITTEN};
use super::cache::Cache;

const MERGE_DEPTH_MAX: usize = 16;
const MERGED_KEYS_MAX: usize = 4_000_000;
/// Longest part of a key that is quoted, bytes.
pub(crate) const QUOTED_MAX: usize = 60;

/// A document while it is read.
pub(crate) struct ConfigReader<'a> {
    tree: &'a Tree<'a>,
    text: &'a str,
    scope: Substitutions<'a>,
    faults: RefCell<Vec<Fault>>,
    noted: RefCell<HashSet<Fault>>,
    /// Values of secret keys, and of unknown ones: those may be secrets, for instance of a mistyped `password`.
    hidden: RefCell<Vec<NodeId>>,
    /// The contents of all expressions.
    secrets: RefCell<BTreeSet<String>>,
    merged_keys: Cell<usize>,
    pub(crate) absences: Absences,
    pub(crate) cache: Cache,
}

/// A scalar with its expressions expanded.
#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) value: String,
    /// Its position in the file.
    pub(crate) span: Range<usize>,
    /// With `***` for each expression, if there are any.
    pub(crate) masked: Option<String>,
    /// The contents of its expressions.
    pub(crate) secrets: Vec<String>,
    /// Where these are in the value, in order.
    pub(crate) places: Vec<Range<usize>>,
}

impl<'a> ConfigReader<'a> {
    pub(crate) fn new(tree: &'a Tree<'a>, text: &'a str, scope: Substitutions<'a>) -> Self {
        let (faults, noted, hidden) = (RefCell::default(), RefCell::default(), RefCell::default());
        let (secrets, absences) = (RefCell::default(), Absences::new(scope.needed));
        let (merged_keys, cache) = (Cell::new(0), Cache::default());
        Self { tree, text, scope, faults, noted, hidden, secrets, merged_keys, absences, cache }
    }

    /// The faults, the values to hide, and the requested files.
    pub(crate) fn finish(self) -> (Vec<Fault>, Vec<NodeId>, Named) {
        (self.faults.into_inner(), self.hidden.into_inner(), self.scope.files.named())
    }

    /// The contents of the expressions read so far.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.secrets.borrow().iter().cloned().collect()
    }

    /// Notes `fault`. Of an expanded value that may be absent, this only says why it is.
    pub(crate) fn fault(&self, fault: Fault) {
        if self.absences.excuses(fault.span.start) {
            return self.absences.add(fault.span.start, fault.message);
        }
        if self.is_full() {
            return;
        }
        let mut faults = self.faults.borrow_mut();
        if self.noted.borrow_mut().insert(fault.clone()) {
            faults.push(fault);
        }
    }

    /// Notes a fault of several values together, unless one that counts as absent may be among them.
    pub(crate) fn fault_of_several(&self, fault: Fault) {
        if !self.absences.cast_doubt() {
            self.fault(fault);
        }
    }

    /// Whether further faults would be dropped.
    pub(crate) fn is_full(&self) -> bool {
        self.faults.borrow().len() >= FAULTS_MAX
    }

    /// Notes `message` at `id`.
    pub(crate) fn fault_at(&self, id: NodeId, message: impl Into<String>) {
        self.fault(Fault::new(self.span(id), message));
    }

    /// The position of `id`; of a mapping or list, where it begins.
    pub(crate) fn span(&self, id: NodeId) -> Range<usize> {
        self.tree.span(id)
    }

    /// The source of expressions and of relative paths.
    pub(crate) const fn scope(&self) -> &Substitutions<'a> {
        &self.scope
    }

    /// The path that `text` names, from the folder of the configuration; none when its content does not matter.
    pub(crate) fn file(&self, text: &str) -> Option<PathBuf> {
        let matters = self.scope.env.is_some() && self.absences.reads_certificates();
        matters.then(|| self.scope.base_dir.join(text))
    }

    pub(crate) fn is_null(&self, id: NodeId) -> bool {
        self.tree.is_null(id)
    }

    pub(crate) fn kind(&self, id: NodeId) -> &'a Kind<'a> {
        self.tree.kind(id)
    }

    /// The text of the scalar `id`. None after noting a fault, or without one when its expressions are not expanded or it counts as
    /// absent.
    pub(crate) fn text(&self, id: NodeId) -> Option<Scalar> {
        let Kind::Scalar { text, .. } = self.kind(id) else {
            self.fault_at(id, format!("expected a value, found {}", describe(self.kind(id))));
            return None;
        };
        if self.is_null(id) {
            self.fault_at(id, "a value is missing here; write one or remove the key");
            return None;
        }
        let span = self.span(id);
        let spans: Vec<Range<usize>> = variables::expressions(text).collect();
        if spans.is_empty() {
            let value = self.scope.expand(text).map_or_else(|_| text.clone().into_owned(), |expanded| expanded.text);
            return Some(Scalar { value, span, masked: None, secrets: Vec::new(), places: Vec::new() });
        }
        match self.scope.expand(text) {
            Ok(Expanded { text: value, places }) => {
                self.scope.env?;
                let masked = with_stars(text, spans);
                let secrets: Vec<String> = places.iter().map(|place| value[place.clone()].to_owned()).collect();
                self.secrets.borrow_mut().extend(secrets.iter().cloned());
                self.absences.expanded(span.start);
                Some(Scalar { value, span, masked: Some(masked), secrets, places })
            }
            Err(failed) => {
                self.note_failed(failed, &span, spans.len());
                if self.absences.is_lenient() {
                    // The others are secrets all the same.
                    let known = spans.into_iter().filter_map(|at| self.scope.expand(&text[at]).ok());
                    self.secrets.borrow_mut().extend(known.map(|expanded| expanded.text));
                }
                None
            }
        }
    }

    /// Notes why expressions of the text at `span`, which has `count` of them, have no content.
    fn note_failed(&self, failed: Vec<Failed>, span: &Range<usize>, count: usize) {
        let places: Vec<Range<usize>> = variables::expressions(&self.text[span.clone()]).collect();
        for failure in failed {
            if failure.is_missing && self.absences.is_lenient() {
                self.absences.add(span.start, failure.message);
                continue;
            }
            // Escapes in a quoted scalar can make its text differ from the file.
            let place = places.get(failure.index).filter(|_| places.len() == count);
            let place = place.map_or(span.clone(), |at| span.start + at.start..span.start + at.end);
            let fault = Fault::new(place, failure.message);
            self.fault(Fault { hint: failure.hint, ..fault });
        }
    }

    /// The text of the scalar `id` with stars in place of its expressions, where it can do without their contents; otherwise none.
    pub(crate) fn unexpanded(&self, id: NodeId) -> Option<Scalar> {
        let Kind::Scalar { text, .. } = self.kind(id) else { return None };
        let has_expressions = variables::expressions(text).next().is_some();
        let is_wrong = || self.scope.expand(text).is_err_and(|failed| !failed.iter().all(|failure| failure.is_missing));
        if !has_expressions || !(self.scope.env.is_none() || self.absences.is_lenient()) || is_wrong() {
            return None;
        }
        let value = with_stars(text, variables::expressions(text));
        let (secrets, places) = (Vec::new(), Vec::new());
        Some(Scalar { masked: Some(value.clone()), value, span: self.span(id), secrets, places })
    }

    /// Parses the text of `id`. The message of `parse` is not shown for a text from an expression.
    pub(crate) fn parsed<T>(&self, id: NodeId, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let parsed = self.text(id).and_then(|text| {
            parse(&text.value).map_err(|message| self.fault(text.fault(quote::safe(message, &text.value)))).ok()
        });
        if parsed.is_none() {
            self.absences.tell(self.span(id).start, NOT_WRITTEN);
        }
        parsed
    }

    /// The items of the list `id`.
    pub(crate) fn list(&self, id: NodeId) -> Option<&'a [NodeId]> {
        let Kind::List(items) = self.kind(id) else {
            self.fault_at(id, format!("expected a list, found {}", describe(self.kind(id))));
            return None;
        };
        Some(items)
    }

    /// The entries of the mapping `id`, merged ones too; null is an empty mapping.
    pub(crate) fn mapping(&self, id: NodeId) -> Option<Vec<KeyEntry<'a>>> {
        match self.kind(id) {
            Kind::Map(pairs) => Some(self.entries(pairs, 0)),
            _ if self.is_null(id) => Some(Vec::new()),
            other => {
                self.fault_at(id, format!("expected a mapping (`key: value`), found {}", describe(other)));
                None
            }
        }
    }

    /// Hides the values at `id` and below in excerpts: they may be secret.
    pub(crate) fn hide(&self, id: NodeId) {
        self.hidden.borrow_mut().push(id);
    }

    /// The entries of a mapping, including merged ones.
    fn entries(&self, pairs: &'a [(NodeId, NodeId)], depth: usize) -> Vec<KeyEntry<'a>> {
        let mut seen = HashMap::new();
        let (mut entries, mut merges) = (Vec::new(), Vec::new());
        for &(key, value) in pairs {
            match self.kind(key) {
                Kind::Scalar { text, plain: true } if text == "<<" => merges.push(value),
                Kind::Scalar { text, .. } => match seen.get(&**text) {
                    None => {
                        seen.insert(&**text, key);
                        entries.push(KeyEntry { name: text, key, value });
                    }
                    Some(&first) => {
                        let message =
                            format!("the key `{}` appears twice", clean_line(&quote::quotable_key(text), QUOTED_MAX));
                        self.fault(Fault::new(self.span(key), message).after(self.span(first).start));
                    }
                },
                other => self.fault_at(key, format!("a key must be a word, not {}", describe(other))),
            }
        }
        for merge in merges {
            let sources = match self.kind(merge) {
                Kind::List(items) => items.as_slice(),
                _ => std::slice::from_ref(&merge),
            };
            for &source in sources.iter().take(MERGED_KEYS_MAX) {
                let Kind::Map(pairs) = self.kind(source) else {
                    self.fault_at(source, "`<<` takes a mapping or a list of mappings");
                    continue;
                };
                let merged_keys = self.merged_keys.get() + pairs.len() + 1;
                self.merged_keys.set(merged_keys);
                if depth >= MERGE_DEPTH_MAX || merged_keys > MERGED_KEYS_MAX {
                    self.fault_at(source, "too many nested merges (`<<`)");
                    return entries;
                }
                let below = self.entries(pairs, depth + 1).into_iter();
                entries.extend(below.filter(|entry| seen.insert(entry.name, entry.key).is_none()));
            }
        }
        entries
    }
}

impl Scalar {
    /// A fault of this text. `message` may quote it, so it is not shown for a text from an expression.
    pub(crate) fn fault(&self, message: String) -> Fault {
        if self.masked.is_none() {
            return Fault::new(self.span.clone(), message);
        }
        let why = oddity(&self.value).map_or_else(String::new, |why| format!(": it {why}"));
        Fault::new(self.span.clone(), format!("the expanded value is not valid here{why}"))
            .hint("it is not shown, because it may be a secret")
    }
}

/// One key of a mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyEntry<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: NodeId,
    pub(crate) value: NodeId,
}

/// `text` with stars in place of these parts of it.
fn with_stars(text: &str, parts: impl IntoIterator<Item = Range<usize>>) -> String {
    let (mut masked, mut from) = (String::with_capacity(text.len()), 0);
    for part in parts {
        masked.push_str(&text[from..part.start]);
        masked.push_str("***");
        from = part.end;
    }
    masked.push_str(&text[from..]);
    masked
}

/// An obvious flaw of a value that is not shown, as the end of a sentence.
fn oddity(value: &str) -> Option<&'static str> {
    let inside = value.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        Some("is empty")
    } else if inside.contains('\n') {
        Some("contains a line break")
    } else if inside.len() < value.len() {
        Some("ends with a line break")
    } else if value.trim().len() < value.len() {
        Some("begins or ends with whitespace")
    } else if value.chars().any(is_harmful) {
        Some("contains a control character")
    } else if value.starts_with(['"', '\'']) && value.ends_with(['"', '\'']) {
        Some("is in quotes, which are part of it")
    } else {
        None
    }
}

fn describe(kind: &Kind<'_>) -> &'static str {
    match kind {
        Kind::Scalar { text, plain: true } if text.is_empty() => "nothing",
        Kind::Scalar { .. } => "a single value",
        Kind::List(_) => "a list",
        Kind::Map(_) => "a mapping",
    }
}
