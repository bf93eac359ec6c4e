//! The one table of diagnostic codes. Every stage of the frontend adds its own here.
//!
//! Codes never change their meaning: one that is no longer used stays reserved.
//! `E00xx` text and tokens · `E01xx` layout and syntax · `E02xx` spellings of other languages ·
//! `E03xx` names · `E04xx` types · `E05xx` errors and flow · `E06xx` capabilities · `E09xx` limits ·
//! `W07xx` warnings.

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal;)*) => {
        $(#[doc = $title] pub const $name: &str = $code;)*

        /// Every code with its title, in the order of the codes.
        pub const ALL: &[(&str, &str)] = &[$(($code, $title)),*];
    };
}

codes! {
    SOURCE_TOO_LARGE = "E0001", "source file is too large";
    NUL = "E0002", "source file contains a zero byte";
    BIDI = "E0003", "invisible or direction-changing character";
    STRAY_CHARACTER = "E0004", "character that begins nothing";
    TAB_INDENT = "E0005", "tab in indentation";
    UNTERMINATED_STRING = "E0006", "string without end";
    UNTERMINATED_FSTRING = "E0007", "f-string without end";
    BAD_CHAR_LITERAL = "E0008", "character literal that is not one character";
    BAD_ESCAPE = "E0009", "unknown or malformed escape";
    BAD_NUMBER = "E0010", "malformed number";
    INT_OVERFLOW = "E0011", "integer literal out of range";
    FLOAT_OVERFLOW = "E0012", "float literal out of range";
    TOO_DEEP = "E0013", "nesting is too deep";
    BAD_FORMAT_SPEC = "E0014", "malformed format specification";
    FSTRING_BRACE = "E0015", "brace without partner in an f-string";
    STRING_PREFIX = "E0016", "unknown prefix of a string";
    NAME_TOO_LONG = "E0017", "name is too long";

    UNEXPECTED = "E0101", "something else was expected";
    UNCLOSED_BRACKET = "E0102", "bracket without partner";
    EXPECTED_BLOCK = "E0103", "indented block expected";
    BAD_INDENT = "E0104", "indentation fits no block";
    MISSING_COLON = "E0105", "`:` is missing behind a block header";
    NOT_TOP_LEVEL = "E0106", "only items stand at the top of a module";
    ITEM_IN_FUNCTION = "E0107", "item inside a function";
    CHAINED_COMPARISON = "E0108", "comparisons do not chain";
    AMBIGUOUS_POWER = "E0109", "sign in front of `**`";
    NOT_NEEDS_PARENS = "E0110", "`not` as operand of a tighter operator";
    CHAINED_RANGE = "E0111", "ranges do not chain";
    OPEN_RANGE = "E0112", "range without an end";
    BAD_ASSIGN_TARGET = "E0113", "cannot assign to this";
    JUMP_NOT_VALUE = "E0114", "`return` and its kin are not values";
    BODY_MISSING = "E0115", "function without body";
    BODY_FORBIDDEN = "E0116", "declaration with a body";
    SELF_MISPLACED = "E0117", "`self` outside of a method";
    PARAM_TYPE_MISSING = "E0118", "parameter without type";
    CONST_TYPE_MISSING = "E0119", "constant without type";
    FN_TYPE_NEEDS_PARENS = "E0120", "function type as result without parentheses";
    STD_ONLY = "E0121", "form reserved for the standard library";
    PAYLOAD_NAME_MISSING = "E0122", "payload without name";
    COMPOUND_INLINE = "E0123", "block statement behind a colon";
    CATCH_MISSING = "E0124", "`try` without `catch`";
    EMPTY_LIST = "E0125", "at least one is needed";
    DERIVE_MISPLACED = "E0126", "`derive` before something else than a type";
    SPAWN_NEEDS_CALL = "E0127", "`spawn` takes a call";
    MODIFIER_MISPLACED = "E0128", "word that does not fit here";
    NAMED_ARG_ORDER = "E0129", "positional argument behind a named one";
    PATTERN_MIX = "E0130", "pattern that does not fit here";

    HABIT_KEYWORD = "E0201", "word of another language";
    HABIT_OPERATOR = "E0202", "operator of another language";
    HABIT_SEMICOLON = "E0203", "semicolon";
    HABIT_BRACES = "E0204", "block in braces";
    HABIT_CAST = "E0205", "cast with `as`";
    HABIT_CLOSURE = "E0206", "function literal of another language";
    HABIT_IF_LET = "E0207", "`if let`";
    HABIT_NAMED_ARG = "E0208", "named argument with `:`";
    HABIT_ELSE_IF = "E0209", "`else if`";
    HABIT_ARROW = "E0210", "wrong arrow";
    HABIT_TERNARY = "E0211", "`?:`";
    HABIT_INCREMENT = "E0212", "`++` or `--`";
    HABIT_COMMENT = "E0213", "comment of another language";
    HABIT_ANGLE = "E0214", "type arguments in angle brackets";
    HABIT_TUPLE = "E0215", "tuple without parentheses";
    HABIT_LET = "E0216", "declaration without `let`";
    HABIT_VALUE = "E0217", "constant of another language";
    HABIT_REFERENCE = "E0218", "reference or pointer operator";
    HABIT_LITERAL = "E0219", "literal of another language";
    HABIT_TYPE = "E0220", "type of another language";
    HABIT_DECORATOR = "E0221", "decorator";
    HABIT_UNPACK = "E0222", "argument unpacking";

    UNKNOWN_NAME = "E0301", "unknown name";
    DUPLICATE = "E0302", "name declared twice";
    UNKNOWN_MODULE = "E0303", "unknown module or package";
    PRIVATE = "E0304", "name that its package keeps for itself";
    WRONG_KIND = "E0305", "name of another kind";
    UNKNOWN_MEMBER = "E0306", "unknown field, method or variant";
    CAP_SHADOWED = "E0307", "capability shadowed or renamed";
    IMPORT_CYCLE = "E0308", "declaration that contains itself";
    AMBIGUOUS_METHOD = "E0309", "method of several traits";
    NAME_CASE = "E0310", "name in the wrong case";

    MISMATCH = "E0401", "type mismatch";
    CANNOT_INFER = "E0402", "type cannot be inferred";
    ARGUMENTS = "E0403", "arguments do not fit the parameters";
    BOUND = "E0404", "type lacks a trait";
    NOT_CALLABLE = "E0405", "call of something that is no function";
    IMMUTABLE = "E0406", "assignment to something fixed";
    OPERATOR = "E0407", "operator does not fit its operands";
    CONVERSION = "E0408", "conversion that does not exist";
    TYPE_ARGS = "E0409", "wrong number of type arguments";
    BAD_IMPL = "E0410", "implementation does not fit its interface";
    OVERLAP = "E0411", "two implementations for one type";
    PATTERN = "E0412", "pattern does not fit its value";
    REFUTABLE = "E0413", "pattern that can fail";
    NOT_EXHAUSTIVE = "E0414", "match that misses a case";
    NO_VALUE = "E0415", "block without a value";
    MISSING_RETURN = "E0416", "function can end without a value";
    BAD_CONST = "E0417", "constant that is not a constant value";
    NOT_ITERABLE = "E0418", "loop over something that cannot be walked";
    BAD_LOOP = "E0419", "no such loop";
    FORMAT = "E0420", "format does not fit its value";
    TYPE_TOO_LARGE = "E0421", "type is too large";
    NOT_INDEXABLE = "E0422", "index into something without elements";
    BAD_DERIVE = "E0423", "cannot derive";
    FIELD_METHOD = "E0424", "field and method of one name";
    NO_MAIN = "E0425", "no usable `main`";
    DIVERGE = "E0426", "block has to leave";
    NOT_DYNAMIC = "E0427", "method that an object does not offer";
    CONST_TRAP = "E0428", "constant whose value traps";
    GROWING_TYPES = "E0429", "types that grow without end";
    DEBUG = "E0430", "`dbg` outside of tests";

    UNHANDLED_ERROR = "E0501", "error that the signature does not name";
    IGNORED_RESULT = "E0502", "ignored result";
    CANNOT_FAIL = "E0503", "`?` on something that cannot fail";
    NOT_AN_ERROR = "E0504", "not an error type";
    BAD_CATCH = "E0505", "`catch` that takes nothing";
    GUARD_LEAVES = "E0506", "guard that leaves";
    DEFER_LEAVES = "E0507", "`defer` block that leaves";

    MISSING_CAP = "E0601", "capability is not available";
    NOT_ALLOWED = "E0602", "capability outside of `allow`";
    SECOND_CLASS = "E0603", "second-class value where data is needed";
    STORABLE = "E0604", "storable function captures more than data";
    BAD_WITH = "E0605", "value cannot be bound by `with`";
    BAD_CAPABILITY = "E0606", "malformed capability";
    BAD_ATTENUATOR = "E0607", "malformed attenuator";
    NOT_PURE = "E0608", "effect where only pure code may stand";
    USES_MORE = "E0609", "implementation uses more than its interface";
    NOT_A_CAP = "E0610", "not a capability";
    DEFERRED = "E0611", "deferred function cannot be used here";

    NOT_SUPPORTED = "E0901", "not supported yet";
    LOWERING = "E0999", "program beyond the limits of the bytecode";

    UNREACHABLE_CODE = "W0701", "code that is never reached";
    UNREACHABLE_ARM = "W0702", "arm that never matches";
    UNUSED_CATCH = "W0703", "error that cannot happen";
    UNUSED_CAP = "W0704", "capability that is not used";
    SHARED_FILL = "W0705", "elements that are all the same object";
    UNUSED_VALUE = "W0706", "value that is not used";
    UNUSED_NAME = "W0707", "name that is not used";
    UNUSED_IMPORT = "W0708", "import that is not used";
    HIDES = "W0709", "name that hides one of the prelude";
}

