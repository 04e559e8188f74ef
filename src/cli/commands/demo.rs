//! `convoke demo`

use std::cell::Cell;
use std::convert::Infallible;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use convoke::Failure;

use super::cli::told;
use crate::error::{Error, Result};
use crate::live::{self, Ended, Pace, Stage, give_back, hush_panic, restore_on_panic};
use crate::running::{before_the_end, run};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke demo
  convoke demo --plain
  convoke demo --plain --fast

Nothing is left behind: databases are files in a temporary folder, and no server
is needed.";

/// Shows rounds, events, services, tasks and durable rounds at work
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Demo {
    /// Says it in lines, as it does where the output is no terminal
    #[arg(long)]
    plain: bool,

    /// Without pauses
    #[arg(long)]
    fast: bool,

    /// Signs in the durable round of this folder, as a process that the demonstration starts
    #[arg(long, hide = true, requires = "folder")]
    sign: Option<String>,

    #[arg(long, hide = true, requires = "sign")]
    folder: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        if terminal.is_json() {
            return Err(Error::usage("`convoke demo` is for people, and has no JSON").hint("leave `--json` away"));
        }
        // One of the services panics, which is what an act shows.
        hush_panic(live::PANIC);
        if let (Some(who), Some(folder)) = (&self.sign, &self.folder) {
            return actix::System::new().block_on(live::sign(who, folder)).map_err(failed);
        }
        let pace = if self.fast { Pace::Fast } else { Pace::Shown };
        if self.plain || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            let stage = live::plain(pace);
            // Whoever ends it early leaves nothing behind either.
            return run(async |stop| stop.or(async { live::whole(&stage).await.map_err(failed) }).await);
        }
        restore_on_panic();
        before_the_end(give_back);
        hush_panic(live::PANIC);
        run(async |stop| stop.or(shown(pace)).await)
    }
}

/// Plays the acts on the terminal until somebody leaves.
async fn shown(pace: Pace) -> Result<()> {
    loop {
        let stage = Stage::new(pace, |_, _| {});
        let over = Cell::new(false);
        let acts = async {
            live::whole(&stage).await?;
            over.set(true);
            std::future::pending::<std::result::Result<Infallible, Failure>>().await
        };
        // The folder and the processes of the acts go with them, however it is left.
        let ended = tokio::select! {
            ended = live::view(&stage, || over.get()) => ended,
            failure = acts => return failure.map(|never| match never {}).map_err(failed),
        };
        match ended {
            Ok(Ended::Left) => return Ok(()),
            Ok(Ended::Again) => {}
            Err(error) => return told(Err(error)),
        }
    }
}

fn failed(error: Failure) -> Error {
    Error::refused(format!("the demonstration has failed: {error}"))
}
