//! What a run is asked to remember of its heap: which source lines allocate how much, and what the heap held when it
//! was at its largest. Nothing of it costs anything in a run that was not asked.
//!
//! What must stay true: an observer only looks. Its own memory is not the program's and is not charged.

use std::collections::HashMap;

use jet_gc::Heap;

use crate::frames::{FrameAt, RootSet, caller};
use crate::load::Loaded;
use crate::snapshot::{Snapshot, take};
use crate::trap::{TraceFrame, place};

/// What to observe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observe {
    /// Count allocations by source line.
    pub allocations: bool,
    /// Look at the heap when it is at its largest, and when it is full.
    pub snapshot: bool,
}

/// The observer of an instance.
#[derive(Default)]
pub(crate) struct Observer {
    /// Objects and bytes by place: (instruction, nearest instruction outside of the standard library).
    allocations: Option<HashMap<(u32, u32), (u64, u64)>>,
    snapshot: Option<Box<Largest>>,
}

#[derive(Default)]
struct Largest {
    live: u64,
    taken: Option<Snapshot>,
}

/// Allocations of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocations {
    /// The place in the program that they are made for: the nearest one outside of the standard library.
    pub at: TraceFrame,
    /// The place that makes them, where it is another.
    pub via: Option<TraceFrame>,
    /// How many.
    pub objects: u64,
    /// Their bytes, long texts that lie outside of the heap included.
    pub bytes: u64,
}

impl Observer {
    /// An observer for what was asked, if anything was.
    pub fn new(asked: Observe) -> Option<Box<Observer>> {
        (asked != Observe::default()).then(|| {
            Box::new(Observer {
                allocations: asked.allocations.then(HashMap::new),
                snapshot: asked.snapshot.then(Box::default),
            })
        })
    }

    /// Counts an allocation.
    pub fn allocated(&mut self, at: (u32, u32), bytes: u64) {
        if let Some(all) = &mut self.allocations {
            let (objects, sum) = all.entry(at).or_default();
            *objects += 1;
            *sum += bytes;
        }
    }

    /// Allocations by place, most bytes first.
    pub fn allocations(&self, loaded: &Loaded) -> Option<Vec<Allocations>> {
        let mut lines: HashMap<Lines, (u64, u64)> = HashMap::new();
        for (&(inner, outer), &(objects, bytes)) in self.allocations.as_ref()? {
            let mut at = place(loaded, outer as usize);
            let mut via = (inner != outer).then(|| place(loaded, inner as usize));
            // Columns of one line are one place.
            at.col = 0;
            if let Some(via) = &mut via {
                via.col = 0;
            }
            let sums = lines.entry(Lines(at, via)).or_default();
            sums.0 += objects;
            sums.1 += bytes;
        }
        let mut out: Vec<Allocations> = lines
            .into_iter()
            .map(|(Lines(at, via), (objects, bytes))| Allocations {
                at,
                via,
                objects,
                bytes,
            })
            .collect();
        let name = |a: &Allocations| (a.at.file.clone(), a.at.line, a.at.function.clone());
        out.sort_by(|a, b| (b.bytes, name(a)).cmp(&(a.bytes, name(b))));
        Some(out)
    }

    /// The heap at its largest, if that was asked for and ever looked at.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()?.taken.as_ref()
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Lines(TraceFrame, Option<TraceFrame>);

impl RootSet {
    /// Where an allocation at the current instruction is made, and for whom: the nearest frame whose code is not
    /// the standard library's.
    pub(crate) fn allocating(&self) -> Option<(u32, u32)> {
        if self.entry.is_null() || self.pc.is_null() {
            return None;
        }
        let code = &self.loaded.code;
        let inner = code.index_of(self.pc);
        let mut at = FrameAt {
            index: inner,
            regs: self.regs,
        };
        loop {
            if at.index < code.specials() && !self.loaded.in_std(at.index) {
                return Some((inner as u32, at.index as u32));
            }
            // SAFETY: the frames below the current one are complete.
            match unsafe { caller(&self.loaded, self.entry, at.regs) } {
                Some(next) => at = next,
                None => return Some((inner as u32, inner as u32)),
            }
        }
    }

    /// Looks at the heap if it is larger than when it was last looked at; at the limit in any case.
    pub(crate) fn look(&mut self, heap: &Heap, at_limit: bool) {
        let Some(mut observer) = self.observer.take() else {
            return;
        };
        if let Some(largest) = &mut observer.snapshot {
            let live = heap.stats().live_after_last + heap.stats().external;
            if at_limit || live > largest.live + largest.live / 8 {
                largest.live = live;
                let when = if at_limit {
                    String::from("memory limit")
                } else {
                    format!("collection {}", heap.collections())
                };
                largest.taken = Some(take(self, heap, when));
            }
        }
        self.observer = Some(observer);
    }
}
