//! What every `make` does: it looks at the crate, adds a file and its declarations to a plan, and ends.

use std::path::Path;

use minijinja::{Value, context};

use crate::commands::told;
use crate::error::{Error, Result};
use crate::names::{EventName, Field, literal};
use crate::plan::{Plan, exists};
use crate::project::{EventType, Project, events, find, marked, with_mod, with_use};
use crate::templates::Templates;
use crate::terminal::{Said, Terminal};

/// A crate, and what is about to be added to it.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) project: Project,
    pub(super) plan: Plan,
    pub(super) force: bool,
    /// `src/lib.rs`, or `src/main.rs` where there is no library.
    pub(super) face: String,
    templates: Templates,
    notes: Vec<String>,
    remember: Vec<(String, Option<String>)>,
}

/// The file in which a folder of modules declares them.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) path: String,
    /// It is not there yet.
    pub(super) is_new: bool,
}

impl Making {
    pub(super) fn begin(manifest: Option<&Path>, force: bool) -> Result<Self> {
        let project = Project::find(manifest)?;
        let (plan, templates, face) = (Plan::new(&project.root), Templates::of(&project.root), project.face()?);
        Ok(Self { project, plan, force, face, templates, notes: Vec::new(), remember: Vec::new() })
    }

    pub(super) fn events(&self) -> Result<Vec<EventType>> {
        events(&self.project.root, &self.face)
    }

    pub(super) fn find(&self, wanted: &EventName) -> Result<EventType> {
        find(&self.events()?, wanted)
    }

    /// Renders a template and adds it as the file that this is about.
    pub(super) fn file(&mut self, what: &'static str, path: &str, template: &str, values: &Value) -> Result<()> {
        let text = self.templates.make(template, values)?;
        self.plan.create(path, text, Some(what), self.force)
    }

    /// The door of a folder of modules; it is made, and declared, where it is missing.
    pub(super) fn door(&mut self, folder: &str) -> Result<Door> {
        let (inside, beside) = (format!("src/{folder}/mod.rs"), format!("src/{folder}.rs"));
        let root = &self.project.root;
        let door = if exists(root, &beside)? {
            Door { path: beside, is_new: false }
        } else {
            let is_new = !exists(root, &inside)?;
            Door { path: inside, is_new }
        };
        if door.is_new {
            let text = self.templates.make(&format!("{folder}_mod.rs.jinja"), &context! {})?;
            self.plan.set(&door.path, text, None)?;
        }
        let face = self.face.clone();
        self.change(&face, |text| with_mod(&face, text, folder))?;
        Ok(door)
    }

    /// Declares a module in a door.
    pub(super) fn declare(&mut self, door: &Door, module: &str) -> Result<()> {
        self.change(&door.path, |text| with_mod(&door.path, text, module))
    }

    /// Has a door offer a name of one of its modules.
    pub(super) fn offer(&mut self, door: &Door, module: &str, names: &str) -> Result<()> {
        self.change(&door.path, |text| with_use(&door.path, text, module, names))
    }

    /// Adds a line above a marker of a door, if it has that and not yet the line; returns whether it is there then.
    pub(super) fn register(&mut self, door: &Door, marker: &str, line: &str) -> Result<bool> {
        let text = self.plan.read(&door.path)?.unwrap_or_default();
        if text.lines().any(|other| other.trim() == line) {
            return Ok(true);
        }
        match marked(&text, marker, line) {
            Some(text) => self.plan.set(&door.path, text, None).map(|()| true),
            None => Ok(false),
        }
    }

    fn change(&mut self, path: &str, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
        let Some(text) = self.plan.read(path)? else {
            return Err(Error::refused(format!("{path} is not there")));
        };
        self.plan.set(path, change(&text)?, None)
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(super) fn remember(&mut self, text: impl Into<String>, paste: Option<String>) {
        self.remember.push((text.into(), paste));
    }

    /// Writes it, or shows it; and says what there is to say.
    pub(super) fn end(self, dry_run: bool, terminal: &Terminal) -> Result<()> {
        let mut said = Said { notes: self.notes, remember: self.remember, ..self.plan.said() };
        if dry_run {
            said.diff = Some(self.plan.diff());
        } else {
            self.plan.write()?;
        }
        told(terminal.say(&said))
    }
}

/// Fields as a template sees them.
pub(super) fn values(fields: &[Field]) -> Vec<Value> {
    fields.iter().map(|field| context! { name => field.name.as_str(), type => field.kind.as_str() }).collect()
}

/// A value of a type with these fields, for a test, if all of them can be made.
pub(super) fn sample(name: &str, fields: &[Field]) -> Option<String> {
    let parts: Option<Vec<String>> =
        fields.iter().map(|field| Some(format!("{}: {}", field.name, field.kind.sample()?))).collect();
    parts.map(|parts| literal(name, &parts))
}

/// An event as a template sees it.
pub(super) fn event(event: &EventType) -> Value {
    context! {
        name => event.name,
        import => event.import(),
        path => event.path.join("::"),
        sample => event.sample,
    }
}
