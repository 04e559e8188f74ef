//! What comes is validated: what is refused, and what is said of it.

use std::collections::BTreeMap;

use convoke::codec::{Codec, Wire};
use convoke::prelude::*;
use convoke::schema::{Misfit, Registry, Validator};
use convoke::transport::{DeadLetterRecord, DeadReason, Memory, Publisher};
use convoke::{Envelope, Worker};
use serde_json::{Value, json};

use super::shop::{OrderPlaced, Told, UserRegistered, document, told};
use crate::common::{Notes, ms, sleep};

/// What is said of a payload of an event of a type.
fn said<E: Event>(payload: Value) -> Result<(), String> {
    let validator = Validator::new(document()).unwrap();
    validator.validate(&Envelope::new(Metadata::of::<E>(), payload)).map_err(|misfit| misfit.to_string())
}

fn order(change: impl FnOnce(&mut Value)) -> Value {
    let mut order = OrderPlaced::example().unwrap().to_json().unwrap();
    change(&mut order);
    order
}

#[test]
fn what_fits_fits() {
    assert_eq!(said::<OrderPlaced>(order(|_| ())), Ok(()));
    assert_eq!(said::<UserRegistered>(UserRegistered::example().unwrap().to_json().unwrap()), Ok(()));
    // A field more is none of ours.
    assert_eq!(said::<OrderPlaced>(order(|order| order["more"] = json!(1))), Ok(()));
}

#[test]
fn what_does_not_fit_says_which_field_breaks_which_rule_and_no_value() {
    for (at, value, expected) in [
        ("/id", json!("secret"), "/id is not of type \"integer\" (rule /properties/id/type)"),
        (
            "/lines/0/count",
            json!(0),
            "/lines/0/count is less than the minimum of 1 (rule /properties/lines/items/$ref/properties/count/minimum)",
        ),
        (
            "/lines/0/parts/0/count",
            json!(4_294_967_296_u64),
            "/lines/0/parts/0/count is greater than the maximum of 4294967295 (rule \
             /properties/lines/items/$ref/properties/parts/items/$ref/properties/count/maximum)",
        ),
        (
            "/paid_by",
            json!("Secret"),
            "/paid_by fits none of the schemas under `oneOf` (rule /properties/paid_by/$ref/oneOf)",
        ),
        (
            "/labels/gift",
            json!(7),
            "/labels/gift is not of type \"string\" (rule /properties/labels/additionalProperties/type)",
        ),
        ("", json!("secret"), "the payload is not of type \"object\" (rule /type)"),
    ] {
        let misfit = said::<OrderPlaced>(order(|order| *order.pointer_mut(at).unwrap() = value)).unwrap_err();
        assert_eq!(misfit, format!("version 2 of OrderPlaced does not fit its schema: {expected}"));
    }
    let misfit = said::<OrderPlaced>(json!({"id": 7, "lines": []})).unwrap_err();
    assert!(misfit.ends_with("the payload has no field `paid_by` (rule /required)"), "{misfit}");
}

#[test]
fn of_personal_data_nothing_is_said_but_what_stands_in_the_schema() {
    let user = |change: fn(&mut Value)| {
        let mut user = UserRegistered::example().unwrap().to_json().unwrap();
        change(&mut user);
        said::<UserRegistered>(user).unwrap_err()
    };
    let says = "version 1 of UserRegistered does not fit its schema: ";
    assert_eq!(
        user(|user| user["by_mail"] = json!({"ada@example.com": 256})),
        format!(
            "{says}/by_mail/* is greater than the maximum of 255 (rule /properties/by_mail/additionalProperties/maximum)"
        )
    );
    assert_eq!(
        user(|user| user["ada@example.com"] = json!(1)),
        format!("{says}the payload has a field that the schema does not have (rule /additionalProperties)")
    );
    assert_eq!(
        user(|user| user["email"] = json!("ada")),
        format!("{says}/email is not a \"email\" (rule /properties/email/format)")
    );
    // Also if only the event says so, and not its type.
    let mut metadata = Metadata::of::<OrderPlaced>();
    metadata.contains_personal_data = true;
    let envelope = Envelope::new(metadata, order(|order| order["labels"] = json!({"ada@example.com": 7})));
    let misfit = Validator::new(document()).unwrap().validate(&envelope).unwrap_err();
    assert!(!format!("{misfit} {misfit:?} {:?}", misfit.faults()).contains("ada"), "{misfit}");
}

