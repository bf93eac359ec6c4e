//! The recorder, and the compiler that it feeds: when to record, what to make of it, when to give up.
//!
//! A recording follows the interpreter instruction by instruction. It knows frames by their address, so it
//! cannot mistake a recursion for a loop or a retried instruction for a call. What it notes are edges between
//! places of a region; a call is inlined, stays a call (it is then not followed), or ends the recording. What must
//! stay true: a recording follows one thread of frames from its root's frame and ends when that returns.

use std::sync::Arc;
use std::time::Instant;

use jet_bytecode::analysis::decode::{Instr, decode};
use jet_bytecode::linked::{FnId, Program};
use jet_bytecode::opcodes::Op as Code;
use jet_vm::Loaded;
use jet_vm::plug::{HEADER_WORDS, Jit, JitStats, Left, Plug};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::backend::Backend;
use crate::budget::Budget;
use crate::inline::{fits, targets, ways};
use crate::paths::{Facts, Paths};
use crate::region::{CtxId, Region};
use crate::tuning::*;
use crate::{Abort, Dump, Mode, Options, lower, lower_text, opt, rotate, show};

/// Numbers for forced exits (xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// A recording that is going on.
struct Recording {
    region: usize,
    ctx: CtxId,
    /// Addresses of the frames from the root's of the recording on.
    frame: usize,
    /// The last instruction.
    last: Option<(CtxId, Instr)>,
    /// A call that is not followed.
    skipping: bool,
    steps: u32,
    /// Instructions of the call that is not followed.
    skipped: u32,
    rounds: u32,
    /// Whether anything new was seen.
    news: bool,
    /// The exit that it started from.
    exit: Option<u64>,
}

/// An exit of machine code that may run.
#[derive(Clone, Debug)]
struct ExitInfo {
    region: usize,
    ctx: CtxId,
    grows: bool,
    left: u32,
    /// Where the interpreter goes on.
    to: Left,
    taken: u64,
}

/// See the module and the crate.
pub struct Compiler {
    options: Options,
    tuning: Tuning,
    /// Whether there can be machine code.
    works: bool,
    /// Made when there is something to compile: most programs end before.
    backend: Option<Backend>,
    loaded: Option<LoadedRef>,
    facts: Facts,
    regions: Vec<Region>,
    by_root: FxHashMap<usize, usize>,
    recording: Option<Recording>,
    exits: Vec<ExitInfo>,
    stats: JitStats,
    budget: Budget,
    aborts: FxHashMap<String, u64>,
    attempts: FxHashMap<usize, u32>,
    /// Places that were hot once already.
    warm: FxHashSet<usize>,
    /// Loops that are part of another root's region: which, and how often they have waited for that.
    covered: FxHashMap<usize, (usize, u32)>,
    random: Random,
}

