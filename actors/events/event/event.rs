//! What an event is: a fact of a type, which travels by topic.
//!
//! `#[derive(Event)] → Event → a bus`

use serde_json::Value;

/// A fact that travels by topic and that listeners hear.
///
/// Implement this trait with `#[derive(Event)]`. An event is immutable data: all listeners that hear an event share one
/// value. The attribute `#[event(…)]` sets the rest:
///
/// | | default |
/// |---|---|
/// | `topic = "orders/placed"` | the event's name |
/// | `name = "OrderPlaced"` | the name of the type |
/// | `entity = "Order"` | the name without its last word; the name itself if it has only one |
/// | `entity_id = field` | none; the field is shown with its `Display` |
/// | `version = 2` | 1 |
/// | `example = Self { … }` | none; if set, what [`example`](Self::example) returns |
/// | `contains_personal_data` | off; if set, this library shows the payload in no log, error or `Debug` |
/// | `retained` | off; if set, the bus keeps the last event of this type for later subscribers |
/// | `local` | off; if set, the event needs no serde, no topic subscriber sees it, and it never leaves the process |
/// | `crate = "path::to::convoke"` | `::convoke` |
///
/// The type needs `Serialize` and `Deserialize`, unless it is `local`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "write `#[derive(Event, Serialize, Deserialize)]` over the type, or `#[derive(Event)] #[event(local)]` if it has no serde"
)]
pub trait Event: Send + Sync + Sized + 'static {
    /// The event's name, by which services elsewhere know the event.
    const NAME: &'static str;

    /// The topic on which the event travels: segments between slashes, without wildcards.
    const TOPIC: &'static str;

    /// The kind of thing that the event is about, as in `User` for `UserRegistered`.
    const ENTITY: &'static str;

    /// The version of the payload's shape. The default is 1.
    const VERSION: u32 = 1;

    /// Whether the payload is kept out of every log and every error. The default is `false`.
    const CONTAINS_PERSONAL_DATA: bool = false;

    /// Whether the bus keeps the last event of this type for later subscribers. The default is `false`.
    const RETAINED: bool = false;

    /// Whether the event has no form as JSON, and so never leaves the process. The default is `false`.
    const LOCAL: bool = false;

    /// Returns the id of the thing that the event is about, for the event's metadata. The default is none.
    fn entity_id(&self) -> Option<String> {
        None
    }

    /// Returns an event as an example, for documents and tests. The default is none.
    fn example() -> Option<Self> {
        None
    }

    /// Returns the event as JSON.
    ///
    /// # Errors
    ///
    /// Returns the error of the type's `Serialize`, and always an error for a local event. With `#[derive(Event)]`, a
    /// float that is NaN or infinite is an error too: JSON has no such number, and `null` would be another value.
    fn to_json(&self) -> Result<Value, serde_json::Error>;

    /// Writes the event as JSON behind what is there; `false` if it has to become a `Value` first, as by default.
    #[doc(hidden)]
    fn write_json(&self, to: &mut Vec<u8>) -> bool {
        let _ = to;
        false
    }

    /// Makes an event from JSON.
    ///
    /// # Errors
    ///
    /// Returns the error of the type's `Deserialize`, and always an error for a local event.
    fn from_json(payload: &Value) -> Result<Self, serde_json::Error>;
}
