//! Parts that pages and steps share.

pub mod details;
pub mod drop_zone;
pub mod each;
pub mod fields;
pub mod header;
pub mod notices;
pub mod pick;
pub mod plan;
pub mod progress;
pub mod rail;
pub mod show;