/// The program that a compiler was attached to.
type LoadedRef = Arc<Loaded>;

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Compiler {
    /// A compiler for one instance.
    #[must_use]
    pub fn new(options: Options) -> Compiler {
        let tuning = Tuning::of(options.mode);
        Compiler {
            works: options.mode != Mode::Off && crate::supported(),
            random: Random::new(options.seed),
            budget: Budget::new(options.mode == Mode::On),
            options,
            tuning,
            backend: None,
            loaded: None,
            facts: Facts::default(),
            regions: Vec::new(),
            by_root: FxHashMap::default(),
            recording: None,
            exits: Vec::new(),
            stats: JitStats::default(),
            aborts: FxHashMap::default(),
            attempts: FxHashMap::default(),
            warm: FxHashSet::default(),
            covered: FxHashMap::default(),
        }
    }

    fn log(&self, text: impl FnOnce() -> String) {
        if self.options.log {
            eprintln!("jit: {}", text());
        }
    }

    fn name(&self, at: usize) -> String {
        let Some(loaded) = &self.loaded else {
            return String::new();
        };
        let (f, pc) = loaded.place(at);
        format!("{}+{pc}", loaded.program().function_name(f))
    }

    fn abort(&mut self, at: usize, why: Abort) {
        // Harmless for the program, which goes on in the interpreter; checked builds do not let it pass.
        if self.options.verify && matches!(why, Abort::Internal(_) | Abort::Backend) {
            panic!("machine code for {}: {why}", self.name(at));
        }
        *self.aborts.entry(why.to_string()).or_default() += 1;
        self.log(|| format!("abort {}: {why}", self.name(at)));
    }

    /// Whether a call of the recording is inlined; else it stays one.
    fn inline(&mut self, program: &Program, r: &Recording, call: &Instr, callee: FnId) -> bool {
        let region = &self.regions[r.region];
        let function = &program.functions[region.contexts[r.ctx].func.index()];
        // A call that goes many ways stays one: else each way would take a version, and a test at each call.
        let few = |l: &Arc<Loaded>| targets(l, function, call).len() <= MANY;
        let by_type = call.op == Code::CallDyn && self.loaded.as_ref().is_some_and(few);
        let most = if by_type { MANY } else { WAYS };
        ways(region, r.ctx, call.pc) < most
            && fits(
                &self.tuning,
                &mut self.facts,
                program,
                region,
                r.ctx,
                callee,
            )
    }

    /// Notes the instruction at `pc` of function `f` in the frame, which was called by way of a bound function
    /// or not; whether to go on.
    fn follow(
        &mut self,
        r: &mut Recording,
        program: &Program,
        f: FnId,
        pc: u32,
        frame: usize,
        bound: bool,
    ) -> bool {
        if r.skipping {
            r.skipping = false;
            if frame < r.frame {
                return false;
            }
        } else if let Some((ctx, last)) = r.last {
            let retried = frame == r.frame && ctx == r.ctx && pc == last.pc;
            match last.op {
                Code::Call | Code::CallFn | Code::CallDyn => {
                    if frame > r.frame {
                        if pc != 0 {
                            return false;
                        }
                        let distance = ((frame - r.frame) / 8) as u32;
                        let region = &mut self.regions[r.region];
                        if region.opaque.contains(&(ctx, last.pc)) {
                            r.skipping = true;
                            return true;
                        }
                        if let Some(child) = region.child(ctx, last.pc, f, bound) {
                            r.ctx = child;
                        } else if self.inline(program, r, &last, f) {
                            let region = &mut self.regions[r.region];
                            r.ctx = region.inline(ctx, last.pc, (f, bound), distance);
                            r.news = true;
                        } else {
                            self.regions[r.region].opaque.insert((ctx, last.pc));
                            r.news = true;
                            r.skipping = true;
                            return true;
                        }
                        r.frame = frame;
                    } else if !retried {
                        return false;
                    }
                }
                Code::Ret | Code::Raise => {
                    if !retried {
                        let region = &self.regions[r.region];
                        let Some((up, _)) = region.contexts[ctx].parent else {
                            return false;
                        };
                        let distance = region.contexts[ctx].base - region.contexts[up].base;
                        if frame != r.frame - distance as usize * 8 {
                            return false;
                        }
                        r.ctx = up;
                        r.frame = frame;
                    }
                }
                _ => {
                    if frame != r.frame {
                        return false;
                    }
                    let code = &program.functions[f.index()].code;
                    let jumps = last.targets(code).next().is_some();
                    let next = last.next_pc();
                    if last.op == Code::OnError {
                        // Behind an inlined callee that raised; the edge is not one of the caller's.
                    } else if jumps && (pc == next || last.targets(code).any(|t| t == pc)) {
                        let region = &mut self.regions[r.region];
                        r.news |= region.saw(ctx, last.pc, pc);
                    } else if !retried && pc != next {
                        return false;
                    }
                }
            }
        } else {
            r.frame = frame;
        }
        // A function that is not the context's would be a mistake of ours.
        let region = &self.regions[r.region];
        if region.contexts[r.ctx].func != f {
            return false;
        }
        if r.ctx == 0 && pc == region.pc && r.last.is_some() {
            r.rounds += 1;
            if r.rounds >= self.tuning.rounds && r.steps >= self.tuning.round_steps {
                return false;
            }
        }
        let Ok(i) = decode(&program.functions[f.index()].code, pc) else {
            return false;
        };
        let ends = match i.op {
            Code::Ret | Code::Raise => r.ctx == 0,
            Code::CapCall | Code::EndCap | Code::Panic | Code::Trap => true,
            _ => false,
        };
        r.last = Some((r.ctx, i));
        !ends
    }

    /// Where machine code was left at a call that stays one: has the functions that may be called compiled soon, since
    /// each call leaves until then.
    fn want(&mut self, region: usize, ctx: CtxId, at: usize, plug: &mut Plug<'_>) {
        let Some(loaded) = self.loaded.clone() else {
            return;
        };
        let (f, pc) = loaded.place(at);
        if !self.regions[region].opaque.contains(&(ctx, pc)) {
            return;
        }
        let program = loaded.program();
        let f = &program.functions[f.index()];
        let Ok(i) = decode(&f.code, pc) else { return };
        let callees: Vec<FnId> = match i.op {
            Code::Call => program.resolve_fn(f.package, i.b).into_iter().collect(),
            Code::CallDyn => targets(&loaded, f, &i),
            _ => Vec::new(),
        };
        for callee in callees {
            let entry = loaded.index(callee, 0);
            if !self.by_root.contains_key(&entry) && !self.attempts.contains_key(&entry) {
                self.warm.insert(entry);
                plug.hurry(entry, WANTED);
            }
        }
    }

    /// Exits by the instruction that they left to, most first.
    fn exits_at(&self) -> Vec<(&'static str, u64)> {
        let Some(loaded) = &self.loaded else {
            return Vec::new();
        };
        let mut all: FxHashMap<&'static str, u64> = FxHashMap::default();
        for exit in self.exits.iter().filter(|e| e.taken > 0) {
            let (f, pc) = loaded.place(exit.to.at);
            if let Ok(i) = decode(&loaded.program().functions[f.index()].code, pc) {
                *all.entry(i.op.info().mnemonic).or_default() += exit.taken;
            }
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_unstable_by_key(|(name, n)| (std::cmp::Reverse(*n), *name));
        all
    }

    /// Has the interpreter execute an operation that was left because of what it was given; whether that is new.
    fn stepped(&mut self, region: usize, ctx: CtxId, at: usize) -> bool {
        let Some(loaded) = &self.loaded else {
            return false;
        };
        let (f, pc) = loaded.place(at);
        let code = &loaded.program().functions[f.index()].code;
        let given = decode(code, pc).is_ok_and(|i| lower_text::leaves(&i));
        given && self.regions[region].stepped.insert((ctx, pc))
    }

    /// Ends a recording and compiles its region.
    fn finish(&mut self, r: Recording, plug: &mut Plug<'_>) {
        self.budget.record(r.steps);
        let region = &self.regions[r.region];
        let at = region.at;
        if !r.news && region.versions > 0 && !region.waits {
            // Nothing new: this exit will not do better.
            if let Some(exit) = r.exit.and_then(|e| self.exits.get_mut(e as usize - 1)) {
                exit.grows = false;
            }
            return;
        }
        self.widen(r.region);
        let started = Instant::now();
        let mut words = 0;
        let result = self.compile(r.region, plug, &mut words);
        let cost = started.elapsed();
        let region = &mut self.regions[r.region];
        region.waits = matches!(result, Err(Abort::Later));
        if let Some(loaded) = &self.loaded
            && (region.waits || result.is_ok())
        {
            for ((ctx, pc), ways) in &region.seen {
                let func = region.contexts[*ctx].func;
                for head in ways.iter().filter(|head| *head <= pc) {
                    self.covered
                        .entry(loaded.index(func, *head))
                        .or_insert((r.region, 0));
                }
            }
        }
        if region.waits {
            // What was seen is kept; somebody will ask again.
            if region.versions == 0 {
                plug.count(at, self.tuning.loop_count.saturating_mul(4));
            }
            return;
        }
        region.cost = cost;
        self.budget.spend(cost, words);
        region.lost = 0;
        if let Err(why) = result {
            self.abort(at, why);
            let region = &mut self.regions[r.region];
            region.frozen = true;
            if region.versions == 0 {
                let tries = self.attempts.entry(at).or_default();
                *tries += 1;
                // Later, ever later, then never.
                let n = if *tries > 3 {
                    u32::MAX
                } else {
                    2000 << (4 * *tries)
                };
                plug.count(at, n);
                self.by_root.remove(&at);
            }
        }
    }

    /// Adds the other way of branches that were left by several times.
    fn widen(&mut self, id: usize) {
        let Some(loaded) = self.loaded.clone() else {
            return;
        };
        let program = loaded.program();
        for e in self
            .exits
            .iter()
            .filter(|e| e.region == id && e.grows && e.taken >= WIDEN)
        {
            let (f, pc) = loaded.place(e.to.at);
            let region = &mut self.regions[id];
            let code = &program.functions[f.index()].code;
            let Ok(i) = decode(code, pc) else { continue };
            if region.contexts[e.ctx].func != f || !i.falls_through() || i.op == Code::OnError {
                continue;
            }
            if i.op == Code::CallDyn {
                // More than a few ways: a version each would not get there, so all at once or, where they are too many, a call.
                let function = &program.functions[f.index()];
                let distance = (function.regs.len() + HEADER_WORDS) as u32;
                if ways(region, e.ctx, pc) < WAYS / 4 {
                    continue;
                }
                let all = targets(&loaded, function, &i);
                for callee in all.iter().copied() {
                    if region.child(e.ctx, pc, callee, false).is_some() {
                        continue;
                    }
                    if all.len() > MANY
                        || !fits(
                            &self.tuning,
                            &mut self.facts,
                            program,
                            region,
                            e.ctx,
                            callee,
                        )
                    {
                        region.opaque.insert((e.ctx, pc));
                        break;
                    }
                    region.inline(e.ctx, pc, (callee, false), distance);
                }
                continue;
            }
            if i.op == Code::Switch {
                let ways = i.switch_targets(code).filter_map(|t| u32::try_from(t).ok());
                let ways: Vec<u32> = ways.chain([i.next_pc()]).collect();
                for t in ways.iter().filter(|_| ways.len() <= SWITCH) {
                    region.saw(e.ctx, pc, *t);
                }
                continue;
            }
            if let Some(t) = i.targets(code).next() {
                region.saw(e.ctx, pc, t);
                region.saw(e.ctx, pc, i.next_pc());
            }
        }
    }

    /// Compiles a region; says how many words of bytecode it has.
    fn compile(&mut self, id: usize, plug: &mut Plug<'_>, words: &mut u32) -> Result<(), Abort> {
        let loaded = self.loaded.clone().ok_or(Abort::Internal("no program"))?;
        let mapped = self.backend.as_ref().map_or(0, Backend::mapped);
        if mapped > self.tuning.quota {
            return Err(Abort::Quota);
        }
        let program = Arc::clone(loaded.program());
        let mut paths = Paths::new(&program, &mut self.facts, &self.regions[id])?;
        if self.options.passes.split {
            paths.split(&program, &self.regions[id], SPLIT)?;
        }
        if self.options.passes.rotate {
            rotate::run(
                &mut paths,
                &mut self.facts,
                &program,
                &self.regions[id],
                SPLIT,
            );
        }
        if self.options.passes.peel {
            paths.peel(PEEL)?;
        }
        *words = paths.words();
        let cost = self.budget.estimate(*words);
        if !self.budget.allows(cost) {
            self.regions[id].cost = cost;
            return Err(Abort::Later);
        }
        let stress = self.options.mode == Mode::Stress;
        let random = &mut self.random;
        let mut force = || random.next().is_multiple_of(3) && stress;
        let mut g = lower::lower(
            &loaded,
            &mut self.facts,
            &self.regions[id],
            &paths,
            self.options.masked,
            &mut force,
        )?;
        if self.options.verify {
            crate::ir_check::verify(&g).map_err(Abort::Internal)?;
        }
        if self.options.dump.contains(&Dump::Ir) {
            eprintln!(
                "; {} as recorded\n{}",
                self.name(self.regions[id].at),
                show::text(&g)
            );
        }
        opt::run(&mut g, &self.options.passes);
        if self.options.verify {
            crate::ir_check::verify(&g).map_err(Abort::Internal)?;
        }
        if self.options.dump.contains(&Dump::Ir) {
            eprintln!(
                "; {} optimised\n{}",
                self.name(self.regions[id].at),
                show::text(&g)
            );
        }
        let first = self.exits.len() as u64 + 1;
        if self.backend.is_none() {
            let eager = self.options.mode == Mode::Eager;
            self.backend = Backend::new(self.options.verify, &self.options.dump, eager);
        }
        let Some(backend) = &mut self.backend else {
            self.works = false;
            return Err(Abort::Backend);
        };
        let (f, pc) = loaded.place(self.regions[id].at);
        let name = format!("jet:{}+{pc}", program.function_name(f));
        let code = match backend.compile(&loaded, id, &name, &g, first) {
            Ok(code) => code,
            Err(text) => {
                if self.options.log || self.options.verify {
                    eprintln!(
                        "jit: the back end refused {}: {text}",
                        self.name(self.regions[id].at)
                    );
                }
                return Err(Abort::Backend);
            }
        };
        if !code.text.is_empty() {
            eprintln!("; {}\n{}", self.name(self.regions[id].at), code.text);
        }
        let region = &mut self.regions[id];
        region.versions += 1;
        let left = self.tuning.exit_count << region.versions.saturating_sub(1).min(10);
        for e in &g.exits {
            self.exits.push(ExitInfo {
                region: id,
                ctx: e.ctx,
                grows: e.grows,
                left,
                to: e.left.clone(),
                taken: 0,
            });
        }
        let (at, version) = (region.at, region.versions);
        // SAFETY: compiled for this place of this program; its memory lives as long as the back end, which
        // lives as long as the instance.
        unsafe { plug.install(at, code.entry) };
        if let Some(backend) = &mut self.backend {
            // SAFETY: a recording is going on, so the interpreter runs, and machine code is never below it.
            unsafe { backend.forget_replaced() };
        }
        self.stats.regions += 1;
        self.stats.bytes += code.bytes as u64;
        self.stats.instructions += code.instructions as u64;
        self.stats.foreign += u64::from(code.foreign);
        self.log(|| {
            format!(
                "compiled {} version {version}: {} places, {} contexts, {} operations, {} exits, {} bytes",
                self.name(at),
                paths.nodes.len(),
                self.regions[id].contexts.len(),
                g.blocks.iter().map(|b| b.ops.len()).sum::<usize>(),
                g.exits.len(),
                code.bytes
            )
        });
        Ok(())
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        // Exits that were taken most.
        let mut all: Vec<(u64, usize)> = self
            .exits
            .iter()
            .enumerate()
            .map(|(n, e)| (e.taken, n))
            .collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        for (taken, n) in all.into_iter().take(24).filter(|(taken, _)| *taken > 0) {
            let e = &self.exits[n];
            let root = self.regions[e.region].at;
            let grows = if e.grows { "grows" } else { "" };
            self.log(|| {
                format!(
                    "exit {} of {} at {} taken {taken} {grows}",
                    n + 1,
                    self.name(root),
                    self.name(e.to.at)
                )
            });
        }
    }
}

impl Jit for Compiler {
    fn thresholds(&self) -> (u32, u32) {
        if !self.works {
            return (u32::MAX, u32::MAX);
        }
        (self.tuning.loop_count, self.tuning.entry_count)
    }

    fn attach(&mut self, loaded: &Arc<Loaded>) {
        self.loaded = Some(Arc::clone(loaded));
    }

    fn hot(&mut self, at: usize, plug: &mut Plug<'_>) -> bool {
        let Some(loaded) = self.loaded.clone() else {
            plug.count(at, u32::MAX);
            return false;
        };
        let known = self.by_root.get(&at).copied();
        let cost = match known.map(|id| &self.regions[id]) {
            _ if !self.works => None,
            Some(region) => region.waits.then_some(region.cost),
            // Recording takes time too.
            None => Some(self.budget.estimate(0)),
        };
        let Some(cost) = cost else {
            plug.count(at, u32::MAX);
            return false;
        };
        if !self.budget.allows(cost) {
            plug.count(at, self.tuning.loop_count);
            return false;
        }
        if known.is_none()
            && self.tuning.covered > 0
            && let Some((by, waited)) = self.covered.get_mut(&at)
            && *waited < if self.regions[*by].waits { PATIENT } else { 1 }
        {
            // The other region is likely to come here first.
            *waited += 1;
            plug.count(at, self.tuning.covered);
            return false;
        }
        if let Some(rounds) = self.budget.rounds().filter(|_| self.warm.insert(at)) {
            plug.count(at, rounds);
            return false;
        }
        let id = known.unwrap_or_else(|| {
            let (func, pc) = loaded.place(at);
            self.regions.push(Region::new(func, pc, at));
            self.by_root.insert(at, self.regions.len() - 1);
            self.regions.len() - 1
        });
        self.recording = Some(Recording {
            region: id,
            ctx: 0,
            frame: 0,
            last: None,
            skipping: false,
            steps: 0,
            skipped: 0,
            rounds: 0,
            news: true,
            exit: None,
        });
        self.stats.recordings += 1;
        self.log(|| format!("record {}", self.name(at)));
        true
    }

    fn left(&self, exit: u64) -> Option<&Left> {
        let info = self.exits.get((exit as usize).checked_sub(1)?)?;
        Some(&info.to)
    }

    fn exited(&mut self, exit: u64, plug: &mut Plug<'_>) -> bool {
        self.stats.exits += 1;
        let versions = self.tuning.versions;
        let Some(info) = self.exits.get(exit as usize - 1) else {
            return false;
        };
        if info.taken + 1 >= u64::from(WANTED) && (info.taken + 1).is_power_of_two() {
            let (region, ctx, at) = (info.region, info.ctx, info.to.at);
            self.want(region, ctx, at, plug);
        }
        let Some(info) = self.exits.get_mut(exit as usize - 1) else {
            return false;
        };
        info.taken += 1;
        if !info.grows {
            return false;
        }
        info.left = info.left.saturating_sub(1);
        let region = &mut self.regions[info.region];
        region.lost += 1;
        if info.left > 0 {
            return false;
        }
        if region.frozen || region.versions >= versions {
            info.grows = false;
            return false;
        }
        // Compiling again pays once its time was lost.
        let early = region.lost < self.budget.patience(region.cost);
        info.left = self.tuning.exit_count;
        if early || !self.budget.allows(region.cost) {
            return false;
        }
        let (region, ctx, at) = (info.region, info.ctx, info.to.at);
        let news = self.stepped(region, ctx, at);
        self.recording = Some(Recording {
            region,
            ctx,
            frame: 0,
            last: None,
            skipping: false,
            steps: 0,
            skipped: 0,
            rounds: 0,
            news,
            exit: Some(exit),
        });
        self.stats.recordings += 1;
        self.log(|| {
            format!(
                "record {} from exit {exit}",
                self.name(self.regions[region].at)
            )
        });
        true
    }

    fn step(&mut self, at: usize, frame: usize, plug: &mut Plug<'_>) -> bool {
        let (Some(mut r), Some(loaded)) = (self.recording.take(), self.loaded.clone()) else {
            return false;
        };
        r.steps += 1;
        let goes_on = r.steps < self.tuning.steps
            && if r.skipping && frame > r.frame {
                r.skipped += 1;
                r.skipped < SKIPPED
            } else {
                r.skipped = 0;
                let (f, pc) = loaded.place(at);
                self.follow(&mut r, loaded.program(), f, pc, frame, plug.bound)
            };
        if goes_on {
            self.recording = Some(r);
        } else {
            self.finish(r, plug);
        }
        goes_on
    }

    fn abandon(&mut self) {
        if let Some(r) = self.recording.take()
            && self.regions[r.region].versions == 0
        {
            self.by_root.remove(&self.regions[r.region].at);
        }
    }

    fn stress_interval(&mut self) -> u64 {
        if self.options.mode != Mode::Stress {
            return u64::MAX;
        }
        1 + self.random.next() % 97
    }

    fn stats(&self) -> JitStats {
        let mut aborts: Vec<(String, u64)> =
            self.aborts.iter().map(|(k, n)| (k.clone(), *n)).collect();
        aborts.sort();
        JitStats {
            aborts,
            exits_at: self.exits_at(),
            compile_us: self.budget.spent().as_micros() as u64,
            back_end_us: self
                .backend
                .as_ref()
                .map_or(0, |b| b.spent.as_micros() as u64),
            ..self.stats.clone()
        }
    }
}
