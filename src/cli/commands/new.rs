//! `convoke new`

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use minijinja::{Value, context};
use toml_edit::DocumentMut;

use super::cli::told;
use super::with::With;
use crate::error::{Error, Result, shown};
use crate::names::CrateName;
use crate::plan::{Plan, read};
use crate::project::{with_member, workspace_of};
use crate::templates::{NEW, SHOP, Templates};
use crate::terminal::{Made, Terminal};

const EXAMPLES: &str = "\
Examples:
  convoke new shop --path ../convoke
  convoke new shop --path ../convoke --with actix-web --with postgres
  convoke new services/billing --name shop-bill --path ../convoke --with redis

Inside a workspace the crate becomes one of its members.";

/// Begins an application: events, listeners, a service, a round, a task, and tests of them
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct New {
    /// The folder, which is not there yet; its name is that of the crate
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// The name of the crate, if not that of its folder
    #[arg(long)]
    name: Option<String>,

    /// What it begins with; may be repeated
    #[arg(long, value_name = "WHAT")]
    with: Vec<With>,

    /// A checkout of convoke to depend on
    #[arg(long, value_name = "CHECKOUT", required_unless_present = "version")]
    path: Option<PathBuf>,

    /// A version of convoke to depend on, of a registry; it is not published yet
    #[arg(long, value_name = "VERSION", conflicts_with = "path")]
    version: Option<String>,

    /// Shows what would be written, and writes nothing
    #[arg(long)]
    dry_run: bool,
}

impl New {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let (folder, last) = self.place()?;
        let name = CrateName::new(self.name.as_deref().unwrap_or(&last))?;
        let source = self.source(&folder)?;
        if fs::symlink_metadata(&folder).is_ok() {
            return Err(Error::refused(format!("{} is there already", shown(&self.folder.display().to_string())))
                .hint("give it another name; into a crate that is there, `convoke make …` adds files"));
        }
        let workspace = workspace_of(&folder)?;
        // A plan has one root: with the manifest of a workspace it is that of the workspace.
        let root = match (&workspace, folder.parent()) {
            (Some((root, _)), _) => root.clone(),
            (None, Some(parent)) => parent.to_path_buf(),
            (None, None) => return Err(Error::usage("the root of the disk is no crate")),
        };
        let below = slashed(folder.strip_prefix(&root).unwrap_or(&folder));
        let mut plan = Plan::new(&root);
        for (path, text) in self.files(&name, &source)? {
            plan.create(&format!("{below}/{path}"), text, None, false)?;
        }
        if let Some((root, text)) = &workspace {
            plan.set("Cargo.toml", with_member(root, text, &folder)?, None)?;
        } else {
            plan.create(&format!("{below}/.gitignore"), "/target\n".to_owned(), None, false)?;
        }

