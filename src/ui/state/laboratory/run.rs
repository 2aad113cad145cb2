//! A run looked at closely: what it confuses, what it gets wrong and which other method gets it right, and how an
//! AdapterFusion spreads its attention.

use super::Experiment;
use crate::protocol::*;
use crate::viz::sort_by;
use std::collections::HashMap;
use std::sync::Arc;

/// Finished runs by hash.
type Records = HashMap<String, Arc<FinishedRun>>;

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
    /// How many other methods answered it.
    pub others: usize,
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

/// The run that tells what was done in the run `hash`: itself; of a choice among runs, which trains nothing, the one that
/// it chose. `None` where only what it came to is known.
#[must_use]
pub fn told_by(experiment: &Experiment, records: &Records, hash: &str) -> Option<Arc<FinishedRun>> {
    let own = records.get(hash)?;
    if own.detail.is_some() {
        return Some(own.clone());
    }
    let chosen = own.record.chosen.as_ref()?;
    let among = &experiment.runs().find(|run| run.hash == hash)?.after;
    let is_chosen = |run: &&Arc<FinishedRun>| run.record.method.rsplit(':').next() == Some(chosen);
    let found = among.iter().filter_map(|hash| records.get(hash)).find(is_chosen);
    found.filter(|run| run.detail.is_some()).cloned()
}

/// What the run `hash` gets wrong, those first that most other methods of `experiment` get right.
#[must_use]
pub fn wrong(experiment: &Experiment, records: &Records, hash: &str) -> Vec<Wrong> {
    let Some(detail) = records.get(hash).and_then(|run| run.detail.as_ref()) else { return Vec::new() };
    let others: Vec<(&str, &RunDetail)> = same_episode(experiment, hash)
        .filter(|other| other.hash != hash)
        .filter_map(|other| Some((other.method.as_str(), records.get(&other.hash)?.detail.as_ref()?)))
        .filter(|(_, other)| other.truth == detail.truth)
        .collect();
    // A method that was run with several sets of adapters counts once.
    let is_first = |place: usize| !others[..place].iter().any(|(method, _)| *method == others[place].0);
    let methods = (0..others.len()).filter(|place| is_first(*place)).count();
    let label = |index: u16| detail.labels.get(usize::from(index)).cloned().unwrap_or_default();
    let mut all: Vec<Wrong> = Vec::new();
    for (place, (&truth, &answer)) in detail.truth.iter().zip(&detail.answers).enumerate() {
        // A row without a label is nobody's mistake.
        if truth != answer && usize::from(truth) < detail.labels.len() {
            let right = others.iter().filter(|(_, other)| other.answers.get(place) == Some(&truth));
            let mut right_by: Vec<String> = right.map(|(method, _)| (*method).to_owned()).collect();
            sort_by(&mut right_by, String::cmp);
            right_by.dedup();
            all.push(Wrong { place, truth: label(truth), answer: label(answer), right_by, others: methods });
        }
    }
    sort_by(&mut all, |a, b| b.right_by.len().cmp(&a.right_by.len()));
    all
}

/// The finished runs of `experiment` on the same episode as the run `hash`, it among them, by method, for going from one
/// to the next: hash and words.
#[must_use]
pub fn siblings(experiment: &Experiment, records: &Records, hash: &str) -> Vec<(String, String)> {
    let done = same_episode(experiment, hash).filter(|run| records.contains_key(&run.hash));
    let mut all: Vec<(String, String)> =
        done.map(|run| (run.hash.clone(), format!("{} · {}", run.method, run.tracks))).collect();
    sort_by(&mut all, |a, b| a.1.cmp(&b.1));
    all
}

