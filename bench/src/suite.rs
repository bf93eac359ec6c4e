//! The fourteen programs and how often each is run.
//!
//! Must stay true: every inner count is one for which the suite knows the right result,
//! so that a run that finishes has been checked.

use clap::ValueEnum;

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

/// The suite, larger programs first.
pub const PROGRAMS: [Program; 14] = [
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

/// The programs that `only` names, in the suite's order; all where it names none.
pub fn select(only: &[String]) -> Result<Vec<Program>, String> {
    for name in only {
        if !PROGRAMS.iter().any(|p| p.name.eq_ignore_ascii_case(name)) {
            let known: Vec<&str> = PROGRAMS.iter().map(|p| p.name).collect();
            return Err(format!(
                "no program is called {name}; there are {}",
                known.join(", ")
            ));
        }
    }
    Ok(PROGRAMS
        .into_iter()
        .filter(|p| only.is_empty() || only.iter().any(|name| p.name.eq_ignore_ascii_case(name)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_in_the_suites_order() {
        let only = ["sieve".to_owned(), "Richards".to_owned()];
        let names: Vec<&str> = select(&only).unwrap().iter().map(|p| p.name).collect();
        assert_eq!(names, ["Richards", "Sieve"]);
        assert_eq!(select(&[]).unwrap().len(), 14);
    }

    #[test]
    fn refuses_unknown_names() {
        let message = select(&["Fib".to_owned()]).unwrap_err();
        assert!(message.starts_with("no program is called Fib"));
    }

    #[test]
    fn iterations_can_be_set() {
        let richards = select(&["Richards".to_owned()]).unwrap()[0];
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
