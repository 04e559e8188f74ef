//! Amazon SQS, and what speaks its protocol.
//!
//! `sqs://… → SdkConfig → Sqs → { GetQueueAttributes → figures, ReceiveMessage → letters }`

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;

use super::leased::{Got, Holds, Leased, hashed};
use super::without_letters;
use crate::look::{Hears, LetterId, Looks, Pile, QueueFigures, unsupported};
use crate::transport::sqs::{SqsBuilder, SqsFigures, queue_names};
use crate::transport::{Address, BoxFuture, ErrorKind, Publisher, Sqs, TransportError};

/// For how long a letter is held that is read.
const LEASE: Duration = Duration::from_secs(30);

/// How long the server waits before it says that there is no letter more.
const WAIT: Duration = Duration::from_secs(1);

/// Before a lease ends there has to be time to send a letter back.
const MARGIN: Duration = Duration::from_secs(10);

pub(super) struct SqsLook {
    at: Arc<str>,
    address: Address,
    config: SdkConfig,
}

impl SqsLook {
    pub(super) async fn connect(address: &Address) -> Result<Self, TransportError> {
        let at: Arc<str> = "sqs".into();
        let config = Sqs::queue("orders").at(address).sdk_config(&address.to_string()).await?;
        let look = Self { at, address: address.clone(), config };
        // Who may look at a queue need not have the right to list all.
        match address.name() {
            Some(name) => match look.open(name).await {
                Err(error) if error.kind() != ErrorKind::Missing => return Err(error),
                _ => {}
            },
            None => drop(queue_names(&look.config, &look.at, 1).await?),
        }
        Ok(look)
    }

    fn builder(&self, name: &str) -> SqsBuilder {
        Sqs::queue(name).config(&self.config).lease(LEASE).wait(WAIT)
    }

    async fn open(&self, name: &str) -> Result<Sqs, TransportError> {
        self.builder(name).await
    }

    /// The figures of a queue, and what the queue of its dead letters is called.
    async fn figures(&self, name: &str) -> Result<(QueueFigures, Option<String>), TransportError> {
        let queue = self.open(name).await?;
        let mut figures = QueueFigures::new(name);
        let SqsFigures { waiting, delayed, in_flight } = queue.figures().await?;
        (figures.waiting, figures.delayed, figures.in_flight) = (waiting, delayed, in_flight);
        let letters = queue.letters();
        figures.dead = match &letters {
            Some(letters) => letters.figures().await?.all(),
            None => Some(0),
        };
        Ok((figures, letters.map(|letters| letters.label().to_owned())))
    }

    async fn all(&self) -> Result<Vec<QueueFigures>, TransportError> {
        let (mut all, mut dead) = (Vec::new(), BTreeSet::new());
        for name in queue_names(&self.config, &self.at, usize::MAX).await? {
            match self.figures(&name).await {
                Ok((figures, letters)) => {
                    all.push(figures);
                    dead.extend(letters);
                }
                // It is gone meanwhile.
                Err(error) if error.kind() == ErrorKind::Missing => {}
                Err(error) => return Err(error),
            }
        }
        all.retain(|figures| !dead.contains(&figures.name));
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(without_letters(all))
    }
}

impl Looks for SqsLook {
    fn at(&self) -> &Arc<str> {
        &self.at
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueFigures>, TransportError>> {
        Box::pin(self.all())
    }

    fn queue<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<QueueFigures, TransportError>> {
        Box::pin(async move { self.figures(name).await.map(|(figures, _)| figures) })
    }

    fn pile(&self, queue: &str, dead: Option<&str>) -> Box<dyn Pile> {
        let queue = self.builder(queue);
        let queue = match dead {
            Some(dead) => queue.dead_letter_queue(dead),
            None => queue,
        };
        Box::new(Leased::new(Letters { queue }))
    }

    fn tail<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Box<dyn Hears>, TransportError>> {
        let text = "with SQS whoever receives a message takes it from others for a while: have a topic of SNS send it to a queue of your \
            own as well, and receive from that";
        let error = unsupported(&self.address, text);
        Box::pin(async { Err(error) })
    }
}

/// The dead letters of a queue.
struct Letters {
    queue: SqsBuilder,
}

impl Holds for Letters {
    type Handle = String;
    /// The queue that they are in.
    type Hold = Sqs;

    fn begin(&self) -> BoxFuture<'_, Result<Option<Sqs>, TransportError>> {
        Box::pin(async { Ok(self.queue.clone().await?.letters()) })
    }

    fn more<'a>(&'a self, hold: &'a mut Sqs, most: usize) -> BoxFuture<'a, Result<Vec<Got<String>>, TransportError>> {
        Box::pin(async move {
            let letters = hold.peek(most).await?;
            let got = letters.into_iter().map(|letter| Got {
                id: LetterId::new(format_args!("{:012x}", hashed([letter.message.as_bytes()]) >> 16)),
                packet: letter.packet,
                handle: letter.handle,
                until: letter.until.checked_sub(MARGIN),
            });
            Ok(got.collect())
        })
    }

    fn ack<'a>(&'a self, hold: &'a mut Sqs, handle: String) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(hold.delete(handle))
    }

    fn end(&self, hold: Sqs, handles: Vec<String>) -> BoxFuture<'_, ()> {
        Box::pin(async move { hold.give_back(handles).await })
    }

    fn queue(&self) -> BoxFuture<'_, Result<Box<dyn Publisher>, TransportError>> {
        Box::pin(async {
            let queue = self.queue.clone().await?;
            Ok(Box::new(queue) as Box<dyn Publisher>)
        })
    }

    fn let_go(&self, hold: Sqs, handles: Vec<String>) {
        // Without a runtime they come again after their lease.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { hold.give_back(handles).await });
        }
    }
}
