//! Everything that ends a command with exit code 1, one line each.

use crate::engine::EngineError;
use std::path::{Path, PathBuf};

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// What the engine says.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The same about adapters that the engine knows by name, with where each lies.
    #[error("{error}; {}", places.join(", "))]
    Adapters {
        /// What the engine says.
        error: EngineError,
        /// As `a is folder/a`.
        places: Vec<String>,
    },
    /// The same about a file.
    #[error("{path}: {message}")]
    File {
        /// As the person gave it.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// A file or folder that can't be read.
    #[error("{}: can't be read: {error}", path.display())]
    Read {
        /// It.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file or folder that can't be written.
    #[error("{}: can't be written: {error}", path.display())]
    Write {
        /// It.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Something stands there.
    #[error("{}: the folder exists and is not empty; --force replaces the adapter in it", .0.display())]
    Occupied(PathBuf),
    /// A file stands where a folder is to be.
    #[error("{}: this is a file; a folder is to be written here", .0.display())]
    NotAFolder(PathBuf),
    /// No adapter where one was asked for.
    #[error("{}: there is no adapter in it", .0.display())]
    NoAdapter(PathBuf),
    /// More than one.
    #[error("{}: there are {} adapters in it ({}); name one of them", path.display(), names.len(), names.join(", "))]
    SeveralAdapters {
        /// The folder or archive.
        path: PathBuf,
        /// What it holds.
        names: Vec<String>,
    },
    /// A reference that is none of the inputs.
    #[error("--reference {wanted}: the adapters to merge are {}", names.join(", "))]
    NoSuchReference {
        /// What was asked for.
        wanted: String,
        /// What there is.
        names: Vec<String>,
    },
    /// Something looks at what adapters do on texts, and there are none.
    #[error("{0} needs texts: name a file of them with --texts, and the folder of the PLM with --plm")]
    NoTexts(&'static str),
    /// A file of texts with nothing in it.
    #[error("{}: there are no texts in it, only empty lines", .0.display())]
    BlankTexts(PathBuf),
    /// An adapter without a head can't answer.
    #[error("{}: the adapter has no prediction head (head_config.json with its weights) to answer with", .0.display())]
    NoHead(PathBuf),
    /// A format that is planned.
    #[error("--format peft is not written yet: a bottleneck adapter has no form in peft; use adapterhub")]
    Peft,
    /// The engine answered something else than it was asked.
    #[error("the engine gave another answer than the one to its question; please report this")]
    Answer,
    /// Nobody reads any more, as in `mera … | head`.
    #[error("standard output is closed")]
    ClosedPipe,
}

impl CliError {
    pub(super) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |error| Self::Read { path: path.to_owned(), error }
    }

    pub(super) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |error| Self::Write { path: path.to_owned(), error }
    }
}
