//! What is done to MerA Lab from outside: fetch its models, build the page, serve it, test all of it.
//!
//! Everything here starts other programs (cargo, trunk, chromedriver, pip) and says plainly which one it missed or
//! which one failed. The end-to-end test uses [`serve`] and [`browser`] too.

pub mod browser;
pub mod onnx;
pub mod oracle;
pub mod page;
pub mod plm;
pub mod project;
pub mod serve;
pub mod shell;
pub mod stages;
pub mod tools;
