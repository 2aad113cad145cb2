//! Zips for whoever has no file system.

use super::{EngineError, fetched};
use crate::format::archive::{self, Limits};
use crate::protocol::{FileBytes, FileSource};

/// Puts files into one zip.
///
/// # Errors
/// When one was not fetched, or two have one path.
pub(super) fn pack(name: String, files: Vec<FileSource>) -> Result<FileBytes, EngineError> {
    let files: Vec<_> = fetched(files)?.into_iter().map(|file| (file.path, file.bytes)).collect();
    Ok(FileBytes { path: name, bytes: archive::pack(&files)? })
}

/// Takes the files out of a zip, under their paths in it. What can't be unpacked is left out.
///
/// # Errors
/// When it is no zip, or breaks a limit.
pub(super) fn unpack(file: &FileBytes) -> Result<Vec<FileBytes>, EngineError> {
    let unpacked = archive::unpack("", &file.bytes, Limits::default())?;
    let inside = |path: String| path.trim_start_matches('/').to_owned();
    Ok(unpacked.files.into_iter().map(|(path, bytes)| FileBytes { path: inside(path), bytes }).collect())
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
        assert_eq!((zip.path.as_str(), unpack(&zip).unwrap()), ("own.zip", files));
        let cut = FileBytes { path: "own.zip".into(), bytes: zip.bytes[..20].to_vec() };
        insta::assert_snapshot!(
            unpack(&cut).unwrap_err(),
            @"the zip archive is damaged: its directory is missing, so it is cut short or no zip"
        );
        let url = FileSource::Url { path: "a".into(), url: "samples/a".into() };
        insta::assert_snapshot!(pack("own.zip".into(), vec![url]).unwrap_err(), @"samples/a has not been fetched");
    }
}
