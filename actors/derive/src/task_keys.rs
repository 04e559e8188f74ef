//! What `#[task(…)]` says about a task, checked where it stands.
//!
//! `#[task(attempts = 5, unique(id), per_key(tenant, at_once = 1))] → Keys → task.rs`

use std::time::Duration;

use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, LitInt, LitStr, Member, Meta, Path, Result, Token, Type, parenthesized, token};

use crate::arguments::{flag, keyed, root, set, value};
use crate::times;
use crate::topic::{self, Grammar};

const UNKNOWN: &str = "unknown key: use `attempts = 5`, `timeout = \"30s\"`, `queue`, `priority`, `first_wait`, `longest_wait`, \
                       `expires`, `unique(id)`, `per_key(tenant, at_once = 1)`, `id`, `instance(user: User)`, `delete_on_success`, \
                       `delete_on_failure`, `succeeds`, `fails`, `name` or `crate`";

const TWICE: &str = "given twice: remove one of the two";

/// What stands in the parentheses of all the `#[task(…)]`.
#[derive(Default)]
pub(crate) struct Keys {
    /// Where Convoke is found; `::convoke` unless told.
    pub(crate) root: Option<Path>,
    pub(crate) name: Option<LitStr>,
    pub(crate) queue: Option<LitStr>,
    pub(crate) attempts: Option<u32>,
    pub(crate) first_wait: Option<Time>,
    pub(crate) longest_wait: Option<Time>,
    pub(crate) timeout: Option<Time>,
    pub(crate) priority: Option<i8>,
    pub(crate) expires: Option<Time>,
    pub(crate) unique: Option<Unique>,
    pub(crate) per_key: Option<PerKey>,
    pub(crate) id: Option<Member>,
    pub(crate) instance: Option<Instance>,
    /// Where it is said.
    pub(crate) delete_on_success: Option<Path>,
    pub(crate) delete_on_failure: Option<Path>,
    pub(crate) succeeds: Option<Type>,
    pub(crate) fails: Option<Type>,
}

/// A time, and where it is written.
pub(crate) struct Time {
    pub(crate) time: Duration,
    pub(crate) literal: LitStr,
}

/// `unique`, `unique(id, for = "1h")`.
#[derive(Default)]
pub(crate) struct Unique {
    /// All of the task if there are none.
    pub(crate) fields: Vec<Member>,
    pub(crate) time: Option<Duration>,
    pub(crate) while_waiting: bool,
}

/// `per_key(tenant, at_once = 1, rate = "10/1m")`.
pub(crate) struct PerKey {
    pub(crate) field: Member,
    pub(crate) at_once: Option<u32>,
    pub(crate) rate: Option<(u32, Duration)>,
}

/// `instance(user: User)`.
pub(crate) struct Instance {
    /// What has its id.
    pub(crate) field: Member,
    pub(crate) model: Type,
}

/// Whether it is `#[task(…)]`.
pub(crate) fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("task")
}

impl Keys {
    /// Adds what one attribute says.
    pub(crate) fn read(&mut self, attribute: &Attribute) -> Result<()> {
        match &attribute.meta {
            Meta::List(list) => {
                keyed(&list.tokens, UNKNOWN)?;
                attribute.parse_nested_meta(|argument| self.take(&argument))
            }
            _ => Err(Error::new_spanned(attribute, "no keys: write `#[task(attempts = 5)]`, or remove it")),
        }
    }

