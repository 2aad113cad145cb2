//! Agreement with an independent implementation in numpy and POT (`tests/fixtures/merge`).

use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

use super::*;

type Named = BTreeMap<String, Json>;

#[derive(Deserialize)]
struct Fixture {
    features: Named,
    groups: BTreeMap<String, Vec<Named>>,
    cases: Vec<MergeCase>,
}

#[derive(Deserialize)]
struct MergeCase {
    group: String,
    method: String,
    settings: Vec<String>,
    weights: Option<Vec<f64>>,
    reference: usize,
    merged: Named,
    transports: Vec<Transport>,
    measures: BTreeMap<String, Measures>,
}

#[derive(Deserialize)]
struct Transport {
    input: usize,
    location: String,
    cost: Vec<Vec<f64>>,
    plan: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Measures {
    relative_error: f64,
    amplitude: f64,
    amplitude_of_inputs: f64,
    cosine: f64,
    keep: f64,
}

/// A tensor from nested lists.
fn tensor(json: &Json) -> Tensor {
    let rows = json.as_array().unwrap();
    let (shape, values): (Vec<usize>, Vec<&Json>) = match rows[0].as_array() {
        Some(row) => (vec![rows.len(), row.len()], rows.iter().flat_map(|row| row.as_array().unwrap()).collect()),
        None => (vec![rows.len()], rows.iter().collect()),
    };
    Tensor::new(shape, values.iter().map(|value| value.as_f64().unwrap() as f32).collect()).unwrap()
}

fn set(named: &Named) -> TensorSet {
    named.iter().map(|(name, json)| (name.as_str(), tensor(json))).collect()
}

fn matrix(rows: &[Vec<f64>]) -> DMatrix<f64> {
    DMatrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
}

#[test]
fn numpy_and_pot_agree() {
    let fixture: Fixture = serde_json::from_str(include_str!("../../../tests/fixtures/merge/merge.json")).unwrap();
    let mut features = Features::new();
    for (location, values) in &fixture.features {
        features.insert(location.parse().unwrap(), tensor(values)).unwrap();
    }
    assert!(fixture.cases.len() >= 20);
    for case in &fixture.cases {
        let label = format!("{} {} {:?}, reference {}", case.group, case.method, case.settings, case.reference);
        let adapters: Vec<_> = fixture.groups[&case.group].iter().map(set).collect();
        let inputs = Inputs {
            reference: case.reference,
            weights: case.weights.clone().unwrap_or_default(),
            ..inputs(&adapters, &features)
        };
        let pairs: Vec<_> = case.settings.iter().map(String::as_str).collect();
        let mut merged = merge_with(&case.method, &inputs, &pairs).unwrap();

        for (name, expected) in &case.merged {
            let (found, expected) = (merged.params.get(name).unwrap(), tensor(expected));
            assert_eq!(found.shape(), expected.shape(), "{label}: {name}");
            let values = found.values().iter().zip(expected.values());
            let difference = values.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(difference < 2e-6, "{label}: {name} differs by {difference}");
        }
        assert_eq!(merged.params.len(), case.merged.len(), "{label}");

        assert_eq!(merged.alignments.len(), case.transports.len(), "{label}");
        for expected in &case.transports {
            let location: Location = expected.location.parse().unwrap();
            let of = |alignment: &&Alignment| alignment.input == expected.input && alignment.location == location;
            let found = merged.alignments.iter().find(of).unwrap();
            let (cost, plan) = (matrix(&expected.cost), matrix(&expected.plan));
            assert!((&found.cost - &cost).amax() < 1e-9, "{label}: cost");
            assert!((found.cost_after - plan.dot(&cost)).abs() < 1e-6 * cost.amax(), "{label}: cost of the plan");
            assert!((&found.solution.plan - &plan).amax() < 1e-8, "{label}: plan");
        }

        for distance in ensemble_distance(&merged.params, &inputs).unwrap() {
            let expected = &case.measures[&distance.location.to_string()];
            for (found, expected) in [
                (distance.relative_error, expected.relative_error),
                (distance.amplitude, expected.amplitude),
                (distance.amplitude_of_inputs, expected.amplitude_of_inputs),
                (distance.cosine, expected.cosine),
            ] {
                assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "{label}: {distance:?} {expected}");
            }
        }
        for (location, factor) in scale_output(&mut merged, &inputs, Scale::Keep).unwrap() {
            let expected = case.measures[&location.to_string()].keep;
            assert!((factor - expected).abs() < 1e-6 * expected, "{label}: {factor} {expected}");
        }
    }
}
