//! Redis Streams: ours, and the client by itself.

use convoke::transport::Redis;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Value, cmd, pipe};

use super::contestant::{Contestant, Future, Message, Ours, batches, decode};
use crate::harness::Failure;

pub(super) async fn ours(url: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let stream = Redis::stream(name).at(url).create_if_missing().await?;
    Ok(Box::new(Ours::open(stream.clone(), stream, batch).await?))
}

pub(crate) async fn bare(url: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let mut connection = Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await?;
    let mut group = cmd("XGROUP");
    group.arg("CREATE").arg(name).arg("group").arg("0").arg("MKSTREAM");
    let _: Value = group.query_async(&mut connection).await?;
    Ok(Box::new(Bare { connection, stream: name.to_owned(), batch }))
}

type Entry = (String, Vec<Vec<u8>>);

struct Bare {
    connection: MultiplexedConnection,
    stream: String,
    batch: usize,
}

impl Contestant for Bare {
    fn publish<'a>(&'a mut self, message: &'a Message, count: usize) -> Future<'a, ()> {
        Box::pin(async move {
            for size in batches(count, self.batch) {
                let mut pipeline = pipe();
                for packet in message.packets(size) {
                    let add = pipeline.cmd("XADD").arg(&self.stream).arg("*");
                    add.arg("id").arg(&packet.id).arg("body").arg(&packet.body).arg("topic").arg(&packet.topic);
                    for name in ["entityName", "eventName", "publisherName"] {
                        add.arg(name).arg(packet.attributes.text(name).unwrap_or_default());
                    }
                    add.ignore();
                }
                pipeline.query_async::<()>(&mut self.connection).await?;
            }
            Ok(())
        })
    }

    fn consume(&mut self, count: usize) -> Future<'_, ()> {
        Box::pin(async move {
            let mut done = 0;
            while done < count {
                let mut read = cmd("XREADGROUP");
                read.arg("GROUP").arg("group").arg("me").arg("COUNT").arg(self.batch.min(count - done));
                read.arg("BLOCK").arg(20_000).arg("STREAMS").arg(&self.stream).arg(">");
                // Stream, entries; of each its id and its fields.
                let reply: Vec<(String, Vec<Entry>)> = read.query_async(&mut self.connection).await?;
                let entries: Vec<_> = reply.into_iter().flat_map(|(_, entries)| entries).collect();
                for (_, fields) in &entries {
                    let body =
                        fields.chunks_exact(2).find(|field| field[0] == b"body").ok_or("an entry has no body")?;
                    decode(&body[1])?;
                }
                let ids: Vec<_> = entries.iter().map(|(id, _)| id.as_str()).collect();
                let mut settle = pipe();
                settle.cmd("XACK").arg(&self.stream).arg("group").arg(&ids).ignore();
                settle.cmd("XDEL").arg(&self.stream).arg(&ids).ignore();
                settle.query_async::<()>(&mut self.connection).await?;
                done += ids.len();
            }
            Ok(())
        })
    }
}
