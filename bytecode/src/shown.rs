//! Characters that names and messages do not show as they are.

/// Whether a character is not seen, or changes how others are: a name with one would look like another, and a
/// terminal may act on it. Controls count, line ends and tabs too.
pub fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::hides;

    #[test]
    fn what_is_seen_is_not_hidden() {
        assert!(" aé日🙂\u{00A0}".chars().all(|c| !hides(c)));
        assert!(
            "\u{1b}\n\u{9b}\u{ad}\u{200b}\u{202e}\u{2028}\u{e0041}"
                .chars()
                .all(hides)
        );
    }
}
