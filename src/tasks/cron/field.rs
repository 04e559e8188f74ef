//! One field of a schedule: which of its values it names.
//!
//! `"*/15" → Field → times.rs`

use super::error::ScheduleError;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// What a field may say.
#[derive(Debug)]
pub(super) struct Kind {
    name: &'static str,
    first: u8,
    last: u8,
    /// Names of its values, from the first.
    names: &'static [&'static str],
}

pub(super) const SECOND: Kind = Kind { name: "second", first: 0, last: 59, names: &[] };
pub(super) const MINUTE: Kind = Kind { name: "minute", first: 0, last: 59, names: &[] };
pub(super) const HOUR: Kind = Kind { name: "hour", first: 0, last: 23, names: &[] };
pub(super) const DAY: Kind = Kind { name: "day of month", first: 1, last: 31, names: &[] };
pub(super) const MONTH: Kind = Kind { name: "month", first: 1, last: 12, names: &MONTHS };
/// From Sunday, which is 7 as well.
pub(super) const WEEKDAY: Kind = Kind { name: "day of week", first: 0, last: 7, names: &WEEKDAYS };

/// What a field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// A bit for each of its values.
    bits: u64,
    /// Whether it begins with `*`, and so restricts nothing, or goes in steps over all of it.
    pub(super) is_star: bool,
    /// Whether it is `L`, or has it among others: the last day of the month.
    pub(super) has_last: bool,
}

impl Field {
    /// The one that has just this value.
    pub(super) const fn only(value: u8) -> Self {
        Self { bits: 1 << value, is_star: false, has_last: false }
    }

    pub(super) fn read(kind: &Kind, text: &str) -> Result<Self, ScheduleError> {
        let mut field = Self { bits: 0, is_star: text.starts_with('*'), has_last: false };
        for item in text.split(',') {
            let read = kind.item(item, &mut field);
            read.map_err(|reason| ScheduleError::Field { field: kind.name, text: text.into(), reason })?;
        }
        // 7 is Sunday as well.
        if kind.last == WEEKDAY.last {
            field.bits = (field.bits | field.bits >> 7) & 0x7f;
        }
        Ok(field)
    }

    pub(super) fn has(self, value: u8) -> bool {
        self.bits >> value & 1 == 1
    }

    /// The least of its values that is not below this one.
    pub(super) fn from(self, least: u8) -> Option<u8> {
        let rest = self.bits.checked_shr(least.into()).unwrap_or(0);
        // Of 64 bits the number of zeros is at most 64.
        (rest != 0).then(|| least + rest.trailing_zeros() as u8)
    }
}

impl Kind {
    fn item(&self, item: &str, field: &mut Field) -> Result<(), String> {
        if item.is_empty() {
            return Err("nothing on one side of a comma: remove the comma".into());
        }
        if self.last == DAY.last && item.eq_ignore_ascii_case("L") {
            field.has_last = true;
            return Ok(());
        }
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (first, last) = if range == "*" {
            // Sunday is counted once.
            (self.first, self.last.min(if self.last == WEEKDAY.last { 6 } else { u8::MAX }))
        } else if let Some((first, last)) = range.split_once('-') {
            self.range(range, first, last)?
        } else {
            let value = self.value(range)?;
            if step.is_some() {
                return Err(format!("a step needs a range: write `{value}-{}` before the slash, or `*`", self.last));
            }
            (value, value)
        };
        let step = step.map_or(Ok(1), |step| self.step(step, first, last))?;
        for value in (first..=last).step_by(step) {
            field.bits |= 1 << value;
        }
        Ok(())
    }

    fn range(&self, range: &str, first: &str, last: &str) -> Result<(u8, u8), String> {
        let (first, last) = (self.value(first)?, self.value(last)?);
        // A week that ends with Sunday.
        let last = if self.last == WEEKDAY.last && last == 0 && first > 0 { 7 } else { last };
        if first > last {
            return Err(format!("`{range}` ends before it begins: write two ranges, with a comma between them"));
        }
        Ok((first, last))
    }

    fn step(&self, step: &str, first: u8, last: u8) -> Result<usize, String> {
        match number(step) {
            Some(0) => Err("a step of 0 leads nowhere: the least is 1".into()),
            Some(step) if step <= last - first => Ok(step.into()),
            _ if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) => Err(format!(
                "a step of {step} leads out of {first} to {last}: write `{first}` if that is what you mean"
            )),
            _ => Err(format!("`{step}` is no step: write a number, as in `*/15`")),
        }
    }

    fn value(&self, text: &str) -> Result<u8, String> {
        let by_name = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        if let Some(place) = by_name {
            return Ok(self.first + place as u8);
        }
        let is_in = |value: &u8| (self.first..=self.last).contains(value);
        number(text).filter(is_in).ok_or_else(|| {
            let names = self.names.first().zip(self.names.last());
            let names = names.map_or_else(String::new, |(first, last)| format!(", nor a name from {first} to {last}"));
            format!("`{text}` is no number from {} to {}{names}", self.first, self.last)
        })
    }
}

