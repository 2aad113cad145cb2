//! What each stage does. Features and profiles are the same throughout, so that everything is compiled once.

use super::Tally;
use crate::browser;
use crate::page::{self, Profile};
use crate::plm;
use crate::project::Project;
use crate::shell::{cargo_command, path_with, run, run_listening};
use crate::tools::{self, CARGO_DENY, WASM_BINDGEN, WASM_TARGET};
use anyhow::{Context, Result, bail, ensure};
use std::process::Command;

/// What follows for a target in the browser.
const WASM: [&str; 5] = ["--target", WASM_TARGET, "--profile", "web-test", "--no-default-features"];

pub(super) fn fmt(project: &Project, _: &mut Tally) -> Result<()> {
    run(&mut cargo_command(project, &["fmt", "--all", "--check"]))
}

pub(super) fn clippy(project: &Project, _: &mut Tally) -> Result<()> {
    for package in [["-p", "mera-lab", "--features", "cli"].as_slice(), &["-p", "xtask"], &["-p", "e2e"]] {
        let mut command = cargo_command(project, &["clippy", "--all-targets"]);
        run(command.args(package).args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

pub(super) fn clippy_wasm(project: &Project, _: &mut Tally) -> Result<()> {
    tools::ensure_wasm_target(project)?;
    let worker = ["--bin", "worker", "--test", "browser", "--features", "worker"];
    for targets in [worker.as_slice(), &["--bin", "app", "--features", "ui"]] {
        let mut command = cargo_command(project, &["clippy", "--lib"]);
        command.args(targets).args(WASM).args(["--", "-D", "warnings"]);
        run(command.env("CLIPPY_CONF_DIR", project.root.join("xtask/clippy_wasm")))?;
    }
    Ok(())
}

/// The promises of the house that features make: the engine compiles without a browser, the command for a GPU too, and
/// the page links no burn.
pub(super) fn features(project: &Project, _: &mut Tally) -> Result<()> {
    run(&mut cargo_command(project, &["check", "--lib", "--tests", "--no-default-features", "--features", "engine"]))?;
    // Without cuda, whose build downloads LLVM.
    run(&mut cargo_command(
        project,
        &["clippy", "--lib", "--bin", "mera", "--features", "wgpu", "--", "-D", "warnings"],
    ))?;
    let engine = tree(project, "engine", "x86_64-unknown-linux-gnu")?;
    let page = tree(project, "ui", WASM_TARGET)?;
    for (what, tree, forbidden) in [
        ("the engine", &engine, ["web-sys", "leptos", "clap"]),
        ("the page", &page, ["burn", "tokenizers", "nalgebra"]),
    ] {
        for package in forbidden {
            ensure!(tree.lines().all(|line| line != package), "{what} depends on {package}, which it must not");
        }
        println!("{what} needs {} packages, none of them {}", tree.lines().count(), forbidden.join(", "));
    }
    ensure!(engine.lines().any(|line| line == "burn"), "cargo tree names no burn for the engine: the check is blind");
    ensure!(page.lines().any(|line| line == "leptos"), "cargo tree names no leptos for the page: the check is blind");
    Ok(())
}

/// The names of the packages that a feature brings for a target, one a line.
fn tree(project: &Project, feature: &str, target: &str) -> Result<String> {
    let mut command = cargo_command(project, &["tree", "-p", "mera-lab", "-e", "normal", "--prefix", "none"]);
    command.args(["--format", "{p}", "--no-default-features", "--features", feature, "--target", target]);
    let output = command.output().context("cargo tree did not start")?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names.join("\n"))
}

pub(super) fn deny(project: &Project, _: &mut Tally) -> Result<()> {
    let folder = tools::ensure(project, &CARGO_DENY)?;
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(folder.join(CARGO_DENY.program));
        command.current_dir(&project.root).arg("--all-features").args(arguments);
        command
    };
    run(&mut deny(&["check", "licenses", "bans", "sources"]))?;
    // Licences, bans and sources are in the lock file; the advisories are a database on the network.
    if run(&mut deny(&["fetch", "db"])).is_err() {
        println!("the database of advisories could not be fetched: advisories are not checked this time");
        return Ok(());
    }
    run(&mut deny(&["check", "advisories"]))
}

pub(super) fn native(project: &Project, tally: &mut Tally) -> Result<()> {
    // Some golden tests compare with the real model.
    plm::fetch_served(project)?;
    let ours = count(cargo_command(project, &["test", "--features", "cli", "--no-fail-fast"]), tally);
    let xtask = count(cargo_command(project, &["test", "-p", "xtask", "--lib"]), tally);
    ours.and(xtask)
}

pub(super) fn docs(project: &Project, _: &mut Tally) -> Result<()> {
    tools::ensure_wasm_target(project)?;
    // Worker and page apart, as for clippy: with features of their own all that they stand on would be checked again.
    for (feature, target) in [("cli", [].as_slice()), ("worker", &WASM), ("ui", &WASM)] {
        let mut command = cargo_command(project, &["doc", "--no-deps", "--lib", "--features", feature]);
        run(command.args(target).env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}

pub(super) fn page(project: &Project, _: &mut Tally) -> Result<()> {
    plm::fetch_served(project)?;
    page::build(project, Profile::WebTest)
}

pub(super) fn browser(project: &Project, tally: &mut Tally) -> Result<()> {
    plm::fetch_served(project)?;
    let browser = browser::ensure()?;
    tools::ensure_wasm_target(project)?;
    let tools = tools::ensure(project, &WASM_BINDGEN)?;
    let mut command = cargo_command(project, &["test", "--test", "browser", "--features", "worker"]);
    command.args(WASM).env("PATH", path_with(&tools)?).env("CHROMEDRIVER", &browser.driver);
    command.env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", project.root.join("tests/browser/webdriver.json"));
    // The first use of each kernel compiles it, on a software adapter slowly.
    command.env("WASM_BINDGEN_TEST_TIMEOUT", "600").env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "60");
    count(command, tally)
}

pub(super) fn e2e(project: &Project, tally: &mut Tally) -> Result<()> {
    let browser = browser::ensure()?;
    ensure!(project.root.join("dist/index.html").is_file(), "there is no dist/: run the stage `page` first");
    // The native command, whose numbers the page must show too.
    run(&mut cargo_command(project, &["build", "--features", "cli", "--bin", "mera"]))?;
    let mut command = cargo_command(project, &["test", "-p", "e2e"]);
    command.env("CHROMEDRIVER", &browser.driver).env("CHROMIUM", &browser.chromium);
    command.env("MERA", project.target.join(format!("debug/mera{}", std::env::consts::EXE_SUFFIX)));
    // An error of the scenario names what failed; the frames of the test's runtime say nothing.
    command.env("DIST", project.root.join("dist")).env("RUST_BACKTRACE", "0");
    count(command, tally)
}

/// Runs a test runner and counts its tests; an error when it ends badly.
fn count(mut command: Command, tally: &mut Tally) -> Result<()> {
    // A snapshot that differs is a failure here, never a new file beside the old one.
    command.env("INSTA_UPDATE", "no").env("INSTA_FORCE_PASS", "0");
    // The same cases every time, so that a change is judged by itself; a plain `cargo test` draws new ones.
    command.env("PROPTEST_RNG_SEED", "20230830");
    if !run_listening(&mut command, |line| tally.read(line))? {
        bail!("the test runner ended with failures");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::browser::ARGUMENTS;

    #[test]
    fn both_runners_start_the_same_browser() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/browser/webdriver.json");
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let arguments: Vec<_> =
            json["goog:chromeOptions"]["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        assert_eq!(arguments, ARGUMENTS);
    }
}
