//! `convoke make task`

use clap::Args;
use minijinja::context;

use super::making::{Making, sample, values};
use crate::error::Result;
use crate::names::{Field, TypeName, fields};
use crate::project::TASKS;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke make task SendInvoice --field order:u64
  convoke make task CleanUp

It is registered in src/tasks/mod.rs if that has the line
  // convoke: new tasks above this line";

/// A task, in src/tasks/: what is done later, and the function that does it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Task {
    /// Its name, as SendInvoice; the function is send_invoice
    #[arg(value_name = "NAME")]
    name: String,

    /// A field of it; may be repeated
    #[arg(long = "field", value_name = "NAME:TYPE")]
    fields: Vec<String>,
}

/// The same, checked.
pub(super) struct Checked {
    name: TypeName,
    fields: Vec<Field>,
}

impl Task {
    pub(super) fn checked(&self) -> Result<Checked> {
        Ok(Checked { name: TypeName::new(&self.name, "a task")?, fields: fields(&self.fields)? })
    }
}

impl Checked {
    pub(super) fn make(self, mut making: Making, dry_run: bool, terminal: &Terminal) -> Result<()> {
        making.project.needs(false, true)?;
        let (name, module) = (self.name.as_str(), self.name.module());
        let values = context! {
            name => name,
            module => module,
            fields => values(&self.fields),
            sample => sample(name, &self.fields),
        };
        let door = making.door("tasks")?;
        making.file("Task", &format!("src/tasks/{module}.rs"), "task.rs.jinja", &values)?;
        making.declare(&door, module)?;
        making.offer(&door, module, &format!("{{{name}, {module}}}"))?;
        let registered = making.register(&door, TASKS, &format!("let tasks = tasks.on({module})?;"))?;
        if !registered {
            let line = format!("let tasks = Tasks::new(&db, &bus).on(tasks::{module})?.await?;");
            making.remember("Remember to register what does this task!", Some(line));
        } else if door.is_new {
            making.note(format!("It is one of `all` of {}.", door.path));
            making.remember("Remember to start those!", Some("let tasks = tasks::all(&db, &bus)?.await?;".to_owned()));
        } else {
            making.note(format!("It is registered in {}.", door.path));
        }
        making.end(dry_run, terminal)
    }
}
