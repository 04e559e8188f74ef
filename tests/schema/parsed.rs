//! Documents that a parser of others reads, under `--full`: that of AsyncAPI itself.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use convoke::schema::Document;
use serde_json::{Value, json};

use super::shop::{Told, document};

/// Of `@asyncapi/parser`.
const VERSION: &str = "3.6.6";

/// Says what is wrong with each file, and how many messages it has.
const SCRIPT: &str = r#"
import { Parser } from "@asyncapi/parser";
import { readFileSync } from "node:fs";
for (const file of process.argv.slice(2)) {
    const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
    for (const { code, path, message } of diagnostics) console.log(`${code} at ${path.join("/")}: ${message}`);
    console.log(document ? `${document.allMessages().all().length} messages` : "no document");
}
"#;

/// What the parser says of a text.
fn parsed(folder: &Path, text: &str) -> String {
    let file = folder.join("document.json");
    fs::write(&file, text).unwrap();
    let output = Command::new("node").arg("parse.mjs").arg(file).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn the_parser_of_asyncapi_has_nothing_against_our_documents() {
    if env::var_os("CONVOKE_FULL").is_none() {
        return;
    }
    let folder = env::temp_dir().join(format!("convoke-asyncapi-parser-{VERSION}"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("parse.mjs"), SCRIPT).unwrap();
    fs::write(folder.join("package.json"), "{}").unwrap();
    if !folder.join("node_modules/@asyncapi/parser").is_dir() {
        let package = format!("@asyncapi/parser@{VERSION}");
        let arguments = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", &package];
        let npm = Command::new("npm").args(arguments).current_dir(&folder).output();
        if !npm.is_ok_and(|npm| npm.status.success()) {
            assert!(env::var_os("CI").is_none(), "npm could not install {package}");
            println!("not tried: npm could not install {package}");
            return;
        }
    }
    let text = document().to_asyncapi();
    assert_eq!(parsed(&folder, &text), "2 messages");
    let empty = Document::builder("nothing", "0").build().unwrap();
    assert_eq!(parsed(&folder, &empty.to_asyncapi()), "0 messages");
    let odd = Told::document(&[
        Told { name: "Größe geprüft", topic: "waren/größe ü%/{id}", ..Told::new(json!({"type": "string"})) },
        Told { name: "a.b_c", version: 9, topic: "a.b", ..Told::new(json!({"type": "string"})) },
    ]);
    assert_eq!(parsed(&folder, &odd.to_asyncapi()), "2 messages");
    // It would say so. (Of examples it says nothing: `check` does.)
    let mut wrong: Value = text.parse().unwrap();
    wrong["components"]["schemas"].as_object_mut().unwrap().remove("OrderPlaced.2");
    assert!(parsed(&folder, &wrong.to_string()).contains("no document"));
}
