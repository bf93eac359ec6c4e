//! Builtins on one character or float: handlers without a slow operation around them.

use crate::dispatch::{S, handler};

/// A function of one word.
pub(crate) trait Word1 {
    fn op(x: u64) -> u64;
}

macro_rules! words {
    ($($name:ident |$x:ident| $e:expr;)*) => { $(
        pub(crate) struct $name;
        impl Word1 for $name {
            fn op($x: u64) -> u64 { $e }
        }
    )* };
}

#[inline(always)]
fn f(x: u64) -> f64 {
    f64::from_bits(x)
}
#[inline(always)]
fn c(x: u64) -> char {
    char::from_u32(x as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

words! {
    Floor |x| f(x).floor().to_bits();
    Ceil |x| f(x).ceil().to_bits();
    Round |x| f(x).round().to_bits();
    Trunc |x| f(x).trunc().to_bits();
    Sin |x| f(x).sin().to_bits();
    Cos |x| f(x).cos().to_bits();
    Tan |x| f(x).tan().to_bits();
    Asin |x| f(x).asin().to_bits();
    Acos |x| f(x).acos().to_bits();
    Atan |x| f(x).atan().to_bits();
    Exp |x| f(x).exp().to_bits();
    Ln |x| f(x).ln().to_bits();
    Log2 |x| f(x).log2().to_bits();
    Log10 |x| f(x).log10().to_bits();
    FloatBits |x| if f(x).is_nan() { f64::NAN.to_bits() } else { x };
    FloatFromBits |x| x;
    CharLen |x| c(x).len_utf8() as u64;
    CharIsWhitespace |x| u64::from(c(x).is_whitespace());
    CharIsDigit |x| u64::from(c(x).is_ascii_digit());
    CharIsAlpha |x| u64::from(c(x).is_alphabetic());
    CharIsUpper |x| u64::from(c(x).is_uppercase());
    CharIsLower |x| u64::from(c(x).is_lowercase());
}

/// Keeps library code out of the handler.
#[inline(never)]
fn apply<O: Word1>(x: u64) -> u64 {
    O::op(x)
}
#[inline(never)]
fn apply_atan2(y: u64, x: u64) -> u64 {
    f(y).atan2(f(x)).to_bits()
}

macro_rules! charged {
    ($s:ident) => {
        let left = $s.fuel - $s.l() as i64;
        if left < 0 {
            return $s.tail(crate::fuel::slice_end);
        }
        let $s = S { fuel: left, ..$s };
    };
}

handler! { fn float1[O: Word1](s) {
    charged!(s);
    s.put_skip(apply::<O>(s.arg(0)), 2)
} }
handler! { fn char1[O: Word1](s) {
    charged!(s);
    s.put_skip(apply::<O>(s.arg(0)), 2)
} }
handler! { fn atan2[](s) {
    charged!(s);
    s.put_skip(apply_atan2(s.arg(0), s.arg(1)), 2)
} }
