//! The console, served until somebody ends it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use convoke_console::{Person, Serve, ServeError, Serving, Shown, serve};
use serde_json::json;

use super::Console;
use crate::error::{Error, Result, shown, told};
use crate::places::{Place, Wanted, is_url};
use crate::running::run;
use crate::terminal::Terminal;
use crate::writing::user;

/// The variable with the password.
const VARIABLE: &str = "CONVOKE_CONSOLE_PASSWORD";

/// As many bytes are read of a file with a password.
const BYTES: u64 = 4096;

impl Console {
    pub(in crate::commands) fn run(&self, terminal: &Terminal) -> Result<()> {
        let places = self.places()?;
        let serve = self.serve(&places)?;
        run(async |stop| {
            let serving = serve.start().map_err(refused)?;
            self.tell(terminal, &places, &serving)?;
            tokio::select! {
                biased;
                // It is how it ends.
                () = stop.asked() => Ok(()),
                done = serving.run() => done.map_err(|error| Error::refused(format!("the console has ended: {error}"))),
            }
        })
    }

    fn places(&self) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        for url in &self.urls {
            if !is_url(url) {
                // What it is may be a URL whose beginning was lost, with a password in it.
                let name = if url.contains(['@', '/', ':']) { "this".to_owned() } else { format!("`{}`", shown(url)) };
                return Err(Error::usage(format!("{name} is no URL"))
                    .hint("write it as redis://localhost, or name a context by `--context`"));
            }
            places.push(Place::find(Wanted { url: Some(url), ..Wanted::default() })?);
        }
        for context in &self.contexts {
            places.push(Place::find(Wanted { context: Some(context), ..Wanted::default() })?);
        }
        if places.is_empty() {
            places.push(Place::find(Wanted::default())?);
        }
        Ok(places)
    }

    fn serve(&self, places: &[Place]) -> Result<Serve> {
        let shown = places.iter().fold(Shown::new("convoke"), |shown, place| shown.at(place.address().clone()));
        let mut person = Person::named(user());
        if self.operate {
            person = person.operates();
        }
        if self.reveal {
            person = person.reveals();
        }
        let mut serve = serve(&shown, self.listen).as_person(person);
        // One that is production makes all of it so: the pages are the same.
        serve = serve.production(places.iter().any(Place::is_production));
        if let Some(audit) = audit(places)? {
            serve = serve.audit(audit);
        }
        if !self.hosts.is_empty() {
            let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
            serve = serve.hosts(self.hosts.iter().cloned().chain(own));
        }
        match self.password()? {
            Some(password) => Ok(serve.password(password)),
            None => Ok(serve),
        }
    }

    fn password(&self) -> Result<Option<String>> {
        let Some(path) = &self.password_file else {
            return Ok(std::env::var(VARIABLE).ok().filter(|password| !password.is_empty()));
        };
        first_line(path).map(Some)
    }

    fn tell(&self, terminal: &Terminal, places: &[Place], serving: &Serving) -> Result<()> {
        let servers: Vec<String> = places.iter().map(ToString::to_string).collect();
        if terminal.is_json() {
            let may = json!({ "operate": self.operate, "reveal": self.reveal });
            terminal.document(&json!({ "may": may, "servers": servers, "url": serving.url() }))?;
            return Ok(());
        }
        let mut lines = format!("the console of {}:\n\n  {}\n\n", servers.join(", "), serving.url());
        if serving.url().contains("?key=") {
            lines.push_str("The key lets one browser in, and is worth nothing afterwards.\n");
        }
        lines.push_str(match (self.operate, places.iter().any(Place::is_production)) {
            (false, _) => "Nothing can be changed by it: that needs --operate.\n",
            (true, true) => "It is production: what is changed is asked for again.\n",
            (true, false) => "What is there can be changed by it.\n",
        });
        lines.push_str("Ctrl-C ends it.\n");
        terminal.print(&lines)?;
        Ok(())
    }
}

/// The audit log of all of them.
fn audit(places: &[Place]) -> Result<Option<PathBuf>> {
    let mut found: Option<&Path> = None;
    for audit in places.iter().filter_map(Place::audit) {
        if found.is_some_and(|found| found != audit) {
            return Err(Error::usage("two of these contexts have audit logs of their own, and a console has one")
                .hint("serve each by a `convoke console` of its own"));
        }
        found = Some(audit);
    }
    Ok(found.map(Path::to_path_buf))
}

/// A password that is written nowhere else: neither on the command line nor in what is said of it.
fn first_line(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| Error::disk("read the password in", path, &error);
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(Error::refused(format!("`{}` is no file", told(&path.display().to_string()))));
    }
    let mut line = String::new();
    BufReader::new(File::open(path).map_err(failed)?.take(BYTES)).read_line(&mut line).map_err(failed)?;
    let line = line.trim_end_matches(['\r', '\n']);
    Ok(line.to_owned())
}

fn refused(error: ServeError) -> Error {
    let hint = match &error {
        ServeError::Open(_) => Some("give it a password by --password-file FILE, or in CONVOKE_CONSOLE_PASSWORD"),
        ServeError::Audit(_) => Some("nothing is written here that is not noted there"),
        ServeError::Io(_) => Some("choose another address by --listen 127.0.0.1:0"),
        _ => None,
    };
    hint.into_iter().fold(Error::refused(error.to_string()), Error::hint)
}
