//! chromedriver: started on a free port, ended with the test; and the commands of Chrome's own that WebDriver lacks.

use crate::path_from_environment;
use anyhow::{Context, Result};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use http::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use url::Url;

/// A running chromedriver.
pub struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// Starts it.
    ///
    /// # Errors
    /// When it can't be started, or does not say its port.
    pub fn start() -> Result<Self> {
        let program = path_from_environment("CHROMEDRIVER")?;
        let mut process = Command::new(&program)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} did not start", program.display()))?;
        let output = process.stdout.take().context("chromedriver has no output")?;
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        // "ChromeDriver was started successfully on port 41235."
        let port =
            lines.find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        let port = port.context("chromedriver did not say its port");
        // Whatever else it says must be read, or it stops when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { process, port: port? })
    }

    /// A new browser window.
    ///
    /// # Errors
    /// When Chromium does not start.
    pub async fn open(&self) -> Result<Client> {
        let chromium = path_from_environment("CHROMIUM")?;
        let arguments = [xtask::browser::ARGUMENTS, &["--window-size=1440,1000"]].concat();
        let options = json!({
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let capabilities: Capabilities = serde_json::from_value(options)?;
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        let client = builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{}", self.port)).await;
        client.context("Chromium did not start")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A command that chromedriver knows beyond the standard.
#[derive(Debug)]
struct Chrome {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Chrome {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// Sends a command of the Chrome DevTools Protocol.
///
/// # Errors
/// When Chromium refuses it.
pub async fn devtools(client: &Client, command: &str, parameters: Value) -> Result<Value> {
    let body = json!({ "cmd": command, "params": parameters });
    let answer = client.issue_cmd(Chrome { path: "goog/cdp/execute", body }).await;
    answer.with_context(|| format!("{command} was refused"))
}

/// What the page has written to the console since it was asked last.
///
/// # Errors
/// When chromedriver does not say.
pub async fn console(client: &Client) -> Result<Vec<String>> {
    let entries = client.issue_cmd(Chrome { path: "se/log", body: json!({ "type": "browser" }) }).await?;
    let entries = entries.as_array().cloned().unwrap_or_default();
    let line = |entry: &Value| {
        format!("{}: {}", entry["level"].as_str().unwrap_or("?"), entry["message"].as_str().unwrap_or("?"))
    };
    Ok(entries.iter().map(line).collect())
}
