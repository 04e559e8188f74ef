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
    value.serialize(Finite::<_, true>(serde_json::value::Serializer))
}

/// Writes a value as JSON behind what is there: the same value as [`to_value`] makes, though its keys may come in another order.
///
/// # Errors
///
/// Those of [`to_value`], and for a map, which may have a key twice, and for a number of 128 bits.
pub(crate) fn write_value<T: Serialize + ?Sized>(value: &T, to: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    value.serialize(Finite::<_, false>(&mut serde_json::Serializer::new(to)))
}

/// A serializer, or a part of one, that refuses what is not finite and hands on all else: maps and numbers of 128 bits only if it
/// takes `ALL`.
struct Finite<S, const ALL: bool>(S);

/// What stands within another.
struct Within<'a, T: ?Sized, const ALL: bool>(&'a T);

impl<T: Serialize + ?Sized, const ALL: bool> Serialize for Within<'_, T, ALL> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Finite::<_, ALL>(serializer))
    }
}

fn not_all<E: ser::Error>() -> E {
    E::custom("it has to become a `Value` first")
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

impl<S: Serializer, const ALL: bool> Serializer for Finite<S, ALL> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Finite<S::SerializeSeq, ALL>;
    type SerializeTuple = Finite<S::SerializeTuple, ALL>;
    type SerializeTupleStruct = Finite<S::SerializeTupleStruct, ALL>;
    type SerializeTupleVariant = Finite<S::SerializeTupleVariant, ALL>;
    type SerializeMap = Finite<S::SerializeMap, ALL>;
    type SerializeStruct = Finite<S::SerializeStruct, ALL>;
    type SerializeStructVariant = Finite<S::SerializeStructVariant, ALL>;

    hand_on! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_unit_struct: &'static str,
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        // As a `Value` has it.
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if value.is_finite() { self.0.serialize_f64(value) } else { Err(not_finite()) }
    }

    fn serialize_i128(self, value: i128) -> Result<S::Ok, S::Error> {
        if ALL { self.0.serialize_i128(value) } else { Err(not_all()) }
    }

    fn serialize_u128(self, value: u128) -> Result<S::Ok, S::Error> {
        if ALL { self.0.serialize_u128(value) } else { Err(not_all()) }
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Within::<_, ALL>(value))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit()
    }

    fn serialize_unit_variant(self, name: &'static str, at: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit_variant(name, at, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Within::<_, ALL>(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        at: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, at, variant, &Within::<_, ALL>(value))
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
        if ALL { self.0.serialize_map(len).map(Finite) } else { Err(not_all()) }
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
        $(impl<S: ser::$part, const ALL: bool> ser::$part for Finite<S, ALL> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.0.$method(&Within::<_, ALL>(value))
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

impl<S: ser::SerializeMap, const ALL: bool> ser::SerializeMap for Finite<S, ALL> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(&Within::<_, ALL>(key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&Within::<_, ALL>(value))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

/// The fields of a struct have names, and some may be left out.
macro_rules! hand_on_fields {
    ($($part:ident),*) => {
        $(impl<S: ser::$part, const ALL: bool> ser::$part for Finite<S, ALL> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), S::Error> {
                self.0.serialize_field(key, &Within::<_, ALL>(value))
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
    /// All forms but maps.
    #[derive(Serialize)]
    struct Straight {
        zone: &'static str,
        unit: (),
        form: [Form; 4],
        newtype: Newtype,
        tuple: Tuple,
        text: char,
        large: (u64, i64),
        none: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<u8>,
        apart: Vec<Form>,
    }

    fn straight(number: f64) -> Straight {
        let Forms { unit, form, newtype, tuple, text, large, .. } = forms(0, number);
        let apart = vec![Form::Struct { part: 1e300, other: None }, Form::Tuple(0.1, 0)];
        Straight { zone: "a \"z\"\n", unit, form, newtype, tuple, text, large, none: None, skipped: None, apart }
    }

    #[test]
    fn what_is_written_is_the_same_value() {
        let event = straight(0.25);
        let mut written = b"[".to_vec();
        write_value(&event, &mut written).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&written[1..]).unwrap(), to_value(&event).unwrap());
        // A number of 32 bits is the same in both.
        written.clear();
        write_value(&[0.1_f32, f32::MIN_POSITIVE], &mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), to_value(&[0.1_f32, f32::MIN_POSITIVE]).unwrap().to_string());
    }

    #[test]
    fn what_could_be_another_value_is_not_written() {
        let mut to = Vec::new();
        assert!(write_value(&straight(f64::NAN), &mut to).is_err());
        assert!(write_value(&forms(8, 0.0), &mut to).is_err(), "a map may have a key twice");
        assert!(write_value(&[u128::MAX], &mut to).is_err() && write_value(&i128::MIN, &mut to).is_err());
    }
}
