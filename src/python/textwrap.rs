//! `textwrap.wrap`: a line of text in lines of some width.

use std::sync::LazyLock;

use super::regex::{Fault, Flags, Place, Regex};

/// Where a line may be broken: `TextWrapper.wordsep_re`.
const AT_HYPHENS: &str = r#"[\t\n\x0b\x0c\r ]+|(?<=[\w!"'&.,?])-{2,}(?=\w)|[^\t\n\x0b\x0c\r ]+?(?:-(?:(?<=[^\d\W]{2}-)|(?<=[^\d\W]-[\w!"'&.,?]-))(?=[^\d\W]-?[^\d\W])|(?=[\t\n\x0b\x0c\r ]|\Z)|(?<=[\w!"'&.,?])(?=-{2,}\w))"#;

/// What is blank to it.
fn is_blank(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ')
}

/// The parts of a line that stay together.
fn chunks(line: &str, hyphens: bool) -> Result<Vec<String>, Fault> {
    static PATTERN: LazyLock<Result<Regex, Fault>> =
        LazyLock::new(|| Regex::at(AT_HYPHENS, Flags::default(), Place::Anywhere));
    let mut chunks: Vec<String> = Vec::new();
    if hyphens {
        for found in PATTERN.as_ref().map_err(Clone::clone)?.each(line) {
            let (start, end) = found?.whole();
            chunks.push(line.get(start..end).unwrap_or_default().to_owned());
        }
        return Ok(chunks);
    }
    for c in line.chars() {
        match chunks.last_mut().filter(|last| last.ends_with(is_blank) == is_blank(c)) {
            Some(last) => last.push(c),
            None => chunks.push(c.to_string()),
        }
    }
    Ok(chunks)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Takes as much of a word as there is room for off it.
fn broken(word: &mut String, room: usize, hyphens: bool) -> String {
    let letters: Vec<char> = word.chars().collect();
    let mut end = room.max(1).min(letters.len());
    if hyphens && letters.len() > room {
        let hyphen = letters.iter().take(room).rposition(|c| *c == '-');
        if let Some(at) = hyphen.filter(|at| *at > 0 && letters.iter().take(*at).any(|c| *c != '-')) {
            end = at + 1;
        }
    }
    *word = letters.iter().skip(end).collect();
    letters.iter().take(end).collect()
}

/// The lines; words that are longer than one are broken where that is wanted.
///
/// # Errors
/// When it takes too long to tell where it may be broken.
pub fn wrap(line: &str, width: usize, break_long: bool, hyphens: bool) -> Result<Vec<String>, Fault> {
    let mut left = chunks(line, hyphens)?;
    left.reverse();
    let mut lines = Vec::new();
    while !left.is_empty() {
        let (mut current, mut size) = (Vec::<String>::new(), 0);
        if !lines.is_empty() && left.last().is_some_and(|chunk| chunk.chars().all(is_blank)) {
            left.pop();
        }
        while let Some(chunk) = left.pop_if(|chunk| size + length(chunk) <= width) {
            size += length(&chunk);
            current.push(chunk);
        }
        if let Some(word) = left.last_mut().filter(|word| length(word) > width) {
            if break_long {
                // A room of nothing is none for a word that begins a line.
                let room = width.saturating_sub(size);
                let none = room == 0 && !current.is_empty();
                // Nothing of a word keeps the blank before it from being the last one.
                current.push(if none { String::new() } else { broken(word, room, hyphens) });
            } else if current.is_empty() {
                current.extend(left.pop());
            }
        }
        if current.last().is_some_and(|chunk| chunk.chars().all(is_blank)) {
            current.pop();
        }
        if !current.is_empty() {
            lines.push(current.concat());
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_as_python_does() {
        let wrapped = |text: &str, width, long| wrap(text, width, long, true).unwrap().join("|");
        assert_eq!(wrapped("the quick brown fox", 10, true), "the quick|brown fox");
        assert_eq!(wrapped("a  b   c", 4, true), "a  b|c");
        assert_eq!(wrapped("2024-01-01", 6, true), "2024-|01-01");
        assert_eq!(wrapped("well-known thing", 7, true), "well-|known|thing");
        assert_eq!(wrapped("abcdefgh", 3, true), "abc|def|gh");
        assert_eq!(wrapped("abcdefgh x", 3, false), "abcdefgh|x");
        assert_eq!(wrapped("  x", 5, true), "  x");
        assert_eq!(wrapped("", 5, true), "");
        assert_eq!(wrap("well-known", 7, true, false).unwrap().join("|"), "well-kn|own");
    }
}
