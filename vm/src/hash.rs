//! Hash functions of the hashing opcodes, keyed by the instance's seed so that a program's input cannot
//! choose colliding keys. Equal values hash alike within one instance; nothing else is promised.

/// What the two ways to look at a scalar are multiplied by.
pub const WORD_FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];
/// What the two hashes of a combination are changed by.
pub const MIX_MASKS: [u64; 2] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];
/// By how much the first hash of a combination is rotated.
pub const MIX_TURN: u32 = 23;

/// Both halves of the product folded together.
#[inline(always)]
fn fold(x: u64, y: u64) -> u64 {
    let p = u128::from(x) * u128::from(y);
    (p as u64) ^ (p >> 64) as u64
}

/// Hash of a scalar.
#[inline(always)]
pub(crate) fn word(x: u64, seed: u64) -> u64 {
    let [p, q] = WORD_FACTORS;
    fold(x ^ seed, p) ^ fold(x.wrapping_add(seed.rotate_left(32)), q)
}

/// Combination of two hashes; order matters.
#[inline(always)]
pub(crate) fn mix(x: u64, y: u64) -> u64 {
    let [p, q] = MIX_MASKS;
    fold(x.rotate_left(MIX_TURN) ^ p, y ^ q).wrapping_add(x)
}

/// Bits under which equal floats are equal: one zero, one NaN.
#[inline(always)]
pub(crate) fn float_key(x: f64) -> u64 {
    if x == 0.0 {
        0
    } else if x.is_nan() {
        f64::NAN.to_bits()
    } else {
        x.to_bits()
    }
}

/// SipHash-1-3 of `bytes`, folded to 32 bits, never 0 (0 in an object means "not computed").
pub(crate) fn bytes(bytes: &[u8], seed: u64) -> u32 {
    let (k0, k1) = (seed, seed.rotate_left(29) ^ 0x5851_f42d_4c95_7f2d);
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let m = u64::from_le_bytes([
            chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7],
        ]);
        v[3] ^= m;
        round(&mut v);
        v[0] ^= m;
    }
    let mut last = (bytes.len() as u64) << 56;
    for (i, &b) in chunks.remainder().iter().enumerate() {
        last |= u64::from(b) << (8 * i);
    }
    v[3] ^= last;
    round(&mut v);
    v[0] ^= last;
    v[2] ^= 0xff;
    round(&mut v);
    round(&mut v);
    round(&mut v);
    let h = v[0] ^ v[1] ^ v[2] ^ v[3];
    ((h ^ h >> 32) as u32).max(1)
}

#[inline(always)]
fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_differ_by_content_and_seed() {
        assert_ne!(bytes(b"abc", 1), bytes(b"abd", 1));
        assert_ne!(bytes(b"abc", 1), bytes(b"abc", 2));
        assert_eq!(bytes(b"abcdefghij", 1), bytes(b"abcdefghij", 1));
        assert_ne!(word(0, 7), word(1, 7));
        assert_ne!(mix(1, 2), mix(2, 1));
        assert_eq!(float_key(-0.0), float_key(0.0));
    }
}
