//! RabbitMQ: it tells how much waits in a queue that is named, and lends letters to whoever gets them.
//!
//! `amqp://… → RabbitMqServer → { queue.declare passive → figures, basic.get → letters, a queue of our own bound to an exchange → what is new }`

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicQosOptions, ExchangeDeclareOptions,
    QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Consumer, ExchangeKind};
use tokio::time::{Instant, timeout, timeout_at};

use super::leased::{Got, Holds, Leased, hashed};
use super::missing;
use crate::look::{Hears, LetterId, Looks, Pile, QueueFigures, WorkerFigures, unsupported};
use crate::transport::rabbitmq::link::{self, Lane, Press, within};
use crate::transport::rabbitmq::{checked, declare, message};
use crate::transport::{
    Address, BoxFuture, DEAD_LETTER, ErrorKind, Packet, Publisher, RabbitMq, RabbitMqServer, TransportError,
};

const DEADLINE: Duration = Duration::from_secs(5);

/// How long is listened before it is said that nothing has come, how much is heard at once, and how much the server sends ahead.
const WAIT: Duration = Duration::from_secs(1);
const MOST: usize = 1_000;
const AHEAD: u16 = 2_000;

/// A letter that was given back so often is published anew: from 4.0 on the server drops what came back twenty times from a quorum queue,
/// and to look at it must not do that.
const OFTEN: u32 = 10;

pub(super) struct RabbitMqLook {
    at: Arc<str>,
    address: Address,
    server: RabbitMqServer,
}

impl RabbitMqLook {
    pub(super) async fn connect(address: &Address) -> Result<Self, TransportError> {
        let at: Arc<str> = "rabbitmq".into();
        let server = RabbitMqServer::at(address.url())?;
        server.consuming().lane(&at, DEADLINE).await?;
        Ok(Self { at, address: address.clone(), server })
    }

    async fn count(&self, name: &ShortString) -> Result<Option<u64>, TransportError> {
        let found = declare::find(&self.at, self.server.consuming(), name, DEADLINE).await?;
        Ok(found.map(|queue| queue.message_count().into()))
    }

    async fn figures(&self, name: &str) -> Result<QueueFigures, TransportError> {
        let queue = checked(&self.at, name)?;
        let waiting = self.count(&queue).await?.ok_or_else(|| missing(&self.at, name))?;
        let mut figures = QueueFigures::new(name);
        figures.waiting = Some(waiting);
        // A name that is too long for that has no such queue.
        if let Ok(dead) = checked(&self.at, &dead_of(name)) {
            figures.dead = Some(self.count(&dead).await?.unwrap_or_default());
        }
        Ok(figures)
    }

    /// How many consumers these queues have: who they are the server does not tell.
    async fn consumers(&self, queues: &[String]) -> Result<Vec<WorkerFigures>, TransportError> {
        let mut all = Vec::new();
        for name in queues {
            let queue = checked(&self.at, name)?;
            if let Some(found) = declare::find(&self.at, self.server.consuming(), &queue, DEADLINE).await? {
                let mut figures = WorkerFigures::of(name.as_str());
                figures.count = found.consumer_count().into();
                all.push(figures);
            }
        }
        Ok(all)
    }

    async fn listen(&self, exchange: &str) -> Result<Box<dyn Hears>, TransportError> {
        let exchange = checked(&self.at, exchange)?;
        let consumer = Some(consume(&self.at, &self.server, &exchange).await?);
        let (at, server) = (self.at.clone(), self.server.clone());
        Ok(Box::new(News { at, server, exchange, consumer, heard: Vec::new(), last: None }))
    }
}

fn dead_of(queue: &str) -> String {
    format!("{queue}-dead")
}

impl Looks for RabbitMqLook {
    fn at(&self) -> &Arc<str> {
        &self.at
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueFigures>, TransportError>> {
        Box::pin(async {
            let Some(name) = self.address.name() else {
                let text = "RabbitMQ lists no queues to those who use it: name one behind `#`, as in `amqp://localhost#orders`";
                return Err(unsupported(&self.address, text));
            };
            Ok(vec![self.figures(name).await?])
        })
    }

    fn queue<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<QueueFigures, TransportError>> {
        Box::pin(self.figures(name))
    }

    fn workers<'a>(
        &'a self,
        queues: &'a [String],
    ) -> BoxFuture<'a, Result<Option<Vec<WorkerFigures>>, TransportError>> {
        Box::pin(async move { self.consumers(queues).await.map(Some) })
    }

    fn pile(&self, queue: &str, dead: Option<&str>) -> Box<dyn Pile> {
        let dead = dead.map_or_else(|| dead_of(queue), str::to_owned);
        let at: Arc<str> = format!("{}:{queue}", self.at).into();
        let press = Press::new(at.clone(), self.server.publishing().clone(), 1, DEADLINE);
        let holds = Letters { at, server: self.server.clone(), queue: queue.to_owned(), dead, press };
        Box::new(Leased::new(holds))
    }

    fn tail<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Box<dyn Hears>, TransportError>> {
        Box::pin(async move {
            let error = match self.listen(queue).await {
                Err(error) if error.kind() == ErrorKind::Missing => error,
                heard => return heard,
            };
            if self.count(&checked(&self.at, queue)?).await?.is_none() {
                return Err(error);
            }
            let text = "it is a queue, and what is published to a queue nobody else hears: name the exchange that it is bound to";
            Err(unsupported(&self.address, text))
        })
    }
}

