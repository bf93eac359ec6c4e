//! The table of the capability rules: each clause that is checked by itself, with its sentence and the code of its
//! message.
//!
//! What must stay true: no other place of the checker decides what a clause says or which code its breach has. A check
//! site finds a breach, asks [`broken`] whether the clause is in force, and goes on as if nothing was wrong where it
//! is not. A clause can be out of force only in builds with the feature `rule-switches`, which nothing but the
//! development dependencies of the test suite turns on: there is no such code in the command.

use super::Checker;
use crate::diag::Diagnostic;
use crate::diag::codes;
use crate::source::Span;

macro_rules! rules {
    ($($variant:ident $of:literal $id:literal $code:ident $sentence:literal;)*) => {
        /// A clause of the capability rules.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule { $(#[doc = $sentence] $variant,)* }

        /// All clauses.
        pub const RULES: &[Rule] = &[$(Rule::$variant,)*];

        impl Rule {
            /// Stable name.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Rule::$variant => $id,)* }
            }

            /// Which of the fourteen rules it is part of.
            #[must_use]
            pub fn of(self) -> u8 {
                match self { $(Rule::$variant => $of,)* }
            }

            /// The clause as a sentence.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Rule::$variant => $sentence,)* }
            }

            /// Code of the message that a breach gets.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Rule::$variant => codes::$code,)* }
            }
        }
    };
}

