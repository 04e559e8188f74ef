//! What can go wrong with a container: a type is missing, provided twice, needs itself, or could not be built.
//!
//! `ContainerBuilder, Container::get → ContainerError → whoever registers a listener`

use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

use crate::base::debug_is_display;

/// The error of getting a value from a [`Container`](crate::Container), or of building the container.
///
/// Types are named as by [`std::any::type_name`]. The message shortens `app::mail::Mailer` to `Mailer`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContainerError {
    /// The type is not provided.
    Missing {
        /// The type that was asked for.
        type_name: &'static str,
        /// Provided types with a similar name: an `Arc<Mailer>`, or the `Mailer` of another crate.
        similar: Vec<&'static str>,
        /// The types that were being built and needed this type, the outermost first; empty if the type was asked for
        /// directly.
        needed_by: Vec<&'static str>,
    },
    /// The type needs itself.
    Cycle {
        /// The types of the cycle, each of which needs the next; the last type is the first one again.
        chain: Vec<&'static str>,
    },
    /// The type was provided twice.
    Twice {
        /// The type that was provided.
        type_name: &'static str,
        /// The place at which the type was provided first.
        first: &'static Location<'static>,
        /// The place at which the type was provided again.
        second: &'static Location<'static>,
    },
    /// A type was to be replaced or removed, but is not provided.
    NothingToReplace {
        /// The type that was to be replaced or removed.
        type_name: &'static str,
        /// The place of the call.
        at: &'static Location<'static>,
    },
    /// The constructor returned an error or panicked. The constructor runs again when the value is asked for again.
    Failed {
        /// The type that the constructor was to build.
        type_name: &'static str,
        /// The text of the error, with the texts of its sources, or the message of the panic.
        reason: String,
        /// The types that were being built and needed this type, the outermost first; empty if the type was asked for
        /// directly.
        needed_by: Vec<&'static str>,
    },
}

impl fmt::Display for ContainerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { type_name, similar, needed_by } => {
                let name = short_name(type_name);
                if name.starts_with("dyn ") {
                    write!(f, "no `{name}` is provided: add `.provide_as::<{name}>(…)` to the builder")?;
                } else {
                    write!(f, "no `{name}` is provided: add `.provide(…)` or `.provide_with(…)` to the builder")?;
                }
                write_needed_by(f, needed_by)?;
                for (place, similar) in similar.iter().enumerate() {
                    // In full: what is named alike may differ in its path alone.
                    write!(f, "{}`{similar}`", if place == 0 { "; there is " } else { ", " })?;
                }
                Ok(())
            }
            Self::Cycle { chain } => {
                write_chain(f, chain)?;
                f.write_str(": move what they share into a type of its own")
            }
            Self::Twice { type_name, first, second } => {
                let name = short_name(type_name);
                write!(f, "`{name}` is provided twice, at {first} and at {second}: remove one, or replace the first")
            }
            Self::NothingToReplace { type_name, at } => {
                let name = short_name(type_name);
                write!(
                    f,
                    "no `{name}` is provided that could be replaced or taken out at {at}: name the type or trait that \
                     was provided"
                )
            }
            Self::Failed { type_name, reason, needed_by } => {
                write!(f, "`{}` could not be built: {reason}", short_name(type_name))?;
                write_needed_by(f, needed_by)
            }
        }
    }
}

impl StdError for ContainerError {}

debug_is_display!(ContainerError);

fn write_needed_by(f: &mut fmt::Formatter<'_>, needed_by: &[&'static str]) -> fmt::Result {
    if needed_by.is_empty() {
        return Ok(());
    }
    f.write_str("; ")?;
    write_chain(f, needed_by)?;
    f.write_str(" needs it")
}

fn write_chain(f: &mut fmt::Formatter<'_>, chain: &[&'static str]) -> fmt::Result {
    for (place, type_name) in chain.iter().enumerate() {
        write!(f, "{}`{}`", if place == 0 { "" } else { " needs " }, short_name(type_name))?;
    }
    Ok(())
}

/// A type's name without the paths: `alloc::vec::Vec<app::Config>` is `Vec<Config>`.
pub(crate) fn short_name(type_name: &str) -> String {
    let mut short = String::with_capacity(type_name.len());
    // Where in `short` the segment at hand begins.
    let mut segment = 0;
    let mut rest = type_name;
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("::") {
            rest = after;
            if short.len() > segment {
                short.truncate(segment);
            } else {
                // After a bracket, as in `<T>::Name`, there is no segment to leave out.
                short.push_str("::");
                segment = short.len();
            }
            continue;
        }
        short.push(next);
        if !is_word(next) {
            segment = short.len();
        }
        rest = &rest[next.len_utf8()..];
    }
    short
}

