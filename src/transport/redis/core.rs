//! What a handle and its clones share: names, settings, the connection for commands.
//!
//! `builder.rs → Core → publish, subscriber.rs, receipt.rs`

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, Value, cmd};
use tokio::sync::watch;

use super::entry;
use super::fault::Fault;
use super::link::{Answer, Link};
use super::script::Script;
use crate::transport::{Abilities, ErrorKind, Packet, TransportError};

/// How long a packet can be held back. The server would keep it longer; a year is a sign of a mistake.
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How many packets go in one pipeline, and after how many bytes it is full.
pub(super) const MAX_PIPELINE: usize = 500;
const MAX_PIPELINE_BYTES: usize = 4 << 20;

/// What the keys of a stream and its group are called.
pub(super) struct Names {
    /// In errors and logs.
    pub(super) name: Arc<str>,
    pub(super) stream: String,
    pub(super) group: String,
    pub(super) dead: String,
    pub(super) due: String,
    pub(super) marks: String,
    pub(super) delayed: String,
}

impl Names {
    pub(super) fn new(stream: String, group: Option<String>, dead: Option<String>) -> Self {
        let name: Arc<str> = match &group {
            Some(group) => format!("redis:{stream}/{group}").into(),
            None => format!("redis:{stream}").into(),
        };
        let group = group.unwrap_or_else(|| stream.clone());
        Self {
            name,
            dead: dead.unwrap_or_else(|| format!("{stream}-dead")),
            due: format!("{stream}:due:{group}"),
            marks: format!("{stream}:marks:{group}"),
            delayed: format!("{stream}:delayed"),
            stream,
            group,
        }
    }
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: Arc<str>,
    pub(super) address: String,
    pub(super) stream: String,
    pub(super) group: String,
    pub(super) dead: String,
    /// When entries of this group come again that are not due after the usual lease.
    pub(super) due: String,
    /// Entries of this group that were heard alone, and of which nobody has said yet how that ended.
    pub(super) marks: String,
    pub(super) delayed: String,
    pub(super) lease: Duration,
    pub(super) deadline: Duration,
    pub(super) create: bool,
    pub(super) keep: bool,
    pub(super) durable: bool,
    pub(super) max_bytes: usize,
    pub(super) link: Arc<Link>,
    /// Says to every subscriber of this handle that something may be due.
    pub(super) woken: watch::Sender<()>,
}

impl Core {
    /// The same of its queue of dead letters, over the same connection. It is created: whoever dies there does so too.
    pub(super) fn of_dead(&self) -> Self {
        let names = Names::new(self.dead.clone(), None, None);
        Self {
            name: names.name,
            address: self.address.clone(),
            stream: names.stream,
            group: names.group,
            dead: names.dead,
            due: names.due,
            marks: names.marks,
            delayed: names.delayed,
            create: true,
            link: self.link.clone(),
            woken: watch::Sender::new(()),
            ..*self
        }
    }

    pub(super) fn abilities(&self) -> Abilities {
        Abilities {
            delay: Some(LONGEST_DELAY),
            retry_after: Some(LONGEST_DELAY),
            // While one of a key is tried again, the server hands out what comes after it.
            order: false,
            takes_in_order: false,
            fan_out: true,
            priority: 0,
            max_bytes: self.max_bytes,
            max_attributes: entry::MAX_ATTRIBUTES,
            max_batch: MAX_PIPELINE,
            durable: self.durable,
            deduplicates: false,
            lease: Some(self.lease),
            dead_letters: true,
            park: false,
        }
    }

    /// The error that a fault of the link is here.
    pub(super) fn fault(&self, fault: Fault) -> TransportError {
        fault.at(&self.name)
    }

    pub(super) fn error(&self, kind: ErrorKind, text: &str) -> TransportError {
        TransportError::new(kind, self.name.clone(), text)
    }

    /// Calls a script of a subscriber: with the keys and arguments that all of them have, and its own.
    pub(super) async fn script(
        &self,
        script: &Script,
        consumer: &str,
        key: Option<&str>,
        add: impl Fn(&mut Cmd),
    ) -> Result<Answer, Fault> {
        let keys = [self.stream.as_str(), &self.due, &self.marks, key.unwrap_or_default()];
        let keys = &keys[..if key.is_some() { 4 } else { 3 }];
        let all = |command: &mut Cmd| {
            command.arg(&self.group).arg(consumer).arg(u8::from(self.keep));
            add(command);
        };
        self.link.script(script, keys, all).await
    }

