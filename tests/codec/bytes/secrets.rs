//! What is secret is in nothing that is shown.

use super::*;

#[track_caller]
fn hides(what: &(impl fmt::Debug + ?Sized)) {
    for text in [format!("{what:?}"), format!("{what:#?}")] {
        assert!(!text.contains(CANARY) && !text.contains(&base64(CANARY.as_bytes())), "{text}");
    }
}

/// An event of which everything is secret that may be.
fn secret() -> Envelope {
    let mut event = whole();
    event.metadata.contains_personal_data = true;
    event.metadata.authorization = format!("Bearer {CANARY}").into();
    event.payload = json!({ "mail": CANARY, CANARY: [CANARY] });
    event
}

struct Keeps;

impl Receipt for Keeps {
    fn settle(self: Box<Self>, _: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async { Ok(()) })
    }
}

#[test]
fn a_packet_and_its_delivery_show_neither_payload_nor_authorization() {
    for codec in codecs() {
        let mut packet = codec.write(&secret());
        packet.attributes.insert("mail", CANARY);
        packet.attributes.insert("mails", [CANARY]);
        hides(&packet);
        hides(&packet.attributes);
        hides(&codec::read(&packet, EnvelopeLimits::default()).unwrap());
        let record = DeadLetterRecord::new("sqs:orders", &packet, 1, DeadReason::Broken, Vec::new());
        hides(&record);
        let letter = record.bury(packet.clone(), 3, 100_000);
        hides(&letter);
        hides(&DeadLetterRecord::of(&letter).unwrap());
        let delivery = Delivery::new("sqs:orders", letter, 1, Keeps);
        hides(&delivery);
        hides(&delivery.record(DeadReason::Rejected, Vec::new()));
        hides(&Settlement::DeadLetter(delivery.record(DeadReason::Rejected, Vec::new())));
    }
}

#[test]
fn no_error_quotes_what_was_read() {
    let mut packets = Vec::new();
    for content_type in [None, Some(STRUCTURED), Some("application/json"), Some("application/cloudevents+hunter2")] {
        for body in [
            CANARY.to_owned(),
            format!("\"{CANARY}\""),
            format!("{{\"{CANARY}\": {CANARY}}}"),
            format!("{{\"metadata\": \"{CANARY}\"}}"),
            format!("{{\"metadata\": {{\"eventName\": [\"{CANARY}\"]}}}}"),
            format!("{{\"specversion\": \"{CANARY}\"}}"),
            format!("{{\"specversion\": [\"{CANARY}\"]}}"),
            format!("{{\"specversion\": \"1.0\", \"type\": [\"{CANARY}\"]}}"),
            format!("{{\"specversion\": \"1.0\", \"time\": \"{CANARY}\"}}"),
            format!("{{\"specversion\": \"1.0\", \"data_base64\": \"{CANARY}\"}}"),
            format!("{{\"specversion\": \"1.0\", \"data_base64\": [\"{CANARY}\"]}}"),
            format!("{{\"specversion\": \"1.0\", \"data\": \"{CANARY}\", \"data_base64\": \"{CANARY}\"}}"),
            format!("{{\"specversion\": \"1.0\", \"datacontenttype\": [\"{CANARY}\"], \"data_base64\": \"MQ==\"}}"),
            format!("{{\"specversion\": \"1.0\", \"data\": \"{CANARY}"),
            format!("{{\"specversion\": \"1.0\"}} {CANARY}"),
            format!("[\"{CANARY}\", {}]", nested(70)),
            format!("{{\"specversion\": \"1.0\", {}", format!("\"{CANARY}\": 1, ").repeat(70)),
        ] {
            packets.push(packet(&content_type.map(|kind| [("content-type", kind)]).unwrap_or([("a", "b")]), body));
        }
    }
    for attributes in [
        [("ce-specversion", CANARY), ("a", "b")],
        [("ce-specversion", "1.0"), ("ce-time", CANARY)],
        [("ce-specversion", "1.0"), ("content-type", "application/json")],
    ] {
        packets.push(packet(&attributes, CANARY));
    }
    let mut listed = packet(&[("ce-specversion", "1.0")], "1");
    listed.attributes.insert("ce-type", [CANARY]);
    packets.push(listed);
    let mut refused = 0;
    for packet in &packets {
        if let Err(error) = codec::read(packet, EnvelopeLimits::default()) {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            hides(&(error.to_string(), source, &error));
            refused += 1;
        }
    }
    // Of those that are read, the data are said to be text.
    assert!(refused >= packets.len() - 4, "{refused} of {}", packets.len());
    // Neither does what a transport says of a packet beyond its limits.
    let packet = CloudEvents::binary().write(&secret());
    let abilities = convoke::transport::Abilities::default();
    for (bytes, attributes) in [(10, usize::MAX), (usize::MAX, 3)] {
        let mut abilities = abilities;
        (abilities.max_bytes, abilities.max_attributes) = (bytes, attributes);
        let error = abilities.check("sqs:orders", &packet).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        hides(&(error.to_string(), &error));
    }
}

