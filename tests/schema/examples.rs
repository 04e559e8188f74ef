//! The examples of events, and those of the README and of `examples/`.

use convoke::Event;
use convoke::schema::{Document, check};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::shop::document;

#[test]
fn the_examples_of_the_shop_fit() {
    let checked = check(&document()).unwrap();
    assert_eq!((checked.examples(), checked.without_example().len()), (2, 0));
}

#[derive(Event, JsonSchema, Serialize, Deserialize)]
#[event(example = Self { total: 0, lines: vec![String::new()] })]
struct Wrong {
    #[schemars(range(min = 1))]
    total: u32,
    #[schemars(inner(length(min = 1)))]
    lines: Vec<String>,
}

#[derive(Event, JsonSchema, Serialize, Deserialize)]
struct Without {
    id: u64,
}

#[derive(Event, JsonSchema, Serialize, Deserialize)]
#[event(example = Self { ratio: f64::NAN })]
struct NoJson {
    ratio: f64,
}

/// What it writes it cannot read.
#[derive(Event, JsonSchema, Serialize, Deserialize)]
#[event(example = Self { id: 7 })]
struct OneWay {
    #[serde(rename(serialize = "number"))]
    id: u64,
}

#[test]
fn an_example_that_does_not_fit_says_which_field_breaks_which_rule() {
    let wrong = Document::builder("s", "1").publishes::<Wrong>().publishes::<Without>().build().unwrap();
    let error = check(&wrong).unwrap_err();
    let faults: Vec<_> = error.faults().map(|(event, fault)| (event, fault.path(), fault.rule())).collect();
    assert_eq!(
        faults,
        [
            ("version 1 of Wrong", "/lines/0", "/properties/lines/items/minLength"),
            ("version 1 of Wrong", "/total", "/properties/total/minimum"),
        ]
    );
    assert_eq!(
        error.to_string(),
        "the example of version 1 of Wrong does not fit its schema: /lines/0 is shorter than 1 character (rule \
         /properties/lines/items/minLength), /total is less than the minimum of 1 (rule /properties/total/minimum)"
    );
}

#[test]
fn an_example_without_a_form_as_json_says_so() {
    let wrong = Document::builder("s", "1").publishes::<NoJson>().build().unwrap();
    let error = check(&wrong).unwrap_err().to_string();
    assert!(error.starts_with("the example of version 1 of NoJson has no form as JSON: "), "{error}");
}

#[test]
fn what_a_type_writes_and_cannot_read_is_found_by_its_example() {
    let wrong = Document::builder("s", "1").publishes::<OneWay>().build().unwrap();
    let error = check(&wrong).unwrap_err().to_string();
    assert!(error.contains("the payload has no field `id` (rule /required)"), "{error}");
}

#[test]
fn events_without_an_example_are_named() {
    let without = Document::builder("s", "1").publishes::<Without>().build().unwrap();
    let checked = check(&without).unwrap();
    assert_eq!((checked.examples(), checked.without_example()), (0, &["version 1 of Without".to_owned()][..]));
}

/// The events of the README and of `examples/`, as they stand there, with an example of each.
mod shown {
    use super::*;

    macro_rules! shown {
        ($($(#[$event:meta])* $name:ident $fields:tt $(;)? => $example:expr, $json:expr;)+) => {
            $(
                #[derive(Event, JsonSchema, Serialize, Deserialize)]
                $(#[$event])*
                #[event(example = $example)]
                struct $name $fields
            )+

            /// A document of each, and what its example is as JSON.
            pub(super) fn documents() -> Vec<(Document, Value)> {
                vec![$((Document::builder("shown", "1").publishes::<$name>().build().unwrap(), $json)),+]
            }
        };
    }

    shown! {
        #[event(topic = "orders/placed")] OrderPlaced { id: u64 } => Self { id: 7 }, json!({"id": 7});
        #[event(topic = "orders/placed", name = "OrderTotalled")] Totalled { id: u64, total: u32 }
            => Self { id: 7, total: 40 }, json!({"id": 7, "total": 40});
        #[event(name = "UserRegistered")] Registered { id: u64 } => Self { id: 1 }, json!({"id": 1});
    }
}

#[test]
fn the_events_of_the_readme_are_documents_and_their_examples_fit() {
    for (document, json) in shown::documents() {
        assert_eq!(check(&document).unwrap().examples(), 1);
        let schema = document.registry().iter().next().unwrap();
        assert_eq!(schema.example(), Some(&json));
        assert_eq!(Document::from_asyncapi(&document.to_asyncapi()).unwrap(), document);
    }
}
