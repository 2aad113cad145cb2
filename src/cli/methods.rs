//! `mera methods`: every way to merge.

use super::device::Device;
use super::error::CliError;
use super::session::Session;
use super::{say, say_json};
use crate::protocol::{MethodCard, ParameterRange};
use clap::Args;
use serde_json::{Value, json};

/// List every merge method with its parameters
#[derive(Debug, Args)]
pub(super) struct Methods {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Methods {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let methods = Session::new(Device::Cpu)?.started.methods;
        if self.json {
            return say_json(&methods.iter().map(document).collect());
        }
        for method in &methods {
            say(&format!("{}  {}", method.id, method.title))?;
            say(&format!("    {}", method.description))?;
            say(&format!("    from: {}", method.paper))?;
            if !method.needs.is_empty() {
                say(&format!("    needs: {}", method.needs.join(", ")))?;
            }
            for parameter in &method.parameters {
                let range = words(&parameter.range);
                say(&format!("    --set {}={}  ({range})  {}", parameter.name, parameter.default, parameter.meaning))?;
            }
        }
        Ok(())
    }
}

fn document(method: &MethodCard) -> Value {
    let parameters: Vec<Value> = method
        .parameters
        .iter()
        .map(|parameter| {
            json!({
                "name": parameter.name,
                "meaning": parameter.meaning,
                "range": range(&parameter.range),
                "default": parameter.default,
            })
        })
        .collect();
    json!({
        "id": method.id,
        "title": method.title,
        "description": method.description,
        "paper": method.paper,
        "needs": method.needs,
        "parameters": parameters,
        "laws": method.laws,
    })
}

fn range(range: &ParameterRange) -> Value {
    match range {
        ParameterRange::Choice(words) => json!({ "choice": words }),
        ParameterRange::Number { min, max } => json!({ "min": min, "max": max }),
        ParameterRange::Integer { min, max } => json!({ "min": min, "max": max, "integer": true }),
        ParameterRange::Flag => json!({ "choice": ["true", "false"] }),
    }
}

fn words(range: &ParameterRange) -> String {
    match range {
        ParameterRange::Choice(words) => words.join(" | "),
        ParameterRange::Number { min, max } => format!("{min} to {max}"),
        ParameterRange::Integer { min, max } => format!("whole, {min} to {max}"),
        ParameterRange::Flag => "true | false".to_owned(),
    }
}
