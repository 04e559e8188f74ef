//! A signal, as it stands in the list of a round.
//!
//! `Row → write → RPUSH`, `LRANGE → read → Row`
//!
//! One byte for this form, which is 1; the kind, 2 bytes; when it counts, 8; its token, 16; how long its name is, 4, and the name; whether it
//! has terms, 1, how long they are, 4, and the terms; and the rest is its body. Numbers are big-endian.

use crate::Uuid;
use crate::durable::Row;

const FORM: u8 = 1;

/// What cannot be read is a signal of a kind that nobody knows: who judges its round sets it aside, and no other round waits for it.
const UNKNOWN: i16 = i16::MIN;

pub(super) fn write(row: &Row) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 + row.name.len() + row.body.len());
    bytes.push(FORM);
    bytes.extend_from_slice(&row.kind.to_be_bytes());
    bytes.extend_from_slice(&row.at.to_be_bytes());
    bytes.extend_from_slice(row.token.as_bytes());
    text(&mut bytes, &row.name);
    bytes.append(&mut write_terms(row.terms.as_deref()));
    bytes.extend_from_slice(&row.body);
    bytes
}

/// The terms alone, as `lua/write.lua` puts them in the place of others.
pub(super) fn write_terms(terms: Option<&str>) -> Vec<u8> {
    let mut bytes = vec![u8::from(terms.is_some())];
    text(&mut bytes, terms.unwrap_or_default());
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Reads the signal of this number.
pub(super) fn read(number: i32, bytes: &[u8]) -> Row {
    parse(number, bytes).unwrap_or_else(|| Row {
        number,
        kind: UNKNOWN,
        name: "".into(),
        at: 0,
        token: Uuid::nil(),
        terms: None,
        body: Vec::new(),
    })
}

fn parse(number: i32, bytes: &[u8]) -> Option<Row> {
    let mut rest = bytes;
    let [FORM] = take(&mut rest)? else { return None };
    let kind = i16::from_be_bytes(take(&mut rest)?);
    let at = i64::from_be_bytes(take(&mut rest)?);
    let token = Uuid::from_bytes(take(&mut rest)?);
    let name = take_text(&mut rest)?.into();
    let [has_terms] = take(&mut rest)?;
    let terms = take_text(&mut rest)?;
    let terms = (has_terms == 1).then(|| terms.to_owned());
    Some(Row { number, kind, name, at, token, terms, body: rest.to_vec() })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*first)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = u32::from_be_bytes(take(rest)?);
    let (text, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = behind;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_row_comes_out_as_it_went_in(
            number in 1..i32::MAX, kind: i16, at: i64, token: u128, name: String, terms: Option<String>, body in vec(any::<u8>(), 0..100),
        ) {
            let row = Row { number, kind, name: name.into(), at, token: Uuid::from_u128(token), terms, body };
            let bytes = write(&row);
            prop_assert_eq!(read(number, &bytes), row);
        }

        #[test]
        fn whatever_stands_there_is_a_row(bytes in vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(read(7, &bytes).number, 7);
        }
    }

    #[test]
    fn what_was_cut_is_of_a_kind_that_nobody_knows() {
        let row = Row {
            number: 1,
            kind: 1,
            name: "legal".into(),
            at: 5,
            token: Uuid::nil(),
            terms: Some("2".into()),
            body: Vec::new(),
        };
        let bytes = write(&row);
        for length in 0..bytes.len() {
            assert_eq!(read(1, &bytes[..length]).kind, UNKNOWN, "{length}");
        }
        let mut later = bytes.clone();
        later[0] = 2;
        assert_eq!(read(1, &later).kind, UNKNOWN);
    }
}
