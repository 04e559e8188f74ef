use std::collections::BTreeSet;
use std::str::FromStr;

use convoke::{Schedule, ScheduleError};
use croner::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";
const LORD_HOWE: &str = "Australia/Lord_Howe";

/// With their nights of 2024: forward and back by an hour, by an hour on other days, and by half an hour on the other half of the
/// earth; not at all; at midnight; three quarters of an hour off; and twice more for a month of fasting.
const ZONES: [&str; 8] =
    [BERLIN, NEW_YORK, LORD_HOWE, "UTC", "Africa/Cairo", "Asia/Kathmandu", "Pacific/Chatham", "Africa/Casablanca"];

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn schedule(text: &str, zone: &str) -> Schedule {
    Schedule::parse(text).unwrap().in_zone(zone).unwrap()
}

/// In seconds since 1970, by the clock of a zone.
fn at(name: &str, local: &str) -> i64 {
    let local: DateTime = local.parse().unwrap();
    zone(name).to_ambiguous_timestamp(local).compatible().unwrap().as_second()
}

/// All times of a schedule between two local ones, the first of which is none, with the hours from UTC.
fn fires(text: &str, name: &str, after: &str, to: &str) -> Vec<String> {
    let schedule = schedule(text, name);
    let shown =
        |time: i64| Timestamp::from_second(time).unwrap().to_zoned(zone(name)).strftime("%H:%M %:z").to_string();
    all(&schedule, at(name, after), at(name, to)).into_iter().map(shown).collect()
}

fn all(schedule: &Schedule, after: i64, to: i64) -> Vec<i64> {
    let next = |time: i64| schedule.next_after(time).filter(|next| *next <= to);
    std::iter::successors(next(after), |time| next(*time)).collect()
}

#[test]
fn a_time_that_does_not_exist_is_when_it_would_be() {
    let night = |text| fires(text, BERLIN, "2024-03-31T00:00", "2024-03-31T05:00");
    assert_eq!(night("30 2 * * *"), ["03:30 +02:00"]);
    assert_eq!(night("0 2 * * *"), ["03:00 +02:00"]);
    assert_eq!(night("0,30 2 * * *"), ["03:00 +02:00", "03:30 +02:00"]);
    assert_eq!(night("0 2,3 * * *"), ["03:00 +02:00"], "two that fall together are one");
    assert_eq!(night("0 1-4 * * *"), ["01:00 +01:00", "03:00 +02:00", "04:00 +02:00"]);
    assert_eq!(night("0 * * * *"), ["01:00 +01:00", "03:00 +02:00", "04:00 +02:00", "05:00 +02:00"]);
    assert_eq!(night("30 * * * *"), ["00:30 +01:00", "01:30 +01:00", "03:30 +02:00", "04:30 +02:00"]);
    assert_eq!(night("0 */2 * * *"), ["03:00 +02:00", "04:00 +02:00"]);
    assert_eq!(night("*/20 2 * * *"), ["03:00 +02:00", "03:20 +02:00", "03:40 +02:00"]);
    assert_eq!(night("30 2 * * MON"), [""; 0], "it is a Sunday");
    let night = |text| fires(text, NEW_YORK, "2024-03-10T01:00", "2024-03-10T04:00");
    assert_eq!(night("30 2 * * *"), ["03:30 -04:00"]);
    assert_eq!(night("30 1 * * *"), ["01:30 -05:00"]);
    let night = |text| fires(text, LORD_HOWE, "2024-10-06T01:00", "2024-10-06T04:00");
    assert_eq!(night("15 2 * * *"), ["02:45 +11:00"], "by half an hour");
    assert_eq!(night("45 2 * * *"), ["02:45 +11:00"]);
    assert_eq!(night("15 * * * *"), ["01:15 +10:30", "02:45 +11:00", "03:15 +11:00"]);
}

