//! The times that a schedule names, by a clock that nobody changes.
//!
//! `"0 3 * * *" → Times → schedule.rs, which knows the zone`

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

use super::error::ScheduleError;
use super::field::{DAY, Field, HOUR, MINUTE, MONTH, SECOND, WEEKDAY};

/// Words that stand for a whole schedule.
const WORDS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The longest that each month may be, from January.
const LENGTHS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// What the fields of a schedule name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    seconds: Field,
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

impl Times {
    pub(super) fn read(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        let fields = match text.strip_prefix('@') {
            Some(_) => {
                let known = WORDS.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
                known.ok_or_else(|| ScheduleError::Word { word: text.into() })?.1
            }
            None => text,
        };
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let (seconds, rest) = match *fields.as_slice() {
            [minutes, hours, days, months, weekdays] => (Field::only(0), [minutes, hours, days, months, weekdays]),
            [seconds, minutes, hours, days, months, weekdays] => {
                (Field::read(&SECOND, seconds)?, [minutes, hours, days, months, weekdays])
            }
            _ => return Err(ScheduleError::Fields { count: fields.len() }),
        };
        let [minutes, hours, days, months, weekdays] = rest;
        let times = Self {
            seconds,
            minutes: Field::read(&MINUTE, minutes)?,
            hours: Field::read(&HOUR, hours)?,
            days: Field::read(&DAY, days)?,
            months: Field::read(&MONTH, months)?,
            weekdays: Field::read(&WEEKDAY, weekdays)?,
        };
        if times.is_never() { Err(ScheduleError::Never { schedule: text.into() }) } else { Ok(times) }
    }

    /// Whether it goes on with the clock, as `*` and `*/15` do, instead of naming times of the day.
    pub(super) fn goes_on(&self) -> bool {
        self.hours.is_star || self.minutes.is_star || self.seconds.is_star
    }

    /// Whether a day has to be both of the month and of the week: if one of the two is `*`, or steps over all. Else it is enough
    /// to be one of them.
    fn is_both(&self) -> bool {
        self.days.is_star || self.weekdays.is_star
    }

    /// Whether none of its months has one of its days. Each day of a year is each day of the week in some year.
    fn is_never(&self) -> bool {
        let lengths = (1..).zip(LENGTHS);
        let has_day = |(month, length)| self.months.has(month) && (1..=length).any(|day| self.days.has(day));
        self.is_both() && !self.days.has_last && !lengths.into_iter().any(has_day)
    }

    fn is_day(&self, date: Date) -> bool {
        // Neither is beyond what the field can hold.
        let day =
            self.days.has(date.day().unsigned_abs()) || (self.days.has_last && date.day() == date.days_in_month());
        let weekday = self.weekdays.has(date.weekday().to_sunday_zero_offset().unsigned_abs());
        if self.is_both() { day && weekday } else { day || weekday }
    }

