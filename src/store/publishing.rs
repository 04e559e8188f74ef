//! A store at the end of a route: what happens on a bus is kept.
//!
//! `a bus → Route → Packet → codec/read.rs → Entry → append: all of a call, or none of it`

use super::Batch;
use super::records::{Appended, StoreDatabase};
use super::row::chain;
use super::store::Store;
use crate::codec;
use crate::store::StoreError;
use crate::transport::{Abilities, BoxFuture, ErrorKind, Packet, Publisher, TransportError};

/// A store is where a [`Route`](crate::Route) may end: `bus.route(Route::new("Shop/*", orders.clone()))` keeps what this bus
/// emits, each event with its own metadata, whatever the codec of the route. What has failed is tried again by the route, so an
/// event may be kept twice; its [id](crate::Metadata::id) is the same.
impl<D: StoreDatabase> Publisher for Store<D> {
    fn name(&self) -> &str {
        self.records().name()
    }

    fn abilities(&self) -> Abilities {
        let mut abilities = Abilities::default();
        (abilities.takes_in_order, abilities.durable) = (true, self.records().is_durable());
        abilities.max_bytes = self.limits().max_bytes();
        abilities
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move {
            let abilities = self.abilities();
            let mut results = Vec::with_capacity(packets.len());
            let mut entries = Vec::with_capacity(packets.len());
            for packet in packets {
                let read = abilities.check(self.name(), packet).and_then(|()| {
                    let envelope =
                        codec::read(packet, self.limits()).map_err(|error| self.refuses(error.to_string()))?;
                    self.envelope_entry(envelope).map_err(|error| match error {
                        StoreError::Transport(error) => error,
                        error => self.refuses(error.to_string()),
                    })
                });
                results.push(read.map(|entry| entries.push(entry)));
            }
            if entries.is_empty() {
                return results;
            }
            chain(&mut entries);
            let appended = self.records().append(Batch { entries, condition: None }).await;
            let failed = match appended {
                Ok(Appended::At(_)) => return results,
                Ok(_) => self.refuses("it was appended on a condition that was not set".into()),
                Err(error) => error,
            };
            results.into_iter().map(|result| result.and(Err(failed.clone()))).collect()
        })
    }
}

impl<D: StoreDatabase> Store<D> {
    fn refuses(&self, text: String) -> TransportError {
        TransportError::new(ErrorKind::Refused, self.records().name().clone(), text)
    }
}
