//! The attributes of a CloudEvent that we know, and what they mean.
//!
//! `cloud_event.rs → Fields → Metadata`

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use convoke_actors::__private::{Carrier, PublishDate, derived};
use serde_json::Value;

use super::error::CodecError;
use super::mode::is;
use super::percent;
use crate::{Metadata, Name, Secret, TraceContext, Uuid};

/// The attributes of an event that we know.
pub(super) struct Fields(pub(super) Vec<(&'static str, Value)>);

/// The seconds from 1970 on that are no seconds any more: they would be in the year 5138, and as milliseconds in 1973.
const MILLIS_FROM: f64 = 1e11;

/// When something was, as a date or as the number that a timestamp of AMQP is: of seconds after a server for AMQP 0-9-1 has
/// had it, of milliseconds in AMQP 1.0.
fn time_of(value: &Value) -> Option<SystemTime> {
    let number = match value {
        Value::String(text) => return PublishDate::read(text),
        Value::Number(number) => number.as_f64()?,
        _ => return None,
    };
    let seconds = if number.abs() < MILLIS_FROM { number } else { number / 1e3 };
    // To the microsecond, as far as a double has them. What has no date is none.
    let since = Duration::from_micros((seconds.abs() * 1e6).round() as u64);
    let time = if seconds < 0.0 { UNIX_EPOCH.checked_sub(since)? } else { UNIX_EPOCH.checked_add(since)? };
    (PublishDate::read(&PublishDate(time).to_string()) == Some(time)).then_some(time)
}

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

    /// What something is called. A header may have it as the number that it is.
    fn named(&self, name: &'static str) -> Result<Option<String>, CodecError> {
        let text = match self.get(name) {
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => self.optional(name)?,
        };
        Ok(text.filter(|text| !text.is_empty()))
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

    /// What it means, if it came in this packet.
    pub(super) fn metadata(&self, carrier: Carrier<'_>) -> Result<Metadata, CodecError> {
        let source = self.optional("source")?.unwrap_or_default();
        let mut metadata = Metadata::new(self.event()?);
        let id = self.named("id")?.map(|id| Uuid::try_parse(&id).unwrap_or_else(|_| derived(&source, id.as_bytes())));
        if let Some(id) = id.or_else(|| carrier.event_id(&source)) {
            metadata.id = id;
        }
        metadata.publisher = match source.strip_prefix('/') {
            Some(path) => percent::decode(path).into(),
            None => source.as_str().into(),
        };
        metadata.entity = self.text("entityname").unwrap_or_default().to_owned().into();
        metadata.entity_id = self.named("subject")?.map(Name::from);
        metadata.topic = self.text("topic").unwrap_or_default().to_owned().into();
        metadata.version = self.version().unwrap_or(1);
        if let Some(time) = self.get("time") {
            let wants = CodecError::WrongAttribute { name: "time", wants: "a date like 2026-01-02T03:04:05Z" };
            metadata.time = time_of(time).ok_or(wants)?;
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