/// What our log targets write, line by line.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("convoke") {
            self.0.lock().unwrap().push(format!("{} {} {}", record.level(), record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "users/registered", entity_id = id, contains_personal_data)]
struct UserRegistered {
    id: u64,
    mail: String,
}

/// Personal events leave by a route in every form, fail in every way at a worker, and die.
#[test]
fn the_log_of_routes_and_workers_hides_it() {
    in_a_process_of_its_own("codec::bytes::secrets::the_log_of_routes_and_workers_hides_it", || {
        log::set_logger(&LINES).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        for codec in [CloudEvents::structured(), CloudEvents::binary()].map(Some).into_iter().chain([None]) {
            testing::run("the log hides it", async || {
                testing::expect_failure("UserRegistered");
                let queue = Memory::queue("users");
                let here = EventBus::builder().publisher("Users").build().with_authorization(CANARY);
                let there = EventBus::builder().publisher("Mails").build();
                let route = Route::new("Users/*", queue.clone()).retry(Retry::exponential(ms(1)).attempts(2));
                let route = route.attribute("mail", |_: &Envelope| Some(CANARY));
                let _out = match codec {
                    Some(codec) => route.codec(codec).open(&here).unwrap(),
                    None => route.open(&here).unwrap(),
                };
                let _hears = [
                    there.on((|user: &UserRegistered| if user.id == 1 { Err("no") } else { Ok(()) }).named("fails")),
                    there.on((|user: &UserRegistered| assert!(user.id != 2, "oh")).named("panics")),
                    there.on(async |user: std::sync::Arc<UserRegistered>| match user.id {
                        3 => Err(Permanent::new("never")),
                        4 => {
                            sleep(ms(100)).await;
                            Ok(())
                        }
                        _ => Ok(()),
                    }),
                ]
                .map(Result::unwrap);

                let retry = Retry::exponential(ms(1)).attempts(2);
                let worker = Worker::new(queue.clone(), &there).retry(retry).timeout(ms(10));
                let worker = worker.start().await.unwrap();
                let user = |id| UserRegistered { id, mail: CANARY.to_owned() };
                for id in 0..5 {
                    here.emit(user(id)).await.ok().unwrap();
                }
                queue.set_reachable(false);
                assert!(!here.emit(user(5)).await.is_ok());
                queue.set_reachable(true);
                // What does not fit, is unknown, or is broken.
                let mut odd = secret();
                odd.metadata.event = "UserRegistered".into();
                let mut unknown = secret();
                unknown.metadata.topic = "users/unknown".into();
                let mut packets = vec![Wire.write(&odd), Wire.write(&unknown), Packet::new("7", CANARY)];
                packets.push(packet(&[("content-type", STRUCTURED), ("mail", CANARY)], format!("[\"{CANARY}\"]")));
                packets.push(packet(&[("ce-specversion", "1.0"), ("ce-time", CANARY)], CANARY));
                for taken in queue.publish(&packets).await {
                    taken.unwrap();
                }
                while queue.waiting() + queue.lent() > 0 {
                    sleep(ms(10)).await;
                }
                let report = worker.drain().await.unwrap();
                hides(&report);
                assert_eq!((report.done, report.dead), (1, 9), "{report:?}");
                let letters = queue.dead_letters().packets();
                assert_eq!(letters.len(), 9);
                for letter in &letters {
                    hides(letter);
                    hides(&DeadLetterRecord::of(letter).unwrap());
                }
                hides(&queue);
            });
        }
        let lines = LINES.0.lock().unwrap();
        let expected = [
            "`fails` failed: no",
            "panicked: oh",
            "never",
            "were not done",
            "no attempt is left",
            "it failed for good",
            "nobody knows the event",
            "it is no event",
            "is no JSON from line 1, column 1 on",
            "tried again",
        ];
        for expected in expected {
            assert!(lines.iter().any(|line| line.contains(expected)), "nothing of `{expected}`: {lines:#?}");
        }
        for line in &*lines {
            assert!(!line.contains(CANARY), "{line}");
        }
    });
}
