//! The queue in this process: ours alone, for no server and no client are by themselves.

use convoke::transport::Memory;

use super::contestant::{Contestant, Ours};
use crate::harness::Failure;

pub(super) async fn ours(_: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let queue = Memory::queue(name);
    Ok(Box::new(Ours::open(queue.clone(), queue, batch).await?))
}
