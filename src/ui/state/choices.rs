//! Everything a person has chosen, and the commands that it amounts to.
//!
//! Adapters and data sets are chosen by name, because handles do not survive a reload and names stand in a link.

use super::{Step, names};
use crate::protocol::*;
use vecmap::{VecMap, VecSet};

/// What a person has chosen; by default, as the page opens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    /// The step in sight.
    pub step: Step,
    /// What to run on.
    pub device: DeviceChoice,
    /// The model: its name where it is served with the page, else its repository on the hub; the sample's where `None`.
    pub model: Option<String>,
    /// Adapters that take no part in alignment and merge.
    pub left_out: VecSet<String>,
    /// The adapter that others are aligned to; the first where `None`.
    pub reference: Option<String>,
    /// How to align.
    pub align: AlignChoices,
    /// How to merge.
    pub merge: MergeChoices,
    /// What to learn from.
    pub episode: EpisodeChoices,
    /// How to learn.
    pub train: TrainSettings,
    /// What to start from.
    pub start: Start,
    /// Neurons of an adapter from scratch; as the model has them, [`PlmCard::bottleneck`], where `None`.
    pub bottleneck: Option<usize>,
}

/// How to align.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignChoices {
    /// What neurons are compared by.
    pub by: AlignBy,
    /// Whether Sinkhorn rather than exact.
    pub sinkhorn: bool,
    /// Share of the largest cost.
    pub epsilon: f64,
    /// Rounds of Sinkhorn.
    pub iterations: usize,
    /// On the marginals.
    pub tolerance: f64,
    /// The person's own texts, one a line; the episode's where empty.
    pub own_texts: String,
}

impl Default for AlignChoices {
    fn default() -> Self {
        Self {
            by: AlignBy::Weights,
            sinkhorn: false,
            epsilon: Solver::EPSILON,
            iterations: Solver::ITERATIONS,
            tolerance: Solver::TOLERANCE,
            own_texts: String::new(),
        }
    }
}

/// How to merge.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeChoices {
    /// Id of the method.
    pub method: String,
    /// Settings that differ from their default, by `method.name`.
    pub settings: VecMap<String, String>,
    /// Weights that differ from 1, by adapter.
    pub weights: VecMap<String, f64>,
    /// Of the output.
    pub scale: OutputScale,
}

impl Default for MergeChoices {
    fn default() -> Self {
        Self { method: "mera_acts".into(), settings: VecMap::new(), weights: VecMap::new(), scale: OutputScale::None }
    }
}

/// What to learn from.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeChoices {
    /// Data set for support and dev; the first where `None`.
    pub data: Option<String>,
    /// Data set to judge on; the rest of `data` where `None`.
    pub test: Option<String>,
    /// Examples a class.
    pub k: usize,
    /// Of the draw.
    pub seed: u64,
    /// Longest sequence in tokens.
    pub max_length: usize,
    /// Rows to judge on at most: as many as tell methods apart by a few points, in seconds and not minutes a run. 0 for all.
    pub test_rows: usize,
}

impl Default for EpisodeChoices {
    fn default() -> Self {
        Self { data: None, test: None, k: 8, seed: 13, max_length: 64, test_rows: 500 }
    }
}

/// What a run starts from, as chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// The adapter that the merge step makes.
    #[default]
    Merged,
    /// The same adapters, averaged as they are stored.
    Average,
    /// One adapter, by name.
    Single(String),
    /// A new adapter.
    Scratch,
    /// No adapter.
    HeadOnly,
}

