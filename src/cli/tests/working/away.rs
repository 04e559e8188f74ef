//! Servers that go away, hang, or are no servers; and readers that have read enough.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};

use convoke::transport::DeadReason;
use tempfile::tempdir;

use crate::common::{convoke, done, refused};
use crate::filled::{dead, fill, order, publish, waiting, with};

/// Every server that is reached by a socket.
const URLS: [&str; 4] = [
    "postgres://ada:geheim@127.0.0.1:PORT/shop#orders",
    "redis://:geheim@127.0.0.1:PORT#orders",
    "amqp://ada:geheim@127.0.0.1:PORT#orders",
    "http://127.0.0.1:PORT#orders",
];

/// As the environment of who has SQS.
fn run(line: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(line.split(' '))
        .env("AWS_ACCESS_KEY_ID", "000000000001")
        .env("AWS_SECRET_ACCESS_KEY", "geheim")
        .env("AWS_REGION", "us-east-1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// It accepts, and says nothing.
#[test]
fn a_server_that_hangs_is_an_error_within_its_patience() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        let held: Vec<_> = server.incoming().collect();
        drop(held);
    });
    for url in URLS {
        let url = url.replace("PORT", &port);
        for command in ["stats", "dead list", "dead redrive --all"] {
            let (code, said) = run(&format!("{command} {url} --patience 1"));
            assert_eq!(code, Some(1), "{command} {url}: {said}");
            assert!(said.starts_with("error: ") && !said.contains("geheim"), "{said}");
        }
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error_without_a_password() {
    // Bound and not listened on: nobody else takes it meanwhile.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port().to_string();
    for url in URLS {
        let url = url.replace("PORT", &port);
        let (code, said) = run(&format!("stats {url} --patience 5"));
        assert_eq!(code, Some(1), "{url}: {said}");
        assert!(said.starts_with("error: ") && !said.contains("geheim"), "{said}");
    }
    for url in
        ["postgres://ada:geheim@", "redis://:geheim@:x", "amqp://ada:geheim@[", "sqs://key:geheim@", "ftp://a:geheim@b"]
    {
        let (code, said) = run(&format!("stats {url} --patience 1"));
        assert!(matches!(code, Some(1 | 2)), "{url}: {code:?} {said}");
        assert!(!said.contains("geheim"), "{said}");
    }
}

/// A server that speaks, and whose words are to steer the terminal.
#[test]
fn nothing_that_a_server_says_steers_the_terminal() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 64]);
                let _ = stream.write_all(b"-ERR \x1b[31mred\x1b]0;title\x07\x9b2J\r\n");
                let _ = stream.read(&mut [0; 4096]);
            });
        }
    });
    for url in URLS {
        let url = url.replace("PORT", &port);
        let (code, said) = run(&format!("stats {url} --patience 2"));
        assert_eq!(code, Some(1), "{url}: {said}");
        assert!(!said.chars().any(|letter| letter.is_control() && letter != '\n'), "{said:?}");
    }
}

