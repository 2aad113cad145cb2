//! Starts the worker and offers the engine's own interface as typed async calls, so that the page need not know that
//! a worker exists.
//!
//! [`Desk`] decides: which request goes out when, which message belongs to which call, what is done over again when a
//! worker is lost. It touches no browser and is tested natively. [`Client`] carries out what it decides. [`pool`]
//! decides who does what where several workers share the runs of an experiment.

#[cfg(feature = "ui")]
mod browser;
mod desk;
mod journal;
pub mod pool;
mod runs;

#[cfg(feature = "ui")]
pub use browser::{Call, Client, answer};
pub use desk::{Desk, Effect, Event, Status};
