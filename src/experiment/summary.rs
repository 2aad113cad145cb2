//! What records say together: by PLM, target and k, each method's mean and standard deviation over the seeds, and for every
//! two methods their difference over the episodes that both have seen.
//!
//! Records of other protocols (other epochs, other data) are never compared, and one method with two settings is two
//! methods: see [`Record::protocol`] and [`Record::settings`]. Records that do not say theirs stand beside those that do,
//! for what they do not say can't be taken from others.
//!
//! Episodes differ more than methods do, so methods are compared in pairs: a seed's episode is the same for all. The
//! interval is Student's t for the mean of the paired differences (Gosset 1908): with five seeds a bootstrap of five
//! numbers has too few distinct samples to cover what it says, while the t-interval is exact for normal differences
//! at any count. Nothing here depends on the order of the records.

use super::record::{Budget, Record, UsedAdapter};
use super::spec::Tracks;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::BTreeMap;

/// Share of intervals that hold the true mean.
pub const CONFIDENCE: f64 = 0.95;

/// In the place of a protocol or of settings that records do not say.
pub const NOT_TOLD: &str = "not told";

/// Everything that records say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Records that count.
    pub records: usize,
    /// Records left out because another of the same PLM, target, method, tracks, k and seed counts, and nothing in them
    /// tells the two apart: records of a time when they did not say their settings.
    pub overlaid: usize,
    /// Records that do not say their protocol or their settings, where others of the same PLM, target and k (and method
    /// and tracks) do.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub silent: usize,
    /// Share of intervals that hold the true mean.
    pub confidence: f64,
    /// By PLM, target, k and protocol.
    pub groups: Vec<Group>,
}

/// A target with k examples a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Name of the PLM.
    pub plm: String,
    /// The target.
    pub target: String,
    /// Examples a class.
    pub k: usize,
    /// What its records have as theirs, where there is another group of this PLM, target and k; [`NOT_TOLD`] where they
    /// have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Share of the most frequent class of the test rows, where the method `majority` was run.
    pub majority: Option<f64>,
    /// Best mean accuracy first.
    pub methods: Vec<MethodSummary>,
    /// Every two methods, in that order.
    pub pairs: Vec<Pair>,
}

/// A method over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodSummary {
    /// Its name, with its tracks where it was run with several sets of adapters, and its settings where with several.
    pub name: String,
    /// As in records.
    pub method: String,
    /// How its adapters stand to the target.
    pub tracks: Tracks,
    /// What its records have as theirs, where there is another of this method and tracks; [`NOT_TOLD`] where they have
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// Seeds.
    pub runs: usize,
    /// Accuracy on test by seed.
    pub by_seed: BTreeMap<u64, f64>,
    /// On test.
    pub accuracy: Spread,
    /// On test.
    pub macro_f1: Spread,
    /// On dev.
    pub dev_accuracy: Spread,
    /// Mean over the runs.
    pub trainable_parameters: f64,
    /// Mean over the runs.
    pub inference_parameters: f64,
    /// Mean over the runs.
    pub seconds: f64,
    /// Mean over the runs that tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_seconds: Option<f64>,
    /// Mean over the runs that tell, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<f64>,
    /// Of a merge, how far it was from the mean of its inputs' functions before training; mean over the runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble_error: Option<f64>,
    /// How its runs were trained; none where nothing was, or no record tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Budget>,
    /// The adapters that took part; none where no record tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<UsedAdapter>,
}

/// Mean and standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Of the sample, with n − 1; none for a single value.
    pub deviation: Option<f64>,
}

/// Two methods over the episodes that both have seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Name of the first.
    pub a: String,
    /// Name of the second.
    pub b: String,
    /// Episodes in common.
    pub episodes: usize,
    /// Accuracy of a less that of b.
    pub accuracy: Difference,
    /// Macro F1 of a less that of b.
    pub macro_f1: Difference,
    /// Episodes in which a has the higher accuracy.
    pub wins: usize,
    /// Episodes in which b has.
    pub losses: usize,
    /// Episodes in which neither has.
    pub ties: usize,
}

