//! Zip archives in memory, in and out.
//!
//! Going in, everything is capped: entries, bytes an entry, bytes in all, how many times its size an entry unpacks
//! to. What is read is counted, not what the archive claims. Paths that leave their folder are refused.

use super::detect::{Ignored, litter};
use super::{FormatError, NamedBytes, Problem};
use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// What an archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries, folders included.
    pub entries: usize,
    /// Unpacked bytes of one entry.
    pub entry_bytes: usize,
    /// Unpacked bytes of all entries.
    pub total_bytes: usize,
    /// Times its packed size that an entry may unpack to, beyond [`Limits::FREE_BYTES`].
    pub ratio: usize,
}

impl Limits {
    /// Bytes that any entry may unpack to: a short file of one letter packs well and harms nobody.
    pub const FREE_BYTES: usize = 1 << 20;
}

impl Default for Limits {
    /// Room for a few PLMs of 100 M parameters; weights pack to nine tenths, texts to a tenth.
    fn default() -> Self {
        Self { entries: 10_000, entry_bytes: 1 << 30, total_bytes: 3 << 29, ratio: 100 }
    }
}

/// What an archive held.
#[derive(Clone, Debug, Default)]
pub struct Unpacked {
    /// Files by their paths, in the archive's order.
    pub files: Vec<NamedBytes>,
    /// Files that were left packed, and why.
    pub ignored: Vec<Ignored>,
    /// Files that could not be unpacked.
    pub problems: Vec<Problem>,
}

