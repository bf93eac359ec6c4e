//! A slice of the generated programs and mutants; `jet-fuzz` runs any number of them.

use jet_tests::generate::census::Census;
use jet_tests::generate::oracle::Which;
use jet_tests::generate::rng::Rng;
use jet_tests::generate::{mutate, oracle, program};
use std::time::{Duration, Instant};

/// Runs on a stack like the command's.
fn deep(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run);
    if let Err(panic) = thread.expect("a thread starts").join() {
        std::panic::resume_unwind(panic);
    }
}

/// Each mode that is to make machine code made some: else it compares the interpreter with itself.
fn assert_machine_code() {
    let regions = oracle::regions();
    assert!(regions.len() >= 3, "{regions:?}");
    if jet_jit::supported() {
        assert!(regions.iter().all(|(_, n)| *n > 0), "{regions:?}");
    }
}

/// Works through seeds until the time is over.
fn slice(seconds: u64, least: u64, mut each: impl FnMut(u64) + Send + 'static) {
    deep(move || {
        let start = Instant::now();
        let mut seed = 0;
        while seed < least || start.elapsed() < Duration::from_secs(seconds) {
            each(seed);
            seed += 1;
        }
    });
}

#[test]
fn programs_do_what_the_reference_evaluator_says() {
    slice(9, 30, |seed| {
        let p = program::program(seed);
        if let Err(why) = oracle::check(&p, seed % 8 == 0, Which::All) {
            panic!("jet-fuzz --show --mode=programs --seed={seed}\n{why}");
        }
    });
    assert_machine_code();
}

#[test]
fn mutants_are_answered() {
    let mut compiled = 0;
    slice(6, 50, move |seed| {
        let mut rng = Rng::new(seed);
        let text = |rng: &mut Rng| {
            let p = program::program(rng.below(500) as u64);
            p.modules
                .into_iter()
                .map(|m| m.1)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let (a, b) = (text(&mut rng), text(&mut rng));
        let mutant = mutate::mutate(&mut rng, &a, &b);
        let modules = vec![("main".to_string(), mutant)];
        match mutate::check(&modules, Which::All) {
            Ok(compiles) => compiled += u64::from(compiles),
            Err(why) => panic!("{why}\n{}", modules[0].1),
        }
        // About one in six: where all are refused, no mutant is run.
        assert!(seed < 49 || compiled > 0, "no mutant compiles");
    });
}

/// Every form of the tree, opcode, builtin and function of the standard library, and every way to end, occurs in
/// the programs of these seeds. What cannot occur is listed in `census::NEVER`, with the reason.
#[test]
fn every_form_is_produced() {
    const SEEDS: u64 = 1500;
    deep(|| {
        let mut census = Census::default();
        for seed in 0..SEEDS {
            let p = program::program(seed);
            if let Ok(oracle::Compiled::Program(bundle, _)) = oracle::compile(&p.modules) {
                census.add_program(&p, &bundle);
            }
            if seed % 25 == 24 && census.missing().is_empty() {
                return;
            }
        }
        panic!(
            "never produced: {}\n{}",
            census.missing().join(", "),
            census.table()
        );
    });
}

/// The table of modes is what the comparison runs: the first is the reference, and all of them differ.
#[test]
fn modes_have_names_of_their_own() {
    let names: Vec<&str> = oracle::MODES.iter().map(|m| m.name).collect();
    assert!(names.len() >= 5, "{names:?}");
    for (i, name) in names.iter().enumerate() {
        assert!(!names[..i].contains(name), "{name} twice");
    }
}
