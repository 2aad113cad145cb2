//! The worker's own global scope: posting, and letting the event loop turn.

use crate::protocol::{Failure, FailureKind, Message, Outcome};
use js_sys::{Array, Promise, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, MessageChannel};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(message: &JsValue);
}

/// The scope this runs in.
pub(super) fn global() -> Result<DedicatedWorkerGlobalScope, JsValue> {
    js_sys::global().dyn_into().map_err(|_| JsValue::from_str("this is no worker"))
}

/// Sends `message` to the page; the bytes of a checkpoint or of files are transferred, not copied. Of an answer that can't
/// be written as a message the page hears that its job failed.
pub fn post(message: &Message) {
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_maps_as_objects(true);
    let value = match (message.serialize(&serializer), message) {
        (Ok(value), _) => value,
        (Err(error), Message::Done { job, .. }) => {
            let message = format!("the answer could not be written: {error}");
            return post(&Message::Failed { job: *job, failure: Failure { kind: FailureKind::Internal, message } });
        }
        (Err(error), _) => return console_error(&error.into()),
    };
    let transfer = Array::new();
    for bytes in buffers(&value, message) {
        transfer.push(&bytes.buffer());
    }
    if let Ok(scope) = global()
        && let Err(error) = scope.post_message_with_transfer(&value, &transfer)
    {
        console_error(&error);
    }
}

/// The byte arrays within a serialised message.
fn buffers(value: &JsValue, message: &Message) -> Vec<Uint8Array> {
    let path: &[&str] = match message {
        Message::Checkpoint { .. } => &["Checkpoint", "checkpoint"],
        Message::Done { outcome: Outcome::Export(_), .. } => &["Done", "outcome", "Export"],
        Message::Done { outcome: Outcome::ExportRecords(_), .. } => &["Done", "outcome", "ExportRecords"],
        Message::Done { outcome: Outcome::Pack(_), .. } => &["Done", "outcome", "Pack"],
        Message::Done { outcome: Outcome::Unpack(_), .. } => &["Done", "outcome", "Unpack", "files"],
        _ => return Vec::new(),
    };
    let step = |value: JsValue, key: &&str| js_sys::Reflect::get(&value, &JsValue::from_str(key)).ok();
    let Some(found) = path.iter().try_fold(value.clone(), step) else { return Vec::new() };
    let files = found.dyn_into().unwrap_or_else(|file| Array::of1(&file));
    files.iter().filter_map(|file| step(file, &"bytes")?.dyn_into().ok()).collect()
}

/// Bytes of this worker's memory; it never shrinks, so this is the most there has been.
pub(super) fn memory() -> Option<u64> {
    let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().dyn_into().ok()?;
    let buffer: js_sys::ArrayBuffer = memory.buffer().dyn_into().ok()?;
    Some(buffer.byte_length().into())
}

/// Lets the event loop take one turn, so that messages are heard. A message to oneself is not delayed as timers are.
pub(super) async fn turn() -> Result<(), JsValue> {
    let channel = MessageChannel::new()?;
    let (near, far) = (channel.port1(), channel.port2());
    let promise = Promise::new(&mut |resolve, _| near.set_onmessage(Some(&resolve)));
    far.post_message(&JsValue::NULL)?;
    JsFuture::from(promise).await?;
    channel.port1().close();
    Ok(())
}
