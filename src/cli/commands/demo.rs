//! `convoke demo`

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use convoke::Failure;

use super::cli::told;
use crate::error::{Error, Result};
use crate::live::{self, Ended, Pace, Stage, hush_panic, restore_on_panic};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke demo
  convoke demo --plain
  convoke demo --plain --fast

Nothing is left behind: databases are files in a temporary folder, and no server is needed.";

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
        let system = actix::System::new();
        if let (Some(who), Some(folder)) = (&self.sign, &self.folder) {
            return system.block_on(live::sign(who, folder)).map_err(failed);
        }
        let pace = if self.fast { Pace::Fast } else { Pace::Shown };
        if self.plain || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return system.block_on(async { live::whole(&live::plain(pace)).await }).map_err(failed);
        }
        restore_on_panic();
        hush_panic(live::PANIC);
        system.block_on(shown(pace))
    }
}

/// Plays the acts on the terminal until somebody leaves.
async fn shown(pace: Pace) -> Result<()> {
    loop {
        let stage = Stage::new(pace, |_, _| {});
        let (over, fault) = (Rc::new(Cell::new(false)), Rc::new(RefCell::new(None::<Failure>)));
        let acts = actix::spawn({
            let (stage, over, fault) = (stage.clone(), over.clone(), fault.clone());
            async move {
                if let Err(error) = live::whole(&stage).await {
                    *fault.borrow_mut() = Some(error);
                }
                over.set(true);
            }
        });
        let ended = live::view(&stage, || over.get()).await;
        acts.abort();
        // The folder and the processes of the acts go with them.
        let _ = acts.await;
        if let Some(error) = fault.borrow_mut().take() {
            return Err(failed(error));
        }
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
