//! `adapter_config.json`: what kind of adapter it is, and how wide.
//!
//! Defaults, presets and the grammar of short forms (`seq_bn[reduction_factor=8]`) are those of the `adapters`
//! library 1.3.0, configuration/adapter_config.py and utils.py.

use super::super::FormatError;
use super::fields::{self, Object};
use super::reduction::ReductionFactor;
use crate::tensors::adapter::{Location, Site};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Which places of a layer hold a bottleneck adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// After the feed-forward block only, on the layer norm's output (Pfeiffer et al., arXiv 2005.00247).
    SeqBn,
    /// After both blocks, before the layer norm (Houlsby et al., arXiv 1902.00751).
    DoubleSeqBn,
}

impl Architecture {
    /// The library's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SeqBn => "seq_bn",
            Self::DoubleSeqBn => "double_seq_bn",
        }
    }

    /// The places in each layer, in the order in which data flows.
    #[must_use]
    pub fn sites(self) -> &'static [Site] {
        match self {
            Self::SeqBn => &[Site::Output],
            Self::DoubleSeqBn => &[Site::Attention, Site::Output],
        }
    }
}

/// The function of an adapter apart from its weights. Only adapters of one form can be merged.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterForm {
    /// Where it sits.
    pub architecture: Architecture,
    /// Name of the non-linearity, in lower case, as transformers knows it (`relu`, `gelu`, `gelu_new`, `swish`, …).
    pub non_linearity: String,
    /// What the up-projection's output is multiplied with.
    pub scaling: f32,
    /// The PLM's residual and layer norm are applied before the adapter sees its input.
    pub original_ln_before: bool,
    /// The PLM's residual and layer norm are applied to the adapter's output.
    pub original_ln_after: bool,
    /// The adapter's residual is taken before the first of these layer norms.
    pub residual_before_ln: bool,
    /// Layers without an adapter.
    pub leave_out: Vec<usize>,
}

impl AdapterForm {
    /// Pfeiffer's adapter, the library's default: one a layer, relu.
    #[must_use]
    pub fn seq_bn() -> Self {
        Self {
            architecture: Architecture::SeqBn,
            non_linearity: "relu".to_owned(),
            scaling: 1.0,
            original_ln_before: true,
            original_ln_after: true,
            residual_before_ln: true,
            leave_out: Vec::new(),
        }
    }

    /// Houlsby's adapter: two a layer, swish.
    #[must_use]
    pub fn double_seq_bn() -> Self {
        Self {
            architecture: Architecture::DoubleSeqBn,
            non_linearity: "swish".to_owned(),
            original_ln_before: false,
            ..Self::seq_bn()
        }
    }
}

/// `adapter_config.json`, read.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterConfig {
    /// What the adapter computes.
    pub form: AdapterForm,
    /// How its width is told.
    pub reduction_factor: ReductionFactor,
    /// The width at each place.
    pub bottlenecks: BTreeMap<Location, usize>,
    /// The whole document as it was read, so that it is written back unchanged.
    pub raw: Object,
}

impl AdapterConfig {
    /// Encoder layers that the adapter speaks of: up to its last, and those left out right behind it. The PLM must
    /// have as many.
    #[must_use]
    pub fn layers(&self) -> usize {
        let held = self.bottlenecks.keys().map(|location| location.layer.saturating_add(1)).max().unwrap_or(0);
        (held..).find(|layer| !self.form.leave_out.contains(layer)).unwrap_or(held)
    }
}

/// Kinds that do everything here, for messages. double_seq_bn is read, to say what it is, and not run.
pub(super) const SUPPORTED: &str = "bottleneck adapters of the kind seq_bn (pfeiffer)";

