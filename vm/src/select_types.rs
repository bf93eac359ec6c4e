//! Selection of the instructions whose form depends most on types: enums, dynamic and capability calls.

use jet_bytecode::analysis::decode::Instr;
use jet_bytecode::layout::EnumRepr;
use jet_bytecode::linked::{CapId, LSig, LType};
use jet_bytecode::opcodes::Op;

use crate::deepcopy::crossing;
use crate::dispatch::Handler;
use crate::load::{CapSite, Crossing, LoadError};
use crate::ops_call as oc;
use crate::ops_jump as oj;
use crate::ops_record as or;
use crate::select::{Acc, Selector, back, by_count};

impl Selector<'_, '_> {
    pub(crate) fn jump_tag(&mut self, i: &Instr) -> Option<Handler> {
        let back = self.jump_back(i, i.target()?)?;
        let negate = i.op == Op::JNotTag;
        let repr = self.repr(i.a)?;
        let is_none = match repr {
            EnumRepr::Nullable { none, .. } => Some(none == i.b),
            _ => None,
        };
        if let Some(is_none) = is_none {
            return Some(if is_none != negate {
                back!(back, oj::jnull[false,])
            } else {
                back!(back, oj::jnull[true,])
            });
        }
        let ty = self.ty(i.a)?;
        let plain = repr == EnumRepr::Immediate
            || (repr == EnumRepr::Boxed && self.t.record(ty, i.b)?.fields.is_empty());
        Some(match (plain, negate) {
            (true, false) => back!(back, oj::jtag_word[false,]),
            (true, true) => back!(back, oj::jtag_word[true,]),
            (false, false) => back!(back, oj::jtag_boxed[false,]),
            (false, true) => back!(back, oj::jtag_boxed[true,]),
        })
    }

    pub(crate) fn switch(&mut self, i: &Instr) -> Option<Handler> {
        let goes_back = i.switch_targets(&self.f.code).any(|t| t <= i64::from(i.pc));
        let back = if goes_back {
            self.jump_back(i, i64::from(i.pc))?
        } else {
            1
        };
        macro_rules! by_size {
            ($s:ident) => {
                if back == 2 {
                    oj::switch::<oj::$s, true> as Handler
                } else {
                    oj::switch::<oj::$s, false> as Handler
                }
            };
        }
        Some(match self.repr(i.a) {
            None | Some(EnumRepr::Immediate) => by_size!(SelWord),
            Some(EnumRepr::Nullable { none: 0, .. }) => by_size!(SelNone0),
            Some(EnumRepr::Nullable { .. }) => by_size!(SelNone1),
            Some(EnumRepr::Boxed | EnumRepr::Error) => by_size!(SelBoxed),
        })
    }

    pub(crate) fn construct(&mut self, i: &Instr) -> Option<Handler> {
        let ty = self.ty(i.a)?;
        let args: Vec<u16> = i.args(&self.f.code).collect();
        let (id, variant) = match self.t.program.ty(ty) {
            LType::Nominal(n) => (n.0, i.b),
            LType::Tuple(_) => (0, 0),
            _ => return None,
        };
        let repr = self.repr(i.a);
        let immediate = match repr {
            Some(EnumRepr::Immediate) => Some(variant),
            Some(EnumRepr::Nullable { none, .. }) if none == variant => Some(0),
            Some(EnumRepr::Boxed) if args.is_empty() => Some(variant),
            _ => None,
        };
        if let Some(value) = immediate {
            self.word(i).l = value;
            return Some(crate::strings::new_immediate);
        }
        if matches!(repr, Some(EnumRepr::Nullable { .. })) {
            let arg = *args.first()?;
            self.word(i).b = arg;
            return Some(crate::strings::new_some);
        }
        let record_variant = if repr.is_some() { variant } else { 0 };
        let layout = self.t.record(ty, record_variant)?;
        self.build(i, &layout, id, u8::try_from(variant).ok()?, &args)?;
        Some(self.new_handler(i))
    }

    pub(crate) fn payload(&mut self, i: &Instr) -> Option<Handler> {
        let (variant, field) = (i.c >> 8, i.c & 0xff);
        match self.repr(i.b)? {
            EnumRepr::Immediate => Some(or::always_fault),
            EnumRepr::Nullable { some, .. } => Some(if some == variant {
                or::payload_nullable
            } else {
                or::always_fault
            }),
            EnumRepr::Boxed | EnumRepr::Error => {
                let ty = self.ty(i.b)?;
                let layout = self.t.record(ty, variant)?;
                let (is_ref, offset) = Self::field(&layout, field)?;
                let word = self.word(i);
                word.l = variant;
                word.c = offset;
                Some(if is_ref {
                    or::payload_boxed::<true>
                } else {
                    or::payload_boxed::<false>
                })
            }
        }
    }

    pub(crate) fn call_dyn(&mut self, i: &Instr) -> Result<Option<(Handler, Acc)>, LoadError> {
        let found =
            i.args(&self.f.code)
                .enumerate()
                .find_map(|(k, reg)| match self.ltype(reg)? {
                    LType::Dyn(t) => Some((k, t.0)),
                    _ => None,
                });
        let Some((object, trait_id)) = found else {
            return Ok(None);
        };
        let site = self.t.dyn_site(trait_id, i.b, object)?;
        self.link(i);
        self.word(i).b = site;
        Ok(self
            .charged(i, by_count!(i.c, self.t.counts, oc::call_dyn))
            .map(|handler| (handler, Acc::Calls)))
    }

    pub(crate) fn cap_site(&mut self, i: &Instr) -> Option<u16> {
        let receiver = i.args(&self.f.code).next()?;
        let LType::Cap(cap) = self.ltype(receiver)? else {
            return None;
        };
        let cap = *cap;
        let method = self.t.program.cap(cap)?.methods.get(usize::from(i.b))?;
        let key = (cap.0, i.b);
        let index = match self.t.cap_site_of.get(&key) {
            Some(index) => *index,
            None => {
                let made = self.new_cap_site(cap, i.b, &method.sig);
                self.t.cap_sites.push(made);
                let index = self.t.cap_sites.len() - 1;
                self.t.cap_site_of.insert(key, index);
                index
            }
        };
        u16::try_from(index).ok()
    }

    fn new_cap_site(&self, cap: CapId, method: u16, sig: &LSig) -> CapSite {
        let (program, copied) = (self.t.program, &self.t.copied);
        let params = sig.params.iter();
        let params: Box<[Crossing]> = params.map(|ty| crossing(program, copied, *ty)).collect();
        let ret = crossing(program, copied, sig.ret);
        let errors = sig.errors.iter().filter_map(|e| program.nominal(*e));
        let crosses = params
            .iter()
            .chain([&ret])
            .any(|c| matches!(c, Crossing::Copied | Crossing::Sealed))
            || errors
                .into_iter()
                .any(|n| copied.get(n.ty.index()).copied().unwrap_or(true));
        CapSite {
            cap,
            method,
            crosses,
            params,
            ret,
        }
    }
}
