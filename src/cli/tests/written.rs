//! What holds of all that is written.

use std::fs;

use crate::common::{Shop, convoke, done, refused};

/// All that can be made, in a crate that has what they need.
const ALL: &[(&str, &str)] = &[
    ("make event OrderPaid --field id:u64 --field note:Option<String>", "src/events/order_paid.rs"),
    ("make listener SendThanks --event OrderPlaced", "src/listeners/send_thanks.rs"),
    ("make service Ledger --event OrderPlaced", "src/services/ledger.rs"),
    ("make task CleanUp --field of:Uuid --field age:Duration", "src/tasks/clean_up.rs"),
    ("make round Approval --party legal --party finance", "src/rounds/approval.rs"),
    ("make worker orders --event OrderPlaced", "src/bin/orders.rs"),
    ("make templates", ".convoke/templates/event.rs.jinja"),
];

#[test]
fn nothing_is_overwritten_without_force() {
    for (line, path) in ALL {
        let shop = Shop::new();
        done(&shop.root(), line);
        fs::write(shop.root().join(path), "// mine\n").unwrap();
        let before = shop.tree();
        refused(&shop.root(), line, 1);
        assert_eq!(shop.tree(), before, "{line}");
        done(&shop.root(), &format!("{line} --force"));
        assert_ne!(shop.read(path), "// mine\n");
        let mut after = shop.tree();
        after.insert(shop.root().join(path), before[&shop.root().join(path)].clone());
        assert_eq!(after, before, "{line}: only this file is written anew");
    }
}

#[test]
fn a_dry_run_writes_nothing_and_shows_everything() {
    for (line, path) in ALL {
        let shop = Shop::new();
        let before = shop.tree();
        let diff = done(&shop.root(), &format!("{line} --dry-run"));
        assert!(diff.contains(&format!("--- /dev/null\n+++ b/{path}\n")), "{diff}");
        assert_eq!(shop.tree(), before, "{line}");
    }
}

/// So a first `cargo fmt` changes nothing.
#[test]
fn what_is_generated_is_as_rustfmt_has_it() {
    let rustfmt = |folder: &std::path::Path, file: &std::path::Path| {
        let mut command = std::process::Command::new("rustfmt");
        command.args(["--check", "--edition", "2024"]).arg(file).current_dir(folder).output()
    };
    for with in [
        "",
        " --with actix-web",
        " --with postgres",
        " --with redis --with rabbitmq --with sqs --with postgres --with actix-web",
    ] {
        let shop = Shop::without_a_crate();
        done(shop.folder(), &format!("new shop --path convoke{with}"));
        for (line, _) in ALL {
            done(&shop.root(), line);
        }
        // These take their modules along.
        let faces = shop.tree().into_keys().filter(|path| {
            let folder = path.parent().and_then(|folder| folder.file_name()).and_then(|name| name.to_str());
            path.extension().is_some_and(|end| end == "rs") && matches!(folder, Some("src" | "bin" | "tests"))
        });
        for file in faces {
            let Ok(output) = rustfmt(&shop.root(), &file) else {
                return; // there is none here
            };
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() || said.contains("not installed"), "{with}: {said}");
        }
    }
}

/// The diff of a dry run is what the command does: `git apply` makes the same of it.
#[test]
fn what_a_dry_run_shows_is_what_is_done() {
    let (shown, written) = (Shop::new(), Shop::new());
    for (line, _) in ALL {
        let diff = done(&shown.root(), &format!("{line} --dry-run"));
        let patch = shown.folder().join("patch");
        fs::write(&patch, diff).unwrap();
        let applied =
            std::process::Command::new("git").arg("apply").arg(&patch).current_dir(shown.root()).output().unwrap();
        assert!(applied.status.success(), "{line}: {}", String::from_utf8_lossy(&applied.stderr));
        fs::remove_file(&patch).unwrap();
        done(&written.root(), line);
    }
    let of = |shop: &Shop| -> Vec<_> {
        let root = shop.root();
        shop.tree()
            .into_iter()
            .map(|(path, bytes)| (path.strip_prefix(&root).map(ToOwned::to_owned).ok(), bytes))
            .collect()
    };
    assert_eq!(of(&shown), of(&written));
}

