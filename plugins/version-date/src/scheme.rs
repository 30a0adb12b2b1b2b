//! Schemes in the notation of calendar versioning, and dates written in them.

/// Names of parts, those that are the beginning of another behind it. From <https://calver.org/#scheme>.
const NAMES: [(&str, Kind, Width); 13] = [
    ("YYYY", Kind::Year, Width::Exactly(4)),
    ("YY", Kind::ShortYear, Width::UpToTwo),
    ("0Y", Kind::ShortYear, Width::Exactly(2)),
    ("MM", Kind::Month, Width::UpToTwo),
    ("0M", Kind::Month, Width::Exactly(2)),
    ("WW", Kind::Week, Width::UpToTwo),
    ("0W", Kind::Week, Width::Exactly(2)),
    ("DD", Kind::Day, Width::UpToTwo),
    ("0D", Kind::Day, Width::Exactly(2)),
    ("MAJOR", Kind::Number, Width::Any),
    ("MINOR", Kind::Number, Width::Any),
    ("MICRO", Kind::Number, Width::Any),
    ("PATCH", Kind::Number, Width::Any),
];

/// A sequence of parts, with at least a year among them. Its numbers are the levels, in the order in which they are written.
#[derive(Debug)]
pub struct Scheme(Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Field(Kind, Width),
    Literal(char),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Year,
    /// Counted from 2000.
    ShortYear,
    Month,
    Week,
    Day,
    /// Anything that is not a date: a release within the month.
    Number,
}

/// How many digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Exactly(usize),
    /// With a leading zero or without.
    UpToTwo,
    Any,
}

/// A date at the beginning of a text.
pub(crate) struct Dated<'a> {
    pub(crate) levels: Vec<u64>,
    pub(crate) year: u64,
    /// What follows; not a digit, unless the date is without separators.
    pub(crate) rest: &'a str,
}

impl Scheme {
    /// # Errors
    /// A sentence for people: what is not understood and where, or why versions written so could not be compared.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let name = NAMES.iter().find(|(name, _, _)| rest.starts_with(name));
            let (part, length) = match name {
                Some((name, kind, width)) => (Part::Field(*kind, *width), name.len()),
                None if first.is_ascii_lowercase() || ".-_".contains(first) => (Part::Literal(first), 1),
                None => return Err(unknown(text, rest)),
            };
            parts.push(part);
            rest = rest.get(length..).unwrap_or_default();
        }
        check(&parts).map_err(|problem| format!("the scheme {text:?} {problem}"))?;
        widen(&mut parts);
        Ok(Self(parts))
    }

    /// Whether it goes down to the day, behind which a time of day makes sense.
    pub(crate) fn ends_with_day(&self) -> bool {
        matches!(self.0.last(), Some(Part::Field(Kind::Day, _)))
    }

    /// Whether there are no separators, so that digits may follow: `202401150300`.
    pub(crate) fn is_compact(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Field(..)))
    }

    /// The date that `text` begins with; none if it is written in another way, or does not exist.
    pub(crate) fn read<'a>(&self, text: &'a str) -> Option<Dated<'a>> {
        let mut rest = text;
        let mut levels = Vec::new();
        let (mut year, mut month) = (0, 0);
        for part in &self.0 {
            let (kind, width) = match part {
                Part::Literal(literal) => {
                    rest = rest.strip_prefix(*literal)?;
                    continue;
                }
                Part::Field(kind, width) => (*kind, *width),
            };
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let length = match width {
                Width::Exactly(length) => length,
                Width::UpToTwo => digits.min(2),
                Width::Any => digits,
            };
            if digits < length {
                return None;
            }
            let (number, behind) = rest.split_at_checked(length)?;
            let number: u64 = number.parse().ok()?;
            rest = behind;
            let (level, is_valid) = match kind {
                Kind::Year => (number, number > 0),
                Kind::ShortYear => (number + 2000, true),
                Kind::Month => (number, (1..=12).contains(&number)),
                Kind::Week => (number, (1..=53).contains(&number)),
                Kind::Day => (number, (1..=days(year, month)).contains(&number)),
                Kind::Number => (number, true),
            };
            match kind {
                Kind::Year | Kind::ShortYear => year = level,
                Kind::Month => month = level,
                Kind::Week | Kind::Day | Kind::Number => {}
            }
            if !is_valid {
                return None;
            }
            levels.push(level);
        }
        let is_whole = self.is_compact() || !rest.starts_with(|next: char| next.is_ascii_digit());
        is_whole.then_some(Dated { levels, year, rest })
    }
}

/// Days of the month in the Gregorian calendar.
fn days(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether versions in these parts can be compared from left to right.
fn check(parts: &[Part]) -> Result<(), String> {
    let kinds: Vec<Kind> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Field(kind, _) => Some(*kind),
            Part::Literal(_) => None,
        })
        .collect();
    let count = |wanted: &[Kind]| kinds.iter().filter(|kind| wanted.contains(kind)).count();
    let years = [Kind::Year, Kind::ShortYear];
    if count(&years) == 0 {
        return Err("has no year; expected YYYY, YY or 0Y in it".to_owned());
    }
    for wanted in [&years[..], &[Kind::Month, Kind::Week], &[Kind::Day]] {
        if count(wanted) > 1 {
            return Err("says the same twice: one year, one month or week, and one day at most".to_owned());
        }
    }
    if count(&[Kind::Day]) > count(&[Kind::Month]) {
        return Err("has a day without a month".to_owned());
    }
    let dates: Vec<u8> = kinds.iter().filter_map(|kind| rank(*kind)).collect();
    if !dates.is_sorted() {
        return Err("is not written from large to small: versions are compared from left to right, so the year has to come before month \
                    or week, and the month before the day"
            .to_owned());
    }
    let touches = |pair: &[Part]| matches!(pair, [Part::Field(Kind::Number, _), Part::Field(..)]);
    if parts.windows(2).any(touches) {
        return Err("has a number directly before another part; put a separator between them".to_owned());
    }
    if kinds.len() > crate::MOST_LEVELS {
        return Err(format!("has {} parts, and {} are allowed", kinds.len(), crate::MOST_LEVELS));
    }
    Ok(())
}

/// Place among the parts of a date, the largest first.
fn rank(kind: Kind) -> Option<u8> {
    match kind {
        Kind::Year | Kind::ShortYear => Some(0),
        Kind::Month | Kind::Week => Some(1),
        Kind::Day => Some(2),
        Kind::Number => None,
    }
}

/// Gives parts that touch others their full width: nothing else says where one ends.
fn widen(parts: &mut [Part]) {
    let is_field = |part: Option<&Part>| matches!(part, Some(Part::Field(..)));
    let touching: Vec<bool> = (0..parts.len())
        .map(|index| {
            is_field(index.checked_sub(1).and_then(|before| parts.get(before))) || is_field(parts.get(index + 1))
        })
        .collect();
    for (part, is_touching) in parts.iter_mut().zip(touching) {
        match part {
            Part::Field(_, width @ Width::UpToTwo) if is_touching => *width = Width::Exactly(2),
            Part::Field(..) | Part::Literal(_) => {}
        }
    }
}

fn unknown(scheme: &str, rest: &str) -> String {
    let names = NAMES.map(|(name, _, _)| name).join(", ");
    let place = k8supdater_plugin::text::one_line(rest, 20);
    format!(
        "the scheme {scheme:?} has an unknown part at {place:?}, expected one of: {names}; or ., -, _ or a small letter between them"
    )
}
