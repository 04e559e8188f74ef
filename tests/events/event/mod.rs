//! What an event is, and what it shows of itself.

/// What `#[derive(Event)]` makes of a type: every shape, every key and its default.
mod derive;
/// A float that is no number is an error wherever it would become JSON.
mod not_a_number;
/// Personal data is shown in no `Debug`, no error and no log.
mod personal;
/// A canary through every `Debug` and `Display` of what can hold an event or a key.
mod personal_debug;
/// What comes from outside is shown on one line, without what controls, and cut.
mod shown;
