//! One isolate's heap: a cage of reserved addresses, bump allocation, precise roots, a moving
//! generational collector, external buffers, and a heap checker.
//!
//! A reference is a 32-bit offset from the cage's base, scaled by 8 ([`Ref`]); objects describe
//! themselves by their header ([`layout`]). Any allocation may move every object: what is used after it
//! must have been shown to it by [`Roots`] or be held in a [`Handle`].
//!
//! Reading order: `layout`, `heap` (spaces), `account` (bytes against the limit), `pace`, `ageing`, `alloc`, `collect`, `copies` and `scan`, `remembered`, `mark` and
//! `blocks` (the mark-region old space), `access`.
//!
//! What must stay true: the collector never fails in the middle, never recurses, and the heap never
//! holds more than its limit. Which invariant keeps which unsafe block sound: `docs/safety.md`.

mod access;
mod account;
mod ageing;
mod alloc;
mod blocks;
pub mod cage;
mod check;
mod chunk;
mod collect;
mod copies;
mod external;
mod handles;
mod heap;
mod idle;
pub mod layout;
mod mark;
mod pace;
mod remembered;
mod scan;
mod side;
mod stats;

pub use ageing::Ageing;
pub use cage::{Cage, CageError};
pub use check::HeapError;
pub use collect::POISON;
pub use external::ExternalTable;
pub use handles::{Handle, TooManyHandles};
pub use heap::{
    BLOCKS_FROM, GcMode, Heap, HeapConfig, HeapCore, INLINE_MAX, MAX_LIMIT, MIN_LIMIT, NoRoots,
    OutOfMemory, OutOfMemoryCause, Roots, SliceRoots, Watch,
};
pub use layout::{Format, Header, Ref};
pub use stats::{Collection, CollectionLog, Pauses, Stats};
