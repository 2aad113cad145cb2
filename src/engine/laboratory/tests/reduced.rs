//! What gates have learned, folded and reduced.

use super::*;
use crate::engine::laboratory::fit::Candidate;
use crate::engine::laboratory::reduce::folded;
use crate::experiment::{TrainedPart, Training};
use crate::merge::concat::reduce;
use crate::merge::{Features, Input, Inputs, LocationParams};
use crate::model::gated;
use crate::protocol::Texts;
use crate::tensors::adapter::Location;
use crate::tensors::{Tensor, TensorSet};
use crate::text::{Batch, Fill, Shape};
use crate::train::{Architecture, Body, LabelledInput, Trainer};

/// A run of the gated sum that is ready to be reduced, with gates far from 1 in the place of trained ones.
fn gated_run(engine: &mut Engine) -> (Candidate, TensorSet) {
    let mut laboratory = engine.laboratory.take().unwrap();
    let is_reduced = |run: &&crate::experiment::PlannedRun| run.method == "concat_gated_reduced";
    let run = laboratory.plan.runs().iter().find(is_reduced).unwrap().clone();
    let episode = pollster::block_on(engine.episode(&mut laboratory, &run, &mut Quiet)).unwrap();
    let start = pollster::block_on(engine.start_run(&mut laboratory, &run, &episode, &mut Quiet)).unwrap();
    engine.laboratory = Some(laboratory);
    let mut trained = start.params.clone();
    for (layer, gates) in [[10.0, -6.0], [4.0, 12.0]].into_iter().enumerate() {
        trained.insert(gated::gates(Location::output(layer)), Tensor::new([2], gates.to_vec()).unwrap()).unwrap();
    }
    (Candidate { run, place: 0, episode, start, seconds: 0.0 }, trained)
}

/// Logits of the support.
fn logits(engine: &Engine, ready: &Candidate, (architecture, params): (&Architecture, &TensorSet)) -> Vec<f32> {
    let settings = Training::default().settings(1e-3, TrainedPart::All, 13);
    let trainer = Trainer::stack(&[(architecture, params)], &settings, &engine.device).unwrap();
    let data = &ready.episode.run_data;
    let shape = Shape { rows: data.support.len(), max_len: data.max_length, fill: Fill::Full };
    let batch = Batch::assemble(&data.encoded, &data.support, shape, data.pad_id).unwrap();
    let input = LabelledInput::stack(&[batch], data.pad_id).input;
    pollster::block_on(trainer.predict(&engine.plm().unwrap().encoder, &input)).unwrap()
}

#[test]
fn the_whole_fold_is_the_gated_sum() {
    let (mut engine, _) = planned(EXPERIMENT);
    let (ready, trained) = gated_run(&mut engine);
    let ids: Vec<_> = engine.adapters().iter().map(|(id, _)| id).collect();
    let mut whole = folded(&engine.inputs(&ids, None).unwrap(), &trained).unwrap();
    for (name, tensor) in trained.iter().filter(|(name, _)| name.starts_with("head.")) {
        whole.insert(name, tensor.clone());
    }
    let form = engine.adapters().get(ids[0]).unwrap().form().unwrap();
    let adapter = Architecture { body: Body::Adapter(form), ..Architecture::default() };
    let (gates, ones) = (&ready.start.architecture, &ready.start.params);
    let differ = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let expected = logits(&engine, &ready, (gates, &trained));
    assert_eq!(expected.len(), 12 * 3);
    assert!(differ(&logits(&engine, &ready, (&adapter, &whole)), &expected) < 1e-5);
    let of_ones = differ(&logits(&engine, &ready, (gates, ones)), &expected);
    assert!(of_ones > 1e-3, "gates of 1 are something else: {of_ones}");
    let without = TensorSet::default();
    let error = folded(&engine.inputs(&ids, None).unwrap(), &without).unwrap_err();
    insta::assert_snapshot!(error, @"tensor layer.0.output.gates is missing");
}

/// Of one adapter there is nothing to drop.
#[test]
fn the_gated_sum_of_one_adapter_is_judged_as_it_was_trained() {
    let one = EXPERIMENT.replace("track = \"NLI\"\n[[adapters]]\nname = \"b\"\npath = \"b\"\n", "track = \"NLI\"\n");
    let (mut engine, mut plan) = loaded(&one);
    plan.adapters.pop();
    let card = ask(&mut engine, plan);
    let of = |method: &str| card.runs.iter().find(|run| run.method == method).unwrap().hash.clone();
    let [gated, reduced] = ["concat_gated", "concat_gated_reduced"].map(|method| run(&mut engine, &of(method)));
    assert_eq!(
        (gated.accuracy, gated.macro_f1, gated.dev_accuracy),
        (reduced.accuracy, reduced.macro_f1, reduced.dev_accuracy)
    );
    assert!(near(gated.dev_loss.unwrap(), reduced.dev_loss.unwrap()), "{gated:?} {reduced:?}");
}

#[test]
fn the_reduction_is_fitted_to_what_the_gated_network_gives() {
    let (mut engine, _) = planned(EXPERIMENT);
    let (ready, trained) = gated_run(&mut engine);
    let laboratory = engine.laboratory.take().unwrap();
    let (_, reduced) = pollster::block_on(engine.reduced(&laboratory, &ready, &[0, 1], &trained, &mut Quiet)).unwrap();
    let in_sum = pollster::block_on(engine.features_in_sum(&ready, &trained, &mut Quiet)).unwrap();
    let of_ones = pollster::block_on(engine.features_in_sum(&ready, &ready.start.params, &mut Quiet)).unwrap();
    let ids = laboratory.ids(&[0, 1]).unwrap();
    let texts = Texts::Episode(laboratory.episode_of(&ready.run).unwrap());
    let alone = pollster::block_on(engine.features(&ids, &texts, "a test", &mut Quiet)).unwrap();
    let inputs = engine.inputs(&ids, None).unwrap();
    let whole = folded(&inputs, &trained).unwrap();
    let sum = Inputs { activation: inputs.activation, ..Inputs::new(vec![Input { name: "the sum", params: &whole }]) };
    // The squared error to the sum on what the gated network's adapters see, relative to the sum's square.
    let error = |layer: usize, params: &LocationParams| {
        let location = Location::output(layer);
        let seen = in_sum.get(location).unwrap();
        let wanted = sum.mean_of_functions(location, &seen).unwrap();
        (params.forward(&seen, inputs.activation) - &wanted).norm_squared() / wanted.norm_squared()
    };
    let on = |features: &Features, layer: usize| {
        let params =
            reduce(&Inputs { features: Some(features), ..sum.clone() }, Location::output(layer), 8, Some(1e-3))
                .unwrap();
        error(layer, &params)
    };
    let own = |layer: usize| error(layer, &LocationParams::read("reduced", &reduced, Location::output(layer)).unwrap());
    // Before the second adapter stands the sum, and not what each has in a network of its own, whose texts are not cut
    // to the run's length either.
    assert!(own(1) < 0.99 * on(&alone, 1), "{} {}", own(1), on(&alone, 1));
    // With other gates the first adapter sees the same, the second does not.
    assert!(near(own(0), on(&of_ones, 0)), "{} {}", own(0), on(&of_ones, 0));
    assert!(own(1) < 0.99 * on(&of_ones, 1), "{} {}", own(1), on(&of_ones, 1));
}
