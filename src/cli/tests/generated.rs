//! What is generated is built, and its tests are run: the plain application with all that can be made by itself, as a user has it; those
//! with servers in a workspace that is this checkout and them, so that what is built of it is used again.

use std::env;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{checkout, done};
use crate::servers::{Running, Server};

/// What `make` can make, as a user would one after another.
const MAKES: &[&str] = &[
    "make event OrderPaid --field id:u64 --field items:Vec<(Uuid,u32)> --field note:Option<String> --topic orders/paid",
    "make event Tick",
    "make event Priced --field price:crate::Mailer --dry-run",
    "make listener SendThanks --event OrderPaid",
    "make listener CountTicks --event Tick",
    "make service Ledger --event OrderPaid --event OrderPlaced",
    "make service Clock",
    "make task CleanUp",
    "make task RegisterUser --field id:Uuid --field wait:Duration",
    "make round Approval --party legal --party finance --timeout 172800",
    "make worker orders --event OrderPaid",
    "make worker bills --queue all-bills",
    "make templates",
    // By the templates that are in the crate now.
    "make event OrderLost --field id:u64",
];

/// Where everything is built: one folder for all, as the tests themselves are.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_path_buf()
}

/// Cargo by itself, and not as a part of the cargo that runs this test.
fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder).env("CARGO_TARGET_DIR", target()).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "RUST_TEST_THREADS" {
            cargo.env_remove(&*name);
        }
    }
    cargo
}

/// Nobody steps through it, and it runs once: what costs the least to build.
const PROFILE: &[&str] = &["--config", "profile.test.opt-level=0", "--config", "profile.test.debug=false"];

/// Runs it and returns what it has said on both streams.
#[track_caller]
fn run(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{err}\n{out}", output.status);
    (out, err)
}

#[test]
fn a_plain_application_and_all_that_is_made_in_it_builds_without_a_warning_and_passes_its_tests() {
    let since = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let path = checkout();
    done(folder.path(), &format!("new shop --path {}", path.display()));
    let shop = folder.path().join("shop");
    for line in MAKES {
        done(&shop, line);
    }
    let (written, since) = (since.elapsed(), Instant::now());
    // The versions that are here: nothing is fetched.
    fs::copy(path.join("Cargo.lock"), shop.join("Cargo.lock")).unwrap();
    let (out, err) = run(cargo(&shop).args(["test", "--offline", "--no-fail-fast"]).args(PROFILE));
    assert!(!err.contains("warning"), "{err}");
    let passed: usize = out
        .lines()
        .filter_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse::<usize>().ok())
        .sum();
    // Three of the whole, and what each file has.
    assert_eq!(passed, 16, "{out}");
    assert!(!out.contains(" 1 ignored"), "{out}");

    let (out, _) = run(Command::new(target().join("debug/shop")).env("RUST_LOG", "info"));
    assert!(out.contains("round #1") && out.contains("resolved after"), "{out}");
    assert!(out.contains("services stopped"), "{out}");
    println!(
        "figure: a new application and {} files more are written in {} ms; {} tests of it are built and pass in {:.0} s",
        MAKES.len() - 1,
        written.as_millis(),
        passed,
        since.elapsed().as_secs_f64()
    );
}

/// A workspace that is this checkout, by links, and the applications in it.
///
/// It stays where it is: cargo notes the files of what it builds there by these links, and whatever is built of the checkout would
/// be built anew if they were gone.
struct Mirror {
    root: PathBuf,
}

