//! MerA Lab.
pub mod nothing {}
