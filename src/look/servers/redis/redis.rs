//! What is asked of the server.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ::redis::{Cmd, Value, cmd};

use super::super::{missing, without_letters};
use super::news::News;
use super::reply::{Stream, array, entries, raw, word, workers};
use crate::look::{Hears, Letter, LetterId, Looks, Pile, QueueFigures, WorkerFigures};
use crate::transport::redis::{Fault, Link, Script, WRONG_URL, client, fields_beside, read_entry};
use crate::transport::{Address, BoxFuture, DeadLetterRecord, ErrorKind, TransportError};

const DEADLINE: Duration = Duration::from_secs(5);

/// Who has had a letter lent for longer and has not asked for more time is gone.
const LENT: Duration = Duration::from_secs(60);

/// How many keys are looked at in one step.
const SCANNED: usize = 1_000;

static FIGURES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("figures.lua")));
static WORKERS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("workers.lua")));
static BACK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("back.lua")));

pub(in crate::look::servers) struct RedisLook {
    at: Arc<str>,
    link: Arc<Link>,
}

/// A stream, and the group that was meant.
struct Named {
    stream: String,
    group: Option<String>,
}

impl RedisLook {
    pub(in crate::look::servers) async fn connect(address: &Address) -> Result<Self, TransportError> {
        let at: Arc<str> = "redis".into();
        let wrong = || TransportError::new(ErrorKind::Refused, at.clone(), WRONG_URL);
        let (client, _) = client(address.url()).ok_or_else(wrong)?;
        let link = Arc::new(Link::new(at.clone(), client, DEADLINE, DEADLINE));
        link.command(&cmd("PING")).await.map_err(|fault| fault.at(&address.to_string().into()))?;
        Ok(Self { at, link })
    }

    async fn stream(&self, stream: &str) -> Result<Option<Stream>, TransportError> {
        let keys = [stream, &dead_of(stream), &format!("{stream}:delayed")];
        let answer = self.link.script(&FIGURES, &keys, |_| ()).await.map_err(|fault| fault.at(&self.at))?;
        Ok(Stream::read(answer.value))
    }

    async fn figures(&self) -> Result<Vec<QueueFigures>, TransportError> {
        let mut all = Vec::new();
        for stream in streams(&self.link).await.map_err(|fault| fault.at(&self.at))? {
            // It may be gone meanwhile.
            all.extend(self.stream(&stream).await?.map(|found| found.figures(&stream)).unwrap_or_default());
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(without_letters(all))
    }

    /// Who reads these streams, by their groups.
    async fn readers(&self, queues: &[String]) -> Result<Vec<WorkerFigures>, TransportError> {
        // A stream may have a `/` in its name: the whole is looked for first.
        let whole = queues.iter().map(String::as_str);
        let before = queues.iter().filter_map(|queue| queue.rsplit_once('/').map(|(stream, _)| stream));
        let mut all = Vec::new();
        for stream in whole.chain(before).collect::<BTreeSet<_>>() {
            let answer = self.link.script(&WORKERS, &[stream], |_| ()).await.map_err(|fault| fault.at(&self.at))?;
            all.extend(workers(answer.value, stream).into_iter().filter(|worker| queues.contains(&worker.queue)));
        }
        Ok(all)
    }

    async fn named(&self, name: &str) -> Result<QueueFigures, TransportError> {
        let Named { stream, group } = find(&self.link, &self.at, name).await?;
        let found = self.stream(&stream).await?.ok_or_else(|| missing(&self.at, name))?;
        let wanted = group.map_or_else(|| stream.clone(), |group| format!("{stream}/{group}"));
        found.figures(&stream).into_iter().find(|figures| figures.name == wanted).ok_or_else(|| missing(&self.at, name))
    }
}

fn dead_of(stream: &str) -> String {
    format!("{stream}-dead")
}

/// The streams that there are.
async fn streams(link: &Link) -> Result<BTreeSet<String>, Fault> {
    let (mut streams, mut cursor) = (BTreeSet::new(), "0".to_owned());
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(&cursor).arg("COUNT").arg(SCANNED).arg("TYPE").arg("stream");
        let mut parts = array(link.command(&scan).await?.value).into_iter();
        cursor = word(parts.next()).unwrap_or_else(|| "0".to_owned());
        streams.extend(parts.next().map(array).unwrap_or_default().into_iter().filter_map(|key| word(Some(key))));
        if cursor == "0" {
            return Ok(streams);
        }
    }
}

