//! The worker that answers questions beside the runs: it reads test rows and scores adapters.

use super::Laboratory;
use super::member::{Member, Parts, READER};
use crate::protocol::*;
use crate::ui::state::laboratory::score::{self, Evidence, Question, Scoring};
use crate::ui::state::laboratory::{Bundle, Experiment};
use leptos::prelude::*;
use leptos::task::spawn_local;

/// A worker that is kept for questions, with the experiment that it has planned.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) experiment: String,
    /// Which of its PLMs is loaded.
    pub(super) plm: usize,
    pub(super) toml: String,
    pub(super) parts: Parts,
    pub(super) member: Member,
}

impl Laboratory {
    /// Test rows of a finished run. A worker is brought up for it where none is there.
    ///
    /// # Errors
    /// One line.
    pub async fn test_rows(self, hash: String, rows: Vec<usize>) -> Result<Vec<Row>, String> {
        let shown = self.shown.get_untracked().ok_or("no experiment is in sight")?;
        if shown.is_stale() {
            return Err("The experiment has been changed since: run it to read the texts.".to_owned());
        }
        let run = shown.runs().find(|run| run.hash == hash).ok_or("the run is of another experiment")?;
        let plm = shown.cards.iter().position(|card| card.plm == run.plm).unwrap_or(0);
        let is_busy = self.driving.get_untracked() || self.scoring.with_untracked(Option::is_some);
        if self.ready_reader(&shown, plm).is_none() && is_busy {
            return Err("The texts can be read when the workers are done.".to_owned());
        }
        let rows = async {
            let reader = self.reader_for(&shown, plm).await?;
            reader.member.client.call(ShowTestRows { hash, rows }).await
        };
        rows.await.map(|rows| rows.0).map_err(|failure| failure.message)
    }

    /// Whether a worker is there that can be asked for test rows.
    #[must_use]
    pub fn has_reader(self) -> bool {
        self.reader.with_value(Option::is_some)
    }

    /// Whether [`Laboratory::score`] can be asked for now.
    #[must_use]
    pub fn can_score(self) -> bool {
        let is_ready = self.shown.with(|shown| shown.as_ref().is_some_and(Experiment::is_ready));
        is_ready && !self.driving.get() && self.scoring.with(Option::is_none)
    }

    /// Scores the adapters of the experiment in sight for its target number `target`.
    pub fn score(self, target: usize) {
        let Some(shown) = self.shown.get_untracked() else { return };
        if !untrack(|| self.can_score()) {
            return;
        }
        let name = shown.sheet.targets.get(target).map(|target| target.name.clone()).unwrap_or_default();
        let questions = match Question::on_every_plm(&shown.bundle.name, &shown.sheet, target) {
            Ok(questions) => questions,
            Err(line) => return self.lab.problem(name, line),
        };
        let is_ready = |plm| self.ready_reader(&shown, plm).is_some();
        let steps = (0..questions.len()).map(|plm| if is_ready(plm) { 1 } else { score::steps(&shown.sheet) }).sum();
        self.scoring.set(Some(Scoring::new(shown.bundle.name.clone(), name.clone(), steps)));
        spawn_local(async move {
            let outcome = self.answered(&shown, target, questions).await;
            let stopping = self.scoring.with_untracked(|scoring| scoring.as_ref().is_some_and(|one| one.stopping));
            self.scoring.set(None);
            // What was asked to stop says so too.
            if let Err(failure) = outcome
                && !stopping
            {
                self.lab.problem(name, failure.message);
            }
        });
    }

    /// Answers `questions` about target number `target`, one for each PLM of the experiment.
    async fn answered(self, experiment: &Experiment, target: usize, questions: Vec<Question>) -> Result<(), Failure> {
        for (plm, question) in questions.into_iter().enumerate() {
            let Reader { parts, member, .. } = self.reader_for(experiment, plm).await?;
            let line = || Failure { kind: FailureKind::Input, message: "the experiment has no such target".into() };
            let data = parts.targets.get(target).copied().ok_or_else(line)?;
            self.says(READER, "scores the adapters");
            let scores = self.asked(&member, question.ask(&parts.adapters, data)).await?;
            self.evidence.update(|all| {
                all.retain(|one| one.question != question);
                all.push(Evidence { question, scores });
            });
        }
        Ok(())
    }

    /// Stops what [`Laboratory::score`] has begun.
    pub fn stop_scoring(self) {
        if self.scoring.with_untracked(Option::is_some) {
            self.scores(READER, |scoring| scoring.stopping = true);
            let job = self.jobs.with_value(|jobs| jobs.get(&READER).cloned());
            if let Some((client, job)) = job {
                client.cancel(job);
            }
        }
    }

    /// What is known of target number `target` of the experiment in sight before any training, by PLM.
    #[must_use]
    pub fn evidence_on(self, target: usize) -> Vec<Evidence> {
        let questions = self.shown.with(|shown| {
            let shown = shown.as_ref()?;
            Question::on_every_plm(&shown.bundle.name, &shown.sheet, target).ok()
        });
        let questions = questions.unwrap_or_default();
        self.evidence.with(|all| {
            questions.iter().filter_map(|asked| all.iter().find(|one| one.question == *asked)).cloned().collect()
        })
    }

    /// The worker that has planned the experiment as it is, on its PLM number `plm`.
    fn ready_reader(self, experiment: &Experiment, plm: usize) -> Option<Reader> {
        let bundle = &experiment.bundle;
        let fits =
            |reader: &Reader| (&reader.experiment, reader.plm, &reader.toml) == (&bundle.name, plm, &bundle.toml);
        self.reader.with_value(|reader| reader.clone().filter(fits))
    }

    /// The same; it is brought up where it is not there.
    async fn reader_for(self, experiment: &Experiment, plm: usize) -> Result<Reader, Failure> {
        // Whoever asks while one is being brought up waits for it: two would take the memory of two.
        let turn = self.reader_turn.get_value();
        let _turn = turn.lock().await;
        if let Some(reader) = self.ready_reader(experiment, plm) {
            return Ok(reader);
        }
        self.dismiss_reader();
        let member = self.member(READER);
        match self.prepare(&member, experiment, plm).await {
            Ok((parts, _)) => Ok(self.keep_reader(experiment, plm, parts, member)),
            Err(failure) => {
                member.client.close();
                Err(failure)
            }
        }
    }

    /// Keeps a worker that has planned the experiment for questions.
    pub(super) fn keep_reader(self, experiment: &Experiment, plm: usize, parts: Parts, member: Member) -> Reader {
        self.dismiss_reader();
        let Bundle { name, toml, .. } = experiment.bundle.clone();
        let reader = Reader { experiment: name, plm, toml, parts, member: Member { number: READER, ..member } };
        self.reader.set_value(Some(reader.clone()));
        reader
    }

    pub(super) fn dismiss_reader(self) {
        if let Some(reader) = self.reader.get_value() {
            reader.member.client.close();
        }
        self.reader.set_value(None);
    }
}
