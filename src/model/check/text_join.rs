//! Joins the texts of a check to its sample: both carry the same key, but they travel separately.
//!
//! Invariants: a text is released once, never before its sample is read. Bounds: at most `MAX` texts wait; the oldest makes
//! room for the next and its reader counts it as lost. A sample without its text is still a sample.

/// Texts of type `T` whose samples have not been read yet. The key `K` is the slot of the site and the sequence number of
/// the sample, or the sequence number alone where the join serves one site.
#[derive(Debug)]
pub struct TextJoin<K, T, const MAX: usize>(Vec<(K, T)>);

impl<K, T, const MAX: usize> Default for TextJoin<K, T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq, T, const MAX: usize> TextJoin<K, T, MAX> {
    /// Adds a text. Returns how many texts were lost for it: none or one.
    #[must_use]
    pub fn add(&mut self, key: K, text: T) -> u64 {
        let is_full = self.0.len() == MAX;
        if is_full {
            self.0.remove(0);
        }
        self.0.push((key, text));
        u64::from(is_full)
    }

    /// The waiting text of `key`.
    pub fn get(&self, key: &K) -> Option<&T> {
        self.0.iter().find(|(waiting, _)| waiting == key).map(|(_, text)| text)
    }

    /// Removes the texts of all samples that are read, oldest first. The iterator must run to its end.
    pub fn release(&mut self, is_read: impl Fn(&K) -> bool) -> impl Iterator<Item = (K, T)> {
        self.0.extract_if(.., move |(key, _)| is_read(key))
    }

    /// Bytes on the heap, without those of the texts.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<(K, T)>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 5;

    #[derive(Clone, Debug)]
    enum Step {
        Text { site: usize, seq: u64 },
        Read { site: usize, next_seq: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let text = (0usize..3, 0u64..20).prop_map(|(site, seq)| Step::Text { site, seq });
        let read = (0usize..3, 0u64..20).prop_map(|(site, next_seq)| Step::Read { site, next_seq });
        prop_oneof![3 => text, 1 => read]
    }

    proptest! {
        /// The model is a queue that is searched from its oldest text on.
        #[test]
        fn it_is_a_bounded_queue(steps in prop::collection::vec(step(), 0..100)) {
            let mut join: TextJoin<(usize, u64), usize, MAX> = TextJoin::default();
            let mut model: VecDeque<((usize, u64), usize)> = VecDeque::new();
            let (mut next_seqs, mut lost, mut released) = ([0; 3], 0, 0);
            for (text, step) in steps.iter().enumerate() {
                match *step {
                    Step::Text { site, seq } => {
                        model.push_back(((site, seq), text));
                        let surplus = model.len().saturating_sub(MAX);
                        model.drain(..surplus);
                        let newly_lost = join.add((site, seq), text);
                        prop_assert_eq!(newly_lost, surplus as u64);
                        lost += newly_lost;
                    }
                    Step::Read { site, next_seq } => next_seqs[site] = next_seq.max(next_seqs[site]),
                }
                for key in (0..3).flat_map(|site| (0..20).map(move |seq| (site, seq))) {
                    let waiting = model.iter().find(|(other, _)| *other == key).map(|(_, text)| text);
                    prop_assert_eq!(join.get(&key), waiting);
                }
                if matches!(step, Step::Read { .. }) {
                    let is_read = |(site, seq): &(usize, u64)| *seq < next_seqs[*site];
                    let (read, waiting): (VecDeque<_>, _) = model.into_iter().partition(|(key, _)| is_read(key));
                    model = waiting;
                    let joined: VecDeque<_> = join.release(is_read).collect();
                    released += joined.len() as u64;
                    prop_assert_eq!(joined, read);
                }
            }
            let added = steps.iter().filter(|step| matches!(step, Step::Text { .. })).count() as u64;
            prop_assert_eq!(added, lost + released + model.len() as u64, "no text is lost uncounted or released twice");
        }
    }
}
