//! How fast the command sends letters back, beside the library that it calls.

use std::fmt::Write as _;
use std::time::Instant;

use convoke::look::{Address, Server};
use convoke::transport::{DeadLetterRecord, DeadReason, Packet, Publisher, Sqlite, redrive};

use super::binary::done;
use crate::transports::servers::sqlite::Folder;

/// So many of a file die.
async fn died(file: &std::path::Path, most: usize) {
    let (orders, dead) =
        (Sqlite::queue("orders").at(file).await.unwrap(), Sqlite::queue("orders-dead").at(file).await.unwrap());
    orders.publish(&[Packet::new("first", "1")]).await.remove(0).unwrap();
    let letter = |number: usize| {
        let packet = Packet::new(format!("p{number}"), format!("{{\"number\":{number}}}"));
        let record = DeadLetterRecord::new("sqlite:orders", &packet, 3, DeadReason::Exhausted, vec!["no".to_owned()]);
        record.bury(packet, usize::MAX, usize::MAX)
    };
    let letters: Vec<Packet> = (0..most).map(letter).collect();
    for some in letters.chunks(1_000) {
        dead.publish(some).await.into_iter().for_each(|taken| taken.unwrap());
    }
}

/// Prints the rates side by side: by the command, by the library letter by letter, and by the library from queue to queue, ten at a time,
/// which may have a letter in both.
#[test]
fn a_redrive_of_many_by_the_command_and_by_the_library() {
    let most = if std::env::var_os("CONVOKE_FULL").is_some() { 10_000 } else { 500 };
    actix::System::new().block_on(async {
        let folder = Folder::new().unwrap();
        let file = |name: &str| folder.file(name);
        for name in ["command.db", "letters.db", "queues.db"] {
            died(&file(name), most).await;
        }
        let rate = |begun: Instant| most as f64 / begun.elapsed().as_secs_f64();

        let url = format!("sqlite:{}#orders", file("command.db").display());
        let begun = Instant::now();
        done(&["dead", "redrive", &url, "--all"]).await;
        let command = rate(begun);

        let address: Address = format!("sqlite:{}#orders", file("letters.db").display()).parse().unwrap();
        let begun = Instant::now();
        let server = Server::connect(&address).await.unwrap();
        let letters = server.letters("orders");
        let (mut after, mut count) = (None, 0);
        loop {
            let page = letters.page(after.as_ref(), 200).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for letter in page {
                assert!(letters.redrive(&letter.id).await.unwrap());
                count += 1;
            }
        }
        let by_letters = rate(begun);
        assert_eq!(count, most);

        let begun = Instant::now();
        let to = Sqlite::queue("orders").at(file("queues.db")).await.unwrap();
        let mut dead = Sqlite::queue("orders-dead").at(file("queues.db")).await.unwrap();
        assert_eq!(redrive(&mut dead, &to, most).await.unwrap().moved, most);
        let by_queues = rate(begun);

        let mut figure = String::new();
        for (name, library) in [("letter by letter", by_letters), ("from queue to queue", by_queues)] {
            let _ = write!(figure, "; {:.2} of the library {name} ({library:.0} a second)", command / library);
        }
        println!("figure: a redrive of {most} by the command: {command:.0} a second{figure}");
    });
}
