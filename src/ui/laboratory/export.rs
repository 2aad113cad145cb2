//! Tables and experiments to take away.

use super::Laboratory;
use crate::protocol::*;
use leptos::prelude::*;
use leptos::task::spawn_local;

impl Laboratory {
    /// Saves the table of the experiment in sight.
    pub fn export(self, form: TableForm) {
        let Some(shown) = self.shown.get_untracked() else { return };
        let ask = ExportRecords { records: self.lines(&shown), form };
        spawn_local(async move {
            match self.ask(ask).await {
                Ok(file) => self.lab.save(&file),
                Err(failure) => self.lab.problem("laboratory", failure.message),
            }
        });
    }

    /// Saves the experiment in sight with its files and records, as a folder that `mera run` takes.
    pub fn save_experiment(self) {
        let Some(shown) = self.shown.get_untracked() else { return };
        spawn_local(async move {
            let name = shown.bundle.name.clone();
            let made = async {
                let (sheet, mut files) = shown.bundle.packed(&shown.sheet, &self.served())?;
                let toml = self.ask(WriteExperiment(sheet)).await.map_err(|failure| failure.message)?;
                let mut put = |path: String, bytes: Vec<u8>| files.push(FileSource::Bytes(FileBytes { path, bytes }));
                put("experiment.toml".into(), toml.into_bytes());
                let lines = self.lines(&shown);
                if !lines.is_empty() {
                    // Where `mera run experiment.toml --resume` looks for what is done.
                    put("experiment-results/records.jsonl".into(), format!("{}\n", lines.join("\n")).into_bytes());
                }
                let name = format!("{name}.zip");
                self.ask(Pack { name, files }).await.map_err(|failure| failure.message)
            };
            match made.await {
                Ok(file) => self.lab.save(&file),
                Err(line) => self.lab.problem(name, line),
            }
        });
    }
}
