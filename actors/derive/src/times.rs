//! Times and rates, as a person writes them, read where the literal stands.
//!
//! `"30s", "10/1m" → read, rate → task_keys.rs`

use std::time::Duration;

use syn::{Error, LitStr, Result};

/// The longest time: a hundred years, so that no clock it is added to comes to its end.
const MOST_DAYS: u64 = 36_500;

const UNITS: &str = "write a whole number and `ms`, `s`, `m`, `h` or `d`, as in `30s`";

/// Reads a time that is more than none.
pub(crate) fn read(literal: &LitStr) -> Result<Duration> {
    time(&literal.value()).map_err(|fault| Error::new(literal.span(), fault))
}

/// Reads how many there may be in a time.
pub(crate) fn rate(literal: &LitStr) -> Result<(u32, Duration)> {
    const FORM: &str = "write how many in which time, as in `10/1m`";
    let text = literal.value();
    let read = || {
        let (most, each) = text.split_once('/').ok_or_else(|| format!("`{text}` is no rate: {FORM}"))?;
        let is_number = !most.is_empty() && most.bytes().all(|byte| byte.is_ascii_digit());
        match most.parse() {
            Ok(0) => Err("none at all: the least is 1".into()),
            Ok(most) if is_number => Ok((most, time(each)?)),
            Err(_) if is_number => Err(format!("{most} are too many: the most are {}", u32::MAX)),
            _ => Err(format!("`{text}` is no rate: {FORM}")),
        }
    };
    read().map_err(|fault: String| Error::new(literal.span(), fault))
}

/// As it is written in messages: in the largest unit that leaves a whole number.
pub(crate) fn shown(time: Duration) -> String {
    let (seconds, rest) = (time.as_secs(), time.subsec_millis());
    match seconds {
        _ if rest > 0 => format!("{}ms", time.as_millis()),
        _ if seconds % (24 * 60 * 60) == 0 => format!("{}d", seconds / (24 * 60 * 60)),
        _ if seconds % (60 * 60) == 0 => format!("{}h", seconds / (60 * 60)),
        _ if seconds % 60 == 0 => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

fn time(text: &str) -> std::result::Result<Duration, String> {
    let end = text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("`{text}` is no time: {UNITS}")),
    };
    if number.is_empty() {
        return Err(format!("`{text}` is no time: {UNITS}"));
    }
    let most = Duration::from_secs(MOST_DAYS * 24 * 60 * 60);
    // A number beyond those that there are is beyond this as well.
    let time = number.parse().ok().and_then(|number: u64| number.checked_mul(millis)).map(Duration::from_millis);
    match time {
        Some(Duration::ZERO) => Err("no time at all: the least is `1ms`".into()),
        Some(time) if time <= most => Ok(time),
        _ => Err(format!("`{text}` is too long: the longest is `{MOST_DAYS}d`")),
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn literal(text: &str) -> LitStr {
        LitStr::new(text, Span::call_site())
    }

    #[test]
    fn a_time_is_a_number_and_its_unit() {
        for (text, millis) in [
            ("1ms", 1),
            ("250ms", 250),
            ("30s", 30_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("036500d", 3_153_600_000_000),
        ] {
            assert_eq!(read(&literal(text)).unwrap(), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn a_time_that_is_none_says_what_to_write() {
        for text in ["", "30", "s", "-1s", "1.5h", "1 h", "1H", "1w", "1m30s", " 1s", "٣s", "30sec", "1µs"] {
            let fault = read(&literal(text)).unwrap_err().to_string();
            assert_eq!(fault, format!("`{text}` is no time: {UNITS}"));
        }
        assert_eq!(read(&literal("0s")).unwrap_err().to_string(), "no time at all: the least is `1ms`");
        for text in ["36501d", "3153600001s", "18446744073709551616ms", "18446744073709551615d"] {
            let fault = read(&literal(text)).unwrap_err().to_string();
            assert_eq!(fault, format!("`{text}` is too long: the longest is `36500d`"));
        }
    }

    #[test]
    fn a_rate_is_a_number_in_a_time() {
        assert_eq!(rate(&literal("10/1m")).unwrap(), (10, Duration::from_secs(60)));
        assert_eq!(rate(&literal("1/250ms")).unwrap(), (1, Duration::from_millis(250)));
        let fault = |text: &str| rate(&literal(text)).unwrap_err().to_string();
        for text in ["10", "", "/1m", "ten/1m", "+1/1m", "-1/1m", "1.5/1m"] {
            assert_eq!(fault(text), format!("`{text}` is no rate: write how many in which time, as in `10/1m`"));
        }
        assert_eq!(fault("0/1m"), "none at all: the least is 1");
        assert_eq!(fault("4294967296/1m"), "4294967296 are too many: the most are 4294967295");
        assert_eq!(fault("10/m"), format!("`m` is no time: {UNITS}"));
        assert_eq!(fault("10/0s"), "no time at all: the least is `1ms`");
        assert_eq!(fault("10/1m/2"), format!("`1m/2` is no time: {UNITS}"));
    }

    #[test]
    fn a_time_is_shown_as_it_may_be_written() {
        for text in ["250ms", "1500ms", "90s", "15m", "2h", "7d"] {
            assert_eq!(shown(read(&literal(text)).unwrap()), text);
        }
        assert_eq!(shown(Duration::from_secs(3600)), "1h");
    }
}
