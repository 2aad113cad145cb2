//! Folders in and out. What is written appears whole or not at all.

use super::error::CliError;
use crate::format::{ADAPTER_FILES, Weights};
use crate::protocol::FileBytes;
use clap::ValueEnum;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders in folders, deeper than any adapter lies.
const MAX_DEPTH: usize = 8;

/// Files that stand beside [`ADAPTER_FILES`] in a folder written here; a new adapter there replaces both.
const COMPANIONS: [&str; 2] = ["recipe.json", "README.md"];

/// Which files hold an adapter's weights, and its head's, as on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum WeightFiles {
    /// Pickle and safetensors: every way of loading works
    #[default]
    Both,
    /// pytorch_adapter.bin alone, the pickle that load_adapter takes
    Bin,
    /// adapter.safetensors alone, which load_adapter takes with use_safetensors=True
    Safetensors,
}

impl From<WeightFiles> for Weights {
    fn from(files: WeightFiles) -> Self {
        match files {
            WeightFiles::Both => Self::Both,
            WeightFiles::Bin => Self::Pickle,
            WeightFiles::Safetensors => Self::Safetensors,
        }
    }
}

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
            return self.replace(made.path(), files).map_err(failed());
        }
        open_up(made.path()).map_err(failed())?;
        if self.path.exists() {
            fs::remove_dir(&self.path).map_err(failed())?;
        }
        fs::rename(made.path(), &self.path).map_err(failed())
    }

    /// Moves the old adapter's files aside and the new ones, from the folder `made`, into their place; where a move
    /// fails, those before it are taken back.
    fn replace(&self, made: &Path, files: &[(String, Vec<u8>)]) -> std::io::Result<()> {
        let aside = tempfile::Builder::new().prefix(".mera-").tempdir_in(parent(&self.path))?;
        let new: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        let stale = ADAPTER_FILES.into_iter().chain(COMPANIONS).filter(|name| !new.contains(name));
        let old = new.iter().copied().chain(stale).filter(|name| self.path.join(name).exists());
        let mut moves: Vec<_> = old.map(|name| (self.path.join(name), aside.path().join(name))).collect();
        moves.extend(new.iter().map(|name| (made.join(name), self.path.join(name))));
        for (done, (from, to)) in moves.iter().enumerate() {
            let Err(error) = move_file(from, to) else { continue };
            for (from, to) in moves[..done].iter().rev() {
                if fs::rename(to, from).is_err() {
                    let kept = aside.keep();
                    return Err(std::io::Error::other(format!("{error}; the old files are in {}", kept.display())));
                }
            }
            return Err(error);
        }
        Ok(())
    }
}

/// A folder that has a file's name is not ours to move.
fn move_file(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_dir() {
        let name = from.file_name().unwrap_or_default().display();
        return Err(std::io::Error::other(format!("{name} in it is a folder")));
    }
    fs::rename(from, to)
}

/// Whether [`write_file`] will find a place for `path`, as far as can be known before the work begins. Nothing is left
/// there.
///
/// # Errors
/// When a folder stands there, or nothing may be written where its folder is or is to be made.
pub(super) fn check_place(path: &Path) -> Result<(), CliError> {
    let failed = || CliError::write(path);
    if path.is_dir() {
        return Err(failed()(std::io::ErrorKind::IsADirectory.into()));
    }
    let above = path.ancestors().skip(1).find(|above| above.exists());
    tempfile::tempfile_in(above.unwrap_or(Path::new("."))).map(drop).map_err(failed())
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_replacement_that_fails_half_way_leaves_the_old_files() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("adapter");
        fs::create_dir_all(folder.join("recipe.json")).unwrap();
        for name in ["adapter_config.json", "head_config.json", "notes.txt"] {
            fs::write(folder.join(name), "old").unwrap();
        }
        let files = ["adapter_config.json", "adapter.safetensors", "recipe.json"];
        let files = files.map(|name| (name.to_owned(), b"new".to_vec()));
        let write = || OutputFolder::new(&folder, true).unwrap().write(&files);
        let error = write().unwrap_err().to_string();
        assert!(error.ends_with("adapter: can't be written: recipe.json in it is a folder"), "{error}");
        let content = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let old = Some("old".to_owned());
        assert_eq!(
            ["adapter_config.json", "head_config.json", "notes.txt"].map(content),
            [(); 3].map(|()| old.clone())
        );
        assert_eq!(content("adapter.safetensors"), None);

        fs::remove_dir(folder.join("recipe.json")).unwrap();
        write().unwrap();
        let new = Some("new".to_owned());
        assert_eq!(
            ["adapter_config.json", "adapter.safetensors", "recipe.json"].map(content),
            [(); 3].map(|()| new.clone())
        );
        assert_eq!([content("head_config.json"), content("notes.txt")], [None, old]);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
