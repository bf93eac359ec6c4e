//! Root handles: slots through which a host holds objects while the heap moves them.
//!
//! What must stay true: every occupied slot is visited by each collection, so the reference that `get`
//! gives is current at that moment; a handle that was dropped never reads a later owner's slot.

use crate::layout::Ref;

/// Names a slot of a `HandleTable`. Plain data: dropping it frees nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Handle {
    index: u32,
    generation: u32,
}

/// There are as many handles as the limit allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyHandles;

impl std::fmt::Display for TooManyHandles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("too many root handles")
    }
}

impl std::error::Error for TooManyHandles {}

struct Slot {
    value: Ref,
    generation: u32,
    used: bool,
}

/// The handles of one heap.
pub struct HandleTable {
    slots: Vec<Slot>,
    free: Vec<u32>,
    max: u32,
}

impl HandleTable {
    /// An empty table for at most `max` handles at a time.
    pub fn new(max: u32) -> HandleTable {
        HandleTable {
            slots: Vec::new(),
            free: Vec::new(),
            max,
        }
    }

    /// Number of handles.
    pub fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A new handle that holds `value`.
    pub fn create(&mut self, value: Ref) -> Result<Handle, TooManyHandles> {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.value = value;
            slot.used = true;
            return Ok(Handle {
                index,
                generation: slot.generation,
            });
        }
        if self.slots.len() >= self.max as usize {
            return Err(TooManyHandles);
        }
        self.slots.push(Slot {
            value,
            generation: 0,
            used: true,
        });
        Ok(Handle {
            index: (self.slots.len() - 1) as u32,
            generation: 0,
        })
    }

    /// What the handle holds; `None` when it was dropped.
    pub fn get(&self, handle: Handle) -> Option<Ref> {
        let slot = self.slots.get(handle.index as usize)?;
        (slot.used && slot.generation == handle.generation).then_some(slot.value)
    }

    /// Makes the handle hold `value`; false when it was dropped.
    pub fn set(&mut self, handle: Handle, value: Ref) -> bool {
        match self.slots.get_mut(handle.index as usize) {
            Some(slot) if slot.used && slot.generation == handle.generation => {
                slot.value = value;
                true
            }
            _ => false,
        }
    }

    /// Frees the slot; false when it was dropped before.
    pub fn drop_handle(&mut self, handle: Handle) -> bool {
        match self.slots.get_mut(handle.index as usize) {
            Some(slot) if slot.used && slot.generation == handle.generation => {
                slot.used = false;
                slot.value = Ref::NULL;
                // A slot whose generations are used up is never given out again.
                if let Some(next) = slot.generation.checked_add(1) {
                    slot.generation = next;
                    self.free.push(handle.index);
                }
                true
            }
            _ => false,
        }
    }

    /// Every value that a handle holds.
    pub(crate) fn values(&mut self) -> impl Iterator<Item = &mut Ref> {
        self.slots
            .iter_mut()
            .filter(|s| s.used)
            .map(|s| &mut s.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_handles_stay_dropped() {
        let mut t = HandleTable::new(2);
        let a = t.create(Ref(300)).expect("room");
        let b = t.create(Ref(301)).expect("room");
        assert_eq!(t.create(Ref(302)), Err(TooManyHandles));
        assert!(t.drop_handle(a) && !t.drop_handle(a));
        let c = t.create(Ref(303)).expect("room");
        assert_eq!(
            (t.get(a), t.get(b), t.get(c)),
            (None, Some(Ref(301)), Some(Ref(303)))
        );
        assert!(!t.set(a, Ref(1)) && t.set(c, Ref(304)));
        assert_eq!(t.values().map(|r| r.0).collect::<Vec<_>>(), [304, 301]);
        assert_eq!(t.count(), 2);
    }
}
