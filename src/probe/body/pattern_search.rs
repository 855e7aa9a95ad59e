//! Searches for a pattern in steps of a few thousand bytes.
//!
//! The `regex` crate takes time linear in the text, but in one go and with a large constant: 16 MiB of `o` and `k` against
//! `ok.{0,160}done` take 15 s. This walks the same automaton step by step: as a DFA that is built on the way; where that needs a
//! new state for nearly every byte, or cannot decide (`\b` beside a character outside ASCII), again from the beginning as a set
//! of states of the NFA.
//!
//! Invariants: the answer is that of `Regex::is_match`; a match that is found before the end of the text is known stays one.
//! Cost: a step takes 512 Ki bytes times states, a few milliseconds at worst. Bounds: 1 MiB for the DFA.

use std::sync::{Arc, OnceLock};

use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Builder, Cache, DFA};
use regex_automata::nfa::thompson::{BuildError, Compiler, NFA, State, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;

use super::interrupt::pause;

/// States times bytes per step.
const STEP: usize = 512 << 10;
/// The DFA gives up when a state serves fewer bytes than this.
const BYTES_PER_STATE: usize = 10;
/// Memory of the DFA, bytes.
const CACHE: usize = 1 << 20;
/// How often the search reports its position to the DFA, which needs it when it runs out of memory.
const PROGRESS: usize = 1 << 10;

pub(crate) struct Pattern {
    text: String,
    nfa: NFA,
    /// The same with its groups, which few searches need.
    capturing: OnceLock<NFA>,
    /// None if the NFA is too large for one.
    dfa: Option<DFA>,
    /// Whether the text behind a match can undo it: `ok$`, `ok\b`.
    looks_ahead: bool,
}

impl Pattern {
    /// Compiles `text` by the rules of `regex::bytes::Regex`.
    ///
    /// # Errors
    /// It is no pattern, or needs too much memory.
    pub(crate) fn new(text: &str) -> Result<Self, Box<BuildError>> {
        let nfa = compiled(text, WhichCaptures::None)?;
        let rules = DFA::config()
            .cache_capacity(CACHE)
            .unicode_word_boundary(true)
            .minimum_cache_clear_count(Some(1))
            .minimum_bytes_per_state(Some(BYTES_PER_STATE));
        let dfa = Builder::new().configure(rules).build_from_nfa(nfa.clone()).ok();
        let looks_ahead = nfa.look_set_any().iter().any(|look| !matches!(look, Look::Start | Look::StartLF));
        Ok(Self { text: text.to_owned(), nfa, capturing: OnceLock::new(), dfa, looks_ahead })
    }

    /// The automaton that knows the groups.
    pub(super) fn capturing(&self) -> &NFA {
        self.capturing
            .get_or_init(|| compiled(&self.text, WhichCaptures::All).expect("it is a pattern without groups, too"))
    }

    /// The cost of a byte of text.
    pub(crate) fn states(&self) -> usize {
        self.nfa.states().len()
    }

    /// Whether the pattern is in `text`; pauses after each step.
    pub(crate) async fn is_in(self: &Arc<Self>, text: &[u8]) -> bool {
        let mut search = PatternSearch::new(Arc::clone(self));
        loop {
            if let Some(found) = search.step(text, true) {
                return found;
            }
            pause().await;
        }
    }
}

fn compiled(text: &str, captures: WhichCaptures) -> Result<NFA, Box<BuildError>> {
    Compiler::new()
        .syntax(syntax::Config::new().utf8(false))
        .configure(NFA::config().utf8(false).which_captures(captures))
        .build(text)
        .map_err(Box::new)
}

/// A running search.
pub(crate) struct PatternSearch {
    pattern: Arc<Pattern>,
    engine: SearchEngine,
    at: usize,
}

enum SearchEngine {
    Dfa(Box<Cache>, LazyStateID),
    Nfa(Box<NfaStates>),
    /// The rest of the text does not matter.
    Decided(bool),
}

/// How a step ended.
enum SearchEnd {
    Decided(bool),
    Undecided,
    GaveUp,
}

/// What the last byte of a text is to a search that has reached it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastByte {
    EndsText,
    /// More may follow, which no match depends on.
    MayEndMatch,
    /// More may follow, and matter.
    Open,
}

impl LastByte {
    /// What it means that the text up to here has a match, or none.
    fn decides(self, is_match: bool) -> SearchEnd {
        if is_match || self == Self::EndsText { SearchEnd::Decided(is_match) } else { SearchEnd::Undecided }
    }
}

impl PatternSearch {
    pub(crate) fn new(pattern: Arc<Pattern>) -> Self {
        let engine =
            Self::with_dfa(&pattern).unwrap_or_else(|| SearchEngine::Nfa(Box::new(NfaStates::new(&pattern.nfa))));
        Self { pattern, engine, at: 0 }
    }

    fn with_dfa(pattern: &Pattern) -> Option<SearchEngine> {
        let dfa = pattern.dfa.as_ref()?;
        let mut cache = Box::new(dfa.create_cache());
        let state = dfa.start_state_forward(&mut cache, &Input::new("")).ok()?;
        Some(SearchEngine::Dfa(cache, state))
    }

