//! How long packets are held back: a few times, so that there are few delay queues.
//!
//! `a delay → the next longer bucket → <queue>.retry.<milliseconds>`

use std::time::Duration;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// In milliseconds. None is more than two and a half times the one before.
const BUCKETS: [u64; 24] = [
    50,
    100,
    200,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    20 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    5 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    4 * DAY,
    7 * DAY,
];

/// The longest that a packet can be held back.
pub(super) const LONGEST: Duration = Duration::from_millis(7 * DAY);

/// Returns the first bucket, in milliseconds, that is no shorter; `None` for no delay. What is beyond the longest is
/// held back for the longest.
pub(super) fn of(delay: Duration) -> Option<u64> {
    if delay.is_zero() {
        return None;
    }
    let longest = BUCKETS.last().copied();
    BUCKETS.into_iter().find(|bucket| Duration::from_millis(*bucket) >= delay).or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_rounded_up_to_a_bucket() {
        assert_eq!(of(Duration::ZERO), None);
        assert_eq!(of(Duration::from_nanos(1)), Some(50));
        assert_eq!(of(Duration::from_millis(50)), Some(50));
        assert_eq!(of(Duration::from_micros(50_001)), Some(100));
        assert_eq!(of(Duration::from_secs(3600)), Some(HOUR));
        assert_eq!(of(Duration::from_secs(3601)), Some(2 * HOUR));
        assert_eq!(of(LONGEST), Some(7 * DAY));
        assert_eq!(of(LONGEST * 9), Some(7 * DAY));
        assert!(BUCKETS.windows(2).all(|pair| pair[1] > pair[0] && pair[1] * 2 <= pair[0] * 5));
    }
}
