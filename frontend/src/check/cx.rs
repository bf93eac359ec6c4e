//! State of the body that is being checked: locals, scopes, frames of literals, capability
//! environment, inference variables.
//!
//! One `FnCx` per function, constant or default value; function literals push a [`Frame`] on the
//! same one, since they share its locals.

use super::{Pred, TyScope, UseSite};
use crate::source::{Span, Symbol};
use crate::thir::{CapId, FnId, LocalDef, LocalId, LoopId, TraitId, Ty, TyTable};
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// What an expression is checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// A statement: the value is dropped.
    Stmt,
    /// A value of any type.
    Any,
    /// A value that will have to fit this type (a hint: the caller coerces).
    Ty(Ty),
    /// Something fallible whose value edge has this type (a hint).
    Ret(Ty),
}

impl Want {
    pub fn ty(self) -> Option<Ty> {
        match self {
            Want::Ty(t) => Some(t),
            _ => None,
        }
    }
}

/// What a name of the body stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ScopeItem {
    Local(LocalId),
    Fn(FnId),
}

/// What the checker knows of a local beside its definition in the program.
#[derive(Clone, Debug)]
pub(crate) struct LocalInfo {
    /// Frame that defines it.
    pub frame: usize,
    pub mutable: bool,
    /// Bound by a pattern, so that a message tells if nothing uses it.
    pub named: bool,
    pub used: bool,
    pub span: Span,
    /// Depth of the capability environment at its definition.
    pub env_depth: usize,
    /// For a `let`-bound borrowed function: the capabilities that it captured.
    pub captured: Option<Rc<Vec<CapId>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LitKind {
    /// The body of the function itself.
    Function,
    /// Captures data only, sees only its own `uses`.
    Storable,
    /// Captures anything.
    Borrowed,
    /// `let`-bound: storable if it captures data only.
    Undecided,
}

/// Where the errors of a frame go.
#[derive(Clone, Debug)]
pub(crate) enum FrameErrs {
    Declared(Ty),
    Collect(Vec<Ty>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct TryCx {
    pub thrown: Vec<(Ty, Span)>,
}

#[derive(Clone, Debug)]
pub(crate) struct LoopCx {
    pub id: LoopId,
    pub label: Option<Symbol>,
    /// Place of the label.
    pub span: Span,
    pub has_break: bool,
}

/// A function or literal around the current place.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub kind: LitKind,
    pub ret: Ty,
    pub saw_return: bool,
    pub errs: FrameErrs,
    pub tries: Vec<TryCx>,
    pub loops: Vec<LoopCx>,
    /// In a `defer` block: how many loops and `try` blocks are around it.
    pub deferred: Option<(usize, usize)>,
    /// Captured something that is not data, or a changeable local.
    pub second: bool,
    /// Capabilities of outer bindings that it uses.
    pub caps: Vec<CapId>,
    /// Captured a borrowed function whose captures are unknown.
    pub unknown: bool,
}

/// An entry of the capability environment, innermost last.
#[derive(Clone, Debug)]
pub(crate) enum EnvEntry {
    Bind {
        cap: CapId,
        local: LocalId,
        frame: usize,
        /// Hidden parameter of the function itself.
        hidden: bool,
    },
    Allow {
        caps: Vec<CapId>,
        span: Span,
    },
    /// Start of a storable literal.
    Barrier,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct InferVar {
    pub binding: Option<Ty>,
    pub is_err: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Obligation {
    pub pred: Pred,
    pub span: Span,
    /// What needs it, for the message.
    pub why: String,
}

#[derive(Debug)]
pub(crate) struct FnCx<'a> {
    pub scope: TyScope,
    pub preds: Rc<Vec<Pred>>,
    pub locals: Vec<LocalDef>,
    pub infos: Vec<LocalInfo>,
    /// Names bound by each open block.
    pub scopes: Vec<Vec<Symbol>>,
    /// What each name stands for, innermost last.
    pub by_name: FxHashMap<Symbol, Vec<ScopeItem>>,
    /// The function around a local function: its local functions are visible, its locals can be captured.
    pub parent: Option<Box<FnCx<'a>>>,
    /// In a local function: the locals of the function around it that it captured, each with the parameter that
    /// stands for it.
    pub captures: Vec<(LocalId, LocalId)>,
    /// Mentions of local functions that are still being checked.
    pub open_mentions: Vec<(FnId, Span)>,
    pub frames: Vec<Frame>,
    pub env: Vec<EnvEntry>,
    pub vars: Vec<InferVar>,
    pub trail: Vec<u32>,
    pub obligations: Vec<Obligation>,
    /// Warnings of values that go nowhere.
    pub idle: Vec<crate::diag::Diagnostic>,
    pub next_loop: u32,
    /// Why only pure code may stand here.
    pub pure: Option<&'static str>,
    /// Inside a guard nothing may leave.
    pub in_guard: bool,
    pub sites: Vec<UseSite>,
    pub fn_id: Option<FnId>,
    pub in_const: bool,
    /// Errors that leave the function without being named by it, which were told.
    pub told_errs: rustc_hash::FxHashSet<Ty>,
    /// Steps left before the function counts as too complicated.
    pub fuel: u64,
    pub out_of_fuel: bool,
    /// Open error variables were defaulted.
    pub settled: bool,
    /// Captures of the literal that was checked last, if they are known.
    pub last_captures: Option<Rc<Vec<CapId>>>,
    /// Place of the expression that is being checked, for messages about its type.
    pub at: Span,
    pub marker: std::marker::PhantomData<&'a ()>,
}

impl FnCx<'_> {
    pub fn new(scope: TyScope) -> Self {
        FnCx {
            scope,
            preds: Rc::new(Vec::new()),
            locals: Vec::new(),
            infos: Vec::new(),
            scopes: Vec::new(),
            by_name: FxHashMap::default(),
            parent: None,
            captures: Vec::new(),
            open_mentions: Vec::new(),
            settled: false,
            frames: Vec::new(),
            env: Vec::new(),
            vars: Vec::new(),
            trail: Vec::new(),
            obligations: Vec::new(),
            idle: Vec::new(),
            next_loop: 0,
            pure: None,
            in_guard: false,
            sites: Vec::new(),
            fn_id: None,
            in_const: false,
            told_errs: rustc_hash::FxHashSet::default(),
            fuel: 4_000_000,
            out_of_fuel: false,
            last_captures: None,
            at: Span::default(),
            marker: std::marker::PhantomData,
        }
    }

