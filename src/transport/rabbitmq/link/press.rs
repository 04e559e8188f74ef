//! Publishes letters on a channel of its own and waits for the server to confirm them, many at once.
//!
//! `publish, retry, dead letter → Press (Batcher) → a window of letters → confirmed, returned, or nobody knows`

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Confirmation};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::faults::{fault, late};
use super::in_order::InOrder;
use super::line::{Lane, Line, blocked, within};
use crate::transport::{Batcher, ErrorKind, TransportError};

/// How many calls go into one round; their letters go out in windows.
const CALLS: usize = 256;

const TRIED: &str = "publish";

/// For how long a server that was away a moment ago may know no queue for what is published: its listener is there before all
/// its bindings and the leaders of its quorum queues are.
const SETTLING: Duration = Duration::from_secs(10);

pub(crate) type Taken = Result<(), TransportError>;

/// A message, and where to.
#[derive(Clone)]
pub(crate) struct Letter {
    pub(crate) exchange: ShortString,
    pub(crate) key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

/// Publishes for a handle and its clones. One window is on its way at a time: which letters a server has returned can be
/// told only when all are confirmed that went with them, for the client attaches a returned one to any of them.
pub(crate) struct Press {
    at: Arc<str>,
    rounds: Batcher<Vec<Letter>, Vec<Taken>>,
    outage: Arc<Outage>,
}

/// When the server was away last, whichever publish has found out.
#[derive(Default)]
struct Outage(StdMutex<Option<Instant>>);

impl Outage {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_recent(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < SETTLING)
    }
}

struct Bench {
    at: Arc<str>,
    outage: Arc<Outage>,
    line: Arc<Line>,
    window: usize,
    deadline: Duration,
    lane: Mutex<Option<Lane>>,
}

impl Press {
    pub(crate) fn new(at: Arc<str>, line: Arc<Line>, window: usize, deadline: Duration) -> Self {
        let (outage, lane) = (Arc::<Outage>::default(), Mutex::default());
        let bench =
            Arc::new(Bench { at: at.clone(), outage: outage.clone(), line, window: window.max(1), deadline, lane });
        let rounds = Batcher::new(CALLS, move |calls: Vec<Vec<Letter>>| {
            let bench = bench.clone();
            Box::pin(async move {
                let counts: Vec<_> = calls.iter().map(Vec::len).collect();
                let mut taken = bench.print(calls.into_iter().flatten().collect()).await.into_iter();
                counts.into_iter().map(|count| taken.by_ref().take(count).collect()).collect()
            })
        });
        Self { at, rounds, outage }
    }

    /// Publishes these in their order, and says of each whether the server has it.
    pub(crate) async fn print(&self, letters: Vec<Letter>) -> Vec<Taken> {
        let count = letters.len();
        if count == 0 {
            return Vec::new();
        }
        let printed = self.rounds.push(letters).await;
        printed.unwrap_or_else(|| {
            let text = "the runtime in which it published has ended: nobody knows whether the server has it";
            vec![Err(TransportError::new(ErrorKind::Unreachable, self.at.clone(), text)); count]
        })
    }

    /// Whether another try may go better: the server was not there or takes nothing for now, or it is there again and does not
    /// know all its queues yet. What it has looked at and not taken, because a queue is full, is no such thing.
    pub(crate) fn may_pass(&self, error: &TransportError) -> bool {
        match error.kind() {
            ErrorKind::Unreachable => *error != self.refusal(),
            ErrorKind::Unroutable => self.outage.is_recent(),
            _ => false,
        }
    }

    /// Returns the error of a letter that the server has refused, and may take in a moment.
    pub(crate) fn refusal(&self) -> TransportError {
        refusal(&self.at)
    }
}

/// The server has confirmed that it did not take it.
fn refusal(at: &Arc<str>) -> TransportError {
    let text = "the server did not take it: the queue is full, or could not store it: try again later";
    TransportError::new(ErrorKind::Unreachable, at.clone(), text)
}

