//! A user registers: a log is written, a mail is sent, a cache is warmed. One of them fails, and stops no other.
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use actix::clock::sleep;
use convoke::prelude::*;
use serde::{Deserialize, Serialize};
use std::{error::Error, io, sync::Arc, time::Duration};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "users/registered")]
struct UserRegistered {
    email: String,
}

trait Log: Send + Sync {
    fn write(&self, line: &str);
}
trait Mail: Send + Sync {
    fn send(&self, to: &str, text: &str);
}

/// Stands for both here: the terminal.
struct Term;
impl Log for Term {
    fn write(&self, line: &str) {
        println!("log:  {line}");
    }
}
impl Mail for Term {
    fn send(&self, to: &str, text: &str) {
        println!("mail: {text}, {to}");
    }
}

fn write_log(user: &UserRegistered, log: Inject<dyn Log>) {
    log.write(&format!("{} has registered", user.email));
}
async fn send_welcome(user: Arc<UserRegistered>, mail: Inject<dyn Mail>) {
    sleep(Duration::from_millis(300)).await;
    mail.send(&user.email, "welcome");
}
async fn warm_cache(_: Arc<UserRegistered>) -> io::Result<()> {
    sleep(Duration::from_millis(200)).await;
    Err(io::Error::other("no connection"))
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tokio::time::pause(); // time is virtual, so that the bars below are the same each time
    let bus = EventBus::builder().provide_as::<dyn Log>(Arc::new(Term)).provide_as::<dyn Mail>(Arc::new(Term)).build();
    let _guards = [bus.on(write_log)?, bus.on(send_welcome)?, bus.on(warm_cache)?];
    let report = bus.emit(UserRegistered { email: "ada@example.org".into() }).timed().await;
    println!("\n{:<36}0 ms    100     200     300", report.event());
    for result in report.iter() {
        let end = result.took.unwrap_or_default().as_millis() as usize * 8 / 100 + 1;
        println!("{:<36}{:━>end$}", result.to_string(), "●");
    }
    Ok(())
}
