//! The examples of events, and those of the README and of `examples/`.

use std::fs;
use std::path::Path;

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
macro_rules! shown {
    ($($place:ident: $(#[$event:meta])* { $($event_type:tt)+ } => $example:expr, $json:expr;)+) => {
        $(mod $place {
            use super::*;

            #[derive(Event, JsonSchema, Serialize, Deserialize)]
            $(#[$event])*
            #[event(example = $example)]
            pub(super) $($event_type)+
        })+

        /// Each with its text.
        fn shown() -> Vec<(&'static str, Document, Value)> {
            vec![$({
                let document = Document::builder("shown", "1").publishes::<shown!(@name $place $($event_type)+)>();
                (stringify!($($event_type)+), document.build().unwrap(), $json)
            }),+]
        }
    };
    (@name $place:ident struct $name:ident $($rest:tt)*) => { $place::$name };
}

shown! {
    readme: #[event(topic = "orders/placed")] { struct OrderPlaced { id: u64 } } => Self { id: 7 }, json!({"id": 7});
    survive: #[event(topic = "orders/placed")] { struct OrderPlaced { id: i64 } } => Self { id: 7 }, json!({"id": 7});
    topics: #[event(topic = "orders/placed")] { struct OrderPlaced { id: u64, total: u32 } } => Self { id: 7, total: 40 },
        json!({"id": 7, "total": 40});
    events: #[event(topic = "users/registered")] { struct UserRegistered { email: String } }
        => Self { email: "ada@example.com".into() }, json!({"email": "ada@example.com"});
    done_later: { struct UserRegistered { id: u64 } } => Self { id: 7 }, json!({"id": 7});
    tasks: { struct UserRegistered { name: String } } => Self { name: "Ada".into() }, json!({"name": "Ada"});
    filter: { struct UserRegistered(u64); } => Self(1), json!(1);
    renamed: { struct UserRenamed(u64); } => Self(1), json!(1);
    placed: { struct OrderPlaced(u64); } => Self(7), json!(7);
    paid: { struct OrderPaid(u64); } => Self(7), json!(7);
    seats: #[event(topic = "seats/taken", entity = "Seat", entity_id = seat)] { struct SeatTaken { seat: u32 } }
        => Self { seat: 7 }, json!({"seat": 7});
    replay: #[event(topic = "seats/taken", entity = "Seat", entity_id = seat)] { struct SeatTaken { seat: u32, by: String } }
        => Self { seat: 7, by: "Ada".into() }, json!({"seat": 7, "by": "Ada"});
    supervision: { struct Fault { at: String } } => Self { at: "noon".into() }, json!({"at": "noon"});
}

#[test]
fn the_events_of_the_readme_and_of_the_examples_are_documents_and_their_examples_fit() {
    for (text, document, json) in shown() {
        assert_eq!(check(&document).unwrap().examples(), 1, "{text}");
        let schema = document.registry().iter().next().unwrap();
        assert_eq!(schema.example(), Some(&json));
        assert_eq!(Document::from_asyncapi(&document.to_asyncapi()).unwrap(), document);
    }
}

/// A type without what may stand between its words.
fn packed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect::<String>().replace(",}", "}")
}

#[test]
fn no_event_of_the_readme_and_of_the_examples_is_missing() {
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")];
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    files.extend(fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()));
    // It makes documents itself.
    files.retain(|file| file.extension().is_some_and(|ext| ext == "rs" || ext == "md") && !file.ends_with("schema.rs"));
    let known: Vec<_> = shown().into_iter().map(|(text, ..)| packed(text)).collect();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for event in text.split("#[derive(Event").skip(1) {
            let (attributes, event) = event.split_once("struct ").unwrap();
            if attributes.contains("local") {
                continue;
            }
            let end = event.find(['}', ';']).unwrap();
            let event = packed(&format!("struct {}", &event[..=end]));
            assert!(known.contains(&event), "{}: {event} has no document in this test", file.display());
            found.push(event);
        }
    }
    assert!(found.len() >= known.len(), "{found:?}");
}
