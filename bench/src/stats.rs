//! The few numbers that a comparison prints.

/// The smallest value.
pub fn minimum(values: &[u64]) -> Option<u64> {
    values.iter().copied().min()
}

/// The middle value, or the mean of the two middle ones, rounded down.
pub fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = sorted[sorted.len() / 2 - 1];
    Some(lower + (upper - lower) / 2)
}

/// The middle one of positive numbers, to a thousandth; 0 of none.
pub fn middle(values: &[f64]) -> f64 {
    let thousandths: Vec<u64> = values.iter().map(|v| (v * 1e3) as u64).collect();
    median(&thousandths).unwrap_or_default() as f64 / 1e3
}

/// `ours / peer`; nothing where the peer took no measurable time.
pub fn ratio(ours: u64, peer: u64) -> Option<f64> {
    (peer > 0).then(|| ours as f64 / peer as f64)
}

/// The geometric mean of positive values.
pub fn geometric_mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() || values.iter().any(|v| *v <= 0.0) {
        return None;
    }
    let logs: f64 = values.iter().map(|v| v.ln()).sum();
    Some((logs / values.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_and_median() {
        assert_eq!(minimum(&[5, 3, 9]), Some(3));
        assert_eq!(median(&[5, 3, 9]), Some(5));
        assert_eq!(median(&[1, 9, 4, 5]), Some(4));
        assert_eq!(median(&[u64::MAX, u64::MAX]), Some(u64::MAX));
        assert_eq!(minimum(&[]), None);
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn ratios_of_nothing_are_none() {
        assert_eq!(ratio(3, 2), Some(1.5));
        assert_eq!(ratio(3, 0), None);
    }

    #[test]
    fn geometric_means() {
        let mean = geometric_mean(&[2.0, 8.0]).unwrap();
        assert!((mean - 4.0).abs() < 1e-12);
        assert_eq!(geometric_mean(&[]), None);
        assert_eq!(geometric_mean(&[0.0, 1.0]), None);
    }
}
