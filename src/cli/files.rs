//! Folders in and out. What is written appears whole or not at all.

use super::error::CliError;
use crate::protocol::FileBytes;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders in folders, deeper than any adapter lies.
const MAX_DEPTH: usize = 8;

/// Files of an adapter's folder that a new adapter there replaces.
const OURS: [&str; 8] = [
    "adapter_config.json",
    "pytorch_adapter.bin",
    "adapter.safetensors",
    "head_config.json",
    "pytorch_model_head.bin",
    "model_head.safetensors",
    "recipe.json",
    "README.md",
];

/// The bytes of one file, under the path as given.
pub(super) fn read_file(path: &Path) -> Result<FileBytes, CliError> {
    let bytes = fs::read(path).map_err(CliError::read(path))?;
    Ok(FileBytes { path: shown(path), bytes })
}

/// A file, or every file of a folder, in the order of their names.
pub(super) fn read_tree(path: &Path) -> Result<Vec<FileBytes>, CliError> {
    let mut files = Vec::new();
    gather(path, 0, &mut files)?;
    Ok(files)
}

fn gather(path: &Path, depth: usize, files: &mut Vec<FileBytes>) -> Result<(), CliError> {
    if !fs::metadata(path).map_err(CliError::read(path))?.is_dir() {
        files.push(read_file(path)?);
        return Ok(());
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(CliError::read(path))?;
    let mut entries: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        let hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // A link to a folder may lead round in a circle.
        let looping = entry.is_symlink() && entry.is_dir();
        if !hidden && !looping && depth < MAX_DEPTH {
            gather(&entry, depth + 1, files)?;
        }
    }
    Ok(())
}

/// A path for people and for the engine, with forward slashes.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// The last part of a path; `fallback` where it has none, as `.` or `/`.
pub(super) fn base_name(path: &Path, fallback: &str) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    full.file_name().map_or_else(|| fallback.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// A folder to be written once its content is there; checked before the work begins.
#[derive(Debug)]
pub(super) struct OutputFolder {
    path: PathBuf,
    occupied: bool,
}

impl OutputFolder {
    /// # Errors
    /// When something stands there that is not to be replaced.
    pub(super) fn new(path: &Path, force: bool) -> Result<Self, CliError> {
        let occupied = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) if path.exists() => return Err(CliError::NotAFolder(path.to_owned())),
            Err(_) => false,
        };
        if occupied && !force {
            return Err(CliError::Occupied(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), occupied })
    }

    /// Writes everything beside the place where it is to stand, then moves it there. In a folder that is occupied only
    /// an adapter's files are replaced.
    ///
    /// # Errors
    /// When the disk says no; then nothing new stands there.
    pub(super) fn write(self, files: &[(String, Vec<u8>)]) -> Result<(), CliError> {
        let failed = || CliError::write(&self.path);
        let parent = parent(&self.path);
        fs::create_dir_all(&parent).map_err(failed())?;
        let made = tempfile::Builder::new().prefix(".mera-").tempdir_in(&parent).map_err(failed())?;
        for (name, bytes) in files {
            fs::write(made.path().join(name), bytes).map_err(failed())?;
        }
        if self.occupied {
            for stale in OURS.iter().filter(|name| files.iter().all(|(new, _)| new != *name)) {
                match fs::remove_file(self.path.join(stale)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed()(error)),
                    _ => {}
                }
            }
            for (name, _) in files {
                fs::rename(made.path().join(name), self.path.join(name)).map_err(failed())?;
            }
            return Ok(());
        }
        open_up(made.path()).map_err(failed())?;
        if self.path.exists() {
            fs::remove_dir(&self.path).map_err(failed())?;
        }
        fs::rename(made.path(), &self.path).map_err(failed())
    }
}

/// Writes one file beside its place, then moves it there.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let failed = || CliError::write(path);
    let parent = parent(path);
    fs::create_dir_all(&parent).map_err(failed())?;
    let made = tempfile::Builder::new().prefix(".mera-").tempdir_in(&parent).map_err(failed())?;
    let file = made.path().join("file");
    fs::write(&file, bytes).map_err(failed())?;
    fs::rename(&file, path).map_err(failed())
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A temporary folder is its maker's alone; what is handed out has the rights of any new folder.
#[cfg(unix)]
fn open_up(folder: &Path) -> std::io::Result<()> {
    let probe = tempfile::tempdir_in(folder)?;
    let plain = probe.path().join("plain");
    fs::create_dir(&plain)?;
    fs::set_permissions(folder, fs::metadata(&plain)?.permissions())
}

#[cfg(not(unix))]
fn open_up(_: &Path) -> std::io::Result<()> {
    Ok(())
}