#[test]
fn an_event_that_is_not_there_is_an_error_with_near_names() {
    let shop = Shop::new();
    let before = shop.tree();
    for line in [
        "make listener X1 --event OrderPlace",
        "make service X1 --event OrderPlace",
        "make worker x1 --event OrderPlace",
    ] {
        let said = refused(&shop.root(), line, 1);
        assert!(
            said.contains("there is no event `OrderPlace`") && said.contains("did you mean `OrderPlaced`"),
            "{said}"
        );
    }
    let said = refused(&shop.root(), "make listener X1 --event Zebra", 1);
    assert!(said.contains("there is `OrderBilled`, `OrderPlaced`"), "{said}");
    assert_eq!(shop.tree(), before);
}

#[test]
fn a_second_event_of_a_name_is_refused_wherever_the_first_is() {
    let shop = Shop::new();
    fs::write(shop.root().join("src/web.rs"), "#[derive(convoke::Event)]\n#[event(local)]\npub struct Elsewhere;\n")
        .unwrap();
    let lib = shop.read("src/lib.rs");
    fs::write(shop.root().join("src/lib.rs"), format!("{lib}\npub mod web;\n")).unwrap();
    for flag in ["", " --force"] {
        let said = refused(&shop.root(), &format!("make event Elsewhere{flag}"), 1);
        assert!(said.contains("crate::web::Elsewhere"), "{said}");
    }
    refused(&shop.root(), "make event OrderPlaced", 1);
    done(&shop.root(), "make event OrderPlaced --force --field id:u64");
}

/// What cannot be read as Rust is not guessed at.
#[test]
fn a_crate_that_cannot_be_parsed_is_left_alone() {
    for broken in ["src/lib.rs", "src/events/mod.rs", "src/events/order_placed.rs"] {
        let shop = Shop::new();
        fs::write(shop.root().join(broken), "pub mod {\n").unwrap();
        let before = shop.tree();
        let said = refused(&shop.root(), "make event OrderPaid", 1);
        assert!(said.contains(&format!("{broken}:1:")), "{said}");
        assert_eq!(shop.tree(), before);
    }
}

#[test]
fn a_crate_that_lacks_what_a_file_needs_is_told_so() {
    let shop = Shop::new();
    fs::write(shop.root().join("Cargo.toml"), "[package]\nname = \"shop\"\n[dependencies]\nactix = \"0.13\"\n")
        .unwrap();
    let said = refused(&shop.root(), "make event OrderPaid", 1);
    for line in ["[dependencies] convoke", "[dependencies] serde", "[dev-dependencies] convoke"] {
        assert!(said.contains(line), "{said}");
    }
    fs::write(shop.root().join("Cargo.toml"), "[workspace]\nmembers = [\"a\"]\n").unwrap();
    assert!(refused(&shop.root(), "make event OrderPaid", 1).contains("--manifest-path a/Cargo.toml"));
    fs::remove_file(shop.root().join("Cargo.toml")).unwrap();
    assert!(refused(&shop.root(), "make event OrderPaid", 1).contains("no Cargo.toml"));
}

/// A crate that was not begun here: no doors, no marker, no library.
#[test]
fn a_crate_of_ones_own_gets_its_doors() {
    let shop = Shop::new();
    fs::remove_dir_all(shop.root().join("src")).unwrap();
    fs::create_dir(shop.root().join("src")).unwrap();
    fs::write(shop.root().join("src/main.rs"), "//! Mine.\n\nfn main() {}\n").unwrap();
    done(&shop.root(), "make event OrderPaid --field id:u64");
    assert_eq!(shop.read("src/main.rs"), "//! Mine.\n\npub mod events;\n\nfn main() {}\n");
    assert!(shop.read("src/events/mod.rs").ends_with("\npub mod order_paid;\n\npub use order_paid::OrderPaid;\n"));
    let said = done(&shop.root(), "make listener SendThanks --event OrderPaid");
    assert!(said.contains("Remember to call that"), "{said}");
    assert!(shop.read("src/listeners/mod.rs").contains("        bus.on(send_thanks)?,\n        // convoke:"));
    assert!(refused(&shop.root(), "make worker orders", 1).contains("src/lib.rs"));

    // A door without a marker.
    let door = shop.read("src/listeners/mod.rs").replace("        // convoke: new listeners above this line\n", "");
    fs::write(shop.root().join("src/listeners/mod.rs"), door).unwrap();
    let said = done(&shop.root(), "make listener SendReceipt --event OrderPaid");
    assert!(said.contains("Remember to register this listener for OrderPaid!"), "{said}");
    assert!(said.contains("let _send_receipt = bus.on(listeners::send_receipt)?;"), "{said}");
}

