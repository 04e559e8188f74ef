//! Names, types, topics and paths that nobody means well with: each is refused, and nothing is changed.

use std::ffi::OsString;

use crate::common::{Shop, convoke};

/// Of types: what is no name, what means something else, and what would hide something.
const TYPES: &[&str] = &[
    "",
    " ",
    ".",
    "..",
    "../Evil",
    "../../etc/passwd",
    "/Evil",
    "/tmp/Evil",
    "Evil/../../x",
    "a/b",
    "A/B",
    "A\\B",
    "C:\\Evil",
    "~/Evil",
    "./Evil",
    "Evil/",
    "Evil.rs",
    "Evil.",
    "order_placed",
    "orderPlaced",
    "order-placed",
    "Order_Placed",
    "Order-Placed",
    "Order Placed",
    "1Order",
    "9",
    "_Order",
    "_",
    "__",
    "Ordér",
    "Größe",
    "订单",
    "Оrder",
    "Ⅳ",
    "Order\u{200b}",
    "\u{202e}Order",
    "Order\u{301}",
    "🚀",
    "Order\n",
    "Order\nPlaced",
    "Order\r",
    "Order\t",
    "\u{1b}[31mOrder",
    "Order\u{7}",
    "Order;",
    "Order{}",
    "Order<T>",
    "Order()",
    "Order, Evil",
    "Order; fn main() {}",
    "Order { } impl Drop for X",
    "Order//x",
    "Order/*",
    "*/Order",
    "Order\"",
    "Order'",
    "`Order`",
    "$(id)",
    "`id`",
    "$HOME",
    "${HOME}",
    "%PATH%",
    "Order|sh",
    "Order&",
    "Order&&id",
    "Order>x",
    "{{ name }}",
    "{% raw %}",
    "{{7*7}}",
    "r#Type",
    "crate::Order",
    "std::String",
    "Order::Placed",
    "::Order",
    "#[derive]",
    "Order!",
    "&Order",
    "*Order",
    "@Order",
    "Order?",
    "Self",
    "Type",
    "Async",
    "Await",
    "Match",
    "Mod",
    "Crate",
    "Super",
    "Fn",
    "Yield",
    "Try",
    "Gen",
    "Dyn",
    "Abstract",
    "Macro",
    "Union",
    "Static",
    "Loop",
    "True",
    "String",
    "Vec",
    "Option",
    "Some",
    "None",
    "Result",
    "Ok",
    "Err",
    "Box",
    "Clone",
    "Default",
    "Debug",
    "Send",
    "Iterator",
    "From",
    "Into",
    "Event",
    "EventBus",
    "Listener",
    "Handled",
    "Failure",
    "Inject",
    "Broker",
    "Emitter",
    "Outcome",
    "Task",
    "Worker",
    "Route",
    "Message",
    "Actor",
    "Context",
    "Handler",
    "Addr",
    "System",
    "Stream",
    "Arbiter",
    "Arc",
    "Duration",
    "Serialize",
    "Deserialize",
    "Fault",
    "Con",
    "Nul",
    "Aux",
    "Prn",
    "Com1",
    "Lpt9",
    "Main",
    "Lib",
    "Std",
    "Core",
    "Alloc",
    "Actix",
    "Convoke",
    "Serde",
    "Test",
    "Events",
    "Drop",
    "Register",
    "All",
    "ShutdownSignal",
];

/// Of fields, with their types.
const FIELDS: &[&str] = &[
    "id",
    ":",
    "id:",
    ":u64",
    "Id:u64",
    "iD:u64",
    "1d:u64",
    "_:u64",
    "_id:u64",
    "id_:u64",
    "i__d:u64",
    "type:u64",
    "self:u64",
    "r#type:u64",
    "id-x:u64",
    "id x:u64",
    "id,x:u64",
    "größe:u64",
    "id\n:u64",
    "id: u64, pub evil: u8",
    "id:u64}",
    "id:u64;",
    "id:u64 = 7",
    "id:Money",
    "id:&str",
    "id:[u8]",
    "id:[u8; 99]",
    "id:[u8; { loop {} }]",
    "id:dyn Send",
    "id:impl Send",
    "id:fn()",
    "id:!",
    "id:_",
    "id:()",
    "id:std::env!(\"HOME\")",
    "id:include_str!(\"/etc/passwd\")",
    "id:Vec<{ 1 }>",
    "id:super::X",
    "id:<u8 as X>::Y",
    "id:Vec",
    "id:u64\u{0}",
    "id:../../x",
    "id:{{ x }}",
    "id:*mut u8",
    "id:'static",
    "id:u64 /* ",
    "id:\"u64\"",
];

const TOPICS: &[&str] = &[
    "",
    "/",
    "a//b",
    "/a",
    "a/",
    "a b",
    "a\"b",
    "a\\b",
    "a\nb",
    "*",
    "a/*",
    "**",
    "a{b",
    "ä",
    "a\u{0}b",
    "a\")] struct X; #[event(topic = \"b",
    "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/1/2/3/4/5/6/7",
];