    fn take(&mut self, argument: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(key) = argument.path.get_ident() else { return Err(argument.error(UNKNOWN)) };
        match key.to_string().as_str() {
            "name" => set(&mut self.name, argument, word(argument, "not a name: write `name = \"RegisterUser\"`")?),
            "queue" => set(&mut self.queue, argument, word(argument, "not a queue: write `queue = \"mail\"`")?),
            "attempts" => {
                let attempts = number(argument, "not a number of attempts: write `attempts = 5`")?;
                set(&mut self.attempts, argument, attempts)
            }
            "first_wait" => set(&mut self.first_wait, argument, time(argument, "first_wait", "1s")?),
            "longest_wait" => set(&mut self.longest_wait, argument, time(argument, "longest_wait", "1h")?),
            "timeout" => set(&mut self.timeout, argument, time(argument, "timeout", "30s")?),
            "priority" => set(&mut self.priority, argument, priority(argument)?),
            "expires" => set(&mut self.expires, argument, time(argument, "expires", "1d")?),
            "unique" => set(&mut self.unique, argument, unique(argument)?),
            "per_key" => set(&mut self.per_key, argument, per_key(argument)?),
            "id" => {
                let field = value(argument, "not a field: write `id = user`, or `id = 0` for the first")?;
                set(&mut self.id, argument, field)
            }
            "instance" => set(&mut self.instance, argument, instance(argument)?),
            "delete_on_success" => {
                flag(argument)?;
                set(&mut self.delete_on_success, argument, argument.path.clone())
            }
            "delete_on_failure" => {
                flag(argument)?;
                set(&mut self.delete_on_failure, argument, argument.path.clone())
            }
            "succeeds" => {
                let event = value(argument, "not a type of events: write `succeeds = UserRegistered`")?;
                set(&mut self.succeeds, argument, event)
            }
            "fails" => {
                let event = value(argument, "not a type of events: write `fails = UserRegistrationFailed`")?;
                set(&mut self.fails, argument, event)
            }
            "crate" => set(&mut self.root, argument, root(argument)?),
            _ => Err(argument.error(UNKNOWN)),
        }
    }
}

fn word(argument: &ParseNestedMeta<'_>, expected: &str) -> Result<LitStr> {
    let word = value(argument, expected)?;
    topic::check(&word, Grammar::Segment)?;
    Ok(word)
}

fn time(argument: &ParseNestedMeta<'_>, key: &str, example: &str) -> Result<Time> {
    let literal: LitStr = value(argument, &format!("not a time: write `{key} = \"{example}\"`"))?;
    Ok(Time { time: times::read(&literal)?, literal })
}

/// A number from 1.
fn number(argument: &ParseNestedMeta<'_>, expected: &str) -> Result<u32> {
    positive(&value(argument, expected)?, expected)
}

fn positive(literal: &LitInt, expected: &str) -> Result<u32> {
    match literal.base10_parse() {
        Ok(0) => Err(Error::new_spanned(literal, "none at all: the least is 1")),
        Ok(number) => Ok(number),
        Err(_) => Err(Error::new_spanned(literal, expected)),
    }
}

fn priority(argument: &ParseNestedMeta<'_>) -> Result<i8> {
    const EXPECTED: &str = "not a priority: write a number from -9, which can wait, to 9, which is urgent";
    let literal: LitInt = value(argument, EXPECTED)?;
    let priority = literal.base10_parse().ok().filter(|priority: &i8| (-9..=9).contains(priority));
    priority.ok_or_else(|| Error::new_spanned(literal, EXPECTED))
}

/// What stands in the parentheses of a key: fields, and keys of its own.
enum Part {
    Field(Member),
    /// The key, before the `=` that is still to be read.
    Key(Ident),
}

impl Parse for Part {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(LitInt) {
            return input.parse().map(Self::Field);
        }
        // `for` and `while` are no names of fields, and `r#for` is.
        let word = input.call(Ident::parse_any)?;
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            return Ok(Self::Key(word));
        }
        syn::parse2(quote::quote!(#word)).map(Self::Field)
    }
}

