//! Finding the browser that the tests drive, or installing it.

use crate::shell::{run, which};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// A Chromium and the WebDriver that drives it.
pub struct Browser {
    /// Chromium or Chrome.
    pub chromium: PathBuf,
    /// The chromedriver of the same version.
    pub driver: PathBuf,
}

/// What a headless Chromium is started with: WebGPU on whatever adapter there is, a software one included, and none
/// of the browser's own traffic. `--disable-gpu` must not be among them: it takes WebGPU away.
pub const ARGUMENTS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
];

/// Finds a Chromium with its chromedriver. On Debian and its kin, as root, installs them when there are none.
///
/// # Errors
/// When they are missing and can't be installed; says what to install.
pub fn ensure() -> Result<Browser> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let root = std::env::var("USER").is_ok_and(|user| user == "root")
        || crate::shell::first_line("id", &["-u"]).is_some_and(|id| id == "0");
    if which("apt-get").is_none() || !root {
        bail!(
            "no Chromium with chromedriver was found: install both (Debian: `sudo apt-get install chromium \
             chromium-driver`), or set CHROMEDRIVER to the driver's path"
        );
    }
    println!("no Chromium with chromedriver here: installing Debian's");
    run(Command::new("apt-get").args(["-q", "update"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run(install.args(["-q", "install", "-y", "--no-install-recommends", "chromium", "chromium-driver"]))?;
    find().context("Debian's chromium and chromium-driver were installed, and are still not in PATH")
}

fn find() -> Option<Browser> {
    let set = std::env::var_os("CHROMEDRIVER").map(PathBuf::from).filter(|path| path.is_file());
    let driver = set.or_else(|| which("chromedriver"))?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let chromium = names.into_iter().find_map(which)?;
    Some(Browser { chromium, driver })
}
