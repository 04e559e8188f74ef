use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::time::Duration;

use convoke::{AsReturned, Event, Task, TaskFailed, TaskTerms};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Task, Serialize, Deserialize)]
struct CleanUp {}

#[derive(Event, Serialize, Deserialize)]
struct Registered {
    id: u64,
}

#[derive(Event, Serialize, Deserialize)]
struct NotRegistered {
    id: u64,
}

#[derive(Task, Serialize, Deserialize)]
#[task(name = "register", queue = "people", attempts = 5, first_wait = "250ms", longest_wait = "2h", timeout = "30s")]
#[task(priority = -9, expires = "7d", unique(id, tenant, for = "1h"), per_key(tenant, at_once = 2, rate = "10/1m"))]
#[task(succeeds = Registered, fails = NotRegistered)]
struct RegisterUser {
    id: u64,
    tenant: String,
    note: String,
}

/// What takes the event of a task.
type Told<T> = fn(<T as Task>::Succeeds);
type Untold<T> = fn(<T as Task>::Fails);

#[test]
fn what_is_not_said_is_left_to_the_trait() {
    let task = CleanUp {};
    assert_eq!((CleanUp::NAME, CleanUp::TERMS), ("CleanUp", TaskTerms::new()));
    assert_eq!((task.id(), task.unique_key().unwrap(), task.limit_key()), (None, None, None));
    let (_, _): (Told<CleanUp>, Untold<CleanUp>) = (|_: AsReturned| (), |_: TaskFailed| ());
}

#[test]
fn what_is_said_are_the_terms() {
    let terms = TaskTerms::new()
        .queue("people")
        .attempts(5)
        .waits(Duration::from_millis(250), Duration::from_secs(7_200))
        .timeout(Duration::from_secs(30))
        .priority(-9)
        .expires(Duration::from_secs(604_800))
        .unique_for(Duration::from_secs(3_600))
        .at_once(2)
        .rate(10, Duration::from_secs(60));
    assert_eq!((RegisterUser::NAME, RegisterUser::TERMS), ("register", terms));
    let (_, _): (Told<RegisterUser>, Untold<RegisterUser>) = (|_: Registered| (), |_: NotRegistered| ());
}

#[test]
fn the_fields_that_are_named_are_what_it_is_known_by() {
    let task = |id, tenant: &str, note: &str| RegisterUser { id, tenant: tenant.into(), note: note.into() };
    let one = task(7, "a\"b", "now");
    assert_eq!(one.id(), Some(json!(7)));
    assert_eq!(one.unique_key().unwrap().as_deref(), Some(r#"[7,"a\"b"]"#));
    assert_eq!(one.limit_key().as_deref(), Some("a\"b"));
    assert_eq!(one.unique_key().unwrap(), task(7, "a\"b", "later").unique_key().unwrap(), "a note is not named");
    assert_ne!(one.unique_key().unwrap(), task(8, "a\"b", "now").unique_key().unwrap());
}

/// All of it is its key, whatever order a map has.
#[derive(Task, Serialize, Deserialize)]
#[task(unique(while = "waiting"), id = of)]
struct Report {
    id: u64,
    of: BTreeMap<String, u8>,
    by: HashMap<String, u8>,
}

#[test]
fn a_task_that_is_unique_as_a_whole_is_known_by_its_json() {
    let names: Vec<String> = (0..30).map(|number| format!("name {number}")).collect();
    let map = |names: &[String]| names.iter().map(|name| (name.clone(), 1)).collect();
    let report = |names: &[String]| Report { id: 7, of: BTreeMap::from([("x".into(), 1)]), by: map(names) };
    let backward: Vec<String> = names.iter().rev().cloned().collect();
    let (one, other) =
        (report(&names).unique_key().unwrap().unwrap(), report(&backward).unique_key().unwrap().unwrap());
    assert_eq!(one, other);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&one).unwrap(), serde_json::to_value(report(&names)).unwrap());
    assert_eq!(report(&names).id(), Some(json!({ "x": 1 })));
    assert_eq!(Report::TERMS, TaskTerms::new().unique_while_waiting());
}

#[derive(Task, Serialize, Deserialize)]
#[task(unique(of), per_key(of, at_once = 1))]
enum Work {
    Open { id: u64, of: u32 },
    Close { of: u32, why: String },
}

#[test]
fn an_enum_is_known_by_the_fields_of_its_variant() {
    let (open, close) = (Work::Open { id: 7, of: 1 }, Work::Close { of: 1, why: "late".into() });
    assert_eq!((open.id(), close.id()), (Some(json!(7)), None), "only one of them has an id");
    assert_eq!(open.unique_key().unwrap().as_deref(), Some("[1]"));
    assert_eq!(open.unique_key().unwrap(), close.unique_key().unwrap(), "of both there is one");
    assert_eq!((open.limit_key(), close.limit_key()), (Some("1".into()), Some("1".into())));
}

#[derive(Task, Serialize, Deserialize)]
#[serde(bound = "")]
#[task(unique(of), per_key(of, at_once = 1))]
struct Store<T: Serialize + DeserializeOwned + Display + Send + Sync> {
    id: Vec<T>,
    of: T,
}

#[derive(Task, Serialize, Deserialize)]
#[task(unique(0), id = 1)]
struct Pair(u128, #[serde(with = "as_text")] u64);

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[test]
fn a_task_may_be_generic_and_a_tuple() {
    let task = Store { id: vec![1, 2], of: 3 };
    assert_eq!(Store::<u8>::NAME, "Store");
    assert_eq!((task.id(), task.limit_key()), (Some(json!([1, 2])), Some("3".into())));
    let pair = Pair(u128::MAX, 5);
    assert_eq!(pair.unique_key().unwrap(), Some(format!("[{}]", u128::MAX)));
    assert_eq!(pair.id(), Some(json!(5)), "a field by itself, as its type is written");
}