#[cfg(unix)]
#[test]
fn no_link_is_followed() {
    use std::os::unix::fs::symlink;

    for (link, line) in [
        ("src/events", "make event OrderPaid"),
        ("src", "make event OrderPaid"),
        ("src/lib.rs", "make event OrderPaid"),
        ("src/events/mod.rs", "make event OrderPaid"),
        ("Cargo.toml", "make event OrderPaid"),
        ("src/listeners", "make listener SendThanks --event OrderPlaced"),
        ("src/bin", "make worker orders"),
        (".convoke", "make event OrderPaid"),
        (".convoke", "make templates"),
    ] {
        let shop = Shop::new();
        let (at, elsewhere) = (shop.root().join(link), shop.folder().join("elsewhere"));
        if at.exists() {
            fs::rename(&at, &elsewhere).unwrap();
        } else {
            fs::create_dir(&elsewhere).unwrap();
        }
        symlink(&elsewhere, &at).unwrap();
        let before = shop.tree();
        let said = refused(&shop.root(), line, 1);
        assert!(said.contains("link"), "{link}: {said}");
        assert_eq!(shop.tree(), before, "{link}");
    }
}

#[test]
fn inside_a_workspace_a_crate_becomes_a_member_and_comments_stay() {
    let shop = Shop::without_a_crate();
    let manifest = "# Ours.\n[workspace]\nresolver = \"3\"\nmembers = [\n    \"api\", # the door\n]\n";
    fs::write(shop.folder().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(shop.folder().join("apps")).unwrap();
    done(shop.folder(), "new apps/shop --path convoke");
    let after = fs::read_to_string(shop.folder().join("Cargo.toml")).unwrap();
    assert_eq!(after, manifest.replace("# the door\n", "# the door\n    \"apps/shop\",\n"));
    let own = fs::read_to_string(shop.folder().join("apps/shop/Cargo.toml")).unwrap();
    assert!(own.contains("convoke = { path = \"../../convoke\" }"), "{own}");
    assert!(!shop.folder().join("apps/shop/.gitignore").exists());

    let before = shop.tree();
    refused(shop.folder(), "new apps/shop --path convoke", 1);
    done(shop.folder(), "new apps/other --path convoke --dry-run");
    assert_eq!(shop.tree(), before);
}

#[test]
fn a_checkout_is_one_and_a_folder_is_new() {
    let shop = Shop::new();
    fs::write(shop.folder().join("file"), "").unwrap();
    let before = shop.tree();
    for (line, code) in [
        ("new shop --path convoke", 1),
        ("new file --path convoke", 1),
        ("new new --path shop", 1),
        ("new new --path nowhere", 1),
        ("new new", 2),
        ("new nowhere/new --path convoke", 1),
        ("new .. --path convoke", 2),
        ("new / --path convoke", 2),
        ("new new --version 1;evil", 2),
        ("new new --version 1 --path convoke", 2),
        ("new new --path convoke --with mysql", 2),
    ] {
        refused(shop.folder(), line, code);
        assert_eq!(shop.tree(), before, "{line}");
    }
}

/// A machine is not told of something that a person would have to guess.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let shop = Shop::new();
    let output = std::process::Command::new("sh")
        .args(["-c", "\"$0\" completions bash | true; \"$0\" make --help | true; echo done"])
        .arg(env!("CARGO_BIN_EXE_convoke"))
        .current_dir(shop.root())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(convoke(&shop.root(), ["--version"]).status.success());
}
