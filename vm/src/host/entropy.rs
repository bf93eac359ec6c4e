//! `Entropy`: random numbers of the operating system, fit for secrets; or of a seed, the same in every run and fit for none.

use std::fs::File;
use std::io::{self, Read};

use super::{
    HostAnswer, HostCapability, HostCx, HostFailure, HostMethod, HostResult, HostType, HostValue,
};

static METHODS: [HostMethod; 2] = [
    HostMethod {
        name: "bytes",
        params: &[HostType::Int],
        ret: HostType::List(&HostType::Byte),
        errors: &[],
    },
    HostMethod {
        name: "int",
        params: &[HostType::Int, HostType::Int],
        ret: HostType::Int,
        errors: &[],
    },
];

/// Bytes fetched at once, so that a number does not cost a system call.
const BATCH: usize = 512;

/// The capability.
#[derive(Debug)]
pub struct Entropy {
    source: Source,
    batch: Vec<u8>,
}

#[derive(Debug)]
enum Source {
    /// The operating system's generator.
    System(File),
    /// The state of a generator of ours (SplitMix64).
    Seed(u64),
}

impl Entropy {
    /// The operating system's generator.
    pub fn process() -> io::Result<Self> {
        Ok(Entropy {
            source: Source::System(File::open("/dev/urandom")?),
            batch: Vec::new(),
        })
    }

    /// Numbers that follow from a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Entropy {
            source: Source::Seed(seed),
            batch: Vec::new(),
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), HostFailure> {
        match &mut self.source {
            Source::System(file) => file.read_exact(bytes).map_err(|error| {
                HostFailure::failed(format!("the system gives no random bytes: {error}"))
            }),
            Source::Seed(state) => {
                for piece in bytes.chunks_mut(8) {
                    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut word = *state;
                    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    word ^= word >> 31;
                    for (to, from) in piece.iter_mut().zip(word.to_le_bytes()) {
                        *to = from;
                    }
                }
                Ok(())
            }
        }
    }

    fn word(&mut self) -> Result<u64, HostFailure> {
        if self.batch.len() < 8 {
            let mut batch = vec![0; BATCH];
            self.fill(&mut batch)?;
            self.batch = batch;
        }
        let tail = self.batch.split_off(self.batch.len() - 8);
        Ok(tail
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)))
    }

    fn bytes(&mut self, count: i64, cx: &HostCx<'_>) -> HostResult {
        let count = u64::try_from(count).map_err(|_| {
            HostFailure::argument(format!("cannot give {count} bytes: the count is negative"))
        })?;
        cx.check_memory(count)?;
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
        self.fill(&mut bytes)?;
        Ok(HostValue::Bytes(bytes))
    }

    /// A number of `from..to`, each equally likely.
    fn int(&mut self, from: i64, to: i64) -> HostResult {
        if from >= to {
            return Err(HostFailure::argument(format!(
                "the range {from}..{to} is empty"
            )));
        }
        let span = to.wrapping_sub(from).cast_unsigned();
        // Words above the last multiple of the span would favour small numbers.
        let excess = (u64::MAX % span + 1) % span;
        loop {
            let word = self.word()?;
            if word <= u64::MAX - excess {
                return Ok(HostValue::Int(
                    from.wrapping_add((word % span).cast_signed()),
                ));
            }
        }
    }
}

impl HostCapability for Entropy {
    fn interface(&self) -> (&'static str, &'static str) {
        ("std", "Entropy")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &METHODS
    }

    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        let answer = match (method, args) {
            (0, [HostValue::Int(count)]) => self.bytes(*count, cx),
            (1, [HostValue::Int(from), HostValue::Int(to)]) => self.int(*from, *to),
            _ => Err(super::wrong_arguments(&METHODS, method)),
        };
        answer.into()
    }

    fn scope_text(&self) -> String {
        match self.source {
            Source::System(_) => "random numbers of the system".to_owned(),
            Source::Seed(_) => "random numbers of a seed".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{HostUsage, Limits};

    #[test]
    fn numbers_stay_in_their_range() {
        let mut entropy = Entropy::process().unwrap();
        for (from, to) in [
            (0, 1),
            (-3, 4),
            (i64::MIN, i64::MAX),
            (i64::MAX - 1, i64::MAX),
        ] {
            for _ in 0..200 {
                let HostValue::Int(n) = entropy.int(from, to).unwrap() else {
                    panic!("an int")
                };
                assert!((from..to).contains(&n));
            }
        }
        assert!(entropy.int(3, 3).is_err());
    }

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        let numbers = |seed| {
            let mut entropy = Entropy::of_seed(seed);
            let mut bytes = [0; 20];
            entropy.fill(&mut bytes).unwrap();
            let words: Vec<u64> = (0..100).map(|_| entropy.word().unwrap()).collect();
            (bytes, words)
        };
        let (bytes, words) = numbers(7);
        assert_eq!((bytes, words.clone()), numbers(7));
        assert_ne!(words, numbers(8).1);
        // The first words of SplitMix64 from 0.
        let mut first = [0; 16];
        Entropy::of_seed(0).fill(&mut first).unwrap();
        let words = [0xe220_a839_7b1d_cdaf_u64, 0x6e78_9e6a_a1b9_65f4];
        assert_eq!(
            first
                .chunks(8)
                .map(|c| u64::from_le_bytes(c.try_into().unwrap()))
                .collect::<Vec<_>>(),
            words
        );
        let distinct: std::collections::HashSet<_> = numbers(7).1.into_iter().collect();
        assert_eq!(distinct.len(), 100);
    }

    #[test]
    fn counts_are_checked() {
        let mut entropy = Entropy::process().unwrap();
        let (limits, mut usage) = (Limits::default(), HostUsage::default());
        let cx = HostCx::new(&limits, &mut usage, 100, None);
        assert!(matches!(entropy.bytes(10, &cx), Ok(HostValue::Bytes(bytes)) if bytes.len() == 10));
        assert!(entropy.bytes(-1, &cx).is_err());
        assert!(entropy.bytes(i64::MAX, &cx).is_err());
    }
}
