//! Who publishes and consumes, and what of: ours over any transport, or a bare client.
//!
//! `message → Wire → publish in batches`, `receive → decode → acknowledge in batches`

use std::pin::Pin;

use convoke::codec::{self, Codec, Wire};
use convoke::transport::{Packet, Publisher, Source};
use convoke::{Envelope, EnvelopeLimits, Metadata};
use futures::future::join_all;
use serde_json::json;

use crate::harness::Failure;

pub(crate) type Future<'a, T> = Pin<Box<dyn std::future::Future<Output = Result<T, Failure>> + 'a>>;

/// Somebody with a queue of its own. Both do their work whole, or fail.
pub(crate) trait Contestant {
    /// Encodes and publishes so many messages, and waits until the server has confirmed them.
    fn publish<'a>(&'a mut self, message: &'a Message, count: usize) -> Future<'a, ()>;

    /// Receives, decodes and acknowledges so many.
    fn consume(&mut self, count: usize) -> Future<'_, ()>;
}

/// An event with a payload of 1 KiB, as JSON.
pub(crate) struct Message(Envelope);

impl Message {
    pub(crate) fn new() -> Self {
        let mut metadata = Metadata::new("UserRegistered");
        metadata.publisher = "Bench".into();
        metadata.entity = "User".into();
        metadata.entity_id = Some("17".into());
        // `{"text":"…"}` has eleven more bytes.
        Self(Envelope::new(metadata, json!({ "text": "x".repeat(1024 - 11) })))
    }

    /// Makes the packets of a batch; every contestant encodes all of its messages.
    pub(crate) fn packets(&self, count: usize) -> Vec<Packet> {
        (0..count).map(|_| Wire.write(&self.0)).collect()
    }
}

/// Decodes as a bare consumer does.
#[cfg(any(feature = "postgres", feature = "rabbitmq", feature = "redis", feature = "sqlite", feature = "sqs"))]
pub(crate) fn decode(body: &[u8]) -> Result<(), Failure> {
    std::hint::black_box(Envelope::from_slice(body)?);
    Ok(())
}

/// The sizes of batches that cover `count`.
pub(crate) fn batches(count: usize, batch: usize) -> impl Iterator<Item = usize> {
    (0..count).step_by(batch).map(move |from| batch.min(count - from))
}

/// Ours.
pub(crate) struct Ours<P, S> {
    publisher: P,
    source: S,
    batch: usize,
}

impl<P: Publisher, S: Source> Ours<P, S> {
    /// Opens the source, so that what is set up once is not measured.
    pub(crate) async fn open(publisher: P, mut source: S, batch: usize) -> Result<Self, Failure> {
        source.open(batch).await?;
        Ok(Self { publisher, source, batch })
    }
}

impl<P: Publisher, S: Source> Contestant for Ours<P, S> {
    fn publish<'a>(&'a mut self, message: &'a Message, count: usize) -> Future<'a, ()> {
        Box::pin(async move {
            for size in batches(count, self.batch) {
                for taken in self.publisher.publish(&message.packets(size)).await {
                    taken?;
                }
            }
            Ok(())
        })
    }

    fn consume(&mut self, count: usize) -> Future<'_, ()> {
        Box::pin(async move {
            let mut done = 0;
            while done < count {
                let deliveries = self.source.receive(self.batch.min(count - done)).await?;
                let mut acks = Vec::with_capacity(deliveries.len());
                for delivery in deliveries {
                    std::hint::black_box(codec::read(delivery.packet(), EnvelopeLimits::default())?);
                    acks.push(delivery.ack());
                }
                done += acks.len();
                for settled in join_all(acks).await {
                    settled?;
                }
            }
            Ok(())
        })
    }
}
