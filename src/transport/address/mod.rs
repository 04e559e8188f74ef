//! Where something is, as one text: a server, and what is meant on it. The same text stands on a command line, in a variable and
//! in a file.
//!
//! `text → Address → { kind of server, URL with its secrets, name } → AnyQueue | look::Server`
//!
//! In reading order: `kind` has the servers, `options` what may stand behind a `?`, `address` the text and its parts, `shown` how it is written without its secrets, and
//! `error` what is wrong with one.
//!
//! No secret of an address is in anything that is written of it.

mod kind;
mod options;
mod address;
mod shown;
mod error;

pub use address::Address;
#[cfg(feature = "sqs")]
pub(crate) use address::Aws;
pub use error::AddressError;
pub use kind::ServerKind;
pub(crate) use shown::is_secret;