/// Of binaries, queues and parties.
const WORDS: &[&str] = &[
    "",
    "..",
    "../x",
    "/x",
    "x/y",
    "x\\y",
    "X",
    "Orders",
    "1x",
    "_x",
    "x y",
    "x\n",
    "x\"",
    "x.rs",
    "ä",
    "x;y",
    "$(id)",
    "`id`",
    "{{x}}",
    "x\u{202e}",
];

/// And of binaries alone.
const BINARIES: &[&str] =
    &["x-y", "x_", "x__y", "self", "async", "con", "nul", "std", "test", "main", "build", "deps", "serde", "shop"];

const CRATES: &[&str] = &[
    "Shop",
    "1shop",
    "_shop",
    "-shop",
    "shop-",
    "shop_",
    "sh--op",
    "sh__op",
    "sh op",
    "shöp",
    "shop.rs",
    "async",
    "crate",
    "self",
    "std",
    "core",
    "test",
    "convoke",
    "actix",
    "actix-web",
    "serde",
    "tokio",
    "con",
    "nul",
    "build",
    "deps",
    "shop\n",
    "shop\"",
    "{{x}}",
    "$(id)",
];

/// A command line and what stands for the name in it.
fn lines() -> Vec<(Vec<&'static str>, String)> {
    let long = "X".repeat(65);
    let mut lines = Vec::new();
    let mut add = |words: &[&'static str], name: &str| lines.push((words.to_vec(), name.to_owned()));
    for name in TYPES.iter().copied().chain([&*long]) {
        add(&["make", "event", "@"], name);
    }
    // The others take the same names; a few of each sort say that they look.
    for name in ["", "../Evil", "order_placed", "Order Placed", "Type", "String", "Con", "Drop", "\u{1b}[31m", &long] {
        add(&["make", "listener", "@", "--event", "OrderPlaced"], name);
        add(&["make", "service", "@"], name);
        add(&["make", "task", "@"], name);
        add(&["make", "round", "@", "--party", "a", "--party", "b"], name);
    }
    for name in ["", "../x", "a b", "crate::", "a::", "::A", "A::", "A<B>", "A;", "{{x}}", "Ä"] {
        add(&["make", "listener", "SendThanks", "--event", "@"], name);
        add(&["make", "service", "Ledger", "--event", "@"], name);
        add(&["make", "worker", "orders", "--event", "@"], name);
    }
    for name in FIELDS {
        add(&["make", "event", "OrderPaid", "--field", "@"], name);
        add(&["make", "task", "CleanUp", "--field", "@"], name);
    }
    for name in TOPICS.iter().copied().chain([&*"x".repeat(257)]) {
        add(&["make", "event", "OrderPaid", "--topic", "@"], name);
    }
    for name in WORDS.iter().copied().chain([&*"x".repeat(65)]) {
        add(&["make", "worker", "@"], name);
        add(&["make", "worker", "orders", "--queue", "@"], name);
        add(&["make", "round", "Approval", "--party", "legal", "--party", "@"], name);
    }
    for name in BINARIES {
        add(&["make", "worker", "@"], name);
    }
    for name in CRATES.iter().copied().chain(["", "..", "a/b", &*"x".repeat(65)]) {
        add(&["new", "fresh", "--path", "../convoke", "--name", "@"], name);
    }
    lines
}

#[test]
fn each_is_refused_and_nothing_is_changed() {
    let shop = Shop::new();
    let before = shop.tree();
    let lines = lines();
    assert!(lines.len() >= 200, "{} names", lines.len());
    for (words, name) in &lines {
        // No argument can have a NUL: the system ends it there.
        if name.contains('\0') {
            continue;
        }
        let words: Vec<&str> = words.iter().map(|word| if *word == "@" { name.as_str() } else { word }).collect();
        let output = convoke(&shop.root(), &words);
        let said = String::from_utf8(output.stderr).unwrap();
        // The name of the crate's own binary is not wrong in itself.
        let code = if words[..] == ["make", "worker", "shop"] { 1 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}");
        assert!(
            said.chars().all(|sign| sign == '\n' || !sign.is_control() && sign != '\u{202e}'),
            "{words:?}: {said:?}"
        );
        assert!(said.len() < 2000, "{words:?}: {said}");
        assert_eq!(shop.tree(), before, "{words:?}");
    }
}

/// What is no text at all.
#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;

    let shop = Shop::new();
    let before = shop.tree();
    let name = OsString::from_vec(vec![b'A', 0xff, b'b']);
    for words in [
        vec!["make".into(), "event".into(), name.clone()],
        vec!["new".into(), name, "--path".into(), "../convoke".into()],
    ] {
        assert_eq!(convoke(&shop.root(), words).status.code(), Some(2));
        assert_eq!(shop.tree(), before);
    }
}
