//! The Python libraries that this project compares itself with, in an environment of their own.
//!
//! Not part of `cargo xtask test`: it downloads hundreds of megabytes. The golden fixtures that it writes are in the
//! repository, and the tests read those.

use crate::project::Project;
use crate::shell::{self, which};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Versions that work together.
const PACKAGES: &[&str] =
    &["torch==2.15.*", "transformers==4.57.6", "adapters==1.3.0", "POT==0.9.7", "safetensors==0.8.*"];

/// Makes the environment, then runs every `check.py` under tests/, or with `fixtures` every `generate.py`.
///
/// # Errors
/// When Python is missing, a package can't be installed, or a script fails.
pub fn run(project: &Project, fixtures: bool) -> Result<()> {
    let name = if fixtures { "generate.py" } else { "check.py" };
    let python = environment(project)?;
    let mut scripts = Vec::new();
    find(&project.root.join("tests"), name, &mut scripts)?;
    scripts.sort();
    for script in &scripts {
        shell::run(Command::new(&python).arg(script).current_dir(&project.root))?;
    }
    println!("{} scripts called {name} ran", scripts.len());
    Ok(())
}

/// The environment's Python; what is installed already is not installed again.
fn environment(project: &Project) -> Result<PathBuf> {
    let folder = project.target.join("oracle");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.is_file() {
        let system = ["python3", "python"].into_iter().find(|name| which(name).is_some());
        let system = system.context("python3 is needed for the reference libraries, and is not installed")?;
        shell::run(Command::new(system).args(["-m", "venv"]).arg(&folder))?;
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    shell::run(install.args(["--extra-index-url", "https://download.pytorch.org/whl/cpu"]).args(PACKAGES))?;
    Ok(python)
}

fn find(folder: &Path, name: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("{} can't be read", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, name, found)?;
        } else if path.file_name().is_some_and(|file| file == name) {
            found.push(path);
        }
    }
    Ok(())
}
