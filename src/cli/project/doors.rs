//! The lines by which a new file is part of a crate: its `mod`, its `use`, and what stands above a marker.
//!
//! `a source → parsed, to know its lines → the same source with one line more`

use syn::{Item, ItemMod, ItemUse, UseTree, Visibility};

use super::modules::parse;
use crate::error::Result;

/// Above this line of `src/listeners/mod.rs` new listeners are registered.
pub(crate) const LISTENERS: &str = "// convoke: new listeners above this line";

/// Above this line of `src/services/mod.rs` new services are added.
pub(crate) const SERVICES: &str = "// convoke: new services above this line";

/// Above this line of `src/tasks/mod.rs` new tasks are registered.
pub(crate) const TASKS: &str = "// convoke: new tasks above this line";

/// A source that declares this module, in its alphabetical place; as it was if it does already.
pub(crate) fn with_mod(file: &str, text: &str, name: &str) -> Result<String> {
    let parsed = parse(file, text)?;
    let mut lines = Vec::new();
    for item in &parsed.items {
        if let Item::Mod(item) = item {
            if item.ident == name {
                return Ok(text.to_owned());
            }
            // One with a body, as that of the tests, stands at the end.
            if let Some(end) = item.semi.map(|semi| semi.span.end().line) {
                lines.push((item.ident.to_string(), start_of_mod(item), end));
            }
        }
    }
    let line = format!("pub mod {name};");
    let after_attributes = parsed.attrs.iter().map(|attribute| attribute.bracket_token.span.close().end().line).max();
    Ok(inserted(text, &line, place(&lines, name), after_attributes.unwrap_or(0)))
}

/// A source that offers this name of that module, in its alphabetical place; as it was if it does already.
pub(crate) fn with_use(file: &str, text: &str, module: &str, name: &str) -> Result<String> {
    let parsed = parse(file, text)?;
    let (mut lines, mut mods) = (Vec::new(), 0);
    for item in &parsed.items {
        match item {
            Item::Use(item) if matches!(item.vis, Visibility::Public(_)) => {
                let UseTree::Path(path) = &item.tree else { continue };
                if path.ident == module {
                    return Ok(text.to_owned());
                }
                lines.push((path.ident.to_string(), start_of_use(item), item.semi_token.span.end().line));
            }
            Item::Mod(item) => mods = mods.max(item.semi.map_or(0, |semi| semi.span.end().line)),
            _ => {}
        }
    }
    Ok(inserted(text, &format!("pub use {module}::{name};"), place(&lines, module), mods))
}

/// A source with a line above its marker, and with the marker's indent; nothing if it has no marker, or two.
pub(crate) fn marked(text: &str, marker: &str, line: &str) -> Option<String> {
    let mut found = text.match_indices(marker);
    let (at, _) = found.next().filter(|_| found.next().is_none())?;
    let begin = text[..at].rfind('\n').map_or(0, |line| line + 1);
    let indent = &text[begin..at];
    if !indent.chars().all(|letter| letter == ' ' || letter == '\t') {
        return None;
    }
    let (before, after) = text.split_at(begin);
    Some(format!("{before}{indent}{line}{}{after}", ending(text)))
}

/// After which line a new one goes, among lines with these names; nothing if there are none. A line is one-based.
fn place(lines: &[(String, usize, usize)], name: &str) -> Option<usize> {
    let before = lines.iter().filter(|(other, ..)| other.as_str() < name).max_by_key(|(_, _, end)| *end);
    let first = lines.iter().map(|(_, start, _)| start - 1).min();
    before.map(|(_, _, end)| *end).or(first)
}

/// The text with a line behind that one, or in a paragraph of its own where there is none like it.
fn inserted(text: &str, line: &str, after: Option<usize>, else_after: usize) -> String {
    let end = ending(text);
    let at = |count: usize| -> usize { text.split_inclusive('\n').take(count).map(str::len).sum() };
    let (at, alone) = match after {
        Some(after) => (at(after), false),
        None => (at(else_after), true),
    };
    let (before, rest) = text.split_at(at);
    let mut new = before.to_owned();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push_str(end);
    }
    if alone && !new.is_empty() {
        new.push_str(end);
    }
    new.push_str(line);
    new.push_str(end);
    if alone && !rest.is_empty() && !rest.starts_with(['\n', '\r']) {
        new.push_str(end);
    }
    new.push_str(rest);
    new
}

