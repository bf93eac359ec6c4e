//! The virtual machine: a register interpreter over verified bytecode, the capability table, host
//! capabilities and limits.
//!
//! [`Loaded`] is a verified program made ready to run, shared by its instances; an [`Instance`] has grants,
//! limits and a heap, and runs `main`. Unsafe code stands on two promises: what the verifier checked (see
//! `dispatch`) and what roots show the collector (see `frames` and `slow`).

pub mod host;

mod builtins;
mod calls;
mod capability;
mod code;
mod ctx;
mod debug_log;
mod deepcopy;
mod dispatch;
mod format;
mod frames;
mod fuel;
mod given;
mod hash;
mod instance;
mod lists;
mod load;
mod marshal;
mod monitor;
mod native;
mod observe;
mod ops_call;
mod ops_float;
mod ops_jump;
mod ops_list;
mod ops_num;
mod ops_record;
pub mod plug;
mod select;
mod select_types;
mod show;
mod slow;
mod snapshot;
mod strings;
mod trap;

pub use calls::{AuditEvent, AuditSink, Verdict};
pub use capability::Quota;
pub use debug_log::{DebugLog, Debugged};
pub use instance::{Binding, Config, Failure, Instance, InstanceError, Outcome, RunStats};
pub use jet_gc::{BLOCKS_FROM, Collection, CollectionLog, GcMode, Pauses, Stats as HeapStats};
pub use load::{LoadError, Loaded};
pub use monitor::Observed;
pub use observe::{Allocations, Observe};
pub use snapshot::{PathCount, Snapshot, TypeCount};
pub use trap::{TraceFrame, Trap, limit_of};