/// Form and factor from the whole document.
pub(super) fn parse(document: &Object) -> Result<(AdapterForm, ReductionFactor), FormatError> {
    if let Some(peft_type) = fields::present(document, "peft_type") {
        let peft_type = peft_type.as_str().map_or_else(|| peft_type.to_string(), str::to_owned);
        return Err(FormatError::Peft { peft_type, supported: SUPPORTED });
    }
    let settings = match fields::required(document, "config")? {
        Value::Object(settings) => settings.clone(),
        Value::String(text) => short_form(text)?,
        other => return Err(fields::wrong("config", "an object or the name of a kind", other)),
    };
    let factor =
        ReductionFactor::from_json(fields::required(&settings, "config.reduction_factor").or_else(|error| {
            // Kinds without a bottleneck have no factor; their kind is the news.
            form(&settings)?;
            Err(error)
        })?);
    let mut form = form(&settings)?;
    if !document.contains_key("version") {
        form.non_linearity = renamed_non_linearity(form.non_linearity);
    }
    Ok((form, factor?))
}

/// Before the configuration had a version, transformers called these two differently (ACTIVATION_RENAME, utils.py).
fn renamed_non_linearity(name: String) -> String {
    match &*name {
        "gelu" => "gelu_new".to_owned(),
        "gelu_orig" => "gelu".to_owned(),
        _ => name,
    }
}

/// What `config` says, with the library's defaults; an error for every kind that computes something else.
fn form(settings: &Object) -> Result<AdapterForm, FormatError> {
    let kind = |kind: &str| Err(FormatError::Kind { kind: kind.to_owned(), supported: SUPPORTED });
    let flag = |field, default| fields::boolean(settings, field, default);
    match fields::text(settings, "config.architecture")?.as_deref() {
        None => {}
        Some("lora") if settings.get("composition_mode") == Some(&json!("scale")) => return kind("(IA)³"),
        Some("lora") if flag("config.use_dora", false)? => return kind("DoRA"),
        Some("lora") => return kind("LoRA"),
        Some("mtl_lora") => return kind("multi-task LoRA"),
        Some("prefix_tuning") => return kind("prefix tuning"),
        Some("prompt_tuning") => return kind("prompt tuning"),
        Some("reft") => return kind("ReFT"),
        Some("union") => return kind("a union of several methods"),
        Some(other) => return kind(&format!("of architecture {other}")),
    }
    // Each of these changes what is computed. Those that only matter in training (dropout, stochastic_depth,
    // init_weights) or only beside one of these (phm_dim, adapter_residual_before_ln, …) do not.
    if flag("config.phm_layer", false)? {
        return kind("a compacter (PHM layers)");
    }
    if flag("config.is_parallel", false)? {
        return kind("a parallel bottleneck adapter (par_bn)");
    }
    if fields::present(settings, "config.inv_adapter")
        .or_else(|| fields::present(settings, "config.invertible_adapter"))
        .is_some()
    {
        return kind("a bottleneck adapter with an invertible adapter (seq_bn_inv)");
    }
    if flag("config.use_gating", false)? {
        return kind("a bottleneck adapter with a gate");
    }
    if flag("config.cross_adapter", false)? {
        return kind("a bottleneck adapter in cross-attention");
    }
    if flag("config.ln_before", false)? || flag("config.ln_after", false)? {
        return kind("a bottleneck adapter with a layer norm of its own (ln_before or ln_after)");
    }
    let scaling = match fields::present(settings, "config.scaling") {
        None => 1.0,
        Some(Value::String(learned)) => return kind(&format!("a bottleneck adapter with scaling {learned:?}")),
        Some(value) => {
            let scaling = value.as_f64().map(|scaling| scaling as f32).filter(|scaling| scaling.is_finite());
            scaling.ok_or_else(|| fields::wrong("config.scaling", "a number", value))?
        }
    };
    fields::required(settings, "config.mh_adapter")?;
    fields::required(settings, "config.output_adapter")?;
    let preset = match (flag("config.mh_adapter", false)?, flag("config.output_adapter", false)?) {
        (false, true) => AdapterForm::seq_bn(),
        (true, true) => AdapterForm::double_seq_bn(),
        (true, false) => return kind("a bottleneck adapter after attention alone"),
        (false, false) => return kind("a bottleneck adapter with no place to sit in"),
    };
    let residual_before_ln = match settings.get("residual_before_ln") {
        Some(Value::String(other)) => return kind(&format!("a bottleneck adapter with residual_before_ln {other:?}")),
        _ => flag("config.residual_before_ln", true)?,
    };
    let form = AdapterForm {
        non_linearity: fields::text(settings, "config.non_linearity")?
            .ok_or(FormatError::MissingField { field: "config.non_linearity" })?
            .to_lowercase(),
        scaling,
        original_ln_before: flag("config.original_ln_before", false)?,
        original_ln_after: flag("config.original_ln_after", true)?,
        residual_before_ln,
        leave_out: leave_out(settings)?,
        architecture: preset.architecture,
    };
    let norms = |form: &AdapterForm| (form.original_ln_before, form.original_ln_after, form.residual_before_ln);
    if norms(&form) != norms(&preset) {
        let (before, after, residual) = norms(&form);
        return kind(&format!(
            "a {} adapter with original_ln_before {before}, original_ln_after {after}, residual_before_ln {residual}",
            form.architecture.name()
        ));
    }
    Ok(form)
}

