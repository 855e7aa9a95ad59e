//! Cuts a batch of lines into requests, and settles the lines by the answers.
//!
//! A refusal that names no line halves the request until one line is left, the suspect. A proxy that refuses everything would
//! refuse it, too, so a control follows: a line that the server has stored before or, without one, other lines of the batch.
//! If the server accepts a control, the suspect is sent once more and set aside if it is refused again. If it accepts none,
//! the delivery is blocked and keeps every line.
//!
//! Invariants: every line is settled exactly once, as sent or as rejected, unless its request is kept for later. Each answer
//! settles a line, halves a request, takes one of at most [`CANDIDATES_MAX`] + 2 steps with a suspect, or blocks. Lines stored
//! by a refused request are sent again, as the same points.
//!
//! Cost: one bad line among 5,000 takes 15 more requests.

use std::ops::Range;

use super::answer::Refusal;

/// The bounds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    pub lines: usize,
    /// Before compression; a single line may be longer.
    pub bytes: usize,
}

impl RequestLimits {
    /// The size that the servers recommend.
    pub const MOST: Self = Self { lines: 5_000, bytes: 1 << 20 };
}

/// Lines of a batch that may serve as a control.
const CANDIDATES_MAX: usize = 8;

/// The lines that an answer settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Stored lines.
    pub sent: u64,
    /// Lines that will never be stored.
    pub rejected: u64,
    /// A rejected line, if one is known.
    pub example: Option<String>,
    /// The server accepts nothing, so its refusals say nothing about a line: wait.
    pub blocked: bool,
}

/// A line that was refused on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RejectedLine {
    line: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A control is sent: the known one, or the candidate with this index.
    Control(usize),
    /// The server accepted a control, so the line is sent once more.
    Again,
}

/// The delivery of one batch.
#[derive(Debug, Default)]
pub struct Delivery {
    text: Vec<u8>,
    /// Where each line ends in `text`.
    ends: Vec<usize>,
    /// Refused lines, and suspects that were stored: not sent again.
    done: Vec<bool>,
    suspect: Option<RejectedLine>,
    /// The last line of the last stored request.
    control: Option<Vec<u8>>,
    /// Lines that are not settled; the next ones are last.
    open: Vec<Range<usize>>,
    /// The lines of the current request.
    current: Range<usize>,
}

