//! `convoke make service`

use clap::Args;
use minijinja::{Value, context};

use super::making::{Making, event};
use crate::error::{Error, Result};
use crate::names::{EventName, TypeName};
use crate::project::{EventType, SERVICES};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke make service Billing --event OrderPlaced
  convoke make service Ledger

It is added in src/services/mod.rs if that has the line
  // convoke: new services above this line";

/// A service, in src/services/: an actor that is built anew when it fails
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Service {
    /// Its name, as Billing
    #[arg(value_name = "NAME")]
    name: String,

    /// An event that it hears, which is there already; may be repeated
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
}

/// The same, checked.
pub(super) struct Checked {
    name: TypeName,
    events: Vec<EventName>,
}

impl Service {
    pub(super) fn checked(&self) -> Result<Checked> {
        let events = self.events.iter().map(|event| EventName::new(event)).collect::<Result<_>>()?;
        Ok(Checked { name: TypeName::new(&self.name, "a service")?, events })
    }
}

impl Checked {
    pub(super) fn make(self, mut making: Making, dry_run: bool, terminal: &Terminal) -> Result<()> {
        making.project.needs(true, false)?;
        let mut heard: Vec<EventType> = Vec::new();
        for event in &self.events {
            let found = making.find(event)?;
            if found.name == self.name.as_str() {
                return Err(Error::usage(format!("the service and an event that it hears are both `{}`", self.name)));
            }
            match heard.iter().find(|other| other.name == found.name) {
                Some(other) if other.path != found.path => {
                    return Err(Error::usage(format!(
                        "two events have the name `{}`, and one file cannot take both",
                        found.name
                    )));
                }
                Some(_) => {}
                None => heard.push(found),
            }
        }
        // As rustfmt sorts what is taken from elsewhere.
        heard.sort_by_key(EventType::import);
        let (name, module) = (self.name.as_str(), self.name.module());
        let door = making.door("services")?;
        let events: Vec<Value> = heard.iter().map(event).collect();
        let values = context! { name => name, module => module, events => events };
        making.file("Service", &format!("src/services/{module}.rs"), "service.rs.jinja", &values)?;
        making.declare(&door, module)?;
        making.offer(&door, module, name)?;
        let registered = making.register(
            &door,
            SERVICES,
            &format!("services = services.add({name}::supervised(bus, |_| {name}));"),
        )?;
        if !registered {
            let line = format!("let {module} = services::{name}::supervised(&bus, |_| services::{name}).await?;");
            making.remember("Remember to start this service!", Some(line));
        } else if door.is_new {
            making.note(format!("It is one of `all` of {}.", door.path));
            making.remember("Remember to start those!", Some("let services = services::all(&bus).await?;".to_owned()));
        } else {
            making.note(format!("It is added in {}.", door.path));
        }
        making.end(dry_run, terminal)
    }
}