/// Whether two types are likely to be taken for each other: `Mailer` and `Arc<dyn Mailer>` end with one name.
pub(crate) fn named_alike(one: &str, other: &str) -> bool {
    fn last(type_name: &str) -> Option<&str> {
        type_name.rsplit(|letter| !is_word(letter)).find(|word| !word.is_empty())
    }
    last(one) == last(other)
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_loses_its_paths_and_keeps_its_generics() {
        for (full, short) in [
            ("u8", "u8"),
            ("app::mail::Mailer", "Mailer"),
            ("alloc::vec::Vec<app::Config>", "Vec<Config>"),
            ("dyn app::Mail", "dyn Mail"),
            (
                "dyn core::ops::function::Fn(app::A, &app::B) -> app::C + core::marker::Send",
                "dyn Fn(A, &B) -> C + Send",
            ),
            ("(a::A, [b::B; 3], &str)", "(A, [B; 3], &str)"),
            ("std::collections::HashMap<a::Key, core::option::Option<b::B>>", "HashMap<Key, Option<B>>"),
            ("<a::A as b::B>::Out", "<A as B>::Out"),
            ("a::größe::Größe", "Größe"),
            ("", ""),
        ] {
            assert_eq!(short_name(full), short);
        }
    }

    #[test]
    fn types_are_named_alike_whose_last_word_is_the_same() {
        assert!(named_alike("app::Mailer", "alloc::sync::Arc<dyn mail::Mailer>"));
        assert!(!named_alike("app::Mailer", "app::MailerConfig"));
        assert!(!named_alike("app::Mailer", "app::Mailer<app::Config>"));
        assert!(!named_alike("app::Mailer", "()"));
    }

    #[test]
    fn a_missing_type_is_told_with_how_to_provide_it_and_who_needs_it() {
        let missing =
            |type_name, needed_by| ContainerError::Missing { type_name, similar: vec![], needed_by }.to_string();
        assert_eq!(
            missing("app::Mailer", vec![]),
            "no `Mailer` is provided: add `.provide(…)` or `.provide_with(…)` to the builder"
        );
        assert_eq!(
            missing("app::Mailer", vec!["app::Receipts"]),
            "no `Mailer` is provided: add `.provide(…)` or `.provide_with(…)` to the builder; `Receipts` needs it"
        );
        assert_eq!(
            missing("dyn app::Mail", vec!["app::Shop", "app::Receipts"]),
            "no `dyn Mail` is provided: add `.provide_as::<dyn Mail>(…)` to the builder; \
             `Shop` needs `Receipts` needs it"
        );
    }

    #[test]
    fn a_missing_type_is_told_with_what_is_named_alike() {
        let error = ContainerError::Missing {
            type_name: "app::Mailer",
            similar: vec!["alloc::sync::Arc<app::Mailer>", "mail::Mailer"],
            needed_by: vec![],
        };
        assert_eq!(
            error.to_string(),
            "no `Mailer` is provided: add `.provide(…)` or `.provide_with(…)` to the builder; \
             there is `alloc::sync::Arc<app::Mailer>`, `mail::Mailer`"
        );
    }

    #[test]
    fn a_cycle_is_shown_whole() {
        let error = ContainerError::Cycle { chain: vec!["app::Receipts", "app::Mailer", "app::Receipts"] };
        assert_eq!(
            error.to_string(),
            "`Receipts` needs `Mailer` needs `Receipts`: move what they share into a type of its own"
        );
    }

    #[test]
    fn a_failure_is_told_with_its_reason_and_who_needs_it() {
        let error = ContainerError::Failed {
            type_name: "app::Config",
            reason: "no file".to_owned(),
            needed_by: vec!["app::Mailer"],
        };
        assert_eq!(error.to_string(), "`Config` could not be built: no file; `Mailer` needs it");
    }

    #[test]
    fn a_fault_of_the_builder_is_told_with_its_lines() {
        let (first, second) = (Location::caller(), Location::caller());
        let error = ContainerError::Twice { type_name: "app::Config", first, second };
        assert_eq!(
            error.to_string(),
            format!("`Config` is provided twice, at {first} and at {second}: remove one, or replace the first")
        );
        let error = ContainerError::NothingToReplace { type_name: "app::FakeMail", at: second };
        assert_eq!(
            error.to_string(),
            format!(
                "no `FakeMail` is provided that could be replaced or taken out at {second}: name the type or trait \
                 that was provided"
            )
        );
    }
}