impl Start {
    /// What a person reads.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Start::Merged => "merged adapter".into(),
            Start::Average => "plain average".into(),
            Start::Single(name) => name.clone(),
            Start::Scratch => "from scratch".into(),
            Start::HeadOnly => "head only".into(),
        }
    }

    /// For links and test ids.
    #[must_use]
    pub fn slug(&self) -> String {
        match self {
            Start::Merged => "merged".into(),
            Start::Average => "average".into(),
            Start::Single(name) => format!("single:{name}"),
            Start::Scratch => "scratch".into(),
            Start::HeadOnly => "head".into(),
        }
    }

    /// Reads what [`Start::slug`] writes.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        match slug {
            "merged" => Some(Start::Merged),
            "average" => Some(Start::Average),
            "scratch" => Some(Start::Scratch),
            "head" => Some(Start::HeadOnly),
            other => other.strip_prefix("single:").map(|name| Start::Single(name.to_owned())),
        }
    }

    /// Everything that *Compare all* trains, the merged adapter first.
    #[must_use]
    pub fn contenders(inputs: &[AdapterCard]) -> Vec<Self> {
        let mut all = match inputs.len() {
            0 => vec![],
            1 => vec![],
            _ => vec![Start::Merged],
        };
        all.extend(inputs.iter().map(|card| Start::Single(card.name.clone())));
        // Only what has as many neurons can be averaged as it is stored.
        if inputs.len() > 1 && inputs.iter().all(|card| card.bottleneck == inputs[0].bottleneck) {
            all.push(Start::Average);
        }
        all.extend([Start::Scratch, Start::HeadOnly]);
        all
    }
}

/// Id of the method that [`Start::Average`] stands for.
pub const AVERAGE: &str = "average";

impl Choices {
    /// An adapter has a new name: whatever was chosen for it by the old one follows.
    pub fn rename(&mut self, old: &str, new: &str) {
        if self.left_out.remove(old) {
            self.left_out.insert(new.to_owned());
        }
        if let Some(weight) = self.merge.weights.remove(old) {
            self.merge.weights.insert(new.to_owned(), weight);
        }
        if self.reference.as_deref() == Some(old) {
            self.reference = Some(new.to_owned());
        }
        if self.start == Start::Single(old.to_owned()) {
            self.start = Start::Single(new.to_owned());
        }
    }

