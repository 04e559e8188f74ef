//! An event as JSON, or an error if it has a number that JSON has not.
//!
//! `event → Finite(serializer) → Value`, where `serde_json` alone would write `null`

use std::fmt::Display;

use serde::ser::{self, Serialize, Serializer};
use serde_json::Value;

/// Makes JSON of a value.
///
/// # Errors
///
/// If it has a form that JSON has not. A float that is no number is one, wherever it stands: as `null` it would be another
/// value, or none that its type can read.
pub(crate) fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, serde_json::Error> {
    value.serialize(Finite(serde_json::value::Serializer))
}

/// A serializer, or a part of one, that refuses what is not finite and hands on all else.
struct Finite<S>(S);

/// What stands within another.
struct Within<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Serialize for Within<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Finite(serializer))
    }
}

fn not_finite<E: ser::Error>() -> E {
    E::custom("JSON has no number for NaN and the infinities: make the field an `Option`, or send a text in its place")
}

macro_rules! hand_on {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.0.$method(value)
        })*
    };
}

impl<S: Serializer> Serializer for Finite<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Finite<S::SerializeSeq>;
    type SerializeTuple = Finite<S::SerializeTuple>;
    type SerializeTupleStruct = Finite<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Finite<S::SerializeTupleVariant>;
    type SerializeMap = Finite<S::SerializeMap>;
    type SerializeStruct = Finite<S::SerializeStruct>;
    type SerializeStructVariant = Finite<S::SerializeStructVariant>;

    hand_on! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_unit_struct: &'static str,
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if value.is_finite() { self.0.serialize_f32(value) } else { Err(not_finite()) }
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if value.is_finite() { self.0.serialize_f64(value) } else { Err(not_finite()) }
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Within(value))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit()
    }

    fn serialize_unit_variant(self, name: &'static str, at: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit_variant(name, at, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Within(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        at: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, at, variant, &Within(value))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.0.serialize_seq(len).map(Finite)
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.0.serialize_tuple(len).map(Finite)
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.0.serialize_tuple_struct(name, len).map(Finite)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        at: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.0.serialize_tuple_variant(name, at, variant, len).map(Finite)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.0.serialize_map(len).map(Finite)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.0.serialize_struct(name, len).map(Finite)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        at: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.0.serialize_struct_variant(name, at, variant, len).map(Finite)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// The parts of a sequence have no names, and all are handed on in the same way.
macro_rules! hand_on_each {
    ($($part:ident: $method:ident),* $(,)?) => {
        $(impl<S: ser::$part> ser::$part for Finite<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.0.$method(&Within(value))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        })*
    };
}

hand_on_each! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

impl<S: ser::SerializeMap> ser::SerializeMap for Finite<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(&Within(key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&Within(value))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

/// The fields of a struct have names, and some may be left out.
macro_rules! hand_on_fields {
    ($($part:ident),*) => {
        $(impl<S: ser::$part> ser::$part for Finite<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), S::Error> {
                self.0.serialize_field(key, &Within(value))
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
                self.0.skip_field(key)
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        })*
    };
}

hand_on_fields!(SerializeStruct, SerializeStructVariant);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_json::json;

    use super::*;

    /// Every form that serde knows, with a number in each that can have one.
    #[derive(Serialize)]
    enum Form {
        Unit,
        Newtype(f64),
        Tuple(f32, u8),
        Struct { part: f64, other: Option<f64> },
    }

    #[derive(Serialize)]
    struct Newtype(f32);

    #[derive(Serialize)]
    struct Tuple(u8, f64);

    #[derive(Serialize)]
    struct Forms {
        unit: (),
        form: [Form; 4],
        newtype: Newtype,
        tuple: Tuple,
        map: BTreeMap<&'static str, Vec<f64>>,
        #[serde(flatten)]
        flat: BTreeMap<&'static str, f64>,
        text: char,
        large: (u64, i64),
    }

    fn forms(at: usize, number: f64) -> Forms {
        let number = |place| if place == at { number } else { 0.5 };
        Forms {
            unit: (),
            form: [
                Form::Unit,
                Form::Newtype(number(0)),
                Form::Tuple(number(1) as f32, 7),
                Form::Struct { part: number(2), other: Some(number(3)) },
            ],
            newtype: Newtype(number(4) as f32),
            tuple: Tuple(7, number(5)),
            map: BTreeMap::from([("all", vec![1.0, number(6)])]),
            flat: BTreeMap::from([("flat", number(7))]),
            text: 'é',
            large: (u64::MAX, i64::MIN),
        }
    }

    #[test]
    fn what_is_no_number_is_an_error_wherever_it_stands() {
        for place in 0..8 {
            for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let error = to_value(&forms(place, number)).unwrap_err().to_string();
                assert!(error.starts_with("JSON has no number for NaN and the infinities: "), "{place}: {error}");
            }
        }
        assert!(to_value(&f64::NAN).is_err() && to_value(&[Some(f32::NAN)]).is_err());
    }

    #[test]
    fn all_else_is_what_it_would_be_without() {
        let forms = forms(8, 0.0);
        assert_eq!(to_value(&forms).unwrap(), serde_json::to_value(&forms).unwrap());
        assert_eq!(to_value(&f64::MAX).unwrap(), json!(f64::MAX));
        assert_eq!(to_value(&BTreeMap::from([(7, "a"), (8, "b")])).unwrap(), json!({"7": "a", "8": "b"}));
    }
}
