//! Cages that no heap uses, kept for the next ones: reserving addresses and giving them back costs the system many times
//! what a small program does with its heap.
//!
//! What must stay true: who puts a cage here has released all that its heap held, so all of it is zero and free; few
//! are kept, and none of which much was in use, since that is given back faster with the cage than page by page.

use std::sync::{Arc, Mutex, PoisonError};

use crate::cage::{Cage, CageError};

/// Cages that are kept at most.
const KEPT: usize = 8;
/// A heap that holds more than this when it ends takes its cage with it.
pub(crate) const KEPT_BYTES: u64 = 1 << 20;

static IDLE: Mutex<Vec<Arc<Cage>>> = Mutex::new(Vec::new());

/// A cage of this size that nobody else uses.
pub(crate) fn take(size: usize) -> Result<Arc<Cage>, CageError> {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = idle.iter().rposition(|cage| cage.size() == size) {
        return Ok(idle.swap_remove(at));
    }
    drop(idle);
    Ok(Arc::new(Cage::new(size)?))
}

/// Keeps a cage of which everything is free.
pub(crate) fn keep(cage: Arc<Cage>) {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    // The eldest goes: sizes of heaps that are made no more do not stay for ever.
    let eldest = (idle.len() >= KEPT).then(|| idle.remove(0));
    idle.push(cage);
    drop(idle);
    drop(eldest);
}