rules! {
    InterfaceGeneric 1 "cap.interface.generic" BAD_CAPABILITY "A capability's methods are not generic.";
    InterfaceUses 1 "cap.interface.uses" BAD_CAPABILITY "A capability's methods have no `uses`.";
    InterfaceSelf 1 "cap.interface.self" BAD_CAPABILITY "A capability's methods have no `self`.";
    InterfaceDefault 1 "cap.interface.default" BAD_CAPABILITY "Parameters of a capability's methods have no defaults.";
    InterfaceData 1 "cap.interface.data" BAD_CAPABILITY "A capability's methods pass data that holds no functions and no objects, in errors too.";
    ShadowStandard 1 "cap.identity.standard" CAP_SHADOWED "Nothing else has the name of a standard capability.";
    ShadowValue 1 "cap.identity.shadow" CAP_SHADOWED "No value, parameter or type parameter has the name of a capability.";
    RenamedImport 1 "cap.identity.rename" CAP_SHADOWED "An import does not rename a capability.";
    AsciiName 1 "cap.identity.ascii" BAD_CAPABILITY "A capability's name is written in ASCII.";
    UsesDeclared 2 "cap.uses.declared" MISSING_CAP "A function uses only what its `uses` names or an enclosing `with` binds.";
    UsesInterface 2 "cap.uses.interface" USES_MORE "An implementation uses no more than its interface says.";
    UsesNames 2 "cap.uses.names" NOT_A_CAP "Lists of capabilities name capabilities.";
    CapabilityType 3 "cap.second.type" SECOND_CLASS "A capability is the type of an attenuator's field only.";
    CapabilityMention 3 "cap.second.mention" SECOND_CLASS "A capability's name is no value.";
    CapabilityValue 3 "cap.second.capability" SECOND_CLASS "A capability stands only where a form asks for one.";
    AttenuatorValue 3 "cap.second.attenuator" SECOND_CLASS "An attenuator stands only right of `with`, as such a field or argument, and as `self`.";
    TypeArgument 3 "cap.second.type_argument" SECOND_CLASS "Nothing second class is a type argument or part of a value's type.";
    Parameter 3 "cap.second.parameter" SECOND_CLASS "Nothing second class is a parameter, borrowed functions excepted.";
    ResultType 3 "cap.second.result" SECOND_CLASS "Nothing second class is a result.";
    ErrorType 3 "cap.second.error" SECOND_CLASS "Nothing second class is part of an error.";
    FieldType 3 "cap.second.field" SECOND_CLASS "Nothing second class is part of a field's type, an attenuator's own fields excepted.";
    NoTraits 3 "cap.second.traits" BOUND "Nothing second class has equality, order, hash or text.";
    LocalFnAuthority 3 "cap.second.local_function" SECOND_CLASS "A local function captures no attenuator.";
    WithImplements 4 "cap.with.implements" BAD_WITH "What `with` binds implements the capability.";
    WithRelated 4 "cap.with.related" BAD_WITH "A capability is bound as itself, as a parent, or as a child that adds nothing.";
    WithTwice 4 "cap.with.twice" DUPLICATE "One `with` binds a capability once.";
    AttenuatorArgument 5 "cap.attenuator.argument" BAD_WITH "A capability field is filled by the capability or by an attenuator that implements it.";
    AttenuatorOwnFields 5 "cap.attenuator.scope" MISSING_CAP "An attenuator's methods use the fields of `self` and nothing of the caller's scope.";
    AttenuatorFields 5 "cap.attenuator.fields" BAD_ATTENUATOR "An attenuator's fields are read as `self.x` in its own methods only.";
    AttenuatorPattern 5 "cap.attenuator.pattern" BAD_ATTENUATOR "No pattern looks into an attenuator.";
    AttenuatorDerive 5 "cap.attenuator.derive" BAD_ATTENUATOR "An attenuator derives nothing.";
    AttenuatorMethods 5 "cap.attenuator.methods" BAD_ATTENUATOR "An attenuator has no methods but those of its capabilities.";
    AttenuatorMutable 5 "cap.attenuator.mutable" BAD_ATTENUATOR "A capability field is not `mut`.";
    AttenuatorDefault 5 "cap.attenuator.default" BAD_ATTENUATOR "A capability field has no default.";
    AttenuatorGeneric 5 "cap.attenuator.generic" BAD_ATTENUATOR "An attenuator has no type parameters.";
    AttenuatorData 5 "cap.attenuator.data" BAD_ATTENUATOR "An attenuator holds no stored functions and no objects.";
    AttenuatorTraits 5 "cap.attenuator.traits" BAD_ATTENUATOR "An attenuator implements no traits.";
    AttenuatorModule 5 "cap.attenuator.module" BAD_ATTENUATOR "An attenuator implements capabilities in the module that declares it.";
    FakeLocal 5 "cap.attenuator.fake" BAD_IMPL "A fake implements capabilities in the package that declares it.";
    BorrowedValue 6 "cap.borrowed.value" SECOND_CLASS "A borrowed function is called, `let`-bound, captured by a borrowed literal or passed to a borrowed parameter, and nothing else.";
    BorrowedStored 6 "cap.borrowed.stored" SECOND_CLASS "A borrowed function does not become a storable one.";
    BorrowedMutable 6 "cap.borrowed.mutable" SECOND_CLASS "No `mut` name holds a borrowed function.";
    BorrowedDefault 6 "cap.borrowed.default" SECOND_CLASS "A borrowed parameter has no default.";
    BorrowedUses 6 "cap.borrowed.uses" SECOND_CLASS "The type of a borrowed function has no `uses`.";
    BorrowedLocalFn 6 "cap.borrowed.local_function" SECOND_CLASS "A local function captures no borrowed function.";
    StorableUses 7 "cap.storable.uses" MISSING_CAP "A storable literal uses only what its own `uses` names.";
    StorableCapture 7 "cap.storable.capture" STORABLE "A storable literal captures nothing second class.";
    StorableMutable 7 "cap.storable.mutable" STORABLE "A storable literal captures no `mut` local.";
    StorableLocalFn 7 "cap.storable.local_function" STORABLE "A local function captures no `mut` local.";
    StorableWiden 7 "cap.storable.widen" MISMATCH "A function fits a type with no fewer `uses` than its own.";
    ParameterValue 7 "cap.authority.value" SECOND_CLASS "An authority parameter is no value and has no methods.";
    ParameterBound 7 "cap.authority.bound" NOT_A_CAP "`with` binds a capability, not an authority parameter.";
    ErrorsDeclared 8 "cap.errors.declared" UNHANDLED_ERROR "A function or literal raises only errors of its set, those of borrowed functions included.";
    AllowUse 9 "cap.allow.use" NOT_ALLOWED "What a block uses, its `allow` lists.";
    AllowField 9 "cap.allow.field" NOT_ALLOWED "The same for capability fields of `self`.";
    AllowCaptured 9 "cap.allow.captured" NOT_ALLOWED "A borrowed function that is called in a block captured only what its `allow` lists.";
    AllowUnknown 9 "cap.allow.unknown" NOT_ALLOWED "A borrowed function whose captures are not known is not called under `allow`.";
    HandleInside 10 "cap.handle.inside" BAD_CAPABILITY "In a capability's methods a handle stands alone or in `T?`.";
    HandlePattern 10 "cap.handle.pattern" PATTERN "No pattern looks into a handle.";
    HandleTraits 10 "cap.handle.traits" BAD_IMPL "A handle implements no traits.";
    PureCapability 11 "cap.pure.capability" NOT_PURE "Guards, defaults, constants and implicit calls use no capability and call nothing that does.";
    PureAttenuator 11 "cap.pure.attenuator" NOT_PURE "They build no attenuator.";
    PureBorrowed 11 "cap.pure.borrowed" NOT_PURE "They mention no borrowed function.";
    ConstantData 11 "cap.pure.constant" BAD_CONST "A constant refers to no changeable data.";
    DeferredForm 13 "cap.deferred.form" DEFERRED "A deferred function stands in the root module of its package and is not generic.";
    DeferredCall 13 "cap.deferred.call" DEFERRED "A deferred function is called by the program's own package only, and never by who implements it.";
    DeferredUses 13 "cap.deferred.uses" USES_MORE "An implementation uses no more than the deferred declaration.";
    Extern 13 "cap.worlds.extern" NOT_SUPPORTED "Confined code has no foreign functions.";
}