#[test]
fn whatever_does_not_fit_no_value_and_no_personal_name_is_told() {
    let schema = json!({
        "type": "object",
        "properties": {
            "enum": {"enum": ["one"]}, "const": {"const": 1}, "pattern": {"pattern": "^x+$"}, "not": {"not": {"type": "string"}},
            "names": {"propertyNames": {"maxLength": 3}}, "many": {"maxProperties": 0}, "unique": {"uniqueItems": true},
            "contains": {"contains": {"type": "integer"}}, "any": {"anyOf": [{"type": "integer"}]}, "never": false,
            "multiple": {"multipleOf": 7}, "long": {"maxLength": 1}, "items": {"items": [{}], "additionalItems": false},
            "needs": {"dependencies": {"secret": ["x"]}}, "if": {"if": {"type": "string"}, "then": {"const": "y"}},
            "content": {"contentEncoding": "base64", "contentMediaType": "application/json"},
        },
        "x-contains-personal-data": true,
    });
    let secret = json!({
        "enum": "secret", "const": "secret", "pattern": "secret", "not": "secret", "names": {"secret": 1},
        "many": {"secret": "secret"}, "unique": ["secret", "secret"], "contains": ["secret"], "any": "secret", "never": "secret",
        "multiple": 31337, "long": "secret", "items": ["secret", "secret"], "needs": {"secret": 1}, "if": "secret", "content": "secret",
    });
    let all = secret.as_object().unwrap();
    let validator = Validator::new(told(schema)).unwrap();
    for (name, value) in all {
        let mut metadata = Metadata::new("Changed");
        metadata.topic = "things/changed".into();
        metadata.contains_personal_data = true;
        let misfit = validator.validate(&Envelope::new(metadata, json!({name: value}))).unwrap_err();
        let text = format!("{misfit} {misfit:?} {:?}", misfit.faults());
        // The name of the field `needs` a rule about; it stands in the schema.
        assert!(!text.contains("31337") && (!text.contains("secret") || name == "needs"), "{name}: {text}");
        assert!(text.contains(&format!("/{name}")), "{name}: {text}");
    }
}

#[test]
fn what_is_said_is_bounded() {
    let lines: Vec<_> = (0..10_000).map(|_| json!({"sku": "", "count": 0, "parts": []})).collect();
    let misfit = said::<OrderPlaced>(order(|order| order["lines"] = json!(lines))).unwrap_err();
    assert!(misfit.ends_with("; and more") && misfit.len() < 4_000, "{} bytes", misfit.len());
    let name = "n".repeat(100_000);
    let misfit = said::<OrderPlaced>(order(|order| order["labels"] = json!({name: 1}))).unwrap_err();
    assert!(misfit.len() < 1_000, "{} bytes", misfit.len());
    let names: BTreeMap<_, _> = (0..1_000).map(|name| (format!("{name}\u{1b}[31m\n"), name)).collect();
    let misfit = said::<OrderPlaced>(order(|order| order["labels"] = json!(names))).unwrap_err();
    assert!(misfit.len() < 4_000 && !misfit.contains(['\u{1b}', '\n']), "{misfit:?}");
}

#[test]
fn a_version_that_nobody_has_is_refused_and_an_event_that_nobody_has_is_not() {
    let validator = Validator::new(document()).unwrap();
    let validate = |name: &'static str, topic: &str, version, payload| {
        let mut metadata = Metadata::new(name);
        (metadata.topic, metadata.version) = (topic.to_owned().into(), version);
        validator.validate(&Envelope::new(metadata, payload)).map_err(|misfit: Misfit| misfit.to_string())
    };
    let order = || order(|_| ());
    assert_eq!(validate("OrderPlaced", "orders/placed", 2, order()), Ok(()));
    assert_eq!(
        validate("OrderPlaced", "orders/placed", 3, order()).unwrap_err(),
        "there is no schema of version 3 of OrderPlaced, but of 2"
    );
    assert_eq!(validate("StockCounted", "stock/counted", 1, json!(1)), Ok(()));
    // By its name, if it has no topic; by its topic, if it has no name, or that of another: so it is heard.
    assert!(validate("OrderPlaced", "", 2, json!(1)).is_err());
    assert!(validate("", "orders/placed", 2, json!(1)).is_err());
    assert_eq!(validate("", "orders/placed", 2, order()), Ok(()));
    assert_eq!(
        validate("StockCounted", "orders/placed", 2, order()).unwrap_err(),
        "no schema is of an event StockCounted on its topic: add one, or leave its topic out"
    );
    // On a topic that nobody knows it is known by its name.
    assert!(validate("OrderPlaced", "elsewhere", 2, json!(1)).is_err());
}

#[test]
fn a_schema_that_cannot_be_used_is_an_error_by_name() {
    for (schema, why) in [
        (json!({"type": "text"}), "version 1 of Changed has no usable schema: "),
        (json!({"$ref": "https://example.com/schema.json"}), "version 1 of Changed has no usable schema: "),
        (json!({"pattern": "(?=a)b"}), "version 1 of Changed has no usable schema: "),
        (json!({"pattern": "("}), "version 1 of Changed has no usable schema: "),
        (json!(7), "version 1 of Changed has no usable schema: "),
    ] {
        let error = Validator::new(told(schema.clone())).unwrap_err().to_string();
        assert!(error.starts_with(why), "{schema}: {error}");
        let worker = Worker::new(Memory::queue("q"), &EventBus::default());
        assert!(worker.validate(told(schema)).is_err());
    }
}

