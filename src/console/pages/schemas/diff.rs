//! Two texts, line by line.

/// Longer texts are not compared: it would take the square of their lengths.
const MOST: usize = 1_000;

/// A line, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Both(&'a str),
    Gone(&'a str),
    Come(&'a str),
}

/// The lines of both, in an order in which as few as possible are gone or new; `None` if they are too long.
pub(super) fn diff<'a>(old: &'a str, new: &'a str) -> Option<Vec<Line<'a>>> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let head = old.iter().zip(&new).take_while(same).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(same).count();
    let (before, after) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    if before.len() > MOST || after.len() > MOST {
        return None;
    }
    // The longest common part of what is left of both, from each pair of places on.
    let wide = after.len() + 1;
    let mut common = vec![0_u32; (before.len() + 1) * wide];
    for (i, one) in before.iter().enumerate().rev() {
        for (j, other) in after.iter().enumerate().rev() {
            common[i * wide + j] = if one == other {
                common[(i + 1) * wide + j + 1] + 1
            } else {
                common[(i + 1) * wide + j].max(common[i * wide + j + 1])
            };
        }
    }
    let mut lines: Vec<_> = old[..head].iter().map(|line| Line::Both(line)).collect();
    let (mut i, mut j) = (0, 0);
    loop {
        match (before.get(i), after.get(j)) {
            (Some(one), Some(other)) if one == other => {
                lines.push(Line::Both(one));
                (i, j) = (i + 1, j + 1);
            }
            (Some(one), other) if other.is_none() || common[(i + 1) * wide + j] >= common[i * wide + j + 1] => {
                lines.push(Line::Gone(one));
                i += 1;
            }
            (_, Some(other)) => {
                lines.push(Line::Come(other));
                j += 1;
            }
            (_, None) => break,
        }
    }
    lines.extend(old[old.len() - tail..].iter().map(|line| Line::Both(line)));
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::Line::{Both, Come, Gone};
    use super::*;

    #[test]
    fn what_is_in_both_stays_and_the_rest_is_gone_or_new() {
        let lines = diff("a\nb\nc\nd", "a\nc\nx\nd").unwrap();
        assert_eq!(lines, [Both("a"), Gone("b"), Both("c"), Come("x"), Both("d")]);
        assert_eq!(diff("", "a").unwrap(), [Come("a")]);
        assert_eq!(diff("a", "").unwrap(), [Gone("a")]);
        assert_eq!(diff("a\nb", "a\nb").unwrap(), [Both("a"), Both("b")]);
        assert_eq!(diff("a\na", "a\na\na").unwrap(), [Both("a"), Both("a"), Come("a")]);
    }

    #[test]
    fn both_texts_can_be_read_out_of_it_whatever_they_are() {
        for seed in 0_u32..200 {
            let text = |seed: u32, length: u32| {
                let line =
                    |at: u32| ["a", "b", "c"][(seed.wrapping_mul(2_654_435_761).rotate_left(at * 5) % 3) as usize];
                (0..length).map(line).collect::<Vec<_>>().join("\n")
            };
            let (old, new) = (text(seed, seed % 9), text(seed + 77, seed % 7));
            let lines = diff(&old, &new).unwrap();
            let read = |skips: fn(&Line<'_>) -> bool| {
                let kept = lines.iter().filter(|line| !skips(line));
                kept.map(|line| match line {
                    Both(text) | Gone(text) | Come(text) => *text,
                })
                .collect::<Vec<_>>()
                .join("\n")
            };
            assert_eq!(read(|line| matches!(line, Come(_))), old);
            assert_eq!(read(|line| matches!(line, Gone(_))), new);
        }
    }

    #[test]
    fn what_is_too_long_is_not_compared() {
        let many = |word: &str| (0..=MOST).map(|at| format!("{word}{at}\n")).collect::<String>();
        assert_eq!(diff(&many("a"), &many("b")), None);
        assert!(diff(&many("a"), &many("a")).is_some());
    }
}
