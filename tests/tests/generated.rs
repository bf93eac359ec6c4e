//! A slice of the generated programs and mutants; `jet-fuzz` runs any number of them.

use jet_tests::generate::census::Census;
use jet_tests::generate::rng::Rng;
use jet_tests::generate::{mutate, oracle, program};
use std::time::{Duration, Instant};

/// Works through seeds until the time is over, on a stack like the command's.
fn slice(seconds: u64, least: u64, mut each: impl FnMut(u64) + Send + 'static) {
    let run = move || {
        let start = Instant::now();
        let mut seed = 0;
        while seed < least || start.elapsed() < Duration::from_secs(seconds) {
            each(seed);
            seed += 1;
        }
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run);
    if let Err(panic) = thread.expect("a thread starts").join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn programs_do_what_the_reference_evaluator_says() {
    slice(10, 60, |seed| {
        let p = program::program(seed);
        if let Err(why) = oracle::check(&p) {
            panic!("jet-fuzz --show --mode=programs --seed={seed}\n{why}");
        }
    });
}

#[test]
fn mutants_are_answered() {
    slice(10, 100, |seed| {
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
        if let Err(why) = mutate::check(&modules) {
            panic!("{why}\n{}", modules[0].1);
        }
    });
}

#[test]
fn every_form_and_opcode_is_produced() {
    let run = || {
        let mut census = Census::default();
        for seed in 0..4000 {
            let p = program::program(seed);
            for m in &p.modules {
                census.add_text(&m.1);
            }
            if let Ok(oracle::Compiled::Bytes(bytes)) = oracle::compile(&p.modules) {
                census.add_bundle(&bytes);
            }
            if seed >= 200 && seed % 50 == 0 && census.missing().is_empty() {
                return;
            }
        }
        panic!(
            "never produced: {}\n{}",
            census.missing().join(", "),
            census.table()
        );
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run);
    thread
        .expect("a thread starts")
        .join()
        .expect("every form is produced");
}
