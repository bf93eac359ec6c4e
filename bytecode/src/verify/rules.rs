//! The table of rules: every reason why a bundle is refused, with its sentence.
//!
//! What must stay true: each rule is refused by a test of its own; a rule can be out of force only in builds with the
//! feature `rule-switches`, which nothing but the development dependencies of the test suite turns on.

macro_rules! rules {
    ($($variant:ident $name:literal $sentence:literal;)*) => {
        /// A rule of the verifier.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule { $(#[doc = $sentence] $variant,)* }

        /// All rules.
        pub const RULES: &[Rule] = &[$(Rule::$variant,)*];

        impl Rule {
            /// Short name.
            pub fn name(self) -> &'static str {
                match self { $(Rule::$variant => $name,)* }
            }

            /// The rule as a sentence.
            pub fn sentence(self) -> &'static str {
                match self { $(Rule::$variant => $sentence,)* }
            }
        }
    };
}

rules! {
    // Structure.
    Work "work" "Verification ends within its work limit.";
    Count "count" "Every table and list stays within its limit.";
    Index "index" "Every index is within its table.";
    Name "name" "Names are not empty, not overlong, and hold no control or direction characters.";
    Duplicate "duplicate" "No table has two entries for one thing.";
    TypeOrder "type_order" "A type stands behind the types that it is made of.";
    Nesting "nesting" "Structural types nest at most 64 deep.";
    TypeForm "type_form" "Tuples and error sets have at least two members; borrowed functions use nothing.";
    Order "order" "Capabilities in `uses` and errors of a set stand in strictly ascending order.";
    ErrorsOnly "errors_only" "Only error types stand in error sets and on error edges.";
    EnumForm "enum_form" "An enum has 1 to 255 variants, with immutable payloads of at most 256 fields.";
    RecordSize "record_size" "A record fits the object layout.";
    Constant "constant" "Constants are canonical.";
    DebugTable "debug_table" "Source positions ascend, lie in the code and name files of the package.";
    // Linking.
    Dependency "dependency" "A package's dependencies stand before it, with the content that it was compiled against.";
    Identity "identity" "All packages describe a type, trait or capability in the same way.";
    Import "import" "An imported function exists, is named, and has the signature that the importer believes.";
    // Formation.
    FirstClass "first_class" "Elements, payloads, fields, results and errors are first class.";
    AttenuatorField "attenuator_field" "Capability and attenuator fields are not assignable; no field is a borrowed function, and none with data holds functions or objects.";
    Parameter "parameter" "Parameters are first class or borrowed functions; capabilities are hidden parameters.";
    CapMethod "cap_method" "A capability's methods use nothing and pass plain data only, handles alone or optional.";
    Parent "parent" "A capability's methods begin with its parent's, and no capability is its own ancestor.";
    // Implementation records and entry.
    ImplForm "impl_form" "Structs implement traits and capabilities, enums and attenuators capabilities only, by one function a method.";
    ImplOrigin "impl_origin" "A record stands in the package that declares the type (for traits also: the trait, that asks for the instance, or that names functions of these only).";
    ImplDuplicate "impl_duplicate" "Records for one type and interface agree, but for instances of generics, where the first counts.";
    ImplSignature "impl_signature" "A method of a record has the interface's signature behind the receiver.";
    Entry "entry" "The last package's entry is a named function of nothing or `[string]` to `()`, with a path for each request.";
    // Frames.
    Registers "registers" "A function's first registers are its environment, capabilities and parameters.";
    Environment "environment" "Only register 0 of a literal is an environment; named functions capture nothing.";
    AttenuatorParameter "attenuator_parameter" "An attenuator is a parameter only as receiver of its own methods.";
    // Flow.
    CodeSize "code_size" "Code is neither empty nor longer than its limit.";
    Decode "decode" "Every instruction has a known opcode and lies in the code as a whole.";
    Operand "operand" "Unused lanes are zero.";
    RegisterIndex "register_index" "Every register operand is declared and no environment.";
    JumpTarget "jump_target" "A jump leads to the start of an instruction of the function, never to `on_error`.";
    Unreachable "unreachable" "All code can be reached.";
    FallsOff "falls_off" "Control cannot run off the end.";
    Joins "joins" "Joins list exactly the jump targets, in order, with declared registers in order.";
    JoinAssigned "join_assigned" "What a join lists is initialised on each way to it.";
    Uninitialised "uninitialised" "A register is initialised before it is read.";
    ErrorEdge "error_edge" "`on_error` stands exactly behind each call that can fail.";
    OneDefinition "one_definition" "A capability or attenuator register is written by one instruction or is a parameter.";
    // Operands.
    Class "class" "An operand's register has the type class of the opcode table.";
    SameType "same_type" "Operands and results that must agree have the same type.";
    Immediate "immediate" "An immediate is a value of the register's type.";
    Variant "variant" "A variant index, payload index or tag is one of the enum's.";
    SwitchForm "switch" "A switch is on an int or an enum, with 1 to as many targets as the enum has variants.";
    FieldIndex "field" "A field index is one of the type's.";
    Mutable "mutable" "Only mutable fields are assigned.";
    Element "element" "A list operation's elements have the list's element type.";
    Arguments "arguments" "Arguments agree in number and type with what they fill.";
    ErrorMember "error_member" "An error is tested for and narrowed to members of its set.";
    TrapKind "trap_kind" "A trap names a kind that a program may raise.";
    // Calls.
    Callee "callee" "What is called is a named function, a method of the operand's interface, or a builtin.";
    Hidden "hidden" "A call hands over exactly the capabilities that the callee uses, in order.";
    Result "result" "A call's result register has the callee's result type.";
    ErrorType "error_type" "The error register of a call holds all that the callee can raise.";
    Return "return" "A function returns its result type and raises only its own errors.";
    Literal "literal" "A function value is made of a literal of the package, with its signature and captures.";
    Capture "capture" "A storable function captures first-class values only; a capture is read at its own type.";
    Receiver "receiver" "An attenuator's fields and methods are used through the receiver register of its own methods, or a literal's capture of it.";
    NewAttenuator "new_att" "`new_att` makes attenuators only, `new` anything else.";
    Conversion "conversion" "`make_dyn` and `as_cap` have an implementation record, `recap` a declared relation.";
}