    /// Looks whether the key is a stream, or nothing yet where we may create it; says whether it is one.
    pub(super) async fn check(&self) -> Result<bool, TransportError> {
        let answer = self.link.command(cmd("TYPE").arg(&self.stream)).await.map_err(|fault| self.fault(fault))?;
        match &answer.value {
            Value::SimpleString(kind) if kind == "stream" => Ok(true),
            Value::SimpleString(kind) if kind == "none" && self.create => Ok(false),
            Value::SimpleString(kind) if kind == "none" => {
                Err(self.error(ErrorKind::Missing, "there is no such stream: create it, or say create_if_missing"))
            }
            _ => Err(self.error(ErrorKind::Refused, "a key of this name is no stream: take another name")),
        }
    }

    /// Whether a setting of the server is this. Managed servers do not let anybody ask, and then it is not known to be.
    pub(super) async fn says(&self, setting: &str, wanted: &[u8]) -> bool {
        let answer = self.link.command(cmd("CONFIG").arg("GET").arg(setting)).await;
        answer.is_ok_and(|answer| match answer.value {
            Value::Array(pair) => matches!(pair.last(), Some(Value::BulkString(value)) if value == wanted),
            _ => false,
        })
    }

    /// Looks whether the group is there, or creates it, so that it gets what was published before too; says whether it did.
    ///
    /// To look comes first: a server that is full lets nobody create what is there already, and a worker has to be able to
    /// start so that what fills it can be drained.
    pub(super) async fn ensure_group(&self) -> Result<bool, TransportError> {
        if self.check().await? {
            // It is an error for a group that is not there.
            let look = self.link.command(cmd("XINFO").arg("CONSUMERS").arg(&self.stream).arg(&self.group)).await;
            match look {
                Ok(_) => return Ok(false),
                // Who may not look may be allowed to create.
                Err(fault) if self.create && !fault.is_temporary() => {}
                Err(fault) => return Err(self.fault(fault)),
            }
        }
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&self.stream).arg(&self.group).arg("0").arg("MKSTREAM");
        match self.link.command(&create).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.exists => Ok(false),
            Err(fault) => Err(self.fault(fault)),
        }
    }

    /// Hands packets to the server, in pipelines.
    pub(super) async fn publish(&self, packets: &[Packet]) -> Vec<Result<(), TransportError>> {
        let abilities = self.abilities();
        let limit = self.link.publish_limit();
        let mut results: Vec<_> = packets.iter().map(|packet| abilities.check(&self.name, packet)).collect();
        let mut good = (0..packets.len()).filter(|at| results[*at].is_ok()).collect::<Vec<_>>().into_iter().peekable();
        while good.peek().is_some() {
            let mut pipeline = ::redis::Pipeline::with_capacity(good.len().min(MAX_PIPELINE));
            let (mut sent, mut bytes) = (Vec::with_capacity(good.len().min(MAX_PIPELINE)), 0);
            while let Some(at) = good.next_if(|_| sent.len() < MAX_PIPELINE && bytes < MAX_PIPELINE_BYTES) {
                let Some(packet) = packets.get(at) else { continue };
                bytes += packet.body.len();
                sent.push(at);
                pipeline.add_command(self.add(packet));
            }
            let answers = match self.link.pipeline(&pipeline, limit).await {
                Ok(Answer { value: Value::Array(answers), .. }) if answers.len() == sent.len() => {
                    answers.into_iter().map(|answer| self.added(answer)).collect()
                }
                Ok(_) => vec![Err(self.error(ErrorKind::Protocol, "the server's answer makes no sense")); sent.len()],
                Err(fault) => vec![Err(self.fault(fault)); sent.len()],
            };
            for (at, answer) in sent.into_iter().zip(answers) {
                if let Some(result) = results.get_mut(at) {
                    *result = answer;
                }
            }
        }
        results
    }

    /// The command that adds a packet.
    fn add(&self, packet: &Packet) -> Cmd {
        let (arguments, bytes) = entry::room(packet);
        let mut command = Cmd::with_capacity(arguments + 8, bytes + self.stream.len() + 16);
        if packet.delay.is_zero() {
            command.arg("XADD").arg(&self.stream);
            if !self.create {
                command.arg("NOMKSTREAM");
            }
            command.arg("*");
        } else {
            let wait = millis(packet.delay.min(LONGEST_DELAY));
            command.arg("EVAL").arg(super::script::DELAY).arg(2).arg(&self.delayed).arg(&self.stream);
            // The token stays the same if it is sent once more, so that it is kept once.
            command.arg(wait).arg(u8::from(self.create)).arg(fastrand::u128(..).to_string());
        }
        entry::write(packet, &mut command);
        command
    }

    fn added(&self, answer: Value) -> Result<(), TransportError> {
        match answer {
            Value::Nil => {
                Err(self.error(ErrorKind::Missing, "there is no such stream: create it, or say create_if_missing"))
            }
            Value::ServerError(error) => Err(self.fault(Fault::of_server(&error))),
            _ => Ok(()),
        }
    }
}

/// Whole milliseconds, rounded up: nothing comes early.
pub(super) fn millis(time: Duration) -> u64 {
    time.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}
