//! Headings, times and a summary for commands that do several things.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::stop::{self, Interrupted};

/// What came of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// Whether a step could be done where it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feasible {
    /// It has been done.
    Yes,
    /// It could not, and why.
    No(String),
}

/// The steps of one command, in the order in which they ran.
#[derive(Debug)]
pub struct Steps {
    started: Instant,
    done: Vec<(String, Duration, Outcome)>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { started: Instant::now(), done: Vec::new() }
    }
}

impl Steps {
    /// Runs one step under a heading. `None` if it failed: the error has been printed, and [`Steps::finish`] will fail.
    ///
    /// # Errors
    /// Only [`Interrupted`]: after a signal nothing more is begun.
    pub fn run<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        stop::check()?;
        println!("\n==> {name}");
        let begun = Instant::now();
        let result = step();
        let took = begun.elapsed();
        match result {
            Ok(value) => {
                println!("<== {name}: {}", seconds(took));
                self.done.push((name.to_owned(), took, Outcome::Passed));
                Ok(Some(value))
            }
            Err(err) if err.is::<Interrupted>() => Err(err),
            Err(err) => {
                eprintln!("error: {err:#}");
                println!("<== {name}: failed after {}", seconds(took));
                self.done.push((name.to_owned(), took, Outcome::Failed));
                Ok(None)
            }
        }
    }

    /// Runs a step that may find out that it cannot be done here, and is left out then.
    ///
    /// # Errors
    /// As for [`Steps::run`].
    pub fn run_if_feasible(&mut self, name: &str, step: impl FnOnce() -> Result<Feasible>) -> Result<()> {
        if let Some(Feasible::No(why)) = self.run(name, step)? {
            println!("left out: {why}");
            if let Some((name, _, outcome)) = self.done.last_mut() {
                name.push_str(": ");
                name.push_str(&why);
                *outcome = Outcome::Skipped;
            }
        }
        Ok(())
    }

    /// Notes a step that was left out, with the reason as part of its name.
    pub fn skip(&mut self, name: &str) {
        println!("\n==> {name}");
        self.done.push((name.to_owned(), Duration::ZERO, Outcome::Skipped));
    }

    /// Prints every step with its time.
    ///
    /// # Errors
    /// When a step failed.
    pub fn finish(self) -> Result<()> {
        println!("\n==> summary");
        for (name, took, outcome) in &self.done {
            let word = match outcome {
                Outcome::Passed => "ok",
                Outcome::Failed => "FAILED",
                Outcome::Skipped => "left out",
            };
            println!("{:>9}  {word:<8}  {name}", seconds(*took));
        }
        println!("{:>9}  in all", seconds(self.started.elapsed()));
        let failed: Vec<&str> = self
            .done
            .iter()
            .filter(|(_, _, outcome)| *outcome == Outcome::Failed)
            .map(|(name, ..)| name.as_str())
            .collect();
        if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
    }
}

/// `12.3 s`.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_steps_run_after_a_failure_and_the_whole_fails() {
        let mut steps = Steps::default();
        assert_eq!(steps.run("first", || Ok(1)).unwrap(), Some(1));
        assert_eq!(steps.run("second", || -> Result<()> { bail!("broken") }).unwrap(), None);
        assert_eq!(steps.run("third", || Ok(3)).unwrap(), Some(3));
        assert_eq!(steps.finish().unwrap_err().to_string(), "failed: second");
    }

    #[test]
    fn what_cannot_be_done_here_is_no_failure_but_what_fails_is() {
        let mut steps = Steps::default();
        steps.run_if_feasible("first", || Ok(Feasible::No("no network".to_owned()))).unwrap();
        steps.run_if_feasible("second", || Ok(Feasible::Yes)).unwrap();
        let told: Vec<_> = steps.done.iter().map(|(name, _, outcome)| (name.as_str(), *outcome)).collect();
        assert_eq!(told, [("first: no network", Outcome::Skipped), ("second", Outcome::Passed)]);
        steps.run_if_feasible("third", || bail!("broken")).unwrap();
        assert_eq!(steps.finish().unwrap_err().to_string(), "failed: third");
    }

    #[test]
    fn a_signal_is_no_failure_of_the_step() {
        let mut steps = Steps::default();
        let err = steps.run("first", || -> Result<()> { Err(Interrupted.into()) }).unwrap_err();
        assert!(err.is::<Interrupted>());
        steps.finish().unwrap();
    }
}