/// A mean of paired differences.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Mean.
    pub mean: f64,
    /// Of the sample, with n − 1; none for a single pair.
    pub deviation: Option<f64>,
    /// Lower end of the interval; none for a single pair.
    pub low: Option<f64>,
    /// Upper end of it.
    pub high: Option<f64>,
}

/// A target with k examples a class, on one PLM, by one protocol.
type Setting<'a> = (&'a str, &'a str, usize, Option<&'a str>);

/// A method with one set of adapters and one of settings.
type Way<'a> = (&'a str, Tracks, Option<&'a str>);

/// One method's records by seed.
type Runs<'a> = BTreeMap<u64, &'a Record>;

/// The records by setting, method and seed. Of those that nothing tells apart, the one whose hash is first counts.
fn placed<'a>(records: &'a [Record]) -> BTreeMap<Setting<'a>, BTreeMap<Way<'a>, Runs<'a>>> {
    // A PLM whose folder was renamed is called by the first of its names.
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for record in records {
        let Some(protocol) = record.protocol.as_deref() else { continue };
        let name = names.entry(protocol).or_insert(record.plm.as_str());
        *name = record.plm.as_str().min(*name);
    }
    let plm = |record: &'a Record| -> &'a str {
        let first = record.protocol.as_deref().and_then(|protocol| names.get(protocol));
        first.copied().unwrap_or(&record.plm)
    };
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by(|a, b| a.hash.cmp(&b.hash));
    let mut placed: BTreeMap<Setting<'a>, BTreeMap<Way<'a>, Runs<'a>>> = BTreeMap::new();
    for record in sorted {
        let setting = (plm(record), record.target.as_str(), record.k, record.protocol.as_deref());
        let way = (record.method.as_str(), record.tracks, record.settings.as_deref());
        placed.entry(setting).or_default().entry(way).or_default().entry(record.seed).or_insert(record);
    }
    placed
}

/// Whether there is another of the same but for what records say of it.
fn is_one_of_several<K: PartialEq, T>(of: &K, all: &BTreeMap<K, T>, same: impl Fn(&K, &K) -> bool) -> bool {
    all.keys().any(|other| other != of && same(other, of))
}

fn has_other_protocols<T>(setting: &Setting<'_>, all: &BTreeMap<Setting<'_>, T>) -> bool {
    is_one_of_several(setting, all, |(a, b, c, _), (plm, target, k, _)| (a, b, c) == (plm, target, k))
}

fn has_other_settings<T>(way: &Way<'_>, all: &BTreeMap<Way<'_>, T>) -> bool {
    is_one_of_several(way, all, |(a, b, _), (method, tracks, _)| (a, b) == (method, tracks))
}

/// What `records` say, each hash of which stands there once.
#[must_use]
pub fn summarize(records: &[Record]) -> Summary {
    let placed = placed(records);
    let counted = placed.values().flat_map(BTreeMap::values).map(BTreeMap::len).sum();
    let (mut silent, mut groups) = (0, Vec::new());
    for (setting, ways) in &placed {
        let several = has_other_protocols(setting, &placed);
        let is_silent =
            |way: &Way<'_>| (several && setting.3.is_none()) || (way.2.is_none() && has_other_settings(way, ways));
        silent += ways.iter().filter(|(way, _)| is_silent(way)).map(|(_, runs)| runs.len()).sum::<usize>();
        groups.push(group(setting, several, ways));
    }
    Summary { records: counted, overlaid: records.len() - counted, silent, confidence: CONFIDENCE, groups }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Spread {
    /// Of `values`; NaN for none.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mean = mean(values);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt());
        Self { mean, deviation }
    }
}

impl Difference {
    /// Of paired `differences`, with the interval of Student's t.
    #[must_use]
    pub fn of(differences: &[f64]) -> Self {
        let Spread { mean, deviation } = Spread::of(differences);
        let half = deviation.and_then(|deviation| {
            let freedom = (differences.len() - 1) as f64;
            let t = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.5 + CONFIDENCE / 2.0);
            Some(t * deviation / (differences.len() as f64).sqrt())
        });
        Self { mean, deviation, low: half.map(|half| mean - half), high: half.map(|half| mean + half) }
    }

    /// Whether 0 lies outside the interval.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        matches!((self.low, self.high), (Some(low), Some(high)) if low > 0.0 || high < 0.0)
    }
}