/// Layers that may be left out: more than any encoder has, and few enough to be looked through for each layer.
const MAX_LEFT_OUT: usize = 1024;

fn leave_out(settings: &Object) -> Result<Vec<usize>, FormatError> {
    const FIELD: &str = "config.leave_out";
    let Some(value) = fields::present(settings, FIELD) else {
        return Ok(Vec::new());
    };
    let items = value.as_array().ok_or_else(|| fields::wrong(FIELD, "a list of layers", value))?;
    if items.len() > MAX_LEFT_OUT {
        return Err(fields::wrong(FIELD, "a list of as many layers as a model may have", &json!(items.len())));
    }
    items.iter().map(|item| fields::count(item, FIELD)).collect()
}

/// The document of an adapter that is made here; keys in the order in which the library writes them.
pub(super) fn document(form: &AdapterForm, factor: &ReductionFactor, general: Object) -> Object {
    let mut settings = defaults();
    let double = form.architecture == Architecture::DoubleSeqBn;
    for (key, value) in [
        ("mh_adapter", json!(double)),
        ("output_adapter", json!(true)),
        ("reduction_factor", factor.to_json()),
        ("non_linearity", json!(form.non_linearity)),
        // The library insists on a float here: 1.0 passes, 1 does not.
        ("scaling", json!(f64::from(form.scaling))),
        ("original_ln_before", json!(form.original_ln_before)),
        ("original_ln_after", json!(form.original_ln_after)),
        ("residual_before_ln", json!(form.residual_before_ln)),
        ("leave_out", json!(form.leave_out)),
    ] {
        settings.insert(key.to_owned(), value);
    }
    settings.sort_keys();
    let mut document = general;
    document.insert("config".to_owned(), Value::Object(settings));
    document.sort_keys();
    document
}

/// `BnConfig`'s defaults.
fn defaults() -> Object {
    let defaults = json!({
        "adapter_residual_before_ln": false, "cross_adapter": false, "dropout": 0.0, "factorized_phm_W": true,
        "factorized_phm_rule": false, "hypercomplex_nonlinearity": "glorot-uniform", "init_weights": "bert",
        "init_weights_seed": null, "inv_adapter": null, "inv_adapter_reduction_factor": null, "is_parallel": false,
        "learn_phm": true, "leave_out": [], "ln_after": false, "ln_before": false, "original_ln_after": true,
        "original_ln_before": false, "phm_bias": true, "phm_c_init": "normal", "phm_dim": 4,
        "phm_init_range": 0.0001, "phm_layer": false, "phm_rank": 1, "residual_before_ln": true, "scaling": 1.0,
        "shared_W_phm": false, "shared_phm_rule": true, "stochastic_depth": 0.0, "use_gating": false,
    });
    match defaults {
        Value::Object(defaults) => defaults,
        _ => Object::new(),
    }
}

// ---- short forms

