//! `convoke make event`

use clap::Args;
use minijinja::context;

use super::making::{Making, sample, values};
use crate::error::{Error, Result};
use crate::names::{Field, Topic, TypeName, fields};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke make event OrderPlaced --field id:u64 --field total:u32
  convoke make event OrderPlaced --field 'items:Vec<String>' --dry-run

Types are those of std that serde knows, tuples, arrays, `Uuid`, and yours by
their path: crate::Money.";

/// An event, in src/events/
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Event {
    /// Its name, as OrderPlaced
    #[arg(value_name = "NAME")]
    name: String,

    /// A field of it; may be repeated
    #[arg(long = "field", value_name = "NAME:TYPE")]
    fields: Vec<String>,

    /// The topic on which it travels; its name if there is none
    #[arg(long)]
    topic: Option<String>,
}

/// The same, checked.
pub(super) struct Checked {
    name: TypeName,
    fields: Vec<Field>,
    topic: Option<Topic>,
}

impl Event {
    pub(super) fn checked(&self) -> Result<Checked> {
        Ok(Checked {
            name: TypeName::new(&self.name, "an event")?,
            fields: fields(&self.fields)?,
            topic: self.topic.as_deref().map(Topic::new).transpose()?,
        })
    }
}

impl Checked {
    pub(super) fn make(self, mut making: Making, dry_run: bool, terminal: &Terminal) -> Result<()> {
        making.project.needs(false, true)?;
        let (name, module) = (self.name.as_str(), self.name.module());
        let own = ["events".to_owned(), module.to_owned()];
        for other in making.events()?.iter().filter(|other| other.name == name) {
            // The one that is to be replaced is no other.
            if !(making.force && (other.path[..1] == own[..1] && other.path.len() == 2 || other.path.starts_with(&own)))
            {
                return Err(Error::refused(format!("there is an event `{name}` already: {}", other.import()))
                    .hint("give it another name, or replace it by `--force` if it is in src/events/"));
            }
        }
        let values = context! {
            name => name,
            module => module,
            topic => self.topic.as_ref().map(Topic::as_str),
            fields => values(&self.fields),
            sample => sample(name, &self.fields),
        };
        let door = making.door("events")?;
        making.file("Event", &format!("src/events/{module}.rs"), "event.rs.jinja", &values)?;
        making.declare(&door, module)?;
        making.offer(&door, module, name)?;
        making.end(dry_run, terminal)
    }
}
