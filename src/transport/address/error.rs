//! What is wrong with an address. Nothing of it is quoted: it may have a password.

use std::fmt;

use crate::__private::debug_is_display;

/// An error returned for a text that is no [`Address`](super::Address). It quotes nothing of the text, which may have a password.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// The text does not begin with the scheme of a server that is known.
    Scheme,
    /// What follows the scheme is not what such an address has there; the text says what it has.
    Form(&'static str),
    /// The name behind `#` is not valid; the text says why.
    Name(&'static str),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str(
                "there is no such URL: it begins with `sqlite:`, `postgres://`, `redis://`, `amqp://`, `sqs:` or `http://`",
            ),
            Self::Form(text) | Self::Name(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for AddressError {}

debug_is_display!(AddressError);
