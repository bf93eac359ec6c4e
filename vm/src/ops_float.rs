//! Handlers of floats: operands come from registers or the float accumulator, which stays in a vector
//! register from one instruction to the next.

use crate::dispatch::{FIRST, SECOND, handler, keep_branch};
use crate::ops_list::{LIST_DATA, list_len};
use jet_gc::layout::DATA_OFFSET;

/// A binary operation.
pub(crate) trait Bin {
    fn op(x: f64, y: f64) -> f64;
}
/// A unary operation.
pub(crate) trait Un {
    fn op(x: f64) -> f64;
}
/// A comparison.
pub(crate) trait Cmp {
    fn test(x: f64, y: f64) -> bool;
}

handler! { fn bin[O: Bin, const ACC: u8](s) {
    s.put_float(O::op(s.fb::<ACC, FIRST>(), s.fc::<ACC>()))
} }
handler! { fn un[O: Un, const ACC: u8](s) {
    s.put_float(O::op(s.fb::<ACC, FIRST>()))
} }
handler! { fn cmp[O: Cmp, const ACC: u8](s) {
    s.put(u64::from(O::test(s.fb::<ACC, FIRST>(), s.fc::<ACC>())))
} }
handler! { fn order[const ACC: u8](s) {
    s.put(total_order(s.fb::<ACC, FIRST>(), s.fc::<ACC>()) as u64)
} }
handler! { fn to_int[const ACC: u8](s) {
    match float_to_int(s.fb::<ACC, FIRST>()) {
        Some(n) => s.put(n as u64),
        None => s.fault(),
    }
} }
// Reads the integer accumulator.
handler! { fn of_int[const ACC: u8](s) {
    s.put_float(s.rb::<ACC, FIRST>() as i64 as f64)
} }
handler! { fn jcmp[C: Cmp, const BACK: u8, const ACC: u8](s) {
    if C::test(s.fa::<ACC>(), s.fb::<ACC, SECOND>()) {
        s.take::<BACK>(s.imm_c())
    } else {
        keep_branch();
        s.skip(1)
    }
} }
handler! { fn load_const[](s) {
    let ix = s.imm32() as u32 as usize;
    s.put_float((*s.ctx).consts.add(ix).cast::<f64>().read())
} }
// The record is in the integer accumulator, if anywhere.
handler! { fn get_field[const ACC: u8](s) {
    let p = s.object(s.rb::<ACC, FIRST>());
    s.put_float(p.add(s.c()).cast::<f64>().read())
} }
handler! { fn set_field[const ACC: u8](s) {
    let p = s.object(s.reg(s.a()));
    p.add(s.b()).cast::<f64>().write(s.fc::<ACC>());
    s.skip(1)
} }
handler! { fn list_get[const ACC: u8](s) {
    let list = s.object(s.rb::<ACC, FIRST>());
    let i = s.rc::<ACC>();
    if i >= list_len(list) {
        return s.fault();
    }
    let p = s.backing(list).add(DATA_OFFSET + i as usize * 8);
    s.put_float(p.cast::<f64>().read())
} }
// The value is in the float accumulator, if `ACC` says so.
handler! { fn list_set[const ACC: u8](s) {
    let list = s.object(s.reg(s.a()));
    let i = s.reg(s.b());
    if i >= list_len(list) {
        return s.fault();
    }
    let data = list.add(LIST_DATA).cast::<u32>().read();
    let p = s.object(u64::from(data)).add(DATA_OFFSET + i as usize * 8);
    p.cast::<f64>().write(s.fc::<ACC>());
    s.skip(1)
} }
handler! { fn hash_float[](s) {
    // Equal floats hash alike: both zeros, and every NaN.
    let x = f64::from_bits(s.reg(s.b()));
    let seed = (*s.ctx).hash_seed;
    s.put(crate::hash::word(crate::hash::float_key(x), seed))
} }

macro_rules! bins {
    ($($name:ident |$x:ident, $y:ident| $e:expr;)*) => { $(
        pub(crate) struct $name;
        impl Bin for $name {
            #[inline(always)]
            fn op($x: f64, $y: f64) -> f64 { $e }
        }
    )* };
}
macro_rules! uns {
    ($($name:ident |$x:ident| $e:expr;)*) => { $(
        pub(crate) struct $name;
        impl Un for $name {
            #[inline(always)]
            fn op($x: f64) -> f64 { $e }
        }
    )* };
}
macro_rules! cmps {
    ($($name:ident |$x:ident, $y:ident| $e:expr;)*) => { $(
        pub(crate) struct $name;
        impl Cmp for $name {
            #[inline(always)]
            fn test($x: f64, $y: f64) -> bool { $e }
        }
    )* };
}
bins! {
    Add |x, y| x + y;
    Sub |x, y| x - y;
    Mul |x, y| x * y;
    Div |x, y| x / y;
    Rem |x, y| rem(x, y);
    Pow |x, y| pow(x, y);
}
uns! {
    Mov |x| x;
    Neg |x| -x;
    Sqrt |x| x.sqrt();
}
cmps! {
    Eq |x, y| x == y;
    Ne |x, y| x != y;
    Lt |x, y| x < y;
    Le |x, y| x <= y;
    Nlt |x, y| !matches!(x.partial_cmp(&y), Some(core::cmp::Ordering::Less));
    Nle |x, y| !matches!(
        x.partial_cmp(&y),
        Some(core::cmp::Ordering::Less | core::cmp::Ordering::Equal)
    );
}

#[inline(never)]
pub(crate) fn pow(x: f64, y: f64) -> f64 {
    x.powf(y)
}
#[inline(never)]
pub(crate) fn rem(x: f64, y: f64) -> f64 {
    x % y
}

/// Total order of floats as -1, 0 or 1. All NaNs are one value, above everything else: which bits an
/// operation gives them differs between machines.
#[inline(always)]
pub(crate) fn total_order(x: f64, y: f64) -> i64 {
    match (x.is_nan(), y.is_nan()) {
        (false, false) => x.total_cmp(&y) as i64,
        (x, y) => i64::from(x) - i64::from(y),
    }
}

/// `x` truncated, if it is in range.
#[inline(always)]
pub(crate) fn float_to_int(x: f64) -> Option<i64> {
    // Both bounds are exact floats; NaN fails both comparisons.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x) {
        Some(x as i64)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges() {
        assert_eq!(float_to_int(f64::NAN), None);
        assert_eq!(float_to_int(-9.3e18), None);
        assert_eq!(float_to_int(9_223_372_036_854_775_808.0), None);
        assert_eq!(float_to_int(-9_223_372_036_854_775_808.0), Some(i64::MIN));
        assert_eq!(float_to_int(-1.9), Some(-1));
        assert!(Nlt::test(f64::NAN, 0.0));
        assert!(!Nlt::test(0.0, 1.0));
        assert_eq!(total_order(-0.0, 0.0), -1);
        assert_eq!(total_order(-f64::NAN, f64::INFINITY), 1);
        assert_eq!(total_order(f64::NAN, -f64::NAN), 0);
    }
}