#[test]
fn a_time_that_exists_twice_is_the_first_or_both() {
    let night = |text| fires(text, BERLIN, "2024-10-27T00:00", "2024-10-27T04:00");
    assert_eq!(night("30 2 * * *"), ["02:30 +02:00"]);
    assert_eq!(night("0 3 * * *"), ["03:00 +01:00"]);
    assert_eq!(night("0 1-3 * * *"), ["01:00 +02:00", "02:00 +02:00", "03:00 +01:00"]);
    assert_eq!(night("0 * * * *"), ["01:00 +02:00", "02:00 +02:00", "02:00 +01:00", "03:00 +01:00", "04:00 +01:00"]);
    assert_eq!(night("0 */2 * * *"), ["02:00 +02:00", "02:00 +01:00", "04:00 +01:00"]);
    assert_eq!(night("*/30 2 * * *"), ["02:00 +02:00", "02:30 +02:00", "02:00 +01:00", "02:30 +01:00"]);
    let night = |text| fires(text, NEW_YORK, "2024-11-03T00:00", "2024-11-03T03:00");
    assert_eq!(night("30 1 * * *"), ["01:30 -04:00"]);
    assert_eq!(night("0 2 * * *"), ["02:00 -05:00"]);
    let night = |text| fires(text, LORD_HOWE, "2024-04-07T01:00", "2024-04-07T03:00");
    assert_eq!(night("45 1 * * *"), ["01:45 +11:00"]);
    assert_eq!(night("45 * * * *"), ["01:45 +11:00", "01:45 +10:30", "02:45 +10:30"]);
}

#[test]
fn a_time_is_found_from_any_time_before_it() {
    // From the second pass of an hour, from the moment of a change, and from one second around it.
    let (back, nightly) = (at(BERLIN, "2024-10-27T03:00"), schedule("30 2 * * *", BERLIN));
    assert_eq!(nightly.next_after(back - 3_601), Some(back - 5_400 + 24 * 3_600 + 3_600), "02:59:59, the first time");
    for from in [back - 3_600, back - 1_800, back - 1, back] {
        assert_eq!(nightly.next_after(from), Some(at(BERLIN, "2024-10-28T02:30")), "{from}");
    }
    let forward = at(BERLIN, "2024-03-31T03:00");
    for from in [forward - 1, forward, forward + 1_799] {
        assert_eq!(nightly.next_after(from), Some(forward + 1_800), "{from}");
    }
    assert_eq!(nightly.next_after(forward + 1_800), Some(at(BERLIN, "2024-04-01T02:30")));
}

#[test]
fn what_goes_on_has_no_hole_and_what_names_a_time_is_once_a_day() {
    for name in ZONES {
        let (after, to) = (at(name, "2023-12-31T23:59:59"), at(name, "2026-01-01T00:00"));
        // Where clocks are set back by half an hour, from one hour to the next it is once an hour and a half.
        let hourly = if name == LORD_HOWE { 5_400 } else { 3_600 };
        for (text, period) in
            [("*/15 * * * *", 900), ("*/10 0-23 * * *", 600), ("0 * * * *", hourly), ("45 * * * *", 3_600)]
        {
            let times = all(&schedule(text, name), after, to);
            assert!(times.is_sorted_by(|one, next| one < next && next - one <= period), "{text} in {name}");
        }
        for text in ["0 0 * * *", "15 2 * * *", "30 2 * * *", "30 1 * * *", "0 3 * * *"] {
            let times = all(&schedule(text, name), after, at(name, "2025-12-31T23:59:59"));
            assert_eq!(times.len(), 366 + 365, "{text} in {name}");
        }
    }
}

#[test]
fn a_day_that_a_zone_has_left_out_is_none() {
    // Samoa went from the evening of the 29th to the morning of the 31st.
    let daily = fires("0 3 * * *", "Pacific/Apia", "2011-12-28T12:00", "2012-01-01T12:00");
    assert_eq!(daily, ["03:00 -10:00", "03:00 +14:00", "03:00 +14:00"]);
    // In Egypt there is a Friday without midnight.
    let daily = fires("0 0 * * *", "Africa/Cairo", "2024-04-25T12:00", "2024-04-27T12:00");
    assert_eq!(daily, ["01:00 +03:00", "00:00 +03:00"]);
}

