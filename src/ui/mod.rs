//! The page: state as plain structs, signals that hold it, and views that draw it.
//!
//! | part | what lives there |
//! |---|---|
//! | [`state`] | decisions, without a browser; tested natively |
//! | `lab` | the signals, and the flows that ask the engine |
//! | `laboratory` | the same for experiments: their signals and flows, the workers, and the views |
//! | `steps` | one file a step of the recipe: its controls in the rail and its picture |
//! | `pages` | what the header leads to |
//! | `components` | header, rail, progress line, details, fields |
//! | `charts` | figures: they draw a picture of `viz` |
//! | `effect` | what is done again whenever a signal changes |
//! | `browser` | files in and out, storage, theme, address |
//!
//! # Handles for tests
//! Elements that a test presses or reads carry `data-testid`; these names are stable.
//!
//! | `data-testid` | element |
//! |---|---|
//! | `run-example` | the button that goes the whole way on the sample |
//! | `step-model`, `step-adapters`, `step-align`, `step-merge`, `step-few-shot`, `step-results` | a step of the rail; `data-standing` is `open`, `sample`, `running`, `ready` or `stale`; its line is in `line-<step>` |
//! | `file-input`, `folder-input` | the hidden inputs behind the pick buttons |
//! | `hub-adapter`, `hub-adapter-go`, `hub-plm`, `hub-plm-go`, `plm-served` | adapters and models by address; a served model, `data-name` says which |
//! | `problems`, `problem`, `notice` | the list of lines to tell; one on what could not be done; any other |
//! | `progress`, `progress-share`, `cancel` | the progress line; `data-share` is 0 to 1; the button that stops |
//! | `plan`, `plan-stage` | the list of jobs; `data-stage` is `waiting`, `running`, `done` or `stopped` |
//! | `adapter-row` | an adapter; `data-name` |
//! | `adapter-name`, `adapter-track`, `adapter-use`, `adapter-reference`, `adapter-remove`, `adapter-download` | its controls |
//! | `align-go`, `align-by-weights`, `align-by-activations`, `solver-exact`, `solver-sinkhorn`, `epsilon`, `own-texts` | controls of Align |
//! | `layer-<i>`, `pair-<i>`, `view-maps`, `view-ribbons`, `view-weights`, `order-stored`, `order-aligned` | what the picture of Align shows |
//! | `align-facts` | numbers of the location in sight: `data-diagonal`, `data-cost-before`, `data-cost-after` |
//! | `method-<id>`, `setting-<name>`, `weight-<adapter>`, `scale`, `merge-go` | controls of Merge |
//! | `merge-row`, `download-adapter` | a merge; its download |
//! | `data-select`, `test-select`, `k`, `seed`, `max-length`, `draw`, `paste`, `paste-go` | what to learn from |
//! | `start-<slug>`, `epochs`, `learning-rate`, `batch-size`, `train`, `pause`, `resume`, `compare-all` | how to learn |
//! | `episode`, `support-row` | the drawn episode |
//! | `live`, `run-row` | the run going on: `data-step`, `data-loss`, `data-dev`; a run: `data-name`, `data-status`, `data-accuracy` |
//! | `predict-text`, `predict-go`, `prediction` | a sentence of one's own |
//! | `result-row` | a row of the table: `data-name`, `data-accuracy`, `data-seed` |
//! | `majority`, `off-track`, `export-csv`, `download-run`, `download-curve`, `confusion` | beside it |
//! | `sheet`, `experiment-select`, `of-lab`, `forget`, `unreadable`, `toml` | the experiment of the laboratory; `data-shown` is its name |
//! | `use-<method>`, `shots`, `seeds`, `training-<key>`, `workers`, `adapter-track`, `target-track`, `target-without`, `use-tracks-<tracks>`, `use-plm-<name>` | its form |
//! | `score-adapters`, `scoring`, `stop-scoring`, `scores` | scores of a target's adapters before any training: asked for, on their way (`data-share`), stopped, there |
//! | `laboratory-status` | how it stands: `data-status`, `data-done`, `data-all`, `data-failed` |
//! | `run-experiment`, `pause-experiment`, `resume-experiment`, `cancel-experiment`, `member` | what sets it going; a worker |
//! | `line`, `cell` | a method: `data-method`, `data-mean`; a run: `data-hash`, `data-state`, `data-accuracy`, `data-seed` |
//! | `export-<form>`, `save-experiment`, `against`, `live-curves` | beside the table |
//! | `opened-run`, `sibling`, `wrong-answers`, `wrong-row`, `read-texts`, `attention` | a run looked at closely |
//! | `device-chip`, `theme-toggle`, `share`, `page-device`, `page-laboratory`, `page-lab` | the header; `device-chip` has `data-status` and `data-device` |
//! | `self-test`, `cached-file`, `cached-delete`, `kept-runs`, `kept-delete`, `device-select` | the page *This device* |

// A component and its properties are `pub` by leptos' convention; who may use it, the modules say.
#![allow(unreachable_pub)]

pub mod state;

#[cfg(feature = "ui")]
mod app;
#[cfg(feature = "ui")]
mod browser;
#[cfg(feature = "ui")]
pub mod charts;
#[cfg(feature = "ui")]
mod components;
#[cfg(feature = "ui")]
mod effect;
#[cfg(feature = "ui")]
mod lab;
#[cfg(feature = "ui")]
mod laboratory;
#[cfg(feature = "ui")]
mod pages;
#[cfg(feature = "ui")]
mod pictures;
#[cfg(feature = "ui")]
mod steps;

#[cfg(feature = "ui")]
pub use app::mount;
