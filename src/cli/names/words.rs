//! Names that something else has already.

/// Longer names make files that some systems do not take.
pub(super) const LONGEST: usize = 64;

/// Keywords of all editions, reserved ones and weak ones among them.
const KEYWORDS: &[&str] = &[
    "abstract",
    "as",
    "async",
    "auto",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "default",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "macro_rules",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "raw",
    "ref",
    "return",
    "safe",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Files of these names are devices on Windows.
const DEVICES: &[&str] = &[
    "aux", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "con", "conin", "conout",
    "lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "nul", "prn",
];

/// Crates and modules that the generated code names, and files that cargo or the compiler takes for something else.
const MODULES: &[&str] = &[
    "actix",
    "actix_rt",
    "actix_web",
    "alloc",
    "bool",
    "char",
    "convoke",
    "convoke_actors",
    "convoke_derive",
    "core",
    "env_logger",
    "events",
    "f32",
    "f64",
    "i128",
    "i16",
    "i32",
    "i64",
    "i8",
    "isize",
    "lib",
    "listeners",
    "log",
    "main",
    "proc_macro",
    "rounds",
    "serde",
    "serde_json",
    "services",
    "std",
    "str",
    "tasks",
    "test",
    "tests",
    "tokio",
    "u128",
    "u16",
    "u32",
    "u64",
    "u8",
    "usize",
];

/// Functions of the preludes, and names of the generated code.
const FUNCTIONS: &[&str] =
    &["drop", "shutdown_signal", "size_of", "align_of", "register", "all", "bus", "start", "work"];

/// What a type of this name would hide: the preludes of std, convoke and actix, and what the generated code takes from elsewhere.
pub(crate) const SHADOWED: &[&str] = &[
    // std
    "AsMut",
    "AsRef",
    "AsyncFn",
    "AsyncFnMut",
    "AsyncFnOnce",
    "Box",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "DoubleEndedIterator",
    "Drop",
    "Eq",
    "Err",
    "Error",
    "ExactSizeIterator",
    "Extend",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "FromIterator",
    "Future",
    "Hash",
    "Into",
    "IntoFuture",
    "IntoIterator",
    "Iterator",
    "None",
    "Ok",
    "Option",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Result",
    "Self",
    "Send",
    "Sized",
    "Some",
    "String",
    "Sync",
    "ToOwned",
    "ToString",
    "TryFrom",
    "TryInto",
    "Unpin",
    "Vec",
    // convoke
    "Answer",
    "Backoff",
    "BaseService",
    "Broker",
    "BrokerError",
    "BrokerExt",
    "Brokers",
    "Call",
    "Cancelled",
    "Cause",
    "Close",
    "Consumer",
    "ConsumerHandle",
    "DeadLetter",
    "DispatchError",
    "DurableBroker",
    "EmitError",
    "Emitter",
    "EmitterExt",
    "EmitterHandle",
    "Event",
    "EventBus",
    "Failure",
    "Handled",
    "Health",
    "Heard",
    "Inject",
    "JoinError",
    "JsonEvent",
    "LateJoin",
    "Listen",
    "ListenError",
    "Listener",
    "Membership",
    "Metadata",
    "Next",
    "OnError",
    "OnFailed",
    "OnLost",
    "OnTimeout",
    "OnVeto",
    "Outcome",
    "Overflow",
    "Pledge",
    "PublishError",
    "Release",
    "RepeatEmit",
    "Report",
    "Resolved",
    "Restart",
    "Retry",
    "RoundKey",
    "Route",
    "ServiceAddr",
    "ServiceContext",
    "ServiceError",
    "ServiceHandle",
    "ServiceState",
    "ServiceStatus",
    "Services",
    "ServicesError",
    "ServicesHandle",
    "StartError",
    "Subscription",
    "Summons",
    "Task",
    "Unheeded",
    "Worker",
    // actix
    "Actor",
    "ActorContext",
    "ActorFutureExt",
    "ActorStreamExt",
    "Addr",
    "Arbiter",
    "AsyncContext",
    "AtomicResponse",
    "Context",
    "ContextFutureSpawner",
    "Handler",
    "MailboxError",
    "Message",
    "MessageResponse",
    "MessageResult",
    "Recipient",
    "Registry",
    "Request",
    "Response",
    "ResponseActFuture",
    "ResponseFuture",
    "Running",
    "SendError",
    "SpawnHandle",
    "Stream",
    "StreamHandler",
    "Supervised",
    "Supervisor",
    "SyncArbiter",
    "SyncContext",
    "System",
    "SystemRegistry",
    "SystemService",
    "ArbiterService",
    "WrapFuture",
    "WrapStream",
    // taken by the generated code
    "AnyQueue",
    "Arc",
    "Attempt",
    "Deserialize",
    "Duration",
    "Fault",
    "JobState",
    "Memory",
    "MemoryDatabase",
    "Serialize",
    "Shutdown",
    "Source",
    "TaskDatabase",
    "TaskError",
    "TaskQueue",
    "Tasks",
    "Uuid",
    "WorkerError",
    "WorkerReport",
    "EventSynchronizer",
];

pub(super) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

pub(super) fn is_device(name: &str) -> bool {
    DEVICES.contains(&name)
}

/// Whether a module of this name would hide something, or is no module for cargo.
pub(super) fn is_module(name: &str) -> bool {
    MODULES.contains(&name)
}

pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What the facade's own prelude exports is in the list, whatever is added to it.
    #[test]
    fn the_list_has_all_of_the_prelude() {
        let facade = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lib.rs");
        let Ok(text) = fs::read_to_string(&facade) else {
            return; // a package by itself
        };
        let file = syn::parse_file(&text).unwrap();
        let prelude = file.items.iter().find_map(|item| match item {
            syn::Item::Mod(module) if module.ident == "prelude" => module.content.as_ref(),
            _ => None,
        });
        let mut names = Vec::new();
        for item in &prelude.unwrap().1 {
            if let syn::Item::Use(item) = item {
                leaves(&item.tree, &mut names);
            }
        }
        assert!(names.len() > 60, "{names:?}");
        for name in names {
            let known = SHADOWED.contains(&&*name) || is_function(&name);
            assert!(known, "`{name}` is in the prelude, and would be hidden: add it to names/words.rs");
        }
    }

    fn leaves(tree: &syn::UseTree, names: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => leaves(&path.tree, names),
            syn::UseTree::Name(name) => names.push(name.ident.to_string()),
            syn::UseTree::Rename(name) if name.rename != "_" => names.push(name.rename.to_string()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, names)),
            syn::UseTree::Rename(_) | syn::UseTree::Glob(_) => {}
        }
    }
}
