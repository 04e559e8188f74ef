//! `convoke publish`

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use convoke::codec::{Codec, Wire};
use convoke::look::ServerKind;
use convoke::schema::{Document, EventSchema, Validator};
use convoke::transport::{AnyQueue, Publisher};
use convoke::{Envelope, Metadata, Pattern};
use serde_json::{Value, json};

use crate::commands::{AtQueue, Consent};
use crate::error::{Error, Result, shown, told};
use crate::names::near;
use crate::places::Place;
use crate::running::run;
use crate::terminal::Terminal;
use crate::writing::{Act, Count};

const EXAMPLES: &str = "\
Examples:
  convoke publish sqlite:shop.db#orders OrderPlaced --json '{\"id\":7}'
  convoke publish redis://localhost#orders OrderPlaced --json '{\"id\":7}' --key 7
  convoke publish --context shop OrderPlaced --json - --schema shop.json

The queue has to be there, or `--create` makes it, and a file of SQLite with it.
--json - reads the payload from the standard input. For a machine: `convoke
--json publish …`.";

/// The longest payload that is read from the standard input: no server takes as much.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Publishes an event to a queue
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, override_usage = "convoke publish [OPTIONS] --json <PAYLOAD> [URL] <EVENT>")]
pub(crate) struct Publish {
    /// Where, as sqlite:shop.db#orders; and the name of the event, as OrderPlaced
    #[arg(value_name = "URL EVENT", num_args = 1.., required = true)]
    words: Vec<String>,

    /// The payload, as JSON; - reads it from the standard input
    #[arg(long = "json", value_name = "PAYLOAD", required = true)]
    payload: String,

    /// The topic; that of the schema, or the name of the event, if there is none
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,

    /// The key of its order
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// The document of AsyncAPI that it has to fit
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,

    /// The version of the payload's shape
    #[arg(long = "event-version", value_name = "NUMBER", default_value_t = 1)]
    version: u32,

    /// Says that it contains personal data, as a schema may do too
    #[arg(long)]
    personal: bool,

    /// Makes the queue if it is missing
    #[arg(long)]
    create: bool,

    #[command(flatten)]
    at: AtQueue,

    #[command(flatten)]
    consent: Consent,
}

impl Publish {
    pub(crate) fn run(&self, terminal: &Terminal) -> Result<()> {
        let (place, words) = self.at.split(&self.words)?;
        let name = match words {
            [name] if !name.is_empty() => name,
            [] => return Err(Error::usage("no event is named").hint("name it behind the URL, as OrderPlaced")),
            _ => return Err(Error::usage("one event is named at a time, behind one URL")),
        };
        let queue = place.queue()?;
        check_for_a_topic(&place)?;
        let envelope = self.envelope(name)?;
        let what = json!({
            "event": name, "id": envelope.metadata.id, "key": self.key.is_some(), "topic": envelope.metadata.topic.as_str(),
        });
        let act = Act { command: "publish", what, yes: self.consent.yes, asks: None };
        act.run(terminal, &place, |count| run(async |stop| stop.or(self.publish(&place, &envelope, count)).await))?;
        let id = envelope.metadata.id;
        if terminal.is_json() {
            let topic = envelope.metadata.topic.as_str();
            terminal.document(&json!({ "event": name, "id": id, "queue": queue, "topic": topic }))?;
        } else {
            terminal.print(&format!("Event published: {} {id} to {}\n", shown(name), shown(queue)))?;
        }
        Ok(())
    }

    /// The event, which fits its schema if there is one.
    fn envelope(&self, name: &str) -> Result<Envelope> {
        let payload = self.payload()?;
        let mut metadata = Metadata::new(name.to_owned());
        metadata.version = self.version;
        metadata.contains_personal_data = self.personal;
        let document = self.schema.as_deref().map(|path| Document::load(path).map_err(|error| refused(&error)));
        let document = document.transpose()?;
        if let Some(document) = &document {
            let schema = known(document, name, self.version)?;
            metadata.topic = schema.topic().to_owned().into();
            metadata.contains_personal_data |= schema.contains_personal_data();
        }
        if let Some(topic) = &self.topic {
            metadata.topic = checked(topic)?.to_owned().into();
        } else if document.is_none() {
            // Without one it travels on its name.
            checked(name)?;
        }
        let envelope = Envelope::new(metadata, payload);
        if let Some(document) = document {
            let validator = Validator::new(&document).map_err(|error| refused(&error))?;
            validator.validate(&envelope).map_err(|misfit| refused(&misfit))?;
        }
        Ok(envelope)
    }