async fn is_stream(link: &Link, at: &Arc<str>, key: &str) -> Result<bool, TransportError> {
    let answer = link.command(cmd("TYPE").arg(key)).await.map_err(|fault| fault.at(at))?;
    match answer.value {
        Value::SimpleString(kind) if kind == "stream" => Ok(true),
        Value::SimpleString(kind) if kind == "none" => Ok(false),
        _ => {
            let text = "a key of this name is no stream: look at the name";
            Err(TransportError::new(ErrorKind::Refused, format!("{at}:{key}"), text))
        }
    }
}

/// The stream of this name, or that and its group. A stream may have a `/` in its name: the whole is looked for first.
async fn find(link: &Link, at: &Arc<str>, name: &str) -> Result<Named, TransportError> {
    if is_stream(link, at, name).await? {
        return Ok(Named { stream: name.to_owned(), group: None });
    }
    match name.rsplit_once('/') {
        Some((stream, group)) if is_stream(link, at, stream).await? => {
            Ok(Named { stream: stream.to_owned(), group: Some(group.to_owned()) })
        }
        _ => Err(missing(at, name)),
    }
}

impl Looks for RedisLook {
    fn at(&self) -> &Arc<str> {
        &self.at
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueFigures>, TransportError>> {
        Box::pin(self.figures())
    }

    fn queue<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<QueueFigures, TransportError>> {
        Box::pin(self.named(name))
    }

    fn workers<'a>(
        &'a self,
        queues: &'a [String],
    ) -> BoxFuture<'a, Result<Option<Vec<WorkerFigures>>, TransportError>> {
        Box::pin(async move { self.readers(queues).await.map(Some) })
    }

    fn pile(&self, queue: &str, dead: Option<&str>) -> Box<dyn Pile> {
        let at = format!("{}:{queue}", self.at).into();
        Box::new(RedisPile { at, link: self.link.clone(), queue: queue.to_owned(), dead: dead.map(str::to_owned) })
    }

    fn tail<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Box<dyn Hears>, TransportError>> {
        Box::pin(async move {
            let Named { stream, .. } = find(&self.link, &self.at, queue).await?;
            let mut last = cmd("XREVRANGE");
            last.arg(&stream).arg("+").arg("-").arg("COUNT").arg(1);
            let answer = self.link.command(&last).await.map_err(|fault| fault.at(&self.at))?;
            let last = entries(answer.value).into_iter().next().map_or_else(|| "0-0".to_owned(), |(id, _)| id);
            Ok(Box::new(News::new(self.at.clone(), self.link.clone(), stream, last)) as Box<dyn Hears>)
        })
    }
}

/// The dead letters of a stream, which all of its groups have together.
struct RedisPile {
    at: Arc<str>,
    link: Arc<Link>,
    /// As it was asked for, with its group.
    queue: String,
    dead: Option<String>,
}

/// Whether this is the id of an entry.
fn is_entry(id: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.parse::<u64>().is_ok() && !text.starts_with('+');
    id.split_once('-').is_some_and(|(time, serial)| number(time) && number(serial))
}

impl RedisPile {
    /// The stream, and that of its letters. One that is gone may have left some.
    async fn names(&self) -> Result<(String, String), TransportError> {
        let stream = match find(&self.link, &self.at, &self.queue).await {
            Ok(named) => named.stream,
            Err(error) if error.kind() == ErrorKind::Missing => self.queue.clone(),
            Err(error) => return Err(error),
        };
        let dead = self.dead.clone().unwrap_or_else(|| dead_of(&stream));
        Ok((stream, dead))
    }

    async fn command(&self, command: &Cmd) -> Result<Value, TransportError> {
        self.link.command(command).await.map(|answer| answer.value).map_err(|fault| fault.at(&self.at))
    }

    async fn range(&self, dead: &str, from: &str, to: &str, most: usize) -> Result<Vec<Letter>, TransportError> {
        if !is_stream(&self.link, &self.at, dead).await? {
            return Ok(Vec::new());
        }
        let mut range = cmd("XRANGE");
        range.arg(dead).arg(from).arg(to).arg("COUNT").arg(most);
        let found = entries(self.command(&range).await?);
        Ok(found.into_iter().map(|(id, packet)| Letter::of(LetterId::new(id), packet)).collect())
    }

