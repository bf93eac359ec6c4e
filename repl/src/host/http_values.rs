//! How requests and answers over HTTP stand in values of programs, whoever sends them.

use jet_vm::host::{HostType, HostValue};

/// Names and values of headers.
pub(super) const PAIRS: HostType =
    HostType::List(&HostType::Tuple(&[HostType::Str, HostType::Str]));
/// A body.
pub(super) const BYTES: HostType = HostType::List(&HostType::Byte);

/// What a list of [`PAIRS`] holds; `None` if it holds something else.
pub(super) fn read_pairs(list: &[HostValue]) -> Option<Vec<(String, String)>> {
    let pair = |value: &HostValue| match value {
        HostValue::Record(pair) => match pair.as_slice() {
            [HostValue::Str(name), HostValue::Str(value)] => {
                Some((name.to_string(), value.to_string()))
            }
            _ => None,
        },
        _ => None,
    };
    list.iter().map(pair).collect()
}