/// How the lines of a text end.
fn ending(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn start_of_mod(item: &ItemMod) -> usize {
    let own = start_of_visibility(&item.vis).unwrap_or_else(|| item.mod_token.span.start().line);
    item.attrs.first().map_or(own, |attribute| attribute.pound_token.spans[0].start().line.min(own))
}

fn start_of_use(item: &ItemUse) -> usize {
    let own = start_of_visibility(&item.vis).unwrap_or_else(|| item.use_token.span.start().line);
    item.attrs.first().map_or(own, |attribute| attribute.pound_token.spans[0].start().line.min(own))
}

fn start_of_visibility(visibility: &Visibility) -> Option<usize> {
    match visibility {
        Visibility::Public(public) => Some(public.span.start().line),
        Visibility::Restricted(restricted) => Some(restricted.pub_token.span.start().line),
        Visibility::Inherited => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_declared_in_its_place_and_once() {
        for (text, wanted) in [
            ("", "pub mod b;\n"),
            ("fn main() {}\n", "pub mod b;\n\nfn main() {}\n"),
            ("//! Doc.\n//! More.\n\nfn main() {}\n", "//! Doc.\n//! More.\n\npub mod b;\n\nfn main() {}\n"),
            (
                "//! Doc.\n#![allow(\n    dead_code\n)]\nuse x::y;\n",
                "//! Doc.\n#![allow(\n    dead_code\n)]\n\npub mod b;\n\nuse x::y;\n",
            ),
            ("mod a;\nmod c;\n", "mod a;\npub mod b;\nmod c;\n"),
            ("/// It.\n#[cfg(unix)]\npub(crate) mod c;\n", "pub mod b;\n/// It.\n#[cfg(unix)]\npub(crate) mod c;\n"),
            ("mod a;", "mod a;\npub mod b;\n"),
            ("mod a;\r\nfn f() {}\r\n", "mod a;\r\npub mod b;\r\nfn f() {}\r\n"),
            ("mod z { mod b; }\n", "pub mod b;\n\nmod z { mod b; }\n"),
            ("// mod b;\nmod a;\n", "// mod b;\nmod a;\npub mod b;\n"),
        ] {
            let with = with_mod("src/lib.rs", text, "b").unwrap();
            assert_eq!(with, wanted);
            assert_eq!(with_mod("src/lib.rs", &with, "b").unwrap(), with, "once");
        }
        let error = with_mod("src/lib.rs", "mod a;\nfn (", "b").unwrap_err();
        assert!(error.to_string().starts_with("src/lib.rs:2:"), "{error}");
    }

    #[test]
    fn a_name_is_offered_in_its_place_and_once() {
        for (text, wanted) in [
            ("pub mod b;\n", "pub mod b;\n\npub use b::B;\n"),
            ("mod a;\nmod b;\n\npub use a::A;\n", "mod a;\nmod b;\n\npub use a::A;\npub use b::B;\n"),
            (
                "mod b;\nmod c;\n\npub use c::C;\n\nfn f() {}\n",
                "mod b;\nmod c;\n\npub use b::B;\npub use c::C;\n\nfn f() {}\n",
            ),
        ] {
            let with = with_use("src/x/mod.rs", text, "b", "B").unwrap();
            assert_eq!(with, wanted);
            assert_eq!(with_use("src/x/mod.rs", &with, "b", "B").unwrap(), with, "once");
        }
    }

    #[test]
    fn a_line_stands_above_its_marker() {
        let text = "fn f() {\n    vec![\n        a,\n        // here\n    ]\n}\n";
        let with = marked(text, "// here", "b,").unwrap();
        assert_eq!(with, "fn f() {\n    vec![\n        a,\n        b,\n        // here\n    ]\n}\n");
        assert_eq!(marked("x // here\n", "// here", "b,"), None);
        assert_eq!(marked("// here\n// here\n", "// here", "b,"), None);
        assert_eq!(marked("\n", "// here", "b,"), None);
        assert_eq!(marked("\t// here\r\n", "// here", "b").unwrap(), "\tb\r\n\t// here\r\n");
    }
}
