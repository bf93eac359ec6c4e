//! One thing changed in the code of a valid bundle: every operand, index, jump, join and edge in turn.

use super::edit::*;
use super::{Forge, everything};
use jet_bytecode::analysis::decode::Instr;
use jet_bytecode::joins::JoinList;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{Class, Lane, Op, Word};
use jet_bytecode::verify::Rule;

/// The rule that a register of another type breaks, by opcode and operand.
fn of_wrong_type(p: &Package, f: &Function, i: &Instr, s: &Slot) -> Rule {
    use Op::*;
    let class = match (s.arg, i.op.info().lanes.get(s.lane.wrapping_sub(1))) {
        (None, Some(Lane::Read(c) | Lane::Write(c))) => Some(*c),
        _ => None,
    };
    if class.is_some_and(|c| c != Class::Any) {
        return Rule::Class;
    }
    if let Some(k) = s.arg {
        let uses = match i.op {
            Call => match usize::from(i.b).checked_sub(p.imports.len()) {
                Some(n) => p.functions[n].sig.uses.len(),
                None => p.imports[usize::from(i.b)].sig.uses.len(),
            },
            CallFn => match &p.types[usize::from(f.regs[usize::from(i.b)])] {
                Type::Fn(sig) => sig.uses.len(),
                _ => 0,
            },
            BindFn => usize::MAX,
            _ => 0,
        };
        return match i.op {
            StrConcatN | ListSlice => Rule::Class,
            ListOf => Rule::Element,
            CallDyn | CapCall if k == 0 => Rule::Callee,
            _ if k < uses => Rule::Hidden,
            _ => Rule::Arguments,
        };
    }
    match i.op {
        ConstImm => Rule::Immediate,
        LoadConst | New => Rule::Class,
        ListFill | ListGet | ListSet | ListPush | ListPop | ListInsert | ListRemove => {
            Rule::Element
        }
        GetField if s.lane == 2 => Rule::Class,
        SetField if s.lane == 1 => Rule::Class,
        GetCapture => Rule::Capture,
        Call | CallFn | CallDyn | CapCall | Builtin => Rule::Result,
        OnError => Rule::ErrorType,
        Ret | Raise => Rule::Return,
        MakeDyn | AsCap => Rule::Conversion,
        HashWord => Rule::Class,
        Switch => Rule::SwitchForm,
        _ => Rule::SameType,
    }
}

/// The rule that an index far out of range breaks.
fn of_wild_index(op: Op) -> Rule {
    use Op::*;
    match op {
        JTag | JNotTag | New | GetPayload => Rule::Variant,
        JErrIs | MakeFn | MakeBorrowed | Call => Rule::Index,
        GetField | SetField | GetCap => Rule::FieldIndex,
        GetCapture => Rule::Capture,
        CallDyn | CapCall | Builtin => Rule::Callee,
        Trap => Rule::TrapKind,
        other => panic!("{other:?} has an index?"),
    }
}

/// Every function of the bundle.
fn functions() -> Vec<(usize, Function)> {
    let b = everything();
    b.packages[0]
        .functions
        .iter()
        .cloned()
        .enumerate()
        .collect()
}

