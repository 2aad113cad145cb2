//! Stages that go on in a process of their own beside the others.

use super::VERDICT;
use crate::project::Project;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};

/// Stages under way: what they print goes into a file until they are waited for.
pub(super) struct Beside {
    stages: &'static [&'static str],
    child: Child,
    log: PathBuf,
}

impl Beside {
    /// Starts `cargo xtask test STAGES`.
    ///
    /// # Errors
    /// When its log can't be written, or it can't start.
    pub(super) fn start(project: &Project, stages: &'static [&'static str]) -> Result<Self> {
        fs::create_dir_all(&project.target)?;
        let log = project.target.join("beside.log");
        let file = File::create(&log).with_context(|| format!("{} can't be written", log.display()))?;
        let program = std::env::current_exe().context("where this program lies")?;
        let mut command = Command::new(program);
        command.current_dir(&project.root).arg("test").args(stages);
        command.stdout(file.try_clone()?).stderr(file);
        println!("beside what follows: {}, in {}", stages.join(", "), log.display());
        let child = command.spawn().context("the stages beside could not be started")?;
        Ok(Self { stages, child, log })
    }

    /// Waits for them, prints what they printed, and returns the verdict of each, with whether all was well.
    ///
    /// # Errors
    /// When they can't be waited for, or their log can't be read.
    pub(super) fn join(mut self) -> Result<Vec<(String, bool)>> {
        self.child.wait()?;
        let log = fs::read(&self.log).with_context(|| format!("{} can't be read", self.log.display()))?;
        let log = String::from_utf8_lossy(&log);
        println!("{log}");
        Ok(self.stages.iter().map(|stage| verdict(&log, stage)).collect())
    }
}

impl Drop for Beside {
    /// Nobody waits for them any more.
    fn drop(&mut self) {
        // An error says that it has ended.
        let _ = self.child.kill();
    }
}

/// What `log` says of `stage` at its end; that it is missing where it says nothing.
fn verdict(log: &str, stage: &str) -> (String, bool) {
    let line = log.lines().filter_map(|line| line.strip_prefix(VERDICT)).find_map(|line| {
        let mut words = line.split_whitespace();
        let is_of_stage = words.next() == Some(stage);
        let verdict = words.next().filter(|_| is_of_stage)?;
        Some((line.to_owned(), verdict == "ok"))
    });
    line.unwrap_or_else(|| (format!("{stage:<12} FAILED: it came to no end"), false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_found_and_a_missing_one_is_a_failure() {
        let log = "── page: trunk builds the page\n$ trunk build\n── page         ok     1 min 02 s\n";
        assert_eq!(verdict(log, "page"), ("page         ok     1 min 02 s".into(), true));
        let log = "── page: trunk builds\n── page         FAILED 0 min 02 s\npage         ok";
        assert_eq!(verdict(log, "page"), ("page         FAILED 0 min 02 s".into(), false));
        assert!(!verdict("── page: trunk builds the page\n", "page").1);
        assert!(!verdict("", "page").1);
    }
}
