//! Topics that are none.

use convoke::Event;

#[derive(Event)]
#[event(local, topic = 5)]
struct Number;

#[derive(Event)]
#[event(local, topic)]
struct Nothing;

#[derive(Event)]
#[event(local, topic = "")]
struct Empty;

#[derive(Event)]
#[event(local, topic = "/orders")]
struct Slash;

#[derive(Event)]
#[event(local, topic = "orders/*")]
struct Wildcard;

#[derive(Event)]
#[event(local, topic = "orders /placed")]
struct Whitespace;

#[derive(Event)]
#[event(local, topic = "orders\nplaced")]
struct Control;

#[derive(Event)]
#[event(local, topic = "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/a/b/c/d/e/f/g")]
struct Deep;

#[derive(Event)]
#[event(
    local,
    topic = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
             xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
             xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
             xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
)]
struct Long;

fn main() {}
