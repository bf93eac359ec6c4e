//! Handlers of arithmetic, comparisons to bool and conversions. Each operation is a type with one
//! function; the generic handlers give it operands from registers or the accumulator.

use crate::dispatch::{FIRST, handler};

/// A binary operation; `None` traps.
pub(crate) trait Bin {
    fn op(x: u64, y: u64) -> Option<u64>;
}
/// A unary operation; `None` traps.
pub(crate) trait Un {
    fn op(x: u64) -> Option<u64>;
}
/// A comparison.
pub(crate) trait Cmp {
    fn test(x: u64, y: u64) -> bool;
}

handler! { fn bin[O: Bin, const ACC: u8](s) {
    match O::op(s.rb::<ACC, FIRST>(), s.rc::<ACC>()) {
        Some(v) => s.put(v),
        None => s.fault(),
    }
} }
handler! { fn bin_imm[O: Bin, const ACC: u8](s) {
    match O::op(s.rb::<ACC, FIRST>(), s.imm_c() as u64) {
        Some(v) => s.put(v),
        None => s.fault(),
    }
} }
handler! { fn un[O: Un, const ACC: u8](s) {
    match O::op(s.rb::<ACC, FIRST>()) {
        Some(v) => s.put(v),
        None => s.fault(),
    }
} }
handler! { fn cmp[O: Cmp, const ACC: u8](s) {
    s.put(u64::from(O::test(s.rb::<ACC, FIRST>(), s.rc::<ACC>())))
} }

macro_rules! bins {
    ($($name:ident |$x:ident, $y:ident| $e:expr;)*) => { $(
        pub(crate) struct $name;
        impl Bin for $name {
            #[inline(always)]
            fn op($x: u64, $y: u64) -> Option<u64> { $e }
        }
    )* };
}
macro_rules! uns {
    ($($name:ident |$x:ident| $e:expr;)*) => { $(
        pub(crate) struct $name;
        impl Un for $name {
            #[inline(always)]
            fn op($x: u64) -> Option<u64> { $e }
        }
    )* };
}
macro_rules! cmps {
    ($($name:ident |$x:ident, $y:ident| $e:expr;)*) => { $(
        pub(crate) struct $name;
        impl Cmp for $name {
            #[inline(always)]
            fn test($x: u64, $y: u64) -> bool { $e }
        }
    )* };
}

#[inline(always)]
fn i(x: u64) -> i64 {
    x as i64
}
#[inline(always)]
fn int(x: Option<i64>) -> Option<u64> {
    x.map(|v| v as u64)
}

/// `x ** y`; `None` on overflow or a negative exponent.
#[inline(never)]
pub(crate) fn pow_int(x: i64, y: i64) -> Option<i64> {
    if y < 0 {
        return None;
    }
    match x {
        0 => Some(i64::from(y == 0)),
        1 => Some(1),
        -1 => Some(if y & 1 == 0 { 1 } else { -1 }),
        _ => x.checked_pow(u32::try_from(y).ok()?),
    }
}

bins! {
    AddInt |x, y| int(i(x).checked_add(i(y)));
    SubInt |x, y| int(i(x).checked_sub(i(y)));
    MulInt |x, y| int(i(x).checked_mul(i(y)));
    DivInt |x, y| int(i(x).checked_div(i(y)));
    RemInt |x, y| int(i(x).checked_rem(i(y)));
    PowInt |x, y| int(pow_int(i(x), i(y)));
    AddWrap |x, y| Some(x.wrapping_add(y));
    SubWrap |x, y| Some(x.wrapping_sub(y));
    MulWrap |x, y| Some(x.wrapping_mul(y));
    AndInt |x, y| Some(x & y);
    OrInt |x, y| Some(x | y);
    XorInt |x, y| Some(x ^ y);
    Shl |x, y| if y < 64 { Some(x << y) } else { None };
    Shr |x, y| if y < 64 { Some((i(x) >> y) as u64) } else { None };
    Ushr |x, y| if y < 64 { Some(x >> y) } else { None };
    HashMix |x, y| Some(crate::hash::mix(x, y));
}
uns! {
    Mov |x| Some(x);
    NegInt |x| int(i(x).checked_neg());
    NotInt |x| Some(!x);
    NotBool |x| Some(x ^ 1);
    IntToByte |x| if x < 256 { Some(x) } else { None };
    IntToChar |x| u32::try_from(x).ok().and_then(char::from_u32).map(u64::from);
}
cmps! {
    Eq |x, y| x == y;
    Ne |x, y| x != y;
    Lt |x, y| i(x) < i(y);
    Le |x, y| i(x) <= i(y);
    Gt |x, y| i(x) > i(y);
    Ge |x, y| i(x) >= i(y);
}

handler! { fn const_imm[](s) { s.put(s.imm32() as u64) } }
handler! { fn load_const[](s) {
    let ix = s.imm32() as u32 as usize;
    s.put(*(*s.ctx).consts.add(ix))
} }
handler! { fn hash_word[](s) {
    let seed = (*s.ctx).hash_seed;
    s.put(crate::hash::word(s.reg(s.b()), seed))
} }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges() {
        let min = i64::MIN as u64;
        let minus = -1i64 as u64;
        assert_eq!(DivInt::op(min, minus), None);
        assert_eq!(RemInt::op(min, minus), None);
        assert_eq!(DivInt::op(1, 0), None);
        assert_eq!(NegInt::op(min), None);
        assert_eq!(Shl::op(1, 63), Some(min));
        assert_eq!(Shl::op(1, 64), None);
        assert_eq!(Shr::op(min, minus), None);
        assert_eq!(pow_int(2, 62), Some(1 << 62));
        assert_eq!(pow_int(2, 63), None);
        assert_eq!(pow_int(-2, 63), Some(i64::MIN));
        assert_eq!(pow_int(1, i64::MAX), Some(1));
        assert_eq!(pow_int(-1, i64::MAX), Some(-1));
        assert_eq!(pow_int(0, 0), Some(1));
        assert_eq!(pow_int(3, -1), None);
        assert_eq!(IntToChar::op(0xd800), None);
    }
}
