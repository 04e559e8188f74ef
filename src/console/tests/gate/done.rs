//! A write from its form to its end: in production, over a real queue, with its lines in the audit log.

use std::fs;
use std::time::Duration;

use actix_web::rt::time::sleep;
use convoke::look::{Address, Server};
use convoke::transport::{DeadReason, Memory, Packet, Publisher, Source};
use convoke_console::{Shown, scope};
use serde_json::Value;
use tempfile::tempdir;

use crate::common::{Site, all, sent};

/// A queue with two dead letters, there for as long as what is returned.
async fn filled(name: &str) -> (impl Sized, Address) {
    let database = Memory::database_named(name);
    let orders = database.queue("orders").await.unwrap();
    for taken in orders.publish(&[Packet::new("7", "a book"), Packet::new("8", "a pen")]).await {
        taken.unwrap();
    }
    let mut worker = orders.clone();
    worker.open(2).await.unwrap();
    for delivery in worker.receive(2).await.unwrap() {
        delivery.dead_letter(DeadReason::Permanent, vec!["no such book".to_owned()]).await.unwrap();
    }
    (database, format!("memory:{name}#orders").parse().unwrap())
}

#[actix_web::test]
async fn what_is_deleted_in_production_is_asked_for_once_and_noted() {
    let (_database, address) = filled("console-gate").await;
    let folder = tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let shown = Shown::new("shop").at(address.clone());
    let site = Site::new(scope("/convoke").showing(&shown).allow(all).production(true).audit(&path)).await;
    let queues = site.get("/convoke/dead").await;
    let (_, link) = queues.text.split_once("href=\"/convoke/dead/").unwrap_or_else(|| panic!("{}", queues.text));
    let server = link.split(['?', '"']).next().unwrap();
    let place = format!("/convoke/dead/{server}/letters");

    let fields = [("queue", "orders"), ("do", "discard-all")];
    let asked = site.ask(sent(&place, &fields)).await;
    assert_eq!(asked.status, 428, "{asked:?}");
    assert!(asked.text.contains("discard-all") && asked.text.contains("orders"), "{}", asked.text);
    let server = Server::connect(&address).await.unwrap();
    assert_eq!(server.queue("orders").await.unwrap().dead, Some(2));
    assert!(!path.exists());

    let done = site.ask(sent(&place, &[fields[0], fields[1], ("gate", asked.field("gate").unwrap())])).await;
    assert_eq!(done.status, 303, "{done:?}");
    // What takes longer goes on behind the answer.
    let ended = |text: &str| text.matches("\"is\":\"noted\"").count() == 2 && text.contains("\"is\":\"done\"");
    let mut text = fs::read_to_string(&path).unwrap();
    while !ended(&text) {
        sleep(Duration::from_millis(5)).await;
        text = fs::read_to_string(&path).unwrap();
    }
    assert_eq!(server.queue("orders").await.unwrap().dead, Some(0));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() == 4 && lines.iter().all(|line| line["id"] == lines[0]["id"]), "{text}");
    assert_eq!(lines[0]["is"], "begun", "{text}");
    assert_eq!(lines[0]["what"]["route"], "POST /convoke/dead/{server}/letters", "{text}");
}
