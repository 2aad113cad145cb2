//! The page under test: opened, pressed, filled, fed with files, read.

use crate::driver::{Driver, console, devtools};
use crate::native::unzip;
use crate::path_from_environment;
use anyhow::{Context, Result, anyhow, bail};
use fantoccini::elements::Element;
use fantoccini::{Client, Locator};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use xtask::serve::StaticServer;

/// How long the page may take to show what costs no computing.
pub const SOON: Duration = Duration::from_secs(30);

/// How long one long step may take on a busy machine without a GPU.
pub const LONG: Duration = Duration::from_secs(300);

/// How often the page is asked again.
const POLL: Duration = Duration::from_millis(100);

/// The controls in sight whose middle belongs to something else: neither to them, nor to a part of them, nor to their
/// label.
const COVERED: &str = "\
    const above = element => element ? [element, ...above(element.parentElement)] : []; \
    const inside = (box, x, y) => x >= box.left && x < box.right && y >= box.top && y < box.bottom; \
    const view = new DOMRect(0, 0, innerWidth, innerHeight); \
    const covered = element => { \
        const box = element.getBoundingClientRect(); \
        const [x, y] = [box.left + box.width / 2, box.top + box.height / 2]; \
        const clips = above(element.parentElement).filter(part => getComputedStyle(part).overflow !== 'visible'); \
        if (clips.some(part => part.scrollTop > 0)) return false; \
        if (![view, ...clips.map(part => part.getBoundingClientRect())].every(clip => inside(clip, x, y))) return false; \
        const top = document.elementFromPoint(x, y); \
        return ![element, ...(element.labels ?? [])].some(own => own.contains(top)); \
    }; \
    const seen = element => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) \
        && !element.matches(':disabled') && getComputedStyle(element).clipPath === 'none' && element.getBoundingClientRect().width > 1; \
    return [...document.querySelectorAll('a[href], button, input, select, textarea, summary')] \
        .filter(element => seen(element) && covered(element)) \
        .map(element => element.outerHTML.slice(0, 160));";

/// The page, in a browser of its own.
pub struct Lab {
    client: Client,
    /// Where Chromium writes what is downloaded.
    downloads: TempDir,
    /// Where it is kept.
    kept: TempDir,
    server: StaticServer,
    _driver: Driver,
}

impl Lab {
    /// Serves the built page and opens it with what stands behind its address, such as `#/lab/align?device=cpu`.
    ///
    /// # Errors
    /// When the page is not built, or the browser does not start.
    pub async fn open(link: &str) -> Result<Self> {
        Self::open_folder(&path_from_environment("DIST")?, link).await
    }

    /// Serves a folder under a sub-path, as a static host might, and opens it.
    ///
    /// # Errors
    /// When the browser does not start.
    pub async fn open_folder(folder: &Path, link: &str) -> Result<Self> {
        let server = StaticServer::start(folder, 0, "/some/lab/")?;
        let driver = Driver::start()?;
        let client = driver.open().await?;
        let downloads = TempDir::new()?;
        let behaviour = json!({ "behavior": "allow", "downloadPath": downloads.path() });
        devtools(&client, "Browser.setDownloadBehavior", behaviour).await?;
        client.goto(&format!("{}{link}", server.url())).await?;
        Ok(Self { client, downloads, kept: TempDir::new()?, server, _driver: driver })
    }

