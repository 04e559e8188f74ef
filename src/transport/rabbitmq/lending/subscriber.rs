//! A consumer on a channel of its own, and what it has been sent.
//!
//! `basic.consume → feed.rs, up to the prefetch → lend → Delivery with its receipt`

use std::sync::Arc;
use std::time::Duration;

use lapin::message::Delivery as Message;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use tokio::time::timeout;

use super::super::link::{Lane, Line, within};
use super::super::{Desk, message};
use super::acks::Acks;
use super::feed::Feed;
use super::marks;
use super::receipt::RabbitMqReceipt;
use crate::transport::{Delivery, ErrorKind, Pulse, Receipt, Settlement, TransportError};

/// How long it waits for a delivery before it says that there is none.
const WAIT: Duration = Duration::from_secs(1);

/// After how long a silence the server is asked whether it is there, and how long it has for an answer. With a wait on top a
/// connection that somebody between us has forgotten is given up in 10 s.
const SILENCE: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(6);

/// One subscriber to a queue.
pub(crate) struct Subscriber {
    desk: Arc<Desk>,
    acks: Arc<Acks>,
    line: Arc<Line>,
    pulse: Pulse,
    prefetch: u16,
    /// How often a delivery is to be heard.
    attempts: u32,
    /// What the server sends; nothing while it is to lend nothing.
    feed: Option<Arc<Feed>>,
    /// What a consumer has left to the next one.
    unlent: Vec<Message>,
}

impl Subscriber {
    /// Consumes from the queue of the desk, at most `prefetch` deliveries at a time. A queue that somebody has deleted is made
    /// again where that is allowed.
    pub(crate) async fn open(
        desk: Arc<Desk>,
        line: &Arc<Line>,
        (prefetch, attempts): (usize, u32),
        pulse: Pulse,
    ) -> Result<Self, TransportError> {
        let prefetch = bounded(prefetch);
        let (lane, feed) = match consume_anew(&desk, line, prefetch).await {
            Err(error) if error.kind() == ErrorKind::Missing && desk.make_again().await => {
                consume_anew(&desk, line, prefetch).await?
            }
            consuming => consuming?,
        };
        pulse.beat();
        let acks = Arc::new(Acks::new(desk.clone(), lane));
        acks.watch(&feed);
        Ok(Self { desk, acks, line: line.clone(), pulse, prefetch, attempts, feed: Some(feed), unlent: Vec::new() })
    }

    pub(crate) fn lives(&self) -> bool {
        self.acks.are_ours()
    }

    /// Waits for deliveries and lends some, or none after a second.
    pub(crate) async fn receive(&mut self, most: usize) -> Result<Vec<Delivery>, TransportError> {
        let feed = match &self.feed {
            Some(feed) if !feed.is_stopping() => feed.clone(),
            // A stop that nobody has waited for.
            Some(_) => {
                self.stop().await?;
                self.consume().await?
            }
            None => self.consume().await?,
        };
        let messages = timeout(WAIT, feed.next(most.max(1))).await;
        // What came before the connection went belongs to nobody: it comes again.
        if !self.acks.are_ours() || feed.end().is_some() && messages.as_ref().is_ok_and(Vec::is_empty) {
            let text = format!("the server sends nothing any more: {}", self.acks.why().await);
            return Err(TransportError::new(ErrorKind::Unreachable, self.desk.at.clone(), text));
        }
        let Ok(messages) = messages else {
            self.listen().await?;
            return Ok(Vec::new());
        };
        self.pulse.beat();
        let mut notes = Vec::new();
        let mut lent = Vec::with_capacity(messages.len());
        for message in messages {
            let attempt = message::which_attempt(&message.properties, message.redelivered, self.desk.recipe.kind);
            if attempt.is_uncounted {
                // The server can tell no more of it than that it came back. So that a packet that kills whoever hears it is not
                // heard for ever, the attempt is written down before it is heard again.
                let (receipt, body) = self.receipt(message, attempt.number);
                tokio::spawn(receipt.count(body));
                continue;
            }
            if attempt.number > self.attempts {
                notes.push((lent.len(), marks::note(&message.properties, &message.data)));
            }
            lent.push(self.lend(message, attempt.number));
        }
        if notes.is_empty() { Ok(lent) } else { self.tell_marked(lent, notes).await }
    }

    /// Says of those that came more often than they may whether they were heard alone before. Who drops this gives back all.
    async fn tell_marked(
        &self,
        lent: Vec<Delivery>,
        notes: Vec<(usize, String)>,
    ) -> Result<Vec<Delivery>, TransportError> {
        let (places, notes): (Vec<_>, Vec<_>) = notes.into_iter().unzip();
        let are_marked = marks::among(&self.desk, &notes).await?;
        let marked: Vec<_> = places.into_iter().zip(are_marked).filter_map(|(at, is)| is.then_some(at)).collect();
        let told = lent.into_iter().enumerate().map(|(at, delivery)| delivery.with_mark(marked.contains(&at)));
        Ok(told.collect())
    }

    /// Has the server lend nothing more until the next [`receive`](Self::receive), and gives back what it has sent and nobody
    /// has received. What was lent can be settled all the same. What a quorum queue has lent at this moment and not sent yet, it
    /// takes back by itself, and counts; there is no helping it.
    pub(crate) async fn stop(&mut self) -> Result<(), TransportError> {
        if self.lives() {
            self.cancel().await?;
            // Each by itself, for whoever stops us may not wait for the end of it.
            let unlent = std::mem::take(&mut self.unlent);
            let given_back: Vec<_> = unlent.into_iter().map(|message| tokio::spawn(self.give_back(message))).collect();
            for one in given_back {
                // It comes again in any case.
                let _ = one.await;
            }
        }
        self.feed = None;
        Ok(())
    }

