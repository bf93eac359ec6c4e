//! Reads what the harnesses print: one line `Name: iterations=1 runtime: 12345us` for
//! each measurement, and from kernels `Name: result: 42` behind it.

use crate::report::Measured;

/// The runtimes in microseconds of one process that was asked for `iterations` of them.
///
/// Lines of another form are the program's own and are passed over; a wrong number of
/// measurements is an error, since it means that the process did something else.
pub fn runtimes(output: &str, name: &str, iterations: u32) -> Result<Vec<u64>, String> {
    let mut found = Vec::new();
    for line in output.lines() {
        if let Some(value) = measurement(line.trim(), name) {
            let runtime = value
                .parse()
                .map_err(|_| format!("not a runtime: {}", line.trim()))?;
            found.push(runtime);
        }
    }
    if found.len() == iterations as usize {
        Ok(found)
    } else {
        Err(format!(
            "printed {} measurements instead of {iterations}",
            found.len()
        ))
    }
}

/// What a process says that its result is, if it says so; an error if it says different things.
pub fn result(output: &str, name: &str) -> Result<Option<String>, String> {
    let prefix = format!("{name}: result: ");
    let mut results = output
        .lines()
        .filter_map(|l| l.trim().strip_prefix(&prefix));
    let first = results.next();
    match (first, results.find(|r| Some(*r) != first)) {
        (Some(first), Some(other)) => Err(format!("results differ: {first} and {other}")),
        _ => Ok(first.map(str::to_owned)),
    }
}

/// Microseconds that our collector took for each of `iterations` measurements, from what `--stats=json` says.
pub fn collector(errors: &str, iterations: u32) -> Option<u64> {
    let stats: serde_json::Value = errors
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str(line).ok())?;
    let seconds = stats["heap"]["seconds"].as_f64()?;
    Some((seconds * 1e6 / f64::from(iterations.max(1))) as u64)
}

/// Makes those fail whose result is not the most frequent one, and, where there are results, those without.
pub fn agreeing(measured: Vec<(Measured, Option<String>)>) -> Vec<Measured> {
    let results = || measured.iter().filter_map(|(_, result)| result.as_deref());
    let votes = |r: &str| results().filter(|other| *other == r).count();
    let right = results().max_by_key(|r| votes(r)).map(str::to_owned);
    let judge = |(measured, result)| match (measured, result, &right) {
        (Measured::Runtimes(_), Some(result), Some(right)) if result != *right => {
            Measured::Failed(format!("its result is {result} instead of {right}"))
        }
        (Measured::Runtimes(_), None, Some(_)) => Measured::Failed("it says no result".to_owned()),
        (measured, _, _) => measured,
    };
    measured.into_iter().map(judge).collect()
}

/// The digits of a line with a measurement of `name`.
fn measurement<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.strip_prefix(name)?
        .strip_prefix(": iterations=1 runtime: ")?
        .strip_suffix("us")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Starting Richards benchmark ...\n\
        Richards: iterations=1 runtime: 1200us\n\
        Richards: iterations=1 runtime: 900us\r\n\
        Richards: iterations=2 average: 1050us total: 2100us\n\n\
        Total Runtime: 2100us\n";

    #[test]
    fn reads_every_measurement() {
        assert_eq!(runtimes(OUTPUT, "Richards", 2), Ok(vec![1200, 900]));
    }

    #[test]
    fn the_average_of_a_single_run_is_no_measurement() {
        let output =
            "List: iterations=1 runtime: 5us\nList: iterations=1 average: 5us total: 5us\n";
        assert_eq!(runtimes(output, "List", 1), Ok(vec![5]));
    }

    #[test]
    fn who_has_another_result_failed() {
        let ran = |r: &str| (Measured::Runtimes(vec![1]), Some(r.to_owned()));
        let judged = agreeing(vec![ran("5"), ran("4"), ran("5")]);
        assert_eq!(judged[0], Measured::Runtimes(vec![1]));
        let wrong = "its result is 4 instead of 5".to_owned();
        assert_eq!(judged[1], Measured::Failed(wrong));
        let silent = agreeing(vec![ran("5"), (Measured::Runtimes(vec![1]), None)]);
        assert_eq!(silent[1], Measured::Failed("it says no result".to_owned()));
        assert_eq!(
            result("A: result: 1\nA: result: 1\n", "A"),
            Ok(Some("1".to_owned()))
        );
        assert!(result("A: result: 1\nA: result: 2\n", "A").is_err());
        assert_eq!(result(OUTPUT, "Richards"), Ok(None));
    }

    #[test]
    fn a_wrong_number_of_measurements_is_an_error() {
        assert_eq!(
            runtimes(OUTPUT, "Richards", 3),
            Err("printed 2 measurements instead of 3".to_owned())
        );
        assert!(runtimes(OUTPUT, "Rich", 2).is_err());
        assert!(runtimes("", "Json", 1).is_err());
    }

    #[test]
    fn the_collectors_share_comes_from_the_stats() {
        let errors = "warning: x\n{\"heap\":{\"seconds\":0.5}}\n";
        assert_eq!(collector(errors, 10), Some(50_000));
        assert_eq!(collector("no stats\n", 1), None);
    }

    #[test]
    fn a_number_that_is_none_is_an_error() {
        let output = "CD: iterations=1 runtime: nanus\n";
        assert_eq!(
            runtimes(output, "CD", 1),
            Err("not a runtime: CD: iterations=1 runtime: nanus".to_owned())
        );
    }
}
