//! DOOR

pub(crate) mod service;
pub(crate) mod life;
pub(crate) mod supervision;
pub(crate) mod app;