/// The dead letters of a queue, got one by one.
struct Letters {
    at: Arc<str>,
    server: RabbitMqServer,
    queue: String,
    dead: String,
    press: Press,
}

/// The channel on which they are lent: what is not acknowledged goes back when it closes.
struct Hold {
    lane: Lane,
    /// How many there were of each name.
    names: HashMap<u64, u32>,
}

impl Letters {
    async fn get(&self, lane: &Lane) -> Result<Option<BasicGetMessage>, TransportError> {
        let get = lane.channel().basic_get(checked(&self.at, &self.dead)?, BasicGetOptions::default());
        within(&self.at, "read the dead letters", DEADLINE, get).await
    }

    /// Publishes one anew that has come back too often, and takes the old one away.
    async fn renew(&self, lane: &Lane, got: &BasicGetMessage) -> Result<(), TransportError> {
        let (_, attempt) = message::read(&got.delivery.properties, Vec::new());
        let properties = message::again(&got.delivery.properties, attempt);
        let (exchange, key) = (ShortString::default(), checked(&self.at, &self.dead)?);
        let letter = link::Letter { exchange, key, properties, body: got.delivery.data.clone() };
        self.press.print(vec![letter]).await.pop().unwrap_or(Ok(()))?;
        self.acked(lane, got.delivery.delivery_tag).await
    }

    async fn acked(&self, lane: &Lane, tag: u64) -> Result<(), TransportError> {
        let ack = lane.channel().basic_ack(tag, BasicAckOptions::default());
        within(&self.at, "take a dead letter away", DEADLINE, ack).await
    }
}

impl Holds for Letters {
    type Handle = u64;
    type Hold = Hold;

    fn begin(&self) -> BoxFuture<'_, Result<Option<Hold>, TransportError>> {
        Box::pin(async {
            let dead = checked(&self.at, &self.dead)?;
            if declare::find(&self.at, self.server.consuming(), &dead, DEADLINE).await?.is_none() {
                return Ok(None);
            }
            let lane = self.server.consuming().lane(&self.at, DEADLINE).await?;
            Ok(Some(Hold { lane, names: HashMap::new() }))
        })
    }

    fn more<'a>(&'a self, hold: &'a mut Hold, most: usize) -> BoxFuture<'a, Result<Vec<Got<u64>>, TransportError>> {
        Box::pin(async move {
            let mut letters = Vec::new();
            while letters.len() < most
                && let Some(got) = self.get(&hold.lane).await?
            {
                if message::came_back(&got.delivery.properties) >= OFTEN {
                    self.renew(&hold.lane, &got).await?;
                    continue;
                }
                let tag = got.delivery.delivery_tag;
                let delivery = got.delivery;
                let (packet, _) = message::read(&delivery.properties, delivery.data);
                letters.push(Got { id: hold.name(&packet), packet, handle: tag, until: None });
            }
            Ok(letters)
        })
    }

    fn ack<'a>(&'a self, hold: &'a mut Hold, handle: u64) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(self.acked(&hold.lane, handle))
    }

    fn end(&self, hold: Hold, handles: Vec<u64>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Where that is not answered they go back with the channel.
            if let Some(last) = handles.into_iter().max() {
                let options = BasicNackOptions { multiple: true, requeue: true };
                let nack = hold.lane.channel().basic_nack(last, options);
                if let Err(error) = within(&self.at, "give letters back", DEADLINE, nack).await {
                    log::debug!(target: link::TARGET, "{error}");
                }
            }
            let close = hold.lane.channel().close(200, "read".into());
            if let Err(error) = within(&self.at, "give letters back", DEADLINE, close).await {
                log::debug!(target: link::TARGET, "{error}");
            }
        })
    }

    fn queue(&self) -> BoxFuture<'_, Result<Box<dyn Publisher>, TransportError>> {
        Box::pin(async {
            let queue = RabbitMq::queue(self.queue.as_str()).on(&self.server).await?;
            Ok(Box::new(queue) as Box<dyn Publisher>)
        })
    }
}