/// Reads `key(field, another, with = value)`; each value is read by `take`.
fn parts(
    argument: &ParseNestedMeta<'_>,
    expected: &str,
    fields: &mut Vec<Member>,
    mut take: impl FnMut(&Ident, ParseStream<'_>) -> Result<()>,
) -> Result<()> {
    if !argument.input.peek(token::Paren) {
        return Err(argument.error(expected));
    }
    let inside;
    parenthesized!(inside in argument.input);
    while !inside.is_empty() {
        let at = inside.span();
        match inside.parse().map_err(|_| Error::new(at, expected))? {
            Part::Field(field) if fields.contains(&field) => return Err(Error::new_spanned(field, TWICE)),
            Part::Field(field) => fields.push(field),
            Part::Key(key) => take(&key, &inside)?,
        }
        if !inside.is_empty() {
            inside.parse::<Token![,]>().map_err(|error| Error::new(error.span(), expected))?;
        }
    }
    Ok(())
}

fn once<T>(place: &mut Option<T>, key: &Ident, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::new_spanned(key, TWICE)),
    }
}

fn literal<T: Parse>(input: ParseStream<'_>, expected: &str) -> Result<T> {
    input.parse().map_err(|error| Error::new(error.span(), expected))
}

fn unique(argument: &ParseNestedMeta<'_>) -> Result<Unique> {
    const EXPECTED: &str = "not what there is one of: write `unique` for the whole task, or `unique(id, tenant)`";
    const FOR: &str = "not a time: write `for = \"1h\"`";
    const WHILE: &str = "not a state: write `while = \"waiting\"`, or leave it out if it holds until the job is over";
    let mut unique = Unique::default();
    if argument.input.is_empty() || argument.input.peek(Token![,]) {
        return Ok(unique);
    }
    let mut waiting = None;
    parts(argument, EXPECTED, &mut unique.fields, |key, input| match key.to_string().as_str() {
        "for" => once(&mut unique.time, key, times::read(&literal(input, FOR)?)?),
        "while" => {
            let state: LitStr = literal(input, WHILE)?;
            if state.value() != "waiting" {
                return Err(Error::new_spanned(state, WHILE));
            }
            once(&mut waiting, key, state)
        }
        _ => Err(Error::new_spanned(key, "unknown key: use `for = \"1h\"` or `while = \"waiting\"`")),
    })?;
    if let (Some(state), Some(_)) = (&waiting, unique.time) {
        return Err(Error::new_spanned(
            state,
            "for a time there is one also while it runs, and after: remove `for`, or `while`",
        ));
    }
    unique.while_waiting = waiting.is_some();
    Ok(unique)
}

fn per_key(argument: &ParseNestedMeta<'_>) -> Result<PerKey> {
    const EXPECTED: &str =
        "not a key with its limit: write `per_key(tenant, at_once = 1)`, or `rate = \"10/1m\"` instead";
    const AT_ONCE: &str = "not a number of jobs: write `at_once = 1`";
    const RATE: &str = "not a rate: write `rate = \"10/1m\"`";
    let (mut fields, mut at_once, mut rate) = (Vec::new(), None, None);
    parts(argument, EXPECTED, &mut fields, |key, input| match key.to_string().as_str() {
        "at_once" => once(&mut at_once, key, positive(&literal(input, AT_ONCE)?, AT_ONCE)?),
        "rate" => once(&mut rate, key, times::rate(&literal(input, RATE)?)?),
        _ => Err(Error::new_spanned(key, "unknown key: use `at_once = 1` or `rate = \"10/1m\"`")),
    })?;
    let mut fields = fields.into_iter();
    let Some(field) = fields.next() else { return Err(argument.error(EXPECTED)) };
    if let Some(second) = fields.next() {
        return Err(Error::new_spanned(second, "a second field: the key is one, so make one field of the two"));
    }
    if at_once.is_none() && rate.is_none() {
        return Err(argument.error("no limit: add `at_once = 1`, or `rate = \"10/1m\"`"));
    }
    Ok(PerKey { field, at_once, rate })
}

