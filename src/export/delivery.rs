//! One batch of lines on its way: which of them go into the next request, and what an answer settles.
//!
//! A batch is cut into requests within the limits of the moment. A request that is refused without a word about which
//! line is to blame is cut in halves until one line is left: that one is set aside, and everything else goes through (of
//! 5,000 lines with one bad one, 13 requests more). Invariants: every line is settled exactly once, as sent or as rejected,
//! unless its request is kept for later; each answer that does not keep the request settles a line or halves it, so that a
//! batch ends whatever a server answers. Lines that a server stored in a request that it refused are sent again, which
//! makes the same points.

use std::ops::Range;

use super::answer::Refusal;

/// What may go into one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Lines.
    pub lines: usize,
    /// Bytes before compression; a single line may have more.
    pub bytes: usize,
}

impl Limits {
    /// What servers like best.
    pub const MOST: Self = Self { lines: 5_000, bytes: 1 << 20 };
}

/// What an answer settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Lines that are stored.
    pub sent: u64,
    /// Lines that never will be.
    pub rejected: u64,
    /// One of those, if it is known.
    pub example: Option<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Delivery {
    text: Vec<u8>,
    /// Where each line ends in `text`.
    ends: Vec<usize>,
    set_aside: Vec<bool>,
    /// Lines that are not settled, the next ones last.
    open: Vec<Range<usize>>,
    /// The lines of the request under way.
    current: Range<usize>,
}