pub fn operands(forge: &mut Forge) {
    let base = everything();
    let p = &base.packages[0];
    for (n, f) in functions() {
        for i in list(&f) {
            let name = |what: &str| format!("{} {} {:?}: {what}", f.name, i.pc, i.op);
            for (k, s) in slots(&f, &i).into_iter().enumerate() {
                let mut g = f.clone();
                set(&mut g, s.word, s.lane, 0xffff);
                forge.code(
                    n,
                    g,
                    i.pc,
                    &[Rule::RegisterIndex],
                    &name(&format!("operand {k} undeclared")),
                );
                let mut g = f.clone();
                let count = g.regs.len() as u16;
                set(&mut g, s.word, s.lane, count);
                forge.code(
                    n,
                    g,
                    i.pc,
                    &[Rule::RegisterIndex],
                    &name(&format!("operand {k} one too many")),
                );
                let ty = f.regs[usize::from(s.reg)];
                if !s.write {
                    let mut g = f.clone();
                    let r = fresh(&mut g, ty);
                    set(&mut g, s.word, s.lane, r);
                    forge.code(
                        n,
                        g,
                        i.pc,
                        &[Rule::Uninitialised],
                        &name(&format!("operand {k} uninitialised")),
                    );
                }
                let mut g = f.clone();
                let rule = of_wrong_type(p, &f, &i, &s);
                let r = wrong(p, &mut g, ty);
                set(&mut g, s.word + 1, s.lane, r);
                forge.code(
                    n,
                    g,
                    i.pc + 1,
                    &[rule],
                    &name(&format!("operand {k} of another type")),
                );
            }
            for (k, (lane, _)) in i.operands().enumerate() {
                let rule = match lane {
                    Lane::Unused => Rule::Operand,
                    Lane::Index => of_wild_index(i.op),
                    Lane::Const32 => Rule::Index,
                    _ => continue,
                };
                let mut g = f.clone();
                set(&mut g, i.pc as usize, k + 1, 0xffff);
                forge.code(n, g, i.pc, &[rule], &name(&format!("lane {k} set")));
            }
            if i.padding(&f.code).next().is_some() {
                let mut g = f.clone();
                set(&mut g, i.next_pc() as usize - 1, 3, 1);
                forge.code(n, g, i.pc, &[Rule::Operand], &name("padding set"));
            }
            let mut g = f.clone();
            set(&mut g, i.pc as usize, 0, 0xfff0);
            forge.code(n, g, i.pc, &[Rule::Decode], &name("no opcode"));
            if i.len > 1 {
                let mut g = f.clone();
                g.code.truncate(i.next_pc() as usize - 1);
                g.joins
                    .edit(|list| list.retain(|(pc, _)| (*pc as usize) < g.code.len()));
                g.lines.retain(|l| (l.pc as usize) < g.code.len());
                forge.code(n, g, i.pc, &[Rule::Decode], &name("cut in the middle"));
            }
        }
    }
}

/// An argument more, and one less.
pub fn counts(forge: &mut Forge) {
    for (n, f) in functions() {
        for i in list(&f) {
            if i.count().is_none() || matches!(i.op, Op::StrConcatN | Op::ListOf | Op::Switch) {
                continue;
            }
            let args: Vec<u16> = i.args(&f.code).collect();
            let at = i.pc as usize;
            let rules = &[Rule::Arguments, Rule::Hidden, Rule::Callee];
            let lane = 1 + i
                .op
                .info()
                .lanes
                .iter()
                .position(|l| *l == Lane::Count)
                .unwrap();
            // Within the words that are there.
            let fits = |n: usize| n.div_ceil(4).max(1) == (i.len as usize - 1);
            if !args.is_empty() && fits(args.len() - 1) {
                let mut g = f.clone();
                let k = args.len() - 1;
                set(&mut g, at, lane, k as u16);
                set(&mut g, at + 1 + k / 4, k % 4, 0);
                forge.code(
                    n,
                    g,
                    i.pc,
                    rules,
                    &format!("{} {at}: an argument less", f.name),
                );
            }
            if fits(args.len() + 1) {
                let mut g = f.clone();
                let k = args.len();
                // Some register that is initialised: an argument, or the first parameter.
                let entry = u16::from(f.kind == FnKind::Literal);
                let r = args.last().copied().unwrap_or(entry);
                set(&mut g, at, lane, k as u16 + 1);
                set(&mut g, at + 1 + k / 4, k % 4, r);
                forge.code(
                    n,
                    g,
                    i.pc,
                    rules,
                    &format!("{} {at}: an argument more", f.name),
                );
            }
            if args.len() >= 2 {
                for k in 1..args.len() {
                    let ty = |k: usize| f.regs[usize::from(args[k])];
                    if ty(k) == ty(k - 1) {
                        continue;
                    }
                    let mut g = f.clone();
                    set(&mut g, at + 1 + k / 4, k % 4, args[k - 1]);
                    set(&mut g, at + 1 + (k - 1) / 4, (k - 1) % 4, args[k]);
                    forge.code(n, g, i.pc, rules, &format!("{} {at}: {k} swapped", f.name));
                }
            }
        }
    }
}