fn instance(argument: &ParseNestedMeta<'_>) -> Result<Instance> {
    const EXPECTED: &str = "not an instance: write `instance(user: User)`, the field that has its id, and its type";
    if !argument.input.peek(token::Paren) {
        return Err(argument.error(EXPECTED));
    }
    let inside;
    parenthesized!(inside in argument.input);
    let expected = |error: Error| Error::new(error.span(), EXPECTED);
    let field = inside.parse().map_err(expected)?;
    inside.parse::<Token![:]>().map_err(expected)?;
    let model = inside.parse().map_err(expected)?;
    if !inside.is_empty() {
        inside.parse::<Token![,]>().map_err(expected)?;
    }
    if !inside.is_empty() {
        return Err(inside.error("a second instance: a task is about one, so have its function find the other itself"));
    }
    Ok(Instance { field, model })
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse_quote;

    use super::*;

    /// The errors of an attribute that must not be read.
    fn faults(attribute: Attribute) -> Vec<String> {
        let fault = Keys::default().read(&attribute).expect_err("read");
        fault.into_iter().map(|fault| fault.to_string()).collect()
    }

    fn read(attribute: Attribute) -> Keys {
        let mut keys = Keys::default();
        keys.read(&attribute).unwrap();
        keys
    }

    #[test]
    fn fields_and_keys_of_a_key_come_in_any_order() {
        let keys = read(parse_quote!(#[task(unique(for = "1h", id, 0, r#for,), per_key(rate = "2/1s", rate))]));
        let unique = keys.unique.unwrap();
        assert!(unique.fields == [parse_quote!(id), parse_quote!(0), parse_quote!(r#for)]);
        assert_eq!((unique.time, unique.while_waiting), (Some(Duration::from_secs(3600)), false));
        let per_key = keys.per_key.unwrap();
        assert!(per_key.field == parse_quote!(rate), "a field may have the name of a key");
        assert_eq!((per_key.at_once, per_key.rate), (None, Some((2, Duration::from_secs(1)))));
    }

    #[test]
    fn unique_without_fields_is_all_of_the_task() {
        for keys in [quote!(unique), quote!(unique()), quote!(unique, attempts = 5)] {
            assert!(read(parse_quote!(#[task(#keys)])).unique.unwrap().fields.is_empty(), "{keys}");
        }
        assert!(read(parse_quote!(#[task(unique(while = "waiting"))])).unique.unwrap().while_waiting);
    }

    #[test]
    fn a_wrong_key_says_what_to_write() {
        let priority = "not a priority: write a number from -9, which can wait, to 9, which is urgent";
        let unique = "not what there is one of: write `unique` for the whole task, or `unique(id, tenant)`";
        let state = "not a state: write `while = \"waiting\"`, or leave it out if it holds until the job is over";
        let per_key = "not a key with its limit: write `per_key(tenant, at_once = 1)`, or `rate = \"10/1m\"` instead";
        let none = "none at all: the least is 1";
        let instance = "not an instance: write `instance(user: User)`, the field that has its id, and its type";
        for (keys, expected) in [
            (quote!(retries = 5), UNKNOWN),
            (quote!(task::attempts = 5), UNKNOWN),
            (quote!("mail"), UNKNOWN),
            (quote!(name = RegisterUser), "not a name: write `name = \"RegisterUser\"`"),
            (quote!(name = ""), "empty: write a word, or leave it out"),
            (quote!(queue = mail), "not a queue: write `queue = \"mail\"`"),
            (quote!(queue = " mail"), "whitespace at an end of ` mail`: remove it"),
            (quote!(attempts), "not a number of attempts: write `attempts = 5`"),
            (quote!(attempts = 0), none),
            (quote!(attempts = -1), "not a number of attempts: write `attempts = 5`"),
            (quote!(attempts = "5"), "not a number of attempts: write `attempts = 5`"),
            (quote!(attempts = 4294967296), "not a number of attempts: write `attempts = 5`"),
            (quote!(timeout = 30), "not a time: write `timeout = \"30s\"`"),
            (quote!(timeout = "0s"), "no time at all: the least is `1ms`"),
            (quote!(first_wait = 1), "not a time: write `first_wait = \"1s\"`"),
            (quote!(longest_wait(1)), "not a time: write `longest_wait = \"1h\"`"),
            (quote!(expires = "40000d"), "`40000d` is too long: the longest is `36500d`"),
            (quote!(priority = 10), priority),
            (quote!(priority = -10), priority),
            (quote!(priority = 300), priority),
            (quote!(priority = "high"), priority),
            (quote!(unique = "id"), unique),
            (quote!(unique("id")), unique),
            (quote!(unique(id tenant)), unique),
            (quote!(unique(id, id)), TWICE),
            (quote!(unique(id, until = "1h")), "unknown key: use `for = \"1h\"` or `while = \"waiting\"`"),
            (quote!(unique(id, for = 1)), "not a time: write `for = \"1h\"`"),
            (quote!(unique(for = "1h", for = "2h")), TWICE),
            (quote!(unique(while = "running")), state),
            (quote!(unique(while = waiting)), state),
            (
                quote!(unique(for = "1h", while = "waiting")),
                "for a time there is one also while it runs, and after: remove `for`, or `while`",
            ),
            (quote!(unique, unique(id)), TWICE),
            (quote!(per_key), per_key),
            (quote!(per_key = tenant), per_key),
            (quote!(per_key(at_once = 1)), per_key),
            (quote!(per_key("tenant", at_once = 1)), per_key),
            (quote!(per_key(tenant)), "no limit: add `at_once = 1`, or `rate = \"10/1m\"`"),
            (quote!(per_key(tenant, at_once = 0)), none),
            (quote!(per_key(tenant, at_once = "1")), "not a number of jobs: write `at_once = 1`"),
            (quote!(per_key(tenant, rate = 10)), "not a rate: write `rate = \"10/1m\"`"),
            (quote!(per_key(tenant, rate = "0/1m")), none),
            (quote!(per_key(tenant, most = 1)), "unknown key: use `at_once = 1` or `rate = \"10/1m\"`"),
            (
                quote!(per_key(tenant, user, at_once = 1)),
                "a second field: the key is one, so make one field of the two",
            ),
            (quote!(instance), instance),
            (quote!(instance = User), instance),
            (quote!(instance()), instance),
            (quote!(instance(user)), instance),
            (quote!(instance(User: )), instance),
            (quote!(instance("user": User)), instance),
            (quote!(instance(user: User Account)), instance),
            (
                quote!(instance(user: User, account: Account)),
                "a second instance: a task is about one, so have its function find the other itself",
            ),
            (quote!(instance(user: User), instance(user: User)), TWICE),
            (
                quote!(delete_on_success = true, instance(user: User)),
                "takes no value: write the word alone, or leave it out",
            ),
            (quote!(delete_on_failure, delete_on_failure), TWICE),
            (quote!(id = "user"), "not a field: write `id = user`, or `id = 0` for the first"),
            (quote!(succeeds = "UserRegistered"), "not a type of events: write `succeeds = UserRegistered`"),
            (quote!(fails), "not a type of events: write `fails = UserRegistrationFailed`"),
            (quote!(attempts = 5, attempts = 6), TWICE),
            (quote!(crate = convoke), "not a path: write `crate = \"path::to::convoke\"`"),
        ] {
            assert_eq!(faults(parse_quote!(#[task(#keys)])), [expected], "{keys}");
        }
    }

    #[test]
    fn an_attribute_without_keys_is_told_of_one() {
        let expected = "no keys: write `#[task(attempts = 5)]`, or remove it";
        assert_eq!(faults(parse_quote!(#[task])), [expected]);
        assert_eq!(faults(parse_quote!(#[task = "mail"])), [expected]);
    }
}
