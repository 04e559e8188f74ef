//! `convoke completions`

use clap::Args;
use clap_complete::{Shell, generate};

use super::cli::{Cli, told};
use crate::error::Result;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke completions bash  # > ~/.bash_completion.d/convoke
  convoke completions zsh   # > ~/.zfunc/_convoke
  convoke completions fish  # > ~/.config/fish/completions/convoke.fish";

/// Writes what a shell needs to complete this command
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::whole(), "convoke", &mut script);
        told(terminal.plain(&script))
    }
}
