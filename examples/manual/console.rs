//! What the chapter on the console shows.

use actix_web::{App, HttpMessage, HttpRequest, HttpServer};
use convoke::EventBus;
use convoke::look::Address;
use convoke_console as console;

use console::{Allowed, Person, Shown};

/// What the login of the application has put into the request.
struct User {
    name: String,
    is_on_call: bool,
}

fn who(request: &HttpRequest) -> Allowed {
    let extensions = request.extensions();
    let Some(user) = extensions.get::<User>() else { return Allowed::Unknown }; // 401
    let person = Person::named(&user.name);
    Allowed::As(if user.is_on_call { person.operates() } else { person })
}

pub(crate) async fn run(bus: &EventBus) -> Result<(), Box<dyn std::error::Error>> {
    let db: Address = "sqlite:shop.db".parse()?;
    let shown = Shown::new("shop").bus(bus).at(db);
    HttpServer::new(move || {
        let console = console::scope("/convoke").showing(&shown).allow(who).hosts(["shop.example"]);
        App::new().service(console) // and the pages of the application
    })
    .bind("127.0.0.1:8080")?
    .run()
    .await?;
    Ok(())
}
