//! When an event was published, as the wire has it: whole microseconds, written as Python writes them.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// The start of the year 1, in seconds: neither RFC 3339 nor Python's `datetime` knows an earlier one to write.
pub(crate) const FIRST: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// The time as the wire has it, so that metadata that went over it compare equal.
pub(crate) fn whole_micros(time: SystemTime) -> SystemTime {
    let nanos = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos() % 1_000);
    time.checked_sub(Duration::from_nanos(nanos.into())).unwrap_or(time)
}

/// A time as `publishDate` has it.
#[derive(Clone, Copy, Debug)]
pub struct PublishDate(pub SystemTime);

impl PublishDate {
    /// Reads a date of RFC 3339, or one without an offset as UTC.
    pub fn read(text: &str) -> Option<SystemTime> {
        let date = match text.parse::<Timestamp>() {
            Ok(date) => date,
            // Only if there is no offset at all: jiff would ignore one here.
            Err(_) if text.bytes().skip(10).all(|byte| byte.is_ascii_digit() || b"Tt :.,".contains(&byte)) => {
                Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok()?
            }
            Err(_) => return None,
        };
        if date < FIRST {
            return None;
        }
        let micros = Duration::from_micros(date.as_microsecond().unsigned_abs());
        if date < Timestamp::UNIX_EPOCH { UNIX_EPOCH.checked_sub(micros) } else { UNIX_EPOCH.checked_add(micros) }
    }
}

/// As Python writes it: in UTC, with six digits of fraction or none. A time that has no such date, before the year 1 or
/// after 9999, is written as the first or the last that has one.
impl fmt::Display for PublishDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beyond = if self.0 < UNIX_EPOCH { FIRST } else { Timestamp::MAX };
        let date = Timestamp::try_from(self.0).unwrap_or(beyond).max(FIRST);
        let micros = Timestamp::from_microsecond(date.as_microsecond()).unwrap_or(beyond);
        let date = micros.display_with_offset(Offset::UTC);
        if micros.subsec_microsecond() == 0 { write!(f, "{date}") } else { write!(f, "{date:.6}") }
    }
}

/// A time in other events of ours, written as `publishDate` is: for `#[serde(serialize_with)]`.
pub(crate) fn write_date<S: Serializer>(date: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&PublishDate(*date))
}

/// The same for `#[serde(deserialize_with)]`.
pub(crate) fn read_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    PublishDate::read(&text).ok_or_else(|| D::Error::custom(format_args!("`{text}` is no date of RFC 3339")))
}
