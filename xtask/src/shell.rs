//! Starting other programs: echoed, checked, and where asked listened to.

use crate::project::{Project, cargo};
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Cargo, in the repository.
#[must_use]
pub fn cargo_command(project: &Project, arguments: &[&str]) -> Command {
    let mut command = Command::new(cargo());
    command.current_dir(&project.root).args(arguments).env("CARGO_TARGET_DIR", &project.target);
    // Set by the cargo that runs us; they would leak our own package into what the inner cargo builds.
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_PKG_NAME").env_remove("CARGO_PKG_VERSION");
    command
}

/// Runs a command to its end.
///
/// # Errors
/// When it can't start, or ends with another code than 0.
pub fn run(command: &mut Command) -> Result<()> {
    let line = describe(command);
    println!("$ {line}");
    let status = command.status().with_context(|| format!("{} did not start", command.get_program().display()))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs a command to its end, and hands each line of its standard output to `listen` while passing it on.
/// Returns whether it ended with code 0.
///
/// # Errors
/// When it can't start.
pub fn run_listening(command: &mut Command, mut listen: impl FnMut(&str)) -> Result<bool> {
    println!("$ {}", describe(command));
    let program = command.get_program().to_owned();
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("{} did not start", program.display()))?;
    let output = child.stdout.take().context("no standard output to listen to")?;
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        std::io::stdout().write_all(&line)?;
        listen(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(child.wait()?.success())
}

/// The first line that a command prints, or `None` when it can't be run or fails.
#[must_use]
pub fn first_line(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_string())
}

/// Where a program lies in `PATH`.
#[must_use]
pub fn which(program: &str) -> Option<PathBuf> {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

/// `PATH` with a folder in front.
///
/// # Errors
/// When the folder's name can't stand in `PATH`.
pub fn path_with(folder: &Path) -> Result<std::ffi::OsString> {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&old));
    std::env::join_paths(folders).with_context(|| format!("{} can't stand in PATH", folder.display()))
}

/// A command as one would type it, for the log.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
