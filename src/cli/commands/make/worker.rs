//! `convoke make worker`

use clap::Args;
use minijinja::context;
use syn::{Item, Visibility};
use toml_edit::Item as Entry;

use super::making::{Making, event};
use crate::error::{Error, Result};
use crate::names::{EventName, Word};
use crate::project::{runs, with_default_run};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke make worker orders --event OrderPlaced
  convoke make worker orders --queue shop-orders

It is run by `QUEUE_URL=redis://localhost cargo run --bin orders`.";

/// A worker, in src/bin/: a binary that works off a queue
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Worker {
    /// The name of the binary, as orders
    #[arg(value_name = "NAME")]
    name: String,

    /// The queue, if it has another name than the binary
    #[arg(long)]
    queue: Option<String>,

    /// An event that it hears, beside what the listeners of the crate do
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
}

/// The same, checked.
pub(super) struct Checked {
    name: Word,
    queue: Word,
    event: Option<EventName>,
}

impl Worker {
    pub(super) fn checked(&self) -> Result<Checked> {
        Ok(Checked {
            name: Word::binary(&self.name, "a binary")?,
            queue: Word::text(self.queue.as_deref().unwrap_or(&self.name), "a queue")?,
            event: self.event.as_deref().map(EventName::new).transpose()?,
        })
    }
}

impl Checked {
    pub(super) fn make(self, mut making: Making, dry_run: bool, terminal: &Terminal) -> Result<()> {
        making.project.needs(true, false)?;
        if !making.project.has_library()? {
            return Err(Error::refused(
                "a worker is a binary of its own, and this crate has no src/lib.rs that it could use",
            )
            .hint("move the modules of src/main.rs to src/lib.rs, with `pub mod`"));
        }
        let package = making.project.manifest()["package"].clone();
        if package.get("autobins").and_then(Entry::as_bool) == Some(false) {
            return Err(Error::refused("`autobins = false` in Cargo.toml has cargo overlook src/bin/")
                .hint("take that line away"));
        }
        let has_main = making.plan.read("src/main.rs")?.is_some();
        let main = package.get("name").and_then(Entry::as_str).unwrap_or_default().to_owned();
        if has_main && main == self.name.as_str() {
            return Err(Error::refused(format!("the crate has a binary `{main}` already, src/main.rs"))
                .hint("give the worker another name"));
        }
        let heard = self.event.as_ref().map(|event| making.find(event)).transpose()?;
        if let Some(heard) = heard.as_ref().filter(|heard| !heard.public) {
            return Err(Error::refused(format!("`{}` is not public, and a binary is another crate", heard.import()))
                .hint("say `pub` at it, and at the modules that it is in"));
        }
        let name = self.name.as_str();
        let face = making.plan.read(&making.face)?.unwrap_or_default();
        let values = context! {
            name => name,
            queue => self.queue.as_str(),
            krate => making.project.identifier(),
            bus => offers(&face, "bus", 0),
            listeners => registers(&making, &face)?,
            event => heard.as_ref().map(event),
        };
        making.file("Worker", &format!("src/bin/{name}.rs"), "worker.rs.jinja", &values)?;
        // `cargo run` runs what it ran before.
        if has_main && runs(making.project.manifest()).is_none() {
            let text = with_default_run(making.project.manifest(), &main);
            making.plan.set("Cargo.toml", text, None)?;
        }
        if !making.project.reaches_a_server() {
            let line = "convoke = { …, features = [\"redis\"] }".to_owned();
            making.remember("Remember to have convoke built with the server of the queue!", Some(line));
        }
        making.note(format!("It is run by `QUEUE_URL=redis://localhost cargo run --bin {name}`."));
        making.end(dry_run, terminal)
    }
}

/// Whether a source has a public function of this name with so many arguments.
fn offers(text: &str, name: &str, arguments: usize) -> bool {
    let items = syn::parse_file(text).map(|file| file.items).unwrap_or_default();
    items.iter().any(|item| match item {
        Item::Fn(function) => {
            function.sig.ident == name
                && function.sig.inputs.len() == arguments
                && function.sig.asyncness.is_none()
                && matches!(function.vis, Visibility::Public(_))
        }
        _ => false,
    })
}

/// Whether the crate has a public module `listeners` with a public `register(&bus)`.
fn registers(making: &Making, face: &str) -> Result<bool> {
    let items = syn::parse_file(face).map(|file| file.items).unwrap_or_default();
    let is_public = items.iter().any(|item| match item {
        Item::Mod(module) => module.ident == "listeners" && matches!(module.vis, Visibility::Public(_)),
        _ => false,
    });
    let door = match making.plan.read("src/listeners.rs")? {
        Some(text) => Some(text),
        None => making.plan.read("src/listeners/mod.rs")?,
    };
    Ok(is_public && door.is_some_and(|text| offers(&text, "register", 1)))
}
