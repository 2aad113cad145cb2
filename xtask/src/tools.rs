//! The tools that a build needs beside cargo, each at one pinned version, and the standard library for the browser;
//! installed only when missing.

use crate::project::Project;
use crate::shell::{cargo_command, first_line, run, which};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the page and the worker are compiled for.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A program that `cargo install` brings.
pub struct Tool {
    /// The package's name.
    pub package: &'static str,
    /// The program's name.
    pub program: &'static str,
    /// Its exact version.
    pub version: &'static str,
    /// Level of optimisation: what runs for a second needs none, and compiles in half the time.
    opt_level: &'static str,
}

/// Bundles the page.
pub const TRUNK: Tool = Tool { package: "trunk", program: "trunk", version: "0.21.14", opt_level: "0" };
/// Writes the JavaScript around the wasm. Must match the crate `wasm-bindgen` in Cargo.toml to the digit.
pub const WASM_BINDGEN: Tool =
    Tool { package: "wasm-bindgen-cli", program: "wasm-bindgen", version: "0.2.129", opt_level: "1" };
/// Checks licences, sources and advisories.
pub const CARGO_DENY: Tool = Tool { package: "cargo-deny", program: "cargo-deny", version: "0.20.2", opt_level: "0" };

/// Makes sure that the standard library for [`WASM_TARGET`] is there. rustup brings it by itself for whom it may install
/// what `rust-toolchain.toml` names; who has switched that off gets it here, for this toolchain alone.
///
/// # Errors
/// When it is missing and rustup can't add it.
pub fn ensure_wasm_target(project: &Project) -> Result<()> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let libraries = Command::new(&rustc)
        .current_dir(&project.root)
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output()
        .with_context(|| format!("{rustc} did not start"))?;
    if Path::new(String::from_utf8_lossy(&libraries.stdout).trim()).is_dir() {
        return Ok(());
    }
    let mut command = Command::new("rustup");
    run(command.current_dir(&project.root).args(["target", "add", WASM_TARGET]))
        .with_context(|| format!("the standard library for {WASM_TARGET} could not be added"))
}

/// Makes sure that a tool is there, and returns the folder of its program.
///
/// # Errors
/// When it is missing and can't be installed.
pub fn ensure(project: &Project, tool: &Tool) -> Result<PathBuf> {
    let own = project.tools().join("bin");
    let own_program = own.join(format!("{}{}", tool.program, std::env::consts::EXE_SUFFIX));
    for program in [Some(own_program), which(tool.program)].into_iter().flatten() {
        let version = first_line(&program, &["--version"]);
        if version.is_some_and(|line| line.split_whitespace().nth(1) == Some(tool.version)) {
            return Ok(program.parent().map(PathBuf::from).unwrap_or(own));
        }
    }
    println!("{} {} is not here yet: installing it into {}", tool.package, tool.version, own.display());
    let root = project.tools();
    let package = format!("{}@{}", tool.package, tool.version);
    // Default features, where there are any, are TLS and the search for updates: nothing here asks for them.
    let mut command = cargo_command(project, &["install", "--locked", "--force", "--no-default-features", "--root"]);
    command.arg(&root).arg(&package);
    command.env("CARGO_TARGET_DIR", root.join("build"));
    for (key, value) in [("LTO", "off"), ("CODEGEN_UNITS", "16"), ("DEBUG", "false"), ("OPT_LEVEL", tool.opt_level)] {
        command.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
    }
    run(&mut command).with_context(|| format!("{package} could not be installed"))?;
    Ok(own)
}
