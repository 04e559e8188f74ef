//! Changes of a type, as a derive makes schemas.

use convoke::Event;
use convoke::schema::{Document, compat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What changes from one module's event to that of the other, and back.
macro_rules! changes {
    ($name:ident: $(#[$old_attribute:meta])* { $($old:tt)* } => $(#[$new_attribute:meta])* { $($new:tt)* },
        $there:expr, $back:expr) => {
        #[test]
        fn $name() {
            mod old {
                #![allow(dead_code, unused_imports, reason = "only what they look like is asked")]
                use std::collections::{BTreeMap, BTreeSet};

                use super::*;
                #[derive(Event, JsonSchema, Serialize, Deserialize)]
                $(#[$old_attribute])*
                pub(super) $($old)*
            }
            mod new {
                #![allow(dead_code, unused_imports, reason = "only what they look like is asked")]
                use std::collections::{BTreeMap, BTreeSet};

                use super::*;
                #[derive(Event, JsonSchema, Serialize, Deserialize)]
                $(#[$new_attribute])*
                pub(super) $($new)*
            }
            let old = Document::builder("s", "1").publishes::<old::E>().build().unwrap();
            let new = Document::builder("s", "2").publishes::<new::E>().build().unwrap();
            assert_eq!(compat(&old, &new).to_string(), $there);
            assert_eq!(compat(&new, &old).to_string(), $back);
        }
    };
}

changes!(an_option_comes: { struct E { a: u8 } } => { struct E { a: u8, b: Option<String> } },
    "E 1 /b: field added (optional): breaks nobody",
    "E 1 /b: field removed (optional): breaks nobody");

changes!(a_field_comes: { struct E { a: u8 } } => { struct E { a: u8, b: String } },
    "E 1 /b: field added (required): breaks writers",
    "E 1 /b: field removed (required): breaks readers");

changes!(a_field_with_a_default_comes: { struct E { a: u8 } } => { struct E { a: u8, #[serde(default)] b: String } },
    "E 1 /b: field added (optional): breaks nobody",
    "E 1 /b: field removed (optional): breaks nobody");

changes!(a_field_comes_where_no_other_is_read:
    #[serde(deny_unknown_fields)] { struct E { a: u8 } } => #[serde(deny_unknown_fields)] { struct E { a: u8, b: Option<u8> } },
    "E 1 /b: field added (optional): breaks readers",
    "E 1 /b: field removed (optional): breaks writers");

changes!(a_field_may_be_missing: { struct E { a: u64 } } => { struct E { a: Option<u64> } },
    "E 1 /a: field optional: breaks readers\nE 1 /a: null allowed: breaks readers",
    "E 1 /a: field required: breaks writers\nE 1 /a: null forbidden: breaks writers");

changes!(an_integer_is_wider: { struct E { a: u8 } } => { struct E { a: u64 } },
    "E 1 /a: bound widened (`maximum` 255 became 18446744073709551615): breaks readers",
    "E 1 /a: bound narrowed (`maximum` 18446744073709551615 became 255): breaks writers");

changes!(an_integer_gets_a_sign: { struct E { a: u32 } } => { struct E { a: i64 } },
    "E 1 /a: bound widened (`minimum` 0 became -9223372036854775808): breaks readers\n\
     E 1 /a: bound widened (`maximum` 4294967295 became 9223372036854775807): breaks readers",
    "E 1 /a: bound narrowed (`minimum` -9223372036854775808 became 0): breaks writers\n\
     E 1 /a: bound narrowed (`maximum` 9223372036854775807 became 4294967295): breaks writers");

changes!(a_float_is_wider: { struct E { a: f32 } } => { struct E { a: f64 } },
    "E 1 /a: format changed (`float` became `double`): breaks readers",
    "E 1 /a: format changed (`double` became `float`): breaks writers");

changes!(a_number_becomes_text: { struct E { a: u8 } } => { struct E { a: String } },
    "E 1 /a: type changed (integer became string): breaks readers and writers",
    "E 1 /a: type changed (string became integer): breaks readers and writers");

changes!(a_text_becomes_an_id: { struct E { a: String } } => { struct E { a: convoke::Uuid } },
    "E 1 /a: format changed (`uuid` came): breaks writers",
    "E 1 /a: format changed (`uuid` is gone): breaks readers");

changes!(a_unit_variant_comes: { enum E { A, B } } => { enum E { A, B, C } },
    "E 1: value added (\"C\"): breaks readers",
    "E 1: value removed (\"C\"): breaks writers");

changes!(a_unit_variant_with_words_comes: { enum E { A } } => { enum E { /** The first. */ A, /** The second. */ B } },
    "E 1: value added (\"B\"): breaks readers",
    "E 1: value removed (\"B\"): breaks writers");

changes!(a_variant_comes: { enum E { A(u8), B } } => { enum E { A(u8), B, C { x: u8 } } },
    "E 1: variant added (`C`): breaks readers",
    "E 1: variant removed (`C`): breaks writers");

changes!(a_field_of_a_variant_comes: { enum E { A { x: u8 }, B } } => { enum E { A { x: u8, y: u8 }, B } },
    "E 1 /A/y: field added (required): breaks writers",
    "E 1 /A/y: field removed (required): breaks readers");

changes!(a_tagged_variant_changes:
    #[serde(tag = "kind")] { enum E { A { x: u8 }, B } } => #[serde(tag = "kind")] { enum E { B, A { x: Option<u8> } } },
    "E 1 [kind=A]/x: field optional: breaks readers\nE 1 [kind=A]/x: null allowed: breaks readers",
    "E 1 [kind=A]/x: field required: breaks writers\nE 1 [kind=A]/x: null forbidden: breaks writers");

changes!(an_adjacent_variant_comes:
    #[serde(tag = "t", content = "c")] { enum E { A(u8) } } => #[serde(tag = "t", content = "c")] { enum E { A(u8), B(String) } },
    "E 1: variant added (`t` \"B\"): breaks readers",
    "E 1: variant removed (`t` \"B\"): breaks writers");

changes!(an_untagged_variant_comes:
    #[serde(untagged)] { enum E { A(u8), B(bool) } } => #[serde(untagged)] { enum E { A(u8), B(bool), C(String) } },
    "E 1: variant added (string): breaks readers",
    "E 1: variant removed (string): breaks writers");

changes!(a_tuple_is_longer: { struct E(u8, String); } => { struct E(u8, String, bool); },
    "E 1: bound narrowed (`minItems` 2 became 3): breaks writers\n\
     E 1: bound widened (`maxItems` 2 became 3): breaks readers\n\
     E 1 /2: null forbidden: breaks writers\n\
     E 1 /2: type narrowed (anything became boolean): breaks writers",
    "E 1: bound widened (`minItems` 3 became 2): breaks readers\n\
     E 1: bound narrowed (`maxItems` 3 became 2): breaks writers\n\
     E 1 /2: null allowed: breaks readers\n\
     E 1 /2: type widened (boolean became anything): breaks readers");

changes!(a_list_becomes_a_set: { struct E { a: Vec<u8> } } => { struct E { a: BTreeSet<u8> } },
    "E 1 /a: bound narrowed (`uniqueItems` false became true): breaks writers",
    "E 1 /a: bound widened (`uniqueItems` true became false): breaks readers");

changes!(the_values_of_a_map_change: { struct E { a: BTreeMap<String, u8> } } => { struct E { a: BTreeMap<String, Option<u8>> } },
    "E 1 /a/*: null allowed: breaks readers",
    "E 1 /a/*: null forbidden: breaks writers");

changes!(a_map_by_numbers_changes: { struct E { a: BTreeMap<u8, u8> } } => { struct E { a: BTreeMap<u8, bool> } },
    "E 1 /a/*: type changed (integer became boolean): breaks readers and writers",
    "E 1 /a/*: type changed (boolean became integer): breaks readers and writers");

changes!(a_type_in_itself_changes: { struct E { a: u8, next: Option<Box<E>> } } => { struct E { a: bool, next: Option<Box<E>> } },
    "E 1 /a: type changed (integer became boolean): breaks readers and writers",
    "E 1 /a: type changed (boolean became integer): breaks readers and writers");

changes!(a_rename_by_serde: { struct E { a: u8 } } => { struct E { #[serde(rename = "b")] a: u8 } },
    "E 1 /a: field renamed (became `b`): breaks readers and writers",
    "E 1 /b: field renamed (became `a`): breaks readers and writers");

changes!(another_case: #[serde(rename_all = "snake_case")] { struct E { id_of_a: u8 } }
    => #[serde(rename_all = "camelCase")] { struct E { id_of_a: u8 } },
    "E 1 /id_of_a: field renamed (became `idOfA`): breaks readers and writers",
    "E 1 /idOfA: field renamed (became `id_of_a`): breaks readers and writers");

changes!(a_default_changes: { struct E { #[serde(default)] a: u8 } } => { struct E { #[serde(default = "five")] a: u8 } },
    "E 1 /a: default changed (0 became 5): breaks nobody",
    "E 1 /a: default changed (5 became 0): breaks nobody");

fn five() -> u8 {
    5
}

#[derive(JsonSchema, Serialize, Deserialize)]
struct Flat {
    x: u8,
}

#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(tag = "by")]
enum Way {
    Card { digits: String },
    Cash,
}

changes!(what_is_flat_is_a_field_of_the_whole: { struct E { a: u8 } } => { struct E { a: u8, #[serde(flatten)] flat: Flat } },
    "E 1 /x: field added (required): breaks writers",
    "E 1 /x: field removed (required): breaks readers");

changes!(a_field_beside_a_flat_enum: { struct E { a: u8, #[serde(flatten)] way: Way } }
    => { struct E { a: u8, b: Option<u8>, #[serde(flatten)] way: Way } },
    "E 1 /b: field added (optional): breaks nobody",
    "E 1 /b: field removed (optional): breaks nobody");

changes!(a_newtype_is_what_is_in_it: { struct E(u8); } => { struct E(u16); },
    "E 1: bound widened (`maximum` 255 became 65535): breaks readers",
    "E 1: bound narrowed (`maximum` 65535 became 255): breaks writers");

changes!(a_unit_struct_gets_a_field: { struct E; } => { struct E { a: Option<u8> } },
    "E 1: null forbidden: breaks writers\nE 1: type widened (nothing became object): breaks readers",
    "E 1: null allowed: breaks readers\nE 1: type narrowed (object became nothing): breaks writers");

changes!(words_change: { struct E { /** One. */ a: u8 } } => #[doc = "An event."] { struct E { /** Two. */ a: u8 } },
    "nothing has changed",
    "nothing has changed");