#[test]
fn a_schedule_goes_by_utc_and_shows_itself() {
    let utc = Schedule::parse(" 0  3 * * * ").unwrap();
    assert_eq!(utc.next_after(0), Some(3 * 3_600));
    assert_eq!(utc.to_string(), "0  3 * * *");
    assert_eq!(utc, "0  3 * * *".parse().unwrap());
    assert_eq!(schedule("@daily", "europe/berlin").to_string(), "@daily Europe/Berlin");
    assert_eq!(utc.next_after(i64::MAX), None);
    assert_eq!(schedule("* * * * *", BERLIN).next_after(i64::MAX - 1), None);
    for unknown in ["Europe/Atlantis", "", "Etc/Unknown", "+02:00", "../etc/passwd"] {
        let error = Schedule::parse("@daily").unwrap().in_zone(unknown).unwrap_err();
        assert_eq!(error, ScheduleError::Zone { name: unknown.into() });
    }
    let error = Schedule::parse("@daily").unwrap().in_zone("Berlin").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no time zone has the name `Berlin`: use one of the IANA time zone database, as `Europe/Berlin`"
    );
}

/// What the rules say, told another way: each local minute that another library has match, where it is.
fn by_the_rules(text: &str, name: &str, after: i64, to: i64) -> Vec<i64> {
    let (zone, cron) = (zone(name), Cron::from_str(text).unwrap());
    let goes_on = text.split(' ').take(2).any(|field| field.starts_with('*'));
    let day = 24 * 3_600;
    let mut local = zone.to_datetime(Timestamp::from_second(after - day).unwrap()).with().second(0).build().unwrap();
    let end = zone.to_datetime(Timestamp::from_second(to + day).unwrap());
    let mut times = BTreeSet::new();
    while local < end {
        if cron.is_time_matching(&local).unwrap() {
            let with = |offset: jiff::tz::Offset| offset.to_timestamp(local).unwrap().as_second();
            match zone.to_ambiguous_timestamp(local).offset() {
                AmbiguousOffset::Unambiguous { offset } => times.extend([with(offset)]),
                AmbiguousOffset::Gap { before, .. } => times.extend([with(before)]),
                AmbiguousOffset::Fold { before, after } if goes_on => times.extend([with(before), with(after)]),
                AmbiguousOffset::Fold { before, .. } => times.extend([with(before)]),
            }
        }
        local = local.checked_add(1.minute()).unwrap();
    }
    times.into_iter().filter(|time| *time > after && *time <= to).collect()
}

/// Near a change of the clock, in hours from it.
fn nights() -> impl Strategy<Value = (&'static str, i64)> {
    let name = prop::sample::select(ZONES.to_vec());
    (name, 2020_i16..2030, any::<prop::sample::Index>(), -6_i64..6).prop_map(|(name, year, which, hours)| {
        let start = jiff::civil::date(year, 1, 1).at(0, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
        let changes: Vec<_> =
            zone(name).following(start).take(4).map(|change| change.timestamp().as_second()).collect();
        let change = if changes.is_empty() { start.as_second() } else { changes[which.index(changes.len())] };
        (name, change + hours * 1_800)
    })
}

fn minutes() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u8..60).prop_map(|minute| minute.to_string()),
        (1_u8..59).prop_map(|step| format!("*/{step}")),
        (0_u8..30, 30_u8..60).prop_map(|(first, last)| format!("{first},{last}")),
        Just("*".to_owned()),
    ]
}

fn hours() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => (0_u8..5).prop_map(|hour| hour.to_string()),
        1 => (1_u8..23).prop_map(|step| format!("*/{step}")),
        1 => (0_u8..3, 3_u8..24).prop_map(|(first, last)| format!("{first}-{last}")),
        1 => Just("*".to_owned()),
    ]
}

fn weekdays() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("*".to_owned()), 1 => (0_u8..7).prop_map(|day| day.to_string())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_nights_are_as_the_rules_say(
        (name, after) in nights(), minutes in minutes(), hours in hours(), weekdays in weekdays()
    ) {
        let text = format!("{minutes} {hours} * * {weekdays}");
        let to = after + 30 * 3_600;
        prop_assert_eq!(all(&schedule(&text, name), after, to), by_the_rules(&text, name, after, to), "{} in {}", text, name);
    }
}
