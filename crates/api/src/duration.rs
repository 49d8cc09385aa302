//! Durations as Kubernetes writes them: `24h`, `1h30m`, `15m`, `90s`.

use jiff::SignedDuration;

/// The pattern that the schemas give for a duration, together with a length of at least 2.
pub const DURATION_PATTERN: &str = "^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$";
/// The longest duration in characters.
pub const MAX_DURATION: usize = 22;

/// A text that is no duration of whole hours, minutes and seconds above zero.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a duration above zero: write hours, minutes and seconds like 24h, 1h30m, 15m or 90s")]
pub struct InvalidDuration(String);

/// The duration that the text means.
pub fn parse(text: &str) -> Result<SignedDuration, InvalidDuration> {
    seconds(text)
        .filter(|seconds| *seconds > 0)
        .map(SignedDuration::from_secs)
        .ok_or_else(|| InvalidDuration(text.to_owned()))
}

fn seconds(text: &str) -> Option<i64> {
    let units = [('h', 3600, 5), ('m', 60, 6), ('s', 1, 8)];
    let mut rest = text;
    let mut total = 0;
    for (unit, factor, digits) in units {
        if let Some((number, after)) = rest.split_once(unit) {
            let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && number.len() <= digits;
            total += plain.then(|| number.parse::<i64>().ok()).flatten()? * factor;
            rest = after;
        }
    }
    rest.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_minutes_and_seconds_in_this_order() {
        for (text, seconds) in [
            ("24h", 86_400),
            ("15m", 900),
            ("90s", 90),
            ("1h30m", 5_400),
            ("1h0m1s", 3_601),
        ] {
            assert_eq!(parse(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_text() {
        for text in [
            "", "5", "h", "0s", "0h0m", "-5m", "+5m", "1d", "1.5h", "30m1h", "1m1m", "1h ", "100000h", "١m",
        ] {
            assert_eq!(parse(text), Err(InvalidDuration(text.to_owned())), "{text}");
        }
    }
}