impl Hold {
    /// Names a letter by what it is, for the server has no name for it. Of two that are the same in everything the second has another.
    fn name(&mut self, packet: &Packet) -> LetterId {
        let record = packet.attributes.text(DEAD_LETTER).unwrap_or_default();
        let hash = hashed([packet.id.as_bytes(), record.as_bytes(), packet.topic.as_bytes(), &packet.body]) >> 16;
        let count = self.names.entry(hash).or_default();
        *count += 1;
        match *count {
            1 => LetterId::new(format_args!("{hash:012x}")),
            again => LetterId::new(format_args!("{hash:012x}-{again}")),
        }
    }
}

/// What comes to an exchange, into a queue that is ours alone and goes with us.
struct News {
    at: Arc<str>,
    server: RabbitMqServer,
    exchange: ShortString,
    consumer: Option<(Lane, Consumer)>,
    /// What has come and was not returned, and the last that the server is to know of.
    heard: Vec<Packet>,
    last: Option<u64>,
}

async fn consume(
    at: &Arc<str>,
    server: &RabbitMqServer,
    exchange: &ShortString,
) -> Result<(Lane, Consumer), TransportError> {
    let line = server.consuming();
    declare::exchange(at, line, exchange, false, DEADLINE).await?;
    check_kind(at, server, exchange).await?;
    let lane = line.lane(at, DEADLINE).await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let made = lane.channel().queue_declare(ShortString::default(), options, FieldTable::default());
    let queue = within(at, "make a queue to listen with", DEADLINE, made).await?.name().clone();
    // To a topic exchange that is everything, and to a fanout any key is.
    declare::bind(at, &lane, &queue, exchange, &declare::short("#"), DEADLINE).await?;
    let ahead = lane.channel().basic_qos(AHEAD, BasicQosOptions::default());
    within(at, "listen", DEADLINE, ahead).await?;
    let options = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
    let consume = lane.channel().basic_consume(queue, ShortString::default(), options, FieldTable::default());
    let consumer = within(at, "listen", DEADLINE, consume).await?;
    Ok((lane, consumer))
}

/// Looks what kind of exchange it is: one that is there is declared once more, which changes nothing, and the server says what is not
/// the same. Who may not declare is not told.
async fn check_kind(at: &Arc<str>, server: &RabbitMqServer, exchange: &ShortString) -> Result<(), TransportError> {
    let lane = server.consuming().lane(at, DEADLINE).await?;
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declare =
        lane.channel().exchange_declare(exchange.clone(), ExchangeKind::Topic, options, FieldTable::default());
    match within(at, "look what kind of exchange it is", DEADLINE, declare).await {
        Err(error) if error.kind() == ErrorKind::Refused && error.to_string().contains("'direct'") => {
            let text =
                "it is a direct exchange, which gives a queue only what has its key: name a topic or a fanout exchange";
            Err(TransportError::new(ErrorKind::Unsupported, format!("{at}:{exchange}"), text))
        }
        _ => Ok(()),
    }
}

impl News {
    async fn hear(&mut self) -> Result<(), TransportError> {
        let (lane, consumer) = match &mut self.consumer {
            Some(there) => there,
            none => none.insert(consume(&self.at, &self.server, &self.exchange).await?),
        };
        let end = Instant::now() + WAIT;
        while self.heard.len() < MOST {
            // Behind the first only what is there already.
            let next = match self.heard.is_empty() {
                true => timeout_at(end, consumer.next()).await,
                false => timeout(Duration::ZERO, consumer.next()).await,
            };
            match next {
                Err(_) => break,
                Ok(Some(Ok(delivery))) => {
                    self.last = Some(delivery.delivery_tag);
                    self.heard.push(message::read(&delivery.properties, delivery.data).0);
                }
                Ok(Some(Err(_)) | None) => {
                    let text = "the connection on which it listened is gone: it listens anew when it is asked again";
                    return Err(TransportError::new(ErrorKind::Unreachable, self.at.clone(), text));
                }
            }
        }
        if let Some(last) = self.last {
            // The server sends on once it knows that these have come.
            let ack = lane.channel().basic_ack(last, BasicAckOptions { multiple: true });
            within(&self.at, "listen", DEADLINE, ack).await?;
            self.last = None;
        }
        Ok(())
    }
}

impl Hears for News {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Packet>, TransportError>> {
        Box::pin(async {
            if let Err(error) = self.hear().await {
                (self.consumer, self.last) = (None, None);
                // What has come before is heard all the same.
                if self.heard.is_empty() {
                    return Err(error);
                }
            }
            Ok(std::mem::take(&mut self.heard))
        })
    }
}
