//! The time of day behind a date: `T0300`, `T03-00-15Z`, or nothing but digits behind a date that is nothing but digits.

/// The hour, with minute and second if they are there, and what follows. None if `text` does not begin with a time, or with one that
/// does not exist.
pub(crate) fn read(text: &str) -> Option<(Vec<u64>, &str)> {
    let text = text.strip_prefix(['T', 't'])?;
    let (hour, mut rest) = two_digits(text)?;
    let mut levels = vec![hour];
    // The same between hour and minute as between minute and second.
    let separator = rest.get(..1).filter(|first| [":", "-", "_", "."].contains(first)).unwrap_or_default();
    while levels.len() < 3 {
        let Some((number, behind)) = rest.strip_prefix(separator).and_then(two_digits) else { break };
        levels.push(number);
        rest = behind;
    }
    end(levels, rest.strip_prefix(['Z', 'z']).unwrap_or(rest))
}

/// The same for four or six digits alone, as in `202401150300`.
pub(crate) fn read_digits(text: &str) -> Option<(Vec<u64>, &str)> {
    let mut levels = Vec::new();
    let mut rest = text;
    while let Some((number, behind)) = two_digits(rest) {
        levels.push(number);
        rest = behind;
    }
    if levels.len() < 2 { None } else { end(levels, rest) }
}

fn two_digits(text: &str) -> Option<(u64, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { Some((digits.parse().ok()?, rest)) } else { None }
}

/// Refuses times that do not exist, and digits that belong to something longer.
fn end(levels: Vec<u64>, rest: &str) -> Option<(Vec<u64>, &str)> {
    let is_time = levels.len() <= 3 && levels.iter().zip([24, 60, 60]).all(|(level, limit)| *level < limit);
    (is_time && !rest.starts_with(|next: char| next.is_ascii_digit())).then_some((levels, rest))
}
