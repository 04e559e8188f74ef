//! `convoke make round`

use clap::Args;
use minijinja::context;

use super::making::Making;
use crate::error::{Error, Result};
use crate::names::{TypeName, Word};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke make round Shipping --party stock --party payment
  convoke make round Approval --party legal --party finance --timeout 172800";

/// A round, in src/rounds/: parties that owe a signal, and how long they have
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Round {
    /// Its name, as Shipping
    #[arg(value_name = "NAME")]
    name: String,

    /// Who has to be there; two or more
    #[arg(long = "party", value_name = "PARTY", required = true)]
    parties: Vec<String>,

    /// How long they have, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    timeout: u64,
}

/// The same, checked.
pub(super) struct Checked {
    name: TypeName,
    parties: Vec<Word>,
    timeout: u64,
}

/// More parties than this are better read from somewhere.
const MOST: usize = 64;

impl Round {
    pub(super) fn checked(&self) -> Result<Checked> {
        let name = TypeName::new(&self.name, "a round")?;
        let mut parties: Vec<Word> = Vec::new();
        for party in &self.parties {
            let party = Word::text(party, "a party")?;
            if parties.contains(&party) {
                return Err(Error::usage(format!("two parties have the name `{party}`")));
            }
            parties.push(party);
        }
        match parties.len() {
            2..=MOST => Ok(Checked { name, parties, timeout: self.timeout }),
            1 => Err(Error::usage("a round has two parties or more: one alone need not wait for anybody")),
            count => Err(Error::usage(format!("{count} parties, and {MOST} are the most"))),
        }
    }
}

impl Checked {
    pub(super) fn make(self, mut making: Making, dry_run: bool, terminal: &Terminal) -> Result<()> {
        making.project.needs(true, false)?;
        let module = self.name.module();
        let values = context! {
            name => self.name.as_str(),
            module => module,
            parties => self.parties.iter().map(Word::as_str).collect::<Vec<_>>(),
            timeout => self.timeout,
        };
        let door = making.door("rounds")?;
        making.file("Round", &format!("src/rounds/{module}.rs"), "round.rs.jinja", &values)?;
        making.declare(&door, module)?;
        let line = format!(
            "let broker = rounds::{module}::start();\nlet {0} = Emitter::join(&broker, \"{1}\").await?;",
            self.parties[0].as_str().replace('-', "_"),
            self.parties[0],
        );
        making.remember("Remember to start its broker, and to have the parties join!", Some(line));
        making.end(dry_run, terminal)
    }
}
