//! What the end-to-end test is made of: the built page behind a static server, a headless Chromium that drives it, and
//! the native command that gives the numbers to compare with, and a server that answers as the Hugging Face hub does.
//!
//! `cargo xtask test page e2e` builds the page and sets the environment: `DIST` is the folder of the built page,
//! `MERA` the native command, `CHROMEDRIVER` and `CHROMIUM` the browser.

pub mod driver;
pub mod experiment;
pub mod hub;
pub mod lab;
pub mod native;

use anyhow::{Context, Result};
use std::path::PathBuf;

/// A path that the environment names.
///
/// # Errors
/// When it does not, or nothing is there.
pub fn path_from_environment(name: &str) -> Result<PathBuf> {
    let value =
        std::env::var_os(name).with_context(|| format!("{name} is not set: run `cargo xtask test page e2e`"))?;
    let path = PathBuf::from(value);
    path.canonicalize().with_context(|| format!("{name} is {}, and nothing is there", path.display()))
}

/// The repository.
#[must_use]
pub fn root() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(PathBuf::from).unwrap_or_default()
}
