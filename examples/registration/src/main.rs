//! The whole flow, of which `kill -9` at any moment changes nothing in what comes out:
//!
//! ```text
//! POST /users ─▶ a user and a job, in one transaction ─▶ the user is loaded, and registered ─▶ UserRegistered | UserRegistrationFailed
//!            ─▶ the outbox ─▶ SNS ─▶ SQS, or a queue in the database ─▶ a subscriber writes a letter
//! ```
//!
//! ```console
//! $ cargo run -p convoke-example-registration           # or with PORT=9000 and DATABASE=users.db
//! listening on http://127.0.0.1:8080
//! $ curl -d '{"name": "Ada"}' -H 'content-type: application/json' http://127.0.0.1:8080/users
//! $ curl -d '{"name": "root"}' -H 'content-type: application/json' http://127.0.0.1:8080/users    # is taken
//! $ curl http://127.0.0.1:8080/letters                  # one for each
//! $ pkill -9 convoke-example; cargo run -p convoke-example-registration
//! ```
//!
//! Over SNS to SQS: `EVENTS=http://127.0.0.1:4566 cargo run -p convoke-example-registration --features aws`, with what stands in for
//! them at that address (`examples/filter.rs` says how it is started), or `EVENTS=aws` with the credentials and the region of the environment.
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, Json};
use actix_web::{App, HttpResponse, HttpServer, get, post};
use convoke::prelude::*;
use convoke::transport::{Sqlite, SqliteDatabase, SqliteInbox};
use convoke::{Fault, Instance, Outbox, Repository, TaskQueue, Tasks, Tx};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

/// After so long without a sign of life, another process takes what one had. The default is longer: here you wait for it.
const LEASE: Duration = Duration::from_secs(3);

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 5, timeout = "30s", instance(id: User), delete_on_failure, fails = UserRegistrationFailed)]
struct RegisterUser {
    id: i64,
}

#[derive(Event, Serialize, Deserialize)]
struct UserRegistered {
    id: i64,
    name: String,
}

#[derive(Event, Serialize, Deserialize)]
struct UserRegistrationFailed {
    id: i64,
    detail: String,
}

#[derive(Serialize, Deserialize)]
struct User {
    name: String,
}

async fn find(id: i64, on: &mut SqliteConnection) -> sqlx::Result<Option<User>> {
    let name = sqlx::query_scalar("SELECT name FROM users WHERE id = ?1").bind(id).fetch_optional(on).await?;
    Ok(name.map(|name| User { name }))
}

async fn delete(id: i64, on: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM users WHERE id = ?1").bind(id).execute(on).await.map(drop)
}

/// The user and his job are both there, or neither.
async fn sign_up(user: User, db: &SqliteDatabase, tasks: &TaskQueue<SqliteDatabase>) -> Result<i64, Failure> {
    let mut tx = db.begin().await?;
    let row = sqlx::query("INSERT INTO users (name) VALUES (?1)").bind(user.name).execute(&mut *tx).await?;
    let id = row.last_insert_rowid();
    let _job = tasks.enqueue(RegisterUser { id }).within(&mut tx).await?;
    tx.commit().await?;
    Ok(id)
}

/// What the handlers share.
type Users = (SqliteDatabase, TaskQueue<SqliteDatabase>);

#[post("/users")]
async fn accept(user: Json<User>, app: Data<Users>) -> HttpResponse {
    match sign_up(user.into_inner(), &app.0, &app.1).await {
        Ok(id) => HttpResponse::Accepted().json(id),
        Err(error) => HttpResponse::ServiceUnavailable().body(error.to_string()),
    }
}

/// What it writes, the end of the job and its event are one transaction. If it fails, the user goes with the event that says so.
async fn register(
    task: Arc<RegisterUser>,
    user: Instance<User>,
    mut tx: Tx<SqliteDatabase>,
) -> Result<UserRegistered, Fault> {
    if user.name == "root" {
        return Err(Fault::new("the name is taken").code("name_taken").permanent());
    }
    let count = sqlx::query("UPDATE users SET registered = registered + 1 WHERE id = ?1").bind(task.id);
    count.execute(&mut *tx.begin().await?).await?;
    Ok(UserRegistered { id: task.id, name: user.into_inner().name })
}

/// What a subscriber has, in this process or in another.
struct Letters {
    db: SqliteDatabase,
    inbox: SqliteInbox,
}

