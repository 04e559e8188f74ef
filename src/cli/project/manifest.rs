//! Manifests that are changed: what else stands in them, comments and spaces, stays as it was.

use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, Item, RawString, Value, value};

use crate::error::{Error, Result, shown};
use crate::plan::read;

/// The nearest workspace above a folder that is to have a crate, with the text of its manifest; nothing if there is none, or if it
/// does not want that crate.
pub(crate) fn workspace_of(folder: &Path) -> Result<Option<(PathBuf, String)>> {
    for above in folder.ancestors().skip(1) {
        let Some(text) = read(above, "Cargo.toml")? else { continue };
        let manifest = parsed(above, &text)?;
        let Some(workspace) = manifest.get("workspace") else { continue };
        let below = below(above, folder);
        if lists(workspace.get("exclude"), &below, false) {
            return Ok(None);
        }
        return Ok(Some((above.to_path_buf(), text)));
    }
    Ok(None)
}

/// The manifest of a workspace with one member more; as it was if it has that already.
pub(crate) fn with_member(root: &Path, text: &str, folder: &Path) -> Result<String> {
    let mut manifest = parsed(root, text)?;
    let below = below(root, folder);
    let members = manifest["workspace"].get("members");
    if lists(members, &below, true) {
        return Ok(text.to_owned());
    }
    if members.is_none() {
        manifest["workspace"]["members"] = value(Array::new());
    }
    let Some(members) = manifest["workspace"]["members"].as_array_mut() else {
        return Err(Error::refused(format!(
            "`members` of {} is no array",
            shown(&root.join("Cargo.toml").display().to_string())
        )));
    };
    insert(members, &below);
    Ok(manifest.to_string())
}

/// Puts a member in its alphabetical place, if the others stand so, and else behind them; spaced as they are.
fn insert(members: &mut Array, new: &str) {
    let names: Vec<&str> = members.iter().filter_map(Value::as_str).collect();
    let sorted = names.is_sorted();
    let at = if sorted { names.iter().take_while(|name| **name < new).count() } else { names.len() };
    let (at, count) = (at.min(members.len()), members.len());
    let mut item = Value::from(new);
    if let Some(next) = members.get_mut(at) {
        let before = text(next.decor().prefix());
        let own = spaces(&before);
        let (line, rest) = line_and_rest(&before);
        item.decor_mut().set_prefix(format!("{line}{own}"));
        next.decor_mut().set_prefix(if at == 0 && !own.contains('\n') { " ".to_owned() } else { rest });
    } else if let Some(last) = count.checked_sub(1).and_then(|last| members.get_mut(last)) {
        let before = spaces(&text(last.decor().prefix()));
        let own = if count == 1 && !before.contains('\n') { " ".to_owned() } else { before };
        let behind = text(last.decor().suffix());
        last.decor_mut().set_suffix("");
        // A comment behind the last member stands in front of the bracket, or in front of the comma that is missing.
        let trailing = members.trailing().as_str().unwrap_or_default().to_owned();
        let (line, rest) = line_and_rest(if members.trailing_comma() { &trailing } else { &behind });
        item.decor_mut().set_prefix(format!("{line}{own}"));
        if members.trailing_comma() {
            members.set_trailing(rest);
        } else {
            item.decor_mut().set_suffix(rest);
        }
    }
    members.insert_formatted(at, item);
}

fn text(part: Option<&RawString>) -> String {
    part.and_then(RawString::as_str).unwrap_or_default().to_owned()
}

/// The line break and the indent, without what stands before them.
fn spaces(before: &str) -> String {
    before.rfind('\n').map_or(before, |line| &before[line..]).to_owned()
}

/// What belongs to the member before, as a comment on its line, and what does not.
fn line_and_rest(text: &str) -> (String, String) {
    match text.find('\n') {
        Some(end) if text[..end].contains('#') => (text[..end].to_owned(), text[end..].to_owned()),
        _ => (String::new(), text.to_owned()),
    }
}

/// A path from the root of a workspace, as manifests write it.
fn below(root: &Path, folder: &Path) -> String {
    let parts = folder.strip_prefix(root).unwrap_or(folder).components();
    parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
}

/// Whether a list of paths has this one; of members by pattern too, of what is excluded with all that is below.
fn lists(list: Option<&Item>, path: &str, patterns: bool) -> bool {
    let list = list.and_then(Item::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).any(|listed| {
        let listed = listed.trim_start_matches("./").trim_end_matches('/');
        if patterns {
            let (listed, path): (Vec<&str>, Vec<&str>) = (listed.split('/').collect(), path.split('/').collect());
            listed.len() == path.len()
                && listed.iter().zip(path).all(|(pattern, part)| fits(pattern.as_bytes(), part.as_bytes()))
        } else {
            Path::new(path).starts_with(listed)
        }
    })
}

