//! Building the page with trunk, and how large it came out.

use crate::project::Project;
use crate::shell::{path_with, run};
use crate::tools::{TRUNK, WASM_BINDGEN, ensure, ensure_wasm_target};
use anyhow::{Context, Result};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the wasm is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Small: what is published.
    Web,
    /// Quick to build: for a developer and for the tests in a browser.
    WebTest,
}

impl Profile {
    /// The profile behind `--release`.
    #[must_use]
    pub fn of(release: bool) -> Self {
        if release { Self::Web } else { Self::WebTest }
    }

    /// Its name in Cargo.toml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::WebTest => "web-test",
        }
    }
}

/// Builds the page into `dist/`. Files there are static and refer to each other by relative paths.
///
/// # Errors
/// When a tool can't be installed, or the build fails.
pub fn build(project: &Project, profile: Profile) -> Result<()> {
    ensure_wasm_target(project)?;
    let wasm_bindgen = ensure(project, &WASM_BINDGEN)?;
    let trunk = ensure(project, &TRUNK)?;
    let mut command = Command::new(trunk.join(TRUNK.program));
    command.args(["build", "--cargo-profile", profile.name(), "--locked", "--skip-version-check"]);
    if profile == Profile::Web {
        without_builders_paths(&mut command);
    }
    // Found in PATH at the right version, wasm-bindgen is not downloaded by trunk.
    command.current_dir(&project.root).env("PATH", path_with(&wasm_bindgen)?);
    command.env("CARGO_TARGET_DIR", &project.target).env_remove("NO_COLOR");
    run(&mut command).context("the page could not be built")
}

/// A panic names the source it stands in: without this the published wasm would tell where on whose machine that lies.
fn without_builders_paths(command: &mut Command) {
    let cargo_home =
        std::env::var("CARGO_HOME").map(PathBuf::from).ok().or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let Some(registry) = cargo_home.map(|home| home.join("registry/src")) else { return };
    let Ok(sources) = fs::read_dir(&registry) else { return };
    let flags: Vec<String> = sources
        .flatten()
        .map(|source| format!("--remap-path-prefix={}=", source.path().display()))
        // The variable parts its flags at spaces.
        .filter(|flag| !flag.contains(char::is_whitespace))
        .collect();
    // Cargo puts these beside the flags of .cargo/config.toml.
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags.join(" "));
}

/// Prints the size of each part of the page: raw, gzip and brotli.
///
/// # Errors
/// When the folder can't be read.
pub fn print_sizes(dist: &Path) -> Result<()> {
    println!("{:>10} {:>10} {:>10}  file", "raw", "gzip", "brotli");
    let mut files = Vec::new();
    collect(dist, &mut files)?;
    files.sort();
    for path in files {
        let parts = ["wasm", "js", "css", "html"];
        if !path.extension().is_some_and(|extension| parts.iter().any(|part| extension == *part)) {
            continue;
        }
        let bytes = fs::read(&path)?;
        let name = path.strip_prefix(dist).unwrap_or(&path).display();
        println!("{:>10} {:>10} {:>10}  {name}", bytes.len(), gzip(&bytes)?, brotli(&bytes)?);
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} can't be read", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn gzip(bytes: &[u8]) -> Result<usize> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

fn brotli(bytes: &[u8]) -> Result<usize> {
    let mut out = Vec::new();
    // Quality 11 and a window of 22 bits are what hosts compress with ahead of time.
    let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 11, 22);
    encoder.write_all(bytes)?;
    drop(encoder);
    Ok(out.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetition_compresses() {
        let bytes = b"neuron ".repeat(1000);
        assert!(gzip(&bytes).unwrap() < 100);
        assert!((1..100).contains(&brotli(&bytes).unwrap()));
    }
}
