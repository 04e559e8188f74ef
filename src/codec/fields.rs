//! The attributes of a CloudEvent that we know, and what they mean.
//!
//! `cloud_event.rs → Fields → Metadata`

use convoke_actors::__private::PublishDate;
use serde_json::Value;

use super::error::CodecError;
use super::mode::is;
use super::percent;
use crate::{Metadata, Name, Secret, TraceContext, Uuid};

/// The attributes of an event that we know.
pub(super) struct Fields(pub(super) Vec<(&'static str, Value)>);

impl Fields {
    /// One that is there: the specification lets `null` stand for what is not.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// Text that has to be text if it is there.
    pub(super) fn optional(&self, name: &'static str) -> Result<Option<String>, CodecError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(CodecError::WrongAttribute { name, wants: "text" }),
        }
    }

    /// Text of ours that counts as missing if it is none.
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    fn uuid(&self, name: &str) -> Option<Uuid> {
        Uuid::try_parse(self.text(name)?).ok()
    }

    /// In binary mode, and behind whoever has passed the event on in it, all values are text.
    fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::String(text)) => !is(text, "false"),
            // What is unclear is hidden.
            Some(_) => true,
        }
    }

    fn version(&self) -> Option<u32> {
        match self.get("eventversion")? {
            Value::Number(number) => number.as_u64()?.try_into().ok(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Minor versions of 1 leave what is there as it is.
    pub(super) fn check_version(&self) -> Result<(), CodecError> {
        match self.get("specversion") {
            None => Err(CodecError::NoEvent),
            Some(Value::String(version)) if version == "1" || version.starts_with("1.") => Ok(()),
            Some(Value::Number(version)) if version.to_string().starts_with("1.") || version.as_u64() == Some(1) => {
                Ok(())
            }
            Some(_) => Err(CodecError::Version),
        }
    }

    pub(super) fn metadata(&self) -> Result<Metadata, CodecError> {
        let source = self.optional("source")?.unwrap_or_default();
        let mut metadata = Metadata::new(self.event()?);
        if let Some(id) = self.optional("id")?.filter(|id| !id.is_empty()) {
            metadata.id = Uuid::try_parse(&id).unwrap_or_else(|_| id_of(&source, &id));
        }
        metadata.publisher = match source.strip_prefix('/') {
            Some(path) => percent::decode(path).into(),
            None => source.as_str().into(),
        };
        metadata.entity = self.text("entityname").unwrap_or_default().to_owned().into();
        metadata.entity_id = self.optional("subject")?.filter(|id| !id.is_empty()).map(Name::from);
        metadata.topic = self.text("topic").unwrap_or_default().to_owned().into();
        metadata.version = self.version().unwrap_or(1);
        if let Some(time) = self.optional("time")? {
            let wants = CodecError::WrongAttribute { name: "time", wants: "a date like 2026-01-02T03:04:05Z" };
            metadata.time = PublishDate::read(&time).ok_or(wants)?;
        }
        if let Some(Ok(trace)) = self.text("traceparent").map(str::parse::<TraceContext>) {
            metadata.trace = trace.with_state(self.text("tracestate").unwrap_or_default());
        }
        metadata.authorization = Secret::from(self.optional("authorization")?.unwrap_or_default());
        metadata.correlation = self.uuid("correlationid").unwrap_or(metadata.id);
        metadata.causation = self.uuid("causationid");
        metadata.contains_personal_data = self.flag("containspersonaldata");
        Ok(metadata)
    }

    fn event(&self) -> Result<Name, CodecError> {
        let name = self.optional("type")?.unwrap_or_default();
        Ok(if self.flag("eventunnamed") { Name::default() } else { name.into() })
    }
}

/// The id of an event whose own is no UUID: the same for the same event, which `source` and `id` name together. It is
/// made by FNV-1a, for whoever wants two of them to be equal could as well send the same id.
fn id_of(source: &str, id: &str) -> Uuid {
    let hash =
        source.bytes().chain([0xff]).chain(id.bytes()).fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        });
    // Version 8: made in a way of one's own.
    Uuid::from_u128(hash & !(0xf << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62)
}
