//! Times and numbers as a person reads them; and what nobody knows.
//!
//! All of them are safe in markup: they write numbers and words of their own alone.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use askama::filters::HtmlSafe;
use jiff::Timestamp;

/// What a server does not tell is not guessed.
const UNKNOWN: &str = "–";

/// How long ago a moment was, with the moment itself for who points at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ago {
    at: Option<SystemTime>,
    now: SystemTime,
}

impl Ago {
    pub(crate) fn of(at: Option<SystemTime>) -> Self {
        Self { at, now: SystemTime::now() }
    }

    /// A time in milliseconds since 1970; 0 is one that nobody has written down.
    pub(crate) fn millis(millis: u64) -> Self {
        Self::of(UNIX_EPOCH.checked_add(Duration::from_millis(millis)).filter(|_| millis > 0))
    }
}

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = self.at else { return f.write_str(UNKNOWN) };
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        // What no calendar has is no moment.
        let Ok(moment) = Timestamp::from_second(second) else { return f.write_str(UNKNOWN) };
        write!(f, "<time datetime=\"{moment}\" title=\"{moment}\">")?;
        match self.now.duration_since(at) {
            Ok(ago) if ago < Duration::from_secs(1) => f.write_str("now")?,
            Ok(ago) => write!(f, "{} ago", Age(Some(ago)))?,
            Err(ahead) => write!(f, "in {}", Age(Some(ahead.duration())))?,
        }
        f.write_str("</time>")
    }
}

impl HtmlSafe for Ago {}

/// How long something has lasted, in its largest unit: `4 s`, `12 min`, `3 h`, `9 d`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age(pub(crate) Option<Duration>);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map(|age| age.as_secs()) {
            None => f.write_str(UNKNOWN),
            Some(seconds @ 0..=119) => write!(f, "{seconds} s"),
            Some(seconds @ 120..=7_199) => write!(f, "{} min", seconds / 60),
            Some(seconds @ 7_200..=172_799) => write!(f, "{} h", seconds / 3_600),
            Some(seconds) => write!(f, "{} d", seconds / 86_400),
        }
    }
}

impl HtmlSafe for Age {}

/// A number, its thousands apart; and whether there may be more, for nobody has counted further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) number: Option<u64>,
    pub(crate) is_least: bool,
}

impl Figure {
    pub(crate) fn of(number: u64) -> Self {
        Self { number: Some(number), is_least: false }
    }

    pub(crate) fn known(number: Option<u64>) -> Self {
        Self { number, is_least: false }
    }

    /// One that was counted up to `most`, which stands for that many or more.
    pub(crate) fn counted(number: Option<u64>, most: u64) -> Self {
        Self { number, is_least: number.is_some_and(|number| number >= most) }
    }

    /// Whether it is known to be more than none.
    pub(crate) fn is_some(&self) -> bool {
        self.number.is_some_and(|number| number > 0)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(number) = self.number else { return f.write_str(UNKNOWN) };
        let digits = number.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at) % 3 == 0 {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        f.write_str(if self.is_least { "+" } else { "" })
    }
}

impl HtmlSafe for Figure {}

/// By how much something changes each second, with its sign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change(pub(crate) Option<f64>);

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str(UNKNOWN),
            Some(change) if change.abs() < 0.05 => f.write_str("0"),
            Some(change) => write!(f, "{change:+.1}"),
        }
    }
}

impl HtmlSafe for Change {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(at: u64, now: u64) -> String {
        let time = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        Ago { at: Some(time(at)), now: time(now) }.to_string()
    }

    #[test]
    fn a_moment_is_told_by_its_distance_and_has_its_date() {
        let moment = "<time datetime=\"2026-01-02T03:04:05Z\" title=\"2026-01-02T03:04:05Z\">";
        assert_eq!(ago(1_767_323_045, 1_767_323_045), format!("{moment}now</time>"));
        assert_eq!(ago(1_767_323_045, 1_767_323_105), format!("{moment}60 s ago</time>"));
        assert_eq!(ago(1_767_323_045, 1_767_322_045), format!("{moment}in 16 min</time>"));
        assert_eq!(Ago::millis(0).to_string(), "–");
        assert_eq!(Ago::millis(u64::MAX).to_string(), "–");
    }

    #[test]
    fn numbers_are_short_and_nothing_is_guessed() {
        let all = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")];
        for (number, figure) in all {
            assert_eq!(Figure::of(number).to_string(), figure);
        }
        assert_eq!(Figure::counted(Some(10_000), 10_000).to_string(), "10,000+");
        assert_eq!(Figure::known(None).to_string(), "–");
        assert_eq!(Age(Some(Duration::from_secs(7_199))).to_string(), "119 min");
        assert_eq!(Age(Some(Duration::from_secs(172_800))).to_string(), "2 d");
        assert_eq!(Change(Some(-3.25)).to_string(), "-3.2");
        assert_eq!(Change(Some(1.5)).to_string(), "+1.5");
        assert_eq!(Change(Some(0.01)).to_string(), "0");
    }
}