/// Unpacks `bytes`; paths are prefixed with `{path}/`.
///
/// A damaged entry or one that points outside costs only itself; a broken limit costs the archive.
///
/// # Errors
/// [`FormatError::Zip`], [`FormatError::TooManyEntries`], [`FormatError::EntryTooLarge`],
/// [`FormatError::ArchiveTooLarge`], [`FormatError::Ratio`].
pub fn unpack(path: &str, bytes: &[u8], limits: Limits) -> Result<Unpacked, FormatError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > limits.entries {
        return Err(FormatError::TooManyEntries { found: archive.len(), limit: limits.entries });
    }
    let mut unpacked = Unpacked::default();
    let mut total = 0usize;
    for index in 0..archive.len() {
        let entry = archive.name_for_index(index).and_then(Result::ok).unwrap_or_default().replace('\\', "/");
        let full = format!("{path}/{entry}");
        let file = match archive.by_index(index) {
            Ok(file) if file.is_dir() => continue,
            Ok(file) => file,
            Err(error) => {
                unpacked.problems.push(Problem::new(full, damaged(error)));
                continue;
            }
        };
        if leaves_its_folder(&entry) {
            unpacked.problems.push(Problem::new(path, FormatError::Traversal { entry }));
        } else if let Some(reason) = litter(&entry) {
            unpacked.ignored.push(Ignored { path: full, reason });
        } else {
            match unpack_entry(file, &entry, limits, &mut total) {
                Ok(bytes) => unpacked.files.push((full, bytes)),
                Err(error @ FormatError::Zip { .. }) => unpacked.problems.push(Problem::new(full, error)),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(unpacked)
}

/// Packs `files`. The same files give the same bytes at any time.
///
/// # Errors
/// [`FormatError::Write`], for example for two files of one path.
pub fn pack(files: &[NamedBytes]) -> Result<Vec<u8>, FormatError> {
    let mut paths = BTreeSet::new();
    if let Some((path, _)) = files.iter().find(|(path, _)| !paths.insert(path)) {
        return Err(FormatError::Write { reason: format!("two files are called {path}") });
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut pack = || {
        for (path, bytes) in files {
            archive.start_file(path.as_str(), SimpleFileOptions::default())?;
            archive.write_all(bytes)?;
        }
        Ok::<_, ZipError>(())
    };
    pack()
        .and_then(|()| archive.finish())
        .map(Cursor::into_inner)
        .map_err(|error| FormatError::Write { reason: error.to_string() })
}

/// The reader's error in plainer words where people often meet it.
pub(super) fn damaged(error: ZipError) -> FormatError {
    let reason = match error {
        ZipError::InvalidArchive(reason) if reason.contains("EOCD") => {
            "its directory is missing, so it is cut short or no zip".to_owned()
        }
        error => error.to_string(),
    };
    FormatError::Zip { reason }
}

fn unpack_entry<R: Read>(
    file: zip::read::ZipFile<'_, R>,
    entry: &str,
    limits: Limits,
    total: &mut usize,
) -> Result<Vec<u8>, FormatError> {
    let packed = usize::try_from(file.compressed_size()).unwrap_or(usize::MAX);
    let by_ratio = packed.saturating_mul(limits.ratio).max(Limits::FREE_BYTES);
    let left = limits.total_bytes.saturating_sub(*total);
    let limit = limits.entry_bytes.min(left).min(by_ratio);

    // The claimed size only sizes the buffer; one byte more than the limit tells that it is exceeded.
    let claimed = usize::try_from(file.size()).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(claimed.min(limit)).map_err(|error| FormatError::Zip { reason: error.to_string() })?;
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(|error| FormatError::Zip { reason: error.to_string() })?;

    if bytes.len() <= limit {
        *total += bytes.len();
        return Ok(bytes);
    }
    let entry = entry.to_owned();
    Err(if limit == by_ratio {
        FormatError::Ratio { entry, limit: limits.ratio }
    } else if limit == left {
        FormatError::ArchiveTooLarge { limit: limits.total_bytes }
    } else {
        FormatError::EntryTooLarge { entry, limit: limits.entry_bytes }
    })
}

/// Whether a path is absolute, names a drive or climbs.
fn leaves_its_folder(entry: &str) -> bool {
    entry.starts_with('/')
        || entry.contains('\0')
        || entry.as_bytes().get(1) == Some(&b':')
        || entry.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::fixture;
    use super::*;
    use insta::assert_snapshot;

    fn named(names: &[&str]) -> Vec<NamedBytes> {
        names.iter().map(|name| ((*name).to_owned(), name.as_bytes().repeat(10))).collect()
    }

    #[test]
    fn packing_is_undone_by_unpacking_and_repeats_itself() {
        let files = named(&["a.txt", "deep/er/b.txt", "ä.txt"]);
        let packed = pack(&files).unwrap();
        assert_eq!(pack(&files).unwrap(), packed);
        let unpacked = unpack("x.zip", &packed, Limits::default()).unwrap();
        let expected: Vec<NamedBytes> =
            files.into_iter().map(|(path, bytes)| (format!("x.zip/{path}"), bytes)).collect();
        assert_eq!(unpacked.files, expected);
    }

    #[test]
    fn litter_stays_packed() {
        let packed = pack(&named(&["a/good.tsv", "__MACOSX/a/._good.tsv", "a/.DS_Store", "a/x.bin.backup"])).unwrap();
        let unpacked = unpack("x.zip", &packed, Limits::default()).unwrap();
        assert_eq!(unpacked.files.len(), 1);
        let ignored: Vec<&str> = unpacked.ignored.iter().map(|ignored| &*ignored.path).collect();
        assert_eq!(ignored, ["x.zip/__MACOSX/a/._good.tsv", "x.zip/a/.DS_Store", "x.zip/a/x.bin.backup"]);
    }

    #[test]
    fn a_climbing_entry_costs_only_itself() {
        let unpacked = unpack("t.zip", fixture!("hostile/traversal.zip"), Limits::default()).unwrap();
        assert_eq!(unpacked.files.len(), 1);
        assert_eq!(unpacked.files[0].0, "t.zip/good.tsv");
        assert_snapshot!(unpacked.problems[0], @r#"t.zip: "../../evil.tsv" in the zip archive points outside of it"#);
    }

    #[test]
    fn limits_hold() {
        let packed = pack(&named(&["first.txt", "second.txt"])).unwrap();
        let error = |limits| unpack("x.zip", &packed, limits).unwrap_err();
        let limits = Limits::default();
        assert_snapshot!(error(Limits { entries: 1, ..limits }), @"the zip archive holds 2 entries, at most 1 are unpacked");
        assert_snapshot!(error(Limits { entry_bytes: 95, ..limits }), @"second.txt in the zip archive unpacks to more than 95 bytes");
        assert_snapshot!(error(Limits { total_bytes: 150, ..limits }), @"the zip archive unpacks to more than 150 bytes");
        assert_snapshot!(unpack("x.zip", fixture!("hostile/bomb.zip"), limits).unwrap_err(), @"zeros.tsv in the zip archive unpacks to more than 100 times its size");
        assert_snapshot!(unpack("x.zip", fixture!("hostile/truncated.zip"), limits).unwrap_err(), @"the zip archive is damaged: its directory is missing, so it is cut short or no zip");
    }

    #[test]
    fn two_files_of_one_path_are_not_packed() {
        assert_snapshot!(pack(&named(&["a", "a"])).unwrap_err(), @"could not be written: two files are called a");
    }
}
