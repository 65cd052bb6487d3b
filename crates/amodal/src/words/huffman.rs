//! The tree of hierarchical softmax.
use std::{cmp::Reverse, collections::BinaryHeap};

/// A Huffman tree (Huffman 1952, doi:10.1109/JRPROC.1952.273898): frequent words have short paths.
#[derive(Clone, Debug)]
pub(crate) struct Huffman {
    /// Nodes from the root on, each with whether the path goes right there; those of all words one after the other.
    steps: Vec<(u32, bool)>,
    /// Where each word's begin, and the end.
    starts: Vec<usize>,
}

impl Huffman {
    /// The tree of at least two words; it has one node less than words.
    pub(crate) fn new(counts: &[u64]) -> Self {
        let words = counts.len();
        let mut heap: BinaryHeap<_> = counts.iter().enumerate().map(|(word, count)| Reverse((*count, word))).collect();
        // of words and then of nodes: the node above, and whether it goes right from there
        let mut above = vec![(0, false); 2 * words - 1];
        for node in words..2 * words - 1 {
            let (Some(Reverse(left)), Some(Reverse(right))) = (heap.pop(), heap.pop()) else { break };
            above[left.1] = (node, false);
            above[right.1] = (node, true);
            heap.push(Reverse((left.0 + right.0, node)));
        }
        let (mut steps, mut starts) = (Vec::new(), vec![0]);
        for word in 0..words {
            let (start, mut at) = (steps.len(), word);
            while at != 2 * words - 2 {
                let (node, right) = above[at];
                steps.push(((node - words) as u32, right));
                at = node;
            }
            steps[start..].reverse();
            starts.push(steps.len());
        }
        Self { steps, starts }
    }

    /// The nodes from the root to a word, each with whether the path goes right there.
    #[inline(always)]
    pub(crate) fn path(&self, word: u32) -> impl Iterator<Item = (u32, bool)> + '_ {
        self.steps[self.starts[word as usize]..self.starts[word as usize + 1]].iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_short_for_frequent_words_and_prefix_free() {
        let tree = Huffman::new(&[50, 20, 10, 10, 5, 5]);
        let paths: Vec<Vec<(u32, bool)>> = (0..6).map(|word| tree.path(word).collect()).collect();
        assert_eq!(paths.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3, 3, 3, 4, 4]);
        for (at, path) in paths.iter().enumerate() {
            assert!(path.iter().all(|(node, _)| *node < 5));
            assert!(paths.iter().enumerate().all(|(other, longer)| at == other || !longer.starts_with(path)));
        }
        assert_eq!(Huffman::new(&[1, 1]).path(1).count(), 1);
    }
}