    /// Has the server end the consumer, and keeps what it has sent and nobody has received.
    async fn cancel(&mut self) -> Result<(), TransportError> {
        let Some(feed) = self.feed.clone() else { return Ok(()) };
        let (at, deadline) = (&self.desk.at, self.desk.deadline);
        let cancel = self.acks.lane().channel().basic_cancel(feed.stop(), BasicCancelOptions::default());
        within(at, "stop to consume", deadline, cancel).await?;
        // It ends once the server has agreed.
        let unlent = timeout(deadline, feed.rest()).await.unwrap_or_else(|_| feed.take());
        self.unlent.extend(unlent);
        self.feed = None;
        Ok(())
    }

    /// As [`stop`](Self::stop), where nobody can wait.
    pub(crate) fn leave(mut self) {
        if (self.feed.is_some() || !self.unlent.is_empty())
            && self.lives()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            tokio::spawn(async move {
                // What it keeps comes again when its channel closes.
                let _ = self.stop().await;
            });
        }
    }

    /// Has the server lend so many from now on. A consumer that there is keeps the limit that it began with, so another one
    /// begins behind it.
    pub(crate) async fn lend_up_to(&mut self, prefetch: usize) -> Result<(), TransportError> {
        self.prefetch = bounded(prefetch);
        if self.feed.as_ref().is_none_or(|feed| feed.is_stopping()) || !self.lives() {
            return Ok(());
        }
        self.cancel().await?;
        self.consume().await.map(drop)
    }

    async fn consume(&mut self) -> Result<Arc<Feed>, TransportError> {
        let (at, lane) = (&self.desk.at, self.acks.lane());
        let limit = lane.channel().basic_qos(self.prefetch, BasicQosOptions::default());
        within(at, "set the prefetch", self.desk.deadline, limit).await?;
        let feed = consume(&self.desk, self.acks.lane()).await?;
        feed.begin_with(std::mem::take(&mut self.unlent));
        self.acks.watch(&feed);
        self.feed = Some(feed.clone());
        Ok(feed)
    }

    /// Makes sure that the server is there, when it has said nothing for a while: it may have nothing to say, or be gone.
    async fn listen(&self) -> Result<(), TransportError> {
        if self.pulse.since() < SILENCE {
            return Ok(());
        }
        let lane = self.acks.lane();
        let answer = ANSWER.min(self.desk.deadline);
        // It changes nothing, and is answered at once.
        let ask = lane.channel().basic_qos(self.prefetch, BasicQosOptions::default());
        let answered = within(&self.desk.at, "hear anything from the server", answer, ask).await;
        match &answered {
            Ok(()) => self.pulse.beat(),
            Err(_) => self.line.give_up(lane).await,
        }
        answered
    }

    /// Returns what settles a message, and its body, which is then only in the packet.
    fn receipt(&self, message: Message, attempt: u32) -> (RabbitMqReceipt, Vec<u8>) {
        let Message { delivery_tag, properties, data, .. } = message;
        let (desk, acks) = (self.desk.clone(), self.acks.clone());
        let marked = attempt > self.attempts;
        (RabbitMqReceipt { desk, acks, tag: delivery_tag, attempt, properties, marked }, data)
    }

    fn give_back(&self, message: Message) -> impl Future<Output = ()> + Send + use<> {
        let attempt = message::which_attempt(&message.properties, message.redelivered, self.desk.recipe.kind);
        let (receipt, body) = self.receipt(message, attempt.number);
        async move {
            let (packet, _) = message::read(&receipt.properties, body);
            // It comes again in any case.
            let _ = Box::new(receipt).settle_in_hand(Settlement::Release, packet).await;
        }
    }

    fn lend(&self, message: Message, attempt: u32) -> Delivery {
        let (receipt, body) = self.receipt(message, attempt);
        let (packet, _) = message::read(&receipt.properties, body);
        Delivery::new(self.desk.at.clone(), packet, attempt, receipt)
    }
}

/// Without a limit the server would send everything.
fn bounded(prefetch: usize) -> u16 {
    prefetch.clamp(1, usize::from(u16::MAX)).try_into().unwrap_or(u16::MAX)
}

async fn consume_anew(desk: &Arc<Desk>, line: &Line, prefetch: u16) -> Result<(Lane, Arc<Feed>), TransportError> {
    let (at, deadline) = (&desk.at, desk.deadline);
    let lane = line.lane(at, deadline).await?;
    within(at, "set the prefetch", deadline, lane.channel().basic_qos(prefetch, BasicQosOptions::default())).await?;
    let feed = consume(desk, &lane).await?;
    Ok((lane, feed))
}

async fn consume(desk: &Arc<Desk>, lane: &Lane) -> Result<Arc<Feed>, TransportError> {
    let (queue, tag) = (desk.recipe.queue.clone(), ShortString::default());
    let consume = lane.channel().basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default());
    let consumer = within(&desk.at, "consume from the queue", desk.deadline, consume).await?;
    Ok(Arc::new(Feed::new(consumer)))
}