/// Whether one part of a path fits a pattern with `*` and `?`.
fn fits(pattern: &[u8], part: &[u8]) -> bool {
    match (pattern, part) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=part.len()).any(|taken| fits(rest, &part[taken..])),
        ([b'?', rest @ ..], [_, part @ ..]) => fits(rest, part),
        ([sign, rest @ ..], [first, part @ ..]) => sign == first && fits(rest, part),
        _ => false,
    }
}

/// The binary that `cargo run` runs, if the manifest says so.
pub(crate) fn runs(manifest: &DocumentMut) -> Option<&str> {
    manifest["package"].get("default-run").and_then(Item::as_str)
}

/// A manifest that says which of its binaries `cargo run` runs, as it is to once there are two.
pub(crate) fn with_default_run(manifest: &DocumentMut, name: &str) -> String {
    let mut manifest = manifest.clone();
    manifest["package"]["default-run"] = value(name);
    manifest.to_string()
}

fn parsed(root: &Path, text: &str) -> Result<DocumentMut> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        Error::refused(format!("{} is no manifest: {error}", shown(&root.join("Cargo.toml").display().to_string())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, folder: &str) -> String {
        with_member(Path::new("/w"), text, &Path::new("/w").join(folder)).unwrap()
    }

    #[test]
    fn a_member_is_added_and_all_comments_stay() {
        for (text, wanted) in [
            (
                "# Ours.\n[workspace]\nmembers = [\n    \"api\", # the door\n    # the rest\n    \"web\",\n]\n\n[x]\ny = 1 # less\n",
                "# Ours.\n[workspace]\nmembers = [\n    \"api\", # the door\n    \"shop\",\n    # the rest\n    \"web\",\n]\n\n[x]\ny = 1 # less\n",
            ),
            (
                "[workspace]\nmembers = [\n    \"api\", # the door\n    # no more\n]\n",
                "[workspace]\nmembers = [\n    \"api\", # the door\n    \"shop\",\n    # no more\n]\n",
            ),
            (
                "[workspace]\nmembers = [\n    \"api\" # the door\n]\n",
                "[workspace]\nmembers = [\n    \"api\", # the door\n    \"shop\"\n]\n",
            ),
            (
                "[workspace]\nmembers = [ # all\n    \"web\",\n]\n",
                "[workspace]\nmembers = [ # all\n    \"shop\",\n    \"web\",\n]\n",
            ),
        ] {
            let added = with(text, "shop");
            assert_eq!(added, wanted);
            assert_eq!(with(&added, "shop"), added, "it is there already");
        }
    }

    #[test]
    fn a_member_stands_as_the_others_do() {
        for (text, folder, wanted) in [
            ("[workspace]\n", "shop", "[workspace]\nmembers = [\"shop\"]\n"),
            ("[workspace]\nmembers = []\n", "shop", "[workspace]\nmembers = [\"shop\"]\n"),
            ("[workspace]\nmembers = [\"api\"]\n", "shop", "[workspace]\nmembers = [\"api\", \"shop\"]\n"),
            ("[workspace]\nmembers = [\"web\"]\n", "shop", "[workspace]\nmembers = [\"shop\", \"web\"]\n"),
            (
                "[workspace]\nmembers = [\"web\", \"api\"]\n",
                "shop",
                "[workspace]\nmembers = [\"web\", \"api\", \"shop\"]\n",
            ),
            (
                "[workspace]\nmembers = [\n  \"api\",\n]\n",
                "crates/shop",
                "[workspace]\nmembers = [\n  \"api\",\n  \"crates/shop\",\n]\n",
            ),
            (
                "[workspace]\nmembers = [\n  \"web\",\n]\n",
                "shop",
                "[workspace]\nmembers = [\n  \"shop\",\n  \"web\",\n]\n",
            ),
        ] {
            assert_eq!(with(text, folder), wanted);
        }
        for (members, folder) in [("crates/*", "crates/shop"), ("./shop/", "shop"), ("*", "shop"), ("s?o*", "shop")] {
            let text = format!("[workspace]\nmembers = [\"{members}\"]\n");
            assert_eq!(with(&text, folder), text);
        }
        assert!(with_member(Path::new("/w"), "[workspace]\nmembers = 7\n", Path::new("/w/shop")).is_err());
    }
}
