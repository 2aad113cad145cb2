//! Records and summaries as the page knows them.

use crate::experiment::method::OTHERS;
use crate::experiment::summary::{Group, MethodSummary, Pair};
use crate::experiment::{Kind, Record, Summary};
use crate::merge::{Card, METHODS, MergeMethod};
use crate::protocol::{ComparedMethod, GroupCard, MethodResult, PairResult, RunRecord, SummaryCard};

/// Every method that an experiment may name.
pub(in super::super) fn compared() -> Vec<ComparedMethod> {
    let card = |id: &str, description: &str, kind: Kind| ComparedMethod {
        id: id.to_owned(),
        description: description.to_owned(),
        merges: matches!(kind, Kind::Merge(_)),
        aligns: kind.aligns(),
        trains_adapter: kind.trains_adapter(),
        trains: kind.trains(),
    };
    let merge = |method: &&'static dyn MergeMethod| {
        let Card { id, description, .. } = method.card();
        card(id, description, Kind::Merge(*method))
    };
    let others = OTHERS.iter().map(|other| card(other.id, other.description, other.kind));
    others.chain(METHODS.iter().map(merge)).collect()
}

pub(in super::super) fn record(record: &Record) -> RunRecord {
    let Record { plm, target, method, k, seed, tracks, hash, chosen, scores, .. } = record.clone();
    RunRecord {
        hash,
        plm,
        target,
        method,
        k,
        seed,
        tracks: tracks.word().to_owned(),
        accuracy: record.accuracy,
        macro_f1: record.macro_f1,
        dev_accuracy: record.dev_accuracy,
        learning_rate: record.learning_rate,
        trainable_parameters: record.trainable_parameters,
        inference_parameters: record.inference_parameters,
        seconds: record.seconds,
        step_seconds: record.step_seconds,
        peak_memory: record.peak_memory,
        chosen,
        scores: scores.map(|scores| scores.into_iter().collect()),
        ensemble_error: record.ensemble_error,
    }
}

pub(in super::super) fn summary(summary: Summary) -> SummaryCard {
    SummaryCard { confidence: summary.confidence, groups: summary.groups.into_iter().map(group).collect() }
}

fn group(group: Group) -> GroupCard {
    let Group { plm, target, k, majority, methods, pairs, .. } = group;
    let methods = methods.into_iter().map(method).collect();
    GroupCard { plm, target, k, majority, methods, pairs: pairs.into_iter().map(pair).collect() }
}

fn method(method: MethodSummary) -> MethodResult {
    MethodResult {
        name: method.name,
        method: method.method,
        tracks: method.tracks.word().to_owned(),
        runs: method.runs,
        accuracy: method.accuracy.mean,
        accuracy_deviation: method.accuracy.deviation,
        macro_f1: method.macro_f1.mean,
        macro_f1_deviation: method.macro_f1.deviation,
        trainable_parameters: method.trainable_parameters,
        inference_parameters: method.inference_parameters,
        seconds: method.seconds,
        step_seconds: method.step_seconds,
        peak_memory: method.peak_memory,
    }
}

fn pair(pair: Pair) -> PairResult {
    let Pair { a, b, episodes, accuracy, wins, losses, ties, .. } = pair;
    PairResult { a, b, episodes, mean: accuracy.mean, low: accuracy.low, high: accuracy.high, wins, losses, ties }
}