impl Bench {
    async fn print(&self, letters: Vec<Letter>) -> Vec<Taken> {
        let count = letters.len();
        let mut taken = Vec::with_capacity(count);
        let mut letters = letters.into_iter();
        while taken.len() < count {
            match self.lane().await {
                Ok(lane) => {
                    let window: Vec<_> = letters.by_ref().take(self.window).collect();
                    taken.append(&mut self.print_window(&lane, window).await);
                }
                // Nor would any of the others get through; to try each would be a deadline for each.
                Err(error) => taken.resize(count, Err(error)),
            }
        }
        let refusal = refusal(&self.at);
        let is_away = |error: &TransportError| error.kind() == ErrorKind::Unreachable && *error != refusal;
        if taken.iter().any(|taken| taken.as_ref().is_err_and(is_away)) {
            self.outage.note();
        }
        taken
    }

    async fn lane(&self) -> Result<Lane, TransportError> {
        let mut current = self.lane.lock().await;
        if let Some(lane) = &*current
            && lane.lives()
        {
            return if lane.is_blocked() { Err(blocked(&self.at)) } else { Ok(lane.clone()) };
        }
        if current.take().is_some() {
            self.outage.note();
        }
        let lane = self.line.lane(&self.at, self.deadline).await?;
        let confirm = lane.channel().confirm_select(ConfirmSelectOptions::default());
        within(&self.at, "have what is published confirmed", self.deadline, confirm).await?;
        *current = Some(lane.clone());
        Ok(lane)
    }

    async fn print_window(&self, lane: &Lane, letters: Vec<Letter>) -> Vec<Taken> {
        let mut answers = Vec::with_capacity(letters.len());
        let mut marks = Vec::with_capacity(letters.len());
        let mut bodies = Vec::with_capacity(letters.len());
        let mut heads = Vec::with_capacity(letters.len());
        for letter in letters {
            marks.push((letter.key.clone(), letter.properties.message_id().clone()));
            heads.push((letter.exchange, letter.key, letter.properties));
            bodies.push(letter.body);
        }
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let publish = async {
            let sends = heads.into_iter().zip(&bodies).map(|((exchange, key, properties), body)| {
                lane.channel().basic_publish(exchange, key, options, body, properties)
            });
            let mut confirms = Vec::with_capacity(bodies.len());
            InOrder::begin(sends).each(|confirm| confirms.push(confirm)).await;
            for confirm in confirms {
                answers.push(match confirm {
                    Ok(confirm) => confirm.await,
                    Err(error) => Err(error),
                });
            }
        };
        let in_time = timeout(self.deadline, publish).await.is_ok();
        let mut returned = Vec::new();
        let mut taken: Vec<_> = answers.into_iter().map(|answer| self.taken(answer, &mut returned)).collect();
        for message in returned {
            let mut letters = marks.iter().zip(&bodies).zip(&mut taken);
            let is_it = |key: &ShortString, id: &Option<ShortString>, body: &[u8]| {
                *key == message.routing_key && id == message.properties.message_id() && body == message.data
            };
            // Of letters that are the same, it does not matter which one it was.
            let found = letters.find(|(((key, id), body), taken)| taken.is_ok() && is_it(key, id, body));
            if let Some((_, taken)) = found {
                *taken = Err(self.unroutable(&message.routing_key));
            }
        }
        if !in_time {
            // What is on its way may still be confirmed, but to nobody.
            *self.lane.lock().await = None;
            self.line.give_up(lane).await;
            taken.resize(bodies.len(), Err(late(&self.at, TRIED, self.deadline)));
        }
        taken
    }

    fn taken(
        &self,
        answer: lapin::Result<Confirmation>,
        returned: &mut Vec<lapin::message::BasicReturnMessage>,
    ) -> Taken {
        match answer {
            Ok(Confirmation::Ack(message)) => {
                returned.extend(message);
                Ok(())
            }
            Ok(Confirmation::Nack(message)) => {
                returned.extend(message);
                Err(refusal(&self.at))
            }
            Ok(Confirmation::NotRequested) => {
                let text = "the server was not asked to confirm: nobody knows whether it has it";
                Err(TransportError::new(ErrorKind::Protocol, self.at.clone(), text))
            }
            Err(error) => Err(fault(&self.at, TRIED, &error)),
        }
    }

    fn unroutable(&self, key: &ShortString) -> TransportError {
        let text = format!("no queue gets what is published with the routing key `{key}`: create or bind one");
        TransportError::new(ErrorKind::Unroutable, self.at.clone(), text)
    }
}