/// Presets by name; the second names are deprecated in the library, and on the Hub.
fn preset(name: &str) -> Option<Value> {
    Some(match name {
        "seq_bn" | "pfeiffer" => json!({
            "mh_adapter": false, "output_adapter": true, "original_ln_before": true, "non_linearity": "relu",
            "reduction_factor": 16,
        }),
        "double_seq_bn" | "houlsby" => json!({
            "mh_adapter": true, "output_adapter": true, "original_ln_before": false, "non_linearity": "swish",
            "reduction_factor": 16,
        }),
        _ => return None,
    })
}

/// `name` or `name[key=value, …]`, with Python's literals as values.
fn short_form(text: &str) -> Result<Object, FormatError> {
    let text = text.trim();
    let (name, overrides) = match text.split_once('[') {
        Some((name, rest)) => (name, rest.strip_suffix(']')),
        None => (text, Some("")),
    };
    let Some(Value::Object(mut settings)) = preset(name.trim()) else {
        return Err(FormatError::Kind { kind: format!("of the kind {name:?}"), supported: SUPPORTED });
    };
    let wrong = || fields::wrong("config", "name[key=value, …]", &json!(text));
    for pair in split_outside_brackets(overrides.ok_or_else(wrong)?).filter(|pair| !pair.trim().is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(wrong)?;
        let value = value.trim();
        let value = match value {
            "True" => json!(true),
            "False" => json!(false),
            "None" => Value::Null,
            _ => serde_json::from_str(&value.replace('\'', "\"")).map_err(|_| wrong())?,
        };
        settings.insert(key.trim().to_owned(), value);
    }
    Ok(settings)
}