impl Letters {
    /// However often an event comes, there is one letter: it and the mark of its event are one transaction.
    async fn write(&self, event: &Metadata, user: i64, text: String) -> Handled {
        let mut tx = self.db.begin().await?;
        if self.inbox.mark_in(&mut tx, &event.identity()).await? {
            let insert = sqlx::query("INSERT INTO letters (user, text) VALUES (?1, ?2)").bind(user).bind(&text);
            insert.execute(&mut *tx).await?;
            println!("{text}");
        }
        Ok(tx.commit().await?)
    }
}

async fn welcome(user: Arc<UserRegistered>, event: Metadata, letters: Inject<Letters>) -> Handled {
    letters.write(&event, user.id, format!("welcome, {}", user.name)).await
}

async fn regret(user: Arc<UserRegistrationFailed>, event: Metadata, letters: Inject<Letters>) -> Handled {
    letters.write(&event, user.id, format!("sorry, {}", user.detail)).await
}

/// What has come out: the letters, and how often each user is registered.
#[get("/letters")]
async fn came_out(app: Data<Users>) -> HttpResponse {
    let all = "SELECT user, text, (SELECT registered FROM users WHERE id = user) FROM letters ORDER BY user";
    match sqlx::query_as::<_, (i64, String, Option<i64>)>(all).fetch_all(app.0.pool()).await {
        Ok(letters) => HttpResponse::Ok().json(letters),
        Err(error) => HttpResponse::ServiceUnavailable().body(error.to_string()),
    }
}

/// What hands events to subscribers, and the worker of one.
#[cfg(feature = "aws")]
async fn over_aws(at: &str, outbox: &Outbox<SqliteDatabase>, bus: &EventBus) -> Result<Services, Box<dyn Error>> {
    use convoke::transport::{Sns, Sqs};

    let (mut topic, mut queue) = (Sns::topic("users"), Sqs::queue("letters").dead_letter_queue("letters-dead"));
    if at != "aws" {
        (topic, queue) = (topic.endpoint(at), queue.endpoint(at));
    }
    let (topic, queue) = (topic.create_if_missing().await?, queue.create_if_missing().await?);
    topic.subscribe(&queue).await?;
    Ok(Services::new(bus).add(outbox.relay(Route::new("Users/*", topic))).add(Worker::new(queue, bus)))
}

#[cfg(not(feature = "aws"))]
async fn over_aws(_: &str, _: &Outbox<SqliteDatabase>, _: &EventBus) -> Result<Services, Box<dyn Error>> {
    Err("EVENTS is for SNS and SQS: build it with `--features aws`".into())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let mut signal = shutdown_signal();
    let file = env::var_os("DATABASE").map_or_else(|| env::temp_dir().join("convoke-users.db"), Into::into);
    let db = Sqlite::open(file).await?;
    // A number is not given again when its user was deleted.
    let tables =
        "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, registered INT DEFAULT 0);
        CREATE TABLE IF NOT EXISTS letters (user INT, text TEXT)";
    sqlx::raw_sql(tables).execute(db.pool()).await?;

    let bus = EventBus::builder()
        .provide(Repository::new(find).deletes(delete))
        .provide(Letters { db: db.clone(), inbox: db.inbox("letters").await? })
        .build();
    let (_welcome, _regret) = (bus.on(welcome)?, bus.on(regret)?);
    let outbox = db.outbox("Users").await?;
    let services = match env::var("EVENTS") {
        Ok(at) => over_aws(&at, &outbox, &bus).await?,
        Err(_) => {
            let queue = db.queue("letters").lease(LEASE).await?;
            let relay = outbox.relay(Route::new("Users/*", queue.clone()));
            Services::new(&bus).add(relay).add(Worker::new(queue, &bus))
        }
    };
    let tasks = Tasks::new(&db, &bus).outbox(&outbox).lease(LEASE).on(register)?;
    let services = services.add(tasks).await?;

    let app = Data::new((db.clone(), db.tasks().await?));
    let server = HttpServer::new(move || App::new().app_data(app.clone()).service((accept, came_out)));
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let server = server.bind(("127.0.0.1", port))?.disable_signals().shutdown_timeout(5);
    println!("listening on http://{}", server.addrs()[0]);
    let server = server.run();
    let web = server.handle();
    actix_web::rt::spawn(server);
    tokio::select! {
        () = signal.wait() => {}
        failed = services.failed() => println!("{failed}"),
    }
    web.stop(true).await;
    println!("{}", services.run_until(signal).await);
    Ok(())
}
