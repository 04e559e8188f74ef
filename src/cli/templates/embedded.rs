//! The templates that are part of this program.

/// A template's name, and its text.
type Template = (&'static str, &'static str);

macro_rules! templates {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("files/", $folder, "/", $name)))),*]
    };
}

/// Those of `convoke make`, which a crate may replace.
pub(crate) const MAKE: &[Template] = templates!("make":
    "event.rs.jinja", "events_mod.rs.jinja",
    "listener.rs.jinja", "listeners_mod.rs.jinja",
    "service.rs.jinja", "services_mod.rs.jinja",
    "task.rs.jinja", "tasks_mod.rs.jinja",
    "round.rs.jinja", "rounds_mod.rs.jinja",
    "worker.rs.jinja",
);

/// Those of `convoke new`.
pub(crate) const NEW: &[Template] = templates!("new":
    "Cargo.toml.jinja", "README.md.jinja", "lib.rs.jinja", "main.rs.jinja", "shop_test.rs.jinja",
    "outside_mod.rs.jinja", "outside_queue.rs.jinja", "outside_postgres.rs.jinja",
    "over_queue_test.rs.jinja", "over_postgres_test.rs.jinja", "web.rs.jinja", "worker.rs.jinja",
);

/// The sources of `convoke new` that are the same in every crate, by their paths below `src/`.
pub(crate) const SHOP: &[Template] = templates!("shop":
    "events/mod.rs", "events/order_billed.rs", "events/order_placed.rs",
    "listeners/mod.rs", "listeners/send_receipt.rs", "listeners/write_log.rs",
    "mailer.rs",
    "rounds/mod.rs", "rounds/shipping.rs",
    "services/billing.rs", "services/mod.rs",
    "tasks/mod.rs", "tasks/send_invoice.rs",
);
