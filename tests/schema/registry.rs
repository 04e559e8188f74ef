//! Names and versions, and who claims them.

use convoke::Event;
use convoke::schema::{Document, EventSchema, Registry, SchemaError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::shop::{OrderPlaced, Told, UserRegistered, document};

mod other {
    use super::*;

    /// It has the name of another.
    #[derive(Event, JsonSchema, Serialize, Deserialize)]
    #[event(version = 2)]
    pub(super) struct OrderPlaced {
        id: u64,
    }
}

#[derive(Event, JsonSchema)]
#[event(local)]
struct Ticked;

#[test]
fn a_name_and_a_version_have_one_schema() {
    let registry = Registry::new().with::<OrderPlaced>().unwrap().with::<UserRegistered>().unwrap();
    assert_eq!(registry.len(), 2);
    let names: Vec<_> = registry.iter().map(|schema| (schema.name(), schema.version())).collect();
    assert_eq!(names, [("OrderPlaced", 2), ("UserRegistered", 1)]);
    assert!(registry.get("OrderPlaced", 1).is_none());
    assert_eq!(registry.get("OrderPlaced", 2).unwrap().topic(), "orders/placed");
    // The same type again changes nothing.
    assert_eq!(registry.clone().with::<OrderPlaced>().unwrap(), registry);
}

#[test]
fn a_schema_that_two_types_claim_is_an_error_by_name() {
    let error = Registry::new().with::<OrderPlaced>().unwrap().with::<other::OrderPlaced>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "version 2 of OrderPlaced is claimed by `convoke::schema::shop::OrderPlaced` and by \
         `convoke::schema::registry::other::OrderPlaced`: give one of them another version or name"
    );
    let built = Document::builder("s", "1").publishes::<other::OrderPlaced>().hears::<OrderPlaced>().build();
    assert!(matches!(built, Err(SchemaError::Claimed { version: 2, .. })), "{built:?}");
}

#[test]
fn an_older_document_brings_its_versions_and_may_not_say_otherwise() {
    let old =
        Told::document(&[Told { name: "OrderPlaced", topic: "orders/placed", ..Told::new(json!({"type": "object"})) }]);
    let registry = Registry::new().with::<OrderPlaced>().unwrap().with_all(&old).unwrap();
    assert_eq!(registry.iter().map(EventSchema::version).collect::<Vec<_>>(), [1, 2]);
    // What says the same is no other.
    assert_eq!(registry.clone().with_all(document()).unwrap().len(), 3);
    let wrong = Told::document(&[Told { name: "OrderPlaced", version: 2, ..Told::new(json!({"type": "object"})) }]);
    let error = registry.with_all(&wrong).unwrap_err();
    assert!(matches!(&error, SchemaError::Claimed { second, .. } if second == "a document"), "{error}");
    // From whichever side it is looked at.
    assert!(matches!(Registry::new().with_all(wrong).unwrap().with::<OrderPlaced>(), Err(SchemaError::Claimed { .. })));
}

#[test]
fn what_never_leaves_the_process_has_no_document() {
    let error = Registry::new().with::<Ticked>().unwrap_err();
    assert_eq!(error, SchemaError::Local { event: "Ticked".into() });
    assert_eq!(
        error.to_string(),
        "Ticked is local and never leaves the process: remove `local`, or leave the event out"
    );
    assert_eq!(Document::builder("s", "1").hears::<Ticked>().build(), Err(error));
}

#[derive(JsonSchema, Serialize, Deserialize)]
#[schemars(rename = "a b/c")]
struct Named {
    next: Option<Box<Named>>,
}

#[derive(Event, JsonSchema, Serialize, Deserialize)]
struct Holds {
    named: Named,
}

#[test]
fn a_part_of_any_name_is_found() {
    let schema = EventSchema::of::<Holds>().unwrap();
    assert_eq!(schema.json()["properties"]["named"]["$ref"], "#/definitions/a_20_b_2F_c");
    let document = Document::builder("s", "1").publishes::<Holds>().build().unwrap();
    assert_eq!(Document::from_asyncapi(&document.to_asyncapi()).unwrap(), document);
    assert!(document.to_json_schema().contains("#/definitions/Holds.1.a_20_b_2F_c"));
}

#[test]
fn a_schema_says_how_wide_an_integer_is_and_what_the_type_says_of_itself() {
    let schema = EventSchema::of::<OrderPlaced>().unwrap();
    let count = &schema.json()["definitions"]["Line"]["properties"]["count"];
    assert_eq!(*count, json!({"type": "integer", "format": "uint32", "minimum": 1, "maximum": u32::MAX}));
    // What has a default may be missing; that is what the type reads.
    assert_eq!(schema.json()["required"], json!(["id", "lines", "paid_by"]));
    assert_eq!(schema.json()["description"], "An order has been placed.");
    let user = EventSchema::of::<UserRegistered>().unwrap();
    assert_eq!(user.json()["x-contains-personal-data"], true);
    assert_eq!(schema.json().get("x-contains-personal-data"), None);
    assert!(schema.to_text().ends_with("}\n"));
}
