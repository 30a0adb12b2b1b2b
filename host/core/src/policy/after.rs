//! What the workloads that go first have proved: `spec.after`.
//!
//! A workload proves a tag by running it for a while without a failure, its soak. Start reading at [`Proofs::of`], which says that for one
//! workload; [`Proofs::and`] puts several together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use jiff::Timestamp;

use super::Proven;
use crate::image::{Digest, ImageReference};

/// An image that all pods of a workload ran in one container, without another one or a failure in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The image as the workload names it.
    pub image: ImageReference,
    /// What its tag pointed at, if that is known. A digest in the image itself comes before it.
    pub digest: Option<Digest>,
    /// Since when.
    pub since: Timestamp,
    /// Until when; none if it still is so.
    pub until: Option<Timestamp>,
}

/// From when on which tags of one repository are proved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proofs(BTreeMap<String, Proof>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Proof {
    /// What the tag pointed at, if that is known.
    digest: Option<Digest>,
    /// The first moment at which it is proved, if what runs now goes on.
    from: Timestamp,
}

impl Run {
    fn digest(&self) -> Option<&Digest> {
        self.image.digest().or(self.digest.as_ref())
    }

    /// The first moment at which it has lasted for `soak`; none if it ended before.
    fn proves_from(&self, soak: Duration) -> Option<Timestamp> {
        let from = self.since.checked_add(soak).ok()?;
        self.until.is_none_or(|until| from <= until).then_some(from)
    }
}

impl Proofs {
    /// What a workload proves of the repository of `image` by the `runs` of all its containers, if each has to last for `soak`.
    ///
    /// Somebody may have pushed a tag again. Then its newest run says which image it names, and runs of another image, or of one that nobody
    /// knows, prove nothing about it. A run that begins or ends after now, by a clock that was wrong, counts as it is: what follows waits for
    /// longer rather than hurries.
    pub fn of(runs: &[Run], image: &ImageReference, soak: Duration) -> Self {
        let mut newest: BTreeMap<&str, &Run> = BTreeMap::new();
        let tagged = runs.iter().filter(|run| run.image.is_of_same_repository(image));
        let tagged: Vec<(&str, &Run)> = tagged.filter_map(|run| Some((run.image.tag()?, run))).collect();
        for &(tag, run) in &tagged {
            let known = newest.entry(tag).or_insert(run);
            // Of two that began together, one that goes on is newer; then the digest, so that their order does not matter.
            let age = |run: &Run| (run.since, run.until.is_none(), run.until, run.digest().cloned());
            if age(run) > age(known) {
                *known = run;
            }
        }
        let mut proofs: BTreeMap<String, Proof> = BTreeMap::new();
        for (tag, run) in tagged {
            let digest = run.digest();
            let names_it = newest.get(tag).is_some_and(|newest| newest.digest() == digest);
            let Some(from) = run.proves_from(soak).filter(|_| names_it) else { continue };
            match proofs.entry(tag.to_owned()) {
                Entry::Vacant(place) => {
                    place.insert(Proof { digest: digest.cloned(), from });
                }
                Entry::Occupied(mut known) => known.get_mut().from = from.min(known.get().from),
            }
        }
        Self(proofs)
    }

