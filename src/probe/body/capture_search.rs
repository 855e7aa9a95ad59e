//! Finds what a pattern captures, in steps of a few thousand bytes.
//!
//! The threads of the NFA are kept in the order of their preference, each with the ends of its groups, so the match is the leftmost
//! one, and of these the preferred one (Thompson 1968, Pike's captures). Whether there is a match at all is known sooner, by
//! [`super::pattern_search`]. Invariant: the answer is that of `Regex::captures`. Cost: linear in bytes times states.

use std::ops::Range;
use std::sync::Arc;

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;

use super::interrupt::pause;
use super::pattern_search::{Pattern, StateSet};

/// States times bytes per step.
const STEP: usize = 512 << 10;

/// The ends of the match and of its first group.
type Ends = [Option<usize>; 4];

/// Where the first group of `pattern` is in `text`, or the whole match if it has no group; pauses while it searches.
pub(crate) async fn captured(pattern: &Arc<Pattern>, text: &[u8]) -> Option<Range<usize>> {
    if !pattern.is_in(text).await {
        return None;
    }
    let nfa = pattern.capturing();
    let mut threads = Threads::new(nfa);
    let mut after = Threads::new(nfa);
    let (mut found, mut work): (Option<Ends>, usize) = (None, 0);
    for at in 0..=text.len() {
        // Only the leftmost match counts, so none begins after one was found.
        if found.is_none() {
            threads.add(nfa, nfa.start_anchored(), [None; 4], text, at);
        }
        if threads.states.members.is_empty() && found.is_some() {
            break;
        }
        if let Some(ends) = threads.step(nfa, &mut after, text, at) {
            found = Some(ends);
        }
        std::mem::swap(&mut threads, &mut after);
        after.states.clear();
        work += threads.states.members.len() + 1;
        if work >= STEP {
            work = 0;
            pause().await;
        }
    }
    let [start, end, group_start, group_end] = found?;
    let group = if nfa.group_info().group_len(regex_automata::PatternID::ZERO) > 1 {
        (group_start, group_end)
    } else {
        (start, end)
    };
    Some(group.0?..group.1?)
}

/// The states in which the search is, the preferred ones first.
struct Threads {
    states: StateSet,
    /// By state.
    ends: Vec<Ends>,
    stack: Vec<Frame>,
}

enum Frame {
    Follow(StateID),
    Restore(usize, Option<usize>),
}

impl Threads {
    fn new(nfa: &NFA) -> Self {
        let states = nfa.states().len();
        Self { states: StateSet::new(states), ends: vec![[None; 4]; states], stack: Vec::new() }
    }

    /// Adds `state` and what it leads to without a byte, unless a preferred thread is there.
    fn add(&mut self, nfa: &NFA, state: StateID, mut ends: Ends, text: &[u8], at: usize) {
        self.stack.push(Frame::Follow(state));
        while let Some(frame) = self.stack.pop() {
            let state = match frame {
                Frame::Restore(slot, end) => {
                    ends[slot] = end;
                    continue;
                }
                Frame::Follow(state) => state,
            };
            if !self.states.insert(state) {
                continue;
            }
            self.ends[state.as_usize()] = ends;
            match nfa.state(state) {
                State::Look { look, next } if nfa.look_matcher().matches(*look, text, at) => {
                    self.stack.push(Frame::Follow(*next));
                }
                State::Union { alternates } => {
                    self.stack.extend(alternates.iter().rev().map(|next| Frame::Follow(*next)));
                }
                State::BinaryUnion { alt1, alt2 } => {
                    self.stack.extend([Frame::Follow(*alt2), Frame::Follow(*alt1)]);
                }
                State::Capture { next, slot, .. } => {
                    if let Some(end) = ends.get_mut(slot.as_usize()) {
                        self.stack.push(Frame::Restore(slot.as_usize(), *end));
                        *end = Some(at);
                    }
                    self.stack.push(Frame::Follow(*next));
                }
                _ => {}
            }
        }
    }

    /// Reads the byte at `at` into `after`. Returns the ends of a match, which those of lower preference cannot replace.
    fn step(&self, nfa: &NFA, after: &mut Self, text: &[u8], at: usize) -> Option<Ends> {
        let byte = text.get(at).copied();
        for &state in &self.states.members {
            let next = match (nfa.state(state), byte) {
                (State::Match { .. }, _) => return Some(self.ends[state.as_usize()]),
                (State::ByteRange { trans }, Some(byte)) => trans.matches_byte(byte).then_some(trans.next),
                (State::Sparse(sparse), Some(byte)) => sparse.matches_byte(byte),
                (State::Dense(dense), Some(byte)) => dense.matches_byte(byte),
                _ => None,
            };
            if let Some(next) = next {
                after.add(nfa, next, self.ends[state.as_usize()], text, at + 1);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;
    use crate::probe::body::interrupt::at_once;

    fn found(pattern: &str, text: &[u8]) -> Option<Range<usize>> {
        at_once(captured(&Arc::new(Pattern::new(pattern).unwrap()), text))
    }

    fn model(pattern: &str, text: &[u8]) -> Option<Range<usize>> {
        let regex = Regex::new(pattern).unwrap();
        let captures = regex.captures(text)?;
        captures.get(regex.captures_len() - 1).map(|group| group.range())
    }

    #[test]
    fn a_group_is_the_value_and_without_one_the_match_is() {
        for (pattern, text, value) in [
            (
                r#"name="csrf" value="([^"]+)""#,
                r#"<input name="csrf" value="a/b+c="> <input name="csrf" value="2">"#,
                Some("a/b+c="),
            ),
            ("sid=[0-9]+", "x sid=12;", Some("sid=12")),
            ("a(b)?c", "ac", None),
            ("(a*)", "baa", Some("")),
            ("(a|ab)(?:c|bcd)", "abcd", Some("a")),
            ("(?s)^.*x(.)", "xaxb\nxc", Some("c")),
            ("(?s)^.*?x(.)", "xaxb", Some("a")),
            (r"(\w+)$", "Größe", Some("Größe")),
            ("nothing", "x", None),
            ("", "abc", Some("")),
        ] {
            let at = found(pattern, text.as_bytes());
            assert_eq!(at.map(|at| &text[at]), value, "{pattern}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn it_is_what_the_regex_crate_captures(
            pattern in r"(\^|\(\?i\))?([abc.]|\[ab\]|\\b|\\w)(\*\??|\+\??|\?\??|\{1,2\})?(\(([abc.]|a\|ab|\[bc\]\*)(\*|\+\?)?\))?([abc]|a\|bc)?(\*|\?)?\$?",
            text in "[abcAé \n]{0,12}",
        ) {
            prop_assume!(Regex::new(&pattern).is_ok_and(|regex| regex.captures_len() <= 2));
            prop_assert_eq!(found(&pattern, text.as_bytes()), model(&pattern, text.as_bytes()), "{} in {:?}", pattern, text);
        }
    }
}
