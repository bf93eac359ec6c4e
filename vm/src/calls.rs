//! What is told about a call of the host once it is over, and what it weighed.

use std::time::Duration;

use crate::host::HostValue;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// With a value.
    Ok,
    /// With an error that its signature declares: type and variant.
    Error(&'a str, &'a str),
    /// It ended the run, or was not allowed to begin: the message.
    Trap(&'a str),
}

/// A call that reached the host, or was stopped at its door.
#[derive(Clone, Copy, Debug)]
pub struct AuditEvent<'a> {
    /// Package and name of the capability, with a dot between.
    pub capability: &'a str,
    /// Method.
    pub method: &'a str,
    /// Names of the parameters stand in the interface; these are the values. Empty if the call did not begin.
    pub args: &'a [HostValue],
    /// Source file of the call, as the bundle has it: hostile text.
    pub file: &'a str,
    /// Line from 1; 0 when unknown.
    pub line: u32,
    /// How it ended.
    pub verdict: Verdict<'a>,
    /// How long it took.
    pub duration: Duration,
}

/// Told of each call. If it answers that it could not keep what it was told, no further call begins.
pub type AuditSink = Box<dyn FnMut(&AuditEvent<'_>) -> bool + Send>;

/// Bytes of text and binary data in values, which quotas count.
pub(crate) fn weight(values: &[HostValue]) -> u64 {
    values
        .iter()
        .map(|value| match value {
            HostValue::Str(text) => text.len() as u64,
            HostValue::Bytes(bytes) => bytes.len() as u64,
            HostValue::List(items) | HostValue::Record(items) | HostValue::Variant(_, items) => {
                weight(items)
            }
            _ => 0,
        })
        .sum()
}
