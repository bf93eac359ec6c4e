//! The host API: how a program's capability calls reach code outside the VM.
//!
//! A [`HostCapability`] implements one interface. At instantiation the VM matches its methods to
//! the program's by name and compares the signatures; afterwards a call names a method by its
//! index in [`HostCapability::methods`]. Invariants: a capability is called only through the
//! capability table (which has checked revocation and quota; what is in its scope, it checks itself); arguments have the declared
//! types; an answer is checked against them before it enters the heap; a host panic is contained
//! by the caller; a call may answer now or later, and the VM may wait, suspend or give up.

pub mod clock;
pub mod console;
pub mod entropy;
pub mod env;
pub mod file_read;
pub mod file_write;
pub mod grants;
pub mod interface;
pub mod interrupt;
pub mod io_error;
pub mod limits;
pub mod process;
pub mod scope;
#[cfg(test)]
mod scope_race_tests;
#[cfg(test)]
mod scope_tests;
pub mod ticket;
pub mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use grants::{DbGrant, EnvGrant, Grants, Listed, ListenGrant, NetGrant, PathGrant, RunGrant};
pub use limits::{LimitKind, Limits};
pub use scope::GrantError;
pub use ticket::{Completer, Ticket};
pub use value::{HostEnum, HostMethod, HostStruct, HostType, HostValue, HostVariant};

/// Why a capability call did not produce its value.
#[derive(Clone, Debug, PartialEq)]
pub enum HostFailure {
    /// A typed error that the program's signature declares: taken on the error edge.
    Error {
        /// Name of the error type, one of the method's [`HostMethod::errors`].
        error: &'static str,
        /// Index of the variant.
        variant: u8,
        /// Payload of the variant.
        payload: Vec<HostValue>,
    },
    /// The task ends; no code of it catches this.
    Trap(HostTrap, String),
}

/// What kind of trap a host call caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostTrap {
    /// A limit of the instance.
    Limit(LimitKind),
    /// Somebody ended the run from outside.
    Cancelled,
    /// A handle that is closed or was given out by another binding.
    BadHandle,
    /// An argument outside what the method is defined for.
    BadArgument,
    /// The world outside failed where the interface has no error for it.
    Failed,
}

impl HostFailure {
    /// A typed error: a variant of one of the method's errors, by its name.
    #[must_use]
    pub fn error(of: &'static HostEnum, variant: &str, payload: impl Into<Vec<HostValue>>) -> Self {
        let index = of.variants.iter().position(|v| v.name == variant);
        match index.and_then(|at| u8::try_from(at).ok()) {
            Some(variant) => HostFailure::Error {
                error: of.name,
                variant,
                payload: payload.into(),
            },
            None => HostFailure::failed(format!("the host has no error `{}.{variant}`", of.name)),
        }
    }

    /// The trap for an exhausted limit.
    #[must_use]
    pub fn limit(kind: LimitKind, message: impl Into<String>) -> Self {
        HostFailure::Trap(HostTrap::Limit(kind), message.into())
    }

    /// The trap for an argument that the method is not defined for.
    #[must_use]
    pub fn argument(message: impl Into<String>) -> Self {
        HostFailure::Trap(HostTrap::BadArgument, message.into())
    }

    /// The trap for a handle that is not open.
    #[must_use]
    pub fn handle(message: impl Into<String>) -> Self {
        HostFailure::Trap(HostTrap::BadHandle, message.into())
    }

    /// The trap for a failure that the interface has no error for.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        HostFailure::Trap(HostTrap::Failed, message.into())
    }
}

/// What a call comes to.
pub type HostResult = Result<HostValue, HostFailure>;

/// An answer to a call.
#[derive(Debug)]
pub enum HostAnswer {
    /// Done.
    Now(HostResult),
    /// Will be completed from elsewhere; the caller waits on the ticket or suspends its task.
    Later(Ticket),
}

impl From<HostResult> for HostAnswer {
    fn from(result: HostResult) -> Self {
        HostAnswer::Now(result)
    }
}

/// An implementation of a capability outside the VM.
pub trait HostCapability: Send {
    /// Package and name of the interface that it implements.
    fn interface(&self) -> (&'static str, &'static str);

    /// The methods that it answers, in the order in which [`HostCapability::call`] numbers them.
    /// The program's interface may declare fewer; one that it declares and that is missing here
    /// is refused at instantiation.
    fn methods(&self) -> &'static [HostMethod];

    /// Calls a method. `args` have the types that the method declares.
    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer;

    /// What the grant covers, for `audit` and messages: `everything`, `read /data`.
    fn scope_text(&self) -> String;

    /// Closes a handle that the program can no longer name, if it is still open.
    fn drop_handle(&mut self, handle: u64, cx: &mut HostCx<'_>) {
        let _ = (handle, cx);
    }

    /// The program waits for an answer, perhaps for long: what people should see by now is delivered.
    fn before_wait(&mut self) -> Result<(), HostFailure> {
        Ok(())
    }

    /// Delivers what is buffered. Called before the program ends, however it ends.
    fn flush(&mut self) -> Result<(), HostFailure> {
        Ok(())
    }
}