/// What keeps a program from starting or ends its run, by the name that messages give it, with its title.
pub const RUNTIME: &[(&str, &str)] = &[
    ("L0001", "file that is not there"),
    ("L0002", "file that is not text"),
    ("L0003", "program that is too large"),
    ("L0004", "wrong manifest or layout"),
    ("refused", "capability that is not granted"),
    ("overflow", "trap: integer overflow"),
    ("zero_divide", "trap: division by zero"),
    ("bounds", "trap: index out of bounds"),
    ("shift", "trap: shift out of range"),
    ("conversion", "trap: value that does not fit"),
    ("missing_key", "trap: key that is not there"),
    ("panic", "trap: panic or failed assertion"),
    ("changed", "trap: collection changed while it was walked"),
    ("variant", "trap: unexpected variant"),
    ("unreachable", "trap: unreachable code"),
    ("cancelled", "trap: run cancelled"),
    ("revoked", "trap: grant taken back"),
    ("handle", "trap: handle of another binding or closed"),
    ("fuel", "limit: work"),
    ("depth", "limit: nested calls"),
    ("memory", "limit: heap"),
    ("time", "limit: wall time"),
    ("output", "limit: bytes written"),
    ("handles", "limit: open handles"),
];

/// Title of a code, or of what ends a run.
pub fn title(code: &str) -> Option<&'static str> {
    ALL.iter()
        .chain(RUNTIME)
        .find(|(c, _)| *c == code)
        .map(|(_, t)| *t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend() {
        for pair in ALL.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} before {}", pair[0].0, pair[1].0);
        }
        assert_eq!(title("E0002"), Some("source file contains a zero byte"));
        assert_eq!(title("E9999"), None);
    }
}
