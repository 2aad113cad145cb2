//! The Web Worker that the page starts; everything is in [`mera_lab::worker`].

fn main() -> Result<(), wasm_bindgen::JsValue> {
    mera_lab::worker::start()
}
