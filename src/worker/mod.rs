//! The engine as a Web Worker: messages in, one job after the other, messages out.
//!
//! The worker is disposable: a panic or a lost GPU is told in one last message, and the page starts another.

mod fetch;
mod gpu;
mod queue;
mod scope;

pub use gpu::WebGpu;
pub use scope::post;

use crate::engine::Engine;
use crate::protocol::{Message, Request, VERSION};
use queue::Queue;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::MessageEvent;

/// Listens. Called once, when the worker's module has been loaded.
///
/// # Errors
/// When this is no worker.
pub fn start() -> Result<(), JsValue> {
    run_constructors()?;
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        post(&Message::Lost { reason: format!("the engine stopped: {}", first_line(&info.to_string())) });
    }));
    let queue = Rc::new(Queue::default());
    wasm_bindgen_futures::spawn_local(queue.clone().serve(Engine::new(WebGpu::default())));
    let receive =
        Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            match serde_wasm_bindgen::from_value::<Request>(event.data()) {
                Ok(request) => queue.receive(request),
                Err(error) => post(&Message::Lost { reason: format!("page and worker do not match: {error}") }),
            }
        });
    scope::global()?.set_onmessage(Some(receive.as_ref().unchecked_ref()));
    // It listens for as long as the worker lives.
    receive.forget();
    post(&Message::Ready { version: VERSION });
    Ok(())
}

/// Runs what crates have left to be run once at the start; `build.rs` says why that is left to us.
fn run_constructors() -> Result<(), JsValue> {
    match js_sys::Reflect::get(&wasm_bindgen::exports(), &"__wasm_call_ctors".into())?.dyn_into::<js_sys::Function>() {
        Ok(constructors) => constructors.call0(&JsValue::UNDEFINED).map(drop),
        // Linked without any.
        Err(_) => Ok(()),
    }
}

/// A panic's text is its place, then its message; the message says more.
fn first_line(panic: &str) -> &str {
    panic.lines().nth(1).or_else(|| panic.lines().next()).unwrap_or_default()
}
