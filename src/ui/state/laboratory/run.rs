//! A run looked at closely: what it confuses, what it gets wrong and which other method gets it right, and how an
//! AdapterFusion spreads its attention.

use crate::protocol::*;
use crate::viz::sort_by;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A test row that a run gets wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its place among the test rows.
    pub place: usize,
    /// The right label.
    pub truth: String,
    /// The answer.
    pub answer: String,
    /// Other methods of the same episode that get it right.
    pub right_by: Vec<String>,
}

/// Counts of answers: rows are the true labels, columns the answers.
#[must_use]
pub fn confusion(detail: &RunDetail) -> Matrix {
    let n = detail.labels.len();
    let mut counts = Matrix { rows: n, columns: n, values: vec![0.0; n * n] };
    for (&truth, &answer) in detail.truth.iter().zip(&detail.answers) {
        let place = usize::from(truth) * n + usize::from(answer);
        if usize::from(answer) < n
            && let Some(count) = counts.values.get_mut(place)
        {
            *count += 1.0;
        }
    }
    counts
}

/// What the run `hash` gets wrong, those that most others get right first.
#[must_use]
pub fn wrong(records: &BTreeMap<String, Arc<FinishedRun>>, hash: &str) -> Vec<Wrong> {
    let Some((run, detail)) = records.get(hash).and_then(|run| Some((run, run.detail.as_ref()?))) else {
        return Vec::new();
    };
    let episode = |record: &RunRecord| (record.plm.clone(), record.target.clone(), record.k, record.seed);
    let others: Vec<(&str, &RunDetail)> = records
        .values()
        .filter(|other| other.record.hash != hash && episode(&other.record) == episode(&run.record))
        .filter_map(|other| Some((other.record.method.as_str(), other.detail.as_ref()?)))
        .filter(|(_, other)| other.truth == detail.truth)
        .collect();
    let label = |index: u16| detail.labels.get(usize::from(index)).cloned().unwrap_or_default();
    let mut all: Vec<Wrong> = Vec::new();
    for (place, (&truth, &answer)) in detail.truth.iter().zip(&detail.answers).enumerate() {
        // A row without a label is nobody's mistake.
        if truth != answer && usize::from(truth) < detail.labels.len() {
            let right = others.iter().filter(|(_, other)| other.answers.get(place) == Some(&truth));
            let mut right_by: Vec<String> = right.map(|(method, _)| (*method).to_owned()).collect();
            right_by.dedup();
            all.push(Wrong { place, truth: label(truth), answer: label(answer), right_by });
        }
    }
    sort_by(&mut all, |a, b| b.right_by.len().cmp(&a.right_by.len()));
    all
}

/// The run of each other method on the same episode, by method, for going from one to the next.
#[must_use]
pub fn siblings(records: &BTreeMap<String, Arc<FinishedRun>>, hash: &str) -> Vec<(String, String)> {
    let Some(run) = records.get(hash).map(|run| &run.record) else { return Vec::new() };
    let same = |other: &RunRecord| {
        (&*other.plm, &*other.target, other.k, other.seed) == (&*run.plm, &*run.target, run.k, run.seed)
    };
    let others = records.values().map(|other| &other.record).filter(|other| same(other));
    let mut all: Vec<(String, String)> =
        others.map(|other| (other.hash.clone(), format!("{} · {}", other.method, other.tracks))).collect();
    sort_by(&mut all, |a, b| a.1.cmp(&b.1));
    all
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::finished;
    use super::super::tests::planned;
    use super::*;

    fn records() -> BTreeMap<String, Arc<FinishedRun>> {
        let run = |method: &str, seed: u64, answers: &[u16]| {
            let planned = planned(&format!("{method}-{seed}"), method, 4, seed);
            let mut finished = (*finished(&planned, 0.5)).clone();
            finished.detail = Some(RunDetail {
                labels: vec!["no".into(), "yes".into()],
                truth: vec![0, 1, 1, 0, 2],
                answers: answers.to_vec(),
                ..RunDetail::default()
            });
            (planned.hash, Arc::new(finished))
        };
        BTreeMap::from([
            run("head", 13, &[1, 0, 1, 0, 0]),
            run("sum", 13, &[1, 1, 1, 0, 0]),
            run("sum", 21, &[0, 1, 1, 0, 1]),
            run("mera_acts", 13, &[0, 1, 0, 0, 0]),
        ])
    }

    #[test]
    fn what_one_gets_wrong_another_gets_right() {
        let wrong = wrong(&records(), "head-13");
        let told: Vec<_> = wrong.iter().map(|w| (w.place, &*w.truth, &*w.answer, w.right_by.join(" "))).collect();
        assert_eq!(told, [(1, "yes", "no", "mera_acts sum".into()), (0, "no", "yes", "mera_acts".to_owned())]);
        assert_eq!(super::wrong(&records(), "unknown"), []);
    }

    #[test]
    fn confusion_counts_by_truth() {
        let records = records();
        let counts = confusion(records["head-13"].detail.as_ref().unwrap());
        assert_eq!(counts.values, [1.0, 1.0, 1.0, 1.0]);
        let broken =
            RunDetail { labels: vec!["a".into()], truth: vec![0, 3], answers: vec![2, 0], ..RunDetail::default() };
        assert_eq!(confusion(&broken).values, [0.0], "what is out of range counts for nothing");
    }

    #[test]
    fn siblings_share_the_episode() {
        let names: Vec<_> = siblings(&records(), "sum-13").into_iter().map(|(hash, _)| hash).collect();
        assert_eq!(names, ["head-13", "mera_acts-13", "sum-13"]);
    }
}