    /// The loaded adapters that take part, in order.
    pub fn inputs<'a>(&self, adapters: &'a [AdapterCard]) -> Vec<&'a AdapterCard> {
        adapters.iter().filter(|card| !self.left_out.contains(&card.name)).collect()
    }

    /// The adapter that others are aligned to.
    #[must_use]
    pub fn reference<'a>(&self, adapters: &'a [AdapterCard]) -> Option<&'a AdapterCard> {
        let inputs = self.inputs(adapters);
        let chosen = self.reference.as_ref().and_then(|name| inputs.iter().copied().find(|card| &card.name == name));
        chosen.or_else(|| inputs.first().copied())
    }

    /// What *Align* would ask.
    ///
    /// # Errors
    /// One line on what is missing.
    pub fn align(&self, adapters: &[AdapterCard], data: &[DataCard]) -> Result<Align, String> {
        let inputs = self.inputs(adapters);
        let reference = self.reference(adapters).ok_or("Load two adapters to align them.")?.id;
        let others: Vec<_> = inputs.iter().map(|card| card.id).filter(|&id| id != reference).collect();
        if others.is_empty() {
            return Err("Load another adapter to align it with this one.".into());
        }
        let texts = match self.align.by {
            AlignBy::Weights => Texts::None,
            AlignBy::Activations => match self.texts(data) {
                Texts::None => return Err("Activations need texts: drop a data set, or give your own below.".into()),
                texts => texts,
            },
        };
        Ok(Align { reference, others, by: self.align.by, solver: self.solver(), texts })
    }

    /// How to solve for the plan.
    #[must_use]
    pub fn solver(&self) -> Solver {
        let AlignChoices { sinkhorn, epsilon, iterations, tolerance, .. } = self.align;
        if sinkhorn { Solver::Sinkhorn { epsilon, iterations, tolerance } } else { Solver::Exact }
    }

    /// The texts to look at: the person's own, else the episode's, else none.
    #[must_use]
    pub fn texts(&self, data: &[DataCard]) -> Texts {
        let lines: Vec<String> =
            self.align.own_texts.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        if !lines.is_empty() {
            return Texts::Lines(lines);
        }
        self.episode(data).map_or(Texts::None, Texts::Episode)
    }

    /// What *Merge* would ask.
    ///
    /// # Errors
    /// One line on what is missing.
    pub fn merge(
        &self,
        adapters: &[AdapterCard],
        data: &[DataCard],
        methods: &[MethodCard],
    ) -> Result<MergeSpec, String> {
        let inputs = self.inputs(adapters);
        if inputs.len() < 2 {
            return Err("Load two adapters to merge them.".into());
        }
        let method = methods.iter().find(|card| card.id == self.merge.method);
        let prefix = format!("{}.", self.merge.method);
        let own = self.merge.settings.iter();
        let mut settings: VecMap<String, String> =
            own.filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.to_owned(), value.clone()))).collect();
        if let Some(card) = method {
            for parameter in &card.parameters {
                let unset = self.unset(card, parameter);
                if unset != card.unset(parameter, self.preset(card)) {
                    settings.entry(parameter.name.clone()).or_insert(unset);
                }
            }
        }
        let weight = |card: &&AdapterCard| self.merge.weights.get(&card.name).copied().unwrap_or(1.0);
        let weights: Vec<f64> = inputs.iter().map(weight).collect();
        if weights.iter().sum::<f64>() <= 0.0 {
            return Err("All weights are 0: give one adapter some.".into());
        }
        let equal = weights.iter().all(|weight| *weight == weights[0]);
        let spec = MergeSpec {
            method: self.merge.method.clone(),
            settings,
            adapters: inputs.iter().map(|card| card.id).collect(),
            weights: if equal { vec![] } else { weights },
            reference: self.reference(adapters).map(|card| card.id),
            scale: self.merge.scale,
            texts: self.texts(data),
        };
        if spec.texts == Texts::None && names::looks_at_texts(&spec, methods) {
            return Err("This needs texts: drop a data set, or give your own under Align.".into());
        }
        Ok(spec)
    }

    /// What a setting of a merge method is.
    #[must_use]
    pub fn setting(&self, card: &MethodCard, parameter: &ParameterCard) -> String {
        let own = self.merge.settings.get(&key(card, &parameter.name));
        own.cloned().unwrap_or_else(|| self.unset(card, parameter))
    }

    /// Sets it; what it would be anyway is not kept.
    pub fn set(&mut self, card: &MethodCard, parameter: &ParameterCard, value: String) {
        let key = key(card, &parameter.name);
        if value == self.unset(card, parameter) {
            self.merge.settings.remove(&key);
        } else {
            self.merge.settings.insert(key, value);
        }
    }

    /// What a setting of a merge method is where the person has not set it: as the chosen preset says; without one, a
    /// method that solves for a plan does so as *Align* does.
    fn unset(&self, card: &MethodCard, parameter: &ParameterCard) -> String {
        let AlignChoices { sinkhorn, epsilon, iterations, tolerance, .. } = self.align;
        let preset = self.preset(card);
        let as_aligned = sinkhorn && preset.is_empty();
        match parameter.name.as_str() {
            "solver" if as_aligned => "sinkhorn".into(),
            "epsilon" if as_aligned => epsilon.to_string(),
            "iterations" if as_aligned => iterations.to_string(),
            "tolerance" if as_aligned => tolerance.to_string(),
            _ => card.unset(parameter, preset).to_owned(),
        }
    }

    /// The preset that is chosen for a merge method; empty where none is.
    fn preset(&self, card: &MethodCard) -> &str {
        self.merge.settings.get(&key(card, "preset")).map_or("", String::as_str)
    }

    /// Where the chosen method compares neurons by something else than what *Align* shows: in one line.
    #[must_use]
    pub fn merges_otherwise(&self) -> Option<&'static str> {
        match (self.merge.method.as_str(), self.align.by) {
            ("mera_wts", AlignBy::Activations) => Some("It aligns by weights; Align shows the plans by activations."),
            ("mera_acts", AlignBy::Weights) => Some("It aligns by activations; Align shows the plans by weights."),
            _ => None,
        }
    }

    /// The plain average of the same adapters.
    ///
    /// # Errors
    /// One line on what is missing.
    pub fn average(&self, adapters: &[AdapterCard], data: &[DataCard]) -> Result<MergeSpec, String> {
        let plain = Self {
            merge: MergeChoices { method: AVERAGE.into(), ..MergeChoices::default() },
            reference: self.reference.clone(),
            left_out: self.left_out.clone(),
            align: self.align.clone(),
            episode: self.episode.clone(),
            ..Self::default()
        };
        plain.merge(adapters, data, &[])
    }

    /// The episode to draw; `None` without data.
    #[must_use]
    pub fn episode(&self, data: &[DataCard]) -> Option<EpisodeSpec> {
        let by_name = |name: &String| data.iter().find(|card| &card.name == name);
        let train = self.episode.data.as_ref().and_then(by_name).or_else(|| data.first())?;
        let test = self.episode.test.as_ref().and_then(by_name).filter(|card| card.id != train.id);
        let EpisodeChoices { k, seed, max_length, test_rows, .. } = self.episode;
        let test_rows = (test_rows > 0).then_some(test_rows);
        Some(EpisodeSpec { data: train.id, test: test.map(|card| card.id), test_rows, k, seed, max_length })
    }

    /// What *Train* would ask for a start whose adapter is at hand.
    ///
    /// # Errors
    /// One line on what is missing.
    pub fn train(&self, name: &str, start: RunStart, data: &[DataCard]) -> Result<Train, String> {
        let episode = self.episode(data).ok_or("Drop a data set with labels to learn from.")?;
        Ok(Train { name: name.to_owned(), start, episode, settings: self.train })
    }
}

