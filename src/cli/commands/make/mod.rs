//! `convoke make …`: one file more, with its test, as part of the crate that is there.
//!
//! `a name → making.rs: the crate, the plan → event.rs, listener.rs, … : what is new, and where it is declared → written`
//!
//! - `making.rs`: what all of them do: the crate, doors, declarations, and the end
//! - `event.rs`, `listener.rs`, `service.rs`, `task.rs`, `round.rs`: a file in the folder of its subject
//! - `worker.rs`: a binary
//! - `templates.rs`: the templates, to be changed

mod event;
mod listener;
mod making;
mod round;
mod service;
mod task;
mod templates;
mod worker;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::making::Making;
use crate::error::Result;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke make event OrderPlaced --field id:u64 --field total:u32
  convoke make listener SendReceipt --event OrderPlaced
  convoke make service Billing --event OrderPlaced
  convoke make task SendInvoice --field order:u64
  convoke make round Shipping --party stock --party payment
  convoke make worker orders --event OrderPlaced

Each writes one file with a test, and declares its module. A crate has templates
of its own in .convoke/templates/, which `convoke make templates` puts there to
be changed.";

/// Adds a file to this crate: an event, a listener, a service, a task, a round, a worker
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Make {
    #[command(subcommand)]
    what: What,

    /// Shows what would change, and changes nothing
    #[arg(long, global = true, display_order = 90)]
    dry_run: bool,

    /// Replaces a file that is there already
    #[arg(long, global = true, display_order = 91)]
    force: bool,

    /// The Cargo.toml of the crate, if it is not that of this folder
    #[arg(long, global = true, value_name = "PATH", display_order = 92)]
    manifest_path: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    Event(event::Event),
    Listener(listener::Listener),
    Service(service::Service),
    Task(task::Task),
    Round(round::Round),
    Worker(worker::Worker),
    Templates(templates::Copied),
}

impl Make {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        // What was given is looked at before anything is read.
        match &self.what {
            What::Event(event) => event.checked()?.make(self.begin()?, self.dry_run, terminal),
            What::Listener(listener) => listener.checked()?.make(self.begin()?, self.dry_run, terminal),
            What::Service(service) => service.checked()?.make(self.begin()?, self.dry_run, terminal),
            What::Task(task) => task.checked()?.make(self.begin()?, self.dry_run, terminal),
            What::Round(round) => round.checked()?.make(self.begin()?, self.dry_run, terminal),
            What::Worker(worker) => worker.checked()?.make(self.begin()?, self.dry_run, terminal),
            What::Templates(_) => templates::make(self.begin()?, self.dry_run, terminal),
        }
    }

    fn begin(&self) -> Result<Making> {
        Making::begin(self.manifest_path.as_deref(), self.force)
    }
}
