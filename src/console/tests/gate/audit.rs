//! The audit log: every write that is let through has its lines, and where it cannot have them nothing is done.

use std::fs;
use std::path::Path;

use convoke_console::{Allowed, Person, scope};
use serde_json::Value;
use tempfile::tempdir;

use crate::common::{Answer, Site, all, sent};

const PATH: &str = "/convoke/nothing?key=a-customer";

async fn write(audit: &Path) -> Answer {
    Site::new(scope("/convoke").allow(all).audit(audit)).await.ask(sent(PATH, &[("key", "a-customer")])).await
}

#[actix_web::test]
async fn who_did_what_when_and_from_where_is_noted_before_and_after() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("log/audit.jsonl");
    let answer = write(&path).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [begun, ended] = lines.as_slice() else { panic!("{text}") };
    assert_eq!(
        (&begun["is"], &begun["command"], &begun["who"]["person"]),
        (&"begun".into(), &"console".into(), &"ada".into())
    );
    assert_eq!(begun["who"]["from"], "127.0.0.1");
    assert!(begun["at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!((&ended["is"], &ended["status"], &ended["id"]), (&"refused".into(), &404.into(), &begun["id"]));
    // Neither in what the form has, nor in the URL.
    assert!(!text.contains("a-customer"), "{text}");
}

#[actix_web::test]
async fn what_is_not_let_through_and_what_only_looks_has_no_line() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let views = |_: &actix_web::HttpRequest| Allowed::As(Person::named("ada"));
    let site = Site::new(scope("/convoke").allow(views).audit(&path)).await;
    assert_eq!(site.ask(sent(PATH, &[])).await.status, 403);
    assert_eq!(site.get("/convoke").await.status, 200);
    assert!(!path.exists());
}

#[actix_web::test]
async fn what_cannot_be_noted_is_not_done_and_nobody_waits() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let mut wrong = vec![folder.path().to_path_buf(), file.join("below")];
    #[cfg(unix)]
    {
        // Who opens a pipe waits for its reader, for ever.
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        wrong.extend([pipe, link, "/dev/full".into()]);
    }
    for path in wrong {
        let answer = write(&path).await;
        assert!(answer.is_denied() && answer.status == 503, "{}: {answer:?}", path.display());
        // Who only looks is answered.
        let site = Site::new(scope("/convoke").allow(all).audit(&path)).await;
        assert_eq!(site.get("/convoke").await.status, 200);
    }
}
