//! Numbers: their bounds, of which the width of an integer is one.
//!
//! `{"type": "integer", "format": "uint8"} → 0 to 255`

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use super::change::{Breaks, What};
use super::compare::Comparison;
use super::shape::{Shape, Types};

/// A number that is exact as long as it is whole.
#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(i128),
    Other(f64),
}

impl Number {
    fn read(value: &Value) -> Option<Self> {
        let whole = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
        match (whole, value.as_f64()?) {
            (Some(whole), _) => Some(Self::Whole(whole)),
            // As in `10.0`, and small enough to be exact.
            (None, other) if other.fract() == 0.0 && other.abs() < 9e15 => Some(Self::Whole(other as i128)),
            (None, other) => Some(Self::Other(other)),
        }
    }

    fn order(self, other: Self) -> Ordering {
        let float = |number| match number {
            Self::Whole(whole) => whole as f64,
            Self::Other(other) => other,
        };
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(&other),
            (one, other) => float(one).total_cmp(&float(other)),
        }
    }
}

/// A bound, which is not allowed itself if it is exclusive.
#[derive(Clone, Copy, Debug)]
struct Bound {
    number: Number,
    exclusive: bool,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Number::Whole(whole) => whole.fmt(f)?,
            Number::Other(other) => other.fmt(f)?,
        }
        f.write_str(if self.exclusive { " (exclusive)" } else { "" })
    }
}

/// Shows a bound, if there is one.
struct Told(Option<Bound>);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bound) => bound.fmt(f),
            None => f.write_str("none"),
        }
    }
}

/// Compares what is said of numbers.
pub(super) fn numbers(to: &mut Comparison<'_>, path: &str, old: &Shape, new: &Shape) {
    let is_whole = |shape: &Shape| !shape.types.has(Types::NUMBER);
    // The width of an integer says nothing of a number with a fraction.
    let implied = is_whole(old) == is_whole(new);
    let order = |sign: i32, side: Side| {
        let (one, other) = (bound(old, side, is_whole(old), implied), bound(new, side, is_whole(new), implied));
        let order = match (one, other) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            // Which one allows less: the higher of two lower bounds, and of the same number the exclusive one.
            (Some(one), Some(other)) => {
                let order = one.number.order(other.number);
                let order = if sign > 0 { order } else { order.reverse() };
                order.then(one.exclusive.cmp(&other.exclusive))
            }
        };
        (one, other, order)
    };
    for (sign, side) in [(1, LOWER), (-1, UPPER)] {
        let (one, other, order) = order(sign, side);
        to.bound(path, side.0, order.is_gt(), order.is_lt(), (Told(one), Told(other)));
    }
    multiples(to, path, old, new);
    formats(to, path, old, new);
}

/// The keyword of a bound, and of the same if it is exclusive.
type Side = (&'static str, &'static str);

const LOWER: Side = ("minimum", "exclusiveMinimum");
const UPPER: Side = ("maximum", "exclusiveMaximum");

fn bound(shape: &Shape, side: Side, is_whole: bool, implied: bool) -> Option<Bound> {
    let is_lower = side == LOWER;
    let said = |keyword: &str, exclusive| {
        let number = Number::read(shape.keywords.get(keyword)?)?;
        Some(match number {
            // Above 0 and an integer is 1.
            Number::Whole(whole) if exclusive && is_whole => {
                let step = if is_lower { 1 } else { -1 };
                Bound { number: Number::Whole(whole.saturating_add(step)), exclusive: false }
            }
            number => Bound { number, exclusive },
        })
    };
    let width = if implied && is_whole { width(shape, is_lower) } else { None };
    let width = width.map(|number| Bound { number, exclusive: false });
    // All of them hold.
    [said(side.0, false), said(side.1, true), width].into_iter().flatten().reduce(|one, other| {
        let order = one.number.order(other.number);
        let order = if is_lower { order } else { order.reverse() };
        if order.then(one.exclusive.cmp(&other.exclusive)).is_ge() { one } else { other }
    })
}

/// What an integer of this format holds at the least or at the most.
fn width(shape: &Shape, is_lower: bool) -> Option<Number> {
    let format = shape.keywords.get("format")?.as_str()?;
    let (signed, bits) = match format.strip_prefix("uint") {
        Some(bits) => (false, bits),
        None => (true, format.strip_prefix("int")?),
    };
    // An address has 64 bits or fewer.
    let bits: u32 = if bits.is_empty() { 64 } else { bits.parse().ok()? };
    Some(match (signed, is_lower, bits) {
        (false, true, 8 | 16 | 32 | 64 | 128) => Number::Whole(0),
        (false, false, 8 | 16 | 32 | 64) => Number::Whole((1 << bits) - 1),
        (false, false, 128) => Number::Other(u128::MAX as f64),
        (true, true, 8 | 16 | 32 | 64) => Number::Whole(-(1 << (bits - 1))),
        (true, false, 8 | 16 | 32 | 64) => Number::Whole((1 << (bits - 1)) - 1),
        (true, true, 128) => Number::Whole(i128::MIN),
        (true, false, 128) => Number::Whole(i128::MAX),
        _ => return None,
    })
}

fn multiples(to: &mut Comparison<'_>, path: &str, old: &Shape, new: &Shape) {
    let step = |shape: &Shape| shape.keywords.get("multipleOf").and_then(Value::as_f64);
    let divides = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => other % one == 0.0,
        (one, _) => one.is_none(),
    };
    let (old, new) = (step(old), step(new));
    let (more, less) = (!divides(old, new), !divides(new, old));
    let told = |step: Option<f64>| step.map_or_else(|| "none".to_owned(), |step| step.to_string());
    if more && less {
        to.note(path, What::BoundNarrowed, Breaks::Both, format!("`multipleOf` {} became {}", told(old), told(new)));
    } else {
        to.bound(path, "multipleOf", more, less, (told(old), told(new)));
    }
}

/// What a format says beside the width of an integer.
fn formats(to: &mut Comparison<'_>, path: &str, old: &Shape, new: &Shape) {
    let format = |shape: &Shape| {
        let format = shape.keywords.get("format").and_then(Value::as_str).map(str::to_owned);
        format.filter(|_| width(shape, true).is_none())
    };
    // Of a string it was told already.
    let has_text = |shape: &Shape| shape.types.has(Types::STRING);
    let (one, other) = (format(old), format(new));
    if one == other || has_text(old) && has_text(new) {
        return;
    }
    let told = |format: &Option<String>| format.clone().unwrap_or_else(|| "none".to_owned());
    let breaks = match (one.as_deref(), other.as_deref()) {
        // A float reads what a double has written as another number.
        (Some("float"), Some("double") | None) => Breaks::Readers,
        (Some("double") | None, Some("float")) => Breaks::Writers,
        // A number is a double.
        (Some("double"), None) | (None, Some("double")) => return,
        _ => Breaks::Unknown,
    };
    to.note(path, What::FormatChanged, breaks, format!("`{}` became `{}`", told(&one), told(&other)));
}
