//! What the checks of instructions ask about types, found once for each type of a program; and which error sets are
//! within which, found once for each pair that is asked for.
//!
//! What must stay true: a bit is set exactly if the type is of the class; so an operand's check costs the same however
//! large its type is.

use crate::layout::{self, RegKind};
use crate::linked::*;
use crate::opcodes::Class;
use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;

/// All classes but `Any`, which holds always.
const CLASSES: [Class; 17] = [
    Class::Int,
    Class::Float,
    Class::Bool,
    Class::Byte,
    Class::Char,
    Class::Word,
    Class::Str,
    Class::List,
    Class::Ref,
    Class::Enum,
    Class::ErrorSet,
    Class::Fn,
    Class::BorrowedFn,
    Class::AnyFn,
    Class::Dyn,
    Class::Att,
    Class::Cap,
];
/// The type is that of environments.
const ENV: u32 = 1 << 30;
/// Registers of the type have one definition.
const SINGLE: u32 = 1 << 31;

/// Facts about the types of one program.
pub(super) struct Facts<'a> {
    types: Vec<u32>,
    program: PhantomData<&'a Program>,
    /// By the places of the two lists in the program.
    subsets: RefCell<HashMap<(usize, usize), bool>>,
}

fn bit(class: Class) -> u32 {
    1 << class as u32
}

fn of_class(prog: &Program, ty: TypeId, class: Class) -> bool {
    let lty = prog.ty(ty);
    let nominal = match lty {
        LType::Nominal(n) => prog.nominal(*n),
        _ => None,
    };
    match class {
        Class::Any => true,
        Class::Int => *lty == LType::Int,
        Class::Float => *lty == LType::Float,
        Class::Bool => *lty == LType::Bool,
        Class::Byte => *lty == LType::Byte,
        Class::Char => *lty == LType::Char,
        Class::Word => *lty != LType::Unit && layout::reg_kind(prog, ty) == RegKind::Word,
        Class::Str => *lty == LType::Str,
        Class::List => matches!(lty, LType::List(_)),
        Class::Ref => {
            let is_struct = |n: &LNominal| matches!(n.kind, LNominalKind::Struct(_));
            matches!(lty, LType::List(_) | LType::Dyn(_))
                || nominal.is_some_and(|n| is_struct(n) && !n.attenuator)
        }
        Class::Enum => nominal
            .is_some_and(|n| matches!(n.kind, LNominalKind::Enum(_) | LNominalKind::Error(_))),
        Class::ErrorSet => matches!(lty, LType::ErrorSet(_)),
        Class::Fn => matches!(lty, LType::Fn(_)),
        Class::BorrowedFn => matches!(lty, LType::BorrowedFn(_)),
        Class::AnyFn => matches!(lty, LType::Fn(_) | LType::BorrowedFn(_)),
        Class::Dyn => matches!(lty, LType::Dyn(_)),
        Class::Att => nominal.is_some_and(|n| n.attenuator),
        Class::Cap => matches!(lty, LType::Cap(_)),
    }
}

impl<'a> Facts<'a> {
    /// Of all types of a program.
    pub(super) fn new(prog: &'a Program) -> Facts<'a> {
        let of = |ty: TypeId| {
            let classes = CLASSES.iter().filter(|c| of_class(prog, ty, **c));
            let mut bits = classes.fold(0, |bits, c| bits | bit(*c));
            if *prog.ty(ty) == LType::Env {
                bits |= ENV;
            }
            if matches!(prog.kind(ty), Kind::Cap | Kind::Att) {
                bits |= SINGLE;
            }
            bits
        };
        let ids = (0..prog.types.len() as u32).map(TypeId);
        Facts {
            types: ids.map(of).collect(),
            program: PhantomData,
            subsets: RefCell::default(),
        }
    }

    fn bits(&self, ty: TypeId) -> u32 {
        self.types.get(ty.index()).copied().unwrap_or(ENV)
    }

    /// Whether a type is of a class.
    pub(super) fn is(&self, ty: TypeId, class: Class) -> bool {
        class == Class::Any || self.bits(ty) & bit(class) != 0
    }

    /// Whether it is the type of environments.
    pub(super) fn is_env(&self, ty: TypeId) -> bool {
        self.bits(ty) & ENV != 0
    }

    /// Whether it is a capability's or an attenuator's.
    pub(super) fn single(&self, ty: TypeId) -> bool {
        self.bits(ty) & SINGLE != 0
    }

    /// Whether all errors of one ascending list are in another. Both are lists of the program, so their places name them.
    pub(super) fn subset(&self, part: &'a [NominalId], whole: &'a [NominalId]) -> bool {
        if part.len() < 4 {
            return part.iter().all(|e| whole.binary_search(e).is_ok());
        }
        // One walk along both.
        let within = || {
            let mut rest = whole.iter();
            part.iter().all(|e| rest.find(|w| *w >= e) == Some(e))
        };
        let key = (part.as_ptr() as usize, whole.as_ptr() as usize);
        *self.subsets.borrow_mut().entry(key).or_insert_with(within)
    }
}