/// As `head -1` does; the list ends there, well.
#[test]
fn a_reader_that_has_read_enough_ends_a_list_and_no_redrive() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let letters: Vec<_> = (0..3_000).map(|n| dead(&order(n, "ada"), 1, 1, DeadReason::Permanent, &["no"])).collect();
    with(async || {
        publish(&file, "orders", &[order(9_999, "ada")]).await;
        publish(&file, "orders-dead", &letters).await;
    });
    for line in ["dead list sqlite:shop.db#orders", "dead list sqlite:shop.db#orders --json"] {
        let mut process = Command::new(env!("CARGO_BIN_EXE_convoke"))
            .args(line.split(' '))
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        let ended = process.wait_with_output().unwrap();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{line}: {ended:?}");
    }
    let mut process = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(["dead", "redrive", "sqlite:shop.db#orders", "--all"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(process.stdout.take());
    assert!(process.wait().unwrap().success());
    assert_eq!(waiting(&file, "orders").len(), 3_001);
}

/// A file that is not there is not made, and one that is no database says so.
#[test]
fn to_look_makes_nothing() {
    let folder = tempdir().unwrap();
    refused(folder.path(), "stats sqlite:none.db", 1);
    refused(folder.path(), "dead redrive sqlite:none.db#orders --all", 1);
    refused(folder.path(), "publish sqlite:none.db#orders OrderPlaced --json 7", 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    std::fs::write(folder.path().join("text.db"), "no database at all, but text").unwrap();
    refused(folder.path(), "stats sqlite:text.db", 1);
    fill(folder.path());
    refused(folder.path(), "publish sqlite:shop.db#order OrderPlaced --json 7", 1);
    let said = done(folder.path(), "stats sqlite:shop.db");
    assert!(!said.contains("order "), "{said}");
    let output = convoke(folder.path(), ["stats", "sqlite:shop.db#order"]);
    assert_eq!(output.status.code(), Some(1));
}

/// A folder, a pipe and a device are named for what they are, and not waited for.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_said_to_be_none() {
    let folder = tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shop")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    for command in [
        "stats sqlite:PATH",
        "doctor sqlite:PATH",
        "dead list sqlite:PATH#orders",
        "tasks list sqlite:PATH",
        "publish sqlite:PATH#orders OrderPlaced --json 7 --create",
    ] {
        for (path, why) in [("shop", "it is a folder"), ("pipe", "a pipe"), ("/dev/null", "a device")] {
            let said = refused(folder.path(), &command.replace("PATH", path), 1);
            assert!(said.contains(why) && said.contains("name a file"), "{command} {path}: {said}");
        }
    }
}

/// A slip would look as if it had been heeded.
#[test]
fn an_option_that_nobody_knows_is_an_error_that_names_those_there_are() {
    let folder = tempdir().unwrap();
    for (url, known) in [
        ("postgres://u:geheim@127.0.0.1:1/shop?shema=a#orders", "`schema`"),
        ("postgres://u:geheim@127.0.0.1:1/shop?sslmode=require&sslmode=disable#orders", "twice"),
        ("redis://:geheim@127.0.0.1:1?db=3#orders", "`prefix`"),
        ("amqp://u:geheim@127.0.0.1:1?heart=5#orders", "`heartbeat`"),
        ("http://u:geheim@127.0.0.1:1?region=x#orders", "no options"),
    ] {
        let said = refused(folder.path(), &format!("stats {url}"), 2);
        assert!(said.contains(known) && !said.contains("geheim"), "{url}: {said}");
    }
}

#[test]
fn a_topic_is_not_published_to_and_it_says_what_to_do() {
    let folder = tempdir().unwrap();
    fill(folder.path());
    for line in ["publish sns:#orders OrderPlaced --json 7", "replay sqlite:shop.db orders --into sns:#orders"] {
        let said = refused(folder.path(), line, 1);
        assert!(
            said.contains("a topic of SNS") && said.contains("sqs:#orders") && said.contains("Sns::topic"),
            "{said}"
        );
        assert!(!said.contains("--create"), "{said}");
    }
}

#[test]
fn a_url_in_the_place_of_something_else_is_not_quoted() {
    let folder = tempdir().unwrap();
    for line in [
        "stats -c postgres://u:geheim@h/x",
        "stats --json -c redis://:geheim@h",
        "dead show sqlite:shop.db#orders redis://u:geheim@h",
        "replay sqlite:shop.db orders --into jdbc:postgresql://u:geheim@h/x",
        "replay sqlite:shop.db orders --into u:geheim@h",
        "doctor --patience 1 redis://u:geheim",
        "doctor --patience 1 postgres://u:geheim/x",
    ] {
        let output = convoke(folder.path(), line.split(' '));
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!output.status.success() && !said.is_empty() && !said.contains("geheim"), "{line}: {said}");
    }
}