    /// The browser's session, for what has no word here.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The address of the page, without a query.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Presses an element.
    ///
    /// # Errors
    /// When it does not appear, or can't be pressed.
    pub async fn press(&self, handle: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            // The page redraws under our hands: an element found may be gone when it is pressed.
            let pressed = async { self.find(handle).await?.click().await.map_err(anyhow::Error::from) }.await;
            match pressed {
                Ok(()) => return Ok(()),
                Err(error) if start.elapsed() > SOON => {
                    return Err(error.context(format!("{handle} could not be pressed")));
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Chooses a radio button or a check box, which may be hidden behind its label.
    ///
    /// # Errors
    /// When it does not appear.
    pub async fn choose(&self, handle: &str) -> Result<()> {
        self.act(handle, "element.click()", "on").await
    }

    /// Writes a value into a field, or picks it in a selection, and leaves it.
    ///
    /// # Errors
    /// When the field does not appear or does not take the value.
    pub async fn fill(&self, handle: &str, value: &str) -> Result<()> {
        let script = "element.focus(); element.value = value; \
                      for (const kind of ['input', 'change']) \
                        element.dispatchEvent(new Event(kind, { bubbles: true })); element.blur();";
        self.act(handle, script, value).await
    }

    /// Merges what is loaded by a method, and downloads the result: the files in its zip by name.
    ///
    /// # Errors
    /// When it does not come about.
    pub async fn merge_by(&self, method: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        self.press("step-merge").await?;
        self.choose(&format!("method-{method}")).await?;
        self.press("merge-go").await?;
        let row = format!("merge-row[data-method=\"{method}\"]");
        self.until(&row, "data-method", LONG, |_| true).await?;
        unzip(&self.download(&format!("{row} [data-testid=\"download-adapter\"]")).await?)
    }

    /// Drops a data file of three classes and begins to train the chosen merge on six of its rows, three a step, with 13 for
    /// both seeds.
    ///
    /// # Errors
    /// When the page does not take them.
    pub async fn train_merged(&self, data: &Path, epochs: usize) -> Result<()> {
        self.drop_files(&[data]).await?;
        self.until("step-few-shot", "aria-expanded", LONG, |open| open == "true").await?;
        for (field, value) in [
            ("k", "2"),
            ("seed", "13"),
            ("max-length", "32"),
            ("epochs", &epochs.to_string()),
            ("batch-size", "3"),
            ("learning-rate", "0.002"),
        ] {
            self.fill(field, value).await?;
        }
        self.choose("start-merged").await?;
        self.press("train").await
    }

    /// Does something to an element when it is there. It is looked up where it is used, in one go, for the page redraws
    /// under our hands.
    async fn act(&self, handle: &str, what: &str, value: &str) -> Result<()> {
        self.find(handle).await?;
        let script = format!("const element = document.querySelector(arguments[0]), value = arguments[1]; {what}");
        let arguments = vec![json!(css(handle)), json!(value)];
        self.client.execute(&script, arguments).await.with_context(|| format!("{handle} := {value}"))?;
        Ok(())
    }

    /// Lets files or folders fall onto the page, as a hand would that drags them from a file manager.
    ///
    /// # Errors
    /// When one is not there, or the browser refuses.
    pub async fn drop_files(&self, paths: &[&Path]) -> Result<()> {
        self.drag_files(paths, &["dragEnter", "dragOver", "drop"]).await
    }

    /// Some steps of a drag of files over the middle of the page: `dragEnter`, `dragOver`, `drop`.
    ///
    /// # Errors
    /// When a file is not there, or the browser refuses.
    pub async fn drag_files(&self, paths: &[&Path], steps: &[&str]) -> Result<()> {
        let mut files = Vec::new();
        for path in paths {
            files.push(path.canonicalize().with_context(|| format!("{} is not there", path.display()))?);
        }
        for kind in steps {
            let data = json!({ "items": [], "files": files, "dragOperationsMask": 1 });
            let event = json!({ "type": kind, "x": 700, "y": 500, "data": data });
            devtools(&self.client, "Input.dispatchDragEvent", event).await?;
        }
        Ok(())
    }

    /// Picks files through the input behind a button.
    ///
    /// # Errors
    /// When the input is not there or refuses.
    pub async fn pick_files(&self, handle: &str, paths: &[&Path]) -> Result<()> {
        let lines: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let input = self.client.find(Locator::Css(&css(handle))).await?;
        Ok(input.send_keys(&lines.join("\n")).await?)
    }

    /// Waits for an element that is on the page.
    ///
    /// # Errors
    /// When it does not appear soon.
    pub async fn find(&self, handle: &str) -> Result<Element> {
        let css = css(handle);
        let wait = self.client.wait().at_most(SOON).every(POLL);
        wait.for_element(Locator::Css(&css)).await.with_context(|| format!("{css} did not appear"))
    }

    /// How many elements of a kind there are now.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn count(&self, handle: &str) -> Result<usize> {
        Ok(self.client.find_all(Locator::Css(&css(handle))).await?.len())
    }

    /// The text of each element of a kind, as one sees it.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn texts(&self, handle: &str) -> Result<Vec<String>> {
        self.each(handle, "element.innerText.trim()").await
    }

    /// An attribute of each element of a kind that has it.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn attributes(&self, handle: &str, attribute: &str) -> Result<Vec<String>> {
        self.each(handle, &format!("element.getAttribute('{attribute}')")).await
    }

    /// An attribute as a number.
    ///
    /// # Errors
    /// When the element does not appear, or the attribute is no number.
    pub async fn number(&self, handle: &str, attribute: &str) -> Result<f64> {
        self.find(handle).await?;
        let values = self.attributes(handle, attribute).await?;
        let value = values.first().with_context(|| format!("{handle} has no {attribute}"))?;
        value.parse().with_context(|| format!("{handle} has {attribute}={value}"))
    }

