//! Sizes and durations as the command line writes them: `64M`, `500ms`.

use std::time::Duration;

use jet_vm::host::limits::MEMORY_RANGE;

/// Bytes: a whole number, with `K`, `M`, `G` or `T` for powers of 1024.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => {
            return Err(format!(
                "`{unit}` is not a unit of size: use K, M, G or T, as in 64M"
            ));
        }
    };
    let number = number(digits, "a size like 64M")?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "the size is too large".to_owned())
}

/// A size that a heap can keep: a limit that would be raised or lowered is refused.
pub fn memory(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    let (least, most) = (MEMORY_RANGE.start() >> 10, MEMORY_RANGE.end() >> 30);
    if MEMORY_RANGE.contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("memory is from {least}K to {most}G, not `{text}`"))
    }
}

/// A duration: a whole number with `ms`, `s`, `m` or `h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "" => return Err("a duration needs a unit: ms, s, m or h, as in 500ms".to_owned()),
        _ => {
            return Err(format!(
                "`{unit}` is not a unit of time: use ms, s, m or h, as in 500ms"
            ));
        }
    };
    let number = number(digits, "a duration like 500ms")?;
    let total = number
        .checked_mul(millis)
        .ok_or_else(|| "the duration is too long".to_owned())?;
    Ok(Duration::from_millis(total))
}

/// A whole number, `_` between digits allowed.
pub fn count(text: &str) -> Result<u64, String> {
    number(text, "a whole number")
}

fn number(digits: &str, wanted: &str) -> Result<u64, String> {
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let only_digits =
        !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('_');
    if !only_digits {
        return Err(format!("expected {wanted}"));
    }
    plain
        .parse()
        .map_err(|_| "the number is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("64M"), Ok(64 << 20));
        assert_eq!(size("1_000k"), Ok(1_024_000));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        for bad in [
            "",
            "M",
            "1.5M",
            "-1",
            "64X",
            "99999999999999999999",
            "18446744073709551615K",
            "+1",
            "_1",
        ] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for bad in [
            "",
            "1",
            "s",
            "1d",
            "1.5s",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
