//! A text that is searched for piece by piece, since a search of a large body takes milliseconds.

use memchr::memmem::Finder;

/// Bytes that are searched at once.
const PIECE: usize = 1 << 20;

/// See the module.
pub(crate) struct Sought {
    finder: Finder<'static>,
    /// No occurrence begins before it.
    from: usize,
}

/// What one step of a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// The text was found, and ends here.
    EndsAt(usize),
    /// There is more to search.
    GoesOn,
    /// It is not there, as far as the body has come.
    Missing,
}

impl Sought {
    /// A search for `part`.
    pub(crate) fn new(part: &[u8]) -> Self {
        Self { finder: Finder::new(part).into_owned(), from: 0 }
    }

    /// Searches the next piece of `body`, which begins with all that the steps before were given.
    pub(crate) fn step(&mut self, body: &[u8]) -> Sighting {
        let longest = self.finder.needle().len();
        let until = body.len().min(self.from.saturating_add(PIECE).saturating_add(longest));
        if let Some(at) = self.finder.find(&body[self.from..until]) {
            return Sighting::EndsAt(self.from + at + longest);
        }
        // The pieces overlap by all of the text but one byte.
        self.from = (until + 1).saturating_sub(longest).clamp(self.from, until);
        if until < body.len() { Sighting::GoesOn } else { Sighting::Missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(sought: &mut Sought, body: &[u8]) -> (usize, Sighting) {
        let mut steps = 1;
        loop {
            match sought.step(body) {
                Sighting::GoesOn => steps += 1,
                seen => return (steps, seen),
            }
        }
    }

    #[test]
    fn a_text_is_found_across_pieces() {
        let mut body = vec![b'x'; 2 * PIECE + 10];
        for at in [0, 1, PIECE - 1, PIECE, PIECE + 1, PIECE + 3, PIECE + 4, 2 * PIECE - 2, 2 * PIECE + 6] {
            body[at..at + 4].copy_from_slice(b"done");
            assert_eq!(search(&mut Sought::new(b"done"), &body).1, Sighting::EndsAt(at + 4));
            body[at..at + 4].copy_from_slice(b"xxxx");
            assert_eq!(search(&mut Sought::new(b"done"), &body), (3, Sighting::Missing), "{at}");
        }
    }

    #[test]
    fn a_text_is_found_wherever_what_came_was_cut() {
        for cut in 0..=7 {
            let mut sought = Sought::new(b"done");
            let body = b"dodoned";
            let first = search(&mut sought, &body[..cut]).1;
            let all = if first == Sighting::Missing { search(&mut sought, body).1 } else { first };
            assert_eq!(all, Sighting::EndsAt(6), "{cut}");
        }
        assert_eq!(search(&mut Sought::new(b"done"), b"don").1, Sighting::Missing);
        assert_eq!(search(&mut Sought::new(b""), b"").1, Sighting::EndsAt(0));
    }
}
