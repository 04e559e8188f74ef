//! Documents: their bytes, what is in them, and what is none.

use std::{env, fs, process};

use convoke::schema::{Document, SchemaError};
use serde_json::{Value, json};

use super::shop::{Told, document, told};

/// The document of the shop as it is kept. `CONVOKE_WRITE=1` writes it anew: read the difference as a user would.
#[track_caller]
fn assert_kept(file: &str, text: &str) {
    let path = format!("{}/tests/schema/fixtures/{file}", env!("CARGO_MANIFEST_DIR"));
    if env::var_os("CONVOKE_WRITE").is_some() {
        fs::write(&path, text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "{file} is not what it was");
}

#[test]
fn the_documents_of_the_shop_are_those_that_are_kept() {
    assert_kept("shop.asyncapi.json", &document().to_asyncapi());
    assert_kept("shop.schema.json", &document().to_json_schema());
}

#[test]
fn a_document_has_the_same_bytes_every_time() {
    let text = document().to_asyncapi();
    for _ in 0..20 {
        assert_eq!(document().to_asyncapi(), text);
    }
    assert!(text.ends_with("}\n") && !text.contains(env!("CARGO_MANIFEST_DIR")));
    // In whichever order its events are told.
    let events = [Told::new(json!({"type": "object"})), Told { name: "Before", version: 3, ..Told::new(json!(true)) }];
    let mut turned = events.clone();
    turned.reverse();
    assert_eq!(Told::document(&events).to_asyncapi(), Told::document(&turned).to_asyncapi());
    assert_eq!(Told::document(&events).to_json_schema(), Told::document(&turned).to_json_schema());
}

#[test]
fn its_keys_stand_in_order_at_every_depth() {
    fn keys(text: &str) {
        let document: Value = text.parse().unwrap();
        let mut left = vec![&document];
        let mut places = 0;
        while let Some(value) = left.pop() {
            match value {
                Value::Object(fields) => {
                    // As they stand in the text, whatever the map of `serde_json` does.
                    let in_text: Vec<_> = fields.keys().map(|key| serde_json::to_string(key).unwrap()).collect();
                    assert!(in_text.is_sorted());
                    places += 1;
                    left.extend(fields.values());
                }
                Value::Array(items) => left.extend(items),
                _ => {}
            }
        }
        assert!(places > 10);
    }
    keys(&document().to_asyncapi());
    keys(&document().to_json_schema());
}

#[test]
fn what_is_read_is_what_was_written() {
    let written = document();
    let read = Document::from_asyncapi(&written.to_asyncapi()).unwrap();
    assert_eq!(read, written);
    assert_eq!(read.to_asyncapi(), written.to_asyncapi());
    assert_eq!(read.to_json_schema(), written.to_json_schema());
    assert_eq!((read.title(), read.version()), ("shop", "1.4.0"));
    assert!(read.publishes("OrderPlaced", 2) && read.hears("OrderPlaced", 2) && read.hears("UserRegistered", 1));
    assert!(!read.publishes("UserRegistered", 1) && !read.publishes("OrderPlaced", 1));
    let user = read.registry().get("UserRegistered", 1).unwrap();
    assert!(user.contains_personal_data() && user.example().is_some());
    assert_eq!((user.topic(), user.entity()), ("users/registered", "User"));
}

#[test]
fn a_document_is_kept_in_a_file() {
    let path = env::temp_dir().join(format!("convoke-document-{}.json", process::id()));
    document().save(&path).unwrap();
    assert_eq!(Document::load(&path).unwrap(), document());
    // The same is not written again.
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    document().save(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    fs::remove_file(&path).unwrap();
    let Err(SchemaError::File { path: named, .. }) = Document::load(&path) else { panic!() };
    assert_eq!(named, path.display().to_string());
}

#[test]
fn names_and_topics_of_any_letters_are_kept() {
    let document = Told::document(&[
        Told { name: "Größe geprüft", topic: "waren/größe ü%/{id}", ..Told::new(json!({"type": "string"})) },
        Told { name: "a.b_c", version: u32::MAX, topic: "a.b", ..Told::new(json!({"type": "string"})) },
        Told { name: "a.b c", topic: "a.b", ..Told::new(json!({"type": "string"})) },
    ]);
    let read = Document::from_asyncapi(&document.to_asyncapi()).unwrap();
    assert_eq!(read, document);
    let channels: Value = document.to_asyncapi().parse().unwrap();
    // Braces in an address would be parameters.
    assert_eq!(channels["channels"]["waren/größe ü%/{id}"]["address"], Value::Null);
    assert_eq!(channels["channels"]["a.b"]["address"], "a.b");
}

/// The document of the shop, changed.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut document: Value = document().to_asyncapi().parse().unwrap();
    change(&mut document);
    document.to_string()
}

#[test]
fn a_document_of_another_version_of_asyncapi_is_an_error_by_name() {
    for found in ["2.6.0", "3.0.0", "3.2.0", "4.0.0", "3.10.0", ""] {
        let text = changed(|document| document["asyncapi"] = found.into());
        assert_eq!(Document::from_asyncapi(&text), Err(SchemaError::AsyncApi { found: found.into() }));
    }
    let text = changed(|document| document["asyncapi"] = "3.1.7".into());
    assert!(Document::from_asyncapi(&text).is_ok());
    let error = Document::from_asyncapi(&changed(|document| document["asyncapi"] = "2.6.0".into())).unwrap_err();
    assert_eq!(error.to_string(), "the document is of AsyncAPI 2.6.0: this reads 3.1, so convert it or write it anew");
}

#[test]
fn what_is_no_document_says_where() {
    let message = "/components/messages/OrderPlaced.2";
    for (at, put, error) in [
        ("/asyncapi", Value::Null, "no document of AsyncAPI: it has no `asyncapi: \"3.1.0\"`"),
        ("/info/title", 7.into(), "the document is wrong at /info/title: here has to be a text"),
        ("/components/messages", json!([]), "the document is wrong at /components/messages: here has to be an object"),
        (
            &format!("{message}/name"),
            Value::Null,
            "the document is wrong at /components/messages/OrderPlaced.2/name: here has to be a text",
        ),
        (
            &format!("{message}/x-event-version"),
            json!(-1),
            "the document is wrong at /components/messages/OrderPlaced.2/x-event-version: here has to be a version: 1, 2, …",
        ),
        (
            &format!("{message}/payload"),
            json!({"type": "string"}),
            "the document is wrong at /components/messages/OrderPlaced.2/payload/properties/payload/$ref: here has to be a text",
        ),
        (
            "/channels",
            json!({}),
            "the document is wrong at /components/messages/OrderPlaced.2: no channel has this message",
        ),
        (
            "/operations/OrderPlaced.2.send/action",
            "publish".into(),
            "the document is wrong at /operations/OrderPlaced.2.send/action: it is neither `send` nor `receive`",
        ),
        (
            "/operations/OrderPlaced.2.send/messages/0/$ref",
            "#/channels/nowhere/messages/Nothing.1".into(),
            "the document is wrong at /operations/OrderPlaced.2.send/messages: it names no message",
        ),
        ("/components/schemas/OrderPlaced.2.Line", Value::Null, ""),
    ] {
        let text = changed(|document| *document.pointer_mut(at).unwrap() = put.clone());
        let read = Document::from_asyncapi(&text).map_err(|error| error.to_string());
        if error.is_empty() {
            assert!(read.is_ok(), "{at}: a schema is looked at when it is used: {read:?}");
        } else {
            assert_eq!(read.unwrap_err(), error);
        }
    }
    let gone = changed(|document| {
        drop(document["components"]["schemas"].as_object_mut().unwrap().remove("OrderPlaced.2.Line"))
    });
    assert_eq!(
        Document::from_asyncapi(&gone).unwrap_err().to_string(),
        "version 2 of OrderPlaced has no usable schema: there is no `OrderPlaced.2.Line`"
    );
}

#[test]
fn bytes_that_are_no_document_are_errors() {
    for text in ["", "{", "[]", "null", "\"asyncapi\"", "{\"asyncapi\": 3.1}", "asyncapi: 3.1.0\n"] {
        let error = Document::from_asyncapi(text).unwrap_err();
        assert!(matches!(error, SchemaError::NoDocument { .. }), "{text}: {error}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(matches!(Document::from_asyncapi(&deep), Err(SchemaError::NoDocument { .. })));
    let large = " ".repeat(Document::MAX_BYTES + 1);
    let error = Document::from_asyncapi(&large).unwrap_err();
    assert_eq!(error.to_string(), "the document has 16777217 bytes, and 16777216 are the most: divide it");
}

#[test]
fn a_document_cut_anywhere_is_an_error_and_never_another_document() {
    let text = document().to_asyncapi();
    let whole = text.trim_end().len();
    for end in (0..whole).filter(|end| text.is_char_boundary(*end)) {
        assert!(matches!(Document::from_asyncapi(&text[..end]), Err(SchemaError::NoDocument { .. })), "cut at {end}");
    }
}

#[test]
fn a_document_without_events_is_one() {
    let empty = Document::builder("nothing", "0").build().unwrap();
    assert_eq!(Document::from_asyncapi(&empty.to_asyncapi()).unwrap(), empty);
    assert!(empty.registry().is_empty());
}

#[test]
fn a_schema_that_two_messages_share_is_read() {
    let mut document: Value = told(json!(true)).to_asyncapi().parse().unwrap();
    let part = json!({"$ref": "#/components/schemas/Shared"});
    document["components"]["schemas"]["Changed.1"] = json!({"type": "object", "properties": {"a": part}});
    // As others write it: a part that belongs to no event.
    document["components"]["schemas"]["Shared"] = json!({"type": "integer"});
    let text = document.to_string();
    let read = Document::from_asyncapi(&text).unwrap();
    let schema = read.registry().get("Changed", 1).unwrap();
    assert_eq!(schema.json()["definitions"]["_.Shared"], json!({"type": "integer"}));
    assert_eq!(Document::from_asyncapi(&read.to_asyncapi()).unwrap().to_asyncapi(), read.to_asyncapi());
}
