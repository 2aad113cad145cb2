//! The page.

#[cfg(feature = "ui")]
pub mod charts;
