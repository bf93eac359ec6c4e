//! The functions of a program, each by itself: in turn, or those of a large module on several threads.
//!
//! What must stay true: functions share nothing that changes, so the answer is that of one thread: the fault of the
//! first function that has one, unless the work limit is reached before it.

use super::facts::Facts;
use super::receivers::Openings;
use super::{Meter, Receivers, Result, flow, frame, rules};
use crate::linked::{FnId, LFunction, Program};

/// Words of code from which on threads are worth their start.
const LARGE: usize = 1 << 15;
/// More would only wait for memory.
const MOST_THREADS: usize = 16;

/// What the checks of a function look at.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) prog: &'a Program,
    pub(super) receivers: &'a Receivers,
    pub(super) openings: &'a Openings,
}

/// Checks all functions.
pub(super) fn check(tables: &Tables<'_>, threads: usize, meter: &mut Meter) -> Result<()> {
    let all = &tables.prog.functions;
    let words: usize = all.iter().map(|f| f.code.len()).sum();
    let threads = match threads {
        // Switches of rules are a thread's own.
        _ if words < LARGE || rules::switched() => 1,
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let mut parts = split(all, words, threads.min(MOST_THREADS)).into_iter();
    let Some(first) = parts.next() else {
        return Ok(());
    };
    let rest: Vec<Part<'_>> = parts.collect();
    if rest.is_empty() {
        return part(tables, first, meter);
    }
    let budget = meter.left;
    let run = |p: Part<'_>| {
        let mut own = Meter { left: budget };
        let result = part(tables, p, &mut own);
        (result, budget - own.left)
    };
    let results = std::thread::scope(|scope| {
        let started: Vec<_> = rest
            .iter()
            .map(|p| {
                let spawned = std::thread::Builder::new().spawn_scoped(scope, || run(*p));
                (*p, spawned)
            })
            .collect();
        let mut results = vec![run(first)];
        for (p, spawned) in started {
            results.push(match spawned.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(done)) => done,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                // No thread to be had.
                Err(_) => run(p),
            });
        }
        results
    });
    for (result, spent) in results {
        meter.spend(usize::try_from(spent).unwrap_or(usize::MAX))?;
        result?;
    }
    Ok(())
}

/// Functions that stand together, and the number of the first.
#[derive(Clone, Copy)]
struct Part<'a> {
    first: u32,
    functions: &'a [LFunction],
}

/// Parts of about the same number of words, in order.
fn split(all: &[LFunction], words: usize, threads: usize) -> Vec<Part<'_>> {
    let each = words / threads.max(1) + 1;
    let mut parts = Vec::with_capacity(threads);
    let (mut rest, mut first) = (all, 0);
    while !rest.is_empty() {
        let mut sum = 0;
        let end = rest.iter().position(|f| {
            sum += f.code.len();
            sum >= each
        });
        let (functions, others) = rest.split_at(end.map_or(rest.len(), |n| n + 1));
        parts.push(Part { first, functions });
        first += functions.len() as u32;
        rest = others;
    }
    parts
}

fn part(tables: &Tables<'_>, part: Part<'_>, meter: &mut Meter) -> Result<()> {
    let prog = tables.prog;
    let facts = Facts::new(prog);
    for (id, f) in (part.first..).map(FnId).zip(part.functions) {
        frame::check(prog, id, f, tables.receivers, meter)
            .and_then(|()| flow::check(prog, f, tables.openings, &facts, meter))
            .map_err(|e| {
                e.in_function(&f.name)
                    .in_package(prog.package_name(f.package))
            })?;
    }
    Ok(())
}
