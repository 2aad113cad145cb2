//! The engine, asked and watched.

use super::device::Device;
use super::error::CliError;
use super::files;
use super::watch::Watch;
use crate::engine::{Engine, EngineError, adapter_form};
use crate::protocol::{
    AdapterCard, Ask, DataCard, DeviceReport, FileBytes, FileSource, Open, OpenPlm, Opened, PLM_FILES, PlmCard,
    Problem, Start,
};
use std::path::{Path, PathBuf};

/// One engine and who watches it.
pub(super) struct Session {
    pub(super) engine: Engine,
    pub(super) watch: Watch,
    pub(super) started: DeviceReport,
}

impl Session {
    /// An engine on `device`.
    pub(super) fn new(device: Device) -> Result<Self, CliError> {
        let (mut engine, mut watch) = (Engine::new(device), Watch::new());
        let started = ask(&mut engine, &mut watch, Start { device: device.choice() })?;
        Ok(Self { engine, watch, started })
    }

    /// Asks the engine and waits.
    pub(super) fn ask<A: Ask>(&mut self, question: A) -> Result<A::Answer, CliError> {
        ask(&mut self.engine, &mut self.watch, question)
    }

    /// Loads the PLM in `folder`.
    pub(super) fn open_plm(&mut self, folder: &Path) -> Result<PlmCard, CliError> {
        let path = files::shown(folder);
        std::fs::read_dir(folder).map_err(CliError::read(folder))?;
        let there = PLM_FILES.iter().map(|name| folder.join(name)).filter(|path| path.exists());
        let files = there.map(|path| files::read_file(&path).map(FileSource::Bytes)).collect::<Result<_, _>>()?;
        let name = files::base_name(folder, "model");
        self.ask(OpenPlm { name, files }).map_err(|error| match error {
            CliError::Engine(EngineError::Plm { error, .. }) => EngineError::Plm { path, error }.into(),
            CliError::Engine(EngineError::IncompletePlm { missing, .. }) => {
                EngineError::IncompletePlm { name: path, missing }.into()
            }
            CliError::Engine(error @ EngineError::Tokenizer(_)) => {
                CliError::File { path: format!("{path}/tokenizer.json"), message: error.to_string() }
            }
            other => other,
        })
    }

    /// Takes in whatever is at `path`.
    pub(super) fn open(&mut self, path: &Path) -> Result<Opened, CliError> {
        let given = files::read_tree(path)?.into_iter().map(FileSource::Bytes).collect();
        let mut opened = self.ask(Open { files: given })?;
        for problem in &mut opened.problems {
            problem.path = as_given(path, &problem.path);
        }
        Ok(opened)
    }

    /// Loads the one adapter at `path`, a folder or an archive, and says what beside it could not be used.
    pub(super) fn open_adapter(&mut self, path: &Path) -> Result<AdapterCard, CliError> {
        let Opened { mut adapters, problems, .. } = self.open(path)?;
        match (adapters.len(), problems.first()) {
            (0, Some(Problem { path, message })) => {
                Err(CliError::File { path: path.clone(), message: message.clone() })
            }
            (0, None) => Err(CliError::NoAdapter(path.to_owned())),
            (1, _) => {
                let card = adapters.remove(0);
                let adapter = self.engine.adapters().get(card.id)?;
                // Of no use to any command, so that it is told before the work begins.
                adapter_form(&adapter.file).map_err(|error| CliError::File {
                    path: as_given(path, &adapter.file.path),
                    message: error.to_string(),
                })?;
                for Problem { path, message } in &problems {
                    super::warn(&format!("note: {path}: {message}"));
                }
                for remark in &card.remarks {
                    super::warn(&format!("note: {}", as_given(path, remark)));
                }
                Ok(card)
            }
            _ => {
                let names = adapters.into_iter().map(|card| card.name).collect();
                Err(CliError::SeveralAdapters { path: path.to_owned(), names })
            }
        }
    }

    /// Loads a data file.
    pub(super) fn open_data(&mut self, path: &Path) -> Result<DataCard, CliError> {
        let FileBytes { path, bytes } = files::read_file(path)?;
        Ok(self.engine.add_data(&path, &bytes)?)
    }

    /// Loads a data file that is judged on, and says how many of its rows have no label to judge by.
    pub(super) fn open_judging_data(&mut self, path: &Path) -> Result<DataCard, CliError> {
        let card = self.open_data(path)?;
        let labelled: usize = card.labels.iter().map(|(_, count)| count).sum();
        // Of none it is an error, which is told where they are needed.
        if (1..card.rows).contains(&labelled) {
            let (without, path) = (card.rows - labelled, files::shown(path));
            super::warn(&format!("note: {path}: {without} of {} rows have no label and are not judged on", card.rows));
        }
        Ok(card)
    }
}

fn ask<A: Ask>(engine: &mut Engine, watch: &mut Watch, question: A) -> Result<A::Answer, CliError> {
    let outcome = pollster::block_on(engine.handle(question.into(), watch));
    watch.finish();
    A::answer(outcome?).ok_or(CliError::Answer)
}

/// An error with where the adapters lie that it names: two paths may end alike, and then one has a name made up here.
pub(super) fn with_places<'a>(
    error: CliError,
    inputs: impl IntoIterator<Item = (&'a AdapterCard, &'a PathBuf)>,
) -> CliError {
    let CliError::Engine(error) = error else { return error };
    let named = error.adapters();
    let places: Vec<String> = inputs
        .into_iter()
        .map(|(card, path)| (card.name.as_str(), files::shown(path)))
        .filter(|(name, path)| named.contains(name) && name != path)
        .map(|(name, path)| format!("{name} is {path}"))
        .collect();
    if places.is_empty() { error.into() } else { CliError::Adapters { error, places } }
}

/// The engine's paths have no root: a person finds a file by the path that was given.
pub(super) fn as_given(given: &Path, found: &str) -> String {
    let given = files::shown(given);
    let stripped = given.trim_start_matches("./").trim_start_matches('/').trim_end_matches('/');
    match found.strip_prefix(stripped) {
        // Not a word that begins as the path does.
        Some(rest) if !stripped.is_empty() && (rest.is_empty() || rest.starts_with(['/', ':'])) => {
            format!("{}{rest}", given.trim_end_matches('/'))
        }
        _ => found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_it_was_given() {
        let shown = |given: &str, found: &str| as_given(Path::new(given), found);
        assert_eq!(shown("/data/a/", "data/a/adapter_config.json"), "/data/a/adapter_config.json");
        assert_eq!(shown("./a", "a/x.bin: it is cut short"), "./a/x.bin: it is cut short");
        assert_eq!(shown("../a", "../a/x.bin"), "../a/x.bin");
        assert_eq!(shown(".", "x.bin"), "x.bin");
        assert_eq!(shown("./a", "adapter b is of another model"), "adapter b is of another model");
    }
}