    /// Waits until an attribute of some element of a kind is as wanted, and returns it.
    ///
    /// # Errors
    /// When that does not happen in time; says what it was instead, and what the page complains of.
    pub async fn until(
        &self,
        handle: &str,
        attribute: &str,
        time: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let start = Instant::now();
        loop {
            let values = self.attributes(handle, attribute).await?;
            if let Some(value) = values.iter().find(|value| wanted(value)) {
                return Ok(value.clone());
            }
            if start.elapsed() > time {
                let problems = self.texts("problem").await?;
                bail!("after {time:?} {attribute} of {handle} is {values:?}; the page says {problems:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until as many elements of a kind are there.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn until_count(&self, handle: &str, time: Duration, wanted: usize) -> Result<()> {
        let start = Instant::now();
        loop {
            let count = self.count(handle).await?;
            if count == wanted {
                return Ok(());
            }
            if start.elapsed() > time {
                let problems = self.texts("problem").await?;
                bail!("after {time:?} there are {count} {handle}, not {wanted}; the page says {problems:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Presses what downloads something, and returns the file when it is whole.
    ///
    /// # Errors
    /// When nothing new arrives in time.
    pub async fn download(&self, handle: &str) -> Result<PathBuf> {
        self.press(handle).await?;
        self.new_file(handle).await
    }

    /// Presses a tool of the figure whose title begins so, and returns the file that it downloads.
    ///
    /// # Errors
    /// When there is no such figure or tool, or nothing new arrives in time.
    pub async fn download_of_figure(&self, title: &str, tool: &str) -> Result<PathBuf> {
        let script = "const [title, tool] = arguments; \
            const figure = [...document.querySelectorAll('figure')] \
                .find(figure => figure.querySelector('.figure-title')?.textContent.startsWith(title)); \
            const button = [...(figure?.querySelectorAll('button') ?? [])] \
                .find(button => button.textContent.trim() === tool); \
            button?.click(); return !!button;";
        let pressed = self.client.execute(script, vec![json!(title), json!(tool)]).await?;
        if pressed != json!(true) {
            bail!("there is no figure {title}… with a tool {tool}");
        }
        self.new_file(title).await
    }

    /// The file that arrives, taken out of the way of the next one, which may have the same name.
    async fn new_file(&self, handle: &str) -> Result<PathBuf> {
        let start = Instant::now();
        loop {
            let arrived = std::fs::read_dir(self.downloads.path())?.filter_map(|entry| Some(entry.ok()?.path()));
            // Chromium writes beside the name and renames at the end.
            let whole = |path: &PathBuf| path.extension().is_none_or(|extension| extension != "crdownload");
            if let Some(path) = arrived.filter(|path| path.is_file()).find(whole) {
                let place = tempfile::tempdir_in(self.kept.path())?.keep();
                let kept = place.join(path.file_name().unwrap_or_default());
                std::fs::rename(&path, &kept)?;
                return Ok(kept);
            }
            if start.elapsed() > SOON {
                bail!("{handle} downloaded nothing");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What a hand can't press though it is in sight, for something lies over it. What a pane has scrolled is left out.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn covered(&self) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.client.execute(COVERED, vec![]).await?)?)
    }

    /// Ends the scenario; when it failed, leaves a picture of the page and adds what the page wrote to the console.
    /// A page that panicked has failed, whatever it shows, and so has one that shows what can't be pressed.
    ///
    /// # Errors
    /// The scenario's.
    pub async fn close_after(self, name: &str, result: Result<()>) -> Result<()> {
        let lines = console(&self.client).await.unwrap_or_default();
        let panicked = lines.iter().any(|line| line.contains("RuntimeError") || line.contains("panicked"));
        let result = match result {
            Ok(()) if panicked => Err(anyhow!("the page panicked")),
            Ok(()) => match self.covered().await {
                Ok(covered) if !covered.is_empty() => Err(anyhow!("something lies over {covered:?}")),
                other => other.map(drop),
            },
            failed => failed,
        };
        let result = match result {
            Ok(()) => Ok(()),
            Err(error) => {
                let folder = std::env::temp_dir();
                let picture = folder.join(format!("mera-lab-{name}.png"));
                if let Ok(bytes) = self.client.screenshot().await {
                    std::fs::write(&picture, bytes).ok();
                }
                Err(error.context(format!(
                    "{name} failed; the page as it stood: {}; its console:\n{}",
                    picture.display(),
                    lines.join("\n")
                )))
            }
        };
        self.client.close().await.ok();
        result
    }

    async fn each(&self, handle: &str, what: &str) -> Result<Vec<String>> {
        let script = format!(
            "return [...document.querySelectorAll(arguments[0])].map(element => {what}).filter(value => value !== null)"
        );
        let values = self.client.execute(&script, vec![json!(css(handle))]).await?;
        Ok(serde_json::from_value(values)?)
    }
}

/// Whether an attribute is a number from 0 to 1.
#[must_use]
pub fn in_unit_interval(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|value| (0.0..=1.0).contains(&value))
}

/// The selector of a handle: `train` is `[data-testid="train"]`; `run-row[data-name="x"]`, `run-row button` and
/// `run-row:last-child` narrow it.
fn css(handle: &str) -> String {
    let end = handle.find(['[', ' ']).into_iter().chain(handle.find(":last")).min();
    let (name, narrower) = handle.split_at(end.unwrap_or(handle.len()));
    format!("[data-testid=\"{name}\"]{narrower}")
}
