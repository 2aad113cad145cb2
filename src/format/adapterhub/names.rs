//! AdapterHub's names of an adapter's tensors, and ours.
//!
//! `{root}encoder.layer.{i}.{site}{adapter}.{part}`, for example
//! `bert.encoder.layer.3.output.adapters.sst2.adapter_down.0.weight`; the root is absent where the adapter was saved
//! from the bare encoder. A new family is a row of [`FAMILIES`], a renamed module a row of [`SITES`], which has the names
//! of versions before `adapters` too (`legacy_weights_mapping`, loading.py).

use crate::tensors::adapter::{Location, Part, Site, layer_number};

/// A family of PLMs whose adapters bear the names of BERT's modules.
#[derive(Debug)]
pub(super) struct Family {
    /// `model_type` in Hugging Face's `config.json`.
    pub(super) model_type: &'static str,
    /// The attribute under which a model with a head holds its encoder.
    root: &'static str,
}

/// Rows in any order: `model_type` is compared whole.
pub(super) const FAMILIES: [Family; 4] = [
    Family { model_type: "bert", root: "bert." },
    Family { model_type: "roberta", root: "roberta." },
    // These two are RoBERTa with other words; transformers keeps its attribute.
    Family { model_type: "xlm-roberta", root: "roberta." },
    Family { model_type: "camembert", root: "roberta." },
];

/// The stack of layers, after the root.
const LAYERS: &str = "encoder.layer.";

/// Modules that hold adapters. All are read, and the first of a site is written: none begins as another does.
const SITES: [(&str, Site); 6] = [
    ("attention.output.adapters.", Site::Attention),
    ("output.adapters.", Site::Output),
    // Adapters for a task and for a language stood apart once.
    ("attention.output.attention_text_task_adapters.", Site::Attention),
    ("attention.output.attention_text_lang_adapters.", Site::Attention),
    ("output.layer_text_task_adapters.", Site::Output),
    ("output.layer_text_lang_adapters.", Site::Output),
];

/// `adapter_down` is a sequence whose first module is the projection, the second the non-linearity.
const PARTS: [(&str, Part); 4] = [
    ("adapter_down.0.weight", Part::DownWeight),
    ("adapter_down.0.bias", Part::DownBias),
    ("adapter_up.weight", Part::UpWeight),
    ("adapter_up.bias", Part::UpBias),
];

impl Family {
    /// The family called `model_type`.
    pub(super) fn find(model_type: &str) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.model_type == model_type)
    }

    /// A tensor's place, its part and the adapter's name in the file; `None` for any other tensor.
    pub(super) fn parse<'a>(&self, key: &'a str) -> Option<(Location, Part, &'a str)> {
        let key = key.strip_prefix(self.root).unwrap_or(key).strip_prefix(LAYERS)?;
        let (layer, rest) = key.split_once('.')?;
        let layer = layer_number(layer)?;
        let (rest, site) = SITES.iter().find_map(|(prefix, site)| Some((rest.strip_prefix(prefix)?, *site)))?;
        let (name, part) =
            PARTS.iter().find_map(|(suffix, part)| Some((rest.strip_suffix(suffix)?.strip_suffix('.')?, *part)))?;
        Some((Location { layer, site }, part, name))
    }

    /// The name in a file of `part` at `location` of the adapter called `name`.
    pub(super) fn key(&self, location: Location, part: Part, name: &str) -> String {
        // Both tables hold every site and part: a test walks them.
        let site = SITES.iter().find(|(_, site)| *site == location.site).map_or("", |(prefix, _)| prefix);
        let part = PARTS.iter().find(|(_, known)| *known == part).map_or("", |(suffix, _)| suffix);
        format!("{}{LAYERS}{}.{site}{name}.{part}", self.root, location.layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for family in &FAMILIES {
            for site in [Site::Attention, Site::Output] {
                for part in Part::ALL {
                    let location = Location { layer: 11, site };
                    let key = family.key(location, part, "sst-2");
                    assert_eq!(family.parse(&key), Some((location, part, "sst-2")), "{key}");
                    let bare = key.strip_prefix(family.root).unwrap();
                    assert_eq!(family.parse(bare), Some((location, part, "sst-2")), "{bare}");
                }
            }
        }
    }

    #[test]
    fn older_names_are_read_and_not_written() {
        let bert = Family::find("bert").unwrap();
        for (site, modules, written) in [
            (
                Site::Attention,
                ["attention.output.attention_text_task_adapters", "attention.output.attention_text_lang_adapters"],
                "bert.encoder.layer.1.attention.output.adapters.a.adapter_up.bias",
            ),
            (
                Site::Output,
                ["output.layer_text_task_adapters", "output.layer_text_lang_adapters"],
                "bert.encoder.layer.1.output.adapters.a.adapter_up.bias",
            ),
        ] {
            let location = Location { layer: 1, site };
            for module in modules {
                let key = format!("bert.encoder.layer.1.{module}.a.adapter_up.bias");
                assert_eq!(bert.parse(&key), Some((location, Part::UpBias, "a")), "{key}");
            }
            assert_eq!(bert.key(location, Part::UpBias, "a"), written);
        }
    }

    #[test]
    fn other_tensors_have_no_place() {
        let bert = Family::find("bert").unwrap();
        for key in [
            "roberta.encoder.layer.0.output.adapters.a.adapter_up.bias",
            "bert.encoder.layer.0.output.adapters.a.adapter_norm_before.bias",
            "bert.encoder.layer.0.attention.self.query.loras.a.lora_A",
            "bert.encoder.layer.x.output.adapters.a.adapter_up.bias",
            "bert.encoder.layer.01.output.adapters.a.adapter_up.bias",
            "bert.encoder.layer.+1.output.adapters.a.adapter_up.bias",
            "heads.a.1.weight",
        ] {
            assert_eq!(bert.parse(key), None, "{key}");
        }
    }
}