/// Other callees and literals than the right ones.
pub fn callees(forge: &mut Forge) {
    let base = everything();
    let p = &base.packages[0];
    for (n, f) in functions() {
        for i in list(&f) {
            let literal = matches!(i.op, Op::MakeFn | Op::MakeBorrowed);
            if i.op != Op::Call && !literal {
                continue;
            }
            for (k, callee) in p.functions.iter().enumerate() {
                let own = &p.functions[usize::from(i.b)];
                let is_literal = callee.kind == FnKind::Literal;
                if callee.sig == own.sig
                    && callee.captures == own.captures
                    && callee.kind == own.kind
                {
                    continue;
                }
                let rules: &[Rule] = match (literal, is_literal) {
                    (false, true) => &[Rule::Callee],
                    (true, false) => &[Rule::Literal],
                    (true, true) => &[Rule::Literal, Rule::Arguments],
                    (false, false) => &[
                        Rule::Arguments,
                        Rule::Hidden,
                        Rule::Result,
                        Rule::ErrorEdge,
                        Rule::ErrorType,
                    ],
                };
                let mut g = f.clone();
                set(&mut g, i.pc as usize, 2, k as u16);
                forge.code_near(
                    n,
                    g,
                    rules,
                    &format!("{} {}: {}", f.name, i.pc, callee.name),
                );
            }
        }
    }
}

/// Where each jump of an instruction is stored: word, and half of it for a `switch`.
fn jump_slots(i: &Instr, f: &Function) -> Vec<(usize, Option<usize>)> {
    let mut out = Vec::new();
    if i.target().is_some() {
        out.push((i.pc as usize, None));
    }
    let n = i.switch_targets(&f.code).count();
    out.extend((0..n).map(|k| (i.pc as usize + 1 + k / 2, Some(k % 2))));
    out
}

fn retarget(f: &mut Function, i: &Instr, (word, half): (usize, Option<usize>), to: i64) {
    let offset = to - i64::from(i.pc);
    match half {
        Some(h) => {
            let w = &mut f.code[word];
            *w = *w & !(0xffff_ffff << (32 * h)) | u64::from(offset as i32 as u32) << (32 * h);
        }
        None => match i.op.info().lanes.iter().position(|l| *l == Lane::Jump16) {
            Some(k) => set(f, word, k + 1, offset as i16 as u16),
            None => f.code[word] = Word::a32(i.op, i.a, offset as i32 as u32).0,
        },
    }
}

pub fn jumps(forge: &mut Forge) {
    for (n, f) in functions() {
        let all = list(&f);
        let wide: Vec<i64> = all
            .iter()
            .filter(|i| i.len > 1)
            .map(|i| i64::from(i.pc) + 1)
            .collect();
        let edges = all
            .iter()
            .filter(|i| i.op == Op::OnError)
            .map(|i| i64::from(i.pc));
        let edges: Vec<i64> = edges.collect();
        let no_join = all.iter().map(|i| i.pc);
        let no_join: Vec<u32> = no_join
            .filter(|pc| f.joins.iter().all(|j| j.pc != *pc))
            .collect();
        for i in &all {
            for slot in jump_slots(i, &f) {
                let len = f.code.len() as i64;
                let outside = [len, len + 1, -1, -1000, 20_000].into_iter();
                for to in outside
                    .chain(wide.iter().copied())
                    .chain(edges.iter().copied())
                {
                    let mut g = f.clone();
                    retarget(&mut g, i, slot, to);
                    forge.code(
                        n,
                        g,
                        i.pc,
                        &[Rule::JumpTarget],
                        &format!("{} {} to {to}", f.name, i.pc),
                    );
                }
                for to in no_join.iter().take(3) {
                    let mut g = f.clone();
                    retarget(&mut g, i, slot, i64::from(*to));
                    forge.code_near(
                        n,
                        g,
                        &[Rule::Joins, Rule::JumpTarget],
                        &format!("{} {} to {to}", f.name, i.pc),
                    );
                }
            }
        }
    }
}

