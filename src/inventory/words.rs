//! Words of a line of an INI inventory, as a shell would split them.

/// One word without its quotes, and where it stands with them.
#[derive(Debug, PartialEq)]
pub(super) struct Word {
    pub text: String,
    pub start: usize,
    pub end: usize,
}

/// The words of a line.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Split {
    pub words: Vec<Word>,
    /// Where a `#` in the middle of a word cut it off.
    pub comment_in_word: Option<usize>,
}

/// Splits a line; a `#` outside of quotes ends it, even inside of a word, as Python's `shlex` does.
///
/// # Errors
/// With the place of a quote that is not closed.
pub(super) fn split(line: &str) -> Result<Split, usize> {
    let mut split = Split::default();
    let mut word: Option<Word> = None;
    let mut quote: Option<(char, usize)> = None;
    let mut characters = line.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match quote {
            Some((open, _)) if character == open => quote = None,
            Some((open, _)) => {
                let next = characters.peek().map(|(_, c)| *c);
                let escaped = open == '"' && character == '\\' && matches!(next, Some('"' | '\\'));
                let kept = if escaped { characters.next().map_or(character, |(_, c)| c) } else { character };
                word.get_or_insert_with(|| begin(at)).text.push(kept);
            }
            None if character.is_whitespace() => finish(&mut split, &mut word, at),
            None if character == '#' => {
                split.comment_in_word = word.is_some().then_some(at);
                finish(&mut split, &mut word, at);
                return Ok(split);
            }
            None => {
                let current = word.get_or_insert_with(|| begin(at));
                match character {
                    '"' | '\'' => quote = Some((character, at)),
                    '\\' => current.text.extend(characters.next().map(|(_, c)| c)),
                    other => current.text.push(other),
                }
            }
        }
    }
    if let Some((_, at)) = quote {
        return Err(at);
    }
    finish(&mut split, &mut word, line.len());
    Ok(split)
}

fn begin(at: usize) -> Word {
    Word { text: String::new(), start: at, end: at }
}

fn finish(split: &mut Split, word: &mut Option<Word>, end: usize) {
    split.words.extend(word.take().map(|word| Word { end, ..word }));
}

/// Says whether a text can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_shlex_splits_them() {
        for (line, expected) in [
            ("h a=1  b=2", vec!["h", "a=1", "b=2"]),
            ("h a=\"b c\" d='e f' # g", vec!["h", "a=b c", "d=e f"]),
            ("h a=x#y z", vec!["h", "a=x"]),
            ("h a='x#y'", vec!["h", "a=x#y"]),
            ("h a=\"x\\\"y\\z\" b='\\'", vec!["h", "a=x\"y\\z", "b=\\"]),
            ("h a=b\\ c", vec!["h", "a=b c"]),
            ("h a=''", vec!["h", "a="]),
            ("", vec![]),
        ] {
            let words: Vec<String> = split(line).unwrap().words.into_iter().map(|w| w.text).collect();
            assert_eq!(words, expected, "{line}");
        }
        assert_eq!(split("h a='b"), Err(4));
        assert_eq!(split("h a=x#y").unwrap().comment_in_word, Some(5));
        assert_eq!(split("h a=x #y").unwrap().comment_in_word, None);
    }
}