    /// Bytes that were searched.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// The work so far, in bytes times states.
    pub(crate) fn cost(&self) -> usize {
        self.at.saturating_mul(self.pattern.states())
    }

    /// Searches some more of `text`, which begins with the text of the step before; `ends` if nothing follows. None if not
    /// decided yet, for lack of time or of text.
    pub(crate) fn step(&mut self, text: &[u8], ends: bool) -> Option<bool> {
        let until = text.len().min(self.at + (STEP / self.pattern.states().max(1)).max(64));
        let last = match (ends, self.pattern.looks_ahead) {
            (true, _) => LastByte::EndsText,
            (false, true) => LastByte::Open,
            (false, false) => LastByte::MayEndMatch,
        };
        let part = match (&mut self.engine, &self.pattern.dfa) {
            (SearchEngine::Decided(found), _) => return Some(*found),
            (SearchEngine::Dfa(cache, state), Some(dfa)) => {
                walk(dfa, (cache, state), (&mut self.at, until), text, last)
            }
            (SearchEngine::Dfa(..), None) => SearchEnd::GaveUp,
            (SearchEngine::Nfa(sets), _) => sets.walk(&self.pattern.nfa, (&mut self.at, until), text, last),
        };
        match part {
            SearchEnd::Decided(found) => {
                self.engine = SearchEngine::Decided(found);
                Some(found)
            }
            SearchEnd::Undecided => None,
            SearchEnd::GaveUp => {
                (self.engine, self.at) = (SearchEngine::Nfa(Box::new(NfaStates::new(&self.pattern.nfa))), 0);
                None
            }
        }
    }
}

fn walk(
    dfa: &DFA,
    (cache, state): (&mut Cache, &mut LazyStateID),
    (at, until): (&mut usize, usize),
    text: &[u8],
    last: LastByte,
) -> SearchEnd {
    cache.search_start(*at);
    while *at < until {
        let piece = until.min(*at + PROGRESS);
        cache.search_update(*at);
        while *at < piece {
            let Ok(next) = dfa.next_state(cache, *state, text[*at]) else { return SearchEnd::GaveUp };
            (*state, *at) = (next, *at + 1);
            // The DFA is one byte late, so a match includes a look at the next byte.
            if next.is_tagged() {
                match next {
                    next if next.is_match() => return SearchEnd::Decided(true),
                    next if next.is_dead() => return SearchEnd::Decided(false),
                    next if next.is_quit() => return SearchEnd::GaveUp,
                    _ => {}
                }
            }
        }
    }
    cache.search_finish(*at);
    if last == LastByte::Open || *at < text.len() {
        return SearchEnd::Undecided;
    }
    dfa.next_eoi_state(cache, *state).map_or(SearchEnd::GaveUp, |end| last.decides(end.is_match()))
}

/// The states that the NFA may be in.
struct NfaStates {
    /// After the last byte.
    reached: StateSet,
    /// These, and those that they lead to without a byte.
    closed: StateSet,
    stack: Vec<StateID>,
}

impl NfaStates {
    fn new(nfa: &NFA) -> Self {
        let mut reached = StateSet::new(nfa.states().len());
        reached.insert(nfa.start_unanchored());
        Self { reached, closed: StateSet::new(nfa.states().len()), stack: Vec::new() }
    }

    fn walk(&mut self, nfa: &NFA, (at, until): (&mut usize, usize), text: &[u8], last: LastByte) -> SearchEnd {
        while *at < until {
            if self.close(nfa, text, *at) {
                return SearchEnd::Decided(true);
            }
            self.reached.clear();
            for &state in &self.closed.members {
                let next = match nfa.state(state) {
                    State::ByteRange { trans } => trans.matches_byte(text[*at]).then_some(trans.next),
                    State::Sparse(sparse) => sparse.matches_byte(text[*at]),
                    State::Dense(dense) => dense.matches_byte(text[*at]),
                    _ => None,
                };
                if let Some(next) = next {
                    self.reached.insert(next);
                }
            }
            if self.reached.members.is_empty() {
                return SearchEnd::Decided(false);
            }
            *at += 1;
        }
        if last == LastByte::Open || *at < text.len() {
            return SearchEnd::Undecided;
        }
        last.decides(self.close(nfa, text, *at))
    }

    /// Follows the transitions without a byte; returns whether they lead to a match.
    fn close(&mut self, nfa: &NFA, text: &[u8], at: usize) -> bool {
        self.closed.clear();
        for &state in &self.reached.members {
            self.stack.push(state);
            while let Some(state) = self.stack.pop() {
                if !self.closed.insert(state) {
                    continue;
                }
                match nfa.state(state) {
                    State::Look { look, next } if nfa.look_matcher().matches(*look, text, at) => self.stack.push(*next),
                    State::Union { alternates } => self.stack.extend(alternates.iter().copied()),
                    State::BinaryUnion { alt1, alt2 } => self.stack.extend([*alt1, *alt2]),
                    State::Capture { next, .. } => self.stack.push(*next),
                    State::Match { .. } => {
                        self.stack.clear();
                        return true;
                    }
                    _ => {}
                }
            }
        }
        false
    }
}