/// As names bear a protocol or settings: enough of the hash to tell it from another.
#[must_use]
pub fn shortened(said: &str) -> &str {
    if said == NOT_TOLD { said } else { said.get(..6).unwrap_or(said) }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn group(
    &(plm, target, k, protocol): &Setting<'_>,
    several_protocols: bool,
    by_way: &BTreeMap<Way<'_>, Runs<'_>>,
) -> Group {
    let mut methods: Vec<(MethodSummary, &Runs)> =
        by_way.iter().map(|(way, runs)| (method_summary(way, by_way, runs), runs)).collect();
    methods.sort_by(|(a, _), (b, _)| b.accuracy.mean.total_cmp(&a.accuracy.mean).then_with(|| a.name.cmp(&b.name)));
    let mut pairs = Vec::new();
    for (index, (a, of_a)) in methods.iter().enumerate() {
        for (b, of_b) in &methods[index + 1..] {
            pairs.extend(pair(&a.name, &b.name, of_a, of_b));
        }
    }
    let majority = methods.iter().find(|(method, _)| method.method == "majority");
    Group {
        plm: plm.to_owned(),
        target: target.to_owned(),
        k,
        protocol: several_protocols.then(|| protocol.unwrap_or(NOT_TOLD).to_owned()),
        majority: majority.map(|(method, _)| method.accuracy.mean),
        methods: methods.into_iter().map(|(method, _)| method).collect(),
        pairs,
    }
}

fn method_summary(way: &Way<'_>, all: &BTreeMap<Way<'_>, Runs<'_>>, runs: &Runs<'_>) -> MethodSummary {
    let &(method, tracks, settings) = way;
    let several_tracks = all.keys().any(|(other, of, _)| *other == method && *of != tracks);
    let settings = has_other_settings(way, all).then(|| settings.unwrap_or(NOT_TOLD).to_owned());
    let mut name = method.to_owned();
    if several_tracks {
        name += &format!(" ({})", tracks.word());
    }
    if let Some(settings) = &settings {
        name += &format!(" [{}]", shortened(settings));
    }
    let values = |value: fn(&Record) -> f64| runs.values().map(|record| value(record)).collect::<Vec<f64>>();
    let told = |value: fn(&Record) -> Option<f64>| {
        let values: Vec<f64> = runs.values().filter_map(|record| value(record)).collect();
        (!values.is_empty()).then(|| mean(&values))
    };
    MethodSummary {
        name,
        method: method.to_owned(),
        tracks,
        settings,
        runs: runs.len(),
        by_seed: runs.iter().map(|(seed, record)| (*seed, record.accuracy)).collect(),
        accuracy: Spread::of(&values(|record| record.accuracy)),
        macro_f1: Spread::of(&values(|record| record.macro_f1)),
        dev_accuracy: Spread::of(&values(|record| record.dev_accuracy)),
        trainable_parameters: mean(&values(|record| record.trainable_parameters as f64)),
        inference_parameters: mean(&values(|record| record.inference_parameters as f64)),
        seconds: mean(&values(|record| record.seconds)),
        step_seconds: told(|record| record.step_seconds),
        peak_memory: told(|record| record.peak_memory.map(|bytes| bytes as f64)),
        ensemble_error: told(|record| record.ensemble_error),
        // Of one protocol and settings there is one budget and one set of adapters: the first record that tells says all.
        training: runs.values().find_map(|record| record.training.clone()),
        adapters: runs.values().map(|record| record.adapters.clone()).find(|used| !used.is_empty()).unwrap_or_default(),
    }
}

/// None where no episode is in common.
fn pair(a: &str, b: &str, of_a: &Runs, of_b: &Runs) -> Option<Pair> {
    let both: Vec<(&Record, &Record)> = of_a.iter().filter_map(|(seed, a)| Some((*a, *of_b.get(seed)?))).collect();
    if both.is_empty() {
        return None;
    }
    let differences = |value: fn(&Record) -> f64| both.iter().map(|(a, b)| value(a) - value(b)).collect::<Vec<f64>>();
    let count = |wanted: fn(&f64, &f64) -> bool| both.iter().filter(|(a, b)| wanted(&a.accuracy, &b.accuracy)).count();
    let (wins, losses) = (count(|a, b| a > b), count(|a, b| a < b));
    Some(Pair {
        a: a.to_owned(),
        b: b.to_owned(),
        episodes: both.len(),
        accuracy: Difference::of(&differences(|record| record.accuracy)),
        macro_f1: Difference::of(&differences(|record| record.macro_f1)),
        wins,
        losses,
        ties: both.len() - wins - losses,
    })
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::super::record::tests::record;
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn near(ours: f64, theirs: &Value) {
        let theirs = theirs.as_f64().unwrap();
        assert!((ours - theirs).abs() <= 1e-12 * theirs.abs().max(1.0), "{ours} is not {theirs}");
    }

    #[test]
    fn as_numpy_and_scipy_say() {
        let oracle: Value = serde_json::from_str(include_str!("../../tests/fixtures/experiment/summary.json")).unwrap();
        for quantile in oracle["quantiles"].as_array().unwrap() {
            let t = StudentsT::new(0.0, 1.0, quantile[0].as_f64().unwrap()).unwrap();
            near(t.inverse_cdf(0.5 + CONFIDENCE / 2.0), &quantile[1]);
        }
        let mut records = Vec::new();
        for (method, runs) in oracle["methods"].as_object().unwrap() {
            for run in runs.as_array().unwrap() {
                records.push(record("cr", method, 16, run[0].as_u64().unwrap(), run[1].as_f64().unwrap()));
            }
        }
        let group = summarize(&records).groups.pop().unwrap();
        for method in &group.methods {
            near(method.accuracy.mean, &oracle["spreads"][&method.name]["mean"]);
            near(method.accuracy.deviation.unwrap(), &oracle["spreads"][&method.name]["deviation"]);
        }
        for theirs in oracle["pairs"].as_array().unwrap() {
            let (a, b) = (theirs["a"].as_str().unwrap(), theirs["b"].as_str().unwrap());
            let (ours, sign) = match group.pairs.iter().find(|pair| pair.a == a && pair.b == b) {
                Some(pair) => (pair, 1.0),
                None => (group.pairs.iter().find(|pair| pair.a == b && pair.b == a).unwrap(), -1.0),
            };
            let turned = sign < 0.0;
            let ends = if turned { ("high", "low") } else { ("low", "high") };
            near(sign * ours.accuracy.mean, &theirs["mean"]);
            near(ours.accuracy.deviation.unwrap(), &theirs["deviation"]);
            near(sign * ours.accuracy.low.unwrap(), &theirs[ends.0]);
            near(sign * ours.accuracy.high.unwrap(), &theirs[ends.1]);
            let counts = [ours.episodes, ours.ties, ours.wins, ours.losses];
            let (won, lost) = if turned { ("losses", "wins") } else { ("wins", "losses") };
            assert_eq!(counts.map(Value::from), ["episodes", "ties", won, lost].map(|key| theirs[key].clone()));
        }
    }

    #[test]
    fn a_small_case_by_hand() {
        let records = [
            record("cr", "majority", 4, 13, 0.5),
            record("cr", "sum", 4, 13, 0.6),
            record("cr", "majority", 4, 21, 0.5),
            record("cr", "sum", 4, 21, 0.8),
            record("cr", "sum", 16, 13, 0.9),
        ];
        let summary = summarize(&records);
        assert_eq!(summary.groups.iter().map(|group| group.k).collect::<Vec<_>>(), [4, 16]);
        let group = &summary.groups[0];
        assert_eq!(group.majority, Some(0.5));
        assert_eq!(group.methods.iter().map(|method| method.name.as_str()).collect::<Vec<_>>(), ["sum", "majority"]);
        let pair = &group.pairs[0];
        assert_eq!((pair.episodes, pair.wins, pair.losses, pair.ties), (2, 2, 0, 0));
        // Differences .1 and .3: mean .2, deviation .1·√2, interval .2 ± 12.7062 · .1.
        assert!((pair.accuracy.mean - 0.2).abs() < 1e-12);
        assert!((pair.accuracy.low.unwrap() - (0.2 - 1.27062047)).abs() < 1e-8);
        assert!(!pair.accuracy.is_sure());
        // A single seed has neither deviation nor interval.
        let single = &summary.groups[1].methods[0];
        assert_eq!((single.accuracy.deviation, single.runs), (None, 1));
        assert_eq!(Difference::of(&[0.1]), Difference { mean: 0.1, deviation: None, low: None, high: None });
        assert!(Difference::of(&[0.1, 0.1, 0.1]).is_sure());
        assert_eq!(summarize(&[]).groups, []);
    }

    /// Two methods at three seeds, half of whose hashes come before those of the other.
    fn grid(protocol: &str, settings: &str, accuracies: [f64; 3]) -> Vec<Record> {
        let seeds = [13, 21, 42].into_iter().zip(accuracies).zip(["a", "c", "a"]);
        let methods = ["sum", "head"];
        let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let of_seed = |((seed, accuracy), first): ((u64, f64), &str)| {
            methods.map(|method| Record {
                hash: format!("{first}{protocol}{settings}{method}"),
                protocol: said(protocol),
                settings: said(settings),
                ..record("cr", method, 4, seed, accuracy)
            })
        };
        seeds.flat_map(of_seed).collect()
    }

    #[test]
    fn experiments_with_other_settings_are_not_mixed() {
        let by_seed = |method: &MethodSummary| method.by_seed.values().copied().collect::<Vec<_>>();
        let (short, long) = ([0.5, 0.6, 0.7], [0.8, 0.9, 0.85]);
        // Another number of epochs, say: two groups, each with its own records.
        let records = [grid("one", "s", short), grid("two", "s", long)].concat();
        let summary = summarize(&records);
        assert_eq!((summary.records, summary.overlaid, summary.groups.len()), (12, 0, 2));
        for (group, (protocol, accuracies)) in summary.groups.iter().zip([("one", short), ("two", long)]) {
            assert_eq!(group.protocol.as_deref(), Some(protocol));
            assert!(group.methods.iter().all(|method| by_seed(method) == accuracies), "{group:?}");
        }
        // Other settings of a method, as a rate: two methods.
        let summary = summarize(&[grid("one", "rates1", short), grid("one", "rates2", long)].concat());
        let group = &summary.groups[0];
        let rows: Vec<_> = group.methods.iter().map(|method| (method.name.as_str(), by_seed(method))).collect();
        let row = |name, accuracies: [f64; 3]| (name, accuracies.to_vec());
        let [head1, head2] = [row("head [rates1]", short), row("head [rates2]", long)];
        assert_eq!(rows, [head2, row("sum [rates2]", long), head1, row("sum [rates1]", short)]);
        assert_eq!((summary.groups.len(), group.protocol.as_deref(), group.pairs.len()), (1, None, 6));
    }

    #[test]
    fn what_records_do_not_say_is_not_taken_from_others() {
        let (short, long) = ([0.5, 0.6, 0.7], [0.8, 0.9, 0.85]);
        let told = |summary: &Summary| -> Vec<(Option<String>, String, usize)> {
            let rows = |group: &Group| {
                let group = group.clone();
                group.methods.into_iter().map(move |method| (group.protocol.clone(), method.name, method.runs))
            };
            summary.groups.iter().flat_map(rows).collect()
        };
        let row = |protocol: Option<&str>, name: &str| (protocol.map(str::to_owned), name.to_owned(), 3);
        // Other epochs, say, than those of the only experiment that says its own; the same seeds, or others.
        for seeds in [&[13, 21, 42][..], &[1, 2, 3]] {
            let silent = grid("", "", short).into_iter().zip(seeds.iter().flat_map(|seed| [seed; 2]));
            let silent: Vec<Record> = silent.map(|(record, seed)| Record { seed: *seed, ..record }).collect();
            let summary = summarize(&[silent.clone(), grid("one", "s", long)].concat());
            let [alone, one] = [Some(NOT_TOLD), Some("one")];
            assert_eq!(told(&summary), [row(alone, "head"), row(alone, "sum"), row(one, "head"), row(one, "sum")]);
            assert_eq!((summary.records, summary.overlaid, summary.silent), (12, 0, 6));
            // By themselves they are one experiment.
            let summary = summarize(&silent);
            assert_eq!((told(&summary), summary.silent), (vec![row(None, "head"), row(None, "sum")], 0));
        }
        // The same of settings, where the protocol is told.
        let records = [grid("one", "", short), grid("one", "rates1", long)].concat();
        let summary = summarize(&records);
        let names = ["head [rates1]", "sum [rates1]", "head [not told]", "sum [not told]"];
        assert_eq!(told(&summary), names.map(|name| row(None, name)));
        assert_eq!((summary.records, summary.overlaid, summary.silent), (12, 0, 6));
        let summary = summarize(&grid("one", "", short));
        assert_eq!((told(&summary), summary.silent), (vec![row(None, "head"), row(None, "sum")], 0));
    }

    #[test]
    fn what_nothing_tells_apart_counts_once() {
        let first = record("cr", "sum", 4, 13, 0.8);
        let other = Record { hash: "another".into(), accuracy: 0.2, ..first.clone() };
        let summary = summarize(&[first.clone(), other.clone()]);
        assert_eq!((summary.records, summary.overlaid, summary.groups[0].methods[0].runs), (1, 1, 1));
        assert_eq!(summary, summarize(&[other, first]));
    }

    #[test]
    fn a_renamed_folder_is_the_same_model() {
        let of = |plm: &str, seed, accuracy| Record {
            plm: plm.into(),
            protocol: Some("one".into()),
            ..record("cr", "sum", 4, seed, accuracy)
        };
        let summary = summarize(&[of("new", 13, 0.8), of("mini", 21, 0.6)]);
        assert_eq!(summary.groups.len(), 1);
        assert_eq!((summary.groups[0].plm.as_str(), summary.groups[0].methods[0].runs), ("mini", 2));
    }

    #[test]
    fn sets_of_adapters_are_told_apart() {
        let of = |tracks, accuracy| Record { tracks, ..record("cr", "sum", 4, 13, accuracy) };
        let summary = summarize(&[of(Tracks::Same, 0.8), of(Tracks::Cross, 0.7), record("cr", "head", 4, 13, 0.6)]);
        let names: Vec<_> = summary.groups[0].methods.iter().map(|method| method.name.as_str()).collect();
        assert_eq!(names, ["sum (same)", "sum (cross)", "head"]);
    }

    proptest! {
        /// Whatever the order of the records, the summary is the same; and what a wins against b, b loses against a.
        #[test]
        fn order_does_not_matter(
            accuracies in prop::collection::vec(0.0..1.0f64, 12),
            order in Just((0..12).collect::<Vec<usize>>()).prop_shuffle(),
        ) {
            let records: Vec<Record> = accuracies
                .iter()
                .enumerate()
                .map(|(index, accuracy)| record("t", ["a", "b", "c"][index % 3], 4, (index / 3) as u64, *accuracy))
                .collect();
            let shuffled: Vec<Record> = order.iter().map(|&index| records[index].clone()).collect();
            let summary = summarize(&records);
            prop_assert_eq!(&summary, &summarize(&shuffled));
            for pair in &summary.groups[0].pairs {
                prop_assert_eq!(pair.wins + pair.losses + pair.ties, 4);
                prop_assert!(pair.accuracy.mean >= 0.0, "the better mean stands first");
                let (low, high) = (pair.accuracy.low.unwrap(), pair.accuracy.high.unwrap());
                prop_assert!(low <= pair.accuracy.mean && pair.accuracy.mean <= high);
            }
        }
    }
}