impl Mirror {
    fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&root).unwrap();
        let (root, path) = (root.canonicalize().unwrap(), checkout());
        let links: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        for entry in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
            let kind = fs::symlink_metadata(&entry).unwrap().file_type();
            if kind.is_dir() {
                fs::remove_dir_all(&entry).unwrap(); // an application of the last run
            } else if kind.is_symlink() && !links.iter().any(|link| fs::read_link(&entry).unwrap() == *link) {
                fs::remove_file(&entry).unwrap();
            }
        }
        for entry in links {
            let at = root.join(entry.file_name().unwrap());
            match entry.file_name().and_then(|name| name.to_str()) {
                Some("target" | ".git") => {}
                Some("Cargo.toml" | "Cargo.lock") => drop(fs::copy(&entry, at).unwrap()),
                _ if fs::symlink_metadata(&at).is_ok() => {}
                _ => symlink(&entry, at).unwrap(),
            }
        }
        Self { root }
    }

    fn path(&self) -> PathBuf {
        self.root.clone()
    }

    /// Begins an application, which becomes a member of this workspace.
    fn begin(&self, name: &str, with: &[&str]) {
        let with: String = with.iter().map(|with| format!(" --with {with}")).collect();
        done(&self.path(), &format!("new {name} --path .{with}"));
    }

    /// Builds the tests of some of its members; returns those of these applications: the package, the name, the binary.
    fn build(&self, words: &[&str], names: &[&str]) -> Vec<(String, String, PathBuf)> {
        let root = self.path();
        let (out, err) = run(cargo(&root)
            .args(["test", "--offline", "--no-run", "--message-format", "json", "--manifest-path"])
            .arg(root.join("Cargo.toml"))
            .args(words));
        assert!(!err.contains("warning"), "{err}");
        let mut built = Vec::new();
        for line in out.lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let Some(binary) = message["executable"].as_str() else { continue };
            let package =
                message["manifest_path"].as_str().and_then(|path| Path::new(path).parent()?.file_name()?.to_str());
            let Some(package) = package.filter(|package| names.contains(package)) else { continue };
            if message["profile"]["test"] == true {
                let name = message["target"]["name"].as_str().unwrap().to_owned();
                built.push((package.to_owned(), name, PathBuf::from(binary)));
            }
        }
        built
    }
}

/// Runs the tests in these binaries; the ones over a server if its URL is known. Returns how many have passed.
fn test(mirror: &Mirror, built: &[(String, String, PathBuf)], servers: &[Server]) -> usize {
    let mut passed = 0;
    for (package, name, binary) in built {
        let mut command = Command::new(binary);
        command.current_dir(mirror.path().join(package));
        let server = name.strip_prefix("over_");
        if let Some(server) = server {
            let variable = match server {
                "postgres" => "DATABASE_URL".to_owned(),
                server => format!("{}_URL", server.to_uppercase()),
            };
            // Without its URL a test says which one it wants.
            let without = Command::new(binary).arg("--include-ignored").env_remove(&variable).output().unwrap();
            let said = String::from_utf8_lossy(&without.stdout).into_owned();
            assert!(!without.status.success() && said.contains(&format!("{variable} is not set")), "{said}");
            let Some(found) = servers.iter().find(|found| found.variable == variable) else {
                writeln!(std::io::stderr(), "not tried over {server}: no server is known").unwrap();
                continue;
            };
            command.arg("--include-ignored").env(variable, &found.url);
            command
                .env("AWS_REGION", "eu-central-1")
                .env("AWS_ACCESS_KEY_ID", "000000000001")
                .env("AWS_SECRET_ACCESS_KEY", "any");
        }
        let (out, _) = run(&mut command);
        let count = out
            .lines()
            .find_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse::<usize>().ok());
        assert!(
            count > Some(0) || matches!(&**name, "worker") || !out.contains("running 1"),
            "{package} {name}: {out}"
        );
        passed += count.unwrap_or(0);
    }
    passed
}