    /// Where the checker is.
    pub fn here(&self) -> Span {
        self.at
    }

    /// Index of the innermost frame.
    pub fn frame_index(&self) -> usize {
        self.frames.len().saturating_sub(1)
    }

    pub fn new_local(&mut self, name: &str, ty: Ty, mutable: bool, span: Span) -> LocalId {
        let id = LocalId(u32::try_from(self.locals.len()).unwrap_or(u32::MAX));
        self.locals.push(LocalDef {
            name: name.to_string(),
            ty,
            mutable,
        });
        self.infos.push(LocalInfo {
            frame: self.frame_index(),
            mutable,
            named: false,
            used: false,
            span,
            env_depth: self.env.len(),
            captured: None,
        });
        id
    }

    pub fn local_ty(&self, id: LocalId) -> Ty {
        self.locals
            .get(id.0 as usize)
            .map_or(TyTable::ERROR, |l| l.ty)
    }

    pub fn push_scope(&mut self) {
        self.scopes.push(Vec::new());
    }

    pub fn pop_scope(&mut self) {
        for name in self.scopes.pop().unwrap_or_default() {
            if let Some(items) = self.by_name.get_mut(&name) {
                items.pop();
            }
        }
    }

    pub fn bind(&mut self, name: Symbol, item: ScopeItem) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(name);
            self.by_name.entry(name).or_default().push(item);
        }
    }

    /// Looks a name up: locals of this function, local functions of those around it too.
    pub fn lookup(&self, name: Symbol) -> Option<ScopeItem> {
        if let Some(item) = self.by_name.get(&name).and_then(|v| v.last()) {
            return Some(*item);
        }
        let mut at = self.parent.as_deref();
        while let Some(cx) = at {
            // A local in between hides what is further out; it is to be captured.
            if let Some(item) = cx.by_name.get(&name).and_then(|v| v.last()) {
                return match item {
                    ScopeItem::Fn(_) => Some(*item),
                    ScopeItem::Local(_) => None,
                };
            }
            at = cx.parent.as_deref();
        }
        None
    }

    /// How many functions are around this one.
    pub fn level(&self) -> usize {
        let mut n = 0;
        let mut at = self.parent.as_deref();
        while let Some(cx) = at {
            n += 1;
            at = cx.parent.as_deref();
        }
        n
    }

    /// Whether a function around this one has a local of this name.
    pub fn outer_local(&self, name: Symbol) -> bool {
        let mut at = self.parent.as_deref();
        while let Some(cx) = at {
            if let Some(item) = cx.by_name.get(&name).and_then(|v| v.last()) {
                return matches!(item, ScopeItem::Local(_));
            }
            at = cx.parent.as_deref();
        }
        false
    }

    /// Names that are visible here.
    pub fn visible_names(&self) -> Vec<Symbol> {
        self.scopes.iter().flatten().copied().collect()
    }

    pub fn new_loop(&mut self) -> LoopId {
        let id = LoopId(self.next_loop);
        self.next_loop += 1;
        id
    }

    pub fn oblige(&mut self, ty: Ty, trait_id: TraitId, args: Vec<Ty>, span: Span, why: String) {
        self.obligations.push(Obligation {
            pred: Pred { ty, trait_id, args },
            span,
            why,
        });
    }
}
