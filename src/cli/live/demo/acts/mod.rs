//! The acts, in the order in which they play.
//!
//! - `round.rs`: a round fills up, and one is cancelled
//! - `fan_out.rs`: an event reaches all who listen, though one of them fails
//! - `recovery.rs`: a service fails and comes back, and what was sent meanwhile has waited
//! - `job.rs`: a task is tried again, fails for good, is a dead letter, and is brought back
//! - `durable.rs`: a durable round goes on after each of its processes was killed; `sign` is what such a process runs
//!
//! The last two need a database of their own, a file of SQLite in a temporary folder: the feature `sqlite`.

mod fan_out;
mod recovery;
mod round;

#[cfg(feature = "sqlite")]
mod durable;
#[cfg(feature = "sqlite")]
mod job;

use convoke::Failure;

use super::{Act, Stage, Tone};

#[cfg(feature = "sqlite")]
pub(crate) use durable::sign;
pub(crate) use recovery::PANIC;

/// Without a file there is no other process.
#[cfg(not(feature = "sqlite"))]
pub(crate) async fn sign(_: &str, _: &std::path::Path) -> Result<(), Failure> {
    Err("this build has no SQLite".into())
}

/// Plays all acts.
///
/// # Errors
///
/// What an act did not expect: the temporary folder cannot be written, a process cannot be started.
pub(crate) async fn whole(stage: &Stage) -> Result<(), Failure> {
    round::play(stage).await?;
    fan_out::play(stage).await?;
    recovery::play(stage).await?;
    #[cfg(feature = "sqlite")]
    {
        let folder = tempfile::Builder::new().prefix("convoke-demo-").tempdir()?;
        job::play(stage, folder.path()).await?;
        durable::play(stage, folder.path()).await?;
    }
    Ok(())
}
