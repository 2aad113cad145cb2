//! Runs that share a pass, what it holds, and what it costs.

use super::*;

#[test]
fn runs_of_one_pass_are_what_they_are_alone() {
    // Every other epoch is no better, so that runs end at different times.
    let file = EXPERIMENT.replace("epochs = 2", "epochs = 5\npatience = 1");
    let (mut engine, card) = planned(&file);
    let hashes: Vec<String> = card.runs.iter().map(|run| run.hash.clone()).collect();
    let alone = finish(&mut engine, &hashes, &[]);
    let (mut engine, _) = planned(&file);
    engine.laboratory.as_mut().unwrap().lanes = 7;
    let together = finish(&mut engine, &hashes, &[]);
    let mut steps = std::collections::BTreeSet::new();
    for (run, (a, b)) in card.runs.iter().zip(alone.iter().zip(&together)) {
        let what = format!("{} {}", run.method, run.seed);
        let (of_a, of_b) = (record(a), record(b));
        assert_eq!((of_a.accuracy, of_a.macro_f1), (of_b.accuracy, of_b.macro_f1), "{what}");
        assert_eq!((of_a.dev_accuracy, of_a.learning_rate), (of_b.dev_accuracy, of_b.learning_rate), "{what}");
        assert!(near(of_a.dev_loss.unwrap_or(0.0), of_b.dev_loss.unwrap_or(0.0)), "{what}: {of_a:?} {of_b:?}");
        let counts = (of_a.trainable_parameters, of_a.inference_parameters);
        assert_eq!(counts, (of_b.trainable_parameters, of_b.inference_parameters), "{what}");
        let (Some(a), Some(b)) = (&a.detail, &b.detail) else { continue };
        assert_eq!(a.answers, b.answers, "{what}");
        for (a, b) in a.curves.iter().zip(&b.curves) {
            assert_eq!(a.points.len(), b.points.len(), "{what}: they stop at the same epoch");
            steps.insert(a.points.len());
            let loss = |point: &crate::protocol::TrainPoint| f64::from(point.loss);
            for (a, b) in a.points.iter().zip(&b.points) {
                assert!(near(loss(a), loss(b)) && a.learning_rate == b.learning_rate, "{what}: {a:?} {b:?}");
                let dev = |point: &crate::protocol::TrainPoint| point.dev.map(|dev| f64::from(dev.loss));
                assert!(near(dev(a).unwrap_or(0.0), dev(b).unwrap_or(0.0)), "{what}: {a:?} {b:?}");
            }
        }
    }
    assert!(steps.len() > 1, "some stop before others: {steps:?}");
}

#[test]
fn a_run_that_diverges_leaves_the_others_of_its_pass_what_they_come_to() {
    // Its weights just fit: what they make of a text does not.
    let huge = "[[variants]]\nname = \"huge\"\nmethod = \"average\"\nscale = 3e38\n";
    let average = "[[variants]]\nname = \"plain\"\nmethod = \"average\"\n";
    let file = format!("{EXPERIMENT}{huge}{average}");
    let (mut engine, card) = planned(&file);
    let of = |method: &str| card.runs.iter().find(|run| run.method == method).unwrap().hash.clone();
    let alone = run(&mut engine, &of("plain"));
    let (mut engine, _) = planned(&file);
    engine.laboratory.as_mut().unwrap().lanes = 4;
    let hashes = vec![of("huge"), of("plain")];
    let passes = engine.passes(engine.laboratory.as_ref().unwrap()).unwrap();
    assert!(passes.contains(&hashes), "they share a pass");
    let both = RunExperiment { hashes, records: Vec::new() };
    let runs = ask(&mut engine, both.clone());
    let finished = record(&runs.finished[0]);
    assert_eq!((finished.accuracy, finished.learning_rate), (alone.accuracy, alone.learning_rate));
    assert!(near(finished.dev_loss.unwrap(), alone.dev_loss.unwrap()) && runs.finished[0].detail.is_some());
    let (hash, reason) = &runs.failed[0];
    assert_eq!((runs.finished.len(), runs.failed.len(), hash), (1, 1, &of("huge")));
    insta::assert_snapshot!(reason, @"the loss of step 1 is NaN; a lower learning rate may help");
    // What is done is not trained again; what is not done is tried again where it is asked for.
    let mut heard = Heard(Vec::new());
    pollster::block_on(engine.handle(both.into(), &mut heard)).unwrap();
    let trained = heard.0.iter().filter(|told| told.rate.is_some());
    assert!(trained.map(|told| told.run).all(|run| run == 0));
}

