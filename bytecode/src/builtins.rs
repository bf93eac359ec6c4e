//! The builtin table: functions of the runtime that need no authority and never call back into Jet.
//!
//! Signatures use a closed set of types ([`BType`]), so the verifier types a `builtin` instruction by
//! this table alone. Failure is a trap or a sentinel result; the standard library wraps sentinels
//! in options. Each builtin charges fuel by the work that it does, before doing it.

/// Applies macro `$m` to every builtin: `Variant "name" (params) -> result "doc";`.
#[macro_export]
macro_rules! for_each_builtin {
    ($m:ident) => {
        $m! {
            StrSlice "str_slice" (Str, Int, Int) -> Str "bytes from..to of a string; traps out of bounds or off a character boundary";
            StrFind "str_find" (Str, Str, Int) -> Int "offset of the first occurrence at or after a byte offset, or -1";
            StrRfind "str_rfind" (Str, Str) -> Int "offset of the last occurrence, or -1";
            StrStartsWith "str_starts_with" (Str, Str) -> Bool "whether the second is a prefix of the first";
            StrEndsWith "str_ends_with" (Str, Str) -> Bool "whether the second is a suffix of the first";
            StrToLower "str_to_lower" (Str) -> Str "lower case, full Unicode mapping";
            StrToUpper "str_to_upper" (Str) -> Str "upper case, full Unicode mapping";
            StrTrim "str_trim" (Str) -> Str "without white space at both ends";
            StrTrimStart "str_trim_start" (Str) -> Str "without white space at the start";
            StrTrimEnd "str_trim_end" (Str) -> Str "without white space at the end";
            StrRepeat "str_repeat" (Str, Int) -> Str "n copies; traps if n is negative";
            StrReplace "str_replace" (Str, Str, Str) -> Str "each occurrence of the second replaced by the third";
            StrSplit "str_split" (Str, Str) -> ListStr "pieces between separators; an empty separator splits into characters";
            StrLines "str_lines" (Str) -> ListStr "lines without their line ends";
            StrSplitWhitespace "str_split_whitespace" (Str) -> ListStr "words between white space";
            StrChars "str_chars" (Str) -> ListChar "characters";
            StrBytes "str_bytes" (Str) -> ListByte "bytes";
            StrFromChars "str_from_chars" (ListChar) -> Str "string of these characters";
            StrFromBytes "str_from_bytes" (ListByte) -> Str "string of these bytes; traps unless valid UTF-8";
            BytesAreUtf8 "bytes_are_utf8" (ListByte) -> Bool "whether the bytes are valid UTF-8";
            BytesPushStr "bytes_push_str" (ListByte, Str) -> Unit "appends the bytes of a string";
            BytesPushChar "bytes_push_char" (ListByte, Char) -> Unit "appends the UTF-8 of a character";
            StrJoin "str_join" (ListStr, Str) -> Str "strings with a separator between them";
            StrIsBoundary "str_is_boundary" (Str, Int) -> Bool "whether the offset is a character boundary of the string";
            StrCharAt "str_char_at" (Str, Int) -> Char "character that starts at a byte offset; traps as str_slice";
            CharLen "char_len" (Char) -> Int "length in UTF-8 bytes";
            StrIsInt "str_is_int" (Str) -> Bool "whether str_to_int would succeed";
            StrToInt "str_to_int" (Str) -> Int "decimal number; traps unless str_is_int";
            StrIsFloat "str_is_float" (Str) -> Bool "whether str_to_float would succeed";
            StrToFloat "str_to_float" (Str) -> Float "float in decimal notation; traps unless str_is_float";
            IntToStr "int_to_str" (Int) -> Str "decimal text";
            FloatToStr "float_to_str" (Float) -> Str "shortest text that reads back, always with a point, exponent, inf or NaN";
            CharToStr "char_to_str" (Char) -> Str "one-character string";
            StrQuote "str_quote" (Str) -> Str "as a literal, with quotes and escapes";
            CharQuote "char_quote" (Char) -> Str "as a literal, with quotes and escapes";
            FormatInt "format_int" (Int, Str) -> Str "by a format specification";
            FormatFloat "format_float" (Float, Str) -> Str "by a format specification";
            FormatStr "format_str" (Str, Str) -> Str "by a format specification";
            CharIsWhitespace "char_is_whitespace" (Char) -> Bool "Unicode White_Space";
            CharIsDigit "char_is_digit" (Char) -> Bool "'0'..='9'";
            CharIsAlpha "char_is_alpha" (Char) -> Bool "Unicode Alphabetic";
            CharIsUpper "char_is_upper" (Char) -> Bool "Unicode Uppercase";
            CharIsLower "char_is_lower" (Char) -> Bool "Unicode Lowercase";
            CharToUpper "char_to_upper" (Char) -> Str "upper case, full mapping";
            CharToLower "char_to_lower" (Char) -> Str "lower case, full mapping";
            CharToDigit "char_to_digit" (Char, Int) -> Int "value as digit of base 2..=36, or -1; traps on another base";
            Floor "floor" (Float) -> Float "largest whole number not above";
            Ceil "ceil" (Float) -> Float "smallest whole number not below";
            Round "round" (Float) -> Float "nearest whole number, halves away from zero";
            Trunc "trunc" (Float) -> Float "whole part";
            Sin "sin" (Float) -> Float "sine";
            Cos "cos" (Float) -> Float "cosine";
            Tan "tan" (Float) -> Float "tangent";
            Asin "asin" (Float) -> Float "arc sine";
            Acos "acos" (Float) -> Float "arc cosine";
            Atan "atan" (Float) -> Float "arc tangent";
            Atan2 "atan2" (Float, Float) -> Float "angle of the point (second, first)";
            Exp "exp" (Float) -> Float "e to the power";
            Ln "ln" (Float) -> Float "natural logarithm";
            Log2 "log2" (Float) -> Float "logarithm to base 2";
            Log10 "log10" (Float) -> Float "logarithm to base 10";
            FloatBits "float_bits" (Float) -> Int "IEEE bits; NaN has one canonical value";
            FloatFromBits "float_from_bits" (Int) -> Float "float of these IEEE bits";
            DebugLine "debug_line" (Str) -> Unit "a line for the log of a host that debugs; nothing without one";
            FailureText "failure_text" (Str) -> Unit "what the host shows of the error that leaves the entry function";
        }
    };
}