/// What consists of digits, and is small enough for any field.
fn number(text: &str) -> Option<u8> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(kind: &Kind, text: &str) -> Vec<u8> {
        let field = Field::read(kind, text).unwrap();
        (0..64).filter(|value| field.has(*value)).collect()
    }

    #[test]
    fn a_field_names_values_ranges_and_steps() {
        for (kind, text, expected) in [
            (&MINUTE, "5", vec![5]),
            (&MINUTE, "*/15", vec![0, 15, 30, 45]),
            (&MINUTE, "0,15,30-32", vec![0, 15, 30, 31, 32]),
            (&MINUTE, "10-40/15", vec![10, 25, 40]),
            (&MINUTE, "007", vec![7]),
            (&HOUR, "*", (0..=23).collect()),
            (&DAY, "*", (1..=31).collect()),
            (&DAY, "*/10", vec![1, 11, 21, 31]),
            (&MONTH, "jan,MAR-May", vec![1, 3, 4, 5]),
            (&WEEKDAY, "*", (0..=6).collect()),
            (&WEEKDAY, "*/2", vec![0, 2, 4, 6]),
            (&WEEKDAY, "7", vec![0]),
            (&WEEKDAY, "0-7", (0..=6).collect()),
            (&WEEKDAY, "5-7", vec![0, 5, 6]),
            (&WEEKDAY, "fri-sun", vec![0, 5, 6]),
            (&WEEKDAY, "SUN-TUE", vec![0, 1, 2]),
        ] {
            assert_eq!(values(kind, text), expected, "{text} as {}", kind.name);
        }
    }

    #[test]
    fn what_a_field_begins_with_and_its_last_day_are_known() {
        let read = |kind, text| Field::read(kind, text).map(|field| (field.is_star, field.has_last)).unwrap();
        assert_eq!(read(&DAY, "*/2"), (true, false));
        assert_eq!(read(&DAY, "1-31"), (false, false));
        assert_eq!(read(&DAY, "15,l"), (false, true));
        assert_eq!(values(&DAY, "L"), Vec::<u8>::new());
    }

    #[test]
    fn the_least_value_from_another_is_found() {
        let field = Field::read(&MINUTE, "0,15,59").unwrap();
        for (least, expected) in [(0, Some(0)), (1, Some(15)), (15, Some(15)), (16, Some(59)), (60, None), (64, None)] {
            assert_eq!(field.from(least), expected, "{least}");
        }
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        for (kind, text, expected) in [
            (&MINUTE, "60", "the minute `60`: `60` is no number from 0 to 59"),
            (&MINUTE, "-1", "the minute `-1`: `` is no number from 0 to 59"),
            (&MINUTE, "x", "the minute `x`: `x` is no number from 0 to 59"),
            (&MINUTE, "٣", "the minute `٣`: `٣` is no number from 0 to 59"),
            (&MINUTE, "?", "the minute `?`: `?` is no number from 0 to 59"),
            (&MINUTE, "99999", "the minute `99999`: `99999` is no number from 0 to 59"),
            (&MINUTE, "1,,2", "the minute `1,,2`: nothing on one side of a comma: remove the comma"),
            (&MINUTE, "1,", "the minute `1,`: nothing on one side of a comma: remove the comma"),
            (&MINUTE, "5/15", "the minute `5/15`: a step needs a range: write `5-59` before the slash, or `*`"),
            (&MINUTE, "*/0", "the minute `*/0`: a step of 0 leads nowhere: the least is 1"),
            (
                &MINUTE,
                "*/90",
                "the minute `*/90`: a step of 90 leads out of 0 to 59: write `0` if that is what you mean",
            ),
            (&MINUTE, "*/", "the minute `*/`: `` is no step: write a number, as in `*/15`"),
            (
                &MINUTE,
                "*/300",
                "the minute `*/300`: a step of 300 leads out of 0 to 59: write `0` if that is what you mean",
            ),
            (&MINUTE, "**", "the minute `**`: `**` is no number from 0 to 59"),
            (&MINUTE, "L", "the minute `L`: `L` is no number from 0 to 59"),
            (&HOUR, "24", "the hour `24`: `24` is no number from 0 to 23"),
            (
                &HOUR,
                "22-2",
                "the hour `22-2`: `22-2` ends before it begins: write two ranges, with a comma between them",
            ),
            (&DAY, "0", "the day of month `0`: `0` is no number from 1 to 31"),
            (&DAY, "15W", "the day of month `15W`: `15W` is no number from 1 to 31"),
            (&MONTH, "13", "the month `13`: `13` is no number from 1 to 12, nor a name from JAN to DEC"),
            (&WEEKDAY, "8", "the day of week `8`: `8` is no number from 0 to 7, nor a name from SUN to SAT"),
            (&WEEKDAY, "5#2", "the day of week `5#2`: `5#2` is no number from 0 to 7, nor a name from SUN to SAT"),
            (
                &WEEKDAY,
                "FRI-MON",
                "the day of week `FRI-MON`: `FRI-MON` ends before it begins: write two ranges, with a comma between them",
            ),
        ] {
            assert_eq!(Field::read(kind, text).unwrap_err().to_string(), expected);
        }
    }
}