/// The pieces between commas that no bracket or brace encloses.
fn split_outside_brackets(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    text.split(move |c| {
        match c {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn read(document: Value) -> Result<(AdapterForm, ReductionFactor), FormatError> {
        parse(document.as_object().unwrap())
    }

    fn with(changes: Value) -> Result<(AdapterForm, ReductionFactor), FormatError> {
        let mut config = preset("seq_bn").unwrap();
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        read(json!({"config": config, "version": "adapters.1.3.0"}))
    }

    #[test]
    fn short_forms_mean_their_presets() {
        let seq_bn = (AdapterForm::seq_bn(), ReductionFactor::Uniform(16.0));
        for name in ["seq_bn", "pfeiffer", " seq_bn[] "] {
            assert_eq!(read(json!({ "config": name })).unwrap(), seq_bn, "{name}");
        }
        let double = (AdapterForm::double_seq_bn(), ReductionFactor::Uniform(16.0));
        assert_eq!(read(json!({"config": "houlsby"})).unwrap(), double);

        let text = "seq_bn[reduction_factor={'1': 4, 'default': 2.5}, non_linearity='gelu', ln_before=False]";
        let (form, factor) = read(json!({ "config": text, "version": "1" })).unwrap();
        assert_eq!(form.non_linearity, "gelu");
        assert_eq!(factor, ReductionFactor::PerLayer { layers: [(1, 4.0)].into(), default: Some(2.5) });
    }

    #[test]
    fn gelu_meant_something_else_before_versions() {
        let config = |name| json!({"config": format!("seq_bn[non_linearity='{name}']")});
        assert_eq!(read(config("gelu")).unwrap().0.non_linearity, "gelu_new");
        assert_eq!(read(config("gelu_orig")).unwrap().0.non_linearity, "gelu");
        assert_eq!(with(json!({"non_linearity": "GELU"})).unwrap().0.non_linearity, "gelu");
    }

    #[test]
    fn missing_settings_take_the_library_s_defaults() {
        let config = json!({
            "mh_adapter": true, "output_adapter": true, "reduction_factor": 8, "non_linearity": "swish",
        });
        let (form, _) = read(json!({ "config": config })).unwrap();
        assert_eq!(form, AdapterForm::double_seq_bn());
    }

    #[test]
    fn other_kinds_are_named() {
        let kind = |changes: Value| with(changes).unwrap_err();
        assert_snapshot!(kind(json!({"phm_layer": true})), @"this adapter is a compacter (PHM layers); supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
        assert_snapshot!(kind(json!({"is_parallel": true})), @"this adapter is a parallel bottleneck adapter (par_bn); supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
        assert_snapshot!(kind(json!({"inv_adapter": "nice"})), @"this adapter is a bottleneck adapter with an invertible adapter (seq_bn_inv); supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
        assert_snapshot!(kind(json!({"use_gating": true})), @"this adapter is a bottleneck adapter with a gate; supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
        assert_snapshot!(kind(json!({"ln_after": true})), @"this adapter is a bottleneck adapter with a layer norm of its own (ln_before or ln_after); supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
        assert_snapshot!(kind(json!({"scaling": "learned"})), @r#"this adapter is a bottleneck adapter with scaling "learned"; supported are bottleneck adapters of the kind seq_bn (pfeiffer)"#);
        assert_snapshot!(kind(json!({"residual_before_ln": "post_add"})), @r#"this adapter is a bottleneck adapter with residual_before_ln "post_add"; supported are bottleneck adapters of the kind seq_bn (pfeiffer)"#);
        assert_snapshot!(kind(json!({"original_ln_before": false})), @"this adapter is a seq_bn adapter with original_ln_before false, original_ln_after true, residual_before_ln true; supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
        assert_snapshot!(kind(json!({"mh_adapter": true, "output_adapter": false})), @"this adapter is a bottleneck adapter after attention alone; supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
        assert_snapshot!(kind(json!({"architecture": "union"})), @"this adapter is a union of several methods; supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
        let error = |document| read(document).unwrap_err();
        assert_snapshot!(error(json!({"config": "lora[r=8]"})), @r#"this adapter is of the kind "lora"; supported are bottleneck adapters of the kind seq_bn (pfeiffer)"#);
        assert_snapshot!(error(json!({"config": {"architecture": "lora", "r": 8}})), @"this adapter is LoRA; supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
        assert_snapshot!(error(json!({"config": {"architecture": "prefix_tuning"}})), @"this adapter is prefix tuning; supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
        assert_snapshot!(error(json!({"peft_type": "IA3"})), @"this is an adapter of the peft library (peft_type IA3); supported are bottleneck adapters of the kind seq_bn (pfeiffer)");
    }

    #[test]
    fn wrong_fields_are_named() {
        let error = |document| read(document).unwrap_err();
        assert_snapshot!(error(json!({})), @"the field config is missing");
        assert_snapshot!(error(json!({"config": 3})), @"the field config is 3, expected an object or the name of a kind");
        assert_snapshot!(error(json!({"config": "seq_bn[reduction_factor"})), @r#"the field config is "seq_bn[reduction_factor", expected name[key=value, …]"#);
        assert_snapshot!(with(json!({"reduction_factor": 0})).unwrap_err(), @"the field config.reduction_factor is 0, expected a number above 0, or one by layer");
        assert_snapshot!(with(json!({"reduction_factor": {"first": 2}})).unwrap_err(), @r#"the field config.reduction_factor is "first", expected keyed by layer or "default""#);
        assert_snapshot!(with(json!({"reduction_factor": null})).unwrap_err(), @"the field config.reduction_factor is missing");
        assert_snapshot!(with(json!({"non_linearity": null})).unwrap_err(), @"the field config.non_linearity is missing");
        assert_snapshot!(with(json!({"ln_before": "no"})).unwrap_err(), @r#"the field config.ln_before is "no", expected true or false"#);
        let many: Vec<usize> = (0..=MAX_LEFT_OUT).collect();
        assert_snapshot!(with(json!({"leave_out": many})).unwrap_err(), @"the field config.leave_out is 1025, expected a list of as many layers as a model may have");
        assert_snapshot!(with(json!({"leave_out": [-1]})).unwrap_err(), @"the field config.leave_out is -1, expected a whole number from 0");
    }
}
