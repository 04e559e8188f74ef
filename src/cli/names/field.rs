//! A field of an event or a task: `id:u64`.

use super::field_type::FieldType;
use super::word::Word;
use crate::error::{Error, Result, shown};

/// The most fields of one type.
const MOST: usize = 64;

/// A name and a type, both checked.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: Word,
    pub(crate) kind: FieldType,
}

/// Reads all fields of a type.
pub(crate) fn fields(given: &[String]) -> Result<Vec<Field>> {
    if given.len() > MOST {
        return Err(Error::usage(format!("{} fields, and {MOST} are the most", given.len())));
    }
    let mut fields: Vec<Field> = Vec::new();
    for text in given {
        let field = Field::new(text)?;
        if fields.iter().any(|other| other.name == field.name) {
            return Err(Error::usage(format!("two fields have the name `{}`", field.name)));
        }
        fields.push(field);
    }
    Ok(fields)
}

impl Field {
    fn new(text: &str) -> Result<Self> {
        let Some((name, kind)) = text.split_once(':') else {
            return Err(Error::usage(format!("`{}` is no field", shown(text)))
                .hint("a field is a name and a type: `--field id:u64`, `--field 'items:Vec<String>'`"));
        };
        Ok(Self { name: Word::identifier(name, "a field")?, kind: FieldType::new(kind)? })
    }
}
