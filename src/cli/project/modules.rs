//! The tree of modules of a crate, as the compiler would find its files.
//!
//! `src/lib.rs → mod orders; → src/orders.rs or src/orders/mod.rs → …`

use std::path::Path;

use syn::{Item, UseTree, Visibility};

use crate::error::{Error, Result, shown};
use crate::plan::read;

/// The most files that are read.
const MOST: usize = 10_000;

/// The deepest module that is looked into.
const DEEPEST: usize = 64;

/// What a module has, with its path from the crate.
pub(super) struct Module {
    pub(super) path: Vec<String>,
    /// Whether every other module of the crate may name what is public in it.
    pub(super) open: bool,
    /// Whether other crates may.
    pub(super) public: bool,
    pub(super) items: Vec<Item>,
}

/// Reads all modules that have files in this crate, or stand in one.
pub(super) fn modules(root: &Path, face: &str) -> Result<Vec<Module>> {
    let mut found = Vec::new();
    let mut waiting = vec![Waiting { file: face.to_owned(), path: Vec::new(), open: true, public: true }];
    while let Some(next) = waiting.pop() {
        if found.len() > MOST {
            return Err(Error::refused(format!("this crate has more than {MOST} modules")));
        }
        let Some(text) = read(root, &next.file)? else { continue };
        let parsed = parse(&next.file, &text)?;
        // The folder in which its modules have their files.
        let folder = if next.path.is_empty() || next.file.ends_with("/mod.rs") {
            next.file.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned())
        } else {
            next.file.trim_end_matches(".rs").to_owned()
        };
        // Where its modules have their files takes the place of its own.
        look(root, parsed.items, Waiting { file: folder, ..next }, &mut found, &mut waiting)?;
    }
    // As they are named, whichever file was read first.
    found.sort_by(|one: &Module, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Parses a source, and says where it cannot be.
pub(super) fn parse(file: &str, text: &str) -> Result<syn::File> {
    syn::parse_file(text).map_err(|error| {
        let at = error.span().start();
        Error::refused(format!("{}:{}:{} is no Rust that can be read: {error}", shown(file), at.line, at.column + 1))
    })
}

/// A module that is still to be read.
struct Waiting {
    file: String,
    path: Vec<String>,
    open: bool,
    public: bool,
}

fn look(root: &Path, items: Vec<Item>, at: Waiting, found: &mut Vec<Module>, waiting: &mut Vec<Waiting>) -> Result<()> {
    let Waiting { file: folder, path, open, public } = at;
    if path.len() > DEEPEST {
        return Ok(());
    }
    let mut own = Vec::new();
    for item in items {
        let Item::Mod(module) = item else {
            own.push(item);
            continue;
        };
        // Tests see what others do not, and a path of one's own may lead anywhere.
        if module.attrs.iter().any(|attribute| attribute.path().is_ident("cfg") || attribute.path().is_ident("path")) {
            continue;
        }
        let name = module.ident.to_string();
        let mut inner = path.clone();
        inner.push(name.clone());
        // What is private at the root of a crate is seen by all of it.
        let open = open && (path.is_empty() || is_open(&module.vis));
        let public = public && matches!(module.vis, Visibility::Public(_));
        let below = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        match module.content {
            Some((_, items)) => look(root, items, Waiting { file: below, path: inner, open, public }, found, waiting)?,
            None => {
                for file in [format!("{below}.rs"), format!("{below}/mod.rs")] {
                    if read(root, &file)?.is_some() {
                        waiting.push(Waiting { file, path: inner, open, public });
                        break;
                    }
                }
            }
        }
    }
    found.push(Module { path, open, public, items: own });
    Ok(())
}

/// Whether the rest of the crate may name it.
pub(super) fn is_open(visibility: &Visibility) -> bool {
    match visibility {
        Visibility::Public(_) => true,
        Visibility::Restricted(restricted) => restricted.path.is_ident("crate"),
        Visibility::Inherited => false,
    }
}

/// The paths that a module offers to others under their last name, as `["order_placed", "OrderPlaced"]`.
pub(super) fn offers(items: &[Item]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for item in items {
        if let Item::Use(item) = item
            && is_open(&item.vis)
        {
            leaves(&item.tree, &mut Vec::new(), &mut found);
        }
    }
    found
}

fn leaves(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match tree {
        UseTree::Path(part) => {
            if part.ident != "self" {
                path.push(part.ident.to_string());
            }
            leaves(&part.tree, path, found);
            if part.ident != "self" {
                path.pop();
            }
        }
        UseTree::Name(name) => {
            let mut whole = path.clone();
            whole.push(name.ident.to_string());
            found.push(whole);
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, path, found)),
        UseTree::Glob(_) => {
            let mut whole = path.clone();
            whole.push("*".to_owned());
            found.push(whole);
        }
        UseTree::Rename(_) => {}
    }
}