    /// Those of these that somebody else has at the moment.
    async fn lent(&self, dead: &str, letters: &[Letter]) -> Result<BTreeSet<String>, TransportError> {
        let mut lent = BTreeSet::new();
        let (Some(first), Some(last)) = (letters.first(), letters.last()) else { return Ok(lent) };
        for group in array(self.command(cmd("XINFO").arg("GROUPS").arg(dead)).await?) {
            let mut fields = array(group).into_iter();
            let (Some(name), pending) = (word(fields.nth(1)), fields.nth(3)) else { continue };
            if pending == Some(Value::Int(0)) {
                continue;
            }
            let mut ask = cmd("XPENDING");
            ask.arg(dead).arg(name).arg(first.id.as_str()).arg(last.id.as_str()).arg(letters.len());
            for entry in array(self.command(&ask).await?) {
                let mut fields = array(entry).into_iter();
                let (id, consumer, idle) = (word(fields.next()), word(fields.next()), fields.next());
                let is_held = consumer.is_some_and(|consumer| consumer != "convoke:later")
                    && matches!(idle, Some(Value::Int(idle)) if u128::try_from(idle).unwrap_or_default() < LENT.as_millis());
                lent.extend(id.filter(|_| is_held));
            }
        }
        Ok(lent)
    }

    async fn page(&self, after: Option<&LetterId>, most: usize) -> Result<Vec<Letter>, TransportError> {
        let (_, dead) = self.names().await?;
        let mut from = match after {
            None => "-".to_owned(),
            Some(id) if is_entry(id.as_str()) => format!("({id}"),
            Some(_) => return Ok(Vec::new()),
        };
        loop {
            let mut letters = self.range(&dead, &from, "+", most).await?;
            let Some(last) = letters.last().map(|letter| format!("({}", letter.id)) else { return Ok(letters) };
            let lent = self.lent(&dead, &letters).await?;
            letters.retain(|letter| !lent.contains(letter.id.as_str()));
            // None would say that there are no more.
            if !letters.is_empty() {
                return Ok(letters);
            }
            from = last;
        }
    }

    async fn get(&self, id: &LetterId) -> Result<Option<Letter>, TransportError> {
        if !is_entry(id.as_str()) {
            return Ok(None);
        }
        let (_, dead) = self.names().await?;
        Ok(self.range(&dead, id.as_str(), id.as_str(), 1).await?.into_iter().next())
    }

    /// The fields of a letter, as they stand there.
    async fn fields(&self, dead: &str, id: &LetterId) -> Result<Option<Vec<Value>>, TransportError> {
        if !is_stream(&self.link, &self.at, dead).await? {
            return Ok(None);
        }
        let range = self.command(cmd("XRANGE").arg(dead).arg(id.as_str()).arg(id.as_str())).await?;
        Ok(raw(range).into_iter().next().map(|(_, fields)| fields))
    }

    async fn take(&self, id: &LetterId, back: bool) -> Result<bool, TransportError> {
        if !is_entry(id.as_str()) {
            return Ok(false);
        }
        let (stream, dead) = self.names().await?;
        let Some(entry) = self.fields(&dead, id).await? else { return Ok(false) };
        // What others have written stays as they have: it need be no UTF-8.
        let revived = || DeadLetterRecord::revive(read_entry(id.as_str(), entry.clone()));
        let fields = if back { fields_beside(&revived(), &entry) } else { Vec::new() };
        let keys = [dead.as_str(), &stream];
        let lent = u64::try_from(LENT.as_millis()).unwrap_or(u64::MAX);
        let add = |call: &mut Cmd| {
            call.arg(id.as_str()).arg(lent);
            for field in &fields {
                call.arg(field);
            }
        };
        let answer = self.link.script(&BACK, &keys, add).await.map_err(|fault| fault.at(&self.at))?;
        match answer.value {
            Value::Int(1) => Ok(true),
            // It was sent over a connection that broke, and had gone through: the letter was there a moment ago.
            Value::Int(0) => Ok(answer.again),
            _ => Err(missing("redis", &self.queue)),
        }
    }
}

impl Pile for RedisPile {
    fn page<'a>(
        &'a self,
        after: Option<&'a LetterId>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Letter>, TransportError>> {
        Box::pin(self.page(after, most))
    }

    fn get<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<Option<Letter>, TransportError>> {
        Box::pin(self.get(id))
    }

    fn redrive<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.take(id, true))
    }

    fn discard<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.take(id, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_that_of_an_entry_or_of_no_letter() {
        assert!(is_entry("1700000000000-0") && is_entry("0-1"));
        for none in ["1", "-", "1-", "-1", "1-2-3", "a-b", "+1-0", "1-+2", "99999999999999999999999-0"] {
            assert!(!is_entry(none), "{none}");
        }
    }
}
