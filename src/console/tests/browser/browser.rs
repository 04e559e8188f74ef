//! A browser, and what it is asked.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use actix_web::rt::time::sleep;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::driver::{Driver, Elsewhere};

/// Longer than anything takes that a page does.
const LONG: Duration = Duration::from_secs(30);

/// A Chromium without a window, in which one site is looked at.
pub(super) struct Browser {
    client: Client,
    elsewhere: Elsewhere,
    site: String,
    // After the client, so that the session ends before its driver.
    _driver: Driver,
}

/// A command that chromedriver has beside those of WebDriver.
#[derive(Debug)]
struct Own(&'static str, Value);

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

impl Browser {
    /// Opens one in which the pages of this site have their scripts, or not; `None` if there is none on this machine.
    pub(super) async fn open(site: &str, has_scripts: bool) -> Option<Self> {
        let driver = Driver::start()?;
        let elsewhere = Elsewhere::begin().await;
        let mut arguments = vec![
            "--headless".to_owned(),
            "--window-size=1280,900".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--force-color-profile=srgb".to_owned(),
            "--lang=en".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            // Nothing but the pages is to ask for anything.
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-default-apps".to_owned(),
            "--disable-extensions".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication".to_owned(),
            "about:blank".to_owned(),
            format!("--proxy-server=http://127.0.0.1:{}", elsewhere.port),
            format!("--user-data-dir={}", driver.folder.path().join("profile").display()),
        ];
        if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
            // As root it has no other way.
            arguments.push("--no-sandbox".to_owned());
        }
        let mut options = json!({
            "args": arguments,
            "prefs": { "profile.managed_default_content_settings.javascript": if has_scripts { 1 } else { 2 } },
        });
        if let Some(chromium) = &driver.chromium {
            options["binary"] = json!(chromium);
        }
        let Value::Object(wanted) = json!({
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            // A dialog is a mistake, and stays for whoever asks next.
            "unhandledPromptBehavior": "ignore",
        }) else {
            unreachable!("it is an object")
        };
        let mut connect = ClientBuilder::new(HttpConnector::new());
        let client = connect.capabilities(wanted).connect(&driver.url()).await.unwrap();
        Some(Self { client, elsewhere, site: site.to_owned(), _driver: driver })
    }

    /// Goes to a page of the site.
    pub(super) async fn go(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.site)).await.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Where it is, behind the address of the site.
    pub(super) async fn place(&self) -> String {
        let url = self.client.current_url().await.unwrap().to_string();
        url.strip_prefix(&self.site).unwrap_or_else(|| panic!("{url} is elsewhere")).to_owned()
    }

    /// Runs a script in the page, and returns what that returns.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.run_with(script, Vec::new()).await
    }

    pub(super) async fn run_with(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap_or_else(|error| panic!("{script:.200}: {error}"))
    }

    /// Runs one that calls back, by the last of its arguments.
    pub(super) async fn run_until_called(&self, script: &str) -> Value {
        self.client.execute_async(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script:.200}: {error}"))
    }

    /// Awaits that this is true of the page.
    pub(super) async fn until(&self, what: &str, expression: &str) {
        let begun = Instant::now();
        while begun.elapsed() < LONG {
            // Between two pages there is none to be asked.
            let is_true = self.client.execute(&format!("return !!({expression})"), Vec::new()).await;
            if matches!(is_true, Ok(Value::Bool(true))) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        let text = self.run("return document.body.innerText").await;
        panic!("it never came to be that {what}, on {}: {text}", self.place().await);
    }

    /// What the page says, as somebody reads it.
    pub(super) async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    async fn own(&self, name: &'static str, what: Value) -> Value {
        self.client.issue_cmd(Own(name, what)).await.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Asks the browser itself, by its protocol for developers.
    pub(super) async fn ask(&self, command: &str, with: Value) -> Value {
        self.own("goog/cdp/execute", json!({ "cmd": command, "params": with })).await
    }

    /// Looks by a window of this width, in light or in dark.
    pub(super) async fn look_by(&self, width: u32, is_dark: bool) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", size).await;
        let theme = json!({ "name": "prefers-color-scheme", "value": if is_dark { "dark" } else { "light" } });
        // A color on its way to another is none of either.
        let still = json!({ "name": "prefers-reduced-motion", "value": "reduce" });
        self.ask("Emulation.setEmulatedMedia", json!({ "features": [theme, still] })).await;
    }

    /// Presses a key, and lets it go.
    pub(super) async fn press(&self, key: Key) {
        self.type_in(&char::from(key).to_string()).await;
    }

    /// Types a text where the focus is.
    pub(super) async fn type_in(&self, text: &str) {
        let mut keys = KeyActions::new("keys".to_owned());
        for value in text.chars() {
            keys = keys.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client.perform_actions(keys).await.unwrap();
    }

    /// Goes on by the tabulator until this is true of what has the focus, `it`. Whatever has it on the way can be seen to.
    pub(super) async fn tab_to(&self, what: &str, expression: &str) {
        let script = format!(
            "const it = document.activeElement; const style = getComputedStyle(it); const box = it.getBoundingClientRect();
             const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
                 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
             return {{ is: !!({expression}), seen: seen || it === document.body, name: it.outerHTML.slice(0, 300) }}"
        );
        for _ in 0..150 {
            self.press(Key::Tab).await;
            let found = self.run(&script).await;
            assert_eq!(found["seen"], true, "nobody sees that it has the focus: {found}");
            if found["is"] == true {
                return;
            }
        }
        panic!("no tabulator leads to {what} on {}: {}", self.place().await, self.text().await);
    }

    /// Tells the page that is there from the one that comes, and awaits that.
    pub(super) async fn leave_by(&self, key: Key) {
        self.run("window.isOld = true").await;
        self.press(key).await;
        self.until("another page is there", "!window.isOld && document.readyState === 'complete'").await;
    }

    /// Clicks on the first element that a selector finds, which stays where it is.
    pub(super) async fn choose(&self, selector: &str) {
        let found = self.client.find(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}")).click().await.unwrap();
    }

    /// Clicks on the first that a selector finds, which leads to another page.
    pub(super) async fn click(&self, selector: &str) {
        self.run("window.isOld = true").await;
        self.choose(selector).await;
        self.until("another page is there", "!window.isOld && document.readyState === 'complete'").await;
    }

    /// Asks that nothing has gone wrong since the last time: no word in the log of the pages, as for what a policy has refused, and
    /// no request to anybody else.
    pub(super) async fn is_quiet(&self, what: &str) {
        let Value::Array(mut said) = self.own("se/log", json!({ "type": "browser" })).await else {
            panic!("{what}: no log")
        };
        // That a page says no is what it was asked for. A file that goes with pages never does.
        said.retain(|line| {
            let text = line["message"].as_str().unwrap_or_default();
            let says_no =
                ["401 (", "404 (", "428 ("].iter().any(|status| text.contains(&format!("a status of {status}")));
            let is_page = ["/convoke/", "/production/", "/denied/"]
                .iter()
                .any(|console| text.starts_with(&format!("{}{console}", self.site)) && !text.contains("/assets/"));
            line["source"] != "network" || !says_no || !is_page
        });
        assert_eq!(said, [Value::Null; 0], "{what}");
        let performed = self.own("se/log", json!({ "type": "performance" })).await;
        for line in performed.as_array().unwrap() {
            let line: Value = serde_json::from_str(line["message"].as_str().unwrap()).unwrap();
            let (method, params) = (&line["message"]["method"], &line["message"]["params"]);
            let url = match method.as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => params["request"]["url"].as_str().unwrap(),
                "Network.webSocketCreated" => params["url"].as_str().unwrap(),
                _ => continue,
            };
            // The page that a browser begins with is its own.
            let is_ours =
                [&format!("{}/", self.site), "data:", "chrome://", "about:"].iter().any(|own| url.starts_with(own));
            assert!(is_ours, "{what}: {url} was asked for");
        }
        assert_eq!(self.elsewhere(), [""; 0], "{what}");
    }

    /// Who was asked for anything that is not on this machine.
    pub(super) fn elsewhere(&self) -> Vec<String> {
        self.elsewhere.asked()
    }

    /// Ends the session, and with it its window.
    pub(super) async fn close(self) {
        self.client.close().await.unwrap();
    }
}
