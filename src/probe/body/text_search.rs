//! Searches a body for a text, piece by piece, because a large body takes milliseconds.

use memchr::memmem::Finder;

const PIECE: usize = 1 << 20;

pub(crate) struct TextSearch {
    finder: Finder<'static>,
    /// The text does not begin before this.
    from: usize,
}

/// The result of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextFound {
    /// The text ends here.
    EndsAt(usize),
    /// There is more to search.
    More,
    /// The body does not have it so far.
    Missing,
}

impl TextSearch {
    pub(crate) fn new(part: &[u8]) -> Self {
        Self { finder: Finder::new(part).into_owned(), from: 0 }
    }

    /// Whether `other` searches for the same text.
    pub(crate) fn is_for(&self, other: &Self) -> bool {
        self.finder.needle() == other.finder.needle()
    }

    /// Searches the next piece of `body`, which begins with the body of the step before.
    pub(crate) fn step(&mut self, body: &[u8]) -> TextFound {
        let longest = self.finder.needle().len();
        let until = body.len().min(self.from.saturating_add(PIECE).saturating_add(longest));
        if let Some(at) = self.finder.find(&body[self.from..until]) {
            return TextFound::EndsAt(self.from + at + longest);
        }
        // The pieces overlap by the length of the text less one byte.
        self.from = (until + 1).saturating_sub(longest).clamp(self.from, until);
        if until < body.len() { TextFound::More } else { TextFound::Missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(sought: &mut TextSearch, body: &[u8]) -> (usize, TextFound) {
        let mut steps = 1;
        loop {
            match sought.step(body) {
                TextFound::More => steps += 1,
                seen => return (steps, seen),
            }
        }
    }

    #[test]
    fn a_text_is_found_across_pieces() {
        let mut body = vec![b'x'; 2 * PIECE + 10];
        for at in [0, 1, PIECE - 1, PIECE, PIECE + 1, PIECE + 3, PIECE + 4, 2 * PIECE - 2, 2 * PIECE + 6] {
            body[at..at + 4].copy_from_slice(b"done");
            assert_eq!(search(&mut TextSearch::new(b"done"), &body).1, TextFound::EndsAt(at + 4));
            body[at..at + 4].copy_from_slice(b"xxxx");
            assert_eq!(search(&mut TextSearch::new(b"done"), &body), (3, TextFound::Missing), "{at}");
        }
    }

    #[test]
    fn a_text_is_found_wherever_what_came_was_cut() {
        for cut in 0..=7 {
            let mut sought = TextSearch::new(b"done");
            let body = b"dodoned";
            let first = search(&mut sought, &body[..cut]).1;
            let all = if first == TextFound::Missing { search(&mut sought, body).1 } else { first };
            assert_eq!(all, TextFound::EndsAt(6), "{cut}");
        }
        assert_eq!(search(&mut TextSearch::new(b"done"), b"don").1, TextFound::Missing);
        assert_eq!(search(&mut TextSearch::new(b""), b"").1, TextFound::EndsAt(0));
    }
}
