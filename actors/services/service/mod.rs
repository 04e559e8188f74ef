//! DOOR

mod service;
mod subscriptions;
mod supervised;
mod service_addr;
mod service_context;

pub(crate) use service::is_ready;
pub use service::{BaseService, ServiceState, ServiceStatus};
pub(crate) use service_addr::Shared;
pub use service_addr::{ServiceAddr, ServiceError};
pub use service_context::ServiceContext;
pub use subscriptions::Subscriptions;
pub(crate) use subscriptions::{ServiceSeat, Terms};
pub use supervised::{IntoService, ServiceHandle, Supervised};
