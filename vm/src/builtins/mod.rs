//! Builtins: functions of the runtime that need no authority and never call back into Jet.
//!
//! Cheap ones are handlers of their own; the others are slow operations. Each charges its static cost, and
//! `byte_work` or `element_work` for what it reads and writes, before it does it. What must stay true: the
//! match below names every builtin of the table.

mod chars;
mod convert;
mod notes;
mod split;
pub(crate) mod text;

use jet_bytecode::builtins::Builtin;

use crate::dispatch::Handler;
use crate::slow::slow_op;

/// The handler of a builtin, and whether it wants its cost in lane 0.
pub(crate) fn handler_of(number: u16) -> Option<(Handler, bool)> {
    macro_rules! slow {
        ($($t:tt)*) => {
            (slow_op::<$($t)*> as Handler, false)
        };
    }
    macro_rules! float {
        ($t:ident) => {
            (chars::float1::<chars::$t> as Handler, true)
        };
    }
    macro_rules! of_char {
        ($t:ident) => {
            (chars::char1::<chars::$t> as Handler, true)
        };
    }
    Some(match Builtin::from_u16(number)? {
        Builtin::StrSlice => slow!(text::Slice),
        Builtin::StrFind => slow!(text::Find),
        Builtin::StrRfind => slow!(text::Rfind),
        Builtin::StrStartsWith => slow!(text::StartsWith),
        Builtin::StrEndsWith => slow!(text::EndsWith),
        Builtin::StrToLower => slow!(text::ToLower),
        Builtin::StrToUpper => slow!(text::ToUpper),
        Builtin::StrTrim => slow!(text::Trim<true, true>),
        Builtin::StrTrimStart => slow!(text::Trim<true, false>),
        Builtin::StrTrimEnd => slow!(text::Trim<false, true>),
        Builtin::StrRepeat => slow!(text::Repeat),
        Builtin::StrReplace => slow!(text::Replace),
        Builtin::StrSplit => slow!(split::Split),
        Builtin::StrLines => slow!(split::Lines),
        Builtin::StrSplitWhitespace => slow!(split::Words),
        Builtin::StrChars => slow!(split::Chars),
        Builtin::StrBytes => slow!(split::Bytes),
        Builtin::StrFromChars => slow!(split::FromChars),
        Builtin::StrFromBytes => slow!(split::FromBytes),
        Builtin::BytesAreUtf8 => slow!(split::AreUtf8),
        Builtin::BytesPushStr => slow!(split::PushStr),
        Builtin::BytesPushChar => slow!(split::PushChar),
        Builtin::StrJoin => slow!(split::Join),
        Builtin::StrIsBoundary => slow!(text::IsBoundary),
        Builtin::StrCharAt => slow!(text::CharAt),
        Builtin::CharLen => of_char!(CharLen),
        Builtin::StrIsInt => slow!(convert::IsInt),
        Builtin::StrToInt => slow!(convert::ToInt),
        Builtin::StrIsFloat => slow!(convert::IsFloat),
        Builtin::StrToFloat => slow!(convert::ToFloat),
        Builtin::IntToStr => slow!(convert::IntToStr),
        Builtin::FloatToStr => slow!(convert::FloatToStr),
        Builtin::CharToStr => slow!(convert::CharToStr),
        Builtin::StrQuote => slow!(convert::StrQuote),
        Builtin::CharQuote => slow!(convert::CharQuote),
        Builtin::FormatInt => slow!(convert::FormatInt),
        Builtin::FormatFloat => slow!(convert::FormatFloat),
        Builtin::FormatStr => slow!(convert::FormatStr),
        Builtin::CharIsWhitespace => of_char!(CharIsWhitespace),
        Builtin::CharIsDigit => of_char!(CharIsDigit),
        Builtin::CharIsAlpha => of_char!(CharIsAlpha),
        Builtin::CharIsUpper => of_char!(CharIsUpper),
        Builtin::CharIsLower => of_char!(CharIsLower),
        Builtin::CharToUpper => slow!(convert::CharToUpper),
        Builtin::CharToLower => slow!(convert::CharToLower),
        Builtin::CharToDigit => slow!(convert::CharToDigit),
        Builtin::Floor => float!(Floor),
        Builtin::Ceil => float!(Ceil),
        Builtin::Round => float!(Round),
        Builtin::Trunc => float!(Trunc),
        Builtin::Sin => float!(Sin),
        Builtin::Cos => float!(Cos),
        Builtin::Tan => float!(Tan),
        Builtin::Asin => float!(Asin),
        Builtin::Acos => float!(Acos),
        Builtin::Atan => float!(Atan),
        Builtin::Atan2 => (chars::atan2, true),
        Builtin::Exp => float!(Exp),
        Builtin::Ln => float!(Ln),
        Builtin::Log2 => float!(Log2),
        Builtin::Log10 => float!(Log10),
        Builtin::FloatBits => float!(FloatBits),
        Builtin::FloatFromBits => float!(FloatFromBits),
        Builtin::DebugLine => slow!(notes::DebugLine),
        Builtin::FailureText => slow!(notes::FailureText),
    })
}

/// Defines slow builtins: `Name |vm| { body that ends in the result word }`.
macro_rules! builtins {
    ($($(#[$m:meta])* $name:ident |$vm:ident| $body:block)*) => { $(
        $(#[$m])*
        pub(crate) struct $name;
        impl $crate::slow::SlowOp for $name {
            fn run($vm: &mut $crate::slow::Vm<'_>) -> $crate::slow::Done<usize> {
                let value: u64 = $body;
                $vm.result(value);
                // No builtin has more arguments than one extension word holds.
                Ok(2)
            }
        }
    )* };
}
use builtins;
