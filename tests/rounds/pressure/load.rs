//! A million rounds leave nothing behind, and what a hundred thousand open ones cost. Each in a process of its own, so
//! that its memory is its own.

use convoke::prelude::*;
use convoke::testing;

use crate::common::{SECOND, in_a_process_of_its_own, join_all, ms, settled, sleep};

const MIB: usize = 1 << 20;

/// The resident memory of this process in bytes, where the system tells.
fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    // The second field counts pages; of 4 KiB on every system whose pages these tests have met.
    statm.split(' ').nth(1)?.parse::<usize>().ok().map(|pages| pages * 4096)
}

/// Rounds of every kind: asked and by themselves, with a key and without, resolved, vetoed, timed out, each consumed.
async fn rounds(broker: &actix::Addr<Broker<u64>>, [one, two]: [&EmitterHandle<u64>; 2], count: u64) {
    for number in 0..count {
        let outcome = match number % 16 {
            0..8 => {
                two.do_emit(number).unwrap();
                one.emit(number).await
            }
            8..14 => {
                two.do_emit_for(number, number).unwrap();
                one.emit_for(number, number).await
            }
            14 => {
                one.do_emit(number).unwrap();
                two.veto("no").await
            }
            _ => one.emit_for("nobody else", number).await,
        };
        assert_eq!(outcome.unwrap().is_resolved(), number % 16 < 14);
    }
    assert_eq!(broker.inspect().await.unwrap().open_count, 0);
}

async fn a_million_rounds() {
    const WARM_UP: u64 = 100_000;
    const ROUNDS: u64 = 1_000_000;
    let broker = Broker::new(SECOND).late_window(ms(0)).start();
    let asked = Emitter::new("asked").on_summons(|pledge| pledge.keep(0));
    let asked = Emitter::join(&broker, asked).await.unwrap();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let sync = Consumer::join(&broker, |_: Outcome<u64>| ()).await.unwrap();
    let later = Consumer::join(&broker, async |_: Outcome<u64>| tokio::task::yield_now().await).await.unwrap();

    rounds(&broker, [&one, &two], WARM_UP).await;
    let before = resident();
    rounds(&broker, [&one, &two], ROUNDS).await;
    settled().await;
    match before.zip(resident()) {
        Some((before, after)) => {
            let grown = after.saturating_sub(before);
            println!("figure: {ROUNDS} rounds, resident memory {} KiB, grown by {} KiB", after >> 10, grown >> 10);
            assert!(grown < 16 * MIB, "{grown} bytes");
        }
        None => println!("figure: memory not measured: this system has no /proc/self/statm"),
    }
    assert_eq!(testing::live_count(), 6, "the broker, three emitters, two consumers: {:?}", testing::alive());
    drop((broker, asked, one, two, sync, later));
    settled().await;
    assert_eq!(testing::live_count(), 0);
}

async fn a_hundred_thousand_open_rounds() {
    const ROUNDS: u32 = 100_000;
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    settled().await;
    let before = resident();
    for key in 0..ROUNDS {
        one.do_emit_for(key, u64::from(key)).unwrap();
        if key % 1_000 == 0 {
            settled().await;
        }
    }
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().open_count, ROUNDS as usize);
    assert_eq!(testing::live_count(), ROUNDS as usize + 3);
    match before.zip(resident()) {
        Some((before, after)) => {
            let each = after.saturating_sub(before) / ROUNDS as usize;
            println!("figure: {ROUNDS} rounds of two emitters open at once, {each} bytes per open round");
            assert!(each < 4096, "{each} bytes");
        }
        None => println!("figure: memory not measured: this system has no /proc/self/statm"),
    }
    // Half of them are completed, and the other half runs into its deadline, all at once.
    for key in (0..ROUNDS).step_by(2) {
        two.do_emit_for(key, 0).unwrap();
    }
    sleep(SECOND).await;
    settled().await;
    let snapshot = broker.inspect().await.unwrap();
    assert_eq!((snapshot.open_count, snapshot.resolved, snapshot.cancelled), (0, 50_000, 50_000));
    assert_eq!(testing::live_count(), 3);
    drop((broker, one, two));
    settled().await;
    assert_eq!(testing::live_count(), 0);
}

#[test]
fn a_million_rounds_leave_no_actor_and_no_memory_behind() {
    in_a_process_of_its_own("rounds::pressure::load::a_million_rounds_leave_no_actor_and_no_memory_behind", || {
        testing::run("a million rounds", a_million_rounds);
    });
}

#[test]
fn a_hundred_thousand_rounds_may_be_open_at_once() {
    in_a_process_of_its_own("rounds::pressure::load::a_hundred_thousand_rounds_may_be_open_at_once", || {
        testing::run("a hundred thousand open rounds", a_hundred_thousand_open_rounds);
    });
}
