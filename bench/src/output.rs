//! Reads what the harnesses print: one line `Name: iterations=1 runtime: 12345us` for
//! each measurement.

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
    fn a_wrong_number_of_measurements_is_an_error() {
        assert_eq!(
            runtimes(OUTPUT, "Richards", 3),
            Err("printed 2 measurements instead of 3".to_owned())
        );
        assert!(runtimes(OUTPUT, "Rich", 2).is_err());
        assert!(runtimes("", "Json", 1).is_err());
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