    fn payload(&self) -> Result<Value> {
        let text = if self.payload == "-" {
            let mut text = Vec::new();
            let read = io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut text);
            read.map_err(|error| Error::disk("read", Path::new("the standard input"), &error))?;
            text
        } else {
            self.payload.as_bytes().to_vec()
        };
        if text.len() as u64 > MAX_BYTES {
            return Err(Error::usage(format!("the payload has more than {MAX_BYTES} bytes")));
        }
        serde_json::from_slice(&text).map_err(|error| {
            // What the parser quotes may be personal.
            Error::usage(format!("the payload is no JSON from line {}, column {} on", error.line(), error.column()))
                .hint("quote it for the shell: --json '{\"id\": 7}'")
        })
    }

    async fn publish(&self, place: &Place, envelope: &Envelope, count: &Count) -> Result<()> {
        let (who, patience) = (place.to_string(), self.at.patience());
        let queue = match self.create {
            true => patience.of(&who, AnyQueue::at(place.address())).await?,
            false => {
                let found = patience.of(&who, AnyQueue::existing(place.address())).await;
                found.map_err(|error| error.hint("`--create` makes a queue that is missing"))?
            }
        };
        let mut packet = Wire::camel().write(envelope);
        packet.key.clone_from(&self.key);
        let published =
            async { queue.publish(&[packet]).await.into_iter().collect::<std::result::Result<Vec<()>, _>>() };
        patience.of(&who, published).await?;
        count.add(1);
        Ok(())
    }
}

/// Says what to do where the address is that of a topic of SNS.
///
/// # Errors
///
/// If it is.
pub(crate) fn check_for_a_topic(place: &Place) -> Result<()> {
    if place.address().server() != ServerKind::Sns {
        return Ok(());
    }
    let error = Error::refused(format!("{place} is a topic of SNS, and this command publishes to queues"));
    Err(error
        .hint("publish to each queue that subscribes to it, as sqs:#orders")
        .hint("a program publishes to the topic by `Sns::topic` of the feature `sns`; so does `aws sns publish`"))
}

fn refused(error: &dyn std::error::Error) -> Error {
    Error::refused(told(&error.to_string()))
}

/// A topic, and no pattern of topics.
fn checked(topic: &str) -> Result<&str> {
    match Pattern::new(topic) {
        Ok(pattern) if pattern.is_exact() => Ok(topic),
        Ok(_) => Err(Error::usage(format!("`{}` is a pattern: an event has one topic", shown(topic)))),
        Err(error) => Err(Error::usage(told(&error.to_string()))),
    }
}

/// The schema of an event in a document.
fn known<'a>(document: &'a Document, name: &str, version: u32) -> Result<&'a EventSchema> {
    let registry = document.registry();
    if let Some(schema) = registry.get(name, version) {
        return Ok(schema);
    }
    let versions: Vec<String> =
        registry.iter().filter(|schema| schema.name() == name).map(|schema| schema.version().to_string()).collect();
    if !versions.is_empty() {
        return Err(Error::refused(format!("the schema has no version {version} of {}", shown(name)))
            .hint(format!("it has {}: `--event-version`", versions.join(", "))));
    }
    let error = Error::refused(format!("the schema has no event `{}`", shown(name)));
    Err(match near(name, registry.iter().map(EventSchema::name)).as_slice() {
        [] => error,
        near => error.hint(format!(
            "did you mean `{}`?",
            near.iter().map(|name| shown(name)).collect::<Vec<_>>().join("` or `")
        )),
    })
}
