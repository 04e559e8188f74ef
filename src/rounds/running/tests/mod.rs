//! Rounds as they are judged, without a broker.
//!
//! `Ask → Bench → RoundStore::work → Answer`
//!
//! `parties` has leases that run out soon, and `again` what is tried once more.

mod parties;
#[cfg(feature = "testing")]
mod again;
