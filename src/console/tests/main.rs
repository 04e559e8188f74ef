//! The console as a browser, an application, and somebody who means no good reach it.
#![cfg(test)]

/// An application with a console, and what is asked of it: helpers, no tests.
mod common;
/// Jobs that pages show: no tests.
#[cfg(feature = "sqlite")]
mod jobs;
/// The pages in a real browser.
#[cfg(feature = "sqlite")]
mod browser;
/// Who comes in, and who may change what.
mod gate;
/// What the pages of this process show, over real buses, services and brokers.
mod inside;
/// What the pages of servers and databases show, and what is done there.
#[cfg(feature = "sqlite")]
mod pages;
/// The console as a server of its own.
mod serve;