impl Delivery {
    /// Starts a batch of the lines that `write` appends.
    pub fn fill(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.text.clear();
        write(&mut self.text);
        self.ends.clear();
        self.ends.extend(self.text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1));
        self.done.clear();
        self.done.resize(self.ends.len(), false);
        self.suspect = None;
        self.open.clear();
        self.open.push(0..self.ends.len());
        self.current = 0..0;
    }

    /// Replaces `body` by the next request and returns its number of lines; 0 when all are settled.
    pub fn request(&mut self, limits: RequestLimits, body: &mut Vec<u8>) -> usize {
        body.clear();
        self.keep();
        if let Some(suspect) = self.suspect {
            body.extend_from_slice(self.asked(suspect));
            return 1;
        }
        while let Some(range) = self.open.pop() {
            let (mut lines, mut end) = (0, range.start);
            while end < range.end {
                if !self.done[end] {
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

    /// Whether every line is settled.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let nothing_open = self.open.iter().cloned().flatten().all(|line| self.done[line]);
        self.current.is_empty() && self.suspect.is_none() && nothing_open
    }

    /// Returns the current request to the open lines.
    pub fn keep(&mut self) {
        let current = std::mem::take(&mut self.current);
        if !current.is_empty() {
            self.open.push(current);
        }
    }

    /// Settles the current request as stored.
    pub fn stored(&mut self) -> Settled {
        match self.suspect {
            None => {
                let live: Vec<usize> = self.live().collect();
                self.control = live.last().map(|&line| self.line(line).to_vec());
                self.current = 0..0;
                Settled { sent: live.len() as u64, ..Settled::default() }
            }
            Some(suspect @ RejectedLine { line, stage: Stage::Control(_) }) => {
                self.control = Some(self.asked(suspect).to_vec());
                self.suspect = Some(RejectedLine { line, stage: Stage::Again });
                Settled::default()
            }
            Some(RejectedLine { line, stage: Stage::Again }) => {
                self.suspect = None;
                self.done[line] = true;
                Settled { sent: 1, ..Settled::default() }
            }
        }
    }

    /// Settles a refusal of the current request.
    pub fn refused(&mut self, refusal: &Refusal) -> Settled {
        if let Some(suspect) = self.suspect {
            // A server that counts or names lines reads them, which proves as much as a stored control.
            let is_from_server = !matches!(refusal, Refusal::Unknown);
            return self.suspect_refused(suspect, is_from_server);
        }
        let live: Vec<usize> = self.live().collect();
        match refusal {
            Refusal::Some(count) => {
                self.current = 0..0;
                let rejected = (*count).min(live.len() as u64);
                Settled { sent: live.len() as u64 - rejected, rejected, ..Settled::default() }
            }
            Refusal::Lines(lines) => {
                let named: Vec<usize> = lines.iter().filter_map(|&line| live.get(line).copied()).collect();
                if named.is_empty() { self.halve(&live) } else { self.set_aside(&named) }
            }
            Refusal::Unknown => self.halve(&live),
        }
    }

    /// Halves the current request; a single line becomes the suspect.
    pub fn too_large(&mut self) -> Settled {
        if let Some(suspect) = self.suspect {
            return self.suspect_refused(suspect, false);
        }
        let live: Vec<usize> = self.live().collect();
        self.halve(&live)
    }

    fn halve(&mut self, live: &[usize]) -> Settled {
        if let [line] = *live {
            // The line stays open until the suspect is settled.
            self.keep();
            self.suspect = Some(RejectedLine { line, stage: Stage::Control(0) });
            return self.continue_or_block();
        }
        let current = std::mem::take(&mut self.current);
        if let Some(&middle) = live.get(live.len() / 2) {
            self.open.push(middle..current.end);
            self.open.push(current.start..middle);
        }
        Settled::default()
    }

    fn suspect_refused(&mut self, suspect: RejectedLine, is_from_server: bool) -> Settled {
        let RejectedLine { line, stage } = suspect;
        match stage {
            Stage::Again => {
                self.suspect = None;
                self.set_aside(&[line])
            }
            Stage::Control(_) if is_from_server => {
                self.suspect = Some(RejectedLine { line, stage: Stage::Again });
                Settled::default()
            }
            Stage::Control(number) => {
                // A control that was stored once may be too old by now: the next suspect gets another.
                let next = if self.control.take().is_some() { CANDIDATES_MAX } else { number + 1 };
                self.suspect = Some(RejectedLine { line, stage: Stage::Control(next) });
                self.continue_or_block()
            }
        }
    }

    /// Blocks when no control is left to send.
    fn continue_or_block(&mut self) -> Settled {
        let has_next = self.suspect.is_some_and(|suspect| !self.asked(suspect).is_empty());
        if !has_next {
            self.suspect = None;
        }
        Settled { blocked: !has_next, ..Settled::default() }
    }

    /// The line to send for `suspect`; empty when no control is left.
    fn asked(&self, suspect: RejectedLine) -> &[u8] {
        match (suspect.stage, &self.control) {
            (Stage::Again, _) => self.line(suspect.line),
            (Stage::Control(_), Some(control)) => control,
            (Stage::Control(number), None) => self.candidate(suspect.line, number).map_or(&[], |line| self.line(line)),
        }
    }

    /// The candidate for a control of `line` with index `number`; candidates are spread over the batch, the last line first.
    fn candidate(&self, line: usize, number: usize) -> Option<usize> {
        let count = self.ends.len();
        let places = count.min(CANDIDATES_MAX + 1);
        let lines = (0..places).map(|place| count - 1 - place * count / places);
        lines.filter(|&other| other != line && !self.done[other]).take(CANDIDATES_MAX).nth(number)
    }

    fn set_aside(&mut self, lines: &[usize]) -> Settled {
        for &line in lines {
            self.done[line] = true;
        }
        self.keep();
        let example = lines.first().map(|&line| String::from_utf8_lossy(self.line(line)).trim_end().to_owned());
        Settled { rejected: lines.len() as u64, example, ..Settled::default() }
    }

    /// The unsettled lines of the current request.
    fn live(&self) -> impl Iterator<Item = usize> {
        self.current.clone().filter(|&line| !self.done[line])
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
    enum ServerBehaviour {
        Silent,
        Naming,
        NamingOne,
        Nonsense,
        Counting,
    }

    /// Delivers `count` lines to a server that refuses `bad` ones and bodies of more than `most` bytes; returns what it
    /// stored, what was counted, and the number of requests.
    fn deliver(count: usize, bad: &[usize], behaviour: ServerBehaviour, most: usize) -> (Vec<usize>, Settled, usize) {
        let (mut delivery, mut body, mut stored) = (lines(count), Vec::new(), Vec::new());
        let (mut total, mut requests) = (Settled::default(), 0);
        let mut limits = RequestLimits { lines: 64, bytes: 1 << 20 };
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
                match behaviour {
                    ServerBehaviour::Silent => delivery.refused(&Refusal::Unknown),
                    ServerBehaviour::Naming => delivery.refused(&Refusal::Lines(wrong)),
                    ServerBehaviour::NamingOne => delivery.refused(&Refusal::Lines(wrong[..1].to_vec())),
                    ServerBehaviour::Nonsense => delivery.refused(&Refusal::Lines(vec![70_000])),
                    ServerBehaviour::Counting => {
                        stored.extend(numbers.iter().filter(|number| !bad.contains(number)));
                        delivery.refused(&Refusal::Some(wrong.len() as u64))
                    }
                }
            };
            total.sent += settled.sent;
            total.rejected += settled.rejected;
            total.example = total.example.or(settled.example);
            if settled.blocked {
                total.blocked = true;
                break;
            }
        }
        // Controls are stored more than once.
        stored.sort_unstable();
        stored.dedup();
        (stored, total, requests)
    }

    proptest! {
        #[test]
        fn good_lines_arrive_and_bad_ones_are_counted(
            count in 0usize..200, bad in prop::collection::btree_set(0usize..200, 0..12), most in 8usize..2_000,
            behaviour in prop_oneof![
                Just(ServerBehaviour::Silent), Just(ServerBehaviour::Naming), Just(ServerBehaviour::NamingOne), Just(ServerBehaviour::Nonsense), Just(ServerBehaviour::Counting)
            ],
        ) {
            let bad: Vec<usize> = bad.into_iter().filter(|line| *line < count).collect();
            let (stored, total, _) = deliver(count, &bad, behaviour, most.max(16));
            if total.blocked {
                // None of the candidates was good, or there was none.
                prop_assert!(bad.len() > CANDIDATES_MAX || bad.len() == count);
                prop_assert_eq!(total.rejected, 0);
                return Ok(());
            }
            let good: Vec<usize> = (0..count).filter(|line| !bad.contains(line)).collect();
            prop_assert_eq!(stored, good);
            prop_assert_eq!((total.sent, total.rejected), ((count - bad.len()) as u64, bad.len() as u64));
        }
    }

    #[test]
    fn one_bad_line_is_found_in_few_requests() {
        let mut delivery = lines(5_000);
        let (mut body, mut requests, mut example) = (Vec::new(), 0, None);
        while delivery.request(RequestLimits::MOST, &mut body) > 0 {
            requests += 1;
            let settled =
                if numbers(&body).contains(&3_333) { delivery.refused(&Refusal::Unknown) } else { delivery.stored() };
            example = example.or(settled.example);
        }
        assert_eq!(example.as_deref(), Some("m a=3333i 1"));
        assert!(requests <= 29, "{requests}");
    }

    #[test]
    fn a_line_that_is_too_large_by_itself_is_set_aside() {
        let mut delivery = Delivery::default();
        delivery.fill(|out| out.extend_from_slice(b"m a=0i 1\nm a=111111111i 1\nm a=2i 1\n"));
        let (mut body, mut total) = (Vec::new(), Settled::default());
        while delivery.request(RequestLimits::MOST, &mut body) > 0 {
            let settled = if body.len() > 10 { delivery.too_large() } else { delivery.stored() };
            total.sent += settled.sent;
            total.rejected += settled.rejected;
        }
        assert_eq!((total.sent, total.rejected), (2, 1));
    }

    /// A server that refuses everything judges no line, so none is lost, whatever it says and however large the batch is.
    #[test]
    fn a_server_that_accepts_nothing_blocks_and_costs_no_line() {
        type Refuse = fn(&mut Delivery) -> Settled;
        let refusals: [Refuse; 2] = [|delivery| delivery.refused(&Refusal::Unknown), Delivery::too_large];
        for refuse in refusals {
            for (count, known) in [(1, false), (1, true), (3, false), (5_000, false), (5_000, true)] {
                let (mut delivery, mut body) = (lines(1), Vec::new());
                if known {
                    delivery.request(RequestLimits::MOST, &mut body);
                    assert_eq!(delivery.stored().sent, 1);
                }
                delivery.fill(|out| {
                    (0..count).for_each(|index| out.extend_from_slice(format!("m a={index}i 1\n").as_bytes()));
                });
                for _ in 0..4 {
                    let mut requests = 0;
                    loop {
                        assert!(delivery.request(RequestLimits::MOST, &mut body) > 0, "nothing is settled");
                        requests += 1;
                        let settled = refuse(&mut delivery);
                        assert_eq!((settled.sent, settled.rejected), (0, 0));
                        if settled.blocked {
                            break;
                        }
                    }
                    assert!(requests <= 14 + CANDIDATES_MAX, "{requests}");
                    delivery.keep();
                }
                // The server recovers.
                let mut stored = Vec::new();
                while delivery.request(RequestLimits::MOST, &mut body) > 0 {
                    stored.extend(numbers(&body));
                    delivery.stored();
                }
                stored.sort_unstable();
                assert_eq!(stored, (0..count).collect::<Vec<_>>(), "known: {known}");
            }
        }
    }

    /// An outage in the middle of a search must not reject a good line.
    #[test]
    fn a_search_that_an_outage_interrupts_drops_only_what_is_bad() {
        for (from, to) in (0..40).flat_map(|from| (from..45).map(move |to| (from, to))) {
            let (mut delivery, mut body, mut stored) = (lines(50), Vec::new(), Vec::new());
            let (mut requests, mut rejected, mut sent) = (0, 0, 0);
            while delivery.request(RequestLimits::MOST, &mut body) > 0 {
                let numbers = numbers(&body);
                let settled = if (from..to).contains(&requests) || numbers.contains(&20) {
                    delivery.refused(&Refusal::Unknown)
                } else {
                    stored.extend(numbers);
                    delivery.stored()
                };
                requests += 1;
                assert!(requests < 200, "it does not end");
                rejected += settled.rejected;
                sent += settled.sent;
            }
            stored.sort_unstable();
            stored.dedup();
            assert_eq!(stored, (0..50).filter(|&line| line != 20).collect::<Vec<_>>(), "{from}..{to}");
            assert_eq!((sent, rejected), (49, 1), "{from}..{to}");
        }
    }

    #[test]
    fn a_kept_request_is_repeated_exactly() {
        let (mut delivery, mut first, mut again) = (lines(10), Vec::new(), Vec::new());
        let limits = RequestLimits { lines: 4, bytes: 1 << 20 };
        assert_eq!(delivery.request(limits, &mut first), 4);
        delivery.keep();
        assert_eq!(delivery.request(limits, &mut again), 4);
        assert_eq!(first, again);
        assert_eq!(delivery.stored().sent, 4);
        assert_eq!(delivery.request(limits, &mut again), 4);
        assert_eq!(numbers(&again), [4, 5, 6, 7]);
    }
}
