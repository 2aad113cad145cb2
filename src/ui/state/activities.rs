//! The long jobs that were asked for and have not ended, in the order in which the engine takes them.

use super::Step;
use super::progress::Meter;
use crate::protocol::{JobId, Progress};

/// A long job that is going on.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// What is being done, for a person.
    pub label: String,
    /// The step that it belongs to.
    pub step: Option<Step>,
    /// How far it is.
    pub meter: Meter,
    /// To cancel it by.
    pub job: JobId,
    /// Whether it has been told to stop.
    pub stopping: bool,
}

/// All of them. The engine does one job after the other, so it is at the first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activities(Vec<Activity>);

impl Activities {
    /// Takes in a job that was asked for just now.
    pub fn add(&mut self, activity: Activity) {
        self.0.push(activity);
    }

    /// The next report on a job.
    pub fn hear(&mut self, job: JobId, progress: &Progress) {
        if let Some(activity) = self.0.iter_mut().find(|activity| activity.job == job) {
            activity.meter.hear(progress);
        }
    }

    /// A job has ended.
    pub fn end(&mut self, job: JobId) {
        self.0.retain(|activity| activity.job != job);
    }

    /// Marks the job that the engine is at as one that is to stop; which it is. What waits behind it was asked for by
    /// itself.
    pub fn stop(&mut self) -> Option<JobId> {
        let current = self.0.first_mut()?;
        current.stopping = true;
        Some(current.job)
    }

    /// How many jobs wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// The job that the engine is at.
    #[must_use]
    pub fn current(&self) -> Option<&Activity> {
        self.0.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Bench, Open, Phase};

    fn activity(job: u32, command: crate::protocol::Command) -> Activity {
        let meter = Meter::new(&command, 0.0);
        Activity { label: format!("job {job}"), step: None, meter, job: JobId(job), stopping: false }
    }

    #[test]
    fn a_job_that_waits_does_not_hide_the_one_that_runs() {
        let mut activities = Activities::default();
        activities.add(activity(1, Bench::default().into()));
        activities.add(activity(2, Open { files: vec![] }.into()));
        let half = Progress { phase: Phase::Read, done: 1.0, total: 2.0, point: None, run: 0, rate: None };
        activities.hear(JobId(2), &half);
        let current = activities.current().unwrap();
        assert_eq!((current.job, current.meter.share()), (JobId(1), 0.0), "the other's progress is not its own");

        assert_eq!((activities.stop(), activities.waiting()), (Some(JobId(1)), 1));
        assert!(activities.current().unwrap().stopping);
        activities.end(JobId(1));
        let current = activities.current().unwrap();
        assert_eq!((current.job, current.stopping), (JobId(2), false), "what waits is not thrown away");
        assert!(current.meter.share() > 0.5);
        activities.end(JobId(2));
        assert_eq!(activities.current(), None);
    }
}
