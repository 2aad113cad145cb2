//! Where things lie: the repository, and the folder that cargo builds into.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders that every task needs.
pub struct Project {
    /// The repository.
    pub root: PathBuf,
    /// Cargo's target folder: `target/`, or what `CARGO_TARGET_DIR` or a config file says.
    pub target: PathBuf,
}

impl Project {
    /// The project that this program belongs to.
    ///
    /// # Errors
    /// When cargo can't describe it.
    pub fn find() -> Result<Self> {
        // Cargo says at run time where the package lies, so a moved checkout is found too.
        let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
        let package = Path::new(&manifest);
        let root =
            package.ancestors().find(|folder| folder.join("Trunk.toml").is_file() || folder.join(".ci").is_dir());
        let root = root.with_context(|| format!("no repository around {manifest}"))?.to_path_buf();
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(&root)
            .output()
            .context("cargo metadata did not start")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata's answer")?;
        let target = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?.into();
        Ok(Self { root, target })
    }

    /// The folder of the pinned tools: their programs are in its `bin`.
    #[must_use]
    pub fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The folder of the pretrained language models that are served with the page.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.root.join("www/models")
    }
}

/// The cargo that runs us, or the one in `PATH`.
#[must_use]
pub fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}