    /// What both prove: the same tags, with the same digests. A digest that one does not know is the one that the other knows.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        let both = self.0.into_iter().filter_map(|(tag, one)| {
            let other = other.0.get(&tag)?;
            let is_same = one.digest.is_none() || other.digest.is_none() || one.digest == other.digest;
            let digest = one.digest.or_else(|| other.digest.clone());
            is_same.then(|| (tag, Proof { digest, from: one.from.max(other.from) }))
        });
        Self(both.collect())
    }

    /// What is proved at `now`.
    pub fn proven(&self, now: Timestamp) -> Proven {
        let proven = self.0.iter().filter(|(_, proof)| proof.from <= now);
        proven.map(|(tag, proof)| (tag.clone(), proof.digest.clone())).collect()
    }

    /// The first moment after `now` at which another tag is proved, if what runs now goes on; none if there is none to come.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.values().map(|proof| proof.from).filter(|from| *from > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// The given hour of a day.
    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + hour * 3_600).unwrap()
    }

    fn digest(name: &str) -> Option<Digest> {
        (!name.is_empty()).then(|| format!("sha256:{}", name.repeat(64)).parse().unwrap())
    }

    /// A run: image, digest by one hexadecimal digit or nothing, from hour to hour.
    type Given<'a> = (&'a str, &'a str, i64, Option<i64>);

    fn run(&(image, name, since, until): &Given) -> Run {
        Run { image: image.parse().unwrap(), digest: digest(name), since: at(since), until: until.map(at) }
    }

    fn proofs(runs: &[Given], soak: u32) -> Proofs {
        let runs: Vec<Run> = runs.iter().map(run).collect();
        let image = "docker.io/team/app:0.9".parse().unwrap();
        let found = Proofs::of(&runs, &image, soak * HOUR);
        let reversed: Vec<Run> = runs.into_iter().rev().collect();
        assert_eq!(Proofs::of(&reversed, &image, soak * HOUR), found, "the order of runs does not matter");
        found
    }

    /// `expected` has the proved tags with their digests, and the hour at which the next one is.
    fn holds(proofs: &Proofs, hour: i64, expected: (&[(&str, &str)], Option<i64>)) {
        let proven: Proven = expected.0.iter().map(|(tag, name)| ((*tag).to_owned(), digest(name))).collect();
        assert_eq!(
            (proofs.proven(at(hour)), proofs.next(at(hour))),
            (proven, expected.1.map(at)),
            "{proofs:?} at {hour}"
        );
    }

    /// What is proved at hour 100 with a soak of 24 hours.
    fn check(runs: &[Given], expected: (&[(&str, &str)], Option<i64>)) {
        holds(&proofs(runs, 24), 100, expected);
    }

    #[test]
    fn a_tag_is_proved_when_it_has_run_for_long_enough() {
        check(&[], (&[], None));
        check(&[("team/app:1.0", "a", 70, None)], (&[("1.0", "a")], None));
        check(&[("team/app:1.0", "a", 76, None)], (&[("1.0", "a")], None));
        check(&[("team/app:1.0", "a", 77, None)], (&[], Some(101)));
        check(&[("team/app:1.0", "a", 10, Some(34))], (&[("1.0", "a")], None));
        check(&[("team/app:1.0", "a", 10, Some(33))], (&[], None));
        let second = [("team/app:1.1", "b", 90, None), ("team/app:1.0", "a", 10, Some(90))];
        check(&second, (&[("1.0", "a")], Some(114)));
        holds(&proofs(&second, 24), 114, (&[("1.0", "a"), ("1.1", "b")], None));
        // As soon as the rollout is finished.
        holds(&proofs(&[("team/app:1.0", "a", 100, None)], 0), 100, (&[("1.0", "a")], None));
        holds(&proofs(&[("team/app:1.0", "a", 99, Some(99))], 0), 100, (&[("1.0", "a")], None));
    }

    #[test]
    fn each_container_proves_what_it_runs_of_the_repository() {
        let two = [("team/app:1.0", "a", 10, None), ("docker.io/team/app:1.1", "b", 50, None)];
        check(&two, (&[("1.0", "a"), ("1.1", "b")], None));
        // The one that is longer at it is enough.
        check(&[("team/app:1.0", "a", 90, None), ("team/app:1.0", "a", 10, None)], (&[("1.0", "a")], None));
        check(&[("team/app:1.0", "a", 90, None), ("team/app:1.0", "a", 80, None)], (&[], Some(104)));
        // Something else of a similar name is something else.
        for other in ["app:1.0", "team/app2:1.0", "registry.example.com/team/app:1.0", "team/app"] {
            check(&[(other, "a", 10, None)], (&[], None));
        }
    }

    #[test]
    fn the_newest_run_says_which_image_a_tag_names() {
        let again = |since| [("team/app:1.0", "b", since, None), ("team/app:1.0", "a", 10, Some(70))];
        check(&again(70), (&[("1.0", "b")], None));
        check(&again(80), (&[], Some(104)));
        // Gone, and back for an hour: the image was proved before.
        check(&[("team/app:1.0", "a", 99, None), ("team/app:1.0", "a", 10, Some(70))], (&[("1.0", "a")], None));
        check(&[("team/app:1.0", "", 99, None), ("team/app:1.0", "a", 10, Some(70))], (&[], Some(123)));
        check(&[("team/app:1.0", "a", 99, None), ("team/app:1.0", "", 10, Some(70))], (&[], Some(123)));
        check(&[("team/app:1.0", "", 10, None)], (&[("1.0", "")], None));
        check(&[("team/app:1.0", "b", 10, None), ("team/app:1.0", "a", 10, Some(90))], (&[("1.0", "b")], None));
        let pinned = format!("team/app:1.0@{}", digest("c").unwrap());
        check(&[(&pinned, "a", 10, None)], (&[("1.0", "c")], None));
    }

    #[test]
    fn a_clock_that_went_backwards_proves_later_rather_than_sooner() {
        check(&[("team/app:1.0", "a", 110, None)], (&[], Some(134)));
        check(&[("team/app:1.0", "a", 90, Some(80))], (&[], None));
        check(&[("team/app:1.0", "a", 90, Some(120))], (&[], Some(114)));
        let never = Run { since: Timestamp::MAX, ..run(&("team/app:1.0", "a", 0, None)) };
        let image = "team/app".parse().unwrap();
        assert_eq!(Proofs::of(&[never], &image, HOUR), Proofs::default());
    }

    #[test]
    fn several_workloads_have_to_prove_the_same_image() {
        let check = |one: &[Given], other: &[Given], expected: (&[(&str, &str)], Option<i64>)| {
            let (one, other) = (proofs(one, 24), proofs(other, 48));
            holds(&one.clone().and(&other), 100, expected);
            holds(&other.and(&one), 100, expected);
        };
        let app = |tag: &'static str, name: &'static str, since: i64| [(tag, name, since, None)];
        let (one, two) = ("team/app:1.0", "team/app:1.1");
        check(&app(one, "a", 10), &app(one, "a", 10), (&[("1.0", "a")], None));
        check(&app(one, "a", 10), &app(one, "b", 10), (&[], None));
        check(&app(one, "a", 10), &app(one, "", 10), (&[("1.0", "a")], None));
        check(&app(one, "", 10), &app(one, "", 10), (&[("1.0", "")], None));
        check(&app(one, "a", 10), &app(two, "a", 10), (&[], None));
        check(&app(one, "a", 10), &[], (&[], None));
        // The one that is later, by its own soak.
        check(&app(one, "a", 90), &app(one, "a", 90), (&[], Some(138)));
        check(&app(one, "a", 95), &app(one, "a", 60), (&[], Some(119)));
        let more = [(one, "a", 10, None), (two, "b", 80, None)];
        check(&more, &more, (&[("1.0", "a")], Some(128)));
    }
}
