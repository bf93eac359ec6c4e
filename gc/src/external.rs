//! External buffers: string payloads that live outside the cage and are counted against the limit.
//!
//! An `ExtStr` object holds an index into this table, never a pointer, and every access checks the
//! index. What must stay true: an entry is dropped only by the sweep after a collection that found no
//! live object mentioning it, so an index in a live object always names the buffer it was made with; an entry is
//! young as long as the object that mentions it;
//! `bytes` is the sum of the charges of all entries plus what is charged ahead for one being made.

use std::sync::Arc;

/// What an entry costs beyond its bytes.
const OVERHEAD: u64 = 64;

struct Entry {
    buffer: Arc<[u8]>,
    marked: bool,
    /// The object that mentions it is old.
    old: bool,
}

/// The buffers that one heap's objects mention.
#[derive(Default)]
pub struct ExternalTable {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// Entries whose objects are young.
    young: Vec<u32>,
    bytes: u64,
    young_bytes: u64,
}

impl ExternalTable {
    /// What a buffer of `len` bytes is charged.
    pub fn charge_for(len: usize) -> u64 {
        len as u64 + OVERHEAD
    }

    /// Bytes charged.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes charged since the last collection.
    pub fn young_bytes(&self) -> u64 {
        self.young_bytes
    }

    /// Number of buffers.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Charges ahead for a buffer that will be inserted.
    pub fn charge(&mut self, charge: u64) {
        self.bytes += charge;
    }

    /// Takes a charge back that no buffer followed.
    pub fn refund(&mut self, charge: u64) {
        self.bytes -= charge;
    }

    /// Adds a buffer whose charge was made before; its index.
    pub fn insert(&mut self, buffer: Arc<[u8]>) -> u64 {
        self.young_bytes += Self::charge_for(buffer.len());
        let entry = Some(Entry {
            buffer,
            marked: false,
            old: false,
        });
        let index = match self.free.pop() {
            Some(index) => {
                self.entries[index as usize] = entry;
                index
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        self.young.push(index);
        index as u64
    }

    /// The buffer with this index.
    pub fn get(&self, index: u64) -> Option<&Arc<[u8]>> {
        let entry = self.entries.get(usize::try_from(index).ok()?)?.as_ref()?;
        Some(&entry.buffer)
    }

    /// Whether the object that mentions the entry was old when a collection last came by it.
    pub(crate) fn is_old(&self, index: u64) -> bool {
        let entry = usize::try_from(index)
            .ok()
            .and_then(|i| self.entries.get(i));
        matches!(entry, Some(Some(entry)) if entry.old)
    }

    /// Notes that a live object, which may be old, mentions the entry.
    pub(crate) fn mark(&mut self, index: u64, old: bool) {
        if let Ok(index) = usize::try_from(index)
            && let Some(Some(entry)) = self.entries.get_mut(index)
        {
            entry.marked = true;
            entry.old = old;
        }
    }

    /// Drops the unmarked among the young entries (`full`: among all) and takes all marks away.
    pub(crate) fn sweep(&mut self, full: bool) {
        let mut young = std::mem::take(&mut self.young);
        if full {
            young.clear();
            for index in 0..self.entries.len() as u32 {
                self.sweep_one(index);
            }
        } else {
            young.retain(|&index| self.sweep_one(index));
        }
        self.young = young;
        self.young_bytes = 0;
    }

    /// Drops an entry that is not marked; whether it is there and young afterwards.
    fn sweep_one(&mut self, index: u32) -> bool {
        let slot = &mut self.entries[index as usize];
        match slot {
            Some(entry) if entry.marked => {
                entry.marked = false;
                !entry.old
            }
            Some(entry) => {
                self.bytes -= Self::charge_for(entry.buffer.len());
                *slot = None;
                self.free.push(index);
                false
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(table: &mut ExternalTable, bytes: &[u8]) -> u64 {
        table.charge(ExternalTable::charge_for(bytes.len()));
        table.insert(Arc::from(bytes))
    }

    #[test]
    fn sweeps_what_is_not_marked() {
        let mut t = ExternalTable::default();
        let (a, b) = (add(&mut t, b"one"), add(&mut t, b"three"));
        t.mark(b, true);
        t.mark(99, true);
        t.mark(u64::MAX, true);
        t.sweep(false);
        assert!(t.get(a).is_none());
        assert_eq!(t.get(b).map(|b| &b[..]), Some(&b"three"[..]));
        assert_eq!(t.bytes(), 5 + OVERHEAD);
        // Old now: a young sweep leaves it, a full one does not.
        t.sweep(false);
        assert_eq!(t.len(), 1);
        t.sweep(true);
        assert!(t.is_empty() && t.bytes() == 0 && t.young_bytes() == 0);
        assert!(t.get(u64::MAX).is_none());
    }

    #[test]
    fn is_young_as_long_as_its_object() {
        let mut t = ExternalTable::default();
        let (a, b) = (add(&mut t, b"one"), add(&mut t, b"three"));
        for index in [a, b] {
            t.mark(index, false);
        }
        t.sweep(false);
        assert_eq!((t.len(), t.young_bytes()), (2, 0));
        // The second of them is found once more, and old then.
        t.mark(b, true);
        assert!(t.is_old(b) && !t.is_old(a) && !t.is_old(u64::MAX));
        t.sweep(false);
        assert!(t.get(a).is_none());
        t.sweep(false);
        assert_eq!((t.len(), t.get(b).is_some()), (1, true));
    }
}
