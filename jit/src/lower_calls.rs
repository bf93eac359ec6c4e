//! Calls: those that are inlined, with the tests of who is called, and those that stay calls.
//!
//! What must stay true: a callee's registers get what the interpreter's call handlers write, in their order
//! (environment, capabilities, arguments); what is read of a function value is read behind the test of what it is.

use jet_bytecode::analysis::decode::Instr;
use jet_bytecode::linked::{FnId, TraitId};
use jet_bytecode::module::FnKind;
use jet_bytecode::opcodes::Op as Code;
use jet_gc::layout::{TYPE_SHIFT, ref_offset};
use jet_vm::plug::{BOUND, HEADER_WORDS};

use crate::Abort;
use crate::ir::{Alias, Bin, BlockId, Call, Cc, Edge, ExitId, Op, Shown, Target, Term, Val, Width};
use crate::lower::{Frame, Lower};
use crate::lower_ops::Done;
use crate::paths::{after_call, receiver};
use crate::region::CtxId;
use crate::tuning::{CHAIN, TABLE};

impl Lower<'_> {
    /// An inlined call of one of several functions.
    pub(crate) fn call_inlined(&mut self, i: &Instr, callees: &[(FnId, CtxId)]) -> Done {
        let f = self.f();
        let args: Vec<u16> = i.args(&f.code).collect();
        let values: Vec<Val> = args.iter().map(|r| self.read(*r)).collect::<Done<_>>()?;
        let unknown = self.exit(true);
        self.charge();
        let object = match i.op {
            Code::Call => None,
            Code::CallFn => Some(self.read(i.b)?),
            _ => Some(values[self.receiver(i)?.0]),
        };
        let id = object.map(|object| self.type_id(object));
        let table = match id {
            Some(id) if callees.len() > CHAIN => self.by_type(i, id, callees, unknown)?,
            _ => None,
        };
        let env = self.env.clone();
        for (n, (callee, child)) in callees.iter().enumerate() {
            self.env = env.clone();
            let function = &self.program.functions[callee.index()];
            let mut next = None;
            // The closure, and what stands before the arguments.
            let mut closure = object.filter(|_| i.op == Code::CallFn);
            let mut hidden = Vec::new();
            if let Some(hits) = &table {
                self.cur = hits[n];
            } else if let (Some(object), Some(id)) = (object, id) {
                let miss = if self.region.contexts[*child].bound {
                    let (inner, caps, miss) = self.unbind(object, id, *callee);
                    (closure, hidden) = (Some(inner), caps);
                    miss
                } else {
                    let ids = self.ids_of(i, *callee)?;
                    self.one_of(id, &ids)?
                };
                next = Some(miss);
            }
            let facts = self.facts.of(self.program, *callee);
            let n = facts.kinds.len();
            let child_ctx = &self.region.contexts[*child];
            let mut frame = Frame {
                ctx: *child,
                base: child_ctx.base,
                facts,
                regs: vec![None; n],
                home: vec![false; n],
                headed: false,
            };
            self.max_depth = self.max_depth.max(child_ctx.depth as u32);
            self.max_base = self.max_base.max(child_ctx.base);
            let below = self.region.contexts[self.ctx].base;
            self.stride = self.stride.max(child_ctx.base - below);
            // What the object is has just been checked: its loads must stay behind that.
            let shown = Shown::Calls(callee.0);
            let known = object.map(|o| (o, self.push(Op::Known(o, shown))));
            let closure = closure.filter(|_| function.kind == FnKind::Literal);
            let all: Vec<Val> = closure
                .into_iter()
                .chain(hidden)
                .chain(values.iter().copied())
                .collect();
            if all.len() != function.entry_regs() {
                return Err(Abort::Internal("a callee with other arguments"));
            }
            for (slot, v) in frame.regs.iter_mut().zip(all) {
                *slot = Some(match known {
                    Some((o, k)) if o == v => k,
                    _ => v,
                });
            }
            self.env.frames.push(frame);
            self.go_to((*child, 0))?;
            match next {
                Some(miss) => self.cur = miss,
                None if table.is_some() => {}
                None => return Ok(()),
            }
        }
        if table.is_none() {
            self.g.blocks[self.cur].term = Term::Exit(unknown);
        }
        Ok(())
    }

    /// Goes on by the type id at once, in a block for each callee, or leaves; none where ids lie too far apart for a table
    /// or a callee is told by more than the id.
    fn by_type(
        &mut self,
        i: &Instr,
        id: Val,
        callees: &[(FnId, CtxId)],
        unknown: ExitId,
    ) -> Done<Option<Vec<BlockId>>> {
        if callees.iter().any(|(_, c)| self.region.contexts[*c].bound) {
            return Ok(None);
        }
        let mut ids = Vec::new();
        for (n, (callee, _)) in callees.iter().enumerate() {
            ids.extend(self.ids_of(i, *callee)?.into_iter().map(|id| (id, n)));
        }
        let least = ids.iter().map(|(id, _)| *id).min().unwrap_or(0);
        let ids = ids.into_iter().map(|(id, n)| ((id - least) as usize, n));
        let ids: Vec<(usize, usize)> = ids.collect();
        let span = ids.iter().map(|(k, _)| k + 1).max().unwrap_or(0);
        if span > TABLE {
            return Ok(None);
        }
        let hits: Vec<BlockId> = callees.iter().map(|_| self.g.block()).collect();
        let miss = self.g.block();
        self.g.blocks[miss].term = Term::Exit(unknown);
        let mut edges = vec![Edge::to(miss); span + 1];
        for (k, n) in ids {
            edges[k] = Edge::to(hits[n]);
        }
        let least = self.int(i64::from(least));
        let k = self.push(Op::Bin(Bin::Sub, id, least));
        self.g.blocks[self.cur].term = Term::Switch(k, edges);
        Ok(Some(hits))
    }

    /// Goes on where the type id is one of these; gives the block where it is none.
    fn one_of(&mut self, id: Val, ids: &[u32]) -> Done<BlockId> {
        if ids.is_empty() {
            return Err(Abort::Internal("no type for a callee"));
        }
        let hit = self.g.block();
        for k in ids {
            let k = self.int(i64::from(*k));
            let miss = self.g.block();
            self.g.blocks[self.cur].term =
                Term::Branch(Cc::Eq, id, k, Edge::to(hit), Edge::to(miss));
            self.cur = miss;
        }
        Ok(std::mem::replace(&mut self.cur, hit))
    }

    /// Goes on where the object binds this callee: the storable function, its capabilities, and the block
    /// where it does not.
    fn unbind(&mut self, object: Val, id: Val, callee: FnId) -> (Val, Vec<Val>, BlockId) {
        let [bound, hit, miss] = [(); 3].map(|()| self.g.block());
        let k = self.int(i64::from(BOUND));
        self.g.blocks[self.cur].term = Term::Branch(Cc::Eq, id, k, Edge::to(bound), Edge::to(miss));
        self.cur = bound;
        let known = self.push(Op::Known(object, Shown::Bound));
        let uses = self.program.functions[callee.index()].sig.uses.len() as u32;
        let mut fields = (0..=uses)
            .map(|k| {
                let at = ref_offset(k) as u32;
                self.push(Op::Load(known, at, Width::U32, Alias::Fixed))
            })
            .collect::<Vec<Val>>();
        let inner = fields.remove(0);
        let id = self.type_id(inner);
        let k = self.int(i64::from(callee.0));
        self.g.blocks[self.cur].term = Term::Branch(Cc::Eq, id, k, Edge::to(hit), Edge::to(miss));
        self.cur = hit;
        let inner = self.push(Op::Known(inner, Shown::Calls(callee.0)));
        (inner, fields, miss)
    }

    /// Type ids of the objects whose call leads to this function.
    fn ids_of(&self, i: &Instr, callee: FnId) -> Done<Vec<u32>> {
        if i.op == Code::CallFn {
            return Ok(vec![callee.0]);
        }
        let (_, of) = self.receiver(i)?;
        let targets = self.loaded.dyn_targets(of, i.b);
        Ok(targets
            .into_iter()
            .filter(|(_, f)| *f == callee)
            .map(|(t, _)| t)
            .collect())
    }

    /// Type id in an object's header.
    pub(crate) fn type_id(&mut self, object: Val) -> Val {
        let header = self.push(Op::Load(object, 0, Width::I64, Alias::Fixed));
        let shift = self.int(i64::from(TYPE_SHIFT));
        self.push(Op::Bin(Bin::Ushr, header, shift))
    }

    /// A call that stays one.
    pub(crate) fn call(&mut self, i: &Instr) -> Done {
        let f = self.f();
        let at = self.at(i.pc);
        let args: Vec<Val> = i.args(&f.code).map(|r| self.read(r)).collect::<Done<_>>()?;
        let target = match i.op {
            Code::CallFn => Target::Closure(self.read(i.b)?),
            Code::CallDyn => {
                let (row, first) = self.loaded.dyn_row(at);
                Target::Dyn(args[self.receiver(i)?.0], row, first)
            }
            _ => {
                let callee = self.program.resolve_fn(f.package, i.b);
                let callee = callee.ok_or(Abort::Internal("callee"))?;
                if self.g.own.is_some() && callee == self.region.func {
                    Target::Own
                } else {
                    Target::Direct(self.loaded.index(callee, 0))
                }
            }
        };
        let exit = self.exit(true);
        self.complete(false)?;
        let frame = self.env.frames.last().ok_or(Abort::Internal("no frame"))?;
        let (base, depth) = (frame.base, self.env.frames.len() as u32 - 1);
        let header = self.loaded.call_header(at);
        let (_, on_error) = after_call(f, i);
        let distance = (f.regs.len() + HEADER_WORDS) as u32;
        self.stride = self.stride.max(distance);
        let call = Call {
            target,
            base: base + distance,
            fuel: self.env.fuel,
            cost: self.loaded.cost(at),
            args,
            header: [header.lanes, header.link],
            depth,
            exit,
            on_error: on_error.map(|e| (self.at(e.pc), base)),
        };
        self.env.fuel = self.push(Op::Call(Box::new(call)));
        let fuel = self.env.fuel;
        let ty = self.reg_ty(depth as usize, i.a);
        let v = self.push(Op::CallValue(fuel, ty));
        self.reload()?;
        self.write(i.a, v);
        Ok(())
    }

    /// The object of a dynamic call among its arguments, and its trait.
    fn receiver(&self, i: &Instr) -> Done<(usize, TraitId)> {
        receiver(self.program, self.f(), i).ok_or(Abort::Internal("no object"))
    }
}