/// Type of a builtin's parameter or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BType {
    /// `()`.
    Unit,
    /// `bool`.
    Bool,
    /// `char`.
    Char,
    /// `int`.
    Int,
    /// `float`.
    Float,
    /// `string`.
    Str,
    /// `[byte]`.
    ListByte,
    /// `[char]`.
    ListChar,
    /// `[string]`.
    ListStr,
}

/// A row of the builtin table.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinInfo {
    /// The builtin.
    pub builtin: Builtin,
    /// Name in assembly text and in `intrinsic fn` declarations.
    pub name: &'static str,
    /// Parameter types.
    pub params: &'static [BType],
    /// Result type.
    pub result: BType,
    /// What it does.
    pub doc: &'static str,
}

macro_rules! define_builtins {
    ($($v:ident $name:literal ($($p:ident),*) -> $r:ident $doc:literal;)*) => {
        /// A builtin. Its number is its place in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Builtin { $(#[doc = $doc] $v,)* }

        /// The table, in number order.
        pub const BUILTINS: &[BuiltinInfo] = &[$(BuiltinInfo {
            builtin: Builtin::$v,
            name: $name,
            params: &[$(BType::$p),*],
            result: BType::$r,
            doc: $doc,
        },)*];
    };
}
for_each_builtin!(define_builtins);

impl Builtin {
    /// The builtin with this number.
    pub fn from_u16(n: u16) -> Option<Builtin> {
        BUILTINS.get(usize::from(n)).map(|row| row.builtin)
    }

    /// The builtin with this name.
    pub fn by_name(name: &str) -> Option<Builtin> {
        BUILTINS
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.builtin)
    }
}