/// Under which a setting of a merge method is kept.
fn key(card: &MethodCard, name: &str) -> String {
    format!("{}.{name}", card.id)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn adapter(id: u32, name: &str) -> AdapterCard {
        AdapterCard {
            id: AdapterId(id),
            name: name.into(),
            track: String::new(),
            kind: "seq_bn".into(),
            origin: String::new(),
            plm: String::new(),
            bottleneck: vec![48],
            locations: vec![],
            non_linearity: "relu".into(),
            parameters: 0,
            labels: vec![],
            norms: vec![],
            sha256: String::new(),
            remarks: vec![],
        }
    }

    pub(crate) fn data(id: u32, name: &str) -> DataCard {
        DataCard {
            id: DataId(id),
            name: name.into(),
            path: format!("{name}.tsv"),
            rows: 10,
            labels: vec![],
            pairs: false,
            track: String::new(),
        }
    }

    #[test]
    fn an_alignment_needs_two_adapters_and_activations_need_texts() {
        let mut choices = Choices::default();
        let adapters = [adapter(1, "a"), adapter(2, "b"), adapter(3, "c")];
        assert!(choices.align(&adapters[..1], &[]).is_err());
        let asked = choices.align(&adapters, &[data(0, "d")]).unwrap();
        assert_eq!(
            (asked.reference, asked.others, asked.texts),
            (AdapterId(1), vec![AdapterId(2), AdapterId(3)], Texts::None)
        );
        choices.align.by = AlignBy::Activations;
        insta::assert_snapshot!(
            choices.align(&adapters, &[]).unwrap_err(),
            @"Activations need texts: drop a data set, or give your own below."
        );
        choices.align.own_texts = "one\n\n two\tpair \n".into();
        let asked = choices.align(&adapters, &[data(0, "d")]).unwrap();
        assert_eq!(asked.texts, Texts::Lines(vec!["one".into(), "two\tpair".into()]));
    }

    #[test]
    fn choices_follow_a_new_name() {
        let mut choices = Choices::default();
        choices.left_out.insert("a".into());
        choices.merge.weights.insert("a".into(), 0.5);
        choices.reference = Some("a".into());
        choices.start = Start::Single("a".into());
        let (mut before, mut after) = (choices.clone(), choices);
        after.rename("a", "b");
        before.rename("a", "a");
        assert!(after.left_out.contains("b") && !after.left_out.contains("a"));
        assert_eq!((after.merge.weights.get("b"), after.merge.weights.get("a")), (Some(&0.5), None));
        assert_eq!((after.reference.as_deref(), after.start), (Some("b"), Start::Single("b".into())));
        assert_eq!(before.reference.as_deref(), Some("a"));
    }

    #[test]
    fn whoever_is_left_out_is_neither_reference_nor_other() {
        let mut choices = Choices { reference: Some("a".into()), ..Choices::default() };
        choices.left_out.insert("a".into());
        let asked = choices.align(&[adapter(1, "a"), adapter(2, "b"), adapter(3, "c")], &[]).unwrap();
        assert_eq!((asked.reference, asked.others), (AdapterId(2), vec![AdapterId(3)]));
    }

    #[test]
    fn equal_weights_are_none_and_settings_belong_to_their_method() {
        let mut choices = Choices::default();
        choices.merge.method = "mera_wts".into();
        choices.merge.settings.insert("mera_wts.solver".into(), "sinkhorn".into());
        choices.merge.settings.insert("ties.density".into(), "0.2".into());
        let adapters = [adapter(1, "a"), adapter(2, "b")];
        let spec = choices.merge(&adapters, &[], &[]).unwrap();
        assert_eq!(spec.weights, Vec::<f64>::new());
        assert_eq!(spec.settings.into_iter().collect::<Vec<_>>(), [("solver".to_owned(), "sinkhorn".to_owned())]);
        choices.merge.weights.insert("b".into(), 0.5);
        assert_eq!(choices.merge(&adapters, &[], &[]).unwrap().weights, [1.0, 0.5]);
        choices.merge.weights.insert("a".into(), 0.0);
        choices.merge.weights.insert("b".into(), 0.0);
        assert!(choices.merge(&adapters, &[], &[]).is_err());
    }

    /// A method that solves for a plan, with two published recipes.
    pub(crate) fn mera_wts() -> MethodCard {
        let parameter = |name: &str, default: &str| ParameterCard {
            name: name.into(),
            meaning: String::new(),
            range: ParameterRange::Flag,
            default: default.into(),
        };
        let preset = |id: &str, set: &[(&str, &str)]| PresetCard {
            id: id.into(),
            set: set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        MethodCard {
            id: "mera_wts".into(),
            title: String::new(),
            description: String::new(),
            paper: String::new(),
            needs: vec![],
            parameters: vec![
                parameter("preset", "none"),
                parameter("cost", "euclidean"),
                parameter("normalize_rows", "false"),
                parameter("solver", "exact"),
                parameter("epsilon", "0.01"),
                parameter("fit", "false"),
            ],
            presets: vec![
                preset(
                    "transformer_fusion",
                    &[("solver", "sinkhorn"), ("epsilon", "0.06"), ("normalize_rows", "true")],
                ),
                preset("git_re_basin", &[("cost", "inner_product")]),
            ],
            laws: vec![],
        }
    }

    /// Name and value of what a merge by `card` is asked to be set to.
    fn asked(choices: &Choices, card: &MethodCard) -> Vec<String> {
        let adapters = [adapter(1, "a"), adapter(2, "b")];
        let spec = choices.merge(&adapters, &[], std::slice::from_ref(card)).unwrap();
        spec.settings.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn a_preset_is_shown_and_each_of_its_settings_can_be_set_otherwise() {
        let card = mera_wts();
        let mut choices = Choices::default();
        choices.merge.method = card.id.clone();
        let named = |name: &str| card.parameters.iter().find(|parameter| parameter.name == name).unwrap();
        let set = |choices: &mut Choices, name, value: &str| choices.set(&card, named(name), value.into());
        let shown = |choices: &Choices| {
            let names = ["cost", "normalize_rows", "solver", "epsilon"];
            names.map(|name| choices.setting(&card, named(name))).join(" ")
        };
        assert_eq!(shown(&choices), "euclidean false exact 0.01");
        set(&mut choices, "preset", "transformer_fusion");
        assert_eq!(shown(&choices), "euclidean true sinkhorn 0.06");
        assert_eq!(asked(&choices, &card), ["preset=transformer_fusion"], "the engine knows what that says");
        set(&mut choices, "normalize_rows", "false");
        set(&mut choices, "epsilon", "0.01");
        assert_eq!(shown(&choices), "euclidean false sinkhorn 0.01");
        assert_eq!(asked(&choices, &card), ["preset=transformer_fusion", "normalize_rows=false", "epsilon=0.01"]);
        set(&mut choices, "normalize_rows", "true");
        set(&mut choices, "epsilon", "0.06");
        assert_eq!(asked(&choices, &card), ["preset=transformer_fusion"]);
        set(&mut choices, "preset", "git_re_basin");
        assert_eq!(shown(&choices), "inner_product false exact 0.01");
        set(&mut choices, "cost", "euclidean");
        assert_eq!(asked(&choices, &card), ["preset=git_re_basin", "cost=euclidean"]);
        set(&mut choices, "preset", "none");
        assert_eq!(shown(&choices), "euclidean false exact 0.01");
    }

    #[test]
    fn a_merge_solves_for_its_plans_as_align_does_unless_told_otherwise() {
        let card = mera_wts();
        let mut choices = Choices::default();
        choices.merge.method = "mera_wts".into();
        let settings = |choices: &Choices| asked(choices, &card);
        assert_eq!(settings(&choices), Vec::<String>::new());
        choices.align.sinkhorn = true;
        assert_eq!(settings(&choices), ["solver=sinkhorn"]);
        choices.align.epsilon = 0.05;
        choices.merge.settings.insert("mera_wts.solver".into(), "exact".into());
        assert_eq!(settings(&choices), ["solver=exact", "epsilon=0.05"]);
        choices.merge.settings = [("mera_wts.preset".into(), "transformer_fusion".into())].into();
        assert_eq!(settings(&choices), ["preset=transformer_fusion"]);
        choices.align.by = AlignBy::Activations;
        assert!(choices.merges_otherwise().is_some());
        choices.merge.method = "mera_acts".into();
        assert_eq!(choices.merges_otherwise(), None);
    }

    #[test]
    fn a_data_set_is_not_judged_on_itself_as_another() {
        let mut choices = Choices::default();
        let both = [data(1, "train"), data(2, "dev")];
        choices.episode.data = Some("dev".into());
        choices.episode.test = Some("dev".into());
        let spec = choices.episode(&both).unwrap();
        assert_eq!((spec.data, spec.test), (DataId(2), None));
        assert_eq!(choices.episode(&[]), None);
    }

    #[test]
    fn all_contenders_of_three_adapters() {
        let slugs: Vec<_> = Start::contenders(&[adapter(1, "a"), adapter(2, "b")]).iter().map(Start::slug).collect();
        assert_eq!(slugs, ["merged", "single:a", "single:b", "average", "scratch", "head"]);
        for slug in slugs {
            assert_eq!(Start::from_slug(&slug).unwrap().slug(), slug);
        }
        let wide = AdapterCard { bottleneck: vec![48], ..adapter(2, "b") };
        let starts = Start::contenders(&[AdapterCard { bottleneck: vec![24], ..adapter(1, "a") }, wide]);
        assert!(!starts.contains(&Start::Average), "neurons of which there are not as many have no plain average");
    }
}
