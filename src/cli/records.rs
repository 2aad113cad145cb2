//! `records.jsonl` in a folder: read, and written a line at a time.

use super::error::CliError;
use super::{files, warn};
use crate::engine::{EngineError, export_records};
use crate::experiment::record::{self, Reading, Record};
use crate::protocol::{ExportRecords, TableForm};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Name of the file in its folder.
pub(super) const RECORDS: &str = "records.jsonl";

/// A file of records that is written on.
#[derive(Debug)]
pub(super) struct Records {
    path: PathBuf,
    file: fs::File,
}

/// The records of a folder, or of the file itself; none where there is no file.
///
/// # Errors
/// When it can't be read or holds something else.
pub(super) fn read(place: &Path) -> Result<Option<Reading>, CliError> {
    let path = if place.is_dir() { place.join(RECORDS) } else { place.to_owned() };
    let Some(reading) = parse(&path)? else { return Ok(None) };
    if let Some(cut) = &reading.cut {
        warn(&format!("note: {}: the last line was cut off and is left out: {cut}", files::shown(&path)));
    }
    for hash in &reading.contradictions {
        warn(&format!(
            "note: {}: two records of {hash} tell of different results; the first counts",
            files::shown(&path)
        ));
    }
    Ok(Some(reading))
}

fn parse(path: &Path) -> Result<Option<Reading>, CliError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CliError::read(path)(error)),
    };
    let reading = record::read(&bytes);
    Ok(Some(reading.map_err(|error| CliError::File { path: files::shown(path), message: error.to_string() })?))
}

impl Records {
    /// Opens the records in `folder` to write on, and gives those that there are. What was cut off at the end of the
    /// file makes room for what comes.
    ///
    /// # Errors
    /// When something stands in the file and `resume` is not set, it is no file of records, or the disk says no.
    pub(super) fn open(folder: &Path, resume: bool) -> Result<(Self, Vec<Record>), CliError> {
        let path = folder.join(RECORDS);
        fs::create_dir_all(folder).map_err(CliError::write(folder))?;
        let failed = || CliError::write(&path);
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed())?;
        // Held until this is dropped. Where the disk knows no locks there is none, and two would write all the same.
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            let message = "another run is writing it; wait for it, or give this one a folder of its own with -o";
            return Err(CliError::File { path: files::shown(&path), message: message.to_owned() });
        }
        if !resume && file.metadata().map_err(CliError::read(&path))?.len() > 0 {
            let message = match parse(&path)?.map_or(0, |reading| reading.records.len()) {
                0 => "it is not empty and holds no whole record; --resume goes on from one that was cut off, -o names another folder".to_owned(),
                records => format!("there are {records} records in it; --resume goes on from them"),
            };
            return Err(CliError::File { path: files::shown(&path), message });
        }
        let reading = read(folder)?.unwrap_or_default();
        if reading.cut.is_some() {
            file.set_len(reading.intact as u64).map_err(failed())?;
        }
        if reading.open {
            file.write_all(b"\n").map_err(failed())?;
        }
        Ok((Self { path, file }, reading.records))
    }

    /// Adds a line; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the disk says no.
    pub(super) fn add(&mut self, line: &str) -> Result<(), CliError> {
        self.append(&format!("{line}\n"))
    }

    fn append(&mut self, lines: &str) -> Result<(), CliError> {
        let written = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(CliError::write(&self.path))
    }
}

/// Lines of `records.jsonl`, each with its end.
pub(super) fn lines(records: &[Record]) -> Result<Vec<String>, CliError> {
    let line = |record: &Record| record.to_line().map_err(|error| EngineError::from(error).into());
    records.iter().map(line).collect()
}

/// What was done to the records of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    /// That were not there.
    pub(super) added: usize,
    /// That were.
    pub(super) there: usize,
}

/// Adds to the records in `folder` those of `records` whose hash is not there, and tells of those that say otherwise than
/// what is there: that stays, for a record is never written over.
///
/// # Errors
/// When a run is writing there, what stands there is no file of records, or the disk says no; then nothing is added.
pub(super) fn join(folder: &Path, records: &[Record]) -> Result<Joined, CliError> {
    let (mut store, there) = Records::open(folder, true)?;
    let count = there.len();
    let (joined, contradictions) = record::join([there, records.to_vec()]);
    for hash in contradictions {
        warn(&format!(
            "note: {}: its record of {hash} tells of another result than the one given; it stays",
            files::shown(&store.path)
        ));
    }
    let missing = &joined[count..];
    if !missing.is_empty() {
        store.append(&lines(missing)?.concat())?;
    }
    Ok(Joined { added: missing.len(), there: count })
}

/// Writes the table that `records` (lines of `records.jsonl`) make into `folder`, in each of `forms`, over what stood there
/// under its name. Records themselves are added by [`join`].
///
/// # Errors
/// When the disk says no.
pub(super) fn write(folder: &Path, records: &[String], forms: &[TableForm]) -> Result<(), CliError> {
    for &form in forms {
        let file = export_records(&ExportRecords { records: records.to_vec(), form })?;
        files::write_file(&folder.join(file.path), &file.bytes)?;
    }
    Ok(())
}