#[test]
fn what_precedes_the_first_adapter_is_computed_once_a_row() {
    let (mut engine, plan) = loaded(EXPERIMENT);
    let spec = EpisodeSpec { data: plan.targets[0].0, test: None, test_rows: None, k: 4, seed: 13, max_length: 48 };
    let card = ask(&mut engine, plan);
    let episode = pollster::block_on(engine.prepare_episode(&spec, &mut Quiet)).unwrap();
    let encodings = episode.run_data.encoded.iter().map(|row| (&row.encoding.ids, &row.encoding.type_ids));
    let rows = encodings.collect::<std::collections::BTreeSet<_>>().len();
    let mut run = |method: &str, seed: u64| {
        let of_method = |run: &&crate::protocol::PlannedCard| run.method == method && run.seed == seed;
        let hash = card.runs.iter().find(of_method).unwrap().hash.clone();
        finish(&mut engine, &[hash], &[]);
        engine.plm().unwrap().encoder.kept_rows()
    };
    // With every learning rate, in every epoch, on support, dev and test.
    assert_eq!(run("scratch", 13), (rows, rows));
    // Another seed has the same rows in other places.
    for (method, seed) in [("scratch", 21), ("fusion", 13), ("concat_gated", 21)] {
        assert_eq!(run(method, seed), (rows, rows), "{method}");
    }
    // A score looks at support and dev without any adapter too.
    let scored = rows + 24;
    assert_eq!(run("single:a", 13), (scored, scored));
    // These read no place's input, or all of them.
    assert_eq!(run("lora", 13), (scored, scored));
    assert_eq!(run("full", 13), (scored, scored));
    assert_eq!(run("head", 13), (2 * rows, 2 * rows));
}

#[test]
fn passes_hold_what_is_alike() {
    let (mut engine, _) = planned(EXPERIMENT);
    let mut laboratory = engine.laboratory.take().unwrap();
    let passes = |laboratory: &crate::engine::laboratory::Laboratory| -> Vec<Vec<String>> {
        let name = |hash: &String| {
            let run = laboratory.run(hash).unwrap();
            format!("{} {}", run.method, run.seed)
        };
        engine.passes(laboratory).unwrap().iter().map(|pass| pass.iter().map(name).collect()).collect()
    };
    assert!(passes(&laboratory).iter().all(|pass| pass.len() == 1), "on the CPU every run goes alone");
    // Two learning rates a run.
    laboratory.lanes = 8;
    let pass =
        |of: &str| passes(&laboratory).into_iter().find(|pass| pass.contains(&of.to_owned())).unwrap().join(", ");
    insta::assert_snapshot!(pass("single:a 13"), @"single:a 13, single:b 13, sum 13, mera_wts 13");
    insta::assert_snapshot!(pass("mera_acts 21"), @"sum 21, mera_wts 21, mera_acts 21, average_by_score 21");
    insta::assert_snapshot!(pass("fusion 21"), @"fusion 13, fusion 21");
    insta::assert_snapshot!(pass("scratch 21"), @"scratch 13, scratch 21");
    insta::assert_snapshot!(pass("full 21"), @"full 21");
    insta::assert_snapshot!(pass("acts_keep 13"), @"acts_keep 13, acts_keep 21");
    let count: usize = passes(&laboratory).iter().map(Vec::len).sum();
    assert_eq!(count, laboratory.plan.runs().len());
}

#[test]
fn a_pass_has_room_for_the_longest_batch_of_any_episode() {
    let (mut engine, mut plan) = loaded(EXPERIMENT);
    let lanes = |engine: &mut Engine, plan: &PlanExperiment| {
        let card = ask(engine, plan.clone());
        assert_eq!(card.lanes, engine.laboratory.as_ref().unwrap().lanes);
        card.lanes
    };
    assert_eq!(lanes(&mut engine, &plan), 1, "on the CPU every run goes alone");
    engine.kind = crate::protocol::DeviceKind::WebGpu;
    // Scores of five runs that are judged on 16 rows of 48 tokens each, 4 heads, 4 bytes.
    engine.max_binding_bytes = Some(5 * 16 * 4 * 48 * 48 * 4);
    let mut data = |rows: &[String]| {
        let file = format!("label\ttext1\ttext2\n{}\n", rows.join("\n"));
        engine.add_data("data.tsv", file.as_bytes()).unwrap().id
    };
    let row = |label: &str, text: &str| format!("{label}\t{text}\tyes");
    let rows =
        |text: &str| -> Vec<String> { (0..8).flat_map(|_| ["wet", "dry"].map(|label| row(label, text))).collect() };
    let long_text = "it rains ".repeat(60);
    let (learned, learned_long) = (data(&rows("it rains")), data(&rows(&long_text)));
    let (short, long) = (data(&[row("wet", "it rains")]), data(&[row("wet", &long_text)]));
    plan.targets = vec![(learned, Some(short))];
    assert!(lanes(&mut engine, &plan) > 5);
    plan.targets = vec![(learned, Some(long))];
    assert_eq!(lanes(&mut engine, &plan), 5, "of what it is judged on, 16 rows at once");
    plan.file = plan.file.replace("batch_size = 6", "batch_size = 40");
    assert_eq!(lanes(&mut engine, &plan), 5);
    plan.targets = vec![(learned_long, Some(short))];
    assert_eq!(lanes(&mut engine, &plan), 2, "of what it learns from, 40 rows at once");
}