pub fn joins(forge: &mut Forge) {
    for (n, f) in functions() {
        for (k, join) in f.joins.iter().enumerate() {
            let pc = join.pc;
            let name = |what: &str| format!("{} join {pc}: {what}", f.name);
            let change = |g: &dyn Fn(&mut JoinList)| {
                let mut h = f.clone();
                h.joins.edit(|list| g(list));
                h
            };
            let g = change(&|list| drop(list.remove(k)));
            forge.code(n, g, pc, &[Rule::Joins], &name("missing"));
            let g = change(&|list| list[k].0 += 1);
            forge.code_near(n, g, &[Rule::Joins], &name("elsewhere"));
            let g = change(&|list| list.insert(k, list[k].clone()));
            forge.code(n, g, pc, &[Rule::Joins], &name("twice"));
            let g = change(&|list| list[k].1.push(f.regs.len() as u16));
            forge.code(n, g, pc, &[Rule::Joins], &name("undeclared"));
            for ty in [0u16, 4] {
                let mut g = f.clone();
                let r = fresh(&mut g, ty);
                g.joins.edit(|list| list[k].1.push(r));
                forge.code_near(
                    n,
                    g,
                    &[Rule::JoinAssigned],
                    &name(&format!("claims a register of type {ty}")),
                );
            }
            for (at, r) in join.live.iter().enumerate() {
                let g = change(&|list| list[k].1.retain(|other| other != r));
                let rules = &[Rule::Uninitialised, Rule::JoinAssigned];
                forge.code_near(n, g, rules, &name(&format!("without r{r}")));
                let g = change(&|list| list[k].1.insert(at, *r));
                forge.code(n, g, pc, &[Rule::Joins], &name(&format!("r{r} twice")));
            }
        }
        if let Some(i) = list(&f)
            .iter()
            .find(|i| f.joins.iter().all(|j| j.pc != i.pc))
        {
            let mut g = f.clone();
            g.joins.edit(|list| {
                let at = list.partition_point(|(pc, _)| *pc < i.pc);
                list.insert(at, (i.pc, vec![]));
            });
            forge.code_near(
                n,
                g,
                &[Rule::Joins],
                &format!("{}: join without jump", f.name),
            );
        }
    }
}

/// Edges: behind calls that fail and those that do not, dead code, running off the end, two definitions.
pub fn edges(forge: &mut Forge) {
    let base = everything();
    let p = &base.packages[0];
    for (n, f) in functions() {
        let all = list(&f);
        let target = f.joins.get(0).map(|j| j.pc);
        for (k, i) in all.iter().enumerate() {
            let next = all.get(k + 1);
            let fails = next.is_some_and(|n| n.op == Op::OnError);
            let name = |what: &str| format!("{} {} {:?}: {what}", f.name, i.pc, i.op);
            if fails {
                let mut g = f.clone();
                let r = wrong(p, &mut g, 0);
                let at = i.next_pc() + 1;
                insert(&mut g, at, &[Word::abc(Op::Mov, r, r, 0)], false);
                forge.code(n, g, at, &[Rule::ErrorEdge], &name("error edge comes late"));
            } else if i.falls_through()
                && i.op != Op::OnError
                && let Some(t) = target
            {
                let mut g = f.clone();
                let r = fresh(&mut g, 0);
                let at = i.next_pc();
                insert(&mut g, at, &[Word::a32(Op::OnError, r, 0)], true);
                let to = if t >= at { t + 1 } else { t };
                let offset = i64::from(to) - i64::from(at);
                g.code[at as usize] = Word::a32(Op::OnError, r, offset as i32 as u32).0;
                forge.code_near(
                    n,
                    g,
                    &[Rule::ErrorEdge, Rule::JumpTarget],
                    &name("error edge of nothing"),
                );
            }
            if !i.falls_through() {
                let mut g = f.clone();
                insert(&mut g, i.next_pc(), &[Word::abc(Op::Trap, 18, 0, 0)], false);
                forge.code(
                    n,
                    g,
                    i.next_pc(),
                    &[Rule::Unreachable],
                    &name("dead code behind"),
                );
                let r = if i.op == Op::Jmp { None } else { Some(i.a) };
                if k + 1 == all.len()
                    && let Some(r) = r.filter(|_| i.op != Op::Trap)
                {
                    let mut g = f.clone();
                    g.code[i.pc as usize] = Word::abc(Op::Mov, r, r, 0).0;
                    forge.code(n, g, i.pc, &[Rule::FallsOff], &name("runs off the end"));
                }
            }
            let writes = i
                .writes()
                .map(|r| &p.types[usize::from(f.regs[usize::from(r)])]);
            let is_att = |t: &Type| matches!(t, Type::Nominal(n) if p.nominals[usize::from(*n)].name == "Narrow");
            if writes.is_some_and(|t| matches!(t, Type::Cap(_)) || is_att(t)) {
                let words: Vec<Word> = f.code[i.pc as usize..i.next_pc() as usize]
                    .iter()
                    .map(|w| Word(*w))
                    .collect();
                let mut g = f.clone();
                insert(&mut g, i.next_pc(), &words, false);
                forge.code(
                    n,
                    g,
                    i.next_pc(),
                    &[Rule::OneDefinition],
                    &name("defined again"),
                );
            }
        }
    }
}