impl Rule {
    /// The capability rules of the language that this one keeps in the bytecode; none if it is about something else.
    #[must_use]
    pub fn keeps(self) -> &'static [u8] {
        match self {
            Rule::CapMethod => &[1, 10],
            Rule::Parent | Rule::Identity => &[1],
            Rule::Registers | Rule::Import | Rule::Order | Rule::ImplSignature => &[2],
            Rule::Hidden => &[2, 7],
            Rule::OneDefinition => &[2, 4],
            Rule::FirstClass => &[3, 6, 7],
            Rule::Parameter => &[3, 6],
            Rule::AttenuatorParameter | Rule::AttenuatorField => &[3, 5],
            Rule::Conversion => &[4],
            Rule::Receiver | Rule::NewAttenuator | Rule::ImplForm | Rule::ImplOrigin => &[5],
            Rule::TypeForm => &[6],
            Rule::Literal => &[6, 7],
            Rule::Capture => &[7],
            Rule::ErrorType | Rule::Return => &[8],
            Rule::Entry => &[14],
            _ => &[],
        }
    }
}

/// Whether a rule that is broken here is in force.
#[cfg(not(feature = "rule-switches"))]
pub(super) fn broken(_: Rule) -> bool {
    true
}

/// Whether this thread has a rule switched off.
#[cfg(not(feature = "rule-switches"))]
pub(super) fn switched() -> bool {
    false
}

#[cfg(feature = "rule-switches")]
pub use switches::watch;
#[cfg(feature = "rule-switches")]
pub(super) use switches::{broken, switched};

/// Switches for tests of the rules themselves.
#[cfg(feature = "rule-switches")]
mod switches {
    use super::Rule;
    use std::cell::Cell;

    thread_local! {
        static OFF: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    /// Whether a rule that is broken here is in force.
    pub(in crate::verify) fn broken(rule: Rule) -> bool {
        OFF.get() != Some(rule)
    }

    /// Whether this thread has a rule switched off.
    pub(in crate::verify) fn switched() -> bool {
        OFF.get().is_some()
    }

    /// Runs `f` on this thread with a rule switched off.
    pub fn watch<T>(off: Option<Rule>, f: impl FnOnce() -> T) -> T {
        let before = OFF.replace(off);
        let result = f();
        OFF.set(before);
        result
    }
}
