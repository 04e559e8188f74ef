//! What is run of the times that have come, and what becomes of those at which nobody was there.
//!
//! `a schedule, where it stands, the time of the database → due → which times are run, and where it stands then`

use super::schedule::Schedule;

/// How late a time may be run before it counts as missed: a start of the program, or a database that was away for a moment, shall
/// not cost a night.
const ON_TIME: i64 = 60;

/// How many are run at once of those that were missed.
pub(crate) const MOST: usize = 1_000;

/// What becomes of the times of a schedule at which no process was there that could have enqueued a job. A time is missed when it
/// is more than 60 s late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Missed {
    /// They are left out.
    #[default]
    Skip,
    /// One job stands for all of them, unless another is due now.
    Once,
    /// Each has its job, in their order. At most 1,000 are enqueued at once, and then the next.
    All,
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticks {
    /// The times, in their order.
    pub(crate) run: Vec<i64>,
    /// Where the schedule stands then: the last time that has been seen to.
    pub(crate) to: i64,
}

/// Returns what is to be run now of a schedule that stands somewhere, or has never been seen (`None`): then it begins now. All in
/// seconds since 1970. Where it stands moves only to a time of its own, so that a clock that was ahead for a moment costs no more
/// than the times that it has passed, and one that was set back does nothing again.
///
/// After [`MOST`] there may be more: ask again from where it stands then.
pub(crate) fn due(schedule: &Schedule, stands: Option<i64>, now: i64, missed: Missed) -> Ticks {
    let Some(stands) = stands else { return Ticks { run: Vec::new(), to: now } };
    let late = now.saturating_sub(ON_TIME).saturating_sub(1).max(stands);
    let run: Vec<_> = match missed {
        Missed::All => within(schedule, stands, now).take(MOST).collect(),
        Missed::Skip | Missed::Once => within(schedule, late, now).collect(),
    };
    match (run.last(), missed) {
        (Some(last), _) => Ticks { to: *last, run },
        (None, Missed::All) => Ticks { run, to: stands },
        (None, Missed::Skip) => Ticks { run, to: last(schedule, stands, late).unwrap_or(stands) },
        (None, Missed::Once) => {
            let last = last(schedule, stands, late);
            Ticks { run: last.into_iter().collect(), to: last.unwrap_or(stands) }
        }
    }
}

/// The times after one, up to another.
fn within(schedule: &Schedule, after: i64, to: i64) -> impl Iterator<Item = i64> + Clone {
    let next = move |time: i64| schedule.next_after(time).filter(|next| *next <= to);
    std::iter::successors(next(after), move |time| next(*time))
}

