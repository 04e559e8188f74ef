//! A durable round: each who signs runs in a process of its own that is killed, and the round goes on.

use std::env;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use actix::clock::timeout;
use convoke::prelude::*;
use convoke::transport::{Sqlite, SqliteDatabase};
use convoke::{Durable, DurableError};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

use super::{Stage, Tone};

const BOARD: [&str; 3] = ["legal", "finance", "chair"];
const CONTRACT: &str = "contract 7";
/// The longest that a step may take before something is wrong with this machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The same in every process: the rules stand in the file.
async fn approvals(db: &SqliteDatabase) -> Result<Durable<String>, DurableError> {
    Broker::new(Duration::from_secs(2 * 24 * 60 * 60)).expects(BOARD).durable(db, "approvals").await
}

/// What a process of this act runs: it signs, says so, and lives until it is killed.
///
/// # Errors
///
/// Those of the file and of the round.
pub(crate) async fn sign(who: &str, folder: &Path) -> Result<(), Failure> {
    let db = Sqlite::open(folder.join("contracts.db")).await?;
    let approvals = approvals(&db).await?;
    let member = Emitter::join(&approvals, who).await?;
    member.emit_for(CONTRACT, format!("signed by {who}")).committed().await?;
    // It ends with the process that has started it, which holds the other end.
    if say(who).is_ok() {
        let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
    }
    Ok(())
}

/// Tells the process that has started this one. It reads a line, which is no output of the command.
fn say(who: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{who}")?;
    out.flush()
}

/// Joins who acts on the contract once all have signed, in this process, until what is returned is dropped.
async fn filed(folder: &Path, act: impl Fn(usize) + 'static) -> Result<impl Sized, Failure> {
    let db = Sqlite::open(folder.join("contracts.db")).await?;
    let approvals = approvals(&db).await?;
    let act = Consumer::new(move |round: Resolved<String>| act(round.payloads().len()));
    let guard = Consumer::join(&approvals, act.named("file")).await?;
    Ok((guard, approvals))
}

pub(super) async fn play(stage: &Stage, folder: &Path) -> Result<(), Failure> {
    let about = "every process of it is killed";
    let act = stage.begin("A durable round", about, BOARD.map(|who| (who, "owes a signature within two days")));
    // Who acts on it is known by name from here on, and need not be there when it closes.
    drop(filed(folder, |_| {}).await?);
    for who in BOARD {
        act.pause(400).await;
        let mut process = Command::new(env::current_exe()?);
        process.args(["demo", "--sign", who, "--folder"]).arg(folder);
        let mut process = process.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let pid = process.id().unwrap_or_default();
        act.row(who, Tone::Back, 50, format!("process {pid} signs"));
        let mut said = BufReader::new(process.stdout.take().ok_or("it has no output")?).lines();
        let line = timeout(LIMIT, said.next_line()).await??;
        line.ok_or_else(|| format!("process {pid} ended before it had signed"))?;
        act.pause(500).await;
        process.kill().await?; // SIGKILL, and waits until it is gone
        act.row(who, Tone::Good, 100, format!("has signed; process {pid} was killed"));
    }
    act.pause(500).await;
    // Nobody of the round is left. It is in the file, and who acts on it hears of it.
    let (heard, mut hears) = mpsc::unbounded_channel();
    let filed = filed(folder, move |signatures| {
        // Nobody hears any more once the act is over.
        let _ = heard.send(signatures);
    });
    let _filed = filed.await?;
    let signed = timeout(LIMIT, hears.recv()).await?.ok_or("nobody hears")?;
    act.verdict(Tone::Good, format!("{CONTRACT} is approved by {signed}, after three deaths"));
    Ok(())
}
