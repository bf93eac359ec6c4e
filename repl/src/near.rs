//! What somebody meant who wrote something else: the nearest of the words that would have been right.

/// The nearest of the candidates, if one is near enough to be meant.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    // Longer ones are no slips of the hand, and comparing them would take long.
    if word.len() > 64 {
        return None;
    }
    let most = (word.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|c| (distance(&word, &c.to_lowercase()), c))
        .filter(|(far, _)| *far <= most)
        .min_by_key(|(far, _)| *far)
        .map(|(_, c)| c)
}

/// Letters to add, take away, exchange or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut rows: [Vec<usize>; 2] = [Vec::new(), (0..=b.len()).collect()];
    let mut last = None;
    for (i, x) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let [before, above] = &rows;
            let at = |row: &Vec<usize>, n: usize| row.get(n).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(above, j) + usize::from(x != *y))
                .min(at(above, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = j > 0 && last == Some(*y) && b.get(j - 1) == Some(&x);
            if swapped && !before.is_empty() {
                best = best.min(at(before, j - 1) + 1);
            }
            row.push(best);
        }
        let [_, above] = rows;
        rows = [above, row];
        last = Some(x);
    }
    rows[1].last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips() {
        let words = ["check", "run", "build", "E0601", "overflow"];
        for (word, meant) in [
            ("chek", Some("check")),
            ("hceck", Some("check")),
            ("overflo", Some("overflow")),
            ("e061", Some("E0601")),
            ("biuld", Some("build")),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, words), meant, "{word}");
        }
    }
}
