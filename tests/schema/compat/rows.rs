//! The rows of the table: what was, what is, whom that breaks, and values that show it.

use convoke::schema::Breaks;
use convoke::schema::Breaks::{Both, None as Nobody, Readers, Unknown, Writers};
use convoke::schema::What::{self, *};
use serde_json::{Value, json};

/// One change. A name with `*` has no value that shows whom it breaks, and the line above says why.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) old: Value,
    pub(super) new: Value,
    pub(super) breaks: Breaks,
    pub(super) what: Vec<(&'static str, What)>,
    /// A value that only the new schema allows: readers of the old one cannot read it.
    pub(super) only_new: Option<Value>,
    /// A value that only the old one allows.
    pub(super) only_old: Option<Value>,
    /// Values that both allow.
    pub(super) both: Vec<Value>,
}

/// What only one side allows: the old one before `|`, the new one behind it.
macro_rules! rows {
    ($($name:literal: $old:tt => $new:tt, $breaks:ident [$($path:literal $what:ident),*]
        $(old $only_old:tt)? $(new $only_new:tt)? $(both [$($both:tt)+])?;)+) => {
        vec![$(Row {
            name: $name,
            old: json!($old),
            new: json!($new),
            breaks: $breaks,
            what: vec![$(($path, $what)),*],
            only_new: [$(json!($only_new))?].into_iter().next(),
            only_old: [$(json!($only_old))?].into_iter().next(),
            both: vec![$($(json!($both)),+)?],
        }),+]
    };
}

pub(super) fn rows() -> Vec<Row> {
    [fields(), values(), bounds(), inside(), variants(), strange()].into_iter().flatten().collect()
}

