//! The suites: their programs, and how often each is run.
//!
//! Must stay true: a run that finishes has been checked. "Are We Fast Yet?" knows the right result of
//! every inner count here; a kernel prints its result, which has to be the same for all contenders.

use clap::ValueEnum;

use crate::shapes::SHAPES;

/// How much work a comparison does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scale {
    /// A few seconds for each contender; says whether everything runs.
    Small,
    /// The suite's own inner iterations; for numbers that are published.
    Full,
}

impl Scale {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Scale::Small => "small",
            Scale::Full => "full",
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// The fourteen programs of "Are We Fast Yet?".
    Awfy,
    /// Small programs of our own that each lean on one thing.
    Kernels,
    /// Generated programs of shapes that compilers of traces are bad at; nobody runs beside us but our interpreter.
    Shapes,
    /// The kernels that allocate, at sizes at which collections matter; with the collector's share.
    Heap,
}

impl Suite {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Awfy => "awfy",
            Suite::Kernels => "kernels",
            Suite::Shapes => "shapes",
            Suite::Heap => "heap",
        }
    }

    /// Its programs.
    fn programs(self) -> Vec<Program> {
        match self {
            Suite::Awfy => AWFY.to_vec(),
            Suite::Kernels => KERNELS.to_vec(),
            Suite::Shapes => SHAPES
                .map(|(name, full)| program(name, (2, 2), full))
                .to_vec(),
            Suite::Heap => HEAP.to_vec(),
        }
    }

    /// The programs that `only` names, in the suite's order; all where it names none.
    pub fn select(self, only: &[String]) -> Result<Vec<Program>, String> {
        let programs = self.programs();
        for name in only {
            if !programs.iter().any(|p| p.name.eq_ignore_ascii_case(name)) {
                let known: Vec<&str> = programs.iter().map(|p| p.name).collect();
                return Err(format!(
                    "no program is called {name}; there are {}",
                    known.join(", ")
                ));
            }
        }
        Ok(programs
            .iter()
            .filter(|p| {
                only.is_empty() || only.iter().any(|name| p.name.eq_ignore_ascii_case(name))
            })
            .copied()
            .collect())
    }
}

/// How often a program is measured, and how much work one measurement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Measurements in one process.
    pub iterations: u32,
    /// Rounds (or the size of the problem) within one measurement.
    pub inner: u32,
}

/// One program of the suite.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The name that all harnesses know it by.
    pub name: &'static str,
    small: Counts,
    full: Counts,
}

impl Program {
    /// The counts for a scale; `iterations` overrides the number of measurements.
    pub fn counts(&self, scale: Scale, iterations: Option<u32>) -> Counts {
        let counts = match scale {
            Scale::Small => self.small,
            Scale::Full => self.full,
        };
        Counts {
            iterations: iterations.unwrap_or(counts.iterations),
            ..counts
        }
    }
}

const fn program(name: &'static str, small: (u32, u32), full_inner: u32) -> Program {
    Program {
        name,
        small: Counts {
            iterations: small.0,
            inner: small.1,
        },
        full: Counts {
            iterations: 10,
            inner: full_inner,
        },
    }
}

/// "Are We Fast Yet?", larger programs first.
const AWFY: [Program; 14] = [
    program("DeltaBlue", (3, 1_000), 12_000),
    program("Richards", (3, 5), 100),
    program("Json", (3, 10), 100),
    program("CD", (3, 10), 250),
    program("Havlak", (1, 1), 1_500),
    program("Bounce", (3, 100), 1_500),
    program("List", (3, 100), 1_500),
    program("Mandelbrot", (3, 500), 500),
    program("NBody", (3, 250_000), 250_000),
    program("Permute", (3, 100), 1_000),
    program("Queens", (3, 100), 1_000),
    program("Sieve", (3, 300), 3_000),
    program("Storage", (3, 50), 1_000),
    program("Towers", (3, 50), 600),
];

/// The kernels, by what they lean on.
const KERNELS: [Program; 21] = [
    program("Fib", (2, 20), 32),
    program("Collatz", (2, 1_000), 300_000),
    program("Sum", (2, 10), 5_000),
    program("Dot", (2, 10), 5_000),
    program("SpectralNorm", (2, 20), 500),
    program("Mandelbrot", (2, 50), 700),
    program("Sieve", (2, 10_000), 5_000_000),
    program("MatMul", (2, 20), 300),
    program("NQueens", (2, 6), 10),
    program("Fannkuch", (2, 6), 9),
    program("NBody", (2, 100), 250_000),
    program("BinaryTrees", (2, 6), 14),
    program("Storage", (2, 2), 400),
    program("Graph", (2, 100), 20_000),
    program("IntMap", (2, 1_000), 200_000),
    program("StringMap", (2, 1_000), 100_000),
    program("StringBuild", (2, 100), 30_000),
    program("Closures", (2, 10), 3_000),
    program("Iterators", (2, 10), 3_000),
    program("Dispatch", (2, 10), 10_000),
    program("Parse", (2, 10), 50_000),
];

/// The kernels that allocate, larger.
const HEAP: [Program; 6] = [
    program("BinaryTrees", (2, 6), 18),
    program("Storage", (2, 2), 1_000),
    program("Graph", (2, 100), 200_000),
    program("StringBuild", (2, 100), 300_000),
    program("IntMap", (2, 1_000), 1_000_000),
    program("StringMap", (2, 1_000), 1_000_000),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_in_the_suites_order() {
        let only = ["sieve".to_owned(), "Richards".to_owned()];
        let names: Vec<&str> = Suite::Awfy
            .select(&only)
            .unwrap()
            .iter()
            .map(|p| p.name)
            .collect();
        assert_eq!(names, ["Richards", "Sieve"]);
        assert_eq!(Suite::Awfy.select(&[]).unwrap().len(), 14);
        assert_eq!(Suite::Kernels.select(&[]).unwrap().len(), 21);
        assert_eq!(Suite::Heap.select(&[]).unwrap().len(), 6);
    }

    #[test]
    fn refuses_unknown_names() {
        let message = Suite::Awfy.select(&["Fib".to_owned()]).unwrap_err();
        assert!(message.starts_with("no program is called Fib"));
    }

    #[test]
    fn iterations_can_be_set() {
        let richards = Suite::Awfy.select(&["Richards".to_owned()]).unwrap()[0];
        assert_eq!(
            richards.counts(Scale::Full, None),
            Counts {
                iterations: 10,
                inner: 100
            }
        );
        assert_eq!(richards.counts(Scale::Small, Some(7)).iterations, 7);
    }
}
