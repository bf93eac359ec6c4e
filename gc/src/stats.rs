//! What a heap tells about itself. Counters only: nothing here decides anything.

/// Sub-buckets of each power of two of [`Pauses`]: a quantile is at most an eighth too long.
const SUB_BITS: u32 = 3;
/// Buckets: up to 2^40 ns, about 18 minutes.
const BUCKETS: usize = 40 << SUB_BITS;

/// Lengths of pauses: a histogram with logarithmic buckets (as in HdrHistogram), exact at both ends.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Pauses {
    /// How many.
    pub count: u64,
    /// All together, in nanoseconds.
    pub total_ns: u64,
    /// The longest, in nanoseconds.
    pub max_ns: u64,
    /// None before the first: a heap that never collects is small.
    buckets: Option<Box<[u32; BUCKETS]>>,
}

impl Pauses {
    /// Counts one.
    pub(crate) fn add(&mut self, ns: u64) {
        self.count += 1;
        self.total_ns = self.total_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
        let buckets = self.buckets.get_or_insert_with(|| Box::new([0; BUCKETS]));
        let bucket = &mut buckets[bucket_of(ns)];
        *bucket = bucket.saturating_add(1);
    }

    /// A length in nanoseconds that the fraction `q` of all pauses does not exceed; 0 without pauses.
    #[must_use]
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = (q.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (i, &n) in self.buckets.iter().flat_map(|b| b.iter()).enumerate() {
            seen += u64::from(n);
            if seen >= rank {
                return end_of(i).min(self.max_ns);
            }
        }
        self.max_ns
    }
}

fn bucket_of(ns: u64) -> usize {
    let sub = 1 << SUB_BITS;
    if ns < sub {
        return ns as usize;
    }
    let power = ns.ilog2();
    let within = (ns >> (power - SUB_BITS)) - sub;
    (((u64::from(power - SUB_BITS) + 1) * sub + within) as usize).min(BUCKETS - 1)
}

/// Longest pause of a bucket.
fn end_of(bucket: usize) -> u64 {
    let sub = 1 << SUB_BITS;
    let (power, within) = (bucket / sub, (bucket % sub) as u64);
    match power.checked_sub(1) {
        None => within,
        Some(shift) => ((sub as u64 + within + 1) << shift) - 1,
    }
}

/// Counters of one heap since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Collections of the young generation.
    pub minor: Pauses,
    /// Collections of the whole heap.
    pub full: Pauses,
    /// Bytes of objects allocated, large ones included, external buffers not.
    pub bytes_allocated: u64,
    /// Bytes that collections copied.
    pub bytes_copied: u64,
    /// Of these, bytes that young collections made old.
    pub bytes_promoted: u64,
    /// Bytes that survived a young collection and stayed young.
    pub bytes_aged: u64,
    /// Bytes of objects that the last collection left (small ones exactly, large ones by page).
    pub live_after_last: u64,
    /// Bytes of the old space's chunks in which no object lies, after the last collection.
    pub fragmented: u64,
    /// Bytes of memory held for objects now.
    pub committed: u64,
    /// Most bytes of memory ever held for objects and external buffers together.
    pub peak: u64,
    /// Bytes charged for external buffers now.
    pub external: u64,
    /// Bytes charged for the embedder's memory now.
    pub host: u64,
    /// Objects in the remembered set at the last collection.
    pub remembered: u64,
}

impl Stats {
    /// Collections of either kind.
    pub fn collections(&self) -> u64 {
        self.minor.count + self.full.count
    }

    /// Time spent in collections, in nanoseconds.
    pub fn pause_total_ns(&self) -> u64 {
        self.minor.total_ns + self.full.total_ns
    }
}

/// One collection, as [`HeapConfig::log`](crate::HeapConfig::log) is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its number, from 1.
    pub number: u64,
    /// Whether the whole heap was collected, not only what was young.
    pub full: bool,
    /// How long it took, in nanoseconds.
    pub pause_ns: u64,
    /// Bytes of objects before.
    pub before: u64,
    /// Bytes of objects after.
    pub after: u64,
    /// Bytes that were copied.
    pub copied: u64,
    /// Of these, bytes that are young still.
    pub aged: u64,
    /// Bytes of memory held for objects afterwards.
    pub committed: u64,
    /// Bytes charged for external buffers afterwards.
    pub external: u64,
}

/// Who is told of collections. It must not touch the heap.
pub type CollectionLog = fn(&Collection);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other() {
        let mut last = 0;
        for i in 1..BUCKETS - 1 {
            let end = end_of(i);
            assert!(end > last);
            assert_eq!(bucket_of(end), i);
            assert_eq!(bucket_of(end + 1), i + 1);
            last = end;
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles() {
        let mut p = Pauses::default();
        assert_eq!(p.quantile(0.5), 0);
        for ns in 1..=1000 {
            p.add(ns * 1000);
        }
        let near = |got: u64, want: u64| got >= want && got <= want + want / 8;
        assert!(near(p.quantile(0.5), 500_000), "{}", p.quantile(0.5));
        assert!(near(p.quantile(0.99), 990_000), "{}", p.quantile(0.99));
        assert_eq!(p.quantile(1.0), 1_000_000);
        assert_eq!((p.count, p.max_ns), (1000, 1_000_000));
    }
}
