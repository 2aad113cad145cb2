//! Files that are dropped or picked, folders included, as paths and bytes.

use super::reason;
use crate::protocol::{FileBytes, Problem};
use crate::ui::state::words;
use crate::viz::sort_by;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DataTransfer, File, FileList, FileSystemDirectoryEntry, FileSystemEntry, FileSystemFileEntry};

/// Most bytes of one drop that are read: beyond them, the page and the worker would not both fit into 4 GiB.
const LARGEST: f64 = 1.5e9;
/// Most files that one drop may bring.
const MOST: usize = 2_000;

/// What a drop holds. The entries must be taken while the event lasts; reading them may take longer.
pub struct Dropped {
    entries: Vec<FileSystemEntry>,
    loose: Vec<File>,
}

/// Takes the entries out of a drop.
#[must_use]
pub fn take(transfer: &DataTransfer) -> Dropped {
    let items = transfer.items();
    let mut dropped = Dropped { entries: vec![], loose: vec![] };
    for at in 0..items.length() {
        let Some(item) = items.get(at).filter(|item| item.kind() == "file") else { continue };
        match item.webkit_get_as_entry() {
            Ok(Some(entry)) => dropped.entries.push(entry),
            _ => dropped.loose.extend(item.get_as_file().ok().flatten()),
        }
    }
    dropped
}

impl Dropped {
    /// Whether there is anything in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.loose.is_empty()
    }

    /// Reads everything, folders through and through.
    pub async fn read(self) -> (Vec<FileBytes>, Vec<Problem>) {
        let (mut files, mut problems) = (Vec::new(), Vec::new());
        let mut found: Vec<(String, File)> = self.loose.into_iter().map(|file| (file.name(), file)).collect();
        let mut open = self.entries;
        open.reverse();
        while let Some(entry) = open.pop() {
            let path = entry.full_path().trim_start_matches('/').to_owned();
            if found.len() >= MOST {
                problems.push(Problem { path, message: format!("more than {MOST} files at once: drop fewer") });
                break;
            }
            let step = if entry.is_directory() {
                list(entry.unchecked_ref()).await.map(|mut children| {
                    sort_by(&mut children, |a, b| b.name().cmp(&a.name()));
                    open.extend(children);
                })
            } else {
                file_of(entry.unchecked_ref()).await.map(|file| found.push((path.clone(), file)))
            };
            if let Err(error) = step {
                problems.push(Problem { path, message: format!("the browser can't read it: {}", reason(&error)) });
            }
        }
        let first = found.first().map(|(path, _)| path.split('/').next().unwrap_or_default().to_owned());
        for (path, file) in found {
            read(path, &file, &mut files, &mut problems).await;
        }
        if files.is_empty() && problems.is_empty() {
            let message = "there is no file in it but hidden ones".to_owned();
            problems.push(Problem { path: first.unwrap_or_default(), message });
        }
        (files, problems)
    }
}

/// Reads what was picked with a file or folder button.
pub async fn picked(list: FileList) -> (Vec<FileBytes>, Vec<Problem>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for at in 0..list.length() {
        let Some(file) = list.get(at) else { continue };
        // Set where a folder was picked, relative to it.
        let relative = js_sys::Reflect::get(&file, &"webkitRelativePath".into()).ok();
        let path = relative.and_then(|path| path.as_string()).filter(|path| !path.is_empty());
        let path = path.unwrap_or_else(|| file.name());
        if at as usize >= MOST {
            problems.push(Problem { path, message: format!("more than {MOST} files at once: pick fewer") });
            break;
        }
        read(path, &file, &mut files, &mut problems).await;
    }
    (files, problems)
}

async fn read(path: String, file: &File, files: &mut Vec<FileBytes>, problems: &mut Vec<Problem>) {
    // What was dropped itself is the person's own choice, whatever it is called.
    let hidden = |part: &str| part.starts_with('.') || part == "__MACOSX";
    if path.split('/').skip(1).any(hidden) {
        return;
    }
    let before: f64 = files.iter().map(|file| file.bytes.len() as f64).sum();
    if before + file.size() > LARGEST {
        let size = words::bytes(before + file.size());
        let beside = if before > 0.0 { "with what was dropped beside it, " } else { "" };
        return problems.push(Problem { path, message: format!("{beside}{size} are more than this page can hold") });
    }
    match JsFuture::from(file.array_buffer()).await {
        Ok(buffer) => files.push(FileBytes { path, bytes: js_sys::Uint8Array::new(&buffer).to_vec() }),
        Err(error) => {
            problems.push(Problem { path, message: format!("the browser can't read it: {}", reason(&error)) });
        }
    }
}

async fn file_of(entry: &FileSystemFileEntry) -> Result<File, JsValue> {
    let promise = js_sys::Promise::new(&mut |resolve, reject| {
        entry.file_with_callback_and_callback(&resolve, &reject);
    });
    JsFuture::from(promise).await?.dyn_into()
}

/// All children of a folder: a browser hands them out by the hundred.
async fn list(folder: &FileSystemDirectoryEntry) -> Result<Vec<FileSystemEntry>, JsValue> {
    let reader = folder.create_reader();
    let mut children: Vec<FileSystemEntry> = Vec::new();
    loop {
        let promise = js_sys::Promise::new(&mut |resolve, reject| {
            if let Err(error) = reader.read_entries_with_callback_and_callback(&resolve, &reject) {
                let _ = reject.call1(&JsValue::NULL, &error);
            }
        });
        let batch: js_sys::Array = JsFuture::from(promise).await?.dyn_into()?;
        if batch.length() == 0 {
            return Ok(children);
        }
        children.extend(batch.iter().map(JsCast::unchecked_into));
    }
}
