//! The sample few-shot task keeps what its description promises: balanced, and not to be solved by looking away.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{HashMap, HashSet};

use mera_lab::experiment::Experiment;
use mera_lab::text::{Columns, Dataset, Episode, episode::SEEDS};

const LABELS: [&str; 3] = ["contradiction", "entailment", "neutral"];

fn task() -> Dataset {
    let file = include_bytes!("../www/samples/task/everyday-nli.tsv");
    Dataset::read("everyday-nli.tsv", file, &Columns::default()).unwrap()
}

/// Label, premise, hypothesis.
fn rows(task: &Dataset) -> impl Iterator<Item = (&str, &str, &str)> {
    task.rows.iter().map(|row| (row.label.as_deref().unwrap(), row.text1.as_str(), row.text2.as_deref().unwrap()))
}

fn words(text: &str) -> Vec<String> {
    let word = |c: char| c.is_alphanumeric() || c == '\'';
    text.to_lowercase().split(|c| !word(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_premise_and_every_hypothesis_stands_once() {
    let task = task();
    task.check_labels().unwrap();
    assert_eq!(task.labels, LABELS);
    assert_eq!(task.counts(), [80, 80, 80]);
    // Who has learned a premise by heart must neither gain nor lose by it.
    assert_eq!(rows(&task).map(|(_, premise, _)| premise).collect::<HashSet<_>>().len(), 240);
    assert_eq!(rows(&task).map(|(.., hypothesis)| hypothesis).collect::<HashSet<_>>().len(), 240);
}

#[test]
fn neither_length_nor_negation_gives_a_label_away() {
    let task = task();
    let no = [
        "not", "no", "never", "nobody", "nothing", "none", "without", "cannot", "unable", "hardly", "unread", "unswept",
    ];
    let negated = |text: &str| {
        words(text).iter().any(|word| no.contains(&word.as_str()) || word.ends_with("n't") || word == "can't")
    };
    let mut lengths = Vec::new();
    let mut negations = Vec::new();
    for label in LABELS {
        let of_label: Vec<_> = rows(&task).filter(|row| row.0 == label).map(|(.., hypothesis)| hypothesis).collect();
        lengths.push(of_label.iter().map(|text| words(text).len()).sum::<usize>() as f64 / 80.0);
        negations.push(of_label.iter().filter(|text| negated(text)).count());
    }
    let spread = |values: &[f64]| {
        values.iter().fold(f64::MIN, |a, &b| a.max(b)) - values.iter().fold(f64::MAX, |a, &b| a.min(b))
    };
    assert!(spread(&lengths) < 1.0, "mean words {lengths:?}");
    assert!(negations.iter().max().unwrap() - negations.iter().min().unwrap() <= 3, "negated {negations:?}");
    for (_, premise, hypothesis) in rows(&task) {
        for text in [premise, hypothesis] {
            assert!((5..=25).contains(&text.split(' ').count()), "{text}");
            assert!(text.ends_with('.') && text.starts_with(char::is_uppercase), "{text}");
        }
    }
}

#[test]
fn the_hypothesis_alone_says_little() {
    let task = task();
    let features = |text: &str| -> HashSet<String> {
        let words = words(text);
        let pairs = std::iter::once("^").chain(words.iter().map(String::as_str)).collect::<Vec<_>>();
        pairs.windows(2).map(|pair| pair.join(" ")).chain(words.clone()).collect()
    };
    let rows: Vec<_> = rows(&task).map(|(label, _, hypothesis)| (label, features(hypothesis))).collect();
    // Naive Bayes over words and pairs of words; ten folds, each with every tenth row.
    let mut right = 0;
    for fold in 0..10 {
        let held_out = |i: usize| i % 10 == fold;
        let mut counts: HashMap<(&str, &str), f64> = HashMap::new();
        for (_, (label, features)) in rows.iter().enumerate().filter(|&(i, _)| !held_out(i)) {
            for feature in features {
                *counts.entry((*label, feature.as_str())).or_default() += 1.0;
            }
        }
        for (_, (label, features)) in rows.iter().enumerate().filter(|&(i, _)| held_out(i)) {
            let score = |label: &str| -> f64 {
                features.iter().map(|f| (counts.get(&(label, f.as_str())).copied().unwrap_or(0.0) + 0.5).ln()).sum()
            };
            let guess = LABELS.into_iter().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
            right += usize::from(guess == *label);
        }
    }
    assert!(right < 104, "{right} of 240 labels guessed from the hypothesis alone");
}

#[test]
fn it_has_room_for_the_usual_episodes() {
    let task = task();
    for seed in SEEDS {
        let episode = Episode::draw(&task, 16, seed).unwrap();
        assert_eq!((episode.support.len(), episode.dev.len(), episode.rest.len()), (48, 48, 144));
    }
}

/// The page opens with it, and a shell runs it from where it stands.
#[test]
fn the_sample_experiment_names_what_is_there() {
    let experiment = Experiment::parse(include_str!("../www/samples/experiment.toml")).unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("www/samples");
    assert_eq!(experiment.seeds, SEEDS);
    assert!(experiment.compared().unwrap().len() > 15);
    // Each model that the page serves has the same adapters, under its own name.
    let mut on_both = experiment.clone();
    on_both.plms = ["all-minilm-l6-v2", "paraphrase-minilm-l3-v2"].map(|name| format!("../models/{name}")).to_vec();
    assert_eq!(experiment.plms, on_both.plms[..1]);
    let adapters = |plm| on_both.adapters.iter().map(move |adapter| (plm, adapter));
    let adapters = (0..2).flat_map(adapters).map(|(plm, adapter)| on_both.adapter_path(adapter, plm));
    let paths: Vec<_> = adapters.chain(experiment.targets.iter().map(|target| target.train.clone())).collect();
    assert_eq!(paths.iter().collect::<HashSet<_>>().len(), 7, "{paths:?}");
    for path in paths {
        assert!(folder.join(&path).exists(), "{path}");
    }
}