impl Delivery {
    /// Begins anew with the lines that `write` appends.
    pub fn fill(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.text.clear();
        write(&mut self.text);
        self.ends.clear();
        self.ends.extend(self.text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1));
        self.set_aside.clear();
        self.set_aside.resize(self.ends.len(), false);
        self.open.clear();
        self.open.push(0..self.ends.len());
        self.current = 0..0;
    }

    /// The text of the next request in `body`, which is cleared, and its number of lines; 0 when all are settled.
    pub fn request(&mut self, limits: Limits, body: &mut Vec<u8>) -> usize {
        body.clear();
        self.keep();
        while let Some(range) = self.open.pop() {
            let (mut lines, mut end) = (0, range.start);
            while end < range.end {
                if !self.set_aside[end] {
                    let line = self.line(end);
                    if lines > 0 && (lines >= limits.lines || body.len() + line.len() > limits.bytes) {
                        break;
                    }
                    body.extend_from_slice(line);
                    lines += 1;
                }
                end += 1;
            }
            if end < range.end {
                self.open.push(end..range.end);
            }
            if lines > 0 {
                self.current = range.start..end;
                return lines;
            }
        }
        0
    }

    /// Whether nothing is left to be sent.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.current.is_empty() && self.open.iter().cloned().flatten().all(|line| self.set_aside[line])
    }

    /// The request is to be made again.
    pub fn keep(&mut self) {
        let current = std::mem::take(&mut self.current);
        if !current.is_empty() {
            self.open.push(current);
        }
    }

    /// All lines of the request are stored.
    pub fn stored(&mut self) -> Settled {
        let sent = self.live().count() as u64;
        self.current = 0..0;
        Settled { sent, ..Settled::default() }
    }

    /// The server will not take some lines of the request.
    pub fn refused(&mut self, refusal: &Refusal) -> Settled {
        let live: Vec<usize> = self.live().collect();
        match refusal {
            Refusal::Some(count) => {
                self.current = 0..0;
                let rejected = (*count).min(live.len() as u64);
                Settled { sent: live.len() as u64 - rejected, rejected, example: None }
            }
            Refusal::Lines(lines) => {
                let named: Vec<usize> = lines.iter().filter_map(|&line| live.get(line).copied()).collect();
                if named.is_empty() { self.halve(&live) } else { self.set_aside(&named) }
            }
            Refusal::Unknown => self.halve(&live),
        }
    }

    /// Cuts the request in halves, or sets its only line aside.
    pub fn too_large(&mut self) -> Settled {
        let live: Vec<usize> = self.live().collect();
        self.halve(&live)
    }

    fn halve(&mut self, live: &[usize]) -> Settled {
        let current = std::mem::take(&mut self.current);
        if live.len() <= 1 {
            self.current = current;
            return self.set_aside(live);
        }
        let middle = live[live.len() / 2];
        self.open.push(middle..current.end);
        self.open.push(current.start..middle);
        Settled::default()
    }

    fn set_aside(&mut self, lines: &[usize]) -> Settled {
        for &line in lines {
            self.set_aside[line] = true;
        }
        self.keep();
        let example = lines.first().map(|&line| String::from_utf8_lossy(self.line(line)).trim_end().to_owned());
        Settled { sent: 0, rejected: lines.len() as u64, example }
    }

    /// The lines of the request under way.
    fn live(&self) -> impl Iterator<Item = usize> {
        self.current.clone().filter(|&line| !self.set_aside[line])
    }

    fn line(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[index]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(count: usize) -> Delivery {
        let mut delivery = Delivery::default();
        delivery.fill(|out| (0..count).for_each(|index| out.extend_from_slice(format!("m a={index}i 1\n").as_bytes())));
        delivery
    }

    fn numbers(body: &[u8]) -> Vec<usize> {
        let text = std::str::from_utf8(body).unwrap();
        text.lines().map(|line| line.trim_start_matches("m a=").trim_end_matches("i 1").parse().unwrap()).collect()
    }

    /// How a server of the test answers a request with bad lines in it.
    #[derive(Clone, Copy, Debug)]
    enum Manner {
        Silent,
        Naming,
        NamingOne,
        Nonsense,
        Counting,
    }

    /// Delivers `count` lines to a server that refuses `bad` ones and bodies of more than `most` bytes; returns what it
    /// stored, what was counted, and the number of requests.
    fn deliver(count: usize, bad: &[usize], manner: Manner, most: usize) -> (Vec<usize>, Settled, usize) {
        let (mut delivery, mut body, mut stored) = (lines(count), Vec::new(), Vec::new());
        let (mut total, mut requests) = (Settled::default(), 0);
        let mut limits = Limits { lines: 64, bytes: 1 << 20 };
        while delivery.request(limits, &mut body) > 0 {
            requests += 1;
            assert!(requests < 10 * count + 10, "it does not end");
            let numbers = numbers(&body);
            let wrong: Vec<usize> = (0..numbers.len()).filter(|&at| bad.contains(&numbers[at])).collect();
            let settled = if body.len() > most {
                limits.bytes = body.len() / 2;
                delivery.too_large()
            } else if wrong.is_empty() {
                stored.extend(&numbers);
                delivery.stored()
            } else {
                match manner {
                    Manner::Silent => delivery.refused(&Refusal::Unknown),
                    Manner::Naming => delivery.refused(&Refusal::Lines(wrong)),
                    Manner::NamingOne => delivery.refused(&Refusal::Lines(wrong[..1].to_vec())),
                    Manner::Nonsense => delivery.refused(&Refusal::Lines(vec![70_000])),
                    Manner::Counting => {
                        stored.extend(numbers.iter().filter(|number| !bad.contains(number)));
                        delivery.refused(&Refusal::Some(wrong.len() as u64))
                    }
                }
            };
            total.sent += settled.sent;
            total.rejected += settled.rejected;
            total.example = total.example.or(settled.example);
        }
        stored.sort_unstable();
        (stored, total, requests)
    }

    proptest! {
        #[test]
        fn every_good_line_arrives_and_every_bad_one_is_counted(
            count in 0usize..200, bad in prop::collection::btree_set(0usize..200, 0..12), most in 8usize..2_000,
            manner in prop_oneof![
                Just(Manner::Silent), Just(Manner::Naming), Just(Manner::NamingOne), Just(Manner::Nonsense), Just(Manner::Counting)
            ],
        ) {
            let bad: Vec<usize> = bad.into_iter().filter(|line| *line < count).collect();
            let (stored, total, _) = deliver(count, &bad, manner, most.max(16));
            let good: Vec<usize> = (0..count).filter(|line| !bad.contains(line)).collect();
            prop_assert_eq!(stored, good);
            prop_assert_eq!((total.sent, total.rejected), ((count - bad.len()) as u64, bad.len() as u64));
        }
    }

    #[test]
    fn one_bad_line_is_found_in_few_requests_and_shown() {
        let mut delivery = lines(5_000);
        let (mut body, mut requests, mut example) = (Vec::new(), 0, None);
        while delivery.request(Limits::MOST, &mut body) > 0 {
            requests += 1;
            let settled =
                if numbers(&body).contains(&3_333) { delivery.refused(&Refusal::Unknown) } else { delivery.stored() };
            example = example.or(settled.example);
        }
        assert_eq!(example.as_deref(), Some("m a=3333i 1"));
        assert!(requests <= 27, "{requests}");
    }

    #[test]
    fn a_line_that_is_too_large_by_itself_is_set_aside() {
        let (stored, total, _) = deliver(3, &[], Manner::Silent, 3);
        assert_eq!((stored, total.rejected), (Vec::new(), 3));
    }

    #[test]
    fn a_request_that_is_kept_is_made_again_to_the_letter() {
        let (mut delivery, mut first, mut again) = (lines(10), Vec::new(), Vec::new());
        let limits = Limits { lines: 4, bytes: 1 << 20 };
        assert_eq!(delivery.request(limits, &mut first), 4);
        delivery.keep();
        assert_eq!(delivery.request(limits, &mut again), 4);
        assert_eq!(first, again);
        assert_eq!(delivery.stored().sent, 4);
        assert_eq!(delivery.request(limits, &mut again), 4);
        assert_eq!(numbers(&again), [4, 5, 6, 7]);
    }
}
