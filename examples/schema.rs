//! Whom does the next release break? A shop keeps what its events look like as a document, and compares.
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use convoke::schema::{self, Document, Validator};
use convoke::{Envelope, prelude::*};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What is deployed. An application reads it from a file that `save` has written.
mod before {
    use super::*;

    #[derive(Event, JsonSchema, Serialize, Deserialize)]
    #[event(topic = "orders/placed")]
    pub(super) struct OrderPlaced {
        id: u64,
        total: u32,
        paid_by: PaidBy,
    }

    #[derive(JsonSchema, Serialize, Deserialize)]
    enum PaidBy {
        Card,
        Invoice,
    }
}

#[derive(Event, JsonSchema, Serialize, Deserialize)]
#[event(topic = "orders/placed", example = Self { id: 7, total: 40, currency: "EUR".into(), paid_by: PaidBy::Card, note: None })]
struct OrderPlaced {
    id: u64,
    total: u64,
    #[schemars(length(equal = 3))]
    currency: String,
    paid_by: PaidBy,
    note: Option<String>,
}

#[derive(JsonSchema, Serialize, Deserialize)]
enum PaidBy {
    Card,
    Invoice,
    Voucher(String),
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let old = Document::builder("shop", "1.4.0").publishes::<before::OrderPlaced>().build()?;
    let new = Document::builder("shop", "1.5.0").publishes::<OrderPlaced>().build()?;
    let lines = new.to_asyncapi().lines().count();
    println!("{lines} lines of AsyncAPI; {} example fits", schema::check(&new)?.examples());
    println!("\n{}", schema::compat(&old, &new)); // one line for each change

    let what = json!({"id": 8, "total": -1, "currency": "euro", "paid_by": "Invoice"}); // a worker asks `.validate(&new)?`
    if let Err(misfit) = Validator::new(&new)?.validate(&Envelope::new(Metadata::of::<OrderPlaced>(), what)) {
        println!("\n{misfit}");
    }
    Ok(())
}
