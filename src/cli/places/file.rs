//! `convoke.toml`: places by name.
//!
//! `a folder, and those above → convoke.toml → contexts, each checked`

use std::fs::File as Disk;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, TableLike};

use super::template::{Template, has_a_secret};
use crate::error::{Error, Result, shown, told};
use crate::names::near;

/// The file's name.
const NAME: &str = "convoke.toml";

/// As many bytes are read: more than any list of places has.
const MAX_BYTES: u64 = 1024 * 1024;

/// What a context may say.
const KEYS: [&str; 3] = ["audit", "production", "url"];

/// A place that has a name.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) name: String,
    url: Template,
    /// Whether a command asks before it writes.
    pub(super) is_production: bool,
    /// The file that tells who wrote what.
    pub(super) audit: Option<PathBuf>,
    folder: PathBuf,
}

impl Context {
    /// Its URL, with what stands in the environment.
    ///
    /// # Errors
    ///
    /// If a variable is not set.
    pub(super) fn url(&self, variable: impl Fn(&str) -> Option<String>) -> Result<String> {
        let url = self.url.fill(variable).map_err(|variable| {
            let text = format!("context `{}` names ${{{variable}}}, which is not set", shown(&self.name));
            Error::refused(text).hint(format!("set it in the environment: {variable}=…"))
        })?;
        Ok(self.beginning_here(url))
    }

    /// A file of SQLite is found from the folder of `convoke.toml`, wherever a command is called.
    fn beginning_here(&self, url: String) -> String {
        let Some(file) = url.strip_prefix("sqlite:") else { return url };
        // As an address reads it: a path may have a `#`.
        let end = file.rfind('#').unwrap_or(file.len());
        let (path, rest) = file.split_at(end);
        let path = path.strip_prefix("//").unwrap_or(path);
        let is_here = std::env::current_dir().is_ok_and(|here| here == self.folder);
        if is_here || path.is_empty() || Path::new(path).is_absolute() {
            return url;
        }
        format!("sqlite:{}{rest}", self.folder.join(path).display())
    }
}

/// The contexts of the nearest `convoke.toml`.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) contexts: Vec<Context>,
    /// The way to it from here. None if there is no such file.
    path: Option<String>,
}

impl File {
    /// Reads the one of this folder, or else of the nearest above it; without contexts if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be read, says what nobody knows, or has a password in it.
    pub(super) fn find(folder: &Path) -> Result<Self> {
        for (above, folder) in folder.ancestors().enumerate() {
            let path = folder.join(NAME);
            match Disk::open(&path) {
                Ok(file) => {
                    let mut text = String::new();
                    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
                    read.map_err(|error| Error::disk("read", &path, &error))?;
                    if text.len() as u64 > MAX_BYTES {
                        return Err(Error::refused(format!("{NAME} has more than {MAX_BYTES} bytes")));
                    }
                    let way = format!("{}{NAME}", "../".repeat(above));
                    return Ok(Self { contexts: read_all(&text, folder)?, path: Some(way) });
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(Error::disk("read", &path, &error)),
            }
        }
        Ok(Self::default())
    }

    pub(super) fn get(&self, name: &str) -> Result<&Context> {
        if let Some(context) = self.contexts.iter().find(|context| context.name == name) {
            return Ok(context);
        }
        // It may have a password.
        if name.contains([':', '@', '/']) {
            return Err(Error::usage("what stands where a context is meant is no name of one, and no URL of a server either")
                .hint("a URL stands behind the command, and a context behind `--context`; it is not quoted, for it may have a password"));
        }
        let Some(file) = &self.path else {
            return Err(Error::usage(format!(
                "there is no context `{}`: no {NAME} is here or in a folder above",
                shown(name)
            ))
            .hint("write one: [context.shop], and under it url = \"postgres://localhost/shop#orders\""));
        };
        let error = Error::usage(format!("there is no context `{}` in {file}", shown(name)));
        Err(match (near(name, self.names()).as_slice(), self.listed()) {
            ([], Some(names)) => error.hint(format!("it has {names}")),
            ([], None) => error,
            (near, _) => error.hint(format!("did you mean {}?", listed(near, " or "))),
        })
    }

    /// The names of its contexts, for a hint.
    pub(super) fn listed(&self) -> Option<String> {
        let names: Vec<&str> = self.names().collect();
        (!names.is_empty()).then(|| listed(&names, " and "))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.contexts.iter().map(|context| context.name.as_str())
    }
}

fn listed(names: &[&str], last: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", shown(name))).collect();
    match names.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, before)) => format!("{}{last}{end}", before.join(", ")),
        None => String::new(),
    }
}

fn read_all(text: &str, folder: &Path) -> Result<Vec<Context>> {
    // What the parser shows of the file may be a password.
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Error::refused(format!("{NAME} is no TOML at line {line}: {}", told(error.message())))
    })?;
    let mut contexts = Vec::new();
    for (key, item) in document.iter() {
        if key != "context" {
            return Err(unknown(key, "context", &["context"]));
        }
        let Some(all) = item.as_table_like() else { return Err(wrong("context", "a table: [context.shop]")) };
        for (name, item) in all.iter() {
            let place = format!("context.{}", shown(name));
            let Some(table) = item.as_table_like() else { return Err(wrong(&place, "a table: [context.shop]")) };
            contexts.push(read(name, &place, table, folder)?);
        }
    }
    Ok(contexts)
}