/// A set of states. Clearing it costs as much as filling it did.
pub(super) struct StateSet {
    pub(super) members: Vec<StateID>,
    contains: Vec<bool>,
}

impl StateSet {
    pub(super) fn new(states: usize) -> Self {
        Self { members: Vec::new(), contains: vec![false; states] }
    }

    pub(super) fn clear(&mut self) {
        for state in self.members.drain(..) {
            self.contains[state.as_usize()] = false;
        }
    }

    /// Whether it is new.
    pub(super) fn insert(&mut self, state: StateID) -> bool {
        let is_new = !std::mem::replace(&mut self.contains[state.as_usize()], true);
        if is_new {
            self.members.push(state);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;

    /// With the DFA, and without.
    fn both(pattern: &str) -> [Arc<Pattern>; 2] {
        let [mut with, mut without] = [pattern; 2].map(|pattern| Pattern::new(pattern).unwrap());
        assert!(with.dfa.is_some(), "{pattern}");
        without.dfa = None;
        with.dfa = with.dfa.take();
        [with, without].map(Arc::new)
    }

    fn found(pattern: &Arc<Pattern>, text: &[u8]) -> bool {
        let mut scan = PatternSearch::new(Arc::clone(pattern));
        std::iter::repeat_with(|| scan.step(text, true)).find_map(|found| found).unwrap()
    }

    const PATTERNS: [&str; 24] = [
        "",
        "^$",
        "ok",
        "^ok",
        "ok$",
        r"\Aok\z",
        "(?m)^ok$",
        "(?i)OK",
        r"\bok\b",
        r"\Bk",
        r"(?-u)\xff",
        "o.k",
        "(?s)o.k",
        "ü+",
        r"\w+\d",
        "[^a-z]",
        "o{2,5}k",
        "(?:ok|ko)+$",
        "^(?:o|k)*$",
        r"o\b{end}",
        "(?Rm)^ok$",
        "a|^b|c$",
        r"k\s*$",
        "[a&&b]",
    ];

    #[test]
    fn it_finds_what_regex_finds() {
        let texts: [&[u8]; 16] = [
            b"",
            b"o",
            b"ok",
            b"\nok\n",
            b"\r\nok\r\n",
            b"kook",
            b"o\nk",
            b"o\xffk",
            "üok".as_bytes(),
            "okü".as_bytes(),
            "o ü k".as_bytes(),
            b"OK 7",
            b"\xff",
            b"ooook ",
            b"cb",
            b"\xe2\x82",
        ];
        for text in PATTERNS {
            let regex = Regex::new(text).unwrap();
            for pattern in both(text) {
                for haystack in texts {
                    assert_eq!(found(&pattern, haystack), regex.is_match(haystack), "{text:?} in {haystack:?}");
                }
            }
        }
    }

    #[test]
    fn a_dfa_that_grows_with_every_byte_gives_way() {
        let pattern = Arc::new(Pattern::new("ok.{0,160}done").unwrap());
        let mut random = 1_u32;
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            b"ok"[random as usize % 2]
        };
        let mut text: Vec<u8> = std::iter::repeat_with(&mut next).take(100_000).collect();
        let mut scan = PatternSearch::new(Arc::clone(&pattern));
        let mut steps =
            std::iter::repeat_with(|| (scan.step(&text, false), matches!(scan.engine, SearchEngine::Nfa(_))));
        assert!(steps.by_ref().take(1_000).any(|(found, by_sets)| found.is_none() && by_sets));
        assert!(!found(&pattern, &text));
        text.extend_from_slice(b"done");
        assert!(found(&pattern, &text));
    }

    #[test]
    fn one_step_is_a_bounded_part_of_the_text() {
        let pattern = Arc::new(Pattern::new(r"\w{40}!").unwrap());
        let mut scan = PatternSearch::new(Arc::clone(&pattern));
        assert_eq!(scan.step(&vec![b'a'; 1 << 20], true), None);
        assert!(scan.at * pattern.states() <= STEP.max(64 * pattern.states()), "{}", scan.at);
    }

    proptest! {
        /// Piece by piece: an early match is one, and every match is found at the end.
        #[test]
        fn a_match_is_found_once_nothing_can_undo_it(
            which in 0..PATTERNS.len(), text in "[ok \n\r7]{0,24}", more in "[ok \n]{0,4}", cut in 0usize..24,
        ) {
            let regex = Regex::new(PATTERNS[which]).unwrap();
            let cut = cut.min(text.len());
            let whole = [text.as_bytes(), more.as_bytes()].concat();
            for pattern in both(PATTERNS[which]) {
                let mut scan = PatternSearch::new(pattern);
                let early = scan.step(&whole[..cut], false);
                if early.is_some() {
                    prop_assert_eq!(early, Some(regex.is_match(&whole)));
                }
                let late = std::iter::repeat_with(|| scan.step(&whole, true)).take(4).find_map(|found| found);
                prop_assert_eq!(late, Some(regex.is_match(&whole)));
            }
        }
    }
}
