//! One suite that every transport has to pass: give it a [`Fixture`], and it says of each case whether that holds.

mod fixture;

pub use fixture::{Channel, Fixture, Server, Subscribe, Wants};
