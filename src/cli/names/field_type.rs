//! The type of a field: parsed, and written anew from what was understood.
//!
//! `"Vec< Uuid >" → syn → FieldType → "Vec<convoke::Uuid>", "vec![Default::default()]"`

use syn::{Expr, GenericArgument, Lit, PathArguments, Type};

use super::words::is_keyword;
use crate::error::{Error, Result, shown};

/// The longest type that is read, in bytes: so it cannot be so deep that it takes the stack.
const LONGEST: usize = 256;

/// How deep a type may be.
const DEEPEST: usize = 8;

/// The most elements of an array, which is what serde takes.
const LONGEST_ARRAY: usize = 32;

/// A type that a field of an event may have.
#[derive(Clone, Debug)]
pub(crate) struct FieldType {
    text: String,
    sample: Option<String>,
}

impl FieldType {
    pub(super) fn new(text: &str) -> Result<Self> {
        let wrong =
            |fault: String| Error::usage(format!("`{}` cannot be the type of a field: {fault}", shown(text.trim())));
        if text.len() > LONGEST {
            return Err(wrong(format!("it has {} bytes, and {LONGEST} are the most", text.len())));
        }
        let parsed: Type = syn::parse_str(text).map_err(|error| wrong(error.to_string()))?;
        let text = written(&parsed, DEEPEST).map_err(wrong)?;
        Ok(Self { text, sample: sample(&parsed) })
    }

    /// As it stands in the code.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// A value of it for a test, if that can be known.
    pub(crate) fn sample(&self) -> Option<&str> {
        self.sample.as_deref()
    }
}

/// Names that need no path, or are given one: the name, its path, and how many types it takes.
const KNOWN: &[(&str, &str, usize)] = &[
    ("bool", "bool", 0),
    ("char", "char", 0),
    ("f32", "f32", 0),
    ("f64", "f64", 0),
    ("i8", "i8", 0),
    ("i16", "i16", 0),
    ("i32", "i32", 0),
    ("i64", "i64", 0),
    ("i128", "i128", 0),
    ("isize", "isize", 0),
    ("u8", "u8", 0),
    ("u16", "u16", 0),
    ("u32", "u32", 0),
    ("u64", "u64", 0),
    ("u128", "u128", 0),
    ("usize", "usize", 0),
    ("String", "String", 0),
    ("Box", "Box", 1),
    ("Option", "Option", 1),
    ("Vec", "Vec", 1),
    ("BTreeMap", "std::collections::BTreeMap", 2),
    ("BTreeSet", "std::collections::BTreeSet", 1),
    ("Duration", "std::time::Duration", 0),
    ("HashMap", "std::collections::HashMap", 2),
    ("HashSet", "std::collections::HashSet", 1),
    ("PathBuf", "std::path::PathBuf", 0),
    ("Uuid", "convoke::Uuid", 0),
    ("VecDeque", "std::collections::VecDeque", 1),
];

/// The type as code, or why it is none that a field may have.
fn written(kind: &Type, deep: usize) -> std::result::Result<String, String> {
    let Some(deep) = deep.checked_sub(1) else {
        return Err(format!("it is deeper than {DEEPEST} types"));
    };
    match kind {
        Type::Group(group) => written(&group.elem, deep),
        Type::Paren(paren) => written(&paren.elem, deep),
        Type::Tuple(tuple) => {
            if tuple.elems.is_empty() {
                return Err("a field without a value says nothing: leave it out".into());
            }
            let mut parts = Vec::new();
            for elem in &tuple.elems {
                parts.push(written(elem, deep)?);
            }
            let last = if parts.len() == 1 { "," } else { "" };
            Ok(format!("({}{last})", parts.join(", ")))
        }
        Type::Array(array) => {
            let length = length(&array.len).filter(|length| *length <= LONGEST_ARRAY);
            let Some(length) = length else {
                return Err(format!("the length of an array is a number, at most {LONGEST_ARRAY}: take a `Vec`"));
            };
            Ok(format!("[{}; {length}]", written(&array.elem, deep)?))
        }
        Type::Path(path) => {
            if path.qself.is_some() || path.path.leading_colon.is_some() {
                return Err("name it by a path from this crate, `crate::Money`, or from another".into());
            }
            path_of(&path.path, deep)
        }
        Type::Reference(_) => Err("an event owns what it says: take a `String`, a `Vec` or a `Box`".into()),
        _ => Err("only names of types, tuples and arrays can be".into()),
    }
}

fn path_of(path: &syn::Path, deep: usize) -> std::result::Result<String, String> {
    let mut names = Vec::new();
    for (at, segment) in path.segments.iter().enumerate() {
        let name = segment.ident.to_string();
        let is_crate = at == 0 && name == "crate" && path.segments.len() > 1;
        if !is_crate && (is_keyword(&name) || name.starts_with("r#") || !name.is_ascii()) {
            return Err(format!("`{}` is no name here: write the path from `crate`", shown(&name)));
        }
        names.push(name);
    }
    let Some(last) = path.segments.last() else { return Err("it is empty".into()) };
    if path.segments.iter().rev().skip(1).any(|segment| !segment.arguments.is_none()) {
        return Err("types stand behind the last name of a path only".into());
    }
    let mut arguments = Vec::new();
    match &last.arguments {
        PathArguments::None => {}
        PathArguments::AngleBracketed(angle) => {
            for argument in &angle.args {
                let GenericArgument::Type(kind) = argument else {
                    return Err("only types can stand between `<` and `>`".into());
                };
                arguments.push(written(kind, deep)?);
            }
        }
        PathArguments::Parenthesized(_) => return Err("a function cannot be written down".into()),
    }
    let name = if let [name] = &*names {
        let Some((_, path, takes)) = KNOWN.iter().find(|(known, ..)| known == name) else {
            return Err(format!("`{0}` is not known here: write its path, as `crate::{0}`", shown(name)));
        };
        if *takes != arguments.len() {
            return Err(format!("`{name}` takes {takes} types, and {} are given", arguments.len()));
        }
        (*path).to_owned()
    } else {
        names.join("::")
    };
    Ok(if arguments.is_empty() { name } else { format!("{name}<{}>", arguments.join(", ")) })
}

