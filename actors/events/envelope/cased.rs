//! An envelope as it is written in one of the cases.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::case::{Case, Keys};
use super::envelope::Envelope;
use super::wire;
use crate::events::event::Metadata;

/// An envelope whose keys are written in this case; its payload stays as it is.
pub(crate) struct Cased<'a>(pub(crate) &'a Envelope, pub(crate) Case);

impl Serialize for Cased<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Written<'a>(&'a Metadata, &'static Keys);

        impl Serialize for Written<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                wire::write(self.0, self.1, serializer)
            }
        }

        let Self(envelope, case) = self;
        let keys = case.keys();
        let mut body = serializer.serialize_struct("Envelope", 2)?;
        body.serialize_field(keys.metadata, &Written(&envelope.metadata, keys))?;
        body.serialize_field(keys.payload, &envelope.payload)?;
        body.end()
    }
}