/// The last time after one and up to another, found by halves: there may be millions.
fn last(schedule: &Schedule, after: i64, to: i64) -> Option<i64> {
    let next = |time: i64| schedule.next_after(time).filter(|next| *next <= to);
    let mut found = next(after)?;
    let mut behind = to;
    while found < behind {
        // Not the lower one, or two neighbors would never meet.
        let middle = found + (behind - found) / 2;
        match next(middle) {
            Some(later) => found = later,
            None => behind = middle,
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400;

    fn schedule(text: &str) -> Schedule {
        Schedule::parse(text).unwrap()
    }

    fn ticks(run: impl IntoIterator<Item = i64>, to: i64) -> Ticks {
        Ticks { run: run.into_iter().collect(), to }
    }

    #[test]
    fn a_schedule_that_was_never_seen_begins_now() {
        for missed in [Missed::Skip, Missed::Once, Missed::All] {
            assert_eq!(due(&schedule("* * * * * *"), None, 1_000, missed), ticks([], 1_000));
        }
    }

    #[test]
    fn a_time_is_run_when_it_has_come_and_for_a_minute() {
        let daily = schedule("@daily");
        for missed in [Missed::Skip, Missed::Once, Missed::All] {
            let at = |now| due(&daily, Some(0), now, missed);
            assert_eq!(at(DAY - 1), ticks([], 0), "nothing has come: {missed:?}");
            assert_eq!(at(DAY), ticks([DAY], DAY), "{missed:?}");
            assert_eq!(at(DAY + 60), ticks([DAY], DAY), "{missed:?}");
            assert_eq!(due(&daily, Some(DAY), DAY + 60, missed), ticks([], DAY), "it was seen to: {missed:?}");
            assert_eq!(due(&daily, Some(5 * DAY), DAY, missed), ticks([], 5 * DAY), "a clock set back: {missed:?}");
        }
    }

    #[test]
    fn what_was_missed_is_left_out_or_done_once_or_done() {
        let daily = schedule("@daily");
        let at = |now, missed| due(&daily, Some(0), now, missed);
        assert_eq!(at(DAY + 61, Missed::Skip), ticks([], DAY));
        assert_eq!(at(DAY + 61, Missed::Once), ticks([DAY], DAY));
        assert_eq!(at(4 * DAY - 1, Missed::Skip), ticks([], 3 * DAY));
        assert_eq!(at(4 * DAY - 1, Missed::Once), ticks([3 * DAY], 3 * DAY), "one stands for three");
        assert_eq!(at(4 * DAY - 1, Missed::All), ticks([DAY, 2 * DAY, 3 * DAY], 3 * DAY));
        assert_eq!(at(4 * DAY, Missed::Skip), ticks([4 * DAY], 4 * DAY));
        assert_eq!(at(4 * DAY, Missed::Once), ticks([4 * DAY], 4 * DAY), "the one that is due stands for the others");
    }

    #[test]
    fn a_long_absence_is_made_up_for_in_pieces() {
        let each = schedule("* * * * * *");
        let mut stands = 0;
        for piece in 0..3_i64 {
            let first = piece * 1_000 + 1;
            let more = due(&each, Some(stands), 2_500, Missed::All);
            let last = (first + 999).min(2_500);
            assert_eq!(more, ticks(first..=last, last));
            stands = more.to;
        }
        assert_eq!(due(&each, Some(stands), 2_500, Missed::All), ticks([], 2_500));
        // A thousand years of them are not counted one by one.
        let now = 31_556_952_000;
        assert_eq!(due(&each, Some(0), now, Missed::Skip), ticks(now - 60..=now, now));
        let rare = schedule("0 0 29 2 *");
        let last = rare.next_after(now - 3 * 365 * DAY).filter(|last| *last < now).unwrap();
        assert_eq!(due(&rare, Some(0), now, Missed::Once), ticks([last], last));
    }

    /// Schedules of some times in a day, for that is what the pauses are.
    fn some() -> impl Strategy<Value = Schedule> {
        let texts = ["* * * * * *", "*/7 * * * * *", "*/15 * * * *", "* * * * MON-FRI"];
        let zone = prop::sample::select(vec!["UTC", "Europe/Berlin", "Australia/Lord_Howe"]);
        (prop::sample::select(texts.to_vec()), zone).prop_map(|(text, zone)| schedule(text).in_zone(zone).unwrap())
    }

    /// How long it takes until somebody looks again: mostly moments, at times hours.
    fn pauses() -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(prop_oneof![6 => 0_i64..30, 2 => 0_i64..300, 1 => 0_i64..10_000], 1..20)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_time_is_run_twice_and_none_is_left_out_but_what_was_missed(
            schedule in some(), start in 0_i64..2_000_000_000, pauses in pauses()
        ) {
            for missed in [Missed::Skip, Missed::Once, Missed::All] {
                let (mut stands, mut now, mut run) = (start, start, Vec::new());
                for pause in &pauses {
                    now += pause;
                    loop {
                        let more = due(&schedule, Some(stands), now, missed);
                        prop_assert!(more.to >= stands && more.run.iter().all(|at| *at > stands && *at <= now));
                        // What is on time is run, whatever becomes of the rest.
                        let on_time = within(&schedule, (now - ON_TIME - 1).max(stands), now);
                        prop_assert!(missed == Missed::All || on_time.clone().all(|at| more.run.contains(&at)));
                        let extra = more.run.len() - on_time.filter(|at| more.run.contains(at)).count();
                        prop_assert!(missed == Missed::All || extra <= usize::from(missed == Missed::Once));
                        let is_over = more.run.len() < MOST;
                        run.extend(more.run);
                        stands = more.to;
                        if is_over {
                            break;
                        }
                    }
                    prop_assert!(schedule.next_after(stands).unwrap() > now, "it stands at the last time that has come");
                }
                prop_assert!(run.is_sorted_by(|one, other| one < other), "{:?}", run);
                let all: Vec<_> = within(&schedule, start, now).collect();
                prop_assert!(missed != Missed::All || run == all);
                prop_assert!(run.iter().all(|at| all.binary_search(at).is_ok()), "each is one of its times");
            }
        }
    }
}
