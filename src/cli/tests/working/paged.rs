//! Many letters are read page by page, and none is held.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use convoke::transport::DeadReason;
use tempfile::tempdir;

use crate::filled::{dead, order, publish, with};

/// Kilobytes that a process has had at most, until now.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Lists these letters; returns how much memory that took when nearly all were listed.
fn listed(folder: &Path, letters: u64) -> u64 {
    let file = format!("{letters}.db");
    with(async || {
        publish(&folder.join(&file), "orders", &[order(letters, "nobody")]).await;
        for first in (0..letters).step_by(1_000) {
            let some: Vec<_> = (first..first + 1_000)
                .map(|number| dead(&order(number, "ada"), 1, 1, DeadReason::Permanent, &["no such book"]))
                .collect();
            publish(&folder.join(&file), "orders-dead", &some).await;
        }
    });
    let mut process = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(["dead", "list", &format!("sqlite:{file}#orders"), "--json"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut ids, mut most) = (BTreeSet::new(), 0);
    for (at, line) in BufReader::new(process.stdout.take().unwrap()).lines().enumerate() {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        ids.insert(line["id"].as_str().unwrap().to_owned());
        // Its last page does not fit into a pipe: it waits for us.
        if at as u64 == letters - 450 {
            most = peak(process.id());
        }
    }
    assert!(process.wait().unwrap().success());
    assert_eq!(ids.len() as u64, letters);
    most
}

#[test]
fn a_list_of_many_takes_no_more_memory_than_one_of_few() {
    let folder = tempdir().unwrap();
    let (few, many) = (listed(folder.path(), 5_000), listed(folder.path(), 20_000));
    println!("figure: {few} KiB to list 5,000 dead letters, {many} KiB to list 20,000");
    // Each is at least half a kilobyte; a file that is larger is more in the cache of SQLite.
    assert!(many < few + 6_000, "{few} KiB and {many} KiB");
}