/// Whether a clause that is broken here is in force.
#[cfg(not(feature = "rule-switches"))]
pub(super) fn broken(_: Rule) -> bool {
    true
}

#[cfg(feature = "rule-switches")]
pub(super) use switches::broken;
#[cfg(feature = "rule-switches")]
pub use switches::watch;

/// Switches for tests of the rules themselves.
#[cfg(feature = "rule-switches")]
mod switches {
    use super::Rule;
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeSet;

    thread_local! {
        static OFF: Cell<Option<Rule>> = const { Cell::new(None) };
        static SEEN: RefCell<BTreeSet<Rule>> = const { RefCell::new(BTreeSet::new()) };
    }

    /// Whether a clause that is broken here is in force.
    pub(in crate::check) fn broken(rule: Rule) -> bool {
        SEEN.with_borrow_mut(|seen| seen.insert(rule));
        OFF.get() != Some(rule)
    }

    /// Runs `f` on this thread with a clause switched off, and says which clauses were broken.
    pub fn watch<T>(off: Option<Rule>, f: impl FnOnce() -> T) -> (T, BTreeSet<Rule>) {
        let before = OFF.replace(off);
        SEEN.take();
        let result = f();
        OFF.set(before);
        (result, SEEN.take())
    }
}

impl Checker<'_, '_> {
    /// Tells a breach of a clause; `false` where the clause is not in force.
    pub(super) fn breach(
        &mut self,
        rule: Rule,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> bool {
        let refused = broken(rule);
        if refused {
            let help = help.into();
            let d = Diagnostic::error(rule.code(), span, message);
            self.push(if help.is_empty() { d } else { d.help(help) });
        }
        refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_has_one_row() {
        let ids: std::collections::BTreeSet<_> = RULES.iter().map(|r| r.id()).collect();
        assert_eq!(ids.len(), RULES.len());
        for pair in RULES.windows(2) {
            assert!(pair[0].of() <= pair[1].of(), "{}", pair[1].id());
        }
        for rule in RULES {
            assert!((1..=14).contains(&rule.of()) && rule.sentence().ends_with('.'));
        }
    }
}
