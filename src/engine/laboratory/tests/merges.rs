//! What an experiment says of a merge reaches the merge.

use super::*;
use crate::protocol::{DataId, Merge, MergeSpec, OutputScale, Texts};

const SOFT: &str = r#"
[[variants]]
name = "acts_soft"
method = "mera_acts"
set = { solver = "sinkhorn", epsilon = 0.05 }
"#;

/// The mean over locations of how far the merge that `spec` asks for is from the mean of functions.
fn asked(engine: &mut Engine, spec: MergeSpec) -> f64 {
    let locations = ask(engine, Merge { name: String::new(), spec }).locations;
    let errors: Vec<f64> = locations.iter().map(|at| f64::from(at.ensemble.unwrap().relative_error)).collect();
    errors.iter().sum::<f64>() / errors.len() as f64
}

#[test]
fn scale_weights_and_settings_of_a_variant_are_those_of_its_merge() {
    let (mut engine, card) = planned(&format!("{EXPERIMENT}{SOFT}"));
    let adapters: Vec<_> = engine.adapters().iter().map(|(id, _)| id).collect();
    let episode = EpisodeSpec { data: DataId(0), test: None, test_rows: None, k: 4, seed: 13, max_length: 48 };
    let plain = |method: &str| MergeSpec {
        method: method.into(),
        settings: Default::default(),
        adapters: adapters.clone(),
        weights: Vec::new(),
        reference: None,
        scale: OutputScale::None,
        texts: Texts::Episode(episode.clone()),
    };
    let mut of = |method: &str| {
        let of_method = |run: &&crate::protocol::PlannedCard| (run.method.as_str(), run.seed) == (method, 13);
        run(&mut engine, &card.runs.iter().find(of_method).unwrap().hash)
    };
    let [acts, keep, by_score, soft] = ["mera_acts", "acts_keep", "average_by_score", "acts_soft"].map(&mut of);
    let scores = by_score.scores.as_ref().unwrap();
    let weights: Vec<f64> = ["a", "b"].iter().map(|name| (scores[*name] - scores["none"]).max(0.0)).collect();
    assert!(weights[0] != weights[1], "{scores:?}");
    let set = [("solver", "sinkhorn"), ("epsilon", "0.05")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    for (record, spec) in [
        (&acts, plain("mera_acts")),
        (&keep, MergeSpec { scale: OutputScale::Keep, ..plain("mera_acts") }),
        (&by_score, MergeSpec { weights, ..plain("average") }),
        (&soft, MergeSpec { settings: set.into_iter().collect(), ..plain("mera_acts") }),
    ] {
        assert_eq!(record.ensemble_error.unwrap(), asked(&mut engine, spec), "{}", record.method);
    }
    // Each differs from the plain merge of its method.
    let equal = asked(&mut engine, plain("average"));
    for (a, b) in [(keep.ensemble_error, acts.ensemble_error), (soft.ensemble_error, acts.ensemble_error)] {
        assert!((a.unwrap() - b.unwrap()).abs() > 1e-3, "{a:?} {b:?}");
    }
    assert!((by_score.ensemble_error.unwrap() - equal).abs() > 1e-3, "{by_score:?} {equal}");
}
