//! Shell patterns as Python's `fnmatch` reads them: `*`, `?`, `[a-z]`, `[!a-z]`; case counts.

/// A pattern.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<Token>);

#[derive(Clone, Debug)]
enum Token {
    Star,
    Any,
    One(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

/// Whether a pattern fits the whole text.
pub fn fnmatch(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).matches(text)
}

/// A text as a pattern that fits it alone.
pub fn escape(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '*' | '?' | '[') { format!("[{c}]") } else { c.to_string() }).collect()
}

/// Whether a text has signs of a pattern in it.
pub fn has_magic(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

impl Pattern {
    /// Reads a pattern: every text is one, and a bracket that is not closed stands for itself.
    pub fn new(pattern: &str) -> Pattern {
        let chars: Vec<char> = pattern.chars().collect();
        let (mut tokens, mut at) = (Vec::new(), 0);
        while let Some(c) = chars.get(at) {
            at += 1;
            tokens.push(match c {
                '*' => Token::Star,
                '?' => Token::Any,
                '[' => match end_of_set(&chars, at) {
                    None => Token::One('['),
                    Some(end) => {
                        let body = chars.get(at..end).unwrap_or_default();
                        at = end + 1;
                        set(body)
                    }
                },
                other => Token::One(*other),
            });
        }
        Pattern(tokens)
    }

    /// Whether it fits the whole text. It goes back to the last star alone, so this ends soon.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut token, mut at, mut star) = (0, 0, None);
        while at < text.len() {
            match (self.0.get(token), text.get(at)) {
                (Some(Token::Star), _) => {
                    star = Some((token, at));
                    token += 1;
                }
                (Some(one), Some(c)) if one.fits(*c) => {
                    token += 1;
                    at += 1;
                }
                _ => match star {
                    None => return false,
                    Some((behind, from)) => {
                        star = Some((behind, from + 1));
                        (token, at) = (behind + 1, from + 1);
                    }
                },
            }
        }
        self.0.iter().skip(token).all(|token| matches!(token, Token::Star))
    }
}

impl Token {
    fn fits(&self, c: char) -> bool {
        match self {
            Token::Star => false,
            Token::Any => true,
            Token::One(one) => *one == c,
            Token::Set { negated, ranges } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated,
        }
    }
}

/// Where the bracket of a set closes; one at its very beginning belongs to it.
fn end_of_set(chars: &[char], from: usize) -> Option<usize> {
    let mut at = from + usize::from(chars.get(from) == Some(&'!'));
    at += usize::from(chars.get(at) == Some(&']'));
    chars.iter().skip(at).position(|c| *c == ']').map(|end| at + end)
}

/// The inside of brackets. A range that runs backwards is empty.
fn set(body: &[char]) -> Token {
    let mut chunks: Vec<Vec<char>> = Vec::new();
    let (mut from, mut look) = (0, if body.first() == Some(&'!') { 2 } else { 1 });
    while let Some(dash) = body.iter().skip(look).position(|c| *c == '-').map(|at| at + look) {
        chunks.push(body.get(from..dash).unwrap_or_default().to_vec());
        from = dash + 1;
        look = dash + 3;
    }
    let rest = body.get(from..).unwrap_or_default().to_vec();
    match chunks.last_mut() {
        // A dash at the end stands for itself.
        Some(last) if rest.is_empty() => last.push('-'),
        _ => chunks.push(rest),
    }
    for at in (1..chunks.len()).rev() {
        let backwards = chunks[at - 1].last().zip(chunks[at].first()).is_some_and(|(low, high)| low > high);
        if backwards {
            let behind = chunks.remove(at);
            chunks[at - 1].pop();
            chunks[at - 1].extend(behind.into_iter().skip(1));
        }
    }
    let negated = chunks.first().and_then(|chunk| chunk.first()) == Some(&'!');
    if negated && let Some(first) = chunks.first_mut() {
        first.remove(0);
    }
    let mut ranges: Vec<(char, char)> = chunks.iter().flatten().map(|c| (*c, *c)).collect();
    let pairs = chunks.windows(2).filter_map(|pair| Some((*pair.first()?.last()?, *pair.last()?.first()?)));
    ranges.extend(pairs);
    Token::Set { negated, ranges }
}