fn length(length: &Expr) -> Option<usize> {
    match length {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(int) if int.suffix().is_empty() || int.suffix() == "usize" => int.base10_parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// A value of this type for a test; nothing if a name in it is not known here.
pub(crate) fn sample(kind: &Type) -> Option<String> {
    match kind {
        Type::Group(group) => sample(&group.elem),
        Type::Paren(paren) => sample(&paren.elem),
        Type::Tuple(tuple) => {
            let parts: Vec<String> = tuple.elems.iter().map(sample).collect::<Option<_>>()?;
            let last = if parts.len() == 1 { "," } else { "" };
            Some(format!("({}{last})", parts.join(", ")))
        }
        Type::Array(array) => {
            length(&array.len)?;
            Some(format!("std::array::from_fn(|_| {})", sample(&array.elem)?))
        }
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last()?;
            let whole: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            let whole = whole.join("::");
            // A path of another crate may end in a name that std has too.
            KNOWN.iter().find(|(name, path, _)| *name == whole || *path == whole)?;
            let first = match &last.arguments {
                PathArguments::AngleBracketed(angle) => angle.args.iter().find_map(|argument| match argument {
                    GenericArgument::Type(kind) => Some(kind),
                    _ => None,
                }),
                _ => None,
            };
            Some(match &*last.ident.to_string() {
                "bool" => "true".to_owned(),
                "char" => "'a'".to_owned(),
                "f32" | "f64" => "1.5".to_owned(),
                "String" => "\"a\".to_owned()".to_owned(),
                "Box" => format!("Box::new({})", sample(first?)?),
                "Option" => format!("Some({})", sample(first?)?),
                "Vec" => format!("vec![{}]", sample(first?)?),
                "Duration" => "std::time::Duration::from_secs(7)".to_owned(),
                "PathBuf" => "std::path::PathBuf::from(\"a\")".to_owned(),
                "BTreeMap" | "BTreeSet" | "HashMap" | "HashSet" | "Uuid" | "VecDeque" => {
                    "Default::default()".to_owned()
                }
                _ => "7".to_owned(),
            })
        }
        _ => None,
    }
}

/// A value of a struct, from its fields with their values, broken into lines where rustfmt would.
pub(crate) fn literal(name: &str, fields: &[String]) -> String {
    /// The widest that rustfmt leaves on one line between the braces.
    const WIDTH: usize = 18;

    let inside = fields.join(", ");
    match inside.len() {
        0 => format!("{name} {{}}"),
        1..=WIDTH => format!("{name} {{ {inside} }}"),
        _ => format!("{name} {{\n    {},\n}}", fields.join(",\n    ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_written_anew_with_its_paths() {
        for (given, written, sample) in [
            ("u64", "u64", "7"),
            (" Vec< /* of them */ String > ", "Vec<String>", "vec![\"a\".to_owned()]"),
            ("Option<Uuid>", "Option<convoke::Uuid>", "Some(Default::default())"),
            ("HashMap<String, Vec<(u8,)>>", "std::collections::HashMap<String, Vec<(u8,)>>", "Default::default()"),
            ("[u8; 4]", "[u8; 4]", "std::array::from_fn(|_| 7)"),
            ("(u8, (bool))", "(u8, bool)", "(7, true)"),
            ("std::time::Duration", "std::time::Duration", "std::time::Duration::from_secs(7)"),
        ] {
            let kind = FieldType::new(given).unwrap();
            assert_eq!((kind.as_str(), kind.sample()), (written, Some(sample)), "{given}");
        }
        let own = FieldType::new("crate::money::Money").unwrap();
        assert_eq!((own.as_str(), own.sample()), ("crate::money::Money", None));
    }

    #[test]
    fn what_is_no_type_of_a_field_is_refused() {
        for given in [
            "",
            "u64, evil: u8",
            "u64 }",
            "Money",
            "&str",
            "&'static str",
            "[u8]",
            "[u8; { loop {} }]",
            "[u8; 33]",
            "[u8; N]",
            "[u8; 1 + 1]",
            "()",
            "!",
            "_",
            "fn()",
            "Box<dyn Fn()>",
            "dyn Send",
            "impl Send",
            "vec![u8]",
            "*const u8",
            "<u8 as Into<u8>>::Out",
            "::std::string::String",
            "super::Money",
            "self::Money",
            "Self",
            "crate",
            "Vec",
            "Vec<u8, u8>",
            "Option<'a>",
            "Vec<{ 7 }>",
            "std::boxed::Box<u8>::Out",
            "std::ops::Fn(u8)",
            "r#type::Money",
            "größe::Money",
            "u64 // comment",
            "u64; use std::process",
            "Vec<Vec<Vec<Vec<Vec<Vec<Vec<Vec<Vec<u8>>>>>>>>>",
        ] {
            if given == "u64 // comment" {
                assert_eq!(FieldType::new(given).unwrap().as_str(), "u64");
                continue;
            }
            let error = FieldType::new(given).expect_err(given);
            assert_eq!(error.code(), 2, "{given}");
        }
        assert!(FieldType::new(&"(".repeat(5000)).is_err());
    }
}
