//! How the worker is linked.

// Printing is how a build script speaks to cargo.
#![allow(clippy::print_stdout)]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // burn's compiler registers its parts in constructors. Unless the function that runs them all is exported, the
    // linker calls it at the start of every function that is; and every value that passes between wasm and JavaScript
    // goes through one. Exported, it is called once, by `worker::start`.
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        println!("cargo::rustc-link-arg-bin=worker=--export=__wasm_call_ctors");
    }
}
