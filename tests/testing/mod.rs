//! How to test with it.

/// Our prelude beside the one of actix.
mod prelude;
/// The test that the README shows, word for word.
mod without_sleeping;
/// Those that the chapter on testing shows, and the texts of failures there.
mod page;
/// `#[convoke::test]` itself: virtual time, the leak check, seeds.
mod virtual_time;
/// What has failed and was not looked at fails a test.
mod green_over_a_panic;
/// The same, case by case: what is red, what is said of it, and what is a look.
mod failures;
/// Waiting for events, and what is said when they do not come.
mod synchronizer;
/// An actor that notes what it is sent: as emitter, consumer, listener and dependency; summonses and outcomes by hand.
mod probe;
/// A bus that records what is emitted, and calls nobody.
mod fake_bus;