/// The runs of `experiment` that learn from the same examples as the run `hash`, it among them.
fn same_episode<'a>(experiment: &'a Experiment, hash: &str) -> impl Iterator<Item = &'a PlannedCard> {
    let episode = |run: &'a PlannedCard| (&*run.plm, &*run.target, run.k, run.seed);
    let own = experiment.runs().find(|run| run.hash == hash).map(episode);
    experiment.runs().filter(move |run| Some(episode(run)) == own)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_choice_is_told_by_what_it_chose() {
        let (mut experiment, mut records) = records();
        let [single, other, choice] = [("b-13", "single:b"), ("a-13", "single:a"), ("best-13", "best_single")]
            .map(|(hash, method)| planned(hash, method, 4, 13));
        let mut add = |run: &PlannedCard, chosen: Option<&str>| {
            let mut done = (*finished(run, 0.5)).clone();
            done.record.chosen = chosen.map(str::to_owned);
            done.detail = chosen.is_none().then(RunDetail::default);
            records.insert(run.hash.clone(), Arc::new(done));
        };
        add(&single, None);
        add(&other, None);
        add(&choice, Some("b"));
        let choice = PlannedCard { after: vec![other.hash.clone(), single.hash.clone()], ..choice };
        experiment.cards[0].runs.extend([single, other, choice]);
        let told = |hash: &str| told_by(&experiment, &records, hash).map(|run| run.record.hash.clone());
        assert_eq!(told("best-13").as_deref(), Some("b-13"));
        assert_eq!(told("a-13").as_deref(), Some("a-13"));
        records.remove("b-13");
        assert_eq!(told_by(&experiment, &records, "best-13"), None, "its record alone says nothing of the way");
    }

    use super::super::table::tests::finished;
    use super::super::tests::planned;
    use super::*;

    /// Of an experiment, and a run of another one that learned from the same examples.
    fn records() -> (Experiment, Records) {
        let mut runs = Vec::new();
        let mut run = |hash: &str, method: &str, seed: u64, answers: &[u16]| {
            let planned = planned(hash, method, 4, seed);
            if hash != "foreign" {
                runs.push(planned.clone());
            }
            let mut finished = (*finished(&planned, 0.5)).clone();
            finished.detail = Some(RunDetail {
                labels: vec!["no".into(), "yes".into()],
                truth: vec![0, 1, 1, 0, 2],
                answers: answers.to_vec(),
                ..RunDetail::default()
            });
            (planned.hash, Arc::new(finished))
        };
        let records = HashMap::from([
            run("head-13", "head", 13, &[1, 0, 1, 0, 0]),
            run("sum-13", "sum", 13, &[1, 1, 1, 0, 0]),
            run("sum-21", "sum", 21, &[0, 1, 1, 0, 1]),
            run("mera_acts-13", "mera_acts", 13, &[0, 1, 0, 0, 0]),
            run("sum-13-cross", "sum", 13, &[1, 1, 1, 0, 0]),
            run("foreign", "concat", 13, &[0, 1, 1, 0, 0]),
        ]);
        (
            Experiment { cards: vec![ExperimentCard { runs, ..ExperimentCard::default() }], ..Experiment::default() },
            records,
        )
    }

    #[test]
    fn what_one_gets_wrong_another_gets_right() {
        let (experiment, records) = records();
        let wrong = wrong(&experiment, &records, "head-13");
        let told: Vec<_> = wrong.iter().map(|w| (w.place, &*w.truth, &*w.answer, w.right_by.join(" "))).collect();
        assert_eq!(told, [(1, "yes", "no", "mera_acts sum".into()), (0, "no", "yes", "mera_acts".to_owned())]);
        assert!(wrong.iter().all(|w| w.others == 2), "sum counts once, though it was run on two sets: {wrong:?}");
        assert_eq!(super::wrong(&experiment, &records, "unknown"), []);
    }

    #[test]
    fn confusion_counts_by_truth() {
        let (_, records) = records();
        let counts = confusion(records["head-13"].detail.as_ref().unwrap());
        assert_eq!(counts.values, [1.0, 1.0, 1.0, 1.0]);
        let broken =
            RunDetail { labels: vec!["a".into()], truth: vec![0, 3], answers: vec![2, 0], ..RunDetail::default() };
        assert_eq!(confusion(&broken).values, [0.0], "what is out of range counts for nothing");
    }

    #[test]
    fn siblings_share_the_episode() {
        let (experiment, records) = records();
        let names: Vec<_> = siblings(&experiment, &records, "sum-13").into_iter().map(|(hash, _)| hash).collect();
        assert_eq!(names, ["head-13", "mera_acts-13", "sum-13", "sum-13-cross"]);
        assert_eq!(siblings(&experiment, &records, "foreign"), []);
    }
}