fn fields() -> Vec<Row> {
    rows! {
        "optional field added": {"properties": {"a": {"type": "integer"}}}
            => {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}},
            Nobody ["/b" FieldAdded] both [{"a": 1}];
        "required field added": {"properties": {"a": {"type": "integer"}}}
            => {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["b"]},
            Writers ["/b" FieldAdded] old {"a": 1} both [{"a": 1, "b": "x"}];
        "optional field added, old closed": {"type": "object", "properties": {}, "additionalProperties": false}
            => {"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": false},
            Readers ["/b" FieldAdded] new {"b": "x"} both [{}];
        "required field added, old closed": {"type": "object", "properties": {}, "additionalProperties": false}
            => {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"], "additionalProperties": false},
            Both ["/b" FieldAdded] old {} new {"b": "x"};
        "optional field removed": {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}
            => {"properties": {"a": {"type": "integer"}}},
            Nobody ["/b" FieldRemoved] both [{"a": 1, "b": "x"} {"a": 1}];
        "required field removed": {"properties": {"b": {"type": "string"}}, "required": ["b"]} => {"properties": {}},
            Readers ["/b" FieldRemoved] new {} both [{"b": "x"}];
        "required field renamed": {"properties": {"a": {"type": "integer"}}, "required": ["a"]}
            => {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
            Both ["/a" FieldRenamed] old {"a": 1} new {"b": 1};
        // Both read it, and neither finds the value of the other.
        "optional field renamed *": {"properties": {"a": {"type": "integer"}}} => {"properties": {"b": {"type": "integer"}}},
            Both ["/a" FieldRenamed] both [{"a": 1} {"b": 1}];
        "field renamed and retyped": {"properties": {"a": {"type": "integer"}}, "required": ["a"]}
            => {"properties": {"b": {"type": "string"}}, "required": ["b"]},
            Both ["/a" FieldRemoved, "/b" FieldAdded] old {"a": 1} new {"b": "x"};
        "field becomes required": {"properties": {"a": {"type": "integer"}}}
            => {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
            Writers ["/a" FieldRequired] old {} both [{"a": 1}];
        "required without a schema": {"type": "object"} => {"type": "object", "required": ["a"]},
            Writers ["/a" FieldAdded] old {} both [{"a": 1}];
        "other fields forbidden": {"type": "object", "properties": {"a": {}}}
            => {"type": "object", "properties": {"a": {}}, "additionalProperties": false},
            Writers ["" FieldsClosed] old {"b": 1} both [{"a": 1}];
        "default changed": {"properties": {"a": {"type": "integer", "default": 1}}}
            => {"properties": {"a": {"type": "integer", "default": 2}}}, Nobody ["/a" DefaultChanged] both [{}];
        "words changed": {"title": "one", "description": "the first"} => {"title": "two", "x-note": 2, "examples": [1]},
            Nobody [] both [1];
        "field with a slash": {"properties": {"a/b~c": {"type": "integer"}}} => {"properties": {"a/b~c": {"type": "string"}}},
            Both ["/a~1b~0c" TypeChanged] old {"a/b~c": 1} new {"a/b~c": "x"};
        "number of fields bounded": {"type": "object"} => {"type": "object", "minProperties": 1, "maxProperties": 2},
            Writers ["" BoundNarrowed, "" BoundNarrowed] old {} both [{"a": 1}];
    }
}

fn values() -> Vec<Row> {
    rows! {
        "integer becomes number": {"type": "integer"} => {"type": "number"}, Readers ["" TypeWidened] new 1.5 both [1];
        "integer becomes string": {"type": "integer"} => {"type": "string"}, Both ["" TypeChanged] old 1 new "x";
        "one more type": {"type": "string"} => {"type": ["string", "boolean"]}, Readers ["" TypeWidened] new true both ["x"];
        "any type becomes one": {} => {"type": "object"}, Writers ["" NullForbidden, "" TypeNarrowed] old 1 both [{}];
        "array becomes object": {"type": "array"} => {"type": "object"}, Both ["" TypeChanged] old [] new {};
        "nullable by type": {"type": "string"} => {"type": ["string", "null"]}, Readers ["" NullAllowed] new null both ["x"];
        "nullable by anyOf": {"type": "string"} => {"anyOf": [{"type": "string"}, {"type": "null"}]},
            Readers ["" NullAllowed] new null both ["x"];
        "nullable by oneOf": {"type": "string"} => {"oneOf": [{"type": "null"}, {"type": "string"}]},
            Readers ["" NullAllowed] new null both ["x"];
        "nullable said otherwise": {"type": ["string", "null"]} => {"anyOf": [{"type": "string"}, {"type": "null"}]},
            Nobody [] both [null "x"];
        "nullable by enum": {"enum": ["a"]} => {"enum": ["a", null]}, Readers ["" NullAllowed] new null both ["a"];
        "nullable reference": {"$ref": "#/definitions/A", "definitions": {"A": {"type": "object"}}}
            => {"anyOf": [{"$ref": "#/definitions/A"}, {"type": "null"}], "definitions": {"A": {"type": "object"}}},
            Readers ["" NullAllowed] new null both [{}];
        "value of an enum added": {"type": "string", "enum": ["a", "b"]} => {"type": "string", "enum": ["a", "b", "c"]},
            Readers ["" ValueAdded] new "c" both ["a"];
        "value of an enum replaced": {"enum": ["a", "b"]} => {"enum": ["a", "c"]},
            Both ["" ValueAdded, "" ValueRemoved] old "b" new "c" both ["a"];
        "value of an enum of another type": {"enum": ["a", "b"]} => {"enum": ["a", 1]},
            Both ["" ValueAdded, "" ValueRemoved] old "b" new 1;
        "enum in another order": {"enum": ["a", "b"]} => {"enum": ["b", "a"]}, Nobody [] both ["a" "b"];
        "enum said by const": {"enum": ["a", "b"]} => {"oneOf": [{"const": "a"}, {"const": "b"}]}, Nobody [] both ["a"];
        "const changed": {"const": 1} => {"const": 2}, Both ["" ValueAdded, "" ValueRemoved] old 1 new 2;
        "enum becomes any text": {"enum": ["a", "b"]} => {"type": "string"}, Readers ["" TypeWidened] new "x" both ["a"];
        "enum becomes short text": {"enum": ["a", "long"]} => {"type": "string", "maxLength": 2},
            Both ["" TypeChanged] old "long" new "x" both ["a"];
        "enum becomes numbers": {"enum": ["a"]} => {"type": "integer"}, Both ["" TypeChanged] old "a" new 1;
        "enum beside another type": {"allOf": [{"enum": ["a"]}, {"type": "boolean"}]} => {"enum": ["a"]},
            Readers ["" ValueAdded] new "a";
        "enum beside a bound": {"enum": ["a", "long"], "maxLength": 1} => {"enum": ["a", "long"]},
            Readers ["" ValueAdded] new "long" both ["a"];
        "nothing becomes something": false => {"type": "string"}, Readers ["" TypeWidened] new "x";
    }
}

fn bounds() -> Vec<Row> {
    rows! {
        "maximum came": {"type": "integer"} => {"type": "integer", "maximum": 10}, Writers ["" BoundNarrowed] old 11 both [10];
        "minimum lowered": {"type": "number", "minimum": 1} => {"type": "number", "minimum": 0.5},
            Readers ["" BoundWidened] new 0.5 both [1];
        "minimum exclusive": {"type": "number", "minimum": 1} => {"type": "number", "exclusiveMinimum": 1},
            Writers ["" BoundNarrowed] old 1 both [1.5];
        "the same bound said otherwise": {"type": "integer", "minimum": 1} => {"type": "integer", "exclusiveMinimum": 0},
            Nobody [] both [1];
        "bounds moved": {"type": "integer", "minimum": 0, "maximum": 9} => {"type": "integer", "minimum": 1, "maximum": 10},
            Both ["" BoundNarrowed, "" BoundWidened] old 0 new 10 both [5];
        "uint8 becomes uint32": {"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255}
            => {"type": "integer", "format": "uint32", "minimum": 0}, Readers ["" BoundWidened] new 256 both [255];
        // No validator looks at these formats; who reads them does.
        "int32 becomes int64 *": {"type": "integer", "format": "int32"} => {"type": "integer", "format": "int64"},
            Readers ["" BoundWidened, "" BoundWidened] both [1];
        "uint64 becomes int64 *": {"type": "integer", "format": "uint64", "minimum": 0} => {"type": "integer", "format": "int64"},
            Both ["" BoundWidened, "" BoundNarrowed] new (-1) both [1];
        "int64 becomes double": {"type": "integer", "format": "int64"} => {"type": "number", "format": "double"},
            Readers ["" TypeWidened] new 1.5 both [1];
        // A float has no other form in JSON than a double.
        "float becomes double *": {"type": "number", "format": "float"} => {"type": "number", "format": "double"},
            Readers ["" FormatChanged] both [1.5];
        "multiple of less": {"type": "integer", "multipleOf": 4} => {"type": "integer", "multipleOf": 2},
            Readers ["" BoundWidened] new 2 both [4];
        "multiple of another": {"type": "integer", "multipleOf": 4} => {"type": "integer", "multipleOf": 6},
            Both ["" BoundNarrowed] old 4 new 6 both [12];
        "longer text": {"type": "string", "maxLength": 2} => {"type": "string", "maxLength": 3},
            Readers ["" BoundWidened] new "abc" both ["ab"];
        "no empty text": {"type": "string"} => {"type": "string", "minLength": 1}, Writers ["" BoundNarrowed] old "" both ["a"];
        "format came": {"type": "string"} => {"type": "string", "format": "uuid"},
            Writers ["" FormatChanged] old "x" both ["00000000-0000-0000-0000-000000000000"];
        "format changed": {"type": "string", "format": "date"} => {"type": "string", "format": "date-time"},
            Both ["" FormatChanged] old "2026-01-02" new "2026-01-02T03:04:05Z";
        "pattern came": {"type": "string"} => {"type": "string", "pattern": "^a"}, Writers ["" PatternChanged] old "b" both ["a"];
        "pattern changed": {"type": "string", "pattern": "^a"} => {"type": "string", "pattern": "^[ab]"},
            Unknown ["" PatternChanged] new "b" both ["a"];
        "fewer items": {"type": "array", "maxItems": 3} => {"type": "array", "maxItems": 2},
            Writers ["" BoundNarrowed] old [1, 2, 3] both [[1]];
        "one item at least": {"type": "array"} => {"type": "array", "minItems": 1}, Writers ["" BoundNarrowed] old [] both [[1]];
        "items unique": {"type": "array"} => {"type": "array", "uniqueItems": true}, Writers ["" BoundNarrowed] old [1, 1] both [[1]];
    }
}

fn inside() -> Vec<Row> {
    rows! {
        "nested field": {"properties": {"a": {"properties": {"b": {"type": "integer"}}}}}
            => {"properties": {"a": {"properties": {"b": {"type": "string"}}}}},
            Both ["/a/b" TypeChanged] old {"a": {"b": 1}} new {"a": {"b": "x"}} both [{"a": {}}];
        "items": {"type": "array", "items": {"type": "integer"}} => {"type": "array", "items": {"type": "number"}},
            Readers ["/*" TypeWidened] new [1.5] both [[1]];
        "field of an item": {"items": {"properties": {"a": {"type": "integer"}}}}
            => {"items": {"properties": {"a": {"type": "integer"}}, "required": ["a"]}},
            Writers ["/*/a" FieldRequired] old [{}] both [[{"a": 1}]];
        "item of a tuple": {"items": [{"type": "integer"}, {"type": "string"}]} => {"items": [{"type": "integer"}, {"type": "boolean"}]},
            Both ["/1" TypeChanged] old [1, "x"] new [1, true] both [[1]];
        "tuple is longer": {"items": [{"type": "integer"}], "minItems": 1, "maxItems": 1}
            => {"items": [{"type": "integer"}, {"type": "integer"}], "minItems": 2, "maxItems": 2},
            Both ["" BoundNarrowed, "" BoundWidened, "/1" NullForbidden, "/1" TypeNarrowed] old [1] new [1, 2];
        "value of a map": {"type": "object", "additionalProperties": {"type": "integer"}}
            => {"type": "object", "additionalProperties": {"type": "string"}},
            Both ["/*" TypeChanged] old {"a": 1} new {"a": "x"} both [{}];
        "map becomes open": {"type": "object", "additionalProperties": {"type": "integer"}}
            => {"type": "object", "additionalProperties": {"type": ["integer", "null"]}},
            Readers ["/*" NullAllowed] new {"a": null} both [{"a": 1}];
        "map gets a field": {"type": "object", "additionalProperties": {"type": "integer"}}
            => {"type": "object", "properties": {"a": {"type": "number"}}, "additionalProperties": {"type": "integer"}},
            Readers ["/a" FieldAdded, "/a" TypeWidened] new {"a": 1.5} both [{"a": 1}];
        "map by numbers": {"patternProperties": {"^\\d+$": {"type": "integer"}}} => {"patternProperties": {"^\\d+$": {"type": "number"}}},
            Readers ["/*" TypeWidened] new {"1": 1.5} both [{"1": 1}];
        "in a definition": {"properties": {"a": {"$ref": "#/definitions/A"}}, "definitions": {"A": {"type": "integer"}}}
            => {"properties": {"a": {"$ref": "#/definitions/A"}}, "definitions": {"A": {"type": "string"}}},
            Both ["/a" TypeChanged] old {"a": 1} new {"a": "x"} both [{}];
        "definition put in place": {"properties": {"a": {"$ref": "#/definitions/A"}}, "definitions": {"A": {"type": "integer"}}}
            => {"properties": {"a": {"type": "integer"}}}, Nobody [] both [{"a": 1}];
        "definition renamed": {"properties": {"a": {"$ref": "#/definitions/A"}}, "definitions": {"A": {"type": "integer"}}}
            => {"properties": {"a": {"$ref": "#/definitions/B"}}, "definitions": {"B": {"type": "integer"}}},
            Nobody [] both [{"a": 1}];
        "by allOf": {"properties": {"a": {"type": "integer"}}}
            => {"allOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {"type": "integer"}}, "required": ["b"]}]},
            Writers ["/b" FieldAdded] old {} both [{"b": 1}];
        "in itself": {"properties": {"next": {"$ref": "#"}, "a": {"type": "integer"}}}
            => {"properties": {"next": {"$ref": "#"}, "a": {"type": "string"}}},
            Both ["/a" TypeChanged] old {"next": {"a": 1}} new {"a": "x"} both [{"next": {}}];
    }
}

fn variants() -> Vec<Row> {
    rows! {
        "tagged variant added": {"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]}]}
            => {"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]},
                {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}]},
            Readers ["" VariantAdded] new {"kind": "b"} both [{"kind": "a"}];
        "field of a tagged variant": {"oneOf": [
                {"type": "object", "properties": {"kind": {"const": "a"}, "n": {"type": "integer"}}, "required": ["kind"]},
                {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}]}
            => {"oneOf": [{"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]},
                {"type": "object", "properties": {"kind": {"const": "a"}, "n": {"type": "integer"}}, "required": ["kind", "n"]}]},
            Writers ["[kind=a]/n" FieldRequired] old {"kind": "a"} both [{"kind": "b"} {"kind": "a", "n": 1}];
        "named variant added": {"oneOf": [{"type": "object", "properties": {"A": {"type": "integer"}}, "required": ["A"], "additionalProperties": false}]}
            => {"oneOf": [{"type": "object", "properties": {"A": {"type": "integer"}}, "required": ["A"], "additionalProperties": false},
                {"type": "object", "properties": {"B": {"type": "integer"}}, "required": ["B"], "additionalProperties": false}]},
            Readers ["" VariantAdded] new {"B": 1} both [{"A": 1}];
        "inside a named variant": {"oneOf": [{"enum": ["Z"]},
                {"type": "object", "properties": {"A": {"type": "integer"}}, "required": ["A"], "additionalProperties": false}]}
            => {"oneOf": [{"enum": ["Z"]},
                {"type": "object", "properties": {"A": {"type": "number"}}, "required": ["A"], "additionalProperties": false}]},
            Readers ["/A" TypeWidened] new {"A": 1.5} both [{"A": 1} "Z"];
        "unit variant added": {"oneOf": [{"enum": ["Z"]},
                {"type": "object", "properties": {"A": {}}, "required": ["A"], "additionalProperties": false}]}
            => {"oneOf": [{"enum": ["Y", "Z"]},
                {"type": "object", "properties": {"A": {}}, "required": ["A"], "additionalProperties": false}]},
            Readers ["" ValueAdded] new "Y" both ["Z"];
        "unit variant gets a field": {"enum": ["A", "B"]}
            => {"oneOf": [{"enum": ["A"]}, {"type": "object", "properties": {"B": {}}, "required": ["B"], "additionalProperties": false}]},
            Both ["" ValueRemoved, "" VariantAdded] old "B" new {"B": 1} both ["A"];
        "untagged type added": {"type": "string"} => {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            Readers ["" VariantAdded] new 1 both ["x"];
        "untagged type widened": {"anyOf": [{"type": "string"}, {"type": "integer"}]} => {"anyOf": [{"type": "string"}, {"type": "number"}]},
            Readers ["" TypeWidened] new 1.5 both ["x" 1];
        "untagged struct changed": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"a": {"type": "integer"}}}]}
            => {"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "string"}]},
            Both ["/a" TypeChanged] old {"a": 1} new {"a": "x"} both ["x"];
        "variants in another order": {"anyOf": [{"type": "string"}, {"type": "integer"}]} => {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            Nobody [] both [1 "x"];
        "tag renamed": {"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]}]}
            => {"oneOf": [{"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}]},
            Both ["/kind" ValueAdded, "/kind" ValueRemoved] old {"kind": "a"} new {"kind": "b"};
    }
}

fn strange() -> Vec<Row> {
    rows! {
        "not came": {} => {"not": {"type": "integer"}}, Unknown ["" NotUnderstood] old 1 both ["x"];
        "the same not": {"not": {"const": 3}, "type": "integer"} => {"not": {"const": 3}, "type": "number"},
            Readers ["" TypeWidened] new 1.5 both [1];
        "if changed": {"if": {"type": "integer"}, "then": {"minimum": 1}} => {"if": {"type": "integer"}, "then": {"minimum": 2}},
            Unknown ["" NotUnderstood] old 1 both [2];
        "names of fields bounded": {"type": "object"} => {"type": "object", "propertyNames": {"maxLength": 1}},
            Unknown ["" NotUnderstood] old {"ab": 1} both [{"a": 1}];
        "other patterns of names": {"patternProperties": {"^a": {"type": "integer"}}} => {"patternProperties": {"^b": {"type": "integer"}}},
            Unknown ["" NotUnderstood] old {"b": "x"} new {"a": "x"} both [{}];
        "untagged variant in oneOf": {"oneOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}]}
            => {"oneOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}]},
            Unknown ["" NotUnderstood] old {"a": 1, "b": 1} new {"b": 1} both [{"a": 1}];
        "a value that fits twice": {"oneOf": [{"enum": ["a"]}, {"type": "string"}]} => {"oneOf": [{"enum": ["a", "b"]}, {"type": "string"}]},
            Unknown ["" NotUnderstood] old "b" both ["c"];
        "values in variants that fit twice": {"enum": ["a", "z"]}
            => {"anyOf": [{"oneOf": [{"enum": ["a", "z"]}, {"enum": ["a", "x"]}]}, {"type": "object", "required": ["k"]}]},
            Both ["" ValueRemoved, "" ValueRemoved, "" VariantAdded, "" VariantAdded] old "a" new "x" both ["z"];
        "null that is taken back": {"anyOf": [{"type": "object"}, {"type": "null"}]}
            => {"anyOf": [{"type": "object"}, {"allOf": [{"type": ["null"]}, {"type": "number"}]}]},
            Writers ["" NullForbidden] old null both [{}];
        "a format of a number": {"type": "integer", "format": "percent"} => {"type": "integer", "format": "permille"},
            Unknown ["" FormatChanged] both [1];
    }
}
