//! Numbers, ages and times as a person reads them; and what nobody knows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// What a server does not tell is not guessed.
pub(crate) const UNKNOWN: &str = "–";

/// A number, its thousands apart.
pub(crate) fn figure(number: Option<u64>) -> String {
    let Some(number) = number else { return UNKNOWN.to_owned() };
    let digits = number.to_string();
    let mut figure = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            figure.push(',');
        }
        figure.push(digit);
    }
    figure
}

/// How long ago, in its largest unit: `4s`, `12m`, `3h`, `9d`.
pub(crate) fn age(age: Option<Duration>) -> String {
    match age.map(|age| age.as_secs()) {
        None => UNKNOWN.to_owned(),
        Some(seconds @ 0..=119) => format!("{seconds}s"),
        Some(seconds @ 120..=7_199) => format!("{}m", seconds / 60),
        Some(seconds @ 7_200..=172_799) => format!("{}h", seconds / 3_600),
        Some(seconds) => format!("{}d", seconds / 86_400),
    }
}

/// How long ago a time was, in milliseconds since 1970; `None` for one that nobody has written down. What is yet to come, by a clock
/// that goes before ours, is now.
pub(crate) fn since(millis: u64) -> Option<Duration> {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(millis)).filter(|_| millis > 0)?;
    Some(SystemTime::now().duration_since(time).unwrap_or_default())
}

/// A time in milliseconds since 1970, in UTC and whole seconds; `None` as [`since`].
pub(crate) fn instant(millis: u64) -> Option<String> {
    let seconds = i64::try_from(millis / 1000).ok().filter(|seconds| *seconds > 0)?;
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ages_are_short_and_nothing_is_guessed() {
        for (number, figure) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(super::figure(Some(number)), figure);
        }
        for (seconds, age) in [(0, "0s"), (119, "119s"), (120, "2m"), (7_199, "119m"), (7_200, "2h"), (200_000, "2d")] {
            assert_eq!(super::age(Some(Duration::from_secs(seconds))), age);
        }
        assert_eq!((figure(None), age(None)), ("–".to_owned(), "–".to_owned()));
        assert_eq!(instant(1_767_323_045_000).as_deref(), Some("2026-01-02T03:04:05Z"));
        for unknown in [0, u64::MAX] {
            assert_eq!(instant(unknown), None);
        }
        assert_eq!(since(0), None);
        assert_eq!(since(u64::MAX / 2), Some(Duration::ZERO));
    }
}
