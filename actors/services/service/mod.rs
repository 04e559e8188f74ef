//! What a user writes and holds of a service.
//!
//! `#[derive(BaseService)] → BaseService::supervised → Supervised (options) → .await → ServiceHandle → ServiceAddr`
//!
//! - `service`: the trait: what a service declares.
//! - `subscriptions`: what it hears.
//! - `supervised`: its options, and the handle of who has started it.
//! - `service_addr`: its stable address.
//! - `service_context`: what it says of itself.
//! - `unsupervised`: why it cannot be started as a plain actor.
//!
//! What must always hold: the handle's drop stops the service, an address keeps none alive, and an address that was given
//! once finds every later actor.

mod service;
mod subscriptions;
mod supervised;
mod service_addr;
mod service_context;
mod unsupervised;

pub use service::BaseService;
pub use service_addr::ServiceAddr;
pub use service_context::ServiceContext;
pub use subscriptions::Subscriptions;
pub use supervised::{IntoService, ServiceHandle, Supervised};
pub use unsupervised::WriteSupervisedInstead;
