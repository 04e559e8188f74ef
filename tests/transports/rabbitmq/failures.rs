//! What cannot be reached, and what comes back.

use super::*;

#[tokio::test]
async fn what_cannot_be_reached_says_why_and_never_the_password() {
    const CANARY: &str = "canary-pa55word";
    listen();
    let server = server().await;
    let address = server.url().rsplit('@').next().unwrap().split('/').next().unwrap().to_owned();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = nobody.local_addr().unwrap();
    drop(nobody);
    let good = server.url().trim_end_matches("/%2f");
    let cases = [
        (format!("amqp://guest:{CANARY}@{address}"), ErrorKind::Denied),
        (format!("{good}/no-such-vhost?{CANARY}"), ErrorKind::Denied),
        (format!("amqp://guest:{CANARY}@{closed}"), ErrorKind::Unreachable),
        (format!("amqp://guest:{CANARY}@no.such.host.invalid"), ErrorKind::Unreachable),
        (format!("http://guest:{CANARY}@{address}"), ErrorKind::Refused),
        (format!("amqp://guest:{CANARY}@[::1]:5672"), ErrorKind::Refused),
        (format!("amqp:guest:{CANARY}"), ErrorKind::Refused),
        (CANARY.to_owned(), ErrorKind::Refused),
    ];
    for (url, kind) in cases {
        let builder = RabbitMq::queue("orders").at(&url);
        let shown = format!("{builder:?}");
        let error = builder.deadline(LONG).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let exchange = RabbitMq::exchange("events").at(&url);
        let shown = format!("{shown} {exchange:?} {error} {error:?}");
        let shown = format!("{shown} {}", exchange.await.unwrap_err());
        assert!(!shown.contains(CANARY), "{shown}");
    }
    let mut orders = queue(server, &fresh("secret")).await.unwrap();
    let mut secret = Packet::new("id", CANARY);
    secret.attributes.insert("secret", CANARY);
    publish(&orders, &[secret]).await;
    let delivery = next(&mut orders).await;
    let shown = format!("{orders:?} {delivery:?} {}", Source::name(&orders));
    assert!(!shown.contains(CANARY) && !shown.contains("guest"), "{shown}");
    delivery.ack().await.unwrap();
    let error = RabbitMq::queue(fresh("missing")).at(server.url()).deadline(LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().contains("create_if_missing"), "{error}");
    let error = RabbitMq::exchange(fresh("missing")).at(server.url()).deadline(LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    for name in [String::new(), "x".repeat(231)] {
        let error = RabbitMq::queue(name).at(server.url()).create_if_missing().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
    let log = logged();
    assert!(!log.contains(CANARY), "{log}");
}

#[test]
fn a_handle_outlives_the_runtime_it_was_made_in() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (server, orders) = first.block_on(async {
        let server = RabbitMqServer::start().await.unwrap();
        let mut orders = queue(&server, &fresh("moved")).await.unwrap();
        publish(&orders, &packets(3)).await;
        next(&mut orders).await.ack().await.unwrap();
        (server, orders)
    });
    drop(first);
    runtime().block_on(async {
        let mut orders = orders;
        until(async || orders.publish(&packets(1)).await.remove(0).is_ok()).await;
        drain(&mut orders, 3).await;
        drop(server);
    });
}

/// A server of its own: what happens to it here would disturb the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_and_comes_back_is_found_again() {
    let server = match RabbitMqServer::own().await {
        Ok(server) => server,
        Err(missing) if std::env::var_os(crate::transports::servers::rabbitmq::URL).is_some() => {
            return println!("skipped: {missing}");
        }
        Err(missing) => panic!("{missing}"),
    };
    let orders = queue(&server, "orders").deadline(Duration::from_secs(10)).await.unwrap();
    let mut worker = orders.clone();
    publish(&orders, &packets(10)).await;
    worker.open(5).await.unwrap();
    let lent = next(&mut worker).await;

    // The server ends the connections.
    server.control(&["close_all_connections", "for a test"]).await;
    let id = lent.packet().id.clone();
    until(async || worker.receive(10).await.is_ok_and(|found| found.iter().any(|again| again.packet().id == id))).await;
    assert_eq!(lent.ack().await.unwrap_err().kind(), ErrorKind::Lost);
    until(async || orders.publish(&packets(1)).await.remove(0).is_ok()).await;
    drain(&mut worker, 10).await;

    // It has no memory left: publishing says so, and acknowledging goes on.
    publish(&orders, &packets(3)).await;
    let lent = next(&mut worker).await;
    server.control(&["set_vm_memory_high_watermark", "0"]).await;
    until(async || {
        let error = orders.publish(&packets(1)).await.remove(0).err();
        error.is_some_and(|error| error.kind() == ErrorKind::Unreachable && error.to_string().contains("memory"))
    })
    .await;
    lent.ack().await.unwrap();
    server.control(&["set_vm_memory_high_watermark", "absolute", "512MB"]).await;
    until(async || orders.publish(&packets(1)).await.remove(0).is_ok()).await;
    drop(worker);

    // It is killed under load, five times.
    let quick = queue(&server, "load").deadline(Duration::from_secs(5)).await.unwrap();
    let ours = server.ours().unwrap();
    let confirmed = Arc::new(Mutex::new(BTreeSet::new()));
    let publishing = tokio::spawn({
        let (load, confirmed) = (quick.clone(), confirmed.clone());
        async move {
            for n in 0_usize.. {
                let batch: Vec<_> = (0..20).map(|at| Packet::new(format!("{n}-{at}"), vec![7; 100])).collect();
                let taken = load.publish(&batch).await;
                for (packet, taken) in batch.into_iter().zip(taken) {
                    match taken {
                        Ok(()) => drop(confirmed.lock().unwrap().insert(packet.id)),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}"),
                    }
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let worked = Arc::new(Mutex::new(BTreeSet::new()));
    let working = tokio::spawn({
        let (mut load, worked) = (quick.clone(), worked.clone());
        async move {
            for turn in 0_usize.. {
                match load.receive(50).await {
                    Ok(found) => {
                        for (at, delivery) in found.into_iter().enumerate() {
                            let id = delivery.packet().id.clone();
                            // Some go by a delay queue: they must not be lost there.
                            let retry = delivery.attempt() == 1 && (turn + at) % 4 == 0;
                            let settled = match retry {
                                true => delivery.retry_after(Duration::from_millis(400)).await,
                                false => delivery.ack().await,
                            };
                            if settled.is_ok() && !retry {
                                worked.lock().unwrap().insert(id);
                            }
                        }
                    }
                    Err(error) => {
                        assert!(matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Missing), "{error}");
                        sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        }
    });
    for round in 0..5 {
        let before = confirmed.lock().unwrap().len();
        until(async || confirmed.lock().unwrap().len() > before + 100).await;
        ours.kill().await;
        let failed = orders.publish(&packets(1)).await.remove(0).unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Unreachable, "round {round}");
        ours.start().await;
    }
    let before = confirmed.lock().unwrap().len();
    until(async || confirmed.lock().unwrap().len() > before + 100).await;
    publishing.abort();
    let left = async || confirmed.lock().unwrap().difference(&worked.lock().unwrap()).count();
    let deadline = Instant::now() + LONG;
    while left().await > 0 && Instant::now() < deadline {
        assert!(!working.is_finished(), "the worker has failed");
        sleep(Duration::from_millis(100)).await;
    }
    let lost: Vec<_> = confirmed.lock().unwrap().difference(&worked.lock().unwrap()).cloned().collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), confirmed.lock().unwrap().len());
    working.abort();
    println!("figure: {} confirmed messages of RabbitMQ over 5 kills, none lost", confirmed.lock().unwrap().len());
}
