//! Where the crate is, and what its manifest says.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item};

use crate::error::{Error, Result, shown};
use crate::plan::{exists, read};

/// A package of cargo with sources of its own.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    manifest: DocumentMut,
}

impl Project {
    /// Finds the crate that this manifest is of, or that the folder we are in belongs to.
    pub(crate) fn find(manifest: Option<&Path>) -> Result<Self> {
        let root = match manifest {
            Some(path) => {
                if path.file_name().is_none_or(|name| name != "Cargo.toml") {
                    return Err(Error::usage(format!("`{}` is no Cargo.toml", shown(&path.display().to_string()))));
                }
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                folder.canonicalize().map_err(|error| Error::disk("find", folder, &error))?
            }
            None => {
                let here = env::current_dir().map_err(|error| Error::disk("find", Path::new("."), &error))?;
                let found = here.ancestors().find(|folder| fs::symlink_metadata(folder.join("Cargo.toml")).is_ok());
                found.map(Path::to_path_buf).ok_or_else(|| {
                    Error::refused("no Cargo.toml is here or in a folder above")
                        .hint("go into a crate, or begin one: `convoke new shop`")
                })?
            }
        };
        let Some(text) = read(&root, "Cargo.toml")? else {
            return Err(Error::refused(format!(
                "{} is not there",
                shown(&root.join("Cargo.toml").display().to_string())
            )));
        };
        let manifest: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
            Error::refused(format!("{} is no manifest: {error}", shown(&root.join("Cargo.toml").display().to_string())))
        })?;
        if manifest.get("package").is_none() {
            let members =
                manifest.get("workspace").and_then(|workspace| workspace.get("members")).and_then(Item::as_array);
            let members: Vec<&str> =
                members.iter().flat_map(|all| all.iter()).filter_map(|member| member.as_str()).collect();
            let error = Error::refused(format!("{} is a workspace and no crate", shown(&root.display().to_string())));
            return Err(match &*members {
                [] => error,
                [first, ..] => error.hint(format!(
                    "go into one of its crates, or name it: `--manifest-path {}/Cargo.toml`",
                    shown(first)
                )),
            });
        }
        Ok(Self { root, manifest })
    }

    pub(crate) fn manifest(&self) -> &DocumentMut {
        &self.manifest
    }

    /// As the code of others names it.
    pub(crate) fn identifier(&self) -> String {
        let lib = self.manifest.get("lib").and_then(|lib| lib.get("name"));
        let name = lib.or_else(|| self.manifest["package"].get("name")).and_then(Item::as_str);
        name.unwrap_or_default().replace('-', "_")
    }

    /// The file in which its modules are declared: that of the library, or else of the binary.
    pub(crate) fn face(&self) -> Result<String> {
        for (table, path) in [("lib", "src/lib.rs"), ("bin", "src/main.rs")] {
            let item = self.manifest.get(table);
            let given = match table {
                "lib" => item.and_then(|lib| lib.get("path")),
                _ => None,
            };
            let path = given.and_then(Item::as_str).unwrap_or(path);
            if exists(&self.root, path)? {
                if !path.starts_with("src/") {
                    return Err(Error::refused(format!("{} is the face of this crate, and not in src/", shown(path)))
                        .hint("what is made here stands in src/"));
                }
                return Ok(path.to_owned());
            }
        }
        Err(Error::refused("this crate has neither src/lib.rs nor src/main.rs"))
    }

    pub(crate) fn has_library(&self) -> Result<bool> {
        Ok(self.face()? != "src/main.rs")
    }

    /// What it needs that is missing, as lines for its manifest.
    pub(crate) fn needs(&self, actix: bool, serde: bool) -> Result<()> {
        let has = |tables: &[&str], name: &str| {
            tables.iter().any(|table| self.manifest.get(table).and_then(|table| table.get(name)).is_some())
        };
        let mut missing = Vec::new();
        if !has(&["dependencies"], "convoke") {
            missing.push("[dependencies] convoke = { path = \"…\" }".to_owned());
        }
        if actix && !has(&["dependencies"], "actix") {
            missing.push("[dependencies] actix = \"0.13\"".to_owned());
        }
        if serde && !has(&["dependencies"], "serde") {
            missing.push("[dependencies] serde = { version = \"1\", features = [\"derive\"] }".to_owned());
        }
        let tested = ["dependencies", "dev-dependencies"].iter().any(|table| {
            let features =
                self.manifest.get(table).and_then(|table| table.get("convoke")).and_then(|it| it.get("features"));
            features
                .and_then(Item::as_array)
                .is_some_and(|all| all.iter().any(|feature| feature.as_str() == Some("testing")))
        });
        if !tested {
            missing.push("[dev-dependencies] convoke = { path = \"…\", features = [\"testing\"] }".to_owned());
        }
        if missing.is_empty() {
            return Ok(());
        }
        let error = Error::refused("this crate does not depend on what the new file needs");
        Err(missing.into_iter().fold(error, |error, line| error.hint(format!("add to Cargo.toml: {line}"))))
    }

    /// Whether convoke is built with a server that `AnyQueue` can reach.
    pub(crate) fn reaches_a_server(&self) -> bool {
        let convoke = self.manifest.get("dependencies").and_then(|table| table.get("convoke"));
        let features = convoke.and_then(|it| it.get("features")).and_then(Item::as_array);
        let servers = ["sqlite", "postgres", "redis", "rabbitmq", "sqs"];
        features
            .is_some_and(|all| all.iter().any(|feature| feature.as_str().is_some_and(|name| servers.contains(&name))))
    }
}
