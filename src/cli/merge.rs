//! `mera merge`: several adapters into one.

use super::device::Device;
use super::error::CliError;
use super::files::{self, OutputFolder, WeightFiles};
use super::session::{Session, with_places};
use super::{say, texts};
use crate::engine::{EngineError, MAX_TEXTS, adapter_name, folder};
use crate::protocol::{
    self, AdapterCard, EditAdapter, MergeLocation, MergeReport, MergeSpec, OutputScale, RemoveAdapter, Texts,
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Merge adapters into one that Python loads
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// Id of the method; `mera methods` lists them
    #[arg(long, value_name = "ID")]
    method: String,
    /// A parameter of the method
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    settings: Vec<(String, String)>,
    /// One an adapter, normalised to sum to 1 [default: equal]
    #[arg(long, value_name = "W,W,...", value_delimiter = ',')]
    weights: Vec<f64>,
    /// The adapter that others are aligned to: its name or its path [default: the first]
    #[arg(long, value_name = "NAME")]
    reference: Option<String>,
    /// Folder of the PLM, for activations
    #[arg(long, value_name = "DIR")]
    plm: Option<PathBuf>,
    /// Texts for activations and for the report: one a line, a tab between the two of a pair; or a data file
    #[arg(long, value_name = "FILE", requires = "plm")]
    texts: Option<PathBuf>,
    /// Of the output: none, keep (amplitude as the inputs have it on the texts), sum, or a number
    #[arg(long, default_value = "none", value_parser = scale)]
    scale: OutputScale,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Which files hold the weights
    #[arg(long, value_enum, default_value_t)]
    weight_files: WeightFiles,
    /// Of the result [default: the name of the output folder]
    #[arg(long)]
    name: Option<String>,
    /// Write a JSON document of what the merge did, location by location
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// Folder to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace an adapter that stands in the output folder
    #[arg(long)]
    force: bool,
    /// Folders or archives, an adapter each
    #[arg(required = true, value_name = "ADAPTER")]
    adapters: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As the library adapters writes
    #[default]
    Adapterhub,
    /// As the library peft writes
    Peft,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn scale(text: &str) -> Result<OutputScale, String> {
    let number = |text: &str| text.parse().ok();
    OutputScale::read(text, number).ok_or_else(|| "it must be none, keep, sum or a number".to_owned())
}

impl Merge {
    pub(super) fn run(&self) -> Result<(), CliError> {
        if self.format == Format::Peft {
            return Err(CliError::Peft);
        }
        let output = OutputFolder::new(&self.output, self.force)?;
        self.report.as_deref().map(files::check_place).transpose()?;
        let mut session = Session::new(self.device)?;
        if let Some(plm) = &self.plm {
            session.open_plm(plm)?;
        }
        let texts = self.texts.as_deref().map_or(Ok(Texts::None), texts::read)?;
        if let Texts::Lines(lines) = &texts
            && lines.len() > MAX_TEXTS
        {
            super::warn(&format!("note: {MAX_TEXTS} of the {} texts are looked at, taken evenly", lines.len()));
        }
        let inputs = self.adapters.iter().map(|path| session.open_adapter(path)).collect::<Result<Vec<_>, _>>()?;
        let reference = self.reference.as_deref().map(|wanted| self.find(wanted, &inputs)).transpose()?;
        let spec = MergeSpec {
            method: self.method.clone(),
            settings: self.settings.iter().cloned().collect(),
            adapters: inputs.iter().map(|card| card.id).collect(),
            weights: self.weights.clone(),
            reference: reference.map(|card| card.id),
            scale: self.scale,
            texts,
        };
        let name = self.name.clone().unwrap_or_else(|| files::base_name(&self.output, &self.method));
        let name = adapter_name(&name);
        let merged = session.ask(protocol::Merge { name: name.clone(), spec });
        let mut report = merged.map_err(|error| match error {
            CliError::Engine(EngineError::NoTexts(needed_by)) => CliError::NoTexts(needed_by),
            other => with_places(other, inputs.iter().zip(&self.adapters)),
        })?;
        for remark in &report.adapter.remarks {
            super::warn(&format!("note: {remark}"));
        }
        if let Some(note) = unfinished(&report.locations) {
            super::warn(&format!("note: {note}"));
        }
        // Where the result is going no input stands beside it whose name would be in its way.
        for input in &inputs {
            session.ask(RemoveAdapter { id: input.id })?;
        }
        let id = report.adapter.id;
        report.adapter.name = session.ask(EditAdapter { id, name: Some(name), track: None })?.name;
        let (file, recipe) = (&session.engine.adapters().get(id)?.file, session.engine.recipe(id)?);
        output.write(&folder(file, &recipe, self.weight_files.into())?)?;
        if let Some(path) = &self.report {
            let reference = reference.or(inputs.first()).map(|card| card.name.clone());
            let document = document(&report, &inputs, reference);
            files::write_file(path, format!("{document:#}\n").as_bytes())?;
        }
        let names: Vec<&str> = inputs.iter().map(|card| card.name.as_str()).collect();
        say(&format!("{}: {} of {}", files::shown(&self.output), self.method, names.join(", ")))
    }

    fn find<'a>(&self, wanted: &str, inputs: &'a [AdapterCard]) -> Result<&'a AdapterCard, CliError> {
        let by_path = || self.adapters.iter().position(|path| path == Path::new(wanted)).and_then(|at| inputs.get(at));
        inputs.iter().find(|card| card.name == wanted).or_else(by_path).ok_or_else(|| CliError::NoSuchReference {
            wanted: wanted.to_owned(),
            names: inputs.iter().map(|card| card.name.clone()).collect(),
        })
    }
}

/// A line on the locations whose plans the solver left unfinished, if any.
fn unfinished(locations: &[MergeLocation]) -> Option<String> {
    let names: Vec<&str> = locations.iter().filter(|at| !at.converged).map(|at| at.name.as_str()).collect();
    let places = match names.as_slice() {
        [] => return None,
        all if all.len() == locations.len() => "any location".to_owned(),
        some => some.join(", "),
    };
    Some(format!(
        "the transport has not converged at {places}: the plans are used as its last iteration left them; more \
         iterations or a larger epsilon help"
    ))
}

fn document(report: &MergeReport, inputs: &[AdapterCard], reference: Option<String>) -> Value {
    json!({
        "name": report.adapter.name,
        "method": report.spec.method,
        "settings": report.spec.settings,
        "inputs": inputs.iter().map(|card| &card.name).collect::<Vec<_>>(),
        "weights": report.spec.weights,
        "reference": reference,
        "scale": report.spec.scale,
        "locations": report.locations,
    })
}
