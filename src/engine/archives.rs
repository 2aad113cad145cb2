//! Zips for whoever has no file system.

use super::told::problem;
use super::{EngineError, fetched};
use crate::format::archive::{self, Limits};
use crate::protocol::{FileBytes, FileSource, Unpacked};

/// Puts files into one zip.
///
/// # Errors
/// When one was not fetched, or two have one path.
pub(super) fn pack(name: String, files: Vec<FileSource>) -> Result<FileBytes, EngineError> {
    let files: Vec<_> = fetched(files)?.into_iter().map(|file| (file.path, file.bytes)).collect();
    Ok(FileBytes { path: name, bytes: archive::pack(&files)? })
}

/// Takes the files out of a zip, under their paths in it. What can't be unpacked is left out and among the problems.
///
/// # Errors
/// When it is no zip, or breaks a limit.
pub(super) fn unpack(file: &FileBytes) -> Result<Unpacked, EngineError> {
    let unpacked = archive::unpack(&file.path, &file.bytes, Limits::default())?;
    let inside = |path: &str| path.strip_prefix(&file.path).unwrap_or(path).trim_start_matches('/').to_owned();
    Ok(Unpacked {
        files: unpacked.files.into_iter().map(|(path, bytes)| FileBytes { path: inside(&path), bytes }).collect(),
        problems: unpacked.problems.iter().map(|wrong| problem(&wrong.path, &wrong.error)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let file = |path: &str| FileBytes { path: path.into(), bytes: path.as_bytes().to_vec() };
        let files = vec![file("experiment.toml"), file("data/cr/train.tsv")];
        let sources = files.iter().cloned().map(FileSource::Bytes).collect();
        let zip = pack("own.zip".into(), sources).unwrap();
        let whole = Unpacked { files: files.clone(), problems: Vec::new() };
        assert_eq!((zip.path.as_str(), unpack(&zip).unwrap()), ("own.zip", whole));
        // A byte of what is packed of the first, behind its header and its name.
        let mut hurt = zip.clone();
        hurt.bytes[30 + "experiment.toml".len() + 4] ^= 0xff;
        let Unpacked { files: rest, problems } = unpack(&hurt).unwrap();
        assert_eq!((rest.as_slice(), problems.len()), (&files[1..], 1));
        let told = format!("{}: {}", problems[0].path, problems[0].message);
        insta::assert_snapshot!(told, @"own.zip/experiment.toml: the zip archive is damaged: Invalid checksum");
        let cut = FileBytes { path: "own.zip".into(), bytes: zip.bytes[..20].to_vec() };
        insta::assert_snapshot!(
            unpack(&cut).unwrap_err(),
            @"the zip archive is damaged: its directory is missing, so it is cut short or no zip"
        );
        let url = FileSource::Url { path: "a".into(), url: "samples/a".into() };
        insta::assert_snapshot!(pack("own.zip".into(), vec![url]).unwrap_err(), @"samples/a has not been fetched");
    }
}
