//! What a queue and a group of subscribers in a database are called together, and what is counted of them.

use std::fmt;
use std::sync::Arc;

use crate::transport::{MOST_COUNTED, TransportError, check_name, check_name_if_any};

/// The name of a queue and a group, as in `orders/billing`. In a database no name has a `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneName<'a> {
    pub(super) queue: &'a str,
    pub(super) group: &'a str,
}

impl<'a> LaneName<'a> {
    pub(super) fn of(name: &'a str) -> Self {
        let (queue, group) = name.split_once('/').unwrap_or((name, ""));
        Self { queue, group }
    }

    /// # Errors
    ///
    /// `Unsupported` for a name that no queue or group has.
    pub(super) fn checked(at: &Arc<str>, name: &'a str) -> Result<Self, TransportError> {
        let lane = Self::of(name);
        check_name(at, "a queue", lane.queue)?;
        check_name_if_any(at, "a group", lane.group)?;
        Ok(lane)
    }

    /// What the queue of its dead letters is called: the group is the same.
    pub(super) fn dead(self, named: Option<&str>) -> String {
        let queue = named.map_or_else(|| format!("{}-dead", self.queue), str::to_owned);
        LaneName { queue: &queue, group: self.group }.to_string()
    }
}

impl fmt::Display for LaneName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            "" => f.write_str(self.queue),
            group => write!(f, "{}/{group}", self.queue),
        }
    }
}

/// How many wait of those that are not held back, where so many of them are parked. Those were counted to twice as many.
pub(super) fn waiting(there: u64, parked: u64) -> Option<u64> {
    (parked < MOST_COUNTED).then(|| there.saturating_sub(parked).min(MOST_COUNTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_queue_and_perhaps_a_group() {
        let at: Arc<str> = "sqlite".into();
        assert_eq!(LaneName::of("orders"), LaneName { queue: "orders", group: "" });
        assert_eq!(LaneName::of("orders/billing").dead(None), "orders-dead/billing");
        assert_eq!(LaneName::of("orders").dead(Some("grave")), "grave");
        for bad in ["", "/billing", "a b", "a\0", "a/b/c", "a';--", &"a".repeat(81)] {
            assert!(LaneName::checked(&at, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_parked_does_not_wait_and_what_nobody_has_counted_is_not_told() {
        assert_eq!(waiting(7, 2), Some(5));
        assert_eq!(waiting(2 * MOST_COUNTED, MOST_COUNTED - 1), Some(MOST_COUNTED));
        assert_eq!(waiting(2 * MOST_COUNTED, MOST_COUNTED), None);
        // They were not counted at the same moment.
        assert_eq!(waiting(1, 2), Some(0));
    }
}