/// What the calls of one instance have used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostUsage {
    /// Bytes written.
    pub output: u64,
    /// Handles open.
    pub handles: u32,
    /// Capability calls that reached the host.
    pub calls: u64,
}

/// What ends the work of a call before it is done: the time limit of the instance, or somebody who cancels the run.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    deadline: Option<Instant>,
    cancel: Option<Arc<AtomicBool>>,
}

impl Interrupt {
    /// The failure that ends the work, if it has to end.
    pub fn check(&self) -> Result<(), HostFailure> {
        let cancelled = self.cancel.as_ref();
        if cancelled.is_some_and(|c| c.load(Ordering::Relaxed)) {
            return Err(HostFailure::Trap(HostTrap::Cancelled, "cancelled".into()));
        }
        if self.deadline.is_some_and(|d| Instant::now() >= d) {
            let message = "the time limit is reached";
            return Err(HostFailure::limit(LimitKind::Time, message));
        }
        Ok(())
    }

    /// When something that begins now and may take so long has to be over.
    #[must_use]
    pub fn until(&self, patience: Duration) -> Instant {
        let patient = Instant::now() + patience;
        self.deadline.map_or(patient, |d| d.min(patient))
    }
}

/// What a call may know and use of the instance that made it.
#[derive(Debug)]
pub struct HostCx<'a> {
    limits: &'a Limits,
    usage: &'a mut HostUsage,
    memory_left: u64,
    deadline: Option<Instant>,
    work_left: u64,
    work: u64,
    cancel: Option<Arc<AtomicBool>>,
}

impl<'a> HostCx<'a> {
    /// Context for one call. `memory_left` bounds what the answer may bring into the heap.
    pub fn new(
        limits: &'a Limits,
        usage: &'a mut HostUsage,
        memory_left: u64,
        deadline: Option<Instant>,
    ) -> Self {
        HostCx {
            limits,
            usage,
            memory_left,
            deadline,
            work_left: u64::MAX,
            work: 0,
            cancel: None,
        }
    }

    /// The same with what is left of the program's fuel, and with the flag that ends its run.
    #[must_use]
    pub fn with_work(mut self, left: u64, cancel: Arc<AtomicBool>) -> Self {
        self.work_left = left;
        self.cancel = Some(cancel);
        self
    }

    /// Units of fuel that the call may use up.
    #[must_use]
    pub fn work_left(&self) -> u64 {
        self.work_left.saturating_sub(self.work)
    }

    /// Charges work that the call did. More than is left ends the run when the call returns.
    pub fn charge_work(&mut self, units: u64) {
        self.work = self.work.saturating_add(units);
    }

    /// What [`HostCx::charge_work`] added up.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.work
    }

    /// What ends the work early. Work that takes long looks at it.
    #[must_use]
    pub fn interrupt(&self) -> Interrupt {
        Interrupt {
            deadline: self.deadline,
            cancel: self.cancel.clone(),
        }
    }

    /// Limits of the instance.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.limits
    }

    /// Bytes that the program may still write.
    #[must_use]
    pub fn output_left(&self) -> u64 {
        self.limits.output.saturating_sub(self.usage.output)
    }

    /// Handles that the program may still open.
    #[must_use]
    pub fn handles_left(&self) -> u32 {
        self.limits.handles.saturating_sub(self.usage.handles)
    }

    /// Bytes that an answer may have.
    #[must_use]
    pub fn memory_left(&self) -> u64 {
        self.memory_left
    }

    /// Charges output, before it is written.
    pub fn charge_output(&mut self, bytes: usize) -> Result<(), HostFailure> {
        let bytes = bytes as u64;
        if bytes > self.output_left() {
            let limit = self.limits.output;
            return Err(HostFailure::limit(
                LimitKind::Output,
                format!("the program may write {limit} bytes"),
            ));
        }
        self.usage.output += bytes;
        Ok(())
    }

    /// Charges a handle, before it is opened.
    pub fn charge_handle(&mut self) -> Result<(), HostFailure> {
        if self.handles_left() == 0 {
            let limit = self.limits.handles;
            return Err(HostFailure::limit(
                LimitKind::Handles,
                format!("the program may hold {limit} handles open"),
            ));
        }
        self.usage.handles += 1;
        Ok(())
    }

    /// Gives back a charged handle.
    pub fn release_handle(&mut self) {
        self.usage.handles = self.usage.handles.saturating_sub(1);
    }

    /// Refuses an answer of that many bytes if the heap could not take it.
    pub fn check_memory(&self, bytes: u64) -> Result<(), HostFailure> {
        if bytes > self.memory_left {
            let left = self.memory_left;
            return Err(HostFailure::limit(
                LimitKind::Memory,
                format!("{bytes} bytes do not fit the {left} that are left"),
            ));
        }
        Ok(())
    }
}

/// The trap for a call whose method or arguments are not what [`HostCapability::methods`] says.
/// Verified code does not cause it.
#[must_use]
pub fn wrong_arguments(methods: &[HostMethod], method: usize) -> HostFailure {
    let name = methods.get(method).map_or("an unknown method", |m| m.name);
    HostFailure::argument(format!("`{name}` was called with arguments of other types"))
}
