//! A library that keeps what was said as well, in a process of its own: DBOS, whose workflows receive messages.
//!
//! It says when it begins with something and when it has ended, so that what the server has used meanwhile is known too.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

use super::{PARTIES, SENDERS, Took};
use crate::harness::Failure;
use crate::tasks::place::Place;

/// What has to be set, and to what.
pub(super) const MISSING: &str =
    "set CONVOKE_DBOS to what `cargo build --release --manifest-path benches/dbos/Cargo.toml` has built";

/// The program, if one is named.
pub(super) fn program() -> Option<String> {
    std::env::var("CONVOKE_DBOS").ok()
}

/// The same works, in the same order, as ours.
///
/// # Errors
///
/// If it does not do its work.
pub(super) async fn sample(program: &str, place: &Place<'_>, rounds: usize) -> Result<[Took; 4], Failure> {
    let mut command = Command::new(program);
    command
        .args([place.url.clone(), rounds.to_string(), SENDERS.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().ok_or("it has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    let signals = rounds * PARTIES.len();
    let mut took = Vec::new();
    for count in [signals, signals, rounds, rounds] {
        next(&mut lines).await?;
        let server = place.server_cpu();
        let line = next(&mut lines).await?;
        let server = place.server_cpu().zip(server).map(|(now, before)| now.saturating_sub(before));
        let mut seconds = line.split(' ').map(str::parse::<f64>);
        let mut second = || seconds.next().unwrap_or(Ok(f64::NAN)).map(Duration::try_from_secs_f64);
        took.push(Took { wall: second()??, cpu: second()??, server, count });
    }
    let ended = child.wait().await?;
    let took = took.try_into().map_err(|_| "it has said too little")?;
    if ended.success() { Ok(took) } else { Err(format!("it has ended with {ended}").into()) }
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<String, Failure> {
    Ok(lines.next_line().await?.ok_or("it has ended early")?)
}