#[test]
fn embeddings_stay_frozen_where_the_device_can_not_bind_their_table() {
    let (mut engine, plan) = loaded(EXPERIMENT);
    let whole = ask(&mut engine, plan.clone());
    let config = engine.plm().unwrap().encoder.config().clone();
    let largest = (config.vocab_size * config.hidden_size * 4) as u64;
    engine.max_binding_bytes = Some(largest);
    assert_eq!(ask(&mut engine, plan.clone()), whole, "it just fits");
    engine.max_binding_bytes = Some(largest - 1);
    let card = ask(&mut engine, plan);
    let frozen = |card: &ExperimentCard| {
        let of_method = |run: &&crate::protocol::PlannedCard| run.method.starts_with("full");
        card.runs.iter().find(of_method).unwrap().clone()
    };
    assert_eq!((frozen(&whole).method.as_str(), frozen(&card).method.as_str()), ("full", "full (embeddings frozen)"));
    let others = |card: &ExperimentCard| -> Vec<String> {
        card.runs.iter().filter(|run| !run.method.starts_with("full")).map(|run| run.hash.clone()).collect()
    };
    assert_eq!(others(&whole), others(&card));
    let record = run(&mut engine, &frozen(&card).hash);
    assert_eq!(record.method, "full (embeddings frozen)");
    let tables = config.hidden_size * (config.vocab_size + config.type_vocab_size + config.max_position_embeddings);
    let all = engine.plm().unwrap().card.parameters + 1155;
    assert_eq!((record.trainable_parameters, record.inference_parameters), (all - tables, all - tables));
    let unknown = try_ask(&mut engine, RunExperiment { hashes: vec![frozen(&whole).hash], records: Vec::new() });
    assert!(matches!(unknown, Err(EngineError::NoPlannedRun(_))), "whole it can't be done here");
    let (mut other, _) = planned(EXPERIMENT);
    assert!(run(&mut other, &frozen(&card).hash).agrees(&record), "a device that could train them does it as well");
}

#[test]
fn a_plan_says_what_it_costs() {
    let (_, card) = planned(EXPERIMENT);
    let work = |method: &str| card.runs.iter().find(|run| run.method == method).unwrap().work;
    // 2 rates, 2 epochs, 12 rows forward and backward and 12 of dev; 216 of test.
    let trained = f64::from(2 * 2 * (3 * 12 + 12) + 216);
    assert_eq!([work("majority"), work("best_single"), work("scratch")], [0.0, 0.0, trained]);
    // A head sees each row once; of full fine-tuning the optimiser takes most.
    assert_eq!(work("head"), f64::from(2 * 12 + 216));
    assert!(work("fusion") > 1.3 * trained && work("full") > 1.5 * trained);
    assert_eq!([work("mera_acts"), work("best_single_by_score")], [trained + 48.0, 72.0]);
    let after = |method: &str| card.runs.iter().find(|run| run.method == method).unwrap().after.len();
    assert_eq!([after("best_single"), after("best_single_by_score"), after("sum")], [2, 2, 0]);
    // Every run is in one pass, a choice after what it looks at.
    let passed: Vec<&String> = card.passes.iter().flatten().collect();
    let place = |method: &str, seed| {
        let run = card.runs.iter().find(|run| (run.method.as_str(), run.seed) == (method, seed)).unwrap();
        passed.iter().position(|hash| **hash == run.hash).unwrap()
    };
    assert_eq!(passed.len(), card.runs.len());
    for seed in [13, 21] {
        assert!(place("best_single", seed) > place("single:a", seed).max(place("single:b", seed)));
    }
}
