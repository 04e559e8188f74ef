//! `convoke make listener`

use clap::Args;
use minijinja::context;

use super::making::{Making, event};
use crate::error::Result;
use crate::names::{EventName, TypeName};
use crate::project::LISTENERS;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke make listener SendReceipt --event OrderPlaced
  convoke make listener SendReceipt --event orders::OrderPlaced --dry-run

It is registered in src/listeners/mod.rs if that has the line
  // convoke: new listeners above this line";

/// A listener, in src/listeners/: a function that hears an event
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Listener {
    /// Its name, as SendReceipt; the function is send_receipt
    #[arg(value_name = "NAME")]
    name: String,

    /// The event that it hears, which is there already
    #[arg(long, value_name = "EVENT")]
    event: String,
}

/// The same, checked.
pub(super) struct Checked {
    name: TypeName,
    event: EventName,
}

impl Listener {
    pub(super) fn checked(&self) -> Result<Checked> {
        Ok(Checked { name: TypeName::new(&self.name, "a listener")?, event: EventName::new(&self.event)? })
    }
}

impl Checked {
    pub(super) fn make(self, mut making: Making, dry_run: bool, terminal: &Terminal) -> Result<()> {
        making.project.needs(false, false)?;
        let heard = making.find(&self.event)?;
        let module = self.name.module();
        let door = making.door("listeners")?;
        let values = context! { name => self.name.as_str(), module => module, event => event(&heard) };
        making.file("Listener", &format!("src/listeners/{module}.rs"), "listener.rs.jinja", &values)?;
        making.declare(&door, module)?;
        making.offer(&door, module, module)?;
        let registered = making.register(&door, LISTENERS, &format!("bus.on({module})?,"))?;
        if !registered {
            let line = format!("let _{module} = bus.on(listeners::{module})?;");
            making.remember(format!("Remember to register this listener for {}!", heard.name), Some(line));
        } else if door.is_new {
            let line = "let _listeners = listeners::register(&bus)?;".to_owned();
            making.note(format!("It is registered by `register` of {}.", door.path));
            making.remember("Remember to call that where the bus is built!", Some(line));
        } else {
            making.note(format!("It is registered for {} in {}.", heard.name, door.path));
        }
        making.end(dry_run, terminal)
    }
}