fn read(name: &str, place: &str, table: &dyn TableLike, folder: &Path) -> Result<Context> {
    if let Some((key, _)) = table.iter().find(|(key, _)| !KEYS.contains(key)) {
        return Err(unknown(key, place, &KEYS));
    }
    let Some(url) = table.get("url") else {
        return Err(Error::refused(format!("{NAME}: {place} has no `url`"))
            .hint("say where it is: url = \"postgres://localhost/shop#orders\""));
    };
    let url = text(url, place, "url")?;
    if has_a_secret(url) {
        return Err(Error::refused(format!("{NAME}: the `url` of {place} has a password in it"))
            .hint("name a variable of the environment in its place: postgres://${PGUSER}:${PGPASSWORD}@db/shop"));
    }
    let Some(url) = Template::read(url) else {
        return Err(wrong(
            &format!("the `url` of {place}"),
            "a URL, in which ${NAME} is a variable of the environment",
        ));
    };
    let is_production = match table.get("production") {
        None => false,
        Some(item) => item.as_bool().ok_or_else(|| wrong(&format!("`production` of {place}"), "true or false"))?,
    };
    let audit = match table.get("audit") {
        None => None,
        Some(item) => match text(item, place, "audit")? {
            "" => return Err(wrong(&format!("`audit` of {place}"), "the path of a file")),
            path => Some(folder.join(path)),
        },
    };
    Ok(Context { name: name.to_owned(), url, is_production, audit, folder: folder.to_path_buf() })
}

fn text<'a>(item: &'a Item, place: &str, key: &str) -> Result<&'a str> {
    item.as_str().ok_or_else(|| wrong(&format!("`{key}` of {place}"), "a text in quotes"))
}

fn wrong(what: &str, is: &str) -> Error {
    Error::refused(format!("{NAME}: {what} is not {is}"))
}

/// A word that nobody knows may be one that was meant to keep somebody from harm.
fn unknown(key: &str, place: &str, known: &[&str]) -> Error {
    let error = Error::refused(format!("{NAME}: nobody knows `{}` in {place}", shown(key)));
    match near(key, known.iter().copied()).as_slice() {
        [] => error.hint(format!("it may have {}", listed(known, " and "))),
        near => error.hint(format!("did you mean {}?", listed(near, " or "))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::tempdir;

    use super::*;

    fn said(text: &str) -> String {
        let error = read_all(text, Path::new("/shop")).unwrap_err();
        std::iter::once(error.to_string()).chain(error.hints().iter().cloned()).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_context_is_read_from_this_folder_or_the_nearest_above() {
        let folder = tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        assert!(File::find(&deep).unwrap().listed().is_none_or(|names| !names.contains("`shop`")));
        let text = "[context.shop]\nurl = \"sqlite:shop.db#orders\"\nproduction = true\naudit = \"log/audit.jsonl\"\n";
        fs::write(folder.path().join(NAME), text).unwrap();
        let file = File::find(&deep).unwrap();
        let context = file.get("shop").unwrap();
        assert!(context.is_production);
        assert_eq!(context.audit.as_deref(), Some(folder.path().join("log/audit.jsonl").as_path()));
        let url = format!("sqlite:{}#orders", folder.path().join("shop.db").display());
        assert_eq!(context.url(|_| None).unwrap(), url);
        // A nearer one hides it.
        fs::write(folder.path().join("a").join(NAME), "[context.test]\nurl = \"memory:\"\n").unwrap();
        let near = File::find(&deep).unwrap().get("tset").unwrap_err();
        assert_eq!(near.hints(), ["did you mean `test`?"]);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is_quoted() {
        for (text, why) in [
            ("[context.shop]\nurl = \"postgres://a:geheim@db/shop\"", "the `url` of context.shop has a password in it"),
            ("[context.shop]\nproduction = true", "context.shop has no `url`"),
            ("[context.shop]\nurl = 7", "`url` of context.shop is not a text in quotes"),
            ("[context.shop]\nurl = \"memory:\"\nproductions = true", "did you mean `production`?"),
            ("[context.shop]\nurl = \"memory:\"\nproduction = \"true\"", "is not true or false"),
            ("[contexts.shop]\nurl = \"memory:\"", "did you mean `context`?"),
            ("[context]\nshop = \"memory:\"", "context.shop is not a table"),
            ("context = 1", "context is not a table"),
            ("[context.shop]\nurl = \"redis://${\"", "is a variable of the environment"),
            ("[context.shop]\nurl = \"memory:\"\naudit = \"\"", "the path of a file"),
            ("[context.shop]\nurl = \"postgres://a:geheim@db/shop", "no TOML at line 2"),
            ("[context.\"\\u001b[2J\"]\nurl = 7", "context.\\u{1b}[2J"),
        ] {
            let said = said(text);
            assert!(said.contains(why), "{text}: {said}");
            assert!(!said.contains("geheim") && !said.contains('\u{1b}'), "{said}");
        }
        let contexts = read_all("[context.shop]\nurl = \"redis://:${PASSWORD}@cache\"", Path::new("/shop")).unwrap();
        assert_eq!(contexts[0].url(|_| Some("geheim".into())).unwrap(), "redis://:geheim@cache");
        let error = contexts[0].url(|_| None).unwrap_err();
        assert_eq!(error.to_string(), "context `shop` names ${PASSWORD}, which is not set");
    }
}
