//! Who hears an event.

/// Every form of listener, what it may ask for, its name; actors from within and by recipient.
mod listeners;
/// What `#[listener]` marks, and `EventBus::discover` finds.
mod discover;