/// Immediates that are no value of their register's type.
pub fn immediates(forge: &mut Forge) {
    let base = everything();
    let p = &base.packages[0];
    let n = p.functions.iter().position(|f| f.name == "say").unwrap();
    for (t, ty) in (0u16..).zip(&p.types) {
        let bad: &[i32] = match ty {
            Type::Int => &[],
            Type::Unit => &[1, -1],
            Type::Bool => &[2, -1, 256],
            Type::Byte => &[256, -1, i32::MAX],
            Type::Char => &[0xd800, 0xdfff, 0x11_0000, -1],
            _ => &[0, 1, -1, 2, 4096],
        };
        for v in bad {
            let fits = matches!(ty, Type::Nominal(n) if p.nominals[usize::from(*n)].name == "Color" && (0..2).contains(v));
            if fits {
                continue;
            }
            let mut g = p.functions[n].clone();
            let r = fresh(&mut g, t);
            insert(&mut g, 0, &[Word::a32(Op::ConstImm, r, *v as u32)], false);
            let rules: &[Rule] = match ty {
                Type::Env => &[Rule::Environment],
                _ => &[Rule::Immediate],
            };
            forge.code_near(n, g, rules, &format!("{v} as type {t}"));
        }
    }
}

/// Frames: each leading register, each type that stands where it must not.
pub fn frames(forge: &mut Forge) {
    let base = everything();
    let p = &base.packages[0];
    let (env, unit) = (type_ix(p, &Type::Env), type_ix(p, &Type::Unit));
    for (n, f) in functions() {
        let entry = usize::from(f.kind == FnKind::Literal) + f.sig.uses.len() + f.sig.params.len();
        for r in 0..f.regs.len() {
            let mut g = f.clone();
            g.regs[r] = 0xffff;
            forge.code_near(n, g, &[Rule::Index], &format!("{}: type of r{r}", f.name));
            let mut g = f.clone();
            if r < entry {
                g.regs[r] = unit;
                forge.code_near(
                    n,
                    g,
                    &[Rule::Registers],
                    &format!("{}: r{r} is a parameter", f.name),
                );
            } else {
                g.regs[r] = env;
                forge.code_near(
                    n,
                    g,
                    &[Rule::Environment],
                    &format!("{}: r{r} is an environment", f.name),
                );
            }
        }
        if entry > 0 {
            let mut g = f.clone();
            g.regs.truncate(entry - 1);
            forge.code_near(
                n,
                g,
                &[Rule::Registers, Rule::Joins],
                &format!("{}: too few registers", f.name),
            );
        }
        let mut g = f.clone();
        g.code.clear();
        g.joins.edit(Vec::clear);
        g.lines.clear();
        forge.code_near(n, g, &[Rule::CodeSize], &format!("{}: no code", f.name));
        if f.kind == FnKind::Named {
            let mut g = f.clone();
            g.captures.push(unit);
            forge.code_near(n, g, &[Rule::Environment], &format!("{}: captures", f.name));
            let mut g = f.clone();
            g.kind = FnKind::Literal;
            let rules = &[
                Rule::Registers,
                Rule::ImplSignature,
                Rule::Entry,
                Rule::Callee,
            ];
            forge.code_near(n, g, rules, &format!("{}: as a literal", f.name));
        } else {
            let mut g = f.clone();
            g.kind = FnKind::Named;
            forge.code_near(
                n,
                g,
                &[Rule::Registers, Rule::Environment],
                &format!("{}: as named", f.name),
            );
        }
    }
}
