//! Keys, ids and fields that are no UTF-8, as other programs write them: what dies of them, and comes back, is what it was.

use convoke::look::{Address, Server};

use super::*;

/// The entries of a stream, each with its fields in an order of its own.
async fn entries(server: &RedisServer, stream: &str) -> Vec<BTreeMap<Vec<u8>, Vec<u8>>> {
    let Value::Array(all) = ask(server, &["XRANGE", stream, "-", "+"]).await else { panic!("no entries") };
    let bytes = |value: Value| match value {
        Value::BulkString(bytes) => bytes,
        other => panic!("{other:?}"),
    };
    let fields = |entry: Value| match entry {
        Value::Array(mut parts) => match parts.pop() {
            Some(Value::Array(fields)) => fields,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let mut entries = Vec::new();
    for entry in all {
        let mut fields = fields(entry).into_iter();
        let mut entry = BTreeMap::new();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            assert!(entry.insert(bytes(name), bytes(value)).is_none(), "a field stands there twice");
        }
        entries.push(entry);
    }
    entries
}

#[tokio::test]
async fn what_is_no_text_dies_and_comes_back_byte_by_byte() {
    let server = server().await;
    let mut orders = orders(&server).await.unwrap();
    orders.open(10).await.unwrap();
    let pairs: [(&[u8], &[u8]); 7] = [
        (b"id", b"\xff\xfe7"),
        (b"key", b"\xfa\x00"),
        (b"topic", b"orders/\xc3"),
        (b"body", b"\x80"),
        (b"kind\xf0", b"one"),
        (b"kind\xf1", b"two"),
        (b"kind", b"\xe9"),
    ];
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut add = cmd("XADD");
    add.arg("orders").arg("*");
    for (name, value) in pairs {
        add.arg(name).arg(value);
    }
    let _: Value = add.query_async(&mut connection).await.unwrap();
    let was: BTreeMap<Vec<u8>, Vec<u8>> = pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();

    // By a worker, which writes down why.
    next(&mut orders).await.dead_letter(DeadReason::Permanent, vec!["no".to_owned()]).await.unwrap();
    let mut dead = entries(&server, "orders-dead").await.remove(0);
    assert!(dead.remove(&b"s:convokeDeadLetter"[..]).is_some(), "{dead:?}");
    assert_eq!(dead, was);

    // By whoever looks.
    let address: Address = format!("{}#orders", server.url()).parse().unwrap();
    let letters = Server::connect(&address).await.unwrap().letters("orders");
    let letter = letters.page(None, 10).await.unwrap().remove(0);
    assert!(letters.redrive(&letter.id).await.unwrap());
    assert_eq!(entries(&server, "orders").await.pop(), Some(was));
    assert!(entries(&server, "orders-dead").await.is_empty());
    orders.close().await.unwrap();
}
