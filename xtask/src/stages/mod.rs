//! `cargo xtask test`: every check there is, as a list of stages, and one line that says how many tests passed.

mod beside;
mod checks;

use crate::plm;
use crate::project::Project;
use anyhow::{Result, bail};
use beside::Beside;
use std::time::{Duration, Instant};

/// One check.
struct Stage {
    name: &'static str,
    /// What it shows, for `--list`.
    shows: &'static str,
    run: fn(&Project, &mut Tally) -> Result<()>,
}

/// In the order in which they run: what a stage makes before the stage that needs it.
const STAGES: &[Stage] = &[
    Stage { name: "fmt", shows: "the code is formatted", run: checks::fmt },
    Stage { name: "clippy", shows: "no lint fires in what runs natively", run: checks::clippy },
    Stage {
        name: "features",
        shows: "the engine needs no browser, the page no burn; the command compiles for a GPU",
        run: checks::features,
    },
    Stage { name: "deny", shows: "licences, sources and advisories of what we depend on", run: checks::deny },
    Stage { name: "native", shows: "unit, property, golden and tidy tests", run: checks::native },
    Stage {
        name: "clippy-wasm",
        shows: "nothing in page and worker blocks or panics in a browser",
        run: checks::clippy_wasm,
    },
    Stage { name: "page", shows: "trunk builds the page and the worker", run: checks::page },
    Stage { name: "docs", shows: "the documentation builds, every link in it leads somewhere", run: checks::docs },
    Stage { name: "browser", shows: "the engine in headless Chromium, on WebGPU and on the CPU", run: checks::browser },
    Stage { name: "e2e", shows: "the built page, driven through its whole way in headless Chromium", run: checks::e2e },
];

/// Those that only compile, and only for the browser. In a whole run they go on beside the stages before them: cargo holds
/// its lock by profile and target, and a compiler on one large crate, or a test on one thread, leaves a core idle.
const BESIDE: [&str; 2] = ["clippy-wasm", "page"];

/// Tests counted over all runners.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed, and stages that failed without any test of theirs having failed.
    pub failed: usize,
}

impl Tally {
    /// Adds what a line of a test runner's output says, if it is such a summary:
    /// `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    pub fn read(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ") else { return };
        // Between "ok." or "FAILED." and the first count stands nothing else.
        let Some((_, counts)) = counts.split_once(". ") else { return };
        for part in counts.split(';') {
            let mut words = part.split_whitespace();
            let (count, kind) = (words.next().and_then(|word| word.parse::<usize>().ok()), words.next());
            match (count, kind) {
                (Some(count), Some("passed")) => self.passed += count,
                (Some(count), Some("failed")) => self.failed += count,
                _ => {}
            }
        }
    }
}

/// What a stage's verdict begins with.
const VERDICT: &str = "── ";

/// Prints the stages.
pub fn list() {
    for stage in STAGES {
        println!("{:<12} {}", stage.name, stage.shows);
    }
}

/// Runs the stages named, or all; goes on after a failure, so that one run tells all. Returns whether all is well.
///
/// # Errors
/// When a name is not a stage's.
pub fn run_all(project: &Project, names: &[String]) -> Result<bool> {
    if let Some(unknown) = names.iter().find(|name| STAGES.iter().all(|stage| stage.name != **name)) {
        let known: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
        bail!("no stage is called {unknown}; there are: {}", known.join(", "));
    }
    let mut tally = Tally::default();
    let mut report = Vec::new();
    let mut beside = None;
    if names.is_empty() {
        // Two of them at once would each fetch the models; where that fails, the stages that need them say so.
        let _ = plm::fetch_served(project);
        beside = Some(Beside::start(project, &BESIDE)?);
    }
    for stage in STAGES.iter().filter(|stage| names.is_empty() || names.iter().any(|name| name == stage.name)) {
        if names.is_empty() && BESIDE.contains(&stage.name) {
            for (line, is_well) in beside.take().map(Beside::join).transpose()?.unwrap_or_default() {
                tally.failed += usize::from(!is_well);
                report.push(line);
            }
            continue;
        }
        println!("\n── {}: {}", stage.name, stage.shows);
        let (start, before) = (Instant::now(), tally);
        let result = (stage.run)(project, &mut tally);
        if let Err(error) = &result {
            println!("error: {error:#}");
            if tally.failed == before.failed {
                tally.failed += 1;
            }
        }
        let verdict = if tally.failed == before.failed { "ok" } else { "FAILED" };
        let line = format!("{:<12} {verdict:<6} {:>8}", stage.name, minutes(start.elapsed()));
        println!("{VERDICT}{line}");
        report.push(line);
    }
    println!("\n{}", report.join("\n"));
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(is_well(tally, names))
}

/// Nothing failed; and in a whole run, some test ran at all.
fn is_well(tally: Tally, names: &[String]) -> bool {
    tally.failed == 0 && (tally.passed > 0 || !names.is_empty())
}

fn minutes(time: Duration) -> String {
    format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_the_runners_print() {
        let mut tally = Tally::default();
        tally.read("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.05s");
        tally.read("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 filtered out; finished in 1.20s");
        tally.read("test tensors::tests::a_name ... ok");
        tally.read("running 12 tests");
        assert_eq!(tally, Tally { passed: 15, failed: 2 });
    }

    #[test]
    fn a_whole_run_without_tests_is_a_failure() {
        assert!(!is_well(Tally::default(), &[]));
        assert!(is_well(Tally { passed: 1, failed: 0 }, &[]));
        assert!(!is_well(Tally { passed: 1, failed: 1 }, &[]));
        assert!(is_well(Tally::default(), &["fmt".to_string()]));
    }
}
