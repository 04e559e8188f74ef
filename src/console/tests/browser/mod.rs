//! The console in a real browser: Chromium without a window, which is asked by WebDriver.
//!
//! ```text
//! stage.rs: an application that runs ◀─ HTTP ─ Chromium ◀─ driver.rs: chromedriver ◀─ browser.rs ◀─ the tests
//!                                                  └─ whatever is not on this machine ─▶ a proxy that notes and refuses it
//! ```
//!
//! - `driver.rs`, `browser.rs`: what drives it, and what it is asked
//! - `stage.rs`, `places.rs`: an application with something of everything, and all its pages
//! - `walk.rs`: by links and keys to every page, live, and what is written there; `plain.rs`: the same without JavaScript
//! - `look.rs`: what an accessibility checker says, and whether a page fits; `pictures.rs`: the pages as pictures, if somebody asks for them
//! - `hostile.rs`, `texts.rs`: texts that mean no good
//! - `weight.rs`: what one page weighs
//!
//! `axe.min.js` is axe-core 4.14.1, of these tests alone, with its license beside it.
//!
//! Where there is no Chromium these tests say so, and fail where `CI` is set. `CONVOKE_TEST_CHROMEDRIVER` is the path of another
//! chromedriver; `CONVOKE_FULL` has them look longer, and `CONVOKE_PICTURES` has them make the pictures anew.

mod driver;
mod browser;
mod stage;
mod places;
mod walk;
mod plain;
mod look;
mod pictures;
mod texts;
mod hostile;
mod weight;
