//! What a heap tells about itself. Counters only: nothing here decides anything.

/// Counters of one heap since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Collections of the young generation.
    pub minor_collections: u64,
    /// Collections of the whole heap.
    pub full_collections: u64,
    /// Time spent in collections, in nanoseconds.
    pub pause_total_ns: u64,
    /// Longest collection, in nanoseconds.
    pub pause_max_ns: u64,
    /// Bytes of objects allocated, large ones included, external buffers not.
    pub bytes_allocated: u64,
    /// Bytes that collections copied.
    pub bytes_copied: u64,
    /// Bytes of objects that the last collection left (small ones exactly, large ones by page).
    pub live_after_last: u64,
    /// Bytes of memory held for objects now.
    pub committed: u64,
    /// Most bytes of memory ever held for objects and external buffers together.
    pub peak: u64,
    /// Bytes charged for external buffers now.
    pub external: u64,
    /// Objects in the remembered set at the last collection.
    pub remembered: u64,
}

impl Stats {
    /// Collections of either kind.
    pub fn collections(&self) -> u64 {
        self.minor_collections + self.full_collections
    }
}
