//! Series by a keyed 128-bit hash of their labels, in tables small enough that growing one costs little memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use siphasher::sip128::SipHasher13;

/// A hash of a series' labels.
pub(super) type SeriesHash = u128;

/// Hashes label text with a key drawn for each assembly, so that nobody can choose label values that collide. Among a
/// million series two different ones share a hash with a probability of about 10^-27.
#[derive(Debug)]
pub(super) struct SeriesHasher(SipHasher13);

impl SeriesHasher {
    pub(super) fn new() -> Self {
        // Each state is keyed by the operating system's random numbers; what it makes of a constant is as secret.
        let key = || RandomState::new().hash_one(0_u8);
        Self(SipHasher13::new_with_keys(key(), key()))
    }

    pub(super) fn hash(&self, labels: &[u8]) -> SeriesHash {
        self.0.hash(labels).as_u128()
    }
}

/// A hash table grows by doubling, and while it does, both copies stand in memory. Spread over many tables, only a
/// sliver of the whole is copied at a time.
const TABLES: usize = 64;

/// What is known of each series.
#[derive(Debug)]
pub(super) struct SeriesIndex<V> {
    tables: Vec<HashMap<SeriesHash, V, Identity>>,
    len: usize,
}

impl<V: Copy> SeriesIndex<V> {
    pub(super) fn new() -> Self {
        Self {
            tables: (0..TABLES).map(|_| HashMap::default()).collect(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a series and answers `None`, or gives what is known of it if it is there already.
    pub(super) fn insert(&mut self, hash: SeriesHash, value: V) -> Option<V> {
        use std::collections::hash_map::Entry;
        match self.tables[table(hash)].entry(hash) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(vacant) => {
                vacant.insert(value);
                self.len += 1;
                None
            }
        }
    }

    /// Forgets a series; whether it was there.
    pub(super) fn remove(&mut self, hash: SeriesHash) -> bool {
        let removed = self.tables[table(hash)].remove(&hash).is_some();
        self.len -= usize::from(removed);
        removed
    }
}

/// The table is chosen by bits that the table itself does not look at.
fn table(hash: SeriesHash) -> usize {
    (hash >> (u128::BITS - TABLES.ilog2())) as usize
}

/// The keys are hashes already.
#[derive(Debug, Clone, Copy, Default)]
struct Identity;

impl BuildHasher for Identity {
    type Hasher = Low;
    fn build_hasher(&self) -> Low {
        Low(0)
    }
}

/// The lower half of a [`SeriesHash`].
#[derive(Debug)]
struct Low(u64);

impl Hasher for Low {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
    fn write_u128(&mut self, hash: u128) {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
        let low = hash as u64;
        self.0 = low;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_again_in_whichever_table() {
        let hasher = SeriesHasher::new();
        let mut index = SeriesIndex::new();
        let series: Vec<_> = (0..10_000_u32).map(|n| hasher.hash(&n.to_le_bytes())).collect();
        for (n, &hash) in series.iter().enumerate() {
            assert_eq!(index.insert(hash, n), None);
        }
        assert_eq!(index.len(), series.len());
        assert!(
            index.tables.iter().all(|table| table.len() > 50),
            "every table holds its share"
        );
        for (n, &hash) in series.iter().enumerate() {
            assert_eq!(index.insert(hash, usize::MAX), Some(n));
            assert!(index.remove(hash) && !index.remove(hash));
        }
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn each_assembly_has_a_key_of_its_own() {
        assert_ne!(SeriesHasher::new().hash(b"a"), SeriesHasher::new().hash(b"a"));
    }
}