    /// The first time of a day, in seconds from its beginning, that is not before this one.
    fn in_day(&self, least: u32) -> Option<u32> {
        let part = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
        let (hour, minute, second) = (part(least / 3600), part(least / 60 % 60), part(least % 60));
        let first = |hour: u8| Some((hour, self.minutes.from(0)?, self.seconds.from(0)?));
        let found = if self.hours.has(hour) {
            let here = self.minutes.has(minute).then(|| self.seconds.from(second)).flatten();
            let here = here.map(|second| (hour, minute, second));
            let later = || Some((hour, self.minutes.from(minute + 1)?, self.seconds.from(0)?));
            here.or_else(later).or_else(|| first(self.hours.from(hour + 1)?))
        } else {
            first(self.hours.from(hour)?)
        };
        found.map(|(hour, minute, second)| u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second))
    }

    /// The first time that is not before this one, both in seconds since 1970 by a clock that nobody changes. There is none only
    /// behind the year 9999.
    pub(super) fn from(&self, least: i64) -> Option<i64> {
        let start = Offset::UTC.to_datetime(Timestamp::from_second(least).ok()?);
        let (mut date, mut least) = (start.date(), u32::try_from(least.rem_euclid(86_400)).ok()?);
        loop {
            if !self.months.has(date.month().unsigned_abs()) {
                date = date.last_of_month().tomorrow().ok()?;
                least = 0;
                continue;
            }
            if self.is_day(date)
                && let Some(second) = self.in_day(least)
            {
                let midnight = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
                return midnight.checked_add(i64::from(second).seconds()).ok().map(Timestamp::as_second);
            }
            date = date.tomorrow().ok()?;
            least = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> i64 {
        let time: jiff::civil::DateTime = text.parse().unwrap();
        Offset::UTC.to_timestamp(time).unwrap().as_second()
    }

    fn shown(time: i64) -> String {
        Offset::UTC.to_datetime(Timestamp::from_second(time).unwrap()).strftime("%a %Y-%m-%d %H:%M:%S").to_string()
    }

    /// The first so many times after this one.
    fn times(text: &str, after: &str, count: usize) -> Vec<String> {
        let times = Times::read(text).unwrap();
        let next = |time: &i64| times.from(time + 1);
        std::iter::successors(next(&at(after)), next).take(count).map(shown).collect()
    }

    #[test]
    fn five_fields_six_and_words_name_times() {
        for (text, after, expected) in [
            ("0 3 * * *", "2024-01-01T03:00:00", vec!["Tue 2024-01-02 03:00:00"]),
            ("0 3 * * *", "2024-01-01T02:59:59", vec!["Mon 2024-01-01 03:00:00"]),
            ("*/30 * * * * *", "2024-01-01T00:00:00", vec!["Mon 2024-01-01 00:00:30", "Mon 2024-01-01 00:01:00"]),
            ("5 0 0 * * *", "2024-01-01T00:00:05", vec!["Tue 2024-01-02 00:00:05"]),
            ("59 59 23 31 12 *", "2024-06-01T00:00:00", vec!["Tue 2024-12-31 23:59:59", "Wed 2025-12-31 23:59:59"]),
            (
                " 0\t9-17/4  * *  mon-FRI ",
                "2024-01-05T13:00:00",
                vec!["Fri 2024-01-05 17:00:00", "Mon 2024-01-08 09:00:00"],
            ),
            ("@hourly", "2024-01-01T00:00:00", vec!["Mon 2024-01-01 01:00:00"]),
            ("@Daily", "2024-01-01T00:00:00", vec!["Tue 2024-01-02 00:00:00"]),
            ("@midnight", "2024-01-01T00:00:00", vec!["Tue 2024-01-02 00:00:00"]),
            ("@weekly", "2024-01-01T00:00:00", vec!["Sun 2024-01-07 00:00:00"]),
            ("@monthly", "2024-01-01T00:00:00", vec!["Thu 2024-02-01 00:00:00"]),
            ("@yearly", "2024-01-01T00:00:00", vec!["Wed 2025-01-01 00:00:00"]),
            ("@annually", "2024-01-01T00:00:00", vec!["Wed 2025-01-01 00:00:00"]),
        ] {
            assert_eq!(times(text, after, expected.len()), expected, "{text}");
        }
    }

    #[test]
    fn days_of_leap_years_and_last_days_are_found() {
        assert_eq!(
            times("0 0 29 2 *", "2096-01-01T00:00:00", 3),
            ["Wed 2096-02-29 00:00:00", "Fri 2104-02-29 00:00:00", "Wed 2108-02-29 00:00:00"],
            "2100 is no leap year"
        );
        assert_eq!(times("0 0 29 2 *", "1999-03-01T00:00:00", 1), ["Tue 2000-02-29 00:00:00"]);
        assert_eq!(
            times("0 0 L * *", "2023-12-31T00:00:00", 4),
            [
                "Wed 2024-01-31 00:00:00",
                "Thu 2024-02-29 00:00:00",
                "Sun 2024-03-31 00:00:00",
                "Tue 2024-04-30 00:00:00"
            ]
        );
        assert_eq!(
            times("0 0 31 * *", "2024-01-31T00:00:00", 3),
            ["Sun 2024-03-31 00:00:00", "Fri 2024-05-31 00:00:00", "Wed 2024-07-31 00:00:00"]
        );
        assert_eq!(
            times("0 0 29 2 */6", "2024-03-01T00:00:00", 2),
            ["Sun 2032-02-29 00:00:00", "Sat 2048-02-29 00:00:00"],
            "a step over all days of the week does not make it either"
        );
    }

    #[test]
    fn a_day_of_the_month_and_one_of_the_week_are_either() {
        assert_eq!(
            times("0 0 13 * FRI", "2024-09-01T00:00:00", 4),
            [
                "Fri 2024-09-06 00:00:00",
                "Fri 2024-09-13 00:00:00",
                "Fri 2024-09-20 00:00:00",
                "Fri 2024-09-27 00:00:00"
            ]
        );
        assert_eq!(
            times("0 0 1,15 * SUN", "2024-10-31T00:00:00", 3),
            ["Fri 2024-11-01 00:00:00", "Sun 2024-11-03 00:00:00", "Sun 2024-11-10 00:00:00"]
        );
        assert_eq!(
            times("0 0 */2 * MON", "2024-01-01T00:00:00", 2),
            ["Mon 2024-01-15 00:00:00", "Mon 2024-01-29 00:00:00"],
            "both, if one begins with a star"
        );
        assert_eq!(times("0 0 30 2 MON", "2024-01-31T00:00:00", 1), ["Mon 2024-02-05 00:00:00"]);
        assert_eq!(times("0 0 L * MON", "2024-02-26T00:00:00", 1), ["Thu 2024-02-29 00:00:00"]);
    }

    #[test]
    fn what_is_no_schedule_says_so() {
        for (text, expected) in [
            ("0 0 30 2 *", "`0 0 30 2 *` never fires: none of its months has one of its days"),
            ("0 0 31 4,6,SEP,11 *", "`0 0 31 4,6,SEP,11 *` never fires: none of its months has one of its days"),
            ("0 0 30,31 2 */2", "`0 0 30,31 2 */2` never fires: none of its months has one of its days"),
            (
                "@reboot",
                "`@reboot` is no schedule: use `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`, or five fields as in `0 3 * * *`",
            ),
            ("0 24 * * *", "the hour `24`: `24` is no number from 0 to 23"),
        ] {
            assert_eq!(Times::read(text).unwrap_err().to_string(), expected);
        }
        for (text, count) in [("", 0), ("* * * *", 4), ("* * * * * * *", 7), ("TZ=Europe/Berlin 0 3 * * * * *", 8)] {
            assert_eq!(Times::read(text).unwrap_err(), ScheduleError::Fields { count }, "{text}");
        }
    }

    #[test]
    fn before_and_behind_all_years_there_is_none() {
        let times = Times::read("0 0 29 2 *").unwrap();
        assert_eq!(times.from(i64::MIN), None);
        assert_eq!(times.from(i64::MAX), None);
        assert_eq!(times.from(at("9999-03-01T00:00:00")), None);
        assert_eq!(times.from(-1), Some(at("1972-02-29T00:00:00")));
        assert_eq!(shown(times.from(at("-000001-01-01T00:00:00")).unwrap()), "Tue 0000-02-29 00:00:00");
    }

    /// Of croner, which is another's: where both take a text, they name the same times.
    fn by_croner(text: &str, after: i64) -> Option<i64> {
        let cron: croner::Cron = text.parse().unwrap();
        let after = Offset::UTC.to_datetime(Timestamp::from_second(after).unwrap());
        let next: jiff::civil::DateTime = cron.find_next_occurrence(&after, false).ok()?;
        Some(Offset::UTC.to_timestamp(next).unwrap().as_second())
    }

    /// A field: a list of values, of ranges and of steps, from the first value to the last.
    fn field(first: u8, last: u8) -> impl Strategy<Value = String> {
        let value = first..=last;
        let range = (value.clone(), value.clone()).prop_map(|(a, b)| (a.min(b), a.max(b)));
        let item = prop_oneof![
            value.prop_map(|value| value.to_string()),
            range.clone().prop_map(|(a, b)| format!("{a}-{b}")),
            (range, 1..=last).prop_map(|((a, b), step)| if b > a {
                format!("{a}-{b}/{}", step.min(b - a))
            } else {
                a.to_string()
            }),
        ];
        let list = prop::collection::vec(item, 1..4).prop_map(|items| items.join(","));
        let step = (1..=last - first).prop_map(|step| format!("*/{step}"));
        prop_oneof![2 => Just("*".to_owned()), 1 => step, 3 => list]
    }

    /// Without steps over all days, which croner takes for either.
    fn day(first: u8, last: u8) -> impl Strategy<Value = String> {
        field(first, last).prop_map(|text| if text.starts_with("*/") { "*".into() } else { text })
    }

    fn schedule() -> impl Strategy<Value = String> {
        (field(0, 59), field(0, 59), field(0, 23), day(1, 31), field(1, 12), day(0, 6))
            .prop_map(|(s, m, h, d, mo, w)| format!("{s} {m} {h} {d} {mo} {w}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn another_library_names_the_same_times(text in schedule(), after in 0_i64..4_000_000_000) {
            match Times::read(&text) {
                Ok(times) => {
                    let next = times.from(after + 1);
                    prop_assert_eq!(next, by_croner(&text, after), "{}", text);
                    prop_assert_eq!(times.from(next.unwrap()), next, "it is one of them itself");
                }
                Err(error) => {
                    prop_assert!(matches!(error, ScheduleError::Never { .. }), "{}: {}", text, error);
                    prop_assert_eq!(by_croner(&text, after), None, "{}", text);
                }
            }
        }
    }
}
