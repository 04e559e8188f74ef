//! What an event is: a fact of a type, which travels by topic.
//!
//! `#[derive(Event)] → Event → a bus`

use serde_json::Value;

/// A fact that travels by topic: what listeners hear. Derived, with `#[derive(Event)]`.
///
/// An event is immutable data; all who hear it share it. `#[event(…)]` says the rest:
///
/// | | default |
/// |---|---|
/// | `topic = "orders/placed"` | the event's name |
/// | `name = "OrderPlaced"` | the name of the type |
/// | `entity = "Order"` | the name without its last word; the name itself if it has only one |
/// | `entity_id = field` | none; the field is shown with its `Display` |
/// | `version = 2` | 1 |
/// | `contains_personal_data` | it does not; if it does, its payload is shown in no log, error or `Debug` of ours |
/// | `retained` | not; if it is, the bus keeps the last one for those who subscribe later |
/// | `local` | not; if it is, it needs no serde, no topic subscriber sees it, and it never leaves the process |
/// | `crate = "path::to::convoke"` | `::convoke` |
///
/// The type needs `Serialize` and `Deserialize`, unless it is local.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "write `#[derive(Event, Serialize, Deserialize)]` over the type, or `#[derive(Event)] #[event(local)]` if it has no serde"
)]
pub trait Event: Send + Sync + Sized + 'static {
    /// The event's name, by which services elsewhere know it.
    const NAME: &'static str;

    /// Where it travels: segments between slashes, without wildcards.
    const TOPIC: &'static str;

    /// What the event is about, as in `User` for `UserRegistered`.
    const ENTITY: &'static str;

    /// The version of its shape.
    const VERSION: u32 = 1;

    /// Whether its payload may stand in no log and no error.
    const CONTAINS_PERSONAL_DATA: bool = false;

    /// Whether the bus keeps the last one for those who subscribe later.
    const RETAINED: bool = false;

    /// Whether it has no form as JSON, and so never leaves the process.
    const LOCAL: bool = false;

    /// Returns the id of what the event is about, for its metadata.
    fn entity_id(&self) -> Option<String> {
        None
    }

    /// Returns the event as JSON, which a local event does not have.
    ///
    /// # Errors
    ///
    /// What the type's `Serialize` says. With `#[derive(Event)]` a float that is no number, NaN or an infinity, is an error:
    /// JSON has none, and `null` would be something else.
    fn to_json(&self) -> Result<Value, serde_json::Error>;

    /// Makes an event from JSON.
    ///
    /// # Errors
    ///
    /// What the type's `Deserialize` says; always, for a local event.
    fn from_json(payload: &Value) -> Result<Self, serde_json::Error>;
}