        let mut said = plan.said();
        said.made.sort_by(|one: &Made, other| one.path.cmp(&other.path));
        if self.dry_run {
            said.diff = Some(plan.diff());
        } else {
            plan.write()?;
            if let Some((root, _)) = &workspace {
                // It may be far above.
                said.notes.push(format!("it is a member of the workspace in {}", shown(&root.display().to_string())));
            }
            said.whole = Some(("Crate", shown(&self.folder.display().to_string())));
            for (variable, example) in self.with.iter().filter_map(|with| with.wants()) {
                said.notes.push(format!("it reads {variable}, as {example}"));
            }
            said.notes
                .push(format!("try it: cd {} && cargo run && cargo test", shown(&self.folder.display().to_string())));
        }
        told(terminal.say(&said))
    }

    /// Where it goes, without links and `..`, and the last name of that.
    fn place(&self) -> Result<(PathBuf, String)> {
        let given = shown(&self.folder.display().to_string());
        let Some(Component::Normal(last)) = self.folder.components().next_back() else {
            return Err(Error::usage(format!("`{given}` does not end in a name"))
                .hint("name the new folder: `convoke new shop`"));
        };
        let Some(name) = last.to_str() else {
            return Err(Error::usage(format!("`{given}` is no text")));
        };
        let parent = self.folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let parent = parent.canonicalize().map_err(|error| Error::disk("find", parent, &error))?;
        Ok((parent.join(last), name.to_owned()))
    }

    /// What the manifest says of convoke: where it comes from.
    fn source(&self, folder: &Path) -> Result<String> {
        if let Some(version) = &self.version {
            let strange = |sign: char| !(sign.is_ascii_alphanumeric() || ".^~=*<>, +-".contains(sign));
            if version.is_empty() || version.len() > 64 || version.contains(strange) {
                return Err(Error::usage(format!("`{}` is no version", shown(version))));
            }
            return Ok(format!("version = {}", toml_edit::Value::from(version.as_str())));
        }
        let given = self.path.as_deref().unwrap_or(Path::new("."));
        let checkout = given.canonicalize().map_err(|error| Error::disk("find", given, &error))?;
        let manifest = read(&checkout, "Cargo.toml")?.and_then(|text| text.parse::<DocumentMut>().ok());
        let name = manifest.as_ref().and_then(|manifest| manifest.get("package")?.get("name")?.as_str());
        if name != Some("convoke") {
            return Err(Error::refused(format!("{} is no checkout of convoke", shown(&given.display().to_string()))));
        }
        let Some(path) = relative(folder, &checkout) else {
            return Err(Error::refused(format!("{} is no text", shown(&checkout.display().to_string()))));
        };
        Ok(format!("path = {}", toml_edit::Value::from(path)))
    }

    fn files(&self, name: &CrateName, source: &str) -> Result<Vec<(String, String)>> {
        let with: BTreeSet<With> = self.with.iter().copied().collect();
        let mut queues: Vec<_> = with.iter().filter_map(|with| with.queue()).collect();
        // As rustfmt sorts their modules.
        queues.sort_by_key(|queue| queue.module);
        let all: Vec<Value> = queues.iter().map(|queue| queue.value()).collect();
        let (web, postgres) = (with.contains(&With::ActixWeb), with.contains(&With::Postgres));
        let values = |queue: Value| {
            context! {
                name => name.as_str(),
                krate => name.identifier(),
                publisher => name.publisher(),
                source => source,
                rust_version => if with.iter().any(|with| with.is_newer()) { "1.94.1" } else { "1.88" },
                features => with.iter().filter_map(|with| with.feature()).collect::<Vec<_>>(),
                variables => with.iter().map(|with| with.variable()).collect::<Vec<_>>(),
                web => web,
                postgres => postgres,
                outside => postgres || !all.is_empty(),
                worker => !all.is_empty(),
                queues => all,
                queue => queue,
            }
        };
        let plain = values(Value::UNDEFINED);
        let templates = Templates::embedded();
        let mut wanted = vec![
            ("Cargo.toml".to_owned(), "Cargo.toml.jinja", plain.clone()),
            ("README.md".to_owned(), "README.md.jinja", plain.clone()),
            ("src/lib.rs".to_owned(), "lib.rs.jinja", plain.clone()),
            ("src/main.rs".to_owned(), "main.rs.jinja", plain.clone()),
            ("tests/application.rs".to_owned(), "shop_test.rs.jinja", plain.clone()),
        ];
        if web {
            wanted.push(("src/web.rs".to_owned(), "web.rs.jinja", plain.clone()));
        }
        if postgres {
            wanted.push(("src/outside/postgres.rs".to_owned(), "outside_postgres.rs.jinja", plain.clone()));
            wanted.push(("tests/over_postgres.rs".to_owned(), "over_postgres_test.rs.jinja", plain.clone()));
        }
        if postgres || !queues.is_empty() {
            wanted.push(("src/outside/mod.rs".to_owned(), "outside_mod.rs.jinja", plain.clone()));
        }
        if !queues.is_empty() {
            // Two crates of a workspace do not have binaries of one name.
            wanted.push((format!("src/bin/{}_worker.rs", name.identifier()), "worker.rs.jinja", plain.clone()));
        }
        for queue in &queues {
            let (module, values) = (queue.module, values(queue.value()));
            wanted.push((format!("src/outside/{module}.rs"), "outside_queue.rs.jinja", values.clone()));
            wanted.push((format!("tests/over_{module}.rs"), "over_queue_test.rs.jinja", values));
        }
        let mut files: Vec<(String, String)> =
            SHOP.iter().map(|(path, text)| (format!("src/{path}"), (*text).to_owned())).collect();
        for (path, template, values) in wanted {
            files.push((path, templates.of_list(NEW, template, &values)?));
        }
        files.sort();
        Ok(files)
    }
}

/// A path as manifests write it.
fn slashed(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
}

/// The way from one folder to another, both whole; the other as it is if they have nothing in common. Nothing if it is no text.
fn relative(from: &Path, to: &Path) -> Option<String> {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let named = |component: &&Component<'_>| matches!(component, Component::Normal(_));
    if !from[..common].iter().any(|component| named(&component)) {
        return to.iter().collect::<PathBuf>().to_str().map(str::to_owned);
    }
    let up = from[common..].iter().map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(to[common..].iter().copied()).collect();
    let parts: Option<Vec<&str>> = way.components().map(|part| part.as_os_str().to_str()).collect();
    parts.map(|parts| if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_named_by_the_way_to_it() {
        for (from, to, way) in [
            ("/home/ada/shop", "/home/ada/convoke", "../convoke"),
            ("/home/ada/all/shop", "/home/ada/all", ".."),
            ("/home/ada/shop", "/opt/convoke", "/opt/convoke"),
            ("/home/ada/shop", "/home/ada/shop/vendor/convoke", "vendor/convoke"),
        ] {
            assert_eq!(relative(Path::new(from), Path::new(to)).as_deref(), Some(way));
        }
    }
}