#[test]
fn a_pattern_takes_time_in_proportion_to_the_text() {
    let validator = Validator::new(told(json!({"pattern": "^(a+)+$"}))).unwrap();
    let mut metadata = Metadata::new("Changed");
    metadata.topic = "things/changed".into();
    let text = format!("{}!", "a".repeat(100_000));
    let began = std::time::Instant::now();
    assert!(validator.validate(&Envelope::new(metadata, json!(text))).is_err());
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

#[convoke::test]
async fn a_worker_makes_dead_letters_of_what_does_not_fit_and_nobody_hears_it() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let heard = Notes::new();
    let notes = heard.clone();
    let _listener = bus.on_topic("**", move |event: &JsonEvent| notes.add(event["id"].to_string())).unwrap();
    let mut packets = Vec::new();
    for (id, lines) in [(1, json!([])), (2, json!("none")), (3, json!([]))] {
        let payload = order(|order| (order["id"], order["lines"]) = (json!(id), lines));
        packets.push(Wire.write(&Envelope::new(Metadata::of::<OrderPlaced>(), payload)));
    }
    // One that no type of ours reads, of a service that sends what it likes.
    packets.push(Wire.write(&Envelope::new(Metadata::new("Unrelated"), json!({"id": 4}))));
    for stored in queue.publish(&packets).await {
        stored.unwrap();
    }
    let worker = Worker::new(queue.clone(), &bus).validate(document()).unwrap().start().await.unwrap();
    while queue.waiting() + queue.lent() > 0 {
        sleep(ms(10)).await;
    }
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.dead, report.retried), (3, 1, 0));
    let mut heard = heard.take();
    heard.sort_unstable();
    assert_eq!(heard, ["1", "3", "4"]);
    let [letter] = &queue.dead_letters().packets()[..] else { panic!() };
    let record = DeadLetterRecord::of(letter).unwrap();
    assert_eq!((record.reason, record.attempts), (DeadReason::Permanent, 1));
    assert_eq!(
        record.errors,
        [
            "version 2 of OrderPlaced does not fit its schema: /lines is not of type \"array\" (rule /properties/lines/type)"
        ]
    );
}

#[convoke::test]
async fn a_worker_knows_the_versions_of_older_documents_too() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _listener = bus.on_topic("**", |_: &JsonEvent| ()).unwrap();
    let first = Told { name: "OrderPlaced", topic: "orders/placed", ..Told::new(json!({"required": ["number"]})) };
    let registry = Registry::new().with::<OrderPlaced>().unwrap().with_all(Told::document(&[first])).unwrap();
    let mut metadata = Metadata::of::<OrderPlaced>();
    metadata.version = 1;
    for payload in [json!({"number": 7}), json!({"id": 7})] {
        let packet = Wire.write(&Envelope::new(metadata.clone(), payload));
        queue.publish(&[packet]).await.pop().unwrap().unwrap();
    }
    let worker = Worker::new(queue.clone(), &bus).validate(&registry).unwrap().start().await.unwrap();
    while queue.waiting() + queue.lent() > 0 {
        sleep(ms(10)).await;
    }
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.dead), (1, 1));
}

#[convoke::test]
async fn what_fits_in_its_old_version_is_heard_in_the_present_one() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let heard = Notes::new();
    let notes = heard.clone();
    let _listener = bus.on(move |order: &OrderPlaced| notes.add(order.id.to_string())).unwrap();
    let first = Told { name: "OrderPlaced", topic: "orders/placed", ..Told::new(json!({"required": ["number"]})) };
    let registry = Registry::new().with::<OrderPlaced>().unwrap().with_all(Told::document(&[first])).unwrap();
    let mut metadata = Metadata::of::<OrderPlaced>();
    for (version, payload) in [
        (1, json!({"number": 7})),
        (1, json!({"no number": 8})),
        (1, json!({"number": "nine"})),
        (2, order(|order| order["id"] = json!(10))),
    ] {
        metadata.version = version;
        let packet = Wire.write(&Envelope::new(metadata.clone(), payload));
        queue.publish(&[packet]).await.pop().unwrap().unwrap();
    }
    let lifted =
        |payload: Value| order(|order| order["id"] = json!(payload["number"].as_u64().expect("it is no number")));
    let worker = Worker::new(queue.clone(), &bus).validate(&registry).unwrap().upcast("orders/placed", 1, lifted);
    let worker = worker.start().await.unwrap();
    while queue.waiting() + queue.lent() > 0 {
        sleep(ms(10)).await;
    }
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.dead), (2, 2));
    assert_eq!(heard.take(), ["7", "10"]);
    let mut errors = Vec::new();
    for letter in queue.dead_letters().packets() {
        let record = DeadLetterRecord::of(&letter).unwrap();
        assert_eq!(record.reason, DeadReason::Permanent);
        errors.extend(record.errors);
    }
    assert!(errors[0].contains("has no field `number`"), "{errors:?}");
    assert_eq!(errors[1], "the upcaster from version 1 has panicked: it is no number");
    for wrong in [
        Worker::new(Memory::queue("a"), &bus).upcast("OrderPlaced", 0, |payload| payload),
        Worker::new(Memory::queue("a"), &bus).upcast("A", 1, |payload| payload).upcast("A", 1, |payload| payload),
    ] {
        let error = wrong.start().await.unwrap_err().to_string();
        assert!(error.contains("no event has version 0") || error.contains("two upcasters"), "{error}");
    }
}