#[test]
fn applications_over_servers_build_without_a_warning_and_pass_their_tests() {
    let since = Instant::now();
    let mirror = Mirror::new("mirror");
    let all = ["postgres", "redis", "rabbitmq", "sqs"];
    // Each by itself differs from all together only in what is left out: with `tests/run --full` these are built too.
    let alone = ["shop-postgres", "shop-redis", "shop-rabbitmq", "shop-sqs"];
    let mut names = vec!["shop-all"];
    mirror.begin("shop-all", &all);
    if env::var_os("CONVOKE_FULL").is_some() {
        alone.iter().zip(&all).for_each(|(name, with)| mirror.begin(name, &[with]));
        names.extend(alone);
    }
    // The features of the whole workspace, and the crates that tests/run has built with these.
    let mut words = vec!["--workspace", "--all-features", "--test", "application"];
    for excluded in ["bench", "counts", "example-web", "example-registration", "manual"] {
        words.extend([
            "--exclude",
            match excluded {
                "bench" => "convoke-bench",
                "counts" => "convoke-counts",
                "example-web" => "convoke-example-web",
                "example-registration" => "convoke-example-registration",
                _ => "convoke-manual",
            },
        ]);
    }
    let over: Vec<String> = all.iter().map(|server| format!("over_{server}")).collect();
    for test in &over {
        words.extend(["--test", test]);
    }
    let built = mirror.build(&words, &names);
    // `application` of each, and one over each of its servers.
    assert!(built.len() >= 5, "{built:?}");
    let took = since.elapsed();

    let servers = crate::servers::all();
    let passed = test(&mirror, &built, &servers);
    assert!(passed >= 3, "{passed}");
    println!(
        "figure: {} applications over servers are built in {:.0} s, with what is built of this workspace",
        names.len(),
        took.as_secs_f64()
    );
}

#[test]
fn an_application_with_a_web_server_builds_without_a_warning_and_passes_its_tests() {
    let since = Instant::now();
    let mirror = Mirror::new("mirror-web");
    mirror.begin("shop-web", &["actix-web"]);
    // By itself, as the example with actix-web is.
    let built = mirror.build(&["--package", "shop-web"], &["shop-web"]);
    assert!(built.len() >= 3, "{built:?}");
    assert!(test(&mirror, &built, &[]) >= 5);
    let took = since.elapsed();
    answers_and_ends(&target().join("debug/shop-web"));
    println!("figure: an application with actix-web is built and passes its tests in {:.0} s", took.as_secs_f64());
}

/// It listens where its variable says, takes an order, is ready, and ends in order.
fn answers_and_ends(binary: &Path) {
    use std::io::{BufRead, BufReader, Read};

    let mut command = Command::new(binary);
    command.env("WEB_URL", "http://127.0.0.1:0").env("RUST_LOG", "info").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first.strip_prefix("listening on http://").unwrap().to_owned();
    let ask = |request: String| -> String {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let body = r#"{"id": 7, "total": 40}"#;
    let length = body.len();
    let answer = ask(format!(
        "POST /orders HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    ));
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let answer = ask("GET /readyz HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n".to_owned());
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""service":"Billing""#), "{answer}");
    let killed = Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    assert!(killed.success() && running.0.wait().unwrap().success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.last().unwrap().contains("services stopped"), "{rest:?}");
    let mut log = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("order 7 was placed") && log.contains("thank you for order 7"), "{log}");
}

/// From a fresh clone to a new application whose tests pass; only with `tests/run --full`, for it builds everything anew.
#[test]
fn a_fresh_clone_has_a_new_application_whose_tests_pass() {
    if env::var_os("CONVOKE_FULL").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let since = Instant::now();
    run(Command::new("git").args(["clone", "--quiet"]).arg(checkout()).arg(folder.path().join("convoke")));
    let clone = folder.path().join("convoke");
    let fresh = |at: &Path, words: &[&str]| {
        let target = folder.path().join(format!("target-{}", at.file_name().unwrap().to_string_lossy()));
        run(cargo(at).env("CARGO_TARGET_DIR", target).args(words)).0
    };
    fresh(&clone, &["run", "--quiet", "--package", "convoke-cli", "--", "new", "../shop", "--path", "."]);
    let began = since.elapsed();
    let out = fresh(&folder.path().join("shop"), &["test"]);
    assert!(out.contains("3 passed"), "{out}");
    println!(
        "figure: from a fresh clone to a new application in {:.0} s, and to its tests, passed, in {:.0} s",
        began.as_secs_f64(),
        since.elapsed().as_secs_f64()
    );
}
