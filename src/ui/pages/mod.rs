//! What the header leads to.

pub mod device;
pub mod lab;
pub mod laboratory;
