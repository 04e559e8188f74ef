//! When a task is due again and again: schedules as a crontab has them, by the clock of a time zone.
//!
//! `"0 3 * * *" → field.rs → times.rs → schedule.rs: the next time → missed.rs: what is to be run now`
//!
//! `field` is one field of a schedule, `times` all of them by a clock that nobody changes, and `schedule` by one that is changed twice
//! a year. `missed` is what becomes of times at which nobody was there. `error` is why a text is no schedule. Nothing here has a clock
//! or a database: the times go in.
//!
//! The times of a schedule rise strictly, and each is found from any time before it.

mod error;
mod field;
mod missed;
mod schedule;
mod times;

pub use error::ScheduleError;
pub use missed::Missed;
pub(crate) use missed::{MOST, due};
pub use schedule::Schedule;
