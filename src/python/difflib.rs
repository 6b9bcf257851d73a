//! `difflib.unified_diff`: which lines Python says have changed.

use std::collections::HashMap;
use std::hash::Hash;

/// How many looks at pairs of lines a comparison may take.
const MOST_WORK: u64 = 50_000_000;

/// A run of lines that both sides have: where it begins on each, and how many there are.
type Block = (usize, usize, usize);

/// What becomes of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Equal,
    Changed,
}

/// A stretch of both sides.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    tag: Tag,
    before: (usize, usize),
    after: (usize, usize),
}

struct Matcher<'a, T> {
    before: &'a [T],
    after: &'a [T],
    /// Where each line stands behind, those left out that stand there too often to say anything.
    places: HashMap<&'a T, Vec<usize>>,
    work: u64,
}

impl<'a, T: Eq + Hash> Matcher<'a, T> {
    fn new(before: &'a [T], after: &'a [T]) -> Self {
        let mut places: HashMap<&T, Vec<usize>> = HashMap::new();
        for (at, line) in after.iter().enumerate() {
            places.entry(line).or_default().push(at);
        }
        let count = after.len();
        if count >= 200 {
            places.retain(|_, found| found.len() <= count / 100 + 1);
        }
        Matcher { before, after, places, work: 0 }
    }

    /// The longest run between these bounds; of several the first. Nothing where it takes too long to tell.
    fn longest(&mut self, a: (usize, usize), b: (usize, usize)) -> Option<Block> {
        let (mut start, mut other, mut size) = (a.0, b.0, 0);
        let mut lengths: HashMap<usize, usize> = HashMap::new();
        for i in a.0..a.1 {
            let mut next = HashMap::new();
            let found = self.before.get(i).and_then(|line| self.places.get(line));
            for &j in found.into_iter().flatten() {
                self.work += 1;
                if j < b.0 {
                    continue;
                }
                if j >= b.1 {
                    break;
                }
                let length = j.checked_sub(1).and_then(|j| lengths.get(&j)).copied().unwrap_or(0) + 1;
                next.insert(j, length);
                if length > size {
                    (start, other, size) = (i + 1 - length, j + 1 - length, length);
                }
            }
            self.work += 1;
            lengths = next;
        }
        // Lines that stand everywhere belong to a run beside them.
        while start > a.0 && other > b.0 && self.before.get(start - 1) == self.after.get(other - 1) {
            (start, other, size) = (start - 1, other - 1, size + 1);
        }
        while start + size < a.1 && other + size < b.1 && self.before.get(start + size) == self.after.get(other + size)
        {
            size += 1;
        }
        (self.work <= MOST_WORK).then_some((start, other, size))
    }

    /// All runs in their order, with an empty one at the end.
    fn blocks(&mut self) -> Option<Vec<Block>> {
        let mut queue = vec![((0, self.before.len()), (0, self.after.len()))];
        let mut found = Vec::new();
        while let Some((a, b)) = queue.pop() {
            let (i, j, size) = self.longest(a, b)?;
            if size == 0 {
                continue;
            }
            found.push((i, j, size));
            if a.0 < i && b.0 < j {
                queue.push(((a.0, i), (b.0, j)));
            }
            if i + size < a.1 && j + size < b.1 {
                queue.push(((i + size, a.1), (j + size, b.1)));
            }
        }
        found.sort_unstable();
        let mut joined: Vec<Block> = Vec::new();
        for (i, j, size) in found {
            match joined.last_mut() {
                Some(last) if last.0 + last.2 == i && last.1 + last.2 == j => last.2 += size,
                _ => joined.push((i, j, size)),
            }
        }
        joined.push((self.before.len(), self.after.len(), 0));
        Some(joined)
    }

    fn stretches(&mut self) -> Option<Vec<Stretch>> {
        let (mut i, mut j) = (0, 0);
        let mut all = Vec::new();
        for (a, b, size) in self.blocks()? {
            if i < a || j < b {
                all.push(Stretch { tag: Tag::Changed, before: (i, a), after: (j, b) });
            }
            if size > 0 {
                all.push(Stretch { tag: Tag::Equal, before: (a, a + size), after: (b, b + size) });
            }
            (i, j) = (a + size, b + size);
        }
        Some(all)
    }
}

/// Stretches with no more than `context` equal lines around what has changed.
fn groups(mut all: Vec<Stretch>, context: usize) -> Vec<Vec<Stretch>> {
    let (first, last) = (
        |s: &mut Stretch| {
            s.before.0 = s.before.0.max(s.before.1.saturating_sub(context));
            s.after.0 = s.after.0.max(s.after.1.saturating_sub(context));
        },
        |s: &mut Stretch| {
            s.before.1 = s.before.1.min(s.before.0 + context);
            s.after.1 = s.after.1.min(s.after.0 + context);
        },
    );
    all.first_mut().filter(|s| s.tag == Tag::Equal).map(first);
    all.last_mut().filter(|s| s.tag == Tag::Equal).map(last);
    let (mut done, mut group) = (Vec::new(), Vec::new());
    for mut stretch in all {
        if stretch.tag == Tag::Equal && stretch.before.1 - stretch.before.0 > 2 * context {
            let mut head = stretch;
            last(&mut head);
            group.push(head);
            done.push(std::mem::take(&mut group));
            first(&mut stretch);
        }
        group.push(stretch);
    }
    if !(group.is_empty() || group.len() == 1 && group.iter().all(|s| s.tag == Tag::Equal)) {
        done.push(group);
    }
    done
}

fn range((start, end): (usize, usize)) -> String {
    match end - start {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        length => format!("{},{length}", start + 1),
    }
}

/// The lines of a unified diff, headers included; none where nothing has changed. `None`: it takes too long to tell.
pub fn unified_diff(before: &[&str], after: &[&str], (from, to): (&str, &str), context: usize) -> Option<Vec<String>> {
    let stretches = Matcher::new(before, after).stretches()?;
    let mut lines = Vec::new();
    for group in groups(stretches, context) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        if lines.is_empty() {
            lines.extend([format!("--- {from}\n"), format!("+++ {to}\n")]);
        }
        let (a, b) = ((first.before.0, last.before.1), (first.after.0, last.after.1));
        lines.push(format!("@@ -{} +{} @@\n", range(a), range(b)));
        for stretch in &group {
            let of = |side: &[&str], (start, end): (usize, usize), mark: &str| -> Vec<String> {
                side.get(start..end).unwrap_or_default().iter().map(|line| format!("{mark}{line}")).collect()
            };
            if stretch.tag == Tag::Equal {
                lines.extend(of(before, stretch.before, " "));
            } else {
                lines.extend(of(before, stretch.before, "-"));
                lines.extend(of(after, stretch.after, "+"));
            }
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart_as_python_does() {
        let lines = |text: &'static str| text.split_inclusive('\n').collect::<Vec<_>>();
        let (before, after) = (lines("a\nb\nc\nd\ne\n"), lines("a\nc\nd\nx\ne\nf\n"));
        let diff = unified_diff(&before, &after, ("before", "after"), 1).unwrap().concat();
        assert_eq!(diff, "--- before\n+++ after\n@@ -1,5 +1,6 @@\n a\n-b\n c\n d\n+x\n e\n+f\n");
        assert!(unified_diff(&before, &before, ("", ""), 3).unwrap().is_empty());
        assert_eq!(unified_diff(&[], &["x\n"], ("b", "a"), 3).unwrap().concat(), "--- b\n+++ a\n@@ -0,0 +1 @@\n+x\n");
    }
}
