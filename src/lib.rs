//! MerA Lab: merge pretrained adapters by optimal transport and fine-tune the result on a few examples, in the
//! browser or natively.
//!
//! The rooms and the direction in which data flows between them are drawn in `ARCHITECTURE.md`.

// A test may fail by unwrapping; clippy.toml says so too, but does not reach into test modules that are files.
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(all(feature = "cli", not(target_arch = "wasm32")))]
pub mod cli;
#[cfg(any(feature = "ui", test))]
pub mod client;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod experiment;
#[cfg(feature = "engine")]
pub mod format;
#[cfg(feature = "engine")]
pub mod merge;
#[cfg(feature = "engine")]
pub mod model;
#[cfg(feature = "engine")]
pub mod ot;
pub mod protocol;
#[cfg(feature = "engine")]
pub mod tensors;
#[cfg(feature = "engine")]
pub mod text;
#[cfg(feature = "engine")]
pub mod train;
#[cfg(any(feature = "ui", test))]
pub mod ui;
pub mod viz;
#[cfg(all(feature = "worker", target_arch = "wasm32"))]
pub mod worker;
