//! What is given as a name is one, or is refused before anything is read or written.
//!
//! `the command line → TypeName, CrateName, FileName, Field, Topic → templates`
//!
//! - `type_name.rs`, `crate_name.rs`, `word.rs`: names of types, of crates, and of what is written in small letters
//! - `words.rs`: names that something else has already
//! - `case.rs`: `OrderPlaced` as a file's name, and back
//! - `field.rs`, `field_type.rs`: `id:u64`, parsed as a type and written anew
//! - `topic.rs`: the grammar of topics
//! - `nearest.rs`: which of the names that are there may have been meant
//!
//! **Nothing that was given is pasted.** What goes on is made of letters, digits and underscores, or was parsed and is written from
//! what was understood. So no name can be a path, a comment, a string that ends, or code.

mod case;
mod crate_name;
mod field;
mod field_type;
mod nearest;
mod topic;
mod type_name;
mod word;
mod words;

pub(crate) use crate_name::CrateName;
pub(crate) use field::{Field, fields};
pub(crate) use field_type::{literal, sample};
pub(crate) use nearest::near;
pub(crate) use topic::Topic;
pub(crate) use type_name::{EventName, TypeName};
pub(crate) use word::Word;
